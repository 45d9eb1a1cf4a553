"""Fields and their draws on one scale, added up field by field: the draws of all need not be there at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stanalysis.stats.engine.draws import p_values, standardised
from stanalysis.stats.engine.nulls import Alternative
from stanalysis.stats.engine.rounding import varies


class Scores(NamedTuple):
    """Scores of one statistic of some fields, in the order of the fields."""

    tested: np.ndarray  # (field,): those whose draws differ; the rest speaks of these alone
    observed: np.ndarray  # (tested,)
    draws: np.ndarray  # (tested, draw)
    spread: np.ndarray  # (tested,): of a score of 1, in the unit of the statistic
    tie: np.ndarray  # (tested,): smaller differences are rounding


def scores(observed: np.ndarray, draws: np.ndarray, resolution: np.ndarray) -> Scores:
    """The scores of fields (field,) and of their draws (field, draw); differences below ``resolution`` are rounding."""
    tested = np.isfinite(observed) & varies(draws, resolution=resolution, axis=-1)
    if not tested.any():
        return Scores(tested, *(np.empty(0), np.empty((0, draws.shape[1])), np.empty(0), np.empty(0)))
    each, spread = standardised(observed[tested], draws[tested])
    return Scores(tested, each[:, 0], each[:, 1:], spread, resolution[tested] / spread)


class MeanScore:
    """The mean score of fields, and of every draw."""

    def __init__(self, n_draw: int) -> None:
        self.total = np.zeros(1 + n_draw)
        self.ties: list[np.ndarray] = []

    def add(self, some: Scores) -> None:
        """Add fields; the sums are the same however many come at a time."""
        if some.observed.size:
            each = np.concatenate([some.observed[:, None], some.draws], axis=1)
            self.total = np.add.reduce(np.concatenate([self.total[None], np.nan_to_num(each)]))  # without a value: neither way
            self.ties.append(some.tie)

    def p_value(self, alternative: Alternative) -> float:
        """Of the observed mean among those of all draws; NaN without a field."""
        if not self.ties:
            return np.nan
        ties = np.concatenate(self.ties)
        means = self.total / ties.size
        return float(p_values(means[:1], means[None, 1:], alternative=alternative, resolution=ties.mean(keepdims=True))[0])


class LargestScore:
    """The largest score among all fields, in every draw."""

    def __init__(self, n_draw: int, alternative: Alternative) -> None:
        self.alternative = alternative
        self.of_draws = np.full(n_draw, -np.inf)
        self.tie = 0.0
        self.observed: list[np.ndarray] = []

    def add(self, some: Scores) -> None:
        """Add fields."""
        observed = np.full(some.tested.size, np.nan)
        observed[some.tested] = self._one_sided(some.observed)
        self.observed.append(observed)
        self.of_draws = np.maximum(self.of_draws, self._one_sided(some.draws).max(axis=0, initial=-np.inf))
        self.tie = max(self.tie, some.tie.max(initial=0))

    def p_values(self) -> np.ndarray:
        """Of every field, (field,): how often the largest score of all is as extreme. NaN of those not tested."""
        observed = np.concatenate(self.observed)
        p, tested = np.full(observed.size, np.nan), np.flatnonzero(~np.isnan(observed))
        largest = np.broadcast_to(self.of_draws, (tested.size, self.of_draws.size))
        p[tested] = p_values(observed[tested], largest, alternative="greater", resolution=self.tie)
        return p

    def _one_sided(self, values: np.ndarray) -> np.ndarray:
        return {"greater": values, "less": -values, "two-sided": abs(values)}[self.alternative]
