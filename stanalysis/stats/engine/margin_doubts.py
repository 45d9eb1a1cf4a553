"""What magnitudes or signs owe to the delay alone, or to the source alone, or targets share: doubts about nulls that move them.

To such a null that is structure, but it needs no grouping in source and delay together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from stanalysis.kernels.arrangements import Synapses
from stanalysis.stats.engine.by_source import are_pure, field_of, signs_by_source, some_of, sums_by_source
from stanalysis.stats.engine.dependence import Dependence, dependence, ranks, shared_by_targets
from stanalysis.stats.engine.doubt import DOUBTFUL, Doubt
from stanalysis.stats.engine.draws import Purpose, p_values, stream
from stanalysis.stats.engine.nulls import NULLS, Null
from stanalysis.stats.engine.rounding import ROUNDING, varies

_N_ORDERS: Final = 1999
_KEPT: Final = (
    "which is structure to the null {null!r}: rejecting it shows no grouping in source and delay together; the null "
    "'interaction' keeps such dependence"
)


def doubts_of_margins(synapses: Synapses, n_source: int, *, null: Null, independent: bool, seed: int) -> Iterator[Doubt]:
    """What the delay alone, or the source alone, explains; and where targets are taken for ``independent``, what they share.

    Parameters
    ----------
    synapses
        Of all fields; their weights are finite.
    independent
        Whether every target draws by itself, and sources are not known to have one sign for all (Dale).
    seed
        Of the permutations of sources.
    """
    rule = NULLS[null]
    signed = some_of(synapses, synapses.weight != 0)
    sign, magnitude = np.sign(signed.weight), np.abs(synapses.weight)
    kept = _KEPT.format(null=null)
    if "level magnitudes" in rule.assumes:
        dependent = _on_delays(synapses, ranks(magnitude, field_of(synapses)), n_source, by_source=False)
        yield from _of_dependence(dependent, f"the magnitude of weights depends on their delay, {kept}")
    if "level signs" in rule.assumes:
        dependent = _on_delays(signed, sign, n_source, by_source=rule.by_source)
        yield from _of_dependence(dependent, f"the sign of weights depends on their delay, {kept}")
    if "even gain" in rule.assumes and (alike := _smoothness(synapses, magnitude, n_source, seed)) is not None:
        yield Doubt(f"the magnitude of weights varies smoothly over sources, {kept}", "correlation of adjacent sources", alike)
    if "even numbers" in rule.assumes and (alike := _smooth_numbers(synapses, n_source, seed)) is not None:
        yield Doubt(f"the number of synapses varies smoothly over sources, {kept}", "correlation of adjacent sources", alike)
    if "even signs" not in rule.assumes and not rule.keeps:
        return
    if (alike := _smoothness(signed, sign, n_source, seed)) is None:
        if rule.moves_signs and independent:  # signs that are smooth targets have alike by chance
            yield from _of_sharing(signed, n_source, by_source=rule.by_source)
    elif "even signs" in rule.assumes:
        yield Doubt(f"the sign of weights varies smoothly over sources, {kept}", "correlation of adjacent sources", alike)


def _of_sharing(signed: Synapses, n_source: int, *, by_source: bool) -> Iterator[Doubt]:
    """Whether targets that draw by themselves have the signs of sources in common, if less than under Dale's law."""
    excites, inhibits = signs_by_source(signed, n_source)
    if by_source or are_pure(excites, inhibits):  # one sign of a source, however many synapses
        excites, inhibits = (np.minimum(n, 1) for n in (excites, inhibits))
    p, correlation = shared_by_targets(excites - inhibits, excites + inhibits)
    if p < DOUBTFUL:
        yield Doubt(
            "targets share the signs of sources, so that they are not independent: what is said of all of them together "
            "(network p, max-T) is surer than it should be",
            "mean correlation between targets",
            correlation,
        )


