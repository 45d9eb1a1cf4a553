from __future__ import annotations

import pytest

from stanalysis import receptive_fields
from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.opening import checkpoints_in, is_ours, opened, opened_series
from stanalysis.files.run import open_run, step_path, write_info
from stanalysis.stats import pruned_structure
from stanalysis.synthetic.network import small_network


@pytest.fixture
def run(tmp_path):
    """A run of steps 0, 7 and 100, 30 being best and 120 the newest."""
    write_info(tmp_path, {"method": "dcls", "seed": 0})
    for step in (100, 0, 7):
        write_checkpoint(small_network(step=step), step_path(tmp_path, step))
    write_checkpoint(small_network(step=30), tmp_path / "best.nc")
    write_checkpoint(small_network(step=120), tmp_path / "last.nc")
    return open_run(tmp_path)


def test_opened__takes_a_path_a_text_a_run_its_folder_and_a_tree(run):
    path = run.steps[7]
    for given, step in ((path, 7), (str(path), 7), (run, 120), (run.path, 120), (str(run.path), 120)):
        assert opened(given).attrs["step"] == step
    tree = small_network()
    assert opened(tree) is tree


def test_opened__the_newest_of_a_run_without_last_is_its_last_step(run):
    run.last.unlink()
    assert opened(run).attrs["step"] == 100


def test_opened_series__of_a_run_all_that_it_kept(run):
    for given in (run, run.path, str(run.path)):
        assert [tree.attrs["step"] for tree in opened_series(given)] == [0, 7, 30, 100]


def test_opened_series__one_or_several_in_the_order_given(run):
    assert [tree.attrs["step"] for tree in opened_series(str(run.steps[7]))] == [7]
    several = (str(run.steps[7]), small_network(step=3), run)
    assert [tree.attrs["step"] for tree in opened_series(several)] == [7, 3, 120]
    assert [tree.attrs["step"] for tree in opened_series(iter(several[:2]))] == [7, 3]


@pytest.mark.parametrize("function", [opened, opened_series])
@pytest.mark.parametrize(
    ("given", "says"),
    [
        (3, "given as a int; give a path"),
        ("nowhere.nc", "nowhere.nc does not exist"),
        (small_network()["populations"], "no checkpoint"),
    ],
)
def test_opened__anything_else_gets_a_sentence(function, given, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=says):
        function(given)


def test_opened__a_folder_without_checkpoints_gets_a_sentence(tmp_path):
    with pytest.raises(BadInput, match="read_foreign"):
        opened(tmp_path)
    write_info(tmp_path, {"method": "dcls"})
    with pytest.raises(BadInput, match="--resume"):
        opened(tmp_path)


def test_opened_series__of_nothing_is_refused():
    with pytest.raises(BadInput, match="No checkpoint is given"):
        opened_series([])


@pytest.mark.slow
def test_receptive_fields__take_a_checkpoint_in_any_form(run):
    expected = receptive_fields(small_network(step=7), "input__hidden1")
    for given in (run.steps[7], str(run.steps[7]), [str(run.steps[7])]):
        assert receptive_fields(given, "input__hidden1").identical(expected)
    for given in (run, run.path, str(run.path)):
        assert receptive_fields(given, "input__hidden1").step.values.tolist() == [0, 7, 30, 100]


@pytest.mark.slow
def test_pruned_structure__takes_a_checkpoint_in_any_form(run):
    def structure(given):
        return pruned_structure(given, "input__hidden1", fractions=(0, 0.5), n_permutations=9, seed=0)

    expected = structure(small_network(step=120))
    for given in (run, str(run.path), run.last):
        assert structure(given).identical(expected)


def test_checkpoints_in__the_newest_is_last(tmp_path):
    for name in ("step-000010.nc", "step-000002.nc", "best.nc"):
        write_checkpoint(small_network(), tmp_path / name)
    assert [path.name for path in checkpoints_in(tmp_path)] == ["best.nc", "step-000002.nc", "step-000010.nc"]


def test_is_ours__by_suffix_or_by_what_a_folder_holds(run, tmp_path):
    assert is_ours(run.path)
    assert is_ours(run.last)
    assert not is_ours(tmp_path / "network.pt")
    (tmp_path / "empty").mkdir()
    assert not is_ours(tmp_path / "empty")
