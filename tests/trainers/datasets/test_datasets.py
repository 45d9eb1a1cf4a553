from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from stanalysis.errors import BadInput
from tests.trainers.datasets.refusing import refused
from tests.trainers.recordings import N_TEST, N_TRAINING, write_rawhd
from trainers.datasets import Frames, Recordings, load_dataset
from trainers.datasets.rawhd import FILES, load_rawhd
from trainers.datasets.spoken_digits import load_spoken_digits

DATASETS = Path(load_dataset.__code__.co_filename).parent
EMBEDDED = DATASETS / "spoken_digits.npz"


@pytest.fixture(scope="module")
def digits() -> Recordings:
    return load_dataset("spoken_digits")


def test_batch__is_contiguous_input_with_the_batch_last():
    x = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    current, label = Frames(x, np.array([7, 9]), scale=0.5).batch([1, 0, 1])
    assert current.dtype == np.float32
    assert current.flags.c_contiguous
    assert current.shape == (4, 3, 3)
    assert label.tolist() == [9, 7, 9]
    for lane, sample in enumerate([1, 0, 1]):
        np.testing.assert_array_equal(current[:, :, lane], 0.5 * x[sample].T)


def test_batch__does_not_change_the_recordings():
    part = Frames(np.ones((2, 3, 4), np.float32), np.array([0, 1]), scale=20.0)
    current, _ = part.batch([0])
    current[:] = -1
    assert (part.x == 1).all()
    assert (part.batch([0])[0] == 20).all()


class TestSpokenDigits:
    def test_load_spoken_digits__has_the_published_counts_and_axes(self, digits):
        assert (len(digits.training), len(digits.validation), len(digits.test)) == (3200, 800, 1000)
        assert (digits.name, digits.n_classes, digits.dt, digits.gain) == ("spoken_digits", 20, 10.0, 1.0)
        for part in (digits.training, digits.validation, digits.test):
            assert part.x.shape == (len(part), 80, digits.n_channels) == (len(part), 80, 40)
            np.testing.assert_array_equal(np.bincount(part.y), len(part) // 20)  # every class equally often

    def test_load_spoken_digits__knows_its_file(self, digits):
        assert digits.sha256 == "81cd9b16a2d8b1f3bf94e754147ba4aedc885a1edc27f4927ce5e34a2b43a863"

    def test_load_spoken_digits__decodes_as_the_card_says(self, digits):
        with np.load(EMBEDDED, allow_pickle=False) as arrays:
            x = np.cumsum(arrays["train_x_dt"], axis=1, dtype=np.uint8)
            speaker = arrays["train_speaker"]
            test_x = np.cumsum(arrays["test_x_dt"], axis=1, dtype=np.uint8)
        np.testing.assert_array_equal(digits.training.x, x[speaker < 32])
        np.testing.assert_array_equal(digits.validation.x, x[speaker >= 32])
        np.testing.assert_array_equal(digits.test.x, test_x)
        assert x.min() == 0
        assert x.max() == test_x.max() == 15
        current, _ = digits.test.batch([3, 5])
        np.testing.assert_allclose(current[:, :, 1], test_x[5].T / 15, rtol=1e-6)

    def test_load_spoken_digits__parts_share_no_speaker(self, digits):
        with np.load(EMBEDDED, allow_pickle=False) as arrays:
            x, speaker = np.cumsum(arrays["train_x_dt"], axis=1, dtype=np.uint8), arrays["train_speaker"]
            test_speaker = arrays["test_speaker"]
        speakers = {recording.tobytes(): number for recording, number in zip(x, speaker, strict=True)}
        assert len(speakers) == len(x)  # no recording occurs twice
        training, validation = (
            {speakers[recording.tobytes()] for recording in part.x} for part in (digits.training, digits.validation)
        )
        assert training == set(range(32))
        assert validation == set(range(32, 40))
        assert not (training | validation) & set(test_speaker.tolist())

    def test_load_spoken_digits__channels_are_the_generators_mel_bands(self, digits):
        spec = importlib.util.spec_from_file_location("mel", DATASETS / "generator" / "mel.py")
        mel = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(mel)
        np.testing.assert_array_equal(digits.frequency, mel.mel_edges(40, 60.0, 8000.0)[1:-1])
        assert (np.diff(digits.frequency) > 0).all()
        assert 60 < digits.frequency[0] < 120
        assert 7000 < digits.frequency[-1] < 8000

    def test_load_spoken_digits__stays_small_in_memory(self, digits):
        assert sum(part.x.nbytes for part in (digits.training, digits.validation, digits.test)) < 20e6

    def test_load_spoken_digits__gain_is_the_input_at_the_highest_level(self):
        louder = load_dataset("spoken_digits", gain=3)
        current, _ = louder.training.batch(range(50))
        assert current.max() == pytest.approx(3)
        assert current.min() == 0

    def test_load_spoken_digits__names_a_missing_file(self, tmp_path):
        file = tmp_path / "gone.npz"
        refused(load_spoken_digits, file, file=file, expected="No such file.*restore it")

    @pytest.mark.parametrize("kept", [0, 1, 1000, 2_000_000, 4_101_900])
    def test_load_spoken_digits__names_a_truncated_file(self, tmp_path, kept):
        file = tmp_path / "short.npz"
        file.write_bytes(EMBEDDED.read_bytes()[:kept])
        refused(load_spoken_digits, file, file=file, expected="not a whole spoken digits file.*restore it")

    @pytest.mark.parametrize("place", [100, 1_000_000, 3_900_000, 4_101_000])
    def test_load_spoken_digits__names_a_damaged_file(self, tmp_path, place):
        file = tmp_path / "damaged.npz"
        content = bytearray(EMBEDDED.read_bytes())
        content[place : place + 64] = bytes(255 - byte for byte in content[place : place + 64])
        file.write_bytes(content)
        refused(load_spoken_digits, file, file=file, expected="not a whole spoken digits file.*restore it")

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"train_x_dt": np.zeros((4, 80, 39), np.uint8)}, r"train_x_dt to be uint8 \(4, 80, 40\), found .* 39\)"),
            ({"train_x_dt": np.zeros((4, 80, 40), np.float32)}, "train_x_dt to be uint8 .*, found float32"),
            ({"test_y": np.zeros(3, np.uint8)}, r"test_x_dt to be uint8 \(3, 80, 40\)"),
            ({"test_y": np.full(4, 20, np.uint8)}, "test_y to be below 20"),
            ({"test_speaker": np.zeros((4, 1), np.uint8)}, r"test_speaker to be uint8 \(4,\)"),
            ({"test_x_dt": np.full((4, 80, 40), 1, np.uint8)}, "levels below 16, found 80"),
            ({"test_x_dt": None}, "test_x_dt"),
            ({"config": np.frombuffer(b"{}", np.uint8)}, "T"),
        ],
    )
    def test_load_spoken_digits__names_what_is_misshaped(self, tmp_path, changes, expected):
        config = {"T": 80, "n_mels": 40, "fmin": 60.0, "fmax": 8000.0, "hop": 0.01, "levels": 16}
        arrays = {"config": np.frombuffer(json.dumps(config).encode(), np.uint8)}
        for part in ("train", "test"):
            arrays[f"{part}_x_dt"] = np.zeros((4, 80, 40), np.uint8)
            arrays[f"{part}_y"] = arrays[f"{part}_speaker"] = np.zeros(4, np.uint8)
        file = tmp_path / "misshaped.npz"
        np.savez(file, **arrays)
        load_spoken_digits(file)  # whole before the change
        np.savez(file, **{name: array for name, array in (arrays | changes).items() if array is not None})
        refused(load_spoken_digits, file, file=file, expected=expected)


