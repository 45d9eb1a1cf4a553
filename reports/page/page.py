"""The page: summary, tests, warnings, figures, atlas, tables and provenance of an analysis as one HTML file.

The page loads nothing: pictures, numbers and scripts are inside it. Whatever comes from the analysis is text, and stays text.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import pandas as pd
import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.drawn import Drawn
from reports.page.grouping import grouping_section
from reports.page.numbers import number
from reports.page.operations import FIGURES as OF_OPERATIONS
from reports.page.operations import operations_section
from reports.page.outcomes import told_accuracies, told_comparisons, told_exploration, told_lifetimes, told_pruning
from reports.page.sentences import NEVER_SAID, by_condition, how_tested, ladder, parts, told_one_by_one
from reports.page.tables import CONDENSED, LADDER, Table, networks_table, table_of, tables
from stanalysis.errors import printable
from stanalysis.files.analysis import kept_steps
from stanalysis.files.records import csv_bytes
from stanalysis.findings.cautions import warned
from stanalysis.findings.checks import sentence_of_check
from stanalysis.findings.effects import findings
from stanalysis.findings.view import Analysis

FEW_NAMES: Final = 6  # of networks, that the first lines list
LARGEST_CSV: Final = 1_000_000  # bytes; of a larger one only the file beside the page exists
_PIXELS: Final = 150  # of the page for an inch of a figure: its letters are as large as those of the text
_NAME: Final = "stanalysis-workbench"
_SETTINGS: Final = {
    "null": "null",
    "n_permutations": "draws",
    "alternative": "alternative",
    "seed": "seed of the draws",
    "contiguity": "neighbours",
    "standardised": "row-standardised",
    "kernel": "kernel",
    "dt": "dt [ms]",
    "bin": "bins of delay [ms]",
    "statistics": "statistics",
    "versions": "made with",
    "command": "command",
}


class Picture(NamedTuple):
    """A figure as the page shows it; ``csv`` is a data URI, "" where the numbers are too many for one."""

    name: str
    png: str
    width: int
    height: int
    alt: str
    caption: str
    csv: str


def page(
    analyses: Mapping[str, xr.DataTree],
    drawn: Mapping[str, Drawn],
    images: Mapping[str, bytes],
    *,
    atlas: tuple[str, str, str] | None,
    notes: Sequence[str],
    command: str,
) -> str:
    """One self-contained HTML page of an analysis; the same input gives the same page.

    Parameters
    ----------
    analyses
        As `stanalysis.read_analysis` gives them, by the names of their files. The first is the one reported; the others are of
        the same networks under other nulls.
    drawn
        The figures, by name, in order.
    images
        A PNG of each, by the same names.
    atlas
        Scripts and resources of Bokeh, the script that fills the atlas, and its place, as HTML that is trusted; None for none.
    notes
        Sentences on what is not shown, and why.
    command
        The command that makes the page.
    """
    name, main = next(iter(analyses.items()))
    effects = {file: findings(analysis) for file, analysis in analyses.items()}
    pictures = [_picture(stem, figure, images[stem]) for stem, figure in drawn.items()]
    operations = operations_section(main)
    return _environment().get_template("page.html").render(
        title=_title(main),
        facts=_facts(main),
        how_tested=[*how_tested(main, effects[name]), *filter(None, [sentence_of_check(main)])],
        never_said=NEVER_SAID,
        parts=parts(main, effects[name]),
        condensed=_condensed(main, effects[name]),
        grouping=grouping_section(main),
        outcomes=_outcomes(main),
        settings={file: _settings(analysis) for file, analysis in analyses.items()},
        nulls=[
            (rule.name, rule.meaning, rule.not_said)
            for rule in dict.fromkeys(Analysis(analysis).rule for analysis in analyses.values())
        ],
        ladder=_ladder(analyses, effects) if len(analyses) > 1 else None,
        warnings=_warnings(analyses),
        operations=operations,
        borne=[picture for picture in pictures if operations and picture.name.startswith(OF_OPERATIONS)],
        pictures=[picture for picture in pictures if not (operations and picture.name.startswith(OF_OPERATIONS))],
        atlas=None if atlas is None else [Markup(html) for html in atlas],
        tables=tables(main, effects[name]),
        networks=networks_table(main),
        csv_stem=name.removesuffix(".nc"),
        notes=list(notes),
        provenance={file: _files(analysis) for file, analysis in analyses.items()},
        command=command,
        version=version(_NAME),
    )  # fmt: skip


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters["prose"] = _prose
    return environment


def _prose(text: str) -> Markup:
    """A sentence with `names` set as code, and no break before a per cent sign."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(printable(text))).replace(" %", "\u00a0%")))


def _title(analysis: xr.DataTree) -> str:
    n = len(Analysis(analysis).runs)
    return f"Weight-delay receptive fields of {n} network{'s' * (n > 1)}"


