"""Weights and delays as arrays -> synapse tables and checkpoints."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from stanalysis.checkpoint import UNKNOWN_SEED, checkpoint_tree, population, projection
from stanalysis.errors import BadInput

ROUNDING_ERROR = 1e-6  # of a delay, for files in float32


def dense_projection(
    weight: NDArray,
    delay: NDArray,
    *,
    delay_max: float,
    rounding: str,
    present: NDArray | None = None,
    sigma: NDArray | None = None,
    delay_kind: str = "synaptic",
) -> xr.Dataset:
    """Synapse table of arrays, in the order of target, source, contact.

    Parameters
    ----------
    weight
        Signed weight (target, source) or (target, source, contact).
    delay
        Delay in ms, broadcast to the shape of ``weight``.
    delay_max
        Longest possible delay in ms.
    rounding
        How the network rounds delays to steps when deployed: one of `stanalysis.checkpoint.ROUNDINGS`.
    present
        Where there is a synapse, broadcast likewise; by default everywhere, for zero is a weight.
    sigma
        Spread of the training kernel in ms, broadcast likewise.
    delay_kind
        ``synaptic``, ``axonal`` (one delay per source) or ``dendritic`` (per target).
    """
    shape = weight.shape
    rows = np.nonzero(np.broadcast_to(True if present is None else present, shape))
    columns: dict[str, NDArray] = {"source": rows[1].astype(np.int32), "target": rows[0].astype(np.int32)}
    columns |= {"delay": within(np.broadcast_to(delay, shape)[rows].astype(np.float64), delay_max)}
    columns |= {"weight": weight[rows].astype(np.float64 if weight.dtype == np.float64 else np.float32)}
    if weight.ndim == 3 and shape[2] > 1:
        columns["contact"] = rows[2].astype(np.int32)
    if sigma is not None:
        columns["sigma"] = np.broadcast_to(sigma, shape)[rows].astype(np.float64)
    return projection(
        n_source=shape[1], n_target=shape[0], delay_max=delay_max, rounding=rounding, delay_kind=delay_kind, **columns
    )


def within(delay: NDArray[np.float64], delay_max: float) -> NDArray[np.float64]:
    """Delays in ms, those put back that miss 0 or ``delay_max`` by the rounding of their file; `BadInput` beyond."""
    if not np.isfinite(delay).all():
        raise BadInput("The file has delays that are not finite; they cannot be shown, mend the file.")
    slack = ROUNDING_ERROR * (1 + delay_max)
    if delay.size and (delay.min() < -slack or delay.max() > delay_max + slack):
        raise BadInput(
            f"The delays run from {delay.min():g} to {delay.max():g} ms, beyond 0 to {delay_max:g} ms; give the longest delay "
            "and the padding that the network was trained with."
        )
    return delay.clip(0, delay_max)


def population_name(name: str) -> str:
    """A foreign name as that of a population: without what separates names of ours (__ and /), or cannot stand in a path."""
    printable = "".join(letter for letter in name.replace("/", ".") if letter.isprintable())
    return re.sub(r"_{2,}", "_", printable).strip("_.") or "population"


def network_tree(
    projections: Mapping[tuple[str, str], xr.Dataset],
    *,
    populations: Mapping[str, xr.Dataset] | None = None,
    reader: str,
    framework: str,
    dt: float,
    step: int,
    epoch: int | None = None,
    seed: int = UNKNOWN_SEED,
    files: Iterable[Path] = (),
) -> xr.DataTree:
    """A checkpoint of a foreign network.

    Parameters
    ----------
    projections
        Synapse tables by (source population, target population); the sizes of the populations are theirs.
    populations
        Tables of populations of whose neurons more is known than their number.
    reader, framework
        Who read it, and whose format it is.
    dt
        Time step in ms.
    step
        Step of training; where a format counts epochs, their number.
    epoch
        Epochs of training, where they are known.
    seed
        Seed of the training, where known.
    files
        What it was read from: names and a hash are kept.
    """
    if not projections:
        raise BadInput("The network has no projection with weights and delays; there is nothing to analyse.")
    sizes: dict[str, int] = {}
    for pair, table in projections.items():
        for name, n in zip(pair, (int(table.attrs["n_source"]), int(table.attrs["n_target"])), strict=True):
            if sizes.setdefault(name, n) != n:
                raise BadInput(f"The population {name!r} has {sizes[name]} neurons in one projection and {n} in another.")
    tables = {name: population(n) for name, n in sizes.items()} | dict(populations or {})
    paths = list(files)
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    tree = checkpoint_tree(
        populations=tables,
        projections=projections,
        framework=framework,
        method=framework,
        reader=reader,
        dataset="",
        dt=float(dt),
        step=step,
        seed=seed,
    )
    if epoch is not None:
        tree.attrs["epoch"] = epoch
    if paths:
        tree.attrs |= {"source_file": ", ".join(path.name for path in paths), "sha256": digest.hexdigest()}
    return tree


def from_arrays(
    weight: ArrayLike | Mapping[tuple[str, str], ArrayLike],
    delay: ArrayLike | Mapping[tuple[str, str], ArrayLike],
    *,
    dt: float,
    max_delay: float | None = None,
    present: ArrayLike | Mapping[tuple[str, str], ArrayLike] | None = None,
    rounding: str = "none",
    step: int = 1,
    seed: int = UNKNOWN_SEED,
) -> xr.DataTree:
    """A checkpoint of weights and delays that are at hand as arrays.

    Parameters
    ----------
    weight
        Signed weights (target, source) or (target, source, contact). A mapping by (source population, target population)
        gives several projections; a single array is that of ("input", "hidden1").
    delay
        Delays in ms, of a shape that broadcasts to that of the weights: (target, source), (target, source, contact), or with
        1 for an axis along which delays do not differ: (1, source) or (source,) axonal, (target, 1) dendritic delays.
    dt
        Time step of the network in ms: the width of a bin of its receptive fields.
    max_delay
        Longest possible delay in ms; by default the longest there is, rounded up to whole steps.
    present
        Where there is a synapse; by default everywhere, for zero is a weight. ``weight != 0`` leaves zeros out.
    rounding
        How the network rounds delays to steps: ``"half even"``, ``"half up"``, ``"floor"``, or ``"none"``.
    step, seed
        Step and seed of the training, where known.

    Raises
    ------
    BadInput
        Shapes that do not fit, delays that are negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> weight, delay = rng.normal(size=(8, 40)), rng.uniform(0, 30, size=(8, 40))
    >>> checkpoint = from_arrays(weight, delay, dt=1.0, max_delay=30.0)
    >>> from stanalysis.receptive_field import receptive_fields
    >>> dict(receptive_fields(checkpoint, "input__hidden1").receptive_field.sizes)
    {'step': 1, 'target': 8, 'source': 40, 'delay': 31}
    """
    if not (np.isfinite(dt) and dt > 0):
        raise BadInput(f"dt is {dt}; give the time step in ms, above 0.")
    one = ("input", "hidden1")
    weights = dict(weight) if isinstance(weight, Mapping) else {one: weight}
    delays = dict(delay) if isinstance(delay, Mapping) else {one: delay}
    masks = dict(present) if isinstance(present, Mapping) else {one: present}
    if weights.keys() != delays.keys():
        raise BadInput("Weights and delays are of different projections; give both of each.")
    if extra := [pair for pair, mask in masks.items() if mask is not None and pair not in weights]:
        raise BadInput(f"'present' is of {extra[0]}, of which there are no weights; name the projections alike.")
    tables = {}
    for pair, values in weights.items():
        if not (isinstance(pair, tuple) and len(pair) == 2 and all(population_name(str(name)) == name for name in pair)):
            raise BadInput(f"{pair!r} is no pair of names of populations; use names without '__' and '/'.")
        w, d, mask = np.asarray(values, float), np.asarray(delays[pair], float), masks.get(pair)
        where = "" if mask is None else f", 'present' {np.shape(mask)}"
        try:
            if w.ndim not in (2, 3) or not w.size:
                raise ValueError
            d = d[None] if d.ndim == 1 else d
            if w.ndim == 3 and d.ndim == 2:
                d = d[..., None]
            mask = None if mask is None else np.broadcast_to(np.asarray(mask, bool), w.shape)
            spread = np.broadcast_to(d, w.shape)
        except ValueError as error:
            raise BadInput(
                f"The weights have the shape {w.shape}, the delays {d.shape}{where}; give weights (target, source) or "
                "(target, source, contact) and delays that broadcast to them."
            ) from error
        there = spread if mask is None else spread[mask]
        longest = float(there.max(initial=0.0))
        delay_max = max_delay if max_delay is not None else float(np.ceil(longest / dt - ROUNDING_ERROR) * dt)
        tables[pair] = dense_projection(w, d, delay_max=delay_max, rounding=rounding, present=mask, delay_kind=delay_kind(d, w))
    return network_tree(tables, reader="from_arrays", framework="arrays", dt=dt, step=step, seed=seed)


def delay_kind(delay: NDArray, weight: NDArray) -> str:
    """``axonal`` or ``dendritic`` where delays do not differ along an axis of the weights, by shape, else ``synaptic``."""
    if delay.ndim < 2 or (delay.shape[0] == 1 and weight.shape[0] > 1):
        return "axonal"
    return "dendritic" if delay.shape[1] == 1 and weight.shape[1] > 1 else "synaptic"
