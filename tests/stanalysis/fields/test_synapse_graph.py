import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stanalysis.errors import BadInput
from stanalysis.fields.synapse_graph import SynapseGraph, graph_of, kernel_arguments
from stanalysis.kernels.near_synapses import IN_REGISTERS, neighbours_of
from tests.stanalysis.stats.oracles import graph_matrix

kernel = pytest.mark.kernel

GRAPHS = [
    SynapseGraph(10.0),
    SynapseGraph(10.0, nearest=1, standardised=False),
    SynapseGraph(2.5, nearest=3),
    SynapseGraph(10.0, nearest=IN_REGISTERS + 5),
    SynapseGraph(10.0, radius=1.0),
    SynapseGraph(40.0, radius=2.5, standardised=False),
]


def matrix_of(graph, source, delay):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of isolates
        result = graph_of(graph, source, delay)
        place = np.argsort(result.unique_ids)
        return result.sparse.toarray()[np.ix_(place, place)]


@pytest.mark.parametrize("graph", GRAPHS)
@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), min_size=2, max_size=14))
def test_graph_of__joins_near_synapses_and_all_ties(graph, places):
    """On a grid, where ties abound; synapses in one cell are at distance 0."""
    source, delay = np.array(places).T
    wanted = graph_matrix(graph, tuple(source.tolist()), tuple((delay * 10.0).tolist()))
    np.testing.assert_allclose(matrix_of(graph, source, delay * 10.0), wanted, rtol=0, atol=1e-12)


@kernel
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("n_source", [2, 200])
def test_neighbours_of__ends_the_search_where_no_synapse_can_be_near(graph, n_source):
    """Of synapses in few sources, all are candidates; in many, most are never looked at."""
    random = np.random.default_rng(n_source)
    source, delay = np.sort(random.integers(0, n_source, 40)), random.uniform(0, 300, 40)
    x = np.concatenate([[-np.inf], source, [np.inf]])
    start, index = neighbours_of(x, delay / graph.ms_per_source, *kernel_arguments(graph))
    wanted = graph_matrix(graph, tuple(source.tolist()), tuple(delay.tolist())) > 0
    for i in range(40):
        assert sorted(index[start[i] : start[i + 1]].tolist()) == np.flatnonzero(wanted[i]).tolist()


def test_graph_of__gives_each_synapse_its_nearest_others_and_rows_that_add_up_to_1():
    random = np.random.default_rng(0)
    result = matrix_of(SynapseGraph(10.0, nearest=3), np.arange(9), random.uniform(0, 50, 9))
    assert (np.count_nonzero(result, axis=1) == 3).all()
    np.testing.assert_allclose(result.sum(axis=1), 1)
    assert not result.diagonal().any()


def test_graph_of__with_a_radius_leaves_some_synapses_alone():
    result = graph_of(SynapseGraph(10.0, radius=1.0), np.array([0, 1, 5]), np.zeros(3))
    assert result.isolates.tolist() == [2]
    assert result.n == 3


def test_graph_of__keeps_the_order_of_the_synapses():
    """Where esda is given their weights."""
    result = graph_of(SynapseGraph(10.0, radius=1.0), np.array([0, 5, 1]), np.zeros(3))
    assert result.unique_ids.tolist() == [0, 1, 2]


@pytest.mark.parametrize("nearest", [IN_REGISTERS + 1, 30])
def test_graph_of__finds_many_nearest(nearest):
    result = matrix_of(SynapseGraph(10.0, nearest=nearest), np.arange(60), np.zeros(60))
    assert (np.count_nonzero(result, axis=1) >= nearest).all()


def test_graph_of__finds_synapses_beyond_those_of_a_crowded_cell():
    result = matrix_of(SynapseGraph(10.0, nearest=50), np.repeat([0, 1], [11, 1]), np.zeros(12))
    assert (np.count_nonzero(result, axis=1) == 11).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ms_per_source": 0.0}, "above 0"),
        ({"ms_per_source": np.inf}, "above 0"),
        ({"ms_per_source": np.nan}, "above 0"),
        ({"nearest": 0}, "at least 1"),
        ({"radius": 0.0}, "distance in sources, above 0"),
        ({"radius": np.inf}, "distance in sources, above 0"),
    ],
)
def test_synapse_graph__says_what_is_wrong(options, message):
    with pytest.raises(BadInput, match=message):
        SynapseGraph(**({"ms_per_source": 10.0} | options))


def test_synapse_graph__its_repr_says_what_counts():
    assert repr(SynapseGraph(10.0)) == "SynapseGraph(ms_per_source=10.0, nearest=4)"
    said = "SynapseGraph(ms_per_source=10.0, radius=2.5, standardised=False)"
    assert repr(SynapseGraph(10.0, radius=2.5, standardised=False)) == said
