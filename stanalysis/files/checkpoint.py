"""The checkpoint: one network at one step of its training, as a file.

A netCDF-4 file, in memory an `xarray.DataTree`::

    /                                attrs: schema_version, framework, method, dataset, dt [ms], step, epoch, seed, config, …
    /metrics                         loss and accuracy at this step
    /populations/<name>              dim neuron
    /projections/<source>__<target>  dim synapse; attrs n_source, n_target, delay_kind, delay_max [ms], rounding
    /trainer_state                   what a trainer needs to go on; nobody else reads it

An absent synapse is an absent row: zero is a weight.

``dt`` is the resolution at which the network deploys its delays: the longest of each projection is a whole number of them. It
is 0 where delays are continuous; ``rounding`` is "none" in every projection then, and the longest delay any number.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.atomic import write_bytes
from stanalysis.files.kinds import TEXT, number, one_of, require_kinds, whole
from stanalysis.files.netcdf import netcdf_bytes, read_tree
from stanalysis.schema.network import METRICS, POPULATION, REQUIRED_OF_SYNAPSES, SYNAPSES
from stanalysis.schema.variables import labelled, validate

SCHEMA_VERSION = 1
ROUNDINGS = ("half even", "half odd", "half up", "floor", "none")
DELAY_KINDS = ("synaptic", "axonal", "dendritic")
UNKNOWN_SEED = -1  # of a network trained elsewhere
REQUIRED_ATTRS = ("schema_version", "framework", "method", "dt", "step", "seed")
ATTRS = {
    **dict.fromkeys(("framework", "method", "dataset", "source_file", "sha256", "reader", "config", "versions"), TEXT),
    "dt": number(0),
    "step": whole(0),
    "epoch": number(0),
    "seed": whole(UNKNOWN_SEED),
}
ATTRS_OF_PROJECTION = {
    "n_source": whole(1),
    "n_target": whole(1),
    "delay_kind": one_of(*DELAY_KINDS),
    "delay_max": number(0),
    "rounding": one_of(*ROUNDINGS),
}
_SMALLEST_DT = 1e-12  # ms, but for 0
_MOST_BINS = 2**31  # of delays
_REMEDY = "convert or train it anew"


def projection(
    *,
    n_source: int,
    n_target: int,
    delay_max: float,
    rounding: str,
    delay_kind: str = "synaptic",
    **columns: NDArray[np.generic],
) -> xr.Dataset:
    """Synapse table of one projection: columns ``source``, ``target``, ``delay`` [ms], ``weight`` and optional ones."""
    table = labelled(SYNAPSES, **columns)
    return table.assign_attrs(
        n_source=n_source, n_target=n_target, delay_max=delay_max, rounding=rounding, delay_kind=delay_kind
    )


def population(n: int, **columns: NDArray[np.generic]) -> xr.Dataset:
    """Table of the ``n`` neurons of one population, dim neuron: columns as in `schema.network.POPULATION`."""
    return labelled(POPULATION, **columns).assign_coords(neuron=np.arange(n))


def checkpoint_tree(
    *,
    populations: Mapping[str, xr.Dataset],
    projections: Mapping[tuple[str, str], xr.Dataset],
    metrics: Mapping[str, float] | None = None,
    trainer_state: Mapping[str, NDArray[np.generic]] | None = None,
    **attrs: str | float,
) -> xr.DataTree:
    """Put a checkpoint together and validate it.

    Parameters
    ----------
    projections
        Keyed by (source population, target population).
    attrs
        At least ``framework``, ``method``, ``dt`` [ms; 0 where delays are continuous], ``step`` and ``seed`` (-1 where it is
        not known).
    """
    groups: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs={"schema_version": SCHEMA_VERSION, **attrs})}
    groups["/metrics"] = labelled(METRICS, **(metrics or {}))
    groups |= {f"/populations/{name}": table for name, table in populations.items()}
    groups |= {f"/projections/{source}__{target}": table for (source, target), table in projections.items()}
    # dims of the trainer's arrays are named by axis and size, for they mean nothing to anybody else
    state = {name: ([f"axis{k}_{n}" for k, n in enumerate(a.shape)], a) for name, a in (trainer_state or {}).items()}
    groups["/trainer_state"] = xr.Dataset(state)
    tree = xr.DataTree.from_dict(groups)
    validate_checkpoint(tree)
    return tree


def validate_checkpoint(tree: xr.DataTree, *, where: str = "the checkpoint") -> None:
    """Raise `BadInput`, saying what is wrong, unless ``tree`` is a checkpoint of this schema."""
    require_kinds(tree.attrs, {"schema_version": whole()}, required=REQUIRED_ATTRS, where=where, remedy=_REMEDY)
    if tree.attrs["schema_version"] != SCHEMA_VERSION:
        raise BadInput(
            f"{where} has schema version {tree.attrs['schema_version']}, this program reads {SCHEMA_VERSION}; "
            "use the version of the program that wrote it."
        )
    require_kinds(tree.attrs, ATTRS, where=where, remedy=_REMEDY)
    for group in ("populations", "projections"):
        if group not in tree.children or not tree[group].children:
            raise BadInput(f"{where} is no checkpoint: its group /{group} is missing or empty.")
    for name, node in tree["populations"].children.items():
        here = f"/populations/{name} of {where}"
        validate(node.to_dataset(), POPULATION, where=here)
        if "neuron" not in node.sizes:
            raise BadInput(f"{here} has no dim 'neuron', which tells its size; {_REMEDY}.")
    for name, node in tree["projections"].children.items():
        _validate_projection(node.to_dataset(), name, tree, where)
    _validate_metrics(tree, where)


def _validate_metrics(tree: xr.DataTree, where: str) -> None:
    if "metrics" not in tree.children:
        raise BadInput(f"{where} is no checkpoint: its group /metrics is missing.")
    metrics, here = tree["metrics"].to_dataset(), f"/metrics of {where}"
    validate(metrics, METRICS, where=here)
    for name, value in metrics.variables.items():
        if value.dims or value.dtype.kind not in "fiu":
            raise BadInput(f"{here} has {name!r}, which is no single number; {_REMEDY}.")


def _validate_projection(table: xr.Dataset, name: str, tree: xr.DataTree, where: str) -> None:
    here = f"/projections/{name} of {where}"
    validate(table, SYNAPSES, required=REQUIRED_OF_SYNAPSES, where=here)
    require_kinds(table.attrs, ATTRS_OF_PROJECTION, required=ATTRS_OF_PROJECTION, where=here, remedy=_REMEDY)
    _require_ends(table, name, tree, here)
    require_resolution(table.attrs, tree.attrs["dt"], where=here)
    delay = table["delay"].values
    if not (np.isfinite(delay).all() and (delay >= 0).all() and (delay <= table.attrs["delay_max"] * (1 + 1e-6)).all()):
        raise BadInput(f"{here} has delays outside 0 to {table.attrs['delay_max']} ms, or not finite; mend the file.")
    if "sigma" in table and not (table["sigma"].values >= 0).all():
        raise BadInput(f"{here} has a sigma that is negative or no number; mend the file.")


def _require_ends(table: xr.Dataset, name: str, tree: xr.DataTree, here: str) -> None:
    """Raise `BadInput` unless the synapses join neurons of two populations that there are."""
    if name.count("__") != 1:
        raise BadInput(f"{here} is not named <source>__<target>, by two populations; {_REMEDY}.")
    for end, population_name in zip(("source", "target"), name.split("__"), strict=True):
        n = table.attrs[f"n_{end}"]
        if population_name not in tree["populations"].children:
            raise BadInput(f"{here} names the population {population_name!r}, which /populations does not hold.")
        size = tree[f"populations/{population_name}"].sizes["neuron"]
        if size != n:
            raise BadInput(f"{here} says n_{end} = {n}, but the population {population_name!r} has {size} neurons.")
        index = table[end].values
        if index.size and not (index.min() >= 0 and index.max() < n):
            raise BadInput(f"{here} has {end} indices from {index.min()} to {index.max()}; expected 0 to {n - 1}.")


def require_resolution(attrs: Mapping[Any, Any], dt: float, *, where: str) -> None:
    """Raise `BadInput` unless the longest delay of a projection is a whole number of time steps, and not of too many.

    Where ``dt`` is 0 delays are continuous, and nothing may round them.
    """
    delay_max, rounding = attrs["delay_max"], attrs["rounding"]
    if dt == 0:
        if rounding != "none":
            raise BadInput(
                f"{where} rounds its delays ({rounding}), but dt = {dt} says that they are continuous; give the dt to which "
                "they are rounded, or the rounding 'none'."
            )
        return
    if dt < _SMALLEST_DT:
        raise BadInput(f"{where} has dt = {dt} ms; give at least {_SMALLEST_DT:g} ms, or 0 where delays are continuous.")
    bins = float(delay_max) / float(dt)
    if not bins < _MOST_BINS:
        raise BadInput(f"{where} has delay_max {delay_max} ms, too many steps of dt = {dt} ms; mend the file.")
    if abs(bins - round(bins)) > 1e-6 * max(bins, 1):
        raise BadInput(
            f"{where} has delay_max {delay_max} ms, no multiple of dt = {dt} ms; give a multiple, or dt = 0 if delays are "
            "continuous."
        )


def checkpoint_bytes(tree: xr.DataTree) -> bytes:
    """The content of a checkpoint file, to write the same network under several names."""
    return netcdf_bytes(tree)


def write_checkpoint(tree: xr.DataTree, path: Path | str) -> None:
    """Write a checkpoint file atomically."""
    write_bytes(Path(path), checkpoint_bytes(tree))


def read_checkpoint(path: Path | str, *, trainer_state: bool = True) -> xr.DataTree:
    """Load and validate a checkpoint file, with what a trainer needs to go on or without it; `BadInput` says what is wrong with
    one that is none.
    """
    tree = read_tree(Path(path), "a checkpoint (.nc)", without=() if trainer_state else ("trainer_state",))
    validate_checkpoint(tree, where=str(path))
    return tree
