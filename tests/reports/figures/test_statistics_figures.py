from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import same_color

from reports.figures import FIGURES, OF_SEVERAL
from reports.figures import correlogram as correlogram_figure
from reports.figures import joins as joins_figure
from reports.figures import ladder as ladder_figure
from reports.figures import training as training_figure
from reports.figures.correlogram import figure_correlogram
from reports.figures.joins import figure_joins
from reports.figures.ladder import figure_ladder
from reports.figures.networks import ends_of
from reports.figures.training import figure_training
from reports.figures.wording import title_of
from reports.panels.statistics import BEFORE, JOINS, draw_ladder, draw_marks, draw_offsets
from reports.style import OBSERVED
from stanalysis.analysis.analyze import analyze
from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.run import step_path, write_info
from stanalysis.stats.engine.statistics import labelled_statistics
from stanalysis.stats.replicates.effects import over_networks
from stanalysis.synthetic.network import small_network

pytestmark = pytest.mark.slow

PROJECTION = "input__hidden1"
STEPS = (0, 3, 7)
SEEDS = (3, 5)


def write_run(folder, *, seed, steps=STEPS, change=None):
    """A run that learned as much as a new random network at each step does."""
    write_info(folder, {"method": "dcls", "seed": seed})
    for step in steps:
        tree = small_network(step=step, seed=seed, n_source=7, n_target=3)
        tree["metrics"].dataset = xr.Dataset(
            {f"{part}_accuracy": ((), 0.1 + 0.1 * step + 0.01 * seed, {"units": "1"}) for part in ("test", "validation")}
        )
        if change is not None:
            change(tree)
        write_checkpoint(tree, step_path(folder, step))
    return folder


def without_metrics(tree):
    tree["metrics"].dataset = xr.Dataset()


