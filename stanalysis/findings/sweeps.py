"""What a sweep found: accuracy at every point of its grid, networks being the replicates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.sweep import GRID
from stanalysis.schema.statistics import ACCURACIES, ACCURACIES_BY_SIZE, SIZES
from stanalysis.schema.variables import labelled
from stanalysis.stats.replicates.effects import errors_over_networks, interval_reach

SELECTIONS = ["last", "best"]  # the epoch whose accuracy counts: the last, or the best on validation
_SYNAPSES = ["n_synapses", "n_input_synapses", "in_degree"]


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
    >>> import pandas as pd
    >>> sweep = pd.DataFrame({
    ...     "connectivity": "rewired", "delays": "learned", "sparsity": [0.5, 0.5, 0.5, 0.9], "seed": [0, 1, 2, 0],
    ...     "last_test_accuracy": [0.7, 0.8, 0.9, 0.6], "best_test_accuracy": [0.8, 0.8, 0.9, 0.6],
    ...     "n_synapses": [50, 50, 50, 10], "n_input_synapses": [40, 40, 40, 8], "in_degree": [10, 10, 10, 2],
    ... }).rename_axis("run").to_xarray()
    >>> last = accuracy_by_sparsity(sweep).sel(selection="last").squeeze()
    >>> last["mean"].round(3).values, last.lower.round(3).values, last.upper.round(3).values
    (array([0.8, 0.6]), array([0.552,   nan]), array([1.048,   nan]))
    """
    _require_one_method(sweep)
    per_sparsity = sweep[["sparsity", *_SYNAPSES]].to_dataframe().groupby("sparsity")[_SYNAPSES].mean()
    accuracies = labelled(
        ACCURACIES,
        **_over_seeds(sweep, GRID),
        **{name: per_sparsity[name].to_numpy(np.float64) for name in _SYNAPSES},
        chance=_chance(sweep),
    )
    return accuracies.assign_attrs(sweep.attrs)


def accuracy_by_size(sweep: xr.Dataset) -> xr.Dataset:
    """Test accuracy over hidden sizes, with and without delays: its mean over seeds, and how sure that mean is.

    Parameters
    ----------
    sweep
        As `read_sweep` gives it, of networks whose hidden sizes differ; with the attribute ``n_output``, the neurons of the
        output population, chance is known.

    Returns
    -------
    xarray.Dataset
        As of `accuracy_by_sparsity`, with ``n_hidden``, the hidden neurons, instead of the sparsity: ``mean``, ``lower`` and
        ``upper`` (selection, connectivity, delays, n_hidden); ``accuracy``, with a dim seed; ``n_seeds``; ``n_parameters``
        (connectivity, delays, n_hidden), where the sweep tells it; ``chance``. The connectivity is feedforward or recurrent,
        the delays are none, fixed or learned, or learned of synapses, axons or dendrites. The interval, and what it does not
        say, are the same.

    Examples
    --------
    >>> import pandas as pd
    >>> sweep = pd.DataFrame({
    ...     "connectivity": "recurrent", "delays": "none", "n_hidden": [8.0, 8.0, 16.0], "seed": [0, 1, 0],
    ...     "last_test_accuracy": [0.6, 0.8, 0.9], "best_test_accuracy": [0.8, 0.8, 0.9],
    ... }).rename_axis("run").to_xarray()
    >>> last = accuracy_by_size(sweep).sel(selection="last").squeeze()
    >>> last["mean"].round(3).values, last.lower.round(3).values, last.n_seeds.values
    (array([0.7, 0.9]), array([-0.571,    nan]), array([2, 1]))
    """
    _require_one_method(sweep)
    if "n_hidden" not in sweep or sweep.n_hidden.isnull().any():
        raise BadInput("The sweep is not over hidden sizes; give one that is (`stanalysis sweep eventprop` or `delgrad`).")
    parameters = {}
    if "n_parameters" in sweep:
        counts = sweep[[*SIZES, "n_parameters"]].to_dataframe().groupby([*SIZES])["n_parameters"].first()
        parameters["n_parameters"] = counts.to_xarray()
    return labelled(ACCURACIES_BY_SIZE, **_over_seeds(sweep, SIZES), **parameters, chance=_chance(sweep)).assign_attrs(
        sweep.attrs
    )


def _require_one_method(sweep: xr.Dataset) -> None:
    """Raise `BadInput` where several methods stand at one point of a grid, whose accuracies are no replicates."""
    methods = sorted(set(sweep["method"].values.tolist())) if "method" in sweep else []
    if len(methods) > 1:
        raise BadInput(
            f"The sweep is of several methods ({', '.join(methods)}), and accuracies over a grid are of one: choose the runs "
            "of one by the column method of sweep.csv, or train each in a folder of its own."
        )


def _over_seeds(sweep: xr.Dataset, grid: Sequence[str]) -> dict[str, xr.DataArray]:
    """Accuracy at every point of a grid, its mean over seeds with the ends of its interval, and how many seeds."""
    key = [*grid, "seed"]
    columns = [f"{selection}_test_accuracy" for selection in SELECTIONS]
    table = sweep[[*key, *columns]].to_dataframe().reset_index().sort_values(key, kind="stable")
    if table.duplicated(key).any():
        twice = table[table.duplicated(key)].iloc[0]
        where = ", ".join(
            f"{name} {twice[name]:g}" if table[name].dtype.kind == "f" else f"{name} {twice[name]}" for name in grid
        )
        raise BadInput(f"The sweep holds seed {twice['seed']} twice for {where}; seeds are replicates, so give each once.")
    cube = table.set_index(key)[columns].to_xarray().to_dataarray("selection")
    cube = cube.assign_coords(selection=SELECTIONS).transpose("selection", *key)
    n, mean = cube.isel(selection=0, drop=True).count("seed"), cube.mean("seed")
    half = mean.copy(data=interval_reach(*errors_over_networks(cube.transpose("seed", ...).values)))
    return {"accuracy": cube, "mean": mean, "lower": mean - half, "upper": mean + half, "n_seeds": n}


def _chance(sweep: xr.Dataset) -> float:
    return 1 / sweep.attrs["n_output"] if "n_output" in sweep.attrs else np.nan
