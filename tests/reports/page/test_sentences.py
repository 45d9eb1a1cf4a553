from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from reports.page import outcomes
from reports.page.outcomes import told_accuracies, told_comparisons, told_exploration, told_lifetimes, told_pruning
from reports.page.sentences import FEW_CONDITIONS, by_condition, how_tested, ladder, parts
from stanalysis.errors import BadInput
from stanalysis.files.analysis import Caution, cautions_as_json
from stanalysis.findings.wording_of_cautions import FROM_CHECKPOINTS, NOT_EXCHANGEABLE
from stanalysis.stats.engine.nulls import NULLS
from stanalysis.stats.engine.statistics import told_statistics

PROJECTION = "input__hidden1"


def analysis(*, null="delays", conditions=("",), cautions=()):
    """The root of an analysis: all that the sentences need beside the findings."""
    attrs = {"null": null, "alternative": "two-sided", "n_permutations": 999}
    attrs |= {
        "conditions": json.dumps({name: [f"run of {name}"] for name in conditions}),
        "cautions": cautions_as_json(cautions),
    }
    return xr.DataTree(xr.Dataset(attrs=attrs))


def row(moment="trained", *, statistic="morans_i", condition="", **values):
    known = {
        "unit": "ms" if statistic == "lead" else "1",
        "step_from": 0 if moment == "first" else 9, "step_to": 0 if moment == "first" else 9,
        "networks": 3, "excess": 0.5, "lower": 0.25, "upper": 0.75, "neurons_lower": np.nan, "neurons_upper": np.nan,
        "tested": 3, "above": 0, "below": 0, "smallest_p": 0.002, "largest_p": 0.25,
        "significant": 0.125, "significant_lowest": 0.0, "significant_highest": 0.25, "neurons": 30, "answered": 27,
    }  # fmt: skip
    return {"projection": PROJECTION, "condition": condition, "moment": moment, "statistic": statistic, **known, **values}


def said(*rows, null="delays"):
    """The statement on the first statistic."""
    (part,) = parts(analysis(null=null), pd.DataFrame(rows))
    return part.statements[0]


def test_parts__rejections_are_counted_and_told_apart_from_those_before_training():
    one = said(row("first"), row(above=2), row("change", excess=0.25, lower=-0.5, upper=1.0))
    assert one.about == "Moran's I"
    assert one.verdict == (
        "neighbouring cells of a field are more alike in weight than null `delays` gives in 2 of 3 networks (before training "
        "in none)"
    )
    assert one.seen
    assert "Mean excess over the null 0.5 (95 % interval over 3 networks 0.25 to 0.75)" in one.numbers
    assert "; before training 0.5 (0.25 to 0.75)" in one.numbers
    assert "change 0.25 (−0.5 to 1, which holds 0)." in one.numbers
    assert "Network p .002 to .25." in one.numbers
    assert "12.5 % of neurons (false discovery rate 5 %, by network 0 to 25 %; before training 12.5 %)." in one.numbers


def test_parts__what_was_there_before_training_is_said():
    assert said(row("first", above=1), row(above=3)).verdict.endswith("(before training in 1 of 3)")
    assert said(row("first", above=1, step_to=4), row(above=3)).verdict.endswith("(at the first step kept in 1 of 3)")


def test_parts__both_sides_of_the_null_are_told():
    one = said(row(above=1, below=2, statistic="graph_joins_ei"))
    first, second = one.verdict.split("; ")
    assert "more often than null `delays` gives in 1 of 3" in first
    assert "less often than null `delays` gives in 2 of 3" in second


def test_parts__nothing_seen_is_no_proof_of_absence():
    one = said(row("first", below=1), row())
    assert one.verdict == (
        "nothing beyond null `delays` is seen in any of 3 networks; that is no proof of absence (before training something "
        "was, in 1 of 3 networks)"
    )
    assert not one.seen


