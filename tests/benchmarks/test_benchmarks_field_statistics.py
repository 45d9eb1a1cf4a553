import warnings

import numba
import pytest

from stanalysis.stats.engine.nulls import NULLS
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
    n_null = sum(rule.draws for rule in NULLS.values())
    assert len(lines) == 12 + n_null + 3 * 5 + 2
    assert all("x esda" in line for line in lines[:12])
    assert all("peak memory" in line for line in lines[-2:])
