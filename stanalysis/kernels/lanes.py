"""Some numbers that are added, multiplied and compared as one, in registers, inside numba functions: sixteen float32, or eight
float64.

Numba vectorises a loop over lanes, but between two such loops every number goes through memory; a value of vector type
stays in its register. LLVM cuts the vectors to what the processor has. With the JIT off, lanes are small arrays: never
change one in place (write ``a = a + b``).
"""

# ruff: noqa: ARG001 (numba prescribes the arguments)

from __future__ import annotations

import operator

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.core.imputils import lower_builtin
from numba.extending import intrinsic, models, overload, register_model, type_callable

N_LANES = 16  # of float32
N_WIDE = 8  # of float64
TINY = float(np.finfo(np.float64).tiny)  # the least that is more than nothing


class LanesType(types.Type):
    """Numba's name for the lanes."""

    def __init__(self, element, n):
        super().__init__(name=f"Lanes({n} x {element})")
        self.element, self.n = element, n
        self.vector = ir.VectorType(ir.FloatType() if element is types.float32 else ir.DoubleType(), n)


_LANES = {types.float32: LanesType(types.float32, N_LANES), types.float64: LanesType(types.float64, N_WIDE)}


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, numba_type.vector)


def load(table, row):
    """The lanes in ``table[row]``; ``table`` (row, lane) is contiguous, best aligned to 64 bytes."""
    return table[row].copy()


def store(lanes, table, row):
    """Write the lanes into ``table[row]``."""
    table[row] = lanes


def splat(value):
    """The same float32, or float64, in every lane."""
    return np.full(N_LANES if isinstance(value, np.float32) else N_WIDE, value)


def smaller(a, b):
    """The smaller of each two."""
    return np.minimum(a, b)


def larger(a, b):
    """The larger of each two."""
    return np.maximum(a, b)


def up_to(a, limit):
    """1 where ``a`` is at most the limit, otherwise 0."""
    return (a <= limit).astype(a.dtype)


def any_up_to(a, limit):
    """Whether ``a`` is at most the limit in any lane."""
    return (a <= limit).any()


@overload(load)
def _load(table, row):
    return lambda table, row: _load_vector(table, row)  # type: ignore[call-arg]


@overload(store)
def _store(lanes, table, row):
    return lambda lanes, table, row: _store_vector(lanes, table, row)  # type: ignore[call-arg]


@overload(splat)
def _splat(value):
    return lambda value: _splat_vector(value)  # type: ignore[call-arg]


@overload(smaller)
def _smaller(a, b):
    return lambda a, b: _smaller_vector(a, b)


@overload(larger)
def _larger(a, b):
    return lambda a, b: _larger_vector(a, b)


@overload(up_to)
def _up_to(a, limit):
    return lambda a, limit: _up_to_vector(a, limit)  # type: ignore[call-arg]


@overload(any_up_to)
def _any_up_to(a, limit):
    return lambda a, limit: _any_up_to_vector(a, limit)  # type: ignore[call-arg]


def _address(context, builder, table_type, table, row_type, row):
    data = context.make_array(table_type)(context, builder, table).data
    lanes = _LANES[table_type.dtype]
    row = context.cast(builder, row, row_type, types.intp)
    first = builder.gep(data, [builder.mul(row, context.get_constant(types.intp, lanes.n))])
    return builder.bitcast(first, lanes.vector.as_pointer())


def _constant(lanes, value):
    return ir.Constant(lanes.vector, [value] * lanes.n)


@intrinsic
def _load_vector(typing_context, table, row):
    def generate(context, builder, signature, args):
        table_type, row_type = signature.args
        address = _address(context, builder, table_type, args[0], row_type, args[1])
        return builder.load(address, align=table_type.dtype.bitwidth // 8)

    return _LANES[table.dtype](table, row), generate


@intrinsic
def _store_vector(typing_context, lanes, table, row):
    def generate(context, builder, signature, args):
        _, table_type, row_type = signature.args
        address = _address(context, builder, table_type, args[1], row_type, args[2])
        builder.store(args[0], address, align=table_type.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(lanes, table, row), generate


@intrinsic
def _splat_vector(typing_context, value):
    lanes = _LANES[value]

    def generate(context, builder, signature, args):
        undefined = ir.Constant(lanes.vector, ir.Undefined)
        single = builder.insert_element(undefined, args[0], ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), lanes.n), [0] * lanes.n)
        return builder.shuffle_vector(single, undefined, everywhere)

    return lanes(value), generate


def _choice(comparison):
    def choose(typing_context, a, b):
        def generate(context, builder, signature, args):
            return builder.select(builder.fcmp_ordered(comparison, *args), *args)

        return a(a, b), generate

    return choose


_smaller_vector = intrinsic(_choice("<"))
_larger_vector = intrinsic(_choice(">"))


@intrinsic
def _up_to_vector(typing_context, a, limit):
    def generate(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered("<=", *args), _constant(a, 1.0), _constant(a, 0.0))

    return a(a, limit), generate


@intrinsic
def _any_up_to_vector(typing_context, a, limit):
    def generate(context, builder, signature, args):
        bits = ir.IntType(a.n)
        return builder.icmp_unsigned("!=", builder.bitcast(builder.fcmp_ordered("<=", *args), bits), ir.Constant(bits, 0))

    return types.boolean(a, limit), generate


@type_callable(operator.add)
@type_callable(operator.sub)
@type_callable(operator.mul)
@type_callable(operator.truediv)
def _type_of_arithmetic(context):
    return lambda a, b: a if isinstance(a, LanesType) and a is b else None


# "contract": a product and the sum it goes into may be one instruction, which rounds once.
@lower_builtin(operator.add, LanesType, LanesType)
def _add(context, builder, signature, args):
    return builder.fadd(*args, flags=("contract",))


@lower_builtin(operator.sub, LanesType, LanesType)
def _subtract(context, builder, signature, args):
    return builder.fsub(*args, flags=("contract",))


@lower_builtin(operator.mul, LanesType, LanesType)
def _multiply(context, builder, signature, args):
    return builder.fmul(*args, flags=("contract",))


@lower_builtin(operator.truediv, LanesType, LanesType)
def _divide(context, builder, signature, args):
    return builder.fdiv(*args)
