# SPDX-License-Identifier: Apache-2.0
"""Random pointwise nodes: unary, binary with every form of broadcasting, casts, quantisation, activations spelled out."""

import numpy as np
from onnx import helper as h

from random_scope import Rejected, grid_of
from random_table import operator


def broadcast_shape(scope, shape):
    """Of an operand that broadcasts against `shape`: full, per channel, per row, one number, and all between."""
    form = scope.below(8)
    if form == 0 or not shape:
        return scope.choice([(), (1,)])
    if form == 1 and not scope.draft.dynamic:
        return shape
    if form == 2 and len(shape) > 1:  # per channel, with and without the axis of the batch
        return (*scope.choice([(), (1,)]), shape[1], *(1,) * (len(shape) - 2))
    if form == 3:
        return shape[-1:]
    if form == 4:  # raises the rank
        return (1,) * (scope.below(2) + 1) + (1,) * len(shape)
    out = [n if scope.chance(0.5) else 1 for n in shape]
    if scope.draft.dynamic:
        out[0] = 1
    return tuple(out[scope.below(len(out)):]) if scope.chance(0.5) else tuple(out)


def broadcasts(a, b):
    return all(m == n or m == 1 or n == 1 for m, n in zip(reversed(a), reversed(b)))


def operands(scope, kind="f", exact=False, positive=False, scale=1.0):
    """Two values that broadcast; the second is a constant as often as not."""
    x = scope.pick(kind, exact=exact)
    if scope.chance(0.1):
        return x, x
    if scope.chance(0.45):
        try:
            same = scope.chance(0.7)
            fits = (lambda v: v.shape == x.shape) if same else (lambda v: broadcasts(v.shape, x.shape))
            y = scope.other(x, lambda v: fits(v) and (v.exact or not exact))
            return (x, y) if scope.chance(0.5) else (y, x)
        except Rejected:
            pass
    shape = broadcast_shape(scope, x.shape)
    if kind == "f":
        y = scope.numbers(shape, x.dtype, scale, positive, grid=True if exact else None)
    else:
        y = scope.constant(scope.draft.numpy.integers(1 if positive else -4, 5, shape).astype(x.dtype))
    return (x, y) if scope.chance(0.7) else (y, x)


SMOOTH = {"Sigmoid": 1, "Tanh": 1, "Softplus": 1, "Softsign": 1, "Erf": 9, "Sin": 7, "Cos": 7, "Exp": 1, "Atan": 7, "Asinh": 9,
          "Sinh": 9, "Cosh": 9, "HardSwish": 14, "Mish": 18, "Gelu": 20, "Selu": 6, "Elu": 6, "Celu": 12, "HardSigmoid": 6,
          "LeakyRelu": 6}
ALPHA = ("Elu", "Celu", "LeakyRelu", "Selu")


@operator(9)
def smooth(scope):
    """Functions that are defined for all numbers."""
    op = scope.choice(o for o, since in SMOOTH.items() if since <= scope.opset)
    x = scope.pick()
    if x.dtype == "float64" and op in ("HardSwish", "Gelu"):  # ONNX Runtime has constants of single precision for these
        op = "Tanh"
    attributes = {}
    if op in ALPHA and scope.chance(0.6):
        attributes["alpha"] = scope.choice([0.01, 0.1, 0.5, 1.0, 1.5])
    if op == "Selu" and scope.chance(0.5):
        attributes["gamma"] = 1.25
    if op == "HardSigmoid" and scope.chance(0.6):
        attributes.update(alpha=scope.choice([0.1, 1 / 6, 0.25]), beta=scope.choice([0.0, 0.5, 0.4]))
    if op == "Gelu" and scope.chance(0.5):
        attributes["approximate"] = "tanh"
    scope.node(op, [x], **attributes)


@operator(5)
def exact_unary(scope):
    """Functions that do not round."""
    x = scope.pick("fi")
    op = scope.choice(["Relu", "Relu", "Abs", "Neg"]) if x.kind == "f" or scope.opset >= 14 else scope.choice(["Abs", "Neg"])
    scope.node(op, [x], grid=x.grid)


@operator(2)
def domain_unary(scope):
    """Functions that are not defined everywhere."""
    op, low, high = scope.choice([("Log", 0.05, 1e9), ("Sqrt", 0.05, 1e9), ("Reciprocal", 0.1, 1e9), ("Asin", -0.9, 0.9),
                                  ("Acos", -0.9, 0.9), ("Atanh", -0.9, 0.9), ("Acosh", 1.1, 1e9), ("Tan", -1.2, 1.2)])
    x = scope.pick(where=lambda v: v.array.size and float(v.array.min()) >= low and float(v.array.max()) <= high)
    scope.node(op, [x])


@operator(1)
def step(scope):
    """Functions that jump: of exact values alone."""
    op = scope.choice(["Floor", "Ceil", "Round", "Sign", "ThresholdedRelu", "Shrink"])
    attributes = {}
    if op == "Round" and scope.opset < 11 or op == "ThresholdedRelu" and scope.opset < 10:
        op = "Floor"
    x = scope.pick(exact=True)
    grid = x.grid
    if op == "ThresholdedRelu":
        attributes["alpha"] = scope.choice([0.5, 1.0])
    if op == "Shrink":
        attributes = {"lambd": 0.5, "bias": scope.choice([0.0, 0.25])}
        grid = max(grid, 2)
    scope.node(op, [x], grid=grid, **attributes)


