"""When a null is not exchangeable for these fields, whatever their grouping: what a reader must be told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import xarray as xr
from scipy.stats import chisquare, kstest, poisson

from stanalysis.kernels.arrangements import Plane, Synapses
from stanalysis.stats.engine.dependence import Dependence, dependence, ranks, shared_by_targets
from stanalysis.stats.engine.draws import Purpose, p_values, stream
from stanalysis.stats.engine.null_test import MIN_SYNAPSES
from stanalysis.stats.engine.nulls import NULLS, Null
from stanalysis.stats.engine.prepared import Fields, SynapseLists, lists_or_fields
from stanalysis.stats.engine.rounding import ROUNDING, varies

DOUBTFUL: Final = 0.001  # p-value below which a property of the network as a whole is taken for real
FEWEST_IN_BIN: Final = 5  # synapses expected in a bin of delays, for the chi-square test of their uniformity
_N_ORDERS: Final = 1999


class Doubt(NamedTuple):
    """Why rejecting a null says less than it seems: a clause, and where it is a matter of degree, its size."""

    reason: str
    measure: str = ""  # what the size is
    size: float = 0.0

    @property
    def sentence(self) -> str:
        """Both as one clause."""
        return f"{self.reason} ({self.measure} {self.size:.2f})" if self.measure else self.reason


def doubts(field: xr.DataArray | xr.Dataset | SynapseLists, *, null: Null, seed: int = 0) -> list[str]:
    """Reasons, in sentences, why rejecting this null needs no grouping in source and delay together in these fields.

    Parameters
    ----------
    field
        Receptive fields (target, source, delay) of one network, or its synapses as lists.
    null
        The null asked for; what each assumes is in its record. ``delays``: there must be several. ``rows`` and ``cells``:
        delays must be uniform. ``cells``: sources must not have about one synapse each, or some many. ``signs``, ``weights``,
        ``cells``: synapses of one source must not share a sign (Dale). Magnitudes, where a null moves them to other delays,
        and signs must not depend on the delay alone, nor vary smoothly over sources where it moves them to other sources.
        seed
        Of the permutation of sources behind the check of what varies over them.

    Returns
    -------
    All that apply, each with its size where there is one, the gravest first; none if there are none. Each is found by chance
        in about one network of a thousand.

    Notes
    -----
    What depends on the delay is seen in ranks and signs within targets, by curves of up to two cycles, each target its own or
    one for all (`stanalysis.stats.engine.dependence`). Where each source has one delay for all targets, sources are asked
    instead. What varies over sources is seen in adjacent ones, against other orders of the sources, alike for all targets.

    Examples
    --------
    >>> from stanalysis.synthetic.fields import noise_fields
    >>> doubts(noise_fields(20, seed=0), null="delays", seed=0)
    []
    >>> len(doubts(noise_fields(20, seed=0), null="cells", seed=0))
    1
    """
    return [doubt.sentence for doubt in sized_doubts(field, null=null, seed=seed)]


def sized_doubts(field: xr.DataArray | xr.Dataset | SynapseLists, *, null: Null, seed: int = 0) -> list[Doubt]:
    """As `doubts`, the sizes apart."""
    every = lists_or_fields(field)
    synapses = _finite(every)
    if not synapses.weight.size:
        return []
    if NULLS[null].arrangement == "delays" and synapses.weight.size > 1 and not varies(synapses.delay):
        return [Doubt(f"all synapses have one delay, so that the null {null!r} moves nothing; use another one")]
    return [*_of_places_and_signs(synapses, every.plane, null), *_of_margins(synapses, every, null, seed)]


def _of_places_and_signs(synapses: Synapses, plane: Plane, null: Null) -> Iterator[Doubt]:
    """What rules out a null as a whole."""
    assumes = NULLS[null].assumes
    if "uniform delays" in assumes and _delays_are_uneven(synapses.delay, plane):
        yield Doubt(f"the delays are not uniform, which the null {null!r} takes them to be; rejecting it needs no grouping")
    per_source = _by_source(synapses, np.ones(synapses.weight.size), plane.n_source)
    if "even sources" in assumes and _sources_are_uneven(per_source, plane):
        yield Doubt(
            "the synapses are not spread over sources as over cells (as where every source has one), so that cells are not "
            f"exchangeable; the null {null!r} is rejected, or not, for that alone"
        )
    if "free signs" in assumes and _are_pure(*_signs(synapses, plane.n_source)):
        yield Doubt(f"synapses of one source share a sign (Dale), which the null {null!r} breaks up; use 'source-signs'")


def _of_margins(synapses: Synapses, every: Fields | SynapseLists, null: Null, seed: int) -> Iterator[Doubt]:
    """What the delay alone, or the source alone, explains; and what targets share."""
    rule, n_source = NULLS[null], every.plane.n_source
    signed = _those(synapses, synapses.weight != 0)
    sign = np.sign(signed.weight)
    magnitude = np.abs(synapses.weight)
    kept = (
        f"which is structure to the null {null!r}: rejecting it shows no grouping in source and delay together; the null "
        "'interaction' keeps such dependence"
    )
    if "level magnitudes" in rule.assumes:
        found = _on_delays(synapses, ranks(magnitude, _field(synapses)), n_source, by_source=False)
        yield from _doubts_of(found, f"the magnitude of weights depends on their delay, {kept}")
    if "level signs" in rule.assumes:
        found = _on_delays(signed, sign, n_source, by_source=rule.by_source)
        yield from _doubts_of(found, f"the sign of weights depends on their delay, {kept}")
    if "even gain" in rule.assumes and (alike := _smoothness(synapses, magnitude, n_source, seed)) is not None:
        yield Doubt(f"the magnitude of weights varies smoothly over sources, {kept}", "correlation of adjacent sources", alike)
    if "even signs" in rule.assumes and (alike := _smoothness(signed, sign, n_source, seed)) is not None:
        yield Doubt(f"the sign of weights varies smoothly over sources, {kept}", "correlation of adjacent sources", alike)
    elif "even signs" in rule.assumes and rule.moves_signs:  # where signs are smooth, targets have like ones by chance
        yield from _of_sharing(signed, every, null)


def _of_sharing(signed: Synapses, every: Fields | SynapseLists, null: Null) -> Iterator[Doubt]:
    """Whether targets that draw by themselves have the signs of sources in common, if less than under Dale's law."""
    if may_share_permutations(every, null=null) or shares_signs(every):
        return
    excites, inhibits = _signs(signed, every.plane.n_source)
    if NULLS[null].by_source or _are_pure(excites, inhibits):  # one sign of a source, however many synapses
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
    field, delay = _field(synapses), synapses.delay
    low, high = np.full(n_source, np.inf), np.full(n_source, -np.inf)
    np.minimum.at(low, synapses.source, delay)
    np.maximum.at(high, synapses.source, delay)
    used = np.flatnonzero(high >= low)
    if (low[used] == high[used]).all() and used.size < delay.size:  # delays of sources, alike for all targets
        sums, n = (_by_source(synapses, a, n_source)[:, used] for a in (values, np.ones(values.size)))
        above = sums - n * (sums.sum(axis=1) / np.maximum(n.sum(axis=1), 1))[:, None]
        one = np.zeros(used.size, np.int64)
        return dependence(ranks(low[used], one), above.sum(axis=0) / n.sum(axis=0), one)
    return dependence(ranks(delay, field), values, field, unit=field * n_source + synapses.source if by_source else None)


