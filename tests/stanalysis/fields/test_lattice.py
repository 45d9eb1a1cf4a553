import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from libpysal.weights import lat2W

from stanalysis.errors import BadInput
from stanalysis.fields.lattice import QUEEN, ROOK, Lattice, graph, neighbour_share, pair_weights
from tests.strategies import lattice_shapes, lattices


@settings(max_examples=30, deadline=None)
@given(lattices, lattice_shapes)
def test_pair_weights__add_up_the_matrix_of_libpysal(lattice, shape):
    w = lat2W(*shape, rook=lattice.contiguity == "rook")
    w.transform = "r" if lattice.standardised else "b"
    matrix = w.full()[0]
    ends = (matrix + matrix.T).sum(axis=0).reshape(shape)
    np.testing.assert_allclose(pair_weights(lattice, neighbour_share(lattice, *shape)).sum(axis=0), ends, atol=1e-12)


@settings(max_examples=10, deadline=None)
@given(lattices, lattice_shapes)
def test_neighbour_share__is_what_the_graph_says(lattice, shape):
    share = neighbour_share(lattice, *shape).reshape(-1)
    adjacency = graph(lattice, *shape).adjacency
    np.testing.assert_allclose(adjacency.to_numpy(), share[adjacency.index.get_level_values("focal")])


def test_pair_weights__split_one_row_into_along_only():
    along, across = pair_weights(ROOK, neighbour_share(ROOK, 1, 4))
    assert along.sum() / 2 == 4
    assert not across.any()


def test_lattice__names_what_it_expects():
    with pytest.raises(BadInput, match="rook, queen"):
        Lattice("bishop")  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 1), (0, 3), (3, 0)])
def test_neighbour_share__refuses_a_lattice_without_neighbours(shape):
    with pytest.raises(BadInput, match="no neighbours"):
        neighbour_share(QUEEN, *shape)


def test_import__leaves_pysal_alone():
    code = "import sys, stanalysis.stats; assert not {'esda', 'libpysal'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_lattice__its_repr_says_what_is_not_usual():
    assert [repr(x) for x in (ROOK, QUEEN)] == ["Lattice('rook')", "Lattice('queen')"]
    assert repr(Lattice("rook", standardised=False)) == "Lattice('rook', standardised=False)"
