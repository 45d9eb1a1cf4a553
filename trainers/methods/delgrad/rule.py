"""Networks that fire once, with delays, learned by exact gradients of their spike times.

Göltz, Weber, Kriener et al. (2025), https://doi.org/10.1038/s41467-025-63120-y. All spikes of a batch pass population by
population; times are in units of the synaptic time constant, after the first spike of each sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import population, projection
from stanalysis.files.random_streams import Stream, random_stream
from trainers.datasets.recordings import DataFormat, Events
from trainers.methods.contract import Activity, Description, Evaluation, LearningRule, Tables
from trainers.methods.delgrad.config import DelGradConfig
from trainers.methods.delgrad.loss import Answer, answered
from trainers.methods.delgrad.network import Bounds, Projection, projections
from trainers.methods.delgrad.passes import (
    Passed,
    backward,
    forward,
    in_steps,
    input_spikes,
    spikes_of,
    synapses_of,
    times_after_first,
)
from trainers.optimisers import adam, cosine, stepped

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # of Adam
DECAY, DECAY_EVERY = 0.95, 20  # of the rates, in epochs
LEAST_THRESHOLD = 0.01  # of its mean, however large the noise
NOBODY = -1  # bumped
STEPS_PER_UNIT = 4  # in which what is sent is shown
MOST_BUMPS = 40  # in a row: the last is a million million times the first


@dataclass
class DelGradState:
    """A network in training.

    ``arrays`` holds weights and what is learned of the delays, in units and with dims (target, source), Adam's moments of both,
    thresholds, who was bumped, and what the epoch has seen so far. ``deployed`` holds delays in units of projections whose
    synapses are those of a table.
    """

    config: DelGradConfig
    data: DataFormat
    projections: tuple[Projection, ...]
    bounds: Bounds
    seed: int
    arrays: dict[str, NDArray]
    deployed: Mapping[str, NDArray] = field(default_factory=dict)

    def delay(self, synapses: Projection) -> NDArray:
        """Delays in units, dims (target, source)."""
        name = synapses.array("delay")
        return self.deployed[name] if name in self.deployed else synapses.spread(self.bounds.delay(self.arrays[name]))

    def weight(self, synapses: Projection) -> NDArray:
        """Weights as the network computes with them."""
        weight, step = self.arrays[synapses.array("weight")], self.config.weight_step
        return np.rint(weight / step) * step if step else weight


def init(config: DelGradConfig, seed: int, data: DataFormat) -> DelGradState:
    """A network before training: weights, what is learned of the delays, and thresholds normal."""
    joins = projections((data.n_channels, *config.hidden, data.n_classes), config.delays, config.copies)
    bounds = Bounds(config.bound, config.delay_shift, config.delay_scale)
    arrays: dict[str, NDArray] = {}
    for k, synapses in enumerate(joins):
        random = random_stream(seed, Stream.INIT, k)
        start = config.readout_weights if synapses.target == "output" else config.hidden_weights
        arrays[synapses.array("weight")] = random.normal(*start, synapses.shape)
        arrays[synapses.array("delay")] = random.normal(*config.start_delays, synapses.shape_of_delays)
        noise = random.normal(*config.threshold_noise, synapses.n_target)
        arrays[f"{synapses.target}_threshold"] = np.maximum(config.threshold + noise, LEAST_THRESHOLD * config.threshold)
        bounds.keep(arrays[synapses.array("delay")])
        for name in (synapses.array("weight"), synapses.array("delay")):
            arrays |= {f"{name}_{moment}": np.zeros_like(arrays[name]) for moment in ("first", "second")}
        arrays[f"{synapses.target}_silent"] = np.zeros(synapses.n_target, np.int64)
    arrays |= {name: np.zeros((), np.int64) for name in ("age", "epoch", "samples", "n_bumped", "n_cut")}
    arrays |= {"last_bumped": np.array(NOBODY), "bump": np.zeros(())}
    return DelGradState(config, data, joins, bounds, seed, arrays)


def step(state: DelGradState, batch: Events, label: NDArray, *, step: int, epoch: int) -> tuple[NDArray, NDArray]:
    """Train on batch number ``step`` from 0; return loss and prediction of its samples.

    Where too many neurons of a population are silent, the weights to them are raised instead.
    """
    config, arrays = state.config, state.arrays
    if epoch != arrays["epoch"]:
        _begin_epoch(state, epoch)
    done, thresholds = run(state, batch, random_stream(state.seed, Stream.NOISE, step))
    answer = answered(output_times(state, done), label, config.margin)
    heard = np.diff(batch.begin) > 0  # where there is no spike, no weight can help
    silent = [~np.isfinite(fired.slow[heard, :, 0]) for fired in done.fired]
    for synapses, here in zip(state.projections, silent, strict=True):
        arrays[f"{synapses.target}_silent"] += here.sum(axis=0)
    arrays["samples"] += heard.sum()
    needing = needs_bump(state, silent)
    if needing == NOBODY:
        bars, n_cut = gradient(state, done, thresholds, answer)
        _move(state, bars, epoch)
        arrays["n_cut"] += n_cut
    else:
        _bump(state, needing, np.any(silent[needing], axis=0))
    if config.largest_weight:
        for synapses in state.projections:
            weight = arrays[synapses.array("weight")]
            np.clip(weight, -config.largest_weight, config.largest_weight, out=weight)
    return answer.loss, answer.prediction


def run(state: DelGradState, events: Events, noise: np.random.Generator | None = None) -> tuple[Passed, list[NDArray]]:
    """A batch's way through the network, and the thresholds that there were; with the noise of training if there is some."""
    config, ratio = state.config, state.config.tau_mem
    done, thresholds = Passed(), []

    def jitter(shape: tuple[int, ...]) -> NDArray | None:
        return noise.normal(0, config.jitter, shape) if noise and config.jitter else None

    spikes = input_spikes(events, ratio, config.ms_per_unit, config.copies, jitter(events.time.shape))
    for synapses in state.projections:
        threshold = state.arrays[f"{synapses.target}_threshold"]
        if noise and config.threshold_jitter:
            moved = threshold + noise.normal(0, config.threshold_jitter, threshold.shape)
            threshold = np.maximum(moved, LEAST_THRESHOLD * config.threshold)
        thresholds.append(threshold / ratio)
        last = synapses.target == "output"
        given = synapses_of(state.weight(synapses), state.delay(synapses), ratio)
        fired = forward(ratio, spikes, given, thresholds[-1], 1 if last else config.spikes)
        done.spikes.append(spikes)
        done.synapses.append(given)
        done.fired.append(fired)
        if not last:
            spikes = spikes_of(fired, ratio, jitter(fired.slow.shape))
    return done, thresholds


