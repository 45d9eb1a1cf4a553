"""Panels of what networks can still do after operations on them: each draws one Axes from one Dataset and computes nothing."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import (
    FixedFormatter,
    FixedLocator,
    FuncFormatter,
    LogLocator,
    NullFormatter,
    NullLocator,
    StrMethodFormatter,
)
from matplotlib.typing import LineStyleType

from reports.captions import percent
from reports.panels.survival import draw_level, shares
from reports.style import CHANGED, DELAY_COLOURS, DELAYS, NULL_BAND, OBSERVED

_THIN: Final[dict[str, Any]] = {"linewidth": 0.5, "alpha": 0.5}  # of one network of several
_BLUE: Final = "#0072B2"  # Okabe & Ito
LINES: Final[dict[str, tuple[str, LineStyleType, str]]] = {  # colour, line and marker of what shares a panel
    "smallest-delays-to-mean": (_BLUE, "-", "o"),
    "random-delays-to-mean": (NULL_BAND, "--", "s"),
    "largest-delays-to-mean": (CHANGED, ":", "D"),
}
ALONE: Final[tuple[str, LineStyleType, str]] = (_BLUE, "-", "o")
ARMS: Final = {"raise": (CHANGED, "^"), "leave": (NULL_BAND, "o"), "lower": (_BLUE, "v")}
MATCHED, UNMATCHED = "matched", "not matched"
SIDES: Final[dict[str, LineStyleType]] = {
    UNMATCHED: "--",
    MATCHED: "-",
}  # the line; markers are open where doses are not matched
_APART: Final = 0.012  # of the largest dose: arms of one dose stand so far from each other
NULLS: Final = {
    "null-delays": _BLUE, "null-weights": "#E69F00", "null-signs": CHANGED, "null-interaction": "#CC79A7",
    "null-sources": OBSERVED,
}  # fmt: skip
MARKERS: Final = {"trained as it was": "o", "trained again": "^"}


class Levels(NamedTuple):
    """An axis of levels: its label, where it is labelled and how, whether it is logarithmic, and whether it falls."""

    label: str
    ticks: tuple[float, ...]
    texts: tuple[str, ...]
    scale: str = "linear"
    falls: bool = False


def noise_axis(label: str, levels: np.ndarray, *, in_percent: bool = False) -> Levels:
    """An axis of standard deviations, logarithmic but for 0, where nothing is done.

    Examples
    --------
    >>> noise_axis("jitter", np.array([0.05, 0.1]), in_percent=True).texts
    ('0', '5', '10')
    """
    ticks = (0.0, *(float(level) for level in levels if level > 0))
    return Levels(label, ticks, tuple(percent(tick) if in_percent else f"{tick:g}" for tick in ticks), "symlog")


def share_axis(label: str, *, falls: bool = False) -> Levels:
    """An axis of shares in per cent.

    Examples
    --------
    >>> share_axis("share").texts
    ('0', '25', '50', '75', '100')
    """
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    return Levels(label, ticks, tuple(percent(tick) for tick in ticks), falls=falls)


def count_axis(label: str, levels: np.ndarray, texts: tuple[str, ...]) -> Levels:
    """A logarithmic axis of counts, fewer to the right.

    Examples
    --------
    >>> count_axis("bits", np.array([1, 2]), ("1", "2")).ticks
    (1.0, 2.0)
    """
    return Levels(label, tuple(float(level) for level in levels), texts, "log", falls=True)


def draw_tolerance(ax: Axes, borne: xr.Dataset, levels: Levels) -> None:
    """Test accuracy over the level of operations, harsher to the right: each network thin, their mean thick.

    Parameters
    ----------
    borne
        ``accuracy`` (operation, run, level) and ``mean_accuracy`` (operation, level); scalars ``intact`` and ``chance``.
    levels
        The axis.
    """
    several = borne.sizes["run"] > 1
    draw_level(ax, float(borne.chance))
    draw_level(ax, float(borne.intact))
    for operation in borne.operation.values:
        colour, line, marker = LINES.get(str(operation), ALONE)
        lines = borne.sel(operation=operation)
        for run in range(lines.sizes["run"] if several else 0):
            accuracy = lines.accuracy.isel(run=run).dropna("level")
            ax.plot(accuracy.level, accuracy, line, color=colour, **_THIN)
        mean = lines.mean_accuracy.dropna("level")
        ax.plot(mean.level, mean, line, color=colour, marker=marker, markersize=2.5, linewidth=1.6 if several else 1)
    if levels.scale == "symlog":
        ax.set_xscale("symlog", linthresh=levels.ticks[1], linscale=0.7)
        ax.set_xlim(-0.25 * levels.ticks[1], 1.25 * levels.ticks[-1])
    elif levels.scale == "log":
        ax.set_xscale("log", base=2)
    ax.xaxis.set_major_locator(FixedLocator(levels.ticks))
    ax.xaxis.set_major_formatter(FixedFormatter(levels.texts))
    ax.xaxis.set_minor_locator(NullLocator())
    if levels.falls:
        ax.invert_xaxis()
    ax.set_xlabel(levels.label)
    shares(ax)
    ax.spines[["top", "right"]].set_visible(False)


def look_of(scheme: str) -> tuple[str, str]:
    """Colour and marker of a scheme of delays; as trained a network looks as one with a delay a synapse."""
    kind = scheme if scheme in DELAYS else "synaptic"
    return DELAY_COLOURS[kind], str(DELAYS[kind][1])


def draw_schemes(ax: Axes, schemes: xr.Dataset) -> None:
    """Test accuracy over the memory of delay buffers: networks as points, their means large, a marker for each scheme.

    Parameters
    ----------
    schemes
        ``accuracy`` and ``buffer`` (operation, run), ``mean_accuracy`` and ``mean_buffer`` (operation), coordinates
        ``scheme`` and ``by_magnitude``; scalars
        ``intact`` and ``chance``. Means by magnitude are open.
    """
    draw_level(ax, float(schemes.chance))
    draw_level(ax, float(schemes.intact))
    for place in range(schemes.sizes["operation"]):
        point = schemes.isel(operation=place)
        scheme = str(point.scheme.item())
        colour, marker = look_of(scheme)
        face = "white" if point.by_magnitude else colour
        if schemes.sizes["run"] > 1:
            ax.plot(point.buffer, point.accuracy, ".", color=colour, alpha=0.6, markersize=3, markeredgewidth=0)
        ax.plot(float(point.mean_buffer), float(point.mean_accuracy), marker, color=colour, markerfacecolor=face, markersize=5)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("delay buffers [steps × neurons]")
    shares(ax)
    ax.margins(x=0.15)
    ax.spines[["top", "right"]].set_visible(False)


def draw_arms(ax: Axes, arms: xr.Dataset) -> None:
    """Test accuracy over dose by arm: networks as points, means joined; filled where doses are matched, open where not.

    The arms stand a little apart, and the axis of accuracies is as long as they need.

    Parameters
    ----------
    arms
        ``accuracy`` and ``dose`` (arm, doses, run, level), their ``mean_accuracy`` and ``mean_dose`` (arm, doses, level);
        scalars ``intact`` and ``chance``.
    """
    lowest, highest = float(arms.accuracy.min()), max(float(arms.accuracy.max()), float(arms.intact))
    draw_level(ax, float(arms.intact))
    if float(arms.chance) > lowest:
        draw_level(ax, float(arms.chance))
    apart = _APART * float(arms.dose.max())
    there = [arm for arm in ARMS if arm in arms.arm.values]
    for arm in there:
        colour, marker = ARMS[arm]
        shift = apart * (list(ARMS).index(arm) - 1)
        for side, line in SIDES.items():
            if side not in arms.doses.values:
                continue
            rows = arms.sel(arm=arm, doses=side)
            face = colour if side == MATCHED else "white"
            if arms.sizes["run"] > 1:
                ax.plot(
                    rows.dose.values.ravel() + shift, rows.accuracy.values.ravel(), marker, color=colour, markerfacecolor=face,
                    markersize=2, markeredgewidth=0.4, alpha=0.6,
                )  # fmt: skip
            ax.plot(
                rows.mean_dose + shift,
                rows.mean_accuracy,
                line,
                marker=marker,
                color=colour,
                markerfacecolor=face,
                markersize=4,
            )
    set_dose(ax)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}"))
    margin = 0.05 * (highest - lowest)
    ax.set_ylim(max(lowest - margin, 0), min(highest + margin, 1) if highest > lowest else 1)


def draw_nulls(ax: Axes, nulls: xr.Dataset) -> None:
    """Test accuracy over dose by null: networks as points, means joined; open where normalisation was estimated again.

    Parameters
    ----------
    nulls
        ``accuracy`` and ``dose`` (operation, normalisation, refit, run, level), their ``mean_accuracy`` and ``mean_dose``;
        scalars ``intact`` and ``chance``. Triangles where weights were trained again.
    """
    draw_level(ax, float(nulls.chance))
    draw_level(ax, float(nulls.intact))
    for null, colour in NULLS.items():
        for normalisation in nulls.normalisation.values:
            for refit in nulls.refit.values:
                if null not in nulls.operation.values:
                    continue
                rows = nulls.sel(operation=null, normalisation=normalisation, refit=refit).dropna("level", how="all")
                if not rows.sizes["level"]:
                    continue
                face, line = (colour, "-") if normalisation == "kept" else ("white", "--")
                marker = MARKERS["trained again" if refit else "trained as it was"]
                if nulls.sizes["run"] > 1:
                    ax.plot(
                        rows.dose.values.ravel(), rows.accuracy.values.ravel(), marker, color=colour, markerfacecolor=face,
                        markersize=1.5, markeredgewidth=0.3, alpha=0.5,
                    )  # fmt: skip
                ax.plot(
                    rows.mean_dose, rows.mean_accuracy, line, marker=marker, color=colour, markerfacecolor=face, markersize=4
                )
    set_dose(ax)


def set_dose(ax: Axes) -> None:
    """Label and limits of an axis of doses, and shares in per cent beside it."""
    ax.set_xlim(0, None)
    ax.set_xlabel("dose")
    shares(ax)
    ax.spines[["top", "right"]].set_visible(False)
