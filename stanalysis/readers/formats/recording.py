"""What of a file was taken: dicts that remember which of their values were looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


class Recording(dict[Any, Any]):
    """A dict that puts the name of every value that is looked up into ``taken``; so do the dicts in it.

    Going through its ``items``, or asking with ``in``, takes nothing: whoever looks for what a file is takes no part of it.

    Parameters
    ----------
    values
        What it holds.
    taken
        Where names go: keys, after those of the dicts around them.
    separator
        What stands between the keys of a name.
    before
        The beginning of its names.

    Examples
    --------
    >>> taken = set()
    >>> content = Recording({"layer": {"weight": 1.0, "bias": 2.0}, "loss": 3.0}, taken, separator="/")
    >>> content["layer"]["weight"], sorted(taken & {"layer/weight", "layer/bias", "loss"})
    (1.0, ['layer/weight'])
    """

    def __init__(self, values: Mapping[Any, Any], taken: set[str], *, separator: str, before: str = "") -> None:
        super().__init__(values)
        self._taken, self._separator, self._before = taken, separator, before

    def __getitem__(self, key: Any) -> Any:
        value = self._inner(key, super().__getitem__(key))
        self.take([key])
        return value

    def get(self, key: Any, default: Any = None) -> Any:
        """As of any dict."""
        if key not in self:
            return default
        return self[key]

    def items(self) -> Any:
        """As of any dict, but in pairs that are made one by one."""
        return ((key, self._inner(key, value)) for key, value in super().items())

    def values(self) -> Any:
        """As of any dict, but made one by one."""
        return (value for _, value in self.items())

    def take(self, keys: Iterable[Any]) -> None:
        """Take these without looking at them, for a note of the reader says what becomes of them."""
        self._taken.update(f"{self._before}{key}" for key in keys)

    def take_all(self) -> None:
        """Take everything in it, likewise."""
        self._taken.update(f"{self._before}{name}" for name in names_in(self, self._separator))

    def only(self, keys: Iterable[Any]) -> Recording:
        """Some of it, under the same names."""
        return Recording(
            {key: dict.__getitem__(self, key) for key in keys}, self._taken, separator=self._separator, before=self._before
        )

    def _inner(self, key: Any, value: Any) -> Any:
        if type(value) is not dict:
            return value
        return Recording(value, self._taken, separator=self._separator, before=f"{self._before}{key}{self._separator}")


def names_in(values: Mapping[Any, Any], separator: str) -> Iterator[str]:
    """Names of all values in nested dicts, in their order; the dicts must not hold themselves."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from (f"{key}{separator}{name}" for name in names_in(value, separator))
        else:
            yield str(key)


def left_over(names: Iterable[str], taken: set[str], separator: str) -> list[str]:
    """The names that are not taken; where nothing of a group is taken, the name of the group alone.

    Examples
    --------
    >>> left_over(["net.w", "net.b", "adam.0.m", "adam.0.v"], {"net.w"}, ".")
    ['net.b', 'adam']
    """
    names = list(names)
    opened = {beginning for name in names if name in taken for beginning in _beginnings(name, separator)}
    rest = (name for name in names if name not in taken)
    return list(dict.fromkeys(next(b for b in (*_beginnings(name, separator), name) if b not in opened) for name in rest))


def _beginnings(name: str, separator: str) -> list[str]:
    """The names of the groups around a name, from the outermost."""
    parts = name.split(separator)
    return [separator.join(parts[:k]) for k in range(1, len(parts))]
