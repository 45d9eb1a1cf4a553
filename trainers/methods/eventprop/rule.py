"""Event-based networks with delays, learned by exact gradients of their spikes.

Mészáros, Knight & Nowotny 2025; EventProp: Wunderlich & Pehle 2021, https://doi.org/10.1038/s41598-021-91786-z. A batch of
spike lists passes population by population, as `trainers.methods.eventprop.network` says.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import population, projection
from stanalysis.files.random_streams import Stream, random_stream
from trainers.datasets.augmentation import blended, shifted
from trainers.datasets.recordings import DataFormat, Events
from trainers.methods.contract import Activity, Description, Evaluation, LearningRule, Tables
from trainers.methods.eventprop.config import EventPropConfig
from trainers.methods.eventprop.network import EventNetwork, Projection
from trainers.methods.eventprop.passes import Parameters, Passed, backward, forward
from trainers.methods.eventprop.readouts import Answer, answered, readout_adjoint
from trainers.methods.eventprop.records import LANES, SLICES, Guards, grid
from trainers.methods.eventprop.spikes import counts, in_steps, input_spikes
from trainers.optimisers import adam, cosine

BETA1, BETA2 = 0.9, 0.999  # of Adam
MOST_PLACES = 2**24  # steps times blocks of a population: its timelines then have places of 32 bits, and fit into memory
EASE_FROM = 0.01  # of the weights' rate
TRAINED = ("weight", "delay")


@dataclass
class EventState:
    """A network in training.

    ``arrays`` holds weights and delays in ms of every projection, dims (target, source), Adam's moments of those that are
    trained, and what the epoch has seen so far. ``widths`` is scratch.
    """

    config: EventPropConfig
    data: DataFormat
    network: EventNetwork
    seed: int
    arrays: Parameters
    widths: dict[str, int]


def network_of(config: EventPropConfig, data: DataFormat) -> EventNetwork:
    """The network that a configuration describes, for these data."""
    trial = config.trial or data.duration
    steps = (trial + config.max_delay) / config.dt
    if steps * -(-max((*config.hidden, data.n_classes)) // LANES) > MOST_PLACES:
        raise BadInput(
            f"Trials of {trial:g} ms with delays up to {config.max_delay:g} ms have too many steps of {config.dt:g} ms; give "
            "less of --trial or --max-delay, a larger --dt, or fewer neurons."
        )
    n_steps = int(np.ceil(trial / config.dt - 1e-9))
    if n_steps < 1:
        none = f"Trials of {trial:g} ms hold no step of {config.dt:g} ms"
        raise BadInput(f"{none}; give a longer --trial, or 0 for that of the data.")
    return EventNetwork(
        sizes=(data.n_channels, *config.hidden, data.n_classes),
        recurrent=config.recurrent,
        spiking_output=config.readout == "first",
        continuous=config.timing == "continuous",
        published=config.scheme == "published",
        grid=grid(n_steps, config.dt, config.tau_mem, config.tau_syn),
        tau_out=config.tau_out,
    )


def delays_of(config: EventPropConfig, synapses: Projection) -> str:
    """Whether the delays of a projection are learned, fixed, or none."""
    if synapses.kind == "recurrent":
        return config.recurrent_delays
    return config.readout_delays if synapses.target == "output" else config.delays


def init(config: EventPropConfig, seed: int, data: DataFormat) -> EventState:
    """A network before training: weights normal, delays uniform."""
    network = network_of(config, data)
    arrays: Parameters = {}
    for k, synapses in enumerate(network.projections):
        random = random_stream(seed, Stream.INIT, k)
        shape = (synapses.n_target, synapses.n_source)
        arrays[synapses.array("weight")] = random.normal(*_start(config, synapses), shape).astype(np.float32)
        kind = delays_of(config, synapses)
        longest = config.start_recurrent_delay if synapses.kind == "recurrent" else config.start_delay
        delay = random.uniform(0, longest, shape) * (kind != "none")
        if kind == "fixed" and not network.is_continuous(synapses):
            delay = np.rint(delay / config.dt) * config.dt
        arrays[synapses.array("delay")] = delay.astype(np.float32)
        for what in trained_arrays(config, synapses):
            arrays |= {synapses.array(f"{moment}_{what}"): np.zeros(shape, np.float32) for moment in ("first", "second")}
    arrays |= {f"{name}_spikes": np.zeros(n, np.int64) for name, n in _spiking(network)}
    arrays |= {name: np.zeros((), np.int64) for name in ("epoch", "samples", "capped", "cut")}
    return EventState(config, data, network, seed, arrays, {})


def _start(config: EventPropConfig, synapses: Projection) -> tuple[float, float]:
    if synapses.kind == "recurrent":
        return config.recurrent_weights
    if synapses.target == "output":
        return config.readout_weights
    return config.input_weights if synapses.source == "input" else config.hidden_weights


def _spiking(network: EventNetwork) -> list[tuple[str, int]]:
    return [(feed.target, feed.n_target) for feed, _ in network.layers]


def trained_arrays(config: EventPropConfig, synapses: Projection) -> list[str]:
    """What the optimiser moves in a projection."""
    return ["weight", *(["delay"] if delays_of(config, synapses) == "learned" else [])]


def gradient(
    state: EventState, events: Events, label: NDArray, keep: list[NDArray[np.bool_]] | None = None
) -> tuple[Parameters, Answer, Passed, Guards]:
    """The gradients of the mean loss of a batch by weights and delays, and what it did.

    Where ``keep`` (sample, neuron) of a hidden population is False, the neuron does not fire, and others speak for it.
    """
    config, network, louder = state.config, state.network, 1.0 if keep is None else 1 / (1 - state.config.dropout)
    heard = {p.array("weight"): np.float32(1.0 if p.source == "input" else louder) for p in network.projections}
    arrays = state.arrays | {name: state.arrays[name] * factor for name, factor in heard.items()}
    done = passed(state, arrays, events, keep)
    answer = answered(config, network, arrays, done, label)
    _require_finite("the readout", answer.bar)
    bars, drive = readout_adjoint(config, network, arrays, done, answer)
    most = config.guard / len(label) if config.guard else np.inf
    guards = Guards(config.least_slope, most, np.zeros(SLICES, np.int64), np.zeros(SLICES, np.int64))
    pulls = []
    for (name, n), spikes in zip(_spiking(network), done.spikes[1:], strict=True):
        excess = counts(spikes).mean(axis=0) - config.target_spikes
        pull = config.regulariser * excess / len(label) if name != "output" else np.zeros(n)
        pulls.append(pull.astype(np.float32))
    bars |= backward(network, done, drive, pulls, guards)
    for name, bar in bars.items():
        bar *= heard.get(name, np.float32(1))
        _require_finite(f"the gradient of {name}", bar)
    return bars, answer, done, guards


def passed(state: EventState, arrays: Parameters, events: Events, keep: list[NDArray[np.bool_]] | None = None) -> Passed:
    """A batch's way through the spiking populations."""
    network = state.network
    spikes = input_spikes(events, network.sizes[0], network.grid, between=network.continuous, once=network.published)
    done = forward(network, arrays, spikes, state.widths, keep)
    for (name, _), fired in zip(_spiking(network), done.spikes[1:], strict=True):
        for sample, n_spikes in enumerate(fired.begin[:, -1]):
            if not np.isfinite(fired.fraction[sample, :n_spikes]).all():
                raise BadInput(f"A spike time of {name} is no number; lower the rates.")
    return done


