"""Receptive fields as statistics need them: every field's synapses, one list after another, and its cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.fields.receptive_field import SHARED
from stanalysis.kernels.arrangements import Plane, Synapses
from stanalysis.stats.engine.by_source import each_its_own, sign_groups
from stanalysis.stats.engine.rounding import varies
from stanalysis.stats.engine.synapse_lists import SynapseLists, listed

NUMBERS_AT_ONCE: Final = 4_000_000  # cells and draws worked on together: bounds the memory, changes no result


@dataclass(frozen=True)
class Fields:
    """Some receptive fields, flattened along their leading dims."""

    labels: xr.DataArray  # (...), one number per field: dims and coordinates of every result
    plane: Plane
    bin_width: float  # ms per unit of delay in `synapses`; NaN where the delays are not known in ms
    planes: np.ndarray  # (field, source, delay) weights
    contacts: np.ndarray  # (field, contact, source, delay) weights, those of a pair apart
    filled: np.ndarray  # same: where a synapse is

    def n_synapses(self) -> np.ndarray:
        """Shape (field,)."""
        result: np.ndarray = np.count_nonzero(self.filled, axis=(1, 2, 3))
        return result

    def numbers(self) -> int:
        """Of one field: what working on it takes."""
        return int(self.plane.n_source * self.plane.extent)

    @property
    def has_cells(self) -> bool:
        """Whether there is a lattice."""
        return True

    @cached_property
    def present(self) -> np.ndarray:
        """Cells (field, source, delay) that hold synapses."""
        return np.asarray(self.filled.any(axis=1))

    def one_per_cell(self) -> np.ndarray:
        """Whether no cell of a field holds several synapses, shape (field,)."""
        result: np.ndarray = (self.filled.sum(axis=1) <= 1).all(axis=(1, 2))
        return result

    def one_per_source(self) -> np.ndarray:
        """Whether no source of a field has several synapses, shape (field,)."""
        result: np.ndarray = (self.filled.sum(axis=(1, 3)) <= 1).all(axis=1)
        return result

    def magnitude(self) -> np.ndarray:
        """Mean magnitude (field,) of the synapses that have one."""
        size = np.abs(np.where(self.filled, self.contacts, 0))
        result: np.ndarray = size.sum(axis=(1, 2, 3)) / np.count_nonzero(size, axis=(1, 2, 3))
        return result

    def varied(self) -> np.ndarray:
        """Whether the cells of a field that has an answer differ: always, for otherwise it has none."""
        return np.ones(self.planes.shape[0], bool)

    def answerable(self) -> np.ndarray:
        """Whether a field is finite, not constant, and a plane: with one source there is nothing to be adjacent to."""
        finite = np.isfinite(self.planes).all(axis=(1, 2))
        result: np.ndarray = finite & varies(self.planes, axis=(1, 2)) & (self.plane.n_source > 1)
        return result

    def some(self, chosen: np.ndarray) -> Fields:
        """The chosen fields in float64, weights times a power of two; their labels are lost."""
        planes = rescaled(self.planes[chosen])
        contacts = planes[:, None] if self.contacts.shape[1] == 1 else rescaled(self.contacts[chosen])
        return Fields(self.labels, self.plane, self.bin_width, planes, contacts, self.filled[chosen])

    def synapses(self, *, by_source: bool) -> Synapses:
        """Their synapses, delays in bins; with ``by_source`` those of one source have one sign."""
        field, _, source, delay = np.nonzero(self.filled)
        weight = self.contacts[self.filled].astype(np.float64)
        start = np.searchsorted(field, np.arange(self.planes.shape[0] + 1))
        group = sign_groups(field, source, weight, start) if by_source else each_its_own(weight, start)
        source = np.ascontiguousarray(source)  # like that of lists: the kernels are compiled once for both
        return Synapses(start, source, delay.astype(np.float64), weight, group)


AnyFields = Fields | SynapseLists


def lists_or_fields(field: xr.DataArray | xr.Dataset | AnyFields) -> AnyFields:
    """What a statistic of synapses is given: their lists, a projection of a checkpoint (dim synapse), or receptive fields."""
    if isinstance(field, AnyFields):
        return field
    return listed(field) if isinstance(field, xr.Dataset) and "synapse" in field.dims else prepared(field)


def prepared(field: xr.DataArray | xr.Dataset) -> Fields:
    """The fields of a Dataset or DataArray, checked.

    Whether draws may put two synapses in one cell (`Plane.shared`) is decided here: only if some two of the fields' own share
    one, for where none do, rules of growth or rounding keep them apart, and draws in which they meet are no fair comparison.
    Fields that `stanalysis.receptive_fields` made of some targets are told by the attribute `SHARED` of their contacts what
    holds of the whole projection, so that no draw depends on which targets are at hand.
    """
    weight, present = weight_and_present(field)
    shape = weight.shape[-2:]
    if min(shape) < 1 or shape[0] * shape[1] < 2:
        raise BadInput(f"a lattice of {shape[0]} source(s) and {shape[1]} delay(s) has no neighbours; use at least two cells")
    each = weight.expand_dims("contact"), present.expand_dims("contact")
    if isinstance(field, xr.Dataset) and "contact_field" in field:
        each = field.contact_field, field.contact_present
    dims = (*weight.dims[:-2], "contact", *weight.dims[-2:])
    n_field = int(np.prod(weight.shape[:-2]))
    contacts, filled = (a.transpose(*dims).to_numpy().reshape(n_field, a.sizes["contact"], *shape) for a in each)
    kept = {name: c for name, c in weight.coords.items() if not {"source", "delay"} & set(c.dims)}
    labels = xr.DataArray(np.zeros(weight.shape[:-2]), kept, weight.dims[:-2])
    told = each[1].attrs.get(SHARED)
    shared = filled.shape[1] > 1 and bool((filled.sum(axis=1) > 1).any()) if told is None else bool(told)
    plane = Plane(shape[0], float(shape[1]), True, shared)
    return Fields(labels, plane, _bin_width(weight), weight.to_numpy().reshape(n_field, *shape), contacts, filled)


def refuse_training_kernel(field: xr.DataArray | xr.Dataset, n_draws: int) -> None:
    """Raise `BadInput` for draws of fields of the training kernel, whose synapses spread over several cells."""
    inner = field.receptive_field.attrs if isinstance(field, xr.Dataset) and "receptive_field" in field else {}
    if n_draws > 0 and "training" in (field.attrs.get("kernel"), inner.get("kernel")):
        raise BadInput(
            "these receptive fields show the training kernel, where each synapse is spread over several cells: the spread "
            "itself is structure, and no null here moves a synapse with its spread; use the deployed kernel, or "
            "n_permutations=0 for the statistic alone"
        )


def weight_and_present(field: xr.DataArray | xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """The weights, dims (..., source, delay), and where there is a synapse."""
    if isinstance(field, xr.Dataset):
        for name in ("receptive_field", "present"):
            if name not in field:
                raise BadInput(f"the dataset has no variable {name!r}; it needs 'receptive_field' and 'present'")
        weight, present = field.receptive_field, field.present
        if set(present.dims) != set(weight.dims) or present.dtype != bool:
            raise BadInput(f"'present' is {present.dtype} over {present.dims}; it must be bool over {weight.dims}")
    else:
        weight, present = field, field != 0
    for dim in ("source", "delay"):
        if dim not in weight.dims:
            raise BadInput(f"the field has dims {weight.dims} and no {dim!r}; it needs (..., source, delay)")
    if weight.dtype.kind not in "iuf":
        raise BadInput(f"the field is of type {weight.dtype}; it must be real numbers")
    weight = weight.transpose(..., "source", "delay")
    present = present.transpose(*weight.dims)
    if isinstance(field, xr.Dataset) and (np.isfinite(weight) & (weight != 0) & ~present).any():
        raise BadInput("the receptive field is not 0 in some cells that are not 'present'; absent cells must be 0")
    return weight, present


def rescaled(weight: np.ndarray) -> np.ndarray:
    """Float64 fields (field, ...) times a power of two (exact), so that no square over- or underflows."""
    weight = np.ascontiguousarray(weight, np.float64)  # one layout: sums must not depend on that of the input
    flat = weight.reshape(weight.shape[0], -1)
    exponent = np.frexp(np.maximum(flat.max(axis=1), -flat.min(axis=1)))[1]
    result: np.ndarray = np.ldexp(flat, -exponent[:, None]).reshape(weight.shape)
    return result


def _bin_width(weight: xr.DataArray) -> float:
    """Width of a delay bin in ms, NaN where the delays are not even steps."""
    if "delay" not in weight.coords or weight.sizes["delay"] < 2:
        return float("nan")
    steps = np.diff(weight["delay"].to_numpy().astype(np.float64))
    return float(steps[0]) if np.allclose(steps, steps[0], rtol=1e-6, atol=0) and steps[0] > 0 else float("nan")
