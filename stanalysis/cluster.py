"""A dask scheduler that somebody started: other machines to work on."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from stanalysis.errors import BadInput

RETRIES = 3  # how often is begun anew what was lost with a worker
_SECONDS = 15  # to find a scheduler
_OF_LIMIT = 0.7  # of the memory of a worker, which ends at .95

Task = TypeVar("Task")
Result = TypeVar("Result")


def require_distributed() -> None:
    """Raise `BadInput` unless dask.distributed is installed."""
    if find_spec("distributed") is None:
        raise BadInput("A scheduler needs dask.distributed; install it: pip install 'stanalysis-workbench[cluster]'.")


def connected(address: str | None, scheduler_file: Path | None, *, retries: int) -> Any:
    """A client of the scheduler at an address, or of the one that wrote a file; `BadInput` where there is none.

    What a worker does that is lost is begun anew so often, on another.
    """
    require_distributed()
    from distributed import Client

    where = address or _address_in(scheduler_file)
    if not re.fullmatch(r"(\w+://)?[^/\s]+:\d+", where):
        raise BadInput(f"The address {where!r} is none of a dask scheduler; give one as tcp://10.0.0.1:8786.")
    for logger in ("distributed", "distributed.client"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)  # what it says of a lost scheduler is a traceback
    client = None
    try:
        client = Client(where, timeout=_SECONDS, set_as_default=False)
        client.run_on_scheduler(_allow, retries)
    except Exception as error:  # of many kinds, from addresses that are none to a scheduler without this package
        if client is not None:
            client.close(timeout=1)
        raise BadInput(f"No dask scheduler with this package answers at {where}; start one, or mend the address.") from error
    return client


def _address_in(scheduler_file: Path | None) -> str:
    """The address that a scheduler wrote into a file."""
    if scheduler_file is None or not scheduler_file.is_file():
        raise BadInput(f"There is no scheduler file {scheduler_file}; start `dask scheduler --scheduler-file` first.")
    try:
        return str(json.loads(scheduler_file.read_text(encoding="utf-8"))["address"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadInput(f"{scheduler_file} holds no address of a dask scheduler; start one that writes it.") from error


@contextmanager
def client_of(address: str | None, scheduler_file: Path | None, *, retries: int = RETRIES) -> Iterator[Any]:
    """A client of a scheduler while the block runs; None where none is named."""
    if address is None and scheduler_file is None:
        yield None
        return
    if address and scheduler_file:
        raise BadInput("Of --scheduler and --scheduler-file give one.")
    client = connected(address, scheduler_file, retries=retries)
    try:
        yield client
    finally:
        client.close(timeout=5)


def _allow(retries: int, dask_scheduler: Any = None) -> None:
    """On the scheduler: begin anew, so often, what was lost with a worker."""
    dask_scheduler.allowed_failures = max(dask_scheduler.allowed_failures, retries)


def completed_by(client: Any, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
    """Do the same to every task on the workers of a client, and yield (position, result) of each when it has ended.

    Raises
    ------
    BadInput
        The scheduler is gone, or workers were lost too often. What a task raises is raised here, and the others are cancelled.
    """
    from distributed import CancelledError, KilledWorker, as_completed

    futures = client.map(function, tasks, pure=False)
    positions = {future.key: position for position, future in enumerate(futures)}
    try:
        for future in as_completed(futures):
            yield positions[future.key], future.result()
    except KilledWorker as error:
        raise BadInput(f"A task ended the workers that did it, as where memory is full: {error}") from error
    except (CancelledError, OSError, TimeoutError) as error:
        raise gone(client) from error
    finally:
        client.cancel(futures)


def memory_of_workers(client: Any) -> float:
    """How many bytes a task may take on any of the workers that there are now; no end where they have no limit."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    limits = [worker["memory_limit"] / worker["nthreads"] for worker in workers if worker.get("memory_limit")]
    return _OF_LIMIT * min(limits, default=float("inf"))


def gone(client: Any) -> BadInput:
    """What to say when a scheduler does not answer any more."""
    where = client.scheduler.address if client.scheduler else "of dask"
    return BadInput(f"The scheduler {where} is gone; start one, and give the same command again.")
