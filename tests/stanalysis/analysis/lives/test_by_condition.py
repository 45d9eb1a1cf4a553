from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stanalysis.analysis.analyze import analyze
from stanalysis.analysis.conditions import conditions_of
from stanalysis.analysis.lives.from_log import GROUPINGS
from stanalysis.cli.main import main
from stanalysis.errors import BadInput
from stanalysis.files.analysis import read_analysis
from stanalysis.files.checkpoint import read_checkpoint, write_checkpoint
from stanalysis.files.pruning import CRITERIA, write_pruning
from stanalysis.files.rewiring_log import read_log
from stanalysis.files.run import step_path
from stanalysis.findings.lives import biographies, explored, hazards, lasting, lifetimes, retained
from stanalysis.findings.writing import write_analysis
from stanalysis.stats.lives.episodes import episodes
from stanalysis.stats.lives.life_tables import life_table
from stanalysis.stats.lives.survival import survival_curves
from stanalysis.synthetic.rewiring import PROJECTION

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_prunings")]

STEPS = (0, 10, 40, 100, 200)
NAMES = ["a0", "a1", "b0"]
TABLES = ("summary", "neurons", "lifetimes", "hazards", "exploration", "lasting", "retained", "episodes")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, write_rewiring_run):
    """Two networks of one condition and one of another."""
    folder = tmp_path_factory.mktemp("runs")
    for name in NAMES:
        config = {"temperature": 0.0 if name[0] == "a" else 0.5}
        write_rewiring_run(folder / name, seed=int(name[1]), config=config, scale=60.0 if name[0] == "a" else 30.0)
    return [folder / name for name in NAMES]


def analysed(runs, **options):
    return analyze(runs, **{"statistics": ["survival"], "n_permutations": 9} | options)


@pytest.fixture(scope="module")
def analysis(runs, few_prunings):
    return analysed(runs, statistics=["survival", "pruning"])


