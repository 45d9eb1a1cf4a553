"""How long synapses live, by what is known of them at birth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from reports.captions import percent
from reports.drawn import Drawn, Plan
from reports.figures.conditions import plans_of, runs_of
from reports.figures.wording import said_seeds
from reports.panels.survival import draw_at_risk, draw_survival, p_said, set_ages
from reports.style import COLUMN, MIDDLE, WIDTH, inches, styled
from stanalysis.errors import BadInput
from stanalysis.findings.view import Analysis
from stanalysis.stats.lives.episodes import RADIUS

_GROUPINGS: Final = {
    "origin": "initial or grown",
    "sign": "sign of the weight",
    "delay": "delay at birth",
    "channel": "presynaptic channel",
    "agreement": "neighbours at birth",
    "projection": "projection",
}
_ROWS: Final = {"": "all synapses", "initial": "initial synapses", "grown": "grown synapses"}  # those among which is grouped
_SAID: Final = {
    "origin": (
        "initial synapses are those of step 0, which start at full strength, grown ones are born later, at almost none; all "
        "together are a mixture of both"
    ),
    "delay": "delays at birth: thirds of the synapses of the row",
    "channel": "channels: thirds of the presynaptic neurons",
    "agreement": (
        f"neighbours at birth, within {RADIUS:g} sources: more of the other sign (opposed), as many of either (balanced), more "
        "of its own sign (grouped), none (alone), as is commoner in neurons of few synapses"
    ),
}
_BANDS: Final = {
    "Greenwood": (
        "Greenwood's, pointwise, on the scale of log(−log S): it takes the synapses of the network for independent and says "
        "nothing about other networks"
    ),
    "runs": "pointwise, with whole networks as replicates",
    "fit": "that of the fit, which takes synapses for independent",
    "fits of runs": "of fits, pointwise, with whole networks as replicates",
}
_SHOWN: Final = ("survival", "lower", "upper", "median", "at_risk")
_CURVE, _LINE, _FRAME = 30.0, 3.4, 19.0  # height of the curves, of a line of the table under them, and besides [mm]


@styled
def figure_survival(analysis: xr.DataTree, projection: str, condition: str = "") -> Drawn:
    """Survival curves of groups of synapses, each over a table of those at risk.

    Parameters
    ----------
    analysis
        As `stanalysis.read_analysis` gives it, with the group ``survival``.
    projection
        Its name, ``<source>__<target>``.
    condition
        Which networks, as the coordinate ``condition`` names them.
    """
    curves = _curves(analysis, projection, condition)
    rows = _panels(curves[[name for name in _SHOWN if name in curves]])
    ages = curves.age.values[curves.survival.notnull().any("curve").values]
    n_columns = max(len(row) for row in rows.values())
    lines = [max(drawn_curves.sizes["curve"] for drawn_curves in row.values()) + 1 for row in rows.values()]
    heights = [height for n in lines for height in (_CURVE, _LINE * n)]
    size = ({1: COLUMN, 2: MIDDLE}.get(n_columns, WIDTH), sum(heights) + _FRAME * len(rows))
    figure = Figure(figsize=(inches(size[0]), inches(size[1])), layout="constrained")
    panels: dict[str, xr.Dataset] = {}
    grid = GridSpec(2 * len(rows), n_columns, figure, height_ratios=heights)
    for i, (among, row) in enumerate(rows.items()):
        for j, (grouping, drawn_curves) in enumerate(row.items()):
            ax = figure.add_subplot(grid[2 * i, j])
            set_ages(ax, ages)
            p = _tested(analysis, projection, condition, among, grouping)
            drawn_curves = drawn_curves if p is None else drawn_curves.assign(log_rank_p=p)
            draw_survival(ax, panels.setdefault(f"{_ROWS[among]}, {grouping}", drawn_curves))
            ax.set_title("" if p is None else f"log-rank {p_said(p)}" if np.isfinite(p) else "log-rank: no answer")
            heading = str(grouping) if grouping.among else _GROUPINGS.get(grouping.name, "")
            ax.annotate(
                heading, (0.5, 1), (0, 11), xycoords="axes fraction", textcoords="offset points",
                ha="center", va="bottom", weight="bold",
            )  # fmt: skip
            ax.set_ylabel("" if j else f"{_ROWS[among]}\nsurviving")
            table = figure.add_subplot(grid[2 * i + 1, j], sharex=ax)
            ticks = ax.get_xticks()
            if grouping.name == "projection":  # whole names are long
                names = [f"→ {name.split('__')[-1]}" for name in drawn_curves.group.values]
                drawn_curves = drawn_curves.assign_coords(group=("curve", names))
            # until the first age nobody dies: its column, which has little room, would say what that of 0 says
            draw_at_risk(table, drawn_curves, ticks if ax.get_xscale() == "linear" else np.delete(ticks, 1), n_lines=lines[i])
    return Drawn(figure, _caption(analysis, curves, rows, projection, condition), panels)


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One for every projection and condition whose synapses were seen to be born or to die."""
    curves = Analysis(analysis).table("survival")
    if not curves:
        raise BadInput("The analysis has no survival curves; analyse runs whose synapses are born and die.")
    return plans_of("survival", figure_survival, analysis, curves)


