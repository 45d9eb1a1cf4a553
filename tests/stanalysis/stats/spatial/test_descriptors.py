import numpy as np
import pytest
import scipy.linalg
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

from stanalysis.errors import BadInput
from stanalysis.schema.statistics import DESCRIPTORS
from stanalysis.schema.variables import validate
from stanalysis.stats.spatial import descriptors as module
from stanalysis.stats.spatial.descriptors import descriptors
from tests.strategies import as_field, dense_planes, sparse_planes

PARTS = ("", "_excitatory", "_inhibitory")
SHAPES = ("separability", "temporal_modulation", "spectral_modulation", "direction")


def with_delays(planes, bin_width=10.0):
    planes = np.asarray(planes, float)
    return as_field(planes).assign_coords(delay=np.arange(planes.shape[-1]) * bin_width)


def of_plane(plane, bin_width=10.0):
    return {name: float(value) for name, value in descriptors(with_delays(plane, bin_width)).items()}


def ridge(n_source, n_delay, bins_per_channel, weight=1.0):
    """One synapse per source; its delay falls as the channel rises, as of an upward sweep."""
    plane = np.zeros((n_source, n_delay))
    source = np.arange(n_source)
    plane[source, n_delay - 1 - np.rint(bins_per_channel * source).astype(int)] = weight
    return plane


def response(plane, movie):
    """What arrives at the neuron over time: an input through delay d arrives d later."""
    return sum(np.convolve(heard, weights) for heard, weights in zip(movie, plane, strict=True))


# --- agreement -------------------------------------------------------------------------------------------------------


