from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from stanalysis.errors import BadInput
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.readers.choosing import read_foreign
from stanalysis.readers.formats.containers import Container, open_container
from stanalysis.readers.options import Options
from stanalysis.readers.programs import mapping

FILES = Path(__file__).parents[1] / "files"
RNG = np.random.default_rng(11)
HEAD = """
framework = "other"
dt = 1.0
max_delay = 20.0
"""
ONE = """
[[projection]]
source = "input"
target = "hidden1"
weight = "w"
weight_axes = ["target", "source"]
"""


@pytest.fixture
def read(tmp_path):
    """Read a container, or arrays as if from a torch file, with a mapping."""

    def reading(content, text, **options):
        path = tmp_path / "mapping.toml"
        path.write_text(text, encoding="utf-8")
        if not isinstance(content, Container):
            file = tmp_path / "network.npz"
            np.savez(file, **content)
            content = open_container(file)
        return mapping.read(content, Options(mapping=path, **options))

    return reading


def fields(network, projection="input__hidden1"):
    return receptive_fields(network.checkpoints[1], projection).receptive_field.values[0]


def brute_force(weight, steps, n_bins, present=None):
    """Loops over synapses; weights and whole delays in bins, (target, source) or (target, source, contact)."""
    field = np.zeros((*weight.shape[:2], n_bins))
    for index in np.ndindex(*weight.shape):
        if present is None or present[index]:
            field[index[0], index[1], int(np.broadcast_to(steps, weight.shape)[index])] += weight[index]
    return field


def test_read__a_file_of_torch_with_a_layer_of_delays(tmp_path):
    saved = np.load(FILES / "delay_module_expected.npz")
    axes = 'weight_axes = ["target", "source"]\ndelay = "delay1.delay"\ndelay_axes = ["target"]\nunit = "steps"'
    head = 'framework = "snnTorch"\ndt = 2.0\nmax_delay = 20.0\n[[projection]]\nsource = "input"\ntarget = "hidden1"'
    (tmp_path / "mapping.toml").write_text(f'{head}\nweight = "fc1.weight"\n{axes}\ndelay_formula = "clip(d, 0, 8)"')
    network = read_foreign(FILES / "delay_module.pt", mapping=tmp_path / "mapping.toml")
    steps = np.rint(saved["delay1.delay"].astype(float).clip(0, 8))
    np.testing.assert_allclose(fields(network), brute_force(saved["fc1.weight"], steps[:, None], 11), rtol=1e-6)


def test_read__snntorch_linear_and_synaptic_delay(read, tmp_path):
    arrays = {
        "fc1.weight": RNG.normal(size=(5, 6)).astype(np.float32),
        "delay1.delay": RNG.uniform(-3, 60, 5).astype(np.float32),
    }
    path = tmp_path / "network.pt"
    path.touch()
    text = """
framework = "snnTorch"
dt = 2.0
max_delay = 100.0
[[projection]]
source = "input"
target = "hidden1"
weight = "fc1.weight"
weight_axes = ["target", "source"]
delay = "delay1.delay"
delay_axes = ["target"]
unit = "steps"
delay_formula = "clip(d, 0, 50)"
"""
    network = read(Container(path, "torch", arrays), text)
    steps = np.rint(arrays["delay1.delay"].astype(float).clip(0, 50))
    np.testing.assert_allclose(fields(network), brute_force(arrays["fc1.weight"], steps[:, None], 51), rtol=1e-6)
    tree = network.checkpoints[1]
    assert tree.attrs["framework"] == "snnTorch"
    assert tree["projections/input__hidden1"].attrs["delay_kind"] == "dendritic"
    assert tree["projections/input__hidden1"].delay.values.max() > 2 * steps.max() - 1.01
    assert network.files[-1].name == "mapping.toml"


