"""Tables that a person wants to read, of an analysis: one row per network, per neuron, per comparison."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.files.analysis import kept_steps
from stanalysis.files.sweep import GRID
from stanalysis.findings.view import Analysis
from stanalysis.stats.engine.families import curve_families

SIGNIFICANT = 0.05  # false discovery rate at which the summary counts neurons


def summary(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, projection and step: neurons, those without an answer, median I and its null, the network's p-value,
    share of neurons significant. I is that of cells, or where there is no lattice that among synapses.
    """
    rows = []
    view = Analysis(analysis)
    for projection in view.projections:
        table, network = view.moran(projection), view.table("network", projection)
        network = network.sel(statistic=table.attrs["statistic"])
        for run in table.run.values:
            for step in kept_steps(table.sel(run=run)):
                neurons, together = (d.sel(run=run, step=step) for d in (table, network))
                known = answered(neurons, view)
                significant = int((neurons.q_value <= SIGNIFICANT).sum())
                rows.append(
                    {
                        "run": str(run),
                        "projection": projection,
                        "step": step,
                        "neurons": int(neurons.n_synapses.notnull().sum()),
                        "no_answer": int((neurons.n_synapses.notnull() & ~known).sum()),
                        "median_i": float(neurons.value.where(known).median()),
                        "expected": float(neurons.expected.median()),
                        "mean_z": float(together.mean_z),
                        "network_p": float(together.p_value),
                        "significant": significant / int(known.sum()) if known.any() else np.nan,
                    }
                )
    return pd.DataFrame(rows)


def answered(neurons: xr.Dataset, view: Analysis) -> xr.DataArray:
    """Which neurons have an answer: a value, and under a null that keeps margins signs that can move."""
    return neurons.p_value.notnull() if view.keeps_margins else neurons.value.notnull()


def sweep_summary(analysis: xr.DataTree) -> pd.DataFrame:
    """The `summary` of a sweep: one row per projection, grid point and end (first and last step), means over its networks.

    Beside what `summary` gives, ``networks`` is their number and ``structured`` the share of those with a p-value whose
    p-value is up to .05; p-values themselves have no meaningful mean.
    """
    design = Analysis(analysis).table("sweep")[GRID].to_dataframe()
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
    view = Analysis(analysis)
    for projection, table in view.tables("statistics").items():
        network = view.table("network", projection)
        known = answered(table, view)
        n = known.sum("target")
        columns = {
            "unit": table.unit,
            "answered": n,
            "no_answer": table.n_synapses.notnull().sum("target") - n,
            "median": table.value.where(known).median("target"),
            "expected": table.expected.median("target"),
            "mean_z": network.mean_z,
            "network_p": network.p_value,
            "significant": ((table.q_value <= SIGNIFICANT).sum("target") / n).where(n > 0),
        }
        every = xr.Dataset({name: column.drop_vars(set(column.coords) - set(column.dims)) for name, column in columns.items()})
        lines = every.to_dataframe(dim_order=["run", "step", "statistic"]).reset_index()
        lines.insert(1, "projection", projection)
        of_run = dict(tuple(lines.groupby("run", sort=False)))
        rows += [of_run[run][of_run[run]["step"].isin(kept_steps(table.sel(run=run)))] for run in table.run.values]
    return pd.concat(rows, ignore_index=True)


def maps_summary(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per run, projection, step and kind of map or curve asked for: the share of its neurons that depart from the null
    anywhere at .05, or of cells in local clusters at a false discovery rate of 5 % within their field. Kinds without such a
    test have tables of their own (`stanalysis.findings.grouping`).
    """
    rows = []
    for kind in (family.name for family in curve_families()):
        for projection, table in Analysis(analysis).tables(kind).items():
            tests = [str(name) for name in table.data_vars if str(name).endswith("global_p") or name == "q_value"]
            for run in table.run.values:
                for step in kept_steps(table.sel(run=run)):
                    chosen = {name: table[name].sel(run=run, step=step) for name in tests}
                    shares = {
                        name: float((p <= SIGNIFICANT).sum() / max(int(p.notnull().sum()), 1)) for name, p in chosen.items()
                    }
                    where = {"run": str(run), "projection": projection, "step": step}
                    rows += [{**where, "map": kind, "test": name, "share": share} for name, share in shares.items()]
    return pd.DataFrame(rows)


def comparisons(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per projection, statistic and pair of conditions compared; none where no comparison was asked for."""
    groups = Analysis(analysis).tables("comparison")
    if not groups:
        return pd.DataFrame()
    tables = [table.to_dataframe().reset_index().assign(projection=projection) for projection, table in groups.items()]
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
    for projection, every in Analysis(analysis).tables("statistics").items():
        described = Analysis(analysis).table("descriptors", projection)
        steps_of_run = [tuple(kept_steps(every.isel(run=index))) for index in range(every.sizes["run"])]
        for steps, alike in groupby(range(every.sizes["run"]), key=steps_of_run.__getitem__):
            runs = [*alike]
            table, shapes = every.isel(run=runs).sel(step=[*steps]), described.isel(run=runs).sel(step=[*steps])
            columns = {"n_synapses": table.n_synapses}
            for name in map(str, table.statistic.values):
                answers = table.sel(statistic=name, drop=True)
                columns |= {name: answers.value, f"{name}_p": answers.p_value, f"{name}_q": answers.q_value}
            wide = xr.Dataset(columns).merge(shapes.drop_vars("lead"), compat="override")
            rows = wide.to_dataframe(dim_order=["run", "step", "target"]).reset_index()
            tables.append(rows[rows.n_synapses.notna()].assign(projection=projection))
    return pd.concat(tables)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, by the names of its columns."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
