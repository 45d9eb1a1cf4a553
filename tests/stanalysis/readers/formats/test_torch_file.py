from __future__ import annotations

import io
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from stanalysis.errors import BadInput
from stanalysis.readers.formats.inert_pickle import Global, Inert
from stanalysis.readers.formats.torch_file import MAX_ARRAYS, MAX_VALUES, arrays_of, read_torch

FILES = Path(__file__).parents[1] / "files"
STATES = ("torch_state", "torch_state_protocol_5", "torch_state_legacy")
MODULES = ("torch_module", "torch_module_legacy")


def assert_same(result, expected):
    assert list(result) == list(expected)
    for name, array in expected.items():
        assert result[name].dtype == array.dtype, name
        assert not result[name].flags.writeable, name
        np.testing.assert_array_equal(result[name], array, err_msg=name)


@pytest.mark.parametrize("name", STATES)
def test_read_torch__state_dicts_equal_those_of_torch(name):
    checkpoint = read_torch(FILES / f"{name}.pt")
    with np.load(FILES / "torch_state.npz") as expected:
        assert_same(checkpoint["model"], expected)
        assert_same(arrays_of(checkpoint["model"]), expected)


@pytest.mark.parametrize("name", STATES)
def test_read_torch__other_values_are_plain(name):
    checkpoint = read_torch(FILES / f"{name}.pt")
    assert type(checkpoint["acc"]) is float
    assert (checkpoint["acc"], checkpoint["epoch"], checkpoint["shape"]) == (0.875, 3, (2, 3))
    assert checkpoint["history"]["best"] == (1, None)
    np.testing.assert_array_equal(checkpoint["history"]["loss"], np.arange(4.0))


@pytest.mark.parametrize("name", STATES)
def test_read_torch__tensors_whose_numbers_are_not_those_of_their_bytes_are_inert(name):
    checkpoint = read_torch(FILES / f"{name}.pt")
    assert checkpoint["quantised"].kind == Global("torch._utils", "_rebuild_qtensor")
    assert checkpoint["conjugate"].kind == Global("torch", "Tensor")


@pytest.mark.parametrize("name", STATES)
def test_read_torch__tensors_share_storages(name):
    model = read_torch(FILES / f"{name}.pt")["model"]
    assert np.shares_memory(model["whole"], model["part"])
    assert np.shares_memory(model["whole"], model["transposed"])
    assert model["expanded"].strides == (4, 0)


@pytest.mark.parametrize("name", MODULES)
def test_arrays_of__a_module_has_the_names_of_its_state_dict(name):
    network = read_torch(FILES / f"{name}.pt")
    assert network.kind == Global("__main__", "Network")
    with np.load(FILES / "torch_module.npz") as expected:
        assert_same(arrays_of(network), expected)


@pytest.mark.parametrize("name", MODULES)
def test_read_torch__attributes_of_modules_are_in_their_state(name):
    state = read_torch(FILES / f"{name}.pt").state
    assert state["params"] == {"tau": 20.0, "names": ["a", "b"]}
    layer = state["_modules"]["layers"].state["_modules"]["0"]
    np.testing.assert_array_equal(layer.state["recorded"], np.arange(3))
    method = layer.state["activation"]
    assert method.kind.name == "getattr"
    assert method.args == (layer, "squash")


def test_arrays_of__names_and_bounds():
    array = np.ones(2)
    assert list(arrays_of({"a": [array, (array, 3)], 5: {"b": array}, "c": Inert(Global("m", "C"), (array,))})) == [
        "a.0",
        "a.1.0",
        "5.b",
    ]
    assert list(arrays_of(array)) == [""]
    with pytest.raises(BadInput, match=r"two arrays of the name 'a\.b'"):
        arrays_of({"a": {"b": array}, "a.b": array})
    deep = array
    for _ in range(100):
        deep = [deep]
    assert len(arrays_of(deep)) == 1
    with pytest.raises(BadInput, match="more than 100 levels"):
        arrays_of([[deep]])


