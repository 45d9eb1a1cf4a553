"""What checkpoints, or a log, tell of the age of a synapse: the window of its birth and that of its death."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.schema.lives import EPISODES, SIGHTINGS
from stanalysis.schema.variables import validate


class Windows(NamedTuple):
    """Ages in rewirings: when first seen one of ``n_births`` from ``youngest`` on; rewirings after that, alive and gone."""

    youngest: np.ndarray
    n_births: np.ndarray  # 0 where the birth is unknown
    alive: np.ndarray
    gone: np.ndarray  # -1 where it is right-censored
    watched: np.ndarray  # whether it was born between two checkpoints


def windows_of(sightings: xr.Dataset, spacing: int) -> tuple[Windows, int]:
    """The windows of every row, and how many have no known birth."""
    if "exit" in sightings.variables:
        validate(sightings, EPISODES, required=("entry", "exit", "event"), where="the episodes")
        entry, exit_, event = (sightings[name].to_numpy() for name in ("entry", "exit", "event"))
        used = exit_ > entry
        youngest = entry // spacing
        last = np.where(event, -(-exit_ // spacing) - 1, exit_ // spacing)
        windows = Windows(youngest, used * 1, last - youngest, np.where(event, last + 1 - youngest, -1), used * 0)
        return windows, 0
    required = ("absent_at", "first_seen", "last_seen", "gone_at", "event")
    validate(sightings, SIGHTINGS, required=required, where="the sightings")
    absent, first, last, gone = (sightings[name].to_numpy() // spacing for name in required[:4])
    event = sightings.event.to_numpy()
    watched = sightings.absent_at.to_numpy() >= 0
    from_start = ~watched & (sightings.first_seen.to_numpy() == 0)
    n_births = np.where(watched, first - absent, from_start)
    if (watched & (n_births < 1)).any() or (event & (gone <= last)).any():
        raise BadInput(
            f"a synapse was born or died between checkpoints without a multiple of {spacing}; give a smaller spacing"
        )
    windows = Windows(0 * first, n_births, last - first, np.where(event, gone - first, -1), watched * 1)
    return windows, int(np.count_nonzero(~watched & ~from_start))