def _doubts_of(found: Dependence, reason: str) -> Iterator[Doubt]:
    if found.p_value < DOUBTFUL and found.p_correlation < DOUBTFUL:
        yield Doubt(reason, "rank correlation within neurons", found.correlation)
    elif found.p_value < DOUBTFUL:
        yield Doubt(reason, "share of its variance that a curve over delays explains within neurons", found.explained)


def _field(synapses: Synapses) -> np.ndarray:
    """Whose each synapse is."""
    return np.repeat(np.arange(synapses.start.size - 1), np.diff(synapses.start))


def _those(synapses: Synapses, kept: np.ndarray) -> Synapses:
    """Some of the synapses of all fields."""
    before = np.concatenate([[0], np.cumsum(kept)])
    start, *columns = synapses[:5]
    return Synapses(before[start], *(column[kept] for column in columns))


def _finite(fields: Fields | SynapseLists) -> Synapses:
    """The synapses of all fields whose weight is a number."""
    synapses = fields.synapses(by_source=False)
    return _those(synapses, np.isfinite(synapses.weight))


def _by_source(synapses: Synapses, values: np.ndarray, n_source: int) -> np.ndarray:
    """Sums of values (synapse,), shape (field, source)."""
    n_field = synapses.start.size - 1
    return np.bincount(_field(synapses) * n_source + synapses.source, values, n_field * n_source).reshape(n_field, n_source)


def _signs(synapses: Synapses, n_source: int) -> tuple[np.ndarray, np.ndarray]:
    """How many synapses excite, and how many inhibit, (field, source)."""
    return _by_source(synapses, synapses.weight > 0, n_source), _by_source(synapses, synapses.weight < 0, n_source)


def _delays_are_uneven(delay: np.ndarray, plane: Plane) -> bool:
    if not plane.grid:
        return plane.extent > 0 and bool(kstest(delay / plane.extent, "uniform").pvalue < DOUBTFUL)
    in_bin = np.bincount(delay.astype(int), minlength=int(plane.extent))
    result: bool = in_bin.size > 1 and in_bin.mean() >= FEWEST_IN_BIN and chisquare(in_bin).pvalue < DOUBTFUL
    return result


