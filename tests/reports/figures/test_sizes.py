from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import xarray as xr

from reports.choosing import for_figure, for_table
from reports.drawn import files_of
from reports.figures.sizes import plans, sizes
from reports.style import DELAY_COLOURS
from stanalysis.errors import BadInput
from stanalysis.files.sweep import read_sweep, sweep_alone, write_sweep
from stanalysis.findings.sweeps import accuracy_by_size

NETWORKS, DELAYS, SIZES = ("feedforward", "recurrent"), ("none", "fixed", "learned"), (16, 64)


def rows(networks=NETWORKS, delays=DELAYS, seeds=(0, 1, 2)):
    """Planted: .4, more by .1 for each kind of delay, and for large networks; by .01 for each seed; .05 more at best."""
    for kind, delay, n, seed in product(networks, delays, SIZES, seeds):
        accuracy = 0.4 + 0.1 * DELAYS.index(delay) + 0.1 * SIZES.index(n) + 0.01 * seed
        at = {"run": f"{kind}-{delay}-n{n}-seed{seed}", "connectivity": kind, "delays": delay, "sparsity": 0.0, "n_hidden": n}
        counts = {"n_synapses": n, "n_possible": n, "in_degree": 1.0, "n_input_synapses": n, "epochs": 5, "best_epoch": 4}
        last = {f"last_{part}_accuracy": accuracy for part in ("validation", "test")}
        best = {f"best_{part}_accuracy": accuracy + 0.05 for part in ("validation", "test")}
        yield {**at, "seed": seed, **counts, **last, **best, "seconds": 1.0}


@pytest.fixture
def sweep(tmp_path):
    write_sweep(tmp_path, rows())
    return read_sweep(tmp_path).assign_attrs(n_output=20, dataset="digits")


def line(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


def test_sizes__has_a_panel_for_each_network_and_choice_of_epoch(sweep, tmp_path):
    figure, _, panels = drawn = sizes(sweep)
    titles = [
        f"{name}, {epoch}" for epoch in ("last epoch", "epoch best on validation") for name in ("feed-forward", "recurrent")
    ]
    assert [ax.get_title() for ax in figure.axes] == list(panels) == titles
    accuracies = accuracy_by_size(sweep)
    for ax, (selection, connectivity) in zip(figure.axes, product(("last", "best"), NETWORKS), strict=True):
        for delays, label in zip(DELAYS, ("no delays", "fixed delays", "learned delays"), strict=True):
            expected = accuracies.sel(selection=selection, connectivity=connectivity, delays=delays)
            drawn_line = line(ax, label)
            assert drawn_line.get_ydata().tolist() == expected["mean"].values.tolist()
            assert drawn_line.get_color() == DELAY_COLOURS[delays]
            np.testing.assert_allclose(np.log2(drawn_line.get_xdata()), np.log2(SIZES), atol=0.25)
        intervals = np.array([path.vertices[:, 1] for path in ax.collections[2].get_paths()])
        np.testing.assert_array_equal(intervals, np.stack([expected.lower, expected.upper], axis=1))
        dots = [each for each in ax.lines if each.get_marker() == "."]
        assert len(dots) == 3 * 3
        np.testing.assert_array_equal(dots[-1].get_ydata(), expected.accuracy.sel(seed=2))
        assert set(line(ax, "chance").get_ydata()) == {0.05}
        assert [label.get_text() for label in ax.get_xticklabels()] in (["16", "64"], [])
        assert (ax.get_xscale(), ax.get_ylim()) == ("log", (0, 1))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "no delays",
        "fixed delays",
        "learned delays",
        "chance",
    ]
    table = drawn.table()
    assert len(table) == 4 * 3 * 2 * 3
    assert {"panel", "delays", "n_hidden", "seed", "accuracy", "mean", "lower", "upper"} <= set(table)
    assert files_of(drawn, tmp_path / "sizes")


