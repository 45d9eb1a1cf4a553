"""What a figure is: the drawing, its caption, and the numbers in each of its panels; and the files that hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from reports.style import styled
from stanalysis.errors import printable
from stanalysis.files.records import csv_bytes
from stanalysis.stats.engine.rounding import ROUNDING, varies

# no dates: the same file from the same numbers
_FORMATS: Final[Mapping[str, dict[str, None]]] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
_HALF: Final = 0.05  # of the width of an axis on which all is alike, as a share of its value


class Drawn(NamedTuple):
    """A figure; ``panels`` holds, by the name of each panel, exactly what it shows."""

    figure: Figure
    caption: str
    panels: dict[str, xr.Dataset]

    def table(self) -> pd.DataFrame:
        """What all panels show: one row per point, bar or cell with a synapse, the column ``panel`` saying where."""
        rows = pd.concat([_rows(panel).assign(panel=name) for name, panel in self.panels.items()])
        return rows[["panel", *rows.columns.drop("panel")]]


@dataclass(frozen=True)
class Plan:
    """A figure that an analysis has the numbers for.

    ``projection`` and ``networks`` say of what it is: "" where it is of several, () where of no network in particular.
    """

    name: str
    draw: Callable[[], Drawn]
    projection: str = ""
    networks: tuple[str, ...] = ()


@styled
def files_of(drawn: Drawn, stem: Path) -> dict[Path, bytes]:
    """A figure as PNG, SVG and PDF, its caption as text and its numbers as CSV: the content of each file, by its path.

    Parameters
    ----------
    stem
        The path without a suffix.
    """
    _widen(drawn.figure)
    contents = {}
    for suffix, metadata in _FORMATS.items():
        picture = BytesIO()
        drawn.figure.savefig(picture, format=suffix[1:], metadata=metadata)
        drawn.figure.set_layout_engine("none")  # the panels keep the places found for the first format
        contents[suffix] = picture.getvalue()
    contents |= {".txt": f"{printable(drawn.caption)}\n".encode(), ".csv": csv_bytes(drawn.table())}
    return {stem.with_name(stem.name + suffix): content for suffix, content in contents.items()}


def _widen(figure: Figure) -> None:
    """Give axes on which all is alike, but for rounding, a width on which a reader can tell ticks apart."""
    for ax in figure.axes:
        for axis, limits, widen in ((ax.xaxis, ax.get_xlim(), ax.set_xlim), (ax.yaxis, ax.get_ylim(), ax.set_ylim)):
            if axis.get_scale() == "linear" and not varies(np.array(limits), resolution=ROUNDING):
                middle = sum(limits) / 2
                half = _HALF * (abs(middle) if abs(middle) > ROUNDING else 1.0)
                widen(middle - half, middle + half)


def _rows(panel: xr.Dataset) -> pd.DataFrame:
    """The points of one panel; cells without a synapse and points without any number are not drawn."""
    if panel.sizes:
        rows = panel.to_dataframe().reset_index()
    else:  # a single point
        rows = pd.DataFrame([{str(name): variable.values.item() for name, variable in panel.variables.items()}])
    if "present" in rows:
        return rows[rows["present"]].drop(columns="present")
    numbers = [str(name) for name in panel.data_vars]
    return rows.dropna(subset=numbers, how="all") if numbers else rows
