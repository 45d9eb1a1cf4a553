"""Braille letters, as they were published and as arrays; nothing in a pickle is executed."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pandas as pd
import pytest

from tests.trainers.datasets.refusing import refused
from trainers.datasets import load_dataset
from trainers.datasets.braille import LETTERS, load_braille

N = 60  # trials, of three letters


def trials(n=N):
    """The published layout: times in s by trial, taxel and polarity; and the letters."""
    random = np.random.default_rng(0)
    events = [[[np.sort(random.random(random.integers(0, 4))).tolist() for _ in range(2)] for _ in range(12)] for _ in range(n)]
    return {"events": events, "letter": [("Space", "A", "Z")[k % 3] for k in range(n)]}


def write_pickle(folder, content, protocol=4):
    file = folder / "data_braille_letters_th_1.pkl"
    file.write_bytes(pickle.dumps(content, protocol))
    return file


def spikes_of(content):
    """(time in ms, channel) of every trial."""
    return [
        sorted((1000 * t, taxel + 12 * p) for taxel, on_off in enumerate(trial) for p in range(2) for t in on_off[p])
        for trial in content["events"]
    ]


def rows(content):
    return [dict(zip(content, row, strict=True)) for row in zip(*content.values(), strict=True)]


def with_arrays(content):
    return {**content, "events": [[[np.array(p, np.float32) for p in taxel] for taxel in trial] for trial in content["events"]]}


def with_numpy_scalars(content):
    return {**content, "events": [[[[*map(np.float64, p)] for p in taxel] for taxel in trial] for trial in content["events"]]}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("form", [dict, rows, pd.DataFrame, with_arrays, with_numpy_scalars])
def test_load_braille__reads_the_published_layout(tmp_path, form, protocol):
    content = trials()
    data = load_dataset(write_pickle(tmp_path, form(content), protocol))
    assert (data.name, data.content, data.n_channels, data.n_classes, data.dt) == ("braille", "events", 24, 27, 0.0)
    letters, expected = np.array(content["letter"]), spikes_of(content)
    numbers = {letter: np.flatnonzero(letters == letter) for letter in ("Space", "A", "Z")}
    for part, rule in (("validation", slice(1, None, 10)), ("test", slice(2, None, 10))):
        held_out = np.sort(np.concatenate([of_letter[rule] for of_letter in numbers.values()]))
        lists = getattr(data, part)
        assert [LETTERS[y] for y in lists.y] == letters[held_out].tolist()
        for k, number in enumerate(held_out):
            events, _ = lists.batch([k])
            np.testing.assert_allclose(events.time, [time for time, _ in expected[number]], rtol=1e-6)
            assert events.channel.tolist() == [channel for _, channel in expected[number]]
    assert [len(part) for part in (data.training, data.validation, data.test)] == [48, 6, 6]
    longest = max(time for spikes in expected for time, _ in spikes)
    assert data.duration - 1 <= longest < data.duration


def test_load_braille__arrays_are_the_same(tmp_path):
    content = trials()
    data = load_braille(write_pickle(tmp_path, content))
    spikes = spikes_of(content)
    file = tmp_path / "mine.npz"
    np.savez(
        file,
        begin=np.cumsum([0, *map(len, spikes)]),
        channel=[channel for trial in spikes for _, channel in trial],
        time=np.array([time for trial in spikes for time, _ in trial], np.float32),
        letter=[LETTERS.index(letter) for letter in content["letter"]],
    )
    same = load_dataset(str(file))
    for name in ("training", "validation", "test"):
        ours, theirs = getattr(same, name), getattr(data, name)
        np.testing.assert_array_equal(ours.time, theirs.time)
        np.testing.assert_array_equal(ours.channel, theirs.channel)
        np.testing.assert_array_equal(ours.y, theirs.y)


def test_load_braille__copies_repeat_the_inputs(tmp_path):
    file = write_pickle(tmp_path, trials())
    one, three = load_braille(file), load_braille(file, copies=3)
    assert (three.n_channels, three.name) == (72, "braille-3-copies")
    once, _ = one.test.batch([0])
    thrice, _ = three.test.batch([0])
    for copy in range(3):
        chosen = thrice.channel // 24 == copy
        np.testing.assert_array_equal(thrice.channel[chosen] % 24, once.channel)
        np.testing.assert_array_equal(thrice.time[chosen], once.time)
    assert (np.diff(thrice.time) >= 0).all()
    refused(lambda: load_braille(file, copies=0), file="0 copies", expected="give 1 or more")


def test_load_dataset__a_folder_with_one_file_is_enough(tmp_path):
    write_pickle(tmp_path, trials())
    assert load_dataset(tmp_path).name == "braille"
    (tmp_path / "data_braille_letters_th_2.pkl").write_bytes(b"")
    refused(
        load_dataset, tmp_path, file=tmp_path, expected=r"2 files of Braille letters: give one of them, such as .*_th_1.pkl"
    )


class Evil:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def doubled():
    """A list that is small as a pickle, and holds the same numbers 2**40 times."""
    value = [0.5]
    for _ in range(40):
        value = [value, value]
    return value


def beginning(spikes):
    """The trials with other spikes in the first list."""
    content = trials()
    content["events"][0][0][0] = spikes
    return content


def replaced(**changes):
    return trials() | changes


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (Evil(), "as many events as letters"),
        (replaced(letter=[Evil()] * N), "a letter of type Inert: expected Space or A to Z"),
        (replaced(events=[Evil()] * N), "other events in trial 0 than 12 taxels with 2 lists"),
        (replaced(events=[[[Evil(), []]] * 12] * N), "trial 0 that are no list of times"),
        (replaced(letter=["A"]), "as many events as letters"),
        (replaced(letter=["a"] * N), "a letter 'a': expected Space or A to Z"),
        (replaced(letter=[doubled()] * N), "a letter of type list"),
        ({"letter": ["A"]}, "as many events as letters"),
        ([1, 2], "as many events as letters"),
        ([], "as many events as letters|holds no sample"),
        (3, "as many events as letters"),
        (replaced(events=[[[[], []]] * 11] * N), "in trial 0 than 12 taxels"),
        (replaced(events=[[[[]]] * 12] * N), "in trial 0 than 12 taxels with 2 lists"),
        (replaced(events=[[[["x"], []]] * 12] * N), "trial 0 that are no list of times: expected numbers, in s"),
        (replaced(events=[[[doubled(), []]] * 12] * N), "no list of times"),
        (replaced(events=[[[np.ones((2, 2)), []]] * 12] * N), "no list of times"),
        (beginning([-0.5]), "a spike at -500.0 ms in sample 0"),
        (beginning(np.array([np.nan])), "a spike at nan ms in sample 0"),
        (beginning(np.array([1e300])), "a spike at inf ms in sample 0"),
        (replaced(events=[[[[0.5] * 100, []]] * 12] * N), "more spikes than bytes"),
        (trials(2), "fewer than three trials of each letter"),
    ],
)
def test_load_braille__names_what_is_wrong(tmp_path, monkeypatch, content, expected):
    monkeypatch.chdir(tmp_path)
    file = write_pickle(tmp_path, content)
    refused(load_dataset, file, file=file, expected=expected)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_load_braille__names_a_truncated_file(tmp_path, kept):
    file = write_pickle(tmp_path, trials())
    file.write_bytes(file.read_bytes()[:kept])
    refused(load_dataset, file, file=file, expected="its pickle is damaged")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"letter": None}, "has no array of numbers 'letter': expected begin, channel, time, letter"),
        ({"letter": np.full(6, 27)}, "class 27: expected 0 for the space to 26 for Z"),
        ({"channel": [24]}, "channel 24: expected channels from 0 to 23"),
        ({"time": [-1.0]}, "a spike at -1.0 ms in sample 2"),
    ],
)
def test_load_braille__names_what_is_wrong_with_arrays(tmp_path, changes, expected):
    arrays = {"begin": [0, 0, 0, 1, 1, 1, 1], "channel": [3], "time": [4.0], "letter": np.zeros(6, int)}
    file = tmp_path / "mine.npz"
    np.savez(file, **arrays)
    assert load_dataset(file).test.time.tolist() == [4.0]  # whole before the change
    np.savez(file, **{name: array for name, array in (arrays | changes).items() if array is not None})
    refused(load_dataset, file, file=file, expected=expected)


def test_load_braille__a_file_without_spikes_is_read(tmp_path):
    file = tmp_path / "mine.npz"
    np.savez(file, begin=np.zeros(7, int), channel=np.empty(0, int), time=np.empty(0), letter=np.zeros(6, int))
    data = load_dataset(file)
    assert (len(data.training), data.duration) == (4, 1.0)
    assert data.training.batch([0, 1])[0].begin.tolist() == [0, 0, 0]