@pytest.fixture(scope="module")
def without_log(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("without")
    for run in runs[:2]:
        shutil.copytree(run, folder / run.name)
        (folder / run.name / "rewiring.nc").unlink()
    return analysed([folder / run.name for run in runs[:2]])


def curves_of(analysis, **where):
    table = analysis["survival"].to_dataset()
    chosen = np.all([table[name] == value for name, value in where.items()], axis=0)
    return table.isel(curve=np.flatnonzero(chosen))


def test_conditions_of__are_networks_that_differ_in_their_seed_alone():
    known = {"method": "sparse", "dataset": "digits"}
    designs = {name: known | {"x": 1 + (name[0] == "b"), "every": 5} for name in ("a1", "a0", "b0")} | {"c": known, "d": known}
    found = conditions_of(designs, [1, 0, 0, 0, 0])
    assert {name: condition.runs for name, condition in found.items()} == {
        "x 1, every 5": [1, 0],  # in order of their seeds
        "x 2, every 5": [2],
        "run c": [3],  # of which nobody knows whether it is a replicate
        "run d": [4],
    }
    assert [condition.spacing for condition in found.values()] == [5, 5, 1, 1]
    assert [*conditions_of({name: designs[name] for name in ("a0", "a1")}, [0, 1])] == [""]
    other = designs["a1"] | {"dataset": "other"}
    assert [*conditions_of({"a0": designs["a0"], "a1": other}, [0, 1])] == ["dataset digits", "dataset other"]


@pytest.mark.parametrize(
    ("condition", "names", "band"), [("temperature 0.0", NAMES[:2], "runs"), ("temperature 0.5", NAMES[2:], "Greenwood")]
)
def test_survival_of__pools_the_networks_of_a_condition(analysis, runs, condition, names, band):
    one = curves_of(analysis, condition=condition, grouping="all", projection=PROJECTION).squeeze()
    assert one.band.item() == band
    assert int(one.n_runs) == len(names)
    tables = [episodes(read_log(run / "rewiring.nc"), PROJECTION, ms_per_source=10.0) for run in runs if run.name in names]
    tables = [table.assign(run=("episode", np.full(table.sizes["episode"], i))) for i, table in enumerate(tables)]
    direct = survival_curves(life_table(xr.concat(tables, "episode")), horizon=100, seed=0).squeeze()
    ages = direct.age.values
    for name in ("survival", "lower", "upper", "cumulative_hazard", "at_risk"):
        np.testing.assert_allclose(one[name].sel(age=ages), direct[name], err_msg=name)
    assert int(one.n_episodes) == sum(
        int((table.exit > 0).sum()) for table in tables
    )  # those born in the last step were never watched
    assert float(one.restricted_mean) == pytest.approx(float(direct.restricted_mean))


def test_survival_of__curves_of_other_ages_are_steps_on_the_common_ones(analysis):
    table = analysis["survival"].to_dataset()
    for k in range(table.sizes["curve"]):
        one = table.isel(curve=k)
        known = one.survival.dropna("age")
        assert (np.diff(known) <= 1e-12).all()
        assert known.age.values.tolist() == one.age.values[: known.size].tolist()  # from age 0 on without a gap
        assert one.at_risk[0] == one.n_episodes


def test_survival_of__groups_make_up_the_whole(analysis):
    table = analysis["survival"].to_dataset()
    for condition in ("temperature 0.0", "temperature 0.5"):
        n = {}
        for among in ("initial", "grown"):
            n[among] = int(curves_of(analysis, condition=condition, grouping="origin", group=among).n_episodes.item())
            for grouping in GROUPINGS:
                parts = curves_of(analysis, condition=condition, grouping=grouping, among=among)
                assert int(parts.n_episodes.sum()) == n[among], grouping
        assert sum(n.values()) == int(curves_of(analysis, condition=condition, grouping="all").n_episodes.item())
    assert set(table.projection.values) == {PROJECTION}


def test_survival_of__contrasts_are_against_the_first_group(analysis):
    table = analysis["contrasts"].to_dataset()
    for grouping, names in GROUPINGS.items():
        own = table.isel(contrast=np.flatnonzero(table.grouping == grouping))
        assert set(own.a.values) == {names[0]}
        assert set(own.b.values) <= set(names[1:])
    assert table.p_value.dropna("contrast").size
    grown = table.isel(contrast=np.flatnonzero((table.grouping == "origin") & (table.condition == "temperature 0.0")))
    means = [
        float(curves_of(analysis, condition="temperature 0.0", group=g).restricted_mean.item()) for g in ("initial", "grown")
    ]
    assert float(grown.difference.item()) == pytest.approx(means[1] - means[0])


def test_survival_of__finds_a_planted_hazard_ratio(tmp_path, write_rewiring_run):
    process = {"n_synapses": 300, "n_source": 30, "n_target": 30, "scale": 60.0, "effect": "excitatory", "hazard_ratio": 3.0}
    runs = [write_rewiring_run(tmp_path / f"{seed}", seed=seed, steps=(0, 50, 200), **process) for seed in range(2)]
    table = hazards(analysed(runs, n_permutations=1)).set_index(["model", "covariate"])
    for model in ("initial, at birth", "initial, so far", "grown, at birth", "grown, so far"):
        row = table.loc[(model, "excitatory")]
        assert row["lower"] < 3 < row["upper"]
        assert row["lower"] > 2
        for name in ("same_sign", "opposite_sign", "delay_100_ms"):
            assert table.loc[(model, name), "p_value"] > 0.001


def test_survival_of__does_not_depend_on_the_order_of_the_runs(analysis, runs):
    other = analysed(runs[::-1])
    for table in (lifetimes, hazards):
        ours, theirs = (table(tree).sort_values([*table(tree).columns[:6]]) for tree in (analysis, other))
        pd.testing.assert_frame_equal(ours.reset_index(drop=True), theirs.reset_index(drop=True))


def test_analyze__a_network_given_twice_under_two_names_is_no_replicate(runs, tmp_path):
    shutil.copytree(runs[0], tmp_path / "copy")
    with pytest.raises(BadInput, match="a0 and copy are alike and have the seed 0, too: as replicates they would count twice"):
        analysed([runs[0], tmp_path / "copy"])
    analysed([runs[0], tmp_path / "copy"], statistics=["lattice"])


def test_analyze__a_network_without_a_death_is_a_replicate_none_the_less(runs, tmp_path, write_rewiring_run):
    config = {"temperature": 0.0}
    lasting_one = write_rewiring_run(tmp_path / "a2", seed=2, config=config, steps=STEPS, scale=1e12)
    one = curves_of(analysed([*runs[:2], lasting_one]), grouping="all").squeeze()
    assert (int(one.n_runs), int(one.n_episodes)) == (3, 470 + 60)


def test_analyze__networks_with_and_without_a_log_stand_side_by_side(runs, without_log, tmp_path):
    shutil.copytree(runs[1], tmp_path / "a1")
    (tmp_path / "a1" / "rewiring.nc").unlink()
    for others in ([runs[0]], [runs[2]]):  # of one condition, and of two
        table = lifetimes(analysed([*others, tmp_path / "a1"]))
        assert set(table["band"]) == {"Greenwood", "fit"}
        assert table.loc[table["band"] == "fit", ["p_value", "difference"]].isna().all(axis=None)
        assert table.loc[table["band"] == "Greenwood", "p_value"].notna().any()


def test_analyze__a_folder_of_checkpoints_is_a_network(runs, without_log, tmp_path):
    for run in runs[:2]:
        (tmp_path / run.name).mkdir()
        for path in run.glob("step-*.nc"):
            shutil.copy(path, tmp_path / run.name)
    found = analysed([tmp_path / run.name for run in runs[:2]])
    pd.testing.assert_frame_equal(lifetimes(found), lifetimes(without_log))


def test_analyze__synapses_of_unknown_age_are_left_out_and_counted(runs, tmp_path):
    shutil.copytree(runs[0], tmp_path / "late")
    for name in ("rewiring.nc", "step-000000.nc"):
        (tmp_path / "late" / name).unlink()
    found = analysed([tmp_path / "late"])
    (warning,) = [text for text in json.loads(found.attrs["warnings"]) if "rewiring log" in text]
    assert "60 synapses there at the first checkpoint are left out, for their age is unknown." in warning
    assert not (lifetimes(found)["n_episodes"] > 0).where(lifetimes(found)["among"] == "initial", False).any()


def test_analyze__says_so_where_lifetimes_are_asked_for_and_there_are_none(tmp_path, write_rewiring_run):
    run = write_rewiring_run(tmp_path / "run", seed=0, steps=(0,))
    none = "There are no lifetimes: no synapse is known to have been born or to have died in training."
    assert none in json.loads(analysed([run]).attrs["warnings"])
    assert none not in json.loads(analyze([run], n_permutations=9).attrs["warnings"])


def test_analyze__the_accuracies_of_another_step_are_left_out(runs, tmp_path):
    shutil.copytree(runs[0], tmp_path / "run")
    lines = [{"criterion": c, "fraction": f, "draw": 0, "n_synapses": round(60 * (1 - f)), "step": 200}
             for c in ("magnitude", "random", "largest") for f in (0.0, 0.5)]  # fmt: skip
    table = pd.DataFrame(lines).assign(test_accuracy=0.5, validation_accuracy=0.4)
    for step, kept in ((200, True), (77, False)):
        write_pruning(tmp_path / "run", table.assign(step=step))
        found = analysed([tmp_path / "run"], statistics=["pruning"])
        assert ("pruning" in found.children) == kept
        assert any("pruning.csv of run is of a step" in text for text in json.loads(found.attrs["warnings"])) != kept
        accuracy = retained(found).get("test_accuracy")
        assert accuracy is None if not kept else set(accuracy.dropna()) == {0.5}


def test_analyze__persistence_is_of_every_kept_step_until_the_last(analysis, runs):
    table = analysis[f"persistence/{PROJECTION}"].to_dataset()
    assert table.step.values.tolist() == list(STEPS[:-1])
    assert (table.until == STEPS[-1]).all()
    found = episodes(read_log(runs[0] / "rewiring.nc"), PROJECTION, ms_per_source=10.0)
    for step in STEPS[:-1]:
        alive = (found.birth_step <= step) & (found.birth_step + found.exit > step)
        lasts = alive & ~(found.event & (found.birth_step + found.exit <= STEPS[-1]))
        one = table.sel(run="a0", step=step)
        assert int(one.n_synapses.sum()) == int(alive.sum()) == 60
        assert int(one.n_survivors.sum()) == int(lasts.sum())


def test_analyze__without_a_log_takes_lifetimes_from_checkpoints_and_warns(without_log):
    assert "episodes" not in without_log.children
    table = lifetimes(without_log)
    assert set(table["band"]) == {"fits of runs"}  # networks are the replicates
    assert set(table["among"]) == {"initial", "grown"}
    assert without_log[f"persistence/{PROJECTION}"].to_dataset().overlap.notnull().any()
    (warning,) = [text for text in json.loads(without_log.attrs["warnings"]) if "rewiring log" in text]
    assert "died unseen" in warning
    assert set(biographies(without_log)["gone_at"]) <= {-1, *STEPS}


def test_analyze__refuses_the_log_of_another_run(runs, tmp_path):
    shutil.copytree(runs[0], tmp_path / "run")
    shutil.copy(runs[1] / "rewiring.nc", tmp_path / "run")
    with pytest.raises(BadInput, match="that of another run, or damaged"):
        analysed([tmp_path / "run"])
    analysed([tmp_path / "run"], statistics=["lattice"])  # which asks for no lifetimes


@pytest.mark.parametrize(
    "kept", [{"log": True, "steps": (0,)}, {"log": False, "steps": (200,)}, {"log": True, "steps": (0, 4)}]
)
def test_analyze__without_a_death_has_no_lifetimes(tmp_path, write_rewiring_run, kept):
    run = write_rewiring_run(tmp_path / "run", seed=0, **kept)
    found = analysed([run])
    assert not {"survival", "sightings", "contrasts", "hazard_ratios"} & set(found.children)
    assert lifetimes(found).empty
    assert hazards(found).empty
    assert lasting(found).empty
    assert explored(found).empty


# --- tables, file and command line --------------------------------------------------------------------------------------


def test_write_analysis__tables_of_lifetimes_stand_beside_it(analysis, tmp_path):
    written = write_analysis(analysis, tmp_path / "a.nc")
    names = {path.name for path in written}
    assert names == {
        f"a{end}"
        for end in (
            ".nc",
            *(f"-{t}.csv" for t in TABLES),
        )
    }
    lives = pd.read_csv(tmp_path / "a-episodes.csv")
    assert set(lives["run"]) == set(NAMES)
    assert set(lives["birth_cause"]) == {"initial", "regrown_at_random"}
    assert set(lives["death_cause"].dropna()) == {"magnitude"}
    assert len(lives) == analysis[f"episodes/{PROJECTION}"].sizes["episode"]
    again = read_analysis(tmp_path / "a.nc")
    for table in (lifetimes, hazards, explored, lasting, retained, biographies):
        pd.testing.assert_frame_equal(table(again), table(analysis), check_dtype=False)


def test_analyze__prints_lifetimes_hazards_and_what_lasts(runs, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "analyze",
                *map(str, runs[:2]),
                "-o",
                str(tmp_path / "a.nc"),
                "--permutations",
                "9",
                "--statistics",
                "survival",
                "pruning",
            ]
        )
    assert not ended.value.code
    said = capsys.readouterr().out
    flat = " ".join(said.split())  # titles are broken where their tables are narrow
    for words in (
        f"{PROJECTION}: lifetimes in training steps",
        "grown excitatory",
        "hazard of dying, grown, at birth",
        f"{PROJECTION}: where synapses grew",
        "what lasts until step 200",
        "structure retained, mean of 2 networks",
        "magnitude 90%",
    ):
        assert words in flat
    assert "nan" not in said
    assert max(map(len, said.partition("Written")[0].splitlines())) <= 80