def test_parts__one_network_has_a_spread_of_neurons_and_no_interval():
    alone = {"networks": 1, "tested": 1, "lower": np.nan, "upper": np.nan, "neurons_lower": -0.1, "neurons_upper": 0.9}
    one = said(row("first", **alone), row(above=1, **alone))
    assert one.verdict.endswith("gives in this network (before training not)")
    assert "0.5 (the middle 95 % of its neurons, no interval of confidence, −0.1 to 0.9)" in one.numbers


def test_parts__networks_without_a_p_value_are_not_called_tested():
    one = said(row("first", tested=0, smallest_p=np.nan, largest_p=np.nan), row(tested=0, smallest_p=np.nan, largest_p=np.nan))
    assert one.verdict == "networks as a whole are not tested; 12.5 % of neurons differ by themselves (before training 12.5 %)"
    assert "Network p" not in one.numbers
    assert not one.seen


def test_parts__a_projection_without_any_answer_says_so():
    assert said(row(networks=0, excess=np.nan, tested=0)).verdict == "no neuron has an answer"


def test_parts__units_follow_effects():
    assert "0.5 ms (95 %" in said(row(statistic="lead")).numbers
    assert "0.5 joins (95 %" in said(row(statistic="joins_ei")).numbers


def test_parts__doubts_are_with_the_projection_they_are_about():
    cautions = [
        Caution(NOT_EXCHANGEABLE, PROJECTION, ("a",), {"null": "delays", "reason": "delays are uneven"}),
        Caution(NOT_EXCHANGEABLE, "other__one", ("a",), {"null": "delays", "reason": "no"}),
        Caution(FROM_CHECKPOINTS, PROJECTION, values={"condition": "", "unseen_share": None, "unknown": 0}),
    ]
    (part,) = parts(analysis(cautions=cautions), pd.DataFrame([row()]))
    assert part.doubts == [f"{PROJECTION} of a, at the last step: delays are uneven."]


def test_parts__many_conditions_are_told_together():
    names = [f"c{i}" for i in range(FEW_CONDITIONS + 1)]
    rows = [row(m, condition=c, above=i % 2, excess=i) for i, c in enumerate(names) for m in ("first", "trained")]
    rows[-1]["answered"] = 14  # fewer than half of its neurons
    (part,) = parts(analysis(conditions=names), pd.DataFrame(rows))
    (one,) = part.statements
    assert part.condition == "all 5 conditions"
    assert "gives in 2 of 15 networks (at the first step in 2 of 15)" in one.verdict
    assert one.numbers == (
        "Mean excess over the null, by condition, with its interval over networks: from 0 (0.25 to 0.75) (c0) to 3 (0.25 to "
        "0.75) (c3); 1 where fewer than half of the neurons have an "
        "answer are left out."
    )
    table = by_condition(pd.DataFrame(rows))
    assert table["condition"].tolist() == names
    assert table["above_at_first"].tolist() == [0, 1, 0, 1, 0]


def test_how_tested__tells_the_meaning_the_floor_and_what_chance_rejects():
    table = pd.DataFrame(
        [row(statistic=name, tested=20) for name in told_statistics()] + [row("first"), row(statistic="gearys_c")]
    )
    meaning, floor = how_tested(analysis(), table)
    assert NULLS["delays"].meaning in meaning
    assert "no p-value can be below .002" in floor
    assert f"The {20 * len(told_statistics())} network p-values" in floor
    assert "one in twenty" in floor


def test_how_tested__draws_may_be_too_few_to_reject_anything():
    few = analysis()
    few.attrs["n_permutations"] = 19
    floor = how_tested(few, pd.DataFrame([row()]))[1]
    assert floor == "With 19 draws no p-value can be below .1, so that nothing can be rejected at .05: raise `--permutations`."


def test_how_tested__untrained_has_no_draws():
    assert "no draws" in how_tested(analysis(null="untrained"), pd.DataFrame([row(tested=0)]))[1]


