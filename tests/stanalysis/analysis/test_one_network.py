from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.stats import false_discovery_control

from stanalysis.analysis import one_projection, one_step
from stanalysis.analysis.one_network import Snapshots, groups_of_network
from stanalysis.analysis.questions import Questions
from stanalysis.fields.lattice import QUEEN, ROOK
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.readers.options import Options
from stanalysis.stats.engine.families import curve_families
from stanalysis.stats.engine.field_statistics import field_statistics
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.stats.engine.statistics import STATISTICS
from stanalysis.stats.replicates.multiplicity import max_t
from stanalysis.stats.replicates.network import network_z
from stanalysis.stats.spatial.autocorrelation import PARTS, morans_i, morans_i_distribution
from stanalysis.stats.spatial.correlogram import correlogram
from stanalysis.stats.spatial.descriptors import descriptors
from stanalysis.stats.spatial.local import local_morans_i
from stanalysis.stats.spatial.point_pattern import cross_k
from stanalysis.stats.spatial.smoothing import smoothed_morans_i
from stanalysis.synthetic.network import small_network

pytestmark = pytest.mark.slow

PROJECTION = "input__hidden1"
ASKED = Questions(
    statistics=("lattice", "graph"),
    test=NullTest(n_permutations=49, seed=5),
    lattice=ROOK,
    ms_per_source=None,
    foreign=Options(),
)
ANSWERS = ("value", "expected", "z_score", "p_value")


def network_of(*steps, seed=0, change=lambda table: table):
    """A network with these checkpoints; ``change`` is made to its first projection."""
    trees = {step: small_network(step=step, seed=seed, n_source=8, n_target=5) for step in steps}
    for tree in trees.values():
        node = tree[f"projections/{PROJECTION}"]
        node.dataset = change(node.to_dataset())
    return Snapshots(trees, {}, None)


def without_a_synapse(table):
    return table.isel(synapse=slice(1, None))


def weighing_nothing(table, synapses):
    weight = table.weight.copy()
    weight[synapses] = 0
    return table.assign(weight=weight)


def with_contacts(table):
    """Two synapses of each pair of the first target."""
    twice = xr.concat([table, table.isel(synapse=table.target.values == 0)], "synapse", combine_attrs="override")
    contact = np.arange(twice.sizes["synapse"]) >= table.sizes["synapse"]
    return twice.assign(contact=("synapse", contact.astype(np.int32), {"units": "1"}))


def by_hand(network, step, **options):
    fields = receptive_fields(network.checkpoints[step], PROJECTION)
    return field_statistics(
        fields,
        statistics=list(STATISTICS),
        graph=SynapseGraph(ms_per_source=10.0),
        n_permutations=49,
        seed=5,
        keep_draws=True,
        **options,
    ).squeeze("step")


@pytest.fixture(scope="module")
def network():
    return network_of(0, 3, 10)


@pytest.fixture(scope="module")
def groups(network):
    return groups_of_network(network, ASKED)


@pytest.fixture(scope="module")
def found(network):
    return by_hand(network, 3, joint=True)


def test_groups_of_network__names_every_group_and_its_dims(groups):
    of_each = {
        "statistics": {"step", "target", "statistic"},
        "autocorrelation": {"step", "target"},
        "network": {"step", "statistic"},
        "distribution": {"step", "bin"},
        "descriptors": {"step", "target"},
        "synapses": {"synapse"},
    }
    projections = (PROJECTION, "hidden1__output")
    populations = {f"populations/{name}" for name in ("input", "hidden1", "output")}
    assert set(groups) == {"metrics", *populations} | {f"{name}/{p}" for name in of_each for p in projections}
    for name, dims in of_each.items():
        assert set(groups[f"{name}/{PROJECTION}"].sizes) == dims, name
    assert groups["metrics"].step.values.tolist() == [0, 3, 10]


def test_groups_of_network__statistics_equal_field_statistics(groups, found):
    statistics = groups[f"statistics/{PROJECTION}"].sel(step=3)
    assert statistics.statistic.values.tolist() == list(STATISTICS)
    assert statistics.unit.sel(statistic="lead").item() == "ms"
    for name in (*ANSWERS, "n_synapses"):
        np.testing.assert_array_equal(statistics[name], found[name].transpose(*statistics[name].dims), err_msg=name)


def test_groups_of_network__adjusts_p_for_having_looked_at_every_neuron(groups, found):
    statistics = groups[f"statistics/{PROJECTION}"].sel(step=3)
    np.testing.assert_array_equal(statistics.adjusted_p_value, max_t(found).transpose("target", "statistic"))
    assert (statistics.adjusted_p_value.max("target") <= 1).all()
    for name in ("morans_i", "graph_gearys_c"):
        p = statistics.sel(statistic=name).p_value.values
        known = ~np.isnan(p)
        np.testing.assert_allclose(statistics.sel(statistic=name).q_value.values[known], false_discovery_control(p[known]))


