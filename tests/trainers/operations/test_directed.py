"""Directed surgery: the arms differ in grouping, and in nothing else that was to be equal."""

from __future__ import annotations

import numpy as np
import pytest

from stanalysis.files.checkpoint import projection
from stanalysis.files.operations import ARMS
from trainers.operations.changes import new_synapses
from trainers.operations.directed import directed, grouping, near
from trainers.operations.dose import dose, input_metric
from trainers.operations.exchanges import grouping_of

N_SOURCE, N_TARGET, N_BINS, DT = 24, 6, 10, 5.0
SHARES = {"delays": 0.8, "signs": 0.3}


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    target, source = np.indices((N_TARGET, N_SOURCE)).reshape(2, -1)
    return projection(
        n_source=N_SOURCE, n_target=N_TARGET, delay_max=(N_BINS - 1) * DT, rounding="half even", source=source, target=target,
        delay=random.uniform(0, (N_BINS - 1) * DT, source.size).astype(np.float32),
        weight=random.normal(size=source.size).astype(np.float32),
    )  # fmt: skip


@pytest.fixture(scope="module")
def metric():
    noise = np.random.default_rng(1).random((N_SOURCE + 2, 30, 40)).astype(np.float32)
    return input_metric(noise[2:] + noise[1:-1] + noise[:-2], (N_BINS - 1) * DT, DT)  # neighbours say alike things


def arms_of(table, metric, what, **options):
    options = {"matched": True, "stream": 7, "draw": 0} | options
    return {arm: directed(table, metric, what, SHARES[what], arm, **options) for arm in ARMS}


@pytest.mark.kernel
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # wanted, of uint64
@pytest.mark.parametrize("what", ["delays", "signs"])
def test_arms__raise_leave_and_lower_grouping_at_equal_dose(table, metric, what):
    arms, before = arms_of(table, metric, what), grouping(table, metric)
    after = {arm: grouping(changed, metric) for arm, changed in arms.items()}
    assert after["raise"] > before + 0.1
    assert after["lower"] < before - 0.1
    assert after["lower"] < after["leave"] < after["raise"]
    doses = [dose(metric, table, changed) for changed in arms.values()]
    assert max(doses) < 1.03 * min(doses)
    new = [new_synapses(table, changed) for changed in arms.values()]
    assert len({rows.sum() for rows in new}) == 1
    magnitudes = [np.abs(table.weight.values[rows]).sum() for rows in new]
    assert max(magnitudes) < 1.03 * min(magnitudes)


def test_delays__of_the_same_synapses_are_dealt_out_among_them(table, metric):
    moved = []
    for changed in arms_of(table, metric, "delays").values():
        moved.append(changed.delay.values != table.delay.values)
        assert changed.weight.equals(table.weight)
        for target in range(N_TARGET):
            rows = table.target.values == target
            np.testing.assert_array_equal(np.sort(changed.delay.values[rows]), np.sort(table.delay.values[rows]))
    np.testing.assert_array_equal(moved[0], moved[1])
    np.testing.assert_array_equal(moved[0], moved[2])
    n_each = np.bincount(table.target.values, moved[0])
    assert (n_each == 2 * int(0.8 * N_SOURCE / 2 + 0.5)).all()  # as many as were asked for, exactly


def test_arms__are_alike_where_there_is_one_pair_to_exchange(table, metric):
    few = table.isel(synapse=table.source.values < 4)
    arms = [directed(few, metric, "delays", 0.4, arm, matched=True, stream=7, draw=0) for arm in ARMS]
    assert (np.bincount(few.target.values, arms[0].delay.values != few.delay.values) == 2).all()
    assert arms[0].equals(arms[1])
    assert arms[0].equals(arms[2])


def test_signs__move_as_many_as_the_rarer_sign_allows(table, metric):
    rare = table.assign(weight=np.abs(table.weight).where(table.source % 12 > 0, -np.abs(table.weight)))  # 2 of 24 inhibit
    for arm in ARMS:
        changed = directed(rare, metric, "signs", 0.8, arm, matched=True, stream=7, draw=0)
        assert (np.bincount(rare.target.values, changed.weight.values != rare.weight.values) == 4).all()


def test_delays__that_are_continuous_are_exchanged_to_the_bit_and_stay_in_bounds(table):
    coarse = input_metric(np.random.default_rng(1).random((N_SOURCE, 30, 40)).astype(np.float32), 44.0, 2.6)
    late = table.assign(delay=(0 * table.delay + 44).where(table.source % 2 == 0, table.delay * 0.9)).assign_attrs(
        table.attrs | {"delay_max": 44.0, "rounding": "none"}
    )
    for arm in ARMS:
        changed = directed(late, coarse, "delays", 0.8, arm, matched=True, stream=7, draw=0)
        assert not changed.equals(late)
        assert changed.delay.max() <= 44
        for target in range(N_TARGET):
            rows = late.target.values == target
            np.testing.assert_array_equal(np.sort(changed.delay.values[rows]), np.sort(late.delay.values[rows]))


def test_signs__of_each_target_stay_as_many_with_their_magnitudes(table, metric):
    for changed in arms_of(table, metric, "signs").values():
        assert changed.delay.equals(table.delay)
        np.testing.assert_array_equal(np.abs(changed.weight), np.abs(table.weight))
        for target in range(N_TARGET):
            rows = table.target.values == target
            assert (changed.weight.values[rows] > 0).sum() == (table.weight.values[rows] > 0).sum()


def test_unmatched__moves_grouping_further_and_doses_apart(table, metric):
    matched, free = (arms_of(table, metric, "delays", matched=which) for which in (True, False))
    spread = [grouping(arms["raise"], metric) - grouping(arms["lower"], metric) for arms in (matched, free)]
    assert spread[1] > spread[0]
    doses = [[dose(metric, table, changed) for changed in arms.values()] for arms in (matched, free)]
    assert np.ptp(doses[1]) > 3 * np.ptp(doses[0])


def test_draws__are_addressed(table, metric):
    places = ((7, 0), (7, 0), (7, 1), (8, 0))
    again = [directed(table, metric, "delays", 0.4, "raise", matched=True, stream=s, draw=d) for s, d in places]
    assert again[0].equals(again[1])
    assert not again[0].equals(again[2])
    assert not again[0].equals(again[3])


def test_targets__with_nothing_to_exchange_stay(table, metric):
    alike = table.assign(weight=np.abs(table.weight), delay=0 * table.delay)
    for what in ("delays", "signs"):
        for arm in ARMS:
            assert directed(alike, metric, what, 0.4, arm, matched=True, stream=1, draw=0).equals(alike)
    few = table.isel(synapse=[0, 1])
    assert directed(few, metric, "delays", 0.1, "raise", matched=True, stream=1, draw=0).equals(few)
    assert np.isnan(grouping(alike, metric))


@pytest.mark.kernel
def test_grouping__is_morans_i_of_signs():
    random = np.random.default_rng(3)
    source, delay, weight = random.permutation(N_SOURCE)[:9], random.integers(0, N_BINS, 9), random.normal(size=9)
    weigh = np.exp(-(np.subtract.outer(source, source) ** 2 + np.subtract.outer(delay, delay) ** 2) / 8.0)
    np.fill_diagonal(weigh, 0)
    z = np.sign(weight) - np.sign(weight).mean()
    expected = (weigh * np.outer(z, z)).sum() / weigh.sum() / (z**2).mean()
    assert grouping_of(source, delay, weight, near(N_SOURCE, N_BINS)) == pytest.approx(expected)
