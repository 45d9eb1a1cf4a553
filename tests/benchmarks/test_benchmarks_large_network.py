from __future__ import annotations

import pytest

from tests.benchmarks.large_network import main

pytestmark = pytest.mark.slow


def test_main__prints_time_and_memory_of_every_size(capsys):
    main(["--sizes", "6x4x5", "6x8x5", "--draws", "9"])
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["6x4x5", "24"], ["6x8x5", "48"]]
    assert all(" MB " in line for line in lines)
