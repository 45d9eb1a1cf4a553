"""Spikes of a batch on the time grid: those of an input, and room for those of a population."""

from __future__ import annotations

import numba
import numpy as np

from trainers.datasets.recordings import ROUNDING, Events
from trainers.methods.eventprop.records import Grid, Spikes


def input_spikes(events: Events, n_channels: int, grid: Grid, *, between: bool, once: bool = False) -> Spikes:
    """The events of a batch by channel and time; those at or after the end of the grid are left out.

    Unless they act ``between`` the grid points, each takes place at the beginning of its step; perhaps ``once`` for all those
    of a channel in a step.
    """
    n_sample = len(events.begin) - 1
    begin = np.zeros((n_sample, n_channels + 1), np.uint32)
    width = int(np.diff(events.begin).max(initial=0))
    step, fraction = np.zeros((n_sample, width), np.uint32), np.zeros((n_sample, width), np.float32)
    _by_channel(events.begin, events.channel, events.time.astype(np.float64), grid.dt, grid.n_steps, begin, step, fraction)
    if not between:
        fraction[:] = 0
    if once:
        _keep_one_a_step(begin, step)
    return Spikes(begin, step, fraction, np.empty((0, 0), np.float32))


@numba.njit(cache=True, error_model="numpy")
def _by_channel(first, channel, time, dt, n_steps, begin, step, fraction):
    """Sort the events of each sample by channel, those of a channel staying in order of time."""
    for sample in range(len(first) - 1):
        events = slice(first[sample], first[sample + 1])
        channels, places = channel[events], time[events] / dt
        for k in range(len(channels)):
            if places[k] + ROUNDING * (1 + places[k]) < n_steps:
                begin[sample, channels[k] + 1] += np.uint32(1)
        for c in range(begin.shape[1] - 1):
            begin[sample, c + 1] += begin[sample, c]
        following = begin[sample, :-1].copy()
        for k in range(len(channels)):
            if places[k] + ROUNDING * (1 + places[k]) < n_steps:
                at = following[channels[k]]
                step[sample, at] = np.uint32(places[k] + ROUNDING * (1 + places[k]))
                fraction[sample, at] = max(places[k] - step[sample, at], 0.0)
                following[channels[k]] += np.uint32(1)


@numba.njit(cache=True, error_model="numpy")
def _keep_one_a_step(begin, step):
    """Of the spikes of a channel in a step, leave one."""
    for sample in range(len(begin)):
        kept, stop = np.uint32(0), begin[sample, 0]
        for c in range(begin.shape[1] - 1):
            first, start, stop = kept, stop, begin[sample, c + 1]
            for k in range(start, stop):
                if kept == first or step[sample, k] != step[sample, kept - np.uint32(1)]:
                    step[sample, kept] = step[sample, k]
                    kept += np.uint32(1)
            begin[sample, c + 1] = kept


def room_for(n_sample: int, n_neuron: int, width: int) -> Spikes:
    """Room for ``width`` spikes of each sample."""
    begin, shape = np.zeros((n_sample, n_neuron + 1), np.uint32), (n_sample, width)
    return Spikes(begin, np.empty(shape, np.uint32), np.empty(shape, np.float32), np.empty(shape, np.float32))


def counts(spikes: Spikes) -> np.ndarray:
    """How often each neuron fires in each sample, dims (sample, neuron)."""
    return np.diff(spikes.begin.astype(np.int64), axis=1)


def in_steps(spikes: Spikes, n_steps: int) -> np.ndarray:
    """Number of spikes in each time step, dims (neuron, time, sample)."""
    n_sample, n_neuron = spikes.begin.shape[0], spikes.begin.shape[1] - 1
    numbers = np.zeros((n_neuron, n_steps, n_sample), np.float32)
    for sample, begin in enumerate(spikes.begin.astype(np.int64)):
        neuron = np.repeat(np.arange(n_neuron), np.diff(begin))
        np.add.at(numbers[:, :, sample], (neuron, spikes.step[sample, begin[0] : begin[-1]].astype(np.int64)), 1)
    return numbers
