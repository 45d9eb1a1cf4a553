"""A feed-forward delay network: hidden populations of normalised LIF neurons, then leaky integrators."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.methods.dcls.readout import cross_entropy, summed_softmax
from trainers.methods.dcls.synapses import SynapseRows

Parameters = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class DelayLayer:
    """One projection and the population that it leads to; the projections of a network are numbered from the input.

    Its arrays: ``weight`` and ``delay``, one number per row of the projection's synapse table in any shape, delays in bins; of
    a ``hidden`` population also ``gain`` and ``bias``, with the running moments ``mean`` and ``variance``.
    """

    index: int
    source: str
    target: str
    n_source: int
    n_target: int
    hidden: bool

    def array(self, what: str) -> str:
        """The name of one of its arrays in the parameters of a network, and in checkpoints."""
        return f"{what}_{self.index}"


@dataclass(frozen=True)
class DelayNetwork:
    """Sizes and constants of a network; its parameters are a dictionary of the arrays of its layers."""

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
    def populations(self) -> tuple[str, ...]:
        """Names of the populations, from the input to the output."""
        return ("input", *(f"hidden{i + 1}" for i in range(len(self.sizes) - 2)), "output")

    @property
    def layers(self) -> tuple[DelayLayer, ...]:
        """The projections, from the input to the readout."""
        ends = zip(pairwise(self.populations), pairwise(self.sizes), strict=True)
        return tuple(DelayLayer(k, *names, *sizes, names[1] != "output") for k, (names, sizes) in enumerate(ends))


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

    synapses: SynapseRows
    delay: NDArray[np.floating]


@dataclass
class Pass:
    """What one forward pass leaves behind for the adjoint; currents, dropout, moments and spikes by hidden population."""

    readout: NDArray
    keep: list[NDArray]
    currents: list[NDArray] = field(default_factory=list)
    moments: list[tuple[NDArray, NDArray]] = field(default_factory=list)
    n_spikes: list[NDArray] = field(default_factory=list)


def normalisation(network: DelayNetwork, layer: DelayLayer, running: Parameters | None) -> tuple[NDArray, NDArray]:
    """The running mean and variance of a hidden population, or room for those of the batch."""
    if running is not None:
        return running[layer.array("mean")], running[layer.array("variance")]
    return np.empty(layer.n_target, network.dtype), np.empty(layer.n_target, network.dtype)


def cross_entropies(done: Pass, label: NDArray) -> tuple[NDArray, NDArray]:
    """Loss (batch) and summed softmax (output, batch) of a pass, whose readout is turned into the gradient of the mean loss."""
    n_output, _, n_batch = done.readout.shape
    z = np.empty((n_output, n_batch), done.readout.dtype)
    loss = np.empty(n_batch, done.readout.dtype)
    summed_softmax(done.readout, z)
    cross_entropy(z, label, done.readout, loss)
    return loss, z
