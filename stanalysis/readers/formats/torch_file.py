"""Checkpoints of torch, .pt and .pth: read without torch and without executing anything.

A zip holds ``data.pkl``, a pickle, and the bytes of each storage; tensors are views of storages. Before torch 1.6 the file was
five pickles (magic number, protocol, system, object, storage keys) and then the storages' bytes.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.readers.formats.inert_pickle import MAX_WORK, Global, Inert, damaged, load
from stanalysis.readers.formats.numpy_file import REBUILD as NUMPY
from stanalysis.readers.formats.numpy_file import native, require_elements, require_small_file

MAX_BYTES = 2**31  # of all storages
MAX_REPEATED = 2**22  # elements of all tensors beyond those stored
MAX_SHARED = 4  # tensors of one storage, in its lengths
MAX_DEPTH = 100
MAX_VALUES = 1_000_000  # met on a walk
MAX_ARRAYS = 100_000
MAX_NAME = 500
MAX_KEY = 1000  # characters of the key of a storage
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
MAX_HEADER_WORK = 1000

_STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "b1",
    "ComplexFloatStorage": "<c8",
    "ComplexDoubleStorage": "<c16",
    "UntypedStorage": "u1",
    "QInt8Storage": "i1",
    "QUInt8Storage": "u1",
    "QInt32Storage": "<i4",
}
# dtypes of tensors whose storage has none; bfloat16 is not among them, as it has a storage of its own
_UNTYPED = {
    **{f"{sign}int{8 * size}": f"<{sign or 'i'}{size}" for sign in ("", "u") for size in (1, 2, 4, 8)},
    **{f"float{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}
_TENSOR = Global("torch", "Tensor")


@dataclass(eq=False, slots=True)
class _Tally:
    """Elements in the storages of one file, and in its tensors: these can be far more, as tensors repeat and share."""

    stored: int = 0
    shown: int = 0

    def show(self, elements: int) -> None:
        self.shown += elements
        if self.shown > MAX_SHARED * self.stored + MAX_REPEATED:
            raise BadInput("its tensors repeat the same numbers too often; save clones of the tensors that are needed.")


@dataclass(eq=False, slots=True, kw_only=True)
class _Storage(Inert):
    """Numbers that tensors share; only this module makes any, so that no file can pass off another array as one."""

    array: NDArray | None = field(repr=False)
    tally: _Tally = field(repr=False)


def read_torch(path: Path) -> Any:
    """The object in a .pt or .pth as plain data: dicts, lists, tuples, numbers, texts and arrays.

    Tensors and parameters are read-only arrays in native byte order, bfloat16 as float32; they may share memory. Modules and
    anything else are `inert_pickle.Inert`: a module's ``state`` has its ``_parameters``, ``_buffers``,
    ``_modules`` and attributes. So are tensors that are quantised, sparse, conjugated or of 8-bit floats.

    Raises
    ------
    BadInput
        The file is none, damaged, out of bounds, TorchScript, or of a big-endian machine.

    Examples
    --------
    A checkpoint without tensors:

    >>> import pickle, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "best.pt"
    >>> with zipfile.ZipFile(path, "w") as archive:
    ...     archive.writestr("best/data.pkl", pickle.dumps({"acc": 0.9, "epoch": 3}, protocol=2))
    >>> read_torch(path)
    {'acc': 0.9, 'epoch': 3}
    """
    try:
        size = require_small_file(path, MAX_BYTES)
        with path.open("rb") as file:
            start = file.read(512)
        if start.startswith(b"PK\x03\x04"):
            return _read_zip(path, size)
        if start[257:262] == b"ustar":
            raise BadInput("it is a tar of torch 0.1; load and save it anew with a newer torch.")
        if not _is_legacy(start):
            raise BadInput("it is no file that torch.save wrote; is it damaged, or another kind of file?")
        return _read_legacy(path.read_bytes())
    except BadInput as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    except Exception as error:  # zipfile raises nearly every kind on damaged files
        raise BadInput(f"{path} cannot be read as a checkpoint of torch; is it damaged?") from error


def arrays_of(value: Any) -> dict[str, NDArray]:
    """All arrays inside a value by dotted name, in the order of the file.

    Dicts give their keys, lists and tuples indices, modules the names of their state_dict; other objects are left out.

    Raises
    ------
    BadInput
        Something is nested too deeply, or too large to be a network, or two arrays have one name.

    Examples
    --------
    >>> arrays_of({"net": {"weight": np.ones(2)}, "epoch": 3, "history": [0.5, np.zeros(1)]})
    {'net.weight': array([1., 1.]), 'history.1': array([0.])}
    """
    arrays: dict[str, NDArray] = {}
    _collect(value, "", {id(value)}, arrays, count())
    return arrays


def _collect(value: Any, name: str, outer: set[int], arrays: dict[str, NDArray], met: Iterator[int]) -> None:
    """Put the arrays inside ``value`` into ``found``; ``outer`` are the containers it lies in, itself included."""
    if isinstance(value, np.ndarray):
        if name in arrays:
            raise BadInput(f"it holds two arrays of the name {name!r}; save only one of them.")
        if len(arrays) == MAX_ARRAYS:
            raise BadInput(f"it holds more than {MAX_ARRAYS} arrays; save only the state_dict.")
        arrays[name] = value
    for key, inner in _members(value):
        if next(met) > MAX_VALUES:  # sharing makes a small file hold as many as it likes
            raise BadInput(f"it holds more than {MAX_VALUES} values; save only the state_dict.")
        if id(inner) in outer or not isinstance(inner, np.ndarray | dict | list | tuple | Inert):
            continue
        inner_name = f"{name}.{key}" if name else str(key)
        if len(outer) > MAX_DEPTH or len(inner_name) > MAX_NAME:
            raise BadInput(f"it is nested more than {MAX_DEPTH} levels deep, or has too long names; save only the state_dict.")
        outer.add(id(inner))
        _collect(inner, inner_name, outer, arrays, met)
        outer.remove(id(inner))


def _members(value: Any) -> Iterable[tuple[Any, Any]]:
    """What lies in a container, with names."""
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list | tuple):
        return enumerate(value)
    if isinstance(value, Inert) and isinstance(value.state, dict):
        parts = [value.state.get(part) for part in ("_parameters", "_buffers", "_modules")]
        passing = value.state.get("_non_persistent_buffers_set")
        left_out = passing if isinstance(passing, set) else set()
        return _items([part for part in parts if isinstance(part, dict)], left_out)
    return ()


def _items(parts: Iterable[dict[Any, Any]], left_out: set[Any]) -> Iterator[tuple[Any, Any]]:
    """The items of the dicts; in place of those left out comes None, so that whoever counts values counts them."""
    for part in parts:
        for key, value in part.items():
            yield key, None if key in left_out else value


def _read_zip(path: Path, size: int) -> Any:
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise BadInput("it is a zip without a data.pkl, which torch.save did not write; give another file.")
        folder = pickles[0].removesuffix("data.pkl")
        if any(name == f"{folder}constants.pkl" or name.startswith(f"{folder}code/") for name in entries):
            raise BadInput("it is TorchScript; save the state_dict instead.")
        _require_stored(archive.infolist(), size)
        order = entries.get(f"{folder}byteorder")
        if order is not None and archive.read(order) != b"little":
            raise BadInput("it was written on a big-endian machine; load and save it on another one.")

        def block(key: str) -> bytes:
            if f"{folder}data/{key}" not in entries:
                raise damaged("a storage is missing")
            return archive.read(entries[f"{folder}data/{key}"])

        return load(io.BytesIO(archive.read(pickles[0])), rebuild=_REBUILD, persistent=_storages(block))


def _require_stored(entries: list[zipfile.ZipInfo], size: int) -> None:
    """Raise `BadInput` unless the entries are as torch writes them: uncompressed, and not larger than the file."""
    if len({entry.filename for entry in entries}) < len(entries):
        raise BadInput("two of its entries have the same name; save it anew.")
    for entry in entries:
        encrypted = entry.flag_bits & 1
        if encrypted or entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise BadInput("it is compressed or encrypted, which torch.save does not do; save it anew.")
    if sum(entry.file_size for entry in entries) > size:
        raise BadInput("its entries are larger than the file; is it damaged?")


def _is_legacy(start: bytes) -> bool:
    try:
        return load(io.BytesIO(start), rebuild={}) == MAGIC_NUMBER
    except BadInput:
        return False


def _read_legacy(raw: bytes) -> Any:
    stream = io.BytesIO(raw)
    _, protocol, system = (load(stream, rebuild={}, most=MAX_HEADER_WORK) for _ in range(3))
    if protocol != PROTOCOL or not isinstance(system, dict):
        raise BadInput("it is no file that torch.save wrote; is it damaged?")
    if system.get("little_endian") is not True:
        raise BadInput("it was written on a big-endian machine; load and save it on another one.")
    start = stream.tell()
    # the object comes before its storages, whose sizes only it knows: it is read twice
    sizes: dict[str, int] = {}

    def note(identifier: Any) -> Any:
        if _is_module(identifier):
            return identifier[1]
        kind, key, numel, _ = _storage_id(identifier)
        if kind.name not in _STORAGES:
            raise BadInput(f"it has storages of an unknown kind, {kind.name[:100]!r}; save only tensors of numbers.")
        sizes[key] = numel * np.dtype(_STORAGES[kind.name]).itemsize
        return Inert(kind)

    most = MAX_WORK // 3  # of each of three pickles
    load(stream, rebuild={}, persistent=note, most=most)
    keys = load(stream, rebuild={}, most=most)
    texts = type(keys) is list and all(isinstance(key, str) for key in keys)
    if not texts or len(keys) != len(sizes) or set(keys) != set(sizes):
        raise damaged("its storages are not those its tensors need")
    blocks = {}
    position = stream.tell()
    for key in keys:
        position += 8  # the number of elements, known already
        blocks[key] = memoryview(raw)[position : position + sizes[key]]
        position += sizes[key]
    stream.seek(start)
    return load(stream, rebuild=_REBUILD, persistent=_storages(blocks.__getitem__), most=most)


def _is_module(identifier: Any) -> bool:
    """Whether a persistent id is that of the class of a module, which comes with its source."""
    return type(identifier) is tuple and len(identifier) == 4 and identifier[0] == "module"


def _storage_id(identifier: Any) -> tuple[Global, str, int, Any]:
    """Kind, key and number of elements of a storage, and which part of it is meant, if not all."""
    if type(identifier) is not tuple or len(identifier) not in (5, 6) or identifier[0] != "storage":
        raise damaged("it refers to an object that is no storage")
    _, kind, key, _, numel, *view = identifier
    named = isinstance(kind, Global) and isinstance(key, str) and len(key) <= MAX_KEY
    if not (named and type(numel) is int and 0 <= numel <= MAX_BYTES):
        raise damaged("a storage is badly described")
    return kind, key, numel, view[0] if view else None


def _storages(block: Callable[[str], bytes | memoryview]) -> Callable[[Any], Any]:
    """What persistent ids stand for; ``block`` gives the bytes of a key."""
    known: dict[str, tuple[Global, _Storage]] = {}
    tally = _Tally()

    def persistent(identifier: Any) -> Any:
        if _is_module(identifier):
            return identifier[1]
        kind, key, numel, view = _storage_id(identifier)
        if key not in known:
            array = _numbers(kind, block(key), numel)
            known[key] = kind, _Storage(kind=kind, array=array, tally=tally)
            tally.stored += 0 if array is None else len(array)
        first, storage = known[key]
        if first != kind:
            raise damaged("a storage has two types")
        return storage if view is None or storage.array is None else _part(storage, storage.array, view)

    return persistent


def _part(storage: _Storage, array: NDArray, view: Any) -> _Storage:
    _, offset, size = view
    require_elements((offset, size), MAX_BYTES)
    if offset + size > len(array):
        raise damaged("a part of a storage lies outside it")
    return _Storage(kind=storage.kind, array=array[offset : offset + size], tally=storage.tally)


def _numbers(kind: Global, raw: bytes | memoryview, numel: int) -> NDArray | None:
    """The elements of a storage; None if they are no numbers."""
    if kind.name not in _STORAGES:
        return None
    dtype = np.dtype(_STORAGES[kind.name])
    if len(raw) != numel * dtype.itemsize:
        raise damaged("a storage is longer or shorter than its elements")
    array = native(raw, dtype)
    if kind.name == "BFloat16Storage":
        array = (array.astype(np.uint32) << 16).view(np.float32)
        array.flags.writeable = False
    return array


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Any:
    """The part of a storage that is a tensor."""
    if not isinstance(storage, _Storage) or storage.array is None:
        return Inert(_TENSOR, (storage, offset, size, stride))
    return _strided(storage.array, storage.array.dtype, offset, size, stride, storage.tally)


def _strided(array: NDArray, dtype: np.dtype, offset: Any, size: Any, stride: Any, tally: _Tally) -> NDArray:
    """The numbers of a dtype that lie in a flat array, read-only."""
    stored = array.nbytes // dtype.itemsize
    require_elements(size, max(stored, MAX_REPEATED))
    if type(stride) is not tuple or len(stride) != len(size) or not all(type(n) is int and n >= 0 for n in (offset, *stride)):
        raise damaged("the offset or the strides of a tensor are none, or negative")
    if 0 in size:
        return native(b"", dtype).reshape(size)
    # the stride of an axis of one element says nothing
    strides = tuple(s if n > 1 else 0 for n, s in zip(size, stride, strict=True))
    if offset + sum((n - 1) * s for n, s in zip(size, strides, strict=True)) >= stored:
        raise damaged("a tensor lies outside its storage")
    tally.show(math.prod(size))
    in_bytes = tuple(s * dtype.itemsize for s in strides)
    # part of a storage of bytes may be unaligned: then only the tensor's own numbers are copied
    tensor = np.require(np.ndarray(size, dtype, array, offset * dtype.itemsize, in_bytes), requirements="A")
    tensor.flags.writeable = False
    return tensor


def _tensor_v2(storage: Any, offset: Any, size: Any, stride: Any, _: Any, __: Any, metadata: Any = None) -> Any:
    if metadata:  # the bytes are those of the conjugate or the negative
        return Inert(_TENSOR, (storage, offset, size, stride, metadata))
    return _tensor(storage, offset, size, stride)


def _tensor_v3(storage: Any, offset: Any, size: Any, stride: Any, _: Any, __: Any, dtype: Any, metadata: Any = None) -> Any:
    """A tensor whose storage is only bytes."""
    name = dtype.name if isinstance(dtype, Global) and dtype.module == "torch" else None
    untyped = isinstance(storage, _Storage) and storage.kind.name == "UntypedStorage"
    if metadata or not untyped or name not in _UNTYPED:
        return Inert(_TENSOR, (storage, offset, size, stride, dtype, metadata))
    if storage.array.nbytes % np.dtype(_UNTYPED[name]).itemsize:
        raise damaged("a storage ends within a number")
    return _strided(storage.array, np.dtype(_UNTYPED[name]), offset, size, stride, storage.tally)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _subclass(function: Any, _: Any, args: Any, state: Any) -> Any:
    """A tensor of a subclass of Tensor, as a plain one."""
    if isinstance(function, Global) and type(args) is tuple:
        make = _TENSORS.get((function.module, function.name))
        return make(*args) if make else Inert(function, args, state)
    raise damaged("a tensor is made by no function")


def _size(values: Any = ()) -> tuple:
    if not isinstance(values, list | tuple):
        raise damaged("a shape has no elements")
    return tuple(values)


_TENSORS: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor_v2,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
}
_REBUILD: Mapping[tuple[str, str], Callable[..., Any]] = {
    **NUMPY,
    **_TENSORS,
    ("torch._tensor", "_rebuild_from_type_v2"): _subclass,
    ("torch", "Size"): _size,
}
