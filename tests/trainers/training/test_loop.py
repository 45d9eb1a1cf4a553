"""Interrupting, resuming, choosing the best epoch: on a data set small enough for a few seconds."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numba
import pytest
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files import lock
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.lock import held
from stanalysis.files.records import read_json, write_json
from stanalysis.files.run import is_free, open_run, read_metrics
from stanalysis.files.temporary import temporary_name
from tests.trainers.recordings import recordings
from tests.trainers.toy_runs import CONFIG, InterruptAt, assert_same_run, trained
from trainers.methods.dcls.config import DclsConfig
from trainers.methods.settings import config_from
from trainers.training import loop
from trainers.training.schedule import checkpoint_steps
from trainers.training.watcher import Watcher


@pytest.fixture(autouse=True)
def every_epoch_is_written(monkeypatch):
    """As of networks whose epochs take seconds."""
    monkeypatch.setattr(loop, "WRITE_EVERY", 0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    assert trained(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("batches", [1, 3, 5, 11])
def test_train__interrupted_and_resumed_ends_bit_identical(whole, tmp_path, batches):
    path = tmp_path / "run"
    assert not trained(path, watcher=InterruptAt(batches))
    assert read_checkpoint(path / "last.nc").attrs["step"] == batches
    assert trained(path)
    assert_same_run(path, whole)


@pytest.mark.slow
def test_train__killed_and_resumed_ends_bit_identical(whole, tmp_path):
    path = tmp_path / "run"
    script = textwrap.dedent(
        f"""
        import time
        from pathlib import Path
        from tests.trainers.toy_runs import trained
        from trainers.training.watcher import Watcher
        class Slow(Watcher):
            def batch(self, epoch, loss): time.sleep(0.2)
        trained(Path({str(path)!r}), watcher=Slow())
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[3])
    while not (path / "last.nc").exists():
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.3)
    process.kill()
    process.wait()
    assert read_checkpoint(path / "last.nc").attrs["step"] < 12
    assert trained(path)
    assert_same_run(path, whole)


@pytest.mark.slow
def test_train__a_folder_is_startable_or_resumable_at_every_instant(whole, tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    (path / temporary_name().replace(f"-{os.getpid()}-", "-4194305-")).write_text("half of run.json")
    assert is_free(path)
    assert not trained(path, watcher=InterruptAt(5))  # one epoch, and a batch
    assert [name.name for name in path.iterdir() if name.name.startswith(".")] == []
    (path / "last.nc").unlink()  # as version 0.6 left it when it was killed at the end of its first epoch
    assert not is_free(path)
    assert trained(path)
    assert_same_run(path, whole)


@pytest.mark.slow
def test_train__the_first_checkpoint_is_the_last_until_there_is_another(whole, tmp_path):
    class KilledAtOnce(Watcher):
        def begin(self, step, n_steps):
            raise RuntimeError

    path = tmp_path / "run"
    with pytest.raises(RuntimeError):
        trained(path, watcher=KilledAtOnce())
    assert (path / "last.nc").read_bytes() == (path / "step-000000.nc").read_bytes()
    assert trained(path)
    assert_same_run(path, whole)


def test_train__a_run_that_another_process_writes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_PATIENCE", 0.1)
    with held(tmp_path / "run"), pytest.raises(BadInput, match=rf"run is being written by process {os.getpid()} on"):
        trained(tmp_path / "run")


@pytest.mark.parametrize("pause", [0, math.inf])
def test_train__what_is_told_is_on_the_disk(tmp_path, monkeypatch, pause):
    class Looks(Watcher):
        def epoch(self, row):
            metrics = read_metrics(path)
            line = metrics.set_index("step").loc[row["step"]]
            assert line["validation_accuracy"] == row["validation_accuracy"]
            assert read_checkpoint(path / "last.nc").attrs["step"] == metrics["step"].iloc[-1]
            best = metrics.iloc[metrics["validation_accuracy"].argmax()]
            assert read_checkpoint(path / "best.nc").attrs["step"] == best["step"]
            looked.append(row["step"])

    monkeypatch.setattr(loop, "WRITE_EVERY", pause)
    path, looked = tmp_path / "run", []
    assert trained(path, watcher=Looks())
    assert looked == list(read_metrics(path)["step"])


def test_train__files_do_not_depend_on_how_often_they_are_written(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "WRITE_EVERY", math.inf)
    path = tmp_path / "run"
    assert not trained(path, watcher=InterruptAt(7))  # in its third epoch, nothing being written before
    assert list(read_metrics(path)["step"]) == [3, 6]
    assert trained(path)
    assert_same_run(path, whole)


@pytest.mark.slow
@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one core")
def test_train__number_of_threads_does_not_change_the_network(whole, tmp_path):
    assert trained(tmp_path / "run", threads=2)
    assert_same_run(tmp_path / "run", whole)


def test_train__writes_the_run_folder(whole):
    run = open_run(whole)
    assert list(run.steps) == checkpoint_steps(12, 5)
    assert run.info["threads"] == 1
    assert run.info["dataset"]["sha256"] == "toy 0"
    assert {"python", "numpy", "numba"} <= set(run.info["versions"])
    first = read_checkpoint(run.steps[0])
    assert first.attrs["step"] == 0
    assert json.loads(first.attrs["config"])["hidden"] == [6]
    assert set(first["metrics"].data_vars) == {f"{p}_{w}" for p in ("validation", "test") for w in ("loss", "accuracy")}
    table = first["projections/input__hidden1"].to_dataset()
    assert table.sizes["synapse"] == 36
    assert table.attrs["delay_max"] == 40.0
    xr.testing.assert_identical(read_checkpoint(run.last), read_checkpoint(run.steps[12]))


def test_train__keeps_the_epoch_best_on_validation(whole):
    metrics = read_metrics(whole)
    best = metrics.loc[metrics.validation_accuracy.idxmax()]
    assert read_checkpoint(whole / "best.nc").attrs["step"] == best.step


def test_train__an_ended_run_is_left_as_it_is(whole):
    before = {p.name: p.read_bytes() for p in whole.iterdir()}
    assert trained(whole)
    assert {p.name: p.read_bytes() for p in whole.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 8}, "seed"),
        ({"n_checkpoints": 3}, "n_checkpoints"),
        ({"data": recordings(1)}, "sha256 toy 0, not toy 1"),
        ({"config": DclsConfig(hidden=(7,), n_bins=5, batch_size=16, epochs=4)}, "hidden"),
    ],
)
def test_train__other_settings_are_refused(whole, change, message):
    with pytest.raises(BadInput, match=message):
        trained(whole, **change)


