"""Spike lists, and the choice of a data set by what it holds and what a method wants."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stanalysis.errors import BadInput
from tests.trainers.datasets.refusing import refused
from tests.trainers.recordings import write_rawhd
from trainers.datasets import BUILT_IN, DEFAULTS, Frames, SpikeLists, load_dataset
from trainers.datasets import spoken_digits_spikes as spoken
from trainers.datasets.spike_lists import spike_lists
from trainers.datasets.spoken_digits import load_spoken_digits
from trainers.datasets.spoken_digits_spikes import level_crossings

N_CHANNELS = 9


def lists_of(samples, labels=None, where="here") -> SpikeLists:
    """Spike lists of (channel, time) pairs for each sample."""
    begin = np.cumsum([0, *map(len, samples)])
    flat = [spike for sample in samples for spike in sample]
    channel, time = np.array([c for c, _ in flat], int), np.array([t for _, t in flat], float)
    label = np.arange(len(samples)) if labels is None else np.array(labels)
    return spike_lists(begin, channel, time, label, n_channels=N_CHANNELS, where=where)


samples_of_spikes = st.lists(st.lists(st.tuples(st.integers(0, 8), st.floats(0, 100)), max_size=6), min_size=1, max_size=5)


@given(samples_of_spikes, st.data())
def test_batch__holds_the_samples_asked_for_in_their_order(samples, data):
    lists = lists_of(samples)
    chosen = data.draw(st.lists(st.integers(0, len(samples) - 1), max_size=7))
    events, label = lists.batch(chosen)
    assert label.tolist() == chosen
    assert (events.begin.dtype, events.channel.dtype, events.time.dtype) == (np.int64, np.int32, np.float64)
    for place, number in enumerate(chosen):
        part = slice(events.begin[place], events.begin[place + 1])
        spikes = list(zip(events.channel[part].tolist(), events.time[part].tolist(), strict=True))
        assert spikes == sorted(samples[number], key=lambda spike: spike[1])  # stable: ties stay in order
    again, same = lists.subset(chosen).batch(range(len(chosen)))
    assert same.tolist() == chosen
    np.testing.assert_array_equal(again.time, events.time)


def test_batch__does_not_change_the_recordings():
    lists = lists_of([[(1, 2.0)], []])
    events, _ = lists.batch([0])
    events.time[:] = -1
    assert lists.time.tolist() == [2.0]


def test_spike_lists__a_sample_without_spikes_is_one_too():
    lists = lists_of([[], [(3, 1.0)], []])
    assert len(lists) == 3
    assert lists.batch([2, 0])[0].begin.tolist() == [0, 0, 0]
    assert len(lists_of([[]]).time) == 0


def test_spike_lists__times_of_a_sample_do_not_sort_those_of_the_next():
    lists = lists_of([[(0, 5.0)], [(1, 3.0), (2, 4.0)]])
    assert lists.channel.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"time": [1.0, np.nan, 2.0]}, "a spike at nan ms in sample 1: expected finite times from 0"),
        ({"time": [1.0, 2.0, -0.5]}, "a spike at -0.5 ms in sample 1"),
        ({"time": [np.inf, 2.0, 0.5]}, "a spike at inf ms in sample 0"),
        ({"time": [1.0, 2.0]}, "3 channels and 2 times"),
        ({"channel": [0, 9, 2]}, "channel 9: expected channels from 0 to 8"),
        ({"channel": [0, -1, 2]}, "channel -1"),
        ({"channel": [0.0, 1.0, 2.0]}, "float64.*as channel: expected a flat list"),
        ({"begin": [0, 2, 1]}, "samples that do not divide them"),
        ({"begin": [1, 1, 3]}, "samples that do not divide them"),
        ({"begin": [0, 3]}, "where 1 samples begin, and has 2 classes"),
        ({"y": [0, -1]}, "class -1: expected classes from 0"),
        ({"y": [0.5, 1.0]}, "float64.*as class"),
        ({"y": np.empty(0, int), "begin": [0], "time": [], "channel": np.empty(0, int)}, "holds no sample"),
    ],
)
def test_spike_lists__names_what_is_wrong(changes, expected):
    arrays = {"begin": [0, 1, 3], "channel": [0, 1, 2], "time": [1.0, 2.0, 3.0], "y": [0, 1]}
    refused(lambda: spike_lists(**(arrays | changes), n_channels=N_CHANNELS, where="file"), file="file", expected=expected)


class TestSpokenDigitsSpikes:
    def test_load__is_the_digits_spike_by_spike(self):
        digits, frames = load_dataset("spoken_digits_spikes"), load_spoken_digits()
        assert (digits.name, digits.content, digits.n_channels) == ("spoken_digits_spikes", "events", 80)
        assert (digits.dt, digits.duration, digits.n_classes, digits.gain) == (1.0, 800.0, 20, 1.0)
        np.testing.assert_array_equal(digits.frequency, np.tile(frames.frequency, 2))
        for name in ("training", "validation", "test"):
            part = getattr(digits, name)
            np.testing.assert_array_equal(part.y, getattr(frames, name).y)
            assert 700 < len(part.time) / len(part) < 850
            assert (part.time == np.round(part.time)).all()
            assert part.time.min() >= 0
            assert part.time.max() < 800

    def test_load__is_the_same_on_every_machine(self):
        digest = "31455e35b979c9b4b408449f77b26401f43f510d82d83512840e2db898c0d599"
        assert load_dataset("spoken_digits_spikes").sha256 == digest

    def test_load__is_made_once(self):
        assert load_dataset("spoken_digits_spikes") is load_dataset("spoken_digits_spikes")

    @pytest.mark.kernel
    @settings(deadline=None)  # the first call loads the kernels
    @given(
        st.lists(st.lists(st.integers(0, 15), min_size=2, max_size=2), min_size=3, max_size=12), st.sampled_from([15, 20, 25])
    )
    def test_level_crossings__follow_the_level_to_within_the_spacing(self, rows, spacing):
        x = np.array([rows], np.uint8)
        lists = level_crossings(Frames(x, np.array([0]), 1.0), frame=10, spacing=spacing, slack=spacing)
        time, channel = lists.time, lists.channel
        assert (np.diff(time) >= 0).all()
        for band in range(2):
            for frame in range(2, len(rows)):  # a first level of 15 is caught up with by then
                middle = 10 * frame + 5
                rises = ((channel == band) & (time <= middle)).sum()
                falls = ((channel == band + 2) & (time <= middle)).sum()
                crossed = spacing / 10 * (rises - falls)
                assert crossed - spacing / 10 < rows[frame][band] < crossed + spacing / 10

    def test_level_crossings__a_rise_and_a_fall(self):
        x = np.zeros((1, 4, 1), np.uint8)
        x[0, 1:3] = 2
        lists = level_crossings(Frames(x, np.array([0]), 1.0), frame=10, spacing=10, slack=10)
        # the level leaves 0 at 5 ms, is 1 at 10 ms and 2 at 15 ms; it leaves 2 at 25 ms
        assert list(zip(lists.channel, lists.time, strict=True)) == [(0, 10), (0, 15), (1, 30), (1, 35)]

    def test_level_crossings__more_spikes_than_expected_are_kept(self, monkeypatch):
        frames = load_spoken_digits().test
        part = Frames(frames.x[:20], frames.y[:20], 1.0)
        usual = level_crossings(part, frame=10)
        monkeypatch.setattr(spoken, "EXPECTED", 1)
        again = level_crossings(part, frame=10)
        np.testing.assert_array_equal(usual.time, again.time)
        np.testing.assert_array_equal(usual.begin, again.begin)


class TestLoadDataset:
    def test_defaults__are_built_in_and_hold_what_they_are_the_default_for(self):
        assert set(DEFAULTS.values()) <= set(BUILT_IN)
        for content, name in DEFAULTS.items():
            assert load_dataset(name, content=content).content == content

    @pytest.mark.parametrize("name", BUILT_IN)
    def test_built_in__are_named_as_they_are_asked_for(self, name):
        data = load_dataset(name)
        assert (data.name, data.source) == (name, name)
        assert re.fullmatch("[0-9a-f]{64}", data.sha256)

    def test_load_dataset__bins_spikes_where_frames_are_wanted(self):
        spikes = load_dataset("spoken_digits_spikes")
        for given_dt, dt in ((None, 10.0), (25, 25.0)):
            data = load_dataset("spoken_digits_spikes", content="frames", dt=given_dt)
            assert (data.content, data.dt, data.gain, data.duration) == ("frames", dt, 1.0, 800.0)
            assert data.validation.x.shape == (800, 800 // dt, 80)
            assert data.validation.x.sum() == len(spikes.validation.time)
        louder = load_dataset("spoken_digits_spikes", content="frames", gain=3)
        assert louder.gain == 3
        assert set(np.unique(louder.validation.batch([0])[0] % 3)) == {0}

    def test_load_dataset__takes_again_what_a_run_stores(self):
        for name, content in (("spoken_digits_spikes", "frames"), ("spoken_digits", "frames"), ("yin_yang", "events")):
            data = load_dataset(name, content=content)
            again = load_dataset(data.source, gain=data.gain, content=content, dt=data.dt)
            assert (again.name, again.sha256, again.gain, again.dt) == (data.name, data.sha256, data.gain, data.dt)

    def test_load_dataset__makes_no_spikes_of_values(self, tmp_path):
        folder = write_rawhd(tmp_path)
        for source in (folder, "spoken_digits"):
            refused(lambda s=source: load_dataset(s, content="events"), file=source, expected="give spoken_digits_spikes")

    def test_load_dataset__refuses_options_without_effect(self):
        with pytest.raises(BadInput, match="Spikes have no gain, and yin_yang holds spikes"):
            load_dataset("yin_yang", gain=2)
        for name in ("yin_yang", "spoken_digits"):
            with pytest.raises(BadInput, match="leave out the bins of 5 ms"):
                load_dataset(name, dt=5)

    @pytest.mark.parametrize("dt", [0, -1, np.nan, np.inf])
    def test_load_dataset__refuses_bins_that_are_none(self, dt):
        with pytest.raises(BadInput, match=r"A bin of .* ms is none"):
            load_dataset("yin_yang", content="frames", dt=dt)

    def test_load_dataset__names_what_is_no_data_set(self, tmp_path):
        expected = "give spoken_digits, spoken_digits_spikes, yin_yang, or a folder that holds training_x"
        refused(load_dataset, "digits", file=Path("digits"), expected=expected)
        refused(load_dataset, tmp_path, file=tmp_path, expected="holds no data set: give a folder that holds")
        (file := tmp_path / "notes.txt").write_text("x")
        refused(load_dataset, file, file=file, expected="is not a data set: give a file of Braille letters")
