"""Networks that differ in nothing but their seed are drawn together: which, and how their files are named."""

from __future__ import annotations

import json
import re

import xarray as xr


def conditions(analysis: xr.DataTree) -> list[str]:
    """Names of the conditions; "" where there is only one."""
    return list(json.loads(analysis.attrs["conditions"]))


def runs_of(analysis: xr.DataTree, condition: str) -> tuple[str, ...]:
    """Names of the networks of one condition."""
    return tuple(json.loads(analysis.attrs["conditions"])[condition])


def named(figure: str, projection: str, condition: str) -> str:
    """File name, without suffix, of a figure of one condition.

    Examples
    --------
    >>> named("survival", "input__hidden1", "connectivity rewired, sparsity 0.75")
    'survival-input__hidden1-connectivity-rewired-sparsity-0.75'
    """
    slug = re.sub(r"[^\w.]+", "-", condition).strip("-.")
    return "-".join(part for part in (figure, projection, slug) if part)
