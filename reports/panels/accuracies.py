"""Panels of the accuracy of trained networks: each draws one Axes from one Dataset and computes nothing."""

from __future__ import annotations

from itertools import product

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator, PercentFormatter
from numpy.typing import NDArray

from reports.captions import percent
from reports.style import CONNECTIVITY, DELAY_COLOURS, DELAYS, NULL

_APART, _BESIDE = 0.24, 0.08  # lines at one place from their middle, networks from their mean; in octaves
_WORDS = {
    "none": "no delays",
    "fixed": "fixed delays",
    "learned": "learned delays",
    "axonal": "axonal delays",
    "dendritic": "dendritic delays",
    "synaptic": "synaptic delays",
}
_AXES = {"n_hidden": "hidden neurons", "n_parameters": "learned weights and delays"}


def draw_accuracies(ax: Axes, accuracies: xr.Dataset) -> None:
    """Accuracy over the synapses left, sparser to the right: means per method with intervals, and every network.

    Parameters
    ----------
    accuracies
        One selection of `stanalysis.findings.sweeps.accuracy_by_sparsity`. Methods stand a little apart.
    """
    ax.set_xscale("log", base=2)
    methods = list(product(CONNECTIVITY, ("fixed", "learned")))
    for shift, (connectivity, delays) in zip(np.linspace(_APART, -_APART, len(methods)), methods, strict=True):
        if not {connectivity} <= set(accuracies.connectivity.values) or not {delays} <= set(accuracies.delays.values):
            continue
        means = accuracies.sel(connectivity=connectivity, delays=delays)
        if means["mean"].isnull().all():  # the sweep lacks this method
            continue
        at, seeds = means.n_synapses.values * 2**shift, means.accuracy.transpose("sparsity", "seed")
        label = f"{connectivity} connectivity, {delays} delays"
        _draw_means(ax, at, at * 2**-_BESIDE, means, seeds, CONNECTIVITY[connectivity], delays, label)
    _draw_chance(ax, accuracies)
    ax.set_xticks(
        accuracies.n_synapses.values,
        [f"{percent(s)}\n{n:.0f}" for s, n in zip(accuracies.sparsity.values, accuracies.n_synapses.values, strict=True)],
    )
    above = ax.secondary_xaxis("top")
    above.set_xticks(accuracies.n_synapses.values, [f"{n:.0f}" if n >= 10 else f"{n:.2g}" for n in accuracies.in_degree.values])
    above.set_xlabel("input synapses per hidden neuron", labelpad=4)
    for axis in (ax.xaxis, above.xaxis):
        axis.set_minor_locator(NullLocator())
    _in_percent(ax)
    ax.set(xlabel="sparsity [%]\nsynapses left")
    ax.invert_xaxis()
    ax.spines["right"].set_visible(False)


def draw_accuracies_by_size(ax: Axes, accuracies: xr.Dataset, over: str = "n_hidden", *, lowest: float = 0.0) -> None:
    """Accuracy over hidden neurons or parameters, with and without delays: means with intervals, every network.

    Parameters
    ----------
    accuracies
        One selection and one connectivity of `stanalysis.findings.sweeps.accuracy_by_size`; where it has ``published``
        accuracies (delays, n_hidden) they are crosses. Lines over hidden neurons stand a little apart.
    over
        "n_hidden" or "n_parameters".
    lowest
        Where the axis begins.
    """
    ax.set_xscale("log", base=2)
    there = [kind for kind in DELAYS if kind in accuracies.delays.values]
    for shift, delays in zip(np.linspace(-_APART / 2, _APART / 2, len(there)), there, strict=True):
        means = accuracies.sel(delays=delays)
        if means["mean"].isnull().all():
            continue
        at = means[over].values * (2**shift if over == "n_hidden" else 1.0)
        seeds, colour = means.accuracy.transpose("n_hidden", "seed"), DELAY_COLOURS[delays]
        _draw_means(ax, at, at * 2 ** (_BESIDE / 2), means, seeds, colour, delays, _WORDS[delays])
        if "published" in means:
            ax.plot(at, means.published, "x", color=colour, markersize=5)
    if not accuracies.chance < lowest:
        _draw_chance(ax, accuracies)
    if over == "n_hidden":
        ax.set_xticks(accuracies.n_hidden.values, [f"{n:.0f}" for n in accuracies.n_hidden.values])
    else:
        ax.xaxis.set_major_formatter("{x:.0f}")
    ax.xaxis.set_minor_locator(NullLocator())
    _in_percent(ax)
    ax.set(xlabel=_AXES[over], ylim=(lowest, 1))
    ax.spines[["top", "right"]].set_visible(False)


def _draw_means(
    ax: Axes, at: NDArray, beside: NDArray, means: xr.Dataset, seeds: xr.DataArray, colour: str, delays: str, label: str
) -> None:
    """A line of means with their intervals, and the networks beside them; line and marker say the delays."""
    line, marker, face = DELAYS[delays]
    inside = face or colour
    ax.plot(beside, seeds, ".", color=colour, alpha=0.6, markersize=3, markeredgewidth=0)
    ax.vlines(at, means.lower, means.upper, color=colour, linewidth=1)
    ax.plot(
        at, means["mean"], linestyle=line, marker=marker, color=colour, markerfacecolor=inside, markersize=3, label=label
    )  # fmt: skip


def _draw_chance(ax: Axes, accuracies: xr.Dataset) -> None:
    if accuracies.chance.notnull():
        ax.axhline(float(accuracies.chance), color=NULL, linestyle=":", label="chance")


def _in_percent(ax: Axes) -> None:
    ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    ax.set(ylabel="test accuracy [%]", ylim=(0, 1))
