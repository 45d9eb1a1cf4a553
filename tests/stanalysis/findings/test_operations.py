from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from stanalysis.cli.print_operations import print_operations
from stanalysis.files.operations import OPERATIONS
from stanalysis.findings.operations import (
    TOLERANCE,
    bits_of,
    operated,
    operated_means,
    schemes,
    tolerances,
    under_nulls,
)
from stanalysis.findings.surgery import surgery
from stanalysis.findings.wording_of_operations import told_tolerances
from stanalysis.findings.wording_of_surgery import told_surgery
from tests.operated import BUFFERS, COSTS, HIDDEN, INTACT_BUFFER, N_DRAWS, operated_analysis
from tests.operated import operated as lines_of

SEEDS = range(5)
INTACT = {f"n{seed}": 0.92 + 0.01 * (seed - 2) for seed in SEEDS}
NOTHING = xr.DataTree(xr.Dataset(attrs={"runs": '["a"]', "conditions": '{"": ["a"]}'}))


def networks(n, **planted):
    return {f"n{seed}": {"seed": seed, "intact": INTACT[f"n{seed}"], **planted} for seed in range(n)}


def with_costs(monkeypatch, **costs):
    """What operations cost, instead of `COSTS`."""
    for name, by_level in costs.items():
        monkeypatch.setitem(COSTS, name.replace("_", "-"), by_level)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    """Five networks, the last without jitter."""
    made = networks(5)
    made["n4"]["without"] = ("delay-jitter",)
    return operated_analysis(tmp_path_factory.mktemp("five"), made)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return operated_analysis(tmp_path_factory.mktemp("one"), networks(1))


def tolerated(analysis, operation):
    table = tolerances(analysis).set_index("operation")
    return table.loc[operation]


def test_operated__averages_draws_within_a_network(analysis):
    rows = operated(analysis)
    lines = lines_of(seed=3, intact=INTACT["n3"])
    chosen = lines[(lines["operation"] == "directed-signs") & (lines["arm"] == "lower") & lines["matched"]]
    by_hand = chosen[chosen["level"] == 0.2]["test_accuracy"]
    assert len(by_hand) == N_DRAWS
    row = rows[(rows["run"] == "n3") & (rows["operation"] == "directed-signs") & (rows["arm"] == "lower") & rows["matched"]]
    row = row[row["level"] == 0.2].iloc[0]
    assert row["test_accuracy"] == pytest.approx(by_hand.mean())
    assert row["cost"] == pytest.approx(INTACT["n3"] - by_hand.mean())


def test_operated_means__costs_are_of_the_networks_that_have_the_setting(analysis):
    means = operated_means(analysis)
    jitter = means[means["operation"] == "delay-jitter"]
    assert set(jitter["networks"]) == {4}
    np.testing.assert_allclose(jitter["cost"], list(COSTS["delay-jitter"].values()), atol=1e-12)
    assert (means["lowest"] <= means["test_accuracy"] + 1e-12).all()


@pytest.mark.parametrize(
    ("operation", "level"),
    [
        ("delay-jitter", 10 + (20 - 10) * (0.01 - 0.008) / (0.028 - 0.008)),  # 11 ms
        ("delay-levels", 8),  # 4 levels cost 1.2 points
        ("delay-clip", 0.9),
        ("smallest-delays-to-mean", 0.75),
        ("random-delays-to-mean", 0.25),
        ("weight-bits", 4),
        ("weight-jitter", 0.1 + (0.2 - 0.1) * (0.01 - 0.002) / (0.018 - 0.002)),  # .15
    ],
)
def test_tolerances__by_hand(analysis, operation, level):
    row = tolerated(analysis, operation)
    assert row["tolerated"] == pytest.approx(level)
    assert row["bound"] == ""


def test_tolerances__says_of_how_many_networks(analysis):
    assert (tolerated(analysis, "delay-jitter")[["networks", "fewest"]] == 4).all()
    assert tolerated(analysis, "delay-levels")["networks"] == 5
    assert tolerated(analysis, "delay-levels")["intact"] == pytest.approx(0.92)
    assert tolerated(analysis, "delay-levels")["bits"] == 3
    assert tolerated(analysis, "largest-delays-to-mean")["bound"] == "mildest"
    assert np.isnan(tolerated(analysis, "largest-delays-to-mean")["tolerated"])


