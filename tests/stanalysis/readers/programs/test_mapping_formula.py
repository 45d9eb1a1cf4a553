from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest

from stanalysis.errors import BadInput
from stanalysis.readers.programs.mapping_formula import evaluate

W = np.array([[1.5, -2.0, 0.0], [0.5, 2.5, -3.5]])
FLAGS = np.array([[True, False, True], [False, True, True]])
INTEGERS = np.array([[1, 2, 3], [4, 5, 6]], np.int8)
NAMES = {"w": W, "flags": FLAGS, "n": INTEGERS}


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("w", W),
        (" w * 2 - 1 ", W * 2 - 1),
        ("-w / 4 + n % 4 // 2", -W / 4 + INTEGERS % 4 // 2),
        ("w ** 2", W**2),
        ("n * 100", INTEGERS.astype(float) * 100),
        ("round(w)", [[2, -2, 0], [0, 2, -4]]),
        ("floor(w) + ceil(w)", np.floor(W) + np.ceil(W)),
        ("clip(w, -1, 1)", W.clip(-1, 1)),
        ("abs(w) - exp(w) + tanh(w)", abs(W) - np.exp(W) + np.tanh(W)),
        ("log(n) + sqrt(n)", np.log(INTEGERS.astype(float)) + np.sqrt(INTEGERS.astype(float))),
        ("sigmoid(w)", 1 / (1 + np.exp(-W))),
        ("softplus(w)", np.log(1 + np.exp(W))),
        ("minimum(w, n) + maximum(w, 0)", np.minimum(W, INTEGERS) + np.maximum(W, 0)),
        ("where(w > 0, w, 7)", np.where(W > 0, W, 7)),
        ("w * flags", W * FLAGS),
        ("flags - 1", FLAGS.astype(float) - 1),
        ("flags + flags", 2.0 * FLAGS),
        ("n / norm(n)", INTEGERS / np.linalg.norm(INTEGERS.astype(float), axis=1, keepdims=True)),
        ("(w != 0) & ~(w < 0) | flags", (W != 0) & ~(W < 0) | FLAGS),
        ("0 <= w < 2 ", (W >= 0) & (W < 2)),
        ("n == 3", INTEGERS == 3),
        ("9**9**9", np.inf),
        ("1 / 0", np.inf),
    ],
)
def test_evaluate__equals_numpy(formula, expected):
    result = evaluate(formula, NAMES)
    np.testing.assert_allclose(result, expected, rtol=1e-14)
    assert (result.dtype == bool) == (np.asarray(expected).dtype == bool)


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os').system('true')",
        "w.tofile",
        "w[0]",
        "[w]",
        "lambda: w",
        "w if flags else n",
        "exec('w')",
        "missing",
        "'text' * 2",
        "True",
        "1j",
        "w @ w",
        "w << 2",
        "w and n",
        "not w",
        "~w",
        "w & n",
        "where(w, 1, 2)",
        "clip(w)",
        "round(w, n)",
        "clip(w, low=0, high=1)",
        "abs(*w)",
        "(w := 3)",
        "abs",
        "",
        "w +",
        "f'{w}'",
        "w in n",
        "w is n",
        "\0",
        "9" * 400 + "9" * 50,
        "w" * 501,
        "{w: w for w in w}",
    ],
)
def test_evaluate__refuses_all_but_arithmetic(formula):
    with pytest.raises(BadInput, match="formula"):
        evaluate(formula, NAMES)


@pytest.mark.parametrize("formula", ["-" * 499 + "1", "(" * 249 + "1" + ")" * 249, "abs(" * 124 + "1" + ")" * 124])
def test_evaluate__deep_nesting_gives_a_value_or_a_sentence(formula):
    with contextlib.suppress(BadInput):
        assert abs(evaluate(formula, {})) == 1


def test_evaluate__shapes_that_do_not_fit_get_a_sentence():
    with pytest.raises(BadInput, match=r"w \+ v.*broadcast"):
        evaluate("w + v", {"w": W, "v": np.ones(4)})


def test_evaluate__powers_of_powers_take_no_time():
    start = time.perf_counter()
    assert np.isinf(evaluate("9**9**9**9**9", {}))
    assert time.perf_counter() - start < 0.5


def test_evaluate__leaves_its_arrays_alone():
    before = W.copy()
    evaluate("clip(w, 0, 1) * 2", NAMES)
    np.testing.assert_array_equal(W, before)
