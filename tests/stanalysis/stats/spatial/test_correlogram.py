import esda
import numba
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from libpysal.weights import lat2W

from stanalysis.errors import BadInput
from stanalysis.kernels.arrangements import CODES, arrange, at_rest, scratch_of, synapses_of
from stanalysis.kernels.correlogram_sums import correlogram_draws
from stanalysis.schema.statistics import CORRELOGRAM
from stanalysis.schema.variables import validate
from stanalysis.stats.engine.prepared import prepared
from stanalysis.stats.spatial import curves
from stanalysis.stats.spatial.correlogram import correlogram
from stanalysis.synthetic.fields import noise_fields, planted_fields, planted_sweeps
from tests.strategies import as_field, dense_planes, not_constant, sparse_planes, synapses_to_move

PARTS = ("expected", "lower", "upper", "z_score", "p_value")

kernel = pytest.mark.kernel
wraps_around = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # uint64, when not compiled


def brute(plane, max_source, max_delay):
    """The correlogram of a plane, offset by offset."""
    n_source, n_delay = plane.shape
    z = plane - plane.mean()
    out = np.full((max_source + 1, 2 * max_delay + 1), np.nan)
    for lag in range(min(max_source + 1, n_source)):
        for bins in range(-max_delay, max_delay + 1):
            if abs(bins) < n_delay:
                first = z[: n_source - lag, max(0, -bins) : n_delay - max(0, bins)]
                second = z[lag:, max(0, bins) : n_delay - max(0, -bins)]
                out[lag, bins + max_delay] = (first * second).mean() / (z * z).mean()
    return out


def size_at(p, level=0.05):
    """Share of p-values up to a level, in standard errors above the level."""
    p = np.asarray(p)
    return ((p <= level).mean() - level) / np.sqrt(level * (1 - level) / p.size)