@operator(2)
def clip(scope):
    x = scope.pick()
    low, high = sorted(scope.choice([-4.0, -1.0, -0.5, 0.0, 0.25, 1.0, 3.0, 6.0]) for _ in range(2))
    limits = scope.below(4)
    if scope.opset < 11:
        attributes = {"min": low} if limits & 1 else {}
        attributes.update({"max": high} if limits & 2 else {})
        scope.node("Clip", [x], grid=None if x.grid is None else max(x.grid, 2), **attributes)
        return
    bounds = [scope.constant(np.asarray(v, x.dtype), 2) if limits & bit else None for v, bit in ((low, 1), (high, 2))]
    scope.node("Clip", [x, *bounds], grid=None if x.grid is None else max(x.grid, 2))


@operator(12)
def add(scope):
    x, y = operands(scope)
    scope.node(scope.choice(["Add", "Add", "Sub"]), [x, y], grid=grid_of(x, y))


@operator(6)
def multiply(scope):
    x, y = operands(scope)
    scope.node("Mul", [x, y], grid=None if grid_of(x, y) is None else x.grid + y.grid)


@operator(3)
def divide(scope):
    x = scope.pick()
    if scope.chance(0.3):
        y = scope.other(x, lambda v: v.array.size and np.abs(v.array).min() > 0.1 and broadcasts(v.shape, x.shape))
        scope.node("Div", [x, y])
        return
    if scope.chance(0.5):  # by a power of two
        power = scope.choice([-1, 0, 1, 2, 3])
        y = scope.constant(np.asarray(2.0**power, x.dtype).reshape(scope.choice([(), (1,)])), max(0, -power))
        scope.node("Div", [x, y], grid=None if x.grid is None else max(0, x.grid + power))
        return
    scope.node("Div", [x, scope.numbers(broadcast_shape(scope, x.shape), x.dtype, positive=True)])


@operator(1)
def power(scope):
    x = scope.pick()
    if scope.chance(0.6):
        exponent = scope.choice([2.0, 3.0, 1.0, 0.5, -1.0, 0.0])
        y = scope.constant(np.asarray(exponent, x.dtype), 1)
        scope.node("Pow", [x, y], grid=None if x.grid is None or exponent != 2.0 else 2 * x.grid)
    else:
        base = scope.pick(where=lambda v: v.array.size and float(v.array.min()) > 0.1)
        scope.node("Pow", [base, scope.numbers(broadcast_shape(scope, base.shape), base.dtype)])


@operator(3)
def variadic(scope):
    op = scope.choice(["Max", "Min", "Sum", "Mean"])
    x, y = operands(scope)
    values = [x, y]
    if scope.chance(0.3):
        values.append(scope.other(x, lambda v: broadcasts(v.shape, np.broadcast_shapes(x.shape, y.shape))))
    if scope.chance(0.08):
        values = [x]
    grid = grid_of(*values)
    if op == "Mean" and grid is not None:
        grid = grid + 1 if len(values) == 2 else grid if len(values) == 1 else None
    bound = sum(v.largest for v in values)
    scope.node(op, values, grid=grid, bound=bound)


@operator(1)
def prelu(scope):
    x = scope.pick(rank=(1, 5))
    channels = (x.shape[1], *(1,) * (x.rank - 2)) if x.rank > 1 else (1,)
    slope = scope.numbers(scope.choice([channels, (1,), x.shape[-1:]]), x.dtype, 0.25)
    scope.node("PRelu", [x, slope], grid=None if grid_of(x, slope) is None else x.grid + slope.grid)


@operator(2)
def whole_numbers(scope):
    """Arithmetic of integers."""
    op = scope.choice(["Add", "Sub", "Mul", "Div", "Mod", "Max", "Min", "BitwiseAnd", "BitwiseOr", "BitwiseXor"])
    if op.startswith("Bitwise") and scope.opset < 18 or op == "Mod" and scope.opset < 10 or op in ("Max", "Min") and scope.opset < 12:
        op = "Add"
    x, y = operands(scope, "i", positive=True)
    if op in ("Div", "Mod") and (y.array == 0).any():
        raise Rejected("division by zero")
    scope.node(op, [x, y], **({"fmod": 1} if op == "Mod" and scope.chance(0.3) else {}))


@operator(1)
def remainder(scope):
    if scope.opset < 10:
        raise Rejected("no such operator")
    x, y = operands(scope, "f", exact=True, positive=True)
    if (y.array == 0).any():
        raise Rejected("division by zero")
    scope.node("Mod", [x, y], grid=grid_of(x, y), fmod=1)


@operator(2)
def compare(scope):
    op = scope.choice(["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"])
    if scope.opset < 12 and op.endswith("OrEqual"):
        op = "Greater"
    kind = scope.choice(["f", "f", "i"])
    if op == "Equal" and scope.opset < 11:
        kind = "i"
    x, y = operands(scope, kind, exact=True)
    scope.node(op, [x, y])


