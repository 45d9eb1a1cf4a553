from __future__ import annotations

import zlib
from dataclasses import replace

import h5py
import numpy as np
import pytest
import xarray as xr

from stanalysis.errors import BadInput
from stanalysis.files import hdf5_bounds
from stanalysis.files.checkpoint import read_checkpoint, write_checkpoint
from stanalysis.files.netcdf import TAIL, netcdf_bytes, read_tree, sealed
from stanalysis.synthetic.network import small_network


@pytest.fixture
def path(tmp_path):
    write_checkpoint(small_network(step=3), tmp_path / "a.nc")
    return tmp_path / "a.nc"


def changed(path, change):
    """A checkpoint changed by h5py, which drops the digest, as a stranger could make it."""
    with h5py.File(path, "a") as file:
        change(file)
    assert b"sha256 " not in path.read_bytes()[-TAIL:]
    return path


def test_write_checkpoint__other_programs_read_it_and_the_same_network_gives_the_same_bytes(path, tmp_path):
    with h5py.File(path) as file:
        assert file.attrs["step"] == 3
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        xr.testing.assert_identical(tree.load(), read_checkpoint(path))
    write_checkpoint(small_network(step=3), tmp_path / "b.nc")
    assert (tmp_path / "b.nc").read_bytes() == path.read_bytes()


def test_read_tree__any_byte_that_differs_is_noticed(path):
    whole, expected = path.read_bytes(), read_checkpoint(path)
    rng = np.random.default_rng(0)
    for at in [*rng.integers(0, len(whole), 60), *range(len(whole) - TAIL, len(whole))]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.integers(8)]) + whole[at + 1 :])
        with pytest.raises(BadInput, match=r"a\.nc is damaged"):
            read_checkpoint(path)
    for n in (1, TAIL, TAIL + 1, 5000):  # the end is lost, or zeros
        path.write_bytes(whole[:-n] + bytes(n))
        with pytest.raises(BadInput, match=r"a\.nc is damaged"):
            read_checkpoint(path)
        path.write_bytes(whole[:-n])
        if n == TAIL:  # as other programs, and earlier versions, write it
            xr.testing.assert_identical(read_checkpoint(path), expected)
            continue
        with pytest.raises(BadInput, match=r"a\.nc (is damaged|cannot be read)"):
            read_checkpoint(path)


def loop(file):
    file["projections/loop"] = file["/projections"]


def two_names(file):
    file["projections/again"] = file["projections/input__hidden1"]


def soft_link(file):
    file["elsewhere"] = h5py.SoftLink("/projections")


def external_link(file):
    file["elsewhere"] = h5py.ExternalLink("b.nc", "/")


def external_storage(file):
    file.create_dataset("elsewhere", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def unallocated(file):
    file.create_dataset("large", (2**28,), "f8")


def unallocated_chunks(file):
    file.create_dataset("large", (2**28,), "f8", chunks=(2**20,), compression="gzip")


def deep(file):
    group = file
    for _ in range(40):
        group = group.create_group("deeper")


def many(file):
    for k in range(300):
        file.create_group(f"g{k}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (loop, "holds 'loop', which has another name"),
        (two_names, "which has another name"),
        (soft_link, "can lead to other files"),
        (external_link, "can lead to other files"),
        (external_storage, "keeps its data in other files"),
        (unallocated, "more than a network has|stores next to nothing"),
        (unallocated_chunks, "more than a network has|stores next to nothing"),
        (deep, "groups deep"),
        (many, "more than a network can"),
    ],
)
def test_read_tree__files_of_ours_have_the_bounds_of_foreign_ones(path, change, message, monkeypatch):
    monkeypatch.setattr(hdf5_bounds, "LINKS_OF_OURS", 200)
    with pytest.raises(BadInput, match=message):
        read_checkpoint(changed(path, change))


def test_read_tree__a_long_dimension_without_a_coordinate_is_read(tmp_path):
    """It stores nothing, as ``synapse`` of an analysis of many networks."""
    tree = xr.DataTree(xr.Dataset({"weight": ("synapse", np.random.default_rng(0).normal(size=300_000))}))
    (tmp_path / "long.nc").write_bytes(netcdf_bytes(tree))
    xr.testing.assert_identical(read_tree(tmp_path / "long.nc", "it"), tree)


def test_read_tree__texts_that_share_what_is_stored_are_counted_each(path, monkeypatch):
    def texts(file):
        file["texts"] = np.array(["x" * 30_000] * 2, object)

    changed(path, texts)
    with h5py.File(path) as file:
        start = file["texts"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[start + 16 : start + 32] = content[start : start + 16]
    path.write_bytes(content)
    monkeypatch.setattr(hdf5_bounds, "TEXT_BYTES", 50_000)
    monkeypatch.setattr(hdf5_bounds, "limits_of_ours", hdf5_bounds.limits_of_foreign)
    with pytest.raises(BadInput, match="more than a network can"):
        read_checkpoint(path)


def test_read_tree__a_heap_without_an_end_is_not_followed(path):
    content = bytearray(path.read_bytes()[:-TAIL])
    start = content.index(b"GCOL\1")
    size, at = int.from_bytes(content[start + 8 : start + 16], "little"), start + 16
    while content[at : at + 2] != b"\0\0":
        at += 16 + (int.from_bytes(content[at + 8 : at + 16], "little") + 7) // 8 * 8
    assert at < start + size
    content[at + 8 : at + 16] = bytes(8)  # free space of no length: libhdf5 would go round for ever
    path.write_bytes(sealed(bytes(content)))
    with pytest.raises(BadInput, match="no end"):
        read_checkpoint(path)


def test_read_tree__a_chunk_that_swells_is_not_inflated(path, monkeypatch):
    def bomb(file):
        small = file.create_dataset("small", (2**16,), "u1", chunks=(2**16,), compression="gzip")
        small.id.write_direct_chunk((0,), zlib.compress(bytes(2**24), 9))

    monkeypatch.setattr(hdf5_bounds, "NUMBER_BYTES", 2**20)
    monkeypatch.setattr(hdf5_bounds, "limits_of_ours", lambda size: hdf5_bounds.Limits(*[2**24] * 6))
    with pytest.raises(BadInput, match="larger than it says"):
        read_tree(changed(path, bomb), "a checkpoint (.nc)")


def test_read_tree__texts_of_attributes_that_share_what_is_stored_are_counted_as_the_longest(path, monkeypatch):
    monkeypatch.setattr(hdf5_bounds, "limits_of_ours", lambda size: replace(hdf5_bounds.limits_of_foreign(size), shared=2**20))
    read_checkpoint(path)

    def texts(file):
        file["projections"].attrs.create("long", ["x" * 30_000, *["y"] * 40], dtype=h5py.string_dtype())

    with pytest.raises(BadInput, match="more than a network can"):
        read_checkpoint(changed(path, texts))


def test_read_tree__values_of_any_length_that_are_no_texts_are_not_read(path):
    def ragged(file):
        file.create_dataset("ragged", (3,), h5py.vlen_dtype("i1"))

    with pytest.raises(BadInput, match="no texts"):
        read_checkpoint(changed(path, ragged))
