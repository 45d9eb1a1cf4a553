"""A pass through the network in time, synapse by synapse: its cost grows with the synapses that exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainers.methods.dcls import temporal
from trainers.methods.dcls.network import Candidates, DelayNetwork, Parameters, Pass, Workspace, normalisation
from trainers.methods.dcls.synapses import SynapseRows
from trainers.methods.dcls.temporal import MARGIN


@dataclass
class TimePass(Pass):
    """A pass with the signals that enter the projections, behind zeros; by projection."""

    sent: list[NDArray] = field(default_factory=list)


def forward(
    network: DelayNetwork,
    synapses: Sequence[SynapseRows],
    parameters: Parameters,
    x: NDArray,
    *,
    sigma: float,
    keep: list[NDArray],
    running: Parameters | None,
    workspace: Workspace,
) -> TimePass:
    """As `trainers.methods.dcls.passes.forward`."""
    (n_channel, n_time, n_batch), kind, n_bins = x.shape, network.dtype.type, network.n_bins
    front = n_bins + MARGIN
    done = TimePass(np.empty(0), keep)
    done.sent.append(workspace.lend("input", n_channel, front + n_time + network.growth, n_batch))
    temporal.surround(x, front, done.sent[0])
    for layer, lists in zip(network.layers, synapses, strict=True):
        k, n_target, n_out = layer.index, layer.n_target, n_time + (layer.index + 1) * network.growth
        arriving = (
            lists.by_target, lists.target_begin, lists.source, parameters[layer.array("weight")].reshape(-1),
            parameters[layer.array("delay")].reshape(-1), kind(sigma), n_bins, done.sent[-1],
        )  # fmt: skip
        if not layer.hidden:
            done.readout = workspace.lend("readout", n_target, n_out, n_batch)
            temporal.readout_forward(*arriving, kind(network.beta), network.readout_latency, done.readout)
            continue
        current = workspace.lend(f"current{k}", n_target, n_out, n_batch)
        sent = workspace.lend(f"sent{k}", n_target, front + n_out + network.growth, n_batch)
        mean, variance = normalisation(network, layer, running)
        n_spikes = np.empty(n_target, np.int64)
        temporal.hidden_forward(
            *arriving, parameters[layer.array("gain")], parameters[layer.array("bias")], mean, variance, running is None,
            keep[k], kind(network.beta), network.latency, network.reset_erases_input, current, sent, n_spikes,
        )  # fmt: skip
        done.sent.append(sent)
        done.currents.append(current)
        done.moments.append((mean, variance))
        done.n_spikes.append(n_spikes)
    return done


def adjoint(
    network: DelayNetwork,
    synapses: Sequence[SynapseRows],
    parameters: Parameters,
    done: TimePass,
    *,
    sigma: float,
    candidates: Sequence[Candidates],
    workspace: Workspace,
) -> Parameters:
    """As `trainers.methods.dcls.passes.adjoint`."""
    kind, n_bins, last = network.dtype.type, network.n_bins, network.layers[-1]
    gradient: Parameters = {}
    n_output, n_time, n_batch = done.readout.shape
    current_bar = workspace.lend(f"current_bar{last.index}", n_output, n_time + n_bins + MARGIN, n_batch)
    temporal.readout_adjoint(done.readout, kind(network.beta), network.readout_latency, current_bar)
    weight_bar, delay_bar = _synapse_gradients(
        network, synapses[last.index], parameters[last.array("delay")], sigma, done.sent[last.index], current_bar
    )
    reaching = np.ones(n_output, bool)  # what reaches no output has no gradient
    for layer in reversed(network.layers):
        k, weight, delay = layer.index, parameters[layer.array("weight")], parameters[layer.array("delay")]
        gradient[layer.array("weight")], gradient[layer.array("delay")] = weight_bar, weight * delay_bar
        if candidates:
            judged = candidates[k].synapses.leading_to(reaching)
            gradient[layer.array("candidate")], _ = _synapse_gradients(
                network, judged, candidates[k].delay, sigma, done.sent[k], current_bar
            )
        if k == 0:
            continue
        lists, before, later_bar = synapses[k].leading_to(reaching), network.layers[k - 1], current_bar
        hidden, arriving, arriving_delay = before.index, synapses[k - 1], parameters[before.array("delay")]
        _, n_time, _ = done.currents[hidden].shape
        n_kept = before.n_target if hidden > 0 or candidates else 0  # nobody else asks for those behind the input
        current_bar = workspace.lend(f"current_bar{hidden}", n_kept, n_time + n_bins + MARGIN, n_batch)
        gain = parameters[before.array("gain")]
        gain_bar, bias_bar = np.zeros_like(gain), np.zeros_like(gain)
        weight_bar, delay_bar = np.zeros_like(arriving_delay), np.zeros_like(arriving_delay)
        temporal.hidden_adjoint(
            lists.by_source, lists.source_begin, lists.target, weight.reshape(-1), delay.reshape(-1), kind(sigma), n_bins,
            later_bar, gain, parameters[before.array("bias")], *done.moments[hidden], done.keep[hidden],
            kind(network.beta), network.latency, network.reset_erases_input, network.surrogate_alpha,
            done.currents[hidden], current_bar, gain_bar, bias_bar,
            arriving.by_target, arriving.target_begin, arriving.source, arriving_delay.reshape(-1), done.sent[hidden],
            _n_sent(network, done.sent[hidden]), weight_bar.reshape(-1), delay_bar.reshape(-1),
        )  # fmt: skip
        gradient[before.array("gain")], gradient[before.array("bias")] = gain_bar, bias_bar
        reaching = np.diff(lists.source_begin) > 0
    return gradient


def _n_sent(network: DelayNetwork, sent: NDArray) -> int:
    """How many steps of a signal that enters a projection are not the zeros around it."""
    return sent.shape[1] - network.n_bins - MARGIN - network.growth


def _synapse_gradients(
    network: DelayNetwork, judged: SynapseRows, delay: NDArray, sigma: float, sent: NDArray, current_bar: NDArray
) -> tuple[NDArray, NDArray]:
    """Gradients of the weights, and of the delays per unit of weight; in the shape of ``delay``, 0 where nothing conducts."""
    weight_bar, delay_bar = np.zeros_like(delay), np.zeros_like(delay)
    rows = judged.by_source if len(sent) > len(current_bar) else judged.by_target  # the larger population is read once
    temporal.synapse_adjoint(
        rows, judged.source, judged.target, delay.reshape(-1), network.dtype.type(sigma), network.n_bins, sent,
        _n_sent(network, sent), current_bar, weight_bar.reshape(-1), delay_bar.reshape(-1),
    )  # fmt: skip
    return weight_bar, delay_bar
