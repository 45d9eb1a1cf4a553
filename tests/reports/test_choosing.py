from __future__ import annotations

import pytest

from reports.choosing import MOST_NETWORKS, for_figure, for_report, networks_shown
from reports.figures.names import named
from stanalysis.analysis.analyze import analyze
from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.synthetic.network import small_network

pytestmark = pytest.mark.slow


def names(plans):
    return {plan.name for plan in plans}


def networks(folder, seeds):
    for seed in seeds:
        write_checkpoint(small_network(seed=seed), folder / f"network-{seed}.nc")
    return [folder / f"network-{seed}.nc" for seed in seeds]


@pytest.fixture(scope="module")
def swept(tmp_path_factory, write_sweep):
    folder = tmp_path_factory.mktemp("sweep")
    write_sweep(folder, connectivity=["rewired"], sparsities=[0.0, 0.2], n_source=13, n_target=14)
    return analyze([folder], n_permutations=9, statistics=())


def test_for_report__of_a_sweep_draws_one_network_and_says_which(swept):
    chosen = "rewired-learned-0.2-0"
    plans, notes = for_report({"sweep": swept})
    drawn = names(plan for plan in plans if plan.name.startswith("fig"))
    assert drawn == {"fig1a", f"fig1c-input__hidden1-{chosen}", f"fig1c-hidden1__output-{chosen}", "fig3"}
    assert any(note.startswith(f"Of the networks of the sweep {chosen} is drawn") for note in notes)


def test_for_report__of_a_sweep_without_a_representative_says_so(tmp_path, write_sweep):
    write_sweep(tmp_path, connectivity=["fixed"], sparsities=[0.0], seeds=[0])
    tree = analyze([tmp_path], n_permutations=9, statistics=())
    plans, notes = for_report({"sweep": tree})
    assert not any(plan.networks for plan in plans)
    assert notes[0].startswith("No network stands for the sweep")
    with pytest.raises(BadInput, match="No network stands for the sweep"):
        for_figure("fig1b", {"sweep": tree})
    assert for_figure("fig1b", {"sweep": tree}, network="fixed-fixed-0-0")


def test_for_report__of_many_networks_draws_the_first_few_and_says_so(tmp_path):
    tree = analyze(networks(tmp_path, range(MOST_NETWORKS + 1)), n_permutations=9, statistics=())
    plans, notes = for_report({"many": tree})
    drawn = {network for plan in plans if plan.name.startswith("fig1b") for network in plan.networks}
    assert drawn == {f"network-{seed}" for seed in range(MOST_NETWORKS)} == set(networks_shown(tree)[0])
    assert notes[0].startswith("Of 7 networks the first 6 are drawn")


def test_for_report__names_toy_graphs_and_lives_by_their_condition(tmp_path, write_sweep):
    folder = write_sweep(tmp_path / "sweep", sparsities=[0.0, 0.5], seeds=[0])
    runs = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.startswith("rewired-learned"))
    plans, _ = for_report({"toys": analyze(runs, n_permutations=9)})
    projections = ("input__hidden1", "hidden1__output")
    receptive = {f"fig1{k}-{p}-rewired-learned-{s}-0" for k, s in (("b", "0"), ("c", "0.5")) for p in projections}
    lives = {f"{kind}-{p}-sparsity-0.5" for kind in ("survival", "hazards") for p in projections}
    assert receptive | lives | {"fig1a", "fig2-hidden1__output"} <= names(plans)
    assert not any(plan.name.startswith("survival") and plan.name.endswith("sparsity-0") for plan in plans)


def test_for_figure__names_of_networks_that_no_file_name_tells_apart_are_numbered(tmp_path):
    tree = analyze(networks(tmp_path, range(2)), n_permutations=9, statistics=())
    for node in tree.subtree:
        if "run" in node.dims and "run" in node.coords:
            node.dataset = node.to_dataset().assign_coords(run=["a/b", "a:b"])
    for attr in ("runs", "conditions", "best_steps"):
        tree.attrs[attr] = tree.attrs[attr].replace("network-0", "a/b").replace("network-1", "a:b")
    drawn = names(for_figure("fig1b", {"two": tree}, projection="input__hidden1"))
    assert drawn == {"fig1b-input__hidden1-a-b-1", "fig1b-input__hidden1-a-b-2"}


@pytest.mark.parametrize("part", ["../../x", "a/b", "x" * 300, "é" * 300, "..", "a\x1bb"])
def test_named__stays_in_its_folder_and_within_its_length(part):
    name = named("film", "p", part)
    assert name.startswith("film-p")
    assert not set(name) & set("/\\\x1b")
    assert ".." not in name
    assert len(name.encode()) <= 120


def test_named__long_names_stay_distinct():
    assert named("film", "x" * 300 + "a") != named("film", "x" * 300 + "b")
