from __future__ import annotations

import pytest

from tests.benchmarks import cluster, many_runs

pytestmark = pytest.mark.slow


def test_many_runs__prints_a_line_for_each_number(capsys):
    many_runs.main(["--runs", "30"])
    *_, line = capsys.readouterr().out.splitlines()
    assert line.startswith("| 30 |")
    assert line.count(" s |") == 4


def test_cluster__times_analyses_anew_and_kept(capsys):
    cluster.main(["--networks", "2"])
    anew, kept = (float(line.split()[-2]) for line in capsys.readouterr().out.splitlines() if "networks" in line)
    assert 0 < kept < anew
