from __future__ import annotations

import io
import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from rich.console import Console

from reports.cli import report
from stanalysis.analysis.analyze import analyze
from stanalysis.analysis.check import ON_LATTICE
from stanalysis.analysis.extent import Extent, Stage
from stanalysis.cli import main as cli
from stanalysis.cli.analyze import StageShown
from stanalysis.errors import BadInput
from stanalysis.files.analysis import read_analysis
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.run import step_path, write_info
from stanalysis.progress import Progress
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.stats.engine.statistics import STATISTICS, names_of
from stanalysis.stats.grouping.parts import GROUPED
from stanalysis.synthetic.network import small_network

pytestmark = pytest.mark.slow


def call(*arguments):
    """Exit code of the command line."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["analyze", *map(str, arguments)])
    return caught.value.code


def strictly_read(text):
    """JSON as the standard has it: without NaN and Infinity."""

    def refused(name):
        raise ValueError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refused)


def words(text):
    return " ".join(text.split())


def of_one_projection(tree):
    """The network without its output: half as long to analyse."""
    del tree["projections"]["hidden1__output"]
    return tree


def test_analyze__says_how_much_there_is_and_how_far_it_is_beside_clean_json(runs, tmp_path, capsys):
    assert call(runs["fixed-0"], "-o", tmp_path / "a.nc", "--permutations", 9, "--statistics", "lattice", "--json") == 0
    printed = capsys.readouterr()
    strictly_read(printed.out)
    first, *lines = printed.err.splitlines()
    assert re.fullmatch(
        r"1 network, 2 steps × 1 projection: \d+ receptive fields, 9 draws for each; about [\d,]+ MB of memory", first
    )
    assert re.fullmatch(r"analysing fixed-0  48%  about \d:\d\d:\d\d left", lines[0])
    assert lines[-1] == "analysed  100%"
    assert len(lines) == 2


def test_stage_shown__starts_the_clock_when_it_is_known_what_there_is(clocked):
    progress, clock = clocked
    extent = Extent(n_steps=4, n_projections=1, n_fields=12, n_draws=1, memory=2_000_000)
    show = StageShown(progress, workers=2)
    for seconds, done in ((5, 0.0), (5, 0.0), (20, 0.5), (20, 1.0), (20, 1.5), (20, 2.0), (20, 3.0)):
        clock[0] += seconds
        known = None if clock[0] == 5 else extent
        show(Stage(() if done == 3 else ("a[/x]", "b"), done, 3, known))
    assert progress.console.file.getvalue().splitlines() == [
        "3 networks, the first of 4 steps × 1 projection: 12 receptive fields, about as many of each other network, 1 draw for "
        "each; about 2 MB of memory for each of 2 workers",
        "analysing a[/x], b  17%  about 0:01:40 left",
        "analysing a[/x], b  50%  about 0:01:00 left",
        "analysed  100%",
    ]


@pytest.mark.parametrize(
    ("memory", "said"), [("1M", "give --memory 0.4G for each worker"), ("much", "The memory is 'much'; give a number")]
)
def test_analyze__too_little_memory_is_refused_and_nothing_written(runs, tmp_path, capsys, memory, said):
    assert call(runs["fixed-0"], "-o", tmp_path / "a.nc", "--memory", memory) == 2
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def clocked():
    """Progress off a terminal, and its clock."""
    clock = [0.0]
    return Progress(Console(file=io.StringIO(), force_terminal=False, width=20), monotonic=lambda: clock[0]), clock


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of two seeds, with fixed and with learned delays, and a checkpoint of step 4 alone."""
    folder = tmp_path_factory.mktemp("runs")
    paths = {"late": folder / "late.nc"}
    write_checkpoint(of_one_projection(small_network(step=4, seed=9)), paths["late"])
    for k, delays in enumerate(("fixed", "learned")):
        for seed in range(2):
            path = paths[f"{delays}-{seed}"] = folder / f"{delays}-{seed}"
            write_info(path, {"method": "dcls", "seed": seed})
            for step in (0, 5):
                tree = of_one_projection(small_network(step=step + 2 * k * step, seed=seed))
                tree.attrs.update(step=step, config=json.dumps({"delays": delays, "hidden": [4]}))
                write_checkpoint(tree, step_path(path, step))
    return paths


@pytest.fixture
def both(runs):
    return [path for name, path in runs.items() if name != "late"]


@pytest.mark.parametrize("null", tuple(NULLS))
def test_analyze__prints_the_meaning_of_the_null(runs, tmp_path, capsys, null):
    out = tmp_path / "a.nc"
    assert call(runs["fixed-0"], "-o", out, "--permutations", 19, "--null", null, "--statistics", "lattice") == 0
    printed = words(capsys.readouterr().out)
    assert NULLS[null].meaning in printed
    assert f"null {null}, {'no' if null == 'untrained' else 19} draws" in printed
    too_few = null not in ("untrained", "interaction")  # under the latter none of these small fields has signs that move
    assert ("raise --permutations" in printed) == too_few


