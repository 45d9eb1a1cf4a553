"""Does a statistic differ between two conditions: networks are the replicates, never their neurons."""

from __future__ import annotations

import math
import warnings
from typing import Final, Literal, get_args

import numpy as np
import xarray as xr
from scipy import stats
from scipy.special import gammaln

from stanalysis.errors import BadInput
from stanalysis.schema.statistics import COMPARISON
from stanalysis.schema.variables import described
from stanalysis.stats.engine.draws import Purpose, generator, p_values
from stanalysis.stats.engine.nulls import Alternative
from stanalysis.stats.engine.rounding import rounding_of, varies
from stanalysis.stats.replicates.power import smallest_p

Method = Literal["permutation", "mixed"]

NUMBERS_AT_ONCE: Final = 1_000_000  # resampled neurons worked on together: bounds the memory, changes no result


def compare(
    values: xr.DataArray,
    *,
    a: str,
    b: str,
    paired: bool | None = None,
    alternative: Alternative = "two-sided",
    method: Method = "permutation",
    n_permutations: int = 9999,
    n_bootstrap: int = 9999,
    confidence: float = 0.95,
    replicates: str = "networks",
    seed: int = 0,
) -> xr.Dataset:
    r"""Difference of a statistic between two conditions, b − a: its p-value, interval and size, networks being the replicates.

    .. math:: \bar x_b - \bar x_a, \qquad \bar x_c = \frac{1}{n_c} \sum_{k \in c} x_k

    with :math:`x_k` the response of network k, the mean over its neurons that have an answer. Without a difference
    between conditions it is 0 on average, and their names can be exchanged: among all networks, or if ``paired`` within
    each pair of equal seeds.

    Parameters
    ----------
    values
        The statistic, dims (..., network) or (..., network, target), any unit, with the coordinates ``condition`` (text) and
        ``seed`` (whole numbers) along network. Leading dims, such as several statistics, are compared each by itself.
        NaN: the neuron, or the network, has no answer.
    a, b
        The two conditions. Networks of others are not looked at.
    paired
        Compare networks of equal seed with each other. By default where both conditions have the same seeds.
    alternative
        "greater" asks whether b is above a, "less" whether it is below. Two-sided p-values are twice the smaller tail.
    method
        Where the p-value comes from. "permutation": all arrangements of the conditions' names if there are at most
        ``n_permutations``, else so many random ones. "mixed": a linear mixed model of all neurons, see the notes.
    n_permutations, n_bootstrap
        Arrangements at most, and networks resampled for the interval.
    confidence
        The share of such intervals that should hold the true difference.
    replicates
        Only "networks". Neurons of one network share training and initialisation: tests that took them for replicates were
        measured to find 30-80 % false positives at an intra-class correlation of .01-.2.
    seed
        Of the random arrangements and of the resampling.

    Returns
    -------
    xarray.Dataset
        Dims (...): ``difference``, ``lower``, ``upper``, ``mean_a`` and ``mean_b`` in the unit of ``values``; dimensionless
        ``effect_size``, ``p_value`` and ``smallest_p``, the smallest p-value that a permutation of so many networks can
        reach; ``n_a`` and ``n_b``, the networks compared, and ``n_unanswered``, those without an answer, whose partners are
        left out as well if ``paired``. With "mixed" also ``n_not_converged``, 1 where the model gave no p-value.

        With fewer than two networks in a condition p-value, interval and effect size are NaN and ``smallest_p`` is 1. Where
        no responses differ the p-value is 1, and interval and effect size are NaN; so are these two wherever networks of
        one condition (differences of pairs) do not differ.

    Raises
    ------
    BadInput
        Neurons as replicates, an unknown condition, a seed twice in one condition, partners that are missing, missing
        coordinates, an option out of range, or a mixed model without neurons or without statsmodels.

    Notes
    -----
    Unpaired, the permutation orders arrangements by Welch's t and not by the difference itself: the p-value is then right
    in large samples even where conditions differ in spread, and exact where names can be exchanged (Janssen 1997).

    ``effect_size`` is Hedges' g: the difference over the pooled standard deviation of responses, corrected for few networks;
    if ``paired``, the same of the differences within pairs, which is another scale. Attribute ``effect_size`` says which.

    The interval is a hierarchical bootstrap: networks (pairs) are drawn with replacement, then neurons within each. The
    deviations of these means are scaled to the standard error of the responses, for networks drawn from few vary too
    little, and neurons drawn anew vary what varied already; their quantiles are stretched from those of the normal to those
    of Student's t (Welch's degrees of freedom if not paired). 8000 simulated 95 % intervals of normal responses
    (``interval_coverage`` in ``tests/stanalysis/stats/replicates/test_comparison.py``) held the true difference

    =====================  =======  =======  ========  ======  ======  ========
    networks               3 pairs  5 pairs  10 pairs  3 v 3   5 v 5   10 v 10
    =====================  =======  =======  ========  ======  ======  ========
    this interval          .94      .94      .94       .96     .95     .95
    percentiles unscaled   .75      .85      .90       .79     .88     .92
    =====================  =======  =======  ========  ======  ======  ========

    The mixed model has a random intercept for each network and, if ``paired``, a fixed one for each seed, fitted by REML in
    statsmodels. Its Wald p-value takes the spread between networks for known and is too small with few of them: with
    equally many neurons in each, z is the t statistic of the responses, read as a normal. Where the spread between networks
    is plain to see, it so rejects at .05 .12 of true null hypotheses with 3 v 3 networks, .09 with 5 v 5, .19 with 3 pairs
    and .12 with 5 pairs (simulated: .12, .11, .16, .15, each ± .02); read it beside ``smallest_p``. It is NaN where the fit
    does not converge, or puts that spread at 0 and so takes neurons for replicates: with 30 neurons at an intra-class
    correlation of .05, in .17 to .41 of simulated comparisons, which left .04 to .08 rejected.

    References
    ----------
    Janssen (1997), https://doi.org/10.1016/S0167-7152(97)00043-6
    Hedges (1981), https://doi.org/10.3102/10769986006002107
    Davison & Hinkley (1997), Bootstrap Methods, section 3.8, https://doi.org/10.1017/CBO9780511802843
    Aarts et al. (2014), neurons are not replicates, https://doi.org/10.1038/nn.3648

    Examples
    --------
    Four seeds before and after: always larger, but four pairs cannot reach .05.

    >>> values = xr.DataArray(
    ...     [0.1, 0.2, 0.0, 0.1, 0.5, 0.4, 0.5, 0.4],
    ...     coords={"condition": ("network", ["before"] * 4 + ["after"] * 4), "seed": ("network", [0, 1, 2, 3] * 2)},
    ...     dims="network",
    ... )
    >>> result = compare(values, a="before", b="after", seed=0)
    >>> result[["difference", "p_value", "smallest_p"]].map(float).to_array().round(3).values
    array([0.35 , 0.125, 0.125])
    """
    _check_options(alternative, method, n_permutations, n_bootstrap, confidence, replicates, seed)
    in_a, in_b = _condition(values, a, b), _condition(values, b, a)
    same_seeds = np.array_equal(in_a.seed, in_b.seed) and bool((in_a.seed >= 0).all())
    if paired and not same_seeds:
        raise BadInput(
            f"{a!r} has the seeds {_listed(in_a.seed)} and {b!r} the seeds {_listed(in_b.seed)}, so networks have no partners; "
            "give the same seeds, or paired=False"
        )
    paired = same_seeds if paired is None else paired
    if method == "mixed" and "target" not in values.dims:
        raise BadInput(
            "a mixed model needs the neurons of each network; give values with a dim 'target', or method='permutation'"
        )

    leading = in_a.sum(("network", "target"))
    fields_a, fields_b = (c.to_numpy().reshape(-1, *c.shape[-2:]) for c in (in_a, in_b))
    by_field = []
    for all_a, all_b in zip(fields_a, fields_b, strict=True):
        answer_a, answer_b = (~np.isnan(x).all(axis=1) for x in (all_a, all_b))
        kept_a, kept_b = (answer_a & answer_b,) * 2 if paired else (answer_a, answer_b)
        answers = _compared(
            all_a[kept_a], all_b[kept_b], paired=paired, alternative=alternative, method=method,
            n_permutations=n_permutations, n_bootstrap=n_bootstrap, confidence=confidence, seed=seed,
        )  # fmt: skip
        by_field.append(answers | {"n_unanswered": int((~answer_a).sum() + (~answer_b).sum())})
    result = xr.Dataset(
        {name: leading.copy(data=np.array([f[name] for f in by_field]).reshape(leading.shape)) for name in by_field[0]},
        attrs={
            "a": a,
            "b": b,
            "paired": int(paired),
            "alternative": alternative,
            "method": method,
            "effect_size": "mean difference / sd of differences" if paired else "Hedges' g",
            "n_permutations": n_permutations,
            "n_bootstrap": n_bootstrap,
            "confidence": confidence,
            "seed": seed,
        },
    )
    result = described(result, COMPARISON)
    for name in ("difference", "mean_a", "mean_b", "lower", "upper"):
        result[name].attrs["units"] = values.attrs.get("units", "1")
    return result


