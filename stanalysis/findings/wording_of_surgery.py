"""What grouping is worth to networks at equal dose, in words; the numbers are those of `stanalysis.findings.surgery`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import xarray as xr

from stanalysis.findings.operations import ALIKE
from stanalysis.findings.surgery import FEWEST, surgery
from stanalysis.findings.tables import records
from stanalysis.findings.wording_of_operations import before, counted, listed, points, share, short

UNEQUAL: Final = 0.05  # doses of a network farther apart than this share of their mean are not equal
Row = Mapping[str, Any]


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
    by = [*ALIKE, "operation"]
    return [
        _of_surgery(dict(zip(by, names, strict=True)), records(rows.sort_values("level")))
        for names, rows in table.groupby(by, sort=False)
    ]


def _of_surgery(where: Row, rows: Sequence[Row]) -> str:
    what = str(where["operation"]).removeprefix("directed-")
    matched, unmatched = ([row for row in rows if row["matched"] == side] for side in (True, False))
    most, fewest = (end(row["networks"] for row in rows) for end in (max, min))
    said = [
        f"{before(where)}{what.capitalize()} exchanged in pairs among the synapses of a target, so that grouping rises or "
        "falls: test accuracy where it rises less that where it falls, in points, "
        f"{counted(most, 'network')}{f' (of some {fewest})' if fewest < most else ''}."
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
    unequal = ""
    if row["matched"] and _unequal(row):
        unequal = ", not known to be equal" if math.isnan(row["dose_gap"]) else ", not equal"
    reached = f"doses {_ends(row, 'dose')}{unequal}, grouping {_ends(row, 'grouping')}"
    tested = []
    if not math.isnan(row["lower"]):
        tested.append(f"95 % interval {points(row['lower'])} to {points(row['upper'])}")
    if not math.isnan(row["p_value"]):
        tested.append(f"p {_p(row['p_value'])}")
    within = f" ({', '.join(tested)})" if tested else ""
    return f"{share(row['level'])} of the synapses ({reached}) {points(row['difference'])}{within}"


def _ends(row: Row, measured: str) -> str:
    return f"{short(row[f'{measured}_raise'])} and {short(row[f'{measured}_lower'])}"


def _unequal(row: Row) -> bool:
    return not row["dose_gap"] <= UNEQUAL


def _verdict(matched: Sequence[Row]) -> str:
    """What the intervals at equal doses show, and rule out."""
    rows = [row for row in matched if not _unequal(row)]
    if not rows:
        return "No doses are known to be equal: nothing can be compared."
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
            where = listed([share(row["level"]) for row in shown])
            said.append(
                f"At equal dose more grouping {verb} accuracy at {where}, by at least {least} points, if the "
                "networks' differences are normally distributed."
            )
    rest = [row for row in known if row["lower"] <= 0 <= row["upper"]]
    if rest:
        lowest, highest = min(row["lower"] for row in rest), max(row["upper"] for row in rest)
        where = f" at {listed([share(row['level']) for row in rest])}" if said else ""
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
        listed([points(number) for number in numbers])
        for numbers in (
            [other["difference"] for _, other in both],
            [row["difference"] - other["difference"] for row, other in both],
        )
    )
    doses = "; ".join(_ends(other, "dose") for _, other in both)
    return f"Without matching (doses {doses}) it would be {without}: matching the doses changes it by {changes}."


def _p(p: float) -> str:
    return "<.0001" if p < 1e-4 else f"{p:.3g}".removeprefix("0")
