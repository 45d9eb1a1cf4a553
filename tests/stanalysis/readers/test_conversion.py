from __future__ import annotations

import json
import os

import h5py
import numpy as np
import pytest

from stanalysis.analysis.analyze import analyze
from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import read_checkpoint, write_checkpoint
from stanalysis.files.lock import held
from stanalysis.files.run import open_run
from stanalysis.readers import conversion, series
from stanalysis.readers.arrays import from_arrays
from stanalysis.readers.options import Options
from stanalysis.synthetic.network import small_network

MAPPING = """
framework = "other"
rounding = "none"
[[projection]]
source = "input"
target = "hidden1"
weight = "w"
weight_axes = ["target", "source"]
delay = "d"
delay_axes = ["target", "source"]
unit = "ms"
"""


@pytest.fixture
def foreign(tmp_path):
    """A foreign file and what reads it."""
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "network.npz", w=rng.normal(size=(6, 9)), d=rng.uniform(0, 10, size=(6, 9)))
    (tmp_path / "mapping.toml").write_text(MAPPING)
    return tmp_path / "network.npz", Options(mapping=tmp_path / "mapping.toml", dt=1.0, max_delay=10.0)


def test_convert__the_run_is_read_like_one_of_ours(foreign, tmp_path):
    path, options = foreign
    done = conversion.convert(
        path, tmp_path / "run", options=options, seed=4, config={"sparsity": 0.5, "connectivity": "fixed"}
    )
    run = open_run(tmp_path / "run")
    assert (run.info["method"], run.info["seed"], run.info["config"]["sparsity"]) == ("other", 4, 0.5)
    assert run.info["converted"]["reader"] == "mapping"
    assert run.info["converted"]["options"] == {"mapping": str(options.mapping), "dt": 1.0, "max_delay": 10.0}
    assert run.info["converted"]["notes"] == list(done.notes)
    tree = read_checkpoint(run.steps[1])
    assert tree.attrs["seed"] == 4
    assert json.loads(tree.attrs["config"]) == {"sparsity": 0.5, "connectivity": "fixed"}
    direct = series.read_series(path, foreign=options)
    table = "projections/input__hidden1"
    assert tree[table].to_dataset().equals(direct.checkpoints[1][table].to_dataset())
    assert tree.attrs["sha256"] == direct.checkpoints[1].attrs["sha256"]
    assert tree.attrs["source_file"] == "network.npz, mapping.toml"
    (tmp_path / "folder").mkdir()
    assert (tmp_path / "run").stat().st_mode == (tmp_path / "folder").stat().st_mode  # others may read it, too


def test_convert__leaves_nothing_where_it_fails(foreign, tmp_path, monkeypatch):
    path, options = foreign

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(conversion, "write_checkpoint", fail)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match="disk full"):
        conversion.convert(path, tmp_path / "run", options=options)
    assert sorted(tmp_path.iterdir()) == before


