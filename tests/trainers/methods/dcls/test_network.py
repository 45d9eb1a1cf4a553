"""The fast network against the published code's frozen answers, and against a slow oracle by finite differences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.trainers.methods.dcls.networks import Reference, data_format, loss
from trainers.methods.dcls import dense as dcls
from trainers.methods.dcls import passes
from trainers.methods.dcls.config import HAMMOUAMRI_2024, DclsConfig
from trainers.methods.dcls.network import Candidates, Workspace, cross_entropies
from trainers.methods.dcls.neurons import membrane, transmit
from trainers.methods.dcls.passes import adjoint, forward
from trainers.methods.dcls.synapses import connected

REFERENCE = Path(__file__).parents[3] / "reference"
DENSE = ["system0_dense_wide_kernel", "system0_dense_narrow_kernel"]
pytestmark = pytest.mark.kernel


@pytest.fixture(params=[True, False], ids=["in time", "in frequency"], autouse=True)
def _domain(request, monkeypatch):
    monkeypatch.setattr(passes, "in_time", lambda *_: request.param)


@pytest.fixture(params=DENSE)
def frozen(request):
    with np.load(REFERENCE / f"{request.param}.npz") as answers:
        yield dict(answers)


def published(frozen):
    """Our state with the published network's parameters at step 0."""
    n_bins = int(frozen["kernel_size"])
    config = DclsConfig(hidden=(16,), n_bins=n_bins, time_constant=float(frozen["tau"]), l1=float(frozen["l1"]))
    state = dcls.init(config, 0, data_format(12, 5), dtype="float64")
    state.arrays.update(parameters_at(frozen, 0))
    return state


def parameters_at(frozen, step):
    n_bins = int(frozen["kernel_size"])
    arrays = {}
    for layer in (0, 1):
        here = f"step{step}/projection{layer}"
        arrays[f"weight_{layer}"] = frozen[f"{here}/weight"].copy()
        arrays[f"delay_{layer}"] = n_bins // 2 - frozen[f"{here}/position"]
    return arrays | {f"{name}_0": frozen[f"step{step}/projection0/{name}"].copy() for name in ("gain", "bias")}


def batch(frozen, k):
    return np.ascontiguousarray(frozen["x"][k].transpose(2, 1, 0)), frozen["y"][k].astype(np.int64)


def sigma(frozen):
    return float(frozen["sigma_parameter"]) + dcls.SIGMA_FLOOR


def everybody(network, n_batch):
    return [np.ones((n, n_batch), network.dtype) for n in network.sizes[1:-1]]


def test_forward__equals_published_code(frozen):
    state = published(frozen)
    x, label = batch(frozen, 0)
    done = forward(
        state.network, state.synapses, state.arrays, x, sigma=sigma(frozen),
        keep=everybody(state.network, len(label)), running=None, workspace=state.workspace,
    )  # fmt: skip
    mean, variance = done.moments[0]
    normal = (done.currents[0].transpose(1, 2, 0) - mean) / np.sqrt(variance + 1e-5)
    normal = normal * state.arrays["gain_0"] + state.arrays["bias_0"]
    np.testing.assert_allclose(normal, frozen["forward/neuron0/input_current"], rtol=0, atol=1e-9)
    potential, spikes = np.empty_like(done.currents[0]), np.empty_like(done.currents[0])
    for j, current in enumerate(done.currents[0]):
        scale = state.arrays["gain_0"][j] / np.sqrt(variance[j] + 1e-5)
        offset = state.arrays["bias_0"][j] - mean[j] * scale
        membrane(current, scale, offset, state.network.beta, 2, True, potential[j])
        assert transmit(potential[j], done.keep[0][j], spikes[j]) == done.n_spikes[0][j]
    np.testing.assert_array_equal(spikes.transpose(1, 2, 0), frozen["forward/neuron0/output"])
    np.testing.assert_allclose(done.readout.transpose(1, 2, 0), frozen["forward/readout"], rtol=0, atol=1e-9)
    losses, _ = cross_entropies(done, label)
    np.testing.assert_allclose(losses.mean(), frozen["forward/cross_entropy"], rtol=0, atol=1e-9)
    penalty = sum(np.abs(state.arrays[f"weight_{k}"]).sum() for k in (0, 1)) * state.config.l1
    np.testing.assert_allclose(losses.mean() + penalty, frozen["forward/loss_with_l1"], rtol=0, atol=1e-9)


