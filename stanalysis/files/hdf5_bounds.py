"""What an HDF5 file may cost: links, sizes and kinds of storage are looked at before libhdf5 reads anything.

libhdf5 believes what a file says: it follows links to other files, allocates what is declared, and inflates without a bound.
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

from stanalysis.errors import BadInput
from stanalysis.files.hdf5_structure import check_structure

DEPTH = 32  # of groups
LINKS = 2**14  # to groups and datasets
LINKS_OF_OURS = 5000  # which xarray reads in 10 seconds
SHARED = 2**29  # bytes of texts of attributes, if all were as long as the longest
OBJECTS = 50_000  # chunks and strings of a file
ELEMENTS = 2**25  # of all datasets together, unless the file is larger
NUMBER_BYTES = 2**28  # likewise
EXPANSION = 1100  # declared bytes by stored ones; gzip reaches 1032
TEXT_BYTES = 2**24  # names of groups and datasets among them
_PACKED = 64  # declared bytes by stored ones of a whole file of this program: columns of one value are among others
_REFERENCE = 16  # bytes of a file for each text
DIMENSION_ALONE = b"This is a netCDF dimension but not a netCDF variable."


@dataclass(frozen=True)
class Limits:
    """What a file may cost: bytes of numbers, of what is stored, of texts, of texts that can share what is stored."""

    links: int
    objects: int
    elements: int
    numbers: int
    stored: int
    text: int
    shared: int = SHARED


@dataclass
class Bounds:
    """One reading of one file, and what it has cost so far."""

    path: Path
    size: int
    limits: Limits
    longest: int = 0  # text in it, or other value of any length
    spent: dict[str, int] = field(default_factory=dict)

    def spend(self, **costs: int) -> None:
        """Count what is about to be read; `BadInput` beyond the bounds."""
        for what, cost in costs.items():
            self.spent[what] = self.spent.get(what, 0) + cost
            if self.spent[what] > getattr(self.limits, what):
                raise BadInput(f"{self.path} holds more than a network can; save the network alone.")

    def refusal(self, item: h5py.HLObject, what: str) -> BadInput:
        """What is wrong with a part of the file."""
        return BadInput(
            f"{item.name!r} in {self.path} {what}, which is not read; save the arrays themselves, and the network alone."
        )

    def names(self, group: h5py.Group) -> list[tuple[str, int]]:
        """What a group holds: names and addresses, in the order of the file where it has one."""
        listed: list[tuple[str, int]] = []

        def note(raw: bytes, info: Any) -> BadInput | None:  # libhdf5 stops at an error that is returned, not at one raised
            try:
                self.spend(links=1, text=len(raw))  # at once, for a damaged list can have no end
            except BadInput as error:
                return error
            name = raw.decode("utf-8", "replace")
            if info.type != h5py.h5l.TYPE_HARD or "/" in name or name == ".":  # a path can lead through a link
                return self.refusal(group, f"holds a link, {name!r}, that can lead to other files")
            if name.encode() != raw:
                return self.refusal(group, f"has a name, {name!r}, that is no text")
            listed.append((name, info.u))
            return None

        tracked = group.id.get_create_plist().get_link_creation_order() & h5py.h5p.CRT_ORDER_TRACKED
        order = h5py.h5.INDEX_CRT_ORDER if tracked else h5py.h5.INDEX_NAME
        error, _ = group.id.links.iterate(note, info=True, idx_type=order)
        if error is not None:
            raise error
        self.spend(text=len(group.name or "") * len(listed))
        return listed

    def kind(self, item: h5py.Dataset) -> np.dtype | None:
        """What a dataset holds, None for what numpy does not know; `BadInput` if it lies in other files."""
        self.spend(objects=n_members(item.id.get_type()))
        made = item.id.get_create_plist()
        if made.get_layout() == h5py.h5d.VIRTUAL or made.get_external_count():
            raise self.refusal(item, "keeps its data in other files")
        try:
            dtype: np.dtype = item.dtype
        except TypeError:
            return None
        return dtype

    def declared(self, item: h5py.Dataset, itemsize: int) -> None:
        """Count the numbers of a dataset, of so many bytes each; `BadInput` if the file cannot hold them."""
        n, chunks = prod(item.shape), item.chunks
        pieces = [-(-s // c) for s, c in zip(item.shape, chunks, strict=True)] if chunks else []
        read = max(n, prod(pieces) * prod(chunks) if chunks else 0)
        if read * itemsize > self.limits.numbers or read > self.limits.elements:
            raise self.refusal(item, f"says that its shape is {item.shape}, more than a network has")
        # of chunks libhdf5 would have to count them, along lists that can be damaged
        stored = self.size if chunks else item.id.get_storage_size()
        if read * itemsize > EXPANSION * min(stored, self.size) + 2**20:
            raise self.refusal(item, f"says that its shape is {item.shape} but stores next to nothing")
        self.spend(objects=prod(pieces), elements=read, numbers=read * itemsize, stored=0 if chunks else stored)


def limits_of_foreign(size: int) -> Limits:
    """What a file of so many bytes may cost that holds a network and perhaps the state of its training."""
    return Limits(LINKS, OBJECTS, max(ELEMENTS, size), max(NUMBER_BYTES, size), size, TEXT_BYTES)


def limits_of_ours(size: int) -> Limits:
    """What a file of so many bytes may cost that this program wrote: analyses hold many networks."""
    numbers = max(NUMBER_BYTES, _PACKED * size)
    return Limits(LINKS_OF_OURS, max(OBJECTS, size // _REFERENCE), numbers, numbers, size, max(TEXT_BYTES, size))


def require_usual_addresses(path: Path, file: h5py.File) -> None:
    """Raise `BadInput` unless addresses have 8 bytes, as everything here takes for granted."""
    if file.id.get_create_plist().get_sizes() != (8, 8):
        raise BadInput(f"{path} has addresses of other than 8 bytes; copy the network to a new file.")


def require_bounded(path: Path) -> None:
    """Raise `BadInput` unless a file of this program can be read whole at a cost that its size accounts for."""
    longest, size = check_structure(path), path.stat().st_size
    bounds = Bounds(path, size, limits_of_ours(size), longest)
    with h5py.File(path) as file:
        require_usual_addresses(path, file)
        root = file["/"]
        _require_bounded(root, bounds, {h5py.h5g.get_objinfo(root.id).objno[0]}, depth=1)


def _require_bounded(group: h5py.Group, bounds: Bounds, known: set[int], depth: int) -> None:
    if depth > DEPTH:
        raise bounds.refusal(group, f"lies more than {DEPTH} groups deep")
    _require_bounded_attributes(group, bounds)
    for name, there in bounds.names(group):
        if there in known:
            raise bounds.refusal(group, f"holds {name!r}, which has another name, too")
        known.add(there)
        item = group[name]
        if isinstance(item, h5py.Group):
            _require_bounded(item, bounds, known, depth + 1)
        elif isinstance(item, h5py.Dataset):
            _require_bounded_attributes(item, bounds)
            if not is_dimension_alone(item):
                _require_bounded_dataset(item, bounds)


def is_dimension_alone(item: h5py.Dataset) -> bool:
    """Whether it names a dimension without coordinates, of which, by this very mark, no values are read."""
    name = item.attrs.get("NAME", b"")
    return isinstance(name, bytes) and name.startswith(DIMENSION_ALONE)


def _require_bounded_attributes(item: h5py.HLObject, bounds: Bounds) -> None:
    """Where the values of any length lie HDF5 does not tell: each of them is taken to be the longest in the file."""
    for k in range(h5py.h5a.get_num_attrs(item.id)):
        attribute = h5py.h5a.open(item.id, index=k)
        kind = attribute.get_type()
        n = prod(attribute.shape or ())
        bounds.spend(objects=n_members(kind) + 1, numbers=n * kind.get_size())
        is_text = isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str()
        if is_text or isinstance(kind, h5py.h5t.TypeVlenID):
            bounds.spend(objects=n, shared=n * bounds.longest)


def _require_bounded_dataset(item: h5py.Dataset, bounds: Bounds) -> None:
    dtype = bounds.kind(item)
    if dtype is None or item.shape is None:
        return
    text = h5py.check_string_dtype(dtype)
    if isinstance(item.id.get_type(), h5py.h5t.TypeVlenID):
        raise bounds.refusal(item, "has values of any length that are no texts")
    if not (text and text.length is None):
        bounds.declared(item, max(dtype.itemsize, 8))  # xarray makes float64 of whatever is scaled
        if item.compression == "gzip":
            _require_bounded_chunks(item, bounds)
        return
    n, start = prod(item.shape), item.id.get_offset()
    if n and start is None:
        raise bounds.refusal(item, "keeps its texts in pieces")
    bounds.declared(item, _REFERENCE)
    with bounds.path.open("rb") as file:  # texts can share what is stored, so their lengths are not bounded by the file
        file.seek(start or 0)
        lengths = np.frombuffer(file.read(_REFERENCE * n), "<u4").reshape(-1, 4)[:, 0]
    bounds.spend(objects=n, text=int(lengths.sum(dtype=np.int64)))


def _require_bounded_chunks(item: h5py.Dataset, bounds: Bounds) -> None:
    """Inflate what could be a bomb, up to the size that it declares; most chunks are too small to be one."""
    size = prod(item.chunks) * item.dtype.itemsize
    for corner in product(*(range(0, s, c) for s, c in zip(item.shape, item.chunks, strict=True))):
        if item.id.get_chunk_info_by_coord(corner).size * EXPANSION <= NUMBER_BYTES:
            continue
        inflater = zlib.decompressobj()
        inflater.decompress(item.id.read_direct_chunk(corner)[1], size + 4)  # a checksum may be in it
        if inflater.unconsumed_tail:
            raise bounds.refusal(item, "has a chunk that is larger than it says")


def n_members(kind: h5py.h5t.TypeID) -> int:
    """How many fields or values a type has, and the types in it: datasets can share a type of thousands."""
    if isinstance(kind, h5py.h5t.TypeEnumID):
        return int(kind.get_nmembers())
    if isinstance(kind, h5py.h5t.TypeCompoundID):
        return sum(1 + n_members(kind.get_member_type(k)) for k in range(kind.get_nmembers()))
    return n_members(kind.get_super()) if isinstance(kind, h5py.h5t.TypeArrayID | h5py.h5t.TypeVlenID) else 0
