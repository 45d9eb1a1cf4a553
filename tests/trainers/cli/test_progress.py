from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys

import pytest
from rich.console import Console

from stanalysis.progress import Progress
from tests.trainers.recordings import write_rawhd
from trainers.cli.train import INTERRUPTED, PREPARING, ProgressWatcher


def told(watcher, clock, *, batches, n_epochs, seconds, first=0, together=1):
    """Train ``n_epochs`` of so many batches, from batch ``first`` on, each taking ``seconds``; epochs are told ``together``."""
    watcher.begin(first, batches * n_epochs)
    untold = []
    for step in range(first, batches * n_epochs):
        clock[0] += seconds
        watcher.batch(step // batches, 1.5 - step / 1000)
        if (step + 1) % batches == 0:
            row = {"epoch": (step + 1) // batches, "train_loss": 1.5 - step / 1000, "validation_accuracy": 0.612}
            untold.append(row)
            if len(untold) == together or step + 1 == batches * n_epochs:
                for told_now in untold:
                    watcher.epoch(told_now)
                untold.clear()


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def progress(clock):
    return Progress(Console(file=io.StringIO(), force_terminal=False, width=20), monotonic=lambda: clock[0])


def test_progress_watcher__writes_a_line_at_each_epoch(progress, clock):
    told(ProgressWatcher(progress, 3), clock, batches=2, n_epochs=3, seconds=20)
    assert progress.console.file.getvalue().splitlines() == [
        "epoch 1/3  loss 1.499  validation 61.2%  about 0:01:20 left",
        "epoch 2/3  loss 1.497  validation 61.2%  about 0:00:40 left",
        "epoch 3/3  loss 1.495  validation 61.2%",
    ]


def test_progress_watcher__of_short_epochs_at_most_every_half_minute(progress, clock):
    told(ProgressWatcher(progress, 100), clock, batches=2, n_epochs=100, seconds=0.5)
    lines = progress.console.file.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["1/100", "31/100", "61/100", "91/100", "100/100"]


def test_progress_watcher__of_epochs_told_together_each_line_is_of_its_epoch(progress, clock):
    told(ProgressWatcher(progress, 3), clock, batches=2, n_epochs=3, seconds=20, together=2)
    lines = [line for line in progress.console.file.getvalue().splitlines() if "–" not in line]
    losses = {line.split()[1]: line.split()[3] for line in lines}
    assert losses.items() <= {"1/3": "1.499", "2/3": "1.497", "3/3": "1.495"}.items()


def test_progress_watcher__of_a_resumed_run_reckons_from_where_it_goes_on(progress, clock):
    told(ProgressWatcher(progress, 3), clock, batches=2, n_epochs=3, seconds=20, first=3)
    assert progress.console.file.getvalue().startswith("epoch 2/3  loss 1.497  validation 61.2%  about 0:00:40 left")


@pytest.mark.slow
def test_train__into_a_pipe_writes_plain_lines_while_it_runs(tmp_path):
    data, run = tmp_path / "data[/x]", tmp_path / "run[bold]"
    data.mkdir(parents=True)
    write_rawhd(data)
    command = ["train", "dense", "--data", data, "--epochs", 1000, "--checkpoints", 2, "-o", run]
    command += ["--hidden", 4, "--n-bins", 3, "--batch-size", 16, "--threads", 1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "20"}
    command = [sys.executable, "-m", "stanalysis", *map(str, command)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        lines = [process.stderr.readline(), process.stderr.readline()]
        assert process.poll() is None  # a long time before its end
        process.send_signal(signal.SIGINT)
        lines += process.stderr.readlines()
        assert process.stdout.read() == ""
    assert process.returncode == INTERRUPTED
    assert lines[0] == f"{PREPARING}\n"
    assert re.fullmatch(r"epoch 1/1000  loss \d+\.\d{3}  validation \d+\.\d%  about \d+:\d\d:\d\d left\n", lines[1])
    assert lines[-1] == f"Interrupted; the state is in {run / 'last.nc'}: go on with --resume.\n"
