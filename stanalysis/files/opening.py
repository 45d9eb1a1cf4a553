"""Checkpoints of ours, however they are given: a path, a run, or opened already; a text is always a path."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.run import BEST, INFO, LAST, Run, folder_of, open_run, steps_in

Checkpoint = xr.DataTree | Run | Path | str


def opened(checkpoint: Checkpoint) -> xr.DataTree:
    """The checkpoint that is meant: of a run, or its folder, the newest.

    Raises
    ------
    BadInput
        It is of no such kind, or there is none.

    Examples
    --------
    >>> from stanalysis.synthetic.network import small_network
    >>> opened(small_network(step=7)).attrs["step"]
    7
    """
    if isinstance(checkpoint, xr.DataTree):
        if not {"populations", "projections"} <= set(checkpoint.children):
            raise BadInput("The tree is no checkpoint: it has no populations or projections; give what read_checkpoint gave.")
        return checkpoint
    return read_checkpoint(newest_in(_path(checkpoint)))


def opened_series(checkpoints: Checkpoint | Iterable[Checkpoint]) -> list[xr.DataTree]:
    """One checkpoint or several, in the order given; of a run, or its folder, the best and all kept steps, ascending.

    Raises
    ------
    BadInput
        As for `opened`; or none is given.
    """
    if isinstance(checkpoints, Run | Path | str) and (path := _path(checkpoints)).is_dir():
        by_step = {int(tree.attrs["step"]): tree for tree in map(read_checkpoint, checkpoints_in(path))}
        return [by_step[step] for step in sorted(by_step)]
    if isinstance(checkpoints, Checkpoint) or not isinstance(checkpoints, Iterable):
        return [opened(checkpoints)]
    trees = [opened(checkpoint) for checkpoint in checkpoints]
    if not trees:
        raise BadInput("No checkpoint is given; name at least one.")
    return trees


def _path(checkpoint: Run | Path | str) -> Path:
    if not isinstance(checkpoint, Run | Path | str):
        raise BadInput(f"A checkpoint is given as a {type(checkpoint).__name__}; give a path, a run, or an opened checkpoint.")
    return folder_of(checkpoint)


def is_ours(path: Path) -> bool:
    """Whether it is a checkpoint of ours, or a folder of such, rather than a foreign network."""
    if path.is_dir():
        return (path / INFO).is_file() or bool(steps_in(path))
    return path.suffix == ".nc"


def newest_in(path: Path) -> Path:
    """The newest checkpoint of a run folder; of a file, that file."""
    last = path / LAST
    return last if last.is_file() else checkpoints_in(path)[-1]


def checkpoints_in(path: Path) -> list[Path]:
    """The checkpoints of a run folder, the best and all kept steps, the newest last; of a file, that file.

    A folder without run.json that holds checkpoints, named as in a run, will do.
    """
    if not path.is_dir():
        return [path]
    steps = steps_in(path) if not (path / INFO).is_file() else open_run(path).steps
    paths = [*(p for p in (path / BEST,) if p.is_file()), *steps.values()]
    if not paths:
        way = "train on with --resume" if (path / INFO).is_file() else "read a network of another program with read_foreign"
        raise BadInput(f"{path} holds no checkpoint yet; {way}.")
    return paths
