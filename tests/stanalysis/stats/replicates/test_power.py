from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stanalysis.errors import BadInput
from stanalysis.stats.replicates.power import power_of_seeds, seeds_needed, smallest_p


def simulated_power(effect_size, n_seeds, *, paired, alternative, n_data=4000):
    """The share of data sets in which an exact permutation test, all arrangements written out, reaches .05."""
    random = np.random.default_rng(n_seeds)
    b = random.normal(size=(n_data, n_seeds)) + effect_size
    if paired:
        draws = b @ np.array(list(product([1.0, -1.0], repeat=n_seeds))).T
    else:
        chosen = [np.isin(np.arange(2 * n_seeds), c) for c in combinations(range(2 * n_seeds), n_seeds)]
        draws = np.hstack([random.normal(size=(n_data, n_seeds)), b]) @ np.array(chosen).T.astype(float)
    observed = b.sum(axis=1, keepdims=True)
    greater, less = (draws >= observed - 1e-9).mean(axis=1), (draws <= observed + 1e-9).mean(axis=1)
    p = {"two-sided": 2 * np.minimum(greater, less), "greater": greater, "less": less}[alternative]
    return (p <= 0.05 + 1e-12).mean()


@pytest.mark.parametrize(
    ("effect_size", "n_seeds", "paired", "alternative", "agreement"),
    [
        (1.5, 6, True, "two-sided", 0.09),
        (1.0, 7, True, "two-sided", 0.03),
        (-1.2, 8, True, "less", 0.03),
        (1.0, 9, True, "two-sided", 0.03),
        (2.0, 5, False, "two-sided", 0.03),
        (1.0, 5, False, "greater", 0.03),
        (2.0, 5, True, "two-sided", 0.0),
        (3.0, 3, False, "two-sided", 0.0),
    ],
)
def test_power_of_seeds__agrees_with_simulated_permutation_tests(effect_size, n_seeds, paired, alternative, agreement):
    found = power_of_seeds(effect_size, n_seeds, paired=paired, alternative=alternative)
    simulated = simulated_power(effect_size, n_seeds, paired=paired, alternative=alternative)
    assert found == pytest.approx(simulated, abs=agreement)


def test_power_of_seeds__without_an_effect_is_the_level_that_the_arrangements_allow():
    assert power_of_seeds(0, 6, paired=True) == pytest.approx(2 / 64)
    assert power_of_seeds(0, 4, paired=False, alternative="less") == pytest.approx(3 / 70)
    assert power_of_seeds(0, 40, paired=True) == pytest.approx(0.05)
    assert power_of_seeds(9, 1, paired=True) == power_of_seeds(9, 0, paired=False) == 0


def test_power_of_seeds__mirrors_and_stays_finite_for_any_effect():
    for n, paired in ((4, False), (9, True), (3000, False)):
        effects = np.linspace(-60, 60, 25)
        power = [power_of_seeds(d, n, paired=paired) for d in effects]
        np.testing.assert_allclose(power, power[::-1], atol=1e-12)
        less = [power_of_seeds(-d, n, paired=paired, alternative="less") for d in effects]
        np.testing.assert_allclose(less, [power_of_seeds(d, n, paired=paired, alternative="greater") for d in effects])
        assert power[0] == pytest.approx(1)


@given(st.floats(0.05, 6), st.booleans(), st.sampled_from(["two-sided", "greater"]), st.floats(0.1, 0.95))
@settings(max_examples=40, deadline=None)
def test_seeds_needed__is_the_smallest_number_that_does(effect_size, paired, alternative, power):
    n = seeds_needed(effect_size, paired=paired, power=power, alternative=alternative)
    options = {"paired": paired, "alternative": alternative}
    assert power_of_seeds(effect_size, n, **options) >= power
    assert all(power_of_seeds(effect_size, k, **options) < power for k in range(2, min(n, 40)))
    assert power_of_seeds(effect_size, n - 1, **options) < power
    assert smallest_p(n, n, n_permutations=10**9, **options) <= 0.05


def test_seeds_needed__of_a_weak_effect_is_that_of_the_normal():
    normal = (stats.norm.isf(0.025) + stats.norm.isf(0.2)) ** 2
    assert seeds_needed(0.02, paired=True) == pytest.approx(normal / 0.02**2, rel=1e-3)
    assert seeds_needed(-0.02, paired=False, alternative="two-sided") == pytest.approx(2 * normal / 0.02**2, rel=1e-3)


def test_seeds_needed__is_never_fewer_than_the_arrangements_need():
    assert [seeds_needed(50, paired=p) for p in (True, False)] == [6, 4]
    assert [seeds_needed(50, paired=p, alternative="greater") for p in (True, False)] == [5, 3]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: seeds_needed(0.0, paired=True), "effect of 0"),
        (lambda: seeds_needed(-1.0, paired=True, alternative="greater"), "direction"),
        (lambda: seeds_needed(1.0, paired=True, power=1.0), "power"),
        (lambda: power_of_seeds(np.nan, 3, paired=True), "effect size"),
        (lambda: power_of_seeds(1.0, -3, paired=True), "n_seeds"),
        (lambda: power_of_seeds(1.0, 3, paired=True, level=5), "level"),
        (lambda: power_of_seeds(1.0, 3, paired=True, alternative="up"), "alternative"),
    ],
)
def test_power__refuses_bad_input(call, named):
    with pytest.raises(BadInput, match=named):
        call()


def test_smallest_p__with_random_arrangements_is_that_of_their_number():
    assert smallest_p(20, 20, paired=True, alternative="greater", n_permutations=999) == 1 / 1000
    assert smallest_p(2, 2, paired=True, alternative="two-sided", n_permutations=999) == 0.5
    assert smallest_p(2, 2, paired=True, alternative="two-sided", n_permutations=1) == 1
    assert smallest_p(1, 9, paired=False, alternative="greater", n_permutations=999) == 1
