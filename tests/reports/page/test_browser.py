"""The report as its reader has it: one page from disk, in a real browser."""

from __future__ import annotations

import pytest

from reports.cli import report
from stanalysis.analysis.analyze import analyze
from stanalysis.findings.writing import write_analysis

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("png_alone")]

SECTIONS = [
    "In space, in time, or jointly",
    "Summary",
    "What was tested",
    "Warnings",
    "Figures",
    "Atlas",
    "Tables",
    "Notes and provenance",
]


@pytest.fixture(scope="module")
def page(tmp_path_factory, write_rewiring_run):
    folder = tmp_path_factory.mktemp("report")
    runs = [write_rewiring_run(folder / f"run-{seed}", seed=seed) for seed in range(2)]
    write_analysis(analyze(runs, n_permutations=19), folder / "analysis.nc")
    report([folder / "analysis.nc"], output=folder / "report")
    return folder / "report" / "report.html"


@pytest.mark.parametrize("width", [1500, 1000, 600])
def test_report__fits_its_window_needs_no_network_and_complains_of_nothing(browser, page, width):
    browser.open(page, width=width)
    wide, inner = browser.run("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= inner
    assert browser.requests() == []
    assert browser.complaints() == []


def test_report__has_every_part_and_all_its_pictures(browser, page):
    browser.open(page)
    headings = browser.run("return [...document.querySelectorAll('h2')].map((one) => one.textContent.trim())")
    for start, heading in zip(SECTIONS, headings, strict=True):
        assert heading.startswith(start)
    sizes = browser.run("return [...document.images].map((one) => one.naturalWidth)")
    assert len(sizes) > 5
    assert min(sizes) > 500


def test_report__its_atlas_answers(browser, page):
    browser.open(page)
    browser.wait("return model('tiles').data.neuron.length == 8")
    before = browser.run("return model('step').title")
    browser.run("model('step').value = 0")
    browser.wait("return model('step').title != arguments[0]", before)
    browser.run("model('neurons').value = '2-4'")
    browser.wait("return model('tiles').data.neuron.length == 3")
