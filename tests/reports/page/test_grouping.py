from __future__ import annotations

import re

import numpy as np
import pytest

from reports.owed import RESOLUTION, WITHOUT_ORDER
from reports.page.grouping import ASKED, NO_CELLS, NOT_ASKED, ONE_SIGN, WHY_THEY_DIFFER, grouping_section
from reports.page.page import page
from reports.page.sentences import FEW_CONDITIONS
from stanalysis.analysis.analyze import analyze
from stanalysis.files.checkpoint import write_checkpoint
from stanalysis.findings.grouping import with_intervals
from stanalysis.stats.engine.margins import N_COSINES
from stanalysis.synthetic.network import small_network
from tests.made_parts import PROJECTION, STATISTICS, TESTS, analysis_of_parts, without_answers

NOTHING = "nothing shows that grouping is joint"
JOINT = "signs are grouped in space and time jointly"


def told(
    *,
    first=(0.0, 0.0, 0.0),
    last=(-1.0, 0.5, -2.0),
    p_first=0.5,
    p_last=0.01,
    p_both=0.01,
    runs=("a", "b"),
    tested=6,
    **options,
):
    """What is said of networks with these parts, delay, source and interaction, and p-values (of each network).

    ``tested`` of their 6 neurons have a p-value for the interaction.
    """

    def change(table):
        spread = np.linspace(-0.1, 0.1, table.sizes["target"])[None, :, None]
        for step, parts in enumerate((first, last)):
            table["excess"][:, step] = np.asarray(parts) + spread[..., None]
            table["total"][:, step] = sum(parts) + 3 * spread
            for test, p in (("interaction", (p_first, p_last)[step]), ("delays and sources", (1.0, p_both)[step])):
                table["network_p"][:, step, :, TESTS.index(test)] = np.broadcast_to(p, len(runs))[:, None]
        table["p_value"][:, :, tested:, :, TESTS.index("interaction")] = np.nan
        return table

    section = grouping_section(analysis_of_parts({"": list(runs)}, change=change, **options))
    (one,) = section.statements
    return one


def test_grouping__joint_grouping_is_said_where_the_interaction_is_rejected():
    one = told()
    assert one.about == PROJECTION
    assert one.verdict.startswith(
        "after training a neuron has 2.5 fewer E–I joins than if its signs moved freely: 1 fewer owed to the delay alone, 0.5 "
        "more owed to the source alone, 2 fewer owed to both jointly; "
    )
    joint = f"in 2 of 2 networks {JOINT}, beyond what they owe to either alone {RESOLUTION}"
    assert one.verdict.endswith(f"{joint} (null `interaction`; before training in 0 of 2)")
    assert NOTHING not in one.verdict
    assert one.seen
    assert "Nulls `delays` and `sources` are both rejected in 2 of 2 networks (before training in 0 of 2), which" in one.numbers


def test_grouping__nothing_is_claimed_where_the_interaction_is_not_rejected():
    one = told(p_last=0.051)
    assert one.verdict.endswith(f"{NOTHING}: null `interaction` is not rejected in any of 2 networks")
    assert JOINT not in one.verdict
    assert not one.seen
    assert "which parts that only add up bring about, too" in one.numbers


def test_grouping__of_some_networks_says_of_the_others_that_nothing_shows_it():
    one = told(p_last=[0.01, 0.2])
    assert f"in 1 of 2 networks {JOINT}" in one.verdict
    assert one.verdict.endswith(
        "(null `interaction`; before training in 0 of 2); in the others nothing shows that grouping is joint"
    )


def test_grouping__the_opposite_is_not_called_grouping():
    one = told(last=(-1.0, 0.5, 2.0))
    assert "null `interaction` is not rejected on the side of grouping in any of 2 networks" in one.verdict
    assert "signs are mixed jointly, the opposite, in 2 of 2 networks" in one.verdict
    assert not one.seen


def test_grouping__what_cannot_be_tested_is_said():
    one = told(p_last=np.nan, last=(-1.0, 0.5, 0.0))
    assert "whether any of it is joint cannot be told" in one.verdict
    assert "none owed to both jointly" in one.verdict
    assert not one.seen


def test_grouping__of_one_network_intervals_are_over_its_neurons():
    one = told(runs=("a",), first=(0.0, 0.0, -1.0), p_first=0.01, p_both=0.5)
    assert "95 % intervals over 6 neurons of this network, which speak of no other: all −2.5 (−2.7" in one.numbers
    assert f"in this network {JOINT}" in one.verdict
    assert one.verdict.endswith("(null `interaction`; before training, too)")
    assert "Nulls `delays` and `sources` are not both rejected in this network (before training not)." in one.numbers


