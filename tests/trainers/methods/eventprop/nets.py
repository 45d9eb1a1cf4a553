"""Random nets with a batch of recordings, as the oracle and as the engine run them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tests.trainers.methods.eventprop.layers import layered
from tests.trainers.methods.eventprop.losses import FirstSpike, MaxVoltage, MeanVoltage
from tests.trainers.methods.eventprop.oracle import gradients, simulate
from trainers.datasets.recordings import DataFormat, Events
from trainers.methods.eventprop.config import EventPropConfig
from trainers.methods.eventprop.rule import EventState, gradient, network_of

Gradient = dict[str, dict[str, np.ndarray]]  # by projection, of weight and delay (source, target)


@dataclass(frozen=True)
class Case:
    """A net, weights and delays (source, target) by projection, and spike times of every channel of every sample."""

    config: EventPropConfig
    sizes: tuple[int, ...]
    weight: dict[str, np.ndarray]
    delay: dict[str, np.ndarray]
    trains: list[list[np.ndarray]]
    label: np.ndarray


class Outcome(NamedTuple):
    """Spike times of every neuron of every sample, the mean loss, and its gradient."""

    times: list[list[np.ndarray]]
    loss: float
    gradient: Gradient


def draw(
    seed: int,
    sizes: Sequence[int],
    *,
    recurrent: bool = False,
    at_once: bool = False,
    readout_delay: float = 0.0,
    scale: float = 1.0,
    n_samples: int = 1,
    **settings,
) -> Case:
    """A net of about three spikes a neuron in 60 ms; recurrent ones have delays, unless they act ``at_once``."""
    config = EventPropConfig(
        hidden=tuple(sizes[1:-1]), recurrent=recurrent, trial=60, readout_delays="learned", least_slope=1e-9, **settings
    )
    random = np.random.default_rng(seed)
    names = ["input", *(f"hidden{k}" for k in range(1, len(sizes) - 1)), "output"]
    size = dict(zip(names, sizes, strict=True))
    weight, delay = {}, {}
    for source, target in pairwise(names):
        name, shape = f"{source}__{target}", (size[source], size[target])
        weight[name] = scale * random.normal(1.5, 1.8, shape) / np.sqrt(size[source])
        delay[name] = random.uniform(0, 15 if target != "output" or config.readout == "first" else readout_delay, shape)
        if config.timing == "steps" and source == "input":
            delay[name] = np.rint(delay[name])
        if recurrent and target != "output":
            shape = (size[target], size[target])
            weight[f"{target}__{target}"] = scale * random.normal(0, 1.6, shape) / np.sqrt(size[target])
            delay[f"{target}__{target}"] = random.uniform(0, 15, shape) * (not at_once)
    single = [{name: array.astype(np.float32).astype(float) for name, array in arrays.items()} for arrays in (weight, delay)]
    trains = [[random.uniform(0, 42, random.integers(2, 6)) for _ in range(sizes[0])] for _ in range(n_samples)]
    fine = np.float32 if config.timing == "continuous" else np.floor
    trains = [[np.unique(fine(t)).astype(float) for t in sample] for sample in trains]
    return Case(config, tuple(sizes), *single, trains, random.integers(0, sizes[-1], n_samples))


def events(trains: Sequence[Sequence[np.ndarray]]) -> Events:
    """A batch of the spike times of every channel of every sample."""
    time = [np.concatenate(sample) for sample in trains]
    channel = [np.repeat(np.arange(len(sample)), [len(train) for train in sample]) for sample in trains]
    order = [np.argsort(t, kind="stable") for t in time]
    return Events(
        np.cumsum([0, *map(len, time)]),
        np.concatenate([c[o] for c, o in zip(channel, order, strict=True)]).astype(np.int32),
        np.concatenate([t[o] for t, o in zip(time, order, strict=True)]),
    )


def state_of(case: Case, widths: dict[str, int] | None = None) -> EventState:
    """The engine's state with the weights and delays of a case."""
    data = DataFormat(case.sizes[0], case.sizes[-1], 0.0, case.config.trial)
    parts = {"weight": case.weight, "delay": case.delay}
    arrays = {f"{name}_{part}": a.T.astype(np.float32).copy() for part, of in parts.items() for name, a in of.items()}
    return EventState(case.config, data, network_of(case.config, data), 0, arrays, widths or {})


def by_engine(case: Case, widths: dict[str, int] | None = None) -> Outcome:
    """What the engine makes of a case."""
    state = state_of(case, widths)
    bars, answer, done, _ = gradient(state, events(case.trains), case.label)
    found: Gradient = {name: {} for name in case.weight}
    for name, bar in bars.items():
        projection, _, part = name.rpartition("_")
        found[projection][part] = bar.T
    times: list[list[np.ndarray]] = []
    for sample in range(len(case.trains)):
        times.append([])
        for spikes in done.spikes[1:]:
            begin = spikes.begin[sample]
            at = (spikes.step[sample, : begin[-1]] + spikes.fraction[sample, : begin[-1]].astype(float)) * case.config.dt
            times[-1] += np.split(at, begin[1:-1])
    return Outcome(times, float(answer.loss.mean()), found)


def by_oracle(case: Case) -> Outcome:
    """What the oracle makes of a case."""
    config = case.config
    first = config.readout == "first"
    built = layered(case.sizes, case.weight, case.delay, spiking_output=first, duration=config.trial, tau_out=config.tau_out)
    found, losses, times = [], [], []
    for trains, label in zip(case.trains, case.label, strict=True):
        loss = {
            "mean": lambda label: MeanVoltage(label),
            "maximum": lambda label: MaxVoltage(label),
            "first": lambda label: FirstSpike(built.neurons["output"], label, config.margin),
        }[config.readout](label)
        value, bars = gradients(built.net, trains, loss)
        losses.append(value)
        found.append(built.split(bars))
        times.append(simulate(built.net, trains).times)
    mean = {
        name: {part: np.mean([each[name][part] for each in found], axis=0) for part in ("weight", "delay")}
        for name in case.weight
    }
    return Outcome(times, float(np.mean(losses)), mean)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Of the angle between two gradients; 1 if both are zero."""
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.vdot(a, b) / size) if size else float(not a.any() and not b.any())


def with_arrays(case: Case, **changes: dict[str, np.ndarray]) -> Case:
    """The case with other ``weight`` or ``delay`` of some projections."""
    return replace(case, **{part: getattr(case, part) | arrays for part, arrays in changes.items()})
