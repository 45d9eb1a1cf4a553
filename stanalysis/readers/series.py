"""The checkpoints of one network, wherever they lie: a run folder, a checkpoint, or files of another program."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.digest import hash_of
from stanalysis.files.opening import checkpoints_in, is_ours
from stanalysis.files.run import BEST, INFO, open_run, steps_said
from stanalysis.readers.choosing import read_with
from stanalysis.readers.options import Options


@dataclass(frozen=True)
class Series:
    """Checkpoints by step, ascending; the step best on validation, if it is known; files and what they hash to (SHA-256);
    notes of the reader, of a network that was or is foreign.
    """

    checkpoints: dict[int, xr.DataTree]
    best_step: int | None
    files: dict[str, str]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        best = "" if self.best_step is None else f", best {self.best_step}"
        return f"Series({steps_said(self.checkpoints)}{best})"


def read_series(path: Path, *, foreign: Options, last: bool = False) -> Series:
    """Read all checkpoints of one network.

    Parameters
    ----------
    path
        A run folder, a checkpoint, or what a reader of foreign networks reads.
    foreign
        What no foreign file can know; runs and checkpoints of ours need nothing of it.
    last
        Whether the last checkpoint is all that is wanted: of a foreign series only its ends are read then, unless ``foreign``
        says how many.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"The name of {path} is no text; rename it.") from error
    if not is_ours(path):
        fewest = replace(foreign, checkpoints=2) if last and foreign.checkpoints is None else foreign
        network = read_with(path, fewest, given=foreign)
        _require_alike(path, network.checkpoints)
        return Series(network.checkpoints, None, _hashes(network.files), network.notes)
    paths = checkpoints_in(path)
    trees = {p: read_checkpoint(p, trainer_state=False) for p in paths}
    if len({(tree.attrs["seed"], tree.attrs.get("config")) for tree in trees.values()}) > 1:
        raise BadInput(f"The checkpoints in {path} differ in seed or configuration; give each network a folder of its own.")
    converted = open_run(path).info.get("converted") if (path / INFO).is_file() else None
    notes = converted.get("notes") if isinstance(converted, dict) else None
    by_step = {int(tree.attrs["step"]): tree for tree in trees.values()}
    _require_alike(path, by_step)
    best = next((int(tree.attrs["step"]) for p, tree in trees.items() if p.name == BEST), None)
    return Series(dict(sorted(by_step.items())), best, _hashes(paths), tuple(map(str, notes or ())))


def _require_alike(path: Path, checkpoints: dict[int, xr.DataTree]) -> None:
    """Raise `BadInput` unless all checkpoints have the same populations, projections and longest delays."""
    forms = {}
    for step, tree in checkpoints.items():
        sizes = {name: node.sizes["neuron"] for name, node in tree["populations"].children.items()}
        longest = {name: float(node.attrs["delay_max"]) for name, node in tree["projections"].children.items()}
        forms[step] = (sizes, longest, float(tree.attrs["dt"]))
    first = min(forms)
    if others := [step for step in forms if forms[step] != forms[first]]:
        raise BadInput(
            f"The checkpoints of steps {first} and {others[0]} in {path} differ in populations, projections or longest delays: "
            "they are of different networks; give each a folder of its own."
        )


def _hashes(paths: Iterable[Path]) -> dict[str, str]:
    return {str(p): hash_of(p) for p in paths}
