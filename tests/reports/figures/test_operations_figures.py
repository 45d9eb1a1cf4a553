from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from reports.figures import FIGURES
from reports.figures.operated import places
from reports.figures.precision import figure_precision
from reports.figures.precision import plans as precision_plans
from reports.figures.surgery import figure_surgery
from reports.figures.surgery import plans as surgery_plans
from reports.page.operations import operations_section
from reports.page.page import page
from reports.panels.operations import ARMS, MATCHED, UNMATCHED
from stanalysis.analysis.analyze import analyze
from stanalysis.errors import BadInput
from stanalysis.findings.operations import operated, operated_means
from tests.operated import COSTS, HIDDEN, write_operated_run

LONGEST = 80  # words of a caption
PNG = b"\x89PNG not really"


def analysed(runs):
    return analyze(runs, n_permutations=9, statistics=["lattice"], check=False)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    """Three networks, the last without jitter of delays and without exchanges of signs."""
    folder = tmp_path_factory.mktemp("runs")
    lacking = {2: ("delay-jitter", "directed-signs")}
    runs = [write_operated_run(folder / f"n{seed}", seed=seed, without=lacking.get(seed, ())) for seed in range(3)]
    return analysed(runs)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return analysed([write_operated_run(tmp_path_factory.mktemp("run") / "alone")])


@pytest.fixture(scope="module")
def drawn_precision(analysis):
    return figure_precision(analysis)


@pytest.fixture(scope="module")
def drawn_surgery(analysis):
    return figure_surgery(analysis, HIDDEN)


def without_operations(analysis):
    return xr.DataTree.from_dict({path: dataset for path, dataset in analysis.to_dict().items() if path != "/operations"})


def panel(drawn, title):
    return next(ax for ax in drawn.figure.axes if ax.get_title() == title)


def thick(ax):
    return [line for line in ax.lines if line.get_linewidth() == 1.6]


def test_figure_precision__means_thick_over_networks_thin(analysis, drawn_precision):
    ax = panel(drawn_precision, "levels of delay")
    (mean,) = thick(ax)
    means = operated_means(analysis).query("operation == 'delay-levels'").set_index("level")["test_accuracy"].sort_index()
    np.testing.assert_array_equal(mean.get_xdata(), sorted(COSTS["delay-levels"]))
    np.testing.assert_allclose(mean.get_ydata(), means)
    thin = [line for line in ax.lines if line.get_linewidth() == 0.5]
    rows = operated(analysis).query("operation == 'delay-levels'").set_index("level").sort_index()
    assert len(thin) == 3
    for run, line in zip(("n0", "n1", "n2"), thin, strict=True):
        np.testing.assert_allclose(line.get_ydata(), rows[rows["run"] == run]["test_accuracy"])
    assert ax.xaxis_inverted()
    assert [label.get_text() for label in ax.get_xticklabels()][:2] == ["1\n0", "2\n1"]


def test_figure_precision__begins_with_the_intact_network(analysis, drawn_precision):
    intact = operated(analysis).query("family == 'intact'").set_index("run")["test_accuracy"]
    (jitter,) = thick(panel(drawn_precision, "jitter of delays"))
    assert (jitter.get_xdata()[0], jitter.get_ydata()[0]) == (0, pytest.approx(intact[["n0", "n1"]].mean()))
    (clipped,) = thick(panel(drawn_precision, "delays clipped"))
    assert (clipped.get_xdata()[-1], clipped.get_ydata()[-1]) == (1, pytest.approx(intact.mean()))
    to_mean = thick(panel(drawn_precision, "delays set to the mean"))
    assert len(to_mean) == 3
    assert {line.get_xdata()[0] for line in to_mean} == {0}
    levels = [line.get_ydata()[0] for line in panel(drawn_precision, "bits of weights").lines if line.get_zorder() == 0]
    assert levels == pytest.approx([0.5, intact.mean()])


def test_figure_precision__schemes_over_their_memory(analysis, drawn_precision):
    ax = panel(drawn_precision, "schemes of delays")
    large = {float(line.get_xdata()[0]): line for line in ax.lines if line.get_markersize() == 5}
    assert sorted(large) == [255, 260, 700, 710, 21000]
    assert large[710].get_markerfacecolor() == large[255].get_markerfacecolor() == "white"
    assert large[260].get_ydata()[0] == pytest.approx(
        operated(analysis).query("operation == 'dendritic'")["test_accuracy"].mean()
    )


