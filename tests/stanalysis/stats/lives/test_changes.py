from __future__ import annotations

import numpy as np
import pytest

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import projection
from stanalysis.stats.lives.changes import changes


def table(*rows):
    """Synapses from rows (target, source, contact, delay, weight)."""
    target, source, contact, delay, weight = np.array(rows, float).reshape(-1, 5).T
    return projection(
        n_source=4,
        n_target=3,
        delay_max=40.0,
        rounding="half even",
        source=source.astype(np.int32),
        target=target.astype(np.uint8),
        contact=contact.astype(np.uint8),
        delay=delay.astype(np.float32),
        weight=weight.astype(np.float32),
    )


def flags(found):
    return {
        (int(one.target), int(one.source), int(one.contact)): {
            name for name in ("shared", "born", "died", "delay_changed", "sign_changed") if one[name]
        }
        for one in (found.isel(synapse=i) for i in range(found.sizes["synapse"]))
    }


def test_changes__says_what_became_of_each_synapse():
    before = table((0, 1, 0, 10, 1), (0, 2, 0, 10, 1), (1, 0, 0, 20, -1), (2, 3, 0, 5, 1))
    after = table((2, 3, 0, 9, 1), (0, 2, 0, 15, 1), (1, 0, 0, 20, 1), (2, 3, 1, 30, 1))
    found = changes(before, after, dt=10.0)
    assert flags(found) == {
        (0, 1, 0): {"died"},
        (0, 2, 0): {"delay_changed"},
        (1, 0, 0): {"sign_changed"},
        (2, 3, 0): {"shared"},
        (2, 3, 1): {"shared", "born"},
    }
    np.testing.assert_array_equal(found.delay.sel(moment="before"), [10, 10, 20, 5, np.nan])
    np.testing.assert_array_equal(found.delay.sel(moment="after"), [np.nan, 15, 20, 9, 30])
    assert found.attrs["delay_max"] == 40.0
    assert found.delay.attrs["units"] == "ms"


def test_changes__half_a_bin_survives_the_rounding_of_float32():
    found = changes(table((0, 0, 0, 32.1, 1)), table((0, 0, 0, 37.1, 1)), dt=10.0)
    assert found.delay_changed.values.tolist() == [True]
    found = changes(table((0, 0, 0, 32.1, 1)), table((0, 0, 0, 37.0, 1)), dt=10.0)
    assert found.delay_changed.values.tolist() == [False]


def test_changes__nothing_changes_between_a_table_and_itself():
    one = table((0, 1, 0, 10, 1), (2, 3, 0, 5, -1))
    assert all(not found for found in flags(changes(one, one, dt=10.0)).values())


def test_changes__a_network_may_lose_every_synapse():
    found = changes(table((0, 1, 0, 10, 1)), table(), dt=10.0)
    assert flags(found) == {(0, 1, 0): {"died"}}
    assert changes(table(), table(), dt=10.0).sizes["synapse"] == 0


def test_changes__synapses_without_an_identity_are_refused():
    with pytest.raises(BadInput, match="share source, target and contact"):
        changes(table((0, 1, 0, 10, 1), (0, 1, 0, 20, 1)), table(), dt=10.0)
