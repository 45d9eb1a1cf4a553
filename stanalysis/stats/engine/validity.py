"""When a null is not exchangeable for these fields, whatever their grouping: what a reader must be told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import xarray as xr
from scipy.stats import chisquare, kstest, poisson

from stanalysis.kernels.arrangements import Plane, Synapses
from stanalysis.stats.engine.by_source import are_pure, signs_by_source, some_of, sums_by_source
from stanalysis.stats.engine.doubt import DOUBTFUL, Doubt
from stanalysis.stats.engine.margin_doubts import doubts_of_margins
from stanalysis.stats.engine.null_test import MIN_SYNAPSES
from stanalysis.stats.engine.nulls import NULLS, Null
from stanalysis.stats.engine.prepared import AnyFields, lists_or_fields
from stanalysis.stats.engine.rounding import varies
from stanalysis.stats.engine.synapse_lists import SynapseLists

FEWEST_IN_BIN: Final = 5  # synapses expected in a bin of delays, for the chi-square test of their uniformity


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
        Of the permutations of sources behind the check of what varies over them.

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
    independent = not (may_share_permutations(every, null=null) or shares_signs(every))
    of_margins = doubts_of_margins(synapses, every.plane.n_source, null=null, independent=independent, seed=seed)
    return [*_of_places_and_signs(synapses, every.plane, null), *of_margins]


def _of_places_and_signs(synapses: Synapses, plane: Plane, null: Null) -> Iterator[Doubt]:
    """What rules out a null as a whole."""
    assumes = NULLS[null].assumes
    if "uniform delays" in assumes and _delays_are_uneven(synapses.delay, plane):
        yield Doubt(f"the delays are not uniform, which the null {null!r} takes them to be; rejecting it needs no grouping")
    per_source = sums_by_source(synapses, np.ones(synapses.weight.size), plane.n_source)
    if "even sources" in assumes and _sources_are_uneven(per_source, plane):
        yield Doubt(
            "the synapses are not spread over sources as over cells (as where every source has one), so that cells are not "
            f"exchangeable; the null {null!r} is rejected, or not, for that alone"
        )
    if "free signs" in assumes and are_pure(*signs_by_source(synapses, plane.n_source)):
        yield Doubt(f"synapses of one source share a sign (Dale), which the null {null!r} breaks up; use 'source-signs'")


def _finite(fields: AnyFields) -> Synapses:
    """The synapses of all fields whose weight is a number."""
    synapses = fields.synapses(by_source=False)
    return some_of(synapses, np.isfinite(synapses.weight))


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


def shares_signs(field: xr.DataArray | xr.Dataset | AnyFields) -> bool:
    """Whether each source has one sign for all targets (Dale), beyond chance: they depend on each other then."""
    every = lists_or_fields(field)
    excites, inhibits = signs_by_source(_finite(every), every.plane.n_source)
    return are_pure(excites.sum(axis=0), inhibits.sum(axis=0))


def may_share_permutations(fields: xr.DataArray | xr.Dataset | AnyFields, *, null: Null) -> bool:
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
    n, weighted = (sums_by_source(synapses, which, n_source) for which in (np.ones(synapses.weight.size), synapses.weight != 0))
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
