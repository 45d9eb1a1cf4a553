"""What arrangements of a field say on the lattice: autocorrelation, join counts, clusters of one sign, and timing.

Sums run over the cells that hold synapses, so that an arrangement costs as much as the field has synapses; where every source
has one at most, the draws of a block are summed at once. Moran's I alone needs but a few of the sums.
"""

from __future__ import annotations

import numpy as np

from stanalysis.kernels.cell_sums import sums_of_cells, touching_room
from stanalysis.kernels.chain_sums import autocorrelation_of_chain, rest_of_chain, tables_of_chain
from stanalysis.kernels.inner import inner
from stanalysis.kernels.lanes import N_WIDE
from stanalysis.kernels.lattice_totals import N_TOTALS, needs_everything, statistics_of


@inner
def lattice_of_chain(source, at, value, n_delay, lattice, columns, out):
    """Write into ``out`` (column, draw) the statistics ``columns``, rising, of arrangements (block, synapse, lane) in which
    every source has one synapse at most, and in the order of the sources.
    """
    n_draw, everything = out.shape[1], needs_everything(columns)
    tables, reach = tables_of_chain(source, n_delay, lattice), 1 if lattice.queen else 0
    totals = np.empty((N_TOTALS, N_WIDE))
    for first in range(0, n_draw, N_WIDE):
        block = first // N_WIDE
        autocorrelation_of_chain(source, at[block], value[block], n_delay, tables, reach, totals)
        if everything:
            rest_of_chain(source, at[block], value[block], n_delay, tables, reach, totals)
        statistics_of(totals, lattice, columns, out[:, first : min(first + N_WIDE, n_draw)])


@inner
def lattice_of_cells(row, at, value, stays, lattice, columns, out):
    """As `lattice_of_chain`, of any arrangements, which all have the cells of the first if these ``stay``."""
    n_draw, everything = out.shape[1], needs_everything(columns)
    touching = touching_room(row.shape[1], lattice.share.size)
    totals = np.empty((N_TOTALS, N_WIDE))
    for first in range(0, n_draw, N_WIDE):
        block, now = first // N_WIDE, min(N_WIDE, n_draw - first)
        sums_of_cells(row[block], at[block], value[block], now, stays, everything, lattice, touching, totals)
        statistics_of(totals, lattice, columns, out[:, first : first + now])
