"""In space, in time, or jointly: what the grouping of excitation and inhibition is owed to; the published test beside ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pandas as pd
import xarray as xr

from reports.page.numbers import NONE, interval, number, p_value, share
from reports.page.sentences import Statement, told_one_by_one
from reports.page.tables import Table, table_of
from stanalysis.findings.grouping import (
    PUBLISHED,
    SHARES,
    TEST_COLUMNS,
    beside_published,
    smallest_p_of_parts,
    with_intervals,
)
from stanalysis.findings.tables import SIGNIFICANT, records
from stanalysis.findings.view import Analysis
from stanalysis.stats.engine.statistics import STATISTICS

TOLD: Final = "graph_joins_ei"  # of which the sentences speak
_OWED: Final = {"delay": "the delay alone", "source": "the source alone", "interaction": "both jointly"}
_PROCEDURES: Final = {PUBLISHED: "published, Moran's I of cells"}
_TESTS: Final = ("cells", "delays", "sources", "interaction")
ASKED: Final = (
    "Fewer E–I joins, pairs of neighbouring synapses of which one excites and one inhibits, than if signs moved freely among a "
    "neuron's synapses are grouping. Signs that follow the delay, or the source, bring it about by themselves; owed to both "
    "jointly is what neither explains, nor both added up. It is grouping in space and time only where the null `interaction`, "
    "which keeps what signs owe to either alone, is rejected."
)
WHY_THEY_DIFFER: Final = (
    "Why they differ: neighbours on the lattice must share a bin of delay or a source exactly, and shuffled cells do not keep "
    "where synapses may be, so that it asks whether anything is uneven. Measured on planted fields, blobs of excitation beside "
    "inhibition, a test of the published kind finds .03 to .06 of them, Moran's I among synapses .59 to .71, and E–I joins .21 "
    "to .37 (an audit with generators of its own)."
)
BESIDE: Final = (
    "All networks together, means over them: of neurons, of what is expected when all cells are shuffled (published) or signs "
    "move freely, and of the highest value of a neuron. Then by the test: share of neurons with p up to .05 (5 % of them by "
    "chance), and networks with a network p up to .05 among those with one. `cells` is one-sided, the others are as was asked."
)


class Grouping(NamedTuple):
    """The section: what is asked, a statement for each projection and condition, and a table; empty where nothing is known."""

    asked: list[str]
    statements: list[Statement]
    table: Table | None


def grouping_section(analysis: xr.DataTree) -> Grouping | None:
    """The section on what the grouping is owed to; None of an analysis that knows neither parts nor the published test."""
    means, beside = with_intervals(analysis), beside_published(analysis)
    if beside.empty:
        return None
    statements, asked = [], []
    if not means.empty:
        asked = [ASKED, *_powerless(analysis)]
        told = means[means["statistic"] == TOLD]
        by = ["projection", "condition"] if told_one_by_one(analysis) else ["projection"]
        for names, rows in told.groupby(by, sort=False):
            about = ", ".join(filter(None, map(str, names)))
            if told_one_by_one(analysis):
                statements.append(_about_condition(about, {row["moment"]: row for row in records(rows)}))
            else:
                statements.append(_about_many(about, rows))
    return Grouping(asked, statements, _beside(beside))


def _powerless(analysis: xr.DataTree) -> list[str]:
    """That the draws are too few to reject anything, or that one side alone was tested."""
    said = []
    smallest = max(smallest_p_of_parts(analysis, projection) for projection in Analysis(analysis).tables("parts"))
    if smallest > SIGNIFICANT:
        said.append(f"With so few draws no p-value can be below {p_value(smallest)}: nothing can be rejected at .05.")
    if Analysis(analysis).alternative != "two-sided":
        said.append(f"Only one side was tested: `{Analysis(analysis).alternative}`, and grouping lowers E–I joins.")
    return said


def _about_condition(about: str, moments: Mapping[str, dict[str, Any]]) -> Statement:
    """Of networks that differ in their seed alone."""
    now, before = moments["last"], moments.get("first")
    if not now["networks"]:
        return Statement(about, "no neuron has an answer", "", False)
    when = "at the last step" if before is None else "after training"
    first = "before training" if before and before["step_to"] == 0 else "at the first step kept"
    within = _interval(now, "total").replace("(", "(95 % interval ")
    if now["total_lower"] < 0 < now["total_upper"]:
        within = f"{within.removesuffix(')')}, which holds 0)"
    verdict = (
        f"{when} a neuron has {_more_or_fewer(now['total'], 'no fewer')} E–I joins than if its signs moved freely{within}: "
    )
    verdict += f"{_parts(now)}; {_joint(now, before, first)}"
    over = f"95 % intervals over {now['n']:.0f} {now['replicates']}"
    over += " of this network, which speak of no other" if now["replicates"] == "neurons" else ""
    numbers = f"E–I joins beyond free signs, {over}: {_with_intervals(now)}."
    if before and before["networks"]:
        numbers += f" {first.capitalize()}: {_with_intervals(before)}."
    numbers += _rejected_nulls(now, before, first)
    return Statement(about, verdict, numbers, now["interaction_grouped"] > 0)


def _about_many(about: str, rows: pd.DataFrame) -> Statement:
    """Of all conditions of a projection together."""
    now, before = rows[rows["moment"] == "last"], rows[rows["moment"] == "first"]
    counted = ["interaction_tested", "interaction_grouped", "interaction_rejected"]
    both = {name: int(now[f"delays_and_sources_{name}"].sum()) for name in ("tested", "rejected")}
    known = now[now["total"].notna()].sort_values("total")
    if known.empty:
        return Statement(about, "no neuron has an answer", "", False)
    added, earlier = ({name: int(table[name].sum()) for name in counted} for table in (now, before))
    verdict = _joint(added, earlier, "at the first step kept")
    ends = " to ".join(f"{number(row['total'])} ({row['condition']})" for row in records(known.iloc[[0, -1]]))
    shares = "; ".join(f"{_OWED[part]} {interval(known[part].min(), known[part].max())}" for part in _OWED)
    numbers = f"E–I joins beyond free signs, means of {len(known)} conditions: from {ends}; owed to {shares}."
    numbers += f" Nulls `delays` and `sources` are both rejected in {both['rejected']} of {both['tested']} networks."
    return Statement(about, verdict, numbers, added["interaction_grouped"] > 0)


def _joint(now: Mapping[str, Any], before: Mapping[str, Any] | None, first: str) -> str:
    """Whether the grouping is joint, and no more than the null `interaction` allows; of one condition, or of sums over many."""
    n, k = int(now["interaction_tested"]), int(now["interaction_grouped"])
    other = int(now["interaction_rejected"]) - k
    if not n:
        return "whether any of it is joint cannot be told: hardly a sign can move when what it owes to either alone stays"
    earlier = ""
    if before is not None and (tested := int(before["interaction_tested"])) and (k or before["interaction_grouped"]):
        was = int(before["interaction_grouped"])
        earlier = f" ({first} in {was} of {tested})" if n > 1 else f" ({first}{', too' if was else ' not'})"
    against = f"; signs are mixed jointly, the opposite, {_in(other, n)}" if other else ""
    if not k:
        rejected = "is not rejected on the side of grouping" if other else "is not rejected"
        where = "in this network" if n == 1 else f"in any of {n} networks"
        was_joint = earlier.replace("(", "(signs were grouped jointly ", 1)
        return f"nothing shows that grouping is joint: null `interaction` {rejected} {where}{was_joint}{against}"
    rest = "" if k + other == n else "; in the others nothing shows that grouping is joint"
    joint = "signs are grouped in space and time jointly, beyond what they owe to either alone"
    earlier = f" (null `interaction`; {earlier[2:]}" if earlier else " (null `interaction`)"
    return f"{_in(k, n)} {joint}{earlier}{against}{rest}"


def _rejected_nulls(now: Mapping[str, Any], before: Mapping[str, Any] | None, first: str) -> str:
    """In how many networks neither null alone can explain it, and that this is not yet a joint grouping."""
    k, n = int(now["delays_and_sources_rejected"]), int(now["delays_and_sources_tested"])
    if not n:
        return " Networks as a whole are not tested under `delays` and `sources`."
    earlier = ""
    if before and (tested := int(before["delays_and_sources_tested"])):
        was = int(before["delays_and_sources_rejected"])
        earlier = f" ({first} in {was} of {tested})" if n > 1 else f" ({first}{', too' if was else ' not'})"
    alone = ", which parts that only add up bring about, too" if k else ""
    both = "are not both rejected" if n == 1 and not k else "are both rejected"
    return f" Nulls `delays` and `sources` {both} {_in(k, n)}{earlier}{alone}."


def _in(k: int, n: int) -> str:
    return "in this network" if n == 1 else f"in {k} of {n} networks"


def _parts(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{_more_or_fewer(row[part], 'none')} owed to {name}" for part, name in _OWED.items())


def _more_or_fewer(value: float, none: str) -> str:
    return f"{number(abs(value))} {'more' if value > 0 else 'fewer'}" if value else none


def _with_intervals(row: Mapping[str, Any]) -> str:
    names = {"total": "all", "delay": "delay", "source": "source", "interaction": "jointly"}
    return ", ".join(f"{names[part]} {number(row[part])}{_interval(row, part)}" for part in SHARES)


def _interval(row: Mapping[str, Any], part: str) -> str:
    lower, upper = row[f"{part}_lower"], row[f"{part}_upper"]
    return f" ({interval(lower, upper)})" if lower < upper else ""


def _beside(beside: pd.DataFrame) -> Table:
    """The published procedure beside ours, a row for each projection, procedure and moment."""
    rows = []
    for row in records(beside.sort_values(["projection", "moment"], kind="stable", key=_in_order)):
        name = row["procedure"]
        tested = {
            test: _found(row, TEST_COLUMNS.get(test, test)) for test in _TESTS if f"{TEST_COLUMNS.get(test, test)}_share" in row
        }
        levels = {name: row[name] for name in ("mean", "expected", "highest")}
        label = _PROCEDURES[name] if name in _PROCEDURES else STATISTICS[name].label
        where = {"projection": row["projection"], "step": row["moment"], "procedure": label}
        rows.append({**where, **levels, **tested})
    return table_of(pd.DataFrame(rows), "The published procedure beside ours", f"{BESIDE} {WHY_THEY_DIFFER}", csv="published")


def _in_order(column: pd.Series) -> pd.Series:
    """Projections in the order of the file, the first step before the last."""
    return column.map({name: place for place, name in enumerate(column.drop_duplicates())})


def _found(row: Mapping[str, Any], column: str) -> str:
    """The share of neurons that stand out, and the networks."""
    alone = row[f"{column}_share"]
    tested = row.get(f"{column}_tested", math.nan)
    if math.isnan(alone):
        return NONE
    return share(alone) + (f", {row[f'{column}_rejected']:.0f}/{tested:.0f}" if tested > 0 else "")
