import itertools
import math
import warnings

import esda
import numba
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from libpysal.weights import lat2W

from stanalysis.errors import BadInput
from stanalysis.fields.lattice import QUEEN, ROOK, Lattice, neighbour_share, pair_weights
from stanalysis.fields.synapse_graph import SynapseGraph, graph_of
from stanalysis.kernels import shuffled_cells as engine
from stanalysis.kernels.permutations import address, shuffle
from stanalysis.stats.engine.field_statistics import field_statistics
from stanalysis.stats.spatial.autocorrelation import gearys_c, graph_autocorrelation, morans_i, morans_i_distribution
from stanalysis.synthetic.fields import noise_fields, planted_fields
from tests.stanalysis.stats.oracles import graph_oracle, planes_oracle, synapses_of
from tests.strategies import as_field, dense_planes, lattices, not_constant, sparse_planes, unlike_synapses

LATTICES = [Lattice(contiguity, standardised) for contiguity in ("rook", "queen") for standardised in (True, False)]
PARTS = ("along_delay", "across_sources")
ANSWERS = ("morans_i", "expected", "z_score", "p_value", *PARTS, *(f"{part}_expected" for part in PARTS))

kernel = pytest.mark.kernel
wraps_around = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # uint64, when not compiled


def esda_weights(lattice, shape):
    weights = lat2W(*shape, rook=lattice.contiguity == "rook")
    weights.transform = "r" if lattice.standardised else "b"
    return weights


def brute(plane, lattice):
    """Moran's I, along and across, from the dense matrix of neighbour weights; NaN for a constant plane."""
    w = esda_weights(lattice, plane.shape).full()[0]
    source = np.arange(plane.size) // plane.shape[1]
    z = (plane - plane.mean()).reshape(-1)
    if np.ptp(plane) == 0:
        return np.full(2, np.nan)
    same = source[:, None] == source
    return np.array([z @ (w * kept) @ z for kept in (same, ~same)]) * (z.size / w.sum() / (z @ z))


def delays_permuted(plane, *, apart=True):
    """Every arrangement of the delays among the synapses; with ``apart`` no two of them are in one cell."""
    source, delay = np.nonzero(plane)
    for permuted in itertools.permutations(delay):
        if not apart or len(set(zip(source, permuted, strict=True))) == source.size:
            arranged = np.zeros_like(plane)
            np.add.at(arranged, (source, permuted), plane[source, delay])
            yield arranged


def told_apart(plane):
    """The plane as a field whose pairs have two synapses each, one of them absent, which can meet in a cell."""
    weight = np.stack([plane, 0 * plane])
    dims = ("source", "delay")
    return xr.Dataset(
        {
            "receptive_field": (dims, plane),
            "present": (dims, plane != 0),
            "contact_field": (("contact", *dims), weight),
            "contact_present": (("contact", *dims), weight != 0, {"cells_shared": 1}),
        }
    )


