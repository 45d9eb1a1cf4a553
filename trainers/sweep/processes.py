"""The processes of a sweep: one for each run, single-threaded, so many at a time; one that dies takes no other with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from time import monotonic

from stanalysis.execution import THREAD_VARIABLES, completed
from trainers.sweep.grid import Grid, Point
from trainers.sweep.one_run import STOP, WARNING
from trainers.sweep.watcher import SweepWatcher


@dataclass(frozen=True)
class EndedRun:
    """How a run ended: the exit code of its process, the error it told of, the seconds it took."""

    point: Point
    code: int
    error: str | None
    seconds: float


@dataclass
class RunProcess:
    """A process that trains, since when, and whether it was told to stop."""

    process: subprocess.Popen[str]
    began: float
    told: bool = False

    def stop(self) -> None:
        """Have it keep its state and end; once."""
        if not self.told:
            self.told = True
            with suppress(BrokenPipeError, ValueError):  # it has ended
                self.process.stdin.write(f"{STOP}\n")  # type: ignore[union-attr]
                self.process.stdin.flush()  # type: ignore[union-attr]


class RunProcesses:
    """Trains the runs of a grid into a sweep folder, each in a process that a thread begins, hears and waits for.

    Once ``interrupted`` is set no other run begins, and those under way are told to stop.
    """

    def __init__(self, grid: Grid, path: Path, interrupted: threading.Event, watcher: SweepWatcher) -> None:
        self.grid, self.path, self.interrupted, self.watcher = grid, path, interrupted, watcher
        self.beginning = threading.Lock()
        self.closed = False
        self.running: dict[str, RunProcess] = {}
        self.warnings: SimpleQueue[str] = SimpleQueue()
        self.heard: set[str] = set()

    def ended(self, points: Sequence[Point], workers: int) -> Generator[EndedRun]:
        """Train these, so many at a time, and give each that was begun when it has ended."""
        try:
            for _, run in completed(self._train, points, workers=workers, threads=True, meanwhile=self._look):
                if run is not None:
                    yield run
        finally:
            with self.beginning:  # after a second Ctrl-C
                self.closed = True
                for running in self.running.values():
                    running.process.kill()

    def _train(self, point: Point) -> EndedRun | None:
        """Train a run in a process and wait for it; None if it was not begun any more."""
        with self.beginning:
            if self.closed or self.interrupted.is_set():
                return None
            run = self.running[point.name] = RunProcess(self._begun(point), monotonic())
        error = None
        with suppress(BrokenPipeError), run.process:
            for line in run.process.stdout or ():
                kind, text = json.loads(line)
                if kind == WARNING:
                    self.warnings.put(text)
                else:
                    error = text
        with self.beginning:
            del self.running[point.name]
        return EndedRun(point, run.process.returncode, error, monotonic() - run.began)

    def _begun(self, point: Point) -> subprocess.Popen[str]:
        """A process that trains one run: in a session of its own, so that Ctrl-C reaches this process alone."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "trainers.sweep.one_run"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path)}
            | dict.fromkeys(THREAD_VARIABLES, "1"),
        )
        run = {
            "method": self.grid.method.name,
            "config": asdict(point.config),
            "data": self.grid.data,
            "gain": self.grid.gain,
            "bin": self.grid.bin,
            "path": str(self.path / point.name),
            "seed": point.seed,
            "checkpoints": self.grid.checkpoints,
        }
        with suppress(BrokenPipeError):  # it has died; its exit code says so
            process.stdin.write(json.dumps(run) + "\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        return process

    def _look(self) -> None:
        """Pass on Ctrl-C to the runs under way, and what they told to the watcher."""
        with self.beginning:
            running = dict(self.running)
        if self.interrupted.is_set():
            for run in running.values():
                run.stop()
        while not self.warnings.empty():
            text = self.warnings.get()
            if text not in self.heard:
                self.heard.add(text)
                self.watcher.warned(text)
        self.watcher.look({name: monotonic() - run.began for name, run in running.items()})
