"""One writer at a time: a folder that is written for long is claimed, and shows by whom.

The file ``.lock`` in it names process, host and a token; a heartbeat, its time of change, says that they live, that of
``.lock.since`` when they came. It is taken over at once from a process of this host that is gone, and from any other once its
heartbeat was seen to stand still for as long as it says itself, its lease. No clock is compared with that of another machine.

Who lost a folder meanwhile, as a process that was stopped and goes on, replaces no file in it (`stanalysis.files.atomic`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from stanalysis.errors import BadInput
from stanalysis.files.atomic import blaming, fenced, make_folder, remove_empty
from stanalysis.files.temporary import LOCK, SINCE, lives_here, remove_orphans, temporary_name

LEASE = 60.0  # seconds without a heartbeat after which a process of another host is taken to be gone
_PATIENCE = 3.0  # seconds: a worker whose parent was killed ends soon


class HeldElsewhere(BadInput):
    """Another process holds the folder, or took it over."""


@dataclass(frozen=True)
class Holder:
    """Who holds a folder, for how many seconds, for how many there was no heartbeat, and whether it is taken to be gone."""

    pid: int
    host: str
    seconds: float
    silent: float
    is_gone: bool


def holder_of(folder: Path) -> Holder | None:
    """Who holds a folder, None where nobody does."""
    lock = folder / LOCK
    owner = SoftFileLease(lock).owner
    if owner is None:
        return None
    probe = folder / temporary_name()
    try:
        probe.touch(exist_ok=False)
        now, beat = probe.stat().st_mtime, lock.stat().st_mtime  # by the clock of the machine that keeps the files
        began = (folder / SINCE).stat().st_mtime if (folder / SINCE).exists() else beat
    except FileNotFoundError:  # released meanwhile
        return None
    finally:
        probe.unlink(missing_ok=True)
    is_gone = now - beat > (owner.lease_duration or LEASE)
    if owner.hostname == socket.gethostname() and os.name == "posix":
        is_gone |= not lives_here(owner.pid)
    return Holder(owner.pid, owner.hostname, now - began, now - beat, is_gone)


@contextmanager
def held(folder: Path, *, lease: float | None = None) -> Iterator[None]:
    """Hold a folder, made where there is none, until the block ends; what a process that died left there is removed.

    Meanwhile no file gets its name in it (`stanalysis.files.atomic`) once another process took it over, as while this one was
    stopped. A folder that was made, and in which nothing lies at the end, is gone then.

    Parameters
    ----------
    lease
        Seconds without a heartbeat after which others may take it over.

    Raises
    ------
    HeldElsewhere
        Another process holds it; or took it over, when something is to be written.
    """
    made = make_folder(folder)
    lock = _acquired(folder, LEASE if lease is None else lease)
    token = lock.token

    def require() -> None:
        owner = lock.owner  # read, not looked up: what is opened is as the server has it
        if owner is None or owner.token != token:
            raise HeldElsewhere(
                f"{folder} was taken over by another process while this one made no progress; end one of the two, and give the "
                "same command again."
            )

    try:
        with fenced(folder, require):
            remove_orphans(folder, held=True)
            (folder / SINCE).touch()
            yield
    finally:
        if lock.owner and lock.owner.token == token:
            (folder / SINCE).unlink(missing_ok=True)
        lock.release()
        remove_empty(made)


def _acquired(folder: Path, duration: float) -> SoftFileLease:
    """Take the lock, waiting for a heartbeat only where there was none for long; `HeldElsewhere` if somebody has it."""
    path = folder / LOCK
    earlier = SoftFileLease(path).owner
    if earlier and earlier.lease_duration:  # all that contend for a lease must agree on it
        duration = earlier.lease_duration
    lock = SoftFileLease(path, lease_duration=duration, thread_local=False)
    for patience in (_PATIENCE, duration + _PATIENCE):
        with suppress(Timeout, LeaseSettingsMismatch), blaming(folder):
            lock.acquire(timeout=patience)
            return lock
        holder = holder_of(folder)
        if holder and not holder.is_gone:
            break
    owner = lock.owner
    who = f"process {owner.pid} on {owner.hostname}" if owner else "another process"
    raise HeldElsewhere(f"{folder} is being written by {who}; wait until it has ended, or end it.")
