"""A pass through the network in time, synapse by synapse: its cost grows with the synapses that exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainers.methods.dcls import temporal
from trainers.methods.dcls.network import Candidates, Network, Parameters, Pass, Workspace, moments_of
from trainers.methods.dcls.synapses import Synapses
from trainers.methods.dcls.temporal import MARGIN


@dataclass
class TimePass(Pass):
    """A pass with the signals that enter the projections, behind zeros; by projection."""

    sent: list[NDArray] = field(default_factory=list)


def forward(
    network: Network,
    synapses: Sequence[Synapses],
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
    for layer, own in enumerate(synapses):
        n_target, n_out = network.sizes[layer + 1], n_time + (layer + 1) * network.growth
        arriving = (
            own.by_target, own.target_begin, own.source, parameters[f"weight_{layer}"].reshape(-1),
            parameters[f"delay_{layer}"].reshape(-1), kind(sigma), n_bins, done.sent[-1],
        )  # fmt: skip
        if layer == network.n_projections - 1:
            done.readout = workspace.lend("readout", n_target, n_out, n_batch)
            temporal.readout_forward(*arriving, kind(network.beta), network.readout_latency, done.readout)
            continue
        current = workspace.lend(f"current{layer}", n_target, n_out, n_batch)
        sent = workspace.lend(f"sent{layer}", n_target, front + n_out + network.growth, n_batch)
        mean, variance = moments_of(network, layer, running)
        n_spikes = np.empty(n_target, np.int64)
        temporal.hidden_forward(
            *arriving, parameters[f"gain_{layer}"], parameters[f"bias_{layer}"], mean, variance, running is None, keep[layer],
            kind(network.beta), network.latency, network.reset_erases_input, current, sent, n_spikes,
        )  # fmt: skip
        done.sent.append(sent)
        done.currents.append(current)
        done.moments.append((mean, variance))
        done.n_spikes.append(n_spikes)
    return done


def adjoint(
    network: Network,
    synapses: Sequence[Synapses],
    parameters: Parameters,
    done: TimePass,
    *,
    sigma: float,
    candidates: Sequence[Candidates],
    workspace: Workspace,
) -> Parameters:
    """As `trainers.methods.dcls.passes.adjoint`."""
    kind, n_bins, last = network.dtype.type, network.n_bins, network.n_projections - 1
    gradient: Parameters = {}
    n_output, n_time, n_batch = done.readout.shape
    current_bar = workspace.lend(f"current_bar{last}", n_output, n_time + n_bins + MARGIN, n_batch)
    temporal.readout_adjoint(done.readout, kind(network.beta), network.readout_latency, current_bar)
    reaching = np.ones(n_output, bool)  # what reaches no output has no gradient
    for layer in range(last, -1, -1):
        weight, delay = parameters[f"weight_{layer}"], parameters[f"delay_{layer}"]
        own = synapses[layer].leading_to(reaching)
        weight_bar, delay_bar = _of_synapses(network, own, delay, sigma, done.sent[layer], current_bar)
        gradient[f"weight_{layer}"] = weight_bar
        gradient[f"delay_{layer}"] = weight * delay_bar
        if candidates:
            judged = candidates[layer].synapses.leading_to(reaching)
            gradient[f"candidate_{layer}"], _ = _of_synapses(
                network, judged, candidates[layer].delay, sigma, done.sent[layer], current_bar
            )
        if layer == 0:
            continue
        hidden, later_bar = layer - 1, current_bar
        n_hidden, n_time, _ = done.currents[hidden].shape
        current_bar = workspace.lend(f"current_bar{hidden}", n_hidden, n_time + n_bins + MARGIN, n_batch)
        gain = parameters[f"gain_{hidden}"]
        gain_bar, bias_bar = np.zeros_like(gain), np.zeros_like(gain)
        temporal.hidden_adjoint(
            own.by_source, own.source_begin, own.target, weight.reshape(-1), delay.reshape(-1), kind(sigma), n_bins, later_bar,
            gain, parameters[f"bias_{hidden}"], *done.moments[hidden], done.keep[hidden],
            kind(network.beta), network.latency, network.reset_erases_input, network.surrogate_alpha,
            done.currents[hidden], current_bar, gain_bar, bias_bar,
        )  # fmt: skip
        gradient[f"gain_{hidden}"], gradient[f"bias_{hidden}"] = gain_bar, bias_bar
        reaching = np.diff(own.source_begin) > 0
    return gradient


def _of_synapses(
    network: Network, judged: Synapses, delay: NDArray, sigma: float, sent: NDArray, current_bar: NDArray
) -> tuple[NDArray, NDArray]:
    """Gradients of the weights, and of the delays per unit of weight; in the shape of ``delay``, 0 where nothing conducts."""
    weight_bar, delay_bar = np.zeros_like(delay), np.zeros_like(delay)
    temporal.synapse_adjoint(
        judged.by_target, judged.source, judged.target, delay.reshape(-1), network.dtype.type(sigma), network.n_bins, sent,
        sent.shape[1] - network.n_bins - MARGIN - network.growth, current_bar, weight_bar.reshape(-1), delay_bar.reshape(-1),
    )  # fmt: skip
    return weight_bar, delay_bar
