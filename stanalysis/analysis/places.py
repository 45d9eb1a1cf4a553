"""Where the networks of an analysis lie: paths in, one place per network out, sweeps expanded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.run import Run, folder_of
from stanalysis.files.sweep import is_sweep, read_sweep


@dataclass(frozen=True)
class Place:
    """Where one network lies, and its name, which no other network of the analysis has."""

    name: str
    path: Path


def places_of_networks(paths: Run | Path | str | Sequence[Run | Path | str]) -> tuple[list[Place], xr.Dataset | None]:
    """Every network to read, and the tables of all sweeps as one, by the names of the runs; None without a sweep."""
    every: list[Path] = []
    sweeps = []
    for path in map(folder_of, [paths] if isinstance(paths, Run | Path | str) else paths):
        if is_sweep(path):
            table = read_sweep(path)
            runs = [path / str(run) for run in table.run.values]
            sweeps.append(table.assign_coords(run=len(every) + np.arange(len(runs))))
            every += runs
        else:
            every.append(path)
    if len({path.resolve() for path in every}) < len(every):
        raise BadInput("A run is given twice; name each once, for runs are replicates.")
    names = _distinct([path.resolve().name if path.is_dir() else path.stem for path in every])
    places = [Place(name, path) for name, path in zip(names, every, strict=True)]
    if not sweeps:
        return places, None
    table = xr.concat(sweeps, "run")
    return places, table.assign_coords(run=[names[index] for index in table.run.values])


def _distinct(names: Sequence[str]) -> list[str]:
    """Names made distinct by a number where two folders share one."""
    return [n if names.count(n) == 1 else f"{n}-{names[:i].count(n) + 1}" for i, n in enumerate(names)]
