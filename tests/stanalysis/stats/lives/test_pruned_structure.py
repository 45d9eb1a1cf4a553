from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import xarray as xr
from scipy.stats import kstest

from stanalysis.errors import BadInput
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.files.checkpoint import projection
from stanalysis.files.pruning import CRITERIA, kept, pruned, pruning_order
from stanalysis.schema.lives import PRUNED
from stanalysis.schema.variables import validate
from stanalysis.stats.engine.field_statistics import field_statistics
from stanalysis.stats.lives import pruned_structure as module
from stanalysis.stats.lives.pruned_structure import _GRAPH, _LATTICE, pruned_structure
from stanalysis.stats.replicates.multiplicity import benjamini_hochberg
from stanalysis.stats.replicates.network import network_z
from stanalysis.synthetic.fields import noise_fields, planted_fields
from stanalysis.synthetic.network import small_network

PROJECTION = "input__hidden1"
ALL = [*_LATTICE, *_GRAPH]


def network_of(field, **attrs):
    """A network whose first projection has these receptive fields (target, source, delay)."""
    tree = small_network(n_source=field.sizes["source"], n_target=field.sizes["target"])
    target, source, delay = np.nonzero(field.values)
    options = {"n_source": field.sizes["source"], "n_target": field.sizes["target"], "rounding": "half even"} | attrs
    tree[f"projections/{PROJECTION}"].dataset = projection(
        delay_max=10.0 * (field.sizes["delay"] - 1),
        source=source,
        target=target,
        delay=10.0 * delay,
        weight=field.values[target, source, delay],
        **options,
    )
    return tree


@pytest.fixture(scope="module")
def tree():
    return network_of(noise_fields(12, n_source=20, n_delay=8, seed=3))


@pytest.fixture(scope="module")
def found(tree):
    return pruned_structure(tree, PROJECTION, fractions=(0, 0.5, 0.99), n_permutations=49, seed=5)


def by_hand(fields, **options):
    graph = SynapseGraph(ms_per_source=10.0)
    options = {"n_permutations": 49, "seed": 5} | options
    return field_statistics(fields, statistics=ALL, graph=graph, keep_draws=True, **options).squeeze("step")


def left_of(tree, criterion, fraction, **options):
    table = pruned(tree[f"projections/{PROJECTION}"].to_dataset(), criterion, fraction, **options)
    other = tree.copy()
    other[f"projections/{PROJECTION}"].dataset = table
    return receptive_fields(other, PROJECTION)


def test_pruned_structure__is_declared(found):
    validate(found, PRUNED, required=tuple(PRUNED))
    assert found.statistic.values.tolist() == ALL
    assert found.n_synapses.sel(criterion="largest").values.tolist() == [240, 120, 2]


def test_pruned_structure__unpruned_is_what_the_analysis_says(tree, found):
    result = by_hand(receptive_fields(tree, PROJECTION), joint=True)
    whole = found.sel(fraction=0)
    for criterion in CRITERIA:
        one = whole.sel(criterion=criterion)
        np.testing.assert_array_equal(one.mean_z, network_z(result, statistic="value").mean_z)
        np.testing.assert_array_equal(one.p_value, network_z(result, statistic="value").p_value)
        np.testing.assert_allclose(one.excess, (result.value - result.expected).mean("target"))
    np.testing.assert_allclose(whole.overlap, 1)
    assert (whole.answered == 12).all()


@pytest.mark.parametrize("criterion", ["magnitude", "largest"])
def test_pruned_structure__compares_what_is_left_with_its_own_null(tree, found, criterion):
    fields = left_of(tree, criterion, 0.5, seed=5)
    result, one = by_hand(fields), found.sel(criterion=criterion, fraction=0.5)
    together = network_z(result, statistic="value")
    np.testing.assert_array_equal(one.mean_z, together.mean_z)
    np.testing.assert_array_equal(one.p_value, together.p_value)
    np.testing.assert_allclose(one.excess, (result.value - result.expected).mean("target"))
    np.testing.assert_array_equal(one.answered, result.value.notnull().sum("target"))
    q = benjamini_hochberg(result.p_value, dim="target")
    np.testing.assert_allclose(one.significant, [(row[~np.isnan(row)] <= 0.05).mean() for row in q.transpose("statistic", ...)])
    whole = receptive_fields(tree, PROJECTION)
    pairs = zip(fields.receptive_field.values[0], whole.receptive_field.values[0], strict=True)
    assert one.overlap == pytest.approx(np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]))


