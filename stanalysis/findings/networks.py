"""One network of an analysis: its receptive fields at one step."""

from __future__ import annotations

import xarray as xr

from stanalysis.fields.receptive_field import fields_of_synapses
from stanalysis.files.analysis import synapses_at


def fields_at(analysis: xr.DataTree, projection: str, *, run: str, step: int) -> xr.Dataset:
    """Deployed receptive fields (target, source, delay) of one run, by its name, at one step."""
    fields = fields_of_synapses(synapses_at(analysis, projection, run=run, step=step), dt=float(analysis.attrs["dt"]))
    source = analysis[f"populations/{projection.split('__')[0]}"].to_dataset()
    if "frequency" in source:
        fields = fields.assign_coords(frequency=("source", source.frequency.values, source.frequency.attrs))
    return fields
