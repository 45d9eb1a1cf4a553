"""What methods say of their sweeps: axes, names of runs, columns; and the grids that follow."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from typing import Literal

import pytest

from stanalysis.errors import BadInput
from stanalysis.files.records import write_json
from stanalysis.files.sweep import read_sweep, write_sweep
from tests.trainers.methods.toy import TOY
from tests.trainers.recordings import write_rawhd
from tests.trainers.sweep.folders import ROW
from trainers.cli.grids import grids_from
from trainers.methods.contract import Axis, Design
from trainers.methods.dcls.config import DENSE
from trainers.methods.eventprop.config import EVENTPROP
from trainers.methods.registry import METHODS
from trainers.methods.rewired.config import SPARSE
from trainers.sweep.grid import grid_of, point_of
from trainers.sweep.plan import plan_of, read_plan

SHAPES = Axis(
    "shapes",
    "Delays drawn or zero.",
    tuple[Literal["zero", "drawn"], ...],
    ("zero", "drawn"),
    changes=lambda shape: {"shape": shape},
    value=lambda config: config.shape,
)
SWEPT = replace(TOY, design=Design(axes=(SHAPES,), columns=lambda config: {}, effort=lambda config: config.shape == "drawn"))
DESIGNED = [method for method in METHODS.values() if method.design]


@pytest.mark.parametrize("method", [*DESIGNED, SWEPT], ids=lambda method: method.name)
def test_axes__a_configuration_tells_its_point(method):
    points = grid_of(method, seeds=(2,)).points()
    assert len({point.name for point in points}) == len({point.config for point in points}) == len(points)
    for point in points:
        values = tuple(axis.value(point.config) for axis in method.design.axes)
        assert point_of(method.design, point.config, values, 2) == point
        assert all(
            getattr(point.config, field.name) == getattr(method.default, field.name)
            for field in fields(method.config)
            if field.name not in method.design.fields
        )


@pytest.mark.parametrize("method", [*DESIGNED, SWEPT], ids=lambda method: method.name)
def test_axes__each_value_sets_the_same_fields(method):
    for axis in method.design.axes:
        assert len({frozenset(axis.changes(value)) for value in axis.values}) == 1
        assert axis.text


@pytest.mark.parametrize("method", DESIGNED, ids=lambda method: method.name)
def test_axes__columns_are_those_of_the_table_and_in_grid_order(method, tmp_path):
    points = grid_of(method).points()
    rows = [{"run": p.name, **method.design.columns(p.config), "seed": p.seed, **ROW} for p in points]
    write_sweep(tmp_path, reversed(rows))
    table = read_sweep(tmp_path)
    assert table.run.values.tolist() == [point.name for point in points]
    assert ("n_hidden" in table) == (method is not SPARSE)


@pytest.mark.parametrize("method", DESIGNED, ids=lambda method: method.name)
def test_design__large_networks_with_learned_delays_train_longest(method):
    longest = max(grid_of(method).points(), key=lambda point: method.design.effort(point.config))
    expected = {"dcls": "dense-learned-n256", "sparse": "rewired-learned-s0"}
    expected |= {"eventprop": "recurrent-learned-n256", "delgrad": "synaptic-n30"}
    assert longest.name == f"{expected[method.name]}-seed0"


def test_grid_of__eventprop_has_networks_with_and_without_delays():
    points = grid_of(EVENTPROP, sizes=(16, 8), seeds=(0,)).points()
    assert len(points) == 2 * 3 * 2
    assert [point.name for point in points[:3]] == [
        "feedforward-none-n8-seed0",
        "feedforward-none-n16-seed0",
        "feedforward-fixed-n8-seed0",
    ]
    last = points[-1]
    assert last.name == "recurrent-learned-n16-seed0"
    assert (last.config.recurrent, last.config.delays, last.config.recurrent_delays) == (True, "learned", "learned")
    assert (last.config.hidden, last.config.readout_delays) == ((16,), "none")


def test_grid_of__knows_no_method_by_name():
    assert [point.name for point in grid_of(SWEPT, seeds=(1, 0)).points()] == [
        "zero-seed0", "zero-seed1", "drawn-seed0", "drawn-seed1",
    ]  # fmt: skip
    with pytest.raises(BadInput, match="no sweeps of the method toy-counts"):
        grid_of(TOY)
    with pytest.raises(BadInput, match="has no sizes; its axes are methods, sparsities"):
        grid_of(SPARSE, sizes=(3,))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"networks": ("deep",)}, "networks holds 'deep'; give some of feedforward, recurrent"),
        ({"sizes": ()}, "no sizes"),
        ({"sizes": (8, 8)}, "sizes holds 8 twice"),
        ({"sizes": (0,)}, "at least one neuron"),
    ],
)
def test_grid_of__refuses_what_is_no_grid_of_eventprop(entries, message):
    with pytest.raises(BadInput, match=message):
        grid_of(EVENTPROP, **entries)


def test_grids_from__reads_files_of_every_method(tmp_path):
    file = tmp_path / "grid.toml"
    file.write_text('networks = ["recurrent"]\ndelays = ["none", "learned"]\nsizes = [8]\n[config]\nepochs = 2\n')
    (wanted,) = grids_from(EVENTPROP, file, {"seeds": (5,), "dropout": 0.0})
    config = replace(EVENTPROP.default, epochs=2, dropout=0.0)
    assert wanted == grid_of(
        EVENTPROP, networks=("recurrent",), delays=("none", "learned"), sizes=(8,), seeds=(5,), config=config
    )
    with pytest.raises(BadInput, match="'networks' is no entry there; give some of methods, sparsities, seeds"):
        grids_from(SPARSE, file, {})
    file.write_text("[config]\nhidden = [8]\n")
    with pytest.raises(BadInput, match="'hidden' is no entry there"):
        grids_from(EVENTPROP, file, {})


MIXED = """
seeds = [3]
checkpoints = 2
[[methods]]
name = "dense"
sizes = [8]
delays = ["learned"]
config = {epochs = 2}
[[methods]]
name = "sparse"
methods = ["rewired-learned"]
sparsities = [0.5]
seeds = [4]
[[methods]]
name = "delgrad"
sizes = [5]
delays = ["axonal"]
"""


def test_grids_from__one_grid_for_each_table_of_a_method(tmp_path):
    (tmp_path / "grid.toml").write_text(MIXED)
    dense, sparse, delgrad = grids_from(SPARSE, tmp_path / "grid.toml", {"checkpoints": 4})
    assert [grid.method.verb for grid in (dense, sparse, delgrad)] == ["dense", "sparse", "delgrad"]
    assert (dense.seeds, sparse.seeds, delgrad.seeds) == ((3,), (4,), (3,))
    assert {grid.checkpoints for grid in (dense, sparse, delgrad)} == {4}
    assert (dense.data, delgrad.data) == ("spoken_digits", "yin_yang")
    assert dense.config.epochs == 2
    names = [point.name for grid in (dense, sparse, delgrad) for point in grid.points()]
    assert names == ["dense-learned-n8-seed3", "rewired-learned-s0.5-seed4", "axonal-n5-seed3"]


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        (MIXED.replace("delgrad", "dcls"), {}, "the method 'dcls' is not known; give one of dense, sparse, eventprop, delgrad"),
        (MIXED.replace('name = "dense"', ""), {}, "the method None is not known"),
        (MIXED, {"hidden": (8,)}, "hidden is for one method; give it in the table of that method"),
        ("sparsities = [0.5]" + MIXED, {}, "sparsities is for one method"),
        (MIXED.replace("sizes = [5]", "colour = 3"), {}, "delgrad: 'colour' is no entry there"),
    ],
)
def test_grids_from__refuses_what_is_for_no_method(tmp_path, text, flags, message):
    (tmp_path / "grid.toml").write_text(text)
    with pytest.raises(BadInput, match=message):
        grids_from(SPARSE, tmp_path / "grid.toml", flags)


def test_plan__is_read_as_it_was_written(tmp_path):
    (tmp_path / "grid.toml").write_text(MIXED)
    plan = plan_of(grids_from(SPARSE, tmp_path / "grid.toml", {}), 30.0)
    write_json(tmp_path / "sweep.json", plan.content())
    stored = read_plan(tmp_path)
    assert stored.specs(tmp_path) == plan.specs(tmp_path)
    assert stored.joined(plan, tmp_path) == stored


def test_plan__two_grids_of_a_method_that_share_no_settings_are_refused(tmp_path):
    (tmp_path / "grid.toml").write_text(MIXED + MIXED[MIXED.index("[[") : MIXED.index("[[methods]]", 40)].replace("2}", "3}"))
    with pytest.raises(BadInput, match="called dense-learned-n8-seed3; name each method once"):
        plan_of(grids_from(SPARSE, tmp_path / "grid.toml", {}), 30.0).specs(tmp_path)


def test_plan__the_same_command_again_adds_nothing_and_data_may_move(tmp_path):
    data = write_rawhd(tmp_path)
    grid = grid_of(SPARSE, seeds=(0,), data=str(data), config=SPARSE.presets["meszaros2024"])
    first = plan_of([grid], 60.0)
    assert first.joined(plan_of([grid], 60.0), tmp_path) == first
    moved = plan_of([replace(grid, data=str(shutil.copytree(data, tmp_path / "moved")))], 60.0)
    together = first.joined(moved, tmp_path)
    assert len(together.grids) == 1
    assert {spec.data for spec in together.specs(tmp_path)} == {str(tmp_path / "moved")}


@pytest.mark.parametrize("preset", ["meszaros2024", "hammouamri2024"])
def test_plan__of_a_preset_is_read_as_it_was_written(tmp_path, preset):
    plan = plan_of([grid_of(DENSE, seeds=(0,), config=DENSE.presets[preset])], 60.0)
    write_json(tmp_path / "sweep.json", plan.content())
    assert read_plan(tmp_path).joined(plan, tmp_path) == plan
