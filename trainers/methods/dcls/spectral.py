r"""Delayed propagation by Fourier transform over time, fused with the neurons it drives; forward and adjoint.

A signal leaving source i at step t through a delay of d bins arrives at target j at step t + d,

.. math:: y_j[t] = \sum_i \sum_d k_{ji}[d]\, x_i[t - d],

exactly, for any kernel: transform, one matrix product per frequency, transform back. The frequencies are odd multiples of
half the lowest one, so that each is a complex number and none is special; the period leaves no room to wrap around.

Layouts: time (neuron, time, batch); spectrum (frequency, part, neuron, batch) with the real part first; kernel spectrum
(frequency, part, target, source). Each loop below gives whole neurons or whole frequencies to a thread, with matrix
products that BLAS must run on that thread alone: then no number depends on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from trainers.methods.dcls.delays import kernel_taps
from trainers.methods.dcls.neurons import EPSILON, fire_adjoint, integrate, integrate_adjoint, membrane, moments, transmit


@dataclass(frozen=True)
class DelayTransform:
    """Real matrices between time and spectrum; their rows or columns "2 frequency" alternate real and imaginary parts.

    ``analysis`` (2 frequency, time), ``taps`` (2 frequency, bin), ``synthesis`` (time, 2 frequency), and the transposes.
    """

    analysis: NDArray[np.floating]
    taps: NDArray[np.floating]
    synthesis: NDArray[np.floating]
    analysis_adjoint: NDArray[np.floating]
    taps_adjoint: NDArray[np.floating]
    synthesis_adjoint: NDArray[np.floating]


@lru_cache(maxsize=32)
def delay_transform(n_in: int, n_out: int, n_bins: int, longest: int, dtype: np.dtype) -> DelayTransform:
    """Matrices of a convolution of ``n_in`` steps with ``n_bins`` bins, of which ``n_out`` steps are wanted.

    Transforms of the same ``longest`` signal share their frequencies.
    """
    period = longest + n_bins - 1
    period += period % 2
    frequency = 2 * np.pi * (np.arange(period // 2) + 0.5) / period
    angle = np.multiply.outer(frequency, np.arange(period))
    waves = np.stack([np.cos(angle), -np.sin(angle)], axis=1).reshape(period, period)
    analysis, taps, synthesis = waves[:, :n_in], waves[:, :n_bins], 2 / period * waves[:, :n_out].T
    return DelayTransform(
        *(np.ascontiguousarray(m, dtype) for m in (analysis, taps, synthesis, analysis.T, taps.T, synthesis.T))
    )


@numba.njit(cache=True, error_model="numpy")
def _gather(rows, j, out):
    for r in range(len(rows)):
        for b in range(rows.shape[2]):
            out[r, b] = rows[r, j, b]


@numba.njit(cache=True, error_model="numpy")
def _scatter(values, j, rows):
    for r in range(len(rows)):
        for b in range(rows.shape[2]):
            rows[r, j, b] = values[r, b]


@numba.njit(cache=True, parallel=True, error_model="numpy")
def analyse(signal, matrix, spectrum):
    """Spectrum of a signal (neuron, time, batch)."""
    n_neuron, _, n_batch = signal.shape
    rows = spectrum.reshape((2 * len(spectrum), n_neuron, n_batch))
    for j in numba.prange(n_neuron):
        _scatter(np.dot(matrix, signal[j]), j, rows)


@numba.njit(cache=True, parallel=True, error_model="numpy")
def kernel_spectrum(rows, begin, source, weight, delay, sigma, matrix, spectrum):
    """Spectrum of the delay kernels of the synapses ``rows``, which are listed by target."""
    _, _, n_target, n_source = spectrum.shape
    n_bins = matrix.shape[1]
    flat = spectrum.reshape((2 * len(spectrum), n_target, n_source))
    for j in numba.prange(n_target):
        taps = np.zeros((n_bins, n_source), spectrum.dtype)
        tap, slope = np.empty(n_bins, spectrum.dtype), np.empty(n_bins, spectrum.dtype)
        for s in rows[begin[j] : begin[j + 1]]:
            first, count = kernel_taps(delay[s], sigma, n_bins, tap, slope)
            for k in range(count):
                taps[first + k, source[s]] += weight[s] * tap[k]
        _scatter(np.dot(matrix, taps), j, flat)


@numba.njit(cache=True, parallel=True, error_model="numpy")
def kernel_spectrum_adjoint(spectrum_bar, rows, begin, source, delay, sigma, matrix, weight_bar, delay_bar):
    """Write the gradients of the weights of the synapses ``rows``, and of their delays (in bins) per unit of weight.

    ``matrix`` is the transpose of the one that made the spectrum. The synapses need not exist: so are candidates judged.
    """
    n_frequency, _, n_target, n_source = spectrum_bar.shape
    n_bins = len(matrix)
    flat = spectrum_bar.reshape((2 * n_frequency, n_target, n_source))
    for j in numba.prange(n_target):
        row = np.empty((2 * n_frequency, n_source), spectrum_bar.dtype)
        _gather(flat, j, row)
        taps_bar = np.dot(matrix, row)
        tap, slope = np.empty(n_bins, spectrum_bar.dtype), np.empty(n_bins, spectrum_bar.dtype)
        for s in rows[begin[j] : begin[j + 1]]:
            first, count = kernel_taps(delay[s], sigma, n_bins, tap, slope)
            along, along_slope = spectrum_bar.dtype.type(0), spectrum_bar.dtype.type(0)
            for k in range(count):
                along += tap[k] * taps_bar[first + k, source[s]]
                along_slope += slope[k] * taps_bar[first + k, source[s]]
            weight_bar[s], delay_bar[s] = along, along_slope


@numba.njit(cache=True, error_model="numpy")
def _complex_blocks(kernel):
    """(part, target, source) -> (2 target, 2 source), the complex numbers as real 2 × 2 blocks."""
    _, m, n = kernel.shape
    blocks = np.empty((2 * m, 2 * n), kernel.dtype)
    blocks[:m, :n] = kernel[0]
    blocks[m:, n:] = kernel[0]
    blocks[m:, :n] = kernel[1]
    blocks[:m, n:] = -kernel[1]
    return blocks


@numba.njit(cache=True, parallel=True, error_model="numpy")
def propagate(kernel, source, current):
    """Current spectrum of the targets from the kernel spectrum and the source spectrum."""
    n_frequency, _, n_source, n_batch = source.shape
    n_target = current.shape[2]
    for f in numba.prange(n_frequency):
        np.dot(
            _complex_blocks(kernel[f]),
            source[f].reshape((2 * n_source, n_batch)),
            current[f].reshape((2 * n_target, n_batch)),
        )


@numba.njit(cache=True, parallel=True, error_model="numpy")
def propagate_adjoint(current_bar, kernel, source, kernel_bar, pass_on):
    """Write the gradient of the kernel spectrum; with ``pass_on`` replace the source spectrum by its gradient."""
    n_frequency, _, n_source, n_batch = source.shape
    n_target = current_bar.shape[2]
    for f in numba.prange(n_frequency):
        sent = source[f].reshape((2 * n_source, n_batch))
        arrived = current_bar[f].reshape((2 * n_target, n_batch))
        blocks = np.dot(arrived, sent.T)
        kernel_bar[f, 0] = blocks[:n_target, :n_source] + blocks[n_target:, n_source:]
        kernel_bar[f, 1] = blocks[n_target:, :n_source] - blocks[:n_target, n_source:]
        if pass_on:
            np.dot(_complex_blocks(kernel[f]).T, arrived, sent)


@numba.njit(cache=True, parallel=True, error_model="numpy")
def hidden_forward(
    spectrum, synthesis, analysis, gain, bias, mean, variance, own_moments, keep, beta, latency, erase,
    current, n_spikes,
):  # fmt: skip
    """Replace the spectrum of the hidden neurons' current by that of the spikes they transmit.

    With ``own_moments`` the current's moments are written to ``mean`` and ``variance``; otherwise those given are used.
    """
    n_neuron, _, n_batch = current.shape
    rows = spectrum.reshape((2 * len(spectrum), n_neuron, n_batch))
    for j in numba.prange(n_neuron):
        row = np.empty((len(rows), n_batch), current.dtype)
        _gather(rows, j, row)
        np.dot(synthesis, row, current[j])
        if own_moments:
            mean[j], variance[j] = moments(current[j])
        scale = gain[j] / np.sqrt(variance[j] + current.dtype.type(EPSILON))
        potential, spikes = np.empty_like(current[j]), np.empty_like(current[j])
        membrane(current[j], scale, bias[j] - mean[j] * scale, beta, latency, erase, potential)
        n_spikes[j] = transmit(potential, keep[j], spikes)
        np.dot(analysis, spikes, row)
        _scatter(row, j, rows)


@numba.njit(cache=True, parallel=True, error_model="numpy")
def hidden_adjoint(
    spectrum_bar, analysis_adjoint, synthesis_adjoint, gain, bias, mean, variance, keep, beta, latency, erase, alpha,
    current, gain_bar, bias_bar,
):  # fmt: skip
    """Replace the gradient of the transmitted spikes' spectrum by that of the current's; write those of gain and bias.

    The potentials are computed anew: that is cheaper than to keep them.
    """
    n_neuron, _, n_batch = current.shape
    rows = spectrum_bar.reshape((2 * len(spectrum_bar), n_neuron, n_batch))
    for j in numba.prange(n_neuron):
        row = np.empty((len(rows), n_batch), current.dtype)
        _gather(rows, j, row)
        bar = np.dot(analysis_adjoint, row)
        scale = gain[j] / np.sqrt(variance[j] + current.dtype.type(EPSILON))
        potential = np.empty_like(current[j])
        membrane(current[j], scale, bias[j] - mean[j] * scale, beta, latency, erase, potential)
        gain_bar[j], bias_bar[j] = fire_adjoint(
            bar, potential, current[j], keep[j], mean[j], variance[j], gain[j], beta, latency, erase, alpha
        )
        np.dot(synthesis_adjoint, bar, row)
        _scatter(row, j, rows)


@numba.njit(cache=True, parallel=True, error_model="numpy")
def readout_forward(current_spectrum, synthesis, beta, latency, potential):
    """Potentials (output, time, batch) of the leaky integrators from the spectrum of their current."""
    n_neuron, _, n_batch = potential.shape
    arriving = current_spectrum.reshape((2 * len(current_spectrum), n_neuron, n_batch))
    for j in numba.prange(n_neuron):
        row = np.empty((len(arriving), n_batch), potential.dtype)
        _gather(arriving, j, row)
        integrate(np.dot(synthesis, row), beta, latency, potential[j])


@numba.njit(cache=True, parallel=True, error_model="numpy")
def readout_adjoint(potential_bar, synthesis_adjoint, beta, latency, current_bar):
    """Spectrum of the current's gradient from the gradient of the integrators' potentials, which is overwritten."""
    n_neuron, _, n_batch = potential_bar.shape
    leaving = current_bar.reshape((2 * len(current_bar), n_neuron, n_batch))
    for j in numba.prange(n_neuron):
        integrate_adjoint(potential_bar[j], beta, latency)
        _scatter(np.dot(synthesis_adjoint, potential_bar[j]), j, leaving)