def _require_finite(what: str, array: NDArray) -> None:
    if not np.isfinite(array).all():
        raise BadInput(f"Training diverged: {what} is not finite; lower the rates, or give --guard.")


def step(state: EventState, batch: Events, label: NDArray, *, step: int, epoch: int) -> tuple[NDArray, NDArray]:
    """Train on batch number ``step`` from 0; return loss and prediction of its samples."""
    config, arrays = state.config, state.arrays
    if epoch != arrays["epoch"]:
        _begin_epoch(state, epoch)
    random, keep = random_stream(state.seed, Stream.DROPOUT, step), None
    if config.dropout:
        keep = [random.random((len(label), n), np.float32) >= config.dropout for n in config.hidden]
    bars, answer, done, guards = gradient(state, augmented(state, batch, label, step), label, keep)
    scale = cosine(epoch, config.epochs, 1.0) if config.schedule == "cosine" else 1.0
    eased = scale * ease(step, config.ease_in)
    rates = {"weight": eased * config.weight_rate, "delay": scale * config.delay_rate, "readout": eased * config.readout_rate}
    for synapses in state.network.projections:
        for what in trained_arrays(config, synapses):
            rate = rates["readout" if what == "weight" and synapses.target == "output" else what]
            _move(state, synapses, what, bars[synapses.array(what)], rate, step + 1)
    for (name, _), spikes in zip(_spiking(state.network), done.spikes[1:], strict=True):
        arrays[f"{name}_spikes"] += counts(spikes).sum(axis=0)
    arrays["samples"] += len(label)
    arrays["capped"] += guards.n_capped.sum()
    arrays["cut"] += guards.n_cut.sum()
    return answer.loss, answer.prediction


