"""Every number that an analysis writes, against those of 0.6.0: the analysis file, its CSVs and ``--json``.

Beside them stand those that came later: weighted joins, and z-scores whose standard deviation is exact now.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from contextlib import chdir, redirect_stdout, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.cli.main import main
from stanalysis.files.netcdf import read_tree

HERE: Final = Path(__file__).parent
RUNS: Final = HERE / "runs"
OF_NULL: Final = ("lattice", "graph", "local", "correlogram", "smoothing", "pairs", "pruning")
NULLS: Final = ("weights", "signs", "source-signs", "sources", "rows", "cells")
CASES: Final[dict[str, list[str]]] = {
    "dense": ["dense", "--permutations", "49"],
    "rewired-delays": ["rewired", "--permutations", "29", "--statistics", "survival", *OF_NULL],
    **{f"rewired-{null}": ["rewired", "--permutations", "29", "--null", null, "--statistics", *OF_NULL] for null in NULLS},
    "rewired-untrained": ["rewired", "--null", "untrained"],
    "sweep": ["sweep", "--permutations", "49", "--compare", "connectivity"],
    "foreign": ["foreign", "--permutations", "49", "--null", "weights", "--contiguity", "queen"],
}
# change with every release, with where it is written, and with what is computed where nothing is named
LEFT_OUT: Final = ("attrs/versions", "attrs/command", "attrs/statistics")
NEW: Final = (  # since 0.6.0
    *("check/", "json/check/", "attrs/cautions", "hazard_ratios/among", "hazard_ratios/variant"),
    *("parts/", "published/", "exploration/"),
    *(f"{where}/{table}" for where in ("csv", "json") for table in ("grouping", "published", "exploration")),
)
# how many z-scores 0.6.0 gave that are NaN now, and how many means over neurons held such a one: because one or two of the 29
# or 49 draws make the variance (mostly at the longest lags, where few synapses meet), so that z is up to 9 where the observed
# value is among those, .2 where it is like the others; or because the draws lie 3 to 33 of their standard deviations, at least
# 18 standard errors, from the exact mean: -35 with all 29 draws as far out, 1.3 below nearly all of them
EXPLODED: Final[dict[str, dict[str, int]]] = {
    "dense": {
        "csv/summary/mean_z": 4,
        "json/statistics/mean_z": 4,
        "network/hidden1__hidden2/mean_z": 2,
        "network/hidden2__output/mean_z": 1,
        "network/input__hidden1/mean_z": 1,
        "statistics/hidden1__hidden2/z_score": 2,
        "statistics/hidden2__output/z_score": 1,
        "statistics/input__hidden1/z_score": 1,
    },
    "rewired-delays": {
        "correlogram/input__hidden1/z_score": 62,
        "pairs/input__hidden1/cross_k_z_score": 1,
        "persistence/input__hidden1/kept_z": 2,
    },
    "rewired-weights": {
        "correlogram/input__hidden1/z_score": 2,
        "network/hidden1__output/mean_z": 1,
        "network/input__hidden1/mean_z": 2,
        "statistics/hidden1__output/z_score": 1,
        "statistics/input__hidden1/z_score": 1,
        "structure/input__hidden1/mean_z": 1,
    },
    "rewired-signs": {
        "correlogram/input__hidden1/z_score": 3,
        "network/input__hidden1/mean_z": 3,
        "statistics/input__hidden1/z_score": 2,
        "structure/input__hidden1/mean_z": 1,
    },
    "rewired-source-signs": {
        "correlogram/input__hidden1/z_score": 3,
        "network/input__hidden1/mean_z": 2,
        "statistics/input__hidden1/z_score": 2,
        "structure/input__hidden1/mean_z": 2,
    },
    "rewired-sources": {
        "autocorrelation/input__hidden1/z_score": 1,
        "correlogram/hidden1__output/z_score": 10,
        "correlogram/input__hidden1/z_score": 33,
        "network/input__hidden1/mean_z": 5,
        "pairs/input__hidden1/cross_k_z_score": 2,
        "statistics/input__hidden1/z_score": 5,
        "structure/input__hidden1/mean_z": 1,
    },
    "rewired-rows": {
        "correlogram/input__hidden1/z_score": 69,
    },
    "rewired-cells": {
        "correlogram/hidden1__output/z_score": 45,
        "correlogram/input__hidden1/z_score": 160,
        "network/input__hidden1/mean_z": 11,
        "pairs/input__hidden1/cross_k_z_score": 6,
        "statistics/input__hidden1/z_score": 12,
        "structure/hidden1__output/mean_z": 1,
        "structure/input__hidden1/mean_z": 16,
    },
    "sweep": {
        "autocorrelation/input__hidden1/z_score": 2,
        "csv/summary/mean_z": 34,
        "json/rows/mean_z": 2,
        "json/statistics/mean_z": 34,
        "network/input__hidden1/mean_z": 34,
        "persistence/input__hidden1/kept_z": 7,
        "statistics/input__hidden1/z_score": 35,
    },
    "foreign": {
        "csv/summary/mean_z": 1,
        "json/statistics/mean_z": 1,
        "network/Pop0__Pop1/mean_z": 1,
        "statistics/Pop0__Pop1/z_score": 1,
    },
}
TABLES_OF: Final = ("dense", "rewired-delays", "sweep", "foreign")  # cases whose CSVs and --json are kept, too


def numbers_of(case: str, *options: str) -> dict[str, np.ndarray]:
    """All that one analysis writes, by the place where it stands; ``options`` are more of the command line."""
    with tempfile.TemporaryDirectory() as folder:
        output, printed = Path(folder) / "a.nc", io.StringIO()
        with chdir(RUNS), redirect_stdout(printed), suppress(SystemExit):
            main(["analyze", *CASES[case], *options, "-o", str(output), "--json"])
        numbers = dict(_of_tree(read_tree(output, "analysis")))
        if case in TABLES_OF:
            for table in sorted(Path(folder).glob("*.csv")):
                rows = pd.read_csv(table, float_precision="round_trip")
                numbers |= {f"csv/{table.stem.removeprefix('a-')}/{name}": _plain(rows[name].to_numpy()) for name in rows}
            numbers |= _leaves("json", json.loads(printed.getvalue()))
    return {name: value for name, value in numbers.items() if not name.startswith(LEFT_OUT)}


def kept_numbers(case: str) -> dict[str, np.ndarray]:
    """Those of 0.6.0, and what came later."""
    with np.load(HERE / f"{case}.npz") as file:
        return {name: file[name] for name in file.files if not name.startswith(LEFT_OUT)}


def differences(case: str, *options: str, rtol: float) -> list[str]:
    """Places where today's numbers are not those of 0.6.0, nor new on purpose; with ``rtol`` 0 every bit counts."""
    kept, today = kept_numbers(case), numbers_of(case, *options)
    places = [f"{name}: gone" for name in kept if name not in today]
    for name in kept.keys() & today.keys():
        a, b = kept[name], today[name]
        if a.shape != b.shape or a.dtype.kind != b.dtype.kind or (rtol == 0 and a.dtype != b.dtype):
            places.append(f"{name}: {a.shape} {a.dtype} -> {b.shape} {b.dtype}")
        elif a.dtype.kind == "f":
            other = ~np.isclose(a, b, rtol=rtol, atol=rtol, equal_nan=True)
            if np.count_nonzero(other) != EXPLODED.get(case, {}).get(name, 0):
                places.append(f"{name}: up to {np.nanmax(np.abs(a - b)):.3g}")
        elif not np.array_equal(a, b):
            places.append(f"{name}: {a} -> {b}")
    return [*places, *(f"{name}: new" for name in today if name not in kept and not name.startswith(NEW))]