def test_sizes__caption_says_what_was_computed(sweep):
    caption = sizes(sweep).caption
    for stated in (
        "Test accuracy over the neurons of the hidden population",
        "n = 3 networks (training seeds) per point",
        "two-sided 95 % interval",
        "best on validation data",
        "chance, 1/20. Data set: digits.",
    ):
        assert stated in caption


def test_sizes__an_unfinished_sweep_of_one_kind_is_drawn(tmp_path):
    few = [
        row for row in rows(networks=("recurrent",), delays=("none", "learned")) if row["seed"] == 0 or row["n_hidden"] == 16
    ]
    write_sweep(tmp_path, few)
    drawn = sizes(read_sweep(tmp_path))
    assert [ax.get_title() for ax in drawn.figure.axes] == ["recurrent, last epoch", "recurrent, epoch best on validation"]
    assert "n = 1–3 networks" in drawn.caption
    assert "chance" not in drawn.caption
    assert [text.get_text() for text in drawn.figure.legends[0].get_texts()] == ["no delays", "learned delays"]
    assert files_of(drawn, tmp_path / "sizes")


def test_plans__the_table_tells_which_figure_of_accuracy_is_drawn(sweep, tmp_path, write_sweep):
    tree = xr.DataTree.from_dict({"sweep": sweep})
    assert [plan.name for plan in for_table(tree)] == [plan.name for plan in for_figure("sizes", {"a": tree})] == ["sizes"]
    with pytest.raises(BadInput, match="over hidden sizes, not over sparsities"):
        for_figure("fig3", {"a": tree})
    with pytest.raises(BadInput, match="fig1b needs an analysis"):
        for_figure("fig1b", {"a": tree})
    with pytest.raises(BadInput, match="leave out projection and network"):
        for_figure("sizes", {"a": tree}, network="a")
    sparse = sweep_alone(write_sweep(tmp_path / "sparse", steps=(0,)))
    assert [plan.name for plan in for_table(sparse)] == ["fig3"]
    with pytest.raises(BadInput, match="not over hidden sizes"):
        plans(sparse)
    with pytest.raises(BadInput, match="is of no sweep"):
        plans(xr.DataTree())


def test_sizes__of_networks_that_tell_what_they_learn_has_panels_over_that_and_published_ones(tmp_path):
    few = list(rows(networks=("feedforward",), delays=("none",)))
    for row in few:
        row["n_hidden"] = {16: 5, 64: 30}[row["n_hidden"]]
        row["n_parameters"] = 7 * row["n_hidden"]
    more = [
        {**row, "run": f"{kind}{row['run']}", "delays": kind, "n_parameters": 2 * row["n_parameters"]}
        for kind in ("dendritic", "synaptic")
        for row in few
    ]
    write_sweep(tmp_path, [*few, *more])
    sweep = read_sweep(tmp_path).assign_attrs(n_output=3, dataset="yin_yang")
    sweep["last_test_accuracy"] += 0.4
    sweep["best_test_accuracy"] += 0.3
    figure, caption, panels = sizes(sweep)
    assert [ax.get_title() for ax in figure.axes] == 2 * ["last epoch"] + 2 * ["epoch best on validation"]
    assert list(panels)[:2] == ["hidden neurons, last epoch", "parameters, last epoch"]
    over_neurons, over_parameters = figure.axes[:2]
    assert line(over_parameters, "synaptic delays").get_xdata().tolist() == [70, 420]
    assert line(over_parameters, "no delays").get_xdata().tolist() == [35, 210]
    crosses = [each for each in over_neurons.lines if each.get_marker() == "x" and len(each.get_xdata())]
    expected = [[np.nan, 0.967], [np.nan, np.nan], [0.954, 0.982]]
    np.testing.assert_array_equal([each.get_ydata() for each in crosses], expected)
    assert not [each for each in figure.axes[2].lines if each.get_marker() == "x"]  # published ones are of the last epoch
    assert over_neurons.get_ylim() == (0.7, 1)
    assert "The axis begins at 70 %." in caption
    assert "Crosses: published, of one network each" in caption
    assert "chance" not in caption
    assert "published" not in sizes(sweep.assign_attrs(dataset="digits")).panels["parameters, last epoch"]