def ease(step: int, n_steps: int) -> float:
    """Share of the weights' rate in a training step: from a hundredth up to 1 over ``n_steps``, by a factor that itself grows.

    Examples
    --------
    >>> [round(ease(step, 14), 3) for step in (0, 7, 13, 14, 10**6)]
    [0.01, 0.034, 0.541, 1.0, 1.0]
    """
    left = 1 - step * (step + 1) / max(n_steps * (n_steps + 1), 1)
    return float(EASE_FROM ** max(left, 0.0)) if step < n_steps else 1.0


def _move(state: EventState, synapses: Projection, what: str, bar: NDArray, rate: float, age: int) -> None:
    """One step of Adam on the weights or delays of a projection; delays stay from 0 to the longest."""
    name = synapses.array(what)
    values = state.arrays[name]
    first, second = (state.arrays[synapses.array(f"{moment}_{what}")].reshape(-1) for moment in ("first", "second"))
    ages = np.full(values.size, age, np.int64)
    adam(values.reshape(-1), bar.reshape(-1), first, second, ages, rate, BETA1, BETA2, state.config.epsilon)
    _require_finite(name, values)
    if what == "delay":
        np.clip(values, 0, state.config.max_delay, out=values)


def _begin_epoch(state: EventState, epoch: int) -> None:
    """Lift the neurons that were silent for an epoch, and count anew."""
    arrays = state.arrays
    for feed, _ in state.network.layers:
        silent = arrays[f"{feed.target}_spikes"] == 0
        if silent.all() and arrays["samples"]:
            why = f"no neuron of {feed.target} fired in epoch {epoch}"
            warnings.warn(f"{why}; choose the preset for these data, or other weights", stacklevel=2)
        arrays[feed.array("weight")][silent] += np.float32(state.config.rescue)
        arrays[f"{feed.target}_spikes"][:] = 0
    for name in ("samples", "capped", "cut"):
        arrays[name][...] = 0
    arrays["epoch"][...] = epoch


def augmented(state: EventState, batch: Events, label: NDArray, step: int) -> Events:
    """The batch as it is trained on: samples mixed with others of their class, and shifted by some channels."""
    config = state.config
    random = random_stream(state.seed, Stream.AUGMENT, step)
    if config.blend:
        batch = blended(batch, label, random, share=config.blend)
    if config.channel_shift:
        shift = random.integers(-config.channel_shift, config.channel_shift, len(label), endpoint=True)
        batch = shifted(batch, shift, n_channels=state.data.n_channels)
    return batch


def evaluate(state: EventState, batch: Events, label: NDArray) -> Evaluation:
    """Run the network, with the spikes of its hidden neurons."""
    done = passed(state, state.arrays, batch)
    answer = answered(state.config, state.network, state.arrays, done, label)
    _require_finite("the readout", answer.bar)
    hidden = done.spikes[1 : 1 + len(state.config.hidden)]
    return Evaluation(answer.loss, answer.prediction, [counts(spikes).sum(axis=0) for spikes in hidden])


