"""Structure of the receptive fields through training, against accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

from reports.drawn import Drawn, Plan
from reports.figures.names import named
from reports.figures.networks import course, networks_of, steps_of
from reports.figures.wording import CAUTION, said_answers, said_joins, said_meaning, said_networks, said_null, title_of
from reports.panels.statistics import draw_course, draw_path, hide_tick_labels, legend_of_marks
from reports.panels.survival import shares
from reports.style import COLUMN, NULL_BAND, OBSERVED, WIDTH, inches, styled
from stanalysis.errors import BadInput
from stanalysis.findings.effects import conditions_with, main_statistics
from stanalysis.findings.tables import SIGNIFICANT
from stanalysis.findings.view import Analysis
from stanalysis.stats.replicates.effects import excess

_ACCURACIES: Final[dict[str, tuple[str, LineStyleType]]] = {
    "test_accuracy": (OBSERVED, "-"),
    "validation_accuracy": (NULL_BAND, "--"),
}
_ROW: Final = 50.0  # height [mm]


@styled
def figure_training(analysis: xr.DataTree, projection: str, condition: str = "") -> Drawn:
    """Mean z of a few statistics and accuracy over training steps, and what statistics have beyond their null over accuracy.

    Parameters
    ----------
    analysis
        As `stanalysis.read_analysis` gives it. Without accuracies there are the statistics alone.
    projection
        Its name, ``<source>__<target>``.
    condition
        Which networks, as the attribute ``conditions`` names them.
    """
    runs = networks_of(analysis, projection, condition)
    steps = steps_of(analysis, projection, runs)
    network = analysis[f"network/{projection}"].to_dataset().sel(run=runs, step=steps)
    table = analysis[f"statistics/{projection}"].to_dataset().sel(run=runs, step=steps)
    names = [name for name in main_statistics() if name in network.statistic.values]
    accuracies = _accuracies(analysis, runs, steps)
    n_columns = max(len(names), 2 if accuracies else 1)
    n_rows = 2 if accuracies else 1
    width = WIDTH if n_columns > 2 else n_columns * COLUMN
    figure = Figure(figsize=(inches(width), inches(_ROW * n_rows + 8)), layout="constrained")
    grid = figure.add_gridspec(n_rows, n_columns)
    panels: dict[str, xr.Dataset] = {}
    ax = None
    for i, name in enumerate(names):
        ax = figure.add_subplot(grid[0, i], sharey=ax)
        tested = network.sel(statistic=name, drop=True)
        panels[name] = course(tested.mean_z, tested.p_value)
        draw_course(ax, panels[name], colour=OBSERVED, level=0.0)
        ax.set_title(title_of(name), weight="bold")
        if i:
            hide_tick_labels(ax)
        else:
            ax.set_ylabel("mean z-score over neurons")
    if accuracies:
        ax = figure.add_subplot(grid[1, 0])
        for name, values in accuracies.items():
            panels[name] = course(values)
            draw_course(ax, panels[name], colour=_ACCURACIES[name][0], line=_ACCURACIES[name][1])
        shares(ax)
        ax.set_ylabel("accuracy [%]")
        ax.set_title("accuracy", weight="bold")
        handles = [
            Line2D([], [], color=_ACCURACIES[name][0], linestyle=_ACCURACIES[name][1], label=name.removesuffix("_accuracy"))
            for name in accuracies
        ]
        ax.legend(handles=handles, loc="upper left")
    for i, (name, path) in enumerate(_paths(accuracies, table).items(), start=1):
        panels[f"{name} over accuracy"] = path
        ax = figure.add_subplot(grid[1, i])
        draw_path(ax, path)
        ax.set_ylabel("observed − expected")
        ax.set_title(title_of(name), weight="bold")
    figure.legend(handles=legend_of_marks(panels.values(), OBSERVED), loc="outside lower center", ncols=3)
    return Drawn(figure, _caption(analysis, projection, condition, table, panels), panels)


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One for every projection and condition with two kept steps at least."""
    planned = []
    for projection, network in Analysis(analysis).tables("network").items():
        for condition, runs in conditions_with(analysis, network.run.values).items():
            if len(steps_of(analysis, projection, runs)) > 1:
                draw = partial(figure_training, analysis, projection, condition)
                planned.append(Plan(named("training", projection, condition), draw, projection, tuple(runs)))
    if not planned:
        raise BadInput("No network of the analysis has two kept steps; analyse whole run folders.")
    return planned


def _accuracies(analysis: xr.DataTree, runs: Sequence[str], steps: Sequence[int]) -> dict[str, xr.DataArray]:
    """Accuracies (run, step) of those kinds that were measured."""
    metrics = Analysis(analysis).table("metrics")
    there = [name for name in _ACCURACIES if name in metrics]
    chosen = metrics[there].sel(run=runs, step=steps) if there else metrics
    return {name: chosen[name] for name in there if chosen[name].notnull().any()}


def _paths(accuracies: Mapping[str, xr.DataArray], table: xr.Dataset) -> dict[str, xr.Dataset]:
    """What statistics have beyond their null, with test accuracy (run, step); none where that was not measured.

    Of the synapse graph where it was analysed, else of the lattice.
    """
    if "test_accuracy" not in accuracies:
        return {}
    names = [name for name in main_statistics() if name in table.statistic.values]
    beyond = {name: excess(table.sel(statistic=name, drop=True)).excess for name in names[1:] or names}
    paths = {name: xr.Dataset({"accuracy": accuracies["test_accuracy"], "excess": values}) for name, values in beyond.items()}
    return {name: path.where(path.accuracy.notnull() & path.excess.notnull()) for name, path in paths.items()}


def _caption(
    analysis: xr.DataTree, projection: str, condition: str, table: xr.Dataset, panels: Mapping[str, xr.Dataset]
) -> str:
    among = f" ({condition})" if condition else ""
    several = table.sizes["run"] > 1
    answered = table.z_score.sel(statistic=[name for name in main_statistics() if name in panels]).notnull().sum("target")
    answered = answered.where(table.n_synapses.notnull().any("target"))  # not of steps that a network has not kept
    lines = "thin: networks; thick: their mean, where all have an answer. " if several else ""
    joins = f"{said_joins(Analysis(analysis).rule)} " if "graph_joins_ei" in panels else ""
    said = (
        f"Training. Structure of the receptive fields of {projection}{among} through training: mean over neurons of how many "
        f"standard deviations a statistic lies from its expectation under {said_null(analysis)}; dotted: no structure beyond "
        f"the null. One marker per kept step of {said_networks(table)}; {lines}{said_answers(answered, table.sizes['target'])} "
        f"have an answer. Filled markers: p of that mean ≤ {SIGNIFICANT:g}, in one network at one step; open: above; crosses: "
        f"no p. {joins}"
    )
    if any(name in panels for name in _ACCURACIES):
        said += "Accuracy: share of samples classified right at the same steps, where measured. "
    if "test_accuracy" in panels:
        said += (
            "Below, over test accuracy: what the statistics of each network have beyond the null (mean over neurons of "
            "observed less expected, not in standard deviations); markers grow with the step. Both change with training, so "
            "that a slope does not say that one brings about the other. "
        )
    return f"{said}{CAUTION} {said_meaning(Analysis(analysis).rule)}"
