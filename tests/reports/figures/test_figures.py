from __future__ import annotations

import numpy as np
import pytest

from reports.figures.figure_1a import figure_1a, toy_planes
from reports.figures.figure_1bc import figure_1bc, letter, plans, representative
from stanalysis.analysis.analyze import analyze
from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.run import step_path, write_info
from stanalysis.findings.networks import fields_at
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.stats.spatial.autocorrelation import morans_i
from stanalysis.synthetic.network import small_network

pytestmark = pytest.mark.slow

PROJECTION = "input__hidden1"
N_TARGET = 9


def write_run(path, *, seed=0, steps=(0, 3, 10), best=None):
    write_info(path, {"method": "dcls", "seed": seed})
    for step in steps:
        write_checkpoint(small_network(step=step, seed=seed, n_target=N_TARGET), step_path(path, step))
    if best is not None:
        write_checkpoint(small_network(step=best, seed=seed, n_target=N_TARGET), path / "best.nc")
    return path


def silenced(tree, targets):
    """The checkpoint without the synapses of some targets of `PROJECTION`."""
    table = tree[f"projections/{PROJECTION}"].to_dataset()
    tree[f"projections/{PROJECTION}"].dataset = table.isel(synapse=~np.isin(table.target.values, targets))
    return tree


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    runs = [write_run(folder / "first", best=3), write_run(folder / "second", seed=1, steps=(0, 7))]
    return analyze(runs, n_permutations=49, seed=5)


@pytest.fixture(scope="module")
def drawn(analysis):
    return figure_1bc(analysis, PROJECTION)


def panels(figure, n_columns):
    """The grid of panels, without the colour bar."""
    axes = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    return np.array(axes).reshape(-1, n_columns)


def neuron_of(ax):
    return int(ax.get_title().split()[2])


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


def saved(figure, tmp_path):
    """Draw it for real: layout and text raise here, if anywhere."""
    figure.savefig(tmp_path / "figure.png")
    return (tmp_path / "figure.png").stat().st_size > 0


def test_figure_1a__prints_morans_i_of_the_planes_it_shows():
    figure, caption, _ = figure_1a()
    moran = morans_i(toy_planes(), null="cells", n_permutations=0, seed=0).morans_i
    for ax, plane in zip(figure.axes[1:], ("grouped", "shuffled", "dispersed"), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), toy_planes().receptive_field.sel(plane=plane))
        shown = f"{float(moran.sel(plane=plane)):.3f}".replace("-", "−")
        assert ax.get_title().startswith(f"{plane}\n$I$ = {shown}, ")
    for stated in ("n = 3", "null cells", "999 permutations", "seed 1", "rook", "NaN"):
        assert stated in caption


def test_toy_planes__arrange_the_same_weights():
    field = toy_planes().receptive_field
    weights = [np.sort(plane.values.ravel()) for plane in field]
    assert all((w == weights[0]).all() for w in weights)
    moran = morans_i(toy_planes(), null="cells", n_permutations=99, seed=0)
    grouped, shuffled, dispersed = moran.p_value.values
    assert grouped <= 0.05 < shuffled
    assert dispersed <= 0.05
    assert moran.morans_i.values[2] == pytest.approx(-1)


def test_figure_1b__shows_the_neurons_of_highest_i_at_both_steps(analysis, drawn):
    moran = analysis[f"autocorrelation/{PROJECTION}"].to_dataset().isel(run=0).morans_i
    axes = panels(drawn[0], 4)
    before, after = (int(moran.sel(step=step).argmax("target")) for step in (0, 3))
    assert before != after
    assert [[neuron_of(ax) for ax in row[:2]] for row in axes] == [[before, after]] * 2


def test_figure_1b__shows_the_median_neuron_of_each_step(analysis, drawn):
    moran = analysis[f"autocorrelation/{PROJECTION}"].to_dataset().isel(run=0).morans_i
    for step, row in zip((0, 3), panels(drawn[0], 4), strict=True):
        assert float(moran.sel(step=step, target=neuron_of(row[2]))) == float(moran.sel(step=step).median())


def test_figure_1b__draws_the_fields_of_the_titled_neurons(analysis, drawn):
    for step, row in zip((0, 3), panels(drawn[0], 4), strict=True):
        fields = fields_at(analysis, PROJECTION, run=str(analysis["metrics"]["run"].values[0]), step=step)
        for ax in row[:3]:
            field = fields.sel(target=neuron_of(ax))
            np.testing.assert_array_equal(ax.images[0].get_array().data, field.receptive_field)
            np.testing.assert_array_equal(ax.images[0].get_array().mask, ~field.present)


def test_figure_1b__titles_state_i_and_q(analysis, drawn):
    table = analysis[f"autocorrelation/{PROJECTION}"].to_dataset().isel(run=0)
    ax = panels(drawn[0], 4)[1, 0]
    answer = table.sel(step=3, target=neuron_of(ax))
    shown = f"$I$ = {float(answer.morans_i):.3f}, $q$ = {float(answer.q_value):.3f}".replace("-", "−")
    assert ax.get_title().splitlines()[1] == shown