def test_arrays_of__what_holds_itself_ends():
    array = np.ones(2)
    cycle = {"array": array, "list": []}
    cycle["list"].append(cycle)
    module = Inert(Global("m", "Net"), state={"_parameters": {"w": array}, "_modules": {}})
    module.state["_modules"]["self"] = module
    assert list(arrays_of([cycle, module])) == ["0.array", "1.w"]


def test_arrays_of__sharing_multiplies_only_up_to_a_bound():
    shared = [0]
    for _ in range(60):
        shared = [shared, shared]
    with pytest.raises(BadInput, match=f"more than {MAX_VALUES} values"):
        arrays_of(shared)


def test_arrays_of__values_left_out_are_counted():
    passing = {str(n): None for n in range(1000)}
    module = Inert(Global("m", "Net"), state={"_buffers": passing, "_non_persistent_buffers_set": set(passing)})
    assert arrays_of([module]) == {}
    with pytest.raises(BadInput, match=f"more than {MAX_VALUES} values"):
        arrays_of([module] * 1000)


def test_arrays_of__one_array_of_many_names_gets_a_sentence():
    with pytest.raises(BadInput, match=f"more than {MAX_ARRAYS} arrays"):
        arrays_of([np.ones(1)] * (MAX_ARRAYS + 1))


class Call:
    """Pickled as a call of the Global (module, name) that is not made."""

    def __init__(self, name, *args):
        self.name, self.args = name, args


class Pickler(pickle._Pickler):  # the one in Python lets a test write names that cannot be imported
    def persistent_id(self, obj):
        return obj.args if isinstance(obj, Call) and obj.name == "storage" else None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Call) and obj.name != "storage":
            self.write(b"c" + obj.name.replace(":", "\n").encode() + b"\n")
            if obj.args[0] is not None:
                super().save(obj.args)
                self.write(b"R")
        else:
            super().save(obj, save_persistent_id)


def pickled(value):
    stream = io.BytesIO()
    Pickler(stream, 2).dump(value)
    return stream.getvalue()


def global_(name):
    return Call(name, None)


def storage(kind="FloatStorage", key="0", numel=6):
    return Call("storage", "storage", global_(f"torch:{kind}"), key, "cpu", numel)


def tensor(offset=0, size=(2, 3), stride=(3, 1), **options):
    return Call("torch._utils:_rebuild_tensor_v2", storage(**options), offset, size, stride, False, {})


