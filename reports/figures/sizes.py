"""Whether delays help, over hidden sizes, in feed-forward and recurrent networks."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from reports.captions import percent
from reports.drawn import Drawn, Plan
from reports.figures.figure_3 import TITLES, seeds_of
from reports.panels.accuracies import draw_accuracies_by_size
from reports.style import MIDDLE, NULL, inches, styled
from stanalysis.errors import BadInput
from stanalysis.findings.sweeps import accuracy_by_size
from stanalysis.findings.view import Analysis

_NETWORKS = {"feedforward": "feed-forward", "recurrent": "recurrent"}
_OVER = {"n_hidden": "hidden neurons", "n_parameters": "parameters"}
# Göltz, Weber, Kriener et al. (2025), https://doi.org/10.1038/s41467-025-63120-y: one network each, of so many hidden neurons
_PUBLISHED = {"yin_yang": {("none", 30): 0.967, ("axonal", 30): 0.975, ("synaptic", 30): 0.982, ("synaptic", 5): 0.954}}


@styled
def sizes(sweep: xr.Dataset) -> Drawn:
    """Test accuracy over the neurons of the hidden population, a line each for no delays and every kind of them.

    Feed-forward and recurrent networks have a panel each; where there is but one of them, and it is known how much each network
    learns, accuracy is shown over that, too.

    Parameters
    ----------
    sweep
        Group /sweep of an analysis, or what `stanalysis.files.sweep.read_sweep` gives, of networks whose hidden sizes differ.
    """
    accuracies = accuracy_by_size(sweep)
    there = [name for name in _NETWORKS if name in accuracies.connectivity.values]
    lowest = _lowest(accuracies)
    published = _published(accuracies)
    columns = [(name, "n_hidden") for name in there]
    if len(there) == 1 and "n_parameters" in accuracies:
        columns.append((there[0], "n_parameters"))
    figure = Figure(figsize=(inches(MIDDLE), inches(110)), layout="constrained")
    axes = figure.subplots(len(TITLES), len(columns), sharex="col", sharey=True, squeeze=False)
    panels: dict[str, xr.Dataset] = {}
    for row, (selection, title) in zip(axes, TITLES.items(), strict=True):
        for ax, (connectivity, over) in zip(row, columns, strict=True):
            name = f"{_NETWORKS[connectivity] if len(there) == len(columns) else _OVER[over]}, {title}"
            panels[name] = accuracies.sel(selection=selection, connectivity=connectivity)
            if selection == "last" and published is not None:
                panels[name] = panels[name].assign(published=published)
            draw_accuracies_by_size(ax, panels[name], over, lowest=lowest)
            ax.set_title(title if len(columns) > len(there) else name, weight="bold")
            ax.label_outer()
    if published is not None:
        axes[0, 0].plot([], [], "x", color=NULL, markersize=5, label="published, one network")
    legend = {label: handle for ax in figure.axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=min(len(legend), 3))
    return Drawn(figure, _caption(accuracies, lowest, crosses=published is not None), panels)


def _lowest(accuracies: xr.Dataset) -> float:
    """Where the axis of accuracy begins: at 0, but where all networks are far above it."""
    least = float(accuracies.accuracy.min())
    return np.floor(10 * least) / 10 if least > 0.5 else 0.0


def _published(accuracies: xr.Dataset) -> xr.DataArray | None:
    """Published accuracies (delays, n_hidden) of these networks; None where none are known."""
    known = _PUBLISHED.get(accuracies.attrs.get("dataset", ""), {})
    if not {"axonal", "dendritic", "synaptic"} & set(accuracies.delays.values):  # of another learning rule
        return None
    coords = {name: accuracies[name].values for name in ("delays", "n_hidden")}
    grid = [[known.get((str(delays), int(n)), np.nan) for n in coords["n_hidden"]] for delays in coords["delays"]]
    return xr.DataArray(grid, coords, tuple(coords)) if np.isfinite(grid).any() else None


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One where a sweep over hidden sizes was analysed."""
    sweep = Analysis(analysis).table("sweep")
    if not sweep:
        raise BadInput("The analysis is of no sweep; analyse the folder of one.")
    if "n_hidden" not in sweep:
        raise BadInput("The sweep is not over hidden sizes; name one that is (`stanalysis sweep eventprop` or `delgrad`).")
    return [Plan("sizes", partial(sizes, sweep))]


def _caption(accuracies: xr.Dataset, lowest: float, *, crosses: bool) -> str:
    attrs = accuracies.attrs
    chance = "" if not accuracies.chance >= lowest else f" Dotted: chance, 1/{attrs['n_output']}."
    data = f" Data set: {attrs['dataset']}." if attrs.get("dataset") else ""
    recurrent = "recurrent" in accuracies.connectivity.values
    within = "; in recurrent networks also those within the hidden population" if recurrent else ""
    over = "the neurons of the hidden population"
    if "n_parameters" in accuracies and not recurrent:
        over += " (left) and over the number of weights and delays that are learned (right)"
    begins = f" The axis begins at {percent(lowest)} %." if lowest else ""
    published = ""
    if crosses:
        published = (
            " Crosses: published, of one network each by its own settings, which may not be those of this sweep, after the "
            "last epoch and on the same test data (Göltz, Weber, Kriener et al. 2025)."
        )
    networks = ", of feed-forward networks and of recurrent ones" if recurrent else ""
    return (
        f"Test accuracy over {over} (log scales){networks}, after the last epoch (top) and after the epoch best on "
        "validation data (bottom; test data choose nothing). Colour, line and marker: what delays there are, and whether they "
        f"are learned{within}. Lines join means over n = {seeds_of(accuracies)} networks (training seeds) per point; bars are "
        "the two-sided 95 % interval of that mean (Student's t over the networks; none for a single one; cut at the ends of "
        "the axis); the dots beside them are the networks. The interval of one point does not say whether two points differ, "
        "which share their seeds. Lines over neurons are drawn a little apart at each "
        f"size.{begins}{published}{chance}{data}"
    )
