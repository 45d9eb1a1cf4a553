"""DelGrad (fastAndDeep): whole pickled networks, ``*_network.pt``, and the training histories beside them.

A network is a list of layers. Weights are (source, target), delays (source, target), (source, 1) or (1, target) in units of the
synaptic time constant, stored raw: ``shift + scale · sigmoid(raw)`` is the delay, or raw itself where it is clipped or shifted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.arrays import (
    DELAY_ERROR,
    delay_kind,
    dense_projection,
    network_tree,
    plane_without_delays,
    real_array,
)
from stanalysis.readers.contract import ForeignNetwork, require, step_of
from stanalysis.readers.formats.containers import Container
from stanalysis.readers.formats.inert_pickle import Inert
from stanalysis.readers.options import Options
from stanalysis.readers.programs.delgrad_history import BIN, UNIT, is_history, layer_names, read_history

PARTS = ("_delay_parameters", "weights", "_times")
MOST = 2**24  # elements of an array that a file may ask for


def recognises(container: Container) -> bool:
    """A pickled network of layers with weights, or a history of delay and neuron layers."""
    if container.kind == "numpy":
        return is_history(container.content)
    if container.kind != "torch" or "n_inputs" not in _state(container.content):
        return False
    return any(_array(layer, "weights") is not None for layer in _layers(container.content).values())


def read(container: Container, options: Options) -> ForeignNetwork:
    """The checkpoint of a network, or those of a history, one per epoch."""
    if container.kind == "numpy":
        return read_history(container, options)
    stages, notes = _stages(container)
    delayed = any(stage.delayed for stage in stages)
    needs = {"dt": BIN} | ({"ms_per_unit": UNIT} if delayed else {})
    open_ended = [stage for stage in stages if not np.isfinite(stage.longest)]
    if open_ended:
        reach = max(float(stage.delay.max()) for stage in open_ended)
        needs["max_delay"] = f"in ms; the delays are clipped, not bounded; the longest found is {reach:g} units"
    require(options, container, needs)
    dt, unit = float(options.dt or 0), float(options.ms_per_unit or 0) if delayed else 0.0
    empty = dt if delayed else plane_without_delays(dt, options.max_delay)
    tables = {}
    names = layer_names(len(stages))
    for stage, pair in zip(stages, pairwise(names), strict=True):
        tables[pair] = _table(stage, dt=dt, unit=unit, max_delay=options.max_delay if stage.delayed else empty)
    step, more = _step(container, options)
    tree = network_tree(tables, reader="delgrad", framework="DelGrad", dt=dt, step=step, files=container.files)
    return ForeignNetwork({step: tree}, (*notes, *more), container.files)


def _layers(content: Any) -> dict[Any, dict[str, Any]]:
    """States of the layers of a pickled network by name, in their order; empty for anything else."""
    modules = _state(content).get("_modules")
    layers = _state(modules.get("layers")).get("_modules") if isinstance(modules, dict) else None
    return {name: _state(layer) for name, layer in layers.items()} if isinstance(layers, dict) else {}


def _state(value: Any) -> dict[str, Any]:
    return value.state if isinstance(value, Inert) and isinstance(value.state, dict) else {}


def _array(layer: dict[str, Any], name: str) -> NDArray | None:
    """A parameter of a layer, or the plain attribute that it is where it is not trained."""
    parameters = layer.get("_parameters")
    value = parameters.get(name) if isinstance(parameters, dict) else None
    value = layer.get(name) if value is None else value
    return value if isinstance(value, np.ndarray) else None


@dataclass
class _Stage:
    """What lies between two populations: ``rows`` has the source of each row of the weights, -1 for a bias.

    ``delay`` (row or 1, target or 1) and ``longest``, the longest possible, are in units.
    """

    n_source: int
    rows: NDArray
    weight: NDArray = field(default_factory=lambda: np.zeros((0, 0)))
    delay: NDArray = field(default_factory=lambda: np.zeros((1, 1)))
    longest: float = 0.0
    delayed: bool = False


def _stages(container: Container) -> tuple[list[_Stage], list[str]]:
    network = _state(container.content)
    n_inputs = _whole(network.get("n_inputs"), "The number of inputs")
    stage = _Stage(n_inputs, np.arange(n_inputs))
    stages: list[_Stage] = []
    notes: list[str] = []
    for number, (name, layer) in enumerate(_layers(container.content).items()):
        raw, weight, times = (_array(layer, part) for part in PARTS)
        container.taken.update(f"layers.{name}.{part}" for part in PARTS)
        if raw is not None:
            effective, longest = _effective(layer, raw, number, len(stage.rows))
            if 1 not in (columns := (stage.delay.shape[1], effective.shape[1])) and columns[0] != columns[1]:
                raise BadInput(
                    f"The delays of layer {number} are of other targets than those before them; the file is damaged."
                )
            _require_bounded(len(stage.rows) * effective.shape[1], number)
            stage.delay, stage.longest, stage.delayed = stage.delay + effective, stage.longest + longest, True
        elif times is not None:
            n = real_array(times, f"The times of the biases of layer {number}", ndim=1).size
            _require_bounded((len(stage.rows) + n) * stage.delay.shape[1], number)
            stage.rows = np.append(stage.rows, np.full(n, -1))
            if len(stage.delay) > 1:
                stage.delay = np.concatenate([stage.delay, np.zeros((n, stage.delay.shape[1]))])
            notes.append(f"The inputs of layer {number} that are biases ({n}) are left out: they are no neurons.")
        elif "factor" in layer:
            factor = _whole(layer["factor"], f"The factor of layer {number}")
            _require_bounded(len(stage.rows) * factor * stage.delay.shape[1], number)
            stage.rows = np.repeat(stage.rows, factor)
            if len(stage.delay) > 1:
                stage.delay = np.repeat(stage.delay, factor, axis=0)
            notes.append(f"Layer {number} multiplies its inputs by {factor}: so many synapses join each pair of neurons.")
        elif weight is not None:
            stage.weight = real_array(weight, f"The weights of layer {number}", ndim=2)
            _require_bounded(weight.size, number)
            if len(stage.weight) != len(stage.rows):
                raise BadInput(f"Layer {number} has weights of {len(stage.weight)} sources, but {len(stage.rows)} reach it.")
            if stage.delay.shape[1] not in (1, weight.shape[1]):
                raise BadInput(
                    f"The delays before layer {number} are of {stage.delay.shape[1]} targets, its weights of others."
                )
            if not stage.delayed:
                notes.append(f"No delays lie before the neurons of layer {number}: taken as 0.")
            stages.append(stage)
            stage = _Stage(weight.shape[1], np.arange(weight.shape[1]))
        elif "_n_postsyn" not in layer:  # a broadcast
            raise BadInput(f"Layer {number} of the network is of an unknown kind; name its arrays in a TOML file (--mapping).")
    if not stages:
        raise BadInput("The network has no layer of neurons with weights; there is nothing to analyse.")
    if network.get("rounding") is True:
        notes.append("The network computes with rounded weights; here they are as learned.")
    return stages, notes


def _effective(layer: dict[str, Any], raw: NDArray, number: int, n_rows: int) -> tuple[NDArray, float]:
    """Delays of a layer in units, and the longest possible; infinite where nothing bounds it."""
    raw = real_array(raw, f"The delays of layer {number}", ndim=2).astype(np.float64)
    repeats = [
        _whole(layer.get(f"{end}_sharing_factor", 1), f"A sharing factor of layer {number}") for end in ("presyn", "postsyn")
    ]
    rows, columns = raw.shape[0] * repeats[0], raw.shape[1] * repeats[1]
    _require_bounded(rows * columns, number)
    if rows not in (1, n_rows):
        raise BadInput(f"The delays of layer {number} are those of {rows} sources, but {n_rows} reach it; the file is damaged.")
    longest = np.inf
    if "sigmoid_scale" in layer:
        shift, scale = (_number(layer.get(f"sigmoid_{name}", 0.0), number) for name in ("shift", "scale"))
        raw = shift + scale * (1 + np.tanh(raw / 2)) / 2  # the sigmoid, without overflow
        longest = shift + max(scale, 0.0)
    return np.tile(raw, repeats), longest


def _require_bounded(n: int, number: int) -> None:
    if n > MOST:
        raise BadInput(f"Layer {number} has {n} delays or weights, more than {MOST}; the file is damaged.")


def _table(stage: _Stage, *, dt: float, unit: float, max_delay: float | None) -> xr.Dataset:
    """Synapses in ms; the copies of a source that was multiplied are synapses of one pair."""
    rows = np.flatnonzero(stage.rows >= 0)
    rows = rows[np.argsort(stage.rows[rows], kind="stable")]
    kind = delay_kind(stage.delay.T, stage.weight.T) if stage.delayed else "synaptic"

    def arranged(values: NDArray) -> NDArray:
        return values[rows].reshape(stage.n_source, -1, values.shape[1]).transpose(2, 0, 1)

    longest = float(np.ceil(stage.longest * unit / dt - DELAY_ERROR) * dt) if max_delay is None else max_delay
    delay = np.broadcast_to(stage.delay * unit, stage.weight.shape)
    return dense_projection(arranged(stage.weight), arranged(delay), delay_max=longest, rounding="none", delay_kind=kind)


def _step(container: Container, options: Options) -> tuple[int, list[str]]:
    """0 of an untrained network, and the epoch that the folder of a snapshot names."""
    folder = re.fullmatch(r"epoch_(\d{1,15})", container.path.absolute().parent.name)
    if "untrained" in container.path.name:
        return step_of(options, 0)
    step, notes = step_of(options, int(folder[1]) if folder else None)
    if folder and options.network_step is None:
        notes.append(f"The step is the epoch in the name of the folder, {folder[0]}.")
    return step, notes


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, int | float | np.number) and not isinstance(value, bool) and -1e30 < value < 1e30:
        yield float(value)
    elif isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "fiu":
        yield float(value.reshape(-1)[0])


def _number(value: Any, layer: int) -> float:
    number = next(_numbers(value), np.nan)
    if not abs(number) < 1e12:
        raise BadInput(f"The shift and scale of the delays of layer {layer} are no finite numbers; the file is damaged.")
    return number


def _whole(value: Any, what: str) -> int:
    number = next(_numbers(value), np.nan)
    if not (1 <= number <= MOST and number == int(number)):
        raise BadInput(f"{what} is no whole number from 1; the file is damaged, or of another format.")
    return int(number)
