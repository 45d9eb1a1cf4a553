import numpy as np
import pytest
import xarray as xr
from scipy.stats import false_discovery_control

from stanalysis.errors import BadInput
from stanalysis.stats.multiplicity import benjamini_hochberg


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
