from __future__ import annotations

import numpy as np
from rich.console import Console

from stanalysis.cli.print_parts import print_parts
from stanalysis.findings.grouping import with_intervals
from tests.made_parts import PROJECTION, analysis_of_parts, without_answers


def printed(analysis):
    console = Console(width=80, no_color=True)
    with console.capture() as capture:
        print_parts(console, analysis)
    return [line.rstrip() for line in capture.get().splitlines() if line.strip()]


def test_print_parts__shows_the_numbers_of_the_table():
    analysis = analysis_of_parts({"fixed": ["a", "b", "c"], "learned": ["d"]})
    lines = printed(analysis)
    rows = with_intervals(analysis)
    for condition in ("fixed", "learned"):
        at = lines.index(f"{PROJECTION} ({condition}): E-I joins beyond free signs")
        assert lines[at + 1].split() == ["step", "total", "delay", "source", "jointly", "rejected", "tested"]
        for line, moment in zip(lines[at + 3 : at + 5], ("first", "last"), strict=True):
            [row] = rows.query(
                f"condition == '{condition}' and moment == '{moment}' and statistic == 'graph_joins_ei'"
            ).to_dict("records")
            numbers = [f"{row[name]:z.2f}" for name in ("total", "delay", "source", "interaction")]
            interval = [f"({row['interaction_lower']:z.2f}", "to", f"{row['interaction_upper']:z.2f})"]
            rejected = [str(row["interaction_rejected"]), "of", str(row["interaction_tested"])]
            assert line.split() == [moment, *numbers, *interval, *rejected, "100%"]


def test_print_parts__fits_80_columns_however_many_joins_there_are():
    def change(table):
        far = np.linspace(-1, 1, table.sizes["run"])[:, None, None, None]
        table["total"] = table.total * 3 + 12345.6 * far - 12345
        table["excess"] = table.excess * 3 + 12345.6 * far[..., None] - 12345
        return table

    analysis = analysis_of_parts({"": [f"r{i}" for i in range(30)]}, change=change)
    lines = printed(analysis)
    assert not any("…" in line for line in lines)
    assert lines[1].split()[-1] == "tested"
    [row] = with_intervals(analysis).query("moment == 'last' and statistic == 'graph_joins_ei'").to_dict("records")
    assert lines[4].split()[1] == f"{row['total']:.0f}"


def test_print_parts__what_has_no_answer_is_a_dash():
    _, _, _, *lines = printed(analysis_of_parts({"": ["a", "b"]}, change=without_answers))
    assert lines[1].split() == ["last", "–", "–", "–", "–", "0", "of", "0", "–"]


def test_print_parts__without_parts_prints_nothing():
    assert printed(analysis_of_parts({"": ["a"]}, parts=False)) == []
