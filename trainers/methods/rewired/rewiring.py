"""One rewiring of a sparse network in training: synapses die, and as many grow somewhere else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stanalysis.files.random_streams import Stream, random_stream
from stanalysis.files.rewiring_log import CAUSE, KIND
from trainers.methods.dcls.network import Candidates, DelayLayer
from trainers.methods.dcls.synapses import connected
from trainers.methods.rewired.rules import NEWBORN, dying, free_contacts, growing, langevin, random_signs, random_slots
from trainers.methods.rewired.state import SparseState, conducting, note
from trainers.optimisers import one_cycle


def hold(state: SparseState, layer: DelayLayer, *, step: int, epoch: int, rewires: bool) -> None:
    """Let magnitudes walk at random if they do; hold those of no synapse at 0, and between rewirings those that fell to it."""
    config, weight, sign = state.config, state.arrays[layer.array("weight")], state.arrays[layer.array("sign")]
    if config.temperature:
        rate, _ = one_cycle(epoch, config.epochs, config.weight_rate)
        random = random_stream(state.seed, Stream.REWIRE, step, layer.index, 1)
        weight[:] = sign * langevin(weight * sign, rate=rate, temperature=config.temperature, random=random)
    if state.all_pairs:
        weight[~state.alive(layer)] = 0
    if not rewires:
        weight[weight * sign < 0] = 0


@dataclass(frozen=True)
class Openings:
    """Where a synapse of one projection might grow (opening), if none is there already."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    delay: NDArray[np.floating]
    sign: NDArray[np.int8]

    def free(self, state: SparseState, layer: DelayLayer) -> NDArray[np.bool_]:
        """Where no synapse is: not between this pair, or not in this delay bin of it."""
        if state.all_pairs:
            return ~state.alive(layer)
        n_source, n_bins = layer.n_source, state.config.n_bins
        source, target, delay = (state.arrays[layer.array(what)] for what in ("source", "target", "delay"))
        taken, slot = (
            (t.astype(np.int64) * n_source + s) * n_bins + np.rint(d).astype(np.int64)
            for s, t, d in ((source, target, delay), (self.source, self.target, self.delay))
        )
        return ~np.isin(slot, taken)

    def candidates(self, state: SparseState, layer: DelayLayer) -> Candidates:
        """The free ones, to be judged by their gradients."""
        contact, free = np.zeros_like(self.source), self.free(state, layer)
        synapses = connected(self.source, self.target, contact, n_source=layer.n_source, n_target=layer.n_target, alive=free)
        return Candidates(synapses, self.delay)


def drawn_openings(state: SparseState, layer: DelayLayer, step: int) -> Openings:
    """All pairs, or a random subset of all (target, source, delay bin)."""
    config, arrays = state.config, state.arrays
    source, target, delay = (arrays[layer.array(what)] for what in ("source", "target", "delay"))
    if state.all_pairs:
        return Openings(source, target, delay, arrays[layer.array("sign")])
    random = random_stream(state.seed, Stream.REWIRE, step, layer.index, 0)
    n_source, n_target = layer.n_source, layer.n_target
    n_bins = 1 if config.delays == "none" else config.n_bins
    n = max(int(np.ceil(config.candidate_share * n_source * n_target * n_bins)), source.size)
    new_source, new_target, new_bin = random_slots(n_source, n_target, n_bins, n=n, random=random)
    of_source = config.signs == "source"
    sign = arrays[layer.array("source_sign")][new_source] if of_source else random_signs(new_source.size, random)
    return Openings(new_source, new_target, new_bin.astype(delay.dtype), sign)


def rewire(
    state: SparseState, layer: DelayLayer, openings: Openings, towards: NDArray | None, *, step: int, fraction: float
) -> None:
    """Prune, and grow as many; ``towards`` is the gradient of the loss by the weight at each opening.

    Where openings run out, the pruned synapses themselves are born again.
    """
    config, arrays = state.config, state.arrays
    weight, sign = arrays[layer.array("weight")], arrays[layer.array("sign")]
    living = np.flatnonzero(state.alive(layer))
    magnitude = weight[living] * sign[living]
    pruned = dying(magnitude, fraction=fraction)
    dead = living[pruned]
    if dead.size == 0:
        return
    cause = np.where(magnitude[pruned] <= 0, CAUSE.SIGN_CROSSING, CAUSE.MAGNITUDE)
    note(state, layer, step + 1, KIND.DEATH, cause, dead)

    free = np.flatnonzero(openings.free(state, layer))  # delays have moved since the openings were judged
    gradient = np.full(free.size, np.nan) if towards is None else (towards * openings.sign)[free]
    random = random_stream(state.seed, Stream.REWIRE, step, layer.index, 2)
    best = growing(gradient, dead.size, grow=config.grow, random=random)
    chosen, again = free[best], dead[best.size :]
    if state.all_pairs:
        rows = np.concatenate([chosen, again])
        arrays[layer.array("alive")][dead] = False
        arrays[layer.array("alive")][rows] = True
    else:
        rows = dead
        _move(state, layer, rows[: chosen.size], openings, chosen)
    if config.moments == "fresh":
        weight[dead] = 0
        for what in ("weight", "delay"):
            for moment in ("first", "second"):
                if (name := f"{moment}_{layer.array(what)}") in arrays:
                    arrays[name][np.concatenate([dead, rows])] = 0
        arrays[layer.array("born")][rows] = step + 1
    weight[rows] = NEWBORN * arrays[layer.array("sign")][rows]
    why = CAUSE.REGROWN_AT_RANDOM if towards is None else CAUSE.REGROWN_BY_GRADIENT
    grown, reborn = rows[: chosen.size], rows[chosen.size :]
    note(state, layer, step + 1, KIND.BIRTH, np.full(grown.size, why), grown, None if towards is None else gradient[best])
    note(state, layer, step + 1, KIND.BIRTH, np.full(reborn.size, CAUSE.REBORN_IN_PLACE), reborn)
    state.synapses[layer.index] = conducting(state, layer)
    _check(state, layer, living.size)


def _move(state: SparseState, layer: DelayLayer, rows: NDArray, openings: Openings, chosen: NDArray) -> None:
    """Put the openings ``chosen`` in the ``rows`` of synapses that died."""
    arrays = {what: state.arrays[layer.array(what)] for what in ("source", "target", "contact", "delay", "sign")}
    left = np.ones(arrays["source"].size, bool)
    left[rows] = False
    pair = arrays["target"].astype(np.int64) * layer.n_source + arrays["source"]
    new = openings.target[chosen].astype(np.int64) * layer.n_source + openings.source[chosen]
    arrays["contact"][rows] = free_contacts(pair[left], arrays["contact"][left], new)
    for what in ("source", "target", "delay", "sign"):
        arrays[what][rows] = getattr(openings, what)[chosen]


def _check(state: SparseState, layer: DelayLayer, n: int) -> None:
    """The number of synapses never changes, and no two are the same."""
    rows = np.flatnonzero(state.alive(layer))
    identity = np.stack([state.arrays[layer.array(what)][rows] for what in ("source", "target", "contact")])
    n_different = np.unique(identity, axis=1).shape[1]
    if not rows.size == n_different == n:
        raise RuntimeError(f"rewiring left {rows.size} synapses ({n_different} different) of {n}; please report this as a bug")
