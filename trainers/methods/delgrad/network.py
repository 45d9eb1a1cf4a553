"""The populations and projections of a network that fires once, and its delays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainers.methods.delgrad.config import Bound, Delays


@dataclass(frozen=True)
class Projection:
    """All synapses from one population to the next.

    Attributes
    ----------
    source, target
        Names of the populations.
    n_source, n_target
        Their neurons.
    delays
        What the delays belong to.
    copies
        Synapses of each pair: the rows of weights and delays are those of source 0, then of source 1, and so on.
    """

    source: str
    target: str
    n_source: int
    n_target: int
    delays: Delays
    copies: int = 1

    def array(self, what: str) -> str:
        """Name of an array of this projection."""
        return f"{self.source}__{self.target}_{what}"

    @property
    def shape(self) -> tuple[int, int]:
        """Of its synapses, dims (target, source)."""
        return self.n_target, self.n_source * self.copies

    @property
    def shape_of_delays(self) -> tuple[int, int]:
        """Of what is learned of its delays, which are tiled to those of the synapses."""
        n_target, n_row = self.shape
        return {
            "synaptic": (n_target, n_row),
            "axonal": (1, self.n_source),
            "dendritic": (n_target, 1),
            "none": (0, 0),
        }[self.delays]

    def spread(self, delay: NDArray) -> NDArray:
        """Delays of all synapses from those that are learned."""
        if self.delays == "none":
            return np.zeros(self.shape)
        repeats = [n // m for n, m in zip(self.shape, delay.shape, strict=True)]
        return np.tile(delay, repeats)

    def gathered(self, bar: NDArray) -> NDArray:
        """The gradient by what is learned, from that by the delays of all synapses."""
        if self.delays == "none":
            return np.zeros(self.shape_of_delays)
        rows, columns = self.shape_of_delays
        return bar.reshape(self.shape[0] // rows, rows, self.shape[1] // columns, columns).sum(axis=(0, 2))


@dataclass(frozen=True)
class Bounds:
    """How a delay follows from what is learned of it: within ``shift`` and ``shift`` + ``scale`` units."""

    bound: Bound
    shift: float
    scale: float

    @property
    def longest(self) -> float:
        """The longest delay there can be."""
        return self.shift + self.scale

    def delay(self, raw: NDArray) -> NDArray:
        """Delays in units."""
        return self.shift + (self.scale * _sigmoid(raw) if self.bound == "sigmoid" else raw)

    def slope(self, raw: NDArray) -> NDArray:
        """Their derivative by what is learned."""
        if self.bound == "clip":
            return np.ones_like(raw)
        share = _sigmoid(raw)
        return self.scale * share * (1 - share)

    def keep(self, raw: NDArray) -> None:
        """Bring what is learned back within the bounds, in place."""
        if self.bound == "clip":
            np.clip(raw, 0, self.scale, out=raw)


def _sigmoid(raw: NDArray) -> NDArray:
    return (1 + np.tanh(raw / 2)) / 2  # never overflows


def projections(sizes: tuple[int, ...], delays: Delays, copies: int) -> tuple[Projection, ...]:
    """From the input to the output; only channels of the input have copies."""
    names = ("input", *(f"hidden{k}" for k in range(1, len(sizes) - 1)), "output")
    return tuple(
        Projection(names[k], names[k + 1], sizes[k], sizes[k + 1], delays, copies if k == 0 else 1)
        for k in range(len(sizes) - 1)
    )
