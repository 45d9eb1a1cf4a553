from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stanalysis.analysis.lives.one_network import lives_of_projection
from stanalysis.errors import BadInput
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.readers import choosing
from stanalysis.readers.formats.containers import Container, open_container
from stanalysis.readers.options import Options
from stanalysis.readers.programs import dcls, delrec

FILES = Path(__file__).parents[1] / "files"
DT = 0.1
RNG = np.random.default_rng(0)


def held(content, path=FILES / "dcls_gauss.pt"):
    return Container(path, "torch", content)


def read(content, **options):
    container = content if isinstance(content, Container) else held(content)
    given_options = {"dt": 1.0, "kernel_size": 5, "left_padding": 4} | options
    return dcls.read(container, Options(**given_options))


def tree_of(content, **options):
    return next(iter(read(content, **options).checkpoints.values()))


def table_of(content, name="input__hidden1", **options):
    return tree_of(content, **options)[f"projections/{name}"].to_dataset()


def layer(n_out=3, n_in=4, kernel_count=1, *, prefix="", half=2, sigma=0.5, seed=0):
    rng = np.random.default_rng(seed)
    shape = (n_out, n_in, kernel_count)
    made = {"weight": rng.normal(size=shape).astype(np.float32), "P": rng.uniform(-half, half, size=(1, *shape))}
    if sigma is not None:
        made["SIG"] = np.full((1, *shape), sigma)
    return {f"{prefix}{name}": array for name, array in made.items()}


def norm(n, prefix, gain=1.0):
    parts = {"weight": gain, "bias": 0.0, "running_mean": 0.1, "running_var": 2.0}
    return {f"{prefix}{name}": np.full(n, value, np.float32) for name, value in parts.items()}


def answer(name, kernel, *, pair="input__hidden1", **options):
    """What the original layer answers, and what receptive fields give, by plain loops."""
    saved = np.load(FILES / f"dcls_{name}.npz")
    network = dcls.read(
        open_container(FILES / f"dcls_{options.pop('file', name)}.pt"),
        Options(dt=DT, left_padding=int(saved["left_padding"]), **options),
    )
    field = receptive_fields(next(iter(network.checkpoints.values())), pair, kernel=kernel).receptive_field[0]
    return saved, loops(field.values, saved["input"])


def loops(field, x):
    out = np.zeros((len(x), field.shape[0]))
    for j, i, d in zip(*np.nonzero(field), strict=True):
        for t in range(d, len(x)):
            out[t, j] += field[j, i, d] * x[t - d, i]
    return out


DEPLOYED = [
    ("gauss", {"kernel_size": 25}),
    ("two_contacts", {"kernel_size": 25}),
    ("odd_centre", {"kernel_size": 23}),
    ("more_padding", {"kernel_size": 25}),
    ("even", {"kernel_size": 24}),
    ("max", {"kernel_size": 25}),
    ("groups", {"kernel_size": 25, "neurons": ("input=6",)}),
    ("plane", {"kernel_size": 5, "time_axis": 0}),
    ("axonal", {"kernel_size": 25}),
    ("dendritic", {"kernel_size": 25}),
    ("rewired_0", {"kernel_size": 25, "file": "rewired"}),
    ("rewired_4", {"kernel_size": 25, "file": "rewired", "pair": "hidden1__output"}),
]


@pytest.mark.parametrize(("name", "options"), DEPLOYED)
def test_read__rebuilds_what_the_original_answers_when_deployed(name, options):
    saved, rebuilt = answer(name, "deployed", **options)
    np.testing.assert_allclose(rebuilt[: len(saved["deployed"])], saved["deployed"][: len(rebuilt)], atol=1e-6)


