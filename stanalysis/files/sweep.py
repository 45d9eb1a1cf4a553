"""A sweep: one run for each point of a grid {connectivity} × {delays} × sparsities × seeds, as a folder.

::

    sweep.csv      one line per finished run, columns of `stanalysis.schema.network.SWEEP`, and ``run``, the name of the folder
    <run>/         a run folder, as `stanalysis.files.run` describes it
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import t as student_t

from stanalysis.errors import BadInput
from stanalysis.schema.network import SWEEP
from stanalysis.schema.statistics import ACCURACIES
from stanalysis.schema.variables import labelled

TABLE = "sweep.csv"
GRID = ["connectivity", "delays", "sparsity"]
SELECTIONS = ["last", "best"]  # the epoch whose accuracy counts: the last, or the best on validation
LEVEL = 0.95  # of the interval of a mean
_CHOICES = {"connectivity": ("fixed", "rewired"), "delays": ("fixed", "learned")}
_KINDS = {"f": (np.float64, "if", "numbers"), "i": (np.int64, "i", "whole numbers"), "U": (np.str_, "O", "text")}


def is_sweep(path: Path) -> bool:
    """Whether the folder is a sweep, and not a single run."""
    return (path / TABLE).is_file()


def read_sweep(folder: Path | str) -> xr.Dataset:
    """Load the table of a sweep, one row per finished run; `BadInput` says what is wrong with a damaged one.

    Returns
    -------
    xarray.Dataset
        The columns of SWEEP, dim run; coordinate ``run``, the name of the run folder. Other columns are left out.
    """
    path = Path(folder) / TABLE
    if not path.is_file():
        raise BadInput(f"{folder} is no sweep folder: it holds no {TABLE}; give the folder of a sweep with a finished run.")
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(("run", *_CHOICES), str), float_precision="round_trip")
    except ValueError as error:
        raise BadInput(f"{path} cannot be read as a table; restore it, or run the sweep anew.") from error
    if table.empty:
        raise BadInput(f"{path} lists no finished run yet; go on with the sweep.")
    _require_columns(table, path)
    if table["run"].duplicated().any():
        raise BadInput(f"{path} lists the run {table.loc[table['run'].duplicated(), 'run'].iloc[0]} twice; remove one line.")
    columns = {name: table[name].to_numpy(_KINDS[variable.kind][0]) for name, variable in SWEEP.items()}
    return labelled(SWEEP, **columns).assign_coords(run=table["run"].to_numpy(np.str_))


def _require_columns(table: pd.DataFrame, path: Path) -> None:
    """Raise `BadInput` unless every column is there, of its kind and without gaps; only ``seconds`` may have some."""
    for name, kind in {"run": "U", **{name: variable.kind for name, variable in SWEEP.items()}}.items():
        _, readable, what = _KINDS[kind]
        gaps = name in table and name != "seconds" and table[name].isna().any()
        if name not in table or table[name].dtype.kind not in readable or gaps:
            raise BadInput(f"{path} has no whole column of {what} {name!r}; restore it, or run the sweep anew.")
    for name, choices in _CHOICES.items():
        unknown = set(table[name]) - set(choices)
        if unknown:
            raise BadInput(f"{path} has {name} {unknown.pop()!r}; expected one of {', '.join(choices)}.")
    if not table["sparsity"].between(0, 1).all():
        raise BadInput(f"{path} has a sparsity outside 0 to 1; restore it, or run the sweep anew.")


def accuracy_by_sparsity(sweep: xr.Dataset) -> xr.Dataset:
    r"""Test accuracy at every point of the grid: its mean over seeds, and how sure that mean is.

    .. math:: \bar x \pm t_{0.975,\,n-1} \, s / \sqrt{n}

    over the n seeds of a grid point, with s their standard deviation. Seeds are the replicates.

    Parameters
    ----------
    sweep
        As `read_sweep` gives it; with the attribute ``n_output``, the neurons of the output population, chance is known.

    Returns
    -------
    xarray.Dataset
        ``mean``, ``lower`` and ``upper`` (selection, connectivity, delays, sparsity): the selection "last" is the accuracy
        after the last epoch, "best" after the epoch best on validation; ``accuracy``, the same of each network, with a dim
        seed; ``n_seeds`` (connectivity, delays, sparsity); ``n_synapses``, ``n_input_synapses`` and ``in_degree`` (sparsity),
        means over all networks of that sparsity; ``chance``, one of the output neurons at random. A grid point without a
        finished run is NaN; the interval is NaN with one seed, and may reach beyond 0 or 1.

    Notes
    -----
    The interval is `scipy.stats.t.interval`. It takes the seeds' accuracies for normal, each grid point by itself: it says
    how far the mean of so many other seeds may lie, not whether two grid points differ, which share their seeds.

    Examples
    --------
    >>> sweep = pd.DataFrame({
    ...     "connectivity": "rewired", "delays": "learned", "sparsity": [0.5, 0.5, 0.5, 0.9], "seed": [0, 1, 2, 0],
    ...     "last_test_accuracy": [0.7, 0.8, 0.9, 0.6], "best_test_accuracy": [0.8, 0.8, 0.9, 0.6],
    ...     "n_synapses": [50, 50, 50, 10], "n_input_synapses": [40, 40, 40, 8], "in_degree": [10, 10, 10, 2],
    ... }).rename_axis("run").to_xarray()
    >>> last = accuracy_by_sparsity(sweep).sel(selection="last").squeeze()
    >>> last["mean"].round(3).values, last.lower.round(3).values, last.upper.round(3).values
    (array([0.8, 0.6]), array([0.552,   nan]), array([1.048,   nan]))
    """
    key = [*GRID, "seed"]
    table = sweep.to_dataframe().reset_index().sort_values(key, kind="stable")
    if table.duplicated(key).any():
        twice = table[table.duplicated(key)].iloc[0]
        raise BadInput(
            f"The sweep holds seed {twice['seed']} twice for connectivity {twice['connectivity']}, delays {twice['delays']}, "
            f"sparsity {twice['sparsity']:g}; seeds are replicates, so give each once."
        )
    cube = (
        table.set_index(key)[[f"{selection}_test_accuracy" for selection in SELECTIONS]].to_xarray().to_dataarray("selection")
    )
    cube = cube.assign_coords(selection=SELECTIONS).transpose("selection", *key)
    n = cube.isel(selection=0, drop=True).count("seed")
    mean, freedom = cube.mean("seed"), (n - 1).where(n > 1)
    error = np.sqrt(((cube - mean) ** 2).sum("seed") / freedom / n)
    half = error * student_t.ppf((1 + LEVEL) / 2, freedom)
    per_sparsity = table.groupby("sparsity")[["n_synapses", "n_input_synapses", "in_degree"]].mean()
    chance = 1 / sweep.attrs["n_output"] if "n_output" in sweep.attrs else np.nan
    accuracies = labelled(
        ACCURACIES,
        accuracy=cube,
        mean=mean,
        lower=mean - half,
        upper=mean + half,
        n_seeds=n,
        **{str(name): per_sparsity[name].to_numpy(np.float64) for name in per_sparsity},
        chance=chance,
    )
    return accuracies.assign_attrs(sweep.attrs)
