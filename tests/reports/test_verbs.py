from __future__ import annotations

import matplotlib.image
import pytest

from reports.verbs import report
from stanalysis.analysis import analyze
from stanalysis.checkpoint import write_checkpoint
from stanalysis.errors import BadInput
from stanalysis.summaries import write_analysis
from stanalysis.synthetic import small_network


def write_analysis_of(folder, *, n_networks):
    paths = [folder / f"network-{seed}.nc" for seed in range(n_networks)]
    for seed, path in enumerate(paths):
        write_checkpoint(small_network(seed=seed), path)
    write_analysis(analyze(paths, n_permutations=9), folder / "analysis.nc")
    return folder / "analysis.nc"


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    return write_analysis_of(tmp_path_factory.mktemp("analysis"), n_networks=1)


def test_report__writes_every_figure_with_its_caption_and_nothing_else(analysis, tmp_path, capsys):
    output = tmp_path / "new" / "figures"
    report(analysis, output=output)
    stems = ["fig1a", "fig1b-input__hidden1", "fig1b-hidden1__output"]
    written = [output / f"{stem}{suffix}" for stem in stems for suffix in (".png", ".txt")]
    assert sorted(output.iterdir()) == sorted(written)
    assert capsys.readouterr().out.split() == ["Written:", *map(str, written)]
    for stem in stems:
        caption = (output / f"{stem}.txt").read_text(encoding="utf-8")
        assert caption.startswith(f"Figure {stem[3:5]}. ")
    assert matplotlib.image.imread(output / "fig1a.png").shape[1] == pytest.approx(180 / 25.4 * 200, abs=1)


def test_report__names_the_network_where_there_are_several(tmp_path):
    report(write_analysis_of(tmp_path, n_networks=2), output=tmp_path / "figures")
    names = {path.name for path in (tmp_path / "figures").glob("fig1b-input__hidden1*.png")}
    assert names == {"fig1b-input__hidden1-network-0.png", "fig1b-input__hidden1-network-1.png"}


def test_report__an_output_that_is_a_file_is_bad_input(analysis, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="is a file; name a folder"):
        report(analysis, output=tmp_path / "file")


@pytest.mark.parametrize("content", [None, b"", b"no netCDF"])
def test_report__an_unreadable_analysis_is_bad_input_and_leaves_nothing(tmp_path, content):
    if content is not None:
        (tmp_path / "analysis.nc").write_bytes(content)
    with pytest.raises(BadInput, match=r"analysis\.nc"):
        report(tmp_path / "analysis.nc", output=tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


def test_report__a_checkpoint_is_no_analysis(tmp_path):
    write_checkpoint(small_network(), tmp_path / "step-000000.nc")
    with pytest.raises(BadInput, match="is no whole analysis file"):
        report(tmp_path / "step-000000.nc", output=tmp_path / "figures")


def test_report__of_a_sweep_draws_one_network_and_the_accuracies(tmp_path, write_sweep):
    folder = write_sweep(tmp_path / "sweep", connectivity=["rewired"], sparsities=[0.0, 0.2], n_source=13, n_target=14)
    write_analysis(analyze([folder], n_permutations=9, statistics=()), tmp_path / "analysis.nc")
    report(tmp_path / "analysis.nc", output=tmp_path / "figures")
    names = {path.name for path in (tmp_path / "figures").glob("*.png")}
    assert names == {"fig1a.png", "fig1c-input__hidden1-rewired-learned-0.2-0.png", "fig3.png"}


def test_report__names_sparse_networks_1c_and_draws_small_ones_as_graphs(tmp_path, write_sweep):
    folder = write_sweep(tmp_path / "sweep", sparsities=[0.0, 0.5], seeds=[0])
    runs = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.startswith("rewired-learned"))
    write_analysis(analyze(runs, n_permutations=9), tmp_path / "analysis.nc")
    report(tmp_path / "analysis.nc", output=tmp_path / "figures")
    names = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    projections = ("input__hidden1", "hidden1__output")
    receptive = {f"fig1{k}-{p}-rewired-learned-{s}-0" for k, s in (("b", "0"), ("c", "0.5")) for p in projections}
    lives = {f"fig{n}-{p}-sparsity-0.5" for n in (4, 5) for p in projections}  # the dense network is not rewired
    assert names == {"fig1a", "fig2-hidden1__output", *receptive, *lives}
