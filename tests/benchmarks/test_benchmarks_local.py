import warnings

import esda
import numba
import pytest

from tests.benchmarks.local_moran import main

pytestmark = pytest.mark.slow


def test_main__runs_at_its_smallest_size(capsys, monkeypatch):
    # compiled, it takes a quarter of a minute each time, for esda keeps nothing
    monkeypatch.setattr(esda.crand, "compute_chunk", esda.crand.compute_chunk.py_func)
    threads = numba.get_num_threads()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of esda, about so few cells
            main(["--smallest", "--repeats", "2"])
    finally:
        numba.set_num_threads(threads)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("esda loop")
    assert len(lines) == 6
    assert all("x esda" in line for line in lines)
