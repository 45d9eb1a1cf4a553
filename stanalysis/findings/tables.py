"""Tables that a person wants to read, of an analysis: one row per network, per neuron, per comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.files.analysis import kept_steps
from stanalysis.files.atomic import replacing
from stanalysis.files.sweep import GRID
from stanalysis.findings.lives import accuracies, biographies, hazards, lasting, lifetimes, n_lives, retained

_PACKED = {"zlib": True, "complevel": 1, "shuffle": True}
LIVES_IN_CSV = 1_000_000
SIGNIFICANT = 0.05  # false discovery rate at which the summary counts neurons


def summary(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, projection and step: neurons, those without an answer, median I and its null, the network's p-value,
    share of neurons significant.
    """
    rows = []
    for projection, node in analysis["autocorrelation"].children.items():
        table = node.to_dataset()
        network = analysis[f"network/{projection}"].to_dataset().sel(statistic="morans_i")
        for run in table.run.values:
            for step in kept_steps(table.sel(run=run)):
                one, together = (d.sel(run=run, step=step) for d in (table, network))
                known = one.morans_i.notnull()
                significant = int((one.q_value <= SIGNIFICANT).sum())
                rows.append(
                    {
                        "run": str(run),
                        "projection": str(projection),
                        "step": step,
                        "neurons": int(one.n_synapses.notnull().sum()),
                        "no_answer": int((one.n_synapses.notnull() & ~known).sum()),
                        "median_i": float(one.morans_i.median()),
                        "expected": float(one.expected.median()),
                        "mean_z": float(together.mean_z),
                        "network_p": float(together.p_value),
                        "significant": significant / int(known.sum()) if known.any() else np.nan,
                    }
                )
    return pd.DataFrame(rows)


def sweep_summary(analysis: xr.DataTree) -> pd.DataFrame:
    """The `summary` of a sweep: one row per projection, grid point and end (first and last step), means over its networks.

    Beside what `summary` gives, ``networks`` is their number and ``structured`` the share of those with a p-value whose
    p-value is up to .05; p-values themselves have no meaningful mean.
    """
    design = analysis["sweep"].to_dataset()[GRID].to_dataframe()
    rows = summary(analysis).join(design, on="run", how="inner")
    rows["structured"] = (rows["network_p"] <= SIGNIFICANT).where(rows["network_p"].notna()).astype(float)
    steps = rows.groupby(["projection", "run"])["step"]
    extremes = {"first": steps.transform("min"), "last": steps.transform("max")}
    ends = pd.concat([rows[rows["step"] == step].assign(end=name) for name, step in extremes.items()])
    by = ["projection", *GRID, "end"]
    means = ends.groupby(by)[["no_answer", "median_i", "expected", "mean_z", "structured", "significant"]].mean()
    means.insert(0, "networks", ends.groupby(by)["run"].nunique())
    return means.reset_index()


