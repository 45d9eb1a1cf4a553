r"""Which synapses rewiring tries, and whether it comes back to places that it left, beside growth at random.

**The null** says where synapses grow, and nothing of which die. At each rewiring the births of the log are dealt out
uniformly, without replacement, among the places that are free before it; those of synapses that die at that rewiring are not
free yet. That is what DEEP R does here with ``grow`` "random". Deaths are never rearranged: synapses may live shorter at some
places than at others, as they do, without a p-value suffering from it. What each expectation is given:

- exploration: how many are born at each rewiring, and the pairs at step 0. Untried pairs have all their places free, whatever
  died elsewhere, so that their number goes its way by itself.
- revisit rate: besides, the steps at which pairs are left empty for the first time. From then on each waits to be chosen.
- return share: all that the log tells up to each rewiring, so that each birth is compared with those that were possible
  there and then, as in a log-rank test.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.event_file import CAUSE
from stanalysis.schema.lives import EPISODES, EXPLORATION
from stanalysis.schema.variables import described, validate
from stanalysis.stats.engine.draws import Purpose, generator, p_values, z_scores
from stanalysis.stats.engine.null_test import check_alternative, check_seed
from stanalysis.stats.engine.nulls import Alternative
from stanalysis.stats.engine.rounding import ROUNDING

N_PERMUTATIONS: Final = 199
SHARES: Final = ("exploration", "revisit_rate", "return_share")
_MOST_PLACES: Final = 10**9  # of which numpy can draw; of more a birth takes away nothing that could be noticed
_NEVER: Final = np.iinfo(np.int64).max


def exploration(
    lives: xr.Dataset,
    *,
    n_source: int,
    n_target: int,
    places: int = 1,
    n_permutations: int = N_PERMUTATIONS,
    alternative: Alternative = "two-sided",
    seed: int = 0,
) -> xr.Dataset:
    r"""How many of all possible synapses were tried, and how often growth came back, beside growth at random.

    .. math:: \text{exploration} = \frac{|J|}{n}, \quad
              \text{revisit rate} = \frac{|\{p \in L : p \text{ joined again}\}|}{|L|}, \quad
              \text{return share} = \frac{1}{b} \sum_k [p_k \text{ left before}]

    over the n (source, target) pairs, J those that a synapse ever joined, L those that were ever left: whose last synapse was
    pruned, while none was born there; b births after step 0, :math:`p_k` the pair of birth k, left before if it is empty
    before that rewiring and was not always.

    Parameters
    ----------
    lives
        `stanalysis.stats.episodes` of one network, from its first step on.
    n_source, n_target
        Size of the projection.
    places
        How many places a pair has, among which growth chooses: 1 where it chooses among pairs, the number of delay bins where
        it chooses among all (source, target, delay bin).
    n_permutations
        Draws of the null; 0 gives shares and expectations alone.
    alternative
        "greater", "less" or "two-sided".
    seed
        Draws are addressed by seed and step.

    Returns
    -------
    Dataset of ``exploration``, ``revisit_rate``, ``return_share``, each also with ``_expected``, ``_z`` and ``_p``,
        dimensionless; ``n_possible`` pairs, ``n_births`` after step 0, ``n_left`` pairs that were ever left;
        ``explored`` and ``explored_expected`` (step), exploration up to the end of step 0 and of each rewiring with births.

        NaN: ``return_share`` without births after step 0, as of fixed connectivity or where every pair is joined and nothing
        can grow elsewhere; ``revisit_rate`` where no pair was left; all expectations, z-scores and p-values
        without births, and where a birth takes a place that was not free, for the log then is not of growth as the null has
        it. Otherwise a null that has one outcome only gives p = 1 and no z.

    Raises
    ------
    BadInput
        No episodes, or watched from a later step on; a neuron beyond the size of the projection; an option out of range.

    Notes
    -----
    With :math:`f_t` free places before rewiring t, :math:`k_t` births there and c places of a pair, an empty pair is
    passed over with probability :math:`q_t = \binom{f_t - c}{k_t} / \binom{f_t}{k_t}`. The expectations are exact: of
    exploration :math:`1 - u_0 / n \prod_t q_t`, with :math:`u_0` pairs untried at step 0; of the revisit rate the mean over
    L of :math:`1 - \prod_{t > s} q_t`, s the step at which the pair was first left; of the return share
    :math:`\sum_t k_t w_t / f_t / b`, with :math:`w_t` the places of pairs left before.

    With one place, exploration and return share test the same births: what is not a return is a pair tried for the first time.
    The second is compared with what is at hand at each rewiring, and so tells more where growth is far from random. That its
    p-value takes the rewirings for independent is right to first order, as for any sum of observed less expected numbers.

    With several places, synapses of one pair whose delays moved into one bin count as taking two, which is one too many. A
    synapse that was born again in its place at once, for want of another, counts as one that lived on.

    References
    ----------
    Liu, Yin, Mocanu & Pechenizkiy (2021), in-time over-parameterization, https://doi.org/10.48550/arXiv.2102.02887
    Bellec, Kappel, Maass & Legenstein (2018), DEEP R, https://doi.org/10.48550/arXiv.1711.05136
    Phipson & Smyth (2010), https://doi.org/10.2202/1544-6115.1585

    Examples
    --------
    Of ten pairs one is joined at first. Its synapse moves to another pair and comes back, five times.

    >>> from stanalysis.schema.variables import labelled
    >>> step = np.arange(0, 110, 10)
    >>> lives = labelled(EPISODES, slot=step // 10 % 2, source=step // 10 % 2, target=0 * step, birth_step=step,
    ...                  exit=0 * step + 10, event=step < 100, birth_cause=[CAUSE.INITIAL, *[CAUSE.REGROWN_AT_RANDOM] * 10])
    >>> result = exploration(lives, n_source=5, n_target=2, seed=0)
    >>> for name in SHARES:
    ...     print(name, *(float(result[f"{name}{part}"].round(3)) for part in ("", "_expected", "_p")))
    exploration 0.2 0.723 0.01
    revisit_rate 1.0 0.632 0.76
    return_share 0.9 0.1 0.01
    """
    check_alternative(alternative)
    check_seed(seed)
    if n_permutations < 0 or places < 1:
        raise BadInput(f"n_permutations is {n_permutations}, places {places}; give at least 0 draws and 1 place of each pair.")
    history = _history(lives, n_source=n_source, n_target=n_target, places=places)
    grown, n_left, n = int(history.born.sum()), int(history.left.sum()), n_source * n_target
    passed = _passed_over(history.free, history.born, places)
    explored_expected = 1 - (n - history.n_first) / n * np.append(1.0, np.cumprod(passed))
    divisors = np.array([n, n_left, grown], np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):  # shares of nothing, or of places that are not there
        observed = np.array([history.n_joined[-1], history.n_revisited, history.n_returns]) / divisors
        expected = np.array(
            [
                n * explored_expected[-1],
                np.sum(history.left * (1 - np.append(np.cumprod(passed[::-1])[::-1], 1.0))),
                np.sum(history.born * history.left_places / history.free),
            ]
        )
        expected = np.where(np.isnan(observed), np.nan, expected / divisors)
        draws = _draws(history, n - history.n_first, places, n_permutations, seed) / divisors[:, None]
    p = p_values(observed, draws, alternative=alternative, resolution=ROUNDING)
    z = z_scores(observed, expected, draws, resolution=ROUNDING)
    told = grown > 0 and history.possible
    values = {"n_possible": n, "n_births": grown, "n_left": n_left}
    for i, name in enumerate(SHARES):
        beside = {"_expected": expected[i], "_z": z[i], "_p": p[i]}
        values |= {name: observed[i]} | {f"{name}{part}": value if told else np.nan for part, value in beside.items()}
    unknown = np.full_like(explored_expected, np.nan)
    curves = {"explored": history.n_joined / n, "explored_expected": explored_expected if told else unknown}
    result = xr.Dataset(
        {name: ((), value) for name, value in values.items()} | {name: ("step", curve) for name, curve in curves.items()},
        {"step": np.append(0, history.step)},
        {
            "null": "random growth",
            "places": places,
            "n_permutations": n_permutations,
            "alternative": alternative,
            "seed": seed,
        },
    )
    return described(result, EXPLORATION)


class _History(NamedTuple):
    """What the log tells of each rewiring with births, and of the pairs."""

    step: np.ndarray  # (rewiring,)
    born: np.ndarray  # (rewiring,) births
    free: np.ndarray  # (rewiring,) places free before it
    left_places: np.ndarray  # (rewiring,) those of pairs that are empty then and were not always
    n_first: int  # pairs joined at step 0
    n_joined: np.ndarray  # (1 + rewiring,) pairs joined up to its end, from step 0 on
    left: np.ndarray  # (rewiring + 1,) pairs first left empty since the rewiring before; after the last behind them
    n_revisited: int  # of these pairs, those joined again later
    n_returns: int  # births in pairs left empty before
    possible: bool  # whether each birth took a place that was free


def _history(lives: xr.Dataset, *, n_source: int, n_target: int, places: int) -> _History:
    """Count what happened; `BadInput` if these are no whole episodes of such a projection."""
    required = ("slot", "source", "target", "birth_step", "exit", "event", "birth_cause")
    validate(lives, EPISODES, required=required, where="the episodes")
    if int(lives.attrs.get("since", 0)) > 0:
        raise BadInput(f"The episodes are watched from step {lives.attrs['since']} on; give those since step 0.")
    for name, size in (("source", n_source), ("target", n_target)):
        if size < 1 or not ((lives[name] >= 0) & (lives[name] < size)).all():
            raise BadInput(f"A synapse has a {name} outside the {size} that the projection has; give its size.")
    pair, birth, death = _lived_on(lives, n_source)
    step, born = np.unique(birth[birth > 0], return_counts=True)
    # A synapse takes a place before each rewiring after its birth, that of its death included; a pair is joined likewise.
    number, first, start, end = _stretches(pair, birth, death)
    left = end[first & (end < _NEVER)]
    joined = np.sort(start[first])
    free = n_source * n_target * places - _number_of(step, birth, death)
    return _History(
        step=step,
        born=born,
        free=free,
        left_places=places * (np.searchsorted(joined, step) - _number_of(step, start, end)),
        n_first=int(np.count_nonzero(joined == 0)),
        n_joined=np.searchsorted(joined, np.append(0, step), "right"),
        left=np.bincount(np.searchsorted(step, left, "right"), minlength=step.size + 1),
        n_revisited=int(np.count_nonzero(first[:-1] & ~first[1:])),
        n_returns=int(np.count_nonzero((birth == start[number]) & ~first[number])),
        possible=_had_room(pair, birth, death, places) and bool((born <= free).all()),
    )


def _lived_on(lives: xr.Dataset, n_source: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pair, birth and death of each life, sorted so; one that went on in its place at once is one with the next."""
    birth = lives.birth_step.values.astype(np.int64)
    order = np.lexsort([birth, lives.slot.values])
    rows, birth = lives.isel(episode=order), birth[order]
    death = np.where(rows.event.values, birth + rows.exit.values, _NEVER)
    goes_on = rows.birth_cause.values == CAUSE.REBORN_IN_PLACE
    ends = ~np.append(goes_on[1:], False)[: goes_on.size]
    pair = rows.target.values.astype(np.int64) * n_source + rows.source.values
    pair, birth, death = pair[~goes_on], birth[~goes_on], death[ends]
    order = np.lexsort([birth, pair])
    return pair[order], birth[order], death[order]


