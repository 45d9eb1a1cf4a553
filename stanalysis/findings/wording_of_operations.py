"""What networks bear, in words; the numbers are those of `stanalysis.findings.operations`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import xarray as xr

from stanalysis.files.operations import INTACT
from stanalysis.findings.operations import (
    ALIKE,
    SCHEMES,
    TOLERANCE,
    bits_of,
    rows_alike,
    schemes,
    tolerances,
)

_TO_MEAN: Final = {
    "smallest-delays-to-mean": "the smallest",
    "largest-delays-to-mean": "the largest",
    "random-delays-to-mean": "any",
}
Row = Mapping[str, Any]


def told_tolerances(analysis: xr.DataTree) -> list[str]:
    """What delays and weights bear at a cost of one point of accuracy, and what schemes of delays cost: for each condition.

    Examples
    --------
    >>> told_tolerances(xr.DataTree())
    []
    """
    borne, by_scheme = rows_alike(tolerances(analysis)), rows_alike(schemes(analysis))
    trained = {where[0]: rows[0]["buffer"] for where, rows in by_scheme.items() if rows[0]["scheme"] == SCHEMES["intact"]}
    told = []
    for place in {**borne, **by_scheme}:
        said = _of_precision({row["operation"]: row for row in borne.get(place, [])})
        said += _of_schemes(by_scheme.get(place, []), trained.get(place[0], math.nan))
        if said:
            told.append(f"{before(dict(zip(ALIKE, place, strict=True)))}{' '.join(said)}")
    return told


def points(difference: float) -> str:
    """A difference of accuracies in points, with its sign; below one point to a hundredth.

    Examples
    --------
    >>> points(0.0123), points(-0.5), points(0.00123), points(-1e-9)
    ('+1.2', '−50.0', '+0.12', '+0.00')
    """
    return f"{100 * difference:+z.{2 if abs(difference) < TOLERANCE else 1}f}".replace("-", "−")


def named(where: Row) -> str:
    """Of what numbers are, as far as that must be said: condition, projection, normalisation, refit.

    Examples
    --------
    >>> named({"condition": "", "projection": "input__hidden1", "normalisation": "re-estimated", "refit": 0})
    'input__hidden1, normalisation re-estimated'
    """
    said = [str(where[name]) for name in ("condition", "projection") if where[name] not in ("", INTACT["projection"])]
    if where["normalisation"] != INTACT["normalisation"]:
        said.append(f"normalisation {where['normalisation']}")
    if where["refit"]:
        said.append(f"weights trained again for {counted(where['refit'], 'epoch')}")
    return ", ".join(said)


def _of_precision(rows: Mapping[str, Row]) -> list[str]:
    if not rows:
        return []
    delays = _phrases(rows, {"delay-jitter": _off_by, "delay-levels": _levels, "delay-clip": _clipped})
    kept = [rows[name] for name in _TO_MEAN if name in rows]
    subject = "Delays"
    if kept and delays:
        delays.append(_kept(kept))
    elif kept:
        subject, delays = "Of the delays", [_kept(kept).replace(" of them", "")]
    weights = _phrases(rows, {"weight-jitter": _off_by, "weight-bits": _weight_bits})
    most, fewest = max(row["networks"] for row in rows.values()), min(row["fewest"] for row in rows.values())
    intact = next(row["intact"] for row in rows.values() if row["networks"] == most)
    of_networks = "one network" if most == 1 else f"mean of {f'{fewest} to ' if fewest < most else ''}{most} networks"
    cost = f"at a cost of up to {counted(100 * TOLERANCE, 'point')} of test accuracy ({share(intact)} intact, {of_networks})"
    said = []
    if delays:
        said.append(f"{subject} {listed(delays)}, {_each(delays)}{cost}.")
    if weights:
        said.append(f"Weights {listed(weights)}, {_each(weights)}{'at the same cost' if delays else cost}.")
    return said


def _each(phrases: Sequence[str]) -> str:
    return "each by itself " if len(phrases) > 1 else ""


def _phrases(rows: Mapping[str, Row], wordings: Mapping[str, Callable[[Row], str]]) -> list[str]:
    return [wording(rows[name]) for name, wording in wordings.items() if name in rows]


def _off_by(row: Row) -> str:
    unit = "ms" if row["unit"] == "ms" else "of their root mean square"
    tolerated = f"{short(row['tolerated'])} {unit}"
    if row["bound"] == "harshest":
        return f"may be off by at least {tolerated} (standard deviation; more was not tried)"
    if row["bound"] == "mildest":
        least = f"{row['mildest']:g} {unit}"
        return f"may be off by less than {least} (standard deviation, the least tried; by interpolation {tolerated})"
    return f"may be off by {tolerated} (standard deviation)"


def _levels(row: Row) -> str:
    if row["bound"] == "mildest":
        return f"need more than {_bits(bits_of(row['mildest']))} ({row['mildest']:g} levels, the most tried)"
    fewest = ", the fewest tried" if row["bound"] == "harshest" else ""
    return f"need {_bits(row['bits'])} ({counted(row['tolerated'], 'level')}{fewest})"


def _weight_bits(row: Row) -> str:
    if row["bound"] == "mildest":
        return f"need more than {_bits(row['mildest'])}, the most tried"
    return f"need {_bits(row['tolerated'])}" + (", the fewest tried" if row["bound"] == "harshest" else "")


def _clipped(row: Row) -> str:
    if row["bound"] == "mildest":
        return f"need more than {share(row['mildest'])} of the longest delay, the most tried"
    least = ", the least tried" if row["bound"] == "harshest" else ""
    return f"may end at {share(row['tolerated'])} of the longest{least}"


def _kept(rows: Sequence[Row]) -> str:
    """Which share of the delays must keep their values, by the criterion under which it is smallest."""
    known = [row for row in rows if not math.isnan(row["tolerated"])]
    if not known:
        return f"more than {share(1 - max(row['mildest'] for row in rows))} of them must keep their values"
    best = max(known, key=lambda row: row["tolerated"])
    if best["tolerated"] == 1:
        return "none of them need keep its value, if all are set to their mean"
    return f"{share(1 - best['tolerated'])} of them suffice ({_TO_MEAN[best['operation']]} set to the mean)"


def _of_schemes(rows: Sequence[Row], trained: float) -> list[str]:
    """What one delay a source, or a target, costs and saves; of two means the better. ``trained``: buffer of the intact."""
    each = []
    for scheme, shared_by in (("axonal", "source"), ("dendritic", "target")):
        means = [row for row in rows if row["scheme"] == scheme]
        if means:
            best = min(means, key=lambda row: row["cost"])
            better = ", the better of two means" if len(means) > 1 else ""
            cost = f"one a {shared_by} ({scheme}{better}) costs {counted(round(100 * best['cost'], 1), 'point')}"
            each.append(cost + ("" if math.isnan(best["buffer"]) else f" and takes {best['buffer']:,.0f}"))
    if not each:
        return []
    first = (
        "Schemes of delays:" if math.isnan(trained) else f"As trained, delays take buffers of {trained:,.0f} steps × neurons;"
    )
    return [f"{first} {'; '.join(each)}."]


def before(where: Row) -> str:
    """What `named` says, as the beginning of a sentence.

    Examples
    --------
    >>> before({"condition": "method dcls", "projection": "all", "normalisation": "kept", "refit": 5})
    'method dcls, weights trained again for 5 epochs: '
    """
    return f"{said}: " if (said := named(where)) else ""


def listed(parts: Sequence[str]) -> str:
    """Parts of a sentence, one after the other.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b, and c')
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}{',' * (len(parts) > 2)} and {parts[-1]}"


def counted(n: float, name: str) -> str:
    """A number of things.

    Examples
    --------
    >>> counted(1, "level"), counted(8.0, "level")
    ('1 level', '8 levels')
    """
    return f"{n:g} {name}" if n == 1 else f"{n:g} {name}s"


def share(value: float) -> str:
    """A share in per cent.

    Examples
    --------
    >>> share(0.9212)
    '92.1 %'
    """
    return f"{round(100 * value, 1):g} %"


def short(value: float) -> str:
    """A number with two significant digits.

    Examples
    --------
    >>> short(11.04), short(123.0), short(float("nan"))
    ('11', '120', '–')
    """
    return "–" if math.isnan(value) else f"{float(f'{value:.2g}'):g}"


def _bits(n: float) -> str:
    return counted(n, "bit")
