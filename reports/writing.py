"""The files of the reports: figures with captions and numbers, and the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import xarray as xr

from reports.choosing import for_figure, for_report, for_table, in_atlas
from reports.drawn import Drawn, Plan, files_of
from reports.figures.ladder import require_same_networks
from stanalysis.errors import BadInput
from stanalysis.files.atomic import require_writable, written_together

PAGE: Final = "report.html"
_PICTURES: Final = 8_000_000  # bytes of pictures in a page; further ones are beside it


def write_figures(
    name: str,
    analyses: Mapping[str, xr.DataTree],
    folder: Path,
    *,
    projection: str | None = None,
    network: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Path]:
    """Draw one kind of figure into a folder, with captions and numbers; return the paths.

    Parameters
    ----------
    name
        A key of `reports.figures.FIGURES`.
    analyses, projection, network
        As for `reports.choosing.for_figure`.
    progress
        Called with the name of each figure before it is drawn.
    """
    plans = partial(for_figure, name, analyses, projection=projection, network=network)
    return _written(plans, folder, progress)


def write_figures_of_table(table: xr.DataTree, folder: Path, *, progress: Callable[[str], None] | None = None) -> list[Path]:
    """Draw into a folder what the table of a sweep has the numbers for, with captions and numbers; return the paths.

    Parameters
    ----------
    table
        As `stanalysis.files.sweep.sweep_alone` gives it.
    progress
        Called with the name of each figure before it is drawn.
    """
    return _written(partial(for_table, table), folder, progress)


def _written(plans: Callable[[], list[Plan]], folder: Path, progress: Callable[[str], None] | None) -> list[Path]:
    require_writable(folder, is_folder=True)
    written: list[Path] = []
    with written_together() as write:
        for plan in plans():
            if progress:
                progress(plan.name)
            for path, content in files_of(plan.draw(), folder / plan.name).items():
                write(path, content)
                written.append(path)
    return written


def write_report(
    analyses: Mapping[str, xr.DataTree], folder: Path, *, command: str, progress: Callable[[str], None] | None = None
) -> list[Path]:
    """Write the report of an analysis into a folder, the page ``report.html`` and its figures; return the paths, the page last.

    On any error none of the files is written: figures are never of another analysis than the page.

    Parameters
    ----------
    analyses
        As `stanalysis.read_analysis` gives them, by name. The first is reported; the others are of the same networks under
        other nulls.
    command
        The command that makes the page, which says so.
    progress
        Called with the name of each figure before it is drawn.
    """
    # slow to import, and of no use to single figures
    from reports.atlas import atlas_of_analysis
    from reports.atlas.embedded import embedded
    from reports.page.page import page

    require_writable(folder, is_folder=True)
    require_same_networks(list(analyses.values()))
    main = next(iter(analyses.values()))
    plans, notes = for_report(analyses)
    written: list[Path] = []
    drawn: dict[str, Drawn] = {}
    images: dict[str, bytes] = {}
    with written_together() as write:
        for plan in plans:
            if progress:
                progress(plan.name)
            figure = plan.draw()
            contents = files_of(figure, folder / plan.name)
            for path, content in contents.items():
                write(path, content)
            written += contents
            image = next(iter(contents.values()))
            if sum(map(len, images.values())) + len(image) <= _PICTURES:
                drawn[plan.name], images[plan.name] = figure, image
            else:
                notes.append(f"{plan.name} is beside the page, which has no more room for pictures.")
        if progress:
            progress("the atlas")
        try:
            layout, left_out = atlas_of_analysis(main, in_atlas(main))
            atlas, notes = embedded(layout), [*notes, *left_out]
        except BadInput as error:  # not one network fits into a page
            atlas, notes = None, [*notes, str(error)]
        write(folder / PAGE, page(analyses, drawn, images, atlas=atlas, notes=notes, command=command).encode())
    return [*written, folder / PAGE]
