"""Tables, and lists of sentences, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from stanalysis.errors import printable


def _safe(text: str) -> str:
    """Text that neither the terminal nor the table takes for instructions."""
    return escape(printable(text))


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:z.4f}"
    return str(value)


def _width(rows: list[dict[str, Any]], name: str) -> int | None:
    """Names are never cut; numbers may be."""
    if not isinstance(rows[0][name], str):
        return None
    return max(len(line) for row in rows for line in _cell(row[name]).split("\n"))


def table_of(rows: list[dict[str, Any]], title: str) -> Table:
    """A table of one line per row, headed by the names of the first."""
    table = Table(
        title=_safe(title), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    for name, value in rows[0].items():
        heading = name if "__" in name else name.replace("_", " ")
        table.add_column(
            _safe(heading), justify="left" if isinstance(value, str) else "right", no_wrap=True, min_width=_width(rows, name)
        )
    for row in rows:
        table.add_row(*(_safe(_cell(value)) for value in row.values()))
    return table


def print_notes(console: Console, notes: Iterable[str]) -> None:
    """Sentences one below the other, set off by a dash."""
    grid = Table.grid(padding=(0, 1))
    for note in notes:
        grid.add_row("–", _safe(note))
    if grid.row_count:
        console.print(Padding(grid, (0, 0, 1, 0)), highlight=False)
