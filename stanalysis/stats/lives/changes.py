"""What training changed in the synapses of one projection."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.schema.lives import CHANGES
from stanalysis.schema.variables import labelled

IDENTITY = ["target", "source", "contact"]  # of a synapse within its projection
_TOLERANCE = 1e-5  # of half a bin: what float32 loses


def changes(before: xr.Dataset, after: xr.Dataset, *, dt: float) -> xr.Dataset:
    """Every synapse that is there before or after, and what became of it.

    Parameters
    ----------
    before, after
        Synapse tables of one projection at two steps: ``source``, ``target``, ``contact``, ``delay`` [ms] and ``weight``,
        dim synapse.
    dt
        Width of a delay bin in ms.

    Returns
    -------
    xarray.Dataset
        One row per synapse, sorted by (target, source, contact): ``delay`` (moment, synapse) in ms, moments "before" and
        "after", NaN where the synapse is not there; the flags ``shared``, whether its pair has another, ``born``, ``died``,
        ``delay_changed`` (by half a bin or more) and ``sign_changed``, the last two False for a synapse that was born or
        died. Attributes are those of ``before``.

    Notes
    -----
    A synapse is its (target, source, contact). One that died and was born again in its old place counts as the one it was:
    only the rewiring log tells them apart.

    Examples
    --------
    >>> def table(**columns):
    ...     return pd.DataFrame({"target": 0, "contact": 0, **columns}).rename_axis("synapse").to_xarray()
    >>> before = table(source=[0, 1], delay=[10.0, 20.0], weight=[1.0, 1.0])
    >>> after = table(source=[1, 2], delay=[26.0, 5.0], weight=[-1.0, 1.0])
    >>> found = changes(before, after, dt=10.0)
    >>> found.source.values, found.died.values, found.born.values
    (array([0, 1, 2]), array([ True, False, False]), array([False, False,  True]))
    >>> found.delay_changed.values, found.sign_changed.values
    (array([False,  True, False]), array([False,  True, False]))
    """
    tables = [_by_identity(table) for table in (before, after)]
    old, new = (table.reindex(tables[0].index.union(tables[1].index)) for table in tables)
    identity = old.index.to_frame()
    half_a_bin = dt / 2 * (1 - _TOLERANCE)
    return (
        labelled(
            CHANGES,
            **{name: identity[name].to_numpy() for name in IDENTITY},
            delay=np.stack([old["delay"], new["delay"]]),
            shared=identity.duplicated(["target", "source"], keep=False).to_numpy(),
            born=old["delay"].isna().to_numpy(),
            died=new["delay"].isna().to_numpy(),
            # a comparison with NaN, where one of the two is not there, is False
            delay_changed=((new["delay"] - old["delay"]).abs() >= half_a_bin).to_numpy(),
            sign_changed=(new["weight"] * old["weight"] < 0).to_numpy(),
        )
        .assign_coords(moment=["before", "after"])
        .assign_attrs(before.attrs)
    )


def _by_identity(table: xr.Dataset) -> pd.DataFrame:
    columns = {name: table[name].values for name in (*IDENTITY, "delay", "weight")}
    frame = pd.DataFrame(columns).astype(dict.fromkeys(IDENTITY, np.int64)).set_index(IDENTITY)
    if not frame.index.is_unique:
        raise BadInput("Two synapses share source, target and contact; number the synapses of each pair by contact.")
    return frame
