from __future__ import annotations

import io
import os
import pickle
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stanalysis.errors import BadInput
from stanalysis.readers.formats.inert_pickle import Inert, load
from stanalysis.readers.formats.numpy_file import MAX_BYTES, REBUILD, read_npy, read_npz

dtypes = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.unsigned_integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?")
    | hnp.complex_number_dtypes(endianness="?")
).filter(lambda dtype: dtype.str[1:] in {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"})
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, min_side=0))


def history():
    return {
        0: {"name": "DelayLayer", "params": np.arange(60.0).reshape(5, 3, 4), "loss": [np.float32(0.5), np.int64(3)]},
        1: {
            "name": "SpikingLayer",
            "params": np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
            "names": np.array(["a"]),
        },
    }


def assert_history(value):
    assert list(value) == [0, 1]
    for layer, expected in history().items():
        assert value[layer]["name"] == expected["name"]
        np.testing.assert_array_equal(value[layer]["params"], expected["params"])
        assert value[layer]["params"].dtype == expected["params"].dtype.newbyteorder("=")
    assert value[0]["loss"] == [0.5, 3]
    assert [type(x) for x in value[0]["loss"]] == [float, int]
    assert isinstance(value[1]["names"], Inert)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "array.npy"


def assert_same(result, expected):
    assert result.dtype == expected.dtype.newbyteorder("=")
    assert not result.flags.writeable
    np.testing.assert_array_equal(result, expected)
    assert result.shape == expected.shape


@given(arrays, st.sampled_from("CF"))
def test_read_npy__equals_what_was_saved(tmp_path_factory, array, order):
    path = tmp_path_factory.getbasetemp() / "drawn.npy"
    np.save(path, np.asarray(array, order=order))
    assert_same(read_npy(path), array)


@given(arrays, st.sampled_from("CF"), st.integers(2, 5))
def test_load__pickled_arrays_equal_the_original(array, order, protocol):
    both = [np.asarray(array, order=order)] * 2
    result = load(io.BytesIO(pickle.dumps(both, protocol)), rebuild=REBUILD)
    assert_same(result[0], array)
    assert result[1] is result[0]


def test_load__pickled_arrays_of_any_axis_order_equal_the_original():
    array = np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0)
    for protocol in range(2, 6):
        assert_same(load(io.BytesIO(pickle.dumps(array, protocol)), rebuild=REBUILD), array)


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("core", [b"numpy._core.", b"numpy.core."])
def test_load__dicts_of_arrays_and_scalars(protocol, core):
    raw = pickle.dumps(history(), protocol)
    if protocol < 4:  # names of modules have no length there: as an older numpy writes them
        raw = raw.replace(b"numpy._core.", core)
    assert_history(load(io.BytesIO(raw), rebuild=REBUILD))


def test_read_npy__a_saved_dict(path):
    np.save(path, history(), allow_pickle=True)
    assert_history(read_npy(path))


def test_read_npy__arrays_of_objects_are_flat_lists(path):
    objects = np.empty((1, 2), object)
    objects[0] = {"a": np.ones(2)}, None
    np.save(path, objects, allow_pickle=True)
    first, second = read_npy(path)
    np.testing.assert_array_equal(first["a"], np.ones(2))
    assert second is None


def test_read_npy__an_array_that_holds_itself_gets_a_sentence_or_stays_inert(path):
    itself = np.empty((), object)
    itself[()] = [itself]
    np.save(path, itself, allow_pickle=True)
    assert isinstance(read_npy(path)[0], Inert)
    itself[()] = itself
    np.save(path, itself, allow_pickle=True)
    with pytest.raises(BadInput, match="holds itself"):
        read_npy(path)


class Harm:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def test_read_npy__runs_nothing(path, tmp_path):
    np.save(path, {"a": Harm(tmp_path / "ran")}, allow_pickle=True)
    assert read_npy(path)["a"].kind.name == "open"
    assert not (tmp_path / "ran").exists()


def npy(header, data=b"", version=b"\x01\x00"):
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little") + text + data