def check_replicates(replicates: str) -> None:
    """Raise `BadInput` for anything but networks."""
    if replicates != "networks":
        raise BadInput(
            f"replicates is {replicates!r}, but neurons of one network share training and initialisation, so tests that take "
            "them for replicates were measured to find 30-80 % false positives at an intra-class correlation of .01-.2; use "
            "networks"
        )


def _check_options(
    alternative: str, method: str, n_permutations: int, n_bootstrap: int, confidence: float, replicates: str, seed: int
) -> None:
    check_replicates(replicates)
    for name, given, choices in (("alternative", alternative, Alternative), ("method", method, Method)):
        if given not in get_args(choices):
            raise BadInput(f"the {name} is {given!r}; use one of {', '.join(get_args(choices))}")
    for name, number in (("n_permutations", n_permutations), ("n_bootstrap", n_bootstrap)):
        if number < 1:
            raise BadInput(f"{name} is {number}; use a positive number")
    if not 0 < confidence < 1:
        raise BadInput(f"the confidence is {confidence}; use a share between 0 and 1, such as 0.95")
    if not 0 <= seed < 2**63:
        raise BadInput(f"the seed is {seed}; use a whole number from 0 to 2**63 - 1")


def _condition(values: xr.DataArray, name: str, other: str) -> xr.DataArray:
    """The networks of one condition in order of their seeds, dims (..., network, target); NaN where there is no answer."""
    for coord, kinds, what in (("condition", "UOT", "text"), ("seed", "iu", "whole numbers")):
        if coord not in values.coords or values[coord].dims != ("network",) or values[coord].dtype.kind not in kinds:
            raise BadInput(f"the values have no coordinate {coord!r} along a dim 'network'; give one of {what}")
    if values.dtype.kind not in "iuf":
        raise BadInput(f"the values are of type {values.dtype}; they must be real numbers")
    condition = values.condition.to_numpy().astype(str)
    if name == other or name not in condition:
        raise BadInput(f"cannot compare {name!r} with {other!r}; name two of the conditions {_listed(np.unique(condition))}")
    chosen = values.isel(network=condition == name)
    chosen = chosen.isel(network=np.argsort(chosen.seed.to_numpy(), kind="stable"))
    known = chosen.seed.to_numpy().astype(np.int64)
    known = known[known >= 0]
    twice = known[1:][np.diff(known) == 0]
    if twice.size:
        raise BadInput(f"condition {name!r} has two networks of seed {twice[0]}, one network given twice; give each once")
    if "target" not in chosen.dims:
        chosen = chosen.expand_dims("target")
    chosen = chosen.transpose(..., "network", "target").astype(np.float64)
    return chosen.where(np.isfinite(chosen))


