r"""Exact means over all arrangements of a null, for statistics that are sums over neighbouring cells.

Such a statistic needs of the null only :math:`E[a_p b_q]` for adjacent cells p, q and :math:`E[a_p]`, with a and b the
weights, their signs, or those of one sign; and a sum of squares that no arrangement changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from stanalysis.stats.engine.nulls import Arrangement
from stanalysis.stats.engine.prepared import AnyFields

# neighbours: one bin later, the next source, and with queen contiguity the next source one bin later or earlier
SHIFTS: Final = ((0, 1), (1, 0), (1, 1), (1, -1))

# sums over cells of weights times E[a_p b_q], for cells p with a neighbour q at a shift, and times E[a_p], each (field,)
PairSum = Callable[[np.ndarray, np.ndarray, tuple[int, int], np.ndarray], np.ndarray]
CellSum = Callable[[np.ndarray, np.ndarray], np.ndarray]


def shifted(shift: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices (source, delay) of the cells that have a neighbour at ``shift``, and of those neighbours."""
    rows, bins = shift
    first = slice(None, -1) if rows else slice(None), {0: slice(None), 1: slice(None, -1), -1: slice(1, None)}[bins]
    second = slice(1, None) if rows else slice(None), {0: slice(None), 1: slice(1, None), -1: slice(None, -1)}[bins]
    return first, second


def moments(arrangement: Arrangement, present: np.ndarray) -> tuple[PairSum, CellSum]:
    """Functions of planes (field, source, delay), and of a weight for each cell, (source, delay) or that for each field.

    ``present`` (field, source, delay) is where synapses are. They are right for fields `has_moments` names.
    """
    if arrangement == "sources":
        return _moments_of_sources(present.shape[1])
    if arrangement in ("delays", "rows"):
        return _moments_of_delays(present, redrawn=arrangement == "rows")
    return _moments_of_values(np.ones((1, *present.shape[1:])) if arrangement == "cells" else present.astype(float))


def _moments_of_values(where: np.ndarray) -> tuple[PairSum, CellSum]:
    """Any two of the cells ``where`` hold any ordered pair of values equally often."""
    n = where.sum(axis=(1, 2))

    def pair(a: np.ndarray, b: np.ndarray, shift: tuple[int, int], weight: np.ndarray) -> np.ndarray:
        p, q = shifted(shift)
        different = a.sum(axis=(1, 2)) * b.sum(axis=(1, 2)) - np.einsum("frc,frc->f", a, b)
        result: np.ndarray = (weight * where[:, *p] * where[:, *q]).sum(axis=(1, 2)) * different / np.maximum(n * (n - 1), 1)
        return result

    return pair, lambda a, weight: (weight * where).sum(axis=(1, 2)) * a.sum(axis=(1, 2)) / n


def _moments_of_sources(n_source: int) -> tuple[PairSum, CellSum]:
    """Any two places among the sources hold any ordered pair of sources equally often."""

    def pair(a: np.ndarray, b: np.ndarray, shift: tuple[int, int], weight: np.ndarray) -> np.ndarray:
        p, q = shifted(shift)
        of_a, of_b = a[:, :, p[1]], b[:, :, q[1]]
        same = np.einsum("frc,frc->fc", of_a, of_b)
        if shift[0] == 0:
            return _along_delays(same, weight) / n_source
        different = of_a.sum(axis=1) * of_b.sum(axis=1) - same
        return _along_delays(different, weight) / (n_source * (n_source - 1))

    return pair, lambda a, weight: _along_delays(a.sum(axis=1), weight) / n_source


