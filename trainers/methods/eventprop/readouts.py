"""What the output says, its loss, and the loss's derivatives: one function for each kind of readout."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.methods.eventprop.config import EventPropConfig
from trainers.methods.eventprop.mean_voltage import mean_voltage, mean_voltage_adjoint
from trainers.methods.eventprop.network import EventNetwork
from trainers.methods.eventprop.passes import Parameters, Passed
from trainers.methods.eventprop.peak_voltage import peak_voltage, peak_voltage_adjoint
from trainers.methods.eventprop.published_readout import stepped_voltage, stepped_voltage_adjoint
from trainers.methods.eventprop.records import SLICES, Grid, Spikes, grid
from trainers.methods.eventprop.synapses import whole_steps


class Answer(NamedTuple):
    """What a network makes of a batch.

    Attributes
    ----------
    loss, prediction
        Of every sample; the prediction is -1 where no output fires, or nothing arrives at any.
    bar
        Derivative of the mean loss by what was read: z (sample, output), or the times of first spikes in ms.
    """

    loss: NDArray[np.float64]
    prediction: NDArray[np.int64]
    bar: NDArray[np.float64]


def answered(config: EventPropConfig, network: EventNetwork, arrays: Parameters, done: Passed, label: NDArray) -> Answer:
    """What the output says of a batch that has passed."""
    if config.readout == "first":
        return _by_first_spike(first_spikes(done.spikes[-1], network.grid), label, config.margin)
    weight, delay = _synapses(network, arrays)
    z = np.zeros((len(label), network.sizes[-1]))
    if network.published:
        stepped_voltage(done.spikes[-1], *_stepped(config, network, weight, delay), z)
    elif config.readout == "mean":
        mean_voltage(done.spikes[-1], weight, delay, bool(delay.any()), network.grid, network.tau_out, z)
    else:
        peak_voltage(done.spikes[-1], weight, delay, network.grid, network.tau_out, z)
    return _by_cross_entropy(z, label)


def readout_adjoint(
    config: EventPropConfig, network: EventNetwork, arrays: Parameters, done: Passed, answer: Answer
) -> tuple[Parameters, NDArray[np.float32]]:
    """Gradients of the readout's synapses, and the derivative by the time of every spike of the last spiking population."""
    spikes = done.spikes[-1]
    drive = np.zeros(spikes.step.shape, np.float32)
    if config.readout == "first":
        begin = spikes.begin[:, :-1].astype(np.int64)
        fired = spikes.begin[:, 1:] > begin
        sample, _ = np.nonzero(fired)
        drive[sample, begin[fired]] = answer.bar[fired]
        return {}, drive
    weight, delay = _synapses(network, arrays)
    weight_bar, delay_bar = np.zeros((2, SLICES, *weight.shape))
    if network.published:
        stepped = _stepped(config, network, weight, delay)
        stepped_voltage_adjoint(spikes, *stepped, answer.bar, weight_bar, delay_bar, drive)
    elif config.readout == "mean":
        delayed = bool(delay.any()) or config.readout_delays == "learned"
        mean_voltage_adjoint(
            spikes, weight, delay, delayed, network.grid, network.tau_out, answer.bar, weight_bar, delay_bar, drive
        )
    else:
        peak_voltage_adjoint(spikes, weight, delay, network.grid, network.tau_out, answer.bar, weight_bar, delay_bar, drive)
    last = network.projections[-1]
    bars = {last.array("weight"): weight_bar.sum(axis=0), last.array("delay"): delay_bar.sum(axis=0)}
    return {name: bar.astype(np.float32) for name, bar in bars.items()}, drive


def first_spikes(spikes: Spikes, grid: Grid) -> NDArray[np.float64]:
    """Time of every neuron's first spike in ms, dims (sample, neuron); inf where there is none."""
    begin = spikes.begin[:, :-1].astype(np.int64)
    times = np.full(begin.shape, np.inf)
    fired = spikes.begin[:, 1:] > begin
    sample, _ = np.nonzero(fired)
    times[fired] = (spikes.step[sample, begin[fired]] + spikes.fraction[sample, begin[fired]].astype(np.float64)) * grid.dt
    return np.where(times < grid.n_steps * grid.dt, times, np.inf)


def _synapses(network: EventNetwork, arrays: Parameters) -> tuple[NDArray, NDArray]:
    last = network.projections[-1]
    weight, delay = (arrays[last.array(what)].astype(np.float64) for what in ("weight", "delay"))
    return weight, delay


def _stepped(
    config: EventPropConfig, network: EventNetwork, weight: NDArray, delay: NDArray
) -> tuple[NDArray, NDArray[np.int64], Grid, NDArray[np.float64]]:
    """Weights, delays in steps, the integrators' grid, and how much of V after every step is read; () for the maximum."""
    n_steps, dt, _, tau_syn = network.grid[:4]
    share = np.exp(-np.arange(n_steps if config.readout == "mean" else 0) / n_steps) / n_steps
    hop = whole_steps(delay, dt, network.rounding(network.projections[-1]))
    return weight, hop.astype(np.int64), grid(n_steps, dt, network.tau_out, tau_syn), share


def _by_cross_entropy(z: NDArray[np.float64], label: NDArray) -> Answer:
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    samples = np.arange(len(label))
    bar = np.exp(log_p)
    bar[samples, label] -= 1
    prediction = np.where(z.any(axis=1), z.argmax(axis=1), -1)
    return Answer(-log_p[samples, label], prediction, bar / len(label))


def _by_first_spike(first: NDArray[np.float64], label: NDArray, margin: float) -> Answer:
    """Half the squares of t_i - t_c - margin; a missing spike counts as one that comes with no derivative.

    A spike that is missing has no time to move. Where that of the class is missing nothing is moved; another that is missing is
    late enough. In the loss, such pairs count as off by the margin.
    """
    samples = np.arange(len(label))
    right = first[samples, label]
    with np.errstate(invalid="ignore"):
        error = first - right[:, None] - margin
    there = np.isfinite(error)
    error[~there] = 0
    late = ~np.isfinite(first) & np.isfinite(right)[:, None]
    error[samples, label] = 0
    bar = error.copy()
    bar[samples, label] = -error.sum(axis=1)
    missed = np.where(there | late, 0.0, margin)
    missed[samples, label] = 0
    loss = 0.5 * (error**2).sum(axis=1) + 0.5 * (missed**2).sum(axis=1)
    prediction = np.where(np.isfinite(first).any(axis=1), first.argmin(axis=1), -1)
    return Answer(loss, prediction, bar / len(label))
