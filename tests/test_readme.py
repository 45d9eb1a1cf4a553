from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from reports.figures import FIGURES
from stanalysis import read_foreign
from stanalysis.cli import main as cli
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.readers.choosing import BUILT_IN, MAPPING
from stanalysis.readers.contract import Options
from stanalysis.readers.formats.containers import open_container
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.stats.engine.statistics import names_of
from stanalysis.synthetic.network import small_network
from tests.calibration.summarise import finds

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_readme__python_examples_run(tmp_path, monkeypatch, capsys, write_rewiring_run):
    write_checkpoint(small_network(), tmp_path / "demo" / "run" / "last.nc")
    write_rewiring_run(tmp_path / "RUN", seed=0)
    np.save(tmp_path / "weight.npy", np.ones((2, 5)))
    np.save(tmp_path / "delay.npy", np.ones((2, 5)))
    monkeypatch.chdir(tmp_path)
    named = {}
    for example in blocks("python"):
        exec(compile(example, "README.md", "exec"), named)
    assert "p_value" in capsys.readouterr().out
    assert named["curves"].survival.notnull().any()
    assert named["ratios"].hazard_ratio.notnull().any()
    np.savez(tmp_path / "mine.npz", synapses=np.stack([np.ones((2, 3)), np.full((2, 3), 4.0)]))
    container = open_container(tmp_path / "mine.npz")
    assert named["recognises"](container)
    tree = named["read"](container, Options(dt=2.0, max_delay=10.0)).checkpoints[1]
    assert tree["projections/input__hidden1"].delay.values.tolist() == [8.0] * 6


def test_readme__the_error_shown_is_what_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = Path(__file__).parent / "stanalysis" / "readers" / "files"
    shutil.copy(files / "dcls_gauss.pt", "Best_ACC_REPL.pt")
    with pytest.raises(SystemExit):
        cli.main(["inspect", "Best_ACC_REPL.pt"])
    shown = re.search(r"(Error: Best_ACC_REPL.pt .*?)\n\n", README, re.DOTALL)[1]
    assert " ".join(capsys.readouterr().err.split()) == " ".join(shown.split())


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"^\| `stanalysis ((?:train )?[a-z]+)", README, re.MULTILINE))))
def test_readme__verbs_exist_with_the_options_shown(verb, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([*verb.split(), "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    line = next(line for line in README.splitlines() if line.startswith(f"| `stanalysis {verb}"))
    for option in re.findall(r"(?<!\w)--?[a-z][a-z-]*", line):
        assert option in shown


def test_readme__names_every_null_and_every_statistic():
    rows = re.findall(r"^\| `([a-z-]+)`[^|]*\|[^|]*\|[^|]*\|$", README, re.MULTILINE)
    assert set(NULLS) <= set(rows)
    assert all(f"`{name}`" in README for name in names_of("lattice"))


def masked(line):
    """A line without its numbers and with single spaces."""
    return " ".join(re.sub(r"-?\d+(\.\d+)?", "#", line).split())


def test_readme__the_tour_prints_what_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    [tour] = blocks("console")
    for part in tour.split("$ stanalysis ")[1:]:
        command, *shown = part.splitlines()
        with pytest.raises(SystemExit) as caught:
            cli.main(shlex.split(command))
        assert caught.value.code == 0
        said = capsys.readouterr()
        printed = iter([masked(line) for line in (said.err + said.out).splitlines()])
        for line in filter(None, map(masked, shown)):
            if line != "…":
                assert line in printed, line  # further on than the line before


def test_readme__names_every_figure():
    table = README[README.index("| figure | shows | needs |") :].split("\n\n")[0]
    assert re.findall(r"`([a-z0-9]+)`(?=[,` a-z0-9]* \|[^|]*\|[^|]*\|)", table) == list(FIGURES)


def test_readme__says_what_each_statistic_finds():
    found = finds()
    for row in found.itertuples(index=False):
        name, _, over = row.statistic.partition(", ")
        label = f"`{name}`, {over}" if over else f"`{name}`"
        rows = [line for line in README.splitlines() if line.startswith(f"| {label} | ")]
        [line] = [line for line in rows if line.count("|") == len(row) + 2]
        assert [cell.strip() for cell in line.split("|")[3:-1]] == list(row[1:])
    header = next(line for line in README.splitlines() if line.startswith("| statistic | asks |"))
    assert re.findall("`([a-z-]+)`", header) == list(found.columns[1:])


def test_readme__has_the_two_commands():
    run, test = blocks("bash")
    assert "stanalysis demo" in run
    assert "pytest" in test


def test_readme__names_every_reader():
    rows = re.findall(r"^\| `([a-z_]+)` \|[^|]*\|[^|]*\|[^|]*\|$", README, re.MULTILINE)
    assert {*BUILT_IN, MAPPING} <= set(rows)


def test_readme__the_mapping_reads_a_network(tmp_path):
    mapping = next(block for block in blocks("toml") if "[[projection]]" in block)
    (tmp_path / "mapping.toml").write_text(mapping)
    arrays = {"fc1.weight": np.array([[1.0, 0.0], [2.0, 3.0]]), "delay1.delay": [4.5, 70.0], "norm1.weight": [2.0, -1.0]}
    np.savez(tmp_path / "network.npz", **arrays)
    tree = read_foreign(tmp_path / "network.npz", mapping=tmp_path / "mapping.toml").checkpoints[1]
    table = tree["projections/input__hidden1"]
    assert table.weight.values.tolist() == [2, -2, -3]
    assert table.delay.values.tolist() == [4.5, 50, 50]


def test_readme__links_to_files_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)|`((?:tests|trainers|reports|stanalysis)/[\w./]+)`", README):
        path = Path(__file__).parents[1] / next(filter(None, target))
        assert path.exists(), path
