"""Texts and lists of any length in HDF5 files, read from the heap that holds them.

libhdf5 allocates, and copies, as many bytes as such an element or its heap says, gigabytes from a file of kilobytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from os import SEEK_END
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput

HEADER = b"GCOL\x01"
REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])  # of a text or list


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


def heap_lists(
    file: BinaryIO,
    references: bytes,
    dtype: np.dtype,
    *,
    heaps: dict[int, dict[int, bytes]],
    spend_heap: Callable[[int], None],
    spend: Callable[[int], None],
) -> tuple[NDArray[np.int64], NDArray]:
    """Lists of numbers, one after the other: where each begins, and at last ends, and all their numbers.

    Parameters
    ----------
    references
        Where the lists are, as the file has it; addresses and sizes have 8 bytes.
    dtype
        Of the numbers in the file; those returned are in the byte order of this machine.
    heaps
        What has been read already, by address: lists share it.
    spend_heap, spend
        Are told how many bytes are about to be read, and how many the numbers take, and may refuse.
    """
    table = np.frombuffer(references, REFERENCE)
    begin = np.zeros(len(table) + 1, np.int64)
    np.cumsum(table["length"], out=begin[1:])
    spend(int(begin[-1]) * dtype.itemsize)
    values = np.empty(begin[-1], dtype.newbyteorder("="))
    for k, (length, address, index) in enumerate(table.tolist()):
        if length and address not in heaps:
            heaps[address] = _heap(file, address, spend_heap)
        content = heaps[address].get(index, b"") if length else b""
        if len(content) != length * dtype.itemsize:
            raise BadInput("it has lists whose lengths differ from what is stored")
        values[begin[k] : begin[k + 1]] = np.frombuffer(content, dtype)
    return begin, values


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
