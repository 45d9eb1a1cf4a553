"""The bytes of a rewiring log: rows of events in compressed chunks, and what their numbers mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import IntEnum
from io import BytesIO
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr

from stanalysis.files.netcdf import sealed
from stanalysis.schema.network import EVENTS

SCHEMA_VERSION = 1


class KIND(IntEnum):
    """What happened to the synapse."""

    BIRTH = 0
    DEATH = 1


class CAUSE(IntEnum):
    """Why it happened."""

    INITIAL = 0
    SIGN_CROSSING = 1
    MAGNITUDE = 2
    REGROWN_BY_GRADIENT = 3
    REGROWN_AT_RANDOM = 4
    REBORN_IN_PLACE = 5  # of a synapse that just died, for want of another place


CODES: dict[str, type[IntEnum]] = {"kind": KIND, "cause": CAUSE}
_CHUNK = 2**14
_PACKING = ("chunks", "dtype", "compression", "shuffle", "fletcher32")
_TYPES = {name: {"i": "i4", "f": "f8"}[v.kind] for name, v in EVENTS.items()} | {
    "step": "i8",
    "kind": "i1",
    "cause": "i1",
    "sign": "i1",
}


def log_bytes(
    projections: Sequence[str], events: xr.Dataset, complete_to_step: int, earlier: h5py.File | None = None, n_earlier: int = 0
) -> bytes:
    """The content of a log: these events, behind the first ``n_earlier`` of an earlier log.

    It depends on nothing but what is in it: a log that is truncated and goes on ends as if nothing had happened. Whole chunks
    of the earlier log are taken over as they are compressed.
    """
    content = _empty(projections, complete_to_step, n_earlier + events.sizes["event"])
    with h5py.File(content, "r+") as file:
        for name in EVENTS:
            column, added, whole = file[name], events[name].to_numpy(), 0
            if earlier is not None:
                whole = _copied(earlier[name], column, n_earlier)
                added = np.concatenate([earlier[name][whole:n_earlier], added])
            if added.size:
                column[whole:] = added
    return sealed(content.getvalue())


def _empty(projections: Sequence[str], complete_to_step: int, n_events: int) -> BytesIO:
    """A log with room for so many events."""
    content = BytesIO()
    with h5netcdf.File(content, "w") as file:
        attrs = {"projections": json.dumps(list(projections)), "complete_to_step": complete_to_step}
        file.attrs.update(schema_version=SCHEMA_VERSION, **attrs)
        file.dimensions = {"event": None}
        for name, variable in EVENTS.items():
            column = file.create_variable(
                name, ("event",), _TYPES[name], chunks=(_CHUNK,), compression="gzip", compression_opts=1, shuffle=True
            )
            column.attrs.update(units=variable.units, long_name=variable.long_name)
            if name in CODES:
                column.attrs["flag_values"] = np.array(CODES[name], _TYPES[name])
                column.attrs["flag_meanings"] = " ".join(code.name.lower() for code in CODES[name])
        file.resize_dimension("event", n_events)
    return content


def _copied(earlier: Any, column: Any, n: int) -> int:
    """Copy the whole chunks among the first ``n`` rows, if they are packed alike; how many rows that were."""
    if any(getattr(earlier, how) != getattr(column, how) for how in _PACKING):
        return 0
    for start in range(0, n // _CHUNK * _CHUNK, _CHUNK):
        filters, chunk = earlier.id.read_direct_chunk((start,))
        column.id.write_direct_chunk((start,), chunk, filters)
    return n // _CHUNK * _CHUNK
