"""An HDF5 file as plain data.

Links and sizes are looked at first, by `stanalysis.files.hdf5_bounds`; compressed chunks and texts are read here, for libhdf5
inflates without a bound. What has several names is read once.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.hdf5_bounds import DEPTH, Bounds, limits_of_foreign, require_usual_addresses
from stanalysis.files.hdf5_structure import check_structure
from stanalysis.readers.formats.hdf5_heap import REFERENCE, heap_lists, heap_texts

SIGNATURE = b"\x89HDF\r\n\x1a\n"
CHUNK_BYTES = 2**26  # of a compressed chunk
GZIP, SHUFFLE, CHECKSUM = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32


@dataclass(frozen=True, eq=False)
class NumberLists:
    """Lists of numbers of any length, one after the other: list k is ``values[begin[k] : begin[k + 1]]``."""

    begin: NDArray[np.int64]
    values: NDArray


def read_hdf5(path: Path, *, lists: bool = False) -> dict[str, Any]:
    """The content of an HDF5 file: groups as dicts, arrays of numbers, and texts and numbers that stand alone.

    Arrays of text are nested lists. The order is that of the file. Other kinds of data are left out.

    Parameters
    ----------
    lists
        Whether to read a row of lists of numbers, too, as `NumberLists`: recordings of spikes have them, networks do not.

    Raises
    ------
    BadInput
        The file is damaged, refers to other files, or is larger than a network can be.
    """
    try:
        check_structure(path)
        with h5py.File(path, "r") as file:
            require_usual_addresses(path, file)
            root = file["/"]  # of the file itself h5py does not tell the order
            size = path.stat().st_size
            return _Reading(path, size, limits_of_foreign(size), lists=lists).group(
                root, h5py.h5g.get_objinfo(root.id).objno[0], ()
            )
    except BadInput as error:
        raise BadInput(str(error) if str(path) in str(error) else f"{path} is damaged: {error}.") from error
    except Exception as error:  # h5py raises nearly every kind of exception on damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{path} cannot be read as HDF5 ({reason}); is it truncated or damaged?") from error


def arrays_in(content: Any) -> dict[str, NDArray]:
    """All arrays of what `read_hdf5` gives, by their paths: ``group/subgroup/dataset``."""
    arrays: dict[str, NDArray] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            arrays |= {f"{name}/{rest}": array for rest, array in arrays_in(value).items()}
        elif isinstance(value, np.ndarray):
            arrays[name] = value
    return arrays


@dataclass
class _Reading(Bounds):
    """One reading of one file, and what it has cost so far."""

    lists: bool = False
    known: dict[int, Any] = field(default_factory=dict)  # what datasets hold, by address
    heaps: dict[int, dict[int, bytes]] = field(default_factory=dict)

    def group(self, group: h5py.Group, address: int, above: tuple[int, ...]) -> dict[str, Any]:
        """A group as a dict; ``above`` are the addresses of the groups around it."""
        if len(above) >= DEPTH:
            raise self.refusal(group, f"lies more than {DEPTH} groups deep")
        above = (*above, address)
        members: dict[str, Any] = {}
        for name, there in self.names(group):
            if there in above:  # hard links can make cycles
                continue
            if there not in self.known:
                item = group[name]
                if isinstance(item, h5py.Group):
                    members[name] = self.group(item, there, above)
                    continue
                self.known[there] = self.dataset(item) if isinstance(item, h5py.Dataset) else None
            if (value := self.known[there]) is not None:
                members[name] = value
        return members

    def dataset(self, item: h5py.Dataset) -> Any:
        """A dataset as an array, number, text or nested list of texts, or None if it is of another kind."""
        dtype, made = self.kind(item), item.id.get_create_plist()
        if dtype is None or item.shape is None:
            return None
        filters = [made.get_filter(k)[0] for k in range(made.get_nfilters())]
        if (text := h5py.check_string_dtype(dtype)) and text.length is None:
            return None if filters else self.texts(item)
        if self.lists and isinstance(item.id.get_type(), h5py.h5t.TypeVlenID):
            return self.number_lists(item, h5py.check_vlen_dtype(dtype), filters)
        if dtype.kind not in "biufcS" or (dtype.kind != "S" and dtype.itemsize > (16 if dtype.kind == "c" else 8)):
            return None
        values = self.values(item, dtype, filters)
        if dtype.kind == "S":
            self.spend(objects=values.size, text=values.nbytes)
            return _decoded(values)
        return values if values.ndim else values.item()

    def values(self, item: h5py.Dataset, dtype: np.dtype, filters: list[int]) -> NDArray:
        """The numbers or texts of fixed length in a dataset, in the byte order of this machine."""
        if filters and prod(item.chunks) * dtype.itemsize > CHUNK_BYTES:
            raise self.refusal(item, f"has compressed chunks of more than {CHUNK_BYTES // 2**20} MiB")
        self.require_known(item, filters)
        self.declared(item, dtype.itemsize)
        array = self.inflated(item, dtype, filters) if GZIP in filters else np.asarray(item[()])
        if dtype.kind != "S" and not dtype.isnative:
            array = array.byteswap(inplace=True).view(dtype.newbyteorder("="))
        return array

    def require_known(self, item: h5py.Dataset, filters: list[int]) -> None:
        """Raise `BadInput` unless all filters can be undone here."""
        if set(filters) - {GZIP, SHUFFLE, CHECKSUM}:
            raise BadInput(
                f"{item.name!r} in {self.path} is compressed in a way that is not read; write it with gzip, or without."
            )

    def inflated(self, item: h5py.Dataset, dtype: np.dtype, filters: list[int]) -> NDArray:
        """The values of a dataset compressed with gzip, never inflating a chunk beyond the size that it declares."""
        if not h5py.h5t.py_create(dtype, logical=True).equal(item.id.get_type()):
            raise self.refusal(item, "is compressed, and its numbers are not laid out as usual")
        size = prod(item.chunks) * dtype.itemsize
        array = np.zeros(item.shape, dtype)
        for corner in product(*(range(0, s, c) for s, c in zip(item.shape, item.chunks, strict=True))):
            left_out, raw = item.id.read_direct_chunk(corner)
            self.spend(stored=len(raw))
            for k in reversed(range(len(filters))):
                if not left_out >> k & 1:
                    raw = _undone(filters[k], raw, size, dtype.itemsize)
            if len(raw) != size:
                raise self.refusal(item, "has a chunk that is damaged")
            window = array[tuple(slice(start, start + c) for start, c in zip(corner, item.chunks, strict=True))]
            window[...] = np.frombuffer(raw, dtype).reshape(item.chunks)[tuple(slice(0, s) for s in window.shape)]
        return array

    def number_lists(self, item: h5py.Dataset, dtype: np.dtype | None, filters: list[int]) -> NumberLists | None:
        """The lists of a row of them, or None if they hold no plain numbers."""
        if dtype is None or dtype.kind not in "iuf" or dtype.itemsize > 8 or len(item.shape) != 1:
            return None
        self.require_known(item, filters)
        self.declared(item, REFERENCE.itemsize)
        with self.path.open("rb") as file:
            begin, values = heap_lists(
                file,
                self.references(item, filters),
                dtype,
                heaps=self.heaps,
                spend_heap=lambda size: self.spend(stored=size),
                spend=lambda size: self.spend(numbers=size),
            )
        return NumberLists(begin, values)

    def references(self, item: h5py.Dataset, filters: list[int]) -> bytes:
        """Where the lists of a dataset are, which libhdf5 does not tell: it would follow them at once."""
        (n,) = item.shape
        if not item.chunks:
            start = item.id.get_offset()
            if start is None:
                if n:
                    raise self.refusal(item, "keeps its lists in pieces")
                return b""
            with self.path.open("rb") as file:
                file.seek(start)
                return file.read(REFERENCE.itemsize * n)
        (chunk,) = item.chunks
        size, parts = chunk * REFERENCE.itemsize, []
        if size > CHUNK_BYTES:
            raise self.refusal(item, f"has chunks of more than {CHUNK_BYTES // 2**20} MiB")
        with self.path.open("rb") as file:
            for corner in range(0, n, chunk):
                there = item.id.get_chunk_info_by_coord((corner,))
                if there.byte_offset is None or there.size > self.size or (there.size != size and not filters):
                    raise self.refusal(item, "has a chunk that is damaged")
                file.seek(there.byte_offset)  # libhdf5 writes beyond the end of its memory where the size is a wrong one
                raw = file.read(there.size)
                for k in reversed(range(len(filters))):
                    if not there.filter_mask >> k & 1:
                        raw = _undone(filters[k], raw, size, REFERENCE.itemsize)
                if len(raw) != size:
                    raise self.refusal(item, "has a chunk that is damaged")
                parts.append(raw)
        return b"".join(parts)[: REFERENCE.itemsize * n]

    def texts(self, item: h5py.Dataset) -> Any:
        """Texts of any length."""
        start = item.id.get_offset()
        if start is None:
            return None
        n = prod(item.shape)
        self.spend(objects=n)
        with self.path.open("rb") as file:
            raw = heap_texts(file, start, n, heaps=self.heaps, spend=lambda size: self.spend(text=size))
        values = np.empty(n, object)
        values[:] = raw
        return _decoded(values.reshape(item.shape))


def _decoded(values: NDArray) -> Any:
    """Bytes as text: one, or nested lists."""
    texts = np.empty(values.shape, object)
    for index in np.ndindex(*values.shape):
        texts[index] = bytes(values[index]).decode("utf-8", "replace")
    return texts.tolist() if texts.ndim else texts.item()


def _undone(code: int, raw: bytes, size: int, itemsize: int) -> bytes:
    """A chunk before one filter was applied to it; ``size`` is that of the whole chunk."""
    if code == GZIP:
        return zlib.decompressobj().decompress(raw, size + 4)  # a checksum may have been appended before
    if code == CHECKSUM:
        return raw[:-4]
    return np.frombuffer(raw, np.uint8).reshape(itemsize, -1).T.tobytes()