# --- the statistic ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(not_constant(dense_planes(min_source=2)), lattices)
def test_morans_i__equals_esda(planes, lattice):
    result = morans_i(as_field(planes), lattice=lattice, n_permutations=0, min_synapses=0, seed=0)
    weights = esda_weights(lattice, planes.shape[1:])
    with np.errstate(all="ignore"):  # its analytic variance, for very few cells
        expected = [esda.Moran(p.reshape(-1), weights, transformation=weights.transform, permutations=0).I for p in planes]
    np.testing.assert_allclose(result.morans_i, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.along_delay + result.across_sources, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.along_delay, [brute(p, lattice)[0] for p in planes], rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(dense_planes(), st.floats(1e-300, 1e300), st.floats(-1e3, 1e3), st.booleans())
def test_morans_i__ignores_scale_and_offset(planes, scale, offset, negate):
    options = {"null": "cells", "n_permutations": 19, "min_synapses": 0, "seed": 0}
    before = morans_i(as_field(planes), **options)
    changed = (planes + offset) * (-scale if negate else scale)
    after = morans_i(as_field(changed), **options)
    for name in ("morans_i", "z_score", "p_value"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-3 if name == "z_score" else 1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(sparse_planes(one_each=False), st.floats(1e-300, 1e300))
def test_morans_i__ignores_scale_when_delays_are_permuted(plane, scale):
    options = {"n_permutations": 19, "min_synapses": 0, "seed": 0}
    before, after = (morans_i(as_field(p), **options) for p in (plane, plane * scale))
    for name in ("morans_i", "expected", "p_value"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-9, atol=1e-9)


def test_morans_i__survives_weights_at_the_ends_of_float64():
    plane = np.random.default_rng(0).standard_normal((4, 5))
    plane /= np.abs(plane).max()
    options = {"null": "cells", "n_permutations": 9, "min_synapses": 0, "seed": 0}
    wanted = morans_i(as_field(plane), **options).morans_i
    for scale in (1.7e308, 1e-300):
        np.testing.assert_allclose(morans_i(as_field(plane * scale), **options).morans_i, wanted, rtol=1e-12)


# --- when there is no answer -------------------------------------------------------------------------------------------


def test_morans_i__has_no_answer_for_constant_broken_or_empty_fields():
    plane = noise_fields(1, n_source=6, n_delay=5, seed=0).values[0]
    few = np.where(np.arange(6)[:, None] < 3, plane, 0)
    broken, infinite = plane.copy(), plane.copy()
    broken[0, 0], infinite[0, 0] = np.nan, np.inf
    planes = np.stack([plane, 0 * plane, plane * 0 + 0.1, broken, infinite, few])
    for null in ("delays", "cells"):
        result = morans_i(as_field(planes), null=null, n_permutations=9, seed=0, keep_draws=True)
        for name in (*ANSWERS, "null_draws"):
            unanswered = result[name].isnull()
            assert not unanswered.isel(target=0).any(), name
            assert unanswered.isel(target=slice(1, None)).all(), name
        assert result.n_synapses.values.tolist() == np.count_nonzero(planes, axis=(1, 2)).tolist()
        assert result.n_unanswered == 5
    assert morans_i(as_field(few), n_permutations=9, min_synapses=3, seed=0).morans_i.notnull()


@pytest.mark.parametrize("null", ["delays", "cells"])
def test_morans_i__has_no_answer_for_a_plane_of_one_source(null):
    result = morans_i(as_field(np.array([[3.0, -1, 4, 1, -5, 9]])), null=null, n_permutations=9, seed=0, keep_draws=True)
    for name in (*ANSWERS, "null_draws"):
        assert result[name].isnull().all(), name


def test_morans_i__has_p_1_and_no_z_where_the_null_has_one_arrangement():
    plane = np.zeros((6, 4))
    plane[:, 2] = [1, 5, 2, 4, 3, 1e6]
    result = morans_i(as_field(plane), n_permutations=19, seed=0)
    assert result.p_value == 1
    assert result.z_score.isnull()
    np.testing.assert_allclose(result.expected, result.morans_i)


def test_morans_i__without_permutations_is_I_alone():
    field = noise_fields(3, n_source=6, n_delay=5, seed=0)
    result = morans_i(field.assign_attrs(kernel="training"), n_permutations=0, seed=0)
    assert result.morans_i.notnull().all()
    assert result.expected.notnull().all()
    assert result.z_score.isnull().all()
    assert result.p_value.isnull().all()
    two_each = as_field(field.values + field.values[:, :, ::-1])
    assert morans_i(two_each, n_permutations=0, seed=0).expected.isnull().any()


def test_morans_i__of_no_fields_is_empty():
    assert morans_i(noise_fields(0, seed=0), n_permutations=9, seed=0).morans_i.shape == (0,)


# --- the nulls ---------------------------------------------------------------------------------------------------------


@kernel
@wraps_around
@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (6, 1)])
def test_morans_i__draws_arrangements_of_all_cells(lattice, shape):
    plane = np.array([3.0, -1, 4, 1, -5, 9]).reshape(shape)
    result = morans_i(
        as_field(plane), lattice=lattice, null="cells", n_permutations=25, min_synapses=0, seed=0, keep_draws=True
    )
    possible = [brute(np.reshape(p, shape), lattice).sum() for p in itertools.permutations(plane.reshape(-1))]
    off = np.abs(result.null_draws.values[:, None] - np.array(possible)).min(axis=1)
    assert off.max() < 1e-6
    assert len(np.unique(result.null_draws.values.round(6))) > 3 or np.ptp(possible) < 1e-9


