"""Doses are variances of the currents that a change makes, whatever way they are computed."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from stanalysis.files.checkpoint import projection
from trainers.operations.dose import dose, input_metric

DT = 2.0


@pytest.fixture
def signal():
    random = np.random.default_rng(0)
    x = random.random((3, 20, 7)).astype(np.float32)
    x[1] += x[0]  # two channels that say much the same
    return x


def currents(planes, signal):
    """Of every target, from the definition: what arrives late by each delay, summed (target, time, sample)."""
    n_target, _, n_delay = planes.shape
    x = signal - signal.mean((1, 2), keepdims=True)
    result = np.zeros((n_target, x.shape[1] + n_delay, x.shape[2]))
    for delay in range(n_delay):
        result[:, delay : delay + x.shape[1]] += np.einsum("ts,san->tan", planes[:, :, delay], x)
    return result


def table(planes):
    target, source, delay = np.nonzero(planes)
    return projection(
        n_source=planes.shape[1], n_target=planes.shape[0], delay_max=(planes.shape[2] - 1) * DT, rounding="half even",
        source=source, target=target, delay=delay * DT, weight=planes[target, source, delay],
    )  # fmt: skip


@pytest.mark.parametrize("n_delay", [1, 5, 6])
def test_energy__is_the_variance_of_the_currents(signal, n_delay):
    planes = np.random.default_rng(1).normal(size=(2, 3, n_delay))
    metric = input_metric(signal, (n_delay - 1) * DT, DT)
    direct = (currents(planes, signal) ** 2).sum((1, 2)) / signal[0].size
    np.testing.assert_allclose(metric.energy(planes), direct, rtol=1e-5)


def test_covariance__gives_the_same_energy_synapse_by_synapse(signal):
    planes, metric = np.random.default_rng(1).normal(size=(2, 3, 6)), input_metric(signal, 5 * DT, DT)
    cells = [(s, d) for s in range(3) for d in range(6)]
    total = sum(
        planes[:, s, a] * planes[:, q, b] * metric.covariance[s, q, a - b if a >= b else 5 + b - a]
        for s, a in cells for q, b in cells
    )  # fmt: skip
    np.testing.assert_allclose(total, metric.energy(planes), rtol=1e-5)


def test_dose__of_nothing_is_0_of_all_is_1_and_of_alike_channels_is_small(signal):
    planes = np.zeros((1, 3, 6))
    planes[0, 0, 2] = 1.0
    metric = input_metric(signal, 5 * DT, DT)
    before = table(planes)
    assert dose(metric, before, before) == 0
    assert dose(metric, before, before.assign(weight=0 * before.weight)) == pytest.approx(1, rel=1e-6)
    to_alike, to_other = before.assign(source=before.source + 1), before.assign(source=before.source + 2)
    assert dose(metric, before, to_alike) < 0.75 * dose(metric, before, to_other)
    assert np.isnan(dose(metric, before.assign(weight=0 * before.weight), before))


def test_planes__adds_synapses_that_share_a_cell(signal):
    planes = np.zeros((1, 3, 6))
    planes[0, 0, 2] = 1.0
    twice = xr.concat([table(planes)] * 2, "synapse", combine_attrs="override")
    metric = input_metric(signal, 5 * DT, DT)
    np.testing.assert_array_equal(metric.planes(twice), 2 * planes)
