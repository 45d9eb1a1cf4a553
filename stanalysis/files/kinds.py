"""What an attribute of a file, or an entry of its JSON, must be: declared as a `Kind`, checked when the file is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stanalysis.errors import BadInput
from stanalysis.files.records import from_json

_LONGEST = 60  # of a value in a sentence


@dataclass(frozen=True)
class Kind:
    """What a value must be: ``said`` in words, and whether one ``fits``."""

    said: str
    fits: Callable[[Any], bool]


def require_kinds(
    values: Mapping[Any, Any], kinds: Mapping[str, Kind], *, required: Collection[str] = (), where: str, remedy: str
) -> None:
    """Raise `BadInput`, naming it, unless each value of a declared name is of its kind, and the required ones are there.

    Examples
    --------
    >>> require_kinds({"dt": "x"}, {"dt": number(0)}, where="a.nc", remedy="mend the file")
    Traceback (most recent call last):
    stanalysis.errors.BadInput: a.nc has dt = 'x'; expected a number of at least 0; mend the file.
    """
    for name, kind in kinds.items():
        if name in values and not kind.fits(values[name]):
            raise BadInput(f"{where} has {name} = {_shown(values[name])}; expected {kind.said}; {remedy}.")
    for name in required:
        if name not in values:
            raise BadInput(f"{where} is not whole: its attribute {name!r} is missing; {remedy}.")


def number(least: float = -math.inf) -> Kind:
    """A finite number of at least so much, that a float can hold."""
    return Kind(f"a number{_at_least(least)}", lambda value: _is_number(value) and value >= least)


def whole(least: float = -math.inf, *, exact: bool = False) -> Kind:
    """A whole number of 63 bits, of at least so much; ``exact``: 1.0 is none."""
    return Kind(f"a whole number{_at_least(least)}", lambda value: _is_whole(value, exact=exact) and value >= least)


def one_of(*choices: str) -> Kind:
    """One of these texts."""
    return Kind(f"one of {', '.join(choices)}", lambda value: isinstance(value, str) and value in choices)


def optional(kind: Kind) -> Kind:
    """In JSON: null where it is not known."""
    return Kind(f"{kind.said}, or null", lambda value: value is None or kind.fits(value))


def list_of(kind: Kind) -> Kind:
    """In JSON: a list of such values."""
    return Kind(f"a list, each entry {kind.said}", lambda value: isinstance(value, list) and all(map(kind.fits, value)))


def mapping_of(kind: Kind) -> Kind:
    """In JSON: an object with any names, each for such a value."""
    return Kind(
        f"an object, each entry {kind.said}", lambda value: isinstance(value, dict) and all(map(kind.fits, value.values()))
    )


def record(kinds: Mapping[str, Kind], *, required: Collection[str] = (), closed: bool = False) -> Kind:
    """In JSON: an object whose declared entries are of their kinds; ``closed``: it has no others."""

    def fits(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and set(required) <= set(value)
            and not (closed and set(value) - set(kinds))
            and all(kind.fits(value[name]) for name, kind in kinds.items() if name in value)
        )

    return Kind(f"an object with {', '.join(f'{name} ({kind.said})' for name, kind in kinds.items())}", fits)


def in_json(kind: Kind) -> Kind:
    """A text of JSON that says such a value."""

    def fits(value: Any) -> bool:
        try:
            return isinstance(value, str) and kind.fits(from_json(value))
        except ValueError:
            return False

    return Kind(f"JSON with {kind.said}", fits)


REAL = Kind("a number, finite or not", lambda value: _is_number(value) or isinstance(value, float))
TEXT = Kind("a text", lambda value: isinstance(value, str))
OBJECT = Kind("an object", lambda value: isinstance(value, dict))


def _at_least(least: float) -> str:
    return "" if math.isinf(least) else f" of at least {least:g}"


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return abs(value) < 2**64 if isinstance(value, int) else bool(np.isfinite(value))


def _is_whole(value: Any, *, exact: bool) -> bool:
    if not _is_number(value) or (exact and not isinstance(value, int | np.integer)):
        return False
    return bool(value == int(value) and -(2**63) <= int(value) < 2**63)


def _shown(value: Any) -> str:
    """The value on one line, and not too much of it."""
    text = " ".join(repr(value.item() if isinstance(value, np.generic) else value).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
