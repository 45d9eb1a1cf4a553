from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from stanalysis.errors import BadInput
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.readers.formats.containers import Container, open_container
from stanalysis.readers.options import Options
from stanalysis.readers.programs import lava

FILES = Path(__file__).parents[1] / "files"
OPTIONS = {"dt": 2.0, "max_delay": 40.0, "delay_shift": True}


@pytest.fixture
def written(tmp_path):
    """Write blocks, each a type and its datasets, and open them."""

    def write(*blocks, names=None):
        path = tmp_path / "network.net"
        with h5py.File(path, "w") as file:
            for name, (kind, datasets) in zip(names or range(len(blocks)), blocks, strict=True):
                block = file.create_group(f"layer/{name}")
                if kind is not None:
                    block.create_dataset("type", (1,), "S10", [kind.encode()])
                for key, value in datasets.items():
                    block[key] = value
        return open_container(path)

    return write


def dense(target, source, *, delay=None, seed=0, neuron=True):
    rng = np.random.default_rng(seed)
    datasets = {"weight": 2.0 * rng.integers(1, 128, size=(target, source)) * rng.choice([-1, 1], size=(target, source))}
    datasets |= {} if delay is None else {"delay": np.array(delay, np.float32)}
    return "dense", datasets | ({"neuron/type": "CUBA"} if neuron else {})


def fields(container, projection, **options):
    network = lava.read(container, Options(**OPTIONS | options))
    return receptive_fields(network.checkpoints[1], projection).receptive_field.values[0]


def brute_force(weight, steps, n_bins):
    field = np.zeros((*weight.shape, n_bins))
    for target in range(weight.shape[0]):
        for source in range(weight.shape[1]):
            field[target, source, int(steps[source])] = weight[target, source] / 64
    return field


@pytest.mark.parametrize("shift", [True, False])
def test_read__delays_are_those_of_the_block_before_and_one_step_if_it_shifts(shift):
    container = open_container(FILES / "blocks.net")
    assert lava.recognises(container)
    layer = container.content["layer"]
    first = fields(container, "input__hidden1", delay_shift=shift)
    np.testing.assert_allclose(first, brute_force(layer["1"]["weight"], [int(shift)] * 6, 21))
    second = fields(container, "hidden1__output", delay_shift=shift)
    np.testing.assert_allclose(second, brute_force(layer["2"]["weight"], layer["1"]["delay"] + shift, 21))


def test_read__the_input_shifts_only_where_it_is_a_block(written):
    blocks = dense(3, 4, delay=[0, 1, 2]), dense(2, 3, seed=1)
    without = written(*blocks)
    np.testing.assert_allclose(fields(without, "input__hidden1"), brute_force(blocks[0][1]["weight"], [0] * 4, 21))
    np.testing.assert_allclose(fields(without, "hidden1__output"), brute_force(blocks[1][1]["weight"], [1, 2, 3], 21))
    with_it = written(("input", {"shape": [4]}), *blocks)
    np.testing.assert_allclose(fields(with_it, "input__hidden1"), brute_force(blocks[0][1]["weight"], [1] * 4, 21))


def test_read__blocks_are_sorted_as_numbers(written):
    blocks = [dense(k + 2, k + 1, seed=k) for k in range(12)]
    network = lava.read(written(*blocks), Options(**OPTIONS))
    sizes = {name: node.sizes["neuron"] for name, node in network.checkpoints[1]["populations"].children.items()}
    assert sizes == {"input": 1} | {f"hidden{k}": k + 1 for k in range(1, 12)} | {"output": 13}


def test_read__weights_are_fixed_point_and_delays_axonal(written):
    network = lava.read(written(dense(3, 4)), Options(**OPTIONS))
    table = network.checkpoints[1]["projections/input__hidden1"]
    assert table.attrs["delay_kind"] == "axonal"
    assert table.attrs["rounding"] == "floor"
    assert (table.weight.values * 32 % 1 == 0).all()
    assert abs(table.weight.values).max() <= 4
    assert network.checkpoints[1].attrs["framework"] == "lava-dl"


