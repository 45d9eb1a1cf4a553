"""Panels of receptive fields and synapses: each draws one Axes from one Dataset and computes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator

from reports.style import CHANGED, NULL, NULL_BAND, OBSERVED, PALE, weight_colours

N_FREQUENCIES = 5  # labelled on a frequency axis
_ENDS = ("source", "target")
_BEND = 0.12  # of a further synapse of one pair, as a share of the panel's height


def draw_field(ax: Axes, field: xr.Dataset, limit: float) -> AxesImage:
    """Heat map of one receptive field, delays across, sources upwards; cells without a synapse are white.

    Parameters
    ----------
    field
        ``receptive_field`` and ``present``, dims (source, delay); delays in ms.
    limit
        Weight of the lightest orange; its negative is the darkest blue.
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


def outline_cells(ax: Axes, cells: xr.DataArray, width: float) -> None:
    """Outline cells of a drawn field, ``width`` ms wide: those of ``cells`` (source, delay) that are true."""
    cells = cells.transpose("source", "delay")
    for source, delay in np.argwhere(cells.values):
        corner = (float(cells.delay[delay]) - width / 2, source - 0.5)
        ax.add_patch(Rectangle(corner, width, 1, fill=False, edgecolor="black", linewidth=0.6))


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
        From `stanalysis.stats.morans_i_distribution`, dims (bin). Without a counted neuron the panel says so.
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
        ax.add_patch(Rectangle((delay - 0.5, source - 0.5), 1, 1, facecolor="white", edgecolor=PALE))
    for source, delay in cells:
        ax.add_patch(Rectangle((delay - 0.5, source - 0.5), 1, 1, color="black"))
        given = Fraction(float(share[source, delay])).limit_denominator(4)
        for row, column in ((source - 1, delay), (source + 1, delay), (source, delay - 1), (source, delay + 1)):
            if 0 <= row < n_source and 0 <= column < n_delay:
                ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=PALE, edgecolor="white"))
                ax.text(column, row, str(given), ha="center", va="center")


def draw_synapses(ax: Axes, synapses: xr.Dataset) -> None:
    """Two columns of neurons, joined by lines whose width grows with the delay; red where training changed something.

    Parameters
    ----------
    synapses
        One moment of `stanalysis.stats.lives.changes.changes`, delays in ms. One that dies later is dashed; synapses that
        share a pair bend apart.
    """
    height = {end: 1 - (np.arange(int(synapses.attrs[f"n_{end}"])) + 0.5) / int(synapses.attrs[f"n_{end}"]) for end in _ENDS}
    for i in np.flatnonzero(synapses.delay.notnull()):
        synapse = synapses.isel(synapse=i)
        left, right = (height[end][int(synapse[end])] for end in _ENDS)
        contact = int(synapse.contact) if synapse.shared else 0
        bend = (contact + 1) // 2 * (1 if contact % 2 else -1) * _BEND
        changed = bool(synapse.born | synapse.died | synapse.delay_changed)
        line = PathPatch(
            Path([(0, left), (0.5, (left + right) / 2 + bend), (1, right)], [Path.MOVETO, Path.CURVE3, Path.CURVE3]),
            fill=False,
            edgecolor=CHANGED if changed else "black",
            linewidth=delay_width(float(synapse.delay), float(synapses.attrs["delay_max"])),
            linestyle="--" if synapse.died else "-",
            zorder=2 if changed else 1,
        )
        ax.add_patch(line)
    for x, end, side in zip((0, 1), _ENDS, ("right", "left"), strict=True):
        ax.plot(np.full(height[end].size, x), height[end], "o", color="black", zorder=3, clip_on=False)
        for neuron, y in enumerate(height[end]):
            ax.annotate(str(neuron), (x, y), (9 * x - 4.5, 0), textcoords="offset points", ha=side, va="center")
    ax.set(xlim=(-0.15, 1.15), ylim=(0, 1), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def delay_width(delay: float, longest: float) -> float:
    """Width of a synapse's line in points."""
    return 0.3 + 1.9 * delay / longest if longest > 0 else 1.0


def _whole_numbers() -> MaxNLocator:
    return MaxNLocator(5, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
