from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import stanalysis
from stanalysis.errors import BadInput
from stanalysis.fields.receptive_field import receptive_fields
from stanalysis.readers.formats.containers import Container
from stanalysis.readers.options import Options
from stanalysis.readers.programs import snntorch

FILES = Path(__file__).parents[1] / "files"
RNG = np.random.default_rng(5)


def linear(name, n_out, n_in):
    return {f"{name}.weight": RNG.normal(size=(n_out, n_in)).astype(np.float32), f"{name}.bias": np.zeros(n_out, np.float32)}


def delays(name, *values):
    return {f"{name}.delay": np.array(values if len(values) > 1 else values[0], np.float32)}


def leaky(name, **more):
    one = np.array(1.0, np.float32)
    plain = {"threshold": one, "graded_spikes_factor": one, "reset_mechanism_val": np.array(0), "beta": one}
    return {f"{name}.{key}": array for key, array in (plain | more).items()}


def chain(**delayed):
    """Layers of 3, 4 and 2 neurons, with modules after each by the name of that."""
    state = {}
    for part in (linear("fc1", 4, 3), leaky("lif1"), linear("fc2", 2, 4), leaky("lif2")):
        state |= part | delayed.get(next(iter(part)).partition(".")[0], {})
    return delayed.get("first", {}) | state


def read(state, **options):
    container = Container(Path(__file__), "torch", state)
    assert snntorch.recognises(container)
    return snntorch.read(container, Options(**{"dt": 2.0, "max_delay": 16.0} | options))


def table_of(state, projection="input__hidden1", **options):
    return read(state, **options).checkpoints[1][f"projections/{projection}"].to_dataset()


def answer(table, dt, n_steps):
    """What impulses of each source lead to at each target, (target, source, step): delays between steps share the weight."""
    current = np.zeros((table.attrs["n_target"], table.attrs["n_source"], n_steps))
    for target, source, steps, weight in zip(
        table.target.values, table.source.values, table.delay.values / dt, table.weight.values, strict=True
    ):
        near = np.maximum(1 - abs(np.arange(n_steps) - steps), 0)
        current[target, source] += weight * near
    return current


@pytest.mark.parametrize(("name", "steps", "step"), [("steps", 8, 7), ("parallel", 6, 1)])
def test_read__answers_impulses_as_the_modules_do(name, steps, step):
    network = stanalysis.read_foreign(FILES / f"snntorch_{name}.pt", dt=2.0, max_delay=2.0 * steps)
    tree = network.checkpoints[step]
    expected = np.load(FILES / f"snntorch_{name}.npz")
    assert set(expected) == set(tree["projections"].children)
    for projection in expected:
        table = tree[f"projections/{projection}"].to_dataset()
        got = answer(table, 2.0, expected[projection].shape[2])
        if projection == "hidden1__output":  # two kernels follow each other: their centre is the sum of the delays
            at = np.arange(got.shape[2])
            weight = expected[projection].sum(axis=2)
            np.testing.assert_allclose(got.sum(axis=2), weight, rtol=1e-5)
            np.testing.assert_allclose((got * at).sum(axis=2), (expected[projection] * at).sum(axis=2), rtol=1e-4)
        else:
            np.testing.assert_allclose(got, expected[projection], atol=1e-6)
    assert tree.attrs["framework"] == "snnTorch"


def test_read__delays_behind_weights_are_dendritic_and_clamped():
    state = chain(fc1=delays("d", -0.5, 0.25, 3.0, 9.0))
    table = table_of(state)
    assert table.delay.values.reshape(4, 3)[:, 0].tolist() == [0.0, 0.5, 6.0, 16.0]
    assert (table.attrs["delay_kind"], table.attrs["rounding"], table.attrs["delay_max"]) == ("dendritic", "none", 16.0)
    np.testing.assert_array_equal(table.weight.values.reshape(4, 3), state["fc1.weight"])
    assert "2 delays lie beyond 0 to 8 steps and are clamped, as when the network runs." in read(state).notes


def test_read__delays_behind_neurons_are_axonal():
    table = table_of(chain(lif1=delays("d", 1.0, 2.0, 3.0, 4.0)), "hidden1__output")
    assert table.delay.values.reshape(2, 4).tolist() == [[2.0, 4.0, 6.0, 8.0]] * 2
    assert table.attrs["delay_kind"] == "axonal"


def test_read__delays_of_the_input_are_axonal():
    table = table_of(chain(first=delays("d", 1.0, 0.0, 3.0)))
    assert table.delay.values.reshape(4, 3)[0].tolist() == [2.0, 0.0, 6.0]


def test_read__one_delay_is_that_of_all_channels():
    assert set(table_of(chain(fc1=delays("d", 2.5))).delay.values) == {5.0}


def test_read__delays_behind_and_before_add_up():
    state = chain(first=delays("axons", 1.0, 0.0, 3.0), fc1=delays("dendrites", 0.5, 1.0, 2.0, 8.0))
    table = table_of(state)
    assert table.delay.values.reshape(4, 3)[3].tolist() == [18.0, 16.0, 22.0]
    assert (table.attrs["delay_kind"], table.attrs["delay_max"]) == ("synaptic", 32.0)


