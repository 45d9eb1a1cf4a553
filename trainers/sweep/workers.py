"""The processes of a sweep: one for each run, single-threaded, as many at a time as there are cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from time import monotonic
from typing import Any

from stanalysis.errors import BadInput
from trainers.datasets import load_dataset
from trainers.loop import Watcher, train
from trainers.methods.rewired import sparse
from trainers.sweep.grid import Grid, Point

_SINGLE_THREADED = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_WARNING, _ERROR = "warning", "error"  # what a worker tells
_LOOK_EVERY = 0.5  # seconds
_SPAWN = multiprocessing.get_context("spawn")


class SweepWatcher:
    """Hears how a sweep goes; this one keeps quiet."""

    def begin(self, n_done: int, n_runs: int) -> None:
        """The sweep starts; ``n_done`` of ``n_runs`` were finished before."""

    def look(self, running: Mapping[str, float]) -> None:
        """Called every half second with the runs in progress and the seconds each has taken."""

    def finished(self, row: Mapping[str, Any]) -> None:
        """A run is finished; ``row`` is its line of sweep.csv."""

    def failed(self, run: str, sentence: str) -> None:
        """A run ended before its end; the others go on."""

    def warned(self, text: str) -> None:
        """Some run warned; the same text is heard once."""


@dataclass
class Worker:
    """A process that trains one run, and the error it told of."""

    point: Point
    process: SpawnProcess
    receiver: Connection
    began: float
    error: str | None = None

    def warned(self) -> list[str]:
        """What it warned of since the last call; an error is kept."""
        texts = []
        with suppress(EOFError):  # it has ended
            while self.receiver.poll():
                kind, text = self.receiver.recv()
                if kind == _WARNING:
                    texts.append(text)
                else:
                    self.error = text
        return texts


def ended_workers(
    todo: Sequence[Point], grid: Grid, path: Path, n_workers: int, interrupted: threading.Event, watcher: SweepWatcher
) -> Generator[Worker]:
    """Keep so many workers busy, pass Ctrl-C on to them, and give each when it has ended."""
    waiting, told = deque(todo), False
    running: list[Worker] = []
    heard: set[str] = set()
    try:
        while running or (waiting and not interrupted.is_set()):
            while waiting and len(running) < n_workers and not interrupted.is_set():
                running.append(_start(waiting.popleft(), grid, path))
            wait([worker.process.sentinel for worker in running], timeout=_LOOK_EVERY)
            if interrupted.is_set() and not told:
                told = True
                for pid in (worker.process.pid for worker in running):
                    os.kill(pid, signal.SIGINT)  # type: ignore[arg-type]
            ended = [worker for worker in running if not worker.process.is_alive()]
            for text in (text for worker in running for text in worker.warned()):
                if text not in heard:
                    heard.add(text)
                    watcher.warned(text)
            for worker in ended:
                running.remove(worker)
                yield worker
            watcher.look({worker.point.name: monotonic() - worker.began for worker in running})
    finally:
        for worker in running:  # after a second Ctrl-C
            worker.process.kill()
            worker.process.join()


def _start(point: Point, grid: Grid, path: Path) -> Worker:
    """Start the process of one run: single-threaded, and deaf to Ctrl-C from its first instruction on."""
    receiver, sender = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_work, args=(point, grid, path, sender), name=point.name, daemon=True)
    resource_tracker.ensure_running()  # started with the process, it would take the mask off
    before = {name: os.environ.get(name) for name in _SINGLE_THREADED}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(dict.fromkeys(_SINGLE_THREADED, "1"))  # numpy and numba look when they are imported
    try:
        process.start()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    sender.close()
    return Worker(point, process, receiver, monotonic())


class _LetThrough(Watcher):
    """Lets Ctrl-C through after every batch, and only then: it comes from the terminal, from the parent, or from both."""

    def batch(self, epoch: int, loss: float) -> None:  # noqa: ARG002
        """Hear of a Ctrl-C that waits; however often it came, it waits once."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _work(point: Point, grid: Grid, path: Path, sender: Connection) -> None:
    """Train one run in a process of its own, and tell the parent of warnings and of what went wrong."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    warnings.showwarning = lambda message, *_: sender.send((_WARNING, str(message)))
    try:
        train(
            sparse,
            grid.config_of(point),
            load_dataset(grid.data, gain=grid.gain),
            path / point.name,
            seed=point.seed,
            threads=1,
            n_checkpoints=grid.checkpoints,
            watcher=_LetThrough(),
        )
    except MemoryError:
        sender.send((_ERROR, "It needs more memory than the machine has; give fewer workers, or a smaller network."))
    except (BadInput, OSError) as error:
        sender.send((_ERROR, str(error)))


def _end_with_the_parent() -> None:
    """End this process when its parent was killed: a run must not be trained twice at a time."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
