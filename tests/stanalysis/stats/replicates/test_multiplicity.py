import numpy as np
import pytest
import xarray as xr
from scipy.stats import false_discovery_control

from stanalysis.errors import BadInput
from stanalysis.stats.engine.draws import p_values, z_scores
from stanalysis.stats.replicates.multiplicity import benjamini_hochberg, benjamini_yekutieli, max_t


@pytest.fixture
def p_value():
    return xr.DataArray(np.random.default_rng(0).random((2, 3, 4)) ** 3, dims=("step", "target", "half"))


def test_benjamini_hochberg__equals_scipy_family_by_family(p_value):
    q = benjamini_hochberg(p_value, dim="target")
    assert q.dims == p_value.dims
    np.testing.assert_allclose(q.isel(step=1, half=2), false_discovery_control(p_value.isel(step=1, half=2)))
    both = benjamini_hochberg(p_value, dim=["half", "target"])
    flat = false_discovery_control(p_value.values[0].reshape(-1))
    np.testing.assert_allclose(both.values[0].reshape(-1), flat)


def test_benjamini_hochberg__does_not_count_nan(p_value):
    with_gap = p_value.where(p_value.target != 1)
    q = benjamini_hochberg(with_gap, dim="target")
    assert q.isel(target=1).isnull().all()
    xr.testing.assert_allclose(q.isel(target=[0, 2]), benjamini_hochberg(p_value.isel(target=[0, 2]), dim="target"))
    assert benjamini_hochberg(with_gap.isel(target=[1]), dim="target").isnull().all()


def test_benjamini_hochberg__refuses_what_is_no_p_value(p_value):
    with pytest.raises(BadInput, match="outside 0 to 1"):
        benjamini_hochberg(p_value - 1, dim="target")
    with pytest.raises(BadInput, match="'neuron'"):
        benjamini_hochberg(p_value, dim="neuron")


def test_benjamini_yekutieli__equals_scipy_and_leaves_nan_out(p_value):
    with_gap = p_value.where(p_value.target != 1)
    q = benjamini_yekutieli(with_gap, dim=["half", "target"])
    assert q.dims == p_value.dims
    flat = false_discovery_control(p_value.isel(step=0, target=[0, 2]).values.reshape(-1), method="by")
    np.testing.assert_allclose(q.isel(step=0, target=[0, 2]).values.reshape(-1), flat)
    assert q.isel(target=1).isnull().all()
    assert (q.isel(target=[0, 2]) >= benjamini_hochberg(with_gap, dim=["half", "target"]).isel(target=[0, 2])).all()
    with pytest.raises(BadInput, match="outside 0 to 1"):
        benjamini_yekutieli(p_value + 1, dim="target")


def drawn(values, *, alternative="two-sided", resolution=1e-9):
    """A result from (step, target, draw): the first draw of each is what was observed, the expectation is 0."""
    observed, draws = values[..., 0], values[..., 1:]
    fields, samples, zero = observed.ravel(), draws.reshape(observed.size, -1), np.zeros(observed.size)
    answers = {
        "z_score": z_scores(fields, zero, samples, resolution=resolution),
        "value": fields,
        "null_resolution": np.full(observed.size, resolution),
        "p_value": p_values(fields, samples, alternative=alternative, resolution=resolution),
    }
    result = {name: (("step", "target"), value.reshape(observed.shape)) for name, value in answers.items()}
    return xr.Dataset(result | {"null_draws": (("step", "target", "draw"), draws)}, attrs={"alternative": alternative})


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_max_t__is_wrong_about_any_neuron_as_often_as_it_says(alternative, shared):
    random = np.random.default_rng(1)
    joint = random.normal(size=(400, 1, 200)) * shared + random.normal(size=(400, 8, 200)) * (1 - shared)
    scale = np.array([1, 1, 5, 0.2, 1, 1, 1, 30])[:, None]  # neurons with wider nulls must not rule
    result = drawn(joint * scale, alternative=alternative)
    adjusted = max_t(result)
    assert adjusted.dims == result.z_score.dims
    found = (adjusted <= 0.05).any("target").mean()
    assert 0.02 <= float(found) <= 0.085
    if alternative != "two-sided":
        assert (adjusted >= result.p_value - 1e-12).all()
    if not shared:
        assert float((result.p_value <= 0.05).any("target").mean()) > 0.2


@pytest.mark.parametrize(("alternative", "sided"), [("two-sided", np.abs), ("greater", np.array), ("less", np.negative)])
def test_max_t__of_a_single_neuron_is_its_own_p_value(alternative, sided):
    values = np.random.default_rng(2).normal(size=(5, 1, 100))
    values -= values.mean(axis=2, keepdims=True)  # magnitudes are those about the mean of all
    adjusted = max_t(drawn(values, alternative=alternative))
    own = p_values(sided(values[:, 0, 0]), sided(values[:, 0, 1:]), alternative="greater", resolution=1e-9)
    np.testing.assert_array_equal(adjusted.values[:, 0], own)


def test_max_t__ties_count_and_draws_without_a_value_are_extreme():
    values = np.random.default_rng(3).integers(-2, 3, (4, 3, 60)).astype(float)
    values[:, :, 0] = 2
    values[:, 1] *= 1 + 1e-13
    exact, rounded = max_t(drawn(np.round(values))), max_t(drawn(values))
    np.testing.assert_array_equal(exact, rounded)
    values = np.random.default_rng(4).normal(size=(1, 3, 100))
    values[0, 0, 0] = 9
    assert float(max_t(drawn(values))[0, 0]) == 1 / 100
    values[0, 2, 7] = np.nan
    assert float(max_t(drawn(values))[0, 0]) == 2 / 100


def test_max_t__neurons_without_a_z_score_are_no_tests():
    values = np.random.default_rng(5).normal(size=(2, 4, 100))
    values[:, 1] = np.nan
    values[1, 2] = 3.0
    adjusted = max_t(drawn(values))
    np.testing.assert_array_equal(np.isnan(adjusted), [[False, True, False, False], [False, True, True, False]])
    np.testing.assert_array_equal(adjusted[0, [0, 2, 3]], max_t(drawn(values[:1, [0, 2, 3]]))[0])
    both = max_t(drawn(values), dim=("step", "target"))
    assert both.dims == ("step", "target")
    assert (both.values >= adjusted.values)[~np.isnan(values[..., 0]) & ~np.isnan(adjusted.values)].all()


def test_max_t__needs_the_draws_and_the_dim():
    result = drawn(np.random.default_rng(6).normal(size=(2, 4, 9)))
    with pytest.raises(BadInput, match="keep_draws"):
        max_t(result.drop_vars("null_draws"), statistic="value")
    with pytest.raises(BadInput, match="'neuron'"):
        max_t(result, dim="neuron")