def test_tolerances__ends_of_what_was_tried(tmp_path, monkeypatch):
    flat = {name: dict.fromkeys(levels, 0.0) for name, levels in COSTS.items() if len(levels) > 1}
    with_costs(monkeypatch, **flat)
    (tmp_path / "flat").mkdir()
    bears_all = operated_analysis(tmp_path / "flat", networks(2))
    assert (tolerances(bears_all)["bound"] == "harshest").all()
    (said,) = told_tolerances(bears_all)
    for words in (
        "may be off by at least 80 ms (standard deviation; more was not tried)",
        "need 0 bits (1 level, the fewest tried)",
        "none of them need keep its value",
        "by at least 0.8 of their root mean square",
        "need 1 bit, the fewest tried",
        "may end at 0 % of the longest, the least tried",
    ):
        assert words in said
    steep = {name: {level: 0.02 if level else 0.3 for level in levels} for name, levels in flat.items()}
    with_costs(monkeypatch, **steep)
    (tmp_path / "steep").mkdir()
    bears_none = operated_analysis(tmp_path / "steep", networks(2))
    assert (tolerances(bears_none)["bound"] == "mildest").all()
    assert tolerated(bears_none, "delay-jitter")["tolerated"] == pytest.approx(1.25)
    (said,) = told_tolerances(bears_none)
    for words in (
        "may be off by less than 2.5 ms (standard deviation, the least tried; by interpolation 1.2 ms)",
        "need more than 5 bits (32 levels, the most tried)",
        "more than 75 % of them must keep their values",
        "need more than 8 bits, the most tried",
        "need more than 90 % of the longest delay",
    ):
        assert words in said


def test_tolerances__a_level_counts_only_if_all_milder_ones_are_borne(tmp_path, monkeypatch):
    with_costs(monkeypatch, **{"delay-levels": {1: 0.5, 2: 0.0, 4: 0.3, 8: 0.0}})
    result = operated_analysis(tmp_path, networks(2))
    assert tolerated(result, "delay-levels")["tolerated"] == 8


def test_tolerances__exactly_one_point_is_borne(tmp_path, monkeypatch):
    with_costs(monkeypatch, **{"weight-bits": {1: 0.5, 2: TOLERANCE, 4: 0.0}})
    assert tolerated(operated_analysis(tmp_path, networks(3)), "weight-bits")["tolerated"] == 2


def test_bits_of__rounds_up():
    assert [bits_of(n) for n in (1, 2, 3, 8, 9)] == [0, 1, 2, 3, 4]
    assert np.isnan(bits_of(np.nan))


def test_told_tolerances__in_words(analysis, alone):
    (said,) = told_tolerances(analysis)
    assert said.startswith(
        "Delays may be off by 11 ms (standard deviation), need 3 bits (8 levels), may end at 90 % of the longest, and 25 % of "
        "them suffice (the smallest set to the mean), each by itself at a cost of up to 1 point of test accuracy (92 % intact, "
        "mean of 4 to 5 networks). Weights may be off by 0.15 of their root mean square (standard deviation) and need 4 bits, "
        "each by itself at the same cost."
    )
    assert "steps × neurons; one a source (axonal, the better of two means) costs 8 points and takes 710; one a target" in said
    assert "one network)" in told_tolerances(alone)[0]


def test_schemes__cost_and_memory(analysis):
    table = schemes(analysis).set_index("operation")
    assert table["buffer"].to_dict() == {"intact": INTACT_BUFFER, **BUFFERS}
    np.testing.assert_allclose(table.loc["axonal", "cost"], 0.1)
    assert table.loc["intact", "cost"] == 0


def by_hand(n, operation, level, *, matched):
    """The difference of each network, out of its lines."""
    apart = []
    for seed in range(n):
        lines = lines_of(seed=seed, intact=INTACT[f"n{seed}"])
        lines = lines[(lines["operation"] == operation) & (lines["level"] == level) & (lines["matched"] == matched)]
        means = lines.groupby("arm")["test_accuracy"].mean()
        apart.append(means["raise"] - means["lower"])
    return np.array(apart)


