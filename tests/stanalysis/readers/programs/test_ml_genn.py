from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from stanalysis import receptive_fields
from stanalysis.errors import BadInput
from stanalysis.readers.formats.containers import open_container
from stanalysis.readers.options import Options
from stanalysis.readers.programs.ml_genn import read, recognises
from stanalysis.readers.programs.ml_genn_sizes import ends_of, solve_sizes
from stanalysis.synthetic.network import event_based_network

N_IN, N_HID, N_OUT = 7, 4, 3
MOST = 20  # steps
DT = 0.5  # ms
ENOUGH = Options(dt=DT, max_delay=MOST * DT, neurons=("Pop3=7",))
FEED, BACK, OUT = "Conn_Pop3_Pop0", "Conn_Pop0_Pop0", "Conn_Pop0_Pop5"  # a counter numbers populations: names mean nothing


def save(folder, **arrays):
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def dense(rng, prefix="", delays=(FEED, BACK)):
    """Files of a network as ml_genn saves them: flat, delays in steps, beyond the clamp on both sides."""
    sizes = {FEED: N_IN * N_HID, BACK: N_HID**2, OUT: N_HID * N_OUT}
    arrays = {f"{prefix}{name}-g": rng.normal(size=n).astype(np.float32) for name, n in sizes.items()}
    return arrays | {f"{prefix}{name}-d": rng.uniform(-5, 30, sizes[name]).astype(np.float32) for name in delays}


def open_and_read(folder, options=ENOUGH):
    return read(open_container(folder), options)


def brute_force(weight, delay, shape, places=None):
    """Field (target, source, bin) of flat weights and delays in steps, rounded and clamped as GeNN does."""
    places = list(product(range(shape[0]), range(shape[1]))) if places is None else places
    field = np.zeros((shape[1], shape[0], MOST + 1))
    for (source, target), w, d in zip(places, weight, delay, strict=True):
        field[target, source, min(max(int(np.floor(d + 0.5)), 0), MOST)] += w
    return field


def test_read__receptive_fields_equal_those_from_the_files_by_loops(tmp_path):
    arrays = dense(np.random.default_rng(0), "12-")
    tree = open_and_read(save(tmp_path, **arrays)).checkpoints[13]
    for name, shape, projection in ((FEED, (N_IN, N_HID), "Pop3__Pop0"), (BACK, (N_HID, N_HID), "Pop0__Pop0")):
        field = receptive_fields(tree, projection).receptive_field.values[0]
        expected = brute_force(arrays[f"12-{name}-g"], arrays[f"12-{name}-d"], shape)
        np.testing.assert_allclose(field, expected, rtol=0, atol=1e-6)
        assert tree[f"projections/{projection}"].attrs["rounding"] == "half up"


def test_read__arrays_are_source_by_target_row_by_row(tmp_path):
    arrays = dense(np.random.default_rng(1), "0-")
    table = open_and_read(save(tmp_path, **arrays)).checkpoints[1]["projections/Pop3__Pop0"].to_dataset()
    at = table.source.values * N_HID + table.target.values
    np.testing.assert_array_equal(table.weight.values, arrays[f"0-{FEED}-g"][at])


def test_read__delays_stay_as_learned_and_round_half_up(tmp_path):
    arrays = {"0-Conn_Pop0_Pop0-g": np.ones(4), "0-Conn_Pop0_Pop0-d": np.array([0.5, 1.5, 2.5, 2.49])}
    tree = open_and_read(save(tmp_path, **arrays), Options(dt=1.0, max_delay=5.0)).checkpoints[1]
    table = tree["projections/Pop0__Pop0"].to_dataset()
    np.testing.assert_array_equal(table.delay.values, [0.5, 2.5, 1.5, 2.49])  # target by target
    field = receptive_fields(tree, "Pop0__Pop0").receptive_field.values[0]
    assert [int(field[t, s].argmax()) for s, t in product(range(2), range(2))] == [1, 2, 3, 2]


def test_read__delays_that_are_not_clamped_in_the_file_are_clamped(tmp_path):
    arrays = {"0-Conn_a_a-g": np.ones(4), "0-Conn_a_a-d": np.array([-3.0, 1e29, 7.0, 2.0], np.float32)}
    tree = open_and_read(save(tmp_path, **arrays), Options(dt=0.3, max_delay=1.5)).checkpoints[1]
    np.testing.assert_allclose(np.sort(tree["projections/a__a"].delay.values), [0, 0.6, 1.5, 1.5])


