"""How many synapses were watched at each age, and how many died: all that survival curves and tests need."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.schema.lives import EPISODES, LIFE_TABLE
from stanalysis.schema.variables import labelled, validate

Clock = Literal["age", "step"]

UNTOLD: Final = -1  # the cause of deaths where episodes do not tell it


def life_table(
    episodes: xr.Dataset,
    *,
    by: str | None = None,
    groups: Sequence[Hashable] | None = None,
    clock: Clock = "age",
) -> xr.Dataset:
    r"""Synapses at risk and deaths at every age, by run and group.

    .. math:: n(a) = \#\{i : \mathrm{entry}_i < a \le \mathrm{exit}_i\}, \qquad
        d(a) = \#\{i : \mathrm{exit}_i = a, \mathrm{event}_i\}

    So a synapse first watched at an age is at risk from just after that age (late entry), and one that dies or is
    censored at an age is still at risk at it.

    Parameters
    ----------
    episodes
        The variables ``entry``, ``exit`` and ``event`` of EPISODES. Whole numbers ``run`` tell networks apart; without them
        all are of run 0. With ``death_cause`` deaths are counted by cause.
    by
        Name of the variable that groups the episodes: whole numbers, truth values or text. An episode whose text is empty is
        left out and counted.
    groups
        The groups, in this order; episodes of others are left out and counted. By default every distinct value, sorted.
    clock
        What an age is: "age", steps since the birth of the synapse, or "step", steps of the training, at which a synapse
        enters when it is born. The latter needs ``birth_step``.

    Returns
    -------
    Dataset of ``at_risk``, dims (run, group, age), ``deaths``, dims (run, cause, group, age), and ``n_episodes``, dims
        (run, group). The ages are 0 and every age at which an episode is entered or left, so nobody comes or goes between
        two of them. At age 0 those are at risk that are watched from then on. Without ``by`` there is one group, "all";
        without causes one cause, -1. Attribute ``n_left_out``: episodes without a group. Episodes that are left as they are
        entered were never watched and count nowhere.

    Raises
    ------
    BadInput
        A missing variable, an unknown clock or group, an age below 0, an exit before the entry, or real numbers to group by.

    References
    ----------
    Klein & Moeschberger (2003), Survival Analysis, section 4.6 (late entry), https://doi.org/10.1007/b97377

    Examples
    --------
    Of three synapses one dies at age 10 and one at 20; the third is watched from age 10 to 30.

    >>> episodes = labelled(EPISODES, entry=[0, 0, 10], exit=[10, 20, 30], event=[True, True, False])
    >>> table = life_table(episodes)
    >>> print(table.at_risk.squeeze().to_series().to_string())
    age
    0     2
    10    2
    20    2
    30    1
    >>> table.deaths.sum(("run", "cause", "group")).values
    array([0, 1, 1, 0])
    """
    entry, left, event = watched(episodes, clock=clock)
    run, runs = coded(episodes, "run") if "run" in episodes else (np.zeros(entry.size, np.intp), np.zeros(1, np.int64))
    group, names = coded(episodes, by, groups) if by is not None else (np.zeros(entry.size, np.intp), np.array(["all"]))
    missing = group < 0
    counted = ~missing & (left > entry)
    entry, left, event, run, group = (x[counted] for x in (entry, left, event, run, group))
    cause, causes = _causes(episodes, counted, event)

    ages = distinct_ages(entry, left)
    shape = (len(runs), len(names), len(ages))
    cell = run * len(names) + group
    at_risk = count_at_risk(cell, place(ages, entry), place(ages, left), shape)
    cause_cell = (run[event] * len(causes) + cause) * len(names) + group[event]
    deaths = count(cause_cell, place(ages, left[event]), (len(runs), len(causes), *shape[1:]))
    coords = {"run": runs, "group": names, "age": ("age", ages, {"units": "step"})}
    return labelled(
        LIFE_TABLE,
        at_risk=xr.DataArray(at_risk, coords, ("run", "group", "age")),
        deaths=xr.DataArray(deaths, coords | {"cause": causes}, ("run", "cause", "group", "age")),
        n_episodes=xr.DataArray(
            np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape[:2]),
            {"run": runs, "group": names},
            ("run", "group"),
        ),
    ).assign_attrs(by=by or "", clock=clock, n_left_out=int(np.count_nonzero(missing)))


def mean_lifetimes(episodes: xr.Dataset, n_target: int) -> xr.DataArray:
    r"""Steps lived by all synapses of each target over deaths among them: how long they live, if their hazard is constant.

    .. math:: \frac{\sum_i (\mathrm{exit}_i - \mathrm{entry}_i)}{\#\{i : \mathrm{event}_i\}}

    It assumes that the hazard does not change with age. Where initial and grown synapses differ it is a mixture of the two,
    and it may exceed the steps watched. A censored synapse counts with the steps for which it was watched.

    Parameters
    ----------
    episodes
        The variables ``target``, ``entry``, ``exit`` and ``event`` of EPISODES, of one network.
    n_target
        Number of targets.

    Returns
    -------
    DataArray (target), in steps; NaN where no synapse died.

    Raises
    ------
    BadInput
        A missing variable, a target outside 0 to ``n_target`` - 1, an age below 0 or an exit before the entry.

    References
    ----------
    Klein & Moeschberger (2003), Survival Analysis, section 3.5, https://doi.org/10.1007/b97377

    Examples
    --------
    Of the two synapses of neuron 0 one dies at age 10, the other is still alive at 30; the one of neuron 1 never dies.

    >>> lives = labelled(EPISODES, target=[0, 0, 1], entry=[0, 0, 0], exit=[10, 30, 30], event=[True, False, False])
    >>> mean_lifetimes(lives, 2).values
    array([40., nan])
    """
    entry, left, event = watched(episodes, clock="age")
    validate(episodes, EPISODES, required=("target",), where="the episodes")
    target = episodes["target"].to_numpy()
    if target.size and not 0 <= target.min() <= target.max() < n_target:
        raise BadInput(f"some targets are outside 0 to {n_target - 1}; give the number of targets of the projection")
    lived = np.bincount(target, left - entry, minlength=n_target)
    deaths = np.bincount(target[event], minlength=n_target)
    mean = np.divide(lived, deaths, out=np.full(n_target, np.nan), where=deaths > 0)
    attrs = {"units": "step", "long_name": "steps lived by the synapses per death"}
    return xr.DataArray(mean, {"target": np.arange(n_target)}, ("target",), "mean_lifetime", attrs)


def watched(episodes: xr.Dataset, *, clock: Clock) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entry, exit and event of every episode on the clock; raise `BadInput` where they cannot be."""
    if clock not in get_args(Clock):
        raise BadInput(f"the clock is {clock!r}; use one of {', '.join(get_args(Clock))}")
    required = ("entry", "exit", "event") + (("birth_step",) if clock == "step" else ())
    validate(episodes, EPISODES, required=required, where="the episodes")
    entry, left, event = (episodes[name].to_numpy() for name in ("entry", "exit", "event"))
    if (entry < 0).any():
        raise BadInput("an episode is entered at an age below 0; ages are whole steps since birth")
    if (left < entry).any():
        raise BadInput("an episode is left before it is entered; give an exit at or after the entry")
    if clock == "step":
        born = episodes["birth_step"].to_numpy()
        entry, left = entry + born, left + born
    return entry, left, event


def coded(episodes: xr.Dataset, name: str, groups: Sequence[Hashable] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The group of every episode as an index, -1 for none, and the groups, sorted unless given."""
    if name not in episodes or episodes[name].dims != ("episode",):
        raise BadInput(f"the episodes have no variable {name!r} along episode; give one that they have")
    values = episodes[name].to_numpy()
    if values.dtype.kind not in "biuUOT":
        raise BadInput(f"{name!r} is of type {values.dtype}; group by whole numbers, truth values or text")
    text = values.dtype.kind in "UOT"
    codes, values_of_codes = pd.factorize(values.astype(object) if text else values, sort=True)
    labels = np.asarray(values_of_codes).astype(str) if text else np.asarray(values_of_codes)
    wanted = labels[labels != ""] if groups is None else np.asarray(list(groups))
    if len(set(wanted.tolist())) < len(wanted):
        raise BadInput("the groups name one twice; name each once")
    position = {value: i for i, value in enumerate(wanted.tolist())}
    index = np.array([position.get(value, -1) for value in labels.tolist()] + [-1], np.intp)  # a code of -1 takes the last
    return index[codes], wanted


def distinct_ages(entry: np.ndarray, left: np.ndarray) -> np.ndarray:
    """0 and every age at which an episode is entered or left, in order."""
    return np.unique(np.concatenate([np.zeros(1, np.int64), pd.unique(entry), pd.unique(left)]))


def place(ages: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where each value is among the ages."""
    result: np.ndarray = np.searchsorted(ages, np.arange(ages[-1] + 1))[values]  # ten times as fast as searching for each
    return result


def count(cell: np.ndarray, age: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """How many are in each cell at each age, the cells being all dims of the shape but the last."""
    return np.bincount(cell * shape[-1] + age, minlength=int(np.prod(shape))).reshape(shape)


def count_at_risk(cell: np.ndarray, entry: np.ndarray, left: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """How many of each cell are at risk at each age, from the indices of the ages at which they are entered and left."""
    entered, gone = (np.cumsum(count(cell, age, shape), axis=-1) for age in (entry, left))
    at_risk = np.zeros(shape, np.int64)
    at_risk[..., 1:] = (entered - gone)[..., :-1]
    at_risk[..., 0] = entered[..., 0]  # nobody is watched before age 0: show who is from then on
    return at_risk


def _causes(episodes: xr.Dataset, counted: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if "death_cause" not in episodes:
        return np.zeros(np.count_nonzero(event), np.intp), np.array([UNTOLD])
    codes, causes = pd.factorize(episodes["death_cause"].to_numpy()[counted][event], sort=True)
    return codes, np.asarray(causes)
