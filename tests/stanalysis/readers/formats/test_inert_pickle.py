from __future__ import annotations

import io
import pickle
import sys
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanalysis.errors import BadInput
from stanalysis.readers.formats.inert_pickle import MAX_HASHES, MAX_KEY, TUPLE_HASHES, Global, Inert, Unfinished, load

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.binary().map(bytearray)
)
keys = st.text() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.tuples(st.integers(0, 9), st.text())
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(keys, inner)
        | st.dictionaries(keys, inner).map(OrderedDict)
        | st.sets(keys)
        | st.frozensets(keys)
    ),
    max_leaves=20,
)


def read(raw, **options):
    return load(io.BytesIO(raw), **{"rebuild": {}, **options})


@given(values, st.integers(0, 5))
def test_load__equals_what_was_pickled(value, protocol):
    assert read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(6))
def test_load__leaves_the_stream_behind_each_pickle(protocol):
    stream = io.BytesIO(pickle.dumps([1, "a"], protocol) + pickle.dumps({2: 3.5}, protocol) + b"raw")
    assert load(stream, rebuild={}) == [1, "a"]
    assert load(stream, rebuild={}) == {2: 3.5}
    assert stream.read() == b"raw"


@pytest.mark.parametrize("protocol", range(2, 6))
def test_load__keeps_what_is_shared_and_what_holds_itself(protocol):
    shared, itself = [1], {}
    itself["own"] = itself
    value = read(pickle.dumps([shared, shared, itself], protocol))
    assert value[0] is value[1]
    assert value[2]["own"] is value[2]


class Thing:
    __slots__ = ("__dict__", "slot")


class Made:
    def __reduce__(self):
        return Made, (1, "a"), {"attribute": 2}, iter([3, 4]), iter([("key", 5)])


@pytest.mark.parametrize("protocol", range(2, 6))
def test_load__keeps_attributes_and_slots_of_unknown_objects(protocol):
    thing = Thing()
    thing.attribute, thing.slot = 1, 2
    value = read(pickle.dumps(thing, protocol))
    assert value.kind.name == "Thing"
    assert value.state == {"attribute": 1, "slot": 2}


@pytest.mark.parametrize("protocol", range(6))
def test_load__keeps_arguments_items_and_pairs_of_unknown_objects(protocol):
    value = read(pickle.dumps(Made(), protocol))
    assert (value.kind.name, value.args, value.state) == ("Made", (1, "a"), {"attribute": 2})
    assert (value.items, value.pairs) == ([3, 4], [("key", 5)])


def test_load__calls_only_what_is_on_the_list():
    raw = pickle.dumps([complex(1, 2), range(3)], 2)
    value = read(raw, rebuild={("__builtin__", "complex"): lambda a, b: (a, b)})
    assert value[0] == (1.0, 2.0)
    assert value[1].kind in (Global("__builtin__", "xrange"), Global("__builtin__", "range"))
    assert value[1].args == (0, 3, 1)


def test_load__asks_for_persistent_ids():
    assert read(b"\x80\x02(X\x01\x00\x00\x00aK\x05tQ.", persistent=lambda identifier: list(identifier)) == ["a", 5]
    with pytest.raises(BadInput, match="refers to objects outside of it"):
        read(b"\x80\x02K\x05Q.")


def short(text: bytes) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text


def hostile(marker: Path) -> dict[str, bytes]:
    """Pickles that make the file ``marker``, open a browser, or end the process, or try to, if anything in them runs."""
    name = str(marker).encode()
    command = b"touch " + name
    return {
        "os.system": b"cos\nsystem\n(S'" + command + b"'\ntR.",
        "posix.system, stack global": b"\x80\x04" + short(b"posix") + short(b"system") + b"\x93" + short(command) + b"\x85R.",
        "subprocess": b"\x80\x02csubprocess\ncheck_call\n(lp0\nS'touch'\naS'" + name + b"'\natR.",
        "open": b"c__builtin__\nopen\n(S'" + name + b"'\nS'w'\ntR.",
        "new object": b"\x80\x02cpathlib\nPath\n(S'" + name + b"'\nt\x81.",
        "new object with names": b"\x80\x04"
        + short(b"io")
        + short(b"FileIO")
        + b"\x93)}("
        + short(b"file")
        + short(name)
        + b"u\x92.",
        "instance": b"(S'" + command + b"'\nios\nsystem\n.",
        "object": b"(cos\nsystem\nS'" + command + b"'\no.",
        "eval": b"cbuiltins\neval\n(S'open(\"" + name + b'", "w")\'\ntR.',
        "exec": b"cbuiltins\nexec\n(S'open(\"" + name + b'", "w")\'\ntR.',
        "import": b"cbuiltins\n__import__\n(S'antigravity'\ntR.",
        "import of a module by its name": b"cantigravity\nfly\n.",
        "getattr": b"cbuiltins\ngetattr\n(cos\nsystem\nS'__call__'\ntR(S'" + command + b"'\ntR.",
        "dotted name": b"\x80\x04" + short(b"builtins") + short(b"open.__call__") + b"\x93" + short(name) + b"\x85R.",
        "setstate": b"\x80\x02c__main__\nThing\n)\x81}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsbS'" + command + b"'\nb.",
        "reduce": b"\x80\x02c__main__\nThing\n)\x81}X\x0a\x00\x00\x00__reduce__cos\nsystem\nsb.",
        "map": b"cbuiltins\nset\n(cbuiltins\nmap\n(cos\nsystem\n(S'" + command + b"'\nltRtR.",
        "exit": b"csys\nexit\n(I3\ntR.",
        "dict of the machine": b"cstanalysis.readers.inert_pickle\n_PLAIN\n(tR.",
    }


