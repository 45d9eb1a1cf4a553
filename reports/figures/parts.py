"""What the grouping of excitation and inhibition is owed to: the delay alone, the source alone, or both jointly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

import pandas as pd
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reports.captions import percent
from reports.drawn import Drawn, Plan
from reports.figures.conditions import conditions, runs_of
from reports.figures.names import named
from reports.figures.wording import said_meaning, said_networks, title_of
from reports.owed import OWED, RESOLUTION, WITHOUT_ORDER
from reports.panels.parts import draw_parts, draw_shares
from reports.panels.statistics import hide_tick_labels, legend_of_marks
from reports.style import NULL, WIDTH, inches, styled
from stanalysis.errors import BadInput
from stanalysis.findings.effects import conditions_with
from stanalysis.findings.grouping import MOST, SHARES, grouping, smallest_p_of_parts, with_intervals
from stanalysis.findings.tables import SIGNIFICANT
from stanalysis.findings.view import Analysis
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.stats.engine.statistics import STATISTICS

_ROW: Final = 46.0  # height [mm]
_UNITS: Final = {
    "graph_joins_ei": "E–I joins per neuron\nbeyond free signs",
    "graph_weighted_joins_unlike": "weighted E–I joins\nper neuron beyond free signs",
}
_MISSING: Final = "The analysis does not say what its grouping is owed to; analyse with --statistics parts."
_MOMENTS: Final = ("first", "last")


@styled
def figure_parts(analysis: xr.DataTree, projection: str, condition: str = "") -> Drawn:
    """Bars of what each network has beyond free signs, at its first and its last step, and the parts with their intervals.

    Parameters
    ----------
    analysis
        As `stanalysis.read_analysis` gives it, with the group ``parts/<projection>``.
    projection
        Its name, ``<source>__<target>``.
    condition
        Which networks, as the attribute ``conditions`` names them.
    """
    if condition not in conditions(analysis):
        raise BadInput(f"The analysis has no condition {condition!r}; it has {', '.join(map(repr, conditions(analysis)))}.")
    table = Analysis(analysis).table("parts", projection)
    runs = [run for run in runs_of(analysis, condition) if table and run in table.run.values]
    if not runs:
        raise BadInput(_MISSING)
    every = grouping(analysis)
    every = every[every["projection"].eq(projection) & every["run"].isin(runs)]
    means = with_intervals(analysis)
    means = means[means["projection"].eq(projection) & means["condition"].eq(condition)]
    statistics = [str(name) for name in table.statistic.values]
    moments = [moment for moment in _MOMENTS if moment in set(means["moment"])]
    figure = Figure(figsize=(inches(WIDTH), inches(_ROW * len(statistics) + 12)), layout="constrained")
    widths = [max(len(runs), 3)] * len(moments) + [max(len(runs), 5)]
    grid = figure.add_gridspec(len(statistics), len(widths), width_ratios=widths)
    panels: dict[str, xr.Dataset] = {}
    for i, statistic in enumerate(statistics):
        ax: Axes | None = None
        for j, moment in enumerate(moments):
            ax = figure.add_subplot(grid[i, j], sharey=ax)
            of_networks = every[every["statistic"].eq(statistic) & every["moment"].eq(moment)]
            panels[f"{statistic}, {moment} step"] = _of_networks(of_networks, runs)
            draw_parts(ax, panels[f"{statistic}, {moment} step"])
            if i == 0:
                ax.set_title(f"{moment} step", weight="bold")
            if i == len(statistics) - 1:
                ax.set_xlabel("networks" if len(runs) > 1 else "the network")
            if j:
                hide_tick_labels(ax)
            else:
                ax.set_ylabel(_UNITS.get(statistic, f"{title_of(statistic)}\nbeyond free signs"))
        ax = figure.add_subplot(grid[i, len(moments)], sharey=ax)
        panels[f"{statistic}, parts"] = _of_condition(means[means["statistic"] == statistic], moments)
        draw_shares(ax, panels[f"{statistic}, parts"])
        hide_tick_labels(ax)
        if i == 0:
            ax.set_title("mean over networks" if len(runs) > 1 else "its parts", weight="bold")
    figure.legend(handles=_legend(panels), loc="outside lower center", ncols=3)
    return Drawn(figure, _caption(analysis, projection, condition, table.sel(run=runs), means), panels)


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One for every projection and condition of which the parts are known."""
    planned = []
    for projection, table in Analysis(analysis).tables("parts").items():
        for condition, runs in conditions_with(analysis, table.run.values).items():
            draw = partial(figure_parts, analysis, projection, condition)
            planned.append(Plan(named("parts", projection, condition), draw, projection, tuple(runs)))
    if not planned:
        raise BadInput(_MISSING)
    return planned


