r"""Whether a property of synapses, such as their magnitude or sign, depends on their delay alone, or targets share it.

Both are asked within targets: were the values of a target dealt out among its synapses in any order, what is summed here
would have the mean and variance used, which are exact; only the shape of the distribution is taken as that of a chi-square.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from scipy.stats import chi2, norm

from stanalysis.stats.engine.rounding import ROUNDING

N_COSINES: Final = 4  # of the rank of the delay: half a cycle to two
FEWEST: Final = 4  # synapses of a target from which the variance is known


class Dependence(NamedTuple):
    """How values depend on delays within targets."""

    p_value: float
    correlation: float  # of their ranks, over all targets
    p_correlation: float
    explained: float  # share of the variance that smooth curves, each target its own, explain beyond chance


NONE: Final = Dependence(1.0, 0.0, 1.0, 0.0)


def ranks(values: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Mean rank of each value among those of its field (sorted), as a share from 0 to 1.

    Examples
    --------
    >>> ranks(np.array([3.0, 1.0, 1.0, 7.0]), np.array([0, 0, 0, 1])).round(2)
    array([0.83, 0.33, 0.33, 0.5 ])
    """
    order = np.lexsort((values, field))
    v, f = values[order], field[order]
    first = np.flatnonzero(np.append(True, (v[1:] != v[:-1]) | (f[1:] != f[:-1])))[: v.size]
    ties = np.diff(np.append(first, v.size))
    start = np.searchsorted(f, f)
    result = np.empty(v.size)
    result[order] = (np.repeat(first + ties / 2, ties) - start) / (np.searchsorted(f, f, side="right") - start)
    return result


def dependence(place: np.ndarray, values: np.ndarray, field: np.ndarray, *, unit: np.ndarray | None = None) -> Dependence:
    r"""Whether values depend smoothly on places within fields, at all or in the same way in all of them.

    With cosines :math:`c_k` of the place, of half a cycle to two, :math:`\sum_f \sum_k (c_k^f \cdot y^f)^2` finds a curve of
    every field's own, monotone or not, and the quadratic form of :math:`\sum_f c_k^f \cdot y^f` a weaker one that all share.
    The p-value is twice the smaller of theirs.

    Parameters
    ----------
    place
        Ranks of the delays of synapses, from 0 to 1, shape (synapse,).
    values, field
        Theirs, finite, shape (synapse,); the fields are sorted.
    unit
        Where given, synapses of one unit have one value, and move as one; the units are sorted within sorted fields.

    Returns
    -------
    Four numbers of all fields together. Left out are fields that cannot tell: of fewer than `FEWEST` synapses (or units), or
        where values or places do not vary. Where none can, the answer is `NONE`, p-values 1 and sizes 0; never NaN.

    Notes
    -----
    Over all orders of the values of a field, :math:`c \cdot y` of centred c and y has mean 0 and variance
    :math:`c^2 y^2 / (n - 1)` (linear rank statistics), and fields are independent: so those of the correlation and of the
    shared curve. Mean and variance of the sum of squares, with the fourth moments of c and y, are those of Kazi-Aoual et al.

    References
    ----------
    Hájek, Šidák & Sen (1999), Theory of Rank Tests, section 3.3: a linear statistic under permutation
    Kazi-Aoual et al. (1995), https://doi.org/10.1016/0167-9473(94)00064-M: the moments of a sum of squares under permutation

    Examples
    --------
    Twenty fields of ten synapses, of which the later ones are the stronger.

    >>> place, field = np.tile(np.arange(10) / 9, 20), np.repeat(np.arange(20), 10)
    >>> found = dependence(place, place + np.sin(99 * np.arange(200)), field)
    >>> found.p_value < 0.001, round(found.correlation, 2)
    (True, 0.42)
    """
    scores = np.concatenate([place[:, None], np.cos(np.pi * np.arange(1, N_COSINES + 1) * place[:, None])], axis=1)
    if unit is not None:
        _, first, unit = np.unique(unit, return_index=True, return_inverse=True)
        scores, values, field = _sums(scores, unit) / np.bincount(unit)[:, None], values[first], field[first]
    centred = _centred(scores, values, field)
    if centred is None:
        return NONE
    scores_with_values = _sums(centred.scores * centred.values[:, None], centred.field)
    line, curve = scores_with_values[:, 0], scores_with_values[:, 1:]
    freedom = centred.n - 1
    correlation = (np.sqrt(freedom) * line).sum() / freedom.sum()
    p_correlation = 2 * norm.sf(abs((np.sqrt(freedom) * line).sum()) / np.sqrt(freedom.sum()))
    p_shared, (p_own, explained) = _p_of_shared_curve(curve, centred), _of_own_curves(curve, centred)
    return Dependence(min(2 * min(p_shared, p_own), 1.0), float(correlation), float(p_correlation), explained)