# --- agreement and laws -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    not_constant(dense_planes(1, min_source=2) | sparse_planes().map(lambda p: p[None])), st.integers(0, 3), st.integers(1, 3)
)
def test_correlogram__equals_numpy(planes, max_source, max_delay):
    found = correlogram(
        as_field(planes), max_source_lag=max_source, max_delay_lag=max_delay, n_permutations=0, min_synapses=0, seed=0
    )
    np.testing.assert_allclose(found.correlation[0], brute(planes[0], max_source, max_delay), rtol=1e-10, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(not_constant(dense_planes(1, min_source=2, min_delay=2)))
def test_correlogram__at_the_offsets_of_neighbours_is_morans_i(planes):
    plane = planes[0]
    found = correlogram(as_field(plane), max_source_lag=1, max_delay_lag=1, n_permutations=0, min_synapses=0, seed=0)
    along, across = (found.correlation.sel(source_lag=s, delay_lag=d).item() for s, d in ((0, 1), (1, 0)))
    n_along, n_across = plane.shape[0] * (plane.shape[1] - 1), (plane.shape[0] - 1) * plane.shape[1]
    with np.errstate(all="ignore"):  # its analytic variance, for very few cells
        moran = esda.Moran(plane.reshape(-1), lat2W(*plane.shape), transformation="b", permutations=0).I
    np.testing.assert_allclose((along * n_along + across * n_across) / (n_along + n_across), moran, atol=1e-11)


@settings(max_examples=25, deadline=None)
@given(dense_planes(1), st.floats(1e-200, 1e200), st.floats(-1e3, 1e3))
def test_correlogram__ignores_scale_and_offset(planes, scale, offset):
    options = {"n_permutations": 0, "min_synapses": 0, "seed": 0}
    before, after = (correlogram(as_field(p), **options) for p in (planes, (planes + offset) * -scale))
    np.testing.assert_allclose(after.correlation, before.correlation, rtol=1e-6, atol=1e-6)


@kernel
@wraps_around
@pytest.mark.parametrize("null", sorted(set(CODES) - {"none"}))
def test_correlogram_draws__are_those_of_the_arrangements(null):
    planes = noise_fields(2, n_source=5, n_delay=4, signs="dale", seed=1).values
    planes[1, 0, :] = [1, 2, 0, 3]
    fields = prepared(as_field(planes))
    synapses = synapses_to_move(fields, null)
    streams = np.array([3, 2**63], np.uint64)
    out = np.empty((2, 4, 3 * 5))
    correlogram_draws(CODES[null], synapses, fields.plane, 2, 2, streams, out)
    for f in range(2):
        field = synapses_of(synapses, f)
        scratch = scratch_of(CODES[null], streams[f], field, fields.plane)
        row, at, value = at_rest(field, 1, 1)
        for d in range(4):
            arrange(CODES[null], streams[f], d, 1, field, fields.plane, scratch, row, at, value)
            plane = np.zeros(planes.shape[1:])
            np.add.at(plane, (row[0, :, 0], at[0, :, 0].astype(int)), value[0, :, 0])
            np.testing.assert_allclose(out[f, d].reshape(3, 5), brute(plane, 2, 2), atol=1e-12)


def test_correlogram__is_complete_and_mirrored_at_source_lag_0():
    found = correlogram(noise_fields(3, bin_width=2.0, seed=0), max_source_lag=2, max_delay_lag=3, n_permutations=19, seed=0)
    validate(found, CORRELOGRAM, required=("correlation", *PARTS, "global_p", "n_unanswered"))
    assert found.correlation.dims == ("target", "source_lag", "delay_lag")
    assert found.delay_lag_ms.values.tolist() == [-6, -4, -2, 0, 2, 4, 6]
    for name in ("correlation", *PARTS):
        row = found[name].sel(source_lag=0).values
        np.testing.assert_allclose(row, row[:, ::-1], rtol=1e-9, atol=1e-12, err_msg=name)
    origin = found.sel(source_lag=0, delay_lag=0)
    np.testing.assert_allclose(origin.correlation, 1)
    assert origin.z_score.isnull().all()
    assert (origin.p_value == 1).all()
    assert "delay_lag_ms" not in correlogram(as_field(noise_fields(1, seed=0).values), n_permutations=0, seed=0).coords


def test_correlogram__of_shuffled_cells_is_expected_to_be_that_of_noise():
    found = correlogram(noise_fields(20, n_source=10, n_delay=8, seed=0), null="cells", n_permutations=199, seed=0)
    expected = found.expected.mean("target").where((found.source_lag > 0) | (found.delay_lag != 0))
    np.testing.assert_allclose(expected.mean(), -1 / 79, atol=2e-3)


# --- what it finds ------------------------------------------------------------------------------------------------------


def test_correlogram__finds_the_direction_of_a_sweep():
    sweeps = abs(planted_sweeps(12, n_source=25, jitter=0.3, seed=0))
    found = correlogram(sweeps, max_source_lag=2, max_delay_lag=2, n_permutations=199, seed=0)
    towards = -sweeps.sweep  # delays fall from source to source in an upward sweep
    beside = found.sel(source_lag=1)
    assert (beside.z_score.sel(delay_lag=towards) > 2).all()
    assert (beside.z_score.sel(delay_lag=-towards) < 1).all()
    assert (found.global_p <= 0.01).all()


def test_correlogram__finds_patches():
    options = {"max_source_lag": 2, "max_delay_lag": 2, "n_permutations": 199, "alternative": "greater", "seed": 0}
    found = correlogram(planted_fields(40, seed=0), **options)
    assert (found.p_value.sel(source_lag=1, delay_lag=0) <= 0.05).mean() > 0.6
    assert (found.global_p <= 0.05).mean() > 0.6


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_correlogram__has_uniform_p_values_under_its_null(alternative):
    found = correlogram(noise_fields(400, n_source=12, n_delay=8, seed=1), n_permutations=99, alternative=alternative, seed=0)
    assert abs(size_at(found.global_p)) < 3
    assert abs(found.global_p.mean() - 0.5) < 3 * np.sqrt(1 / 12 / 400)
    assert abs(size_at(found.p_value.sel(source_lag=1, delay_lag=1))) < 3


# --- when there is no answer ----------------------------------------------------------------------------------------------


def test_correlogram__has_no_answer_for_constant_broken_or_empty_fields():
    plane = noise_fields(1, n_source=6, n_delay=5, seed=0).values[0]
    few, broken = np.where(np.arange(6)[:, None] < 3, plane, 0), plane.copy()
    broken[0, 0] = np.nan
    planes = np.stack([plane, 0 * plane, 0 * plane + 0.1, broken, few, np.where(np.arange(6)[:, None] == 2, plane, 0)])
    found = correlogram(as_field(planes), max_source_lag=2, max_delay_lag=2, n_permutations=19, seed=0)
    assert found.n_unanswered == 5
    for name in ("correlation", *PARTS, "global_p"):
        assert found[name].isel(target=slice(1, None)).isnull().all(), name
        assert found[name].isel(target=0).notnull().any(), name
    assert found.n_synapses.values.tolist() == np.count_nonzero(planes, axis=(1, 2)).tolist()
    one_row = correlogram(as_field(np.array([[1.0, 0, 2, 3, 5]])), n_permutations=9, seed=0)
    assert one_row.correlation.isnull().all()
    assert "n_unanswered" not in one_row


def test_correlogram__is_nan_at_offsets_that_leave_the_plane():
    found = correlogram(noise_fields(2, n_source=4, n_delay=3, seed=0), n_permutations=19, seed=0)
    inside = (found.source_lag < 4) & (abs(found.delay_lag) < 3)
    for name in ("correlation", "expected", "p_value"):
        assert (found[name].notnull() == inside).all(), name
    assert found.global_p.notnull().all()


def test_correlogram__has_p_1_where_the_null_has_one_arrangement():
    plane = np.zeros((6, 4))
    plane[:, 2] = [1, 5, 2, 4, 3, 1e3]
    found = correlogram(as_field(plane), max_delay_lag=2, n_permutations=19, seed=0)
    assert found.global_p == 1
    assert found.z_score.isnull().all()
    assert (found.p_value.where(found.correlation.notnull(), 1) == 1).all()


def test_correlogram__without_draws_is_the_correlation_alone():
    found = correlogram(noise_fields(2, seed=0).assign_attrs(kernel="training"), n_permutations=0, seed=0)
    assert found.correlation.notnull().all()
    assert all(found[name].isnull().all() for name in (*PARTS, "global_p"))


def test_correlogram__of_no_fields_is_empty():
    assert correlogram(noise_fields(0, seed=0), n_permutations=9, seed=0).correlation.shape == (0, 6, 11)


# --- the same numbers, however asked ---------------------------------------------------------------------------------------


def test_correlogram__does_not_depend_on_company_chunks_or_threads(monkeypatch):
    field = noise_fields(6, n_source=10, n_delay=8, seed=0).expand_dims(step=[0, 5])
    whole = correlogram(field, n_permutations=39, seed=0)
    counted = whole.drop_vars("n_unanswered")
    some = correlogram(field[:, ::-2], n_permutations=39, seed=0).drop_vars("n_unanswered")
    xr.testing.assert_identical(some, counted.isel(target=slice(None, None, -2)))
    xr.testing.assert_identical(correlogram(field[0, 3], n_permutations=39, seed=0), counted.isel(step=0, target=3))
    monkeypatch.setattr(curves, "NUMBERS_AT_ONCE", 1)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        xr.testing.assert_identical(correlogram(field, n_permutations=39, seed=0), whole)
    finally:
        numba.set_num_threads(threads)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_source_lag": -1}, "largest lags"),
        ({"max_source_lag": 0, "max_delay_lag": 0}, "largest lags"),
        ({"null": "untrained"}, "'untrained' draws nothing"),
        ({"null": "chance"}, "the null is 'chance'"),
        ({"alternative": "more"}, "alternative"),
        ({"n_permutations": -1}, "n_permutations"),
    ],
)
def test_correlogram__refuses(options, message):
    with pytest.raises(BadInput, match=message):
        correlogram(noise_fields(1, seed=0), **{"seed": 0} | options)


def test_correlogram__refuses_draws_of_the_training_kernel():
    field = noise_fields(1, seed=0).assign_attrs(kernel="training")
    both = xr.Dataset({"receptive_field": field, "present": field != 0})
    for given_field in (field, both):
        with pytest.raises(BadInput, match="training kernel"):
            correlogram(given_field, seed=0)
