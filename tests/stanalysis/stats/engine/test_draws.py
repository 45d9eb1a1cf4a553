from typing import get_args

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stanalysis.kernels.permutations import address, shuffle
from stanalysis.stats.engine.draws import field_streams, p_values, stream, z_scores
from stanalysis.stats.engine.nulls import Alternative

wraps_around = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # uint64, when not compiled


@pytest.mark.parametrize("alternative", get_args(Alternative))
@pytest.mark.parametrize("n", [4, 12])
def test_p_values__equal_scipy(alternative, n):
    random = np.random.default_rng(n)
    x, y = random.integers(0, 4, (2, n)).astype(float)  # few values: many ties
    reference = stats.permutation_test(
        (x, y), lambda x, y, axis: x.mean(axis) - y.mean(axis), vectorized=True, n_resamples=60, alternative=alternative, rng=1
    )
    draws = reference.null_distribution
    found = p_values(np.array([reference.statistic]), draws[None], alternative=alternative, resolution=1e-12)
    assert found == pytest.approx(reference.pvalue)


@given(st.lists(st.integers(0, 3), min_size=1), st.integers(0, 3), st.floats(-1e-9, 1e-9))
def test_p_values__count_ties_within_rounding(draws, observed, error):
    exact = p_values(np.array([float(observed)]), np.array([draws], float), alternative="greater", resolution=0)
    off = p_values(np.array([observed + error]), np.array([draws], float), alternative="greater", resolution=2e-9)
    assert exact == off == (sum(d >= observed for d in draws) + 1) / (len(draws) + 1)


def test_p_values__take_a_draw_without_a_value_for_extreme():
    draws = np.array([[np.nan, 0.0, 0.0]])
    for alternative in get_args(Alternative):
        p = p_values(np.array([1.0]), draws, alternative=alternative, resolution=0)
        assert p == {"greater": 0.5, "less": 1, "two-sided": 1}[alternative]


def test_p_values__are_nan_without_an_observed_value_or_draws():
    assert np.isnan(p_values(np.array([np.nan]), np.zeros((1, 9)), alternative="less", resolution=0))
    assert np.isnan(p_values(np.array([1.0]), np.zeros((1, 0)), alternative="less", resolution=0))


def test_z_scores__are_nan_where_draws_do_not_differ():
    draws = np.array([[1.0, 1 + 1e-15], [0.0, 2.0], [np.nan, 2.0], [np.nan, np.nan]])
    z = z_scores(np.full(4, 2.0), np.ones(4), draws, resolution=1e-12)
    np.testing.assert_allclose(z, [np.nan, np.sqrt(0.5), np.nan, np.nan])
    assert np.isnan(z_scores(np.ones(1), np.ones(1), np.ones((1, 1)), resolution=0))


def test_z_scores__are_nan_where_a_handful_of_draws_carries_all_that_they_vary():
    few, enough = np.zeros((2, 999))
    few[:9], enough[:15] = 1, 1  # as of joins, where hardly any two synapses are neighbours
    jitter = 1e-5 * np.random.default_rng(0).standard_normal((1, 999))  # as of Moran's I, whose mean moves a little
    for draws in (few + jitter, few[None]):
        assert np.isnan(z_scores(np.ones(1), draws.mean(axis=1), draws, resolution=1e-12))
        assert p_values(np.ones(1), draws, alternative="greater", resolution=1e-3) == pytest.approx(0.01)
    assert z_scores(np.ones(1), enough.mean(keepdims=True), enough[None], resolution=1e-12) == pytest.approx(8.1, abs=0.1)


@pytest.mark.parametrize(
    ("n", "fewest"), [(9, 1), (19, 2), (29, 2), (49, 3), (99, 4), (199, 6), (499, 10), (999, 10), (1999, 20)]
)
def test_z_scores__need_more_than_a_handful_of_draws_that_differ(n, fewest):
    for k in range(1, 2 * fewest + 1):
        draws = (np.arange(n) < k).astype(float)[None]
        z = z_scores(np.array([3.0]), np.array([k / n]), draws, resolution=1e-9)
        assert np.isfinite(z) == (k >= fewest)


