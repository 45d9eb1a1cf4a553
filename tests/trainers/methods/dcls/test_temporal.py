"""Physics of delayed propagation, synapse by synapse: a spike at t through a delay d arrives at t + d."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainers.methods.dcls.networks import convolve
from trainers.methods.dcls import temporal
from trainers.methods.dcls.synapses import all_to_all

pytestmark = pytest.mark.kernel


def surrounded(x, n_bins, growth):
    sent = np.full((len(x), n_bins + temporal.MARGIN + x.shape[1] + growth, x.shape[2]), np.nan)
    temporal.surround(x, n_bins + temporal.MARGIN, sent)
    return sent


def propagated(weight, delay, sigma, n_bins, x, growth):
    """Currents (target, time, batch) of the package's own propagation."""
    synapses = all_to_all(len(x), len(weight), weight.shape[2])
    current = np.full((len(weight), x.shape[1] + growth, x.shape[2]), np.nan)
    temporal.readout_forward(  # no memory, no latency: the current itself
        synapses.by_target, synapses.target_begin, synapses.source, weight.reshape(-1), delay.reshape(-1), float(sigma), n_bins,
        surrounded(x, n_bins, growth), 0.0, 0, current,
    )  # fmt: skip
    return current


@given(t=st.integers(0, 11), d=st.integers(0, 4), growth=st.integers(0, 4))
@settings(deadline=None, max_examples=30)
def test_readout_forward__impulse_arrives_after_its_delay_and_nowhere_else(t, d, growth):
    x = np.zeros((2, 12, 1))
    x[1, t] = 1.0
    weight, delay = np.zeros((1, 2, 1)), np.full((1, 2, 1), float(d))
    weight[0, 1] = 3.0
    expected = np.zeros(12 + growth)
    expected[t + d : t + d + 1] = 3.0
    np.testing.assert_array_equal(propagated(weight, delay, 0, 5, x, growth)[0, :, 0], expected)


cases = {
    "seed": st.integers(0, 2**32 - 1),
    "n_in": st.integers(1, 9),
    "growth": st.integers(0, 5),
    "n_bins": st.integers(1, 14),
    "contacts": st.integers(1, 2),
    "sigma": st.sampled_from([0, 0.3, 0.5, 1.5, 12.0]),
}


@given(**cases)
@settings(deadline=None, max_examples=60)
def test_readout_forward__equals_convolution_in_time(seed, n_in, growth, n_bins, contacts, sigma):
    random = np.random.default_rng(seed)
    x = random.normal(size=(3, n_in, 2))
    weight = random.normal(size=(4, 3, contacts))
    delay = random.uniform(0, n_bins - 1, (4, 3, contacts))
    expected = convolve(weight, delay, sigma, n_bins, x.transpose(1, 0, 2), n_in + growth)
    np.testing.assert_allclose(propagated(weight, delay, sigma, n_bins, x, growth), expected.transpose(1, 0, 2), atol=1e-11)


@given(**cases)
@settings(deadline=None, max_examples=30)
def test_synapse_adjoint__is_the_derivative_of_the_current(seed, n_in, growth, n_bins, contacts, sigma):
    random = np.random.default_rng(seed)
    x, n_out = random.normal(size=(3, n_in, 2)), n_in + growth
    weight, delay = random.normal(size=(4, 3, contacts)), random.uniform(0, n_bins - 1, (4, 3, contacts))
    current_bar = np.zeros((4, n_out + n_bins + temporal.MARGIN, 2))
    current_bar[:, :n_out] = random.normal(size=(4, n_out, 2))
    synapses = all_to_all(3, 4, contacts)
    rows = synapses.by_target[::2].copy()  # the others are not asked for; contiguous, as the trainer's: compiled once
    weight_bar, delay_bar = np.zeros(weight.size), np.zeros(weight.size)
    temporal.synapse_adjoint(
        rows, synapses.source, synapses.target, delay.reshape(-1), float(sigma), n_bins, surrounded(x, n_bins, growth), n_in,
        current_bar, weight_bar, delay_bar,
    )  # fmt: skip

    def along(w, d):
        return (propagated(w, d, sigma, n_bins, x, growth) * current_bar[:, :n_out]).sum()

    for s in range(weight.size):
        nudge = np.zeros(weight.size)
        nudge[s] = 1e-6
        nudge = nudge.reshape(weight.shape)
        asked = s in rows
        by_weight = along(weight + nudge, delay) - along(weight - nudge, delay)
        assert weight_bar[s] == pytest.approx(asked * by_weight / 2e-6, rel=1e-6, abs=1e-8)
        if sigma > 0:
            by_delay = along(weight, delay + nudge) - along(weight, delay - nudge)
            assert weight.reshape(-1)[s] * delay_bar[s] == pytest.approx(asked * by_delay / 2e-6, rel=1e-5, abs=1e-7)
        else:
            assert delay_bar[s] == 0
