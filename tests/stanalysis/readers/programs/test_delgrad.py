from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stanalysis import receptive_fields
from stanalysis.errors import BadInput
from stanalysis.readers.formats.containers import Container, open_container
from stanalysis.readers.formats.inert_pickle import Global, Inert
from stanalysis.readers.options import Options
from stanalysis.readers.programs.delgrad import _effective, read, recognises

FILES = Path(__file__).parents[1] / "files"
UNIT, DT = 5.0, 0.5  # ms
ENOUGH = Options(dt=DT, ms_per_unit=UNIT, max_delay=20.0)
PAIRS = ("input__hidden1", "hidden1__output")


def network(name, options=ENOUGH):
    return read(open_container(FILES / f"delgrad_{name}_network.pt"), options)


def history(options=ENOUGH):
    return read(open_container(FILES / "delgrad_parameters_training.npy"), options)


def brute_force(weight, delay, source, n_bins):
    """Field (target, source, bin) of weights and delays in units, (row, target), row by row."""
    field = np.zeros((weight.shape[1], source.max() + 1, n_bins))
    for row in range(weight.shape[0]):
        for target in range(weight.shape[1]):
            if source[row] >= 0:
                field[target, source[row], round(delay[row, target] * UNIT / DT)] += weight[row, target]
    return field


