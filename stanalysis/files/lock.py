"""One writer at a time: a folder that is written for long is claimed, and shows by whom.

The file ``.lock`` in it names process, host and a token; a heartbeat, its time of change, says that they live, that of
``.lock.since`` when they came. It is taken over at once from a process of this host that is gone, and from any other once its
heartbeat stands still for as long as it says itself, its lease, by the clock of the machine that keeps the files.

Who lost a folder meanwhile, as a process that was stopped and goes on, replaces no file in it (`stanalysis.files.atomic`).
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
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
    claim: tuple[int, int]  # which file it is, and when it was last touched


def holder_of(folder: Path) -> Holder | None:
    """Who holds a folder, None where nobody does."""
    try:
        lock = (folder / LOCK).stat()
        began = (folder / SINCE).stat().st_mtime if (folder / SINCE).exists() else lock.st_mtime
    except FileNotFoundError:
        return None
    now, can_tell = _now(folder)
    owner = SoftFileLease(folder / LOCK).owner  # none where its process died before it wrote it
    silent, lease = now - lock.st_mtime, (owner and owner.lease_duration) or LEASE
    is_gone = can_tell and silent > lease
    if owner and owner.hostname == _this_host() and os.name == "posix":
        is_gone |= not lives_here(owner.pid)
    pid, host = (owner.pid, owner.hostname) if owner else (0, "an unknown host")
    return Holder(pid, host, now - began, silent, is_gone, (lock.st_ino, lock.st_mtime_ns))


def _now(folder: Path) -> tuple[float, bool]:
    """The time by the clock of the machine that keeps the files; where it cannot be asked that of this one, and False."""
    probe = folder / temporary_name()
    try:
        probe.touch(exist_ok=False)
        return probe.stat().st_mtime, True
    except OSError:  # it may only be read, or the disk is full
        return time.time(), False
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


@cache
def _this_host() -> str:
    """What claims of this process call its host: in a container more than its name."""
    with tempfile.TemporaryDirectory() as folder, SoftFileLease(Path(folder) / LOCK) as lock:
        return lock.owner.hostname if lock.owner else socket.gethostname()


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
    """Take the lock, also from who is gone; `HeldElsewhere` if somebody has it."""
    path = folder / LOCK
    earlier = SoftFileLease(path).owner
    if earlier and earlier.lease_duration:  # all that contend for a lease must agree on it
        duration = earlier.lease_duration
    lock = SoftFileLease(path, lease_duration=duration, thread_local=False)
    for _ in range(2):
        with suppress(Timeout, LeaseSettingsMismatch), blaming(folder):
            lock.acquire(timeout=_PATIENCE)
            return lock
        holder = holder_of(folder)
        if holder and not holder.is_gone:
            break
        if holder:
            _remove_claim(path, holder.claim)
    owner = lock.owner
    who = f"process {owner.pid} on {owner.hostname}" if owner else "another process"
    raise HeldElsewhere(f"{folder} is being written by {who}; wait until it has ended, or end it.")


def _remove_claim(path: Path, claim: tuple[int, int]) -> None:
    """Remove the claim of who is gone: not all file systems exchange names, by which the lease itself would do it.

    Who is quicker may have taken it over meanwhile: it is renamed first, and named again if it is not the one that was seen.
    """
    aside = path.with_name(f"{LOCK}.break.{secrets.token_hex(8)}")
    with suppress(FileNotFoundError):
        os.rename(path, aside)
        status = aside.stat()
        if (status.st_ino, status.st_mtime_ns) != claim:
            with suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink()
