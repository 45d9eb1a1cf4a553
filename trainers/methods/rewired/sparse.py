"""Sparse networks with delays, whose synapses may be pruned and regrown while they train (DEEP R with RigL's regrowth).

Mészáros, Knight & Nowotny 2024: connections fixed or rewired, delays fixed or learned. Everything but the rewiring is that of
`dcls.dense`. A synapse's weight is stored with its sign: Adam on the weight moves the magnitude as Adam on the magnitude.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.rewiring_log import CAUSE, KIND
from stanalysis.schema.network import EVENTS
from stanalysis.schema.variables import labelled
from trainers.methods.dcls import dense as dcls
from trainers.methods.dcls.dense import DclsConfig, DclsState, stream
from trainers.methods.dcls.network import Candidates, Parameters
from trainers.methods.dcls.synapses import Synapses, connected
from trainers.methods.rewired.rules import (
    NEWBORN,
    Grow,
    dying,
    free_contacts,
    growing,
    langevin,
    random_signs,
    random_slots,
    sparse_pairs,
)
from trainers.optimisers import cosine, one_cycle

__all__ = ["NAME", "SparseConfig", "describe", "evaluate", "events", "init", "restored", "step"]

NAME = "sparse"
_SPARSE, _REWIRE = 3, 4  # what a random stream is for


@dataclass(frozen=True)
class SparseConfig(DclsConfig):
    """A sparse delay network and its training.

    Attributes
    ----------
    sparsity
        Share of the pairs of neurons of every projection without a synapse, at first; the number of synapses stays.
    connectivity
        ``rewired`` during training, or ``fixed`` at random, with weights of either sign.
    signs
        Of rewired synapses, at random: one for each ``synapse``, or for each ``source`` (Dale).
    candidates
        Where synapses may grow: at any free (target, source, delay bin), of which a random subset is judged (``delays``); or
        between any pair that has none (``pairs``, as published), each pair keeping its delay while nothing joins it.
    candidate_share
        Share of all (target, source, delay bin) that is drawn to be judged for regrowth, with candidates ``delays``; at
        least as many as there are synapses.
    grow
        Which candidates grow, as in `trainers.methods.rewired.rules.growing`.
    every
        Steps between rewirings. In between, a magnitude that falls to 0 is held there and may rise again.
    temperature
        Of DEEP R's random walk of the magnitudes; 0 for none.
    drop_fraction
        Share of the synapses pruned at a rewiring for being the smallest (RigL), falling to 0 as half a cosine; those at 0
        count among them.
    moments
        Adam's moments of a new synapse: ``fresh``; or those of its ``slot``, which go on moving while it is empty. That is
        the published procedure, with candidates ``pairs`` and a rewiring at every step; it needs every slot's gradient, and
        a pruned magnitude, below 0, acts for one more step.
    """

    sparsity: float = 0.9
    connectivity: Literal["rewired", "fixed"] = "rewired"
    signs: Literal["synapse", "source"] = "synapse"
    candidates: Literal["delays", "pairs"] = "delays"
    candidate_share: float = 0.04
    grow: Grow = "neg_grad"
    every: int = 10
    temperature: float = 0.0
    drop_fraction: float = 0.0
    moments: Literal["fresh", "slot"] = "fresh"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.sparsity < 1:
            raise BadInput(f"sparsity is {self.sparsity}; give a share from 0 to below 1.")
        if not 0 <= self.drop_fraction < 1:
            raise BadInput(f"drop_fraction is {self.drop_fraction}; give a share from 0 to below 1.")
        if not 0 < self.candidate_share <= 1:
            raise BadInput(f"candidate_share is {self.candidate_share}; give a share above 0, at most 1.")
        for name, least in {"every": 1, "temperature": 0}.items():
            if not getattr(self, name) >= least:
                raise BadInput(f"{name} is {getattr(self, name)}; give {least} or more.")
        if self.kernel_count != 1:
            raise BadInput(f"kernel_count is {self.kernel_count}; a sparse network starts with one synapse per pair: give 1.")
        if self.moments == "slot" and (self.candidates != "pairs" or self.every != 1):
            raise BadInput("moments is 'slot', which needs candidates 'pairs' and every 1; give those too.")
        if self.moments == "slot" and self.drop_fraction:
            raise BadInput("moments is 'slot', where only magnitudes at 0 are pruned; give drop_fraction 0.")


PRESETS = {
    "default": SparseConfig(),
    "meszaros2024": SparseConfig(candidates="pairs", every=1, moments="slot"),
}


@dataclass
class SparseState(DclsState):
    """A network in training: tables of synapses in ``arrays``, and the ``pending`` events that no log holds yet.

    With candidates ``pairs`` a table has a row for every pair, ``alive`` or not; otherwise a row for every synapse, in which
    the next one takes the place of one that died.
    """

    config: SparseConfig
    pending: list[dict[str, NDArray]] = field(default_factory=list)

    @property
    def all_pairs(self) -> bool:
        """Whether the tables have a row for every pair."""
        return self.config.connectivity == "rewired" and self.config.candidates == "pairs"

    def alive(self, layer: int) -> NDArray[np.bool_]:
        """Which rows of a projection's table are synapses."""
        return self.arrays[f"alive_{layer}"] if self.all_pairs else np.ones(self.arrays[f"source_{layer}"].size, bool)

    def rows(self, layer: int) -> NDArray[np.int64]:
        """As `DclsState.rows`, of those that are alive."""
        listed = super().rows(layer)
        return listed[self.alive(layer)[listed]]


