"""Many processes train one sweep, and die: workers, nannies, schedulers, runs; or are stopped, or find no memory or no disk.

``python -m tests.campaigns.cluster`` takes about an hour on two cores and writes its table into ``docs/clusters.md``;
``python -m tests.campaigns.cluster --small`` is a test of a minute that writes nothing. Each sweep must end as one that nobody
disturbed, file by file and bit for bit, without a process left and with no run trained twice to its end. A blow
that met nothing, since the sweep was at its end before, is not counted but struck again.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from stanalysis.files.records import read_table
from tests.trainers.recordings import write_rawhd

PAGE: Final = Path(__file__).parents[2] / "docs" / "clusters.md"
MARK: Final = "STANALYSIS_CAMPAIGN"
LEASE: Final = 2.0  # seconds
SECONDS: Final = 6.0  # within which the blow falls; a sweep takes about ten
OPTIONS: Final = (
    *("--methods", "rewired-learned", "fixed-fixed", "--sparsities", "0.5", "--seeds", "0", "1", "--hidden", "8"),
    *("--n-bins", "3", "--epochs", "300", "--batch-size", "16", "--every", "2", "--lease", str(LEASE)),
)


class Trial:
    """A sweep folder, and the processes that train it."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.sweep, self.data = folder, folder / "sweep", data
        self.processes: list[subprocess.Popen[bytes]] = []
        self.printed = (folder / "printed.txt").open("wb")

    def command(self, *words: object) -> subprocess.Popen[bytes]:
        """Begin a command of stanalysis."""
        return self._begun("-m", "stanalysis", *words)

    def train(self, *words: object) -> subprocess.Popen[bytes]:
        """Begin the command that trains the sweep."""
        return self.command("sweep", "-o", self.sweep, "--data", self.data, *OPTIONS, *words)

    def dask(self, *words: object) -> subprocess.Popen[bytes]:
        """Begin a scheduler, or a worker."""
        return self._begun("-m", "dask", *words, "--scheduler-file", self.folder / "s.json", "--no-dashboard")

    def _begun(self, *words: object) -> subprocess.Popen[bytes]:
        said = self.printed if words[1] == "stanalysis" else subprocess.DEVNULL
        process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=self.folder,
            stdout=said,
            stderr=said,
            start_new_session=True,
            env=marked(self.folder),
        )
        self.processes.append(process)
        return process

    def runs(self) -> list[psutil.Process]:
        """The processes that train a run, wherever they came from."""
        return processes_that_train(self.folder)

    def wait(self, *processes: subprocess.Popen[bytes]) -> None:
        """Until they end; what takes a minute is hung."""
        for process in processes:
            process.wait(timeout=90)

    def close(self) -> None:
        """End all."""
        for process in self.processes:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.printed.close()


