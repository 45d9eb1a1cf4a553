"""netCDF-4 files of this program: made in memory, with their digest behind the last byte, and checked before they are read.

HDF5 crashes where a disk is full, so it never writes to one. It takes no notice of what lies behind the end of its data, so
other programs read the files as they are; files without a digest, as other programs and earlier versions write them, are read,
too.
"""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import h5py
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.hdf5_bounds import require_bounded
from stanalysis.files.netcdf_groups import groups_of, write_groups

_MAGIC = b"\nstanalysis sha256 "
TAIL = len(_MAGIC) + 65  # bytes behind the data: the digest in hexadecimal, and a line break
_BLOCK = 2**20
_BAD = (OSError, ValueError, LookupError, ArithmeticError, RuntimeError, AttributeError, TypeError, struct.error)


def netcdf_bytes(tree: xr.DataTree, *, packed: Mapping[str, Collection[str]] | None = None) -> bytes:
    """A tree as the content of a file; ``packed`` names the variables of each group, by its path, that are compressed."""
    content = io.BytesIO()
    with h5py.File(content, "w", track_order=True) as file:
        write_groups(file, {node.path: node.to_dataset(inherit=False) for node in tree.subtree}, packed=packed or {})
    return sealed(content.getvalue())


def sealed(content: bytes) -> bytes:
    """The content of a file with its digest behind it."""
    return content + _tail(hashlib.sha256(content).hexdigest())


def _tail(digest: str) -> bytes:
    return _MAGIC + digest.encode() + b"\n"


def require_sound(path: Path, kind: str) -> None:
    """Raise `BadInput` unless a file is there, unchanged since it was written, and asks for no more than it holds."""
    if not path.is_file():
        raise BadInput(f"{path} does not exist or is no file; give the path of {kind}.")
    with reading(path, kind):
        if not path.stat().st_size:
            raise ValueError("it is empty")
        _require_digest(path)
        require_bounded(path)


def read_tree(path: Path, kind: str, *, without: Collection[str] = ()) -> xr.DataTree:
    """Load a netCDF-4 file, but for groups that are called as one in ``without``; ``kind`` names in the error message what was
    expected.
    """
    require_sound(path, kind)
    with reading(path, kind), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of xarray about what other programs wrote
        with h5py.File(path) as file:
            return xr.DataTree.from_dict(dict(groups_of(file, "/", without=without)))


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Whatever HDF5 and its readers raise about a damaged file is a `BadInput`."""
    try:
        yield
    except BadInput:
        raise
    except _BAD as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{path} cannot be read as {kind} ({reason}); is it truncated, or another kind of file?") from error


def _require_digest(path: Path) -> None:
    """Raise `BadInput` where a file has a digest that is not its own, or something else behind its data."""
    size = path.stat().st_size
    with path.open("rb") as file:
        end = _end_of_data(file)
        file.seek(max(size - TAIL, 0))
        tail = file.read(TAIL)
        if not tail.startswith(_MAGIC):
            if 0 < end < size:
                raise BadInput(f"{path} is damaged: its last bytes are not those that were written; restore it from a copy.")
            return
        file.seek(0)
        digest, left = hashlib.sha256(), size - TAIL
        while left and (block := file.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
    if tail != _tail(digest.hexdigest()):
        raise BadInput(f"{path} is damaged: its bytes are not those that were written; restore it from a copy.")


def _end_of_data(file: BinaryIO) -> int:
    """Where the HDF5 file says that its data end, 0 where it does not."""
    head = file.read(48)
    if not head.startswith(b"\x89HDF\r\n\x1a\n") or len(head) < 48:
        return 0
    (end,) = struct.unpack_from("<Q", head, 40 if head[8] < 2 else 28)
    return int(end)
