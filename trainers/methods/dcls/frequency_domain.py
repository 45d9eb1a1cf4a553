"""A pass through the network by Fourier transform over time: its cost grows with the pairs of neurons, whatever joins them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainers.methods.dcls import spectral
from trainers.methods.dcls.network import Candidates, Network, Parameters, Pass, Workspace, moments_of
from trainers.methods.dcls.spectral import DelayTransform, delay_transform
from trainers.methods.dcls.synapses import Synapses


@dataclass
class FrequencyPass(Pass):
    """A pass with the spectra of the signals that enter the projections, and of their kernels; by projection."""

    n_time: int = 0
    kernels: list[NDArray] = field(default_factory=list)
    spectra: list[NDArray] = field(default_factory=list)


def _transform(network: Network, projection: int, n_time: int) -> DelayTransform:
    """The transform of a projection for inputs of ``n_time`` steps; every projection adds ``growth`` steps."""
    n_in = n_time + projection * network.growth
    longest = n_time + network.n_projections * network.growth
    return delay_transform(n_in, n_in + network.growth, network.n_bins, longest, network.dtype)


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
) -> FrequencyPass:
    """As `trainers.methods.dcls.passes.forward`."""
    (_, n_time, n_batch), kind = x.shape, network.dtype.type
    first = _transform(network, 0, n_time)
    n_frequency = len(first.analysis) // 2
    done = FrequencyPass(np.empty(0), keep, n_time=n_time)
    done.spectra.append(workspace.lend("input", n_frequency, 2, len(x), n_batch))
    spectral.analyse(x, first.analysis, done.spectra[0])
    for layer, own in enumerate(synapses):
        n_source, n_target = network.sizes[layer : layer + 2]
        transform = _transform(network, layer, n_time)
        kernel = workspace.lend(f"kernel{layer}", n_frequency, 2, n_target, n_source)
        spectrum = workspace.lend(f"spectrum{layer}", n_frequency, 2, n_target, n_batch)
        spectral.kernel_spectrum(
            own.by_target, own.target_begin, own.source, parameters[f"weight_{layer}"].reshape(-1),
            parameters[f"delay_{layer}"].reshape(-1), kind(sigma), transform.taps, kernel,
        )  # fmt: skip
        spectral.propagate(kernel, done.spectra[-1], spectrum)
        done.kernels.append(kernel)
        n_out = len(transform.synthesis)
        if layer == network.n_projections - 1:
            done.readout = workspace.lend("readout", n_target, n_out, n_batch)
            spectral.readout_forward(spectrum, transform.synthesis, kind(network.beta), network.readout_latency, done.readout)
            continue
        current = workspace.lend(f"current{layer}", n_target, n_out, n_batch)
        mean, variance = moments_of(network, layer, running)
        n_spikes = np.empty(n_target, np.int64)
        spectral.hidden_forward(
            spectrum, transform.synthesis, _transform(network, layer + 1, n_time).analysis,
            parameters[f"gain_{layer}"], parameters[f"bias_{layer}"], mean, variance, running is None, keep[layer],
            kind(network.beta), network.latency, network.reset_erases_input, current, n_spikes,
        )  # fmt: skip
        done.spectra.append(spectrum)
        done.currents.append(current)
        done.moments.append((mean, variance))
        done.n_spikes.append(n_spikes)
    return done


def adjoint(
    network: Network,
    synapses: Sequence[Synapses],
    parameters: Parameters,
    done: FrequencyPass,
    *,
    sigma: float,
    candidates: Sequence[Candidates],
    workspace: Workspace,
) -> Parameters:
    """As `trainers.methods.dcls.passes.adjoint`."""
    kind, n_time, last = network.dtype.type, done.n_time, network.n_projections - 1
    n_frequency, _, _, n_batch = done.spectra[0].shape
    gradient: Parameters = {}
    current_bar = workspace.lend(f"spectrum{last}", n_frequency, 2, network.sizes[-1], n_batch)
    synthesis_adjoint = _transform(network, last, n_time).synthesis_adjoint
    spectral.readout_adjoint(done.readout, synthesis_adjoint, kind(network.beta), network.readout_latency, current_bar)
    for layer in range(last, -1, -1):
        weight, delay = parameters[f"weight_{layer}"], parameters[f"delay_{layer}"]
        kernel_bar = workspace.lend("kernel_bar", *done.kernels[layer].shape)
        spectral.propagate_adjoint(current_bar, done.kernels[layer], done.spectra[layer], kernel_bar, layer > 0)
        taps_adjoint = _transform(network, layer, n_time).taps_adjoint
        weight_bar, delay_bar = _of_synapses(synapses[layer], delay, kind(sigma), kernel_bar, taps_adjoint)
        gradient[f"weight_{layer}"] = weight_bar
        gradient[f"delay_{layer}"] = weight * delay_bar
        if candidates:
            judged = candidates[layer]
            gradient[f"candidate_{layer}"], _ = _of_synapses(
                judged.synapses, judged.delay, kind(sigma), kernel_bar, taps_adjoint
            )
        if layer == 0:
            continue
        current_bar, hidden = done.spectra[layer], layer - 1
        gain = parameters[f"gain_{hidden}"]
        gain_bar, bias_bar = np.empty_like(gain), np.empty_like(gain)
        spectral.hidden_adjoint(
            current_bar, _transform(network, layer, n_time).analysis_adjoint,
            _transform(network, hidden, n_time).synthesis_adjoint, gain, parameters[f"bias_{hidden}"],
            *done.moments[hidden], done.keep[hidden],
            kind(network.beta), network.latency, network.reset_erases_input, network.surrogate_alpha,
            done.currents[hidden], gain_bar, bias_bar,
        )  # fmt: skip
        gradient[f"gain_{hidden}"], gradient[f"bias_{hidden}"] = gain_bar, bias_bar
    return gradient


def _of_synapses(
    judged: Synapses, delay: NDArray, sigma: np.floating, kernel_bar: NDArray, taps_adjoint: NDArray
) -> tuple[NDArray, NDArray]:
    """Gradients of the weights, and of the delays per unit of weight; in the shape of ``delay``, 0 where nothing conducts."""
    weight_bar, delay_bar = np.zeros_like(delay), np.zeros_like(delay)
    spectral.kernel_spectrum_adjoint(
        kernel_bar, judged.by_target, judged.target_begin, judged.source, delay.reshape(-1), sigma, taps_adjoint,
        weight_bar.reshape(-1), delay_bar.reshape(-1),
    )  # fmt: skip
    return weight_bar, delay_bar
