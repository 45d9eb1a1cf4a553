"""Which steps of which networks a page has room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

Key = TypeVar("Key")


def fitting(counts: Mapping[Key, Mapping[int, int]], trained: Mapping[Key, int], *, room: int) -> dict[Key, list[int]]:
    """The steps of each network that fit into a page: of all networks as many, the most telling ones.

    Parameters
    ----------
    counts
        Of each network, in order, how many rows each of its steps needs.
    trained
        The trained step of each, which comes first; then the first and the last, then what lies farthest from these.
    room
        Rows in all.

    Returns
    -------
    Steps, ascending, by network. Where one step of each is too much, networks are left out, in order.

    Examples
    --------
    >>> rows = {0: 4, 1: 4, 2: 4, 3: 4, 9: 4}
    >>> fitting({"a": rows, "b": {0: 1}}, {"a": 3, "b": 0}, room=18)
    {'a': [0, 1, 3, 9], 'b': [0]}
    >>> fitting({"a": rows, "b": rows}, {"a": 3, "b": 3}, room=7)
    {'a': [3]}
    """
    order = {key: _by_importance(sorted(rows), trained[key]) for key, rows in counts.items()}
    for n in range(max(map(len, order.values()), default=0), 0, -1):
        chosen = {key: steps[:n] for key, steps in order.items()}
        if sum(counts[key][step] for key, steps in chosen.items() for step in steps) <= room:
            return {key: sorted(steps) for key, steps in chosen.items()}
    single: dict[Key, list[int]] = {}
    for key, steps in order.items():
        if (needed := counts[key][steps[0]]) <= room:
            single[key], room = steps[:1], room - needed
    return single


def _by_importance(steps: Sequence[int], trained: int) -> list[int]:
    at = list(dict.fromkeys((steps.index(trained), 0, len(steps) - 1)))
    while len(at) < len(steps):
        at.append(max(set(range(len(steps))) - set(at), key=lambda i: (min(abs(i - j) for j in at), -i)))
    return [steps[i] for i in at]
