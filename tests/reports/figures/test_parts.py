from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from reports.figures import FIGURES
from reports.figures.parts import figure_parts
from reports.owed import OWED, RESOLUTION, TOTAL, WITHOUT_ORDER
from reports.panels.parts import COLOURS, draw_parts, draw_shares
from stanalysis.errors import BadInput
from stanalysis.findings.grouping import grouping, with_intervals
from tests.made_parts import PROJECTION, STATISTICS, analysis_of_parts, without_answers

CONDITIONS = {"delays fixed": ["a", "b", "c"], "delays learned": ["d"]}
KEPT = {"a": (0, 9), "b": (0, 7), "c": (4,), "d": (0, 9)}


@pytest.fixture(scope="module")
def analysis():
    return analysis_of_parts(CONDITIONS, kept=KEPT, shift=-0.2)


@pytest.fixture(scope="module")
def drawn(analysis):
    return figure_parts(analysis, PROJECTION, "delays fixed")


def axes():
    return Figure().subplots()


def bars(ax, colour):
    """Centre, lower and upper end of the bars of one colour."""
    rows = [
        (bar.get_x() + bar.get_width() / 2, *sorted((bar.get_y(), bar.get_y() + bar.get_height())))
        for bar in ax.patches
        if same_color(bar.get_facecolor()[:3], colour)
    ]
    return np.array(sorted(rows))


def marks(ax, face):
    """Heights of the round markers of one face, by their place."""
    lines = [line for line in ax.lines if line.get_marker() == "o" and same_color(line.get_markerfacecolor(), face)]
    return {float(x): float(y) for line in lines for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)}


def test_figure_parts__shows_the_numbers_of_the_tables(analysis, drawn):
    rows, means = (table(analysis).set_index(["moment", "statistic"]).sort_index() for table in (grouping, with_intervals))
    assert list(drawn.panels) == [f"{name}, {what}" for name in STATISTICS for what in ("first step", "last step", "parts")]
    for statistic in STATISTICS:
        for moment in ("first", "last"):
            panel = drawn.panels[f"{statistic}, {moment} step"]
            here = rows.loc[(moment, statistic)].set_index("run")
            for run in "abc":
                if run not in here.index:
                    assert panel.sel(run=run).total.isnull()
                    continue
                for shown, column in (("interaction", "interaction"), ("lower", "total_lower"), ("p_value", "interaction_p")):
                    assert panel[shown].sel(run=run) == here.loc[run, column]
            mean = means.loc[(moment, statistic)].set_index("condition").loc["delays fixed"]
            shares = drawn.panels[f"{statistic}, parts"].sel(moment=moment)
            for part in ("total", *COLOURS):
                found = [shares[name].sel(part=part).item() for name in ("mean", "lower", "upper")]
                assert found == [mean[part], mean[f"{part}_lower"], mean[f"{part}_upper"]]


def test_draw_parts__stacks_what_raises_above_0_and_what_lowers_below(drawn):
    panel = drawn.panels["graph_joins_ei, last step"].copy(deep=True)
    panel["interaction"].values[:] = [-3.0, 2.0, -1.0]
    panel["delay"].values[:] = [-1.0, -2.0, np.nan]
    panel["source"].values[:] = [0.5, 1.0, np.nan]
    panel["total"].values[:] = [-3.5, 1.0, np.nan]
    panel["p_value"].values[:] = [0.05, 0.06, np.nan]
    ax = axes()
    draw_parts(ax, panel)
    np.testing.assert_allclose(bars(ax, COLOURS["interaction"]), [[0, -3, 0], [1, 0, 2]])
    np.testing.assert_allclose(bars(ax, COLOURS["delay"]), [[0, -4, -3], [1, -2, 0]])
    np.testing.assert_allclose(bars(ax, COLOURS["source"]), [[0, 0, 0.5], [1, 2, 3]])
    assert marks(ax, "black") == {0: -3.5}
    assert marks(ax, "white") == {1: 1.0}


