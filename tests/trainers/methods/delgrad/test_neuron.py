"""When a neuron fires: against a search of its voltage, and the edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import lambertw

from stanalysis.errors import BadInput
from tests.trainers.methods.delgrad.nets import RATIOS, UNIT, events, outcome, searched, state_of
from trainers.methods.delgrad import rule
from trainers.methods.delgrad.arrivals import pop, push
from trainers.methods.delgrad.forward import fire
from trainers.methods.delgrad.neuron import lambert_w
from trainers.methods.delgrad.passes import forward, input_spikes, synapses_of
from trainers.methods.delgrad.records import SLICES, Fired

pytestmark = pytest.mark.kernel


def times_of(ratio, weight, arrival, *, threshold=1.0, most=1):
    """Spike times of one neuron with these arrivals, from the kernel; its delays are 0."""
    arrival = np.asarray(arrival, float)
    spikes = input_spikes(events(arrival[None]), ratio, 1.0, 1, None)
    synapses = synapses_of(np.asarray(weight, float)[None], np.zeros((1, len(arrival))), ratio)
    fired = forward(ratio, spikes, synapses, np.array([threshold / ratio]), most)
    times = ratio * np.log(fired.slow[0, 0]) + arrival.min()
    return times[np.isfinite(times)].tolist()


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("most", [1, 4])
def test_fire__finds_the_crossings_that_a_search_finds(ratio, most):
    random = np.random.default_rng(int(10 * ratio))
    n_spikes = 0
    for _ in range(25):
        weight, arrival = random.normal(0.8, 1.5, 12), random.uniform(0, 4, 12)
        expected = searched(ratio, weight, arrival, 0.7, most=most)
        times = times_of(ratio, weight, arrival, threshold=0.7, most=most)
        np.testing.assert_allclose(times, expected, rtol=0, atol=1e-9)
        n_spikes += len(expected)
    assert n_spikes > 15


@pytest.mark.parametrize("ratio", RATIOS)
def test_fire__a_neuron_that_never_reaches_the_threshold_is_silent(ratio):
    assert times_of(ratio, [-2.0, -1.0], [0.0, 1.0]) == []
    assert times_of(ratio, [0.1, 0.1], [0.0, 1.0]) == []
    assert times_of(ratio, [0.0, 0.0], [0.0, 1.0]) == []


@pytest.mark.parametrize("ratio", RATIOS)
def test_fire__arrivals_at_a_time_act_as_their_sum(ratio):
    together = times_of(ratio, [2.0, -1.0, 3.0, 1.0], [0.5, 0.5, 0.5, 0.7])
    assert together == pytest.approx(times_of(ratio, [4.0, 1.0], [0.5, 0.7]), abs=1e-12)
    assert len(together) == 1


def test_fire__of_huge_weights_is_at_once():
    for weight in (1e20, 1e160, 1e280):
        for ratio in RATIOS:
            assert times_of(ratio, [weight], [0.0]) == pytest.approx([0.0], abs=1e-9)


@pytest.mark.parametrize("ratio", RATIOS)
def test_fire__an_arrival_at_the_spike_does_not_hide_it(ratio):
    (spike,) = times_of(ratio, [8.0], [0.0])
    for late in (spike, np.nextafter(spike, 0), np.nextafter(spike, 9)):
        for weight in (-50.0, 50.0):
            assert times_of(ratio, [8.0, weight], [0.0, late]) == pytest.approx([spike], abs=1e-12)


@pytest.mark.parametrize("ratio", RATIOS)
def test_fire__far_apart_in_time_neurons_do_not_lose_precision(ratio):
    (alone,) = times_of(ratio, [8.0], [0.0])
    assert times_of(ratio, [0.1, 8.0], [0.0, 300.0])[0] == pytest.approx(300 + alone, abs=1e-9)
    with pytest.raises(BadInput, match=r"too long after the first of their sample.*give a longer --ms-per-unit"):
        times_of(ratio, [0.1, 8.0], [0.0, 700.0])


@settings(max_examples=60, deadline=None)
@given(st.floats(-1 / np.e, 0, exclude_min=True, exclude_max=True))
def test_lambert_w__equals_scipy(z):
    expected = lambertw(z).real
    near = abs(np.e * z + 1)  # next to the branch point z itself has no more digits
    assert lambert_w(z) == pytest.approx(expected, rel=1e-14, abs=1e-15 + (3e-16 / np.sqrt(near) if near else 2e-8))


@given(st.lists(st.sampled_from([*np.linspace(0, 3, 7)]), min_size=1, max_size=40), st.integers(0, 9))
def test_heap__gives_times_back_in_order(times, early):
    heap, spikes, n, given_back = np.empty(len(times)), np.empty(len(times), np.int64), 0, []
    for k, time in enumerate(times):
        push(heap, spikes, n, time, k)
        n += 1
        if k % 10 == early:
            assert heap[0] == min(heap[:n])
    while n:
        given_back.append((heap[0], int(spikes[0])))
        pop(heap, spikes, n)
        n -= 1
    assert [time for time, _ in given_back] == sorted(times)
    assert sorted(k for _, k in given_back) == list(range(len(times)))
    assert all(times[k] == time for time, k in given_back)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(RATIOS), st.integers(0, 1000), st.floats(-3, 50))
def test_run__shifting_all_inputs_shifts_all_outputs(ratio, seed, shift):
    state = state_of(replace(UNIT, hidden=(8, 6), tau_mem=ratio), seed=seed, kinds=("synaptic", "axonal", "dendritic"))
    times = np.random.default_rng(seed).uniform(0.15, 2, (4, 4))
    np.testing.assert_allclose(outcome(state, times + shift), outcome(state, times), rtol=0, atol=1e-11)  # after the first


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(RATIOS), st.integers(0, 1000))
def test_run__dendritic_delays_are_the_axonal_ones_of_the_next_projection(ratio, seed):
    config = replace(UNIT, hidden=(7,), tau_mem=ratio)
    dendritic = state_of(config, seed=seed, kinds=("dendritic", "none"))
    axonal = state_of(config, seed=seed, kinds=("none", "axonal"))
    axonal.arrays["hidden1__output_delay"] = dendritic.arrays["input__hidden1_delay"].T.copy()
    times, label = np.random.default_rng(seed).uniform(0.15, 2, (5, 4)), [0, 1, 2, 0, 1]
    (a, loss_a, bars_a), (b, loss_b, bars_b) = outcome(dendritic, times, label), outcome(axonal, times, label)
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    assert loss_a == pytest.approx(loss_b, abs=1e-12)
    scale = max(1.0, np.abs(bars_a["input__hidden1_weight"]).max())
    for name in ("input__hidden1_weight", "hidden1__output_weight"):
        np.testing.assert_allclose(bars_a[name], bars_b[name], rtol=0, atol=1e-9 * scale)
    np.testing.assert_allclose(
        bars_a["input__hidden1_delay"].ravel(), bars_b["hidden1__output_delay"].ravel(), rtol=0, atol=1e-9 * scale
    )


def test_fire__a_channel_may_spike_more_than_once():
    spikes = input_spikes(
        rule.Events(np.array([0, 0, 3]), np.array([1, 0, 1], np.int32), np.array([0.5, 0.7, 0.9])), 2.0, 1.0, 1, None
    )
    weight = np.array([[3.0, 1.0]])
    fired = forward(2.0, spikes, synapses_of(weight, np.array([[0.25, 0.0]]), 2.0), np.array([0.5]), 1)
    assert np.isinf(fired.slow[0]).all()  # of a sample without spikes
    expected = searched(2.0, [1.0, 3.0, 1.0], [0.5, 0.95, 0.9], 1.0)
    assert 2 * np.log(fired.slow[1, 0, 0]) + 0.5 == pytest.approx(expected[0], abs=1e-9)


def test_fire__leaves_late_arrivals_out_and_counts_them():
    spikes = input_spikes(events(np.array([[0.0, 900.0]])), 2.0, 1.0, 1, None)
    fired, n_late = Fired(np.full((1, 1, 1), np.inf), np.full((1, 1, 1), np.inf)), np.zeros(SLICES, np.int64)
    with np.errstate(over="ignore"):  # numpy warns where the compiled kernel does not
        fire(2.0, spikes, synapses_of(np.array([[0.1, 9.0]]), np.zeros((1, 2)), 2.0), np.array([0.5]), *fired, n_late)
    assert n_late.sum() == 1
    assert np.isinf(fired.slow).all()
