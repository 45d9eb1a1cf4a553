"""Excitatory and inhibitory neighbours: how often they join, through training, beyond the null."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from reports.drawn import Drawn, Plan
from reports.figures.names import named
from reports.figures.networks import course, ends_of, networks_of, steps_of
from reports.figures.wording import CAUTION, said_answers, said_meaning, said_networks, said_null, said_trained
from reports.panels.statistics import JOINED, JOINS, draw_course, draw_joins, hide_tick_labels, legend_of_marks
from reports.style import NULL, WIDTH, inches, styled
from stanalysis.errors import BadInput
from stanalysis.findings.effects import conditions_with
from stanalysis.findings.tables import SIGNIFICANT
from stanalysis.findings.view import Analysis
from stanalysis.stats.replicates.effects import excess, over_networks

_PLACES: Final = {"graph_joins": "synapse graph", "joins": "lattice"}  # from top to bottom
_ROW: Final = 46.0  # height [mm]


@styled
def figure_joins(analysis: xr.DataTree, projection: str, condition: str = "") -> Drawn:
    """Joins beyond the null over training steps, and observed beside expected joins of the trained networks.

    Parameters
    ----------
    analysis
        As `stanalysis.read_analysis` gives it, with join counts on the lattice, the synapse graph, or both.
    projection
        Its name, ``<source>__<target>``.
    condition
        Which networks, as the attribute ``conditions`` names them.
    """
    runs = networks_of(analysis, projection, condition)
    table = analysis[f"statistics/{projection}"].to_dataset().sel(run=runs, step=steps_of(analysis, projection, runs))
    network = analysis[f"network/{projection}"].to_dataset().sel(run=runs, step=table.step)
    places = _places(table)
    if not places:
        raise BadInput(_MISSING)
    figure = Figure(figsize=(inches(WIDTH), inches(_ROW * len(places) + 9)), layout="constrained")
    grid = figure.add_gridspec(len(places), 4)
    panels: dict[str, xr.Dataset] = {}
    for i, place in enumerate(places):
        ax = None
        for j, kind in enumerate(JOINS):
            ax = figure.add_subplot(grid[i, j], sharey=ax)
            joins = excess(table.sel(statistic=f"{place}_{kind}", drop=True))
            p = network.p_value.sel(statistic=f"{place}_{kind}", drop=True)
            panels[f"{place}_{kind}"] = course(joins.excess, p, interval=True)
            draw_course(ax, panels[f"{place}_{kind}"], colour=JOINS[kind], level=0.0)
            if i == 0:
                ax.set_title(f"{JOINED[kind]} joins", weight="bold")
            if i < len(places) - 1:
                ax.set_xlabel("")
            if j:
                hide_tick_labels(ax)
            else:
                ax.set_ylabel(f"{_PLACES[place]}\nobserved − expected joins")
        ax = figure.add_subplot(grid[i, 3])
        panels[f"{place}, trained"] = _trained(analysis, projection, table, place)
        draw_joins(ax, panels[f"{place}, trained"])
        ax.set_ylabel("joins per neuron")
        if i == 0:
            ax.set_title("trained", weight="bold")
    handles = [
        *legend_of_marks(panels.values()),
        Patch(facecolor="white", edgecolor=NULL, hatch="/////", linewidth=0.6, label="expected"),
        Patch(facecolor=JOINS["ei"], edgecolor=NULL, linewidth=0.6, label="observed"),
    ]
    if len(runs) > 1:
        handles.append(Line2D([], [], color="black", marker="o", markersize=2, linewidth=0.5, label="a network"))
    figure.legend(handles=handles, loc="outside lower center", ncols=6)
    return Drawn(figure, _caption(analysis, projection, condition, table, panels), panels)


_MISSING: Final = "The analysis has no join counts; analyse with --statistics lattice graph."


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One for every projection and condition whose joins were counted."""
    planned = []
    for projection, table in Analysis(analysis).tables("statistics").items():
        for condition, runs in conditions_with(analysis, table.run.values).items() if _places(table) else ():
            draw = partial(figure_joins, analysis, projection, condition)
            planned.append(Plan(named("joins", projection, condition), draw, projection, tuple(runs)))
    if not planned:
        raise BadInput(_MISSING)
    return planned


def _places(table: xr.Dataset) -> list[str]:
    """Where joins were counted."""
    return [place for place in _PLACES if {f"{place}_{kind}" for kind in JOINS} <= set(table.statistic.values.tolist())]


def _trained(analysis: xr.DataTree, projection: str, table: xr.Dataset, place: str) -> xr.Dataset:
    """Joins observed and expected in each trained network (kind, run), means over neurons, and their means over networks."""
    _, step = ends_of(analysis, projection, table.run.values.tolist())
    names = [f"{place}_{kind}" for kind in JOINS]
    joins = excess(table[["value", "expected"]].sel(run=step.run, step=step, statistic=names).drop_vars("unit"))
    joins = joins.rename(statistic="kind").assign_coords(kind=list(JOINS))[["value", "expected"]]
    means = {f"mean_{name}": over_networks(values)["mean"] for name, values in joins.rename(value="observed").items()}
    return joins.rename(value="observed").assign(means)


def _caption(
    analysis: xr.DataTree, projection: str, condition: str, table: xr.Dataset, panels: Mapping[str, xr.Dataset]
) -> str:
    among = f" ({condition})" if condition else ""
    _, step = ends_of(analysis, projection, table.run.values.tolist())
    places = _places(table)
    names = [f"{place}_{kind}" for place in places for kind in JOINS]
    answered = table.value.sel(statistic=names, run=step.run, step=step).notnull().sum("target")
    expected = "; ".join(f"{_PLACES[place]} {_expected(panels[f'{place}, trained'])}" for place in places)
    lines = ""
    if table.sizes["run"] > 1:
        lines = (
            ", thin: networks; thick: their mean where all have an answer; band: its 95 % interval over networks (Student's t)"
        )
    attrs = table.attrs
    where = {
        "graph_joins": f"among synapses, the nearest {attrs['nearest']} in (source, delay) being neighbours",
        "joins": f"among cells of the lattice ({attrs['contiguity']} neighbours)",
    }
    return (
        f"Joins. How often neighbours in the receptive fields of {projection}{among} both excite (E–E), differ (E–I) or both "
        f"inhibit (I–I), {', and '.join(where[place] for place in places)}: pairs per neuron beyond those expected under "
        f"{said_null(analysis)}, mean over neurons, at every kept step; {said_networks(table)}{lines}. Dotted: as many as "
        f"expected. Filled markers: p of the network (of its mean z) ≤ {SIGNIFICANT:g}; open: above; crosses: no p. Right: "
        f"observed beside expected joins of the trained networks ({said_trained(analysis, step)}), mean over neurons, then "
        f"over networks; expected there: {expected}. At that step {said_answers(answered, table.sizes['target'])} have an "
        "answer. The number of joins grows with that of synapses, and with how close these lie: more E–E joins without fewer "
        f"E–I joins are no grouping of signs. {CAUTION} {said_meaning(Analysis(analysis).rule)}"
    )


def _expected(joins: xr.Dataset) -> str:
    """How many joins of each kind the null has."""
    if joins.mean_expected.isnull().all():
        return "no answer"
    return ", ".join(f"{JOINED[str(mean.kind.item())]} {float(mean):.3g}" for mean in joins.mean_expected)
