from __future__ import annotations

import sys

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from stanalysis.errors import BadInput
from stanalysis.schema.statistics import COMPARISON
from stanalysis.schema.variables import validate
from stanalysis.stats.replicates.comparison import compare

FAST = {"a": "before", "b": "after", "n_bootstrap": 199, "seed": 0}


def of_networks(before, after, *, seeds=None):
    """Responses (..., network) of two conditions as values; equal seeds unless others are given."""
    before, after = np.asarray(before, float), np.asarray(after, float)
    neurons = ("target",) * (before.ndim > 1)
    n = len(before), len(after)
    return xr.DataArray(
        np.concatenate([before, after]),
        dims=("network", *neurons),
        coords={
            "condition": ("network", ["before"] * n[0] + ["after"] * n[1]),
            "seed": ("network", seeds or [*range(n[0]), *range(n[1])]),
        },
    )


def simulated(n_networks, n_neurons, *, n_data, between, shared=0.0, seed=0):
    """Data sets (data, network, target) without a difference: neurons of unit variance, networks and seeds that vary."""
    random = np.random.default_rng(seed)
    of_seed = np.tile(random.normal(size=(n_data, n_networks, 1)), (1, 2, 1)) * shared**0.5
    of_network = random.normal(size=(n_data, 2 * n_networks, 1)) * between**0.5
    neurons = of_seed + of_network + random.normal(size=(n_data, 2 * n_networks, n_neurons)) * (1 - between) ** 0.5
    coords = of_networks(np.zeros(n_networks), np.zeros(n_networks)).coords
    return xr.DataArray(neurons, dims=("data", "network", "target"), coords=coords)


def interval_coverage(n_networks, *, paired, n_data):
    """The share of 95 % intervals that hold the true difference, 0, of normal responses."""
    values = simulated(n_networks, 1, n_data=n_data, between=0.0, seed=n_networks).squeeze("target", drop=True)
    found = compare(values, a="before", b="after", paired=paired, n_permutations=1, n_bootstrap=999, seed=0)
    return float(((found.lower <= 0) & (found.upper >= 0)).mean())


def difference(a, b, axis):
    return b.mean(axis=axis) - a.mean(axis=axis)


def welch(a, b, axis):
    return stats.ttest_ind(b, a, axis=axis, equal_var=False).statistic


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize(("paired", "n_a", "n_b"), [(True, 6, 6), (False, 4, 4), (False, 3, 6)])
def test_compare__equals_exact_permutation_of_scipy(paired, n_a, n_b, alternative):
    random = np.random.default_rng(n_b)
    a, b = random.normal(size=n_a), random.normal(size=n_b) + 0.7
    found = compare(of_networks(a, b), paired=paired, alternative=alternative, **FAST)
    expected = stats.permutation_test(
        (a, b),
        difference if paired else welch,
        permutation_type="samples" if paired else "independent",
        alternative=alternative,
        n_resamples=np.inf,
    )
    assert float(found.difference) == pytest.approx(difference(a, b, axis=-1))
    assert float(found.p_value) == pytest.approx(expected.pvalue, abs=1e-12)
    validate(found, COMPARISON, required=tuple(set(COMPARISON) - {"n_not_converged"}))


def test_compare__many_networks_have_random_arrangements():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 20))
    p = [float(compare(of_networks(a, b), n_permutations=n, **FAST).p_value) for n in (999, 9999)]
    assert p == pytest.approx([stats.ttest_rel(a, b).pvalue] * 2, abs=0.06)
    assert p[0] * 1000 == pytest.approx(round(p[0] * 1000))
    far = compare(of_networks(a, a + 9 + b), n_permutations=999, **FAST)
    assert float(far.p_value) == float(far.smallest_p) == 2 / 1000


def test_compare__finds_a_planted_difference_in_the_mean_of_neurons():
    values = simulated(6, 40, n_data=1, between=0.1, shared=3.0).isel(data=0)
    planted = values + 2.0 * (values.condition == "after")
    found = compare(planted, **FAST)
    assert found.attrs["paired"] == 1
    assert float(found.p_value) == float(found.smallest_p) == 2 / 2**6
    assert float(found.lower) < 2 < float(found.upper)
    responses = planted.mean("target")
    assert float(found.mean_b) == pytest.approx(float(responses[responses.condition == "after"].mean()))
    alone = compare(planted, paired=False, **FAST)
    assert float(alone.upper - alone.lower) > float(found.upper - found.lower)


