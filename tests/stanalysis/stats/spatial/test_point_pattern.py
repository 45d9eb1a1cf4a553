import numba
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree
from scipy.spatial.distance import pdist

from stanalysis.errors import BadInput
from stanalysis.kernels.arrangements import CODES, arrange, at_rest, scratch_of, synapses_of
from stanalysis.kernels.pair_sums import pair_draws
from stanalysis.schema.statistics import POINT_PATTERN
from stanalysis.schema.variables import validate
from stanalysis.stats.engine.prepared import prepared
from stanalysis.stats.spatial import curves
from stanalysis.stats.spatial.point_pattern import cross_k
from stanalysis.synthetic.fields import noise_fields, planted_fields, planted_segregation
from tests.strategies import as_field, sparse_planes, synapses_to_move

CURVES = ("cross_k", "mark_correlation")
PARTS = ("expected", "lower", "upper", "z_score", "p_value")
DISTANCES = (1.0, np.sqrt(2), 2.0, 3.7)
SCALE = {"distances": (1, 2, 4), "ms_per_source": 1.0}

kernel = pytest.mark.kernel
wraps_around = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # uint64, when not compiled


def brute(row, at, value, distances, area):
    """Cross-K from scipy's trees and mark correlation from all pairs; ``at`` in sources."""
    signed = np.flatnonzero(value)
    points, sign = np.column_stack([row, at])[signed], np.sign(value[signed])
    edges = np.asarray(distances) * (1 + 1e-10)
    n_e, n_i = (sign > 0).sum(), (sign < 0).sum()
    k = np.full(len(edges), np.nan)
    if n_e and n_i:
        k = area * KDTree(points[sign > 0]).count_neighbors(KDTree(points[sign < 0]), edges) / (n_e * n_i)
    i, j = np.triu_indices(sign.size, 1)
    ring = np.searchsorted(edges, pdist(points)) if sign.size > 1 else np.zeros(0, int)
    products = [(sign[i] * sign[j])[ring == b] for b in range(len(edges))]
    return k, [p.mean() if p.size else np.nan for p in products]


def with_delays(planes, bin_width=1.0):
    return as_field(np.asarray(planes, float)).assign_coords(delay=np.arange(np.shape(planes)[-1]) * bin_width)


# --- agreement and laws -----------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(sparse_planes(one_each=False), st.sampled_from([1.0, 2.5]), st.sampled_from([1.0, 2.0, 7.0]))
def test_cross_k__equals_scipy(plane, bin_width, ms_per_source):
    plane = np.pad(plane, ((0, 0), (0, 1)))  # two delays at least, so that their distance is known
    options = {"distances": DISTANCES, "ms_per_source": ms_per_source, "n_permutations": 0, "min_synapses": 0}
    found = cross_k(with_delays(plane, bin_width), **options, seed=0)
    row, at = np.nonzero(plane)
    scaled = bin_width / ms_per_source
    k, mark = brute(row, at * scaled, plane[row, at], DISTANCES, plane.size * scaled)
    np.testing.assert_allclose(found.cross_k, k, rtol=1e-12)
    np.testing.assert_allclose(found.mark_correlation, mark, rtol=0, atol=1e-12)


@kernel
@wraps_around
@pytest.mark.parametrize("null", sorted(set(CODES) - {"none"}))
def test_pair_draws__are_those_of_the_arrangements(null):
    planes = noise_fields(2, n_source=5, n_delay=4, signs="dale", seed=1).values
    planes[1, 0, :] = [1, 2, 0, 3]
    planes[0, 2] *= -1
    fields = prepared(as_field(planes))
    synapses = synapses_to_move(fields, null)
    streams = np.array([3, 2**63], np.uint64)
    out = np.empty((2, 3, 2 * len(DISTANCES)))
    pair_draws(CODES[null], synapses, fields.plane, 0.7, np.square(DISTANCES) * (1 + 1e-9), streams, out)
    for f in range(2):
        field = synapses_of(synapses, f)
        scratch = scratch_of(CODES[null], streams[f], field, fields.plane)
        row, at, value = at_rest(field, 1, 1)
        for d in range(3):
            arrange(CODES[null], streams[f], d, 1, field, fields.plane, scratch, row, at, value)
            wanted = np.concatenate(brute(row[0, :, 0], at[0, :, 0] / 0.7, value[0, :, 0], DISTANCES, 20 / 0.7))
            np.testing.assert_allclose(out[f, d], wanted, rtol=0, atol=1e-12)


