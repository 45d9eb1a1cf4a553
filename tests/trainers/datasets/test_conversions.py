"""Spikes as frames and back: counts are kept, whatever the bins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stanalysis.errors import BadInput
from tests.trainers.datasets.test_events import N_CHANNELS, lists_of, samples_of_spikes
from trainers.datasets import Frames
from trainers.datasets.conversions import binned, unbinned
from trainers.datasets.recordings import ROUNDING

pytestmark = pytest.mark.kernel
counts = arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 4)), elements=st.integers(0, 9))


@settings(deadline=None)  # the first call loads the kernels
@given(samples_of_spikes, st.sampled_from([0.3, 1.0, 10.0, 33.0, 1000.0]))
def test_binned__counts_each_spike_where_it_is(samples, dt):
    frames = binned(lists_of(samples), dt=dt, duration=100.5)
    assert frames.x.shape == (len(samples), int(np.ceil(100.5 / dt)), N_CHANNELS)
    expected = np.zeros(frames.x.shape)
    for sample, spikes in enumerate(samples):
        for channel, time in spikes:
            expected[sample, int(time / dt + ROUNDING * (1 + time / dt)), channel] += 1
    np.testing.assert_array_equal(frames.x, expected)


@settings(deadline=None)  # the first call loads the kernels
@given(counts, st.sampled_from([0.1, 1.0, 7.0, 10.0]))
def test_unbinned__binned_again_gives_the_counts(x, dt):
    lists = unbinned(Frames(x, np.arange(len(x)), 1.0), dt=dt)
    again = binned(lists, dt=dt, duration=x.shape[1] * dt)
    np.testing.assert_array_equal(again.x, x)
    np.testing.assert_array_equal(again.y, np.arange(len(x)))
    for sample in range(len(x)):
        assert (np.diff(lists.batch([sample])[0].time) >= 0).all()


@settings(deadline=None)  # the first call loads the kernels
@given(samples_of_spikes)
def test_binned__spikes_of_counts_are_counted_the_same_in_any_wider_bins(samples):
    lists = lists_of(samples)
    fine = binned(lists, dt=1.0, duration=101.0)
    wide = binned(lists, dt=10.0, duration=101.0)
    np.testing.assert_array_equal(binned(unbinned(fine, dt=1.0), dt=10.0, duration=101.0).x, wide.x)


def test_binned__the_last_bin_reaches_beyond_the_end():
    frames = binned(lists_of([[(0, 24.9)]]), dt=10.0, duration=25.0)
    assert frames.x[0, :, 0].tolist() == [0, 0, 1]
    assert binned(lists_of([[(0, 9.0)]]), dt=0.1, duration=9.1).x.shape[1] == 91  # not 92 by rounding


@pytest.mark.parametrize(("n", "dtype"), [(255, np.uint8), (256, np.float32), (1000, np.float32)])
def test_binned__counts_that_are_no_bytes_are_floats(n, dtype):
    frames = binned(lists_of([[(0, 1.0)], [(2, 5.0)] * n]), dt=10.0, duration=10.0)
    assert frames.x.dtype == dtype
    assert frames.x[1, 0, 2] == n
    assert frames.x.sum() == n + 1


@pytest.mark.parametrize("value", [0.5, -1.0, np.nan, np.inf])
def test_unbinned__refuses_what_counts_nothing(value):
    x = np.zeros((1, 2, 2), np.float32)
    x[0, 1, 1] = value
    with pytest.raises(BadInput, match="do not count spikes: give frames of whole numbers"):
        unbinned(Frames(x, np.array([0]), 1.0), dt=1.0)