def test_compare__effect_size_is_hedges_g_or_its_paired_analogue():
    a, b = np.array([1.0, 2.0, 4.0, 5.0]), np.array([2.0, 4.0, 5.0, 9.0])
    paired, alone = (compare(of_networks(a, b), paired=p, **FAST) for p in (True, False))
    assert float(paired.effect_size) == pytest.approx((b - a).mean() / (b - a).std(ddof=1) * (1 - 3 / 11), rel=0.01)
    pooled = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    assert float(alone.effect_size) == pytest.approx((b - a).mean() / pooled * (1 - 3 / 23), rel=0.01)
    assert alone.attrs["effect_size"] == "Hedges' g"


@given(
    hnp.arrays(np.int64, (2, 5), elements=st.integers(-20, 20)),
    st.booleans(),
    st.sampled_from([0.1, 3.0]),
    st.sampled_from([0.0, -7.7]),
)
@settings(max_examples=30, deadline=None)
def test_compare__ignores_offset_and_scale_and_knows_its_mirror(responses, paired, scale, offset):
    a, b = responses
    one = compare(of_networks(a, b), paired=paired, **FAST)
    other = compare(of_networks(a * scale + offset, b * scale + offset), paired=paired, **FAST)
    mirror = compare(of_networks(b, a), paired=paired, **FAST)
    for name in ("p_value", "effect_size"):
        np.testing.assert_allclose(other[name], one[name], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(mirror[name], one[name] * (-1 if name == "effect_size" else 1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(other.upper, one.upper * scale, rtol=1e-9, atol=1e-12)


def test_compare__does_not_depend_on_order_company_or_chunks(monkeypatch):
    values = simulated(12, 7, n_data=3, between=0.2).rename(data="statistic")
    values[1, 3, :5], values[2, 4] = np.nan, np.nan
    for paired in (True, False):
        whole = compare(values, paired=paired, n_permutations=99, **FAST)
        shuffled = values.isel(network=np.random.default_rng(0).permutation(24)).transpose("target", "network", "statistic")
        xr.testing.assert_allclose(compare(shuffled, paired=paired, n_permutations=99, **FAST), whole, rtol=1e-12)
        for k in range(3):
            alone = compare(values.isel(statistic=k), paired=paired, n_permutations=99, **FAST)
            xr.testing.assert_allclose(alone, whole.isel(statistic=k), rtol=1e-12)
        with monkeypatch.context() as patch:
            patch.setattr(sys.modules["stanalysis.stats.replicates.comparison"], "NUMBERS_AT_ONCE", 200)
            xr.testing.assert_identical(compare(values, paired=paired, n_permutations=99, **FAST), whole)


def test_compare__counts_networks_without_an_answer_and_leaves_their_partners_out():
    values = simulated(5, 6, n_data=1, between=0.2).isel(data=0)
    values[2], values[7, :4] = np.nan, np.nan
    values[8, 0] = np.inf
    paired, alone = (compare(values, paired=p, **FAST) for p in (True, False))
    assert [int(paired[n]) for n in ("n_a", "n_b", "n_unanswered")] == [4, 4, 1]
    assert [int(alone[n]) for n in ("n_a", "n_b", "n_unanswered")] == [4, 5, 1]
    assert float(paired.smallest_p) == 2 / 2**4
    kept = [k for k in range(10) if k not in (2, 7)]
    expected = compare(values.isel(network=kept), paired=True, **FAST)
    assert float(expected.difference) == float(paired.difference)
    assert float(expected.p_value) == float(paired.p_value)


@pytest.mark.parametrize(("n_a", "n_b"), [(1, 1), (1, 4)])
def test_compare__one_network_of_a_condition_answers_nothing(n_a, n_b):
    found = compare(of_networks(np.ones(n_a), np.arange(n_b)), **FAST)
    assert np.isnan([found.p_value, found.lower, found.upper, found.effect_size]).all()
    assert float(found.smallest_p) == 1
    assert float(found.difference) == pytest.approx((n_b - 1) / 2 - 1)
    silent = compare(of_networks(np.full(3, np.nan), np.arange(3.0)), **FAST)
    assert np.isnan([silent.difference, silent.mean_a, silent.p_value]).all()
    assert int(silent.n_unanswered) == 3


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("constant", [0.0, 0.1])
def test_compare__constant_values_show_no_difference(paired, constant):
    found = compare(of_networks([constant] * 4, [constant] * 4), paired=paired, **FAST)
    assert float(found.p_value) == 1
    assert np.isnan([found.effect_size, found.lower, found.upper]).all()
    shifted = compare(of_networks([0.1, 0.2, 0.3], [1.1, 1.2, 1.3]), paired=True, **FAST)
    assert np.isnan([shifted.effect_size, shifted.lower]).all()
    assert float(shifted.p_value) == float(shifted.smallest_p) == 0.25


def test_compare__keeps_the_unit_of_the_values():
    found = compare(of_networks([1, 2], [3, 5]).assign_attrs(units="ms"), **FAST)
    assert found.difference.attrs["units"] == found.upper.attrs["units"] == "ms"
    assert found.effect_size.attrs["units"] == "1"


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("n_networks", [3, 5])
def test_compare__intervals_hold_the_true_difference(n_networks, paired):
    assert 0.9 <= interval_coverage(n_networks, paired=paired, n_data=300) <= 0.985


def test_compare__intervals_do_not_count_the_spread_of_neurons_twice():
    values = simulated(5, 20, n_data=200, between=0.01, shared=0.1)
    found = compare(values, n_permutations=1, **FAST)
    assert 0.9 <= float(((found.lower <= 0) & (found.upper >= 0)).mean()) <= 0.985


def test_compare__p_values_are_right_where_those_of_neurons_are_not():
    values = simulated(5, 50, n_data=200, between=0.2)
    assert float((compare(values, paired=False, n_permutations=300, **FAST).p_value <= 0.05).mean()) <= 0.09
    before, after = (values.isel(network=values.condition == c).values.reshape(200, -1) for c in ("before", "after"))
    assert (stats.ttest_ind(before, after, axis=1).pvalue <= 0.05).mean() > 0.4


@pytest.mark.parametrize("paired", [True, False])
def test_compare__mixed_model_reads_the_t_statistic_of_responses_as_normal(paired):
    pytest.importorskip("statsmodels")
    values = simulated(4, 30, n_data=6, between=0.5, shared=0.5, seed=3)
    found = compare(values, paired=paired, method="mixed", **FAST)
    responses = values.mean("target").values
    t_test = stats.ttest_rel if paired else stats.ttest_ind
    t = t_test(responses[:, 4:], responses[:, :4], axis=1).statistic
    answered = found.n_not_converged.values == 0
    assert answered.sum() >= 5
    np.testing.assert_allclose(found.p_value[answered], 2 * stats.norm.sf(np.abs(t))[answered], atol=2e-3)
    greater = compare(values, paired=paired, method="mixed", alternative="greater", **FAST)
    np.testing.assert_allclose(greater.p_value[answered], stats.norm.sf(t)[answered], atol=2e-3)


def test_compare__mixed_model_without_a_spread_between_networks_has_no_p_value():
    pytest.importorskip("statsmodels")
    values = simulated(3, 10, n_data=1, between=0.0).isel(data=0)
    values = values - values.mean("target")
    values[1, :3] = np.nan
    found = compare(values, method="mixed", **FAST)
    assert np.isnan(found.p_value)
    assert int(found.n_not_converged) == 1
    assert int(compare(0 * values, method="mixed", **FAST).n_not_converged) == 1
    single = compare(values.isel(network=[0, 3]), method="mixed", **FAST)
    assert np.isnan(single.p_value)
    assert int(single.n_not_converged) == 0


def test_compare__says_what_a_mixed_model_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsmodels.regression.mixed_linear_model", None)
    with pytest.raises(BadInput, match=r"\[mixed\]"):
        compare(simulated(2, 3, n_data=1, between=0.1), method="mixed", **FAST)
    with pytest.raises(BadInput, match="'target'"):
        compare(of_networks([1, 2], [3, 4]), method="mixed", **FAST)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"replicates": "neurons"}, "share training and initialisation"),
        ({"a": "after"}, "before"),
        ({"b": "sparse"}, "after, before"),
        ({"alternative": "larger"}, "two-sided"),
        ({"method": "bayes"}, "mixed"),
        ({"n_permutations": 0}, "n_permutations"),
        ({"n_bootstrap": 0}, "n_bootstrap"),
        ({"confidence": 95}, "confidence"),
        ({"seed": -1}, "seed"),
    ],
)
def test_compare__refuses_bad_options(options, named):
    with pytest.raises(BadInput, match=named):
        compare(of_networks([1, 2], [3, 4]), **(FAST | options))


def test_compare__refuses_networks_it_cannot_match():
    with pytest.raises(BadInput, match="paired=False"):
        compare(of_networks([1, 2], [3, 4], seeds=[0, 1, 1, 2]), paired=True, **FAST)
    assert compare(of_networks([1, 2], [3, 4], seeds=[0, 1, 1, 2]), **FAST).attrs["paired"] == 0
    with pytest.raises(BadInput, match="two networks of seed 1"):
        compare(of_networks([1, 2], [3, 4], seeds=[1, 1, 1, 2]), **FAST)
    with pytest.raises(BadInput, match="'condition'"):
        compare(of_networks([1, 2], [3, 4]).drop_vars("condition"), **FAST)
    with pytest.raises(BadInput, match="real numbers"):
        compare(of_networks([1, 2], [3, 4]).astype(str), **FAST)
