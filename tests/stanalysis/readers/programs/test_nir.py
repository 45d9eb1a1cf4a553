from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

from stanalysis.errors import BadInput
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.readers.formats.containers import Container, open_container
from stanalysis.readers.options import Options
from stanalysis.readers.programs import nir

FILES = Path(__file__).parents[1] / "files"
OPTIONS = {"dt": 1.0, "max_delay": 40.0, "ms_per_unit": 1000.0}  # the files have delays in seconds


def read(name, **options):
    return nir.read(open_container(FILES / name), Options(**OPTIONS | options))


def fields(network, projection):
    return receptive_fields(network.checkpoints[1], projection).receptive_field.values[0]


def datasets(name):
    """The nodes of a file as h5py has them, by path."""
    result = {}
    with h5py.File(FILES / name) as file:
        file["node/nodes"].visititems(
            lambda key, item: result.update({key: item[()]} if isinstance(item, h5py.Dataset) else {})
        )
    return result


def brute_force(weight, before=0, after=0, scale=1, n_bins=41):
    """Loops over synapses; delays before and after the weights in seconds, at bins of 1 ms."""
    field = np.zeros((*weight.shape, n_bins))
    before, after = np.broadcast_to(before, weight.shape[1]), np.broadcast_to(after, weight.shape[0])
    scale = np.broadcast_to(scale, weight.shape[0])
    for target in range(weight.shape[0]):
        for source in range(weight.shape[1]):
            bin_ = round(1000 * float(before[source] + after[target]))
            field[target, source, bin_] += scale[target] * weight[target, source]
    return field


def kinds(network):
    return {name: node.attrs["delay_kind"] for name, node in network.checkpoints[1]["projections"].children.items()}


def test_read__delays_before_the_weights_are_axonal_and_those_after_them_dendritic():
    network, d = read("layers.nir"), datasets("layers.nir")
    assert nir.recognises(open_container(FILES / "layers.nir"))
    assert kinds(network) == {"input__lif1": "axonal", "lif1__lif2": "dendritic"}
    np.testing.assert_allclose(fields(network, "input__lif1"), brute_force(d["fc1/weight"], d["axonal/delay"]))
    expected = brute_force(d["fc2/weight"], after=d["dendritic/delay"], scale=d["scale/scale"])
    np.testing.assert_allclose(fields(network, "lif1__lif2"), expected)
    assert network.checkpoints[1].attrs["framework"] == "NIR"


def test_read__delays_on_both_sides_add_up_and_recurrent_graphs_end():
    network, d = read("recurrent.nir"), datasets("recurrent.nir")
    expected = brute_force(d["fc/weight"], d["axonal/delay"], d["dendritic/delay"])
    np.testing.assert_allclose(fields(network, "input__lif"), expected)
    np.testing.assert_allclose(fields(network, "lif__lif"), brute_force(d["w_rec/weight"], d["late/delay"]))
    assert kinds(network) == {"input__lif": "axonal", "lif__lif": "axonal"}


def test_read__several_paths_are_several_contacts():
    network, d = read("contacts.nir"), datasets("contacts.nir")
    expected = brute_force(d["fast/weight"]) + brute_force(d["slow/weight"], d["axonal/delay"])
    np.testing.assert_allclose(fields(network, "input__lif"), expected, rtol=1e-6)
    assert network.checkpoints[1]["projections/input__lif"].contact.values.max() == 1
    assert any("2 paths" in note for note in network.notes)


def test_read__graphs_inside_graphs_are_unfolded():
    network, d = read("nested.nir"), datasets("nested.nir")
    np.testing.assert_allclose(fields(network, "input__layer.lif"), brute_force(d["fc/weight"], d["axonal/delay"]))
    expected = brute_force(d["layer/nodes/w_rec/weight"], d["layer/nodes/late/delay"])
    np.testing.assert_allclose(fields(network, "layer.lif__layer.lif"), expected)
    assert set(kinds(network)) == {"input__layer.lif", "layer.lif__layer.lif"}


def test_read__an_output_fed_by_weights_is_a_population():
    d = datasets("feedforward.nir")
    np.testing.assert_allclose(fields(read("feedforward.nir"), "input__output"), brute_force(d["fc/weight"], d["axonal/delay"]))


def test_read__paths_through_convolutions_are_left_out_and_named():
    network = read("convolution.nir", ms_per_unit=None)
    assert set(kinds(network)) == {"lif__output"}
    assert any("'conv' ('Conv1d')" in note for note in network.notes)
    assert any("no delays" in note for note in network.notes)