def _moments_of_delays(present: np.ndarray, *, redrawn: bool) -> tuple[PairSum, CellSum]:
    """Any two synapses, of one source each, have any ordered pair of the delays equally often; drawn without replacement,
    or ``redrawn`` from all bins.
    """
    n_field, _, n_delay = present.shape
    slots = np.ones((n_field, n_delay)) if redrawn else present.sum(axis=1).astype(float)
    n = slots.sum(axis=1)

    def pair(a: np.ndarray, b: np.ndarray, shift: tuple[int, int], weight: np.ndarray) -> np.ndarray:
        p, q = shifted(shift)
        if shift[0] == 0:  # nothing beside the one synapse
            return np.zeros(n_field)
        both, n_both = slots[:, p[1]] * slots[:, q[1]], n**2
        if not redrawn:
            both, n_both = both - slots[:, p[1]] * (shift[1] == 0), n * (n - 1)
        of_a, of_b = a.sum(axis=2), b.sum(axis=2)
        result: np.ndarray = _over_cells(of_a[:, p[0]] * of_b[:, q[0]], weight, both) / np.maximum(n_both, 1)
        return result

    return pair, lambda a, weight: _over_cells(a.sum(axis=2), weight, slots) / n


# not matrix products: these would sum a field in another order in other company
def _along_delays(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Sums (field,) of values (field, delay) times a weight (source, delay)."""
    result: np.ndarray = np.einsum("fc,c->f", values, weight.sum(axis=0))
    return result


def _over_cells(of_source: np.ndarray, weight: np.ndarray, of_delay: np.ndarray) -> np.ndarray:
    """Sums (field,) over cells of what their source has (field, source), a weight, and what their delay has (field, delay)."""
    result: np.ndarray = np.einsum("fc,fc->f", np.einsum("fr,rc->fc", of_source, weight), of_delay)
    return result


def has_moments(arrangement: Arrangement, fields: AnyFields) -> np.ndarray:
    """Fields (field,) whose moments are known."""
    if arrangement in ("delays", "rows"):  # several synapses of a source could meet in a cell
        return fields.one_per_source()
    if arrangement in ("weights", "signs", "cells"):
        return fields.one_per_cell()
    return np.full(fields.planes.shape[0], arrangement == "sources")


def expected_joins(arrangement: Arrangement, planes: np.ndarray, present: np.ndarray, queen: bool) -> dict[str, np.ndarray]:
    """Mean join counts, each (field,), of fields that `has_moments`."""
    pair, _ = moments(arrangement, present)
    excites, inhibits = (planes > 0).astype(float), (planes < 0).astype(float)
    ones = np.ones(planes.shape[1:])

    def joined(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        result: np.ndarray = np.sum([pair(a, b, shift, ones[shifted(shift)[0]]) for shift in _shifts(queen)], axis=0)
        return result

    return {
        "joins_ee": joined(excites, excites),
        "joins_ei": joined(excites, inhibits) + joined(inhibits, excites),
        "joins_ii": joined(inhibits, inhibits),
    }


def expected_weighted_joins(
    arrangement: Arrangement, planes: np.ndarray, present: np.ndarray, unit: np.ndarray, queen: bool
) -> dict[str, np.ndarray]:
    """Mean weighted joins, each (field,), of fields that `has_moments`; ``unit`` (field,) is one join of mean magnitudes."""
    pair, _ = moments(arrangement, present)
    e, h, size = np.maximum(planes, 0), np.maximum(-planes, 0), np.ones((1, *planes.shape[1:]))
    if arrangement == "signs":  # magnitudes stay
        e, h, size = np.sign(e), np.sign(h), np.abs(planes)
    like, unlike = np.zeros(planes.shape[0]), np.zeros(planes.shape[0])
    for shift in _shifts(queen):
        p, q = shifted(shift)
        both = size[:, *p] * size[:, *q]
        both = both if arrangement == "signs" else both[0]
        like += pair(e, e, shift, both) + pair(h, h, shift, both)
        unlike += pair(e, h, shift, both) + pair(h, e, shift, both)
    return {"weighted_joins_like": like / unit, "weighted_joins_unlike": unlike / unit}


def expected_autocorrelation(
    arrangement: Arrangement, planes: np.ndarray, present: np.ndarray, share: np.ndarray, queen: bool
) -> dict[str, np.ndarray]:
    """Mean of Moran's I, its parts, and Geary's C, each (field,), of fields that `has_moments`; not under ``signs``.

    ``share`` (source, delay) is the weight that a cell gives to each neighbour, scaled such that all weights add up to the
    number of cells.
    """
    pair, single = moments(arrangement, present)
    n_cell = share.size
    mean = planes.mean(axis=(1, 2))
    scatter = np.square(planes - mean[:, None, None]).sum(axis=(1, 2))
    parts, contrast = [], np.zeros(mean.size)
    for part in (_shifts(queen)[:1], _shifts(queen)[1:]):
        product, ends = np.zeros(mean.size), np.zeros_like(share)
        for shift in part:
            p, q = shifted(shift)
            both = share[p] + share[q]
            product += pair(planes, planes, shift, both)
            ends[p] += both
            ends[q] += both
        parts.append((product - mean * single(planes, ends) + mean**2 * ends.sum() / 2) / scatter)
        contrast += single(planes**2, ends) - 2 * product
    return {
        "along_delay": parts[0],
        "across_sources": parts[1],
        "morans_i": parts[0] + parts[1],
        "gearys_c": (n_cell - 1) / (2 * n_cell) * contrast / scatter,
    }


def expected_bivariate(
    arrangement: Arrangement, planes: np.ndarray, present: np.ndarray, share: np.ndarray, queen: bool
) -> dict[str, np.ndarray]:
    """Mean of the bivariate I (field,), as `expected_autocorrelation`; NaN without excitation or inhibition."""
    pair, single = moments(arrangement, present)
    e, h = np.maximum(planes, 0), np.maximum(-planes, 0)
    mean_e, mean_h = (a.mean(axis=(1, 2)) for a in (e, h))
    met, by_e, by_h = share.size * mean_e * mean_h, np.zeros_like(share), np.zeros_like(share)
    for shift in _shifts(queen):
        p, q = shifted(shift)
        met += pair(e, h, shift, share[p]) + pair(h, e, shift, share[q])
        by_e[p] += share[p]
        by_e[q] += share[q]
        by_h[q] += share[p]
        by_h[p] += share[q]
    met -= single(e, by_e) * mean_h + single(h, by_h) * mean_e
    scatter_e, scatter_h = (np.square(a - m[:, None, None]).sum(axis=(1, 2)) for a, m in ((e, mean_e), (h, mean_h)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {"bivariate_i": met / np.sqrt(scatter_e * scatter_h)}


def expected_of_shuffled_planes(planes: np.ndarray, pairs: np.ndarray, queen: bool) -> dict[str, np.ndarray]:
    """Means over all shuffles of whole planes (field, source, delay), each (field,): the null ``cells`` in short.

    ``pairs`` (2, source, delay) are the neighbour weights that meet in a cell, scaled as ``share`` elsewhere.
    """
    n_field, n_source, n_delay = planes.shape
    n = n_source * n_delay
    along, across = -pairs.sum(axis=(1, 2)) / 2 / (n * (n - 1))
    n_e, n_i = ((planes * sign > 0).sum(axis=(1, 2)).astype(float) for sign in (1, -1))
    n_join = n_source * (n_delay - 1) + (n_source - 1) * (n_delay + 2 * (n_delay - 1) * queen)
    per_pair = n_join / (n * (n - 1))
    return {
        "along_delay": np.full(n_field, along),
        "across_sources": np.full(n_field, across),
        "morans_i": np.full(n_field, along + across),
        "gearys_c": np.ones(n_field),
        "joins_ee": per_pair * n_e * (n_e - 1),
        "joins_ei": per_pair * 2 * n_e * n_i,
        "joins_ii": per_pair * n_i * (n_i - 1),
    }


def _shifts(queen: bool) -> tuple[tuple[int, int], ...]:
    return SHIFTS if queen else SHIFTS[:2]