@pytest.mark.slow
def test_train__other_versions_warn(whole, tmp_path):
    path = tmp_path / "run"
    trained(path, watcher=InterruptAt(2))
    info = read_json(path / "run.json", remedy="")
    info["versions"]["numpy"] = "0.1"
    write_json(path / "run.json", info)
    with pytest.warns(UserWarning, match="numpy 0.1"):
        assert trained(path)


@pytest.mark.parametrize("threads", [0, 1000])
def test_train__impossible_thread_counts_are_refused_and_leave_nothing(tmp_path, threads):
    with pytest.raises(BadInput, match="threads"):
        trained(tmp_path / "run", threads=threads)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_train__learns_the_toy_task(tmp_path):
    config = DclsConfig(hidden=(16,), n_bins=7, batch_size=20, epochs=40, dropout=0.0, l1=0.0)
    assert trained(tmp_path / "run", config=config)
    assert read_metrics(tmp_path / "run").test_accuracy.iloc[-1] > 0.8


def test_checkpoint_steps__short_runs_keep_each_step_once():
    assert checkpoint_steps(3, 10) == [0, 1, 2, 3]
    assert checkpoint_steps(26, 2) == [0, 26]
    assert checkpoint_steps(1, 2) == [0, 1]
    with pytest.raises(BadInput, match="at least 2"):
        checkpoint_steps(10, 1)


def swap_seed(path):
    trained(path.with_name("other"), seed=8, watcher=InterruptAt(3))
    (path.with_name("other") / "last.nc").replace(path / "last.nc")


def drop_metrics(path):
    (path / "metrics.csv").unlink()


@pytest.mark.slow
@pytest.mark.parametrize(("harm", "message"), [(swap_seed, "not the last checkpoint"), (drop_metrics, "lacks epochs")])
def test_train__a_tampered_run_is_not_resumed(tmp_path, harm, message):
    path = tmp_path / "run"
    trained(path, watcher=InterruptAt(5))
    harm(path)
    with pytest.raises(BadInput, match=message):
        trained(path)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_train__stops_when_it_diverges(tmp_path):
    with pytest.raises(BadInput, match="diverged within"):
        trained(tmp_path / "run", config=DclsConfig(hidden=(6,), n_bins=5, batch_size=16, epochs=4, weight_rate=1e38))


@pytest.mark.parametrize("stored", [None, 3, {}, {"hidden": [3]}, {**vars(CONFIG), "epochs": "3"}, {**vars(CONFIG), "more": 1}])
def test_config_from__refuses_what_is_no_configuration(stored):
    with pytest.raises(BadInput, match="no valid configuration"):
        config_from(stored, DclsConfig)
    assert config_from({**vars(CONFIG), "hidden": list(CONFIG.hidden)}, DclsConfig) == CONFIG


def test_train__that_diverges_leaves_the_epochs_that_led_there(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "WRITE_EVERY", math.inf)
    real = loop.measured

    def diverging(training, state, progress):
        if progress.step == 9:
            raise BadInput("Training diverged within 9 steps.")
        return real(training, state, progress)

    monkeypatch.setattr(loop, "measured", diverging)
    path = tmp_path / "run"
    with pytest.raises(BadInput, match="diverged"):
        trained(path, n_checkpoints=2)
    assert list(read_metrics(path)["step"]) == [3, 6]
    assert (path / "best.nc").exists()
    assert read_checkpoint(path / "last.nc").attrs["step"] < 6
    monkeypatch.undo()
    assert trained(path, n_checkpoints=2)
    assert list(read_metrics(path)["step"]) == [3, 6, 9, 12]
