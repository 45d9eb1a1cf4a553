"""Training histories of DelGrad, ``*_parameters_training.npy``: weights and delays of the monitored layers at every epoch.

Delays are effective here: after sigmoid and sharing. The numbers of the layers count monitored ones only, so that they do not
say which delays lie before which neurons; order and shapes do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.arrays import delay_kind, dense_projection, network_tree, plane_without_delays, real_array
from stanalysis.readers.contract import ForeignNetwork, chosen_steps, require
from stanalysis.readers.formats.containers import Container
from stanalysis.readers.options import Options

KINDS = ("DelayLayer", "NeuronLayer")
BIN = "the width of a bin of the receptive fields in ms; time is continuous"
UNIT = "the synaptic time constant in ms, the unit of the delays"


def layer_names(n: int) -> list[str]:
    """Names of the ``n`` + 1 populations of a chain of ``n`` projections."""
    return ["input", *(f"hidden{k}" for k in range(1, n)), "output" if n > 1 else "hidden1"]


def is_history(content: Any) -> bool:
    """Whether it is a dict of numbered layers with a name and parameters each."""
    return (
        isinstance(content, dict)
        and bool(content)
        and all(isinstance(key, int) for key in content)
        and all(isinstance(layer, dict) and "params" in layer for layer in content.values())
        and all(isinstance(layer.get("name"), str) and layer["name"] in KINDS for layer in content.values())
    )


@dataclass(frozen=True)
class _Projection:
    """Weights (epoch, source, target) and delays that broadcast to them, in units, between two populations."""

    pair: tuple[str, str]
    weight: NDArray
    delay: NDArray


def read_history(container: Container, options: Options) -> ForeignNetwork:
    """Checkpoints of a history by epoch, 0 before training."""
    if not is_history(container.content):
        raise BadInput("The file is no history of delay and neuron layers; give a *_parameters_training.npy.")
    projections, notes = _paired(container.record)
    if not projections:
        raise BadInput("No neurons follow delays whose shape fits; monitor both layers, or give the *_network.pt.")
    lengths = {len(array) for projection in projections for array in (projection.weight, projection.delay)}
    if len(lengths) > 1:
        raise BadInput(
            f"The layers have different numbers of epochs ({', '.join(map(str, sorted(lengths)))}); the file is damaged."
        )
    needs, delayed = {"dt": BIN}, _has_delays(container.content)
    if delayed:
        reach = max(float(projection.delay.max()) for projection in projections)
        needs |= {"ms_per_unit": UNIT}
        needs |= {"max_delay": f"in ms, shift + scale of the sigmoid; the longest found is {reach:g} units"}
    require(options, container, needs)
    dt, unit = float(options.dt or 0), float(options.ms_per_unit or 0) if delayed else 0.0
    longest = plane_without_delays(dt, options.max_delay)
    checkpoints = {}
    n_steps = lengths.pop()
    for step in chosen_steps(range(n_steps), options):
        tables = {projection.pair: _table(projection, step, unit=unit, delay_max=longest) for projection in projections}
        checkpoints[step] = network_tree(
            tables, reader="delgrad", framework="DelGrad", dt=dt, step=step, epoch=step, files=container.files
        )
    notes += ["Steps are the entries of the history: 0 is before training, then one per epoch."]
    notes += ["A history does not tell biases from neurons: where a layer has biases, they are its last sources."]
    both = [array for projection in projections for array in (projection.weight, projection.delay)]
    if doubled := [k for k in range(1, n_steps) if all(np.array_equal(array[k - 1], array[k]) for array in both)]:
        notes.append(f"Step {doubled[0]} equals the one before: a training that goes on stores its start anew.")
    return ForeignNetwork(checkpoints, tuple(notes), container.files)


def _paired(content: dict[int, dict[str, Any]]) -> tuple[list[_Projection], list[str]]:
    """Neurons with the delays right before them, where the shapes fit; notes about what is left out."""
    notes: list[str] = []
    projections: list[_Projection] = []
    delayed = _has_delays(content)
    if not delayed:
        notes.append(
            f"No delays lie before the neurons of layers {', '.join(map(str, sorted(content)))} in the history: taken as 0. If "
            "the network has delays, they were not monitored, and its *_network.pt tells them."
        )
    names = layer_names(sum(layer["name"] == "NeuronLayer" for layer in content.values()))
    pending: tuple[int, NDArray] | None = None
    position, n_before = 0, 0
    for number in sorted(content):
        values = real_array(content[number]["params"], f"The parameters of layer {number}", ndim=3)
        if content[number]["name"] == "DelayLayer":
            notes += _unused(pending)
            pending = (number, values)
            continue
        source, target = names[position : position + 2]
        if position and values.shape[1] != n_before:
            source = f"input{position + 1}"
        position, n_before = position + 1, values.shape[2]
        if not delayed:
            pending = (number, np.broadcast_to(np.zeros(1), values.shape))
        if pending is None or any(n not in (1, m) for n, m in zip(pending[1].shape[1:], values.shape[1:], strict=True)):
            notes.append(f"The neurons of layer {number} are left out: no delays of theirs were monitored, or they have none.")
            continue
        if source.startswith("input") and source != "input":
            notes.append(
                f"The sources of layer {number} are not all neurons of the monitored layer before it (biases, or a layer that "
                f"was not monitored): they are called {source}."
            )
        projections.append(_Projection((source, target), values, pending[1]))
        pending = None
    return projections, notes + _unused(pending)


def _has_delays(content: dict[int, dict[str, Any]]) -> bool:
    return any(layer["name"] == "DelayLayer" for layer in content.values())


def _unused(pending: tuple[int, NDArray] | None) -> list[str]:
    if pending is None:
        return []
    return [f"The delays of layer {pending[0]} are left out: no monitored neurons that fit follow them."]


def _table(projection: _Projection, step: int, *, unit: float, delay_max: float) -> xr.Dataset:
    weight, delay = projection.weight[step].T, projection.delay[step].T.astype(np.float64)
    return dense_projection(weight, delay * unit, delay_max=delay_max, rounding="none", delay_kind=delay_kind(delay, weight))
