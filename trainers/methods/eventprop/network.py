"""The populations and projections of an event-based network, and its passes: forward through a batch, and backward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from trainers.methods.eventprop import published
from trainers.methods.eventprop.backward import Gradients, Guards, adjoints
from trainers.methods.eventprop.forward import fire
from trainers.methods.eventprop.records import SLICES, Blocks, Grid, Spikes
from trainers.methods.eventprop.spikes import room_for
from trainers.methods.eventprop.synapses import Rounding, arranged, gathered, no_gradients, no_synapses

NEVER_FIRES = -np.inf  # a V that never comes back, however long a trial is
Parameters = dict[str, NDArray]
Kind = Literal["feed", "recurrent", "readout"]


@dataclass(frozen=True)
class Projection:
    """All synapses from one population to another, or to itself; ``readout``: to leaky integrators."""

    source: str
    target: str
    n_source: int
    n_target: int
    kind: Kind

    def array(self, what: str) -> str:
        """Name of an array of this projection."""
        return f"{self.source}__{self.target}_{what}"


@dataclass(frozen=True)
class EventNetwork:
    """What a network is made of.

    Attributes
    ----------
    sizes
        Neurons of each population, from the input to the output.
    recurrent
        Whether hidden populations drive themselves.
    spiking_output
        Whether the output fires; else it integrates.
    continuous
        Whether spikes of the input arrive between the grid points.
    published
        Whether everything happens in steps, as in the authors' code.
    grid
        Of time, with the time constants of spiking neurons.
    tau_out
        Time constant of leaky integrators in ms.
    """

    sizes: tuple[int, ...]
    recurrent: bool
    spiking_output: bool
    continuous: bool
    published: bool
    grid: Grid
    tau_out: float

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the populations."""
        return ("input", *(f"hidden{n}" for n in range(1, len(self.sizes) - 1)), "output")

    @cached_property
    def projections(self) -> tuple[Projection, ...]:
        """From the input to the output, that of a population to itself behind that which leads to it."""
        made = []
        for k, (name, size) in enumerate(zip(self.names[1:], self.sizes[1:], strict=True)):
            last = name == "output"
            kind: Kind = "readout" if last and not self.spiking_output else "feed"
            made.append(Projection(self.names[k], name, self.sizes[k], size, kind))
            if self.recurrent and not last:
                made.append(Projection(name, name, size, size, "recurrent"))
        return tuple(made)

    @cached_property
    def layers(self) -> tuple[tuple[Projection, Projection | None], ...]:
        """Of every spiking population, the projection that leads to it, and that to itself."""
        own = {p.source: p for p in self.projections if p.kind == "recurrent"}
        return tuple((p, own.get(p.target)) for p in self.projections if p.kind == "feed")

    def is_continuous(self, projection: Projection) -> bool:
        """Whether spikes arrive between the grid points by this projection."""
        return not self.published and (self.continuous or projection.source != "input" or projection.kind == "readout")

    def rounding(self, projection: Projection) -> Rounding:
        """How the delays of a projection become whole steps."""
        return "none" if self.is_continuous(projection) else "half up" if self.published else "half even"


@dataclass
class Passed:
    """What a forward pass leaves for the backward one: spikes of the input and of every spiking population, and synapses."""

    spikes: list[Spikes]
    blocks: dict[str, Blocks] = field(default_factory=dict)


def forward(
    network: EventNetwork,
    arrays: Mapping[str, NDArray],
    spikes: Spikes,
    widths: dict[str, int],
    keep: list[NDArray[np.bool_]] | None = None,
) -> Passed:
    """Run a batch through the spiking populations.

    Parameters
    ----------
    arrays
        Weights and delays in ms by name, dims (target, source).
    spikes
        Of the input.
    widths
        How many spikes of a population there was room for in a sample; kept up to date. No number depends on it.
    keep
        Of every spiking population but the output, which neurons fire in which sample, dims (sample, neuron); None for all.
    """
    for name in (projection.array(what) for projection in network.projections for what in ("weight", "delay")):
        if not np.isfinite(arrays[name]).all():
            raise BadInput(f"{name} holds a number that is not finite; lower the rates, or begin from another checkpoint.")
    done, n_sample, grid = Passed([spikes]), len(spikes.begin), network.grid
    for feed, own in network.layers:
        for projection in filter(None, (feed, own)):
            done.blocks[projection.array("")] = _blocks(network, projection, arrays)
        synapses, loop = done.blocks[feed.array("")], done.blocks[own.array("")] if own else no_synapses()
        n_spikes = np.zeros(n_sample, np.int64)
        rest = np.zeros((n_sample, feed.n_target), np.float32)
        if keep and feed.target != "output":
            rest[~keep[len(done.spikes) - 1]] = NEVER_FIRES
        width = widths.get(feed.target, 8 * feed.n_target)
        while True:
            out = room_for(n_sample, feed.n_target, width)
            if network.published:
                published.fire(done.spikes[-1], synapses, loop, own is not None, grid, rest, out, n_spikes)
            else:
                between = network.is_continuous(feed)
                fire(done.spikes[-1], synapses, between, loop, own is not None, grid, rest, grid.n_steps, out, n_spikes)
            if n_spikes.min(initial=0) < 0:
                often = f"A neuron of {feed.target} fires more than {grid.n_steps} times in a sample"
                raise BadInput(f"{often}; lower the rates or the weights.")
            needed = int(n_spikes.max(initial=0))
            if needed <= width:
                break
            width = needed + needed // 4
        widths[feed.target] = width
        done.spikes.append(out)
    return done


def _blocks(network: EventNetwork, projection: Projection, arrays: Mapping[str, NDArray]) -> Blocks:
    weight, delay = (arrays[projection.array(what)] for what in ("weight", "delay"))
    return arranged(weight, delay, network.grid, rounding=network.rounding(projection))


def backward(
    network: EventNetwork,
    done: Passed,
    drive: NDArray[np.float32],
    pulls: list[NDArray[np.float32]],
    guards: Guards,
) -> Parameters:
    """The gradients by weights and delays of all projections between spiking populations, dims (target, source).

    Parameters
    ----------
    drive
        The loss's derivative by the time of every spike of the last spiking population, dims (sample, spike). Used up.
    pulls
        Of every spiking population, what is subtracted from lambda_V at a spike, dims (neuron).
    """
    bars: Parameters = {}
    for k in range(len(network.layers) - 1, -1, -1):
        feed, own = network.layers[k]
        synapses, loop = done.blocks[feed.array("")], done.blocks[own.array("")] if own else no_synapses()
        feed_bar, own_bar = no_gradients(synapses), no_gradients(loop)
        source = done.spikes[k]
        source_drive = np.zeros(source.step.shape if k else (len(source.begin), 0), np.float32)
        others = (network.grid, done.spikes[k + 1], drive, pulls[k], guards, feed_bar, own_bar, source_drive)
        if network.published:
            published.adjoints(source, synapses, loop, own is not None, *others)
        else:
            adjoints(source, synapses, network.is_continuous(feed), loop, own is not None, *others)
        for projection, bar in ((feed, feed_bar), (own, own_bar)):
            if projection:
                bars |= _brought_back(projection, bar)
        drive = source_drive
    return bars


def _brought_back(projection: Projection, bar: Gradients) -> Parameters:
    return {
        projection.array("weight"): gathered(bar.weight, projection.n_target),
        projection.array("delay"): gathered(bar.delay, projection.n_target),
    }


def no_guards() -> Guards:
    """Guards that never act."""
    return Guards(0.0, np.inf, np.zeros(SLICES, np.int64), np.zeros(SLICES, np.int64))
