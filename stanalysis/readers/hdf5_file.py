"""An HDF5 file as plain data.

libhdf5 believes what a file says: it follows links to other files, allocates what is declared, and inflates without a bound.
So links and sizes are looked at first, and compressed chunks and texts are read here.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.hdf5_heap import heap_texts

SIGNATURE = b"\x89HDF\r\n\x1a\n"
DEPTH = 32  # of groups
OBJECTS = 50_000  # groups, datasets, chunks and strings of a file
ELEMENTS = 2**26  # of a dataset
DATASET_BYTES = 2**30
FILE_BYTES = 2**31  # of all datasets together
EXPANSION = 1100  # declared bytes by stored ones; gzip reaches 1032
TEXT_BYTES = 2**24
GZIP, SHUFFLE, CHECKSUM = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32


def read_hdf5(path: Path) -> dict[str, Any]:
    """The content of an HDF5 file: groups as dicts, arrays of numbers, and texts and numbers that stand alone.

    Arrays of text are nested lists. The order is that of the file. Other kinds of data are left out.

    Raises
    ------
    BadInput
        The file is damaged, refers to other files, or is larger than a network can be.
    """
    try:
        with h5py.File(path, "r") as file:
            return _Reading(path, path.stat().st_size).group(file, ())
    except BadInput as error:
        raise BadInput(str(error) if str(path) in str(error) else f"{path} is damaged: {error}.") from error
    except Exception as error:  # h5py raises nearly every kind of exception on damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{path} cannot be read as HDF5 ({reason}); is it truncated or damaged?") from error


def arrays_in(content: Any) -> dict[str, NDArray]:
    """All arrays of what `read_hdf5` gives, by their paths: ``group/subgroup/dataset``."""
    found: dict[str, NDArray] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            found |= {f"{name}/{rest}": array for rest, array in arrays_in(value).items()}
        elif isinstance(value, np.ndarray):
            found[name] = value
    return found


@dataclass
class _Reading:
    """One reading of one file, and what it has cost so far."""

    path: Path
    size: int
    objects: int = 0
    numbers: int = 0  # bytes
    text: int = 0
    heaps: dict[int, dict[int, bytes]] = field(default_factory=dict)

    def group(self, group: h5py.Group, above: tuple[Any, ...]) -> dict[str, Any]:
        """A group as a dict; ``above`` are the addresses of the groups around it."""
        if len(above) >= DEPTH:
            raise self.refusal(group, f"lies more than {DEPTH} groups deep")
        above = (*above, h5py.h5o.get_info(group.id).addr)
        found: dict[str, Any] = {}
        for name in group:
            self.spend(objects=1)
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise self.refusal(group, f"holds a link, {name!r}, that can lead to other files")
            name.encode()  # names that are no UTF-8 could not be printed
            item = group[name]
            if isinstance(item, h5py.Group):
                if h5py.h5o.get_info(item.id).addr not in above:  # hard links can make cycles
                    found[name] = self.group(item, above)
            elif isinstance(item, h5py.Dataset) and (value := self.dataset(item)) is not None:
                found[name] = value
        return found

    def dataset(self, item: h5py.Dataset) -> Any:
        """A dataset as an array, number, text or nested list of texts, or None if it is of another kind."""
        made = item.id.get_create_plist()
        if made.get_layout() == h5py.h5d.VIRTUAL or made.get_external_count():
            raise self.refusal(item, "keeps its data in other files")
        try:
            dtype = item.dtype
        except TypeError:  # of no kind that numpy knows
            return None
        if item.shape is None:
            return None
        filters = [made.get_filter(k)[0] for k in range(made.get_nfilters())]
        if (text := h5py.check_string_dtype(dtype)) and text.length is None:
            return None if filters else self.texts(item)
        if dtype.kind not in "biufcS" or (dtype.kind != "S" and dtype.itemsize > (16 if dtype.kind == "c" else 8)):
            return None
        values = self.values(item, dtype, filters)
        if dtype.kind == "S":
            self.spend(objects=values.size, text=values.nbytes)
            return _decoded(values)
        return values if values.ndim else values.item()

    def values(self, item: h5py.Dataset, dtype: np.dtype, filters: list[int]) -> NDArray:
        """The numbers or texts of fixed length in a dataset, in the byte order of this machine."""
        n, chunks = prod(item.shape), item.chunks
        pieces = [ceil(s / c) for s, c in zip(item.shape, chunks, strict=True)] if chunks else []
        read = max(n, prod(pieces) * prod(chunks) if chunks else 0) * dtype.itemsize
        if n > ELEMENTS or read > DATASET_BYTES:
            raise self.refusal(item, f"says that its shape is {item.shape}")
        if read > EXPANSION * min(item.id.get_storage_size(), self.size) + 2**20:
            raise self.refusal(item, f"says that its shape is {item.shape} but stores next to nothing")
        if set(filters) - {GZIP, SHUFFLE, CHECKSUM}:
            raise BadInput(
                f"{item.name} in {self.path} is compressed in a way that is not read; write it with gzip, or without."
            )
        self.spend(objects=prod(pieces), numbers=read)
        array = self.inflated(item, dtype, filters) if GZIP in filters else np.asarray(item[()])
        return array.astype(dtype.newbyteorder("="), copy=False)

    def inflated(self, item: h5py.Dataset, dtype: np.dtype, filters: list[int]) -> NDArray:
        """The values of a dataset compressed with gzip, never inflating a chunk beyond the size that it declares."""
        if not h5py.h5t.py_create(dtype, logical=True).equal(item.id.get_type()):
            raise self.refusal(item, "is compressed, and its numbers are not laid out as usual")
        size = prod(item.chunks) * dtype.itemsize
        array = np.zeros(item.shape, dtype)
        for corner in product(*(range(0, s, c) for s, c in zip(item.shape, item.chunks, strict=True))):
            left_out, raw = item.id.read_direct_chunk(corner)
            for k in reversed(range(len(filters))):
                if not left_out >> k & 1:
                    raw = _undone(filters[k], raw, size, dtype.itemsize)
            if len(raw) != size:
                raise self.refusal(item, "has a chunk that is damaged")
            window = array[tuple(slice(start, start + c) for start, c in zip(corner, item.chunks, strict=True))]
            window[...] = np.frombuffer(raw, dtype).reshape(item.chunks)[tuple(slice(0, s) for s in window.shape)]
        return array

    def texts(self, item: h5py.Dataset) -> Any:
        """Texts of any length."""
        start, sizes = item.id.get_offset(), item.file.id.get_create_plist().get_sizes()
        if start is None or sizes != (8, 8):
            return None
        n = prod(item.shape)
        self.spend(objects=n)
        with self.path.open("rb") as file:
            found = heap_texts(file, start, n, heaps=self.heaps, spend=lambda size: self.spend(text=size))
        values = np.empty(n, object)
        values[:] = found
        return _decoded(values.reshape(item.shape))

    def spend(self, *, objects: int = 0, numbers: int = 0, text: int = 0) -> None:
        """Count what has been read; `BadInput` beyond the bounds."""
        self.objects, self.numbers, self.text = self.objects + objects, self.numbers + numbers, self.text + text
        if self.objects > OBJECTS or self.numbers > FILE_BYTES or self.text > TEXT_BYTES:
            raise BadInput(
                f"{self.path} holds more than a network can: at most {OBJECTS} objects, {FILE_BYTES // 2**30} GiB of numbers "
                f"and {TEXT_BYTES // 2**20} MiB of text are read; save the network alone."
            )

    def refusal(self, item: h5py.HLObject, what: str) -> BadInput:
        return BadInput(
            f"{item.name} in {self.path} {what}, which is not read; save the arrays themselves, and the network alone."
        )


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