def test_read__slayer_with_weight_norm_and_delays_of_the_block_before(read, tmp_path):
    v, g, d = RNG.normal(size=(3, 5, 1, 1, 1)), RNG.uniform(1, 2, (3, 1, 1, 1, 1)), RNG.uniform(0, 9, (5, 1, 1))
    path = tmp_path / "network.pt"
    path.touch()
    content = {"blocks": {"1": {"synapse": {"weight_v": v, "weight_g": g}}, "0": {"delay": {"delay": d}}}}
    text = """
framework = "lava-dl"
rounding = "floor"
dt = 1.0
max_delay = 12.0
[[projection]]
source = "hidden1"
target = "output"
weight = "blocks.1.synapse.weight_v"
weight_axes = ["target", "source", "1", "1", "1"]
weight_formula = "w * g / norm(w)"
delay = "blocks.0.delay.delay"
delay_axes = ["source", "1", "1"]
delay_formula = "d + 1"
unit = "steps"
[projection.arrays]
g = {name = "blocks.1.synapse.weight_g", axes = ["target", "1", "1", "1", "1"]}
"""
    network = read(Container(path, "torch", content), text)
    weight = np.array([g[t].item() * v[t, :, 0, 0, 0] / np.sqrt((v[t] ** 2).sum()) for t in range(3)])
    expected = brute_force(weight, np.floor(d[:, 0, 0])[None] + 1, 13)
    np.testing.assert_allclose(fields(network, "hidden1__output"), expected, rtol=1e-6)
    assert network.checkpoints[1]["projections/hidden1__output"].attrs["delay_kind"] == "axonal"


def test_read__flat_arrays_of_a_folder_in_the_order_source_target(read, tmp_path):
    weight, steps = RNG.normal(size=(4, 3)), RNG.integers(0, 9, size=(4, 3))
    folder = tmp_path / "folder"
    folder.mkdir()
    np.save(folder / "g.npy", weight.ravel())
    np.save(folder / "d.npy", steps.ravel())
    text = """
[[projection]]
source = "a"
target = "b"
weight = "g"
weight_axes = ["source", "target"]
weight_shape = [4, 3]
delay = "d"
delay_axes = ["source", "target"]
delay_shape = [4, 3]
unit = 0.5
"""
    network = read(open_container(folder), text, dt=0.5, max_delay=5.0)
    np.testing.assert_allclose(fields(network, "a__b"), brute_force(weight.T, steps.T, 11))
    assert network.checkpoints[1].attrs["framework"] == "unknown"


def test_read__hdf5_paths_and_a_sign_that_is_stored_apart(read, tmp_path):
    weight, sign, steps = abs(RNG.normal(size=(4, 3))), RNG.choice([-1, 1], (4, 3)), RNG.integers(0, 9, (4, 3))
    weight[1] = 0
    path = tmp_path / "network.h5"
    with h5py.File(path, "w") as file:
        file["layer/w"], file["layer/sign"], file["layer/d"] = weight, sign, steps / 1000
    text = (
        HEAD
        + ONE.replace('"w"', '"layer/w"')
        + """
weight_formula = "w * sign"
present = "w > 0"
delay = "layer/d"
delay_axes = ["target", "source"]
unit = "s"
[projection.arrays]
sign = {name = "layer/sign", axes = ["target", "source"]}
"""
    )
    network = read(open_container(path), text)
    np.testing.assert_allclose(fields(network), brute_force(weight * sign, steps, 21, weight > 0), rtol=1e-6)
    assert network.checkpoints[1]["projections/input__hidden1"].sizes["synapse"] == 9


def test_read__contacts_and_axes_in_any_order(read):
    weight, steps = RNG.normal(size=(2, 3, 4)), RNG.integers(0, 20, (3, 2))
    text = (
        HEAD
        + ONE.replace('["target", "source"]', '["contact", "target", "source"]')
        + """
delay = "d"
delay_axes = ["target", "contact"]
unit = "ms"
"""
    )
    network = read({"w": weight, "d": steps}, text)
    moved = weight.transpose(1, 2, 0)
    np.testing.assert_allclose(fields(network), brute_force(moved, steps[:, None, :], 21), rtol=1e-6)
    assert network.checkpoints[1]["projections/input__hidden1"].contact.values.max() == 1


