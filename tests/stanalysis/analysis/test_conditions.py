from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from stanalysis.analysis.conditions import compared, networks_to_compare
from stanalysis.analysis.one_network import configuration
from stanalysis.errors import BadInput
from stanalysis.stats.replicates.comparison import compare
from stanalysis.stats.replicates.power import seeds_needed

STEPS = (0, 5)
OPTIONS = {"alternative": "two-sided", "replicates": "networks", "seed": 0}


def statistics_of(networks, *, n_target=6, kept=None):
    """A group /statistics: by name of the run, its design; two statistics that ``effect`` moves, at the last step only."""
    random = np.random.default_rng(3)
    value = random.normal(size=(len(networks), len(STEPS), n_target, 2))
    value[:, 1] += np.array([one.get("effect", 0.0) for one in networks.values()])[:, None, None]
    n_synapses = np.full(value.shape[:3], 8.0)
    for index, name in enumerate(networks):
        for step in set(STEPS) - set((kept or {}).get(name, STEPS)):
            value[index, STEPS.index(step)] = n_synapses[index, STEPS.index(step)] = np.nan
    design = {
        "seed": [one["seed"] for one in networks.values()],
        "method": [one.get("method", "sparse") for one in networks.values()],
        "sparsity": [one.get("sparsity", 0.0) for one in networks.values()],
        "connectivity": [one.get("connectivity", "") for one in networks.values()],
        "delays": [one.get("delays", "") for one in networks.values()],
    }
    dims = ("run", "step", "target", "statistic")
    return xr.Dataset(
        {"value": (dims, value + 2), "expected": (dims, np.full(value.shape, 2.0)), "n_synapses": (dims[:3], n_synapses)},
        {
            "run": list(networks),
            "step": list(STEPS),
            "statistic": ["morans_i", "lead"],
            "unit": ("statistic", ["1", "ms"]),
            **{name: ("run", values) for name, values in design.items()},
        },
    )


def configured(networks, **by_key):
    return {name: json.dumps({key: of(one) for key, of in by_key.items()}) for name, one in networks.items()}


def grid(**values):
    """Networks of every combination of the values, named by them."""
    (last, choices), *others = reversed(values.items())
    smaller = grid(**dict(reversed(others))) if others else {"": {}}
    return {f"{name}{last[0]}{choice}": {**one, last: choice} for name, one in smaller.items() for choice in choices}


def test_compared__by_step_pairs_each_network_with_itself():
    networks = {f"r{k}": {"seed": k, "effect": 3.0} for k in range(4)}
    statistics = statistics_of(networks)
    found = compared(statistics, "step", configured(networks), **OPTIONS)
    assert dict(found.sizes) == {"comparison": 1, "statistic": 2}
    one = found.squeeze("comparison")
    assert (one.a.item(), one.b.item(), one.among.item(), one.paired.item()) == ("first", "last", "", 1)
    excess = (statistics.value - 2).mean("target")
    np.testing.assert_allclose(one.difference, (excess.sel(step=5) - excess.sel(step=0)).mean("run"))
    assert one.smallest_p.values.tolist() == one.p_value.values.tolist() == [2 / 2**4] * 2
    assert (one.lower > 0).all()
    for effect, needed in zip(one.effect_size.values, one.seeds_needed.values, strict=True):
        assert needed == seeds_needed(effect, paired=True)


def test_compared__equals_compare_by_hand():
    networks = grid(delays=["fixed", "learned"], seed=[0, 1, 2])
    statistics = statistics_of(networks)
    found = compared(statistics, "delays", configured(networks), **OPTIONS | {"alternative": "greater", "seed": 7})
    values = (statistics.value - statistics.expected).sel(step=5).rename(run="network").reset_coords(drop=True)
    condition = [one["delays"] for one in networks.values()]
    values = values.assign_coords(condition=("network", condition), seed=("network", [0, 1, 2] * 2))
    values = values.transpose("statistic", "network", "target")
    expected = compare(values, a="fixed", b="learned", alternative="greater", seed=7)
    for name in expected.data_vars:
        np.testing.assert_allclose(found[name].squeeze("comparison"), expected[name], rtol=1e-6, err_msg=name)


def test_compared__is_paired_only_where_the_seeds_match():
    networks = {"a0": {"seed": 0, "delays": "fixed"}, "a1": {"seed": 1, "delays": "fixed"}}
    networks |= {"b0": {"seed": 0, "delays": "learned"}, "b2": {"seed": 2, "delays": "learned"}}
    found = compared(statistics_of(networks), "delays", configured(networks), **OPTIONS)
    assert found.paired.values.tolist() == [0]
    assert found.smallest_p.values.ravel().tolist() == pytest.approx([2 / 6] * 2)
    same = networks | {"b2": {"seed": 1, "delays": "learned"}}
    assert compared(statistics_of(same), "delays", configured(same), **OPTIONS).paired.values.tolist() == [1]


def test_compared__runs_that_differ_in_more_are_compared_where_they_are_alike():
    networks = grid(connectivity=["fixed", "rewired"], sparsity=[0.5, 0.9], delays=["fixed", "learned"], seed=[0, 1])
    found = compared(statistics_of(networks), "delays", configured(networks), **OPTIONS)
    assert found.among.values.tolist() == [
        f"sparsity {s}, connectivity {c}" for s in ("0.5", "0.9") for c in ("fixed", "rewired")
    ]
    assert set(found.a.values) == {"fixed"}
    assert set(found.b.values) == {"learned"}
    assert (found.n_a == 2).all()