def test_draw_shares__the_first_step_is_paler_and_left_of_the_last(drawn):
    shares = drawn.panels["graph_joins_ei, parts"]
    ax = axes()
    draw_shares(ax, shares)
    first, last = bars(ax, TOTAL.colour)
    assert first[0] < last[0]
    heights = [end for one in (first, last) for end in one[1:] if end]
    assert heights == pytest.approx(shares["mean"].sel(part="total", moment=["first", "last"]).values)
    alphas = {patch.get_alpha() for patch in ax.patches}
    assert len(alphas) == 2
    assert [label.get_text() for label in ax.get_xticklabels()] == ["all", "delay", "source", "jointly"]
    [*lines] = [path.vertices[:, 1].tolist() for collection in ax.collections for path in collection.get_paths()]
    assert [shares.lower.sel(part="delay", moment="last"), shares.upper.sel(part="delay", moment="last")] in lines


def test_figure_parts__caption_says_what_was_tested_and_in_how_many_networks(analysis, drawn):
    caption = drawn.caption
    rows = with_intervals(analysis).set_index(["condition", "moment", "statistic"]).sort_index().loc[("delays fixed", "last")]
    for phrase in (
        "input__hidden1 (delays fixed)", "n = 3 networks", "199 permutations, seed 3, two-sided, smallest p 0.01",
        "first step 0, last step 4 to 9", "interval over networks", "paler: the first step",
        "nothing shows that grouping is joint", f"in {rows.loc['graph_joins_ei', 'interaction_rejected']} of 3",
    ):  # fmt: skip
        assert phrase in caption
    assert caption.startswith("Parts. ")
    assert WITHOUT_ORDER not in caption
    assert "It speaks of the neurons" not in caption


def test_figure_parts__caption_names_every_statistic_and_the_resolution(drawn):
    every = "E–I joins among synapses, weighted E–I joins among synapses and Moran's I among synapses, beyond"
    lowered = (
        "Grouping lowers E–I joins among synapses and weighted E–I joins among synapses, and raises Moran's I among synapses."
    )
    for phrase in (every, lowered, f"both jointly, {RESOLUTION} (finer structure of one axis counts as joint)"):
        assert phrase in drawn.caption
    labels = [ax.get_ylabel() for ax in drawn.figure.axes]
    assert "weighted E–I joins\nper neuron beyond free signs" in labels
    assert [text.get_text() for text in drawn.figure.legends[0].get_texts()][:3] == [part.words for part in OWED]


def test_figure_parts__caption_says_of_how_few_neurons_it_speaks_and_that_sources_have_no_order():
    def change(table):
        table["p_value"][:, :, 2:, 0, 2] = np.nan
        return table

    one = analysis_of_parts({"": ["a", "b"]}, change=change, projection="hidden1__output")
    caption = figure_parts(one, "hidden1__output").caption
    assert "It speaks of the neurons in which signs can move, of those with an answer 33.3 % for E–I joins among syn" in caption
    assert WITHOUT_ORDER in caption


def test_figure_parts__of_one_network_intervals_are_over_its_neurons(analysis):
    drawn = figure_parts(analysis, PROJECTION, "delays learned")
    row = grouping(analysis).set_index(["run", "moment", "statistic"]).sort_index().loc[("d", "last", "graph_joins_ei")]
    shares = drawn.panels["graph_joins_ei, parts"].sel(moment="last", part="interaction")
    assert (shares.lower.item(), shares.upper.item()) == (row["interaction_lower"], row["interaction_upper"])
    assert "interval over neurons, which speaks of this network alone" in drawn.caption


def test_plans__of_parts_draw_what_they_name_without_answers_too(analysis):
    for one in (analysis, analysis_of_parts(CONDITIONS, kept=KEPT, change=without_answers)):
        plans = FIGURES["parts"](one)
        assert [plan.name for plan in plans] == [f"parts-{PROJECTION}-delays-{kind}" for kind in ("fixed", "learned")]
        assert [plan.networks for plan in plans] == [("a", "b", "c"), ("d",)]
        for plan in plans:
            drawn = plan.draw()
            drawn.figure.draw_without_rendering()
            assert "nan" not in drawn.caption
            drawn.table()


def test_plans__of_networks_that_kept_one_step_have_no_first():
    drawn = figure_parts(analysis_of_parts({"": ["a"]}, kept={"a": (4,)}), PROJECTION)
    assert [name for name in drawn.panels if "first" in name] == []
    assert "paler" not in drawn.caption


def test_plans__of_parts_say_what_is_missing(analysis):
    with pytest.raises(BadInput, match="--statistics parts"):
        FIGURES["parts"](analysis_of_parts(CONDITIONS, parts=False))
    with pytest.raises(BadInput, match="has no condition 'other'"):
        figure_parts(analysis, PROJECTION, "other")
