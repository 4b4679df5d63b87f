#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One small model of each kind that is no plain feed-forward network, from ONNX file to answer.

usage: tiny_models.py --strop PATH

If, Loop (with scan outputs and a data-dependent trip count), strings, sequences, NonZero, INT4 weights, a local function, an
empty tensor. Each runs on both backends, from the ONNX file and from a saved engine, and must give exactly what is expected.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper

from compare_models import Tally, load_output, run_strop


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def model_of(graph, functions=(), opsets=(("", 21),)):
    return helper.make_model(graph, functions=list(functions), ir_version=10,
                             opset_imports=[helper.make_opsetid(d, v) for d, v in opsets])


def branch(name, op):
    node = helper.make_node(op, ["x", "x"], [name + "_y"])
    return helper.make_graph([node], name, [], [value(name + "_y", TensorProto.FLOAT, None)])


def if_model():
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch("then", "Add"), else_branch=branch("else", "Mul"))
    graph = helper.make_graph([node], "branches", [value("c", TensorProto.BOOL, []), value("x", TensorProto.FLOAT, ["n"])],
                              [value("y", TensorProto.FLOAT, ["n"])])
    x = np.float32([1, 2, 5])
    return model_of(graph), [({"c": np.array(True), "x": x}, {"y": x + x}), ({"c": np.array(False), "x": x}, {"y": x * x})]


def loop_model():
    # Sums 1..k until the sum passes the limit; every partial sum is a scan output.
    body = helper.make_graph(
        [helper.make_node("Add", ["i", "one"], ["k"]), helper.make_node("Add", ["sum_in", "k"], ["sum_out"]),
         helper.make_node("Less", ["sum_out", "limit"], ["go"]), helper.make_node("Identity", ["sum_out"], ["partial"])],
        "body", [value("i", TensorProto.INT64, []), value("go_in", TensorProto.BOOL, []), value("sum_in", TensorProto.INT64, [])],
        [value("go", TensorProto.BOOL, []), value("sum_out", TensorProto.INT64, []), value("partial", TensorProto.INT64, [])])
    nodes = [helper.make_node("Loop", ["trips", "", "zero"], ["total", "sums"], body=body)]
    graph = helper.make_graph(
        nodes, "sums", [value("trips", TensorProto.INT64, []), value("limit", TensorProto.INT64, [])],
        [value("total", TensorProto.INT64, []), value("sums", TensorProto.INT64, ["steps"])],
        [helper.make_tensor("zero", TensorProto.INT64, [], [0]), helper.make_tensor("one", TensorProto.INT64, [], [1])])
    case = lambda trips, limit, sums: ({"trips": np.int64(trips), "limit": np.int64(limit)},
                                       {"total": np.int64(sums[-1] if sums else 0), "sums": np.int64(sums)})
    return model_of(graph), [case(100, 10, [1, 3, 6, 10]), case(2, 10, [1, 3]), case(0, 10, [])]


def string_model():
    nodes = [helper.make_node("StringConcat", ["a", "b"], ["ab"]), helper.make_node("Equal", ["ab", "wanted"], ["same"])]
    graph = helper.make_graph(
        nodes, "strings", [value("a", TensorProto.STRING, ["n"]), value("b", TensorProto.STRING, ["n"])],
        [value("same", TensorProto.BOOL, ["n"])], [helper.make_tensor("wanted", TensorProto.STRING, [1], [b"razor"])])
    return model_of(graph), [({"a": np.array(["ra", "rä"]), "b": np.array(["zor", "zor"])}, {"same": np.array([True, False])})]


def sequence_model():
    nodes = [helper.make_node("SequenceConstruct", ["x", "y"], ["s"]),
             helper.make_node("SequenceInsert", ["s", "x"], ["t"]),
             helper.make_node("SequenceLength", ["t"], ["length"]),
             helper.make_node("ConcatFromSequence", ["t"], ["z"], axis=0)]
    graph = helper.make_graph(nodes, "sequences", [value("x", TensorProto.FLOAT, ["n"]), value("y", TensorProto.FLOAT, ["m"])],
                              [value("z", TensorProto.FLOAT, ["k"]), value("length", TensorProto.INT64, [])])
    x, y = np.float32([1, 2]), np.float32([7])
    return model_of(graph), [({"x": x, "y": y}, {"z": np.concatenate([x, y, x]), "length": np.int64(3)})]


