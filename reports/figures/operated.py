"""What figures of operations draw: rows as a grid, with means over networks, and what captions share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
import xarray as xr

from reports.captions import percent
from stanalysis.files.operations import INTACT, without_controls
from stanalysis.findings.operations import operated
from stanalysis.findings.view import Analysis

ALL: Final = str(INTACT["projection"])


def rows_of(analysis: xr.DataTree, family: str, *, projection: str = "", runs: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows of `stanalysis.findings.operations.operated` that are of one family, and of one projection and these networks."""
    rows = operated(analysis)
    rows = rows[rows["family"] == family]
    rows = rows[rows["projection"] == projection] if projection else rows
    return rows if runs is None else rows[rows["run"].isin(list(runs))]


def places(rows: pd.DataFrame) -> list[tuple[str, str, tuple[str, ...]]]:
    """Projection, condition and networks of these rows."""
    if rows.empty:
        return []
    return [
        (str(projection), str(condition), tuple(dict.fromkeys(part["run"])))
        for (projection, condition), part in rows.groupby(["projection", "condition"], sort=False)
    ]


def grid_of(analysis: xr.DataTree, rows: pd.DataFrame, dims: Sequence[str]) -> xr.Dataset:
    """Accuracy, dose and buffer (…, run, level), their means over networks, and as coordinates what is intact, and chance.

    Networks that lack a level are left out of the mean over networks of that level; ``dims`` say what rows differ in besides.
    """
    by = [*dims, "run", "level"]
    grid = rows.set_index(by)[["test_accuracy", "dose", "buffer"]].to_xarray().rename(test_accuracy="accuracy")
    for dim in dims:  # in the order of the rows, not of the alphabet
        grid = grid.sel({dim: list(dict.fromkeys(rows[dim]))})
    means = {f"mean_{name}": grid[name].mean("run") for name in ("accuracy", "dose", "buffer")}
    return grid.assign(means).assign_coords(intact=intact_of(analysis, rows["run"]), chance=1 / Analysis(analysis).n_output)


def intact_of(analysis: xr.DataTree, runs: Sequence[str] | pd.Series) -> float:
    """Mean test accuracy of these networks when nothing was done to them."""
    return float(without_controls(rows_of(analysis, "intact", runs=list(runs)))["test_accuracy"].mean())


def said_levels(analysis: xr.DataTree, runs: Sequence[str]) -> str:
    """What the dotted lines are, for a caption."""
    return f"Dotted: intact ({percent(intact_of(analysis, runs))} %) and chance (1/{Analysis(analysis).n_output})."
