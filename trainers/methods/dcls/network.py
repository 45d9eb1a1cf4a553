"""A feed-forward delay network: hidden populations of normalised LIF neurons, then leaky integrators."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.methods.dcls.readout import cross_entropy, summed_softmax
from trainers.methods.dcls.synapses import Synapses

Parameters = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Network:
    """Sizes and constants of a network; projection l leads from population l to population l + 1.

    Its parameters, as a dictionary: ``weight_l`` and ``delay_l``, one number per row of the projection's synapse table in
    any shape, delays in bins; for hidden populations also ``gain_l`` and ``bias_l``, with the running moments ``mean_l`` and
    ``variance_l``.
    """

    sizes: tuple[int, ...]
    n_bins: int
    beta: float
    latency: int
    readout_latency: int
    reset_erases_input: bool
    surrogate_alpha: float
    growth: int
    dtype: np.dtype

    @property
    def n_projections(self) -> int:
        """Projections, the one to the readout included."""
        return len(self.sizes) - 1


_ALIGNMENT = 64  # bytes: vector units read whole cache lines


@dataclass
class Workspace:
    """Large arrays by name, made once and lent again for every batch, so that no step waits for fresh memory."""

    dtype: np.dtype
    flat: dict[str, NDArray] = field(default_factory=dict)

    def lend(self, name: str, *shape: int) -> NDArray:
        """An uninitialised contiguous array; its content lasts until the name is lent again."""
        size = int(np.prod(shape))
        if name not in self.flat or self.flat[name].size < size:
            memory = np.empty(size * self.dtype.itemsize + _ALIGNMENT, np.uint8)
            start = -memory.ctypes.data % _ALIGNMENT
            self.flat[name] = memory[start : start + size * self.dtype.itemsize].view(self.dtype)
        return self.flat[name][:size].reshape(shape)


@dataclass(frozen=True)
class Candidates:
    """Synapses that do not exist but might: what gradient would their weights have?"""

    synapses: Synapses
    delay: NDArray[np.floating]


@dataclass
class Pass:
    """What one forward pass leaves behind for the adjoint; currents, dropout, moments and spikes by hidden population."""

    readout: NDArray
    keep: list[NDArray]
    currents: list[NDArray] = field(default_factory=list)
    moments: list[tuple[NDArray, NDArray]] = field(default_factory=list)
    n_spikes: list[NDArray] = field(default_factory=list)


def moments_of(network: Network, population: int, running: Parameters | None) -> tuple[NDArray, NDArray]:
    """The running mean and variance of a hidden population, or room for those of the batch."""
    if running is not None:
        return running[f"mean_{population}"], running[f"variance_{population}"]
    n = network.sizes[population + 1]
    return np.empty(n, network.dtype), np.empty(n, network.dtype)


def loss_of(done: Pass, label: NDArray) -> tuple[NDArray, NDArray]:
    """Loss (batch) and summed softmax (output, batch) of a pass, whose readout is turned into the gradient of the mean loss."""
    n_output, _, n_batch = done.readout.shape
    z = np.empty((n_output, n_batch), done.readout.dtype)
    loss = np.empty(n_batch, done.readout.dtype)
    summed_softmax(done.readout, z)
    cross_entropy(z, label, done.readout, loss)
    return loss, z
