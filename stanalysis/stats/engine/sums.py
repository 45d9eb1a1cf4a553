"""What the kernels sum of fields, as they are and in draws, on lattice and graph: one pass over the draws of each field."""

from __future__ import annotations

from types import ModuleType
from typing import Final, NamedTuple

import numpy as np

from stanalysis.kernels import graph_sums, lattice_totals
from stanalysis.kernels.arrangements import CODES, Plane, Synapses
from stanalysis.kernels.field_draws import field_draws
from stanalysis.kernels.graph_sums import Neighbourhood
from stanalysis.kernels.lattice_totals import FlatLattice
from stanalysis.stats.engine.measures import Draws
from stanalysis.stats.engine.statistics import STATISTICS

NO_LATTICE: Final = FlatLattice(np.empty(0), np.empty((2, 0)), np.empty(0), np.zeros(2), 0, 0, False)
NO_GRAPH: Final = Neighbourhood(1.0, 0, 0.0, False)


class Summed(NamedTuple):
    """Statistics of some fields by name."""

    observed: dict[str, np.ndarray]  # (field,)
    arranged: dict[str, np.ndarray]  # (field, draw); none where no draws were asked for


class Sums(NamedTuple):
    """What one pass over the draws of some fields gives."""

    of_lattice: Summed
    of_graph: Summed
    n_moved: np.ndarray  # (field,): signs that differ from those observed, in a draw


NOTHING_SUMMED: Final = Sums(Summed({}, {}), Summed({}, {}), np.empty(0))


def summed(
    synapses: Synapses,
    plane: Plane,
    draws: Draws,
    *,
    lattice: FlatLattice | None = None,
    on_lattice: frozenset[str] | set[str] = frozenset(),
    drawn_on_lattice: bool = False,
    neighbourhood: Neighbourhood | None = None,
    on_graph: frozenset[str] | set[str] = frozenset(),
) -> Sums:
    """The statistics of fields and of their draws, of the lattice if there is one, and of the graph if there is one."""
    n_field = synapses.start.size - 1
    columns = _sums_for(on_lattice if lattice is not None else set(), lattice_totals)
    rows = np.arange(graph_sums.N_SUMS if neighbourhood is not None else 0)
    passes = []
    n_moved = np.zeros(n_field)
    for code, n, some in (
        (CODES["none"], 1, True),
        (CODES[draws.rule.arrangement], draws.n, drawn_on_lattice),
    ):
        asked = columns if some else columns[:0]
        lattice_out, graph_out = np.empty((asked.size, n_field, n)), np.empty((rows.size, n_field, n))
        if lattice_out.size or graph_out.size or (draws.rule.keeps and code != CODES["none"] and n > 0):
            field_draws(
                code, n, synapses, plane, lattice or NO_LATTICE, asked, lattice_out, neighbourhood or NO_GRAPH, graph_out,
                n_moved, draws.streams,
            )  # fmt: skip
        passes.append(
            (
                _by_statistic(on_lattice if some else set(), lattice_totals, asked, lattice_out),
                _by_statistic(on_graph if neighbourhood is not None else set(), graph_sums, rows, graph_out),
            )
        )
    first, second = passes
    of_lattice, of_graph = (
        Summed({name: value[:, 0] for name, value in first[k].items()}, second[k] if draws.n else {}) for k in range(2)
    )
    return Sums(of_lattice, of_graph, n_moved / draws.n if draws.n else n_moved * np.nan)


def _sums_for(statistics: frozenset[str] | set[str], kernel: ModuleType) -> np.ndarray:
    """The numbers (sum,) of what a kernel has to sum for some statistics, rising."""
    numbers = {getattr(kernel, name) for statistic in statistics for name in STATISTICS[statistic].sums}
    return np.array(sorted(numbers), np.int64)


def _by_statistic(
    statistics: frozenset[str] | set[str], kernel: ModuleType, numbers: np.ndarray, sums: np.ndarray
) -> dict[str, np.ndarray]:
    """Statistics of which a kernel has given the sums (sum, ...) of these numbers."""
    place = {number: k for k, number in enumerate(numbers.tolist())}
    parts = {s: [sums[place[getattr(kernel, name)]] for name in STATISTICS[s].sums] for s in statistics}
    return {statistic: part[0] if len(part) == 1 else np.add(*part) for statistic, part in parts.items() if part}
