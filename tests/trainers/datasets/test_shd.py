"""The layout of SHD and SSC, in files that the tests write."""

from __future__ import annotations

import struct

import h5py
import numpy as np
import pytest

from tests.trainers.datasets.refusing import refused
from trainers.datasets import load_dataset
from trainers.datasets.shd import load_shd

N = 40  # samples of the training file


def write_file(path, n=N, *, seed=0, chunks=None, time_type=np.float16, **changes):
    """A file of two classes and ten speakers; ``changes`` replace datasets by name, None leaves one out."""
    random = np.random.default_rng(seed)
    times = [np.sort(random.random(random.integers(0, 30)) * 1.3).astype(time_type) for _ in range(n)]
    content = {
        "times": times,
        "units": [random.integers(0, 700, len(part)).astype(np.uint16) for part in times],
        "labels": np.arange(n) % 2,
        "speaker": np.arange(n) // 2 % 10,
    } | changes
    with h5py.File(path, "w") as file:
        for name, dtype in (("times", time_type), ("units", np.uint16)):
            if content[name] is not None:
                lists = file.create_dataset(f"spikes/{name}", (len(content[name]),), h5py.vlen_dtype(dtype), chunks=chunks)
                for k, part in enumerate(content[name]):
                    lists[k] = part
        for name, place in (("labels", "labels"), ("speaker", "extra/speaker")):
            if content[name] is not None:
                file[place] = content[name]
        file["extra/keys"] = ["zero", "one"]
    return content


@pytest.fixture
def folder(tmp_path):
    write_file(tmp_path / "shd_train.h5")
    write_file(tmp_path / "shd_test.h5", 12, seed=1)
    return tmp_path


def samples_of(lists):
    return [(lists.time[b:e], lists.channel[b:e]) for b, e in zip(lists.begin[:-1], lists.begin[1:], strict=True)]


@pytest.mark.parametrize("time_type", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("chunks", [None, (7,)])
def test_load_shd__reads_the_spikes_of_the_first_second_in_ms(tmp_path, chunks, time_type):
    write_file(tmp_path / "shd_train.h5", chunks=chunks, time_type=time_type)
    content = write_file(tmp_path / "shd_test.h5", 12, seed=1, chunks=chunks, time_type=time_type)
    data = load_dataset(tmp_path)
    assert (data.name, data.content, data.n_channels, data.n_classes) == ("shd", "events", 700, 2)
    assert (data.dt, data.duration, data.frequency, data.gain, data.source) == (0.0, 1000.0, None, 1.0, str(tmp_path))
    np.testing.assert_array_equal(data.test.y, content["labels"])
    for (time, channel), times, units in zip(samples_of(data.test), content["times"], content["units"], strict=True):
        kept = times < 1
        np.testing.assert_allclose(time, times[kept].astype(float) * 1000, rtol=1e-6)
        np.testing.assert_array_equal(channel, units[kept])
    assert data.test.time.dtype == np.float32
    assert data.test.time.max() < 1000


@pytest.mark.parametrize("compression", ["gzip", "lzf"])
def test_load_shd__compressed_places_of_lists_are_read_or_refused(folder, compression):
    with h5py.File(folder / "shd_test.h5", "r+") as file:
        parts = list(file["spikes/times"])
        del file["spikes/times"]
        dtype = h5py.vlen_dtype(np.float16)
        lists = file.create_dataset("spikes/times", (12,), dtype, chunks=(5,), compression=compression, shuffle=True)
        for k, part in enumerate(parts):
            lists[k] = part
    if compression == "lzf":
        refused(load_dataset, folder, file=folder / "shd_test.h5", expected="compressed in a way that is not read")
    else:
        expected = [(part[part < 1].astype(np.float32) * 1000).tolist() for part in parts]
        assert [time.tolist() for time, _ in samples_of(load_dataset(folder).test)] == expected


def test_load_shd__holds_out_every_fifth_training_speaker(folder):
    data = load_shd(folder)
    speaker = np.arange(N) // 2 % 10
    assert len(data.validation) == np.isin(speaker, [1, 6]).sum() == 8
    assert len(data.training) == N - 8
    by_samples = load_shd(folder, validation="samples")
    assert by_samples.name == "shd-by-samples"  # a run of one is not resumed with the other
    assert np.bincount(by_samples.validation.y).tolist() == [2, 2]  # of 20 each
    together = np.concatenate([by_samples.training.time, by_samples.validation.time])
    np.testing.assert_array_equal(np.sort(together), np.sort(np.concatenate([data.training.time, data.validation.time])))


def test_load_shd__a_file_for_validation_is_used(tmp_path):
    for part, n in (("train", N), ("valid", 10), ("test", 6)):
        write_file(tmp_path / f"ssc_{part}.hdf5", n, seed=n, speaker=None)
    data = load_dataset(str(tmp_path / "ssc_test.hdf5"))
    assert data.name == "ssc"
    assert [len(part) for part in (data.training, data.validation, data.test)] == [N, 10, 6]


def test_load_dataset__a_file_tells_shd_from_ssc_in_a_folder_of_both(folder):
    for part, n in (("train", N), ("valid", 10), ("test", 6)):
        write_file(folder / f"ssc_{part}.h5", n)
    refused(load_dataset, folder, file=folder, expected="holds shd and ssc: give a folder, or a file, of one of them")
    for name in ("shd", "ssc"):
        data = load_dataset(folder / f"{name}_train.h5")
        assert data.name == name
        assert load_dataset(data.source).sha256 == data.sha256


def test_load_shd__frames_are_counts(folder):
    data = load_dataset(folder, content="frames")
    assert (data.name, data.dt, data.test.x.shape) == ("shd", 10.0, (12, 100, 700))
    assert data.test.x.sum() == len(load_dataset(folder).test.time)


def test_load_shd__unsorted_times_are_sorted(folder):
    write_file(folder / "shd_test.h5", 1, times=[[0.5, 0.25]], units=[[7, 8]], labels=[0])
    lists = load_dataset(folder).test
    assert (lists.time.tolist(), lists.channel.tolist()) == ([250, 500], [8, 7])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"times": None}, "has no spikes/times as the Spiking Heidelberg Digits have them"),
        ({"units": None}, "has no spikes/units"),
        ({"labels": None}, "has no labels"),
        ({"times": [[0.5]] * (N - 1)}, "other numbers of spikes/times than of spikes/units"),
        ({"times": [[0.5]] * N, "units": [[1, 2]] * N}, "other numbers of spikes/times"),
        ({"times": [[np.nan]] * N, "units": [[1]] * N}, "a spike at nan ms in sample 0: expected finite times"),
        ({"times": [[-0.5]] * N, "units": [[1]] * N}, "a spike at -500.0 ms in sample 0"),
        ({"times": [[0.5]] * N, "units": [[700]] * N}, "channel 700: expected channels from 0 to 699"),
        ({"labels": np.arange(N) - 1}, "class -1: expected classes from 0"),
        ({"labels": np.arange(N - 1)}, "where 40 samples begin, and has 39 classes"),
        ({"labels": np.full(N, 10**6)}, "class 1000000 for 40 samples"),
        ({"labels": np.arange(N) / 2}, "float64.*as class"),
        ({"labels": np.zeros((N, 1), int)}, "as class: expected a flat list"),
        ({"speaker": None}, "does not say who speaks, in extra/speaker: give a file for validation, or hold out samples"),
        ({"speaker": np.zeros(N, int)}, "has one speaker: give a file for validation, or hold out samples"),
        ({"speaker": np.zeros(3, int)}, "does not say who speaks"),
    ],
)
def test_load_shd__names_what_is_wrong(folder, changes, expected):
    write_file(folder / "shd_train.h5", **changes)
    refused(load_dataset, folder, file=folder / "shd_train.h5", expected=expected)


