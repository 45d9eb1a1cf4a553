"""Pickles as data: a pickle is a program, and this interpreter of it calls nothing that the file names.

The standard unpickler is not used, not even a restricted one: it calls and imports what it is told to, and a damaged file
makes it allocate gigabytes. Only the opcodes' arguments are parsed by the standard library (`pickletools.genops`).
"""

from __future__ import annotations

import pickletools
import struct
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from stanalysis.errors import BadInput

MAX_WORK = 2_000_000  # opcodes and copied elements of one pickle
CALL_WORK = 8  # a call or a name, in opcodes: both make several objects
MAX_COPIES = 4  # bytes handed to rebuild functions, in lengths of the pickle so far
MAX_HASHES = 20_000  # of numbers and tuples that are keys, which can be made to collide
TUPLE_HASHES = 10  # a tuple, in numbers: comparing it takes longer
MAX_TUPLE = 16  # elements of a tuple that is a key
MAX_KEY = 1000  # characters of a text that is a key or a name

DAMAGE = (  # what the parser, and functions given what they did not expect, raise
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, RecursionError),
    *(TypeError, ValueError, struct.error),
)


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a class or function; never the thing itself."""

    module: str
    name: str


@dataclass(eq=False, slots=True)
class Inert:
    """An object that was not made: its class or function ``kind``, with which ``args``, and what it would have been given.

    ``state`` is its attributes as a dict, where it has any; ``items`` are what would have been appended or added to it,
    ``pairs`` its (key, value) pairs. The result of calling something inert has the kind of that, and it as its first argument.
    """

    kind: Global
    args: tuple = field(default=(), repr=False)
    state: Any = field(default=None, repr=False)
    items: list[Any] = field(default_factory=list, repr=False)
    pairs: list[tuple[Any, Any]] = field(default_factory=list, repr=False)


@dataclass(eq=False, slots=True, kw_only=True)
class Unfinished(Inert):
    """A value that is made from its state: ``finish(state)`` takes its place when the state has come."""

    finish: Callable[[Any], Any] = field(repr=False)


def load(
    stream: BinaryIO,
    *,
    rebuild: Mapping[tuple[str, str], Callable[..., Any]],
    persistent: Callable[[Any], Any] | None = None,
    most: int = MAX_WORK,
) -> Any:
    """One pickle as plain values; whatever would have run code is `Inert`.

    The stream is left right after the pickle. Lists, dicts and objects may hold themselves, and anything may be shared and
    nested to any depth: walk with bounds.

    Parameters
    ----------
    rebuild
        The functions that are called for objects of a (module, name), with the pickled arguments; their results are the
        values. Arguments are whatever the file says. Plain containers, numbers and bytes need none; ordered dicts are dicts.
    persistent
        What a persistent id stands for.
    most
        How many steps it may take.

    Raises
    ------
    BadInput
        The pickle is damaged, out of bounds, or needs what cannot be read. The message does not name the file.

    Examples
    --------
    >>> import io
    >>> load(io.BytesIO(b"cos\\nsystem\\n(S'echo'\\ntR."), rebuild={})
    Inert(kind=Global(module='os', name='system'))
    """
    machine = _Machine(stream, rebuild, persistent, most)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes in texts
            for opcode, argument, _ in pickletools.genops(stream):
                machine.spend(1)
                machine.step(opcode.name, argument)
        return machine.stack.pop()
    except BadInput:
        raise
    except DAMAGE as error:
        raise damaged(f"it makes no sense up to byte {stream.tell()}") from error


def damaged(what: str) -> BadInput:
    """The error of a pickle that says ``what`` no pickle says."""
    return BadInput(f"its pickle is damaged: {what}; copy the file anew from where it was saved.")


@dataclass(eq=False, slots=True)
class _Machine:
    """The state of one interpretation."""

    stream: BinaryIO
    rebuild: Mapping[tuple[str, str], Callable[..., Any]]
    persistent: Callable[[Any], Any] | None
    most: int
    stack: list[Any] = field(default_factory=list)
    below: list[list[Any]] = field(default_factory=list)  # what lies under each mark
    memo: dict[int, Any] = field(default_factory=dict)
    finished: dict[Unfinished, Any] = field(default_factory=dict)
    work: int = 0
    copied: int = 0
    hashes: int = 0

    def step(self, name: str, argument: Any) -> None:
        if name in _ARGUMENTS:
            if isinstance(argument, str):
                _require_text(argument)
            self.stack.append(bytes(argument) if type(argument) is bytearray else argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _OPERATIONS:
            _OPERATIONS[name](self, argument)
        elif name not in _NOTHING:
            raise BadInput("its pickle refers to data outside the file; save the network anew, in one file.")

    def spend(self, work: int) -> None:
        self.work += work
        if self.work > self.most:
            raise BadInput(f"its pickle takes more than {self.most} steps; save only the arrays of the network.")

    def marked(self) -> list[Any]:
        """Everything above the last mark, which goes."""
        above, self.stack = self.stack, self.below.pop()
        return above

    def top(self, count: int) -> tuple:
        """The last ``count`` values, which go."""
        if len(self.stack) < count:
            raise damaged("a value is missing")
        values = tuple(self.stack[-count:])
        del self.stack[-count:]
        return values

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise damaged(f"it refers to a value before it is there (byte {self.stream.tell()})")
        value = self.memo[index]
        # arrays are memoised before their state has come
        self.stack.append(self.finished.get(value, value) if type(value) is Unfinished else value)

    def key(self, value: Any) -> Any:
        """``value``, if it is cheap to hash and to compare, as all keys of real files are."""
        if type(value) is tuple:
            if len(value) > MAX_TUPLE:
                raise BadInput("its pickle has a long tuple as a key; save only the arrays of the network.")
            self.hashes += TUPLE_HASHES
            for part in value:
                _require_scalar(part)
        elif not isinstance(value, Global | Inert):
            _require_scalar(value)
            self.hashes += isinstance(value, int | float)
        if self.hashes > MAX_HASHES:
            raise BadInput("its pickle has too many keys that are numbers or tuples; save only the arrays of the network.")
        return value

    def set_of(self, values: Iterable[Any]) -> set[Any]:
        return {self.key(v) for v in values}

    def dict_of(self, pairs: Iterable[Any]) -> dict[Any, Any]:
        return {self.key(k): v for k, v in pairs}

    def put_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, set):
            target.update(self.set_of(values))
        elif isinstance(target, list | Inert):
            (target if isinstance(target, list) else target.items).extend(values)
        else:
            raise damaged(f"it appends to a {type(target).__name__}")

    def put_pairs(self, values: Iterable[Any]) -> None:
        target = self.stack[-1]
        pairs = list(zip(*[iter(values)] * 2, strict=True))
        if isinstance(target, dict):
            target.update(self.dict_of(pairs))
        elif isinstance(target, Inert):
            target.pairs.extend(pairs)
        else:
            raise damaged(f"it sets items of a {type(target).__name__}")

    def call(self, function: Any, args: Any, named: Any = None) -> None:
        """Push what ``function`` gives, if it is on the list, or else the inert object."""
        if not isinstance(function, Global | Inert) or type(args) is not tuple:
            raise damaged("it calls what is no function")
        self.spend(CALL_WORK + len(args))
        if isinstance(function, Inert):
            self.stack.append(Inert(function.kind, (function, *args)))
            return
        name = (function.module, function.name)
        if named or not (name in _PLAIN or name in self.rebuild):
            self.stack.append(Inert(function, (*args, named) if named else args))
        else:
            self.charge(args)
            self.stack.append(_PLAIN[name](self, *args) if name in _PLAIN else self.rebuild[name](*args))

    def build(self) -> None:
        """Give the last but one value the last as its state."""
        value, state = self.top(2)
        if isinstance(value, Unfinished):
            if type(state) is not tuple:
                raise damaged("the state of an array is none")
            self.spend(CALL_WORK + len(state))
            self.charge(state)
            value.state = state
            self.finished[value] = value.finish(state)
            value = self.finished[value]
        elif isinstance(value, Inert):
            if type(state) is tuple and len(state) == 2 and all(part is None or type(part) is dict for part in state):
                self.charge(state)
                state = self.dict_of(pair for part in state if part for pair in part.items())  # attributes and slots
            value.state = state
        elif not isinstance(value, dict | list | set | np.ndarray):  # whose attributes, if any, are no data
            raise damaged(f"it sets attributes of a {type(value).__name__}")
        self.stack.append(value)

    def charge(self, values: tuple) -> None:
        """Count what a function may copy of ``values``, for one small value can be handed to it a million times."""
        for value in values:
            if isinstance(value, str | bytes):
                self.copied += len(value)
            elif isinstance(value, list | tuple | dict | set | frozenset):
                self.spend(len(value))
        if self.copied > MAX_COPIES * self.stream.tell():
            raise BadInput("its pickle copies the same data too often; save only the arrays of the network.")


def _require_scalar(value: Any) -> None:
    small = -(2**63) <= value < 2**63 if type(value) is int else value is None or isinstance(value, bool | float)
    if not (small or (isinstance(value, str | bytes) and len(value) <= MAX_KEY)):
        raise BadInput(
            f"its pickle has a {type(value).__name__} as a key, or a very long one; keys must be texts or numbers: save only "
            "the arrays of the network."
        )


def _require_text(value: str) -> None:
    """Raise `BadInput` for half a surrogate pair: such a text can neither be printed nor written."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadInput("its pickle holds a text that is none (half a surrogate pair); save the network anew.") from error


