"""What ``analyze`` prints of what networks bear, and of what grouping is worth to them at equal dose."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import xarray as xr
from rich.console import Console

from stanalysis.cli.printing import table_of
from stanalysis.errors import printable
from stanalysis.files.operations import OPERATIONS
from stanalysis.findings.operations import ALIKE, bits_of, tolerances
from stanalysis.findings.surgery import surgery
from stanalysis.findings.tables import records
from stanalysis.findings.wording_of_operations import named, points, told_tolerances
from stanalysis.findings.wording_of_surgery import are_unequal


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
        "bears: the harshest level that costs no more, nor do milder ones; ≥, ≤: no harsher was tried; <, >: the mildest tried "
        "costs more. In ms, shares, levels, bits, or root mean squares of the weights."
    )


def _print_surgery(console: Console, table: pd.DataFrame) -> None:
    for where, rows in _by_place(table):
        lines = []
        for row in records(rows.sort_values(["operation", "matched", "level"], kind="stable")):
            name = f"{row['operation']} {row['level']:g}"
            line: dict[str, Any] = {"operation": name, "doses": _doses(row)}
            line |= {arm: _short(row[f"dose_{arm}"]) for arm in ("raise", "lower")}
            line |= {"points": points(row["difference"]), "95 %": _interval(row), "p": _short(row["p_value"])}
            lines.append(line)
        n = int(rows["networks"].max())
        console.print(
            table_of(lines, f"{where}: accuracy where grouping rises less where it falls, {n} network{'s' * (n > 1)}")
        )
    console.print(
        "raise, lower: the doses of the two arms; at unequal ones the difference may be the dose's. Its 95 % interval over "
        "networks (Student's t, from three on); p: flips of the signs of their differences, one-sided, for more accuracy with "
        "more grouping, not adjusted."
    )


def _by_place(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    groups = table.groupby(list(ALIKE), sort=False)
    return [(named(dict(zip(ALIKE, names, strict=True))) or "all projections", rows) for names, rows in groups]


def _doses(row: dict[str, Any]) -> str:
    if not row["matched"]:
        return "not matched"
    return "matched, but unequal" if are_unequal(row) else "matched"


def _borne(row: dict[str, Any]) -> str:
    """The level, with a sign where it is an end of what was tried."""
    upwards = OPERATIONS[row["operation"]].harms_upwards
    sign = {"harshest": "≥ " if upwards else "≤ ", "mildest": "< " if upwards else "> "}.get(row["bound"], "")
    level = row["mildest" if row["bound"] == "mildest" else "tolerated"]
    unit = "" if row["unit"] == "1" else f" {row['unit']}"
    bits = f" ({bits_of(level):g} bits)" if OPERATIONS[row["operation"]].level == "levels" else ""
    return f"{sign}{level:.3g}{unit}{bits}"


def _interval(row: dict[str, Any]) -> str:
    return "–" if math.isnan(row["lower"]) else f"{points(row['lower'])} to {points(row['upper'])}"


def _short(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"
