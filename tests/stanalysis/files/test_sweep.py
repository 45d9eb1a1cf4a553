from __future__ import annotations

import pandas as pd
import pytest

from stanalysis.errors import BadInput
from stanalysis.files.sweep import read_sweep
from stanalysis.schema.network import OPTIONAL_OF_SWEEPS, SWEEP
from stanalysis.schema.variables import validate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_sweep):
    return write_sweep(tmp_path_factory.mktemp("sweep"), steps=(0,), seeds=(0, 1, 4))


@pytest.fixture
def table(folder):
    return pd.read_csv(folder / "sweep.csv", float_precision="round_trip")


def written(table, folder):
    table.to_csv(folder / "sweep.csv", index=False)
    return folder


def test_read_sweep__gives_the_table_as_declared(folder, table):
    sweep = read_sweep(folder)
    assert read_sweep(str(folder)).identical(sweep)
    required = tuple(name for name in SWEEP if name not in OPTIONAL_OF_SWEEPS)
    validate(sweep, SWEEP, required=required)
    assert not {*OPTIONAL_OF_SWEEPS} & set(sweep.variables)
    for name in ("run", *required):
        assert sweep[name].values.tolist() == table[name].tolist()


def test_read_sweep__seconds_may_be_unknown(table, tmp_path):
    result = read_sweep(written(table.assign(seconds=table.seconds.where(table.index > 0)), tmp_path))
    assert result.seconds.isnull().values.tolist() == [True] + [False] * (len(table) - 1)


def test_read_sweep__leaves_other_columns_out(table, tmp_path):
    assert "note" not in read_sweep(written(table.assign(note="x"), tmp_path)).variables


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="seed"), "whole numbers 'seed'"),
        (lambda t: t.assign(seed=0.5), "whole numbers 'seed'"),
        (lambda t: t.assign(in_degree="many"), "numbers 'in_degree'"),
        (lambda t: t.assign(last_test_accuracy=t.last_test_accuracy.where(t.index > 0)), "numbers 'last_test_accuracy'"),
        (lambda t: t.assign(run=t.run.where(t.index > 0)), "text 'run'"),
        (lambda t: t.assign(connectivity="dense"), "connectivity 'dense'; expected one of fixed, rewired, f"),
        (lambda t: t.assign(sparsity=50.0), "outside 0 to 1"),
        (lambda t: t.assign(n_hidden="many"), "numbers 'n_hidden'"),
        (lambda t: t.assign(n_hidden=0), "without hidden neurons"),
        (lambda t: t.assign(run="a"), "lists the run a twice"),
        (lambda t: t.iloc[:0], "no finished run yet"),
    ],
)
def test_read_sweep__a_damaged_table_gets_a_sentence(table, tmp_path, change, message):
    with pytest.raises(BadInput, match=message):
        read_sweep(written(change(table), tmp_path))


def test_read_sweep__a_folder_without_a_table_is_none(tmp_path):
    with pytest.raises(BadInput, match="no sweep folder"):
        read_sweep(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00binary", b'"never closed'])
def test_read_sweep__what_is_no_table_gets_a_sentence(tmp_path, content):
    (tmp_path / "sweep.csv").write_bytes(content)
    with pytest.raises(BadInput, match=r"sweep\.csv"):
        read_sweep(tmp_path)
