"""Draws of a null: addressed randomness, and the one permutation engine that turns them into p-values and z-scores."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from enum import IntEnum
from typing import Final

import numpy as np
import xarray as xr

from stanalysis.kernels.draw_moments import N_MOMENTS, draw_moments
from stanalysis.kernels.permutations import GOLDEN, mixed
from stanalysis.stats.engine.nulls import Alternative
from stanalysis.stats.engine.rounding import are_apart

FIELD_LABELS: Final = ("run", "step", "target")
HANDFUL: Final = 10.0  # draws that must make the variance; the deviation is then known to about 1 / 6 of itself
OF_FEW: Final = 1 / 40  # of few draws, the share that must, beyond the first: the least that a bell curve has in a million
HEAVIEST: Final = 100.0  # kurtosis of draws that carry a spread; that of a value which 1 in 100 has, and no other
FARTHEST: Final = 2.0  # standard deviations from the exact mean to that of draws, which strays by 1 / sqrt(draws) of one


class Purpose(IntEnum):
    """What random numbers of a statistic are for: part of their address, so that no two uses share any."""

    FIELD = 1  # arrangements of one field
    SHARED = 2  # the shuffle of cells that all fields share
    LOCAL = 3  # around one cell
    CONDITIONS = 31  # names of conditions dealt out among networks
    NETWORKS_A = 32  # bootstrap of networks, and of their neurons
    NETWORKS_B = 33
    NEURONS_A = 34
    NEURONS_B = 35
    GAIN = 41  # orders of sources, for the check of gains
    RUNS = 51  # bootstrap of runs, of lives
    FATES = 61  # exchanged among all synapses of one age
    FATES_WITHIN = 62  # among those of one target
    GROWTH = 71  # where the synapses of one rewiring grow


def p_values(
    observed: np.ndarray, draws: np.ndarray, *, alternative: Alternative, resolution: np.ndarray | float
) -> np.ndarray:
    """Permutation p-values (M + 1) / (R + 1), M of the R draws being at least as extreme as the observed value.

    Parameters
    ----------
    observed
        Shape (field,).
    draws
        Shape (field, draw). A draw without a value (NaN) counts as extreme: it is no evidence against the null.
    alternative
        "greater", "less", or "two-sided": twice the smaller of those two, at most 1, as `scipy.stats.permutation_test`.
    resolution
        Difference, of one field or of all, below which two values are a tie, and so extreme; their rounding error.

    Returns
    -------
    Shape (field,). NaN where the observed value is NaN, and everywhere without draws.

    References
    ----------
    Phipson & Smyth (2010), https://doi.org/10.2202/1544-6115.1585

    Examples
    --------
    >>> p_values(np.array([3.0]), np.array([[0.0, 1.0, 2.0, 3.0]]), alternative="greater", resolution=1e-9)
    array([0.4])
    """
    n_draw = draws.shape[1]
    if n_draw == 0:
        return np.full(observed.shape, np.nan)
    # Bounds in the type of the draws: rounding them costs less than the resolution.
    lower = (observed - resolution).astype(draws.dtype)[:, None]
    upper = (observed + resolution).astype(draws.dtype)[:, None]
    at_least = n_draw - np.count_nonzero(draws < lower, axis=1)
    at_most = n_draw - np.count_nonzero(draws > upper, axis=1)
    return np.where(np.isnan(observed), np.nan, p_values_of_tails(at_least, at_most, n_draw, alternative=alternative))


def p_values_of_tails(at_least: np.ndarray, at_most: np.ndarray, n_draw: int, *, alternative: Alternative) -> np.ndarray:
    """As `p_values`, from how many of the draws are at least, and at most, the observed value, ties being in both."""
    if alternative == "two-sided":
        return np.asarray(np.minimum(1, 2 * ((np.minimum(at_least, at_most) + 1) / (n_draw + 1))))
    return np.asarray(((at_least if alternative == "greater" else at_most) + 1) / (n_draw + 1))


def z_scores(
    observed: np.ndarray,
    expected: np.ndarray,
    draws: np.ndarray,
    *,
    resolution: np.ndarray | float,
    variance: np.ndarray | float = np.nan,
) -> np.ndarray:
    """Distance of the observed from the expected value, both shape (field,), in standard deviations of draws (field, draw).

    Where the ``variance`` (field,) over all arrangements is known, its root is the standard deviation, and z is NaN only
    with fewer than two draws, and where they differ by rounding only. Elsewhere it is that of the draws. A z is read on the
    scale of a bell curve, and so is given only where they carry a standard deviation. It is NaN

    - with fewer than two draws, and where they differ by rounding only: the null then has one arrangement;
    - where a handful of the draws, such as the few in which any two synapses are neighbours, makes their variance. The number
      that makes it is n / kurtosis, which is about k where k of n differ from the others, and n / 3 of a bell curve. It must be
      at least `HANDFUL`; of fewer than 360 draws 1 + `OF_FEW` n, for a bell curve always has as many; and of more than 1000 n /
      `HEAVIEST`, for what fewer than 1 in 100 have is 10 standard deviations away;
    - where their mean is farther from the expected value, which is exact, than `FARTHEST` of their standard deviations: rare
      arrangements, which make the mean what it is, are not among the draws, and most of the deviation is missing, too.

    All of that is seen in the draws alone, whatever was observed, in any unit. The p-value, which counts draws, stays right.

    Notes
    -----
    A standard deviation that m draws make is off by about 1 / (2 sqrt(m)) of itself: a z by a sixth where m is 10, by a
    quarter where it is 4, as it may be of 99 draws. Too few draws cannot tell a handful from a long tail: of exponential
    draws 6 in 1000 samples of 19 have no z, though it would be fair, 3 of 99, and next to none of 499. Of 9 draws or fewer
    any that differ will do.

    Examples
    --------
    >>> z_scores(np.array([3.0]), np.array([1.0]), np.array([[0.0, 1.0, 2.0]]), resolution=1e-9)
    array([2.])
    >>> z_scores(np.array([1.0]), np.array([0.1]), np.eye(1, 99), resolution=1e-9)
    array([nan])
    >>> z_scores(np.array([1.0]), np.array([0.1]), np.eye(1, 99), resolution=1e-9, variance=np.array([0.09]))
    array([3.])
    """
    if draws.shape[1] < 2:
        return np.full(observed.shape, np.nan)
    n, moments = np.empty(observed.size, np.int64), np.empty((observed.size, N_MOMENTS))
    draw_moments(np.ascontiguousarray(draws, np.float64), n, moments)
    low, high, mean, spread, makers = moments.T
    differ = are_apart(low, high, resolution=resolution)
    told = differ & (makers >= _fewest_makers(n))
    told &= np.abs(mean - expected) <= FARTHEST * spread
    known = (variance > 0) & differ
    deviation = np.where(known, np.sqrt(np.where(known, variance, 1)), np.where(told, spread, np.nan))
    result: np.ndarray = (observed - expected) / deviation
    return result


def _fewest_makers(n: np.ndarray) -> np.ndarray:
    """How many of n draws must make their variance for it to be more than that of a handful."""
    return np.maximum(n / HEAVIEST, np.minimum(HANDFUL, 1 + OF_FEW * n))


def standardised(observed: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores (field, 1 + draw) of the observed values and of the draws, and their standard deviation (field,).

    Mean and standard deviation are those of both together. With those of the draws alone the observed value could be
    farther out than any draw, and what is said of many fields too often be extreme. A draw without a value has none.

    Examples
    --------
    >>> standardised(np.array([3.0]), np.array([[0.0, 0.0]]))[0].round(2)
    array([[ 1.15, -0.58, -0.58]])
    """
    every = np.concatenate([observed[:, None], draws], axis=1, dtype=np.float64)
    spread = np.nanstd(every, axis=1, ddof=1, keepdims=True)
    scores = (every - np.nanmean(every, axis=1, keepdims=True)) / spread
    return scores, spread[:, 0]