def test_read__connections_without_delays_have_delay_0_and_a_note(tmp_path):
    result = open_and_read(save(tmp_path, **dense(np.random.default_rng(0), "3-")))
    assert not result.checkpoints[4]["projections/Pop0__Pop5"].delay.values.any()
    assert [note for note in result.notes if "no delays of the connection Conn_Pop0_Pop5" in note]


def test_read__an_epoch_series_gives_a_checkpoint_each_and_leaves_words_out(tmp_path):
    rng = np.random.default_rng(0)
    series = {f"{k}-": dense(rng, f"{k}-") for k in (0, 2, 10, "best")}
    save(tmp_path, **{name: array for arrays in series.values() for name, array in arrays.items()}, losses=np.ones(3))
    result = open_and_read(tmp_path)
    assert list(result.checkpoints) == [1, 3, 11]
    assert [tree.attrs["step"] for tree in result.checkpoints.values()] == [1, 3, 11]
    assert any("'best' are left out" in note for note in result.notes)
    at = result.checkpoints[11]["projections/Pop0__Pop0"]
    np.testing.assert_array_equal(at.weight.values.reshape(4, 4).T.ravel(), series["10-"][f"10-{BACK}-g"])
    assert all(path.suffix == ".npy" and "losses" not in path.name for path in result.files)


@pytest.mark.parametrize("prefix", ["best-", ""])
def test_read__a_word_or_nothing_before_the_names_is_one_checkpoint(tmp_path, prefix):
    save(tmp_path, **dense(np.random.default_rng(0), prefix))
    assert list(open_and_read(tmp_path).checkpoints) == [1]
    options = Options(dt=DT, max_delay=MOST * DT, neurons=("Pop3=7",), network_step=40)
    assert list(open_and_read(tmp_path, options).checkpoints) == [40]


def test_read__two_numbers_of_one_epoch_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    save(tmp_path, **dense(rng, "1-"), **dense(rng, "01-"))
    with pytest.raises(BadInput, match="same epoch"):
        open_and_read(tmp_path)


def test_read__two_words_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    save(tmp_path, **dense(rng, "best-"), **dense(rng, "last-"))
    with pytest.raises(BadInput, match="'best', 'last' and no epochs"):
        open_and_read(tmp_path)


