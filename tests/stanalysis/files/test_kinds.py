"""Whatever an attribute of a file is changed to, its readers go on, or say in a sentence what is wrong."""

from __future__ import annotations

import json
import shutil
from itertools import product

import h5py
import numpy as np
import pytest

from stanalysis.analysis.analyze import analyze
from stanalysis.cli.inspect import inspect
from stanalysis.errors import BadInput
from stanalysis.files.analysis import read_analysis, validate_analysis
from stanalysis.files.checkpoint import read_checkpoint, write_checkpoint
from stanalysis.files.kinds import OBJECT, TEXT, in_json, list_of, mapping_of, number, one_of, optional, record, whole
from stanalysis.files.netcdf import netcdf_bytes
from stanalysis.findings.cautions import warned
from stanalysis.findings.view import Analysis
from stanalysis.synthetic.network import small_network

VALUES = {"array": np.array([1, 1]), "text": "x", "negative": -1, "nan": np.nan, "empty": ""}
PROPERTIES = [name for name, member in vars(Analysis).items() if isinstance(member, property)]


@pytest.mark.parametrize(
    ("kind", "fitting", "others"),
    [
        (TEXT, ["", "a"], [1, None, np.array(["a"])]),
        (number(0), [0, 1.5, np.float32(2)], [-1, np.nan, np.inf, True, "1", 10**400, np.ones(2)]),
        (whole(0), [0, np.int16(3), 2.0], [-1, 0.5, np.nan, 2**63, True, np.ones(1), None]),
        (whole(exact=True), [-3, np.int64(3)], [2.0, np.float64(2)]),
        (one_of("a", "b"), ["a"], ["c", np.array(["a", "b"])]),
        (optional(whole()), [None, 1], ["1"]),
        (list_of(TEXT), [[], ["a"]], [["a", 1], "a", {}]),
        (mapping_of(TEXT), [{}, {"a": "b"}], [{"a": 1}, []]),
        (record({"a": TEXT}, required=["a"]), [{"a": "", "b": 1}], [{}, {"a": 1}, []]),
        (record({"a": TEXT}, closed=True), [{}], [{"b": 1}]),
        (in_json(OBJECT), ["{}"], ["", "[]", "{", "[" * 200, "1" * 5000, 1]),
    ],
)
def test_kind__fits_its_own_alone(kind, fitting, others):
    assert all(map(kind.fits, fitting))
    assert not any(map(kind.fits, others))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("kinds") / "network.nc"
    write_checkpoint(small_network(), path)
    return path


@pytest.fixture(scope="module")
def analysis(checkpoint):
    """An analysis of our own, of one network, little asked."""
    path = checkpoint.with_name("analysis.nc")
    path.write_bytes(netcdf_bytes(analyze([checkpoint], statistics=["lattice"], n_permutations=9, check=False)))
    return path


def unsealed(source, target):
    """A copy without its digest, which a change would contradict."""
    shutil.copy(source, target)
    content = target.read_bytes()
    target.write_bytes(content[: content.rindex(b"\nstanalysis sha256 ")] if b"\nstanalysis sha256 " in content else content)
    return target


def change(path, place, name, value):
    with h5py.File(path, "r+") as file:
        file[place].attrs[name] = value


def attributes(path):
    """Place and name of every attribute of ours in a file; of projections that are alike, those of one."""
    found = []

    def visit(place, node):
        if "hidden1__output" in place:
            return
        found.extend((place, name) for name in node.attrs if not name.isupper() and not name.startswith("_Netcdf4"))

    with h5py.File(path) as file:
        visit("/", file)
        file.visititems(visit)
    return found


def test_checkpoint__whatever_its_attributes_are_nothing_but_bad_input(checkpoint, tmp_path, capsys):
    refused = {}
    for (place, name), (said, value) in product(attributes(checkpoint), VALUES.items()):
        path = unsealed(checkpoint, tmp_path / "changed.nc")
        change(path, place, name, value)
        try:
            inspect(path)
        except BadInput as error:
            refused[place, name, said] = str(error)
    capsys.readouterr()
    assert not any("\n" in sentence for sentence in refused.values())
    for name in ("schema_version", "framework", "method", "dt", "step", "seed", "config", "dataset"):
        assert ("/", name, "array") in refused
    for name in ("n_source", "n_target", "delay_max", "rounding", "delay_kind"):
        assert {("projections/input__hidden1", name, said) for said in VALUES} <= set(refused)


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        *(("/", name, np.array([1, 1])) for name in ("schema_version", "method", "seed", "config", "framework", "dataset")),
        ("/", "step", 0.5),
        ("projections/input__hidden1", "rounding", np.array([1, 1])),
        ("projections/input__hidden1", "delay_max", 1e300),
        ("projections/input__hidden1/delay", "units", np.array([1, 1])),
        ("projections/input__hidden1/weight", "_Encoding", "foo"),
    ],
)
def test_read_checkpoint__attributes_of_another_kind_get_a_sentence(checkpoint, tmp_path, place, name, value):
    path = unsealed(checkpoint, tmp_path / "changed.nc")
    change(path, place, name, value)
    with pytest.raises(BadInput, match=r"changed\.nc.*[.?]$"):
        read_checkpoint(path)


