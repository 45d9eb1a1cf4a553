from __future__ import annotations

import hashlib

import numpy as np
import pytest

import stanalysis
from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import UNKNOWN_SEED, read_checkpoint, write_checkpoint
from stanalysis.readers import arrays
from stanalysis.readers.arrays import dense_projection, from_arrays, network_tree, population_name


def brute_force_field(weight, delay, dt, n_bins, rounding, present=None):
    """Receptive fields (target, source, delay) with plain loops; arrays (target, source, contact)."""
    round_ = {"half even": np.rint, "half up": lambda x: np.floor(x + 0.5), "floor": np.floor, "none": np.rint}[rounding]
    field = np.zeros((*weight.shape[:2], n_bins))
    for target, source, contact in np.ndindex(weight.shape):
        if present is None or present[target, source, contact]:
            field[target, source, int(round_(delay[target, source, contact] / dt))] += weight[target, source, contact]
    return field


@pytest.mark.parametrize("rounding", ["half even", "half up", "floor", "none"])
def test_from_arrays__the_field_is_that_of_plain_loops(rounding):
    rng = np.random.default_rng(3)
    weight, delay = rng.normal(size=(4, 5, 2)), rng.uniform(0, 18, size=(4, 5, 2))
    present = rng.random((4, 5, 2)) < 0.7
    tree = from_arrays(weight, delay, dt=2.0, max_delay=20.0, present=present, rounding=rounding)
    field = stanalysis.receptive_fields(tree, "input__hidden1").receptive_field.values[0]
    np.testing.assert_allclose(field, brute_force_field(weight, delay, 2.0, 11, rounding, present))


def test_from_arrays__takes_three_lines_to_the_statistics(tmp_path):
    rng = np.random.default_rng(0)
    tree = from_arrays(rng.normal(size=(3, 8)), rng.uniform(0, 9, size=(3, 8)), dt=1.0)
    write_checkpoint(tree, tmp_path / "network.nc")
    fields = stanalysis.receptive_fields(read_checkpoint(tmp_path / "network.nc"), "input__hidden1")
    assert np.isfinite(stanalysis.morans_i(fields, n_permutations=19, seed=0).p_value).all()


def test_from_arrays__zero_is_a_weight_unless_absent_is_said():
    weight = np.array([[0.0, 1.0]])
    assert from_arrays(weight, weight, dt=1.0)["projections/input__hidden1"].sizes["synapse"] == 2
    tree = from_arrays(weight, weight, dt=1.0, present=weight != 0)
    assert tree["projections/input__hidden1"].source.values.tolist() == [1]


@pytest.mark.parametrize(("shape", "kind"), [((1, 5), "axonal"), ((5,), "axonal"), ((4, 1), "dendritic"), ((4, 5), "synaptic")])
def test_from_arrays__the_kind_of_delay_is_told_by_the_shape(shape, kind):
    tree = from_arrays(np.ones((4, 5)), np.ones(shape), dt=1.0)
    assert tree["projections/input__hidden1"].attrs["delay_kind"] == kind


def test_from_arrays__longest_delay_is_whole_steps():
    tree = from_arrays(np.ones((1, 2)), [[0.3, 4.1]], dt=0.5)
    assert tree["projections/input__hidden1"].attrs["delay_max"] == 4.5


def test_from_arrays__without_any_delay_the_longest_is_a_plain_0():
    tree = from_arrays(np.ones((1, 2)), 0.0, dt=1.0)
    assert str(tree["projections/input__hidden1"].attrs["delay_max"]) == "0.0"


def test_from_arrays__delays_of_absent_synapses_do_not_count():
    weight = np.array([[0.0, 1.0]])
    tree = from_arrays(weight, [[np.nan, 2.0]], dt=1.0, present=weight != 0)
    assert tree["projections/input__hidden1"].attrs["delay_max"] == 2.0


def test_from_arrays__several_projections():
    pairs = {("input", "hidden"): np.ones((3, 2)), ("hidden", "hidden"): np.ones((3, 3))}
    tree = from_arrays(pairs, pairs, dt=1.0, step=7, seed=3)
    assert set(tree["projections"].children) == {"input__hidden", "hidden__hidden"}
    assert tree["populations/hidden"].sizes["neuron"] == 3
    assert (tree.attrs["step"], tree.attrs["seed"]) == (7, 3)
    assert from_arrays(np.ones((1, 1)), 1.0, dt=1.0).attrs["seed"] == UNKNOWN_SEED