def _of_networks(rows: pd.DataFrame, runs: list[str]) -> xr.Dataset:
    """What each network (run) has of one statistic at one moment; nothing where it kept no such step."""
    rows = rows.set_index("run").reindex(runs)
    names = {name: name for name in SHARES} | {"total_lower": "lower", "total_upper": "upper", "interaction_p": "p_value"}
    columns = {new: ("run", rows[old].to_numpy(float)) for old, new in names.items()}
    return xr.Dataset(columns | {"step": ("run", rows["step"].to_numpy(float))}, {"run": runs})


def _of_condition(rows: pd.DataFrame, moments: list[str]) -> xr.Dataset:
    """The mean of each part with its interval (part, moment), of one statistic."""
    rows = rows.set_index("moment").loc[moments]
    ends = {"mean": "", "lower": "_lower", "upper": "_upper"}
    values = {name: [rows[f"{part}{end}"].to_numpy() for part in SHARES] for name, end in ends.items()}
    coords = {"part": list(SHARES), "moment": moments}
    return xr.Dataset({name: (("part", "moment"), value) for name, value in values.items()}, coords)


def _legend(panels: Mapping[str, xr.Dataset]) -> list[Artist]:
    parts = [Patch(facecolor=part.colour, edgecolor=NULL, linewidth=0.4, label=part.words) for part in OWED]
    marks = legend_of_marks([panel.rename(total="value") for panel in panels.values() if "p_value" in panel], "black")
    for mark in marks:
        mark.set_label(f"all, joint part {mark.get_label()}")
    return [*parts, *marks]


def _caption(analysis: xr.DataTree, projection: str, condition: str, table: xr.Dataset, means: pd.DataFrame) -> str:
    among = f" ({condition})" if condition else ""
    last = means[means["moment"] == "last"].set_index("statistic")
    rejected = [
        f"{_label(str(name))} in {row['interaction_rejected']} of {row['interaction_tested']}" for name, row in last.iterrows()
    ]
    names = [str(name) for name in table.statistic.values]
    directions = [f"{'lowers' if lowers else 'raises'} {_listed(some)}" for lowers, some in _by_direction(names).items()]
    rule, n = NULLS["interaction"], int(table.attrs["n_permutations"])
    steps = ", ".join(f"{moment} step {_between(rows)}" for moment, rows in means.groupby("moment", sort=False))
    over = "networks (Student's t)" if table.sizes["run"] > 1 else "neurons, which speaks of this network alone"
    sources = "" if Analysis(analysis).has_ordered_sources(projection) else f" {WITHOUT_ORDER}"
    few = _few_tested(last.loc[last["interaction_tested"] > 0, "tested_share"])
    paler = "; paler: the first step" if "first" in set(means["moment"]) else ""
    return (
        f"Parts. What the grouping of excitation and inhibition in the receptive fields of {projection}{among} is owed to: "
        f"{_listed(map(_label, names))}, beyond those expected when signs move freely among the synapses of a neuron; mean "
        f"over neurons. Grouping {', and '.join(directions)}. Bars add up what signs owe to the delay alone, to the source "
        f"alone, and to both jointly, {RESOLUTION} (finer structure of one axis counts as joint): parts that raise the "
        f"statistic above 0, those that lower it below. {said_networks(table)}; {steps}. Marker: all parts together, with the "
        f"95 % interval over neurons, which speaks of that network alone; filled where the joint part is beyond the null "
        f"{rule.name} (p of the network ≤ {SIGNIFICANT:g}; {n} permutations, seed {table.attrs['seed']}, "
        f"{Analysis(analysis).alternative}, smallest p {smallest_p_of_parts(analysis, projection):.2g}), open where it is not, "
        "a cross where there is no p. Right: the mean "
        f"of each part with its 95 % interval over {over}{paler}. At the last step that null is rejected for "
        f"{_listed(rejected)} networks; where it is not, nothing shows that grouping is joint. "
        f"{said_meaning(rule)}{few}{sources} p is adjusted neither for the number of networks nor for that of panels."
    )


def _label(statistic: str) -> str:
    return title_of(statistic).replace("$", "")


def _by_direction(statistics: Iterable[str]) -> dict[bool, list[str]]:
    """The statistics that grouping lowers (True), and those that it raises, as captions call them."""
    told: dict[bool, list[str]] = {}
    for name in statistics:
        told.setdefault(STATISTICS[name].grouping == "lowers", []).append(_label(name))
    return told


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _few_tested(shares: pd.Series) -> str:
    """Where the joint part is tested in a minority of the neurons: in how many, by statistic, and what of the others."""
    few = [f"{percent(share)} % for {_label(str(name))}" for name, share in shares.items() if share < MOST]
    if not few:
        return ""
    return (
        f" It speaks of the neurons in which signs can move, of those with an answer {_listed(few)}; of the others it cannot "
        "be told, and all they have is put down to the delay and the source."
    )


def _between(rows: pd.DataFrame) -> str:
    first, last = rows["step_from"].min(), rows["step_to"].max()
    return f"{first}" if first == last else f"{first} to {last}"