SPARSE = """
[[projection]]
source = "input"
target = "hidden1"
weight = "w"
weight_axes = ["synapse"]
source_index = "pre"
target_index = "post"
n_source = 6
n_target = 5
unit = "steps"
"""


@pytest.mark.parametrize(
    ("axis", "n", "kind"), [("synapse", 8, "synaptic"), ("source", 6, "axonal"), ("target", 5, "dendritic")]
)
def test_read__lists_of_synapses_whatever_their_delays_belong_to(read, axis, n, kind):
    source, target = np.array([0, 0, 1, 5, 5, 2, 3, 0]), np.array([0, 4, 1, 1, 0, 2, 3, 0])
    weight, delay = RNG.normal(size=8), RNG.integers(0, 20, n)
    text = HEAD + SPARSE + f'delay = "d"\ndelay_axes = ["{axis}"]\npresent = "w < 0"\n'
    network = read({"w": weight, "d": delay, "pre": source, "post": target}, text)
    expected = np.zeros((5, 6, 21))
    for k in range(8):
        if weight[k] < 0:
            expected[target[k], source[k], delay[{"synapse": k, "source": source[k], "target": target[k]}[axis]]] += weight[k]
    np.testing.assert_allclose(fields(network), expected, rtol=1e-6)
    assert network.checkpoints[1]["projections/input__hidden1"].attrs["delay_kind"] == kind


def test_read__one_delay_for_all_and_a_plain_array(read, tmp_path):
    weight = RNG.normal(size=(4, 3))
    np.save(tmp_path / "only.npy", weight)
    text = HEAD + ONE.replace('"w"', '"array"') + 'delay = 3000.0\nunit = "us"\n'
    network = read(open_container(tmp_path / "only.npy"), text)
    np.testing.assert_allclose(fields(network), brute_force(weight, 3, 21))


def test_read__zero_is_a_weight_unless_it_is_said_to_be_absent(read):
    arrays = {"w": np.array([[0.0, 1.0], [np.nan, 2.0]])}
    text = HEAD + ONE + 'delay = 3.0\nunit = "ms"\n'
    assert read({"w": np.zeros((2, 2))}, text).checkpoints[1]["projections/input__hidden1"].sizes["synapse"] == 4
    with pytest.raises(BadInput, match="finite"):
        read(arrays, text)
    table = read(arrays, text + 'present = "w == w"\n').checkpoints[1]["projections/input__hidden1"]
    assert table.weight.values.tolist() == [0.0, 1.0, 2.0]


def test_read__the_command_line_wins_over_the_file(read):
    text = HEAD + ONE + 'delay = 3\nunit = "steps"\n'
    network = read({"w": np.ones((2, 2))}, text, dt=5.0, max_delay=30.0, network_step=7)
    table = network.checkpoints[7]["projections/input__hidden1"]
    assert table.delay.values.tolist() == [15.0] * 4
    assert table.attrs["delay_max"] == 30.0


def test_read__missing_options_are_all_named_with_the_longest_delay(read):
    text = ONE + 'delay = "d"\ndelay_axes = ["source"]\nunit = "steps"\n'
    arrays = {"w": np.ones((2, 3)), "d": np.array([1.0, 7.5, 2.0])}
    with pytest.raises(BadInput, match=r"--dt .*mapping\.toml.*--max-delay .*7\.5 \(steps\) from input to hidden1"):
        read(arrays, text)
    with pytest.raises(BadInput, match=r"mapping\.toml, projection from 'input' to 'hidden1': The delays reach 7.5 ms"):
        read(arrays, text, dt=1.0, max_delay=7.0)


PLAIN = HEAD + ONE + 'delay = "d"\ndelay_axes = ["target", "source"]\nunit = "steps"\n'
ARRAYS = {
    "w": np.ones((2, 3)),
    "d": np.ones((2, 3)),
    "z": np.ones((2, 3), complex),
    "five": np.ones(5),
    "none": np.ones((0, 2)),
}


