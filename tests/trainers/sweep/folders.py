"""What two sweep folders must have in common, however they were trained."""

from __future__ import annotations

import subprocess
import sys
import time

import pandas as pd

from stanalysis.files.records import read_table

# of sweep.csv, but for what a run is
ROW = {
    "n_synapses": 1, "n_possible": 1, "in_degree": 1.0, "n_input_synapses": 1, "epochs": 1, "last_validation_accuracy": 0.5,
    "last_test_accuracy": 0.5, "best_epoch": 1, "best_validation_accuracy": 0.5, "best_test_accuracy": 0.5, "seconds": 1.0,
}  # fmt: skip
NUMBERS = ("metrics.csv", "last.nc", "best.nc", "step-000000.nc", "rewiring.nc")


def assert_same_sweep(path, other):
    """The same runs, file by file and bit for bit, and the same table but for seconds; nothing unfinished lies about."""
    a, b = (read_table(folder / "sweep.csv", remedy="").drop(columns="seconds") for folder in (path, other))
    pd.testing.assert_frame_equal(a, b)
    for run in a.run:
        names = sorted(p.name for p in (path / run).iterdir())
        assert names == sorted(p.name for p in (other / run).iterdir())
        for name in set(names) & set(NUMBERS):
            assert (path / run / name).read_bytes() == (other / run / name).read_bytes(), f"{run}/{name}"
    assert not list(path.rglob(".*"))
    assert not list((path / "failed").glob("*")) if (path / "failed").exists() else True


def started(*arguments, **options):
    """A process of the command line."""
    command = [sys.executable, "-m", "stanalysis", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def wait_until(condition, *, seconds=60.0):
    """Look often until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)