def test_figure_1b__all_fields_share_symmetric_limits(drawn):
    limits = {ax.images[0].get_clim() for ax in panels(drawn[0], 4)[:, :3].ravel()}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == -high < 0


def test_figure_1b__distributions_are_those_of_the_steps_in_the_same_limits(analysis, drawn):
    distribution = analysis[f"distribution/{PROJECTION}"].to_dataset().isel(run=0)
    axes = panels(drawn[0], 4)[:, -1]
    for step, ax in zip((0, 3), axes, strict=True):
        observed = next(patch for patch in ax.patches if patch.get_label() == "observed")
        np.testing.assert_array_equal(observed.get_data().values, distribution["count"].sel(step=step))
        assert ax.get_title() == f"n = {N_TARGET}\n0 without answer"
        assert len(ax.lines) == 3
    assert axes[0].get_xlim() == axes[1].get_xlim()
    assert axes[0].get_ylim() == axes[1].get_ylim()


def test_figure_1b__caption_says_what_was_computed(drawn):
    for stated in (
        "network first (1 of 2 analysed; method dcls, training seed 0)",
        "step 0 (before training) and step 3 (after training), the best on validation",
        "step 0: n = 9, 0 without answer; step 3: n = 9, 0 without answer",
        "null delays, 49 permutations, two-sided, seed 5",
        "rook neighbours, row-standardised",
        "deployed kernel",
    ):
        assert stated in drawn[1]


@pytest.fixture(scope="module")
def short_run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("short") / "run", steps=(0, 3))


@pytest.mark.parametrize("null", tuple(NULLS))
def test_figure_1b__caption_says_what_rejecting_the_null_means(short_run, null):
    analysis = analyze([short_run], null=null, n_permutations=19, statistics=(), seed=5)
    figure, caption, _ = figure_1bc(analysis, PROJECTION)
    assert NULLS[null].meaning in caption
    assert f"null {null}, {'no permutations' if null == 'untrained' else '19 permutations'}, two-sided" in caption
    assert ("seed 5" in caption) == (null != "untrained")
    assert ("with that at step 0, the null (line)" in caption) == (null == "untrained")
    assert ("of the null; symbols" in caption) == (null != "untrained")
    assert panels(figure, 4).shape == (2, 4)


def test_figure_1b__the_untrained_network_is_drawn_as_the_null(short_run, tmp_path):
    analysis = analyze([short_run], null="untrained", statistics=())
    figure, _, _ = figure_1bc(analysis, PROJECTION)
    before = analysis[f"distribution/{PROJECTION}"].to_dataset().isel(run=0).sel(step=0)["count"]
    for ax in panels(figure, 4)[:, -1]:
        drawn = {patch.get_label(): patch.get_data() for patch in ax.patches}
        np.testing.assert_allclose(drawn["null, mean"].values, before)
        np.testing.assert_allclose(drawn["null, 95 % band"].values, drawn["null, 95 % band"].baseline)
    assert saved(figure, tmp_path)


def test_figure_1b__another_run_ends_at_its_last_step_without_a_best_one(analysis, tmp_path):
    figure, caption, _ = figure_1bc(analysis, PROJECTION, run=1)
    assert "network second (2 of 2 analysed; method dcls, training seed 1)" in caption
    assert "step 7 (after training), the last one kept" in caption
    assert panels(figure, 4).shape == (2, 4)
    assert saved(figure, tmp_path)


def test_figure_1b__frequencies_stand_beside_the_last_field(drawn):
    for row in panels(drawn[0], 4):
        assert [len(ax.child_axes) for ax in row] == [0, 0, 1, 0]


def test_figure_1b__without_any_answer_says_so(analysis, tmp_path):
    # three synapses per output neuron are fewer than morans_i answers for
    write_checkpoint(small_network(n_target=3), tmp_path / "small.nc")
    few = analyze([tmp_path / "small.nc"], n_permutations=9)
    figure, caption, _ = figure_1bc(few, "hidden1__output")
    assert all("no answer" in texts_of(ax) for ax in panels(figure, 3).ravel())
    assert "n = 2, 2 without answer" in caption
    assert "none has an answer" in caption
    assert saved(figure, tmp_path)


def test_figure_1b__one_checkpoint_has_one_row(tmp_path):
    write_checkpoint(small_network(step=4), tmp_path / "one.nc")
    figure, caption, _ = figure_1bc(analyze([tmp_path / "one.nc"], n_permutations=9), PROJECTION)
    (row,) = panels(figure, 3)
    assert [texts_of(ax)[-1] for ax in row] == ["highest $I$", "median $I$", "all neurons"]
    assert "at step 4. " in caption
    assert saved(figure, tmp_path)


