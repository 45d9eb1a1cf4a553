"""What else an analysis found, in words: accuracies, comparisons, lifetimes, what pruning leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import xarray as xr

from reports.page.numbers import interval, number, p_value, share
from reports.page.sentences import told_one_by_one
from stanalysis.findings.effects import accuracies_of_conditions, retained_means
from stanalysis.findings.lives import explored, hazards, lifetimes
from stanalysis.findings.tables import SIGNIFICANT, comparisons, records
from stanalysis.stats.engine.statistics import STATISTICS, told_statistics, unit_of

_RATIOS = {
    "neurons": "These intervals take neurons for independent: they speak of these networks, not of others.",
    "fit": "These intervals take synapses for independent: they speak of these networks, not of others.",
    "fits of runs": "Networks are the replicates.",
}
FEW_COMPARISONS = 6  # that are told one by one; more are in a table
PRUNED_AT = (0.5, 0.9)  # fractions pruned that are told
_NEIGHBOURS = {"same_sign": "each neighbour of its own sign", "opposite_sign": "each neighbour of the other sign"}
_BANDS = {
    "Greenwood": "intervals over the synapses of this network",
    "runs": "intervals with networks as the replicates",
    "fit": "fitted to what checkpoints show, intervals over synapses",
    "fits of runs": "fitted to what checkpoints show, intervals with networks as the replicates",
}


def told_accuracies(analysis: xr.DataTree) -> list[str]:
    """Test accuracies, at the step best on validation and at the last."""
    table = accuracies_of_conditions(analysis)
    if table.empty:
        return []
    whens = {"best": "at the step best on validation", "last": "at the last step kept"}
    if not told_one_by_one(analysis):
        ranked = table[table["moment"] == ("best" if "best" in set(table["moment"]) else "last")].sort_values("mean")
        worst, best = records(ranked.iloc[[0, -1]])
        return [
            f"Test accuracy {whens[worst['moment']]}, means of conditions: from {share(worst['mean'])} "
            f"({worst['condition']}) to {share(best['mean'])} ({best['condition']})."
        ]
    said = []
    for condition, rows in table.groupby("condition", sort=False):
        name = f" of {condition!s}" if condition else ""
        each = [f"{_accuracy(row)} {whens[row['moment']]}" for row in records(rows)]
        said.append(f"Test accuracy{name}: {'; '.join(each)}.")
    return said


def told_comparisons(analysis: xr.DataTree) -> list[str]:
    """How conditions differ in the main statistics, networks being the replicates."""
    table = comparisons(analysis)
    if table.empty:
        return []
    by = ["projection", "among", "a", "b"]
    groups = table[table["statistic"].isin(list(told_statistics()))].groupby(by, sort=False)
    if groups.ngroups > FEW_COMPARISONS:
        return [f"{groups.ngroups} comparisons of conditions are in the table."]
    said = []
    for names, part in groups:
        projection, among, a, b = map(str, names)
        rows = records(part)
        first = rows[0]
        partners = "step" if (a, b) == ("first", "last") else "seed"
        pairs = (
            f"{first['n_a']:.0f} pairs by {partners}"
            if first["paired"]
            else f"{first['n_a']:.0f} against {first['n_b']:.0f} networks"
        )
        each = [_difference(row) for row in sorted(rows, key=lambda row: list(told_statistics()).index(row["statistic"]))]
        within = f" ({among})" if among else ""
        when = "" if partners == "step" else ", at the last step of each"
        few = ", so that they cannot show a difference at .05" if first["smallest_p"] > SIGNIFICANT else ""
        differ = f" They also differ in {first['also_differ']}." if first["also_differ"] else ""
        said.append(
            f"{projection}{within}, {b} less {a}, {pairs}{when}, excess over the null (intervals by a hierarchical bootstrap): "
            f"{'; '.join(each)}. The smallest p-value "
            f"that so many can reach is {p_value(first['smallest_p'])}{few}; p is not adjusted for the number of "
            f"statistics.{differ}"
        )
    return said


def told_lifetimes(analysis: xr.DataTree) -> list[str]:
    """How long synapses live, and what neighbours have to do with it."""
    if not told_one_by_one(analysis):
        return []
    table = lifetimes(analysis)
    said = []
    if not table.empty:
        chosen = table[table["grouping"].eq("origin") & table["median"].notna()]
        for (projection, condition), rows in chosen.groupby(["projection", "condition"], sort=False):
            each = [_median(row) for row in records(rows)]
            band = _BANDS.get(str(rows["band"].iloc[0]), "")
            said.append(f"{_named(projection, condition)}: {'; '.join(each)} ({band}).")
    ratios = hazards(analysis)
    if not ratios.empty:
        chosen = ratios[ratios["covariate"].isin(list(_NEIGHBOURS)) & ratios["hazard_ratio"].notna()]
        chosen = chosen[~chosen["model"].str.endswith("so far")]
        for (projection, condition), rows in chosen.groupby(["projection", "condition"], sort=False):
            each = [
                f"{model}, {' and '.join(map(_ratio, records(terms)))}" for model, terms in rows.groupby("model", sort=False)
            ]
            said.append(
                f"{_named(projection, condition)}, hazard ratio of dying (above 1 they die sooner): {'; '.join(each)}. "
                f"{_RATIOS.get(str(rows['band'].iloc[0]), '')} Neighbours as counted later are in the table."
            )
    return said


def told_exploration(analysis: xr.DataTree) -> list[str]:
    """How much of what is possible was tried, and how many births came back, beside growth at random."""
    table = explored(analysis)
    if table.empty or not told_one_by_one(analysis):
        return []
    said = []
    for (projection, condition), rows in table.groupby(["projection", "condition"], sort=False):
        tried, returned = (_beside_expected(rows, name) for name in ("exploration", "return_share"))
        by_chance = _beside_chance(rows, "return_share", "gives")
        births = f"; {share(returned)} of the births returned to a pair pruned before{by_chance}"
        said.append(
            f"{_named(projection, condition)}: during training {share(tried)} of all possible synapses (pairs of neurons) were "
            f"tried{_beside_chance(rows, 'exploration', 'tries')}{'' if math.isnan(returned) else births}."
        )
    return said


def told_pruning(analysis: xr.DataTree) -> list[str]:
    """What is left of structure and accuracy when small weights go first."""
    table = retained_means(analysis)
    if table.empty or not told_one_by_one(analysis):
        return []
    chosen = table[table["criterion"].eq("magnitude") & table["fraction"].isin(PRUNED_AT)]
    by = ["projection", "condition", "fraction", "statistic"]
    chance = table[table["criterion"].eq("random")].set_index(by)["retained"]
    chosen = chosen.assign(at_random=chance.reindex(pd.MultiIndex.from_frame(chosen[by])).to_numpy())
    said = []
    for (projection, condition), rows in chosen.groupby(["projection", "condition"], sort=False):
        each = []
        for _, pruned in rows.groupby("fraction"):
            first = records(pruned)[0]
            kept = [
                _kept(row)
                for row in records(pruned)
                if row["statistic"] in told_statistics() and not math.isnan(row["retained"])
            ]
            none = "too few neurons still have an answer" if pruned["mean_z"].isna().all() else "there was none to lose"
            measured = first.get("test_accuracy", math.nan)
            accuracy = "" if math.isnan(measured) else f"; test accuracy {share(measured)}"
            each.append(f"{share(float(first['fraction']))} pruned: {', '.join(kept) or none}{accuracy}")
        said.append(
            f"{_named(projection, condition)}, the smallest weights first, share of the excess retained (and where as many are "
            f"pruned at random): {'. '.join(each)}."
        )
    return said


def _accuracy(row: Mapping[str, Any]) -> str:
    if row["networks"] == 1:
        return share(row["mean"])
    lowest = share(row["lowest"]).removesuffix(" %")
    return f"{share(row['mean'])} ({lowest} to {share(row['highest'])} over {row['networks']} networks)"


def _difference(row: Mapping[str, Any]) -> str:
    unit = "" if unit_of(row["statistic"]) == "1" else f" {unit_of(row['statistic'])}"
    said = f"{STATISTICS[row['statistic']].label} {number(row['difference'])}{unit}"
    if math.isnan(row["p_value"]):
        return f"{said}, not tested"
    verdict = ", no difference is shown" if row["smallest_p"] <= SIGNIFICANT < row["p_value"] else ""
    return (
        f"{said} (95 % interval {interval(row['lower'], row['upper'])}; Hedges' g {number(row['effect_size'])}; "
        f"p {p_value(row['p_value'])}{verdict})"
    )


def _median(row: Mapping[str, Any]) -> str:
    whose = "synapses there at step 0" if row["group"] == "initial" else "synapses grown in training"
    deaths = f"{row['n_deaths']:.0f} of {row['n_episodes']:.0f} died"
    if math.isinf(row["median"]):
        return f"more than half of the {whose} live to the end of what was watched ({deaths})"
    over = "" if math.isnan(row["median_lower"]) else f"95 % interval {interval(row['median_lower'], row['median_upper'])}, "
    return f"half of the {whose} are dead by age {number(row['median'])} steps ({over}{deaths})"


def _ratio(row: Mapping[str, Any]) -> str:
    return (
        f"{number(row['hazard_ratio'])} for {_NEIGHBOURS[row['covariate']]} (95 % interval "
        f"{interval(row['lower'], row['upper'])}, p {p_value(row['p_value'])})"
    )


def _beside_expected(rows: pd.DataFrame, name: str) -> float:
    """The mean over the networks of which there is an expectation, too; where there is none, over all."""
    known = rows[rows[f"{name}_expected"].notna()]
    return float((rows if known.empty else known)[name].mean())


def _beside_chance(rows: pd.DataFrame, name: str, gives: str) -> str:
    """What growth at random gives, and p, of several networks in how many it is small; nothing where there is no test."""
    p = rows[f"{name}_p"].dropna()
    if p.empty:
        return ""
    tested = f"p {p_value(p.iloc[0])}" if len(rows) == 1 else f"p up to .05 in {(p <= SIGNIFICANT).sum()} of {len(p)} networks"
    return f", where growth at random {gives} {share(rows[f'{name}_expected'].mean())} ({tested})"


def _kept(row: Mapping[str, Any]) -> str:
    fewer = row["with_structure"] < row["networks"]
    counted = f" (of {row['with_structure']:.0f} of {row['networks']:.0f} networks)" if fewer else ""
    beyond = f"p up to .05 in {row['beyond']:.0f} of {row['networks']:.0f}"
    at_random = "" if math.isnan(row["at_random"]) else f"at random {share(row['at_random'])}; "
    turned = ", the other way round" if row["retained"] < 0 else ""
    return f"{STATISTICS[row['statistic']].label} {share(row['retained'])}{turned}{counted} ({at_random}{beyond})"


def _named(projection: object, condition: object) -> str:
    return f"{projection} ({condition})" if condition else str(projection or "all projections")
