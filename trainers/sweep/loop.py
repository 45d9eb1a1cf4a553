"""What trains the runs of a sweep folder, one after the other or side by side, until there are none left."""

from __future__ import annotations

import math
import signal
from collections import deque
from collections.abc import Sequence
from time import monotonic

from stanalysis.errors import BadInput
from trainers.sweep.engines import Engine
from trainers.sweep.folder import SweepFolder
from trainers.sweep.spec import EndedRun, RunSpec
from trainers.sweep.watcher import SweepWatcher
from trainers.training.interrupts import interrupts_wait

_EVERY = 0.5  # seconds
_LOOK_AGAIN = 5.0  # seconds until runs that others train are looked at again
_SHARE = 20  # times as long as writing the table takes it is left alone


class Loop:
    """Trains runs by an engine.

    Attributes
    ----------
    failures
        Why runs are not tried any more, by name.
    stopped
        Whether it was told to stop, or its time was up.
    """

    def __init__(
        self, folder: SweepFolder, runs: Sequence[RunSpec], engine: Engine, retries: int, watcher: SweepWatcher
    ) -> None:
        self.folder, self.engine, self.retries, self.watcher = folder, engine, retries, watcher
        self.runs = {run.name: run for run in runs}
        self.todo = deque(name for name in self.runs if name not in folder.rows)
        self.elsewhere: list[str] = []
        self.losses: dict[str, list[str]] = {}  # where a run was lost
        self.in_a_row = 0
        self.failures: dict[str, str] = {}
        self.stopped = False
        self.heard: set[str] = set()
        self.looked = self.wrote = monotonic()
        self.writing = 0.0

    def train(self, *, wait_for_others: bool, seconds: float | None = None, ending: Sequence[int] = (signal.SIGINT,)) -> bool:
        """Train them; whether all are finished.

        Parameters
        ----------
        wait_for_others
            Whether to see to it that all runs end, those that others train, too. Otherwise what is lost too often is left to
            others, who may train it elsewhere.
        seconds
            When to stop.
        ending
            Signals at which to stop.
        """
        deadline = monotonic() + (math.inf if seconds is None else seconds)
        self.watcher.begin(self.runs.keys() - set(self.todo))
        with interrupts_wait(ending) as came, self.engine:
            while self._is_left(wait_for_others):
                if came.is_set() or monotonic() > deadline:
                    self._stop()
                self._begin(shared=not wait_for_others)
                for run in self.engine.ended(_EVERY):
                    self._take(run, shared=not wait_for_others)
                self.watcher.look(self.engine.running(), len(self.elsewhere))
                if monotonic() - self.looked > _LOOK_AGAIN:
                    self._look_again()
            self._write()
        return all(name in self.folder.rows for name in self.runs)

    def _is_left(self, wait_for_others: bool) -> bool:
        """Whether there is something to do, or to wait for."""
        if not self.todo and not self.engine.n_begun():
            self._look_again()
        return bool(self.todo or self.engine.n_begun() or (wait_for_others and self.elsewhere))

    def _stop(self) -> None:
        self.stopped = True
        self.engine.stop()
        self.todo.clear()
        self.elsewhere.clear()

    def _begin(self, *, shared: bool) -> None:
        """Begin as many runs as there is room for, of those that nobody else trains."""
        while self.todo and self.engine.room() > 0:
            name = self.todo.popleft()
            if self.folder.trained_by(name):
                self.elsewhere.append(name)
            elif self.folder.is_finished(name):
                self.watcher.finished_elsewhere(name)
            elif not (shared and self.folder.has_failed(name)):
                self.engine.begin(self.runs[name], frozenset(self.losses.get(name, ())))

    def _look_again(self) -> None:
        """Take up the runs whose processes are gone."""
        self.looked = monotonic()
        self.todo.extend(name for name in self.elsewhere if not self.folder.trained_by(name))
        self.elsewhere = [name for name in self.elsewhere if name not in self.todo]

    def _take(self, run: EndedRun, *, shared: bool) -> None:
        """Keep how a run ended."""
        for text in run.warnings:
            if text not in self.heard:
                self.heard.add(text)
                self.watcher.warned(text)
        if run.row is not None:
            self.in_a_row = 0
            self.watcher.finished(self.folder.finish(run.row, run.seconds))
            if monotonic() - self.wrote > _SHARE * self.writing:
                self._write()
        elif run.end == "held":
            self.elsewhere.append(run.name)
        elif run.end == "refused" and not self.stopped:
            self._fail(run.name, run.sentence)
        elif run.end == "lost" and not self.stopped:
            self._lose(run, shared=shared)
        elif run.end == "kept" and not self.stopped:
            self.todo.append(run.name)

    def _lose(self, run: EndedRun, *, shared: bool) -> None:
        """Try a run again whose process died, or for which a machine had no room; but not for ever."""
        places = self.losses.setdefault(run.name, [])
        places.append(run.where)
        self.in_a_row += 1
        if len(places) <= self.retries:
            self.todo.append(run.name)
        elif not shared:
            self._fail(run.name, run.sentence)
        if shared and self.in_a_row > self.retries:
            self._write()
            raise BadInput(f"{self.in_a_row} runs in a row were lost here, the last, {run.name}, so: {run.sentence}")

    def _fail(self, name: str, sentence: str) -> None:
        self.failures[name] = sentence
        self.folder.fail(name, sentence)
        self.watcher.failed(name, sentence)

    def _write(self) -> None:
        began = monotonic()
        self.folder.write_table()
        self.wrote = monotonic()
        self.writing = self.wrote - began
