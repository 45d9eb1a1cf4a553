import esda
import numba
import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from libpysal.weights import lat2W
from scipy.ndimage import gaussian_filter

from stanalysis.errors import BadInput
from stanalysis.fields.lattice import QUEEN, ROOK
from stanalysis.kernels.arrangements import CODES, arrange, at_rest, scratch_of, synapses_of
from stanalysis.kernels.smoothed_sums import smooth, smoothed_draws
from stanalysis.schema.statistics import SMOOTHED
from stanalysis.schema.variables import validate
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.stats.engine.prepared import prepared
from stanalysis.stats.spatial import curves, smoothing
from stanalysis.stats.spatial.autocorrelation import morans_i
from stanalysis.stats.spatial.smoothing import smoothed_morans_i
from stanalysis.synthetic.fields import noise_fields, planted_fields
from tests.strategies import as_field, dense_planes, lattices, not_constant, synapses_to_move

PARTS = ("expected", "lower", "upper", "z_score", "p_value")
BANDWIDTHS = (0.0, 0.5, 1.3)

kernel = pytest.mark.kernel
wraps_around = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # uint64, when not compiled


def smoothed(plane, bandwidth):
    return gaussian_filter(plane, bandwidth, mode="constant", truncate=4) if bandwidth else plane


def brute(plane, bandwidth, lattice):
    """esda's Moran's I of scipy's smoothed plane."""
    weights = lat2W(*plane.shape, rook=lattice.contiguity == "rook")
    transform = "r" if lattice.standardised else "b"
    with np.errstate(all="ignore"):  # its analytic variance, for very few cells
        return esda.Moran(smoothed(plane, bandwidth).reshape(-1), weights, transformation=transform, permutations=0).I


# --- agreement ----------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(not_constant(dense_planes(1, min_source=2, min_delay=2)), lattices)
def test_smoothed_morans_i__equals_scipy_and_esda(planes, lattice):
    plane = planes[0]
    assume(all(np.ptp(smoothed(plane, b)) > 1e-3 * np.abs(plane).max() for b in BANDWIDTHS))
    found = smoothed_morans_i(as_field(plane), bandwidths=BANDWIDTHS, lattice=lattice, n_permutations=0, min_synapses=0, seed=0)
    np.testing.assert_allclose(found.smoothed_morans_i, [brute(plane, b, lattice) for b in BANDWIDTHS], rtol=0, atol=1e-9)


@pytest.mark.parametrize("lattice", [ROOK, QUEEN], ids=lambda lattice: lattice.contiguity)
@pytest.mark.parametrize("null", [null for null, rule in NULLS.items() if rule.arrangement not in ("none", "cells")])
def test_smoothed_morans_i__of_bandwidth_0_is_morans_i(null, lattice):
    field = noise_fields(8, n_source=12, n_delay=9, signs="dale", seed=0)
    options = {"lattice": lattice, "null": null, "n_permutations": 99, "seed": 0}
    plain, found = morans_i(field, **options), smoothed_morans_i(field, bandwidths=[0], **options).isel(bandwidth=0)
    np.testing.assert_allclose(found.smoothed_morans_i, plain.morans_i, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(found.p_value, plain.p_value)
    one_sided = smoothed_morans_i(field, bandwidths=[0], alternative="greater", **options).isel(bandwidth=0)
    np.testing.assert_array_equal(one_sided.global_p, one_sided.p_value)


@kernel
def test_smooth__is_scipys_gaussian_filter():
    rng = np.random.default_rng(0)
    row, at, value = rng.integers(5, size=9), rng.integers(4, size=9).astype(float), rng.standard_normal(9)
    plane, along, out = np.zeros((5, 4)), np.empty((5, 4)), np.empty((5, 4))
    np.add.at(plane, (row, at.astype(int)), value)  # some meet in a cell
    taps, radius = smoothing._gaussians(np.array([0.0, 0.5, 3.0]))
    for b, bandwidth in enumerate((0.0, 0.5, 3.0)):
        smooth(row, at, value, taps[b], radius[b], along, out)
        np.testing.assert_allclose(out, smoothed(plane, bandwidth), rtol=0, atol=1e-14)


@kernel
@wraps_around
@pytest.mark.parametrize("lattice", [ROOK, QUEEN], ids=lambda lattice: lattice.contiguity)
@pytest.mark.parametrize("null", sorted(set(CODES) - {"none"}))
def test_smoothed_draws__are_those_of_the_arrangements(null, lattice):
    planes = noise_fields(2, n_source=4, n_delay=3, signs="dale", seed=1).values
    planes[1, 0, :] = [1, 2, 3]
    fields = prepared(as_field(planes))
    synapses = synapses_to_move(fields, null)
    streams = np.array([3, 2**63], np.uint64)
    taps, radius = smoothing._gaussians(np.array([0.0, 1.0]))
    out = np.empty((2, 2, 2))
    smoothed_draws(CODES[null], synapses, fields.plane, taps, radius, smoothing._pairs(lattice, 4, 3), streams, out)
    for f in range(2):
        field = synapses_of(synapses, f)
        scratch = scratch_of(CODES[null], streams[f], field, fields.plane)
        row, at, value = at_rest(field, 1, 1)
        for d in range(2):
            arrange(CODES[null], streams[f], d, 1, field, fields.plane, scratch, row, at, value)
            plane = np.zeros(planes.shape[1:])
            np.add.at(plane, (row[0, :, 0], at[0, :, 0].astype(int)), value[0, :, 0])
            np.testing.assert_allclose(out[f, d], [brute(plane, b, lattice) for b in (0, 1)], atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-200, 1e200))
