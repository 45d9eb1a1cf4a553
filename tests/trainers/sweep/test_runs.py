"""Sweeps end the same however they were run: workers, interruptions, a grid that grows. On a data set of a few kilobytes."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pandas as pd
import pytest
from rich.console import Console

from stanalysis.cli import main as cli
from stanalysis.errors import BadInput
from stanalysis.files import lock
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.lock import held
from stanalysis.files.records import read_table
from stanalysis.files.run import read_metrics, write_metrics
from tests.trainers.recordings import write_rawhd
from tests.trainers.toy_runs import assert_same_network
from trainers.cli.grids import grids_from
from trainers.cli.live_table import LiveTable
from trainers.methods.rewired.config import SPARSE, SPARSITIES, VARIANTS, SparseConfig
from trainers.sweep import supervise
from trainers.sweep.grid import grid_of
from trainers.sweep.runs import sweep
from trainers.sweep.watcher import SweepWatcher

pytestmark = pytest.mark.slow

EPOCHS = 60  # so many that a run under way can be met
COLUMNS = [
    "run", "connectivity", "delays", "sparsity", "seed", "n_synapses", "n_possible", "in_degree", "n_input_synapses", "epochs",
    "last_validation_accuracy", "last_test_accuracy", "best_epoch", "best_validation_accuracy", "best_test_accuracy", "seconds",
]  # fmt: skip


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """Four runs; 4 channels, 8 hidden neurons, 3 outputs."""
    return grid_of(
        SPARSE,
        methods=("rewired-learned", "fixed-fixed"),
        sparsities=(0.5, 0.0),
        seeds=(0,),
        data=str(write_rawhd(tmp_path_factory.mktemp("recordings"))),
        config=SparseConfig(hidden=(8,), n_bins=3, epochs=EPOCHS, batch_size=16, every=2),
    )


@pytest.fixture(scope="module")
def whole(grid, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "sweep"
    assert sweep(grid, path, workers=2)
    return path


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


class Heard(SweepWatcher):
    def __init__(self):
        self.ended, self.failures, self.warnings = [], {}, []

    def finished(self, row):
        self.ended.append(row["run"])

    def failed(self, run, sentence):
        self.failures[run] = sentence

    def warned(self, text):
        self.warnings.append(text)


def but(grid, **changes):
    """The grid with other values of its axes, or of what it has besides."""
    axes = {name: changes.pop(name) for name in list(changes) if name in grid.axes}
    return replace(grid, axes={**grid.axes, **axes}, **changes)


def table(path):
    return read_table(path / "sweep.csv", remedy="")


def contents(path):
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def assert_same_run(a, b):
    assert (a / "metrics.csv").read_bytes() == (b / "metrics.csv").read_bytes()
    for name in ("last.nc", "best.nc", "step-000000.nc"):
        assert_same_network(a / name, b / name)


def grid_file(grid, path):
    """The grid as a file of the command line."""
    path.write_text(
        "".join(f"{name} = {json.dumps(values)}\n" for name, values in {**grid.axes, "seeds": grid.seeds}.items())
        + f"data = {json.dumps(grid.data)}\n[config]\n"
        + "".join(
            f"{name} = {json.dumps(getattr(grid.config, name))}\n" for name in ("n_bins", "epochs", "batch_size", "every")
        )
    )
    return path


def call(*arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main([str(a) for a in arguments])
    return caught.value.code


def test_sweep__table_has_a_line_per_run_in_grid_order(whole):
    rows = table(whole)
    assert list(rows) == COLUMNS
    assert list(rows.run) == [f"{m}-s{s}-seed0" for m in ("fixed-fixed", "rewired-learned") for s in ("0", "0.5")]
    assert sorted(p.name for p in whole.iterdir()) == sorted([*rows.run, "sweep.csv", "sweep.json"])
    assert (rows.n_possible == 4 * 8 + 8 * 3).all()
    assert list(rows.n_synapses) == [56, 28] * 2
    assert list(rows.n_input_synapses) == [32, 16] * 2
    assert list(rows.in_degree) == [4.0, 2.0] * 2
    assert (rows.epochs == EPOCHS).all()
    assert (rows.seconds > 0).all()
    for row in rows.itertuples():
        metrics = read_metrics(whole / row.run)
        assert row.last_validation_accuracy == metrics.validation_accuracy.iloc[-1]
        assert row.last_test_accuracy == metrics.test_accuracy.iloc[-1]
        best = read_checkpoint(whole / row.run / "best.nc")
        assert row.best_epoch == best.attrs["epoch"]
        assert row.best_validation_accuracy == best["metrics"].validation_accuracy
        assert row.best_test_accuracy == best["metrics"].test_accuracy


def test_sweep__workers_are_single_threaded(whole):
    info = json.loads((whole / "rewired-learned-s0.5-seed0" / "run.json").read_text())
    assert info["threads"] == 1


def test_sweep__a_sweep_that_another_process_writes_is_refused(grid, copy, monkeypatch):
    monkeypatch.setattr(lock, "_PATIENCE", 0.1)
    with held(copy), pytest.raises(BadInput, match="is being written by process"):
        sweep(grid, copy)


def test_sweep__a_lock_that_a_finished_run_left_is_removed(grid, copy):
    name = "fixed-fixed-s0-seed0"
    with held(copy / name):
        marker = (copy / name / ".lock").read_text()
    (copy / name / ".lock").write_text(marker.replace(f"pid={os.getpid()}", "pid=4194304"))
    assert sweep(grid, copy)
    assert not list(copy.rglob(".*"))


def test_sweep__a_second_call_does_nothing(grid, whole):
    before, heard = contents(whole), Heard()
    assert sweep(grid, whole, watcher=heard)
    assert contents(whole) == before
    assert not heard.ended


def test_sweep__number_of_workers_changes_nothing(grid, whole, tmp_path):
    path, heard = tmp_path / "one", Heard()
    assert sweep(but(grid, methods=("rewired-learned",)), path, workers=1, watcher=heard)
    same = table(whole)[table(whole).run.isin(heard.ended)].reset_index(drop=True)
    pd.testing.assert_frame_equal(table(path).drop(columns="seconds"), same.drop(columns="seconds"))
    for run in heard.ended:
        assert_same_run(path / run, whole / run)
    assert heard.ended == ["rewired-learned-s0-seed0", "rewired-learned-s0.5-seed0"]  # the longest first


def test_sweep__the_grid_may_grow_and_finished_runs_are_kept(grid, whole, copy):
    heard = Heard()
    assert sweep(but(grid, methods=("fixed-fixed",), sparsities=(0.5,), seeds=(1, 0)), copy, watcher=heard)
    assert heard.ended == ["fixed-fixed-s0.5-seed1"]
    assert list(table(copy).run) == sorted([*table(whole).run, *heard.ended])
    before = table(whole).set_index("run")
    pd.testing.assert_frame_equal(table(copy).set_index("run").loc[before.index], before)


def test_sweep__failing_runs_do_not_stop_the_others(grid, tmp_path):
    folder, heard = tmp_path / "new", Heard()
    few = but(grid, methods=("fixed-fixed",), sparsities=(0.9,), seeds=(0,))
    assert sweep(few, folder)
    (folder / "fixed-fixed-s0.9-seed1").mkdir()
    (folder / "fixed-fixed-s0.9-seed1" / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"1 of 3 runs failed; the first was fixed-fixed-s0.9-seed1: .* no run folder"):
        sweep(but(few, seeds=(0, 1, 2)), folder, watcher=heard)
    assert set(heard.failures) == {"fixed-fixed-s0.9-seed1"}
    assert list(table(folder).run) == ["fixed-fixed-s0.9-seed0", "fixed-fixed-s0.9-seed2"]
    assert heard.warnings == ["at sparsity 0.9 only 2 synapses lead to the 3 outputs: some never answer"]
    assert (folder / "fixed-fixed-s0.9-seed1" / "notes.txt").read_text() == "mine"


def test_sweep__a_run_that_is_killed_fails_alone(grid, tmp_path, monkeypatch):
    begun, heard, killed = supervise._begun, Heard(), []

    def begin(run):
        process = begun(run)
        if run.seed == 1 and len(killed) < 3:
            process.kill()
            killed.append(run.name)
        return process

    monkeypatch.setattr(supervise, "_begun", begin)
    few = but(grid, methods=("fixed-fixed",), sparsities=(0.5,), seeds=(0, 1))
    with pytest.raises(BadInput, match=r"1 of 2 runs failed; .*-seed1: .* (ended early|did not begin), with code -9"):
        sweep(few, tmp_path / "new", workers=2, retries=1, watcher=heard)
    assert heard.ended == ["fixed-fixed-s0.5-seed0"]
    assert len(killed) == 2
    assert "code -9" in json.loads((tmp_path / "new" / "failed" / "fixed-fixed-s0.5-seed1.json").read_text())["error"]
    assert sweep(few, tmp_path / "new", retries=1, watcher=heard)  # it dies once more, and is tried again
    assert heard.ended == ["fixed-fixed-s0.5-seed0", "fixed-fixed-s0.5-seed1"]
    assert not list((tmp_path / "new" / "failed").iterdir())


def test_sweep__needs_no_guard_in_a_script_and_leaves_no_process_behind(grid, tmp_path):
    script = f"""
