#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small seeded models of the quantised operators: of the standard, and of ONNX Runtime's domain."""

import dataclasses
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
STEP = 1  # one step of the quantised result
REAL = 2e-5  # of the largest value, for results in FP32


@dataclasses.dataclass
class Case:
    name: str
    model: onnx.ModelProto
    inputs: dict
    tolerance: float = 0
    expected: dict | None = None  # None: what ONNX Runtime says


def random(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def element_type(value):
    return value.data_type if isinstance(value, TensorProto) else helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype)


def model_of(op, operands, results, fixed, domain="", model_opset=21, nodes_before=(), nodes_after=(), **attributes):
    """One node. Operands by name, in order; None is an absent input. Those named in `fixed`, and all TensorProtos, are
    initializers, the others inputs of the model. Results: names to element types."""
    names = [name if value is not None else "" for name, value in operands.items()]
    inputs, initializers = [], []
    for name, value in operands.items():
        if value is None:
            continue
        if isinstance(value, TensorProto):
            value.name = name
            initializers.append(value)
        elif name in fixed:
            initializers.append(numpy_helper.from_array(np.asarray(value), name))
        else:
            inputs.append(helper.make_tensor_value_info(name, element_type(value), np.asarray(value).shape))
    outputs = [helper.make_tensor_value_info(name, kind, None) for name, kind in results.items()]
    node = helper.make_node(op, names, [r for r in results] if not nodes_after else ["inner"], domain=domain, **attributes)
    graph = helper.make_graph([*nodes_before, node, *nodes_after], op, inputs, outputs, initializers)
    imports = [helper.make_opsetid("", model_opset), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, ir_version=10, opset_imports=imports)


def case(name, op, operands, results, tolerance, fixed=(), expected=None, **options):
    model = model_of(op, operands, results, fixed, **options)
    given = {i.name for i in model.graph.input}
    return Case(name, model, {k: np.asarray(v) for k, v in operands.items() if k in given}, tolerance, expected)


def integers(rng, dtype, shape, low=None, high=None):
    info = np.iinfo(dtype)
    return rng.integers(info.min if low is None else low, (info.max if high is None else high) + 1, shape).astype(dtype)


def weights(rng, dtype, shape):
    """Seven bits: products of unsigned and signed bytes in ONNX Runtime saturate in 16 bits on some processors."""
    return integers(rng, dtype, shape, -63, 63) if dtype == np.int8 else integers(rng, dtype, shape)


def zero_point(rng, dtype, shape=()):
    return integers(rng, dtype, shape, *((-20, 20) if dtype == np.int8 else (100, 140)))


def f32(value):
    return np.array(value, np.float32)


U8, I8 = np.uint8, np.int8
KINDS = {U8: TensorProto.UINT8, I8: TensorProto.INT8}
PAIRS = [(U8, U8), (U8, I8), (I8, I8)]


def conv_integer_cases():
    shapes = {"padded": ((2, 3, 7, 9), (4, 3, 3, 3), dict(pads=[1, 0, 2, 1], strides=[2, 1])),
              "grouped": ((1, 4, 6, 6), (6, 2, 2, 2), dict(group=2, dilations=[2, 1])),
              "same_lower": ((1, 2, 5, 5), (3, 2, 2, 2), dict(auto_pad="SAME_LOWER")),
              "one axis": ((2, 3, 11), (2, 3, 4), dict(strides=[3]))}
    for name, (x, w, attributes) in shapes.items():
        for kind in (U8, I8):
            title = f"ConvInteger {name} {kind.__name__}"
            rng = random(title)
            operands = {"x": integers(rng, U8, x), "w": weights(rng, kind, w), "x_zero": zero_point(rng, U8),
                        "w_zero": zero_point(rng, kind)}
            yield case(title, "ConvInteger", operands, {"y": TensorProto.INT32}, 0, fixed=("w", "x_zero", "w_zero"),
                       **attributes)
    rng = random("plain")
    yield case("ConvInteger without zero points", "ConvInteger",
               {"x": integers(rng, U8, (1, 2, 4, 4)), "w": integers(rng, U8, (3, 2, 3, 3))}, {"y": TensorProto.INT32}, 0)


