"""What the README and the other pages say is so: their commands, examples, tables and links."""

from __future__ import annotations

import pkgutil
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

from reports.figures import FIGURES
from stanalysis import read_foreign
from stanalysis.cli import main as cli
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.readers.choosing import BUILT_IN, MAPPING
from stanalysis.readers.formats.containers import open_container
from stanalysis.readers.options import Options
from stanalysis.stats.engine.null_test import NullTest
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.stats.engine.statistics import STATISTICS
from stanalysis.synthetic.network import small_network
from tests.calibration.summarise import finds

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
}
PAST = ("CHANGELOG.md", "docs/developers/walk.md")  # they name things of their time
README, NULLS_PAGE, READERS = PAGES["README.md"], PAGES["docs/nulls.md"], PAGES["docs/your_network.md"]


def blocks(language, text):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def with_blocks(language):
    return [name for name, text in PAGES.items() if blocks(language, text)]


def commands(text):
    """Command lines of the program that stand in prose or tables, their line breaks taken out."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [" ".join(line.split()) for line in re.findall(r"`stanalysis ([a-z][^`]*)`", prose)]


def options_of(line):
    return [name for name in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", line) if name != "--help"]


@pytest.fixture(scope="session")
def helps():
    """What ``--help`` of a verb prints; of verbs that there are."""
    return {}


def help_of(verb, helps, capsys):
    if verb not in helps:
        with pytest.raises(SystemExit) as caught:
            cli.main([*verb.split(), "--help"])
        assert caught.value.code == 0, verb
        helps[verb] = capsys.readouterr().out
    return helps[verb]


@pytest.fixture
def beside_examples(tmp_path, monkeypatch, write_rewiring_run):
    """A folder with the files that the examples read."""
    write_checkpoint(small_network(), tmp_path / "demo" / "run" / "last.nc")
    write_rewiring_run(tmp_path / "RUN", seed=0)
    np.save(tmp_path / "weight.npy", np.ones((2, 5)))
    np.save(tmp_path / "delay.npy", np.ones((2, 5)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_examples(page):
    """The names that the examples of a page make, each page by itself."""
    named = {}
    for example in blocks("python", PAGES[page]):
        exec(compile(example, page, "exec"), named)
    return named


@pytest.mark.usefixtures("beside_examples")
@pytest.mark.parametrize("page", with_blocks("python"))
def test_pages__python_examples_run(page):
    run_examples(page)


@pytest.mark.usefixtures("beside_examples")
def test_readme__the_example_prints_p_values(capsys):
    run_examples("README.md")
    assert "p_value" in capsys.readouterr().out


@pytest.mark.usefixtures("beside_examples")
def test_survival__the_example_answers():
    named = run_examples("docs/survival.md")
    assert named["curves"].survival.notnull().any()
    assert named["ratios"].hazard_ratio.notnull().any()


def test_your_network__the_reader_shown_reads(beside_examples):
    named = run_examples("docs/your_network.md")
    np.savez(beside_examples / "mine.npz", synapses=np.stack([np.ones((2, 3)), np.full((2, 3), 4.0)]))
    container = open_container(beside_examples / "mine.npz")
    assert named["recognises"](container)
    tree = named["read"](container, Options(dt=2.0, max_delay=10.0)).checkpoints[1]
    assert tree["projections/input__hidden1"].delay.values.tolist() == [8.0] * 6


def test_your_network__the_error_shown_is_what_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = Path(__file__).parent / "stanalysis" / "readers" / "files"
    shutil.copy(files / "dcls_gauss.pt", "Best_ACC_REPL.pt")
    with pytest.raises(SystemExit):
        cli.main(["inspect", "Best_ACC_REPL.pt"])
    shown = re.search(r"(Error: Best_ACC_REPL.pt .*?)\n\n", READERS, re.DOTALL)[1]
    assert " ".join(capsys.readouterr().err.split()) == " ".join(shown.split())


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"^\| `stanalysis ((?:train )?[a-z]+)", README, re.MULTILINE))))
def test_readme__verbs_exist_with_the_options_shown(verb, helps, capsys):
    line = next(line for line in README.splitlines() if line.startswith(f"| `stanalysis {verb}"))
    for option in options_of(line):
        assert option in help_of(verb, helps, capsys)


@pytest.mark.parametrize("page", [name for name, text in PAGES.items() if commands(text) and name not in PAST])
def test_pages__commands_exist_with_the_options_shown(page, helps, capsys):
    for line in commands(PAGES[page]):
        verb = re.match(r"(train [a-z]+\b|sweep (?:eventprop|delgrad)\b|(?!train)[a-z]+)?", line)[0]
        for option in options_of(line):
            assert option in help_of(verb, helps, capsys), line


def test_nulls__table_is_that_of_the_records():
    for name, rule in NULLS.items():
        label = f"`{name}` (default)" if name == NullTest().null else f"`{name}`"
        assert f"| {label} | {rule.moves} | {rule.says} | {rule.not_said} |\n" in NULLS_PAGE


def test_nulls__says_what_every_statistic_asks():
    for name, statistic in STATISTICS.items():
        assert f"| `{name}` | {statistic.asks} |" in NULLS_PAGE, name


def masked(line):
    """A line without its numbers and with single spaces."""
    return " ".join(re.sub(r"-?\d+(\.\d+)?", "#", line).split())


@pytest.mark.slow
@pytest.mark.parametrize("page", with_blocks("console"))
def test_pages__the_tour_prints_what_is_shown(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    [tour] = blocks("console", PAGES[page])
    for part in tour.split("$ stanalysis ")[1:]:
        command, *shown = part.splitlines()
        with pytest.raises(SystemExit) as caught:
            cli.main(shlex.split(command))
        assert caught.value.code == 0
        said = capsys.readouterr()
        printed = iter([masked(line) for line in (said.err + said.out).splitlines()])
        for line in filter(None, map(masked, shown)):
            if line != "…":
                assert line in printed, line  # further on than the line before


def test_figures__names_every_figure():
    page = PAGES["docs/figures.md"]
    table = page[page.index("| figure | shows | needs |") :].split("\n\n")[0]
    assert re.findall(r"`([a-z0-9]+)`(?=[,` a-z0-9]* \|[^|]*\|[^|]*\|)", table) == list(FIGURES)


def test_nulls__says_what_each_statistic_finds():
    planted = finds()
    for row in planted.itertuples(index=False):
        name, _, over = row.statistic.partition(", ")
        label = f"`{name}`, {over}" if over else f"`{name}`"
        rows = [line for line in NULLS_PAGE.splitlines() if line.startswith(f"| {label} | ")]
        [line] = [line for line in rows if line.count("|") == len(row) + 2]
        assert [cell.strip() for cell in line.split("|")[3:-1]] == list(row[1:])
    header = next(line for line in NULLS_PAGE.splitlines() if line.startswith("| statistic | asks |"))
    assert re.findall("`([a-z-]+)`", header) == list(planted.columns[1:])


def test_readme__has_the_two_commands():
    run, test = blocks("bash", README)
    assert "stanalysis demo" in run
    assert "pytest" in test


def test_readme__is_short():
    assert len(README.encode()) <= 12_000


def test_your_network__names_every_reader():
    rows = re.findall(r"^\| `([a-z_]+)` \|[^|]*\|[^|]*\|[^|]*\|$", READERS, re.MULTILINE)
    assert {*BUILT_IN, MAPPING} <= set(rows)


def test_your_network__the_mapping_reads_a_network(tmp_path):
    mapping = next(block for block in blocks("toml", READERS) if "[[projection]]" in block)
    (tmp_path / "mapping.toml").write_text(mapping)
    arrays = {"fc1.weight": np.array([[1.0, 0.0], [2.0, 3.0]]), "delay1.delay": [4.5, 70.0], "norm1.weight": [2.0, -1.0]}
    np.savez(tmp_path / "network.npz", **arrays)
    tree = read_foreign(tmp_path / "network.npz", mapping=tmp_path / "mapping.toml").checkpoints[1]
    table = tree["projections/input__hidden1"]
    assert table.weight.values.tolist() == [2, -2, -3]
    assert table.delay.values.tolist() == [4.5, 50, 50]


def anchors(text):
    """Anchors of the headings of a page, as GitHub and Sphinx make them."""
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall("^#+ (.*)$", text, re.MULTILINE)
    }


@pytest.mark.parametrize("page", PAGES)
def test_pages__links_lead_somewhere(page):
    for target, _, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#([^)]+))?\)", PAGES[page]):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), anchor
    for path in re.findall(r"(?<=[` ])(?:docs|tests|trainers|reports|stanalysis)/[\w./-]*(?=[` ])", " ".join(named_in(page))):
        assert (ROOT / path).exists(), path


def named_in(page):
    """What stands between backticks."""
    return re.findall("`[^`\n]+`", PAGES[page]) if page not in PAST else []


@pytest.mark.parametrize("page", [name for name in PAGES if name not in PAST])
def test_pages__names_of_the_library_exist(page):
    for name in re.findall(r"`(stanalysis(?:\.[A-Za-z_]+)+)", PAGES[page]):
        pkgutil.resolve_name(name)


@pytest.mark.parametrize("page", [name for name in PAGES if name.startswith("docs/")])
def test_pages__can_be_reached_from_the_readme(page):
    reached, left = set(), ["README.md"]
    while left:
        name = left.pop()
        if name not in reached and name in PAGES:
            reached.add(name)
            folder = (ROOT / name).parent
            targets = re.findall(r"\]\((?!https?:)([^)#]+\.md)", PAGES[name])
            left += [str((folder / target).resolve().relative_to(ROOT)) for target in targets]
    assert page in reached


def test_citation__names_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
