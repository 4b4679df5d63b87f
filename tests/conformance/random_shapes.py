# SPDX-License-Identifier: Apache-2.0
"""Random nodes that move elements and change shapes, and the arithmetic of shapes around them."""

import numpy as np
from onnx import helper as h
from onnx import numpy_helper

from random_scope import Rejected, grid_of
from random_table import operator


def any_axis(scope, rank):
    """Of a tensor of this rank, from the front or from the end."""
    if rank == 0:
        raise Rejected("no axis")
    axis = scope.below(rank)
    return axis - rank if scope.chance(0.3) and scope.opset >= 11 else axis


def some_axes(scope, rank, least=1):
    count = scope.random.randint(min(least, rank), rank)
    axes = scope.random.sample(range(rank), count)
    return [a - rank if scope.chance(0.25) and scope.opset >= 11 else a for a in axes]


def sizes_vector(scope, x, sizes):
    """The sizes as a constant, or as exporters compute them: Shape, Gather, Concat."""
    if scope.chance(0.55):
        return scope.integers(sizes)
    shape = scope.node("Shape", [x], shapes_only=True)
    parts = []
    for i, size in enumerate(sizes):
        if i < x.rank and size == x.shape[i] and scope.chance(0.7):
            if scope.chance(0.5):
                one = scope.node("Gather", [shape, scope.integers([i])], shapes_only=True, axis=0)
            else:
                number = scope.node("Gather", [shape, scope.integers(i)], shapes_only=True, axis=0)
                one = unsqueeze_node(scope, number, [0])
            parts.append(one)
        else:
            parts.append(scope.integers([size]))
    if scope.chance(0.2) and len(parts) > 1:  # a product of two dimensions that is divided again
        parts[0] = scope.node("Div", [scope.node("Mul", [parts[0], scope.integers([2])]), scope.integers([2])])
    return scope.node("Concat", parts, axis=0) if len(parts) != 1 else parts[0]


@operator(5)
def reshape(scope):
    x = scope.pick("ffib", rank=(1, 6))
    total = x.array.size
    if total == 0:
        raise Rejected("empty")
    sizes, rest = [], total
    if scope.draft.dynamic or scope.chance(0.5):
        sizes, rest = [x.shape[0]], total // x.shape[0]
    for _ in range(scope.below(4)):
        divisors = [d for d in range(1, min(rest, 64) + 1) if rest % d == 0]
        size = scope.choice(divisors)
        sizes.append(size)
        rest //= size
    sizes.append(rest)
    wanted = list(sizes)
    if scope.chance(0.5):
        for i in range(min(len(sizes), x.rank)):
            if sizes[i] == x.shape[i] and scope.chance(0.6):
                wanted[i] = 0
        if scope.chance(0.5):
            wanted[scope.below(len(wanted))] = -1
        vector = scope.integers(wanted)
    else:
        vector = sizes_vector(scope, x, sizes)
    scope.node("Reshape", [x, vector], grid=x.grid)