def init(config: SparseConfig, seed: int, n_source: int, n_classes: int, dtype: str = "float32") -> SparseState:
    """A network before training: as a dense one, but for the synapses left out, and the fixed signs of rewired ones."""
    state = SparseState(**vars(dcls.init(config, seed, n_source, n_classes, dtype)))
    arrays = state.arrays
    for layer, pairs in enumerate(state.synapses):
        n_source, n_target = state.network.sizes[layer : layer + 2]
        random = stream(seed, _SPARSE, layer)
        joined = sparse_pairs(n_source, n_target, config.sparsity, random)
        rows = np.arange(n_source * n_target) if state.all_pairs else joined
        for name in list(arrays):
            if name.endswith((f"weight_{layer}", f"delay_{layer}")):
                arrays[name] = arrays[name].reshape(-1)[rows]
        arrays |= {f"{name}_{layer}": getattr(pairs, name)[rows] for name in ("source", "target", "contact")}
        if config.connectivity == "rewired":
            if config.signs == "source":
                arrays[f"source_sign_{layer}"] = random_signs(n_source, random)
                sign = arrays[f"source_sign_{layer}"][pairs.source]
            else:
                sign = random_signs(n_source * n_target, random)
            arrays[f"sign_{layer}"] = sign[rows]
            arrays[f"weight_{layer}"] = np.abs(arrays[f"weight_{layer}"]) * sign[rows]
            if config.moments == "fresh":
                arrays[f"born_{layer}"] = np.zeros(rows.size, np.int64)
        if state.all_pairs:
            arrays[f"alive_{layer}"] = np.isin(rows, joined)
            arrays[f"weight_{layer}"] *= arrays[f"alive_{layer}"]
        _connect(state, layer)
        born = np.flatnonzero(state.alive(layer))
        _note(state, layer, 0, KIND.BIRTH, np.full(born.size, CAUSE.INITIAL), born)
    if joined.size < n_classes:
        warnings.warn(
            f"at sparsity {config.sparsity} only {joined.size} synapses lead to the {n_classes} outputs: some never answer",
            stacklevel=2,
        )
    return state


def _connect(state: SparseState, layer: int) -> None:
    """List the synapses of a projection anew; where moments stay with the slot, the empty slots too, for their gradients."""
    state.synapses[layer] = _listed(state, layer, None if state.config.moments == "slot" else state.alive(layer))


def _listed(state: SparseState, layer: int, alive: NDArray[np.bool_] | None) -> Synapses:
    n_source, n_target = state.network.sizes[layer : layer + 2]
    source, target, contact = (state.arrays[f"{name}_{layer}"] for name in ("source", "target", "contact"))
    return connected(source, target, contact, n_source=n_source, n_target=n_target, alive=alive)


def _note(
    state: SparseState, layer: int, step: int, kind: KIND, cause: NDArray, rows: NDArray, gradient: NDArray | None = None
) -> None:
    """Keep what happened to the synapses in ``rows`` for the log; a ``gradient`` (row), if given, chose them in this order."""
    columns = {name: state.arrays[f"{name}_{layer}"][rows] for name in ("source", "target", "contact", "delay", "weight")}
    rewired, known = state.config.connectivity == "rewired", gradient is not None
    columns["sign"] = state.arrays[f"sign_{layer}"][rows] if rewired else np.where(columns["weight"] < 0, -1, 1)
    if rewired:
        columns["weight"] = np.where(columns["weight"] * columns["sign"] > 0, columns["weight"], 0)
    state.pending.append(
        columns
        | {
            "step": np.full(rows.size, step),
            "projection": np.full(rows.size, layer),
            "kind": np.full(rows.size, kind),
            "cause": cause,
            "gradient": gradient if known else np.full(rows.size, np.nan),
            "rank": np.arange(1, rows.size + 1) if known else np.zeros(rows.size, int),
        }
    )