def test_groups_of_network__says_of_every_statistic_what_the_network_says(groups, found):
    together, expected = groups[f"network/{PROJECTION}"].sel(step=3), network_z(found, statistic="value")
    for name in ("mean_z", "p_value"):
        np.testing.assert_array_equal(together[name], expected[name])


def test_groups_of_network__moran_and_its_histogram_are_those_of_morans_i(network, groups):
    trees = [network.checkpoints[step] for step in (0, 3, 10)]
    moran = morans_i(receptive_fields(trees, PROJECTION), n_permutations=49, joint=True, seed=5, keep_draws=True)
    for name in ("morans_i", *PARTS, "expected", "p_value"):
        np.testing.assert_array_equal(groups[f"autocorrelation/{PROJECTION}"][name], moran[name], err_msg=name)
    histogram = morans_i_distribution(moran, n_bins=one_projection.N_BINS)
    for name in ("count", "null_mean", "null_lower", "null_upper", "bin_lower", "n_unanswered"):
        np.testing.assert_array_equal(groups[f"distribution/{PROJECTION}"][name], histogram[name], err_msg=name)


def test_groups_of_network__describes_the_fields(network, groups):
    expected = descriptors(receptive_fields(network.checkpoints[10], PROJECTION)).squeeze("step")
    xr.testing.assert_equal(groups[f"descriptors/{PROJECTION}"].sel(step=10).drop_vars("step"), expected.drop_vars("step"))


@pytest.mark.parametrize("numbers", [1, 49 * 5 * 7])
def test_groups_of_network__passes_split_give_the_same_numbers(network, groups, monkeypatch, numbers):
    monkeypatch.setattr(one_step, "DRAWS_AT_ONCE", numbers)
    split = groups_of_network(Snapshots({3: network.checkpoints[3]}, {}, None), ASKED)
    for name in ("statistics", "network", "autocorrelation"):
        xr.testing.assert_identical(split[f"{name}/{PROJECTION}"], groups[f"{name}/{PROJECTION}"].sel(step=[3]))


def test_groups_of_network__asked_for_moran_only_gives_the_same_moran(network, groups):
    few = groups_of_network(network, replace(ASKED, statistics=()))[f"statistics/{PROJECTION}"]
    assert few.statistic.values.tolist() == ["morans_i", *PARTS]
    together = groups[f"statistics/{PROJECTION}"].sel(statistic=few.statistic)
    for name in (*ANSWERS, "q_value", "adjusted_p_value"):
        np.testing.assert_array_equal(few[name], together[name], err_msg=name)


def test_groups_of_network__scales_the_graph_as_asked(network, groups):
    scaled = groups_of_network(network, replace(ASKED, statistics=("graph",), ms_per_source=40.0))[f"statistics/{PROJECTION}"]
    as_a_bin = groups_of_network(network, replace(ASKED, statistics=("graph",), ms_per_source=10.0))[f"statistics/{PROJECTION}"]
    graph = groups[f"statistics/{PROJECTION}"].sel(statistic=as_a_bin.statistic)
    np.testing.assert_array_equal(as_a_bin.value, graph.value)
    assert (scaled.value != graph.value).sel(statistic="graph_morans_i").any()


def test_groups_of_network__other_questions_reach_the_statistic(network):
    asked = replace(ASKED, lattice=QUEEN, test=NullTest(null="weights", alternative="greater", seed=8, n_permutations=19))
    statistics = groups_of_network(network, asked)[f"statistics/{PROJECTION}"].sel(statistic="morans_i")
    fields = receptive_fields(list(network.checkpoints.values()), PROJECTION)
    options = {"null": "weights", "alternative": "greater", "lattice": QUEEN, "seed": 8, "n_permutations": 19}
    expected = morans_i(fields, joint=True, **options)
    for name in ("expected", "z_score", "p_value"):
        np.testing.assert_array_equal(statistics[name], expected[name], err_msg=name)


@pytest.mark.parametrize(
    ("change", "joint"),
    [
        (lambda table: table, 1),
        (lambda table: weighing_nothing(table, table.target.values == 2), 1),
        (lambda table: table.isel(synapse=table.target.values != 2), 1),
        (lambda table: weighing_nothing(table, slice(3, 4)), 0),
        (without_a_synapse, 0),
        (with_contacts, 0),
    ],
    ids=["dense", "one silent", "one without synapses", "a weight of 0", "one less", "pairs"],
)
def test_groups_of_network__targets_share_draws_only_where_each_has_one_synapse_per_source(change, joint):
    network = network_of(3, change=change)
    statistics = groups_of_network(network, ASKED)[f"statistics/{PROJECTION}"].sel(step=3)
    assert statistics.attrs["joint"] == joint
    expected = by_hand(network, 3, joint=bool(joint))
    for name in ANSWERS:
        np.testing.assert_array_equal(statistics[name], expected[name], err_msg=name)


