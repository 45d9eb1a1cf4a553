"""Directed surgery: exchanges among the synapses of each target that raise, leave or lower grouping, at equal dose.

Any shuffle harms a network, whatever it does to grouping. Here the arms differ in what becomes of grouping alone: as many
synapses are moved, as much magnitude, and the change of each receptive field has the same energy in the metric of its input.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.files.operations import Arm
from stanalysis.kernels.permutations import GOLDEN
from trainers.operations.dose import InputMetric
from trainers.operations.exchanges import DELAYS, SIGNS, Metric, Target, exchanged, grouping_of

NEAR: Final = 2.0  # standard deviation, in sources and in bins of delay, of what counts as near
KINDS: Final = {"delays": DELAYS, "signs": SIGNS}
DIRECTIONS: Final[dict[Arm, int]] = {"raise": 1, "leave": 0, "lower": -1}


def near(n_source: int, n_delay: int) -> NDArray[np.float64]:
    """How much two synapses count that lie so many sources and bins apart, dims (source, delay)."""
    source, delay = np.ogrid[:n_source, :n_delay]
    weigh: NDArray[np.float64] = np.exp(-(source**2 + delay**2) / (2 * NEAR**2))
    return weigh


def grouping(table: xr.Dataset, metric: InputMetric) -> float:
    """Moran's I of signs over near synapses, the mean over the targets that have one; NaN where none has.

    A pair counts ``exp(-distance**2 / 8)``, distances being in sources and bins of delay.
    """
    weigh, rows = near(int(table.attrs["n_source"]), metric.n_delay), _by_target(table)
    source, delay, weight = _columns(table, metric)
    every = [grouping_of(source[k], delay[k], weight[k], weigh) for k in rows]
    known = [value for value in every if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def directed(
    table: xr.Dataset, metric: InputMetric, what: str, share: float, arm: Arm, *, matched: bool, stream: int, draw: int
) -> xr.Dataset:
    """A projection after directed surgery.

    Parameters
    ----------
    table
        Its synapses; sources must have an order, or nothing is near.
    metric
        Of its input.
    what
        ``delays``, which are exchanged between two synapses, or ``signs``, of two that have different ones.
    share
        Of the synapses of each target, to be moved.
    arm
        What becomes of `grouping`.
    matched
        Whether the sets have the energy and the magnitude that sets of exchanges at random have; otherwise arms move as many
        synapses, and nothing else is equal.
    stream, draw
        Address of the random numbers.
    """
    source, delay, weight = _columns(table, metric)
    partner = np.arange(weight.size)
    ruler = Metric(metric.covariance, metric.n_delay, near(int(table.attrs["n_source"]), metric.n_delay))
    for number, rows in enumerate(_by_target(table)):
        n_pair = int(share * rows.size / 2 + 0.5)
        if n_pair == 0:
            continue
        target, beside = Target(source[rows], delay[rows], weight[rows]), np.empty(rows.size, np.int64)
        address = np.uint64((stream + number * int(GOLDEN)) % 2**64)
        exchanged(KINDS[what], target, ruler, n_pair, DIRECTIONS[arm], matched, address, np.uint64(draw), beside)
        partner[rows] = rows[beside]
    if what == "delays":
        return table.assign(delay=table["delay"].copy(data=table["delay"].to_numpy()[partner]))
    column = table["weight"].to_numpy()
    return table.assign(weight=table["weight"].copy(data=np.where(partner == np.arange(weight.size), column, -column)))


def _columns(table: xr.Dataset, metric: InputMetric) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Source, bin of delay, and weight of every synapse."""
    return (
        table["source"].to_numpy().astype(np.int64),
        metric.bins(table["delay"].to_numpy()),
        table["weight"].to_numpy().astype(np.float64),
    )


def _by_target(table: xr.Dataset) -> list[NDArray[np.int64]]:
    """The rows of each target, in the order of the table."""
    target = table["target"].to_numpy()
    order = np.argsort(target, kind="stable")
    begin = np.searchsorted(target[order], np.arange(int(table.attrs["n_target"]) + 1))
    return [order[first:last] for first, last in pairwise(begin)]
