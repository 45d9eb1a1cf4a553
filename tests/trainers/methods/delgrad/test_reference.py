"""Against frozen answers of the published code: times, gradients, training steps and bumps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.trainers.methods.delgrad.nets import UNIT, events, state_of
from trainers.methods.delgrad import rule
from trainers.methods.delgrad.loss import answered

pytestmark = pytest.mark.kernel

FILES = Path(__file__).parents[3] / "reference"
BOUNDS = {
    "exact": {"time": 1e-10, "gradient": 1e-9, "step": 1e-10},
    "shipped": dict.fromkeys(("time", "gradient", "step"), 2e-4),
}
CASES = sorted({name.split("/")[0] for name in np.load(FILES / "delgrad_exact.npz").files})


def case_of(variant, case):
    """The arrays of a case, and a network to start from."""
    with np.load(FILES / f"delgrad_{variant}.npz") as file:
        given = {name.split("/")[1]: file[name] for name in file.files if name.startswith(f"{case}/")}
    _, tau_mem, threshold, leak, margin, guard, weight_rate, delay_rate, scale, shift, most_silent, bump = given["setup"]
    assert leak == 1 / tau_mem
    n_layers = sum(name[:1] == "w" for name in given)
    weights = [given[f"w{k}"] for k in range(1, n_layers + 1)]
    hidden = tuple(w.shape[1] for w in weights[:-1])
    config = replace(UNIT, hidden=hidden, tau_mem=tau_mem, threshold=threshold, margin=margin, guard=guard, bump=bump)
    config = replace(config, delay_scale=scale, delay_shift=shift, most_silent=most_silent)
    config = replace(config, weight_rate=weight_rate, delay_rate=delay_rate)
    kinds = [kind_of(given.get(f"rho{k}"), w) for k, w in enumerate(weights, 1)]
    names = [synapses.array("") for synapses in state_of(config).projections]
    arrays = {f"{name}weight": w.T for name, w in zip(names, weights, strict=True)}
    arrays |= {f"{name}delay": given[f"rho{k}"].T for k, name in enumerate(names, 1) if f"rho{k}" in given}
    return given, state_of(config, kinds=kinds, **arrays)


def kind_of(rho, weight):
    if rho is None:
        return "none"
    return "synaptic" if rho.shape == weight.shape else "axonal" if rho.shape[1] == 1 else "dendritic"


def assert_near(value, expected, bound, *, relative=False):
    there = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(value), there)
    scale = np.abs(expected[there]).max(initial=0) if relative else 1.0
    assert np.abs(value[there] - expected[there]).max(initial=0) <= bound * scale


def test_cases__are_those_of_the_reference():
    assert len(CASES) == 15


@pytest.mark.parametrize("variant", BOUNDS)
@pytest.mark.parametrize("case", CASES)
def test_run__times_and_loss_are_those_published(case, variant):
    given, state = case_of(variant, case)
    done, _ = rule.run(state, events(given["inputs"]))
    first = given["inputs"].min(axis=1)[:, None]
    bound, last = BOUNDS[variant]["time"], len(state.projections) - 1
    for k in range(last):
        assert_near(done.times(k, state.config.tau_mem)[:, :, 0] + first, given[f"t_hidden{k + 1}"], bound)
    output = rule.output_times(state, done)
    assert_near(output + first, given["t_out"], bound)
    answer = answered(output, given["labels"], state.config.margin)
    assert answer.loss.mean() == pytest.approx(float(given["loss"]), abs=bound)
    np.testing.assert_array_equal(answer.prediction, given["pred"])


@pytest.mark.parametrize("variant", BOUNDS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("cut", ["clip", "noclip"])
def test_gradient__is_that_published(case, variant, cut):
    given, state = case_of(variant, case)
    if cut == "noclip":
        state = replace(state, config=replace(state.config, guard=0.0))
    done, thresholds = rule.run(state, events(given["inputs"]))
    answer = answered(rule.output_times(state, done), given["labels"], state.config.margin)
    bars, n_cut = rule.gradient(state, done, thresholds, answer)
    assert (n_cut > 0) == (bool(given["clipped"]) and cut == "clip")
    for k, synapses in enumerate(state.projections, 1):
        for name, ours in (("w", "weight"), ("rho", "delay")):
            if f"grad_{name}{k}_{cut}" in given:
                expected = given[f"grad_{name}{k}_{cut}"].T
                assert_near(bars[synapses.array(ours)], expected, BOUNDS[variant]["gradient"], relative=True)


@pytest.mark.parametrize("variant", BOUNDS)
@pytest.mark.parametrize("case", CASES)
def test_step__leaves_the_published_parameters_and_bumps_the_same(case, variant):
    given, state = case_of(variant, case)
    bound = BOUNDS[variant]["step"]
    for number, samples in enumerate(given["batches"]):
        loss, _ = rule.step(state, events(given["inputs"][samples]), given["labels"][samples], step=number, epoch=0)
        assert int(state.arrays["last_bumped"]) == given["step_bumped_layer"][number]
        if int(state.arrays["last_bumped"]) == rule.NOBODY:
            assert loss.mean() == pytest.approx(given["step_loss"][number], abs=bound)
        else:
            assert float(state.arrays["bump"]) == given["step_bump"][number]
    for k, synapses in enumerate(state.projections, 1):
        assert_near(state.arrays[synapses.array("weight")], given[f"after_w{k}"].T, bound)
        if f"after_rho{k}" in given:
            assert_near(state.arrays[synapses.array("delay")], given[f"after_rho{k}"].T, bound)
