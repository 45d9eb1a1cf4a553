"""What networks contributed is kept by what it was made of; an analysis made of it is the same to the bit."""

from __future__ import annotations

import pytest
from distributed import Client, LocalCluster

from stanalysis.analysis import analyze as module
from stanalysis.analysis import cache as cache_module
from stanalysis.analysis.analyze import analyze
from stanalysis.errors import BadInput
from stanalysis.files.analysis import analysis_bytes
from stanalysis.files.checkpoint import read_checkpoint, write_checkpoint
from stanalysis.files.opening import newest_in

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_prunings")]
EVERY = ("lattice", "graph", "survival", "pruning", "local", "correlogram", "smoothing", "pairs", "parts", "published")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, write_rewiring_run):
    folder = tmp_path_factory.mktemp("runs")
    return [write_rewiring_run(folder / f"run-{seed}", seed=seed) for seed in range(3)]


@pytest.fixture
def analysed(monkeypatch):
    """The names of the networks that are analysed, not taken from a cache."""
    names, analyse = [], module.analyse_network

    def counted(path, questions, *, name, **options):
        names.append(name)
        return analyse(path, questions, name=name, **options)

    monkeypatch.setattr(module, "analyse_network", counted)
    return names


def test_analyze__kept_or_not_it_is_the_same_to_the_bit(runs, tmp_path, analysed):
    options = {"statistics": EVERY, "n_permutations": 9}
    plain = analysis_bytes(analyze(runs[:2], **options))
    assert analysis_bytes(analyze(runs[:2], **options, cache=tmp_path / "kept")) == plain
    del analysed[:]
    assert analysis_bytes(analyze(runs[:2], **options, cache=tmp_path / "kept")) == plain
    assert analysed == []


def test_analyze__on_the_workers_of_a_scheduler_is_the_same_to_the_bit(runs, tmp_path):
    options = {"statistics": EVERY[:3], "n_permutations": 19}
    plain = analysis_bytes(analyze(runs, **options))
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        for n_workers in (1, 2, 4):
            cluster.scale(n_workers)
            client.wait_for_workers(n_workers)
            assert analysis_bytes(analyze(runs, **options, client=client)) == plain
        assert analysis_bytes(analyze(runs, **options, client=client, cache=tmp_path / "kept")) == plain
        with pytest.raises(BadInput, match="gone"):
            analyze([*runs, tmp_path / "gone"], **options, client=client)
    assert analysis_bytes(analyze(runs, **options, cache=tmp_path / "kept")) == plain


def test_analyze__interrupted_goes_on_with_what_is_kept(runs, tmp_path, analysed, monkeypatch):
    options = {"statistics": ("lattice",), "n_permutations": 9, "cache": tmp_path}
    broken = module.analyse_network

    def interrupted(path, questions, *, name, **more):
        if name == "run-1":
            raise KeyboardInterrupt
        return broken(path, questions, name=name, **more)

    monkeypatch.setattr(module, "analyse_network", interrupted)
    with pytest.raises(KeyboardInterrupt):
        analyze(runs, **options)
    monkeypatch.setattr(module, "analyse_network", broken)
    analyze(runs, **options)
    assert analysed == ["run-0", "run-1", "run-2"]


def test_analyze__one_network_more_is_one_network_to_analyse(runs, tmp_path, analysed):
    analyze(runs[:2], statistics=("lattice",), n_permutations=9, cache=tmp_path)
    together = analyze(runs, statistics=("lattice",), n_permutations=9, cache=tmp_path)
    assert analysed == ["run-0", "run-1", "run-2"]
    assert analysis_bytes(together) == analysis_bytes(analyze(runs, statistics=("lattice",), n_permutations=9))


@pytest.mark.parametrize("change", ["draws", "seed", "checkpoint", "program", "damage", "own statistics"])
def test_analyze__what_changed_is_analysed_anew(runs, tmp_path, analysed, change, monkeypatch):
    options = {"statistics": ("lattice",), "n_permutations": 9, "cache": tmp_path / "kept"}
    run = tmp_path / "a.nc"
    write_checkpoint(read_checkpoint(newest_in(runs[0])), run)
    analyze(run, **options)
    if change == "draws":
        options["n_permutations"] = 10
    elif change == "seed":
        options["seed"] = 1
    elif change == "checkpoint":
        write_checkpoint(read_checkpoint(newest_in(runs[1])), run)
    elif change == "program":
        monkeypatch.setattr(cache_module, "_program", lambda: "another")
    elif change == "damage":
        (kept,) = (tmp_path / "kept").iterdir()
        kept.write_bytes(kept.read_bytes()[:-200])
    else:
        monkeypatch.setattr("stanalysis.analysis.questions.BUILT_IN_STATISTICS", frozenset())
    analyze(run, **options)
    assert analysed == ["a", "a"]


def test_cache__forgets_the_longest_unused_where_there_are_too_many_bytes(runs, tmp_path, monkeypatch):
    options = {"statistics": ("lattice",), "n_permutations": 9, "cache": tmp_path}
    analyze(runs[:1], **options)
    (first,) = tmp_path.iterdir()
    monkeypatch.setattr(cache_module, "MOST", int(2.5 * first.stat().st_size))
    analyze(runs[:2], **options)
    analyze([runs[0], runs[2]], **options)
    kept = list(tmp_path.iterdir())
    assert len(kept) == 2
    assert first in kept