def header(descr="<f8", shape="(2,)"):
    return f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}"


def test_read_npy__headers_of_python_2_are_read(path):
    path.write_bytes(npy(header(shape="(2L,)"), np.arange(2.0).tobytes()))
    assert read_npy(path).tolist() == [0, 1]


BROKEN = {
    "empty": b"",
    "text": b"hello\n",
    "other version": npy(header(), bytes(16), b"\x03\x00"),
    "no header": npy(""),
    "header that runs": npy("__import__('antigravity')"),
    "nested header": npy("(" * 5000),
    "negated header": npy("-" * 9000 + "1"),
    "unfinished header": npy("{'descr': '<f8"),
    "long header": npy(header() + " " * 20_000, bytes(16)),
    "truncated": npy(header(), bytes(15)),
    "longer than its shape": npy(header(), bytes(17)),
    "huge shape": npy(header(shape="(1000000000000,)"), bytes(16)),
    "shape that overflows": npy(header(shape="(4611686018427387904, 4611686018427387904)"), bytes(16)),
    "shape that overflows beside none": npy(header(shape="(0, 4611686018427387904, 4611686018427387904)")),
    "negative shape": npy(header(shape="(-2,)"), bytes(16)),
    "shape of many digits": npy(header(shape="(0x" + "f" * 6000 + ",)"), bytes(16)),
    "shape that is true": npy(header(shape="(True,)"), bytes(8)),
    "many axes": npy(header(shape="(" + "1, " * 65 + ")"), bytes(8)),
    "text elements": npy(header("<U2"), bytes(16)),
    "times": npy(header("<M8[s]"), bytes(16)),
    "void": npy(header("|V8"), bytes(16)),
    "fields": npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,), }", bytes(16)),
    "no dtype": npy(header("<x8"), bytes(16)),
    "objects without a pickle": npy(header("|O"), bytes(16)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_read_npy__broken_files_get_a_sentence(name, path):
    path.write_bytes(BROKEN[name])
    with pytest.raises(BadInput, match=r"array\.npy cannot be read: .*[.?]$"):
        read_npy(path)


@pytest.mark.parametrize("read", [read_npy, read_npz])
def test_read__missing_files_folders_pipes_and_devices_get_a_sentence(read, path, tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "zero.npy").symlink_to("/dev/zero")
    for other in (path, tmp_path, tmp_path / "pipe.npy", tmp_path / "zero.npy"):
        with pytest.raises(BadInput, match="cannot be read: it does not exist or is no file"):
            read(other)


@pytest.mark.parametrize("read", [read_npy, read_npz])
def test_read__huge_files_get_a_sentence(read, path):
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # sparse
    with pytest.raises(BadInput, match="it has more than 1073741824 bytes"):
        read(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"K\x05K\x03K\x04\x87", b"K\x05K\x03K\x05\x87"),  # another shape
        (b"K\x05K\x03K\x04\x87", b"K\x05K\x03N\x87"),
        (b"K\x05K\x03K\x04\x87", b"NNN\x87"),
        (b"\x8c\x01<", b"\x8c\x01x"),  # another byte order
        (b"\x8c\x02f8", b"\x8c\x02f4"),  # another dtype
        (b"\x8c\x05dtype", b"\x8c\x05dtypf"),
        (b"t\x94b.", b"\x94b."),  # another state
        (b"t\x94b.", b"0N\x94b."),
    ],
)
def test_load__damaged_arrays_get_a_sentence(old, new):
    raw = pickle.dumps(np.arange(60.0).reshape(5, 3, 4), 4)
    assert raw.count(old) == 1
    with pytest.raises(BadInput, match=r"its pickle is damaged|a shape in it is none"):
        load(io.BytesIO(raw.replace(old, new)), rebuild=REBUILD)


