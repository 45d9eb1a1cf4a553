"""What networks can still do after operations on them: what they bear at a cost of one point of accuracy.

Networks are the replicates: draws are averaged within a network first, and networks of different conditions never meet.
"""

from __future__ import annotations

import math
from typing import Any, Final

import pandas as pd
import xarray as xr

from stanalysis.files.operations import OPERATIONS, SETTING, VALUES
from stanalysis.findings.tables import records
from stanalysis.findings.view import Analysis

TOLERANCE: Final = 0.01  # accuracy that an operation may cost: one point
_ROUNDING: Final = 1e-9  # of accuracies, which are shares of a test set
ALIKE: Final = ("condition", "projection", "normalisation", "refit")  # what is told apart in every table
SCHEMES: Final = {
    "intact": "as trained", "axonal": "axonal", "axonal-weighted": "axonal", "dendritic": "dendritic",
    "dendritic-weighted": "dendritic",
}  # fmt: skip


def operated(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run and setting: means over the draws.

    Returns
    -------
    DataFrame
        What the setting is (``operation`` to ``refit``), ``dose``, ``n_moved``, ``moved``, ``grouping``, ``buffer``
        [steps x neurons], accuracies, and ``cost``, the test accuracy of the intact network after the same controls less this
        one; NaN where there is none. Empty where nothing was done to a network.

    Examples
    --------
    >>> operated(xr.DataTree()).empty
    True
    """
    view = Analysis(analysis)
    table = view.table("operations")
    if not table:
        return pd.DataFrame(columns=["run", "condition", *SETTING, *VALUES, "cost"])
    rows = table[list(VALUES)].mean("draw").to_dataframe().reset_index()
    rows = rows[rows["test_accuracy"].notna()]
    by = ["run", "normalisation", "refit"]
    intact = rows[rows["family"] == "intact"].set_index(by)["test_accuracy"]
    rows["cost"] = intact.reindex(pd.MultiIndex.from_frame(rows[by])).to_numpy() - rows["test_accuracy"]
    rows.insert(1, "condition", rows["run"].map(view.condition_of_run))
    return rows[["run", "condition", *SETTING, *VALUES, "cost"]].reset_index(drop=True)


def operated_means(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per condition and setting: means over its networks, and the lowest and highest test accuracy among them.

    Examples
    --------
    >>> operated_means(xr.DataTree()).empty
    True
    """
    rows = operated(analysis)
    if rows.empty:
        return rows
    grouped = rows.groupby(["condition", *SETTING], sort=False, dropna=False)
    means = grouped[[*VALUES, "cost"]].mean()
    means.insert(0, "networks", grouped["run"].nunique())
    means["lowest"], means["highest"] = grouped["test_accuracy"].min(), grouped["test_accuracy"].max()
    return means.reset_index()


def tolerances(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per operation of the family precision that has levels: how much of it costs up to one point of test accuracy.

    Returns
    -------
    DataFrame
        ``tolerated``, the harshest level that, as all milder ones, costs up to `TOLERANCE`; of jitter interpolated linearly
        between levels, the intact network being at 0. ``bound``: "harshest", where that is the harshest tried; "mildest",
        where even the mildest costs more, and ``tolerated`` is NaN unless it is interpolated; otherwise "". ``mildest`` and
        ``harshest`` are the ends of what was tried; ``bits`` name so many levels. ``intact`` is the mean test accuracy of the
        ``networks``; fewer of them, down to ``fewest``, may have some level.

    Examples
    --------
    >>> tolerances(xr.DataTree()).empty
    True
    """
    means = operated_means(analysis)
    if means.empty:
        return means
    graded = [rule.name for rule in OPERATIONS.values() if rule.family == "precision" and len(rule.levels) > 1]
    chosen = means[means["operation"].isin(graded)]
    rows: list[dict[str, Any]] = []
    for names, levels in chosen.groupby([*ALIKE, "operation"], sort=False):
        where = dict(zip((*ALIKE, "operation"), names, strict=True))
        rule = OPERATIONS[str(where["operation"])]
        levels = levels.sort_values("level", ascending=rule.harms_upwards)
        counts = {"networks": levels["networks"].max(), "fewest": levels["networks"].min()}
        tolerated, bound = tolerated_level(levels["level"].tolist(), levels["cost"].tolist(), interpolated=_is_noise(rule.name))
        ends = {"mildest": levels["level"].iloc[0], "harshest": levels["level"].iloc[-1]}
        bits = {"bits": bits_of(tolerated) if rule.level == "levels" else math.nan}
        fullest = records(levels.sort_values("networks", ascending=False))[0]
        intact = {"intact": fullest["test_accuracy"] + fullest["cost"]}
        rows.append({**where, "unit": rule.unit, "tolerated": tolerated, "bound": bound, **ends, **bits, **intact, **counts})
    return pd.DataFrame(rows)


def tolerated_level(levels: list[float], costs: list[float], *, interpolated: bool) -> tuple[float, str]:
    """The harshest of levels, given from mild to harsh, that costs up to `TOLERANCE`, as all before it do; and of which end.

    Parameters
    ----------
    levels, costs
        Costs in accuracy, of each level.
    interpolated
        Whether the level is 0 where nothing is done, and costs between levels lie on a line.

    Returns
    -------
    The level, NaN where there is none; and "harshest" where it is the last, "mildest" where even the first costs more, or "".

    Examples
    --------
    >>> tolerated_level([10, 20], [0.0, 0.02], interpolated=True)
    (15.0, '')
    >>> tolerated_level([8, 4, 2], [0.0, 0.01, 0.3], interpolated=False)
    (4.0, '')
    >>> tolerated_level([8, 4], [0.1, 0.0], interpolated=False)
    (nan, 'mildest')
    """
    within = [cost <= TOLERANCE + _ROUNDING for cost in costs]
    n = within.index(False) if False in within else len(within)
    if n == len(within):
        return float(levels[-1]), "harshest"
    bound = "" if n else "mildest"
    last, cost = (levels[n - 1], costs[n - 1]) if n else (0.0, 0.0)
    if not interpolated:
        return (float(last) if n else math.nan), bound
    return float(last + (levels[n] - last) * (TOLERANCE - cost) / (costs[n] - cost)), bound


def bits_of(levels: float) -> float:
    """Bits that name so many levels; NaN of NaN.

    Examples
    --------
    >>> [bits_of(n) for n in (1, 4, 5)]
    [0, 2, 3]
    """
    return math.nan if math.isnan(levels) else math.ceil(math.log2(levels))


def schemes(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per scheme of delays, as trained, with one a source, or one a target: the accuracy and the buffers it takes.

    Examples
    --------
    >>> schemes(xr.DataTree()).empty
    True
    """
    means = operated_means(analysis)
    if means.empty:
        return means
    rows = means[means["operation"].isin(list(SCHEMES))]
    rows = rows.assign(scheme=rows["operation"].map(SCHEMES))
    # elsewhere there is nothing beside the intact network
    beside = rows.groupby(["condition", "normalisation", "refit"])["scheme"].transform("nunique")
    rows = rows[beside > 1]
    return rows[[*ALIKE, "scheme", "operation", "networks", "test_accuracy", "cost", "buffer"]].reset_index(drop=True)


def under_nulls(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per null, share of the targets, projection, normalisation and refit: mean accuracy beside the dose.

    Such surgery destroys accuracy whatever becomes of grouping: its rows are to be read over the dose, not against each other.

    Examples
    --------
    >>> under_nulls(xr.DataTree()).empty
    True
    """
    means = operated_means(analysis)
    if means.empty:
        return means
    rows = means[means["family"] == "nulls"]
    columns = ["operation", "level", "dose", "moved", "grouping", "networks", "test_accuracy", "lowest", "highest", "cost"]
    return rows[[*ALIKE, *columns]].reset_index(drop=True)


def _is_noise(operation: str) -> bool:
    return OPERATIONS[operation].level.startswith("standard deviation")


def rows_alike(table: pd.DataFrame) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """Rows of a table by their condition, projection, normalisation and refit.

    Examples
    --------
    >>> rows_alike(pd.DataFrame())
    {}
    """
    if table.empty:
        return {}
    return {names: records(rows) for names, rows in table.groupby(list(ALIKE), sort=False)}
