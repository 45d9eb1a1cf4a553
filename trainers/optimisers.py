r"""Adam and its schedules.

Kingma & Ba (2015), https://doi.org/10.48550/arXiv.1412.6980; one cycle after Smith & Topin (2019),
https://doi.org/10.1117/12.2520589, in the cosine form and with the defaults of the published code.
"""

from __future__ import annotations

import math

import numba
import numpy as np

TINY_MOMENT = 1e-30  # moments below are flushed to 0, where subnormal arithmetic would begin to cost


@numba.njit(cache=True, error_model="numpy")
def adam(parameter, gradient, first, second, age, rate, beta1, beta2, epsilon):
    """One step of Adam on flat arrays, in place; for each number the ``age``-th since its moments began, from 1."""
    known, correction1, correction2 = 0, 1.0, 1.0
    for i in range(len(parameter)):
        if age[i] != known:
            known = age[i]
            correction1, correction2 = 1 - beta1**known, np.sqrt(1 - beta2**known)
        m = beta1 * first[i] + (1 - beta1) * gradient[i]
        v = beta2 * second[i] + (1 - beta2) * gradient[i] * gradient[i]
        first[i] = m if abs(m) > TINY_MOMENT else 0
        second[i] = v if v > TINY_MOMENT else 0
        parameter[i] -= rate / correction1 * first[i] / (np.sqrt(second[i]) / correction2 + epsilon)


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


def one_cycle(epoch: int, n_epochs: int, peak: float) -> tuple[float, float]:
    """Learning rate and Adam's beta1 of an epoch: up from peak / 25 over the first 30 %, then down to peak / 250,000.

    Runs too short to rise start at the peak.

    Examples
    --------
    >>> [round(one_cycle(e, 150, 5e-3)[0], 6) for e in (0, 44, 149)]
    [0.0002, 0.005, 0.0]
    """
    top = max(0.3 * n_epochs - 1, 0)
    if epoch < top:
        return _cosine(peak / 25, peak, epoch / top), _cosine(0.95, 0.85, epoch / top)
    fraction = (epoch - top) / max(n_epochs - 1 - top, 1)
    return _cosine(peak, peak / 25e4, fraction), _cosine(0.85, 0.95, fraction)


def cosine(epoch: int, n_epochs: int, peak: float) -> float:
    """Learning rate of an epoch that falls from ``peak`` towards 0 as half a cosine."""
    return _cosine(peak, 0.0, epoch / n_epochs)


def stepped(epoch: int, peak: float, *, factor: float, every: int) -> float:
    """Learning rate of an epoch that is multiplied by ``factor`` every so many epochs.

    Examples
    --------
    >>> [round(stepped(epoch, 1.0, factor=0.95, every=20), 4) for epoch in (0, 19, 20, 299)]
    [1.0, 1.0, 0.95, 0.4877]
    """
    return peak * factor ** (epoch // every)
