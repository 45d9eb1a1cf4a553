"""The fields of a configuration, described once: its options, what run.json and grid files may hold, its texts.

A configuration is a frozen dataclass whose fields are numbers, truth values, texts, choices (`typing.Literal`), or tuples of
them, each documented in its docstring under Attributes. Nothing here imports numpy: the command line's help reads it.
"""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import asdict, dataclass, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from stanalysis.errors import BadInput

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
_SCALARS = tuple(_KINDS)

C = TypeVar("C")


@dataclass(frozen=True)
class Setting:
    """One field of a configuration.

    Attributes
    ----------
    name
        As in Python, in run.json and in grid files.
    hint
        Its type, without None.
    kind
        Type of its value, or of each of its ``many`` values: int, float, bool or str.
    many
        Whether it is a tuple.
    choices
        The values there are; empty where any of its kind will do.
    text
        What it is, from the docstring.
    """

    name: str
    hint: Any
    kind: type
    many: bool
    choices: tuple[Any, ...]
    text: str

    def fits(self, value: Any) -> bool:
        """Whether a value read from a file is of this kind; a whole number serves as a number, a list as a tuple."""
        if isinstance(value, list | tuple) != self.many:
            return False
        kinds = (int, float) if self.kind is float else (self.kind,)
        return all(type(v) in kinds for v in (value if self.many else (value,)))

    def read(self, value: Any, where: str) -> Any:
        """The value of an entry of the file ``where``; `BadInput` if it is not of this kind."""
        if not self.fits(value):
            raise BadInput(
                f"{where}: {self.name} is {value!r}; give {'a list, each ' if self.many else ''}{_KINDS[self.kind]}."
            )
        return tuple(map(self.kind, value)) if self.many else self.kind(value)


def settings(config: type) -> dict[str, Setting]:
    """The settings of a dataclass by name, in the order of its fields; fields of other types are none."""
    return _settings(config)


@cache
def _settings(config: type) -> dict[str, Setting]:
    hints, texts = get_type_hints(config), attribute_texts(config)
    described = {}
    for field in fields(config):
        hint = hints[field.name]
        if get_origin(hint) in (Union, UnionType):
            (hint,) = (h for h in get_args(hint) if h is not NoneType)
        setting = setting_of(field.name, hint, texts.get(field.name, ""))
        if setting.kind in _SCALARS:
            described[field.name] = setting
    return described


def setting_of(name: str, hint: Any, text: str) -> Setting:
    """The setting of this name, type and text."""
    many = get_origin(hint) is tuple
    scalar = get_args(hint)[0] if many else hint
    choices = get_args(scalar) if get_origin(scalar) is Literal else ()
    return Setting(name, hint, type(choices[0]) if choices else scalar, many, choices, text)


def attribute_texts(documented: Any, section: str = "Attributes") -> dict[str, str]:
    """What a docstring says of each name in a section, those of the classes below included; without the marks of code.

    Examples
    --------
    >>> attribute_texts(Setting)["many"]
    'Whether it is a tuple.'
    """
    texts: dict[str, str] = {}
    for source in reversed(documented.__mro__) if isinstance(documented, type) else [documented]:
        body = re.search(rf"^{section}\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", inspect.cleandoc(source.__doc__ or ""), re.M | re.S)
        for names, text in re.findall(r"^(\w[\w, ]*)\n((?:(?: .*)?\n?)*)", body[1] if body else "", re.M):
            plain = " ".join(text.split()).replace("``", "")
            texts |= dict.fromkeys(names.split(", "), plain)
    return texts


def head(documented: Any) -> tuple[str, str]:
    """The first line of a docstring, and the paragraphs between it and its first section, each in one line."""
    first, _, rest = inspect.cleandoc(documented.__doc__ or "").partition("\n\n")
    before = re.split(r"^\w.*\n-+\n", rest, maxsplit=1, flags=re.M)[0].replace("``", "")
    paragraphs = [" ".join(paragraph.split()) for paragraph in before.split("\n\n") if paragraph.strip()]
    return " ".join(first.split()), "\n\n".join(paragraphs)


def require_valid(config: Any) -> None:
    """Raise `BadInput` unless the numbers of a configuration are finite and its choices are among those there are."""
    for setting in settings(type(config)).values():
        value = getattr(config, setting.name)
        for single in value if setting.many else (value,):
            if isinstance(single, float) and not math.isfinite(single):
                raise BadInput(f"{setting.name} is {value}; give a finite number.")
            if setting.choices and single not in setting.choices:
                raise BadInput(f"{setting.name} is {single!r}; give one of {', '.join(map(str, setting.choices))}.")


def require_at_least(config: Any, **least: float) -> None:
    """Raise `BadInput` unless each of these numbers of a configuration is that large."""
    for name, bound in least.items():
        if not getattr(config, name) >= bound:
            raise BadInput(f"{name} is {getattr(config, name)}; give {bound} or more.")


def config_from(stored: Any, config: type[C]) -> C:
    """The configuration that a run folder stores; `BadInput` if it is none of that type."""
    described = settings(config)
    usual = asdict(config())  # type: ignore[call-overload]
    if isinstance(stored, dict) and set(stored) == set(usual) and all(described[name].fits(v) for name, v in stored.items()):
        return config(**{name: tuple(v) if isinstance(v, list) else v for name, v in stored.items()})
    raise BadInput("run.json holds no valid configuration of this method; restore it, or train anew.")
