import itertools
import math

import numba
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from stanalysis.errors import BadInput
from stanalysis.fields.lattice import QUEEN, ROOK, Lattice
from stanalysis.fields.receptive_field import fields_of_synapses
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.files.checkpoint import projection
from stanalysis.stats.engine.draws import z_scores
from stanalysis.stats.engine.field_statistics import field_statistics
from stanalysis.stats.engine.lattice_measures import SHUFFLED
from stanalysis.stats.engine.statistics import STATISTICS, names_of, unit_of
from stanalysis.synthetic.fields import noise_fields, planted_fields
from stanalysis.synthetic.network import small_network
from tests.stanalysis.stats.oracles import BIN, NULLS, Arrangement, field_of, graph_oracle, oracle, synapses_of
from tests.strategies import lattices, not_constant, sparse_planes

EVERY = list(STATISTICS)
NEAR = SynapseGraph(BIN, nearest=2)
GRAPHS = [NEAR, SynapseGraph(2 * BIN, nearest=1, standardised=False), SynapseGraph(BIN, radius=1.5)]
OPTIONS = {"graph": NEAR, "min_synapses": 2, "seed": 0}
ANSWERS = ("value", "expected", "z_score", "p_value")
CLUSTERS = {"n_clusters", "largest_cluster"}
GRAPH_JOINS = {"graph_joins_ee", "graph_joins_ei", "graph_joins_ii"}
JOINS = {"joins_ee", "joins_ei", "joins_ii"}
WEIGHTED = {"weighted_joins_like", "weighted_joins_unlike"}

kernel = pytest.mark.kernel
wraps_around = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # uint64, when not compiled

# one synapse per source, one source without; and two synapses in a source, all sources of one sign
ONE_EACH = np.array([[0, 3.0, 0], [-1, 0, 0], [0, 0, 0], [0, -5, 0], [0, 0, 2]])
TWO_IN_ONE = np.array([[3.0, 0, 1], [0, -2, 0], [0, 0, -4]])


def run(field, statistics=EVERY, **options):
    return field_statistics(field, statistics=statistics, **(OPTIONS | options))


def by_name(result, variable):
    return {str(name): result[variable].sel(statistic=name).values for name in result.statistic.values}


# --- every null and every statistic against enumeration ---------------------------------------------------------------


@kernel
@wraps_around
@pytest.mark.parametrize("lattice", [ROOK, QUEEN, Lattice("queen", standardised=False)])
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("plane", [ONE_EACH, TWO_IN_ONE])
def test_field_statistics__are_those_of_the_oracle(plane, graph, lattice):
    found = by_name(run(field_of(plane), graph=graph, lattice=lattice, n_permutations=0), "value")
    wanted = oracle("observed", synapses_of(plane), plane.shape, lattice=lattice, graph=graph, names=set(EVERY))
    for name in EVERY:
        np.testing.assert_allclose(found[name], wanted[name][0], rtol=0, atol=1e-12, err_msg=name)


@kernel
@wraps_around
@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("plane", [ONE_EACH[:4], TWO_IN_ONE])
def test_field_statistics__draw_possible_arrangements(plane, null):
    """All statistics of one draw are those of one arrangement."""
    result = run(field_of(plane), null=null, n_permutations=12, lattice=QUEEN, keep_draws=True)
    drawn = by_name(result, "null_draws")
    possible = oracle(null, synapses_of(plane), plane.shape, lattice=QUEEN, graph=NEAR, names=set(EVERY))
    groups = [EVERY] if null != "cells" else [[*set(EVERY) - set(SHUFFLED)], ["morans_i", "gearys_c"], [*JOINS]]
    for names in groups:  # whole planes are shuffled in another way, in float32
        tolerance = 2e-6 if "gearys_c" in names and null == "cells" else 1e-9
        draws, values = (np.stack([table[name] for name in names]) for table in (drawn, possible))
        off = np.abs(draws[:, :, None] - values[:, None, :])
        off[np.isnan(draws)[:, :, None] & np.isnan(values)[:, None, :]] = 0
        assert off.max(axis=0).min(axis=1).max() < tolerance, names


@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("lattice", [ROOK, QUEEN])
def test_field_statistics__approach_enumeration(null, lattice):
    """p-values, and expectations where they are means of the draws."""
    plane, n = ONE_EACH[:4], 4000
    possible = oracle(null, synapses_of(plane), plane.shape, lattice=lattice, graph=NEAR, names=set(EVERY))
    for alternative in ("greater", "less"):
        result = run(field_of(plane), null=null, lattice=lattice, n_permutations=n, alternative=alternative, seed=1)
        for name in EVERY:
            values, own = possible[name], float(result.value.sel(statistic=name))
            extreme = values >= own - 1e-9 if alternative == "greater" else values <= own + 1e-9
            exact = np.mean(extreme | np.isnan(values))
            off = abs(float(result.p_value.sel(statistic=name)) - exact)
            assert off < 4.5 * math.sqrt(exact * (1 - exact) / n) + 2 / n, (name, alternative)
            off = abs(float(result.expected.sel(statistic=name)) - np.nanmean(values))
            assert off < 4.5 * np.nanstd(values) / math.sqrt(n) + 1e-9, name