@kernel
@wraps_around
@pytest.mark.parametrize("lattice", LATTICES)
def test_shuffled_cells__are_those_of_the_addressed_permutations(lattice):
    """On a lattice with every kind of border cell, for more fields than lanes."""
    n_field, shape, n_draw = 18, (4, 6), 3
    fields = np.random.default_rng(0).standard_normal((n_field, *shape))
    fields[:, np.random.default_rng(1).random(shape) < 0.4] = 0
    share = neighbour_share(lattice, *shape)
    pairs = pair_weights(lattice, share)
    scale, queen = 24 / (pairs.sum() / 2), lattice.contiguity == "queen"
    streams, shared = np.arange(n_field).astype(np.uint64), np.uint64(5)
    table = engine.packed(engine.centred(fields).reshape(n_field, -1), streams)
    products = engine.shuffled_sums(table, share * scale, queen, n_draw, shared)
    squares = engine.shuffled_squares(table, pairs.sum(axis=0) * scale, n_draw, shared)
    half = np.full(shape, 0.5)
    joins = [
        engine.shuffled_sums(engine.packed(1.0 * side.reshape(n_field, -1), streams), half, queen, n_draw, shared)
        for side in (fields > 0, fields < 0, fields != 0)
    ]
    scrambled, order = np.empty((2, 24), np.int32)
    for f, field in enumerate(fields.reshape(n_field, -1)):
        shuffle(streams[f], scrambled, np.empty_like(scrambled))
        planes = []
        for d in range(n_draw):
            shuffle(np.uint64(address(shared, np.uint64(d))), order, np.empty_like(order))
            planes.append(field[scrambled][order].reshape(shape))
        names = {"morans_i", "gearys_c", "joins_ee", "joins_ei", "joins_ii"}
        wanted = planes_oracle(np.stack(planes), lattice, names)
        geary = 23 / 48 * (squares - 2 * products)[:, f]
        np.testing.assert_allclose(products[:, f], wanted["morans_i"], rtol=0, atol=1e-6)
        np.testing.assert_allclose(geary, wanted["gearys_c"], rtol=0, atol=3e-6)
        ee, ii, every = (j[:, f] for j in joins)
        np.testing.assert_array_equal(ee, wanted["joins_ee"])
        np.testing.assert_array_equal(ii, wanted["joins_ii"])
        np.testing.assert_array_equal(every - ee - ii, wanted["joins_ei"])


