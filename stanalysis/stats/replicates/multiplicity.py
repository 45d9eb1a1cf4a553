"""Many neurons, many tests: what is still remarkable among them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Final, Literal

import numpy as np
import xarray as xr
from scipy.stats import false_discovery_control

from stanalysis.errors import BadInput
from stanalysis.schema.statistics import STATISTICS
from stanalysis.schema.variables import described
from stanalysis.stats.engine.nulls import Alternative
from stanalysis.stats.replicates.scores import LargestScore, scores

RATE: Final = 0.05  # false discovery rate


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
    return _false_discovery_rate(p_value, dim, "bh")


def benjamini_yekutieli(p_value: xr.DataArray, *, dim: Hashable | Sequence[Hashable]) -> xr.DataArray:
    """False-discovery-rate q-values of the neurons of one network, whatever the dependence between their tests.

    Calling every neuron with q <= .05 structured makes at most 5 % of those calls false on average. The price for any
    dependence is a factor: the q-values of n tests are those of `benjamini_hochberg` times 1 + 1/2 + … + 1/n, at most 1.

    Parameters
    ----------
    p_value, dim
        As in `benjamini_hochberg`.

    Returns
    -------
    q-values, dims of ``p_value``, dimensionless. NaN stays NaN and does not count as a test.

    Raises
    ------
    BadInput
        A dim that is not there, or a p-value outside 0 to 1.

    Notes
    -----
    The q-values of a family are `scipy.stats.false_discovery_control` of its p-values, method "by".

    References
    ----------
    Benjamini & Yekutieli (2001), https://doi.org/10.1214/aos/1013699998

    Examples
    --------
    >>> p = xr.DataArray([0.01, 0.02, np.nan, 0.6], dims="target")
    >>> benjamini_yekutieli(p, dim="target").values
    array([0.055, 0.055,   nan, 1.   ])
    """
    return _false_discovery_rate(p_value, dim, "by")


def max_t(result: xr.Dataset, *, statistic: str = "value", dim: Hashable | Sequence[Hashable] = "target") -> xr.DataArray:
    r"""p-values of the neurons of one network, each adjusted for having looked at all of them.

    .. math:: p_i = \frac{1 + \#\{r : \max_j t_{jr} \ge t_{i0}\}}{1 + R}, \qquad t_{jr} = \frac{x_{jr} - m_j}{s_j}

    over the R draws of the null, with m and s the mean and standard deviation of a neuron's observed statistic (r = 0) and
    its draws together; t itself for the alternative "greater", its negative for "less", its magnitude for "two-sided".
    Calling every neuron with p <= .05 structured makes any false call in at most 5 % of networks.

    Parameters
    ----------
    result
        A statistic with its draws (``keep_draws=True``): ``null_draws`` and ``null_resolution``, and the attribute
        ``alternative``.
    statistic
        Variable with the observed values; ``value`` in results with a dim ``statistic``.
    dim
        The dim or dims whose tests form one family, as in `benjamini_hochberg`.

    Returns
    -------
    ``adjusted_p_value``, dims of ``statistic``, dimensionless. NaN where the observed value is, or the draws do not differ;
        these are no tests.

    Raises
    ------
    BadInput
        Draws or a dim that are not there.

    Notes
    -----
    Right for neurons that depend on each other in any way if their draws are joint, one arrangement moving the synapses of
    all neurons alike (attribute ``joint`` 1); with draws of each neuron's own, right if neurons are independent.

    The maximum is taken over z-scores, so that every neuron counts alike whatever the spread of its null (single-step
    max-T). The two-sided p-value of a single neuron is that of its :math:`|t|`, which differs from twice the smaller tail
    where the null is skewed.

    References
    ----------
    Westfall & Young (1993), Resampling-Based Multiple Testing, ISBN 978-0-471-55761-6
    Ge, Dudoit & Speed (2003), https://doi.org/10.1007/BF02595811

    Examples
    --------
    >>> from stanalysis import morans_i
    >>> field = np.random.default_rng(0).standard_normal((8, 6, 5))
    >>> field[3] = np.add.outer(np.arange(6.0), np.arange(5.0))
    >>> field = xr.DataArray(field, dims=("target", "source", "delay"))
    >>> result = morans_i(field, null="cells", n_permutations=99, seed=0, keep_draws=True)
    >>> (max_t(result, statistic="morans_i") <= 0.05).values.nonzero()[0]
    array([3])
    """
    for name in (statistic, "null_draws", "null_resolution"):
        if name not in result:
            raise BadInput(f"the result has no {name}; call the statistic with keep_draws=True")
    family = _family(result[statistic], dim)
    adjusted = xr.apply_ufunc(
        _max_t,
        result[statistic],
        result.null_draws,
        result.null_resolution,
        input_core_dims=[family, [*family, "draw"], family],
        output_core_dims=[family],
        kwargs={"alternative": result.attrs["alternative"]},
        vectorize=True,
        keep_attrs=False,
    ).transpose(*result[statistic].dims)
    values: xr.DataArray = described(adjusted.to_dataset(name="adjusted_p_value"), STATISTICS).adjusted_p_value
    return values


def _max_t(observed: np.ndarray, draws: np.ndarray, resolution: np.ndarray, alternative: Alternative) -> np.ndarray:
    largest = LargestScore(draws.shape[-1], alternative)
    largest.add(scores(observed.reshape(-1), draws.reshape(-1, draws.shape[-1]), resolution.reshape(-1)))
    return largest.p_values().reshape(observed.shape)


def _family(values: xr.DataArray, dim: Hashable | Sequence[Hashable]) -> list[Hashable]:
    family = [dim] if isinstance(dim, str) or not isinstance(dim, Sequence) else list(dim)
    for name in family:
        if name not in values.dims:
            raise BadInput(f"{values.name or 'the array'} has dims {values.dims} and no {name!r}; name dims it has")
    return family


def _false_discovery_rate(
    p_value: xr.DataArray, dim: Hashable | Sequence[Hashable], method: Literal["bh", "by"]
) -> xr.DataArray:
    family = _family(p_value, dim)
    if ((p_value < 0) | (p_value > 1)).any():
        raise BadInput("some p-values lie outside 0 to 1; give p-values, not scores")
    q_value = xr.apply_ufunc(
        _q_values,
        p_value,
        input_core_dims=[family],
        output_core_dims=[family],
        kwargs={"method": method},
        vectorize=True,
        keep_attrs=False,
    ).transpose(*p_value.dims)
    result: xr.DataArray = described(q_value.to_dataset(name="q_value"), STATISTICS).q_value
    return result


def _q_values(p: np.ndarray, method: Literal["bh", "by"]) -> np.ndarray:
    q = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested], method=method)
    return q


def needed_at_the_floor(n: int, n_permutations: int, alternative: Alternative) -> int:
    """How many of ``n`` neurons must reach the smallest p-value that the draws allow, before any has a q-value up to .05.

    Examples
    --------
    >>> needed_at_the_floor(128, 999, "two-sided"), needed_at_the_floor(128, 9999, "two-sided")
    (6, 1)
    """
    smallest = (2 if alternative == "two-sided" else 1) / (n_permutations + 1)
    return max(math.ceil(n * smallest / RATE - 1e-9), 1)