def test_read__the_unit_is_not_stored_and_all_missing_options_are_named():
    container = open_container(FILES / "layers.nir")
    with pytest.raises(BadInput, match=r"--dt.*--max-delay.*longest here is 0.02 in the unit.*--ms-per-unit.*1000 if"):
        nir.read(container, Options())
    with pytest.raises(BadInput, match="longest here is 20 ms"):
        nir.read(container, Options(dt=1.0, ms_per_unit=1000.0))
    in_steps = nir.read(container, Options(dt=1.0, max_delay=1.0, ms_per_unit=1.0))
    assert in_steps.checkpoints[1]["projections/input__lif1"].delay.values.max() == pytest.approx(0.02)


def node(kind, **datasets):
    return {"type": kind, **datasets}


def graph(nodes, edges):
    content = {"node": {"type": "NIRGraph", "nodes": nodes, "edges": [list(edge) for edge in edges]}, "version": "1.0"}
    return Container(FILES / "layers.nir", "hdf5", content)


IN, OUT, LINEAR = node("Input"), node("Output"), node("Linear", weight=np.ones((2, 3)))
CHAIN = [("in", "d"), ("d", "w"), ("w", "out")]


def test_read__one_delay_for_all_neurons_and_factors_before_the_weights():
    nodes = {
        "in": IN,
        "d": node("Delay", delay=0.003),
        "s": node("Scale", scale=np.array([[1.0, -2.0, 3.0]])),
        "w": LINEAR,
        "out": OUT,
    }
    container = graph(nodes, [("in", "s"), ("s", "d"), ("d", "w"), ("w", "out")])
    table = nir.read(container, Options(**OPTIONS | {"network_step": 1})).checkpoints[1]["projections/in__out"]
    assert table.delay.values.tolist() == [3.0] * 6
    assert table.weight.values.tolist() == [1.0, -2.0, 3.0] * 2


def test_read__an_edge_that_is_there_twice_is_one():
    container = graph({"in": IN, "d": node("Delay", delay=np.full(3, 0.001)), "w": LINEAR, "out": OUT}, CHAIN + CHAIN)
    table = nir.read(container, Options(**OPTIONS | {"network_step": 1})).checkpoints[1]["projections/in__out"]
    assert table.sizes["synapse"] == 6
    assert "contact" not in table


def test_read__a_path_without_weights_is_noted():
    nodes = {"in": IN, "direct": node("LIF"), "w": LINEAR, "out": OUT}
    network = nir.read(graph(nodes, [("in", "direct"), ("in", "w"), ("w", "out"), ("direct", "out")]), Options(**OPTIONS))
    assert any("'in' leads to 'direct' without weights" in note for note in network.notes)


def test_read__loops_of_delays_end():
    nodes = {"in": IN, "d": node("Delay", delay=0.0), "e": node("Delay", delay=0.0), "w": LINEAR, "out": OUT}
    network = nir.read(graph(nodes, [*CHAIN, ("d", "e"), ("e", "d")]), Options(**OPTIONS))
    assert network.checkpoints[1]["projections/in__out"].sizes["synapse"] == 6


@pytest.mark.parametrize(
    ("nodes", "edges", "message"),
    [
        ({"d": node("Delay", delay=np.ones(2))}, CHAIN, "'d' are 2, .* 3 neurons"),
        ({"d": node("Delay", delay=np.full(3, np.nan))}, CHAIN, "'d' are not all finite"),
        ({"d": node("Delay", delay=np.ones(3, complex))}, CHAIN, "'d' have the shape"),
        ({"d": node("Delay", delay="late")}, CHAIN, "'d' are no array"),
        ({"d": node("Delay")}, CHAIN, "'d' are no array"),
        ({"d": node("Delay", delay={})}, CHAIN, "'d' are no array"),
        ({"d": node("Delay", delay=-np.ones(3))}, CHAIN, "negative, down to"),
        ({"d": node("Scale", scale=np.full(3, 1e29)), "w": node("Linear", weight=np.full((2, 3), 1e29))}, CHAIN, "finite"),
        ({"w": node("Linear", weight=np.ones((2, 3, 4)))}, CHAIN, "weights of the node 'w'"),
        ({"w": node("Linear")}, CHAIN, "weights of the node 'w'"),
        ({"w": node("Linear", weight=np.ones((2, 0)))}, CHAIN, "weights of the node 'w'"),
        ({"w": node("Conv1d", weight=np.ones((2, 3)))}, CHAIN, "no path from one population"),
        ({"d": node("Conv1d")}, CHAIN, r"in the way: 'd' \('Conv1d'\)"),
        ({"d": node("Linear", weight=np.ones((3, 3)))}, CHAIN, "in the way: 'd' .'Linear'., 'w'"),
        ({}, [], "no path"),
        ({}, [("in", "nowhere")], "no node 'nowhere'"),
        ({}, [("in",)], "no pairs"),
        ({}, [("in", 3)], "no pairs"),
        ({"in": np.ones(3)}, CHAIN, "without a type"),
        ({"in": {"type": 3}}, CHAIN, "without a type"),
        ({"in": node("NIRGraph")}, CHAIN, "no group of nodes"),
        ({"in": node("NIRGraph", nodes={"a": IN, "b": IN}, edges=[])}, CHAIN, "several inputs"),
        ({"a__b": IN, "a_b": IN}, CHAIN, "'a_b'"),
        (
            {f"d{k}": node("Delay", delay=1.0) for k in range(40)},
            [(f"d{k}", f"d{k + 1}") for k in range(39)] + [("d39", "w")],
            "longer",
        ),
        ({f"n{k}": IN for k in range(1001)}, CHAIN, "more than 1000 nodes"),
        ({}, [(f"a{k}", "w") for k in range(10_001)], "10000 edges"),
        ({"n" * 201: IN}, CHAIN, "longer than 200 letters"),
        ({"w": node("Linear", weight=np.broadcast_to(np.float32(1), (4096, 4096)))}, CHAIN, "8388608 synapses in one"),
    ],
)
def test_read__what_cannot_be_read_gets_a_sentence(nodes, edges, message):
    standard = {"in": IN, "d": node("Delay", delay=np.zeros(3)), "w": LINEAR, "out": OUT}
    with pytest.raises(BadInput, match=message):
        nir.read(graph(standard | nodes, edges), Options(**OPTIONS))


