"""What the kernels are given. Times are relative to a sample's first spike, in units of the synaptic time constant."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SLICES = 16  # of a batch, computed independently: sums over them have one order, however many threads there are


class Spikes(NamedTuple):
    """The spikes that set out for a population, sample by sample, in each by time.

    Attributes
    ----------
    begin
        Where each sample begins among the spikes (sample + 1).
    source
        Of every spike, the row of synapses that it takes (spike).
    slot
        Of every spike, its place among those of its population in the sample (spike).
    slow
        ``exp(t / tau_mem)`` of its time t (spike).
    fast
        ``exp(t)``; for equal time constants t; for tau_mem = 2, where it is the square of ``slow``, 0 (spike).
    """

    begin: NDArray[np.int64]
    source: NDArray[np.int64]
    slot: NDArray[np.int64]
    slow: NDArray[np.float64]
    fast: NDArray[np.float64]


class Synapses(NamedTuple):
    """A projection, dims (target, source) but for ``first``.

    Attributes
    ----------
    weight
        As the kernel is to compute with it.
    slow, fast
        As in `Spikes`, of the delay.
    first
        The least ``slow`` of each target (target).
    """

    weight: NDArray[np.float64]
    slow: NDArray[np.float64]
    fast: NDArray[np.float64]
    first: NDArray[np.float64]


class Fired(NamedTuple):
    """What the neurons of a population do, dims (sample, target, spike); infinite where there is no spike.

    Attributes
    ----------
    slow
        ``exp(t / tau_mem)`` of the time t of the spike.
    last
        The same of the last arrival before it.
    """

    slow: NDArray[np.float64]
    last: NDArray[np.float64]


class Owed(NamedTuple):
    """Where the backward pass adds to.

    Attributes
    ----------
    weight, delay
        Gradients by weights and delays (slice, target, source).
    by_spike
        Derivative of the loss by the time of every spike that set out (sample, slot); empty if nobody asks.
    n_cut
        Spikes whose gradient moved no weights, for it was too large (slice).
    """

    weight: NDArray[np.float64]
    delay: NDArray[np.float64]
    by_spike: NDArray[np.float64]
    n_cut: NDArray[np.int64]
