"""A list of tasks, done one after the other or side by side; no result depends on which."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, TypeVar

from stanalysis.cluster import completed_by
from stanalysis.errors import BadInput

if TYPE_CHECKING:
    from distributed import Client

THREAD_VARIABLES = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")

Task = TypeVar("Task")
Result = TypeVar("Result")


def completed(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    workers: int = 1,
    client: Client | None = None,
) -> Iterator[tuple[int, Result]]:
    """Do the same to every task, and yield (position, result) of each when it has ended.

    Parameters
    ----------
    function
        With several workers a function of a module, which other processes can import; so must be its tasks and results.
    tasks
        In the order in which to begin.
    workers
        How many tasks are under way at a time: 1 does them here, in order; more in so many new processes, which share the
        cores. A script needs ``if __name__ == "__main__":`` then, for the processes import it.
    client
        Of a dask scheduler, whose workers do it instead.

    Raises
    ------
    BadInput
        Fewer workers than 1; a process that was ended from outside, as where memory is full. What a task raises is raised
        here, and the others are not begun.

    Examples
    --------
    >>> list(completed(abs, [-1, 2]))
    [(0, 1), (1, 2)]
    """
    if workers < 1:
        raise BadInput(f"{workers} workers are asked for; give at least 1.")
    if client is not None:
        yield from completed_by(client, function, tasks)
        return
    if workers == 1 or len(tasks) < 2:
        yield from ((position, function(task)) for position, task in enumerate(tasks))
        return
    before = set(multiprocessing.active_children())
    executor = _executor(min(workers, len(tasks)))
    done = False
    try:
        futures = {executor.submit(function, task): position for position, task in enumerate(tasks)}
        pending = set(futures)
        while pending:
            ended, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in sorted(ended, key=futures.__getitem__):
                yield futures[future], future.result()
        done = True
    except BrokenProcessPool as error:
        raise BadInput("A process of the work ended early, as where memory is full; give fewer workers.") from error
    finally:
        if not done:  # Ctrl-C, or a task that failed: what is under way is of no use any more
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
        executor.shutdown(cancel_futures=True)


def _executor(workers: int) -> ProcessPoolExecutor:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin, initargs=(max(cores // workers, 1),))


def _begin(n_threads: int) -> None:
    """Prepare a process, before it imports anything large: its share of the cores, and an end with Ctrl-C or its parent."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(n_threads)))
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
