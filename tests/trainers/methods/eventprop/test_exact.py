"""The exact scheme against the oracle: spike times, losses and gradients, and what must change nothing."""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stanalysis.errors import BadInput
from tests.trainers.methods.eventprop.nets import by_engine, by_oracle, cosine, draw, events, state_of, with_arrays
from trainers.methods.eventprop.config import EventPropConfig
from trainers.methods.eventprop.crossing import first_crossing
from trainers.methods.eventprop.peak_voltage import peak_voltage, peak_voltage_adjoint
from trainers.methods.eventprop.records import SLICES, Spikes, grid
from trainers.methods.eventprop.rule import gradient
from trainers.methods.eventprop.spikes import counts

pytestmark = pytest.mark.kernel

ONE, TWO = (6, 20, 3), (6, 20, 18, 3)
TIMINGS = ("steps", "continuous")
CLOSE = 1 - 1e-6

# Seed 4 is missing: with continuous input, an arrival and a spike lie 1e-6 ms apart, in single precision in the other order.
FEEDFORWARD = [(sizes, timing, seed) for sizes in (ONE, TWO) for timing in TIMINGS for seed in (1, 2, 3, 5, 6, 7)]


def n_spikes(outcome):
    return [[len(times) for times in sample] for sample in outcome.times]


def assert_same(case):
    """Engine and oracle agree; both fire."""
    engine, oracle = by_engine(case), by_oracle(case)
    assert n_spikes(engine) == n_spikes(oracle)
    assert np.sum(n_spikes(oracle)) > 5
    for ours, theirs in zip(engine.times, oracle.times, strict=True):
        np.testing.assert_allclose(np.concatenate(ours), np.concatenate(theirs), atol=1e-3, rtol=0)
    assert engine.loss == pytest.approx(oracle.loss, rel=1e-4)
    for name, parts in engine.gradient.items():
        for part, bar in parts.items():
            expected = oracle.gradient[name][part]
            assert cosine(bar, expected) > CLOSE, (name, part)
            assert np.linalg.norm(bar) == pytest.approx(np.linalg.norm(expected), rel=1e-3), (name, part)


@pytest.mark.parametrize(("sizes", "timing", "seed"), FEEDFORWARD)
def test_gradient__of_a_net_equals_the_oracle(sizes, timing, seed):
    assert_same(draw(seed, sizes, timing=timing))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(("sizes", "timing"), [(ONE, "steps"), (ONE, "continuous"), (TWO, "steps")])
def test_gradient__of_a_recurrent_net_equals_the_oracle(sizes, timing, at_once, seed):
    assert_same(draw(seed, sizes, timing=timing, recurrent=True, at_once=at_once, scale=1.2))


