from collections import Counter

import numpy as np
import pytest
from scipy import stats

from stanalysis.kernels.arrangements import (
    CELLS,
    DELAYS,
    OBSERVED,
    ROWS,
    SIGNS,
    SOURCES,
    WEIGHTS,
    Plane,
    Synapses,
    arrange,
    at_rest,
    scratch_of,
)
from tests.stanalysis.stats.oracles import Arrangement, arrangements

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning"),  # uint64, when not compiled
]

CODES = {"delays": DELAYS, "weights": WEIGHTS, "signs": SIGNS, "sources": SOURCES, "rows": ROWS, "cells": CELLS}
GRID = Plane(3, 2.0, True, False)
CONTINUOUS = Plane(3, 50.0, False, True)
FIELD = Arrangement((0, 1, 2), (1, 0, 1), (3.0, -1.0, 2.0))
SHARING = Arrangement((0, 0, 1), (1, 0, 1), (3.0, -1.0, 2.0))  # a source with two synapses


def drawn(null, field, plane, draws, *, group=None, stream=7):
    """The arrangements of some draws, in this order."""
    source, delay, weight = np.array(field.source), np.array(field.delay, float), np.array(field.weight)
    group = np.arange(source.size) if group is None else np.array(group)
    synapses = Synapses(np.array([0, source.size]), source, delay, weight, group)
    row, at, value = at_rest(synapses, 1, 1)
    scratch = scratch_of(null, np.uint64(stream), synapses, plane)
    found = []
    for draw in draws:
        arrange(null, np.uint64(stream), draw, 1, synapses, plane, scratch, row, at, value)
        found.append(Arrangement(*(tuple(a[0, :, 0].tolist()) for a in (row, at, value))))
    return found


@pytest.mark.parametrize("null", CODES)
@pytest.mark.parametrize("shared", [False, True])
def test_arrange__draws_every_arrangement_equally_often(null, shared):
    plane = GRID._replace(shared=shared)
    possible = Counter(arrangements(null, FIELD, (3, 2)))
    seen = Counter(drawn(CODES[null], FIELD, plane, range(1500)))
    assert set(seen) == set(possible)
    expected = [1500 * possible[a] / possible.total() for a in possible]
    assert stats.chisquare([seen[a] for a in possible], expected).pvalue > 1e-3


@pytest.mark.parametrize(("null", "apart"), [("delays", False), ("rows", False), ("rows", True), ("cells", True)])
def test_arrange__draws_every_arrangement_equally_often_where_synapses_share_a_source(null, apart):
    possible = Counter(arrangements(null, SHARING, (3, 2), apart=apart))
    seen = Counter(drawn(CODES[null], SHARING, GRID._replace(shared=not apart), range(1500)))
    assert set(seen) == set(possible)
    expected = [1500 * possible[a] / possible.total() for a in possible]
    assert stats.chisquare([seen[a] for a in possible], expected).pvalue > 1e-3


def test_arrange__walks_from_many_places_are_everywhere_equally_often():
    """Where synapses of a source keep apart, draws of one stream are walks from one place: here, one draw of each."""
    field = Arrangement((0, 0, 1, 2), (1, 0, 2, 2), (3.0, -1.0, 2.0, 4.0))
    plane = Plane(3, 3.0, True, False)
    possible = Counter(arrangements("delays", field, (3, 3)))
    seen = Counter(drawn(DELAYS, field, plane, [0], stream=s)[0] for s in range(2000))
    assert set(seen) <= set(possible)
    expected = [2000 * possible[a] / possible.total() for a in possible]
    assert stats.chisquare([seen[a] for a in possible], expected).pvalue > 1e-4


@pytest.mark.parametrize("plane", [GRID, GRID._replace(shared=True), CONTINUOUS])
@pytest.mark.parametrize("null", CODES)
def test_arrange__gives_a_draw_whatever_draws_came_before(null, plane):
    for field in (FIELD, SHARING):
        forwards = drawn(CODES[null], field, plane, range(8))
        assert drawn(CODES[null], field, plane, range(7, -1, -1))[::-1] == forwards
        assert drawn(CODES[null], field, plane, [3, 3, 3]) == [forwards[3]] * 3
        assert drawn(CODES[null], field, plane, range(8), stream=8) != forwards


@pytest.mark.parametrize("plane", [GRID, CONTINUOUS])
def test_arrange__leaves_the_observed_field_as_it_is(plane):
    assert drawn(OBSERVED, FIELD, plane, [0, 5]) == [FIELD, FIELD]


def test_arrange__moves_signs_of_groups_and_not_of_weight_0():
    field = Arrangement((0, 0, 1, 2, 2), (0, 1, 0, 1, 0), (3.0, 2.0, -1.0, 0.0, -5.0))
    found = drawn(SIGNS, field, GRID, range(60), group=[0, 0, 1, -1, 2])
    assert {(a.source, a.delay) for a in found} == {(field.source, field.delay)}
    assert {tuple(abs(w) for w in a.weight) for a in found} == {(3, 2, 1, 0, 5)}
    signs = {tuple(np.sign(a.weight).tolist()) for a in found}
    assert signs == {(1, 1, -1, 0, -1), (-1, -1, 1, 0, -1), (-1, -1, -1, 0, 1)}


@pytest.mark.parametrize("null", [ROWS, CELLS])
def test_arrange__draws_continuous_delays_evenly_over_the_plane(null):
    found = drawn(null, FIELD, CONTINUOUS, range(400))
    delays = np.array([a.delay for a in found])
    assert delays.min() >= 0
    assert delays.max() < 50
    assert stats.kstest(delays.reshape(-1) / 50, "uniform").pvalue > 1e-3
    sources = np.array([a.source for a in found])
    if null == ROWS:
        assert (sources == FIELD.source).all()
    else:
        assert stats.chisquare(np.bincount(sources.reshape(-1), minlength=3)).pvalue > 1e-3


def test_arrange__of_a_full_plane_leaves_no_cell_twice():
    source, delay = (tuple(a.reshape(-1).tolist()) for a in np.indices((3, 2)))
    full = Arrangement(source, delay, tuple(np.arange(6.0) + 1))
    for null in (DELAYS, ROWS, CELLS):
        for a in drawn(null, full, GRID, range(20)):
            assert len(set(zip(a.source, a.delay, strict=True))) == 6


def test_arrange__deals_out_the_delays_of_a_full_plane():
    source, delay = (tuple(a.reshape(-1).tolist()) for a in np.indices((3, 2)))
    full = Arrangement(source, delay, tuple(np.arange(6.0) + 1))
    assert len(set(drawn(DELAYS, full, GRID, range(20)))) > 1
