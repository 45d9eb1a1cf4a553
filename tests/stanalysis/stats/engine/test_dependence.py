import itertools

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from stanalysis.stats.engine.dependence import NONE, _variance, dependence, ranks, shared_by_targets


def test_ranks__are_those_within_fields():
    random = np.random.default_rng(0)
    field = np.repeat([0, 2, 5], [7, 1, 4])
    values = random.integers(4, size=field.size).astype(float)
    expected = [(rankdata(values[field == f]) - 0.5) / np.sum(field == f) for f in (0, 2, 5)]
    np.testing.assert_allclose(ranks(values, field), np.concatenate(expected))
    assert ranks(np.empty(0), np.empty(0, int)).size == 0


def test_variance__is_that_over_all_orders():
    random = np.random.default_rng(1)
    x, y = random.standard_normal((6, 4)) ** 3, np.array([5.0, 1, 1, 0, -2, -5])
    x -= x.mean(axis=0)
    x *= np.sqrt(4 / np.square(x).sum())
    y *= np.sqrt(5 / np.square(y).sum())
    sums = [np.square(x.T @ y[list(order)]).sum() for order in itertools.permutations(range(6))]
    found = _variance(x, y, np.zeros(6, int), np.array([6.0]))
    np.testing.assert_allclose(found, np.var(sums))
    assert np.mean(sums) == pytest.approx(4)


def test_dependence__has_the_correlation_of_spearman():
    random = np.random.default_rng(2)
    delay, weight = random.random(50), random.random(50)
    one = np.zeros(50, int)
    found = dependence(ranks(delay, one), ranks(weight, one), one)
    expected = spearmanr(delay, weight)
    assert found.correlation == pytest.approx(expected.statistic)
    assert found.p_correlation == pytest.approx(expected.pvalue, rel=0.1)


def noise(values, n_field, n, *, seed):
    random = np.random.default_rng(seed)
    field = np.repeat(np.arange(n_field), n)
    place = ranks(random.integers(25, size=field.size).astype(float), field)
    return dependence(place, values(random, field.size), field)


VALUES = {
    "heavy tails": lambda random, n: random.standard_t(2, n),
    "signs": lambda random, n: random.choice([-1.0, 1.0], n),
    "rare signs": lambda random, n: np.where(random.random(n) < 0.05, -1.0, 1.0),
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("shape", [(1, 40), (20, 12)])
def test_dependence__of_noise_has_p_values_no_smaller_than_they_ought(values, shape):
    p = np.array([noise(values, *shape, seed=seed).p_value for seed in range(600)])
    for level in (0.05, 0.01, 0.001):
        assert np.mean(p <= level) <= level + 3.5 * np.sqrt(level * (1 - level) / p.size)


def test_dependence__nothing_varies():
    field = np.repeat([0, 1], 8)
    place = ranks(np.arange(16.0), field)
    for dull in (dependence(place, np.ones(16), field), dependence(np.full(16, 0.5), place, field)):
        assert dull == NONE
    assert dependence(place[:3], place[:3], field[:3]) == NONE
    assert dependence(place[:0], place[:0], field[:0]) == NONE


def test_dependence__of_units_is_that_of_their_mean_places():
    random = np.random.default_rng(3)
    unit = np.repeat(np.arange(12), 2)
    value = np.where(unit < 6, 1.0, -1.0)
    field = np.zeros(24, int)
    place = ranks(np.arange(24.0), field)
    assert dependence(place, value, field, unit=unit).p_value < 0.05
    one_each = dependence(place, value, field, unit=np.arange(24))
    assert one_each == dependence(place, value, field)
    paired = np.repeat(random.choice([-1.0, 1.0], 12), 2)  # as many again tell no more
    assert dependence(place, paired, field, unit=unit).p_value > dependence(place, paired, field).p_value


def signs_at(n_field, n_source, *, lean, share, seed):
    random = np.random.default_rng(seed)
    chance = 0.5 + lean * random.choice([-1, 1], n_source)
    there = random.random((n_field, n_source)) < share
    return there * np.where(random.random(there.shape) < chance, 1.0, -1.0), there.astype(float)


def test_shared_by_targets__of_noise_has_p_values_no_smaller_than_they_ought():
    p = np.array([shared_by_targets(*signs_at(20, 30, lean=0, share=0.4, seed=seed))[0] for seed in range(600)])
    for level in (0.05, 0.01, 0.001):
        assert np.mean(p <= level) <= level + 3.5 * np.sqrt(level * (1 - level) / p.size)


def test_shared_by_targets__names_the_correlation():
    p, correlation = shared_by_targets(*signs_at(200, 30, lean=0.3, share=1, seed=1))
    assert p < 1e-10
    assert correlation == pytest.approx(4 * 0.3**2, abs=0.03)


def test_shared_by_targets__one_target_or_one_sign_shares_nothing():
    signs, there = signs_at(5, 6, lean=0, share=0.5, seed=0)
    assert shared_by_targets(signs[:1], there[:1]) == (1, 0)
    assert shared_by_targets(there, there) == (1, 0)
