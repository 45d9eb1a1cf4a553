"""The verbs of the reports: parse, call one public function, say what was written."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from stanalysis.errors import BadInput, printable
from stanalysis.progress import Progress

if TYPE_CHECKING:
    import xarray as xr

Name = Literal[
    "fig1a", "fig1b", "fig1c", "fig2", "fig3", "sizes", "ladder", "joins", "parts", "correlogram", "training", "film",
    "survival", "hazards", "pruning", "precision", "surgery",
]  # fmt: skip


def figure(
    name: Name,
    analyses: list[Path],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    projection: str | None = None,
    network: str | None = None,
) -> None:
    """Draw one kind of figure of analysis files, as PNG, SVG and PDF.

    Beside each figure are its caption as .txt and exactly the numbers drawn as .csv. Of a sweep one network is drawn, or the
    one that is named.

    Parameters
    ----------
    name
        fig1a: what Moran's I sees; fig1b, fig1c: fields before and after training, dense and sparse; fig2: what learning
        changed in small networks; fig3: accuracy over sparsity; sizes: accuracy over hidden sizes, with and without delays;
        ladder: what each null rejects, of one analysis per null; joins: excitatory and inhibitory neighbours; parts: whether
        they are grouped by the delay, by the source, or jointly; correlogram: how far grouping reaches; training: structure and
        accuracy; film: one field through training; survival, hazards: how long synapses live; pruning: what it leaves;
        precision: how exact delays and weights must be; surgery: accuracy where grouping was raised or lowered at equal dose.
    analyses
        Files that `stanalysis analyze` wrote (.nc); for fig3 and sizes, sweep folders will do.
    output
        Folder to write to.
    projection
        Draw this projection alone, such as input__hidden1.
    network
        Draw this network alone, by the name of its run folder.
    """
    from reports.writing import write_figures  # here, for the help to be quick

    with _progress() as progress:
        written = write_figures(name, _read(analyses), output, projection=projection, network=network, progress=progress)
    _print(["Written:", *(f"  {path}" for path in written)])


def report(analyses: list[Path], /, *, output: Annotated[Path, Parameter(alias="-o")]) -> None:
    """Write the report of an analysis: one page with all figures, tables and receptive fields, and the figures as files.

    The page is OUTPUT/report.html, one file that needs no network. Beside it are the figures (see `stanalysis figure`). Of a
    sweep the receptive fields of one network are drawn, and, of its condition, the lives of synapses.

    Parameters
    ----------
    analyses
        The file that `stanalysis analyze` wrote (.nc); further ones of the same networks under other nulls make the ladder of
        nulls. Of a sweep folder the figure of its accuracies is drawn, without a page.
    output
        Folder to write to.
    """
    from reports.writing import write_figures_of_table, write_report  # here, for the help to be quick

    if len(analyses) == 1 and analyses[0].is_dir():
        with _progress() as progress:
            (table,) = _read(analyses).values()
            written = write_figures_of_table(table, output, progress=progress)
        _print(["Written:", *(f"  {path}" for path in written), "For a page, analyse the networks: `stanalysis analyze`."])
        return
    if folder := next((path for path in analyses if path.is_dir()), None):
        raise BadInput(f"{folder} is a folder; give it alone, or files that `stanalysis analyze` wrote.")
    command = shlex.join(["stanalysis", "report", *map(str, analyses), "--output", str(output)])
    with _progress() as progress:
        *figures, page = write_report(_read(analyses), output, command=command, progress=progress)
    _print([f"Written: {page}", f"and beside it {len(figures)} files of figures, captions and numbers."])


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Says what is drawn, while it is."""
    with Progress(Console(stderr=True)) as progress:
        progress.doing("reading …")
        yield lambda name: progress.doing(f"drawing {name} …")


def _read(paths: list[Path]) -> dict[str, xr.DataTree]:
    """Analyses by the names of their files, in order."""
    from stanalysis.files.analysis import read_analysis
    from stanalysis.files.sweep import sweep_alone

    if not paths:
        raise BadInput("No analysis is given; name at least one file that `stanalysis analyze` wrote.")
    names = [path.stem for path in paths]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadInput(f"Two analyses are called {twice}; give each once, and files of different names.")
    return {path.stem: sweep_alone(path) if path.is_dir() else read_analysis(path) for path in paths}


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        Console().print(printable(line), highlight=False, markup=False, soft_wrap=True)
