"""Physics of delayed propagation: a spike at t through a delay d arrives at t + d."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainers.methods.dcls.networks import convolve
from trainers.methods.dcls import spectral
from trainers.methods.dcls.spectral import delay_transform
from trainers.methods.dcls.synapses import all_to_all

pytestmark = pytest.mark.kernel
DOUBLE = np.dtype("float64")


def propagated(weight, delay, sigma, n_bins, x, n_out, longest=None):
    """Currents (target, time, batch) of the package's own propagation."""
    n_source, n_in, n_batch = x.shape
    transform = delay_transform(n_in, n_out, n_bins, longest or max(n_in, n_out), DOUBLE)
    n_frequency = len(transform.analysis) // 2
    source = np.empty((n_frequency, 2, n_source, n_batch))
    kernel = np.empty((n_frequency, 2, len(weight), n_source))
    current = np.empty((n_frequency, 2, len(weight), n_batch))
    spectral.analyse(x, transform.analysis, source)
    synapses = all_to_all(n_source, len(weight), weight.shape[2])
    spectral.kernel_spectrum(
        synapses.by_target, synapses.target_begin, synapses.source, weight.reshape(-1), delay.reshape(-1), float(sigma),
        transform.taps, kernel,
    )  # fmt: skip
    spectral.propagate(kernel, source, current)
    potential = np.empty((len(weight), n_out, n_batch))
    spectral.readout_forward(current, transform.synthesis, 0.0, 0, potential)  # no memory, no latency: the current itself
    return potential


@given(t=st.integers(0, 11), d=st.integers(0, 4), growth=st.integers(0, 4))
@settings(deadline=None, max_examples=30)
def test_propagate__impulse_arrives_after_its_delay_and_nowhere_else(t, d, growth):
    x = np.zeros((2, 12, 1))
    x[1, t] = 1.0
    weight, delay = np.zeros((1, 2, 1)), np.full((1, 2, 1), float(d))
    weight[0, 1] = 3.0
    expected = np.zeros(12 + growth)
    expected[t + d : t + d + 1] = 3.0
    np.testing.assert_allclose(propagated(weight, delay, 0, 5, x, 12 + growth)[0, :, 0], expected, atol=1e-12)


@given(
    seed=st.integers(0, 2**32 - 1),
    n_in=st.integers(1, 9),
    growth=st.integers(0, 5),
    n_bins=st.integers(1, 7),
    contacts=st.integers(1, 2),
    sigma=st.sampled_from([0, 0.3, 1.5, 12.0]),
    spare=st.integers(0, 3),
)
@settings(deadline=None, max_examples=60)
def test_propagate__equals_convolution_in_time(seed, n_in, growth, n_bins, contacts, sigma, spare):
    random = np.random.default_rng(seed)
    x = random.normal(size=(3, n_in, 2))
    weight = random.normal(size=(4, 3, contacts))
    delay = random.uniform(0, n_bins - 1, (4, 3, contacts))
    expected = convolve(weight, delay, sigma, n_bins, x.transpose(1, 0, 2), n_in + growth)
    output = propagated(weight, delay, sigma, n_bins, x, n_in + growth, longest=n_in + growth + spare)
    np.testing.assert_allclose(output, expected.transpose(1, 0, 2), atol=1e-11)


def test_readout_adjoint__is_the_transpose_of_readout_forward():
    random = np.random.default_rng(0)
    transform = delay_transform(8, 8, 3, 8, DOUBLE)
    current = random.normal(size=(5, 2, 3, 2))
    potential_bar = random.normal(size=(3, 8, 2))
    for latency in (0, 1, 2):
        potential, current_bar = np.empty((3, 8, 2)), np.empty((5, 2, 3, 2))
        spectral.readout_forward(current, transform.synthesis, 0.9, latency, potential)
        spectral.readout_adjoint(potential_bar.copy(), transform.synthesis_adjoint, 0.9, latency, current_bar)
        assert (potential * potential_bar).sum() == pytest.approx((current * current_bar).sum(), rel=1e-12)
