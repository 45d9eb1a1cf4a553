"""What fields are and what they are in the draws of a null, in every family of statistics."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from stanalysis.fields.lattice import Lattice
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.kernels.arrangements import Synapses
from stanalysis.stats.engine.graph_measures import on_graph
from stanalysis.stats.engine.lattice_measures import on_lattice
from stanalysis.stats.engine.margins import mixing_of, movable, seen_together
from stanalysis.stats.engine.measures import Draws, Measure, with_shared_orders
from stanalysis.stats.engine.plane_measures import on_planes
from stanalysis.stats.engine.prepared import NUMBERS_AT_ONCE, Fields, SynapseLists
from stanalysis.stats.engine.statistics import STATISTICS


def drawn_measures(
    fields: Fields | SynapseLists,
    draws: Draws,
    statistics: set[str],
    drawn: set[str],
    lattice: Lattice,
    graph: SynapseGraph | None,
) -> dict[str, Measure]:
    """Some statistics of fields, of any family, with draws for those ``drawn``; all see the same draws, but where margins are
    kept: those that weigh synapses see others than those of signs alone.
    """
    measures: dict[str, Measure] = {}
    for weighed, some in seen_together(draws.rule, statistics):
        synapses = cache(partial(_movable_in, fields, draws, weighed=weighed))  # shuffled cells do without
        by_function = {name for name in some if STATISTICS[name].of_planes is not None}
        several: dict[str, Measure] = {}
        if isinstance(fields, Fields):
            if names := {name for name in some - by_function if STATISTICS[name].family == "lattice"}:
                several |= on_lattice(fields, synapses, lattice, draws, names, drawn & names)
            if by_function:
                several |= on_planes(fields, synapses(), draws, by_function, drawn & by_function)
        if graph is not None and (names := {name for name in some if STATISTICS[name].family == "graph"}):
            several |= on_graph(fields, synapses(), graph, draws, names, drawn & names)
        if draws.rule.keeps:
            mixing = mixing_of(synapses(), fields.plane, draws.rule, draws.streams, draws.n)
            still = np.full(mixing.shape, np.nan)
            several = {k: m._replace(mixing=still if STATISTICS[k].is_margin else mixing) for k, m in several.items()}
        measures |= several
    return measures


def _movable_in(fields: Fields | SynapseLists, draws: Draws, *, weighed: bool) -> Synapses:
    return with_shared_orders(movable(fields, draws.rule, weighed=weighed), draws)


def fields_at_once(fields: Fields | SynapseLists, chosen: np.ndarray, n_permutations: int) -> list[np.ndarray]:
    """The chosen fields, so many at a time that memory is bounded."""
    size = max(NUMBERS_AT_ONCE // max(fields.numbers() + 10 * n_permutations, 1), 1)
    return [chosen[i : i + size] for i in range(0, chosen.size, size)]
