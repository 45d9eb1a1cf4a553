"""The ladder of nulls: what each of them rejects, network by network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import PurePath
from typing import Final

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.drawn import Drawn, Plan
from reports.figures.names import named
from reports.figures.networks import ends_of, networks_of
from reports.figures.wording import (
    CAUTION,
    said_answers,
    said_joins,
    said_meaning,
    said_networks,
    said_null,
    said_trained,
    title_of,
)
from reports.panels.statistics import BEFORE, draw_ladder, hide_tick_labels, legend_of_marks
from reports.style import OBSERVED, WIDTH, inches, styled
from stanalysis.errors import BadInput
from stanalysis.files.pruning import TABLE
from stanalysis.files.run import LOG
from stanalysis.findings.effects import conditions_with
from stanalysis.findings.tables import SIGNIFICANT
from stanalysis.findings.view import Analysis
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.stats.engine.statistics import labelled_statistics

_SETTINGS: Final = ("alternative", "contiguity", "standardised", "bin")
_COLUMNS: Final = 3
_RUNG, _FRAME = 12.0, 13.0  # height of a null, and of what is above and below a panel [mm]


@styled
def figure_ladder(analyses: Sequence[xr.DataTree], projection: str, condition: str = "") -> Drawn:
    """Mean z of every network under each null, trained and at its first step, one panel per statistic.

    Parameters
    ----------
    analyses
        As `stanalysis.read_analysis` gives them: the same networks under different nulls, or one analysis alone.
    projection
        Its name, ``<source>__<target>``.
    condition
        Which networks, as the attribute ``conditions`` names them.
    """
    require_same_networks(analyses)
    analyses = _in_order(analyses)
    runs = networks_of(analyses[0], projection, condition)
    known = [set(tree[f"network/{projection}"].statistic.values.tolist()) for tree in analyses]
    names = [statistic.name for statistic in labelled_statistics() if all(statistic.name in there for there in known)]
    ladder = _ladder(analyses, projection, runs)
    n_rows = -(-len(names) // _COLUMNS)
    height = n_rows * (_RUNG * len(analyses) + _FRAME) + 8
    figure = Figure(figsize=(inches(WIDTH), inches(height)), layout="constrained")
    grid = figure.add_gridspec(n_rows, _COLUMNS)
    panels: dict[str, xr.Dataset] = {}
    for i, name in enumerate(names):
        ax = figure.add_subplot(grid[divmod(i, _COLUMNS)])
        panels[name] = ladder.sel(statistic=name, drop=True)
        draw_ladder(ax, panels[name])
        ax.set_title(title_of(name), weight="bold")
        rules = [Analysis(tree).rule for tree in reversed(analyses)]
        ax.set_yticks(range(len(rules)), [f"{rule.name}:\n{rule.short}" for rule in rules], linespacing=1.1)
        if i % _COLUMNS:
            hide_tick_labels(ax)
    figure.legend(handles=_legend(ladder.sel(statistic=names)), loc="outside lower center", ncols=5)
    return Drawn(figure, _caption(analyses, projection, condition, ladder.sel(statistic=names)), panels)


def plans(*analyses: xr.DataTree) -> list[Plan]:
    """One for every projection and condition that all analyses have; they are of the same networks, each of another null."""
    require_same_networks(analyses)
    analyses = tuple(_in_order(analyses))
    first = analyses[0]
    planned = []
    for projection, network in Analysis(first).tables("network").items():
        for condition, runs in conditions_with(first, network.run.values).items():
            draw = partial(figure_ladder, analyses, projection, condition)
            planned.append(Plan(named("ladder", projection, condition), draw, projection, tuple(runs)))
    return planned


def require_same_networks(analyses: Sequence[xr.DataTree]) -> None:
    """`BadInput` unless the analyses are of the same networks and differ in nothing but their null."""
    nulls = Counter(str(tree.attrs["null"]) for tree in analyses)
    if twice := [null for null, n in nulls.items() if n > 1]:
        raise BadInput(f"More than one analysis is of the null {' and of '.join(twice)}; give one of each null.")
    if any(_networks(tree) != _networks(analyses[0]) for tree in analyses):
        raise BadInput("The analyses are not of the same networks at the same steps; analyse the same runs under each null.")
    for name in _SETTINGS:
        values = list(dict.fromkeys(str(tree.attrs.get(name)) for tree in analyses))
        if len(values) > 1:
            raise BadInput(f"The analyses differ in {name} ({', '.join(values)}); make them alike in all but the null.")


def _in_order(analyses: Sequence[xr.DataTree]) -> list[xr.DataTree]:
    """The analyses in the order of their nulls."""
    return sorted(analyses, key=lambda tree: list(NULLS).index(Analysis(tree).rule.name))


def _networks(analysis: xr.DataTree) -> dict[str, set[str]]:
    """Hashes of the checkpoints of each network, by its name; the other files of a run are not read for all statistics."""
    files = Analysis(analysis).files
    return {run: {sha for path, sha in read.items() if PurePath(path).name not in (LOG, TABLE)} for run, read in files.items()}


def _ladder(analyses: Sequence[xr.DataTree], projection: str, runs: Sequence[str]) -> xr.Dataset:
    """Mean z and p of all networks (null, statistic, run, moment); without "first" where no network has an earlier step."""
    first, trained = ends_of(analyses[0], projection, runs)
    moments = {"trained": trained, "first": first} if (first != trained).any() else {"trained": trained}
    rungs = []
    for tree in analyses:
        network = tree[f"network/{projection}"].to_dataset()[["mean_z", "p_value"]].drop_vars("unit")
        at = [
            network.sel(run=step.run, step=step).where((step != trained) | (name == "trained"))
            for name, step in moments.items()
        ]
        rungs.append(xr.concat(at, xr.Variable("moment", list(moments)), coords=["step"]))
    nulls = xr.Variable("null", [tree.attrs["null"] for tree in analyses])
    return xr.concat(rungs, nulls, join="inner", combine_attrs="drop", coords="minimal", compat="override")


def _legend(ladder: xr.Dataset) -> list[Line2D]:
    lines = legend_of_marks([ladder], OBSERVED)
    if "first" in ladder.moment.values:
        lines.append(Line2D([], [], color=BEFORE, marker="o", markersize=3.2, linestyle="", label="first step"))
    return lines


def _caption(analyses: Sequence[xr.DataTree], projection: str, condition: str, ladder: xr.Dataset) -> str:
    among = f" ({condition})" if condition else ""
    runs = ladder.run.values.tolist()
    _, trained = ends_of(analyses[0], projection, runs)
    tables = [tree[f"statistics/{projection}"].to_dataset() for tree in analyses]
    answered = xr.concat(
        [
            table.z_score.sel(statistic=ladder.statistic.values, run=trained.run, step=trained).notnull().sum("target")
            for table in tables
        ],
        "null",
        coords="minimal",
        compat="override",
    )
    steps = f"trained ({said_trained(analyses[0], trained)})"
    if "first" in ladder.moment.values:
        steps += " and, below it and paler, at its first kept step"
    missing = (
        "; crosses: no p, for neurons that depend on each other or have no draws"
        if (ladder.mean_z.notnull() & ladder.p_value.isnull()).any()
        else ""
    )
    rows = "; ".join(said_null(tree).removeprefix("null ") for tree in analyses)
    rules = [Analysis(tree).rule for tree in analyses]
    meanings = " ".join(map(said_meaning, rules))
    return (
        f"Ladder. What each null rejects of the receptive fields of {projection}{among}: mean over neurons of how many "
        "standard deviations a statistic lies from its expectation under the null; dotted: no structure beyond it. One marker "
        f"per network, at one height in all rows: {said_networks(ladder)}, {steps}. At the trained step "
        f"{said_answers(answered, tables[0].sizes['target'])} have an answer, by statistic, network and null. Filled: p of "
        f"that mean ≤ {SIGNIFICANT:g} in the network; open: above{missing}. "
        f"{said_joins(*rules)} Nulls: {rows}. {meanings} A z under one null is no "
        f"smaller effect than a larger one under another: each null has its own spread. {CAUTION}"
    )
