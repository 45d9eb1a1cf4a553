"""Receptive fields to lay out."""

from __future__ import annotations

import numpy as np
import xarray as xr

from stanalysis.synthetic.fields import noise_fields

NAMES = ("first", "<img src=x onerror=alert(1)>")  # of networks; the second is to stay text


def fields_of(weight, **coordinates):
    """Receptive fields (target, source, delay) in which every weight that is not 0 is a synapse."""
    field = xr.DataArray(np.asarray(weight, float), coordinates, ("target", "source", "delay"))
    return xr.Dataset({"receptive_field": field, "present": field != 0})


def noise(n_target):
    return fields_of(noise_fields(n_target, n_source=9, n_delay=6, seed=0).values)
