"""Which populations an ml_genn connection joins, and how many neurons they have: what its files do not say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from math import isqrt, prod

from stanalysis.errors import BadInput

PREFIX = "Conn_"
TRIED = 4096  # combinations of ways to split names

Ends = dict[str, tuple[str, str]]


def ends_of(connections: Iterable[str], given: Iterable[str]) -> tuple[Ends, list[str]]:
    """Source and target population of each connection by its name, ``Conn_{source}_{target}`` or without ``Conn_``.

    Names of populations may contain ``_``. Of all ways to split the names, the one is taken that needs the fewest names of
    populations beside those ``given``.

    Returns
    -------
    dict of (source, target) by connection, and notes about names that could have been split otherwise.

    Raises
    ------
    BadInput
        A name that cannot be split, or several ways that need equally few names.

    Examples
    --------
    >>> ends_of(["Conn_Pop0_Pop1", "Conn_Pop1_Pop1"], [])
    ({'Conn_Pop0_Pop1': ('Pop0', 'Pop1'), 'Conn_Pop1_Pop1': ('Pop1', 'Pop1')}, [])
    >>> ends_of(["Conn_in_put_hid"], ["hid"])[0]
    {'Conn_in_put_hid': ('in_put', 'hid')}
    """
    splits = {name: _splits(name) for name in connections}
    if stuck := [name for name, ways in splits.items() if not ways]:
        raise BadInput(
            f"The connection {stuck[0]!r} does not name the populations that it joins; rename its files to "
            f"{PREFIX}SOURCE_TARGET, with the names of its populations."
        )
    known = set(given)
    splits = {name: [way for way in ways if known.issuperset(way)] or ways for name, ways in splits.items()}
    unsure = [name for name, ways in splits.items() if len(ways) > 1]
    best: list[tuple[tuple[str, str], ...]] = []
    if prod(len(ways) for ways in splits.values()) <= TRIED:
        cost = {ways: len({end for way in ways for end in way} - known) for ways in product(*splits.values())}
        least = min(cost.values())
        best = [ways for ways, names in cost.items() if names == least]
    if len(best) != 1:
        raise BadInput(
            f"The name of the connection {unsure[0]!r} can be split into two populations in several ways; give the names of "
            f"the populations with their sizes, such as --neurons {splits[unsure[0]][0][0]}=700."
        )
    ends = dict(zip(splits, best[0], strict=True))
    return ends, [f"The connection {name} is taken for that from {ends[name][0]} to {ends[name][1]}." for name in unsure]


def _splits(connection: str) -> list[tuple[str, str]]:
    parts = connection.removeprefix(PREFIX).split("_")
    ways = [("_".join(parts[:k]), "_".join(parts[k:])) for k in range(1, len(parts))]
    return [(source, target) for source, target in ways if source.strip("_") and target.strip("_")]


def solve_sizes(ends: Ends, n_weights: Mapping[str, int], given: Mapping[str, int]) -> dict[str, int]:
    """Sizes of populations, as far as they follow from the numbers of weights of dense connections.

    Parameters
    ----------
    ends
        Source and target by connection.
    n_weights
        Number of weights of each dense connection: the product of the sizes of its ends.
    given
        Sizes that are known.

    Raises
    ------
    BadInput
        The numbers contradict each other, or no whole number fits.

    Examples
    --------
    >>> solve_sizes({"a": ("in", "hid"), "b": ("hid", "hid")}, {"a": 40, "b": 64}, {})
    {'hid': 8, 'in': 5}
    """
    sizes = dict(given)
    n_known = -1
    while n_known != len(sizes):
        n_known = len(sizes)
        for name, total in n_weights.items():
            source, target = ends[name]
            if source == target:
                sizes.setdefault(source, isqrt(total))
            elif source in sizes:
                sizes.setdefault(target, total // sizes[source])
            elif target in sizes:
                sizes[source] = total // sizes[target]
            if source in sizes and target in sizes and sizes[source] * sizes[target] != total:
                raise BadInput(
                    f"The connection {name} has {total} weights, but {source} has {sizes[source]} neurons and {target} "
                    f"{sizes[target]}, by the other files or by --neurons; give the right sizes. A connection that is not "
                    "dense needs its pre_ind and post_ind files: save_connectivity writes them."
                )
    return sizes


def unknown_sizes(ends: Ends, n_weights: Mapping[str, int], least: Mapping[str, int], sizes: Mapping[str, int]) -> str:
    """What to give and why, of the populations whose size does not follow; empty if there is none.

    ``least`` are lower bounds of sizes.
    """
    hints = []
    settled = set(sizes)
    for name, pair in ends.items():
        for population in dict.fromkeys(pair):
            if population in settled:
                continue
            why = f"at least {least.get(population, 1)}, by its indices"
            if name in n_weights:
                why = f"the {n_weights[name]} weights of {name} are those of {pair[0]} × {pair[1]}"
                settled |= set(pair)  # the other one follows
            settled.add(population)
            hints.append(f"{population}=…: {why}")
    return ", ".join(hints)