def test_compared__dense_against_sparse_have_each_their_own_design():
    networks = {f"d{k}": {"seed": k, "method": "dcls", "delays": "learned"} for k in range(3)}
    rewired = {"method": "sparse", "sparsity": 0.9, "connectivity": "rewired", "delays": "learned"}
    networks |= {f"s{k}": {"seed": k, **rewired} for k in range(3)}
    for key, names in (("method", ("dcls", "sparse")), ("sparsity", ("0", "0.9")), ("connectivity", ("", "rewired"))):
        found = compared(statistics_of(networks), key, configured(networks), **OPTIONS)
        assert (found.a.item(), found.b.item(), found.among.item()) == (*names, "")
        assert found.paired.item() == 1


def test_compared__takes_a_key_of_the_configuration_and_compares_every_two():
    networks = {f"r{k}": {"seed": k % 2, "epochs": 10 * (k // 2)} for k in range(6)}
    found = compared(statistics_of(networks), "epochs", configured(networks, epochs=lambda one: one["epochs"]), **OPTIONS)
    assert list(zip(found.a.values, found.b.values, strict=True)) == [("0", "10"), ("0", "20"), ("10", "20")]
    assert found.attrs["key"] == "epochs"


@pytest.mark.parametrize("config", ["", "no JSON", "[1]", '{"other": 1}'])
def test_compared__an_unknown_key_gets_a_sentence(config):
    networks = {"a": {"seed": 0}, "b": {"seed": 1}}
    with pytest.raises(BadInput, match="--compare epochs: the run a has no such key; use step, method, sparsity, connectivity"):
        compared(statistics_of(networks), "epochs", dict.fromkeys(networks, config), **OPTIONS)


def test_compared__conditions_that_are_all_equal_get_a_sentence():
    networks = {"a": {"seed": 0, "delays": "fixed"}, "b": {"seed": 1, "delays": "fixed"}}
    with pytest.raises(BadInput, match=r"--compare delays: all runs have the same \(fixed\)"):
        compared(statistics_of(networks), "delays", configured(networks), **OPTIONS)


def test_compared__runs_that_always_differ_in_something_else_get_a_sentence():
    networks = {
        "a": {"seed": 0, "delays": "fixed", "sparsity": 0.5},
        "b": {"seed": 0, "delays": "learned", "sparsity": 0.9},
        "c": {"seed": 0, "delays": "learned", "sparsity": 0.95},
    }
    with pytest.raises(BadInput, match="no two runs that differ in it are alike in sparsity; compare runs"):
        compared(statistics_of(networks), "delays", configured(networks), **OPTIONS)


def test_compared__a_run_with_one_step_has_no_first_and_last():
    networks = {"a": {"seed": 0}, "b": {"seed": 1}}
    with pytest.raises(BadInput, match=r"--compare step: the run b has one step only \(5\)"):
        compared(statistics_of(networks, kept={"b": (5,)}), "step", configured(networks), **OPTIONS)


def test_compared__networks_are_at_their_last_kept_step():
    networks = grid(delays=["fixed", "learned"], seed=[0, 1])
    statistics = statistics_of(networks, kept={"dfixeds0": (0,)})
    table = networks_to_compare(statistics, "delays", configured(networks))
    assert table.step.tolist() == [0, 5, 5, 5]
    assert table.condition.tolist() == ["fixed", "fixed", "learned", "learned"]
    assert set(table.columns) == {"run", "step", "seed", "condition", "method", "sparsity", "connectivity"}


def test_compared__neurons_are_no_replicates():
    networks = grid(delays=["fixed", "learned"], seed=[0, 1])
    with pytest.raises(BadInput, match="neurons of one network share training"):
        compared(statistics_of(networks), "delays", configured(networks), **OPTIONS | {"replicates": "neurons"})


def test_compared__a_seed_twice_in_one_condition_gets_a_sentence():
    networks = {"a": {"seed": 0, "delays": "fixed"}, "b": {"seed": 0, "delays": "fixed"}, "c": {"seed": 0, "delays": "learned"}}
    with pytest.raises(BadInput, match="two networks of seed 0"):
        compared(statistics_of(networks), "delays", configured(networks), **OPTIONS)


def test_compared__neurons_and_networks_without_an_answer_are_left_out():
    networks = {f"r{k}": {"seed": k} for k in range(4)}
    statistics = statistics_of(networks)
    statistics["value"][0, :, 2, 0] = np.nan
    statistics["value"][1, 0, :, 1] = np.nan
    found = compared(statistics, "step", configured(networks), **OPTIONS).squeeze("comparison")
    assert found.n_a.values.tolist() == [4, 3]
    assert found.n_unanswered.values.tolist() == [0, 1]
    assert found.difference.notnull().all()


def test_compared__rounding_is_no_effect():
    networks = {f"r{k}": {"seed": k} for k in range(3)}
    statistics = statistics_of(networks)
    statistics["value"] = statistics.expected * (1 + 1e-15 * np.sign(statistics.value - 2.5))
    found = compared(statistics, "step", configured(networks), **OPTIONS)
    assert (found.difference == 0).all()
    assert (found.p_value == 1).all()
    assert found.seeds_needed.isnull().all()


def test_compared__no_effect_in_the_direction_asked_for_needs_no_number_of_seeds():
    networks = {f"r{k}": {"seed": k, "effect": 3.0} for k in range(4)}
    found = compared(statistics_of(networks), "step", configured(networks), **OPTIONS | {"alternative": "less"})
    assert (found.effect_size > 0).all()
    assert found.seeds_needed.isnull().all()


@pytest.mark.parametrize(("text", "config"), [("", {}), ("no JSON", {}), ("[1]", {}), ('{"a": 1}', {"a": 1})])
def test_configuration__is_empty_where_nothing_is_said(text, config):
    assert configuration(text) == config
