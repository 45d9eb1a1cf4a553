"""What ``analyze`` prints of what the grouping of signs is owed to."""

from __future__ import annotations

import math
from typing import Any, Final

import xarray as xr
from rich.console import Console

from stanalysis.cli.printing import table_of
from stanalysis.findings.grouping import with_intervals
from stanalysis.findings.tables import records

SHOWN: Final = "graph_joins_ei"
MANY: Final = 100  # joins, from which on no fractions are told


def print_parts(console: Console, analysis: xr.DataTree) -> None:
    """A table for each projection and condition, a line for its first and its last step; nothing without parts."""
    means = with_intervals(analysis)
    if means.empty or (means := means[means["statistic"] == SHOWN]).empty:
        return
    for (projection, condition), rows in means.groupby(["projection", "condition"], sort=False):
        among = f" ({condition})" if condition else ""
        lines = [_line(row) for row in records(rows)]
        console.print(table_of(lines, f"{projection}{among}: E-I joins beyond free signs"))
    console.print(
        "delay, source: owed to either alone; jointly: to both, with its 95 % interval over networks (of one network: over its "
        "neurons); rejected: networks with a network p up to .05 under the null interaction, among those with one; tested: "
        "share of the neurons with an answer whose signs can move under it, of the others it says nothing. Fewer joins are "
        "grouping."
    )


def _line(row: dict[str, Any]) -> dict[str, Any]:
    """One of 80 columns."""
    line: dict[str, Any] = {"step": row["moment"]}
    line |= {name: _short(row[name]) for name in ("total", "delay", "source")}
    lower, upper = row["interaction_lower"], row["interaction_upper"]
    jointly = _short(row["interaction"])
    line["jointly"] = f"{jointly} ({_short(lower)} to {_short(upper)})" if lower < upper else jointly
    tested = row["tested_share"]
    line["rejected"] = f"{row['interaction_rejected']} of {row['interaction_tested']}"
    return {**line, "tested": "–" if math.isnan(tested) else f"{tested:.0%}"}


def _short(value: float) -> str:
    """With few digits, for many numbers stand beside each other."""
    return "–" if math.isnan(value) else f"{value:z.{2 if abs(value) < MANY else 0}f}"
