"""Permutations by address: the same (stream, draw) gives the same permutation, whoever asks and in whatever order.

The generator is SplitMix64 (Steele, Lea & Flood 2014, https://doi.org/10.1145/2714064.2660195): a counter and a mixer.
"""

from __future__ import annotations

import numpy as np

from stanalysis.kernels.inner import inner

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_27, _30, _31, _32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)


def mixed(x: np.ndarray) -> np.ndarray:
    """Scramble the bits of uint64s (a bijection that keeps 0); plain, for numpy arrays."""
    x = (x ^ (x >> _30)) * _FIRST
    x = (x ^ (x >> _27)) * _SECOND
    return x ^ (x >> _31)


mix = inner(mixed)


@inner
def address(stream, index):
    """State of the generator for draw ``index`` (a uint64) of ``stream``."""
    return mix(mix(stream) + index)


@inner
def pick(state, picks):
    """Fill ``picks`` with what a shuffle exchanges each place with: a place up to it."""
    n = np.uint64(picks.size)
    for i in range(picks.size):  # a loop of its own, in which no number waits for another
        # 32 random bits times i + 1, shifted: an integer in 0..i, uneven by less than (i + 1) / 2**32
        picks[i] = ((mix(state + GOLDEN * (n - np.uint64(i))) >> _32) * np.uint64(i + 1)) >> _32


@inner
def shuffle(state, order, picks):
    """Fill ``order`` with the permutation that belongs to ``state`` (Fisher-Yates); ``picks`` is room of the same size."""
    pick(state, picks)
    for i in range(order.size):
        order[i] = i
    for i in range(order.size - 1, 0, -1):
        j = picks[i]
        kept = order[i]
        order[i] = order[j]
        order[j] = kept


@inner
def deal(state, items, left, picks, out, block, lane):
    """Write ``items`` into ``out[block, :, lane]`` in the order of the permutation that belongs to ``state``; ``left`` and
    ``picks`` are room for as many.
    """
    pick(state, picks)
    for i in range(items.size):
        left[i] = items[i]
    for i in range(items.size - 1, -1, -1):
        j = picks[i]
        out[block, i, lane] = left[j]
        left[j] = left[i]