def stream(seed: int, purpose: Purpose) -> np.uint64:
    """The 64-bit address of all draws for one purpose."""
    result: np.uint64 = np.random.SeedSequence(seed, spawn_key=(purpose,)).generate_state(1, np.uint64)[0]
    return result


def generator(seed: int, purpose: Purpose, *which: int) -> np.random.Generator:
    """A generator of random numbers for one purpose; ``which`` tells its uses apart."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, *which)))


def field_streams(base: np.uint64, labels: xr.DataArray, *, joint: bool = False) -> np.ndarray:
    """One 64-bit address per field, shape (field,): the fields of ``labels``, flattened.

    A field is addressed by its labels: the coordinate (without one, the position) along each dim, and the scalar
    coordinates ``run``, ``step`` and ``target``. So it has the same address alone, in any subset, and in any order of
    fields or dims. With ``joint`` all targets have one address.
    """
    address = np.full(labels.shape, base, np.uint64)
    for axis, dim in enumerate(labels.dims):
        if not (joint and dim == "target"):
            bits = _label_bits(dim, labels[dim].to_numpy())
            address += bits.reshape([-1 if k == axis else 1 for k in range(labels.ndim)])
    address = address.reshape(-1)
    for name in FIELD_LABELS:
        if name not in labels.dims and name in labels.coords and labels[name].ndim == 0 and not (joint and name == "target"):
            address += _label_bits(name, labels[name].to_numpy().reshape(1))
    result: np.ndarray = mixed(address)
    return result


def _label_bits(name: Hashable, labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind in "biuf":
        bits = (labels.astype(np.float64) + 0.0).view(np.uint64)  # 3 and 3.0 are one label, as are 0.0 and -0.0
    elif labels.dtype.kind in "mM":
        bits = labels.astype(np.int64).view(np.uint64)
    else:
        bits = np.array([_text_bits(str(label)) for label in labels], np.uint64)
    result: np.ndarray = mixed(mixed(bits + GOLDEN) + _text_bits(str(name)))
    return result


def _text_bits(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))
