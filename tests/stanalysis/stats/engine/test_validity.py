from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from stanalysis.fields.delay_bins import bins_of_projection
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.stats.engine.prepared import listed
from stanalysis.stats.engine.validity import doubts, may_share_permutations, shares_signs
from stanalysis.synthetic.fields import noise_fields, planted_segregation, planted_sweeps
from stanalysis.synthetic.network import event_based_network, small_network

SEEDS = range(50)


def as_dataset(field):
    return xr.Dataset({"receptive_field": field, "present": field != 0})


def shared_gain(n_target, *, seed):
    """Fields whose sources differ in gain, all fields alike."""
    field = noise_fields(n_target, seed=seed)
    return field * np.exp(0.5 * np.cos(2 * np.pi * field.source / field.sizes["source"]))


DOUBTFUL = {  # null: fields of which it says nothing, and a word of the reason
    "cells": (noise_fields(20, seed=0), "where every source has one"),
    "rows": (noise_fields(20, delays="clamped", seed=0), "not uniform"),
    "weights": (noise_fields(100, gain="smooth", seed=0), "smoothly over sources"),
    "sources": (noise_fields(100, gain="smooth", seed=1), "smoothly over sources"),
    "signs": (noise_fields(20, signs="dale", placement="slots", seed=0), "share a sign"),
}


@pytest.mark.parametrize("null", DOUBTFUL)
def test_doubts__are_found_where_they_are(null):
    field, reason = DOUBTFUL[null]
    (sentence,) = doubts(field, null=null, seed=0)
    assert reason in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("null", tuple(NULLS))
def test_doubts__are_rare_on_noise(null):
    # slots: cells are exchangeable, which they are not with one synapse per source
    found = [doubts(noise_fields(12, n_source=20, n_delay=12, placement="slots", seed=s), null=null, seed=s) for s in SEEDS]
    assert sum(map(bool, found)) <= 1
    if null != "cells":
        found = [doubts(noise_fields(12, n_source=20, n_delay=12, seed=s), null=null, seed=s) for s in SEEDS]
        assert sum(map(bool, found)) <= 1


@pytest.mark.parametrize("null", ["weights", "sources"])
def test_doubts__of_a_gain_are_found_in_most_networks(null):
    assert all(doubts(noise_fields(100, gain="smooth", seed=s), null=null, seed=0) for s in range(10))
    assert all(doubts(shared_gain(100, seed=s), null=null, seed=0) for s in range(10))


@pytest.mark.parametrize("null", ["delays", "source-signs", "untrained"])
@pytest.mark.parametrize("field", [field for field, _ in DOUBTFUL.values()], ids=DOUBTFUL)
def test_doubts__there_are_none_of_nulls_that_assume_nothing(null, field):
    assert doubts(field, null=null, seed=0) == []


def test_doubts__structure_is_no_doubt():
    assert doubts(planted_segregation(100, seed=0), null="weights", seed=0) == []
    assert doubts(planted_segregation(100, seed=0), null="signs", seed=0) == []
    assert doubts(planted_sweeps(100, seed=0), null="weights", seed=0) == []


@pytest.mark.parametrize("null", DOUBTFUL)
def test_doubts__are_the_same_of_an_array_and_a_dataset(null):
    field, _ = DOUBTFUL[null]
    assert doubts(as_dataset(field), null=null, seed=0) == doubts(field, null=null, seed=0)
    assert doubts(as_dataset(field).expand_dims("step"), null=null, seed=0) == doubts(field, null=null, seed=0)


@pytest.mark.parametrize("null", DOUBTFUL)
def test_doubts__a_cell_that_is_not_finite_is_left_out(null):
    field = DOUBTFUL[null][0].copy()
    field[3] = field[3].where(field[3] == 0, np.nan)
    assert doubts(as_dataset(field), null=null, seed=0) == doubts(field.drop_sel(target=3), null=null, seed=0)


def test_doubts__contacts_of_one_source_are_several_synapses():
    field = as_dataset(noise_fields(20, seed=0))
    contacts = {
        f"contact_{a}": xr.concat([field[b], field[b]], "contact") for a, b in (("field", "receptive_field"), ("present",) * 2)
    }
    doubled = field.assign(receptive_field=2 * field.receptive_field, **contacts)
    assert doubts(field, null="cells", seed=0)
    assert doubts(doubled, null="cells", seed=0)  # two each are no chance, either
    assert "share a sign" in doubts(doubled, null="signs", seed=0)[0]  # each source's two are alike


@pytest.mark.parametrize("null", tuple(NULLS))
@pytest.mark.parametrize("silent", [True, False], ids=["no synapse", "one synapse"])
def test_doubts__without_synapses_there_are_none(null, silent):
    field = 0 * noise_fields(3, seed=0)
    if not silent:
        field[0, 2, 4] = 1.0
    assert doubts(field, null=null, seed=0) == []


def test_doubts__equal_weights_have_no_gain():
    assert doubts(np.sign(noise_fields(100, seed=0)), null="weights", seed=0) == []


def test_shares_signs__of_sources_that_have_one_sign_for_all_targets():
    random = np.random.default_rng(0)
    field = noise_fields(30, n_source=12, n_delay=6, seed=3)
    one_sign = xr.where(xr.DataArray(random.random(12) < 0.5, dims="source"), abs(field), -abs(field)).transpose(*field.dims)
    assert shares_signs(one_sign)
    assert not shares_signs(field)
    assert not shares_signs(abs(field))  # nothing to share
    one_sign[4, 2] *= -1
    assert not shares_signs(one_sign)


@pytest.mark.parametrize("null", [name for name in NULLS if name != "untrained"])
def test_doubts__of_lists_are_those_of_the_fields(null):
    tree = small_network(n_source=40, n_target=30)
    table = tree["projections/input__hidden1"].to_dataset()
    table["weight"] = abs(table.weight) * (1 - 2 * (table.source % 2)) * (1 + table.source)
    tree["projections/input__hidden1"].dataset = table
    fields, lists = receptive_fields(tree, "input__hidden1"), listed(table, bins=bins_of_projection(table.attrs, dt=10.0))
    assert doubts(lists, null=null, seed=0) == doubts(fields, null=null, seed=0)
    assert may_share_permutations(lists, null=null) == may_share_permutations(fields, null=null)
    assert shares_signs(lists) == shares_signs(fields)


def test_may_share_permutations__a_silent_target_is_no_hindrance():
    tree = small_network()
    table = tree["projections/input__hidden1"].to_dataset()
    lists = listed(table.isel(synapse=table.target.values != 1), bins=bins_of_projection(table.attrs, dt=10.0))
    assert may_share_permutations(lists, null="delays")


def test_doubts__continuous_delays_may_be_uneven():
    table = event_based_network(n_source=40)["projections/input__hidden1"].to_dataset()
    assert doubts(listed(table), null="rows") == []
    table["delay"] = (table.delay**2 / 30).assign_attrs(table.delay.attrs)
    assert "not uniform" in doubts(listed(table), null="rows")[0]


def test_doubts__one_delay_of_all_synapses_leaves_nothing_to_move():
    table = event_based_network()["projections/hidden1__output"].to_dataset()
    assert "all synapses have one delay" in doubts(listed(table), null="delays")[0]
    assert doubts(listed(table), null="signs") == []
