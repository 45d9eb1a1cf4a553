"""A sweep: the networks of every point of some grids, trained by whoever there is.

Any number of processes, on any machines that share the folder, may train one sweep at a time: each run is claimed by who
trains it, and what a run is trained by changes no number in it.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from pathlib import Path

from stanalysis.cluster import RETRIES
from stanalysis.errors import BadInput
from stanalysis.files.lock import LEASE
from trainers.sweep.engines import Engine, Local, engine_of
from trainers.sweep.folder import SweepFolder
from trainers.sweep.grid import Grid
from trainers.sweep.loop import Loop, Stop
from trainers.sweep.plan import plan_of
from trainers.sweep.watcher import SweepWatcher

# how batch systems say that the time is up
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]


def sweep(
    grids: Grid | Sequence[Grid],
    path: Path,
    *,
    workers: int | None = None,
    engine: Engine | None = None,
    retries: int = RETRIES,
    lease: float = LEASE,
    watcher: SweepWatcher | None = None,
) -> bool:
    """Train every run of some grids that is not finished yet, and keep the table of the finished ones.

    Call it again to go on after an interruption, or with more. Runs that other processes train are left to them, and waited
    for; they are taken up once those are gone.

    Parameters
    ----------
    grids
        One for each method.
    path
        The sweep folder.
    workers
        Processes that train at the same time, each on one thread; None for one per core that this process may use. No
        result depends on them.
    engine
        What trains the runs, instead of processes of this machine.
    retries
        How often a run is tried again whose process died. Bad input, and training that diverged, are not tried again.
    lease
        Seconds without a sign of life after which the process that trains a run is taken to be gone, on another machine.

    Returns
    -------
    bool
        Whether all runs are finished; False after Ctrl-C, when those under way have kept the state they reached.

    Raises
    ------
    BadInput
        The folder, or the grids, do not fit; a scheduler is gone; or some run failed, once the others are done.

    Notes
    -----
    The column ``seconds`` is the life of the process that finished the run: of a resumed run, only since it was resumed. It
    is empty where that process died before the table was written.
    """
    if retries < 0:
        raise BadInput(f"{retries} retries are asked for; give 0 or more.")
    engine = engine or engine_of(workers)
    plan = plan_of([grids] if isinstance(grids, Grid) else grids, lease)
    runs = plan.specs(path)
    folder = SweepFolder(path)
    folder.begin(plan)
    for name in folder.failures().keys() & {run.name for run in runs}:
        folder.forget_failure(name)
    loop = Loop(folder, runs, engine, watcher or SweepWatcher(), retries=retries, leads=True)
    finished = loop.train()
    if loop.failures and loop.stopped is None:
        name, sentence = next(iter(loop.failures.items()))
        raise BadInput(f"{len(loop.failures)} of {len(runs)} runs failed; the first was {name}: {sentence}")
    return finished


def prepare(grids: Sequence[Grid], path: Path, *, lease: float = LEASE) -> int:
    """Write the folder of a sweep, for `work` to train, and return how many runs the grids have.

    Raises
    ------
    BadInput
        As for `sweep`, before anything is trained.
    """
    plan = plan_of(grids, lease)
    n_runs = len(plan.specs(path))
    SweepFolder(path).begin(plan)
    return n_runs


def work(
    path: Path, *, seconds: float | None = None, engine: Engine | None = None, watcher: SweepWatcher | None = None
) -> Stop | None:
    """Train runs of a sweep folder that nobody trains, until there are none to begin.

    Any number of processes may do this at a time, on all machines that share the folder.

    Parameters
    ----------
    path
        The sweep folder, as `sweep` or `prepare` make it.
    seconds
        When to stop, if not before.
    engine
        What trains the runs; by default one process at a time.
    watcher
        Who hears how it goes.

    Returns
    -------
    int or str or None
        The signal that ended it (SIGINT, SIGTERM or SIGUSR1), or "time"; the runs under way have kept the state they reached
        then. None where no run was left to begin.

    Raises
    ------
    BadInput
        The folder is no sweep; so many runs in a row were lost that it must be the fault of this machine.
    """
    folder = SweepFolder(path)
    runs = folder.open().specs(path)
    random.shuffle(runs)  # or all that begin now would reach for the same
    loop = Loop(folder, runs, engine or Local(1), watcher or SweepWatcher(), retries=RETRIES, leads=False)
    loop.train(seconds=seconds, ending=ENDING)
    return loop.stopped
