"""Files of numpy, .npy and .npz: plain arrays, and pickled ones as data."""

from __future__ import annotations

import io
import math
import re
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.formats.inert_pickle import Global, Inert, Unfinished, damaged, load

MAX_BYTES = 2**30  # of a file
MAX_EXPANDED = 2**28  # bytes of all arrays in an .npz that is smaller
MAX_HEADERS = 2**20  # bytes of all headers in an .npz: a byte may take a microsecond
HEADER = 2**14  # bytes at the start of an .npy that surely hold its header; numpy reads none of more than 10,000
MAX_ELEMENTS = 2**31
MAX_DIMS = 32
DTYPES = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"})

_NDARRAY = Global("numpy", "ndarray")
_DTYPE = Global("numpy", "dtype")
_BYTE_ORDER = re.compile(r"[<>|=]")


def read_npy(path: Path) -> Any:
    """What an .npy holds: an array, or as plain data what was pickled, without executing anything.

    Arrays are read-only and in native byte order; a pickled array of no dimensions gives its one item, one of objects a flat
    list. Pickled scalars are Python numbers; what is not known stays `stanalysis.readers.formats.inert_pickle.Inert`.

    Raises
    ------
    BadInput
        The file is none, damaged or out of bounds.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "history.npy"
    >>> np.save(path, {0: {"name": "DelayLayer", "params": np.arange(3.0)}})
    >>> read_npy(path)
    {0: {'name': 'DelayLayer', 'params': array([0., 1., 2.])}}
    """
    try:
        require_small_file(path, MAX_BYTES)
        raw = path.read_bytes()
        header = _read_header(raw[:HEADER])
        if header.dtype.hasobject:
            return _read_objects(raw[header.end :])
        return _read_numbers(raw, header)
    except BadInput as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be opened ({error.strerror}); give the path of an .npy file.") from error


def read_npz(path: Path) -> dict[str, NDArray]:
    """The arrays of numbers in an .npz by name, in the order of the file; read-only, in native byte order.

    Arrays of anything else, such as texts or objects, are left out.

    Raises
    ------
    BadInput
        The file is none, damaged or out of bounds.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "network.npz"
    >>> np.savez(path, weight=np.ones((1, 2)))
    >>> read_npz(path)
    {'weight': array([[1., 1.]])}
    """
    try:
        size = require_small_file(path, MAX_BYTES)
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            _require_bounded(archive.infolist(), len(entries), size)
            return _entry_arrays(archive, entries)
    except BadInput as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    except Exception as error:  # zipfile raises nearly every kind on damaged files
        raise BadInput(f"{path} cannot be read as .npz; is it damaged, or another kind of file?") from error


def require_small_file(path: Path, most: int) -> int:
    """The bytes of a file, which is no folder, pipe or device: these would never end; `BadInput` beyond ``most``."""
    if not path.is_file():
        raise BadInput("it does not exist or is no file; give the path of a file of a network.")
    size = path.stat().st_size
    if size > most:
        raise BadInput(f"it has more than {most} bytes; save only the arrays of the network.")
    return size


def _require_bounded(entries: list[zipfile.ZipInfo], n_names: int, size: int) -> None:
    if n_names < len(entries):
        raise BadInput("two of its entries have the same name; save it anew.")
    if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
        raise BadInput("it is compressed in a way that numpy does not use; save it anew.")
    most = max(MAX_EXPANDED, size)
    if sum(entry.file_size for entry in entries) > most:
        raise BadInput(f"its arrays expand to more than {most} bytes; save only the arrays of the network.")


