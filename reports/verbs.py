"""The verb of the reports: parse, draw, write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import xarray as xr
from cyclopts import Parameter
from matplotlib.figure import Figure
from rich.console import Console

from reports.figures import figure_1a, figure_1bc, figure_2, figure_3
from reports.figures.figure_1bc import CHOICE, letter, representative
from reports.figures.figure_2 import smallest_projection, why_not_figure_2
from reports.style import styled
from stanalysis.analysis_file import read_analysis
from stanalysis.atomic import replacing, write_text
from stanalysis.errors import BadInput


def report(analysis: Path, /, *, output: Annotated[Path, Parameter(alias="-o")]) -> None:
    """Draw the figures of an analysis file.

    Each figure is a .png with its caption beside it as .txt. Of a sweep the receptive fields of one network are drawn.

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
    console = Console()
    console.print("Written:")
    for name, (figure, caption) in drawn.items():
        for path in _write(output / name, figure, caption):
            console.print(f"  {path}", highlight=False, markup=False, soft_wrap=True)
    if problem:
        Console(stderr=True).print(f"Fig 2 is not drawn: {problem}", highlight=False, markup=False, soft_wrap=True)


def _networks(tree: xr.DataTree) -> list[tuple[str, int]]:
    """Projections and indices of the networks of which to draw receptive fields: one of a sweep, otherwise all."""
    if "sweep" in tree.children:
        chosen = representative(tree)
        return [chosen] if chosen else []
    groups = tree["autocorrelation"].children.items()
    return [(str(projection), run) for projection, node in groups for run in range(node.sizes["run"])]


@styled
def _write(stem: Path, figure: Figure, caption: str) -> list[Path]:
    """Write a figure and its caption; return their paths."""
    image, text = (stem.with_name(f"{stem.name}{suffix}") for suffix in (".png", ".txt"))
    with replacing(image) as temporary:
        figure.savefig(temporary)
    write_text(text, caption + "\n")
    return [image, text]
