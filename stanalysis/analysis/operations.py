"""What networks can still do after operations on them, joined: settings that some networks lack are NaN there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from stanalysis.files.operations import OPERATIONS, SETTING

_PLACES: Final = {name: place for place, name in enumerate(("intact", *OPERATIONS))}


def joined_operations(networks: Sequence[xr.Dataset]) -> xr.Dataset:
    """One table (run, setting, draw) of those of several networks, settings in the order of `OPERATIONS`.

    Parameters
    ----------
    networks
        As `stanalysis.files.operations.read_operations` gives them, each with a dim ``run``.

    Examples
    --------
    >>> said = {name: ("setting", ["intact"]) for name in SETTING}
    >>> a, b = (
    ...     xr.Dataset({"dose": (("run", "setting"), [[0.5]])}, {"run": [run], "setting": ["intact 0"], **said})
    ...     for run in "ab"
    ... )
    >>> joined_operations([a, b]).dose.values.tolist()
    [[0.5], [0.5]]
    """
    said = xr.concat([network[list(SETTING)] for network in networks], "setting").drop_duplicates("setting")
    order = np.argsort([_PLACES[str(name)] for name in said.operation.values], kind="stable")
    said = said.isel(setting=order)
    values = xr.concat(
        [network.drop_vars(list(SETTING)).reindex(setting=said.setting) for network in networks],
        "run",
        join="outer",
        combine_attrs="override",
        data_vars="all",
        coords="minimal",
        compat="override",
    )
    return values.assign_coords({name: said[name] for name in SETTING})
