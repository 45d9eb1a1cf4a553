import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanalysis.stats.engine.rounding import ROUNDING, rounding_of, varies


@given(st.floats(1e-300, 1e300), st.sampled_from([-1, 1]), st.integers(2, 9))
def test_varies__says_the_same_in_every_unit(unit, sign, n):
    values = unit * sign * np.linspace(1, 1 + ROUNDING / 2, n)
    assert not varies(values)
    assert varies(np.append(values, unit * sign * (1 + 3 * ROUNDING)))


def test_varies__sees_no_difference_in_what_sums_lose_in_another_order():
    random = np.random.default_rng(0)
    weights = random.standard_normal(100_000)
    assert not varies(np.array([random.permutation(weights).cumsum()[-1] for _ in range(9)]))


def test_varies__along_axes_and_without_what_is_not_finite():
    values = np.array([[[1.0, 1.0], [np.nan, 1.0]], [[1.0, 2.0], [np.inf, 1.0]], [[np.nan] * 2] * 2])
    assert varies(values, axis=(1, 2)).tolist() == [False, True, False]
    assert varies(values, axis=2).tolist() == [[False, False], [True, False], [False, False]]
    assert not varies(np.empty(0))


def test_varies__takes_a_resolution_that_is_known():
    assert varies(np.array([-1e-17, 1e-17]))
    assert varies(np.array([[0.0, 0.1], [0.0, 0.1]]), resolution=np.array([0.2, 0.0]), axis=1).tolist() == [False, True]


def test_rounding_of__is_relative_to_the_largest_of_all():
    assert rounding_of(np.array([-3.0, np.inf]), np.array([2.0])) == pytest.approx(3 * ROUNDING)
    assert rounding_of(np.array([np.nan])) == 0


def test_varies__tells_numbers_of_float32_apart_wherever_they_are_not_equal():
    one = np.float32(0.1)
    assert not varies(np.full(1000, one))
    assert not varies(np.full(1000, one).reshape(100, 10).sum(axis=1, dtype=np.float64))
    assert varies(np.array([one, np.nextafter(one, np.float32(1))]))
