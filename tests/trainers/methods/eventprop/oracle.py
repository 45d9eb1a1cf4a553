r"""EventProp with delays, exactly: continuous time, event by event, float64. Slow; what an engine's answers are held to.

Sources are the input channels, then the LIF neurons. Matrices are (source, target), times in ms, threshold 1:

.. math:: \tau_m \dot V = I - V, \quad \tau_s \dot I = -I, \quad V \to 0 \text{ as it rises to } 1,
          \quad I_j \to I_j + w_{ij} \text{ at } t_i + d_{ij}

without refractory period; I is kept at a spike. At equal times arrivals come before crossings: one that stops the rise at the
very threshold prevents the spike. A spike's own arrivals through delay 0 come right after it. What would happen at ``duration``
or later does not. The gradient by a delay of 0 is the one to the right.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf, log
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

Trains = Sequence[np.ndarray]  # spike times of every source


@dataclass(frozen=True, kw_only=True)
class Net:
    """LIF neurons with any synapses among inputs and neurons, and LI readouts (``output``) that listen to either."""

    weight: np.ndarray  # (source, neuron)
    delay: np.ndarray
    duration: float
    joined: np.ndarray | None = None  # where there is a synapse; everywhere by default
    readout: np.ndarray | None = None  # (source, output); no outputs by default
    readout_delay: np.ndarray | None = None  # 0 by default
    readout_joined: np.ndarray | None = None
    tau_mem: float = 20.0
    tau_syn: float = 5.0
    tau_out: float = 20.0

    def __post_init__(self):
        weight = np.asarray(self.weight, float)
        readout = np.zeros((len(weight), 0)) if self.readout is None else np.asarray(self.readout, float)
        ones, audible, late = np.ones(weight.shape, bool), np.ones(readout.shape, bool), np.zeros(readout.shape)
        arrays = {
            "weight": weight,
            "delay": np.asarray(self.delay, float),
            "joined": np.asarray(ones if self.joined is None else self.joined, bool),
            "readout": readout,
            "readout_delay": np.asarray(late if self.readout_delay is None else self.readout_delay, float),
            "readout_joined": np.asarray(audible if self.readout_joined is None else self.readout_joined, bool),
        }
        for name, array in arrays.items():
            if array.shape != (readout if "readout" in name else weight).shape or len(array) != len(weight):
                raise ValueError(f"{name} has the shape {array.shape}")
            object.__setattr__(self, name, array)
        for array, joined in ((self.weight, self.joined), (self.readout, self.readout_joined)):
            if array[~joined].any():
                raise ValueError("a weight where there is no synapse")
        if self.delay.min(initial=0) < 0 or self.readout_delay.min(initial=0) < 0:
            raise ValueError("a delay is negative")
        if self.tau_syn in (self.tau_mem, self.tau_out):
            raise ValueError("the closed forms need a tau_syn that differs from tau_mem and tau_out")

    @property
    def n_neurons(self) -> int:
        return self.weight.shape[1]

    @property
    def n_inputs(self) -> int:
        return len(self.weight) - self.n_neurons


class Event(NamedTuple):
    """An arrival of one spike of ``source`` at ``neuron``, or (``source`` None) a spike of ``neuron`` at ``current``."""

    at: float
    source: int | None
    spike: int
    neuron: int
    current: float


class Run(NamedTuple):
    """Spike times of every neuron, its current I at each of them, and all events in their order."""

    times: list[np.ndarray]
    currents: list[np.ndarray]
    events: list[Event]


class Slopes(NamedTuple):
    """A loss and its explicit derivatives: by each spike time of each source, by the readout's weights and delays."""

    value: float
    by_time: list[np.ndarray]
    by_readout: np.ndarray
    by_readout_delay: np.ndarray


Loss = Callable[[Net, Trains], Slopes]


def advance(v: float, i: float, h: float, tau: float, tau_syn: float) -> tuple[float, float]:
    """Membrane and current a time h later, without events."""
    slow, fast, c = exp(-h / tau), exp(-h / tau_syn), tau_syn / (tau - tau_syn)
    return (v + c * i) * slow - c * i * fast, i * fast


def rise(v: float, i: float, tau: float, tau_syn: float) -> float:
    """For how long the membrane rises from here: 0 if it falls, inf if it comes up to 0 from below."""
    if i <= v:
        return 0.0
    c = tau_syn / (tau - tau_syn)
    start, bend = (v + c * i) * tau_syn, c * i * tau
    if start * bend <= 0:
        return inf
    peak = log(bend / start) * tau * tau_syn / (tau - tau_syn)
    return peak if peak > 0 else inf


