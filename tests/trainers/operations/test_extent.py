"""How far a change goes, on projections that one can follow by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from stanalysis.files.checkpoint import projection
from stanalysis.files.operations import OPERATIONS
from trainers.operations.changes import Change, applies_to, changes, has_delays
from trainers.operations.dose import dose, input_metric
from trainers.operations.extent import extent

FIRST, SECOND = ("input", "hidden1"), ("hidden1", "output")


def table(delay, *, delay_max=40.0, n_source=2, n_target=2):
    target, source = np.indices((n_target, n_source)).reshape(2, -1)
    weight = np.arange(1.0, 1 + source.size) * np.where(source % 2, -1, 1)
    return projection(
        n_source=n_source, n_target=n_target, delay_max=delay_max, rounding="none", source=source, target=target,
        delay=np.array(delay, float), weight=weight,
    )  # fmt: skip


def metric(silent=False):
    noise = np.random.default_rng(0).random((2, 20, 10)).astype(np.float32)
    return input_metric(0 * noise if silent else noise, 40.0, 10.0)


@pytest.fixture
def network():
    return SimpleNamespace(tables={FIRST: table([0, 10, 20, 30]), SECOND: table([10, 40, 10, 40])})


def change(name="delay-clip", projection=None):
    return Change(OPERATIONS[name], projection, 0.5, None, matched=False, draw=0)


def test_extent__of_no_change(network):
    said = extent(network, {FIRST: metric(), SECOND: metric()}, None, {})
    assert (said["dose"], said["n_moved"], said["moved"]) == (0, 0, 0)


def test_extent__dose_is_the_mean_over_all_that_it_was_applied_to(network):
    after = table([0, 10, 20, 20])
    first, second = metric(), metric()
    alone = dose(first, network.tables[FIRST], after)
    assert extent(network, {FIRST: first, SECOND: second}, change(), {FIRST: after})["dose"] == pytest.approx(alone / 2)
    assert extent(network, {FIRST: first, SECOND: metric(silent=True)}, change(), {FIRST: after})["dose"] == pytest.approx(
        alone
    )
    assert extent(network, {FIRST: first, SECOND: second}, change(projection=FIRST), {FIRST: after})["dose"] == alone
    assert np.isnan(extent(network, {}, change(), {FIRST: after})["dose"])


def test_extent__counts_new_synapses_and_their_magnitude(network):
    said = extent(network, {FIRST: metric(), SECOND: metric()}, change(), {FIRST: table([0, 10, 20, 20])})
    assert said["n_moved"] == 1
    assert said["moved"] == 4 / 20


@pytest.mark.parametrize(
    ("first", "second", "steps"),
    [
        ([0, 10, 20, 30], [10, 40, 10, 40], (1 + 3) + (1 + 4)),  # the second has one delay a source, in less room
        ([0, 10, 20, 30], [10, 40, 10, 39], (1 + 3) + (1 + 4)),  # in the same bin
        ([0, 10, 20, 30], [10, 40, 20, 40], (1 + 3) + (4 + 4)),
        ([0, 0, 0, 0], [10, 10, 40, 40], 1 + 4),  # one a target; no delays at all
    ],
)
def test_extent__buffers_are_the_least_that_the_delays_allow(first, second, steps):
    network = SimpleNamespace(tables={FIRST: table(first), SECOND: table(second)})
    assert extent(network, {FIRST: metric(), SECOND: metric()}, None, {})["buffer"] == steps


def test_changes__none_of_delays_where_there_are_none():
    none = SimpleNamespace(tables={FIRST: table([0, 0, 0, 0]), SECOND: table([0, 0, 0, 0], delay_max=0.0)})
    assert not any(has_delays(t) for t in none.tables.values())
    families = ("precision", "nulls", "directed")
    assert {c.rule.changes for c in changes(none, families, 1)} == {"weights", "signs", "sources"}
    half = SimpleNamespace(tables={FIRST: table([0, 0, 0, 0]), SECOND: table([0, 5, 0, 0])})
    assert applies_to(half, change()) == [SECOND]
    assert applies_to(half, change("weight-bits")) == [FIRST, SECOND]
    assert applies_to(half, change("null-weights", SECOND)) == [SECOND]
    assert {c.projection for c in changes(half, families, 1) if c.rule.name == "null-delays"} == {SECOND}
    assert not [c for c in changes(half, families, 1) if c.rule.name in ("directed-delays",)]
