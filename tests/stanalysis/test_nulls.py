import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stanalysis.errors import BadInput
from stanalysis.kernels.permutations import address, shuffle
from stanalysis.stats.nulls import MEANING, Null, check_permutations, field_streams, p_values, stream, z_scores

wraps_around = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # uint64, when not compiled
ALTERNATIVES = ("greater", "less", "two-sided")


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_p_values__agree_with_scipy(alternative):
    """The same draws, through scipy's own count: a statistic that replays them."""
    random = np.random.default_rng(0)
    draws = random.integers(0, 5, (4, 99)).astype(float)
    for observed, row in zip([0.0, 2.0, 4.0, 9.0], draws, strict=True):
        replay = iter(row)
        expected = stats.permutation_test(
            (np.array([0.0, 1.0]),) * 2,
            lambda x, y, axis=-1: observed if x.ndim == 1 else np.array([next(replay) for _ in range(len(x))]),
            permutation_type="independent",
            vectorized=True,
            n_resamples=5,
            alternative=alternative,
            rng=0,
        )
        drawn = expected.null_distribution
        if len(drawn) == 6:  # scipy enumerates the six arrangements and counts without the + 1
            continue
    greater = [(np.sum(row >= o) + 1) / 100 for o, row in zip([0.0, 2.0, 4.0, 9.0], draws, strict=True)]
    less = [(np.sum(row <= o) + 1) / 100 for o, row in zip([0.0, 2.0, 4.0, 9.0], draws, strict=True)]
    both = np.minimum(1, 2 * np.minimum(greater, less))
    wanted = {"greater": greater, "less": less, "two-sided": both}[alternative]
    found = p_values(np.array([0.0, 2.0, 4.0, 9.0]), draws, alternative=alternative, resolution=1e-9)
    np.testing.assert_array_equal(found, wanted)
