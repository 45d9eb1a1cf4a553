from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stanalysis.stats.engine.field_statistics import field_statistics
from stanalysis.stats.engine.statistics import STATISTICS
from stanalysis.stats.replicates.multiplicity import max_t
from stanalysis.synthetic.fields import noise_fields
from tests.calibration.calibrate import (
    ALPHA,
    NETWORK,
    NULLS,
    Source,
    curves,
    detectable,
    networks,
    numbers,
    size_rows,
    source_of,
    summary,
    verdict,
)
from tests.calibration.generators import (
    GENERATORS,
    NETWORKS,
    PLANTED,
    arranged,
    cells_apart,
    contact_fields,
    shared_sources,
    smooth_in_degree,
)

COMMITTED = Path(__file__).with_name("calibration.csv")
UNDER = dict.fromkeys(NULLS, "dense") | {"source-signs": "Dale slots", "sources": "clamped", "cells": "slots"}


@pytest.fixture(scope="module")
def committed():
    return pd.read_csv(COMMITTED)


def asked():
    """Null and statistic of every test that there is: what a null keeps has none."""
    return {(null, name) for null, rule in NULLS.items() for name, s in STATISTICS.items() if not (rule.keeps and s.is_margin)}


def worst(row):
    return np.nanmax([row["size"], row["size_greater"], row["size_less"]])


@pytest.mark.parametrize("null", NULLS)
def test_field_statistics__reject_a_true_null_no_more_often_than_they_say(null):
    noise, fails = GENERATORS[UNDER[null]]
    assert null not in fails
    for name, p in source_of(noise, noise, null).p(null, 300, n_permutations=99, seed=1).items():
        if (null, name) not in asked():
            continue
        row = summary(p)
        assert row["left_out"] < 0.05, name
        assert worst(row) <= ALPHA + 4 * row["standard_error"], name


@pytest.mark.slow
def test_curves__reject_a_true_null_no_more_often_than_they_say():
    for name, p in Source(noise_fields, curves).p("delays", 300, n_permutations=99, seed=1).items():
        row = summary(p)
        assert row["size"] <= ALPHA + 4 * row["standard_error"], name


def test_calibration__covers_every_statistic_and_null(committed):
    answered = committed[committed.verdict.isin(["valid", "conservative", "not valid"])]
    have = set(zip(answered["null"], answered.statistic, strict=True))
    assert asked() <= have
    assert set(GENERATORS) <= set(committed.generator)


def test_calibration__covers_networks_as_they_are_analysed(committed):
    have = set(zip(committed.generator, committed["null"], committed.statistic, committed.exchangeable, strict=True))
    for one in NETWORKS:
        name = f"networks of {NETWORK}, {one.name}, {'joint' if one.joint else 'own'} permutations"
        for statistic in STATISTICS:
            for test in ("network_z", "max-T"):
                assert {(name, null, f"{test} of {statistic}", one.holds) for null in one.nulls} <= have


def test_calibration__every_null_that_holds_is_valid(committed):
    holds = committed[committed.exchangeable]
    assert holds[holds.verdict.isin(["not valid", "refused"])].empty
    for _, row in holds[holds["size"].notna()].iterrows():
        assert worst(row) <= ALPHA + 3 * row.standard_error + 2e-4  # numbers of the table are rounded


def test_calibration__says_of_every_null_whether_it_holds(committed):
    alone = committed[committed.generator.isin(list(GENERATORS))]
    for _, row in alone.iterrows():
        assert row.exchangeable == (row["null"] not in GENERATORS[row.generator].fails)


def test_calibration__power_covers_every_structure_and_null():
    table = pd.read_csv(COMMITTED.with_name("power.csv"))
    wanted = {(name, null, s) for name in PLANTED for null in NULLS for s in STATISTICS}
    assert wanted <= set(zip(table.planted, table["null"], table.statistic, strict=True))


