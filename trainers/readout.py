r"""The loss on the readout: cross-entropy of the softmax of :math:`z_k = \sum_t \mathrm{softmax}_k(O[t])`."""

from __future__ import annotations

import numba
import numpy as np

from trainers.neurons import TINY


@numba.njit(cache=True, parallel=True, error_model="numpy")
def summed_softmax(potential, z):
    """Turn potentials (output, time, batch) into their softmax over outputs, and sum it over time into z (batch, output)."""
    n_output, n_time, n_batch = potential.shape
    for b in numba.prange(n_batch):
        z[b] = 0
        for t in range(n_time):
            top = potential[0, t, b]
            for k in range(1, n_output):
                top = max(top, potential[k, t, b])
            total = potential.dtype.type(0)
            for k in range(n_output):
                potential[k, t, b] = np.exp(potential[k, t, b] - top)
                total += potential[k, t, b]
            for k in range(n_output):
                potential[k, t, b] /= total
                z[b, k] += potential[k, t, b]


@numba.njit(cache=True, parallel=True, error_model="numpy")
def cross_entropy(z, label, softmax, loss):
    """Write each sample's loss, and turn the softmax into the gradient of the mean loss with respect to the potentials."""
    n_output, n_time, n_batch = softmax.shape
    kind = softmax.dtype.type
    for b in numba.prange(n_batch):
        z_bar = np.exp(z[b] - z[b].max())
        total = z_bar.sum()
        loss[b] = np.log(total) + z[b].max() - z[b, label[b]]
        z_bar /= total
        z_bar[label[b]] -= kind(1)
        z_bar /= kind(n_batch)
        for t in range(n_time):
            mean = kind(0)
            for k in range(n_output):
                mean += softmax[k, t, b] * z_bar[k]
            for k in range(n_output):
                g = softmax[k, t, b] * (z_bar[k] - mean)
                softmax[k, t, b] = g if abs(g) > TINY else kind(0)
