"""Everything there is to do to a trained network, and what it still can do then: the lines of operations.csv."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from stanalysis.errors import BadInput
from stanalysis.files.atomic import require_writable
from stanalysis.files.lock import held
from stanalysis.files.operations import INTACT, KEY, OPERATIONS, TABLE, Family, read_lines, write_operations
from trainers.datasets.recordings import Recordings
from trainers.operations.changes import Change, changed, changes
from trainers.operations.controls import refitted, renormalised
from trainers.operations.dose import input_metrics
from trainers.operations.extent import Metrics, extent
from trainers.operations.trained import Choice, TrainedNetwork, trained_network
from trainers.training.threads import available, single_threaded_blas

_EVERY: Final = 10.0  # seconds, in which lines are written
Line = dict[str, Any]


def operate(
    path: Path,
    data: Recordings,
    *,
    families: Sequence[Family],
    draws: int,
    refit: int,
    checkpoint: Choice,
    threads: int | None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Operate on the network of a run in every way, and write the accuracies that are left to operations.csv.

    Lines that the file has of this very checkpoint are kept, so that what was interrupted goes on; those of another one go.

    Parameters
    ----------
    path
        The run folder.
    data
        What it was trained on, wherever that lies now.
    families
        Of operations, as `stanalysis.files.operations.OPERATIONS` has them.
    draws
        Of every operation in which chance has a part. They are addressed by the run's seed.
    refit
        Epochs in which the weights are trained again, delays and what is joined staying, after the largest doses of surgery;
        0 for none.
    checkpoint
        The network of the epoch best on validation, or the last one; the last one, too, where no epoch has ended.
    threads
        Threads to run on, None for all there are; no number depends on them.
    progress
        Called with the lines that are done and all there will be.

    Returns
    -------
    pandas.DataFrame
        The lines of operations.csv. Those of the operation ``intact`` have the accuracies of the checkpoint.
    """
    if draws < 1 or refit < 0:
        raise BadInput(f"{draws} draws and {refit} epochs of refitting are asked for; give at least 1, and 0 or more.")
    require_writable(path / TABLE)
    with held(path), single_threaded_blas(available(threads)):
        network = trained_network(path, data, checkpoint)
        lines = _lines_of(path, network)
        metrics = input_metrics(network)
        todo = list(changes(network, [f for f in families if f != "directed" or metrics], draws))
        wanted: list[tuple[Change | None, list[Line]]] = [
            (change, [line for line in _lines(network, change, refit) if _key(line) not in lines]) for change in (None, *todo)
        ]
        n_all = sum(len(_lines(network, change, refit)) for change, _ in wanted)
        n_done, written = n_all - sum(len(new) for _, new in wanted), time.monotonic()
        try:
            for change, new in wanted:
                for line in _operated(network, metrics, change, new):
                    lines[_key(line)] = line
                    n_done += 1
                    if progress:
                        progress(n_done, n_all)
                if time.monotonic() - written > _EVERY:
                    _write(path, network, lines)
                    written = time.monotonic()
        finally:  # after Ctrl-C, too: the same command goes on from here
            if lines:
                table = _write(path, network, lines)
    return table


def _key(line: Line) -> tuple[Any, ...]:
    return tuple(line[name] for name in KEY)


def _lines_of(path: Path, network: TrainedNetwork) -> dict[tuple[Any, ...], Line]:
    """The lines that the file has of this network, by what tells them apart."""
    if not (path / TABLE).is_file():
        return {}
    table = read_lines(path)
    table = table[table["checkpoint"] == network.digest].astype(object)
    lines = (dict(zip(table.columns, values, strict=True)) for values in table.to_numpy())
    return {_key(line): line for line in lines}


def _write(path: Path, network: TrainedNetwork, lines: dict[tuple[Any, ...], Line]) -> pd.DataFrame:
    order = {name: number for number, name in enumerate(["intact", *OPERATIONS])}
    rows = [{**line, "step": network.step, "checkpoint": network.digest} for line in lines.values()]
    table = pd.DataFrame(rows)
    places = table["operation"].map(order)
    by = ["place", *[name for name in KEY if name != "operation"]]
    table = table.assign(place=places).sort_values(by, kind="stable").drop(columns="place").reset_index(drop=True)
    write_operations(path, table)
    return table


def _lines(network: TrainedNetwork, change: Change | None, refit: int) -> list[Line]:
    """The lines of a change: as it is, and for surgery, and the intact network, with the controls that the method has."""
    line, rule = change.line if change else INTACT, network.method.rule()
    lines = [line]
    if change and not change.has_controls:
        return lines
    if rule.renormalised:
        lines.append({**line, "normalisation": "re-estimated"})
    if rule.refitting and refit and (change is None or change.is_largest):
        lines.append({**line, "refit": refit})
    return lines


def _operated(network: TrainedNetwork, metrics: Metrics, change: Change | None, lines: Sequence[Line]) -> Iterator[Line]:
    """The lines of a change, with what it did and what is left."""
    if not lines:
        return
    tables = changed(network, metrics, change) if change else {}
    done = extent(network, metrics, change, tables)
    state = network.deployed(tables) if tables else network.state
    for line in lines:
        if line["refit"]:
            operated = refitted(network, tables, line["refit"])
        elif line["normalisation"] == INTACT["normalisation"]:
            operated = state
        else:
            operated = renormalised(network, state)
        yield {**line, **done, **network.accuracies_of(operated)}
