from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from stanalysis.analysis.questions import Questions
from stanalysis.analysis.samples import N_SAMPLES, chosen_samples, samples_of_network, samples_per_network
from stanalysis.fields.lattice import ROOK
from stanalysis.readers.options import Options
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.synthetic.network import small_network

ASKED = Questions(("lattice",), NullTest(n_permutations=9), ROOK, None, Options())


def network(*steps, silent=()):
    """Checkpoints, and a table that says which targets have an answer."""
    trees = {step: small_network(step=step, n_source=8, n_target=6) for step in steps}
    groups = {}
    for projection in trees[steps[0]]["projections"].children:
        n = int(trees[steps[0]][f"projections/{projection}"].attrs["n_target"])
        answers = np.where(np.isin(np.arange(n), silent), np.nan, 0.5)
        values = xr.DataArray(np.tile(answers, (len(steps), 1)), {"step": list(steps)}, ("step", "target"))
        groups[f"statistics/{projection}"] = xr.Dataset({"value": values.expand_dims(statistic=["morans_i"], axis=-1)})
    return trees, groups


@pytest.mark.parametrize("n", [1, 2, 5, 31, 32, 33, 100, 1000])
def test_samples_per_network__are_as_many_in_all(n):
    shares = samples_per_network(n)
    assert (len(shares), sum(shares)) == (n, N_SAMPLES)
    assert max(shares) - min(shares) <= 1


def test_samples_of_network__spread_over_steps_projections_and_targets():
    every = samples_of_network("a", *network(0, 3, 5, 8, 10), ASKED)
    assert 20 < len(every) <= N_SAMPLES  # some projections have few targets
    for samples in (every, chosen_samples(every, 16, turn=0)):
        assert {sample.projection for sample in samples} == {"input__hidden1", "hidden1__output"}
        assert {sample.step for sample in samples} == {0, 3, 5, 8, 10}
        assert len({sample.target for sample in samples}) > 2
        assert len({(sample.projection, sample.step, sample.target) for sample in samples}) == len(samples)


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_chosen_samples__few_are_of_the_last_step_each_network_beginning_elsewhere(turn):
    every = samples_of_network("a", *network(0, 3, 10), ASKED)
    (sample,) = chosen_samples(every, 1, turn=turn)
    assert (sample.step, sample.projection) == (10, ["input__hidden1", "hidden1__output"][turn % 2])
    assert chosen_samples(every, 0, turn=turn) == chosen_samples((), 1, turn=turn) == ()
    assert len(chosen_samples(every, 99, turn=turn)) == len(every)


def test_samples_of_network__have_an_answer():
    samples = samples_of_network("a", *network(0, silent=(0, 1, 3)), ASKED)
    assert {sample.target for sample in samples if sample.projection == "input__hidden1"} == {2, 4, 5}
    assert samples_of_network("a", *network(0, silent=range(6)), ASKED) == ()
