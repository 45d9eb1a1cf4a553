from __future__ import annotations

import errno
import os

import numpy as np
import pytest
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import read_checkpoint, validate_checkpoint, write_checkpoint
from stanalysis.synthetic.network import event_based_network, small_network


def test_write_checkpoint__reads_back_identical(tmp_path):
    tree = small_network()
    write_checkpoint(tree, tmp_path / "a" / "step-000000.nc")
    xr.testing.assert_identical(read_checkpoint(tmp_path / "a" / "step-000000.nc"), tree)
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["step-000000.nc"]


def test_write_checkpoint__a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "last.nc"
    write_checkpoint(small_network(step=1), path)

    def full_disk(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space") as caught:
        write_checkpoint(small_network(step=2), path)
    assert caught.value.filename == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["last.nc"]
    assert read_checkpoint(path).attrs["step"] == 1


def break_attr(tree):
    del tree.attrs["dt"]


def break_schema(tree):
    tree.attrs["schema_version"] = 99


def break_dims(tree):
    tree["populations/hidden1"]["gain"] = ("other", np.ones(3), {"units": "1"})


def break_unit(tree):
    tree["projections/input__hidden1"]["delay"].attrs["units"] = "s"


def break_kind(tree):
    table = tree["projections/input__hidden1"]
    table["source"] = table["source"].astype(float).assign_attrs(units="1")


def break_index(tree):
    tree["projections/input__hidden1"]["source"].values[0] = 6


def break_delay(tree):
    tree["projections/input__hidden1"]["delay"].values[0] = -1


def break_finite(tree):
    tree["projections/input__hidden1"]["delay"].values[0] = np.nan


def break_size(tree):
    tree["projections/input__hidden1"].attrs["n_target"] = 7


def break_rounding(tree):
    tree["projections/input__hidden1"].attrs["rounding"] = "up"


def break_number(tree):
    tree.attrs["dt"] = 0.0


def break_text(tree):
    tree["projections/input__hidden1"].attrs["delay_max"] = "long"


def break_grid(tree):
    tree["projections/input__hidden1"].attrs["delay_max"] = 45.0


def break_kind_of_delay(tree):
    tree["projections/input__hidden1"].attrs["delay_kind"] = "dendr"


def break_sigma(tree):
    tree["projections/input__hidden1"]["sigma"].values[0] = -1


def break_population(tree):
    del tree["populations"]["input"]


def break_projections(tree):
    del tree["projections"]


def break_dim(tree):
    tree["populations/hidden1"].dataset = xr.Dataset()


def break_metrics(tree):
    tree["metrics"]["note"] = ("word", ["a", "b"])


def break_metrics_group(tree):
    del tree["metrics"]


def break_range(tree):
    tree["projections/input__hidden1"].attrs["delay_max"] = 1e300
    tree.attrs["dt"] = 1e-12


def break_unit_kind(tree):
    tree["projections/input__hidden1"]["delay"].attrs["units"] = np.array([1, 1])


def break_name(tree):
    tree["projections/input"] = tree["projections/input__hidden1"]


def break_column(tree):
    del tree["projections/input__hidden1"]["weight"]


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (break_attr, "'dt'"),
        (break_schema, "schema version 99"),
        (break_dims, "'gain'"),
        (break_unit, "'delay'"),
        (break_kind, "'source'"),
        (break_index, "source indices from 0 to 6"),
        (break_delay, "delays outside 0 to 40"),
        (break_finite, "delays outside 0 to 40"),
        (break_size, "n_target = 7"),
        (break_rounding, "rounding = 'up'"),
        (break_population, "population 'input'"),
        (break_number, "dt = 0.0"),
        (break_text, "delay_max = 'long'"),
        (break_grid, "no multiple of dt"),
        (break_kind_of_delay, "delay_kind = 'dendr'"),
        (break_sigma, "sigma that is negative"),
        (break_projections, "/projections"),
        (break_column, "no variable 'weight'"),
        (break_dim, "no dim 'neuron'"),
        (break_metrics, "'note', which is no single number"),
        (break_metrics_group, "/metrics is missing"),
        (break_range, "too many steps of dt"),
        (break_unit_kind, r"unit \[1 1\]"),
        (break_name, "not named <source>__<target>"),
    ],
)
def test_validate_checkpoint__names_what_is_wrong(harm, named):
    tree = small_network()
    harm(tree)
    with pytest.raises(BadInput, match=named) as caught:
        validate_checkpoint(tree)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not netCDF at all", b"\x89HDF\r\n\x1a\n" + bytes(50)])
def test_read_checkpoint__other_files_get_a_sentence(tmp_path, content):
    (tmp_path / "bad.nc").write_bytes(content)
    with pytest.raises(BadInput, match=r"bad\.nc cannot be read as a checkpoint"):
        read_checkpoint(tmp_path / "bad.nc")


def test_read_checkpoint__truncated_files_get_a_sentence(tmp_path):
    write_checkpoint(small_network(), tmp_path / "good.nc")
    whole = (tmp_path / "good.nc").read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        (tmp_path / "cut.nc").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(BadInput, match=r"cut\.nc"):
            read_checkpoint(tmp_path / "cut.nc")


def test_read_checkpoint__damaged_files_raise_nothing_but_bad_input(tmp_path):
    write_checkpoint(small_network(), tmp_path / "good.nc")
    whole = np.frombuffer((tmp_path / "good.nc").read_bytes(), np.uint8)
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        harmed = whole.copy()
        at = random.integers(0, len(whole), 40)
        harmed[at] = random.integers(0, 256, 40)
        (tmp_path / "harmed.nc").write_bytes(harmed.tobytes())
        try:
            read_checkpoint(tmp_path / "harmed.nc")
        except BadInput:
            refused += 1
    assert refused > 10


def test_read_checkpoint__missing_file_gets_a_sentence(tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        read_checkpoint(tmp_path / "nowhere.nc")


def test_read_checkpoint__other_netcdf_gets_a_sentence(tmp_path):
    xr.Dataset({"t": ("x", [1.0])}).to_netcdf(tmp_path / "weather.nc", engine="h5netcdf")
    with pytest.raises(BadInput, match="'schema_version' is missing"):
        read_checkpoint(tmp_path / "weather.nc")


def test_write_checkpoint__continuous_delays_read_back(tmp_path):
    tree = event_based_network()
    tree["projections/hidden1__hidden1"].attrs["delay_max"] = 31.4159
    write_checkpoint(tree, tmp_path / "a.nc")
    assert read_checkpoint(tmp_path / "a.nc").attrs["dt"] == 0
    xr.testing.assert_identical(read_checkpoint(tmp_path / "a.nc"), tree)


@pytest.mark.parametrize(
    ("dt", "rounding", "said"),
    [
        (0.0, "floor", r"rounds its delays \(floor\), but dt = 0.0 says .*; give the dt to which they are rounded"),
        (1e-15, "none", "has dt = 1e-15 ms; give at least 1e-12 ms, or 0 where delays are continuous"),
        (7.0, "none", "no multiple of dt = 7.0 ms; give a multiple, or dt = 0 if delays are continuous"),
        (-1.0, "none", "dt = -1.0; expected a number of at least 0"),
    ],
)
def test_validate_checkpoint__says_what_resolution_there_can_be(dt, rounding, said):
    tree = event_based_network()
    tree.attrs["dt"], tree["projections/input__hidden1"].attrs["rounding"] = dt, rounding
    with pytest.raises(BadInput, match=said):
        validate_checkpoint(tree)
