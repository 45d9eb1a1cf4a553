"""What operations ask of a network of `trainers.methods.dcls.dense`: to run with other synapses, and to show what is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from trainers.methods.contract import Activity, LearningRule, Tables
from trainers.methods.dcls import time_domain
from trainers.methods.dcls.dense import DclsState, S, describe, evaluate, init, restored, step, trained_arrays
from trainers.methods.dcls.network import Parameters
from trainers.methods.dcls.passes import forward
from trainers.methods.dcls.synapses import connected


def deploy(state: S, tables: Tables) -> S:
    """The network with the synapses of ``tables``, their delays rounded half to even; `BadInput` where they do not fit in."""
    network, synapses, arrays = state.network, list(state.synapses), dict(state.arrays)
    layers = {(layer.source, layer.target): layer for layer in network.layers}
    for ends, table in tables.items():
        if ends not in layers:
            raise BadInput(f"The network has no projection {'__'.join(ends)}; it has {', '.join(map('__'.join, layers))}.")
        layer = layers[ends]
        source, target = (table[name].to_numpy().astype(np.int32) for name in ("source", "target"))
        contact = table["contact"].to_numpy().astype(np.int32) if "contact" in table else np.zeros_like(source)
        delay = np.rint(table["delay"].to_numpy().astype(np.float64) / state.data.dt)
        weight = table["weight"].to_numpy().astype(network.dtype)
        limits = ((source, layer.n_source), (target, layer.n_target), (delay, network.n_bins))
        if not all(((values >= 0) & (values < n)).all() for values, n in limits) or not np.isfinite(weight).all():
            raise BadInput(f"A synapse of {'__'.join(ends)} has no such neurons, delay or weight here; mend the table.")
        synapses[layer.index] = connected(source, target, contact, n_source=layer.n_source, n_target=layer.n_target)
        arrays |= {layer.array("weight"): weight, layer.array("delay"): delay.astype(network.dtype)}
    return replace(state, synapses=synapses, arrays=arrays)


def sent(state: DclsState, x: NDArray) -> Activity:
    """The input and the spikes of the hidden populations of the deployed network."""
    keep = [np.ones((n, x.shape[2]), state.network.dtype) for n in state.config.hidden]
    done = time_domain.forward(
        state.network, state.synapses, state.arrays, x, sigma=0.0, keep=keep, running=state.arrays, workspace=state.workspace
    )
    front = state.network.n_bins + time_domain.MARGIN
    signals = {layer.source: signal[:, front:] for layer, signal in zip(state.network.layers, done.sent, strict=True)}
    return Activity(signals, state.data.dt)


def renormalised(state: S, batches: Iterable[NDArray]) -> S:
    """The state whose running moments are the means of those of the batches, each normalised by its own."""
    moments: list[list[tuple[NDArray, NDArray]]] = []
    for x in batches:
        keep = [np.ones((n, x.shape[2]), state.network.dtype) for n in state.config.hidden]
        done = forward(
            state.network, state.synapses, state.arrays, x, sigma=0.0, keep=keep, running=None, workspace=state.workspace
        )
        moments.append([(mean.copy(), variance.copy()) for mean, variance in done.moments])
    arrays = dict(state.arrays)
    for layer, of_layer in zip(state.network.layers, zip(*moments, strict=True), strict=False):
        for what, values in zip(("mean", "variance"), zip(*of_layer, strict=True), strict=True):
            arrays[layer.array(what)] = np.mean(values, axis=0, dtype=np.float64).astype(state.network.dtype)
    return replace(state, arrays=arrays)


def refitting(state: S, epochs: int) -> S:
    """The deployed state with fixed delays, and Adam at its beginning."""
    config = replace(state.config, delays="fixed", epochs=epochs)
    kept = {"weight", "delay", "gain", "bias", "mean", "variance"}
    arrays: Parameters = {}
    for layer in state.network.layers:
        named = {what: layer.array(what) for what in kept}
        arrays |= {name: state.arrays[name].copy() for name in named.values() if name in state.arrays}
        for what in trained_arrays(config, layer):
            arrays |= {layer.array(f"{moment}_{what}"): np.zeros_like(arrays[named[what]]) for moment in ("first", "second")}
    return replace(state, config=config, arrays=arrays)


RULE = LearningRule(
    init=init,
    step=step,
    evaluate=evaluate,
    describe=describe,
    restored=restored,
    deploy=deploy,
    sent=sent,
    renormalised=renormalised,
    refitting=refitting,
)
