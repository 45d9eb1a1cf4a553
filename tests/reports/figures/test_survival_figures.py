from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex, to_rgba

from reports.figures.film import figure_film, shows_turnover
from reports.figures.film import plans as film_plans
from reports.figures.hazards import figure_hazards
from reports.figures.hazards import plans as hazards_plans
from reports.figures.pruning import figure_pruning
from reports.figures.pruning import plans as pruning_plans
from reports.figures.survival import figure_survival
from reports.figures.survival import plans as survival_plans
from reports.panels.survival import CRITERIA, GROUPS, short
from stanalysis.analysis.analyze import analyze
from stanalysis.errors import BadInput
from stanalysis.findings.networks import fields_at, synapses_at
from stanalysis.schema.lives import CONTRASTS, EPISODES, HAZARD_RATIOS, PRUNED
from stanalysis.schema.variables import labelled
from stanalysis.stats.lives.life_tables import life_table
from stanalysis.stats.lives.survival import survival_curves

pytestmark = pytest.mark.slow

PROJECTION = "input__hidden1"
OTHER = "hidden1__output"
BY_ORIGIN = {
    "sign": ("excitatory", "inhibitory"),
    "delay": ("short", "middle", "long"),
    "channel": ("low", "middle", "high"),
    "agreement": ("alone", "opposed", "balanced", "grouped"),
}
GROUPINGS = [
    ("", "all", ("all",)),
    ("", "origin", ("initial", "grown")),
    *((origin, grouping, names) for origin in ("initial", "grown") for grouping, names in BY_ORIGIN.items()),
    ("", "projection", (PROJECTION, OTHER)),
]
STEPS = (0, 10, 20, 40)


