"""Dense networks whose delays are learned by gradients: dilated convolutions with learnable spacings (DCLS).

Mészáros, Knight & Nowotny 2024 and Hammouamri et al. 2024 (https://openreview.net/forum?id=4r2ybzJnmN) are two configurations.
Fixed random delays and no delays are configurations too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import population, projection
from stanalysis.files.random_streams import Stream, random_stream
from trainers.datasets.recordings import DataFormat
from trainers.methods.contract import Description, Evaluation
from trainers.methods.dcls.config import DclsConfig
from trainers.methods.dcls.network import Candidates, DelayLayer, DelayNetwork, Parameters, Workspace, cross_entropies
from trainers.methods.dcls.neurons import EPSILON
from trainers.methods.dcls.passes import adjoint, forward
from trainers.methods.dcls.synapses import SynapseRows, all_to_all
from trainers.optimisers import adam, cosine, one_cycle

SIGMA_FLOOR = 0.27  # DCLS adds it to the spread it is given
SIGMA_END = 0.23
MOMENTUM = 0.1  # of the running moments of the normalisation


@dataclass
class DclsState:
    """A network in training; ``arrays`` holds the arrays of its layers, and Adam's moments of each by its name."""

    config: DclsConfig
    data: DataFormat
    network: DelayNetwork
    synapses: list[SynapseRows]
    seed: int
    arrays: Parameters
    workspace: Workspace


S = TypeVar("S", bound=DclsState)


def trained_arrays(config: DclsConfig, layer: DelayLayer) -> list[str]:
    """What the optimiser moves in a layer."""
    return ["weight", *(["delay"] if config.delays == "learned" else []), *(["gain", "bias"] if layer.hidden else [])]


def network_of(config: DclsConfig, data: DataFormat, dtype: str) -> DelayNetwork:
    """The network that a configuration describes, for these data."""
    return DelayNetwork(
        sizes=(data.n_channels, *config.hidden, data.n_classes),
        n_bins=config.n_bins,
        beta=1 - 1 / config.time_constant,
        latency=config.latency,
        readout_latency=config.readout_latency,
        reset_erases_input=config.reset_erases_input,
        surrogate_alpha=config.surrogate_alpha,
        growth=(config.n_bins - 1) // 2 if config.late_arrivals else 0,
        dtype=np.dtype(dtype),
    )


def new_arrays(
    config: DclsConfig, network: DelayNetwork, layer: DelayLayer, seed: int, rows: NDArray | slice | None = None
) -> Parameters:
    """The arrays of a layer before training, and Adam's moments: weights uniform after Kaiming, delays over the bins.

    Weights and delays have dims (target, source, contact), or are those in the ``rows`` of these, counted one by one. The last
    delay bin is doubly likely.
    """
    shape = (layer.n_target, layer.n_source, config.kernel_count)
    random = random_stream(seed, Stream.INIT, layer.index)
    bound = np.sqrt(6 / (shape[1] * shape[2]))
    weight = random.uniform(-bound, bound, shape).astype(network.dtype)
    delay = np.clip(random.uniform(0, config.n_bins, shape), 0, config.n_bins - 1)
    delay = {"learned": delay, "fixed": np.rint(delay), "none": 0 * delay}[config.delays].astype(network.dtype)
    if rows is not None:
        weight, delay = weight.reshape(-1)[rows], delay.reshape(-1)[rows]
    arrays = {"weight": weight, "delay": delay}
    if layer.hidden:
        for what, value in {"gain": 1, "bias": 0, "mean": 0, "variance": 1}.items():
            arrays[what] = np.full(layer.n_target, value, network.dtype)
    for what in trained_arrays(config, layer):
        arrays |= {f"first_{what}": np.zeros_like(arrays[what]), f"second_{what}": np.zeros_like(arrays[what])}
    return {layer.array(what): values for what, values in arrays.items()}


def init(config: DclsConfig, seed: int, data: DataFormat, dtype: str = "float32") -> DclsState:
    """A network before training, every pair of neurons joined."""
    network = network_of(config, data, dtype)
    arrays: Parameters = {}
    for layer in network.layers:
        arrays |= new_arrays(config, network, layer, seed)
    synapses = [all_to_all(layer.n_source, layer.n_target, config.kernel_count) for layer in network.layers]
    return DclsState(config, data, network, synapses, seed, arrays, Workspace(network.dtype))


def kernel_spread(config: DclsConfig, epoch: int) -> float:
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
    network, arrays, config = state.network, state.arrays, state.config
    done = forward(network, state.synapses, arrays, x, sigma=sigma, keep=keep, running=None, workspace=state.workspace)
    n = x.shape[2]
    for layer, (mean, variance) in zip(network.layers, done.moments, strict=False):
        count = n * done.currents[layer.index].shape[1]
        running_mean, running_variance = arrays[layer.array("mean")], arrays[layer.array("variance")]
        running_mean += MOMENTUM * (mean - running_mean)
        running_variance += MOMENTUM * (variance * (count / max(count - 1, 1)) - running_variance)
    loss, z = cross_entropies(done, label)
    bar = adjoint(network, state.synapses, arrays, done, sigma=sigma, candidates=candidates, workspace=state.workspace)
    for layer in network.layers:
        weight = arrays[layer.array("weight")]
        bar[layer.array("weight")] += config.l1 * np.sign(weight) + config.weight_decay * weight
    return bar, loss, z