def statistics_summary(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, projection, step and statistic: what `summary` gives of Moran's I, of them all."""
    rows = []
    for projection, node in analysis["statistics"].children.items():
        table, network = node.to_dataset(), analysis[f"network/{projection}"].to_dataset()
        for run in table.run.values:
            for step in kept_steps(table.sel(run=run)):
                one, together = (d.sel(run=run, step=step) for d in (table, network))
                answered = one.value.notnull().sum("target")
                columns = {
                    "unit": one.unit,
                    "answered": answered,
                    "no_answer": one.n_synapses.notnull().sum() - answered,
                    "median": one.value.median("target"),
                    "expected": one.expected.median("target"),
                    "mean_z": together.mean_z,
                    "network_p": together.p_value,
                    "significant": ((one.q_value <= SIGNIFICANT).sum("target") / answered).where(answered > 0),
                }
                where = {"run": str(run), "projection": str(projection), "step": step}
                values = {name: column.values for name, column in columns.items()}
                rows.append(pd.DataFrame({**where, "statistic": one.statistic.values, **values}))
    return pd.concat(rows, ignore_index=True)


def maps_summary(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, projection, step and kind of map or curve asked for: the share of its neurons that depart from the null
    anywhere at .05, or of cells in local clusters at a false discovery rate of 5 % within their field.
    """
    rows = []
    for kind in ("local", "correlogram", "smoothing", "pairs"):
        for projection, node in analysis[kind].children.items() if kind in analysis.children else ():
            table = node.to_dataset()
            tests = [str(name) for name in table.data_vars if str(name).endswith("global_p")] or ["q_value"]
            for run in table.run.values:
                for step in kept_steps(table.sel(run=run)):
                    one = table.sel(run=run, step=step)
                    shares = {
                        name: float((one[name] <= SIGNIFICANT).sum() / max(int(one[name].notnull().sum()), 1)) for name in tests
                    }
                    where = {"run": str(run), "projection": str(projection), "step": step}
                    rows += [{**where, "map": kind, "test": name, "share": share} for name, share in shares.items()]
    return pd.DataFrame(rows)


def comparisons(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per projection, statistic and pair of conditions compared; none where no comparison was asked for."""
    if "comparison" not in analysis.children:
        return pd.DataFrame()
    tables = []
    for projection, node in analysis["comparison"].children.items():
        table = node.to_dataset().to_dataframe().reset_index()
        tables.append(table.assign(projection=str(projection)))
    first = [
        "projection",
        "among",
        "a",
        "b",
        "also_differ",
        "synapses_a",
        "synapses_b",
        "paired",
        "statistic",
        "n_a",
        "n_b",
        "difference",
        "lower",
        "upper",
    ]
    return pd.concat(tables, ignore_index=True)[[*first, "effect_size", "p_value", "smallest_p", "seeds_needed"]]


def neurons(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, projection, step and neuron: its statistics with their p- and q-values, and its descriptors."""
    tables = []
    for projection, node in analysis["statistics"].children.items():
        table, described = node.to_dataset(), analysis[f"descriptors/{projection}"].to_dataset()
        for index in range(table.sizes["run"]):
            one, own = table.isel(run=[index]), described.isel(run=[index])
            steps = kept_steps(one.isel(run=0))
            columns = {"n_synapses": one.n_synapses}
            for name in map(str, one.statistic.values):
                of = one.sel(statistic=name, drop=True)
                columns |= {name: of.value, f"{name}_p": of.p_value, f"{name}_q": of.q_value}
            wide = xr.Dataset(columns).merge(own.drop_vars("lead"), compat="override").sel(step=steps)
            rows = wide.to_dataframe().reset_index()
            tables.append(rows[rows.n_synapses.notna()].assign(projection=str(projection)))
    return pd.concat(tables)


def write_analysis(analysis: xr.DataTree, path: Path | str) -> list[Path]:
    """Write the analysis file, and beside it CSV tables of what is in it; return their paths.

    Biographies of more than a million synapses stay in the analysis file.
    """
    path = Path(path)
    packed = {
        node.path: {str(v): _PACKED for v, a in node.data_vars.items() if a.ndim and a.dtype.kind in "biuf"}
        for node in analysis.subtree
    }
    with replacing(path) as temporary:
        analysis.to_netcdf(temporary, engine="h5netcdf", encoding=packed)
    written = [path]
    tables = {
        "summary": statistics_summary(analysis),
        "neurons": neurons(analysis),
        "comparison": comparisons(analysis),
        "lifetimes": lifetimes(analysis),
        "hazards": hazards(analysis),
        "lasting": lasting(analysis),
        "retained": retained(analysis),
        "pruning": accuracies(analysis),
        "episodes": biographies(analysis) if n_lives(analysis) <= LIVES_IN_CSV else pd.DataFrame(),
    }
    for name, table in tables.items():
        beside = path.with_name(f"{path.stem}-{name}.csv")
        if table.empty:
            beside.unlink(missing_ok=True)  # of an analysis that this one replaces
            continue
        written.append(beside)
        with replacing(written[-1]) as temporary:
            table.to_csv(temporary, index=False)
    return written
