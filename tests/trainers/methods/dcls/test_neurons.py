from __future__ import annotations

import numpy as np
import pytest

from trainers.methods.dcls.neurons import TINY, fire_adjoint, integrate, membrane, moments, transmit

pytestmark = pytest.mark.kernel


def spikes_of(current, *, latency=2, erase=True, beta=0.9, keep=1.0):
    drive = np.asarray(current, float)[:, None]
    potential, spikes = np.empty_like(drive), np.empty_like(drive)
    membrane(drive, 1.0, 0.0, beta, latency, erase, potential)
    assert transmit(potential, np.array([keep]), spikes) == (potential >= 1).sum()
    return potential[:, 0], spikes[:, 0]


@pytest.mark.parametrize("latency", [0, 1, 2])
def test_membrane__current_causes_a_spike_after_the_latency(latency):
    _, spikes = spikes_of([0, 1.5, 0, 0, 0, 0], latency=latency)
    np.testing.assert_array_equal(np.flatnonzero(spikes), [1 + latency])


def test_membrane__threshold_itself_spikes():
    assert spikes_of([1.0, 0], latency=0)[1][0] == 1


def test_membrane__reset_erases_the_current_that_arrives_with_the_spike():
    drive = [2.0, 0.7, 0, 0]
    assert spikes_of(drive, latency=1, erase=True)[0].tolist() == [0, 2.0, 0, 0]
    assert spikes_of(drive, latency=1, erase=False)[0] == pytest.approx([0, 2.0, 0.7, 0.63])


def test_transmit__dropout_scales_what_is_transmitted_not_the_reset():
    potential, spikes = spikes_of([2.0, 0, 2.0], latency=0, keep=0.0)
    assert spikes.tolist() == [0, 0, 0]
    assert potential[1] == 0


def test_integrate__impulse_decays_from_after_the_latency():
    potential = np.empty((5, 1))
    integrate(np.array([[0.0], [1.0], [0], [0], [0]]), 0.5, 1, potential)
    assert potential[:, 0].tolist() == [0, 0, 1, 0.5, 0.25]


def test_moments__equal_numpy():
    current = np.random.default_rng(0).normal(3, 2, (7, 5))
    assert moments(current) == pytest.approx((current.mean(), current.var()), rel=1e-12)


def test_fire_adjoint__flushes_what_would_become_subnormal():
    random = np.random.default_rng(0)
    current = random.normal(size=(50, 8)).astype(np.float32)
    potential = np.empty_like(current)
    keep = np.ones(8, np.float32)
    membrane(current, np.float32(1), np.float32(0), np.float32(0.9), 2, True, potential)
    bar = np.full_like(current, 1e-37)
    unit, zero = np.float32(1), np.float32(0)
    fire_adjoint(bar, potential, current, keep, zero, unit, unit, np.float32(0.9), 2, True, 5.0)
    assert np.finfo(np.float32).tiny < TINY
    assert not bar.any()