@pytest.mark.parametrize(
    ("weight", "delay", "options", "says"),
    [
        (np.ones(3), np.ones(3), {}, r"weights have the shape \(3,\)"),
        (np.ones((0, 3)), np.ones((0, 3)), {}, "shape"),
        (np.ones((2, 3)), np.ones((3, 2)), {}, r"delays \(3, 2\)"),
        (np.ones((2, 3)), np.ones((2, 3)), {"present": np.ones(2, bool)}, "'present'"),
        (np.ones((2, 3)), -np.ones((2, 3)), {}, "negative, down to -1 ms"),
        (np.ones((2, 3)), np.full((2, 3), 9.0), {"max_delay": 8.0}, "reach 9 ms, beyond the longest possible, 8 ms"),
        (np.ones((2, 3)), np.full((2, 3), 8.01), {"max_delay": 8.0}, "reach 8.01 ms"),
        (np.full((2, 3), np.nan), np.ones((2, 3)), {}, "weights of .* are not finite"),
        (np.ones((2, 3)) * 1j, np.ones((2, 3)), {}, "type complex"),
        ([["a"]], [[1.0]], {}, "type <U1; give real numbers"),
        ([[1.0], [1.0, 2.0]], 1.0, {}, "rows of different lengths"),
        (np.ones((2, 3)), np.ones((2, 3)), {"dt": "1"}, "dt is '1'"),
        (np.ones((2, 3)), np.ones((2, 3)), {"dt": True}, "dt is True"),
        (np.ones((2, 3)), np.ones((2, 3)), {"max_delay": "3"}, "max_delay is '3'"),
        (np.ones((2, 3)), np.ones((2, 3)), {"step": 1.5}, "step is 1.5"),
        (np.ones((2, 3)), np.ones((2, 3)), {"seed": -5}, "seed is -5"),
        (np.ones((2, 3)), np.full((2, 3), np.inf), {"max_delay": 8.0}, "not finite"),
        (np.ones((2, 3)), np.full((2, 3), np.nan), {}, "not finite"),
        (np.ones((2, 3)), np.ones((2, 3)), {"dt": -1.0}, "dt is -1"),
        (np.ones((2, 3)), np.ones((2, 3)), {"max_delay": 1.5}, "no multiple of dt"),
        (np.ones((2, 3)), np.ones((2, 3)), {"rounding": "up"}, "rounding = 'up'"),
        ({("a", "b"): np.ones((2, 3))}, {("a", "c"): np.ones((2, 3))}, {}, "different projections"),
        ({("a__b", "c"): np.ones((2, 3))}, {("a__b", "c"): np.ones((2, 3))}, {}, "no pair of names"),
        ({("a", "a"): np.ones((2, 3))}, {("a", "a"): np.ones((2, 3))}, {}, "3 neurons in one .* 2 in another"),
    ],
)
def test_from_arrays__bad_input_is_one_sentence(weight, delay, options, says):
    with pytest.raises(BadInput, match=says):
        from_arrays(weight, delay, **{"dt": 1.0, **options})


def test_dense_projection__rows_are_in_order_of_target_source_contact():
    weight = np.arange(12.0).reshape(2, 3, 2)
    table = dense_projection(weight, np.zeros((1, 3, 1)), delay_max=1.0, rounding="none", sigma=np.float64(2.0))
    assert table.weight.values.tolist() == list(range(12))
    assert table.target.values.tolist() == [0] * 6 + [1] * 6
    assert table.contact.values.tolist() == [0, 1] * 6
    assert (table.sigma == 2).all()


def test_dense_projection__float32_keeps_its_type_and_forgives_its_rounding():
    delay = np.array([[np.float32(24.000001) * 10]])
    table = dense_projection(np.ones((1, 1), np.float32), delay, delay_max=240.0, rounding="half even")
    assert table.weight.dtype == np.float32
    assert table.delay.item() == 240.0


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [("a/b", "a.b"), ("a__b", "a_b"), ("__", "population"), ("lif_1", "lif_1"), ("[red]é\x1b[2J", "red.é..2J")],
)
def test_population_name__holds_no_separator_of_ours(foreign, ours):
    assert population_name(foreign) == ours


