"""When a null is not exchangeable for these fields, whatever their grouping: what a reader must be told."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from scipy.stats import chisquare, kstest, poisson

from stanalysis.kernels.arrangements import Plane, Synapses
from stanalysis.stats.engine.draws import Purpose, p_values, stream
from stanalysis.stats.engine.null_test import MIN_SYNAPSES
from stanalysis.stats.engine.nulls import NULLS, Null
from stanalysis.stats.engine.prepared import Fields, SynapseLists, lists_or_fields
from stanalysis.stats.engine.rounding import ROUNDING, varies

DOUBTFUL: Final = 0.001  # p-value below which a property of the network as a whole is taken for real
FEWEST_IN_BIN: Final = 5  # synapses expected in a bin of delays, for the chi-square test of their uniformity
_N_ORDERS: Final = 1999


def doubts(field: xr.DataArray | xr.Dataset | SynapseLists, *, null: Null, seed: int = 0) -> list[str]:
    """Reasons, in sentences, why rejecting this null says nothing about grouping in these fields; none if there are none.

    Parameters
    ----------
    field
        Receptive fields (target, source, delay) of one network, or its synapses as lists.
    null
        The null asked for. ``delays``: there must be several. ``rows`` and ``cells``: delays must be uniform. ``cells``:
        sources must not have about one synapse each, or some many. ``weights`` and ``sources``: a gain that varies smoothly
        over sources is structure to them. ``signs``, ``weights``, ``cells``: synapses of one source must not share a sign
        (Dale).
    seed
        Of the permutation of sources behind the check of gains.

    Examples
    --------
    >>> from stanalysis.synthetic.fields import noise_fields
    >>> doubts(noise_fields(20, seed=0), null="delays", seed=0)
    []
    >>> len(doubts(noise_fields(20, seed=0), null="cells", seed=0))
    1
    """
    rule, every = NULLS[null], lists_or_fields(field)
    synapses = _finite(every)
    if not synapses.weight.size:
        return []
    plane = every.plane
    if rule.arrangement == "delays" and synapses.weight.size > 1 and not varies(synapses.delay):
        return [f"all synapses have one delay, so that the null {null!r} moves nothing; use another one"]
    if "uniform delays" in rule.assumes and _delays_are_uneven(synapses.delay, plane):
        return [f"the delays are not uniform, which the null {null!r} takes them to be; rejecting it needs no grouping"]
    per_source = _by_source(synapses, np.ones(synapses.weight.size), plane.n_source)
    if "even sources" in rule.assumes and _sources_are_uneven(per_source, plane):
        return [
            "the synapses are not spread over sources as over cells (as where every source has one), so that cells are not "
            f"exchangeable; the null {null!r} is rejected, or not, for that alone"
        ]
    magnitude = _by_source(synapses, np.abs(synapses.weight), plane.n_source)
    if "even gain" in rule.assumes and _gain_is_smooth(magnitude, per_source, seed):
        return [
            f"the magnitude of weights varies smoothly over sources, which is structure to the null {null!r}; rejecting it "
            "needs no grouping of signs"
        ]
    if "free signs" in rule.assumes and _are_pure(*_signs(synapses, plane.n_source)):
        return [f"synapses of one source share a sign (Dale), which the null {null!r} breaks up; use 'source-signs'"]
    return []


def _finite(fields: Fields | SynapseLists) -> Synapses:
    """The synapses of all fields whose weight is a number."""
    start, source, delay, weight, group = fields.synapses(by_source=False)[:5]
    kept = np.isfinite(weight)
    before = np.concatenate([[0], np.cumsum(kept)])
    return Synapses(before[start], source[kept], delay[kept], weight[kept], group[kept])


def _by_source(synapses: Synapses, values: np.ndarray, n_source: int) -> np.ndarray:
    """Sums of values (synapse,), shape (field, source)."""
    n_field = synapses.start.size - 1
    field = np.repeat(np.arange(n_field), np.diff(synapses.start))
    return np.bincount(field * n_source + synapses.source, values, n_field * n_source).reshape(n_field, n_source)


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


def _gain_is_smooth(magnitude: np.ndarray, per_source: np.ndarray, seed: int) -> bool:
    """Whether neighbouring sources are alike in magnitude (field, source), more than in other orders of the sources: within
    fields, or in the mean over fields, which shows a weaker gain that all share.
    """
    known = per_source.sum(axis=0) > 0
    n, magnitude = per_source[:, known], magnitude[:, known]
    with_synapse = np.maximum(n.sum(axis=1, keepdims=True), 1)
    within = magnitude - n * magnitude.sum(axis=1, keepdims=True) / with_synapse  # what a source has beyond its share
    shared = magnitude.sum(axis=0) / n.sum(axis=0)
    if shared.size < 4 or not varies(shared):
        return False
    rng = np.random.default_rng(stream(seed, Purpose.GAIN))
    orders = np.stack([np.arange(shared.size), *(rng.permutation(shared.size) for _ in range(_N_ORDERS))])
    pairs = np.stack([within.T @ within, np.outer(shared - shared.mean(), shared - shared.mean())])
    alike = pairs[:, orders[:, 1:], orders[:, :-1]].sum(axis=2)
    # relative to what is centred, for where it does not vary that leaves its rounding
    ties = ROUNDING * np.array([np.square(magnitude).sum(), np.square(shared).sum()])
    p = p_values(alike[:, 0], alike[:, 1:], alternative="greater", resolution=ties)
    return bool((p < DOUBTFUL).any())


def shares_signs(field: xr.DataArray | xr.Dataset | SynapseLists) -> bool:
    """Whether each source has one sign for all targets (Dale), beyond chance: they depend on each other then."""
    every = lists_or_fields(field)
    excites, inhibits = _signs(_finite(every), every.plane.n_source)
    return _are_pure(excites.sum(axis=0), inhibits.sum(axis=0))


def may_share_permutations(fields: xr.DataArray | xr.Dataset | SynapseLists, *, null: Null) -> bool:
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
