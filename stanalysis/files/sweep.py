"""A sweep: one run for each point of a grid {connectivity} × {delays} × sparsities or hidden sizes × seeds, as a folder.

::

    sweep.csv      one line per finished run, columns of `stanalysis.schema.network.SWEEP`, and ``run``, the name of the folder
    <run>/         a run folder, as `stanalysis.files.run` describes it

``connectivity`` says whether sparse networks were rewired, and whether those with all their synapses were recurrent; ``delays``
whether they were learned, or whether of each synapse, axon or dendrite. The columns ``n_hidden`` and ``n_parameters`` are there
where a sweep varies the hidden neurons, ``method`` where it has several.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.records import read_table, write_table
from stanalysis.files.run import open_run
from stanalysis.schema import statistics
from stanalysis.schema.network import OPTIONAL_OF_SWEEPS, SWEEP
from stanalysis.schema.variables import labelled

TABLE = "sweep.csv"
GRID = [*statistics.GRID]
_REMEDY = "restore it, or run the sweep anew"
_CHOICES = {  # in grid order
    "connectivity": ("fixed", "rewired", "feedforward", "recurrent"),
    "delays": ("none", "fixed", "learned", "axonal", "dendritic", "synaptic"),
}
_KINDS = {"f": (np.float64, "if", "numbers"), "i": (np.int64, "i", "whole numbers"), "U": (np.str_, "O", "text")}


def is_sweep(path: Path) -> bool:
    """Whether the folder is a sweep, and not a single run."""
    return (path / TABLE).is_file()


def read_sweep(folder: Path | str) -> xr.Dataset:
    """Load the table of a sweep, one row per finished run; `BadInput` says what is wrong with a damaged one.

    Returns
    -------
    xarray.Dataset
        The columns of SWEEP, dim run; coordinate ``run``, the name of the run folder. Other columns are left out; ``n_hidden``
        and ``n_parameters``, and ``method``, are only there where the table has them.
    """
    path = Path(folder) / TABLE
    if not path.is_file():
        raise BadInput(f"{folder} is no sweep folder: it holds no {TABLE}; give the folder of a sweep with a finished run.")
    table = read_table(path, remedy=_REMEDY, dtype=dict.fromkeys(("run", *_CHOICES), str))
    if table.empty:
        raise BadInput(f"{path} lists no finished run yet; go on with the sweep.")
    _require_columns(table, path)
    if table["run"].duplicated().any():
        raise BadInput(f"{path} lists the run {table.loc[table['run'].duplicated(), 'run'].iloc[0]} twice; remove one line.")
    columns = {name: table[name].to_numpy(_KINDS[SWEEP[name].kind][0]) for name in SWEEP if name in table}
    return labelled(SWEEP, **columns).assign_coords(run=table["run"].to_numpy(np.str_))


def read_lines(folder: Path) -> list[dict[str, Any]]:
    """The lines of the table of a sweep as `write_sweep` takes them, without what the method of a line has not."""
    table = read_sweep(folder).to_dataframe().reset_index()
    lines = [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
    return [{k: v for k, v in line.items() if k not in OPTIONAL_OF_SWEEPS or not pd.isna(v)} for line in lines]


def sweep_alone(folder: Path | str) -> xr.DataTree:
    """The table of a sweep in the place of an analysis, of which it is the group ``/sweep``, and there is no other.

    It has, where its first run tells them, the attributes ``dataset`` and ``n_output``, the neurons of the output population.
    """
    table = read_sweep(folder)
    run = open_run(Path(folder) / str(table.run.values[0]))
    if name := run.info.get("dataset", {}).get("name"):
        table.attrs["dataset"] = name
    if run.last.is_file():
        *_, output = read_checkpoint(run.last)["populations"].children.values()
        table.attrs["n_output"] = output.sizes["neuron"]
    return xr.DataTree.from_dict({"sweep": table})


def write_sweep(folder: Path, rows: Iterable[Mapping[str, Any]], *, several_methods: bool = False) -> None:
    """Write the table of a sweep atomically, in grid order; a row is one finished run, keyed by the columns.

    With ``several_methods`` it says of each the method, and where they differ.
    """
    ordered = sorted(rows, key=_place)
    named = several_methods or len({row.get("method") for row in ordered}) > 1
    optional = {name for name in OPTIONAL_OF_SWEEPS if any(name in row for row in ordered)} - {"method"}
    there = [name for name in SWEEP if name not in OPTIONAL_OF_SWEEPS or name in optional or (named and name == "method")]
    write_table(folder / TABLE, pd.DataFrame(ordered, columns=["run", *there]))


def _place(row: Mapping[str, Any]) -> list[Any]:
    """Where a line stands in the grid."""
    chosen = [choices.index(row[name]) for name, choices in _CHOICES.items()]
    return [row.get("method", ""), *chosen, row["sparsity"], row.get("n_hidden", 0), row["seed"]]


def _require_columns(table: pd.DataFrame, path: Path) -> None:
    """Raise `BadInput` unless every column is there, of its kind and without gaps; ``seconds`` may have some, and those
    that not all methods have.
    """
    wanted = {name: variable.kind for name, variable in SWEEP.items() if name in table or name not in OPTIONAL_OF_SWEEPS}
    for name, kind in {"run": "U", **wanted}.items():
        _, readable, what = _KINDS[kind]
        gaps = name in table and name != "seconds" and name not in OPTIONAL_OF_SWEEPS and table[name].isna().any()
        if name not in table or table[name].dtype.kind not in readable or gaps:
            raise BadInput(f"{path} has no whole column of {what} {name!r}; {_REMEDY}.")
    for name, choices in _CHOICES.items():
        unknown = set(table[name]) - set(choices)
        if unknown:
            raise BadInput(f"{path} has {name} {unknown.pop()!r}; expected one of {', '.join(choices)}.")
    if not table["sparsity"].between(0, 1).all():
        raise BadInput(f"{path} has a sparsity outside 0 to 1; {_REMEDY}.")
    for name, what in (("n_hidden", "hidden neurons"), ("n_parameters", "anything that is learned")):
        if name in table and not table[name].dropna().between(1, 2**53).all():
            raise BadInput(f"{path} has a network without {what}; {_REMEDY}.")