def _of_tree(tree: xr.DataTree) -> Any:
    for node in tree.subtree:
        path = node.path.strip("/")
        for name, value in node.attrs.items():
            yield f"{path}/attrs/{name}".strip("/"), _plain(np.asarray(value))
        for name, variable in node.to_dataset(inherit=False).variables.items():
            yield f"{path}/{name}", _plain(variable.to_numpy())


def _plain(values: np.ndarray) -> np.ndarray:
    return values.astype(str) if values.dtype.kind in "OT" else values


def _leaves(place: str, value: Any) -> dict[str, np.ndarray]:
    """Lists of records by column, everything else by key."""
    if isinstance(value, dict):
        return {name: leaf for key, inner in value.items() for name, leaf in _leaves(f"{place}/{key}", inner).items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        rows = pd.DataFrame(value)
        return {f"{place}/{name}": _plain(rows[name].to_numpy()) for name in rows}
    return {place: _plain(np.asarray(value))}


if __name__ == "__main__":
    os.environ["CI"] = "true"
    chosen = [name for name in sys.argv[1:] if not name.startswith("--")] or list(CASES)
    unequal = 0
    for case in chosen:
        if "--write" in sys.argv:
            np.savez_compressed(HERE / f"{case}.npz", **numbers_of(case))
            continue
        places = differences(case, rtol=0)
        unequal += len(places)
        print(f"{case}: {'equal' if not places else ''}", *places, sep="\n  ")
    sys.exit(bool(unequal))
