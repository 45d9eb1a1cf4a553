"""Correlogram: at which offsets of source and delay the weights of a network are alike."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reports.captions import percent
from reports.drawn import Drawn, Plan
from reports.figures.names import named
from reports.figures.wording import said_meaning, said_networks, said_null
from reports.panels.statistics import draw_offsets, draw_profile, hide_tick_labels
from reports.style import NULL, WIDTH, inches, styled
from stanalysis.errors import BadInput
from stanalysis.files.analysis import kept_steps
from stanalysis.findings.tables import SIGNIFICANT
from stanalysis.findings.view import Analysis
from stanalysis.stats.engine.rounding import ROUNDING
from stanalysis.stats.replicates.effects import excess

_PROFILES: Final = (0, 1)  # source lags
_HEIGHT: Final = 68.0  # [mm]


@styled
def figure_correlogram(analysis: xr.DataTree, projection: str, run: int = 0) -> Drawn:
    """Correlation beyond the null at every offset, before and after training, and its profiles along the delay.

    Parameters
    ----------
    analysis
        As `stanalysis.read_analysis` gives it, with the group ``correlogram``.
    projection
        Its name, ``<source>__<target>``.
    run
        Index of the network among those that have the projection.
    """
    if not Analysis(analysis).has("correlogram", projection):
        raise BadInput(_MISSING)
    table = Analysis(analysis).table("correlogram", projection).isel(run=[run])
    table = table.sel(step=kept_steps(table.isel(run=0)))
    table = table.assign_coords(lag=table.delay_lag_ms if "delay_lag_ms" in table.coords else table.delay_lag)
    beyond = _beyond(table.isel(run=0))
    limit = float(np.abs(beyond.excess).max())
    limit = limit if limit > ROUNDING else 1.0  # of correlations
    axis = "delay lag [ms]" if "delay_lag_ms" in table.coords else "delay lag [bins]"
    steps = table.step.values.tolist()
    lags = [lag for lag in _PROFILES if lag in table.source_lag.values]

    figure = Figure(figsize=(inches(WIDTH), inches(_HEIGHT)), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(0.35 + len(steps), 0.3 + 0.7 * len(lags)))[0]
    panels: dict[str, xr.Dataset] = {}
    axes = left.subplots(1, len(steps), sharey=True, squeeze=False).ravel()
    for ax, step in zip(axes, steps, strict=True):
        panels[f"step {step}"] = beyond[["excess"]].sel(step=step)
        image = draw_offsets(ax, panels[f"step {step}"], limit=limit)
        neurons = panels[f"step {step}, neurons"] = _departing(table.sel(step=step))
        ax.set(title=f"step {step}\n{_departing_said(neurons)}", xlabel=axis)
    for ax in axes[1:]:
        ax.set_ylabel("")
    bar = left.colorbar(image, ax=axes, location="bottom", shrink=0.7, aspect=30, ticks=MaxNLocator(4))
    bar.set_label("correlation − expected (dash: below 0)")
    axes = right.subplots(1, len(lags), sharey=True, squeeze=False).ravel()
    for ax, lag in zip(axes, lags, strict=True):
        profile = beyond[["value", "expected"]].sel(source_lag=lag).rename(value="correlation")
        # the left half of source lag 0 is the right one again
        panels[f"source lag {lag}"] = profile.sel(delay_lag=profile.delay_lag > 0) if lag == 0 else profile
        draw_profile(ax, panels[f"source lag {lag}"])
        ax.set(title=f"source lag {lag}", xlabel=axis, ylabel="correlation")
    for ax in axes[1:]:
        hide_tick_labels(ax)
    handles, _ = axes[-1].get_legend_handles_labels()
    handles.append(Line2D([], [], color=NULL, linestyle="--", linewidth=0.8, label="null, mean"))
    right.legend(handles=handles, loc="outside lower center", ncols=3)
    return Drawn(figure, _caption(analysis, projection, table), panels)


_ONE_BIN: Final = "The projections with a correlogram have one bin of delays, and so no lags of delay; draw others."
_MISSING: Final = "The analysis has no correlogram; analyse with --statistics lattice graph correlogram."


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One for every projection of every network that has a correlogram, and more than one bin of delays."""
    view = Analysis(analysis)
    tables = {name: table for name, table in view.tables("correlogram").items() if view.bins(name).n > 1}
    if not tables:
        raise BadInput(_ONE_BIN if view.has("correlogram") else _MISSING)
    planned = []
    for projection, table in tables.items():
        runs = [str(name) for name in table.run.values]
        for run, name in enumerate(runs):
            stem = named("correlogram", projection, name if len(runs) > 1 else "")
            planned.append(Plan(stem, partial(figure_correlogram, analysis, projection, run), projection, (name,)))
    return planned


def _beyond(table: xr.Dataset) -> xr.Dataset:
    """Correlation beyond the null, mean over neurons, at all offsets but (0, 0), where it is 1 by definition."""
    apart = (table.source_lag != 0) | (table.delay_lag != 0)
    known = table[["correlation", "expected"]].where(apart).rename(correlation="value")
    return excess(known)


def _departing(table: xr.Dataset) -> xr.Dataset:
    """How many neurons have an answer, and how many of them depart from the null at some offset."""
    return xr.Dataset({"answered": table.global_p.notnull().sum(), "departing": (table.global_p <= SIGNIFICANT).sum()})


def _departing_said(neurons: xr.Dataset) -> str:
    answered, departing = int(neurons.answered), int(neurons.departing)
    return f"{percent(departing / answered)} % of {answered} neurons depart" if answered else "no answer"


def _caption(analysis: xr.DataTree, projection: str, table: xr.Dataset) -> str:
    answered = table.global_p.notnull().sum("target").isel(run=0).values.tolist()
    steps = table.step.values.tolist()
    which = f"steps {steps[0]} and {steps[-1]}, the first and the last kept" if len(steps) > 1 else f"step {steps[0]}"
    neurons = ", ".join(f"{n} at step {step}" for n, step in zip(answered, steps, strict=True))
    return (
        f"Correlogram. How alike the weights of two cells of a receptive field of {projection} are, by how many sources and "
        f"how much delay they lie apart, at {which}; {said_networks(table)}. Maps: mean over neurons of the correlation less "
        f"its expectation under {said_null(analysis)}; colour limits are shared and symmetrical, a dash marks what is below 0. "
        "Hatched: no answer, or (0, 0), where a cell is compared with itself. Source lag 0 is symmetrical; the half of the map "
        "that is left out, of negative source lags, is this one turned about (0, 0). Where delays rise from source to source, "
        f"the map is high along a diagonal. Titles: share of the neurons with an answer ({neurons}, of "
        f"{table.sizes['target']}) that depart from the null at any offset (p of the largest departure ≤ {SIGNIFICANT:g}); "
        f"without structure it is about {100 * SIGNIFICANT:g} %. Right: mean correlation along the delay, at the same source "
        "and at the next; dashed: the null's mean. No test is made of single offsets of the mean: do not pick one by its "
        f"colour. Neurons of one network are not replicates. {said_meaning(Analysis(analysis).rule)}"
    )
