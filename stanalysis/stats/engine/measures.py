"""The statistics of a field that are one number: what they are under each draw of a null, and without it.

Every family of statistics sees the same draws: an arrangement is addressed, not stored.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from stanalysis.fields.lattice import Lattice, neighbour_share, pair_weights
from stanalysis.fields.synapse_graph import SynapseGraph, kernel_arguments
from stanalysis.kernels import graph_sums, lattice_sums
from stanalysis.kernels.arrangements import OBSERVED, Synapses
from stanalysis.kernels.shuffled_cells import centred, neighbour_sums, packed, shuffled_squares, shuffled_sums
from stanalysis.stats.engine.expectations import (
    expected_autocorrelation,
    expected_bivariate,
    expected_joins,
    expected_of_shuffled_planes,
    has_moments,
)
from stanalysis.stats.engine.nulls import CODES, Null
from stanalysis.stats.engine.prepared import Fields, SynapseLists

# name: column of the kernel, long name
ON_LATTICE: Final = {
    "morans_i": (None, "Moran's I"),
    "along_delay": (lattice_sums.ALONG, "part of Moran's I from neighbours within one source"),
    "across_sources": (lattice_sums.ACROSS, "part of Moran's I from neighbours in different sources"),
    "gearys_c": (lattice_sums.GEARY, "Geary's C"),
    "joins_ee": (lattice_sums.EE, "neighbouring cells that both excite"),
    "joins_ei": (lattice_sums.EI, "neighbouring cells of which one excites and one inhibits"),
    "joins_ii": (lattice_sums.II, "neighbouring cells that both inhibit"),
    "bivariate_i": (lattice_sums.BIVARIATE, "bivariate Moran's I of excitation and inhibition"),
    "n_clusters": (lattice_sums.CLUSTERS, "connected sets of cells of one sign"),
    "largest_cluster": (lattice_sums.LARGEST, "cells in the largest connected set of one sign"),
    "lead": (lattice_sums.LEAD, "mean delay of inhibition less that of excitation, weighted"),
}
ON_GRAPH: Final = {
    "graph_morans_i": (graph_sums.MORAN, "Moran's I among synapses"),
    "graph_gearys_c": (graph_sums.GEARY, "Geary's C among synapses"),
    "graph_joins_ee": (graph_sums.EE, "neighbouring synapses that both excite"),
    "graph_joins_ei": (graph_sums.EI, "neighbouring synapses of which one excites and one inhibits"),
    "graph_joins_ii": (graph_sums.II, "neighbouring synapses that both inhibit"),
}
UNITS: Final = {"lead": "ms"}  # all others have none
SHUFFLED: Final = ("morans_i", "gearys_c", "joins_ee", "joins_ei", "joins_ii")  # of whole planes, under `cells`
CENTRED: Final = ("morans_i", "along_delay", "across_sources", "gearys_c")
EPS: Final = float(np.finfo(np.float64).eps)


class Measure(NamedTuple):
    """One statistic of some fields."""

    observed: np.ndarray  # (field,)
    expected: np.ndarray  # (field,)
    draws: np.ndarray  # (field, draw); without columns where no draw was asked for
    resolution: np.ndarray  # (field,): smaller differences are rounding


class Draws(NamedTuple):
    """Which draws of which null; ``streams`` (field,) are those of the fields, ``shared`` that of shuffled planes."""

    null: Null
    n: int
    streams: np.ndarray
    shared: np.uint64


def on_lattice(fields: Fields, lattice: Lattice, draws: Draws, statistics: set[str], drawn: set[str]) -> dict[str, Measure]:
    """The statistics of `ON_LATTICE`, with draws for those ``drawn``."""
    plane = _scaled(lattice, fields)
    n_field = fields.planes.shape[0]
    found: dict[str, np.ndarray] = {}
    arranged: dict[str, np.ndarray] = {}
    resolution: dict[str, np.ndarray] = {}
    shuffled = drawn & set(SHUFFLED) if draws.null == "cells" else set()
    if statistics - set(CENTRED) or drawn - shuffled:
        found, arranged, resolution = _of_synapses(fields, plane, draws, statistics, any_drawn=bool(drawn - shuffled))
    z = centred(fields.planes)
    found |= _of_centred(z, plane)  # more accurate than from the sums over synapses
    if draws.null == "cells":
        arranged |= _shuffled_planes(fields.planes, z, plane, draws, shuffled)
        resolution |= dict.fromkeys(("morans_i", "gearys_c"), np.full(n_field, _rounding_of_lanes(plane.share.size)))
    expected = _expected(fields, plane, draws.null, statistics)
    if draws.null == "sources" and "lead" in statistics:  # whole sources keep it
        expected["lead"] = found["lead"]
    return {name: _measure(name, found, arranged, expected, resolution, name in drawn) for name in statistics}


def _of_synapses(
    fields: Fields, plane: ScaledLattice, draws: Draws, statistics: set[str], *, any_drawn: bool
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Observed, in draws if there are to be any, and the rounding of what is summed over synapses."""
    synapses = fields.synapses(by_source=draws.null == "source-signs")
    clusters = not statistics.isdisjoint({"n_clusters", "largest_cluster"})
    unit = fields.bin_width if np.isfinite(fields.bin_width) else 1.0
    tables = []
    for code, n_draw in ((OBSERVED, 1), (CODES[draws.null], draws.n if any_drawn else 0)):
        out = np.empty((fields.planes.shape[0], n_draw, lattice_sums.N_SUMS))
        lattice_sums.lattice_draws(code, synapses, fields.plane, plane.flat, clusters, draws.streams, out)
        out[..., lattice_sums.LEAD] *= unit
        tables.append(_columns(ON_LATTICE, out))
    found, arranged = {name: value[:, 0] for name, value in tables[0].items()}, tables[1]
    arranged["morans_i"] = arranged["along_delay"] + arranged["across_sources"]
    resolution = _rounding(fields.planes, synapses)
    resolution["lead"] = np.full(fields.planes.shape[0], 64 * EPS * fields.plane.extent * unit)
    return found, arranged if any_drawn else {}, resolution