def test_read_checkpoint__a_text_of_unknown_encoding_gets_a_sentence(checkpoint, tmp_path):
    path = unsealed(checkpoint, tmp_path / "changed.nc")
    with h5py.File(path, "r+") as file:
        file["metrics"].create_dataset("note", data=np.array(b"a", "S1"))
        file["metrics/note"].attrs["_Encoding"] = "foo"
    with pytest.raises(BadInput, match=r"changed\.nc"):
        read_checkpoint(path)


def test_read_checkpoint__texts_among_the_metrics_get_a_sentence(checkpoint, tmp_path):
    path = unsealed(checkpoint, tmp_path / "changed.nc")
    with h5py.File(path, "r+") as file:
        file["metrics"].create_dataset("note", data=["a", "b"])
    with pytest.raises(BadInput, match="'note', which is no single number"):
        read_checkpoint(path)


def test_analysis__whatever_its_attributes_are_nothing_but_bad_input(analysis):
    whole_file, refused = read_analysis(analysis), {}
    places = [(node.path, name) for node in whole_file.subtree for name in node.attrs]
    for (place, name), (said, value) in product(places, VALUES.items()):
        tree = whole_file.copy()
        tree[place].attrs = whole_file[place].attrs | {name: value}
        try:
            validate_analysis(tree)
            for which in PROPERTIES:
                getattr(Analysis(tree), which)
            if not place.startswith(("/network", "/distribution")):
                warned(tree)
        except BadInput as error:
            refused[place, name, said] = str(error)
    assert not any("\n" in sentence for sentence in refused.values())
    assert {("/", name, "array") for name in whole_file.attrs} <= set(refused)
    for name in ("runs", "conditions", "best_steps", "provenance", "versions", "warnings", "cautions"):
        assert {("/", name, said) for said in VALUES} <= set(refused)


CAUTION = {"code": "from_reader", "projection": "", "networks": [], "values": {"note": "n"}}


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("/", "schema_version", np.array([3, 3])),
        ("/", "versions", "[1]"),
        ("/", "versions", '{"numpy": 2}'),
        ("/", "n_permutations", "x"),
        ("/", "provenance", '{"R": 1}'),
        ("/", "best_steps", '{"network": "x"}'),
        ("/", "conditions", '{"": 1}'),
        ("/", "runs", '"network"'),
        ("/", "statistics", "1"),
        ("/", "warnings", "[1]"),
        ("/", "alternative", "both"),
        ("/", "dt", -1.0),
        ("/", "cautions", json.dumps([CAUTION | {"networks": 1}])),
        ("/", "cautions", json.dumps([CAUTION | {"more": 1}])),
        ("/", "cautions", json.dumps([{"code": "from_reader"}])),
        ("statistics/input__hidden1", "null", np.array([1, 1])),
        ("statistics/input__hidden1", "n_permutations", "x"),
        ("synapses/input__hidden1", "delay_max", 1e300),
        ("synapses/input__hidden1", "n_source", "x"),
        ("synapses/input__hidden1", "rounding", "up"),
    ],
)
def test_read_analysis__attributes_of_another_kind_get_a_sentence(analysis, tmp_path, place, name, value):
    path = unsealed(analysis, tmp_path / "changed.nc")
    change(path, place, name, value)
    with pytest.raises(BadInput, match=rf"changed\.nc has {name} = .*; expected|/{place} of .*changed\.nc has {name}|too many"):
        read_analysis(path)


@pytest.mark.parametrize("harm", [{"code": "new"}, {"values": {}}, {"values": {"note": 1}}])
def test_analysis__cautions_without_words_get_a_sentence(analysis, harm):
    tree = read_analysis(analysis)
    tree.attrs["cautions"] = json.dumps([CAUTION | harm])
    validate_analysis(tree)
    with pytest.raises(BadInput, match="has no words for"):
        warned(tree)
