"""Do groups of synapses die at the same rate: the stratified log-rank test with late entry, robust to reborn slots."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from stanalysis.schema.lives import LOG_RANK
from stanalysis.schema.variables import labelled
from stanalysis.stats.lives.life_tables import Clock, coded, count, count_at_risk, distinct_ages, place, watched

_NUMBERS_AT_ONCE: Final = 10_000_000  # bounds the memory, changes no result


def log_rank(
    episodes: xr.Dataset,
    *,
    by: str,
    groups: Sequence[Hashable] | None = None,
    strata: str | None = "run",
    cluster: str | None = None,
    clock: Clock = "age",
) -> xr.Dataset:
    r"""Whether groups of synapses die at the same rate at every age, within each network.

    .. math:: U_g = \sum_{s,j} d_{sgj} - d_{sj} \frac{n_{sgj}}{n_{sj}}, \qquad
        \chi^2 = U^\mathsf{T} V^- U

    with :math:`d_{sgj}` of the :math:`d_{sj}` deaths and :math:`n_{sgj}` of the :math:`n_{sj}` at risk at age j in stratum s
    being of group g, and V the hypergeometric variance, which allows for any number of deaths at one age. It is the score
    test of a stratified Cox model of the groups. If they do not differ it has a chi-squared distribution.

    Parameters
    ----------
    episodes, by, groups, clock
        As in `stanalysis.stats.life_table`.
    strata
        Name of a variable. Synapses are compared within its values only. With "run" all are of one stratum where the
        episodes have no ``run``; None puts all in one.
    cluster
        Name of a variable, such as "slot": episodes of one run that share its value may depend on each other. V is then the
        sum of squares over clusters of their score residuals (Lin & Wei). None takes all episodes for independent.

    Returns
    -------
    Dataset of LOG_RANK: ``statistic``, ``degrees_of_freedom`` and ``p_value``; ``observed`` and ``expected`` deaths and
        ``n_episodes``, dim group. Statistic and p-value are NaN where no two groups were at risk together when some but not
        all died, or with no more clusters than groups. Attribute ``n_left_out``: episodes without a group or
        stratum.

    Raises
    ------
    BadInput
        As `stanalysis.stats.life_table`.

    Notes
    -----
    Without strata and late entry it equals ``lifelines.statistics.multivariate_logrank_test``, with either
    ``statsmodels.duration.survfunc.survdiff``, and with both, where no two die at one age, the score test of a stratified
    ``statsmodels.duration.hazard_regression.PHReg``.

    A slot in which synapses die early is soon taken anew, so that it has many short episodes. Where slots differ like this
    and groups go with slots the plain test is wrong: of 1000 simulations without a difference, with 1 to 25 lives in each
    slot, it rejected .35 at .05 whatever the number of slots; with ``cluster="slot"`` .05 of those of 100 or 200 slots, but
    .12 of those of 30: it needs many clusters, and runs are too few to be them.

    References
    ----------
    Mantel (1966); Peto & Peto (1972), https://doi.org/10.2307/2344317
    Lin & Wei (1989), https://doi.org/10.1080/01621459.1989.10478874

    Examples
    --------
    >>> from stanalysis.schema.lives import EPISODES
    >>> episodes = labelled(
    ...     EPISODES, entry=[0] * 8, exit=[10, 10, 10, 20, 20, 30, 30, 30], event=[True] * 7 + [False], sign=[-1] * 4 + [1] * 4
    ... )
    >>> log_rank(episodes, by="sign")[["statistic", "p_value"]].to_array().round(3).values
    array([5.685, 0.017])
    """
    entry, left, event = watched(episodes, clock=clock)
    group, names = coded(episodes, by, groups)
    stratum = _place(episodes, strata)
    counted = (group >= 0) & (stratum >= 0) & (left > entry)
    n_left_out = int(np.count_nonzero((group < 0) | (stratum < 0)))
    member = np.zeros(entry.size, np.intp) if cluster is None else _clusters(episodes, cluster)
    entry, left, event, group, stratum, member = (x[counted] for x in (entry, left, event, group, stratum, member))
    observed, n_episodes = (np.bincount(codes, minlength=len(names)) for codes in (group[event], group))
    few = np.unique(member).size <= len(names)

    # most strata may be of one group, or without a death, and tell nothing: what they observe is what they expect
    telling = _telling(group, stratum, event)
    order = np.flatnonzero(telling)[np.argsort(stratum[telling], kind="stable")]
    entry, left, event, group, stratum, member = (x[order] for x in (entry, left, event, group, stratum, member))
    stratum = np.cumsum(np.append(0, np.diff(stratum) != 0))[: stratum.size]
    ages = distinct_ages(entry, left)
    entry, left = place(ages, entry), place(ages, left)
    score, variance = np.zeros(len(names)), np.zeros((len(names), len(names)))
    summed = np.zeros((len(names), int(member.max(initial=0)) + 1))
    size = max(_NUMBERS_AT_ONCE // (len(names) * len(ages)), 1)
    n_strata = int(stratum[-1]) + 1 if stratum.size else 0
    for first in range(0, n_strata, size):
        some = slice(*np.searchsorted(stratum, (first, first + size)))
        part = entry[some], left[some], event[some], group[some], stratum[some] - first
        part_sums = _sums_of_strata(*part, shape=(min(size, n_strata - first), len(names), len(ages)))
        score += part_sums.score
        if cluster is None:
            variance += part_sums.variance
        else:
            summed += np.stack([np.bincount(member[some], r, summed.shape[1]) for r in _residuals(part_sums, *part)])
    if cluster is not None:
        variance = np.zeros_like(variance) if few else summed @ summed.T
    expected = observed - score
    d_total = float(observed.sum())
    statistic, freedom = _quadratic(score, variance, scale=d_total)
    return labelled(
        LOG_RANK,
        statistic=statistic,
        degrees_of_freedom=freedom,
        p_value=stats.chi2.sf(statistic, freedom) if freedom else np.nan,
        observed=observed.astype(np.int64),
        expected=expected,
        n_episodes=n_episodes,
    ).assign_coords(group=names).assign_attrs(
        by=by, strata=strata or "", cluster=cluster or "", clock=clock, n_left_out=n_left_out
    )  # fmt: skip


def _place(episodes: xr.Dataset, name: str | None) -> np.ndarray:
    if name is None or (name == "run" and "run" not in episodes):
        return np.zeros(episodes.sizes["episode"], np.intp)
    return coded(episodes, name)[0]


def _clusters(episodes: xr.Dataset, name: str) -> np.ndarray:
    """The cluster of every episode: slots of two networks are two slots."""
    inner, names_of_codes = coded(episodes, name)
    return np.unique(_place(episodes, "run") * (len(names_of_codes) + 1) + inner, return_inverse=True)[1]


def _telling(group: np.ndarray, stratum: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Whether the stratum of each episode has more than one group, and a death."""
    n = int(stratum.max(initial=-1)) + 1
    low, high = np.full(n, np.iinfo(np.int64).max), np.full(n, -1)
    np.minimum.at(low, stratum, group)
    np.maximum.at(high, stratum, group)
    result: np.ndarray = ((low < high) & (np.bincount(stratum, event, n) > 0))[stratum]
    return result


