"""Dense networks whose delays are learned by gradients: dilated convolutions with learnable spacings (DCLS).

Mészáros, Knight & Nowotny 2024 (`MESZAROS_2024`) and Hammouamri et al. 2024 (`HAMMOUAMRI_2024`,
https://openreview.net/forum?id=4r2ybzJnmN) are two configurations. Fixed random delays and no delays are configurations too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import population, projection
from trainers.methods.dcls.network import Candidates, Network, Parameters, Workspace, loss_of
from trainers.methods.dcls.neurons import EPSILON
from trainers.methods.dcls.passes import adjoint, forward
from trainers.methods.dcls.synapses import Synapses, all_to_all
from trainers.optimisers import adam, cosine, one_cycle

NAME = "dcls"
SIGMA_FLOOR = 0.27  # DCLS adds it to the spread it is given
SIGMA_END = 0.23
MOMENTUM = 0.1  # of the running moments of the normalisation
_INIT, _DROPOUT = 0, 1  # what a random stream is for; the loop uses 2, sparse networks 3 and 4, pruning 5


@dataclass(frozen=True)
class DclsConfig:
    """A dense delay network and its training; the defaults are those of Mészáros, Knight & Nowotny 2024.

    Attributes
    ----------
    hidden
        Neurons of each hidden population.
    delays
        ``learned``; ``fixed`` at random whole bins; or ``none``, all delays 0.
    kernel_count
        Synapses (contacts) per pair of neurons.
    n_bins
        Delay bins; the longest delay is ``n_bins - 1`` steps.
    time_constant
        Of the membrane, in steps; the decay per step is ``1 - 1 / time_constant``.
    latency, readout_latency
        Steps from a current to the membrane of a hidden neuron and of a readout. They belong to the neuron, not to any delay.
    reset_erases_input
        Whether the reset also erases the current arriving in the step of the spike.
    surrogate_alpha
        Steepness of the arctan surrogate gradient.
    late_arrivals
        Whether every projection lengthens the signal by half of the longest delay, to let late arrivals in.
    dropout
        Probability that a hidden neuron is silenced in a sample, for all of its steps.
    batch_size, epochs
        Samples per step; passes through the training data.
    weight_rate, delay_rate
        Peak learning rates: one-cycle for weights, gain and bias; cosine for delays, in bins.
    l1, weight_decay
        Penalties on the weights: l1 times the sum of absolute values; half weight_decay times the sum of squares.
    """

    hidden: tuple[int, ...] = (256,)
    delays: Literal["learned", "fixed", "none"] = "learned"
    kernel_count: int = 1
    n_bins: int = 25
    time_constant: float = 10.05
    latency: int = 2
    readout_latency: int = 1
    reset_erases_input: bool = True
    surrogate_alpha: float = 5.0
    late_arrivals: bool = False
    dropout: float = 0.4
    batch_size: int = 256
    epochs: int = 150
    weight_rate: float = 5e-3
    delay_rate: float = 0.1
    l1: float = 0.01
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise BadInput(f"{name} is {value}; give a finite number.")
        at_least = {"kernel_count": 1, "n_bins": 1, "time_constant": 1, "batch_size": 2, "epochs": 1, "weight_rate": 0}
        at_least |= {"delay_rate": 0, "l1": 0, "weight_decay": 0, "latency": 0, "readout_latency": 0}
        for name, least in at_least.items():
            if not getattr(self, name) >= least:
                raise BadInput(f"{name} is {getattr(self, name)}; give {least} or more.")
        if not self.hidden or min(self.hidden) < 1:
            raise BadInput(f"hidden is {self.hidden}; give at least one population of at least one neuron.")
        if not 0 <= self.dropout < 1:
            raise BadInput(f"dropout is {self.dropout}; give a probability from 0 to below 1.")
        for name, hint in get_type_hints(type(self)).items():
            if get_origin(hint) is Literal and getattr(self, name) not in get_args(hint):
                raise BadInput(f"{name} is {getattr(self, name)!r}; give one of {', '.join(get_args(hint))}.")


MESZAROS_2024 = DclsConfig()
HAMMOUAMRI_2024 = DclsConfig(
    hidden=(256, 256),
    time_constant=1.005,
    latency=0,
    readout_latency=0,
    reset_erases_input=False,
    late_arrivals=True,
    l1=0.0,
    weight_decay=1e-5,
)
PRESETS = {"meszaros2024": MESZAROS_2024, "hammouamri2024": HAMMOUAMRI_2024}


C = TypeVar("C", bound=DclsConfig)


def config_from(stored: Any, kind: type[C]) -> C:
    """The configuration that a run folder stores; `BadInput` if it is none of that ``kind``."""
    usual = asdict(kind())
    if isinstance(stored, dict) and set(stored) == set(usual):
        found: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in stored.items()}
        kinds = {name: int | float if isinstance(value, float) else type(value) for name, value in usual.items()}
        if all(isinstance(found[name], own) for name, own in kinds.items()) and all(type(n) is int for n in found["hidden"]):
            return kind(**found)
    raise BadInput("run.json holds no valid configuration of this method; restore it, or train anew.")


@dataclass
class DclsState:
    """A network in training; ``arrays`` holds the parameters as in `Network`, and Adam's moments of each by its name."""

    config: DclsConfig
    network: Network
    synapses: list[Synapses]
    seed: int
    arrays: Parameters
    workspace: Workspace

    def rows(self, layer: int) -> NDArray[np.int64]:
        """The rows of a projection's table that are synapses, in the order of a checkpoint."""
        return self.synapses[layer].by_target