@pytest.mark.parametrize("name", ["synaptic", "axonal", "shared", "clip", "biases", "multiplex"])
def test_read__receptive_fields_are_those_of_the_original_network(name):
    result = network(name).checkpoints[1]
    expected = np.load(FILES / f"delgrad_{name}.npz")
    projections = list(result["projections"].children)
    assert projections == list(PAIRS[: len(expected.files) // 3])
    for k, projection in enumerate(projections):
        field = receptive_fields(result, projection).receptive_field.values[0]
        arrays = [expected[f"{what}{k}"] for what in ("weight", "delay", "source")]
        np.testing.assert_allclose(field, brute_force(*arrays, field.shape[2]), rtol=0, atol=1e-12)
        assert abs(field).sum() > 0


def test_read__delays_are_a_shifted_and_scaled_sigmoid_not_the_stored_numbers():
    table = network("synaptic").checkpoints[1]["projections/hidden1__output"]
    delay = np.load(FILES / "delgrad_synaptic.npz")["delay1"]
    np.testing.assert_allclose(table.delay.values, delay.T.ravel() * UNIT, rtol=1e-12)
    assert table.delay.values.min() > 0.5 * UNIT  # its shift


def test_read__weights_are_source_by_target():
    table = network("synaptic").checkpoints[1]["projections/input__hidden1"]
    weight = np.load(FILES / "delgrad_synaptic.npz")["weight0"]
    assert (table.attrs["n_source"], table.attrs["n_target"]) == weight.shape == (4, 5)
    assert all(weight[s, t] == w for s, t, w in zip(table.source.values, table.target.values, table.weight.values, strict=True))


def test_read__shared_delays_are_tiled_not_interleaved():
    table = network("shared").checkpoints[1]["projections/input__hidden1"].to_dataset()
    delay = np.empty((4, 6))
    delay[table.source.values, table.target.values] = table.delay.values
    np.testing.assert_array_equal(delay[:2], delay[2:])
    np.testing.assert_array_equal(delay[:, :3], delay[:, 3:])
    assert (delay[0] != delay[1]).all()


def test_read__axonal_and_dendritic_delays_are_told():
    tree = network("axonal").checkpoints[1]
    assert [tree[f"projections/{pair}"].attrs["delay_kind"] for pair in PAIRS] == ["axonal", "dendritic"]


def test_read__biases_are_no_neurons_and_left_out_with_a_note():
    result = network("biases")
    tree = result.checkpoints[1]
    assert [tree[f"populations/{name}"].sizes["neuron"] for name in ("input", "hidden1", "output")] == [4, 5, 2]
    assert sum("biases" in note for note in result.notes) == 2


def test_read__multiplied_inputs_are_several_synapses_of_a_pair():
    table = network("multiplex").checkpoints[1]["projections/input__hidden1"]
    assert table.attrs["n_source"] == 4
    np.testing.assert_array_equal(np.bincount(table.contact.values), [16, 16])


def test_read__delay_layers_in_a_row_add_up():
    axonal, dendritic = np.array([[0.1], [0.2]]), np.array([[0.3, 0.0, 0.5]])
    layers = [module(_delay_parameters=raw) for raw in (axonal, dendritic)]
    table = read(net(*layers, NEURONS), ENOUGH).checkpoints[1]["projections/input__hidden1"]
    np.testing.assert_allclose(table.delay.values, (axonal + dendritic).T.ravel() * UNIT)
    assert table.attrs["delay_kind"] == "synaptic"


def test_read__neurons_without_a_delay_layer_have_delay_0_and_a_note():
    result = network("clip")
    assert not result.checkpoints[1]["projections/hidden1__output"].delay.values.any()
    assert any("No delays lie before the neurons of layer 3" in note for note in result.notes)


def test_read__the_longest_delay_of_a_sigmoid_is_its_shift_and_scale():
    tree = network("synaptic", Options(dt=0.3, ms_per_unit=UNIT)).checkpoints[1]
    longest = [tree[f"projections/{pair}"].attrs["delay_max"] for pair in PAIRS]
    assert longest == pytest.approx([5.1, 10.2])  # 1 and 0.5 + 1.5 units, in whole steps


def test_read__all_missing_options_are_named_at_once():
    with pytest.raises(BadInput, match=r"--dt .*--ms-per-unit .*--max-delay .*the longest found is \d"):
        network("clip", Options())
    with pytest.raises(BadInput, match=r"--dt .*--ms-per-unit") as error:
        network("synaptic", Options())
    assert "--max-delay" not in str(error.value)
    with pytest.raises(BadInput, match=r"--dt .*--ms-per-unit .*--max-delay .*longest found"):
        history(Options())


def test_read__a_longest_delay_below_those_found_is_refused():
    with pytest.raises(BadInput, match="beyond the longest possible, 1 ms"):
        network("synaptic", Options(dt=DT, ms_per_unit=UNIT, max_delay=1.0))
    with pytest.raises(BadInput, match="beyond the longest possible, 1 ms"):
        history(Options(dt=DT, ms_per_unit=UNIT, max_delay=1.0))


@pytest.mark.parametrize(
    ("folder", "name", "step"),
    [(".", "a_untrained_network.pt", 0), ("epoch_300", "a_network.pt", 300), (".", "a_network.pt", 1)],
)
def test_read__the_step_is_in_the_name_of_the_file_or_of_its_folder(tmp_path, folder, name, step):
    path = tmp_path / folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((FILES / "delgrad_shared_network.pt").read_bytes())
    assert list(read(open_container(path), ENOUGH).checkpoints) == [step]
    assert list(read(open_container(path), Options(dt=DT, ms_per_unit=UNIT, network_step=7)).checkpoints) == [7]


def test_read__a_history_has_effective_delays_and_a_checkpoint_per_epoch():
    result = history()
    layers = np.load(FILES / "delgrad_history.npz")
    assert list(result.checkpoints) == [0, 1, 2, 3]
    for step, tree in result.checkpoints.items():
        assert tree.attrs["step"] == step
        for pair, d, w in (("input__hidden1", 0, 1), ("hidden2__output", 3, 4)):
            weight = layers[f"layer{w}"][step]
            delay = np.broadcast_to(layers[f"layer{d}"][step], weight.shape)
            field = receptive_fields(tree, pair).receptive_field.values[0]
            expected = brute_force(weight, delay, np.arange(len(weight)), field.shape[2])
            np.testing.assert_allclose(field, expected, rtol=0, atol=1e-12)
        assert tree["projections/hidden2__output"].attrs["delay_kind"] == "axonal"


def test_read__the_numbers_of_a_history_skip_layers_that_were_not_monitored():
    result = history()
    assert list(result.checkpoints[0]["projections"].children) == ["input__hidden1", "hidden2__output"]
    assert any("neurons of layer 2 are left out" in note for note in result.notes)


def as_history(*layers):
    content = {k: {"name": name, "params": params} for k, (name, params) in enumerate(layers)}
    return Container(FILES / "delgrad_parameters_training.npy", "numpy", content)


def test_read__a_history_pairs_delays_only_with_the_neurons_that_follow_and_fit():
    rng = np.random.default_rng(0)
    layers = [("DelayLayer", (3, 9)), ("DelayLayer", (4, 5)), ("NeuronLayer", (4, 5)), ("DelayLayer", (1, 3))]
    layers += [("NeuronLayer", (6, 3)), ("DelayLayer", (3, 2))]
    result = read(as_history(*((name, rng.random((2, *shape))) for name, shape in layers)), ENOUGH)
    assert list(result.checkpoints[0]["projections"].children) == ["input__hidden1", "input2__output"]
    assert [f"delays of layer {k} are left out" in " ".join(result.notes) for k in (0, 1, 5)] == [True, False, True]
    assert "they are called input2" in " ".join(result.notes)


def test_read__a_history_that_was_continued_is_told():
    weight = np.random.default_rng(0).random((2, 4, 5))
    again = [("DelayLayer", np.full((3, 4, 5), 0.5)), ("NeuronLayer", weight[[0, 1, 1]])]
    assert any("Step 2 equals the one before" in note for note in read(as_history(*again), ENOUGH).notes)


BAD_LAYERS = {
    "no pair": [("DelayLayer", np.ones((2, 3, 5))), ("NeuronLayer", np.ones((2, 4, 5)))],
    "other epochs": [("DelayLayer", np.ones((3, 4, 5))), ("NeuronLayer", np.ones((2, 4, 5)))],
    "flat": [("DelayLayer", np.ones(4)), ("NeuronLayer", np.ones((2, 4, 5)))],
    "nan": [("DelayLayer", np.full((2, 4, 5), np.nan)), ("NeuronLayer", np.ones((2, 4, 5)))],
    "huge": [("DelayLayer", np.full((2, 4, 5), 1e308)), ("NeuronLayer", np.ones((2, 4, 5)))],
    "negative": [("DelayLayer", np.full((2, 4, 5), -1.0)), ("NeuronLayer", np.ones((2, 4, 5)))],
    "complex": [("DelayLayer", np.ones((2, 4, 5), complex)), ("NeuronLayer", np.ones((2, 4, 5)))],
    "bool": [("DelayLayer", np.ones((2, 4, 5))), ("NeuronLayer", np.ones((2, 4, 5), bool))],
    "empty": [("DelayLayer", np.ones((0, 4, 5))), ("NeuronLayer", np.ones((0, 4, 5)))],
    "text": [("DelayLayer", "delays"), ("NeuronLayer", ["weights"])],
}


@pytest.mark.parametrize("name", BAD_LAYERS)
def test_read__a_history_that_does_not_fit_is_refused_in_a_sentence(name):
    with pytest.raises(BadInput):
        read(as_history(*BAD_LAYERS[name]), ENOUGH)


def module(**state):
    return Inert(Global("utils", "Layer"), state=state)


def net(*layers, n_inputs=2):
    listed = Inert(Global("torch.nn", "ModuleList"), state={"_modules": {str(k): layer for k, layer in enumerate(layers)}})
    return Container(FILES / "delgrad_clip_network.pt", "torch", module(n_inputs=n_inputs, _modules={"layers": listed}))


NEURONS = module(_parameters={"weights": np.ones((2, 3))})
DELAYS = {"_delay_parameters": np.zeros((2, 3)), "sigmoid_shift": 0.0, "sigmoid_scale": 1.0}
BAD_NETWORKS = {
    "no neurons": net(module(**DELAYS)),
    "no inputs": net(NEURONS, n_inputs=None),
    "inputs text": net(NEURONS, n_inputs="2"),
    "inputs huge": net(NEURONS, n_inputs=10**18),
    "inputs other": net(NEURONS, n_inputs=3),
    "inputs nan": net(NEURONS, n_inputs=float("nan")),
    "weights flat": net(module(weights=np.ones(2))),
    "weights nan": net(module(weights=np.full((2, 3), np.nan))),
    "weights text": net(module(weights="weights")),
    "delays of other sources": net(module(**DELAYS | {"_delay_parameters": np.zeros((5, 3))}), NEURONS),
    "delays of other targets": net(module(**DELAYS | {"_delay_parameters": np.zeros((2, 4))}), NEURONS),
    "delays of several targets": net(module(**DELAYS), module(**DELAYS | {"_delay_parameters": np.zeros((2, 2))}), NEURONS),
    "sharing and factor huge": net(module(**DELAYS | {"postsyn_sharing_factor": 2**20}), module(factor=2**20), NEURONS),
    "sharing huge": net(module(**DELAYS | {"postsyn_sharing_factor": 2**26}), NEURONS),
    "sharing zero": net(module(**DELAYS | {"presyn_sharing_factor": 0}), NEURONS),
    "sharing text": net(module(**DELAYS | {"presyn_sharing_factor": "2"}), NEURONS),
    "scale text": net(module(**DELAYS | {"sigmoid_scale": "1"}), NEURONS),
    "scale infinite": net(module(**DELAYS | {"sigmoid_scale": float("inf")}), NEURONS),
    "delays negative": net(module(**DELAYS | {"sigmoid_shift": -3.0}), NEURONS),
    "biases text": net(module(_times=np.array(["a"])), NEURONS),
    "factor huge": net(module(factor=2**26), NEURONS),
    "factor itself": net(module(factor=(loop := [])), NEURONS),
    "unknown layer": net(module(alpha=1.0), NEURONS),
    "layers no modules": net("layer", None, NEURONS),
    "nothing": Container(Path("a.pt"), "torch", {"state": 1}),
}
loop.append(loop)


@pytest.mark.parametrize("name", BAD_NETWORKS)
def test_read__a_network_that_does_not_fit_is_refused_in_a_sentence(name):
    with pytest.raises(BadInput):
        read(BAD_NETWORKS[name], ENOUGH)


def test_recognises__networks_and_histories_only():
    assert recognises(net(NEURONS))
    assert recognises(as_history(("NeuronLayer", np.ones((2, 4, 5)))))
    itself: dict[str, object] = {}
    itself["_modules"] = itself
    odd = [None, 3, "text", [], {}, itself, {"layers": {}}, np.ones(3), module(), module(_modules=None), {0: {"name": []}}]
    odd += [{0: {"name": np.zeros(0), "params": 1}}, {0: {"name": np.array(["DelayLayer", "NeuronLayer"]), "params": 1}}]
    odd += [
        {0: {"name": "DelayLayer"}},
        {"a": {"name": "NeuronLayer", "params": 1}},
        module(_modules={"layers": module(_modules=3)}),
    ]
    for content in odd:
        for kind in ("torch", "numpy", "npz", "hdf5"):
            assert not recognises(Container(Path("a"), kind, content))


def test_effective__a_negative_scale_makes_the_shift_the_longest_delay():
    raw = np.array([[-3.0, 0.0, 800.0]])
    delay, longest = _effective({"sigmoid_scale": -0.5, "sigmoid_shift": 1.0}, raw, 0, 1)
    assert longest == 1.0
    np.testing.assert_allclose(delay, [[1 - 0.5 / (1 + np.exp(3.0)), 0.75, 0.5]])


def test_read__a_longest_delay_of_whole_steps_is_not_one_more_for_rounding():
    tree = network("synaptic", Options(dt=0.1, ms_per_unit=0.3)).checkpoints[1]
    assert tree["projections/input__hidden1"].attrs["delay_max"] == pytest.approx(0.3)


def without_delays(n_epochs=4):
    rng = np.random.default_rng(5)
    return [rng.normal(size=(n_epochs, *shape)) for shape in ((2, 3), (3, 2))]


def test_read__a_history_without_delays_is_the_network_without_delays_at_every_epoch():
    weights = without_delays()
    result = read(as_history(*(("NeuronLayer", w) for w in weights)), Options(dt=DT))
    assert list(result.checkpoints) == [0, 1, 2, 3]
    assert any("No delays lie before the neurons of layers 0, 1 in the history: taken as 0" in note for note in result.notes)
    layers = [module(_parameters={"weights": w[-1]}) for w in weights]
    network = read(net(*layers), Options(dt=DT, network_step=3))
    assert any("No delays lie before the neurons" in note for note in network.notes)
    for pair in PAIRS:
        ours, theirs = (tree[f"projections/{pair}"].to_dataset() for tree in (result.checkpoints[3], network.checkpoints[3]))
        assert ours.identical(theirs)
        assert not ours.delay.values.any()
        assert ours.attrs["delay_max"] == DT


def test_read__networks_without_delays_have_the_axis_that_is_given():
    weights = without_delays()
    options = Options(dt=DT, max_delay=20.0)
    layers = [module(_parameters={"weights": w[-1]}) for w in weights]
    for result in (read(as_history(*(("NeuronLayer", w) for w in weights)), options), read(net(*layers), options)):
        for tree in result.checkpoints.values():
            assert {table.attrs["delay_max"] for table in tree["projections"].children.values()} == {20.0}