@pytest.mark.parametrize("matched", [True, False])
@pytest.mark.parametrize("operation", ["directed-delays", "directed-signs"])
def test_surgery__interval_and_sign_flips_by_hand(analysis, operation, matched):
    table = surgery(analysis).set_index(["operation", "level", "matched"])
    for level in (0.1, 0.2, 0.4):
        row, apart = table.loc[(operation, level, matched)], by_hand(5, operation, level, matched=matched)
        assert row["difference"] == pytest.approx(apart.mean())
        interval = stats.ttest_1samp(apart, 0).confidence_interval(0.95)
        np.testing.assert_allclose(row[["lower", "upper"]].astype(float), [interval.low, interval.high])
        flipped = np.array([(apart * signs).mean() for signs in product((1, -1), repeat=len(apart))])
        assert row["p_value"] == pytest.approx(np.mean(flipped >= apart.mean() - 1e-12))
        assert row["smallest_p"] == 1 / 2**5


def test_surgery__doses_stand_beside(analysis):
    table = surgery(analysis).set_index(["operation", "level", "matched"])
    alike, apart = (table.loc[("directed-delays", 0.2, matched)] for matched in (True, False))
    assert alike["dose_raise"] == alike["dose_leave"] == alike["dose_lower"] == pytest.approx(0.3)
    assert (apart["dose_raise"], apart["dose_lower"]) == pytest.approx((0.44, 0.16))
    assert (alike["dose_gap"], apart["dose_gap"]) == pytest.approx((0, 0.28 / 0.3))
    assert (apart["grouping_raise"], apart["grouping_lower"]) == pytest.approx((0.3, 0.1))


def test_surgery__a_planted_difference_is_shown(tmp_path):
    result = operated_analysis(tmp_path, networks(5, planted=0.05))
    rows = surgery(result)
    assert (rows[rows["matched"]]["lower"] > 0.03).all()
    assert (rows[rows["matched"]]["p_value"] == 1 / 2**5).all()
    delays, _ = told_surgery(result)
    assert "At equal dose more grouping leaves more accuracy at 10 %, 20 %, and 40 %, by at least" in delays
    assert "no difference is shown" not in delays


def test_surgery__where_less_grouping_leaves_more_accuracy_nothing_is_claimed(tmp_path):
    result = operated_analysis(tmp_path, networks(5, planted=-0.05))
    rows = surgery(result)
    assert (rows[rows["matched"]]["p_value"] == 1).all()
    delays, _ = told_surgery(result)
    assert "less grouping leaves more accuracy at 10 %, 20 %, and 40 %: nothing there says that grouping is needed" in delays


def test_surgery__fewer_than_three_networks_have_no_interval(tmp_path, alone):
    single = surgery(alone)
    assert single[["lower", "upper", "p_value"]].isna().all(axis=None)
    assert (single["smallest_p"] == 1).all()
    assert "One network says nothing of others." in told_surgery(alone)[0]
    assert "p is of flips" not in told_surgery(alone)[0]
    two = operated_analysis(tmp_path, networks(2))
    assert surgery(two)[["lower", "upper"]].isna().all(axis=None)
    assert surgery(two)["p_value"].notna().all()
    assert "Fewer than 3 networks give no interval." in told_surgery(two)[0]


def test_told_surgery__what_is_ruled_out_and_what_matching_changes(tmp_path):
    result = operated_analysis(tmp_path, networks(5, planted=0.0))
    delays, signs = told_surgery(result)
    rows = surgery(result).set_index(["operation", "matched", "level"])["difference"].sort_index()
    assert delays.startswith(f"{HIDDEN}: Delays exchanged in pairs among the synapses of a target")
    assert signs.startswith(f"{HIDDEN}: Signs exchanged")
    assert "At equal dose no difference is shown" in delays
    assert "points is ruled out (95 %)." in delays
    changes = 100 * (rows["directed-delays", True] - rows["directed-delays", False])
    assert f"matching the doses changes it by {changes[0.1]:+.1f}, {changes[0.2]:+.1f}, and {changes[0.4]:+.1f}." in delays
    assert "with 5 networks at least .0312, and not adjusted" in delays