@pytest.mark.parametrize("n", [2, 5, 9, 19, 29, 49, 99, 999])
def test_z_scores__are_given_whenever_draws_are_of_a_bell_curve(n):
    random = np.random.default_rng(n)
    draws = random.standard_normal((10_000_000 // max(n, 100), n))
    squares = np.square(draws - draws.mean(axis=1, keepdims=True))
    makers = np.square(squares.sum(axis=1)) / np.square(squares).sum(axis=1)
    draws = draws[np.argsort(makers)[:1000]]  # those that are nearest to having no z
    assert np.isfinite(z_scores(np.zeros(1000), draws.mean(axis=1), draws, resolution=1e-9)).all()


@pytest.mark.parametrize(("n", "kept"), [(19, 0.98), (49, 0.98), (99, 0.98), (199, 0.99), (999, 1)])
def test_z_scores__of_skewed_draws_are_given(n, kept):
    random = np.random.default_rng(n)
    zero = np.zeros(2000)
    z = z_scores(zero, zero + 1, random.standard_exponential((2000, n)), resolution=1e-9)
    assert np.isfinite(z).mean() >= kept


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e-100, 1e100, 1e200, 1e300])
def test_z_scores__are_the_same_in_every_unit(unit):
    draws = np.stack([np.random.default_rng(0).standard_normal(99), np.arange(99) < 3.0, np.arange(99) < 6.0])
    observed, expected = np.array([2.0, 1.0, 1.0]), draws.mean(axis=1)
    z = z_scores(observed, expected, draws, resolution=1e-9)
    assert np.isfinite(z).tolist() == [True, False, True]
    np.testing.assert_allclose(z_scores(unit * observed, unit * expected, unit * draws, resolution=1e-9 * unit), z)


def test_z_scores__are_nan_where_the_draws_have_missed_what_makes_the_mean():
    random = np.random.default_rng(0)
    draws = 1e-5 * random.standard_normal((1, 199))  # without the 1 in 500 of value 1
    observed = draws[:, 0]
    assert np.isnan(z_scores(observed, np.array([1 / 500]), draws, resolution=1e-12))
    assert np.isfinite(z_scores(observed, np.array([1e-5]), draws, resolution=1e-12))


@given(st.integers(1, 99), st.integers(0, 999))
def test_z_scores__never_contradict_their_p_value(k, seed):
    """By Cantelli no more than R / (1 + z²) of R draws are z or more standard deviations above their mean."""
    random = np.random.default_rng(seed)
    draws = np.where(random.permutation(199) < k, 1.0, 1e-3 * random.standard_normal(199))[None]
    exact = np.array([k / 199 + random.normal(0, 0.02)])
    observed = draws[:, :1]
    z = z_scores(observed[:, 0], exact, draws, resolution=1e-9)
    p = p_values(observed[:, 0], draws, alternative="greater", resolution=1e-9)
    assert np.isnan(z) or abs(z) <= np.sqrt(1 / p) + 2


def test_field_streams__belong_to_labels():
    field = xr.DataArray(
        np.zeros((2, 3)),
        {"step": [0, 10], "target": ["a", "b", "c"], "epoch": ("step", [0, 1])},
        ("step", "target"),
    )
    base = stream(0, 1)
    all_fields = field_streams(base, field).reshape(2, 3)
    assert len(np.unique(all_fields)) == 6
    turned = field_streams(base, field.transpose("target", "step")).reshape(3, 2)
    np.testing.assert_array_equal(turned, all_fields.T)
    some = field_streams(base, field.sel(target=["c", "a"])).reshape(2, 2)
    np.testing.assert_array_equal(some, all_fields[:, [2, 0]])
    assert field_streams(base, field.sel(step=10, target="b")) == all_fields[1, 1]
    assert field_streams(base, field.sel(step=10.0, target=["b"])) == all_fields[1, 1]
    assert not np.isin(field_streams(stream(1, 1), field), all_fields).any()


def test_field_streams__take_the_position_for_a_missing_label():
    plain = xr.DataArray(np.zeros(3), dims="target")
    labelled = plain.assign_coords(target=np.arange(3.0))
    np.testing.assert_array_equal(field_streams(stream(0, 1), plain), field_streams(stream(0, 1), labelled))


def test_field_streams__of_joint_targets_are_one_per_network():
    labels = xr.DataArray(np.zeros((2, 3)), {"step": [0, 10], "target": ["a", "b", "c"]}, ("step", "target"))
    joint = field_streams(stream(0, 1), labels, joint=True).reshape(2, 3)
    assert (joint == joint[:, :1]).all()
    assert joint[0, 0] != joint[1, 0]
    assert not np.isin(joint, field_streams(stream(0, 1), labels)).any()
    assert field_streams(stream(0, 1), labels.sel(step=10, target="b"), joint=True) == joint[1, 0]


@pytest.mark.kernel
@wraps_around
def test_shuffle__draws_every_permutation_equally_often():
    order = np.empty(3, np.int32)
    seen = []
    for draw in range(1200):
        shuffle(np.uint64(address(np.uint64(7), np.uint64(draw))), order, np.empty_like(order))
        seen.append(tuple(int(i) for i in order))
    counts = np.unique(seen, axis=0, return_counts=True)[1]
    assert stats.chisquare(counts, [200] * 6).pvalue > 0.001