def test_field_statistics__permuting_delays_reaches_every_arrangement_of_synapses_that_share_a_source():
    result = run(field_of(TWO_IN_ONE), statistics=["lead"], n_permutations=2000, keep_draws=True)
    possible = oracle("delays", synapses_of(TWO_IN_ONE), TWO_IN_ONE.shape, lattice=ROOK, graph=NEAR, names={"lead"})["lead"]
    assert set(result.null_draws.values[0].round(9)) == set(possible.round(9))


def test_field_statistics__permuting_delays_moves_the_synapses_of_a_full_plane():
    plane = np.random.default_rng(0).standard_normal((4, 5))
    assert run(field_of(plane), statistics=["morans_i"], n_permutations=19).z_score.notnull().all()


def test_field_statistics__expect_the_mean_lead_where_synapses_share_a_source():
    plane = np.array([[1.0, 2, 0], [0, -1, 0]])  # the delays are 0, 10, 10 ms: the first source has one of each
    assert run(field_of(plane), statistics=["lead"], n_permutations=99).expected > 1


@pytest.mark.parametrize("null", ["rows", "weights", "sources", "cells"])
def test_field_statistics__approach_enumeration_where_synapses_share_a_source(null):
    names, n = ["gearys_c", "joins_ei", "largest_cluster", "graph_morans_i"], 4000
    possible = oracle(null, synapses_of(TWO_IN_ONE), TWO_IN_ONE.shape, lattice=ROOK, graph=NEAR, names=set(names))
    result = run(field_of(TWO_IN_ONE), statistics=names, null=null, n_permutations=n, alternative="less")
    for name in names:
        exact = np.mean(possible[name] <= float(result.value.sel(statistic=name)) + 1e-9)
        off = abs(float(result.p_value.sel(statistic=name)) - exact)
        assert off < 4.5 * math.sqrt(exact * (1 - exact) / n) + 2 / n, name
        off = abs(float(result.expected.sel(statistic=name)) - possible[name].mean())
        assert off < 4.5 * possible[name].std() / math.sqrt(n) + 1e-9, name


CAN_MEET = {"cells_shared": 1}  # as `receptive_fields` says it of a projection in which synapses do


@kernel
@wraps_around
@pytest.mark.parametrize("null", ["delays", "rows"])
def test_field_statistics__synapses_of_one_pair_meet_in_a_cell_and_add_up(null):
    """Where some two synapses of a projection share a cell, those of any pair can, if fields tell them apart."""
    weight = np.zeros((2, 2, 3))  # (contact, source, delay)
    weight[0, [0, 1], [0, 2]] = [3, -1]
    weight[1, 0, 1] = -4
    dims = ("source", "delay")
    field = xr.Dataset(
        {
            "receptive_field": (dims, weight.sum(axis=0)),
            "present": (dims, (weight != 0).any(axis=0)),
            "contact_field": (("contact", *dims), weight),
            "contact_present": (("contact", *dims), weight != 0, CAN_MEET),
        },
        {"delay": np.arange(3) * BIN},
    )
    statistics = ["morans_i", "joins_ei", "lead", "graph_gearys_c"]
    result = run(field, statistics=statistics, null=null, n_permutations=60, keep_draws=True)
    synapses = synapses_of(weight.sum(axis=0))
    possible = oracle(null, synapses, (2, 3), lattice=ROOK, graph=NEAR, names=set(statistics), apart=False)
    draws, values = (np.stack([t[name] for name in statistics]) for t in (by_name(result, "null_draws"), possible))
    assert np.abs(draws[:, :, None] - values[:, None]).max(axis=0).min(axis=1).max() < 1e-9
    assert result.n_synapses == 3
    assert set(draws[2].round(9)) == set(values[2].round(9))


EXACT = {
    "delays": set(names_of("lattice")) - CLUSTERS,
    "rows": set(names_of("lattice")) - CLUSTERS,
    "weights": set(names_of("lattice")) - CLUSTERS | set(names_of("graph")),
    "cells": set(names_of("lattice")) - CLUSTERS,
    "sources": set(names_of("lattice")) - CLUSTERS - {"lead"},
    "signs": JOINS | GRAPH_JOINS | WEIGHTED | {f"graph_{name}" for name in WEIGHTED},
    "source-signs": JOINS | WEIGHTED,
}