@operator(2)
def image_like(scope):
    """Back to a shape that convolutions take."""
    x = scope.pick(rank=(1, 6), where=lambda v: v.array.size >= 64 and v.array.size % v.shape[0] == 0)
    inner = x.array.size // x.shape[0]
    spatial = [s for s in ((8, 8), (4, 4), (6, 6), (5, 5), (8, 4), (16,), (4, 4, 2), (12,)) if inner % int(np.prod(s)) == 0]
    if not spatial:
        raise Rejected("no image")
    size = scope.choice(spatial)
    scope.node("Reshape", [x, sizes_vector(scope, x, [x.shape[0], inner // int(np.prod(size)), *size])], grid=x.grid)


@operator(1)
def flatten(scope):
    x = scope.pick("fi", rank=(1, 5))
    attributes = {"axis": scope.below(x.rank + 1)} if scope.chance(0.6) else {}
    scope.node("Flatten", [x], grid=x.grid, **attributes)


@operator(4)
def transpose(scope):
    x = scope.pick("ffib", rank=(1, 6))
    attributes = {} if scope.chance(0.15) else {"perm": scope.random.sample(range(x.rank), x.rank)}
    if scope.chance(0.2) and x.rank > 2:  # channels first and last
        attributes["perm"] = scope.choice([[0, *range(2, x.rank), 1], [0, x.rank - 1, *range(1, x.rank - 1)]])
    y = scope.node("Transpose", [x], grid=x.grid, **attributes)
    if scope.chance(0.25):
        perm = attributes.get("perm", list(range(x.rank))[::-1])
        scope.node("Transpose", [y], grid=x.grid, perm=[int(i) for i in np.argsort(perm)])


def unsqueeze_node(scope, x, axes):
    if scope.opset >= 13:
        return scope.node("Unsqueeze", [x, scope.integers(axes)], grid=x.grid)
    return scope.node("Unsqueeze", [x], grid=x.grid, axes=axes)


@operator(2)
def unsqueeze(scope):
    x = scope.pick("ffib", rank=(0, 4))
    unsqueeze_node(scope, x, scope.random.sample(range(x.rank + 1), 1 + scope.below(min(2, x.rank + 1))))


@operator(2)
def squeeze(scope):
    x = scope.pick("ffib", rank=(1, 6), where=lambda v: 1 in v.shape)
    ones = [i for i, n in enumerate(x.shape) if n == 1]
    axes = [i - x.rank if scope.chance(0.2) and scope.opset >= 11 else i for i in scope.random.sample(ones, 1 + scope.below(len(ones)))]
    if scope.chance(0.2) and not scope.draft.dynamic:
        scope.node("Squeeze", [x], grid=x.grid)
    elif scope.opset >= 13:
        scope.node("Squeeze", [x, scope.integers(axes)], grid=x.grid)
    else:
        scope.node("Squeeze", [x], grid=x.grid, axes=axes)


@operator(4)
def concat(scope):
    x = scope.pick("ffib", rank=(1, 5))
    axis = any_axis(scope, x.rank)
    at = axis % x.rank
    values = [x]
    for _ in range(scope.choice([0, 1, 1, 1, 2, 3])):
        fits = lambda v: v.rank == x.rank and all(i == at or m == n for i, (m, n) in enumerate(zip(v.shape, x.shape)))
        if scope.chance(0.2):
            values.append(x)
        elif scope.chance(0.3) and x.kind == "f" and not (scope.draft.dynamic and at != 0 and x.shape[0] > 1):
            shape = list(x.shape)
            shape[at] = 1 + scope.below(3)
            values.append(scope.numbers(shape, x.dtype))
        else:
            try:
                values.append(scope.other(x, fits))
            except Rejected:
                values.append(x)
    scope.random.shuffle(values)
    scope.node("Concat", values, grid=grid_of(*values), axis=axis)


@operator(3)
def split(scope):
    x = scope.pick("ffi", rank=(1, 5), where=lambda v: max(v.shape) > 1)
    axis = any_axis(scope, x.rank)
    size = x.shape[axis]
    parts = scope.choice([2, 2, 3])
    even = size % parts == 0
    if even and scope.chance(0.4) and scope.opset < 18:
        scope.node("Split", [x], grid=x.grid, outputs=parts, axis=axis)
    elif scope.opset >= 18 and scope.chance(0.5):
        scope.node("Split", [x], grid=x.grid, outputs=parts, axis=axis, num_outputs=parts)
    else:
        cuts = sorted(scope.below(size + 1) for _ in range(parts - 1))
        sizes = [int(n) for n in np.diff([0, *cuts, size])]
        if scope.opset >= 13:
            scope.node("Split", [x, scope.integers(sizes)], grid=x.grid, outputs=parts, axis=axis)
        else:
            scope.node("Split", [x], grid=x.grid, outputs=parts, axis=axis, split=sizes)


@operator(4)
def slices(scope):
    x = scope.pick("ffib", rank=(1, 5))
    axes = some_axes(scope, x.rank) if scope.chance(0.3) else [any_axis(scope, x.rank)]
    starts, ends, steps = [], [], []
    for axis in axes:
        size = x.shape[axis]
        step = scope.choice([1, 1, 1, 2, -1, 3, -2]) if scope.opset >= 10 else 1
        low, high = sorted((scope.below(size + 1), scope.below(size + 1)))
        high = min(size, max(high, low + 1)) if scope.chance(0.9) else high
        start, end = (low, high) if step > 0 else (max(high - 1, 0), low - 1)
        if scope.chance(0.3):
            start, end = (start - size if start < size else start), (scope.choice([2**31 - 1, 2**63 - 1]) if step > 0 else -(2**31) + 1)
        elif end < 0:
            end = -size - 1
        starts.append(start)
        ends.append(end)
        steps.append(step)
    if scope.opset < 10:
        scope.node("Slice", [x], grid=x.grid, axes=axes, starts=starts, ends=ends)
        return
    ranged = axes == list(range(len(axes))) and scope.chance(0.3) and all(s == 1 for s in steps)
    kind = np.int32 if scope.chance(0.1) and max(map(abs, starts + ends)) < 2**31 else np.int64
    lists = [starts, ends] if ranged else [starts, ends, axes] if all(s == 1 for s in steps) and scope.chance(0.5) else [
        starts, ends, axes, steps]
    scope.node("Slice", [x, *(scope.constant(np.asarray(n, kind)) for n in lists)], grid=x.grid)


@operator(3)
def gather(scope):
    x = scope.pick("ffib", rank=(1, 5), where=lambda v: v.array.size)
    axis = any_axis(scope, x.rank)
    size = x.shape[axis]
    low = -size if scope.opset >= 11 else 0
    if scope.chance(0.2):
        index = scope.pick("i", rank=(0, 2), where=lambda v: v.array.size and v.dtype in ("int64", "int32")
                           and v.array.min() >= low and v.array.max() < size)
    else:
        shape = scope.choice([(), (1,), (2,), (3,), (2, 2)])
        index = scope.constant(scope.draft.numpy.integers(low, size, shape).astype(scope.choice([np.int64, np.int64, np.int32])))
    scope.node("Gather", [x, index], grid=x.grid, axis=axis)


@operator(2)
def expand(scope):
    x = scope.pick("ffib", rank=(0, 4))
    sizes = [n if n != 1 or scope.chance(0.4) else 1 + scope.below(4) for n in x.shape]
    sizes = [1 + scope.below(3) for _ in range(scope.choice([0, 0, 1]))] + [n if scope.chance(0.7) else 1 for n in sizes]
    scope.node("Expand", [x, sizes_vector(scope, x, sizes) if len(sizes) == x.rank else scope.integers(sizes)], grid=x.grid)


@operator(1)
def tile(scope):
    x = scope.pick("ffi", rank=(1, 4))
    scope.node("Tile", [x, scope.integers([scope.choice([1, 1, 2, 3]) for _ in x.shape])], grid=x.grid)


@operator(3)
def pad(scope):
    x = scope.pick("ffi", rank=(1, 5), where=lambda v: v.array.size)
    modes = ["constant", "constant", "reflect", "edge"] + (["wrap"] if scope.opset >= 19 else [])
    mode = scope.choice(modes)
    axes = [a for a in range(x.rank) if scope.chance(0.4)] or [x.rank - 1]
    least = -1 if mode == "constant" and scope.chance(0.3) else 0
    widths = {a: [scope.random.randint(least, min(3, x.shape[a] - 1) if mode != "constant" else 3) for _ in range(2)] for a in axes}
    number = scope.choice([0.0, 0.0, 1.0, -0.5])
    if x.kind == "i" and scope.opset < 11:
        raise Rejected("floats alone")
    number = np.asarray(number, x.dtype)
    grid = None if x.grid is None else max(x.grid, 1) if x.kind == "f" else 0
    attributes = {} if mode == "constant" and scope.chance(0.5) else {"mode": mode}
    if scope.opset >= 18 and scope.chance(0.4):
        order = scope.random.sample(axes, len(axes))
        pads = [widths[a][side] for side in range(2) for a in order]
        order = [a - x.rank if scope.chance(0.3) else a for a in order]
        scope.node("Pad", [x, scope.integers(pads), scope.constant(number, 1), scope.integers(order)], grid=grid, **attributes)
        return
    pads = [widths.get(a, (0, 0))[side] for side in range(2) for a in range(x.rank)]
    if scope.opset < 11:
        scope.node("Pad", [x], grid=grid, pads=pads, value=float(number), **attributes)
    else:
        scope.node("Pad", [x, scope.integers(pads), scope.constant(number, 1) if scope.chance(0.5) else None], grid=grid, **attributes)


@operator(2)
def resize(scope):
    x = scope.pick(rank=(3, 5), where=lambda v: v.array.size and v.dtype == "float32")
    factors = [1.0, 1.0] + [scope.choice([1.0, 2.0, 0.5, 1.5, 3.0]) for _ in x.shape[2:]]
    mode = scope.choice(["nearest", "nearest", "linear", "linear", "cubic"])
    scales = scope.constant(np.float32(factors))
    if scope.opset < 10:
        scope.node("Upsample", [x, scope.constant(np.float32(np.maximum(factors, 1)), style="initializer")],
                   grid=x.grid if mode == "nearest" else None, mode="nearest" if mode == "cubic" else mode)
        return
    if scope.opset == 10:
        scope.node("Resize", [x, scales], mode="nearest" if mode == "cubic" else mode)
        return
    attributes = {"mode": mode,
                  "coordinate_transformation_mode": scope.choice(["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"])}
    if mode == "nearest":
        attributes["nearest_mode"] = scope.choice(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    if mode == "cubic":
        attributes["cubic_coeff_a"] = scope.choice([-0.75, -0.5])
        attributes["exclude_outside"] = scope.below(2)
    if mode != "nearest" and scope.opset >= 18 and scope.chance(0.3):
        attributes["antialias"] = 1
    grid = x.grid if mode == "nearest" else None
    if attributes["coordinate_transformation_mode"] == "align_corners" and any(n * f % 1 for n, f in zip(x.shape, factors)):
        # ONNX Runtime rounds the length down before it divides by it; the standard's cases do not.
        attributes["coordinate_transformation_mode"] = "half_pixel"
    if scope.chance(0.5):
        scope.node("Resize", [x, None, scales], grid=grid, **attributes)
    else:
        sizes = [max(1, int(n * f)) for n, f in zip(x.shape, factors)]
        scope.node("Resize", [x, None, None, sizes_vector(scope, x, sizes)], grid=grid, **attributes)


@operator(2)
def nothing(scope):
    """Nodes that change nothing."""
    x = scope.pick("ffib")
    which = scope.below(6)
    if which == 0 and x.kind == "f":
        if scope.opset >= 12:
            scope.node("Dropout", [x, scope.constant(np.asarray(0.3, np.float32))] if scope.chance(0.5) else [x], grid=x.grid)
        else:
            scope.node("Dropout", [x], grid=x.grid, ratio=0.3)
    elif which == 1 and x.kind == "f":
        op, number = scope.choice([("Add", 0.0), ("Mul", 1.0), ("Sub", 0.0), ("Div", 1.0), ("Add", -0.0)])
        scope.node(op, [x, scope.constant(np.asarray(number, x.dtype).reshape(scope.choice([(), (1,)])), 0)], grid=x.grid)
    elif which == 2 and x.rank:
        scope.node("Concat", [x], grid=x.grid, axis=0)
    elif which == 3 and x.rank:
        scope.node("Transpose", [x], grid=x.grid, perm=list(range(x.rank)))
    elif which == 4:
        scope.node("Cast", [x], grid=x.grid, to=h.np_dtype_to_tensor_dtype(x.array.dtype))
    else:
        scope.node("Identity", [x], grid=x.grid)


@operator(2)
def shape_of(scope):
    x = scope.pick("ffib")
    if scope.chance(0.15):
        scope.node("Size", [x], shapes_only=True)
    elif scope.opset >= 15 and scope.chance(0.5):
        bounds = {k: scope.random.randint(-x.rank - 1, x.rank + 1) for k in ("start", "end") if scope.chance(0.6)}
        scope.node("Shape", [x], shapes_only=True, **bounds)
    else:
        scope.node("Shape", [x], shapes_only=True)


@operator(1)
def fill(scope):
    x = scope.pick("ffi", rank=(1, 4))
    sizes = sizes_vector(scope, x, [n if scope.chance(0.7) else 2 for n in x.shape])
    array, grid = np.asarray([scope.choice([1.0, -0.5, 2.0])], x.dtype), 1
    scope.node("ConstantOfShape", [sizes], grid=grid, value=numpy_helper.from_array(array))


@operator(1)
def number_range(scope):
    if scope.opset < 11:
        raise Rejected("no such operator")
    start, step, count = scope.below(5) - 2, scope.choice([1, 1, 2, -1]), 1 + scope.below(8)
    limit = scope.constant(np.asarray(start + step * count, np.int64))
    if scope.chance(0.4):  # as many as a dimension has
        x = scope.pick("ffi", rank=(1, 5))
        limit = scope.node("Gather", [scope.node("Shape", [x], shapes_only=True), scope.integers(0)], shapes_only=True, axis=0)
        start, step = 0, 1
    scope.node("Range", [scope.integers(start), limit, scope.integers(step)])


@operator(1)
def non_zero(scope):
    x = scope.pick("fib", rank=(1, 4), exact=True, where=lambda v: v.array.size < 200)
    scope.node("NonZero", [x])


@operator(1, nested=False)
def sequences(scope):
    """Sequences between tensors."""
    if scope.opset < 11:
        raise Rejected("no such operator")
    x = scope.pick("ffi", rank=(1, 4))
    axis = any_axis(scope, x.rank)
    name = scope.draft.name
    s, out = name("sequence"), name("from_sequence")
    if scope.chance(0.5):
        y = scope.other(x, lambda v: v.shape == x.shape) if scope.chance(0.5) else x
        nodes = [h.make_node("SequenceConstruct", [x.name, y.name, x.name], [s])]
        values, grid = [x, y], grid_of(x, y)
    else:
        nodes = [h.make_node("SplitToSequence", [x.name], [s], axis=axis, keepdims=1)]
        values, grid = [x], x.grid
    if scope.chance(0.3):
        at = scope.integers(-1, style="initializer")
        nodes.append(h.make_node("SequenceAt", [s, at.name], [out]))
        values = [*values, at]
    else:
        nodes.append(h.make_node("ConcatFromSequence", [s], [out], axis=axis))
    scope.add(nodes, values, [out], grid)


@operator(1)
def constant_node(scope):
    """The forms a Constant has."""
    if scope.opset < 12:
        raise Rejected("no such form")
    form = scope.below(4)
    attributes = [{"value_float": 1.5}, {"value_ints": [1, 2, 3]}, {"value_floats": [0.5, -1.0]}, {"value_int": 2}][form]
    value, = scope.add([h.make_node("Constant", [], [name := scope.draft.name("constant")], **attributes)], [], [name], 2)
    value.constant = True