def test_convert__starts_over_what_a_killed_start_left(foreign, tmp_path):
    path, options = foreign
    with held(tmp_path / "run"):
        marker = (tmp_path / "run" / ".lock").read_text()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").write_text(marker.replace(f"pid={os.getpid()}", "pid=4194304"))
    conversion.convert(path, tmp_path / "run", options=options)
    assert not list(tmp_path.rglob(".*"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".stanalysis-elsewhere-1-0123abcd").touch()
    with pytest.raises(BadInput, match="process on another host"):
        conversion.convert(path, tmp_path / "other", options=options)


def test_convert__never_writes_over_anything(foreign, tmp_path):
    path, options = foreign
    (tmp_path / "run").mkdir()
    conversion.convert(path, tmp_path / "run", options=options)  # an empty folder will do
    for taken in (tmp_path / "run", path):
        with pytest.raises(BadInput, match="exists already"):
            conversion.convert(path, taken, options=options)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_convert__refuses_seeds_that_are_none(foreign, tmp_path, seed):
    with pytest.raises(BadInput, match="The seed is"):
        conversion.convert(foreign[0], tmp_path / "run", options=foreign[1], seed=seed)


def test_convert__refuses_what_is_ours(tmp_path):
    write_checkpoint(small_network(), tmp_path / "step-000000.nc")
    for path in (tmp_path, tmp_path / "step-000000.nc"):
        with pytest.raises(BadInput, match="is a run or checkpoint of this program already"):
            conversion.convert(path, tmp_path / "out", options=Options())


def test_analyze__takes_a_foreign_path_as_it_is(foreign):
    path, options = foreign
    analysis = analyze([path], n_permutations=19, foreign=options)
    assert analysis["statistics/input__hidden1"].step.values.tolist() == [1]
    assert json.loads(analysis.attrs["provenance"])["network"].keys() == {str(path), str(options.mapping)}
    assert any("network: Read by the reader mapping" in warning for warning in json.loads(analysis.attrs["warnings"]))


def test_analyze__networks_of_unknown_seed_are_no_partners(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a1", "a2", "b1", "b2"):
        path, options = tmp_path / f"{name}.npz", Options(mapping=tmp_path / "mapping.toml", dt=1.0, max_delay=10.0)
        np.savez(path, w=rng.normal(size=(6, 9)), d=rng.uniform(0, 10, size=(6, 9)))
        (tmp_path / "mapping.toml").write_text(MAPPING)
        conversion.convert(path, tmp_path / name, options=options, config={"delays": name[0]})
    runs = [tmp_path / name for name in ("a1", "a2", "b1", "b2")]
    comparison = analyze(runs, n_permutations=19, compare="delays")["comparison/input__hidden1"]
    assert comparison.n_a.values.tolist() == comparison.n_b.values.tolist()
    assert not comparison.paired.values.any()


def test_analyze__steps_of_a_network_of_unknown_seed_are_partners(tmp_path):
    rng = np.random.default_rng(0)
    runs = []
    for name in ("a", "b"):
        runs.append(tmp_path / name)
        for step in (0, 5):
            tree = from_arrays(rng.normal(size=(6, 9)), rng.uniform(0, 9, size=(6, 9)), dt=1.0, max_delay=9.0, step=step)
            write_checkpoint(tree, tmp_path / name / f"step-{step:06d}.nc")
    comparison = analyze(runs, n_permutations=19, compare="step", statistics=["lattice"])["comparison/input__hidden1"]
    assert comparison.paired.values.all()


def test_read_series__runs_of_ours_stay_ours_whatever_reader_is_named_for_others(tmp_path):
    write_checkpoint(small_network(), tmp_path / "step-000000.nc")
    for path in (tmp_path, tmp_path / "step-000000.nc"):
        assert series.read_series(path, foreign=Options(reader="dcls", dt=3.0)).checkpoints.keys() == {0}


def test_analyze__the_same_files_twice_are_no_replicates(foreign, tmp_path):
    path, options = foreign
    for name in ("a", "b", "c"):
        conversion.convert(path, tmp_path / name, options=options, seed=5 if name == "c" else None)
    with pytest.raises(BadInput, match="b and a are of the same files"):
        analyze([tmp_path / "a", tmp_path / "b"], n_permutations=19)
    analyze([tmp_path / "a", tmp_path / "c"], n_permutations=19)


def test_analyze__notes_of_the_reader_are_kept_by_convert(foreign, tmp_path):
    path, options = foreign
    done = conversion.convert(path, tmp_path / "run", options=options)
    assert done.notes
    assert series.read_series(tmp_path / "run", foreign=Options()).notes == done.notes
    warnings = json.loads(analyze([tmp_path / "run"], n_permutations=19).attrs["warnings"])
    assert {f"run: {note}" for note in done.notes} <= set(warnings)


@pytest.mark.parametrize(
    ("shape", "null", "says"), [((6, 1), "delays", "moves nothing"), ((1, 9), "delays", "targets share delays")]
)
def test_analyze__shared_delays_are_warned_of(tmp_path, shape, null, says):
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(6, 9))
    tree = from_arrays(weight, rng.uniform(0, 9, size=shape), dt=1.0, present=rng.random((6, 9)) < 0.8)
    write_checkpoint(tree, tmp_path / "step-000001.nc")
    warnings = json.loads(analyze([tmp_path], n_permutations=19, null=null).attrs["warnings"])
    assert any(says in warning for warning in warnings)


def test_convert__leaves_folders_of_others_alone(foreign, tmp_path, monkeypatch):
    path, options = foreign
    others = [tmp_path / f".{os.getpid()}-run", tmp_path / ".run-1"]
    for other in others:
        other.mkdir()
        (other / "mine.txt").write_text("mine")
    conversion.convert(path, tmp_path / "run", options=options)
    conversion.convert(path, tmp_path / "new" / "folder" / "run", options=options)
    assert all((other / "mine.txt").is_file() for other in others)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    conversion.convert(path, ".", options=options)
    assert (tmp_path / "here" / "run.json").is_file()


def test_read_series__a_name_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(BadInput, match="rename it"):
        series.read_series(tmp_path / "a\udcff.pt", foreign=Options())


def test_read_checkpoint__links_to_other_files_are_not_followed(tmp_path):
    write_checkpoint(small_network(), tmp_path / "a.nc")
    write_checkpoint(small_network(seed=5), tmp_path / "other.nc")
    with h5py.File(tmp_path / "a.nc", "r+") as file:
        table = file["projections/input__hidden1"]
        del table["weight"]
        table["weight"] = h5py.ExternalLink(str(tmp_path / "other.nc"), "projections/input__hidden1/weight")
    with pytest.raises(BadInput, match="holds a link, 'weight', that can lead to other files"):
        read_checkpoint(tmp_path / "a.nc")


def test_read_series__checkpoints_of_different_networks_are_refused(tmp_path):
    write_checkpoint(small_network(n_source=8), tmp_path / "step-000000.nc")
    write_checkpoint(small_network(n_source=9, step=3), tmp_path / "step-000003.nc")
    with pytest.raises(BadInput, match=r"steps 0 and 3 in .* differ in populations"):
        series.read_series(tmp_path, foreign=Options())


def test_read_series__any_letters_may_be_in_a_name(tmp_path):
    place = tmp_path / "実験\u30001\u200d"
    write_checkpoint(small_network(), place / "step-000000.nc")
    assert series.read_series(place, foreign=Options()).checkpoints


def test_series__its_repr_is_one_short_line(foreign, tmp_path):
    path, options = foreign
    done = conversion.convert(path, tmp_path / "run", options=options)
    assert repr(done) == "Series(step 1)"
