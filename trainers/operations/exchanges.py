"""The kernel of directed surgery: pairs of synapses of one target to exchange, chosen by annealing.

What a set of exchanges does is computed anew at every proposal, exactly: the grouping that it leaves, and its joint energy,
which is not the sum of those of its pairs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from stanalysis.kernels.permutations import GOLDEN, address, mix

DELAYS, SIGNS = 0, 1
PILOTS = 32  # sets of pairs at random, whose means of energy and magnitude all arms are matched to
PROPOSALS = 120  # per pair
AT_LEAST = 400  # ... at least
HOT, COLD = 1.0, 0.01  # temperatures, in standard deviations of the grouping among sets at random
LOOSE, TIGHT = 10.0, 2500.0  # at the end a deviation of 1 / 50 in energy, or in magnitude, counts as much as one of grouping
_32 = np.uint64(32)


class Target(NamedTuple):
    """The synapses of one target."""

    source: np.ndarray  # (synapse,) int64
    delay: np.ndarray  # (synapse,) int64, in bins
    weight: np.ndarray  # (synapse,) float64


class Metric(NamedTuple):
    """How far a change goes, and what is near."""

    covariance: np.ndarray  # (source, source, lag) float32, as `InputMetric.covariance`
    n_delay: int
    near: np.ndarray  # (distance of sources, distance of delays) float64


@numba.njit(cache=True, error_model="numpy", nogil=True)
def grouping_of(source, delay, weight, near):
    """Moran's I of the signs of synapses, the nearer the more; NaN where all have one sign, or none is near another."""
    mean, n = 0.0, 0
    for k in range(weight.size):
        if weight[k] != 0:
            mean += 1.0 if weight[k] > 0 else -1.0
            n += 1
    mean /= max(n, 1)
    alike, pairs = 0.0, 0.0
    for k in range(weight.size):
        if weight[k] == 0:
            continue
        for m in range(k):
            if weight[m] != 0:
                weigh = near[abs(source[k] - source[m]), abs(delay[k] - delay[m])]
                pairs += weigh
                alike += weigh * ((1.0 if weight[k] > 0 else -1.0) - mean) * ((1.0 if weight[m] > 0 else -1.0) - mean)
    variance = 1 - mean * mean
    return alike / pairs / variance if pairs > 0 and variance > 0 and n > 1 else np.nan


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _measured(kind, target, metric, pairs, n_pair, delay, weight, place):
    """Grouping, joint energy and moved magnitude of the target with its first pairs exchanged; ``delay`` and ``weight`` are
    written, ``place`` is room.
    """
    source, old_delay, old_weight = target
    delay[:], weight[:] = old_delay, old_weight
    n_change, moved = 0, 0.0
    for p in range(n_pair):
        i, j = pairs[p, 0], pairs[p, 1]
        if kind == DELAYS:
            delay[i], delay[j] = old_delay[j], old_delay[i]
        else:
            weight[i], weight[j] = -old_weight[i], -old_weight[j]
        for k in (i, j):
            moved += abs(old_weight[k])
            if kind == DELAYS:
                place[n_change, 0], place[n_change, 1], place[n_change, 2] = source[k], old_delay[k], -old_weight[k]
                place[n_change + 1, 0], place[n_change + 1, 1], place[n_change + 1, 2] = source[k], delay[k], old_weight[k]
                n_change += 2
            else:
                place[n_change, 0], place[n_change, 1], place[n_change, 2] = source[k], old_delay[k], -2 * old_weight[k]
                n_change += 1
    energy = 0.0
    for a in range(n_change):
        for b in range(a + 1):
            lag = int(place[a, 1] - place[b, 1])
            lag = lag if lag >= 0 else metric.n_delay - 1 - lag
            share = place[a, 2] * place[b, 2] * metric.covariance[int(place[a, 0]), int(place[b, 0]), lag]
            energy += share if a == b else 2 * share
    return grouping_of(source, delay, weight, metric.near), energy, moved


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _may_pair(kind, target, i, j):
    """Whether an exchange of two synapses changes something."""
    if i == j or target.weight[i] == 0 or target.weight[j] == 0:
        return False
    if kind == DELAYS:
        return target.delay[i] != target.delay[j]
    return (target.weight[i] > 0) != (target.weight[j] > 0)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _below(state, n):
    return np.int64(((mix(state) >> _32) * np.uint64(n)) >> _32)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _propose(kind, target, state, pairs, p, busy):
    """Write a random pair into ``pairs[p]``, of synapses that are not ``busy``; the new state, and whether there is one.

    The first is any that has a partner, from a random one on; the second any of its partners.
    """
    n = busy.size
    state += GOLDEN
    first = _below(state, n)
    for k in range(n):
        i = (first + k) % n
        if busy[i]:
            continue
        n_partner = 0
        for j in range(n):
            n_partner += not busy[j] and _may_pair(kind, target, i, j)
        if n_partner == 0:
            continue
        state += GOLDEN
        chosen = _below(state, n_partner)
        for j in range(n):
            if not busy[j] and _may_pair(kind, target, i, j):
                if chosen == 0:
                    pairs[p, 0], pairs[p, 1] = i, j
                    busy[i], busy[j] = True, True
                    return state, True
                chosen -= 1
    return state, False


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _draw_set(kind, target, state, pairs, n_pair, busy):
    """Write up to ``n_pair`` random pairs that do not meet; the new state, and how many there are."""
    busy[:] = False
    for p in range(n_pair):
        state, done = _propose(kind, target, state, pairs, p, busy)
        if not done:
            return state, p
    return state, n_pair


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _choose_anew(kind, target, state, pairs, n_pair, busy):
    """Put a pair of other synapses in the place of some pair; the new state, and whether that is possible."""
    state += GOLDEN
    p = _below(state, n_pair)
    i, j = pairs[p, 0], pairs[p, 1]
    busy[i], busy[j] = False, False
    state, done = _propose(kind, target, state, pairs, p, busy)
    if not done:
        busy[i], busy[j] = True, True
    return state, done


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _pair_anew(kind, target, state, pairs, n_pair):
    """Let two pairs exchange a synapse; the new state, and whether both may still be paired."""
    state += GOLDEN
    p = _below(state, n_pair)
    state += GOLDEN
    q = _below(state, n_pair)
    state += GOLDEN
    end = _below(state, 2)
    if p == q:
        return state, False
    pairs[p, 1], pairs[q, end] = pairs[q, end], pairs[p, 1]
    done = _may_pair(kind, target, pairs[p, 0], pairs[p, 1]) and _may_pair(kind, target, pairs[q, 0], pairs[q, 1])
    if not done:
        pairs[p, 1], pairs[q, end] = pairs[q, end], pairs[p, 1]
    return state, done


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _at_random(kind, target, metric, state, pairs, n_pair, busy, delay, weight, place):
    """Means of energy, magnitude and grouping, and the spread of the last, of sets of pairs at random.

    Returns the new state and the number of pairs, too, which all sets have: fewer, where some set has no room for more. The
    last set is left in ``pairs``.
    """
    n_set, mean_energy, mean_moved, mean, square, n_known = 0, 0.0, 0.0, 0.0, 0.0, 0
    while n_set < PILOTS and n_pair > 0:
        state, n_here = _draw_set(kind, target, state, pairs, n_pair, busy)
        if n_here < n_pair:
            n_pair, n_set, mean_energy, mean_moved, mean, square, n_known = n_here, 0, 0.0, 0.0, 0.0, 0.0, 0
            continue
        grouping, energy, moved = _measured(kind, target, metric, pairs, n_pair, delay, weight, place)
        mean_energy += energy / PILOTS
        mean_moved += moved / PILOTS
        if not math.isnan(grouping):
            mean += grouping
            square += grouping * grouping
            n_known += 1
        n_set += 1
    mean /= max(n_known, 1)
    spread = math.sqrt(max(square / max(n_known, 1) - mean * mean, 0.0))
    return state, n_pair, mean_energy, mean_moved, spread


