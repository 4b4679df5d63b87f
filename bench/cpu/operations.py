# SPDX-License-Identifier: Apache-2.0
"""How much arithmetic a model is: multiplications and additions of its convolutions, matrix products and recurrent layers.

operations.py FILE MODEL BATCH prints the number. Sizes come from ONNX Runtime's profile of one run of the file as it is written, so
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


def count(path, inputs):
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
    total = 0
    for event in events:
        values = event.get("args", {})
        if event["name"].endswith("_kernel_time") and values.get("output_type_shape"):
            total += of_node(values["op_name"], shapes(values["input_type_shape"]), shapes(values["output_type_shape"]))
    return total


def main():
    import catalogue
    [model] = catalogue.find([sys.argv[2]])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the library's own words
    print(count(sys.argv[1], model.sample(int(sys.argv[3]), 0)), file=answers)


if __name__ == "__main__":
    main()
