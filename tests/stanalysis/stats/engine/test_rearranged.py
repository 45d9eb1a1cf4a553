"""A rearranged projection is the draw that the statistics see."""

from __future__ import annotations

import numpy as np
import pytest

from stanalysis.errors import BadInput
from stanalysis.fields.delay_bins import bins_of_projection
from stanalysis.fields.receptive_field import fields_of_synapses
from stanalysis.files.checkpoint import projection
from stanalysis.stats import NULLS
from stanalysis.stats.engine.field_statistics import field_statistics
from stanalysis.stats.engine.rearranged import rearranged

DRAWN = [name for name, rule in NULLS.items() if rule.draws and name != "cells"]  # cells have a sampler of their own


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    target, source = np.nonzero(random.random((3, 40)) < 0.7)
    return projection(
        n_source=40, n_target=3, delay_max=90.0, rounding="half even", source=source, target=target,
        delay=10.0 * random.integers(0, 10, source.size), weight=random.normal(size=source.size),
    )  # fmt: skip


@pytest.fixture(scope="module")
def bins(table):
    return bins_of_projection(table.attrs, dt=10.0)


@pytest.mark.parametrize("null", DRAWN)
def test_rearranged__gives_the_statistic_that_the_draw_gave(table, bins, null):
    fields = fields_of_synapses(table, dt=10.0)
    drawn = field_statistics(fields, statistics=["joins_ee"], keep_draws=True, null=null, n_permutations=3, seed=5)
    for draw in range(3):
        moved = fields_of_synapses(rearranged(table, null, seed=5, draw=draw, bins=bins), dt=10.0)
        value = field_statistics(moved, statistics=["joins_ee"], null=null, n_permutations=1).value
        in_draw = drawn.null_draws.isel(draw=draw).values.ravel()
        told = np.isfinite(in_draw)  # not of a field whose signs can hardly move
        assert told.sum() >= 2
        np.testing.assert_allclose(value.values.ravel()[told], in_draw[told], rtol=1e-9)


def test_rearranged__keeps_what_the_null_keeps(table, bins):
    for draw in range(4):
        nulls = ("delays", "weights", "sources")
        delays, weights, sources = (rearranged(table, null, seed=1, draw=draw, bins=bins) for null in nulls)
        for target in range(table.attrs["n_target"]):
            here = [t.isel(synapse=t.target == target) for t in (table, delays, weights, sources)]
            assert sorted(here[1].weight.values) == sorted(here[2].weight.values) == sorted(here[0].weight.values)
            assert sorted(bins.of(here[1].delay.values)) == sorted(bins.of(here[0].delay.values))
            assert sorted(zip(here[2].source.values, here[2].delay.values, strict=True)) == sorted(
                zip(here[0].source.values, here[0].delay.values, strict=True)
            )
            assert sorted(here[3].weight.values) == sorted(here[0].weight.values)
        assert not delays.equals(weights)


def test_rearranged__continuous_delays_are_exchanged_to_the_last_bit(table):
    moved = rearranged(table, "delays", seed=2, draw=0)
    assert sorted(moved.delay.values) == sorted(table.delay.values)


@pytest.mark.parametrize("null", ["untrained", "nonsense"])
def test_rearranged__needs_a_null_that_draws(table, null):
    with pytest.raises(BadInput, match="The null is"):
        rearranged(table, null, seed=0, draw=0)
