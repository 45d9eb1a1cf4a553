from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainers.methods.dcls.synapses import all_to_all, connected


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 30))
def test_connected__lists_every_living_row_once_under_its_neurons(seed, n):
    random = np.random.default_rng(seed)
    source, target = random.integers(0, 4, n).astype(np.int32), random.integers(0, 5, n).astype(np.int32)
    alive, chosen = random.random(n) < 0.7, random.random(5) < 0.5
    synapses = connected(source, target, 0 * source, n_source=4, n_target=5, alive=alive)
    for lists, living in ((synapses, alive), (synapses.leading_to(chosen), alive & chosen[target])):
        assert len(lists) == living.sum()
        for j in range(5):
            rows = lists.by_target[lists.target_begin[j] : lists.target_begin[j + 1]]
            np.testing.assert_array_equal(rows, np.flatnonzero(living & (target == j)))
        for i in range(4):
            rows = lists.by_source[lists.source_begin[i] : lists.source_begin[i + 1]]
            assert sorted(rows) == np.flatnonzero(living & (source == i)).tolist()


def test_all_to_all__counts_contacts_of_a_pair():
    synapses = all_to_all(2, 3, 2)
    assert len(synapses) == 12
    assert synapses.contact.tolist() == [0, 1] * 6
    assert synapses.target.tolist() == [0] * 4 + [1] * 4 + [2] * 4
