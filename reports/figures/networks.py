"""Which networks and steps a figure of statistics is of, and their means."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from reports.figures.conditions import conditions, runs_of
from stanalysis.errors import BadInput
from stanalysis.files.analysis import kept_steps
from stanalysis.findings.effects import first_and_trained
from stanalysis.findings.view import Analysis
from stanalysis.stats.replicates.effects import over_networks


def networks_of(analysis: xr.DataTree, projection: str, condition: str) -> list[str]:
    """Names of the networks of one condition that have the projection; `BadInput` where none has."""
    if condition not in conditions(analysis):
        raise BadInput(f"The analysis has no condition {condition!r}; it has {', '.join(map(repr, conditions(analysis)))}.")
    tables = Analysis(analysis).tables("network")
    there = tables[projection].run.values if projection in tables else ()
    runs = [run for run in runs_of(analysis, condition) if run in there]
    if not runs:
        some = f" of {condition}" if condition else ""
        raise BadInput(f"The analysis has no {projection}{some}; it has {', '.join(tables)}.")
    return runs


def steps_of(analysis: xr.DataTree, projection: str, runs: Sequence[str]) -> list[int]:
    """Steps that one of the networks kept."""
    table = analysis[f"autocorrelation/{projection}"].to_dataset()
    return sorted({step for run in runs for step in kept_steps(table.sel(run=run))})


def ends_of(analysis: xr.DataTree, projection: str, runs: Sequence[str]) -> tuple[xr.DataArray, xr.DataArray]:
    """The first kept step of each network, and the trained one: the best on validation, without one the last; dim run."""
    ends = first_and_trained(analysis, projection)
    first, trained = ([ends[run][moment] for run in runs] for moment in (0, 1))
    return xr.DataArray(first, {"run": list(runs)}, "run"), xr.DataArray(trained, {"run": list(runs)}, "run")


def course(value: xr.DataArray, p_value: xr.DataArray | None = None, *, interval: bool = False) -> xr.Dataset:
    """One number of each network (run, step), its p-value, and where all have one their mean, which may have its interval."""
    over = over_networks(value)
    shown = [] if value.sizes["run"] == 1 else ["mean", "lower", "upper"] if interval else ["mean"]
    over = over[shown].where(over.n == value.sizes["run"])
    there = {} if p_value is None else {"p_value": p_value}
    return xr.Dataset({"value": value, **there, **over.data_vars}).drop_attrs(deep=False)
