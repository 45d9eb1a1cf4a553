from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stanalysis.errors import BadInput
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.readers.choosing import read_foreign
from stanalysis.readers.formats.containers import Container
from stanalysis.readers.options import Options
from stanalysis.readers.programs import delrec

FILE = Path(__file__)
RNG = np.random.default_rng(0)


def module(n=4, *, prefix="layers.2.", synaptic=False):
    delays = RNG.uniform(0, 6, size=(n, n) if synaptic else n)
    return {f"{prefix}recurrent_weights": RNG.normal(size=(n, n)).astype(np.float32), f"{prefix}recurrent_delays": delays}


def dcls(n_out, n_in, prefix):
    shape = (n_out, n_in, 1)
    return {
        f"{prefix}weight": RNG.normal(size=shape),
        f"{prefix}P": RNG.uniform(-2, 2, size=(1, *shape)),
        f"{prefix}SIG": np.full((1, *shape), 0.2),
    }


def read(state, *, key="net", epoch=12, **options):
    container = Container(FILE, "torch", {key: state, "acc": 90.5, "epoch": epoch})
    assert delrec.recognises(container)
    return delrec.read(container, Options(**{"dt": 2.0, "max_delay": 16.0} | options))


def tree_of(state, **options):
    return next(iter(read(state, **options).checkpoints.values()))


def simulated(weight, delay, spikes):
    """Recurrent current by plain loops, as the network computes it with delays rounded and its spread gone."""
    current = np.zeros((len(spikes) + 20, weight.shape[0]))
    for t in range(len(spikes)):
        for post in range(weight.shape[0]):
            for pre in range(weight.shape[1]):
                d = round(max(float(np.broadcast_to(delay, weight.shape)[post, pre]), 0.0))
                current[t + 1 + d, post] += weight[post, pre] * spikes[t, pre]
    return current[: len(spikes)]


@pytest.mark.parametrize("synaptic", [False, True])
@pytest.mark.parametrize("key", ["net", "model"])
def test_read__weights_are_post_by_pre_and_a_spike_arrives_1_step_after_its_delay(synaptic, key):
    state = module(synaptic=synaptic)
    state["layers.2.recurrent_delays"].flat[:4] = [0.5, 1.5, 2.5, -0.3]
    tree = tree_of(state, key=key)
    field = receptive_fields(tree, "hidden1__hidden1").receptive_field[0].values
    spikes = RNG.integers(0, 2, size=(30, 4)).astype(float)
    current = np.zeros((30, 4))
    for j, i, d in zip(*np.nonzero(field), strict=True):
        for t in range(d, 30):
            current[t, j] += field[j, i, d] * spikes[t - d, i]
    expected = simulated(state["layers.2.recurrent_weights"], state["layers.2.recurrent_delays"], spikes)
    np.testing.assert_allclose(current, expected, atol=1e-6)
    assert tree["projections/hidden1__hidden1"].attrs["delay_kind"] == ("synaptic" if synaptic else "axonal")
    assert tree.attrs["framework"] == "DelRec"


def test_read__the_delay_learned_is_kept_and_1_step_longer():
    state = module(2) | {"layers.2.recurrent_delays": np.array([0.0, 3.25])}
    table = tree_of(state)["projections/hidden1__hidden1"].to_dataset()
    assert table.delay.values.tolist() == [2.0, 8.5, 2.0, 8.5]
    assert table.attrs["rounding"] == "half odd"


def test_read__weights_of_0_are_synapses():
    state = module(2) | {"layers.2.recurrent_weights": np.zeros((2, 2), np.float32)}
    assert tree_of(state)["projections/hidden1__hidden1"].sizes["synapse"] == 4


def test_read__the_step_is_the_epoch_unless_given():
    assert list(read(module()).checkpoints) == [12]
    assert list(read(module(), network_step=3).checkpoints) == [3]
    assert list(read(module(), epoch=None).checkpoints) == [1]


def test_read__dt_and_the_longest_delay_are_required_with_a_bound():
    state = module(2) | {"layers.2.recurrent_delays": np.array([0.0, 3.25])}
    with pytest.raises(BadInput, match=r"--dt .*--max-delay .*at least 5 steps"):
        read(state, dt=None, max_delay=None)
    with pytest.raises(BadInput, match=r"--max-delay is 8 ms, but net\.layers\.2 has delays up to 8\.5 ms"):
        read(state, max_delay=8.0)


