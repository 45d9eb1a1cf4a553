"""What trains the runs of a sweep folder, one after the other or side by side, until there are none left."""

from __future__ import annotations

import math
import signal
from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from time import monotonic
from typing import Literal

from stanalysis.errors import BadInput
from stanalysis.files.lock import HeldElsewhere
from trainers.sweep.engines import Engine
from trainers.sweep.folder import SweepFolder
from trainers.sweep.spec import EndedRun, RunSpec
from trainers.sweep.watcher import SweepWatcher
from trainers.training.interrupts import interrupts_wait

Stop = int | Literal["time"]
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
        The signal at which it stopped, or that its time was up; None while it goes on.

    One that ``leads`` sees to it that all runs end, those that others train, too; another takes part: it ends when there is
    none to begin, and passes by what has failed.
    """

    def __init__(
        self,
        folder: SweepFolder,
        runs: Sequence[RunSpec],
        engine: Engine,
        watcher: SweepWatcher,
        *,
        retries: int,
        leads: bool,
    ) -> None:
        self.leads = leads
        self.folder, self.engine, self.retries, self.watcher = folder, engine, retries, watcher
        self.runs = {run.name: run for run in runs}
        self.todo = deque(name for name in self.runs if name not in folder.rows)
        self.elsewhere: list[str] = []
        self.losses: dict[str, list[str]] = {}  # where a run was lost
        self.in_a_row = 0
        self.failures: dict[str, str] = {}
        self.stopped: Stop | None = None
        self.heard: set[str] = set()
        self.looked = self.wrote = monotonic()
        self.writing = 0.0

    def train(self, *, seconds: float | None = None, ending: Sequence[int] = (signal.SIGINT,)) -> bool:
        """Train them; whether all are finished.

        Parameters
        ----------
        seconds
            When to stop.
        ending
            Signals at which to stop.
        """
        deadline = monotonic() + (math.inf if seconds is None else seconds)
        self.watcher.begin(self.runs.keys() - set(self.todo))
        with interrupts_wait(ending) as came, self.engine:
            while self._is_left():
                if came.is_set() or monotonic() > deadline:
                    self._stop(came.number or "time")
                self._begin()
                ended = self.engine.ended(_EVERY)
                if came.is_set():  # before what the same signal may have done to the runs
                    self._stop(came.number or "time")
                for run in ended:
                    self._take(run)
                self.watcher.look(self.engine.running(), len(self.elsewhere))
                if monotonic() - self.looked > _LOOK_AGAIN:
                    self._look_again()
            with nullcontext() if self.leads else suppress(HeldElsewhere):  # the run folders tell it to whoever comes next
                self._write()
        return all(name in self.folder.rows for name in self.runs)

    def _is_left(self) -> bool:
        """Whether there is something to do, or to wait for."""
        if not self.todo and not self.engine.n_begun():
            self._look_again()
        return bool(self.todo or self.engine.n_begun() or (self.leads and self.elsewhere))

    def _stop(self, why: Stop) -> None:
        self.stopped = why
        self.engine.stop()
        self.todo.clear()
        self.elsewhere.clear()

    def _begin(self) -> None:
        """Begin as many runs as there is room for, of those that nobody else trains."""
        while self.todo and self.engine.room() > 0:
            name = self.todo.popleft()
            if self.folder.trained_by(name):
                self.elsewhere.append(name)
            elif self.folder.is_finished(name):
                self.watcher.finished_elsewhere(name)
            elif self.leads or not self.folder.has_failed(name):
                self.engine.begin(self.runs[name], frozenset(self.losses.get(name, ())))

    def _look_again(self) -> None:
        """Take up the runs whose processes are gone."""
        self.looked = monotonic()
        self.todo.extend(name for name in self.elsewhere if not self.folder.trained_by(name))
        self.elsewhere = [name for name in self.elsewhere if name not in self.todo]

    def _take(self, run: EndedRun) -> None:
        """Keep how a run ended."""
        for text in run.warnings:
            if text not in self.heard:
                self.heard.add(text)
                self.watcher.warned(text)
        if run.row is not None:
            self.in_a_row = 0
            self.watcher.finished(self.folder.finish(run.row, run.seconds))
            if monotonic() - self.wrote > _SHARE * self.writing:
                with suppress(HeldElsewhere):  # others write it; this process does so later
                    self._write()
        elif run.end == "held" and (self.folder.trained_by(run.name) or self.folder.is_finished(run.name)):
            self.elsewhere.append(run.name)
        elif run.end == "refused" and self.stopped is None:
            self._fail(run.name, run.sentence)
        elif run.end in ("lost", "held") and self.stopped is None:
            self._lose(run)
        elif run.end == "kept" and self.stopped is None:
            self.todo.append(run.name)

    def _lose(self, run: EndedRun) -> None:
        """Try a run again whose process died, or for which a machine had no room; but not for ever."""
        self.watcher.lost(run.name, run.sentence)
        places = self.losses.setdefault(run.name, [])
        places.append(run.where)
        self.in_a_row += 1
        if not self.leads and self.in_a_row > self.retries:  # the fault of this machine
            self._write()
            raise BadInput(f"{self.in_a_row} runs in a row were lost here, the last, {run.name}, so: {run.sentence}")
        if len(places) <= self.retries:
            self.todo.append(run.name)
        else:
            self._fail(run.name, run.sentence)

    def _fail(self, name: str, sentence: str) -> None:
        self.failures[name] = sentence
        self.folder.fail(name, sentence)
        self.watcher.failed(name, sentence)

    def _write(self) -> None:
        began = monotonic()
        self.folder.write_table()
        self.wrote = monotonic()
        self.writing = self.wrote - began