def _sources_are_uneven(per_source: np.ndarray, plane: Plane) -> bool:
    """Whether fewer, or more, pairs of synapses share a source than in random cells; their number is nearly Poisson."""
    n, n_source = per_source.sum(axis=1), per_source.shape[1]
    in_one = (plane.extent - 1) / (n_source * plane.extent - 1) if plane.grid else 1 / n_source
    expected = (n * (n - 1) / 2).sum() * in_one
    n_pairs = (per_source * (per_source - 1) / 2).sum()
    return bool(min(poisson.cdf(n_pairs, expected), poisson.sf(n_pairs - 1, expected)) < DOUBTFUL)


def _smoothness(synapses: Synapses, values: np.ndarray, n_source: int, seed: int) -> float | None:
    """Correlation of neighbouring sources in their magnitudes or signs (synapse,) if it is above that in other orders of the
    sources: within fields, or in the mean over fields, which shows a weaker profile that all share.
    """
    sums, per_source = (_by_source(synapses, a, n_source) for a in (values, np.ones(values.size)))
    known = per_source.sum(axis=0) > 0
    n, sums = per_source[:, known], sums[:, known]
    with_synapse = np.maximum(n.sum(axis=1, keepdims=True), 1)
    within = sums - n * sums.sum(axis=1, keepdims=True) / with_synapse  # what a source has beyond its share
    shared = sums.sum(axis=0) / n.sum(axis=0)
    if shared.size < 4 or not varies(shared):
        return None
    rng = np.random.default_rng(stream(seed, Purpose.GAIN))
    orders = np.stack([np.arange(shared.size), *(rng.permutation(shared.size) for _ in range(_N_ORDERS))])
    pairs = np.stack([within.T @ within, np.outer(shared - shared.mean(), shared - shared.mean())])
    alike = pairs[:, orders[:, 1:], orders[:, :-1]].sum(axis=2)
    # relative to what is centred, for where it does not vary that leaves its rounding
    ties = ROUNDING * np.array([np.square(sums).sum(), np.square(shared).sum()])
    found = p_values(alike[:, 0], alike[:, 1:], alternative="greater", resolution=ties) < DOUBTFUL
    if not found.any():
        return None
    which = int(np.argmax(found))
    per_pair, variance = alike[which, 0] / (shared.size - 1), np.trace(pairs[which]) / shared.size
    return float(per_pair / variance)


def shares_signs(field: xr.DataArray | xr.Dataset | Fields | SynapseLists) -> bool:
    """Whether each source has one sign for all targets (Dale), beyond chance: they depend on each other then."""
    every = lists_or_fields(field)
    excites, inhibits = _signs(_finite(every), every.plane.n_source)
    return _are_pure(excites.sum(axis=0), inhibits.sum(axis=0))


def may_share_permutations(fields: xr.DataArray | xr.Dataset | Fields | SynapseLists, *, null: Null) -> bool:
    """Whether one permutation can serve all targets: whole sources move, or every target with an answer has one synapse from
    every source, of weight other than 0; and there is one.
    """
    if (shared_by := NULLS[null].shared_by) != "like":
        return shared_by == "all"
    every = lists_or_fields(fields)
    synapses, n_source = every.synapses(by_source=False), every.plane.n_source
    answerable = every.answerable() & (every.n_synapses() > 0)
    if (every.plane.grid and every.plane.shared) or n_source < MIN_SYNAPSES or not answerable.any():
        return False
    n, weighted = (_by_source(synapses, which, n_source) for which in (np.ones(synapses.weight.size), synapses.weight != 0))
    has_one = (n == 1) & (weighted == 1)  # a sign of 0 is none to move
    return bool((has_one.all(axis=1) | ~answerable).all())


def are_independent(fields: xr.DataArray | xr.Dataset | SynapseLists, *, null: Null, delay_kind: str) -> bool:
    """Whether the targets share neither delays, nor signs where the null moves those: draws of their own are right then."""
    return delay_kind == "synaptic" and (not NULLS[null].moves_signs or not shares_signs(fields))


def shared_delays(fields: xr.Dataset | SynapseLists, *, null: Null, delay_kind: str) -> list[str]:
    """In sentences, what delays that synapses share take away from a null; none if it is nothing.

    ``delay_kind`` is that of the projection: ``axonal`` or ``dendritic`` delays are shared.
    """
    if delay_kind == "dendritic" and NULLS[null].arrangement == "delays":
        return [f"every target has one delay for all of its synapses, so that the null {null!r} moves nothing; use another one"]
    if delay_kind != "synaptic" and not may_share_permutations(fields, null=null):
        return [
            "targets share delays and are not independent: what would be said of all of them together (network p, max-T) is "
            "left out"
        ]
    return []


def _are_pure(excites: np.ndarray, inhibits: np.ndarray) -> bool:
    """Whether no group of synapses has both signs, and there are so many that it is no chance."""
    n = excites + inhibits
    several = n > 1
    share = excites.sum() / max(n.sum(), 1)
    pure = (excites == 0) | (inhibits == 0)
    by_chance = share ** n[several] + (1 - share) ** n[several]
    return bool(pure[several].all() and 0 < share < 1 and np.prod(by_chance) < DOUBTFUL)