@pytest.mark.parametrize("name", hostile(Path("x")))
def test_load__runs_nothing(name, tmp_path):
    marker = tmp_path / "ran"
    try:
        value = read(hostile(marker)[name])
    except BadInput:
        value = None
    assert not marker.exists()
    assert value is None or type(value) in (Inert, Global)
    assert "antigravity" not in sys.modules


BROKEN = {
    "nothing": b"",
    "text": b"hello",
    "no STOP": b"]",
    "nothing on the stack": b".",
    "stack underflow": b"\x86.",
    "no mark": b"]K\x01e.",
    "memo of nothing": b"h\x07.",
    "memo of text": b"gx\n.",
    "put of nothing": b"q\x01.",
    "a list for a function": b"])R.",
    "arguments that are no tuple": b"cos\nsystem\n]R.",
    "append to a number": b"K\x01K\x02a.",
    "item of a list": b"]K\x01K\x02s.",
    "odd number of pairs": b"}(K\x01u.",
    "set item of a list": b"\x8f(]\x90.",
    "attributes of a number": b"K\x01}b.",
    "name that is no text": b"K\x01K\x02\x93.",
    "extension": b"\x82\x01.",
    "data outside the file": b"\x97.",
    "unknown opcode": b"\xff.",
    "negative length": b"T\xff\xff\xff\xffabc.",
    "long length": b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
    "longest length": b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc.",
    "bad escape": b"S'\\x'\n.",
    "bad utf-8": b"X\x01\x00\x00\x00\xff.",
    "number of many digits": b"I" + b"9" * 5000 + b"\n.",
    "bytes of a length": b"cbuiltins\nbytearray\n(I2000000000\ntR.",
    "unknown codec": b"c_codecs\nencode\n(S'a'\nS'rot13'\ntR.",
    "mapping of no pairs": b"ccollections\nOrderedDict\n(K\x01tR.",
    "key that is a list": b"}]K\x01s.",
    "key that is a nested tuple": b"}" + b")" + b"\x85" * 100_000 + b"K\x01s.",
    "key that is a long number": b"}\x8b\x00\x00\x10\x00" + b"\x01" * 2**20 + b"K\x01s.",
    "key that is a long tuple": b"}(" + b"N" * 17 + b"tK\x01s.",
    "key that is a long text": b"}X\x00\x10\x00\x00" + b"a" * 4096 + b"K\x01s.",
}


@pytest.mark.parametrize("name", BROKEN)
def test_load__broken_pickles_get_a_sentence(name):
    with pytest.raises(BadInput, match=r"^its pickle [^;:]*[;:].*\.$"):
        read(BROKEN[name])


def test_load__an_invalid_escape_is_no_warning():
    assert read(b"S'\\d'\n.") == "\\d"


def test_load__a_huge_memo_index_allocates_nothing():
    assert read(b"]r\xff\xff\xff\xff0j\xff\xff\xff\xff.") == []


@pytest.mark.slow
def test_load__a_million_nested_lists_are_a_value_and_three_million_are_not():
    value = read(b"]" * 900_000 + b"a" * 899_999 + b".")
    depth = 0
    while value:
        (value,) = value
        depth += 1
    assert depth == 899_999
    with pytest.raises(BadInput, match="takes more than 2000000 steps"):
        read(b"]" * 3_000_000 + b".")


@pytest.mark.slow
def test_load__copies_of_one_value_are_counted():
    many = b"](" + b"N" * 10_000 + b"eq\x010"  # a list in the memo
    copies = b"cbuiltins\nset\n(h\x01tR0" * 1000
    with pytest.raises(BadInput, match="takes more than"):
        read(many + copies + b"N.")
    text = b"X\x10\x27\x00\x00" + b"a" * 10_000 + b"q\x010"
    encodings = b"c_codecs\nencode\n(h\x01S'latin1'\ntR0" * 1000
    with pytest.raises(BadInput, match="copies the same data too often"):
        read(text + encodings + b"N.")
    attributes = b"}q\x02(" + b"".join(short(b"%d" % n) + b"N" for n in range(10_000)) + b"u0"
    objects = b"c__main__\nThing\n)\x81h\x02}\x86b0" * 1000
    with pytest.raises(BadInput, match="takes more than"):
        read(attributes + objects + b"N.")


