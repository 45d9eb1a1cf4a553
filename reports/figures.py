"""Figures: panels arranged, with a caption that says what was computed, over how many neurons, against which null."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch

from reports.panels import (
    draw_distribution,
    draw_field,
    draw_frequencies,
    draw_neighbours,
    draw_no_answer,
    mark_neuron,
)
from reports.style import WIDTH, inches, styled, weight_colours
from stanalysis.analysis import fields_at
from stanalysis.lattice import ROOK, neighbour_share
from stanalysis.stats.autocorrelation import morans_i
from stanalysis.stats.nulls import MEANING

_TOY_SIDE, _TOY_SEED, _TOY_DRAWS, _TOY_LIMIT = 10, 1, 999, 1.4
_LIMIT_QUANTILE = 0.99  # of the drawn |weights|: a few extreme synapses do not pale the rest


@styled
def figure_1a() -> tuple[Figure, str]:
    """What Moran's I sees: the same weights grouped, shuffled and dispersed. Returns the figure and its caption."""
    fields = toy_planes()
    moran = morans_i(fields, lattice=ROOK, null="cells", n_permutations=_TOY_DRAWS, seed=_TOY_SEED)
    figure = Figure(figsize=(inches(WIDTH), inches(58)), layout="constrained")
    sketch, *axes = figure.subplots(1, 1 + fields.sizes["plane"])
    draw_neighbours(sketch, xr.DataArray(neighbour_share(ROOK, 6, 6), dims=("source", "delay")), [(3, 3), (0, 0)])
    sketch.set_title("rook neighbours\nof two cells")
    for ax, plane in zip(axes, fields.plane.values, strict=True):
        draw_field(ax, fields.sel(plane=plane), _TOY_LIMIT)
        ax.set_title(f"{plane}\n{_answer(moran.sel(plane=plane), 'p')}")
    for ax in (sketch, *axes):
        ax.set(xlabel="delay", ylabel="channel" if ax is sketch else "", xticks=[], yticks=[], aspect="equal")
    colours = weight_colours()
    signs = {"excitatory": 1, "inhibitory": -1}
    handles = [Patch(color=colours(0.5 + sign / _TOY_LIMIT / 2), label=name) for name, sign in signs.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    caption = (
        "Figure 1a. Moran's I asks whether neighbouring cells of the (channel, delay) plane hold alike weights. Left: "
        "the rook neighbours (grey) of two cells (black), and the weight with which each neighbour counts. Right: "
        f"n = {fields.sizes['plane']} planes with the same {_TOY_SIDE**2} weights, half +1 and half -1, in three "
        f"arrangements (shuffled: seed {_TOY_SEED}). Without structure I is {_signed(float(moran.expected[0]))}. "
        f"Planes without an answer (NaN): {int(moran.morans_i.isnull().sum())}. {_method(moran.attrs)} Here every cell "
        "holds a weight, so that shuffling cells moves nothing but their arrangement."
    )
    return figure, caption


def toy_planes() -> xr.Dataset:
    """Fields (plane, source, delay) of the same weights, half +1 and half -1: grouped, shuffled, dispersed.

    Examples
    --------
    >>> toy_planes().receptive_field.sum(("source", "delay")).values
    array([0., 0., 0.])
    """
    source, delay = np.indices((_TOY_SIDE, _TOY_SIDE))
    grouped = np.where((source + delay) % _TOY_SIDE < _TOY_SIDE // 2, 1.0, -1.0)
    shuffled = np.random.default_rng(_TOY_SEED).permutation(grouped.ravel()).reshape(grouped.shape)
    dispersed = np.where((source + delay) % 2 == 0, 1.0, -1.0)
    field = xr.DataArray(
        np.stack([grouped, shuffled, dispersed]),
        {"plane": ["grouped", "shuffled", "dispersed"], "delay": np.arange(_TOY_SIDE)},
        ("plane", "source", "delay"),
    )
    return xr.Dataset({"receptive_field": field, "present": xr.ones_like(field, bool)})


@dataclass(frozen=True)
class _Moment:
    """One projection of one network at one step; ``name`` tells what is special about that step."""

    name: str
    step: int
    moran: xr.Dataset
    distribution: xr.Dataset
    fields: xr.Dataset

    def ranked(self) -> list[int]:
        """Neurons with an answer, highest Moran's I first."""
        known = self.moran.morans_i.dropna("target")
        return [int(target) for target in known.target.values[np.argsort(-known.values, kind="stable")]]

    def described(self) -> str:
        """The step, and in brackets what is special about it."""
        return f"step {self.step} ({self.name})" if self.name else f"step {self.step}"

    def counted(self) -> str:
        """How many neurons there are, and how many have no answer."""
        return f"n = {self.moran.sizes['target']}, {int(self.distribution.n_unanswered)} without answer"


@dataclass(frozen=True)
class _Column:
    """The neuron that a column shows at each moment, None where no neuron has an answer."""

    heading: str
    symbol: str
    marker: str
    neurons: list[int | None]


@styled
def figure_1b(analysis: xr.DataTree, projection: str, *, run: int = 0) -> tuple[Figure, str]:
    """Receptive fields and the distribution of Moran's I before and after training. Returns the figure and its caption.

    A row is a step: the first, and the best on validation (the last, where no best one is known). The columns are the
    neurons with the highest I of either step, each of them at both steps; the median neuron of each step; and the
    distribution over all neurons. A network with one step has one row.

    Parameters
    ----------
    analysis
        As `stanalysis.analysis.read_analysis` gives it.
    projection
        Its name, ``<source>__<target>``.
    run
        Index of the network.
    """
    moments = _moments(analysis, projection, run)
    columns = _columns(moments)
    limit = _limit(moments, columns)
    height = float(np.clip(0.27 * moments[0].fields.sizes["source"], 36, 70))  # of a field [mm]: many sources need more
    figure = Figure(figsize=(inches(WIDTH), inches(len(moments) * (height + 12) + 20)), layout="constrained")
    axes = figure.subplots(len(moments), len(columns) + 1, squeeze=False)
    images: list[AxesImage] = []
    for i, moment in enumerate(moments):
        for ax, column in zip(axes[i], columns, strict=False):
            images += _draw_neuron(ax, moment, column.neurons[i], column.symbol, limit)
            ax.label_outer()
        if "frequency" in moment.fields.coords and axes[i, -2].images:
            draw_frequencies(axes[i, -2], moment.fields)
        _draw_neurons(axes[i, -1], moment, {column.marker: column.neurons[i] for column in columns})
        if moment is not moments[-1]:
            axes[i, -1].set_xlabel("")
            axes[i, -1].tick_params(labelbottom=False)
        _write_beside(axes[i, 0], moment.described())
    for ax, heading in zip(axes[0], [*(column.heading for column in columns), "all neurons"], strict=True):
        _write_above(ax, heading)
    _align(axes[:, -1], [moment.distribution for moment in moments])
    if images:
        bar = figure.colorbar(images[0], ax=axes[:, :-1], location="bottom", shrink=0.6, aspect=40, extend="both")
        bar.set_label("synaptic weight (grey: no synapse)")
        shown = [ax.get_legend_handles_labels() for ax in axes[:, -1]]
        handles = {label: handle for entries in shown for handle, label in zip(*entries, strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="lower right")
    caption = (
        f"Figure 1b. Weight-delay receptive fields of {projection} ({moments[0].fields.attrs['kernel']} kernel) and "
        f"their Moran's I in {_network(analysis, projection, run)}, at {_steps(analysis, moments)}. Columns: the "
        f"neuron with the highest I of each step, at every step shown ({_chosen(columns[:-1])}); the median neuron of "
        f"each step ({_chosen(columns[-1:])}); the distribution over all neurons (green) with the mean (line) and the "
        "2.5–97.5 % band (grey), bin by bin, of the null; symbols mark the neurons drawn. The highest I of many is "
        "high by selection: judge it by q (Benjamini–Hochberg over the neurons of a step) and by the distribution. "
        f"Colour limits are shared: ±{limit:.3g}, the {100 * _LIMIT_QUANTILE:.0f} % quantile of the absolute weights "
        "drawn. "
        f"Neurons without I (NaN) are left out: {'; '.join(f'step {m.step}: {m.counted()}' for m in moments)}. "
        f"{_method(moments[0].moran.attrs)}"
    )
    return figure, caption


def _moments(analysis: xr.DataTree, projection: str, run: int) -> list[_Moment]:
    """The first step and the trained one; one moment if they are the same."""
    moran = analysis[f"autocorrelation/{projection}"].to_dataset().isel(run=run)
    distribution = analysis[f"distribution/{projection}"].to_dataset().isel(run=run)
    kept = moran.n_synapses.notnull().any("target").values  # a step that only other runs kept is NaN here
    first, *_, last = 2 * [int(step) for step in moran.step.values[kept]]
    best = _best_step(analysis, moran)
    trained = last if best is None else best
    names = {first: "before training" if first == 0 else "first kept" if trained != first else ""}
    if trained != first:
        names[trained] = "after training"
    return [
        _Moment(
            names[step],
            step,
            moran.sel(step=step),
            distribution.sel(step=step),
            fields_at(analysis, projection, run=str(moran.run.item()), step=step),
        )
        for step in sorted(names)
    ]


def _best_step(analysis: xr.DataTree, moran: xr.Dataset) -> int | None:
    """Step at which the network of ``moran`` was best on validation, None where unknown."""
    best: int | None = json.loads(analysis.attrs["best_steps"])[str(moran.run.item())]
    return best


def _columns(moments: list[_Moment]) -> list[_Column]:
    """What to show: the neurons with the highest I of each moment, then the median ones."""
    rankings = [moment.ranked() for moment in moments]
    columns = []
    for moment, ranking, symbol, marker in zip(moments, rankings, "▲■", "^s", strict=False):
        neuron = ranking[0] if ranking else None
        columns.append(_Column(f"highest $I$ {moment.name}".strip(), symbol, marker, [neuron] * len(moments)))
    median = [ranking[len(ranking) // 2] if ranking else None for ranking in rankings]
    return [*columns, _Column("median $I$", "●", "o", median)]


def _limit(moments: list[_Moment], columns: list[_Column]) -> float:
    """One colour limit for all fields drawn."""
    weights = [np.zeros(0)]
    for i, moment in enumerate(moments):
        for neuron in {column.neurons[i] for column in columns} - {None}:
            field = moment.fields.sel(target=neuron)
            weights.append(np.abs(field.receptive_field.values[field.present.values]))
    drawn = np.concatenate(weights)
    return (float(np.quantile(drawn, _LIMIT_QUANTILE)) if drawn.size else 0.0) or 1.0


def _draw_neuron(ax: Axes, moment: _Moment, neuron: int | None, symbol: str, limit: float) -> list[AxesImage]:
    """The field of one neuron under its number, I and q; the images drawn."""
    if neuron is None:
        draw_no_answer(ax)
        return []
    ax.set_title(f"{symbol} neuron {neuron}\n{_answer(moment.moran.sel(target=neuron), 'q')}")
    return [draw_field(ax, moment.fields.sel(target=neuron), limit)]


def _draw_neurons(ax: Axes, moment: _Moment, marked: Mapping[str, int | None]) -> None:
    """The distribution over all neurons, those with a column of their own marked."""
    draw_distribution(ax, moment.distribution)
    for marker, neuron in marked.items():
        if neuron is not None:
            mark_neuron(ax, moment.moran.sel(target=neuron), marker)
    ax.set_title(moment.counted().replace(", ", "\n"))


def _align(axes: Iterable[Axes], distributions: list[xr.Dataset]) -> None:
    """Give the distributions the same limits: those of the bins that hold anything."""
    held = [d.where((d["count"] > 0) | (d.null_upper > 0), drop=True) for d in distributions if d["count"].any()]
    if held:
        left, right = min(d.bin_lower.values.min() for d in held), max(d.bin_upper.values.max() for d in held)
        top = max(max(d["count"].values.max(), d.null_upper.values.max()) for d in held)
        for ax in axes:
            ax.set(xlim=(left, right), ylim=(0, 1.2 * top))


def _write_above(ax: Axes, text: str) -> None:
    """Head a column, above the title of its first panel."""
    ax.annotate(
        text, (0.5, 1), (0, 22), xycoords="axes fraction", textcoords="offset points",
        ha="center", va="bottom", weight="bold",
    )  # fmt: skip


def _write_beside(ax: Axes, text: str) -> None:
    """Head a row, left of the axis label of its first panel."""
    ax.annotate(
        text, (0, 0.5), (-4, 0), xycoords=ax.yaxis.label, textcoords="offset points",
        rotation=90, ha="right", va="center", weight="bold",
    )  # fmt: skip


def _answer(answer: xr.Dataset, probability: Literal["p", "q"]) -> str:
    """Moran's I and its p- or q-value, for a title."""
    if answer.morans_i.isnull():
        return "no answer"
    value = float(answer[f"{probability}_value"])
    shown = f"= {value:.3f}" if value >= 0.001 else "< 0.001"
    return f"$I$ = {_signed(float(answer.morans_i))}, ${probability}$ {shown}"


def _signed(value: float) -> str:
    return f"{value:z.3f}".replace("-", "−")


def _method(attrs: Mapping[str, Any]) -> str:
    """How Moran's I was computed and tested, for a caption."""
    standardised = "row-standardised" if attrs["transform"] == "r" else "not standardised"
    return (
        f"Moran's I with {attrs['contiguity']} neighbours, {standardised}; null {attrs['null']}, "
        f"{attrs['n_permutations']} permutations, {attrs['alternative']}, seed {attrs['seed']}: "
        f"{MEANING[attrs['null']]}."
    )


def _network(analysis: xr.DataTree, projection: str, run: int) -> str:
    moran = analysis[f"autocorrelation/{projection}"].to_dataset()
    one = moran.isel(run=run)
    return (
        f"network {one.run.item()} ({run + 1} of {moran.sizes['run']} analysed; method {one.method.item()}, "
        f"training seed {int(one.seed)})"
    )


def _steps(analysis: xr.DataTree, moments: list[_Moment]) -> str:
    best = _best_step(analysis, moments[0].moran)
    why = "the last one kept" if best is None else "the best on validation"
    return " and ".join([moments[0].described(), *(f"{moment.described()}, {why}" for moment in moments[1:])])


def _chosen(columns: list[_Column]) -> str:
    neurons = [f"{c.symbol} {n}" for c in columns for n in dict.fromkeys(c.neurons) if n is not None]
    return ", ".join(neurons) or "none has an answer"
