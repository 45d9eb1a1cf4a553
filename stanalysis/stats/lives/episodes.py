"""Synapse biographies: one row per life of a synapse, from a rewiring log or from checkpoints alone.

A synapse that dies and is born again between the same neurons is another episode of the same slot.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.event_file import KIND
from stanalysis.files.rewiring_log import by_synapse, projections_of
from stanalysis.kernels.neighbour_counts import neighbours_at_birth
from stanalysis.schema.lives import EPISODES, SIGHTINGS
from stanalysis.schema.network import EVENTS, REQUIRED_OF_SYNAPSES, SYNAPSES
from stanalysis.schema.variables import labelled, validate
from stanalysis.stats.engine.rounding import ROUNDING

RADIUS = 5.0  # in sources: within it two synapses are neighbours

_NEVER = np.iinfo(np.int64).max
_NARROW = {"source": np.int32, "target": np.int32, "contact": np.int32}


def episodes(log: xr.Dataset, projection: str, *, ms_per_source: float, radius: float = RADIUS, since: int = 0) -> xr.Dataset:
    """The life of every synapse of one projection, from birth to death or to the end of the log.

    Parameters
    ----------
    log
        As `stanalysis.files.read_log` returns it.
    projection
        Its name, as ``"input__hidden1"``.
    ms_per_source
        How many ms of delay are as far as one source.
    radius
        Two synapses of one target at most so many sources apart are neighbours, distance taken on the (source, delay) plane.
    since
        Step from which to watch. Of a synapse born earlier only the life from then on counts (left truncation: its ``entry``
        is its age at that step), and one that died by then is left out.

    Returns
    -------
    Dataset of EPISODES, dim episode, sorted by slot and birth; ages in training steps. ``same_sign`` and ``opposite_sign``
        count the neighbours that live at the end of the step of birth, at the delays with which they were born. Causes are
        those of `files.rewiring_log.CAUSE`. Attributes: ``projection``, ``complete_to_step``, at which what is alive is
        censored, ``since``, ``ms_per_source`` and ``radius``.

    Raises
    ------
    BadInput
        An unknown projection; a log that contradicts itself; a ``since`` outside the log.

    Notes
    -----
    A death is noticed at a rewiring, so ages are multiples of the steps between rewirings and known to within one.
    Everything about the neighbours is known at birth: a covariate measured later would need start-stop rows
    (`stanalysis.stats.start_stop`), for a synapse has to live to be measured.

    Examples
    --------
    One synapse dies at age 10 and another is born in its slot; a third lives on.

    >>> from stanalysis.files.rewiring_log import CAUSE
    >>> from stanalysis.schema.network import EVENTS
    >>> log = labelled(EVENTS, step=[0, 0, 10, 10], projection=[0] * 4, kind=[KIND.BIRTH, KIND.BIRTH, KIND.DEATH, KIND.BIRTH],
    ...                cause=[CAUSE.INITIAL, CAUSE.INITIAL, CAUSE.MAGNITUDE, CAUSE.REGROWN_AT_RANDOM], source=[3, 1, 1, 1],
    ...                target=[0] * 4, contact=[0] * 4, delay=[2.0, 7.5, 8.0, 3.0], weight=[0.5, -0.1, -0.01, 0.1],
    ...                gradient=[np.nan] * 4, rank=[0] * 4, sign=[1, -1, -1, 1])
    >>> log = log.assign_attrs(projections='["input__hidden1"]', complete_to_step=25)
    >>> result = episodes(log, "input__hidden1", ms_per_source=1.0)
    >>> result[["slot", "birth_step", "exit", "event", "same_sign", "opposite_sign"]].to_dataframe()
             slot  birth_step  exit  event  same_sign  opposite_sign
    episode
    0           0           0    10   True          0              0
    1           0          10    15  False          1              0
    2           1           0    25  False          0              0
    """
    validate(log, EVENTS, required=tuple(EVENTS), where="the rewiring log")
    names, end = projections_of(log.attrs, "the rewiring log"), int(log.attrs["complete_to_step"])
    if projection not in names:
        raise BadInput(f"The rewiring log has no projection {projection!r}; use one of {', '.join(names)}.")
    if not 0 <= since <= end:
        raise BadInput(f"since is {since}; give a step from 0 to {end}, up to which the log is complete.")
    order, first = by_synapse(log)
    in_projection = log["projection"].values[order] == names.index(projection)
    order, first = order[in_projection], first[in_projection]
    is_birth = log["kind"].values == KIND.BIRTH
    at = np.flatnonzero(is_birth[order])  # births and deaths of a synapse take turns
    born = order[at]
    event = np.append(~is_birth[order], False)[at + 1]
    died = order[np.minimum(at + 1, max(order.size - 1, 0))]  # where ``event``
    number = np.empty(in_projection.size, np.int64)  # of each event, the episode
    number[order] = np.cumsum(is_birth[order]) - 1
    in_time = np.sort(order)
    step = log["step"].values
    birth_step = step[born]
    columns: dict[str, np.ndarray] = {name: log[name].values[born].astype(_NARROW[name]) for name in _NARROW}
    columns |= {
        "slot": (np.cumsum(first) - 1)[at].astype(np.int32),
        "sign": log["sign"].values[born].astype(np.int8),
        "birth_delay": log["delay"].values[born],
        "birth_weight": log["weight"].values[born].astype(np.float32),
        "birth_step": birth_step.astype(np.int32),
        "entry": np.maximum(since - birth_step, 0).astype(np.int32),
        "exit": (np.where(event, step[died], end) - birth_step).astype(np.int32),
        "event": event,
        "birth_cause": log["cause"].values[born].astype(np.int8),
        "death_cause": np.where(event, log["cause"].values[died], -1).astype(np.int8),
        "death_delay": np.where(event, log["delay"].values[died], np.nan),
        "death_weight": np.where(event, log["weight"].values[died], np.nan).astype(np.float32),
    }
    columns |= _neighbours(
        step[in_time], number[in_time], is_birth[in_time], columns, ms_per_source=ms_per_source, radius=radius
    )
    result = labelled(EPISODES, **columns).assign_attrs(
        projection=projection, complete_to_step=end, since=since, ms_per_source=ms_per_source, radius=radius
    )
    return result.isel(episode=np.flatnonzero(columns["exit"] > columns["entry"])) if since else result


def sightings(tables: Mapping[int, xr.Dataset], *, ms_per_source: float, radius: float = RADIUS) -> xr.Dataset:
    """The life of every synapse seen in some checkpoints, as far as they tell it.

    Parameters
    ----------
    tables
        Synapse table of one projection at each kept step: ``source``, ``target``, ``contact``, ``delay`` [ms] and ``weight``,
        dim synapse. At least two.
    ms_per_source, radius
        As for `episodes`.

    Returns
    -------
    Dataset of SIGHTINGS, dim episode, sorted by slot and step. A synapse was born after ``absent_at`` and by ``first_seen``;
        it died after ``last_seen`` and by ``gone_at``. Delay, weight and neighbours are those at the first sight.

    Notes
    -----
    The sign is that of the first weight that is not 0, for a rewired synapse keeps its sign while its weight may fall to 0
    before it is pruned; 0 where there is none, and its neighbours are not counted.

    A synapse that was born and died between two checkpoints is not here, and one that died and was born again in its slot
    between two counts as one that lived on. Only `stanalysis.stats.fit_lifetimes` takes into account what was not seen.

    Examples
    --------
    >>> def table(*sources):
    ...     n = len(sources)
    ...     return labelled(SYNAPSES, source=sources, target=[0] * n, contact=[0] * n, delay=[1.0] * n, weight=[0.5] * n)
    >>> result = sightings({0: table(1, 2), 50: table(2, 3), 100: table(3)}, ms_per_source=1.0)
    >>> result[["source", "absent_at", "first_seen", "last_seen", "gone_at", "event"]].to_dataframe()
             source  absent_at  first_seen  last_seen  gone_at  event
    episode
    0             1         -1           0          0       50   True
    1             2         -1           0         50      100   True
    2             3          0          50        100       -1  False
    """
    steps = np.array(sorted(tables))
    if steps.size < 2:
        raise BadInput("Lifetimes need the synapses of at least two steps; give more checkpoints.")
    index = np.repeat(np.arange(steps.size), [tables[step].sizes["synapse"] for step in steps])
    for step, table in tables.items():
        validate(table, SYNAPSES, required=(*REQUIRED_OF_SYNAPSES, "contact"), where=f"the table of step {step}")
    rows = {
        name: np.concatenate([tables[step][name].values for step in steps])
        for name in ("source", "target", "contact", "delay", "weight")
    }
    order = np.lexsort([index, rows["contact"], rows["source"], rows["target"]])
    index, rows = index[order], {name: column[order] for name, column in rows.items()}
    changes = np.any([np.diff(rows[name]) != 0 for name in ("target", "source", "contact")], axis=0)
    slot = np.cumsum(np.append(False, changes)[: order.size])
    if (~changes & (np.diff(index) == 0)).any():
        raise BadInput("Two synapses share source, target and contact; number the synapses of each pair by contact.")
    breaks = changes | (np.diff(index) > 1)
    first, last = (np.flatnonzero(edge[: order.size]) for edge in (np.append(True, breaks), np.append(breaks, True)))
    start, stop = index[first], index[last]
    event = stop < steps.size - 1
    columns: dict[str, np.ndarray] = {name: rows[name][first].astype(_NARROW[name]) for name in _NARROW}
    columns |= {
        "slot": slot[first].astype(np.int32),
        "sign": _first_sign(rows["weight"], first, last),
        "birth_delay": rows["delay"][first],
        "birth_weight": rows["weight"][first].astype(np.float32),
        "absent_at": np.append(steps, -1)[start - 1],
        "first_seen": steps[start],
        "last_seen": steps[stop],
        "gone_at": np.where(event, np.append(steps, -1)[stop + 1], -1),
        "event": event,
    }
    n = first.size
    moment = np.concatenate([start, stop + 1])  # a death comes before a birth of the same step
    is_birth = np.repeat([True, False], n)
    in_time = np.lexsort([is_birth, moment])
    number = np.tile(np.arange(n), 2)[in_time]
    columns |= _neighbours(moment[in_time], number, is_birth[in_time], columns, ms_per_source=ms_per_source, radius=radius)
    return labelled(SIGHTINGS, **columns).assign_attrs(
        steps=[int(step) for step in steps], ms_per_source=ms_per_source, radius=radius
    )


def _first_sign(weight: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Sign of the first weight that is not 0 in each stretch from row ``first`` to row ``last``; 0 if there is none."""
    row = np.where(weight != 0, np.arange(weight.size), weight.size)
    following = np.minimum.accumulate(row[::-1])[::-1][first] if weight.size else first
    sign = np.sign(weight[np.minimum(following, last)])
    return np.where(following <= last, sign, 0).astype(np.int8)


