"""Networks that differ in nothing but their seed are drawn together: which these are."""

from __future__ import annotations

import json

import xarray as xr


def conditions(analysis: xr.DataTree) -> list[str]:
    """Names of the conditions; "" where there is only one."""
    return list(json.loads(analysis.attrs["conditions"]))


def runs_of(analysis: xr.DataTree, condition: str) -> tuple[str, ...]:
    """Names of the networks of one condition."""
    return tuple(json.loads(analysis.attrs["conditions"])[condition])