@pytest.mark.parametrize("readout_delay", [0.0, 10.0])
@pytest.mark.parametrize("readout", ["mean", "maximum"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gradient__of_readouts_with_delays_equals_the_oracle(readout, readout_delay, seed):
    assert_same(draw(seed, ONE, readout=readout, readout_delay=readout_delay, tau_out=13.0))


@pytest.mark.parametrize("seed", [0, 3, 4])
@pytest.mark.parametrize("timing", TIMINGS)
def test_gradient__of_first_spikes_equals_the_oracle(timing, seed):
    assert_same(draw(seed, ONE, readout="first", timing=timing, scale=1.3))


def test_gradient__of_a_batch_is_the_mean():
    case = draw(5, ONE, n_samples=5, recurrent=True)
    empty = [np.array([])] * ONE[0]
    assert_same(replace(case, trains=[empty, *case.trains[1:4], empty]))


def test_gradient__of_sizes_that_fill_no_block_equals_the_oracle():
    """More than one block, the last not full, and a trial whose steps fill no word."""
    assert_same(draw(1, (5, 33, 17, 2), recurrent=True, scale=1.1))
    assert_same(draw(1, (3, 1, 2), scale=2.0))


def delays_at_the_end(case):
    """Delays of whole steps, the longest of them as long as the trial, from the input and back into the population."""
    delay = {name: np.rint(array) for name, array in case.delay.items()}
    for array in delay.values():
        array[0, 0], array[-1, -1] = 0, 60
    return with_arrays(case, delay=delay)


@pytest.mark.parametrize("timing", TIMINGS)
def test_gradient__with_whole_delays_up_to_the_longest_equals_the_oracle(timing):
    assert_same(delays_at_the_end(draw(2, ONE, timing=timing, recurrent=True, max_delay=60.0, start_delay=0.0)))


# --- Leaky integrators without hidden neurons: inputs of whole steps, so that all is in double precision


def integrators(trains, weight, delay=0.0, end=40, tau_out=10.0):
    """Maxima of leaky integrators, and their derivatives by weights, delays and arrivals; ``weight`` is (output, input)."""
    weight = np.asarray(weight, float)
    delay = np.zeros(weight.shape) + delay
    begin = np.cumsum([0, *map(len, trains)])[None].astype(np.uint32)
    step = np.concatenate(trains)[None].astype(np.uint32)
    spikes = Spikes(begin, step, np.zeros(step.shape, np.float32), np.empty((0, 0), np.float32))
    dynamics, z = grid(end, 1.0, 20.0, 5.0), np.zeros((1, len(weight)))
    peak_voltage(spikes, weight, delay, dynamics, tau_out, z)
    by_weight, by_delay = np.zeros((2, SLICES, *weight.shape))
    drive = np.zeros(step.shape, np.float32)
    peak_voltage_adjoint(spikes, weight, delay, dynamics, tau_out, np.ones(z.shape), by_weight, by_delay, drive)
    return z[0], by_weight.sum(axis=0), by_delay.sum(axis=0), drive[0]


@pytest.mark.parametrize("first", [0, 1])
def test_peak_voltage__of_sequence_detection_has_the_exact_values(first):
    z, by_weight, by_delay, _ = integrators([[10 * (channel != first)] for channel in (0, 1)], np.ones((2, 2)))
    assert z == pytest.approx([0.4120135684] * 2, abs=1e-10)
    for output in (0, 1):
        early, late = by_weight[output, [first, 1 - first]]
        assert early == pytest.approx(0.1725018, abs=5e-8)
        assert late == pytest.approx(0.2395118, abs=5e-8)
        x = (1 - np.sqrt(1 - 4 * early)) / 2  # of early = x - x² with x = exp(-t / 10)
        assert -10 * np.log(x) == pytest.approx(15.0681350, abs=1e-7)
        assert by_delay[output, [first, 1 - first]] == pytest.approx([0.0123388587, -0.0123388587], abs=1e-10)


def test_peak_voltage__at_a_kink_moves_with_the_arrival_that_ends_the_rise():
    z, by_weight, by_delay, drive = integrators([[1], [4]], [[1.0, -3.0]])
    kernel = np.exp(-3 / 10) - np.exp(-3 / 5)
    slope = np.exp(-3 / 5) / 5 - np.exp(-3 / 10) / 10
    assert z == pytest.approx([kernel])
    np.testing.assert_allclose(by_weight, [[kernel, 0]], rtol=1e-12)
    np.testing.assert_allclose(by_delay, [[-slope, slope]], rtol=1e-12)
    np.testing.assert_allclose(drive, [-slope, slope], rtol=1e-6)


def test_peak_voltage__of_inhibition_is_zero_and_moves_nothing():
    z, by_weight, by_delay, drive = integrators([[1], [4]], [[-1.0, -3.0]])
    assert not z.any()
    assert not by_weight.any()
    assert not by_delay.any()
    assert not drive.any()


# --- Single neurons


def neuron(times, delay=0.0, weight=9.0, *, timing="continuous", end=60.0, own=None):
    """Spike times of a neuron that hears one channel, and perhaps itself."""
    case = draw(0, (1, 1, 1), timing=timing, recurrent=own is not None)
    weights = {"input__hidden1": np.array([[float(weight)]])}
    delays = {"input__hidden1": np.array([[float(delay)]])}
    if own is not None:
        weights["hidden1__hidden1"], delays["hidden1__hidden1"] = np.array([[own[0]]]), np.array([[own[1]]])
    case = replace(case, trains=[[np.array(times, float)]], config=replace(case.config, trial=end))
    return with_arrays(case, weight=weights, delay=delays)


def lag(weight, tau_mem=20.0, tau_syn=5.0):
    """From the arrival of a weight to the spike."""
    return first_crossing(0.0, weight, 1000.0, grid(1, 1.0, tau_mem, tau_syn))


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 40, width=32), st.floats(0, 15, width=32))
def test_fire__a_spike_through_a_delay_arrives_at_their_sum(at, delay):
    times = by_engine(neuron([at], delay, 7.0)).times[0][0]
    assert len(times) == 1
    assert times[0] == pytest.approx(at + delay + lag(7.0), abs=2e-4)