class _Centred(NamedTuple):
    """Of the fields that can tell, numbered anew, less their means: of a field a score times its values has the variance 1."""

    scores: np.ndarray  # (synapse, 1 + cosine): the place first; of squared length 1 in a field, the cosines in their mean
    values: np.ndarray  # (synapse,): of squared length n - 1
    field: np.ndarray  # (synapse,)
    n: np.ndarray  # (field,) float64: synapses


def _centred(scores: np.ndarray, values: np.ndarray, field: np.ndarray) -> _Centred | None:
    """None where no field can tell."""
    n_field = int(field.max(initial=-1)) + 1
    n = np.bincount(field, minlength=n_field)
    y = values - (np.bincount(field, values, n_field) / np.maximum(n, 1))[field]
    x = scores - (_sums(scores, field) / np.maximum(n, 1)[:, None])[field]
    squares, spread = np.bincount(field, y**2, n_field), _sums(x**2, field)
    largest = np.zeros(n_field)
    np.maximum.at(largest, field, np.abs(values))
    told = (n >= FEWEST) & (squares > n * (ROUNDING * largest) ** 2) & (spread > n[:, None] * ROUNDING).all(axis=1)
    if not told.any():
        return None
    kept = told[field]
    field = (np.cumsum(told) - 1)[field[kept]]
    n, squares, spread = n[told].astype(float), squares[told], spread[told]
    y = y[kept] * np.sqrt((n - 1) / squares)[field]
    lengths = np.sqrt(np.concatenate([spread[:, :1], spread[:, 1:].mean(axis=1, keepdims=True).repeat(N_COSINES, 1)], axis=1))
    return _Centred(x[kept] / lengths[field], y, field, n)


def _p_of_shared_curve(curve: np.ndarray, centred: _Centred) -> float:
    """P-value of one curve for all fields, given what the cosines sum to with the values of each (field, cosine)."""
    cosines, together = centred.scores[:, 1:], curve.sum(axis=0)
    return float(chi2.sf(together @ np.linalg.pinv(cosines.T @ cosines) @ together, N_COSINES))


def _of_own_curves(curve: np.ndarray, centred: _Centred) -> tuple[float, float]:
    """P-value of a curve of each field's own, and the share of the variance that these explain beyond chance."""
    by_chance, freedom = N_COSINES * centred.n.size, (centred.n - 1).sum()
    excess = np.square(curve).sum() - by_chance
    variance = _variance(centred.scores[:, 1:], centred.values, centred.field, centred.n)
    explained = excess / (freedom - by_chance) if freedom > by_chance else 0.0
    return _upper_tail(excess, by_chance, variance.sum()), float(np.clip(explained, 0, 1))


