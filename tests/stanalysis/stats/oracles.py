"""Every arrangement that a null allows of a tiny field, and every statistic of each, by plain and slow means.

Nothing here shares a line with the package but the names.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import ndimage

from stanalysis.fields.lattice import Lattice
from stanalysis.fields.synapse_graph import SynapseGraph

NULLS = ("delays", "weights", "signs", "source-signs", "sources", "rows", "cells")
BIN = 10.0  # ms


class Arrangement(NamedTuple):
    """Synapses with their delays in bins."""

    source: tuple[int, ...]
    delay: tuple[int, ...]
    weight: tuple[float, ...]


def synapses_of(plane: np.ndarray) -> Arrangement:
    """The synapses of a plane (source, delay): its non-zero cells."""
    source, delay = np.nonzero(plane)
    return Arrangement(tuple(source.tolist()), tuple(delay.tolist()), tuple(plane[source, delay].tolist()))


def field_of(plane: np.ndarray) -> xr.DataArray:
    """A plane, or planes (target, source, delay), with delays in ms."""
    delay = np.arange(plane.shape[-1]) * BIN
    return xr.DataArray(plane, {"delay": delay}, ("target", "source", "delay")[-plane.ndim :])


def arrangements(null: str, field: Arrangement, shape: tuple[int, int], *, apart: bool = True) -> Iterator[Arrangement]:
    """All equally likely arrangements; with ``apart`` no two synapses can be in one cell."""
    source, delay, weight = field
    n = len(source)

    def allowed(delays):
        return not apart or len(set(zip(source, delays, strict=True))) == n

    if null == "delays":
        for order in itertools.permutations(range(n)):
            moved = tuple(delay[k] for k in order)
            if allowed(moved):
                yield Arrangement(source, moved, weight)
    elif null == "rows":
        for moved in itertools.product(range(shape[1]), repeat=n):
            if allowed(moved):
                yield Arrangement(source, moved, weight)
    elif null == "weights":
        for dealt in itertools.permutations(weight):
            yield Arrangement(source, delay, dealt)
    elif null in ("signs", "source-signs"):
        named = list(range(n)) if null == "signs" else list(source)
        groups = sorted({named[k] for k in range(n) if weight[k] != 0})
        signs = [next(np.sign(weight[k]) for k in range(n) if named[k] == g and weight[k] != 0) for g in groups]
        for dealt in itertools.permutations(signs):
            of = dict(zip(groups, dealt, strict=True))
            yield Arrangement(source, delay, tuple(abs(w) * of[g] if w else w for w, g in zip(weight, named, strict=True)))
    elif null == "sources":
        for order in itertools.permutations(range(shape[0])):
            yield Arrangement(tuple(order[s] for s in source), delay, weight)
    else:
        for cells in itertools.permutations(range(shape[0] * shape[1]), n):
            yield Arrangement(tuple(c // shape[1] for c in cells), tuple(c % shape[1] for c in cells), weight)


# --- on the lattice -------------------------------------------------------------------------------------------------


def neighbour_matrix(lattice: Lattice, shape: tuple[int, int]) -> np.ndarray:
    """Neighbour weights between cells, (cell, cell)."""
    cells = list(np.ndindex(*shape))
    w = np.zeros((len(cells), len(cells)))
    for i, (r, c) in enumerate(cells):
        for j, (s, d) in enumerate(cells):
            steps = abs(r - s), abs(c - d)
            w[i, j] = sum(steps) == 1 or (lattice.contiguity == "queen" and steps == (1, 1))
    return w / w.sum(axis=1, keepdims=True) if lattice.standardised else w


def lattice_oracle(arranged: list[Arrangement], lattice: Lattice, shape: tuple[int, int], names: set[str]) -> dict:
    """Some statistics of each arrangement, name: (arrangement,); NaN where there is none."""
    planes = np.zeros((len(arranged), *shape))
    for plane, (source, delay, weight) in zip(planes, arranged, strict=True):
        np.add.at(plane, (list(source), list(delay)), weight)
    found = planes_oracle(planes, lattice, names)
    if names & {"weighted_joins_like", "weighted_joins_unlike"}:
        weight = np.array(arranged[0].weight)
        joined = neighbour_matrix(Lattice(lattice.contiguity, standardised=False), shape) / 2
        found |= _weighted(planes.reshape(len(arranged), -1), joined, weight)
    if "lead" in names:
        found["lead"] = np.array([_lead(a) for a in arranged])
    return found


def planes_oracle(planes: np.ndarray, lattice: Lattice, names: set[str]) -> dict:
    """Some statistics of planes (arrangement, source, delay), name: (arrangement,); NaN where there is none."""
    shape = planes.shape[1:]
    x = planes.reshape(planes.shape[0], -1)
    n = x.shape[1]
    w = neighbour_matrix(lattice, shape)
    joined = neighbour_matrix(Lattice(lattice.contiguity, standardised=False), shape)
    row = np.arange(n) // shape[1]
    same = row[:, None] == row
    e, h = np.maximum(x, 0), np.maximum(-x, 0)
    z, ze, zh = (a - a.mean(axis=1, keepdims=True) for a in (x, e, h))
    constant, no_e, no_h = (np.ptp(a, axis=1) == 0 for a in (x, e, h))

    def over(product, squares, missing):
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(missing, np.nan, n / w.sum() * product / squares)

    def pairs(a, b, weights):
        return np.einsum("ai,ij,aj->a", a, weights, b)

    apart = pairs(x**2, np.ones_like(x), w) + pairs(np.ones_like(x), x**2, w) - 2 * pairs(x, x, w)
    along, across = (over(pairs(z, z, w * kept), (z**2).sum(axis=1), constant) for kept in (same, ~same))
    found = {
        "morans_i": along + across,
        "along_delay": along,
        "across_sources": across,
        "gearys_c": over(apart, (z**2).sum(axis=1), constant) * (n - 1) / (2 * n),
        "joins_ee": pairs(1.0 * (x > 0), 1.0 * (x > 0), joined) / 2,
        "joins_ei": pairs(1.0 * (x > 0), 1.0 * (x < 0), joined),
        "joins_ii": pairs(1.0 * (x < 0), 1.0 * (x < 0), joined) / 2,
        "bivariate_i": over(pairs(ze, zh, w), np.sqrt((ze**2).sum(axis=1) * (zh**2).sum(axis=1)), no_e | no_h),
    }
    if names & {"n_clusters", "largest_cluster"}:
        sizes = [cluster_sizes(p, lattice) for p in planes]
        found |= {
            "n_clusters": np.array([len(s) for s in sizes], float),
            "largest_cluster": np.array([max(s, default=0) for s in sizes], float),
        }
    return {name: value for name, value in found.items() if name in names}


def _weighted(x: np.ndarray, joined: np.ndarray, weight: np.ndarray) -> dict:
    """Weighted joins of values (arrangement, place) of synapses with these weights, ``joined`` counting each direction."""
    product = np.einsum("ai,ij,aj->aij", x, joined, x) / np.abs(weight[weight != 0]).mean() ** 2
    return {
        "weighted_joins_like": np.maximum(product, 0).sum(axis=(1, 2)),
        "weighted_joins_unlike": np.maximum(-product, 0).sum(axis=(1, 2)),
    }


def cluster_sizes(plane: np.ndarray, lattice: Lattice) -> list[int]:
    """Sizes of the connected sets of cells of one sign."""
    structure = np.ones((3, 3)) if lattice.contiguity == "queen" else None
    sizes = []
    for side in (plane > 0, plane < 0):
        label, _ = ndimage.label(side, structure)
        sizes += np.bincount(label.reshape(-1))[1:].tolist()
    return sizes


def _lead(arranged: Arrangement) -> float:
    delay, weight = np.array(arranged.delay) * BIN, np.array(arranged.weight)
    if not ((weight > 0).any() and (weight < 0).any()):
        return np.nan
    return float(np.average(delay[weight < 0], weights=-weight[weight < 0]) - np.average(delay, weights=np.maximum(weight, 0)))


# --- on the graph of synapses -----------------------------------------------------------------------------------------


def graph_matrix(graph: SynapseGraph, source: tuple[int, ...], delay_ms: tuple[float, ...]) -> np.ndarray:
    """Neighbour weights between synapses; ties of the farthest neighbour are all neighbours."""
    n = len(source)
    w = np.zeros((n, n))
    for i in range(n):
        far = [
            np.inf if i == j else np.hypot(source[i] - source[j], (delay_ms[i] - delay_ms[j]) / graph.ms_per_source)
            for j in range(n)
        ]
        limit = graph.radius if graph.radius is not None else sorted(far)[min(graph.nearest, n - 1) - 1]
        w[i] = [np.isfinite(d) and d <= limit * (1 + 1e-9) for d in far]
    degree = np.maximum(w.sum(axis=1, keepdims=True), 1)
    return w / degree if graph.standardised else w


def graph_oracle(arranged: list[Arrangement], graph: SynapseGraph) -> dict:
    """Statistics of each arrangement, name: (arrangement,)."""
    values = [_on_graph(a, graph) for a in arranged]
    return {name: np.array([v[name] for v in values]) for name in values[0]}


def _on_graph(arranged: Arrangement, graph: SynapseGraph) -> dict:
    x = np.array(arranged.weight)
    n = len(x)
    w = graph_matrix(graph, arranged.source, tuple(d * BIN for d in arranged.delay))
    joins = (w > 0) / 2
    z = x - x.mean()
    e, h = x > 0, x < 0
    there = np.ptp(x) > 0 and w.sum() > 0
    return {
        "graph_morans_i": n / w.sum() * (z @ w @ z) / (z @ z) if there else np.nan,
        "graph_gearys_c": (n - 1) / (2 * w.sum()) * (w * np.subtract.outer(x, x) ** 2).sum() / (z @ z) if there else np.nan,
        "graph_joins_ee": e @ joins @ e,
        "graph_joins_ei": e @ joins @ h + h @ joins @ e,
        "graph_joins_ii": h @ joins @ h,
        **{f"graph_{name}": value[0] for name, value in _weighted(x[None], joins, x).items()},
    }


def oracle(
    null: str, field: Arrangement, shape: tuple[int, int], *, lattice: Lattice, graph: SynapseGraph, names: set[str], apart=True
) -> dict:
    """Each statistic of every arrangement under a null, name: (arrangement,); the observed field with null "observed"."""
    arranged = [field] if null == "observed" else list(arrangements(null, field, shape, apart=apart))
    found = lattice_oracle(arranged, lattice, shape, names)
    if any(name.startswith("graph") for name in names):
        found |= {name: value for name, value in graph_oracle(arranged, graph).items() if name in names}
    return found
