from __future__ import annotations

import json
import re
from typing import get_args

import matplotlib.image
import pandas as pd
import pytest

from reports.cli import Name, figure, report
from reports.figures import FIGURES
from stanalysis.analysis.analyze import analyze
from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.findings.writing import write_analysis
from stanalysis.synthetic.network import small_network

pytestmark = pytest.mark.slow

FORMATS = (".png", ".svg", ".pdf", ".txt", ".csv")


def write_analysis_of(folder, *, n_networks, null="delays"):
    paths = [folder / f"network-{seed}.nc" for seed in range(n_networks)]
    for seed, path in enumerate(paths):
        write_checkpoint(small_network(seed=seed), path)
    write_analysis(analyze(paths, n_permutations=9, null=null), folder / f"{null}.nc")
    return folder / f"{null}.nc"


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    return write_analysis_of(tmp_path_factory.mktemp("analysis"), n_networks=1)


def test_figure__knows_every_figure():
    assert set(get_args(Name)) == set(FIGURES)


def test_figure__writes_every_format_with_caption_and_numbers_and_nothing_else(analysis, tmp_path, capsys):
    output = tmp_path / "new" / "figures"
    figure("fig1b", [analysis], output=output, projection="input__hidden1")
    written = [output / f"fig1b-input__hidden1{suffix}" for suffix in FORMATS]
    assert sorted(output.iterdir()) == sorted(written)
    assert capsys.readouterr().out.split() == ["Written:", *map(str, written)]
    assert written[3].read_text(encoding="utf-8").startswith("Figure 1b. ")
    assert "step 0, all neurons" in set(pd.read_csv(written[4]).panel)
    assert matplotlib.image.imread(written[0]).shape[1] == pytest.approx(180 / 25.4 * 200, abs=1)


def test_figure__names_the_network_where_there_are_several_and_draws_the_one_asked_for(tmp_path):
    several = write_analysis_of(tmp_path, n_networks=2)
    figure("fig1b", [several], output=tmp_path / "figures", projection="input__hidden1")
    names = {path.name for path in (tmp_path / "figures").glob("*.png")}
    assert names == {"fig1b-input__hidden1-network-0.png", "fig1b-input__hidden1-network-1.png"}
    figure("fig1b", [several], output=tmp_path / "one", network="network-1")
    names = {path.name for path in (tmp_path / "one").glob("*.png")}
    assert names == {"fig1b-input__hidden1-network-1.png", "fig1b-hidden1__output-network-1.png"}


def test_figure__of_several_analyses_names_each_but_the_ladder_which_takes_all(analysis, tmp_path):
    signs = write_analysis_of(tmp_path, n_networks=1, null="signs")
    figure("joins", [analysis, signs], output=tmp_path / "figures", projection="input__hidden1")
    figure("ladder", [analysis, signs], output=tmp_path / "figures", projection="input__hidden1")
    names = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert names == {"joins-input__hidden1-delays", "joins-input__hidden1-signs", "ladder-input__hidden1"}


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("fig1c", {}, "No network of the analysis is sparse; draw fig1b instead"),
        ("fig3", {}, "is of no sweep; analyse the folder of one"),
        ("correlogram", {}, "--statistics"),
        ("survival", {}, "no survival curves; analyse runs"),
        ("fig1b", {"projection": "a__b"}, "There is no projection a__b; name one of input__hidden1, hidden1__output"),
        ("fig1b", {"network": "mine"}, "There is no network mine; name one of network-0"),
        ("fig1a", {"network": "network-0"}, "fig1a is not drawn of network-0; leave that out"),
    ],
)
def test_figure__what_is_not_there_is_bad_input_and_leaves_nothing(analysis, tmp_path, name, options, said):
    with pytest.raises(BadInput, match=said):
        figure(name, [analysis], output=tmp_path / "figures", **options)
    assert not (tmp_path / "figures").exists()