def test_how_tested__a_null_that_is_not_registered_is_bad_input():
    with pytest.raises(BadInput, match="of the null 'toys', which is not known here"):
        how_tested(analysis(null="toys"), pd.DataFrame([row()]))


def test_ladder__has_a_column_for_each_analysis_and_the_statistics_in_order():
    first = pd.DataFrame([row(statistic="lead", below=2), row(above=1, below=1), row("first", above=3)])
    second = pd.DataFrame([row(tested=0), row(statistic="lead")])
    found = ladder({"a": first, "b": second})
    assert [one["statistic"] for one in found] == ["Moran's I", "lead of excitation"]
    assert [(one["a"], one["b"]) for one in found] == [
        ("1 of 3 above and 1 of 3 below", "12.5 % of neurons"),
        ("2 of 3 below", "0 of 3"),
    ]


def with_table(monkeypatch, **tables):
    for name, rows in tables.items():
        monkeypatch.setattr(outcomes, name, lambda _, rows=rows: pd.DataFrame(rows))


def test_told_accuracies__mean_and_range_of_each_condition(monkeypatch):
    rows = [{"condition": "", "moment": "best", "networks": 3, "mean": 0.883, "lowest": 0.875, "highest": 0.892}]
    rows.append({"condition": "", "moment": "last", "networks": 1, "mean": 0.9, "lowest": 0.9, "highest": 0.9})
    with_table(monkeypatch, accuracies_of_conditions=rows)
    assert told_accuracies(analysis()) == [
        "Test accuracy: 88.3 % (87.5 to 89.2 % over 3 networks) at the step best on validation; 90 % at the last step kept."
    ]


def test_told_accuracies__of_many_conditions_the_worst_and_the_best(monkeypatch):
    names = [f"c{i}" for i in range(FEW_CONDITIONS + 1)]
    of = {"moment": "last", "networks": 1, "lowest": 0, "highest": 1}
    with_table(monkeypatch, accuracies_of_conditions=[{**of, "condition": c, "mean": i / 10} for i, c in enumerate(names)])
    (sentence,) = told_accuracies(analysis(conditions=names))
    assert sentence.endswith("at the last step kept, means of conditions: from 0 % (c0) to 40 % (c4).")


COMPARISON = {
    "projection": PROJECTION, "among": "", "a": "fixed", "b": "learned", "also_differ": "", "paired": 1, "statistic": "lead",
    "n_a": 6, "n_b": 6, "difference": 7.0, "lower": 5.0, "upper": 9.0, "effect_size": 2.0, "p_value": 0.25,
    "smallest_p": 0.03125,
}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "lead of excitation 7 ms (95 % interval 5 to 9; Hedges' g 2; p .25, no difference is shown)"),
        ({"p_value": 0.03125}, "Hedges' g 2; p .031)."),
        ({"smallest_p": 0.25}, "p .25). The smallest p-value that so many can reach is .25, so that they cannot show"),
        ({"p_value": np.nan}, "lead of excitation 7 ms, not tested"),
        ({"also_differ": "epochs"}, "They also differ in epochs."),
        ({}, f"{PROJECTION}, learned less fixed, 6 pairs by seed"),
        ({"paired": 0}, "6 against 6 networks"),
    ],
)
def test_told_comparisons__never_more_than_the_test_allows(monkeypatch, values, expected):
    with_table(monkeypatch, comparisons=[COMPARISON | values])
    (sentence,) = told_comparisons(analysis())
    assert expected in sentence


