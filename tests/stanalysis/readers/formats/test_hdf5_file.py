from __future__ import annotations

import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from stanalysis.errors import BadInput
from stanalysis.files import hdf5_bounds
from stanalysis.readers.formats.hdf5_file import arrays_in, read_hdf5

FILES = Path(__file__).parents[1] / "files"
DTYPES = ["<f2", "<f4", ">f4", "<f8", ">f8", "<i1", "<i2", ">i4", "<i8", "<u8", "?", "<c8", ">c16"]
LAYOUTS = {
    "contiguous": {},
    "gzip": {"compression": "gzip"},
    "shuffled": {"chunks": (3, 4), "shuffle": True},
    "all": {"compression": "gzip", "chunks": (3, 2), "shuffle": True, "fletcher32": True},
    "summed": {"compression": "gzip", "chunks": (8, 8), "maxshape": (None, None), "fletcher32": True},
}


@pytest.fixture
def written(tmp_path):
    """Have a function fill a file, and give its path."""

    def write(fill):
        path = tmp_path / "file.h5"
        with h5py.File(path, "w") as file:
            fill(file)
        return path

    return write


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_read_hdf5__gives_arrays_as_they_were_written(written, dtype, layout):
    array = (100 * np.random.default_rng(3).normal(size=(7, 5))).astype(dtype)
    result = read_hdf5(written(lambda file: file.create_dataset("a/b", data=array, **LAYOUTS[layout])))["a"]["b"]
    np.testing.assert_array_equal(result, array)
    assert result.dtype == array.dtype.newbyteorder("=")
    assert result.dtype.isnative


def test_read_hdf5__numbers_and_texts_stand_alone(written):
    def fill(file):
        file["text"], file["number"], file["whole"] = "häute", 2.5, 3
        file["texts"] = [["a", "b"], ["c", "dd"]]
        file.create_dataset("type", (1,), "S10", [b"dense"])
        file.create_dataset("squeezed", data=np.array([b"a", b"b"]), compression="gzip")

    content = read_hdf5(written(fill))
    assert content == {
        "text": "häute",
        "number": 2.5,
        "whole": 3,
        "texts": [["a", "b"], ["c", "dd"]],
        "type": ["dense"],
        "squeezed": ["a", "b"],
    }


def test_read_hdf5__other_kinds_of_data_are_left_out(written):
    def fill(file):
        file["kept"] = np.ones(2)
        file["table"] = np.zeros(2, [("a", "f4")])
        file["empty"] = h5py.Empty("f4")
        file["wide"] = np.zeros(3, np.longdouble)
        file["kind"] = np.dtype("f4")
        file.create_dataset("ragged", (2,), h5py.vlen_dtype(np.int32))
        file.create_dataset("reference", (1,), h5py.ref_dtype)

    assert list(read_hdf5(written(fill))) == ["kept"]


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", "<u2", ">i8"])
@pytest.mark.parametrize("chunks", [None, (2,)])
def test_read_hdf5__lists_are_read_where_they_are_asked_for(written, dtype, chunks):
    rows = [[1, 2, 3], [], [4], [5, 6]]

    def fill(file):
        lists = file.create_dataset("lists", (4,), h5py.vlen_dtype(np.dtype(dtype)), chunks=chunks)
        for k, row in enumerate(rows):
            lists[k] = row

    path = written(fill)
    assert read_hdf5(path) == {}
    lists = read_hdf5(path, lists=True)["lists"]
    assert lists.begin.tolist() == [0, 3, 3, 4, 6]
    assert lists.values.tolist() == [1, 2, 3, 4, 5, 6]
    assert lists.values.dtype == np.dtype(dtype).newbyteorder("=")


def test_arrays_in__names_arrays_by_their_paths(written):
    def fill(file):
        file["b/c/weight"], file["b/text"], file["a"], file["n"] = np.ones(2), "x", np.zeros(3), 1

    assert {name: len(array) for name, array in arrays_in(read_hdf5(written(fill))).items()} == {"a": 3, "b/c/weight": 2}


def test_read_hdf5__cycles_of_links_end(written):
    def fill(file):
        file["a/x"] = np.ones(1)
        file["a/self"] = file["a"]
        file["a/up"] = file["/"]
        file["again"] = file["a"]

    content = read_hdf5(written(fill))
    assert list(content["a"]) == ["x"]
    assert list(content["again"]) == ["x"]


