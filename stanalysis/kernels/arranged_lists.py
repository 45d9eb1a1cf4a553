"""The synapses of fields in a draw of a null, as lists: what a network would have to run with."""

from __future__ import annotations

from stanalysis.kernels.arrangements import arrange, at_rest, scratch_of, synapses_of
from stanalysis.kernels.threads import in_threads


@in_threads
def arranged_lists(begin, end, null, synapses, plane, draw, source, delay, weight, streams):
    """Write into ``source``, ``delay`` and ``weight`` (synapse) where the null puts each synapse in one draw."""
    for f in range(begin, end):
        field = synapses_of(synapses, f)
        row, at, value = at_rest(field, 1, 1)
        arrange(null, streams[f], draw, 1, field, plane, scratch_of(null, streams[f], field, plane), row, at, value)
        first = synapses.start[f]
        for k in range(field.source.size):
            source[first + k], delay[first + k], weight[first + k] = row[0, k, 0], at[0, k, 0], value[0, k, 0]