@pytest.mark.slow
@pytest.mark.parametrize("null", EXACT)
@settings(max_examples=12, deadline=None)
@given(st.data(), lattices, st.sampled_from(GRAPHS))
def test_field_statistics__expect_the_mean_over_all_arrangements(null, data, lattice, graph):
    one_each = null in ("delays", "rows", "source-signs")
    n = data.draw(st.integers(2, 4))
    most = {2: 12, 3: 8, 4: 6}[n] if null == "cells" else None  # cells, for at most 400 arrangements
    sparse = sparse_planes(4 if one_each else 3, one_each, min_delay=2, n_synapses=(n, n), max_cells=most)
    plane = data.draw(not_constant(sparse))
    names = EXACT[null]
    result = run(field_of(plane), [*names], null=null, lattice=lattice, graph=graph, n_permutations=0, min_synapses=0)
    possible = oracle(null, synapses_of(plane), plane.shape, lattice=lattice, graph=graph, names=names)
    found = by_name(result, "expected")
    for name in names:
        if result.value.sel(statistic=name).isnull():
            assert np.isnan(found[name]), name
        else:
            np.testing.assert_allclose(found[name], possible[name].mean(), rtol=1e-12, atol=1e-12, err_msg=name)


def test_field_statistics__expect_the_lead_that_permuting_sources_keeps_even_without_draws():
    result = run(field_of(ONE_EACH), statistics=["lead"], null="sources", n_permutations=0)
    np.testing.assert_allclose(result.expected, result.value)


@pytest.mark.parametrize("null", NULLS)
def test_field_statistics__expect_the_mean_of_the_draws_where_nothing_is_exact(null):
    result = run(field_of(TWO_IN_ONE), null=null, n_permutations=29, keep_draws=True)
    mean = result.null_draws.mean("draw")
    for name in CLUSTERS:
        np.testing.assert_allclose(result.expected.sel(statistic=name), mean.sel(statistic=name), rtol=1e-12)
    without = run(field_of(TWO_IN_ONE), statistics=["n_clusters"], null=null, n_permutations=0)
    assert without.expected.isnull().all()
    assert without.value.notnull().all()


# --- exact variances -----------------------------------------------------------------------------------------------------

OF_JOINS = JOINS | WEIGHTED
ON_GRAPH = GRAPH_JOINS | {f"graph_{name}" for name in WEIGHTED}
DEALT_OUT = {
    "weights": OF_JOINS | set(names_of("graph")),
    "signs": OF_JOINS | ON_GRAPH,
    "cells": {*SHUFFLED} | WEIGHTED,
}


@pytest.mark.slow
@pytest.mark.parametrize("null", DEALT_OUT)
@settings(max_examples=20, deadline=None)
@given(st.data(), lattices, st.sampled_from(GRAPHS))
def test_field_statistics__measure_z_in_standard_deviations_of_all_arrangements(null, data, lattice, graph):
    size = {"n_synapses": (3, 3), "max_cells": 8} if null == "cells" else {"n_synapses": (3, 6)}
    plane = data.draw(not_constant(sparse_planes(3, one_each=False, min_delay=2, **size)))
    names = DEALT_OUT[null]
    result = run(field_of(plane), [*names], null=null, lattice=lattice, graph=graph, n_permutations=39, min_synapses=0)
    possible = oracle(null, synapses_of(plane), plane.shape, lattice=lattice, graph=graph, names=names)
    for name in names:
        one = result.sel(statistic=name)
        if one.z_score.notnull():  # the draws, which are few, may all be alike
            deviation = (one.value - one.expected) / one.z_score
            assert one.z_score == 0 or deviation == pytest.approx(possible[name].std(), rel=1e-9), name


@pytest.mark.parametrize("null", DEALT_OUT)
def test_field_statistics__have_a_z_however_few_draws_differ_where_the_deviation_is_exact(null):
    """Two of 200 cells inhibit: of 100 draws about two join them."""
    plane = np.random.default_rng(0).uniform(1, 2, (20, 10))
    plane[[3, 15], [2, 7]] *= -1
    result = run(field_of(plane), ["joins_ii"], null=null, n_permutations=99, keep_draws=True)
    draws = result.null_draws.values
    assert 0 < np.count_nonzero(draws) < 4
    assert np.isnan(z_scores(result.value.values, result.expected.values, draws, resolution=1e-9))
    mean = 370 * 2 / (200 * 199)  # the pairs of neighbours are 370
    np.testing.assert_allclose(result.z_score, -mean / np.sqrt(mean * (1 - mean)), rtol=1e-9)


def test_field_statistics__measure_z_in_standard_deviations_of_the_draws_where_none_is_exact():
    for null, names in (("source-signs", OF_JOINS | ON_GRAPH), ("delays", OF_JOINS), ("weights", {"morans_i", "gearys_c"})):
        result = run(field_of(ONE_EACH), [*names], null=null, n_permutations=199, keep_draws=True)
        spread = result.null_draws.std("draw", ddof=1)
        np.testing.assert_allclose(result.z_score * spread, (result.value - result.expected).where(result.z_score.notnull()),
                                   rtol=1e-9, atol=1e-12)  # fmt: skip
        assert result.z_score.notnull().any()


# --- when there is no answer -------------------------------------------------------------------------------------------


def planes_without_answer():
    """A field with all answers, then those without any; each name says why."""
    plane = noise_fields(1, n_source=6, n_delay=5, seed=1).values[0]
    one, broken, infinite = np.zeros_like(plane), plane.copy(), plane.copy()
    one[2, 2] = 1
    broken[0, 0], infinite[0, 0] = np.nan, -np.inf
    planes = {"whole": plane, "dead": 0 * plane, "one synapse": one, "NaN cell": broken, "infinite cell": infinite}
    return planes | {"equal cells": np.full_like(plane, 0.1), "few": np.where(np.arange(6)[:, None] < 3, plane, 0)}


