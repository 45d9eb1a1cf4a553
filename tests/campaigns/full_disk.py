"""A full disk at every write: a small file system in memory where that may be mounted, else a limit on the size of files."""

from __future__ import annotations

import os
import random
import resource
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from stanalysis.cli.main import main
from stanalysis.files import atomic
from tests.campaigns.jobs import OUT, Ended, Job, forked, goes_on

MIB = 64
FILLER = Path("filler")


def mounted(folder: Path) -> bool:
    """Mount a small file system there, if this process may."""
    folder.mkdir(parents=True)
    return not subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MIB}m", "tmpfs", folder], capture_output=True).returncode


def unmount(folder: Path) -> None:
    """Take it away."""
    subprocess.run(["umount", folder], check=True)


def _fill(left: int) -> None:
    """Leave so many bytes on the file system of the working directory."""
    state = os.statvfs(".")
    with FILLER.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(state.f_bavail * state.f_bsize - left, 1))


def at_every_write(
    job: Job, undisturbed: Mapping[str, object], seed: int, *, small: bool, every: int = 1
) -> Iterator[tuple[str, str]]:
    """Have each of the writes of a job find the disk full, and yield what is wrong then.

    ``small`` says that the working directory is on a small file system.
    """
    rng, tally = random.Random(seed), Path("tally")
    write = atomic._write

    def counted(stop: int) -> None:
        n = 0

        def full(path: Path, content: bytes) -> None:
            nonlocal n
            n += 1
            if stop:
                if n == stop and small:
                    _fill(rng.randrange(min(len(content), 2**16)) // 4096 * 4096)
                elif n == stop:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) // 2,) * 2)
            else:
                tally.write_text(str(n))
            write(path, content)

        atomic._write = full
        main(job.arguments())

    if small:  # from the beginning
        job.start_over()
        _fill(0)
        ended = forked(lambda: main(job.arguments()))
        FILLER.unlink()
        yield f"{job.name}, full disk", _wrong(ended) or goes_on(job, undisturbed)
    job.start_over()
    forked(lambda: counted(0))
    n_writes = int(tally.read_text())
    tally.unlink()
    for stop in range(1, n_writes + 1, every):
        job.start_over()
        before = _whole()
        ended = forked(lambda stop=stop: counted(stop))
        wrong = _wrong(ended)
        if missing := [name for name in before if before[name] != _whole().get(name)]:
            wrong = f"{missing} are not what they were"
        FILLER.unlink(missing_ok=True)
        yield f"{job.name}, full disk", wrong or goes_on(job, undisturbed)


def _wrong(ended: Ended) -> str:
    """What is wrong with how a command ended on a full disk."""
    sound = ended.code == 2 and ended.said.count("Error:") == 1 and "out" in ended.said.partition("Error:")[2]
    hidden = any(name in ended.said for name in ("Traceback", ".stanalysis", ".lock", "[Errno"))
    return "" if sound and not hidden else f"exit code {ended.code}, said: {ended.said[-300:]}"


def _whole() -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in OUT.rglob("*") if p.is_file()} if OUT.exists() else {}
