"""Which figures are drawn: all that an analysis has the numbers for, but of many networks only some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import xarray as xr

from reports.drawn import Plan
from reports.figures import FIGURES, OF_SEVERAL, OF_TABLES
from reports.figures.figure_1bc import representative
from stanalysis.errors import BadInput, printable
from stanalysis.findings.view import Analysis

MOST_NETWORKS: Final = 6  # of which a report has figures of their own


def for_report(analyses: Mapping[str, xr.DataTree]) -> tuple[list[Plan], list[str]]:
    """The figures of a report, of the first analysis or of all together, and in sentences what is left out.

    Parameters
    ----------
    analyses
        As `stanalysis.read_analysis` gives them, by name.
    """
    main = next(iter(analyses.values()))
    shown, notes = networks_shown(main)
    planned: list[Plan] = []
    for name, plans in FIGURES.items():
        try:
            planned += _plans_of(shown, plans(*(analyses.values() if name in OF_SEVERAL else [main])))
        except BadInput as error:
            notes.append(f"{name} is not drawn: {error}")
    return _distinct(planned), notes


def for_table(table: xr.DataTree) -> list[Plan]:
    """The figures of the table of a sweep that was not analysed, as `stanalysis.files.sweep.sweep_alone` gives it."""
    planned: list[Plan] = []
    said = []
    for name in FIGURES:
        if name in OF_TABLES:
            try:
                planned += FIGURES[name](table)
            except BadInput as error:
                said.append(str(error))
    if not planned:
        raise BadInput(" ".join(said))
    return planned


def is_table(analysis: xr.DataTree) -> bool:
    """Whether it is the table of a sweep, and no analysis."""
    return set(analysis.children) == {"sweep"}


def for_figure(
    name: str, analyses: Mapping[str, xr.DataTree], *, projection: str | None = None, network: str | None = None
) -> list[Plan]:
    """Figures of one kind, of each analysis or of all together.

    Parameters
    ----------
    analyses
        As `stanalysis.read_analysis` gives them, by name; where there are several the names of figures end in it.
    projection, network
        Only of this projection, of this network; without a network, of a sweep, only of the one that stands for it.
    """
    together = name in OF_SEVERAL or len(analyses) == 1
    planned: list[Plan] = []
    for some in [list(analyses)] if name in OF_SEVERAL else [[which] for which in analyses]:
        try:
            if name not in OF_TABLES and any(is_table(analyses[which]) for which in some):
                raise BadInput(f"{name} needs an analysis; make one with `stanalysis analyze`.")
            plans = FIGURES[name](*(analyses[which] for which in some))
            chosen = _chosen(name, analyses[some[0]], plans, projection, network)
        except BadInput as error:
            raise BadInput(str(error) if together else f"{some[0]}: {error}") from error
        planned += chosen if together else [replace(plan, name=f"{plan.name}-{some[0]}") for plan in chosen]
    return _distinct(planned)


def networks_shown(analysis: xr.DataTree) -> tuple[list[str], list[str]]:
    """Names of the networks of which a report has figures of their own, and in sentences which are left out.

    Of a sweep it is the one that stands for it (`reports.figures.figure_1bc.CHOICE`), otherwise the first few.
    """
    runs = Analysis(analysis).runs
    if Analysis(analysis).has("sweep"):
        chosen = representative(analysis)
        if chosen is None:
            said = (
                "No network stands for the sweep, as none with learned delays, if sparse a rewired one, has answers for most "
                "of its neurons; draw others with `stanalysis figure … --network NAME`."
            )
            return [], [said]
        said = f"Of the networks of the sweep {chosen[1]} is drawn, and its condition; name another with `--network`."
        return [chosen[1]], [said]
    if len(runs) <= MOST_NETWORKS:
        return runs, []
    drawn = f"Of {len(runs)} networks the first {MOST_NETWORKS} are drawn, and their conditions"
    return runs[:MOST_NETWORKS], [f"{drawn}; name others with `stanalysis figure … --network`."]


def in_atlas(analysis: xr.DataTree) -> list[tuple[str, str]]:
    """Projection and name of each network of the atlas: all of them, but of a sweep only the one that stands for it."""
    tables = Analysis(analysis).tables("autocorrelation")
    every = [(projection, str(run)) for projection, table in tables.items() for run in table.run.values]
    if not Analysis(analysis).has("sweep"):
        return every
    shown, _ = networks_shown(analysis)
    return [(projection, run) for projection, run in every if run in shown]


def _plans_of(shown: list[str], plans: list[Plan]) -> list[Plan]:
    """Those of these networks, alone or among others of their condition, and those of no network in particular."""
    return [plan for plan in plans if not plan.networks or set(shown) & set(plan.networks)]


def _chosen(name: str, analysis: xr.DataTree, plans: list[Plan], projection: str | None, network: str | None) -> list[Plan]:
    if is_table(analysis):
        if projection is not None or network is not None:
            raise BadInput(f"{name} is of all networks of the sweep; leave out projection and network.")
        return plans
    view = Analysis(analysis)
    runs, projections = view.runs, list(view.tables("synapses"))
    for given, there, option in ((network, runs, "network"), (projection, projections, "projection")):
        if given is not None and given not in there:
            raise BadInput(f"There is no {option} {printable(given)}; name one of {', '.join(there)}.")
    chosen = [plan for plan in plans if projection in (None, plan.projection) and network in (None, *plan.networks)]
    if network is None and view.has("sweep"):
        shown, said = networks_shown(analysis)
        if not (chosen := _plans_of(shown, chosen)):
            raise BadInput(said[0])
    if not chosen:
        asked = " and ".join(filter(None, (network, projection)))
        raise BadInput(f"{name} is not drawn of {asked}; leave that out, or name another.")
    return chosen


def _distinct(plans: list[Plan]) -> list[Plan]:
    """Plans of distinct names: two networks may differ in letters that no file name can have."""
    names = [plan.name for plan in plans]
    return [
        plan if names.count(plan.name) == 1 else replace(plan, name=f"{plan.name}-{names[:i].count(plan.name) + 1}")
        for i, plan in enumerate(plans)
    ]