@pytest.mark.kernel
def test_descriptors__of_a_field_by_hand():
    plane = [[0, 2, 0, 0], [0, 0, -1, 0], [0, 2, 0, -3]]
    found = of_plane(plane)
    expected = {
        "source_centroid": 11 / 8,
        "source_spread": np.sqrt(21 / 8 - (11 / 8) ** 2),
        "best_source": 2,
        "delay_centroid": 10 * (4 + 2 + 9) / 8,
        "delay_spread": 10 * np.sqrt(35 / 8 - (15 / 8) ** 2),
        "best_delay": 30,
        "source_centroid_excitatory": 1,
        "source_spread_excitatory": 1,
        "best_source_excitatory": 0,  # a tie
        "delay_centroid_excitatory": 10,
        "delay_spread_excitatory": 0,
        "best_delay_excitatory": 10,
        "source_centroid_inhibitory": 7 / 4,
        "source_spread_inhibitory": np.sqrt(3) / 4,
        "best_source_inhibitory": 2,
        "delay_centroid_inhibitory": 27.5,
        "delay_spread_inhibitory": 10 * np.sqrt(3) / 4,
        "best_delay_inhibitory": 30,
        "balance": 0,
        "lead": 17.5,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert set(found) == {*expected, *SHAPES} == set(DESCRIPTORS)


@settings(max_examples=40, deadline=None)
@given(dense_planes(n_target=1) | sparse_planes(one_each=False))
def test_descriptors__equal_singular_values_and_integrals_of_the_modulation_spectrum(plane):
    plane = plane.reshape(plane.shape[-2:])
    found = of_plane(plane, bin_width=2.0)
    n_source, n_delay = plane.shape
    if np.count_nonzero(plane) < 2:
        assert np.isnan([found[name] for name in SHAPES]).all()
        return
    node, share = np.polynomial.legendre.leggauss(30)
    frequency, share = (node + 1) / 4, share / 4  # 0 to half a cycle
    along_source = np.exp(-2j * np.pi * np.multiply.outer(frequency, np.arange(n_source)))
    along_delay = np.exp(-2j * np.pi * np.multiply.outer(frequency, np.arange(n_delay)))
    up = np.abs(along_source @ plane @ along_delay.T) ** 2 * np.outer(share, share)
    down = np.abs(along_source @ plane @ along_delay.conj().T) ** 2 * np.outer(share, share)
    power = (up + down).sum()
    expected = {
        "separability": scipy.linalg.svdvals(plane)[0] ** 2 / (plane**2).sum() if min(plane.shape) > 1 else np.nan,
        "temporal_modulation": 500 * ((up + down) @ frequency).sum() / power if n_delay > 1 else np.nan,
        "spectral_modulation": (frequency @ (up + down)).sum() / power if n_source > 1 else np.nan,
        "direction": (up - down).sum() / power if min(plane.shape) > 1 else np.nan,
    }
    np.testing.assert_allclose([found[n] for n in SHAPES], [expected[n] for n in SHAPES], rtol=1e-9, atol=1e-9)


def test_descriptors__modulation_is_the_limit_of_the_padded_fft():
    plane = gaussian_filter(np.random.default_rng(0).standard_normal((6, 8)), 1)
    n = 1024
    power = np.abs(np.fft.fft2(plane, (n, n))) ** 2
    frequency = np.abs(np.fft.fftfreq(n))
    up = power[1 : n // 2, 1 : n // 2].sum()  # without the axes and the Nyquist lines
    down = power[1 : n // 2, n // 2 + 1 :].sum()
    found = of_plane(plane)
    assert found["direction"] == pytest.approx((up - down) / (up + down), abs=1e-2)
    assert found["temporal_modulation"] == pytest.approx(100 * (power @ frequency).sum() / power.sum(), rel=1e-4)
    assert found["spectral_modulation"] == pytest.approx((frequency @ power).sum() / power.sum(), rel=1e-4)


# --- laws ------------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(dense_planes(), st.floats(1e-290, 1e290))
def test_descriptors__scale_changes_none_and_sign_only_the_signed(planes, scale):
    before, after, negative = (descriptors(with_delays(p)) for p in (planes, planes * scale, -planes))
    for name in DESCRIPTORS:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-6, atol=1e-6, err_msg=name)
    swapped = {"_excitatory": "_inhibitory", "_inhibitory": "_excitatory"}
    for name in DESCRIPTORS:
        stem, _, part = name.rpartition("_")
        same = f"{stem}{swapped[f'_{part}']}" if f"_{part}" in swapped else name
        sign = -1 if name in ("balance", "lead") else 1
        np.testing.assert_array_equal(negative[name], sign * before[same], err_msg=name)


@settings(max_examples=30, deadline=None)
@given(sparse_planes(one_each=False))
def test_descriptors__mirrored_sources_turn_the_sweep(plane):
    before, after = of_plane(plane), of_plane(plane[::-1])
    for part in PARTS:
        mirrored = plane.shape[0] - 1 - before[f"source_centroid{part}"]
        assert after[f"source_centroid{part}"] == pytest.approx(mirrored, nan_ok=True)
    assert after["direction"] == pytest.approx(-before["direction"], abs=1e-12, nan_ok=True)
    for name in ("separability", "temporal_modulation", "spectral_modulation", "balance", "lead", "delay_centroid"):
        assert after[name] == pytest.approx(before[name], nan_ok=True), name


@settings(max_examples=30, deadline=None)
@given(sparse_planes(one_each=False), st.integers(0, 4), st.integers(0, 3), st.integers(0, 3))
def test_descriptors__shift_moves_positions_alone_and_margins_nothing(plane, delays, sources, margin):
    plane = np.pad(plane, ((0, 1), (0, 1)))  # so that neither axis is of length one
    before = of_plane(plane)
    after = of_plane(np.pad(plane, ((sources, margin), (delays, margin))))
    for name in DESCRIPTORS:
        moved = 0
        if "best" in name or "centroid" in name:
            moved = sources if "source" in name else 10 * delays
        assert after[name] == pytest.approx(before[name] + moved, rel=1e-6, abs=1e-6, nan_ok=True), name


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=2, max_size=8), st.lists(st.integers(-9, 9), min_size=2, max_size=8))
def test_descriptors__an_outer_product_is_separable_without_direction(over_sources, over_delays):
    plane = np.multiply.outer(over_sources, over_delays)
    found = of_plane(plane)
    enough = np.count_nonzero(plane) > 1
    assert found["separability"] == (pytest.approx(1) if enough else pytest.approx(np.nan, nan_ok=True))
    assert found["direction"] == (pytest.approx(0, abs=1e-12) if enough else pytest.approx(np.nan, nan_ok=True))
    assert not found["separability"] > 1


