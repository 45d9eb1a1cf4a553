"""Gradients of spike times: against finite differences, and the laws that they obey."""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainers.methods.delgrad.nets import RATIOS, UNIT, events, inputs, outcome, state_of
from trainers.methods.delgrad import rule
from trainers.methods.delgrad.backward import adjoints
from trainers.methods.delgrad.passes import backward, forward, input_spikes, synapses_of
from trainers.methods.delgrad.records import SLICES, Owed

pytestmark = pytest.mark.kernel

STEP = 2e-6
NETS = [
    {"hidden": (6,)},
    {"hidden": (6, 5)},
    {"hidden": (6,), "spikes": 3, "hidden_weights": (2.5, 1.0)},
    {"hidden": (5,), "copies": 2},
    {"hidden": ()},
    {"hidden": (5,), "copies": 3, "delays": "axonal", "bound": "clip", "delay_shift": 0.3, "start_delays": (0.5, 0.1)},
    *({"hidden": (6, 4), "delays": kind} for kind in ("axonal", "dendritic", "none")),
]


def steep(state, times, label):
    """Whether no spike is near to vanishing or to another causal set, so that differences are near the gradient."""
    done, _ = rule.run(state, events(times))
    if not np.isfinite(rule.output_times(state, done)).all():
        return False
    ratio = state.config.tau_mem
    for fired in done.fired:
        there = np.isfinite(fired.slow)
        if (ratio * np.log(fired.slow[there] / fired.last[there])).min(initial=9) < 20 * STEP:
            return False
    _, _, bars = outcome(state, times, label)
    return max(np.abs(bar).max(initial=0) for bar in bars.values()) < 30


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("net", NETS, ids=str)
def test_gradient__is_that_of_finite_differences(net, ratio):
    config = replace(UNIT, tau_mem=ratio, threshold=0.6, readout_weights=(1.5, 0.7), **net)
    label, n_checked = np.array([0, 1, 2, 1]), 0
    for seed in range(60):
        state, times = state_of(config, seed=seed), inputs(4, seed=seed)
        if not steep(state, times, label):
            continue
        _, _, bars = outcome(state, times, label)
        for name, bar in bars.items():
            values = state.arrays[name]
            for place in list(np.ndindex(values.shape))[seed % 5 :: 5]:
                losses = {}
                for steps in (-2, -1, 1, 2):
                    moved = values.copy()
                    moved[place] += steps * STEP
                    losses[steps] = outcome(replace(state, arrays=state.arrays | {name: moved}), times, label)[1]
                difference = (8 * (losses[1] - losses[-1]) - (losses[2] - losses[-2])) / (12 * STEP)
                assert difference == pytest.approx(bar[place], rel=1e-5, abs=1e-7), (name, place)
                n_checked += 1
        if n_checked > 20:
            return
    pytest.fail("no net was far enough from silence")


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(RATIOS), st.integers(0, 10_000), st.integers(1, 3))
def test_adjoints__of_all_arrivals_sum_to_1(ratio, seed, most):
    random = np.random.default_rng(seed)
    spikes = input_spikes(events(random.uniform(0, 3, (5, 9))), ratio, 1.0, 1, None)
    spikes = spikes._replace(slot=spikes.source)
    synapses = synapses_of(random.normal(1, 1, (4, 9)), random.uniform(0, 1, (4, 9)), ratio)
    c = np.full(4, 0.7 / ratio)
    fired = forward(ratio, spikes, synapses, c, most)
    for place in np.argwhere(np.isfinite(fired.slow)):
        bar, shape = np.zeros(fired.slow.shape), (SLICES, 4, 9)
        bar[tuple(place)] = 1.0
        owed = Owed(np.zeros(shape), np.zeros(shape), np.zeros((5, 9)), np.zeros(SLICES, np.int64))
        adjoints(ratio, spikes, synapses, c, *fired, bar, np.inf, *owed)
        # of a later spike a part goes to those before it, and by them to the arrivals
        scale = max(1.0, np.abs(owed.delay).max(), np.abs(bar).max())
        assert abs(owed.delay.sum() - 1) <= 1e-12 * scale
        np.testing.assert_allclose(owed.by_spike.sum(), owed.delay.sum(), rtol=0, atol=1e-12 * scale)


def test_backward__a_sample_with_a_steep_weight_moves_none_of_that_neuron_but_its_delays():
    spikes = input_spikes(events(inputs(3)), 2.0, 1.0, 1, None)
    synapses = synapses_of(np.full((2, 4), 1.5), np.zeros((2, 4)), 2.0)
    done = rule.Passed([spikes], [synapses], [forward(2.0, spikes, synapses, np.full(2, 0.5), 1)])
    bar = np.zeros((3, 2, 1))
    bar[0, 0], bar[1, 1] = 1e-3, 10.0
    (by_weight,), (by_delay,), n_cut = backward(2.0, done, [np.full(2, 0.5)], [synapses.weight], bar.copy(), largest=0.2)
    assert n_cut == 1
    assert (by_weight[0] != 0).any()
    assert (by_weight[1] == 0).all()
    assert (by_delay[1] != 0).any()


def test_gradient__silent_output_asks_for_nothing():
    state = state_of(replace(UNIT, hidden=(5,), readout_weights=(-1.0, 0.1)))
    _, loss, bars = outcome(state, inputs(), np.zeros(6, int))
    assert loss == 100
    assert all((bar == 0).all() for bar in bars.values())


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one core")
def test_gradient__does_not_depend_on_the_number_of_threads():
    state, times, label = state_of(replace(UNIT, hidden=(9,))), inputs(64), np.arange(64) % 3
    before, bars = numba.get_num_threads(), []
    for threads in (1, 2):
        numba.set_num_threads(threads)
        bars.append(outcome(state, times, label)[2])
    numba.set_num_threads(before)
    for name, bar in bars[0].items():
        np.testing.assert_array_equal(bar, bars[1][name])


def test_gradient__rounded_weights_are_learned_through():
    config = replace(UNIT, hidden=(6,), weight_step=0.25)
    state = state_of(config, seed=3)
    rounded = replace(
        state,
        config=replace(config, weight_step=0.0),
        arrays={k: np.rint(v / 0.25) * 0.25 if k.endswith("_weight") else v for k, v in state.arrays.items()},
    )
    times, label = inputs(seed=3), [0, 1, 2, 0, 1, 2]
    (a, _, bars), (b, _, of_rounded) = outcome(state, times, label), outcome(rounded, times, label)
    np.testing.assert_array_equal(a, b)  # they fire by rounded weights
    assert not np.allclose(bars["input__hidden1_weight"], of_rounded["input__hidden1_weight"])  # learned ones have the slope
