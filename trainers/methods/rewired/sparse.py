"""Sparse networks with delays, whose synapses may be pruned and regrown while they train (DEEP R with RigL's regrowth).

Mészáros, Knight & Nowotny 2024: connections fixed or rewired, delays fixed or learned. Everything but the rewiring is that of
`dcls.dense`. A synapse's weight is stored with its sign: Adam on the weight moves the magnitude as Adam on the magnitude.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.files.random_streams import Stream, random_stream
from stanalysis.files.rewiring_log import CAUSE, KIND, event_table
from trainers.datasets.recordings import DataFormat
from trainers.methods.contract import Activity, Description, Evaluation, LearningRule, Tables
from trainers.methods.dcls import dense, operated
from trainers.methods.dcls.network import DelayLayer, Parameters, Workspace
from trainers.methods.rewired.config import SparseConfig
from trainers.methods.rewired.rewiring import drawn_openings, hold, rewire
from trainers.methods.rewired.rules import random_signs, sparse_pairs
from trainers.methods.rewired.state import SparseState, conducting, listed, note
from trainers.optimisers import cosine


def init(config: SparseConfig, seed: int, data: DataFormat, dtype: str = "float32") -> SparseState:
    """A network before training: as a dense one, but for the synapses left out, and the fixed signs of rewired ones."""
    network = dense.network_of(config, data, dtype)
    state = SparseState(config, data, network, [], seed, {}, Workspace(network.dtype))
    for layer in network.layers:
        n_synapses = _add_layer(state, layer)
    if n_synapses < data.n_classes:
        warnings.warn(
            f"at sparsity {config.sparsity} only {n_synapses} synapses lead to the {data.n_classes} outputs: some never answer",
            stacklevel=2,
        )
    return state


def _add_layer(state: SparseState, layer: DelayLayer) -> int:
    """Add the arrays of a layer before training, its synapses, and their births; return how many there are."""
    config, n_pairs = state.config, layer.n_source * layer.n_target
    random = random_stream(state.seed, Stream.SPARSE, layer.index)
    joined = sparse_pairs(layer.n_source, layer.n_target, config.sparsity, random)
    rows = np.arange(n_pairs) if state.all_pairs else joined
    state.arrays |= dense.new_arrays(config, state.network, layer, state.seed, rows)
    source, target = (rows % layer.n_source).astype(np.int32), (rows // layer.n_source).astype(np.int32)
    added: Parameters = {"source": source, "target": target, "contact": np.zeros_like(source)}
    weight = state.arrays[layer.array("weight")]
    if config.connectivity == "rewired":
        if config.signs == "source":
            added["source_sign"] = random_signs(layer.n_source, random)
            added["sign"] = added["source_sign"][source]
        else:
            added["sign"] = random_signs(n_pairs, random)[rows]
        weight = np.abs(weight) * added["sign"]
        if config.moments == "fresh":
            added["born"] = np.zeros(rows.size, np.int64)
    if state.all_pairs:
        added["alive"] = np.isin(rows, joined)
        weight *= added["alive"]
    state.arrays |= {layer.array(what): values for what, values in {**added, "weight": weight}.items()}
    state.synapses.append(conducting(state, layer))
    born = np.flatnonzero(state.alive(layer))
    note(state, layer, 0, KIND.BIRTH, np.full(born.size, CAUSE.INITIAL), born)
    return joined.size


def events(state: SparseState) -> xr.Dataset:
    """The births and deaths since the last call."""
    parts, state.pending = state.pending, []
    return event_table(parts)


def step(state: SparseState, x: NDArray, label: NDArray, *, step: int, epoch: int) -> tuple[NDArray, NDArray]:
    """Train on batch number ``step`` from 0, then rewire if it is time; as `trainers.methods.dcls.dense.step`."""
    config, layers = state.config, state.network.layers
    if config.connectivity == "fixed":
        return dense.step(state, x, label, step=step, epoch=epoch)
    rewires = (step + 1) % config.every == 0
    openings = [drawn_openings(state, layer, step) for layer in layers] if rewires else []
    judged = openings if config.moments == "fresh" and config.grow != "random" else []
    candidates = [opening.candidates(state, layer) for layer, opening in zip(layers, judged, strict=False)]
    bar, loss, prediction = dense.learn(state, x, label, step=step, epoch=epoch, candidates=candidates)
    for layer in layers:
        hold(state, layer, step=step, epoch=epoch, rewires=rewires)
        if rewires:
            judged_by = None if config.grow == "random" else bar[layer.array("candidate" if judged else "weight")]
            fraction = cosine(epoch, config.epochs, config.drop_fraction)
            rewire(state, layer, openings[layer.index], judged_by, step=step, fraction=fraction)
    return loss, prediction


def _living(state: SparseState) -> SparseState:
    """The state in which the synapses that are not alive weigh nothing."""
    weights = [layer.array("weight") for layer in state.network.layers]
    living = {name: state.arrays[name] * state.alive(layer) for name, layer in zip(weights, state.network.layers, strict=True)}
    return replace(state, arrays=state.arrays | living)


def evaluate(state: SparseState, x: NDArray, label: NDArray) -> Evaluation:
    """As `trainers.methods.dcls.dense.evaluate`, of the synapses that are alive: those that a checkpoint holds."""
    return dense.evaluate(_living(state), x, label)


def sent(state: SparseState, x: NDArray) -> Activity:
    """As `trainers.methods.dcls.operated.sent`."""
    return operated.sent(_living(state), x)


def renormalised(state: SparseState, batches: Iterable[NDArray]) -> SparseState:
    """As `trainers.methods.dcls.operated.renormalised`."""
    again = operated.renormalised(_living(state), batches)
    moments = {layer.array(what) for layer in state.network.layers if layer.hidden for what in ("mean", "variance")}
    return replace(state, arrays=state.arrays | {name: again.arrays[name] for name in moments})


def describe(state: SparseState, *, epoch: int, spikes: Sequence[NDArray]) -> Description:
    """As `trainers.methods.dcls.dense.describe`, with the synapses that are alive."""
    living = [listed(state, layer, state.alive(layer)) for layer in state.network.layers]
    return dense.describe(replace(state, synapses=living), epoch=epoch, spikes=spikes)


def restored(state: SparseState, arrays: Parameters) -> SparseState:
    """As `trainers.methods.dcls.dense.restored`; what happened before is in the log already."""
    again = replace(dense.restored(state, arrays), pending=[])
    return replace(again, synapses=[conducting(again, layer) for layer in state.network.layers])


def deploy(state: SparseState, tables: Tables) -> SparseState:
    """As `trainers.methods.dcls.operated.deploy`; all rows of the tables are alive."""
    deployed = replace(operated.deploy(state, tables), pending=[])
    for layer in state.network.layers:
        if (layer.source, layer.target) in tables:
            lists = deployed.synapses[layer.index]
            columns = {"source": lists.source, "target": lists.target, "contact": lists.contact}
            columns["alive"] = np.ones(lists.source.size, bool)
            deployed.arrays.update({layer.array(what): values for what, values in columns.items()})
    return deployed


def refitting(state: SparseState, epochs: int) -> SparseState:
    """As `trainers.methods.dcls.operated.refitting`; nothing is rewired, and signs may change."""
    living = {layer: state.alive(layer) for layer in state.network.layers}
    fixed = operated.refitting(replace(state, config=replace(state.config, connectivity="fixed")), epochs)
    for layer, alive in living.items():
        columns = {what: state.arrays[layer.array(what)] for what in ("source", "target", "contact")}
        fixed.arrays.update({layer.array(what): values for what, values in columns.items()})
        fixed.arrays[layer.array("weight")] *= alive
    return replace(fixed, synapses=[listed(state, layer, alive) for layer, alive in living.items()])


RULE = LearningRule(
    init=init,
    step=step,
    evaluate=evaluate,
    describe=describe,
    restored=restored,
    events=events,
    deploy=deploy,
    sent=sent,
    renormalised=renormalised,
    refitting=refitting,
)
