"""What each condition has beyond its null, in words, before and after training; never more than the null allows.

Every number is one of `stanalysis.findings.effects`, or of the tables that `stanalysis analyze` writes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pandas as pd
import xarray as xr

from reports.page.numbers import NONE, interval, number, p_value, share
from stanalysis.findings.cautions import doubts_about
from stanalysis.findings.effects import smallest_network_p
from stanalysis.findings.tables import SIGNIFICANT, records
from stanalysis.findings.view import Analysis
from stanalysis.stats.engine.nulls import NullRule
from stanalysis.stats.engine.statistics import STATISTICS, told_statistics
from stanalysis.stats.lives.pruned_structure import ENOUGH

NEVER_SAID: Final = (
    "No rejection says how large an effect is, or that other networks show it; and a p-value above .05 is no proof that "
    "there is nothing."
)
FEW_CONDITIONS = 4  # that are told one by one; more are in a table


class Statement(NamedTuple):
    """What is said of one statistic: the verdict, and the numbers behind it. ``seen`` is whether anything was found."""

    about: str
    verdict: str
    numbers: str
    seen: bool


class Told(NamedTuple):
    """What is said of one projection of one condition, and the doubts that ``analyze`` had about it."""

    projection: str
    condition: str
    statements: list[Statement]
    doubts: list[str]


def told_one_by_one(analysis: xr.DataTree) -> bool:
    """Whether there are so few conditions that each has sentences of its own."""
    return len(Analysis(analysis).conditions) <= FEW_CONDITIONS


def parts(analysis: xr.DataTree, effects: pd.DataFrame) -> list[Told]:
    """What each projection of each condition shows; of more than a few conditions, what each projection shows in all.

    ``effects`` are the findings of the analysis.
    """
    names, one_by_one = list(told_statistics()), told_one_by_one(analysis)
    rule, alternative = Analysis(analysis).rule, Analysis(analysis).alternative
    table = effects[effects["statistic"].isin(names)]
    if not one_by_one:
        table = table.assign(where=table["condition"], condition=f"all {table['condition'].nunique()} conditions")
    said = []
    for (projection, condition), effects_there in table.groupby(["projection", "condition"], sort=False):
        by_statistic = dict(list(effects_there.groupby("statistic", sort=False)))
        statements = [
            _about_condition(name, {str(row["moment"]): row for row in records(rows)}, rule, alternative)
            if one_by_one
            else _about_many(name, rows, rule, alternative)
            for name, rows in ((name, by_statistic[name]) for name in names if name in by_statistic)
        ]
        said.append(Told(str(projection), str(condition), statements, doubts_about(analysis, str(projection))))
    return said


def how_tested(analysis: xr.DataTree, effects: pd.DataFrame) -> list[str]:
    """What a rejection says, how often chance rejects, and the smallest p-value within reach."""
    rule = Analysis(analysis).rule
    trained = effects[effects["statistic"].isin(list(told_statistics())) & effects["moment"].eq("trained")]
    n_tests = int(trained["tested"].sum())
    said = [f"The null is `{rule.name}`: {rule.meaning}."]
    if math.isnan(smallest := smallest_network_p(analysis)):
        return [*said, "It has no draws, and so no p-value of a whole network: single neurons are counted instead."]
    floor = f"With {int(analysis.attrs['n_permutations'])} draws no p-value can be below {p_value(smallest)}"
    if smallest > SIGNIFICANT:
        return [*said, f"{floor}, so that nothing can be rejected at .05: raise `--permutations`."]
    return [
        *said,
        f"{floor}. The {n_tests} network p-values at the trained step are not adjusted for their number: were there nothing, "
        "one in twenty of them would be up to .05 by chance.",
    ]


def ladder(effects: Mapping[str, pd.DataFrame]) -> list[dict[str, str]]:
    """One row per projection, condition and statistic: in how many networks each null is rejected at the trained step.

    ``effects`` holds the findings of each analysis, by its name.
    """
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    for name, table in effects.items():
        chosen = table[table["statistic"].isin(list(told_statistics())) & table["moment"].eq("trained")]
        for _, rows in chosen.groupby(["projection", "condition"], sort=False):
            for row in sorted(records(rows), key=lambda row: list(told_statistics()).index(row["statistic"])):
                cells.setdefault((row["projection"], row["condition"], row["statistic"]), {})[name] = _rejected(row)
    return [
        {"projection": projection, "condition": condition, "statistic": STATISTICS[statistic].label}
        | {n: rows.get(n, NONE) for n in effects}
        for (projection, condition, statistic), rows in cells.items()
    ]


def by_condition(effects: pd.DataFrame) -> pd.DataFrame:
    """One row per projection, condition and main statistic: the effect at the trained step, and rejections then and before."""
    key = ["projection", "condition", "statistic"]
    chosen = effects[effects["statistic"].isin(list(told_statistics()))]
    now, before = (chosen[chosen["moment"] == moment] for moment in ("trained", "first"))
    now = now[[*key, "networks", "excess", "lower", "upper", "tested", "above", "below"]]
    return now.merge(before[[*key, "above", "below"]], on=key, how="left", suffixes=("", "_at_first"))


def _rejected(row: Mapping[str, Any]) -> str:
    if not row["tested"] > 0:
        return f"{share(row['significant'])} of neurons" if row["answered"] else NONE
    if not row["above"] + row["below"]:
        return f"0 of {row['tested']:.0f}"
    return " and ".join(f"{row[side]:.0f} of {row['tested']:.0f} {side}" for side in ("above", "below") if row[side])


def _about_condition(statistic: str, moments: Mapping[str, dict[str, Any]], rule: NullRule, alternative: str) -> Statement:
    """Of networks that differ in their seed alone."""
    now, before = moments["trained"], moments.get("first")
    name, sides = STATISTICS[statistic].label, {"above": STATISTICS[statistic].above, "below": STATISTICS[statistic].below}
    n = int(now["tested"])
    when = "before training" if before and before["step_to"] == 0 else "at the first step kept"
    seen = [side for side in sides if now[side] > 0]
    if not now["networks"]:
        return Statement(name, "no neuron has an answer", "", False)
    if not n:
        verdict = f"networks as a whole are not tested; {share(now['significant'])} of neurons differ by themselves"
        verdict += f" ({when} {share(before['significant'])})" if before and rule.draws else ""
    elif seen:
        said = [
            f"{sides[side]} than null `{rule.name}` gives {_in(now[side], n)}" + _before(before, side, when) for side in seen
        ]
        verdict = "; ".join(said)
    else:
        verdict = f"{_nothing(statistic, rule, alternative)} is seen {_in_any(n)}; that is no proof of absence"
        if before and before["above"] + before["below"]:
            verdict += f" ({when} something was, {_in(before['above'] + before['below'], int(before['tested']))})"
    return Statement(name, verdict, _numbers(now, before, moments.get("change"), when), bool(seen))


def _nothing(statistic: str, rule: NullRule, alternative: str) -> str:
    """What was looked for in vain: of one side only, where only that one was tested."""
    if alternative == "two-sided":
        return f"nothing beyond null `{rule.name}`"
    looked_for = STATISTICS[statistic].above if alternative == "greater" else STATISTICS[statistic].below
    return f"that {looked_for} than null `{rule.name}` gives, the one side that was tested,"


def _before(before: Mapping[str, Any] | None, side: str, when: str) -> str:
    """Whether it was there before."""
    if before is None or not before["tested"] > 0:
        return ""
    n, k = int(before["tested"]), int(before[side])
    if n == 1:
        return f" ({when}, too)" if k else f" ({when} not)"
    return f" ({when} in {k} of {n})" if k else f" ({when} in none)"


def _numbers(now: dict[str, Any], before: dict[str, Any] | None, change: dict[str, Any] | None, when: str) -> str:
    unit = _unit(now)
    said = f"Mean excess over the null {_effect(now, unit, first=True)}"
    if before:
        said += f"; {when} {_effect(before, unit, first=False)}"
    if change and not math.isnan(change["excess"]):
        within = ", which holds 0" if change["lower"] <= 0 <= change["upper"] else ""
        over = "" if math.isnan(change["lower"]) else f" ({interval(change['lower'], change['upper'])}{within})"
        said += f"; change {number(change['excess'])}{unit}{over}"
    said += "."
    if now["tested"]:
        low, high = p_value(now["smallest_p"]), p_value(now["largest_p"])
        said += f" Network p {low}." if low == high else f" Network p {low} to {high}."
        alone = share(now["significant"])
        lowest, highest = share(now["significant_lowest"]), share(now["significant_highest"])
        spread = "" if lowest == highest else f", by network {lowest.removesuffix(' %')} to {highest}"
        earlier = f"; {when} {share(before['significant'])}" if before else ""
        said += f" Significant by themselves: {alone} of neurons (false discovery rate 5 %{spread}{earlier})."
    return said


def _unit(row: Mapping[str, Any]) -> str:
    if "weighted_joins" in row["statistic"]:
        return " weighted joins"
    return " joins" if "joins" in row["statistic"] else "" if row["unit"] == "1" else f" {row['unit']}"


def _effect(row: Mapping[str, Any], unit: str, *, first: bool) -> str:
    """The mean excess, with its interval over networks, or else the spread of neurons."""
    text = f"{number(row['excess'])}{unit}"
    if not math.isnan(row["lower"]):
        over = f"95 % interval over {row['networks']:.0f} networks " if first else ""
        return f"{text} ({over}{interval(row['lower'], row['upper'])})"
    if not math.isnan(row["neurons_lower"]):
        over = "the middle 95 % of its neurons, no interval of confidence, " if first else ""
        return f"{text} ({over}{interval(row['neurons_lower'], row['neurons_upper'])})"
    return text


def _about_many(statistic: str, rows: pd.DataFrame, rule: NullRule, alternative: str) -> Statement:
    """Of all conditions of a projection together: in how many networks anything is seen, and where most and least."""
    name = STATISTICS[statistic].label
    now, before = (rows[rows["moment"] == moment] for moment in ("trained", "first"))
    tested = int(now["tested"].sum())
    if not tested:
        return Statement(name, "networks as a whole are not tested", "", False)
    said = []
    for side, text in (("above", STATISTICS[statistic].above), ("below", STATISTICS[statistic].below)):
        if k := int(now[side].sum()):
            earlier = f" (at the first step in {before[side].sum():.0f} of {before['tested'].sum():.0f})" if len(before) else ""
            said.append(f"{text} than null `{rule.name}` gives in {k} of {tested} networks{earlier}")
    nothing = f"{_nothing(statistic, rule, alternative)} is seen in any of {tested} networks; that is no proof of absence"
    known = now[(now["answered"] >= ENOUGH * now["neurons"]) & now["excess"].notna()].sort_values("excess")
    if known.empty:
        return Statement(name, "; ".join(said) or nothing, "In no condition has every other neuron an answer.", bool(said))
    ends = " to ".join(f"{_effect(row, _unit(row), first=False)} ({row['where']})" for row in records(known.iloc[[0, -1]]))
    few = len(now) - len(known)
    left_out = f"; {few} where fewer than half of the neurons have an answer are left out" if few else ""
    numbers = f"Mean excess over the null, by condition, with its interval over networks: from {ends}{left_out}."
    return Statement(name, "; ".join(said) or nothing, numbers, bool(said))


def _in(k: float, n: int) -> str:
    return "in this network" if n == 1 else f"in {k:.0f} of {n} networks"


def _in_any(n: int) -> str:
    return "in this network" if n == 1 else f"in any of {n} networks"
