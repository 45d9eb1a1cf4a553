"""Variants of a batch: pure, addressed by the generator that is passed in, and what they say they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainers.datasets.test_events import N_CHANNELS, lists_of, samples_of_spikes
from trainers.datasets.augmentation import blended, shifted

pytestmark = pytest.mark.kernel


def spikes_of(events):
    """(channel, time) pairs for each sample."""
    pairs = list(zip(events.channel.tolist(), events.time.tolist(), strict=True))
    return [pairs[begin:end] for begin, end in zip(events.begin[:-1], events.begin[1:], strict=True)]


@settings(deadline=None)  # the first call loads the kernels
@given(samples_of_spikes, st.data())
def test_shifted__moves_each_sample_by_its_number_and_drops_what_leaves(samples, data):
    shift = data.draw(st.lists(st.integers(-10, 10), min_size=len(samples), max_size=len(samples)))
    events, _ = lists_of(samples).batch(range(len(samples)))
    before = spikes_of(events)
    after = spikes_of(shifted(events, np.array(shift), n_channels=N_CHANNELS))
    for old, new, number in zip(before, after, shift, strict=True):
        assert new == [(channel + number, time) for channel, time in old if 0 <= channel + number < N_CHANNELS]
    assert spikes_of(events) == before


@settings(deadline=None)  # the first call loads the kernels
@given(samples_of_spikes, st.data(), st.sampled_from([0.0, 0.5, 1.0]))
def test_blended__mixes_with_another_of_the_same_class(samples, data, share):
    label = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(samples), max_size=len(samples))))
    # the time says which sample a spike is from
    marked = [[(channel, 1000.0 * k + time) for channel, time in spikes] for k, spikes in enumerate(samples)]
    events, _ = lists_of(marked).batch(range(len(samples)))
    before = spikes_of(events)
    mixed = blended(events, label, np.random.default_rng(0), share=share)
    again = blended(events, label, np.random.default_rng(0), share=share)
    np.testing.assert_array_equal(mixed.time, again.time)
    assert (mixed.begin.dtype, mixed.channel.dtype, mixed.time.dtype) == (np.int64, np.int32, np.float64)
    for k, spikes in enumerate(spikes_of(mixed)):
        others = [j for j in range(len(samples)) if label[j] == label[k] and j != k]
        if share == 0 or not others:
            assert spikes == before[k]
            continue
        assert [time for _, time in spikes] == sorted(time for _, time in spikes)
        sources = {int(time // 1000) for _, time in spikes}
        assert sources <= {k, *others}
        assert len(sources - {k}) <= 1
        for source in sources:
            kept = [spike for spike in spikes if spike[1] // 1000 == source]
            rest = iter(before[source])
            assert all(spike in rest for spike in kept)  # a subsequence: each at most once, in order
    assert spikes_of(events) == before


def test_blended__keeps_half_of_both_and_all_partners_come_up():
    n, n_spikes = 300, 400
    samples = [[(k % N_CHANNELS, float(t)) for t in range(n_spikes)] for k in range(n)]
    label = np.arange(n) % 100  # three to a class: k, k + 100, k + 200
    events, _ = lists_of(samples).batch(range(n))
    mixed = blended(events, label, np.random.default_rng(1), share=1.0)
    n_kept = np.diff(mixed.begin)
    assert n_kept.mean() == pytest.approx(n_spikes, rel=0.01)
    assert n_kept.std() == pytest.approx(np.sqrt(2 * n_spikes / 4), rel=0.2)
    partners = np.array([(set(mixed.channel[mixed.begin[k] : mixed.begin[k + 1]]) - {k % N_CHANNELS}).pop() for k in range(n)])
    steps = [(partners[k] - k) % N_CHANNELS for k in range(100)]  # 100 % 9 = 1, 200 % 9 = 2
    assert set(steps) == {1, 2}
    assert 30 < steps.count(1) < 70
    half = np.diff(blended(events, label, np.random.default_rng(2), share=0.5).begin)
    assert 100 < (half == n_spikes).sum() < 200
