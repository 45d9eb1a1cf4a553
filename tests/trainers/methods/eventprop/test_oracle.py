from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from tests.trainers.methods.eventprop.layers import layered
from tests.trainers.methods.eventprop.losses import (
    FirstSpike,
    MaxVoltage,
    MeanVoltage,
    SpikeTimes,
    mean_kernel,
    mean_voltage,
    peak_voltage,
)
from tests.trainers.methods.eventprop.oracle import Net, gradients, simulate

REFERENCE = Path(__file__).parents[3] / "reference" / "eventprop_recurrent_delays.npz"
STEP = 1e-4
CENTRAL = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
TO_THE_RIGHT = {0: -25 / 12, 1: 4, 2: -3, 3: 4 / 3, 4: -1 / 4}  # for delays at 0


def relative_error(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def orders(run, n_neurons):
    """Every neuron's own sequence of events; if it is the same, the loss is smooth between the two nets."""
    return [[(e.source, e.spike) for e in run.events if e.neuron == neuron] for neuron in range(n_neurons)]


def finite_differences(net, spikes, loss, name):
    """Gradient by fourth-order differences; the order of events must not change."""
    run, array, readout = simulate(net, spikes), getattr(net, name), name.startswith("readout")
    start, order = loss(net, [*spikes, *run.times]).value, orders(run, net.n_neurons)
    gradient = np.zeros(array.shape)
    for at in zip(*np.nonzero(net.readout_joined if readout else net.joined), strict=True):
        for steps, factor in (TO_THE_RIGHT if "delay" in name and array[at] == 0 else CENTRAL).items():
            moved = array.copy()
            moved[at] += steps * STEP
            other = replace(net, **{name: moved})
            other_run = run if readout else simulate(other, spikes)
            assert orders(other_run, net.n_neurons) == order
            gradient[at] += factor / STEP * (loss(other, [*spikes, *other_run.times]).value - start)
    return gradient


def assert_finite_differences(net, spikes, loss, rtol=1e-7):
    _, exact = gradients(net, spikes, loss)
    for name, gradient in exact.items():
        numerical = finite_differences(net, spikes, loss, name)
        assert np.linalg.norm(gradient - numerical) <= rtol * np.linalg.norm(numerical), name


def random_net(kind, seed):
    """Two hidden layers, or one that is recurrent through delays or at once; all synapses else with delays."""
    draw = np.random.default_rng(seed)
    hidden = {"two layers": [4, 3], "recurrent": [4], "recurrent at once": [4]}[kind]
    sizes = {"input": 3, **{f"hidden{k}": n for k, n in enumerate(hidden, 1)}, "output": 2}
    chain = list(sizes)
    pairs = [*pairwise(chain)] + [("hidden1", "hidden1")] * kind.startswith("recurrent")
    mean = {"output": 0.5, "hidden2": 2.0}
    weight = {f"{a}__{b}": draw.normal(0 if a == b else mean.get(b, 2.5), 0.7, (sizes[a], sizes[b])) for a, b in pairs}
    delay = {f"{a}__{b}": draw.uniform(0.5, 8, (sizes[a], sizes[b])) for a, b in pairs}
    if kind == "recurrent at once":
        del delay["hidden1__hidden1"]
    spikes = [np.sort(draw.uniform(0, 25, 3)) for _ in range(3)]
    return layered(list(sizes.values()), weight, delay, duration=40.0), spikes, draw


KINDS = {"two layers": (1, 2), "recurrent": (3, 4), "recurrent at once": (6, 7)}
CASES = [(kind, seeds[0], loss) for kind, seeds in KINDS.items() for loss in ("mean", "max", "times")]
CASES += [(kind, seeds[1], loss) for (kind, seeds), loss in zip(KINDS.items(), ("mean", "max", "times"), strict=True)]


@pytest.mark.parametrize(("kind", "seed", "loss"), CASES)
def test_gradients__equal_finite_differences(kind, seed, loss):
    built, spikes, draw = random_net(kind, seed)
    net = built.net
    assert 10 <= sum(map(len, simulate(net, spikes).times)) <= 40
    losses = {"mean": MeanVoltage(1), "max": MaxVoltage(0), "times": SpikeTimes(draw.normal(size=(net.n_neurons, 40)))}
    assert_finite_differences(net, spikes, losses[loss])


def test_gradients__of_readouts_with_delays_equal_finite_differences():
    """Readouts hear inputs and neurons; delays of readouts move means and maxima, at peaks and at kinks."""
    draw = np.random.default_rng(0)
    built, spikes, _ = random_net("recurrent", 3)
    shape = built.net.readout.shape
    net = replace(built.net, readout=draw.normal(0, 1, shape), readout_delay=draw.uniform(0.5, 5, shape), readout_joined=None)
    assert_finite_differences(net, spikes, MeanVoltage(0))
    assert_finite_differences(net, spikes, MaxVoltage(0))


def yin_yang(seed):
    draw = np.random.default_rng(seed)
    weight = {"input__hidden1": draw.normal(4.5, 1.5, (4, 8)), "hidden1__output": draw.normal(1.2, 0.5, (8, 3))}
    delay = {"input__hidden1": draw.uniform(0.1, 3, (4, 8))}
    x, y = draw.uniform(0, 1, 2)
    spikes = [np.array([1.5 + 8 * f]) for f in (x, y, 1 - x, 1 - y)]
    return layered([4, 8, 3], weight, delay, spiking_output=True, duration=30.0), spikes


@pytest.mark.parametrize("seed", [0, 4])
def test_gradients__of_first_spikes_equal_finite_differences(seed):
    built, spikes = yin_yang(seed)
    assert list(built.neurons["output"]) == [8, 9, 10]
    assert_finite_differences(built.net, spikes, FirstSpike(built.neurons["output"], label=1))


def test_first_spike__of_a_silent_output_has_no_answer():
    net = Net(weight=[[3.0, 0.1]] + [[0.0, 0.0]] * 2, delay=np.zeros((3, 2)), duration=20.0)
    with pytest.raises(ValueError, match="silent"):
        gradients(net, [np.array([1.0, 2.0])], FirstSpike([0, 1], label=0))


def test_gradients__equal_eventax():
    file = np.load(REFERENCE)
    inputs_first = [3, 4, 0, 1, 2]
    net = Net(weight=file["W"][inputs_first], delay=file["D"][inputs_first], duration=float(file["T"]))
    run = simulate(net, file["tin"])
    assert [len(t) for t in run.times] == np.isfinite(file["s"]).sum(axis=1).tolist()
    for times, expected in zip(run.times, file["s"], strict=True):
        np.testing.assert_allclose(times, expected[: len(times)], rtol=1e-8)
    value, gradient = gradients(net, file["tin"], SpikeTimes(file["c"]))
    assert value == pytest.approx(float(file["loss"]), rel=1e-8)
    assert relative_error(gradient["weight"], file["gW"][inputs_first]) < 1e-7
    assert relative_error(gradient["delay"], file["gD"][inputs_first]) < 1e-7


@pytest.mark.parametrize("first", [0, 1])
def test_peak_voltage__of_two_spikes_has_the_exact_values(first):
    """Sequence detection: 2 inputs, 2 leaky integrators, no delays yet; either order."""
    empty = np.zeros((2, 0))
    net = Net(weight=empty, delay=empty, readout=np.ones((2, 2)), tau_out=10.0, duration=40.0)
    spikes = [np.array([10.0 * (channel != first)]) for channel in (0, 1)]
    for output in (0, 1):
        peak = peak_voltage(net, spikes, output)
        assert peak.value == pytest.approx(0.4120135684, abs=5e-11)
        assert peak.at == pytest.approx(15.0681350, abs=5e-8)
        assert peak.by_weight[[first, 1 - first]] == pytest.approx([0.1725018, 0.2395118], abs=5e-8)
        assert peak.by_time[first] == pytest.approx(0.0123388587, abs=5e-11)
        assert peak.by_time[1 - first] == pytest.approx(-0.0123388587, abs=5e-11)
    _, gradient = gradients(net, spikes, MaxVoltage(label=0))  # softmax of equals: slope -1/2 of the label, 1/2 of the other
    half = 0.0123388587 / 2
    np.testing.assert_allclose(gradient["readout_delay"][[first, 1 - first]], [[-half, half], [half, -half]], rtol=1e-8)


def membrane(net, trains, output, t):
    """The readout's membrane, summed over all arrivals."""
    c, total = net.tau_syn / (net.tau_out - net.tau_syn), np.zeros(np.shape(t))
    for w, d, train in zip(net.readout[:, output], net.readout_delay[:, output], trains, strict=True):
        for spike in train:
            s = np.maximum(t - spike - d, 0)
            total += w * c * (np.exp(-s / net.tau_out) - np.exp(-s / net.tau_syn))
    return total


@pytest.mark.parametrize("seed", range(5))
def test_peak_voltage__is_the_largest_on_a_fine_grid(seed):
    draw = np.random.default_rng(seed)
    net = Net(weight=np.zeros((6, 0)), delay=np.zeros((6, 0)), readout=draw.normal(0, 1, (6, 3)), duration=40.0)
    net = replace(net, readout_delay=draw.uniform(0, 10, net.readout.shape))
    trains = list(draw.uniform(0, 40, (6, 3)))
    for output in range(3):
        peak = peak_voltage(net, trains, output)
        grid = membrane(net, trains, output, np.linspace(0, 40, 400_001)).max()
        assert grid <= peak.value + 1e-14
        assert peak.value == pytest.approx(grid, abs=1e-4)
        assert membrane(net, trains, output, peak.at) == pytest.approx(peak.value, abs=1e-14)


def test_peak_voltage__at_a_kink_moves_with_the_arrival_that_ends_the_rise():
    net = Net(weight=np.zeros((2, 0)), delay=np.zeros((2, 0)), readout=[[1.0], [-3.0]], duration=40.0)
    trains = [np.array([1.0]), np.array([4.0])]
    peak = peak_voltage(net, trains, 0)
    assert peak.at == 4.0
    assert peak.by_weight[1] == 0
    before, after = membrane(net, [trains[0], []], 0, 4 + np.array([-1e-5, 1e-5]))
    slope = (after - before) / 2e-5
    np.testing.assert_allclose(np.concatenate(peak.by_time), [-slope, slope], rtol=1e-8)
    still = peak_voltage(replace(net, readout=[[-1.0], [-3.0]]), trains, 0)
    assert (still.value, still.at) == (0, 0)


def test_mean_kernel__equals_quadrature():
    net = Net(weight=np.zeros((1, 0)), delay=np.zeros((1, 0)), readout=[[1.0]], duration=37.0, tau_out=13.0)
    at = np.array([0.0, 3.3, 20.0, 36.9, 37.0, 50.0])
    value, slope = mean_kernel(net, at)
    for a, k in zip(at, value, strict=True):
        area = quad(lambda t, a=a: membrane(net, [[a]], 0, t) * np.exp(-t / 37), min(a, 37), 37, epsabs=1e-14)[0] / 37
        assert k == pytest.approx(area, abs=1e-15, rel=1e-12)
    inner = at[:4]
    numerical = (mean_kernel(net, inner + 1e-5)[0] - mean_kernel(net, inner - 1e-5)[0]) / 2e-5
    np.testing.assert_allclose(slope, [*numerical, 0, 0], rtol=1e-8, atol=1e-10)
    assert mean_voltage(net, [at]) == pytest.approx(value.sum())


def one_neuron(**changes):
    """One neuron; a strong input, a weak or inhibitory one, and itself."""
    arguments = {
        "weight": [[9.0], [-8.0], [0.0]],
        "delay": np.zeros((3, 1)),
        "joined": [[True], [True], [False]],
        "duration": 30.0,
    }
    return Net(**{**arguments, **changes})


def test_simulate__an_arrival_at_the_very_crossing_comes_before_it():
    none = np.array([])
    free = simulate(one_neuron(), [np.array([1.0]), none])
    crossing = free.times[0][0]
    assert len(simulate(one_neuron(), [np.array([1.0]), np.array([crossing])]).times[0]) == 0
    late = simulate(one_neuron(), [np.array([1.0]), np.array([np.nextafter(crossing, 30)])])
    np.testing.assert_array_equal(late.times[0], [crossing])
    excited = simulate(one_neuron(weight=[[9.0], [2.0], [0.0]]), [np.array([1.0]), np.array([crossing])])
    assert excited.times[0][0] == pytest.approx(crossing, abs=1e-14)
    assert excited.currents[0][0] == pytest.approx(free.currents[0][0] + 2)


def test_simulate__current_at_the_spike_is_before_its_own_arrivals():
    net = one_neuron(weight=[[9.0], [0.0], [2.0]], joined=[[True], [False], [True]])
    run = simulate(net, [np.array([1.0]), np.array([])])
    assert run.currents[0][0] == pytest.approx(9 * np.exp(-(run.times[0][0] - 1) / 5))
    soon = simulate(replace(net, delay=[[0.0], [0.0], [1e-9]]), [np.array([1.0]), np.array([])])
    assert len(run.times[0]) == len(soon.times[0]) > 1
    np.testing.assert_allclose(soon.times[0], run.times[0], rtol=0, atol=1e-7)


def test_simulate__what_arrives_at_the_end_or_later_does_nothing():
    strong = one_neuron(weight=[[1e9], [0.0], [0.0]])
    assert len(simulate(strong, [np.array([30.0, 31.0]), np.array([])]).events) == 0
    assert len(simulate(replace(strong, delay=[[30.0], [0.0], [0.0]]), [np.array([0.0]), np.array([])]).events) == 0
    value, gradient = gradients(strong, [np.array([30.0]), np.array([])], SpikeTimes(np.ones((1, 1))))
    assert value == 0
    assert not any(g.any() for g in gradient.values())


def test_simulate__runaway_excitation_is_an_error():
    net = one_neuron(weight=[[9.0], [0.0], [50.0]], joined=None)
    with pytest.raises(RuntimeError, match="more than 99 events"):
        simulate(net, [np.array([1.0]), np.array([])], max_events=99)


def test_layered__splits_gradients_into_projections():
    built, spikes, _ = random_net("recurrent", 3)
    _, gradient = gradients(built.net, spikes, MeanVoltage(0))
    parts = built.split(gradient)
    assert {name: part["weight"].shape for name, part in parts.items()} == {
        "input__hidden1": (3, 4),
        "hidden1__output": (4, 2),
        "hidden1__hidden1": (4, 4),
    }
    np.testing.assert_array_equal(parts["hidden1__hidden1"]["delay"], gradient["delay"][3:])
    np.testing.assert_array_equal(parts["hidden1__output"]["weight"], gradient["readout"][3:])
    deep, _, _ = random_net("two layers", 1)
    assert deep.net.joined.sum() == 3 * 4 + 4 * 3
    assert deep.net.readout_joined.sum() == 3 * 2
    same = deep.split({name: getattr(deep.net, name) for name in gradient})
    np.testing.assert_array_equal(same["hidden1__hidden2"]["weight"], deep.net.weight[3:7, 4:])
    assert all(part["weight"].all() for part in same.values())
