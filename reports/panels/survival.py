"""Panels of lives of synapses, and of what pruning leaves: each draws one Axes from one Dataset and computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullLocator, PercentFormatter
from matplotlib.typing import LineStyleType

from reports.captions import percent
from reports.style import CHANGED, CONNECTIVITY, EXCITATORY, INHIBITORY, NULL, NULL_BAND, OBSERVED
from stanalysis.findings.tables import SIGNIFICANT

# Okabe & Ito; what has an order goes from dark to light
GROUPS: Final = {
    "all": "black", "excitatory": EXCITATORY, "inhibitory": INHIBITORY, "initial": "0.25", "grown": CHANGED,
    "short": "#440154", "middle": "#26828E", "long": "#6FA81E", "low": "#440154", "high": "#6FA81E",
    "alone": "0.45", "opposed": "#0072B2", "balanced": "#CC79A7", "grouped": CHANGED,
}  # fmt: skip
_OTHERS: Final = ("black", CHANGED, "#0072B2", OBSERVED, "#CC79A7", "#E69F00")
CRITERIA: Final[dict[str, tuple[str, LineStyleType, str]]] = {
    "magnitude": ("#0072B2", "-", "o"),
    "random": (NULL_BAND, "--", "s"),
    "largest": (CHANGED, ":", "D"),
}
INITIAL, GROWN = "0.25", CHANGED
_WIDE = 30  # times the first age from which ages are drawn on a log scale
_FURTHEST = 20.0  # hazard ratios beyond it, or below its inverse, leave the panel
_RATIOS: Final = ((0.8, 0.9, 1, 1.1, 1.25), (0.5, 0.7, 1, 1.4, 2), (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20))  # labelled
_THIN: Final[dict[str, Any]] = {"linewidth": 0.5, "alpha": 0.5}  # of one network of several
_FIRST, _SECOND = 6.0, 100.0  # where columns stand right of a forest plot [points]
_PRUNED = (0.0, 0.5, 0.75, 0.9, 0.95, 0.99)  # labelled where they are pruned


def set_ages(ax: Axes, ages: np.ndarray) -> None:
    """Scale and ticks of an axis of ages [steps]: linear up to the first age, logarithmic beyond, unless they are near."""
    first, last = (float(ages[ages > 0].min()), float(ages.max())) if (ages > 0).any() else (1.0, 1.0)
    if last / first < _WIDE:
        ticks = np.asarray(MaxNLocator(4, integer=True, steps=[1, 2, 2.5, 5, 10]).tick_values(0, last))
        ax.set_xlim(-0.08 * last, 1.02 * last)
    else:
        ticks = np.array([0, *(first * 10.0 ** np.arange(np.log10(last / first) + 1))])
        ax.set_xscale("symlog", linthresh=first, linscale=0.6)
        ax.set_xlim(-0.5 * first, 1.2 * last)
    ticks = ticks[(ticks >= 0) & (ticks <= last)]
    ax.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
    ax.xaxis.set_major_formatter(FixedFormatter([short(tick) for tick in ticks]))
    ax.xaxis.set_minor_locator(NullLocator())


def draw_survival(ax: Axes, curves: xr.Dataset) -> None:
    """Step curves of the survival functions of groups with their bands; dots mark the medians that are reached.

    Parameters
    ----------
    curves
        ``survival``, ``lower``, ``upper`` (curve, age) and ``median`` (curve), coordinate ``group``; ages in steps. The axis
        of ages is that of `set_ages`.
    """
    ax.axhline(0.5, color="0.8", linewidth=0.5, zorder=0)
    for i, colour in enumerate(group_colours(curves)):
        curve = curves.isel(curve=i)
        curve = curve.isel(age=np.flatnonzero(curve.survival.notnull()))
        ax.fill_between(curve.age, curve.lower, curve.upper, step="post", color=colour, alpha=0.2, linewidth=0)
        ax.step(curve.age, curve.survival, where="post", color=colour, label=str(curve.group.item()))
        if np.isfinite(curve["median"]):
            ax.plot(float(curve["median"]), 0.5, "o", color=colour, markersize=3, markeredgecolor="white", markeredgewidth=0.4)
    ax.set(xlabel="age [steps]", ylabel="surviving synapses", ylim=(0, 1.02), yticks=[0, 0.5, 1])
    ax.spines[["top", "right"]].set_visible(False)


def draw_at_risk(ax: Axes, curves: xr.Dataset, ages: np.ndarray, *, n_lines: int) -> None:
    """Table under survival curves: how many synapses of each group are at risk at some ages, in the colour of the group.

    Parameters
    ----------
    curves
        Coordinate ``group``; ``at_risk`` (curve, age), NaN where nobody is watched. Without it the table names the groups.
    ages
        Where the columns stand on the axis, which is that of the curves above.
    n_lines
        Lines to leave room for, so that those of tables side by side are equally high.
    """
    colours = group_colours(curves)
    counted = "at_risk" in curves and bool(curves.at_risk.notnull().any())
    for i, colour in enumerate(colours if counted else []):
        known = curves.at_risk.isel(curve=i).dropna("age")
        for age in ages:
            later = known.sel(age=slice(age, None))  # nobody comes or goes between two ages of the table
            number = float(later[0]) if later.size else 0.0
            ax.text(age, i + 1, short(number), color=colour, ha="center", va="center", size="small", clip_on=False)
    ax.set(ylim=(n_lines - 0.5, -0.5))
    ax.set_yticks(range(len(colours) + 1), ["at risk" if counted else "", *(str(group) for group in curves.group.values)])
    for label, colour in zip(ax.get_yticklabels(), ["black", *colours], strict=True):
        label.set_color(colour)
    ax.get_yticklabels()[0].set_fontstyle("italic")
    ax.tick_params(length=0, labelbottom=False)
    ax.tick_params(axis="y", labelsize="small", pad=5)
    ax.spines[:].set_visible(False)


def group_colours(curves: xr.Dataset) -> list[str]:
    """A colour for the group of each curve."""
    groups = [str(group) for group in curves.group.values]
    return [GROUPS.get(group, _OTHERS[i % len(_OTHERS)]) for i, group in enumerate(groups)]


def draw_hazard_ratios(ax: Axes, sections: Mapping[str, xr.Dataset]) -> None:
    """Forest plot: hazard ratios with their intervals, section by section, and printed beside.

    Parameters
    ----------
    sections
        HAZARD_RATIOS (term) with the coordinate ``covariate``, by the heading of each section. What leaves the panel ends in
        an arrow; a term that is NaN has no answer.
    """
    drawn = np.concatenate([terms[part].values for terms in sections.values() for part in ("hazard_ratio", "lower", "upper")])
    seen = drawn[(drawn >= 1 / _FURTHEST) & (drawn <= _FURTHEST)]
    edge = 1.2 * max([1.1, *seen, *(1 / seen)])
    ax.set_xscale("log")
    ax.axvline(1, color=NULL, linewidth=0.6, linestyle=":")
    labels: list[tuple[int, str, str]] = []
    y = 0
    for heading, terms in sections.items():
        labels.append((y, heading, "bold"))
        for i, name in enumerate(terms.covariate.values):
            y += 1
            labels.append((y, str(name), "normal"))
            row = terms.isel(term=i)
            ratio, lower, upper = (float(row[part]) for part in ("hazard_ratio", "lower", "upper"))
            if not np.isfinite(ratio):
                _beside(ax, y, "no answer", _FIRST, color=NULL)
                continue
            ax.plot(np.clip([lower, upper], 1 / edge, edge), [y, y], color="black", linewidth=0.9)
            if 1 / edge <= ratio <= edge:
                ax.plot(ratio, y, "s", color="black", markersize=3.5)
            for end, marker, leaves in ((1 / edge, "<", lower < 1 / edge), (edge, ">", upper > edge)):
                if leaves:
                    ax.plot(end, y, marker, color="black", markersize=3, clip_on=False)
            digits = 3 if upper - lower < 0.1 else 2
            shown = [f"{x:.{digits}f}" if x < 100 else f"{x:.0f}" if x < 1e4 else f"{x:.0e}" for x in (ratio, lower, upper)]
            _beside(ax, y, f"{shown[0]} [{shown[1]}–{shown[2]}]", _FIRST)
            _beside(ax, y, p_said(float(row.p_value)).removeprefix("$p$ ").removeprefix("= "), _SECOND)
        y += 2
    _beside(ax, 0, "HR [95 %]", _FIRST, weight="bold")
    _beside(ax, 0, "$p$", _SECOND)
    ax.set_yticks([at for at, _, _ in labels], [text for _, text, _ in labels])
    for label, (_, _, weight) in zip(ax.get_yticklabels(), labels, strict=True):
        label.set_fontweight(weight)
    ax.set(ylim=(y - 1.3, -0.6), xlim=(1 / edge, edge))
    ax.set_xlabel("hazard ratio (log scale)\n← lives longer    dies sooner →")
    ax.xaxis.set_major_locator(FixedLocator(_RATIOS[0] if edge < 1.7 else _RATIOS[1] if edge < 3 else _RATIOS[2]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.tick_params(axis="y", length=0, pad=6)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _beside(ax: Axes, y: float, text: str, points: float, **style: Any) -> None:
    ax.annotate(
        text, (1, y), (points, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points", va="center",
        annotation_clip=False, **style,
    )  # fmt: skip


def draw_pruned(ax: Axes, pruned: xr.Dataset) -> None:
    """What pruning leaves, over the share of synapses left: each network thin, their mean thick, one colour a criterion.

    Parameters
    ----------
    pruned
        ``value`` (run, criterion, fraction) and its ``mean`` (criterion, fraction); with ``p_value`` markers are filled where
        it is up to .05, open where it is above, and missing where there is none.
    """
    ax.set_xscale("log")
    several = pruned.sizes["run"] > 1
    left = 1 - pruned.fraction.values
    for criterion in pruned.criterion.values:
        colour, line, marker = CRITERIA[str(criterion)]
        accuracies = pruned.sel(criterion=criterion)
        for run in range(accuracies.sizes["run"]):
            value = accuracies.value.isel(run=run).values
            known = np.isfinite(value)
            ax.plot(left[known], value[known], line, color=colour, **_THIN if several else {})
            if "p_value" in accuracies:
                p = accuracies.p_value.isel(run=run).values
                for where, face in ((known & (p <= SIGNIFICANT), colour), (known & (p > SIGNIFICANT), "white")):
                    ax.plot(
                        left[where], value[where], marker, color=colour, markerfacecolor=face, markersize=2.5 if several else 4,
                        markeredgewidth=0.6,
                    )  # fmt: skip
        if several:
            mean = accuracies["mean"].values
            ax.plot(left[np.isfinite(mean)], mean[np.isfinite(mean)], line, color=colour, linewidth=1.6)
    labelled = [fraction for fraction in _PRUNED if fraction <= pruned.fraction.values.max() + 1e-9]
    ax.xaxis.set_major_locator(FixedLocator([1 - fraction for fraction in labelled]))
    ax.xaxis.set_major_formatter(FixedFormatter([percent(fraction) for fraction in labelled]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(1.15, left.min() / 1.15)
    ax.set_xlabel("synapses pruned [%]")
    ax.spines[["top", "right"]].set_visible(False)


def draw_level(ax: Axes, level: float) -> None:
    """A line across for what there would be without structure, or by guessing."""
    ax.axhline(level, color=NULL, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)


def shares(ax: Axes) -> None:
    """Print shares on the y axis in per cent, from 0 to 100."""
    ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    ax.set_ylim(0, 1)


def draw_turnover(ax: Axes, turnover: xr.Dataset) -> None:
    """Births above and deaths below 0 over training, the deaths by whether the synapse was there from the start.

    Parameters
    ----------
    turnover
        ``births``, ``deaths_initial`` and ``deaths_grown`` per step, dim bin; coordinates ``start`` and ``stop`` [step].
    """
    edges = np.append(turnover.start.values, turnover.stop.values[-1])
    grown, all_deaths = (-turnover.deaths_grown).values, (-turnover.deaths_grown - turnover.deaths_initial).values
    ax.stairs(turnover.births.values, edges, fill=True, color=CONNECTIVITY["rewired"], alpha=0.8, label="births")
    ax.stairs(grown, edges, fill=True, color=GROWN, alpha=0.8, label="deaths of grown synapses")
    ax.stairs(all_deaths, edges, baseline=grown, fill=True, color=INITIAL, alpha=0.8, label="deaths of initial synapses")
    ax.axhline(0, color="black", linewidth=0.6)
    ax.set(xlabel="training step", ylabel="synapses per step", xlim=(edges[0], edges[-1]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{abs(y):g}"))
    ax.spines[["top", "right"]].set_visible(False)


def p_said(p: float) -> str:
    """A p-value as it is printed.

    Examples
    --------
    >>> p_said(0.0123), p_said(1e-9), p_said(float("nan"))
    ('$p$ = 0.012', '$p$ < 0.001', 'no answer')
    """
    if not np.isfinite(p):
        return "no answer"
    return f"$p$ = {p:.3f}" if p >= 0.001 else "$p$ < 0.001"


def short(number: float) -> str:
    """A whole number in at most four characters, thousands as k and millions as M.

    Examples
    --------
    >>> [short(n) for n in (0, 9999, 12345, 9.87e6, 123456789)]
    ['0', '9999', '12k', '9.9M', '123M']
    """
    if number < 1e4:
        return f"{number:.0f}"
    if number < 999_500:
        return f"{number / 1e3:.0f}k"
    return f"{number / 1e6:.1f}M" if number < 9.95e6 else f"{number / 1e6:.0f}M"
