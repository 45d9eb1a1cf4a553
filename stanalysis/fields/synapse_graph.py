"""Which synapses of a receptive field are neighbours: existing synapses only, at their own delays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stanalysis.errors import BadInput
from stanalysis.schema.variables import unmasked

if TYPE_CHECKING:
    from libpysal.graph import Graph


@dataclass(frozen=True)
class SynapseGraph:
    r"""Neighbours among the synapses of one target, in words.

    The distance of two synapses is measured in sources,

    .. math:: \sqrt{(s_i - s_j)^2 + ((d_i - d_j) / c)^2}

    with the source index :math:`s`, the delay :math:`d` in ms and the scaling :math:`c` of the axes.

    Parameters
    ----------
    ms_per_source
        The scaling: how many ms of delay are as far as one source.
    nearest
        Each synapse's neighbours are so many of the nearest, and all others as near as the last of them; all there are
        where there are fewer.
    radius
        Distance up to which synapses are neighbours, in sources; replaces ``nearest``.
    standardised
        Whether the neighbour weights of a synapse add up to one (row-standardised) or each is one.

    Examples
    --------
    >>> SynapseGraph(ms_per_source=10.0)
    SynapseGraph(ms_per_source=10.0, nearest=4)
    """

    ms_per_source: float
    nearest: int = 4
    radius: float | None = None
    standardised: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.ms_per_source < np.inf:
            raise BadInput(
                f"ms_per_source is {self.ms_per_source}; give the ms of delay that are as far as one source, above 0"
            )
        if self.radius is None and self.nearest < 1:
            raise BadInput(f"the number of nearest synapses is {self.nearest}; use at least 1")
        if self.radius is not None and not 0 < self.radius < np.inf:
            raise BadInput(f"the radius is {self.radius}; give a distance in sources, above 0")

    def __repr__(self) -> str:
        near = f"nearest={self.nearest}" if self.radius is None else f"radius={self.radius}"
        return f"SynapseGraph(ms_per_source={self.ms_per_source}, {near}{'' if self.standardised else ', standardised=False'})"


def graph_of(neighbours: SynapseGraph, source: np.ndarray, delay: np.ndarray) -> Graph:
    """The synapses of one target, their ``delay`` in ms, as a libpysal graph; synapse i is its focal i.

    Examples
    --------
    >>> graph_of(SynapseGraph(10.0, nearest=1), np.array([0, 1, 5]), np.array([0.0, 10.0, 0.0])).n_edges
    3
    """
    from libpysal.graph import Graph

    from stanalysis.kernels.near_synapses import neighbours_of

    n = len(source)
    at = unmasked(delay, "delays") / neighbours.ms_per_source
    x = unmasked(source, "sources").astype(np.float64)
    order = np.argsort(x, kind="stable")
    fenced = np.concatenate([[-np.inf], x[order], [np.inf]])
    start, index = neighbours_of(fenced, at[order], *kernel_arguments(neighbours))
    degree = np.diff(start)
    alone = np.flatnonzero(degree == 0)  # libpysal marks an isolate by a weight of 0 to itself
    focal = order[np.concatenate([np.repeat(np.arange(n), degree), alone])]
    neighbour = order[np.concatenate([index, alone])]
    weight = np.concatenate([np.ones(index.size), np.zeros(alone.size)])
    in_turn = np.lexsort([neighbour, focal])
    graph = Graph.from_arrays(focal[in_turn], neighbour[in_turn], weight[in_turn])
    return graph.transform("r") if neighbours.standardised else graph


def kernel_arguments(neighbours: SynapseGraph) -> tuple[int, float]:
    """Nearest and radius as kernels take them: one of them 0."""
    return (neighbours.nearest, 0.0) if neighbours.radius is None else (0, neighbours.radius)
