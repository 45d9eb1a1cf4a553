"""The verb of the reports: parse, draw, write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from matplotlib.figure import Figure
from rich.console import Console

from reports.figures import figure_1a, figure_1b
from reports.style import styled
from stanalysis.analysis import read_analysis
from stanalysis.atomic import replacing, write_text
from stanalysis.errors import BadInput


def report(analysis: Path, /, *, output: Annotated[Path, Parameter(alias="-o")]) -> None:
    """Draw the figures of an analysis file.

    Each figure is a .png with its caption beside it as .txt.

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
    for projection, node in tree["autocorrelation"].children.items():
        runs = [str(run) for run in node.to_dataset().run.values]
        for index, run in enumerate(runs):
            name = f"fig1b-{projection}" if len(runs) == 1 else f"fig1b-{projection}-{run}"
            drawn[name] = figure_1b(tree, str(projection), run=index)
    console = Console()
    console.print("Written:")
    for name, (figure, caption) in drawn.items():
        for path in _write(output / name, figure, caption):
            console.print(f"  {path}", highlight=False, markup=False, soft_wrap=True)


@styled
def _write(stem: Path, figure: Figure, caption: str) -> list[Path]:
    """Write a figure and its caption; return their paths."""
    image, text = (stem.with_name(f"{stem.name}{suffix}") for suffix in (".png", ".txt"))
    with replacing(image) as temporary:
        figure.savefig(temporary)
    write_text(text, caption + "\n")
    return [image, text]