@kernel
@wraps_around
@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("one_each", [True, False])
def test_morans_i__draws_arrangements_of_the_delays(lattice, one_each):
    plane = np.zeros((4, 5))
    plane[[0, 1, 2, 3], [1, 0, 4, 3]] = [2.0, -1, 3, 1]
    plane[1, 0 if one_each else 3] = 5
    result = morans_i(as_field(plane), lattice=lattice, n_permutations=25, min_synapses=0, seed=0, keep_draws=True)
    possible = [brute(p, lattice).sum() for p in delays_permuted(plane)]
    off = np.abs(result.null_draws.values[:, None] - np.array(possible)).min(axis=1)
    assert off.max() < 1e-12


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(not_constant(sparse_planes()), lattices)
def test_morans_i__expects_the_mean_over_all_permutations_of_the_delays(plane, lattice):
    result = morans_i(as_field(plane), lattice=lattice, n_permutations=0, min_synapses=0, seed=0)
    everything = np.array([brute(p, lattice) for p in delays_permuted(plane)])
    for part, mean in zip(PARTS, everything.mean(axis=0), strict=True):
        np.testing.assert_allclose(result[f"{part}_expected"], mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.expected, everything.sum(axis=1).mean(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("lattice", LATTICES)
def test_morans_i__approaches_enumeration_where_synapses_meet(lattice):
    plane = np.array([[1.0, 2, 0, 0], [0, -3, 0, 4], [5, 0, 0, 0]])
    everything = np.array([brute(p, lattice) for p in delays_permuted(plane, apart=False)])
    options = {"lattice": lattice, "n_permutations": 20_000, "alternative": "greater", "seed": 0}
    found = field_statistics(told_apart(plane), statistics=["morans_i", *PARTS], **options)
    error = everything.std(axis=0) / math.sqrt(20_000)
    for part, mean, sd in zip(PARTS, everything.mean(axis=0), error, strict=True):
        assert abs(found.expected.sel(statistic=part) - mean) < 4 * sd
    result = morans_i(told_apart(plane), **options)
    assert result.expected == found.expected.sel(statistic="morans_i")
    exact = np.mean(everything.sum(axis=1) >= brute(plane, lattice).sum() - 1e-9)
    assert abs(result.p_value - exact) < 4 * math.sqrt(exact * (1 - exact) / 20_000) + 1e-4


@pytest.mark.parametrize("lattice", LATTICES)
def test_morans_i__approaches_enumeration_where_synapses_of_a_source_keep_apart(lattice):
    """The draws of one seed are walks from one place, near enumeration; those of many seeds are from many places."""
    plane = np.array([[1.0, 2, 0, 0], [0, -3, 0, 4], [5, 0, 0, 0]])
    everything = np.array([brute(p, lattice) for p in delays_permuted(plane)]).sum(axis=1)
    options = {"lattice": lattice, "n_permutations": 2000, "alternative": "greater"}
    found = [morans_i(as_field(plane), seed=seed, **options) for seed in range(30)]
    exact = np.mean(everything >= brute(plane, lattice).sum() - 1e-9)
    p = np.array([float(f.p_value) for f in found])
    assert abs(p - exact).max() < 0.2
    assert abs(p.mean() - exact) < 4 * p.std() / math.sqrt(30)
    expected = np.array([float(f.expected) for f in found])
    assert abs(expected.mean() - everything.mean()) < 4 * expected.std() / math.sqrt(30)


def test_morans_i__expects_parts_of_I_where_synapses_share_a_source():
    plane = np.array([[1.0, 2, 0, 0], [0, -3, 0, 4], [5, 0, 0, 0]])
    result = morans_i(as_field(plane), n_permutations=99, seed=0)
    np.testing.assert_allclose(sum(result[f"{part}_expected"] for part in PARTS), result.expected, rtol=1e-9)


@pytest.mark.parametrize("lattice", LATTICES)
def test_morans_i__approaches_enumeration_of_all_cells_with_ties(lattice):
    plane = np.array([[1.0, 1, 0], [0, 1, 0], [2, 0, 0]])
    distinct = set(itertools.permutations(plane.reshape(-1).tolist()))
    everything = np.array([brute(np.reshape(p, (3, 3)), lattice) for p in distinct])
    result = morans_i(
        as_field(plane), lattice=lattice, null="cells", n_permutations=20_000, alternative="less", min_synapses=0, seed=1
    )
    for part, mean in zip(PARTS, everything.mean(axis=0), strict=True):
        np.testing.assert_allclose(result[f"{part}_expected"], mean, atol=1e-12)
    exact = np.mean(everything.sum(axis=1) <= brute(plane, lattice).sum() + 1e-9)
    assert abs(result.p_value - exact) < 4 * math.sqrt(exact * (1 - exact) / 20_000) + 1e-4


def test_morans_i__moves_synapses_of_weight_0():
    weight = np.zeros((5, 4))
    weight[[0, 1, 2, 3], [0, 0, 1, 1]] = [3.0, 2, -1, -4]
    present = weight != 0
    silent = present.copy()
    silent[4, 3] = True
    dims = ("source", "delay")
    with_silent, without = (xr.Dataset({"receptive_field": (dims, weight), "present": (dims, p)}) for p in (silent, present))
    options = {"n_permutations": 499, "min_synapses": 0, "seed": 0, "keep_draws": True}
    assert morans_i(with_silent, **options).n_synapses == 5
    moved = set(morans_i(with_silent, **options).null_draws.values.round(9).tolist())
    assert moved > set(morans_i(without, **options).null_draws.values.round(9).tolist())
    xr.testing.assert_identical(morans_i(without, **options), morans_i(without.receptive_field, **options))


@pytest.mark.parametrize("delays", ["uniform", "short", "clamped"])
@pytest.mark.parametrize("signs", ["mixed", "one"])
@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_morans_i__has_uniform_p_under_permuted_delays(delays, signs, alternative):
    field = noise_fields(1000, delays=delays, signs=signs, seed=3)
    p = morans_i(field, n_permutations=99, alternative=alternative, seed=1).p_value.values
    for level in (0.05, 0.1, 0.25, 0.5):
        error = math.sqrt(level * (1 - level) / 1000)
        # Ties (few cells are filled, fewer are neighbours) make a test conservative, never liberal.
        assert level - 5 * error - 0.01 < np.mean(p <= level) < level + 4 * error


def test_morans_i__rejects_piled_up_delays_when_all_cells_are_shuffled():
    """Why `cells` is not the default."""
    field = noise_fields(300, delays="clamped", signs="one", seed=3)
    p = morans_i(field, null="cells", n_permutations=99, alternative="greater", seed=1).p_value
    assert np.mean(p <= 0.05) > 0.25


@pytest.mark.parametrize(("lattice", "power"), [(ROOK, 0.5), (QUEEN, 0.8)])
def test_morans_i__finds_planted_patches(lattice, power):
    result = morans_i(planted_fields(200, seed=0), lattice=lattice, n_permutations=199, seed=0)
    assert np.mean(result.p_value <= 0.05) > power
    assert (result.z_score > 1).mean() > power


def test_morans_i__draws_of_cells_are_not_shared_between_equal_fields():
    twins = as_field(np.tile(np.random.default_rng(0).standard_normal((8, 9)), (2, 1, 1)))
    draws = morans_i(twins, null="cells", n_permutations=499, seed=0, keep_draws=True).null_draws.values
    assert abs(np.corrcoef(draws)[0, 1]) < 0.2


# --- the same numbers, however it is run -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("null", ["delays", "cells"])
def test_morans_i__does_not_depend_on_company_order_chunks_or_threads(null, monkeypatch):
    field = xr.concat([noise_fields(20, n_source=9, n_delay=6, seed=s) for s in (0, 1)], "step")
    field = field.assign_coords(step=[0, 50], target=[f"n{i}" for i in range(20)])
    field[:, 3:8] += field[:, 3:8].values[..., ::-1]  # two synapses per source

    def run(some):
        return morans_i(some, null=null, n_permutations=99, seed=5, keep_draws=True)

    whole = run(field)
    xr.testing.assert_identical(run(field.isel(target=slice(None, None, -3))), whole.isel(target=slice(None, None, -3)))
    alone = run(field.sel(step=50, target="n7"))
    xr.testing.assert_identical(alone, whole.sel(step=50, target="n7").drop_vars("n_unanswered"))
    turned = run(field.transpose("delay", "target", "source", "step"))
    xr.testing.assert_identical(turned.transpose(*whole.dims), whole)
    assert not run(field.sel(step=50)).null_draws.equals(run(field.sel(step=0)).null_draws)

    monkeypatch.setattr("stanalysis.stats.engine.drawn_measures.NUMBERS_AT_ONCE", 700)
    xr.testing.assert_identical(run(field), whole)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        xr.testing.assert_identical(run(field), whole)
    finally:
        numba.set_num_threads(threads)


def test_morans_i__repeats_with_a_seed_and_differs_with_another():
    field = noise_fields(5, n_source=9, n_delay=6, seed=0)
    one, again, other = (morans_i(field, n_permutations=99, seed=s, keep_draws=True) for s in (1, 1, 2))
    xr.testing.assert_identical(one, again)
    assert not one.null_draws.equals(other.null_draws)


def test_morans_i__leaves_its_input_alone():
    field = noise_fields(3, n_source=9, n_delay=6, seed=0)
    before = field.copy(deep=True)
    morans_i(field, n_permutations=9, seed=0)
    xr.testing.assert_identical(field, before)


def test_morans_i__says_what_it_did():
    result = morans_i(noise_fields(2, seed=0), lattice=QUEEN, n_permutations=9, alternative="less", seed=4)
    said = {"null": "delays", "contiguity": "queen", "transform": "r", "n_permutations": 9, "alternative": "less", "seed": 4}
    assert said.items() <= result.attrs.items()
    assert set(result.coords) == {"target"}
    for variable in result.data_vars.values():
        assert variable.attrs["long_name"]
        assert variable.attrs["units"] == "1"


# --- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (xr.DataArray(np.ones((3, 4)), dims=("target", "delay")), "no 'source'"),
        (xr.DataArray(np.ones((3, 4)), dims=("source", "lag")), "no 'delay'"),
        (xr.DataArray(np.ones((1, 1)), dims=("source", "delay")), "no neighbours"),
        (xr.DataArray(np.full((3, 4), "x"), dims=("source", "delay")), "real numbers"),
        (xr.Dataset({"receptive_field": (("source", "delay"), np.ones((3, 4)))}), "'present'"),
        (
            xr.Dataset({"receptive_field": (("source", "delay"), np.ones((3, 4))), "present": ("source", np.ones(3, bool))}),
            "must be bool over",
        ),
        (
            xr.Dataset(
                {
                    "receptive_field": (("source", "delay"), np.ones((3, 4))),
                    "present": (("source", "delay"), np.zeros((3, 4), bool)),
                }
            ),
            "absent cells must be 0",
        ),
        (noise_fields(1, seed=0).assign_attrs(kernel="training"), "deployed kernel"),
        (noise_fields(1, seed=0).to_dataset().assign_attrs(kernel="training"), "'present'"),
    ],
)
def test_morans_i__says_what_is_wrong(field, message):
    with pytest.raises(BadInput, match=message):
        morans_i(field, n_permutations=9, seed=0)