def _on_delays(synapses: Synapses, values: np.ndarray, n_source: int, *, by_source: bool) -> Dependence:
    """How values (synapse,) depend on delays within fields."""
    field, delay = field_of(synapses), synapses.delay
    low, high = np.full(n_source, np.inf), np.full(n_source, -np.inf)
    np.minimum.at(low, synapses.source, delay)
    np.maximum.at(high, synapses.source, delay)
    used = np.flatnonzero(high >= low)
    if (low[used] == high[used]).all() and used.size < delay.size:  # delays of sources, alike for all targets
        sums, n = (sums_by_source(synapses, a, n_source)[:, used] for a in (values, np.ones(values.size)))
        above = sums - n * (sums.sum(axis=1) / np.maximum(n.sum(axis=1), 1))[:, None]
        single_field = np.zeros(used.size, np.int64)
        return dependence(ranks(low[used], single_field), above.sum(axis=0) / n.sum(axis=0), single_field)
    return dependence(ranks(delay, field), values, field, unit=field * n_source + synapses.source if by_source else None)


def _of_dependence(dependent: Dependence, reason: str) -> Iterator[Doubt]:
    if dependent.p_value < DOUBTFUL and dependent.p_correlation < DOUBTFUL:
        yield Doubt(reason, "rank correlation within neurons", dependent.correlation)
    elif dependent.p_value < DOUBTFUL:
        yield Doubt(reason, "share of its variance that a curve over delays explains within neurons", dependent.explained)


def _smoothness(synapses: Synapses, values: np.ndarray, n_source: int, seed: int) -> float | None:
    """Correlation of neighbouring sources in their magnitudes or signs (synapse,) if it is above that in other orders of the
    sources: within fields, or in the mean over fields, which shows a weaker profile that all share.
    """
    sums, per_source = (sums_by_source(synapses, a, n_source) for a in (values, np.ones(values.size)))
    known = per_source.sum(axis=0) > 0
    n, sums = per_source[:, known], sums[:, known]
    with_synapse = np.maximum(n.sum(axis=1, keepdims=True), 1)
    within = sums - n * sums.sum(axis=1, keepdims=True) / with_synapse  # what a source has beyond its share
    # relative to what is centred, for where it does not vary that leaves its rounding
    ties = ROUNDING * np.square(sums).sum()
    return _of_adjacent(within, sums.sum(axis=0) / n.sum(axis=0), ties, seed)


def _smooth_numbers(synapses: Synapses, n_source: int, seed: int) -> float | None:
    """As `_smoothness`, of how many synapses a source has."""
    n = sums_by_source(synapses, np.ones(synapses.weight.size), n_source)
    return _of_adjacent(n - n.mean(axis=1, keepdims=True), n.mean(axis=0), ROUNDING * np.square(n).sum(), seed)


def _of_adjacent(within: np.ndarray, shared: np.ndarray, ties: float, seed: int) -> float | None:
    """Correlation of neighbouring sources in values within fields (field, source), centred, or in the mean over fields, if it
    is above that in other orders of the sources; ``ties`` are rounding errors of squares within fields.
    """
    if shared.size < 4 or not varies(shared):
        return None
    rng = np.random.default_rng(stream(seed, Purpose.GAIN))
    orders = np.stack([np.arange(shared.size), *(rng.permutation(shared.size) for _ in range(_N_ORDERS))])
    pairs = np.stack([within.T @ within, np.outer(shared - shared.mean(), shared - shared.mean())])
    alike = pairs[:, orders[:, 1:], orders[:, :-1]].sum(axis=2)
    rounding = np.array([ties, ROUNDING * np.square(shared).sum()])
    is_smooth = p_values(alike[:, 0], alike[:, 1:], alternative="greater", resolution=rounding) < DOUBTFUL
    if not is_smooth.any():
        return None
    which = int(np.argmax(is_smooth))
    per_pair, variance = alike[which, 0] / (shared.size - 1), np.trace(pairs[which]) / shared.size
    return float(per_pair / variance)