def test_load_shd__names_classes_that_training_lacks(folder):
    write_file(folder / "shd_test.h5", 12, labels=np.full(12, 5))
    refused(load_dataset, folder, file=folder / "shd_test.h5", expected="class 5, which training lacks")


@pytest.mark.parametrize("kept", [0, 1, 100, 2000, -1])
def test_load_shd__names_a_truncated_file(folder, kept):
    file = folder / "shd_train.h5"
    file.write_bytes(file.read_bytes()[:kept])
    refused(load_dataset, folder, file=file, expected="cannot be read as HDF5|is damaged")


@pytest.mark.parametrize("name", ["shd_train.h5", "shd_test.h5"])
def test_load_shd__names_a_missing_file(folder, name):
    (folder / name).unlink()
    refused(load_dataset, folder, file=folder / name, expected="does not exist: expected a training and a test file")


def test_load_shd__follows_no_link_to_another_file(folder):
    with h5py.File(folder / "shd_train.h5", "r+") as file:
        del file["labels"]
        file["labels"] = h5py.ExternalLink("shd_test.h5", "/labels")
    refused(load_dataset, folder, file=folder / "shd_train.h5", expected="holds a link, 'labels', that can lead to other files")


@pytest.mark.parametrize("length", [10**9, 2])
def test_load_shd__believes_no_length(folder, length):
    """A list of two bytes that says it is far longer, or a little, is refused before anything is allocated."""
    path = folder / "shd_train.h5"
    write_file(path, times=[[0.5]] * N, units=[[1]] * N)
    with h5py.File(path) as file:
        at = file["spikes/times"].id.get_offset()
    content = bytearray(path.read_bytes())
    assert int.from_bytes(content[at : at + 4], "little") == 1
    content[at : at + 4] = length.to_bytes(4, "little")
    path.write_bytes(content)
    refused(load_dataset, folder, file=path, expected="more than a network can|lengths differ from what is stored")


def test_load_shd__lists_that_share_what_is_stored_are_bounded(folder):
    """A million places that all name the same list would be gigabytes."""
    path = folder / "shd_train.h5"
    n = 100_000
    with h5py.File(path, "w") as file:
        lists = file.create_dataset("spikes/times", (n,), h5py.vlen_dtype(np.float64))
        lists[0] = np.zeros(10_000)
        at = lists.id.get_offset()
    content = bytearray(path.read_bytes())
    content[at : at + 16 * n] = content[at : at + 16] * n
    path.write_bytes(content)
    refused(load_dataset, folder, file=path, expected="holds more than a network can")


def test_load_shd__believes_no_size_of_a_chunk(folder):
    """libhdf5 would write beyond the end of its memory."""
    path = folder / "shd_train.h5"
    write_file(path, chunks=(7,))
    with h5py.File(path) as file:
        chunk = file["spikes/times"].id.get_chunk_info(0)
    content, place = path.read_bytes(), struct.pack("<QQQ", 0, 0, chunk.byte_offset)  # where it begins, and where it is
    size = struct.pack("<II", chunk.size, 0)
    assert content.count(size + place) == 1
    path.write_bytes(content.replace(size + place, struct.pack("<II", 255, 0) + place))
    refused(load_dataset, folder, file=path, expected="has a chunk that is damaged, which is not read")
