from __future__ import annotations

import numpy as np
from rich.console import Console

from stanalysis.cli.printing import table_of


def printed(rows, title="Title", *, width=80):
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(table_of(rows, title))
    return [line.rstrip() for line in capture.get().splitlines() if line.strip()]


def test_table_of__heads_columns_by_the_names_of_the_first_row():
    title, heading, _, *lines = printed([{"network_p": 0.25, "input__hidden1": 3}, {"network_p": 1.0, "input__hidden1": 4}])
    assert title == "Title"
    assert heading.split() == ["network", "p", "input__hidden1"]
    assert [line.split() for line in lines] == [["0.2500", "3"], ["1.0000", "4"]]


def test_table_of__what_has_no_answer_is_a_dash():
    *_, line = printed([{"a": np.nan, "b": None, "c": np.float64("nan"), "d": 0, "e": ""}])
    assert line.split() == ["–", "–", "–", "0"]


def test_table_of__zero_has_no_sign():
    *_, line = printed([{"a": -1e-9, "b": -0.5}])
    assert line.split() == ["0.0000", "-0.5000"]


def test_table_of__brackets_are_no_markup():
    title, *_, line = printed([{"statistic": "lead [ms]"}], "run [red]")
    assert (title, line.strip()) == ("run [red]", "lead [ms]")


def test_table_of__never_cuts_a_name():
    name = "a_name_that_is_rather_long"
    *_, line = printed([{"name": name, **{f"number_{k}": 0.123 for k in range(6)}}], width=70)
    assert line.split()[0] == name


def test_table_of__a_name_in_two_lines_takes_the_longer_of_them():
    *_, first, second = printed(
        [{"name": "a_name_that\n_is_rather_long", **{f"number_{k}": 0.123 for k in range(6)}}], width=80
    )
    assert first.split() == ["a_name_that", *["0.1230"] * 6]
    assert second.split() == ["_is_rather_long"]


def test_table_of__text_is_never_an_instruction():
    title, heading, _, line = printed([{"[red]a\x1b[2J": "[/b]"}], "[i]t\x1b")
    assert (title, heading.strip(), line.strip()) == ("[i]t�", "[red]a�[2J", "[/b]")