def test_analyze__prints_accuracies_only_where_they_were_measured(runs, tmp_path, capsys):
    shutil.copytree(runs[0], tmp_path / "run")
    lines = [{"criterion": c, "fraction": 0.5, "draw": 0, "n_synapses": 30, "step": 200} for c in CRITERIA]
    write_pruning(tmp_path / "run", pd.DataFrame(lines).assign(test_accuracy=0.4321, validation_accuracy=0.4))
    with pytest.raises(SystemExit) as ended:
        main(["analyze", str(tmp_path / "run"), "-o", str(tmp_path / "a.nc"), "--permutations", "9", "--statistics", "pruning"])
    assert not ended.value.code
    said = capsys.readouterr().out
    lines = {line.strip()[:14].strip(): line.split()[-1] for line in said.splitlines() if "%" in line[:16]}
    assert lines["magnitude 50%"] == "43.2%"
    assert lines["magnitude 0%"] == lines["magnitude 90%"] == "–"


def test_analyze__as_json_has_the_tables(runs, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(
            ["analyze", str(runs[0]), "-o", str(tmp_path / "a.nc"), "--permutations", "9", "--statistics", "survival", "--json"]
        )
    said = json.loads(capsys.readouterr().out)
    assert {row["grouping"] for row in said["lifetimes"]} == {"all", "origin", *GROUPINGS}
    assert {row["model"] for row in said["hazards"]} == {
        f"{origin}, {model}" for origin in ("initial", "grown") for model in ("at birth", "so far")
    }
    assert [row["step"] for row in said["lasting"]] == list(STEPS[:-1])
    assert [row["n_possible"] for row in said["exploration"]] == [12 * 8]


def test_analyze__initial_synapses_live_on_in_a_fit_as_the_checkpoints_show(without_log):
    """Their births are known: at a kept step the fit is the share that is still there."""
    fitted = curves_of(without_log, among="initial", grouping="all").squeeze().survival.dropna("age")
    lives = without_log[f"sightings/{PROJECTION}"].to_dataset()
    initial = lives.isel(episode=np.flatnonzero(lives.absent_at < 0))
    for step in STEPS[1:]:
        there = float((initial.last_seen >= step).mean())
        assert float(fitted.sel(age=step, method="ffill")) == pytest.approx(there, abs=0.03), step


def test_analyze__grown_synapses_are_not_parted_by_sign_where_a_weight_of_0_tells_none(runs, tmp_path):
    shutil.copytree(runs[0], tmp_path / "run")
    (tmp_path / "run" / "rewiring.nc").unlink()
    path = tmp_path / "run" / "step-000100.nc"
    tree = read_checkpoint(path)
    table = tree[f"projections/{PROJECTION}"].to_dataset()
    tree[f"projections/{PROJECTION}"].dataset = table.assign(weight=table.weight * 0)
    write_checkpoint(tree, path)
    table = lifetimes(analysed([tmp_path / "run"]))
    assert set(table.loc[table["among"] == "grown", "grouping"]) == {"all"}
    assert set(table.loc[table["among"] == "initial", "grouping"]) == {"all", "sign"}


def test_analyze__prints_nothing_of_lives_of_unknown_birth_alone(runs, tmp_path, capsys):
    (tmp_path / "late").mkdir()
    for step in (100, 200):
        shutil.copy(step_path(runs[0], step), tmp_path / "late")
    with pytest.raises(SystemExit) as ended:
        main(
            ["analyze", str(tmp_path / "late"), "-o", str(tmp_path / "a.nc"), "--permutations", "9", "--statistics", "survival"]
        )
    assert not ended.value.code
    said = " ".join(capsys.readouterr().out.split())
    assert "60 synapses there at the first checkpoint are left out" in said
    assert "lifetimes in training steps" not in said


def test_analyze__a_folder_of_two_networks_gets_a_sentence(runs, tmp_path):
    (tmp_path / "both").mkdir()
    for run, step in zip(runs, (100, 200), strict=False):
        shutil.copy(step_path(run, step), tmp_path / "both")
    with pytest.raises(BadInput, match="differ in seed or configuration; give each network a folder of its own"):
        analysed([tmp_path / "both"])


def test_analyze__networks_that_kept_other_steps_have_intervals_between_them(tmp_path, write_rewiring_run):
    """As they do: the step best on validation differs."""
    process = {"n_synapses": 200, "n_source": 40, "n_target": 40, "log": False}
    kept = [(0, 10, 40, 100, 200), (0, 20, 60, 100, 200), (0, 10, 50, 130, 200)]
    runs = [write_rewiring_run(tmp_path / f"{i}", seed=i, steps=steps, **process) for i, steps in enumerate(kept)]
    found = analysed(runs, n_permutations=1)
    initial = curves_of(found, among="initial")
    assert set(initial.grouping.values) == {"all", "sign"}
    later = initial.sel(age=slice(40, 190))
    assert (later.lower < later.survival).all()
    assert (later.survival < later.upper).all()
    ratio = hazards(found).set_index("model").loc["initial, from checkpoints"]
    assert ratio["lower"] < ratio["hazard_ratio"] < ratio["upper"]
    assert 0 < ratio["p_value"] < 1
