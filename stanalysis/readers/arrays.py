"""Weights and delays as arrays -> synapse tables and checkpoints."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from stanalysis.errors import BadInput, printable
from stanalysis.files.checkpoint import UNKNOWN_SEED, checkpoint_tree, population, projection
from stanalysis.files.digest import hash_of
from stanalysis.schema.variables import unmasked

MOST_SYNAPSES = 2**23  # of a projection
MOST_IN_ALL = 2**24
MOST_BINS = 100_000  # of delay
DELAY_ERROR = 1e-6  # of a delay, for files in float32
Masked = np.ma.MaskedArray[Any, Any]
HUGE = np.float64(1e30)  # no weight and no delay; sums and squares of what is less stay finite


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
        How the network rounds delays to steps when deployed: one of `stanalysis.files.checkpoint.ROUNDINGS`.
    present
        Where there is a synapse, broadcast likewise; by default everywhere, for zero is a weight.
    sigma
        Spread of the training kernel in ms, broadcast likewise.
    delay_kind
        ``synaptic``, ``axonal`` (one delay per source) or ``dendritic`` (per target).
    """
    for what, values in (("weights", weight), ("delays", delay), ("values of 'present'", present), ("spreads", sigma)):
        unmasked(values, what)
    shape = weight.shape
    if weight.size > MOST_SYNAPSES:
        raise BadInput(f"A projection has {weight.size} synapses; at most {MOST_SYNAPSES} are read.")
    n_target, n_source, n_contact = (*shape, 1)[:3]
    there = slice(None) if present is None else np.broadcast_to(present, shape).ravel()
    source = np.repeat(np.arange(n_source, dtype=np.int32), n_contact)
    columns: dict[str, NDArray] = {
        "source": np.tile(source, n_target)[there],
        "target": np.repeat(np.arange(n_target, dtype=np.int32), n_source * n_contact)[there],
        "delay": within(np.broadcast_to(delay, shape).ravel()[there].astype(np.float64, copy=False), delay_max),
        "weight": weight.ravel()[there].astype(np.float64 if weight.dtype == np.float64 else np.float32, copy=False),
    }
    if n_contact > 1:
        columns["contact"] = np.tile(np.arange(n_contact, dtype=np.int32), n_target * n_source)[there]
    if sigma is not None:
        columns["sigma"] = np.broadcast_to(sigma, shape).ravel()[there].astype(np.float64)
    return projection(
        n_source=shape[1], n_target=shape[0], delay_max=delay_max, rounding=rounding, delay_kind=delay_kind, **columns
    )


def real_array(value: Any, what: str, *, ndim: int) -> NDArray:
    """``value`` as it is, once it is known to be an array of finite real numbers.

    Parameters
    ----------
    value
        Anything that a file held.
    what
        Its name in the error, the beginning of a sentence in the plural.
    ndim
        How many axes it must have.

    Raises
    ------
    BadInput
        No array, an empty one, one of another shape, of other than real numbers, or with some that are not finite.
    """
    if not isinstance(value, np.ndarray):
        raise BadInput(f"{what} are no array but of the kind {type(value).__name__}; is the file of another format?")
    if value.dtype.kind not in "fiu" or value.dtype.itemsize > 8 or value.ndim != ndim or not value.size:
        raise BadInput(
            f"{what} have the shape {value.shape} and the type {value.dtype}; expected real numbers along {ndim} "
            f"{'axis' if ndim == 1 else 'axes'}, at least one of them."
        )
    with np.errstate(invalid="ignore"):  # signalling NaNs
        finite = (abs(value) < HUGE).all()
    if not finite:
        raise BadInput(f"{what} are not all finite numbers; mend them, or take a checkpoint from before the training diverged.")
    return value


