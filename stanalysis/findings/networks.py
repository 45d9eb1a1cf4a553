"""One network of an analysis: its synapses and receptive fields at one step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from stanalysis.fields.receptive_field import fields_of_synapses
from stanalysis.findings.view import Analysis


def synapses_at(analysis: xr.DataTree, projection: str, *, run: str, step: int) -> xr.Dataset:
    """Synapse table of one run, by its name, at one step."""
    table = Analysis(analysis).rows("synapses", projection, run)
    return table.isel(synapse=np.flatnonzero(table.step.values == step))


def fields_at(
    analysis: xr.DataTree, projection: str, *, run: str, step: int, targets: Sequence[int] | None = None
) -> xr.Dataset:
    """Deployed receptive fields (target, source, delay) of one run, by its name, at one step: all, or those of some targets.

    `BadInput` without a lattice.
    """
    view, synapses = Analysis(analysis), synapses_at(analysis, projection, run=run, step=step)
    fields = fields_of_synapses(synapses, dt=view.dt, bin_width=view.require_fields(), targets=targets)
    source = Analysis(analysis).table("populations", projection.split("__")[0])
    if "frequency" in source:
        fields = fields.assign_coords(frequency=("source", source.frequency.values, source.frequency.attrs))
    return fields
