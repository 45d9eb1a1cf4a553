"""The groups of a netCDF-4 file, read by h5py alone.

h5netcdf looks up every object by its path at each question about it, which takes three times as long; what it knows besides,
dimensions without limit or name, no file of ours has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

import h5py
import numpy as np
import xarray as xr

_OF_THE_FORMAT: Final = frozenset(
    [
        *("CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "DIMENSION_LABELS"),
        *("_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict", "_NCProperties"),
    ]
)
_NO_VARIABLE: Final = b"This is a netCDF dimension but not a netCDF variable"


def groups_of(group: h5py.Group, path: str, *, without: Collection[str]) -> Iterator[tuple[str, xr.Dataset]]:
    """A group and those in it, but for those that are called as one in ``without``, by their paths."""
    variables, children = {}, []
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            children.append((name, item))
        elif not _text(item.attrs.get("NAME", b"")).startswith(_NO_VARIABLE):
            numbers = item if h5py.check_string_dtype(item.dtype) is None else item.asstr()
            variables[name] = xr.Variable(_dims(item, name), numbers[...], _attributes(item))
    yield path, xr.decode_cf(xr.Dataset(variables, attrs=_attributes(group)))
    for name, child in children:
        if name not in without:
            yield from groups_of(child, f"{path.rstrip('/')}/{name}", without=without)


def _dims(item: h5py.Dataset, name: str) -> tuple[str, ...]:
    """The names of the dimensions: those of the scales, of which the variable may be one."""
    if not item.ndim:
        return ()
    if "DIMENSION_LIST" not in item.attrs:
        if item.ndim == 1 and _text(item.attrs.get("CLASS", b"")) == b"DIMENSION_SCALE":
            return (name,)
        return tuple(f"{name}_{axis}" for axis in range(item.ndim))  # which no file of ours has
    scales = (h5py.h5r.dereference(references[0], item.id) for references in item.attrs["DIMENSION_LIST"])
    return tuple(h5py.h5i.get_name(scale).decode().rpartition("/")[2] for scale in scales)


def _text(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _attributes(item: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    return {name: _plain(item.attrs[name]) for name in item.attrs if name not in _OF_THE_FORMAT}


def _plain(value: Any) -> Any:
    """An attribute: one number or text, or an array of numbers, or a list of texts."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind in "OS":
        value = [text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text for text in value.flat]
    return value[0] if len(value) == 1 else value
