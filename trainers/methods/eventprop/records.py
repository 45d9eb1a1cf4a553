"""What the kernels are given: the time grid, spikes of a batch, synapses arranged in blocks of neurons. Arrays only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LANES = 16  # neurons side by side: a vector of the machine; a block is so many neurons of a population
SLICES = 16  # parts of a batch, each summed by itself in a fixed order: no number depends on the threads


class Grid(NamedTuple):
    r"""The time grid and the dynamics of a neuron on it, in ms: :math:`\tau_m \dot V = -V + I`, :math:`\tau_s \dot I = -I`.

    ``keep_mem`` and ``keep_syn`` are what is left of V and I after a step, ``drive`` what an I adds to V in a step, and
    ``ratio`` is :math:`\tau_s / (\tau_m - \tau_s)`.
    """

    n_steps: int
    dt: float
    tau_mem: float
    tau_syn: float
    keep_mem: float
    keep_syn: float
    drive: float
    ratio: float


def grid(n_steps: int, dt: float, tau_mem: float, tau_syn: float) -> Grid:
    """The grid of ``n_steps`` steps; the time constants must differ."""
    keep_mem, keep_syn = float(np.exp(-dt / tau_mem)), float(np.exp(-dt / tau_syn))
    ratio = tau_syn / (tau_mem - tau_syn)
    return Grid(n_steps, dt, tau_mem, tau_syn, keep_mem, keep_syn, ratio * (keep_mem - keep_syn), ratio)


class Spikes(NamedTuple):
    """The spikes of a population in a batch: of each sample by neuron, of each neuron by time.

    Attributes
    ----------
    begin
        Where the spikes of each neuron begin, dims (sample, neuron + 1).
    step
        The time step in which it falls, dims (sample, spike).
    fraction
        Of that step that has passed, from 0 to 1, dims (sample, spike).
    slope
        I - 1 at the spike, which is the slope of V in units of tau_m, dims (sample, spike); empty for an input.
    """

    begin: NDArray[np.uint32]
    step: NDArray[np.uint32]
    fraction: NDArray[np.float32]
    slope: NDArray[np.float32]


class Blocks(NamedTuple):
    """The synapses of a projection, dims (block, source x lane).

    Attributes
    ----------
    weight
        Their weights, 0 where the block has more lanes than neurons.
    hop
        Whole steps of the delay times `LANES`, plus the lane: from the flat place of a spike to that of its arrival.
    rest
        What the delay has beyond whole steps, in steps from 0 to below 1; empty where all arrive on the grid.
    rise_mem, rise_syn
        exp(rest dt / tau) of membrane and synapse; empty where all arrive on the grid.
    longest
        Whole steps of the longest delay.
    """

    weight: NDArray[np.float32]
    hop: NDArray[np.uint32]
    rest: NDArray[np.float32]
    rise_mem: NDArray[np.float32]
    rise_syn: NDArray[np.float32]
    longest: int


class Afferents(NamedTuple):
    """What a population hears from another.

    Attributes
    ----------
    spikes
        Of the other population.
    blocks
        The synapses from there.
    between
        Whether the spikes arrive between the grid points; else all have fraction 0, and delays no rest.
    """

    spikes: Spikes
    blocks: Blocks
    between: bool


class Gradients(NamedTuple):
    """Gradients of the synapses of a projection, by slice of the batch, dims (slice, block, source x lane)."""

    weight: NDArray[np.float32]
    delay: NDArray[np.float32]


class Owed(NamedTuple):
    """What a backward pass adds to.

    Attributes
    ----------
    feed, within
        Gradients of the synapses from another population, and of those within.
    drive
        What the spikes of the other population owe to the population, as `Fired.drive`; dims (sample, 0) if nobody asks.
    """

    feed: Gradients
    within: Gradients
    drive: NDArray[np.float32]


class Fired(NamedTuple):
    """A population on the way back.

    Attributes
    ----------
    spikes
        Its spikes.
    drive
        What each of them owes to what comes after it: the derivative of the loss by its time, and the sums of
        w (lambda_V - lambda_I) of the populations that it drives, dims (sample, spike). Used up.
    pull
        Subtracted from lambda_V at every spike, dims (neuron): a regulariser.
    """

    spikes: Spikes
    drive: NDArray[np.float32]
    pull: NDArray[np.float32]


class Guards(NamedTuple):
    r"""What keeps gradients finite.

    Attributes
    ----------
    least_slope
        The jump at a spike is 1 / (I - 1) at most of this I - 1.
    most
        :math:`\lambda_V` after a jump is cut at this size.
    n_capped, n_cut
        Added to: how often that happened, dims (slice).
    """

    least_slope: float
    most: float
    n_capped: NDArray[np.int64]
    n_cut: NDArray[np.int64]
