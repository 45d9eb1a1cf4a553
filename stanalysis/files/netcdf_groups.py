"""The groups of a netCDF-4 file, read and written by h5py alone: HDF5 with scales for dimensions.

h5netcdf looks up every object by its path at each question about it, so that reading takes three times and writing five times
as long; what it knows besides, dimensions without limit or name, no file of ours has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import h5py
import numpy as np
import xarray as xr
from xarray import conventions

from stanalysis.files.hdf5_bounds import DIMENSION_ALONE, is_dimension_alone

_OF_THE_FORMAT: Final = frozenset(
    [
        *("CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "DIMENSION_LABELS"),
        *("_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict", "_NCProperties"),
    ]
)
_WRITER: Final = np.bytes_("version=2,h5py=" + h5py.__version__)
_PACKED: Final = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def groups_of(group: h5py.Group, path: str, *, without: Collection[str]) -> Iterator[tuple[str, xr.Dataset]]:
    """A group and those in it, but for those that are called as one in ``without``, by their paths."""
    variables, children = {}, []
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            children.append((name, item))
        elif not is_dimension_alone(item):
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
        if item.ndim == 1 and item.attrs.get("CLASS") == b"DIMENSION_SCALE":
            return (name,)
        return tuple(f"{name}_{axis}" for axis in range(item.ndim))  # which no file of ours has
    scales = (h5py.h5r.dereference(references[0], item.id) for references in item.attrs["DIMENSION_LIST"])
    return tuple(h5py.h5i.get_name(scale).decode().rpartition("/")[2] for scale in scales)


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


def write_groups(file: h5py.File, groups: Mapping[str, xr.Dataset], *, packed: Mapping[str, Collection[str]]) -> None:
    """Write groups, by their paths, the root among them, into a file that is empty and keeps the order in which it is made.

    ``packed`` names the variables of each that are compressed.
    """
    file.attrs["_NCProperties"] = _WRITER
    n_scale = 0
    for path, dataset in groups.items():
        group = file if path == "/" else file.create_group(path, track_order=True)
        for number, scale in enumerate(_write_group(group, dataset, packed.get(path, ())), start=n_scale):
            scale.attrs["_Netcdf4Dimid"] = np.int32(number)
        n_scale += len(dataset.sizes)


def _write_group(group: h5py.Group, dataset: xr.Dataset, packed: Collection[str]) -> list[h5py.Dataset]:
    """Write the variables and attributes of a group; return the scales of its dimensions."""
    variables, attributes = conventions.cf_encoder(*conventions.encode_dataset_coordinates(dataset.drop_encoding()))
    _set_attributes(group, attributes)
    items = {name: _write_variable(group, name, variable, name in packed) for name, variable in variables.items()}
    scales = {}
    for dim, size in dataset.sizes.items():
        if dim in items:
            scales[dim] = items[dim]
            scales[dim].make_scale(dim)
        else:
            scales[dim] = group.create_dataset(dim, (size,), ">f4", track_order=True)
            scales[dim].make_scale(f"{DIMENSION_ALONE.decode()} {size:10d}")
    for name, item in items.items():
        for axis, dim in enumerate(variables[name].dims if name not in scales else ()):
            item.dims[axis].attach_scale(scales[dim])
    return list(scales.values())


def _write_variable(group: h5py.Group, name: str, variable: xr.Variable, packed: bool) -> h5py.Dataset:
    attributes, values = dict(variable.attrs), variable.values
    fill = attributes.get("_FillValue")
    if values.dtype.kind in "OU":
        item = group.create_dataset(name, data=values.astype(object), dtype=h5py.string_dtype(), track_order=True)
    else:
        options = _PACKED if packed and values.size else {}
        item = group.create_dataset(name, data=values, fillvalue=fill, track_order=True, **options)
    _set_attributes(item, attributes)
    return item


def _set_attributes(item: h5py.Group | h5py.Dataset, attributes: Mapping[Any, Any]) -> None:
    for name, value in attributes.items():  # a number is an array of one, as netCDF has it
        item.attrs[name] = value if isinstance(value, str) or not np.isscalar(value) else np.atleast_1d(value)