def matmul_integer_cases():
    for left, right in PAIRS:
        title = f"MatMulInteger {left.__name__} {right.__name__}"
        rng = random(title)
        a, b = integers(rng, left, (2, 5, 70)), weights(rng, right, (70, 9))
        zeros = {"a_zero": zero_point(rng, left), "b_zero": zero_point(rng, right)}
        yield case(title, "MatMulInteger", {"a": a, "b": b, **zeros}, {"y": TensorProto.INT32}, 0, fixed=("b",))
        yield case(title + " per column", "MatMulInteger",
                   {"a": a, "b": b, "a_zero": zeros["a_zero"], "b_zero": zero_point(rng, right, (9,))}, {"y": TensorProto.INT32},
                   0, fixed=("b_zero",))
        # All eight bits, and zero points per row, which ONNX Runtime does not have.
        b, rows, columns = integers(rng, right, (2, 70, 9)), zero_point(rng, left, (2, 5, 1)), zero_point(rng, right, (2, 1, 9))
        sums = (a.astype(np.int32) - rows) @ (b.astype(np.int32) - columns)
        yield case(title + " per row", "MatMulInteger", {"a": a, "b": b, "a_zero": rows, "b_zero": columns},
                   {"y": TensorProto.INT32}, 0, expected={"y": sums})


