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
_WORDS = {"none": "no delays", "fixed": "fixed delays", "learned": "learned delays"}


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


def draw_accuracies_by_size(ax: Axes, accuracies: xr.Dataset) -> None:
    """Accuracy over hidden neurons, with and without delays: means with intervals, and every network.

    Parameters
    ----------
    accuracies
        One selection and one connectivity of `stanalysis.findings.sweeps.accuracy_by_size`. Lines stand a little apart.
    """
    ax.set_xscale("log", base=2)
    for shift, delays in zip(np.linspace(-_APART / 2, _APART / 2, len(DELAYS)), DELAYS, strict=True):
        if delays not in accuracies.delays.values:
            continue
        means = accuracies.sel(delays=delays)
        if means["mean"].isnull().all():
            continue
        at, seeds = means.n_hidden.values * 2**shift, means.accuracy.transpose("n_hidden", "seed")
        _draw_means(ax, at, at * 2 ** (_BESIDE / 2), means, seeds, DELAY_COLOURS[delays], delays, _WORDS[delays])
    _draw_chance(ax, accuracies)
    ax.set_xticks(accuracies.n_hidden.values, [f"{n:.0f}" for n in accuracies.n_hidden.values])
    ax.xaxis.set_minor_locator(NullLocator())
    _in_percent(ax)
    ax.set(xlabel="hidden neurons")
    ax.spines[["top", "right"]].set_visible(False)


def _draw_means(
    ax: Axes, at: NDArray, beside: NDArray, means: xr.Dataset, seeds: xr.DataArray, colour: str, delays: str, label: str
) -> None:
    """A line of means with their intervals, and the networks beside them; line and marker say the delays."""
    line, marker, face = DELAYS[delays]
    ax.plot(beside, seeds, ".", color=colour, alpha=0.6, markersize=3, markeredgewidth=0)
    ax.vlines(at, means.lower, means.upper, color=colour, linewidth=1)
    ax.plot(
        at, means["mean"], line, marker=marker, color=colour, markerfacecolor=face or colour, markersize=3, label=label
    )  # fmt: skip


def _draw_chance(ax: Axes, accuracies: xr.Dataset) -> None:
    if accuracies.chance.notnull():
        ax.axhline(float(accuracies.chance), color=NULL, linestyle=":", label="chance")


def _in_percent(ax: Axes) -> None:
    ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    ax.set(ylabel="test accuracy [%]", ylim=(0, 1))
