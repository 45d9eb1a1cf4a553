"""In space, in time, or jointly: what the grouping of excitation and inhibition is owed to; the published test beside ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pandas as pd
import xarray as xr

from reports.owed import OWED, RESOLUTION, TOTAL, WITHOUT_ORDER
from reports.page.numbers import NONE, interval, number, p_value, share
from reports.page.sentences import Statement, told_one_by_one
from reports.page.tables import Table, table_of
from stanalysis.findings.grouping import (
    MOST,
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
_PROCEDURES: Final = {PUBLISHED: "published, Moran's I of cells"}
_TESTS: Final = ("cells", "delays", "sources", "interaction")
ASKED: Final = (
    "Fewer E–I joins, pairs of neighbouring synapses of which one excites and one inhibits, than if signs moved freely among a "
    "neuron's synapses are grouping. Signs that follow the delay, or the source, bring it about by themselves; owed to both "
    "jointly is what neither explains, nor both added up. It is grouping in space and time only where the null `interaction`, "
    "which keeps what signs owe to either alone, is rejected, and "
    f"then {RESOLUTION}: finer structure of one axis counts as joint."
)
WHY_THEY_DIFFER: Final = (
    "Why they differ: neighbours on the lattice must share a bin of delay or a source exactly, and shuffled cells do not keep "
    "where synapses may be, so that it asks whether anything is uneven; on planted blobs of excitation beside inhibition the "
    "published test finds almost none, statistics of the synapse graph many more (docs/nulls.md)."
)
_MEANS: Final = (
    "All networks together, means over them: of neurons, of what is expected when {}, and of the highest value of a neuron."
)
_BY_TEST: Final = (
    "Then by the test: share of neurons with p up to .05 (5 % of them by chance), and networks with a network p up to .05 "
    "among those with one."
)
NO_CELLS: Final = "The published procedure needs cells: give `--bin`."
NOT_ASKED: Final = "The published procedure was not asked for: `--statistics published`."
OURS: Final = "Ours, by test"
# of five synapses all are neighbours, whatever their signs
ONE_SIGN: Final = "E–I joins cannot differ: the weights of a neuron have one sign, or it has no more than five synapses"


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
                statement = _about_condition(about, {row["moment"]: row for row in records(rows)})
            else:
                statement = _about_many(about, rows)
            if statement.numbers and not Analysis(analysis).has_ordered_sources(str(names[0])):
                verdict = f"{statement.verdict}. {WITHOUT_ORDER.removesuffix('.')}"
                statement = statement._replace(verdict=verdict, seen=False)
            statements.append(statement)
    return Grouping(asked, statements, _beside(beside, has_cells=Analysis(analysis).bin is not None))


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
    if not any(now[part] for part in SHARES):
        return Statement(about, ONE_SIGN, "", False)
    when = "at the last step" if before is None else "after training"
    first = "before training" if before and before["step_to"] == 0 else "at the first step kept"
    within = _interval(now, "total").replace("(", "(95 % interval ")
    if now["total_lower"] < 0 < now["total_upper"]:
        within = f"{within.removesuffix(')')}, which holds 0)"
    verdict = (
        f"{when} a neuron has {_more_or_fewer(now['total'], 'no fewer')} E–I joins than if its signs moved freely{within}: "
    )
    if doubt := _not_shown(now):
        verdict = f"{doubt}. {verdict[0].upper()}{verdict[1:]}{_parts(now)}"
    else:
        verdict += f"{_parts(now)}; {_joint(now, before, first)}"
    over = f"95 % intervals over {now['n']:.0f} {now['replicates']}"
    over += " of this network, which speak of no other" if now["replicates"] == "neurons" else ""
    numbers = f"E–I joins beyond free signs, {over}: {_with_intervals(now)}."
    if before and before["networks"]:
        numbers += f" {first.capitalize()}: {_with_intervals(before)}."
    numbers += _rejected_nulls(now, before, first)
    return Statement(about, verdict, numbers, now["interaction_grouped"] > 0 and not doubt)


def _about_many(about: str, rows: pd.DataFrame) -> Statement:
    """Of all conditions of a projection together."""
    now, before = rows[rows["moment"] == "last"], rows[rows["moment"] == "first"]
    tests = [f"{test}_{what}" for test in ("interaction", "delays_and_sources") for what in ("tested", "rejected")]
    counted = [*tests, "interaction_grouped"]
    known = now[now["total"].notna()].sort_values("total")
    if known.empty:
        return Statement(about, "no neuron has an answer", "", False)
    if not known[list(SHARES)].any(axis=None):
        return Statement(about, ONE_SIGN, "", False)
    added, earlier = ({name: int(table[name].sum()) for name in counted} for table in (now, before))
    of_networks = known["tested_share"].mul(known["networks"])  # which conditions have more of, or fewer
    tested = {"tested_share": of_networks.sum() / known["networks"].sum()}
    doubt = _not_shown(added | tested)
    verdict = doubt or _joint(added | tested, earlier, "at the first step kept")
    ends = " to ".join(f"{number(row['total'])} ({row['condition']})" for row in records(known.iloc[[0, -1]]))
    shares = "; ".join(f"{part.words} {interval(known[part.name].min(), known[part.name].max())}" for part in OWED)
    numbers = f"E–I joins beyond free signs, means of {len(known)} conditions: from {ends}; owed to {shares}."
    k, n = added["delays_and_sources_rejected"], added["delays_and_sources_tested"]
    numbers += f" Nulls `delays` and `sources` are both rejected in {k} of {n} networks."
    return Statement(about, verdict, numbers, added["interaction_grouped"] > 0 and not doubt)


def _not_shown(now: Mapping[str, Any]) -> str:
    """Why grouping is not shown to be joint although the null `interaction` is rejected: it speaks of few neurons, and the
    nulls of either alone are not both rejected in most networks. Nothing where that is not so.
    """
    n, k = int(now["delays_and_sources_tested"]), int(now["delays_and_sources_rejected"])
    if not now["interaction_grouped"] or not now["tested_share"] < MOST or k > MOST * n:
        return ""
    both = f"are {'not ' if n == 1 else ''}both rejected {_in(k, n)}" if n else "cannot be tested"
    rejected = _in(int(now["interaction_rejected"]), int(now["interaction_tested"]))
    return (
        f"not shown to be joint: nulls `delays` and `sources` {both}, and the null `interaction`, rejected {rejected}, speaks "
        f"of {_few(now)}"
    )


def _few(row: Mapping[str, Any]) -> str:
    """Of which neurons the null `interaction` speaks, where these are fewer than half of them."""
    return (
        f"the {share(row['tested_share'])} of neurons with an answer in which signs can move when what they owe to either "
        "alone stays; of the others it cannot be told, and all they have is put down to the delay and the source"
    )


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
    few = f"; it speaks of {_few(now)}" if now["tested_share"] < MOST else ""
    if not k:
        rejected = "is not rejected on the side of grouping" if other else "is not rejected"
        where = "in this network" if n == 1 else f"in any of {n} networks"
        was_joint = earlier.replace("(", "(signs were grouped jointly ", 1)
        return f"nothing shows that grouping is joint: null `interaction` {rejected} {where}{was_joint}{against}{few}"
    rest = "" if k + other == n else "; in the others nothing shows that grouping is joint"
    joint = f"signs are grouped in space and time jointly, beyond what they owe to either alone {RESOLUTION}"
    earlier = f" (null `interaction`; {earlier[2:]}" if earlier else " (null `interaction`)"
    return f"{_in(k, n)} {joint}{earlier}{against}{rest}{few}"


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
    return ", ".join(f"{_more_or_fewer(row[part.name], 'none')} owed to {part.words}" for part in OWED)


def _more_or_fewer(value: float, none: str) -> str:
    return f"{number(abs(value))} {'more' if value > 0 else 'fewer'}" if value else none


def _with_intervals(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{part.short} {number(row[part.name])}{_interval(row, part.name)}" for part in (TOTAL, *OWED))


def _interval(row: Mapping[str, Any], part: str) -> str:
    lower, upper = row[f"{part}_lower"], row[f"{part}_upper"]
    return f" ({interval(lower, upper)})" if lower < upper else ""


def _beside(beside: pd.DataFrame, *, has_cells: bool) -> Table:
    """The published procedure beside ours, or what there is of them, a row for each projection, procedure and moment."""
    rows = []
    for row in records(beside.sort_values(["projection", "moment"], kind="stable", key=_in_order)):
        name = row["procedure"]
        columns = {test: TEST_COLUMNS.get(test, test) for test in _TESTS}
        tested = {test: _standing_out(row, column) for test, column in columns.items() if f"{column}_share" in row}
        levels = {name: row[name] for name in ("mean", "expected", "highest")}
        label = _PROCEDURES[name] if name in _PROCEDURES else STATISTICS[name].label
        where = {"projection": row["projection"], "step": row["moment"], "procedure": label}
        rows.append({**where, **levels, **tested})
    published = PUBLISHED in set(beside["procedure"])
    ours = set(beside["procedure"]) != {PUBLISHED}
    title = "The published procedure beside ours" if published and ours else "The published procedure" if published else OURS
    shuffled = {"all cells are shuffled (published)": published, "signs move freely": ours}
    note = [_MEANS.format(" or ".join(how for how, known in shuffled.items() if known)), _BY_TEST]
    if published and ours:
        note += ["`cells` is one-sided, the others are as was asked.", WHY_THEY_DIFFER]
    elif not published:
        note.append(NOT_ASKED if has_cells else NO_CELLS)
    return table_of(pd.DataFrame(rows), title, " ".join(note), csv="published")


def _in_order(column: pd.Series) -> pd.Series:
    """Projections in the order of the file, the first step before the last."""
    return column.map({name: place for place, name in enumerate(column.drop_duplicates())})


def _standing_out(row: Mapping[str, Any], column: str) -> str:
    """The share of neurons that stand out, and the networks."""
    alone = row[f"{column}_share"]
    tested = row.get(f"{column}_tested", math.nan)
    if math.isnan(alone):
        return NONE
    return share(alone) + (f", {row[f'{column}_rejected']:.0f}/{tested:.0f}" if tested > 0 else "")
