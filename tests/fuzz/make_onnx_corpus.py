#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of onnx_reader_fuzzer: tiny models, each with another part of the format.

usage: tests/fuzz/make_onnx_corpus.py [FOLDER]                    default: tests/fuzz/corpus/onnx_reader
       tests/fuzz/make_onnx_corpus.py --strop PROGRAM FOLDER      also every operator that PROGRAM imports

The second form is for a folder of the build tree: it takes the smallest models of the standard's test cases that have an
operator, in several opsets where there are, and says which operators no case has. Needs the `onnx` package.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys

import numpy
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper


def value(name, kind=T.FLOAT, shape=("N", 3)):
    return h.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs=None, outputs=None, initializers=(), opset=17, functions=(), opsets=(), sparse=()):
    graph = h.make_graph(nodes, "g", [value("x")] if inputs is None else inputs, outputs or [value("y", shape=None)],
                         initializer=list(initializers), sparse_initializer=list(sparse))
    imports = [h.make_opsetid("", opset), *opsets]
    return h.make_model(graph, opset_imports=imports, functions=list(functions), ir_version=8)


def tensor(array, name="w"):
    return numpy_helper.from_array(numpy.array(array), name)


def external():
    out = T(name="w", data_type=T.FLOAT, dims=[3], data_location=T.EXTERNAL)
    for key, text in (("location", "weights.bin"), ("offset", "0"), ("length", "12")):
        out.external_data.add(key=key, value=text)
    return out


def every_element_type():
    for kind in T.DataType.values():
        if kind in (T.UNDEFINED, T.STRING):
            continue
        bits = {T.UINT4: 4, T.INT4: 4, T.FLOAT4E2M1: 4, T.UINT2: 2, T.INT2: 2}.get(kind)
        size = 1 if bits else h.tensor_dtype_to_np_dtype(kind).itemsize
        raw = T(name=f"w{kind}", data_type=kind, dims=[8 // bits if bits else 1], raw_data=b"\1" * size)
        yield raw
        typed = T(name=f"t{kind}", data_type=kind, dims=[1])
        field = {T.FLOAT: typed.float_data, T.DOUBLE: typed.double_data, T.INT64: typed.int64_data,
                 T.UINT64: typed.uint64_data, T.UINT32: typed.uint64_data, T.COMPLEX64: typed.float_data,
                 T.COMPLEX128: typed.double_data}.get(kind, typed.int32_data)
        field.extend([1, 1] if kind in (T.COMPLEX64, T.COMPLEX128) else [1])
        yield typed
    yield h.make_tensor("strings", T.STRING, [2], [b"one", b"two"])


def seeds():
    node = h.make_node
    softmax = node("Softmax", ["x"], ["y"], axis=1)
    yield "softmax", model([softmax])
    yield "softmax_11", model([softmax], opset=11)
    yield "element_types", model([softmax], initializers=every_element_type())
    yield "external", model([softmax], initializers=[external()])
    values, indices = tensor([1.0], "s"), tensor([2], "i")
    yield "sparse", model([softmax], sparse=[h.make_sparse_tensor(values, indices, [9])])
    yield "constants", model([
        node("Constant", [], ["a"], value=tensor([1.0, 2.0])), node("Constant", [], ["b"], value_ints=[1, 2]),
        node("Constant", [], ["c"], value_floats=[1.0]), node("Constant", [], ["d"], value_strings=[b"s"]),
        node("Constant", [], ["e"], sparse_value=h.make_sparse_tensor(values, indices, [9])), softmax])
    yield "shapes", model([
        node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["n"]), node("Concat", ["n", "m"], ["t"], axis=0),
        node("Reshape", ["x", "t"], ["y"])], initializers=[tensor([0], "zero"), tensor([-1], "m")])
    yield "conv", model(
        [node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]), node("Relu", ["c"], ["r"]),
         node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]), node("Flatten", ["p"], ["f"]),
         node("Gemm", ["f", "g"], ["y"], transB=1)],
        inputs=[value("x", shape=["N", 1, 4, 4])],
        initializers=[tensor(numpy.ones((1, 1, 3, 3), numpy.float32)), tensor(numpy.ones((2, 4), numpy.float32), "g")])
    yield "quantized", model(
        [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["y"])],
        initializers=[tensor(numpy.float32(0.1), "s"), tensor(numpy.int8(0), "z")])
    yield "resize", model(
        [node("Resize", ["x", "", "s"], ["y"], mode="linear")], inputs=[value("x", shape=[1, 1, 4, "W"])],
        initializers=[tensor(numpy.array([1, 1, 2, 2], numpy.float32), "s")])
    yield "fill", model([node("ConstantOfShape", ["s"], ["f"], value=tensor([1.0])), softmax],
                        initializers=[tensor([2, 3], "s")])
    yield "data_movement", model(
        [node("Transpose", ["x"], ["a"], perm=[1, 0]), node("Unsqueeze", ["a", "i"], ["b"]),
         node("Slice", ["b", "i", "j", "i"], ["c"]), node("Pad", ["c", "p"], ["d"]), node("Tile", ["d", "t"], ["e"]),
         node("Split", ["e"], ["f", "g"], axis=0), node("Expand", ["f", "t"], ["y"])],
        initializers=[tensor([0], "i"), tensor([2], "j"), tensor([0] * 6, "p"), tensor([2, 1, 1], "t")])
    then = h.make_graph([node("Softmax", ["x"], ["a"])], "then", [], [value("a", shape=None)])
    other = h.make_graph([node("Identity", ["x"], ["b"])], "else", [], [value("b", shape=None)])
    yield "if", model([node("If", ["c"], ["y"], then_branch=then, else_branch=other)],
                      inputs=[value("x"), value("c", T.BOOL, [])])
    body = h.make_graph([node("Softmax", ["state"], ["next"]), node("Identity", ["go"], ["on"])], "body",
                        [value("i", T.INT64, []), value("go", T.BOOL, []), value("state", shape=None)],
                        [value("on", T.BOOL, []), value("next", shape=None)])
    yield "loop", model([node("Loop", ["m", "c", "x"], ["y"], body=body)],
                        inputs=[value("x"), value("m", T.INT64, []), value("c", T.BOOL, [])])
    inner = node("Softmax", ["in"], ["out"])
    inner.attribute.append(onnx.AttributeProto(name="axis", type=onnx.AttributeProto.INT, ref_attr_name="which"))
    function = h.make_function("mine", "F", ["in"], ["out"], [inner], [h.make_opsetid("", 17)], ["which"])
    call = node("F", ["x"], ["y"], domain="mine", which=0)
    yield "function", model([call], functions=[function], opsets=[h.make_opsetid("mine", 1)])
    sequence = h.make_sequence_type_proto(h.make_tensor_type_proto(T.FLOAT, ["N"]))
    optional = h.make_optional_type_proto(sequence)
    yield "types", model([softmax], inputs=[value("x"), h.make_value_info("s", sequence),
                                            h.make_value_info("o", optional)])
    yield "global_lp_pool", model([node("GlobalLpPool", ["x"], ["y"], p=2)], inputs=[value("x", shape=[1, 2, 4, "W"])])
    yield "aten", model([node("ATen", ["x"], ["y"], operator="embedding_bag", domain="org.pytorch.aten")])
    yield "cycle", model([node("Relu", ["b"], ["a"]), node("Relu", ["a"], ["b"]), softmax])
    heads = [value(name, shape=("B", "S", 8)) for name in "qkv"]
    mask = value("m", T.BOOL, ["S", "T"])
    yield "attention", model([node("Attention", ["q", "k", "v", "m"], ["y", "", "", "s"], q_num_heads=2, kv_num_heads=2,
                                   is_causal=1, softcap=2.0, qk_matmul_output_mode=3)],
                             inputs=[*heads, mask], outputs=[value("y", shape=None), value("s", shape=None)], opset=24)
    cache = [value(name, shape=("B", 1, "P", 4)) for name in ("pk", "pv")]
    lengths = [value("l", T.INT32, ["B"]), value("t", T.INT32, [1])]
    tables = [tensor(numpy.ones((4, 2), numpy.float32), name) for name in ("cos", "sin")]
    yield "group_query_attention", model(
        [node("GroupQueryAttention", ["q", "k", "v", "pk", "pv", "l", "t", "cos", "sin"], ["y", "a", "b"], domain="com.microsoft",
              num_heads=2, kv_num_heads=1, do_rotary=1, local_window_size=2)],
        inputs=[heads[0], value("k", shape=("B", "S", 4)), value("v", shape=("B", "S", 4)), *cache, *lengths],
        outputs=[value(name, shape=None) for name in "yab"], initializers=tables, opsets=[h.make_opsetid("com.microsoft", 1)])
    yield "tensor", tensor(numpy.arange(3, dtype=numpy.float32))
    yield "sequence", numpy_helper.from_list([numpy.ones(2, numpy.float32)] * 2, "s")


