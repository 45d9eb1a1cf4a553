import warnings

import esda
import numba
import pytest

from tests.benchmarks.local_moran import main

pytestmark = pytest.mark.slow


def test_main__runs_at_its_smallest_size(capsys, monkeypatch):
    for name in ("compute_chunk", "_permutation_significance"):  # to compile takes half a minute each time: esda keeps nothing
        monkeypatch.setattr(esda.crand, name, getattr(esda.crand, name).py_func)
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
