from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import xarray as xr

from stanalysis.analysis.analyze import analyze
from stanalysis.cli import main as cli
from stanalysis.files.analysis import read_analysis
from stanalysis.files.checkpoint import read_checkpoint, write_checkpoint
from stanalysis.files.run import step_path, write_info
from stanalysis.readers.options import Options
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.stats.spatial.autocorrelation import morans_i
from stanalysis.synthetic.network import small_network

LAZY = {
    "sweep": "trainers.cli.sweep:sweep",
    "prune": "trainers.cli.prune:prune",
    "operate": "trainers.cli.operate:operate",
    "convert": "stanalysis.cli.convert:convert",
    "inspect": "stanalysis.cli.inspect:inspect",
    "analyze": "stanalysis.cli.analyze:analyze",
    "report": "reports.cli:report",
    "demo": "stanalysis.cli.demo:demo",
    "warm-up": "stanalysis.cli.warm_up:warm_up",
}
FOREIGN = Path(__file__).parents[1] / "readers" / "files"
KERNEL = ("--dt", "10", "--kernel-size", "25", "--left-padding", "24")


def call(*arguments):
    """Exit code of the command line."""
    with pytest.raises(SystemExit) as caught:
        cli.main([str(a) for a in arguments])
    return caught.value.code


def imported(place):
    module, name = place.split(":")
    return getattr(importlib.import_module(module), name)


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run"
    write_info(path, {"method": "dcls", "seed": 0})
    for step in (0, 4):
        write_checkpoint(small_network(step=step), step_path(path, step))
    write_checkpoint(small_network(step=4), path / "last.nc")
    return path


@pytest.mark.parametrize(("verb", "place"), LAZY.items(), ids=LAZY.keys())
def test_help__repeats_the_first_line_of_the_docstring(verb, place):
    helps = dict(re.findall(r'name="([a-z-]+)",\s*help="([^"]+)"', inspect.getsource(cli)))
    assert helps[verb] == (imported(place).__doc__ or "").splitlines()[0]


@pytest.mark.parametrize("place", LAZY.values(), ids=LAZY.keys())
def test_verbs__every_option_is_documented(place):
    verb = imported(place)
    hints = get_type_hints(verb, include_extras=True)
    derived = {name for name, hint in hints.items() if any(getattr(part, "help", "") for part in get_args(hint)[1:])}
    assert set(inspect.signature(verb).parameters) - {"foreign"} <= documented(verb) | derived


def test_verbs__options_of_foreign_networks_are_documented():
    verbs = [verb for verb in map(imported, LAZY.values()) if "foreign" in inspect.signature(verb).parameters]
    assert {verb.__name__ for verb in verbs} == {"analyze", "convert", "inspect"}
    assert {field.name for field in fields(Options)} <= documented(Options)


def documented(thing):
    return set(re.findall(r"^    (\w+)$", inspect.getdoc(thing).replace("\n", "\n    "), re.MULTILINE))


def test_analyze__defaults_are_those_of_the_library():
    def defaults(function):
        return {k: p.default for k, p in inspect.signature(function).parameters.items() if p.default is not p.empty}

    verb, library, statistic = (defaults(f) for f in (imported(LAZY["analyze"]), analyze, morans_i))
    test = NullTest()
    assert verb["null"] == test.null
    assert verb["permutations"] == test.n_permutations
    assert verb["alternative"] == test.alternative
    assert verb["contiguity"] == library["lattice"].contiguity == statistic["lattice"].contiguity
    assert verb["seed"] == test.seed
    assert (verb["workers"], verb["check"]) == (library["workers"], library["check"])


def test_help__imports_no_numpy():
    code = "import sys; from stanalysis.cli.main import app; app(['--help']); assert 'numpy' not in sys.modules"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(verb in printed for verb in [*LAZY, "train"])


def test_import__is_lazy():
    code = "import sys, stanalysis; stanalysis.BadInput; assert 'numpy' not in sys.modules; stanalysis.morans_i"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_inspect__prints_what_the_run_holds(run, capsys):
    assert call("inspect", run) == 0
    printed = capsys.readouterr().out
    assert "step: 4" in printed
    assert "input__hidden1" in printed
    assert "Delays of input__hidden1" in printed


