"""Event-based networks in training: to the same bits however, within their bounds, and never with a NaN."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.run import open_run, read_metrics
from tests.trainers.toy_runs import InterruptAt, assert_same_run
from trainers.datasets.recordings import Recordings
from trainers.datasets.spike_lists import SpikeLists
from trainers.methods.eventprop.config import EVENTPROP, PRESETS, EventPropConfig
from trainers.methods.eventprop.rule import RULE, gradient
from trainers.operations.pruning import prune
from trainers.training.loop import train

SMALL = EventPropConfig(
    hidden=(9,),
    epochs=3,
    batch_size=16,
    max_delay=20.0,
    start_delay=10.0,
    input_weights=(0.8, 0.5),
    weight_rate=0.02,
    start_recurrent_delay=5.0,
)
CONFIGS = {
    "all of it": replace(
        SMALL, hidden=(7, 5), recurrent=True, blend=0.5, channel_shift=1, ease_in=3, hidden_weights=(1.0, 0.5), guard=0.1
    ),
    "first": replace(
        SMALL,
        readout="first",
        timing="continuous",
        dt=0.5,
        readout_weights=(1.0, 0.5),
        readout_rate=0.02,
        readout_delays="learned",
    ),
    "published": replace(SMALL, scheme="published", recurrent=True, readout_delays="fixed"),
    "maximum": replace(SMALL, readout="maximum", readout_rate=0.02, readout_delays="learned", delays="fixed"),
}


def recordings(n=40):
    """Three classes told apart by when which of six channels fires."""
    random = np.random.default_rng(1)

    def part(n):
        y, begin, channel, time = np.arange(n) % 3, [0], [], []
        for k in y:
            channels = np.repeat([2 * k, 2 * k + 1, *random.integers(0, 6, 2)], 3)
            times = np.sort(random.integers(0, 25, channels.size) + 5.0 * k)
            channel.append(random.permutation(channels))
            time.append(times)
            begin.append(begin[-1] + channels.size)
        flat = np.concatenate(channel).astype(np.int32), np.concatenate(time)
        return SpikeLists(np.array(begin), *flat, y.astype(np.int64), 6)

    return Recordings(
        name="toy", training=part(n), validation=part(12), test=part(10), dt=1.0, duration=60.0, n_classes=3, frequency=None,
        gain=1.0, source="toy", sha256="toy",
    )  # fmt: skip


def trained(path, config=SMALL, *, watcher=None, threads=1):
    return train(EVENTPROP, config, recordings(), path, seed=3, threads=threads, n_checkpoints=4, watcher=watcher)


def begun(config=SMALL):
    data = recordings()
    return RULE.init(config, 0, data.format), *data.training.batch(np.arange(16))


@pytest.mark.parametrize("name", CONFIGS)
def test_train__interrupted_resumed_and_on_more_threads_ends_bit_identical(tmp_path, name):
    assert trained(tmp_path / "whole", CONFIGS[name])
    assert not trained(tmp_path / "parts", CONFIGS[name], watcher=InterruptAt(4))
    assert trained(tmp_path / "parts", CONFIGS[name], threads=2)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_train__learns_and_says_how_it_went(tmp_path):
    trained(tmp_path, replace(SMALL, epochs=25, dropout=0.0))
    metrics = read_metrics(tmp_path)
    assert metrics["train_accuracy"].iloc[-1] > 0.9
    assert metrics["train_loss"].iloc[-1] < metrics["train_loss"].iloc[0] / 2
    assert (metrics["spikes_per_neuron"] > 0).all()
    assert {"capped", "cut"} <= {*metrics}


def test_train__counts_what_cap_and_guard_did(tmp_path):
    trained(tmp_path, replace(SMALL, epochs=2, least_slope=0.5, guard=1e-9))
    metrics = read_metrics(tmp_path)
    assert (metrics["capped"] > 0).all()
    assert (metrics["cut"] > metrics["capped"]).all()


def test_gradient__the_guard_bounds_it():
    state, batch, label = begun(replace(SMALL, dropout=0.0))
    free, _, _, guards = gradient(state, batch, label)
    bound, _, _, cut = gradient(replace(state, config=replace(state.config, guard=1e-6)), batch, label)
    name = "input__hidden1_weight"
    assert guards.n_cut.sum() == 0 < cut.n_cut.sum()
    assert np.abs(bound[name]).max() < np.abs(free[name]).max() / 10


@pytest.mark.parametrize("what", ["weight", "delay"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_step__a_number_that_is_not_finite_is_named_and_reaches_no_checkpoint(tmp_path, what, value):
    state, batch, label = begun()
    state.arrays[f"input__hidden1_{what}"][2, 1] = value
    with pytest.raises(BadInput, match=f"input__hidden1_{what} holds a number that is not finite"):
        RULE.step(state, batch, label, step=0, epoch=0)
    with pytest.raises(BadInput, match="not finite"):
        RULE.evaluate(state, batch, label)


def test_train__a_rate_too_high_stops_in_a_sentence(tmp_path):
    with pytest.raises(BadInput, match="lower the rates"):
        trained(tmp_path, replace(SMALL, weight_rate=1e30, epochs=4))
    assert np.isfinite(read_checkpoint(open_run(tmp_path).last)["projections/input__hidden1"]["weight"].values).all()


def test_step__lifts_neurons_that_were_silent_for_an_epoch():
    state, batch, label = begun(replace(SMALL, rescue=0.25, weight_rate=0.0, readout_rate=0.0, delay_rate=0.0))
    state.arrays["input__hidden1_weight"][:] = -1
    state.arrays["input__hidden1_weight"][3] = 3
    before = state.arrays["input__hidden1_weight"].copy()
    RULE.step(state, batch, label, step=0, epoch=0)
    np.testing.assert_array_equal(state.arrays["input__hidden1_weight"], before)
    RULE.step(state, batch, label, step=1, epoch=1)
    lifted = state.arrays["input__hidden1_weight"] - before
    assert (lifted[3] == 0).all()
    np.testing.assert_allclose(np.delete(lifted, 3, axis=0), 0.25)


def test_step__eases_the_weights_in_but_not_the_delays():
    moved = {}
    for ease_in in (0, 40):
        state, batch, label = begun(replace(SMALL, ease_in=ease_in, dropout=0.0))
        before = {name: array.copy() for name, array in state.arrays.items()}
        RULE.step(state, batch, label, step=0, epoch=0)
        moved[ease_in] = {name: np.abs(state.arrays[name] - before[name]).max() for name in before}
    for name, factor in (
        ("input__hidden1_weight", 100),
        ("hidden1__output_weight", 100),
        ("input__hidden1_delay", 1),
    ):
        assert moved[0][name] / moved[40][name] == pytest.approx(factor, rel=1e-3)


def test_gradient__the_regulariser_lowers_neurons_that_fire_much():
    change = {}
    for strength in (0.0, 1.0):
        state, batch, label = begun(replace(SMALL, dropout=0.0, regulariser=strength, target_spikes=0.0))
        bars, _, _, _ = gradient(state, batch, label)
        change[strength] = bars["input__hidden1_weight"]
    pulled = change[1.0] - change[0.0]
    assert pulled.sum() > 0  # a step against the gradient lowers weights
    assert (pulled >= -1e-6).mean() > 0.9


@pytest.mark.parametrize("delays", ["learned", "fixed", "none"])
def test_step__moves_delays_only_where_they_are_learned(delays):
    config = replace(SMALL, delays=delays, recurrent=True, recurrent_delays=delays, start_recurrent_delay=5.0, delay_rate=30.0)
    state, batch, label = begun(config)
    for name in ("input__hidden1_delay", "hidden1__hidden1_delay"):
        before = state.arrays[name].copy()
        assert before.any() == (delays != "none")
    for number in range(4):
        RULE.step(state, batch, label, step=number, epoch=0)
    after = state.arrays["input__hidden1_delay"]
    assert (after.min(), after.max()) == ((0, config.max_delay) if delays == "learned" else (after.min(), after.max()))
    assert ((after >= 0) & (after <= config.max_delay)).all()
    if delays == "fixed":
        np.testing.assert_array_equal(after, np.rint(after))
        np.testing.assert_array_equal(after, RULE.init(config, 0, state.data).arrays["input__hidden1_delay"])


def test_describe__says_what_a_checkpoint_holds():
    state, _, _ = begun(CONFIGS["all of it"])
    described = RULE.describe(state, epoch=0, spikes=[np.full(7, 3.0), np.full(5, 6.0)])
    assert [*described.populations] == ["input", "hidden1", "hidden2", "output"]
    assert described.populations["hidden2"]["rate"].values.tolist() == [100.0] * 5
    rounding = {"__".join(ends): table.attrs["rounding"] for ends, table in described.projections.items()}
    assert rounding == {
        "input__hidden1": "half even",
        "hidden1__hidden1": "none",
        "hidden1__hidden2": "none",
        "hidden2__hidden2": "none",
        "hidden2__output": "none",
    }
    longest = [table.attrs["delay_max"] for table in described.projections.values()]
    assert (longest, described.dt) == ([20.0] * 4 + [0.0], 1.0)


def test_describe__of_continuous_delays_has_no_resolution():
    state, _, _ = begun(CONFIGS["first"])
    described = RULE.describe(state, epoch=0, spikes=[np.zeros(9)])
    assert described.dt == 0
    assert {table.attrs["rounding"] for table in described.projections.values()} == {"none"}


@pytest.mark.parametrize("name", CONFIGS)
def test_deploy__its_own_synapses_answer_as_the_network_does(name):
    state, batch, label = begun(CONFIGS[name])
    tables = RULE.describe(state, epoch=0, spikes=[]).projections
    ours, deployed = RULE.evaluate(state, batch, label), RULE.evaluate(RULE.deploy(state, tables), batch, label)
    np.testing.assert_array_equal(ours.loss, deployed.loss)
    np.testing.assert_array_equal(ours.prediction, deployed.prediction)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": 9}, "no such neurons, delay or weight"),
        ({"delay": 21.0}, "no such neurons, delay or weight"),
        ({"delay": np.nan}, "no such neurons, delay or weight"),
        ({"weight": np.inf}, "no such neurons, delay or weight"),
        ({"target": 0, "source": 0}, "joins a pair of neurons twice"),
    ],
)
def test_deploy__refuses_synapses_that_it_cannot_run(change, message):
    state, _, _ = begun()
    table = RULE.describe(state, epoch=0, spikes=[]).projections["input", "hidden1"].copy(deep=True)
    for name, value in change.items():
        table[name][5] = value
    with pytest.raises(BadInput, match=message):
        RULE.deploy(state, {("input", "hidden1"): table})
    with pytest.raises(BadInput, match="no projection hidden1__hidden1"):
        RULE.deploy(state, {("hidden1", "hidden1"): table})


def test_prune__works_on_an_event_based_network(tmp_path):
    trained(tmp_path, CONFIGS["all of it"])
    table = prune(tmp_path, recordings(), fractions=(0, 0.5, 1), draws=1, checkpoint="last", threads=1)
    whole = table[table.fraction == 0]
    assert whole.test_accuracy.nunique() == 1
    assert whole.test_accuracy.iloc[0] == pytest.approx(read_metrics(tmp_path).test_accuracy.iloc[-1])
    assert (table[table.fraction == 1].n_synapses == 0).all()
    assert isinstance(table, pd.DataFrame)


def test_restored__refuses_arrays_of_another_network():
    state, _, _ = begun()
    other = RULE.init(replace(SMALL, hidden=(8,)), 0, state.data)
    with pytest.raises(BadInput, match="belongs to another run"):
        RULE.restored(state, other.arrays)


@pytest.mark.parametrize("name", PRESETS)
def test_presets__are_configurations(name):
    assert replace(PRESETS[name]) == PRESETS[name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": (3, 0)}, "at least one neuron"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"blend": 1.5}, "blend is 1.5"),
        ({"tau_syn": 20.0}, "tau_mem and tau_syn are both about 20"),
        ({"tau_out": 5.0}, "tau_out and tau_syn are both about 5"),
        ({"dt": 10.0}, "dt is 10.0 ms, longer than"),
        ({"start_delay": 400.0}, "start_delay is 400.0; give at most max_delay"),
        ({"input_weights": (1.0,)}, "give a mean and a standard deviation"),
        ({"input_weights": (1.0, -1.0)}, "give a mean and a standard deviation"),
        ({"max_delay": 300.5}, "no multiple of dt"),
        ({"weight_rate": float("nan")}, "weight_rate is nan"),
        ({"recurrent": True, "recurrent_delays": "fixed", "start_recurrent_delay": 0.0}, "fixed recurrent delays"),
        ({"scheme": "published", "timing": "continuous"}, "knows steps only"),
        ({"readout": "mode"}, "readout is 'mode'"),
    ],
)
def test_eventprop_config__refuses_what_cannot_be(change, message):
    with pytest.raises(BadInput, match=message):
        EventPropConfig(**change)


def test_step__goes_on_after_very_many_steps():
    state, batch, label = begun()
    RULE.step(state, batch, label, step=10**6, epoch=1)
    assert all(np.isfinite(array).all() for array in state.arrays.values())


@pytest.mark.parametrize("change", [{"trial": 1e9}, {"max_delay": 1e12}, {"dt": 1e-3, "trial": 1e5, "timing": "continuous"}])
def test_init__more_steps_than_there_are_places_is_bad_input(change):
    with pytest.raises(BadInput, match="too many steps"):
        begun(replace(SMALL, **change))


def test_step__a_population_without_any_spike_is_told():
    state, batch, label = begun(replace(SMALL, input_weights=(0.0, 0.0)))
    RULE.step(state, batch, label, step=0, epoch=0)
    with pytest.warns(UserWarning, match="no neuron of hidden1 fired in epoch 1"):
        RULE.step(state, batch, label, step=1, epoch=1)
