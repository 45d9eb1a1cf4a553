from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from stanalysis.analysis.analyze import analyze
from stanalysis.synthetic.fields import noise_fields

NAMES = ("first", "<img src=x onerror=alert(1)>")  # of networks; the second is to stay text


@pytest.fixture(scope="session")
def analysis(tmp_path_factory, write_rewiring_run):
    """Two networks of 12 sources and 24 targets that rewire, at 5 steps."""
    folder = tmp_path_factory.mktemp("atlas")
    runs = [
        write_rewiring_run(folder / name, seed=seed, n_synapses=110, n_target=24, n_bins=7) for seed, name in enumerate(NAMES)
    ]
    return analyze(runs, n_permutations=19, statistics=("lattice", "survival"))


def fields_of(weight, **coordinates):
    """Receptive fields (target, source, delay) in which every weight that is not 0 is a synapse."""
    field = xr.DataArray(np.asarray(weight, float), coordinates, ("target", "source", "delay"))
    return xr.Dataset({"receptive_field": field, "present": field != 0})


def noise(n_target):
    return fields_of(noise_fields(n_target, n_source=9, n_delay=6, seed=0).values)