@pytest.mark.parametrize("option", [{"null": "row"}, {"alternative": "up"}, {"n_permutations": -1}, {"seed": -1}])
def test_morans_i__refuses_unknown_options(option):
    with pytest.raises(BadInput):
        morans_i(noise_fields(1, seed=0), **{"seed": 0, **option})


# --- Geary's C, and both among synapses ------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(not_constant(dense_planes(min_source=2)), lattices)
def test_gearys_c__equals_esda(planes, lattice):
    result = gearys_c(as_field(planes), lattice=lattice, n_permutations=0, min_synapses=0, seed=0)
    weights = esda_weights(lattice, planes.shape[1:])
    with np.errstate(all="ignore"):  # its analytic variance, for very few cells
        expected = [esda.Geary(p.reshape(-1), weights, transformation=weights.transform, permutations=0).C for p in planes]
    np.testing.assert_allclose(result.gearys_c, expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(dense_planes(min_source=2), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.booleans())
def test_gearys_c__ignores_scale_and_offset(planes, scale, offset, negate):
    options = {"null": "cells", "n_permutations": 19, "min_synapses": 0, "seed": 0}
    before = gearys_c(as_field(planes), **options)
    after = gearys_c(as_field((planes + offset) * (-scale if negate else scale)), **options)
    for name in ("gearys_c", "expected", "p_value"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-9, atol=1e-9)


def test_gearys_c__is_1_in_the_mean_when_all_cells_are_shuffled():
    field = noise_fields(3, n_source=6, n_delay=5, seed=0)
    result = gearys_c(field, null="cells", n_permutations=999, seed=0, keep_draws=True)
    np.testing.assert_allclose(result.expected, 1, rtol=1e-12)
    error = result.null_draws.std("draw") / math.sqrt(999)
    assert (abs(result.null_draws.mean("draw") - 1) < 4 * error).all()


def test_gearys_c__finds_planted_patches_below_what_is_expected():
    result = gearys_c(planted_fields(60, seed=0), n_permutations=199, alternative="less", seed=0)
    assert np.mean(result.p_value <= 0.05) > 0.3
    assert (result.z_score < 0).mean() > 0.7


@pytest.mark.parametrize(
    "graph",
    [
        SynapseGraph(10.0),
        SynapseGraph(10.0, nearest=1, standardised=False),
        SynapseGraph(20.0, nearest=3, standardised=False),
        SynapseGraph(10.0, radius=1.0),
        SynapseGraph(10.0, radius=1.5, standardised=False),
    ],
)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_graph_autocorrelation__equals_esda(graph, data):
    """On a grid many neighbours are equally near; with a radius some synapses have none."""
    one_each = data.draw(st.booleans())
    plane = data.draw(unlike_synapses(sparse_planes(7, one_each, min_delay=2, n_synapses=(3, 7))))
    source, delay = np.nonzero(plane)
    weight = plane[source, delay]
    field = as_field(plane).assign_coords(delay=np.arange(plane.shape[1]) * 10.0)
    found = graph_autocorrelation(field, graph=graph, n_permutations=0, min_synapses=0, seed=0).value
    neighbours = graph_of(graph, source, delay * 10.0)
    weight = weight[neighbours.unique_ids]
    if len(neighbours.isolates) == source.size:
        assert np.isnan(found).all()
        return
    transformation = "r" if graph.standardised else "b"
    with np.errstate(all="ignore"), warnings.catch_warnings():  # its analytic variance, and warnings of isolates
        warnings.simplefilter("ignore")
        moran = esda.Moran(weight, neighbours, transformation=transformation, permutations=0).I
        if len(neighbours.isolates):  # esda.Geary fails
            geary = graph_oracle([synapses_of(plane)], graph)["graph_gearys_c"][0]
        else:
            geary = esda.Geary(weight, neighbours, transformation=transformation, permutations=0).C
    np.testing.assert_allclose(found, [moran, geary], rtol=1e-12, atol=1e-12)


def test_graph_autocorrelation__is_minus_1_over_n_minus_1_and_1_when_weights_are_permuted():
    field = noise_fields(2, n_source=9, n_delay=5, bin_width=10.0, seed=0)
    options = {"graph": SynapseGraph(10.0, radius=1.5), "null": "weights", "n_permutations": 1999, "seed": 0}
    result = graph_autocorrelation(field, keep_draws=True, **options)
    np.testing.assert_allclose(result.expected, np.tile([-1 / 8, 1], (2, 1)), rtol=1e-12)
    error = result.null_draws.std("draw") / math.sqrt(1999)
    assert (abs(result.null_draws.mean("draw") - result.expected) < 4 * error).all()


def test_graph_autocorrelation__needs_delays_in_ms():
    with pytest.raises(BadInput, match="delays in ms"):
        graph_autocorrelation(as_field(np.eye(5)), graph=SynapseGraph(10.0), n_permutations=0, seed=0)


def test_gearys_c__of_few_synapses_in_a_large_plane_is_tied_with_draws_that_have_no_neighbours_either():
    rng = np.random.default_rng(0)
    field = xr.DataArray(np.zeros((40, 700, 25)), dims=("target", "source", "delay"))
    for plane in field.values:
        plane[100 * np.arange(1, 6), rng.integers(1, 24, 5)] = rng.normal(size=5)
    assert (gearys_c(field, null="sources", n_permutations=49, seed=0).p_value > 0.5).all()


# --- what a histogram needs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_bins", [1, 7, 40])
def test_morans_i_distribution__of_a_null_that_moves_nothing_has_all_in_one_bin(n_bins):
    field = xr.DataArray(np.zeros((3, 10, 4)), dims=("target", "source", "delay"))
    field[:, :, 0] = np.random.default_rng(0).normal(size=10)  # draws differ by rounding
    result = morans_i(field, n_permutations=99, seed=0, keep_draws=True)
    assert np.isfinite(result.morans_i).all()
    assert (result.p_value == 1).all()
    assert result.z_score.isnull().all()
    distribution = morans_i_distribution(result, n_bins=n_bins)
    counts = distribution["count"].values
    assert counts.tolist() == [3 * (k == n_bins // 2) for k in range(n_bins)]
    np.testing.assert_allclose(distribution.null_mean, counts)
    np.testing.assert_allclose(distribution.bin_upper - distribution.bin_lower, 1 / n_bins)
    assert distribution.bin[n_bins // 2] == pytest.approx(result.morans_i.mean().item())


def test_morans_i_distribution__counts_neurons_and_draws_in_shared_bins():
    field = xr.concat([planted_fields(30, seed=0), noise_fields(30, seed=1)], "step").assign_coords(step=[0, 9])
    field[0, 3] = 0
    result = morans_i(field, n_permutations=199, seed=0, keep_draws=True)
    distribution = morans_i_distribution(result, n_bins=12)
    assert distribution["count"].dims == ("step", "bin")
    assert distribution["count"].sum("bin").values.tolist() == [29, 30]
    assert distribution.n_unanswered.values.tolist() == [1, 0]
    np.testing.assert_allclose(distribution.null_mean.sum("bin"), [29, 30])
    edges = np.append(distribution.bin_lower, distribution.bin_upper[-1])
    observed = result.morans_i.sel(step=9).values
    np.testing.assert_array_equal(distribution["count"].sel(step=9), np.histogram(observed, edges)[0])
    drawn = np.array([np.histogram(d, edges)[0] for d in result.null_draws.sel(step=9).transpose("draw", "target").values])
    np.testing.assert_allclose(distribution.null_mean.sel(step=9), drawn.mean(axis=0))
    np.testing.assert_allclose(distribution.null_upper.sel(step=9), np.quantile(drawn, 0.975, axis=0))
    np.testing.assert_allclose(distribution.null_lower.sel(step=9), np.quantile(drawn, 0.025, axis=0))
    assert all(v.attrs["units"] == "1" for v in distribution.data_vars.values())


def test_morans_i_distribution__of_unanswered_neurons_is_empty():
    result = morans_i(noise_fields(2, seed=0) * 0, n_permutations=9, seed=0, keep_draws=True)
    distribution = morans_i_distribution(result, n_bins=3)
    assert not distribution["count"].any()
    assert distribution.n_unanswered == 2


def test_morans_i_distribution__says_what_it_needs():
    field = noise_fields(2, seed=0)
    options = {"n_permutations": 9, "seed": 0}
    with pytest.raises(BadInput, match="keep_draws"):
        morans_i_distribution(morans_i(field, **options), n_bins=3)
    with pytest.raises(BadInput, match="'target'"):
        morans_i_distribution(morans_i(field[0], keep_draws=True, **options), n_bins=3)
    with pytest.raises(BadInput, match="at least 1"):
        morans_i_distribution(morans_i(field, keep_draws=True, **options), n_bins=0)
    with pytest.raises(BadInput, match="no draw"):
        morans_i_distribution(morans_i(field, n_permutations=0, seed=0, keep_draws=True), n_bins=3)
