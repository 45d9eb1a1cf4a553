"""What ``analyze`` prints of lifetimes, of what was explored, of what lasts of receptive fields, and of what pruning leaves."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from rich.console import Console

from stanalysis.cli.printing import table_of
from stanalysis.findings.effects import main_statistics
from stanalysis.findings.lives import RETAINED_AT, explored, hazards, lasting, lifetimes, retained
from stanalysis.findings.tables import records
from stanalysis.stats.lives.persistence import N_PERMUTATIONS
from stanalysis.stats.lives.pruned_structure import ENOUGH


def print_lives(console: Console, analysis: xr.DataTree) -> None:
    """Print all there is."""
    if not (table := lifetimes(analysis)).empty:
        _print_lifetimes(console, table)
    if not (table := hazards(analysis)).empty:
        _print_hazards(console, table)
    if not (table := explored(analysis)).empty:
        _print_explored(console, table)
    if not (table := lasting(analysis)).empty:
        _print_lasting(console, table)
    if not (table := retained(analysis)).empty:
        _print_retained(console, table)


def _print_lifetimes(console: Console, table: pd.DataFrame) -> None:
    by = ["projection", "condition", "band"]
    for names, part in table.groupby(by, sort=False):
        where = dict(zip(by, map(str, names), strict=True))
        lines, kind = [], None
        for row in records(part[part["n_episodes"] > 0]):
            first, kind = (row["among"], row["grouping"]) != kind, (row["among"], row["grouping"])
            tested = part[(part["among"] == row["among"]) & (part["grouping"] == row["grouping"])].get("p_value")
            p = np.nan if tested is None or not first else tested.max()  # the same in all rows of a kind but the first
            line: dict[str, Any] = {
                "synapses": " ".join(name for name in (row["among"], row["group"], _OF.get(row["grouping"], "")) if name),
                "lives": int(row["n_episodes"]),
                "median": _with_interval(row, "median", "median_lower", "median_upper"),
            }
            if where["band"] not in _FITTED:
                longer = _with_interval(row, "difference", "difference_lower", "difference_upper")
                line |= {"longer by": longer, "p": _p(p)}
            lines.append(line)
        if not lines:
            continue
        horizon = part["horizon"].dropna()
        until = f", means up to age {horizon.min():.0f}" if horizon.size else ""
        console.print(table_of(lines, f"{_named(where)}: lifetimes in training steps{until}"))
        console.print(f"95 % intervals: {_BANDS[where['band']]}.")
    console.print(
        "median: inf where most outlive the training. initial: there at step 0, at full strength; grown: born later, at almost "
        "none."
    )
    if not table["band"].isin(_FITTED).all():
        console.print(
            "longer by: mean lifetime less that of the first group of its kind. p: log-rank test of all groups of a kind, "
            "synapses compared with those of the same neuron (opposed to alone: and the same step of birth), neurons being "
            "independent; it speaks of these networks, not of others, and is not adjusted for the number of kinds. opposed, "
            "balanced, grouped: born among more neighbours of the other sign, as many of either, more of their own; alone: "
            "among none, which neurons of few synapses have more of."
        )


_OF = {"delay": "delay", "channel": "channels"}  # whose groups do not say what they are of
_BANDS = {
    "Greenwood": "over the synapses of this network",
    "runs": "networks are the replicates",
    "fit": "of the fit to what checkpoints show, over synapses",
    "fits of runs": "of fits to what checkpoints show, networks are the replicates",
}
_FITTED = ("fit", "fits of runs")


def _print_hazards(console: Console, table: pd.DataFrame) -> None:
    by = ["projection", "condition", "model"]
    for names, part in table.groupby(by, sort=False):
        where = dict(zip(by, map(str, names), strict=True))
        lines = []
        for row in records(part):
            line = {"per unit of": row["covariate"], **{name: row[name] for name in ("hazard_ratio", "lower", "upper")}}
            lines.append({**line, "p": _p(row["p_value"])})
        n = f"{part['n_deaths'].iloc[0]:.0f} deaths of {part['n_episodes'].iloc[0]:.0f} lives"
        console.print(table_of(lines, f"{_named(where)}: hazard of dying, {where['model']} ({n})"))
    console.print(
        "hazard ratio: above 1 those with more of it die sooner, the other terms held fixed. same sign, opposite sign: number "
        "of such neighbours, at birth, or as last counted (so far)."
    )
    if (table["band"] == "neurons").any():
        console.print(
            "Of networks with a rewiring log synapses are compared with those of the same neuron born in the same step, "
            "neurons being independent: p and interval speak of these networks."
        )
    if (table["band"] == "fits of runs").any():
        console.print("From checkpoints of several networks: intervals and p from how far these differ.")
    if (table["band"] == "fit").any():
        console.print("From checkpoints of one network: its synapses are taken for independent.")


def _print_explored(console: Console, table: pd.DataFrame) -> None:
    for projection, part in table.groupby("projection", sort=False):
        lines = [
            {"network": row["run"], **{heading: _beside_chance(row, name) for name, heading in _EXPLORED.items()}}
            for row in records(part)
        ]
        console.print(table_of(lines, f"{projection}: where synapses grew (and where growth at random would), p"))
    console.print(
        "tried: pairs of neurons that a synapse ever joined, of all; revisited: of the pairs whose last synapse was pruned, "
        "those in which one was born again later; returns: births after step 0 in such pairs, of all births. At random: "
        "uniformly among the places free at each rewiring, whichever synapses die."
    )


_EXPLORED = {"exploration": "tried", "revisit_rate": "revisited", "return_share": "returns"}


def _beside_chance(row: dict[str, Any], name: str) -> str:
    share, expected, p = (row[f"{name}{part}"] for part in ("", "_expected", "_p"))
    if np.isnan(share):
        return "–"
    return f"{share:.1%}" if np.isnan(expected) else f"{share:.1%} ({expected:.1%}), {_p(p)}"


def _print_lasting(console: Console, table: pd.DataFrame) -> None:
    for (run, projection), part in table.groupby(["run", "projection"], sort=False):
        shown = ["step", "overlap", "correlation", "kept_z", "kept_p", "survivors_i_z", "survivors_i_p"]
        console.print(table_of(records(part[shown]), f"{run}: {projection}, what lasts until step {part['until'].iloc[0]}"))
    console.print(
        "overlap: share of the synapses of a step that live on; correlation of the fields then and at the end; kept: whether "
        "the survivors alone resemble the field more than survivors picked by age alone (z over neurons), as they do where "
        "strong ones live on; survivors i: whether their Moran's I is above that of so many of the same neuron picked by age "
        f"alone, as it is where they lie together, or balance excitation and inhibition better. At most {N_PERMUTATIONS} draws."
    )


def _print_retained(console: Console, table: pd.DataFrame) -> None:
    table = table[table["statistic"].isin(main_statistics()) & table["fraction"].isin((0.0, *RETAINED_AT))]
    for (projection, condition), part in table.groupby(["projection", "condition"], sort=False):
        by = ["criterion", "fraction", "statistic"]
        measured = [name for name in ("retained", "mean_z", "answered", "overlap", "test_accuracy") if name in part]
        means = part.groupby(by, sort=False)[measured].mean().reset_index()
        whole = means[means["fraction"] == 0].groupby("statistic")["answered"].max()
        lines = []
        for _, same in groupby(records(means), key=itemgetter("criterion", "fraction")):
            rows = list(same)
            line: dict[str, Any] = {"pruned": f"{rows[0]['criterion']} {rows[0]['fraction']:.0%}"}
            line |= {row["statistic"]: _beside_unpruned(row, float(whole.get(row["statistic"], 0))) for row in rows}
            line |= {"overlap": f"{rows[0]['overlap']:.2f}"}
            if "test_accuracy" in measured:
                accuracy = rows[0]["test_accuracy"]
                line |= {"accuracy": "–" if np.isnan(accuracy) else f"{accuracy:.1%}"}
            lines.append(line)
        n = part["run"].nunique()
        where = {"projection": str(projection), "condition": str(condition)}
        console.print(table_of(lines, f"{_named(where)}: structure retained, mean of {n} network{'s' * (n > 1)}"))
    console.print(
        "retained: what a statistic has beyond its null at that density, relative to the unpruned network, over the networks "
        "that have any there (p up to .05), and mean z over neurons (– where fewer than half of the neurons still have an "
        "answer); overlap: correlation with the unpruned fields; magnitude, random, largest: what goes first."
    )


def _beside_unpruned(row: dict[str, Any], unpruned: float) -> str:
    if not row["answered"] >= ENOUGH * unpruned or np.isnan(row["mean_z"]):
        return "–"
    return ("– " if np.isnan(row["retained"]) else f"{row['retained']:z.0%} ") + f"({row['mean_z']:z.2f})"


def _named(where: dict[str, str]) -> str:
    name = where["projection"] or "all projections"
    return f"{name} ({where['condition']})" if where["condition"] else name


def _with_interval(row: dict[str, Any], *names: str) -> str:
    """A number of steps, with its interval behind it."""
    value, lower, upper = (row.get(name, np.nan) for name in names)
    if np.isnan(value):
        return "–"
    to = "–" if lower >= 0 else " to "
    return _steps(value) if np.isnan(lower) and np.isnan(upper) else f"{_steps(value)} ({_steps(lower)}{to}{_steps(upper)})"


def _steps(value: float) -> str:
    return f"{value:z.0f}" if not abs(value) < 10 or value == round(value) else f"{value:z.1f}"


def _p(value: float) -> str:
    if np.isnan(value):
        return "–"
    return "<.0001" if value < 1e-4 else f"{value:.4f}"
