from __future__ import annotations

import pytest
from matplotlib.colors import to_rgba

from reports.figures.figure_2 import figure_2, smallest_projection, why_not_figure_2
from reports.style import CHANGED
from stanalysis.analysis.analyze import analyze
from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.run import step_path, write_info
from stanalysis.findings.networks import synapses_at
from stanalysis.stats.lives.changes import changes
from stanalysis.synthetic.network import small_network

pytestmark = pytest.mark.slow

PROJECTION = "input__hidden1"
LEARNED = ["weights", "weights + delays", "weights + structure", "weights + structure + delays"]


@pytest.fixture(scope="module")
def toys(tmp_path_factory, write_sweep):
    folder = write_sweep(tmp_path_factory.mktemp("toys"), sparsities=[0.5], seeds=[0], steps=(0, 3, 5))
    return analyze([folder], n_permutations=9)


@pytest.fixture(scope="module")
def drawn(toys):
    return figure_2(toys, PROJECTION)


def red(ax):
    return sum(line.get_edgecolor() == to_rgba(CHANGED) for line in ax.patches)


def test_figure_2__shows_each_network_before_and_after(toys, drawn):
    pairs = drawn[0].subfigs
    assert [pair.get_suptitle() for pair in pairs] == LEARNED
    for run, pair in zip(toys["sweep"].run.values, pairs, strict=True):
        assert [ax.get_title() for ax in pair.axes] == ["before: step 0", "after: step 5"]
        before, after = (synapses_at(toys, PROJECTION, run=run, step=step) for step in (0, 5))
        changed = changes(before, after, dt=10.0)
        assert [len(ax.patches) for ax in pair.axes] == [before.sizes["synapse"], after.sizes["synapse"]]
        assert red(pair.axes[0]) == int((changed.died | changed.delay_changed).sum())
        assert red(pair.axes[1]) == int((changed.born | changed.delay_changed).sum())


def test_figure_2__nothing_is_red_where_only_weights_were_learned(drawn):
    weights, delays, structure, both = drawn[0].subfigs
    assert [red(ax) for ax in weights.axes] == [0, 0]
    assert all(red(ax) for pair in (delays, structure, both) for ax in pair.axes)
    dashed = [sum(line.get_linestyle() == "--" for line in pair.axes[0].patches) for pair in (weights, delays, structure)]
    assert dashed[:2] == [0, 0]
    assert dashed[2] > 0


def test_figure_2__caption_and_legend_say_what_is_drawn(drawn, tmp_path):
    figure, caption, _ = drawn
    for stated in (
        "Figure 2. ",
        "0 to 40 ms",
        "half a bin (5 ms)",
        "n = 4 networks",
        "weights (network fixed-fixed-0.5-0): 12 ",
    ):
        assert stated in caption
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["0 ms", "20 ms", "40 ms", "changed or new", "will die"]
    figure.savefig(tmp_path / "figure.png")


def test_figure_2__takes_the_projection_with_the_fewest_neurons(toys):
    assert smallest_projection(toys) == "hidden1__output"
    assert "hidden1__output" in figure_2(toys)[1]


def trained(path, *, steps=(0, 5), **sizes):
    write_info(path, {"seed": 0})
    for step in steps:
        write_checkpoint(small_network(step=step, **sizes), step_path(path, step))
    return path


def test_figure_2__a_network_that_does_not_say_what_it_learned_has_its_name(tmp_path):
    figure, caption, _ = figure_2(analyze([trained(tmp_path / "toy")], n_permutations=9))
    assert [pair.get_suptitle() for pair in figure.subfigs] == ["toy"]
    assert "n = 1 network. " in caption


def test_figure_2__large_populations_are_refused(tmp_path):
    analysis = analyze([trained(tmp_path / "run", n_source=13)], n_permutations=9)
    with pytest.raises(BadInput, match="joins 13 to 4 neurons, too many"):
        figure_2(analysis, PROJECTION)
    assert why_not_figure_2(analysis, "hidden1__output") is None


def test_figure_2__needs_two_steps_of_few_networks(tmp_path):
    alone = analyze([trained(tmp_path / "run", steps=(0,))], n_permutations=9)
    with pytest.raises(BadInput, match="0 networks have"):
        figure_2(alone)
    many = analyze([trained(tmp_path / str(k)) for k in range(9)], n_permutations=9, statistics=())
    with pytest.raises(BadInput, match="9 networks have"):
        figure_2(many)
