"""A toy method in a room of its own, nothing like the built-in ones.

It learns from spike lists, its delays are continuous and axonal, and one projection is recurrent, another without delays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import population, projection
from stanalysis.files.random_streams import Stream, random_stream
from trainers.datasets import Recordings
from trainers.datasets.recordings import Events
from trainers.methods.contract import Description, Evaluation, LearningRule, Method
from trainers.methods.settings import require_at_least, require_valid

LONGEST, RESOLUTION = 20.0, 0.1  # ms


@dataclass(frozen=True)
class ToyConfig:
    """A toy that counts the spikes that arrive in time.

    Attributes
    ----------
    hidden
        Neurons of the one hidden population.
    shape
        Whether delays are ``drawn`` at random, or ``zero``.
    batch_size
        Samples per training step.
    epochs
        Passes through the training data.
    rate
        Learning rate of the readout.
    """

    hidden: int = 6
    shape: Literal["drawn", "zero"] = "drawn"
    batch_size: int = 8
    epochs: int = 3
    rate: float = 0.05

    def __post_init__(self):
        require_valid(self)
        require_at_least(self, hidden=1, batch_size=1, epochs=1, rate=0)


@dataclass
class ToyState:
    config: ToyConfig
    data: object
    arrays: dict


def init(config, seed, data):
    random, n = random_stream(seed, Stream.INIT), config.hidden
    delay = random.uniform(0, LONGEST, data.n_channels) * (config.shape == "drawn")
    arrays = {"delay": delay, "input": random.normal(size=(n, data.n_channels)), "recurrent": random.normal(size=(n, n)) / n}
    return ToyState(config, data, arrays | {"output": np.zeros((data.n_classes, n))})


def run_network(state, events, label):
    """Hidden activity (neuron, batch) and class probabilities (class, batch)."""
    sample = np.repeat(np.arange(len(events.begin) - 1), np.diff(events.begin))
    in_time = events.time + state.arrays["delay"][events.channel] < state.data.duration
    arrived = np.zeros((state.data.n_channels, len(label)))
    np.add.at(arrived, (events.channel[in_time], sample[in_time]), 1)
    first = np.maximum(state.arrays["input"] @ arrived, 0)
    hidden = first + state.arrays["recurrent"] @ first
    z = state.arrays["output"] @ hidden
    p = np.exp(z - z.max(axis=0))
    return hidden, p / p.sum(axis=0)


def step(state, events, label, *, step, epoch):
    hidden, p = run_network(state, events, label)
    loss = -np.log(p[label, np.arange(len(label))])
    state.arrays["output"] -= state.config.rate / len(label) * (p - np.eye(len(p))[label].T) @ hidden.T
    return loss, p.argmax(axis=0)


def evaluate(state, events, label):
    hidden, p = run_network(state, events, label)
    return Evaluation(-np.log(p[label, np.arange(len(label))]), p.argmax(axis=0), [np.abs(hidden).sum(axis=1)])


def describe(state, *, epoch, spikes):
    arrays, n = state.arrays, state.config.hidden

    def joined(weight, delay, delay_max, kind):
        target, source = np.indices(weight.shape, np.int32).reshape(2, -1)
        delay = np.broadcast_to(delay, weight.shape).ravel()
        sizes = {"n_source": weight.shape[1], "n_target": weight.shape[0], "delay_max": delay_max}
        return projection(
            source=source, target=target, delay=delay, weight=weight.ravel(), rounding="none", delay_kind=kind, **sizes
        )

    return Description(
        {
            "input": population(state.data.n_channels),
            "hidden1": population(n, rate=spikes[0] / (state.data.duration / 1000)),
            "output": population(state.data.n_classes),
        },
        {
            ("input", "hidden1"): joined(arrays["input"], arrays["delay"], LONGEST, "axonal"),
            ("hidden1", "hidden1"): joined(arrays["recurrent"], 1.5, LONGEST, "synaptic"),
            ("hidden1", "output"): joined(arrays["output"], 0.0, LONGEST, "synaptic"),
        },
        RESOLUTION,
    )


def restored(state, arrays):
    return replace(state, arrays={name: arrays[name].copy() for name in state.arrays})


def deploy(state, tables):
    names = {("input", "hidden1"): "input", ("hidden1", "hidden1"): "recurrent", ("hidden1", "output"): "output"}
    arrays = dict(state.arrays)
    for ends, table in tables.items():
        arrays[names[ends]] = np.zeros_like(arrays[names[ends]])
        np.add.at(arrays[names[ends]], (table.target.values, table.source.values), table.weight.values)
        if ends[0] == "input":
            by_source = table.to_dataframe().groupby("source").delay
            if (by_source.nunique() > 1).any():
                raise BadInput("A source of input__hidden1 has several delays; give one for each, for they are axonal.")
            arrays["delay"] = arrays["delay"].copy()
            arrays["delay"][by_source.first().index] = by_source.first()
    return replace(state, arrays=arrays)


RULE = LearningRule(init=init, step=step, evaluate=evaluate, describe=describe, restored=restored, deploy=deploy)
TOY = Method(name="toy-counts", verb="toy", config=ToyConfig, presets={"usual": ToyConfig()}, wants="events", rule=lambda: RULE)


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spike lists: those of class k come mostly from channels 2 k and 2 k + 1."""

    lists: list
    y: np.ndarray
    content = "events"
    n_channels = 6

    def __len__(self):
        return len(self.y)

    def batch(self, indices):
        chosen = [self.lists[i] for i in indices]
        begin = np.cumsum([0, *(len(channel) for channel, _ in chosen)])
        return Events(begin, *(np.concatenate(columns) for columns in zip(*chosen, strict=True))), self.y[np.asarray(indices)]


def spikes():
    random = np.random.default_rng(0)

    def part(n):
        y, lists = np.arange(n) % 3, []
        for k in y:
            channel = np.concatenate([random.integers(0, 6, 4), random.integers(2 * k, 2 * k + 2, 12)]).astype(np.int32)
            lists.append((channel, np.sort(random.uniform(0, 80, 16))))
        return Spikes(lists, y)

    return Recordings(
        name="spikes", training=part(40), validation=part(12), test=part(15), dt=0.0, duration=80.0, n_classes=3,
        frequency=None, gain=1.0, source="spikes", sha256="spikes",
    )  # fmt: skip