def sparse(rng, prefix, n=11):
    at = rng.choice(N_IN * N_HID, n, replace=False)
    arrays = {"g": rng.normal(size=n).astype(np.float32), "d": rng.uniform(-5, 30, n).astype(np.float32)}
    arrays |= {"pre_ind": (at // N_HID).astype(np.uint32), "post_ind": (at % N_HID).astype(np.uint32)}
    return {f"{prefix}{FEED}-{variable}": array for variable, array in arrays.items()}


def test_read__sparse_connections_are_placed_by_their_indices(tmp_path):
    rng = np.random.default_rng(2)
    arrays = dense(rng, "5-") | sparse(rng, "5-")
    tree = open_and_read(save(tmp_path, **arrays)).checkpoints[6]
    fields = receptive_fields(tree, "Pop3__Pop0")
    places = list(zip(arrays[f"5-{FEED}-pre_ind"].tolist(), arrays[f"5-{FEED}-post_ind"].tolist(), strict=True))
    expected = brute_force(arrays[f"5-{FEED}-g"], arrays[f"5-{FEED}-d"], (N_IN, N_HID), places)
    np.testing.assert_allclose(fields.receptive_field.values[0], expected, rtol=0, atol=1e-6)
    assert int(fields.present.sum()) == len(places)  # absent is no row


def test_read__two_synapses_of_a_pair_are_contacts(tmp_path):
    index = np.array([0, 0, 1], np.int32)
    values = {"g": np.ones(3), "d": np.arange(3.0), "pre_ind": index, "post_ind": index}
    save(tmp_path, **{f"Conn_a_b-{variable}": array for variable, array in values.items()})
    tree = open_and_read(tmp_path, Options(dt=1.0, max_delay=5.0, neurons=("a=2", "b=2"))).checkpoints[1]
    np.testing.assert_array_equal(tree["projections/a__b"].contact.values, [0, 1, 0])


def test_read__epochs_whose_connectivity_was_not_saved_are_left_out(tmp_path):
    rng = np.random.default_rng(2)
    early = {name: array for name, array in sparse(rng, "0-").items() if "ind" not in name}
    save(tmp_path, **dense(rng, "0-") | early, **dense(rng, "1-") | sparse(rng, "1-"))
    result = open_and_read(tmp_path)
    assert list(result.checkpoints) == [2]
    assert any("1 of 2 epochs are left out" in note for note in result.notes)


def test_read__connectivity_saved_apart_from_the_weights_is_refused(tmp_path):
    rng = np.random.default_rng(2)
    arrays = dense(rng, "0-") | sparse(rng, "0-")
    save(tmp_path, **{name.replace("0-", "last-", 1) if "ind" in name else name: array for name, array in arrays.items()})
    with pytest.raises(BadInput, match=r"connectivity of Conn_Pop3_Pop0 .* is not saved with its weights"):
        open_and_read(tmp_path)


@pytest.mark.parametrize(("missing", "named"), [(f"1-{OUT}-g", f"{OUT}-g.npy"), (f"0-{BACK}-d", f"{BACK}-d.npy")])
def test_read__a_half_copied_folder_is_refused(tmp_path, missing, named):
    rng = np.random.default_rng(0)
    save(tmp_path, **dense(rng, "0-"), **dense(rng, "1-"))
    (tmp_path / f"{missing}.npy").unlink()
    with pytest.raises(BadInput, match=f"{missing[0]}-{named} is missing"):
        open_and_read(tmp_path)


def test_read__positions_give_the_delays_that_are_missing_and_the_population_table(tmp_path):
    rng = np.random.default_rng(3)
    arrays = dense(rng, "4-", delays=(FEED,))
    position = rng.normal(0, 5, (3, N_HID))
    save(tmp_path, **arrays, **{f"4-Pos{k}": values for k, values in enumerate(position)})
    result = open_and_read(tmp_path)
    tree = result.checkpoints[5]
    distance = [np.sqrt(((position[:, s] - position[:, t]) ** 2).sum()) for s, t in product(range(N_HID), range(N_HID))]
    expected = brute_force(arrays[f"4-{BACK}-g"], distance, (N_HID, N_HID))
    np.testing.assert_allclose(receptive_fields(tree, "Pop0__Pop0").receptive_field.values[0], expected, rtol=0, atol=1e-6)
    for axis, values in zip("xyz", position, strict=True):
        np.testing.assert_allclose(tree[f"populations/Pop0/{axis}"].values, values * DT)
    assert not any("no delays of the connection Conn_Pop0_Pop0" in note for note in result.notes)


def test_read__delays_that_were_saved_win_over_positions_of_older_scripts(tmp_path):
    arrays = dense(np.random.default_rng(3), "best-")
    save(tmp_path, **arrays, XPos=np.arange(4.0), YPos=np.zeros(4))
    tree = open_and_read(tmp_path).checkpoints[1]
    expected = brute_force(arrays[f"best-{BACK}-g"], arrays[f"best-{BACK}-d"], (N_HID, N_HID))
    np.testing.assert_allclose(receptive_fields(tree, "Pop0__Pop0").receptive_field.values[0], expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(tree["populations/Pop0/x"].values, np.arange(4.0) * DT)
    assert "z" not in tree["populations/Pop0"]


def test_read__positions_without_an_epoch_are_left_out_of_a_series(tmp_path):
    rng = np.random.default_rng(0)
    result = open_and_read(save(tmp_path, **dense(rng, "0-"), **dense(rng, "1-"), XPos=np.zeros(N_HID)))
    assert "x" not in result.checkpoints[1]["populations/Pop0"]
    assert any("positions without an epoch" in note for note in result.notes)


def test_read__positions_without_a_recurrent_connection_are_left_out(tmp_path):
    save(tmp_path, **{"0-Conn_a_b-g": np.ones(6), "0-Pos0": np.zeros(2)})
    result = open_and_read(tmp_path, Options(dt=1.0, neurons=("a=2",)))
    assert any("positions are left out" in note for note in result.notes)


def test_read__all_that_is_missing_is_named_at_once_with_the_longest_delay(tmp_path):
    arrays = dense(np.random.default_rng(0), "0-")
    arrays[f"0-{FEED}-d"][3] = 123.5
    save(tmp_path, **{name: array for name, array in arrays.items() if BACK not in name})
    wanted = r"--dt .*--max-delay .*the longest found is 123.5 steps.*--neurons \(Pop\d=…: the \d+ weights of .* × "
    with pytest.raises(BadInput, match=wanted):
        open_and_read(tmp_path, Options())


def test_read__sizes_that_are_not_enough_ask_for_more(tmp_path):
    save(tmp_path, **{"0-Conn_a_b-g": np.ones(6), "0-Conn_c_d-g": np.ones(6)})
    with pytest.raises(BadInput, match=r"not enough; give also c=…: the 6 weights of Conn_c_d are those of c × d"):
        open_and_read(tmp_path, Options(dt=1.0, neurons=("a=2",)))
    index = {"0-Conn_e_f-g": np.ones(1), "0-Conn_e_f-pre_ind": np.array([4]), "0-Conn_e_f-post_ind": np.array([2])}
    with pytest.raises(BadInput, match=r"e=…: at least 5, by its indices, f=…: at least 3"):
        open_and_read(save(tmp_path / "sparse", **index), Options(dt=1.0))


@pytest.mark.parametrize("neurons", [("Pop3=8",), ("Pop3=7", "Pop0=5"), ("Pop3=7", "Pop9=5")])
def test_read__sizes_that_contradict_the_files_are_refused(tmp_path, neurons):
    save(tmp_path, **dense(np.random.default_rng(0), "0-"))
    with pytest.raises(BadInput, match="neurons"):
        open_and_read(tmp_path, Options(dt=DT, max_delay=MOST * DT, neurons=neurons))


def test_ends_of__names_with_underscores_are_split_by_those_that_occur_elsewhere():
    names = ["Conn_in_layer_hid_layer", "Conn_hid_layer_hid_layer", "Conn_hid_layer_out_layer"]
    ends, notes = ends_of(names, [])
    assert list(ends.values()) == [("in_layer", "hid_layer"), ("hid_layer", "hid_layer"), ("hid_layer", "out_layer")]
    assert len(notes) == 3


def test_ends_of__names_that_can_be_split_in_several_ways_need_the_names_of_the_user():
    with pytest.raises(BadInput, match="several ways"):
        ends_of(["in_put_hidden"], [])
    assert ends_of(["in_put_hidden"], ["in_put", "hidden"])[0] == {"in_put_hidden": ("in_put", "hidden")}
    many = [f"Conn_{'_'.join(f'a{k}{j}' for j in range(9))}" for k in range(9)]
    with pytest.raises(BadInput, match="several ways"):
        ends_of(many, [])


def test_ends_of__a_name_of_one_word_is_refused():
    with pytest.raises(BadInput, match="'forward' does not name"):
        ends_of(["forward"], [])


def test_solve_sizes__follows_chains_from_one_size():
    ends = {"a": ("p", "q"), "b": ("r", "s"), "c": ("q", "r")}
    assert solve_sizes(ends, {"a": 6, "b": 20, "c": 12}, {"s": 5}) == {"p": 2, "q": 3, "r": 4, "s": 5}


@pytest.mark.parametrize(("n_weights", "given"), [({"a": 10}, {}), ({"b": 6}, {"p": 4}), ({"b": 6}, {"p": 9})])
def test_solve_sizes__numbers_that_do_not_divide_are_refused(n_weights, given):
    with pytest.raises(BadInput, match="neurons"):
        solve_sizes({"a": ("p", "p"), "b": ("p", "q")}, n_weights, given)


BAD = {
    "square": {"g": np.ones((4, 4))},
    "empty": {"g": np.ones(0)},
    "nan": {"g": np.full(16, np.nan)},
    "text": {"g": np.array(["a"] * 16)},
    "complex": {"g": np.ones(16, complex)},
    "bool": {"g": np.ones(16, bool)},
    "scalar": {"g": np.float64(3)},
    "not a square": {"g": np.ones(15)},
    "object": {"g": np.array({"a": 1}, object)},
    "delays infinite": {"d": np.full(16, np.inf)},
    "delays few": {"d": np.ones(15)},
    "one index": {"pre_ind": np.zeros(16, int)},
    "index real": {"pre_ind": np.zeros(16), "post_ind": np.zeros(16, int)},
    "index beyond": {"pre_ind": np.full(16, 4), "post_ind": np.zeros(16, int)},
    "index negative": {"pre_ind": np.full(16, -1), "post_ind": np.zeros(16, int)},
    "index few": {"pre_ind": np.zeros(9, int), "post_ind": np.zeros(16, int)},
}


@pytest.mark.parametrize("name", BAD)
def test_read__files_that_do_not_fit_are_refused_in_a_sentence(tmp_path, name):
    arrays = {"g": np.ones(16), "d": np.ones(16)} | BAD[name]
    save(tmp_path, **{f"0-Conn_a_a-{variable}": array for variable, array in arrays.items()})
    with pytest.raises(BadInput):
        open_and_read(tmp_path, Options(dt=1.0, max_delay=5.0, neurons=("a=4",)))


@pytest.mark.parametrize("positions", [{"0-Pos0": np.zeros(5)}, {"0-Pos0": np.zeros((2, 2))}, {"0-Pos0": np.full(4, np.nan)}])
def test_read__positions_that_do_not_fit_are_refused_in_a_sentence(tmp_path, positions):
    save(tmp_path, **dense(np.random.default_rng(0), "0-"), **positions)
    with pytest.raises(BadInput):
        open_and_read(tmp_path)


def test_read__two_connections_between_the_same_populations_are_refused(tmp_path):
    save(tmp_path, **{"0-Conn_a_b-g": np.ones(6), "0-a_b-g": np.ones(6)})
    with pytest.raises(BadInput, match="Two connections join a and b"):
        open_and_read(tmp_path, Options(dt=1.0, neurons=("a=2",)))


def test_recognises__folders_with_weights_only(tmp_path):
    assert recognises(open_container(save(tmp_path / "a", **{"best-Conn_a_b-g": np.ones(6)})))
    assert not recognises(open_container(save(tmp_path / "b", **{"losses": np.ones(3), "x-d": np.ones(3), "g": np.ones(2)})))
    assert not recognises(open_container(save(tmp_path / "c", **{"0-Conn_a_b-pre_ind": np.ones(6)})))
    np.save(tmp_path / "Conn_a_b-g.npy", np.ones(6))
    assert not recognises(open_container(tmp_path / "Conn_a_b-g.npy"))


def test_read__epochs_of_any_number_of_digits(tmp_path):
    rng = np.random.default_rng(0)
    save(tmp_path, **dense(rng, "99-"), **dense(rng, "100-"))
    assert list(open_and_read(tmp_path).checkpoints) == [100, 101]


@pytest.mark.parametrize(("max_delay", "longest"), [(None, 1.0), (0.0, 1.0), (50.0, 50.0)])
def test_read__a_network_without_delays_has_the_plane_that_is_given_or_one_of_two_bins(tmp_path, max_delay, longest):
    arrays = dense(np.random.default_rng(0), "3-", delays=())
    tree = open_and_read(save(tmp_path, **arrays), Options(dt=1.0, max_delay=max_delay)).checkpoints[4]
    assert {table.attrs["delay_max"] for table in tree["projections"].children.values()} == {longest}


def test_read__a_connection_without_delays_beside_others_with_them_has_a_plane_of_two_bins(tmp_path):
    tree = open_and_read(save(tmp_path, **dense(np.random.default_rng(0), "3-"))).checkpoints[4]
    longest = {pair: table.attrs["delay_max"] for pair, table in tree["projections"].children.items()}
    assert longest == {"Pop3__Pop0": MOST * DT, "Pop0__Pop0": MOST * DT, "Pop0__Pop5": DT}


def test_read__populations_of_one_name_are_refused(tmp_path):
    np.save(tmp_path / "0-Conn_in_hid-g.npy", np.ones(6, np.float32))
    np.save(tmp_path / "0-Conn_hid._out-g.npy", np.ones(6, np.float32))
    with pytest.raises(BadInput, match="would have the same name"):
        open_and_read(tmp_path, Options(dt=1.0, neurons=("in=2", "hid.=3")))


@pytest.mark.parametrize("kept", [None, 20])
def test_read__a_network_written_in_this_layout_is_read_as_it_is(tmp_path, kept):
    """Dense, or ``kept`` of each projection as a sparse one; the recurrent projection has delays like the first."""
    network = event_based_network(dt=1.0)
    names = {"input__hidden1": "Conn_Pop0_Pop1", "hidden1__hidden1": "Conn_Pop1_Pop1", "hidden1__output": "Conn_Pop1_Pop2"}
    tables, arrays = {}, {}
    for projection, name in names.items():
        table = network[f"projections/{projection}"].to_dataset()
        table = table.isel(synapse=np.lexsort((table.target.values, table.source.values)))[
            ["source", "target", "weight", "delay"]
        ]
        if kept is not None and projection != "hidden1__output":
            rows = np.sort(np.random.default_rng(0).choice(table.sizes["synapse"], kept, replace=False))
            table = table.isel(synapse=rows)
            arrays |= {f"7-{name}-pre_ind": table.source.values, f"7-{name}-post_ind": table.target.values}
        arrays[f"7-{name}-g"] = table.weight.values
        if projection != "hidden1__output":
            arrays[f"7-{name}-d"] = table.delay.values
        tables[name] = table
    sizes = ("Pop0=12", "Pop1=6", "Pop2=3")
    tree = open_and_read(save(tmp_path, **arrays), Options(dt=1.0, max_delay=30.0, neurons=sizes)).checkpoints[8]
    for name, table in tables.items():
        read_back = tree[f"projections/{name.removeprefix('Conn_').replace('_', '__')}"].to_dataset()
        order = np.lexsort((read_back.target.values, read_back.source.values))
        for column in ("source", "target", "weight", "delay"):
            np.testing.assert_allclose(read_back[column].values[order], table[column].values, rtol=1e-7, err_msg=name)
