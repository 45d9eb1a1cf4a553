"""One writer at a time: a folder that is written for long is held, and shows by whom.

The file ``.lock`` in it names process and host; a heartbeat says that they live. It is taken over at once from a process of
this host that is gone, and from another host after a minute without a heartbeat.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import SoftFileLease, Timeout

from stanalysis.errors import BadInput
from stanalysis.files.atomic import make_folder, remove_empty
from stanalysis.files.temporary import LOCK, remove_orphans

LEASE = 60.0  # seconds without a heartbeat after which a process of another host is taken to be gone
_PATIENCE = 3.0  # seconds: a worker whose parent was killed ends soon


class Hold:
    """A folder held by this process."""

    def __init__(self, folder: Path, lease: SoftFileLease) -> None:
        self._folder, self._lease = folder, lease

    def require(self) -> None:
        """Raise `BadInput` if the folder was lost to another process, as after a machine slept."""
        if self._lease.compromise is not None:
            raise BadInput(
                f"{self._folder} was taken over by another process while this one made no progress; end one of the two, and "
                "give the same command again."
            )


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
        yield Hold(folder, lease)
    finally:
        lease.release()
        remove_empty(made)


def _acquire(folder: Path, lease: SoftFileLease) -> None:
    """Take the lock, waiting for a heartbeat only where there was none for long; `BadInput` if somebody has it."""
    for patience in (_PATIENCE, LEASE + _PATIENCE):
        with suppress(Timeout):
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
