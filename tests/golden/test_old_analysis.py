"""An analysis file of 0.6.0 can still be reported: one of the sweep, under the null ``cells``, of which it warns."""

from __future__ import annotations

import lzma

import pytest

from reports.choosing import for_report
from reports.page.page import page
from stanalysis.files.analysis import read_analysis
from stanalysis.findings.cautions import doubts_about, warned
from stanalysis.findings.view import Analysis
from tests.golden.golden import HERE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    path = tmp_path_factory.mktemp("old") / "analysis.nc"
    path.write_bytes(lzma.decompress((HERE / "analysis.nc.xz").read_bytes()))
    return read_analysis(path)


def test_report__of_0_6_0_has_its_warnings_and_figures(old):
    assert "cautions" not in old.attrs
    assert len(doubts_about(old, "input__hidden1")) == 1
    assert doubts_about(old, "input__hidden1")[0] in warned(old)
    html = page({"old": old}, {}, {}, atlas=None, notes=[], command="")
    assert html.count("is rejected, or not, for that alone.") == len(Analysis(old).conditions) + 1  # and among the warnings
    planned, _ = for_report({"old": old})
    kinds = {plan.name.split("-")[0] for plan in planned}
    assert {"survival", "hazards", "training", "ladder", "fig3"} <= kinds


def test_figures__of_0_6_0_draw_its_lives(old):
    planned, _ = for_report({"old": old})
    hazards = next(plan for plan in planned if plan.name.startswith("hazards"))
    sections = [name.partition(" (")[0] for name in hazards.draw().panels]
    assert sections == sorted(sections, key=lambda name: name.startswith("grown"))
    assert {name.partition(", ")[2] for name in sections} <= {"at birth", "so far"}
    assert Analysis(old).has("episodes")
