"""Panels: each draws one Axes from one Dataset and computes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from reports.style import ABSENT, NULL, NULL_BAND, OBSERVED, weight_colours

N_FREQUENCIES = 5  # labelled on a frequency axis


def draw_field(ax: Axes, field: xr.Dataset, limit: float) -> AxesImage:
    """Heat map of one receptive field, delays across, sources upwards; cells without a synapse are grey.

    Parameters
    ----------
    field
        ``receptive_field`` and ``present``, dims (source, delay); delays in ms.
    limit
        Weight of the darkest red; its negative is the darkest blue.
    """
    field = field.transpose("source", "delay")
    delay = field.delay.values
    half = (delay[1] - delay[0]) / 2 if delay.size > 1 else 0.5
    image = ax.imshow(
        np.ma.masked_array(field.receptive_field.values, ~field.present.values),
        extent=(delay[0] - half, delay[-1] + half, -0.5, field.sizes["source"] - 0.5),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap=weight_colours(),
        vmin=-limit,
        vmax=limit,
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(_whole_numbers())
    ax.set(xlabel="delay [ms]", ylabel="channel" if "frequency" in field.coords else "presynaptic neuron")
    return image


def draw_frequencies(ax: Axes, field: xr.Dataset) -> None:
    """Label the right side of a field with the frequencies of its channels, coordinate ``frequency`` (source) in Hz."""
    labelled = np.linspace(0, field.sizes["source"] - 1, min(N_FREQUENCIES, field.sizes["source"])).round().astype(int)
    right = ax.secondary_yaxis("right")
    right.set_yticks(labelled, [f"{hertz:.0f}" for hertz in field.frequency.values[labelled]])
    right.set_ylabel("centre frequency [Hz]", labelpad=4)


def draw_distribution(ax: Axes, distribution: xr.Dataset) -> None:
    """Histogram of Moran's I over neurons, with the mean and the 95 % band of the null.

    Parameters
    ----------
    distribution
        From `stanalysis.morans_i_distribution`, dims (bin). Without a counted neuron the panel says so.
    """
    ax.set(xlabel="Moran's $I$", ylabel="neurons")
    if not distribution["count"].any():
        draw_no_answer(ax)
        return
    edges = np.append(distribution.bin_lower.values, distribution.bin_upper.values[-1])
    ax.stairs(
        distribution.null_upper.values,
        edges,
        baseline=distribution.null_lower.values,
        fill=True,
        color=NULL_BAND,
        alpha=0.4,
        linewidth=0,
        label="null, 95 % band",
    )
    ax.stairs(
        distribution["count"].values,
        edges,
        fill=True,
        facecolor=(OBSERVED, 0.3),
        edgecolor=OBSERVED,
        linewidth=1.2,
        label="observed",
    )
    ax.stairs(distribution.null_mean.values, edges, color=NULL, label="null, mean")
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(_whole_numbers())
    ax.spines[["top", "right"]].set_visible(False)


def mark_neuron(ax: Axes, answer: xr.Dataset, marker: str) -> None:
    """Point at the ``morans_i`` of one neuron from the upper edge of a distribution; without an answer do nothing."""
    if answer.morans_i.notnull():
        ax.plot(float(answer.morans_i), 0.94, marker, color="black", transform=ax.get_xaxis_transform(), clip_on=False)


def draw_no_answer(ax: Axes) -> None:
    """Say on an empty panel that no neuron has an answer."""
    ax.set(xticks=[], yticks=[])
    ax.text(0.5, 0.5, "no answer", transform=ax.transAxes, ha="center", va="center", color=NULL)


def draw_neighbours(ax: Axes, share: xr.DataArray, cells: Iterable[tuple[int, int]]) -> None:
    """Sketch of the rook neighbours of a few cells, each with the weight that its cell gives it.

    Parameters
    ----------
    share
        Weight of each cell's neighbours, dims (source, delay).
    cells
        The cells (source, delay) to show, black.
    """
    n_source, n_delay = share.sizes["source"], share.sizes["delay"]
    ax.set(xlim=(-0.5, n_delay - 0.5), ylim=(-0.5, n_source - 0.5), xticks=[], yticks=[], aspect="equal")
    ax.set(xlabel="delay", ylabel="channel")
    for source, delay in np.ndindex(n_source, n_delay):
        ax.add_patch(Rectangle((delay - 0.5, source - 0.5), 1, 1, facecolor="white", edgecolor=ABSENT))
    for source, delay in cells:
        ax.add_patch(Rectangle((delay - 0.5, source - 0.5), 1, 1, color="black"))
        given = Fraction(float(share[source, delay])).limit_denominator(4)
        for row, column in ((source - 1, delay), (source + 1, delay), (source, delay - 1), (source, delay + 1)):
            if 0 <= row < n_source and 0 <= column < n_delay:
                ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=ABSENT, edgecolor="white"))
                ax.text(column, row, str(given), ha="center", va="center")


def _whole_numbers() -> MaxNLocator:
    return MaxNLocator(5, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
