"""The statistics of the graph of synapses: what they are in each draw of a null, and what is expected of them."""

from __future__ import annotations

import numpy as np

from stanalysis.fields.synapse_graph import SynapseGraph, kernel_arguments
from stanalysis.kernels import graph_sums
from stanalysis.kernels.arrangements import CODES, Synapses
from stanalysis.stats.engine.measures import EPS, Draws, Measure, as_measure, columns_of
from stanalysis.stats.engine.prepared import Fields, SynapseLists
from stanalysis.stats.engine.variances import (
    PairSums,
    of_alike,
    of_differences,
    of_signs,
    of_unlike,
    permutation_variance,
    together,
    variances_of_joins,
    variances_of_weighted_joins,
)


def on_graph(
    fields: Fields | SynapseLists,
    synapses: Synapses,
    graph: SynapseGraph,
    draws: Draws,
    statistics: set[str],
    drawn: set[str],
) -> dict[str, Measure]:
    """Statistics that the kernel of the graph sums, with draws for those ``drawn``."""
    n_field = synapses.start.size - 1
    per_source = 1.0 if np.isnan(fields.bin_width) else graph.ms_per_source / fields.bin_width  # of one delay: any will do
    values = []
    for code, n_draw in ((CODES["none"], 1), (CODES[draws.rule.arrangement], draws.n)):
        out = np.empty((n_field, n_draw, graph_sums.N_SUMS))
        graph_sums.graph_draws(
            code, synapses, fields.plane, per_source, *kernel_arguments(graph), graph.standardised, draws.streams, out
        )
        values.append(columns_of("graph", graph_sums, out))
    observed = {name: value[:, 0] for name, value in values[0].items()}
    by_field = np.repeat(np.arange(n_field), np.diff(synapses.start))
    n = np.diff(synapses.start).astype(float)
    n_e, n_i = (np.bincount(by_field, side, n_field) for side in (synapses.weight > 0, synapses.weight < 0))
    expected: dict[str, np.ndarray] = {}
    moved = "" if draws.rule.by_source else draws.rule.arrangement
    if moved in ("weights", "signs"):  # the graph stays: any two synapses are joined equally often
        joins = observed["graph_joins_ee"] + observed["graph_joins_ei"] + observed["graph_joins_ii"]
        whole = n_e + n_i == n  # a weight of 0 is neither
        with np.errstate(divide="ignore", invalid="ignore"):
            per_pair = np.where(whole, joins / (n * (n - 1)), np.nan)
            expected = {
                "graph_joins_ee": per_pair * n_e * (n_e - 1),
                "graph_joins_ei": per_pair * 2 * n_e * n_i,
                "graph_joins_ii": per_pair * n_i * (n_i - 1),
            }
            if moved == "signs":  # magnitudes stay
                weighted = observed["graph_weighted_joins_like"] + observed["graph_weighted_joins_unlike"]
                unlike = np.where(whole, 2 * n_e * n_i / (n * (n - 1)), np.nan)
                expected |= {
                    "graph_weighted_joins_like": weighted * (1 - unlike),
                    "graph_weighted_joins_unlike": weighted * unlike,
                }
            if moved == "weights":
                e, h, e_squares, h_squares = (
                    np.bincount(by_field, np.maximum(side, 0) ** power, n_field)
                    for power in (1, 2)
                    for side in (synapses.weight, -synapses.weight)
                )
                per_pair = per_pair * np.square(n / (e + h))
                expected |= {
                    "graph_weighted_joins_like": per_pair * (e**2 - e_squares + h**2 - h_squares),
                    "graph_weighted_joins_unlike": per_pair * 2 * e * h,
                }
                expected |= {"graph_morans_i": -1 / (n - 1), "graph_gearys_c": np.ones(n_field)}
    variance: dict[str, np.ndarray] = {}
    if moved in ("weights", "signs") and draws.n:
        sums = np.empty((n_field, 3, 3))
        graph_sums.pair_sums_of_graphs(synapses, per_source, *kernel_arguments(graph), graph.standardised, sums)
        variance = _variances(synapses, sums, moved)
    mean = np.bincount(by_field, synapses.weight, n_field) / np.maximum(n, 1)
    squares = np.bincount(by_field, synapses.weight**2, n_field)
    with np.errstate(divide="ignore", invalid="ignore"):
        amplified = 16 * np.sqrt(n) * EPS * squares / (squares - n * mean**2)
    resolution = {"graph_morans_i": amplified, "graph_gearys_c": 4 * amplified}
    for name in ("graph_weighted_joins_like", "graph_weighted_joins_unlike"):  # sums of at most n^2 terms above 0
        resolution[name] = 16 * n * EPS * observed[name]
    return {name: as_measure(name, observed, values[1], expected, variance, resolution, name in drawn) for name in statistics}


def _variances(synapses: Synapses, sums: np.ndarray, moved: str) -> dict[str, np.ndarray]:
    """Exact variances (field,) where ``moved`` weights or signs are dealt out over a graph that stays, of these ``sums``."""
    n_field = sums.shape[0]
    by_field = np.repeat(np.arange(n_field), np.diff(synapses.start))
    n = np.diff(synapses.start).astype(float)

    def powers(values: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(np.bincount(by_field, values**power, n_field) for power in (1, 2, 3, 4))

    weights, joined, by_size = (PairSums(*sums[:, kind].T) for kind in range(3))
    e, h = powers(np.maximum(synapses.weight, 0)), powers(np.maximum(-synapses.weight, 0))
    n_e, n_i = (np.bincount(by_field, side, n_field) for side in (synapses.weight > 0, synapses.weight < 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.square((e[0] + h[0]) / n)
        of_joins = variances_of_joins(joined, n_e, n_i, n)
        if moved == "signs":
            both_e, unlike, both_i = of_signs(n_e, n_i)
            of_joins |= variances_of_weighted_joins(by_size, together(both_e, both_i), unlike, n, unit)
        else:
            like = together(of_alike(*e), of_alike(*h))
            of_joins |= variances_of_weighted_joins(joined, like, of_unlike(e, h), n, unit)
        # a weight of 0 is no sign to deal out, and joins nothing
        variances = {f"graph_{name}": np.where(n_e + n_i == n, value, np.nan) for name, value in of_joins.items()}
        if moved == "weights":
            centred = powers(synapses.weight - (np.bincount(by_field, synapses.weight, n_field) / n)[by_field])
            scale = np.square(n / (weights.total * centred[1]))
            moran, geary = (permutation_variance(weights, b, n) for b in (of_alike(*centred), of_differences(centred, n)))
            variances |= {"graph_morans_i": scale * moran, "graph_gearys_c": scale * ((n - 1) / (2 * n)) ** 2 * geary}
    return variances