def within(delay: NDArray[np.float64], delay_max: float) -> NDArray[np.float64]:
    """Delays in ms, those put back that miss 0 or ``delay_max`` by the rounding of their file; `BadInput` beyond."""
    if not np.isfinite(delay).all():
        raise BadInput("The file has delays that are not finite; they cannot be shown, mend the file.")
    slack = DELAY_ERROR * (1 + delay_max)
    if delay.min(initial=0) < -slack:
        raise BadInput(f"Some delays are negative, down to {delay.min():g} ms: no synapse acts before its spike; mend them.")
    if delay.max(initial=0) > delay_max + slack:
        raise BadInput(
            f"The delays reach {delay.max():g} ms, beyond the longest possible, {delay_max:g} ms; give a longer one."
        )
    return delay.clip(0, delay_max)


def plane_without_delays(dt: float, max_delay: float | None) -> float:
    """Longest delay in ms where there are no delays: the one given, but a step at least, for a receptive field has two bins."""
    return max(dt, max_delay or 0.0)


def population_name(name: str) -> str:
    """A foreign name as that of a population: letters, digits, dots, hyphens and single underscores.

    Two underscores and slashes separate names of ours; other signs may mean something to a terminal or a file.
    """
    plain = re.sub(r"[^\w.-]", ".", name)
    return re.sub(r"_{2,}", "_", plain).strip("_.") or "population"


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
        Time step in ms; 0 where delays are continuous.
    step
        Step of training; where a format counts epochs, their number.
    epoch
        Epochs of training, where they are known.
    seed
        Seed of the training, where known.
    files
        What it was read from.
    """
    if not projections:
        raise BadInput("The network has no projection with weights and delays; there is nothing to analyse.")
    sizes: dict[str, int] = {}
    for pair, table in projections.items():
        for name, n in zip(pair, (int(table.attrs["n_source"]), int(table.attrs["n_target"])), strict=True):
            if sizes.setdefault(name, n) != n:
                raise BadInput(f"The population {name!r} has {sizes[name]} neurons in one projection and {n} in another.")
    if (n_synapses := sum(table.sizes["synapse"] for table in projections.values())) > MOST_IN_ALL:
        raise BadInput(f"The network has {n_synapses} synapses; at most {MOST_IN_ALL} are read.")
    longest = max(table.attrs["delay_max"] for table in projections.values())
    if dt > 0 and (n_bins := longest / dt) > MOST_BINS:
        raise BadInput(
            f"The longest delay is {n_bins:.3g} time steps; give a longer time step, for at most {MOST_BINS} are read."
        )
    tables = {name: population(n) for name, n in sizes.items()} | dict(populations or {})
    framework, paths = printable(framework), list(files)
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
    tree.attrs |= source_attrs(paths)
    return tree


def source_attrs(paths: Sequence[Path]) -> dict[str, str]:
    """Attributes of a checkpoint that name the files it was read from, with their hash: of several that of their hashes."""
    if not paths:
        return {}
    hashes = [hash_of(path) for path in paths]
    digest = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    return {"source_file": printable(", ".join(path.name for path in paths)), "sha256": digest}


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
        Time step of the network in ms: the width of a bin of its receptive fields. 0 where delays are continuous: a lattice is
        made of them with a declared width of bins only.
    max_delay
        Longest possible delay in ms; by default the longest there is, rounded up to whole steps.
    present
        Where there is a synapse; by default everywhere, for zero is a weight. ``weight != 0`` leaves zeros out. What is
        masked in any of the three, as in `numpy.ma`, is absent, too.
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
    >>> from stanalysis.fields.receptive_field import receptive_fields
    >>> dict(receptive_fields(checkpoint, "input__hidden1").receptive_field.sizes)
    {'step': 1, 'target': 8, 'source': 40, 'delay': 31}
    """
    for name, value, least in (("dt", dt, 0.0), ("max_delay", 0.0 if max_delay is None else max_delay, 0.0)):
        if not isinstance(value, Real) or isinstance(value, bool) or not least <= value < 1e12:
            raise BadInput(f"{name} is {value!r}; give a number of ms of at least {least:g}.")
    for name, number, least in (("step", step, 0), ("seed", seed, UNKNOWN_SEED)):
        if not isinstance(number, int | np.integer) or number < least:
            raise BadInput(f"The {name} is {number!r}; give a whole number of at least {least}.")
    only = ("input", "hidden1")
    weights = dict(weight) if isinstance(weight, Mapping) else {only: weight}
    delays = dict(delay) if isinstance(delay, Mapping) else {only: delay}
    masks = dict(present) if isinstance(present, Mapping) else {only: present}
    if weights.keys() != delays.keys():
        raise BadInput("Weights and delays are of different projections; give both of each.")
    if extra := [pair for pair, mask in masks.items() if mask is not None and pair not in weights]:
        raise BadInput(f"'present' is of {extra[0]}, of which there are no weights; name the projections alike.")
    tables = {}
    for pair, values in weights.items():
        if not (isinstance(pair, tuple) and len(pair) == 2 and all(population_name(str(name)) == name for name in pair)):
            raise BadInput(f"{pair!r} is no pair of names of populations; use names without '__' and '/'.")
        w, d, there = _fitted(_reals(values, "weights"), _reals(delays[pair], "delays"), masks.get(pair))
        if not np.isfinite(w[there]).all():
            raise BadInput(f"Some weights of {pair} are not finite; mend them, or leave them out by 'present'.")
        longest = max(float(np.broadcast_to(d, w.shape)[there].max(initial=0.0)), 0.0)
        whole = float(np.ceil(longest / dt - DELAY_ERROR) * dt) + 0.0 if dt > 0 else longest
        delay_max = max_delay if max_delay is not None else whole
        tables[pair] = dense_projection(
            w, d, delay_max=delay_max, rounding=rounding, present=there, delay_kind=delay_kind(d, w)
        )
    return network_tree(tables, reader="from_arrays", framework="arrays", dt=dt, step=step, seed=seed)


