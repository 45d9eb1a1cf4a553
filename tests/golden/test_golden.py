"""Numbers of 0.6.0 stay what they were, and its runs can be gone on with."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from stanalysis.cli import main as cli
from stanalysis.files.checkpoint import read_checkpoint
from tests.golden.golden import CASES, RUNS, differences

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", CASES)
def test_analyze__gives_the_numbers_of_0_6_0(case):
    several = ("--workers", "2") if case == "sweep" else ()  # that one gives the same is tested of other sweeps
    assert differences(case, *several, rtol=1e-9) == []


def test_train__goes_on_with_a_run_that_0_6_0_began(tmp_path):
    shutil.copytree(RUNS / "stopped", tmp_path / "run")
    with pytest.raises(SystemExit) as done:
        cli.main(["train", "sparse", "-o", str(tmp_path / "run"), "--resume", "--data", str(RUNS / "recordings")])
    assert done.value.code == 0
    ended, whole = (read_checkpoint(folder / "last.nc") for folder in (tmp_path / "run", RUNS / "whole"))
    for name in whole["projections"].children:
        table, expected = (tree[f"projections/{name}"].to_dataset() for tree in (ended, whole))
        for column in ("source", "target", "contact"):
            np.testing.assert_array_equal(table[column], expected[column])
        for column in ("weight", "delay"):  # another processor rounds otherwise
            np.testing.assert_allclose(table[column], expected[column], rtol=1e-4, atol=1e-6)