def events(state: SparseState, dt: float) -> xr.Dataset:
    """The births and deaths since the last call, in the columns of the rewiring log; ``dt`` in ms."""
    parts, state.pending = state.pending, []
    columns = {name: np.concatenate([p[name] for p in parts]) if parts else np.empty(0, v.kind) for name, v in EVENTS.items()}
    return labelled(EVENTS, **columns | {"delay": columns["delay"] * dt})


def step(state: SparseState, x: NDArray, label: NDArray, *, step: int, epoch: int) -> tuple[NDArray, NDArray]:
    """Train on batch number ``step`` from 0, then rewire if it is time; as `trainers.methods.dcls.dense.step`."""
    config, arrays = state.config, state.arrays
    if config.connectivity == "fixed":
        return dcls.step(state, x, label, step=step, epoch=epoch)
    rewires = (step + 1) % config.every == 0
    openings = [_openings(state, layer, step) for layer in range(len(state.synapses))] if rewires else []
    judged = openings if config.moments == "fresh" and config.grow != "random" else []
    bar, loss, prediction = dcls.learn(
        state, x, label, step=step, epoch=epoch, candidates=[opening.candidates(state, k) for k, opening in enumerate(judged)]
    )
    for layer in range(len(state.synapses)):
        weight, sign = arrays[f"weight_{layer}"], arrays[f"sign_{layer}"]
        if config.temperature:
            rate, _ = one_cycle(epoch, config.epochs, config.weight_rate)
            random = stream(state.seed, _REWIRE, step, layer, 1)
            weight[:] = sign * langevin(weight * sign, rate=rate, temperature=config.temperature, random=random)
        if state.all_pairs:
            weight[~state.alive(layer)] = 0
        if not rewires:
            weight[weight * sign < 0] = 0
            continue
        towards = None
        if config.grow != "random":
            towards = bar[f"candidate_{layer}" if judged else f"weight_{layer}"]
        fraction = cosine(epoch, config.epochs, config.drop_fraction)
        _rewire(state, layer, openings[layer], towards, step=step, fraction=fraction)
    return loss, prediction