def _link(file):
    file["a"] = h5py.SoftLink("/b")


def _external_link(file):
    file["a"] = h5py.ExternalLink("other.h5", "/")


def _external_storage(file):
    file.create_dataset("a", (4,), "u1", external=[("other.bin", 0, 4)])


def _virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset("a", layout)


def _bomb(file):
    packer = zlib.compressobj(9)
    data = file.create_dataset("a", (256,), "f4", chunks=(256,), compression="gzip")
    data.id.write_direct_chunk((0,), packer.compress(bytes(2**26)) + packer.flush())


def _deep(file):
    file["/".join("a" * 40)] = np.ones(1)


def _unallocated(file):
    file.create_dataset("a", (2**24,), "f8")


def _many_chunks(file):
    file.create_dataset("a", (2**24,), "u1", chunks=(1,))


def _wide_chunks(file):
    file.create_dataset("a", (50_000, 1), "f8", chunks=(1, 2**15), maxshape=(None, None), compression="gzip")


def _huge(file):
    file.create_dataset("a", (2**40, 2**20), "f8", chunks=(1, 2**10))


def _missing_chunk(file):
    file.create_dataset("a", (10,), "f4", chunks=(5,), compression="gzip")[:5] = 1


def _dense_zeros(file):
    file.create_dataset("a", (2**13, 2**13), "i1", chunks=(2**13, 2**13), compression=9)[...] = 1


def _one_chunk(file):
    file.create_dataset("a", (2**24,), "f8", chunks=(2**24,), compression=9)[:5] = 1


def _lzf(file):
    file.create_dataset("a", data=np.ones(100), compression="lzf")


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (_link, "link"),
        (_external_link, "link"),
        (_external_storage, "other files"),
        (_virtual, "other files"),
        (_bomb, "damaged"),
        (_deep, "32 groups deep"),
        (_unallocated, "next to nothing"),
        (_many_chunks, "next to nothing"),
        (_wide_chunks, "shape"),
        (_huge, "shape"),
        (_missing_chunk, "cannot be read as HDF5"),
        (_dense_zeros, "shape is"),
        (_one_chunk, "chunks of more than"),
        (_lzf, "gzip"),
    ],
)
def test_read_hdf5__hostile_files_get_a_sentence(written, fill, message):
    with pytest.raises(BadInput, match=message):
        read_hdf5(written(fill))


def test_read_hdf5__many_objects_get_a_sentence(written, monkeypatch):
    def doubling(file):
        group = file
        for _ in range(12):  # hard links: 2**12 ways to the last group
            group["b"] = group.create_group("a")
            group = group["a"]

    monkeypatch.setattr(hdf5_bounds, "LINKS", 1000)
    with pytest.raises(BadInput, match="more than a network"):
        read_hdf5(written(doubling))


def test_read_hdf5__much_text_and_many_numbers_get_a_sentence(written, monkeypatch):
    path = written(lambda file: [file.__setitem__("t", ["x" * 1000] * 20), file.__setitem__("n", np.ones(1000))])
    monkeypatch.setattr(hdf5_bounds, "TEXT_BYTES", 10_000)
    with pytest.raises(BadInput, match="more than a network"):
        read_hdf5(path)
    monkeypatch.undo()
    zeros = written(lambda file: [file.create_dataset(f"n{k}", data=np.zeros(10_000), compression=9) for k in range(5)])
    for bound, value in (("NUMBER_BYTES", 300_000), ("ELEMENTS", 40_000)):
        read_hdf5(zeros)
        monkeypatch.setattr(hdf5_bounds, bound, value)
        with pytest.raises(BadInput, match="more than a network"):
            read_hdf5(zeros)
        monkeypatch.undo()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"length": 2**31}, "differ"),
        ({"length": 3}, "differ"),
        ({"address": 2**63}, "nowhere"),
        ({"address": 0}, "nowhere"),
        ({"index": 9}, "differ"),
    ],
)
def test_read_hdf5__texts_are_only_as_long_as_what_is_stored(written, changes, message):
    result = {}

    def fill(file):
        file["t"] = ["first", "second"]
        file.flush()
        result["start"] = file["t"].id.get_offset()

    path = written(fill)
    data = bytearray(path.read_bytes())
    length, address, index = struct.unpack_from("<IQI", data, result["start"])
    assert length == len("first")
    changed = {"length": length, "address": address, "index": index} | changes
    struct.pack_into("<IQI", data, result["start"], *changed.values())
    path.write_bytes(data)
    with pytest.raises(BadInput, match=message):
        read_hdf5(path)


