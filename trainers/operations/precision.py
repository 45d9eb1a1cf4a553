"""Less exact delays and weights: what the operations of the family ``precision`` do to a table of synapses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

Delays = NDArray[np.float64]


def imprecise(table: xr.Dataset, operation: str, level: float, random: np.random.Generator) -> xr.Dataset:
    """A projection after an operation.

    Parameters
    ----------
    table
        Its synapses, with ``weight`` and ``delay`` in ms, dims (synapse); the attribute ``delay_max`` is the longest delay.
    operation
        Its name in `stanalysis.files.operations.OPERATIONS`, of the family ``precision``.
    level
        In the unit of that record.
    random
        For operations in which chance has a part.

    Examples
    --------
    >>> from stanalysis.synthetic.network import small_network
    >>> table = small_network()["projections/input__hidden1"].to_dataset()
    >>> coarse = imprecise(table, "delay-levels", 2, np.random.default_rng(0))
    >>> sorted({float(delay) for delay in coarse.delay})
    [0.0, 40.0]
    """
    if operation in _OF_WEIGHTS:
        weight = table["weight"].to_numpy().astype(np.float64)
        return _with(table, "weight", _OF_WEIGHTS[operation](weight, level, random))
    delay = np.clip(_OF_DELAYS[operation](table, level, random), 0, float(table.attrs["delay_max"]))
    return _with(table, "delay", delay)


def _with(table: xr.Dataset, what: str, values: Delays) -> xr.Dataset:
    column = table[what]
    return table.assign({what: column.copy(data=values.astype(column.dtype))})


def _delay(table: xr.Dataset) -> Delays:
    return table["delay"].to_numpy().astype(np.float64)


def on_levels(table: xr.Dataset, level: float, random: np.random.Generator) -> Delays:  # noqa: ARG001
    """Delays rounded to the nearest of so many levels, evenly from 0 to the longest; of one, to half the longest."""
    longest, delay = float(table.attrs["delay_max"]), _delay(table)
    if level == 1 or longest == 0:
        return np.full(delay.size, longest / 2)
    step = longest / (level - 1)
    return np.rint(delay / step) * step


def jittered(table: xr.Dataset, level: float, random: np.random.Generator) -> Delays:
    """Delays with noise of so many ms; synapses that share one delay share the noise."""
    delay, kind = _delay(table), table.attrs["delay_kind"]
    noise = random.normal(0, level, delay.size)
    if kind in ("axonal", "dendritic"):
        noise = noise[table["source" if kind == "axonal" else "target"].to_numpy()]
    return delay + noise


def clipped(table: xr.Dataset, level: float, random: np.random.Generator) -> Delays:  # noqa: ARG001
    """Delays of at most such a share of the longest."""
    return np.minimum(_delay(table), level * float(table.attrs["delay_max"]))


def _some_to_mean(order: Callable[[Delays, np.random.Generator], NDArray]) -> Callable[..., Delays]:
    """Set such a share of the delays, the first in an order, to the mean of all."""

    def averaged(table: xr.Dataset, level: float, random: np.random.Generator) -> Delays:
        delay = _delay(table)
        result = delay.copy()
        result[order(delay, random)[: round(level * delay.size)]] = delay.mean() if delay.size else 0
        return result

    return averaged


def _mean_per(end: str, *, weighted: bool) -> Callable[..., Delays]:
    """Set delays to the mean of those with the same source, or target."""

    def averaged(table: xr.Dataset, level: float, random: np.random.Generator) -> Delays:  # noqa: ARG001
        neuron, delay = table[end].to_numpy(), _delay(table)
        heaviness = np.abs(table["weight"].to_numpy().astype(np.float64)) if weighted else np.ones(delay.size)
        n = int(table.attrs[f"n_{end}"])
        total, whole = np.bincount(neuron, heaviness, n), np.bincount(neuron, heaviness * delay, n)
        plain = np.bincount(neuron, delay, n) / np.maximum(np.bincount(neuron, minlength=n), 1)
        mean = np.divide(whole, total, out=plain, where=total > 0)
        result: Delays = mean[neuron]
        return result

    return averaged


def on_bits(weight: Delays, level: float, random: np.random.Generator) -> Delays:  # noqa: ARG001
    """Weights rounded to a grid even about 0 that so many bits can name; of one bit, their signs times the mean magnitude."""
    if not weight.size:
        return weight
    if level == 1:
        return np.sign(weight) * np.abs(weight).mean()
    step = np.abs(weight).max() / (2 ** (level - 1) - 1)
    return np.rint(weight / step) * step if step else weight


def noisy(weight: Delays, level: float, random: np.random.Generator) -> Delays:
    """Weights with noise of so many of their root mean squares."""
    return weight + random.normal(0, level, weight.size) * np.sqrt(np.mean(weight**2)) if weight.size else weight


_OF_DELAYS: dict[str, Callable[[xr.Dataset, float, np.random.Generator], Delays]] = {
    "delay-levels": on_levels,
    "delay-jitter": jittered,
    "delay-clip": clipped,
    "smallest-delays-to-mean": _some_to_mean(lambda delay, _: np.argsort(delay, kind="stable")),
    "largest-delays-to-mean": _some_to_mean(lambda delay, _: np.argsort(-delay, kind="stable")),
    "random-delays-to-mean": _some_to_mean(lambda delay, random: random.permutation(delay.size)),
    "axonal": _mean_per("source", weighted=False),
    "axonal-weighted": _mean_per("source", weighted=True),
    "dendritic": _mean_per("target", weighted=False),
    "dendritic-weighted": _mean_per("target", weighted=True),
}
_OF_WEIGHTS: dict[str, Callable[[Delays, float, np.random.Generator], Delays]] = {
    "weight-bits": on_bits,
    "weight-jitter": noisy,
}
