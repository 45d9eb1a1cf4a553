from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from stanalysis.errors import BadInput
from stanalysis.files.records import DIGEST, csv_bytes, from_json, read_json, read_table, write_json, write_table

TABLE = pd.DataFrame({"run": ["a, b", 'c"d'], "epoch": [1, 2], "loss": [0.1 + 0.2, np.nan]})


def test_read_table__gives_what_was_written(tmp_path):
    write_table(tmp_path / "t.csv", TABLE)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv", remedy="restore it"), TABLE, check_exact=True)
    assert DIGEST in pd.read_csv(tmp_path / "t.csv")


def test_read_table__without_digest_is_taken_as_it_is(tmp_path):
    TABLE.to_csv(tmp_path / "t.csv", index=False)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv", remedy="restore it"), TABLE, check_exact=True)


def test_read_table__no_flipped_bit_and_no_lost_line_passes(tmp_path):
    path = tmp_path / "t.csv"
    write_table(path, TABLE)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    damaged = [b"".join([*lines[:k], *lines[k + 1 :]]) for k in (1, 2)]
    damaged += [whole[:k] + bytes([whole[k] ^ 1 << bit]) + whole[k + 1 :] for k in range(len(whole)) for bit in range(8)]
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            table = read_table(path, remedy="restore it")
        except BadInput:
            refused += 1
        else:  # of a column that is lost its readers say so, and one too many is of no use to them
            shared = [name for name in TABLE if name in table]
            pd.testing.assert_frame_equal(table[shared], TABLE[shared], check_exact=True)
    assert refused > 0.9 * len(damaged)


def test_read_json__a_change_is_noticed_unless_the_digest_is_left_out(tmp_path):
    path = tmp_path / "run.json"
    write_json(path, {"seed": 3, "config": {"hidden": (1, 2)}})
    assert read_json(path, remedy="restore it") == {"seed": 3, "config": {"hidden": [1, 2]}}
    changed = json.loads(path.read_text()) | {"seed": 4}
    path.write_text(json.dumps(changed))
    with pytest.raises(
        BadInput, match="digest does not fit; restore it, or, if the change is meant, remove the entry 'digest'"
    ):
        read_json(path, remedy="restore it")
    del changed[DIGEST]
    path.write_text(json.dumps(changed))
    assert read_json(path, remedy="restore it")["seed"] == 4


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000, "{", "[1]", "\xff", "1" * 5000])
def test_read_json__anything_else_is_a_sentence(tmp_path, text):
    (tmp_path / "run.json").write_text(text, encoding="latin-1")
    with pytest.raises(BadInput, match=r"run\.json .*restore it"):
        read_json(tmp_path / "run.json", remedy="restore it")


def test_from_json__depth_counts_and_number_does_not():
    assert from_json(json.dumps([[k] for k in range(1000)]))[999] == [999]
    with pytest.raises(ValueError, match="nested too deeply"):
        from_json("[" * 500 + "]" * 500)


@pytest.mark.parametrize("begin", list("=+-@\t\r"))
def test_csv_bytes__no_cell_is_a_command_to_a_spreadsheet(begin):
    table = pd.DataFrame({"name": [f"{begin}cmd", "plain", 3], "number": [-1, 0, 1]})
    first, second, third = (line for line in csv_bytes(table).decode().split("\n")[1:4])
    assert first.strip('"').startswith(f"'{begin}cmd")
    assert first.endswith(",-1")
    assert (second, third) == ("plain,0", "3,1")
