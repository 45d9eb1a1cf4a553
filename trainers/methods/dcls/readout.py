r"""The loss on the readout: cross-entropy of the softmax of :math:`z_k = \sum_t \mathrm{softmax}_k(O[t])`."""

from __future__ import annotations

import numba
import numpy as np

from trainers.methods.dcls.neurons import TINY

LANES = 64  # samples side by side in one thread: enough for the vector units, few enough for the first-level cache


@numba.njit(cache=True, error_model="numpy")
def _softmax(row, top, total):
    """Turn potentials (output, sample) of one step into their softmax; ``top`` and ``total`` (sample) are scratch."""
    top[:] = row[0]
    for k in range(1, len(row)):
        for b in range(len(top)):
            top[b] = max(top[b], row[k, b])
    total[:] = 0
    for k in range(len(row)):
        for b in range(len(top)):
            row[k, b] = np.exp(row[k, b] - top[b])
            total[b] += row[k, b]
    for k in range(len(row)):
        for b in range(len(top)):
            row[k, b] /= total[b]


@numba.njit(cache=True, parallel=True, error_model="numpy")
def summed_softmax(potential, z):
    """Turn potentials (output, time, batch) into their softmax over outputs, and sum it over time into z (output, batch)."""
    n_output, n_time, n_batch = potential.shape
    for block in numba.prange((n_batch + LANES - 1) // LANES):
        start, stop = block * LANES, min((block + 1) * LANES, n_batch)
        top, total = np.empty(stop - start, potential.dtype), np.empty(stop - start, potential.dtype)
        z[:, start:stop] = 0
        for t in range(n_time):
            _softmax(potential[:, t, start:stop], top, total)
            for k in range(n_output):
                for b in range(start, stop):
                    z[k, b] += potential[k, t, b]


@numba.njit(cache=True, error_model="numpy")
def _through_softmax(row, z_bar, mean):
    """Turn the softmax (output, sample) of one step into the gradient of the potentials; ``mean`` (sample) is scratch."""
    tiny, zero = row.dtype.type(TINY), row.dtype.type(0)
    mean[:] = 0
    for k in range(len(row)):
        for b in range(len(mean)):
            mean[b] += row[k, b] * z_bar[k, b]
    for k in range(len(row)):
        for b in range(len(mean)):
            g = row[k, b] * (z_bar[k, b] - mean[b])
            row[k, b] = g if abs(g) > tiny else zero


@numba.njit(cache=True, parallel=True, error_model="numpy")
def cross_entropy(z, label, softmax, loss):
    """Write each sample's loss, and turn the softmax into the gradient of the mean loss with respect to the potentials."""
    n_output, n_time, n_batch = softmax.shape
    kind = softmax.dtype.type
    for block in numba.prange((n_batch + LANES - 1) // LANES):
        start, stop = block * LANES, min((block + 1) * LANES, n_batch)
        z_bar, mean = np.empty((n_output, stop - start), softmax.dtype), np.empty(stop - start, softmax.dtype)
        for b in range(start, stop):
            top = z[:, b].max()
            e = np.exp(z[:, b] - top)
            total = e.sum()
            loss[b] = np.log(total) + top - z[label[b], b]
            e /= total
            e[label[b]] -= kind(1)
            z_bar[:, b - start] = e / kind(n_batch)
        for t in range(n_time):
            _through_softmax(softmax[:, t, start:stop], z_bar, mean)