def lives(n, *, seed=0, scale=1.0, end=2000, spacing=10):
    """Synapses whose hazard falls with age, watched every ``spacing`` steps until ``end``."""
    random = np.random.default_rng(seed)
    age = np.ceil(random.weibull(0.5, n) * 60 * scale / spacing) * spacing
    watched = end - np.where(random.random(n) < 0.3, 0, random.integers(0, end // spacing, n) * spacing)
    return np.minimum(age, watched).astype(int), age <= watched


def survival(projection=PROJECTION, condition="", *, groupings=GROUPINGS, n=300, n_runs=1, **kwargs):
    """Group ``survival`` of one projection and condition, as if analysed."""
    parts = []
    for among, grouping, names in groupings:
        ages, event = zip(*(lives(n, seed=i, scale=1 + 2 * i, **kwargs) for i in range(len(names))), strict=True)
        code = np.repeat(np.arange(len(names)), n)
        table = labelled(EPISODES, entry=0 * code, exit=np.concatenate(ages), event=np.concatenate(event))
        table = table.assign(code=("episode", code), run=("episode", np.arange(code.size) % n_runs))
        curves = survival_curves(life_table(table, by="code"), horizon=100, n_bootstrap=50, seed=0)
        where = {
            "group": names,
            "grouping": [grouping] * len(names),
            "among": [among] * len(names),
            "projection": ["" if grouping == "projection" else projection] * len(names),
            "condition": [condition] * len(names),
            "band": ["Greenwood" if n_runs == 1 else "runs"] * len(names),
        }
        curves = curves.drop_vars("group").rename(group="curve")
        parts.append(curves.assign_coords({name: ("curve", np.array(values, str)) for name, values in where.items()}))
    return xr.concat(parts, "curve", join="outer", combine_attrs="drop")


def contrasts(projection=PROJECTION, condition=""):
    """Group ``contrasts``, as if analysed, with p-values to recognise."""
    p_values = {("", "origin"): 1e-9, ("initial", "sign"): 0.0123, ("grown", "sign"): 0.7, ("grown", "channel"): np.nan}
    n = len(p_values)
    columns = {"difference": np.zeros(n), "lower": np.zeros(n), "upper": np.zeros(n), "p_value": list(p_values.values())}
    among, grouping = zip(*p_values, strict=True)
    where = {"projection": [projection] * n, "condition": [condition] * n, "among": list(among), "grouping": list(grouping)}
    return labelled(CONTRASTS, **columns).assign_coords({name: ("contrast", values) for name, values in where.items()})


def hazard_ratios(projection=PROJECTION, condition=""):
    models = {
        "grown, so far": {"same_sign": (0.97, 0.95, 0.99, 0.004), "opposite_sign": (1.01, 0.98, 1.04, 0.5)},
        "initial, at birth": {
            "grown": (2.5, 2.2, 2.9, 1e-12),
            "excitatory": (1.1, 0.95, 1.27, 0.2),
            "delay_100_ms": (np.nan, np.nan, np.nan, np.nan),
            "same_sign": (900.0, 0.01, 1e8, 0.6),
        },
    }
    rows = [(model, name, *row) for model, terms in models.items() for name, row in terms.items()]
    model, name, ratio, lower, upper, p = zip(*rows, strict=True)
    n = {"n_episodes": [1234] * len(rows), "n_deaths": [999] * len(rows)}
    found = labelled(HAZARD_RATIOS, hazard_ratio=ratio, lower=lower, upper=upper, p_value=p, **n)
    where = {"projection": [projection] * len(rows), "condition": [condition] * len(rows), "covariate": name, "model": model}
    return found.assign_coords({key: ("term", list(values)) for key, values in where.items()})


def structure(runs):
    """Group ``structure/<projection>``: mean z falls with pruning, less where the largest weights stay; p with z."""
    fractions = np.array([0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99])
    statistics = ["morans_i", "joins_ei", "graph_morans_i", "graph_joins_ei"]
    power = xr.DataArray([0.3, 0.6, 1.2], {"criterion": list(CRITERIA)}, ("criterion",))
    left = xr.DataArray(1 - fractions, {"fraction": fractions}, ("fraction",))
    start = xr.DataArray([3.0, -1.0, 2.0, -2.5], {"statistic": statistics}, ("statistic",))
    network = xr.DataArray(1 + 0.1 * np.arange(len(runs)), {"run": runs}, ("run",))
    z = (network * start * left**power).transpose("run", "criterion", "fraction", "statistic")
    overlap = (network * 0 + left ** (power / 2)).transpose("run", "criterion", "fraction")
    n = (1000 * left + 0 * power + 0 * network).round().astype(int).transpose("run", "criterion", "fraction")
    p = xr.where(abs(z) > 1, 0.01, 0.4).where(z.fraction < 0.99)
    found = labelled(PRUNED, mean_z=z, p_value=p, overlap=overlap, n_synapses=n)
    design = {"method": "sparse", "connectivity": "rewired", "delays": "learned", "sparsity": 0.5}
    found = found.assign_coords({name: ("run", [value] * len(runs)) for name, value in design.items()})
    return found.assign_attrs(null="delays", n_permutations=99, alternative="two-sided", seed=0, n_random=3)


def pruning(runs):
    """Group ``pruning``: accuracy by criterion, of random pruning in two draws."""
    overlap = structure(runs).overlap
    draws = xr.DataArray([0.0, 0.02], {"draw": [0, 1]}, ("draw",))
    accuracy = 0.1 + 0.8 * overlap + draws
    return xr.Dataset({"test_accuracy": accuracy.where((accuracy.criterion == "random") | (accuracy.draw == 0))})


def episodes(tree, projection):
    """The lives that the kept steps of each run show, each born at the step at which it is there first."""
    rows = []
    for number, name in enumerate(json.loads(tree.attrs["runs"])):
        tables = {step: synapses_at(tree, projection, run=name, step=step) for step in STEPS}
        columns = ("target", "source", "contact")
        there = {
            step: set(zip(*(table[column].values.tolist() for column in columns), strict=True))
            for step, table in tables.items()
        }
        for slot, identity in enumerate(sorted(set().union(*there.values()))):
            born = None
            for step in (*STEPS, None):
                alive = step is not None and identity in there[step]
                if alive and born is None:
                    born = step
                elif not alive and born is not None:
                    rows.append((number, slot, *identity, born, (STEPS[-1] if step is None else step) - born, step is not None))
                    born = None
    names = ("run", "slot", "target", "source", "contact", "birth_step", "exit", "event")
    values = dict(zip(names, zip(*rows, strict=True), strict=True))
    run = list(values.pop("run"))
    return labelled(EPISODES, entry=[0] * len(rows), **values).assign(run=("episode", run))


def with_groups(tree, groups):
    """The analysis with groups put in place, or taken away where they are None."""
    kept = {path.strip("/"): dataset for path, dataset in tree.to_dict().items()}
    kept = {path: dataset for path, dataset in kept.items() if path.split("/")[0] not in groups}
    new = {path: dataset for path, dataset in groups.items() if dataset is not None}
    return xr.DataTree.from_dict({path or "/": dataset for path, dataset in (kept | new).items()})


@pytest.fixture(scope="module")
def tree(tmp_path_factory, write_sweep):
    """Two rewired networks at four steps, with everything that the figures are drawn from."""
    design = {"connectivity": ["rewired"], "delays": ["learned"], "sparsities": [0.5]}
    folder = write_sweep(tmp_path_factory.mktemp("sweep"), **design, steps=STEPS, n_source=13, n_target=14)
    made = analyze([folder], n_permutations=9, statistics=["lattice"])
    runs = json.loads(made.attrs["runs"])
    groups = {"survival": survival(n_runs=2), "contrasts": contrasts(), "hazard_ratios": hazard_ratios()}
    groups["pruning"] = pruning(runs)
    for projection in (PROJECTION, OTHER):
        groups[f"structure/{projection}"], groups[f"episodes/{projection}"] = structure(runs), episodes(made, projection)
    return with_groups(made, groups)


@pytest.fixture(scope="module")
def drawn_survival(tree):
    return figure_survival(tree, PROJECTION)


def curve_panels(figure):
    """The panel of curves over its table, by the first group that is not all."""
    pairs = zip(figure.axes[::2], figure.axes[1::2], strict=True)
    return [(ax, table, [line.get_label() for line in ax.lines if not line.get_label().startswith("_")]) for ax, table in pairs]


def saved(figure, tmp_path):
    """Draw it for real: layout and text raise here, if anywhere."""
    figure.savefig(tmp_path / "figure.png")
    return (tmp_path / "figure.png").stat().st_size > 0


def test_figure_survival__has_a_panel_for_every_grouping_in_rows_by_origin(drawn_survival, tmp_path):
    figure, _, _ = drawn_survival
    groups = [names for _, _, names in curve_panels(figure)]
    by_origin = [list(names) for names in BY_ORIGIN.values()]
    assert groups == [["all", "initial", "grown"], [PROJECTION, OTHER], *by_origin, *by_origin]
    first = [ax.get_ylabel().splitlines()[0] for ax, _, _ in curve_panels(figure) if ax.get_ylabel()]
    assert first == ["all synapses", "initial synapses", "grown synapses"]
    assert saved(figure, tmp_path)


def test_figure_survival__draws_the_curves_and_marks_the_medians(tree, drawn_survival):
    curves = tree["survival"].to_dataset()
    ax = curve_panels(drawn_survival[0])[0][0]
    one = curves.isel(curve=int(np.flatnonzero(curves.group.values == "grown")[0])).dropna("age", subset=["survival"])
    line = next(line for line in ax.lines if line.get_label() == "grown")
    np.testing.assert_array_equal(line.get_xdata(), one.age)
    np.testing.assert_array_equal(line.get_ydata(), one.survival)
    assert line.get_drawstyle() == "steps-post"
    medians = [m.get_xdata()[0] for m in ax.lines if m.get_marker() == "o"]
    assert medians == [float(m) for m in curves["median"][:3]]


def test_figure_survival__tables_count_those_at_risk_at_the_ticks_in_the_colour_of_the_group(tree, drawn_survival):
    curves = tree["survival"].to_dataset()
    for ax, table, names in curve_panels(drawn_survival[0]):
        assert table.get_shared_x_axes().joined(ax, table)
        shorter = [f"→ {name.split('__')[-1]}" if "__" in name else name for name in names]
        assert [label.get_text() for label in table.get_yticklabels()] == ["at risk", *shorter]
        assert {text.get_position()[0] for text in table.texts} <= set(ax.get_xticks())
        assert {to_hex(text.get_color()) for text in table.texts} == {
            to_hex(line.get_color()) for line in ax.lines if line.get_label() in names
        }
    _, table, _ = curve_panels(drawn_survival[0])[0]
    grown = curves.isel(curve=2)
    shown = {text.get_position()[0]: text.get_text() for text in table.texts if text.get_position()[1] == 3}
    assert shown[0] == short(float(grown.at_risk.sel(age=0)))
    assert shown[100] == short(float(grown.at_risk.sel(age=100)))


def test_figure_survival__titles_state_the_log_rank_test_of_their_panel(drawn_survival):
    said = [ax.get_title() for ax, _, _ in curve_panels(drawn_survival[0])]
    assert said[:3] == ["log-rank $p$ < 0.001", "", "log-rank $p$ = 0.012"]
    assert (said[6], said[8]) == ("log-rank $p$ = 0.700", "log-rank: no answer")


def test_figure_survival__ages_are_logarithmic_only_where_they_span_much(tree):
    long, _, _ = figure_survival(tree, PROJECTION)
    brief, _, _ = figure_survival(with_groups(tree, {"survival": survival(end=100)}), PROJECTION)
    assert (long.axes[0].get_xscale(), brief.axes[0].get_xscale()) == ("symlog", "linear")


def test_figure_survival__caption_says_which_band_and_how_many(tree, drawn_survival):
    for stated in (
        "Survival. ",
        "in 2 networks together (training seeds 0, 1); 300 lives",
        "whole networks as replicates",
        "the same neuron",
    ):
        assert stated in drawn_survival[1]
    one = figure_survival(with_groups(tree, {"survival": survival()}), PROJECTION)[1]
    assert "in 1 network together" in one
    assert "Greenwood" in one


def test_figure_survival__checkpoints_alone_give_a_fit_without_tests_or_counts(tree, tmp_path):
    rows = [[(origin, "all", ("all",)), (origin, "sign", BY_ORIGIN["sign"])] for origin in ("initial", "grown")]
    fitted = survival(groupings=[*rows[0], *rows[1]])
    fitted = fitted.drop_vars("at_risk").assign(unseen_share=("curve", [np.nan] * 3 + [0.25] * 3))
    fitted = fitted.assign_coords(band=("curve", ["fit"] * 6))
    figure, caption, _ = figure_survival(with_groups(tree, {"survival": fitted, "contrasts": None}), PROJECTION)
    assert [names for _, _, names in curve_panels(figure)] == [["all", "excitatory", "inhibitory"]] * 2
    assert not figure.axes[1].texts
    assert "600 lives of synapses" in caption
    assert "fitted to what the checkpoints show" in caption
    assert "25 % of the births in training were never seen" in caption
    assert "log-rank" not in caption
    assert saved(figure, tmp_path)


@pytest.mark.parametrize("condition", ["sparsity 0.9", ""])
def test_figure_survival__what_was_not_analysed_is_bad_input(tree, condition):
    bare = with_groups(tree, {} if condition else {"survival": None})
    with pytest.raises(BadInput, match="no survival curves of input__hidden1"):
        figure_survival(bare, PROJECTION, condition)
    with pytest.raises(BadInput, match="no survival curves of elsewhere"):
        figure_survival(tree, "elsewhere")


def test_figure_hazards__prints_each_ratio_beside_its_interval(tree, tmp_path):
    figure, caption, _ = figure_hazards(tree, PROJECTION)
    ax = figure.axes[0]
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert rows[0] == "initial, at birth (1234 synapses, 999 deaths)"
    assert rows[5:] == [
        "grown, so far (1234 synapses, 999 deaths)",
        "neighbours of its sign, each",
        "neighbours of the other sign, each",
    ]
    printed = {text.xy[1]: [] for text in ax.texts}
    for text in ax.texts:
        printed[text.xy[1]].append(text.get_text())
    heights = dict(zip(rows, ax.get_yticks(), strict=True))
    assert printed[heights["grown"]] == ["2.50 [2.20–2.90]", "< 0.001"]
    assert printed[heights["delay at birth, per 100 ms"]] == ["no answer"]
    assert printed[heights["neighbours of the other sign, each"]] == ["1.010 [0.980–1.040]", "0.500"]
    squares = {line.get_ydata()[0]: line.get_xdata()[0] for line in ax.lines if line.get_marker() == "s"}
    assert squares[heights["grown"]] == 2.5
    assert ax.get_xscale() == "log"
    assert 1 in ax.get_xticks()
    assert "speak of these networks, not of others" in caption
    assert saved(figure, tmp_path)


def test_figure_hazards__what_leaves_the_panel_ends_in_an_arrow_and_does_not_widen_it(tree):
    ax = figure_hazards(tree, PROJECTION)[0].axes[0]
    assert [line.get_marker() for line in ax.lines if line.get_marker() in "<>"] == ["<", ">"]
    assert ax.get_xlim()[1] < 5


def test_figure_hazards__fits_to_checkpoints_are_no_cox_models(tree):
    fits = (
        hazard_ratios()
        .isel(term=[0, 1])
        .assign_coords(model=("term", ["initial, from checkpoints", "grown, from checkpoints"]))
    )
    figure, caption, _ = figure_hazards(with_groups(tree, {"hazard_ratios": fits}), PROJECTION)
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert [row.split(" (")[0] for row in rows[::2]] == ["initial, from checkpoints", "grown, from checkpoints"]
    assert "Cox" not in caption


def test_figure_hazards__without_any_answer_is_drawn_nevertheless(tree, tmp_path):
    ratios = hazard_ratios()
    none = ratios.assign({name: ratios[name] * np.nan for name in ("hazard_ratio", "lower", "upper", "p_value")})
    figure, _, _ = figure_hazards(with_groups(tree, {"hazard_ratios": none}), PROJECTION)
    assert [text.get_text() for text in figure.axes[0].texts].count("no answer") == 6
    assert saved(figure, tmp_path)


def test_figure_hazards__what_was_not_analysed_is_bad_input(tree):
    with pytest.raises(BadInput, match="no hazard ratios of elsewhere"):
        figure_hazards(tree, "elsewhere")


def test_figure_pruning__draws_every_network_and_their_mean(tree, tmp_path):
    figure, caption, _ = figure_pruning(tree, PROJECTION)
    table = tree[f"structure/{PROJECTION}"].to_dataset().mean_z.sel(statistic="morans_i", criterion="magnitude")
    ax = figure.axes[0]
    lines = [line for line in ax.lines if line.get_linestyle() == "-" and line.get_color() == CRITERIA["magnitude"][0]]
    thin, thick = lines[:2], lines[2]
    np.testing.assert_array_equal([line.get_ydata() for line in thin], table)
    np.testing.assert_allclose(thick.get_ydata(), table.mean("run"))
    np.testing.assert_allclose(thick.get_xdata(), 1 - table.fraction)
    assert [ax.get_title() for ax in figure.axes] == [
        "Moran's $I$", "Moran's $I$ among synapses", "E–I joins among synapses", "overlap", "accuracy",
    ]  # fmt: skip
    for stated in (
        "n = 2 networks",
        "null delays (99 permutations, seed 0, two-sided, smallest p 0.02)",
        "chance, 1/2.",
        "1000 synapses unpruned",
    ):
        assert stated in caption
    assert saved(figure, tmp_path)


def test_figure_pruning__markers_are_filled_where_significant_open_where_not_and_missing_without_p(tree):
    table = tree[f"structure/{PROJECTION}"].to_dataset().sel(statistic="morans_i")
    ax = figure_pruning(tree, PROJECTION)[0].axes[0]
    markers = [line for line in ax.lines if line.get_marker() in {"o", "s", "D"}]
    filled = [line for line in markers if to_rgba(line.get_markerfacecolor()) != to_rgba("white")]
    n_filled, n_all = (sum(len(line.get_xdata()) for line in lines) for lines in (filled, markers))
    assert n_filled == int((table.p_value <= 0.05).sum())
    assert n_all == int(table.p_value.notnull().sum())


def test_figure_pruning__accuracy_is_the_mean_over_draws(tree):
    ax = figure_pruning(tree, PROJECTION)[0].axes[4]
    accuracy = tree["pruning"].to_dataset().test_accuracy.sel(criterion="random").mean("draw")
    thin = [line for line in ax.lines if line.get_color() == CRITERIA["random"][0]][:2]
    np.testing.assert_allclose([line.get_ydata() for line in thin], accuracy)


def test_figure_pruning__one_network_without_accuracy_has_no_mean(tree, tmp_path):
    run = json.loads(tree.attrs["runs"])[0]
    figure, caption, _ = figure_pruning(with_groups(tree, {"pruning": None}), PROJECTION, runs=[run])
    assert len(figure.axes) == 4
    assert len(figure.axes[3].lines) == len(CRITERIA)
    assert f"n = 1 network ({run}, training seed 0)" in caption
    assert "Accuracy" not in caption
    assert saved(figure, tmp_path)


def test_figure_pruning__a_projection_that_was_not_pruned_is_bad_input(tree):
    with pytest.raises(BadInput, match="no structure under pruning of elsewhere"):
        figure_pruning(tree, "elsewhere")


def test_figure_film__shows_the_neuron_of_highest_i_at_every_step(tree, tmp_path):
    figure, caption, _ = figure_film(tree, PROJECTION, run=1)
    moran = tree[f"autocorrelation/{PROJECTION}"].to_dataset().isel(run=1)
    neuron = int(moran.morans_i.sel(step=STEPS[-1]).argmax("target"))
    frames = [ax for ax in figure.axes if ax.get_title().startswith("step")]
    assert [ax.get_title().splitlines()[0] for ax in frames] == [f"step {step}" for step in STEPS]
    for ax, step in zip(frames, STEPS, strict=True):
        field = fields_at(tree, PROJECTION, run=str(moran.run.item()), step=step).sel(target=neuron)
        np.testing.assert_array_equal(ax.images[0].get_array().data, field.receptive_field)
        assert ax.images[0].get_clim() == frames[0].images[0].get_clim()
    assert f"neuron {neuron} of {PROJECTION}" in caption
    assert saved(figure, tmp_path)


def test_figure_film__outlines_and_counts_the_synapses_born_since_the_frame_before(tree):
    figure, _, _ = figure_film(tree, PROJECTION, run=1)
    moran = tree[f"autocorrelation/{PROJECTION}"].to_dataset().isel(run=1)
    neuron = int(moran.morans_i.sel(step=STEPS[-1]).argmax("target"))
    frames = [ax for ax in figure.axes if ax.get_title().startswith("step")]
    there = []
    for step in STEPS:
        table = synapses_at(tree, PROJECTION, run=str(moran.run.item()), step=step)
        own = table.isel(synapse=np.flatnonzero(table.target.values == neuron))
        there.append(set(own.source.values.tolist()))  # one synapse a pair
    assert not frames[0].patches
    for ax, before, after in zip(frames[1:], there, there[1:], strict=False):
        assert sorted(round(patch.get_y() + 0.5) for patch in ax.patches) == sorted(after - before)
        assert [text.get_text() for text in ax.texts] == [f"+{len(after - before)}\n−{len(before - after)}"]


def test_figure_film__turnover_adds_up_to_all_births_and_deaths(tree):
    figure, caption, _ = figure_film(tree, PROJECTION, run=0)
    lives = tree[f"episodes/{PROJECTION}"].to_dataset()
    lives = lives.isel(episode=np.flatnonzero(lives.run.values == 0))
    ax = next(ax for ax in figure.axes if ax.get_xlabel() == "training step")
    drawn = {patch.get_label(): patch.get_data() for patch in ax.patches}
    total = {name: float(((d.values - d.baseline) * np.diff(d.edges)).sum()) for name, d in drawn.items()}
    died, initial = lives.event.values, lives.birth_step.values == 0
    assert total["births"] == pytest.approx((~initial).sum())
    assert total["deaths of grown synapses"] == pytest.approx(-(died & ~initial).sum())
    assert total["deaths of initial synapses"] == pytest.approx(-(died & initial).sum())
    assert f"{lives.sizes['episode']} lives, {died.sum()} ended" in caption


def test_figure_film__without_lives_there_is_the_strip_alone(tree, tmp_path):
    bare = with_groups(tree, {"episodes": None})
    figure, caption, _ = figure_film(bare, PROJECTION)
    assert not any(ax.get_xlabel() == "training step" for ax in figure.axes)
    assert not any(ax.patches or ax.texts for ax in figure.axes if ax.get_title())
    assert "No births and deaths" in caption
    assert shows_turnover(tree, PROJECTION, 0)
    assert not shows_turnover(bare, PROJECTION, 0)
    assert saved(figure, tmp_path)


def test_group_colours__are_those_of_the_groups_wherever_they_are():
    every = {name for _, _, names in GROUPINGS for name in names} - {PROJECTION, OTHER}
    assert every == set(GROUPS)


def test_plans__are_of_every_projection_and_condition_that_has_lives(tree):
    run = json.loads(tree.attrs["runs"])
    planned = {plan.name: plan for of in (survival_plans, hazards_plans, pruning_plans, film_plans) for plan in of(tree)}
    assert set(planned) == {
        *(f"{kind}-{PROJECTION}" for kind in ("survival", "hazards", "pruning")),
        f"pruning-{OTHER}",
        *(f"film-{projection}-{name}" for projection in (PROJECTION, OTHER) for name in run),
    }
    assert planned[f"survival-{PROJECTION}"].networks == tuple(run)
    assert planned[f"film-{PROJECTION}-{run[1]}"].networks == (run[1],)


@pytest.mark.parametrize("group", ["survival", "hazard_ratios", "structure", "episodes"])
def test_plans__say_what_is_missing(tree, group):
    of = {"survival": survival_plans, "hazard_ratios": hazards_plans, "structure": pruning_plans, "episodes": film_plans}
    with pytest.raises(BadInput, match=r"(analyse|run)"):
        of[group](with_groups(tree, {group: None}))


def test_drawn__numbers_are_those_of_the_artists(drawn_survival):
    rows = drawn_survival.table()
    for name, (ax, _, _) in zip(drawn_survival.panels, curve_panels(drawn_survival.figure), strict=True):
        of_curves = [own for _, own in rows[rows.panel == name].groupby("curve", sort=False)]
        lines = [line for line in ax.get_lines() if line.get_drawstyle() == "steps-post"]
        for line, own in zip(lines, of_curves, strict=True):
            known = own[own.survival.notna()]
            np.testing.assert_array_equal(line.get_xdata(), known.age)
            np.testing.assert_array_equal(line.get_ydata(), known.survival)
