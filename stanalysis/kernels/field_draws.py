"""Draws of a null, and what fields say in them on the lattice and on the graph of their synapses."""

from __future__ import annotations

import numpy as np

from stanalysis.kernels.arrangements import (
    CELLS,
    KEPT_MARGINS,
    OBSERVED,
    SIGNS,
    SOURCES,
    WEIGHTS,
    arrange,
    at_rest,
    scratch_of,
    synapses_of,
)
from stanalysis.kernels.chain_sums import is_chain
from stanalysis.kernels.graph_sums import graph_of, graph_of_arrangements
from stanalysis.kernels.inner import inner
from stanalysis.kernels.lanes import N_WIDE
from stanalysis.kernels.lattice_sums import lattice_of_cells, lattice_of_chain
from stanalysis.kernels.near_synapses import put_in_order
from stanalysis.kernels.threads import in_threads

BLOCKS_AT_ONCE = 8  # of draws arranged before they are summed


@in_threads
def field_draws(
    begin, end, null, n_draw, synapses, plane, lattice, columns, on_lattice, neighbourhood, on_graph, n_moved, streams
):
    """Write into ``on_lattice`` (column, field, draw) the statistics ``columns``, rising, of every field in every draw of its
    stream, and into ``on_graph`` (statistic, field, draw) those of the graph; if there are none, the array is empty. Count into
    ``n_moved`` (field,) the signs that are not as observed.
    """
    stays = null in (OBSERVED, WEIGHTS, SIGNS, KEPT_MARGINS)
    keeps_sources = null not in (SOURCES, CELLS)
    at_once = BLOCKS_AT_ONCE * N_WIDE
    n_block = min(BLOCKS_AT_ONCE, (n_draw + N_WIDE - 1) // N_WIDE)
    for f in range(begin, end):
        field = synapses_of(synapses, f)
        scratch = scratch_of(null, streams[f], field, plane)
        row, at, value = at_rest(field, n_block, N_WIDE)
        chain = keeps_sources and is_chain(field.source)
        order, start, index = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
        if on_graph.size > 0 and stays:
            order, start, index = graph_of(field, plane.n_source, neighbourhood)
        elif on_graph.size > 0:
            order = np.empty(field.source.size, np.int64)
            put_in_order(field.source, plane.n_source, order)
        for first in range(0, n_draw, at_once):
            last = min(first + at_once, n_draw)
            arrange(null, streams[f], first, last - first, field, plane, scratch, row, at, value)
            if null == KEPT_MARGINS:
                n_moved[f] += _n_moved(field.weight, value, last - first)
            if on_lattice.size > 0 and chain:
                lattice_of_chain(field.source, at, value, int(plane.extent), lattice, columns, on_lattice[:, f, first:last])
            elif on_lattice.size > 0:
                lattice_of_cells(row, at, value, stays, lattice, columns, on_lattice[:, f, first:last])
            if on_graph.size > 0:
                graph_of_arrangements(
                    plane.n_source,
                    row,
                    at,
                    value,
                    neighbourhood,
                    order,
                    start,
                    index,
                    keeps_sources,
                    on_graph[:, f, first:last],
                )


@inner
def _n_moved(weight, value, n_draw):
    """How many signs (block, synapse, lane) are not as those of the weights in the first draws."""
    n = 0
    for d in range(n_draw):
        for k in range(weight.size):
            n += value[d // N_WIDE, k, d % N_WIDE] * weight[k] < 0
    return n
