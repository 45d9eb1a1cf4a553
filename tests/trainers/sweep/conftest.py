"""A sweep of a few kilobytes, trained once."""

from __future__ import annotations

import pytest

from tests.trainers.recordings import write_rawhd
from trainers.methods.rewired.config import SPARSE, SparseConfig
from trainers.sweep.grid import grid_of
from trainers.sweep.runs import sweep


@pytest.fixture(scope="session")
def tiny_grid(tmp_path_factory):
    """Four runs of 4 channels, 8 hidden neurons, 3 outputs."""
    return grid_of(
        SPARSE,
        methods=("rewired-learned", "fixed-fixed"),
        sparsities=(0.5,),
        seeds=(0, 1),
        data=str(write_rawhd(tmp_path_factory.mktemp("recordings"))),
        config=SparseConfig(hidden=(8,), n_bins=3, epochs=200, batch_size=16, every=2),
    )


@pytest.fixture(scope="session")
def tiny_sweep(tiny_grid, tmp_path_factory):
    """Its folder, trained by two processes of this machine."""
    path = tmp_path_factory.mktemp("whole") / "sweep"
    assert sweep(tiny_grid, path, workers=2)
    return path