def test_read__layers_without_delays_are_left_out_and_give_populations_their_order():
    state = {"layers.0.weight": np.ones((5, 9))}
    state |= {f"layers.1.{part}": np.ones(5) for part in ("weight", "bias", "running_mean", "running_var")}
    state |= module(5, prefix="layers.2.") | {"layers.5.weight": np.ones((4, 5))} | module(4, prefix="layers.7.")
    state |= {"layers.10.weight": np.ones((3, 4))}
    network = read(state)
    assert list(network.checkpoints[12]["projections"].children) == ["hidden1__hidden1", "hidden2__hidden2"]
    assert "gain" not in network.checkpoints[12]["populations/hidden1"]
    assert any("layers.10 (hidden2 to output)" in note for note in network.notes)
    assert any("Normalisations are left out" in note for note in network.notes)


def test_read__modules_alone_are_populations_in_their_order():
    tree = tree_of(module(3, prefix="a.") | module(3, prefix="b."))
    assert list(tree["projections"].children) == ["hidden1__hidden1", "hidden2__hidden2"]


def test_read__dcls_layers_feed_the_population_after_them():
    state = dcls(4, 6, "layers.0.") | module(4, prefix="layers.3.") | dcls(2, 4, "layers.6.")
    tree = tree_of(state, kernel_size=5, left_padding=4)
    assert set(tree["projections"].children) == {"input__hidden1", "hidden1__hidden1", "hidden1__output"}
    delay = tree["projections/input__hidden1"].to_dataset().delay.values
    np.testing.assert_allclose(delay, 2.0 * (2 - state["layers.0.P"].ravel()), atol=1e-6)
    with pytest.raises(BadInput, match=r"--kernel-size .*--left-padding .*--max-delay"):
        read(state, max_delay=None)


def test_read__dcls_layers_that_form_no_chain_are_refused():
    with pytest.raises(BadInput, match="form no chain"):
        read(module(4, prefix="a.") | dcls(2, 7, "b."), kernel_size=5, left_padding=4)


BROKEN = [
    ({"layers.2.recurrent_weights": np.ones((4, 3))}, r"expected \(n, n\)"),
    ({"layers.2.recurrent_weights": np.ones(4)}, "along 2 axes"),
    ({"layers.2.recurrent_delays": np.ones(3)}, r"expected \(n, n\)"),
    ({"layers.2.recurrent_delays": np.ones((1, 4))}, r"expected \(n, n\)"),
    ({"layers.2.recurrent_delays": np.full(4, np.nan)}, "finite"),
    ({"layers.2.recurrent_weights": np.ones((4, 4), complex)}, "complex"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_read__what_is_damaged_ends_in_a_sentence(change, message):
    with pytest.raises(BadInput, match=message):
        read(module() | change)


def test_recognises__only_recurrent_weights_with_delays():
    assert not delrec.recognises(Container(FILE, "torch", {"net": {"recurrent_weights": np.ones((2, 2))}}))
    assert not delrec.recognises(Container(FILE, "torch", "recurrent_weights"))
    assert not delrec.recognises(Container(FILE, "npz", module()))


def test_read__a_file_that_torch_wrote():
    saved = np.load(FILE.parents[1] / "files" / "delrec_expected.npz")
    network = read_foreign(FILE.parents[1] / "files" / "delrec.pth", dt=2.0, max_delay=16.0)
    table = network.checkpoints[12]["projections/hidden1__hidden1"]
    np.testing.assert_array_equal(table.weight, saved["1.recurrent_weights"].ravel())
    np.testing.assert_allclose(table.delay, np.tile((1 + saved["1.recurrent_delays"].astype(float)) * 2.0, 6))
    assert table.attrs["delay_kind"] == "axonal"


def test_read__delays_of_a_single_neuron_are_no_matter_of_axons():
    state = {"recurrent_weights": np.ones((1, 1)), "recurrent_delays": np.ones(1)}
    assert tree_of(state)["projections/hidden1__hidden1"].attrs["delay_kind"] == "synaptic"


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_read__one_delay_for_a_whole_layer_is_that_of_every_synapse(shape):
    table = tree_of(module(6) | {"layers.2.recurrent_delays": np.full(shape, 4.3)})["projections/hidden1__hidden1"].to_dataset()
    np.testing.assert_allclose(table.delay, 36 * [2.0 * (1 + 4.3)])
    assert table.attrs["delay_kind"] == "axonal"


def test_read__two_recurrences_side_by_side_are_no_chain():
    state = module(4, prefix="layer.exc.") | module(4, prefix="layer.inh.")
    with pytest.raises(BadInput, match=r"net\.layer\.exc and net\.layer\.inh lie side by side"):
        read(state)
