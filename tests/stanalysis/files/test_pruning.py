from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stanalysis.errors import BadInput
from stanalysis.files.checkpoint import validate_checkpoint
from stanalysis.files.pruning import CRITERIA, kept, pruned, pruning_order, read_pruning, write_pruning
from stanalysis.files.run import open_run, write_info
from stanalysis.schema.lives import PRUNED_ACCURACIES
from stanalysis.schema.variables import validate
from stanalysis.synthetic.network import small_network

PROJECTION = "projections/input__hidden1"
WEIGHTS = arrays(float, st.integers(0, 30), elements=st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0]))


def left(weight, criterion, fraction, draw=0):
    return kept(weight, criterion, fraction, random=pruning_order(0, draw))


@given(WEIGHTS, st.floats(0, 1), st.floats(0, 1), st.sampled_from(CRITERIA))
def test_kept__prunes_so_many_and_what_a_larger_fraction_keeps_a_smaller_keeps(weight, a, b, criterion):
    few, many = (left(weight, criterion, fraction) for fraction in sorted((a, b)))
    assert (~few).sum() == round(min(a, b) * weight.size)
    assert not (many & ~few).any()


@given(WEIGHTS, st.floats(0, 1), st.sampled_from(CRITERIA))
def test_kept__neither_signs_nor_the_scale_matter(weight, fraction, criterion):
    expected = left(weight, criterion, fraction)
    np.testing.assert_array_equal(left(-weight, criterion, fraction), expected)
    np.testing.assert_array_equal(left(4 * weight, criterion, fraction), expected)


@given(WEIGHTS, st.floats(0, 1))
def test_kept__the_smallest_go_or_the_largest_and_of_equals_the_first(weight, fraction):
    ranked = sorted(range(weight.size), key=lambda i: (abs(weight[i]), i))
    n = round(fraction * weight.size)
    assert set(np.flatnonzero(~left(weight, "magnitude", fraction))) == set(ranked[:n])
    ranked = sorted(range(weight.size), key=lambda i: (-abs(weight[i]), i))
    assert set(np.flatnonzero(~left(weight, "largest", fraction))) == set(ranked[:n])


def test_kept__at_random_does_not_look_at_weights_and_differs_between_draws():
    weight = np.arange(1.0, 41.0)
    first = left(weight, "random", 0.5)
    np.testing.assert_array_equal(left(weight[::-1], "random", 0.5), first)
    assert (left(weight, "random", 0.5, draw=1) != first).any()
    shares = np.mean([left(weight, "random", 0.5, draw=draw) for draw in range(400)], axis=0)
    assert abs(shares - 0.5).max() < 0.12


def test_kept__keeps_shape_and_prunes_last_what_is_no_number():
    weight = np.array([[1.0, np.nan], [3.0, -2.0]])
    for criterion in ("magnitude", "largest"):
        np.testing.assert_array_equal(left(weight, criterion, 0.75), np.isnan(weight))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("magnitude", 1.1), "1.1"),
        (("magnitude", float("nan")), "nan"),
        (("smallest", 0.5), "'smallest'"),
        (("random", 0.5), "needs random numbers"),
    ],
)
def test_kept__bad_input(arguments, message):
    with pytest.raises(BadInput, match=message):
        kept(np.ones(3), *arguments)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_pruned__leaves_a_projection_of_a_checkpoint(criterion):
    tree = small_network()
    table = tree[PROJECTION].to_dataset()
    result = pruned(table, criterion, 0.75, seed=1, draw=2)
    tree[PROJECTION].dataset = result
    validate_checkpoint(tree)
    assert result.sizes["synapse"] == 6
    chosen = kept(table.weight.values, criterion, 0.75, random=pruning_order(1, 2))
    np.testing.assert_array_equal(result.delay, table.delay[chosen])
    assert pruned(table, criterion, 0, seed=0).identical(table)


def test_pruned__without_weights_is_refused():
    table = small_network()[PROJECTION].to_dataset()
    with pytest.raises(BadInput, match="no weight"):
        pruned(table.drop_vars("weight"), "magnitude", 0.5, seed=0)


def lines():
    rows = []
    for criterion, draws in (("magnitude", 1), ("random", 2), ("largest", 1)):
        for draw in range(draws):
            for fraction, n in ((0, 40), (0.5, 20)):
                accuracies = {"test_accuracy": 0.1 + fraction / 3 + draw / 8, "validation_accuracy": 0.7}
                rows.append(
                    {"criterion": criterion, "fraction": fraction, "draw": draw, "n_synapses": n, **accuracies, "step": 9}
                )
    return pd.DataFrame(rows)


def test_read_pruning__gives_back_what_was_written(tmp_path):
    write_pruning(tmp_path, lines())
    result = read_pruning(tmp_path)
    validate(result, PRUNED_ACCURACIES, required=tuple(PRUNED_ACCURACIES))
    assert result.attrs["step"] == 9
    assert result.criterion.values.tolist() == list(CRITERIA)
    assert result.n_synapses.values.tolist() == [40, 20]
    at_random = result.test_accuracy.sel(criterion="random", fraction=0.5).values
    assert at_random.tolist() == [0.1 + 0.5 / 3, 0.1 + 0.5 / 3 + 1 / 8]  # to the last bit
    assert np.isnan(result.test_accuracy.sel(criterion="magnitude", draw=1)).all()
    assert [p.name for p in tmp_path.iterdir()] == ["pruning.csv"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="draw"), "column 'draw'"),
        (lambda t: t.iloc[:0], "column 'criterion'"),
        (lambda t: t.assign(test_accuracy="high"), "column 'test_accuracy'"),
        (lambda t: t.assign(step=[9.0] * 7 + [np.nan]), "column 'step'"),
        (lambda t: t.assign(criterion="age"), "'age'"),
        (lambda t: t.assign(fraction=t.fraction * 3), "1.5"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "contradict"),
        (lambda t: t.assign(step=range(8)), "contradict"),
        (lambda t: t.assign(n_synapses=range(8)), "contradict"),
    ],
)
def test_read_pruning__a_damaged_table_gets_a_sentence(tmp_path, change, message):
    write_pruning(tmp_path, change(lines()))
    with pytest.raises(BadInput, match=message):
        read_pruning(tmp_path)


def test_read_pruning__without_a_table(tmp_path):
    with pytest.raises(BadInput, match=r"holds no pruning\.csv"):
        read_pruning(tmp_path)
    (tmp_path / "pruning.csv").write_bytes(b'"a\n')
    with pytest.raises(BadInput, match="cannot be read"):
        read_pruning(tmp_path)


def test_read_pruning__takes_a_run_its_folder_or_a_text(tmp_path):
    write_pruning(tmp_path, lines())
    write_info(tmp_path, {"method": "dcls"})
    expected = read_pruning(tmp_path)
    assert read_pruning(str(tmp_path)).identical(expected)
    assert read_pruning(open_run(tmp_path)).identical(expected)
