"""A pass through the network by Fourier transform over time: its cost grows with the pairs of neurons, whatever joins them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainers.methods.dcls import spectral
from trainers.methods.dcls.network import Candidates, DelayNetwork, Parameters, Pass, Workspace, normalisation
from trainers.methods.dcls.spectral import DelayTransform, delay_transform
from trainers.methods.dcls.synapses import SynapseRows


@dataclass
class FrequencyPass(Pass):
    """A pass with the spectra of the signals that enter the projections, and of their kernels; by projection."""

    n_time: int = 0
    kernels: list[NDArray] = field(default_factory=list)
    spectra: list[NDArray] = field(default_factory=list)


def _transform(network: DelayNetwork, projection: int, n_time: int) -> DelayTransform:
    """The transform of a projection for inputs of ``n_time`` steps; every projection adds ``growth`` steps."""
    n_in = n_time + projection * network.growth
    longest = n_time + len(network.layers) * network.growth
    return delay_transform(n_in, n_in + network.growth, network.n_bins, longest, network.dtype)


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
) -> FrequencyPass:
    """As `trainers.methods.dcls.passes.forward`."""
    (_, n_time, n_batch), kind = x.shape, network.dtype.type
    first = _transform(network, 0, n_time)
    n_frequency = len(first.analysis) // 2
    done = FrequencyPass(np.empty(0), keep, n_time=n_time)
    done.spectra.append(workspace.lend("input", n_frequency, 2, len(x), n_batch))
    spectral.analyse(x, first.analysis, done.spectra[0])
    for layer, lists in zip(network.layers, synapses, strict=True):
        k, n_target = layer.index, layer.n_target
        transform = _transform(network, k, n_time)
        kernel = workspace.lend(f"kernel{k}", n_frequency, 2, n_target, layer.n_source)
        spectrum = workspace.lend(f"spectrum{k}", n_frequency, 2, n_target, n_batch)
        spectral.kernel_spectrum(
            lists.by_target, lists.target_begin, lists.source, parameters[layer.array("weight")].reshape(-1),
            parameters[layer.array("delay")].reshape(-1), kind(sigma), transform.taps, kernel,
        )  # fmt: skip
        spectral.propagate(kernel, done.spectra[-1], spectrum)
        done.kernels.append(kernel)
        n_out = len(transform.synthesis)
        if not layer.hidden:
            done.readout = workspace.lend("readout", n_target, n_out, n_batch)
            spectral.readout_forward(spectrum, transform.synthesis, kind(network.beta), network.readout_latency, done.readout)
            continue
        current = workspace.lend(f"current{k}", n_target, n_out, n_batch)
        mean, variance = normalisation(network, layer, running)
        n_spikes = np.empty(n_target, np.int64)
        spectral.hidden_forward(
            spectrum, transform.synthesis, _transform(network, k + 1, n_time).analysis,
            parameters[layer.array("gain")], parameters[layer.array("bias")], mean, variance, running is None, keep[k],
            kind(network.beta), network.latency, network.reset_erases_input, current, n_spikes,
        )  # fmt: skip
        done.spectra.append(spectrum)
        done.currents.append(current)
        done.moments.append((mean, variance))
        done.n_spikes.append(n_spikes)
    return done


def adjoint(
    network: DelayNetwork,
    synapses: Sequence[SynapseRows],
    parameters: Parameters,
    done: FrequencyPass,
    *,
    sigma: float,
    candidates: Sequence[Candidates],
    workspace: Workspace,
) -> Parameters:
    """As `trainers.methods.dcls.passes.adjoint`."""
    kind, n_time, last = network.dtype.type, done.n_time, network.layers[-1].index
    n_frequency, _, _, n_batch = done.spectra[0].shape
    gradient: Parameters = {}
    current_bar = workspace.lend(f"spectrum{last}", n_frequency, 2, network.sizes[-1], n_batch)
    synthesis_adjoint = _transform(network, last, n_time).synthesis_adjoint
    spectral.readout_adjoint(done.readout, synthesis_adjoint, kind(network.beta), network.readout_latency, current_bar)
    for layer in reversed(network.layers):
        k = layer.index
        weight, delay = parameters[layer.array("weight")], parameters[layer.array("delay")]
        kernel_bar = workspace.lend("kernel_bar", *done.kernels[k].shape)
        spectral.propagate_adjoint(current_bar, done.kernels[k], done.spectra[k], kernel_bar, k > 0)
        taps_adjoint = _transform(network, k, n_time).taps_adjoint
        weight_bar, delay_bar = _synapse_gradients(synapses[k], delay, kind(sigma), kernel_bar, taps_adjoint)
        gradient[layer.array("weight")] = weight_bar
        gradient[layer.array("delay")] = weight * delay_bar
        if candidates:
            judged = candidates[k]
            gradient[layer.array("candidate")], _ = _synapse_gradients(
                judged.synapses, judged.delay, kind(sigma), kernel_bar, taps_adjoint
            )
        if k == 0:
            continue
        current_bar, before = done.spectra[k], network.layers[k - 1]
        gain, hidden = parameters[before.array("gain")], before.index
        gain_bar, bias_bar = np.empty_like(gain), np.empty_like(gain)
        spectral.hidden_adjoint(
            current_bar, _transform(network, k, n_time).analysis_adjoint,
            _transform(network, hidden, n_time).synthesis_adjoint, gain, parameters[before.array("bias")],
            *done.moments[hidden], done.keep[hidden],
            kind(network.beta), network.latency, network.reset_erases_input, network.surrogate_alpha,
            done.currents[hidden], gain_bar, bias_bar,
        )  # fmt: skip
        gradient[before.array("gain")], gradient[before.array("bias")] = gain_bar, bias_bar
    return gradient


def _synapse_gradients(
    judged: SynapseRows, delay: NDArray, sigma: np.floating, kernel_bar: NDArray, taps_adjoint: NDArray
) -> tuple[NDArray, NDArray]:
    """Gradients of the weights, and of the delays per unit of weight; in the shape of ``delay``, 0 where nothing conducts."""
    weight_bar, delay_bar = np.zeros_like(delay), np.zeros_like(delay)
    spectral.kernel_spectrum_adjoint(
        kernel_bar, judged.by_target, judged.target_begin, judged.source, delay.reshape(-1), sigma, taps_adjoint,
        weight_bar.reshape(-1), delay_bar.reshape(-1),
    )  # fmt: skip
    return weight_bar, delay_bar
