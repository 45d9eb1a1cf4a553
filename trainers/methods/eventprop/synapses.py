"""Weights and delays of a projection, arranged for the kernels, and gradients brought back."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainers.methods.eventprop.records import LANES, SLICES, Blocks, Gradients, Grid

Rounding = Literal["none", "half even", "half up"]


def arranged(weight: NDArray, delay: NDArray, grid: Grid, *, rounding: Rounding) -> Blocks:
    """The synapses of a projection, weight and delay in ms with dims (target, source).

    Delays act between the grid points, or are rounded to whole steps.
    """
    steps = delay.astype(np.float64) / grid.dt
    whole = whole_steps(delay, grid.dt, rounding)
    lane = np.tile(np.arange(LANES, dtype=np.uint32), weight.shape[1])
    hop = _by_block(whole.astype(np.uint32)) * np.uint32(LANES) + lane
    weights, longest = _by_block(weight.astype(np.float32)), int(whole.max(initial=0))
    if rounding != "none":
        nothing = np.empty((len(hop), 0), np.float32)
        return Blocks(weights, hop, nothing, nothing, nothing, longest)
    rest = np.minimum(_by_block((steps - whole).astype(np.float32)), np.nextafter(np.float32(1), np.float32(0)))
    later = rest.astype(np.float64) * grid.dt
    rise_mem, rise_syn = (np.exp(later / tau).astype(np.float32) for tau in (grid.tau_mem, grid.tau_syn))
    return Blocks(weights, hop, rest, rise_mem, rise_syn, longest)


def whole_steps(delay: NDArray, dt: float, rounding: Rounding) -> NDArray[np.float64]:
    """The whole steps of delays in ms."""
    steps = delay.astype(np.float64) / dt
    return np.floor(steps) if rounding == "none" else np.rint(steps) if rounding == "half even" else np.floor(steps + 0.5)


def no_synapses() -> Blocks:
    """The recurrent synapses of a population that has none."""
    nothing = np.empty((0, 0), np.float32)
    return Blocks(nothing, nothing.astype(np.uint32), nothing, nothing, nothing, 0)


def no_gradients(blocks: Blocks) -> Gradients:
    """Gradients to add to."""
    shape = (SLICES, *blocks.weight.shape)
    return Gradients(np.zeros(shape, np.float32), np.zeros(shape, np.float32))


def gathered(gradient: NDArray[np.float32], n_target: int) -> NDArray[np.float32]:
    """A gradient with dims (target, source) from that of its slices and blocks."""
    summed = gradient.sum(axis=0, dtype=np.float64)
    blocked = summed.reshape(len(summed), -1, LANES).transpose(0, 2, 1)
    return np.ascontiguousarray(blocked.reshape(-1, blocked.shape[2])[:n_target], np.float32)


def _by_block(matrix: NDArray) -> NDArray:
    """A matrix (target, source) as (block, source x lane), with 0 where the last block has no neuron."""
    n_target, n_source = matrix.shape
    n_block = -(-n_target // LANES)
    padded = np.zeros((n_block * LANES, n_source), matrix.dtype)
    padded[:n_target] = matrix
    return np.ascontiguousarray(padded.reshape(n_block, LANES, n_source).transpose(0, 2, 1)).reshape(n_block, -1)
