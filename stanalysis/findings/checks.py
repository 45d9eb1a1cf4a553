"""How far an analysis is from what independent programs make of a sample of its fields and lives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.findings.view import Analysis
from stanalysis.stats.engine.statistics import names_of


def check_differences(analysis: xr.DataTree) -> pd.DataFrame:
    """One row per quantity: the program that recomputed it, in how many fields or survival curves, and the largest difference.

    NaN where none could be compared. No rows of an analysis that was not checked.
    """
    table = Analysis(analysis).table("check")
    if not table:
        return pd.DataFrame()
    columns = {"program": "program", "n_compared": "compared", "largest_difference": "largest_difference"}
    programs = [f"{name} {table.attrs[name]}" for name in table.program.values]
    rows = table.to_dataframe().reset_index().assign(program=programs)
    return rows.rename(columns=columns)[["quantity", *columns.values()]]


def sentence_of_check(analysis: xr.DataTree) -> str:
    """What was checked, against what, and the largest difference; "" of an analysis that was not checked."""
    table = Analysis(analysis).table("check")
    if not table:
        return ""
    by = {name: table.isel(quantity=np.flatnonzero(table.program.values == name)) for name in ("esda", "lifelines")}
    n_curves = int(by["lifelines"].n_compared.max()) if by["lifelines"].sizes["quantity"] else 0
    said = [f"esda {table.attrs['esda']} on {_counted(int(table.attrs['n_fields']), 'field')}"]
    said += [f"lifelines {table.attrs['lifelines']} on {_counted(n_curves, 'survival curve')}"] if n_curves else []
    largest = table.largest_difference.max().item()
    outcome = "nothing could be compared" if np.isnan(largest) else f"largest difference {largest:.1g}"
    of_cells = table.n_compared.isel(quantity=np.flatnonzero(np.isin(table["quantity"].values, names_of("lattice"))))
    if not np.isnan(largest) and of_cells.size and not of_cells.any():
        outcome += ", of cells nothing was compared (their lattices are too large, or without an answer)"
    return f"Checked against {' and '.join(said)}: {outcome}."


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