def test_analyze__prints_every_statistic_of_the_last_step_with_its_unit(runs, tmp_path, capsys):
    assert call(runs["fixed-0"], "-o", tmp_path / "a.nc", "--permutations", 19) == 0
    printed = capsys.readouterr().out
    assert "fixed-0: input__hidden1, all statistics at step 5" in printed
    assert "lead [ms]" in printed
    assert "graph_joins_ii" in printed


def test_analyze__json_holds_all_tables_and_is_valid(both, tmp_path, capsys):
    assert call(*both, "-o", tmp_path / "a.nc", "--permutations", 19, "--compare", "delays", "--json") == 0
    found = strictly_read(capsys.readouterr().out)
    assert {"null", "alternative", "permutations", "seed", "warnings", "rows", "statistics", "comparison"} <= set(found)
    assert len(found["grouping"]) == len(GROUPED) * len(found["rows"])  # which hold both ends
    assert {row["moment"] for row in found["grouping_conditions"]} <= {"first", "last"}
    assert {row["procedure"] for row in found["published"]} == {"published", *GROUPED}
    assert {warning.split(":")[0] for warning in found["warnings"]} == {"Too few draws", "Too few seeds"}
    assert len(found["rows"]) == 4 * 2
    assert len(found["statistics"]) == len(STATISTICS) * len(found["rows"])
    assert {row["unit"] for row in found["statistics"] if row["statistic"] == "lead"} == {"ms"}
    pairs = {(row["a"], row["b"], row["n_a"], row["smallest_p"]) for row in found["comparison"]}
    assert pairs == {("fixed", "learned", 2, 0.5)}
    assert len(found["comparison"]) == len(STATISTICS)


def test_analyze__warnings_are_said_once_for_all_runs(both, tmp_path, capsys):
    arguments = [*both[:2], "-o", tmp_path / "a.nc", "--permutations", 9, "--null", "cells", "--statistics", "lattice"]
    assert call(*arguments, "--json") == 0
    warnings = strictly_read(capsys.readouterr().out)["warnings"]
    (warning,) = noted = [one for one in warnings if not one.startswith("Too few")]
    assert warning.startswith(
        "input__hidden1 of 2 runs, at the last step: the synapses are not spread over sources as over cells"
    )
    assert json.loads(read_analysis(tmp_path / "a.nc").attrs["warnings"]) == noted
    assert call(*arguments[:1], *arguments[2:]) == 0
    assert (
        words(capsys.readouterr().out).count(
            "input__hidden1 of fixed-0, at the last step: the synapses are not spread over sources as over cells"
        )
        == 1
    )


def test_analyze__compare_prints_what_these_seeds_can_reach(both, tmp_path, capsys):
    assert call(*both, "-o", tmp_path / "a.nc", "--permutations", 9, "--statistics", "lattice", "--compare", "delays") == 0
    printed = words(capsys.readouterr().out)
    assert "input__hidden1: fixed → learned" in printed
    reach = "effect: Hedges' g of the differences within pairs; the smallest p-value that so many can reach is 0.5."
    assert printed.count(f"2 pairs of equal seed; {reach}") == 1
    assert "seeds: how many would give a power of 80 % at .05" in printed
    table = pd.read_csv(tmp_path / "a-comparison.csv")
    assert len(table) == len(names_of("lattice"))
    assert set(table.smallest_p) == {0.5}
    assert {"among", "a", "b", "paired", "difference", "lower", "upper", "effect_size", "seeds_needed"} <= set(table.columns)


def test_analyze__compare_step_keeps_designs_apart(both, tmp_path, capsys):
    assert call(*both, "-o", tmp_path / "a.nc", "--permutations", 9, "--statistics", "lattice", "--compare", "step") == 0
    printed = words(capsys.readouterr().out)
    for delays in ("fixed", "learned"):
        assert f"input__hidden1: first → last (delays {delays})" in printed


