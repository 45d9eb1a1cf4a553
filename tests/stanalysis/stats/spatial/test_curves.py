import numpy as np
import pytest

from stanalysis.stats.engine.draws import p_values
from stanalysis.stats.spatial.curves import compared, departures


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_compared__leaves_out_draws_without_a_value(alternative):
    rng = np.random.default_rng(0)
    observed, draws = rng.standard_normal(4), rng.standard_normal((4, 39))
    holes = draws.copy()
    holes[1, :20], holes[2] = np.nan, np.nan
    found = compared(observed, holes, alternative=alternative, resolution=1e-9)
    whole = compared(observed, draws, alternative=alternative, resolution=1e-9)
    half = compared(observed, draws[:, 20:], alternative=alternative, resolution=1e-9)
    for name in found:
        assert np.isnan(found[name][2]), name
        assert found[name][1] == half[name][1], name
        np.testing.assert_array_equal(found[name][[0, 3]], whole[name][[0, 3]], name)
    np.testing.assert_array_equal(whole["p_value"], p_values(observed, draws, alternative=alternative, resolution=1e-9))


def test_compared__without_draws_has_no_answer():
    found = compared(np.ones(3), np.ones((3, 0)), alternative="greater", resolution=1e-9)
    assert all(np.isnan(value).all() for value in found.values())


def test_departures__are_z_scores_among_all_arrangements():
    rng = np.random.default_rng(0)
    observed, draws = rng.standard_normal(2), rng.standard_normal((2, 9))
    draws[0, 3] = np.nan
    every = np.column_stack([observed, draws])
    z = (every - np.nanmean(every, axis=1)[:, None]) / np.nanstd(every, axis=1, ddof=1)[:, None]
    for alternative, wanted in {"two-sided": np.abs(z), "greater": z, "less": -z}.items():
        far, rounding = departures(observed, draws, alternative=alternative, resolution=1e-9)
        np.testing.assert_allclose(far, wanted)
        np.testing.assert_allclose(rounding, 1e-9 / np.nanstd(every, axis=1, ddof=1))


def test_departures__are_0_where_all_arrangements_agree_and_nan_without_values():
    far, rounding = departures(
        np.array([1.0, np.nan]), np.array([[1.0, 1.0], [np.nan] * 2]), alternative="less", resolution=1e-9
    )
    np.testing.assert_array_equal(far, [[0] * 3, [np.nan] * 3])
    assert (rounding == 0).all()
