"""Analyses of networks whose delays are continuous, some of whose projections have none, or whose planes are large."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from stanalysis.analysis import one_projection
from stanalysis.analysis.analyze import analyze
from stanalysis.errors import BadInput
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.files.analysis import cautions_in, read_analysis
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.findings.cautions import cautions, piled_up, unanswered, warned
from stanalysis.findings.networks import fields_at
from stanalysis.findings.tables import summary
from stanalysis.findings.view import Analysis
from stanalysis.findings.wording_of_cautions import NO_LATTICE, PILED_UP, sentence_of_caution
from stanalysis.findings.writing import write_analysis
from stanalysis.stats.spatial.autocorrelation import graph_autocorrelation, morans_i
from stanalysis.synthetic.network import event_based_network, small_network

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_prunings")]

FAST = {"n_permutations": 19, "seed": 3}
PROJECTION, WITHOUT_DELAYS = "hidden1__hidden1", "hidden1__output"
EVERY = ("lattice", "graph", "survival", "local", "correlogram", "smoothing", "pairs", "pruning")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("continuous") / "network.nc"
    write_checkpoint(event_based_network(), path)
    return path


@pytest.fixture(scope="module")
def continuous(network):
    return analyze([network], **FAST)


def test_analyze__synapses_stay_at_their_continuous_delays(continuous):
    tree = event_based_network()
    for projection in tree["projections"].children:
        answers = Analysis(continuous).table("statistics", projection).isel(run=0, step=0).value
        table = tree[f"projections/{projection}"].to_dataset()
        wanted = graph_autocorrelation(table, graph=SynapseGraph(1.0), n_permutations=0)
        np.testing.assert_allclose(answers.sel(statistic=wanted.statistic), wanted.value, rtol=1e-12, err_msg=projection)
    assert continuous["check"].n_compared.sel(quantity="graph_morans_i") == 15
    assert continuous["check"].largest_difference.max() < 1e-12


def test_analyze__of_continuous_delays_leaves_cells_out_and_says_so(continuous, tmp_path):
    view = Analysis(continuous)
    assert (view.statistics, view.dt, view.bin) == (["graph", "survival", "parts"], 0.0, None)
    assert all(name.startswith("graph_") for name in view.table("statistics", PROJECTION).statistic.values)
    assert view.table("autocorrelation", PROJECTION).morans_i.isnull().all()
    assert view.table("descriptors", PROJECTION).delay_centroid.isnull().all()
    (caution,) = [caution for caution in cautions_in(continuous) if caution.code == NO_LATTICE]
    assert "give `--bin` for it. Among synapses 1 ms are as far as one source." in sentence_of_caution(caution)
    with pytest.raises(BadInput, match="analyse with --bin"):
        fields_at(continuous, PROJECTION, run="network", step=0)
    write_analysis(continuous, tmp_path / "a.nc")
    xr.testing.assert_equal(read_analysis(tmp_path / "a.nc"), continuous)


def test_summary__without_a_lattice_is_of_moran_among_synapses(continuous):
    row = summary(continuous).set_index("projection").loc[PROJECTION]
    answers = Analysis(continuous).table("statistics", PROJECTION).value.sel(statistic="graph_morans_i")
    assert row["median_i"] == pytest.approx(float(answers.median()))
    assert row["no_answer"] == 0
    assert (unanswered(continuous, PROJECTION)[["silent", "few", "constant"]] == 0).all(axis=None)


@pytest.mark.parametrize("statistics", [["lattice"], ["graph", "local"], ["correlogram"], ["graph", "pruning"]])
def test_analyze__questions_about_cells_need_a_width_of_bins(network, statistics):
    with pytest.raises(BadInput, match=r"network: Statistics .*: they are about cells of a lattice.* give --bin MS"):
        analyze([network], statistics=statistics, **FAST)


def test_analyze__pairs_need_no_cells(network):
    found = analyze([network], statistics=["pairs"], **FAST)["pairs"]
    assert found[PROJECTION].to_dataset().cross_k.notnull().any()
    assert found[WITHOUT_DELAYS].to_dataset().cross_k.isnull().all()  # on a plane without extent


def test_analyze__a_declared_width_makes_a_lattice_and_leaves_the_graph_as_it_is(network, continuous, tmp_path):
    found = analyze([network], bin_width=2.5, ms_per_source=1.0, statistics=EVERY, **FAST)
    view = Analysis(found)
    assert (view.dt, view.bin, found.attrs["bin"]) == (0.0, 2.5, 2.5)
    fields = receptive_fields(event_based_network(), PROJECTION, bin_width=2.5)
    wanted = morans_i(fields, n_permutations=0).morans_i
    np.testing.assert_allclose(view.table("autocorrelation", PROJECTION).morans_i.isel(run=0), wanted, rtol=1e-12)
    xr.testing.assert_equal(
        fields_at(found, PROJECTION, run="network", step=0).receptive_field, fields.receptive_field[0].drop_vars("step")
    )
    for projection in view.projections:
        graph = Analysis(continuous).table("statistics", projection)
        xr.testing.assert_equal(view.table("statistics", projection).sel(statistic=graph.statistic)[["value", "p_value"]],
                                graph[["value", "p_value"]])  # fmt: skip
    assert found["check"].largest_difference.max() < 1e-9
    assert not [caution for caution in cautions(found) if caution.code == NO_LATTICE]
    write_analysis(found, tmp_path / "a.nc")
    xr.testing.assert_equal(read_analysis(tmp_path / "a.nc"), found)


def test_analyze__of_time_steps_a_wider_bin_is_that_of_the_lattice_alone(tmp_path):
    write_checkpoint(small_network(), tmp_path / "network.nc")
    usual, wide = (
        analyze([tmp_path / "network.nc"], bin_width=width, ms_per_source=10.0, **FAST)[
            "statistics/input__hidden1"
        ].to_dataset()
        for width in (None, 20.0)
    )
    of_graph = [name for name in usual.statistic.values if name.startswith("graph_")]
    xr.testing.assert_equal(usual.value.sel(statistic=of_graph), wide.value.sel(statistic=of_graph))
    moran = morans_i(receptive_fields(small_network(), "input__hidden1", bin_width=20.0), n_permutations=0).morans_i
    np.testing.assert_allclose(wide.value.sel(statistic="morans_i").isel(run=0), moran, rtol=1e-12)


@pytest.mark.parametrize("dt", [0.0, 1.0])
def test_analyze__a_projection_without_delays_is_answered_with_a_caution(dt, tmp_path):
    write_checkpoint(event_based_network(dt=dt), tmp_path / "network.nc")
    found = analyze([tmp_path / "network.nc"], bin_width=2.0, statistics=EVERY, **FAST)
    table = Analysis(found).table("statistics", WITHOUT_DELAYS)
    assert table.value.sel(statistic=["morans_i", "graph_morans_i"]).notnull().all()
    assert table.z_score.isnull().all()
    assert (table.p_value.sel(statistic="graph_morans_i") == 1).all()
    assert any(f"{WITHOUT_DELAYS} of network, at the last step: all synapses have one delay" in said for said in warned(found))


def test_analyze__one_source_without_delays_has_no_answer(tmp_path):
    write_checkpoint(event_based_network(dt=1.0, n_hidden=1), tmp_path / "network.nc")
    table = Analysis(analyze([tmp_path / "network.nc"], **FAST)).table("statistics", WITHOUT_DELAYS)
    assert table.value.isnull().all()
    assert (table.n_synapses == 1).all()


def test_piled_up__continuous_delays_do_so_at_their_very_bounds(tmp_path):
    tree = event_based_network()
    tree[f"projections/{PROJECTION}"]["delay"].values[:9] = 30.0
    write_checkpoint(tree, tmp_path / "network.nc")
    found = analyze([tmp_path / "network.nc"], **FAST)
    assert piled_up(found, PROJECTION).loc["network", ["first", "last"]].tolist() == [0.0, 0.25]
    (said,) = [sentence_of_caution(caution) for caution in cautions(found) if caution.code == PILED_UP]
    assert f"25 % of the synapses of {PROJECTION} have the longest delay there can be (30 ms) in 1 of 1 network" in said


@pytest.mark.parametrize("null", ["delays", "cells", "sources"])
def test_analyze__fields_of_some_targets_at_a_time_give_the_same(null, tmp_path, monkeypatch):
    write_checkpoint(small_network(n_source=8, n_target=7), tmp_path / "network.nc")
    of_pieces = [name for name in EVERY if name != "pruning"]  # which takes the fields of all targets at once
    options = {"statistics": of_pieces, "null": null, "check": False, **FAST}
    whole = analyze([tmp_path / "network.nc"], **options)
    monkeypatch.setattr(one_projection, "CELLS_AT_ONCE", 100)  # two fields of 40 cells
    xr.testing.assert_identical(analyze([tmp_path / "network.nc"], **options), whole)


def test_analyze__large_planes_are_never_whole_in_memory(tmp_path, monkeypatch):
    """300 channels and 400 steps of delay: 24 targets are 2.9 million cells."""
    write_checkpoint(event_based_network(dt=0.075, n_source=300, n_hidden=24), tmp_path / "network.nc")
    monkeypatch.setattr(one_projection, "CELLS_AT_ONCE", 500_000)
    made = []

    def counted(*arguments, **options):
        made.append(receptive_fields(*arguments, **options))
        return made.pop() if made[-1].receptive_field.size <= 500_000 else pytest.fail("too many cells at once")

    monkeypatch.setattr(one_projection, "receptive_fields", counted)
    found = analyze([tmp_path / "network.nc"], n_permutations=9)
    assert Analysis(found).table("autocorrelation", "input__hidden1").morans_i.notnull().all()
    assert "of cells nothing was compared" not in str(found["check"])
