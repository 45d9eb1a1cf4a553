"""Short commands of every kind that write, each in a process forked from this one, which has imported everything already."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stanalysis.cli.main import main
from stanalysis.files.records import read_table
from stanalysis.files.run import is_free
from stanalysis.files.sweep import write_sweep
from stanalysis.schema.network import SWEEP
from tests.trainers.recordings import write_rawhd

FOREIGN = Path(__file__).parents[1] / "stanalysis" / "readers" / "files" / "dcls_gauss.pt"
TRAIN = "train sparse --data recordings --hidden 8 --n-bins 3 --epochs 3 --batch-size 16 --every 2 --checkpoints 4 --threads 1"
GRID = 'methods = ["rewired-learned", "fixed-fixed"]\nsparsities = [0.5]\nseeds = [0]\ndata = "recordings"\n[config]\n'
GRID += "hidden = [8]\nn_bins = 3\nepochs = 3\nbatch_size = 16\nevery = 2\n"
OUT = Path("out")
_VALUES = {"f": 0.5, "i": 3, "U": "fixed"}
ROW = {name: _VALUES[variable.kind] for name, variable in SWEEP.items()} | {"n_hidden": 8.0, "n_parameters": 99.0}


@dataclass(frozen=True)
class Job:
    """A command that writes ``out``; ``prepared`` is what lies there before it begins."""

    name: str
    command: str
    prepared: str = ""

    def start_over(self) -> None:
        """Bring the folder into the state before the first start."""
        shutil.rmtree(OUT, ignore_errors=True)
        if self.prepared:
            shutil.copytree(self.prepared, OUT)

    def arguments(self) -> list[str]:
        """The command, as a person would give it in the state in which the folder is."""
        words = self.command.split()
        return [*words, "--resume"] if self.name == "train" and not is_free(OUT) else words


JOBS = (
    Job("train", f"{TRAIN} -o out"),
    Job("sweep", "sweep grid.toml -o out --workers 2"),
    Job("analyze", "analyze run -o out/an.nc --permutations 99"),
    Job("convert", "convert foreign.pt -o out --dt 1 --kernel-size 25 --left-padding 24"),
    Job("prune", "prune out --draws 1 --fractions 0 .5 --threads 1", prepared="run"),
    Job("report", "report an.nc -o out"),
)


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, negative the signal; what it said; seconds; the most MiB that it held."""

    code: int
    said: str
    seconds: float
    mib: float


def forked(work: Callable[[], object], *, meanwhile: Callable[[int], object] | None = None) -> Ended:
    """Do some work in a forked process; ``meanwhile`` gets its number."""
    sys.stdout.flush()
    sys.stderr.flush()
    log = Path(tempfile.gettempdir(), f"said-{os.getpid()}")  # not where the disk may be full
    began = time.monotonic()
    if not (pid := os.fork()):
        _work(work, log)
    if meanwhile:
        meanwhile(pid)
    _, status, used = os.wait4(pid, 0)
    said = log.read_text(errors="replace") if log.exists() else ""
    log.unlink(missing_ok=True)
    return Ended(os.waitstatus_to_exitcode(status), said, time.monotonic() - began, used.ru_maxrss / 1024)


def _work(work: Callable[[], object], log: Path) -> None:
    """The life of a forked process."""
    code = 1
    try:
        handle = os.open(log, os.O_CREAT | os.O_WRONLY)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        work()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def given(job: Job, **options: Callable[[int], object]) -> Ended:
    """Give the command of a job."""
    return forked(lambda: main(job.arguments()), **options)


def prepare(folder: Path, jobs: Sequence[Job]) -> dict[str, dict[str, object]]:
    """Make what jobs need in a folder, go there, and return what each leaves when nothing disturbs it."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    Path("recordings").mkdir()
    write_rawhd(Path("recordings"))
    Path("grid.toml").write_text(GRID)
    shutil.copy(FOREIGN, "foreign.pt")
    for command in (f"{TRAIN} -o run", "analyze run -o an.nc --permutations 99"):  # here, so that forks have the kernels
        try:
            main(command.split())
        except SystemExit as error:
            if error.code:
                raise
    undisturbed = {}
    for job in jobs:
        job.start_over()
        if (ended := given(job)).code:
            raise RuntimeError(f"{job.name} fails undisturbed: {ended.said}")
        undisturbed[job.name] = contents()
    Path("sweep").mkdir()
    write_sweep(Path("sweep"), [ROW | {"seed": seed, "run": f"fixed-fixed-s0.5-seed{seed}"} for seed in range(4)])
    return undisturbed


def contents() -> dict[str, object]:
    """What lies in ``out``: bytes by name, of the table of a sweep all but the seconds, which differ from run to run."""
    files: dict[str, object] = {str(p.relative_to(OUT)): p.read_bytes() for p in sorted(OUT.rglob("*")) if p.is_file()}
    if "sweep.csv" in files:
        files["sweep.csv"] = read_table(OUT / "sweep.csv", remedy="").drop(columns="seconds").to_csv()
    return files


def orphans() -> list[str]:
    """Hidden files in ``out`` and beside it."""
    return [str(p) for p in Path().rglob(".*")]


def goes_on(job: Job, undisturbed: Mapping[str, object]) -> str:
    """Give the command again and say what is wrong with what it then leaves: nothing, if all is well."""
    ended = given(job)
    if ended.code and not (job.name == "convert" and contents() == undisturbed):  # which is done, and refuses to do it again
        return f"the next start exits with {ended.code}: {ended.said[-300:]}"
    left = contents()
    if differing := [name for name in left.keys() | undisturbed.keys() if left.get(name) != undisturbed.get(name)]:
        return f"{', '.join(sorted(differing)[:5])} differ"
    return f"left behind: {', '.join(orphans())}" if orphans() else ""


def kill(pid: int) -> None:
    """End a process at once."""
    with suppress(ProcessLookupError):  # it has ended by itself
        os.kill(pid, signal.SIGKILL)


def bounded(mib: int) -> None:
    """Have this process fail where it asks for so much memory beyond what it has."""
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + mib * 2**20,) * 2)
