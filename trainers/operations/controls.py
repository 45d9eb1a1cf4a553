"""Controls of operations: what a network does once its normalisation, or its weights, had time to follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from stanalysis.errors import BadInput
from stanalysis.files.operations import OPERATIONS
from stanalysis.files.random_streams import Stream, random_stream
from trainers.methods.contract import Tables
from trainers.operations.dose import MOST_SAMPLES
from trainers.operations.trained import TrainedNetwork


def renormalised(network: TrainedNetwork, state: Any) -> Any:
    """A state of the network with the normalisation that its first training samples give."""
    renormalise = network.method.rule().renormalised
    if renormalise is None:
        raise BadInput(f"Networks of {network.method.verb} have no normalisation.")
    return renormalise(state, _first_batches(network))


def _first_batches(network: TrainedNetwork) -> Iterator[Any]:
    data, size = network.data.training, network.config.batch_size
    n = min(len(data), MOST_SAMPLES)
    for start in range(0, n, size):
        yield data.batch(np.arange(start, min(start + size, n)))[0]


def refitted(network: TrainedNetwork, tables: Tables, epochs: int) -> Any:
    """The network with these synapses after so many epochs in which its weights were trained, and nothing else."""
    rule, data, size = network.method.rule(), network.data.training, network.config.batch_size
    if rule.refitting is None:
        raise BadInput(f"Networks of {network.method.verb} cannot be refitted.")
    state, step = rule.refitting(network.deployed({**network.tables, **tables}), epochs), 0
    for epoch in range(epochs):
        order = random_stream(network.seed, Stream.OPERATE, len(OPERATIONS), epoch).permutation(len(data))
        for start in range(0, len(data), size):
            batch, label = data.batch(order[start : start + size])
            rule.step(state, batch, label, step=step, epoch=epoch)
            step += 1
    return state
