"""Receptive fields as lists of synapses, from a table of them: what a checkpoint holds, without any plane of cells until some
fields are worked on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.fields.delay_bins import DelayBins
from stanalysis.fields.receptive_field import contact_index, some_share_a_cell
from stanalysis.kernels.arrangements import Plane, Synapses
from stanalysis.schema.network import REQUIRED_OF_SYNAPSES, SYNAPSES
from stanalysis.schema.variables import validate
from stanalysis.stats.engine.by_source import each_its_own, field_of, sign_groups
from stanalysis.stats.engine.rounding import are_apart


class Cells(NamedTuple):
    """The cells of some fields that hold synapses, in the order (field, source, delay)."""

    field: np.ndarray
    source: np.ndarray
    delay: np.ndarray
    weight: np.ndarray  # of all synapses there


@dataclass(frozen=True)
class SynapseLists:
    """The synapses of some targets, no plane: all that statistics on the graph of synapses need."""

    labels: xr.DataArray  # (..., target)
    plane: Plane
    lists: Synapses  # delays in bins where the plane is a grid, otherwise in ms
    bin_width: float = 1.0  # ms per unit of delay

    def n_synapses(self) -> np.ndarray:
        """Shape (field,)."""
        return np.diff(self.lists.start)

    def numbers(self) -> int:
        """Of one field at most: what working on it takes."""
        return self._n_cell if self.has_cells else int(self.n_synapses().max(initial=0))

    @property
    def has_cells(self) -> bool:
        """Whether there is a lattice."""
        return self.plane.grid and self._n_cell > 1

    @property
    def _n_cell(self) -> int:
        return int(self.plane.n_source * self.plane.extent)

    @cached_property
    def _cell(self) -> np.ndarray:
        """In which cell of all fields, one after another, each synapse is."""
        n_delay, lists = int(self.plane.extent), self.lists
        cell: np.ndarray = (field_of(lists) * self.plane.n_source + lists.source) * n_delay + lists.delay.astype(np.int64)
        return cell

    def cells(self) -> Cells:
        """The cells that hold synapses."""
        cell, which = np.unique(self._cell, return_inverse=True)
        weight = np.bincount(which, self.lists.weight, cell.size)
        source, delay = np.divmod(cell % self._n_cell, int(self.plane.extent))
        return Cells(cell // self._n_cell, source, delay, weight)

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self.lists.start.size - 1, self.plane.n_source, int(self.plane.extent)

    @cached_property
    def planes(self) -> np.ndarray:
        """Weights (field, source, delay)."""
        result: np.ndarray = np.bincount(self._cell, self.lists.weight, np.prod(self._shape)).reshape(self._shape)
        return result

    @cached_property
    def present(self) -> np.ndarray:
        """Cells (field, source, delay) that hold synapses."""
        result = np.zeros(self._shape, bool)
        result.reshape(-1)[self._cell] = True
        return result

    def one_per_cell(self) -> np.ndarray:
        """Whether no cell of a field holds several synapses, shape (field,)."""
        return self._each_once(self._cell, self._n_cell)

    def one_per_source(self) -> np.ndarray:
        """Whether no source of a field has several synapses, shape (field,)."""
        return self._each_once(self._cell // int(self.plane.extent), self.plane.n_source)

    def _each_once(self, place: np.ndarray, n_place: int) -> np.ndarray:
        place = np.sort(place)
        once = np.ones(self.lists.start.size - 1, bool)
        once[place[1:][np.diff(place) == 0] // n_place] = False
        return once

    def magnitude(self) -> np.ndarray:
        """Mean magnitude (field,) of the synapses that have one."""
        field, size = field_of(self.lists), np.abs(self.lists.weight)
        n_field = self.lists.start.size - 1
        result: np.ndarray = np.bincount(field, size, n_field) / np.bincount(field, size > 0, n_field)
        return result

    def varied(self) -> np.ndarray:
        """Whether there are cells, and those of a field that has an answer differ, shape (field,)."""
        n_field = self.lists.start.size - 1
        if not self.has_cells:
            return np.zeros(n_field, bool)
        field, *_, weight = self.cells()
        empty = np.bincount(field, minlength=n_field) < self._n_cell
        low, high = np.where(empty, 0, np.inf), np.where(empty, 0, -np.inf)
        np.minimum.at(low, field, weight)
        np.maximum.at(high, field, weight)
        return are_apart(low, high)

    def answerable(self) -> np.ndarray:
        """Whether all weights of a target are finite, not all that it has are 0, and there are several sources."""
        weight = self.lists.weight
        bad, some = (np.concatenate([[0], np.cumsum(which)]) for which in (~np.isfinite(weight), weight != 0))
        start = self.lists.start
        result: np.ndarray = (
            (np.diff(bad[start]) == 0) & ((np.diff(some[start]) > 0) | (np.diff(start) == 0)) & (self.plane.n_source > 1)
        )
        return result

    def of_targets(self, first: int, last: int) -> SynapseLists:
        """Those of some of the targets, of a network at one step, with their labels."""
        start, lists = self.lists.start[first : last + 1], self.lists
        rows = slice(start[0], start[-1])
        some = Synapses(start - start[0], lists.source[rows], lists.delay[rows], lists.weight[rows], lists.group[rows])
        return replace(self, labels=self.labels.isel(target=slice(first, last)), lists=some)

    def some(self, chosen: np.ndarray) -> SynapseLists:
        """The chosen targets; their labels are lost."""
        lists, start = self.lists, self.lists.start
        rows = np.concatenate([np.arange(start[f], start[f + 1]) for f in chosen]) if chosen.size else np.arange(0)
        n = np.diff(start)[chosen]
        weight = lists.weight[rows]
        largest = np.zeros(chosen.size)
        target = np.repeat(np.arange(chosen.size), n)
        np.maximum.at(largest, target, np.abs(weight))
        weight = np.ldexp(weight, -np.frexp(largest)[1][target])
        some = Synapses(np.append(0, np.cumsum(n)), lists.source[rows], lists.delay[rows], weight, lists.group[rows])
        return SynapseLists(self.labels, self.plane, some, self.bin_width)

    def synapses(self, *, by_source: bool) -> Synapses:
        """All of them; with ``by_source`` those of one source have one sign."""
        lists = self.lists
        start, source, delay, weight = lists.start, lists.source, lists.delay, lists.weight
        group = sign_groups(field_of(lists), source, weight, start) if by_source else each_its_own(weight, start)
        return Synapses(start, source, delay, weight, group)


def listed(table: xr.Dataset, *, bins: DelayBins | None = None, step: int | None = None) -> SynapseLists:
    """The synapses of a projection (dim synapse), target by target.

    Parameters
    ----------
    table
        With the attributes of a projection.
    bins
        Where given, delays are in these bins, and the lists those of receptive fields: each synapse in the same order. Draws
        may then put two synapses in one cell only if some two of the table share one (`Plane.shared`), as in `prepared`.
    step
        Of training; part of the labels where given, as it is of receptive fields, for draws are addressed by labels.
    """
    validate(table, SYNAPSES, required=REQUIRED_OF_SYNAPSES, where="the synapse table")
    for name in ("n_source", "n_target", "delay_max"):
        if name not in table.attrs:
            raise BadInput(f"the synapse table has no attribute {name!r}; give the projection of a checkpoint")
    target, source, delay = table.target.to_numpy(), table.source.to_numpy().astype(np.int64), table.delay.to_numpy()
    if not np.isfinite(delay).all():
        raise BadInput("some delays of the synapse table are not finite; give every synapse a delay in ms")
    if bins is None:
        plane, width, at = Plane(int(table.attrs["n_source"]), float(table.attrs["delay_max"]), False, True), 1.0, delay
    else:
        at = bins.of(delay)
        shared = some_share_a_cell(target, source, at)
        plane, width = Plane(int(table.attrs["n_source"]), float(bins.n), True, shared), bins.width
    order = order_of(table, bins)
    start = np.searchsorted(target[order], np.arange(int(table.attrs["n_target"]) + 1))
    at, weight = (column[order].astype(np.float64) for column in (at, table.weight.to_numpy()))
    labels = xr.DataArray(np.zeros(start.size - 1), {"target": np.arange(start.size - 1)}, ["target"])
    labels = labels if step is None else labels.expand_dims(step=[step])
    lists = Synapses(start, np.ascontiguousarray(source[order]), at, weight, np.zeros(weight.size, np.int64))
    return SynapseLists(labels, plane, lists, width)


def order_of(table: xr.Dataset, bins: DelayBins | None) -> np.ndarray:
    """The rows of a table in the order of its lists."""
    if bins is None:
        return np.argsort(table.target.to_numpy(), kind="stable")
    at = bins.of(table.delay.to_numpy())
    return np.lexsort((at, table.source.to_numpy().astype(np.int64), contact_index(table), table.target.to_numpy()))
