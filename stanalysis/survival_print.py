"""What ``analyze`` prints of lifetimes, of what lasts of receptive fields, and of what pruning leaves."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from rich.console import Console

from stanalysis.survival_tables import RETAINED_AT, hazards, lasting, lifetimes, retained
from stanalysis.tables import table_of

SHOWN = ("morans_i", "graph_morans_i", "graph_joins_ei")  # of the structure that pruning leaves


def print_survival(console: Console, analysis: xr.DataTree) -> None:
    """Print all there is."""
    if not (table := lifetimes(analysis)).empty:
        _print_lifetimes(console, table)
    if not (table := hazards(analysis)).empty:
        _print_hazards(console, table)
    if not (table := lasting(analysis)).empty:
        _print_lasting(console, table)
    if not (table := retained(analysis)).empty:
        _print_retained(console, table)


def _print_lifetimes(console: Console, table: pd.DataFrame) -> None:
    by = ["projection", "condition"]
    for names, part in table.groupby(by, sort=False):
        of = dict(zip(by, map(str, names), strict=True))
        lines = []
        for row in _rows(part):
            lines.append(
                {
                    "synapses": " ".join(name for name in (row["among"], row["group"]) if name),
                    "lives": int(row["n_episodes"]),
                    "deaths": int(row["n_deaths"]),
                    "median": _with_interval(row, "median", "median_lower", "median_upper"),
                    "longer by": _with_interval(row, "difference", "difference_lower", "difference_upper"),
                    "p": _p(row.get("p_value", np.nan)),
                }
            )
        console.print(table_of(lines, f"{_named(of)}: lifetimes in training steps"))
    horizon = table["horizon"].dropna()
    until = f", up to step {horizon.min():.0f} of a life" if horizon.size else ""
    console.print(
        "median: inf where most outlive the training; longer by: the mean lifetime less that of the first group of its "
        f"kind{until}; 95 % intervals over networks where there are several, otherwise over synapses; p: log-rank test of a "
        "kind, slots taken for independent. initial: there at step 0; grown: born later; opposed, balanced, grouped: born "
        "among more neighbours of the other sign, as many of either, more of their own sign; alone: among none."
    )


def _print_hazards(console: Console, table: pd.DataFrame) -> None:
    by = ["projection", "condition", "model"]
    for names, part in table.groupby(by, sort=False):
        of = dict(zip(by, map(str, names), strict=True))
        lines = []
        for row in _rows(part):
            line = {"per unit of": row["covariate"], **{name: row[name] for name in ("hazard_ratio", "lower", "upper")}}
            lines.append({**line, "p": _p(row["p_value"])})
        n = f"{part['n_deaths'].iloc[0]:.0f} deaths of {part['n_episodes'].iloc[0]:.0f} synapses"
        console.print(table_of(lines, f"{_named(of)}: hazard of dying, {_MODELS[of['model']]} ({n})"))
    console.print(
        "hazard ratio: above 1 those with more of it die sooner, the other terms held fixed, compared within each network and "
        "among initial and grown synapses apart; same sign, opposite sign: number of such neighbours."
    )


_MODELS = {
    "at birth": "by what was known at birth",
    "within neurons": "by what was known at birth, within neurons",
    "so far": "neighbours as last counted",
    "checkpoints, initial": "initial synapses, from checkpoints",
    "checkpoints, grown": "grown synapses, from checkpoints",
}


def _print_lasting(console: Console, table: pd.DataFrame) -> None:
    for (run, projection), part in table.groupby(["run", "projection"], sort=False):
        shown = ["step", "overlap", "correlation", "kept_z", "kept_p", "survivors_i_z", "survivors_i_p"]
        console.print(table_of(_rows(part[shown]), f"{run}: {projection}, what lasts until step {part['until'].iloc[0]}"))
    console.print(
        "overlap: share of the synapses of a step that live on; correlation of the fields then and at the end; kept: whether "
        "the survivors alone resemble the field more than survivors picked by age alone (z over neurons); survivors i: "
        "whether they are more grouped (Moran's I) than so many picked by age alone."
    )


def _print_retained(console: Console, table: pd.DataFrame) -> None:
    table = table[table["statistic"].isin(SHOWN) & table["fraction"].isin((0.0, *RETAINED_AT))]
    for projection, part in table.groupby("projection", sort=False):
        by = ["criterion", "fraction", "statistic"]
        measured = [name for name in ("retained", "mean_z", "overlap", "test_accuracy") if name in part]
        means = part.groupby(by, sort=False)[measured].mean().reset_index()
        lines = []
        for _, same in groupby(_rows(means), key=itemgetter("criterion", "fraction")):
            rows = list(same)
            line: dict[str, Any] = {"pruned": f"{rows[0]['criterion']} {rows[0]['fraction']:.0%}"}
            line |= {row["statistic"]: _of_unpruned(row["retained"], row["mean_z"]) for row in rows}
            line |= {"overlap": f"{rows[0]['overlap']:.2f}"}
            if not np.isnan(accuracy := rows[0].get("test_accuracy", np.nan)):
                line |= {"accuracy": f"{accuracy:.1%}"}
            lines.append(line)
        n = part["run"].nunique()
        console.print(table_of(lines, f"{projection}: structure retained, mean of {n} network{'s' * (n > 1)}"))
    console.print(
        "retained: what a statistic has beyond its null at that density, relative to the unpruned network (– where that has "
        "none), and mean z over neurons; overlap: correlation with the unpruned fields; magnitude, random, largest: what goes "
        "first."
    )


def _of_unpruned(share: float, z: float) -> str:
    retained = "–" if np.isnan(share) else f"{share:.0%}"
    return retained if np.isnan(z) else f"{retained} ({z:z.2f})"


def _named(of: dict[str, str]) -> str:
    name = of["projection"] or "all projections"
    return f"{name} ({of['condition']})" if of["condition"] else name


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _with_interval(row: dict[str, Any], *names: str) -> str:
    """A number of steps, with its interval behind it."""
    value, lower, upper = (row.get(name, np.nan) for name in names)
    if np.isnan(value):
        return "–"
    return f"{value:.0f}" if np.isnan(lower) and np.isnan(upper) else f"{value:.0f} ({lower:.0f} – {upper:.0f})"


def _p(value: float) -> str:
    if np.isnan(value):
        return "–"
    return "<.0001" if value < 1e-4 else f"{value:.4f}"
