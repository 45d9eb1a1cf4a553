"""One receptive field through training, and the births and deaths of synapses that made it."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.captions import signed, training_seed
from reports.drawn import Drawn, Plan
from reports.figures.names import named
from reports.panels.fields import draw_field, draw_frequencies, outline_cells
from reports.panels.survival import draw_turnover
from reports.style import LIMIT_QUANTILE, WIDTH, inches, styled, weight_limit
from stanalysis.errors import BadInput
from stanalysis.fields.receptive_field import fields_of_synapses
from stanalysis.files.analysis import kept_steps
from stanalysis.findings.effects import first_and_trained
from stanalysis.findings.networks import fields_at, synapses_at
from stanalysis.findings.view import Analysis

_MOST_FRAMES: Final = 6
_MOST_BINS: Final = 60  # of training, in the panel of turnover
_NEVER: Final = np.iinfo(np.int64).max


@styled
def figure_film(analysis: xr.DataTree, projection: str, run: int = 0) -> Drawn:
    """The receptive field of one neuron at kept steps, over the turnover of synapses.

    Parameters
    ----------
    analysis
        As `stanalysis.read_analysis` gives it. Without ``episodes`` of the network there is no turnover to draw.
    projection
        Its name, ``<source>__<target>``.
    run
        Index of the network among those that have the projection.
    """
    moran = analysis[f"autocorrelation/{projection}"].to_dataset().isel(run=run)
    name = str(moran.run.item())
    kept = kept_steps(moran)
    _, trained = first_and_trained(analysis, projection)[name]
    steps = _frames(kept, trained)
    neuron = _neuron(moran.sel(step=trained))
    fields = {step: fields_at(analysis, projection, run=name, step=step, targets=[neuron]) for step in steps}
    lives = episodes_of(analysis, projection, name)
    lives_of_neuron = None if lives is None else lives.isel(episode=np.flatnonzero(lives.target.values == neuron))
    film = [field.sel(target=neuron)[["receptive_field", "present"]] for field in fields.values()]
    limit = _limit(film)

    height = float(np.clip(0.9 * film[0].sizes["source"], 30, 42))  # of a field [mm]
    heights = [height + 32, 48] if lives is not None else [height + 32]
    figure = Figure(figsize=(inches(WIDTH), inches(sum(heights))), layout="constrained")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).ravel()
    axes = parts[0].subplots(1, len(steps), sharey=True, squeeze=False).ravel()
    images = [draw_field(ax, field, limit) for ax, field in zip(axes, film, strict=True)]
    answers = moran.morans_i.sel(step=steps, target=neuron, drop=True)
    panels = {f"step {step}, neuron {neuron}": field for step, field in zip(steps, film, strict=True)}
    panels["titles"] = answers.reset_coords(drop=True).to_dataset()
    for ax, step in zip(axes, steps, strict=True):
        answer = float(answers.sel(step=step))
        ax.set_title(f"step {step}\n" + ("no answer" if np.isnan(answer) else f"$I$ = {signed(answer)}"))
        ax.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10], integer=True))
    for ax in axes[1:]:
        ax.set_ylabel("")
    if "frequency" in film[0].coords:
        draw_frequencies(axes[-1], film[-1])
    if lives_of_neuron is not None:
        view = Analysis(analysis)
        for ax, since, step in zip(axes[1:], steps, steps[1:], strict=False):
            born = _born(synapses_at(analysis, projection, run=name, step=step), lives_of_neuron, since=since, step=step)
            new = fields_of_synapses(born, dt=view.dt, bin_width=view.require_fields()).present.sel(target=neuron)
            panel = f"step {step}, neuron {neuron}"
            panels[panel] = panels[panel].assign(outlined=new)
            outline_cells(ax, new, view.require_fields())
            panels[f"steps {since} to {step}"] = _turnover_of(lives_of_neuron, since, step)
            _write_between(ax, panels[f"steps {since} to {step}"])
    bar = parts[0].colorbar(images[0], ax=axes, location="bottom", shrink=0.4, aspect=40, extend="both")
    bar.set_label("synaptic weight (white: no synapse)")
    if lives is not None:
        ax = parts[1].subplots()
        panels["turnover"] = _turnover(lives)
        draw_turnover(ax, panels["turnover"])
        for step in steps[1:-1]:
            ax.axvline(step, color="0.7", linewidth=0.5, zorder=0)
        ax.set_title(f"synapses of all {moran.sizes['target']} neurons", weight="bold")
        parts[1].legend(*ax.get_legend_handles_labels(), loc="outside right center")
    chosen = Analysis(analysis).best_steps[name] == trained
    why = f"step {trained}, the {'best on validation' if chosen else 'last kept'}"
    return Drawn(figure, _caption(moran.sel(step=trained), projection, neuron, why, limit, lives), panels)


def plans(analysis: xr.DataTree) -> list[Plan]:
    """One for every projection of every network with three kept steps at least, in which synapses died."""
    Analysis(analysis).require_fields()
    planned = []
    for projection, moran in Analysis(analysis).tables("autocorrelation").items():
        runs = [str(name) for name in moran.run.values]
        for run, name in enumerate(runs):
            if shows_turnover(analysis, projection, run):
                stem = named("film", projection, name if len(runs) > 1 else "")
                planned.append(Plan(stem, partial(figure_film, analysis, projection, run), projection, (name,)))
    if not planned:
        raise BadInput("No network of the analysis has three kept steps and synapses that died; analyse runs that rewire.")
    return planned


def episodes_of(analysis: xr.DataTree, projection: str, name: str) -> xr.Dataset | None:
    """Lives of the synapses of one network, by its name; None where none is known to have been born or to have died."""
    if not Analysis(analysis).has("episodes", projection):
        return None
    lives = Analysis(analysis).rows("episodes", projection, name)
    return lives if (lives.event | (lives.birth_step > 0)).any() else None


def shows_turnover(analysis: xr.DataTree, projection: str, run: int) -> bool:
    """Whether there is a film worth drawing: at least three kept steps, and a synapse that died."""
    moran = analysis[f"autocorrelation/{projection}"].to_dataset().isel(run=run)
    lives = episodes_of(analysis, projection, str(moran.run.item()))
    return len(kept_steps(moran)) >= 3 and lives is not None and bool(lives.event.any())


def _frames(kept: list[int], trained: int) -> list[int]:
    """The first and the last kept step, the trained one, and others spread evenly among those kept."""
    if len(kept) <= _MOST_FRAMES:
        return kept
    at = np.linspace(0, len(kept) - 1, _MOST_FRAMES).round().astype(int)
    best = kept.index(trained)
    if best not in at:
        at[1 + np.argmin(abs(at[1:-1] - best))] = best
    return [kept[i] for i in at]


def _neuron(moran: xr.Dataset) -> int:
    """The neuron of highest Moran's I; where none has an answer, the one of most synapses."""
    known = moran.morans_i.dropna("target")
    score = known if known.size else moran.n_synapses
    return int(score.target[int(score.argmax("target"))])