def output_times(state: DelGradState, done: Passed) -> NDArray[np.float64]:
    """Times of the output in units, infinite where it is silent, dims (sample, output)."""
    return done.times(len(state.projections) - 1, state.config.tau_mem)[:, :, 0]


def gradient(
    state: DelGradState, done: Passed, thresholds: Sequence[NDArray], answer: Answer
) -> tuple[dict[str, NDArray], int]:
    """The gradients of the mean loss of a batch by weights and what is learned of the delays; how many spikes' were cut."""
    arrays, largest = state.arrays, state.config.guard or np.inf
    weights = [arrays[synapses.array("weight")] for synapses in state.projections]
    by_weight, by_delay, n_cut = backward(
        state.config.tau_mem, done, thresholds, weights, answer.bar[:, :, None].copy(), largest=largest
    )
    bars = {}
    for synapses, weight_bar, delay_bar in zip(state.projections, by_weight, by_delay, strict=True):
        name = synapses.array("delay")
        bars[synapses.array("weight")] = weight_bar
        bars[name] = synapses.gathered(delay_bar) * state.bounds.slope(arrays[name])
    for name, bar in bars.items():
        if not np.isfinite(bar).all():
            raise BadInput(f"Training diverged: the gradient of {name} is not finite; lower the rates, or give --guard.")
    return bars, n_cut