def _stretches(pair: np.ndarray, birth: np.ndarray, death: np.ndarray) -> tuple[np.ndarray, ...]:
    """The stretches of time in which pairs are joined: of each life the stretch that it is in, as its number; of each stretch
    whether it is the first of its pair, and from which step to which it lasts.
    """
    steps = np.unique(np.concatenate([birth, death]))
    until = np.maximum.accumulate(pair * steps.size + np.searchsorted(steps, death))  # the last death so far, by pairs in order
    other = np.append(True, pair[1:] != pair[:-1])[: pair.size]
    begins = other | np.append(True, birth[1:] > steps[until[:-1] % max(steps.size, 1)])[: pair.size]
    ends = np.append(begins[1:], True)[: pair.size]
    return np.cumsum(begins) - 1, other[begins], birth[begins], steps[until[ends] % max(steps.size, 1)]


def _number_of(step: np.ndarray, after: np.ndarray, until: np.ndarray) -> np.ndarray:
    """Of each step, how many stretches it lies in: after their beginning, and at their end at the latest."""
    real = after < until
    ends = np.searchsorted(np.sort(until[real]), step)
    result: np.ndarray = np.searchsorted(np.sort(after[real]), step) - ends
    return result


def _had_room(pair: np.ndarray, birth: np.ndarray, death: np.ndarray, places: int) -> bool:
    """Whether the pairs of all births after step 0 had places for these beside the synapses that lived before."""
    steps = np.unique(np.concatenate([birth, death]))
    born, died = (np.sort(pair * steps.size + np.searchsorted(steps, when)) for when in (birth, death))
    asked, n_new = np.unique(born[birth > 0], return_counts=True)
    begin = asked // max(steps.size, 1) * steps.size  # of the pair
    living = np.searchsorted(born, asked) - np.searchsorted(born, begin)
    living -= np.searchsorted(died, asked) - np.searchsorted(died, begin)
    return bool((living + n_new <= places).all())