def _limit(fields: list[xr.Dataset]) -> float:
    """One colour limit for all fields drawn."""
    drawn = np.concatenate([np.abs(field.receptive_field.values[field.present.values]) for field in fields])
    return weight_limit(drawn)


def _died_at(lives: xr.Dataset) -> np.ndarray:
    """Step at which each synapse died, beyond every step where it did not."""
    return np.where(lives.event, lives.birth_step.astype(np.int64) + lives.exit, _NEVER)


def _born(table: xr.Dataset, lives: xr.Dataset, *, since: int, step: int) -> xr.Dataset:
    """The synapses of a table that were born after one step and by another, at which they are there."""
    new = (lives.birth_step.values > since) & (lives.birth_step.values <= step) & (_died_at(lives) > step)
    identity = ("target", "source", "contact")
    born = set(zip(*(lives[name].values[new].tolist() for name in identity), strict=True))
    there = zip(*(table[name].values.tolist() for name in identity), strict=True)
    return table.isel(synapse=[i for i, synapse in enumerate(there) if synapse in born])


def _turnover_of(lives: xr.Dataset, since: int, step: int) -> xr.Dataset:
    """Births and deaths after one step and by another, also of what lived only in between."""
    at = {"births": lives.birth_step.values, "deaths": _died_at(lives)}
    return xr.Dataset({name: int(np.count_nonzero((when > since) & (when <= step))) for name, when in at.items()})


def _turnover(lives: xr.Dataset) -> xr.Dataset:
    """Births and deaths of all neurons per training step, in bins of whole rewirings."""
    died = _died_at(lives)
    grown = lives.birth_step.values > 0
    end = int((lives.birth_step + lives.exit).max())
    moments = np.unique(np.concatenate([lives.birth_step.values[grown], died[died < _NEVER]]))
    spacing = int(np.diff(moments, prepend=0).min())
    width = spacing * -(-end // (spacing * _MOST_BINS))
    edges = np.append(np.arange(0, end, width), end)
    counts = {
        "births": lives.birth_step.values[grown],
        "deaths_initial": died[~grown],
        "deaths_grown": died[grown],
    }
    # a bin holds what happened after its start and by its end
    per_step = {name: ("bin", np.histogram(at[at < _NEVER] - 0.5, edges)[0] / np.diff(edges)) for name, at in counts.items()}
    return xr.Dataset(per_step, {"start": ("bin", edges[:-1]), "stop": ("bin", edges[1:])})


def _write_between(ax: Axes, counted: xr.Dataset) -> None:
    """Births and deaths since the frame before, under the gap to it."""
    said = f"+{int(counted.births)}\n−{int(counted.deaths)}"
    ax.annotate(
        said, (0, 0), (-4, -4), xycoords="axes fraction", textcoords="offset points",
        ha="right", va="top",
    )  # fmt: skip


def _caption(moran: xr.Dataset, projection: str, neuron: int, trained: str, limit: float, lives: xr.Dataset | None) -> str:
    said = (
        f"Film. The receptive field of neuron {neuron} of {projection} through training, in network {moran.run.item()} "
        f"({training_seed(moran)}): of the {int(moran.morans_i.notnull().sum())} neurons with an answer, the one of highest "
        f"Moran's I at {trained}, and so high by selection. Colour limits are shared: ±{limit:.3g}, the "
        f"{100 * LIMIT_QUANTILE:.0f} % quantile of the absolute weights drawn."
    )
    if lives is None:
        return f"{said} No births and deaths of its synapses are known."
    died = int(np.count_nonzero(lives.event))
    return (
        f"{said} Outlined: synapses born since the frame before. Below each gap: births (+) and deaths (−) of this neuron's "
        "synapses between the frames, also of those that lived only there. Bottom: births (above 0) and deaths (below) of all "
        f"neurons' synapses per training step, averaged over rewirings; {lives.sizes['episode']} lives, {died} ended; the "
        "synapses of step 0 are not counted as births. Lines: the frames."
    )