class TestRawHD:
    def test_load_rawhd__keeps_every_training_sample_once_and_the_test_set_whole(self, tmp_path):
        data = load_dataset(write_rawhd(tmp_path))
        x = np.load(tmp_path / "training_x_data.npy").astype(np.float32)
        together = np.concatenate([data.training.x, data.validation.x])
        np.testing.assert_array_equal(np.sort(together[:, 0, 0]), np.sort(x[:, 0, 0]))
        np.testing.assert_array_equal(data.test.x, np.load(tmp_path / "testing_x_data.npy").astype(np.float32))
        np.testing.assert_array_equal(data.test.y, np.arange(N_TEST) % 3)
        assert (data.name, data.n_classes, data.dt, data.frequency) == ("rawhd", 3, 10.0, None)
        assert (data.duration, data.n_channels) == (50.0, 4)

    def test_load_rawhd__labels_stay_with_their_samples(self, tmp_path):
        label = np.random.default_rng(1).integers(0, 3, N_TRAINING)
        x = np.broadcast_to(label[:, None, None], (N_TRAINING, 5, 4)).astype(np.float64)
        data = load_rawhd(write_rawhd(tmp_path, training_x_data=x, training_y_data=label))
        for part in (data.training, data.validation):
            np.testing.assert_array_equal(part.x[:, 0, 0], part.y)

    def test_load_rawhd__holds_out_a_tenth_of_every_class_always_the_same(self, tmp_path):
        folder = write_rawhd(tmp_path)
        first, second = load_rawhd(folder), load_rawhd(folder)
        np.testing.assert_array_equal(np.bincount(first.validation.y), [2, 2, 2])  # of 20 each
        np.testing.assert_array_equal(np.bincount(first.training.y), [18, 18, 18])
        np.testing.assert_array_equal(first.validation.x, second.validation.x)

    def test_load_rawhd__multiplies_by_the_gain(self, tmp_path):
        folder = write_rawhd(tmp_path)
        x = np.load(folder / "testing_x_data.npy")
        for data, gain in ((load_dataset(str(folder)), 20), (load_dataset(folder, gain=2), 2)):
            np.testing.assert_allclose(data.test.batch([4])[0][:, :, 0], gain * x[4].T, rtol=1e-6)
            assert data.gain == gain

    def test_load_rawhd__reads_the_same_from_any_memory_order_and_block(self, tmp_path, monkeypatch):
        x = np.random.default_rng(0).random((N_TRAINING, 5, 4))
        rows = load_rawhd(write_rawhd(tmp_path, training_x_data=x)).training.x
        monkeypatch.setattr("trainers.datasets.rawhd.BLOCK", 7)
        columns = load_rawhd(write_rawhd(tmp_path, training_x_data=np.asfortranarray(x))).training.x
        np.testing.assert_array_equal(rows, columns)

    def test_load_rawhd__digest_changes_with_any_file(self, tmp_path):
        digests = {load_rawhd(write_rawhd(tmp_path)).sha256}
        for name in (file.removesuffix(".npy") for file in FILES):
            array = np.load(tmp_path / f"{name}.npy").copy()
            array[3] = (array[3] + 1) % 3
            digests.add(load_rawhd(write_rawhd(tmp_path, **{name: array})).sha256)
        assert len(digests) == 5

    @pytest.mark.parametrize("name", FILES)
    def test_load_rawhd__names_a_missing_file(self, tmp_path, name):
        write_rawhd(tmp_path)
        (tmp_path / name).unlink()
        refused(load_rawhd, tmp_path, file=tmp_path / name, expected="No such file.*expected a folder with")

    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("lost", [1, 40, 10_000])
    def test_load_rawhd__names_a_truncated_file(self, tmp_path, name, lost):
        file = write_rawhd(tmp_path) / name
        content = file.read_bytes()
        file.write_bytes(content[: max(len(content) - lost, 0)])
        refused(load_rawhd, tmp_path, file=file, expected="not a whole .npy file")

    @pytest.mark.parametrize("content", [b"not an array", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f8',"])
    def test_load_rawhd__names_a_file_that_is_no_array(self, tmp_path, content):
        file = write_rawhd(tmp_path) / "testing_x_data.npy"
        file.write_bytes(content)
        refused(load_rawhd, tmp_path, file=file, expected="not a whole .npy file")

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            (
                {"training_x_data": np.zeros((N_TRAINING, 20))},
                r"expected real numbers with dims \(sample, time, channel\)",
            ),
            ({"training_x_data": np.zeros((N_TRAINING, 5, 0))}, "expected real numbers|not a whole"),
            ({"training_x_data": np.zeros((N_TRAINING, 5, 4), complex)}, "complex128.*expected real numbers"),
            ({"training_x_data": np.full((N_TRAINING, 5, 4), None)}, "not a whole .npy file of numbers"),
            ({"training_x_data": np.zeros((N_TRAINING, 5, 4, 1))}, "expected real numbers"),
            ({"training_y_data": np.zeros(N_TRAINING - 1, int)}, "59 classes for the 60 samples.*one per sample"),
            ({"training_y_data": np.arange(N_TRAINING) / 2}, "float64.*expected one integer class per sample"),
            ({"training_y_data": np.zeros((N_TRAINING, 1), int)}, "expected one integer class per sample"),
            ({"training_y_data": np.arange(N_TRAINING) - 1}, "class -1: expected classes from 0"),
            ({"training_y_data": np.arange(N_TRAINING)}, "at least two"),
            ({"testing_x_data": np.zeros((N_TEST, 6, 4))}, r"\(6, 4\).*has \(5, 4\).*same number of frames"),
            ({"testing_x_data": np.zeros((N_TEST, 5, 3))}, "same number of frames and channels"),
        ],
    )
    def test_load_rawhd__names_what_is_misshaped(self, tmp_path, changes, expected):
        write_rawhd(tmp_path, **changes)
        (name,) = changes
        refused(load_rawhd, tmp_path, file=tmp_path / f"{name}.npy", expected=expected)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
    @pytest.mark.parametrize(("name", "n_samples"), [("training_x_data", N_TRAINING), ("testing_x_data", N_TEST)])
    def test_load_rawhd__names_the_sample_that_is_not_finite(self, tmp_path, name, n_samples, value):
        x = np.zeros((n_samples, 5, 4))
        x[11, 2, 3] = value
        write_rawhd(tmp_path, **{name: x})
        refused(load_rawhd, tmp_path, file=tmp_path / f"{name}.npy", expected="in sample 11: expected finite")


def test_load_dataset__names_what_is_not_there(tmp_path):
    refused(load_dataset, tmp_path / "gone", file=tmp_path / "gone", expected="give spoken_digits, .*, or a folder")


def test_load_dataset__a_path_is_always_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("spoken_digits")
    folder.mkdir()
    assert load_dataset(write_rawhd(folder)).name == "rawhd"
    assert load_dataset("spoken_digits").name == "spoken_digits"


@pytest.mark.parametrize("gain", [0, -1, np.nan, np.inf])
def test_load_dataset__refuses_a_gain_that_is_not_above_0(gain):
    with pytest.raises(BadInput, match="not a number above 0"):
        load_dataset("spoken_digits", gain=gain)
