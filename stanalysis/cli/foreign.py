"""What the file of another program cannot know, as options of a verb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, make_dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from cyclopts import Group, Parameter, Token

from stanalysis.readers.options import Options


def _whole(_: Any, tokens: Sequence[Token]) -> int:
    """A whole number as written; the command line would round others without a word."""
    return int(tokens[0].value)


Whole = Annotated[int | None, Parameter(converter=_whole)]
_PARSED = {  # how the command line reads the types of fields
    int | None: Whole,
    tuple[str, ...]: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)],
}


def _parsed(record: type) -> type:
    """A class with the fields, defaults and help of a record, as the command line reads them; calling it makes the record."""
    kinds = get_type_hints(record)
    columns = [(field.name, _PARSED.get(kinds[field.name], kinds[field.name]), field) for field in fields(record)]
    made = {"__doc__": record.__doc__, "__module__": __name__, "__new__": lambda _, **given: record(**given)}
    return make_dataclass(record.__name__, columns, namespace=made)


if TYPE_CHECKING:
    Foreign = Options
else:
    Foreign = Annotated[
        _parsed(Options), Parameter(name="*", group=Group("What the file of another program cannot know", sort_key=1))
    ]