def qlinear_conv_cases(domain=""):
    last = domain == MICROSOFT
    for left, right in PAIRS:
        for name, channels, group in (("per tensor", 1, 1), ("per channel", 6, 1), ("depthwise", 6, 6)):
            title = f"{domain or 'ai.onnx'} QLinearConv {name} {left.__name__} {right.__name__}"
            rng = random(title)
            per = () if channels == 1 else (channels,)
            scale = f32(rng.uniform(0.002, 0.01, per))
            x = integers(rng, left, (2, 6, 8, 7))
            operands = {"x": np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if last else x, "x_scale": f32(0.03),
                        "x_zero": zero_point(rng, left), "w": weights(rng, right, (6, 6 // group, 3, 3)), "w_scale": scale,
                        "w_zero": np.zeros(per, right) if right == I8 else zero_point(rng, right, per), "y_scale": f32(0.09),
                        "y_zero": zero_point(rng, left), "bias": integers(rng, np.int32, (6,), -3000, 3000)}
            if last:
                options = {"domain": domain, "channels_last": 1}
            else:
                options = {}
            yield case(title, "QLinearConv", operands, {"y": KINDS[left]}, STEP, fixed=set(operands) - {"x"}, group=group,
                       pads=[1, 1, 1, 1], strides=[1, 2], **options)


def qlinear_matmul_cases():
    for left, right in PAIRS:
        for name, per in (("per tensor", ()), ("per column", (8,))):
            title = f"QLinearMatMul {name} {left.__name__} {right.__name__}"
            rng = random(title)
            operands = {"a": integers(rng, left, (3, 5, 40)), "a_scale": f32(0.02), "a_zero": zero_point(rng, left),
                        "b": weights(rng, right, (40, 8)), "b_scale": f32(rng.uniform(0.004, 0.02, per)),
                        "b_zero": zero_point(rng, right, per), "y_scale": f32(0.1), "y_zero": zero_point(rng, left)}
            yield case(title, "QLinearMatMul", operands, {"y": KINDS[left]}, STEP, fixed=set(operands) - {"a"})


def dynamic_quantize_cases():
    rng = random("dynamic")
    results = {"y": TensorProto.UINT8, "scale": TensorProto.FLOAT, "zero": TensorProto.UINT8}
    for name, x in {"both signs": rng.normal(0, 3, (4, 50)), "positive": rng.uniform(1, 2, (70,)),
                    "negative": rng.uniform(-2, -1, (3, 1, 5)), "zeros": np.zeros((6,)), "long": rng.normal(0, 1, 70000)}.items():
        yield case(f"DynamicQuantizeLinear {name}", "DynamicQuantizeLinear", {"x": f32(x)}, results, 0)


def quantize_cases():
    """Each quantises and dequantises again, so that packed types need not leave the model."""
    t = TensorProto
    types = {"u8": t.UINT8, "i8": t.INT8, "u16": t.UINT16, "i16": t.INT16, "u4": t.UINT4, "i4": t.INT4}
    for name, kind in types.items():
        for grain, shape, attributes in (("per tensor", (), {}), ("per axis", (6,), {"axis": 1}),
                                         ("in blocks", (2, 2, 5), {"axis": 1, "block_size": 3})):
            for domain in ("", MICROSOFT):
                title = f"{domain or 'ai.onnx'} QuantizeLinear {name} {grain}"
                if domain == MICROSOFT and grain == "in blocks":
                    continue
                rng = random(title)
                count = int(np.prod(shape))
                low, high = (0, 12) if name[0] == "u" else (-6, 6)
                zero = helper.make_tensor("zero", kind, shape, rng.integers(low, high, count).tolist())
                operands = {"x": f32(rng.normal(0, 3, (2, 6, 5))), "scale": f32(rng.uniform(0.05, 0.4, shape)), "zero": zero}
                back = helper.make_node("DequantizeLinear", ["inner", "scale", "zero"], ["y"], domain=domain, **attributes)
                yield case(title, "QuantizeLinear", operands, {"y": t.FLOAT}, 0, fixed=("scale",), nodes_after=[back],
                           domain=domain, **attributes)
    for name, kind in {"f8e4m3fn": t.FLOAT8E4M3FN, "f8e5m2": t.FLOAT8E5M2, "f8e4m3fnuz": t.FLOAT8E4M3FNUZ,
                       "f8e5m2fnuz": t.FLOAT8E5M2FNUZ}.items():
        for saturate in (0, 1):
            x = f32(random(name).normal(0, 300, (50,)))
            # Beyond 464 the standard has NaN there; ONNX Runtime 448 as far as 496.
            x = x[(np.abs(x) < 224) | (np.abs(x) > 248)]
            back = helper.make_node("DequantizeLinear", ["inner", "scale"], ["y"])
            yield case(f"QuantizeLinear {name} saturate={saturate}", "QuantizeLinear", {"x": x, "scale": f32(0.5)},
                       {"y": t.FLOAT}, 0, fixed=("scale",), nodes_after=[back], output_dtype=kind, saturate=saturate)
    rng = random("half")
    x, scale = rng.normal(0, 3, (4, 30)).astype(np.float16), np.float16(0.07)
    yield case("QuantizeLinear of f16", "QuantizeLinear", {"x": x, "scale": scale, "zero": np.uint8(128)}, {"y": t.UINT8}, 0)
    q = integers(rng, I8, (4, 30))
    yield case("DequantizeLinear to f16", "DequantizeLinear", {"x": q, "scale": scale, "zero": np.int8(3)}, {"y": t.FLOAT16}, 0)
    yield case("DequantizeLinear of i32", "DequantizeLinear",
               {"x": integers(rng, np.int32, (40,)), "scale": f32(0.013)}, {"y": t.FLOAT}, 0)


def qlinear_binary_cases():
    for op in ("QLinearAdd", "QLinearMul"):
        for kind in (U8, I8):
            for name, shape in (("same shape", (3, 4, 5)), ("scalar", ()), ("broadcast", (4, 1))):
                title = f"{op} {name} {kind.__name__}"
                rng = random(title)
                zeros = [zero_point(rng, kind) for _ in range(3)]
                operands = {"a": integers(rng, kind, (3, 4, 5)), "a_scale": f32(0.021), "a_zero": zeros[0],
                            "b": integers(rng, kind, shape), "b_scale": f32(0.033), "b_zero": zeros[1], "c_scale": f32(0.052),
                            "c_zero": zeros[2]}
                yield case(title, op, operands, {"c": KINDS[kind]}, STEP, fixed=set(operands) - {"a", "b"}, domain=MICROSOFT)


def every_byte(kind):
    return np.arange(256).astype(np.uint8).view(kind)


def qlinear_unary_cases():
    for kind in (U8, I8):
        zero = kind(120 if kind == U8 else -8)
        for op, x_scale, y_scale, attributes in (("QLinearSigmoid", 0.05, 1 / 256, {}),
                                                 ("QLinearLeakyRelu", 0.05, 0.03, {"alpha": 0.2}),
                                                 ("QLinearLeakyRelu", 0.05, 0.03, {})):
            for y_zero in (kind(0), kind(17), None):
                operands = {"x": every_byte(kind), "x_scale": f32(x_scale), "x_zero": zero, "y_scale": f32(y_scale),
                            "y_zero": y_zero}
                yield case(f"{op} {kind.__name__} {attributes} to zero point {y_zero}", op, operands, {"y": KINDS[kind]}, STEP,
                           fixed=set(operands) - {"x"}, domain=MICROSOFT, **attributes)
        for opset, axis, shape in ((13, -1, (5, 30)), (13, 1, (2, 7, 5)), (12, 1, (3, 4, 5)), (11, 2, (3, 4, 5))):
            title = f"QLinearSoftmax of opset {opset} {kind.__name__} axis {axis}"
            rng = random(title)
            operands = {"x": integers(rng, kind, shape), "x_scale": f32(0.04), "x_zero": zero, "y_scale": f32(1 / 256),
                        "y_zero": kind(0 if kind == U8 else -128)}
            yield case(title, "QLinearSoftmax", operands, {"y": KINDS[kind]}, STEP, fixed=set(operands) - {"x"},
                       domain=MICROSOFT, opset=opset, axis=axis)


def qlinear_pool_cases():
    for kind in (U8, I8):
        for last in (0, 1):
            title = f"QLinearGlobalAveragePool {kind.__name__} channels_last={last}"
            rng = random(title)
            operands = {"x": integers(rng, kind, (2, 7, 6, 5)), "x_scale": f32(0.03), "x_zero": zero_point(rng, kind),
                        "y_scale": f32(0.011), "y_zero": zero_point(rng, kind)}
            options = dict(fixed=set(operands) - {"x"}, domain=MICROSOFT)
            yield case(title, "QLinearGlobalAveragePool", operands, {"y": KINDS[kind]}, STEP, channels_last=last, **options)
            for include in (0, 1):
                yield case(f"QLinearAveragePool {kind.__name__} channels_last={last} count_include_pad={include}",
                           "QLinearAveragePool", operands, {"y": KINDS[kind]}, STEP, channels_last=last, kernel_shape=[3, 2],
                           strides=[2, 1], pads=[1, 0, 1, 1], count_include_pad=include, **options)
        x = integers(random("pool"), kind, (2, 9, 8, 5))
        yield case(f"NhwcMaxPool {kind.__name__}", "NhwcMaxPool", {"x": x}, {"y": KINDS[kind]}, 0, domain=MICROSOFT,
                   kernel_shape=[3, 2], strides=[2, 2], pads=[1, 1, 1, 0])
        yield case(f"NhwcMaxPool {kind.__name__} dilated", "NhwcMaxPool", {"x": x}, {"y": KINDS[kind]}, 0, domain=MICROSOFT,
                   kernel_shape=[2, 2], dilations=[3, 2])
        # ONNX Runtime states this operator and has no kernel for it.
        rng = random("mean")
        x, zero = integers(rng, kind, (3, 4, 5)), zero_point(rng, kind)
        mean = ((x.astype(np.float64) - zero) * 0.03).mean((0, 2), keepdims=True)
        info = np.iinfo(kind)
        expected = np.clip(np.rint(mean / 0.02) + 5, info.min, info.max).astype(kind)
        yield case(f"QLinearReduceMean {kind.__name__}", "QLinearReduceMean",
                   {"x": x, "x_scale": f32(0.03), "x_zero": zero, "y_scale": f32(0.02), "y_zero": kind(5)}, {"y": KINDS[kind]},
                   STEP, domain=MICROSOFT, axes=[0, 2], keepdims=1, expected={"y": expected})


def qlinear_move_cases():
    for kind in (U8, I8):
        zero = kind(7)
        for name, scales in (("copied", (0.05, 0.05)), ("requantised", (0.02, 0.11))):
            rng = random(name)
            operands = {"y_scale": f32(0.05), "y_zero": zero, "a": integers(rng, kind, (2, 40, 3)), "a_scale": f32(scales[0]),
                        "a_zero": zero, "b": integers(rng, kind, (2, 60, 3)), "b_scale": f32(scales[1]),
                        "b_zero": kind(7 if name == "copied" else 20)}
            yield case(f"QLinearConcat {kind.__name__} {name}", "QLinearConcat", operands, {"y": KINDS[kind]},
                       0 if name == "copied" else STEP, fixed=set(operands) - {"a", "b"}, domain=MICROSOFT, axis=1)
            operands = {"condition": rng.integers(0, 2, (40, 3)).astype(bool), "x": operands["a"], "x_scale": f32(scales[0]),
                        "x_zero": zero, "z": operands["b"][:, :40], "z_scale": f32(scales[1]), "z_zero": operands["b_zero"],
                        "y_scale": f32(0.05), "y_zero": zero}
            yield case(f"QLinearWhere {kind.__name__} {name}", "QLinearWhere", operands, {"y": KINDS[kind]},
                       0 if name == "copied" else STEP, fixed=set(operands) - {"condition", "x", "z"}, domain=MICROSOFT)


def real_product_cases():
    for left, right in PAIRS:
        for per in ((), (9,)):
            title = f"{left.__name__} {right.__name__} {'per column' if per else 'per tensor'}"
            rng = random(title)
            b, scale, zero = weights(rng, right, (40, 9)), f32(rng.uniform(0.004, 0.02, per)), zero_point(rng, right, per)
            bias = f32(rng.normal(0, 1, (9,)))
            if left == U8:
                for with_bias in (None, bias):
                    yield case(f"MatMulIntegerToFloat {title} {'bias' if with_bias is not None else ''}", "MatMulIntegerToFloat",
                               {"a": integers(rng, left, (2, 3, 40)), "b": b, "a_scale": f32(0.03), "b_scale": scale,
                                "a_zero": zero_point(rng, left), "b_zero": zero, "bias": with_bias}, {"y": TensorProto.FLOAT},
                               REAL, fixed=("b", "b_zero"), domain=MICROSOFT)
                    yield case(f"DynamicQuantizeMatMul {title} {'bias' if with_bias is not None else ''}",
                               "DynamicQuantizeMatMul", {"a": f32(rng.normal(0, 1, (2, 3, 40))), "b": b, "b_scale": scale,
                                                         "b_zero": zero, "bias": with_bias}, {"y": TensorProto.FLOAT}, REAL,
                               fixed=("b", "b_scale", "b_zero"), domain=MICROSOFT)
            for turned in (0, 1):
                a = integers(rng, left, (40, 6) if turned else (6, 40))
                operands = {"a": a, "a_scale": f32(0.02), "a_zero": zero_point(rng, left),
                            "b": np.ascontiguousarray(b.T) if turned else b, "b_scale": scale, "b_zero": zero,
                            "c": integers(rng, np.int32, (9,), -5000, 5000)}
                options = dict(fixed=set(operands) - {"a"}, domain=MICROSOFT, transA=turned, transB=turned, alpha=1.5)
                yield case(f"QGemm to FP32 {title} transposed={turned}", "QGemm", operands, {"y": TensorProto.FLOAT}, REAL,
                           **options)
                operands |= {"y_scale": f32(0.2), "y_zero": zero_point(rng, left)}
                options["fixed"] = set(operands) - {"a"}
                yield case(f"QGemm {title} transposed={turned}", "QGemm", operands, {"y": KINDS[left]}, STEP, **options)


def packed(values, bits):
    """[..., n] integers to bytes along the last axis, lowest bits first."""
    per = 8 // bits
    short = -values.shape[-1] % per
    parts = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, short)]).reshape(*values.shape[:-1], -1, per).astype(np.uint8)
    return (parts << (np.arange(per, dtype=np.uint8) * bits)).sum(-1).astype(np.uint8)