def test_pruned_structure__random_is_the_mean_of_its_draws(tree, found):
    draws = [by_hand(left_of(tree, "random", 0.5, seed=5, draw=draw)) for draw in range(3)]
    together = [network_z(result, statistic="value") for result in draws]
    one = found.sel(criterion="random", fraction=0.5)
    np.testing.assert_allclose(one.mean_z, np.mean([t.mean_z for t in together], axis=0))
    np.testing.assert_allclose(one.p_value, np.minimum(2 * np.mean([t.p_value for t in together], axis=0), 1))
    alone = pruned_structure(
        tree, PROJECTION, criteria=["random"], fractions=[0.5], n_random=1, n_permutations=49, seed=5
    ).squeeze()
    np.testing.assert_array_equal(alone.p_value, together[0].p_value)


def test_pruned_structure__where_nothing_is_left_nothing_is_said(found):
    nothing = found.sel(fraction=0.99)
    for name in ("excess", "retained", "mean_z", "p_value", "significant"):
        assert nothing[name].isnull().all(), name
    assert (nothing.answered == 0).all()
    assert ((nothing.overlap >= 0) & (nothing.overlap < 0.2)).all()


def clustered_large_weights(n_target):
    """Patches of one sign, in large weights; beside them as many small weights without structure."""
    large = planted_fields(n_target, n_source=30, n_delay=12, seed=1)
    large = np.sign(large) * (3 + abs(large))
    small = 0.1 * noise_fields(n_target, n_source=30, n_delay=12, seed=2)
    return large.where(large != 0, small)


@pytest.mark.slow
def test_pruned_structure__finds_in_which_weights_the_structure_is():
    found = pruned_structure(
        network_of(clustered_large_weights(20)), PROJECTION, fractions=(0, 0.4, 0.6), null="signs", n_permutations=99, seed=0
    )
    ei = found.sel(statistic=["morans_i", "graph_joins_ee", "joins_ii"])
    assert (ei.p_value.sel(fraction=0) == 0.02).all()
    np.testing.assert_allclose(ei.retained.sel(fraction=0), 1)
    magnitude, largest = (ei.sel(fraction=0.4, criterion=name) for name in ("magnitude", "largest"))
    assert (magnitude.p_value == 0.02).all()
    moran = found.sel(statistic="morans_i")
    assert moran.retained.sel(criterion="magnitude", fraction=0.4) > 0.9
    assert moran.retained.sel(criterion="random", fraction=0.4) < 0.8
    gone = found.sel(criterion="largest", fraction=0.6)
    assert (gone.p_value > 0.02).all()
    assert abs(gone.retained.sel(statistic="morans_i")) < 0.1
    assert (largest.overlap < 0.8) & (magnitude.overlap > 0.99)


def test_pruned_structure__retains_nothing_of_what_was_not_there(found):
    not_there = found.p_value.sel(fraction=0) > 0.05
    assert not_there.any()
    assert found.retained.where(not_there).isnull().all()


def test_pruned_structure__a_selection_of_targets_retains_nothing():
    field = planted_fields(8, n_source=20, n_delay=8, seed=1)
    field[:5] *= 1e-3  # the first to lose all their synapses
    found = pruned_structure(
        network_of(field), PROJECTION, criteria=["magnitude"], fractions=(0, 0.7), null="signs", n_permutations=99, seed=0
    ).sel(statistic="morans_i", criterion="magnitude")
    assert found.p_value.sel(fraction=0.7) <= 0.05
    assert found.answered.values.tolist() == [8, 3]
    assert np.isnan(found.retained.sel(fraction=0.7))
    assert found.overlap.sel(fraction=0.7) < 3 / 8 + 1e-9  # those that lost all count as 0