def _crossing(v: float, i: float, tau: float, tau_syn: float) -> float:
    """After what time the membrane rises to 1, bracketed by its peak; inf if it does not."""
    if v >= 1:  # an arrival at the very crossing
        return 0.0 if i > v else inf
    peak = rise(v, i, tau, tau_syn) if i > 1 else 0.0
    if advance(v, i, peak, tau, tau_syn)[0] <= 1:
        return inf
    return brentq(lambda h: advance(v, i, h, tau, tau_syn)[0] - 1, 0.0, peak, xtol=1e-15, rtol=4 * np.finfo(float).eps)


def simulate(net: Net, input_spikes: Trains, *, max_events: int = 100_000) -> Run:
    """Spikes of all neurons; RuntimeError beyond ``max_events`` (runaway excitation)."""
    if not all(np.all(np.asarray(train) >= 0) for train in input_spikes):
        raise ValueError("an input time is negative or NaN")
    times: list[list[float]] = [[] for _ in range(net.n_neurons)]
    currents: list[list[float]] = [[] for _ in range(net.n_neurons)]
    events: list[Event] = []
    queue: list[tuple[float, int, int, int]] = []
    v, i, since = ([0.0] * net.n_neurons for _ in range(3))
    crossing = [inf] * max(net.n_neurons, 1)

    def send(source: int, spike: int, at: float) -> None:
        for neuron in np.flatnonzero(net.joined[source]):
            arrival = at + net.delay[source, neuron]
            if arrival < net.duration:
                heapq.heappush(queue, (float(arrival), source, spike, int(neuron)))

    for channel in range(net.n_inputs):
        for spike, at in enumerate(input_spikes[channel]):
            send(channel, spike, at)
    while len(events) <= max_events:
        neuron = min(range(len(crossing)), key=crossing.__getitem__)
        now = crossing[neuron]
        if queue and queue[0][0] <= now:
            now, source, spike, neuron = heapq.heappop(queue)
            v[neuron], i[neuron] = advance(v[neuron], i[neuron], now - since[neuron], net.tau_mem, net.tau_syn)
            i[neuron] += float(net.weight[source, neuron])
            events.append(Event(now, source, spike, neuron, i[neuron]))
        elif now < net.duration:
            v[neuron], i[neuron] = 0.0, i[neuron] * exp(-(now - since[neuron]) / net.tau_syn)
            events.append(Event(now, None, len(times[neuron]), neuron, i[neuron]))
            send(net.n_inputs + neuron, len(times[neuron]), now)
            times[neuron].append(now)
            currents[neuron].append(i[neuron])
        else:
            return Run([np.array(t) for t in times], [np.array(c) for c in currents], events)
        since[neuron] = now
        crossing[neuron] = now + _crossing(v[neuron], i[neuron], net.tau_mem, net.tau_syn)
    raise RuntimeError(f"more than {max_events} events")


def gradients(net: Net, input_spikes: Trains, loss: Loss) -> tuple[float, dict[str, np.ndarray]]:
    """The loss and its gradient by ``weight``, ``delay``, ``readout`` and ``readout_delay``.

    The adjoints (negative gradients) of V and I pass all events in reverse order. ``push`` is the derivative by the time of an
    arrival, and so a part of the derivative by the time of the spike that sent it. 0 where there is no synapse.
    """
    run = simulate(net, input_spikes)
    value, by_time, by_readout, by_readout_delay = loss(net, [np.asarray(t, float) for t in input_spikes] + run.times)
    by_time = [slopes.copy() for slopes in by_time]
    by_weight, by_delay = np.zeros((2, *net.weight.shape))
    adjoint_v, adjoint_i, since = np.zeros(net.n_neurons), np.zeros(net.n_neurons), np.full(net.n_neurons, net.duration, float)
    ratio = net.tau_mem / (net.tau_mem - net.tau_syn)
    for now, source, spike, n, current in reversed(run.events):
        slow, fast = exp(-(since[n] - now) / net.tau_mem), exp(-(since[n] - now) / net.tau_syn)
        adjoint_i[n] = adjoint_i[n] * fast + adjoint_v[n] * ratio * (slow - fast)
        adjoint_v[n] *= slow
        since[n] = now
        if source is None:
            adjoint_v[n] += (adjoint_v[n] + by_time[net.n_inputs + n][spike]) / (current - 1)
        else:
            push = net.weight[source, n] * (adjoint_v[n] - adjoint_i[n])
            by_weight[source, n] -= net.tau_syn * adjoint_i[n]
            by_delay[source, n] += push
            by_time[source][spike] += push
    return value, {"weight": by_weight, "delay": by_delay, "readout": by_readout, "readout_delay": by_readout_delay}
