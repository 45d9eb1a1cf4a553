"""Receptive fields in Python, packed for the browser as one network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from reports.atlas.networks import lifetimes, shown_name
from reports.atlas.packing import AtlasNetwork, packed_lives, packed_rows
from stanalysis.errors import BadInput
from stanalysis.fields.lattice import ROOK, Lattice
from stanalysis.schema.lives import EPISODES
from stanalysis.schema.variables import validate
from stanalysis.stats.engine.null_test import MIN_SYNAPSES
from stanalysis.stats.engine.prepared import weight_and_present

_DIMS = ("step", "target", "source", "delay")


def network_of_fields(fields: xr.Dataset, statistics: xr.Dataset | None, lives: xr.Dataset | None) -> AtlasNetwork:
    """One network from the receptive fields of its steps; see `reports.atlas.atlas`."""
    for name, given in (("fields", fields), ("statistics", statistics), ("lives", lives)):
        if not (isinstance(given, xr.Dataset) or (given is None and name != "fields")):
            raise BadInput(f"The {name} are a {type(given).__name__}; give an xarray Dataset.")
    weight, present = (
        values.expand_dims("step") if "step" not in values.dims else values for values in weight_and_present(fields)
    )
    if set(weight.dims) != set(_DIMS):
        raise BadInput(f"The fields have dims {', '.join(map(str, weight.dims))}; they need (step,) target, source, delay.")
    weight, present = weight.transpose(*_DIMS), present.transpose(*_DIMS)
    steps, targets, sources = (_own_numbers(present, dim) for dim in _DIMS[:3])
    delays = present["delay"].to_numpy()
    if delays.dtype.kind not in "iuf" or not np.isfinite(delays).all():
        raise BadInput("The delays of the fields are not numbers; give them in ms.")
    step, target, source, delay = there = np.nonzero(present.to_numpy())
    rows = packed_rows(
        step * targets.size + target, source, delay, weight.to_numpy()[there],
        n_field=steps.size * targets.size, n_source=sources.size, n_delay=delays.size,
    )  # fmt: skip
    if "contact_present" in fields:
        counted = fields["contact_present"].sum("contact").broadcast_like(present).transpose(*_DIMS).to_numpy()
        rows = replace(rows, n_synapses=counted[there].astype(np.uint32))
    episodes = None if lives is None else _lives_between(lives, targets, sources)
    attrs = {} if statistics is None else statistics.attrs
    return AtlasNetwork(
        name=shown_name(str(fields.attrs.get("projection", "receptive fields"))),
        sources=sources,
        targets=targets,
        delay=delays,
        steps=steps,
        rows=rows,
        numbers=_numbers(present, fields.get("n_synapses"), statistics) | lifetimes(episodes, steps.size, targets.size),
        lattice=Lattice(attrs.get("contiguity", ROOK.contiguity), attrs.get("transform", "r") == "r"),
        min_synapses=int(attrs.get("min_synapses", MIN_SYNAPSES)),
        frequency=fields["frequency"].to_numpy() if "frequency" in fields.coords else None,
        lives=None if episodes is None else packed_lives(episodes, n_source=sources.size, n_target=targets.size),
        lives_said="Births and deaths are not known: no lives were given.",
    )


def _own_numbers(present: xr.DataArray, dim: str) -> np.ndarray:
    """Of the steps, targets or sources, from 0 where they have none."""
    values = present[dim].to_numpy()
    known = values.dtype.kind in "iuf" and np.isfinite(values).all()
    if not known or (values < 0).any() or (values != np.floor(values)).any() or np.unique(values).size < values.size:
        raise BadInput(f"The coordinate {dim!r} of the fields does not number them; give whole numbers from 0, each once.")
    return values.astype(np.int64)


def _lives_between(lives: xr.Dataset, targets: np.ndarray, sources: np.ndarray) -> xr.Dataset:
    """Lives of the synapses between these neurons, which are numbered by their place."""
    validate(lives, EPISODES, required=("target", "source"), where="the lives")
    known = lives.isel(episode=np.flatnonzero(np.isin(lives.target, targets) & np.isin(lives.source, sources)))
    places = {"target": pd.Index(targets), "source": pd.Index(sources)}
    return known.assign({name: known[name].copy(data=place.get_indexer(known[name].values)) for name, place in places.items()})


def _numbers(present: xr.DataArray, n_synapses: xr.DataArray | None, statistics: xr.Dataset | None) -> dict[str, np.ndarray]:
    """Numbers (step, target): those of the statistics, and the number of synapses."""
    given = {} if statistics is None else dict(statistics.data_vars)
    if "neuron" in given:
        raise BadInput("The statistics have a variable 'neuron', which is what the atlas calls its targets; rename it.")
    counted = present.sum(("source", "delay")) if n_synapses is None else n_synapses
    fields = present.isel(source=0, delay=0, drop=True)
    numbers = {}
    for key, values in ({"n_synapses": counted} | given).items():
        if "target" not in values.dims or set(values.dims) - {"step", "target"} or values.dtype.kind not in "biuf":
            continue
        try:
            aligned, _ = xr.align(values, fields, join="exact")
        except ValueError as error:
            raise BadInput(f"{key!r} has other steps or targets than the fields; give statistics of these fields.") from error
        numbers[str(key)] = aligned.broadcast_like(fields).transpose("step", "target").to_numpy().astype(np.float64)
    return numbers
