"""How exact delays and weights must be: accuracy after both were made less exact, without training again."""

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

from reports.drawn import Drawn, Plan
from reports.figures.names import named
from reports.figures.operated import ALL, grid_of, places, rows_of, said_levels
from reports.figures.wording import said_networks
from reports.panels.operations import LINES, Levels, count_axis, draw_schemes, draw_tolerance, look_of, noise_axis, share_axis
from reports.style import NULL, WIDTH, inches, styled
from stanalysis.errors import BadInput
from stanalysis.files.operations import without_controls
from stanalysis.findings.operations import SCHEMES, bits_of

_COLUMNS: Final = 4
_BITS_AT: Final = (1, 2, 4, 8, 16, 32)  # levels that are labelled
_TO_MEAN: Final = {
    "smallest-delays-to-mean": "smallest first",
    "random-delays-to-mean": "at random",
    "largest-delays-to-mean": "largest first",
}


def _of_levels(levels: np.ndarray) -> Levels:
    shown = np.array([level for level in levels if level in _BITS_AT])
    texts = tuple(f"{level:g}\n{bits_of(level):g}" for level in shown)
    return count_axis("levels of delay\nbits", shown, texts)


def _of_bits(levels: np.ndarray) -> Levels:
    return count_axis("bits of a weight", levels, tuple(f"{level:g}" for level in levels))


# by title: operations, the level at which nothing is done, and the axis of their levels
_PANELS: Final[dict[str, tuple[tuple[str, ...], float | None, Callable[[np.ndarray], Levels]]]] = {
    "jitter of delays": (("delay-jitter",), 0.0, partial(noise_axis, "standard deviation [ms]")),
    "levels of delay": (("delay-levels",), None, _of_levels),
    "delays set to the mean": (tuple(_TO_MEAN), 0.0, lambda _: share_axis("share of the delays [%]")),
    "delays clipped": (("delay-clip",), 1.0, lambda _: share_axis("maximum [% of the longest]", falls=True)),
    "bits of weights": (("weight-bits",), None, _of_bits),
    "jitter of weights": (("weight-jitter",), 0.0, partial(noise_axis, "standard deviation [% of rms]", in_percent=True)),
}
_SCHEMES: Final = "schemes of delays"


