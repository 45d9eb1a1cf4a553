"""A made ``operations.csv``: a network that bears what is planted here."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.analysis.operations import joined_operations
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.operations import ARMS, INTACT, OPERATIONS, read_operations, write_operations
from stanalysis.files.run import step_path, write_info
from stanalysis.synthetic.network import small_network

HIDDEN, OUTPUT = "input__hidden1", "hidden1__output"
N_DRAWS: Final = 2
# by operation, what each level costs in accuracy
COSTS: Final[dict[str, dict[float, float]]] = {
    "delay-levels": {1: 0.5, 2: 0.2, 3: 0.05, 4: 0.012, 8: 0.004, 16: 0.001, 32: 0.0},
    "delay-jitter": {2.5: 0.0, 5: 0.004, 10: 0.008, 20: 0.028, 40: 0.1, 80: 0.3},
    "delay-clip": {0.0: 0.6, 0.25: 0.3, 0.5: 0.1, 0.75: 0.02, 0.9: 0.005},
    "smallest-delays-to-mean": {0.25: 0.001, 0.5: 0.004, 0.75: 0.009, 0.9: 0.05, 1.0: 0.5},
    "largest-delays-to-mean": {0.25: 0.02, 0.5: 0.1, 0.75: 0.3, 0.9: 0.4, 1.0: 0.5},
    "random-delays-to-mean": {0.25: 0.008, 0.5: 0.04, 0.75: 0.2, 0.9: 0.35, 1.0: 0.5},
    "axonal": {1: 0.1},
    "axonal-weighted": {1: 0.08},
    "dendritic": {1: 0.3},
    "dendritic-weighted": {1: 0.32},
    "weight-bits": {1: 0.3, 2: 0.15, 3: 0.03, 4: 0.006, 6: 0.0, 8: 0.0},
    "weight-jitter": {0.05: 0.0, 0.1: 0.002, 0.2: 0.018, 0.4: 0.06, 0.8: 0.2},
}
BUFFERS: Final = {"axonal": 700.0, "axonal-weighted": 710.0, "dendritic": 260.0, "dendritic-weighted": 255.0}
INTACT_BUFFER: Final = 21000.0
# in accuracy, what raising rather than lowering grouping brings at equal dose, and what it seems to bring at unequal doses
PLANTED, SEEMING = 0.002, -0.06


def operated(
    *, intact: float = 0.92, seed: int = 0, planted: float = PLANTED, without: Collection[str] = (), step: int = 5
) -> pd.DataFrame:
    """The lines of a network.

    Parameters
    ----------
    intact
        Its accuracy when nothing is done to it.
    seed
        Of what is not planted.
    planted
        What raising grouping brings at equal dose.
    without
        Operations that were not done.
    step
        Of its checkpoint.
    """
    lines = [_line(INTACT, intact, grouping=0.2), *_precision(intact), *_nulls(intact, seed), *_directed(intact, seed, planted)]
    table = pd.DataFrame([line for line in lines if line["operation"] not in without])
    return table.assign(step=step, checkpoint="best")


def operated_analysis(folder: Path, networks: Mapping[str, Mapping[str, Any]], *, conditions: Any = None) -> xr.DataTree:
    """As much of an analysis as findings on operations need, of networks by their names; by default of one condition."""
    parts = []
    for name, planted in networks.items():
        (folder / name).mkdir()
        write_operated(folder / name, **planted)
        parts.append(read_operations(folder / name).expand_dims(run=[name]))
    attrs = {"runs": json.dumps(list(networks)), "conditions": json.dumps(conditions or {"": list(networks)})}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), "operations": joined_operations(parts)})


def write_operated_run(path: Path, *, seed: int = 0, steps: Sequence[int] = (0, 5), **planted: Any) -> Path:
    """A run of a small network, and in it what `operated` gives."""
    write_info(path, {"method": "dcls", "seed": seed})
    for step in steps:
        tree = small_network(step=step, seed=seed, n_source=8, n_target=5)
        tree.attrs["config"] = json.dumps({"epochs": 1})
        write_checkpoint(tree, step_path(path, step))
    write_operated(path, seed=seed, **planted)
    return path


def write_operated(run: Path, **planted: Any) -> None:
    """Write what `operated` gives into a run folder."""
    write_operations(run, operated(**planted))


def _line(setting: dict[str, Any], accuracy: float, **values: Any) -> dict[str, Any]:
    rest = {"dose": np.nan, "n_moved": 0, "moved": 0.0, "grouping": np.nan, "buffer": INTACT_BUFFER}
    accuracy = min(max(accuracy, 0.0), 1.0)
    return {**setting, **rest, "test_accuracy": accuracy, "validation_accuracy": accuracy, **values}


def _settings(name: str, level: float, **setting: Any) -> Iterator[dict[str, Any]]:
    rule = OPERATIONS[name]
    for draw in range(N_DRAWS if rule.draws else 1):
        yield {**INTACT, "operation": name, "family": rule.family, "level": level, "draw": draw, **setting}


def _precision(intact: float) -> Iterator[dict[str, Any]]:
    for name, costs in COSTS.items():
        for level, cost in costs.items():
            for setting in _settings(name, level):
                apart = 0.002 * (2 * setting["draw"] - 1) if OPERATIONS[name].draws else 0.0  # no matter on the mean of draws
                buffer = BUFFERS.get(name, INTACT_BUFFER)
                yield _line(setting, intact - cost + apart, dose=2 * cost, n_moved=100, moved=0.5, buffer=buffer)


def _nulls(intact: float, seed: int) -> Iterator[dict[str, Any]]:
    random = np.random.default_rng([seed, 1])
    kinds = ("null-delays", "null-weights", "null-signs", "null-interaction", "null-sources")
    for place, name in enumerate(kinds):
        for level in OPERATIONS[name].levels:
            for normalisation, refit in (("kept", 0), ("re-estimated", 0), ("re-estimated", 5)):
                dose = level * (0.6 + 0.3 * place)
                cost = 0.85 * (1 - np.exp(-2 * dose)) * (1.0 if normalisation == "kept" else 0.8 if refit == 0 else 0.3)
                for setting in _settings(name, level, projection=HIDDEN, normalisation=normalisation, refit=refit):
                    accuracy = intact - cost + random.normal(0, 0.01)
                    yield _line(
                        setting, accuracy, dose=dose, n_moved=int(500 * level), moved=level, grouping=0.2 - 0.15 * level
                    )


def _directed(intact: float, seed: int, planted: float) -> Iterator[dict[str, Any]]:
    random = np.random.default_rng([seed, 2])
    for name in ("directed-delays", "directed-signs"):
        for level in (0.1, 0.2, 0.4):
            for matched in (False, True):
                common, apart = random.normal(0, 0.004), random.normal(0, 0.003)
                for arm in ARMS:
                    raises = ARMS.index(arm) * -1 + 1  # 1, 0, -1
                    dose = level * (1.5 if matched else 1.5 + 0.7 * raises)
                    brings = raises * (planted if matched else SEEMING * level / 0.2) / 2
                    brings += raises * apart / 2
                    for setting in _settings(name, level, projection=HIDDEN, arm=arm, matched=matched):
                        accuracy = intact - 0.4 * level + common + brings + 0.001 * (2 * setting["draw"] - 1)
                        grouping = 0.2 + 0.5 * raises * level
                        yield _line(setting, accuracy, dose=dose, n_moved=int(500 * level), moved=level, grouping=grouping)
