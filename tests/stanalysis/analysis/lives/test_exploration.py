"""Exploration of a projection as an analysis has it: which places growth chose among, and where nothing is told."""

from __future__ import annotations

import numpy as np
import pytest

from stanalysis.analysis.analyze import analyze
from stanalysis.analysis.lives.one_network import places_of_pair
from stanalysis.files.rewiring_log import read_log
from stanalysis.findings.lives import explored
from stanalysis.stats.lives.episodes import episodes
from stanalysis.stats.lives.exploration import exploration
from stanalysis.synthetic.rewiring import PROJECTION

GROUP = f"exploration/{PROJECTION}"


def analysed(*runs):
    return analyze(list(runs), statistics=["survival"], n_permutations=19, seed=4)


@pytest.mark.slow
def test_analyze__exploration_is_that_of_the_log(tmp_path, write_rewiring_run):
    runs = [write_rewiring_run(tmp_path / f"run{i}", seed=i, config={"candidates": "delays"}, scale=30) for i in (0, 1)]
    tree = analysed(*runs)
    table = tree[GROUP].to_dataset()
    for run in runs:
        lives = episodes(read_log(run), PROJECTION, ms_per_source=10.0)
        expected = exploration(lives, n_source=12, n_target=8, places=5, n_permutations=19, seed=4)
        for name, value in expected.items():
            steps = {"step": expected.step} if "step" in value.dims else {}
            np.testing.assert_array_equal(table[name].sel(run=run.name, **steps), value)
    rows = explored(tree)
    assert rows["run"].tolist() == ["run0", "run1"]
    assert set(rows["condition"]) == {""}
    assert rows["return_share_p"].between(0, 1).all()


@pytest.mark.slow
def test_analyze__without_a_log_or_births_nothing_is_explored(tmp_path, write_rewiring_run):
    without = write_rewiring_run(tmp_path / "without", seed=0, scale=30, log=False)
    still = write_rewiring_run(tmp_path / "still", seed=1, scale=1e12)
    for run in (without, still):
        tree = analysed(run)
        assert "exploration" not in tree.children
        assert explored(tree).empty


@pytest.mark.slow
def test_analyze__growth_that_is_not_that_of_the_configuration_has_no_expectation(tmp_path, write_rewiring_run):
    """These synapses may be born where one just died, which growth among pairs does not do."""
    table = analysed(write_rewiring_run(tmp_path / "run", seed=0, config={"candidates": "pairs"}, scale=10))[GROUP]
    assert 0 < table.exploration <= 1
    assert np.isnan(table.exploration_expected)
    assert np.isnan(table.return_share_p)


@pytest.mark.parametrize(
    ("configuration", "dt", "places"),
    [
        ({"candidates": "delays"}, 10.0, 5),
        ({"candidates": "delays", "delays": "none"}, 10.0, 1),
        ({"candidates": "delays"}, 0.0, 1),
        ({"candidates": "pairs"}, 10.0, 1),
        ({}, 10.0, 1),
    ],
)
def test_places_of_pair__bins_where_growth_chooses_among_them(configuration, dt, places):
    assert places_of_pair({"delay_max": 40.0}, configuration, dt=dt) == places
