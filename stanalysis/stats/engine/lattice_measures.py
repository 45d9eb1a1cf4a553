"""The statistics of the lattice: what they are in each draw of a null, and what is expected of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from stanalysis.fields.lattice import Lattice, neighbour_share, pair_weights
from stanalysis.kernels.arrangements import Synapses
from stanalysis.kernels.lattice_totals import FlatLattice
from stanalysis.kernels.shuffled_cells import centred, neighbour_sums, packed, shuffled_squares, shuffled_sums
from stanalysis.stats.engine.expectations import (
    expected_autocorrelation,
    expected_bivariate,
    expected_joins,
    expected_of_shuffled_planes,
    expected_weighted_joins,
    has_moments,
)
from stanalysis.stats.engine.measures import EPS, Draws, Measure, as_measure
from stanalysis.stats.engine.nulls import Arrangement, NullRule
from stanalysis.stats.engine.prepared import AnyFields
from stanalysis.stats.engine.sums import Summed
from stanalysis.stats.engine.variances import (
    neighbouring_cells,
    of_alike,
    of_signs,
    of_unlike,
    power_sums,
    shared_among_cells,
    together,
    variances_of_joins,
    variances_of_shuffled_planes,
    variances_of_weighted_joins,
)

SHUFFLED: Final = ("morans_i", "gearys_c", "joins_ee", "joins_ei", "joins_ii")  # of whole planes, where cells move
CENTRED: Final = ("morans_i", "along_delay", "across_sources", "gearys_c")
WEIGHTED: Final = ("weighted_joins_like", "weighted_joins_unlike")
JOINS: Final = ("joins_ee", "joins_ei", "joins_ii", *WEIGHTED)


def shuffled_whole(rule: NullRule, drawn: set[str]) -> set[str]:
    """Those of the statistics ``drawn`` whose draws are shuffled planes, and need no synapses."""
    return drawn & set(SHUFFLED) if rule.arrangement == "cells" else set()


def from_synapses(rule: NullRule, statistics: set[str], drawn: set[str]) -> set[str]:
    """All of the statistics, if some of them are summed over synapses; observed, or in draws."""
    of_planes = {*CENTRED, *SHUFFLED} if rule.arrangement == "cells" else set(CENTRED)
    return statistics if statistics - of_planes or drawn - shuffled_whole(rule, drawn) else set()


def on_lattice(
    fields: AnyFields,
    synapses: Callable[[], Synapses],
    plane: ScaledLattice,
    sums: Summed,
    draws: Draws,
    statistics: set[str],
    drawn: set[str],
) -> dict[str, Measure]:
    """Statistics of the lattice, with draws for those ``drawn``; ``sums`` has those that are summed over synapses."""
    n_field = fields.planes.shape[0]
    z = centred(fields.planes)
    # of centred fields they are more accurate than from the sums over synapses
    observed, arranged = sums.observed | _from_centred(z, plane), sums.arranged
    if not statistics <= observed.keys():
        observed |= _joins_of_planes(fields.planes, plane)
    resolution = _rounding(fields.planes, synapses(), statistics) if sums.observed else {}
    if draws.rule.arrangement == "cells":
        arranged = arranged | _shuffled_planes(fields.planes, z, plane, draws, shuffled_whole(draws.rule, drawn))
        resolution |= dict.fromkeys(("morans_i", "gearys_c"), np.full(n_field, _rounding_of_lanes(plane.share.size)))
    if "lead" in statistics:  # in ms from here on
        unit = fields.bin_width if np.isfinite(fields.bin_width) else 1.0
        observed["lead"] = observed["lead"] * unit
        arranged = arranged | {name: value * unit for name, value in arranged.items() if name == "lead"}
        resolution["lead"] = np.full(n_field, 64 * EPS * fields.plane.extent * unit)
    expected = _expected(fields, plane, draws.rule, statistics)
    if draws.rule.arrangement == "sources" and "lead" in statistics:  # whole sources keep it
        expected["lead"] = observed["lead"]
    variance = _variances(fields, z, plane, draws.rule, drawn) if draws.n else {}
    return {name: as_measure(name, observed, arranged, expected, variance, resolution, name in drawn) for name in statistics}


def _from_centred(z: np.ndarray, plane: ScaledLattice) -> dict[str, np.ndarray]:
    """The statistics of `CENTRED` of centred fields."""
    sums = np.empty((z.shape[0], 3))
    neighbour_sums(z, plane.share, plane.pairs.sum(axis=0), plane.queen, sums)
    along, across, squares = sums.T
    n = plane.share.size
    contrast = (n - 1) / (2 * n) * (squares - 2 * (along + across))
    return {"along_delay": along, "across_sources": across, "morans_i": along + across, "gearys_c": contrast}


def _joins_of_planes(planes: np.ndarray, plane: ScaledLattice) -> dict[str, np.ndarray]:
    """The join counts of whole planes."""
    counts = []
    for cells in (planes > 0, planes < 0, planes != 0):
        sums = np.empty((planes.shape[0], 3))
        neighbour_sums(cells.astype(float), np.full_like(plane.share, 0.5), np.zeros_like(plane.share), plane.queen, sums)
        counts.append(sums[:, 0] + sums[:, 1])
    ee, ii, every = counts
    return {"joins_ee": ee, "joins_ei": every - ee - ii, "joins_ii": ii}


class ScaledLattice(NamedTuple):
    """A lattice, scaled such that the sum over a centred field, over its squares, is I."""

    share: np.ndarray  # (source, delay): weight a cell gives to each neighbour
    pairs: np.ndarray  # (2, source, delay): weights that meet in a cell, along the delay and across sources
    queen: bool
    flat: FlatLattice


def scaled_lattice(lattice: Lattice, fields: AnyFields) -> ScaledLattice:
    """The lattice of the planes of some fields."""
    n_source, n_delay = fields.plane.n_source, int(fields.plane.extent)
    share = neighbour_share(lattice, n_source, n_delay)
    pairs = pair_weights(lattice, share)
    scale = share.size / (pairs.sum() / 2)
    degree = pair_weights(Lattice(lattice.contiguity, standardised=False), np.ones_like(share)).sum(axis=0) / 2
    share, pairs = share * scale, pairs * scale
    queen = lattice.contiguity == "queen"
    flat = FlatLattice(
        np.pad(share, 1).reshape(-1),
        np.pad(pairs, ((0, 0), (1, 1), (1, 1))).reshape(2, -1),
        np.pad(share * degree, 1).reshape(-1),
        pairs.sum(axis=(1, 2)) / 2,
        n_delay + 2,
        share.size,
        queen,
    )
    return ScaledLattice(share, pairs, queen, flat)


def _shuffled_planes(
    planes: np.ndarray, z: np.ndarray, plane: ScaledLattice, draws: Draws, drawn: set[str]
) -> dict[str, np.ndarray]:
    """The statistics of `SHUFFLED` with all cells of the planes shuffled, sixteen fields side by side."""
    n_field, n_cell = planes.shape[0], plane.share.size
    arranged = {}
    if not drawn.isdisjoint({"morans_i", "gearys_c"}):
        table = packed(z.reshape(n_field, n_cell), draws.streams)
        product = shuffled_sums(table, plane.share, plane.queen, draws.n, draws.shared)
        arranged["morans_i"] = _by_field(product, n_field)
        if "gearys_c" in drawn:
            squares = shuffled_squares(table, plane.pairs.sum(axis=0), draws.n, draws.shared)
            arranged["gearys_c"] = np.float32((n_cell - 1) / (2 * n_cell)) * _by_field(squares - 2 * product, n_field)
    if drawn & {"joins_ee", "joins_ei", "joins_ii"}:
        half = np.full_like(plane.share, 0.5)  # a pair counts once
        tables = (
            packed(a.reshape(n_field, n_cell).astype(float), draws.streams) for a in (planes > 0, planes < 0, planes != 0)
        )
        ee, ii, any_sign = (_by_field(shuffled_sums(t, half, plane.queen, draws.n, draws.shared), n_field) for t in tables)
        arranged |= {"joins_ee": ee, "joins_ii": ii, "joins_ei": any_sign - ee - ii}
    return arranged


def _by_field(values: np.ndarray, n_field: int) -> np.ndarray:
    """Sums (draw, lane of all blocks) as (field, draw), one field after another, for they are read more than once."""
    return np.ascontiguousarray(values[:, :n_field].T)


def _expected(fields: AnyFields, plane: ScaledLattice, rule: NullRule, statistics: set[str]) -> dict[str, np.ndarray]:
    """Exact means where there are any; NaN where there are none."""
    kind = rule.arrangement
    expected: dict[str, np.ndarray] = {}
    if kind == "cells":  # of planes as they are, whatever synapses met in a cell
        expected = expected_of_shuffled_planes(fields.planes, plane.pairs, plane.queen)
        if statistics.isdisjoint({"bivariate_i", *WEIGHTED}):
            return expected | {"lead": np.zeros(fields.planes.shape[0])}
    # one sign per source is as one per synapse where that is the same
    needed: tuple[Arrangement, ...] = (kind, "delays") if rule.by_source else (kind,)
    known = np.all([has_moments(arrangement, fields) for arrangement in needed], axis=0)
    planes = fields.planes[known]
    present = planes != 0 if kind == "signs" else fields.present[known]
    exact: dict[str, np.ndarray] = {}
    if kind != "cells" and not statistics.isdisjoint(JOINS):
        exact |= expected_joins(kind, planes, present, plane.queen)
    if statistics & set(WEIGHTED):
        exact |= expected_weighted_joins(kind, planes, present, _unit_of_joins(fields)[known], plane.queen)
    if kind not in ("cells", "signs") and statistics & set(CENTRED):
        exact |= expected_autocorrelation(kind, planes, present, plane.share, plane.queen)
    if kind != "signs" and "bivariate_i" in statistics:
        exact |= expected_bivariate(kind, planes, present, plane.share, plane.queen)
    if kind in ("delays", "weights", "rows", "cells"):
        exact["lead"] = np.zeros(known.sum())
    return expected | _spread(exact, known)


def _variances(
    fields: AnyFields, z: np.ndarray, plane: ScaledLattice, rule: NullRule, drawn: set[str]
) -> dict[str, np.ndarray]:
    """Exact variances (field,), NaN where there are none; ``z`` are the centred fields."""
    kind, queen = rule.arrangement, plane.queen
    if rule.by_source or kind not in ("weights", "signs", "cells"):
        return {}
    of_planes = variances_of_shuffled_planes(fields.planes, z, plane.share, queen) if kind == "cells" else {}
    if drawn.isdisjoint(WEIGHTED if kind == "cells" else JOINS):
        return of_planes
    known = has_moments(kind, fields)
    planes, unit = fields.planes[known], _unit_of_joins(fields)[known]
    e, h = power_sums(np.maximum(planes, 0)), power_sums(np.maximum(-planes, 0))
    like, unlike = together(of_alike(*e), of_alike(*h)), of_unlike(e, h)
    if kind == "cells":
        joined, n = shared_among_cells(np.ones(plane.share.shape), queen), np.asarray(float(plane.share.size))
        return of_planes | _spread(variances_of_weighted_joins(joined, like, unlike, n, unit), known)
    n_e, n_i = ((planes * sign > 0).sum(axis=(1, 2)).astype(float) for sign in (1, -1))
    present = (planes != 0 if kind == "signs" else fields.present[known]).astype(float)
    places, n = neighbouring_cells(present, queen), present.sum(axis=(1, 2))
    of_joins, by_size = variances_of_joins(places, n_e, n_i, n), places
    if kind == "signs":  # magnitudes stay
        both_e, unlike, both_i = of_signs(n_e, n_i)
        like, by_size = together(both_e, both_i), neighbouring_cells(np.abs(planes), queen)
    return _spread(of_joins | variances_of_weighted_joins(by_size, like, unlike, n, unit), known)


def _spread(of_some: dict[str, np.ndarray], known: np.ndarray) -> dict[str, np.ndarray]:
    """What is said of the ``known`` of all fields, NaN of the others."""
    result = {name: np.full(known.size, np.nan) for name in of_some}
    for name, values in of_some.items():
        result[name][known] = values
    return result


def _unit_of_joins(fields: AnyFields) -> np.ndarray:
    """Product of two mean magnitudes (field,): of synapses, which no null changes, as the magnitude of a cell may."""
    unit: np.ndarray = np.square(fields.magnitude())
    return unit


def _rounding(planes: np.ndarray, synapses: Synapses, statistics: set[str]) -> dict[str, np.ndarray]:
    """Rounding errors of sums over synapses, whose weights are not centred: they grow by the squares over the centred ones."""
    by_field = np.repeat(np.arange(planes.shape[0]), np.diff(synapses.start))
    squares = np.bincount(by_field, synapses.weight**2, planes.shape[0])
    unit = 8 * np.sqrt(planes[0].size) * EPS
    with np.errstate(divide="ignore", invalid="ignore"):
        moran = unit * squares / _scatter(planes)
        resolution = dict.fromkeys(CENTRED, moran) | {"gearys_c": 4 * moran}
        if "bivariate_i" in statistics:
            of_e, of_i = (squares / _scatter(a) for a in (np.maximum(planes, 0), np.maximum(-planes, 0)))
            resolution["bivariate_i"] = unit * np.sqrt(of_e * of_i)
    n = np.bincount(by_field, synapses.weight != 0, planes.shape[0])
    of_joins = 4 * unit * squares * np.square(n / np.bincount(by_field, np.abs(synapses.weight), planes.shape[0]))
    return resolution | dict.fromkeys(WEIGHTED, of_joins)  # up to four pairs a synapse, in cells whose weights may cancel


def _scatter(planes: np.ndarray) -> np.ndarray:
    """Sum of squares (field,) about the mean of a plane."""
    apart = planes - planes.mean(axis=(1, 2), keepdims=True)
    result: np.ndarray = np.einsum("frc,frc->f", apart, apart)
    return result


def _rounding_of_lanes(n_cell: int) -> float:
    # Each of n additions rounds a partial sum below 1 (squares sum to 1) by at most eps / 2, as good as randomly; the
    # weights are rounded too. That stays within a few sqrt(n) eps. A draw varies by about 1 / sqrt(n), so that two draws
    # which are no tie come this close with a chance of only about 4 n eps.
    return float(4 * np.sqrt(n_cell) * np.finfo(np.float32).eps)