def test_read__delays_of_a_convolution_are_per_channel(written):
    conv = ("conv", {"shape": [2, 3, 1], "weight": np.ones((2, 1, 3, 3)), "delay": np.array([4.0, 7.0]), "neuron/type": "CUBA"})
    head = dense(2, 6)
    container = written(("input", {"shape": [1, 5, 3]}), conv, ("flatten", {"shape": [6, 1, 1]}), head)
    network = lava.read(container, Options(**OPTIONS))
    assert list(network.checkpoints[1]["projections"].children) == ["hidden1__output"]
    expected = brute_force(head[1]["weight"], [5, 5, 5, 8, 8, 8], 21)
    np.testing.assert_allclose(fields(container, "hidden1__output"), expected)
    assert any("conv" in note and "left out" in note for note in network.notes)


def test_read__notes_what_a_researcher_must_know(written):
    last = dense(2, 3, delay=[1, 1])
    last[1]["weight"][0, 0] = 0
    last[1]["neuron/weight_exp"] = 2
    notes = " ".join(lava.read(written(dense(3, 4), last), Options(**OPTIONS)).notes)
    assert "last block, 1, reach no neuron" in notes
    assert "1 weights of block 1 are 0" in notes
    assert "normalisation of block 1" in notes
    assert "--network-step" in notes


def test_read__an_affine_block_does_not_shift(written):
    blocks = dense(3, 4, neuron=False), dense(2, 3)
    np.testing.assert_allclose(fields(written(*blocks), "hidden1__output"), brute_force(blocks[1][1]["weight"], [0] * 3, 21))


def test_read__flat_weights_take_the_sources_from_the_block_before(written):
    kind, datasets = dense(3, 4)
    flat = (kind, datasets | {"weight": datasets["weight"].ravel()})
    expected = brute_force(datasets["weight"], [1] * 4, 21)
    np.testing.assert_allclose(fields(written(("input", {"shape": [4, 1, 1]}), flat), "input__hidden1"), expected)


def test_read__missing_options_are_all_named_with_the_longest_delay(written):
    container = written(dense(3, 4, delay=[0, 9, 2]), dense(2, 3))
    with pytest.raises(BadInput, match=r"--dt.*--max-delay.*longest here is 9 steps, and one more.*--delay-shift"):
        lava.read(container, Options())
    with pytest.raises(BadInput, match="beyond the longest possible, 18 ms"):
        lava.read(container, Options(dt=2.0, max_delay=18.0, delay_shift=True))
    lava.read(container, Options(dt=2.0, max_delay=18.0, delay_shift=False))


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([(None, {})], "no type"),
        ([("dense", {"weight/real": np.ones((2, 2)), "weight/imag": np.ones((2, 2))})], "complex"),
        ([("dense", {"weight": np.ones((2, 2), complex)})], "weights of block 0"),
        ([("dense", {"weight": np.full((2, 2), np.nan)})], "finite"),
        ([("dense", {"weight": 3.0})], "weights of block 0"),
        ([("dense", {"weight": "text"})], "weights of block 0"),
        ([("dense", {})], "weights of block 0"),
        ([("dense", {"weight": np.ones(5)})], "weights of block 0"),
        ([("dense", {"weight": np.ones((0, 4))})], "weights of block 0"),
        ([dense(3, 4, delay=[[1, 2, 3]]), dense(2, 3)], "delays of block 0"),
        ([dense(3, 4, delay=[1, 2]), dense(2, 3)], "3 sources"),
        ([dense(3, 4), dense(2, 5)], "5 sources"),
        ([dense(3, 4, delay=[-3, 2, 3]), dense(2, 3)], "negative"),
        ([dense(3, 4, delay=[np.inf, 2, 3]), dense(2, 3)], "finite"),
        ([("input", {"shape": [4]})], "no dense block"),
        ([("input", {"shape": [0]}), dense(3, 4)], "shape"),
        ([("input", {}), dense(3, 4)], "sizes of block 0"),
        ([("input", {"shape": np.full(300, 2**62)}), dense(3, 4)], "at most 4 numbers"),
        ([("input", {"shape": [2**20, 2**20]}), dense(3, 4)], "4194304 neurons"),
        ([("\x1b[2J", {}), dense(3, 4)], "type '.+x1b"),
        ([dense(3, 4), ("input", {"shape": [3]}), dense(2, 3)], "cannot be read there"),
        ([dense(3, 4), ("average", {}), dense(2, 3)], "average"),
        ([dense(3, 4), ("novel", {}), dense(2, 3)], "novel"),
    ],
)
def test_read__what_cannot_be_read_gets_a_sentence(written, blocks, message):
    with pytest.raises(BadInput, match=message):
        lava.read(written(*blocks), Options(**OPTIONS))