def non_zero_model():
    nodes = [helper.make_node("NonZero", ["x"], ["where"]), helper.make_node("Transpose", ["where"], ["pairs"]),
             helper.make_node("Cast", ["pairs"], ["numbers"], to=TensorProto.FLOAT),
             helper.make_node("ReduceSum", ["numbers", "axis"], ["sums"], keepdims=0)]
    graph = helper.make_graph(
        nodes, "non_zero", [value("x", TensorProto.FLOAT, ["h", "w"])],
        [value("pairs", TensorProto.INT64, ["k", 2]), value("sums", TensorProto.FLOAT, ["k"])],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [1])])
    x = np.float32([[0, 3, 0], [1, 0, 2]])
    pairs = np.argwhere(x)
    return model_of(graph), [({"x": x}, {"pairs": pairs, "sums": pairs.sum(1).astype(np.float32)}),
                             ({"x": np.zeros((2, 2), np.float32)},
                              {"pairs": np.zeros((0, 2), np.int64), "sums": np.zeros(0, np.float32)})]


def int4_model():
    weights = np.int8([[-8, -3, 0], [1, 5, 7]])
    nodes = [helper.make_node("DequantizeLinear", ["w", "scale"], ["wf"]), helper.make_node("MatMul", ["x", "wf"], ["y"])]
    packed = onnx.TensorProto(name="w", data_type=TensorProto.INT4, dims=[2, 3])
    flat = (weights.reshape(-1).astype(np.uint8) & 15)
    packed.raw_data = bytes(int(flat[i] | (flat[i + 1] << 4)) for i in range(0, 6, 2))
    graph = helper.make_graph(nodes, "int4", [value("x", TensorProto.FLOAT, ["n", 2])], [value("y", TensorProto.FLOAT, ["n", 3])],
                              [packed, helper.make_tensor("scale", TensorProto.FLOAT, [], [0.5])])
    x = np.float32([[1, 2], [4, -1]])
    return model_of(graph), [({"x": x}, {"y": x @ (weights.astype(np.float32) * np.float32(0.5))})]


def function_model():
    function = helper.make_function("local", "ScaledRelu", ["a"], ["b"],
                                    [helper.make_node("Constant", [], ["s"], value_float=2.0),
                                     helper.make_node("Relu", ["a"], ["r"]), helper.make_node("Mul", ["r", "s"], ["b"])],
                                    [helper.make_opsetid("", 21)])
    nodes = [helper.make_node("ScaledRelu", ["x"], ["h"], domain="local"),
             helper.make_node("ScaledRelu", ["h"], ["y"], domain="local")]
    graph = helper.make_graph(nodes, "functions", [value("x", TensorProto.FLOAT, ["n"])], [value("y", TensorProto.FLOAT, ["n"])])
    return (model_of(graph, [function], (("", 21), ("local", 1))),
            [({"x": np.float32([-1, 3])}, {"y": np.float32([0, 12])}), ({"x": np.zeros(0, np.float32)}, {"y": np.zeros(0, np.float32)})])


MODELS = {"If": if_model, "Loop": loop_model, "string": string_model, "sequence": sequence_model, "NonZero": non_zero_model,
          "int4": int4_model, "function": function_model}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strop", required=True)
    args = parser.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="strop_") as folder:
        for name, make in MODELS.items():
            model, cases = make()
            onnx.checker.check_model(model)
            path = pathlib.Path(folder) / f"{name}.onnx"
            onnx.save(model, path)
            for device in ("reference", "cpu"):
                engine = path.with_suffix(f".{device}.strop")
                try:
                    build = subprocess.run([args.strop, "build", str(path), "-o", str(engine), "--device", device],
                                           capture_output=True, text=True, timeout=120)
                    if build.returncode != 0:
                        raise RuntimeError(build.stderr.strip())
                    for number, (inputs, expected) in enumerate(cases):
                        for source, options in ((path, ["--device", device]), (engine, [])):
                            work = pathlib.Path(folder) / f"{name}_{device}_{number}_{source.suffix[1:]}"
                            out = run_strop(args.strop, source, inputs, work, options)
                            for output, wanted in expected.items():
                                got = load_output(out, output)
                                tally.check(got.dtype == wanted.dtype and got.shape == wanted.shape
                                            and np.array_equal(got, wanted),
                                            f"{name} on {device}, case {number}, {source.suffix[1:]}: {output}")
                except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                    tally.check(False, f"{name} on {device}: {error}")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
