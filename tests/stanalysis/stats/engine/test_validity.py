from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import xarray as xr

from stanalysis.fields.delay_bins import bins_of_projection
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.stats.engine.synapse_lists import listed
from stanalysis.stats.engine.validity import doubts, may_share_permutations, shares_signs, sized_doubts
from stanalysis.synthetic.fields import noise_fields, planted_segregation, planted_sweeps
from stanalysis.synthetic.network import event_based_network, small_network
from tests.calibration.generators import GENERATORS, PLANTED, drawn_fields, sign_of_source

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


DEPENDS = {  # generator of noise: a word of the reason by null, and the sign of the size where it has one
    "magnitude ~ delay": ("magnitude of weights depends on their delay", ("delays", "weights", "rows", "cells"), -1),
    "magnitude ~ delay, 80/20": ("magnitude of weights depends on their delay", ("delays", "weights", "rows", "cells"), -1),
    "magnitude ~ delay, positive": ("magnitude of weights depends on their delay", ("delays", "weights", "rows", "cells"), -1),
    "sign ~ delay": (
        "sign of weights depends on their delay",
        ("delays", "weights", "signs", "source-signs", "rows", "cells"),
        -1,
    ),
    "sign ~ source": (
        "sign of weights varies smoothly over sources",
        ("weights", "signs", "source-signs", "sources", "cells"),
        1,
    ),
}


@pytest.mark.parametrize("n_target", [32, 128])
@pytest.mark.parametrize("name", DEPENDS)
def test_doubts__of_what_depends_on_delay_or_source_alone(name, n_target):
    reason, nulls, direction = DEPENDS[name]
    noise, fails = GENERATORS[name]
    for seed in range(64 // n_target + 1):
        field = noise(n_target, seed=seed)
        for null in NULLS:
            found = {doubt.reason.split(",")[0]: doubt for doubt in sized_doubts(field, null=null, seed=seed)}
            found.pop("the synapses are not spread over sources as over cells (as where every source has one)", None)
            assert len(found) == (null in nulls), null
            for doubt in found.values():
                assert reason in doubt.reason
                assert repr(null) in doubt.reason
                assert 0.1 < direction * doubt.size < 1
            assert (null in fails) == (null in nulls)


@pytest.mark.parametrize("n_target", [32, 128])
def test_doubts__of_one_profile_of_signs_over_sources_for_all(n_target):
    field = drawn_fields(n_target, partial(sign_of_source, own=False), seed=1)
    for null in ("weights", "signs", "source-signs", "sources"):
        (sentence,) = doubts(field, null=null, seed=0)
        assert "sign of weights varies smoothly over sources" in sentence
    assert doubts(field, null="delays", seed=0) == []


def test_doubts__of_a_dependence_on_delay_that_is_no_trend():
    """Both the short and the long ones are strong."""

    def strong_ends(rng, source, delay):
        return rng.standard_normal(delay.shape) * np.exp(6 * (delay - 0.5) ** 2)

    (doubt,) = sized_doubts(drawn_fields(64, strong_ends, seed=0), null="delays")
    assert doubt.measure.startswith("share of its variance")
    assert 0.02 < doubt.size < 0.5
    assert doubt.sentence.endswith(f"within neurons {doubt.size:.2f})")


def test_doubts__are_all_that_apply():
    field = GENERATORS["sign ~ delay + source"].draw(64, seed=0)
    words = [sentence.split(" of weights ")[1].split(",")[0] for sentence in doubts(field, null="weights", seed=0)]
    assert words == ["depends on their delay", "varies smoothly over sources"]


def test_doubts__of_targets_that_share_signs_by_chance_they_do_not():
    """Each source leans to one sign at all targets; neither source nor delay is smooth."""
    leans = np.random.default_rng(0).choice([0.2, 0.8], 40)

    def leaning(rng, source, delay):
        return np.where(rng.random(delay.shape) < leans, 1.0, -1.0) * abs(rng.standard_normal(delay.shape))

    dense = drawn_fields(64, leaning, seed=0)
    sparse = dense.where(np.random.default_rng(1).random(dense.shape) < 0.5, 0)
    for null in ("signs", "weights", "source-signs"):
        assert doubts(dense, null=null, seed=0) == []  # all targets share their draws
        (doubt,) = sized_doubts(sparse, null=null, seed=0)
        assert "targets share the signs of sources" in doubt.reason
        assert doubt.size == pytest.approx(0.36 / 2, abs=0.03)  # half of the sources are there for both
    assert doubts(sparse, null="delays", seed=0) == []
    assert doubts(noise_fields(64, sparsity=0.5, seed=0), null="signs", seed=0) == []


def test_doubts__where_targets_share_the_delays_of_sources_these_are_asked():
    """Of 40 pairs of a delay and a strength, that each of 64 targets repeats, no more is known than of 40."""
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        delay, strength = rng.integers(25, size=(40, 1)), rng.exponential(size=(1, 40, 1))
        at = np.arange(25) == delay
        weight = strength * rng.standard_normal((64, 40, 1))
        found += doubts(xr.DataArray(at * weight, dims=("target", "source", "delay")), null="delays")
    assert found == []
    weight = np.exp(-2 * delay / 25) * rng.standard_normal((64, 40, 1))
    (sentence,) = doubts(xr.DataArray(at * weight, dims=("target", "source", "delay")), null="delays")
    assert "magnitude of weights depends on their delay" in sentence


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
def test_doubts__there_are_none_of_nulls_to_which_these_are_noise(null, field):
    assert doubts(field, null=null, seed=0) == []


def test_doubts__structure_is_no_doubt_unless_delay_or_source_alone_tell_of_it():
    blobs = PLANTED["exclusive-or of four blobs"](100, seed=0)
    for null in ("delays", "weights", "signs", "source-signs", "sources"):
        assert doubts(blobs, null=null, seed=0) == []
        assert doubts(planted_sweeps(100, seed=0), null=null, seed=0) == []
    assert "sign of weights depends on their delay" in doubts(planted_segregation(100, seed=0), null="signs", seed=0)[0]


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


def test_doubts__numbers_of_synapses_that_vary_smoothly_over_sources_are_structure_to_sources():
    (reason,) = doubts(GENERATORS["smooth in-degree"].draw(64, seed=0), null="sources", seed=0)
    assert reason.startswith("the number of synapses varies smoothly over sources")
    assert doubts(GENERATORS["slots"].draw(64, seed=0), null="sources", seed=0) == []
    assert doubts(GENERATORS["smooth in-degree"].draw(64, seed=0), null="delays", seed=0) == []
