import itertools
import warnings

import esda
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libpysal.weights import W, lat2W

from stanalysis.fields.lattice import Lattice, neighbour_share
from stanalysis.kernels.shuffled_cells import centred
from stanalysis.stats.engine.variances import (
    PairSums,
    neighbouring_cells,
    of_alike,
    of_differences,
    of_signs,
    of_unlike,
    permutation_variance,
    power_sums,
    shared_among_cells,
    together,
    variances_of_shuffled_planes,
)
from tests.stanalysis.stats.oracles import neighbour_matrix
from tests.strategies import lattices


def sums_of(matrix):
    """Of a matrix, whatever its diagonal, as of one field."""
    pairs = np.where(np.eye(len(matrix)), 0, matrix + matrix.T) / 2
    return PairSums(*(np.array([s]) for s in (pairs.sum(), (pairs**2).sum(), (pairs.sum(axis=1) ** 2).sum())))


def random_matrix(n, seed):
    random = np.random.default_rng(seed)
    return random.standard_normal((n, n)) * (random.random((n, n)) < 0.6)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7])
def test_permutation_variance__is_that_of_all_permutations(n):
    places, values = (random_matrix(n, seed) for seed in (n, n + 10))
    places, values = places + places.T, values + values.T
    np.fill_diagonal(places, 0)
    np.fill_diagonal(values, 0)
    every = [(places * values[np.ix_(order, order)]).sum() for order in itertools.permutations(range(n))]
    found = permutation_variance(sums_of(places), sums_of(values), np.array([float(n)]))
    np.testing.assert_allclose(found, np.var(every), rtol=1e-9, atol=1e-12)


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=7))
def test_sums_of_values__are_those_of_their_matrices(values):
    x = np.array(values, float)
    n, centred_x, e, h = np.array([float(x.size)]), x - x.mean(), np.maximum(x, 0), np.maximum(-x, 0)
    powers, of_e, of_h = (power_sums(side[None]) for side in (x, e, h))
    both_e, unlike, both_i = of_signs(*((side > 0).sum(keepdims=True).astype(float) for side in (e, h)))
    product = np.outer(x, x)
    for found, matrix in (
        (of_alike(*powers), product),
        (of_differences(power_sums(centred_x[None]), n), np.subtract.outer(x, x) ** 2),
        (of_unlike(of_e, of_h), np.maximum(-product, 0)),
        (together(of_alike(*of_e), of_alike(*of_h)), np.maximum(product, 0)),
        (both_e, np.outer(x > 0, x > 0) * 1.0),
        (unlike, (product < 0) * 1.0),
        (both_i, np.outer(x < 0, x < 0) * 1.0),
    ):
        np.testing.assert_allclose(np.array(found), np.array(sums_of(matrix)), rtol=1e-9, atol=1e-6)


@given(st.integers(1, 5), st.integers(2, 5), lattices)
def test_sums_of_cells__are_those_of_their_matrices(n_source, n_delay, lattice):
    size = np.random.default_rng(n_source).random((1, n_source, n_delay))
    queen = lattice.contiguity == "queen"
    joined = neighbour_matrix(Lattice(lattice.contiguity, standardised=False), (n_source, n_delay))
    by_size = joined * np.outer(size, size)
    np.testing.assert_allclose(np.array(neighbouring_cells(size, queen)), np.array(sums_of(by_size)))
    share = neighbour_share(lattice, n_source, n_delay)
    found = [[value] for value in shared_among_cells(share, queen)]
    np.testing.assert_allclose(found, np.array(sums_of(neighbour_matrix(lattice, (n_source, n_delay)))))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), lattices)
def test_variances_of_shuffled_planes__equal_esda(seed, lattice):
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(3, 9, 2))
    planes = random.standard_normal((1, *shape)) * (random.random((1, *shape)) < 0.7)
    planes[0, 0, :2] = 1, -1
    share = neighbour_share(lattice, *shape)
    scale = share.size / neighbour_matrix(lattice, shape).sum()
    found = variances_of_shuffled_planes(planes, centred(planes), share * scale, lattice.contiguity == "queen")
    neighbours, transformation = lat2W(*shape, rook=lattice.contiguity == "rook"), "r" if lattice.standardised else "b"
    values = planes.reshape(-1)
    moran = esda.Moran(values, neighbours, transformation=transformation, permutations=0)
    geary = esda.Geary(values, neighbours, transformation=transformation, permutations=0)
    np.testing.assert_allclose(found["morans_i"], moran.VI_rand, rtol=1e-9)
    np.testing.assert_allclose(found["gearys_c"], geary.VC_rand, rtol=1e-9)


def test_variances_of_joins__are_those_of_sampling_without_replacement():
    """Cliff & Ord's formula, written out: an algebra other than that of the sums."""
    n_e, n_i, shape = 5.0, 9.0, (4, 5)
    plane = np.zeros(20)
    plane[:5], plane[5:14] = 1, -1
    field = np.random.default_rng(0).permutation(plane).reshape(1, *shape)
    found = variances_of_shuffled_planes(field, centred(field), np.ones(shape), False)
    joined = neighbour_matrix(Lattice("rook", standardised=False), shape)
    s0, s1, s2 = joined.sum(), 2 * joined.sum(), (2 * joined.sum(axis=1)) @ (2 * joined.sum(axis=1))

    def falling(x, k):
        return np.prod(x - np.arange(k))

    for name, n in (("joins_ee", n_e), ("joins_ii", n_i)):
        p2, p3, p4 = (falling(n, k) / falling(20, k) for k in (2, 3, 4))
        wanted = (s1 * p2 + (s2 - 2 * s1) * p3 + (s0**2 + s1 - s2) * p4 - (s0 * p2) ** 2) / 4
        np.testing.assert_allclose(found[name], wanted, rtol=1e-12)


@pytest.mark.parametrize("standardised", [True, False])
def test_moran_of_neighbours_that_are_not_mutual__equals_esda(standardised):
    """Their mean both ways has the S1 and S2 that esda has of the one way."""
    random = np.random.default_rng(3)
    x = random.standard_normal(30)
    near = {i: [int(j) for j in random.choice([k for k in range(30) if k != i], 4, replace=False)] for i in range(30)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        neighbours = W(near)
    moran = esda.Moran(x, neighbours, transformation="r" if standardised else "b", permutations=0)
    places, values = sums_of(neighbours.full()[0]), of_alike(*power_sums((x - x.mean())[None]))
    scale = (30 / places.total / np.square(x - x.mean()).sum()) ** 2
    np.testing.assert_allclose(scale * permutation_variance(places, values, np.array([30.0])), moran.VI_rand, rtol=1e-9)
