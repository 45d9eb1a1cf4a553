from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from reports.panels import (
    draw_distribution,
    draw_field,
    draw_frequencies,
    draw_neighbours,
    draw_no_answer,
    mark_neuron,
)
from reports.style import ABSENT
from stanalysis.lattice import ROOK, neighbour_share


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture
def field():
    """Two channels, three delays; the present weight at (1, 20 ms) is 0, all others of its row are absent."""
    dims = ("source", "delay")
    coords = {"source": [0, 1], "delay": [0.0, 10.0, 20.0], "frequency": ("source", [100.0, 2345.6])}
    weights = xr.DataArray([[0.5, -0.25, 0.1], [0.0, 0.0, 0.0]], coords, dims)
    present = xr.DataArray([[True, True, True], [False, False, True]], coords, dims)
    return xr.Dataset({"receptive_field": weights, "present": present})


@pytest.fixture
def distribution():
    return xr.Dataset(
        {
            "count": ("bin", [0, 3, 1]),
            "null_mean": ("bin", [0.5, 2.5, 1.0]),
            "null_lower": ("bin", [0.0, 1.0, 0.0]),
            "null_upper": ("bin", [2.0, 4.0, 3.0]),
            "bin_lower": ("bin", [-0.1, 0.0, 0.1]),
            "bin_upper": ("bin", [0.0, 0.1, 0.2]),
        }
    )


def test_draw_field__holds_the_weights_with_channels_upwards_and_delays_across(ax, field):
    image = draw_field(ax, field, 0.4)
    np.testing.assert_array_equal(np.ma.getdata(image.get_array()), field.receptive_field)
    assert image.origin == "lower"
    assert list(image.get_extent()) == [-5.0, 25.0, -0.5, 1.5]
    assert ax.get_ylim() == (-0.5, 1.5)


def test_draw_field__does_not_depend_on_the_order_of_dims(ax, field):
    image = draw_field(ax, field.transpose("delay", "source"), 0.4)
    np.testing.assert_array_equal(np.ma.getdata(image.get_array()), field.receptive_field)


def test_draw_field__absent_cells_are_grey_and_a_weight_of_zero_is_not(ax, field):
    image = draw_field(ax, field, 0.4)
    np.testing.assert_array_equal(np.ma.getmaskarray(image.get_array()), ~field.present)
    assert tuple(image.cmap.get_bad()) == to_rgba(ABSENT)
    assert min(image.to_rgba(np.array([0.0]))[0]) > to_rgba(ABSENT)[0]


def test_draw_field__limits_are_symmetric(ax, field):
    assert draw_field(ax, field, 0.4).get_clim() == (-0.4, 0.4)


def test_draw_field__names_channels_where_frequencies_are_known(ax, field):
    draw_field(ax, field, 0.4)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("delay [ms]", "channel")
    other = Figure().subplots()
    draw_field(other, field.drop_vars("frequency"), 0.4)
    assert other.get_ylabel() == "presynaptic neuron"


def test_draw_field__a_single_delay_has_a_cell(ax, field):
    image = draw_field(ax, field.isel(delay=[0]), 0.4)
    assert list(image.get_extent()) == [-0.5, 0.5, -0.5, 1.5]


def test_draw_frequencies__labels_channels_on_the_right(ax, field):
    draw_field(ax, field, 0.4)
    draw_frequencies(ax, field)
    (right,) = ax.child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["100", "2346"]
    assert right.get_yticks().tolist() == [0, 1]
    assert right.get_ylabel() == "centre frequency [Hz]"


def test_draw_distribution__holds_counts_and_the_null(ax, distribution):
    draw_distribution(ax, distribution)
    stairs = {patch.get_label(): patch.get_data() for patch in ax.patches}
    for data in stairs.values():
        np.testing.assert_array_equal(data.edges, [-0.1, 0.0, 0.1, 0.2])
    np.testing.assert_array_equal(stairs["observed"].values, distribution["count"])
    np.testing.assert_array_equal(stairs["null, mean"].values, distribution.null_mean)
    np.testing.assert_array_equal(stairs["null, 95 % band"].values, distribution.null_upper)
    np.testing.assert_array_equal(stairs["null, 95 % band"].baseline, distribution.null_lower)
    assert ax.get_ylim()[0] == 0


def test_draw_distribution__without_a_neuron_says_no_answer(ax, distribution):
    draw_distribution(ax, distribution.assign(count=0 * distribution["count"]))
    assert [text.get_text() for text in ax.texts] == ["no answer"]
    assert not ax.patches


def test_mark_neuron__points_at_its_morans_i(ax):
    mark_neuron(ax, xr.Dataset({"morans_i": 0.25}), "^")
    (line,) = ax.lines
    assert (line.get_xdata()[0], line.get_marker()) == (0.25, "^")


def test_mark_neuron__does_nothing_without_an_answer(ax):
    mark_neuron(ax, xr.Dataset({"morans_i": np.nan}), "^")
    assert not ax.lines


def test_draw_no_answer__leaves_no_ticks(ax):
    draw_no_answer(ax)
    assert [text.get_text() for text in ax.texts] == ["no answer"]
    assert not ax.get_xticks().size
    assert not ax.get_yticks().size


def test_draw_neighbours__shows_weights_that_add_up_to_one(ax):
    share = xr.DataArray(neighbour_share(ROOK, 3, 4), dims=("source", "delay"))
    draw_neighbours(ax, share, [(1, 1)])
    around = [(1, 0), (1, 2), (0, 1), (2, 1)]
    assert {text.get_position(): text.get_text() for text in ax.texts} == dict.fromkeys(around, "1/4")
    assert (ax.get_xlim(), ax.get_ylim()) == ((-0.5, 3.5), (-0.5, 2.5))


def test_draw_neighbours__a_corner_has_two(ax):
    share = xr.DataArray(neighbour_share(ROOK, 3, 4), dims=("source", "delay"))
    draw_neighbours(ax, share, [(0, 0)])
    assert {text.get_position(): text.get_text() for text in ax.texts} == {(1, 0): "1/2", (0, 1): "1/2"}
