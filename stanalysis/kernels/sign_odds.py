"""Log odds that a synapse excites, as a smooth function of its source plus one of its delay: penalised logistic regressions."""

from __future__ import annotations

import numba
import numpy as np

from stanalysis.kernels.threads import in_threads

N_STEPS = 20  # of Newton's method; most fits need five
LONGEST_STEP = 4.0  # of any log odds
CONVERGED = 1e-3  # a step that changes no draw
MEAN_PRECISION = 1e-2  # of the mean log odds


@numba.njit(cache=True, error_model="numpy")
def _fitted(excites, design, precision, coefficients):
    """Fit ``coefficients`` from where they are; the Hessian."""
    n, p = design.shape
    hessian, slope = np.empty((p, p)), np.empty(p)
    for _ in range(N_STEPS):
        odds = design @ coefficients
        hessian[:] = 0
        slope[:] = -precision * coefficients
        for i in range(n):
            chance = 1 / (1 + np.exp(-odds[i]))
            sure = chance * (1 - chance)
            for k in range(p):
                slope[k] += design[i, k] * (excites[i] - chance)
                for m in range(k + 1):
                    hessian[k, m] += design[i, k] * design[i, m] * sure
        for k in range(p):
            hessian[k, k] += precision[k]
            for m in range(k):
                hessian[m, k] = hessian[k, m]
        step = np.linalg.solve(hessian, slope)
        longest = np.abs(design @ step).max()
        coefficients += step * min(1.0, LONGEST_STEP / max(longest, CONVERGED))
        if longest < CONVERGED:
            break
    return hessian


@numba.njit(cache=True, error_model="numpy")
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
    precision, coefficients = np.empty(p), np.empty(p)
    precision[0] = MEAN_PRECISION
    evidence, odds = np.empty(n_try * n_try), np.empty((n_try * n_try, n))
    for t in range(n_try * n_try):
        of_group = variances[t // n_try], variances[t % n_try]
        for k in range(1, p):
            precision[k] = roughness[k - 1] / (1.0 if group[k - 1] < 0 else of_group[group[k - 1]])
        coefficients[:] = 0
        hessian = _fitted(excites, design, precision, coefficients)
        each = design @ coefficients
        likely = 0.0
        for i in range(n):
            likely -= np.log1p(np.exp(-each[i] if excites[i] > 0 else each[i]))
        factor = np.linalg.cholesky(hessian)
        for k in range(p):
            likely += 0.5 * np.log(precision[k]) - 0.5 * precision[k] * coefficients[k] ** 2 - np.log(factor[k, k])
        evidence[t] = likely
        odds[t] = each - coefficients[0]
    best = evidence.max()
    weight = np.exp(evidence - best)
    total = weight.sum()
    out[:] = 0
    for t in range(n_try * n_try):
        out += weight[t] / total * odds[t]
    return best + np.log(total)


@in_threads
def log_odds_of_fields(begin, end, start, excites, design, group, roughness, variances, out, likely):
    """`log_odds` of the synapses of each field, from ``start[f]`` to ``start[f + 1]``; what it gives in ``likely`` (field,)."""
    for f in range(begin, end):
        rows = slice(start[f], start[f + 1])
        n_plus = excites[rows].sum()
        if 0 < n_plus < start[f + 1] - start[f]:
            likely[f] = log_odds(excites[rows], design[rows], group, roughness, variances, out[rows])