def _elements(values: Any) -> Iterable[Any]:
    """The elements of a pickled container; of an array, there can be far more than bytes in the file."""
    if not isinstance(values, list | tuple | set | frozenset):
        raise damaged("a set or a dict is made of what has no elements")
    return values


def _bytes(_: _Machine, value: Any = b"", encoding: Any = "latin1") -> bytes:
    """How old protocols write bytes."""
    if isinstance(value, str) and encoding in ("latin1", "latin-1"):
        return value.encode("latin1")
    if not isinstance(value, bytes):
        raise damaged("its bytes are none")
    return value


def _mark(m: _Machine, _: None) -> None:
    m.below.append(m.stack)
    m.stack = []


def _gather(kind: Callable[[list[Any]], Any]) -> Callable[[_Machine, None], None]:
    """The operation that makes a ``kind`` of everything above the mark."""

    def gather(m: _Machine, _: None) -> None:
        values = m.marked()
        m.stack.append(kind(values))

    return gather


def _frozenset(m: _Machine, _: None) -> None:
    values = m.marked()
    m.stack.append(frozenset(m.set_of(values)))


def _memoise(m: _Machine, index: int | None) -> None:
    m.memo[len(m.memo) if index is None else index] = m.stack[-1]


def _name(m: _Machine, argument: str | None) -> Global:
    """The name in the argument, or on the stack."""
    module, name = m.top(2) if argument is None else argument.split(" ", 1)
    if not (isinstance(module, str) and isinstance(name, str)):
        raise damaged("a name is no text")
    m.spend(CALL_WORK)
    if len(module) > MAX_KEY or len(name) > MAX_KEY:  # names are compared often
        raise damaged(f"a name has more than {MAX_KEY} characters")
    return Global(module, name)


