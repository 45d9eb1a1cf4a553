"""A sweep on the workers of a dask scheduler ends as on one machine, whoever dies."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys

import pytest
from distributed import KilledWorker

from stanalysis.cli import main as cli
from stanalysis.cluster import client_of
from stanalysis.errors import BadInput
from tests.campaigns.cluster import marked, processes_that_train
from tests.trainers.sweep.folders import assert_same_sweep, started, wait_until
from trainers.sweep.dask_workers import DaskWorkers
from trainers.sweep.runs import sweep
from trainers.sweep.spec import RunSpec

pytestmark = pytest.mark.slow


class Dask:
    """A scheduler and workers, each of one run at a time, in processes of their own."""

    def __init__(self, folder):
        self.file, self.folder = folder / "scheduler.json", folder
        self.processes = []
        self.start("scheduler", "--scheduler-file", str(self.file), "--port", "0", "--no-dashboard")
        wait_until(self.file.exists)

    def start(self, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=marked(self.folder),
        )
        self.processes.append(process)
        return process

    def worker(self, *options):
        address = (
            "--scheduler-file",
            str(self.file),
            "--nthreads",
            "1",
            "--no-dashboard",
            "--local-directory",
            str(self.folder),
        )
        return self.start("worker", *address, *options)

    def close(self):
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def dask(tmp_path):
    cluster = Dask(tmp_path)
    yield cluster
    cluster.close()


def test_sweep__on_the_workers_of_a_scheduler_is_the_same_also_when_one_is_killed(tiny_grid, tiny_sweep, dask, tmp_path):
    doomed = dask.worker("--no-nanny")
    path = tmp_path / "sweep"
    process = started("sweep", "--scheduler-file", dask.file, "-o", path, *as_flags(tiny_grid))
    wait_until(lambda: list(path.glob("*/last.nc")))
    doomed.kill()
    doomed.wait()
    dask.worker()
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    assert_same_sweep(path, tiny_sweep)
    wait_until(lambda: not processes_that_train(tmp_path))


def as_flags(grid):
    flags = ["--methods", *grid.axes["methods"], "--sparsities", "0.5", "--seeds", "0", "1", "--data", grid.data]
    config = grid.config
    return [*flags, "--hidden", "8", "--n-bins", "3", "--epochs", str(config.epochs), "--batch-size", "16", "--every", "2"]


def test_sweep__interrupted_keeps_what_workers_reached_and_goes_on_here(tiny_grid, tiny_sweep, dask, tmp_path):
    dask.worker()
    path = tmp_path / "sweep"
    process = started("sweep", "--scheduler-file", dask.file, "-o", path, *as_flags(tiny_grid))
    wait_until(lambda: list(path.glob("*/last.nc")))
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "the same command goes on" in printed
    assert not list(path.rglob(".lock"))
    assert sweep(tiny_grid, path, workers=2)
    assert_same_sweep(path, tiny_sweep)


def test_sweep__a_scheduler_that_is_killed_ends_it_with_a_sentence(tiny_grid, tiny_sweep, dask, tmp_path):
    dask.worker()
    path = tmp_path / "sweep"
    process = started("sweep", "--scheduler-file", dask.file, "-o", path, *as_flags(tiny_grid))
    wait_until(lambda: list(path.glob("*/last.nc")))
    dask.processes[0].kill()
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 2, printed
    assert "The scheduler" in printed
    assert "Traceback" not in printed
    wait_until(lambda: not processes_that_train(tmp_path))
    assert sweep(tiny_grid, path, workers=2)
    assert_same_sweep(path, tiny_sweep)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scheduler", "tcp://127.0.0.1:9"), "No dask scheduler with this package answers at tcp://127.0.0.1:9"),
        (("--scheduler", "nonsense://x"), "The address 'nonsense://x' is none of a dask scheduler"),
        (("--scheduler-file", "gone.json"), "There is no scheduler file gone.json"),
        (("--scheduler-file", __file__), "holds no address of a dask scheduler"),
        (("--retries", "-1", "--epochs", "1"), "-1 retries are asked for"),
        (("--scheduler", "tcp://127.0.0.1:9", "--workers", "2"), "give one"),
    ],
)
def test_sweep__a_scheduler_that_is_not_there_gets_a_sentence(tmp_path, capsys, monkeypatch, options, message):
    monkeypatch.setattr("stanalysis.cluster._SECONDS", 1)
    with pytest.raises(SystemExit) as caught:
        cli.main(["sweep", "-o", str(tmp_path / "new"), *options])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_client_of__says_what_to_install(monkeypatch):
    monkeypatch.setattr("stanalysis.cluster.find_spec", lambda name: None)
    with (
        pytest.raises(BadInput, match=r"pip install 'stanalysis-workbench\[cluster\]'"),
        client_of("tcp://127.0.0.1:8786", None),
    ):
        pass


class Scheduler:
    """What `DaskWorkers` asks of a client: two workers, and whatever becomes of a task."""

    def __init__(self, error):
        self.error, self.wished = error, []

    def nthreads(self):
        return {"tcp://a": 1, "tcp://b": 1}

    def submit(self, *_, workers, allow_other_workers, **__):
        self.wished.append((workers, allow_other_workers))
        return self

    status = "error"

    def exception(self):
        return self.error

    def add_done_callback(self, function):
        function(self)


@pytest.mark.parametrize(
    ("error", "end", "sentence"),
    [
        (KilledWorker("a run", None, 3), "refused", "Every worker that began it was lost"),
        (ImportError("no module trainers"), "lost", "could not begin it .no module trainers"),
    ],
)
def test_dask_workers__what_no_worker_survives_is_not_tried_for_ever(error, end, sentence):
    scheduler = Scheduler(error)
    workers = DaskWorkers(scheduler)
    run = RunSpec("sparse", "module", {}, "data", "", None, None, "/nowhere/a", seed=0, checkpoints=1, lease=60.0)
    workers.begin(run)
    (ended,) = workers.ended(1.0)
    assert (ended.name, ended.end) == ("a", end)
    assert re.search(sentence, ended.sentence)
    workers.begin(run, frozenset({"tcp://a"}))
    workers.begin(run, frozenset({"tcp://a", "tcp://b"}))
    assert scheduler.wished == [(None, False), (["tcp://b"], True), (None, False)]
