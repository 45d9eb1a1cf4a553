"""The passes of a batch through a network that fires once: forward, and backward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from trainers.datasets.recordings import Events
from trainers.methods.delgrad.arrivals import in_order
from trainers.methods.delgrad.backward import adjoints
from trainers.methods.delgrad.forward import fire
from trainers.methods.delgrad.records import SLICES, Fired, Owed, Spikes, Synapses


@dataclass
class Passed:
    """What a forward pass leaves for the backward one: of every population but the input, what drove it and what it did."""

    spikes: list[Spikes] = field(default_factory=list)
    synapses: list[Synapses] = field(default_factory=list)
    fired: list[Fired] = field(default_factory=list)

    def times(self, k: int, ratio: float) -> NDArray[np.float64]:
        """Times of population ``k`` behind the input, after its samples' first spikes, dims (sample, neuron, spike)."""
        return ratio * np.log(self.fired[k].slow)


def input_spikes(events: Events, ratio: float, ms_per_unit: float, copies: int, jitter: NDArray | None) -> Spikes:
    """The spikes of a batch, by time; the ``jitter`` (spike) in units is added."""
    counts = np.diff(events.begin)
    first = np.repeat(events.time[events.begin[:-1][counts > 0]].astype(np.float64), counts[counts > 0])
    time, channel, begin = (events.time - first) / ms_per_unit, events.channel.astype(np.int64), events.begin
    if jitter is not None:
        time = time + jitter
        order = np.lexsort((time, np.repeat(np.arange(len(counts)), counts)))
        time, channel = time[order], channel[order]
    if copies > 1:
        time, begin = np.repeat(time, copies), begin * copies
        channel = (channel[:, None] * copies + np.arange(copies)).ravel()
    with np.errstate(over="ignore"):  # the kernel says which are too late
        return Spikes(begin, channel, np.zeros(0, np.int64), np.exp(time / ratio), fast_of(ratio, time))


def spikes_of(fired: Fired, ratio: float, jitter: NDArray | None) -> Spikes:
    """The spikes of a population, as they set out; the ``jitter`` (sample, neuron, spike) in units is added."""
    slow = fired.slow if jitter is None else fired.slow * np.exp(jitter / ratio)
    begin = np.zeros(len(slow) + 1, np.int64)
    np.cumsum(np.isfinite(slow).sum(axis=(1, 2)), out=begin[1:])
    n = int(begin[-1])
    spikes = Spikes(begin, np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n), np.zeros(n))
    in_order(ratio, slow, *spikes)
    return spikes


def synapses_of(weight: NDArray, delay: NDArray, ratio: float) -> Synapses:
    """A projection as the kernels want it, from weights and delays in units, dims (target, source)."""
    slow = np.exp(delay / ratio)
    return Synapses(weight, slow, fast_of(ratio, delay), slow.min(axis=1))


def fast_of(ratio: float, time: NDArray) -> NDArray[np.float64]:
    """The fast part of times, as in `Spikes`."""
    return np.zeros_like(time) if ratio == 2 else np.array(time) if ratio == 1 else np.exp(time)


def forward(ratio: float, spikes: Spikes, synapses: Synapses, c: NDArray, most: int) -> Fired:
    """What the neurons of a population do, firing at most so often; ``c`` is their thresholds (target)."""
    shape = (len(spikes.begin) - 1, len(synapses.weight), most)
    fired, n_late = Fired(np.full(shape, np.inf), np.full(shape, np.inf)), np.zeros(SLICES, np.int64)
    fire(ratio, spikes, synapses, c, *fired, n_late)
    if n_late.any():
        raise BadInput(
            "Spikes arrive too long after the first of their sample, over 660 time constants of synapse or membrane; give a "
            "longer --ms-per-unit, or shorter samples."
        )
    return fired


def backward(
    ratio: float,
    done: Passed,
    thresholds: Sequence[NDArray],
    weights: Sequence[NDArray],
    bar: NDArray[np.float64],
    *,
    largest: float,
) -> tuple[list[NDArray], list[NDArray], int]:
    """The gradients of every projection by weights and by the delays of all synapses, and how many spikes' were cut.

    Parameters
    ----------
    weights
        As they are learned, dims (target, source).
    bar
        The loss's derivative by the times of the output, dims (sample, neuron, spike). Used up.
    largest
        Of a sample's gradient by a weight.
    """
    by_weight: list[NDArray] = []
    by_delay: list[NDArray] = []
    n_cut = 0
    for k in range(len(done.fired) - 1, -1, -1):
        spikes, fired, synapses = done.spikes[k], done.fired[k], done.synapses[k]._replace(weight=weights[k])
        sources = done.fired[k - 1].slow.shape if k else (len(fired.slow), 0, 1)
        shape = (SLICES, *weights[k].shape)
        asked = np.zeros((sources[0], sources[1] * sources[2]))
        owed = Owed(np.zeros(shape), np.zeros(shape), asked, np.zeros(SLICES, np.int64))
        adjoints(ratio, spikes, synapses, thresholds[k], *fired, bar, largest, *owed)
        by_weight.insert(0, owed.weight.sum(axis=0))
        by_delay.insert(0, owed.delay.sum(axis=0))
        n_cut += int(owed.n_cut.sum())
        bar = owed.by_spike.reshape(sources)
    return by_weight, by_delay, n_cut


def times_after_first(events: Events, n_channels: int) -> NDArray[np.float64]:
    """Times in ms after the first spike of a sample, dims (sample, channel, spike), infinite where there is none."""
    counts = np.diff(events.begin)
    times = np.full((len(counts), n_channels, max(int(counts.max(initial=0)), 1)), np.inf)
    place = np.arange(len(events.time)) - np.repeat(events.begin[:-1], counts)
    first = np.repeat(events.time[events.begin[:-1][counts > 0]].astype(np.float64), counts[counts > 0])
    times[np.repeat(np.arange(len(counts)), counts), events.channel, place] = events.time - first
    return times


def in_steps(times: NDArray[np.float64], n_steps: int) -> NDArray[np.float32]:
    """How many of the ``times`` (sample, neuron, spike), in steps, fall into each step; dims (neuron, time, sample)."""
    numbers = np.zeros((times.shape[1], n_steps, times.shape[0]), np.float32)
    sample, neuron, spike = np.nonzero((times >= 0) & (times < n_steps))
    np.add.at(numbers, (neuron, times[sample, neuron, spike].astype(np.int64), sample), 1)
    return numbers