def _of_centred(z: np.ndarray, plane: ScaledLattice) -> dict[str, np.ndarray]:
    """The statistics of `CENTRED` of centred fields."""
    sums = np.empty((z.shape[0], 3))
    neighbour_sums(z, plane.share, plane.pairs.sum(axis=0), plane.queen, sums)
    along, across, squares = sums.T
    n = plane.share.size
    contrast = (n - 1) / (2 * n) * (squares - 2 * (along + across))
    return {"along_delay": along, "across_sources": across, "morans_i": along + across, "gearys_c": contrast}


def on_graph(
    fields: Fields | SynapseLists, graph: SynapseGraph, draws: Draws, statistics: set[str], drawn: set[str]
) -> dict[str, Measure]:
    """The statistics of `ON_GRAPH`, with draws for those ``drawn``."""
    synapses = fields.synapses(by_source=draws.null == "source-signs")
    n_field = synapses.start.size - 1
    per_source = graph.ms_per_source / fields.bin_width
    values = []
    for code, n_draw in ((OBSERVED, 1), (CODES[draws.null], draws.n)):
        out = np.empty((n_field, n_draw, graph_sums.N_SUMS))
        graph_sums.graph_draws(
            code, synapses, fields.plane, per_source, *kernel_arguments(graph), graph.standardised, draws.streams, out
        )
        values.append(_columns(ON_GRAPH, out))
    found = {name: value[:, 0] for name, value in values[0].items()}
    by_field = np.repeat(np.arange(n_field), np.diff(synapses.start))
    n = np.diff(synapses.start).astype(float)
    n_e, n_i = (np.bincount(by_field, side, n_field) for side in (synapses.weight > 0, synapses.weight < 0))
    expected: dict[str, np.ndarray] = {}
    if draws.null in ("weights", "signs"):  # the graph stays: any two synapses are joined equally often
        joins = found["graph_joins_ee"] + found["graph_joins_ei"] + found["graph_joins_ii"]
        whole = n_e + n_i == n  # a weight of 0 is neither
        with np.errstate(divide="ignore", invalid="ignore"):
            per_pair = np.where(whole, joins / (n * (n - 1)), np.nan)
            expected = {
                "graph_joins_ee": per_pair * n_e * (n_e - 1),
                "graph_joins_ei": per_pair * 2 * n_e * n_i,
                "graph_joins_ii": per_pair * n_i * (n_i - 1),
            }
            if draws.null == "weights":
                expected |= {"graph_morans_i": -1 / (n - 1), "graph_gearys_c": np.ones(n_field)}
    mean = np.bincount(by_field, synapses.weight, n_field) / np.maximum(n, 1)
    squares = np.bincount(by_field, synapses.weight**2, n_field)
    with np.errstate(divide="ignore", invalid="ignore"):
        amplified = 16 * np.sqrt(n) * EPS * squares / (squares - n * mean**2)
    resolution = {"graph_morans_i": amplified, "graph_gearys_c": 4 * amplified}
    return {name: _measure(name, found, values[1], expected, resolution, name in drawn) for name in statistics}


