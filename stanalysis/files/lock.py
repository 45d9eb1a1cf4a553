"""One writer at a time: a folder that is written for long is held, and shows by whom.

The file ``.lock`` in it names process and host; a heartbeat says that they live. It is taken over at once from a process of
this host that is gone, and from any other after a minute without a heartbeat.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from stanalysis.errors import BadInput
from stanalysis.files.atomic import blaming, make_folder, remove_empty
from stanalysis.files.temporary import LOCK, remove_orphans

LEASE = 60.0  # seconds without a heartbeat after which a process of another host is taken to be gone
_PATIENCE = 3.0  # seconds: a worker whose parent was killed ends soon


class Hold:
    """A folder held by this process."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, _identity(folder)

    def require(self) -> None:
        """Raise `BadInput`, before something is written, if another process took the folder, as while this one was stopped."""
        if _identity(self._folder) != self._lock:
            raise BadInput(
                f"{self._folder} was taken over by another process while this one made no progress; end one of the two, and "
                "give the same command again."
            )


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which file the lock is, None where there is none."""
    try:
        status = (folder / LOCK).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def held(folder: Path) -> Iterator[Hold]:
    """Hold a folder, made where there is none, until the block ends; what a process that died left there is removed.

    A folder that was made, and in which nothing lies at the end, is gone then.

    Raises
    ------
    BadInput
        Another process holds it.
    """
    made = make_folder(folder)
    lease = SoftFileLease(folder / LOCK, lease_duration=LEASE, thread_local=False)
    _acquire(folder, lease)
    try:
        remove_orphans(folder)
        yield Hold(folder)
    finally:
        lease.release()
        remove_empty(made)


def _acquire(folder: Path, lease: SoftFileLease) -> None:
    """Take the lock, waiting for a heartbeat only where there was none for long; `BadInput` if somebody has it."""
    for patience in (_PATIENCE, LEASE + _PATIENCE):
        with suppress(Timeout, LeaseSettingsMismatch), blaming(folder):
            lease.acquire(timeout=patience)
            return
        if not _is_silent(folder / LOCK):
            break
    owner = lease.owner
    who = f"process {owner.pid} on {owner.hostname}" if owner else "another process"
    raise BadInput(f"{folder} is being written by {who}; wait until it has ended, or end it.")


def _is_silent(lock: Path) -> bool:
    try:
        return time.time() - lock.stat().st_mtime > LEASE
    except OSError:  # released meanwhile
        return True
