"""Power cuts: what was not synced is lost, or half there, and names that were not synced are there or not.

The functions that write are watched during one training. For a cut at any instant a folder is built of what could then be on
the disk: contents that were synced, of others a random part; names that were synced, of others in each folder the first few.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd

from stanalysis.cli.main import main
from stanalysis.files import atomic
from stanalysis.files.checkpoint import read_checkpoint
from tests.campaigns.jobs import OUT, Job, goes_on
from trainers.training.watcher import Watcher

NOBODY = 2**22 + 1  # more than any process has: this one goes on, but is to be taken for gone


@dataclass
class Trace:
    """What was done, in order: (kind, path, more)."""

    done: list[tuple[str, Path, Any]] = field(default_factory=list)

    def note(self, kind: str, path: Path | str, more: Any = None) -> None:
        """Add to it."""
        self.done.append((kind, Path(path), more))


def watched(job: Job) -> Trace:
    """Do a job in this process, and note what it does to files and which epochs it acknowledges."""
    trace = Trace()
    write, rename, make, sync, epoch = atomic._write, os.replace, Path.mkdir, os.fsync, Watcher.epoch
    unlink = Path.unlink

    def noted_write(path: Path, content: bytes) -> None:
        trace.note("write", path, bytes(content))
        write(path, content)

    def noted_rename(source: Path, target: Path) -> None:
        trace.note("name", source, Path(target))
        rename(source, target)

    def noted_make(path: Path, *options: Any, **named: Any) -> None:
        if not path.is_dir():
            trace.note("folder", path)
        make(path, *options, **named)

    def noted_sync(handle: int) -> None:
        kind = "synced names" if stat.S_ISDIR(os.fstat(handle).st_mode) else "synced"
        trace.note(kind, Path(os.readlink(f"/proc/self/fd/{handle}")).relative_to(Path.cwd()))
        sync(handle)

    def noted_unlink(path: Path, *options: Any, **named: Any) -> None:
        if path.exists():
            trace.note("gone", path)
        unlink(path, *options, **named)

    def noted_epoch(watcher: Watcher, row: Mapping[str, float]) -> None:
        trace.note("epoch", OUT, len(pd.read_csv(OUT / "metrics.csv")))
        epoch(watcher, row)

    def gone(*, held: bool = False, name: Callable[..., str] = atomic.temporary_name) -> str:
        return name(held=held).replace(f"-{os.getpid()}-", f"-{NOBODY}-")

    job.start_over()
    with (
        patch.object(atomic, "temporary_name", gone),
        patch.object(atomic, "_write", noted_write),
        patch.object(os, "replace", noted_rename),
        patch.object(os, "fsync", noted_sync),
        patch.object(Path, "mkdir", noted_make),
        patch.object(Path, "unlink", noted_unlink),
        patch("trainers.cli.train.ProgressWatcher.epoch", noted_epoch),
    ):
        try:
            main(job.arguments())
        except SystemExit as error:
            if error.code:
                raise
    return trace


def cut(trace: Trace, instant: int, rng: random.Random) -> None:
    """Build ``out`` as it could lie on the disk if the power went after so many of the things done."""
    contents: dict[int, bytes] = {}  # by number of the file
    names: dict[Path, int | None] = {}  # a folder has no number; these are on the disk
    seen: dict[Path, int | None] = {}  # and these the process saw
    waiting: dict[Path, list[tuple[Path, int | None, bool]]] = {}  # changes of names in a folder that are not on the disk
    written: dict[int, bytes] = {}

    def change(path: Path, number: int | None, there: bool) -> None:
        waiting.setdefault(path.parent, []).append((path, number, there))
        if there:
            seen[path] = number
        else:
            seen.pop(path, None)

    def apply(changes: list[tuple[Path, int | None, bool]]) -> None:
        for path, number, there in changes:
            if there:
                names[path] = number
            else:
                names.pop(path, None)

    for kind, path, more in trace.done[:instant]:
        if kind == "write":
            written[len(written)] = more
            change(path, len(written) - 1, True)
        elif kind == "synced":
            number = seen[path]
            contents[number] = written[number]
        elif kind == "name":
            number = seen[path]
            change(path, number, False)
            change(more, number, True)
        elif kind == "folder":
            change(path, None, True)
        elif kind == "gone":
            change(path, None, False)
        elif kind == "synced names":
            apply(waiting.pop(path, []))
    for changes in waiting.values():
        apply(changes[: rng.randint(0, len(changes))])
    shutil.rmtree(OUT, ignore_errors=True)
    for path, number in sorted(names.items(), key=lambda item: len(item[0].parts)):
        if number is None:
            path.mkdir(exist_ok=True)
        elif path.parent.is_dir():
            content = contents.get(number)
            path.write_bytes(written[number][: rng.randint(0, len(written[number]))] if content is None else content)


def cuts(n: int, seed: int, job: Job, undisturbed: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Cut the power at random instants of a training, and yield what is wrong then."""
    rng, trace = random.Random(seed), watched(job)
    for _ in range(n):
        instant = rng.randint(0, len(trace.done))
        cut(trace, instant, rng)
        promised = max((more for kind, _, more in trace.done[:instant] if kind == "epoch"), default=0)
        kept = read_checkpoint(OUT / "last.nc").attrs["epoch"] if (OUT / "last.nc").is_file() else 0
        lost = f"epoch {promised} was told, and {kept} is there" if kept < promised else ""
        yield "power cut", lost or goes_on(job, undisturbed)