from pathlib import Path
from trainers.methods.rewired.config import SPARSE, SparseConfig
from trainers.sweep.grid import grid_of
from trainers.sweep.runs import sweep
from trainers.sweep.watcher import SweepWatcher
class Broken(SweepWatcher):
    def look(self, running, n_elsewhere):
        if running:
            raise RuntimeError("broken")
config = SparseConfig(hidden=(8,), n_bins=3, epochs=100000, batch_size=16)
grid = grid_of(SPARSE, methods=("fixed-fixed",), sparsities=(0.0,), data={grid.data!r}, config=config)
sweep(grid, Path({str(tmp_path / "new")!r}), workers=2, watcher=Broken())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert "RuntimeError: broken" in done.stderr  # and both processes have ended, or stderr would be open


def test_sweep__a_sparsity_that_leaves_no_synapse_is_refused_before_anything_is_written(grid, tmp_path):
    with pytest.raises(BadInput, match="left with no synapse"):
        sweep(but(grid, sparsities=(0.5, 0.99)), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_sweep__a_lost_table_loses_nothing_but_seconds(grid, whole, copy):
    (copy / "sweep.csv").unlink()
    assert sweep(grid, copy)
    pd.testing.assert_frame_equal(table(copy).drop(columns="seconds"), table(whole).drop(columns="seconds"))
    assert table(copy).seconds.isna().all()


def test_sweep__a_run_killed_before_its_last_network_was_written_is_not_finished(grid, whole, copy):
    run = "rewired-learned-s0.5-seed0"
    shutil.copy(copy / run / "step-000000.nc", copy / run / "last.nc")
    (copy / "sweep.csv").unlink()  # the table is only written after the network
    heard = Heard()
    assert sweep(grid, copy, watcher=heard)
    assert heard.ended == [run]
    assert_same_run(copy / run, whole / run)


@pytest.mark.parametrize(
    ("number", "group", "methods"),
    [
        ("SIGKILL", True, VARIANTS[-1:]),
        ("SIGKILL", False, VARIANTS[-1:]),
        ("SIGINT", True, (VARIANTS[0], VARIANTS[-1])),
        ("SIGINT", False, (VARIANTS[0], VARIANTS[-1])),  # passed on within half a second: the first run may be finished then
    ],
)
def test_sweep__interrupted_and_called_again_ends_the_same(grid, whole, tmp_path, number, group, methods):
    path, part = tmp_path / "sweep", but(grid, sparsities=(0.5,), methods=methods)
    command = [
        sys.executable,
        "-c",
        "from stanalysis.cli.main import main; main()",
        "sweep",
        str(grid_file(part, tmp_path / "g.toml")),
    ]
    command += ["-o", str(path), "--hidden", "8", "--workers", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    run = path / "rewired-learned-s0.5-seed0"
    while not (run / "last.nc").exists():  # that of step 0: all epochs together take less than a second
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    (os.killpg if group else os.kill)(process.pid, getattr(signal, number))
    _, printed = process.communicate(timeout=60)  # until no worker holds stderr any more
    assert "Traceback" not in printed
    assert len(table(path)) < len(methods)
    if len(methods) == 1:
        assert 0 <= read_checkpoint(run / "last.nc").attrs["epoch"] < EPOCHS
    if number == "SIGINT":
        assert process.returncode == 130
        assert "the same command goes on" in printed
        assert "Failed" not in printed
    assert sweep(part, path)
    same = table(whole)[table(whole).run.isin([point.name for point in part.points()])].reset_index(drop=True)
    pd.testing.assert_frame_equal(table(path).drop(columns="seconds"), same.drop(columns="seconds"))
    for name in same.run:
        assert_same_run(path / name, whole / name)


def other_settings(path, grid):
    return but(grid, config=replace(grid.config, l1=0.5)), "holds a sweep with l1 0.01, not 0.5"


def other_checkpoints(path, grid):
    return but(grid, checkpoints=3), "checkpoints 2, not 3"


def other_data(path, grid):
    return but(grid, gain=3.0), "gain 20.*, not 3.0"


def no_sweep(path, grid):
    (path / "sweep.json").unlink()
    return grid, "is no sweep folder"


def damaged(path, grid):
    (path / "sweep.json").write_text("{")
    return grid, "not valid JSON"


def later_version(path, grid):
    (path / "sweep.json").write_text('{"schema_version": 3}')
    return grid, "schema version 2"


def foreign_run(path, grid):
    (path / "fixed-fixed-s0.5-seed0").rename(path / "fixed-fixed-s0.5-seed1")
    return grid, "holds a run of other settings"


@pytest.mark.parametrize(
    "harm",
    [other_settings, other_checkpoints, other_data, no_sweep, damaged, later_version, foreign_run],
    ids=lambda f: f.__name__,
)
def test_sweep__refuses_another_sweeps_folder_and_leaves_it_as_it_is(grid, copy, harm):
    wanted, message = harm(copy, grid)
    before = contents(copy)
    with pytest.raises(BadInput, match=message):
        sweep(wanted, copy)
    assert contents(copy) == before


def test_grid__defaults_are_those_of_the_paper():
    points = grid_of(SPARSE).points()
    assert len({point.name for point in points}) == len(points) == 4 * 10 * 3
    assert SPARSITIES == (0, 0.5, 0.75, 0.875, 0.9375, 0.96875, 0.984375, 0.9921875, 0.99609375, 0.998046875)
    assert points[0].name == "fixed-fixed-s0-seed0"
    assert points[-1].name == "rewired-learned-s0.998047-seed2"
    config = points[-1].config
    assert (config.connectivity, config.delays, config.sparsity) == ("rewired", "learned", 0.998046875)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"methods": ()}, "no methods"),
        ({"seeds": ()}, "no seeds"),
        ({"sparsities": ()}, "no sparsities"),
        ({"methods": ("fixed",)}, "methods holds 'fixed'; give some of fixed-fixed"),
        ({"methods": VARIANTS[:1] * 2}, "fixed-fixed twice"),
        ({"seeds": (1, 0, 1)}, "1 twice"),
        ({"sparsities": (0.5, 0.5000000001)}, "0.5 twice"),
        ({"sparsities": (1.0,)}, "sparsity is 1.0"),
        ({"sparsities": (-0.1,)}, "sparsity is -0.1"),
        ({"sparsities": (float("nan"),)}, "sparsity is nan"),
        ({"seeds": (-1,)}, "A seed is -1"),
        ({"seeds": (2**63,)}, "A seed is"),
        ({"checkpoints": 1}, "at least 2"),
    ],
)
def test_grid__refuses_what_is_no_grid(entries, message):
    with pytest.raises(BadInput, match=message):
        grid_of(SPARSE, **entries)