def test_grouping__intervals_are_those_of_the_table():
    analysis = analysis_of_parts({"": ["a", "b", "c"]})
    (one,) = grouping_section(analysis).statements
    row = with_intervals(analysis).set_index(["moment", "statistic"]).sort_index().loc[("last", "graph_joins_ei")]
    [ends] = re.findall(r"jointly (\S+) \((\S+) to (\S+)\)\. Before", one.numbers.replace("−", "-"))
    assert [float(end) for end in ends] == pytest.approx(
        [row[f"interaction{end}"] for end in ("", "_lower", "_upper")], rel=5e-3
    )
    assert "95 % intervals over 3 networks" in one.numbers
    within = row["total_lower"] < 0 < row["total_upper"]
    assert ("which holds 0)" in one.verdict) == within


def test_grouping__draws_that_reject_nothing_and_one_side_are_said():
    def few(table):
        return table.assign_attrs(n_permutations=19)

    section = grouping_section(analysis_of_parts({"": ["a"]}, change=few))
    assert section.asked[1] == "With so few draws no p-value can be below .1: nothing can be rejected at .05."
    section = grouping_section(analysis_of_parts({"": ["a"]}, alternative="greater"))
    assert section.asked[1].startswith("Only one side was tested: `greater`")


def test_grouping__without_answers_says_so():
    section = grouping_section(analysis_of_parts({"": ["a", "b"]}, change=without_answers))
    assert [one.verdict for one in section.statements] == ["no neuron has an answer"]


def test_grouping__many_conditions_are_told_together():
    conditions = {f"c{i}": [f"{i}a", f"{i}b"] for i in range(FEW_CONDITIONS + 1)}

    def change(table):
        table["network_p"][:, 1] = 0.2
        table["network_p"][:3, 1, :, TESTS.index("interaction")] = 0.01
        table["excess"][:3, 1, ..., 2] = abs(table["excess"][:3, 1, ..., 2])
        return table

    analysis = analysis_of_parts(conditions, change=change)
    (one,) = grouping_section(analysis).statements
    rows = with_intervals(analysis)
    now = rows[rows["statistic"].eq("graph_joins_ei") & rows["moment"].eq("last")]
    assert now["interaction_grouped"].sum() == 0
    assert now["interaction_rejected"].sum() == 3
    assert f"signs are mixed jointly, the opposite, in {now['interaction_rejected'].sum()} of 10 networks" in one.verdict
    assert f"means of {len(conditions)} conditions: from" in one.numbers
    assert f"({now.sort_values('total')['condition'].iloc[0]})" in one.numbers


def test_grouping__the_table_has_the_published_procedure_beside_ours():
    table = grouping_section(analysis_of_parts({"": ["a", "b"]})).table
    assert [column.heading for column in table.columns] == [
        "projection", "step", "procedure", "mean", "expected", "highest", "cells", "delays", "sources", "interaction",
    ]  # fmt: skip
    assert [row[1:3] for row in table.rows[:4]] == [
        ["first", "published, Moran's I of cells"],
        ["first", "E–I joins among synapses"],
        ["first", "weighted E–I joins among synapses"],
        ["first", "Moran's I among synapses"],
    ]
    assert len(table.rows) == 8
    assert table.title == "The published procedure beside ours"
    assert not table.folded
    assert all(re.fullmatch(r"[\d.]+ %, [0-2]/2", cell) for row in table.rows if row[2][:1] != "p" for cell in row[7:])
    assert WHY_THEY_DIFFER in table.note


def test_grouping__is_left_out_where_nothing_is_known():
    assert grouping_section(analysis_of_parts({"": ["a"]}, parts=False, published=False)) is None
    cells_alone = grouping_section(analysis_of_parts({"": ["a"]}, parts=False))
    assert (cells_alone.asked, cells_alone.statements, len(cells_alone.table.rows)) == ([], [], 2)
    assert cells_alone.table.title == "The published procedure"
    assert "signs move freely" not in cells_alone.table.note
    synapses_alone = grouping_section(analysis_of_parts({"": ["a"]}, published=False))
    assert len(synapses_alone.table.rows) == 2 * len(STATISTICS)
    assert "cells" not in [column.heading for column in synapses_alone.table.columns]


@pytest.mark.parametrize(("dt", "why"), [(0.0, NO_CELLS), (1.0, NOT_ASKED)])
def test_grouping__without_the_published_test_says_why_and_compares_nothing(dt, why):
    table = grouping_section(analysis_of_parts({"": ["a"]}, published=False, dt=dt)).table
    assert table.title == "Ours, by test"
    assert table.note.endswith(why)
    for left_out in (WHY_THEY_DIFFER, "shuffled", "`cells`"):
        assert left_out not in table.note


def test_asked__says_the_resolution_of_the_margins():
    assert N_COSINES == 4  # half a period of the finest: a quarter
    assert f"is rejected, and then {RESOLUTION}" in ASKED


