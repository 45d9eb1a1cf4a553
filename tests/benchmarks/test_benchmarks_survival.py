from __future__ import annotations

import re

import pytest

from tests.benchmarks.survival import main

pytestmark = pytest.mark.slow


def test_main__runs_at_a_small_size_and_both_agree(capsys):
    main(["--events", "5000"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines if " s" in line[18:]] == ["biographies", "curves", "lifelines curves"]
    first = [re.search(r"S at first age\s+(.*);", line).group(1) for line in lines if "S at first age" in line]
    assert len(first) == 2
    assert first[0] == first[1]
