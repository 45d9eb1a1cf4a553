import numpy as np
import pytest
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.synthetic import noise_fields, planted_fields


@pytest.mark.parametrize("make", [noise_fields, planted_fields])
def test_fields__have_one_synapse_per_source_and_delays_in_ms(make):
    field = make(4, n_source=7, n_delay=5, bin_width=10.0, seed=0)
    assert field.dims == ("target", "source", "delay")
    assert ((field != 0).sum("delay") == 1).all()
    assert field.delay.attrs["units"] == "ms"
    assert field.delay.values.tolist() == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("make", [noise_fields, planted_fields])
def test_fields__of_a_target_do_not_depend_on_the_others(make):
    xr.testing.assert_identical(make(5, seed=3).isel(target=slice(2)), make(2, seed=3))
    assert not make(2, seed=3).equals(make(2, seed=4))


def test_noise_fields__have_the_delays_and_signs_asked_for():
    used = {d: (noise_fields(200, delays=d, seed=0) != 0).mean(("target", "source")) for d in ("uniform", "short", "clamped")}
    np.testing.assert_allclose(used["uniform"], 0.04, atol=0.01)
    assert used["short"][0] > 0.25
    np.testing.assert_allclose(used["clamped"][[0, -1]], 0.27, atol=0.02)
    assert (noise_fields(9, signs="one", seed=0) >= 0).all()
    assert (noise_fields(9, signs="mixed", seed=0) < 0).any()


def test_noise_fields__name_what_they_expect():
    with pytest.raises(BadInput, match="uniform, short, clamped"):
        noise_fields(1, delays="long", seed=0)  # type: ignore[arg-type]


def test_planted_fields__hold_patches_of_one_sign():
    field = planted_fields(20, n_source=12, n_delay=8, patch_sources=4, seed=0)
    sign = np.sign(field.sum("delay")).values.reshape(20, 3, 4)
    assert (sign == sign[..., :1]).all()
    delay = (field != 0).argmax("delay").values.reshape(20, 3, 4)
    assert (np.ptp(delay, axis=2) <= 2).all()
