"""What grouping is worth: accuracy over dose where it was raised, left or lowered, and under nulls that rearrange synapses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

from reports.drawn import Drawn, Plan
from reports.figures.names import named
from reports.figures.operated import grid_of, places, rows_of, said_levels
from reports.figures.wording import said_networks
from reports.panels.operations import ARMS, MARKERS, MATCHED, NULLS, SIDES, UNMATCHED, draw_arms, draw_nulls
from reports.style import NULL, WIDTH, inches, styled
from stanalysis.errors import BadInput
from stanalysis.files.operations import without_controls
from stanalysis.findings.view import Analysis

_NULLS: Final = "nulls"
_FAMILIES: Final = ("directed", "nulls")


@styled
def figure_surgery(analysis: xr.DataTree, projection: str, *, runs: Sequence[str] | None = None) -> Drawn:
    """Test accuracy over dose, of directed exchanges by arm and of nulls.

    Parameters
    ----------
    analysis
        As `stanalysis.read_analysis` gives it, with the group ``operations``.
    projection
        Its name, ``<source>__<target>``.
    runs
        Names of the networks that are replicates of each other; by default all.
    """
    directed, nulls = (_with_dose(rows_of(analysis, family, projection=projection, runs=runs)) for family in _FAMILIES)
    directed = without_controls(directed)  # with controls the table has them
    if directed.empty and nulls.empty:
        raise BadInput(f"The analysis has no surgery on {projection}; run `stanalysis operate` and analyse anew.")
    panels: dict[str, xr.Dataset] = {}
    draws: list[Callable[[Axes], None]] = []
    if not directed.empty:
        for operation, rows in directed.groupby("operation", sort=False):
            title = f"{str(operation).removeprefix('directed-')} exchanged"
            rows = rows.assign(doses=np.where(rows["matched"], MATCHED, UNMATCHED))
            panels[title] = grid_of(analysis, rows, ["arm", "doses"]).drop_vars(["buffer", "mean_buffer"])
            draws.append(partial(draw_arms, arms=panels[title]))
    if not nulls.empty:
        grid = grid_of(analysis, nulls, ["operation", "normalisation", "refit"])
        panels[_NULLS] = grid.drop_vars(["buffer", "mean_buffer"])
        draws.append(partial(draw_nulls, nulls=panels[_NULLS]))
    width = WIDTH * min(1.0, max(len(draws), 1.5) / 3)
    figure = Figure(figsize=(inches(width), inches(80)), layout="constrained")
    axes = figure.subplots(1, len(draws), squeeze=False).ravel()
    for ax, draw, title in zip(axes, draws, panels, strict=True):
        draw(ax)
        ax.set_title(title, weight="bold")
    axes[0].set_ylabel("test accuracy [%]")
    arms = [panel for title, panel in panels.items() if title != _NULLS]
    if arms:
        figure.legend(handles=_legend_of_arms(arms), loc="outside lower left", ncols=2 if _NULLS in panels else 3)
    if _NULLS in panels:
        figure.legend(
            handles=_legend_of_nulls(panels[_NULLS]), loc="outside lower right", ncols=3, title="nulls" if arms else None
        )
    there = {*directed["run"], *nulls["run"]}
    drawn = [run for run in Analysis(analysis).runs if run in there]
    return Drawn(figure, _caption(analysis, projection, drawn, panels), panels)


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One for every projection and condition that was operated on: its networks are drawn together."""
    planned = [
        Plan(
            named("surgery", projection, condition),
            partial(figure_surgery, analysis, projection, runs=runs),
            projection,
            runs,
        )
        for projection, condition, runs in places(pd.concat([_with_dose(rows_of(analysis, family)) for family in _FAMILIES]))
    ]
    if not planned:
        raise BadInput("No synapses were exchanged in the analysis; run `stanalysis operate` and analyse anew.")
    return planned


def _with_dose(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a dose that is known: others have no place on its axis."""
    return rows if rows.empty else rows.dropna(subset="dose")


_ARMS: Final = {"raise": "grouping raised", "leave": "grouping left", "lower": "grouping lowered"}


def _legend_of_arms(panels: Sequence[xr.Dataset]) -> list[Line2D]:
    there = {str(arm) for panel in panels for arm in panel.arm.values}
    sides = {str(side) for panel in panels for side in panel.doses.values}
    return [
        *(
            Line2D([], [], color=colour, marker=marker, label=_ARMS[arm])
            for arm, (colour, marker) in ARMS.items()
            if arm in there
        ),
        *(
            _grey("o", NULL if side == MATCHED else "white", line, f"doses {side}")
            for side, line in SIDES.items()
            if side in sides
        ),
    ]


def _legend_of_nulls(nulls: xr.Dataset) -> list[Line2D]:
    handles = [
        Line2D([], [], color=colour, marker="o", label=name.removeprefix("null-"))
        for name, colour in NULLS.items()
        if name in nulls.operation.values
    ]
    if set(nulls.normalisation.values) != {"kept"}:
        handles.append(_grey("o", "white", "--", "normalisation re-estimated"))
    if (nulls.refit > 0).any():
        handles.append(_grey(MARKERS["trained again"], "white", "", "weights trained again"))
    return handles


def _grey(marker: str, face: str, line: LineStyleType, label: str) -> Line2D:
    return Line2D([], [], color=NULL, marker=marker, markerfacecolor=face, linestyle=line, label=label)


def _caption(analysis: xr.DataTree, projection: str, runs: Sequence[str], panels: dict[str, xr.Dataset]) -> str:
    networks = said_networks(analysis["metrics"].to_dataset()[["seed"]].sel(run=list(runs)))
    small = ": small; means joined" if len(runs) > 1 else ""
    said = (
        f"Surgery. Test accuracy over the dose of changes of {projection}: their energy as the input sees it, relative to that "
        f"of the fields. {networks}{small}. {said_levels(analysis, runs)}"
    )
    if len(panels) > (_NULLS in panels):
        said += " Exchanges: only arms of equal dose may be compared; they stand a little apart, on axes of their own."
    if _NULLS in panels:
        said += (
            " Nulls, in growing shares of the targets, destroy accuracy whatever becomes of grouping: to be read over the dose."
        )
    return said