def test_told_lifetimes__medians_with_intervals_and_hazards_of_neighbours(monkeypatch):
    of = {"projection": PROJECTION, "condition": ""}
    lives = {**of, "band": "runs", "among": "", "grouping": "origin", "n_episodes": 100, "n_deaths": 60}
    ratio = {
        **of,
        "band": "neurons",
        "model": "grown, at birth",
        "hazard_ratio": 0.5,
        "lower": 0.25,
        "upper": 0.75,
        "p_value": 1e-9,
    }
    with_table(
        monkeypatch,
        lifetimes=[
            {**lives, "group": "initial", "median": np.inf, "median_lower": np.nan, "median_upper": np.nan},
            {**lives, "group": "grown", "median": 30.0, "median_lower": 20.0, "median_upper": np.inf},
            {**lives, "grouping": "sign", "group": "excitatory", "median": 77.0, "median_lower": 1.0, "median_upper": 2.0},
        ],
        hazards=[{**ratio, "covariate": "same_sign"}, {**ratio, "covariate": "excitatory"}],
    )
    first, second = told_lifetimes(analysis())
    assert "more than half of the synapses there at step 0 live to the end of what was watched (60 of 100 died)" in first
    assert "half of the synapses grown in training are dead by age 30 steps (95 % interval 20 to ∞, 60 of 100 died)" in first
    assert "77" not in first
    assert (
        "grown, at birth, 0.5 for each neighbour of its own sign (95 % interval 0.25 to 0.75, p <.0001). These intervals"
        in second
    )
    assert "they speak of these networks, not of others" in second


EXPLORED = {
    "run": "a", "projection": PROJECTION, "condition": "", "exploration": 0.34, "exploration_expected": 0.4,
    "exploration_p": 0.01, "return_share": 0.12, "return_share_expected": 0.15, "return_share_p": 0.03,
}  # fmt: skip


def test_told_exploration__one_sentence_beside_growth_at_random(monkeypatch):
    with_table(monkeypatch, explored=[EXPLORED])
    assert told_exploration(analysis()) == [
        f"{PROJECTION}: during training 34 % of all possible synapses (pairs of neurons) were tried, where growth at random "
        "tries 40 % (p .01); 12 % of the births returned to a pair pruned before, where growth at random gives 15 % (p .03)."
    ]


def test_told_exploration__of_several_networks_the_mean_and_in_how_many_p_is_small(monkeypatch):
    other = {"run": "b", "exploration": 0.36, "exploration_p": 0.2, "return_share_p": np.nan, "return_share_expected": np.nan}
    with_table(monkeypatch, explored=[EXPLORED, EXPLORED | other])
    (sentence,) = told_exploration(analysis())
    assert "35 % of all possible synapses" in sentence
    assert "tries 40 % (p up to .05 in 1 of 2 networks)" in sentence
    assert "gives 15 % (p up to .05 in 1 of 1 networks)." in sentence


def test_told_exploration__says_no_more_than_there_is(monkeypatch):
    untested = {f"{name}_{part}": np.nan for name in ("exploration", "return_share") for part in ("expected", "p")}
    with_table(monkeypatch, explored=[EXPLORED | untested, EXPLORED | untested | {"projection": "b", "return_share": np.nan}])
    first, second = told_exploration(analysis())
    assert first.endswith("were tried; 12 % of the births returned to a pair pruned before.")
    assert second.endswith("were tried.")


def test_told_pruning__tells_what_is_left_and_of_how_many_networks(monkeypatch):
    of = {
        "projection": PROJECTION,
        "condition": "",
        "criterion": "magnitude",
        "statistic": "morans_i",
        "networks": 3,
        "beyond": 1,
    }
    with_table(monkeypatch, retained_means=[
        {**of, "criterion": "random", "fraction": 0.5, "with_structure": 2, "retained": 0.6, "mean_z": 1, "test_accuracy": 0},
        {**of, "fraction": 0.5, "with_structure": 2, "retained": 0.4, "mean_z": 1.0, "test_accuracy": 0.7},
        {**of, "fraction": 0.9, "with_structure": 2, "retained": np.nan, "mean_z": np.nan, "test_accuracy": np.nan},
    ])  # fmt: skip
    (sentence,) = told_pruning(analysis())
    told = "50 % pruned: Moran's I 40 % (of 2 of 3 networks) (at random 60 %; p up to .05 in 1 of 3); test accuracy 70 %"
    assert told in sentence
    assert sentence.endswith("90 % pruned: too few neurons still have an answer.")
