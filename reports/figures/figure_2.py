"""Fig 2: what the kinds of learning change in a small network."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.drawn import Drawn, Plan
from reports.figures.names import named
from reports.panels.fields import delay_width, draw_synapses
from reports.style import CHANGED, COLUMN, WIDTH, inches, styled
from stanalysis.errors import BadInput
from stanalysis.files.analysis import kept_steps
from stanalysis.findings.networks import synapses_at
from stanalysis.findings.view import Analysis
from stanalysis.stats.lives.changes import changes

MOST_NEURONS, MOST_RUNS = 12, 8  # a side; in one figure
_WIDTH = 1.0  # ms: a change of half of it is one, where there are no bins
_NEURON, _FRAME = 5.0, 14.0  # height of a row: per neuron, and besides [mm]


@styled
def figure_2(analysis: xr.DataTree, projection: str | None = None) -> Drawn:
    """Synapses of a small projection before and after training, for each network.

    Parameters
    ----------
    analysis
        As `stanalysis.read_analysis` gives it.
    projection
        Its name, ``<source>__<target>``; the one with the fewest neurons if None.
    """
    projection = projection or smallest_projection(analysis)
    if problem := why_not_figure_2(analysis, projection):
        raise BadInput(problem)
    runs = _trained(analysis, projection)
    table = analysis[f"synapses/{projection}"].to_dataset()
    sides = [str(name) for name in projection.split("__")]
    columns = min(len(runs), 2)
    rows = -(-len(runs) // columns)
    height = _NEURON * max(table.attrs["n_source"], table.attrs["n_target"]) + _FRAME
    figure = Figure(figsize=(inches(WIDTH if columns == 2 else COLUMN), inches(rows * height + 12)), layout="constrained")
    pairs = figure.subfigures(rows, columns, squeeze=False).ravel()
    width = Analysis(analysis).bin or _WIDTH
    half = f"half a bin ({width / 2:g} ms)" if Analysis(analysis).bin else f"{width / 2:g} ms"
    counted = []
    panels: dict[str, xr.Dataset] = {}
    for pair, (run, (first, last)) in zip(pairs, runs.items(), strict=False):
        before, after = (synapses_at(analysis, projection, run=run, step=step) for step in (first, last))
        changed = changes(before, after, dt=width)
        learned = _learned(analysis, projection, run)
        pair.suptitle(learned, weight="bold", size="medium")
        for ax, moment, step in zip(pair.subplots(1, 2), changed.moment.values, (first, last), strict=True):
            panels[f"network {run}, {moment}: step {step}"] = changed.sel(moment=moment)
            draw_synapses(ax, changed.sel(moment=moment))
            ax.set_title(f"{moment}: step {step}")
            ax.set_xticks([0, 1], sides)
            ax.tick_params(length=0)
        counted.append(f"{learned} (network {run}): {_counted(changed)}")
    longest = float(table.attrs["delay_max"])
    widths = {d: delay_width(d, longest) for d in (0, longest / 2, longest)}
    handles = [
        *(Line2D([], [], color="black", linewidth=width, label=f"{d:g} ms") for d, width in widths.items()),
        Line2D([], [], color=CHANGED, label="changed or new"),
        Line2D([], [], color=CHANGED, linestyle="--", label="will die"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5 if columns == 2 else 3)
    caption = (
        f"Figure 2. Kinds of learning: the synapses of {projection} before (first step) and after training (last step kept). "
        f"Dots are neurons, lines synapses; the longer the delay (0 to {longest:g} ms), the wider the line. Black: "
        f"unchanged; red: the delay changes by {half} or more, or the synapse "
        "dies (dashed, before) or is new (after). Weights and their signs are not drawn. "
        f"n = {len(runs)} network{'s' if len(runs) > 1 else ''}. {'; '.join(counted)}."
    )
    return Drawn(figure, caption, panels)


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One for every projection that is small enough to draw each synapse."""
    small = [name for name in Analysis(analysis).tables("synapses") if why_not_figure_2(analysis, name) is None]
    if not small:
        raise BadInput(str(why_not_figure_2(analysis, smallest_projection(analysis))))
    return [Plan(named("fig2", name), partial(figure_2, analysis, name), name) for name in small]


def smallest_projection(analysis: xr.DataTree) -> str:
    """The projection with the fewest neurons."""
    tables = Analysis(analysis).tables("synapses")
    sizes = {name: table.attrs["n_source"] + table.attrs["n_target"] for name, table in tables.items()}
    return min(sizes, key=sizes.__getitem__)


def why_not_figure_2(analysis: xr.DataTree, projection: str) -> str | None:
    """What makes this projection unreadable as a graph, as a sentence; None if nothing does."""
    attrs = analysis[f"synapses/{projection}"].attrs
    if max(attrs["n_source"], attrs["n_target"]) > MOST_NEURONS:
        return (
            f"{projection} joins {attrs['n_source']} to {attrs['n_target']} neurons, too many to draw each synapse; "
            f"give a projection of at most {MOST_NEURONS} neurons a side."
        )
    n_runs = len(_trained(analysis, projection))
    if not 0 < n_runs <= MOST_RUNS:
        return f"{n_runs} networks have {projection} at two steps or more; analyse 1 to {MOST_RUNS} such networks."
    return None


def _trained(analysis: xr.DataTree, projection: str) -> dict[str, tuple[int, int]]:
    """First and last kept step of each network that has two."""
    moran = analysis[f"autocorrelation/{projection}"].to_dataset()
    kept = {str(run): kept_steps(moran.sel(run=run)) for run in moran.run.values}
    return {run: (steps[0], steps[-1]) for run, steps in kept.items() if len(steps) > 1}


def _learned(analysis: xr.DataTree, projection: str, run: str) -> str:
    """What a network learned; its name where its configuration does not say."""
    network = analysis[f"autocorrelation/{projection}"].to_dataset().sel(run=run)
    connectivity, delays = network.connectivity.item(), network.delays.item()
    if not (connectivity or delays):
        return run
    learned = {"structure": connectivity == "rewired", "delays": delays == "learned"}
    return " + ".join(["weights", *(what for what, is_learned in learned.items() if is_learned)])


def _counted(changed: xr.Dataset) -> str:
    before, after = (int(n) for n in changed.delay.notnull().sum("synapse"))
    kinds = {"born": "new", "died": "died", "delay_changed": "changed delay", "sign_changed": "changed sign"}
    counts = ", ".join(f"{int(np.count_nonzero(changed[name]))} {word}" for name, word in kinds.items())
    return f"{before} synapses before, {after} after, {counts}"