def test_cross_k__of_a_synapse_table_has_the_delays_of_the_table():
    rng = np.random.default_rng(0)
    n = 30
    columns = {
        "source": rng.integers(8, size=n),
        "target": np.sort(rng.integers(2, size=n)),
        "delay": rng.uniform(0, 20, n),
        "weight": rng.standard_normal(n),
    }
    table = xr.Dataset(
        {name: ("synapse", a) for name, a in columns.items()}, attrs={"n_source": 8, "n_target": 2, "delay_max": 20.0}
    )
    table.delay.attrs["units"] = "ms"
    for name in ("source", "target", "weight"):
        table[name].attrs["units"] = "1"
    found = cross_k(table, distances=DISTANCES, ms_per_source=4.0, n_permutations=19, seed=0)
    for target in range(2):
        own = table.isel(synapse=table.target.values == target)
        k, mark = brute(own.source.values, own.delay.values / 4, own.weight.values, DISTANCES, 8 * 20 / 4)
        np.testing.assert_allclose(found.cross_k[target], k)
        np.testing.assert_allclose(found.mark_correlation[target], mark, rtol=0, atol=1e-12)
    assert found.cross_k_p_value.notnull().all()


@settings(max_examples=25, deadline=None)
@given(sparse_planes(one_each=False), st.floats(0.1, 10))
def test_cross_k__rises_with_distance_to_the_area_and_ignores_signs_swapped_and_units(plane, unit):
    plane = np.pad(plane, ((0, 0), (0, 1)))
    distances = (0.5, 1, 3, 20)
    options = {"distances": distances, "n_permutations": 19, "null": "signs", "min_synapses": 0, "seed": 0}
    found = cross_k(with_delays(plane), ms_per_source=1.0, **options)
    k = found.cross_k.values
    if not np.isnan(k).any():
        assert (np.diff(k) >= 0).all()
        np.testing.assert_allclose(k[-1], plane.size)
    scaled = cross_k(with_delays(-plane, unit), ms_per_source=unit, **options)
    for name in ("cross_k", "mark_correlation"):
        np.testing.assert_allclose(scaled[name], found[name], rtol=1e-12, atol=1e-12)


def test_cross_k__is_declared():
    found = cross_k(noise_fields(2, seed=0), n_permutations=19, seed=0, **SCALE)
    parts = [f"{name}_{part}" for name in CURVES for part in (*PARTS, "global_p")]
    validate(found, POINT_PATTERN, required=(*CURVES, *parts, "n_synapses", "n_unanswered"))
    assert found.cross_k.dims == ("target", "distance")


# --- what it finds ------------------------------------------------------------------------------------------------------


def test_cross_k__finds_segregation():
    field = planted_segregation(30, strength=0.9, seed=0)
    options = {"distances": (2, 4, 8, 12), "ms_per_source": 1.0, "null": "signs", "n_permutations": 199, "seed": 0}
    found = cross_k(field, alternative="less", **options)
    assert (found.cross_k < found.cross_k_expected).mean() > 0.9
    assert (found.cross_k_global_p <= 0.05).mean() > 0.8
    found = cross_k(field, alternative="greater", **options)
    assert (found.mark_correlation_global_p <= 0.05).mean() > 0.8


def test_cross_k__finds_like_signs_in_patches():
    found = cross_k(planted_fields(20, seed=0), null="signs", n_permutations=199, alternative="greater", seed=0, **SCALE)
    assert (found.mark_correlation_p_value.sel(distance=2) <= 0.05).mean() > 0.8
    assert (found.mark_correlation_global_p <= 0.05).mean() > 0.8


@pytest.mark.parametrize("null", ["delays", "signs", "source-signs", "rows"])
def test_cross_k__has_uniform_p_values_under_its_null(null):
    # values are discrete: p-values are never too small, and nearly uniform where there are many values
    field = noise_fields(400, n_source=20, n_delay=12, seed=2)
    found = cross_k(field, distances=(2, 4, 6, 9), ms_per_source=1.0, null=null, n_permutations=99, seed=0)
    error = np.sqrt(0.05 * 0.95 / 400)
    for name in CURVES:
        for p in (found[f"{name}_global_p"], *found[f"{name}_p_value"].T):
            assert (p <= 0.05).mean() < 0.05 + 3 * error, name
        assert (found[f"{name}_global_p"] <= 0.05).mean() > 0.05 - 3 * error, name
        assert abs(found[f"{name}_global_p"].mean() - 0.505) < 4 * np.sqrt(1 / 12 / 400), name


def test_cross_k__leaves_out_draws_without_a_pair_in_the_ring():
    field = noise_fields(400, n_source=16, n_delay=12, seed=3)
    found = cross_k(field, distances=(1, 1.5), ms_per_source=1.0, n_permutations=99, alternative="greater", seed=0)
    p = found.mark_correlation_p_value.sel(distance=1)
    assert (p.isnull() == found.mark_correlation.sel(distance=1).isnull()).all()
    assert 0.1 < p.isnull().mean() < 0.9
    p = p.dropna("target")
    assert (p <= 0.5).any()
    assert (p <= 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / p.size)


