# SPDX-License-Identifier: Apache-2.0
"""How much arithmetic a model is: multiplications and additions of its convolutions, matrix products and recurrent layers.

operations.py FILE MODEL BATCH prints the number; with --nodes, JSON: {node: {"operations": N, "read": BYTES, "written": BYTES, "constants":
BYTES}} of all nodes, constants being what of a node's inputs no other node computes. Sizes come from ONNX Runtime's profile of one run of the file as it is written, so
that sizes computed by the graph, branches and loops are known. What an engine saves by a fast algorithm (Winograd) is not
subtracted: the number is a yardstick, the same for all engines.
"""
import json
import math
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))


def of_node(kind, inputs, outputs):
    """Shapes in, operations out."""
    if kind in ("Conv", "ConvInteger", "QLinearConv"):
        weight = inputs[3] if kind == "QLinearConv" else inputs[1]
        return 2 * math.prod(outputs[0]) * math.prod(weight[1:])  # inputs of a group times the kernel
    if kind in ("MatMul", "MatMulInteger", "QLinearMatMul"):
        return 2 * math.prod(outputs[0]) * inputs[0][-1]
    if kind == "Gemm":
        return 2 * math.prod(outputs[0]) * (math.prod(inputs[0]) // outputs[0][0])
    if kind in ("LSTM", "GRU", "RNN"):
        steps, batch = inputs[0][:2]
        return 2 * steps * batch * (math.prod(inputs[1]) + math.prod(inputs[2]))
    return 0


def shapes(tensors):
    """From the profile's form, [{"float": [1, 3]}, ...]."""
    return [next(iter(tensor.values())) for tensor in tensors]


def size_of(tensors):
    sizes = {"float": 4, "int8": 1, "uint8": 1, "int32": 4, "int64": 8, "bool": 1, "float16": 2, "bfloat16": 2, "double": 8}
    return [sizes.get(kind, 4) * math.prod(shape) for tensor in tensors for kind, shape in tensor.items()]


def of_nodes(path, inputs):
    import onnx
    import onnxruntime
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_profiling = True
        options.profile_file_prefix = f"{folder}/profile"
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        session.run(None, inputs)
        events = json.loads(pathlib.Path(session.end_profiling()).read_text())
    graph = onnx.load(str(path), load_external_data=False).graph
    constant = {t.name for t in graph.initializer} | {o for n in graph.node if n.op_type == "Constant" for o in n.output}
    inputs_of = {n.name: [i for i in n.input if i] for n in graph.node}
    found = {}
    for event in events:
        values = event.get("args", {})
        if not event["name"].endswith("_kernel_time") or not values.get("output_type_shape"):
            continue
        name = event["name"].removesuffix("_kernel_time")
        given, made = values["input_type_shape"], values["output_type_shape"]
        names = inputs_of.get(name, [])
        read = size_of(given)
        node = found.setdefault(name, {"operations": 0, "read": 0, "written": 0, "constants": 0})
        node["operations"] += of_node(values["op_name"], shapes(given), shapes(made))
        node["read"] += sum(read)
        node["written"] += sum(size_of(made))
        if len(names) == len(read):
            node["constants"] += sum(size for name, size in zip(names, read) if name in constant)
    return found


def count(path, inputs):
    return sum(node["operations"] for node in of_nodes(path, inputs).values())


def main():
    import catalogue
    [model] = catalogue.find([sys.argv[2]])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the library's own words
    inputs = model.sample(int(sys.argv[3]), 0)
    print(json.dumps(of_nodes(sys.argv[1], inputs)) if "--nodes" in sys.argv else count(sys.argv[1], inputs), file=answers)


if __name__ == "__main__":
    main()