def _curves(analysis: xr.DataTree, projection: str, condition: str) -> xr.Dataset:
    """The curves of one projection, and those that compare all projections, of one condition."""
    curves = Analysis(analysis).table("survival")
    within = chosen = np.zeros(0, bool)
    if curves:
        within = curves.projection.values == projection
        between = (curves.projection.values == "") & (curves.grouping.values == "projection")
        chosen = (within | between) & (curves.condition.values == condition)
    if not (chosen & within).any():
        some = f" of {condition}" if condition else ""
        raise BadInput(f"The analysis has no survival curves of {projection}{some}; analyse runs that rewired it.")
    return curves.isel(curve=np.flatnonzero(chosen))


class _Grouping(NamedTuple):
    """What a panel parts synapses by; ``among`` where that is not said by its row, as of what compares projections."""

    name: str
    among: str = ""

    def __str__(self) -> str:
        return f"{self.name}, {self.among}" if self.among else self.name


def _panels(curves: xr.Dataset) -> dict[str, dict[_Grouping, xr.Dataset]]:
    """Rows of panels, each the curves of one grouping; all synapses of a row together are shown in its first panel."""
    rows: dict[str, dict[_Grouping, xr.Dataset]] = {}
    for among in _ROWS:
        which = {name: (curves.grouping.values == name) & (curves.among.values == among) for name in ("all", *_GROUPINGS)}
        at = {name: np.flatnonzero(chosen) for name, chosen in which.items() if chosen.any()}
        together = at.pop("all", np.zeros(0, int))
        if together.size:
            first = next(iter(at), "all")
            at = {first: np.append(together, at.get(first, together[:0]))} | {k: v for k, v in at.items() if k != first}
        between = at.pop("projection", together[:0])
        if at:
            rows[among] = {_Grouping(name): curves.isel(curve=index) for name, index in at.items()}
        if between.size:  # in the first row, where there is room
            rows.setdefault("", {})[_Grouping("projection", among)] = curves.isel(curve=between)
    return rows


def _tested(analysis: xr.DataTree, projection: str, condition: str, among: str, grouping: _Grouping) -> float | None:
    """The p-value of the log-rank test of the groups of a panel; None where there was none."""
    contrasts = Analysis(analysis).table("contrasts")
    if not contrasts:
        return None
    where = {"projection": projection, "condition": condition, "among": among, "grouping": grouping.name}
    if grouping.name == "projection":
        where |= {"projection": "", "among": grouping.among}
    chosen = np.flatnonzero(np.all([contrasts[name].values == value for name, value in where.items()], axis=0))
    return float(contrasts.p_value.values[chosen[0]]) if chosen.size else None


def _caption(
    analysis: xr.DataTree,
    curves: xr.Dataset,
    rows: Mapping[str, Mapping[_Grouping, xr.Dataset]],
    projection: str,
    condition: str,
) -> str:
    every = curves.isel(curve=np.flatnonzero(curves.grouping.values == "all"))
    n_runs, seeds = int(every.n_runs.max()), said_seeds(analysis, runs_of(analysis, condition))
    among = f" ({condition})" if condition else ""
    fitted = bool(every.band.isin(("fit", "fits of runs")).all())
    kind = "fitted to what the checkpoints show" if fitted else "Kaplan–Meier"
    bands = "; ".join(_BANDS[band] for band in dict.fromkeys(str(band) for band in curves.band.values))
    drawn = {grouping.name for row in rows.values() for grouping in row}
    groups = "; ".join(said for name, said in _SAID.items() if name in drawn)
    unseen = ""
    if fitted and every.unseen_share.notnull().any():
        unseen = (
            f" At least about {percent(round(float(every.unseen_share.max()), 2))} % of the births in training were never seen."
        )
    below = (
        "Below: the colours of the curves."
        if fitted
        else "Below, in the colours of the curves: synapses still watched at the ages of the ticks, before the deaths of that "
        "age. Where ages span much the axis is linear up to the first age at which one can die, and logarithmic from there on; "
        "as many are at risk at that age as at 0. p: log-rank test of all groups of a panel, synapses compared with those of "
        "the same neuron (neighbours: and the same step of birth; projections: of the same network), neurons being "
        "independent; it speaks of these networks, not of others, and is not adjusted for the number of panels."
    )
    return (
        f"Survival. How long synapses of {projection} live{among}: share that lives beyond an age (training steps since birth; "
        f"{kind}), in {n_runs} network{'s' if n_runs > 1 else ''} together ({seeds}); {int(every.n_episodes.sum())} lives of "
        "synapses, "
        f"of which {int(every.n_deaths.sum())} ended in training; what is alive at its end is censored.{unseen} "
        f"{groups[:1].upper()}{groups[1:]}{'. ' if groups else ''}Band: 95 %, {bands}. Dots on the line at 1/2: medians, where "
        f"they are reached. {below}"
    )