@pytest.mark.parametrize("delay", [0, 1, 14])
def test_fire__in_steps_a_spike_through_a_delay_arrives_at_their_sum(delay):
    assert by_engine(neuron([5], delay, 7.0, timing="steps")).times[0][0] == pytest.approx([5 + delay + lag(7.0)], abs=1e-5)


@pytest.mark.parametrize("timing", TIMINGS)
def test_fire__several_spikes_within_a_step(timing):
    case = neuron([3, 8], 0, 60.0, timing=timing)
    engine, oracle = by_engine(case), by_oracle(case)
    assert np.bincount(engine.times[0][0].astype(int)).max() >= 3
    assert n_spikes(engine) == n_spikes(oracle)
    np.testing.assert_allclose(engine.times[0][0], oracle.times[0][0], atol=1e-4)
    for part in ("weight", "delay"):
        expected = oracle.gradient["input__hidden1"][part]
        np.testing.assert_allclose(engine.gradient["input__hidden1"][part], expected, rtol=1e-3, atol=1e-8)


def test_fire__a_neuron_that_drives_itself_at_once():
    case = neuron([3], 0, 9.0, own=(2.0, 0.0))
    engine, oracle = by_engine(case), by_oracle(case)
    assert n_spikes(engine) == n_spikes(oracle) != [[1]]
    np.testing.assert_allclose(engine.times[0][0], oracle.times[0][0], atol=1e-4)


@pytest.mark.parametrize(("timing", "at", "weight"), [("steps", 59, 100), ("continuous", 59, 100), ("continuous", 59.999, 1e5)])
def test_fire__an_input_just_before_the_end(timing, at, weight):
    case = neuron([at], 0, weight, timing=timing)
    engine, oracle = by_engine(case), by_oracle(case)
    assert n_spikes(engine) == n_spikes(oracle) == [[4]]
    np.testing.assert_allclose(engine.times[0][0], oracle.times[0][0], atol=1e-4)


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize(("at", "delay"), [(60, 0), (61, 0), (1e9, 0), (59, 1), (0, 60)])
def test_fire__an_input_at_the_end_or_later_does_nothing(timing, at, delay):
    assert n_spikes(by_engine(neuron([at], delay, 1e5, timing=timing))) == [[0]]


def test_fire__two_arrivals_at_the_same_time_come_as_their_sum():
    case = draw(0, (2, 1, 1), timing="continuous")
    both = replace(case, trains=[[np.array([3.25]), np.array([5.75])]])
    weight, delay = {"input__hidden1": np.array([[3.0], [4.0]])}, {"input__hidden1": np.array([[6.5], [4.0]])}
    assert by_engine(with_arrays(both, weight=weight, delay=delay)).times[0][0] == pytest.approx([9.75 + lag(7.0)], abs=1e-5)


def test_fire__a_neuron_that_never_stops_is_bad_input():
    with pytest.raises(BadInput, match="fires more than 60 times"):
        by_engine(neuron([3], 0, 9.0, own=(50.0, 0.0)))


