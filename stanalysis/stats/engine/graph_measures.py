"""The statistics of the graph of synapses: what they are in each draw of a null, and what is expected of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stanalysis.fields.synapse_graph import SynapseGraph, kernel_arguments
from stanalysis.kernels.arrangements import Plane, Synapses
from stanalysis.kernels.graph_sums import Neighbourhood, pair_sums_of_graphs
from stanalysis.stats.engine.by_source import field_of
from stanalysis.stats.engine.measures import EPS, Draws, Measure, as_measure
from stanalysis.stats.engine.sums import Summed
from stanalysis.stats.engine.variances import (
    PairSums,
    of_alike,
    of_differences,
    of_signs,
    of_unlike,
    permutation_variance,
    powers,
    together,
    variances_of_joins,
    variances_of_weighted_joins,
)


def neighbourhood_of(graph: SynapseGraph, bin_width: float) -> Neighbourhood:
    """As kernels take it, for delays in units of ``bin_width`` ms; NaN for a single delay, where any unit will do."""
    sources_per_delay = 1.0 if np.isnan(bin_width) else bin_width / graph.ms_per_source
    return Neighbourhood(sources_per_delay, *kernel_arguments(graph), graph.standardised)


def on_graph(
    synapses: Synapses,
    plane: Plane,
    neighbourhood: Neighbourhood,
    sums: Summed,
    draws: Draws,
    statistics: set[str],
    drawn: set[str],
) -> dict[str, Measure]:
    """Statistics of the graph, whose ``sums`` have all of them, with draws for those ``drawn``."""
    counts, observed = _Counts.of(synapses), sums.observed
    expected: dict[str, np.ndarray] = {}
    variance: dict[str, np.ndarray] = {}
    moved = "" if draws.rule.by_source else draws.rule.arrangement
    if moved in ("weights", "signs"):  # the graph stays
        expected = _expected(synapses, counts, observed, moved)
        if draws.n:
            of_pairs = np.empty((counts.n.size, 3, 3))
            pair_sums_of_graphs(synapses, plane.n_source, neighbourhood, of_pairs)
            variance = _variances(synapses, counts, of_pairs, moved)
    resolution = _rounding(synapses, counts, observed)
    return {
        name: as_measure(name, observed, sums.arranged, expected, variance, resolution, name in drawn) for name in statistics
    }


class _Counts(NamedTuple):
    """Whose each synapse is (synapse,), and how many there are, excite, and inhibit, each (field,)."""

    by_field: np.ndarray
    n: np.ndarray
    n_e: np.ndarray
    n_i: np.ndarray

    @classmethod
    def of(cls, synapses: Synapses) -> _Counts:
        """Those of some synapses."""
        by_field, n = field_of(synapses), np.diff(synapses.start)
        n_e, n_i = (np.bincount(by_field, side, n.size) for side in (synapses.weight > 0, synapses.weight < 0))
        return cls(by_field, n.astype(float), n_e, n_i)

    @property
    def all_signed(self) -> np.ndarray:
        """Whether no synapse of a field has the weight 0, which is no sign to deal out, and joins nothing."""
        result: np.ndarray = self.n_e + self.n_i == self.n
        return result

    def sums_of(self, values: np.ndarray) -> np.ndarray:
        """Of values (synapse,), each (field,)."""
        return np.bincount(self.by_field, values, self.n.size)

    def power_sums(self, values: np.ndarray) -> tuple[np.ndarray, ...]:
        """Of the first four powers of values (synapse,), each (field,)."""
        return tuple(self.sums_of(power) for power in powers(values))


def _expected(synapses: Synapses, counts: _Counts, observed: dict[str, np.ndarray], moved: str) -> dict[str, np.ndarray]:
    """Exact means (field,) where ``moved`` weights or signs are dealt out over a graph that stays: any two synapses are joined
    equally often.
    """
    _, n, n_e, n_i = counts
    joins = observed["graph_joins_ee"] + observed["graph_joins_ei"] + observed["graph_joins_ii"]
    with np.errstate(divide="ignore", invalid="ignore"):
        per_pair = np.where(counts.all_signed, joins / (n * (n - 1)), np.nan)
        expected = {
            "graph_joins_ee": per_pair * n_e * (n_e - 1),
            "graph_joins_ei": per_pair * 2 * n_e * n_i,
            "graph_joins_ii": per_pair * n_i * (n_i - 1),
        }
        if moved == "signs":  # magnitudes stay
            weighted = observed["graph_weighted_joins_like"] + observed["graph_weighted_joins_unlike"]
            unlike = np.where(counts.all_signed, 2 * n_e * n_i / (n * (n - 1)), np.nan)
            return expected | {
                "graph_weighted_joins_like": weighted * (1 - unlike),
                "graph_weighted_joins_unlike": weighted * unlike,
            }
        e, h, e_squares, h_squares = (
            counts.sums_of(np.maximum(side, 0) ** power) for power in (1, 2) for side in (synapses.weight, -synapses.weight)
        )
        per_pair = per_pair * np.square(n / (e + h))
        return expected | {
            "graph_weighted_joins_like": per_pair * (e**2 - e_squares + h**2 - h_squares),
            "graph_weighted_joins_unlike": per_pair * 2 * e * h,
            "graph_morans_i": -1 / (n - 1),
            "graph_gearys_c": np.ones(n.size),
        }


def _variances(synapses: Synapses, counts: _Counts, sums: np.ndarray, moved: str) -> dict[str, np.ndarray]:
    """Exact variances (field,) where ``moved`` weights or signs are dealt out over a graph that stays, of these ``sums``."""
    by_field, n, n_e, n_i = counts
    weights, joined, by_size = (PairSums(*sums[:, kind].T) for kind in range(3))
    e, h = (counts.power_sums(np.maximum(side, 0)) for side in (synapses.weight, -synapses.weight))
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.square((e[0] + h[0]) / n)
        of_joins = variances_of_joins(joined, n_e, n_i, n)
        if moved == "signs":
            both_e, unlike, both_i = of_signs(n_e, n_i)
            of_joins |= variances_of_weighted_joins(by_size, together(both_e, both_i), unlike, n, unit)
        else:
            like = together(of_alike(*e), of_alike(*h))
            of_joins |= variances_of_weighted_joins(joined, like, of_unlike(e, h), n, unit)
        variances = {f"graph_{name}": np.where(counts.all_signed, value, np.nan) for name, value in of_joins.items()}
        if moved == "weights":
            centred = counts.power_sums(synapses.weight - (counts.sums_of(synapses.weight) / n)[by_field])
            scale = np.square(n / (weights.total * centred[1]))
            moran, geary = (permutation_variance(weights, b, n) for b in (of_alike(*centred), of_differences(centred, n)))
            variances |= {"graph_morans_i": scale * moran, "graph_gearys_c": scale * ((n - 1) / (2 * n)) ** 2 * geary}
    return variances


def _rounding(synapses: Synapses, counts: _Counts, observed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rounding errors (field,) of sums over synapses, whose weights are not centred."""
    n = counts.n
    mean, squares = counts.sums_of(synapses.weight) / np.maximum(n, 1), counts.sums_of(synapses.weight**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        amplified = 16 * np.sqrt(n) * EPS * squares / (squares - n * mean**2)
    resolution = {"graph_morans_i": amplified, "graph_gearys_c": 4 * amplified}
    for name in ("graph_weighted_joins_like", "graph_weighted_joins_unlike"):  # sums of at most n^2 terms above 0
        resolution[name] = 16 * n * EPS * observed[name]
    return resolution
