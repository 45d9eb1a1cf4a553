"""The populations and projections of an event-based network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from trainers.methods.eventprop.records import Grid
from trainers.methods.eventprop.synapses import Rounding

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
        projections = []
        for k, (name, size) in enumerate(zip(self.names[1:], self.sizes[1:], strict=True)):
            last = name == "output"
            kind: Kind = "readout" if last and not self.spiking_output else "feed"
            projections.append(Projection(self.names[k], name, self.sizes[k], size, kind))
            if self.recurrent and not last:
                projections.append(Projection(name, name, size, size, "recurrent"))
        return tuple(projections)

    @cached_property
    def layers(self) -> tuple[tuple[Projection, Projection | None], ...]:
        """Of every spiking population, the projection that leads to it, and that to itself."""
        loops = {p.source: p for p in self.projections if p.kind == "recurrent"}
        return tuple((p, loops.get(p.target)) for p in self.projections if p.kind == "feed")

    def is_continuous(self, projection: Projection) -> bool:
        """Whether spikes arrive between the grid points by this projection."""
        return not self.published and (self.continuous or projection.source != "input" or projection.kind == "readout")

    def rounding(self, projection: Projection) -> Rounding:
        """How the delays of a projection become whole steps."""
        return "none" if self.is_continuous(projection) else "half up" if self.published else "half even"