@pytest.mark.parametrize("null", NULLS)
def test_field_statistics__have_no_answer_for_dead_constant_broken_or_few(null):
    planes = planes_without_answer()
    field = field_of(np.stack([*planes.values()])).assign_coords(target=[*planes])
    result = run(field, null=null, n_permutations=9, min_synapses=4, keep_draws=True)
    for name in (*ANSWERS, "null_draws"):
        unanswered = result[name].isnull()
        assert unanswered.isel(target=slice(1, None)).all(), name
    assert result.value.sel(target="whole").notnull().all()
    assert result.n_synapses.values.tolist() == [np.count_nonzero(p) for p in planes.values()]
    assert (result.n_unanswered == len(planes) - 1).all()


@pytest.mark.parametrize("null", NULLS)
def test_field_statistics__have_no_answer_for_a_plane_of_one_source(null):
    result = run(field_of(np.array([[[1.0, -2, 0, 3, 4]]])), null=null, n_permutations=9)
    assert result[[*ANSWERS]].isnull().all().to_array().all()
    assert (result.n_unanswered == 1).all()


@pytest.mark.parametrize("null", NULLS)
def test_field_statistics__of_equal_weights_have_those_answers_that_need_no_difference(null):
    """All synapses excite equally: no bivariate I, no lead, no autocorrelation among them."""
    plane = (ONE_EACH != 0) * 2.0
    result = run(field_of(plane[None]), null=null, n_permutations=19)
    none = {"bivariate_i", "lead", "graph_morans_i", "graph_gearys_c"}
    for name in EVERY:
        one = result.sel(statistic=name)
        assert one.value.isnull().all() == (name in none), name
        assert one.p_value.isnull().all() == (name in none), name
        assert one.expected.isnull().all() == (name in none), name
        assert one.n_unanswered == (name in none), name


def test_field_statistics__have_no_answer_for_isolated_synapses_that_join_nothing():
    result = run(field_of(ONE_EACH), graph=SynapseGraph(BIN, radius=0.5), statistics=[*names_of("graph")], n_permutations=0)
    found = by_name(result, "value")
    assert np.isnan([found["graph_morans_i"], found["graph_gearys_c"]]).all()
    assert all(found[name] == 0 for name in GRAPH_JOINS)


