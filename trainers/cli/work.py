"""The verb work: take part in training a sweep."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from stanalysis.units import seconds_of
from trainers.cli.live_table import LiveTable
from trainers.cli.printing import say
from trainers.cli.train import INTERRUPTED


def work(
    folder: Path,
    /,
    *,
    duration: Annotated[str | None, Parameter(name="--for")] = None,
    workers: int = 1,
) -> int | None:
    """Train runs of a sweep folder that nobody trains, beside others, on any machine.

    Any number of these may work at a time, on all machines that share the folder, with no scheduler: in a batch system one
    for each task of an array. It ends when no run is left to begin. At SIGTERM and SIGUSR1, with which batch systems say
    that the time is up, and at Ctrl-C, runs under way keep the state they reached, for others to go on from.

    Parameters
    ----------
    folder
        Sweep folder, as `stanalysis sweep` makes it, with --prepare without training.
    duration
        How long to go on, as 3h55m; then runs under way keep their state.
    workers
        Runs at the same time, each on one core.
    """
    from trainers.sweep.engines import Local
    from trainers.sweep.plan import read_plan
    from trainers.sweep.runs import work as train_runs

    seconds = None if duration is None else seconds_of(duration)
    console = Console(stderr=True)
    epochs = {run.name: int(run.config["epochs"]) for run in read_plan(folder).specs(folder)}
    watcher = LiveTable(console, folder, epochs)
    with watcher.live:
        stopped = train_runs(folder, seconds=seconds, engine=Local(workers), watcher=watcher)
    if stopped is None:
        say(console, "No run is left to begin.")
        return None
    say(console, "Stopped; runs under way have kept their state.")
    return INTERRUPTED if stopped == signal.SIGINT else None