def describe(state: EventState, *, epoch: int, spikes: Sequence[NDArray]) -> Description:  # noqa: ARG001
    """Populations, with rates from the ``spikes`` of a sample, and projections of a checkpoint."""
    config, network = state.config, state.network
    seconds = network.grid.n_steps * network.grid.dt / 1000
    frequency = {} if state.data.frequency is None else {"frequency": state.data.frequency}
    populations = {"input": population(network.sizes[0], **frequency)}
    for k, (name, n) in enumerate(zip(network.names[1:], network.sizes[1:], strict=True)):
        integrates = name == "output" and not network.spiking_output
        columns = {"time_constant": np.full(n, config.tau_out if integrates else config.tau_mem)}
        populations[name] = population(n, **columns, **({"rate": spikes[k] / seconds} if k < len(spikes) else {}))
    projections = {}
    for synapses in network.projections:
        weight, delay = (state.arrays[synapses.array(what)] for what in TRAINED)
        target, source = np.indices(weight.shape, np.int32).reshape(2, -1)
        projections[synapses.source, synapses.target] = projection(
            n_source=synapses.n_source,
            n_target=synapses.n_target,
            delay_max=0.0 if delays_of(config, synapses) == "none" else config.max_delay,
            rounding=network.rounding(synapses),
            source=source,
            target=target,
            delay=delay.ravel(),
            weight=weight.ravel(),
        )
    return Description(populations, projections, 0.0 if network.continuous else config.dt)


def restored(state: EventState, arrays: Parameters) -> EventState:
    """The state with the arrays of a checkpoint's trainer state; `BadInput` if they are not those of this network."""
    for name, wanted in state.arrays.items():
        if name not in arrays or arrays[name].shape != wanted.shape or arrays[name].dtype != wanted.dtype:
            raise BadInput(f"The checkpoint lacks {name!r}, or holds it in another shape; it belongs to another run.")
    return replace(state, arrays={name: np.array(arrays[name]) for name in state.arrays}, widths={})


def deploy(state: EventState, tables: Tables) -> EventState:
    """The network with the synapses of ``tables``; `BadInput` where they do not fit in."""
    known = {(synapses.source, synapses.target): synapses for synapses in state.network.projections}
    arrays = dict(state.arrays)
    for ends, table in tables.items():
        if ends not in known:
            raise BadInput(f"The network has no projection {'__'.join(ends)}; it has {', '.join(map('__'.join, known))}.")
        synapses = known[ends]
        place = table["target"].to_numpy().astype(np.int64), table["source"].to_numpy().astype(np.int64)
        delay, weight = (table[name].to_numpy().astype(np.float32) for name in ("delay", "weight"))
        shape = (synapses.n_target, synapses.n_source)
        inside = all(((at >= 0) & (at < n)).all() for at, n in zip(place, shape, strict=True))
        if not inside or not (np.isfinite(weight) & (delay >= 0) & (delay <= state.config.max_delay)).all():
            raise BadInput(f"A synapse of {'__'.join(ends)} has no such neurons, delay or weight here; mend the table.")
        if len(np.unique(np.ravel_multi_index(place, shape))) < len(weight):
            raise BadInput(f"{'__'.join(ends)} joins a pair of neurons twice, which this network cannot run; mend the table.")
        for what, values in (("weight", weight), ("delay", delay)):
            arrays[synapses.array(what)] = np.zeros(shape, np.float32)
            arrays[synapses.array(what)][place] = values
    return replace(state, arrays=arrays)


def watched(state: EventState) -> dict[str, float]:
    """How the epoch went so far: spikes of a neuron in a training sample, and how often cap and guard acted."""
    arrays, samples = state.arrays, max(int(state.arrays["samples"]), 1)
    hidden = [arrays[f"{name}_spikes"] for name, _ in _spiking(state.network) if name != "output"]
    spikes = float(np.concatenate(hidden).mean() / samples) if hidden else 0.0
    return {"spikes_per_neuron": spikes, "capped": float(arrays["capped"]), "cut": float(arrays["cut"])}


def sent(state: EventState, batch: Events) -> Activity:
    """Numbers of spikes in each step of the time grid, of the input and the hidden populations."""
    done, network = passed(state, state.arrays, batch), state.network
    names = ("input", *(name for name, _ in _spiking(network) if name != "output"))
    shown = {name: in_steps(spikes, network.grid.n_steps) for name, spikes in zip(names, done.spikes, strict=False)}
    return Activity(shown, network.grid.dt)


RULE = LearningRule(
    init=init,
    step=step,
    evaluate=evaluate,
    describe=describe,
    restored=restored,
    deploy=deploy,
    watched=watched,
    sent=sent,
)
