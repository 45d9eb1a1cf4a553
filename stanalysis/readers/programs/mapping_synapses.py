"""The synapses of a projection from arrays that a mapping names: along target, source and contact, or listed one by one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import projection
from stanalysis.readers.arrays import MOST_SYNAPSES, delay_kind, dense_projection, real_array, within
from stanalysis.readers.programs.mapping_formula import evaluate

AXES = ("target", "source", "contact")
LISTED = 200  # names that are looked through, and their letters
DROPPED = "1"  # an axis of length 1 that means nothing
UNITS = {"steps": None, "ms": 1.0, "s": 1000.0, "us": 0.001}  # in ms; steps are dt


@dataclass(frozen=True)
class MappedSynapses:
    """Synapses of one projection, before it is known how long a step is.

    ``weight`` and ``present`` have one shape, to which ``delay`` broadcasts: (target, source, contact), or (synapse,) with
    ``ends``, the target and the source of each. ``sizes`` are the numbers of targets and sources.
    """

    weight: NDArray
    delay: NDArray
    present: NDArray
    unit: str | float
    kind: str
    ends: tuple[NDArray, NDArray] | None
    sizes: tuple[int, int]

    @property
    def longest(self) -> float:
        """The longest delay, in its unit."""
        return float(np.broadcast_to(self.delay, self.weight.shape)[self.present].max())

    def table(self, *, dt: float, delay_max: float, rounding: str) -> xr.Dataset:
        """The synapse table; ``dt`` and ``delay_max`` in ms."""
        ms = UNITS[self.unit] if isinstance(self.unit, str) else self.unit
        delay = self.delay.astype(np.float64) * (dt if ms is None else ms)
        common: dict[str, Any] = {"delay_max": delay_max, "rounding": rounding, "delay_kind": self.kind}
        if self.ends is None:
            return dense_projection(self.weight, delay, present=self.present, **common)
        target, source = (end[self.present] for end in self.ends)
        order = np.lexsort((source, target))
        weight = self.weight[self.present][order]
        return projection(
            n_target=self.sizes[0],
            n_source=self.sizes[1],
            target=target[order].astype(np.int32),
            source=source[order].astype(np.int32),
            delay=within(np.broadcast_to(delay, self.weight.shape)[self.present][order], delay_max),
            weight=weight.astype(np.float64 if weight.dtype == np.float64 else np.float32),
            **common,
        )


@dataclass(frozen=True)
class _Named:
    """An array as a mapping names it: under which key, what its axes are, and its values."""

    key: str
    axes: tuple[str, ...]
    values: NDArray

    def along(self, axes: tuple[str, ...]) -> NDArray:
        """The values with all of ``axes`` in this order, those it does not have of length 1."""
        order = sorted(range(len(self.axes)), key=lambda k: axes.index(self.axes[k]))
        lengths = dict(zip(self.axes, self.values.shape, strict=True))
        return self.values.transpose(order).reshape([lengths.get(axis, 1) for axis in axes])


def mapped_synapses(entry: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> MappedSynapses:
    """What a projection of a mapping says, its keys being there and of the right kinds.

    Raises
    ------
    BadInput
        An array is not there, its axes do not fit, or a formula cannot be evaluated; the sentence begins with the key.
    """
    listed = "source_index" in entry
    named = {"w": _named(arrays, "weight", entry["weight"], entry["weight_axes"], entry.get("weight_shape"), listed)}
    if isinstance(entry["delay"], str):
        named["d"] = _named(arrays, "delay", entry["delay"], entry.get("delay_axes"), entry.get("delay_shape"), listed)
    else:
        named["d"] = _Named("delay", (), np.array(float(entry["delay"])))
    for name, table in entry.get("arrays", {}).items():
        key = f"arrays.{name}"
        if name in named or not isinstance(table, dict) or table.keys() - {"shape"} != {"name", "axes"}:
            raise BadInput(f"{key} must be another name than w and d, and be written {name} = {{name = …, axes = […]}}.")
        named[name] = _named(arrays, key, table["name"], table["axes"], table.get("shape"), listed)
    return _listed(entry, named, arrays) if listed else _dense(entry, named)


def _dense(entry: Mapping[str, Any], named: Mapping[str, _Named]) -> MappedSynapses:
    if missing := [axis for axis in AXES[:2] if axis not in named["w"].axes]:
        raise BadInput(f"weight_axes lacks {missing[0]!r}: every weight is between a target and a source.")
    sizes = _sizes(named.values(), {})
    shape = (sizes["target"], sizes["source"], sizes.get("contact", 1))
    weight, delay, present = _computed(entry, {name: array.along(AXES) for name, array in named.items()}, shape)
    return MappedSynapses(weight, delay, present, entry["unit"], delay_kind(delay, weight), None, shape[:2])


def _listed(entry: Mapping[str, Any], named: Mapping[str, _Named], arrays: Mapping[str, NDArray]) -> MappedSynapses:
    """A list of synapses; arrays along target or source are looked up for each."""
    sizes = {"target": int(entry["n_target"]), "source": int(entry["n_source"])}
    ends = {end: _named(arrays, f"{end}_index", entry[f"{end}_index"], ["synapse"], None, True) for end in sizes}
    sizes = _sizes([*named.values(), *ends.values()], sizes)
    if named["w"].axes != ("synapse",):
        raise BadInput(f"weight_axes is {list(named['w'].axes)}; of a list of synapses it is ['synapse'].")
    for end, index in ends.items():
        values = index.values
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= sizes[end]:
            raise BadInput(f"{index.key} holds other than whole numbers from 0 to {sizes[end] - 1}; mend it or n_{end}.")
    each = {}
    for name, array in named.items():
        if len(array.axes) > 1:
            raise BadInput(
                f"{array.key} has the axes {list(array.axes)}; of a list of synapses give one of synapse, target, source."
            )
        axis = array.axes[0] if array.axes else None
        each[name] = array.values[ends[axis].values] if axis in ends else array.values
    weight, delay, present = _computed(entry, each, (sizes["synapse"],))
    kind = "synaptic" if "synapse" in named["d"].axes else "dendritic" if "target" in named["d"].axes else "axonal"
    both = (ends["target"].values, ends["source"].values)
    return MappedSynapses(weight, delay, present, entry["unit"], kind, both, (sizes["target"], sizes["source"]))


def _named(arrays: Mapping[str, NDArray], key: str, name: Any, axes: Any, shape: Any, listed: bool) -> _Named:
    """An array of the file, once its name, its shape and its axes are known to fit."""
    if not isinstance(name, str) or name not in arrays:
        names = [known for known in list(arrays)[:LISTED] if len(known) <= LISTED]  # comparing takes time by their lengths
        close = difflib.get_close_matches(str(name)[:LISTED], names, n=3, cutoff=0.4) or names[:3]
        raise BadInput(
            f"{key} names {name!r}, which the file does not hold; it holds {', '.join(map(repr, close)) or 'no arrays'}."
        )
    values = arrays[name]
    if values.dtype.kind not in "biuf" or values.dtype.itemsize > 8 or not values.size:
        raise BadInput(
            f"{key} names {name!r}, which holds values of the type {values.dtype} and shape {values.shape}; give real numbers."
        )
    if shape is not None:
        sizes = (
            [n if isinstance(n, int) and not isinstance(n, bool) else -1 for n in shape] if isinstance(shape, list) else [-1]
        )
        if min(sizes, default=-1) < 1 or prod(sizes) != values.size:
            raise BadInput(
                f"{key} names {name!r} of {values.size} values, which the shape {shape!r} does not fit; mend the shape."
            )
        values = values.reshape(sizes)
    known = ("synapse", *AXES[:2]) if listed else AXES
    if not isinstance(axes, list) or not all(axis in (*known, DROPPED) for axis in axes):
        raise BadInput(
            f"the axes of {key} are {axes!r}; name each: {', '.join(known)}, or {DROPPED!r} for one of length 1 to drop."
        )
    kept = tuple(axis for axis in axes if axis != DROPPED)
    lengths = [n for axis, n in zip(axes, values.shape, strict=False) if axis != DROPPED]
    if len(axes) != values.ndim or len(set(kept)) < len(kept) or prod(lengths) != values.size:
        raise BadInput(f"{key} names {name!r} of shape {values.shape}, which its axes {axes!r} do not fit; mend the axes.")
    return _Named(key, kept, values.reshape(lengths))


def _sizes(named: Any, known: Mapping[str, int]) -> dict[str, int]:
    """Length of every axis; two arrays that differ in one are told apart by their keys."""
    sizes, said_by = dict(known), {axis: f"n_{axis}" for axis in known}
    for array in named:
        for axis, n in zip(array.axes, array.values.shape, strict=True):
            if sizes.setdefault(axis, n) != n:
                raise BadInput(f"{array.key} has {n} along {axis}, {said_by[axis]} has {sizes[axis]}; mend the axes.")
            said_by.setdefault(axis, array.key)
    if prod(n for axis, n in sizes.items() if axis not in known) > MOST_SYNAPSES:
        raise BadInput(f"the axes make more than {MOST_SYNAPSES} synapses; mend the axes.")
    return sizes


def _computed(
    entry: Mapping[str, Any], named: Mapping[str, NDArray], shape: tuple[int, ...]
) -> tuple[NDArray, NDArray, NDArray]:
    """Weight, delay and present by their formulas; the delay keeps length 1 along the axes on which it does not depend."""
    results = []
    for key, plain in (("weight_formula", named["w"]), ("delay_formula", named["d"]), ("present", np.array(True))):
        try:
            values = evaluate(entry[key], named) if key in entry else plain
        except BadInput as error:
            raise BadInput(f"{key}: {error}") from error
        values = values.reshape((1,) * (len(shape) - values.ndim) + values.shape)
        if key == "present" and values.dtype.kind != "b":
            raise BadInput("present is no comparison; write one, such as w != 0.")
        results.append(values.astype(np.float64) if key != "present" and values.dtype.kind == "b" else values)
    weight, delay, present = np.broadcast_to(results[0], shape), results[1], np.broadcast_to(results[2], shape)
    if not present.any():
        raise BadInput("no synapse is present; mend the formula.")
    for key, values in (("weights", weight), ("delays", delay)):
        real_array(np.broadcast_to(values, shape)[present], f"the {key} where synapses are present", ndim=1)
    return weight, delay, present
