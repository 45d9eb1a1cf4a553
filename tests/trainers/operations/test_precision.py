"""Operations of precision on a table that one can follow by hand."""

from __future__ import annotations

import numpy as np
import pytest

from stanalysis.files.checkpoint import projection
from stanalysis.files.operations import OPERATIONS
from trainers.operations.precision import imprecise

LONGEST = 80.0


def table(*, delay_kind="synaptic", **columns):
    given = {
        "source": np.array([0, 1, 2, 0, 1]),
        "target": np.array([0, 0, 0, 1, 1]),
        "delay": np.array([0.0, 11.0, 80.0, 41.0, 38.0]),
        "weight": np.array([0.5, -1.0, 0.25, -0.1, 0.7]),
    }
    return projection(n_source=3, n_target=2, delay_max=LONGEST, rounding="none", delay_kind=delay_kind, **given | columns)


def done(operation, level=1.0, seed=0, **columns):
    result = imprecise(table(**columns), operation, level, np.random.default_rng(seed))
    kept = ("source", "target", "weight" if OPERATIONS[operation].changes == "delays" else "delay")
    assert all(result[name].equals(table(**columns)[name]) for name in kept)
    return result[OPERATIONS[operation].changes.removesuffix("s")].to_numpy()


@pytest.mark.parametrize(
    ("operation", "level", "delays"),
    [
        ("delay-levels", 1, [40, 40, 40, 40, 40]),
        ("delay-levels", 2, [0, 0, 80, 80, 0]),
        ("delay-levels", 3, [0, 0, 80, 40, 40]),
        ("delay-levels", 9, [0, 10, 80, 40, 40]),
        ("delay-clip", 0.5, [0, 11, 40, 40, 38]),
        ("delay-clip", 1.0, [0, 11, 80, 41, 38]),
        ("delay-clip", 0.0, [0, 0, 0, 0, 0]),
        ("smallest-delays-to-mean", 0.4, [34, 34, 80, 41, 38]),
        ("largest-delays-to-mean", 0.4, [0, 11, 34, 34, 38]),
        ("random-delays-to-mean", 1.0, [34, 34, 34, 34, 34]),
        ("axonal", 1, [20.5, 24.5, 80, 20.5, 24.5]),
        ("axonal-weighted", 1, [41 / 6, 37.6 / 1.7, 80, 41 / 6, 37.6 / 1.7]),
        ("dendritic", 1, [91 / 3, 91 / 3, 91 / 3, 39.5, 39.5]),
        ("dendritic-weighted", 1, [31 / 1.75, 31 / 1.75, 31 / 1.75, 30.7 / 0.8, 30.7 / 0.8]),
    ],
)
def test_delays(operation, level, delays):
    np.testing.assert_allclose(done(operation, level), delays, rtol=1e-6)


@pytest.mark.parametrize(
    ("level", "weights"),
    [(1, [0.51, -0.51, 0.51, -0.51, 0.51]), (2, [0, -1, 0, 0, 1]), (3, [2 / 3, -1, 1 / 3, 0, 2 / 3]), (8, None)],
)
def test_weight_bits__grid_is_even_about_0_and_holds_the_largest(level, weights):
    weight = done("weight-bits", level)
    if weights is None:
        weights = np.rint(table().weight.to_numpy() * 127) / 127
    np.testing.assert_allclose(weight, weights, rtol=1e-6)
    assert len(set(np.abs(weight))) <= 2 ** (level - 1)


@pytest.mark.parametrize(("delay_kind", "shared"), [("synaptic", None), ("axonal", "source"), ("dendritic", "target")])
def test_delay_jitter__stays_within_bounds_and_what_shares_a_delay_shares_the_noise(delay_kind, shared):
    columns = {"delay": np.full(5, 40.0), "delay_kind": delay_kind}
    jittered = done("delay-jitter", 5.0, **columns)
    neurons = table()[shared].to_numpy() if shared else np.arange(5)
    assert len(set(jittered)) == len(set(neurons))
    assert all(len(set(jittered[neurons == neuron])) == 1 for neuron in neurons)
    assert done("delay-jitter", 1000.0).min() >= 0
    assert done("delay-jitter", 1000.0).max() <= LONGEST


def test_jitter__has_the_spread_that_is_asked_for():
    n = 4000
    columns = {"source": np.zeros(n, int), "target": np.zeros(n, int), "delay": np.full(n, 40.0), "weight": np.full(n, -2.0)}
    assert np.std(done("delay-jitter", 5.0, **columns)) == pytest.approx(5, rel=0.05)
    assert np.std(done("weight-jitter", 0.2, **columns)) == pytest.approx(0.4, rel=0.05)
    share = np.mean(done("random-delays-to-mean", 0.25, **{**columns, "delay": np.linspace(0, 80, n)}) == 40)
    assert share == pytest.approx(0.25, abs=0.002)


@pytest.mark.parametrize("name", [name for name, rule in OPERATIONS.items() if rule.family == "precision"])
def test_every_operation__takes_a_projection_without_synapses_or_delays(name):
    empty = {name: np.zeros(0, int) for name in ("source", "target")} | {name: np.zeros(0) for name in ("delay", "weight")}
    for level in OPERATIONS[name].levels:
        assert done(name, level, **empty).size == 0
        assert np.isfinite(done(name, level, weight=np.zeros(5))).all()