def test_gradient__equals_published_code(frozen):
    state = published(frozen)
    x, label = batch(frozen, 0)
    bar, _, _ = dcls.gradient(state, x, label, sigma=sigma(frozen), keep=everybody(state.network, len(label)))
    for layer in (0, 1):
        here = f"gradient/projection{layer}"
        np.testing.assert_allclose(bar[f"weight_{layer}"], frozen[f"{here}/weight"], rtol=0, atol=1e-9)
        # positions run against delays
        np.testing.assert_allclose(-bar[f"delay_{layer}"], frozen[f"{here}/position"], rtol=0, atol=1e-9)
    for name in ("gain", "bias"):
        np.testing.assert_allclose(bar[f"{name}_0"], frozen[f"gradient/projection0/{name}"], rtol=0, atol=1e-9)


def test_gradient__of_a_sparse_network_equals_published_code():
    with np.load(REFERENCE / "system0_rewired_half.npz") as answers:
        frozen = dict(answers)
    state = published(frozen)
    signs = [frozen[f"step0/projection{layer}/sign"] for layer in (0, 1)]
    for layer, sign in enumerate(signs):
        state.arrays[f"weight_{layer}"] *= sign  # the file holds magnitudes
    x, label = batch(frozen, 0)
    bar, losses, _ = dcls.gradient(state, x, label, sigma=sigma(frozen), keep=everybody(state.network, len(label)))
    np.testing.assert_allclose(losses.mean(), frozen["forward/cross_entropy"], rtol=0, atol=1e-9)
    for layer, sign in enumerate(signs):
        here = f"gradient/projection{layer}"
        np.testing.assert_allclose(bar[f"weight_{layer}"] * sign, frozen[f"{here}/weight"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(-bar[f"delay_{layer}"], frozen[f"{here}/position"], rtol=0, atol=1e-9)


def test_update__equals_published_code_after_each_step(frozen):
    state = published(frozen)
    for k in range(len(frozen["x"])):
        x, label = batch(frozen, k)
        bar, losses, _ = dcls.gradient(state, x, label, sigma=sigma(frozen), keep=everybody(state.network, len(label)))
        penalty = sum(np.abs(state.arrays[f"weight_{i}"]).sum() for i in (0, 1)) * state.config.l1
        np.testing.assert_allclose(losses.mean() + penalty, frozen["training/loss_with_l1"][k], rtol=0, atol=1e-9)
        dcls.update(state, bar, step=k + 1, weight_rate=1e-3, delay_rate=0.1, beta1=0.9)
        for name, expected in parameters_at(frozen, k + 1).items():
            np.testing.assert_allclose(state.arrays[name], expected, rtol=0, atol=1e-9, err_msg=name)


SMALL = {
    "system 0": DclsConfig(hidden=(5,), n_bins=5, dropout=0.0),
    "system 0, two hidden populations, two contacts": DclsConfig(hidden=(5, 4), n_bins=5, kernel_count=2),
    "system 1": replace(HAMMOUAMRI_2024, hidden=(5, 4), n_bins=5, weight_decay=0.0),
    "latency 1": DclsConfig(hidden=(4,), n_bins=4, latency=1, readout_latency=0),
    "erasing at latency 0": DclsConfig(hidden=(4,), n_bins=4, latency=0, readout_latency=2),
}


@pytest.mark.parametrize("config", SMALL.values(), ids=SMALL.keys())
@pytest.mark.parametrize("spread", [1.7, 0.5, 0.0])
def test_gradient__equals_finite_differences_of_the_linearised_network(config, spread):
    random = np.random.default_rng(1)
    state = dcls.init(config, 3, data_format(3, 3), dtype="float64")
    for layer in range(len(config.hidden)):
        state.arrays[f"gain_{layer}"] += random.normal(0, 0.5, config.hidden[layer]) + 0.5
        state.arrays[f"bias_{layer}"] += random.normal(0, 0.5, config.hidden[layer])
    x, label = random.random((3, 11, 4)), random.integers(0, 3, 4)
    keep = [random.integers(0, 2, (n, 4)) * 1.5 + 0.5 for n in config.hidden]
    options = {"sigma": spread, "keep": keep, "l1": config.l1}
    parameters = {k: v for k, v in state.arrays.items() if k.split("_")[0] in ("weight", "delay", "gain", "bias")}
    _, potentials = loss(state.network, parameters, x, label, reference=Reference(), **options)
    assert any((u >= 1).any() for u in potentials)
    around = Reference(potentials)
    bar, _, _ = dcls.gradient(state, x, label, sigma=spread, keep=keep)
    step = 1e-6
    for name, value in parameters.items():
        for index in random.permutation(value.size)[:6]:
            at = np.unravel_index(index, value.shape)
            ends = []
            for sign in (1, -1):
                moved = {**parameters, name: value.copy()}
                moved[name][at] += sign * step
                ends.append(loss(state.network, moved, x, label, reference=around, **options)[0])
            difference = (ends[0] - ends[1]) / (2 * step)
            assert bar[name][at] == pytest.approx(difference, rel=1e-5, abs=1e-7), (name, at)


def test_forward__float32_stays_near_float64():
    config = DclsConfig(hidden=(6,), n_bins=5)
    random = np.random.default_rng(0)
    x = random.random((3, 20, 8))
    currents = []
    for dtype in ("float32", "float64"):
        state = dcls.init(config, 0, data_format(3, 4), dtype=dtype)
        done = forward(
            state.network, state.synapses, state.arrays, x.astype(dtype), sigma=0.5,
            keep=everybody(state.network, 8), running=None, workspace=Workspace(state.network.dtype),
        )  # fmt: skip
        currents.append(done.currents[0])
    np.testing.assert_allclose(currents[0], currents[1], rtol=0, atol=1e-5)


def test_adjoint__silent_network_has_no_hidden_gradient():
    state = dcls.init(DclsConfig(hidden=(4,), n_bins=4), 0, data_format(3, 3), dtype="float64")
    state.arrays["gain_0"][:] = 0
    state.arrays["bias_0"][:] = -1e6
    x, label = np.random.default_rng(0).random((3, 9, 4)), np.array([0, 1, 2, 0])
    done = forward(
        state.network, state.synapses, state.arrays, x, sigma=1.0, keep=everybody(state.network, 4), running=None,
        workspace=state.workspace,
    )  # fmt: skip
    assert done.n_spikes[0].sum() == 0
    cross_entropies(done, label)
    bar = adjoint(state.network, state.synapses, state.arrays, done, sigma=1.0, candidates=(), workspace=state.workspace)
    assert not bar["weight_0"].any()
    assert not bar["weight_1"].any()


@pytest.mark.parametrize("sigma", [0.0, 0.5])
def test_adjoint__synapses_judged_as_candidates_have_the_gradients_that_train_them(sigma):
    state = dcls.init(DclsConfig(hidden=(6, 5), n_bins=4, l1=0), 0, data_format(3, 3), dtype="float64")
    random = np.random.default_rng(1)
    for layer in state.network.layers:
        lists, alive = state.synapses[layer.index], random.random(len(state.synapses[layer.index])) < 0.4  # some lead nowhere
        state.synapses[layer.index] = connected(
            lists.source, lists.target, lists.contact, n_source=layer.n_source, n_target=layer.n_target, alive=alive
        )
    x, label = random.random((3, 9, 4)), np.array([0, 1, 2, 0])
    judged = [Candidates(state.synapses[layer.index], state.arrays[layer.array("delay")]) for layer in state.network.layers]
    asked = {"sigma": sigma, "keep": everybody(state.network, 4)}
    (alone, *_), (bar, *_) = (dcls.gradient(state, x, label, candidates=c, **asked) for c in ((), judged))
    for name, expected in alone.items():
        np.testing.assert_allclose(bar[name], expected, rtol=1e-12, atol=1e-15)
    for layer in state.network.layers:
        assert alone[layer.array("weight")].any()
        np.testing.assert_allclose(bar[layer.array("candidate")], alone[layer.array("weight")], rtol=1e-12, atol=1e-15)
