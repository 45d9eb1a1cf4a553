"""Names of what is not finished, which say who writes it, and what becomes of it when that process is gone."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path

LOCK, SINCE = ".lock", ".lock.since"  # of a folder, see `stanalysis.files.lock`
_PREFIX = ".stanalysis-"
_HELD = "-held"  # at the end of the name of what only the holder of a folder writes there
_NAME = re.compile(rf"{re.escape(_PREFIX)}(?P<host>.+)-(?P<pid>\d+)-[0-9a-f]{{8}}({_HELD})?")
_ours: set[str] = set()  # names that this process gave: in containers its predecessor had its number
_FOREIGN_AGE = 24 * 3600.0  # seconds after which a process of another host, of which nothing is known, is taken to be gone


def temporary_name(*, held: bool = False) -> str:
    """A name that no other process, on whatever host, uses, and that says whose it is, and whether it holds the folder."""
    name = f"{_PREFIX}{_host()}-{os.getpid()}-{secrets.token_hex(4)}{_HELD if held else ''}"
    _ours.add(name)
    return name


def is_temporary(path: Path) -> bool:
    """Whether it is a lock or unfinished work of this program, and nothing that a person would call content."""
    return path.name in (LOCK, SINCE) or path.name.startswith(f"{LOCK}.break.") or _NAME.fullmatch(path.name) is not None


def remove_orphans(folder: Path, *, held: bool = False) -> None:
    """Remove from a folder the temporary files and folders whose process is gone; where it is ``held`` anew, also those of
    every earlier holder, alive or not.
    """
    with os.scandir(folder) as entries:
        unfinished = [Path(entry.path) for entry in entries if entry.name.startswith(_PREFIX)]
    for path in unfinished:
        if not (held and path.name.endswith(_HELD)) and not _is_orphan(path):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _is_orphan(path: Path) -> bool:
    owner = _NAME.fullmatch(path.name)
    if owner is None:
        return False
    if owner["host"] == _host() and os.name == "posix":
        pid = int(owner["pid"])
        return path.name not in _ours if pid == os.getpid() else not lives_here(pid)
    try:
        return time.time() - path.stat().st_mtime > _FOREIGN_AGE
    except OSError:  # renamed or removed meanwhile
        return False


def lives_here(pid: int) -> bool:
    """Whether a process of this host is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # of another user
        return True
    return True


def _host() -> str:
    return re.sub(r"[^\w.-]", "_", socket.gethostname())[:64] or "host"
