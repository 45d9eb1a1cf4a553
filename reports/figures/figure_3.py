"""Fig 3: how much accuracy is left when synapses are few."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from reports.captions import percent
from reports.drawn import Drawn, Plan
from reports.panels.accuracies import draw_accuracies
from reports.style import WIDTH, inches, styled
from stanalysis.errors import BadInput
from stanalysis.findings.sweeps import accuracy_by_sparsity
from stanalysis.findings.view import Analysis

TITLES = {"last": "last epoch", "best": "epoch best on validation"}


@styled
def figure_3(sweep: xr.Dataset) -> Drawn:
    """Test accuracy of every method over the synapses left.

    Parameters
    ----------
    sweep
        Group /sweep of an analysis, or what `stanalysis.files.sweep.read_sweep` gives.
    """
    accuracies = accuracy_by_sparsity(sweep)
    figure = Figure(figsize=(inches(WIDTH), inches(95)), layout="constrained")
    axes = figure.subplots(1, len(TITLES), sharey=True)
    panels: dict[str, xr.Dataset] = {}
    for ax, (selection, title) in zip(axes, TITLES.items(), strict=True):
        draw_accuracies(ax, panels.setdefault(title, accuracies.sel(selection=selection)))
        ax.set_title(title, pad=8, weight="bold")
    axes[1].set_ylabel("")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return Drawn(figure, _caption(accuracies), panels)


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One where a sweep of sparse networks was analysed."""
    sweep = Analysis(analysis).table("sweep")
    if not sweep:
        raise BadInput("The analysis is of no sweep; analyse the folder of one.")
    if "n_hidden" in sweep:
        raise BadInput("The sweep is over hidden sizes, not over sparsities; draw sizes instead.")
    return [Plan("fig3", partial(figure_3, sweep))]


def _caption(accuracies: xr.Dataset) -> str:
    attrs = accuracies.attrs
    chance = "" if accuracies.chance.isnull() else f" Dotted: chance, 1/{attrs['n_output']}."
    data = f" Data set: {attrs['dataset']}." if attrs.get("dataset") else ""
    return (
        "Figure 3. Test accuracy over the synapses left in the network (log scale, sparser to the right; sparsity as asked "
        "for), after the last epoch (left) and after the epoch best on validation data (right; test data choose nothing). "
        "Colour: connectivity fixed, or rewired in training; line and marker: delays fixed or learned. Lines join means over "
        f"n = {seeds_of(accuracies)} networks (training seeds) per point; bars are the two-sided 95 % interval of that mean "
        "(Student's t over the networks; none for a single one; cut at 0 and 100 %); the dots beside them are the networks. "
        f"Methods are drawn a little apart at each sparsity.{chance}{data}{_too_few(accuracies)}"
    )


def seeds_of(accuracies: xr.Dataset) -> str:
    """How many networks a point has, or the fewest and the most of them."""
    n = np.unique(accuracies.n_seeds.values[accuracies.n_seeds.values > 0])
    return f"{n[0]}" if n.size == 1 else f"{n[0]}–{n[-1]}"


def _too_few(accuracies: xr.Dataset) -> str:
    """Where a projection has too few synapses to give every output neuron one."""
    if "n_output" not in accuracies.attrs:
        return ""
    n_output = accuracies.attrs["n_output"]
    counts = {
        "from the input": accuracies.n_input_synapses,
        "after the first hidden population": accuracies.n_synapses - accuracies.n_input_synapses,
    }
    said = [
        f"{float(n):.3g} synapses {where} at {percent(float(n.sparsity))} %"
        for where, every in counts.items()
        for n in every
        if n < n_output
    ]
    return f" Fewer synapses than the {n_output} output neurons: {', '.join(said)}." if said else ""
