"""Panels of what statistics say of networks: each draws one Axes from one Dataset and computes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter
from matplotlib.typing import LineStyleType

from reports.panels.survival import draw_level, set_ages
from reports.style import EXCITATORY, INHIBITORY, NULL, OBSERVED, PALE
from stanalysis.findings.tables import SIGNIFICANT

BEFORE: Final = "#8CCFB9"  # the first step, a paler `OBSERVED`
JOINS: Final = {"ee": EXCITATORY, "ei": "0.6", "ii": INHIBITORY}
JOINED: Final = {"ee": "E–E", "ei": "E–I", "ii": "I–I"}
OFFSETS: Final = "PRGn"  # of correlations: not the colours of weights
_MOMENTS: Final = {"trained": (OBSERVED, 0.17, 4.0), "first": (BEFORE, -0.19, 3.2)}  # colour, place beside the null's, size
_SPREAD: Final = 0.2  # of the networks of one moment
_BAR: Final = 0.36
_NEAR_ZERO: Final = 1e-6  # of the limit of a map: what is nearer to 0 is 0
_GROWTH: Final = (1.5, 5.0)  # sizes of the first and the last marker of a path


def draw_ladder(ax: Axes, ladder: xr.Dataset) -> None:
    """Mean z of every network, one line of markers per null: the trained network, and below it, paler, the first step.

    Parameters
    ----------
    ladder
        ``mean_z`` and ``p_value`` (null, run, moment), ``moment`` being "trained" or "first". Markers are filled where p is
        up to .05, open where it is above, crosses where there is none. A network has one height in all lines.
    """
    n_null, n_run = ladder.sizes["null"], ladder.sizes["run"]
    beside = np.linspace(_SPREAD / 2, -_SPREAD / 2, n_run) if n_run > 1 else np.zeros(1)
    ax.axvline(0, color=NULL, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)
    for moment in ladder.moment.values:
        colour, place, size = _MOMENTS[str(moment)]
        marks = ladder.sel(moment=moment).transpose("null", "run")
        y = (np.arange(n_null)[::-1, None] + place + beside).ravel()
        draw_marks(ax, marks.mean_z.values.ravel(), y, marks.p_value.values.ravel(), colour=colour, size=size)
    for line in range(n_null - 1):
        ax.axhline(line + 0.5, color=PALE, linewidth=0.5, zorder=0)
    ax.set(xlabel="mean z-score over neurons", ylim=(-0.5, n_null - 0.5))
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    if ladder.mean_z.notnull().any():
        ax.margins(x=0.08)
    else:
        say_no_answer(ax)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)


def draw_marks(ax: Axes, x: np.ndarray, y: np.ndarray, p: np.ndarray, *, colour: str, size: float) -> None:
    """Markers filled where p is up to .05, open where it is above, crosses where there is none; none where x or y is NaN."""
    known = np.isfinite(x) & np.isfinite(y)
    kinds: list[tuple[np.ndarray, str, str, float]] = [
        (p <= SIGNIFICANT, "o", colour, size),
        (p > SIGNIFICANT, "o", "white", size),
        (np.isnan(p), "x", colour, 0.7 * size),
    ]
    for of_kind, marker, face, own_size in kinds:
        drawn = known & of_kind
        if drawn.any():
            ax.plot(
                x[drawn],
                y[drawn],
                marker,
                color=colour,
                markerfacecolor=face,
                markersize=own_size,
                markeredgewidth=0.7,
                zorder=3,
            )


def legend_of_marks(drawn: Iterable[xr.Dataset], colour: str = NULL) -> list[Line2D]:
    """What the markers of `draw_marks` mean; the cross only where some p-value is missing of what is ``drawn``."""
    marks = [("o", colour, f"$p$ ≤ {SIGNIFICANT:g}"), ("o", "white", f"$p$ > {SIGNIFICANT:g}")]
    lines = [Line2D([], [], color=colour, marker=m, markerfacecolor=f, linestyle="", label=label) for m, f, label in marks]
    values = ((panel["mean_z" if "mean_z" in panel else "value"], panel.p_value) for panel in drawn if "p_value" in panel)
    if any((value.notnull() & p.isnull()).any() for value, p in values):
        lines.append(Line2D([], [], color=colour, marker="x", markersize=3, linestyle="", label="no $p$"))
    return lines


def draw_course(ax: Axes, course: xr.Dataset, *, colour: str, line: LineStyleType = "-", level: float | None = None) -> None:
    """One number per network through training: each network thin, their mean thick, with its 95 % interval.

    Parameters
    ----------
    course
        ``value`` (run, step) and its ``mean`` (step). With ``lower`` and ``upper`` (step) a band; with ``p_value`` (run,
        step) the markers are those of `draw_marks`, without it dots.
    level
        What there would be without structure, dotted.
    """
    several = course.sizes["run"] > 1
    step = course.step.values
    for run in range(course.sizes["run"]):
        network = course.isel(run=run)
        value = network.value.values
        known = np.isfinite(value)
        thin: dict[str, Any] = {"linewidth": 0.5, "alpha": 0.6} if several else {}
        ax.plot(step[known], value[known], line, color=colour, **thin)
        size = 2.5 if several else 3.5
        if "p_value" in network:
            draw_marks(ax, step, value, network.p_value.values, colour=colour, size=size)
        else:
            ax.plot(step[known], value[known], ".", color=colour, markersize=size)
    if several:
        mean = course["mean"].notnull().values
        if "lower" in course:
            known = course.lower.notnull().values
            ax.fill_between(
                step[known], course.lower.values[known], course.upper.values[known], color=colour, alpha=0.18, linewidth=0
            )
        ax.plot(step[mean], course["mean"].values[mean], line, color=colour, linewidth=1.6)
    if not course.value.notnull().any():
        say_no_answer(ax)
    elif level is not None:
        draw_level(ax, level)
    if step.size > 1:
        set_ages(ax, step)
    else:
        ax.set_xticks(step)
    ax.set_xlabel("training step")
    ax.spines[["top", "right"]].set_visible(False)


def draw_joins(ax: Axes, joins: xr.Dataset) -> None:
    """Joins observed beside those expected: bars are means over networks, dots joined by a line one network.

    Parameters
    ----------
    joins
        ``observed`` and ``expected`` (kind, run) and their means ``mean_observed`` and ``mean_expected`` (kind); kinds "ee",
        "ei" and "ii".
    """
    kinds = [str(kind) for kind in joins.kind.values]
    for x, kind in enumerate(kinds):
        counts = joins.sel(kind=kind)
        ax.bar(x - _BAR / 2, float(counts.mean_expected), _BAR, facecolor="white", edgecolor=NULL, hatch="/////", linewidth=0.6)
        ax.bar(x + _BAR / 2, float(counts.mean_observed), _BAR, facecolor=JOINS[kind], edgecolor=NULL, linewidth=0.6)
        if counts.sizes["run"] > 1:
            ends = np.array([counts.expected.values, counts.observed.values])
            at = np.array([[x - _BAR / 2], [x + _BAR / 2]]).repeat(counts.sizes["run"], axis=1)
            ax.plot(at, ends, "o-", color="black", markersize=2, linewidth=0.5, markeredgecolor="white", markeredgewidth=0.3)
    ax.set_xticks(range(len(kinds)), [JOINED[kind] for kind in kinds])
    ax.tick_params(axis="x", length=0)
    ax.set_ylim(bottom=0)
    if not joins.observed.notnull().any():
        say_no_answer(ax)
    ax.spines[["top", "right"]].set_visible(False)


def draw_offsets(ax: Axes, offsets: xr.Dataset, *, limit: float) -> AxesImage:
    """Map of the correlation beyond the null over offsets of two cells, delays across, sources upwards.

    Parameters
    ----------
    offsets
        ``excess`` (source_lag, delay_lag), coordinate ``lag``, the delay lag as drawn. A dash marks what is below 0; hatched:
        no answer.
    limit
        Excess of the strongest colour.
    """
    offsets = offsets.transpose("source_lag", "delay_lag")
    lag, n_source = offsets.lag.values, offsets.sizes["source_lag"]
    half = (lag[1] - lag[0]) / 2 if lag.size > 1 else 0.5
    extent = (lag[0] - half, lag[-1] + half, -0.5, n_source - 0.5)
    excess = offsets.excess.values
    ax.patch.set(facecolor="0.93", hatch="//////", edgecolor="0.6")
    image = ax.imshow(
        np.ma.masked_invalid(excess), extent=extent, origin="lower", aspect="auto", interpolation="nearest", cmap=OFFSETS,
        vmin=-limit, vmax=limit,
    )  # fmt: skip
    source, delay = np.nonzero(excess < -_NEAR_ZERO * limit)
    ax.plot(lag[delay], source, "_", color="black", markersize=3, markeredgewidth=0.5)
    ax.set(xlim=extent[:2], ylim=extent[2:], ylabel="source lag")
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    return image


def draw_profile(ax: Axes, profile: xr.Dataset) -> None:
    """Correlation along the delay at one source lag, the first step paler than the last; dashed: the null's mean.

    Parameters
    ----------
    profile
        ``correlation`` and ``expected`` (step, delay_lag), coordinate ``lag``, the delay lag as drawn.
    """
    colours = [BEFORE, OBSERVED][-profile.sizes["step"] :]
    for i, colour in enumerate(colours):
        line = profile.isel(step=i)
        ax.plot(line.lag, line.expected, "--", color=colour, linewidth=0.8)
        ax.plot(line.lag, line.correlation, "o-", color=colour, markersize=2.5, label=f"step {int(line.step)}")
    if profile.correlation.notnull().any():
        draw_level(ax, 0.0)
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    else:
        say_no_answer(ax)
    ax.spines[["top", "right"]].set_visible(False)


def draw_path(ax: Axes, path: xr.Dataset) -> None:
    """Each network's way through training: structure against accuracy, markers growing with the step; dotted: no structure.

    Parameters
    ----------
    path
        ``accuracy`` and ``excess`` (run, step).
    """
    for run in range(path.sizes["run"]):
        network = path.isel(run=run)
        network = network.isel(step=np.flatnonzero(network.accuracy.notnull() & network.excess.notnull()))
        ax.plot(network.accuracy, network.excess, color=OBSERVED, linewidth=0.5, alpha=0.6)
        sizes = np.linspace(*_GROWTH, network.sizes["step"]) ** 2
        ax.scatter(
            network.accuracy, network.excess, sizes, color=OBSERVED, edgecolor="white", linewidth=0.3, alpha=0.8, zorder=3
        )
    if path.excess.notnull().any():
        draw_level(ax, 0.0)
    else:
        say_no_answer(ax)
    ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    ax.set_xlabel("test accuracy [%]")
    ax.spines[["top", "right"]].set_visible(False)


def say_no_answer(ax: Axes) -> None:
    """Write into an Axes that there is nothing to draw."""
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.text(0.5, 0.5, "no answer", transform=ax.transAxes, ha="center", va="center", color=NULL, bbox=paper)


def hide_tick_labels(ax: Axes) -> None:
    """Leave the labels of a shared y axis to the panel left of it."""
    ax.tick_params(labelleft=False)
    ax.set_ylabel("")
