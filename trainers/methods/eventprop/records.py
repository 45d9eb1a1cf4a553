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