@numba.njit(cache=True, error_model="numpy", nogil=True)
def exchanged(kind, target, metric, n_pair, direction, matched, stream, draw, partner):
    """Choose about ``n_pair`` pairs of a target's synapses to exchange delays or signs; write who is whose ``partner``.

    The ``direction`` is 1 to raise its grouping, -1 to lower it, 0 to leave it as it was. ``matched`` sets have the joint
    energy that sets at random have in the mean; of delays they have the very synapses of one such set, the same for every
    direction, and of signs the magnitude that those have in the mean. A synapse that stays is its own partner.
    """
    n = target.weight.size
    delay, weight = np.empty(n, np.int64), np.empty(n)
    place, busy = np.empty((4 * n_pair, 3)), np.zeros(n, np.bool_)
    pairs = np.empty((n_pair, 2), np.int64)
    for k in range(n):
        partner[k] = k
    state, n_here, mean_energy, mean_moved, spread = _at_random(
        kind, target, metric, address(stream, draw), pairs, n_pair, busy, delay, weight, place
    )
    if n_here == 0:
        return
    before = grouping_of(target.source, target.delay, target.weight, metric.near)
    n_step = max(PROPOSALS * n_here, AT_LEAST)
    aim_now, miss_now = np.inf, 0.0
    best, best_pairs, kept = np.inf, pairs.copy(), pairs.copy()
    among = matched and kind == DELAYS
    for step in range(-1, n_step):
        kept[:] = pairs
        if step >= 0:
            state, done = (
                _pair_anew(kind, target, state, pairs, n_here)
                if among
                else _choose_anew(kind, target, state, pairs, n_here, busy)
            )
            if not done:
                continue
        grouping, energy, moved = _measured(kind, target, metric, pairs, n_here, delay, weight, place)
        aim, miss = 0.0, 0.0
        if spread > 0 and not math.isnan(grouping) and not math.isnan(before):
            away = (grouping - before) / spread
            aim = -direction * away if direction != 0 else abs(away)
        if matched and mean_energy > 0:
            miss = (energy / mean_energy - 1) ** 2
            miss += 0.0 if among else (moved / mean_moved - 1) ** 2
        gone = max(step, 0) / n_step
        heat, tight = HOT * (COLD / HOT) ** gone, LOOSE * (TIGHT / LOOSE) ** gone
        worse = aim - aim_now + tight * (miss - miss_now)
        state += GOLDEN
        if worse <= 0 or np.float64(mix(state) >> np.uint64(11)) * 2.0**-53 < math.exp(-worse / heat):
            aim_now, miss_now = aim, miss
            if aim + TIGHT * miss < best:
                best = aim + TIGHT * miss
                best_pairs[:] = pairs
        else:
            pairs[:] = kept
            if not among:
                busy[:] = False
                for p in range(n_here):
                    busy[pairs[p, 0]], busy[pairs[p, 1]] = True, True
    for p in range(n_here):
        i, j = best_pairs[p, 0], best_pairs[p, 1]
        partner[i], partner[j] = j, i
