"""Sixteen float32 numbers that are added and multiplied as one, in registers, inside numba functions.

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

N_LANES = 16
_VECTOR = ir.VectorType(ir.FloatType(), N_LANES)


class LanesType(types.Type):
    """Numba's name for the lanes."""

    def __init__(self):
        super().__init__(name="Lanes")


_LANES = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, _VECTOR)


def load(table, row):
    """The lanes in ``table[row]``; ``table`` (row, lane) is contiguous float32, best aligned to 64 bytes."""
    return table[row]


def store(lanes, table, row):
    """Write the lanes into ``table[row]``."""
    table[row] = lanes


def splat(value):
    """The same float32 in every lane."""
    return np.full(N_LANES, value, np.float32)


@overload(load)
def _load(table, row):
    return lambda table, row: _load_vector(table, row)  # type: ignore[call-arg]


@overload(store)
def _store(lanes, table, row):
    return lambda lanes, table, row: _store_vector(lanes, table, row)  # type: ignore[call-arg]


@overload(splat)
def _splat(value):
    return lambda value: _splat_vector(value)  # type: ignore[call-arg]


def _address(context, builder, signature_type, table, row_type, row):
    data = context.make_array(signature_type)(context, builder, table).data
    row = context.cast(builder, row, row_type, types.intp)
    first = builder.gep(data, [builder.mul(row, context.get_constant(types.intp, N_LANES))])
    return builder.bitcast(first, _VECTOR.as_pointer())


@intrinsic
def _load_vector(typing_context, table, row):
    def generate(context, builder, signature, args):
        table_type, row_type = signature.args
        return builder.load(_address(context, builder, table_type, args[0], row_type, args[1]), align=4)

    return _LANES(table, row), generate


@intrinsic
def _store_vector(typing_context, lanes, table, row):
    def generate(context, builder, signature, args):
        _, table_type, row_type = signature.args
        builder.store(args[0], _address(context, builder, table_type, args[1], row_type, args[2]), align=4)
        return context.get_dummy_value()

    return types.void(lanes, table, row), generate


@intrinsic
def _splat_vector(typing_context, value):
    def generate(context, builder, signature, args):
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        single = builder.insert_element(undefined, args[0], ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), N_LANES), [0] * N_LANES)
        return builder.shuffle_vector(single, undefined, everywhere)

    return _LANES(types.float32), generate


@type_callable(operator.add)
@type_callable(operator.mul)
def _type_of_arithmetic(context):
    return lambda a, b: _LANES if isinstance(a, LanesType) and isinstance(b, LanesType) else None


# "contract": a product and the sum it goes into may be one instruction, which rounds once.
@lower_builtin(operator.add, LanesType, LanesType)
def _add(context, builder, signature, args):
    return builder.fadd(*args, flags=("contract",))


@lower_builtin(operator.mul, LanesType, LanesType)
def _multiply(context, builder, signature, args):
    return builder.fmul(*args, flags=("contract",))
