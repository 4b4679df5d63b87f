# SPDX-License-Identifier: Apache-2.0
"""usage: make_model.py DIR            writes model.onnx, x.npy and expected.npy
          make_model.py DIR --check OUT compares OUT/y.npy with expected.npy

A matrix product, a bias and a Relu: the values are small integers, so every backend gives the same bytes."""
import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

folder = pathlib.Path(sys.argv[1])
if "--check" in sys.argv:
    got = np.load(pathlib.Path(sys.argv[3]) / "y.npy")
    np.testing.assert_array_equal(got, np.load(folder / "expected.npy"))
    print("smoke: output as expected", got.tolist())
else:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    weight = np.array([[1, -2], [3, 4], [-5, 6]], dtype=np.float32)
    bias = np.array([10, -20], dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weight"], ["product"], name="product"),
            helper.make_node("Add", ["product", "bias"], ["sum"], name="sum"),
            helper.make_node("Relu", ["sum"], ["y"], name="relu"),
        ],
        "smoke",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx")
    np.save(folder / "x.npy", x)
    np.save(folder / "expected.npy", np.maximum(x @ weight + bias, 0))
