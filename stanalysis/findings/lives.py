"""Tables that a person wants to read of lifetimes, of what was explored, of what lasts of receptive fields, and of what pruning
leaves.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.files.analysis import COORDS_OF_RUN
from stanalysis.files.rewiring_log import CAUSE
from stanalysis.findings.view import Analysis
from stanalysis.stats.lives.exploration import SHARES

RETAINED_AT: Final = (0.5, 0.9, 0.99)  # fractions pruned of which the tables speak
_LASTING: Final = ("kept", "kept_expected", "survivors_i", "survivors_i_expected")
_OF_STRUCTURE: Final = ("excess", "retained", "mean_z", "p_value", "significant", "answered")
_PARTS_OF_MODEL: Final = ("among", "variant")  # coordinates that a table, which names the model, can do without
_OF_CURVES: Final = ("projection", "condition", "band", "among", "grouping", "group")


def lifetimes(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per group of synapses: episodes, deaths, median and restricted mean lifetime [step] with 95 % intervals, how much
    longer they live than the first group, and the p-value of the log-rank test of the grouping.
    """
    view = Analysis(analysis)
    if not view.has("survival"):
        return pd.DataFrame()
    curves = view.table("survival").drop_dims(("age", "cause"), errors="ignore")
    table = curves.to_dataframe().reset_index(drop=True)
    columns = [
        *_OF_CURVES,
        *("n_runs", "n_episodes", "n_deaths", "median", "median_lower", "median_upper"),
        *("horizon", "restricted_mean", "restricted_mean_lower", "restricted_mean_upper"),
        "unseen_share",
    ]
    table = table.reindex(columns=columns)
    if view.has("contrasts"):
        against = view.table("contrasts").to_dataframe().reset_index(drop=True)
        against = against.rename(columns={"b": "group", "lower": "difference_lower", "upper": "difference_upper"})
        by = [name for name in _OF_CURVES if name in against]
        table = table.merge(against.drop(columns="a"), on=by, how="left")
    return table


def hazards(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per term of a hazard model: hazard ratio with its 95 % interval and p-value."""
    terms = Analysis(analysis).table("hazard_ratios")
    if not terms:
        return pd.DataFrame()
    table = terms.drop_vars(_PARTS_OF_MODEL, errors="ignore").to_dataframe().reset_index(drop=True)
    first = ["projection", "condition", "band", "model", "covariate"]
    return table[[*first, *(name for name in table.columns if name not in first)]]


def hazard_terms(analysis: xr.DataTree) -> xr.Dataset:
    """The group ``hazard_ratios`` (term), with what each ``model`` is of in coordinates of its own; empty where there is none.

    ``among`` is "initial" or "grown", ``variant`` "at birth", "so far" or "from checkpoints".
    """
    terms = Analysis(analysis).table("hazard_ratios")
    if not terms or set(_PARTS_OF_MODEL) <= set(terms.coords):
        return terms
    parts = [str(model).partition(", ") for model in terms.model.values]  # 0.6.0 has the model's label alone
    return terms.assign_coords(among=("term", [p[0] for p in parts]), variant=("term", [p[2] for p in parts]))


def n_lives(analysis: xr.DataTree) -> int:
    """Number of rows of `biographies`."""
    tables = [Analysis(analysis).tables(kind) for kind in ("episodes", "sightings")]
    return sum(int(table.sizes["episode"]) for some in tables for table in some.values())


def biographies(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per life of a synapse: of which run and projection, when, where, of what sign, and why it was born and died.

    Without a rewiring log, as `stanalysis.stats.sightings` gives them: between which checkpoints it was born and died.
    """
    view = Analysis(analysis)
    runs = np.array(view.runs)
    tables = []
    for kind in ("episodes", "sightings"):
        for projection, lives in view.tables(kind).items():
            table = lives.to_dataframe().reset_index(drop=True)
            for name in ("birth_cause", "death_cause"):
                if name in table:
                    table[name] = table[name].map({cause.value: cause.name.lower() for cause in CAUSE}).fillna("")
            table.insert(0, "projection", projection)
            table.insert(0, "run", runs[table.pop("run").to_numpy()])
            tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def lasting(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, projection and kept step: what of its receptive fields lives on to the last, beside what would if death
    depended on age alone. Means over targets.
    """
    rows = []
    for projection, table in Analysis(analysis).tables("persistence").items():
        for run in table.run.values:
            for step in table.step.values:
                fields = table.sel(run=run, step=step)
                if not fields.n_synapses.notnull().any():  # a step that only other runs kept
                    continue
                values = {name: float(fields[name].mean()) for name in ("correlation", *_LASTING)}
                for name in ("kept", "survivors_i"):
                    values |= {f"{name}_{part}": float(fields[f"network_{part}"].sel(statistic=name)) for part in ("z", "p")}
                overlap = float(fields.n_survivors.sum() / fields.n_synapses.sum())
                where = {"run": str(run), "projection": projection, "step": int(step), "until": int(fields.until)}
                spread = {"spread": float(fields.overlap_spread), "spread_p": float(fields.overlap_spread_p)}
                rows.append({**where, "overlap": overlap, **values, **spread})
    return pd.DataFrame(rows)


def explored(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run and projection: how many of all pairs were ever joined, and how often growth came back to those left
    without a synapse, each with what growth at random would give, z-score and p-value.
    """
    view = Analysis(analysis)
    names = [f"{name}{part}" for name in SHARES for part in ("", "_expected", "_z", "_p")]
    tables = []
    for projection, table in view.tables("exploration").items():
        shares = table[["n_possible", "n_births", "n_left", *names]].drop_vars(COORDS_OF_RUN, errors="ignore")
        rows = shares.to_dataframe().reset_index()
        rows.insert(1, "projection", projection)
        rows.insert(2, "condition", rows["run"].map(view.condition_of_run))
        tables.append(rows)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def retained(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, projection, criterion, fraction pruned and statistic: the structure left, and the accuracy, where
    `stanalysis prune` measured it.
    """
    view = Analysis(analysis)
    if not view.has("structure"):
        return pd.DataFrame()
    tables = []
    for projection, table in view.tables("structure").items():
        rows = table[[*_OF_STRUCTURE, "overlap", "n_synapses"]].to_dataframe().reset_index()
        rows["condition"] = rows["run"].map(view.condition_of_run)
        tables.append(rows.assign(projection=projection))
    left = pd.concat(tables, ignore_index=True)
    left = left[
        ["run", "projection", "condition", "criterion", "fraction", "statistic", "n_synapses", "overlap", *_OF_STRUCTURE]
    ]
    if view.has("pruning"):  # of the same network: a table of another step is left out when runs are read
        left = left.merge(accuracies(analysis), on=["run", "criterion", "fraction"], how="left")
    return left.dropna(subset="n_synapses").reset_index(drop=True)


def accuracies(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, criterion and fraction pruned: mean accuracies over the draws."""
    table = Analysis(analysis).table("pruning")
    if not table:
        return pd.DataFrame()
    means = table[["test_accuracy", "validation_accuracy"]].mean("draw").to_dataframe().reset_index()
    return means[["run", "criterion", "fraction", "test_accuracy", "validation_accuracy"]].dropna().reset_index(drop=True)
