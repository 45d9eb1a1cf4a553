from __future__ import annotations

import numpy as np
import pytest

from trainers.methods.dcls.delays import kernel_taps, reach

pytestmark = pytest.mark.kernel


def kernel(delay, sigma, n_bins=25, dtype=float):
    """Taps and their derivatives by the delay, over all bins."""
    tap, slope = np.empty(n_bins, dtype), np.empty(n_bins, dtype)
    first, count = kernel_taps(delay, sigma, n_bins, tap, slope)
    kernel = np.zeros((2, n_bins))
    kernel[:, first : first + count] = tap[:count], slope[:count]
    return kernel


@pytest.mark.parametrize(("delay", "expected"), [(0.0, 0), (3.49, 3), (3.5, 4), (4.5, 4), (24.0, 24), (24.6, 24), (-0.6, 0)])
def test_kernel_taps__deployed_rounds_half_to_even_within_the_bins(delay, expected):
    taps, slope = kernel(delay, 0.0)
    np.testing.assert_array_equal(np.flatnonzero(taps), [expected])
    assert not slope.any()


def test_kernel_taps__gaussian_is_normalised_and_centred_on_its_delay():
    taps, _ = kernel(11.3, 1.5)
    assert taps.sum() == pytest.approx(1.0, rel=1e-6)
    assert (taps * np.arange(25)).sum() / taps.sum() == pytest.approx(11.3, abs=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("delay", "sigma"), [(11.3, 0.5), (0.0, 0.5), (23.9, 2.0), (12.0, 12.0)])
def test_kernel_taps__what_is_out_of_reach_does_not_matter(delay, sigma, dtype):
    g = np.exp(-((np.arange(25) - delay) ** 2) / (2 * sigma**2))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(kernel(delay, sigma, dtype=dtype)[0], g / (g.sum() + 1e-7), rtol=0, atol=4 * eps)
    assert np.exp(-(reach(np.dtype(dtype)) ** 2) / 2) == pytest.approx(eps)


def test_kernel_taps__slopes_equal_finite_differences():
    for delay in (0.3, 5.77, 23.5):
        by_delay = (kernel(delay + 1e-6, 0.8)[0] - kernel(delay - 1e-6, 0.8)[0]) / 2e-6
        np.testing.assert_allclose(kernel(delay, 0.8)[1], by_delay, rtol=1e-6, atol=1e-9)
