"""Formulas in files, evaluated as arithmetic on arrays and nothing else."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from stanalysis.errors import BadInput

LONGEST = 500  # characters


def _where(condition: NDArray, x: NDArray, y: NDArray) -> NDArray:
    return np.where(_logical(condition), x, y)


def _norm(x: NDArray) -> NDArray:
    if x.ndim < 2:
        raise ValueError("norm needs an array of a target and other axes")
    axes = tuple(range(1, x.ndim))
    return np.sqrt(np.sum(np.square(x), axis=axes, keepdims=True))


FUNCTIONS: dict[str, tuple[int, Callable[..., NDArray]]] = {  # by name: how many arguments, and what it does
    "round": (1, np.rint),
    "floor": (1, np.floor),
    "ceil": (1, np.ceil),
    "abs": (1, np.abs),
    "exp": (1, np.exp),
    "log": (1, np.log),
    "sqrt": (1, np.sqrt),
    "tanh": (1, np.tanh),
    "sigmoid": (1, expit),
    "softplus": (1, lambda x: np.logaddexp(0.0, x)),
    "norm": (1, _norm),
    "minimum": (2, np.minimum),
    "maximum": (2, np.maximum),
    "clip": (3, lambda x, low, high: np.minimum(np.maximum(x, low), high)),
    "where": (3, _where),
}
ARITHMETIC: dict[type[ast.operator], Callable[..., NDArray]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
LOGIC: dict[type[ast.operator], Callable[..., NDArray]] = {ast.BitAnd: np.logical_and, ast.BitOr: np.logical_or}
COMPARISONS: dict[type[ast.cmpop], Callable[..., NDArray]] = {
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}


def evaluate(formula: str, names: Mapping[str, NDArray]) -> NDArray:
    """What a formula gives, element by element.

    Parameters
    ----------
    formula
        Numbers, the ``names``, ``+ - * / // % **``, comparisons, ``& | ~`` of comparisons, and the functions round (half to
        even), floor, ceil, abs, exp, log, sqrt, tanh, sigmoid, softplus, minimum, maximum, clip(x, low, high),
        where(condition, x, y), and norm (the Euclidean norm over all axes but the first, as weight normalisation takes it).
    names
        Arrays that the formula may name. They are float64 in it, but for those of booleans.

    Raises
    ------
    BadInput
        The formula holds anything else, is longer than 500 characters, or names arrays whose shapes do not fit.

    Examples
    --------
    >>> evaluate("clip(round(d), 0, 50) + 1", {"d": np.array([-0.2, 2.5, 70.0])})
    array([ 1.,  3., 51.])
    """
    if len(formula) > LONGEST:
        raise BadInput(f"The formula {formula[:40]!r}… is longer than {LONGEST} characters; compute part of it beforehand.")
    arrays = {name: array if array.dtype.kind == "b" else array.astype(np.float64) for name, array in names.items()}
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python about odd formulas
            tree = ast.parse(formula.strip(), mode="eval")
            return np.asarray(_value(tree.body, arrays))
    except (SyntaxError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"The formula {formula!r} cannot be evaluated: {reason}; use {', '.join(names)} in it.") from error


def _value(node: ast.expr, names: Mapping[str, NDArray]) -> NDArray:
    """The value of one node; whatever is not named here is refused."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return np.asarray(number, np.float64)  # so that powers of large numbers are infinite at once
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.UnaryOp(op=ast.USub(), operand=x):
            return -_number(_value(x, names))
        case ast.UnaryOp(op=ast.Invert(), operand=x):
            return ~_logical(_value(x, names))
        case ast.BinOp(left=x, op=op, right=y) if type(op) in ARITHMETIC:
            return ARITHMETIC[type(op)](_number(_value(x, names)), _number(_value(y, names)))
        case ast.BinOp(left=x, op=op, right=y) if type(op) in LOGIC:
            return LOGIC[type(op)](_logical(_value(x, names)), _logical(_value(y, names)))
        case ast.Compare(left=first, ops=ops, comparators=rest) if all(type(op) in COMPARISONS for op in ops):
            values = [_value(x, names) for x in (first, *rest)]
            pairs = zip(ops, values, values[1:], strict=False)
            return reduce(np.logical_and, [COMPARISONS[type(op)](x, y) for op, x, y in pairs])
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            count, function = FUNCTIONS[name]
            if len(args) != count:
                raise ValueError(f"{name} takes {count} argument{'s' if count > 1 else ''}")
            values = [_value(x, names) for x in args]
            return function(values[0] if name == "where" else _number(values[0]), *map(_number, values[1:]))
    raise ValueError(f"it may hold no {ast.unparse(node)!r}")


def _number(x: NDArray) -> NDArray:
    return x.astype(np.float64)


def _logical(x: NDArray) -> NDArray:
    if x.dtype.kind != "b":
        raise ValueError("& | ~ and where need comparisons")
    return x