def _passed_over(free: np.ndarray, born: np.ndarray, places: int) -> np.ndarray:
    """Probability that none of the births of a rewiring falls on a pair all of whose places are free, shape (rewiring,)."""
    left = free - np.arange(places)[:, None]
    result: np.ndarray = np.prod(np.clip(1 - born / np.maximum(left, 1), 0, 1), axis=0)
    return result


def _draws(history: _History, n_untried: int, places: int, n_draws: int, seed: int) -> np.ndarray:
    """Of each draw the pairs joined, those revisited and the returns, shape (share, draw)."""
    untried, (waiting, revisited, returns) = np.full(n_draws, n_untried), np.zeros((3, n_draws), np.int64)
    if history.possible and n_draws:
        for t, (step, k, free) in enumerate(zip(history.step, history.born, history.free, strict=True)):
            random = generator(seed, Purpose.GROWTH, int(step))
            untried -= _chosen_pairs(random, untried, places, free=int(free), born=int(k))
            waiting += history.left[t]
            again = _chosen_pairs(random, waiting, places, free=int(free), born=int(k))
            waiting, revisited = waiting - again, revisited + again
            returns += _births_at(random, np.full(n_draws, history.left_places[t]), free=int(free), born=int(k))
    return np.stack([history.n_first + n_untried - untried, revisited, returns])


def _births_at(random: np.random.Generator, some: np.ndarray, *, free: int, born: int) -> np.ndarray:
    """How many of the births fall on ``some`` of the free places (draw,)."""
    some = np.minimum(some, free)
    drawn = random.binomial(born, some / free) if free >= _MOST_PLACES else random.hypergeometric(some, free - some, born)
    return np.asarray(drawn, np.int64)


def _chosen_pairs(random: np.random.Generator, pairs: np.ndarray, places: int, *, free: int, born: int) -> np.ndarray:
    """On how many different of some pairs (draw,), all of whose places are free, births fall."""
    births = _births_at(random, pairs * places, free=free, born=born)
    if places == 1:
        return births
    chosen = np.zeros_like(births)
    for k in range(int(births.max(initial=0))):  # one after the other: is it the first of its pair?
        left, fresh = pairs * places - k, (pairs - chosen) * places
        chosen += (k < births) & (random.random(births.size) * left < fresh)
    return chosen