@settings(max_examples=30, deadline=None)
@given(sparse_planes())
def test_descriptors__of_one_synapse_per_source_say_what_the_notes_say(plane):
    found = of_plane(plane)
    if np.count_nonzero(plane) > 1 and plane.shape[1] > 1:
        assert found["temporal_modulation"] == pytest.approx(25)
        by_delay = (plane**2).sum(axis=0)
        assert found["separability"] == pytest.approx(by_delay.max() / by_delay.sum())


def test_descriptors__do_not_depend_on_chunks_threads_order_or_layout(monkeypatch):
    random = np.random.default_rng(0)
    field = with_delays(random.standard_normal((7, 90, 40)) * (random.random((7, 90, 40)) < 0.2))
    field[3] = np.nan
    whole = descriptors(field)
    with threadpool_limits(1):
        xr.testing.assert_identical(descriptors(field), whole)
    reordered = field.isel(target=slice(None, None, -1)).transpose("delay", "target", "source")
    xr.testing.assert_identical(descriptors(reordered).isel(target=slice(None, None, -1)), whole)
    monkeypatch.setattr(module, "CELLS_AT_ONCE", 2 * 90 * 40)
    xr.testing.assert_identical(descriptors(field), whole)


# --- planted answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bins_per_channel", [0.25, 0.6, 1.0])
def test_descriptors__direction_is_that_of_the_sweep_the_neuron_answers_most(bins_per_channel):
    up = ridge(20, 25, bins_per_channel)
    rising = np.zeros((20, 40))
    rising[np.arange(20), np.rint(bins_per_channel * np.arange(20)).astype(int)] = 1  # the channel rises with time
    assert response(up, rising).max() == 20 > 2 * response(up, rising[::-1]).max()
    assert of_plane(up)["direction"] > 0.4
    assert of_plane(up[::-1])["direction"] < -0.4
    assert of_plane(-up)["direction"] == of_plane(up)["direction"]


def test_descriptors__direction_finds_noisy_sweeps():
    random = np.random.default_rng(0)
    planes = np.zeros((40, 30, 25))
    bins = np.clip(np.rint(22 - 0.7 * np.arange(30) + random.normal(size=(40, 30))), 0, 24).astype(int)
    planes[np.arange(40)[:, None], np.arange(30), bins] = np.abs(random.standard_normal((40, 30)))
    upward = descriptors(with_delays(planes)).direction
    downward = descriptors(with_delays(planes[:, ::-1])).direction
    assert upward.mean() > 0.15
    assert (upward > 0).mean() > 0.9
    assert (downward < 0).mean() > 0.9


def test_descriptors__an_undersampled_sweep_needs_smoothing():
    steep = ridge(12, 25, 2.0)
    assert of_plane(steep)["direction"] == pytest.approx(0, abs=1e-12)
    assert of_plane(gaussian_filter(steep, 1, mode="constant"))["direction"] > 0.5


def test_descriptors__lead_is_positive_when_inhibition_follows_one_input_to_all_channels():
    plane = np.zeros((4, 9))
    plane[:2, 2], plane[2:, 6] = 1, -1
    flash = np.zeros((4, 20))
    flash[:, 0] = 1
    arrived = response(plane, flash)
    assert np.flatnonzero(arrived > 0) < np.flatnonzero(arrived < 0)
    assert of_plane(plane)["lead"] == 40


def test_descriptors__modulation_is_the_frequency_of_a_ripple():
    source, delay = np.arange(80)[:, None], np.arange(120)
    envelope = np.exp(-(((source - 40) / 12) ** 2) - ((delay - 60) / 18) ** 2)
    ripple = envelope * np.cos(2 * np.pi * (0.125 * source + 0.1 * delay))
    found = of_plane(ripple, bin_width=2.0)
    assert found["temporal_modulation"] == pytest.approx(50, rel=1e-2)  # 0.1 cycles in 2 ms
    assert found["spectral_modulation"] == pytest.approx(0.125, rel=1e-2)
    assert found["direction"] == pytest.approx(1, abs=1e-2)


