from __future__ import annotations

import numpy as np
import pytest

from trainers.delays import delay_taps, delay_taps_adjoint

pytestmark = pytest.mark.kernel


def taps_of(delay, sigma, n_bins=25, weight=1.0):
    taps = np.empty((n_bins, 1))
    delay_taps(np.array([[weight]]), np.array([[delay]]), sigma, taps)
    return taps[:, 0]


@pytest.mark.parametrize(("delay", "expected"), [(0.0, 0), (3.49, 3), (3.5, 4), (4.5, 4), (24.0, 24), (24.6, 24), (-0.6, 0)])
def test_delay_taps__deployed_rounds_half_to_even_within_the_bins(delay, expected):
    np.testing.assert_array_equal(np.flatnonzero(taps_of(delay, 0.0)), [expected])


def test_delay_taps__gaussian_is_normalised_and_centred_on_its_delay():
    taps = taps_of(11.3, 1.5, weight=-2.0)
    assert taps.sum() == pytest.approx(-2.0, rel=1e-6)
    assert (taps * np.arange(25)).sum() / taps.sum() == pytest.approx(11.3, abs=1e-6)


def test_delay_taps__contacts_of_a_pair_add_up():
    taps = np.empty((5, 1))
    delay_taps(np.array([[1.0, 2.0]]), np.array([[3.0, 3.2]]), 0.0, taps)
    np.testing.assert_array_equal(taps[:, 0], [0, 0, 0, 3, 0])


def test_delay_taps_adjoint__equals_finite_differences():
    random = np.random.default_rng(0)
    weight, delay, bar = random.normal(size=(3, 2)), random.uniform(0, 6, (3, 2)), random.normal(size=(7, 3))
    weight_bar, delay_bar = np.empty((3, 2)), np.empty((3, 2))
    delay_taps_adjoint(bar, weight, delay, 0.8, weight_bar, delay_bar)

    def along(w, d):
        taps = np.empty((7, 3))
        delay_taps(w, d, 0.8, taps)
        return (taps * bar).sum()

    for at in np.ndindex(3, 2):
        nudge = np.zeros((3, 2))
        nudge[at] = 1e-6
        by_weight = (along(weight + nudge, delay) - along(weight - nudge, delay)) / 2e-6
        by_delay = (along(weight, delay + nudge) - along(weight, delay - nudge)) / 2e-6
        assert weight_bar[at] == pytest.approx(by_weight, rel=1e-6, abs=1e-9)
        assert delay_bar[at] == pytest.approx(by_delay, rel=1e-6, abs=1e-9)


def test_delay_taps_adjoint__a_deployed_delay_has_no_gradient():
    weight_bar, delay_bar = np.empty((1, 1)), np.empty((1, 1))
    delay_taps_adjoint(np.arange(5.0)[:, None], np.array([[2.0]]), np.array([[3.2]]), 0.0, weight_bar, delay_bar)
    assert (weight_bar[0, 0], delay_bar[0, 0]) == (3.0, 0.0)
