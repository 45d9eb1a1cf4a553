from __future__ import annotations

import numpy as np
import pytest

from stanalysis.errors import BadInput
from stanalysis.fields.synapse_graph import SynapseGraph, graph_of
from stanalysis.files.checkpoint import population
from stanalysis.stats.spatial.point_pattern import cross_k
from stanalysis.stats.spatial.smoothing import smoothed_morans_i
from stanalysis.synthetic.fields import noise_fields
from stanalysis.synthetic.rewiring import true_survival

SOME = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])


@pytest.mark.parametrize(
    "call",
    [
        lambda: population(3, gain=SOME),
        lambda: graph_of(SynapseGraph(10.0), np.arange(3), SOME),
        lambda: graph_of(SynapseGraph(10.0), SOME, np.arange(3.0)),
        lambda: smoothed_morans_i(noise_fields(2, seed=0), bandwidths=SOME, n_permutations=9, seed=0),
        lambda: cross_k(noise_fields(2, seed=0), distances=SOME, ms_per_source=10.0, n_permutations=9, seed=0),
        lambda: true_survival(SOME, scale=100, shape=0.7),
    ],
)
def test_unmasked__functions_that_take_arrays_do_not_forget_their_masks(call):
    with pytest.raises(BadInput, match="are masked; leave them out"):
        call()


def test_unmasked__a_mask_that_hides_nothing_is_no_obstacle():
    np.testing.assert_array_equal(population(3, gain=np.ma.array([1.0, 2.0, 3.0])).gain, [1.0, 2.0, 3.0])
