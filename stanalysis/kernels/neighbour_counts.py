"""How many living synapses of one target are near a synapse when it is born."""

from __future__ import annotations

import numba
import numpy as np

_NONE = -1


@numba.njit(cache=True, error_model="numpy")
def neighbours_at_birth(
    step: np.ndarray,
    episode: np.ndarray,
    is_birth: np.ndarray,
    target: np.ndarray,
    source: np.ndarray,
    delay: np.ndarray,
    sign: np.ndarray,
    reach: float,
    same: np.ndarray,
    opposite: np.ndarray,
) -> None:
    """Count into ``same`` and ``opposite`` (episode) the neighbours of either sign that live when the step of a birth ends.

    A sign of 0 counts for nobody.

    ``step``, ``episode`` and ``is_birth`` (event) are in order of time. ``target``, ``source``, ``delay`` and ``sign`` are of
    episodes, both coordinates in units in which a neighbour is at most ``reach`` away.
    """
    # a list of the living of every target, linked in both directions: births and deaths cost the same however many live
    n_target = 0
    for e in range(target.size):
        n_target = max(n_target, target[e] + 1)
    head, after, before = np.empty(n_target, np.int64), np.empty(target.size, np.int64), np.empty(target.size, np.int64)
    head[:], after[:], before[:] = _NONE, _NONE, _NONE
    first, n = 0, step.size
    while first < n:
        end = first
        while end < n and step[end] == step[first]:
            e = episode[end]
            t = target[e]
            if is_birth[end]:
                after[e], before[e] = head[t], _NONE
                if head[t] != _NONE:
                    before[head[t]] = e
                head[t] = e
            else:
                if before[e] == _NONE:
                    head[t] = after[e]
                else:
                    after[before[e]] = after[e]
                if after[e] != _NONE:
                    before[after[e]] = before[e]
            end += 1
        for k in range(first, end):
            if not is_birth[k]:
                continue
            e = episode[k]
            other = head[target[e]]
            while other != _NONE:
                across, along = source[other] - source[e], delay[other] - delay[e]
                if other != e and across * across + along * along <= reach * reach:
                    if sign[other] * sign[e] > 0:
                        same[e] += 1
                    elif sign[other] * sign[e] < 0:
                        opposite[e] += 1
                other = after[other]
        first = end