def _entry_arrays(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> dict[str, NDArray]:
    arrays = {}
    headers = 0
    for name, entry in entries.items():
        with archive.open(entry) as file:
            header = _read_header(file.read(HEADER))
        headers += header.end
        if headers > MAX_HEADERS:
            raise BadInput("it has too many arrays; save only the arrays of the network.")
        if header.is_numbers:
            raw = archive.read(entry)
            if len(raw) < entry.file_size:
                raise BadInput("one of its entries is shorter than it says; is it damaged?")
            arrays[name] = _read_numbers(raw, header)
    return arrays


@dataclass(frozen=True)
class _Header:
    """What an .npy says of its array, and the byte where that begins."""

    shape: Any
    order: Literal["C", "F"]
    dtype: np.dtype
    end: int

    @property
    def is_numbers(self) -> bool:
        return not self.dtype.hasobject and self.dtype.str[1:] in DTYPES


def _read_header(start: bytes) -> _Header:
    file = io.BytesIO(start)  # which, unlike a real file, allocates nothing for a length that is not there
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers written by Python 2
            version = np.lib.format.read_magic(file)
            read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            shape, fortran, dtype = read_header(file)
    except Exception as error:  # numpy reads the header as Python
        raise BadInput("it has no header of an .npy of version 1 or 2; is it damaged, or another kind of file?") from error
    return _Header(shape, "F" if fortran else "C", dtype, file.tell())


def _read_objects(raw: bytes) -> Any:
    value = load(io.BytesIO(raw), rebuild=REBUILD)
    if isinstance(value, Unfinished):
        raise damaged("its array holds itself")
    return value


def _read_numbers(raw: bytes | memoryview, header: _Header) -> NDArray:
    """The array of an .npy."""
    shape, dtype = header.shape, header.dtype
    if not header.is_numbers:
        raise BadInput(f"its elements are {dtype.str[:20]}, no numbers; save only arrays of numbers.")
    require_elements(shape, MAX_ELEMENTS)
    data = memoryview(raw)[header.end :]
    if math.prod(shape) * dtype.itemsize != len(data):
        raise BadInput(f"it holds {len(data)} bytes, not those of the shape {shape}; is it truncated?")
    return native(data, dtype).reshape(shape, order=header.order)


def require_elements(shape: Any, most: int) -> None:
    """Raise `BadInput` unless ``shape`` is one of at most ``most`` elements; zeros count as ones."""
    if type(shape) is not tuple or len(shape) > MAX_DIMS or not all(type(n) is int and 0 <= n <= most for n in shape):
        raise BadInput(f"a shape in it is none, or has more than {most} elements; is it damaged?")
    if math.prod(max(n, 1) for n in shape) > most:
        raise BadInput(f"it holds an array of more than {most} elements; save only the arrays of the network.")


def native(raw: bytes | memoryview, dtype: np.dtype) -> NDArray:
    """The numbers in ``raw`` as a flat, aligned, read-only array in native byte order."""
    if dtype.kind == "b":
        array = np.frombuffer(raw, np.uint8) != 0  # other bytes are neither true nor false to numpy
    else:
        array = np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="), copy=False)
    array = np.require(array, requirements="A")
    array.flags.writeable = False
    return array


def _finish_array(state: Any) -> Any:
    """The array of its pickled state: version, shape, dtype, whether in Fortran order, and data."""
    _, shape, dtype, fortran, data = state
    require_elements(shape, MAX_ELEMENTS)
    if type(data) is list:
        if len(data) != math.prod(shape):
            raise damaged("an array has not as many elements as its shape says")
        return data if shape else data[0]
    number = _number(dtype)
    return Inert(_NDARRAY, state=state) if number is None else _shaped(data, number, shape, "F" if fortran else "C")


def _number(dtype: Any) -> np.dtype | None:
    """The dtype that was pickled, if it is one of numbers."""
    if not (isinstance(dtype, Inert) and dtype.kind == _DTYPE):
        raise damaged("the dtype of an array is none")
    code, order = dtype.args[0], dtype.state[1] if dtype.state else "="
    if not (isinstance(code, str) and code in DTYPES):
        return None
    if not (isinstance(order, str) and _BYTE_ORDER.fullmatch(order)):
        raise damaged("a byte order is none")
    return np.dtype(order + code)


def _shaped(data: Any, dtype: np.dtype, shape: Any, order: Any) -> NDArray:
    require_elements(shape, MAX_ELEMENTS)
    raw = data.encode("latin1") if isinstance(data, str) else data  # text in the pickles of Python 2
    if not isinstance(raw, bytes) or len(raw) != math.prod(shape) * dtype.itemsize or order not in ("C", "F"):
        raise damaged("an array has not as many bytes as its shape says")
    return native(raw, dtype).reshape(shape, order=order)


def _reconstruct(kind: Any, shape: Any, code: Any) -> Inert:
    if kind != _NDARRAY:
        return Inert(Global("numpy", "_reconstruct"), (kind, shape, code))
    return Unfinished(kind=_NDARRAY, args=(shape, code), finish=_finish_array)


def _scalar(dtype: Any, data: Any = None) -> Any:
    number = _number(dtype)
    return Inert(Global("numpy", "generic"), (dtype, data)) if number is None else _shaped(data, number, (), "C").item()


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> Any:
    number = _number(dtype)
    if number is None:
        return Inert(_NDARRAY, (data, dtype, shape, order, axes))
    if order == "K" and axes is not None:
        return _shaped(data, number, shape, "C").transpose(axes)
    return _shaped(data, number, shape, order)


REBUILD: dict[tuple[str, str], Callable[..., Any]] = {
    (f"numpy.{core}.{module}", name): function
    for core in ("core", "_core")
    for module, name, function in (
        ("multiarray", "_reconstruct", _reconstruct),
        ("multiarray", "scalar", _scalar),
        ("numeric", "_frombuffer", _frombuffer),
    )
}