def test_network_tree__refuses_a_network_without_projections():
    with pytest.raises(BadInput, match="nothing to analyse"):
        network_tree({}, reader="x", framework="y", dt=1.0, step=0)


def test_network_tree__says_where_it_is_from(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"abc")
    table = {("a", "b"): dense_projection(np.ones((1, 1)), np.zeros((1, 1)), delay_max=0.0, rounding="none")}
    tree = network_tree(table, reader="x", framework="Y", dt=1.0, step=4, files=[tmp_path / "a.pt"])
    assert (tree.attrs["reader"], tree.attrs["method"], tree.attrs["source_file"]) == ("x", "Y", "a.pt")
    assert tree.attrs["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_network_tree__refuses_what_would_not_fit_in_memory(monkeypatch):
    single = dense_projection(np.ones((2, 3)), np.zeros((2, 3)), delay_max=4.0, rounding="none")
    monkeypatch.setattr(arrays, "MOST_IN_ALL", 11)
    pairs = {("a", "b"): single, ("c", "d"): single}
    with pytest.raises(BadInput, match="The network has 12 synapses; at most 11"):
        network_tree(pairs, reader="x", framework="y", dt=1.0, step=0)
    with pytest.raises(BadInput, match=r"4e\+06 time steps"):
        network_tree({("a", "b"): single}, reader="x", framework="y", dt=1e-6, step=0)
    monkeypatch.setattr(arrays, "MOST_SYNAPSES", 5)
    with pytest.raises(BadInput, match="A projection has 6 synapses; at most 5"):
        dense_projection(np.ones((2, 3)), np.zeros((2, 3)), delay_max=4.0, rounding="none")


def test_hash_of__notices_a_change(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"a")
    first = arrays.hash_of(path)
    assert arrays.hash_of(path) == first == hashlib.sha256(b"a").hexdigest()
    path.write_bytes(b"ab")
    assert arrays.hash_of(path) == hashlib.sha256(b"ab").hexdigest()


@pytest.mark.parametrize("masked", ["weight", "delay", "present"])
def test_from_arrays__what_is_masked_is_absent(masked):
    rng = np.random.default_rng(0)
    given = {"weight": rng.normal(size=(5, 12)), "delay": rng.uniform(0, 20, (5, 12)), "present": np.ones((5, 12), bool)}
    absent = rng.random((5, 12)) < 0.3
    expected = from_arrays(**given | {"present": ~absent}, dt=1.0)
    given[masked] = np.ma.array(given[masked], mask=absent)
    given[masked].data[absent] = True if masked == "present" else np.nan
    answers = [from_arrays(**given, dt=1.0)]
    if masked == "weight":
        answers.append(from_arrays(list(given["weight"]), given["delay"], dt=1.0))
    for answer in answers:
        assert answer["projections/input__hidden1"].to_dataset().identical(expected["projections/input__hidden1"].to_dataset())


def test_from_arrays__masked_delays_of_sources_take_all_their_synapses():
    table = from_arrays(np.ones((3, 4)), np.ma.masked_greater([1.0, 2.0, 9.0, 3.0], 5.0), dt=1.0)["projections/input__hidden1"]
    assert set(table.source.values.tolist()) == {0, 1, 3}
    assert table.attrs["delay_max"] == 3.0


@pytest.mark.parametrize("masked", ["weight", "delay", "present", "sigma"])
def test_dense_projection__refuses_what_is_masked(masked):
    arrays = {name: np.ones((2, 3)) for name in ("weight", "delay", "sigma")} | {"present": np.ones((2, 3), bool)}
    arrays[masked] = np.ma.array(arrays[masked], mask=np.eye(2, 3, dtype=bool))
    with pytest.raises(BadInput, match="are masked; leave them out"):
        dense_projection(**arrays, delay_max=5.0, rounding="none")


def test_from_arrays__continuous_delays_have_dt_0():
    random = np.random.default_rng(0)
    tree = from_arrays(random.normal(size=(3, 4)), delay := random.uniform(0, 7, (3, 4)), dt=0)
    assert tree.attrs["dt"] == 0
    assert tree["projections/input__hidden1"].attrs["delay_max"] == delay.max()
    with pytest.raises(BadInput, match="rounds its delays"):
        from_arrays(np.ones((3, 4)), delay, dt=0.0, rounding="floor")
