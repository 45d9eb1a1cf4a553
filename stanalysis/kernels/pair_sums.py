"""How many pairs of synapses of one arrangement are how far apart, and how many of them are of unlike sign."""

from __future__ import annotations

import numpy as np

from stanalysis.kernels.arrangements import arrange, at_rest, scratch_of, synapses_of
from stanalysis.kernels.inner import inner
from stanalysis.kernels.threads import in_threads


@inner
def pair_sums(row, at, value, reach, area, room, out):
    """Write into ``out`` the cross-K of unlike signs at each distance, then the mark correlation up to each.

    ``reach`` are the squares of the distances, rising; ``at`` is measured in sources. Synapses of weight 0 have no sign and
    no part. ``room`` comes back as it was.
    """
    head, after, unlike, pairs = room  # the synapses of each source are a chain: first one, next one
    n, n_distance = row.size, reach.size
    farthest = reach[n_distance - 1]
    excitatory, inhibitory = 0, 0
    unlike[:] = 0
    pairs[:] = 0
    for k in range(n - 1, -1, -1):
        if value[k] != 0:
            after[k] = head[row[k]]
            head[row[k]] = k
            excitatory += 1 if value[k] > 0 else 0
            inhibitory += 1 if value[k] < 0 else 0
    for k in range(n):
        if value[k] == 0:
            continue
        for r in range(row[k], min(row[k] + int(np.sqrt(farthest)) + 1, head.size)):
            other = after[k] if r == row[k] else head[r]
            while other >= 0:
                far = float(r - row[k]) ** 2 + (at[other] - at[k]) ** 2
                if far <= farthest:
                    b = 0
                    while far > reach[b]:
                        b += 1
                    pairs[b] += 1
                    unlike[b] += 1 if value[k] * value[other] < 0 else 0
                other = after[other]
    n_unlike = 0
    for b in range(n_distance):
        n_unlike += unlike[b]
        out[b] = area * n_unlike / (excitatory * inhibitory) if excitatory * inhibitory > 0 else np.nan
        out[n_distance + b] = 1 - 2 * unlike[b] / pairs[b] if pairs[b] > 0 else np.nan
    for k in range(n):
        head[row[k]] = -1


@in_threads
def pair_draws(begin, end, null, synapses, plane, per_source, reach, streams, out):
    """Write into ``out`` (field, draw, 2 distances) the sums over pairs of every field in every draw of its stream.

    ``per_source`` delay units are as far as one source.
    """
    area = plane.n_source * plane.extent / per_source
    for f in range(begin, end):
        field = synapses_of(synapses, f)
        n = field.source.size
        scratch = scratch_of(null, streams[f], field, plane)
        row, at, value = at_rest(field, 1, 1)
        room = (
            np.full(plane.n_source, -1),
            np.empty(n, np.int64),
            np.empty(reach.size, np.int64),
            np.empty(reach.size, np.int64),
        )
        for d in range(out.shape[1]):
            arrange(null, streams[f], d, 1, field, plane, scratch, row, at, value)
            pair_sums(row.ravel(), at.ravel() / per_source, value.ravel(), reach, area, room, out[f, d])