def nearly_empty(tree):
    for name in tree["projections"].children:
        tree[f"projections/{name}"].dataset = tree[f"projections/{name}"].to_dataset().isel(synapse=slice(0, 2))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [write_run(folder / f"run-{seed}", seed=seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def tree(runs):
    """Two networks at three steps under the null ``delays``, with correlograms."""
    return analyze(runs, n_permutations=19, statistics=["lattice", "graph", "correlogram"])


@pytest.fixture(scope="module")
def rungs(tree, runs):
    """The same networks under three nulls, not in their order."""
    return [analyze(runs, null="cells", n_permutations=39), tree, analyze(runs, null="untrained")]


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """Networks with too few synapses for any answer."""
    folder = tmp_path_factory.mktemp("empty")
    paths = [write_run(folder / f"run-{seed}", seed=seed, change=nearly_empty) for seed in SEEDS]
    return analyze(paths, n_permutations=9, statistics=["lattice", "graph", "correlogram"])


def with_group(analysis, path, dataset):
    """The analysis with one group put in place."""
    groups = {name.strip("/") or "/": one for name, one in analysis.to_dict().items()}
    return xr.DataTree.from_dict(groups | {path: dataset})


def with_p_values(analysis, p_values):
    """The analysis with these p-values (run, step) of its networks, for all statistics."""
    network = analysis[f"network/{PROJECTION}"].to_dataset()
    known = xr.DataArray(p_values, dims=("run", "step")).where(network.mean_z.notnull())
    return with_group(analysis, f"network/{PROJECTION}", network.assign(p_value=known.transpose(*network.p_value.dims)))


def panels_of(figure):
    return {ax.get_title(): ax for ax in figure.axes if ax.get_title()}


def marks(ax, marker="o"):
    """Places of the markers of an Axes, sorted, by the colour of their face."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in ax.lines:
        if line.get_marker() == marker and line.get_linestyle() == "None":
            places = zip(line.get_xdata(), line.get_ydata(), strict=True)
            found.setdefault(str(line.get_markerfacecolor()), []).extend((float(x), float(y)) for x, y in places)
    return {colour: sorted(places) for colour, places in found.items()}


def test_figures__stand_in_the_order_of_the_report():
    names = list(FIGURES)
    assert names[names.index("fig3") :] == [
        "fig3", "sizes", "ladder", "joins", "parts", "correlogram", "training", "film", "survival", "hazards", "pruning",
        "precision", "surgery",
    ]  # fmt: skip
    assert set(names) >= OF_SEVERAL == {"ladder"}


@pytest.mark.parametrize("name", ["ladder", "joins", "correlogram", "training"])
def test_plans__draw_what_they_name_without_answers_too(name, tree, empty):
    for analysis in (tree, empty):
        plans = FIGURES[name](analysis)
        assert {plan.projection for plan in plans} == {PROJECTION, "hidden1__output"}
        assert all(plan.name.startswith(f"{name}-{plan.projection}") for plan in plans)
        for plan in plans:
            drawn = plan.draw()
            drawn.figure.draw_without_rendering()
            assert drawn.caption.startswith(f"{name.capitalize()}. ")
            assert "nan" not in drawn.caption
            assert "inf" not in drawn.caption
            table = drawn.table()
            numbers = {panel: any(one[name].notnull().any() for name in one.data_vars) for panel, one in drawn.panels.items()}
            assert set(table.panel) == {panel for panel, any_number in numbers.items() if any_number}


def test_draw_marks__are_filled_open_or_crosses():
    figure = panel()
    ax = figure.axes[0]
    p = np.array([0.05, 0.06, np.nan, 0.01])
    draw_marks(ax, np.arange(4.0), np.array([1.0, 2.0, 3.0, np.nan]), p, colour="red", size=4)
    assert marks(ax) == {"red": [(0.0, 1.0)], "white": [(1.0, 2.0)]}
    assert marks(ax, "x") == {"red": [(2.0, 3.0)]}


def panel():
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots()
    return figure


def test_draw_ladder__a_network_has_one_height_beside_each_null():
    z = np.arange(8.0).reshape(2, 2, 2)
    ladder = xr.Dataset(
        {"mean_z": (("null", "run", "moment"), z), "p_value": (("null", "run", "moment"), np.full((2, 2, 2), 0.01))},
        {"null": ["delays", "cells"], "run": ["a", "b"], "moment": ["trained", "first"]},
    )
    figure = panel()
    draw_ladder(figure.axes[0], ladder)
    found = marks(figure.axes[0])
    trained, first = (dict(found[colour]) for colour in (OBSERVED, BEFORE))
    assert sorted(trained) == [0, 2, 4, 6]
    assert sorted(first) == [1, 3, 5, 7]
    for at in (trained, first):
        below = [y - 1 for x, y in sorted(at.items())[:2]]  # "delays" stands above
        assert below == pytest.approx([y for x, y in sorted(at.items())[2:]])
    assert all(first[x + 1] < trained[x] for x in trained)
    assert abs(np.array([*trained.values(), *first.values()]).round() - [1, 1, 0, 0] * 2).max() == 0


def test_figure_ladder__nulls_stand_in_the_order_of_their_meaning(rungs):
    drawn = figure_ladder(rungs, PROJECTION)
    assert list(drawn.panels) == [statistic.name for statistic in labelled_statistics()]
    assert drawn.panels["lead"].null.values.tolist() == ["delays", "cells", "untrained"]
    ax = panels_of(drawn.figure)[title_of("morans_i")]
    assert [label.get_text().split(":")[0] for label in ax.get_yticklabels()] == ["untrained", "cells", "delays"]


def test_figure_ladder__shows_the_trained_and_the_first_step(rungs):
    ladder = figure_ladder(rungs, PROJECTION).panels["graph_morans_i"]
    by_null = {tree.attrs["null"]: tree[f"network/{PROJECTION}"].to_dataset() for tree in rungs}
    for null, network in by_null.items():
        of = network.sel(statistic="graph_morans_i")
        for moment, step in (("trained", STEPS[-1]), ("first", STEPS[0])):
            one = ladder.sel(null=null, moment=moment)
            assert one.step.values.tolist() == [step] * len(SEEDS)
            np.testing.assert_array_equal(one.mean_z, of.mean_z.sel(step=step))
            np.testing.assert_array_equal(one.p_value, of.p_value.sel(step=step))


def test_figure_ladder__draws_its_panels(rungs):
    drawn = figure_ladder(rungs, PROJECTION)
    for name, ladder in drawn.panels.items():
        ax = panels_of(drawn.figure)[title_of(name)]
        seen = [x for marker in ("o", "x") for places in marks(ax, marker).values() for x, _ in places]
        assert sorted(seen) == pytest.approx(np.sort(ladder.mean_z.values[ladder.mean_z.notnull().values]))
        without = (ladder.mean_z.notnull() & ladder.p_value.isnull()).sum()
        assert sum(len(places) for places in marks(ax, "x").values()) == without


def test_figure_ladder__step_chosen_by_validation_is_the_trained_one(tree):
    best = with_best(tree, {f"run-{SEEDS[0]}": 3, f"run-{SEEDS[1]}": None})
    drawn = figure_ladder([best], PROJECTION)
    assert drawn.panels["lead"].sel(moment="trained").step.values.tolist() == [3, 7]
    assert "steps 3, 7, best on validation or the last step kept" in drawn.caption


def test_figure_ladder__one_step_is_shown_once(runs):
    one = analyze([step_path(runs[0], 0)], n_permutations=9)
    drawn = figure_ladder([one], PROJECTION)
    assert drawn.panels["morans_i"].moment.values.tolist() == ["trained"]
    assert "paler" not in drawn.caption


def test_figure_ladder__caption_says_what_each_null_can_reach(rungs):
    caption = figure_ladder(rungs, PROJECTION).caption
    assert "delays (19 permutations, seed 0, two-sided, smallest p 0.1)" in caption
    assert "cells (39 permutations, seed 0, two-sided, smallest p 0.05)" in caption
    assert "untrained (no permutations" in caption
    assert "n = 2 networks (training seeds 3, 5)" in caption
    assert "Rejecting cells says only that something in the plane is not uniform" in caption
    assert "crosses: no p" in caption


def test_plans__of_the_ladder_refuse_a_null_given_twice(tree):
    with pytest.raises(BadInput, match="More than one analysis is of the null delays"):
        ladder_figure.plans(tree, tree)


def test_plans__of_the_ladder_refuse_other_networks_of_the_same_name(tree, tmp_path):
    others = [write_run(tmp_path / f"run-{seed}", seed=seed + 1) for seed in SEEDS]
    with pytest.raises(BadInput, match="not of the same networks"):
        ladder_figure.plans(tree, analyze(others, null="signs", n_permutations=9))


def test_plans__of_the_ladder_take_copies_of_the_same_networks(tree, tmp_path):
    copies = [write_run(tmp_path / f"run-{seed}", seed=seed) for seed in SEEDS]
    assert ladder_figure.plans(tree, analyze(copies, null="signs", n_permutations=9))


def test_plans__of_the_ladder_refuse_another_alternative(tree, runs):
    other = analyze(runs, null="signs", n_permutations=9, alternative="less")
    with pytest.raises(BadInput, match=r"differ in alternative \(two-sided, less\)"):
        ladder_figure.plans(tree, other)


def with_best(analysis, best):
    """The analysis with other steps that validation chose."""
    changed = analysis.copy()
    changed.attrs = analysis.attrs | {"best_steps": json.dumps(best)}
    return changed


def test_plans__one_figure_per_condition(tmp_path, write_sweep):
    sweep = write_sweep(tmp_path, connectivity=["rewired"], delays=["fixed", "learned"], sparsities=[0.0], n_source=7)
    analysis = analyze([sweep], n_permutations=9)
    for name in ("ladder", "joins", "training"):
        plans = [plan for plan in FIGURES[name](analysis) if plan.projection == PROJECTION]
        assert [plan.name for plan in plans] == [f"{name}-{PROJECTION}-delays-{delays}" for delays in ("fixed", "learned")]
        assert [len(plan.networks) for plan in plans] == [2, 2]
        drawn = plans[1].draw()
        assert "(delays learned)" in drawn.caption
        assert {run for one in drawn.panels.values() for run in one.run.values} == set(plans[1].networks)
    with pytest.raises(BadInput, match="has no condition ''"):
        figure_joins(analysis, PROJECTION)


def test_figure_joins__courses_are_what_is_beyond_the_null(tree):
    drawn = figure_joins(tree, PROJECTION)
    table = tree[f"statistics/{PROJECTION}"].to_dataset()
    for place in ("graph_joins", "joins"):
        for kind in JOINS:
            course = drawn.panels[f"{place}_{kind}"]
            own = table.sel(statistic=f"{place}_{kind}")
            beyond = (own.value - own.expected).mean("target")
            np.testing.assert_allclose(course.value, beyond)
            over = over_networks(beyond)
            for part in ("mean", "lower", "upper"):
                np.testing.assert_allclose(course[part], over[part])
            network = tree[f"network/{PROJECTION}"].to_dataset().sel(statistic=f"{place}_{kind}")
            np.testing.assert_array_equal(course.p_value, network.p_value)


def test_figure_joins__draws_lines_means_and_bands(tree):
    drawn = figure_joins(tree, PROJECTION)
    ax = drawn.figure.axes[1]
    course = drawn.panels["graph_joins_ei"]
    assert ax.get_title() == "E–I joins"
    lines = [line for line in ax.lines if line.get_marker() == "None" and len(line.get_xdata()) == len(STEPS)]
    assert [line.get_xdata().tolist() for line in lines] == [list(STEPS)] * 3
    np.testing.assert_array_equal([line.get_ydata() for line in lines], [*course.value.values, course["mean"].values])
    assert lines[2].get_linewidth() > 2 * lines[0].get_linewidth()
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(float(course.lower.min()))
    assert band[:, 1].max() == pytest.approx(float(course.upper.max()))


def test_figure_joins__markers_are_filled_where_the_network_stands_out(tree):
    drawn = figure_joins(with_p_values(tree, [[0.5, 0.01, 0.05], [0.06, np.nan, 0.001]]), PROJECTION)
    value = drawn.panels["graph_joins_ei"].value.values
    found = marks(drawn.figure.axes[1])
    filled = next(places for colour, places in found.items() if same_color(colour, JOINS["ei"]))
    assert filled == sorted([(3, value[0, 1]), (7, value[0, 2]), (7, value[1, 2])])
    assert found["white"] == sorted([(0, value[0, 0]), (0, value[1, 0])])
    assert next(iter(marks(drawn.figure.axes[1], "x").values())) == [(3, value[1, 1])]
    assert "no $p$" in [text.get_text() for text in drawn.figure.legends[0].get_texts()]


def test_figure_joins__bars_are_means_over_networks_of_the_trained_step(tree):
    drawn = figure_joins(tree, PROJECTION)
    joins = drawn.panels["graph_joins, trained"]
    table = tree[f"statistics/{PROJECTION}"].to_dataset().sel(step=STEPS[-1])
    ax = panels_of(drawn.figure)["trained"]
    for i, kind in enumerate(JOINS):
        own = table.sel(statistic=f"graph_joins_{kind}")
        assert joins.mean_observed.sel(kind=kind) == pytest.approx(own.value.mean("target").mean("run"))
        expected, observed = ax.patches[2 * i : 2 * i + 2]
        assert expected.get_height() == pytest.approx(own.expected.mean("target").mean("run"))
        assert observed.get_height() == pytest.approx(float(joins.mean_observed.sel(kind=kind)))
        assert expected.get_hatch()
        assert not observed.get_hatch()
    assert f"E–I {float(joins.mean_expected.sel(kind='ei')):.3g}" in drawn.caption


def test_figure_joins__the_mean_is_of_all_networks_or_none(tmp_path):
    paths = [write_run(tmp_path / "a", seed=0, steps=(0, 3)), write_run(tmp_path / "b", seed=1, steps=(0, 4))]
    course = figure_joins(analyze(paths, n_permutations=9), PROJECTION).panels["joins_ei"]
    assert course.step.values.tolist() == [0, 3, 4]
    assert course["mean"].notnull().values.tolist() == [True, False, False]
    assert course.lower.notnull().values.tolist() == [True, False, False]


def test_plans__of_joins_say_what_is_missing(runs):
    with pytest.raises(BadInput, match="has no join counts"):
        joins_figure.plans(analyze(runs[:1], n_permutations=9, statistics=["survival"]))


def test_figure_correlogram__map_is_the_mean_beyond_the_null_but_at_no_offset(tree):
    drawn = figure_correlogram(tree, PROJECTION, 1)
    table = tree[f"correlogram/{PROJECTION}"].to_dataset().isel(run=1)
    images = [ax.images[0] for ax in drawn.figure.axes if ax.images]
    assert len(images) == 2
    assert {image.get_clim() for image in images} == {(-images[0].get_clim()[1], images[0].get_clim()[1])}
    for image, step in zip(images, (STEPS[0], STEPS[-1]), strict=True):
        excess = drawn.panels[f"step {step}"].excess
        beyond = (table.correlation - table.expected).sel(step=step).mean("target")
        away = (beyond.source_lag != 0) | (beyond.delay_lag != 0)
        np.testing.assert_allclose(excess, beyond.where(away))
        assert np.isnan(excess.sel(source_lag=0, delay_lag=0))
        np.testing.assert_allclose(image.get_array().filled(np.nan), excess)
        assert abs(excess).max() <= images[0].get_clim()[1]


def test_draw_offsets__dashes_mark_what_is_below_0():
    excess = [[np.nan, -0.2, 1e-18], [0.1, -1e-18, -0.3]]
    offsets = xr.Dataset({"excess": (("source_lag", "delay_lag"), excess)}, {"lag": ("delay_lag", [-10.0, 0.0, 10.0])})
    figure = panel()
    draw_offsets(figure.axes[0], offsets, limit=0.3)
    dashes = figure.axes[0].lines[0]
    assert sorted(zip(dashes.get_xdata(), dashes.get_ydata(), strict=True)) == [(0, 0), (10, 1)]


def test_figure_correlogram__titles_count_neurons_that_depart(tree):
    table = tree[f"correlogram/{PROJECTION}"].to_dataset()
    found = np.full(table.global_p.shape, 0.5)
    found[0, -1] = [0.05, 0.2, np.nan]
    changed = table.assign(global_p=(table.global_p.dims, found))
    drawn = figure_correlogram(with_group(tree, f"correlogram/{PROJECTION}", changed), PROJECTION, 0)
    titles = list(panels_of(drawn.figure))
    assert titles[:2] == ["step 0\n0 % of 3 neurons depart", "step 7\n50 % of 2 neurons depart"]
    assert "3 at step 0, 2 at step 7, of 3" in drawn.caption


def test_figure_correlogram__profiles_show_the_null_and_source_lag_0_once(tree):
    drawn = figure_correlogram(tree, PROJECTION)
    table = tree[f"correlogram/{PROJECTION}"].to_dataset().isel(run=0)
    same, following = drawn.panels["source lag 0"], drawn.panels["source lag 1"]
    assert same.delay_lag.values.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(following.expected, table.expected.sel(source_lag=1).mean("target"))
    ax = panels_of(drawn.figure)["source lag 1"]
    dashed, solid = (
        [line for line in ax.lines if line.get_linestyle() == style and len(line.get_xdata()) > 2] for style in ("--", "-")
    )
    np.testing.assert_allclose([line.get_ydata() for line in dashed], following.expected)
    np.testing.assert_allclose([line.get_ydata() for line in solid], following.correlation)
    assert solid[0].get_xdata()[0] == -50
    assert [line.get_label() for line in solid] == ["step 0", "step 7"]


def test_plans__of_the_correlogram_name_the_network_where_there_are_several(tree, runs):
    own = [plan for plan in correlogram_figure.plans(tree) if plan.projection == PROJECTION]
    assert [(plan.name, plan.networks) for plan in own] == [
        (f"correlogram-{PROJECTION}-run-{seed}", (f"run-{seed}",)) for seed in SEEDS
    ]
    alone = analyze(runs[:1], n_permutations=9, statistics=["correlogram"])
    assert correlogram_figure.plans(alone)[0].name == f"correlogram-{PROJECTION}"


def test_plans__of_the_correlogram_say_what_is_missing(rungs):
    with pytest.raises(BadInput, match="--statistics lattice graph correlogram"):
        correlogram_figure.plans(rungs[0])
    with pytest.raises(BadInput, match="--statistics lattice graph correlogram"):
        figure_correlogram(rungs[0], PROJECTION)


def test_figure_training__shows_mean_z_and_accuracy_of_every_kept_step(tree):
    drawn = figure_training(tree, PROJECTION)
    network = tree[f"network/{PROJECTION}"].to_dataset()
    for name in ("morans_i", "graph_morans_i", "graph_joins_ei"):
        course = drawn.panels[name]
        np.testing.assert_array_equal(course.value, network.mean_z.sel(statistic=name))
        ax = next(ax for ax in drawn.figure.axes if ax.get_title() == title_of(name))
        assert sum(len(places) for places in marks(ax).values()) == len(STEPS) * len(SEEDS)
    accuracy = drawn.panels["test_accuracy"]
    np.testing.assert_allclose(accuracy.value, [[0.1 + 0.1 * step + 0.01 * seed for step in STEPS] for seed in SEEDS])
    ax = panels_of(drawn.figure)["accuracy"]
    thick = [line for line in ax.lines if line.get_linewidth() == 1.6]
    assert [line.get_linestyle() for line in thick] == ["-", "--"]
    np.testing.assert_allclose(thick[0].get_ydata(), accuracy["mean"])


def test_figure_training__paths_grow_with_the_step(tree):
    drawn = figure_training(tree, PROJECTION)
    path = drawn.panels["graph_joins_ei over accuracy"]
    own = tree[f"statistics/{PROJECTION}"].to_dataset().sel(statistic="graph_joins_ei")
    np.testing.assert_allclose(path.excess, (own.value - own.expected).mean("target"))
    ax = next(ax for ax in drawn.figure.axes if ax.collections and ax.get_title() == title_of("graph_joins_ei"))
    for points, run in zip(ax.collections, range(len(SEEDS)), strict=True):
        one = path.isel(run=run)
        np.testing.assert_allclose(points.get_offsets(), np.column_stack([one.accuracy, one.excess]))
        assert (np.diff(points.get_sizes()) > 0).all()


def test_figure_training__steps_without_accuracy_are_left_out_of_the_paths(tree):
    metrics = tree["metrics"].to_dataset().copy(deep=True)
    metrics.test_accuracy[0, 1] = np.nan
    drawn = figure_training(with_group(tree, "metrics", metrics), PROJECTION)
    path = drawn.panels["graph_morans_i over accuracy"]
    assert path.excess.notnull().values.tolist() == [[True, False, True], [True] * 3]
    assert drawn.panels["test_accuracy"]["mean"].notnull().values.tolist() == [True, False, True]


def test_figure_training__without_accuracy_there_is_structure_alone(tmp_path):
    run = write_run(tmp_path / "run", seed=0, change=without_metrics)
    drawn = figure_training(analyze([run], n_permutations=9), PROJECTION)
    assert list(drawn.panels) == ["morans_i", "graph_morans_i", "graph_joins_ei"]
    assert len(drawn.figure.axes) == 3
    assert "ccuracy" not in drawn.caption
    assert "n = 1 network (run, training seed 0)" in drawn.caption


def test_plans__of_training_need_two_steps(runs):
    with pytest.raises(BadInput, match="two kept steps"):
        training_figure.plans(analyze([step_path(runs[0], 0)], n_permutations=9))


def test_ends_of__first_and_trained_step_of_each_network(tree):
    chosen = with_best(tree, {f"run-{SEEDS[0]}": None, f"run-{SEEDS[1]}": 3})
    first, trained = ends_of(chosen, PROJECTION, [f"run-{seed}" for seed in SEEDS[::-1]])
    assert first.values.tolist() == [0, 0]
    assert trained.values.tolist() == [3, 7]
