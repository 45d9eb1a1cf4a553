"""What arrangements of a field say on the lattice: autocorrelation, join counts, clusters of one sign, and timing.

Sums run over the cells that hold synapses, so that an arrangement costs as much as the field has synapses; where every source
has one at most, eight draws are summed at once. Moran's I alone needs but a few of the sums.
"""

from __future__ import annotations

import numba
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


@numba.njit(cache=True, error_model="numpy")
def _draws_of_chain(null, field, plane, lattice, columns, out, stream):
    """`lattice_draws` of a field in which every source has one synapse at most, under a null that keeps that so."""
    n_draw, n_delay, everything = out.shape[1], int(plane.extent), needs_everything(columns)
    scratch = scratch_of(null, stream, field, plane)
    row, at, value = at_rest(field, N_WIDE)
    source, tables, reach = field.source, tables_of_chain(field.source, n_delay, lattice), 1 if lattice.queen else 0
    totals = np.empty((N_TOTALS, N_WIDE))
    for first in range(0, n_draw, N_WIDE):
        now = min(N_WIDE, n_draw - first)  # a lane without a draw repeats one before
        arrange(null, stream, first, now, field, plane, scratch, row, at, value)
        autocorrelation_of_chain(source, at, value, n_delay, tables, reach, totals)
        if everything:
            rest_of_chain(source, at, value, n_delay, tables, reach, totals)
        statistics_of(totals, lattice, columns, out[:, first : first + now])


@numba.njit(cache=True, error_model="numpy")
def _draws_of_cells(null, field, plane, lattice, columns, out, stream):
    """`lattice_draws` of any field."""
    n_draw, everything = out.shape[1], needs_everything(columns)
    stays = null in (OBSERVED, WEIGHTS, SIGNS, KEPT_MARGINS)
    scratch = scratch_of(null, stream, field, plane)
    row, at, value = at_rest(field, N_WIDE)
    touching = touching_room(field.source.size, lattice.share.size)
    totals = np.empty((N_TOTALS, N_WIDE))
    for first in range(0, n_draw, N_WIDE):
        now = min(N_WIDE, n_draw - first)
        arrange(null, stream, first, now, field, plane, scratch, row, at, value)
        sums_of_cells(row, at, value, now, stays, everything, lattice, touching, totals)
        statistics_of(totals, lattice, columns, out[:, first : first + now])


@in_threads
def lattice_draws(begin, end, null, synapses, plane, lattice, columns, out, streams):
    """Write into ``out`` (column, field, draw) the statistics ``columns``, rising, of every field in every draw."""
    for f in range(begin, end):
        field = synapses_of(synapses, f)
        if null not in (SOURCES, CELLS) and is_chain(field.source):
            _draws_of_chain(null, field, plane, lattice, columns, out[:, f], streams[f])
        else:
            _draws_of_cells(null, field, plane, lattice, columns, out[:, f], streams[f])
