"""The verbs of the reports: parse, draw, write."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import xarray as xr
from cyclopts import Parameter
from rich.console import Console

from reports.drawn import Plan, write_drawn
from reports.figures import FIGURES, OF_SEVERAL
from reports.figures.figure_1bc import representative
from stanalysis.analysis_file import read_analysis
from stanalysis.atomic import write_text
from stanalysis.errors import BadInput

Name = Literal[
    "fig1a", "fig1b", "fig1c", "fig2", "fig3", "ladder", "joins", "correlogram", "training", "film", "survival", "hazards",
    "pruning",
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
        changed in small networks; fig3: accuracy over sparsity; ladder: what each null rejects, of one analysis per null;
        joins: excitatory and inhibitory neighbours; correlogram: how far grouping reaches; training: structure and accuracy;
        film: one field through training; survival, hazards: how long synapses live; pruning: what it leaves.
    analyses
        Files that `stanalysis analyze` wrote (.nc).
    output
        Folder to write to.
    projection
        Draw this projection alone, <source>__<target>.
    network
        Draw this network alone, by the name of its run folder.
    """
    _require_folder(output)
    trees = _read(analyses)
    written: list[Path] = []
    for some in [list(trees)] if name in OF_SEVERAL else [[one] for one in trees]:
        every = FIGURES[name](*(trees[one] for one in some))
        plans = [plan for plan in every if projection in (None, plan.projection) and network in (None, *plan.networks)]
        if network is None:
            plans = of_sweep(trees[some[0]], plans)
        if not plans:
            there = ", ".join(plan.name for plan in every)
            asked = " and ".join(filter(None, (projection, network)))
            raise BadInput(f"There is no {name} of {asked or 'the network that stands for the sweep'}; there is {there}.")
        for plan in plans:
            stem = plan.name if name in OF_SEVERAL or len(trees) == 1 else f"{plan.name}-{some[0]}"
            written += write_drawn(plan.draw(), output / stem)
    _print_written(written)


def report(analyses: list[Path], /, *, output: Annotated[Path, Parameter(alias="-o")]) -> None:
    """Write the report of an analysis: one page with all figures, tables and receptive fields, and the figures as files.

    The page is OUTPUT/report.html, one file that needs no network. Beside it are the figures (see `stanalysis figure`). Of a
    sweep the receptive fields of one network are drawn, and, of its condition, the lives of synapses.

    Parameters
    ----------
    analyses
        The file that `stanalysis analyze` wrote (.nc); further ones of the same networks under other nulls make the ladder of
        nulls.
    output
        Folder to write to.
    """
    # slow to import, and of no use to the other verb
    from reports.atlas import atlas_of_analysis
    from reports.atlas.embedded import embedded
    from reports.page import page

    _require_folder(output)
    trees = _read(analyses)
    main = next(iter(trees.values()))
    plans, notes = _planned(trees)
    written: list[Path] = []
    drawn = {}
    with Console(stderr=True).status("drawing …") as status:
        for plan in plans:
            status.update(f"drawing {plan.name} …")
            drawn[plan.name] = plan.draw()
            written += write_drawn(drawn[plan.name], output / plan.name)
        status.update("drawing the atlas …")
        networks = networks_shown(main)
        layout, left_out = atlas_of_analysis(main, networks) if networks else (None, [])
        atlas = embedded(layout) if layout else None
    images = {name: (output / f"{name}.png").read_bytes() for name in drawn}
    command = shlex.join(["stanalysis", "report", *map(str, analyses), "--output", str(output)])
    write_text(output / "report.html", page(trees, drawn, images, atlas=atlas, notes=[*notes, *left_out], command=command))
    _print_written([output / "report.html", *written])


def _require_folder(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise BadInput(f"The output {output} is a file; name a folder.")


def _read(paths: list[Path]) -> dict[str, xr.DataTree]:
    """Analyses by the names of their files, in order."""
    if not paths:
        raise BadInput("No analysis is given; name at least one file that `stanalysis analyze` wrote.")
    names = [path.stem for path in paths]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadInput(f"Two analyses are called {twice}; give each once, and files of different names.")
    return {path.stem: read_analysis(path) for path in paths}


def _planned(trees: dict[str, xr.DataTree]) -> tuple[list[Plan], list[str]]:
    """What to draw in a report, of the first analysis or of all together, and in sentences what is left out."""
    main = next(iter(trees.values()))
    planned, notes = [], []
    for name, plans in FIGURES.items():
        try:
            planned += of_sweep(main, plans(*(trees.values() if name in OF_SEVERAL else [main])))
        except BadInput as error:
            notes.append(f"{name} is not drawn: {error}")
    if "sweep" in main.children:
        notes.append("Of the networks of the sweep one is drawn; `stanalysis figure … --network NAME` draws another.")
    return planned, notes


def of_sweep(analysis: xr.DataTree, plans: list[Plan]) -> list[Plan]:
    """Of a sweep only what shows the network that stands for it, alone or among those of its condition; otherwise all."""
    if "sweep" not in analysis.children:
        return plans
    shown = {run for _, run in networks_shown(analysis)}
    return [plan for plan in plans if not plan.networks or shown & set(plan.networks)]


def networks_shown(analysis: xr.DataTree) -> list[tuple[str, str]]:
    """Projection and name of each network whose receptive fields are drawn: of a sweep one network, otherwise all."""
    groups = analysis["autocorrelation"].children.items()
    every = [(str(name), str(run)) for name, node in groups for run in node.to_dataset().run.values]
    if "sweep" not in analysis.children:
        return every
    chosen = representative(analysis)
    return [] if chosen is None else [one for one in every if one[1] == chosen[1]]


def _print_written(paths: Iterable[Path]) -> None:
    console = Console()
    console.print("Written:")
    for path in paths:
        console.print(f"  {path}", highlight=False, markup=False, soft_wrap=True)
