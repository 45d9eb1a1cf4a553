from __future__ import annotations

import pytest

from stanalysis.analysis.analyze import analyze
from tests.reports.atlas.fields import NAMES


@pytest.fixture(scope="session")
def analysis(tmp_path_factory, write_rewiring_run):
    """Two networks of 12 sources and 24 targets that rewire, at 5 steps."""
    folder = tmp_path_factory.mktemp("atlas")
    runs = [
        write_rewiring_run(folder / name, seed=seed, n_synapses=110, n_target=24, n_bins=7) for seed, name in enumerate(NAMES)
    ]
    return analyze(runs, n_permutations=19, statistics=("lattice", "survival"))
