"""The networks of an analysis, packed for the browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from reports.atlas.fitting import fitting
from reports.atlas.packing import AtlasNetwork, Lives, Rows, packed_lives, packed_rows
from stanalysis.errors import BadInput, printable
from stanalysis.fields.delay_bins import DelayBins
from stanalysis.fields.lattice import Lattice
from stanalysis.files.analysis import kept_steps
from stanalysis.findings.effects import first_and_trained
from stanalysis.findings.view import Analysis
from stanalysis.stats.engine.null_test import MIN_SYNAPSES
from stanalysis.stats.lives.life_tables import mean_lifetimes

MOST_ROWS: Final = 1_500_000  # of all networks of a page: 8 MB in the file
MOST_LIVES: Final = 200_000  # of all networks of a page: 3 MB
_LONGEST_NAME: Final = 60  # letters; of a longer one the middle is left out
_OF_STATISTICS: Final = {  # keys of numbers, from /statistics: the statistic and the variable
    "morans_i": ("morans_i", "value"),
    "p_value": ("morans_i", "p_value"),
    "q_value": ("morans_i", "q_value"),
    "largest_cluster": ("largest_cluster", "value"),
    "largest_cluster_p": ("largest_cluster", "p_value"),
    "graph_joins_ei": ("graph_joins_ei", "value"),
    "graph_joins_ei_p": ("graph_joins_ei", "p_value"),
}
_NOBODY_CHANGED: Final = "No synapse was born or died."
_NOT_KNOWN: Final = "Births and deaths are not known: there is no rewiring log of this network."


def networks_of_analysis(
    analysis: xr.DataTree, chosen: Sequence[tuple[str, str]] | None
) -> tuple[list[AtlasNetwork], list[str]]:
    """The chosen (projection, run) of an analysis as far as they fit into a page, and what does not, in sentences."""
    packed: list[AtlasNetwork] = []
    untold = []
    lives_left = MOST_LIVES
    _require_pairs(analysis, chosen)
    every = _pairs(analysis)
    for projection, run in chosen or ():
        if (projection, run) not in every:
            raise BadInput(f"The analysis has no {projection} of a network {run}; it has {'; '.join(map(', '.join, every))}.")
    wanted = every if chosen is None else [(projection, run) for projection, run in chosen]
    ends = {projection: first_and_trained(analysis, projection) for projection in dict(wanted)}
    trained = {(projection, run): ends[projection][run][1] for projection, run in wanted}
    counts = {pair: _n_synapses(analysis, *pair) for pair in wanted}
    steps = fitting(counts, trained, room=MOST_ROWS)
    for projection, run in steps:
        name = f"{projection}, {run}"
        episodes = _episodes(analysis, projection, run)
        fits = episodes is None or episodes.sizes["episode"] <= lives_left
        if episodes is not None and fits:
            lives_left -= episodes.sizes["episode"]
        if not fits:
            untold.append(name)
        pair = projection, run
        packed.append(_network_of_analysis(analysis, *pair, steps[pair], trained[pair], episodes, fits))
    said = []
    room = f"for a page of at most {MOST_ROWS:,} synapses over all steps"
    if too_large := [", ".join(pair) for pair in wanted if pair not in steps]:
        said.append(f"The atlas leaves out, {room}: {'; '.join(too_large)}.")
    thinned = {pair: len(kept) for pair, kept in steps.items() if len(kept) < len(counts[pair])}
    if fewer := [f"{', '.join(pair)} ({n} of {len(counts[pair])})" for pair, n in thinned.items()]:
        said.append(f"The atlas has fewer steps than were kept, {room}: {'; '.join(fewer)}.")
    if untold:
        said.append(f"The atlas leaves out the lives of synapses, at most {MOST_LIVES:,} of a page, of {'; '.join(untold)}.")
    return packed, said


def shown_name(name: str) -> str:
    """A name of a stranger as one line, without what would turn the text around it, its middle left out where it is long.

    Examples
    --------
    >>> shown_name(" two   words "), len(shown_name("long" * 100))
    ('two words', 60)
    """
    line = printable(" ".join(name.split()))
    half = (_LONGEST_NAME - 1) // 2
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1 - half]}…{line[-half:]}"


def _require_pairs(analysis: xr.DataTree, chosen: Sequence[tuple[str, str]] | None) -> None:
    if not isinstance(analysis, xr.DataTree):
        raise BadInput(f"The analysis is a {type(analysis).__name__}; give one that `stanalysis.read_analysis` read.")
    if chosen is None:
        return
    pairs = isinstance(chosen, Sequence) and all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in chosen)
    if not pairs:
        raise BadInput("The networks are no list of pairs; give [(projection, run), …].")


def _pairs(analysis: xr.DataTree) -> list[tuple[str, str]]:
    """Every projection with every network that has it."""
    tables = Analysis(analysis).tables("statistics")
    return [(name, str(run)) for name, table in tables.items() for run in table.run.values if kept_steps(table.sel(run=run))]


def _n_synapses(analysis: xr.DataTree, projection: str, run: str) -> dict[int, int]:
    """How many synapses a network has at each kept step."""
    view = Analysis(analysis)
    steps = view.rows("synapses", projection, run)["step"].values
    kept = kept_steps(view.table("statistics", projection).sel(run=run))
    return {step: int(np.count_nonzero(steps == step)) for step in kept}


def _episodes(analysis: xr.DataTree, projection: str, run: str) -> xr.Dataset | None:
    """The lives of synapses of one network, None where no log tells them."""
    if not Analysis(analysis).has("episodes", projection):
        return None
    lives = Analysis(analysis).rows("episodes", projection, run)
    return lives if lives.sizes["episode"] else None


def _seen_only(analysis: xr.DataTree, projection: str, run: str) -> bool:
    """Whether checkpoints alone tell that synapses were born and died."""
    view = Analysis(analysis)
    return view.has("sightings", projection) and view.rows("sightings", projection, run).sizes["episode"] > 0


def _network_of_analysis(
    analysis: xr.DataTree,
    projection: str,
    run: str,
    steps: list[int],
    trained: int,
    episodes: xr.Dataset | None,
    with_lives: bool,
) -> AtlasNetwork:
    view = Analysis(analysis)
    statistics = view.table("statistics", projection).sel(run=run, step=steps)
    table = view.rows("synapses", projection, run)
    n_source, n_target = int(table.attrs["n_source"]), int(table.attrs["n_target"])
    bins = view.bins(projection)
    lives: Lives | None = None
    said = _NOT_KNOWN if _seen_only(analysis, projection, run) else _NOBODY_CHANGED
    if episodes is not None:
        said = "The lives of synapses are left out: they are too many for a page."
        lives = packed_lives(episodes, n_source=n_source, n_target=n_target) if with_lives else None
    population = view.table("populations", projection.split("__")[0])
    return AtlasNetwork(
        name=shown_name(f"{projection.replace('__', ' → ')}, {run}"),
        sources=np.arange(n_source),
        targets=np.arange(n_target),
        delay=bins.centres,
        steps=np.asarray(steps),
        rows=_rows_of_table(table, steps, bins),
        numbers=_numbers_of_analysis(statistics) | lifetimes(episodes, len(steps), n_target),
        lattice=Lattice(analysis.attrs["contiguity"], bool(analysis.attrs["standardised"])),
        min_synapses=int(statistics.attrs.get("min_synapses", MIN_SYNAPSES)),
        frequency=population["frequency"].to_numpy() if "frequency" in population else None,
        lives=lives,
        lives_said=said,
        best=steps.index(trained) if view.best_steps.get(run) == trained else None,
        continuous=table.attrs["rounding"] == "none" or view.bin != view.dt,
    )


def _rows_of_table(table: xr.Dataset, steps: Sequence[int], bins: DelayBins) -> Rows:
    n_source, n_target = int(table.attrs["n_source"]), int(table.attrs["n_target"])
    known = table.isel(synapse=np.flatnonzero(np.isin(table.step.values, steps)))
    return packed_rows(
        np.searchsorted(steps, known.step.values) * n_target + known.target.values.astype(np.int64),
        known.source.values,
        bins.of(known.delay.values),
        known.weight.values,
        n_field=len(steps) * n_target,
        n_source=n_source,
        n_delay=bins.n,
    )


def _numbers_of_analysis(statistics: xr.Dataset) -> dict[str, np.ndarray]:
    """Numbers (step, target) of one network by key."""
    names = statistics.statistic.values.tolist()
    numbers = {"n_synapses": statistics.n_synapses.transpose("step", "target").to_numpy()}
    for key, (statistic, variable) in _OF_STATISTICS.items():
        if statistic in names:
            numbers[key] = statistics[variable].sel(statistic=statistic).transpose("step", "target").to_numpy()
    return numbers


def lifetimes(episodes: xr.Dataset | None, n_step: int, n_target: int) -> dict[str, np.ndarray]:
    """Steps lived per death, the same at every step; nothing where no lives are known."""
    if episodes is None:
        return {}
    return {"mean_lifetime": np.tile(mean_lifetimes(episodes, n_target).values, (n_step, 1))}
