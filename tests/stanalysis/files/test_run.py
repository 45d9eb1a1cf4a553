from __future__ import annotations

import pandas as pd
import pytest

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.files.run import open_run, read_metrics, step_path, write_info, write_metrics
from stanalysis.synthetic.network import small_network


def test_open_run__lists_the_steps_in_order(tmp_path):
    write_info(tmp_path, {"method": "dcls"})
    for step in (100, 0, 7):
        write_checkpoint(small_network(step=step), step_path(tmp_path, step))
    (tmp_path / "step-x.nc").touch()
    run = open_run(tmp_path)
    assert list(run.steps) == [0, 7, 100]
    assert run.info["method"] == "dcls"
    assert run.best == tmp_path / "best.nc"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no run.json"),
        ("{", "no valid JSON|not valid JSON"),
        ("[]", "no JSON object"),
        ("{}", "schema version"),
        ('{"schema_version": 1, "versions": [1]}', r"versions = \[1\]; expected an object"),
    ],
)
def test_open_run__other_folders_get_a_sentence(tmp_path, content, message):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(BadInput, match=message):
        open_run(tmp_path)


@pytest.mark.parametrize(
    "info",
    [
        {"method": 1},
        {"seed": -5},
        {"seed": 1.0},
        {"seed": True},
        {"seed": 2**63},
        {"n_checkpoints": -1},
        {"threads": "all"},
        {"config": []},
        {"versions": {"numpy": 2}},
        {"converted": {"notes": 5}},
        *({"dataset": {"source": source}} for source in (5, [1], None)),
        *({"dataset": {"gain": gain}} for gain in ("x", [1], 10**400, float("nan"))),
    ],
)
def test_open_run__entries_of_another_kind_get_a_sentence(tmp_path, info):
    write_info(tmp_path, info)
    with pytest.raises(BadInput, match=rf"run\.json has {next(iter(info))} = .*; expected .*; restore it, or train anew\.$"):
        open_run(tmp_path)


def test_open_run__a_seed_may_be_unknown(tmp_path):
    write_info(tmp_path, {"seed": -1, "dataset": {"gain": None}})
    assert open_run(tmp_path).info["seed"] == -1


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("1,1,,0.5", "validation_accuracy"),
        ("1,1,0.5,1.5", "test_accuracy"),
        ("1,1,-0.1,0.5", "validation_accuracy"),
        ("1,1,0.5,inf", "test_accuracy"),
        (",1,0.5,0.5", "epoch"),
        ("1,1.5,0.5,0.5", "step"),
        ("-1,1,0.5,0.5", "epoch"),
    ],
)
def test_read_metrics__rows_that_cannot_be_get_a_sentence(tmp_path, row, named):
    (tmp_path / "metrics.csv").write_text(f"epoch,step,validation_accuracy,test_accuracy\n1,1,0.5,0.5\n{row}\n")
    with pytest.raises(BadInput, match=rf"metrics\.csv has .*{named}.*; restore it, or train anew"):
        read_metrics(tmp_path)


def test_metrics__read_back_to_the_last_bit(tmp_path):
    assert read_metrics(tmp_path).empty
    metrics = pd.DataFrame(
        {"epoch": [1, 2], "step": [1, 2], "validation_accuracy": [1 / 3, 0.3], "test_accuracy": [0.1 + 0.2, 1]}
    )
    write_metrics(tmp_path, metrics)
    pd.testing.assert_frame_equal(read_metrics(tmp_path), metrics, check_exact=True)


@pytest.mark.parametrize("content", ["", "step\n1\n", "epoch,step,validation_accuracy,test_accuracy\n1,1,high,0.5\n"])
def test_read_metrics__damaged_tables_get_a_sentence(tmp_path, content):
    (tmp_path / "metrics.csv").write_text(content)
    with pytest.raises(BadInput, match=r"metrics\.csv"):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    ("info", "steps", "said"),
    [({"method": "dcls", "seed": 0}, (0, 1080), ": method dcls, seed 0, steps 0…1080)"), ({}, (), ": no steps)")],
)
def test_run__its_repr_is_one_short_line(tmp_path, info, steps, said):
    write_info(tmp_path, info)
    for step in steps:
        step_path(tmp_path, step).touch()
    assert repr(open_run(str(tmp_path))) == f"Run({str(tmp_path)!r}{said}"