class _Strata(NamedTuple):
    score: np.ndarray  # (group,)
    variance: np.ndarray  # (group, group), hypergeometric
    share: np.ndarray  # (stratum, group, age) of those at risk
    rate: np.ndarray  # (stratum, age) of deaths among them


def _sums_of_strata(
    entry: np.ndarray,
    left: np.ndarray,
    event: np.ndarray,
    group: np.ndarray,
    stratum: np.ndarray,
    *,
    shape: tuple[int, int, int],
) -> _Strata:
    cell = stratum * shape[1] + group
    at_risk = count_at_risk(cell, entry, left, shape).astype(np.float64)
    deaths = count(cell[event], left[event], shape).astype(np.float64)
    n, d = at_risk.sum(axis=1), deaths.sum(axis=1)
    share = at_risk / np.maximum(n, 1)[:, None]
    spread = d * (n - d) / np.maximum(n - 1, 1)
    score = deaths.sum(axis=(0, 2)) - np.einsum("sga,sa->g", share, d)
    variance = np.diag(np.einsum("sga,sa->g", share, spread)) - np.einsum("sga,sha,sa->gh", share, share, spread)
    return _Strata(score, variance, share, d / np.maximum(n, 1))


def _residuals(
    strata: _Strata, entry: np.ndarray, left: np.ndarray, event: np.ndarray, group: np.ndarray, stratum: np.ndarray
) -> list[np.ndarray]:
    r"""Score residual of every episode for each group: :math:`\int (Z_g - \bar Z_g) dM` while it is at risk."""
    hazard = np.cumsum(strata.rate, axis=1)
    cumulative = hazard[stratum, left] - hazard[stratum, entry]
    residuals = []
    for g in range(strata.share.shape[1]):
        mine = group == g
        drift = np.cumsum(strata.share[:, g] * strata.rate, axis=1)
        died = event * (mine - strata.share[stratum, g, left])
        residuals.append(died - mine * cumulative + drift[stratum, left] - drift[stratum, entry])
    return residuals


def _quadratic(score: np.ndarray, variance: np.ndarray, *, scale: float) -> tuple[float, int]:
    """The score squared in units of its variance, and the rank of that; NaN and 0 where it has none."""
    values, vectors = np.linalg.eigh(variance)
    kept = values > 1e-10 * max(scale, 1.0)
    if not kept.any():
        return np.nan, 0
    return float(np.sum((vectors[:, kept].T @ score) ** 2 / values[kept])), int(np.count_nonzero(kept))
