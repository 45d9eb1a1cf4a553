"""The campaign at its smallest size; ``python -m tests.campaigns.campaign`` is the whole of it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it forks, and looks into /proc")
def test_campaign__nothing_is_lost_nothing_hangs_and_nothing_is_silent():
    # a process of its own, for it forks
    ended = subprocess.run([sys.executable, "-m", "tests.campaigns.campaign", "--small"], capture_output=True, text=True)
    assert not ended.returncode, ended.stdout + ended.stderr
    assert "| SIGKILL at a random instant | train | 1 | 0 |" in ended.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_cluster__who_dies_changes_nothing():
    ended = subprocess.run([sys.executable, "-m", "tests.campaigns.cluster", "--small"], capture_output=True, text=True)
    assert not ended.returncode, ended.stdout + ended.stderr
    assert "| SIGKILL: dask worker | 1 | 0 |" in ended.stdout
