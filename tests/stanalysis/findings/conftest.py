from __future__ import annotations

import numpy as np
import pytest

from stanalysis.analysis.analyze import analyze
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.run import step_path, write_info
from stanalysis.synthetic.network import small_network


def write_small_run(path, *, seed, steps=(0, 5), silent=()):
    """A run whose last checkpoint lacks the synapses of some targets of its first projection."""
    write_info(path, {"method": "dcls", "seed": seed})
    for step in steps:
        tree = small_network(step=step, seed=seed, n_source=8, n_target=5)
        if step == steps[-1]:
            table = tree["projections/input__hidden1"].to_dataset()
            tree["projections/input__hidden1"].dataset = table.isel(synapse=~np.isin(table.target.values, silent))
        write_checkpoint(tree, step_path(path, step))
    return path


@pytest.fixture(scope="session")
def write_silent_run():
    """Write a run of which some targets lose their synapses."""
    return write_small_run


@pytest.fixture(scope="session")
def run_analysis(tmp_path_factory):
    """Two runs, their first and last steps compared."""
    folder = tmp_path_factory.mktemp("runs")
    runs = [write_small_run(folder / k, seed=i, steps=(0, 5 + 2 * i), silent=[1, 3]) for i, k in enumerate("ab")]
    return analyze(runs, n_permutations=49, compare="step", seed=2)
