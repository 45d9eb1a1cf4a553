r"""Exact variances over all arrangements, where a null deals out values over places in every order as often.

A statistic is then :math:`\sum_{ij} a_{ij} b_{\pi(i) \pi(j)}` over ordered pairs of places: a is what two places are to each
other, b what two values are, both symmetric, and :math:`\pi` any permutation. Of Moran's I b is a product, of Geary's C a
squared difference, of joins whether signs are alike. Its variance needs three sums of each (Mantel 1967); of products it is
that of Cliff & Ord (1981) under randomisation, of signs that of join counts without replacement.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from stanalysis.stats.engine.expectations import SHIFTS, shifted


class PairSums(NamedTuple):
    """Sums over a symmetric matrix without its diagonal, each (field,): S0, S1 / 2 and S2 / 4 of Cliff & Ord."""

    total: np.ndarray
    squares: np.ndarray
    rows: np.ndarray  # of the squares of what each row adds up to


def permutation_variance(places: PairSums, values: PairSums, n: np.ndarray) -> np.ndarray:
    """Variance (field,) of a sum over ordered pairs of ``n`` places, dealt their values in every order as often.

    References
    ----------
    Mantel (1967), The detection of disease clustering and a generalized regression approach; Cliff & Ord (1981), Spatial
    Processes

    Examples
    --------
    Two synapses of three excite, on a line: in a third of the orders they are not neighbours, and the join is counted twice.

    >>> line = PairSums(*np.array([[4.0], [4.0], [6.0]]))
    >>> permutation_variance(line, of_alike(*np.array([[2.0]] * 4)), np.array([3.0])) / 4
    array([0.22222222])
    """
    orders = [n * (n - 1), n * (n - 1) * (n - 2), n * (n - 1) * (n - 2) * (n - 3)]  # of two, three and four places
    # two pairs are the same, or share a place, or are apart
    same_pair, sharing, apart = (
        a * b / np.maximum(count, 1)
        for a, b, count in zip(
            (2 * places.squares, 4 * (places.rows - places.squares), _apart(places)),
            (values.squares, values.rows - values.squares, _apart(values)),
            orders,
            strict=True,
        )
    )
    mean = places.total * values.total / np.maximum(orders[0], 1)
    variance: np.ndarray = np.maximum(same_pair + sharing + apart - mean**2, 0)
    return variance


def _apart(pairs: PairSums) -> np.ndarray:
    """Sum over all pairs of pairs that share no place."""
    result: np.ndarray = pairs.total**2 + 2 * pairs.squares - 4 * pairs.rows
    return result


def power_sums(values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Sums (field,) of the first four powers of values (field, ...)."""
    flat = values.reshape(values.shape[0], math.prod(values.shape[1:]))
    return tuple(power.sum(axis=1) for power in powers(flat))


def powers(values: np.ndarray) -> tuple[np.ndarray, ...]:
    """The first four, as products: numpy takes them twenty times as fast as by ``**``."""
    squares = values * values
    return values, squares, squares * values, squares * squares


def of_alike(first: np.ndarray, second: np.ndarray, third: np.ndarray, fourth: np.ndarray) -> PairSums:
    """Products of two values, given the sums of their powers."""
    return PairSums(first**2 - second, second**2 - fourth, first**2 * second - 2 * first * third + fourth)


def of_unlike(e: tuple[np.ndarray, ...], h: tuple[np.ndarray, ...]) -> PairSums:
    """Products of a value of one kind and one of the other, given the sums of the powers of each."""
    return PairSums(2 * e[0] * h[0], 2 * e[1] * h[1], e[1] * h[0] ** 2 + h[1] * e[0] ** 2)


def of_differences(powers: tuple[np.ndarray, ...], n: np.ndarray) -> PairSums:
    """Squared differences of two of n centred values, given the sums of their powers."""
    _, second, _, fourth = powers
    return PairSums(2 * n * second, 2 * n * fourth + 6 * second**2, n**2 * fourth + 3 * n * second**2)


