"""Signs that move among the synapses of one field, while what they owe to the source alone and to the delay alone stays.

A draw is a walk of swaps of an excitatory and an inhibitory sign. Its stationary law is the arrangements themselves, each
weighed by how far it strays from the margins observed and by which sign a synapse leans to (`stanalysis.stats.engine.margins`);
as a swap forth is proposed as often as the one back, accepting it by the ratio of these weights (Metropolis) keeps that law, to
one in 8192: rarer swaps are never accepted.
"""

from __future__ import annotations

import numba
import numpy as np

from stanalysis.kernels.permutations import GOLDEN, mix

SWAPS = 20  # attempted in a walk, per synapse
_LEVELS = 4096  # of the random numbers that accept a swap
_COST = -np.log((np.arange(_LEVELS) + 0.5) / _LEVELS)  # what a swap may cost at each of them
_12, _26, _38 = np.uint64(12), np.uint64(26), np.uint64(38)
_LOW_12, _LOW_26 = np.uint64(_LEVELS - 1), np.uint64(2**26 - 1)


@numba.njit(cache=True, error_model="numpy", fastmath={"nsz", "reassoc", "contract"})
def walk_signs(state, n_plus, holders, offset, lean, margins):
    """Move signs among synapses ``holders``, of which the first ``n_plus`` excite and the others inhibit.

    Parameters
    ----------
    state
        Of the generator of random numbers.
    offset
        Shape (margin,): of the margins now from those observed; moves along.
    lean
        Shape (synapse,): log odds that a synapse excites.
    margins
        Shape (synapse, margin): what a synapse that excites instead of inhibiting adds to each, in units in which their
        squared offsets are costs.
    """
    n_minus, n_margin = holders.size - n_plus, offset.size
    if n_plus == 0 or n_minus == 0:
        return
    for _ in range(SWAPS * holders.size):
        state += GOLDEN
        bits = mix(state)
        i = np.int64(((bits >> _38) * np.uint64(n_plus)) >> _26)
        j = n_plus + np.int64((((bits >> _12) & _LOW_26) * np.uint64(n_minus)) >> _26)
        loses, gains = holders[i], holders[j]
        cost = lean[loses] - lean[gains]
        for k in range(n_margin):
            change = margins[gains, k] - margins[loses, k]
            cost += change * (change + 2 * offset[k])
        if cost < _COST[np.int64(bits & _LOW_12)]:
            for k in range(n_margin):
                offset[k] += margins[gains, k] - margins[loses, k]
            holders[i], holders[j] = gains, loses
