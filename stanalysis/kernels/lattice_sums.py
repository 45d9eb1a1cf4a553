"""What arrangements of a field say on the lattice: autocorrelation, join counts, clusters of one sign, and timing.

Sums run over the cells that hold synapses, so that an arrangement costs as much as the field has synapses; where every source
has one at most, eight draws are summed at once. Moran's I alone needs but a few of the sums.
"""

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
from stanalysis.kernels.cell_sums import sums_of_cells, touching_room
from stanalysis.kernels.chain_sums import autocorrelation_of_chain, is_chain, rest_of_chain, tables_of_chain
from stanalysis.kernels.lanes import N_WIDE
from stanalysis.kernels.lattice_totals import N_TOTALS, needs_everything, statistics_of
from stanalysis.kernels.threads import in_threads


@in_threads
def lattice_draws(begin, end, null, synapses, plane, lattice, columns, out, streams):
    """Write into ``out`` (column, field, draw) the statistics ``columns``, rising, of every field in every draw."""
    n_draw, n_delay, reach = out.shape[2], int(plane.extent), 1 if lattice.queen else 0
    everything = needs_everything(columns)
    moves_sources = null in (SOURCES, CELLS)
    stays = null in (OBSERVED, WEIGHTS, SIGNS, KEPT_MARGINS)
    totals = np.empty((N_TOTALS, N_WIDE))
    for f in range(begin, end):
        field = synapses_of(synapses, f)
        source = field.source
        scratch = scratch_of(null, streams[f], field, plane)
        row, at, value = at_rest(field, N_WIDE)
        chain = not moves_sources and is_chain(source)
        tables = tables_of_chain(source if chain else source[:0], n_delay, lattice)
        touching = touching_room(0 if chain else source.size, 0 if chain else lattice.share.size)
        for first in range(0, n_draw, N_WIDE):
            now = min(N_WIDE, n_draw - first)  # a lane without a draw repeats one before
            arrange(null, streams[f], first, now, field, plane, scratch, row, at, value)
            if chain:
                autocorrelation_of_chain(source, at, value, n_delay, tables, reach, totals)
            else:
                sums_of_cells(row, at, value, now, stays, everything, lattice, touching, totals)
            if chain and everything:
                rest_of_chain(source, at, value, n_delay, tables, reach, totals)
            statistics_of(totals, lattice, columns, out[:, f, first : first + now])
