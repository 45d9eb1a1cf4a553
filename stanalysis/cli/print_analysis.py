"""What ``analyze`` prints: tables for a person, or JSON."""

from __future__ import annotations

import json
import sys
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from rich.console import Console
from rich.text import Text

from stanalysis.cli.print_lives import print_lives
from stanalysis.cli.print_operations import print_operations
from stanalysis.cli.print_parts import print_parts
from stanalysis.cli.printing import table_of
from stanalysis.errors import printable
from stanalysis.findings.cautions import warned
from stanalysis.findings.checks import check_differences, sentence_of_check
from stanalysis.findings.grouping import beside_published, grouping, grouping_of_conditions
from stanalysis.findings.lives import explored, hazards, lasting, lifetimes, n_lives, retained
from stanalysis.findings.operations import operated, tolerances
from stanalysis.findings.surgery import surgery
from stanalysis.findings.tables import (
    SIGNIFICANT,
    comparisons,
    maps_summary,
    records,
    statistics_summary,
    summary,
    sweep_summary,
)
from stanalysis.findings.view import Analysis
from stanalysis.findings.writing import LIVES_IN_CSV
from stanalysis.stats.engine.statistics import lowered_by_grouping, unit_of
from stanalysis.stats.spatial.autocorrelation import PARTS

MANY_SEEDS = 1000  # beyond which their number says no more
LONG_NAME = 17  # characters beside six numbers in 80 columns
MORAN = ("morans_i", *PARTS)  # computed in any case


def print_json(analysis: xr.DataTree) -> None:
    """Print all tables as one JSON object."""
    view = Analysis(analysis)
    said = {name: analysis.attrs[name] for name in ("null", "alternative", "contiguity", "seed")}
    said |= {"permutations": analysis.attrs["n_permutations"], "warnings": warned(analysis)}
    tables = {"rows": summary(analysis), "statistics": statistics_summary(analysis), "maps": maps_summary(analysis)}
    tables |= {"grouping": grouping(analysis), "grouping_conditions": grouping_of_conditions(analysis)}
    tables |= {"published": beside_published(analysis)}
    tables |= {"comparison": comparisons(analysis), "lifetimes": lifetimes(analysis), "hazards": hazards(analysis)}
    tables |= {"exploration": explored(analysis), "lasting": lasting(analysis)}
    tables |= {"retained": retained(analysis), "check": check_differences(analysis)}
    if view.has("operations"):
        tables |= {"operations": operated(analysis), "tolerances": tolerances(analysis), "surgery": surgery(analysis)}
    # JSON lacks NaN, the answer of what has none, and infinity, the median lifetime where most live on
    plain = {name: [{k: _plain(v) for k, v in row.items()} for row in records(table)] for name, table in tables.items()}
    sys.stdout.write(json.dumps({**said, **plain}, indent=2) + "\n")


def _plain(value: Any) -> Any:
    if not isinstance(value, float) or np.isfinite(value):
        return value
    return None if np.isnan(value) else str(value)


def print_analysis(analysis: xr.DataTree) -> None:
    """Print the tables, and what must be known to read them."""
    console, view = Console(), Analysis(analysis)
    rule = view.rule
    draws = f"{view.n_permutations} draws" if rule.draws else "no draws"
    cells = f"{analysis.attrs['contiguity']}, " if view.bin is not None else ""
    width = f"bins of {view.bin:g} ms, " if "bin" in analysis.attrs else ""
    how = printable(f" ({cells}{width}null {rule.name}, {draws})")
    what = "Moran's I of the receptive fields" if view.bin is not None else "Moran's I among the synapses"
    console.print(Text.assemble((what, "bold"), how))
    _print_networks(console, analysis)
    if view.has("sweep"):
        _print_sweep(console, sweep_summary(analysis))
    console.print(
        "expected: the median without structure; mean z, network p: the neurons of the network together; significant: the "
        f"share of neurons that stand out alone, at a false discovery rate of 5 %; {rule.meaning}."
    )
    if view.alternative != "two-sided":
        console.print(f"Grouping raises most statistics; it lowers {', '.join(lowered_by_grouping())}.")
    if not (maps := maps_summary(analysis)).empty:
        console.print(table_of(records(maps), "Maps and curves, at the first and the last step (more in the file)"))
        console.print("share: of neurons that depart from the null anywhere at .05; local: of cells in clusters (q up to .05).")
    print_parts(console, analysis)
    print_lives(console, analysis)
    print_operations(console, analysis)
    if not (compared := comparisons(analysis)).empty:
        _print_comparison(console, compared)
    if said := sentence_of_check(analysis):
        console.print(printable(said), highlight=False, markup=False)
    for warning in warned(analysis):
        console.print(printable(warning.replace("`", "")), style="yellow", markup=False, highlight=False)
    if n_lives(analysis) > LIVES_IN_CSV:
        console.print(f"The lives of more than {LIVES_IN_CSV:,} synapses are in the analysis file alone.", highlight=False)


