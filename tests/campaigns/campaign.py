"""The campaign: kills, power cuts, full disks and damage, in numbers, as a table in Markdown.

``python -m tests.campaigns.campaign`` takes most of an hour on two cores and writes its table into ``docs/safety.md``;
``python -m tests.campaigns.campaign --small`` is a test, which takes a minute and writes nothing.
"""

from __future__ import annotations

import os

if __name__ == "__main__":  # before numba is imported, and only where this is the program: it forks
    os.environ |= {"NUMBA_NUM_THREADS": "1", "NUMBA_THREADING_LAYER": "workqueue"}
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg"}

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from stanalysis.execution import completed
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

    def stride_of(self, job: Job) -> int:
        """Reports take long and write many files."""
        return self.stride * 12 if job.name == "report" else self.stride


LONG = Size(kills=208, cuts=200, copies=1000, stride=1, jobs=JOBS)
SMALL = Size(kills=3, cuts=5, copies=8, stride=9, jobs=[job for job in JOBS if job.name in ("train", "convert", "prune")])
PARTS = (  # the longest first
    "SIGKILL at a random instant",
    "Power cut at a random instant",
    "SIGKILL around a file's name",
    "Damaged copy",
    "Damaged copy whose digest fits",
    "Full disk at a write",
)


def outcomes(part: str, size: Size, undisturbed: Mapping[str, Mapping[str, object]], *, mounted: bool) -> Iterator[Outcomes]:
    """What a part of the campaign yields."""
    kind = PARTS.index(part)
    if kind == 0:
        yield kills.at_random(size.kills, SEED, size.jobs, undisturbed)
    elif kind == 1:
        yield power.cuts(size.cuts, SEED, JOBS[0], undisturbed[JOBS[0].name])
    elif kind in (3, 4):
        yield from (damage.copies(name, size.copies, SEED, resealed=kind == 4) for name in damage.READERS)
    for job in size.jobs if kind in (2, 5) else ():
        if kind == 2:
            yield kills.around_names(job, undisturbed[job.name], every=size.stride_of(job))
        else:
            every = size.stride_of(job)
            yield full_disk.at_every_write(job, undisturbed[job.name], SEED, small=mounted, every=every)


Results = dict[tuple[str, str], list[str]]  # what was wrong each time, by part and kind


def counted(task: tuple[Sequence[str], Size]) -> tuple[bool, Results]:
    """Do some parts in a folder of their own; whether a small file system could be mounted there, and what was wrong."""
    parts, size = task
    results: Results = {}
    folder, home = Path(tempfile.mkdtemp(prefix="campaign-")), Path.cwd()
    mounted = full_disk.mounted(folder / "disk")
    try:
        undisturbed = prepare(folder / "disk" / "work", size.jobs)
        for part in parts:
            for what, wrong in chain.from_iterable(outcomes(part, size, undisturbed, mounted=mounted)):
                results.setdefault((part, what), []).append(wrong)
                if wrong:
                    print(f"{part}: {what}: {wrong}", file=sys.stderr, flush=True)
            print(f"{part}: done", file=sys.stderr, flush=True)
    finally:
        os.chdir(home)
        if mounted:
            full_disk.unmount(folder / "disk")
        shutil.rmtree(folder)
    return mounted, results


def table(results: Results) -> str:
    """As Markdown."""
    lines = ["| what | of | times | wrong |", "| --- | --- | ---: | ---: |"]
    lines += [f"| {part} | {what} | {len(wrong)} | {sum(map(bool, wrong))} |" for (part, what), wrong in results.items()]
    return "\n".join(lines)


def main() -> None:
    """Run it; exit code 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="few of each, and no page")
    small = parser.parse_args().small
    tasks = [(PARTS, SMALL)] if small else [((part,), LONG) for part in PARTS]
    done = dict(completed(counted, tasks, workers=1 if small else os.cpu_count() or 1))
    results = {what: wrong for k in range(len(tasks)) for what, wrong in done[k][1].items()}
    in_memory = all(mounted for mounted, _ in done.values())
    disks = "a file system of 64 MiB in memory" if in_memory else "a limit on the size of files"
    print(table(results), f"\nFull disks: {disks}.")
    if not small:
        begin, end = "<!-- table -->", "<!-- end -->"
        page = PAGE.read_text()
        head, tail = page[: page.index(begin) + len(begin)], page[page.index(end) :]
        PAGE.write_text(f"{head}\n\n{table(results)}\n\nFull disks: {disks}.\n\n{tail}")
    sys.exit(any(map(any, results.values())))


if __name__ == "__main__":
    main()
