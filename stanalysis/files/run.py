"""A run: one training as a folder.

::

    run.json       method, configuration, seed, data hash, versions, thread count; what a foreign network was converted from
    metrics.csv    one row per epoch
    step-*.nc      checkpoints; the one of step 0 always
    best.nc        the epoch best on the validation data
    last.nc        the newest state; training resumes from it
    rewiring.nc    births and deaths of synapses, of a network that rewires
    pruning.csv    accuracies of the pruned network, if `stanalysis prune` was run
    operations.csv accuracies after other operations on the network, if `stanalysis operate` was run
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import UNKNOWN_SEED
from stanalysis.files.kinds import OBJECT, TEXT, list_of, mapping_of, number, optional, record, require_kinds, whole
from stanalysis.files.records import read_json, read_table, write_json, write_table
from stanalysis.files.temporary import is_temporary

SCHEMA_VERSION = 1
INFO, METRICS = "run.json", "metrics.csv"
BEST, LAST, LOG = "best.nc", "last.nc", "rewiring.nc"
_KINDS = {
    "method": TEXT,
    "seed": whole(UNKNOWN_SEED, exact=True),
    "n_checkpoints": whole(0, exact=True),
    "threads": whole(0, exact=True),
    "config": OBJECT,
    "dataset": record({"name": TEXT, "source": TEXT, "sha256": TEXT, "gain": optional(number()), "dt": optional(number())}),
    "versions": mapping_of(TEXT),
    "converted": record({"notes": list_of(TEXT)}),
}
_REMEDY = "restore it, or train anew"
_STEP = re.compile(r"step-(\d+)\.nc")


@dataclass(frozen=True)
class Run:
    """What is in the folder ``path``: ``info`` is run.json, ``steps`` the checkpoint file of each step, ascending."""

    path: Path
    info: dict[str, Any]
    steps: dict[int, Path]

    @property
    def best(self) -> Path:
        """Checkpoint of the epoch best on the validation data."""
        return self.path / BEST

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.path / LAST

    @property
    def log(self) -> Path:
        """Births and deaths of synapses, of a network that rewires, as `stanalysis.files.rewiring_log` reads them."""
        return self.path / LOG

    def __repr__(self) -> str:
        known = [f"{name} {self.info[name]}" for name in ("method", "seed") if name in self.info]
        return f"Run({str(self.path)!r}: {', '.join([*known, steps_said(self.steps)])})"


def steps_said(steps: Iterable[int]) -> str:
    """Steps of training in a few words.

    Examples
    --------
    >>> steps_said([0, 54, 1080]), steps_said([7]), steps_said([])
    ('steps 0…1080', 'step 7', 'no steps')
    """
    every = list(steps)
    if not every:
        return "no steps"
    return f"steps {min(every)}…{max(every)}" if len(every) > 1 else f"step {every[0]}"


def folder_of(run: Run | Path | str) -> Path:
    """Where a run lies; of a path, that path."""
    return run.path if isinstance(run, Run) else Path(run)


def step_path(run: Path, step: int) -> Path:
    """Where the checkpoint of ``step`` lies."""
    return run / f"step-{step:06d}.nc"


def write_info(run: Path, info: Mapping[str, object]) -> None:
    """Write run.json."""
    write_json(run / INFO, {"schema_version": SCHEMA_VERSION, **info})


def open_run(path: Path | str) -> Run:
    """Look into a run folder; `BadInput` if it is none."""
    path = Path(path)
    info_path = path / INFO
    if not info_path.is_file():
        raise BadInput(f"{path} is no run folder: it holds no {INFO}; give a folder that `stanalysis train` wrote.")
    info = read_json(info_path, remedy=_REMEDY)
    if info.get("schema_version") != SCHEMA_VERSION:
        raise BadInput(f"{info_path} is not of schema version {SCHEMA_VERSION}; use the program version that wrote it.")
    require_kinds(info, _KINDS, where=str(info_path), remedy=_REMEDY)
    return Run(path, info, steps_in(path))


def steps_in(folder: Path) -> dict[int, Path]:
    """The checkpoint file of each step in a folder, ascending."""
    return dict(sorted((int(m[1]), p) for p in folder.iterdir() if (m := _STEP.fullmatch(p.name))))


def is_free(path: Path) -> bool:
    """Whether a folder can be written there: there is nothing, or nothing in it but what a process that died left."""
    return not path.exists() or (path.is_dir() and all(is_temporary(entry) for entry in path.iterdir()))


def read_metrics(run: Path) -> pd.DataFrame:
    """metrics.csv, one row per epoch; empty if there is none yet."""
    path = run / METRICS
    if not path.is_file():
        return pd.DataFrame()
    metrics = read_table(path, remedy=_REMEDY)
    for name in ("epoch", "step", "validation_accuracy", "test_accuracy"):
        if name not in metrics or metrics[name].dtype.kind not in "if":
            raise BadInput(f"{path} has no column of numbers {name!r}; {_REMEDY}.")
    for name in ("epoch", "step"):
        if not (metrics[name].between(0, 2**53) & (metrics[name] % 1 == 0)).all():
            raise BadInput(f"{path} has a row whose {name} is no whole number of at least 0; {_REMEDY}.")
    for name in ("validation_accuracy", "test_accuracy"):
        if not metrics[name].between(0, 1).all():
            raise BadInput(f"{path} has a {name} outside 0 to 1, or none in some row; {_REMEDY}.")
    return metrics


def write_metrics(run: Path, metrics: pd.DataFrame) -> None:
    """Write metrics.csv atomically."""
    write_table(run / METRICS, metrics)
