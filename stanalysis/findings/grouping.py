"""What the grouping of signs is owed to, the delay alone, the source alone or both jointly; beside it the published test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.files.analysis import kept_steps
from stanalysis.findings.effects import conditions_with
from stanalysis.findings.tables import SIGNIFICANT
from stanalysis.findings.view import Analysis
from stanalysis.stats.engine.statistics import STATISTICS, unit_of
from stanalysis.stats.grouping.parts import BOTH_TESTS, PART_NAMES, TESTS
from stanalysis.stats.replicates.effects import over_networks, over_replicates, without_rounding

PUBLISHED: Final = "published"  # the procedure, beside those that are named as their statistic is
SHARES: Final = ("total", *PART_NAMES)  # what a statistic has beyond free signs, and what it owes to what
TEST_COLUMNS: Final = {test: test.replace(" ", "_") for test in (*TESTS, BOTH_TESTS)}
MOST: Final = 0.5  # share of the neurons, or of the networks, beyond which it is most of them
_SIZE: Final = 1.0  # of joins, and of Moran's I: what is less by rounding is 0


def grouping(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per network, projection, moment and statistic: what the grouping of its signs is owed to.

    Moments are ``first`` and ``last``, the first and the last ``step`` that the network kept; there is only ``last`` where it
    kept one.

    Returns
    -------
    DataFrame
        ``neurons``, those with an answer; ``neurons_tested``, those of them with a p-value under ``interaction``: in the others
        signs hardly move when both margins stay, and all they have is put down to these; ``total``, the mean over neurons of
        what the statistic has beyond that of signs which move freely, and its parts ``delay``, ``source`` and ``interaction``,
        owed to the delay alone, the source alone and both jointly, each with its 95 % interval over neurons (``total_lower``,
        …), which speaks of this network alone; the p-values of the network under the nulls ``delays_p``, ``sources_p`` and
        ``interaction_p``, and the larger of the first two, ``delays_and_sources_p``. No rows of an analysis without parts.
    """
    rows = []
    for projection, table in Analysis(analysis).tables("parts").items():
        over = over_replicates(_shares(table), dim="target")
        columns = {"neurons": over.n.sel(part="total", drop=True), "neurons_tested": _tested(table)} | _interval_columns(over)
        columns |= {f"{name}_p": table.network_p.sel(test=test, drop=True) for test, name in TEST_COLUMNS.items()}
        every = xr.Dataset({name: column.drop_vars(_beside(column)) for name, column in columns.items()})
        lines = every.to_dataframe(dim_order=["run", "step", "statistic"]).reset_index()
        lines.insert(1, "projection", projection)
        lines.insert(5, "unit", lines["statistic"].map(unit_of))
        of_run = dict(tuple(lines.groupby("run", sort=False)))
        for run in table.run.values:
            there = of_run[run]
            for moment, step in _moments(table.sel(run=run)).items():
                rows.append(there[there["step"] == step].assign(moment=moment))
    if not rows:
        return pd.DataFrame()
    together = pd.concat(rows, ignore_index=True)
    first = ["run", "projection", "moment", "step", "statistic", "unit"]
    return together[[*first, *together.columns.drop(first)]]