@pytest.mark.parametrize("null", ["weights", "delays", "rows"])
def test_field_statistics__without_z_where_the_null_has_one_arrangement(null):
    plane = np.zeros((5, 1)) if null == "rows" else np.zeros((5, 3))
    plane[:, plane.shape[1] // 2] = [1, 1, 1, 1, 1] if null == "weights" else [1, -5, 2, -4, 3]
    result = run(field_of(plane), ["morans_i", "joins_ei", "n_clusters"], graph=None, null=null, n_permutations=19)
    assert result.z_score.isnull().all()
    answered = result.value.notnull()
    assert answered.any()
    assert (result.p_value.where(answered, 1) == 1).all()


def test_field_statistics__without_permutations_are_values_alone():
    result = run(field_of(ONE_EACH), n_permutations=0)
    assert result.value.notnull().all()
    assert result.z_score.isnull().all()
    assert result.p_value.isnull().all()


def test_field_statistics__without_permutations_of_cells_are_values_alone():
    assert run(field_of(ONE_EACH), ["morans_i"], null="cells", n_permutations=0).value.notnull().all()


def test_field_statistics__of_no_fields_are_empty():
    assert run(noise_fields(0, seed=0), n_permutations=9).value.shape == (0, len(EVERY))


def test_field_statistics__count_a_draw_without_a_value_as_extreme():
    """Permuting signs among two sources cannot lose a sign; meeting in a cell can."""
    weight = np.zeros((2, 3, 2))
    weight[0, [0, 1], [0, 1]], weight[1, 0, 1] = [5, 1], -5
    dims = ("source", "delay")
    field = xr.Dataset(
        {
            "receptive_field": (dims, weight.sum(axis=0)),
            "present": (dims, (weight != 0).any(axis=0)),
            "contact_field": (("contact", *dims), weight),
            "contact_present": (("contact", *dims), weight != 0, CAN_MEET),
        },
        {"delay": np.arange(2) * BIN},
    )
    result = run(field, statistics=["bivariate_i"], n_permutations=199, keep_draws=True)
    lost = result.null_draws.isnull()
    assert 0 < lost.mean() < 1
    assert result.p_value * 200 >= lost.sum() + 1
    np.testing.assert_allclose(result.expected, result.null_draws.mean("draw"))
    assert result.z_score.notnull()


# --- the same numbers, however it is run -----------------------------------------------------------------------------


def company():
    """Two steps of 18 neurons, more than lanes, some of them without answers."""
    field = xr.concat([noise_fields(18, n_source=7, n_delay=5, signs="dale", bin_width=BIN, seed=s) for s in (0, 1)], "step")
    field = field.assign_coords(step=[0, 50], target=[f"n{i}" for i in range(18)])
    field[0, 4] = 0
    field[1, 5, 0, 0] = np.nan
    return field


@pytest.mark.slow
@pytest.mark.parametrize("null", NULLS)
def test_field_statistics__do_not_depend_on_company_order_chunks_threads_or_other_statistics(null, monkeypatch):
    field = company()

    def every(some, statistics=EVERY):
        return run(some, statistics, null=null, n_permutations=29, seed=5, keep_draws=True)

    whole = every(field)
    assert whole.value.notnull().any(["step", "target"]).all()
    some = every(field.isel(target=slice(None, None, -3)))
    xr.testing.assert_identical(
        some.drop_vars("n_unanswered"), whole.isel(target=slice(None, None, -3)).drop_vars("n_unanswered")
    )
    alone = every(field.sel(step=50, target="n7"))
    xr.testing.assert_identical(alone, whole.sel(step=50, target="n7").drop_vars("n_unanswered"))
    turned = every(field.transpose("delay", "target", "source", "step"))
    xr.testing.assert_identical(turned.transpose(*whole.dims), whole)
    for name in ("gearys_c", "joins_ee", "lead", "graph_joins_ei"):
        xr.testing.assert_identical(every(field, [name]), whole.sel(statistic=[name]))
    xr.testing.assert_identical(every(field, EVERY[::-1]), whole.sel(statistic=EVERY[::-1]))

    monkeypatch.setattr("stanalysis.stats.engine.drawn_measures.NUMBERS_AT_ONCE", 700)
    xr.testing.assert_identical(every(field), whole)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        xr.testing.assert_identical(every(field), whole)
    finally:
        numba.set_num_threads(threads)


def test_field_statistics__repeat_with_a_seed_and_differ_with_another_or_another_step():
    field = noise_fields(5, n_source=9, n_delay=6, seed=0).expand_dims(step=[0, 1])
    one, again, other = (run(field, ["gearys_c"], n_permutations=29, seed=s, keep_draws=True) for s in (1, 1, 2))
    xr.testing.assert_identical(one, again)
    assert not one.null_draws.equals(other.null_draws)
    assert not np.array_equal(one.null_draws.sel(step=0), one.null_draws.sel(step=1))


def test_field_statistics__survive_weights_at_the_ends_of_float64():
    field = field_of(ONE_EACH / 5)
    wanted = run(field, n_permutations=9, keep_draws=True)
    for scale in (2.0**1023, 2.0**-900):
        found = run(field * scale, n_permutations=9, keep_draws=True)
        xr.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("null", NULLS)
@settings(max_examples=6, deadline=None)
@given(plane=sparse_planes(one_each=True, min_delay=2), scale=st.floats(1e-100, 1e100))
def test_field_statistics__ignore_scale(null, plane, scale):
    before, after = (run(field_of(p), null=null, n_permutations=9, min_synapses=0) for p in (plane, plane * scale))
    for name in ("value", "expected", "p_value"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(sparse_planes(one_each=False, min_delay=2), lattices)
def test_field_statistics__exchange_excitation_and_inhibition_when_weights_change_sign(plane, lattice):
    one, other = (
        by_name(run(field_of(p), n_permutations=0, lattice=lattice, min_synapses=0), "value") for p in (plane, -plane)
    )
    for name in EVERY:
        twin = name.replace("ee", "xx").replace("ii", "ee").replace("xx", "ii") if "joins" in name else name
        sign = -1 if name == "lead" else 1
        if name != "bivariate_i" or not lattice.standardised:  # its neighbour weights have a direction
            np.testing.assert_allclose(other[twin], sign * one[name], rtol=0, atol=1e-12, err_msg=name)


def test_field_statistics__leave_their_input_alone_and_say_what_they_did():
    field = company()
    before = field.copy(deep=True)
    result = run(field, lattice=QUEEN, null="signs", n_permutations=9, alternative="less", seed=4)
    xr.testing.assert_identical(field, before)
    said = {"null": "signs", "contiguity": "queen", "transform": "r", "n_permutations": 9, "alternative": "less", "seed": 4}
    assert said.items() <= result.attrs.items()
    assert {
        "nearest": 2,
        "ms_per_source": BIN,
        "graph_standardised": 1,
        "joint": 0,
        "min_synapses": 2,
    }.items() <= result.attrs.items()
    assert result.unit.values.tolist() == [unit_of(name) for name in EVERY]
    assert all(v.attrs["long_name"] and v.attrs["units"] for v in result.data_vars.values())
    radius = run(field, ["graph_morans_i"], graph=GRAPHS[2], n_permutations=0)
    assert radius.attrs["radius"] == 1.5
    assert "nearest" not in radius.attrs


# --- shared draws ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("null", NULLS)
def test_field_statistics__of_equal_fields_have_equal_draws_if_joint_and_others_if_not(null):
    plane = noise_fields(1, n_source=8, n_delay=6, signs="dale", bin_width=BIN, seed=4).values[0]
    twins = field_of(np.stack([plane, plane, plane]))
    if null in ("rows", "cells"):
        with pytest.raises(BadInput, match="nothing to share"):
            run(twins, null=null, n_permutations=9, joint=True)
        return
    joint, own = (run(twins, null=null, n_permutations=39, joint=j, keep_draws=True).null_draws for j in (True, False))
    for k in (1, 2):
        np.testing.assert_array_equal(joint[k], joint[0])
    # under `sources` the lead does not move
    for name in set(EVERY) - ({"lead"} if null == "sources" else set()):
        if not np.allclose(own.sel(statistic=name).std("draw"), 0):
            assert not np.array_equal(own[1].sel(statistic=name), own[0].sel(statistic=name)), name
    assert not np.array_equal(*(run(twins.expand_dims(step=[s]), ["gearys_c"], null=null, n_permutations=39, joint=True,
                                    keep_draws=True).null_draws.values for s in (0, 1)))  # fmt: skip


def test_field_statistics__refuse_joint_draws_of_targets_with_different_sources():
    field = field_of(np.stack([ONE_EACH, np.roll(ONE_EACH, 1, axis=0)]))
    for null in ("delays", "weights", "signs", "source-signs"):
        with pytest.raises(BadInput, match="different sources"):
            run(field, null=null, n_permutations=9, joint=True)
    assert run(field, null="sources", n_permutations=9, joint=True).p_value.notnull().all()
    silent = field_of(np.stack([ONE_EACH, 2 * ONE_EACH, 0 * ONE_EACH]))
    assert run(silent, n_permutations=9, joint=True).p_value[:2].notnull().all()


def test_field_statistics__take_joint_draws_of_numbered_synapses_unless_each_target_keeps_its_own_apart():
    weight = np.zeros((2, 2, 3, 4))  # (target, contact, source, delay)
    weight[:, 0, [0, 1, 2], [0, 2, 1]], weight[:, 1, 0, 3] = [3, -1, 2], -4
    dims = ("target", "contact", "source", "delay")
    data = {"receptive_field": weight.sum(axis=1), "present": (weight != 0).any(axis=1)}
    field = xr.Dataset(
        {name: (("target", "source", "delay"), a) for name, a in data.items()}
        | {"contact_field": (dims, weight), "contact_present": (dims, weight != 0)},
        {"delay": np.arange(4) * BIN},
    )
    with pytest.raises(BadInput, match="several from one"):
        run(field, ["lead"], null="delays", n_permutations=9, joint=True)
    for null in ("weights", "signs"):
        assert run(field, ["lead"], null=null, n_permutations=9, joint=True).p_value.notnull().all()
    field.contact_present.attrs |= CAN_MEET
    assert run(field, ["lead"], null="delays", n_permutations=9, joint=True).p_value.notnull().all()


def test_field_statistics__take_joint_draws_of_networks_that_rewire():
    """Targets of one network share their sources; at another step they have others."""
    steps = [np.stack([p, 2 * p]) for p in (ONE_EACH, np.roll(ONE_EACH, 1, axis=0))]
    field = xr.concat([field_of(s) for s in steps], "step").assign_coords(step=[0, 9])
    assert run(field, n_permutations=9, joint=True).p_value.notnull().all()


# --- the untrained network as the reference ---------------------------------------------------------------------------


def trained(n_step, n_target, *, seed):
    fields = [noise_fields(n_target, n_source=6, n_delay=5, bin_width=BIN, seed=seed + 1000 * s) for s in range(n_step)]
    return xr.concat(fields, "step").assign_coords(step=np.arange(n_step) * 7)


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_field_statistics__untrained_compares_with_the_other_targets_at_step_0(alternative):
    field = trained(2, 8, seed=0)
    field[0, 3] = 0
    field[1, 5] = 0
    names = ["morans_i", "joins_ei", "graph_gearys_c"]
    result = run(field, names, null="untrained", alternative=alternative)
    assert result.attrs["null"] == "untrained"
    value = run(field, names, n_permutations=0).value.transpose("step", "target", "statistic").values
    for s, k, m in itertools.product(range(2), range(8), range(3)):
        found = result.isel(step=s, target=k, statistic=m)
        own, others = value[s, k, m], [value[0, j, m] for j in range(8) if j not in (k, 3)]
        if np.isnan(own):
            assert np.isnan([found[name] for name in ANSWERS]).all()
            continue
        greater = (sum(o >= own - 1e-12 for o in others) + 1) / (len(others) + 1)
        less = (sum(o <= own + 1e-12 for o in others) + 1) / (len(others) + 1)
        p = {"greater": greater, "less": less, "two-sided": min(1, 2 * min(greater, less))}[alternative]
        assert found.p_value == pytest.approx(p)
        assert found.expected == pytest.approx(np.mean(others))
        assert found.z_score == pytest.approx((own - np.mean(others)) / np.std(others, ddof=1))
    assert result.n_unanswered.sel(statistic="morans_i").values.tolist() == [1, 1]


@pytest.mark.parametrize("redrawn", [False, True])
def test_field_statistics__untrained_p_is_uniform_where_training_changed_nothing(redrawn):
    """A step that is a copy of step 0, or a redraw from the same networks."""
    field = trained(2, 300, seed=1)
    if not redrawn:
        field[1] = field[0].values
    p = run(field, ["morans_i", "gearys_c"], null="untrained", alternative="greater").p_value.isel(step=1)
    for level in (0.05, 0.25, 0.5):
        error = 0.01 if not redrawn else 4.5 * math.sqrt(2 * level * (1 - level) / 300)  # the reference is drawn, too
        assert (abs((p <= level).mean("target") - level) < error).all()
    if not redrawn:
        np.testing.assert_allclose(np.sort(p.sel(statistic="morans_i")), np.arange(1, 301) / 300)


def test_field_statistics__untrained_has_no_answer_for_one_target():
    result = run(trained(2, 1, seed=0), ["morans_i"], null="untrained")
    assert result.value.notnull().all()
    assert result[["expected", "z_score", "p_value"]].isnull().all().to_array().all()


@pytest.mark.parametrize("field", [trained(2, 4, seed=0).isel(step=[1]), trained(2, 4, seed=0).isel(step=0, drop=True)])
def test_field_statistics__untrained_needs_step_0(field):
    with pytest.raises(BadInput, match="step 0"):
        run(field, ["morans_i"], null="untrained")


# --- synapse tables ------------------------------------------------------------------------------------------------------


def table_of(delay, *, n_source=7, n_target=3, seed=0):
    target, source = (a.reshape(-1) for a in np.indices((n_target, n_source), np.int32))
    weight = np.random.default_rng(seed).standard_normal(source.size)
    return projection(
        n_source=n_source, n_target=n_target, delay_max=40.0, rounding="half even", source=source, target=target,
        delay=delay, weight=weight,
    )  # fmt: skip


@pytest.mark.parametrize("null", ["delays", "weights", "signs", "sources"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_field_statistics__of_a_synapse_table_on_bins_are_those_of_its_fields(null, graph):
    table = table_of(np.random.default_rng(1).integers(0, 5, 21) * 10.0)
    fields = fields_of_synapses(table, dt=10.0)
    options = {"statistics": [*names_of("graph")], "graph": graph, "null": null, "n_permutations": 29, "keep_draws": True}
    of_table, of_fields = run(table, **options), run(fields, **options)
    for name in ("value", "expected", "null_draws"):
        np.testing.assert_allclose(of_table[name], of_fields[name], rtol=1e-6, atol=1e-6)  # weights of fields are float32
    np.testing.assert_allclose(of_table.p_value, of_fields.p_value)
    np.testing.assert_array_equal(of_table.n_synapses, of_fields.n_synapses)


def test_field_statistics__of_continuous_delays_are_those_of_the_oracle():
    table = small_network(n_source=6, n_target=4)["projections/input__hidden1"].to_dataset()
    for graph in GRAPHS:
        found = by_name(run(table, [*names_of("graph")], graph=graph, n_permutations=0), "value")
        for target in range(4):
            own = table.isel(synapse=np.flatnonzero(table.target == target))
            columns = own.source, own.delay / BIN, own.weight.astype(float)
            wanted = graph_oracle([Arrangement(*(tuple(c.values.tolist()) for c in columns))], graph)
            for name in names_of("graph"):
                np.testing.assert_allclose(found[name][target], wanted[name][0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("null", NULLS)
def test_field_statistics__of_continuous_delays_meet_every_null(null):
    n_source, n_target = 12, 60
    random = np.random.default_rng(0)
    table = table_of(random.uniform(0, 40, n_source * n_target), n_source=n_source, n_target=n_target)
    table = table.assign(weight=abs(table.weight) * np.where(table.source % 3, 1.0, -1.0)).assign(
        weight=lambda t: t.weight.assign_attrs(units="1")
    )
    options = {"statistics": [*names_of("graph")], "null": null, "n_permutations": 59, "seed": 3}
    result = run(table, **options)
    p = result.p_value.sel(statistic="graph_morans_i")
    assert p.notnull().all()
    if null in ("delays", "weights", "rows"):  # signs repeat over the sources, and every source has one synapse
        assert 0.005 < (p <= 0.1).mean() < 0.25
    shuffled = run(table.isel(synapse=np.argsort(table.target.values[::-1], kind="stable")[::-1]), **options)
    np.testing.assert_allclose(shuffled.value, result.value, rtol=1e-9)


def test_field_statistics__of_synapse_tables_without_answer_are_nan_and_counted():
    table = table_of(np.random.default_rng(1).uniform(0, 40, 28), n_target=4)
    weight = table.weight.copy()
    weight[table.target == 2] = 0.5
    weight[np.flatnonzero(table.target == 3)[0]] = np.nan
    table = table.assign(weight=weight).isel(synapse=np.flatnonzero(~((table.target == 1) & (table.source > 0))))
    result = run(table, [*names_of("graph")], n_permutations=9)
    assert result.n_synapses.values.tolist() == [7, 1, 7, 7]
    for name in names_of("graph"):
        missing = [False, True, name in ("graph_morans_i", "graph_gearys_c"), True]
        for answer in ("value", "expected", "p_value"):
            assert result[answer].sel(statistic=name).isnull().values.tolist() == missing, (name, answer)
        assert result.n_unanswered.sel(statistic=name) == sum(missing)


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.parametrize("scale", [1e160, 1e-170])
def test_field_statistics__of_synapse_tables_survive_weights_at_the_ends_of_float64(scale):
    table = table_of(np.random.default_rng(1).uniform(0, 40, 21))
    scaled = table.assign(weight=table.weight.copy(data=table.weight.values * scale))
    found, wanted = (run(t, [*names_of("graph")], n_permutations=0).value for t in (scaled, table))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("n_permutations", [0, 9])
def test_field_statistics__of_a_synapse_table_have_no_lattice(n_permutations):
    with pytest.raises(BadInput, match="receptive fields of it first"):
        run(table_of(np.zeros(21)), ["graph_morans_i", "morans_i"], n_permutations=n_permutations)


# --- sizes -----------------------------------------------------------------------------------------------------------


NOISE = {
    "delays": {"delays": "clamped", "gain": "smooth", "signs": "dale"},
    "weights": {},
    "signs": {},
    "source-signs": {"signs": "dale"},
    "sources": {"delays": "short"},
    "rows": {"gain": "smooth"},
    "cells": {"placement": "slots"},
}


@pytest.mark.parametrize("null", NULLS)
def test_field_statistics__have_uniform_p_values_under_the_null(null):
    """Counts have many ties: their tests are conservative, never liberal."""
    n = 300
    field = noise_fields(n, n_source=20, n_delay=8, bin_width=BIN, seed=11, **NOISE[null])
    names = ["morans_i", "gearys_c", "bivariate_i", "largest_cluster", "joins_ei", "graph_morans_i"]
    p = run(field, names, null=null, n_permutations=99, alternative="greater", min_synapses=4).p_value
    for name, level in itertools.product(names, (0.1, 0.5)):
        answered = p.sel(statistic=name).dropna("target")
        share, error = (answered <= level).mean(), math.sqrt(level * (1 - level) / answered.size)
        assert answered.size > 0.9 * n
        assert share < level + 4 * error, name
        assert share > level - 4 * error or "joins" in name or "cluster" in name, name


def test_field_statistics__find_planted_patches():
    names = ["morans_i", "joins_ee", "graph_morans_i", "largest_cluster"]
    p = run(planted_fields(60, bin_width=BIN, seed=0), names, n_permutations=99, alternative="greater").p_value
    assert ((p <= 0.05).mean("target") > 0.3).all()


# --- bad input ---------------------------------------------------------------------------------------------------------


PLAIN = noise_fields(2, n_source=8, n_delay=4, bin_width=BIN, seed=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"statistics": ["morans"]}, "the statistic is 'morans'; use some of morans_i"),
        ({"statistics": []}, "name each once"),
        ({"statistics": ["lead", "lead"]}, "name each once"),
        ({"statistics": ["graph_joins_ee"], "graph": None}, "give graph=SynapseGraph"),
        ({"null": "weight"}, "use one of delays, weights, signs"),
        ({"alternative": "up"}, "two-sided, greater, less"),
        ({"n_permutations": -1}, "positive number"),
        ({"seed": -1}, "whole number from 0"),
        ({"null": "source-signs"}, "use the null 'signs'"),
        ({"null": "untrained"}, "step 0"),
    ],
)
def test_field_statistics__name_the_option_that_is_wrong(options, message):
    field = PLAIN.copy()
    field[:] = np.random.default_rng(0).standard_normal(field.shape)
    with pytest.raises(BadInput, match=message):
        run(field, **({"statistics": ["lead"], "n_permutations": 9} | options))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (PLAIN.drop_vars("delay"), "needs delays in ms"),
        (PLAIN.assign_coords(delay=[0.0, 10, 20, 40]), "not in even steps"),
        (PLAIN.assign_attrs(kernel="training"), "training kernel"),
        (PLAIN.rename(source="channel"), "no 'source'"),
        (PLAIN.isel(source=[0], delay=[0]), "at least two cells"),
        (PLAIN > 0, "real numbers"),
        (PLAIN.to_dataset(name="weight"), "no variable 'receptive_field'"),
    ],
)
def test_field_statistics__say_what_is_wrong_with_the_field(field, message):
    with pytest.raises(BadInput, match=message):
        run(field, n_permutations=9)


def test_field_statistics__of_the_training_kernel_have_values_without_draws():
    assert run(PLAIN.assign_attrs(kernel="training"), n_permutations=0).value.notnull().all()


def test_field_statistics__without_a_graph_need_no_delays_in_ms():
    result = run(PLAIN.drop_vars("delay"), ["morans_i", "lead"], graph=None, n_permutations=9)
    assert result.value.notnull().all()
