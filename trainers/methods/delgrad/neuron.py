r"""A neuron's first crossing of its threshold between two arrivals, and its slope there.

Of the arrivals at :math:`T_i` with weights :math:`w_i`, :math:`V(t) \propto \sum_i w_i k(t - T_i)`, where
:math:`k(s) = (e^{-s/\tau_m} - e^{-s/\tau_s}) / (\tau_m / \tau_s - 1)`, or :math:`(s/\tau) e^{-s/\tau}` for equal ones.
With :math:`\tau_s = 1`, r = :math:`\tau_m`, :math:`m_i = e^{T_i/r}` and :math:`u = e^{t/r}`, two sums tell all,

.. math:: p = \sum_i w_i m_i, \quad q = \sum_i w_i s_i: \quad
    \sum_i w_i k = \frac{p/u - q/u^r}{r - 1}, \; s_i = m_i^r; \quad \text{or} \quad \frac{t p - q}{u}, \; s_i = T_i m_i

for r = 1. The threshold c is that of this sum. A spike at :math:`u'` subtracts it: :math:`p \to p - c (r - 1) u'`, or
:math:`q \to q + c u'`. Closed forms for r = 2 (a quadratic in u) and r = 1 (Lambert's W): Göltz et al. (2021),
https://doi.org/10.1038/s42256-021-00388-x; any other r by Newton's method, which converges from the left on a concave rise.
"""

from __future__ import annotations

import numba
import numpy as np

NEVER = np.inf
CLOSE = 1e-15  # units: Newton's steps end when they are as small as the rounding of a time
MOST_STEPS = 100  # of Newton; far more than it takes but where V only just reaches the threshold
BRANCH = np.exp(-1.0)


@numba.njit(cache=True, error_model="numpy")
def fast_part(ratio, slow, of_spike, of_delay):
    """The fast part s of an arrival, from its slow one and the fast parts of its spike and its delay."""
    if ratio == 2.0:
        return slow * slow
    if ratio == 1.0:
        return slow * (of_spike + of_delay)
    return of_spike * of_delay


@numba.njit(cache=True, error_model="numpy")
def crossing(ratio, p, q, c, start, end):
    """u at which V of these sums rises to the threshold; infinite if it never does.

    The caller asks whether that is between ``start``, where V is below it, and ``end``, at which Newton's method gives up; the
    closed forms look at neither.
    """
    if ratio == 2.0:
        if not (p > 0.0 and q > 0.0):
            return NEVER
        share = q / p
        root = 1.0 - 4.0 * c * share / p  # of the quadratic, over p squared, which might be too large
        return 2.0 * share / (1.0 + np.sqrt(root)) if root >= 0.0 else NEVER
    if ratio == 1.0:
        if not p > 0.0:
            return NEVER
        z = -c / p * np.exp(q / p)
        return -lambert_w(z) * p / c if z >= -BRANCH else NEVER
    return _newton(ratio, p / start, q / start**ratio, c * (ratio - 1.0), start, end)


@numba.njit(cache=True, error_model="numpy")
def _newton(ratio, slow, fast, level, start, end):
    """The crossing of ``slow exp(-x / ratio) - fast exp(-x)`` with ``level``, times ``ratio - 1``; x = 0 at ``start``."""
    sign = 1.0 if ratio > 1.0 else -1.0
    if not (slow > 0.0 and fast > 0.0 and sign * (fast - slow / ratio) > 0.0):  # V falls
        return NEVER
    top = np.log(fast * ratio / slow) / (1.0 - 1.0 / ratio)
    if sign * (slow * np.exp(-top / ratio) - fast * np.exp(-top) - level) < 0.0:
        return NEVER
    x, reach = 0.0, ratio * np.log(end / start)
    for _ in range(MOST_STEPS):
        along_slow, along_fast = slow * np.exp(-x / ratio), fast * np.exp(-x)
        step = (level - along_slow + along_fast) / (along_fast - along_slow / ratio)
        if not step > CLOSE * (1.0 + x):
            break
        x = min(x + step, top)
        if x > reach:
            return NEVER
    return start * np.exp(x / ratio)


@numba.njit(cache=True, error_model="numpy")
def lambert_w(z):
    """The principal branch of Lambert's W from -1/e to 0, where it lies from -1 to 0.

    Corless et al. (1996), https://doi.org/10.1007/BF02124750: the series at the branch point, then Halley's steps.
    """
    p = np.sqrt(max(2.0 * (np.e * z + 1.0), 0.0))
    w = -1.0 + p * (1.0 - p * (1.0 / 3.0 - p * (11.0 / 72.0 - p * 43.0 / 540.0)))
    if p < 1e-3:  # where Halley would divide by next to nothing, and the series is exact
        return w
    for _ in range(MOST_STEPS):
        e = np.exp(w)
        off = w * e - z
        step = off / (e * (w + 1.0) - (w + 2.0) * off / (2.0 * w + 2.0))
        w -= step
        if not abs(step) > CLOSE * abs(w):
            break
    return w


@numba.njit(cache=True, error_model="numpy")
def kernel(ratio, slow, s, at, at_fast):
    """k of an arrival (m, s), and its slope over time, at a moment u with its fast part."""
    if ratio == 1.0:
        height = at_fast * slow / at - s / at
        return height, slow / at - height
    slow, fast = slow / at, s / at_fast
    return (slow - fast) / (ratio - 1.0), (fast - slow / ratio) / (ratio - 1.0)


@numba.njit(cache=True, error_model="numpy")
def moment(ratio, u):
    """The fast part of a moment u: t for r = 1, else ``exp(t)``."""
    if ratio == 2.0:
        return u * u
    return np.log(u) if ratio == 1.0 else u**ratio


@numba.njit(cache=True, error_model="numpy")
def after_spike(ratio, p, q, c, u):
    """The sums once a spike at u has taken the threshold off."""
    if ratio == 1.0:
        return p, q + c * u
    return p - c * (ratio - 1.0) * u, q
