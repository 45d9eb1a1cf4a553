"""Texts of any length in HDF5 files, read from the heap that holds them.

libhdf5 allocates, and copies, as many bytes as such an element or its heap says, gigabytes from a file of kilobytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from os import SEEK_END
from typing import BinaryIO

from stanalysis.errors import BadInput

HEADER = b"GCOL\x01"


def heap_texts(
    file: BinaryIO, start: int, n: int, *, heaps: dict[int, dict[int, bytes]], spend: Callable[[int], None]
) -> list[bytes]:
    """The ``n`` texts whose references begin at byte ``start`` of the file; addresses and sizes have 8 bytes.

    Parameters
    ----------
    heaps
        What has been read already, by address: texts share it.
    spend
        Is told how many bytes are about to be read, and may refuse.
    """
    file.seek(start)
    references = file.read(16 * n)
    if len(references) < 16 * n:
        raise BadInput("it has texts beyond its end")
    texts = []
    for length, address, index in struct.iter_unpack("<IQI", references):
        if length and address not in heaps:
            heaps[address] = _heap(file, address, spend)
        text = heaps[address].get(index, b"") if length else b""
        if len(text) != length:
            raise BadInput("it has texts whose lengths differ from what is stored")
        spend(length)
        texts.append(text.rstrip(b"\0"))
    return texts


def _heap(file: BinaryIO, address: int, spend: Callable[[int], None]) -> dict[int, bytes]:
    """All objects of the collection at an address, by index."""
    file.seek(min(address, file.seek(0, SEEK_END)))
    header = file.read(16)
    if len(header) < 16 or not header.startswith(HEADER):
        raise BadInput("it has texts that are stored nowhere")
    (size,) = struct.unpack_from("<Q", header, 8)
    spend(size)
    content = file.read(max(size - 16, 0))
    objects, at = {}, 0
    while at + 16 <= len(content):
        index, _, length = struct.unpack_from("<HH4xQ", content, at)
        if index == 0:  # the free space at the end
            break
        objects[index] = content[at + 16 : at + 16 + length]
        at += 16 + (length + 7) // 8 * 8
    return objects
