"""The lists of names in the groups of HDF5 files, looked at before libhdf5 reads them.

libhdf5 inflates compressed lists without a bound, and follows the nodes of a list wherever they lead: kilobytes can say that
each of 32 nodes has the same 32 nodes below it, and so on. What looks like a part of a list is taken for one.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

from stanalysis.errors import BadInput

HEAP, TREE, NEW_TREES = b"FRHP\0", b"TREE\0", (b"BTHD\0\5", b"BTHD\0\6")
NEW_NODE, NEW_DEPTH = 512, 3  # what libhdf5 writes, and enough for all the links that are read


def check_lists(path: Path) -> None:
    """Raise `BadInput` where lists of names are compressed, or their nodes are no trees; addresses have 8 bytes."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if any(content[at + 7 : at + 9].strip(b"\0") for at in _places(content, HEAP)):  # how long the list of filters is
            raise BadInput(f"{path} has compressed lists of names, which are not read; copy the network to a new file.")
        below: set[int] = set()
        for at in _places(content, TREE):
            level, n = struct.unpack("<BH", content[at + 5 : at + 8].ljust(3, b"\0"))
            nodes = content[at + 32 : at + 32 + 16 * n] if level else b""
            for (child,) in struct.iter_unpack("<Q8x", nodes[: len(nodes) // 16 * 16]):
                start = content[child : child + 6] if child < len(content) else b""
                if start.startswith(TREE) and (child in below or start[5:] != bytes([level - 1])):
                    raise BadInput(f"{path} is damaged: its lists of names run in circles.")
                below.add(child)
        for at in (at for kind in NEW_TREES for at in _places(content, kind)):
            size, depth = struct.unpack("<I2xH", content[at + 6 : at + 14].ljust(8, b"\0"))
            if size > NEW_NODE or depth > NEW_DEPTH:
                raise BadInput(f"{path} has lists of more names than a network; save the network alone.")


def _places(content: mmap.mmap, what: bytes) -> Iterator[int]:
    """Where the bytes occur."""
    at = content.find(what)
    while at >= 0:
        yield at
        at = content.find(what, at + 1)
