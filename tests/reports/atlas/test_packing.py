import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.atlas.packing import LARGEST, packed_lives, packed_rows
from stanalysis.errors import BadInput
from stanalysis.schema.lives import EPISODES
from stanalysis.schema.variables import labelled

SIZES = {"n_field": 3, "n_source": 4, "n_delay": 5}
synapses = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 3), st.integers(0, 4), st.sampled_from([0.0, 1e-12, -1e-12, 0.5, -0.25, 3.0, -7.0])
    ),
    max_size=40,
)


def columns(rows):
    field, source, delay, weight = (np.array(x) for x in zip(*rows, strict=True)) if rows else (np.zeros(0, int),) * 4
    return field, source, delay, weight.astype(float)


def decoded(rows):
    return rows.weight.view(np.float16).astype(float) * rows.scale


def expanded(rows):
    """Fields (field, source, delay) of rows, and where a row is."""
    field = np.repeat(np.arange(rows.start.size - 1), np.diff(rows.start))
    planes, present = np.zeros((3, 4, 5)), np.zeros((3, 4, 5), bool)
    planes[field, rows.source, rows.bin] = decoded(rows)
    present[field, rows.source, rows.bin] = True
    return planes, present


@given(synapses)
@settings(deadline=None, max_examples=80)
def test_packed_rows__expand_to_the_fields(drawn):
    field, source, delay, weight = columns(drawn)
    rows = packed_rows(field, source, delay, weight, **SIZES)
    planes, present = expanded(rows)
    truth, there = np.zeros((3, 4, 5)), np.zeros((3, 4, 5), bool)
    np.add.at(truth, (field, source, delay), weight)
    there[field, source, delay] = True
    np.testing.assert_array_equal(present, there)
    assert (np.sign(planes) == np.sign(truth)).all()  # a weight is 0 where it was, and nowhere else
    # a half float has 11 digits of base 2 down to 2 ** -14, and steps of 2 ** -24 below that
    assert (abs(planes - truth) <= np.maximum(2.0**-11 * abs(truth), 2.0**-24 * rows.scale)).all()
    assert rows.n_row == there.sum()
    assert rows.n_synapses.sum() == len(drawn)


def test_packed_rows__are_sorted_within_each_field_and_as_narrow_as_can_be():
    ones = np.ones(3, int)
    rows = packed_rows(ones, np.array([300, 2, 2]), np.array([0, 4, 1]), np.ones(3), n_field=2, n_source=301, n_delay=5)
    assert rows.source.tolist() == [2, 2, 300]
    assert rows.bin.tolist() == [1, 4, 0]
    assert rows.start.tolist() == [0, 0, 3]
    assert (rows.source.dtype, rows.bin.dtype, rows.weight.dtype) == (np.uint16, np.uint8, np.uint16)


def test_packed_rows__a_few_extreme_weights_do_not_set_the_limit_of_colours():
    n = np.arange(1000)
    weight = np.where(n < 5, 50.0, np.linspace(-1, 1, 1000))
    rows = packed_rows(n // 500, n % 500, 0 * n, weight, n_field=2, n_source=500, n_delay=1)
    assert 0.9 < rows.limit <= 1
    assert rows.scale * LARGEST == 50


def test_packed_rows__keep_what_is_not_finite():
    n = np.arange(4)
    rows = packed_rows(0 * n, n, n, np.array([np.nan, 1.0, np.inf, -np.inf]), **SIZES)
    np.testing.assert_array_equal(decoded(rows), [np.nan, 1.0, np.inf, -np.inf])
    cancelled = packed_rows(n, 0 * n, 0 * n, np.array([np.inf, -np.inf, 1.0, 1.0]), n_field=4, n_source=1, n_delay=1)
    assert cancelled.n_row == 4
    same = packed_rows(0 * n, 0 * n, 0 * n, np.array([np.inf, -np.inf, 1.0, 1.0]), n_field=1, n_source=1, n_delay=1)
    assert np.isnan(decoded(same)).all()


@given(st.lists(st.floats(-8.7, 0), min_size=1, max_size=30), st.floats(1e-30, 1e30))
@settings(deadline=None, max_examples=60)
def test_packed_rows__miss_a_weight_by_little_over_nine_decades(powers, largest):
    weight = largest * 10.0 ** np.array([0, *powers])
    n = np.arange(weight.size)
    rows = packed_rows(0 * n, n, 0 * n, weight, n_field=1, n_source=weight.size, n_delay=1)
    np.testing.assert_allclose(decoded(rows), weight, rtol=4.9e-4, atol=0)


@pytest.mark.parametrize("weight", [[], [0.0]])
def test_packed_rows__without_a_weight_still_have_a_limit(weight):
    n = np.zeros(len(weight), int)
    rows = packed_rows(n, n, n, np.array(weight), **SIZES)
    assert rows.limit > 0
    assert rows.scale > 0
    assert rows.start.tolist() == [0, *([len(weight)] * 3)]


def lives(**columns):
    known = {"target": [1, 0, 1], "source": [3, 0, 2], "sign": [1, -1, 0], "birth_step": [10, 0, 0], "exit": [5, 30, 30]}
    known |= {"entry": [0, 0, 0], "event": [True, False, False]} | columns
    return labelled(EPISODES, **{name: values for name, values in known.items() if values is not None})


def test_packed_lives__are_sorted_by_target_and_end_where_they_were_left():
    packed = packed_lives(lives(), n_source=4, n_target=3)
    assert packed.start.tolist() == [0, 1, 3, 3]
    assert packed.source.tolist() == [0, 3, 2]
    assert packed.birth.tolist() == [0, 10, 0]
    assert packed.end.tolist() == [30, 15, 30]
    assert packed.died.tolist() == [0, 1, 0]
    assert packed.sign.tolist() == [-1, 1, 0]


def test_packed_lives__name_what_is_missing():
    with pytest.raises(BadInput, match="birth_step"):
        packed_lives(lives(birth_step=None), n_source=4, n_target=3)
