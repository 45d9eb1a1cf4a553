"""What the command line says of the methods derives from their records."""

from __future__ import annotations

import inspect
import io
import json
import subprocess
import sys
import warnings
from dataclasses import fields

import pytest
from rich.console import Console

from stanalysis.cli import main as cli
from stanalysis.files.sweep import GRID
from tests.trainers.recordings import write_rawhd
from trainers.cli.live_table import LiveTable
from trainers.cli.printing import warnings_said
from trainers.cli.sweep import sweep
from trainers.cli.train import app, train_verb
from trainers.methods.registry import METHODS
from trainers.methods.settings import head, settings

# the options of 0.6.0
DENSE = [
    "output",
    "preset",
    "data",
    "gain",
    "hidden",
    "delays",
    "kernel_count",
    "n_bins",
    "dropout",
    "batch_size",
    "epochs",
    "weight_rate",
    "delay_rate",
]
SPARSE = [
    "sparsity",
    "connectivity",
    "signs",
    "candidates",
    "candidate_share",
    "grow",
    "every",
    "temperature",
    "drop_fraction",
    "l1",
    "moments",
]
SHARED = ["seed", "checkpoints", "threads", "resume"]


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main([str(a) for a in arguments])
    printed = capsys.readouterr()
    return caught.value.code, " ".join((printed.out + printed.err).split())


def test_train__has_a_verb_for_every_method_with_a_line_of_its_own(capsys):
    code, shown = call(capsys, "train", "--help")
    assert code == 0
    for method in METHODS.values():
        assert method.summary in shown.replace(" │ │ ", " ")
    assert app.help == "Train a network with delays and keep its checkpoints."


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_train__help_says_of_every_field_what_it_is_and_its_default(method, capsys, monkeypatch):
    monkeypatch.setattr(cli.app, "console", Console(width=1000))  # the app's own is as wide as the first that asked
    code, shown = call(capsys, "train", method.verb, "--help")
    assert code == 0
    assert method.summary in shown
    assert head(method.config)[1] in shown
    for name, setting in settings(method.config).items():
        assert setting.text, f"{name} is not documented"
        if len(setting.choices) == 1:
            continue
        assert f"--{name.replace('_', '-')}" in shown
        assert setting.text in shown
    assert f"[default: {method.default.batch_size}]" in shown
    assert "Training steps between rewirings" not in shown or method.verb == "sparse"


@pytest.mark.parametrize(
    ("verb", "options"),
    [("dense", [*DENSE, *SHARED]), ("sparse", [*(set(DENSE) - {"kernel_count"}), *SPARSE, *SHARED])],
)
def test_train_verb__has_the_options_of_0_6_0_and_none_is_given_by_default(verb, options):
    method = next(m for m in METHODS.values() if m.verb == verb)
    slots = inspect.signature(train_verb(method)).parameters
    assert set(options) <= set(slots)
    assert set(slots) == {*options, "bin"} | {  # since 0.8.0
        f.name for f in fields(method.config) if len(settings(method.config)[f.name].choices) != 1
    }
    assert all(slots[f.name].default is None for f in fields(method.config) if f.name in slots)


@pytest.mark.parametrize(
    "arguments", [["train", "--help"], ["train", "dense", "--help"], ["sweep", "--help"], ["sweep", "eventprop", "--help"]]
)
def test_help__imports_no_numpy(arguments):
    code = f"import sys; from stanalysis.cli.main import app; app({arguments}); assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dense", "--delays", "some"], "some"),
        (["dense", "--time-constant", "0.5"], "time_constant is 0.5; give 1 or more"),
        (["dense", "--sparsity", "0.5"], "--sparsity"),
        (["sparse", "--kernel-count", "2"], "--kernel-count"),
        (["sparse", "--moments", "slot"], "needs candidates 'pairs'"),
        (["eventprops"], "eventprops"),
        (["eventprop", "--gain", "2"], "gain"),
    ],
)
def test_train__bad_options_get_a_sentence_and_leave_nothing(capsys, tmp_path, arguments, message):
    code, shown = call(capsys, "train", *arguments, "-o", tmp_path / "new")
    assert code == 2
    assert message in shown
    assert not list(tmp_path.iterdir())


