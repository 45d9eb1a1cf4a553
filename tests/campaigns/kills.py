"""SIGKILL at random instants, and before and after every file gets its name."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stanalysis.cli.main import main
from tests.campaigns.jobs import OUT, Job, forked, given, goes_on, kill

WEIGHT = {"train": 4, "report": 1}  # how often: most of all what lasts longest, least what takes longest to try


def at_random(
    n: int, seed: int, jobs: Sequence[Job], undisturbed: Mapping[str, Mapping[str, object]]
) -> Iterator[tuple[str, str]]:
    """Kill each job in turn, of sweeps the parent or a worker, and yield what was killed and what is wrong then."""
    rng = random.Random(seed)
    seconds = {}
    for job in jobs:
        job.start_over()
        seconds[job.name] = given(job).seconds
    often = [job for turn in range(4) for job in jobs if WEIGHT.get(job.name, 2) > turn]
    for k in range(n):
        job = often[k % len(often)]
        job.start_over()
        victim = "worker" if job.name == "sweep" and rng.random() < 0.5 else "parent"
        wait = rng.uniform(0, seconds[job.name])

        def strike(pid: int, wait: float = wait, victim: str = victim) -> None:
            time.sleep(wait)
            workers = _children(pid) if victim == "worker" else []
            kill(rng.choice(workers) if workers else pid)

        given(job, meanwhile=strike)
        what = f"{job.name} ({victim})" if job.name == "sweep" else job.name
        yield what, goes_on(job, undisturbed[job.name])


def around_names(job: Job, undisturbed: Mapping[str, object], *, every: int = 1) -> Iterator[tuple[str, str]]:
    """Kill a job just before, and just after, each of the files it writes gets its name."""
    tally = OUT.with_name("tally")

    def counted(stop: int, after: bool) -> None:
        rename, n = os.replace, 0

        def replace(source: Path, target: Path) -> None:
            nonlocal n
            n += 1
            tally.write_text(str(n))
            if n == stop and not after:
                kill(os.getpid())
            rename(source, target)
            if n == stop:
                kill(os.getpid())

        os.replace = replace
        main(job.arguments())

    job.start_over()
    forked(lambda: counted(0, False))
    for stop in range(1, int(tally.read_text()) + 1, every):
        for after in (False, True):
            job.start_over()
            forked(lambda stop=stop, after=after: counted(stop, after))
            yield f"{job.name}, {'after' if after else 'before'} a name", goes_on(job, undisturbed)
    tally.unlink()


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