def _fitted(weight: Masked, delay: Masked, present: ArrayLike | None) -> tuple[NDArray, NDArray, NDArray[np.bool_]]:
    """Weights, delays with as many axes, and where there is a synapse: where ``present`` says so, and nothing is masked."""
    shown: Masked = np.ma.asarray(True if present is None else present)
    where = "" if present is None else f", 'present' {shown.shape}"
    try:
        if weight.ndim not in (2, 3) or not weight.size:
            raise ValueError
        delay = delay[None] if delay.ndim == 1 else delay
        if weight.ndim == 3 and delay.ndim == 2:
            delay = delay[..., None]
        conditions = (~np.ma.getmaskarray(weight), ~np.ma.getmaskarray(delay), shown.filled(False).astype(bool))
        there = np.logical_and.reduce([np.broadcast_to(condition, weight.shape) for condition in conditions])
    except ValueError as error:
        raise BadInput(
            f"The weights have the shape {weight.shape}, the delays {delay.shape}{where}; give weights (target, source) or "
            "(target, source, contact) and delays that broadcast to them."
        ) from error
    return weight.data, delay.data, there


def _reals(values: ArrayLike, what: str) -> Masked:
    try:
        array: Any = np.ma.asarray(values)
    except ValueError as error:
        raise BadInput(f"The {what} are rows of different lengths; give an array.") from error
    if array.dtype.kind not in "biuf":
        raise BadInput(f"The {what} are of the type {array.dtype}; give real numbers.")
    return array.astype(np.float64)


def delay_kind(delay: NDArray, weight: NDArray) -> str:
    """``axonal`` or ``dendritic`` where delays do not differ along an axis of the weights, by shape, else ``synaptic``."""
    if delay.ndim < 2 or (delay.shape[0] == 1 and weight.shape[0] > 1):
        return "axonal"
    return "dendritic" if delay.shape[1] == 1 and weight.shape[1] > 1 else "synaptic"
