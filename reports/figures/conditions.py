"""Networks that differ in nothing but their seed are drawn together: which these are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import xarray as xr

from reports.drawn import Drawn, Plan
from reports.figures.names import named
from stanalysis.findings.view import Analysis


def conditions(analysis: xr.DataTree) -> list[str]:
    """Names of the conditions; "" where there is only one."""
    return list(Analysis(analysis).conditions)


def runs_of(analysis: xr.DataTree, condition: str) -> tuple[str, ...]:
    """Names of the networks of one condition."""
    return tuple(Analysis(analysis).conditions[condition])


def plans_of(kind: str, draw: Callable[[xr.DataTree, str, str], Drawn], analysis: xr.DataTree, table: xr.Dataset) -> list[Plan]:
    """One for every projection and condition in a table of several, but not for what compares projections."""
    pairs = dict.fromkeys(zip(table.projection.values.tolist(), table.condition.values.tolist(), strict=True))
    return [
        Plan(named(kind, projection, condition), partial(draw, analysis, projection, condition), projection, runs)
        for projection, condition in pairs
        if projection and (runs := runs_of(analysis, condition))
    ]
