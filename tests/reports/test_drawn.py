from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from reports.drawn import Drawn, write_drawn


@pytest.fixture
def drawn():
    figure = Figure(figsize=(2, 1), layout="constrained")
    figure.subplots().plot([1, 2], [3, 4], label="α")
    field = xr.Dataset(
        {
            "receptive_field": (("source", "delay"), [[0.5, 0.0], [0.0, -1.0]]),
            "present": (("source", "delay"), [[True, False], [True, True]]),
        },
        {"delay": [0.0, 10.0]},
    )
    curve = xr.Dataset({"y": ("x", [3.0, np.nan, 4.0])}, {"x": [1, 5, 2]})
    return Drawn(figure, "A caption.", {"field": field, "curve": curve, "point": xr.Dataset({"y": 7.0})})


def test_table__has_the_synapses_and_points_drawn_and_nothing_else(drawn):
    table = drawn.table()
    assert table.columns[0] == "panel"
    cells = table[table.panel == "field"]
    assert cells[["source", "delay", "receptive_field"]].values.tolist() == [[0, 0, 0.5], [1, 0, 0.0], [1, 10, -1.0]]
    assert table[table.panel == "curve"][["x", "y"]].values.tolist() == [[1, 3], [2, 4]]
    assert table[table.panel == "point"].y.tolist() == [7]


def test_write_drawn__writes_every_format_the_caption_and_the_numbers(drawn, tmp_path):
    written = write_drawn(drawn, tmp_path / "new" / "fig-0.5")
    assert [path.name for path in written] == [f"fig-0.5{s}" for s in (".png", ".svg", ".pdf", ".txt", ".csv")]
    assert sorted(written) == sorted((tmp_path / "new").iterdir())
    assert (tmp_path / "new" / "fig-0.5.txt").read_text() == "A caption.\n"
    pd.testing.assert_frame_equal(
        pd.read_csv(written[-1], float_precision="round_trip"), drawn.table().reset_index(drop=True), check_dtype=False
    )


def test_write_drawn__embeds_fonts(drawn, tmp_path):
    _, svg, pdf, *_ = write_drawn(drawn, tmp_path / "fig")
    assert b"/FontFile2" in pdf.read_bytes()
    text = svg.read_text()
    assert "<text" not in text  # letters are shapes
    assert "<path" in text


def test_write_drawn__the_same_numbers_give_the_same_files(drawn, tmp_path):
    first, second = (write_drawn(drawn, tmp_path / name / "fig") for name in "ab")
    for single, other in zip(first, second, strict=True):
        assert single.read_bytes() == other.read_bytes(), single.suffix


@pytest.mark.parametrize("value", [0.31, 0.0, -4.0])
def test_write_drawn__gives_axes_on_which_all_is_alike_but_for_rounding_a_width(value, tmp_path):
    figure = Figure(figsize=(8, 3), layout="constrained")
    alike, differ = figure.subfigures(1, 2)[0].subplots(1, 2)  # of a part of the figure, too
    alike.plot([1, 2, 3], [value - 1e-14, value, value + 1e-14])
    differ.plot([1, 2, 3], [value, value, value + 1e-3])
    limits = differ.get_ylim()
    write_drawn(Drawn(figure, "", {"a": xr.Dataset({"y": value})}), tmp_path / "fig")
    low, high = alike.get_ylim()
    assert low < value < high
    assert high - low == pytest.approx(0.1 * (abs(value) or 1))
    assert differ.get_ylim() == limits
