"""The Yin-Yang points are those of the published data set, bit for bit: ``tests/reference`` has what it says of itself."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from stanalysis.errors import BadInput
from trainers.datasets import load_dataset
from trainers.datasets.yin_yang import PARTS, load_yin_yang, yin_yang

REFERENCE = np.load(Path(__file__).parents[2] / "reference" / "yin_yang.npz")


@pytest.mark.parametrize(("n_samples", "seed"), PARTS.values())
def test_yin_yang__is_the_published_one_bit_for_bit(n_samples, seed):
    features, label = yin_yang(n_samples, seed)
    encoded = 0.15 + features * (2.0 - 0.15)
    np.testing.assert_array_equal(encoded[:10], REFERENCE[f"first_{seed}"])
    np.testing.assert_array_equal(label[:10], REFERENCE[f"labels_first_{seed}"])
    np.testing.assert_array_equal(np.bincount(label), REFERENCE[f"counts_{seed}"])
    np.testing.assert_array_equal(encoded.sum(axis=0), REFERENCE[f"sum_{seed}"])
    digest = hashlib.sha256(encoded.tobytes() + label.tobytes()).digest()
    assert digest == REFERENCE[f"sha256_{seed}"].tobytes()


def test_load_yin_yang__is_one_spike_per_channel_by_time():
    data = load_dataset("yin_yang")
    assert (data.name, data.content, data.n_channels, data.n_classes) == ("yin_yang", "events", 4, 3)
    assert (data.dt, data.duration, data.frequency) == (0.0, 20.0, None)
    assert (len(data.training), len(data.validation), len(data.test)) == (5000, 1000, 1000)
    features, label = yin_yang(1000, 40)
    np.testing.assert_array_equal(data.test.y, label)
    events, _ = data.test.batch(range(1000))
    time, channel = events.time.reshape(1000, 4), events.channel.reshape(1000, 4)
    assert (np.diff(time, axis=1) >= 0).all()
    by_channel = np.take_along_axis(time, np.argsort(channel, axis=1), axis=1)
    np.testing.assert_array_equal(by_channel, 1.5 + features * 18.5)


def test_load_yin_yang__other_times_are_other_data():
    usual, delgrad = load_yin_yang(), load_yin_yang(first=0.15, last=2.0)
    assert delgrad.duration == 2.0
    assert delgrad.sha256 != usual.sha256
    assert delgrad.test.time.min() >= 0.15
    assert delgrad.test.time.max() <= 2.0
    np.testing.assert_array_equal(delgrad.test.y, usual.test.y)


@pytest.mark.parametrize(("first", "last"), [(2.0, 1.0), (-1.0, 1.0), (0.0, np.inf), (np.nan, 1.0)])
def test_load_yin_yang__refuses_times_that_are_none(first, last):
    with pytest.raises(BadInput, match="give a first time from 0, and a later last time"):
        load_yin_yang(first=first, last=last)
