"""Layered nets for the oracle, and its gradients projection by projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tests.trainers.methods.eventprop.oracle import Net


@dataclass(frozen=True)
class Layered:
    """A net of populations; ``blocks`` says where each projection, such as ``input__hidden1``, lies in its matrices."""

    net: Net
    neurons: dict[str, range]
    blocks: dict[str, tuple[str, slice, slice]]

    def split(self, gradient: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
        """``weight`` and ``delay`` (source, target) of every projection, from what ``gradients`` returns."""
        names = {"weight": ("weight", "delay"), "readout": ("readout", "readout_delay")}
        return {
            projection: {
                part: gradient[name][rows, columns] for part, name in zip(("weight", "delay"), names[kind], strict=True)
            }
            for projection, (kind, rows, columns) in self.blocks.items()
        }


def layered(
    sizes: Sequence[int],
    weight: Mapping[str, np.ndarray],
    delay: Mapping[str, np.ndarray | float] | None = None,
    *,
    spiking_output: bool = False,
    **constants: float,
) -> Layered:
    """Populations input, hidden1, ..., output of these sizes, joined by the projections that ``weight`` names.

    ``hidden1__hidden1`` is a recurrent one. A projection without a delay has delay 0. Outputs are LI readouts, or LIF neurons.
    """
    names = ["input", *(f"hidden{layer}" for layer in range(1, len(sizes) - 1)), "output"]
    ends = np.cumsum(sizes)
    place = {name: slice(int(end - size), int(end)) for name, size, end in zip(names, sizes, ends, strict=True)}
    n_sources, n_outputs = (int(ends[-1]), 0) if spiking_output else (int(ends[-2]), sizes[-1])
    n_neurons = n_sources - sizes[0]
    shapes = {"weight": (n_sources, n_neurons), "readout": (n_sources, n_outputs)}
    weights = {kind: np.zeros(shape) for kind, shape in shapes.items()}
    delays = {kind: np.zeros(shape) for kind, shape in shapes.items()}
    joined = {kind: np.zeros(shape, bool) for kind, shape in shapes.items()}
    blocks = {}
    for projection in weight:
        source, target = projection.split("__")
        kind = "readout" if target == "output" and not spiking_output else "weight"
        offset = ends[-2] if kind == "readout" else sizes[0]
        block = place[source], slice(place[target].start - int(offset), place[target].stop - int(offset))
        weights[kind][block], delays[kind][block] = weight[projection], (delay or {}).get(projection, 0.0)
        joined[kind][block] = True
        blocks[projection] = (kind, *block)
    net = Net(
        weight=weights["weight"],
        delay=delays["weight"],
        joined=joined["weight"],
        readout=weights["readout"],
        readout_delay=delays["readout"],
        readout_joined=joined["readout"],
        **constants,
    )
    spiking = names[1:] if spiking_output else names[1:-1]
    neurons = {name: range(place[name].start - sizes[0], place[name].stop - sizes[0]) for name in spiking}
    return Layered(net, neurons, blocks)
