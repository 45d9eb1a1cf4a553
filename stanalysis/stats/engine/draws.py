"""Draws of a null: addressed randomness, and the one permutation engine that turns them into p-values and z-scores."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from enum import IntEnum
from typing import Final

import numpy as np
import xarray as xr

from stanalysis.kernels.permutations import GOLDEN, mixed
from stanalysis.stats.engine.nulls import Alternative
from stanalysis.stats.engine.rounding import varies

FIELD_LABELS: Final = ("run", "step", "target")
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
    greater, less = (at_least + 1) / (n_draw + 1), (at_most + 1) / (n_draw + 1)
    two_sided = np.minimum(1, 2 * np.minimum(greater, less))
    p: np.ndarray = {"greater": greater, "less": less, "two-sided": two_sided}[alternative]
    return p


def z_scores(observed: np.ndarray, expected: np.ndarray, draws: np.ndarray, *, resolution: np.ndarray | float) -> np.ndarray:
    """Distance of the observed from the expected value, both shape (field,), in standard deviations of draws (field, draw).

    A z is read on the scale of a bell curve, and so is given only where the draws carry a standard deviation. It is NaN

    - with fewer than two draws, and where they differ by rounding only: the null then has one arrangement;
    - where the draws hardly vary but for fewer than 1 in 100, such as the few in which any two synapses are neighbours (their
      kurtosis exceeds `HEAVIEST`): the deviation is that of a handful, and their value would be 10 of them away;
    - where their mean is farther from the expected value, which is exact, than `FARTHEST` of their standard deviations: rare
      arrangements, which make the mean what it is, are not among the draws, and most of the deviation is missing, too.

    All of that is seen in the draws alone, whatever was observed. The p-value, which counts draws, stays right.

    Examples
    --------
    >>> z_scores(np.array([3.0]), np.array([1.0]), np.array([[0.0, 1.0, 2.0]]), resolution=1e-9)
    array([2.])
    >>> z_scores(np.array([1.0]), np.array([0.1]), np.eye(1, 999), resolution=1e-9)
    array([nan])
    """
    if draws.shape[1] < 2:
        return np.full(observed.shape, np.nan)
    draws = np.ascontiguousarray(draws, np.float64)  # one layout: a field's sum must not depend on its company
    spread = draws.std(axis=1, ddof=1)
    for i in np.flatnonzero(np.isnan(draws).any(axis=1)):
        values = draws[i][~np.isnan(draws[i])]
        spread[i] = values.std(ddof=1) if values.size > 1 else np.nan
    told = varies(draws, resolution=resolution, axis=1) & _carry_a_spread(draws, expected, spread)
    result: np.ndarray = (observed - expected) / np.where(told, spread, np.nan)
    return result


def _carry_a_spread(draws: np.ndarray, expected: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Whether more than a handful of the draws (field, draw) make their spread (field,), and they have met what is expected."""
    has = ~np.isnan(draws)
    n = np.maximum(np.count_nonzero(has, axis=1), 1)
    mean = np.where(has, draws, 0).sum(axis=1) / n
    squares = np.square(np.where(has, draws - mean[:, None], 0))
    handful = n * np.square(squares).sum(axis=1) > HEAVIEST * np.square(squares.sum(axis=1))
    missed = np.abs(mean - expected) > FARTHEST * spread
    return ~(handful | missed)


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