@pytest.mark.parametrize(("name", "options"), [case for case in DEPLOYED if case[0] not in ("even", "max", "more_padding")])
def test_read__rebuilds_what_the_original_answers_while_training(name, options):
    saved, rebuilt = answer(name, "training", **options)
    np.testing.assert_allclose(rebuilt, saved["trained"], atol=1e-6)


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_read__rebuilds_layers_without_sig_from_delays_between_steps(version):
    saved = np.load(FILES / f"dcls_{version}.npz")
    container = open_container(FILES / f"dcls_{version}.pt")
    table = table_of(container, dt=DT, kernel_size=25, left_padding=24)
    assert table.attrs["rounding"] == "none"
    assert "sigma" not in table
    x, out = saved["input"], np.zeros_like(saved["trained"], dtype=float)
    for i, j, delay, w in zip(*(table[c].values for c in ("source", "target", "delay", "weight")), strict=True):
        before = int(np.floor(delay / DT + 1e-9))
        share = delay / DT - before
        for t in range(len(x)):
            early = x[t - before, i] if t >= before else 0.0
            late = x[t - before - 1, i] if t > before else 0.0
            out[t, j] += w * ((1 - share) * early + share * late)
    np.testing.assert_allclose(out, saved["trained"], atol=1e-6)


@pytest.mark.parametrize("kernel_size", [5, 7, 6])
@pytest.mark.parametrize("left_padding", [6, 7, 8])
def test_read__equals_a_brute_force_field(kernel_size, left_padding):
    arrays = layer(4, 5, 2, half=kernel_size // 2)
    arrays["P"][0, 0, :, 0] = [-1.5, -0.5, 0.5, 1.5, kernel_size // 2]
    tree = tree_of(arrays, kernel_size=kernel_size, left_padding=left_padding, dt=DT)
    field = receptive_fields(tree, "input__hidden1").receptive_field[0].values
    expected = np.zeros((4, 5, left_padding + 1))
    for (j, i, k), w in np.ndenumerate(arrays["weight"]):
        n = round(arrays["P"][0, j, i, k]) + kernel_size // 2  # Python rounds half to even
        if n < kernel_size:
            expected[j, i, left_padding - n] += w
    np.testing.assert_allclose(field, expected, rtol=1e-6)


def test_read__positions_are_centred_and_reversed():
    arrays = layer(1, 3) | {"P": np.array([-12.0, 0.0, 12.0]).reshape(1, 1, 3, 1)}
    table = table_of(arrays, kernel_size=25, left_padding=24, dt=10.0)
    assert table.delay.values.tolist() == [240.0, 120.0, 0.0]
    assert table.attrs["delay_max"] == 240.0


def test_read__delays_are_those_learned_and_ties_go_where_the_network_rounds_them():
    arrays = layer(1, 4) | {"P": np.array([-0.5, 0.5, 1.5, 0.3]).reshape(1, 1, 4, 1)}
    even, odd = (table_of(arrays, left_padding=padding) for padding in (4, 5))
    assert even.delay.values.tolist() == [2.5, 1.5, 0.5, 1.7]
    assert (even.attrs["rounding"], odd.attrs["rounding"]) == ("half even", "half odd")
    for padding in (4, 5):
        fields = receptive_fields(tree_of(arrays, left_padding=padding), "input__hidden1")
        assert fields.present[0, 0].values.argmax(axis=1).tolist() == [padding - 2 - p for p in (0, 0, 2, 0)]


def test_read__the_last_position_of_an_even_kernel_is_silent():
    arrays = layer(1, 3) | {"P": np.array([3.0, 2.6, 2.4]).reshape(1, 1, 3, 1)}
    network = read(arrays, kernel_size=6, left_padding=5)
    table = network.checkpoints[1]["projections/input__hidden1"].to_dataset()
    assert table.source.values.tolist() == [2]
    assert table.delay.values.tolist() == [0.0]
    assert any("2 synapses lie beyond the end of the kernel" in note for note in network.notes)
    assert any("1 synapses lie less than a step beyond" in note for note in network.notes)


def test_read__sigma_is_wider_than_sig_by_what_dcls_adds():
    arrays = layer(1, 2) | {"SIG": np.array([-0.5, 0.0]).reshape(1, 1, 2, 1)}
    np.testing.assert_allclose(table_of(arrays, dt=10.0).sigma, [7.7, 2.7])


def test_read__sig_of_0_everywhere_is_no_spread_but_rounds():
    table = table_of(layer(sigma=0.0))
    assert "sigma" not in table
    assert table.attrs["rounding"] == "half even"


def test_read__padding_and_size_and_dt_are_required_with_a_bound_from_the_positions():
    arrays = layer() | {"P": np.full((1, 3, 4, 1), -11.3)}
    with pytest.raises(BadInput, match=r"--dt .*--kernel-size .*at least 24 steps, 25 if it is odd.*11\.3.*--left-padding"):
        dcls.read(held(arrays), Options())


@pytest.mark.parametrize(("size", "fits"), [(3, False), (4, True), (5, True)])
def test_read__a_kernel_too_small_for_the_positions_is_refused(size, fits):
    arrays = layer() | {"P": np.full((1, 3, 4, 1), -1.8)}
    if fits:
        read(arrays, kernel_size=size, left_padding=4)
    else:
        with pytest.raises(BadInput, match="--kernel-size is 3; give at least 4 steps"):
            read(arrays, kernel_size=size)


def test_read__a_padding_with_which_synapses_act_before_their_spikes_is_refused():
    arrays = layer() | {"P": np.full((1, 3, 4, 1), 2.0)}
    with pytest.raises(BadInput, match="1 steps before their spikes; give a left padding of at least 4"):
        read(arrays, left_padding=3)


def test_read__what_died_is_absent_and_what_was_just_born_is_there():
    arrays = layer(1, 5) | {"weight": np.array([0.5, -1e-4, 0.0, 1e-12, 2.0], np.float32).reshape(1, 5, 1)}
    arrays["sign"] = np.array([1.0, -1.0, 1.0, -1.0, -1.0]).reshape(1, 5, 1)
    table = table_of(arrays)
    assert table.source.values.tolist() == [0, 3, 4]
    np.testing.assert_array_equal(table.weight, np.array([0.5, -1e-12, -2.0], np.float32))


def test_read__weights_with_signs_of_which_none_is_masked_all_count():
    arrays = layer(4, 5)  # the dense networks of spatiotemporal have signs, too
    arrays["sign"] = np.where(np.arange(20).reshape(4, 5, 1) % 3, 1.0, -1.0)
    network = read(arrays)
    table = network.checkpoints[1]["projections/input__hidden1"]
    np.testing.assert_array_equal(table.weight, (arrays["weight"] * arrays["sign"]).astype(np.float32).ravel())
    assert not any("died" in note for note in network.notes)


def test_read__one_of_several_networks_in_a_file_is_told():
    single, other = layer(3, 3, seed=1), layer(3, 3, seed=2)
    network = read({"model_ema": other, "model": single})
    np.testing.assert_array_equal(network.checkpoints[1]["projections/input__hidden1"].weight, single["weight"].ravel())
    assert any("other networks in the file are left out: 'model_ema'" in note for note in network.notes)
    with pytest.raises(BadInput, match=r"several networks \('last', 'best'\)"):
        read({"last": single, "best": other})


def test_read__positions_a_little_beyond_the_kernel_are_clamped_as_in_the_deployed_network():
    arrays = layer(1, 3) | {"P": np.array([2.3, -2.1, 0.0]).reshape(1, 1, 3, 1)}
    network = read(arrays)
    assert network.checkpoints[1]["projections/input__hidden1"].delay.values.tolist() == [0.0, 4.0, 2.0]
    assert any("2 positions lie beyond the kernel and are clamped to ±2" in note for note in network.notes)
    arrays["P"] = np.full((1, 1, 3, 1), 2.6)
    with pytest.raises(BadInput, match=r"--kernel-size is 5; give at least 6 steps, 7 if it is odd, for positions reach 2.6"):
        read(arrays)


def test_read__more_layers_than_a_network_has_are_refused():
    layers = {name: array for k in range(201) for name, array in layer(1, 1, prefix=f"l{k}.").items()}
    with pytest.raises(BadInput, match="201 layers with delays; at most 200"):
        read(layers)


def test_read__what_is_taken_for_granted_of_the_order_is_told():
    network = read(layer(4, 4, prefix="a.") | layer(2, 4, prefix="b.", seed=1) | {"b.bias": np.ones(2)})
    assert any(
        "a from input to hidden1, b from hidden1 to output; one with as many sources as targets could be recurrent" in note
        for note in network.notes
    )
    assert "Biases are left out: those of b." in network.notes


def test_read__a_normalisation_goes_with_the_layer_of_its_number():
    arrays = norm(3, "bn1.", gain=1.0) | layer(3, 4, prefix="l1.") | norm(3, "bn2.", gain=2.0) | layer(3, 3, prefix="l2.")
    tree = tree_of(arrays)
    assert (tree["populations/hidden1"].gain == 1).all()
    assert (tree["populations/output"].gain == 2).all()


def test_read__the_step_is_the_epoch_in_the_file_and_said_to_be():
    network = read({"state_dict": layer(), "epoch": 7})
    assert network.checkpoints[7].attrs["epoch"] == 7
    assert any("The step is the epoch stored in the file" in note for note in network.notes)
    assert "epoch" not in tree_of(layer()).attrs


def test_read__a_reborn_synapse_has_its_old_delay_and_is_followed_through_a_series():
    # the second synapse dies and is born again; the last is absent
    weights = ([1.0, 0.5, 2.0, 0.0], [1.0, -1e-3, 2.0, 0.0], [1.0, 1e-12, 2.0, 0.0])
    trees = []
    for step, weight in enumerate(weights):
        arrays = layer(1, 4) | {"weight": np.array(weight, np.float32).reshape(1, 4, 1), "sign": np.ones((1, 4, 1))}
        trees.append(tree_of(arrays, network_step=step))
    tables = [tree["projections/input__hidden1"] for tree in trees]
    assert [table.source.values.tolist() for table in tables] == [[0, 1, 2], [0, 2], [0, 1, 2]]
    assert tables[0].delay[1] == tables[2].delay[1]
    lives = lives_of_projection(trees, None, "input__hidden1", ms_per_source=1.0)["sightings"]
    assert sorted(lives.source.values.tolist()) == [0, 1, 1, 2]


@pytest.mark.parametrize(("n_channels", "dt"), [(40, 10.0), (140, 10.0), (700, 1.0)])
def test_read__what_the_channels_and_steps_of_the_input_are_is_not_guessed(n_channels, dt):
    tree = tree_of(layer(2, n_channels), dt=dt)
    assert tree["populations/input"].sizes["neuron"] == n_channels
    assert "frequency" not in tree["populations/input"]
    assert tree["projections/input__hidden1"].attrs["delay_max"] == 4 * dt


@pytest.mark.parametrize("shape", [(4,), (3, 4), (3, 4, 2), (1, 4, 1)])
def test_read__signs_are_by_source_or_pair_or_synapse_in_float64(shape):
    arrays = layer(3, 4, 2)
    arrays["weight"] = abs(arrays["weight"])
    arrays["sign"] = np.where(np.arange(np.prod(shape)).reshape(shape) % 3 == 0, -1.0, 1.0)
    table = table_of(arrays)
    assert table.weight.dtype == np.float32
    for i, j, k, w in zip(*(table[c].values for c in ("source", "target", "contact", "weight")), strict=True):
        index = {1: (i,), 2: (j, i), 3: (j % shape[0], i, k % shape[-1])}[len(shape)]
        assert np.sign(w) == arrays["sign"][index]


def test_read__zeros_without_signs_are_masked():
    arrays = layer()
    arrays["weight"][0] = 0.0
    network = read(arrays)
    assert network.checkpoints[1]["projections/input__hidden1"].sizes["synapse"] == 8
    assert any("4 weights are exactly 0: taken as masked" in note for note in network.notes)


def test_read__no_weight_of_0_is_noted_where_there_is_none():
    assert not any("exactly 0" in note for note in read(layer()).notes)


def test_read__magnitudes_whose_signs_were_not_saved_are_told():
    arrays = layer(20, 20)
    arrays["weight"] = abs(arrays["weight"])
    arrays["weight"][0] = 0.0
    arrays["weight"][1, 0] = -1e-5
    arrays["weight"][1, 1] = 1e-12
    network = read(arrays)
    table = network.checkpoints[1]["projections/input__hidden1"].to_dataset()
    assert (table.weight > 0).all()
    assert table.sizes["synapse"] == 379
    assert any("1 negative ones have just died" in note for note in network.notes)


@pytest.mark.parametrize("share", [0.0, 0.005, 0.02, 0.2])
def test_read__signs_count_as_lost_only_where_next_to_nothing_is_negative(share):
    arrays = layer(20, 50)
    weight = abs(arrays["weight"])
    weight[0] = 0.0
    weight[1:].reshape(-1)[: int(share * 950)] *= -1
    result = read(arrays | {"weight": weight}).checkpoints[1]["projections/input__hidden1"]
    lost = share < 0.01
    assert result.sizes["synapse"] == (950 - int(share * 950) if lost else 950)


def test_read__training_kernels_are_doubted_only_with_another_padding():
    said = "The left padding is not the kernel size less 1"
    assert any(said in note for note in read(layer(), left_padding=6).notes)
    assert not any(said in note for note in read(layer(), left_padding=4).notes)


@pytest.mark.parametrize("epoch", [2**60, -1, 2.5, "3", True, None])
def test_read__an_epoch_that_is_none_is_no_step(epoch):
    assert list(read({"state_dict": layer(), "epoch": epoch}).checkpoints) == [1]


def test_read__layers_form_a_chain_with_the_normalisation_of_their_targets():
    arrays = layer(3, 4, prefix="model.0.") | norm(3, "model.1.", gain=np.array([1.0, -2.0, 3.0]))
    arrays |= layer(2, 3, prefix="model.4.") | norm(2, "model.5.") | layer(5, 2, prefix="model.8.")
    network = read(arrays)
    tree = network.checkpoints[1]
    assert list(tree["projections"].children) == ["input__hidden1", "hidden1__hidden2", "hidden2__output"]
    hidden = tree["populations/hidden1"].to_dataset()
    assert hidden.gain.values.tolist() == [1.0, -2.0, 3.0]
    np.testing.assert_allclose(hidden.variance, 2.0 + 1e-5)
    assert "gain" not in tree["populations/output"]
    assert any("1 neurons of hidden1 have a negative gain" in note for note in network.notes)
    plain, folded = (receptive_fields(tree, "input__hidden1", fold_gain=fold).receptive_field[0] for fold in (False, True))
    np.testing.assert_allclose(folded[1], plain[1] * -2.0 / np.sqrt(2.0 + 1e-5), rtol=1e-6)


def test_read__a_normalisation_after_the_spikes_is_not_that_of_the_current():
    arrays = layer(3, 4, prefix="layers.0.") | norm(3, "layers.4.")
    network = read(arrays)
    assert "gain" not in network.checkpoints[1]["populations/hidden1"]
    assert any("layers.4 does not follow layers.0 directly" in note for note in network.notes)


def test_read__layers_that_form_no_chain_are_refused():
    with pytest.raises(BadInput, match="b takes 5 channels, but hidden1, before it in the file, has 3"):
        read(layer(3, 4, prefix="a.") | layer(3, 5, prefix="b."))


def test_read__layers_without_delays_are_left_out_and_keep_their_place():
    first = {"0.weight": np.ones((4, 7)), **layer(3, 4, prefix="5."), "9.weight": np.ones((2, 3))}
    network = read(first)
    assert list(network.checkpoints[1]["projections"].children) == ["hidden1__hidden2"]
    assert any("0 (input to hidden1), 9 (hidden2 to output)" in note for note in network.notes)


def test_read__groups_listen_to_their_own_sources():
    arrays = layer(6, 4, prefix="0.") | layer(4, 3, prefix="1.")
    table = table_of(arrays, "hidden1__output")
    assert table.attrs["n_source"] == 6
    pairs = set(zip(table.target.values.tolist(), table.source.values.tolist(), strict=True))
    assert pairs == {(j, (j // 2) * 3 + i) for j in range(4) for i in range(3)}


def test_read__one_delay_per_source_is_axonal_and_per_target_dendritic_by_their_order():
    delay = layer(3, 1, prefix="delay_layer.") | {"delay_layer.weight": np.array([1.0, 2.0, 0.5]).reshape(3, 1, 1)}
    weights = {"W.weight": np.arange(1.0, 10.0).reshape(3, 3)}
    for arrays, kind in ((delay | weights, "axonal"), (weights | delay, "dendritic")):
        table = table_of(arrays)
        assert table.attrs["delay_kind"] == kind
        for i, j, d, w in zip(*(table[c].values for c in ("source", "target", "delay", "weight")), strict=True):
            n = i if kind == "axonal" else j
            assert d == 2 - delay["delay_layer.P"][0, n, 0, 0]
            assert w == weights["W.weight"][j, i] * delay["delay_layer.weight"][n, 0, 0]


def test_read__delays_that_fit_no_side_of_their_weights_are_refused():
    arrays = layer(3, 1, prefix="delay_layer.") | {"W.weight": np.ones((3, 4))}
    with pytest.raises(BadInput, match="delays 3 channels before weights"):
        read(arrays)


@pytest.mark.parametrize("name", ["delay_scores", "m"])
def test_read__a_learned_mask_of_delays_is_refused(name):
    with pytest.raises(BadInput, match=f"'{name}' scores which delays are used"):
        read(layer() | {name: np.ones(4)})


def test_read__the_axis_of_time_is_required_in_two_dimensions():
    arrays = layer() | {name: RNG.uniform(0, 1, (2, 3, 4, 1)) for name in ("P", "SIG")}
    with pytest.raises(BadInput, match=r"--time-axis \(which of the 2 axes"):
        read(arrays)
    table = table_of(arrays, time_axis=1)
    np.testing.assert_allclose(table.delay, 2 - arrays["P"][1].ravel())
    np.testing.assert_allclose(table.sigma, arrays["SIG"][1].ravel() + 0.27)
    with pytest.raises(BadInput, match="--time-axis is 2, but positions have 2 axes"):
        read(arrays, time_axis=2)


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model", "net"])
def test_read__a_state_dict_may_lie_in_what_a_training_saved(wrapper):
    content = {"optimizer": layer(2, 2), wrapper: layer(), "epoch": 7}
    network = read(content)
    assert list(network.checkpoints) == [7]
    assert tree_of(content).attrs["framework"] == "DCLS"


def test_read__the_step_given_wins_and_an_unknown_one_is_noted():
    assert list(read({"net": layer(), "epoch": 7}, network_step=3).checkpoints) == [3]
    network = read(layer())
    assert list(network.checkpoints) == [1]
    assert any("which step of training" in note for note in network.notes)


def test_recognises__a_file_with_weights_and_positions_of_one_shape():
    assert dcls.recognises(open_container(FILES / "dcls_gauss.pt"))
    assert dcls.recognises(held(layer(prefix="module.model.0.")))
    assert not dcls.recognises(held({"weight": np.ones((3, 4, 1)), "P": np.ones((1, 4, 3, 1))}))
    assert not dcls.recognises(Container(FILES, "folder", {}))
    recurrent = {"recurrent_weights": np.ones((3, 3)), "recurrent_delays": np.ones(3)}
    assert not dcls.recognises(held(layer() | recurrent))
    assert delrec.recognises(held(layer() | recurrent))


BROKEN = [
    ({}, "No layer has"),
    (layer() | {"weight": np.ones((3, 4, 1), complex)}, "complex"),
    (layer() | {"weight": np.full((3, 4, 1), np.nan)}, "finite"),
    (layer() | {"P": np.full((1, 3, 4, 1), np.inf)}, "finite"),
    (layer() | {"SIG": np.ones((1, 3, 4, 2))}, "expected the same"),
    (layer() | {"sign": np.ones(5)}, "do not fit"),
    (layer(0, 4), "at least one"),
    ({"weight": np.ones((3, 4, 1)), "P": np.zeros((0, 3, 4, 1))}, "at least one"),
    ({"weight": np.ones((3, 4, 1)), "P": np.zeros((4, 3, 4, 1))}, "1 to 3"),
    (layer() | {"bn.weight": np.ones(3), "bn.bias": np.ones(3), "bn.running_mean": np.ones(3), "bn.running_var": -np.ones(3)},
     "running variance is negative"),
    (layer() | {"weight": np.full((3, 4, 1), 1e20, np.float32), "sign": np.full(4, 1e29)}, "too large"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), BROKEN)
def test_read__what_is_damaged_ends_in_a_sentence(content, message):
    with pytest.raises(BadInput, match=message):
        read(content)


NAMES = ["weight", "P", "SIG", "sign", "delay_scores", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"]
NAMES += [
    "delay_layer.weight",
    "delay_layer.P",
    "W.weight",
    "a.weight",
    "a.P",
    "recurrent_weights",
    "recurrent_delays",
    "epoch",
]
SHAPES = st.sampled_from([(), (2,), (1, 2), (2, 2), (2, 2, 1), (2, 1, 1), (2, 2, 2), (1, 2, 2, 1), (2, 2, 2, 2), (0, 2, 2)])
ARRAYS = hnp.arrays(st.sampled_from([np.float32, np.float64, np.float16, np.int64, np.uint8, np.bool_, np.complex64]), SHAPES)
VALUES = st.one_of(ARRAYS, st.none(), st.text(max_size=2), st.integers(), st.floats())


@settings(max_examples=150, deadline=None)
@given(content=st.dictionaries(st.sampled_from(NAMES), VALUES), whole=st.booleans(), reader=st.sampled_from([dcls, delrec]))
def test_read__any_content_is_read_or_refused(content, whole, reader):
    if whole:
        content = layer(2, 2) | content
    container = held({"net": content, "epoch": content.get("epoch")})
    assert isinstance(reader.recognises(container), bool)
    with contextlib.suppress(BadInput):
        reader.read(container, Options(dt=1.0, kernel_size=5, left_padding=4, max_delay=30.0, time_axis=0))


def test_read__a_dict_that_holds_itself_is_no_obstacle():
    content = layer()
    content["self"] = content
    assert dcls.recognises(held(content))
    read(content)


@pytest.mark.parametrize(("shape", "kind"), [((1, 1, 1), "axonal"), ((1, 4, 1), "axonal"), ((3, 1, 1), "dendritic")])
def test_read__positions_that_synapses_share_are_spread_over_them(shape, kind):
    arrays = layer(3, 4) | {"P": RNG.uniform(-2, 2, size=(1, *shape)), "SIG": np.full((1, *shape), 0.5)}
    assert dcls.recognises(held(arrays))
    table = table_of(arrays)
    np.testing.assert_allclose(table.delay, 2 - np.broadcast_to(arrays["P"][0, ..., 0], (3, 4)).ravel())
    np.testing.assert_array_equal(table.weight, arrays["weight"].ravel())
    assert table.attrs["delay_kind"] == kind


BRANCHES = [
    ["model.0.DCLS_inh.", "model.0.DCLS_exc.", "model.4.DCLS_inh.", "model.4.DCLS_exc."],
    ["DCLS_inh.", "DCLS_exc."],
    ["blocks.0.fast.", "blocks.0.slow.", "blocks.1.fast.", "blocks.1.slow."],
]


@pytest.mark.parametrize("prefixes", BRANCHES)
def test_read__branches_by_their_names_are_no_chain_whatever_their_sizes(prefixes):
    arrays = {name: array for prefix in prefixes for name, array in layer(5, 5, prefix=prefix).items()}
    with pytest.raises(BadInput, match="lie side by side in one module: by their names they are branches"):
        read(arrays)


def test_read__layers_of_a_module_with_a_matrix_between_them_are_branches():
    arrays = layer(5, 5, prefix="a.b.near.") | layer(5, 5, prefix="a.b.far.")
    read(arrays)
    read(arrays | {"a.b.w": np.ones((3, 5)), "w": np.ones((5, 5))})  # matrices of other things
    with pytest.raises(BadInput, match="branches"):
        read(arrays | {"a.b.w": np.ones((5, 5))})


@pytest.mark.parametrize("name", ["rec", "layer_recurrent", "wRec", "lateral"])
def test_read__a_layer_that_is_recurrent_by_its_name_is_no_link(name):
    for recurrent in (layer(5, 5, prefix=f"{name}."), {f"{name}.weight": np.ones((5, 5))}):
        with pytest.raises(BadInput, match=f"{name} is recurrent by its name"):
            read(layer(5, 4, prefix="first.") | recurrent | layer(2, 5, prefix="out."))


@pytest.mark.parametrize("prefixes", [("l1.", "l2."), ("net.0.", "net.3."), ("record.", "out."), ("hidden.", "readout.")])
def test_read__chains_with_square_layers_are_still_read(prefixes):
    network = read(layer(5, 5, prefix=prefixes[0]) | layer(5, 5, prefix=prefixes[1]))
    assert list(network.checkpoints[1]["projections"].children) == ["input__hidden1", "hidden1__output"]


def test_read__an_optimiser_and_counters_are_named_as_not_used(tmp_path, monkeypatch):
    content = {"net": layer(prefix="a.") | {"a.count": np.ones(2)}, "adam": {"m": np.ones(3), "v": np.ones(3)}}
    monkeypatch.setattr(choosing, "open_container", lambda path: held(content))
    notes = choosing.read_foreign(tmp_path, dt=1.0, kernel_size=5, left_padding=4).notes
    assert notes[-1] == "In the file, but not used: net.a.count, adam."
