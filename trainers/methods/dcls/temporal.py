r"""Delayed propagation in time, synapse by synapse, fused with the neurons it drives; forward and adjoint.

The cost grows with the number of synapses and with the taps that their kernels really cover: 1 once deployed, 6 at the
narrowest training kernel. Signals are (neuron, time, batch) with the batch contiguous, so that a delay is an offset and a
tap is a multiple of one row added to another. ``sent`` signals begin, and gradients of currents end, with more rows of
zeros than there are bins: no tap reaches past an edge. Each neuron is the work of one thread.
"""

from __future__ import annotations

import numba
import numpy as np

from trainers.methods.dcls.delays import kernel_taps
from trainers.methods.dcls.neurons import EPSILON, fire_adjoint, integrate, integrate_adjoint, membrane, moments, transmit

SIX = 6  # taps added in one go: as many as the narrowest training kernel has
MARGIN = SIX - 1  # rows of zeros beyond those of the bins, for taps filled up to sixes
TILE = 8192  # numbers of a signal that all synapses of its neuron add to in turn; its last taps read rows of the next tile
ONE_TAP_TILE = 2048  # one tap does not: then as many as stay in the first-level cache


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _add_one(y, x, k):
    for i in range(len(y)):
        y[i] += k * x[i]


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _add_six(y, x0, x1, x2, x3, x4, x5, k):
    k0, k1, k2, k3, k4, k5 = k[0], k[1], k[2], k[3], k[4], k[5]
    for i in range(len(y)):
        y[i] += k0 * x0[i] + k1 * x1[i] + k2 * x2[i] + k3 * x3[i] + k4 * x4[i] + k5 * x5[i]


@numba.njit(cache=True, error_model="numpy")
def _add_rows(y, x, at, stride, factors):
    """y[i] += sum_k factors[k] x[at + k stride + i], for one factor or for sixes."""
    if len(factors) == 1:
        _add_one(y, x[at:], factors[0])
        return
    for k in range(0, len(factors), SIX):
        x0, x1, x2 = x[at + k * stride :], x[at + (k + 1) * stride :], x[at + (k + 2) * stride :]
        x3, x4, x5 = x[at + (k + 3) * stride :], x[at + (k + 4) * stride :], x[at + (k + 5) * stride :]
        _add_six(y, x0, x1, x2, x3, x4, x5, factors[k : k + SIX])


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _product(x, y):
    total = x.dtype.type(0)
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _six_products(x, y0, y1, y2, y3, y4, y5, out):
    p0 = p1 = p2 = p3 = p4 = p5 = x.dtype.type(0)
    for i in range(len(x)):
        p0 += x[i] * y0[i]
        p1 += x[i] * y1[i]
        p2 += x[i] * y2[i]
        p3 += x[i] * y3[i]
        p4 += x[i] * y4[i]
        p5 += x[i] * y5[i]
    out[0], out[1], out[2], out[3], out[4], out[5] = p0, p1, p2, p3, p4, p5


@numba.njit(cache=True, error_model="numpy")
def _products(x, y, at, stride, out):
    """out[k] = sum_i x[i] y[at + k stride + i], one or sixes."""
    if len(out) == 1:
        out[0] = _product(x, y[at:])
        return
    for k in range(0, len(out), SIX):
        y0, y1, y2 = y[at + k * stride :], y[at + (k + 1) * stride :], y[at + (k + 2) * stride :]
        y3, y4, y5 = y[at + (k + 3) * stride :], y[at + (k + 4) * stride :], y[at + (k + 5) * stride :]
        _six_products(x, y0, y1, y2, y3, y4, y5, out[k : k + SIX])


