"""The Raw Heidelberg Digits layout: mel spectrograms of spoken digits as four .npy files in a folder."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from trainers.datasets.recordings import Frames, Recordings
from trainers.datasets.splits import digest_of, every_tenth, require_known

FILES = ("training_x_data.npy", "training_y_data.npy", "testing_x_data.npy", "testing_y_data.npy")
DT = 10.0  # ms
BLOCK = 256  # samples copied at once


def load_rawhd(folder: Path, *, gain: float = 20.0) -> Recordings:
    """Recordings from a folder in the layout of the Raw Heidelberg Digits, in 10 ms frames.

    The folder holds ``training_x_data.npy`` and ``testing_x_data.npy``, real numbers with dims (sample, time, channel),
    and ``training_y_data.npy`` and ``testing_y_data.npy``, classes from 0, dims (sample).

    For validation every tenth training sample of each class is held out, in the order of the file, beginning with the
    second. The test set is never touched. The files do not say who speaks: training and validation share speakers, so
    validation accuracy overstates what unseen speakers would give.

    Parameters
    ----------
    folder
        Where the four files are.
    gain
        Factor on the recorded values; the default is that of the published experiments.
    """
    training_x, training_y, test_x, test_y = (folder / name for name in FILES)
    training, label = _open_part(training_x, training_y)
    test, test_label = _open_part(test_x, test_y)
    if training.shape[1:] != test.shape[1:]:
        raise BadInput(
            f"{test_x} has (time, channel) {test.shape[1:]} where {training_x.name} has {training.shape[1:]}: "
            "write both with the same number of frames and channels."
        )
    if label.max() >= len(label):
        raise BadInput(f"{training_y} holds the class {label.max()} for {len(label)} samples: expected classes counted from 0.")
    require_known(test_label, label, where=str(test_y), training=training_y.name)
    held_out = every_tenth(label)
    if not held_out.any():
        raise BadInput(f"{training_y} has one sample per class: give at least two, because one is held out for validation.")
    kept, validated = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    return Recordings(
        name="rawhd",
        training=Frames(_copy(training, kept, training_x), label[kept], gain),
        validation=Frames(_copy(training, validated, training_x), label[validated], gain),
        test=Frames(_copy(test, np.arange(len(test)), test_x), test_label, gain),
        dt=DT,
        duration=training.shape[1] * DT,
        n_classes=int(label.max()) + 1,
        frequency=None,
        gain=gain,
        source=str(folder),
        sha256=digest_of(folder / name for name in FILES),
    )


def _open_part(x_file: Path, y_file: Path) -> tuple[np.ndarray, NDArray[np.int64]]:
    x, y = _open(x_file), _open(y_file)
    if x.ndim != 3 or x.size == 0 or x.dtype.kind not in "fiu":
        raise BadInput(f"{x_file} holds {x.dtype} {x.shape}: expected real numbers with dims (sample, time, channel).")
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise BadInput(f"{y_file} holds {y.dtype} {y.shape}: expected one integer class per sample.")
    if len(x) != len(y):
        raise BadInput(f"{y_file} has {len(y)} classes for the {len(x)} samples of {x_file.name}: expected one per sample.")
    label = y.astype(np.int64)
    if label.min() < 0:
        raise BadInput(f"{y_file} holds the class {label.min()}: expected classes from 0.")
    return x, label


def _open(file: Path) -> np.ndarray:
    """The array of a .npy file, mapped: only what is copied out of it takes memory."""
    try:
        return np.lib.format.open_memmap(file, mode="r")
    except OSError as error:
        raise BadInput(f"{file} cannot be read ({error.strerror}): expected a folder with {', '.join(FILES)}.") from error
    except (ValueError, SyntaxError, TokenError) as error:  # not .npy, damaged, cut short, or pickled objects
        reason = str(error).split("\n")[0].strip(".")
        raise BadInput(f"{file} is not a whole .npy file of numbers ({reason}): write it again with numpy.save.") from error


def _copy(x: np.ndarray, samples: NDArray[np.intp], file: Path) -> NDArray[np.float32]:
    """The chosen samples as float32, block by block, so that a float64 file is never in memory whole."""
    copy = np.empty((len(samples), *x.shape[1:]), np.float32)
    for start in range(0, len(samples), BLOCK):
        block = slice(start, start + BLOCK)
        with np.errstate(over="ignore"):  # a number beyond float32 becomes inf, and is found below
            copy[block] = x[samples[block]]
        finite = np.isfinite(copy[block]).all(axis=(1, 2))
        if not finite.all():
            sample = samples[block][~finite][0]
            raise BadInput(f"{file} holds NaN, infinite or too large values in sample {sample}: expected finite float32.")
    return copy