def write_zip(path, value, *, blocks=None, byteorder=b"little", compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("net/data.pkl", value if isinstance(value, bytes) else pickled(value))
        archive.writestr("net/byteorder", byteorder)
        for key, block in (blocks or {"0": np.arange(6, dtype="<f4").tobytes()}).items():
            archive.writestr(f"net/data/{key}", block)
    return path


def write_legacy(path, value, *, system=None, keys=("0",), protocol=1001, after=None):
    identified = pickled(value).replace(b"K\x06tq", b"K\x06Ntq")  # the legacy ids have one part more
    block = (6).to_bytes(8, "little") + np.arange(6, dtype="<f4").tobytes()
    parts = (0x1950A86A20F9469CFC6C, protocol, {"little_endian": True} if system is None else system)
    raw = b"".join(pickle.dumps(part, 2) for part in parts) + identified + pickle.dumps(list(keys), 2)
    path.write_bytes(raw + (block if after is None else after))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.pt"


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_read_torch__the_files_of_these_tests_are_read(write, path):
    np.testing.assert_array_equal(read_torch(write(path, {"w": tensor()}))["w"], np.arange(6.0).reshape(2, 3))


OUTSIDE = {
    "negative offset": {"offset": -1},
    "offset beyond the storage": {"offset": 1},
    "offset of an empty tensor": {"offset": -1, "size": (0,), "stride": (1,)},
    "negative stride": {"offset": 5, "stride": (-3, -1)},
    "negative stride of one element": {"size": (1,), "stride": (-1,)},
    "stride beyond the storage": {"stride": (4, 1)},
    "negative size": {"size": (-2, 3)},
    "huge size": {"size": (2**40,), "stride": (0,)},
    "sizes that overflow": {"size": (2**62, 2**62), "stride": (0, 0)},
    "sizes that overflow beside none": {"size": (0, 2**62, 2**62), "stride": (0, 0, 0)},
    "strides that overflow": {"stride": (2**62, 2**62)},
    "many expanded elements": {"size": (2**13, 2**14), "stride": (0, 0)},
    "many axes": {"size": (1,) * 65, "stride": (1,) * 65},
    "fewer strides than sizes": {"stride": (1,)},
    "sizes that are true": {"size": (True, True)},
    "sizes that are no tuple": {"size": [2, 3]},
    "offset that is no number": {"offset": "0"},
    "scalar of an empty storage": {"offset": 6, "size": (), "stride": ()},
    "storage shorter than its elements": {"numel": 7},
    "storage longer than its elements": {"numel": 5},
    "negative number of elements": {"numel": -6},
    "missing storage": {"key": "1"},
    "key out of the archive": {"key": "../data.pkl"},
}


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_read_torch__tensors_outside_their_storage_get_a_sentence(write, name, path):
    with pytest.raises(BadInput, match=r"net\.pt cannot be read: "):
        read_torch(write(path, {"w": tensor(**OUTSIDE[name])}))


@pytest.mark.parametrize(
    ("size", "stride", "most"),
    [
        ((2**20,), (0,), 4),  # expanded: 2**22 elements that are not in the file
        ((10**6,), (1,), 8),  # whole storages: four times theirs, and 2**22
    ],
)
@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_read_torch__all_tensors_together_repeat_only_up_to_a_bound(write, size, stride, most, path):
    numel = 6 if stride == (0,) else 10**6
    single = tensor(size=size, stride=stride, numel=numel)
    block = np.arange(numel, dtype="<f4").tobytes()
    if write is write_zip:
        options = {"blocks": {"0": block}}
    else:
        options = {"after": numel.to_bytes(8, "little") + block}
        single.args[0].args += (None,)  # the legacy ids have one part more
    copies = [Call(single.name, *single.args) for _ in range(most + 1)]
    assert len(read_torch(write(path, copies[:most], **options))) == most
    with pytest.raises(BadInput, match="its tensors repeat the same numbers too often"):
        read_torch(write(path, copies, **options))


def test_read_torch__storages_of_an_unknown_kind_store_no_numbers(path):
    unknown = storage("UnknownStorage", key="1", numel=2**30)
    expanded = [tensor(size=(2**20,), stride=(0,)) for _ in range(5)]
    with pytest.raises(BadInput, match="its tensors repeat the same numbers too often"):
        read_torch(write_zip(path, [unknown, *expanded], blocks={"0": bytes(24), "1": b""}))


def test_read_torch__shapes_are_made_of_containers_only(path):
    expanded = tensor(size=(2**22,), stride=(0,))
    with pytest.raises(BadInput, match="a shape has no elements"):
        read_torch(write_zip(path, Call("torch:Size", expanded)))


def test_read_torch__unaligned_numbers_are_copied_alone(path):
    raw = bytes([0, *np.arange(3, dtype="<u2").tobytes(), 0])
    part = Call("storage", *storage("UntypedStorage", numel=8).args, ("view", 1, 6))
    args = (part, 1, (2,), (1,), False, {}, global_("torch:uint16"))
    value = read_torch(write_zip(path, Call("torch._utils:_rebuild_tensor_v3", *args), blocks={"0": raw}))
    assert value.tolist() == [1, 2]
    assert value.flags.aligned
    assert not value.flags.writeable
    assert value.base is None or value.base.nbytes == 4


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_read_torch__half_a_surrogate_pair_in_a_name_gets_a_sentence(write, path):
    with pytest.raises(BadInput, match="a text that is none"):
        read_torch(write(path, {"a\udcff": tensor()}))


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_read_torch__long_keys_of_storages_get_a_sentence(write, path):
    with pytest.raises(BadInput, match="a storage is badly described"):
        read_torch(write(path, tensor(key="0" * 1001)))


def test_read_torch__long_headers_of_legacy_files_get_a_sentence(path):
    with pytest.raises(BadInput, match="takes more than 1000 steps"):
        read_torch(write_legacy(path, tensor(), protocol=[0] * 1000))


def test_read_torch__no_other_array_passes_for_a_storage(path):
    forged = Call("torch:FloatStorage", np.broadcast_to(1.0, (9,)))
    value = read_torch(write_zip(path, Call("torch._utils:_rebuild_tensor", forged, 0, (9,), (8,))))
    assert value.kind == Global("torch", "Tensor")


def test_read_torch__a_storage_has_one_type(path):
    with pytest.raises(BadInput, match="two types"):
        read_torch(write_zip(path, [tensor(), tensor(kind="IntStorage")]))


def test_read_torch__bools_are_true_or_false(path):
    write_zip(path, tensor(kind="BoolStorage"), blocks={"0": bytes([0, 1, 2, 255, 0, 1])})
    assert read_torch(path).view(np.uint8).tolist() == [[0, 1, 1], [1, 0, 1]]


def test_read_torch__subclasses_of_tensors_are_arrays(path):
    made = global_("torch._utils:_rebuild_tensor_v2")
    args = (storage(), 0, (6,), (1,), False, {})
    value = Call("torch._tensor:_rebuild_from_type_v2", made, global_("mine:Delay"), args, {"tag": 1})
    np.testing.assert_array_equal(read_torch(write_zip(path, value)), np.arange(6.0))
    nested = global_("torch._tensor:_rebuild_from_type_v2")
    assert isinstance(read_torch(write_zip(path, Call(nested.name, nested, nested, (nested, nested), {}))), Inert)


def test_read_torch__unknown_dtypes_are_inert(path):
    dtype = global_("torch:float8_e4m3fn")
    args = (storage("UntypedStorage", numel=24), 0, (24,), (1,), False, {}, dtype)
    value = read_torch(write_zip(path, {"w": Call("torch._utils:_rebuild_tensor_v3", *args)}))
    assert isinstance(value["w"], Inert)
    assert arrays_of(value) == {}


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_read_torch__what_holds_itself_is_read(write, path):
    itself = [tensor()]
    itself.append(itself)
    value = read_torch(write(path, itself))
    assert value[1] is value
    assert list(arrays_of(value)) == ["0"]


def test_read_torch__runs_nothing(path, tmp_path):
    marker = tmp_path / "ran"
    for write in (write_zip, write_legacy):
        value = read_torch(write(path, {"w": tensor(), "x": Call("os:system", f"touch {marker}")}))
        assert value["x"].kind == Global("os", "system")
    assert not marker.exists()


def test_read_torch__big_endian_files_get_a_sentence(path):
    with pytest.raises(BadInput, match="big-endian machine"):
        read_torch(write_zip(path, tensor(), byteorder=b"big"))
    with pytest.raises(BadInput, match="big-endian machine"):
        read_torch(write_legacy(path, tensor(), system={"little_endian": False}))


def test_read_torch__compressed_files_get_a_sentence(path):
    write_zip(path, tensor(), blocks={"0": bytes(10**7)}, compression=zipfile.ZIP_DEFLATED)  # a bomb
    with pytest.raises(BadInput, match="compressed or encrypted"):
        read_torch(path)


def test_read_torch__encrypted_files_get_a_sentence(path):
    raw = bytearray(write_zip(path, tensor()).read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(BadInput, match="compressed or encrypted"):
        read_torch(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_read_torch__duplicate_names_get_a_sentence(path):
    write_zip(path, tensor())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net/data/0", b"other")
    with pytest.raises(BadInput, match="the same name"):
        read_torch(path)


def test_read_torch__entries_that_overlap_get_a_sentence(path):
    raw = write_zip(path, tensor(), blocks={"0": bytes(24), "1": bytes(10**5)}).read_bytes()
    start = raw.index(b"PK\x01\x02")
    directory = raw[start : raw.index(b"PK\x05\x06")]
    last = directory[directory.rindex(b"PK\x01\x02") :]
    copies = b"".join(last.replace(b"data/1", b"data/%c" % letter) for letter in b"abcdef")
    count = (4 + 6).to_bytes(2, "little") * 2
    end = b"PK\x05\x06" + bytes(4) + count + len(directory + copies).to_bytes(4, "little") + start.to_bytes(4, "little")
    path.write_bytes(raw[:start] + directory + copies + end + bytes(2))
    with pytest.raises(BadInput, match="larger than the file"):
        read_torch(path)


def test_read_torch__torchscript_gets_a_sentence():
    with pytest.raises(BadInput, match="it is TorchScript; save the state_dict instead"):
        read_torch(FILES / "torch_script.pt")


def test_read_torch__zips_of_others_get_a_sentence(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weight.npy", b"")
    with pytest.raises(BadInput, match=r"without a data\.pkl"):
        read_torch(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello\n", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", pickle.dumps({"a": 1}), pickle.dumps(0x1950A86A20F9469CFC6C)],
)
def test_read_torch__other_files_get_a_sentence(content, path):
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"net\.pt cannot be read"):
        read_torch(path)


def test_read_torch__tars_missing_files_and_folders_get_a_sentence(path, tmp_path):
    path.write_bytes(bytes(257) + b"ustar" + bytes(300))
    with pytest.raises(BadInput, match=r"a tar of torch 0\.1"):
        read_torch(path)
    for other in (tmp_path, tmp_path / "none.pt"):
        with pytest.raises(BadInput, match="does not exist or is no file"):
            read_torch(other)


LEGACY = {
    "protocol": {"protocol": 1000},
    "no system": {"system": [1]},
    "missing keys": {"keys": ()},
    "other keys": {"keys": ("1",)},
    "a key twice": {"keys": ("0", "0")},
    "keys that are no texts": {"keys": (0,)},
    "no storages": {"after": b""},
    "half a storage": {"after": bytes(20)},
}


@pytest.mark.parametrize("name", LEGACY)
def test_read_torch__damaged_legacy_files_get_a_sentence(name, path):
    with pytest.raises(BadInput, match=r"net\.pt cannot be read"):
        read_torch(write_legacy(path, tensor(), **LEGACY[name]))


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_read_torch__every_prefix_gets_a_sentence(write, path):
    raw = write(path, {"w": tensor()}).read_bytes()
    for n in range(len(raw)):
        path.write_bytes(raw[:n])
        with pytest.raises(BadInput, match=r"net\.pt cannot be read"):
            read_torch(path)


@pytest.mark.parametrize("name", ["torch_state.pt", "torch_module_legacy.pt"])
def test_read_torch__changed_bytes_give_a_value_or_a_sentence(name, path):
    raw = (FILES / name).read_bytes()
    random = np.random.default_rng(0)
    for _ in range(250):
        changed = bytearray(raw)
        changed[random.integers(len(raw))] ^= 1 << random.integers(8)
        path.write_bytes(changed)
        with suppress(BadInput):
            arrays_of(read_torch(path))


def test_read_torch__a_changed_number_in_a_zip_gets_a_sentence(path):
    raw = bytearray(write_zip(path, tensor()).read_bytes())
    raw[raw.index(np.arange(6, dtype="<f4").tobytes()) + 5] ^= 1
    path.write_bytes(raw)
    with pytest.raises(BadInput, match="is it damaged"):
        read_torch(path)