def of_signs(n_e: np.ndarray, n_i: np.ndarray) -> tuple[PairSums, PairSums, PairSums]:
    """Whether both of two synapses excite, whether they differ, and whether both inhibit."""
    return of_alike(n_e, n_e, n_e, n_e), of_unlike((n_e, n_e), (n_i, n_i)), of_alike(n_i, n_i, n_i, n_i)


def together(first: PairSums, second: PairSums) -> PairSums:
    """The sum of two matrices that have no row in common."""
    return PairSums(*(a + b for a, b in zip(first, second, strict=True)))


def neighbouring_cells(size: np.ndarray, queen: bool) -> PairSums:
    """Neighbours on the lattice, by the product of their sizes (field, source, delay)."""
    near, near_squares = (_sum_over_neighbours(values, queen) for values in (size, size**2))
    rows = size * near
    return PairSums(*(a.sum(axis=(1, 2)) for a in (rows, size**2 * near_squares, rows**2)))


def _sum_over_neighbours(values: np.ndarray, queen: bool) -> np.ndarray:
    total = np.zeros(values.shape)
    for shift in SHIFTS if queen else SHIFTS[:2]:
        p, q = shifted(shift)
        total[:, *p] += values[:, *q]
        total[:, *q] += values[:, *p]
    return total


def shared_among_cells(share: np.ndarray, queen: bool) -> PairSums:
    """Neighbours on the lattice, by the mean of the weights (source, delay) that they give to each other."""
    rows, squares = np.zeros(share.shape), 0.0
    for shift in SHIFTS if queen else SHIFTS[:2]:
        p, q = shifted(shift)
        both = (share[p] + share[q]) / 2
        rows[p] += both
        rows[q] += both
        squares += 2 * np.square(both).sum()
    return PairSums(rows.sum(), np.asarray(squares), np.square(rows).sum())


def variances_of_shuffled_planes(planes: np.ndarray, z: np.ndarray, share: np.ndarray, queen: bool) -> dict[str, np.ndarray]:
    """Variances over all shuffles of whole planes (field, source, delay), each (field,): the null ``cells``.

    ``z`` are the planes centred, with sum of squares one; ``share`` is scaled as elsewhere.
    """
    n = np.asarray(float(share.size))
    weights, joined = (shared_among_cells(given, queen) for given in (share, np.ones(share.shape)))
    of_z = power_sums(z)
    n_e, n_i = ((planes * sign > 0).sum(axis=(1, 2)).astype(float) for sign in (1, -1))
    variances = {
        "morans_i": permutation_variance(weights, of_alike(*of_z), n),
        "gearys_c": ((n - 1) / (2 * n)) ** 2 * permutation_variance(weights, of_differences(of_z, n), n),
    }
    return variances | variances_of_joins(joined, n_e, n_i, n)


def variances_of_joins(places: PairSums, n_e: np.ndarray, n_i: np.ndarray, n: np.ndarray) -> dict[str, np.ndarray]:
    """Of join counts, each (field,), where ``n_e`` and ``n_i`` signs are dealt out over n places."""
    names = ("joins_ee", "joins_ei", "joins_ii")
    return {
        name: permutation_variance(places, signs, n) / 4  # a join is two ordered pairs
        for name, signs in zip(names, of_signs(n_e, n_i), strict=True)
    }


def variances_of_weighted_joins(
    places: PairSums, like: PairSums, unlike: PairSums, n: np.ndarray, unit: np.ndarray
) -> dict[str, np.ndarray]:
    """Of weighted joins, each (field,), where values that are ``like`` and ``unlike`` are dealt out; ``unit`` as elsewhere."""
    values = {"weighted_joins_like": like, "weighted_joins_unlike": unlike}
    return {name: permutation_variance(places, pairs, n) / (4 * unit**2) for name, pairs in values.items()}
