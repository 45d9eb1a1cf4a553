from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.calibration.survival import AGES, coverage, sizes

COMMITTED = Path(__file__).with_name("survival.csv")
RIGHT = ["log", "log since step 300", "checkpoints"]
QUANTITIES = [*(f"S({age})" for age in AGES), "hazard ratio"]
FRESH, N = 5_000, 12  # seeds that the committed run does not have


@pytest.fixture(scope="module")
def committed():
    return pd.read_csv(COMMITTED)


@pytest.fixture(scope="module")
def covered():
    return coverage(N, FRESH).set_index(["source", "quantity"])


def test_coverage__of_200_simulations_is_at_least_90_percent_with_late_entry(committed):
    table = committed[committed["source"].isin(RIGHT)].set_index(["source", "quantity"])
    assert sorted(table.index) == sorted((source, quantity) for source in RIGHT for quantity in QUANTITIES)
    assert (table["simulations"] == 200).all()
    assert (table["covered"] >= 0.9).all()
    np.testing.assert_allclose(table["estimate"], table["truth"], rtol=0.03)


@pytest.mark.parametrize("source", ["log since step 300, naive", "checkpoints, naive"])
def test_coverage__without_late_entry_is_lost_and_lives_look_longer(committed, source):
    of_survival = committed[(committed["source"] == source) & committed["quantity"].str.startswith("S(", na=False)]
    assert len(of_survival) == len(AGES)
    assert (of_survival["covered"] <= 0.1).all()
    assert (of_survival["estimate"] > 1.1 * of_survival["truth"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("source", RIGHT)
def test_coverage__is_no_accident_of_the_committed_run(covered, source):
    table = covered.loc[source]
    assert (table["covered"] >= 0.65).all()  # 12 intervals of 95 %: fewer than 8 right in one of 4,000 runs
    np.testing.assert_allclose(table["estimate"], table["truth"], rtol=0.1)


def test_sizes__of_what_is_asked_are_right_and_of_naive_questions_are_not(committed):
    table = committed.dropna(subset="test").set_index(["neurons", "test"])["rejected"]
    naive = np.array(["naive" in test for _, test in table.index])
    assert len(table) == 2 * 5
    assert (table[~naive] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)).all()
    assert (table.xs("Cox, most neighbours ever counted (naive)", level="test") > 0.9).all()
    assert table[(0.5, "Cox, neighbours at birth, between neurons (naive)")] > 0.3


@pytest.mark.slow
def test_sizes__are_no_accident_of_the_committed_run():
    table = sizes(N, FRESH).set_index(["neurons", "test"])["rejected"]
    naive = np.array(["naive" in test for _, test in table.index])
    assert (table[~naive] <= 4 / N).all()  # more in one of 2,500 runs
    assert (table.xs("Cox, most neighbours ever counted (naive)", level="test") == 1).all()
