"""The campaign: kills, power cuts, full disks and damage, in numbers, as a table in Markdown.

``python -m tests.campaigns.campaign`` takes about half an hour and writes its table into ``docs/safety.md``;
``python -m tests.campaigns.campaign --small`` is a test, which takes half a minute and writes nothing.
"""

from __future__ import annotations

import os

os.environ |= {"NUMBA_NUM_THREADS": "1", "NUMBA_THREADING_LAYER": "workqueue", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg"}

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.campaigns import damage, full_disk, kills, power
from tests.campaigns.jobs import JOBS, Job, prepare

PAGE = Path(__file__).parents[2] / "docs" / "safety.md"
SEED = 20261130
Outcomes = Iterable[tuple[str, str]]  # what was done, and what was wrong then


@dataclass(frozen=True)
class Size:
    """How many of each: kills, power cuts, damaged copies; of file names and writes each ``stride``-th; of which jobs."""

    kills: int
    cuts: int
    copies: int
    stride: int
    jobs: Sequence[Job]


LONG = Size(kills=240, cuts=200, copies=1000, stride=1, jobs=JOBS)
SMALL = Size(kills=3, cuts=5, copies=8, stride=9, jobs=[job for job in JOBS if job.name in ("train", "convert", "prune")])


def cases(size: Size, undisturbed: Mapping[str, Mapping[str, object]], *, mounted: bool) -> Iterator[tuple[str, Outcomes]]:
    """Each part of the campaign and what it yields."""
    train = size.jobs[0]
    yield "SIGKILL at a random instant", kills.at_random(size.kills, SEED, size.jobs, undisturbed)
    for job in size.jobs:
        yield "SIGKILL around a file's name", kills.around_names(job, undisturbed[job.name], every=size.stride)
    yield "Power cut at a random instant", power.cuts(size.cuts, SEED, train, undisturbed[train.name])
    for job in size.jobs:
        writes = full_disk.at_every_write(job, undisturbed[job.name], SEED, small=mounted, every=size.stride)
        yield "Full disk at a write", writes
    for kind in damage.READERS:
        yield "Damaged copy", damage.copies(kind, size.copies, SEED)
    for kind in damage.READERS:
        yield "Damaged copy whose digest fits", damage.copies(kind, size.copies, SEED, resealed=True)


def counted(size: Size, folder: Path, *, mounted: bool) -> dict[tuple[str, str], list[str]]:
    """What was wrong in each case, "" where nothing was."""
    undisturbed = prepare(folder / "work", size.jobs)
    results: dict[tuple[str, str], list[str]] = {}
    for part, outcomes in cases(size, undisturbed, mounted=mounted):
        for what, wrong in outcomes:
            results.setdefault((part, what), []).append(wrong)
            if wrong:
                print(f"{part}: {what}: {wrong}", file=sys.stderr, flush=True)
        print(f"{part}: {what} done", file=sys.stderr, flush=True)
    return results


def table(results: Mapping[tuple[str, str], list[str]]) -> str:
    """As Markdown."""
    lines = ["| what | of | times | wrong |", "| --- | --- | ---: | ---: |"]
    lines += [f"| {part} | {what} | {len(all_)} | {sum(map(bool, all_))} |" for (part, what), all_ in results.items()]
    return "\n".join(lines)


def main() -> None:
    """Run it; exit code 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="few of each, and no page")
    small = parser.parse_args().small
    folder, home = Path(tempfile.mkdtemp(prefix="campaign-")), Path.cwd()
    disk = folder / "disk"
    mounted = full_disk.mounted(disk)
    try:
        results = counted(SMALL if small else LONG, disk, mounted=mounted)
    finally:
        os.chdir(home)
        if mounted:
            full_disk.unmount(disk)
        shutil.rmtree(folder)
    disks = "a file system of 64 MiB in memory" if mounted else "a limit on the size of files"
    print(table(results), f"\nFull disks: {disks}.")
    if not small:
        begin, end = "<!-- table -->", "<!-- end -->"
        page = PAGE.read_text()
        head, tail = page[: page.index(begin) + len(begin)], page[page.index(end) :]
        PAGE.write_text(f"{head}\n{table(results)}\n\nFull disks: {disks}.\n{tail}")
    sys.exit(any(map(any, results.values())))


if __name__ == "__main__":
    main()
