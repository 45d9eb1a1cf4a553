"""How much there is: what the neurons of a network have beyond their null, and networks together."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.stats import t as student_t

from stanalysis.stats.engine.rounding import ROUNDING

LEVEL = 0.95  # of intervals


def excess(statistics: xr.Dataset) -> xr.Dataset:
    r"""What the neurons of each network have beyond their null, on average.

    .. math:: \text{excess} = \frac{1}{n} \sum_i (x_i - \mathrm{E}\, x_i)

    with :math:`\mathrm{E}\, x_i` the expectation under the null. Without structure it is 0 on average.

    Parameters
    ----------
    statistics
        ``value`` and ``expected``, dims (..., target), in the unit of the statistic.

    Returns
    -------
    Dataset, dims (...), in the unit of the statistic: ``excess``; ``value`` and ``expected``, means over the same neurons,
        whose difference it is; ``neurons_lower`` and ``neurons_upper``, between which the middle 95 % of the neurons lie,
        which is no interval of confidence: neurons of one network are not replicates; and ``answered``, the number of
        neurons with an answer. NaN where there is none.

    Examples
    --------
    >>> table = xr.Dataset({"value": ("target", [0.3, 0.1, np.nan]), "expected": ("target", [0.0, 0.0, 0.0])})
    >>> float(excess(table).excess), int(excess(table).answered)
    (0.2, 2)
    """
    beyond = statistics.value - statistics.expected
    answered = beyond.notnull().sum("target")
    tail = (1 - LEVEL) / 2
    ends = beyond.where(answered > 0, 0.0).quantile([tail, 1 - tail], "target").where(answered > 0)
    return xr.Dataset(
        {
            "excess": beyond.mean("target"),
            "value": statistics.value.where(beyond.notnull()).mean("target"),
            "expected": statistics.expected.where(beyond.notnull()).mean("target"),
            "neurons_lower": ends.isel(quantile=0, drop=True),
            "neurons_upper": ends.isel(quantile=1, drop=True),
            "answered": answered,
        }
    )


def without_rounding(beyond: xr.DataArray, size: xr.DataArray) -> xr.DataArray:
    """What statistics have beyond their null, 0 where that is rounding; ``size`` is how large the statistics are.

    Examples
    --------
    >>> without_rounding(xr.DataArray([1e-12, 0.1]), xr.DataArray([1.0, 1.0])).values
    array([0. , 0.1])
    """
    return beyond.where(~(abs(beyond) <= ROUNDING * size), 0.0)


def over_networks(values: xr.DataArray) -> xr.Dataset:
    """Mean of one number per network, with its 95 % interval over networks (Student's t).

    Parameters
    ----------
    values
        Dims (run, ...), any unit; the networks are the replicates. NaN where a network has no answer.

    Returns
    -------
    Dataset, dims (...), in the same unit: ``mean``, ``lower``, ``upper``, and ``n``, the networks with an answer. The interval
        is NaN with fewer than two, the mean with none. It takes the networks for a sample from a normal distribution.

    Examples
    --------
    >>> over = over_networks(xr.DataArray([1.0, 2.0, 3.0], dims="run"))
    >>> over.to_array().round(2).values.tolist()
    [2.0, -0.48, 4.48, 3.0]
    """
    return over_replicates(values, dim="run")


def over_replicates(values: xr.DataArray, *, dim: str) -> xr.Dataset:
    """What `over_networks` gives, of one number per replicate along any dim.

    Along ``target`` the interval takes the neurons of a network for independent, and speaks of no other network.

    Examples
    --------
    >>> over_replicates(xr.DataArray([1.0, 3.0, np.nan], dims="target"), dim="target").n.item()
    2
    """
    n = values.notnull().sum(dim)
    mean = values.mean(dim)
    half = mean.copy(data=interval_reach(*errors_over_networks(values.transpose(dim, ...).values)))
    return xr.Dataset({"mean": mean, "lower": mean - half, "upper": mean + half, "n": n})


def errors_over_networks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard error of a mean over the networks (network, …) that have a value, and its degrees of freedom; NaN for one.

    Examples
    --------
    >>> [array.round(2).tolist() for array in errors_over_networks(np.array([[1.0, 1.0], [2.0, np.nan], [3.0, np.nan]]))]
    [[0.58, nan], [2.0, nan]]
    """
    has = np.isfinite(values)
    n = has.sum(axis=0)
    mean = np.where(has, values, 0).sum(axis=0) / n.clip(1)
    square = np.where(has, values - mean, 0) ** 2
    error = np.sqrt(square.sum(axis=0) / (n - 1).clip(1) / n.clip(1))
    return np.where(n > 1, error, np.nan), np.where(n > 1, n - 1.0, np.nan)


def interval_reach(error: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """How far the 95 % interval reaches to each side (Student's t); NaN without degrees of freedom."""
    return np.asarray(student_t.ppf((1 + LEVEL) / 2, freedom) * error)
