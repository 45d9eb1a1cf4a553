"""Trainings that take seconds, interrupted and compared."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import xarray as xr

from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.rewiring_log import read_log
from tests.trainers.recordings import recordings
from trainers.methods.dcls.config import DENSE, DclsConfig
from trainers.training.loop import train
from trainers.training.watcher import Watcher

CONFIG = DclsConfig(hidden=(6,), n_bins=5, batch_size=16, epochs=4)


def trained(path, *, config=CONFIG, watcher=None, seed=7, threads=1, n_checkpoints=5, data=None):
    """Train a dense network; False where it was interrupted."""
    return train(
        DENSE,
        config,
        data or recordings(),
        path,
        seed=seed,
        threads=threads,
        n_checkpoints=n_checkpoints,
        watcher=watcher,
    )


class InterruptAt(Watcher):
    """Ctrl-C after so many batches."""

    def __init__(self, n):
        self.left = n

    def batch(self, epoch, loss):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def assert_same_run(a: Path, b: Path):
    """Two run folders hold the same, bit for bit."""
    assert sorted(p.name for p in a.iterdir()) == sorted(p.name for p in b.iterdir())
    if (a / "rewiring.nc").exists() and (a / "rewiring.nc").read_bytes() != (b / "rewiring.nc").read_bytes():
        xr.testing.assert_identical(read_log(a / "rewiring.nc"), read_log(b / "rewiring.nc"))
    for path in {*a.glob("*.nc")} - {a / "rewiring.nc"}:
        assert_same_network(path, b / path.name)
    assert (a / "metrics.csv").read_bytes() == (b / "metrics.csv").read_bytes()


def assert_same_network(a: Path, b: Path):
    """Two checkpoints hold the same, bit for bit; read, which takes long, only where their files differ."""
    if a.read_bytes() != b.read_bytes():
        xr.testing.assert_identical(read_checkpoint(a), read_checkpoint(b))
