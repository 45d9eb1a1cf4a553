"""The reader of lava-dl: networks of SLAYER blocks, exported for Loihi as HDF5 (``.net``).

A block delays its spikes after its neurons fired, ``delay`` steps (floored on export) and, with ``delay_shift``, one more.
So the delays of a projection are those of the block before it, one per source. The input has delays of its own only if it is
a block; a flatten block adds none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.arrays import MOST_IN_ALL, MOST_SYNAPSES, dense_projection, network_tree, real_array
from stanalysis.readers.contract import ForeignNetwork, require, step_of
from stanalysis.readers.formats.containers import Container
from stanalysis.readers.formats.recording import Recording
from stanalysis.readers.options import Options

LARGEST = 2**22  # neurons of a block
MANY = 200  # blocks
LONGEST = 62  # steps that a chip delays; netx clips to it
UNSHIFTED = ("SDNN",)  # types of neurons whose blocks shift only if told to; all others do unless told not to
FIXED_POINT = 64  # the weights of a file are integers: 64 stands for 1
UNTABLED = ("conv", "pool", "convT", "unpool")  # their synapses share weights: no table of ours
PASSING = ("flatten",)
TYPES = ("input", "dense", *UNTABLED, *PASSING, "average", "concat")


@dataclass(frozen=True)
class _Sources:
    """What the next block listens to: its name, the delay of each neuron in steps without shifts, how often it shifts, and
    the type of its neurons.
    """

    name: str
    n: int | None
    delay: NDArray
    shifts: int
    neuron: str = ""


def recognises(container: Container) -> bool:
    """Whether it is HDF5 of numbered layers, each with a type that lava-dl exports."""
    if container.kind != "hdf5" or not isinstance(container.content, dict):
        return False
    layers = container.content.get("layer")
    if not isinstance(layers, dict) or not layers or not all(_is_number(name) for name in layers):
        return False
    return any(isinstance(block, dict) and _type(block) in TYPES for block in layers.values())


def read(container: Container, options: Options) -> ForeignNetwork:
    """The dense blocks of a lava-dl network as projections with axonal delays.

    Raises
    ------
    BadInput
        No dense block, or blocks of a kind that cannot be read; weights that are complex or do not fit; missing options.
    """
    blocks = _blocks(container)
    notes: list[str] = []
    projections = [(_deployed(sources, notes), target, weight) for sources, target, weight in _projections(blocks, notes)]
    if not projections:
        raise BadInput(f"{container.path} holds no dense block; only dense blocks can be read as projections.")
    steps = max(sources.delay.max(initial=0) for sources, *_ in projections)
    shifting = [sources for sources, *_ in projections if sources.shifts]
    one_more = ", and one more with --delay-shift" if shifting else ""
    needs = {
        "dt": "the time step in ms",
        "max_delay": f"the longest delay in ms that a synapse can have; the longest here is {steps:g} steps{one_more}",
    }
    if shifting:
        needs["delay_shift"] = f"whether each block delays its spikes by one more step, {_usual(shifting)}"
    require(options, container, needs)
    dt, delay_max = float(options.dt or 0), float(options.max_delay or 0)
    step, about_step = step_of(options, None)
    tables = {}
    for sources, target, weight in projections:
        delay = (sources.delay + (sources.shifts if sources.shifts and options.delay_shift else 0)) * dt
        tables[sources.name, target] = dense_projection(
            weight, delay[None, :], delay_max=delay_max, rounding="floor", delay_kind="axonal"
        )
    tree = network_tree(tables, reader="lava", framework="lava-dl", dt=dt, step=step, files=container.files)
    return ForeignNetwork({step: tree}, (*about_step, *notes), container.files)


def _usual(shifting: list[_Sources]) -> str:
    """What lava-dl does with spikes by default, by the types of the neurons."""
    by_default = sorted({sources.neuron or "unknown type" for sources in shifting if sources.neuron not in UNSHIFTED})
    not_so = sorted({sources.neuron for sources in shifting if sources.neuron in UNSHIFTED})
    if not not_so:
        return "which is what lava-dl does by default; --no-delay-shift if not"
    if not by_default:
        return (
            f"which lava-dl does not do by default with neurons of the type {', '.join(not_so)}: --no-delay-shift, unless it "
            "was told to"
        )
    return (
        f"which lava-dl does by default with neurons of the type {', '.join(by_default)} and not with {', '.join(not_so)}; if "
        "yours differ so, name the weights and delays in a mapping"
    )


def _blocks(container: Container) -> list[tuple[str, str, Recording]]:
    """Number, type and content of every block, in the order of the network."""
    layers = container.record.get("layer")
    if not isinstance(layers, dict) or not layers or not all(_is_number(name) for name in layers):
        raise BadInput(
            f"{container.path} is no export of lava-dl: it has no group 'layer' of numbered blocks; give a .net file."
        )
    if len(layers) > MANY:
        raise BadInput(f"{container.path} has more than {MANY} blocks; export a network of fewer.")
    blocks: list[tuple[str, str, Recording]] = []
    for name in sorted(layers, key=int):
        block = layers[name]
        kind = _type(block) if isinstance(block, dict) else None
        if kind is None:
            raise BadInput(
                f"Block {name} of {container.path} says no type: lava-dl exports recurrent and winner-take-all blocks empty; "
                "name its weights and delays in a TOML file and read the state_dict with --mapping."
            )
        if kind not in TYPES or kind in ("average", "concat") or (kind == "input" and blocks):
            raise BadInput(
                f"Block {name} of {container.path} is of type {kind[:40]!r}, which cannot be read there; export one without."
            )
        blocks.append((name, kind, block))
    return blocks


def _projections(blocks: list[tuple[str, str, Recording]], notes: list[str]) -> Iterator[tuple[_Sources, str, NDArray]]:
    """Sources, target population and weight (target, source) of every dense block."""
    neurons = [name for name, kind, _ in blocks if kind not in ("input", *PASSING)]
    populations = {name: f"hidden{k}" for k, name in enumerate(neurons, 1)}
    if len(neurons) > 1:
        populations[neurons[-1]] = "output"
    sources = _Sources("input", None, np.zeros(1), 0)
    n_synapses = 0
    for name, kind, block in blocks:
        if kind == "input":
            sources = _Sources("input", _size(block, name), np.zeros(1), 1, _neuron(block))
        if kind in UNTABLED:
            notes.append(f"Block {name} is of type {kind}, whose synapses share weights: the projection into it is left out.")
            block.take_all()
            sources = _Sources(populations[name], _size(block, name), _delay(block, name), 1, _neuron(block))
        if kind == "dense":
            weight = _weight(block, name, sources.n)
            n = weight.shape[1]
            n_synapses += weight.size
            if n_synapses > MOST_IN_ALL:
                raise BadInput(f"More than {MOST_IN_ALL} synapses lead up to block {name}; export a network of fewer.")
            if n % len(sources.delay) or (sources.n is not None and sources.n != n):
                raise BadInput(
                    f"Block {name} has weights for {n} sources, but what is before it has {sources.n or len(sources.delay)} "
                    "neurons; mend the file."
                )
            if _dict(block.get("neuron")).get("weight_exp") is not None:
                notes.append(f"The normalisation of block {name} scales its input; it is not folded into the weights.")
            # a delay per channel is that of all its neurons, which flatten puts side by side
            yield (
                replace(sources, n=n, delay=np.repeat(sources.delay, n // len(sources.delay))),
                populations[name],
                weight,
            )
            # an affine block has no neurons and does not shift
            sources = _Sources(populations[name], len(weight), _delay(block, name), int("neuron" in block), _neuron(block))
            if (zeros := int((weight == 0).sum())) > 0:
                notes.append(
                    f"{zeros} weights of block {name} are 0 and count as synapses: the file does not tell which were masked."
                )
    if "delay" in blocks[-1][2]:
        notes.append(f"The delays of the last block, {blocks[-1][0]}, reach no neuron and are left out.")


def _weight(block: dict[str, Any], name: str, n_source: int | None) -> NDArray:
    weight = block.get("weight")
    if isinstance(weight, dict):
        raise BadInput(
            f"Block {name} has complex weights, as resonate-and-fire neurons have; these neither excite nor inhibit and cannot "
            "be read."
        )
    if isinstance(weight, np.ndarray) and weight.ndim == 1 and n_source and weight.size % n_source == 0:
        weight = weight.reshape(-1, n_source)  # netx reads such files, too
    if getattr(weight, "size", 0) > MOST_SYNAPSES:
        raise BadInput(f"Block {name} has more than {MOST_SYNAPSES} weights; export a network of fewer.")
    return real_array(weight, f"The weights of block {name}", ndim=2) / FIXED_POINT


def _delay(block: dict[str, Any], name: str) -> NDArray:
    delay = block.get("delay", np.zeros(1))
    delay = np.array([delay]) if isinstance(delay, int | float) else delay  # one for all
    if getattr(delay, "size", 0) > LARGEST:
        raise BadInput(f"Block {name} has more than {LARGEST} delays; mend the file.")
    return real_array(delay, f"The delays of block {name}", ndim=1)


def _deployed(sources: _Sources, notes: list[str]) -> _Sources:
    """Sources with the delays that netx gives them: if some are longer than a chip can delay, all are clipped."""
    if sources.delay.max() <= LONGEST:
        return sources
    n_clipped = int(((sources.delay < 0) | (sources.delay > LONGEST)).sum())
    notes.append(f"The delays of {n_clipped} neurons of {sources.name} are clipped to 0 to {LONGEST} steps, as netx does.")
    return replace(sources, delay=sources.delay.clip(0, LONGEST))


def _neuron(block: dict[str, Any]) -> str:
    """The type of the neurons of a block, such as CUBA; empty if it says none."""
    return _type(_dict(block.get("neuron"))) or ""


def _size(block: dict[str, Any], name: str) -> int:
    """How many neurons a block has by its shape."""
    shape = block.get("shape")
    if not (isinstance(shape, np.ndarray) and shape.size > 4):
        shape = real_array(shape, f"The sizes of block {name}", ndim=1)
    if shape.size > 4 or shape.min() < 1 or shape.max() > LARGEST or (size := prod(int(n) for n in shape)) > LARGEST:
        raise BadInput(
            f"Block {name} has the shape {shape.ravel()[:5].tolist()}; expected at most 4 numbers of at least 1, and "
            f"at most {LARGEST} neurons."
        )
    return size


def _type(block: dict[str, Any]) -> str | None:
    """The type of a block, which lava-dl stores as an array of one text."""
    kind = block.get("type")
    if isinstance(kind, list) and len(kind) == 1:
        kind = kind[0]
    return kind if isinstance(kind, str) else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(name: Any) -> bool:
    return isinstance(name, str) and name.isascii() and name.isdigit() and len(name) < 10
