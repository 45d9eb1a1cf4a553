from __future__ import annotations

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from reports.drawn import Drawn, files_of


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


def test_files_of__are_every_format_the_caption_and_the_numbers(drawn, tmp_path):
    files = files_of(drawn, tmp_path / "new" / "fig-0.5")
    assert [*files] == [tmp_path / "new" / f"fig-0.5{s}" for s in (".png", ".svg", ".pdf", ".txt", ".csv")]
    assert not list(tmp_path.iterdir())
    png, svg, pdf, caption, table = files.values()
    assert (png[:4], svg[:5], pdf[:4], caption) == (b"\x89PNG", b"<?xml", b"%PDF", b"A caption.\n")
    pd.testing.assert_frame_equal(
        pd.read_csv(BytesIO(table), float_precision="round_trip"), drawn.table().reset_index(drop=True), check_dtype=False
    )


def test_files_of__embeds_fonts(drawn, tmp_path):
    _, svg, pdf, *_ = files_of(drawn, tmp_path / "fig").values()
    assert b"/FontFile2" in pdf
    assert b"<text" not in svg  # letters are shapes
    assert b"<path" in svg


def test_files_of__the_same_numbers_give_the_same_files(drawn, tmp_path):
    assert files_of(drawn, tmp_path / "fig") == files_of(drawn, tmp_path / "fig")


@pytest.mark.parametrize("value", [0.31, 0.0, -4.0])
def test_files_of__gives_axes_on_which_all_is_alike_but_for_rounding_a_width(value, tmp_path):
    figure = Figure(figsize=(8, 3), layout="constrained")
    alike, differ = figure.subfigures(1, 2)[0].subplots(1, 2)  # of a part of the figure, too
    alike.plot([1, 2, 3], [value - 1e-14, value, value + 1e-14])
    differ.plot([1, 2, 3], [value, value, value + 1e-3])
    limits = differ.get_ylim()
    files_of(Drawn(figure, "", {"a": xr.Dataset({"y": value})}), tmp_path / "fig")
    low, high = alike.get_ylim()
    assert low < value < high
    assert high - low == pytest.approx(0.1 * (abs(value) or 1))
    assert differ.get_ylim() == limits
