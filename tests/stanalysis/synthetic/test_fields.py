import math
from functools import partial

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stanalysis.errors import BadInput
from stanalysis.synthetic.fields import noise_fields, planted_fields, planted_segregation, planted_sweeps

PLANTED = [planted_fields, planted_sweeps, planted_segregation]
every_option = st.fixed_dictionaries(
    {
        "signs": st.sampled_from(["mixed", "one", "dale"]),
        "gain": st.sampled_from(["flat", "smooth"]),
        "sparsity": st.sampled_from([0, 0.5, 0.9]),
    }
)
every_place = st.sampled_from([{"delays": d} for d in ("uniform", "short", "clamped")] + [{"placement": "slots"}])


def weights_in_order(field):
    """Weights (target, source) of fields with one synapse per source."""
    return field.sum("delay").values


def bins_in_order(field):
    """Delay bins (target, source) of fields with one synapse per source."""
    return (field != 0).argmax("delay").values


@pytest.mark.parametrize("make", [noise_fields, partial(noise_fields, signs="dale", gain="smooth"), *PLANTED])
def test_fields__have_one_synapse_per_source_and_delays_in_ms(make):
    field = make(4, n_source=7, n_delay=5, bin_width=10.0, seed=0)
    assert field.dims == ("target", "source", "delay")
    assert ((field != 0).sum("delay") == 1).all()
    assert field.delay.attrs["units"] == "ms"
    assert field.delay.values.tolist() == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("make", PLANTED)
def test_planted__of_a_target_do_not_depend_on_the_others(make):
    xr.testing.assert_identical(make(5, seed=3).isel(target=slice(2)), make(2, seed=3))
    assert not make(2, seed=3).equals(make(2, seed=4))
    assert not make(2, seed=3)[0].equals(make(2, seed=3)[1])
    assert make(0, seed=3).shape == (0, 40, 25)


@settings(max_examples=60, deadline=None)
@given(every_option, every_place, st.integers(1, 9), st.integers(1, 6), st.integers(0, 9))
def test_noise_fields__of_a_target_do_not_depend_on_the_others(option, place, n_source, n_delay, seed):
    make = partial(noise_fields, n_source=n_source, n_delay=n_delay, seed=seed, **option, **place)
    field = make(4)
    xr.testing.assert_identical(field.isel(target=slice(2)), make(2))
    assert ((field != 0).sum(("source", "delay")) <= n_source).all()
    if "delays" in place:
        assert ((field != 0).sum("delay") <= 1).all()


def test_noise_fields__have_the_delays_and_signs_asked_for():
    used = {d: (noise_fields(200, delays=d, seed=0) != 0).mean(("target", "source")) for d in ("uniform", "short", "clamped")}
    np.testing.assert_allclose(used["uniform"], 0.04, atol=0.01)
    assert used["short"][0] > 0.25
    np.testing.assert_allclose(used["clamped"][[0, -1]], 0.27, atol=0.02)
    assert (noise_fields(9, signs="one", seed=0) >= 0).all()
    assert stats.kstest(weights_in_order(noise_fields(100, seed=0)).ravel(), "norm").pvalue > 0.01


@pytest.mark.parametrize("placement", ["sources", "slots"])
def test_noise_fields__excite_with_four_sources_in_five(placement):
    field = noise_fields(500, signs="dale", placement=placement, seed=0)
    excites, inhibits = (field > 0).any("delay"), (field < 0).any("delay")
    assert not (excites & inhibits).any()
    share = float(excites.sum() / (excites.sum() + inhibits.sum()))
    assert abs(share - 0.8) < 4 * math.sqrt(0.16 / int((excites | inhibits).sum()))
    assert excites.isel(source=0).any()
    assert inhibits.isel(source=0).any()  # each target is from a network of its own
    magnitude = abs(noise_fields(500, placement=placement, seed=0))
    np.testing.assert_allclose(abs(field).mean(), magnitude.mean(), rtol=0.02)


@pytest.mark.parametrize("signs", ["mixed", "one"])
def test_noise_fields__with_smooth_gain_are_multiplied_by_a_smooth_profile(signs):
    flat, smooth = (weights_in_order(noise_fields(200, signs=signs, gain=gain, seed=0)) for gain in ("flat", "smooth"))
    gain = smooth / flat
    assert (gain > 0).all()
    assert (np.abs(np.diff(np.log(gain), axis=1)) < 2 * math.pi * 2 / 40).all()
    largest_by_smallest = gain.max(axis=1) / gain.min(axis=1)
    assert (largest_by_smallest > 6.5).all()
    assert (largest_by_smallest <= math.exp(2) * (1 + 1e-12)).all()
    turns = (np.diff(np.sign(np.diff(gain, axis=1)), axis=1) != 0).sum(axis=1)
    assert set(turns.tolist()) <= {1, 2, 3, 4}


@pytest.mark.parametrize("placement", ["sources", "slots"])
def test_noise_fields__lack_the_share_of_synapses_asked_for(placement):
    dense, sparse, sparser = (noise_fields(1000, placement=placement, sparsity=s, seed=0) for s in (0, 0.9, 0.99))
    n = {name: (field != 0).sum(("source", "delay")).values for name, field in (("sparse", sparse), ("sparser", sparser))}
    assert abs(n["sparse"].mean() - 4) < 4 * math.sqrt(3.6 / 1000)
    assert abs(n["sparser"].mean() - 0.4) < 4 * math.sqrt(0.396 / 1000)
    np.testing.assert_allclose(n["sparse"].var(), 3.6, rtol=0.2)
    xr.testing.assert_equal(sparse, dense.where(sparse != 0, 0))
    xr.testing.assert_equal(sparser, sparse.where(sparser != 0, 0))