@pytest.mark.parametrize(("p_both", "rejected"), [(0.5, 0), ([0.01, 0.5], 1)])
def test_grouping__of_few_neurons_and_without_either_null_is_not_shown(p_both, rejected):
    one = told(tested=2, p_both=p_both)
    assert one.verdict.startswith(
        f"not shown to be joint: nulls `delays` and `sources` are both rejected in {rejected} of 2 networks, and the null "
        "`interaction`, rejected in 2 of 2 networks, speaks of the 33.3 % of neurons with an answer in which signs can move "
        "when what they owe to either alone stays; of the others it cannot be told, "
    )
    assert ". After training a neuron has 2.5 fewer E–I joins than" in one.verdict
    assert one.verdict.endswith("2 fewer owed to both jointly")
    assert JOINT not in one.verdict
    assert not one.seen


def test_grouping__of_few_neurons_of_one_network_is_not_shown():
    one = told(runs=("a",), tested=2, p_both=0.5)
    assert one.verdict.startswith(
        "not shown to be joint: nulls `delays` and `sources` are not both rejected in this network, and the null "
        "`interaction`, rejected in this network, speaks of the 33.3 % of neurons"
    )


def test_grouping__of_few_neurons_says_of_how_many_it_speaks():
    one = told(tested=2)
    assert f"in 2 of 2 networks {JOINT}" in one.verdict
    few = (
        "; it speaks of the 33.3 % of neurons with an answer in which signs can move when what they owe to either alone "
        "stays; of the others it cannot be told, and all they have is put down to the delay and the source"
    )
    assert one.verdict.endswith(few)
    assert one.seen
    nothing = told(tested=2, p_last=0.2)
    assert nothing.verdict.endswith(f"in any of 2 networks{few}")
    for enough in (told(tested=3), told(tested=3, p_both=0.5)):
        assert "speaks of the" not in enough.verdict
        assert enough.seen


def test_grouping__weights_of_one_sign_cannot_differ():
    nothing = (0.0, 0.0, 0.0)

    def change(table):
        return table.assign({name: table[name] * 0 for name in ("excess", "total")})

    conditions = {f"c{i}": [f"{i}a"] for i in range(FEW_CONDITIONS + 1)}
    for some in ({"": ["a", "b"]}, {"": ["a"]}, conditions):
        (one,) = grouping_section(analysis_of_parts(some, change=change)).statements
        assert (one.verdict, one.numbers, one.seen) == (ONE_SIGN, "", False)
    assert ONE_SIGN not in told(last=nothing).verdict  # neurons differ, and their mean is 0 but for rounding


def test_grouping__sources_without_order_are_said():
    conditions = {f"c{i}": [f"{i}a"] for i in range(FEW_CONDITIONS + 1)}
    for some in ({"": ["a", "b"]}, conditions):
        (one,) = grouping_section(analysis_of_parts(some, projection="hidden1__output")).statements
        assert f"{one.verdict}.".endswith(f". {WITHOUT_ORDER}")
        assert not one.seen
        (one,) = grouping_section(analysis_of_parts(some)).statements
        assert WITHOUT_ORDER not in f"{one.verdict}."


def test_grouping__of_many_conditions_in_few_neurons_is_not_shown():
    conditions = {f"c{i}": [f"{i}a", f"{i}b"] for i in range(FEW_CONDITIONS + 1)}

    def change(table):
        table["network_p"][:, 1] = 0.5
        table["network_p"][:4, 1, :, TESTS.index("interaction")] = 0.01
        table["excess"][:4, 1, ..., 2] = -abs(table["excess"][:4, 1, ..., 2])
        table["p_value"][:, :, 1:, :, TESTS.index("interaction")] = np.nan
        return table

    (one,) = grouping_section(analysis_of_parts(conditions, change=change)).statements
    assert "both rejected in 0 of 10 networks, and the null `interaction`, rejected in 4 of 10 networks, speaks" in one.verdict
    assert one.verdict.startswith("not shown to be joint")
    assert "speaks of the 16.7 % of neurons" in one.verdict
    assert not one.seen


@pytest.mark.slow
def test_page__has_the_section_where_the_analysis_has_the_groups(tmp_path):
    write_checkpoint(small_network(seed=0), tmp_path / "a.nc")
    usual, older = (
        analyze([tmp_path / "a.nc"], n_permutations=9, statistics=asked) for asked in (None, ["lattice", "graph", "survival"])
    )
    html = page({"a": usual}, {}, {}, atlas=None, notes=[], command="")
    assert 'href="#grouping"' in html
    assert "In space, in time, or jointly</h2>" in html
    assert ASKED[:40] in html
    assert html.index('id="grouping"') < html.index('id="tests"')
    html = page({"a": older}, {}, {}, atlas=None, notes=[], command="")
    assert "grouping" not in re.findall(r'(?:id|href)="#?(\w+)"', html)
    assert "jointly" not in html