def swapped(old, new):
    assert old in PLAIN
    return PLAIN.replace(old, new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no projection"),
        ("projection = 3", "no projection"),
        ("[[projection]]", "lacks source, target, weight, weight_axes, delay, unit"),
        ("a = [", "TOML"),
        ("a = " + "[" * 1900, "TOML"),
        ("a" + ".a" * 20_000 + " = 1", "line of more than 2000 characters"),
        ("# " + "a\n# " * 100_000, "has more than 262144 bytes"),
        ("dt = 0x" + "f" * 1900, "beyond 64 bits"),
        ("[[projection]]\nunit = [[0x" + "f" * 1900 + "]]", "beyond 64 bits"),
        ("colour = 1\n" + PLAIN, "unknown key 'colour'"),
        (swapped("dt = 1.0", "dt = true"), "dt = True"),
        (swapped("dt = 1.0", "dt = 0.0"), "--dt is 0"),
        (swapped("max_delay = 20.0", "max_delay = 'long'"), "max_delay = 'long'"),
        (swapped("max_delay = 20.0", "max_delay = 20.5"), "multiple of dt"),
        (swapped('framework = "other"', "framework = 3"), "framework = 3"),
        (swapped('framework = "other"', 'rounding = "up"'), "rounding = 'up'"),
        (PLAIN + "colour = 1", "'input' to 'hidden1' has the unknown key 'colour'"),
        (PLAIN + ONE + 'delay = 1\nunit = "ms"', "twice"),
        (swapped('source = "input"', "source = 3"), "source = 3; give a text"),
        (swapped('source = "input"', 'source = "a__b"'), "source = 'a__b'"),
        (swapped('source = "input"', 'source = ""'), "source = ''"),
        (swapped('source = "input"', 'source = "."'), "source = '.'"),
        (swapped('source = "input"', 'source = "a\\u0000b"'), "source = 'a"),
        (swapped('"w"', '"W"'), "'W', which the file does not hold; it holds 'w'"),
        (swapped('"w"', '"z"'), "complex128"),
        (swapped('"w"', '"none"'), "real numbers"),
        (swapped('delay = "d"', 'delay = "five"'), r"delay names 'five' of shape \(5,\)"),
        (
            swapped('delay_axes = ["target", "source"]', 'delay_axes = ["source", "target"]'),
            "delay has 2 along source, weight has 3",
        ),
        (swapped('delay_axes = ["target", "source"]', 'delay_axes = ["target", "target"]'), "do not fit"),
        (swapped('delay_axes = ["target", "source"]', 'delay_axes = ["target", "1"]'), "do not fit"),
        (swapped('delay_axes = ["target", "source"]', 'delay_axes = ["target", "time"]'), "name each"),
        (swapped('delay_axes = ["target", "source"]', 'delay_axes = ["target", 3]'), "name each"),
        (swapped('delay_axes = ["target", "source"]', ""), "axes of delay are None"),
        (swapped('weight_axes = ["target", "source"]', 'weight_axes = ["target", "contact"]'), "weight_axes lacks 'source'"),
        (PLAIN + "weight_shape = [4, 2]", "shape .4, 2. does not fit"),
        (PLAIN + "weight_shape = [-2, -3]", "does not fit"),
        (PLAIN + "weight_shape = [true, 6]", "does not fit"),
        (PLAIN + "weight_shape = []", "does not fit"),
        (swapped('delay = "d"', "delay = -1"), "delay = -1"),
        (swapped('delay = "d"', "delay = 1" + "0" * 400), "beyond 64 bits"),
        (swapped('unit = "steps"', 'unit = "hours"'), "unit = 'hours'"),
        (swapped('unit = "steps"', "unit = 0"), "unit = 0"),
        (swapped('unit = "steps"', "unit = nan"), "unit = nan"),
        (PLAIN + 'delay_formula = "d +"', "delay_formula: The formula 'd .'"),
        (PLAIN + 'delay_formula = "d / 0"', "delays where synapses are present are not all finite"),
        (PLAIN + 'weight_formula = "sqrt(-w)"', "weights where synapses are present are not all finite"),
        (PLAIN + 'weight_formula = "v"', "weight_formula: .*'v'"),
        (PLAIN + 'present = "w"', "no comparison"),
        (PLAIN + 'present = "w > 5"', "no synapse is present"),
        (PLAIN + 'n_source = 3\nsource_index = "d"', "needs source_index, target_index, n_source and n_target"),
        (PLAIN + "[projection.arrays]\nw = {name = 'w', axes = []}", "arrays.w must be another name"),
        (PLAIN + "[projection.arrays]\nv = 3", "arrays.v must be"),
        (PLAIN + "[projection.arrays]\nv = {name = 'w', axes = ['source']}", "arrays.v names 'w'"),
        (PLAIN + "[projection.arrays]\nv = {name = 'five', axes = ['source']}", "arrays.v has 5 along source, weight has 3"),
        (PLAIN + "[projection.arrays]\nv = {name = ['w'], axes = ['source']}", "which the file does not hold"),
    ],
)
def test_read__what_does_not_fit_gets_a_sentence(read, text, message):
    with pytest.raises(BadInput, match=message):
        read(ARRAYS, text)