def test_noise_fields__take_slots_uniformly_and_each_once():
    field = noise_fields(4000, n_source=6, n_delay=4, placement="slots", seed=0)
    filled = field != 0
    assert (filled.sum(("source", "delay")) == 6).all()
    assert (filled.sum("delay") > 1).any()
    # A share of 6/24 in each cell; of two cells, both with probability (6 * 5) / (24 * 23), also in one row.
    np.testing.assert_allclose(filled.mean("target"), 0.25, atol=4 * math.sqrt(0.25 * 0.75 / 4000))
    both = float((filled[:, 0, 0] & filled[:, 0, 1]).mean())
    assert abs(both - 30 / 552) < 4 * math.sqrt(30 / 552 / 4000)


def test_noise_fields__fill_every_slot_of_a_single_delay():
    assert (noise_fields(3, n_source=5, n_delay=1, placement="slots", seed=0) != 0).all()


def test_planted_fields__hold_patches_of_one_sign():
    field = planted_fields(20, n_source=12, n_delay=8, patch_sources=4, seed=0)
    sign = np.sign(weights_in_order(field)).reshape(20, 3, 4)
    assert (sign == sign[..., :1]).all()
    delay = bins_in_order(field).reshape(20, 3, 4)
    assert (np.ptp(delay, axis=2) <= 2).all()


def test_planted_sweeps__follow_a_line_in_the_direction_they_name():
    field = planted_sweeps(200, jitter=0.0, seed=0)
    line = np.rint(np.linspace(0, 24, 40))
    bins = bins_in_order(field)
    upward = field.sweep.values == 1
    assert (bins[~upward] == line).all()
    assert (bins[upward] == np.rint(np.linspace(24, 0, 40))).all()
    assert abs(upward.mean() - 0.5) < 4 * math.sqrt(0.25 / 200)


def test_planted_sweeps__scatter_by_the_jitter_and_have_random_weights():
    field = planted_sweeps(500, n_delay=60, jitter=2.0, bin_width=5.0, seed=0)
    line = np.linspace(59, 0, 40)
    line = np.where(field.sweep.values[:, None] == 1, line, line[::-1])
    inside = (line > 8) & (line < 51)
    scatter = (bins_in_order(field) - line)[inside]
    assert abs(scatter.mean()) < 0.1
    np.testing.assert_allclose(scatter.std(), math.sqrt(4 + 1 / 12), rtol=0.03)  # rounding adds 1/12
    weight = weights_in_order(field)
    assert stats.kstest(weight.ravel(), "norm").pvalue > 0.01
    assert abs(stats.pearsonr(weight[:, 1:].ravel(), weight[:, :-1].ravel()).statistic) < 4 / math.sqrt(500 * 39)


def test_planted_segregation__puts_the_signs_on_two_sides_of_a_line():
    field = planted_segregation(40, n_source=9, n_delay=7, strength=1.0, seed=0)
    source, delay = (np.arange(9)[:, None] + 0.5) / 9 - 0.5, (np.arange(7) + 0.5) / 7 - 0.5
    angle = np.linspace(0, 2 * np.pi, 2000)[:, None, None]
    side = np.cos(angle) * source + np.sin(angle) * delay
    for plane in field.values:
        separated = ((side * plane >= -1e-12) | (plane == 0)).all(axis=(1, 2))
        assert separated.any()


@pytest.mark.parametrize("strength", [0.0, 0.5, 0.8])
def test_planted_segregation__decides_as_many_signs_as_it_is_strong(strength):
    sided, field = (planted_segregation(300, strength=s, seed=0) for s in (1.0, strength))
    xr.testing.assert_equal(abs(field), abs(sided))
    agree = (1 + strength) / 2
    here = float((np.sign(weights_in_order(field)) == np.sign(weights_in_order(sided))).mean())
    assert abs(here - agree) < 4 * math.sqrt(agree * (1 - agree) / (300 * 40))
    assert abs(float((weights_in_order(field) > 0).mean()) - 0.5) < 0.03
    np.testing.assert_allclose((field != 0).mean(("target", "source")), 0.04, atol=0.01)


@pytest.mark.parametrize(
    ("make", "option", "message"),
    [
        (noise_fields, {"delays": "long"}, "uniform, short, clamped"),
        (noise_fields, {"signs": "two"}, "mixed, one, dale"),
        (noise_fields, {"gain": "rough"}, "flat, smooth"),
        (noise_fields, {"placement": "cells"}, "sources, slots"),
        (noise_fields, {"placement": "slots", "delays": "short"}, "slots are taken uniformly"),
        (noise_fields, {"sparsity": 1.0}, "from 0 to below 1"),
        (noise_fields, {"sparsity": -0.1}, "from 0 to below 1"),
        (noise_fields, {"sparsity": math.nan}, "from 0 to below 1"),
        (noise_fields, {"n_delay": 0}, "at least one source and one delay"),
        (planted_fields, {"n_source": 0}, "at least one source and one delay"),
        (planted_fields, {"patch_sources": 0}, "at least 1"),
        (planted_fields, {"n_target": -1}, "0 or more targets"),
        (planted_sweeps, {"jitter": -1.0}, "0 or more"),
        (planted_sweeps, {"bin_width": 0.0}, "bin_width is 0.0"),
        (planted_segregation, {"strength": 1.5}, "from 0 to 1"),
        (planted_segregation, {"seed": -1}, "seed is -1"),
    ],
)
def test_fields__refuse_what_they_cannot_draw(make, option, message):
    with pytest.raises(BadInput, match=message):
        make(**{"n_target": 1, "seed": 0, **option})
