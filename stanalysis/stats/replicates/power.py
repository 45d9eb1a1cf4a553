"""What so many networks can show: the smallest p-value within their reach, and how many seeds would do."""

from __future__ import annotations

import math
from typing import Final, get_args

import numpy as np
from scipy import stats
from scipy.special import comb

from stanalysis.errors import BadInput
from stanalysis.stats.engine.nulls import Alternative

MOST_SEEDS: Final = 1_000_000  # nobody trains more
_MANY: Final = 30  # seeds of which the arrangements are too many for their number to matter


def smallest_p(n_a: int, n_b: int, *, paired: bool, alternative: Alternative, n_permutations: int) -> float:
    """The smallest p-value that a permutation test of so many networks can reach; 1 with fewer than two of a condition.

    n pairs have 2ⁿ arrangements, unpaired networks (n_a + n_b)! / (n_a! n_b!). A one-sided p-value counts at least one of
    them, a two-sided one at least two. Where there are more than ``n_permutations``, that many are drawn, and counted with
    the observed one.

    Examples
    --------
    >>> [round(smallest_p(n, n, paired=True, alternative="two-sided", n_permutations=9999), 4) for n in (3, 5, 6)]
    [0.25, 0.0625, 0.0312]
    >>> [round(smallest_p(n, n, paired=False, alternative="two-sided", n_permutations=9999), 4) for n in (3, 4, 5)]
    [0.1, 0.0286, 0.0079]
    """
    if min(n_a, n_b) < 2:
        return 1.0
    n_arrangements = 2**n_a if paired else math.comb(n_a + n_b, n_a)
    return min(1.0, _tails(alternative) / min(n_arrangements, n_permutations + 1))


def power_of_seeds(
    effect_size: float, n_seeds: int, *, paired: bool, level: float = 0.05, alternative: Alternative = "two-sided"
) -> float:
    r"""The probability that an exact permutation test of so many seeds finds an effect of this size.

    .. math:: P(|T| > t_{\alpha / 2,\,\nu}), \qquad T \sim t'_{\nu}(\delta)

    with the noncentral t distribution: :math:`\nu = n - 1`, :math:`\delta = d \sqrt n` for n pairs, and
    :math:`\nu = 2n - 2`, :math:`\delta = d \sqrt{n / 2}` for n networks in each condition. :math:`\alpha` is the largest
    p-value up to ``level`` that the test can take; if it can take none, the power is 0.

    Parameters
    ----------
    effect_size
        Difference b − a in standard deviations, dimensionless: of the networks of one condition, or if ``paired`` of the
        differences within pairs, as ``effect_size`` of `compare`.
    n_seeds
        Pairs, or networks in each condition.
    paired
        Whether networks of equal seed are compared with each other.
    level
        The p-value up to which an effect counts as found.
    alternative
        "greater" looks for b above a, "less" for b below a.

    Returns
    -------
    A probability; 0 with fewer than two seeds.

    Raises
    ------
    BadInput
        An effect that is not finite, a negative number of seeds, a level outside 0 to 1, or an unknown alternative.

    Notes
    -----
    Responses are taken for normal. Simulated permutation tests at .05
    (``tests/stanalysis/stats/replicates/test_power.py``) agreed within .02 from 7 pairs or 5 networks in each condition on;
    below, where few arrangements reach .05, they found up to .06 less.

    References
    ----------
    Cohen (1988), https://doi.org/10.4324/9780203771587

    Examples
    --------
    Five pairs cannot reach .05, however large the effect.

    >>> [round(power_of_seeds(2.0, n, paired=True), 2) for n in (5, 6, 8)]
    [0.0, 0.93, 1.0]
    """
    _check(effect_size, level, alternative)
    if n_seeds < 0:
        raise BadInput(f"n_seeds is {n_seeds}; use the number of pairs, or of networks in each condition")
    return float(_power(effect_size, np.array([n_seeds]), paired=paired, level=level, alternative=alternative)[0])