def _pop(m: _Machine, _: None) -> None:
    if m.stack:
        m.stack.pop()
    else:
        m.marked()


def _object(m: _Machine, argument: str | None) -> None:
    values = m.marked()
    function = values.pop(0) if argument is None else _name(m, argument)
    m.call(function, tuple(values))


def _dict(m: _Machine, _: None) -> None:
    values = m.marked()
    m.stack.append({})
    m.put_pairs(values)


def _persistent(m: _Machine, argument: str | None) -> None:
    (identifier,) = m.top(1) if argument is None else (argument,)
    if m.persistent is None:
        raise BadInput("its pickle refers to objects outside of it; save the network anew, in one file.")
    m.spend(CALL_WORK)
    m.stack.append(m.persistent(identifier))


_ARGUMENTS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
_NOTHING = {"PROTO", "FRAME", "STOP"}
_OPERATIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "MARK": _mark,
    "POP": _pop,
    "POP_MARK": lambda m, _: m.marked(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _memoise),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, index: m.recall(index)),
    "TUPLE1": lambda m, _: m.stack.append(m.top(1)),
    "TUPLE2": lambda m, _: m.stack.append(m.top(2)),
    "TUPLE3": lambda m, _: m.stack.append(m.top(3)),
    "TUPLE": _gather(tuple),
    "LIST": _gather(list),
    "FROZENSET": _frozenset,
    "DICT": _dict,
    "APPEND": lambda m, _: m.put_items([*m.top(1)]),
    "APPENDS": lambda m, _: m.put_items(m.marked()),
    "ADDITEMS": lambda m, _: m.put_items(m.marked()),
    "SETITEM": lambda m, _: m.put_pairs(m.top(2)),
    "SETITEMS": lambda m, _: m.put_pairs(m.marked()),
    **dict.fromkeys(("GLOBAL", "STACK_GLOBAL"), lambda m, argument: m.stack.append(_name(m, argument))),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda m, _: m.call(*m.top(2))),
    "NEWOBJ_EX": lambda m, _: m.call(*m.top(3)),
    **dict.fromkeys(("OBJ", "INST"), _object),
    "BUILD": lambda m, _: m.build(),
    **dict.fromkeys(("PERSID", "BINPERSID"), _persistent),
}
# called with the machine, which knows its limits; the names are those of Python 2 and 3
_PLAIN: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): lambda m, pairs=(): m.dict_of(_elements(pairs)),
    ("_codecs", "encode"): _bytes,
    **{(module, name): _bytes for module in ("builtins", "__builtin__") for name in ("bytes", "bytearray")},
    **{(module, "set"): lambda m, values=(): m.set_of(_elements(values)) for module in ("builtins", "__builtin__")},
    **{
        (module, "frozenset"): lambda m, values=(): frozenset(m.set_of(_elements(values)))
        for module in ("builtins", "__builtin__")
    },
}