def test_read__many_paths_get_a_sentence():
    layers = [[f"d{k}{side}" for side in "ab"] for k in range(12)]
    nodes = {"in": IN, "w": LINEAR, "out": OUT} | {name: node("Delay", delay=0.0) for layer in layers for name in layer}
    edges = [(a, b) for before, after in pairwise(layers) for a in before for b in after]
    edges += [*(("in", name) for name in layers[0]), *((name, "w") for name in layers[-1]), ("w", "out")]
    with pytest.raises(BadInput, match="more than 1000"):
        nir.read(graph(nodes, edges), Options(**OPTIONS))


def test_read__many_pairs_of_populations_get_a_sentence():
    nodes = {f"i{k}": IN for k in range(15)} | {f"o{k}": OUT for k in range(15)} | {"w": LINEAR}
    edges = [(f"i{k}", "w") for k in range(15)] + [("w", f"o{k}") for k in range(15)]
    with pytest.raises(BadInput, match="more than 200 pairs"):
        nir.read(graph(nodes, edges), Options(**OPTIONS))


def test_read__many_paths_with_weights_get_a_sentence():
    nodes = {f"i{k}": IN for k in range(120)} | {f"o{k}": OUT for k in range(120)} | {"w": LINEAR}
    edges = [(f"i{k}", "w") for k in range(120)] + [("w", f"o{k}") for k in range(120)]
    with pytest.raises(BadInput, match="more than 1000 paths"):
        nir.read(graph(nodes, edges), Options(**OPTIONS))


def test_read__an_array_that_many_nodes_share_is_counted_at_each():
    shared = node("Linear", weight=np.broadcast_to(np.float32(1), (2048, 2048)))
    nodes = {"in": IN, "out": OUT} | {f"w{k}": shared for k in range(5)}
    with pytest.raises(BadInput, match="16777216 in all, up to the node 'w4'"):
        nir.read(graph(nodes, []), Options(**OPTIONS))


def test_read__notes_name_a_few_of_many_nodes_and_no_control_characters():
    nodes = {"in": IN, "w": LINEAR, "out": OUT} | {f"\x1b[2J{k}": node("\x1b[2J") for k in range(30)}
    nodes |= {f"n{k}": node("LIF") for k in range(30)}
    edges = [("in", "w"), ("w", "out"), *(("w", f"\x1b[2J{k}") for k in range(30)), *(("in", f"n{k}") for k in range(30))]
    notes = nir.read(graph(nodes, edges), Options(**OPTIONS)).notes
    assert sum(" and others" in note for note in notes) == 2
    assert all(note.isprintable() for note in notes)


@pytest.mark.parametrize(
    "content", [{}, {"version": "1"}, {"node": {"nodes": 3}, "version": "1"}, {"node": {"nodes": {}}}, None]
)
def test_recognises__other_content_is_not_taken_and_gets_a_sentence(content):
    container = Container(Path("x.h5"), "hdf5", content)
    assert not nir.recognises(container)
    with pytest.raises(BadInput, match="no NIR graph"):
        nir.read(container, Options(**OPTIONS))
