"""Which cells of the (source, delay) plane are neighbours, and how much each neighbour counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput

if TYPE_CHECKING:
    from libpysal.graph import Graph

Contiguity = Literal["rook", "queen"]


@dataclass(frozen=True)
class Lattice:
    """Neighbours on the grid of cells, in words.

    Parameters
    ----------
    contiguity
        ``"rook"``: cells that share a side (adjacent sources at one delay, adjacent delays of one source).
        ``"queen"``: also cells that share a corner.
    standardised
        Whether the neighbour weights of a cell add up to one (row-standardised, "r" in esda) or each is one ("b").
    """

    contiguity: Contiguity
    standardised: bool = True

    def __post_init__(self) -> None:
        if self.contiguity not in get_args(Contiguity):
            raise BadInput(f"the contiguity is {self.contiguity!r}; use one of {', '.join(get_args(Contiguity))}")

    def __repr__(self) -> str:
        return f"Lattice({self.contiguity!r}{'' if self.standardised else ', standardised=False'})"


ROOK: Final = Lattice("rook")
QUEEN: Final = Lattice("queen")


def neighbour_share(lattice: Lattice, n_source: int, n_delay: int) -> NDArray[np.float64]:
    """Weight that each cell gives to each of its neighbours, shape (n_source, n_delay), dimensionless.

    One over the number of neighbours when standardised, otherwise one. A lattice of fewer than two cells is an error.

    Examples
    --------
    >>> neighbour_share(ROOK, 2, 3).round(2)
    array([[0.5 , 0.33, 0.5 ],
           [0.5 , 0.33, 0.5 ]])
    """
    if n_source < 1 or n_delay < 1 or n_source * n_delay < 2:
        raise BadInput(f"a lattice of {n_source} source(s) and {n_delay} delay(s) has no neighbours; use at least two cells")
    if not lattice.standardised:
        return np.ones((n_source, n_delay))
    along, across = _sums_over_neighbours(lattice, np.ones((n_source, n_delay)))
    return 1 / (along + across)


def pair_weights(lattice: Lattice, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Neighbour weights w_ij + w_ji that meet in each cell, shape (2, n_source, n_delay): along the delay, and across
    sources.

    Examples
    --------
    Half their total is the sum of all neighbour weights: the number of cells, when standardised.

    >>> float(pair_weights(QUEEN, neighbour_share(QUEEN, 4, 5)).sum() / 2)
    20.0
    """
    given = np.stack(_sums_over_neighbours(lattice, np.ones_like(share))) * share
    return given + np.stack(_sums_over_neighbours(lattice, share))


def graph(lattice: Lattice, n_source: int, n_delay: int) -> Graph:
    """The lattice as a libpysal graph; cell (source, delay) is its focal ``source * n_delay + delay``.

    Examples
    --------
    >>> graph(QUEEN, 4, 5).n
    20
    """
    from libpysal.graph import Graph
    from libpysal.weights import lat2W

    neighbour_share(lattice, n_source, n_delay)
    neighbours = Graph.from_W(lat2W(n_source, n_delay, rook=lattice.contiguity == "rook"))
    return neighbours.transform("r") if lattice.standardised else neighbours


def _sums_over_neighbours(lattice: Lattice, value: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of ``value`` over the neighbours of each cell, within its source row and elsewhere."""
    within = np.zeros_like(value)
    within[:, 1:] += value[:, :-1]
    within[:, :-1] += value[:, 1:]
    row = value + within if lattice.contiguity == "queen" else value
    elsewhere = np.zeros_like(value)
    elsewhere[1:] += row[:-1]
    elsewhere[:-1] += row[1:]
    return within, elsewhere