def _facts(analysis: xr.DataTree) -> list[tuple[str, str]]:
    """What the page is of: networks, seeds, projections, steps."""
    view = Analysis(analysis)
    runs = view.runs
    metrics = view.table("metrics")
    seeds = sorted({int(seed) for seed in metrics.seed.values})
    sizes = []
    for projection, table in view.tables("synapses").items():
        n_source, n_target, longest = (table.attrs[key] for key in ("n_source", "n_target", "delay_max"))
        delays = f"delays up to {number(float(longest))} ms" if longest > 0 else "no delays"
        sizes.append(f"{projection} ({n_source} sources, {n_target} targets, {delays})")
    known = ", ".join("unknown" if seed < 0 else str(seed) for seed in seeds)
    return [
        ("Networks", ", ".join(runs) if len(runs) <= FEW_NAMES else f"{len(runs)}, of {len(view.conditions)} conditions"),
        ("Training seeds", known),
        ("Projections", "; ".join(sizes)),
        ("Steps", _steps(analysis, runs)),
    ]


def _steps(analysis: xr.DataTree, runs: Sequence[str]) -> str:
    """How many steps a network kept, and which are the first and the last of all."""
    kept: dict[str, list[int]] = {}
    for table in Analysis(analysis).tables("autocorrelation").values():
        kept |= {run: kept_steps(table.sel(run=run)) for run in runs if run in table.run.values}
    numbers, every = (
        sorted({len(steps) for steps in kept.values()}),
        sorted({step for steps in kept.values() for step in steps}),
    )
    each = " to ".join(map(str, dict.fromkeys((numbers[0], numbers[-1]))))
    if len(every) == 1:
        return str(every[0])
    return f"{each} kept{' by each network' if len(kept) > 1 else ''}, {every[0]} to {every[-1]}"


def _outcomes(analysis: xr.DataTree) -> dict[str, list[str]]:
    """Sentences on what is not grouping, by heading."""
    told = {
        "Accuracy": told_accuracies(analysis),
        "Conditions compared": told_comparisons(analysis),
        "Lifetimes of synapses": told_lifetimes(analysis) + told_exploration(analysis),
        "What pruning leaves": told_pruning(analysis),
    }
    return {heading: sentences for heading, sentences in told.items() if sentences}


def _condensed(analysis: xr.DataTree, effects: pd.DataFrame) -> Table | None:
    """The effects of conditions that are too many to be told one by one."""
    return None if told_one_by_one(analysis) else table_of(by_condition(effects), "By condition", CONDENSED, csv="summary")


def _ladder(analyses: Mapping[str, xr.DataTree], effects: Mapping[str, pd.DataFrame]) -> Table:
    headings = {name: f"{analysis.attrs['null']} ({name})" for name, analysis in analyses.items()}
    return table_of(pd.DataFrame(ladder(effects)), "Which null is rejected", LADDER, headings=headings)


def _warnings(analyses: Mapping[str, xr.DataTree]) -> dict[str, list[str]]:
    """Of the first analysis all, of the others what is not among them."""
    every = {name: warned(analysis) for name, analysis in analyses.items()}
    first = next(iter(every))
    besides = {
        name: [sentence for sentence in sentences if sentence not in every[first]]
        for name, sentences in every.items()
        if name != first
    }
    return {first: every[first]} | {f"{name}, besides": sentences for name, sentences in besides.items() if sentences}


def _settings(analysis: xr.DataTree) -> dict[str, str]:
    view = Analysis(analysis)
    known: dict[str, Any] = {name: analysis.attrs[name] for name in _SETTINGS if name in analysis.attrs}
    if "statistics" in known:
        known["statistics"] = ", ".join(view.statistics)
    known["versions"] = ", ".join(f"{package} {release}" for package, release in view.versions.items())
    if not view.rule.draws:
        known["n_permutations"] = "none"
    known["dt"] = known["dt"] or "continuous"
    known["standardised"] = "yes" if known["standardised"] else "no"
    return {_SETTINGS[name]: _plain(value) for name, value in known.items()}


def _plain(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _picture(name: str, drawn: Drawn, png: bytes) -> Picture:
    width, height = drawn.figure.get_size_inches()
    csv = csv_bytes(drawn.table())
    return Picture(
        name,
        _data("image/png", png),
        round(width * _PIXELS),
        round(height * _PIXELS),
        _first_sentence(drawn.caption),
        drawn.caption,
        _data("text/csv", csv) if len(csv) <= LARGEST_CSV else "",
    )


def _first_sentence(caption: str) -> str:
    """The caption up to its first full stop, that behind the name of the figure apart."""
    match = re.match(r"(?:\w+(?: \w+)?\. )?.+?\.(?=\s|$)", caption, re.DOTALL)
    return match.group() if match else caption


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _files(analysis: xr.DataTree) -> list[tuple[str, str, str]]:
    """Network, file and SHA-256 of every file that was read."""
    read = Analysis(analysis).files
    return [(run, file, sha256) for run, files in read.items() for file, sha256 in files.items()]
