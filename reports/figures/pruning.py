"""How much structure, and accuracy, is left when a trained network is pruned."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.drawn import Drawn, Plan
from reports.figures.conditions import conditions, runs_of
from reports.figures.names import named
from reports.figures.wording import said_joins, said_networks, said_null, title_of
from reports.panels.survival import CRITERIA, draw_level, draw_pruned, shares
from reports.style import NULL, WIDTH, inches, styled
from stanalysis.errors import BadInput
from stanalysis.findings.effects import main_statistics
from stanalysis.findings.tables import SIGNIFICANT
from stanalysis.findings.view import Analysis, rule_of

_SAID: Final = {
    "magnitude": "smallest weights first",
    "random": "at random",
    "largest": "largest weights first",
}
_COLUMNS: Final = 3


@styled
def figure_pruning(analysis: xr.DataTree, projection: str, *, runs: Sequence[str] | None = None) -> Drawn:
    """Structure, overlap and accuracy over the share of synapses pruned.

    Parameters
    ----------
    analysis
        As `stanalysis.read_analysis` gives it, with the group ``structure/<projection>``.
    projection
        Its name, ``<source>__<target>``.
    runs
        Names of the networks that are replicates of each other; by default all.
    """
    structure = Analysis(analysis).table("structure", projection)
    if not structure:
        raise BadInput(f"The analysis has no structure under pruning of {projection}; analyse it anew.")
    names = [str(run) for run in structure.run.values] if runs is None else list(runs)
    structure = structure.sel(run=names)
    statistics = [name for name in main_statistics() if name in structure.statistic.values]
    accuracy = _accuracies(analysis, names)
    n_panels = len(statistics) + 1 + (accuracy is not None)
    n_columns = min(n_panels, _COLUMNS)
    figure = Figure(figsize=(inches(WIDTH), inches(54 * -(-n_panels // n_columns) + 10)), layout="constrained")
    axes = figure.subplots(-(-n_panels // n_columns), n_columns, squeeze=False).ravel()
    panels: dict[str, xr.Dataset] = {}
    for ax, name in zip(axes, statistics, strict=False):
        left = structure.sel(statistic=name)
        panels[name] = _with_mean(xr.Dataset({"value": left.mean_z, "p_value": left.p_value}))
        draw_pruned(ax, panels[name])
        draw_level(ax, 0.0)
        ax.set_ylabel("mean z-score over neurons")
        ax.set_title(title_of(name), weight="bold")
    ax = axes[len(statistics)]
    panels["overlap"] = _with_mean(xr.Dataset({"value": structure.overlap}))
    draw_pruned(ax, panels["overlap"])
    ax.set_ylabel("correlation with the unpruned field")
    ax.set_title("overlap", weight="bold")
    ax.set_ylim(min(0.0, ax.get_ylim()[0]), 1.02)
    if accuracy is not None:
        ax = axes[len(statistics) + 1]
        panels["accuracy"] = _with_mean(accuracy)
        draw_pruned(ax, panels["accuracy"])
        draw_level(ax, 1 / Analysis(analysis).n_output)
        shares(ax)
        ax.set_ylabel("test accuracy [%]")
        ax.set_title("accuracy", weight="bold")
    for ax in axes[n_panels:]:
        ax.remove()
    figure.legend(handles=_legend(structure), loc="outside lower center", ncols=5)
    return Drawn(figure, _caption(analysis, structure, projection, accuracy), panels)


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One for every projection and condition that was pruned: its networks are drawn together."""
    tables = Analysis(analysis).tables("structure")
    if not tables:
        raise BadInput("Nothing was pruned in the analysis; run `stanalysis prune` and analyse with --statistics pruning.")
    planned = []
    for projection, table in tables.items():
        pruned = [str(run) for run in table.run.values]
        for condition in conditions(analysis):
            runs = tuple(run for run in runs_of(analysis, condition) if run in pruned)
            if runs:
                draw = partial(figure_pruning, analysis, projection, runs=runs)
                planned.append(Plan(named("pruning", projection, condition), draw, projection, runs))
    return planned


def _with_mean(values: xr.Dataset) -> xr.Dataset:
    """The values of every network, and their mean where all have one."""
    values = values.sel(fraction=values.fraction < 1)  # a log scale has no place for nothing left
    return values.assign(mean=values.value.mean("run", skipna=False))


def _accuracies(analysis: xr.DataTree, names: Sequence[str]) -> xr.Dataset | None:
    """Test accuracy of those networks that were pruned, means over the random draws; None where none was."""
    pruning = Analysis(analysis).table("pruning")
    if not pruning:
        return None
    pruning = pruning.sel(run=[name for name in names if name in pruning.run.values])
    if not (pruning.fraction < 1).any():
        return None
    accuracy = pruning.test_accuracy.mean("draw").dropna("run", how="all")
    return xr.Dataset({"value": accuracy}) if accuracy.size else None


def _legend(structure: xr.Dataset) -> list[Line2D]:
    lines = [
        Line2D([], [], color=colour, linestyle=line, label=_SAID[name])
        for name, (colour, line, _) in CRITERIA.items()
        if name in structure.criterion.values
    ]
    return [
        *lines,
        Line2D([], [], color=NULL, marker="o", linestyle="", label=f"$p$ ≤ {SIGNIFICANT:g}"),
        Line2D([], [], color=NULL, marker="o", linestyle="", markerfacecolor="white", label=f"$p$ > {SIGNIFICANT:g}"),
    ]


def _caption(analysis: xr.DataTree, structure: xr.Dataset, projection: str, accuracy: xr.Dataset | None) -> str:
    n = structure.sizes["run"]
    n_random = structure.attrs["n_random"]
    networks = said_networks(analysis["metrics"].to_dataset()[["seed"]].sel(run=structure.run)) + (
        ": thin lines, and their mean, thick" if n > 1 else ""
    )
    unpruned = structure.n_synapses.sel(fraction=structure.fraction.min()).mean()
    said = (
        f"Pruning. What pruning leaves of the structure of {projection}, without training again; synapses of all neurons are "
        f"judged together. {networks}; {float(unpruned):.4g} synapses unpruned. The axis is the share of synapses left, on a "
        "log scale. Mean z: the mean over neurons of how many standard deviations a statistic lies from its expectation under "
        f"{said_null(structure)}, which moves only what is left and so has the same density. Dotted: no "
        "structure beyond the null. z grows with the number of synapses, so that less of it need not be less structure per "
        f"synapse. Filled markers: p of that mean ≤ {SIGNIFICANT:g} in one network, open: above; none: no answer. "
        f"{said_joins(rule_of(structure.attrs))} Pruning at random is the mean over {n_random} orders. "
        "Overlap: mean over neurons of the correlation of pruned and unpruned field."
    )
    if accuracy is None:
        return said
    m = accuracy.sizes["run"]
    pruned = "all projections pruned at once, random pruning averaged over its draws"
    return f"{said} Accuracy: of {m} network{'s' if m > 1 else ''}, {pruned}; dotted: chance, 1/{Analysis(analysis).n_output}."