S = TypeVar("S", bound=DclsState)


def stream(seed: int, *purpose: int) -> np.random.Generator:
    """The random numbers for one purpose."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=purpose))


def _trained(config: DclsConfig, layer: int, n_projections: int) -> list[str]:
    """Names of the parameters that the optimiser moves."""
    names = [f"weight_{layer}"]
    names += [f"delay_{layer}"] if config.delays == "learned" else []
    return names + ([f"gain_{layer}", f"bias_{layer}"] if layer < n_projections - 1 else [])


def init(config: DclsConfig, seed: int, n_source: int, n_classes: int, dtype: str = "float32") -> DclsState:
    """A network before training: weights uniform after Kaiming, delays uniform over the bins, the last one doubly likely."""
    kind = np.dtype(dtype)
    network = Network(
        sizes=(n_source, *config.hidden, n_classes),
        n_bins=config.n_bins,
        beta=1 - 1 / config.time_constant,
        latency=config.latency,
        readout_latency=config.readout_latency,
        reset_erases_input=config.reset_erases_input,
        surrogate_alpha=config.surrogate_alpha,
        growth=(config.n_bins - 1) // 2 if config.late_arrivals else 0,
        dtype=kind,
    )
    arrays: Parameters = {}
    synapses = []
    for layer in range(network.n_projections):
        shape = (network.sizes[layer + 1], network.sizes[layer], config.kernel_count)
        synapses.append(all_to_all(shape[1], shape[0], shape[2]))
        random = stream(seed, _INIT, layer)
        bound = np.sqrt(6 / (shape[1] * shape[2]))
        weight = random.uniform(-bound, bound, shape)
        delay = np.clip(random.uniform(0, config.n_bins, shape), 0, config.n_bins - 1)
        delay = {"learned": delay, "fixed": np.rint(delay), "none": 0 * delay}[config.delays]
        arrays |= {f"weight_{layer}": weight.astype(kind), f"delay_{layer}": delay.astype(kind)}
        if layer < network.n_projections - 1:
            ones, zeros = np.ones(shape[0], kind), np.zeros(shape[0], kind)
            arrays |= {f"gain_{layer}": ones, f"bias_{layer}": zeros}
            arrays |= {f"mean_{layer}": zeros.copy(), f"variance_{layer}": ones.copy()}
        for name in _trained(config, layer, network.n_projections):
            arrays |= {f"first_{name}": np.zeros_like(arrays[name]), f"second_{name}": np.zeros_like(arrays[name])}
    return DclsState(config, network, synapses, seed, arrays, Workspace(kind))


def sigma_of(config: DclsConfig, epoch: int) -> float:
    """Spread of the training kernel in bins: falls geometrically over a quarter of the epochs; 0 for delays not learned."""
    if config.delays != "learned":
        return 0.0
    start = max(config.n_bins // 2, SIGMA_END)
    fraction = min(epoch / max(config.epochs // 4, 1), 1.0)
    return float(start * (SIGMA_END / start) ** fraction + SIGMA_FLOOR)


def gradient(
    state: DclsState,
    x: NDArray,
    label: NDArray,
    *,
    sigma: float,
    keep: list[NDArray],
    candidates: Sequence[Candidates] = (),
) -> tuple[Parameters, NDArray, NDArray]:
    """Gradient of mean cross-entropy plus penalties, and the loss (batch) and summed softmax (output, batch) of the samples.

    The running moments of the normalisation move on.
    """
    done = forward(
        state.network, state.synapses, state.arrays, x, sigma=sigma, keep=keep, running=None, workspace=state.workspace
    )
    n = x.shape[2]
    for layer, (mean, variance) in enumerate(done.moments):
        count = n * done.currents[layer].shape[1]
        state.arrays[f"mean_{layer}"] += MOMENTUM * (mean - state.arrays[f"mean_{layer}"])
        state.arrays[f"variance_{layer}"] += MOMENTUM * (
            variance * (count / max(count - 1, 1)) - state.arrays[f"variance_{layer}"]
        )
    loss, z = loss_of(done, label)
    bar = adjoint(
        state.network, state.synapses, state.arrays, done, sigma=sigma, candidates=candidates, workspace=state.workspace
    )
    for layer in range(state.network.n_projections):
        weight = state.arrays[f"weight_{layer}"]
        bar[f"weight_{layer}"] += state.config.l1 * np.sign(weight) + state.config.weight_decay * weight
    return bar, loss, z


def update(state: DclsState, bar: Parameters, *, step: int, weight_rate: float, delay_rate: float, beta1: float) -> None:
    """One step of Adam, the ``step``-th from 1, or as many since the steps ``born`` of synapses; delays stay in the bins."""
    for name in bar:
        if f"first_{name}" not in state.arrays:
            continue
        kind, layer = name.split("_")
        parameter, is_delay = state.arrays[name], kind == "delay"
        born = state.arrays.get(f"born_{layer}") if kind in ("weight", "delay") else None
        adam(
            parameter.reshape(-1), bar[name].reshape(-1),
            state.arrays[f"first_{name}"].reshape(-1), state.arrays[f"second_{name}"].reshape(-1),
            np.full(parameter.size, step) if born is None else step - born,
            delay_rate if is_delay else weight_rate, 0.9 if is_delay else beta1, 0.999, 1e-8,
        )  # fmt: skip
        if is_delay:
            np.clip(parameter, 0, state.config.n_bins - 1, out=parameter)


def learn(
    state: DclsState, x: NDArray, label: NDArray, *, step: int, epoch: int, candidates: Sequence[Candidates] = ()
) -> tuple[Parameters, NDArray, NDArray]:
    """As `step`, but with the gradients that were followed, in front; with those of ``candidates`` among them."""
    config, kind = state.config, state.network.dtype.type
    random = stream(state.seed, _DROPOUT, step)
    keep = [(random.random((n, x.shape[2]), np.float32) >= config.dropout) / kind(1 - config.dropout) for n in config.hidden]
    bar, loss, z = gradient(state, x, label, sigma=sigma_of(config, epoch), keep=keep, candidates=candidates)
    weight_rate, beta1 = one_cycle(epoch, config.epochs, config.weight_rate)
    delay_rate = cosine(epoch, config.epochs, config.delay_rate)
    update(state, bar, step=step + 1, weight_rate=weight_rate, delay_rate=delay_rate, beta1=beta1)
    return bar, loss, z.argmax(axis=0)


def step(state: DclsState, x: NDArray, label: NDArray, *, step: int, epoch: int) -> tuple[NDArray, NDArray]:
    """Train on batch number ``step`` from 0: x (channel, time, batch), label (batch); return loss and prediction (batch)."""
    _, loss, prediction = learn(state, x, label, step=step, epoch=epoch)
    return loss, prediction


def evaluate(state: DclsState, x: NDArray, label: NDArray) -> tuple[NDArray, NDArray, list[NDArray]]:
    """Run the deployed network: loss and prediction (batch), and each hidden neuron's spikes per step, over the batch."""
    keep = [np.ones((n, x.shape[2]), state.network.dtype) for n in state.config.hidden]
    done = forward(
        state.network, state.synapses, state.arrays, x, sigma=0.0, keep=keep, running=state.arrays, workspace=state.workspace
    )
    loss, z = loss_of(done, label)
    return loss, z.argmax(axis=0), [n / len(done.currents[k][0]) for k, n in enumerate(done.n_spikes)]


