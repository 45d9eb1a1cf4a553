"""Tables that a person wants to read of lifetimes, of what lasts of receptive fields, and of what pruning leaves."""

from __future__ import annotations

import json
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.files.rewiring_log import CAUSE

RETAINED_AT: Final = (0.5, 0.9, 0.99)  # fractions pruned of which the tables speak
_LASTING: Final = ("kept", "kept_expected", "survivors_i", "survivors_i_expected")
_OF_STRUCTURE: Final = ("excess", "retained", "mean_z", "p_value", "significant", "answered")
_OF_CURVES: Final = ("projection", "condition", "band", "among", "grouping", "group")


def lifetimes(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per group of synapses: episodes, deaths, median and restricted mean lifetime [step] with 95 % intervals, how much
    longer they live than the first group, and the p-value of the log-rank test of the grouping.
    """
    if "survival" not in analysis.children:
        return pd.DataFrame()
    curves = analysis["survival"].to_dataset().drop_dims(("age", "cause"), errors="ignore")
    table = curves.to_dataframe().reset_index(drop=True)
    columns = [
        *_OF_CURVES,
        *("n_runs", "n_episodes", "n_deaths", "median", "median_lower", "median_upper"),
        *("horizon", "restricted_mean", "restricted_mean_lower", "restricted_mean_upper"),
        "unseen_share",
    ]
    table = table.reindex(columns=columns)
    if "contrasts" in analysis.children:
        against = analysis["contrasts"].to_dataset().to_dataframe().reset_index(drop=True)
        against = against.rename(columns={"b": "group", "lower": "difference_lower", "upper": "difference_upper"})
        by = [name for name in _OF_CURVES if name in against]
        table = table.merge(against.drop(columns="a"), on=by, how="left")
    return table


def hazards(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per term of a hazard model: hazard ratio with its 95 % interval and p-value."""
    if "hazard_ratios" not in analysis.children:
        return pd.DataFrame()
    table = analysis["hazard_ratios"].to_dataset().to_dataframe().reset_index(drop=True)
    first = ["projection", "condition", "band", "model", "covariate"]
    return table[[*first, *(name for name in table.columns if name not in first)]]


def n_lives(analysis: xr.DataTree) -> int:
    """Number of rows of `biographies`."""
    groups = [analysis[kind] for kind in ("episodes", "sightings") if kind in analysis.children]
    return sum(int(node.sizes["episode"]) for group in groups for node in group.children.values())


def biographies(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per life of a synapse: of which run and projection, when, where, of what sign, and why it was born and died.

    Without a rewiring log, as `stanalysis.sightings` gives them: between which checkpoints it was born and died.
    """
    runs = np.array(json.loads(analysis.attrs["runs"]))
    tables = []
    for kind in ("episodes", "sightings"):
        for projection, node in analysis[kind].children.items() if kind in analysis.children else ():
            table = node.to_dataset().to_dataframe().reset_index(drop=True)
            for name in ("birth_cause", "death_cause"):
                if name in table:
                    table[name] = table[name].map({cause.value: cause.name.lower() for cause in CAUSE}).fillna("")
            table.insert(0, "projection", str(projection))
            table.insert(0, "run", runs[table.pop("run").to_numpy()])
            tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def lasting(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, projection and kept step: what of its receptive fields lives on to the last, beside what would if death
    depended on age alone. Means over targets.
    """
    rows = []
    for projection, node in analysis["persistence"].children.items() if "persistence" in analysis.children else ():
        table = node.to_dataset()
        for run in table.run.values:
            for step in table.step.values:
                one = table.sel(run=run, step=step)
                if not one.n_synapses.notnull().any():  # a step that only other runs kept
                    continue
                values = {name: float(one[name].mean()) for name in ("correlation", *_LASTING)}
                for name in ("kept", "survivors_i"):
                    values |= {f"{name}_{part}": float(one[f"network_{part}"].sel(statistic=name)) for part in ("z", "p")}
                overlap = float(one.n_survivors.sum() / one.n_synapses.sum())
                where = {"run": str(run), "projection": str(projection), "step": int(step), "until": int(one.until)}
                spread = {"spread": float(one.overlap_spread), "spread_p": float(one.overlap_spread_p)}
                rows.append({**where, "overlap": overlap, **values, **spread})
    return pd.DataFrame(rows)


def retained(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, projection, criterion, fraction pruned and statistic: the structure left, and the accuracy, where
    `stanalysis prune` measured it.
    """
    if "structure" not in analysis.children:
        return pd.DataFrame()
    tables = []
    for projection, node in analysis["structure"].children.items():
        table = node.to_dataset()
        rows = table[[*_OF_STRUCTURE, "overlap", "n_synapses"]].to_dataframe().reset_index()
        rows["condition"] = rows["run"].map(_conditions(analysis))
        tables.append(rows.assign(projection=str(projection)))
    found = pd.concat(tables, ignore_index=True)
    found = found[
        ["run", "projection", "condition", "criterion", "fraction", "statistic", "n_synapses", "overlap", *_OF_STRUCTURE]
    ]
    if "pruning" in analysis.children:  # of the same network: a table of another step is left out when runs are read
        found = found.merge(accuracies(analysis), on=["run", "criterion", "fraction"], how="left")
    return found.dropna(subset="n_synapses").reset_index(drop=True)


def _conditions(analysis: xr.DataTree) -> dict[str, str]:
    """The condition of each run."""
    return {run: name for name, runs in json.loads(analysis.attrs["conditions"]).items() for run in runs}


def accuracies(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, criterion and fraction pruned: mean accuracies over the draws."""
    if "pruning" not in analysis.children:
        return pd.DataFrame()
    table = analysis["pruning"].to_dataset()
    means = table[["test_accuracy", "validation_accuracy"]].mean("draw").to_dataframe().reset_index()
    return means[["run", "criterion", "fraction", "test_accuracy", "validation_accuracy"]].dropna().reset_index(drop=True)