def test_figure_surgery__filled_where_doses_are_matched(analysis, drawn_surgery):
    ax = panel(drawn_surgery, "delays exchanged")
    means = operated_means(analysis).query("operation == 'directed-delays'").set_index(["arm", "matched", "level"]).sort_index()
    joined = [line for line in ax.lines if line.get_markersize() == 4 and line.get_marker() in "^ov"]
    assert len(joined) == 6
    for line in joined:
        (arm,) = [arm for arm, (colour, _) in ARMS.items() if to_hex(colour) == to_hex(line.get_color())]
        rows = means.loc[arm, line.get_markerfacecolor() != "white"]
        np.testing.assert_allclose(line.get_ydata(), rows["test_accuracy"])
        np.testing.assert_allclose(line.get_xdata(), rows["dose"], atol=0.03)  # arms stand a little apart
    points = [line for line in ax.lines if line.get_markersize() == 2]
    assert {len(line.get_xdata()) for line in points} == {9}  # networks × levels
    assert set(drawn_surgery.panels["delays exchanged"].doses.values) == {MATCHED, UNMATCHED}
    assert drawn_surgery.panels["signs exchanged"].sizes["run"] == 2


def test_figure_surgery__nulls_by_normalisation_and_refit(drawn_surgery):
    ax = panel(drawn_surgery, "nulls")
    joined = [line for line in ax.lines if line.get_markersize() == 4 and line.get_marker() in "^o"]
    kinds = {(line.get_marker(), line.get_markerfacecolor() == "white") for line in joined}
    assert len(joined) == 15
    assert kinds == {("o", False), ("o", True), ("^", True)}


@pytest.mark.parametrize("name", ["precision", "surgery"])
def test_plans__draw_and_say_what_they_name(name, analysis, alone, tmp_path):
    for tree in (analysis, alone):
        (plan,) = FIGURES[name](tree)
        drawn = plan.draw()
        drawn.figure.savefig(tmp_path / f"{name}.png")
        assert plan.name == ("precision" if name == "precision" else f"surgery-{HIDDEN}")
        assert plan.networks == tuple(dict.fromkeys(operated(tree)["run"]))
        assert drawn.caption.startswith(f"{name.capitalize()}. ")
        assert "nan" not in drawn.caption
        assert "intact (92 %) and chance (1/2)" in drawn.caption
        assert len(drawn.caption.split()) <= LONGEST
        assert set(drawn.table().panel) == set(drawn.panels)


def test_plans__without_operations_say_what_to_do(analysis):
    empty = without_operations(analysis)
    assert places(operated(empty)) == []
    for plans in (precision_plans, surgery_plans):
        with pytest.raises(BadInput, match="run `stanalysis operate`"):
            plans(empty)
    with pytest.raises(BadInput, match="no operations of precision on all"):
        figure_precision(empty)
    with pytest.raises(BadInput, match="no surgery on elsewhere"):
        figure_surgery(analysis, "elsewhere")


def test_plans__surgery_of_unknown_dose_has_no_place_on_the_axis(analysis):
    groups = dict(analysis.to_dict())
    table = groups["/operations"]
    groups["/operations"] = table.assign(dose=table.dose.where(table.family != "directed"))
    (plan,) = surgery_plans(xr.DataTree.from_dict(groups))
    assert set(plan.draw().panels) == {"nulls"}
    groups["/operations"] = table.assign(dose=table.dose.where(table.family == "precision"))
    with pytest.raises(BadInput, match="run `stanalysis operate`"):
        surgery_plans(xr.DataTree.from_dict(groups))


def test_operations_section__is_on_the_page_with_its_figures_where_there_is_any(analysis, drawn_precision, drawn_surgery):
    drawn = {"precision": drawn_precision, f"surgery-{HIDDEN}": drawn_surgery}

    def shown(tree):
        return page({"a.nc": tree}, drawn, dict.fromkeys(drawn, PNG), atlas=None, notes=[], command="")

    html = shown(analysis)
    at = [html.index(mark) for mark in ('id="operations"', "Delays may be off by", "figure-operations-2", 'id="tests"')]
    assert at == sorted(at)
    section = operations_section(analysis)
    assert [table.title for table in section.tables] == [
        "What costs up to one point of accuracy",
        "Schemes of delays",
        "Grouping raised against lowered",
        "Under nulls",
    ]
    assert operations_section(without_operations(analysis)) is None
    bare = shown(without_operations(analysis))
    assert "operations" not in bare.split('<h2 id="figures">')[0]
    assert 'id="figure-1"' in bare
