"""What the engine knows of one statistic of some fields, and of the draws it is seen in.

Every family of statistics sees the same draws: an arrangement is addressed, not stored.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from stanalysis.kernels.arrangements import Synapses, shared_orders
from stanalysis.kernels.lanes import N_WIDE
from stanalysis.stats.engine.nulls import NullRule

DEALT: Final = ("delays", "weights", "signs")  # by nulls that deal out one thing to each synapse
MOST_SHARED: Final = 16_000_000  # numbers that permutations shared by all fields may take
EPS: Final = float(np.finfo(np.float64).eps)


class Measure(NamedTuple):
    """One statistic of some fields."""

    observed: np.ndarray  # (field,)
    expected: np.ndarray  # (field,)
    variance: np.ndarray  # (field,): over all arrangements; NaN where it is not known
    draws: np.ndarray  # (field, draw); without columns where no draw was asked for
    resolution: np.ndarray  # (field,): smaller differences are rounding
    mixing: np.ndarray | None = None  # (field,): of draws that keep margins, how many signs they move; NaN: not to be asked


class Draws(NamedTuple):
    """Which draws of which null; ``streams`` (field,) are those of the fields, ``shared`` that of shuffled planes."""

    rule: NullRule
    n: int
    streams: np.ndarray
    shared: np.uint64


def with_shared_orders(synapses: Synapses, draws: Draws) -> Synapses:
    """The synapses with the permutations of all draws, where fields share these: each is made once, and not for every field."""
    n = np.diff(synapses.start)
    n_block = draws.n // N_WIDE
    shared = n.size > 1 and (draws.streams == draws.streams[0]).all() and (n == n[0]).all()
    if not shared or draws.rule.arrangement not in DEALT or n_block * N_WIDE * n[0] > MOST_SHARED:
        return synapses
    orders = np.empty((n_block, n[0], N_WIDE), np.int32)
    shared_orders(draws.streams[0], orders)
    return synapses._replace(orders=orders)


def as_measure(
    name: str,
    observed_by_name: dict[str, np.ndarray],
    draws: dict[str, np.ndarray],
    expected: dict[str, np.ndarray],
    variance: dict[str, np.ndarray],
    resolution: dict[str, np.ndarray],
    drawn: bool,
) -> Measure:
    observed = observed_by_name[name]
    none = np.empty((observed.size, 0))
    values = draws.get(name, none)
    mean = expected.get(name, np.full(observed.size, np.nan))
    if np.isnan(mean).any():
        mean = np.where(np.isnan(mean), _mean_of(values), mean)
    tie = resolution.get(name, np.full(observed.size, 1e-9))  # counts are exact
    answered = ~np.isnan(observed)
    exact = np.where(answered, variance.get(name, np.nan), np.nan)
    return Measure(observed, np.where(answered, mean, np.nan), exact, values if drawn else none, tie)


def _mean_of(draws: np.ndarray) -> np.ndarray:
    """Mean of those that are numbers; one layout, for a field's sum must not depend on its company."""
    with np.errstate(invalid="ignore"):
        total: np.ndarray = np.nansum(np.ascontiguousarray(draws, np.float64), axis=1)
        mean: np.ndarray = total / np.count_nonzero(~np.isnan(draws), axis=1)
    return mean
