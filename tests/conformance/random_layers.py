# SPDX-License-Identifier: Apache-2.0
"""Random products, normalisations, pooling and reductions, and the chains of them that fusion looks for."""

import math

import numpy as np

from random_pointwise import broadcast_shape
from random_scope import Rejected, grid_of
from random_shapes import any_axis, some_axes
from random_table import operator


def channel_counts(scope):
    return scope.choice([1, 2, 3, 4, 6, 8, 8, 16, 16, 24, 32])


def weights(scope, shape, dtype, terms):
    """Constant as a rule; now and then computed from constants, or dequantised."""
    scale = 1 / math.sqrt(max(1, terms))
    w = scope.numbers(shape, dtype, scale)
    form = scope.below(14)
    if form == 0:
        w = scope.node("Mul", [w, scope.numbers((shape[0], *(1,) * (len(shape) - 1)), dtype)])
    elif form == 1:
        w = scope.node("Reshape", [scope.numbers((int(np.prod(shape)),), dtype, scale), scope.integers(shape)])
    elif form == 2 and scope.opset >= 13 and dtype == "float32":
        per_channel = scope.chance(0.5)
        power = -4 if terms > 16 else -3
        scales = scope.constant(np.full(shape[0] if per_channel else (), 2.0**power, dtype), 8)
        q = scope.constant(scope.draft.numpy.integers(-8, 9, shape).astype(np.int8))
        w = scope.node("DequantizeLinear", [q, scales], grid=-power, axis=0 if per_channel else 1)
    elif form == 3 and len(shape) >= 2:
        order = scope.random.sample(range(len(shape)), len(shape))
        stored = scope.numbers([shape[i] for i in order], dtype, scale)
        w = scope.node("Transpose", [stored], grid=stored.grid, perm=[int(i) for i in np.argsort(order)])
    return w


def product_grid(x, w, bias, terms):
    """Grid of a sum of products and a bound on every partial sum."""
    values = [x, w] + ([bias] if bias else [])
    if grid_of(*values) is None:
        return {}
    grid = max(x.grid + w.grid, bias.grid if bias else 0)
    return {"grid": grid, "bound": terms * x.largest * w.largest + (bias.largest if bias else 0)}


