"""Where the runs of a sweep are trained: in processes of this machine, or on the workers of a dask scheduler."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from stanalysis.errors import BadInput
from trainers.sweep.spec import EndedRun, RunSpec
from trainers.sweep.supervise import Order, supervised
from trainers.training.threads import available

if TYPE_CHECKING:
    from distributed import Client


class Engine(Protocol):
    """What trains runs beside this process; a context, at whose end nothing that it began is left."""

    def room(self) -> int:
        """How many more runs it would take now."""

    def begin(self, run: RunSpec, avoid: frozenset[str] = frozenset()) -> None:
        """Begin a run, and not, if there are others, on those workers."""

    def n_begun(self) -> int:
        """How many runs are begun and not ended."""

    def running(self) -> dict[str, float]:
        """By name the runs that are trained now, with the seconds since."""

    def ended(self, seconds: float) -> list[EndedRun]:
        """The runs that ended since the last call, waiting so long for one."""

    def stop(self) -> None:
        """Have all runs keep their state and end."""

    def __enter__(self) -> Engine:
        """Take up work."""

    def __exit__(self, *_: object) -> None:
        """End what is still under way."""


class Local:
    """So many processes of this machine at a time, each watched by a thread."""

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise BadInput(f"{workers} workers are asked for; give at least 1.")
        self._workers = workers
        self._order: Order = "go on"
        self._begun: dict[str, float] = {}
        self._ended: SimpleQueue[EndedRun] = SimpleQueue()
        self._threads = ThreadPoolExecutor(workers)

    def room(self) -> int:
        """How many more runs it would take now."""
        return self._workers - len(self._begun)

    def begin(self, run: RunSpec, avoid: frozenset[str] = frozenset()) -> None:  # noqa: ARG002
        """Begin a run."""
        self._begun[run.name] = monotonic()
        self._threads.submit(self._train, run)

    def _train(self, run: RunSpec) -> None:
        try:
            self._ended.put(supervised(run, lambda: self._order))
        except Exception as error:  # whatever it is, the loop waits for the run
            self._ended.put(EndedRun(run.name, "lost", 0.0, f"Its process could not be watched ({error})."))

    def n_begun(self) -> int:
        """How many runs are begun and not ended."""
        return len(self._begun)

    def running(self) -> dict[str, float]:
        """By name the runs that are trained now, with the seconds since."""
        return {name: monotonic() - began for name, began in self._begun.items()}

    def ended(self, seconds: float) -> list[EndedRun]:
        """The runs that ended since the last call, waiting so long for one."""
        runs = []
        try:
            runs.append(self._ended.get(timeout=seconds))
            while True:
                runs.append(self._ended.get_nowait())
        except Empty:
            pass
        for run in runs:
            del self._begun[run.name]
        return runs

    def stop(self) -> None:
        """Have all runs keep their state and end."""
        self._order = "stop"

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *_: object) -> None:
        self._order = "kill"
        self._threads.shutdown(wait=True, cancel_futures=True)


def engine_of(workers: int | None, client: Client | None = None) -> Engine:
    """What trains runs: processes here, one for each core unless their number is given, or the workers of a dask client."""
    if client is None:
        return Local(available(None) if workers is None else workers)
    from trainers.sweep.dask_workers import DaskWorkers

    return DaskWorkers(client)