def _measure(
    name: str,
    found: dict[str, np.ndarray],
    draws: dict[str, np.ndarray],
    expected: dict[str, np.ndarray],
    resolution: dict[str, np.ndarray],
    drawn: bool,
) -> Measure:
    observed = found[name]
    none = np.empty((observed.size, 0))
    values = draws.get(name, none)
    mean = expected.get(name, np.full(observed.size, np.nan))
    if np.isnan(mean).any():
        mean = np.where(np.isnan(mean), _mean_of(values), mean)
    tie = resolution.get(name, np.full(observed.size, 1e-9))  # counts are exact
    return Measure(observed, np.where(np.isnan(observed), np.nan, mean), values if drawn else none, tie)


def _mean_of(draws: np.ndarray) -> np.ndarray:
    """Mean of those that are numbers; one layout, for a field's sum must not depend on its company."""
    with np.errstate(invalid="ignore"):
        return np.nansum(np.ascontiguousarray(draws, np.float64), axis=1) / np.count_nonzero(~np.isnan(draws), axis=1)


def _columns(table: dict, values: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[..., column] for name, (column, _) in table.items() if column is not None}


class ScaledLattice(NamedTuple):
    """A lattice, scaled such that the sum over a centred field, over its squares, is I."""

    share: np.ndarray  # (source, delay): weight a cell gives to each neighbour
    pairs: np.ndarray  # (2, source, delay): weights that meet in a cell, along the delay and across sources
    queen: bool
    flat: lattice_sums.FlatLattice


