"""Networks that fire once in training: to the same bits however, in ms in the checkpoints, and never with a NaN."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import read_checkpoint
from stanalysis.files.run import open_run, read_metrics
from tests.trainers.methods.delgrad.nets import UNIT, events, inputs, state_of
from tests.trainers.toy_runs import InterruptAt, assert_same_run
from trainers.datasets import load_dataset
from trainers.datasets.recordings import DataFormat, Events, Recordings
from trainers.methods.delgrad import rule
from trainers.methods.delgrad.config import DELGRAD, PRESETS, DelGradConfig
from trainers.methods.delgrad.rule import RULE
from trainers.operations.pruning import prune
from trainers.training.loop import train

SMALL = DelGradConfig(hidden=(8,), epochs=3, batch_size=30)
HARDWARE = replace(
    PRESETS["goltz2025-hardware"], hidden=(8,), epochs=2, batch_size=30, threshold=0.5, readout_weights=(1.0, 0.5)
)
CONFIGS = {
    "synaptic": SMALL,
    "axonal": replace(SMALL, delays="axonal", schedule="cosine", rate_factor=2.0),
    "dendritic": replace(SMALL, delays="dendritic", bound="clip", start_delays=(0.5, 0.5), hidden=(8, 6)),
    "none": replace(SMALL, delays="none", tau_mem=3.0),
    "hardware": HARDWARE,
    "several spikes": replace(SMALL, spikes=3, hidden_weights=(2.0, 1.0)),
    "bumped": replace(SMALL, hidden_weights=(0.2, 0.1), bump=0.01),
}


def recordings(n=90):
    """Some of the points of the Yin-Yang disc."""
    data = load_dataset("yin_yang")
    parts = {"training": n, "validation": 40, "test": 40}
    return replace(data, **{name: getattr(data, name).subset(np.arange(k)) for name, k in parts.items()})


def trained(path, config=SMALL, *, watcher=None, threads=1, data=None):
    return train(DELGRAD, config, data or recordings(), path, seed=3, threads=threads, n_checkpoints=3, watcher=watcher)


@pytest.mark.parametrize("name", CONFIGS)
def test_train__interrupted_resumed_and_on_more_threads_ends_bit_identical(tmp_path, name):
    assert trained(tmp_path / "whole", CONFIGS[name])
    assert not trained(tmp_path / "parts", CONFIGS[name], watcher=InterruptAt(4))
    assert trained(tmp_path / "parts", CONFIGS[name], threads=2)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_train__learns_and_says_how_it_went(tmp_path):
    data = recordings(600)
    trained(tmp_path, replace(SMALL, hidden=(20,), epochs=30, weight_rate=0.02), data=data)
    metrics = read_metrics(tmp_path)
    assert metrics["validation_accuracy"].iloc[-1] > 0.8
    assert metrics["train_loss"].iloc[-1] < metrics["train_loss"].iloc[0] / 3
    assert metrics["silent"].between(0, 1).all()
    assert {"bumped", "cut"} <= {*metrics}


def test_train__counts_the_steps_that_raised_weights(tmp_path):
    trained(tmp_path, CONFIGS["bumped"])
    metrics = read_metrics(tmp_path)
    assert metrics["bumped"].iloc[0] == 3
    assert (metrics["bumped"] <= 3).all()  # of its own epoch
    assert metrics["train_loss"].iloc[0] == 100
    assert metrics["train_accuracy"].iloc[0] == 0  # nobody fires: no class is told


@pytest.mark.parametrize("delays", ["synaptic", "axonal", "dendritic", "none"])
def test_describe__delays_are_in_ms_and_spread_over_the_rows(tmp_path, delays):
    config = replace(SMALL, delays=delays, ms_per_unit=7.0, delay_shift=0.5, delay_scale=2.0)
    trained(tmp_path, config)
    network = read_checkpoint(open_run(tmp_path).last)
    assert network.attrs["dt"] == 0
    assert (network["populations/hidden1"].time_constant == 14.0).all()
    for name, shape in (("input__hidden1", (8, 4)), ("hidden1__output", (3, 8))):
        table, stored = network[f"projections/{name}"], network["trainer_state"][f"{name}_delay"].values
        expected = 7.0 * (0.5 + 2.0 / (1 + np.exp(-stored))) if delays != "none" else np.zeros((1, 1))
        delay = table.delay.values.reshape(shape)
        np.testing.assert_allclose(delay, np.broadcast_to(expected, shape), rtol=1e-14)
        assert table.attrs["delay_kind"] == (delays if delays != "none" else "synaptic")
        assert table.attrs["delay_max"] == pytest.approx(17.5 if delays != "none" else 0)
        assert table.attrs["rounding"] == "none"


def test_describe__a_spike_passes_a_synapse_after_its_delay():
    config = replace(UNIT, hidden=(), ms_per_unit=4.0, copies=2)
    state = state_of(config, input__output_weight=np.full((3, 8), 2.0))
    table = RULE.describe(state, epoch=0, spikes=[]).projections["input", "output"]
    assert table.contact.values.tolist()[:4] == [0, 1, 0, 1]
    alone = state_of(replace(config, copies=1), input__output_weight=np.full((3, 4), 4.0), input__output_delay=np.zeros((3, 4)))
    time = np.array([[1.0, np.inf, np.inf, np.inf]])
    for target in range(3):
        first = table.isel(synapse=(table.source.values == 0) & (table.target.values == target))
        early = rule.output_times(state, rule.run(state, events(time))[0])[0, target]
        later = rule.output_times(alone, rule.run(alone, events(time))[0])[0, target] - 0.5  # with its delay of half a unit
        assert first.delay.values.min() / 4 <= early - later <= first.delay.values.max() / 4


def test_deploy__of_its_own_tables_answers_as_the_network_does(tmp_path):
    for name in ("axonal", "hardware", "dendritic"):
        trained(tmp_path / name, CONFIGS[name])
        data, run = recordings(), open_run(tmp_path / name)
        state = RULE.init(CONFIGS[name], 3, data.format)
        network = read_checkpoint(run.last)
        state = RULE.restored(state, {str(k): v.values for k, v in network["trainer_state"].data_vars.items()})
        tables = {tuple(str(k).split("__")): node.to_dataset() for k, node in network["projections"].children.items()}
        batch = data.test.batch(np.arange(40))
        expected, answer = RULE.evaluate(state, *batch), RULE.evaluate(RULE.deploy(state, tables), *batch)
        np.testing.assert_allclose(answer.loss, expected.loss, rtol=1e-9)
        np.testing.assert_array_equal(answer.prediction, expected.prediction)
        moved = {ends: table.assign(delay=table.delay * 0 + table.delay.values[::-1]) for ends, table in tables.items()}
        assert (RULE.evaluate(RULE.deploy(state, moved), *batch).loss != expected.loss).any()


@pytest.mark.parametrize("name", ["synaptic", "hardware"])
def test_prune__of_nothing_leaves_the_accuracy(tmp_path, name):
    trained(tmp_path, CONFIGS[name])
    table = prune(tmp_path, recordings(), fractions=(0, 0.5, 1), draws=1, checkpoint="last", threads=1)
    whole, none = table[table.fraction == 0], table[table.fraction == 1]
    assert whole.test_accuracy.to_numpy() == pytest.approx(read_metrics(tmp_path)["test_accuracy"].iloc[-1])
    assert (none.test_accuracy == 0).all()  # nobody fires, no class is told


BAD_TABLES = {
    "unknown projection": (("input", "output"), {}),
    "delay too long": (("input", "hidden1"), {"delay": 11.0}),
    "delay below 0": (("input", "hidden1"), {"delay": -1.0}),
    "weight nan": (("input", "hidden1"), {"weight": np.nan}),
    "source too large": (("input", "hidden1"), {"source": 4}),
    "twice": (("input", "hidden1"), {"source": 0, "target": 0}),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_deploy__refuses_what_cannot_run(name):
    ends, changes = BAD_TABLES[name]
    state = RULE.init(SMALL, 0, recordings().format)
    table = RULE.describe(state, epoch=0, spikes=[]).projections["input", "hidden1"]
    table = table.assign({what: (table[what] * 0 + value).astype(table[what].dtype) for what, value in changes.items()})
    with pytest.raises(BadInput, match=r"mend the table|has no projection"):
        RULE.deploy(state, {ends: table})


def test_restored__refuses_another_network():
    state = RULE.init(SMALL, 0, recordings().format)
    with pytest.raises(BadInput, match="'input__hidden1_weight'"):
        RULE.restored(state, {k: v for k, v in state.arrays.items() if k != "input__hidden1_weight"})


BAD_CONFIGS = {
    "hidden": ((0,), "populations of at least one"),
    "tau_mem": (1.0001, "nearly the synaptic"),
    "delays": ("some", "one of none, axonal"),
    "start_delays": ((0.0, -1.0), "a mean and a standard deviation"),
    "threshold_noise": ((-2.0, 0.0), "above 0"),
    "delay_scale": (1e4, "at most 300"),
    "spikes": (0, "1 or more"),
    "margin": (np.nan, "finite"),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_config__refuses_what_makes_no_network(name):
    value, sentence = BAD_CONFIGS[name]
    with pytest.raises(BadInput, match=sentence):
        replace(SMALL, **{name: value})


@pytest.mark.parametrize("preset", PRESETS)
def test_presets__are_for_yin_yang(preset):
    assert DELGRAD.data_of(preset) == "yin_yang"
    RULE.init(PRESETS[preset], 0, recordings().format)


def test_hardware__delays_are_shared_among_the_copies_of_several_channels():
    state = RULE.init(HARDWARE, 0, recordings().format)
    first = state.projections[0]
    delay = state.delay(first)
    assert delay.shape == (8, 20)
    np.testing.assert_array_equal(delay[0], np.tile(delay[0, :4], 5))
    assert (delay == delay[0]).all()
    np.testing.assert_allclose(state.weight(first) * 30, np.rint(state.weight(first) * 30), atol=1e-9)


def test_hardware__noise_is_addressed_by_step_and_weights_are_clamped():
    config = replace(HARDWARE, weight_rate=50.0)
    batch, label = recordings().training.batch(np.arange(30))
    losses = []
    for step in (0, 0, 1):
        state = RULE.init(config, 0, recordings().format)
        losses.append(RULE.step(state, batch, label, step=step, epoch=0)[0])
        assert np.abs(state.arrays["input__hidden1_weight"]).max() <= config.largest_weight
    np.testing.assert_array_equal(losses[0], losses[1])
    assert (losses[0] != losses[2]).any()
    state = RULE.init(config, 0, recordings().format)
    np.testing.assert_array_equal(RULE.evaluate(state, batch, label).loss, RULE.evaluate(state, batch, label).loss)


def test_step__jitter_moves_arrivals_and_threshold_noise_spikes():
    batch = events(inputs(30))
    for changes in ({"jitter": 0.05}, {"threshold_jitter": 0.05}):
        state = state_of(replace(UNIT, hidden=(8,), **changes))
        quiet, noisy = rule.run(state, batch)[0], rule.run(state, batch, np.random.default_rng(0))[0]
        moved = rule.output_times(state, noisy) - rule.output_times(state, quiet)
        assert 0 < np.median(np.abs(moved[np.isfinite(moved)])) < 0.5
    noisy_thresholds = RULE.init(replace(UNIT, hidden=(200,), threshold_noise=(0.1, 0.05)), 0, DataFormat(4, 3, 0.0, 2.0))
    threshold = noisy_thresholds.arrays["hidden1_threshold"]
    assert threshold.mean() == pytest.approx(1.1, abs=0.02)
    assert threshold.std() == pytest.approx(0.05, abs=0.01)


def test_step__samples_without_spikes_are_silent_not_an_error():
    nothing = Events(np.zeros(4, np.int64), np.zeros(0, np.int32), np.zeros(0))
    state = RULE.init(SMALL, 0, recordings().format)
    before = state.arrays["input__hidden1_weight"].copy()
    loss, prediction = RULE.step(state, nothing, np.array([0, 1, 2]), step=0, epoch=0)
    assert loss.tolist() == [100] * 3
    assert prediction.tolist() == [-1] * 3
    np.testing.assert_array_equal(state.arrays["input__hidden1_weight"], before)  # no weight could help
    assert all(np.isfinite(values).all() for values in state.arrays.values())


def test_train__spikes_too_far_apart_are_refused_in_a_sentence(tmp_path):
    data: Recordings = recordings()
    with pytest.raises(BadInput, match="give a longer --ms-per-unit"):
        trained(tmp_path, replace(SMALL, ms_per_unit=0.01), data=data)


def test_train__absurd_rates_leave_no_number_that_is_not_finite(tmp_path):
    trained(tmp_path, replace(SMALL, weight_rate=1e200, schedule="constant"))
    network = read_checkpoint(open_run(tmp_path).last)
    assert all(np.isfinite(v.values).all() for v in network["trainer_state"].data_vars.values())


def without_spikes(batch, sample):
    """The batch with a sample silenced."""
    begin, drop = batch.begin.copy(), slice(batch.begin[sample], batch.begin[sample + 1])
    begin[sample + 1 :] -= drop.stop - drop.start
    return Events(begin, np.delete(batch.channel, drop), np.delete(batch.time, drop))


def test_step__a_sample_without_spikes_does_not_stop_the_others_from_learning():
    data = recordings(300)
    state = RULE.init(replace(SMALL, hidden=(20,), weight_rate=0.02), 0, data.format)
    accuracies = []
    for step in range(150):
        batch, label = data.training.batch(np.arange(30) + 30 * (step % 10))
        _, prediction = RULE.step(state, without_spikes(batch, 7), label, step=step, epoch=0)
        accuracies.append((np.delete(prediction, 7) == np.delete(label, 7)).mean())
    assert state.arrays["n_bumped"] < 75
    assert np.mean(accuracies[-10:]) > 0.75


def test_step__a_population_that_no_weights_wake_is_named():
    state = RULE.init(replace(SMALL, hidden_weights=(1.0, 0.0), readout_weights=(-1e18, 0.0)), 0, recordings().format)
    batch, label = recordings().training.batch(np.arange(30))
    for step in range(40):
        RULE.step(state, batch, label, step=step, epoch=0)
    with pytest.raises(BadInput, match=r"weights to output were raised 40 times in a row.*--most-silent-output"):
        RULE.step(state, batch, label, step=40, epoch=0)


RATES = {"steps": {0: 1.0, 19: 1.0, 45: 0.95**2}, "cosine": {0: 1.0, 50: 0.5, 75: 0.14645}, "constant": {0: 1.0, 99: 1.0}}


@pytest.mark.parametrize("schedule", RATES)
@pytest.mark.parametrize("factor", [1.0, 2.5])
def test_step__the_first_one_is_as_long_as_the_rates_of_the_epoch(schedule, factor):
    batch, label = recordings().training.batch(np.arange(30))
    for epoch, share in RATES[schedule].items():
        config = replace(SMALL, hidden=(20,), schedule=schedule, rate_factor=factor, epochs=100, readout_weights=(2.0, 0.5))
        state = RULE.init(config, 1, recordings().format)
        before = {what: state.arrays[f"hidden1__output_{what}"].copy() for what in ("weight", "delay")}
        RULE.step(state, batch, label, step=0, epoch=epoch)
        assert state.arrays["age"] == 1
        for what, rate in (("weight", config.weight_rate), ("delay", config.delay_rate)):
            longest = np.abs(state.arrays[f"hidden1__output_{what}"] - before[what]).max()
            assert longest == pytest.approx(rate * factor * share, rel=1e-3)
