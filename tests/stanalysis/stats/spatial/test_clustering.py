import warnings

import esda
import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from libpysal.weights import lat2W

from stanalysis.errors import BadInput
from stanalysis.fields.lattice import QUEEN, ROOK, Lattice
from stanalysis.fields.synapse_graph import SynapseGraph, graph_of
from stanalysis.stats.spatial.clustering import bivariate_i, join_counts, lead, sign_clusters, weighted_joins
from stanalysis.synthetic.fields import noise_fields, planted_segregation
from tests.stanalysis.stats.oracles import cluster_sizes, field_of, neighbour_matrix
from tests.strategies import as_field, dense_planes, lattices, not_constant, sparse_planes, unlike_synapses

VALUES = {"n_permutations": 0, "min_synapses": 0, "seed": 0}
NEAR = SynapseGraph(10.0, nearest=2)
GRAPHS = [NEAR, SynapseGraph(20.0, nearest=1), SynapseGraph(10.0, radius=1.5), SynapseGraph(10.0, 3, standardised=False)]


@st.composite
def random_planes(draw):
    """Two planes of normal weights with gaps, of any size."""
    shape = draw(st.tuples(st.integers(3, 8), st.integers(2, 9)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return random.standard_normal((2, *shape)) * (random.random((2, *shape)) < 0.7)


def signed(planes, *, keep):
    """The planes with some cells emptied, so that both signs, and gaps, are there."""
    return np.where(np.random.default_rng(0).random(planes.shape[1:]) < keep, planes, 0)


def esda_neighbours(lattice, shape):
    return lat2W(*shape, rook=lattice.contiguity == "rook")


def joined(cells, neighbours):
    """Join counts of a truth value per cell, by esda; its chi-squared test wants joins of both."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return esda.Join_Counts(cells.reshape(-1).astype(int), neighbours, permutations=0)
        except ValueError:
            reject()


# --- join counts -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(random_planes(), lattices)
def test_join_counts__equal_esda(planes, lattice):
    neighbours = esda_neighbours(lattice, planes.shape[1:])
    found = join_counts(as_field(planes), lattice=lattice, **VALUES).value
    for plane, (ee, ei, ii) in zip(planes, found.values, strict=True):
        assert ee == joined(plane > 0, neighbours).bb
        assert ii == joined(plane < 0, neighbours).bb
        assert ee + ei + ii == joined(plane != 0, neighbours).bb


@pytest.mark.parametrize("graph", GRAPHS)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_join_counts__on_the_graph_equal_esda(graph, data):
    one_each = data.draw(st.booleans())
    plane = data.draw(unlike_synapses(sparse_planes(7, one_each, min_delay=2, n_synapses=(3, 7)), in_sign=True))
    source, delay = np.nonzero(plane)
    weight = plane[source, delay]
    found = join_counts(field_of(plane), graph=graph, **VALUES).value.values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        neighbours = graph_of(graph, source, delay * 10.0).transform("b")
    counts = joined(weight[neighbours.unique_ids] > 0, neighbours)
    np.testing.assert_allclose(found, [counts.bb, counts.bw, counts.ww], rtol=0, atol=1e-12)


def test_join_counts__count_every_pair_of_a_full_plane():
    random = np.random.default_rng(0)
    field = as_field(random.standard_normal((3, 6, 5)))
    for lattice in (ROOK, QUEEN, Lattice("queen", standardised=False)):
        pairs = neighbour_matrix(Lattice(lattice.contiguity, standardised=False), (6, 5)).sum() / 2
        found = join_counts(field, lattice=lattice, null="signs", n_permutations=29, seed=0, keep_draws=True)
        np.testing.assert_array_equal(found.value.sum("statistic"), np.full(3, pairs))
        np.testing.assert_array_equal(found.null_draws.sum("statistic"), np.full((3, 29), pairs))
        np.testing.assert_allclose(found.expected.sum("statistic"), pairs, rtol=1e-12)


def test_join_counts__ignore_magnitudes():
    field = noise_fields(4, n_source=9, n_delay=5, signs="dale", seed=0)
    for null in ("delays", "signs", "cells"):
        one, other = (join_counts(f, null=null, n_permutations=29, seed=0) for f in (field, np.sign(field)))
        xr.testing.assert_allclose(one, other, rtol=1e-12)


def test_join_counts__find_planted_segregation():
    field = planted_segregation(60, strength=0.9, bin_width=10.0, seed=0)
    result = join_counts(field, graph=SynapseGraph(10.0), null="signs", n_permutations=199, alternative="less", seed=0)
    assert (result.p_value.sel(statistic="graph_joins_ei") <= 0.05).mean() > 0.5
    result = join_counts(field, null="signs", n_permutations=199, seed=0)  # few synapses touch on the lattice
    assert result.z_score.sel(statistic="joins_ei").mean() < -0.3


# --- weighted joins ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(random_planes(), lattices)
def test_weighted_joins__equal_the_products_that_esda_sums(planes, lattice):
    neighbours = esda_neighbours(lattice, planes.shape[1:])
    assume(planes.any(axis=(1, 2)).all())
    found = weighted_joins(as_field(planes), lattice=lattice, **VALUES).value
    for plane, (like, unlike) in zip(planes, found.values, strict=True):
        size = abs(plane[plane != 0]).mean()
        with np.errstate(all="ignore"):  # it divides by those sums of all pairs that are 0 without two of a sign
            e, h, either = (
                esda.G(side.reshape(-1) / size, neighbours, permutations=0).num.sum() / 2
                for side in (np.maximum(plane, 0), np.maximum(-plane, 0), abs(plane))
            )
        assert like == pytest.approx(e + h, rel=1e-12)
        assert unlike == pytest.approx(either - e - h, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("graph", [None, *GRAPHS])
@settings(max_examples=10, deadline=None)
@given(plane=unlike_synapses(sparse_planes(7, one_each=False, min_delay=2, n_synapses=(3, 7)), in_sign=True))
def test_weighted_joins__are_join_counts_where_magnitudes_are_equal(graph, plane):
    field = field_of(3 * np.sign(plane))
    ee, ei, ii = join_counts(field, graph=graph, **VALUES).value.values
    np.testing.assert_allclose(weighted_joins(field, graph=graph, **VALUES).value, [ee + ii, ei], rtol=1e-14)


def test_weighted_joins__count_pairs_of_strong_synapses_for_more():
    plane = np.array([[5.0, -5, 0], [0, 0, 1], [0, 0, 1]])  # the mean magnitude is 3
    np.testing.assert_allclose(weighted_joins(field_of(plane), **VALUES).value, [1 / 9, 25 / 9])


def test_weighted_joins__find_signs_that_only_strong_synapses_group():
    random = np.random.default_rng(0)
    strong = random.random((60, 12, 8)) < 0.3
    sign = np.where(strong, np.where(np.arange(12)[:, None] < 6, 1, -1), random.choice([-1, 1], strong.shape))
    field = as_field(sign * np.where(strong, 4.0, 0.5))
    options = {"null": "signs", "n_permutations": 99, "alternative": "less", "seed": 0}
    weighted = weighted_joins(field, **options).p_value.sel(statistic="weighted_joins_unlike")
    counted = join_counts(field, **options).p_value.sel(statistic="joins_ei")
    assert (weighted <= 0.05).mean() > (counted <= 0.05).mean() + 0.2


# --- bivariate I -------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(random_planes(), st.sampled_from([ROOK, QUEEN]))
def test_bivariate_i__equals_esda(planes, lattice):
    excitation, inhibition = np.maximum(planes, 0), np.maximum(-planes, 0)
    assume(all((np.ptp(side, axis=(1, 2)) > 0).all() for side in (excitation, inhibition)))
    found = bivariate_i(as_field(planes), lattice=lattice, **VALUES).bivariate_i
    neighbours = esda_neighbours(lattice, planes.shape[1:])
    expected = [
        esda.Moran_BV(e.reshape(-1), h.reshape(-1), neighbours, transformation="r", permutations=0).I
        for e, h in zip(excitation, inhibition, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_bivariate_i__is_minus_r_over_n_minus_1_in_the_mean_when_all_cells_are_shuffled():
    field = noise_fields(3, n_source=8, n_delay=5, seed=1)
    result = bivariate_i(field, null="cells", n_permutations=1999, seed=0, keep_draws=True)
    for k, plane in enumerate(field.values):
        r = np.corrcoef(np.maximum(plane, 0).reshape(-1), np.maximum(-plane, 0).reshape(-1))[0, 1]
        np.testing.assert_allclose(result.expected[k], -r / 39, rtol=1e-10)
    error = result.null_draws.std("draw") / np.sqrt(1999)
    assert (abs(result.null_draws.mean("draw") - result.expected) < 4 * error).all()


@pytest.mark.parametrize("statistic", [bivariate_i, lead])
def test_bivariate_i_and_lead__have_no_answer_without_excitation_or_inhibition(statistic):
    plane = noise_fields(1, n_source=8, n_delay=5, signs="dale", bin_width=10.0, seed=1).values[0]
    field = field_of(np.stack([plane, np.maximum(plane, 0), np.minimum(plane, 0)]))
    result = statistic(field, n_permutations=9, min_synapses=1, seed=0, keep_draws=True)
    for name in (statistic.__name__, "expected", "z_score", "p_value"):
        assert result[name].isnull().values.tolist() == [False, True, True], name
    assert result.null_draws.isnull().all("draw").values.tolist() == [False, True, True]
    assert result.n_unanswered == 2


# --- connected cells of one sign -----------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(not_constant(st.builds(signed, dense_planes(min_source=2), keep=st.sampled_from([0.3, 0.6, 1.0]))), lattices)
def test_sign_clusters__equal_scipy(planes, lattice):
    found = sign_clusters(as_field(planes), lattice=lattice, **VALUES).value.values
    for plane, (number, largest) in zip(planes, found, strict=True):
        sizes = cluster_sizes(plane, lattice)
        assert (number, largest) == (len(sizes), max(sizes))


def test_sign_clusters__follow_winding_paths():
    plane = np.array(
        [
            [1, 1, 1, 1, 1, -1],
            [-1, -1, -1, -1, 1, -1],
            [1, 1, 1, -1, 1, -1],
            [1, -1, 1, -1, 1, -1],
            [1, -1, -1, -1, 1, -1],
            [1, 1, 1, 1, 1, -1],
        ],
        float,
    )
    assert sign_clusters(as_field(plane), **VALUES).value.values.tolist() == [3, 20]
    corners = as_field(np.array([[1.0, -1, 1], [-1, 1, -1]]))
    assert sign_clusters(corners, **VALUES).value.values.tolist() == [6, 1]
    assert sign_clusters(corners, lattice=QUEEN, **VALUES).value.values.tolist() == [2, 3]


def test_sign_clusters__are_fewer_and_larger_where_signs_are_grouped():
    flipped = np.random.default_rng(0).random((4, 8, 7)) < 0.1
    field = np.where(np.arange(7) < 4, 1.0, -1.0) * np.where(flipped, -1, 1)
    result = sign_clusters(as_field(field), null="signs", n_permutations=199, seed=0)
    assert result.z_score.sel(statistic="n_clusters").mean() < -1
    assert result.z_score.sel(statistic="largest_cluster").mean() > 1


# --- lead ----------------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    unlike_synapses(sparse_planes(one_each=False, min_delay=2, n_synapses=(2, 5)), in_sign=True),
    st.floats(0.1, 20),
    st.floats(-50, 50),
)
def test_lead__is_the_difference_of_weighted_means_whatever_the_first_delay(plane, bin_width, first):
    delay = first + bin_width * np.arange(plane.shape[1])
    found = lead(as_field(plane).assign_coords(delay=delay), **VALUES)
    wanted = np.average(delay, weights=np.maximum(-plane, 0).sum(axis=0)) - np.average(
        delay, weights=np.maximum(plane, 0).sum(axis=0)
    )
    assert found.lead == pytest.approx(wanted, abs=1e-9)
    assert found.lead.attrs["units"] == "ms"


@pytest.mark.parametrize("null", ["delays", "weights", "rows", "cells"])
def test_lead__is_0_in_the_mean_and_found_where_planted(null):
    field = noise_fields(1, n_source=12, n_delay=6, signs="mixed", bin_width=5.0, seed=1)
    result = lead(field, null=null, n_permutations=1999, seed=0, keep_draws=True)
    assert (result.expected == 0).all()
    assert (abs(result.null_draws.mean("draw")) < 4 * result.null_draws.std("draw") / np.sqrt(1999)).all()
    plane = np.zeros((12, 6))
    plane[np.arange(12), np.repeat([1, 4], 6)] = np.repeat([1.0, -2.0], 6)
    late = lead(field_of(plane), null=null, n_permutations=199, alternative="greater", seed=0)
    assert late.lead == 30
    assert late.p_value <= 0.02


def test_lead__without_delays_in_ms_is_in_bins():
    plane = np.array([[1.0, 0, 0], [0, 0, -1]])
    assert lead(as_field(plane), **VALUES).lead == 2


# --- bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("statistic", [join_counts, weighted_joins, bivariate_i, sign_clusters, lead])
def test_clustering__says_what_is_wrong(statistic):
    field = noise_fields(1, seed=0)
    with pytest.raises(BadInput, match="no 'source'"):
        statistic(field.rename(source="channel"), seed=0)
    with pytest.raises(BadInput, match="use one of delays, weights"):
        statistic(field, null="noise", seed=0)
    with pytest.raises(BadInput, match="training kernel"):
        statistic(field.assign_attrs(kernel="training"), seed=0)