def marked(folder: Path) -> dict[str, str]:
    """The environment of processes that work for a folder, and of those that they begin."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")]), MARK: str(folder)}


def processes_that_train(folder: Path) -> list[psutil.Process]:
    """Those that train a run, begun by what is `marked` with a folder, though that may be gone."""
    there = []
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            if "trainers.sweep.one_run" in (process.info["cmdline"] or ()) and process.environ().get(MARK) == str(folder):
                there.append(process)
    return there


def kill_worker(trial: Trial, rng: random.Random) -> bool:
    """A dask worker, which its nanny begins anew."""
    return _on_cluster(trial, rng, lambda worker: psutil.Process(worker.pid).children()[0].kill())


def kill_nanny(trial: Trial, rng: random.Random) -> bool:
    """A nanny, and with it its worker."""
    return _on_cluster(trial, rng, lambda worker: worker.kill())


def kill_scheduler(trial: Trial, rng: random.Random) -> bool:
    """The scheduler."""
    return _on_cluster(trial, rng, lambda worker: trial.processes[0].kill())


def _on_cluster(trial: Trial, rng: random.Random, blow: Callable[[subprocess.Popen[bytes]], None]) -> bool:
    trial.dask("scheduler", "--port", "0")
    while not (trial.folder / "s.json").exists():
        time.sleep(0.05)
    workers = [trial.dask("worker", "--nthreads", "1", "--local-directory", trial.folder) for _ in range(2)]
    client = trial.train("--scheduler-file", trial.folder / "s.json")
    _until_training(trial)
    time.sleep(rng.uniform(0, SECONDS))
    landed = bool(trial.runs())
    try:
        blow(rng.choice(workers))
    except (psutil.Error, IndexError):
        landed = False
    trial.wait(client)
    return landed


def kill_work(trial: Trial, rng: random.Random) -> bool:
    """One of two `work` processes."""
    first, second = _two_at_work(trial, rng)
    landed = first.poll() is None
    first.kill()
    trial.wait(first, second)
    return landed


def kill_run(trial: Trial, rng: random.Random) -> bool:
    """The process of a run."""
    processes = _two_at_work(trial, rng)
    try:
        rng.choice(trial.runs()).kill()
        landed = True
    except (psutil.Error, IndexError):
        landed = False
    trial.wait(*processes)
    return landed


def stop_run(trial: Trial, rng: random.Random) -> bool:
    """The process of a run, for longer than its lease; it goes on when another has taken its run."""
    processes = _two_at_work(trial, rng)
    try:
        stopped = rng.choice(trial.runs())
        stopped.suspend()
        time.sleep(3 * LEASE + 4 + rng.uniform(0, 4))
        landed = stopped.status() == psutil.STATUS_STOPPED
        stopped.resume()
    except (psutil.Error, IndexError):
        landed = False
    trial.wait(*processes)
    return landed


def no_memory(trial: Trial, rng: random.Random) -> bool:
    """No memory for one of two, nor for the processes that it begins.

    Where a thread of it finds none, Python waits for ever for its beginning: it is ended then, as a batch system would do.
    """
    return _limited(trial, rng, resource.RLIMIT_AS, lambda process: process.memory_info().vms)


def no_disk(trial: Trial, rng: random.Random) -> bool:
    """No room on the disk for what the processes write that one of two begins."""
    return _limited(trial, rng, resource.RLIMIT_FSIZE, lambda _: 2000)


def _limited(trial: Trial, rng: random.Random, kind: int, limit: Callable[[psutil.Process], int]) -> bool:
    first, second = _two_at_work(trial, rng)
    with suppress(psutil.Error):
        process = psutil.Process(first.pid)
        process.rlimit(kind, (limit(process),) * 2)
    trial.wait(second)
    with suppress(subprocess.TimeoutExpired):
        first.wait(timeout=20)
    first.kill()
    trial.wait(first)
    return first.returncode != 0 or "Lost:" in (trial.folder / "printed.txt").read_text()


def _two_at_work(trial: Trial, rng: random.Random) -> list[subprocess.Popen[bytes]]:
    trial.wait(trial.train("--prepare"))
    processes = [trial.command("work", trial.sweep) for _ in range(2)]
    _until_training(trial)
    time.sleep(rng.uniform(0, SECONDS))
    return processes


def _until_training(trial: Trial) -> None:
    deadline = time.monotonic() + 60
    while not list(trial.sweep.glob("*/last.nc")) and time.monotonic() < deadline:
        time.sleep(0.02)


BLOWS: Final = {
    "SIGKILL: dask worker": kill_worker,
    "SIGKILL: nanny": kill_nanny,
    "SIGKILL: scheduler": kill_scheduler,
    "SIGKILL: `work`": kill_work,
    "SIGKILL: process of a run": kill_run,
    "SIGSTOP beyond the lease, then SIGCONT": stop_run,
    "no memory for one of two `work`": no_memory,
    "no room on the disk for one of two `work`": no_disk,
}


def outcomes(n: int, seed: int, folder: Path, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Strike so many sweeps, each name in turn, and yield what was done and what was wrong at the end.

    What is yielded of a blow that met nothing has no name.
    """
    rng = random.Random(seed)
    data = write_rawhd(folder)
    whole = Trial(_made(folder / "whole"), data)
    whole.wait(whole.train("--workers", "2"))
    whole.close()
    struck = 0
    for number in itertools.count():
        name = names[struck % len(names)]
        trial = Trial(_made(folder / f"trial-{number}"), data)
        wrong, landed = "", True
        try:
            landed = BLOWS[name](trial, rng)
            trial.wait(trial.train("--workers", "2"))  # the same command, whoever died
        except subprocess.TimeoutExpired:
            wrong = "it hung"
        finally:
            trial.close()
        wrong = wrong or difference(trial, whole)
        yield name if landed or wrong else "", wrong
        if not wrong:
            shutil.rmtree(trial.folder)
        struck += landed or bool(wrong)
        if struck == n:
            return


def difference(trial: Trial, whole: Trial) -> str:
    """What is not as in the undisturbed sweep."""
    time.sleep(1)  # what lost its parent ends
    if trial.runs():
        return "a process is left"
    a, b = (read_table(t.sweep / "sweep.csv", remedy="").drop(columns="seconds") for t in (trial, whole))
    if not a.equals(b):
        return "the tables differ"
    if hidden := [p.name for p in trial.sweep.rglob(".*")]:
        return f"{hidden[0]} is left"
    for place in sorted(whole.sweep.glob("*/*")):
        other = trial.sweep / place.relative_to(whole.sweep)
        if not other.is_file() or other.read_bytes() != place.read_bytes():
            return f"{place.relative_to(whole.sweep)} differs"
    ends = Counter(re.findall(r"^(\S+): \S+% on test", (trial.folder / "printed.txt").read_text(), re.MULTILINE))
    if twice := [run for run, times in ends.items() if times > 1]:
        return f"{twice[0]} was trained twice to its end"
    return ""


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def main() -> None:
    """Strike, print what was wrong, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=list(BLOWS))
    options = parser.parse_args()
    names = ["SIGKILL: `work`", "SIGKILL: dask worker"] if options.small else options.only
    with tempfile.TemporaryDirectory() as place:
        tally: Counter[str] = Counter()
        wrong: Counter[str] = Counter()
        for name, what in outcomes(len(names) if options.small else options.times, 20261130, Path(place), names):
            tally[name] += 1
            wrong[name] += bool(what)
            print(f"{name or 'met nothing'}: {what or 'as it should be'}", flush=True)
    lines = ["| what dies | times | wrong |", "| --- | ---: | ---: |"]
    table = "\n".join(lines + [f"| {name} | {tally[name]} | {wrong[name]} |" for name in BLOWS if tally[name]])
    print(table)
    print(f"{tally['']} more met nothing.")
    if not options.small:
        begin, end = "<!-- table -->", "<!-- end -->"
        page = PAGE.read_text()
        PAGE.write_text(f"{page[: page.index(begin) + len(begin)]}\n\n{table}\n\n{page[page.index(end) :]}")
    if wrong.total():
        sys.exit(1)


if __name__ == "__main__":
    main()