@pytest.mark.parametrize("runs", [["n0", "n1", "n2", "n3", "n4"], ["n3"]])
def test_told_surgery__unequal_doses_are_not_compared(analysis, runs):
    def unequal(table):
        raised = (table.arm == "raise") & table.matched & table.run.isin(runs)
        return table.assign(dose=xr.where(raised, 2 * table.dose, table.dose, keep_attrs=True).transpose(*table.dose.dims))

    groups = dict(analysis.to_dict())
    groups["/operations"] = unequal(groups["/operations"])
    for said in told_surgery(xr.DataTree.from_dict(groups)):
        assert ("doses 0.3 and 0.15, not equal, grouping" in said) == (len(runs) == 5)
        assert said.count(", not equal, grouping") == 3
        assert "No doses are known to be equal: nothing can be compared." in said


def test_told_surgery__without_matching(analysis):
    groups = dict(analysis.to_dict())
    groups["/operations"] = groups["/operations"].isel(setting=~groups["/operations"].matched.values)
    (said, _) = told_surgery(xr.DataTree.from_dict(groups))
    assert "At unmatched doses: 10 % of the synapses" in said
    assert "What differs may be the dose, not the grouping." in said


def test_under_nulls__by_dose(analysis):
    table = under_nulls(analysis)
    assert set(table["normalisation"]) == {"kept", "re-estimated"}
    kept = table[(table["operation"] == "null-signs") & (table["normalisation"] == "kept")].sort_values("dose")
    assert kept["test_accuracy"].is_monotonic_decreasing
    np.testing.assert_allclose(kept["dose"], [0.3, 0.6, 1.2])


def test_conditions__are_told_apart(tmp_path):
    made = networks(4)
    made["n2"]["planted"] = made["n3"]["planted"] = 0.05
    result = operated_analysis(tmp_path, made, conditions={"method dcls": ["n0", "n1"], "method sparse": ["n2", "n3"]})
    assert set(tolerances(result)["condition"]) == {"method dcls", "method sparse"}
    assert (surgery(result)["networks"] == 2).all()
    first, second = told_tolerances(result)
    assert first.startswith("method dcls: Delays")
    assert second.startswith("method sparse: Delays")
    assert [said.split(":")[0] for said in told_surgery(result)] == [
        f"{condition}, {HIDDEN}" for condition in ("method dcls", "method sparse") for _ in range(2)
    ]


def test_findings__are_empty_without_operations():
    for table in (operated, operated_means, tolerances, schemes, surgery, under_nulls):
        assert isinstance(table(NOTHING), pd.DataFrame)
        assert table(NOTHING).empty
    assert told_tolerances(NOTHING) == told_surgery(NOTHING) == []


def test_findings__of_some_families_alone(tmp_path):
    graded = tuple(name for name, levels in COSTS.items() if len(levels) > 1)
    result = operated_analysis(tmp_path, networks(3, without=(*graded, "directed-delays", "directed-signs")))
    assert tolerances(result).empty
    assert surgery(result).empty
    assert told_surgery(result) == []
    assert not under_nulls(result).empty
    (said,) = told_tolerances(result)
    assert said.startswith("As trained, delays take buffers of 21,000 steps × neurons; one a source (axonal")


def test_findings__of_the_intact_network_alone(tmp_path):
    result = operated_analysis(tmp_path, networks(2, without=set(OPERATIONS)))
    assert len(operated(result)) == 2
    assert all(table(result).empty for table in (tolerances, schemes, surgery, under_nulls))
    assert told_tolerances(result) == told_surgery(result) == []


def test_told_tolerances__of_delays_set_to_the_mean_alone(tmp_path):
    result = operated_analysis(tmp_path, networks(2, without=set(OPERATIONS) - {"smallest-delays-to-mean"}))
    (said,) = told_tolerances(result)
    assert said.startswith(
        "Of the delays 25 % suffice (the smallest set to the mean), at a cost of up to 1 point of test accuracy (90.5 %"
    )


def test_print_operations__prints_what_there_is(analysis, capsys):
    from rich.console import Console

    print_operations(Console(width=80), NOTHING)
    assert capsys.readouterr().out == ""
    print_operations(Console(width=80), analysis)
    printed = capsys.readouterr().out
    for line in ("delay-jitter", "8 (3 bits)", "< 0.25", "directed-signs 0.4", "not matched", "0.0625", "Delays may be off by"):
        assert line in printed
    assert "…" not in printed