def neighbours_of(
    table: xr.Dataset, sign: np.ndarray, *, ms_per_source: float, radius: float = RADIUS
) -> tuple[np.ndarray, np.ndarray]:
    """Number of neighbours of the same and of the opposite sign of every synapse of a table; as for `episodes`.

    The ``sign`` of each synapse is given apart: a weight may have fallen to 0, and 0 has none. One of sign 0 has no neighbours
    and is none.
    """
    n = table.sizes["synapse"]
    columns = {
        "target": table["target"].values.astype(np.int32),
        "source": table["source"].values.astype(np.int32),
        "birth_delay": table["delay"].values,
        "sign": sign.astype(np.int8),
    }
    together, every = np.zeros(n, np.int64), np.ones(n, bool)
    result = _neighbours(together, np.arange(n), every, columns, ms_per_source=ms_per_source, radius=radius)
    return result["same_sign"], result["opposite_sign"]


def alive_at(lives: xr.Dataset, synapses: xr.Dataset, step: int) -> np.ndarray:
    """Of each synapse of a table, in its order, the index of its life in `episodes` or `sightings`.

    `BadInput` unless the synapses are just those that live at the end of that step.
    """
    births, ends = span(lives)
    alive = np.flatnonzero((births <= step) & (step < ends))
    order = np.lexsort([synapses[name].values for name in ("contact", "source", "target")])
    same = alive.size == order.size and all(
        (lives[name].values[alive] == synapses[name].values[order]).all() for name in ("target", "source", "contact")
    )
    if not same:
        raise BadInput(
            f"The rewiring log does not lead to the synapses of step {step}: it is that of another run, or damaged; restore "
            "it, or move it away to analyse the checkpoints alone."
        )
    chosen = np.empty(order.size, np.int64)
    chosen[order] = alive
    return chosen


def span(lives: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Steps at which each synapse is there, or seen, for the first time, and is so no longer."""
    event = lives["event"].values
    if "birth_step" in lives:
        births = lives["birth_step"].values.astype(np.int64)
        return births, np.where(event, births + lives["exit"].values, _NEVER)
    return lives["first_seen"].values.astype(np.int64), np.where(event, lives["gone_at"].values, _NEVER)


def _neighbours(
    step: np.ndarray,
    number: np.ndarray,
    is_birth: np.ndarray,
    columns: Mapping[str, np.ndarray],
    *,
    ms_per_source: float,
    radius: float,
) -> dict[str, np.ndarray]:
    if not (ms_per_source > 0 and radius > 0):
        raise BadInput(f"ms_per_source is {ms_per_source} and radius {radius}; give numbers above 0.")
    same, opposite = np.zeros((2, columns["target"].size), np.int32)
    neighbours_at_birth(
        step,
        number,
        is_birth,
        columns["target"],
        columns["source"].astype(np.float64),
        columns["birth_delay"] / ms_per_source,
        columns["sign"],
        radius * (1 + ROUNDING),
        same,
        opposite,
    )
    return {"same_sign": same, "opposite_sign": opposite}
