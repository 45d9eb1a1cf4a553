"""Panels of what the grouping of signs is owed to: each draws one Axes from one Dataset and computes nothing."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from reports.owed import OWED, TOTAL
from reports.panels.statistics import draw_marks, say_no_answer
from reports.panels.survival import draw_level
from reports.style import NULL

_RECORDS: Final = {part.name: part for part in (*OWED, TOTAL)}
COLOURS: Final = {name: _RECORDS[name].colour for name in ("interaction", "delay", "source")}  # the first lies next to 0
_BAR: Final = 0.7
_PAIR: Final = 0.36  # a bar of two beside each other
_PALE: Final = 0.45  # opacity of the first step


def draw_parts(ax: Axes, parts: xr.Dataset) -> None:
    """A bar for each network, stacked of what its grouping is owed to: what raises it above 0, what lowers it below.

    Parameters
    ----------
    parts
        ``delay``, ``source``, ``interaction``, their sum ``total`` with the ends ``lower`` and ``upper`` of its interval, and
        ``p_value`` (run). The marker at the sum is filled where p is up to .05, open where it is above, a cross where there is
        none.
    """
    ax.set_xlim(-0.7, parts.sizes["run"] - 0.3)
    x = np.flatnonzero(parts.total.notnull())
    parts = parts.isel(run=x)
    above, below = np.zeros(x.size), np.zeros(x.size)
    for name, colour in COLOURS.items():
        height = parts[name].values
        ax.bar(x, height, _BAR, bottom=np.where(height > 0, above, below), color=colour, edgecolor=NULL, linewidth=0.4)
        above, below = above + height.clip(0), below + height.clip(None, 0)
    known = np.isfinite(parts.lower.values)
    ax.vlines(x[known], parts.lower.values[known], parts.upper.values[known], color="black", linewidth=0.8, zorder=2.5)
    draw_marks(ax, x, parts.total.values, parts.p_value.values, colour="black", size=3.2)
    ax.set_xticks([])
    _finish(ax, parts.total)


def draw_shares(ax: Axes, shares: xr.Dataset) -> None:
    """The parts beside each other and their sum, with intervals: the last step, and left of it, paler, the first.

    Parameters
    ----------
    shares
        ``mean``, ``lower`` and ``upper`` (part, moment); parts "total", "delay", "source" and "interaction", moments "first"
        and "last".
    """
    names, moments = [str(part) for part in shares.part.values], [str(moment) for moment in shares.moment.values]
    for moment in moments:
        at = shares.sel(moment=moment)
        beside = 0.0 if len(moments) == 1 else _PAIR / 2 * (1 if moment == "last" else -1)
        x = np.arange(len(names)) + beside
        colours = [_RECORDS[name].colour for name in names]
        alpha = 1 if moment == "last" else _PALE
        ax.bar(x, np.nan_to_num(at["mean"].values), _PAIR, color=colours, alpha=alpha, edgecolor=NULL, linewidth=0.4)
        known = np.isfinite(at.lower.values)
        ax.vlines(x[known], at.lower.values[known], at.upper.values[known], color="black", linewidth=0.8)
    ax.set_xticks(range(len(names)), [_RECORDS[name].short for name in names])
    ax.tick_params(axis="x", length=0)
    _finish(ax, shares["mean"])


def _finish(ax: Axes, values: xr.DataArray) -> None:
    if values.notnull().any():
        draw_level(ax, 0.0)
    else:
        say_no_answer(ax)
    ax.spines[["top", "right"]].set_visible(False)