def needs_bump(state: DelGradState, silent: Sequence[NDArray]) -> int:
    """The first population behind the input of which more neurons (sample, neuron) are silent than is borne, or `NOBODY`."""
    for k, (synapses, here) in enumerate(zip(state.projections, silent, strict=True)):
        most = state.config.most_silent_output if synapses.target == "output" else state.config.most_silent
        if state.config.bump and here.sum() > most * here.size:
            return k
    return NOBODY


def _bump(state: DelGradState, k: int, needy: NDArray) -> None:
    """Raise the weights to the needy neurons of a population, by twice as much as last time if that was needed again."""
    arrays = state.arrays
    again = int(arrays["last_bumped"]) == k
    arrays["bump"][...] = 2 * arrays["bump"] if again else state.config.bump
    if arrays["bump"] >= state.config.bump * 2**MOST_BUMPS:
        name = state.projections[k].target
        allowed = "--most-silent-output" if name == "output" else "--most-silent"
        often = f"The weights to {name} were raised {MOST_BUMPS} times in a row, and too many of its neurons are silent still"
        raise BadInput(f"{often}; give more of {allowed}, other first weights, or other data.")
    arrays["last_bumped"][...] = k
    arrays["n_bumped"] += 1
    arrays[state.projections[k].array("weight")][needy] += arrays["bump"]


def _move(state: DelGradState, bars: Mapping[str, NDArray], epoch: int) -> None:
    """One step of Adam on weights and delays."""
    config, arrays = state.config, state.arrays
    arrays["last_bumped"][...] = NOBODY
    arrays["age"] += 1
    scale = {
        "steps": stepped(epoch, 1.0, factor=DECAY, every=DECAY_EVERY),
        "cosine": cosine(epoch, config.epochs, 1.0),
        "constant": 1.0,
    }[config.schedule]
    scale *= config.rate_factor
    for synapses in state.projections:
        for what, rate in (("weight", config.weight_rate), ("delay", config.delay_rate)):
            name = synapses.array(what)
            first, second = (arrays[f"{name}_{moment}"].reshape(-1) for moment in ("first", "second"))
            ages = np.full(first.size, int(arrays["age"]), np.int64)
            values, bar = arrays[name].reshape(-1), bars[name].reshape(-1)
            adam(values, bar, first, second, ages, rate * scale, BETA1, BETA2, EPSILON)
        state.bounds.keep(arrays[synapses.array("delay")])


def _begin_epoch(state: DelGradState, epoch: int) -> None:
    arrays = state.arrays
    for synapses in state.projections:
        arrays[f"{synapses.target}_silent"][:] = 0
    for name in ("samples", "n_bumped", "n_cut"):
        arrays[name][...] = 0
    arrays["epoch"][...] = epoch


def evaluate(state: DelGradState, batch: Events, label: NDArray) -> Evaluation:
    """Run the network without the noise of training, with the spikes of its hidden neurons."""
    done, _ = run(state, batch)
    answer = answered(output_times(state, done), label, state.config.margin)
    spikes = [np.isfinite(fired.slow).sum(axis=(0, 2)) for fired in done.fired[:-1]]
    return Evaluation(answer.loss, answer.prediction, spikes)


def describe(state: DelGradState, *, epoch: int, spikes: Sequence[NDArray]) -> Description:  # noqa: ARG001
    """Populations, with rates from the ``spikes`` of a sample, and projections of a checkpoint, with times in ms."""
    config, data = state.config, state.data
    populations = {"input": population(data.n_channels, **({} if data.frequency is None else {"frequency": data.frequency}))}
    tables = {}
    for k, synapses in enumerate(state.projections):
        rate = {"rate": spikes[k] / (data.duration / 1000)} if k < len(spikes) else {}
        time_constant = np.full(synapses.n_target, config.tau_mem * config.ms_per_unit)
        populations[synapses.target] = population(synapses.n_target, time_constant=time_constant, **rate)
        target, row = np.indices(synapses.shape, np.int32).reshape(2, -1)
        contact = {"contact": row % synapses.copies} if synapses.copies > 1 else {}
        tables[synapses.source, synapses.target] = projection(
            n_source=synapses.n_source,
            n_target=synapses.n_target,
            delay_max=0.0 if synapses.delays == "none" else state.bounds.longest * config.ms_per_unit,
            rounding="none",
            delay_kind="synaptic" if synapses.delays == "none" else synapses.delays,
            source=row // synapses.copies,
            target=target,
            delay=state.delay(synapses).ravel() * config.ms_per_unit,
            weight=state.weight(synapses).ravel(),
            **contact,
        )
    return Description(populations, tables, 0.0)