@styled
def figure_precision(analysis: xr.DataTree, projection: str = ALL, *, runs: Sequence[str] | None = None) -> Drawn:
    """Test accuracy over how inexact delays and weights are, and over the memory of delay buffers.

    Parameters
    ----------
    analysis
        As `stanalysis.read_analysis` gives it, with the group ``operations``.
    projection
        Its name, or "all" where all were changed at once.
    runs
        Names of the networks that are replicates of each other; by default all.
    """
    rows = without_controls(rows_of(analysis, "precision", projection=projection, runs=runs))
    if rows.empty:
        raise BadInput(f"The analysis has no operations of precision on {projection}; run `stanalysis operate`, analyse anew.")
    names = list(dict.fromkeys(rows["run"]))
    intact = without_controls(rows_of(analysis, "intact", runs=names))
    panels: dict[str, xr.Dataset] = {}
    draws: list[Callable[[Axes], None]] = []
    for title, (operations, nothing_at, axis) in _PANELS.items():
        chosen = rows[rows["operation"].isin(operations)]
        if not chosen.empty:
            axis_of_levels = axis(np.unique(chosen["level"]))
            panels[title] = grid_of(analysis, _with_intact(chosen, intact, nothing_at), ["operation"])
            draws.append(partial(draw_tolerance, borne=panels[title], levels=axis_of_levels))
    shared = rows[rows["operation"].isin(list(SCHEMES))]
    if not shared.empty:
        panels[_SCHEMES] = _schemes(analysis, pd.concat([intact, shared]))
        draws.append(partial(draw_schemes, schemes=panels[_SCHEMES]))
    n_rows = -(-(len(draws) + 1) // _COLUMNS)
    figure = Figure(figsize=(inches(WIDTH), inches(50 * n_rows)), layout="constrained")
    axes = figure.subplots(n_rows, _COLUMNS, squeeze=False).ravel()
    for place, (ax, draw, title) in enumerate(zip(axes, draws, panels, strict=False)):
        draw(ax)
        ax.set_title(title, weight="bold")
        if place % _COLUMNS == 0:
            ax.set_ylabel("test accuracy [%]")
    for ax in axes[len(draws) :]:
        ax.set_axis_off()
    axes[len(draws)].legend(handles=_legend(panels), loc="center left", borderaxespad=0)
    return Drawn(figure, _caption(analysis, projection, names, panels), panels)


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One for every condition, and every projection that was changed alone: its networks are drawn together."""
    planned = [
        Plan(
            named("precision", "" if projection == ALL else projection, condition),
            partial(figure_precision, analysis, projection, runs=runs),
            "" if projection == ALL else projection,
            runs,
        )
        for projection, condition, runs in places(without_controls(rows_of(analysis, "precision")))
    ]
    if not planned:
        raise BadInput("No delay or weight was made less exact in the analysis; run `stanalysis operate` and analyse anew.")
    return planned


def _with_intact(rows: pd.DataFrame, intact: pd.DataFrame, level: float | None) -> pd.DataFrame:
    """With the intact network at the level at which nothing is done, if there is one that was not tried."""
    if level is None:
        return rows
    started = [
        intact[intact["run"].isin(part["run"])].assign(operation=operation, level=level)
        for operation, part in rows.groupby("operation", sort=False)
        if level not in set(part["level"])
    ]
    return pd.concat([rows, *started])


def _schemes(analysis: xr.DataTree, rows: pd.DataFrame) -> xr.Dataset:
    """Schemes of delays (operation, run)."""
    grid = grid_of(analysis, rows.assign(level=0.0), ["operation"]).isel(level=0, drop=True)
    operations = [str(name) for name in grid.operation.values]
    said = {
        "scheme": [SCHEMES[name] for name in operations],
        "by_magnitude": [name.endswith("-weighted") for name in operations],
    }
    return grid.drop_vars(["dose", "mean_dose"]).assign_coords({name: ("operation", value) for name, value in said.items()})


def _legend(panels: dict[str, xr.Dataset]) -> list[Line2D]:
    handles = []
    if "delays set to the mean" in panels:
        there = panels["delays set to the mean"].operation.values
        for name, text in _TO_MEAN.items():
            if name in there:
                colour, line, marker = LINES[name]
                handles.append(
                    Line2D([], [], color=colour, linestyle=line, marker=marker, markersize=2.5, label=f"to the mean, {text}")
                )
    if _SCHEMES in panels:
        schemes = panels[_SCHEMES]
        for scheme in map(str, dict.fromkeys(schemes.scheme.values)):
            colour, marker = look_of(scheme)
            handles.append(Line2D([], [], color=colour, marker=marker, linestyle="", label=_SAID[scheme]))
        if schemes.by_magnitude.any():
            handles.append(
                Line2D([], [], color=NULL, marker="<", markerfacecolor="white", linestyle="", label="means by magnitude")
            )
    return [*handles, Line2D([], [], color=NULL, linewidth=0.6, linestyle=(0, (1, 2)), label="intact; chance")]


_SAID: Final = {"as trained": "as trained", "axonal": "axonal (by source)", "dendritic": "dendritic (by target)"}


def _caption(analysis: xr.DataTree, projection: str, runs: Sequence[str], panels: dict[str, xr.Dataset]) -> str:
    networks = said_networks(analysis["metrics"].to_dataset()[["seed"]].sel(run=list(runs)))
    thin = ": thin lines or dots, means thick or large" if len(runs) > 1 else ""
    which = "all projections at once" if projection == ALL else projection
    said = (
        f"Precision. Test accuracy of trained networks whose delays or weights were made less exact, {which}, without training "
        f"again. Harsher to the right, each by itself; draws averaged. {networks}{thin}. {said_levels(analysis, runs)}"
    )
    if _SCHEMES in panels:
        said += " Schemes: a source, or a target, has the mean delay of its synapses (open: weighted by magnitude)."
    return said
