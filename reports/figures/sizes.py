"""Whether delays help, over hidden sizes, in feed-forward and recurrent networks."""

from __future__ import annotations

from functools import partial

import xarray as xr
from matplotlib.figure import Figure

from reports.drawn import Drawn, Plan
from reports.figures.figure_3 import TITLES, seeds_of
from reports.panels.accuracies import draw_accuracies_by_size
from reports.style import MIDDLE, inches, styled
from stanalysis.errors import BadInput
from stanalysis.findings.sweeps import accuracy_by_size
from stanalysis.findings.view import Analysis

_NETWORKS = {"feedforward": "feed-forward", "recurrent": "recurrent"}


@styled
def sizes(sweep: xr.Dataset) -> Drawn:
    """Test accuracy over the neurons of the hidden population, a line each for no, fixed and learned delays.

    Parameters
    ----------
    sweep
        Group /sweep of an analysis, or what `stanalysis.files.sweep.read_sweep` gives, of networks whose hidden sizes differ.
    """
    accuracies = accuracy_by_size(sweep)
    there = [name for name in _NETWORKS if name in accuracies.connectivity.values]
    figure = Figure(figsize=(inches(MIDDLE), inches(110)), layout="constrained")
    axes = figure.subplots(len(TITLES), len(there), sharex=True, sharey=True, squeeze=False)
    panels: dict[str, xr.Dataset] = {}
    for row, (selection, title) in zip(axes, TITLES.items(), strict=True):
        for ax, connectivity in zip(row, there, strict=True):
            name = f"{_NETWORKS[connectivity]}, {title}"
            panels[name] = accuracies.sel(selection=selection, connectivity=connectivity)
            draw_accuracies_by_size(ax, panels[name])
            ax.set_title(name, weight="bold")
            ax.label_outer()
    legend = {label: handle for ax in figure.axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=len(legend))
    return Drawn(figure, _caption(accuracies), panels)


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One where a sweep over hidden sizes was analysed."""
    sweep = Analysis(analysis).table("sweep")
    if not sweep:
        raise BadInput("The analysis is of no sweep; analyse the folder of one.")
    if "n_hidden" not in sweep:
        raise BadInput("The sweep is not over hidden sizes; name one that is (`stanalysis sweep eventprop`).")
    return [Plan("sizes", partial(sizes, sweep))]


def _caption(accuracies: xr.Dataset) -> str:
    attrs = accuracies.attrs
    chance = "" if accuracies.chance.isnull() else f" Dotted: chance, 1/{attrs['n_output']}."
    data = f" Data set: {attrs['dataset']}." if attrs.get("dataset") else ""
    return (
        "Test accuracy over the neurons of the hidden population (log scale), of feed-forward networks and of recurrent ones, "
        "after the last epoch (top) and after the epoch best on validation data (bottom; test data choose nothing). Colour, "
        "line and marker: delays learned, fixed at random, or none; in recurrent networks also those within the hidden "
        f"population. Lines join means over n = {seeds_of(accuracies)} networks (training seeds) per point; bars are the "
        "two-sided 95 % interval of that mean (Student's t over the networks; none for a single one; cut at 0 and 100 %); the "
        "dots beside them are the networks. The interval of one point does not say whether two points differ, which share "
        f"their seeds. Lines are drawn a little apart at each size.{chance}{data}"
    )
