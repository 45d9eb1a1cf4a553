from __future__ import annotations

import pytest

from reports.figures.figure_3 import figure_3
from stanalysis.files.sweep import read_sweep
from stanalysis.findings.sweeps import accuracy_by_sparsity

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, write_sweep):
    return read_sweep(write_sweep(tmp_path_factory.mktemp("sweep"), steps=(0,), seeds=(0, 1, 2)))


def means(ax, label):
    return next(line for line in ax.lines if line.get_label() == label).get_ydata()


def test_figure_3__has_a_panel_for_each_choice_of_epoch(sweep, tmp_path):
    figure, _, _ = figure_3(sweep)
    accuracies = accuracy_by_sparsity(sweep)
    assert [ax.get_title() for ax in figure.axes] == ["last epoch", "epoch best on validation"]
    for ax, selection in zip(figure.axes, ("last", "best"), strict=True):
        expected = accuracies["mean"].sel(selection=selection, connectivity="rewired", delays="fixed")
        assert means(ax, "rewired connectivity, fixed delays").tolist() == expected.values.tolist()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(labels) == 4
    figure.savefig(tmp_path / "figure.png")


def test_figure_3__caption_says_what_was_computed(sweep):
    caption = figure_3(sweep.assign_attrs(dataset="digits", n_output=2))[1]
    for stated in (
        "Figure 3. ",
        "n = 3 networks (training seeds) per point",
        "two-sided 95 % interval",
        "best on validation data",
        "chance, 1/2.",
        "Data set: digits.",
    ):
        assert stated in caption


def test_figure_3__caption_names_projections_too_sparse_for_every_output(sweep):
    # at 95 % the input keeps 1 of 24 synapses, the output 0 of 8
    caption = figure_3(sweep.assign_attrs(n_output=2))[1]
    assert (
        "Fewer synapses than the 2 output neurons: 1 synapses from the input at 95 %, "
        "0 synapses after the first hidden population at 95 %."
    ) in caption
    assert "Fewer" not in figure_3(sweep)[1]


def test_figure_3__an_unfinished_sweep_says_how_many_networks(sweep, tmp_path):
    figure, caption, _ = figure_3(sweep.isel(run=slice(1, 7)))
    assert "n = 1–3 networks" in caption
    assert len(figure.axes[0].lines) == 3 + 1  # seeds and mean of the one method
    figure.savefig(tmp_path / "figure.png")
