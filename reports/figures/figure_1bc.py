"""Figs 1B and 1C: receptive fields of one network before and after training, dense and sparse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from reports.captions import answer_title, method_sentence, percent, training_seed
from reports.drawn import Drawn, Plan
from reports.figures.names import named
from reports.panels.fields import draw_distribution, draw_field, draw_frequencies, draw_no_answer, mark_neuron
from reports.style import LIMIT_QUANTILE, WIDTH, inches, styled, weight_limit
from stanalysis.errors import BadInput
from stanalysis.files.analysis import kept_steps
from stanalysis.findings.effects import first_and_trained
from stanalysis.findings.networks import fields_at
from stanalysis.findings.view import Analysis, rule_of

_DENSE = 0.01  # sparsity below which a network counts as dense
CHOICE = (
    "It stands for the sweep: among the networks with learned delays, sparse ones rewired, the sparsest in which most neurons "
    "of this projection have an answer at the last step, with the lowest seed."
)


@dataclass(frozen=True)
class _Moment:
    """One projection of one network at one step; ``name`` tells what is special about that step.

    ``fields`` are those of the neurons that are drawn, none until these are known.
    """

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
def figure_1bc(analysis: xr.DataTree, projection: str, *, run: int = 0, choice: str = "") -> Drawn:
    """Receptive fields and the distribution of Moran's I before and after training.

    It is Fig 1B of a dense network, and Fig 1C of a sparse one.

    A row is a step: the first, and the best on validation (the last, where no best one is known). The columns are the
    neurons with the highest I of either step, each of them at both steps; the median neuron of each step; and the
    distribution over all neurons. A network with one step has one row.

    Parameters
    ----------
    analysis
        As `stanalysis.read_analysis` gives it.
    projection
        Its name, ``<source>__<target>``.
    run
        Index of the network.
    choice
        What to say in the caption on why this network is shown.
    """
    moments = _moments(analysis, projection, run)
    columns = _columns(moments)
    moments = _with_fields(analysis, projection, moments, columns)
    limit = _limit(moments, columns)
    height = float(np.clip(0.27 * moments[0].fields.sizes["source"], 36, 70))  # of a field [mm]: many sources need more
    figure = Figure(figsize=(inches(WIDTH), inches(len(moments) * (height + 12) + 20)), layout="constrained")
    axes = figure.subplots(len(moments), len(columns) + 1, squeeze=False)
    images: list[AxesImage] = []
    panels: dict[str, xr.Dataset] = {}
    for i, moment in enumerate(moments):
        for ax, column in zip(axes[i], columns, strict=False):
            images += _draw_neuron(ax, moment, column.neurons[i], column.symbol, limit)
            if (neuron := column.neurons[i]) is not None:
                answer = moment.moran[["morans_i", "q_value"]].sel(target=neuron).reset_coords(drop=True)
                field = moment.fields[["receptive_field", "present"]].sel(target=neuron)
                panels[f"step {moment.step}, neuron {neuron}"] = field.assign(answer)
            ax.label_outer()
        if "frequency" in moment.fields.coords and axes[i, -2].images:
            draw_frequencies(axes[i, -2], moment.fields)
        _draw_neurons(axes[i, -1], moment, {column.marker: column.neurons[i] for column in columns})
        panels[f"step {moment.step}, all neurons"] = moment.distribution
        if moment is not moments[-1]:
            axes[i, -1].set_xlabel("")
            axes[i, -1].tick_params(labelbottom=False)
        _write_beside(axes[i, 0], moment.described())
    for ax, heading in zip(axes[0], [*(column.heading for column in columns), "all neurons"], strict=True):
        _write_above(ax, heading)
    _align(axes[:, -1], [moment.distribution for moment in moments])
    if images:
        bar = figure.colorbar(images[0], ax=axes[:, :-1], location="bottom", shrink=0.6, aspect=40, extend="both")
        bar.set_label("synaptic weight (white: no synapse)")
        shown = [ax.get_legend_handles_labels() for ax in axes[:, -1]]
        handles = {label: handle for entries in shown for handle, label in zip(*entries, strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="lower right")
    figure_letter = letter(analysis, projection, run=run)
    caption = (
        f"Figure 1{figure_letter}. Weight-delay receptive fields of {projection} ({moments[0].fields.attrs['kernel']} "
        f"kernel) and their Moran's I in {_network(analysis, projection, run)}, at {_steps(analysis, moments)}. "
        f"{_sparse(moments) if figure_letter == 'c' else ''}Columns: the "
        f"neuron with the highest I of each step, at every step shown ({_chosen(columns[:-1])}); the median neuron of "
        f"each step ({_chosen(columns[-1:])}); the distribution over all neurons (green) with {_null(moments[0])}; "
        "symbols mark the neurons drawn. The highest I of many is high by selection: judge it by q (Benjamini–Hochberg over "
        "the neurons of a step) and by the distribution. "
        f"Colour limits are shared: ±{limit:.3g}, the {100 * LIMIT_QUANTILE:.0f} % quantile of the absolute weights "
        "drawn. "
        f"Neurons without I (NaN) are left out: {'; '.join(f'step {m.step}: {m.counted()}' for m in moments)}. "
        f"{method_sentence(moments[0].moran.attrs)}"
    )
    return Drawn(figure, f"{caption} {choice}".strip(), panels)


def plans(analysis: xr.DataTree, figure_letter: Literal["b", "c"]) -> list[Plan]:
    """One for every projection of every network that is dense (``b``) or sparse (``c``)."""
    Analysis(analysis).require_fields()
    chosen = representative(analysis) if Analysis(analysis).has("sweep") else None
    planned = []
    for projection, moran in Analysis(analysis).tables("autocorrelation").items():
        runs = [str(name) for name in moran.run.values]
        for run, name in enumerate(runs):
            if letter(analysis, projection, run=run) == figure_letter:
                stem = named(f"fig1{figure_letter}", projection, name if len(runs) > 1 else "")
                choice = CHOICE if chosen == (projection, name) else ""
                draw = partial(figure_1bc, analysis, projection, run=run, choice=choice)
                planned.append(Plan(stem, draw, projection, (name,)))
    if not planned:
        kind, other = ("dense", "c") if figure_letter == "b" else ("sparse", "b")
        raise BadInput(f"No network of the analysis is {kind}; draw fig1{other} instead.")
    return planned


def letter(analysis: xr.DataTree, projection: str, *, run: int) -> Literal["b", "c"]:
    """Which of Figs 1B and 1C shows this network."""
    sparsity = float(analysis[f"autocorrelation/{projection}"].to_dataset().sparsity[run])
    return "b" if sparsity < _DENSE else "c"


def representative(analysis: xr.DataTree) -> tuple[str, str] | None:
    """Projection from the input, and name of the network that stands for a sweep by `CHOICE`; None where there is none."""
    view = Analysis(analysis)
    names = list(view.tables("autocorrelation"))
    driven = {name.split("__")[1] for name in names}
    projection = next(name for name in names if name.split("__")[0] not in driven)
    moran = view.table("autocorrelation", projection)
    table = view.table("sweep").to_dataframe().sort_values(["sparsity", "seed"], ascending=[False, True])
    for run in table.index[(table["connectivity"] != "fixed") & (table["delays"] == "learned")]:
        network = moran.sel(run=run)
        if network.morans_i.sel(step=kept_steps(network)[-1]).notnull().mean() > 0.5:
            return projection, str(run)
    return None


def _moments(analysis: xr.DataTree, projection: str, run: int) -> list[_Moment]:
    """The first step and the trained one; one moment if they are the same."""
    moran = analysis[f"autocorrelation/{projection}"].to_dataset().isel(run=run)
    distribution = analysis[f"distribution/{projection}"].to_dataset().isel(run=run)
    first, trained = first_and_trained(analysis, projection)[str(moran.run.item())]
    names = {first: "before training" if first == 0 else "first kept" if trained != first else ""}
    if trained != first:
        names[trained] = "after training"
    return [
        _Moment(
            names[step],
            step,
            moran.sel(step=step),
            distribution.sel(step=step),
            xr.Dataset(),
        )
        for step in sorted(names)
    ]


def _with_fields(analysis: xr.DataTree, projection: str, moments: list[_Moment], columns: list[_Column]) -> list[_Moment]:
    """The moments with the fields of the neurons that are drawn: those of all may not fit into memory."""
    drawn = sorted({neuron for column in columns for neuron in column.neurons if neuron is not None})
    run = str(moments[0].moran.run.item())
    return [
        replace(moment, fields=fields_at(analysis, projection, run=run, step=moment.step, targets=drawn)) for moment in moments
    ]


def _best_step(analysis: xr.DataTree, moran: xr.Dataset) -> int | None:
    """Step at which the network of ``moran`` was best on validation, None where unknown."""
    return Analysis(analysis).best_steps[str(moran.run.item())]


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
    return weight_limit(drawn)


def _draw_neuron(ax: Axes, moment: _Moment, neuron: int | None, symbol: str, limit: float) -> list[AxesImage]:
    """The field of one neuron under its number, I and q; the images drawn."""
    if neuron is None:
        draw_no_answer(ax)
        return []
    ax.set_title(f"{symbol} neuron {neuron}\n{answer_title(moment.moran.sel(target=neuron), 'q')}")
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


def _network(analysis: xr.DataTree, projection: str, run: int) -> str:
    moran = analysis[f"autocorrelation/{projection}"].to_dataset()
    network = moran.isel(run=run)
    return (
        f"network {network.run.item()} ({run + 1} of {moran.sizes['run']} analysed; method {network.method.item()}, "
        f"{training_seed(network)})"
    )


def _sparse(moments: list[_Moment]) -> str:
    """How sparse the network is, and by which method."""
    network = moments[-1].moran
    design = [f"{kind} {network[kind].item()}, " for kind in ("connectivity", "delays") if network[kind].item()]
    per_neuron = " and ".join(f"{float(m.moran.n_synapses.mean()):.3g} at step {m.step}" for m in moments)
    return (
        f"The network is sparse: {''.join(design)}sparsity {percent(float(network.sparsity))} % (1 − synapses / pairs); "
        f"a neuron has on average {per_neuron} in this projection. "
    )


def _steps(analysis: xr.DataTree, moments: list[_Moment]) -> str:
    best = _best_step(analysis, moments[0].moran)
    why = "the last one kept" if best is None else "the best on validation"
    return " and ".join([moments[0].described(), *(f"{moment.described()}, {why}" for moment in moments[1:])])


def _null(moment: _Moment) -> str:
    """What the distribution is drawn with."""
    if not rule_of(moment.moran.attrs).draws:
        return "that at step 0, the null (line)"
    return "the mean (line) and the 2.5–97.5 % band (grey), bin by bin, of the null"


def _chosen(columns: list[_Column]) -> str:
    neurons = [f"{c.symbol} {n}" for c in columns for n in dict.fromkeys(c.neurons) if n is not None]
    return ", ".join(neurons) or "none has an answer"