def population_names(config: DclsConfig) -> list[str]:
    """Names of the populations, from the input to the output."""
    return ["input", *(f"hidden{i + 1}" for i in range(len(config.hidden))), "output"]


def describe(
    state: DclsState, *, dt: float, epoch: int, frequency: NDArray | None, rate: list[NDArray]
) -> tuple[dict[str, xr.Dataset], dict[tuple[str, str], xr.Dataset]]:
    """Populations and projections of a checkpoint; ``dt`` in ms, ``rate`` of each hidden population in Hz."""
    config, arrays = state.config, state.arrays
    names = population_names(config)
    populations, projections = {}, {}
    for layer, (name, n) in enumerate(zip(names, state.network.sizes, strict=True)):
        columns: dict[str, NDArray] = {}
        if layer == 0 and frequency is not None:
            columns["frequency"] = frequency
        if layer > 0:
            columns["time_constant"] = np.full(n, config.time_constant * dt)
        if 0 < layer < len(names) - 1:
            columns |= {what: arrays[f"{what}_{layer - 1}"] for what in ("gain", "bias", "mean")}
            columns |= {"variance": arrays[f"variance_{layer - 1}"] + EPSILON, "rate": rate[layer - 1]}
        populations[name] = population(n, **columns)
    for layer, synapses in enumerate(state.synapses):
        rows = synapses.by_target
        projections[names[layer], names[layer + 1]] = projection(
            n_source=state.network.sizes[layer],
            n_target=state.network.sizes[layer + 1],
            delay_max=(config.n_bins - 1) * dt,
            rounding="half even",
            source=synapses.source[rows],
            target=synapses.target[rows],
            contact=synapses.contact[rows],
            delay=arrays[f"delay_{layer}"].ravel()[rows] * dt,
            weight=arrays[f"weight_{layer}"].ravel()[rows],
            sigma=np.full(len(rows), sigma_of(config, min(epoch, config.epochs - 1)) * dt, state.network.dtype),
        )
    return populations, projections


def restored(state: S, arrays: Parameters) -> S:
    """The state with the arrays of a checkpoint's trainer state; `BadInput` if they are not those of this network."""
    for name, own in state.arrays.items():
        if name not in arrays or arrays[name].shape != own.shape or arrays[name].dtype != own.dtype:
            raise BadInput(f"The checkpoint lacks {name!r}, or holds it in another shape; it belongs to another run.")
    return replace(state, arrays={name: np.array(arrays[name]) for name in state.arrays})


def events(state: DclsState, dt: float) -> None:
    """Nothing: in a dense network no synapse is born or dies."""