@pytest.mark.slow
def test_analyze__writes_the_files_and_prints_a_table(run, tmp_path, capsys):
    assert call("analyze", run, "-o", tmp_path / "out" / "a.nc", "--permutations", 49) == 0
    assert "run: input__hidden1" in capsys.readouterr().out
    tables = ("grouping-conditions", "grouping", "neurons", "published", "summary")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [*(f"a-{table}.csv" for table in tables), "a.nc"]


@pytest.mark.slow
def test_analyze__json_is_for_programs(run, tmp_path, capsys):
    assert call("analyze", run, "-o", tmp_path / "a.nc", "--permutations", 49, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["permutations"] == 49
    assert {row["step"] for row in found["rows"]} == {0, 4}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "nowhere.nc"], "nowhere.nc does not exist"),
        (["inspect", "{tmp}"], "holds no network"),
        (["inspect", "{foreign}/dcls_gauss.pt", "--dt", "10", "--kernel-size", "25.5"], "25.5"),
        (["convert", "{foreign}/dcls_gauss.pt", "-o", "{tmp}/new", *KERNEL, "--seed", "3.7"], "3.7"),
        (["convert", "{foreign}/dcls_gauss.pt", "-o", "{tmp}/new", *KERNEL, "--config", "a=1", "a=2"], "a is said twice"),
        (["convert", "{foreign}/dcls_gauss.pt", "-o", "{tmp}/new", *KERNEL, "--config", "step=2"], "step is known otherwise"),
        (["inspect", "{tmp}/nowhere.pt"], "does not exist"),
        (["inspect", "{foreign}/dcls_gauss.pt"], "give --dt .*--kernel-size .*at least 24 steps.*--left-padding"),
        (["inspect", "{foreign}/dcls_gauss.pt", "--reader", "dlcs"], "no reader 'dlcs'"),
        (["inspect", "{foreign}/dcls_gauss.pt", "--reader", "nir"], "does not look like what the reader 'nir' reads"),
        (["convert", "{foreign}/dcls_gauss.pt", "-o", "{tmp}/new", "--config", "a"], "NAME=VALUE"),
        (["convert", "{foreign}/dcls_gauss.pt", "-o", "{tmp}/new", "--neurons", "a", *KERNEL], "POPULATION=NUMBER"),
        (["convert", "{foreign}/dcls_gauss.pt", "-o", "{tmp}/new", *KERNEL[2:], "--dt", "-1"], "--dt is -1"),
        (["convert", "{foreign}/dcls_gauss.pt", "-o", "{tmp}/run", *KERNEL], "exists already"),
        (["convert", "{tmp}/run", "-o", "{tmp}/new"], "already"),
        (["convert", "{tmp}", "-o", "{tmp}/new"], "holds no network"),
        (["convert", "{foreign}/dcls_gauss.pt", "-o", "{tmp}/new", "--mapping", "{tmp}/text.nc"], "as TOML"),
        (["analyze", "{foreign}/dcls_gauss.pt", "-o", "{tmp}/out.nc", "--dt", "10"], "--kernel-size"),
        (["inspect", "{tmp}/text.nc"], "cannot be read as a checkpoint"),
        (["inspect"], "requires an argument"),
        (["analyze", "{tmp}/run", "-o", "{tmp}/out.txt"], "does not end in .nc"),
        (["analyze", "-o", "{tmp}/out.nc"], "RUNS|runs"),
        (["analyze", "{tmp}/nowhere", "-o", "{tmp}/out.nc"], "nowhere does not exist"),
        (["analyze", "{tmp}/run", "-o", "{tmp}/out.nc", "--null", "magic"], "magic"),
        (["analyze", "{tmp}/run", "-o", "{tmp}/out.nc", "--permutations", "-1"], "-1"),
        (["analyze", "{tmp}/run", "-o", "{tmp}/out.nc", "--seed", "-1"], "seed"),
        (["train", "dense", "-o", "{tmp}/run"], "not empty"),
        (["train", "dense", "-o", "{tmp}/new", "--epochs", "0"], "epochs is 0"),
        (["train", "dense", "-o", "{tmp}/new", "--hidden", "0"], "hidden"),
        (["train", "dense", "-o", "{tmp}/new", "--dropout", "1"], "dropout"),
        (["train", "dense", "-o", "{tmp}/new", "--data", "{tmp}"], "training_x_data.npy"),
        (["train", "dense", "-o", "{tmp}/new", "--data", "speech"], "speech"),
        (["train", "dense", "-o", "{tmp}/new", "--checkpoints", "1"], "at least 2"),
        (["train", "dense", "-o", "{tmp}/new", "--threads", "999"], "999 threads"),
        (["train", "dense", "-o", "{tmp}/new", "--seed", "-1"], "seed"),
        (["train", "dense", "-o", "{tmp}/new", "--seed", "99999999999999999999"], "seed"),
        (["train", "dense", "-o", "{tmp}/new", "--threads", "0"], "0 threads"),
        (["train", "dense", "-o", "{tmp}/new", "--weight-rate", "inf"], "weight_rate is inf"),
        (["train", "dense", "-o", "{tmp}/new", "--hidden", "1000000000"], "more memory"),
        (["train", "dense", "-o", "{tmp}/text.nc/new"], "text.nc"),
        (["train", "dense", "-o", "{tmp}/run", "--resume"], "no valid configuration"),
        (["analyze", "{tmp}/run", "{tmp}/run", "-o", "{tmp}/out.nc"], "given twice"),
        (["analyze", "{tmp}/run", "-o", "{tmp}/out.nc", "--permutations", "0"], "at least 1"),
        (["analyze", "{tmp}/run", "-o", "{tmp}/text.nc/out.nc", "--permutations", "9"], "text.nc"),
        (["analyze", "{tmp}/run", "-o", "{tmp}/out.nc", "--seed", "99999999999999999999"], "seed"),
        (["train", "dense", "-o", "{tmp}/new", "--resume"], "no run folder"),
        (["report", "{tmp}/nowhere.nc", "-o", "{tmp}/new"], "does not exist"),
        (["report", "{tmp}/run/last.nc", "-o", "{tmp}/new"], "no whole analysis file"),
        (["frobnicate"], "frobnicate"),
    ],
)  # fmt: skip
def test_main__bad_input_gets_a_sentence_and_leaves_nothing(run, tmp_path, capsys, arguments, message):
    (tmp_path / "text.nc").write_text("hello")
    before = sorted(tmp_path.rglob("*"))
    assert call(*[a.format(tmp=tmp_path, foreign=FOREIGN) for a in arguments]) == 2
    printed = capsys.readouterr().err
    assert re.search(message, printed.replace("\n", " "))
    assert "Traceback" not in printed
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_convert__makes_a_run_that_the_other_verbs_take(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    run = tmp_path / "run"
    assert call("convert", FOREIGN / "dcls_two_contacts.pt", "-o", run, *KERNEL, "--config", "sparsity=0.5", "kind=NaN") == 0
    printed = capsys.readouterr().out
    assert "Read by the reader dcls, as guessed" in printed
    assert "input__hidden1" in printed
    assert json.loads((run / "run.json").read_text())["config"] == {"sparsity": 0.5, "kind": "NaN"}
    assert call("inspect", run) == 0
    of_run = capsys.readouterr().out
    assert call("inspect", FOREIGN / "dcls_two_contacts.pt", *KERNEL) == 0
    direct = capsys.readouterr().out
    assert "Not used" not in direct
    assert "seed: unknown" in of_run
    tables = [text[text.index("Populations") :] for text in (of_run, direct)]
    assert tables[0] == tables[1]
    assert call("analyze", run, "-o", tmp_path / "a.nc", "--permutations", 19) == 0
    assert call("analyze", FOREIGN / "dcls_two_contacts.pt", *KERNEL, "-o", tmp_path / "b.nc", "--permutations", 19) == 0
    one, other = (read_analysis(tmp_path / name)["statistics/input__hidden1"] for name in ("a.nc", "b.nc"))
    xr.testing.assert_equal(one.value.isel(run=0, drop=True), other.value.isel(run=0, drop=True))
    assert call("prune", run) == 2
    assert "trained by another program" in capsys.readouterr().err


def test_inspect__what_files_say_are_no_instructions_to_the_terminal(tmp_path, capsys):
    (tmp_path / "[").mkdir()
    shutil.copy(FOREIGN / "dcls_gauss.pt", tmp_path / "[/x].pt")
    assert call("inspect", tmp_path / "[/x].pt", *KERNEL) == 0
    assert "[/x].pt" in capsys.readouterr().out
    np.savez(tmp_path / "a.npz", w=np.ones((2, 2)))
    axes = 'weight_axes = ["target", "source"]'
    projection = f'[[projection]]\nsource = "a"\ntarget = "b"\nweight = "w"\n{axes}\ndelay = 1\nunit = "ms"'
    (tmp_path / "mapping.toml").write_text(f'framework = "\\u001b[2J[/x]"\ndt = 1.0\nmax_delay = 2.0\n{projection}')
    assert call("convert", tmp_path / "a.npz", "--mapping", tmp_path / "mapping.toml", "-o", tmp_path / "run") == 0
    assert call("inspect", tmp_path / "run") == 0
    printed = capsys.readouterr().out
    assert "framework: �[2J[/x]" in printed
    assert "\x1b" not in printed
    assert call("inspect", tmp_path / "a\x1b[2J.pt") == 2
    assert "\x1b[2J" not in capsys.readouterr().err


def test_main__no_command_shows_the_help(capsys):
    assert call() == 0
    assert "analyze" in capsys.readouterr().out


TRAIN = [sys.executable, "-c", "from stanalysis.cli.main import main; main()", "train", "dense", "--hidden", "8"]


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [3])
def test_train__ctrl_c_exits_with_130_and_resumes_to_the_end(tmp_path, epochs):
    path = tmp_path / "run"
    command = [*TRAIN, "-o", str(path), "--epochs", str(epochs), "--threads", "1", "--checkpoints", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "200"})
    while not (path / "last.nc").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "--resume" in printed
    assert "Traceback" not in printed
    assert call("train", "dense", "-o", path, "--resume", "--seed", 5) == 2
    assert call("train", "dense", "-o", path, "--resume") == 0
    assert read_checkpoint(path / "last.nc").attrs["epoch"] == epochs
    assert call("train", "dense", "-o", path, "--resume") == 0


