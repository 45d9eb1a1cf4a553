"""How far a sweep is, from its folder alone."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stanalysis.files.run import read_metrics
from trainers.sweep.folder import SweepFolder


@dataclass(frozen=True)
class UnderWay:
    """A run that somebody trains.

    Attributes
    ----------
    run
        Its name.
    host, pid
        Who trains it.
    seconds
        For how long.
    silent
        Seconds since the last sign of life.
    epoch, epochs
        Epochs done and wanted.
    """

    run: str
    host: str
    pid: int
    seconds: float
    silent: float
    epoch: int
    epochs: int


@dataclass(frozen=True)
class Status:
    """How far a sweep is.

    Attributes
    ----------
    n_runs, n_finished
        How many are wanted, and how many of these are finished.
    under_way
        Those that are trained now.
    failed
        By name why runs are not tried any more.
    begun
        Those begun that nobody trains now.
    n_left
        How many are to be trained, those begun among them.
    seconds
        An estimate of the time until all are finished by as many as work now; None where no run is finished, or none works.
    """

    n_runs: int
    n_finished: int
    under_way: tuple[UnderWay, ...]
    failed: dict[str, str]
    begun: tuple[str, ...]
    n_left: int
    seconds: float | None


def status_of(path: Path) -> Status:
    """How far the sweep in a folder is."""
    folder = SweepFolder(path)
    runs = {run.name: run for run in folder.open().specs(path)}
    finished = [folder.rows[name] for name in runs if name in folder.rows]
    there = folder.names()
    failed = {name: sentence for name, sentence in folder.failures().items() if name in runs and name not in folder.rows}
    under_way, begun = [], []
    for name, run in runs.items():
        if name not in there or name in folder.rows:
            continue
        if holder := folder.trained_by(name):
            epochs = int(run.config["epochs"])
            silent = max(holder.silent, 0.0)
            under_way.append(
                UnderWay(name, holder.host, holder.pid, holder.seconds, silent, len(read_metrics(path / name)), epochs)
            )
        elif name not in failed:
            begun.append(name)
    n_left = len(runs) - len(finished) - len(under_way) - len(failed)
    known = [row["seconds"] for row in finished if row["seconds"] == row["seconds"]]
    return Status(len(runs), len(finished), tuple(under_way), failed, tuple(begun), n_left, _estimate(known, under_way, n_left))


def _estimate(known: Sequence[float], under_way: Sequence[UnderWay], n_left: int) -> float | None:
    """Seconds until all are finished: work left, in medians of what a run took, shared by those that work."""
    if not n_left and not under_way:
        return 0.0
    if not known or not under_way:
        return None
    left = n_left + sum(1 - run.epoch / max(run.epochs, 1) for run in under_way)
    return statistics.median(known) * left / len(under_way)