LARGEST = 4096    # bytes of a model
PER_OPERATOR = 3


def nodes_of(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from nodes_of(attribute.g)


def stripped(message):
    """Without what no reader looks at."""
    message.producer_name = ""
    del message.graph.value_info[:]
    return message


def standard_models(imported):
    """Operator and model, the smallest ones of each operator, of different opsets first."""
    data = pathlib.Path(onnx.__file__).parent / "backend/test/data"
    models = collections.defaultdict(list)
    for path in sorted(data.glob("*/*/model.onnx")):
        content = path.read_bytes()
        if len(content) > 2 * LARGEST:
            continue
        message = stripped(onnx.load_from_string(content))
        if message.ByteSize() > LARGEST:
            continue
        opsets = tuple((o.domain, o.version) for o in message.opset_import)
        operators = {(node.domain or "ai.onnx", node.op_type) for node in nodes_of(message.graph)}
        for operator in operators & imported:
            models[operator].append((message.ByteSize(), path.parent.name, opsets, message))
    for operator, found in sorted(models.items()):
        found.sort(key=lambda entry: entry[:2])
        first_of_opset = {}
        for entry in found:
            first_of_opset.setdefault(entry[2], entry)
        chosen = list(first_of_opset.values())[:PER_OPERATOR]
        chosen += [entry for entry in found if entry not in chosen][: PER_OPERATOR - len(chosen)]
        for _, name, _, message in chosen:
            yield operator, name, message


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strop")
    parser.add_argument("folder", nargs="?", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent / "corpus/onnx_reader")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for name, message in seeds():
        (args.folder / name).write_bytes(message.SerializeToString())
    if not args.strop:
        return 0
    listed = json.loads(subprocess.run([args.strop, "operators", "--json"], check=True, capture_output=True).stdout)
    imported = {(entry["domain"], entry["operator"]) for entry in listed["imported"]}
    seen = {(node.domain or "ai.onnx", node.op_type) for _, message in seeds() if isinstance(message, onnx.ModelProto)
            for node in nodes_of(message.graph)}
    for operator, name, message in standard_models(imported):
        seen.add(operator)
        (args.folder / name).write_bytes(message.SerializeToString())
    missing = sorted(name if domain == "ai.onnx" else f"{domain}.{name}" for domain, name in imported - seen)
    print(f"{len(imported) - len(missing)} of {len(imported)} imported operators have a seed")
    if missing:
        print("without one: " + ", ".join(missing))
    return 0


if __name__ == "__main__":
    sys.exit(main())
