from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from reports.panels.accuracies import draw_accuracies
from reports.panels.fields import (
    delay_width,
    draw_distribution,
    draw_field,
    draw_frequencies,
    draw_neighbours,
    draw_no_answer,
    draw_synapses,
    mark_neuron,
)
from reports.style import ABSENT, CHANGED, CONNECTIVITY
from stanalysis.fields.lattice import ROOK, neighbour_share


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


def test_draw_field__absent_cells_are_paper_and_a_weight_of_zero_is_ink(ax, field):
    image = draw_field(ax, field, 0.4)
    np.testing.assert_array_equal(np.ma.getmaskarray(image.get_array()), ~field.present)
    assert tuple(image.cmap.get_bad()) == to_rgba(ABSENT)
    assert max(image.to_rgba(np.array([0.0]))[0, :3]) < 0.6 * to_rgba(ABSENT)[0]


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


@pytest.fixture
def synapses():
    """Four synapses from 3 to 2 neurons at one moment: unchanged, dying and the other of its pair, new; a fifth is absent."""
    flags = {
        "shared": [False, True, True, False, False],
        "born": [False, False, False, True, True],
        "died": [False, True, False, False, False],
        "delay_changed": [False, False, True, False, False],
    }
    columns = {"source": [0, 1, 1, 2, 2], "target": [0, 1, 1, 0, 1], "contact": [1, 0, 1, 0, 0], **flags}
    delay = [0.0, 10.0, 40.0, 20.0, np.nan]
    dataset = xr.Dataset({name: ("synapse", value) for name, value in {**columns, "delay": delay}.items()})
    return dataset.assign_attrs(n_source=3, n_target=2, delay_max=40.0)


def test_draw_synapses__joins_the_neurons_by_lines_as_wide_as_their_delays(ax, synapses):
    draw_synapses(ax, synapses)
    source, target = (5 / 6, 3 / 6, 1 / 6), (0.75, 0.25)
    ends = [(line.get_path().vertices[0].tolist(), line.get_path().vertices[-1].tolist()) for line in ax.patches]
    rows = [(0, 0), (1, 1), (1, 1), (2, 0)]
    expected = [([0, source[s]], [1, target[t]]) for s, t in rows]
    np.testing.assert_allclose(ends, expected)
    assert [line.get_linewidth() for line in ax.patches] == [delay_width(d, 40.0) for d in (0, 10, 40, 20)]
    assert delay_width(0, 40) < delay_width(20, 40) < delay_width(40, 40)


def test_draw_synapses__what_changed_is_red_and_what_dies_dashed(ax, synapses):
    draw_synapses(ax, synapses)
    assert [line.get_edgecolor() == to_rgba(CHANGED) for line in ax.patches] == [False, True, True, True]
    assert [line.get_linestyle() for line in ax.patches] == ["-", "--", "-", "-"]


def test_draw_synapses__only_those_of_a_shared_pair_bend(ax, synapses):
    draw_synapses(ax, synapses)
    bends = [v[1][1] - (v[0][1] + v[2][1]) / 2 for v in (line.get_path().vertices for line in ax.patches)]
    assert [abs(bend) > 0.05 for bend in bends] == [False, False, True, False]


def test_draw_synapses__numbers_the_neurons_from_the_top(ax, synapses):
    draw_synapses(ax, synapses)
    assert [(text.get_text(), text.xy[0]) for text in ax.texts] == [("0", 0), ("1", 0), ("2", 0), ("0", 1), ("1", 1)]
    for dots in ax.lines:
        assert (np.diff(dots.get_ydata()) < 0).all()


@pytest.fixture
def accuracies():
    """Three sparsities, one method missing at the last, one seed missing at the second."""
    dims = ("connectivity", "delays", "sparsity", "seed")
    values = np.full((2, 2, 3, 2), 0.8) + np.arange(3)[:, None] / 100
    values[0, 0, 2] = np.nan
    values[:, :, 1, 1] = np.nan
    coords = {"connectivity": ["fixed", "rewired"], "delays": ["fixed", "learned"], "sparsity": [0.0, 0.5, 0.984375]}
    accuracy = xr.DataArray(values, coords, dims)
    mean = accuracy.mean("seed")
    lone = xr.DataArray([0.02, np.nan, 0.02], dims="sparsity")
    per_sparsity = {"n_synapses": [64.0, 32.0, 1.0], "in_degree": [40.0, 20.0, 0.625]}
    return xr.Dataset(
        {"accuracy": accuracy, "mean": mean, "lower": mean - lone, "upper": mean + lone, "chance": 0.05}
        | {name: ("sparsity", value) for name, value in per_sparsity.items()}
    )


def lines_of(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def test_draw_accuracies__holds_the_means_of_every_method(ax, accuracies):
    draw_accuracies(ax, accuracies)
    lines = lines_of(ax)
    for connectivity in ("fixed", "rewired"):
        for delays, style in (("fixed", "--"), ("learned", "-")):
            line = lines[f"{connectivity} connectivity, {delays} delays"]
            mean = accuracies["mean"].sel(connectivity=connectivity, delays=delays)
            np.testing.assert_array_equal(line.get_ydata(), mean)
            assert (line.get_color(), line.get_linestyle()) == (CONNECTIVITY[connectivity], style)
            # methods stand apart by less than half an octave
            np.testing.assert_allclose(np.log2(line.get_xdata()), np.log2(accuracies.n_synapses), atol=0.25)
    np.testing.assert_array_equal(lines["chance"].get_ydata(), 0.05)
    assert len(lines) == 5


def test_draw_accuracies__shows_intervals_and_every_network(ax, accuracies):
    draw_accuracies(ax, accuracies)
    first = accuracies.sel(connectivity="fixed", delays="learned")
    segments = np.array([path.vertices[:, 1] for path in ax.collections[1].get_paths()])
    np.testing.assert_array_equal(segments[[0, 2]], np.stack([first.lower, first.upper], axis=1)[[0, 2]])
    dots = [line for line in ax.lines if line.get_marker() == "."]
    assert len(dots) == 4 * 2
    np.testing.assert_array_equal(dots[2].get_ydata(), first.accuracy.isel(seed=0))


def test_draw_accuracies__labels_sparsity_synapses_and_in_degree(ax, accuracies):
    draw_accuracies(ax, accuracies)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0\n64", "50\n32", "98.4\n1"]
    (above,) = ax.child_axes
    assert [label.get_text() for label in above.get_xticklabels()] == ["40", "20", "0.62"]
    assert ax.xaxis_inverted()
    assert (ax.get_xscale(), ax.get_ylim()) == ("log", (0, 1))


def test_draw_accuracies__leaves_out_what_is_not_known(ax, accuracies):
    draw_accuracies(ax, accuracies.sel(connectivity=["rewired"]).assign(chance=np.nan))
    assert sorted(lines_of(ax)) == ["rewired connectivity, fixed delays", "rewired connectivity, learned delays"]
