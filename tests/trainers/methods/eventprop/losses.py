"""Losses of the oracle with their explicit derivatives: of LI readouts in closed form, and of spike times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import NamedTuple

import numpy as np

from tests.trainers.methods.eventprop.oracle import Net, Slopes, Trains, advance, rise


def _cross_entropy(z: np.ndarray, label: int) -> tuple[float, np.ndarray]:
    """Cross-entropy of softmax z, and its derivative by z."""
    shifted = z - z.max()
    log_p = shifted - np.log(np.exp(shifted).sum())
    return float(-log_p[label]), np.exp(log_p) - (np.arange(len(z)) == label)


def mean_kernel(net: Net, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""What an arrival at ``at`` adds to :math:`\frac1T \int_0^T V_o e^{-t/T} dt` per weight, and its derivative by ``at``."""
    end = net.duration
    left = np.maximum(end - at, 0)
    value, slope = np.zeros((2, *np.shape(at)))
    for sign, tau in ((1, net.tau_out), (-1, net.tau_syn)):
        rate = 1 / tau + 1 / end
        area = -np.expm1(-rate * left) / rate
        value += sign * area
        slope -= sign * (area / end + np.exp(-rate * left))
    scale = net.tau_syn / (net.tau_out - net.tau_syn) / end * np.exp(-at / end)
    return scale * value, scale * np.where(left > 0, slope, 0)


def mean_voltage(net: Net, trains: Trains) -> np.ndarray:
    """The exponentially weighted mean of the membrane of every output."""
    return sum(
        (w * mean_kernel(net, t[:, None] + d)[0]).sum(axis=0)
        for w, d, t in zip(net.readout, net.readout_delay, trains, strict=True)
    )


class Peak(NamedTuple):
    """The maximum of one output's membrane in [0, duration], its time, and its derivatives by weights and by arrivals."""

    value: float
    at: float
    by_weight: np.ndarray
    by_time: list[np.ndarray]


def peak_voltage(net: Net, trains: Trains, output: int) -> Peak:
    """The first of equal maxima. At a kink, where an arrival ends the rise, it moves with that arrival (of ties, the first)."""
    tau, tau_syn, c = net.tau_out, net.tau_syn, net.tau_syn / (net.tau_out - net.tau_syn)
    weight, delay = net.readout[:, output], net.readout_delay[:, output]
    heard = np.flatnonzero(net.readout_joined[:, output])
    arrivals = sorted((t + delay[s], s, k) for s in heard for k, t in enumerate(trains[s]))
    arrivals = [(t, s, k) for t, s, k in arrivals if t < net.duration]
    v = i = since = value = at = 0.0
    mover = None
    for now, source, spike in [*arrivals, (net.duration, None, None)]:
        length = rise(v, i, tau, tau_syn)
        h = min(length, now - since)
        top = advance(v, i, h, tau, tau_syn)[0]
        if h > 0 and top > value:  # without a rise only rounding would make a new maximum
            inside = length < now - since
            value, at = top, since + length if inside else now
            mover = None if inside or source is None else (source, spike)
        v, i = advance(v, i, now - since, tau, tau_syn)
        i, since = i + (0.0 if source is None else weight[source]), now
    by_weight, by_time, slope = np.zeros(len(weight)), [np.zeros(len(train)) for train in trains], 0.0
    for t, source, spike in arrivals:
        if t < at:
            slow, fast = exp(-(at - t) / tau), exp(-(at - t) / tau_syn)
            by_weight[source] += c * (slow - fast)
            by_time[source][spike] -= weight[source] * c * (fast / tau_syn - slow / tau)
            slope -= by_time[source][spike]
    if mover is not None:
        by_time[mover[0]][mover[1]] += slope
    return Peak(value, at, by_weight, by_time)


@dataclass(frozen=True)
class MeanVoltage:
    """Cross-entropy of the softmax of ``mean_voltage``."""

    label: int

    def __call__(self, net: Net, trains: Trains) -> Slopes:
        value, by_z = _cross_entropy(mean_voltage(net, trains), self.label)
        kernels = [mean_kernel(net, t[:, None] + d) for t, d in zip(trains, net.readout_delay, strict=True)]
        moved = [by_z * w * slope for w, (_, slope) in zip(net.readout, kernels, strict=True)]  # (spike, output)
        by_readout = net.readout_joined * np.array([by_z * kernel.sum(axis=0) for kernel, _ in kernels])
        return Slopes(value, [m.sum(axis=1) for m in moved], by_readout, np.array([m.sum(axis=0) for m in moved]))


@dataclass(frozen=True)
class MaxVoltage:
    """Cross-entropy of the softmax of every output's maximum in [0, duration]."""

    label: int

    def __call__(self, net: Net, trains: Trains) -> Slopes:
        peaks = [peak_voltage(net, trains, output) for output in range(net.readout.shape[1])]
        value, by_z = _cross_entropy(np.array([p.value for p in peaks]), self.label)
        by_time = [sum(z * p.by_time[s] for z, p in zip(by_z, peaks, strict=True)) for s in range(len(trains))]
        by_delay = [[z * p.by_time[s].sum() for z, p in zip(by_z, peaks, strict=True)] for s in range(len(trains))]
        return Slopes(value, by_time, np.stack([p.by_weight for p in peaks], axis=1) * by_z, np.array(by_delay))


@dataclass(frozen=True)
class SpikeTimes:
    """The sum of coefficient (neuron, spike) times spike time."""

    coefficient: np.ndarray

    def __call__(self, net: Net, trains: Trains) -> Slopes:
        by_time = [np.zeros(len(t)) for t in trains[: net.n_inputs]]
        by_time += [c[: len(t)] for c, t in zip(self.coefficient, trains[net.n_inputs :], strict=True)]
        value = sum(float(slope @ t) for slope, t in zip(by_time, trains, strict=True))
        return Slopes(value, by_time, np.zeros(net.readout.shape), np.zeros(net.readout.shape))


@dataclass(frozen=True)
class FirstSpike:
    """Half the squared errors of the first spikes of ``outputs``: all others should come ``margin`` ms after the label's."""

    outputs: Sequence[int]  # neurons
    label: int  # which of them
    margin: float = 2.0

    def __call__(self, net: Net, trains: Trains) -> Slopes:
        by_time = [np.zeros(len(t)) for t in trains]
        sources = [net.n_inputs + neuron for neuron in self.outputs]
        if any(len(trains[source]) == 0 for source in sources):
            raise ValueError("an output is silent")
        first = np.array([trains[source][0] for source in sources])
        error = first - first[self.label] - self.margin
        error[self.label] = 0.0
        for source, slope in zip(sources, error, strict=True):
            by_time[source][0] = slope
        by_time[sources[self.label]][0] = -error.sum()
        return Slopes(float(error @ error / 2), by_time, np.zeros(net.readout.shape), np.zeros(net.readout.shape))
