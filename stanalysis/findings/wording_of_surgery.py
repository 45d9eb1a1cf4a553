"""What grouping is worth to networks at equal dose, in words; the numbers are those of `stanalysis.findings.surgery`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import xarray as xr

from stanalysis.files.operations import without_controls
from stanalysis.findings.operations import ALIKE
from stanalysis.findings.surgery import FEWEST, surgery
from stanalysis.findings.tables import records
from stanalysis.findings.wording_of_operations import before, counted, listed, points, share, short

UNEQUAL: Final = 0.05  # doses of a network farther apart than this share of their mean are not equal
Row = Mapping[str, Any]


def told_surgery(analysis: xr.DataTree) -> list[str]:
    """What raising rather than lowering grouping does to accuracy: what was tested, what is ruled out, what matching changed.

    Of networks whose normalisation was kept, and whose weights were not trained again.

    Examples
    --------
    >>> told_surgery(xr.DataTree())
    []
    """
    table = surgery(analysis)
    if table.empty:
        return []
    table = without_controls(table)
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
            said.append(_matching([row for row in matched if not are_unequal(row)], unmatched))
    else:
        said += [
            f"At unmatched doses: {'; '.join(map(_difference, unmatched))}.",
            "What differs may be the dose, not the grouping.",
        ]
    if most > 1:
        said.append(
            "p is of flips of the signs of the networks' differences, one-sided (more accuracy with more grouping), with "
            f"{most} networks at least {_p(min(row['smallest_p'] for row in rows))}, and not adjusted for their number."
        )
    return " ".join(said)


def _difference(row: Row) -> str:
    """One comparison, with its doses and the grouping that is reached."""
    unequal = ""
    if row["matched"] and are_unequal(row):
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


def are_unequal(row: Row) -> bool:
    """Whether the doses of two arms that were matched differ in some network, or are not known.

    Examples
    --------
    >>> are_unequal({"dose_gap": 0.01}), are_unequal({"dose_gap": math.nan})
    (False, True)
    """
    return not row["dose_gap"] <= UNEQUAL


def _verdict(matched: Sequence[Row]) -> str:
    """What the intervals at equal doses show, and rule out."""
    rows = [row for row in matched if not are_unequal(row)]
    if not rows:
        return "No doses are known to be equal: nothing can be compared."
    known = [row for row in rows if not math.isnan(row["lower"])]
    if not known:
        n = max(row["networks"] for row in rows)
        return "One network says nothing of others." if n == 1 else f"Fewer than {FEWEST} networks give no interval."
    said = []
    if shown := [row for row in known if row["lower"] > 0]:
        least = points(min(row["lower"] for row in shown)).removeprefix("+")
        said.append(
            f"At equal dose more grouping leaves more accuracy at {_at(shown)}, by at least {least} points, if the networks' "
            "differences are normally distributed."
        )
    if other := [row for row in known if row["upper"] < 0]:
        said.append(
            f"At equal dose less grouping leaves more accuracy at {_at(other)}: nothing there says that grouping is needed; "
            "where it is decoration, too, lowering it harms less."
        )
    rest = [row for row in known if row["lower"] <= 0 <= row["upper"]]
    if rest:
        lowest, highest = min(row["lower"] for row in rest), max(row["upper"] for row in rest)
        where = f" at {_at(rest)}" if said else ""
        said.append(
            f"At equal dose no difference is shown{where}, and any beyond {points(lowest)} to {points(highest)} points is "
            "ruled out (95 %)."
        )
    return " ".join(said)


def _at(rows: Sequence[Row]) -> str:
    return listed([share(row["level"]) for row in rows])


def _matching(matched: Sequence[Row], unmatched: Sequence[Row]) -> str:
    """What matching the doses changed."""
    by_level = {row["level"]: row for row in unmatched}
    both = [(row, by_level[row["level"]]) for row in matched if row["level"] in by_level]
    if not both:
        return "Without matching nothing can be said beside that."
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