def test_pruned_structure__targets_that_share_delays_have_no_p_once_permutations_cannot_be_shared():
    tree = network_of(noise_fields(6, n_source=16, n_delay=6, seed=0), delay_kind="axonal")
    options = {"criteria": ["magnitude"], "fractions": (0, 0.5), "n_permutations": 19, "seed": 0}
    found = pruned_structure(tree, PROJECTION, **options)
    assert found.p_value.sel(fraction=0).notnull().all()
    assert found.p_value.sel(fraction=0.5).isnull().all()
    assert found.mean_z.notnull().all()
    whole_sources = pruned_structure(tree, PROJECTION, null="sources", **options)
    assert whole_sources.p_value.notnull().all()


def test_pruned_structure__a_dead_or_damaged_target_does_not_count():
    field = noise_fields(6, n_source=16, n_delay=6, seed=0)
    field[0] = 0
    tree = network_of(field)
    table = tree[f"projections/{PROJECTION}"].to_dataset()
    table["weight"] = table.weight.where(table.target != 1)
    tree[f"projections/{PROJECTION}"].dataset = table
    found = pruned_structure(tree, PROJECTION, fractions=(0, 0.5), n_permutations=19, seed=0)
    assert (found.answered.sel(fraction=0) == 4).all()
    np.testing.assert_allclose(found.overlap.sel(fraction=0), 1)
    assert found.overlap.notnull().all()


def test_pruned_structure__chunks_change_no_number(tree, found, monkeypatch):
    monkeypatch.setattr(module, "NUMBERS_AT_ONCE", 1)
    few = {"criteria": ["largest"], "fractions": [0.5]}
    split = pruned_structure(tree, PROJECTION, **few, n_permutations=49, seed=5)
    xr.testing.assert_identical(split, found.sel(criterion=["largest"], fraction=[0.5]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"null": "untrained"}, "untrained"),
        ({"null": "magic"}, "magic"),
        ({"n_permutations": 0}, "0 permutations"),
        ({"n_random": 0}, "0 orders"),
        ({"criteria": ["age"]}, "'age'"),
        ({"criteria": []}, "No criterion"),
        ({"fractions": [0.5, 0.5]}, "twice"),
        ({"fractions": [2]}, "from 0 to 1"),
    ],
)
def test_pruned_structure__bad_input(tree, options, message):
    with pytest.raises(BadInput, match=message):
        pruned_structure(tree, PROJECTION, **{"n_permutations": 9, "seed": 0} | options)


N_NETWORKS, N_TARGETS = 100, 8


@pytest.fixture(scope="module")
def unstructured():
    """Dense networks without structure, dims (run, target, source, delay)."""
    field = noise_fields(N_NETWORKS * N_TARGETS, n_source=80, n_delay=6, seed=11)
    values = field.values.reshape(N_NETWORKS, N_TARGETS, *field.shape[1:])
    return xr.DataArray(values, {"run": np.arange(N_NETWORKS)}, ("run", "target", "source", "delay"))


@pytest.mark.parametrize(
    ("criterion", "fraction", "null"),
    [*product(CRITERIA, (0.5, 0.9), ("delays", "signs")), ("magnitude", 0.5, "weights"), ("magnitude", 0.9, "sources")],
)
def test_pruned_structure__p_is_uniform_without_structure(unstructured, criterion, fraction, null):
    left = unstructured.copy()
    for network in left.values:
        places = network.nonzero()
        gone = ~kept(network[places], criterion, fraction, random=pruning_order(0, 0))
        network[tuple(place[gone] for place in places)] = 0
    statistics = ["morans_i", "joins_ee", "joins_ei"]
    options = {"null": null, "n_permutations": 99, "joint": null == "sources", "seed": 1, "keep_draws": True}
    p = network_z(field_statistics(left, statistics=statistics, **options), statistic="value").p_value
    assert kstest(p.sel(statistic="morans_i"), "uniform").pvalue > 0.001
    for name in statistics:  # counts of few joins are often tied, and p then too large, never too small
        one = p.sel(statistic=name).dropna("run").values
        assert one.size > 0.5 * N_NETWORKS
        assert kstest(one, "uniform", alternative="greater").pvalue > 0.001, name
