"""Small networks that fire once, and a slow answer to when they do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from trainers.datasets.recordings import DataFormat, Events
from trainers.methods.delgrad import rule
from trainers.methods.delgrad.config import DelGradConfig
from trainers.methods.delgrad.loss import answered

UNIT = replace(DelGradConfig(), ms_per_unit=1.0, schedule="constant", guard=0.0)
RATIOS = (0.5, 1.0, 2.0, 3.75)


def events(times):
    """Spike lists of times (sample, channel), infinite where a channel is silent."""
    order = np.argsort(times, axis=1, kind="stable")
    by_time = np.take_along_axis(times, order, axis=1)
    there = np.isfinite(by_time)
    begin = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return Events(begin, order[there].astype(np.int32), by_time[there])


def state_of(config=UNIT, *, seed=0, n_channels=4, kinds=None, **arrays):
    """A network, with these kinds of delays of its projections, and these arrays instead of its own."""
    state = rule.init(config, seed, DataFormat(n_channels, 3, dt=0.0, duration=2.0))
    if kinds:
        joins = tuple(replace(synapses, delays=kind) for synapses, kind in zip(state.projections, kinds, strict=True))
        random = np.random.default_rng(seed)
        learned = {synapses.array("delay"): random.normal(0, 1, synapses.shape_of_delays) for synapses in joins}
        state = replace(state, projections=joins, arrays=state.arrays | learned)
    arrays = state.arrays | {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    for synapses in state.projections:
        for name in (synapses.array("weight"), synapses.array("delay")):
            arrays |= {f"{name}_{moment}": np.zeros_like(arrays[name]) for moment in ("first", "second")}
    return replace(state, arrays=arrays)


def inputs(n_sample=6, n_channels=4, *, seed=0, longest=2.0):
    """Times (sample, channel)."""
    return np.random.default_rng(seed).uniform(0.15, longest, (n_sample, n_channels))


def outcome(state, times, label=None):
    """Times of the output after each sample's first spike; with labels the loss, too, and its gradients."""
    done, thresholds = rule.run(state, events(times))
    output = rule.output_times(state, done)
    if label is None:
        return output
    answer = answered(output, np.asarray(label), state.config.margin)
    return output, answer.loss.mean(), rule.gradient(state, done, thresholds, answer)[0]


def effect(ratio, since):
    """What a spike of weight 1 does to the voltage, times the leak; nothing before it."""
    since = np.maximum(since, 0)
    if ratio == 1:
        return since * np.exp(-since)
    return (np.exp(-since / ratio) - np.exp(-since)) / (ratio - 1)


def searched(ratio, weight, arrival, threshold, *, most=1, until=12.0, n=12_001):
    """Spike times of a neuron, from its voltage on a fine grid, refined between its points."""
    spikes = []

    def voltage(t):
        at = np.asarray(t, float)
        heard = sum(w * effect(ratio, at - arrives) for w, arrives in zip(weight, arrival, strict=True))
        reset = sum(np.where(at > spike, np.exp(-np.maximum(at - spike, 0) / ratio), 0) for spike in spikes)
        return ratio * heard - threshold * reset - threshold  # the leak is 1 / ratio

    grid = np.linspace(0, until, n)
    while len(spikes) < most:
        above = voltage(grid) >= 0
        rises = np.flatnonzero(~above[:-1] & above[1:])
        rises = [k for k in rises if not spikes or grid[k] > spikes[-1]]
        if not rises:
            break
        spikes.append(brentq(voltage, grid[rises[0]], grid[rises[0] + 1], xtol=1e-15, rtol=1e-14))
    return spikes
