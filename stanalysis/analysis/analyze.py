"""Runs in, one analysis out: what is behind ``stanalysis analyze``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import xarray as xr

from stanalysis.analysis.assemble import assemble, check_together
from stanalysis.analysis.cache import Cache
from stanalysis.analysis.check import checked
from stanalysis.analysis.extent import Extent, Stage, extent_of
from stanalysis.analysis.memory import free_memory
from stanalysis.analysis.one_network import NetworkResult, Snapshots, analyse_network, read_snapshots
from stanalysis.analysis.places import Place, places_of_networks
from stanalysis.analysis.questions import Questions
from stanalysis.analysis.samples import chosen_samples, samples_per_network
from stanalysis.cluster import memory_of_workers
from stanalysis.errors import BadInput
from stanalysis.execution import completed
from stanalysis.fields.lattice import ROOK, Lattice
from stanalysis.files.run import Run
from stanalysis.readers.options import Options
from stanalysis.stats.engine.families import usual_families
from stanalysis.stats.engine.null_test import NullOptions, NullTest
from stanalysis.stats.replicates.comparison import check_replicates

if TYPE_CHECKING:
    from distributed import Client


def analyze(
    paths: Run | Path | str | Sequence[Run | Path | str],
    *,
    lattice: Lattice = ROOK,
    statistics: Sequence[str] | None = None,
    ms_per_source: float | None = None,
    bin_width: float | None = None,
    compare: str | None = None,
    replicates: str = "networks",
    foreign: Options | None = None,
    workers: int = 1,
    memory: float | None = None,
    client: Client | None = None,
    cache: Path | str | None = None,
    check: bool = True,
    progress: Callable[[Stage], None] | None = None,
    **test: Unpack[NullOptions],
) -> xr.DataTree:
    """Analyse runs, sweeps, or single checkpoints.

    Parameters
    ----------
    paths
        One or several: runs or their folders, sweep folders (their finished runs), checkpoint files, or networks that another
        program trained.
    lattice, **test
        As for `stanalysis.field_statistics`. With ``null`` "untrained" every run needs its step 0, and nothing is drawn.
    statistics
        Names of `stanalysis.stats.engine.families.FAMILIES`; by default lattice, graph and survival. ``"lattice"`` and
        ``"graph"``: all that `stanalysis.field_statistics` names there; Moran's I in any case. ``"survival"``: lifetimes of
        the synapses and what lasts of the fields, where synapses were born or died. ``"pruning"``: what pruning leaves of the
        structure, at the step best on validation. At the first and the last kept step only: ``"local"`` (local Moran's I and
        Gi*), ``"correlogram"``, ``"smoothing"``, ``"pairs"`` (cross-K and mark correlation over distance).
    ms_per_source
        How many ms of delay are as far as one source, on the graph of synapses; by default one bin, and 1 ms where delays are
        continuous and ``bin_width`` is not given.
    bin_width
        Width in ms of a bin of delay, on the lattice of cells; by default the time step of the network. Where delays are
        continuous (``dt`` 0) there is no lattice without it: what is about cells is left out by default, and refused where it
        is named. On the graph of synapses delays stay as the network has them, but for ``"pruning"``.
    compare
        What groups the runs into conditions to compare: ``step``, ``method``, ``sparsity``, ``connectivity``, ``delays``, or
        a name in the training's configuration.
    replicates
        As for `stanalysis.compare`: only "networks".
    foreign
        What the files of another program cannot know.
    workers
        How many networks are analysed at a time, each in a process of its own if there are several; the numbers are the same.
        A script needs ``if __name__ == "__main__":`` then, and what it registers must be in a module that it imports.
    memory
        How many bytes all of it may take; by default half of what is free. What needs more is refused.
    client
        Of a dask scheduler (`distributed.Client`), whose workers see the same files and analyse the networks then; ``memory``
        is that of each of their threads.
    cache
        Folder in which what each network contributes is kept, by what it was made of, for the next analysis, or for this one
        if it is interrupted; safe to delete. Of networks of other programs nothing is kept.
    check
        Whether to recompute some of the numbers with esda and lifelines, and keep how far these are from them.
    progress
        Called with the networks under way and how much is done: before each is read, after each step of each projection (not
        with several workers), and when all are done. How much there is to do is known from the first network, which is read
        once more for it.

    Returns
    -------
    xarray.DataTree
        The analysis, as `stanalysis.files.analysis` describes it.
    """
    places, sweep = places_of_networks(paths)
    asked = usual_families() if statistics is None else tuple(statistics)
    if client is not None:
        most = memory_of_workers(client) if memory is None else memory
    else:
        most = (free_memory() / 2 if memory is None else memory) / max(min(workers, len(places)), 1)
    questions = Questions(asked, NullTest(**test), lattice, ms_per_source, foreign or Options(), bin_width, memory=most)
    if compare is None and replicates != "networks":
        raise BadInput("Replicates are those of a comparison; say what to compare, too, with networks as replicates.")
    check_replicates(replicates)
    known = None if cache is None else Cache(Path(cache))
    results = _results(places, questions, known, workers=workers, client=client, check=check, progress=progress)
    analysis = assemble(results, questions, sweep=sweep, compare=compare, replicates=replicates)
    return checked(analysis, [sample for result in results for sample in result.samples], questions) if check else analysis


def _results(
    places: Sequence[Place],
    questions: Questions,
    cache: Cache | None,
    *,
    workers: int,
    client: Client | None,
    check: bool,
    progress: Callable[[Stage], None] | None,
) -> list[NetworkResult]:
    """What each network contributes, in the order of the places; networks that cannot stand together are refused early."""
    shares = samples_per_network(len(places)) if check else [0] * len(places)
    results: dict[int, NetworkResult] = {}
    extent: Extent | None = None

    def tell(share: float = 0.0) -> None:
        if progress:
            under_way = tuple(place.name for index, place in enumerate(places) if index not in results)[:workers]
            progress(Stage(under_way, len(results) + share, len(places), extent))  # tasks begin in their order

    def told(network: Snapshots) -> None:
        nonlocal extent
        extent = extent or extent_of(network, questions)
        tell()

    def take(index: int, result: NetworkResult) -> None:
        results[index] = replace(result, samples=chosen_samples(result.samples, shares[index], turn=index))
        check_together([results[index] for index in sorted(results)])
        tell()

    tell()
    if cache:
        for index, place in enumerate(places):
            if result := cache.result(place.path, questions, place.name):
                take(index, result)
    left = [index for index in range(len(places)) if index not in results]
    here = client is None and (workers == 1 or len(left) < 2)  # a process of its own cannot call back
    if progress and left and not here:
        first = places[left[0]].path
        told(read_snapshots(first, lives="survival" in questions.statistics, foreign=questions.foreign))
    each = partial(_result, questions=questions, callbacks=(told, tell) if progress and here else (None, None))
    tasks = [places[index] if client is None else _anywhere(places[index]) for index in left]
    for position, result in completed(each, tasks, workers=workers, client=client):
        place = places[left[position]]
        if client is not None:
            result = replace(result, files=_as_given(result.files, place.path))
        if cache:
            cache.keep(place.path, questions, result)
        take(left[position], result)
    return [results[index] for index in range(len(places))]


def _result(
    place: Place,
    *,
    questions: Questions,
    callbacks: tuple[Callable[[Snapshots], None] | None, Callable[[float], None] | None],
) -> NetworkResult:
    questions.require_registered()
    has_read, progress = callbacks
    return analyse_network(place.path, questions, name=place.name, sampled=True, has_read=has_read, progress=progress)


def _anywhere(place: Place) -> Place:
    """As a process finds it that works in another folder."""
    return replace(place, path=place.path.absolute())


def _as_given(files: Mapping[str, str], path: Path) -> dict[str, str]:
    """Files by the names that they have from here."""
    return {str(path) + name.removeprefix(str(path.absolute())): digest for name, digest in files.items()}
