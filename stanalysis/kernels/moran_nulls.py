"""Moran's I of many fields at once, observed and under each null: what lies between the labels and the loops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stanalysis.kernels.lanes import N_LANES
from stanalysis.kernels.moran import (
    centre,
    mean_of_permuted_delays,
    neighbour_sums,
    pack,
    sums_of_permuted_delays,
    sums_of_shuffled_cells,
)


class Plane(NamedTuple):
    """A lattice in numbers, scaled such that the neighbour sum of a centred field over its sum of squares is I."""

    share: np.ndarray  # (source, delay): weight a cell gives to each neighbour
    pairs: np.ndarray  # (2, source, delay): pair weights that meet in a cell, along the delay and across sources
    queen: bool

    def totals(self) -> np.ndarray:
        """Sums of the pair weights, along and across; together the number of cells."""
        return self.pairs.sum(axis=(1, 2)) / 2


class Draws(NamedTuple):
    """What a null says of some fields."""

    values: np.ndarray  # (field, draw)
    expected: np.ndarray  # (field, 2), along and across
    resolution: np.ndarray | float  # differences this small are rounding


def scaled_plane(share: np.ndarray, pairs: np.ndarray, queen: bool) -> Plane:
    """The plane of a lattice with these weights."""
    scale = share.size / (pairs.sum() / 2)
    return Plane(share * scale, pairs * scale, queen)


def rescaled(weight: np.ndarray) -> np.ndarray:
    """Float64 fields (field, ...) times a power of two (exact), so that no square over- or underflows."""
    weight = np.ascontiguousarray(weight, np.float64)  # one layout: sums must not depend on that of the input
    flat = weight.reshape(weight.shape[0], -1)
    exponent = np.frexp(np.maximum(flat.max(axis=1), -flat.min(axis=1)))[1]
    return np.ldexp(flat, -exponent[:, None]).reshape(weight.shape)


def centred(weight: np.ndarray) -> np.ndarray:
    """Fields less their mean, with sum of squares one."""
    z = np.empty_like(weight)
    centre(weight, z)
    return z


def observed(z: np.ndarray, plane: Plane) -> np.ndarray:
    """Moran's I of each centred field, shape (field, 2): along and across."""
    parts = np.empty((z.shape[0], 2))
    neighbour_sums(z, plane.share, plane.queen, parts)
    return parts


def shuffled_cells(z: np.ndarray, plane: Plane, n_draw: int, shared: np.uint64, scramble: np.ndarray) -> Draws:
    """All cells of centred fields shuffled: one permutation per draw of stream ``shared`` after one per field."""
    n_field, n_cell = z.shape[0], plane.share.size
    n_block = -(-n_field // N_LANES)
    table = _aligned_zeros((n_block, n_cell + 1, N_LANES))
    pack(z.reshape(n_field, n_cell), scramble, table)
    n_delay = plane.share.shape[1]
    share = plane.share[:, n_delay // 2].astype(np.float32)
    excess = plane.share[:, 0].astype(np.float32) - share
    values = np.empty((n_draw, n_block, N_LANES), np.float32)
    sums_of_shuffled_cells(table, share, excess, n_delay, plane.queen, shared, values)
    return Draws(
        values=values.reshape(n_draw, n_block * N_LANES)[:, :n_field].T,
        expected=np.tile(-plane.totals() / (n_cell * (n_cell - 1)), (n_field, 1)),
        # Each of n additions rounds a partial sum below 1 (squares sum to 1) by at most eps / 2, as good as randomly;
        # the weights are rounded too. That stays within a few sqrt(n) eps. A draw varies by about 1 / sqrt(n), so that
        # two draws which are no tie come this close with a chance of only about 4 n eps.
        resolution=float(4 * np.sqrt(n_cell) * np.finfo(np.float32).eps),
    )


def permuted_delays(weight: np.ndarray, present: np.ndarray, plane: Plane, n_draw: int, streams: np.ndarray) -> Draws:
    """Delays permuted among the synapses (field, contact, source, delay) of each field, by permutations of its own stream."""
    n_field, _, n_source, n_delay = weight.shape
    field, _, source, delay = np.nonzero(present)
    width = n_delay + 2
    parts = np.empty((n_field, n_draw, 2))
    sums_of_permuted_delays(
        np.searchsorted(field, np.arange(n_field + 1)),
        (source + 1) * width + 1,
        delay,
        weight[present],
        np.pad(plane.share, 1).reshape(-1),
        np.pad(plane.pairs, ((0, 0), (1, 1), (1, 1))).reshape(2, -1),
        plane.totals(),
        n_source * n_delay,
        width,
        plane.queen,
        streams,
        parts,
    )
    one_each = (present.sum(axis=(1, 3)) <= 1).all(axis=1)
    exact = np.empty((one_each.sum(), 2))
    total = weight.sum(axis=1)
    filled = present[one_each].any(axis=1)
    mean_of_permuted_delays(total[one_each], filled, plane.share, plane.pairs, plane.totals(), plane.queen, exact)
    several = parts[~one_each]
    expected = np.empty((n_field, 2))
    expected[one_each] = exact
    with np.errstate(invalid="ignore"):  # no draw: 0 / 0
        expected[~one_each] = np.nansum(several, axis=1) / np.count_nonzero(~np.isnan(several), axis=1)
    # The weights are not centred: rounding grows by the squares over the centred squares.
    squares = np.square(weight).sum(axis=(1, 2, 3))
    scatter = np.square(total - total.mean(axis=(1, 2), keepdims=True)).sum(axis=(1, 2))
    resolution = 8 * np.sqrt(n_source * n_delay) * np.finfo(np.float64).eps * squares / scatter
    return Draws(parts.sum(axis=2), expected, resolution)


def _aligned_zeros(shape: tuple[int, ...]) -> np.ndarray:
    """Float32 zeros whose rows of 16 each fill a cache line."""
    size = int(np.prod(shape))
    raw = np.zeros(size + 16, np.float32)
    first = (-raw.ctypes.data % 64) // 4
    return raw[first : first + size].reshape(shape)
