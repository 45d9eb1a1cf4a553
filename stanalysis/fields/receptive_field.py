r"""Weight-delay receptive fields: where each neuron listens, on the plane of source × delay.

Two kernels never mix silently. ``deployed``: each delay in its bin, rounded as the network does after training; this is
what the network computes. ``training``: each synapse spread over bins n by the Gaussian it is trained with,

.. math:: w\, g_n / (\sum_m g_m + 10^{-7}), \qquad g_n = \exp(-(n - d)^2 / 2 \sigma^2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.fields.delay_bins import bins_of_projection
from stanalysis.files.opening import Checkpoint, opened_series
from stanalysis.schema.network import RECEPTIVE_FIELD
from stanalysis.schema.variables import labelled

Kernel = Literal["deployed", "training"]
CONTACTS = ("contact_field", "contact_present")
SHARED = "cells_shared"  # attribute of `contact_present`: whether any two synapses of the projection are in one cell
FLOOR = 1e-7  # DCLS adds it to the sum of a kernel's taps; taps below it count as absent


def receptive_fields(
    checkpoints: Checkpoint | Iterable[Checkpoint],
    projection: str,
    *,
    kernel: Kernel = "deployed",
    fold_gain: bool = False,
    bin_width: float | None = None,
    targets: Sequence[int] | None = None,
) -> xr.Dataset:
    """Receptive fields of all targets of a projection, at one or more steps of one network.

    Parameters
    ----------
    checkpoints
        Checkpoints of one network, as `stanalysis.read_checkpoint` gives them, or paths to them; or a run, or its folder:
        the best and all that it kept.
    projection
        Its name, ``<source>__<target>``.
    kernel
        ``deployed`` or ``training``; written to the attribute ``kernel``.
    fold_gain
        Multiply each weight by the gain of the target's normalisation, divided by the running standard deviation: the
        effective weight, in units of threshold once the running moments have settled (they start at 0 and 1, so that
        the first 20 steps or so cannot be compared). A negative gain flips excitation and inhibition of the whole neuron.
    bin_width
        Width of a bin of delay in ms; by default the time step of the network. Needed where delays are continuous (``dt`` 0).
    targets
        Only of these neurons, by their indices: a whole projection of many channels and long delays may not fit into memory.

    Returns
    -------
    xarray.Dataset
        ``receptive_field`` (step, target, source, delay), 0 where there is no synapse; ``present`` (same dims), whether
        one is there, for zero is a weight; ``n_synapses`` (step, target); with several synapses per pair also
        ``contact_field`` and ``contact_present`` (step, target, contact, source, delay), the deployed ones apart, the latter
        with the attribute ``cells_shared``, whether any two synapses of the projection are in one cell. The
        coordinate ``delay`` is in ms; ``frequency`` (source) in Hz where known. Synapses of one pair in one bin add up.
        With ``rounding`` "none" the network keeps continuous delays, and the field shows each in its nearest bin; so it does
        where the bins are not the time steps.

    Examples
    --------
    >>> from stanalysis.synthetic.network import small_network
    >>> fields = receptive_fields(small_network(), "input__hidden1")
    >>> dict(fields.receptive_field.sizes)
    {'step': 1, 'target': 4, 'source': 6, 'delay': 5}
    """
    trees = opened_series(checkpoints)
    tables = [_synapses(tree, projection) for tree in trees]
    n_contact = max(int(contact_index(table).max(initial=0)) + 1 for table in tables)
    fields = [
        _fields_of_checkpoint(tree, table, projection, kernel, fold_gain, n_contact, bin_width, targets)
        for tree, table in zip(trees, tables, strict=True)
    ]
    for other in fields[1:]:
        if not all(other[dim].equals(fields[0][dim]) for dim in ("target", "source", "delay")):
            raise BadInput(
                f"The projection {projection} differs in size or delay range between the given checkpoints; "
                "give checkpoints of one network."
            )
    if len(fields) == 1:  # which may be large: nothing to copy
        return fields[0]
    together = xr.concat(fields, "step", combine_attrs="override", join="exact")
    if CONTACTS[1] in together:
        shared = max(each[CONTACTS[1]].attrs[SHARED] for each in fields)
        together[CONTACTS[1]] = together[CONTACTS[1]].assign_attrs({SHARED: shared})
    return together


def _synapses(tree: xr.DataTree, projection: str) -> xr.Dataset:
    if projection not in tree["projections"].children:
        names = ", ".join(tree["projections"].children)
        raise BadInput(f"The checkpoint has no projection {projection!r}; it has {names}.")
    return tree[f"projections/{projection}"].to_dataset()


def _fields_of_checkpoint(
    tree: xr.DataTree,
    table: xr.Dataset,
    projection: str,
    kernel: Kernel,
    fold_gain: bool,
    n_contact: int,
    bin_width: float | None,
    targets: Sequence[int] | None,
) -> xr.Dataset:
    source, target = (tree[f"populations/{name}"].to_dataset() for name in projection.split("__"))
    if fold_gain and "gain" in target:
        scale = target.gain / np.sqrt(target.variance) if "variance" in target else target.gain
        table = table.assign(weight=table.weight.copy(data=table.weight.values * scale.values[table.target.values]))
    dt = float(tree.attrs["dt"])
    fields = fields_of_synapses(table, dt=dt, kernel=kernel, n_contact=n_contact, bin_width=bin_width, targets=targets)
    fields.attrs |= {"projection": projection, "gain_folded": int(fold_gain)}
    if "frequency" in source:
        fields = fields.assign_coords(frequency=("source", source.frequency.values, source.frequency.attrs))
    return fields.expand_dims(step=[int(tree.attrs["step"])])


def contact_index(synapses: xr.Dataset) -> NDArray[np.intp]:
    """Index of each synapse among those of its pair, in the order of the table."""
    pair = synapses.target.values.astype(np.int64) * int(synapses.attrs["n_source"]) + synapses.source.values
    order = np.argsort(pair, kind="stable")
    first = np.searchsorted(pair[order], pair[order])
    index = np.empty(len(pair), np.intp)
    index[order] = np.arange(len(pair)) - first
    return index


def some_share_a_cell(target: NDArray[np.integer], source: NDArray[np.integer], at: NDArray[np.integer]) -> bool:
    """Whether any two synapses, by target, source and bin, are in one cell."""
    order = np.lexsort((at, source, target))
    same = [np.diff(column[order]) == 0 for column in (target, source, at)]
    return bool(np.logical_and.reduce(same).any())


def fields_of_synapses(
    synapses: xr.Dataset,
    *,
    dt: float,
    kernel: Kernel = "deployed",
    n_contact: int = 1,
    bin_width: float | None = None,
    targets: Sequence[int] | None = None,
) -> xr.Dataset:
    """Receptive fields (target, source, delay) of a synapse table with the attributes of a projection; ``dt`` in ms.

    With ``n_contact`` above 1 the deployed synapses of a pair are also given one by one. ``bin_width`` and ``targets`` as for
    `receptive_fields`.
    """
    bins = bins_of_projection(synapses.attrs, dt=dt, width=bin_width)
    contact = contact_index(synapses) if n_contact > 1 else np.zeros(synapses.sizes["synapse"], np.intp)
    chosen = np.arange(int(synapses.attrs["n_target"])) if targets is None else np.asarray(targets, np.intp)
    shared = n_contact > 1 and some_share_a_cell(synapses.target.values, synapses.source.values, bins.of(synapses.delay.values))
    place, target = np.full(int(synapses.attrs["n_target"]), -1), synapses.target.values
    place[chosen] = np.arange(chosen.size)
    if targets is not None:
        rows = np.flatnonzero(place[target] >= 0)
        synapses, contact = synapses.isel(synapse=rows), contact[rows]
    shape = (chosen.size, int(synapses.attrs["n_source"]), bins.n)
    target, source = place[synapses.target.values], synapses.source.values
    weight = synapses.weight.values
    field, present = np.zeros(shape, weight.dtype), np.zeros(shape, bool)
    at = bins.of(synapses.delay.values)
    if kernel == "deployed":
        np.add.at(field, (target, source, at), weight)
        present[target, source, at] = True
    elif kernel == "training":
        if "sigma" not in synapses:
            raise BadInput("The synapses have no sigma, so their training kernel is unknown; use the deployed kernel.")
        position, sigma = (synapses[name].values.astype(np.float64) / bins.width for name in ("delay", "sigma"))
        for n, tap in enumerate(_training_taps(position, sigma, at, bins.n)):
            np.add.at(field[:, :, n], (target, source), (weight * tap).astype(weight.dtype))
            present[target[tap > FLOOR], source[tap > FLOOR], n] = True
    else:
        raise BadInput(f"The kernel is {kernel!r}; give 'deployed' or 'training'.")
    contacts = {}
    if n_contact > 1 and kernel == "deployed":
        apart = (target, contact, source, at)
        each = np.zeros((shape[0], n_contact, *shape[1:]), weight.dtype), np.zeros((shape[0], n_contact, *shape[1:]), bool)
        each[0][apart], each[1][apart] = weight, True
        by_contact = ("target", "contact", "source", "delay")
        contacts = {name: xr.DataArray(a, dims=by_contact) for name, a in zip(CONTACTS, each, strict=True)}
        contacts[CONTACTS[1]].attrs[SHARED] = int(shared)
    dims = ("target", "source", "delay")
    coords = {
        "target": chosen,
        "source": np.arange(shape[1]),
        "delay": ("delay", bins.centres, {"units": "ms", "long_name": "delay"}),
    }
    return labelled(
        RECEPTIVE_FIELD,
        receptive_field=xr.DataArray(field, coords, dims, attrs={"kernel": kernel}),
        present=xr.DataArray(present, coords, dims),
        n_synapses=xr.DataArray(np.bincount(target, minlength=shape[0]), dims="target"),
        **contacts,
    ).assign_attrs(kernel=kernel)


def _training_taps(
    position: NDArray[np.float64], sigma: NDArray[np.float64], deployed: NDArray[np.intp], n_bins: int
) -> NDArray[np.float64]:
    """Share of each synapse's weight in each bin, (bin, synapse); without spread it all lies in the deployed bin."""
    bins = np.arange(n_bins)[:, None]
    gaussian = np.exp(-(((bins - position) / np.where(sigma > 0, sigma, 1.0)) ** 2) / 2)
    taps: NDArray[np.float64] = np.where(sigma > 0, gaussian / (gaussian.sum(axis=0) + FLOOR), deployed == bins)
    return taps