@pytest.mark.parametrize("seed", range(6))
def test_fire__neurons_that_fire_at_the_same_time_and_hear_each_other_at_once(seed):
    """Arrivals at the very time of a spike act once: a spike's time is kept in single precision."""
    random = np.random.default_rng(seed)
    case = draw(seed, (1, 6, 2), recurrent=True, at_once=True, timing=TIMINGS[seed % 2])
    loop = random.normal(0.3, 0.5, (6, 6)).astype(np.float32).astype(float)
    weight = {"input__hidden1": np.full((1, 6), np.float32(random.uniform(7, 12)), float), "hidden1__hidden1": loop}
    case = with_arrays(case, weight=weight, delay={"input__hidden1": np.full((1, 6), 3.0)})
    engine, oracle = by_engine(case), by_oracle(case)
    assert n_spikes(engine) == n_spikes(oracle)
    for ours, theirs in zip(engine.times[0], oracle.times[0], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


# --- What must change nothing


def bits(case, widths=None):
    engine = by_engine(case, widths)
    return [part.tobytes() for parts in engine.gradient.values() for part in parts.values()], engine.loss, engine.times


CASES = {
    "feedforward": {"sizes": TWO, "timing": "continuous"},
    "recurrent": {"sizes": ONE, "recurrent": True, "readout": "maximum"},
    "published": {"sizes": TWO, "scheme": "published", "recurrent": True},
}


@pytest.mark.parametrize("kind", CASES)
def test_gradient__threads_change_nothing(kind):
    case = draw(1, **CASES[kind], n_samples=21)
    most = numba.get_num_threads()
    if most < 2:
        pytest.skip("there is one thread only")
    found = []
    for threads in (1, 2):
        numba.set_num_threads(threads)
        found.append(bits(case))
    numba.set_num_threads(most)
    assert found[0][:2] == found[1][:2]


@pytest.mark.parametrize("kind", CASES)
def test_gradient__room_for_spikes_changes_nothing(kind):
    case = draw(2, **CASES[kind], n_samples=3)
    widths = {f"hidden{k}": 1 for k in (1, 2)}
    small, large = bits(case, widths), bits(case)
    assert small[:2] == large[:2]
    assert widths["hidden1"] > 1


@pytest.mark.parametrize("scheme", ["exact", "published"])
@pytest.mark.parametrize(
    "array", ["input__hidden1_weight", "input__hidden1_delay", "hidden1__hidden1_weight", "hidden1__output_weight"]
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_gradient__with_a_number_that_is_not_finite_is_bad_input(scheme, array, value):
    case = draw(1, ONE, recurrent=True, scheme=scheme)
    state = state_of(case)
    state.arrays[array][0, 0] = value
    with pytest.raises(BadInput, match=f"{array} holds a number that is not finite"):
        gradient(state, events(case.trains), case.label)


@pytest.mark.parametrize("kind", CASES)
def test_gradient__a_neuron_that_is_dropped_stays_silent_through_a_long_trial(kind):
    case = draw(1, **CASES[kind], tau_mem=10.0, scale=2.0)
    late = replace(case, config=replace(case.config, trial=2000.0), trains=[[train + 1900 for train in case.trains[0]]])
    state, kept = state_of(late), [np.arange(n)[None] % 2 == 0 for n in case.sizes[1:-1]]
    with np.errstate(invalid="ignore"):  # without the compiler numpy warns of -inf + inf
        bars, _, done, _ = gradient(state, events(late.trains), late.label, kept)
    for keep, spikes in zip(kept, done.spikes[1:], strict=True):
        assert counts(spikes)[keep].sum() > 8
        assert not counts(spikes)[~keep].any()
    assert all(np.isfinite(bar).all() for bar in bars.values())
    assert not bars["input__hidden1_weight"][1::2].any()


@pytest.mark.parametrize("scheme", ["exact", "published"])
def test_gradient__of_samples_without_spikes_is_zero(scheme):
    case = draw(0, ONE, scheme=scheme, recurrent=True, n_samples=2)
    engine = by_engine(replace(case, trains=[[np.array([])] * ONE[0]] * 2))
    assert engine.loss == pytest.approx(np.log(3))
    assert not any(part.any() for parts in engine.gradient.values() for part in parts.values())


def test_eventprop_config__published_knows_steps_only():
    with pytest.raises(BadInput, match="steps only"):
        EventPropConfig(scheme="published", timing="continuous")