def test_figure_1b__leaves_out_neurons_without_an_answer_and_counts_them(tmp_path):
    write_checkpoint(silenced(small_network(), [0, 3]), tmp_path / "silent.nc")
    figure, caption, _ = figure_1bc(analyze([tmp_path / "silent.nc"], n_permutations=9), PROJECTION)
    (row,) = panels(figure, 3)
    assert {neuron_of(ax) for ax in row[:2]} == {1, 2}
    assert row[-1].get_title() == "n = 4\n2 without answer"
    assert "n = 4, 2 without answer" in caption


def test_figure_1b__a_neuron_that_loses_its_answer_is_still_drawn(tmp_path):
    run = write_run(tmp_path / "run", steps=(0,))
    best = neuron_of(panels(figure_1bc(analyze([run], n_permutations=9), PROJECTION)[0], 3)[0, 0])
    write_checkpoint(silenced(small_network(step=5, n_target=N_TARGET), [best]), step_path(run, 5))
    figure, _, _ = figure_1bc(analyze([run], n_permutations=9), PROJECTION)
    after = panels(figure, 4)[1]
    assert after[0].get_title() == f"▲ neuron {best}\nno answer"
    assert after[0].images[0].get_array().mask.all()
    assert len(after[-1].lines) == 2
    assert saved(figure, tmp_path)


def test_figure_1b__a_network_that_loses_all_answers_keeps_both_rows(tmp_path):
    run = write_run(tmp_path / "run", steps=(0,))
    write_checkpoint(silenced(small_network(step=5, n_target=N_TARGET), range(N_TARGET)), step_path(run, 5))
    figure, caption, _ = figure_1bc(analyze([run], n_permutations=9), PROJECTION)
    before, after = panels(figure, 4)
    assert before[0].images
    assert "no answer" in texts_of(before[1])
    assert "no answer" in texts_of(after[-1])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["null, 95 % band", "observed", "null, mean"]
    assert "step 5: n = 9, 9 without answer" in caption
    assert saved(figure, tmp_path)


@pytest.fixture(scope="module")
def swept(tmp_path_factory, write_sweep):
    # 8 * (1 - .2) = 6.4 synapses per neuron are enough for most, 2.4 are not
    folder, sizes = tmp_path_factory.mktemp("sweeps"), {"n_source": 8, "n_target": 9}
    others = {"sparsities": [0.0, 0.2], "seeds": [0], **sizes}
    sweeps = [
        write_sweep(folder / "a", connectivity=["fixed"], **others),
        write_sweep(folder / "b", connectivity=["rewired"], delays=["fixed"], **others),
        write_sweep(folder / "c", connectivity=["rewired"], delays=["learned"], sparsities=[0.0, 0.2, 0.7], **sizes),
    ]
    return analyze(sweeps, n_permutations=19, statistics=())


def test_letter__is_c_for_sparse_networks(swept, analysis):
    assert letter(analysis, PROJECTION, run=0) == "b"
    sparsity = swept[f"autocorrelation/{PROJECTION}"].to_dataset().sparsity.values
    assert [letter(swept, PROJECTION, run=run) for run in range(3)] == ["b", "c", "b"]
    assert sparsity[:3].round(1).tolist() == [0.0, 0.2, 0.0]


def test_figure_1c__caption_says_how_sparse_and_by_which_method(swept, tmp_path):
    projection, name = representative(swept)
    [plan] = [plan for plan in plans(swept, "c") if (plan.projection, *plan.networks) == (projection, name)]
    figure, caption, _ = plan.draw()
    assert caption.startswith("Figure 1c. ")
    assert caption.endswith("with the lowest seed.")
    assert "The network is sparse: connectivity rewired, delays learned, sparsity 20 % (1 − synapses / pairs); " in caption
    assert "6.44 at step 0 and 6.44 at step 5 in this projection" in caption
    assert panels(figure, 4).shape == (2, 4)
    assert saved(figure, tmp_path)


def test_figure_1b__caption_of_a_dense_network_is_silent_on_sparsity(drawn):
    assert drawn[1].startswith("Figure 1b. ")
    assert "sparse" not in drawn[1]


def test_plans_1bc__parts_dense_from_sparse_networks_and_says_where_there_are_none(swept, analysis):
    dense, sparse = ({plan.networks for plan in plans(swept, letter)} for letter in "bc")
    assert dense | sparse == {(str(run),) for run in swept[f"autocorrelation/{PROJECTION}"].run.values}
    assert not dense & sparse
    with pytest.raises(BadInput, match="No network of the analysis is sparse; draw fig1b instead"):
        plans(analysis, "c")


def test_representative__is_the_sparsest_rewired_network_with_learned_delays_that_answers(swept):
    projection, name = representative(swept)
    moran = swept[f"autocorrelation/{projection}"].to_dataset().sel(run=name)
    assert (projection, name) == ("input__hidden1", "rewired-learned-0.2-0")
    assert moran.morans_i.sel(step=5).notnull().mean() > 0.5


def test_representative__may_not_exist(tmp_path, write_sweep):
    folder = write_sweep(tmp_path, connectivity=["fixed"], sparsities=[0.0], seeds=[0])
    assert representative(analyze([folder], n_permutations=9)) is None
