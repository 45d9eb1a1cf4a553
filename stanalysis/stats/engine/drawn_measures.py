"""What fields are and what they are in the draws of a null, in every family of statistics."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from stanalysis.fields.lattice import Lattice
from stanalysis.fields.synapse_graph import SynapseGraph
from stanalysis.kernels.arrangements import Synapses
from stanalysis.stats.engine.graph_measures import neighbourhood_of, on_graph
from stanalysis.stats.engine.lattice_measures import from_synapses, on_lattice, scaled_lattice, shuffled_whole
from stanalysis.stats.engine.margins import mixing_of, movable, seen_together
from stanalysis.stats.engine.measures import Draws, Measure, with_shared_orders
from stanalysis.stats.engine.plane_measures import on_planes
from stanalysis.stats.engine.prepared import NUMBERS_AT_ONCE, AnyFields
from stanalysis.stats.engine.statistics import STATISTICS, names_of
from stanalysis.stats.engine.sums import NOTHING_SUMMED, summed


def drawn_measures(
    fields: AnyFields,
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
        of_graph = {name for name in some if STATISTICS[name].family == "graph"} if graph is not None else set()
        of_lattice = some - by_function - set(names_of("graph")) if fields.has_cells else set()
        plane = scaled_lattice(lattice, fields) if of_lattice else None
        neighbourhood = neighbourhood_of(graph, fields.bin_width) if graph is not None and of_graph else None
        of_sums = from_synapses(draws.rule, of_lattice, drawn & of_lattice)
        sums = NOTHING_SUMMED
        if of_sums or neighbourhood or draws.rule.keeps:
            sums = summed(
                synapses(),
                fields.plane,
                draws,
                lattice=plane.flat if plane and of_sums else None,
                on_lattice=of_sums,
                drawn_on_lattice=bool(drawn & of_sums - shuffled_whole(draws.rule, drawn)),
                neighbourhood=neighbourhood,
                on_graph=set(names_of("graph")),
            )
        several: dict[str, Measure] = {}
        if plane is not None:
            several |= on_lattice(fields, synapses, plane, sums.of_lattice, draws, of_lattice, drawn & of_lattice)
        if by_function:
            several |= on_planes(fields, synapses(), draws, by_function, drawn & by_function)
        if neighbourhood is not None:
            several |= on_graph(synapses(), fields.plane, neighbourhood, sums.of_graph, draws, of_graph, drawn & of_graph)
        if draws.rule.keeps:
            mixing = mixing_of(synapses(), sums.n_moved)
            still = np.full(mixing.shape, np.nan)
            several = {k: m._replace(mixing=still if STATISTICS[k].is_margin else mixing) for k, m in several.items()}
        measures |= several
    return measures


def _movable_in(fields: AnyFields, draws: Draws, *, weighed: bool) -> Synapses:
    return with_shared_orders(movable(fields, draws.rule, weighed=weighed), draws)


def fields_at_once(fields: AnyFields, chosen: np.ndarray, n_permutations: int) -> list[np.ndarray]:
    """The chosen fields, so many at a time that memory is bounded."""
    size = max(NUMBERS_AT_ONCE // max(fields.numbers() + 10 * n_permutations, 1), 1)
    return [chosen[i : i + size] for i in range(0, chosen.size, size)]