def test_figure__of_several_analyses_names_the_one_that_lacks_it_before_it_draws(analysis, tmp_path, write_sweep):
    folder = write_sweep(tmp_path / "sweep", sparsities=[0.5], seeds=[0])
    write_analysis(analyze([folder / "fixed-fixed-0.5-0"], n_permutations=9), tmp_path / "sparse.nc")
    with pytest.raises(BadInput, match="delays: No network of the analysis is sparse"):
        figure("fig1c", [tmp_path / "sparse.nc", analysis], output=tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


def test_figure__analyses_of_one_name_are_bad_input(analysis, tmp_path):
    with pytest.raises(BadInput, match="Two analyses are called delays"):
        figure("fig1a", [analysis, analysis], output=tmp_path / "figures")
    with pytest.raises(BadInput, match="No analysis is given"):
        figure("fig1a", [], output=tmp_path / "figures")


def test_report__is_one_page_with_the_figures_beside_it(analysis, tmp_path, capsys):
    report([analysis], output=tmp_path / "report")
    stems = {path.stem for path in (tmp_path / "report").iterdir()} - {"report"}
    projections = ("input__hidden1", "hidden1__output")
    assert stems == {"fig1a", *(f"{kind}-{p}" for kind in ("fig1b", "ladder", "joins", "parts") for p in projections)}
    written = {tmp_path / "report" / f"{stem}{suffix}" for stem in stems for suffix in FORMATS}
    assert set((tmp_path / "report").iterdir()) == written | {tmp_path / "report" / "report.html"}
    said = " ".join(capsys.readouterr().out.split())
    assert f"Written: {tmp_path / 'report' / 'report.html'} and beside it {len(written)} files" in said
    html = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "Bokeh" in html
    for stem in stems:
        assert stem in html
    assert "correlogram is not drawn" in html


def test_report__analyses_of_other_networks_are_bad_input_and_leave_nothing(analysis, tmp_path):
    write_checkpoint(small_network(seed=7), tmp_path / "other.nc")
    write_analysis(analyze([tmp_path / "other.nc"], n_permutations=9, null="signs"), tmp_path / "signs.nc")
    with pytest.raises(BadInput, match="not of the same networks"):
        report([analysis, tmp_path / "signs.nc"], output=tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_report__pictures_beyond_the_room_of_a_page_are_beside_it(analysis, tmp_path, monkeypatch):
    monkeypatch.setattr("reports.writing._PICTURES", 60_000)
    report([analysis], output=tmp_path / "report")
    html = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert len(re.findall("<img [^>]*data:image/png", html)) == 1
    assert "fig1b-input__hidden1 is beside the page" in html
    assert (tmp_path / "report" / "fig1b-input__hidden1.png").is_file()


@pytest.mark.parametrize(
    "verb", [lambda paths, output: report(paths, output=output), lambda paths, output: figure("fig1a", paths, output=output)]
)
@pytest.mark.parametrize("content", [None, b"", b"no netCDF"])
def test_verbs__an_unreadable_analysis_is_bad_input_and_leaves_nothing(tmp_path, verb, content):
    if content is not None:
        (tmp_path / "analysis.nc").write_bytes(content)
    with pytest.raises(BadInput, match=r"analysis\.nc"):
        verb([tmp_path / "analysis.nc"], tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize(
    "verb", [lambda paths, output: report(paths, output=output), lambda paths, output: figure("fig1a", paths, output=output)]
)
def test_verbs__an_output_that_is_a_file_is_bad_input(analysis, tmp_path, verb):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="is a file; name a folder"):
        verb([analysis], tmp_path / "file")


def test_report__a_checkpoint_is_no_analysis(tmp_path):
    write_checkpoint(small_network(), tmp_path / "step-000000.nc")
    with pytest.raises(BadInput, match="is no whole analysis file"):
        report([tmp_path / "step-000000.nc"], output=tmp_path / "report")


def test_figure__of_a_sweep_another_network_can_be_named(tmp_path, write_sweep):
    folder = write_sweep(tmp_path / "sweep", sparsities=[0.2], seeds=[0], n_source=13, n_target=14)
    write_analysis(analyze([folder], n_permutations=9, statistics=()), tmp_path / "analysis.nc")
    figure("fig1c", [tmp_path / "analysis.nc"], output=tmp_path / "figures", network="fixed-fixed-0.2-0")
    names = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert names == {f"fig1c-{p}-fixed-fixed-0.2-0" for p in ("input__hidden1", "hidden1__output")}


def test_verbs__names_of_strangers_neither_leave_the_folder_nor_instruct_the_terminal(tmp_path, capsys):
    write_checkpoint(small_network(), tmp_path / "network.nc")
    tree = analyze([tmp_path / "network.nc"], n_permutations=9)
    name = "../../[/b]\x1b[31m" + "x" * 300
    for node in tree.subtree:
        if "run" in node.dims and "run" in node.coords:
            node.dataset = node.to_dataset().assign_coords(run=[name])
    for attr in ("runs", "conditions", "best_steps", "provenance"):
        tree.attrs[attr] = tree.attrs[attr].replace('"network"', json.dumps(name))
    tree.to_netcdf(tmp_path / "analysis.nc", engine="h5netcdf")
    figure("fig1b", [tmp_path / "analysis.nc"], output=tmp_path / "a" / "b" / "figures", network=name)
    assert {path.parent for path in tmp_path.rglob("*.png")} == {tmp_path / "a" / "b" / "figures"}
    assert "\x1b" not in capsys.readouterr().out
    assert "\x1b" not in next(tmp_path.rglob("*.txt")).read_text(encoding="utf-8")
