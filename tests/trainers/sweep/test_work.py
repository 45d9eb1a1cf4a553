"""Any number of processes train one sweep: who takes what changes nothing, and nothing is trained twice to its end."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import time
from contextlib import redirect_stdout
from pathlib import Path

import psutil
import pytest

from stanalysis.cli import main as cli
from stanalysis.errors import BadInput
from stanalysis.files.lock import held
from stanalysis.files.sweep import read_lines
from stanalysis.files.temporary import LOCK
from tests.trainers.sweep.folders import assert_same_sweep, started, wait_until
from trainers.sweep import engines
from trainers.sweep.folder import SweepFolder
from trainers.sweep.plan import plan_of, read_plan
from trainers.sweep.runs import sweep, work
from trainers.sweep.spec import EndedRun
from trainers.sweep.status import status_of

pytestmark = pytest.mark.slow


@pytest.fixture
def prepared(tiny_grid, tmp_path):
    SweepFolder(tmp_path / "sweep").begin(plan_of([tiny_grid], 60.0))
    return tmp_path / "sweep"


def call(*arguments):
    printed = io.StringIO()
    with pytest.raises(SystemExit) as caught, redirect_stdout(printed):
        cli.main([str(a) for a in arguments])
    return caught.value.code, printed.getvalue()


def test_work__two_processes_share_a_sweep(tiny_sweep, prepared):
    processes = [started("work", prepared) for _ in range(2)]
    printed = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert_same_sweep(prepared, tiny_sweep)
    finished = re.findall(r"^(\S+): .* on test", "".join(printed), re.MULTILINE)
    assert len(finished) == len(set(finished)) == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_work__told_to_end_keeps_its_state_for_others(tiny_sweep, prepared, number):
    process = started("work", prepared)
    wait_until(lambda: list(prepared.glob("*/last.nc")))
    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)
    assert "Stopped; runs under way have kept their state" in printed
    assert process.returncode == (130 if number == signal.SIGINT else 0)
    assert not list(prepared.rglob(LOCK))
    assert work(prepared) is None
    assert_same_sweep(prepared, tiny_sweep)


def test_work__ends_when_its_time_is_up(prepared):
    began = time.monotonic()
    assert call("work", prepared, "--for", "1s")[0] in (0, None)
    assert time.monotonic() - began < 20
    assert status_of(prepared).n_finished < 4


def test_work__killed_with_its_run_is_followed_by_another(tiny_sweep, prepared):
    process = started("work", prepared, start_new_session=True)
    wait_until(lambda: list(prepared.glob("*/last.nc")))
    process.kill()
    process.communicate(timeout=30)
    assert work(prepared) is None
    assert_same_sweep(prepared, tiny_sweep)


def test_work__leaves_what_a_broken_machine_loses_to_others(prepared, monkeypatch):
    monkeypatch.setattr(engines, "supervised", lambda run, order: EndedRun(run.name, "lost", 0.1, "No space left on device."))
    with pytest.raises(BadInput, match=r"4 runs in a row were lost here.*No space left"):
        work(prepared)
    assert not (prepared / "failed").exists()


def test_work__what_is_refused_is_told_and_not_tried_by_the_next(prepared, monkeypatch):
    tried = []

    def refused(run, order):
        tried.append(run.name)
        return EndedRun(run.name, "refused", 0.1, "Training diverged within 3 steps.")

    monkeypatch.setattr(engines, "supervised", refused)
    assert work(prepared) is None
    assert work(prepared) is None
    assert len(tried) == 4
    assert set(status_of(prepared).failed.values()) == {"Training diverged within 3 steps."}
    code, printed = call("sweep", "-o", prepared, "--status")
    assert code in (0, None)
    assert printed.count("Failed: ") == 4


def test_sweep__waits_for_what_others_train_and_takes_it_up_when_they_are_gone(tiny_grid, tiny_sweep, prepared, monkeypatch):
    monkeypatch.setattr("trainers.sweep.loop._LOOK_AGAIN", 0.1)
    run = "fixed-fixed-s0.5-seed0"
    stack = held(prepared / run)
    stack.__enter__()
    seen = []

    class Watching(engines.Local):
        def ended(self, seconds):
            if len(list(prepared.glob("*/last.nc"))) == 3 and not self.running():
                seen.append(status_of(prepared))
                if len(seen) == 1:
                    stack.__exit__(None, None, None)
            return super().ended(seconds)

    assert sweep(tiny_grid, prepared, engine=Watching(1))
    assert [(u.run, u.pid) for u in seen[0].under_way] == [(run, os.getpid())]
    assert seen[0].n_finished == 3
    assert_same_sweep(prepared, tiny_sweep)


def test_work__a_signal_to_all_processes_keeps_their_state_too(tiny_sweep, prepared):
    process = started("work", prepared, "--workers", "2", start_new_session=True)
    wait_until(lambda: len(list(prepared.glob("*/last.nc"))) == 2)
    for child in psutil.Process(process.pid).children():
        child.send_signal(signal.SIGUSR1)
    process.send_signal(signal.SIGUSR1)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, printed
    assert "Lost" not in printed
    assert work(prepared) is None
    assert_same_sweep(prepared, tiny_sweep)


def test_sweep__a_relative_folder_is_the_same_from_wherever_a_worker_looks(prepared, monkeypatch):
    monkeypatch.chdir(prepared.parent)
    specs = read_plan(Path("sweep")).specs(Path("sweep"))
    assert {Path(spec.path).parent for spec in specs} == {prepared}


def test_write_table__seconds_that_another_did_not_know_are_kept(tiny_sweep, tmp_path):
    path = shutil.copytree(tiny_sweep, tmp_path / "copy")
    (path / "sweep.csv").unlink()
    late, knows = SweepFolder(path), SweepFolder(path)
    for folder in (late, knows):
        folder.open()
    run = next(iter(knows.rows))
    late.write_table()
    knows.finish({**knows.rows[run]}, 12.0)
    knows.write_table()
    assert {row["run"]: row["seconds"] for row in read_lines(path)}[run] == 12.0


@pytest.mark.parametrize("damage", ["x", "run,seed\na,b\n", ""])
def test_sweep__a_damaged_table_is_made_anew_of_the_run_folders(tiny_grid, tiny_sweep, tmp_path, damage):
    path = shutil.copytree(tiny_sweep, tmp_path / "copy")
    (path / "sweep.csv").write_text(damage)
    folder = SweepFolder(path)
    folder.open()
    (path / "sweep.csv").write_text(damage)
    folder.rows.popitem()
    folder.write_table()
    assert_same_sweep(path, tiny_sweep)


def test_status__before_during_and_after(tiny_sweep, prepared):
    code, printed = call("sweep", "-o", prepared, "--status")
    assert code in (0, None)
    assert printed == "0 of 4 runs finished; 0 under way; 4 left.\n"
    with held(prepared / "fixed-fixed-s0.5-seed0"):
        _, printed = call("sweep", "-o", prepared, "--status", "--json")
    told = json.loads(printed)
    assert (told["n_runs"], told["n_left"], told["under_way"][0]["pid"]) == (4, 3, os.getpid())
    _, printed = call("sweep", "-o", tiny_sweep, "--status")
    assert printed == "4 of 4 runs finished; 0 under way; 0 left.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("work", "{tmp}/gone"), "no sweep folder"),
        (("work", "{tmp}/sweep", "--for", "soon"), "The time is 'soon'"),
        (("work", "{tmp}/sweep", "--workers", "0"), "0 workers"),
        (("sweep", "-o", "{tmp}/sweep", "--lease", "0"), "The lease is 0"),
        (("sweep", "-o", "{tmp}/gone", "--status"), "no sweep folder"),
    ],
)
def test_bad_input__gets_a_sentence(prepared, tmp_path, capsys, arguments, message):
    code, _ = call(*(a.format(tmp=tmp_path) for a in arguments))
    assert code == 2
    assert message in capsys.readouterr().err
