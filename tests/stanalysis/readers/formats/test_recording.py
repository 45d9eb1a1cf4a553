from __future__ import annotations

import pytest

from stanalysis.readers.formats.recording import Recording, left_over, names_in

CONTENT = {"a": {"w": 1, "b": 2, "deep": {"x": 3}}, "c": 4}
NAMES = ["a/w", "a/b", "a/deep/x", "c"]


@pytest.fixture
def taken():
    return set()


@pytest.fixture
def record(taken):
    return Recording(CONTENT, taken, separator="/")


def left(taken):
    return left_over(NAMES, taken, "/")


def test_recording__what_is_looked_up_is_taken_by_its_whole_name(record, taken):
    assert record["a"]["w"] == record.get("a").get("w") == 1
    assert record["a"].get("nothing", 5) == 5
    assert left(taken) == ["a/b", "a/deep", "c"]
    inner = dict(record.items())["a"]
    assert next(v for v in record.values() if isinstance(v, dict))["deep"]["x"] == inner["b"] + 1 == 3
    assert left(taken) == ["c"]


def test_recording__looking_through_it_takes_nothing(record, taken):
    assert "a" in record
    assert list(record) == [name for name, _ in record.items()] == ["a", "c"]
    assert len(list(record.values())) == len(record) == 2
    assert list(names_in(record, "/")) == NAMES
    assert left(taken) == ["a", "c"]


def test_recording__what_a_note_tells_is_taken_with_all_in_it(record, taken):
    record["a"].take_all()
    record.take(["c"])
    assert left(taken) == []


def test_recording__a_part_has_the_same_names(record, taken):
    assert record.only(["c"])["c"] == 4
    assert left(taken) == ["a"]
