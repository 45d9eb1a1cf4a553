"""The embedded data set: synthesised spoken digits, German and English; ``spoken_digits.md`` describes it."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from importlib.resources import files
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from trainers.datasets.recordings import Frames, Recordings

NAME = "spoken_digits"
N_CLASSES = 20  # 0-9 German, 10-19 English
VALIDATION_SPEAKERS = range(32, 40)  # of the training speakers 0-39
# what reading a damaged file may raise; RuntimeError is zipfile's answer to a feature it lacks
DAMAGE = (BadZipFile, zlib.error, EOFError, LookupError, RuntimeError, SyntaxError, TokenError, TypeError, ValueError)
Levels = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]  # x, y, speaker


def load_spoken_digits(file: Path | None = None, /, *, gain: float = 1.0) -> Recordings:
    """Spoken digits of 40 training and 10 unseen test speakers, in mel bands of 10 ms frames.

    Training speakers 32 to 39 are held out for validation, so no two parts share a speaker. The input is the log mel
    energy from 0 to ``gain``, in 16 levels; ``x`` keeps the levels.

    Parameters
    ----------
    file
        A file like the embedded one, which is the default.
    gain
        Input at the highest level.

    Examples
    --------
    >>> digits = load_spoken_digits()
    >>> len(digits.training), len(digits.validation), len(digits.test)
    (3200, 800, 1000)
    >>> input, label = digits.training.batch([0, 1])
    >>> input.shape, label
    ((40, 80, 2), array([0, 1]))
    """
    source = file if file is not None else files("trainers.datasets") / "spoken_digits.npz"
    try:
        content = source.read_bytes()
    except OSError as error:
        raise BadInput(f"{source} cannot be read ({error.strerror}): restore it from the distribution.") from error
    try:
        with np.lib.npyio.NpzFile(io.BytesIO(content), own_fid=True, allow_pickle=False) as arrays:
            config = json.loads(arrays["config"].tobytes())
            shape = (config["T"], config["n_mels"])
            n_levels = config["levels"]
            edges = _mel_edges(config["n_mels"], config["fmin"], config["fmax"])
            dt = config["hop"] * 1000
            training, test = (_read_part(arrays, part, shape, n_levels) for part in ("train", "test"))
    except DAMAGE as error:
        reason = str(error).split("\n")[0].strip(".'\"") or "it ends too early"
        raise BadInput(f"{source} is not a whole spoken digits file ({reason}): restore it from the distribution.") from error
    scale = gain / (n_levels - 1)
    x, y, speaker = training
    held_out = np.isin(speaker, VALIDATION_SPEAKERS)
    return Recordings(
        name=NAME,
        training=Frames(x[~held_out], y[~held_out].astype(np.int64), scale),
        validation=Frames(x[held_out], y[held_out].astype(np.int64), scale),
        test=Frames(test[0], test[1].astype(np.int64), scale),
        dt=dt,
        duration=x.shape[1] * dt,
        n_classes=N_CLASSES,
        frequency=edges[1:-1],
        gain=gain,
        source=NAME,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _read_part(arrays: np.lib.npyio.NpzFile, part: str, shape: tuple[int, int], n_levels: int) -> Levels:
    """Decoded levels, labels and speakers; a ValueError says what was expected."""
    x, y, speaker = (arrays[f"{part}_{name}"] for name in ("x_dt", "y", "speaker"))
    n_samples = len(y) if y.ndim == 1 else 0
    expected = {"x_dt": (x, (n_samples, *shape)), "y": (y, (n_samples,)), "speaker": (speaker, (n_samples,))}
    for name, (array, wanted) in expected.items():
        if array.shape != wanted or array.dtype != np.uint8 or n_samples == 0:
            raise ValueError(f"expected {part}_{name} to be uint8 {wanted}, found {array.dtype} {array.shape}")
    np.cumsum(x, axis=1, dtype=np.uint8, out=x)  # stored as a time difference modulo 256
    if x.max() >= n_levels:
        raise ValueError(f"expected {part}_x_dt to decode to levels below {n_levels}, found {x.max()}")
    if y.max() >= N_CLASSES:
        raise ValueError(f"expected {part}_y to be below {N_CLASSES}, found {y.max()}")
    return x, y, speaker


def _mel_edges(n_mels: int, lowest: float, highest: float) -> NDArray[np.float64]:
    """Edges of the mel bands in Hz, length n_mels + 2; band i has its centre at edge i + 1."""
    lowest_mel, highest_mel = (2595.0 * np.log10(1.0 + frequency / 700.0) for frequency in (lowest, highest))
    return 700.0 * (10.0 ** (np.linspace(lowest_mel, highest_mel, n_mels + 2) / 2595.0) - 1.0)