def _scaled(lattice: Lattice, fields: Fields) -> ScaledLattice:
    n_source, n_delay = fields.plane.n_source, int(fields.plane.extent)
    share = neighbour_share(lattice, n_source, n_delay)
    pairs = pair_weights(lattice, share)
    scale = share.size / (pairs.sum() / 2)
    degree = pair_weights(Lattice(lattice.contiguity, standardised=False), np.ones_like(share)).sum(axis=0) / 2
    share, pairs = share * scale, pairs * scale
    queen = lattice.contiguity == "queen"
    flat = lattice_sums.FlatLattice(
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
    found = {}
    if not drawn.isdisjoint({"morans_i", "gearys_c"}):
        table = packed(z.reshape(n_field, n_cell), draws.streams)
        product = shuffled_sums(table, plane.share, plane.queen, draws.n, draws.shared)
        found["morans_i"] = product[:, :n_field].T
        if "gearys_c" in drawn:
            squares = shuffled_squares(table, plane.pairs.sum(axis=0), draws.n, draws.shared)
            found["gearys_c"] = np.float32((n_cell - 1) / (2 * n_cell)) * (squares - 2 * product)[:, :n_field].T
    if drawn & {"joins_ee", "joins_ei", "joins_ii"}:
        half = np.full_like(plane.share, 0.5)  # a pair counts once
        tables = (
            packed(a.reshape(n_field, n_cell).astype(float), draws.streams) for a in (planes > 0, planes < 0, planes != 0)
        )
        ee, ii, of_all = (shuffled_sums(t, half, plane.queen, draws.n, draws.shared)[:, :n_field].T for t in tables)
        found |= {"joins_ee": ee, "joins_ii": ii, "joins_ei": of_all - ee - ii}
    return found


def _expected(fields: Fields, plane: ScaledLattice, null: Null, statistics: set[str]) -> dict[str, np.ndarray]:
    """Exact means where there are any; NaN where there are none."""
    if null == "cells":  # of planes as they are, whatever synapses met in a cell
        found = expected_of_shuffled_planes(fields.planes, plane.pairs, plane.queen)
        if "bivariate_i" not in statistics:
            return found | {"lead": np.zeros(fields.planes.shape[0])}
    else:
        found = {}
    kind: Null = "signs" if null == "source-signs" else null
    # one sign per source is as one per synapse where that is the same
    needed: tuple[Null, ...] = ("signs", "delays") if null == "source-signs" else (null,)
    known = np.all([has_moments(name, fields.filled) for name in needed], axis=0)
    planes = fields.planes[known]
    present = planes != 0 if kind == "signs" else np.asarray(fields.filled[known].any(axis=1))
    exact: dict[str, np.ndarray] = {}
    if kind != "cells" and statistics & {"joins_ee", "joins_ei", "joins_ii"}:
        exact |= expected_joins(kind, planes, present, plane.queen)
    if kind not in ("cells", "signs") and statistics & set(CENTRED):
        exact |= expected_autocorrelation(kind, planes, present, plane.share, plane.queen)
    if kind != "signs" and "bivariate_i" in statistics:
        exact |= expected_bivariate(kind, planes, present, plane.share, plane.queen)
    if null in ("delays", "weights", "rows", "cells"):
        exact["lead"] = np.zeros(known.sum())
    for name, value in exact.items():
        found[name] = np.full(known.size, np.nan)
        found[name][known] = value
    return found


def _rounding(planes: np.ndarray, synapses: Synapses) -> dict[str, np.ndarray]:
    """Rounding errors of sums over synapses, whose weights are not centred: they grow by the squares over the centred ones."""
    by_field = np.repeat(np.arange(planes.shape[0]), np.diff(synapses.start))
    squares = np.bincount(by_field, synapses.weight**2, planes.shape[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        of_all, of_e, of_i = (
            squares / np.square(a - a.mean(axis=(1, 2), keepdims=True)).sum(axis=(1, 2))
            for a in (planes, np.maximum(planes, 0), np.maximum(-planes, 0))
        )
    unit = 8 * np.sqrt(planes[0].size) * EPS
    moran = unit * of_all
    parts = dict.fromkeys(("morans_i", "along_delay", "across_sources"), moran)
    return {**parts, "gearys_c": 4 * moran, "bivariate_i": unit * np.sqrt(of_e * of_i)}


def _rounding_of_lanes(n_cell: int) -> float:
    # Each of n additions rounds a partial sum below 1 (squares sum to 1) by at most eps / 2, as good as randomly; the
    # weights are rounded too. That stays within a few sqrt(n) eps. A draw varies by about 1 / sqrt(n), so that two draws
    # which are no tie come this close with a chance of only about 4 n eps.
    return float(4 * np.sqrt(n_cell) * np.finfo(np.float32).eps)