@operator(1)
def logic(scope):
    x = scope.pick("b")
    if scope.chance(0.4):
        scope.node("Not", [x])
        return
    y = scope.pick("b", where=lambda v: broadcasts(v.shape, x.shape))
    scope.node(scope.choice(["And", "Or", "Xor"]), [x, y])


@operator(2)
def where(scope):
    condition = scope.pick("b")
    kind = scope.choice(["f", "f", "i"])
    x = scope.pick(kind, where=lambda v: broadcasts(v.shape, condition.shape))
    if kind == "f":
        y = scope.numbers(broadcast_shape(scope, x.shape), x.dtype)
    else:
        y = scope.constant(np.asarray(scope.below(9) - 4, x.dtype))
    values = [x, y] if scope.chance(0.5) else [y, x]
    scope.node("Where", [condition, *values], grid=grid_of(x, y))


@operator(2)
def cast(scope):
    x = scope.pick("fib")
    floats = ["float32", "float16", "float64"]
    to = scope.choice([*floats, "float32", scope.draft.dtype, "int64", "int32", "bool"])
    if to in floats:
        grid = x.grid
        if scope.opset >= 15 and scope.chance(0.3):
            like = scope.pick(where=lambda v: v.dtype == to)
            scope.node("CastLike", [x, like], grid=grid)
            return
    else:
        x = scope.pick("fib", exact=True)
        grid = None
    scope.node("Cast", [x], grid=grid, to=h.np_dtype_to_tensor_dtype(np.dtype(to)))


@operator(3)
def quantise(scope):
    """A pair of quantisation and its inverse, on exact values: per tensor or per channel."""
    if scope.opset < 10:
        raise Rejected("no such operator")
    x = scope.pick(rank=(1, 5), exact=True, where=lambda v: v.dtype == "float32" or v.dtype == "float16" and scope.opset >= 19)
    power = scope.choice([-1, -2, -3])
    attributes = {}
    shape = scope.choice([(), (1,)]) if scope.opset >= 13 else ()
    powers = np.full(shape, power)
    if scope.opset >= 13 and scope.chance(0.3):
        axis = scope.below(x.rank)
        powers = scope.draft.numpy.integers(-3, 0, x.shape[axis])
        attributes["axis"] = axis - x.rank if scope.chance(0.3) else axis
    elif shape == (1,):  # one element per channel of an axis of one element, or per tensor
        powers = np.full((), power)
    to = scope.choice([np.int8, np.uint8])
    zero = scope.draft.numpy.integers(-8, 9, powers.shape) if to == np.int8 else scope.draft.numpy.integers(100, 156, powers.shape)
    scale = scope.constant((2.0**powers).astype(x.dtype), 3)
    point = scope.constant(np.asarray(zero, to))
    points = [] if scope.chance(0.15) and to == np.uint8 else [point]
    q = scope.node("QuantizeLinear", [x, scale, *points], **attributes)
    if scope.chance(0.85):
        scope.node("DequantizeLinear", [q, scale, *points], grid=3, **attributes)


@operator(2)
def spelled_activation(scope):
    """Activations as exporters write them out, in any order of operands."""
    x = scope.pick()

    def number(value):
        return scope.constant(np.asarray(value, x.dtype).reshape(scope.choice([(), (1,)])))

    def either(op, a, b):
        return scope.node(op, [a, b] if scope.chance(0.5) else [b, a])

    def ramp():
        top = scope.choice([6.0, 6.0, 2.0])
        total = either("Add", x, number(scope.choice([3.0, 1.0])))
        if scope.opset >= 11:
            return scope.node("Clip", [total, scope.constant(np.asarray(0, x.dtype)), scope.constant(np.asarray(top, x.dtype))]), top
        return scope.node("Clip", [total], min=0.0, max=top), top

    which = scope.below(7)
    if which == 0:
        either("Mul", x, scope.node("Sigmoid", [x]))
    elif which == 1:
        either("Mul", x, scope.node("Tanh", [scope.node("Softplus", [x])]))
    elif which == 2:
        slope, top = ramp()
        scope.node("Div", [slope, number(top)])
    elif which == 3:
        slope, top = ramp()
        if scope.chance(0.5):
            scope.node("Div", [either("Mul", x, slope), number(top)])
        else:
            either("Mul", scope.node("Div", [x, number(top)]), slope)
    elif which == 4:
        either("Mul", x, scope.node("HardSigmoid", [x], alpha=1 / 6, beta=0.5))
    else:
        inside = scope.node("Div", [x, number(np.sqrt(2))]) if scope.chance(0.5) else either("Mul", x, number(np.sqrt(0.5)))
        one = either("Add", scope.node("Erf", [inside]), number(1.0))
        if scope.chance(0.3):
            either("Mul", either("Mul", x, number(0.5)), one)
        elif scope.chance(0.5):
            either("Mul", either("Mul", x, one), number(0.5))
        else:
            either("Mul", x, either("Mul", one, number(0.5)))
