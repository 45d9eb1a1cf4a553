"""What ``analyze`` prints of what networks bear, and of what grouping is worth to them at equal dose."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import xarray as xr
from rich.console import Console

from stanalysis.cli.printing import table_of
from stanalysis.errors import printable
from stanalysis.findings.operations import tolerances
from stanalysis.findings.surgery import surgery
from stanalysis.findings.tables import records
from stanalysis.findings.wording_of_operations import named, points, told_tolerances

_ENDS = {"harshest": "≥ ", "mildest": "< "}


def print_operations(console: Console, analysis: xr.DataTree) -> None:
    """Print all there is; nothing where nothing was done to a network."""
    if not (table := tolerances(analysis)).empty:
        _print_tolerances(console, table)
    for sentence in told_tolerances(analysis):
        console.print(printable(sentence), highlight=False, markup=False)
    if not (table := surgery(analysis)).empty:
        _print_surgery(console, table)


def _print_tolerances(console: Console, table: pd.DataFrame) -> None:
    for where, rows in _by_place(table):
        lines = [
            {"operation": row["operation"], "bears": _borne(row), "networks": int(row["networks"])} for row in records(rows)
        ]
        console.print(table_of(lines, f"{where}: what costs up to one point of accuracy"))
    console.print(
        "bears: the harshest level that costs no more, nor do milder ones; ≥: no harsher was tried; <: the mildest tried costs "
        "more. In ms, shares, levels, bits, or root mean squares of the weights."
    )


def _print_surgery(console: Console, table: pd.DataFrame) -> None:
    for where, rows in _by_place(table):
        lines = []
        for row in records(rows.sort_values(["operation", "matched", "level"], kind="stable")):
            name = f"{row['operation']} {row['level']:g}"
            line: dict[str, Any] = {"operation": name, "doses": "matched" if row["matched"] else "not matched"}
            line |= {arm: _short(row[f"dose_{arm}"]) for arm in ("raise", "lower")}
            line |= {"points": points(row["difference"]), "95 %": _interval(row), "p": _short(row["p_value"])}
            lines.append(line)
        n = int(rows["networks"].max())
        console.print(
            table_of(lines, f"{where}: accuracy where grouping rises less where it falls, {n} network{'s' * (n > 1)}")
        )
    console.print(
        "raise, lower: the doses of the two arms; only at equal doses is the difference one of grouping. Its 95 % interval "
        "over networks (Student's t, from three on); p: flips of the signs of their differences, not adjusted."
    )


def _by_place(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    by = ["condition", "projection", "normalisation", "refit"]
    groups = table.groupby(by, sort=False)
    return [(named(dict(zip(by, names, strict=True))) or "all projections", rows) for names, rows in groups]


def _borne(row: dict[str, Any]) -> str:
    if math.isnan(row["tolerated"]):
        return f"{_ENDS['mildest']}{row['mildest']:g}"
    unit = "" if row["unit"] == "1" else f" {row['unit']}"
    bits = "" if math.isnan(row["bits"]) else f" ({row['bits']:g} bits)"
    return f"{_ENDS.get(row['bound'], '')}{row['tolerated']:.3g}{unit}{bits}"


def _interval(row: dict[str, Any]) -> str:
    return "–" if math.isnan(row["lower"]) else f"{points(row['lower'])} to {points(row['upper'])}"


def _short(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"
