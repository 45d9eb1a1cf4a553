"""A feed-forward delay network: hidden populations of normalised LIF neurons, then leaky integrators; forward and adjoint."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainers import spectral
from trainers.readout import cross_entropy, summed_softmax
from trainers.spectral import DelayTransform, delay_transform

Parameters = dict[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Network:
    """Sizes and constants of a network; projection l leads from population l to population l + 1.

    Its parameters, as a dictionary: ``weight_l`` and ``delay_l`` (target, source, contact), delays in bins; for hidden
    populations also ``gain_l`` and ``bias_l``, with the running moments ``mean_l`` and ``variance_l``.
    """

    sizes: tuple[int, ...]
    n_bins: int
    beta: float
    latency: int
    readout_latency: int
    reset_erases_input: bool
    surrogate_alpha: float
    growth: int
    dtype: np.dtype

    @property
    def n_projections(self) -> int:
        """Projections, the one to the readout included."""
        return len(self.sizes) - 1

    def transform(self, projection: int, n_time: int) -> DelayTransform:
        """The transform of a projection for inputs of ``n_time`` steps; every projection adds ``growth`` steps."""
        n_in = n_time + projection * self.growth
        longest = n_time + self.n_projections * self.growth
        return delay_transform(n_in, n_in + self.growth, self.n_bins, longest, self.dtype)


@dataclass
class Workspace:
    """Large arrays by name, made once and lent again for every batch, so that no step waits for fresh memory."""

    dtype: np.dtype
    flat: dict[str, NDArray] = field(default_factory=dict)

    def lend(self, name: str, *shape: int) -> NDArray:
        """An uninitialised contiguous array; its content lasts until the name is lent again."""
        size = int(np.prod(shape))
        if name not in self.flat or self.flat[name].size < size:
            self.flat[name] = np.empty(size, self.dtype)
        return self.flat[name][:size].reshape(shape)


@dataclass
class Pass:
    """What one forward pass leaves behind for the adjoint; indexed by projection."""

    x: NDArray
    readout: NDArray
    kernels: list[NDArray]
    spectra: list[NDArray]
    currents: list[NDArray]
    keep: list[NDArray]
    moments: list[tuple[NDArray, NDArray]]
    n_spikes: list[NDArray]


def forward(
    network: Network,
    parameters: Parameters,
    x: NDArray,
    *,
    sigma: float,
    keep: list[NDArray],
    running: Parameters | None,
    workspace: Workspace,
) -> Pass:
    """Run the network on ``x`` (channel, time, batch); the potentials of the readout are (output, time, batch).

    Parameters
    ----------
    sigma
        Spread of the delay kernels in bins; 0 deploys the delays.
    keep
        Dropout factor (neuron, batch) of every hidden population.
    running
        Moments for the normalisation; None to use those of the batch.
    """
    (_, n_time, n_batch), kind = x.shape, network.dtype.type
    first = network.transform(0, n_time)
    n_frequency = len(first.analysis) // 2
    done = Pass(x, np.empty(0), [], [workspace.lend("input", n_frequency, 2, len(x), n_batch)], [], keep, [], [])
    spectral.analyse(x, first.analysis, done.spectra[0])
    for layer in range(network.n_projections):
        n_source, n_target = network.sizes[layer : layer + 2]
        transform = network.transform(layer, n_time)
        kernel = workspace.lend(f"kernel{layer}", n_frequency, 2, n_target, n_source)
        spectrum = workspace.lend(f"spectrum{layer}", n_frequency, 2, n_target, n_batch)
        weight, delay = parameters[f"weight_{layer}"], parameters[f"delay_{layer}"]
        spectral.kernel_spectrum(weight, delay, kind(sigma), transform.taps, kernel)
        spectral.propagate(kernel, done.spectra[-1], spectrum)
        done.kernels.append(kernel)
        n_out = len(transform.synthesis)
        if layer == network.n_projections - 1:
            done.readout = workspace.lend("readout", n_target, n_out, n_batch)
            spectral.readout_forward(spectrum, transform.synthesis, kind(network.beta), network.readout_latency, done.readout)
            continue
        current = workspace.lend(f"current{layer}", n_target, n_out, n_batch)
        mean, variance = (
            (np.empty(n_target, network.dtype), np.empty(n_target, network.dtype))
            if running is None
            else (running[f"mean_{layer}"], running[f"variance_{layer}"])
        )
        n_spikes = np.empty(n_target, np.int64)
        spectral.hidden_forward(
            spectrum, transform.synthesis, network.transform(layer + 1, n_time).analysis,
            parameters[f"gain_{layer}"], parameters[f"bias_{layer}"], mean, variance, running is None, keep[layer],
            kind(network.beta), network.latency, network.reset_erases_input, current, n_spikes,
        )  # fmt: skip
        done.spectra.append(spectrum)
        done.currents.append(current)
        done.moments.append((mean, variance))
        done.n_spikes.append(n_spikes)
    return done


def loss_of(done: Pass, label: NDArray) -> tuple[NDArray, NDArray]:
    """Loss (batch) and summed softmax (batch, output) of a pass, whose readout is turned into the gradient of the mean loss."""
    n_output, _, n_batch = done.readout.shape
    z = np.empty((n_batch, n_output), done.readout.dtype)
    loss = np.empty(n_batch, done.readout.dtype)
    summed_softmax(done.readout, z)
    cross_entropy(z, label, done.readout, loss)
    return loss, z


def adjoint(network: Network, parameters: Parameters, done: Pass, *, sigma: float, workspace: Workspace) -> Parameters:
    """Gradient of every parameter, from a pass whose readout holds the gradient of the loss; the pass is used up."""
    (_, n_time, n_batch), kind = done.x.shape, network.dtype.type
    n_frequency = len(done.spectra[0])
    gradient: Parameters = {}
    last = network.n_projections - 1
    current_bar = workspace.lend(f"spectrum{last}", n_frequency, 2, network.sizes[-1], n_batch)
    synthesis_adjoint = network.transform(last, n_time).synthesis_adjoint
    spectral.readout_adjoint(done.readout, synthesis_adjoint, kind(network.beta), network.readout_latency, current_bar)
    for layer in range(last, -1, -1):
        weight, delay = parameters[f"weight_{layer}"], parameters[f"delay_{layer}"]
        kernel_bar = workspace.lend("kernel_bar", *done.kernels[layer].shape)
        spectral.propagate_adjoint(current_bar, done.kernels[layer], done.spectra[layer], kernel_bar, layer > 0)
        weight_bar, delay_bar = np.empty_like(weight), np.empty_like(delay)
        spectral.kernel_spectrum_adjoint(
            kernel_bar, weight, delay, kind(sigma), network.transform(layer, n_time).taps_adjoint, weight_bar, delay_bar
        )
        gradient[f"weight_{layer}"], gradient[f"delay_{layer}"] = weight_bar, delay_bar
        if layer == 0:
            continue
        current_bar, hidden = done.spectra[layer], layer - 1
        gain = parameters[f"gain_{hidden}"]
        gain_bar, bias_bar = np.empty_like(gain), np.empty_like(gain)
        spectral.hidden_adjoint(
            current_bar, network.transform(layer, n_time).analysis_adjoint,
            network.transform(hidden, n_time).synthesis_adjoint, gain, parameters[f"bias_{hidden}"],
            *done.moments[hidden], done.keep[hidden],
            kind(network.beta), network.latency, network.reset_erases_input, network.surrogate_alpha,
            done.currents[hidden], gain_bar, bias_bar,
        )  # fmt: skip
        gradient[f"gain_{hidden}"], gradient[f"bias_{hidden}"] = gain_bar, bias_bar
    return gradient
