"""What networks bear, and what grouping is worth to them at equal dose, in words; the numbers are those of `operations`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pandas as pd
import xarray as xr

from stanalysis.files.operations import INTACT
from stanalysis.findings.operations import (
    FEWEST,
    TOLERANCE,
    bits_of,
    rows_alike,
    schemes,
    surgery,
    tolerances,
)
from stanalysis.findings.tables import records

UNEQUAL: Final = 0.05  # doses farther apart than this share of their mean are not equal
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
    table = schemes(analysis)
    told = []
    for where, by_operation in rows_alike(tolerances(analysis)):
        said = [*_of_precision(by_operation)]
        alike = table[(table[list(where)] == pd.Series(where)).all(axis=1)]
        intact = table[(table["scheme"] == "synaptic") & (table["condition"] == where["condition"])]
        said += _of_schemes({str(name): rows for name, rows in alike.groupby("scheme", sort=False)}, intact["buffer"].mean())
        if said:
            told.append(f"{_before(where)}{' '.join(said)}")
    return told


def told_surgery(analysis: xr.DataTree) -> list[str]:
    """What raising rather than lowering grouping does to accuracy: what was tested, what is ruled out, what matching changed.

    Examples
    --------
    >>> told_surgery(xr.DataTree())
    []
    """
    table = surgery(analysis)
    if table.empty:
        return []
    by = ["condition", "projection", "normalisation", "refit", "operation"]
    return [
        _of_surgery(dict(zip(by, names, strict=True)), records(rows.sort_values("level")))
        for names, rows in table.groupby(by, sort=False)
    ]


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
        said.append(f"weights trained again for {_counted(where['refit'], 'epoch')}")
    return ", ".join(said)


def _of_precision(rows: Mapping[str, Row]) -> list[str]:
    delays = _phrases(rows, {"delay-jitter": _off_by, "delay-levels": _levels, "delay-clip": _clipped})
    kept = [rows[name] for name in _TO_MEAN if name in rows]
    if kept:
        delays.append(_kept(kept))
    weights = _phrases(rows, {"weight-jitter": _off_by, "weight-bits": _weight_bits})
    known = [row for row in rows.values() if not math.isnan(row["intact"])]
    most, fewest = max(row["networks"] for row in known), min(row["fewest"] for row in known)
    intact = next(row["intact"] for row in known if row["networks"] == most)
    of_networks = "one network" if most == 1 else f"mean of {f'{fewest} to ' if fewest < most else ''}{most} networks"
    cost = f"each by itself at a cost of up to {_counted(100 * TOLERANCE, 'point')} of test accuracy"
    said = []
    if delays:
        said.append(f"Delays {_listed(delays)}, {cost} ({_share(intact)} intact, {of_networks}).")
    if weights:
        rest = "each at the same cost" if delays else f"{cost} ({_share(intact)} intact, {of_networks})"
        said.append(f"Weights {_listed(weights)}, {rest}.")
    return said


def _phrases(rows: Mapping[str, Row], wordings: Mapping[str, Callable[[Row], str]]) -> list[str]:
    return [wording(rows[name]) for name, wording in wordings.items() if name in rows]


def _off_by(row: Row) -> str:
    unit = "ms" if row["unit"] == "ms" else "of their root mean square"
    tolerated = f"{_number(row['tolerated'])} {unit}"
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
    return f"need {_bits(row['bits'])} ({_counted(row['tolerated'], 'level')}{fewest})"


def _weight_bits(row: Row) -> str:
    if row["bound"] == "mildest":
        return f"need more than {_bits(row['mildest'])}, the most tried"
    return f"need {_bits(row['tolerated'])}" + (", the fewest tried" if row["bound"] == "harshest" else "")


def _clipped(row: Row) -> str:
    if row["bound"] == "mildest":
        return f"need more than {_share(row['mildest'])} of the longest delay, the most tried"
    least = ", the least tried" if row["bound"] == "harshest" else ""
    return f"may end at {_share(row['tolerated'])} of the longest{least}"


def _kept(rows: Sequence[Row]) -> str:
    """Which share of the delays must keep their values, by the criterion under which it is smallest."""
    known = [row for row in rows if not math.isnan(row["tolerated"])]
    if not known:
        return f"more than {_share(1 - min(row['mildest'] for row in rows))} of them must keep their values"
    best = max(known, key=lambda row: row["tolerated"])
    if best["tolerated"] == 1:
        return "none of them need keep its value, if all are set to their mean"
    return f"{_share(1 - best['tolerated'])} of them suffice ({_TO_MEAN[best['operation']]} set to the mean)"


def _of_schemes(by_scheme: Mapping[str, pd.DataFrame], synaptic: float) -> list[str]:
    """What one delay a source, or a target, costs and saves; of two means the better. ``synaptic``: buffer of the intact."""
    each = []
    for scheme, shared_by in (("axonal", "source"), ("dendritic", "target")):
        if scheme in by_scheme:
            best = records(by_scheme[scheme].sort_values("cost"))[0]
            better = ", the better of two means" if len(by_scheme[scheme]) > 1 else ""
            cost = f"one a {shared_by} ({scheme}{better}) costs {_counted(round(100 * best['cost'], 1), 'point')}"
            each.append(cost + ("" if math.isnan(best["buffer"]) else f" and takes {best['buffer']:,.0f}"))
    if not each:
        return []
    first = (
        "Schemes of delays:"
        if math.isnan(synaptic)
        else f"One delay a synapse takes buffers of {synaptic:,.0f} steps × neurons;"
    )
    return [f"{first} {'; '.join(each)}."]


def _of_surgery(where: Row, rows: Sequence[Row]) -> str:
    what = str(where["operation"]).removeprefix("directed-")
    matched, unmatched = ([row for row in rows if row["matched"] == side] for side in (True, False))
    most, fewest = (end(row["networks"] for row in rows) for end in (max, min))
    said = [
        f"{_before(where)}{what.capitalize()} exchanged in pairs among the synapses of a target, so that grouping rises or "
        "falls: test accuracy where it rises less that where it falls, in points, "
        f"{_counted(most, 'network')}{f' (of some {fewest})' if fewest < most else ''}."
    ]
    if matched:
        said += [f"At matched doses: {'; '.join(map(_difference, matched))}.", _verdict(matched)]
        if unmatched:
            said.append(_matching(matched, unmatched))
    else:
        said += [
            f"At unmatched doses: {'; '.join(map(_difference, unmatched))}.",
            "What differs may be the dose, not the grouping.",
        ]
    if most > 1:
        said.append(
            f"p is of flips of the signs of the networks' differences, with {most} networks at least "
            f"{_p(min(row['smallest_p'] for row in rows))}, and not adjusted for the number of comparisons."
        )
    return " ".join(said)


def _difference(row: Row) -> str:
    """One comparison, with its doses and the grouping that is reached."""
    unequal = ", not equal" if row["matched"] and _unequal(row) else ""
    reached = f"doses {_ends(row, 'dose')}{unequal}, grouping {_ends(row, 'grouping')}"
    tested = []
    if not math.isnan(row["lower"]):
        tested.append(f"95 % interval {points(row['lower'])} to {points(row['upper'])}")
    if not math.isnan(row["p_value"]):
        tested.append(f"p {_p(row['p_value'])}")
    within = f" ({', '.join(tested)})" if tested else ""
    return f"{_share(row['level'])} of the synapses ({reached}) {points(row['difference'])}{within}"


def _ends(row: Row, measured: str) -> str:
    return f"{_number(row[f'{measured}_raise'])} and {_number(row[f'{measured}_lower'])}"


def _unequal(row: Row) -> bool:
    mean = (row["dose_raise"] + row["dose_lower"]) / 2
    return not abs(row["dose_raise"] - row["dose_lower"]) <= UNEQUAL * mean


def _verdict(matched: Sequence[Row]) -> str:
    """What the intervals at equal doses show, and rule out."""
    rows = [row for row in matched if not _unequal(row)]
    if not rows:
        return "No doses are equal: nothing can be compared."
    known = [row for row in rows if not math.isnan(row["lower"])]
    if not known:
        n = max(row["networks"] for row in rows)
        return "One network says nothing of others." if n == 1 else f"Fewer than {FEWEST} networks give no interval."
    said = []
    for verb, shown in (
        ("raises", [row for row in known if row["lower"] > 0]),
        ("lowers", [row for row in known if row["upper"] < 0]),
    ):
        if shown:
            least = points(min(min(abs(row["lower"]), abs(row["upper"])) for row in shown)).removeprefix("+")
            where = _listed([_share(row["level"]) for row in shown])
            said.append(
                f"At equal dose more grouping {verb} accuracy at {where}, by at least {least} points, if the "
                "networks' differences are normally distributed."
            )
    rest = [row for row in known if row["lower"] <= 0 <= row["upper"]]
    if rest:
        lowest, highest = min(row["lower"] for row in rest), max(row["upper"] for row in rest)
        where = f" at {_listed([_share(row['level']) for row in rest])}" if said else ""
        said.append(
            f"At equal dose no difference is shown{where}, and any beyond {points(lowest)} to {points(highest)} points is "
            "ruled out (95 %)."
        )
    return " ".join(said)


def _matching(matched: Sequence[Row], unmatched: Sequence[Row]) -> str:
    """What matching the doses changed."""
    by_level = {row["level"]: row for row in unmatched}
    both = [(row, by_level[row["level"]]) for row in matched if row["level"] in by_level]
    if not both:
        return "Without matching no such level was tried."
    without, changes = (
        _listed([points(number) for number in numbers])
        for numbers in (
            [other["difference"] for _, other in both],
            [row["difference"] - other["difference"] for row, other in both],
        )
    )
    doses = "; ".join(_ends(other, "dose") for _, other in both)
    return f"Without matching (doses {doses}) it would be {without}: matching the doses changes it by {changes}."


def _before(where: Row) -> str:
    return f"{said}: " if (said := named(where)) else ""


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}{',' * (len(parts) > 2)} and {parts[-1]}"


def _counted(n: float, name: str) -> str:
    return f"{n:g} {name}" if n == 1 else f"{n:g} {name}s"


def _bits(n: float) -> str:
    return _counted(n, "bit")


def _share(value: float) -> str:
    return f"{round(100 * value, 1):g} %"


def _number(value: float) -> str:
    """With two significant digits."""
    return "–" if math.isnan(value) else f"{float(f'{value:.2g}'):g}"


def _p(p: float) -> str:
    return "<.0001" if p < 1e-4 else f"{p:.3g}".removeprefix("0")
