"""Trains runs on the workers of a dask scheduler, which share the folder of the sweep: a process of its own for each."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from distributed import Client, Event, Future, KilledWorker, get_worker

from stanalysis.cluster import gone
from stanalysis.files.temporary import LOCK
from trainers.sweep.spec import EndedRun, RunSpec
from trainers.sweep.supervise import Order, supervised

_AT_LEAST = 100  # runs that wait with the scheduler, for clusters that grow with what waits
_EVERY = 2.0  # seconds


class DaskWorkers:
    """The workers of a scheduler; each trains as many runs at a time as it has threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        token = secrets.token_hex(8)
        self._orders: dict[Order, str] = {"stop": f"stop-{token}", "kill": f"kill-{token}"}
        self._begun: dict[str, tuple[RunSpec, Future]] = {}
        self._seen: dict[str, float] = {}  # when a worker was first seen to train it
        self._ended: SimpleQueue[str] = SimpleQueue()
        self._asked, self._threads = -_EVERY, 0

    def room(self) -> int:
        """How many more runs it would take now."""
        if monotonic() - self._asked > _EVERY:
            self._threads = sum(self._asked_of_scheduler(self._client.nthreads).values())
            self._asked = monotonic()
        return max(2 * self._threads, _AT_LEAST) - len(self._begun)

    def begin(self, run: RunSpec, avoid: frozenset[str] = frozenset()) -> None:
        """Begin a run, and not, if there are others, on those workers."""
        others = sorted(self._asked_of_scheduler(self._client.nthreads).keys() - avoid) if avoid else []
        future = self._client.submit(
            _train,
            run,
            self._orders,
            key=f"{run.name}-{secrets.token_hex(4)}",
            pure=False,
            workers=others or None,
            allow_other_workers=bool(others),
        )
        self._begun[run.name] = run, future
        future.add_done_callback(lambda _, name=run.name: self._ended.put(name))

    def n_begun(self) -> int:
        """How many runs are begun and not ended."""
        return len(self._begun)

    def running(self) -> dict[str, float]:
        """By name the runs that a worker trains, with the seconds since."""
        for name, (run, _) in self._begun.items():
            if name not in self._seen and (Path(run.path) / LOCK).exists():
                self._seen[name] = monotonic()
        return {name: monotonic() - began for name, began in self._seen.items()}

    def ended(self, seconds: float) -> list[EndedRun]:
        """The runs that ended since the last call, waiting so long for one."""
        names = []
        with suppress(Empty):
            names.append(self._ended.get(timeout=seconds))
            while True:
                names.append(self._ended.get_nowait())
        return [self._result(name) for name in names if name in self._begun]

    def _result(self, name: str) -> EndedRun:
        _, future = self._begun.pop(name)
        self._seen.pop(name, None)
        if future.status == "lost":  # its worker left before it was asked; the folder knows
            return EndedRun(name, "held", 0.0, "Its worker left.")
        if future.status == "cancelled":
            raise gone(self._client)
        error = future.exception() if future.status == "error" else None
        if error is None:
            return self._asked_of_scheduler(future.result)
        if isinstance(error, KilledWorker):  # the scheduler has tried it often enough
            return EndedRun(name, "refused", 0.0, "Every worker that began it was lost; look into their logs.")
        return EndedRun(name, "lost", 0.0, f"Its worker could not begin it ({error}).")

    def stop(self) -> None:
        """Have all runs keep their state and end, and those that wait not begin."""
        running = self.running()
        waiting = [self._begun.pop(name)[1] for name in [*self._begun] if name not in running]
        self._asked_of_scheduler(Event(self._orders["stop"], client=self._client).set)
        self._asked_of_scheduler(partial(self._client.cancel, waiting))

    def _asked_of_scheduler(self, question: Callable[[], Any]) -> Any:
        """Its answer; `BadInput` where it is gone."""
        try:
            return question()
        except (OSError, TimeoutError) as error:
            raise gone(self._client) from error

    def __enter__(self) -> DaskWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._begun and self._client.status == "running":
            with suppress(OSError, TimeoutError):
                Event(self._orders["kill"], client=self._client).set()
                self._client.cancel([future for _, future in self._begun.values()])


def _train(run: RunSpec, orders: dict[Order, str]) -> EndedRun:
    """On a worker: train a run in a process."""
    told: Order = "go on"
    asked = -_EVERY

    def order() -> Order:
        nonlocal told, asked
        if told != "kill" and monotonic() - asked > _EVERY:
            asked = monotonic()
            try:
                told = next((name for name in ("kill", "stop") if Event(orders[name]).is_set()), told)
            except (OSError, TimeoutError):  # the scheduler is gone
                told = "stop"
        return told

    if order() != "go on":
        return EndedRun(run.name, "kept", 0.0)
    return replace(supervised(run, order), where=get_worker().address)
