"""A slow, plain-numpy delay network: the oracle for the fast one.

It follows the published equations one by one, in the time domain. Spikes are linearised around a reference pass, S = S0 +
h(U0 - 1) (U - U0) with the reset at S0, so that finite differences of its loss are the surrogate gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainers.datasets import DataFormat


def data_format(n_channels, n_classes):
    return DataFormat(n_channels, n_classes, dt=10.0, duration=120.0)


@dataclass
class Reference:
    """Potentials of the hidden populations (time, neuron, batch) around which to linearise; None runs the spiking network."""

    potentials: list[np.ndarray] | None = None


def convolve(weight, delay, sigma, n_bins, x, n_out):
    """Delayed currents (time, target, batch) of sources x (time, source, batch) through synapses (target, source, contact)."""
    bins = np.arange(n_bins)
    if sigma == 0:
        taps = (bins[:, None, None, None] == np.clip(np.rint(delay), 0, n_bins - 1)).astype(float)
    else:
        taps = np.exp(-((bins[:, None, None, None] - delay) ** 2) / (2 * sigma**2))
        taps = taps / (taps.sum(axis=0) + 1e-7)
    kernel = (weight * taps).sum(axis=-1)
    y = np.zeros((n_out, len(weight), x.shape[2]))
    for d in range(n_bins):
        n = max(min(n_out - d, len(x)), 0)
        y[d : d + n] += np.einsum("ji,tib->tjb", kernel[d], x[:n])
    return y


def loss(network, parameters, x, label, *, sigma, keep, l1, reference):
    """Mean cross-entropy plus penalty, and the potentials of the hidden populations; x is (channel, time, batch)."""
    signal, potentials = x.transpose(1, 0, 2), []
    penalty = 0.0
    n_projections = len(network.layers)
    for layer in range(n_projections):
        weight, delay = parameters[f"weight_{layer}"], parameters[f"delay_{layer}"]
        penalty += l1 * np.abs(weight).sum()
        current = convolve(weight, delay, sigma, network.n_bins, signal, len(signal) + network.growth)
        if layer == n_projections - 1:
            break
        mean, variance = current.mean((0, 2), keepdims=True), current.var((0, 2), keepdims=True)
        gain, bias = parameters[f"gain_{layer}"][:, None], parameters[f"bias_{layer}"][:, None]
        current = (current - mean) / np.sqrt(variance + 1e-5) * gain + bias
        u, spikes, signal = np.zeros_like(current), np.zeros_like(current), np.zeros_like(current)
        for t in range(len(current)):
            before, fired = (u[t - 1], spikes[t - 1]) if t else (0 * u[0], 0 * u[0])
            arriving = current[t - network.latency] if t >= network.latency else 0 * u[0]
            u[t] = network.beta * before * (1 - fired) + arriving * (1 - network.reset_erases_input * fired)
            u0 = u[t] if reference.potentials is None else reference.potentials[layer][t]
            slope = network.surrogate_alpha / 2 / (1 + (np.pi * network.surrogate_alpha * (u0 - 1) / 2) ** 2)
            spikes[t] = u0 >= 1
            signal[t] = (spikes[t] + slope * (u[t] - u0)) * keep[layer]
        potentials.append(u)
    o = np.zeros_like(current)
    for t in range(len(o)):
        arriving = current[t - network.readout_latency] if t >= network.readout_latency else 0
        o[t] = network.beta * (o[t - 1] if t else 0) + arriving
    e = np.exp(o - o.max(axis=1, keepdims=True))
    z = (e / e.sum(axis=1, keepdims=True)).sum(axis=0)
    log_p = z - z.max(axis=0)
    log_p = log_p - np.log(np.exp(log_p).sum(axis=0))
    return -log_p[label, np.arange(len(label))].mean() + penalty, potentials