def test_read_hdf5__truncated_files_get_a_sentence(tmp_path):
    data = (FILES / "feedforward.nir").read_bytes()
    path = tmp_path / "cut.nir"
    for end in range(0, len(data), 97):
        path.write_bytes(data[:end])
        with pytest.raises(BadInput, match=r"cut\.nir"):
            read_hdf5(path)


def test_read_hdf5__many_texts_share_a_heap(written, monkeypatch):
    monkeypatch.setattr(hdf5_bounds, "TEXT_BYTES", 40_000)
    content = read_hdf5(written(lambda file: [file.__setitem__(f"t{k}", f"text {k}") for k in range(50)]))
    assert content == {f"t{k}": f"text {k}" for k in range(50)}


def test_read_hdf5__zeros_are_read_however_well_they_are_compressed(written):
    zeros = np.zeros((3000, 3000))
    result = read_hdf5(written(lambda file: file.create_dataset("a", data=zeros, compression=6, chunks=(3000, 1500))))
    np.testing.assert_array_equal(result["a"], zeros)


def test_read_hdf5__missing_files_get_a_sentence(tmp_path):
    with pytest.raises(BadInput, match="nowhere"):
        read_hdf5(tmp_path / "nowhere.h5")


def test_read_hdf5__what_has_many_names_is_read_once(written):
    def fill(file):
        file["a"], file["t"] = np.ones(5000), "text"
        file["b"], file["group/c"], file["group/u"] = file["a"], file["a"], file["t"]

    content = read_hdf5(written(fill))
    assert content["a"] is content["b"]
    assert content["a"] is content["group"]["c"]
    assert content["group"]["u"] == "text"


def test_read_hdf5__files_of_many_links_get_a_sentence(written):
    def fill(file):
        file["a"] = np.ones(1)
        for k in range(hdf5_bounds.LINKS):
            file[f"{k}"] = file["a"]

    with pytest.raises(BadInput, match="more than a network"):
        read_hdf5(written(fill))


def test_read_hdf5__long_paths_count_as_text(written, monkeypatch):
    monkeypatch.setattr(hdf5_bounds, "TEXT_BYTES", 10_000)
    path = written(lambda file: [file.__setitem__(f"{'x' * 2000}/{k}", 1.0) for k in range(5)])
    with pytest.raises(BadInput, match="more than a network"):
        read_hdf5(path)


@pytest.mark.parametrize("track_order", [False, True])
def test_read_hdf5__the_order_is_that_of_the_file_where_it_has_one(tmp_path, track_order):
    path = tmp_path / "ordered.h5"
    with h5py.File(path, "w", track_order=track_order) as file:
        for name in "cab":
            file[name] = np.ones(1)
    assert "".join(read_hdf5(path)) == ("cab" if track_order else "abc")


@pytest.mark.parametrize("name", ["a/b", "/", "."])
def test_read_hdf5__names_that_are_paths_get_a_sentence(written, name):
    placeholder = "q" * len(name)
    path = written(lambda file: file.__setitem__(placeholder, np.ones(1)))
    data = path.read_bytes()
    assert data.count(placeholder.encode() + b"\0") == 1
    path.write_bytes(data.replace(placeholder.encode() + b"\0", name.encode() + b"\0"))
    with pytest.raises(BadInput, match="link"):
        read_hdf5(path)


def test_read_hdf5__names_that_are_no_text_get_a_sentence(written):
    path = written(lambda file: file.__setitem__("qqq", np.ones(1)))
    path.write_bytes(path.read_bytes().replace(b"qqq", b"q\xffq"))
    with pytest.raises(BadInput, match="no text"):
        read_hdf5(path)


def test_read_hdf5__control_characters_do_not_come_through(written):
    def fill(file):
        file["\x1b[2Jg/x"] = h5py.SoftLink("/y")

    with pytest.raises(BadInput) as caught:
        read_hdf5(written(fill))
    assert str(caught.value).isprintable()