LISTED = HEAD + SPARSE + 'delay = "d"\ndelay_axes = ["synapse"]\n'


@pytest.mark.parametrize(
    ("text", "arrays", "message"),
    [
        (LISTED, {"pre": np.array([0, 1, 6])}, "source_index holds other than whole numbers from 0 to 5"),
        (LISTED, {"post": np.array([0, 1, -1])}, "target_index holds other"),
        (LISTED, {"post": np.array([0.0, 1.0, 2.0])}, "target_index holds other"),
        (LISTED, {"pre": np.array([0, 1])}, "source_index has 2 along synapse, weight has 3"),
        (LISTED, {"d": np.ones(4)}, "delay has 4 along synapse"),
        (LISTED.replace('delay_axes = ["synapse"]', 'delay_axes = ["source"]'), {}, "delay has 3 along source, n_source has 6"),
        (LISTED.replace('delay_axes = ["synapse"]', 'delay_axes = ["contact"]'), {}, "name each: synapse, target, source"),
        (LISTED.replace('weight_axes = ["synapse"]', 'weight_axes = ["source"]'), {"w": np.ones(6)}, "weight_axes is"),
        (LISTED.replace("n_source = 6", "n_source = 0"), {}, "n_source or n_target below 1"),
        (LISTED.replace("n_source = 6", "n_source = 20000000"), {}, "n_source or n_target"),
        (LISTED + 'weight_formula = "norm(w)"', {}, "norm needs"),
        (LISTED, {"d": np.full(3, 21.0)}, "beyond the longest possible, 20 ms"),
    ],
)
def test_read__lists_of_synapses_that_do_not_fit_get_a_sentence(read, text, arrays, message):
    sound = {"w": np.ones(3), "d": np.ones(3), "pre": np.arange(3), "post": np.arange(3)}
    with pytest.raises(BadInput, match=message):
        read(sound | arrays, text)


def test_read__axes_that_make_too_many_synapses_get_a_sentence(read):
    text = HEAD + ONE + 'delay = "d"\ndelay_axes = ["contact"]\nunit = "steps"\n'
    with pytest.raises(BadInput, match="more than"):
        read({"w": np.ones((1000, 1000)), "d": np.ones(1000)}, text)


def test_read__without_a_mapping_or_with_none_that_is_there(read, tmp_path):
    file = tmp_path / "network.npz"
    np.savez(file, w=np.ones(3))
    container = open_container(file)
    assert not mapping.recognises(container)
    with pytest.raises(BadInput, match="--mapping"):
        mapping.read(container, Options())
    with pytest.raises(BadInput, match=r"nowhere\.toml"):
        mapping.read(container, Options(mapping=tmp_path / "nowhere.toml"))
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match=r"bytes\.toml"):
        mapping.read(container, Options(mapping=tmp_path / "bytes.toml"))