def _print_networks(console: Console, analysis: xr.DataTree) -> None:
    """The tables of each network that is of no sweep."""
    sweep = Analysis(analysis).table("sweep")
    swept = set(sweep.run.values) if sweep else set()
    rows = [row for row in records(summary(analysis)) if row["run"] not in swept]
    every = records(statistics_summary(analysis))
    for (run, projection), part in groupby(rows, key=itemgetter("run", "projection")):
        steps = [_without(row, "run", "projection") for row in part]
        console.print(table_of(steps, f"{run}: {projection}"))
        if len(at_end := _at(every, run, projection, steps[-1]["step"])) > len(MORAN):
            console.print(table_of(at_end, f"{run}: {projection}, all statistics at step {steps[-1]['step']}"))


def _at(rows: list[dict[str, Any]], run: str, projection: str, step: int) -> list[dict[str, Any]]:
    """The lines of one network at one step, with the unit beside the name."""
    lines = []
    for row in rows:
        if (row["run"], row["projection"], row["step"]) == (run, projection, step):
            line = _without(row, "run", "projection", "step", "unit", "answered", "no_answer")
            lines.append({**line, "statistic": _with_unit(row["statistic"], row["unit"]), "missing": row["no_answer"]})
    return lines


def _with_unit(name: str, unit: str) -> str:
    return _in_lines(name) if unit == "1" else f"{name} [{unit}]"


def _in_lines(name: str) -> str:
    """A long name in two, before the underscore nearest its middle: the numbers beside it are not cut then in 80 columns."""
    cuts = [at for at, letter in enumerate(name) if letter == "_"]
    if len(name) <= LONG_NAME or not cuts:
        return name
    cut = min(cuts, key=lambda at: max(at, len(name) - at))
    return f"{name[:cut]}\n{name[cut:]}"


def _few(seeds: float) -> str | None:
    if np.isnan(seeds):
        return None
    return str(int(seeds)) if seeds <= MANY_SEEDS else f">{MANY_SEEDS}"


def _print_comparison(console: Console, compared: pd.DataFrame) -> None:
    """One table per projection and pair of conditions: networks as replicates."""
    by = ["projection", "among", "a", "b", "also_differ", "synapses_a", "synapses_b", "paired", "n_a", "n_b", "smallest_p"]
    for values, part in compared.groupby(by, sort=False):
        pair: dict[str, Any] = dict(zip(by, values, strict=True))
        lines = []
        for row in records(part):
            line = {"statistic": _with_unit(row["statistic"], unit_of(row["statistic"]))}
            line |= {name: row[name] for name in ("difference", "lower", "upper")}
            needed = _few(row["seeds_needed"])
            lines.append({**line, "effect": row["effect_size"], "p": row["p_value"], "seeds": needed})
        among = f" ({pair['among']})" if pair["among"] else ""
        console.print(table_of(lines, f"{pair['projection']}: {pair['a']} → {pair['b']}{among}"))
        partners = "pairs of first and last step" if (pair["a"], pair["b"]) == ("first", "last") else "pairs of equal seed"
        pairs = f"{pair['n_a']} {partners}; effect: Hedges' g of the differences within pairs"
        groups = f"{pair['n_a']} against {pair['n_b']} networks; effect: Hedges' g"
        reach = f"the smallest p-value that so many can reach is {pair['smallest_p']:.4g}."
        console.print(f"{pairs if pair['paired'] else groups}; {reach}")
        if pair["also_differ"]:
            console.print(f"They also differ in {pair['also_differ']}.", style="yellow", markup=False)
    console.print(
        "difference: of the mean over a network's neurons of what each statistic has beyond its null, with its 95 % interval "
        "(hierarchical bootstrap); p: arrangements of the conditions' names among networks, not adjusted for the number of "
        "statistics; seeds: how many would give a power of 80 % at .05, were the effect as large as here."
    )


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _print_sweep(console: Console, means: pd.DataFrame) -> None:
    """One table per projection and method, a line for each sparsity: means over its networks, first step → last step."""
    shown = {"no_answer": ".1f", "mean_z": "z.2f", "structured": ".0%", "significant": ".0%"}  # a line of 80 holds no more
    rows = records(means)
    for (projection, connectivity, delays), part in groupby(rows, key=itemgetter("projection", "connectivity", "delays")):
        table = []
        for _, ends in groupby(part, key=itemgetter("sparsity")):
            first, last = ends
            row = {"sparsity": f"{first['sparsity']:.4g}", "n": first["networks"]}
            for name, form in shown.items():
                before, after = ("–" if np.isnan(end[name]) else f"{end[name]:{form}}" for end in (first, last))
                row[name] = f"{before:>5} → {after:<5}"
            table.append(row)
        console.print(table_of(table, f"{projection}: {connectivity} connectivity, {delays} delays"))
    console.print(
        "A sweep is shown as means over its n networks (those with an answer), at their first → last steps; structured: the "
        f"share of networks whose network p is up to {SIGNIFICANT}."
    )
