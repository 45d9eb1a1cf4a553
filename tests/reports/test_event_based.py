"""The whole chain for networks of continuous delays, with a recurrent projection and one without delays."""

from __future__ import annotations

import pytest

from stanalysis.cli.main import main
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.run import step_path, write_info
from stanalysis.synthetic.network import event_based_network

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_prunings", "png_alone")]

EVERY = (
    "--statistics",
    "lattice",
    "graph",
    "survival",
    "local",
    "correlogram",
    "smoothing",
    "pairs",
    "pruning",
    "parts",
    "published",
)
OF_FIELDS = "The delays are continuous, and receptive fields are made of them with a declared width of bins only"
CASES = {  # dt, options, figures of the recurrent projection, whether fields are drawn
    "continuous": (0.0, (), {"fig2", "joins", "ladder", "parts", "training"}, False),
    "binned": (
        0.0,
        ("--bin", "2", *EVERY),
        {"fig1b", "fig2", "joins", "ladder", "parts", "training", "correlogram", "pruning"},
        True,
    ),
    "in steps": (1.0, EVERY, {"fig1b", "fig2", "joins", "ladder", "parts", "training", "correlogram", "pruning"}, True),
}


def call(*arguments):
    with pytest.raises(SystemExit) as done:
        main([str(argument) for argument in arguments])
    assert done.value.code == 0


@pytest.mark.parametrize("case", CASES)
def test_report__of_recurrent_networks_and_projections_without_delays(case, tmp_path):
    dt, options, figures, has_fields = CASES[case]
    run = tmp_path / "run"
    for step in (0, 5):
        write_checkpoint(event_based_network(dt=dt, step=step), step_path(run, step))
    write_info(run, {"method": "events", "seed": 0, "config": {}})
    call("analyze", run, "-o", tmp_path / "a.nc", "--permutations", 19, *options)
    call("report", tmp_path / "a.nc", "-o", tmp_path / "report")
    drawn = {path.stem for path in (tmp_path / "report").glob("*.png")}
    assert {name.removesuffix("-hidden1__hidden1") for name in drawn if name.endswith("-hidden1__hidden1")} == figures
    assert "correlogram-hidden1__output" not in drawn  # of one bin of delays
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "hidden1__output (6 sources, 3 targets, no delays)" in page
    assert ("<dd>continuous</dd>" in page) == (dt == 0)
    assert (OF_FIELDS in page) != has_fields
    assert ('id="atlas"' in page) == has_fields