def test_analyze__compare_of_networks_without_partners(runs, tmp_path, capsys):
    some = [runs[name] for name in ("fixed-0", "fixed-1", "learned-1")]
    assert call(*some, "-o", tmp_path / "a.nc", "--permutations", 9, "--statistics", "lattice", "--compare", "delays") == 0
    assert "2 against 1 networks; effect: Hedges' g; the smallest p-value that so many can reach is 1." in words(
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--null bogus", 'Invalid value "bogus" for --null. Choose from: "delays"'),
        ("--statistics bogus", 'Invalid value "bogus" for --statistics. Choose from: "lattice", "graph"'),
        ("--permutations 0", "0 permutations are too few for an analysis; give at least 1."),
        ("--ms-per-source 0", "ms_per_source is 0.0; give the ms of delay that are as far as one source, above 0"),
        ("--compare nonsense", "--compare nonsense: the run fixed-0 has no such key; use step, method, sparsity"),
        ("--compare method", "all runs have the same (dcls); give runs that differ in it."),
        ("--compare delays --replicates neurons", "neurons of one network share training and initialisation"),
        ("--replicates neurons", "Replicates are those of a comparison; say what to compare, too"),
        ("--null untrained --statistics local pairs", "Statistics local, pairs: the null 'untrained' has no draws"),
    ],
)
def test_analyze__bad_options_get_a_sentence_and_leave_no_analysis(runs, tmp_path, capsys, options, message):
    assert call(runs["fixed-0"], runs["learned-0"], "-o", tmp_path / "a.nc", *options.split()) == 2
    printed = words(capsys.readouterr().err)
    assert printed.count("Error: ") == 1  # what is known of the networks only comes after their analysis
    assert message in printed
    assert {path.name for path in tmp_path.iterdir()} <= {"a-cache"}  # the mended command need not begin anew


@pytest.mark.parametrize("first", [[], ["fixed-0"]], ids=["alone", "beside another"])
def test_analyze__untrained_without_step_0_gets_a_sentence(runs, tmp_path, capsys, first):
    paths = [runs[name] for name in (*first, "late")]
    assert call(*paths, "-o", tmp_path / "a.nc", "--null", "untrained") == 2
    assert "compares with step 0, of which late has no checkpoint; give a whole run folder" in words(capsys.readouterr().err)


def test_analyze__a_run_without_first_and_last_step_cannot_be_compared(runs, tmp_path, capsys):
    assert call(runs["fixed-0"], runs["late"], "-o", tmp_path / "a.nc", "--permutations", 9, "--compare", "step") == 2
    assert "--compare step: the run late has one step only (4)" in words(capsys.readouterr().err)


def test_analyze__unknown_statistics_of_the_library_get_a_sentence(runs):
    with pytest.raises(BadInput, match="statistics name 'moran'; use some of lattice, graph, survival, local"):
        analyze([runs["fixed-0"]], statistics=["moran"])


def test_analyze__untrained_goes_all_the_way_to_the_figures(both, tmp_path, capsys):
    out = tmp_path / "a.nc"
    assert call(*both, "-o", out, "--null", "untrained", "--statistics", "lattice", "--compare", "delays", "--json") == 0
    found = strictly_read(capsys.readouterr().out)
    assert {row["network_p"] for row in found["rows"]} == {None}
    assert all(row["mean_z"] is not None for row in found["rows"])
    assert all(row["p_value"] is not None for row in found["comparison"])
    assert call(*both[:1], "-o", out, "--null", "untrained", "--statistics", "lattice") == 0
    report([out], output=tmp_path / "figures")
    caption = (tmp_path / "figures" / "fig1b-input__hidden1.txt").read_text()
    assert "null untrained, no permutations, two-sided: rejecting `untrained` says" in caption


def test_analyze__maps_and_curves_are_written(runs, tmp_path):
    extra = ("local", "correlogram", "smoothing", "pairs")
    assert call(runs["fixed-0"], "-o", tmp_path / "a.nc", "--permutations", 9, "--statistics", *extra) == 0
    analysis = read_analysis(tmp_path / "a.nc")
    assert set(extra) < set(analysis.children)
    assert analysis["statistics/input__hidden1"].statistic.values.tolist() == ["morans_i", "along_delay", "across_sources"]


def test_analyze__says_what_it_was_checked_against(runs, tmp_path, capsys):
    arguments = (runs["fixed-0"], "-o", tmp_path / "a.nc", "--permutations", 9, "--statistics", "lattice")
    assert call(*arguments) == 0
    assert re.search(
        r"Checked against esda [0-9.]+ on \d+ fields: largest difference \S+e-1\d\.", words(capsys.readouterr().out)
    )
    assert call(*arguments, "--json") == 0
    rows = strictly_read(capsys.readouterr().out)["check"]
    assert [row["quantity"] for row in rows] == [*ON_LATTICE]
    assert call(*arguments, "--no-check") == 0
    assert "Checked against" not in capsys.readouterr().out
    analysis = read_analysis(tmp_path / "a.nc")
    assert "check" not in analysis.children
    assert analysis.attrs["command"].endswith("--no-check")


def test_analyze__workers_print_the_same(both, tmp_path, capsys):
    printed = []
    for workers in (1, 2):
        arguments = ("-o", tmp_path / "a.nc", "--permutations", 9, "--statistics", "lattice", "--workers", workers, "--json")
        assert call(*both, *arguments) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_analyze__help_imports_nothing_large():
    large = {"numpy", "xarray", "scipy", "numba", "h5py", "esda", "lifelines", "matplotlib"}
    code = "import sys; from stanalysis.cli.main import app; app(['analyze', '--help'])"
    code += f"; print(sorted({large} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.rstrip().endswith("[]")