def restored(state: DelGradState, arrays: dict[str, NDArray]) -> DelGradState:
    """The state with the arrays of a checkpoint's trainer state; `BadInput` if they are not those of this network."""
    for name, wanted in state.arrays.items():
        if name not in arrays or arrays[name].shape != wanted.shape or arrays[name].dtype != wanted.dtype:
            raise BadInput(f"The checkpoint lacks {name!r}, or holds it in another shape; it belongs to another run.")
    return replace(state, arrays={name: np.array(arrays[name]) for name in state.arrays})


def deploy(state: DelGradState, tables: Tables) -> DelGradState:
    """The network with the synapses of ``tables``, whatever their delays belong to; `BadInput` where they do not fit in.

    Weights are rounded as those of the network are.
    """
    known = {(synapses.source, synapses.target): synapses for synapses in state.projections}
    arrays, deployed = dict(state.arrays), dict(state.deployed)
    longest = state.bounds.longest * state.config.ms_per_unit * (1 + 1e-9)
    for ends, table in tables.items():
        if ends not in known:
            raise BadInput(f"The network has no projection {'__'.join(ends)}; it has {', '.join(map('__'.join, known))}.")
        synapses = known[ends]
        target, source = (table[name].to_numpy().astype(np.int64) for name in ("target", "source"))
        contact = table["contact"].to_numpy().astype(np.int64) if "contact" in table else np.zeros_like(source)
        delay, weight = (table[name].to_numpy().astype(np.float64) for name in ("delay", "weight"))
        inside = all(
            ((at >= 0) & (at < n)).all()
            for at, n in ((target, synapses.n_target), (source, synapses.n_source), (contact, synapses.copies))
        )
        if not inside or not (np.isfinite(weight) & (delay >= 0) & (delay <= longest)).all():
            raise BadInput(f"A synapse of {'__'.join(ends)} has no such neurons, delay or weight here; mend the table.")
        place = target, source * synapses.copies + contact
        if len(np.unique(np.ravel_multi_index(place, synapses.shape))) < len(weight):
            raise BadInput(f"{'__'.join(ends)} holds a synapse twice, which this network cannot run; mend the table.")
        for values, given, name in ((weight, arrays, "weight"), (delay / state.config.ms_per_unit, deployed, "delay")):
            given[synapses.array(name)] = np.zeros(synapses.shape)
            given[synapses.array(name)][place] = values
    return replace(state, arrays=arrays, deployed=deployed)


def watched(state: DelGradState) -> dict[str, float]:
    """How the epoch went so far: the share of silent neurons, steps that raised weights, and spikes whose gradient was cut."""
    arrays, samples = state.arrays, max(int(state.arrays["samples"]), 1)
    hidden = [arrays[f"{synapses.target}_silent"] for synapses in state.projections[:-1]]
    silent = float(np.concatenate(hidden).mean() / samples) if hidden else 0.0
    return {"silent": silent, "bumped": float(arrays["n_bumped"]), "cut": float(arrays["n_cut"])}


def sent(state: DelGradState, batch: Events) -> Activity:
    """Numbers of spikes in steps of a quarter of tau_syn, after the first spike of a sample; what comes later is left out."""
    config, (done, _) = state.config, run(state, batch)
    n_steps = int(STEPS_PER_UNIT * (state.data.duration / config.ms_per_unit + 2 * state.bounds.longest)) + 1
    times = [
        times_after_first(batch, state.data.n_channels) / config.ms_per_unit,
        *(done.times(k, config.tau_mem) for k in range(len(state.projections) - 1)),
    ]
    shown = {
        synapses.source: in_steps(STEPS_PER_UNIT * when, n_steps)
        for synapses, when in zip(state.projections, times, strict=True)
    }
    return Activity(shown, config.ms_per_unit / STEPS_PER_UNIT)


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
