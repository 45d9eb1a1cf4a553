"""The campaign: kills, power cuts, full disks and damage, in numbers, as a table in Markdown.

``python -m tests.campaigns.campaign`` takes about half an hour and writes ``docs/developers/campaign.md``;
``python -m tests.campaigns.campaign --small`` is a test, which takes half a minute and writes nothing.
"""

from __future__ import annotations

import os

os.environ |= {"NUMBA_NUM_THREADS": "1", "NUMBA_THREADING_LAYER": "workqueue", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg"}

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.campaigns import damage, full_disk, kills, power
from tests.campaigns.jobs import JOBS, prepare

PAGE = Path(__file__).parents[2] / "docs" / "developers" / "campaign.md"
SEED = 20261130
COMMAND = "python -m tests.campaigns.campaign"


def cases(
    small: bool, undisturbed: Mapping[str, Mapping[str, object]], *, mounted: bool
) -> Iterator[tuple[str, Iterable[tuple[str, str]]]]:
    """Each part of the campaign and what it yields: what was done, and what is wrong then."""
    train = JOBS[0]
    yield "SIGKILL at a random instant", kills.at_random(6 if small else 240, SEED, undisturbed)
    for job in [train] if small else JOBS:
        every = 6 if small else 1
        yield "SIGKILL around every file name", kills.around_names(job, undisturbed[job.name], every=every)
    yield "Power cut at a random instant", power.cuts(10 if small else 200, SEED, train, undisturbed["train"])
    for job in [train] if small else JOBS:
        parts = full_disk.at_every_write(job, undisturbed[job.name], SEED, small=mounted, every=8 if small else 1)
        yield "Full disk at every write", parts
    shutil.rmtree("out", ignore_errors=True)
    for kind in damage.READERS:
        yield "Damaged copy", damage.copies(kind, 20 if small else 1000, SEED)
    for kind in damage.READERS:
        yield "Damaged copy of a stranger", damage.copies(kind, 20 if small else 1000, SEED, resealed=True)


def counted(small: bool, folder: Path, *, mounted: bool) -> dict[tuple[str, str], list[str]]:
    """What was wrong in each case, "" where nothing was."""
    undisturbed = prepare(folder / "work")
    shutil.copytree("out", "sweep") if (Path("out") / "sweep.csv").exists() else _sweep()
    results: dict[tuple[str, str], list[str]] = {}
    for part, outcomes in cases(small, undisturbed, mounted=mounted):
        for what, wrong in outcomes:
            results.setdefault((part, what), []).append(wrong)
            if wrong:
                print(f"{part}: {what}: {wrong}", file=sys.stderr, flush=True)
        print(f"{part}: {what} done", file=sys.stderr, flush=True)
    return results


def _sweep() -> None:
    """The table of a sweep, to be damaged."""
    from tests.campaigns.jobs import given

    job = next(job for job in JOBS if job.name == "sweep")
    job.start_over()
    given(job)
    shutil.copytree("out", "sweep")


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
        results = counted(small, disk, mounted=mounted)
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