def test_version__is_that_of_the_distribution(capsys):
    assert call("--version") == 0
    assert capsys.readouterr().out.strip() == importlib.metadata.version("stanalysis-workbench")


@pytest.mark.slow
def test_train__uses_the_cores_it_may(tmp_path):
    environment = os.environ | {"NUMBA_NUM_THREADS": "1"}
    command = [*TRAIN, "-o", str(tmp_path / "run"), "--epochs", "1", "--checkpoints", "2"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["threads"] == 1


def test_train__resuming_with_a_preset_is_refused(tmp_path, capsys):
    for verb, preset in (("dense", "hammouamri2024"), ("sparse", "meszaros2024")):
        assert call("train", verb, "-o", tmp_path / "run", "--resume", "--preset", preset) == 2
        assert "--preset cannot be given with --resume" in " ".join(capsys.readouterr().err.split())


def test_analyze__never_replaces_what_is_no_analysis(tmp_path, capsys):
    checkpoint = tmp_path / "last.nc"
    write_checkpoint(small_network(), checkpoint)
    before = checkpoint.read_bytes()
    assert call("analyze", checkpoint, "-o", checkpoint) == 2
    assert "exists and is no analysis file" in " ".join(capsys.readouterr().err.split())
    assert checkpoint.read_bytes() == before


def test_run__of_the_wrong_kinds_gets_a_sentence(tmp_path, capsys):
    write_info(tmp_path / "run", {"method": "sparse", "dataset": [1]})
    assert call("train", "sparse", "-o", tmp_path / "run", "--resume") == 2
    assert "dataset = [1]; expected an object" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_main__a_package_that_hides_ours_is_named(tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "__init__.py").touch()
    command = [sys.executable, "-m", "stanalysis", "report", "a.nc", "-o", "out"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"COLUMNS": "1000"})
    assert ended.returncode == 2
    assert f"{tmp_path / 'reports' / '__init__.py'} hides the package 'reports' of this program" in ended.stderr


@pytest.mark.slow
def test_main__names_of_folders_are_no_markup(tmp_path, capsys):
    run = tmp_path / "a[" / "x]b[red]" / "last.nc"
    write_checkpoint(small_network(step=3), run)
    assert call("analyze", run, "-o", tmp_path / "a[" / "x]b[red]" / "an.nc", "--permutations", "9", "--no-check") == 0
    assert "a[/x]b[red]/an.nc" in capsys.readouterr().out.replace("\n", "")
    assert call("inspect", run) == 0
    assert "a[/x]b[red]/last.nc" in capsys.readouterr().out.replace("\n", "")