def test_read__what_is_guessed_or_left_out_is_told():
    more = {"recurrent.weight": np.ones((4, 4), np.float32), "graded_spikes_factor": np.array(2.0)}
    notes = read(chain(fc1=delays("d", 1.0) | leaky("lif0", **more))).notes
    assert "Where delays lie is told by the order of the file: d.delay on the targets of fc1.weight." in notes
    assert "Layers without delays are left out: fc2." in notes
    assert "Recurrent weights, which have no delay, are left out: lif0.recurrent.weight." in notes
    assert "Biases are left out: fc1.bias." in notes
    assert any("Spikes are graded" in note and "lif0.graded_spikes_factor" in note for note in notes)
    assert any("The kernel is in no file" in note for note in notes)


def test_read__a_normalisation_is_that_of_its_population():
    norm = {f"bn1.{part}": np.full(4, value) for part, value in {"weight": -1.0, "bias": 0.0, "running_mean": 0.0}.items()}
    network = read(chain(fc1=delays("d", 1.0) | norm | {"bn1.running_var": np.ones(4)}))
    folded = receptive_fields(network.checkpoints[1], "input__hidden1", fold_gain=True).receptive_field
    plain = receptive_fields(network.checkpoints[1], "input__hidden1").receptive_field
    np.testing.assert_allclose(folded, -plain, rtol=1e-4)
    assert any("bn1 is taken for the normalisation of hidden1" in note for note in network.notes)


ALL_LAYERS_FIRST = linear("fc1", 4, 3) | linear("fc2", 2, 4) | delays("d1", 1.0, 2.0) | leaky("lif1") | leaky("lif2")
STACKED = chain(fc1=delays("d1", 1.0) | delays("d2", 2.0))
WITHIN_ONE = {"fc1": delays("d", 1.0, 2.0, 3.0)}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (ALL_LAYERS_FIRST, "No neurons lie between 'fc1.weight' and 'fc2.weight'.*mapping"),
        (linear("fc0", 3, 3) | chain(fc1=delays("d", 1.0)), "No neurons lie between 'fc0.weight'"),
        (chain(lif2=delays("d", 1.0)), "'d.delay' comes after all layers and their neurons"),
        (leaky("lif0") | linear("fc1", 4, 3) | delays("d", 1.0), "No neurons lie behind 'fc1.weight'"),
        (STACKED, "Both 'd1.delay' and 'd2.delay' seem to delay the targets of 'fc1.weight'"),
        (chain(**WITHIN_ONE), "'d.delay' has 3 delays, but 'fc1.weight' has 4 targets by its side"),
        (chain(fc1=delays("d", 1.0)) | {"fc2.weight": np.ones((2, 5))} | delays("d2", 1.0) | leaky("lif3"), "after all"),
        (chain(fc2=delays("d", 1.0)) | {"fc2.weight": np.ones((2, 5))}, "fc1 does not fit between"),
        (chain(fc2=delays("d", 1.0)) | {"fc2.weight": np.ones((2, 2))}, "fc2 does not fit between"),
        (chain(fc1=delays("d", 1.0)) | {"fc2.weight": np.ones((2, 8))}, "fc2 does not fit between"),
        (chain(fc1=delays("d", np.nan)), "not all finite"),
    ],
)
def test_read__an_order_that_tells_nothing_is_refused(state, message):
    with pytest.raises(BadInput, match=message):
        read(state)


def test_read__what_is_missing_is_asked_for():
    with pytest.raises(
        BadInput, match=r"give --dt .*--max-delay \(max_delay of SynapticDelay in ms: most likely at least 6 steps, .*5.3\)"
    ):
        read(chain(fc1=delays("d", 5.3)), dt=None, max_delay=None)


@pytest.mark.parametrize("max_delay", [0.0, 1.0, 15.0])
def test_read__max_delay_is_a_whole_number_of_steps(max_delay):
    with pytest.raises(BadInput, match="SynapticDelay takes whole steps"):
        read(chain(fc1=delays("d", 1.0)), max_delay=max_delay)


def test_read__of_two_networks_none_is_chosen():
    state = chain(fc1=delays("d", 1.0))
    with pytest.raises(BadInput, match=r"several networks \('model', 'ema'\)"):
        read({"model": state, "ema": state, "epoch": 3})
    assert list(read({"model": state, "optimizer": {"state": {}}, "epoch": 3}).checkpoints) == [3]


@pytest.mark.parametrize("left_out", ["delay", "threshold", "fc"])
def test_recognises__needs_delays_neurons_and_weights(left_out):
    state = {name: array for name, array in chain(fc1=delays("d", 1.0)).items() if left_out not in name}
    assert not snntorch.recognises(Container(Path(__file__), "torch", state))
    with pytest.raises(BadInput, match="no neurons of snnTorch"):
        snntorch.read(Container(Path(__file__), "torch", state), Options())