def test_size_rows__measures_again_what_chance_put_above():
    seeds = []

    def p(fields, null, *, n_permutations, seed):
        seeds.append(seed)
        first = np.full((1, fields, 1, 1), 0.01 if len(seeds) == 1 else 0.9)
        return {"first": first, "second": np.ones((1, fields, 1, 1))}

    rows = size_rows(Source(lambda n, *, seed: n, p), "delays", 300, holds=True, n_permutations=9, seed=0)
    assert [row["n_fields"] for row in rows] == [1200, 300]
    assert [row["first_size"] for row in rows] == [1, 0]
    assert [row["size"] for row in rows] == [0, 0]
    assert [row["again"] for row in rows] == [True, False]
    assert len(seeds) == len(set(seeds)) == 4
    seeds.clear()
    rows = size_rows(Source(lambda n, *, seed: n, p), "delays", 300, holds=False, n_permutations=9, seed=0)
    assert [row["verdict"] for row in rows] == ["not valid", "conservative"]
    assert [row["first_size"] for row in rows] == [1, 0]


def test_detectable__three_standard_errors_by_number_drawn():
    rows = [summary(np.where(np.arange(n) < left_out, np.nan, 0.5)[None, :, None, None])
            for n, left_out in ((300, 0), (300, 100), (1200, 0), (9, 9))]  # fmt: skip
    table = detectable(pd.DataFrame(rows).assign(exchangeable=True))
    assert list(table.index) == [300, 1200]
    assert list(table["count"]) == [2, 1]
    errors = np.sqrt(0.0475 / np.array([300, 200]))
    np.testing.assert_allclose(table.loc[300, ["median", "max"]], 0.05 + 3 * np.array([errors.mean(), errors.max()]))


def test_size_rows__a_refused_null_has_no_size():
    rows = size_rows(source_of(contact_fields, contact_fields, "source-signs"), "source-signs", 4, holds=False,
                     n_permutations=9, seed=0)  # fmt: skip
    assert [row["verdict"] for row in rows] == ["refused"]


def test_summary__shares_of_fields_and_of_their_cells():
    p = np.array([[[[0.01, 0.5]], [[np.nan, 0.05]], [[np.nan, np.nan]]]])
    row = summary(p)
    assert row["n_fields"] == 2
    assert row["left_out"] == pytest.approx(1 / 3)
    assert row["size"] == 0.75
    assert row["standard_error"] == pytest.approx(np.std([0.5, 1], ddof=1) / np.sqrt(2))


@pytest.mark.parametrize(
    ("size", "less", "expected"),
    [
        (0.05, np.nan, "valid"),
        (0.07, 0.0, "valid"),
        (0.081, 0.0, "not valid"),
        (0.05, 0.09, "not valid"),
        (0.01, 0.0, "conservative"),
        (np.nan, np.nan, "no answer"),
    ],
)
def test_verdict__allows_three_standard_errors(size, less, expected):
    row = {"size": size, "size_greater": np.nan, "size_less": less, "standard_error": 0.01}
    assert verdict(row) == expected


def test_contact_fields__as_many_synapses_as_sources_wherever_they_meet():
    fields = contact_fields(50, n_source=6, n_delay=3, seed=0)
    assert (fields.contact_present.sum(("contact", "source", "delay")) == 6).all()
    assert (fields.contact_present.sum("contact") > 1).any()
    xr.testing.assert_allclose(fields.receptive_field, fields.contact_field.sum("contact"))


def test_cells_apart__are_those_of_slots_one_contact_each():
    fields = cells_apart(50, seed=3)
    assert (fields.contact_present.sum("contact") <= 1).all()
    assert fields.contact_present.sel(contact=1).any()
    xr.testing.assert_equal(fields.receptive_field, fields.contact_field.sum("contact").transpose(*fields.receptive_field.dims))
    xr.testing.assert_equal(fields.receptive_field, noise_fields(50, placement="slots", seed=3))


