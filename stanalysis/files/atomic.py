"""Files appear whole or not at all, and once they are there they stay.

What is written goes under a temporary name, to the disk, and only then under its own; names of folders go to the disk, too.
So a process may die, the disk fill up or the power go at any instant: under a final name lies the earlier file or the new one.

In a folder that a process holds (`stanalysis.files.lock`) it asks, between writing and naming, whether it holds it still. Who
took the folder over removes what the other has written and not named, so that nothing gets a name after that question, either.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from stanalysis.errors import BadInput
from stanalysis.files.temporary import remove_orphans, temporary_name

# of folders, on systems and file systems that cannot do that
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EBADF, errno.EISDIR)

Buffer = bytes | bytearray | memoryview
_fences: dict[Path, Callable[[], None]] = {}  # of the folders that this process holds


@contextmanager
def written_together() -> Iterator[Callable[[Path, Buffer], None]]:
    """Give a function that writes a file; all files get their names when the block ends, none if one cannot be written.

    A process that is killed in the instant of naming leaves some of them named.

    Raises
    ------
    OSError
        A file cannot be written; it names the file, not the temporary one.
    """
    staged: dict[Path, Path] = {}
    made: list[Path] = []

    def write(path: Path, content: Buffer) -> None:
        made.extend(make_folder(path.parent))
        remove_orphans(path.parent)
        temporary = staged[path] = path.with_name(temporary_name(held=path.parent.absolute() in _fences))
        with blaming(path):
            _write(temporary, content)

    try:
        yield write
        for path in staged:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        for folder in dict.fromkeys(path.parent for path in staged):
            _require_held(folder)
        for path, temporary in staged.items():
            try:
                os.replace(temporary, path)
            except OSError as error:
                _require_held(path.parent)  # who took it over removed the temporary file
                raise OSError(error.errno, error.strerror, str(path)) from error
        for folder in dict.fromkeys(path.parent for path in staged):
            sync_folder(folder)
    finally:
        for temporary in staged.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        remove_empty(made)


@contextmanager
def fenced(folder: Path, require: Callable[[], None]) -> Iterator[None]:
    """Have this process write files into a folder only if ``require`` does not raise, until the block ends."""
    place = folder.absolute()
    _fences[place] = require
    try:
        yield
    finally:
        del _fences[place]


def _require_held(folder: Path) -> None:
    if require := _fences.get(folder.absolute()):
        require()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder; it becomes ``path``, where nothing or an empty folder may lie, when the block ends.

    Raises
    ------
    OSError
        Something cannot be written; it names ``path``.
    """
    made = make_folder(path.parent)
    remove_orphans(path.parent)
    temporary = path.with_name(temporary_name())
    try:
        with blaming(path):
            temporary.mkdir()
            yield temporary
            sync_folder(temporary)
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        remove_empty(made)


def write_bytes(path: Path, content: Buffer) -> None:
    """Write a file atomically."""
    with written_together() as write:
        write(path, content)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, UTF-8."""
    write_bytes(path, text.encode())


def make_folder(folder: Path) -> list[Path]:
    """Make a folder, and those above it, so that they last; which were made, from the outermost."""
    if folder.is_dir():
        return []
    made = make_folder(folder.parent)
    try:
        with blaming(folder):
            folder.mkdir(exist_ok=True)
            made.append(folder)
            sync_folder(folder.parent)
    except OSError:
        remove_empty(made)
        raise
    return made


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders, listed from the outermost, in which nothing lies."""
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()


def sync_folder(folder: Path) -> None:
    """Have the names in a folder reach the disk, where the system can do that."""
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def require_writable(path: Path, *, is_folder: bool = False) -> None:
    """Raise `BadInput` unless a file, or a folder, can be written there; ahead of work whose result is to lie there."""
    if is_folder and path.is_file():
        raise BadInput(f"The output {path} is a file; name a folder.")
    place = path if path.is_dir() else next(folder for folder in path.absolute().parents if folder.exists())
    if not place.is_dir():
        raise BadInput(f"{path} cannot be written, for {place} is a file; name another place.")
    probe = place / temporary_name()
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror}); name another place.") from error


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Errors of the system name this file: its temporary name means nothing to a person."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write(path: Path, content: Buffer) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