def test_grids_from__flags_go_before_the_file_and_the_file_before_the_preset(tmp_path):
    file = tmp_path / "grid.toml"
    file.write_text(
        'seeds = [3, 4]\nsparsities = [0, 0.5]\npreset = "meszaros2024"\ngain = 2\n[config]\nhidden = [8]\nl1 = 0\n'
    )
    flags = {"seeds": (5,), "epochs": 2}
    (wanted,) = grids_from(SPARSE, file, flags)
    expected = replace(SPARSE.presets["meszaros2024"], hidden=(8,), l1=0.0, epochs=2)
    assert wanted == grid_of(SPARSE, seeds=(5,), sparsities=(0.0, 0.5), gain=2.0, config=expected)
    assert grids_from(SPARSE, None, {}) == [grid_of(SPARSE)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds = [0", "not valid TOML"),
        ("colour = 3", "'colour' is no entry there; give some of methods"),
        ("seeds = 3", "seeds is 3; give a list, each a whole number"),
        ("seeds = [0.5]", r"seeds is \[0.5\]"),
        ("seeds = [true]", r"seeds is \[True\]"),
        ("methods = [3]", "a list, each a text"),
        ("data = 3", "data is 3; give a text"),
        ("checkpoints = [2]", "give a whole number"),
        ('preset = "other"', "preset is 'other'"),
        ("config = 3", "give a table"),
        ("[config]\nhiden = [8]", "'hiden' is no entry there; give some of hidden"),
        ("[config]\nsparsity = 0.5", "'sparsity' is no entry"),
        ("[config]\nlate_arrivals = 1", "true or false"),
        ("[config]\nepochs = 0", "epochs is 0"),
        ('[config]\nmoments = "slot"', "moments is 'slot'"),
    ],
)
def test_grids_from__refuses_what_is_no_grid_file(tmp_path, text, message):
    (tmp_path / "grid.toml").write_text(text)
    with pytest.raises(BadInput, match=message):
        grids_from(SPARSE, tmp_path / "grid.toml", {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/gone.toml"], "gone.toml"),
        (["--sparsities", "1"], "sparsity is 1"),
        (["--methods", "rewired"], "rewired"),
        (["--seeds", "0", "0"], "twice"),
        (["--seeds", "-1"], "seed"),
        (["--epochs", "0"], "epochs is 0"),
        (["--checkpoints", "1"], "at least 2"),
        (["--workers", "0"], "0 workers"),
        (["--data", "speech"], "speech"),
        (["--preset", "meszaros2024", "--candidates", "delays"], "moments is 'slot'"),
    ],
)
def test_sweep__bad_input_gets_a_sentence_and_leaves_nothing(tmp_path, capsys, arguments, message):
    assert call("sweep", *[a.format(tmp=tmp_path) for a in arguments], "-o", tmp_path / "new") == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())


