from __future__ import annotations

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from reports.drawn import Drawn
from reports.page import page as module
from reports.page.page import page
from reports.page.tables import MOST_ROWS, OPEN_ROWS, cell, table_of
from stanalysis.analysis.analyze import analyze
from stanalysis.files.analysis import Caution, cautions_as_json
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.run import step_path, write_info
from stanalysis.findings.wording_of_cautions import NOT_EXCHANGEABLE
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.synthetic.network import small_network

HOSTILE = '"><img src=x onerror=alert(1)>'
SCRIPT = "<script>alert(1)</script>"
PNG = b"\x89PNG not really"


class Elements(HTMLParser):
    """All elements of a page with their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def of(self, tag):
        return [attrs for name, attrs in self.found if name == tag]


def write_run(path, *, seed):
    write_info(path, {"method": "dcls", "seed": seed})
    for step in (0, 5):
        tree = small_network(step=step, seed=seed, n_source=8, n_target=5)
        tree.attrs["config"] = json.dumps({"epochs": 1})
        write_checkpoint(tree, step_path(path, step))
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [write_run(folder / name, seed=seed) for seed, name in enumerate(("plain", HOSTILE))]


@pytest.fixture(scope="module")
def analysis(runs):
    analysis = analyze(runs, n_permutations=19, compare="step")
    values = {"null": "delays", "reason": "doubt"}
    analysis.attrs["cautions"] = cautions_as_json([Caution(NOT_EXCHANGEABLE, "input__hidden1", (SCRIPT,), values)])
    return analysis


def test_page__tells_the_doubts_of_0_6_0(analysis):
    """Its files have sentences, and no check."""
    old = analysis.filter(lambda node: node.name != "check")
    old.attrs["warnings"] = json.dumps(["input__hidden1 of plain, at the last step: an old doubt.", "Another warning."])
    del old.attrs["cautions"]
    html = page({"a": old}, {}, {}, atlas=None, notes=[], command="")
    assert html.count("an old doubt.") == 2
    assert html.count("Another warning.") == 1
    assert "Checked against" not in html


def test_page__says_what_it_was_checked_against(analysis):
    html = page({"a": analysis}, {}, {}, atlas=None, notes=[], command="")
    assert html.count("Checked against esda") == 1
    assert "Checked against other programs" in html  # the table
    assert "gearys_c" in html.rpartition("Checked against other programs")[2].split("</table>")[0]


@pytest.fixture(scope="module")
def signs(runs):
    return analyze(runs, n_permutations=19, null="signs")


def drawn(name="panel"):
    panel = xr.Dataset({"height": ("place", [1.5, np.nan, 2.5])}, {"place": [0, 1, 2]})
    return Drawn(Figure(figsize=(7, 2)), f"Figure 1b. What {SCRIPT} shows, I = .5 there. More of it.", {name: panel})


@pytest.fixture(scope="module")
def html(analysis, signs):
    return page(
        {"main": analysis, HOSTILE: signs},
        {"one": drawn(), HOSTILE: drawn(SCRIPT)},
        {"one": PNG, HOSTILE: PNG},
        atlas=None,
        notes=[f"No {SCRIPT} is shown."],
        command=f"stanalysis report {SCRIPT}",
    )


@pytest.fixture(scope="module")
def elements(html):
    return Elements(html)


def test_page__text_of_strangers_stays_text(html, elements):
    assert elements.of("script") == [{}]  # the one that opens tables for the printer
    assert {attrs["src"][:15] for attrs in elements.of("img")} == {"data:image/png;"}
    assert not [name for _, attrs in elements.found for name in attrs if name.startswith("on")]
    assert html.count("&lt;script&gt;") >= 6  # caption and its alternative, doubt, warning, note, command
    assert elements.text.count(HOSTILE) >= 4  # network, analysis, figure, files


def test_page__loads_nothing_from_elsewhere(html, elements):
    for name, attrs in elements.found:
        for key in ("src", "href"):
            if key in attrs:
                allowed = ("data:", "#") if name != "a" else ("data:", "#", "https://doi.org/")
                assert attrs[key].startswith(allowed), attrs
    assert "@import" not in html
    assert "url(" not in html
    policy = next(attrs["content"] for attrs in elements.of("meta") if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


def test_page__is_the_same_from_the_same_input(html, analysis, signs):
    again = page(
        {"main": analysis, HOSTILE: signs}, {"one": drawn(), HOSTILE: drawn(SCRIPT)}, {"one": PNG, HOSTILE: PNG},
        atlas=None, notes=[f"No {SCRIPT} is shown."], command=f"stanalysis report {SCRIPT}",
    )  # fmt: skip
    assert again == html


def test_page__can_be_read_aloud(elements):
    assert elements.of("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in elements.of("meta")
    levels = [int(tag[1]) for tag, _ in elements.found if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(attrs.get("scope") in ("col", "row") for attrs in elements.of("th"))
    assert [attrs["alt"] for attrs in elements.of("img")] == [f"Figure 1b. What {SCRIPT} shows, I = .5 there."] * 2
    anchors = {attrs["id"] for _, attrs in elements.found if "id" in attrs}
    assert {attrs["href"][1:] for attrs in elements.of("a") if attrs["href"].startswith("#")} <= anchors


def test_page__has_the_numbers_drawn_behind_each_figure(elements):
    links = {attrs["download"]: attrs["href"] for attrs in elements.of("a") if "download" in attrs}
    assert list(links) == ["one.csv", f"{HOSTILE}.csv"]
    kind, content = links["one.csv"].split(",")
    assert kind == "data:text/csv;base64"
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(content).decode())))
    assert [(row["panel"], float(row["height"])) for row in rows] == [("panel", 1.5), ("panel", 2.5)]
    assert base64.b64decode(elements.of("img")[0]["src"].split(",")[1]) == PNG


def test_page__points_to_the_file_where_the_numbers_are_many(analysis, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_CSV", 10)
    html = page({"main": analysis}, {"one": drawn()}, {"one": PNG}, atlas=None, notes=[], command="")
    assert "download=" not in html
    assert "<code>one.csv</code> beside this page" in html


def test_page__tells_of_each_null_what_rejecting_it_says(html, elements):
    for null in ("delays", "signs"):
        assert NULLS[null].meaning.replace("`", "")[10:] in elements.text.replace("\N{NO-BREAK SPACE}", " ")
    assert NULLS["cells"].meaning.replace("`", "")[10:] not in elements.text
    assert "Which null is rejected" in html
    assert elements.text.count("at the last step: doubt.") == 2  # beside what it is about, and among the warnings


def test_page__tells_where_everything_comes_from(analysis, elements):
    for files in json.loads(analysis.attrs["provenance"]).values():
        for path, sha256 in files.items():
            assert path in elements.text
            assert sha256 in elements.text
    for shown in ("Training seeds", "0, 1", "seed of the draws", "numpy", "two-sided", "rook"):
        assert shown in elements.text


def test_page__holds_the_atlas_as_it_is_given(analysis):
    parts = ("<script>resources()</script>", "<script>fill()</script>", '<div id="here"></div>')
    html = page({"main": analysis}, {}, {}, atlas=parts, notes=[], command="")
    for part in parts:
        assert html.count(part) == 1
    assert html.index(parts[2]) < html.index(parts[0]) < html.index(parts[1])
    assert 'href="#atlas"' in html
    assert 'href="#atlas"' not in page({"main": analysis}, {}, {}, atlas=None, notes=[], command="")


def test_page__other_analyses_warn_only_of_what_the_first_does_not(analysis, signs, monkeypatch):
    monkeypatch.setattr(module, "warned", lambda one: ["common", "own"] if one is signs else ["common"])
    text = Elements(page({"a": analysis, "b": signs}, {}, {}, atlas=None, notes=[], command="")).text
    assert (text.count("common"), text.count("own\n")) == (1, 1)
    monkeypatch.setattr(module, "warned", lambda _: [])
    warnings = page({"a": analysis}, {}, {}, atlas=None, notes=[], command="").split('id="warnings">')[1].split("</section>")[0]
    assert "<p>None.</p>" in warnings


def test_page__control_characters_and_turns_of_direction_are_replaced(analysis):
    html = page({"main": analysis}, {}, {}, atlas=None, notes=["a\u202eb"], command="c\x00d")
    assert "a�b" in html
    assert "c�d" in html


def test_table_of__leaves_out_empty_columns_and_says_how_many_rows_are_missing():
    frame = pd.DataFrame({"name": ["x"] * (MOST_ROWS + 5), "empty": "", "none": np.nan, "p_value": 0.002})
    table = table_of(frame, "title", csv="summary")
    assert [(column.heading, column.numeric) for column in table.columns] == [("name", False), ("p value", True)]
    assert len(table.rows) == MOST_ROWS
    assert table.left_out == 5
    assert table.rows[0] == ["x", ".002"]


def test_table_of__long_tables_are_folded():
    folded = [table_of(pd.DataFrame({"a": range(n)}), "title").folded for n in (OPEN_ROWS, OPEN_ROWS + 1)]
    assert folded == [False, True]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("excess", -0.012345, "−0.0123"),
        ("median", np.inf, "∞"),
        ("significant", np.nan, "–"),
        ("significant", 0.25, "25 %"),
        ("kept_p", 0.00001, "<.0001"),
        ("unit", "1", ""),
        ("unit", "ms", "ms"),
        ("n_deaths", np.int64(36983), "36983"),
        ("value", None, "–"),
    ],
)
def test_cell__is_written_as_its_column_asks(name, value, shown):
    assert cell(name, value) == shown
