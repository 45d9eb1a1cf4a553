"""What each null shuffles and what its rejection means; addressed randomness; the one permutation engine.

To add a null: a name in `Null`, its sentence in `MEANING`, and its arrangement in `stanalysis.kernels.arrangements`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from typing import Final, Literal, get_args

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.kernels import arrangements
from stanalysis.kernels.permutations import GOLDEN, mixed

Null = Literal["delays", "weights", "signs", "source-signs", "sources", "rows", "cells", "untrained"]
Alternative = Literal["two-sided", "greater", "less"]

MEANING: Final[dict[str, str]] = {
    "delays": (
        "rejecting `delays` says that a neuron's weights and delays are arranged across neighbouring sources in a way that "
        "its own delays, dealt out anew among its synapses, would not give"
    ),
    "weights": (
        "rejecting `weights` says that like weights lie together beyond where synapses sit; a gain that varies smoothly over "
        "sources is enough"
    ),
    "signs": (
        "rejecting `signs` says that excitation and inhibition are grouped beyond where synapses and their magnitudes sit; for "
        "Moran's I and Geary's C it is enough that their sums balance better, or worse, than by chance"
    ),
    "source-signs": (
        "rejecting `source-signs` says that excitatory and inhibitory sources are grouped beyond where synapses and their "
        "magnitudes sit, each source keeping one sign (Dale); for Moran's I and Geary's C a balance of their sums is enough"
    ),
    "sources": (
        "rejecting `sources` says that neighbouring sources are alike, or unlike, in weights and delays as they would not be "
        "in another order; a gain that varies smoothly over sources is enough"
    ),
    "rows": (
        "rejecting `rows` says only that delays are not uniform and independent: short or piled-up delays are enough, without "
        "any grouping of weights"
    ),
    "cells": (
        "rejecting `cells` says only that something in the plane is not uniform: piled-up delays or one synapse per "
        "source are enough, without any grouping of weights"
    ),
    "untrained": (
        "rejecting `untrained` says that a neuron differs from the other neurons of its network before training (step 0); what "
        "training changed, delays or weights or both, it does not say"
    ),
}

# How the kernels call them; "untrained" draws nothing.
CODES: Final[dict[str, int]] = {
    "delays": arrangements.DELAYS,
    "weights": arrangements.WEIGHTS,
    "signs": arrangements.SIGNS,
    "source-signs": arrangements.SIGNS,
    "sources": arrangements.SOURCES,
    "rows": arrangements.ROWS,
    "cells": arrangements.CELLS,
}

FIELD_LABELS: Final = ("run", "step", "target")


def check_permutations(null: str, alternative: str, n_permutations: int, seed: int) -> None:
    """Raise BadInput, naming what was expected, for an unknown name or a negative number."""
    if null not in get_args(Null):
        raise BadInput(f"the null is {null!r}; use one of {', '.join(get_args(Null))}")
    if alternative not in get_args(Alternative):
        raise BadInput(f"the alternative is {alternative!r}; use one of {', '.join(get_args(Alternative))}")
    if n_permutations < 0:
        raise BadInput(f"n_permutations is {n_permutations}; use 0 for the statistic alone, or a positive number")
    if not 0 <= seed < 2**63:
        raise BadInput(f"the seed is {seed}; use a whole number from 0 to 2**63 - 1")


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
    greater = (n_draw - np.count_nonzero(draws < lower, axis=1) + 1) / (n_draw + 1)
    less = (n_draw - np.count_nonzero(draws > upper, axis=1) + 1) / (n_draw + 1)
    p = {"greater": greater, "less": less, "two-sided": np.minimum(1, 2 * np.minimum(greater, less))}[alternative]
    return np.where(np.isnan(observed), np.nan, p)


def z_scores(observed: np.ndarray, expected: np.ndarray, draws: np.ndarray, *, resolution: np.ndarray | float) -> np.ndarray:
    """Distance of the observed from the expected value, both shape (field,), in standard deviations of draws (field, draw).

    NaN with fewer than two draws, and where the draws differ by rounding only: the null then has one arrangement.

    Examples
    --------
    >>> z_scores(np.array([3.0]), np.array([1.0]), np.array([[0.0, 1.0, 2.0]]), resolution=1e-9)
    array([2.])
    """
    if draws.shape[1] < 2:
        return np.full(observed.shape, np.nan)
    draws = np.ascontiguousarray(draws, np.float64)  # one layout: a field's sum must not depend on its company
    empty = np.isnan(draws).any(axis=1)
    spread = draws.std(axis=1, ddof=1)
    for i in np.flatnonzero(empty):
        values = draws[i][~np.isnan(draws[i])]
        spread[i] = values.std(ddof=1) if values.size > 1 else np.nan
    return (observed - expected) / np.where(spread > resolution, spread, np.nan)


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


def stream(seed: int, purpose: int) -> np.uint64:
    """The 64-bit address of all draws for one purpose."""
    return np.random.SeedSequence(seed, spawn_key=(purpose,)).generate_state(1, np.uint64)[0]


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
    return mixed(address)


def _label_bits(name: Hashable, labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind in "biuf":
        bits = (labels.astype(np.float64) + 0.0).view(np.uint64)  # 3 and 3.0 are one label, as are 0.0 and -0.0
    elif labels.dtype.kind in "mM":
        bits = labels.astype(np.int64).view(np.uint64)
    else:
        bits = np.array([_text_bits(str(label)) for label in labels], np.uint64)
    return mixed(mixed(bits + GOLDEN) + _text_bits(str(name)))


def _text_bits(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))
