from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from stanalysis.cli import main as cli
from stanalysis.cli.inspect import MOST_SHOWN
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.readers import choosing
from stanalysis.synthetic.network import event_based_network

FOREIGN = Path(__file__).parents[1] / "readers" / "files"
SENTENCE = "name its weights and delays in a TOML file, which stanalysis inspect --template begins"


def call(*arguments):
    """Exit code of the command line."""
    with pytest.raises(SystemExit) as caught:
        cli.main([str(a) for a in arguments])
    return caught.value.code


@pytest.fixture
def unknown(tmp_path):
    path = tmp_path / "unknown.npz"
    np.savez(path, **{"fc.weight": np.ones((3, 4), np.float32), "fc.bias": np.ones(3), "lag.delay": np.full(3, 2)})
    return path


def test_inspect__of_a_file_no_reader_knows_prints_the_arrays(unknown, capsys):
    assert call("inspect", unknown) == 2
    printed = capsys.readouterr()
    rows = [line.split() for line in printed.out.splitlines()]
    assert ["fc.weight", "(3,", "4)", "float32"] in rows
    assert ["lag.delay", "(3,)", "int64"] in rows
    assert SENTENCE in printed.err


def test_inspect__of_a_file_that_several_readers_know_prints_the_arrays(unknown, capsys, monkeypatch):
    monkeypatch.setattr(choosing, "_recognises", lambda name, _: name in ("dcls", "nir"))
    assert call("inspect", unknown) == 2
    printed = capsys.readouterr()
    assert "fc.weight" in printed.out
    assert "could be read by dcls and by nir; say which with --reader" in printed.err


def test_inspect__of_a_known_file_that_lacks_options_prints_no_arrays(capsys):
    assert call("inspect", FOREIGN / "dcls_gauss.pt") == 2
    assert not capsys.readouterr().out


def test_inspect__arrays_are_bounded_and_no_instructions_to_the_terminal(tmp_path, capsys):
    arrays = {f"a{k}": np.ones(1) for k in range(MOST_SHOWN + 5)}
    np.savez(tmp_path / "many.npz", **{"w\x1b[2J": np.ones(2)} | arrays)
    assert call("inspect", tmp_path / "many.npz") == 2
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "w�[2J" in printed
    assert "… and 6 more" in printed
    assert "a98" in printed
    assert "a99" not in printed


def test_inspect__a_series_no_reader_knows_prints_the_arrays_of_its_first(tmp_path, capsys):
    for step in (1, 2):
        shutil.copy(FOREIGN / "torch_state.pt", tmp_path / f"net_{step}.pt")
    assert call("inspect", tmp_path) == 2
    assert "model.float32" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["unknown", FOREIGN / "dcls_gauss.pt"])
def test_inspect__writes_a_template_that_is_refused_until_it_is_filled(file, unknown, tmp_path, capsys):
    path = tmp_path / "new" / "mapping.toml"
    network = unknown if file == "unknown" else file
    assert call("inspect", network, "--template", path) == 0
    assert "Fill in its blanks, and give it with --mapping." in capsys.readouterr().out
    assert call("inspect", network, "--mapping", path) == 2
    assert "mapping.toml leaves dt blank; fill in every '<fill in>'" in capsys.readouterr().err
    assert call("inspect", network, "--template", path) == 2
    assert "exists already" in capsys.readouterr().err


def test_inspect__options_that_a_template_does_not_use_are_named(unknown, tmp_path, capsys):
    assert call("inspect", unknown, "--template", tmp_path / "mapping.toml", "--dt", "1", "--reader", "dcls") == 2
    assert "--reader, --dt cannot be used with --template" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "mapping.toml").exists()


def test_inspect__a_filled_template_reads(unknown, tmp_path, capsys):
    path = tmp_path / "mapping.toml"
    assert call("inspect", unknown, "--template", path) == 0
    text = path.read_text(encoding="utf-8")
    for key, value in {"dt": "1.0", "max_delay": "5.0", "unit": '"ms"'}.items():
        text = text.replace(f'{key} = "<fill in>"', f"{key} = {value}")
    path.write_text(text, encoding="utf-8")
    capsys.readouterr()
    assert call("inspect", unknown, "--mapping", path) == 0
    assert "input__hidden1" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["nowhere.pt", "text.txt", "."])
def test_inspect__without_arrays_no_template_is_written(place, tmp_path, capsys):
    (tmp_path / "text.txt").write_text("hello")
    assert call("inspect", tmp_path / place, "--template", tmp_path / "mapping.toml") == 2
    assert "Error: " in capsys.readouterr().err
    assert not (tmp_path / "mapping.toml").exists()


def test_inspect__says_that_delays_are_continuous_and_that_there_are_none(tmp_path, capsys):
    write_checkpoint(event_based_network(), tmp_path / "a.nc")
    assert call("inspect", tmp_path / "a.nc") == 0
    printed = capsys.readouterr().out
    assert "dt: 0 ms (delays are continuous)" in printed
    assert "Delays of hidden1__hidden1: 0 ms ▕" in printed
    assert "Delays of hidden1__output: none, the longest is 0 ms" in printed