# --- when there is no answer --------------------------------------------------------------------------------------------


def test_cross_k__has_no_answer_for_constant_broken_or_empty_fields():
    plane = planted_segregation(1, n_source=6, n_delay=5, strength=1.0, seed=0).values[0]
    few, broken = np.where(np.arange(6)[:, None] < 3, plane, 0), plane.copy()
    broken[0, 0] = np.nan
    planes = np.stack([plane, 0 * plane, 0 * plane + 0.1, broken, few, np.where(np.arange(6)[:, None] == 2, plane, 0)])
    found = cross_k(with_delays(planes), n_permutations=19, seed=0, **SCALE)
    assert found.n_unanswered == 5
    for name in CURVES:
        for part in ("", *(f"_{p}" for p in (*PARTS, "global_p"))):
            assert found[name + part].isel(target=slice(1, None)).isnull().all(), name + part
            assert found[name + part].isel(target=0).notnull().any(), name + part
    one_row = cross_k(with_delays([[1.0, 0, 2, -3, 5]]), n_permutations=9, seed=0, **SCALE)
    assert one_row.cross_k.isnull().all()


def test_cross_k__without_inhibition_has_no_K_and_like_signs_only():
    found = cross_k(abs(noise_fields(2, n_source=8, n_delay=5, seed=0)), n_permutations=19, seed=0, **SCALE)
    for part in ("", *(f"_{p}" for p in (*PARTS, "global_p"))):
        assert found[f"cross_k{part}"].isnull().all(), part
    assert (found.mark_correlation.sel(distance=4) == 1).all()
    assert (found.mark_correlation_global_p == 1).all()
    assert found.n_unanswered == 2


def test_cross_k__leaves_out_synapses_of_weight_0():
    plane = np.zeros((5, 4))
    plane[[0, 1, 2, 3], [0, 1, 1, 3]] = [1, -1, 2, -2]
    silent = xr.Dataset({"receptive_field": with_delays(plane), "present": with_delays(plane) != 0})
    silent["present"][4, 0] = True
    options = {"n_permutations": 0, "seed": 0, **SCALE}
    found, without = cross_k(silent, **options), cross_k(with_delays(plane), **options)
    assert (found.n_synapses, without.n_synapses) == (5, 4)
    for name in CURVES:
        np.testing.assert_array_equal(found[name], without[name])


def test_cross_k__without_draws_is_the_curves_alone():
    found = cross_k(noise_fields(2, seed=0), n_permutations=0, seed=0, **SCALE)
    for name in CURVES:
        assert found[name].sel(distance=4).notnull().all()
        assert all(found[f"{name}_{part}"].isnull().all() for part in (*PARTS, "global_p"))


# --- the same numbers, however asked --------------------------------------------------------------------------------------


def test_cross_k__does_not_depend_on_company_chunks_or_threads(monkeypatch):
    field = noise_fields(6, n_source=10, n_delay=8, seed=0).expand_dims(step=[0, 5])
    options = {"n_permutations": 39, "seed": 0, **SCALE}
    whole = cross_k(field, **options)
    counted = whole.drop_vars("n_unanswered")
    xr.testing.assert_identical(cross_k(field[1, 3], **options), counted.isel(step=1, target=3))
    some = cross_k(field[:, ::-2], **options).drop_vars("n_unanswered")
    xr.testing.assert_identical(some, counted.isel(target=slice(None, None, -2)))
    monkeypatch.setattr(curves, "NUMBERS_AT_ONCE", 1)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        xr.testing.assert_identical(cross_k(field, **options), whole)
    finally:
        numba.set_num_threads(threads)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distances": ()}, "distances"),
        ({"distances": (0, 1)}, "distances"),
        ({"distances": (2, 1)}, "distances"),
        ({"distances": (1, np.inf)}, "distances"),
        ({"ms_per_source": 0.0}, "ms_per_source"),
        ({"null": "untrained"}, "'untrained' draws nothing"),
    ],
)
def test_cross_k__refuses(options, message):
    with pytest.raises(BadInput, match=message):
        cross_k(noise_fields(1, seed=0), **SCALE | {"seed": 0} | options)


def test_cross_k__refuses_delays_that_are_not_in_ms_and_mixed_sources_with_one_sign_each():
    planes = noise_fields(1, seed=0).values
    with pytest.raises(BadInput, match="delays in ms"):
        cross_k(as_field(planes), seed=0, **SCALE)
    planes[0, 0, :2] = 1, -1
    with pytest.raises(BadInput, match="'signs' instead"):
        cross_k(with_delays(planes), null="source-signs", seed=0, **SCALE)