def update(state: DclsState, bar: Parameters, *, step: int, weight_rate: float, delay_rate: float, beta1: float) -> None:
    """One step of Adam, the ``step``-th from 1, or as many since the steps ``born`` of synapses; delays stay in the bins."""
    for layer in state.network.layers:
        born = state.arrays.get(layer.array("born"))
        for what in trained_arrays(state.config, layer):
            name, is_delay = layer.array(what), what == "delay"
            parameter, of_synapses = state.arrays[name], what in ("weight", "delay")
            adam(
                parameter.reshape(-1), bar[name].reshape(-1),
                state.arrays[f"first_{name}"].reshape(-1), state.arrays[f"second_{name}"].reshape(-1),
                step - born if of_synapses and born is not None else np.full(parameter.size, step),
                delay_rate if is_delay else weight_rate, 0.9 if is_delay else beta1, 0.999, 1e-8,
            )  # fmt: skip
            if is_delay:
                np.clip(parameter, 0, state.config.n_bins - 1, out=parameter)


def learn(
    state: DclsState, x: NDArray, label: NDArray, *, step: int, epoch: int, candidates: Sequence[Candidates] = ()
) -> tuple[Parameters, NDArray, NDArray]:
    """As `step`, but with the gradients that were followed, in front; with those of ``candidates`` among them."""
    config, kind = state.config, state.network.dtype.type
    random = random_stream(state.seed, Stream.DROPOUT, step)
    keep = [(random.random((n, x.shape[2]), np.float32) >= config.dropout) / kind(1 - config.dropout) for n in config.hidden]
    bar, loss, z = gradient(state, x, label, sigma=kernel_spread(config, epoch), keep=keep, candidates=candidates)
    weight_rate, beta1 = one_cycle(epoch, config.epochs, config.weight_rate)
    delay_rate = cosine(epoch, config.epochs, config.delay_rate)
    update(state, bar, step=step + 1, weight_rate=weight_rate, delay_rate=delay_rate, beta1=beta1)
    return bar, loss, z.argmax(axis=0)


def step(state: DclsState, x: NDArray, label: NDArray, *, step: int, epoch: int) -> tuple[NDArray, NDArray]:
    """Train on batch number ``step`` from 0: x (channel, time, batch), label (batch); return loss and prediction (batch)."""
    _, loss, prediction = learn(state, x, label, step=step, epoch=epoch)
    return loss, prediction


def evaluate(state: DclsState, x: NDArray, label: NDArray) -> Evaluation:
    """Run the deployed network, with its spikes per time step."""
    keep = [np.ones((n, x.shape[2]), state.network.dtype) for n in state.config.hidden]
    done = forward(
        state.network, state.synapses, state.arrays, x, sigma=0.0, keep=keep, running=state.arrays, workspace=state.workspace
    )
    loss, z = cross_entropies(done, label)
    return Evaluation(loss, z.argmax(axis=0), [n / len(done.currents[k][0]) for k, n in enumerate(done.n_spikes)])


def describe(state: DclsState, *, epoch: int, spikes: Sequence[NDArray]) -> Description:
    """Populations, with rates from the ``spikes`` per time step, and projections of a checkpoint."""
    config, network, arrays, dt = state.config, state.network, state.arrays, state.data.dt
    frequency = {} if state.data.frequency is None else {"frequency": state.data.frequency}
    populations = {"input": population(state.data.n_channels, **frequency)}
    projections = {}
    for layer, lists in zip(network.layers, state.synapses, strict=True):
        columns = {"time_constant": np.full(layer.n_target, config.time_constant * dt)}
        if layer.hidden:
            columns |= {what: arrays[layer.array(what)] for what in ("gain", "bias", "mean")}
            columns["variance"] = arrays[layer.array("variance")] + EPSILON
            columns["rate"] = spikes[layer.index] / (dt / 1000)
        populations[layer.target] = population(layer.n_target, **columns)
        rows = lists.by_target
        projections[layer.source, layer.target] = projection(
            n_source=layer.n_source,
            n_target=layer.n_target,
            delay_max=(config.n_bins - 1) * dt,
            rounding="half even",
            source=lists.source[rows],
            target=lists.target[rows],
            contact=lists.contact[rows],
            delay=arrays[layer.array("delay")].ravel()[rows] * dt,
            weight=arrays[layer.array("weight")].ravel()[rows],
            sigma=np.full(len(rows), kernel_spread(config, min(epoch, config.epochs - 1)) * dt, network.dtype),
        )
    return Description(populations, projections, dt)


def restored(state: S, arrays: Parameters) -> S:
    """The state with the arrays of a checkpoint's trainer state; `BadInput` if they are not those of this network."""
    for name, wanted in state.arrays.items():
        if name not in arrays or arrays[name].shape != wanted.shape or arrays[name].dtype != wanted.dtype:
            raise BadInput(f"The checkpoint lacks {name!r}, or holds it in another shape; it belongs to another run.")
    return replace(state, arrays={name: np.array(arrays[name]) for name in state.arrays})