def test_read_hdf5__lists_of_names_that_are_compressed_get_a_sentence(tmp_path):
    path = tmp_path / "heap.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for k in range(12):
            file[f"name{k}"] = float(k)
    assert len(read_hdf5(path)) == 12
    data = bytearray(path.read_bytes())
    start = data.index(b"FRHP\0")
    data[start + 7] = 12  # as many bytes say how it is compressed
    path.write_bytes(data)
    with pytest.raises(BadInput, match="compressed lists of names"):
        read_hdf5(path)


def test_read_hdf5__lists_of_names_without_an_end_get_a_sentence(tmp_path, monkeypatch):
    """A node of the list becomes its own child, one level down."""
    path = tmp_path / "endless.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        for k in range(50):
            file[f"name{k}"] = float(k)
    data = bytearray(path.read_bytes())
    tree = data.index(b"TREE\0")
    n, leaf = struct.unpack_from("<H", data, tree + 6)[0], struct.unpack_from("<Q", data, tree + 32)[0]
    assert n > 5
    for child in range(n):
        struct.pack_into("<Q", data, tree + 32 + 16 * child, leaf)  # all of them the same
    path.write_bytes(data)
    monkeypatch.setattr(hdf5_bounds, "LINKS", 5)
    with pytest.raises(BadInput, match="more than a network"):
        read_hdf5(path)


def _with_tree_above(data, levels):
    """An old-layout file whose list of names has more levels, each of whose nodes has the next 32 times."""
    root, data = data.index(b"TREE\0"), bytearray(data)
    first, child, last = struct.unpack_from("<QQQ", data, root + 24)
    data += bytes(-len(data) % 8)
    for level in range(levels):
        node = b"TREE\0" + struct.pack("<BHQQ", level, 32, 2**64 - 1, 2**64 - 1)
        node += struct.pack("<QQ", first, child) * 32 + struct.pack("<Q", last)
        child = len(data)
        data += node
    struct.pack_into("<BH", data, root + 5, levels, 1)
    struct.pack_into("<Q", data, root + 32, child)
    struct.pack_into("<Q", data, 40, len(data))
    return data


def test_read_hdf5__lists_of_names_with_the_same_node_many_times_get_a_sentence(tmp_path):
    path = tmp_path / "tree.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file["a"] = 1.0
    sound = path.read_bytes()
    path.write_bytes(_with_tree_above(sound, 7))
    with pytest.raises(BadInput, match="circles"):
        read_hdf5(path)


def test_read_hdf5__lists_of_names_within_themselves_get_a_sentence(tmp_path):
    path = tmp_path / "circle.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file["a"] = 1.0
    data = bytearray(path.read_bytes())
    tree = data.index(b"TREE\0")
    data[tree + 5] = 1
    struct.pack_into("<Q", data, tree + 32, tree)
    path.write_bytes(data)
    with pytest.raises(BadInput, match="circles"):
        read_hdf5(path)


@pytest.mark.parametrize(("at", "value"), [(7, 64), (12, 9)])  # the size of nodes, and how many are above one another
def test_read_hdf5__large_trees_of_names_get_a_sentence(tmp_path, at, value):
    path = tmp_path / "new.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for k in range(12):
            file[f"name{k}"] = float(k)
    data = bytearray(path.read_bytes())
    data[data.index(b"BTHD\0\5") + at] = value
    path.write_bytes(data)
    with pytest.raises(BadInput, match="more names"):
        read_hdf5(path)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_read_hdf5__groups_of_many_names_are_read(tmp_path, libver):
    path = tmp_path / "many.h5"
    with h5py.File(path, "w", libver=libver) as file:
        file["a"] = np.ones(1)
        for k in range(5000):
            file[f"name{k}"] = file["a"]
    assert len(read_hdf5(path)) == 5001


def test_read_hdf5__types_of_many_fields_count_as_objects(written, monkeypatch):
    def fill(file):
        file["kind"] = np.dtype([(f"f{k}", "f4") for k in range(50)])
        for k in range(10):
            file.create_dataset(f"d{k}", (1,), file["kind"])

    monkeypatch.setattr(hdf5_bounds, "OBJECTS", 300)
    with pytest.raises(BadInput, match="more than a network"):
        read_hdf5(written(fill))