# --- no answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_descriptors__a_dead_neuron_and_a_bad_cell_have_no_answer(bad):
    planes = np.random.default_rng(0).standard_normal((3, 4, 5))
    planes[1] = 0
    planes[2, 1, 1] = bad
    found = descriptors(with_delays(planes))
    for name, value in found.items():
        np.testing.assert_array_equal(value.isnull(), [False, True, True], err_msg=str(name))


def test_descriptors__one_synapse_has_a_place_but_no_shape():
    found = of_plane([[0, 0, 0], [0, 0, -2], [0, 0, 0]])
    assert np.isnan([found[name] for name in (*SHAPES, "lead")]).all()
    assert (found["source_centroid"], found["delay_centroid"], found["best_delay"]) == (1, 20, 20)
    assert (found["source_spread"], found["delay_spread"], found["balance"]) == (0, 0, -1)
    assert np.isnan([v for n, v in found.items() if n.endswith("_excitatory")]).all()


def test_descriptors__a_plane_of_one_row_or_one_delay_shows_the_other_axis_alone():
    row, column = of_plane([[1, -2, 0, 3]]), of_plane([[1], [-2], [0], [3]])
    assert [name for name in DESCRIPTORS if np.isnan(row[name])] == [n for n in SHAPES if n != "temporal_modulation"]
    assert [name for name in DESCRIPTORS if np.isnan(column[name])] == [n for n in SHAPES if n != "spectral_modulation"]
    assert row["temporal_modulation"] == pytest.approx(100 * column["spectral_modulation"])


def test_descriptors__a_network_without_an_answer_or_without_targets():
    assert all(value.isnull().all() for value in descriptors(with_delays(np.zeros((3, 4, 5)))).values())
    assert all(value.shape == (0,) for value in descriptors(with_delays(np.zeros((0, 4, 5)))).values())


# --- labels and bad input --------------------------------------------------------------------------------------------


def test_descriptors__keep_dims_and_coordinates_and_are_declared():
    field = with_delays(np.random.default_rng(0).standard_normal((6, 4, 5)))
    field = field.expand_dims(step=[0, 7]).assign_coords(target=np.arange(6) + 3, frequency=("source", np.arange(4.0)))
    fields = xr.Dataset({"receptive_field": field, "present": field != 0})
    found = descriptors(fields)
    xr.testing.assert_identical(found, descriptors(field))
    validate(found, DESCRIPTORS, required=tuple(DESCRIPTORS))
    assert found.direction.dims == ("step", "target")
    assert set(found.coords) == {"step", "target"}
    assert found.lead.attrs["units"] == "ms"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: f.drop_vars("delay"), "no coordinate 'delay'"),
        (lambda f: f.assign_coords(delay=[0, 1, 2, 4, 8]), "even steps"),
        (lambda f: f.assign_coords(delay=[4, 3, 2, 1, 0]), "does not rise"),
        (lambda f: f.assign_coords(delay=[0, 0, 0, 0, 0]), "does not rise"),
        (lambda f: f.assign_coords(delay=[0, 1, np.nan, 3, 4]), "finite numbers"),
        (lambda f: f.assign_coords(delay=list("abcde")), "finite numbers"),
        (lambda f: f.isel(delay=slice(0)), "at least one"),
        (lambda f: f.assign_coords(delay=f.delay.assign_attrs(units="s")), "is in s; give it in ms"),
        (lambda f: f.rename(source="channel"), "no 'source'"),
        (lambda f: f > 0, "real numbers"),
        (lambda f: f.to_dataset(name="receptive_field"), "'present'"),
    ],
)
def test_descriptors__bad_input(change, sentence):
    with pytest.raises(BadInput, match=sentence):
        descriptors(change(with_delays(np.ones((2, 4, 5)))))