ROW = {"run": "a", "last_test_accuracy": 0.5, "best_test_accuracy": 0.6, "best_epoch": 3, "seconds": 61.2}


@pytest.mark.parametrize("terminal", [True, False])
def test_live_table__shows_the_runs_under_way_where_somebody_looks(tmp_path, terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None, _environ={})
    watcher = LiveTable(console, tmp_path, dict.fromkeys("abcd", 4))
    (tmp_path / "b").mkdir()
    metrics = pd.DataFrame({"epoch": [1, 2], "step": [4, 8], "validation_accuracy": [0.3, 0.4], "test_accuracy": [0.3, 0.5]})
    with watcher.live:
        watcher.begin({"d"})
        watcher.look({"a": 3.0, "b": 5.0}, 0)
        write_metrics(tmp_path / "b", metrics)
        watcher.look({"a": 4.0, "b": 6.0}, 0)
        watcher.finished(ROW)
        watcher.failed("c", "It broke.")
        watcher.warned("only 2 synapses")
    printed = console.file.getvalue()
    assert "a: 50.0% on test, 60.0% after epoch 3, the best on validation; 0:01:01 (2/4)" in printed
    assert "Failed: c: It broke." in printed
    assert "Warning: only 2 synapses" in printed
    assert ("2/4    40.0%       0:00:06" in printed) == terminal


def test_live_table__writes_a_line_of_totals_every_half_minute_where_nobody_looks(tmp_path):
    console, clock = Console(file=io.StringIO(), force_terminal=False, width=20), iter(range(0, 1000, 5))
    watcher = LiveTable(console, tmp_path, dict.fromkeys(["a[/x]", "b", "c", "d"], 4), monotonic=lambda: float(next(clock)))
    (tmp_path / "a[/x]").mkdir(parents=True)
    metrics = pd.DataFrame({"epoch": [1], "step": [4], "validation_accuracy": [0.3], "test_accuracy": [0.3]})
    watcher.begin({"d"})
    watcher.look({"a[/x]": 3.0}, 0)
    write_metrics(tmp_path / "a[/x]", metrics)
    for _ in range(10):
        watcher.look({"a[/x]": 4.0}, 0)
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "under way 1, at epoch 0 to 0 of 4; 1/4 runs, 0:00:10, time left not known yet"
    assert lines[1].startswith("under way 1, at epoch 1 to 1 of 4; 1/4 runs, 0:00:")
    assert lines[1].endswith(" left")
    assert len(lines) == 2
