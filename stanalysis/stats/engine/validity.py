"""When a null is not exchangeable for these fields, whatever their grouping: what a reader must be told."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from scipy.stats import chisquare, poisson

from stanalysis.fields.receptive_field import CONTACTS
from stanalysis.stats.engine.draws import Purpose, p_values, stream
from stanalysis.stats.engine.null_test import MIN_SYNAPSES
from stanalysis.stats.engine.nulls import NULLS, Null
from stanalysis.stats.engine.prepared import prepared
from stanalysis.stats.engine.rounding import ROUNDING, varies

DOUBTFUL: Final = 0.001  # p-value below which a property of the network as a whole is taken for real
FEWEST_IN_BIN: Final = 5  # synapses expected in a bin of delays, for the chi-square test of their uniformity
_N_ORDERS: Final = 1999


def doubts(field: xr.DataArray | xr.Dataset, *, null: Null, seed: int = 0) -> list[str]:
    """Reasons, in sentences, why rejecting this null says nothing about grouping in these fields; none if there are none.

    Parameters
    ----------
    field
        Receptive fields (target, source, delay) of one network.
    null
        The null asked for. ``rows`` and ``cells``: delays must be uniform. ``cells``: sources must not have about one synapse
        each, or some many. ``weights`` and ``sources``: a gain that varies smoothly over sources is structure to them.
        ``signs``, ``weights``, ``cells``: synapses of one source must not share a sign (Dale).
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
    assumes = NULLS[null].assumes
    fields = prepared(field)
    filled = fields.filled & np.isfinite(fields.contacts)
    per_source = filled.sum(axis=(1, 3))  # (field, source)
    n_delay = filled.shape[-1]
    if not filled.any():
        return []
    if "uniform delays" in assumes and _delays_are_uneven(filled):
        return [f"the delays are not uniform, which the null {null!r} takes them to be; rejecting it needs no grouping"]
    if "even sources" in assumes and _sources_are_uneven(per_source, n_delay):
        return [
            "the synapses are not spread over sources as over cells (as where every source has one), so that cells are not "
            f"exchangeable; the null {null!r} is rejected, or not, for that alone"
        ]
    if "even gain" in assumes and _gain_is_smooth(np.where(filled, fields.contacts, 0), per_source, seed):
        return [
            f"the magnitude of weights varies smoothly over sources, which is structure to the null {null!r}; rejecting it "
            "needs no grouping of signs"
        ]
    if "free signs" in assumes and _has_dale_sources(fields.contacts, filled):
        return [f"synapses of one source share a sign (Dale), which the null {null!r} breaks up; use 'source-signs'"]
    return []


def _delays_are_uneven(filled: np.ndarray) -> bool:
    in_bin = filled.sum(axis=(0, 1, 2))
    result: bool = in_bin.size > 1 and in_bin.mean() >= FEWEST_IN_BIN and chisquare(in_bin).pvalue < DOUBTFUL
    return result


def _sources_are_uneven(per_source: np.ndarray, n_delay: int) -> bool:
    """Whether fewer, or more, pairs of synapses share a source than in random cells; their number is nearly Poisson."""
    n = per_source.sum(axis=1)
    n_cell = per_source.shape[1] * n_delay
    expected = (n * (n - 1) / 2).sum() * (n_delay - 1) / (n_cell - 1)
    n_pairs = (per_source * (per_source - 1) / 2).sum()
    return bool(min(poisson.cdf(n_pairs, expected), poisson.sf(n_pairs - 1, expected)) < DOUBTFUL)


def _gain_is_smooth(weight: np.ndarray, per_source: np.ndarray, seed: int) -> bool:
    """Whether neighbouring sources are alike in magnitude, more than in other orders of the sources: within fields, or in
    the mean over fields, which shows a weaker gain that all share.
    """
    known = per_source.sum(axis=0) > 0
    n = per_source[:, known]
    magnitude = np.abs(weight).sum(axis=(1, 3), dtype=np.float64)[:, known]
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


def _has_dale_sources(weight: np.ndarray, filled: np.ndarray) -> bool:
    """Whether sources have one sign in each field; ``weight`` and ``filled`` are (field, contact, source, delay)."""
    return _are_pure(*((filled & side).sum(axis=(1, 3)) for side in (weight > 0, weight < 0)))


def shares_signs(field: xr.DataArray | xr.Dataset) -> bool:
    """Whether each source has one sign for all targets (Dale), beyond chance: they depend on each other then."""
    fields = prepared(field)
    return _are_pure(*((fields.filled & side).sum(axis=(0, 1, 3)) for side in (fields.contacts > 0, fields.contacts < 0)))


def may_share_permutations(fields: xr.Dataset, *, null: Null) -> bool:
    """Whether one permutation can serve all targets: whole sources move, or every target with an answer has one synapse from
    every source, of weight other than 0; and there is one.
    """
    if (shared_by := NULLS[null].shared_by) != "like":
        return shared_by == "all"
    field = fields.receptive_field.transpose(..., "source", "delay")
    answerable = field.isel(source=0, delay=0, drop=True).copy(data=varies(field.to_numpy(), axis=(-2, -1)))
    if CONTACTS[0] in fields or fields.sizes["source"] < MIN_SYNAPSES or not answerable.any():
        return False
    weighted = fields.present & (fields.receptive_field != 0)  # a sign of 0 is none to move
    has_one = (fields.present.sum("delay") == 1) & (weighted.sum("delay") == 1)
    return bool((has_one.all("source") | ~answerable).all())


def are_independent(fields: xr.Dataset, *, null: Null, delay_kind: str) -> bool:
    """Whether the targets share neither delays, nor signs where the null moves those: draws of their own are right then."""
    return delay_kind == "synaptic" and (not NULLS[null].moves_signs or not shares_signs(fields))


def shared_delays(fields: xr.Dataset, *, null: Null, delay_kind: str) -> list[str]:
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
