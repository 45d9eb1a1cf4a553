"""A null and a statistic are one record each: registered here, they stand in the help, in tables and in the report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stanalysis.files.analysis import read_analysis
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.findings.tables import statistics_summary
from stanalysis.synthetic.network import small_network

TOYS = """
import sys
from stanalysis.cli.main import main
from stanalysis.stats.engine.nulls import NullRule, register_null
from stanalysis.stats.engine.statistics import Statistic, register_statistic

register_null(
    NullRule(
        "toy-null",
        moves="the toys of a neuron",
        says="that toys are tidied up",
        not_said="who tidied them up",
        short="toys are\\ntidied up",
        arrangement="delays",
        shared_by="like",
    )
)
register_statistic(
    Statistic(
        "toy_diagonal",
        "correlation of each cell with the next source one bin later",
        "do toys stand in line?",
        "lattice",
        of_planes=lambda planes: (planes[:, :-1, :-1] * planes[:, 1:, 1:]).sum((1, 2)) / (planes**2).sum((1, 2)),
        label="Toy diagonal",
        above="toys stand more often in line",
        below="toys stand less often in line",
    )
)
main(sys.argv[1:])
"""


def with_toys(*arguments: object, folder: Path) -> str:
    """What a command prints where the toys are registered."""
    command = [sys.executable, "-c", TOYS, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


@pytest.fixture(scope="module")
def analysed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toys")
    write_checkpoint(small_network(), folder / "network.nc")
    options = ("--null", "toy-null", "--permutations", 49, "--alternative", "greater", "--statistics", "lattice")
    return folder, with_toys("analyze", "network.nc", "-o", "a.nc", *options, folder=folder)


def test_help__offers_the_toys(tmp_path):
    shown = with_toys("analyze", "--help", folder=tmp_path).replace("│", " ")
    shown = " ".join(shown.split())
    assert "toy-null" in shown
    assert "the toys of a neuron" in shown
    assert "toy_diagonal" in shown


def test_analyze__computes_the_toy_statistic_and_says_what_the_toy_null_means(analysed):
    folder, printed = analysed
    assert "rejecting `toy-null` says that toys are tidied up" in printed.replace("\n", " ")
    assert "toy_diagonal" in printed
    rows = statistics_summary(read_analysis(folder / "a.nc"))
    toys = rows[rows["statistic"] == "toy_diagonal"]
    assert len(toys)
    assert np.isfinite(toys["network_p"]).all()


def test_report__tells_of_the_toys(analysed):
    folder, _ = analysed
    with_toys("report", "a.nc", "-o", "report", folder=folder)
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    for words in ("that toys are tidied up", "who tidied them up", "Toy diagonal", "toys stand", "toy_diagonal"):
        assert words in page, words
    ladder = next((folder / "report").glob("ladder-input__hidden1*.svg")).read_text(encoding="utf-8")
    assert "Toy diagonal" in ladder
