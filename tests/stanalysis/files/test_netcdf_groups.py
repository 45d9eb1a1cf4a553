"""Files of ours and xarray's, by either of two readers and writers: h5py alone, and h5netcdf."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from stanalysis.files.netcdf import netcdf_bytes, read_tree


@pytest.fixture
def tree():
    counted = xr.Dataset(
        {
            "matrix": (("y", "x"), np.arange(6.0).reshape(2, 3), {"units": "ms", "range": np.array([0.0, 5.0])}),
            "square": (("x", "no_coordinates"), np.eye(3, dtype=np.int16)),
            "holes": ("x", [1.0, np.nan, -np.inf]),
            "single": ("x", np.array([1, 2, 3], np.float32)),
            "kept": ("x", [True, False, True]),
            "names": ("y", ["Δ", ""]),
            "number": ((), 7),
            "text": ((), "a line"),
            "nothing": (("empty", "x"), np.empty((0, 3))),
            "no_names": ("empty", np.empty(0, object)),
        },
        coords={"x": [10, 20, 30], "label": ("y", ["a", "b"]), "z": ((), 2.5)},
        attrs={"title": "tree of all kinds", "count": 3, "share": 0.5, "channels": ["a", "b"], "empty": ""},
    )
    numbers = xr.Dataset({"values": (("y", "deep_only"), np.ones((2, 4), np.uint8))}, attrs={"flag": np.int8(1)})
    groups = {"/": counted, "/inner": xr.Dataset(attrs={"alone": 1}), "/inner/deep": numbers}
    return xr.DataTree.from_dict(groups)


def written(tree, path: Path, by: str) -> Path:
    if by == "h5netcdf":
        tree.to_netcdf(path, engine="h5netcdf")
    else:
        path.write_bytes(netcdf_bytes(tree, packed={"/": ["matrix", "nothing"]}))
    return path


def read_by_h5netcdf(path: Path) -> xr.DataTree:
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return tree.load()


@pytest.mark.parametrize("by", ["h5netcdf", "h5py"])
def test_either_reader_finds_what_either_writer_wrote(tree, tmp_path, by):
    path = written(tree, tmp_path / "a.nc", by)
    ours, theirs = read_tree(path, "file"), read_by_h5netcdf(path)
    xr.testing.assert_identical(ours, theirs)
    xr.testing.assert_equal(ours, tree)
    for node in tree.subtree:
        for name, variable in node.to_dataset(inherit=False).variables.items():
            a, b = ours[node.path].variables[name], theirs[node.path].variables[name]
            assert a.dtype == b.dtype or (a.dtype.kind, b.dtype.kind) == ("O", "U")  # texts
            assert list(a.dims) == list(variable.dims)


def test_netcdf_bytes__the_variables_named_are_compressed_and_no_others(tree, tmp_path):
    with h5py.File(written(tree, tmp_path / "a.nc", "h5py")) as file:
        assert file["matrix"].compression == "gzip"
        assert file["matrix"].shuffle
        assert file["square"].compression is None
        assert file["inner/deep/values"].compression is None


def test_netcdf_bytes__same_tree_same_bytes(tree):
    assert netcdf_bytes(tree) == netcdf_bytes(tree.copy(deep=True))


def test_read_tree__arrays_without_names_of_dimensions_and_groups_left_out(tmp_path):
    with h5py.File(tmp_path / "plain.h5", "w") as file:  # as h5py users write it
        file["weight"] = np.arange(4.0).reshape(2, 2)
        file["group/inner"] = [1, 2]
        file.attrs["note"] = np.bytes_(b"Pop\xff")
    tree = read_tree(tmp_path / "plain.h5", "file")
    assert tree["weight"].dims == ("weight_0", "weight_1")
    assert tree["group/inner"].dims == ("inner_0",)
    assert tree.attrs["note"] == "Pop\udcff"
    assert "group" not in read_tree(tmp_path / "plain.h5", "file", without=["group"])