def grouping_of_conditions(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per projection, condition, moment and statistic: what `grouping` gives, networks being the replicates.

    Returns
    -------
    DataFrame
        ``step_from`` and ``step_to``, between which their steps lie; ``networks``, those with an answer; ``tested_share``, the
        share of their neurons with a p-value under ``interaction``, mean over networks; ``total`` and its parts, means over
        networks with their 95 % intervals (NaN of one network); of each test ``…_tested``, the networks with a p-value, and
        ``…_rejected``, those of them up to .05; ``interaction_grouped``, those of the latter in which the part owed to both
        jointly is on the side of grouping: fewer E-I joins, weighted or not, a higher Moran's I.
    """
    table = grouping(analysis)
    if table.empty:
        return table
    rows = []
    for projection, there in table.groupby("projection", sort=False):
        for condition, runs in conditions_with(analysis, list(there["run"].unique())).items():
            chosen = there[there["run"].isin(runs)]
            for (moment, statistic), networks in chosen.groupby(["moment", "statistic"], sort=False):
                where = {"projection": projection, "condition": condition, "moment": moment, "statistic": statistic}
                rows.append({**where, **_over(networks, str(statistic))})
    return pd.DataFrame(rows)


def with_intervals(analysis: xr.DataTree) -> pd.DataFrame:
    """`grouping_of_conditions`, but of a condition of one network with the intervals over its neurons.

    ``replicates`` says over what the intervals are, "networks" or "neurons", and ``n`` how many have an answer.
    """
    means = grouping_of_conditions(analysis)
    if means.empty:
        return means
    alone = grouping(analysis).assign(condition=lambda table: table["run"].map(Analysis(analysis).condition_of_run))
    key = ["projection", "condition", "moment", "statistic"]
    alone = alone.drop_duplicates(key).set_index(key).loc[pd.MultiIndex.from_frame(means[key])]
    single = means["networks"].to_numpy() <= 1
    for name in (f"{part}_{end}" for part in SHARES for end in ("lower", "upper")):
        means[name] = np.where(single, alone[name].to_numpy(), means[name])
    replicates = np.where(single, "neurons", "networks")
    return means.assign(replicates=replicates, n=np.where(single, alone["neurons"].to_numpy(), means["networks"]))


def beside_published(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per projection, moment and procedure, all networks together: what the published procedure finds, and what ours.

    Returns
    -------
    DataFrame
        ``procedure``: ``published`` (Moran's I of cells, all of them shuffled), or a statistic of the parts:
        ``graph_joins_ei``, ``graph_weighted_joins_unlike``, ``graph_morans_i``;
        ``networks``, those with an answer; means over them of ``mean``, the mean over neurons, of ``expected``, that of
        shuffled cells or of free signs, and of ``highest``, the largest Moran's I of a neuron; of each test ``…_share``, the
        mean share of neurons with p up to .05, and, of ours, ``…_tested`` and ``…_rejected``, the networks with a p-value, and
        those up to .05.
    """
    rows = []
    for projection in Analysis(analysis).projections:
        tables = {group: Analysis(analysis).table(group, projection) for group in ("published", "parts", "statistics")}
        known = [tables[group] for group in ("published", "parts") if tables[group]]
        for moment in ("first", "last") if known else ():
            moments = {str(run): _moments(known[0].sel(run=run)) for run in known[0].run.values}
            if not (steps := {run: steps[moment] for run, steps in moments.items() if moment in steps}):
                continue
            at = {group: _at(table, steps) for group, table in tables.items() if table}
            for procedure, row in _procedures(at):
                rows.append({"projection": projection, "moment": moment, "procedure": procedure, **row})
    return pd.DataFrame(rows)


def smallest_p_of_parts(analysis: xr.DataTree, projection: str) -> float:
    """The smallest p-value of a network that the draws of its parts allow."""
    drawn = int(Analysis(analysis).table("parts", projection).attrs["n_permutations"])
    return (2 if Analysis(analysis).alternative == "two-sided" else 1) / (drawn + 1)


def _shares(table: xr.Dataset) -> xr.DataArray:
    """What a statistic has beyond free signs, and its parts (…, target, statistic, part)."""
    every = xr.concat([table.total.expand_dims(part=["total"]), table.excess], "part").sel(part=list(SHARES))
    return without_rounding(every, xr.full_like(every, _SIZE))


def _tested(table: xr.Dataset) -> xr.DataArray:
    """How many of the neurons with an answer have a p-value under the null ``interaction`` (…, statistic)."""
    return (table.total.notnull() & table.p_value.sel(test="interaction").notnull()).sum("target")


def _interval_columns(over: xr.Dataset) -> dict[str, xr.DataArray]:
    """The mean of each part, and its interval, by the names of their columns."""
    ends = {"mean": "", "lower": "_lower", "upper": "_upper"}
    return {f"{part}{end}": over[name].sel(part=part, drop=True) for part in SHARES for name, end in ends.items()}


def _beside(column: xr.DataArray) -> list[str]:
    """Its coordinates that are no dims."""
    return [str(name) for name in column.coords if name not in column.dims]


def _over(networks: pd.DataFrame, statistic: str) -> dict[str, Any]:
    """What networks, one in a row, have of one statistic."""
    over = over_networks(xr.DataArray(networks[list(SHARES)].to_numpy(), {"part": list(SHARES)}, ("run", "part")))
    row: dict[str, Any] = {"unit": unit_of(statistic), "step_from": networks["step"].min(), "step_to": networks["step"].max()}
    row |= {"networks": int(over.n.sel(part="total"))}
    answered = networks["neurons"].where(networks["neurons"] > 0)
    row |= {"tested_share": float((networks["neurons_tested"] / answered).mean())}
    row |= {name: value.item() for name, value in _interval_columns(over).items()}
    for name in TEST_COLUMNS.values():
        row[f"{name}_tested"] = int(networks[f"{name}_p"].notna().sum())
        row[f"{name}_rejected"] = int((networks[f"{name}_p"] <= SIGNIFICANT).sum())
    lowers = STATISTICS[statistic].grouping == "lowers"
    grouped = networks["interaction"] < 0 if lowers else networks["interaction"] > 0
    row["interaction_grouped"] = int((grouped & (networks["interaction_p"] <= SIGNIFICANT)).sum())
    return row


def _moments(network: xr.Dataset) -> dict[str, int]:
    """The first and the last step that one network kept; where it kept one, only the last."""
    steps = kept_steps(network)
    return ({"first": steps[0]} if len(steps) > 1 else {}) | ({"last": steps[-1]} if steps else {})


def _at(table: xr.Dataset, steps: Mapping[str, int]) -> xr.Dataset:
    """Each network at a step of its own."""
    return table.sel(run=xr.DataArray(list(steps), dims="run"), step=xr.DataArray(list(steps.values()), dims="run"))


def _procedures(at: Mapping[str, xr.Dataset]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The row of each procedure that there is."""
    if "published" in at:
        cells = at["published"]
        yield PUBLISHED, {**_level(cells.morans_i, cells.expected), "cells_share": _share(cells.p_value)}
    if "parts" in at:
        parts, scalars = at["parts"], at["statistics"]
        for statistic in map(str, parts.statistic.values):
            ours = parts.sel(statistic=statistic)
            value = ours.total * np.nan  # where the analysis has not the statistic itself
            if statistic in scalars.statistic.values:
                value = scalars.value.sel(statistic=statistic)
            row = _level(value, value - ours.total)
            row |= {"highest": np.nan} if STATISTICS[statistic].grouping == "lowers" else {}
            row |= {"networks": int(ours.total.notnull().any("target").sum())}
            for test, name in TEST_COLUMNS.items():
                p = ours.network_p.sel(test=test)
                row[f"{name}_share"] = _share(ours.p_value.sel(test=test))
                row |= {f"{name}_tested": int(p.notnull().sum()), f"{name}_rejected": int((p <= SIGNIFICANT).sum())}
            yield statistic, row


def _level(value: xr.DataArray, expected: xr.DataArray) -> dict[str, Any]:
    """How large a statistic (run, target) is, beside what is expected, means over networks."""
    return {
        "networks": int(value.notnull().any("target").sum()),
        "mean": float(value.mean("target").mean("run")),
        "expected": float(expected.mean("target").mean("run")),
        "highest": float(value.max("target").mean("run")),
    }


def _share(p_value: xr.DataArray) -> float:
    """The share of neurons with p up to .05 among those with one, mean over networks."""
    known = p_value.notnull().sum("target")
    return float(((p_value <= SIGNIFICANT).sum("target") / known).where(known > 0).mean("run"))