@dataclass(frozen=True)
class _Openings:
    """Where a synapse of one projection might grow (opening), if none is there already."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    delay: NDArray[np.floating]
    sign: NDArray[np.int8]

    def free(self, state: SparseState, layer: int) -> NDArray[np.bool_]:
        """Where no synapse is: not between this pair, or not in this delay bin of it."""
        if state.all_pairs:
            return ~state.alive(layer)
        n_source, n_bins = state.network.sizes[layer], state.config.n_bins
        source, target, delay = (state.arrays[f"{name}_{layer}"] for name in ("source", "target", "delay"))
        taken, slot = (
            (t.astype(np.int64) * n_source + s) * n_bins + np.rint(d).astype(np.int64)
            for s, t, d in ((source, target, delay), (self.source, self.target, self.delay))
        )
        return ~np.isin(slot, taken)

    def candidates(self, state: SparseState, layer: int) -> Candidates:
        """The free ones, to be judged by their gradients."""
        n_source, n_target = state.network.sizes[layer : layer + 2]
        contact, free = np.zeros_like(self.source), self.free(state, layer)
        synapses = connected(self.source, self.target, contact, n_source=n_source, n_target=n_target, alive=free)
        return Candidates(synapses, self.delay)


def _openings(state: SparseState, layer: int, step: int) -> _Openings:
    """All pairs, or a random subset of all (target, source, delay bin)."""
    config, arrays = state.config, state.arrays
    source, target, delay = (arrays[f"{name}_{layer}"] for name in ("source", "target", "delay"))
    if state.all_pairs:
        return _Openings(source, target, delay, arrays[f"sign_{layer}"])
    random = stream(state.seed, _REWIRE, step, layer, 0)
    n_source, n_target = state.network.sizes[layer : layer + 2]
    n_bins = 1 if config.delays == "none" else config.n_bins
    n = max(int(np.ceil(config.candidate_share * n_source * n_target * n_bins)), source.size)
    new_source, new_target, new_bin = random_slots(n_source, n_target, n_bins, n=n, random=random)
    sign = arrays[f"source_sign_{layer}"][new_source] if config.signs == "source" else random_signs(new_source.size, random)
    return _Openings(new_source, new_target, new_bin.astype(delay.dtype), sign)


def _rewire(
    state: SparseState, layer: int, openings: _Openings, towards: NDArray | None, *, step: int, fraction: float
) -> None:
    """Prune, and grow as many; ``towards`` is the gradient of the loss by the weight at each opening.

    Where openings run out, the pruned synapses themselves are born again.
    """
    config, arrays = state.config, state.arrays
    weight, sign = arrays[f"weight_{layer}"], arrays[f"sign_{layer}"]
    living = np.flatnonzero(state.alive(layer))
    magnitude = weight[living] * sign[living]
    pruned = dying(magnitude, fraction=fraction)
    dead = living[pruned]
    if dead.size == 0:
        return
    cause = np.where(magnitude[pruned] <= 0, CAUSE.SIGN_CROSSING, CAUSE.MAGNITUDE)
    _note(state, layer, step + 1, KIND.DEATH, cause, dead)

    free = np.flatnonzero(openings.free(state, layer))  # delays have moved since the openings were judged
    gradient = np.full(free.size, np.nan) if towards is None else (towards * openings.sign)[free]
    random = stream(state.seed, _REWIRE, step, layer, 2)
    best = growing(gradient, dead.size, grow=config.grow, random=random)
    chosen, again = free[best], dead[best.size :]
    if state.all_pairs:
        rows = np.concatenate([chosen, again])
        arrays[f"alive_{layer}"][dead] = False
        arrays[f"alive_{layer}"][rows] = True
    else:
        rows = dead
        _move(state, layer, rows[: chosen.size], openings, chosen)
    if config.moments == "fresh":
        weight[dead] = 0
        for name in ("weight", "delay"):
            for moment in ("first", "second"):
                if f"{moment}_{name}_{layer}" in arrays:
                    arrays[f"{moment}_{name}_{layer}"][np.concatenate([dead, rows])] = 0
        arrays[f"born_{layer}"][rows] = step + 1
    weight[rows] = NEWBORN * arrays[f"sign_{layer}"][rows]
    why = CAUSE.REGROWN_AT_RANDOM if towards is None else CAUSE.REGROWN_BY_GRADIENT
    grown, reborn = rows[: chosen.size], rows[chosen.size :]
    _note(state, layer, step + 1, KIND.BIRTH, np.full(grown.size, why), grown, None if towards is None else gradient[best])
    _note(state, layer, step + 1, KIND.BIRTH, np.full(reborn.size, CAUSE.REBORN_IN_PLACE), reborn)
    _connect(state, layer)
    _check(state, layer, living.size)


def _move(state: SparseState, layer: int, rows: NDArray, openings: _Openings, chosen: NDArray) -> None:
    """Put the openings ``chosen`` in the ``rows`` of synapses that died."""
    arrays = state.arrays
    left = np.ones(arrays[f"source_{layer}"].size, bool)
    left[rows] = False
    n_source = state.network.sizes[layer]
    pair = arrays[f"target_{layer}"].astype(np.int64) * n_source + arrays[f"source_{layer}"]
    new = openings.target[chosen].astype(np.int64) * n_source + openings.source[chosen]
    arrays[f"contact_{layer}"][rows] = free_contacts(pair[left], arrays[f"contact_{layer}"][left], new)
    for name in ("source", "target", "delay", "sign"):
        arrays[f"{name}_{layer}"][rows] = getattr(openings, name)[chosen]


def _check(state: SparseState, layer: int, n: int) -> None:
    """The number of synapses never changes, and no two are the same."""
    rows = np.flatnonzero(state.alive(layer))
    identity = np.stack([state.arrays[f"{name}_{layer}"][rows] for name in ("source", "target", "contact")])
    n_found = np.unique(identity, axis=1).shape[1]
    if not rows.size == n_found == n:
        raise RuntimeError(f"rewiring left {rows.size} synapses ({n_found} different) of {n}; please report this as a bug")


def evaluate(state: SparseState, x: NDArray, label: NDArray) -> tuple[NDArray, NDArray, list[NDArray]]:
    """As `trainers.methods.dcls.dense.evaluate`, of the synapses that are alive: those that a checkpoint holds."""
    living = {f"weight_{layer}": state.arrays[f"weight_{layer}"] * state.alive(layer) for layer in range(len(state.synapses))}
    return dcls.evaluate(replace(state, arrays=state.arrays | living), x, label)


def describe(
    state: SparseState, *, dt: float, epoch: int, frequency: NDArray | None, rate: list[NDArray]
) -> tuple[dict[str, xr.Dataset], dict[tuple[str, str], xr.Dataset]]:
    """As `trainers.methods.dcls.dense.describe`, with the synapses that are alive."""
    living = [_listed(state, layer, state.alive(layer)) for layer in range(len(state.synapses))]
    return dcls.describe(replace(state, synapses=living), dt=dt, epoch=epoch, frequency=frequency, rate=rate)


def restored(state: SparseState, arrays: Parameters) -> SparseState:
    """As `trainers.methods.dcls.dense.restored`; what happened before is in the log already."""
    found = dcls.restored(state, arrays)
    found.synapses, found.pending = list(state.synapses), []
    for layer in range(len(found.synapses)):
        _connect(found, layer)
    return found
