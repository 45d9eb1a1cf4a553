"""What ``analyze`` prints of what networks bear."""

from __future__ import annotations

import math

import pytest

from stanalysis.cli.print_operations import _borne, _doses


@pytest.mark.parametrize(
    ("operation", "unit", "bound", "tolerated", "mildest", "said"),
    [
        ("delay-jitter", "ms", "", 8.509, 2.5, "8.51 ms"),
        ("delay-jitter", "ms", "harshest", 80.0, 2.5, "≥ 80 ms"),
        ("delay-jitter", "ms", "mildest", 1.25, 2.5, "< 2.5 ms"),
        ("delay-levels", "1", "", 8.0, 32.0, "8 (3 bits)"),
        ("delay-levels", "1", "harshest", 1.0, 32.0, "≤ 1 (0 bits)"),
        ("delay-levels", "1", "mildest", math.nan, 32.0, "> 32 (5 bits)"),
        ("weight-bits", "1", "mildest", math.nan, 8.0, "> 8"),
        ("delay-clip", "1", "mildest", math.nan, 0.9, "> 0.9"),
        ("random-delays-to-mean", "1", "mildest", math.nan, 0.25, "< 0.25"),
    ],
)
def test_borne__an_end_of_what_was_tried_has_the_sign_of_its_side(operation, unit, bound, tolerated, mildest, said):
    row = {"operation": operation, "unit": unit, "bound": bound, "tolerated": tolerated, "mildest": mildest}
    assert _borne(row) == said


def test_doses__that_are_unequal_are_said_to_be():
    assert [_doses({"matched": matched, "dose_gap": gap}) for matched, gap in ((True, 0.01), (True, 0.2), (False, 0.01))] == [
        "matched",
        "matched, but unequal",
        "not matched",
    ]
