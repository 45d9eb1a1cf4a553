"""Recordings of a few kilobytes, on which networks train in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainers.datasets import Frames, Recordings

N_TRAINING, N_TEST = 60, 12


def recordings(seed=0):
    """Three classes told apart by when which of six channels is on."""
    random = np.random.default_rng(seed)

    def part(n):
        y = np.arange(n) % 3
        x = random.random((n, 12, 6)).astype(np.float32) * 0.3
        for i, k in enumerate(y):
            x[i, 2 + 2 * k, 2 * k : 2 * k + 2] += 2
        return Frames(x=x, y=y.astype(np.int64), scale=1.0)

    return Recordings(
        name="toy", training=part(40), validation=part(12), test=part(10), dt=10.0, duration=120.0, n_classes=3, frequency=None,
        gain=1.0, source="toy", sha256=f"toy {seed}",
    )  # fmt: skip


def write_rawhd(folder: Path, **changes: np.ndarray) -> Path:
    """A small folder in the RawHD layout: 3 classes, 5 frames, 4 channels; ``changes`` replace arrays by file stem."""
    rng = np.random.default_rng(0)
    arrays = {
        "training_x_data": rng.random((N_TRAINING, 5, 4)),
        "training_y_data": np.arange(N_TRAINING) % 3,
        "testing_x_data": rng.random((N_TEST, 5, 4)),
        "testing_y_data": np.arange(N_TEST) % 3,
    }
    for name, array in (arrays | changes).items():
        np.save(folder / f"{name}.npy", array)
    return folder


def write_braille(folder: Path) -> Path:
    """60 trials of three letters, in the layout of Braille letters: 24 channels, 27 classes."""
    random, n = np.random.default_rng(0), 60
    file = folder / "spikes.npz"
    channel = random.integers(0, 24, (n, 20))
    when = np.sort(random.uniform(0, 90, (n, 20))).astype(np.float32)
    np.savez(file, begin=np.arange(n + 1) * 20, channel=channel.ravel(), time=when.ravel(), letter=np.arange(n) % 3)
    return file
