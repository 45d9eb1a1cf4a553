"""Many neurons, many tests: what is still remarkable among them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
import xarray as xr
from scipy.stats import false_discovery_control

from stanalysis.errors import BadInput
from stanalysis.stats.nulls import Alternative
from stanalysis.variables import STATISTICS, described


def benjamini_hochberg(p_value: xr.DataArray, *, dim: Hashable | Sequence[Hashable]) -> xr.DataArray:
    """False-discovery-rate q-values of the neurons of one network.

    Calling every neuron with q <= .05 structured makes at most 5 % of those calls false on average, for tests that are
    independent or positively dependent.

    Parameters
    ----------
    p_value
        p-values, any dims; NaN where a neuron has no answer.
    dim
        The dim or dims whose tests form one family, such as ``"target"``; every other dim holds separate families.

    Returns
    -------
    q-values, dims of ``p_value``, dimensionless. NaN stays NaN and does not count as a test.

    Raises
    ------
    BadInput
        A dim that is not there, or a p-value outside 0 to 1.

    Notes
    -----
    The q-values of a family are `scipy.stats.false_discovery_control` of its p-values.

    References
    ----------
    Benjamini & Hochberg (1995), https://doi.org/10.1111/j.2517-6161.1995.tb02031.x

    Examples
    --------
    >>> p = xr.DataArray([0.01, 0.02, np.nan, 0.6], dims="target")
    >>> benjamini_hochberg(p, dim="target").values
    array([0.03, 0.03,  nan, 0.6 ])
    """
    family = [dim] if isinstance(dim, str) or not isinstance(dim, Sequence) else list(dim)
    for name in family:
        if name not in p_value.dims:
            raise BadInput(f"the p-values have dims {p_value.dims} and no {name!r}; name dims they have")
    if ((p_value < 0) | (p_value > 1)).any():
        raise BadInput("some p-values lie outside 0 to 1; give p-values, not scores")
    q_value = xr.apply_ufunc(
        _q_values, p_value, input_core_dims=[family], output_core_dims=[family], vectorize=True, keep_attrs=False
    ).transpose(*p_value.dims)
    return described(q_value.to_dataset(name="q_value"), STATISTICS).q_value


def _q_values(p: np.ndarray) -> np.ndarray:
    q = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    return q


def needed_at_the_floor(n: int, n_permutations: int, alternative: Alternative, *, rate: float = 0.05) -> int:
    """How many of ``n`` neurons must reach the smallest p-value that the draws allow, before any has a q-value up to ``rate``.

    Examples
    --------
    >>> needed_at_the_floor(128, 999, "two-sided"), needed_at_the_floor(128, 9999, "two-sided")
    (6, 1)
    """
    smallest = (2 if alternative == "two-sided" else 1) / (n_permutations + 1)
    return max(math.ceil(n * smallest / rate - 1e-9), 1)