def test_n_clusters__keeps_its_size_where_contacts_never_share_a_cell():
    """Draws in which contacts met would have fewer occupied cells, and so fewer clusters, than the fields."""

    def can_meet(n_target, *, seed):
        fields = noise(n_target, seed=seed)
        fields.contact_present.attrs["cells_shared"] = 1
        return fields

    noise, test = GENERATORS["contacts apart"].draw, partial(numbers, statistics=("n_clusters",))
    apart, meeting = (
        summary(Source(draw, test).p("delays", 400, n_permutations=99, seed=1)["n_clusters"]) for draw in (noise, can_meet)
    )
    assert worst(apart) <= ALPHA + 3 * apart["standard_error"]
    assert worst(meeting) > 2 * ALPHA


def test_smooth_in_degree__puts_as_many_synapses_in_cells_apart():
    fields = smooth_in_degree(200, seed=0)
    assert ((fields != 0).sum(("source", "delay")) == fields.sizes["source"]).all()
    n = (fields != 0).sum("delay").values
    assert np.mean((n[:, 1:] - 1) * (n[:, :-1] - 1)) > 0.2  # adjacent sources are alike


@pytest.mark.parametrize("name", ["exclusive-or of four blobs", "E blob beside I blob"])
def test_planted__blobs_have_one_synapse_per_source(name):
    fields = PLANTED[name](20, seed=0)
    assert ((fields != 0).sum("delay") == 1).all()


def test_four_blobs__signs_are_told_by_source_and_delay_together_alone():
    sign = np.sign(PLANTED["exclusive-or of four blobs"](3000, seed=0)).values
    turned = np.sign(sign[:, 5:15, 3:9].sum(axis=(1, 2)))[:, None, None]  # within a disc
    sign = sign * turned
    assert np.abs(sign.sum(axis=(0, 1))).max() < 0.15 * (sign != 0).sum(axis=(0, 1)).min()
    assert sign[:, 8:12, 5:7].sum() > 0.9 * (sign[:, 8:12, 5:7] != 0).sum()
    assert sign[:, 8:12, 18:20].sum() < -0.9 * (sign[:, 8:12, 18:20] != 0).sum()


def test_networks__only_joint_draws_are_valid_where_neurons_share_delays():
    fields = shared_sources(60, 16, seed=0)
    alone, joint = (
        summary(
            networks(fields, "delays", joint=joint, statistics=("morans_i",), n_permutations=99, seed=0)[
                "network_z of morans_i"
            ]
        )
        for joint in (False, True)
    )
    assert verdict(joint) in ("valid", "conservative")
    assert alone["size"] > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("one", [one for one in NETWORKS if one.holds], ids=lambda one: f"{one.name}, {one.joint}")
def test_networks__reject_a_true_null_no_more_often_than_they_say(one):
    noise = Source(lambda n, *, seed: one.draw(n, 16, seed=seed), lambda *a, **k: networks(*a, joint=one.joint, **k))
    for name, p in noise.p(one.nulls[0], 100, n_permutations=79, seed=1).items():
        row = summary(p)
        unmoved = one.nulls[0] == "sources" and name.endswith("of lead")
        assert unmoved == np.isnan(row["size"]), name
        assert unmoved or row["size"] <= ALPHA + 4 * row["standard_error"], name


def test_networks__max_t_is_the_chance_of_any_false_call():
    fields = arranged(noise_fields(8 * 20, seed=0), run=8, target=20)
    p = networks(fields, "delays", joint=True, statistics=("gearys_c",), n_permutations=99, seed=0)["max-T of gearys_c"]
    found = field_statistics(fields, statistics=["gearys_c"], joint=True, n_permutations=99, keep_draws=True, seed=0)
    np.testing.assert_array_equal(p[0, :, 0, 0], max_t(found).values.min(axis=(1, 2)))


def test_arranged__keeps_the_order_of_targets():
    fields = noise_fields(6, n_source=4, n_delay=3, seed=0)
    laid = arranged(fields, run=2, target=3)
    np.testing.assert_array_equal(laid.values.reshape(fields.shape), fields.values)
    values = [field_statistics(data, statistics=["lead"], n_permutations=0, seed=0).value.values for data in (fields, laid)]
    np.testing.assert_array_equal(values[0].reshape(-1), values[1].reshape(-1))