@pytest.mark.parametrize("change", [without_a_synapse, lambda table: table], ids=["sparse", "dense"])
@pytest.mark.parametrize("kind", ["synaptic", "axonal"])
def test_groups_of_network__neurons_that_share_delays_have_no_p_together_unless_draws_are_joint(change, kind):
    def shared(table):
        return change(table).assign_attrs(delay_kind=kind)

    together = groups_of_network(network_of(0, change=shared), ASKED)[f"network/{PROJECTION}"].sel(statistic="morans_i")
    assert together.mean_z.notnull().all()
    assert together.p_value.isnull().all() == (kind == "axonal" and change is without_a_synapse)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.isel(synapse=[]),
        lambda table: table.isel(synapse=table.source.values < 3),
        lambda table: table.assign(weight=xr.zeros_like(table.weight)),
    ],
    ids=["no synapse", "three synapses", "silent"],
)
def test_groups_of_network__without_any_answer_is_nan_and_counted(change):
    groups = groups_of_network(network_of(0, change=change), ASKED)
    statistics = groups[f"statistics/{PROJECTION}"]
    for name in (*ANSWERS, "q_value", "adjusted_p_value"):
        assert statistics[name].isnull().all(), name
    assert (statistics.n_unanswered == 5).all()
    assert groups[f"network/{PROJECTION}"].p_value.isnull().all()
    assert groups[f"distribution/{PROJECTION}"]["count"].sum() == 0


def test_groups_of_network__a_dense_layer_too_small_for_any_answer_has_none():
    tree = small_network(n_target=3)  # three synapses for each output neuron, one from each source
    found = groups_of_network(Snapshots({0: tree}, {}, None), ASKED)["statistics/hidden1__output"]
    assert found.value.isnull().all()


@pytest.mark.parametrize("steps", [(0, 3, 10), (3,)])
def test_groups_of_network__maps_and_curves_are_those_of_the_first_and_last_step(steps):
    network = network_of(*steps)
    groups = groups_of_network(network, replace(ASKED, statistics=tuple(family.name for family in curve_families())))
    ends = sorted({steps[0], steps[-1]})
    fields = receptive_fields([network.checkpoints[step] for step in ends], PROJECTION)
    options = {"null": "delays", "n_permutations": 49, "alternative": "two-sided", "seed": 5}
    expected = {
        "local": local_morans_i(fields, **options),
        "correlogram": correlogram(fields, **options),
        "smoothing": smoothed_morans_i(fields, **options),
        "pairs": cross_k(fields, ms_per_source=10.0, **options),
    }
    for name, one in expected.items():
        assert groups[f"{name}/{PROJECTION}"].step.values.tolist() == ends
        xr.testing.assert_identical(groups[f"{name}/{PROJECTION}"], one)
    assert groups[f"statistics/{PROJECTION}"].step.values.tolist() == list(steps)


@pytest.fixture(scope="module")
def untrained():
    return groups_of_network(network_of(0, 3), replace(ASKED, test=replace(ASKED.test, null="untrained")))


def test_groups_of_network__untrained_compares_with_the_other_neurons_at_step_0(untrained):
    statistics = untrained[f"statistics/{PROJECTION}"]
    assert (statistics.attrs["null"], statistics.attrs["n_permutations"]) == ("untrained", 0)
    value = statistics.value.sel(statistic="gearys_c").values
    others = np.delete(value[0], 2)
    one = statistics.sel(statistic="gearys_c").isel(step=1, target=2)
    assert float(one.expected) == pytest.approx(others.mean())
    assert float(one.z_score) == pytest.approx((value[1, 2] - others.mean()) / others.std(ddof=1))
    assert float(one.p_value) == min(1, 2 * min(1 + (others <= value[1, 2]).sum(), 1 + (others >= value[1, 2]).sum()) / 5)
    assert statistics.adjusted_p_value.isnull().all()


def test_groups_of_network__untrained_has_no_p_of_the_network(untrained):
    together, statistics = untrained[f"network/{PROJECTION}"], untrained[f"statistics/{PROJECTION}"]
    assert together.p_value.isnull().all()
    np.testing.assert_array_equal(together.mean_z, statistics.z_score.mean("target"))


def test_groups_of_network__untrained_shows_step_0_as_the_null(untrained):
    distribution = untrained[f"distribution/{PROJECTION}"]
    for step in (0, 3):
        for name in ("null_mean", "null_lower", "null_upper"):
            np.testing.assert_allclose(distribution[name].sel(step=step), distribution["count"].sel(step=0))
