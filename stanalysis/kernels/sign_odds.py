"""Log odds that a synapse excites, as a smooth function of its source plus one of its delay: penalised logistic regressions."""

from __future__ import annotations

import numpy as np

from stanalysis.kernels.inner import inner
from stanalysis.kernels.threads import in_threads

N_STEPS = 20  # of Newton's method; most fits need five
LONGEST_STEP = 4.0  # of any log odds
CONVERGED = 1e-3  # a step that changes no draw
MEAN_PRECISION = 1e-2  # of the mean log odds


@inner
def _odds(design, i, coefficients):
    odds = 0.0
    for k in range(coefficients.size):
        odds += design[i, k] * coefficients[k]
    return odds


@inner
def _solve(matrix, x):
    """Put in the place of ``x`` what the positive definite ``matrix``, of which the lower half is there, makes ``x`` of, and in
    the place of the matrix its Cholesky factor.
    """
    for k in range(x.size):
        for m in range(k + 1):
            rest = matrix[k, m]
            for j in range(m):
                rest -= matrix[k, j] * matrix[m, j]
            matrix[k, m] = np.sqrt(rest) if m == k else rest / matrix[m, m]
        for j in range(k):
            x[k] -= matrix[k, j] * x[j]
        x[k] /= matrix[k, k]
    for k in range(x.size - 1, -1, -1):
        for j in range(k + 1, x.size):
            x[k] -= matrix[j, k] * x[j]
        x[k] /= matrix[k, k]


@inner
def _fit(excites, design, precision, coefficients, factor, step):
    """Fit ``coefficients`` from where they are, with the Cholesky ``factor`` of their Hessian; ``step`` is room for as many."""
    n, p = design.shape
    for _ in range(N_STEPS):
        for k in range(p):
            step[k] = -precision[k] * coefficients[k]
            for m in range(k):
                factor[k, m] = 0
            factor[k, k] = precision[k]
        for i in range(n):
            chance = 1 / (1 + np.exp(-_odds(design, i, coefficients)))
            sure = chance * (1 - chance)
            for k in range(p):
                step[k] += design[i, k] * (excites[i] - chance)
                for m in range(k + 1):
                    factor[k, m] += design[i, k] * design[i, m] * sure
        _solve(factor, step)
        longest = 0.0
        for i in range(n):
            longest = max(longest, abs(_odds(design, i, step)))
        scale = min(1.0, LONGEST_STEP / max(longest, CONVERGED))
        for k in range(p):
            coefficients[k] += step[k] * scale
        if longest < CONVERGED:
            break


@inner
def log_odds(excites, design, group, roughness, variances, out):
    """Write into ``out`` (synapse,) the log odds less their mean over the whole plane.

    They are the mean over normal priors of the coefficients, weighed by how likely each prior makes the signs (Laplace).

    Parameters
    ----------
    excites
        1 or 0 of each synapse.
    design
        Shape (synapse, 1 + column); the first is 1.
    group, roughness
        Of each column after the first: which variance it has, 0 or 1, and by what that is divided; a group of -1 has
        variance 1.
    variances
        Those tried for either group.

    Returns
    -------
    How likely the design makes the signs: the logarithm of the sum over priors.
    """
    n, p = design.shape
    n_try = variances.size
    precision, coefficients, step, factor = np.empty(p), np.empty(p), np.empty(p), np.empty((p, p))
    evidence, odds = np.empty(n_try * n_try), np.empty((n_try * n_try, n))
    best = -np.inf
    precision[0] = MEAN_PRECISION
    for t in range(n_try * n_try):
        for k in range(1, p):
            tried = variances[t // n_try if group[k - 1] == 0 else t % n_try]
            precision[k] = roughness[k - 1] / (1.0 if group[k - 1] < 0 else tried)
        coefficients[:] = 0
        _fit(excites, design, precision, coefficients, factor, step)
        likely = 0.0
        for i in range(n):
            each = _odds(design, i, coefficients)
            odds[t, i] = each - coefficients[0]
            likely -= np.log1p(np.exp(-each if excites[i] > 0 else each))
        for k in range(p):
            likely += 0.5 * np.log(precision[k]) - 0.5 * precision[k] * coefficients[k] ** 2 - np.log(factor[k, k])
        evidence[t] = likely
        best = max(best, likely)
    total = 0.0
    for t in range(evidence.size):
        evidence[t] = np.exp(evidence[t] - best)
        total += evidence[t]
    out[:] = 0
    for t in range(evidence.size):
        for i in range(n):
            out[i] += evidence[t] / total * odds[t, i]
    return best + np.log(total)


@in_threads
def log_odds_of_fields(begin, end, start, excites, design, group, roughness, variances, out, likely):
    """`log_odds` of the synapses of each field, from ``start[f]`` to ``start[f + 1]``; what it gives in ``likely`` (field,)."""
    for f in range(begin, end):
        rows, n_plus = slice(start[f], start[f + 1]), 0.0
        for i in range(start[f], start[f + 1]):
            n_plus += excites[i]
        if 0 < n_plus < start[f + 1] - start[f]:
            likely[f] = log_odds(excites[rows], design[rows], group, roughness, variances, out[rows])
