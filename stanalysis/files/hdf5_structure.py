"""The inner lists of HDF5 files, looked at before libhdf5 reads them.

libhdf5 inflates compressed lists without a bound, and follows the nodes of a list wherever they lead: kilobytes can say that
each of 32 nodes has the same 32 nodes below it, and so on; one bit can make a heap of texts endless. What looks like a part of
a list is taken for one.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

from stanalysis.errors import BadInput

HEAP, TREE, NEW_TREE = b"FRHP\0", b"TREE\0", b"BTHD\0"
KINDS = (b"\5", b"\6", b"\x08", b"\x09")  # of new trees: names of members and of attributes
TEXTS = b"GCOL\1"
NEW_NODE, NEW_DEPTH = 512, 3  # what libhdf5 writes, and enough for all the links that are read


def check_structure(path: Path) -> int:
    """Raise `BadInput` where lists of names are compressed, or lists are no trees or endless; addresses have 8 bytes.

    Returns the length of the longest text, or other value of any length, in bytes.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if any(content[at + 7 : at + 9].strip(b"\0") for at in _places(content, HEAP)):  # how long the list of filters is
            raise BadInput(f"{path} has compressed lists of names, which are not read; copy the network to a new file.")
        if not _are_trees(content):
            raise BadInput(f"{path} is damaged: its lists of names run in circles.")
        for at in _places(content, NEW_TREE):
            if content[at + 5 : at + 6] not in KINDS:
                continue
            size, depth = struct.unpack("<I2xH", content[at + 6 : at + 14].ljust(8, b"\0"))
            if size > NEW_NODE or depth > NEW_DEPTH:
                raise BadInput(f"{path} has lists of more names than a network; save the network alone.")
        longest = [_longest_text(content, at) for at in _places(content, TEXTS)]
        if None in longest:
            raise BadInput(f"{path} is damaged: its lists of texts have no end.")
    return max((length for length in longest if length is not None), default=0)


def _are_trees(content: mmap.mmap) -> bool:
    """Whether each node of the old kind of list lies below one other, a level down."""
    below: set[int] = set()
    for at in _places(content, TREE):
        level, n = struct.unpack("<BH", content[at + 5 : at + 8].ljust(3, b"\0"))
        nodes = content[at + 32 : at + 32 + 16 * n] if level else b""
        for (child,) in struct.iter_unpack("<Q8x", nodes[: len(nodes) // 16 * 16]):
            start = content[child : child + 6] if child < len(content) else b""
            if start.startswith(TREE) and (child in below or start[5:] != bytes([level - 1])):
                return False
            below.add(child)
    return True


def _longest_text(content: mmap.mmap, start: int) -> int | None:
    """The longest in a heap of texts; None if that is larger than the file, or has free space that does not fill its end."""
    (size,) = struct.unpack("<Q", content[start + 8 : start + 16].ljust(8, b"\0"))
    end, at = start + size, start + 16
    if not at <= end <= len(content):
        return None
    longest = 0
    while at + 16 <= end:
        index, length = struct.unpack_from("<H6xQ", content, at)
        if index == 0:  # the length of the free space counts its own head
            return longest if length == end - at else None
        longest = max(longest, length)
        at += 16 + (length + 7) // 8 * 8
    return longest


def _places(content: mmap.mmap, what: bytes) -> Iterator[int]:
    """Where the bytes occur."""
    at = content.find(what)
    while at >= 0:
        yield at
        at = content.find(what, at + 1)