def test_read_npy__every_prefix_and_changed_bytes_give_a_value_or_a_sentence(path):
    random = np.random.default_rng(0)
    for value in (np.arange(6.0).reshape(2, 3), {"a": [np.arange(3), np.float32(1)]}):
        np.save(path, value, allow_pickle=True)
        raw = path.read_bytes()
        for n in range(len(raw)):
            path.write_bytes(raw[:n])
            with pytest.raises(BadInput):
                read_npy(path)
        for at in range(len(raw)):
            changed = bytearray(raw)
            changed[at] ^= 1 << random.integers(8)
            path.write_bytes(changed)
            with suppress(BadInput):
                read_npy(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_read_npz__equals_what_was_saved(save, tmp_path):
    saved = {
        "weight": np.arange(6, dtype=">f4").reshape(2, 3),
        "delay": np.asfortranarray(np.eye(3)),
        "empty": np.zeros((0, 2)),
    }
    save(tmp_path / "net.npz", **saved)
    result = read_npz(tmp_path / "net.npz")
    assert list(result) == list(saved)
    for name, array in saved.items():
        assert_same(result[name], array)


def zipped(path, *entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def test_read_npz__bombs_get_a_sentence(tmp_path):
    half = 2**24
    bomb = npy(header(shape=f"({half},)"), bytes(8 * half))
    entries = [(f"{letter}.npy", bomb) for letter in "ab"]
    with pytest.raises(BadInput, match="expand to more than 268435456 bytes"):
        read_npz(zipped(tmp_path / "net.npz", *entries, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(BadInput, match="in a way that numpy does not use"):
        read_npz(zipped(tmp_path / "net.npz", ("a.npy", npy(header(), bytes(16))), compression=zipfile.ZIP_LZMA))


def test_read_npz__many_long_headers_get_a_sentence(tmp_path):
    entry = npy(header(shape="(0,)") + " " * 9000)
    with pytest.raises(BadInput, match="too many arrays"):
        read_npz(zipped(tmp_path / "net.npz", *((f"{n}.npy", entry) for n in range(120))))


def test_read_npz__sizes_that_are_a_lie_get_a_sentence(tmp_path):
    path = zipped(tmp_path / "net.npz", ("a.npy", npy(header(), bytes(16))))
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02") + 24  # the size after expansion
    raw[at : at + 4] = (2**28).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(BadInput, match="shorter than it says"):
        read_npz(path)


def test_read_npz__arrays_of_anything_but_numbers_are_left_out(tmp_path):
    path = tmp_path / "net.npz"
    others = {"names": np.array(["a"]), "times": np.zeros(1, "<M8[s]"), "fields": np.zeros(1, [("a", "<f8")])}
    np.savez(path, weight=np.ones(2), objects=np.array([None]), **others)
    assert list(read_npz(path)) == ["weight"]


def test_read_npz__large_arrays_equal_what_was_saved(tmp_path):
    array = np.random.default_rng(0).random(400_000)
    np.savez_compressed(tmp_path / "net.npz", array=array)
    assert_same(read_npz(tmp_path / "net.npz")["array"], array)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_read_npz__other_zips_get_a_sentence(tmp_path):
    path, whole = tmp_path / "net.npz", npy(header(), bytes(16))
    for entries, message in {
        (("a.npy", whole), ("a.npy", whole)): "the same name",
        (("a.npy", whole), ("a", whole)): "the same name",
        (("a.txt", b"hello"),): "no header",
    }.items():
        with pytest.raises(BadInput, match=message):
            read_npz(zipped(path, *entries))
    path.write_bytes(whole)
    with pytest.raises(BadInput, match=r"cannot be read as \.npz"):
        read_npz(path)


def test_read_npz__every_prefix_and_changed_bytes_give_a_value_or_a_sentence(tmp_path):
    path = tmp_path / "net.npz"
    np.savez_compressed(path, a=np.arange(6.0), b=np.ones((2, 2)))
    raw = path.read_bytes()
    for n in range(len(raw)):
        path.write_bytes(raw[:n])
        with pytest.raises(BadInput, match=r"net\.npz"):
            read_npz(path)
    random = np.random.default_rng(0)
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1 << random.integers(8)
        path.write_bytes(changed)
        with suppress(BadInput):
            read_npz(path)