@numba.njit(cache=True, error_model="numpy")
def _sixes(count):
    """How many numbers hold ``count`` taps: one, or whole sixes."""
    return 1 if count == 1 else -(-count // SIX) * SIX


@numba.njit(cache=True, error_model="numpy")
def _kernels(rows, weight, delay, sigma, n_bins):
    """First bin and number of taps of each of the synapses ``rows``, and their taps, zeros among them."""
    first, count = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    taps, slope = np.zeros((len(rows), n_bins + SIX), weight.dtype), np.empty(n_bins, weight.dtype)
    for k, s in enumerate(rows):
        first[k], n = kernel_taps(delay[s], sigma, n_bins, taps[k], slope)
        taps[k] *= weight[s]
        count[k] = _sixes(n)
    return first, count, taps


@numba.njit(cache=True, error_model="numpy")
def _receive(rows, source, weight, delay, sigma, n_bins, sent, current):
    """Write the current (time, batch) that the synapses ``rows`` bring to their target."""
    n_batch = current.shape[1]
    first, count, taps = _kernels(rows, weight, delay, sigma, n_bins)
    y = current.reshape(current.size)
    length = ONE_TAP_TILE if sigma == 0 else TILE
    for start in range(0, len(y), length):
        tile = y[start : start + length]
        tile[:] = 0
        for k, s in enumerate(rows):
            x = sent[source[s]].reshape(sent[0].size)
            late = first[k] + count[k] - 1
            _add_rows(tile, x, (n_bins + MARGIN - late) * n_batch + start, n_batch, taps[k, : count[k]][::-1])


@numba.njit(cache=True, error_model="numpy")
def _gather_back(rows, target, weight, delay, sigma, n_bins, current_bar, sent_bar):
    """Write the gradient (time, batch) of what a source sends, from those of the currents of its targets."""
    n_batch = sent_bar.shape[1]
    first, count, taps = _kernels(rows, weight, delay, sigma, n_bins)
    x = sent_bar.reshape(sent_bar.size)
    length = ONE_TAP_TILE if sigma == 0 else TILE
    for start in range(0, len(x), length):
        tile = x[start : start + length]
        tile[:] = 0
        for k, s in enumerate(rows):
            y = current_bar[target[s]].reshape(current_bar[0].size)
            _add_rows(tile, y, first[k] * n_batch + start, n_batch, taps[k, : count[k]])


@numba.njit(cache=True, error_model="numpy")
def _judge(rows, source, delay, sigma, n_bins, sent, n_sent, current_bar, weight_bar, delay_bar):
    """As `synapse_adjoint`, for synapses of one target; ``current_bar`` (time, batch) is the gradient of its current."""
    n_batch, front = sent.shape[2], n_bins + MARGIN
    y = current_bar.reshape(current_bar.size)
    tap, slope = np.empty(n_bins + SIX, sent.dtype), np.empty(n_bins + SIX, sent.dtype)
    for s in rows:
        tap[:] = 0
        slope[:] = 0
        first, count = kernel_taps(delay[s], sigma, n_bins, tap, slope)
        product = np.empty(_sixes(count), sent.dtype)
        x = sent[source[s], front : front + n_sent].reshape(n_sent * n_batch)
        _products(x, y, first * n_batch, n_batch, product)
        weight_bar[s] = (tap[: len(product)] * product).sum()
        delay_bar[s] = (slope[: len(product)] * product).sum()


@numba.njit(cache=True, parallel=True, error_model="numpy")
def surround(x, n_before, sent):
    """Copy signals into ``sent`` behind ``n_before`` rows of zeros, with zeros after them."""
    n_time = x.shape[1]
    for i in numba.prange(len(x)):
        sent[i, :n_before] = 0
        sent[i, n_before : n_before + n_time] = x[i]
        sent[i, n_before + n_time :] = 0


@numba.njit(cache=True, parallel=True, error_model="numpy")
def hidden_forward(
    rows, begin, source, weight, delay, sigma, n_bins, sent, gain, bias, mean, variance, own_moments, keep, beta, latency,
    erase, current, spikes, n_spikes,
):  # fmt: skip
    """Write the currents of hidden neurons and the spikes they transmit, these behind rows of zeros.

    With ``own_moments`` the current's moments are written to ``mean`` and ``variance``; otherwise those given are used.
    """
    n_time = current.shape[1]
    for j in numba.prange(len(current)):
        _receive(rows[begin[j] : begin[j + 1]], source, weight, delay, sigma, n_bins, sent, current[j])
        if own_moments:
            mean[j], variance[j] = moments(current[j])
        scale = gain[j] / np.sqrt(variance[j] + current.dtype.type(EPSILON))
        potential = np.empty_like(current[j])
        membrane(current[j], scale, bias[j] - mean[j] * scale, beta, latency, erase, potential)
        front = n_bins + MARGIN
        spikes[j, :front] = 0
        spikes[j, front + n_time :] = 0
        n_spikes[j] = transmit(potential, keep[j], spikes[j, front : front + n_time])


@numba.njit(cache=True, parallel=True, error_model="numpy")
def hidden_adjoint(
    rows, begin, target, weight, delay, sigma, n_bins, later_bar, gain, bias, mean, variance, keep, beta, latency, erase,
    alpha, current, current_bar, gain_bar, bias_bar,
    arriving, arriving_begin, source, arriving_delay, sent, n_sent, weight_bar, delay_bar,
):  # fmt: skip
    """Write the gradients of hidden neurons' currents, before rows of zeros, from those of their targets'.

    While a neuron's is in the cache, those of the synapses ``arriving`` there are written, as by `synapse_adjoint`. A
    ``current_bar`` of no neurons keeps none of the first. Nothing is written for a neuron without targets.
    """
    n_time = current.shape[1]
    for j in numba.prange(len(current)):
        if begin[j] == begin[j + 1]:
            continue
        padded = current_bar[j] if len(current_bar) > 0 else np.empty(current_bar.shape[1:], current.dtype)
        bar = padded[:n_time]
        padded[n_time:] = 0
        _gather_back(rows[begin[j] : begin[j + 1]], target, weight, delay, sigma, n_bins, later_bar, bar)
        scale = gain[j] / np.sqrt(variance[j] + current.dtype.type(EPSILON))
        potential = np.empty_like(current[j])
        membrane(current[j], scale, bias[j] - mean[j] * scale, beta, latency, erase, potential)
        gain_bar[j], bias_bar[j] = fire_adjoint(
            bar, potential, current[j], keep[j], mean[j], variance[j], gain[j], beta, latency, erase, alpha
        )
        judged = arriving[arriving_begin[j] : arriving_begin[j + 1]]
        _judge(judged, source, arriving_delay, sigma, n_bins, sent, n_sent, padded, weight_bar, delay_bar)


@numba.njit(cache=True, parallel=True, error_model="numpy")
def readout_forward(rows, begin, source, weight, delay, sigma, n_bins, sent, beta, latency, potential):
    """Potentials of the leaky integrators."""
    for j in numba.prange(len(potential)):
        current = np.empty_like(potential[j])
        _receive(rows[begin[j] : begin[j + 1]], source, weight, delay, sigma, n_bins, sent, current)
        integrate(current, beta, latency, potential[j])


@numba.njit(cache=True, parallel=True, error_model="numpy")
def readout_adjoint(potential_bar, beta, latency, current_bar):
    """Gradients of the integrators' currents, before rows of zeros, from those of their potentials."""
    n_time = potential_bar.shape[1]
    for j in numba.prange(len(potential_bar)):
        current_bar[j, :n_time] = potential_bar[j]
        integrate_adjoint(current_bar[j, :n_time], beta, latency)
        current_bar[j, n_time:] = 0


@numba.njit(cache=True, parallel=True, error_model="numpy")
def synapse_adjoint(rows, source, target, delay, sigma, n_bins, sent, n_sent, current_bar, weight_bar, delay_bar):
    """Write the gradients of the weights of the synapses ``rows``, and of their delays (in bins) per unit of weight.

    They need not exist: so are candidates judged. ``n_sent`` steps of ``sent`` are signal.
    """
    for k in numba.prange(len(rows)):
        bar = current_bar[target[rows[k]]]
        _judge(rows[k : k + 1], source, delay, sigma, n_bins, sent, n_sent, bar, weight_bar, delay_bar)
