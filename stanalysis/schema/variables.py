"""Every variable that crosses a file is declared once: dims, kind, unit, meaning; here is what a declaration is.

Dims are the last ones of the variable; ``...`` in front allows others before them. Kinds are those of numpy: ``f`` real,
``i`` whole number, ``b`` truth value, ``U`` text.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput


@dataclass(frozen=True)
class Variable:
    """What a variable must be: ``units`` is ``"1"`` where it has none."""

    name: str
    dims: tuple[str | EllipsisType, ...]
    kind: str
    units: str
    long_name: str


def declared(*variables: Variable) -> dict[str, Variable]:
    """Declarations by their names."""
    return {variable.name: variable for variable in variables}


def _described(variable: Variable) -> str:
    dims = ", ".join("…" if d is ... else str(d) for d in variable.dims)
    kind = {"f": "real", "i": "whole-number", "b": "boolean", "U": "text"}[variable.kind]
    return f"a {kind} variable with dims ({dims}) in units {variable.units!r}"


def _dims_agree(dims: tuple[Hashable, ...], wanted: tuple[str | EllipsisType, ...]) -> bool:
    if wanted and wanted[0] is ...:
        tail = wanted[1:]
        return len(dims) >= len(tail) and dims[len(dims) - len(tail) :] == tail
    return dims == wanted


def validate(
    dataset: xr.Dataset,
    declared: Mapping[str, Variable],
    *,
    required: tuple[str, ...] = (),
    where: str = "the data set",
) -> None:
    """Raise `BadInput`, naming the variable, unless declared ones have their dims, kind and unit, and required ones exist.

    Examples
    --------
    >>> from stanalysis.schema.network import SYNAPSES
    >>> validate(xr.Dataset({"delay": ("neuron", [1.0])}), SYNAPSES)
    Traceback (most recent call last):
    stanalysis.errors.BadInput: 'delay' in the data set has dims (neuron) and unit None, ...
    """
    for name in required:
        if name not in dataset.variables:
            raise BadInput(f"{where} has no variable {name!r}; expected {_described(declared[name])}.")
    for name, variable in declared.items():
        if name not in dataset.variables:
            continue
        values = dataset[name]
        kind = {"u": "i", "O": "U", "T": "U"}.get(values.dtype.kind, values.dtype.kind)  # files give text back as objects
        units = str(values.attrs.get("units"))  # which a file may have as an array
        if not _dims_agree(values.dims, variable.dims) or kind != variable.kind or units != variable.units:
            dims = ", ".join(map(str, values.dims))
            raise BadInput(
                f"{name!r} in {where} has dims ({dims}) and unit {units}, type {values.dtype}; expected {_described(variable)}."
            )


def unmasked(values: Any, what: str) -> NDArray[Any]:
    """The values as an array; `BadInput` if some are masked: they are absent, which a plain array would forget.

    Examples
    --------
    >>> unmasked(np.ma.masked_less([1.0, -2.0], 0.0), "distances")
    Traceback (most recent call last):
    stanalysis.errors.BadInput: Some distances are masked; leave them out.
    """
    if np.ma.is_masked(values):
        raise BadInput(f"Some {what} are masked; leave them out.")
    return np.asarray(values)


def labelled(declared: Mapping[str, Variable], **values: object) -> xr.Dataset:
    """A dataset of declared variables from plain arrays, with units and long names.

    Variables with a leading ``...`` must be given as DataArrays.
    """
    data = {}
    for name, value in values.items():
        variable = declared[name]
        attrs = {"units": variable.units, "long_name": variable.long_name}
        if isinstance(value, xr.DataArray):
            data[name] = value.assign_attrs(attrs)
        else:
            data[name] = xr.DataArray(unmasked(value, f"values of {name!r}"), dims=[str(d) for d in variable.dims], attrs=attrs)
    return xr.Dataset(data)


def described(dataset: xr.Dataset, declared: Mapping[str, Variable]) -> xr.Dataset:
    """The dataset with unit and long name on each of its data variables, every one of which must be declared."""
    attrs = {
        name: {"units": declared[str(name)].units, "long_name": declared[str(name)].long_name} for name in dataset.data_vars
    }
    return dataset.assign({name: dataset[name].assign_attrs(a) for name, a in attrs.items()})