def test_sweep__options_are_those_of_the_grid_and_the_networks():
    slots = inspect.signature(sweep).parameters
    assert {"grid", "output", "workers", "preset", "methods", "sparsities", "seeds", "data", "gain", "dropout"} <= set(slots)
    assert not {"sparsity", "connectivity", "delays", "config", "kernel_count"} & set(slots)


@pytest.mark.parametrize(
    ("verb", "data"), [("dense", "spoken_digits"), ("sparse", "spoken_digits"), ("eventprop", "spoken_digits_spikes")]
)
def test_train__help_says_the_data_that_the_method_learns_from(capsys, verb, data):
    shown = " ".join(call(capsys, "train", verb, "--help")[1].replace("│", "").split())
    assert f"a file of Braille letters. [default: {data}]" in shown


@pytest.mark.slow
def test_train__spikes_are_binned_and_a_run_keeps_its_bins(capsys, tmp_path):
    run, arguments = tmp_path / "run", ("dense", "--epochs", 1, *SMALL)
    code, shown = call(capsys, "train", *arguments, "--data", "yin_yang", "--bin", 4, "-o", run)
    assert code == 0, shown
    stored = json.loads((run / "run.json").read_text())["dataset"]
    assert (stored["name"], stored["dt"], stored["gain"]) == ("yin_yang", 4.0, 1.0)
    for again in (("train", "dense", "--resume", "-o", run), ("prune", run, "--fractions", 0, "--draws", 1, "--threads", 1)):
        code, shown = call(capsys, *again)
        assert code == 0, shown
    code, shown = call(capsys, "train", "dense", "--resume", "--bin", 5, "-o", run)
    assert code == 2
    assert "with dt 4.0, not 5.0" in shown
    code, shown = call(capsys, "train", *arguments, "--bin", 4, "-o", tmp_path / "new")
    assert code == 2
    assert "leave out the bins of 4 ms" in shown
    assert not (tmp_path / "new").exists()


NAMED = "a[/x]b[bold]"  # what rich would take for the end of a style, and for the beginning of one
SMALL = ("--hidden", 4, "--n-bins", 3, "--batch-size", 16, "--threads", 1)


@pytest.mark.slow
def test_verbs__print_names_that_look_like_markup_as_they_are(capsys, tmp_path):
    folder, sweeps = tmp_path / NAMED, tmp_path / f"{NAMED}s"
    (data := tmp_path / f"{NAMED}d").mkdir(parents=True)
    write_rawhd(data)
    for verb, arguments, written in (
        ("train", ("dense", "--data", data, "--epochs", 1, "-o", folder, *SMALL), folder),
        ("prune", (folder, "--fractions", 0.5, "--draws", 1, "--threads", 1), folder / "pruning.csv"),
        ("sweep", (grid_of_one(data, tmp_path), "-o", sweeps, "--workers", 1), sweeps / "sweep.csv"),
    ):
        code, shown = call(capsys, verb, *arguments)
        assert code == 0, shown
        assert str(written) in shown
    code, shown = call(capsys, "train", "dense", "-o", folder)  # once more
    assert code == 2
    assert f"{folder} exists and is not empty" in shown


def grid_of_one(data, folder):
    file = folder / "grid.toml"
    config = "hidden = [4]\nn_bins = 3\nepochs = 1\nbatch_size = 16\n"
    file.write_text(f"methods = ['fixed-fixed']\nsparsities = [0.0]\nseeds = [0]\ndata = '{data}'\n[config]\n{config}")
    return file


def test_warnings_said__quotes_what_a_warning_says():
    console = Console(file=io.StringIO(), width=20)
    with warnings_said(console):
        warnings.simplefilter("always")
        warnings.warn(f"{NAMED} \x1b[2J of a long sentence \\", stacklevel=1)
    assert console.file.getvalue() == f"Warning: {NAMED} �[2J of a long sentence \\\n"


def test_live_table__quotes_what_went_wrong(tmp_path):
    console = Console(file=io.StringIO(), width=20)
    watcher = LiveTable(console, tmp_path, {"run": 1})
    watcher.begin(())
    watcher.failed("run", f"{NAMED} holds no run.")
    watcher.warned(NAMED)
    assert console.file.getvalue() == f"Failed: run: {NAMED} holds no run.\nWarning: {NAMED}\n"


def test_axes__are_the_grid_of_the_table():
    assert METHODS["sparse"].design.fields == set(GRID)