def wide(shape):
    return np.broadcast_to(np.int8(1), shape)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([{"type": "dense", "weight": wide((4096, 4096))}], "more than 8388608 weights"),
        ([{"type": "dense", "weight": wide((2048, 2048))}] * 5, "16777216 synapses"),
        ([{"type": "dense", "weight": np.ones((2, 2)), "delay": wide(2**23)}] * 2, "4194304 delays"),
        ([{"type": "dense", "weight": np.ones((2, 2))}] * 201, "more than 200 blocks"),
    ],
)
def test_read__networks_larger_than_any_get_a_sentence(blocks, message):
    content = {"layer": {str(k): block for k, block in enumerate(blocks)}}
    with pytest.raises(BadInput, match=message):
        lava.read(Container(Path("x.net"), "hdf5", content), Options(**OPTIONS))


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"layer": {}},
        {"layer": np.ones(3)},
        {"layer": {"a": {"type": "dense"}}},
        {"layer": {"0": np.ones(2)}},
        {"layer": {"0": {"type": ["dense", "dense"]}}},
        {"layer": {"0": {"type": [["dense"]]}}},
        {"layer": {"²": {"type": "dense"}}},
        np.ones(3),
        None,
    ],
)
def test_recognises__other_content_is_not_taken_and_gets_a_sentence(content):
    container = Container(Path("x.h5"), "hdf5", content)
    assert not lava.recognises(container)
    with pytest.raises(BadInput):
        lava.read(container, Options(**OPTIONS))


@pytest.mark.parametrize("max_delay", [62.0, 100.0])
def test_read__delays_beyond_what_a_chip_can_delay_are_clipped_as_netx_does(written, max_delay):
    weight, steps = dense(2, 5)[1]["weight"], [-2, 0, 5, 62, 80]
    container = written(dense(5, 4, delay=steps), ("dense", {"weight": weight}))
    network = lava.read(container, Options(dt=1.0, max_delay=max_delay, delay_shift=False))
    assert "The delays of 2 neurons of hidden1 are clipped to 0 to 62 steps, as netx does." in network.notes
    field = receptive_fields(network.checkpoints[1], "hidden1__output").receptive_field.values[0]
    np.testing.assert_allclose(field, brute_force(weight, [0, 0, 5, 62, 62], int(max_delay) + 1))
    with pytest.raises(BadInput, match="longest here is 62 steps"):
        lava.read(container, Options())


def test_read__delays_that_a_chip_can_delay_are_not_clipped(written):
    container = written(dense(3, 4, delay=[0, 61, 62]), dense(2, 3, delay=[70, 80]))  # the last reach no neuron
    network = lava.read(container, Options(dt=1.0, max_delay=63.0, delay_shift=True))
    assert not any("clipped" in note for note in network.notes)
    assert network.checkpoints[1]["projections/hidden1__output"].delay.values[:3].tolist() == [1.0, 62.0, 63.0]


def test_read__one_delay_for_all_neurons_of_a_block(written):
    for delay in ([4.0], 4.0):
        head = dense(2, 3)
        block = ("dense", dense(3, 4)[1] | {"delay": delay})
        np.testing.assert_allclose(fields(written(block, head), "hidden1__output"), brute_force(head[1]["weight"], [5] * 3, 21))


def with_neurons(kind, n_out, n_in):
    return "dense", dense(n_out, n_in, neuron=False)[1] | {"neuron/type": kind}


@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        (("CUBA", "CUBA"), "one more step, which is what lava-dl does by default; --no-delay-shift if not"),
        (("SDNN", "SDNN"), "which lava-dl does not do by default with neurons of the type SDNN: --no-delay-shift, unless"),
        (("SDNN", "CUBA"), "which lava-dl does by default with neurons of the type CUBA and not with SDNN"),
    ],
)
def test_read__what_lava_does_by_default_is_said_of_the_neurons_that_the_file_has(written, kinds, says):
    blocks = with_neurons(kinds[0], 3, 4), with_neurons(kinds[1], 3, 3), dense(2, 3)
    with pytest.raises(BadInput, match=says):
        lava.read(written(*blocks), Options())


def test_read__whether_blocks_shift_is_not_asked_where_none_does(written):
    lava.read(written(dense(3, 4, neuron=False), dense(2, 3)), Options(dt=1.0, max_delay=5.0))