def _sums(columns: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Sums (group, column) of columns (row, column)."""
    n = int(group.max(initial=-1)) + 1
    return np.stack([np.bincount(group, column, n) for column in columns.T], axis=1)


def _variance(x: np.ndarray, y: np.ndarray, field: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Variance (field,) of the sum of squares of x'y in each field over all orders of y, both centred; of y'y = n - 1."""
    each = [x[:, k] * x[:, m] for k in range(x.shape[1]) for m in range(x.shape[1])]
    squared = np.square(_sums(np.stack(each, axis=1), field)).sum(axis=1)
    trace = x.shape[1]
    at_one, fourth = (np.bincount(field, a) for a in (np.square(np.square(x).sum(axis=1)), y**4))
    normal = 2 * ((n - 1) * squared - trace**2) / (n + 1)
    heavy = (n * (n + 1) * at_one - (n - 1) * (trace**2 + 2 * squared)) * (n * (n + 1) * fourth - 3 * (n - 1) ** 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        tails = np.where(n > 3, heavy / ((n + 1) * n * (n - 1) * (n - 2) * (n - 3)), 0)
    result: np.ndarray = normal + tails
    return result


def _upper_tail(excess: float, mean: float, variance: float) -> float:
    """P-value of a sum of squares that is ``excess`` above its mean: that of a chi-square stretched to the same moments."""
    if variance <= ROUNDING * mean:
        return 1.0
    return float(chi2.sf(2 * mean * (mean + excess) / variance, 2 * mean**2 / variance))


def shared_by_targets(values: np.ndarray, per_source: np.ndarray) -> tuple[float, float]:
    r"""P-value and mean correlation between targets of what a source has for them, beyond what each deals out at random.

    With :math:`y_{fs}` the values of field f at source s less its mean per synapse there, the sum over pairs of targets is
    :math:`\sum_s \sum_{f \neq g} y_{fs} y_{gs}`.

    Parameters
    ----------
    values
        Shape (field, source): sums of the signs, or the like, of the synapses; each synapse has 1 or -1.
    per_source
        Likewise: their numbers.

    Returns
    -------
    Two numbers of all fields together; 1 and 0 where fewer than two fields have synapses of both kinds, or nothing can vary.
        Never NaN.

    Notes
    -----
    Were each field to deal out its signs among its synapses in any order, y would have mean 0 and the covariances of drawing
    without replacement, a linear statistic under permutation; of independent fields those of the products add up to the exact
    variance used. Only the shape is approximate: that of a sum of squares with the eigenvalues of the summed covariances.

    References
    ----------
    Hájek, Šidák & Sen (1999), Theory of Rank Tests, section 3.3: covariances under permutation
    Satterthwaite (1946), https://doi.org/10.2307/3002019: degrees of freedom of a sum of squares

    Examples
    --------
    Thirty targets with a synapse from each of eight sources, half of which excite all of them.

    >>> signs = np.tile([1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0], (30, 1))
    >>> p, correlation = shared_by_targets(signs, np.ones((30, 8)))
    >>> p < 0.001, round(correlation, 2)
    (True, 1.0)
    """
    total = per_source.sum(axis=1)
    excites = (total + values.sum(axis=1)) / 2
    told = (total > 1) & (excites > 0) & (excites < total)
    values, m, n = values[told], per_source[told], total[told, None]
    y = values - m * values.sum(axis=1, keepdims=True) / n
    a = (4 * excites[told] * (1 - excites[told] / total[told]) / (total[told] - 1))[:, None]  # variance of one synapse
    covariance = np.diag((a * m).sum(axis=0)) - (m * a / n).T @ m
    in_one = a[:, 0] ** 2 * ((m**2).sum(axis=1) - 2 * (m**3 / n).sum(axis=1) + ((m**2 / n).sum(axis=1)) ** 2)
    variance = 2 * (np.square(covariance).sum() - in_one.sum())
    if told.sum() < 2 or variance <= ROUNDING * np.square(covariance).sum():
        return 1.0, 0.0
    pairs = np.square(y.sum(axis=0)).sum() - np.square(y).sum()
    freedom = np.trace(covariance) ** 2 / np.square(covariance).sum()
    p = chi2.sf(freedom + np.sqrt(2 * freedom / variance) * pairs, freedom)
    lengths = np.sqrt(np.square(y).sum(axis=1))
    return float(p), float(pairs / (lengths.sum() ** 2 - np.square(lengths).sum()))