def seeds_needed(
    effect_size: float, *, paired: bool, power: float = 0.8, level: float = 0.05, alternative: Alternative = "two-sided"
) -> int:
    """How many pairs of networks, or networks in each condition, find an effect of this size with this probability.

    Parameters
    ----------
    effect_size, paired, level, alternative
        As in `power_of_seeds`.
    power
        The probability asked for.

    Returns
    -------
    The smallest number of seeds whose `power_of_seeds` is at least ``power``. It is never smaller than what an exact
        permutation test needs to reach ``level`` at all.

    Raises
    ------
    BadInput
        What `power_of_seeds` refuses, a power outside 0 to 1, or an effect that a million seeds would not find.

    Examples
    --------
    >>> seeds_needed(1.0, paired=True), seeds_needed(1.0, paired=False), seeds_needed(10.0, paired=True)
    (11, 17, 6)
    """
    _check(effect_size, level, alternative)
    if not 0 < power < 1:
        raise BadInput(f"the power is {power}; use a probability between 0 and 1, such as 0.8")
    first = 2
    while first <= MOST_SEEDS:
        # Few seeds one by one, for power may fall from one to the next where their arrangements are few; many by halving.
        n_seeds = np.arange(first, 2 * first) if first <= _MANY else np.array([2 * first - 1])
        enough = _power(effect_size, n_seeds, paired=paired, level=level, alternative=alternative) >= power
        if enough.any():
            fewest = int(n_seeds[enough.argmax()])
            return fewest if first <= _MANY else _halved(effect_size, first, fewest, power, paired, level, alternative)
        first *= 2
    raise BadInput(
        f"{MOST_SEEDS} seeds would not find an effect of {effect_size:g} ({alternative}) with power {power:g}; ask for a "
        "larger effect, or look in its direction"
    )


def _check(effect_size: float, level: float, alternative: str) -> None:
    if not math.isfinite(effect_size):
        raise BadInput(f"the effect size is {effect_size}; use a difference in standard deviations, such as 1.0")
    if not 0 < level < 1:
        raise BadInput(f"the level is {level}; use a p-value between 0 and 1, such as 0.05")
    if alternative not in get_args(Alternative):
        raise BadInput(f"the alternative is {alternative!r}; use one of {', '.join(get_args(Alternative))}")


def _tails(alternative: Alternative) -> int:
    return 2 if alternative == "two-sided" else 1


def _power(effect_size: float, n_seeds: np.ndarray, *, paired: bool, level: float, alternative: Alternative) -> np.ndarray:
    n = np.maximum(n_seeds, 2).astype(np.float64)
    few = np.minimum(n, _MANY)
    step = _tails(alternative) / (2**few if paired else comb(2 * few, few))  # p-values are whole multiples of it
    reached = np.floor(level / step * (1 + 1e-12)) * step
    freedom, shift = (n - 1, effect_size * np.sqrt(n)) if paired else (2 * n - 2, effect_size * np.sqrt(n / 2))
    critical = stats.t.isf(reached / _tails(alternative), freedom)  # infinite where no p-value is small enough
    above = _beyond(critical, freedom, shift) if alternative != "less" else 0.0
    below = _beyond(critical, freedom, -shift) if alternative != "greater" else 0.0
    return np.where((n_seeds < 2) | (reached == 0), 0.0, above + below)


def _beyond(critical: np.ndarray, freedom: np.ndarray, shift: np.ndarray) -> np.ndarray:
    # In the tail away from the effect scipy's noncentral t gives NaN where the probability has long vanished.
    return np.where(shift < -8, 0.0, stats.nct.sf(critical, freedom, np.maximum(shift, -8)))


def _halved(effect_size: float, low: int, high: int, power: float, paired: bool, level: float, alternative: Alternative) -> int:
    """The smallest number from ``low`` to ``high`` that is enough, as ``high`` is."""
    while low < high:
        middle = (low + high) // 2
        if _power(effect_size, np.array([middle]), paired=paired, level=level, alternative=alternative)[0] >= power:
            high = middle
        else:
            low = middle + 1
    return low