def test_smoothed_morans_i__ignores_scale(scale):
    field = noise_fields(3, n_source=8, n_delay=6, seed=0)
    before, after = (smoothed_morans_i(f, n_permutations=19, seed=0) for f in (field, -scale * field))
    for name in ("smoothed_morans_i", "expected", "p_value", "global_p"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-9, atol=1e-9)


# --- what it says -------------------------------------------------------------------------------------------------------


def test_smoothed_morans_i__of_noise_is_large_and_expected_to_be():
    found = smoothed_morans_i(noise_fields(200, seed=1), n_permutations=99, seed=0)
    validate(found, SMOOTHED, required=("smoothed_morans_i", *PARTS, "global_p", "n_unanswered"))
    means = found.smoothed_morans_i.mean("target")
    np.testing.assert_allclose(means, [0.26, 0.78, 0.94], atol=0.01)
    np.testing.assert_allclose(found.expected.mean("target"), means, atol=0.01)
    inside = ((found.lower <= found.smoothed_morans_i) & (found.smoothed_morans_i <= found.upper)).mean("target")
    np.testing.assert_allclose(inside, 0.95, atol=0.05)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_smoothed_morans_i__has_uniform_p_values_under_its_null(alternative):
    field = noise_fields(400, n_source=12, n_delay=8, seed=1)
    found = smoothed_morans_i(field, n_permutations=99, alternative=alternative, seed=0)
    error = np.sqrt(0.05 * 0.95 / 400)
    for p in (found.global_p, *found.p_value.T):
        assert abs((p <= 0.05).mean() - 0.05) < 3 * error
        assert abs(p.mean() - 0.505) < 3 * np.sqrt(1 / 12 / 400)


def test_smoothed_morans_i__finds_patches():
    options = {"bandwidths": (0, 0.7), "null": "signs", "n_permutations": 199, "alternative": "greater", "seed": 0}
    found = smoothed_morans_i(planted_fields(20, seed=0), **options)
    share = (found.p_value <= 0.05).mean("target").values
    assert share[1] >= share[0] > 0.6
    assert (found.global_p <= 0.05).mean() > 0.8


# --- when there is no answer --------------------------------------------------------------------------------------------


def test_smoothed_morans_i__has_no_answer_for_constant_broken_or_empty_fields():
    plane = noise_fields(1, n_source=6, n_delay=5, seed=0).values[0]
    few, broken = np.where(np.arange(6)[:, None] < 3, plane, 0), plane.copy()
    broken[0, 0] = np.nan
    planes = np.stack([plane, 0 * plane, 0 * plane + 0.1, broken, few, np.where(np.arange(6)[:, None] == 2, plane, 0)])
    found = smoothed_morans_i(as_field(planes), n_permutations=19, seed=0)
    assert found.n_unanswered == 5
    for name in ("smoothed_morans_i", *PARTS, "global_p"):
        assert found[name].isel(target=slice(1, None)).isnull().all(), name
        assert found[name].isel(target=0).notnull().all(), name
    assert smoothed_morans_i(as_field(np.array([[1.0, 0, 2, 3, 5]])), n_permutations=9, seed=0).smoothed_morans_i.isnull().all()


def test_smoothed_morans_i__has_p_1_where_the_null_has_one_arrangement():
    plane = np.zeros((6, 4))
    plane[:, 2] = [1, 5, 2, 4, 3, 1e3]
    found = smoothed_morans_i(as_field(plane), n_permutations=19, seed=0)
    assert (found.p_value == 1).all()
    assert found.z_score.isnull().all()
    assert found.global_p == 1


def test_smoothed_morans_i__without_draws_is_I_alone():
    found = smoothed_morans_i(noise_fields(2, seed=0).assign_attrs(kernel="training"), n_permutations=0, seed=0)
    assert found.smoothed_morans_i.notnull().all()
    assert all(found[name].isnull().all() for name in (*PARTS, "global_p"))


# --- the same numbers, however asked --------------------------------------------------------------------------------------


def test_smoothed_morans_i__does_not_depend_on_company_chunks_threads_or_other_bandwidths(monkeypatch):
    field = noise_fields(6, n_source=10, n_delay=8, seed=0).expand_dims(step=[0, 5])
    whole = smoothed_morans_i(field, n_permutations=39, seed=0)
    counted = whole.drop_vars("n_unanswered")
    xr.testing.assert_identical(smoothed_morans_i(field[1, 3], n_permutations=39, seed=0), counted.isel(step=1, target=3))
    one = smoothed_morans_i(field, bandwidths=(2,), n_permutations=39, seed=0)
    xr.testing.assert_identical(one.drop_vars("global_p"), whole.sel(bandwidth=[2]).drop_vars("global_p"))
    monkeypatch.setattr(curves, "NUMBERS_AT_ONCE", 1)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        xr.testing.assert_identical(smoothed_morans_i(field, n_permutations=39, seed=0), whole)
    finally:
        numba.set_num_threads(threads)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bandwidths": ()}, "bandwidths"),
        ({"bandwidths": (1, -1)}, "bandwidths"),
        ({"bandwidths": (np.nan,)}, "bandwidths"),
        ({"bandwidths": (np.inf,)}, "bandwidths"),
        ({"null": "untrained"}, "'untrained' draws nothing"),
    ],
)
def test_smoothed_morans_i__refuses(options, message):
    with pytest.raises(BadInput, match=message):
        smoothed_morans_i(noise_fields(1, seed=0), **{"seed": 0} | options)
