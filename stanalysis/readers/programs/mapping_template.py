"""A TOML file for the reader `mapping` to begin with: the arrays of a file, guesses by their sizes, and blanks for the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stanalysis.errors import BadInput, printable
from stanalysis.files.atomic import write_text
from stanalysis.readers.formats.containers import SERIES_SUFFIXES, Container, open_container

BLANK = "<fill in>"
MOST_LISTED = 1000  # arrays, and
MOST_GUESSED = 50  # projections of a template: the reader takes no TOML file as long as it likes
LONGEST = 100  # characters of a name in a list
OFFERED = 500  # characters of a name in an entry
NONE_FITS = 'name of an array, or a number for all, and then without "delay_axes"'
ORDERS = (("target", "source"), ("source", "target"))
HEAD = """\
# A network for --mapping: fill in every "{blank}", or remove its line; remove projections that are none.
# What is marked as a guess goes by names and sizes: check it. Further keys, such as formulas, flat arrays and
# lists of synapses: docs/your_network.md.
#
# The arrays of {name}:
{arrays}

# framework = "name of the program"
dt = "{blank}"  # time step in ms
max_delay = "{blank}"  # longest delay in ms that a synapse can have
# rounding = "none"  # or "half even", "half odd", "half up", "floor": how the network rounds delays to steps when deployed
"""


def named_arrays(container: Container) -> dict[str, NDArray]:
    """All arrays of a file by the names that a mapping has for them; that of an .npy is called ``array``."""
    return {"array": container.content} if isinstance(container.content, np.ndarray) else container.arrays


def arrays_at(path: Path) -> dict[str, NDArray]:
    """All arrays of a file or folder by the names that a mapping has for them; of a folder of torch files those of the first.

    Raises
    ------
    BadInput
        There is no such file, or it is damaged, or holds no arrays.
    """
    container = open_container(path)
    if container.kind == "folder":
        files = sorted(p for p in path.iterdir() if p.is_file() and p.suffix in SERIES_SUFFIXES)
        container = open_container(files[0]) if files else container
    if not (arrays := named_arrays(container)):
        raise BadInput(f"{path} holds no arrays; give the file of a network.")
    return arrays


def shown(name: str) -> str:
    """The name of an array in a list: on one line, bounded, and no instruction to a terminal."""
    plain = printable(name).replace("\n", "�")
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…"


def mapping_template(arrays: Mapping[str, NDArray], *, name: str) -> str:
    """The text of a mapping of these arrays, with blanks for all that is not known of them.

    Parameters
    ----------
    arrays
        By name, in the order of the file.
    name
        What the file is called.

    Returns
    -------
    TOML with one projection for each array of weights, or one all blank if none seems to be one.
        Weights have two axes, and "weight" in their names if any has. Their axes are guessed where they form a chain in one
        order alone, target first or source first, and biases are as long as the targets; delays where one array alone that
        is called so fits.

    Examples
    --------
    >>> arrays = {"fc.weight": np.ones((5, 7)), "fc.bias": np.ones(5), "lag.delay": np.ones(5)}
    >>> print(mapping_template(arrays, name="net.pt").split("[[projection]]")[1].strip())
    source = "input"  # guess
    target = "hidden1"  # guess
    weight = "fc.weight"  # guess; (5, 7)
    weight_axes = ["target", "source"]  # guess
    delay = "lag.delay"  # guess; (5,)
    delay_axes = ["target"]  # guess
    unit = "<fill in>"  # "steps", "ms", "s", "us", or a number of ms
    """
    listed = [f"#   {shown(key)}  {array.shape}  {array.dtype}" for key, array in list(arrays.items())[:MOST_LISTED]]
    if len(arrays) > MOST_LISTED:
        listed.append(f"#   … and {len(arrays) - MOST_LISTED} more")
    head = HEAD.format(blank=BLANK, name=shown(name), arrays="\n".join(listed))
    real = {key: a for key, a in arrays.items() if a.dtype.kind in "biuf" and a.size and _offered(key)}
    delays = {key: a for key, a in real.items() if "delay" in _leaf(key)}
    planes = {key: a for key, a in real.items() if key not in delays and len(_axes(a)) == 2}
    weights = {key: a for key, a in planes.items() if "weight" in _leaf(key)} or planes
    guessed = list(weights)[:MOST_GUESSED]
    order = _order([weights[key] for key in guessed], [_bias(arrays, key) for key in guessed])
    ends = _chain(len(guessed)) if order else [(BLANK, BLANK)] * len(guessed)
    entries = [
        _entry(source, target, _weight_lines(key, weights[key], order), _delay_lines(weights[key], order, delays))
        for key, (source, target) in zip(guessed, ends, strict=True)
    ]
    nothing = _entry(BLANK, BLANK, _lines("weight", BLANK, [BLANK, BLANK], ""), _lines("delay", BLANK, [BLANK], NONE_FITS))
    return "\n".join([head, *(entries or [nothing])])


def write_template(path: Path, arrays: Mapping[str, NDArray], *, name: str) -> None:
    """Write `mapping_template` to a file that is not there yet; `BadInput` if it is."""
    if path.exists():
        raise BadInput(f"{path} exists already; name another file, or remove it.")
    write_text(path, mapping_template(arrays, name=name))


def first_blank(settings: Mapping[str, Any]) -> str | None:
    """What a mapping calls the first entry that was left blank, if any was.

    Examples
    --------
    >>> first_blank({"dt": 1.0, "projection": [{"weight": "w", "weight_axes": ["target", BLANK]}]})
    'weight_axes of projection 1'
    """
    rest: list[tuple[str, Any]] = [("", settings)]
    while rest:
        where, value = rest.pop()
        if value == BLANK:
            return where
        if isinstance(value, dict):
            rest += [(f"{key} of {where}" if where else key, value[key]) for key in reversed(value)]
        elif isinstance(value, list):
            many = [f"{where} {k}" if isinstance(item, dict) else where for k, item in enumerate(value, 1)]
            rest += list(zip(many, value, strict=True))[::-1]
    return None


def _offered(name: str) -> bool:
    """Whether a name can stand in an entry as it is."""
    return len(name) <= OFFERED and printable(name) == name


def _leaf(name: str) -> str:
    """The last part of a name, in which a framework says what an array is."""
    return name.replace("/", ".").rpartition(".")[2].lower()


def _axes(array: NDArray) -> list[int]:
    """The axes of an array that mean something: both of two, else those longer than 1."""
    return [k for k, n in enumerate(array.shape) if n > 1 or array.ndim == 2]


def _bias(arrays: Mapping[str, NDArray], weight: str) -> int | None:
    """How many biases lie beside some weights."""
    bias = arrays.get(f"{weight[: -len('weight')]}bias") if weight.endswith("weight") else None
    return bias.size if bias is not None and bias.ndim == 1 else None


def _order(weights: Sequence[NDArray], biases: Sequence[int | None]) -> tuple[str, str] | None:
    """What the two axes of all weights are, if just one order makes them a chain whose targets have the biases."""
    fitting = []
    for order in ORDERS:
        sizes = [dict(zip(order, (a.shape[k] for k in _axes(a)), strict=True)) for a in weights]
        chained = all(before["target"] == after["source"] for before, after in pairwise(sizes))
        if chained and all(n in (None, size["target"]) for n, size in zip(biases, sizes, strict=True)):
            fitting.append(order)
    return fitting[0] if len(fitting) == 1 else None


def _chain(n: int) -> list[tuple[str, str]]:
    """Names of the populations of a chain of projections."""
    names = ["input", *(f"hidden{k}" for k in range(1, n + 1))]
    names[-1] = "output" if n > 1 else names[-1]
    return list(pairwise(names))


def _entry(source: str, target: str, weight: Sequence[str], delay: Sequence[str]) -> str:
    guess = "guess" if source != BLANK else "any name of the population"
    ends = [_line("source", source, guess), _line("target", target, guess)]
    unit = _line("unit", BLANK, '"steps", "ms", "s", "us", or a number of ms')
    return "\n".join(["[[projection]]", *ends, *weight, *delay, unit, ""])


def _weight_lines(name: str, array: NDArray, order: tuple[str, str] | None) -> list[str]:
    known = iter(order or (BLANK, BLANK))
    axes = [next(known) if k in _axes(array) else "1" for k in range(array.ndim)]
    return _lines("weight", name, axes, f"guess; {array.shape}")


def _delay_lines(weight: NDArray, order: tuple[str, str] | None, delays: Mapping[str, NDArray]) -> list[str]:
    """Delays that fit some weights: of each synapse, of each target or source, or of all."""
    sizes = [weight.shape[k] for k in _axes(weight)]
    fitting = {}
    for name, array in delays.items():
        lengths = [n for n in array.shape if n > 1]
        if lengths == sizes or not lengths or (len(lengths) == 1 and lengths[0] in sizes):
            fitting[name] = array
    if len(fitting) != 1:
        some = ", ".join(map(shown, list(fitting)[:3]))
        return _lines("delay", BLANK, [BLANK], f"such as {some}; or a number for all" if fitting else NONE_FITS)
    [(name, array)] = fitting.items()
    lengths = [n for n in array.shape if n > 1]
    named = dict(zip(sizes, order, strict=True)) if order and sizes[0] != sizes[1] else {}
    known = iter(order or (BLANK, BLANK) if lengths == sizes else [named.get(n, BLANK) for n in lengths])
    axes = ["1" if n == 1 else next(known) for n in array.shape]
    return _lines("delay", name, axes, f"guess; {array.shape}")


def _lines(key: str, name: str, axes: Sequence[str], comment: str) -> list[str]:
    """An array and its axes."""
    known = "guess" if BLANK not in axes else '"target", "source", "contact", or "1" for one of length 1 to drop'
    return [_line(key, name, comment), _line(f"{key}_axes", list(axes), known)]


def _line(key: str, value: str | list[str], comment: str) -> str:
    """An entry; what JSON makes of a text is TOML, too, once it holds no control characters."""
    return f"{key} = {json.dumps(value, ensure_ascii=False)}" + (f"  # {comment}" if comment else "")
