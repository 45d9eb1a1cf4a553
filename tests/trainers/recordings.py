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
