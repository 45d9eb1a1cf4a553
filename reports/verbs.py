"""The verb of the reports: parse, draw, write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import xarray as xr
from cyclopts import Parameter
from matplotlib.figure import Figure
from rich.console import Console

from reports.figures import figure_1a, figure_1bc, figure_2, figure_3, figure_4, figure_5, figure_6, figure_7
from reports.figures.figure_1bc import CHOICE, letter, representative
from reports.figures.figure_2 import smallest_projection, why_not_figure_2
from reports.figures.figure_5 import has_hazard_ratios
from reports.figures.figure_7 import shows_turnover
from reports.style import styled
from stanalysis.analysis_file import read_analysis
from stanalysis.atomic import replacing, write_text
from stanalysis.errors import BadInput

_MOST_CONDITIONS = 4  # of which to draw how long synapses live; of more in a sweep, one


def report(analysis: Path, /, *, output: Annotated[Path, Parameter(alias="-o")]) -> None:
    """Draw the figures of an analysis file.

    Each figure is a .png with its caption beside it as .txt. Of a sweep the receptive fields of one network are drawn, and,
    where it has more than 4 conditions, the lives of synapses of the condition of that network.

    Parameters
    ----------
    analysis
        The file that `stanalysis analyze` wrote (.nc).
    output
        Folder to write the figures to.
    """
    if output.exists() and not output.is_dir():
        raise BadInput(f"The output {output} is a file; name a folder.")
    tree = read_analysis(analysis)
    drawn = {"fig1a": figure_1a()}
    swept = "sweep" in tree.children
    for projection, run in _networks(tree):
        runs = [str(name) for name in tree[f"autocorrelation/{projection}"].to_dataset().run.values]
        name = f"fig1{letter(tree, projection, run=run)}-{projection}"
        name = name if len(runs) == 1 else f"{name}-{runs[run]}"
        drawn[name] = figure_1bc(tree, projection, run=run, choice=CHOICE if swept else "")
    smallest = smallest_projection(tree)
    problem = why_not_figure_2(tree, smallest)
    if problem is None:
        drawn[f"fig2-{smallest}"] = figure_2(tree, smallest)
    if swept:
        drawn["fig3"] = figure_3(tree["sweep"].to_dataset())
    lives, left_out = _lives(tree)
    for projection, condition in lives:
        name = "-".join(part for part in (projection, _slug(condition)) if part)
        drawn[f"fig4-{name}"] = figure_4(tree, projection, condition)
        if has_hazard_ratios(tree, projection, condition):
            drawn[f"fig5-{name}"] = figure_5(tree, projection, condition)
    for projection, condition, runs in _pruned(tree):
        name = "-".join(part for part in (projection, _slug(condition)) if part)
        drawn[f"fig6-{name}"] = figure_6(tree, projection, runs=runs)
    for projection, run in _networks(tree):
        if shows_turnover(tree, projection, run):
            names = tree[f"autocorrelation/{projection}"].to_dataset().run.values
            name = f"fig7-{projection}" if len(names) == 1 else f"fig7-{projection}-{names[run]}"
            drawn[name] = figure_7(tree, projection, run)
    console = Console()
    console.print("Written:")
    for name, (figure, caption) in drawn.items():
        for path in _write(output / name, figure, caption):
            console.print(f"  {path}", highlight=False, markup=False, soft_wrap=True)
    if problem:
        Console(stderr=True).print(f"Fig 2 is not drawn: {problem}", highlight=False, markup=False, soft_wrap=True)
    if left_out:
        said = f"Figs 4 and 5 are drawn of one condition of {left_out + 1}, that of the network of Fig 1."
        Console(stderr=True).print(said, highlight=False, markup=False, soft_wrap=True)


def _networks(tree: xr.DataTree) -> list[tuple[str, int]]:
    """Projections and indices of the networks of which to draw receptive fields: one of a sweep, otherwise all."""
    if "sweep" in tree.children:
        chosen = representative(tree)
        return [chosen] if chosen else []
    groups = tree["autocorrelation"].children.items()
    return [(str(projection), run) for projection, node in groups for run in range(node.sizes["run"])]


def _lives(tree: xr.DataTree) -> tuple[list[tuple[str, str]], int]:
    """Projections and conditions of which to draw how long synapses live; how many conditions are left out."""
    if "survival" not in tree.children:
        return [], 0
    curves = tree["survival"].to_dataset()
    found = zip(curves.projection.values.tolist(), curves.condition.values.tolist(), strict=True)
    every = [one for one in dict.fromkeys(found) if one[0]]
    conditions = dict.fromkeys(condition for _, condition in every)
    if "sweep" not in tree.children or len(conditions) <= _MOST_CONDITIONS:
        return every, 0
    chosen = {name for name, runs in _conditions(tree).items() if _drawn_runs(tree) & set(runs)}
    return [one for one in every if one[1] in chosen], len(conditions.keys() - chosen)


def _conditions(tree: xr.DataTree) -> dict[str, list[str]]:
    """Names of the networks of each condition."""
    return json.loads(tree.attrs["conditions"])


def _drawn_runs(tree: xr.DataTree) -> set[str]:
    """Names of the networks of which receptive fields are drawn."""
    return {str(tree[f"autocorrelation/{name}"].to_dataset().run.values[run]) for name, run in _networks(tree)}


def _pruned(tree: xr.DataTree) -> Iterator[tuple[str, str, list[str]]]:
    """Each projection that was pruned, with a condition and the names of its networks, to be drawn together.

    Of a sweep only the condition of the network of Fig 1.
    """
    for projection, node in tree["structure"].children.items() if "structure" in tree.children else ():
        pruned = [str(run) for run in node.to_dataset().run.values]
        for condition, runs in _conditions(tree).items():
            own = [run for run in runs if run in pruned]
            if own and ("sweep" not in tree.children or _drawn_runs(tree) & set(own)):
                yield str(projection), condition, own


def _slug(text: str) -> str:
    """A text as part of a file name.

    Examples
    --------
    >>> _slug("connectivity rewired, sparsity 0.75")
    'connectivity-rewired-sparsity-0.75'
    """
    return re.sub(r"[^\w.]+", "-", text).strip("-.")


@styled
def _write(stem: Path, figure: Figure, caption: str) -> list[Path]:
    """Write a figure and its caption; return their paths."""
    image, text = (stem.with_name(f"{stem.name}{suffix}") for suffix in (".png", ".txt"))
    with replacing(image) as temporary:
        figure.savefig(temporary)
    write_text(text, caption + "\n")
    return [image, text]
