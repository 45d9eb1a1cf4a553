import warnings

import numba
import pytest

from tests.benchmarks.field_statistics import main

pytestmark = pytest.mark.slow


def test_main__runs_at_its_smallest_size(capsys):
    threads = numba.get_num_threads()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of esda, about so few cells
            main(["--smallest", "--repeats", "2"])
    finally:
        numba.set_num_threads(threads)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12 + 7 + 10 + 2
    assert all("x esda" in line for line in lines[:12])
    assert all("peak memory" in line for line in lines[-2:])