def matmul_nbits_cases():
    for bits in (2, 4, 8):
        for k, block in ((64, 32), (72, 16), (80, 32)):
            for zero in ("none", "packed", "real"):
                title = f"MatMulNBits {bits} bits K={k} block_size={block} zero points {zero}"
                rng = random(title)
                n, blocks, most = 9, -(-k // block), 2**bits - 1
                q = rng.integers(0, most + 1, (n, blocks, block))
                zeros = rng.integers(0, most + 1, (n, blocks))
                scales = f32(rng.uniform(0.05, 0.2, (n, blocks)))
                real = zeros + 0.25 if zero == "real" else zeros if zero == "packed" else np.full((n, blocks), 2 ** (bits - 1))
                w = ((q - real[..., None]) * scales[..., None].astype(np.float64)).reshape(n, -1)[:, :k]
                a, bias = f32(rng.normal(0, 1, (2, 3, k))), f32(rng.normal(0, 1, (n,)))
                operands = {"a": a, "b": packed(q, bits), "scales": scales,
                            "zero": {"none": None, "packed": packed(zeros, bits), "real": f32(real)}[zero]}
                options = dict(fixed=set(operands) - {"a"}, domain=MICROSOFT, K=k, N=n, bits=bits, block_size=block)
                # ONNX Runtime has no kernel for all of these; where it has one, another case compares with it.
                yield case(title, "MatMulNBits", operands, {"y": TensorProto.FLOAT}, REAL, expected={"y": f32(a @ w.T)}, **options)
                if bits == 4 and zero != "real":
                    with_bias = {**operands, "g_idx": None, "bias": bias}
                    options["fixed"] = set(with_bias) - {"a"}
                    yield case(title + " and a bias", "MatMulNBits", with_bias, {"y": TensorProto.FLOAT}, REAL, **options)
                    groups = rng.permutation(np.arange(k) // block).astype(np.int32)
                    named = (q.reshape(n, -1)[:, :k] - real[:, groups]) * scales[:, groups].astype(np.float64)
                    yield case(title + " and g_idx", "MatMulNBits", {**operands, "g_idx": groups}, {"y": TensorProto.FLOAT}, REAL,
                               expected={"y": f32(a @ named.T)}, **{**options, "fixed": options["fixed"] | {"g_idx"}})


def gather_block_quantized_cases():
    for name, indices in (("in range", [[3, 0], [-1, 2]]), ("out of range", [[7, -6], [1, -5]])):
        for index_type in (np.int32, np.int64):
            rng = random(name)
            idx = np.array(indices, index_type)
            for kind, type_name in ((TensorProto.UINT4, "u4"), (TensorProto.INT4, "i4")):
                q = rng.integers(0, 16, (5, 48)) - (8 if type_name == "i4" else 0)
                zero = rng.integers(0, 16, (5, 3)) - (8 if type_name == "i4" else 0)
                scales = f32(rng.uniform(0.1, 1, (5, 3)))
                for with_zero in (False, True):
                    operands = {"data": helper.make_tensor("data", kind, (5, 48), q.flatten().tolist()), "indices": idx,
                                "scales": scales,
                                "zero": helper.make_tensor("zero", kind, (5, 3), zero.flatten().tolist()) if with_zero else None}
                    yield case(f"GatherBlockQuantized {type_name} {name} {index_type.__name__} zero points={with_zero}",
                               "GatherBlockQuantized", operands, {"y": TensorProto.FLOAT}, 0, fixed=("scales",),
                               domain=MICROSOFT, block_size=16, quantize_axis=1, gather_axis=0)
            q = helper.make_tensor("data", TensorProto.INT4, (48, 5), (rng.integers(0, 16, 240) - 8).tolist())
            yield case(f"GatherBlockQuantized along the blocks {name} {index_type.__name__}", "GatherBlockQuantized",
                       {"data": q, "indices": idx, "scales": f32(rng.uniform(0.1, 1, (3, 5)))}, {"y": TensorProto.FLOAT}, 0,
                       fixed=("scales",), domain=MICROSOFT, block_size=16, quantize_axis=0, gather_axis=0)
            yield case(f"GatherBlockQuantized across the blocks {name} {index_type.__name__}", "GatherBlockQuantized",
                       {"data": q, "indices": idx, "scales": f32(rng.uniform(0.1, 1, (3, 5)))}, {"y": TensorProto.FLOAT}, 0,
                       fixed=("scales",), domain=MICROSOFT, block_size=16, quantize_axis=0, gather_axis=1)
            for bits in (4, 8):
                q, zero = rng.integers(0, 2**bits, (5, 48)), rng.integers(0, 2**bits, (5, 3))
                for with_zero in (False, True):
                    operands = {"data": packed(q, bits), "indices": idx, "scales": f32(rng.uniform(0.1, 1, (5, 3))),
                                "zero": packed(zero, bits) if with_zero else None}
                    yield case(f"GatherBlockQuantized {bits} bits in u8 {name} {index_type.__name__} zero points={with_zero}",
                               "GatherBlockQuantized", operands, {"y": TensorProto.FLOAT}, 0,
                               fixed=("data", "scales", "zero"), domain=MICROSOFT, block_size=16, bits=bits, quantize_axis=1)


def attention_cases():
    batch, length, width, heads, size = 2, 5, 12, 3, 4
    hidden = heads * size
    raw = np.ones((batch, length), np.int32)
    raw[0, 3:] = 0
    raw[1, 1] = 0
    masks = {"no mask": None, "lengths": np.int32([3, 5]), "ends and starts": np.int32([5, 4, 1, 0]), "mask": raw,
             "mask per query": np.tril(np.ones((batch, length, length), np.int32)), "dummy mask": np.ones((batch, 1), np.int32)}
    for name, mask in masks.items():
        for past in (0, 2):
            if past and name not in ("no mask",):
                continue
            for causal in (0, 1):
                for per in ((), (3 * hidden,)):
                    title = f"QAttention {name} past={past} unidirectional={causal} {'per column' if per else 'per tensor'}"
                    rng = random(title)
                    operands = {"x": integers(rng, U8, (batch, length, width)), "w": weights(rng, I8, (width, 3 * hidden)),
                                "bias": f32(rng.normal(0, 0.5, (3 * hidden,))), "x_scale": f32(0.02),
                                "w_scale": f32(rng.uniform(0.01, 0.02, per)), "mask": mask, "x_zero": np.uint8(127),
                                "w_zero": np.zeros(per, I8),
                                "past": f32(rng.normal(0, 1, (2, batch, heads, past, size))) if past else None}
                    fixed = {"w", "bias", "x_scale", "w_scale", "x_zero", "w_zero"}
                    yield case(title, "QAttention", operands, {"y": TensorProto.FLOAT, "present": TensorProto.FLOAT}, REAL,
                               fixed=fixed, domain=MICROSOFT, num_heads=heads, unidirectional=causal)


def embedding_cases():
    for segments in (False, True):
        for masked in (False, True):
            title = f"QEmbedLayerNormalization segments={segments} mask={masked}"
            rng = random(title)
            ids = rng.integers(0, 11, (2, 4)).astype(np.int32)
            tables = [integers(rng, U8, (rows, 8)) for rows in (11, 6, 2)]
            scales = [f32(s) for s in (0.02, 0.01, 0.015, 0.01, 0.004)]
            zeros = [np.uint8(z) for z in (120, 128, 110, 3, 130)]
            absent = None if not segments else 0
            operands = {"ids": ids, "segment_ids": rng.integers(0, 2, (2, 4)).astype(np.int32) if segments else None,
                        "words": tables[0], "positions": tables[1], "segments": tables[2] if segments else None,
                        "gamma": integers(rng, U8, (8,)), "beta": integers(rng, U8, (8,)),
                        "mask": np.int32([[1, 1, 1, 0], [1, 0, 0, 0]]) if masked else None}
            operands |= {f"scale{i}": None if i == 2 and absent is None else s for i, s in enumerate(scales)}
            operands |= {f"zero{i}": None if i == 2 and absent is None else z for i, z in enumerate(zeros)}
            yield case(title, "QEmbedLayerNormalization", operands, {"y": TensorProto.FLOAT, "lengths": TensorProto.INT32}, REAL,
                       fixed=set(operands) - {"ids", "segment_ids", "mask"}, domain=MICROSOFT, epsilon=1e-6)


def cases():
    for family in (conv_integer_cases, matmul_integer_cases, qlinear_conv_cases, lambda: qlinear_conv_cases(MICROSOFT),
                   qlinear_matmul_cases, dynamic_quantize_cases, quantize_cases, qlinear_binary_cases, qlinear_unary_cases,
                   qlinear_pool_cases, qlinear_move_cases, real_product_cases, matmul_nbits_cases, gather_block_quantized_cases,
                   attention_cases, embedding_cases):
        yield from family()


def all_layers():
    """A network with every kind of layer that ONNX Runtime's quantiser knows, for pictures of 3 channels."""
    rng, nodes, values = random("all layers"), [], []

    def constant(array, dtype=np.float32):
        values.append(numpy_helper.from_array(np.array(array, dtype), f"c{len(values)}"))
        return values[-1].name

    def layer(op, *inputs, **attributes):
        nodes.append(helper.make_node(op, inputs, [f"v{len(nodes)}"], f"{op}{len(nodes)}", **attributes))
        return nodes[-1].output[0]

    def conv(x, out, into, kernel, **attributes):
        w = rng.normal(0, np.sqrt(2 / (into * kernel * kernel)), (out, into, kernel, kernel))
        return layer("Conv", x, constant(w), constant(rng.normal(0, 0.1, out)), kernel_shape=[kernel, kernel], **attributes)

    x = layer("Relu", conv("x", 8, 3, 3, pads=[1, 1, 1, 1]))
    x = layer("Pad", x, constant([0, 0, 1, 0, 0, 0, 0, 1], np.int64), constant(0))
    x = layer("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    left = layer("LeakyRelu", conv(x, 8, 1, 3, pads=[1, 1, 1, 1], group=8), alpha=0.1)
    right = layer("Sigmoid", conv(x, 8, 8, 1))
    x = layer("Concat", layer("Add", left, right), layer("Mul", left, right), axis=1)
    x = layer("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = layer("Resize", x, "", constant([1, 1, 2, 2]), mode="nearest")
    x = layer("Add", conv(x, 8, 16, 1), conv(x, 8, 16, 1))
    x = layer("Clip", x, constant(-0.5), constant(0.8))
    x = layer("Flatten", layer("GlobalAveragePool", layer("Transpose", x, perm=[0, 1, 3, 2])))
    x = layer("Gemm", x, constant(rng.normal(0, 0.5, (12, 8))), constant(rng.normal(0, 0.1, 12)), transB=1)
    x = layer("MatMul", layer("Reshape", x, constant([-1, 1, 12], np.int64)), constant(rng.normal(0, 1, (12, 10))))
    x = layer("Softmax", layer("Squeeze", x, constant([1], np.int64)), axis=-1)
    nodes[-1].output[0] = "y"
    graph = helper.make_graph(nodes, "all_layers", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 32])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])], values)
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])