@pytest.mark.parametrize(("key", "most"), [(b"K\x01", MAX_HASHES), (b"K\x01K\x02\x86", MAX_HASHES // TUPLE_HASHES)])
def test_load__keys_that_can_be_made_to_collide_are_counted(key, most):
    assert len(read(b"}(" + (key + b"N") * most + b"u.")) == 1
    for keys in (b"}(" + (key + b"N") * (most + 1) + b"u.", b"(" + key * (most + 1) + b"\x91."):
        with pytest.raises(BadInput, match="too many keys that are numbers or tuples"):
            read(keys)


def test_load__copies_of_keys_that_can_be_made_to_collide_are_counted():
    keys = b"(" + b"".join(b"M" + n.to_bytes(2, "little") for n in range(1000)) + b"\x91q\x010"
    attributes = b"}q\x02(" + b"".join(b"M" + n.to_bytes(2, "little") + b"N" for n in range(1000)) + b"u0"
    for copies in (b"cbuiltins\nset\nh\x01\x85R0" * 20, b"c__main__\nThing\n)\x81h\x02}\x86b0" * 20):
        with pytest.raises(BadInput, match="too many keys that are numbers or tuples"):
            read(keys + attributes + copies + b"N.")


MANY = b"(" + b"N" * 10_000 + b"tq\x000"  # a tuple in the memo
ELEMENTS = b"(" + b"".join(short(b"%d" % n) for n in range(10_000)) + b"\x91q\x000"
AMPLIFIED = {
    "arguments of a call": MANY + b"c__main__\nf\nh\x00R0",
    "arguments of the result of a call": MANY + b"c__main__\nf\n)Rh\x00R0",
    "arguments of a known function": MANY + b"cmine\nfirst\nh\x00R0",
    "arguments beside named ones": MANY + b"c__main__\nf\nh\x00}K\x01Ns\x920",
    "frozen set of a frozen set": ELEMENTS + b"cbuiltins\nfrozenset\nh\x00\x85R0",
    "state of an array": MANY + b"cmine\narray\n)Rh\x00b0",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", AMPLIFIED)
def test_load__every_copy_of_arguments_is_counted(name):
    once = AMPLIFIED[name]
    again = once[once.index(b"q\x000") + 3 :]

    def array(*_):
        return Unfinished(kind=Global("mine", "array"), finish=lambda state: None)

    rebuild = {("mine", "first"): lambda first, *_: first, ("mine", "array"): array}
    assert read(once + b"N.", rebuild=rebuild) is None
    with pytest.raises(BadInput, match="takes more than 2000000 steps"):
        read(once + again * 250 + b"N.", rebuild=rebuild)


@pytest.mark.parametrize("kind", [b"set", b"frozenset"])
def test_load__sets_are_made_of_containers_only(kind):
    for values in (np.broadcast_to(1.0, (2**22,)), "text"):
        with pytest.raises(BadInput, match="made of what has no elements"):
            read(b"cbuiltins\n" + kind + b"\nK\x00Q\x85R.", persistent=lambda _, values=values: values)


def test_load__long_names_get_a_sentence():
    assert read(b"c" + b"m" * MAX_KEY + b"\nn\n.") == Global("m" * MAX_KEY, "n")
    for raw in (b"c" + b"m" * (MAX_KEY + 1) + b"\nn\n.", b"cm\n" + b"n" * (MAX_KEY + 1) + b"\n."):
        with pytest.raises(BadInput, match="a name has more than 1000 characters"):
            read(raw)


@pytest.mark.parametrize("text", [b"\x8c\x03\xed\xb3\xbf", b"X\x03\0\0\0\xed\xb3\xbf", b"V\\udcff\n"])
def test_load__half_a_surrogate_pair_gets_a_sentence(text):
    for raw in (text + b".", b"}" + text + b"Ns.", b"\x8c\x01m" + text + b"\x93."):
        with pytest.raises(BadInput, match="a text that is none"):
            read(raw)


def test_load__takes_at_most_as_many_steps_as_allowed():
    assert read(b"]]].", most=4) == []
    with pytest.raises(BadInput, match="takes more than 3 steps"):
        read(b"]]].", most=3)


def test_load__every_prefix_and_every_changed_byte_is_a_value_or_a_sentence():
    thing = {"a": [1, 2.5, None, (True, b"bytes")], "b": {3, 4}, ("k", 1): Made(), "array": np.arange(3)}
    random = np.random.default_rng(0)
    for protocol in range(6):
        raw = pickle.dumps(thing, protocol)
        for n in range(len(raw)):
            with pytest.raises(BadInput):
                read(raw[:n])
        for at in range(len(raw)):
            changed = bytearray(raw)
            changed[at] = random.integers(256)
            with suppress(BadInput):
                read(bytes(changed))
