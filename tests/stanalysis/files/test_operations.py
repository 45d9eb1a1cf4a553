from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stanalysis.errors import BadInput
from stanalysis.files.operations import (
    INTACT,
    KEY,
    OPERATIONS,
    SETTING,
    VALUES,
    read_lines,
    read_operations,
    setting_name,
    write_operations,
)
from tests.operated import HIDDEN, N_DRAWS, operated


def without(table, *columns):
    return table.drop(columns=list(columns))


def first(table, **values):
    """The table with these values in its second line; the first is that of the intact network."""
    table = table.astype(dict.fromkeys(values, object))
    for name, value in values.items():
        table.loc[1, name] = value
    return table.infer_objects()


def test_read_lines__gives_back_what_was_written(tmp_path):
    """Texts that CSV readers could take for missing values among it."""
    table = operated()
    write_operations(tmp_path, table)
    assert {"nulls", "directed", "precision", "intact"} == set(read_lines(tmp_path)["family"])
    pd.testing.assert_frame_equal(read_lines(tmp_path), table, check_dtype=False)
    write_operations(tmp_path, read_lines(tmp_path))
    pd.testing.assert_frame_equal(read_lines(tmp_path), table, check_dtype=False)


def test_read_operations__a_setting_for_every_line_but_draws(tmp_path):
    table = operated()
    write_operations(tmp_path, table)
    result = read_operations(tmp_path)
    assert result.sizes == {"setting": len(table.drop_duplicates(list(SETTING))), "draw": N_DRAWS}
    assert (result.attrs["step"], result.buffer.attrs["units"]) == (5, "steps x neurons")
    lines = table.set_index(list(KEY))
    for name in ("intact 0", "delay-jitter 2.5", f"null-signs 0.5 {HIDDEN} re-estimated refit 5", "axonal 1"):
        setting = result.sel(setting=name)
        said = {key: setting[key].item() for key in SETTING}
        assert setting_name(said) == name
        for draw in range(N_DRAWS):
            key = (*said.values(), draw)
            if key in lines.index:
                for value in VALUES:
                    assert setting[value].values[draw] == pytest.approx(lines.loc[key, value], nan_ok=True)
            else:
                assert np.isnan(setting.test_accuracy.values[draw])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: without(t, "dose"), "no column 'dose'"),
        (lambda t: t.iloc[:0], "no column 'operation'"),
        (lambda t: t.assign(level="much"), "no column 'level'"),
        (lambda t: t.assign(matched=2), "no column 'matched'"),
        (lambda t: first(t, operation="delay-blur"), "'delay-blur', which is not known"),
        (lambda t: first(t, projection=""), "no whole column 'projection'"),
        (lambda t: first(t, test_accuracy=np.nan), "no whole column 'test_accuracy'"),
        (lambda t: first(t, dose=np.inf), "no whole column 'dose'"),
        (lambda t: first(t, test_accuracy=1.5), "contradict each other"),
        (lambda t: first(t, family="null"), "contradict each other"),
        (lambda t: first(t, arm="sideways"), "contradict each other"),
        (lambda t: first(t, step=6), "contradict each other"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "contradict each other"),
        (lambda t: first(t, level=t.loc[2, "level"] + 1e-9), "cannot be told apart"),
        (lambda t: t.iloc[1:], "no line of the intact network"),
    ],
)
def test_read_operations__a_damaged_table_gets_a_sentence(tmp_path, change, message):
    write_operations(tmp_path, change(operated()))
    with pytest.raises(BadInput, match=message):
        read_operations(tmp_path)


def test_read_operations__without_a_table_or_with_one_that_was_changed(tmp_path):
    with pytest.raises(BadInput, match=r"holds no operations\.csv"):
        read_operations(tmp_path)
    write_operations(tmp_path, operated())
    path = tmp_path / "operations.csv"
    path.write_text(path.read_text().replace("0.92", "0.93", 1))
    with pytest.raises(BadInput, match="digest does not fit"):
        read_operations(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadInput, match="stanalysis operate"):
        read_operations(tmp_path)


def test_intact__says_what_a_line_is():
    assert set(INTACT) == set(KEY)
    assert len(OPERATIONS) == len({rule.text for rule in OPERATIONS.values()})