def refusals():
    rng = random("refusals")
    x = f32(rng.normal(0, 1, (3, 1, 4)))
    w = integers(rng, U8, (1, 4, 8))
    yield ("DynamicQuantizeLSTM", model_of("DynamicQuantizeLSTM",
                                           {"x": x, "w": w, "r": integers(rng, U8, (1, 2, 8)), "b": None, "lengths": None,
                                            "h": None, "c": None, "p": None, "w_scale": f32([0.1]), "w_zero": np.uint8([1]),
                                            "r_scale": f32([0.1]), "r_zero": np.uint8([1])}, {"y": TensorProto.FLOAT}, {"w", "r"},
                                           domain=MICROSOFT, hidden_size=2), "quantises its inputs at every step")
    operands = {"a": f32(np.zeros((1, 32))), "b": np.zeros((4, 1, 16), np.uint8), "scales": f32(np.ones((4, 1)))}
    for name, attributes, words in (("bits=3", {"bits": 3}, "it may be 2, 4 or 8"),
                                    ("block_size=24", {"block_size": 24}, "power of 2"),
                                    ("weight_prepacked", {"weight_prepacked": 1}, "weight_prepacked=0"),
                                    ("N=-1", {"N": -1}, "must be from 1")):
        yield (f"MatMulNBits {name}", model_of("MatMulNBits", operands, {"y": TensorProto.FLOAT}, {"b", "scales"},
                                               domain=MICROSOFT, **{"K": 32, "N": 4, "block_size": 32, **attributes}), words)