def _listed(names: np.ndarray | xr.DataArray) -> str:
    return ", ".join(str(name) for name in np.asarray(names))


def _compared(
    neurons_a: np.ndarray,
    neurons_b: np.ndarray,
    *,
    paired: bool,
    alternative: Alternative,
    method: Method,
    n_permutations: int,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> dict[str, float]:
    """All answers for one statistic, from (network, target) of networks that have an answer."""
    n_a, n_b = len(neurons_a), len(neurons_b)
    mean_a, mean_b = (float(x.mean()) if x.size else math.nan for x in map(_responses, (neurons_a, neurons_b)))
    answer = {"mean_a": mean_a, "mean_b": mean_b, "difference": mean_b - mean_a, "n_a": n_a, "n_b": n_b}
    answer["smallest_p"] = smallest_p(n_a, n_b, paired=paired, alternative=alternative, n_permutations=n_permutations)
    if min(n_a, n_b) < 2:
        answer |= dict.fromkeys(("lower", "upper", "effect_size", "p_value"), math.nan)
        return answer | ({"n_not_converged": 0} if method == "mixed" else {})
    response_a, response_b = _responses(neurons_a), _responses(neurons_b)
    answer["effect_size"] = _effect_size(response_a, response_b, paired)
    answer["lower"], answer["upper"] = _interval(
        neurons_a, neurons_b, paired=paired, n_bootstrap=n_bootstrap, confidence=confidence, seed=seed
    )
    if method == "mixed":
        answer["p_value"] = _wald_p(neurons_a, neurons_b, paired, alternative)
        answer["n_not_converged"] = int(math.isnan(answer["p_value"]))
    else:
        answer["p_value"] = _permutation_p(response_a, response_b, paired, alternative, n_permutations, seed)
    return answer


def _responses(neurons: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.nansum(neurons, axis=1) / np.count_nonzero(~np.isnan(neurons), axis=1)
    return result


def _effect_size(a: np.ndarray, b: np.ndarray, paired: bool) -> float:
    resolution = rounding_of(a, b)
    if paired:
        freedom, deviation = a.size - 1, _deviation(b - a, resolution)
    else:
        freedom = a.size + b.size - 2
        squares = ((x.size - 1) * _deviation(x, resolution) ** 2 for x in (a, b))
        deviation = math.sqrt(sum(squares) / freedom)
    if deviation == 0 or freedom < 2:  # with one degree of freedom the correction is 0
        return math.nan
    correction = math.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / math.sqrt(freedom / 2)
    return float(b.mean() - a.mean()) / deviation * correction


def _deviation(x: np.ndarray, resolution: float) -> float:
    return float(x.std(ddof=1)) if varies(x, resolution=resolution) else 0.0


def _permutation_p(
    a: np.ndarray, b: np.ndarray, paired: bool, alternative: Alternative, n_permutations: int, seed: int
) -> float:
    floor = max(rounding_of(a, b), 1e-300)

    def difference(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        apart: np.ndarray = y.mean(axis) - x.mean(axis)
        if paired:
            return apart
        variance = x.var(axis, ddof=1) / x.shape[axis] + y.var(axis, ddof=1) / y.shape[axis]
        result: np.ndarray = apart / np.maximum(np.sqrt(variance), floor)
        return result

    drawn = stats.permutation_test(
        (a, b),
        difference,
        permutation_type="samples" if paired else "independent",
        vectorized=True,
        n_resamples=n_permutations,
        batch=max(NUMBERS_AT_ONCE // (a.size + b.size), 1),
        rng=generator(seed, Purpose.CONDITIONS),
    )
    observed, draws = np.atleast_1d(drawn.statistic), drawn.null_distribution
    if (2**a.size if paired else math.comb(a.size + b.size, a.size)) <= n_permutations:
        draws = np.delete(draws, np.abs(draws - observed).argmin())  # all arrangements, so the observed one is among them
    tie = floor if paired else 1e-9 * max(1.0, float(np.abs(observed[0])))
    return float(p_values(observed, draws[None], alternative=alternative, resolution=tie)[0])


def _interval(
    a: np.ndarray, b: np.ndarray, *, paired: bool, n_bootstrap: int, confidence: float, seed: int
) -> tuple[float, float]:
    of_a, of_b = _responses(a), _responses(b)
    resolution = rounding_of(of_a, of_b)
    networks_b = Purpose.NETWORKS_A if paired else Purpose.NETWORKS_B  # the same numbers pick the same pairs
    means_a = _resampled_means(a, n_bootstrap, generator(seed, Purpose.NETWORKS_A), generator(seed, Purpose.NEURONS_A))
    means_b = _resampled_means(b, n_bootstrap, generator(seed, networks_b), generator(seed, Purpose.NEURONS_B))
    if paired:
        deviations = _scaled(means_b - means_a, of_b - of_a, resolution)
        freedom = len(a) - 1.0
    else:
        deviations = _scaled(means_b, of_b, resolution) - _scaled(means_a, of_a, resolution)
        freedom = _welch(of_a, of_b, resolution)
    if not deviations.any():
        return math.nan, math.nan
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    stretch = stats.t.ppf(tails[1], freedom) / stats.norm.ppf(tails[1])
    lower, upper = of_b.mean() - of_a.mean() + stretch * np.quantile(deviations, tails)
    return float(lower), float(upper)


def _scaled(means: np.ndarray, responses: np.ndarray, resolution: float) -> np.ndarray:
    """Deviations of resampled means from the mean response, scaled to its standard error."""
    deviations = means - responses.mean()
    spread = math.sqrt(float(np.mean(deviations**2)))
    error = _deviation(responses, resolution) / math.sqrt(responses.size)
    result: np.ndarray = deviations * (error / spread) if spread > 0 else deviations
    return result


def _welch(a: np.ndarray, b: np.ndarray, resolution: float) -> float:
    """Welch's degrees of freedom; NaN where no responses of one condition differ."""
    square_a, square_b = (_deviation(x, resolution) ** 2 / x.size for x in (a, b))
    both = square_a**2 / (a.size - 1) + square_b**2 / (b.size - 1)
    return (square_a + square_b) ** 2 / both if both > 0 else math.nan


def _resampled_means(
    neurons: np.ndarray, n_bootstrap: int, for_networks: np.random.Generator, for_neurons: np.random.Generator
) -> np.ndarray:
    """Means over networks drawn with replacement, of neurons drawn with replacement within each; (draw,)."""
    count = np.count_nonzero(~np.isnan(neurons), axis=1)
    n, most = len(neurons), count.max()
    answered = np.take_along_axis(neurons, np.argsort(np.isnan(neurons), axis=1, kind="stable"), axis=1)[:, :most]
    means = np.empty(n_bootstrap)
    rows = max(NUMBERS_AT_ONCE // answered.size, 1)
    for start in range(0, n_bootstrap, rows):
        chunk = means[start : start + rows]
        network = (for_networks.random((chunk.size, n)) * n).astype(np.intp)
        size = count[network][..., None]
        neuron = (for_neurons.random((chunk.size, n, most)) * size).astype(np.intp)
        drawn = answered[network[..., None], neuron]
        chunk[:] = (np.where(np.arange(most) < size, drawn, 0).sum(axis=2) / size[..., 0]).mean(axis=1)
    return means


def _wald_p(a: np.ndarray, b: np.ndarray, paired: bool, alternative: Alternative) -> float:
    """Wald p-value of the condition in a linear mixed model of all neurons; NaN where the fit does not converge."""
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM
    except ImportError as error:
        raise BadInput('a mixed model needs statsmodels; install it with pip install ".[mixed]"') from error
    both = np.concatenate([a, b])
    network, neuron = np.nonzero(~np.isnan(both))
    response = both[network, neuron]
    if not varies(response):
        return math.nan
    in_b = (network >= len(a)).astype(np.float64)
    intercept = np.eye(len(a))[network % len(a)] if paired else np.ones((response.size, 1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = MixedLM((response - response.mean()) / response.std(), np.column_stack([in_b, intercept]), network)
        try:
            fit = model.fit(method="powell")  # the default methods often stop short of the maximum
            z = float(fit.params[0] / fit.bse[0])
        except np.linalg.LinAlgError:
            return math.nan
    if caught or not fit.converged:
        return math.nan
    greater, less = stats.norm.sf(z), stats.norm.cdf(z)
    return float({"greater": greater, "less": less, "two-sided": 2 * min(greater, less)}[alternative])