def padding(scope, dims, kernel, dilations):
    """pads or auto_pad, absent now and then."""
    form = scope.below(6)
    if form == 0:
        return {"auto_pad": scope.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])}
    if form == 1:
        return {}
    if form <= 3:  # keeps the size
        total = [(k - 1) * d for k, d in zip(kernel, dilations)]
        return {"pads": [t // 2 for t in total] + [t - t // 2 for t in total]}
    return {"pads": [scope.below(min(3, k)) for k in (*kernel, *kernel)]}


@operator(10)
def conv(scope):
    x = scope.pick(rank=(3, 5), where=lambda v: v.array.size and v.shape[1] <= 64)
    return convolve(scope, x)


def convolve(scope, x, plain=False):
    dims = x.rank - 2
    groups = [g for g in range(1, x.shape[1] + 1) if x.shape[1] % g == 0]
    group = scope.choice([1, 1, 1, x.shape[1], scope.choice(groups)])
    out = group * max(1, channel_counts(scope) // group)
    if plain:
        out = x.shape[1]
    kernel = [scope.choice([1, 1, 2, 3, 3, 5]) for _ in range(dims)] if scope.chance(0.3) else [scope.choice([1, 3])] * dims
    dilations = [scope.choice([1, 2]) for _ in range(dims)] if scope.chance(0.2) and not plain else [1] * dims
    kernel = [k if (k - 1) * d < n + 2 else 1 for k, d, n in zip(kernel, dilations, x.shape[2:])]
    strides = [scope.choice([1, 2, 2, 3]) for _ in range(dims)] if scope.chance(0.3) and not plain else [1] * dims
    attributes = padding(scope, dims, kernel, dilations) if not plain else {
        "pads": [(k - 1) // 2 for k in kernel] + [k - 1 - (k - 1) // 2 for k in kernel]}
    if "auto_pad" in attributes and attributes["auto_pad"] != "VALID":
        dilations = [1] * dims
    for name, value, default in (("strides", strides, 1), ("dilations", dilations, 1)):
        if any(v != default for v in value) or scope.chance(0.3):
            attributes[name] = value
    if group != 1 or scope.chance(0.2):
        attributes["group"] = group
    if scope.chance(0.8):
        attributes["kernel_shape"] = kernel
    terms = x.shape[1] // group * math.prod(kernel)
    w = weights(scope, (out, x.shape[1] // group, *kernel), x.dtype, terms)
    bias = scope.numbers((out,), x.dtype) if scope.chance(0.5) else None
    return scope.node("Conv", [x, w, bias], **product_grid(x, w, bias, terms), **attributes)


@operator(3)
def conv_transpose(scope):
    x = scope.pick(rank=(3, 5), where=lambda v: v.array.size and v.shape[1] <= 32 and math.prod(v.shape[2:]) <= 100)
    dims = x.rank - 2
    group = scope.choice([1, 1, scope.choice([g for g in range(1, x.shape[1] + 1) if x.shape[1] % g == 0])])
    columns = max(1, scope.choice([1, 2, 4, 8]) // group)
    kernel = [scope.choice([1, 2, 3, 4]) for _ in range(dims)]
    strides = [scope.choice([1, 2, 2, 3]) for _ in range(dims)]
    dilations = [scope.choice([1, 1, 2]) for _ in range(dims)]
    attributes = {"strides": strides, "dilations": dilations, "group": group}
    form = scope.below(5)
    if form in (2, 3):  # ONNX Runtime does not fill up with zeros what the windows do not reach
        strides = [min(s, (k - 1) * d + 1) for s, k, d in zip(strides, kernel, dilations)]
        attributes["strides"] = strides
    if form == 0:
        attributes["output_padding"] = [scope.below(max(s, d)) for s, d in zip(strides, dilations)]
    if form == 1:
        attributes["pads"] = [scope.below(2) for _ in range(2 * dims)]
    if form == 2:
        attributes["auto_pad"] = scope.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
    if form == 3:
        attributes["output_shape"] = [n * s for n, s in zip(x.shape[2:], strides)]
    terms = x.shape[1] // group * math.prod(kernel)
    w = weights(scope, (x.shape[1], columns, *kernel), x.dtype, terms)
    bias = scope.numbers((columns * group,), x.dtype) if scope.chance(0.4) else None
    scope.node("ConvTranspose", [x, w, bias], **product_grid(x, w, bias, terms), **attributes)


@operator(4)
def gemm(scope):
    x = scope.pick(rank=(2, 2), where=lambda v: v.array.size and max(v.shape) <= 512)
    trans_a, trans_b = scope.chance(0.25), scope.chance(0.4)
    rows, depth = x.shape[::-1] if trans_a else x.shape
    columns = channel_counts(scope)
    w = weights(scope, (columns, depth) if trans_b else (depth, columns), x.dtype, depth)
    attributes = {}
    if trans_a or scope.chance(0.2):
        attributes["transA"] = int(trans_a)
    if trans_b or scope.chance(0.2):
        attributes["transB"] = int(trans_b)
    if scope.chance(0.3):
        attributes["alpha"] = scope.choice([0.5, 1.0, 2.0, 0.7])
    if scope.chance(0.3):
        attributes["beta"] = scope.choice([0.5, 1.0, 0.0, 0.3])
    shapes = [(columns,), (1, columns), (), (1,)] + ([] if scope.draft.dynamic else [(rows, 1), (rows, columns)])
    bias = scope.numbers(scope.choice(shapes), x.dtype) if scope.chance(0.75) or scope.opset < 11 else None
    plain = not ({"alpha", "beta"} & attributes.keys())
    scope.node("Gemm", [x, w, bias], **(product_grid(x, w, bias, depth) if plain else {}), **attributes)


@operator(5)
def matmul(scope):
    x = scope.pick(rank=(1, 4), where=lambda v: v.array.size and v.shape[-1] <= 256)
    form = scope.below(5)
    depth = x.shape[-1]
    if form == 0:  # with itself
        if x.rank < 2:
            raise Rejected("a vector")
        perm = [*range(x.rank - 2), x.rank - 1, x.rank - 2]
        turned = scope.node("Transpose", [x], grid=x.grid, perm=perm)
        scale = scope.constant(np.asarray(2.0 ** -round(math.log2(math.sqrt(depth))), x.dtype), 6)
        product = scope.node("MatMul", [x, turned])
        scope.node("Mul", [product, scale])
        return
    if form == 1:
        y = scope.other(x, lambda v: v.rank >= 2 and v.shape[-2] == depth and v.array.size)
        scope.node("MatMul", [x, y], **product_grid(x, y, None, depth))
        return
    if form == 2 and x.rank > 2 and not scope.draft.dynamic:  # as many matrices as there are, or one for all
        batch = [n if scope.chance(0.6) else 1 for n in x.shape[:-2]][scope.below(2):]
        w = scope.numbers((*batch, depth, channel_counts(scope)), x.dtype, 1 / math.sqrt(depth))
    elif form == 3 and scope.chance(0.3):
        w = scope.numbers((depth,), x.dtype, 1 / math.sqrt(depth))
    elif scope.chance(0.15) and x.rank > 1:  # the constant on the left
        w = scope.numbers((channel_counts(scope), x.shape[-2]), x.dtype, 1 / math.sqrt(x.shape[-2]))
        scope.node("MatMul", [w, x], **product_grid(x, w, None, x.shape[-2]))
        return
    else:
        w = weights(scope, (depth, channel_counts(scope)), x.dtype, depth)
    y = scope.node("MatMul", [x, w], **product_grid(x, w, None, depth))
    if scope.chance(0.5) and y.rank:
        bias = scope.numbers(scope.choice([y.shape[-1:], (1,), broadcast_shape(scope, y.shape)]), y.dtype)
        scope.node("Add", [y, bias] if scope.chance(0.5) else [bias, y], grid=grid_of(y, bias))


def batch_normalise(scope, x):
    channels = (x.shape[1],)
    scale, bias, mean = (scope.numbers(channels, x.dtype) for _ in range(3))
    variance = scope.numbers(channels, x.dtype, positive=True)
    attributes = {"epsilon": scope.choice([1e-5, 1e-3])} if scope.chance(0.6) else {}
    return scope.node("BatchNormalization", [x, scale, bias, mean, variance], **attributes)


@operator(3)
def batch_normalisation(scope):
    batch_normalise(scope, scope.pick(rank=(2, 5), where=lambda v: v.array.size))


def must_vary(array, axes):
    """Where the mean is large beside the variance, ONNX Runtime takes the difference of two large numbers."""
    array = array.astype(np.float64)
    if (array.var(axes) < 0.05 * (array**2).mean(axes)).any():
        raise Rejected("ill conditioned")


@operator(3)
def normalisation(scope):
    """Of layers, instances, groups; of local regions."""
    ops = ["InstanceNormalization", "LRN", "MeanVarianceNormalization"] + ["LayerNormalization"] * 3 * (scope.opset >= 17)
    op = scope.choice(ops + ["GroupNormalization"] * (scope.opset >= 21))
    x = scope.pick(rank=(1, 5) if op[0] == "L" and op != "LRN" else (3, 5), where=lambda v: v.array.size)
    if op == "LayerNormalization":
        axis = any_axis(scope, x.rank)
        first = axis % x.rank
        must_vary(x.array, tuple(range(first, x.rank)))
        shape = x.shape[axis:] if axis >= 0 else x.shape[x.rank + axis:]
        scale = scope.numbers(shape, x.dtype)
        bias = scope.numbers(shape, x.dtype) if scope.chance(0.7) else None
        scope.node(op, [x, scale, bias], outputs=scope.choice([1, 1, 1, 3]), axis=axis)
    elif op == "InstanceNormalization":
        must_vary(x.array, tuple(range(2, x.rank)))
        channels = (x.shape[1],)
        scope.node(op, [x, scope.numbers(channels, x.dtype), scope.numbers(channels, x.dtype)])
    elif op == "GroupNormalization":
        if x.dtype == "float64":  # the standard computes it in single precision unless told otherwise
            raise Rejected("element type")
        groups = scope.choice([g for g in range(1, x.shape[1] + 1) if x.shape[1] % g == 0])
        must_vary(x.array.reshape(x.shape[0], groups, -1), (2,))
        channels = (x.shape[1],)
        scope.node(op, [x, scope.numbers(channels, x.dtype), scope.numbers(channels, x.dtype)], num_groups=groups)
    elif op == "LRN":
        scope.node(op, [x], size=scope.choice([1, 3, 5]), alpha=0.1, beta=0.75, bias=1.0)
    else:
        axes = sorted(scope.random.sample(range(x.rank), 1 + scope.below(x.rank)))
        axes = {"axes": axes} if x.rank != 4 or scope.chance(0.5) else {}
        must_vary(x.array, tuple(axes.get("axes", (0, 2, 3))))
        scope.node(op, [x], **axes)


@operator(4)
def pool(scope):
    x = scope.pick(rank=(3, 5), where=lambda v: v.array.size)
    op = scope.choice(["MaxPool", "MaxPool", "AveragePool", "AveragePool", "LpPool", "GlobalMaxPool", "GlobalAveragePool"])
    if op.startswith("Global"):
        scope.node(op, [x], grid=x.grid if op == "GlobalMaxPool" else None)
        return
    dims = x.rank - 2
    kernel = [min(n, scope.choice([1, 2, 2, 3, 3])) for n in x.shape[2:]]
    attributes = {"kernel_shape": kernel, "strides": [scope.choice([1, 2, 2, 3]) for _ in range(dims)]}
    dilated = (op == "MaxPool" and scope.opset >= 10 or op == "AveragePool" and scope.opset >= 19) and scope.chance(0.2)
    dilations = [scope.choice([1, 2]) for _ in range(dims)] if dilated else [1] * dims
    dilations = [d if (k - 1) * d < n else 1 for d, k, n in zip(dilations, kernel, x.shape[2:])]
    if dilated:
        attributes["dilations"] = dilations
    form = scope.below(5)
    if form == 0 and not dilated:
        attributes["auto_pad"] = scope.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
        if op == "AveragePool" and attributes["auto_pad"] != "VALID":  # else ONNX Runtime crops what the windows do not reach
            attributes["strides"] = [min(s, k) for s, k in zip(attributes["strides"], kernel)]
    elif form <= 2:
        attributes["pads"] = [scope.below(k) for k in (*kernel, *kernel)]
    if scope.opset >= 10 and op != "LpPool" and "auto_pad" not in attributes and scope.chance(0.3):
        attributes["ceil_mode"] = 1
    if op == "AveragePool" and scope.chance(0.4):
        attributes["count_include_pad"] = 1
    if op == "LpPool":
        attributes["p"] = scope.choice([1, 2])
    if op == "MaxPool" and x.exact and scope.chance(0.15) and "ceil_mode" not in attributes:
        scope.node(op, [x], grid=x.grid, outputs=2, **attributes)
        return
    scope.node(op, [x], grid=x.grid if op == "MaxPool" else None, **attributes)


@operator(6)
def reduction(scope):
    op = scope.choice(["Mean", "Mean", "Sum", "Sum", "Max", "Min", "L1", "L2", "SumSquare", "Prod", "LogSum", "LogSumExp"])
    x = scope.pick(rank=(1, 5), where=lambda v: v.array.size and (op != "LogSum" or v.array.min() > 0.01))
    axes = some_axes(scope, x.rank)
    attributes = {"keepdims": scope.below(2)} if scope.chance(0.7) else {}
    terms = math.prod(x.shape[a] for a in axes)
    grid, bound = (x.grid, terms * x.largest) if op in ("Max", "Min", "Sum", "L1") else (None, None)
    everything = scope.chance(0.1) and not scope.draft.dynamic
    bound = x.array.size * x.largest if bound and everything else bound
    as_input = scope.opset >= (13 if op == "Sum" else 18)
    if everything:
        if as_input and scope.chance(0.3):
            attributes["noop_with_empty_axes"] = 1
        if op not in ("Mean", "Sum", "Max", "Min"):
            attributes.pop("noop_with_empty_axes", None)
        scope.node("Reduce" + op, [x], grid=grid, bound=bound, **attributes)
    elif as_input:
        scope.node("Reduce" + op, [x, scope.integers(axes)], grid=grid, bound=bound, **attributes)
    else:
        scope.node("Reduce" + op, [x], grid=grid, bound=bound, axes=axes, **attributes)


@operator(1)
def arg_reduction(scope):
    x = scope.pick("ffi", rank=(1, 5), exact=True, where=lambda v: v.array.size)
    attributes = {"axis": any_axis(scope, x.rank)} if scope.chance(0.8) else {}
    if scope.chance(0.5):
        attributes["keepdims"] = scope.below(2)
    if scope.opset >= 12 and scope.chance(0.3):
        attributes["select_last_index"] = 1
    scope.node(scope.choice(["ArgMax", "ArgMin"]), [x], **attributes)


@operator(4)
def softmax(scope):
    x = scope.pick(rank=(1, 5), where=lambda v: v.array.size)
    attributes = {"axis": any_axis(scope, x.rank)} if scope.chance(0.8) else {}
    op = scope.choice(["Softmax", "Softmax", "Softmax", "LogSoftmax", "Hardmax"])
    if op == "Hardmax":
        x = scope.pick(rank=(1, 5), exact=True, where=lambda v: v.array.size)
        attributes = {"axis": any_axis(scope, x.rank)}
    scope.node(op, [x], grid=0 if op == "Hardmax" else None, **attributes)


@operator(8)
def chain(scope):
    """A product and what often follows it: scale, shift, normalisation, activation, residual sum, in any order."""
    x = scope.pick(rank=(2, 5), where=lambda v: v.array.size and v.shape[1] <= 64)
    first = x
    if x.rank >= 3:
        y = convolve(scope, x, plain=scope.chance(0.6))
    else:
        w = weights(scope, (x.shape[1], x.shape[1]), x.dtype, x.shape[1])
        y = scope.node(scope.choice(["MatMul", "Gemm"] if scope.opset >= 11 else ["MatMul"]), [x, w])
    axis = 1
    channels = (y.shape[axis], *(1,) * (y.rank - 1 - axis))
    for _ in range(1 + scope.below(4)):
        step = scope.below(8)
        previous = y
        if step == 0 and y.rank >= 2:
            y = batch_normalise(scope, y)
        elif step in (1, 2):
            c = scope.numbers(scope.choice([channels, (1, *channels), (1,), (), broadcast_shape(scope, y.shape)]), y.dtype)
            op = scope.choice(["Add", "Sub"])
            y = scope.node(op, [y, c] if scope.chance(0.7) else [c, y], grid=grid_of(y, c))
        elif step == 3:
            c = scope.numbers(scope.choice([channels, (1, *channels), (1,), ()]), y.dtype, positive=True)
            y = scope.node(scope.choice(["Mul", "Div"]), [y, c])
        elif step in (4, 5):
            op = scope.choice(["Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "Clip", "HardSwish"])
            if op == "Clip" and scope.opset >= 11:
                y = scope.node("Clip", [y, scope.constant(np.asarray(0, y.dtype), 0), scope.constant(np.asarray(6, y.dtype), 0)],
                               grid=y.grid)
            elif op == "Clip":
                y = scope.node("Clip", [y], grid=y.grid, min=0.0, max=6.0)
            else:
                op = "Relu" if op == "HardSwish" and (scope.opset < 14 or y.dtype == "float64") else op
                y = scope.node(op, [y], grid=y.grid if op == "Relu" else None)
        elif step == 6:
            other = first if first.shape == y.shape else scope.other(y, lambda v: v.shape == y.shape)
            y = scope.node("Add", [y, other] if scope.chance(0.5) else [other, y], grid=grid_of(y, other))
        else:
            gate = scope.node("Sigmoid", [y])
            y = scope.node("Mul", [y, gate] if scope.chance(0.5) else [gate, y])
        if scope.chance(0.1):
            scope.node("Relu", [previous], grid=previous.grid)  # read by somebody else, too


@operator(1, nested=False)
def attention(scope):
    """Scaled dot products, as transformers have them."""
    x = scope.pick(rank=(3, 3), where=lambda v: v.array.size and v.shape[2] <= 64)
    width, heads = x.shape[2], scope.choice([1, 2])
    if width % heads:
        raise Rejected("heads")
    parts = []
    for turned in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]):
        projected = scope.node("MatMul", [x, weights(scope, (width, width), x.dtype, width)])
        if scope.chance(0.6):
            projected = scope.node("Add", [projected, scope.numbers((width,), x.dtype)])
        split = scope.node("Reshape", [projected, scope.integers([0, 0, heads, width // heads])])
        parts.append(scope.node("Transpose", [split], perm=turned))
    scores = scope.node("MatMul", parts[:2])
    scores = scope.node("Div", [scores, scope.constant(np.asarray(math.sqrt(width / heads), x.dtype))])
    mixed = scope.node("MatMul", [scope.node("Softmax", [scores], axis=-1 if scope.opset >= 13 else 3), parts[2]])
    back = scope.node("Transpose", [mixed], perm=[0, 2, 1, 3])
    scope.node("Reshape", [back, scope.integers([0, 0, width])])
