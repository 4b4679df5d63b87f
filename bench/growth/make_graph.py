# SPDX-License-Identifier: Apache-2.0
"""Graphs of any number of nodes, for measuring how building grows with them.

make_graph.py NODES FILE: a residual network of small blocks, as exporters write them: convolution, batch normalisation,
activation, a residual sum, and the shape arithmetic of a reshape. Weights are seeded and shared between blocks, so that the file
grows with nodes and not with weights.
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def make_graph(node_count):
    random = np.random.default_rng(7)

    def weights(name, *shape):
        return numpy_helper.from_array((random.standard_normal(shape) * 0.2).astype(np.float32), name)

    initializers = [
        weights("conv3", 8, 8, 3, 3), weights("conv1", 8, 8, 1, 1), weights("scale", 8), weights("shift", 8),
        numpy_helper.from_array(np.zeros(8, np.float32), "mean"), numpy_helper.from_array(np.ones(8, np.float32), "variance"),
        numpy_helper.from_array(np.array(0, np.int64), "first"), numpy_helper.from_array(np.array([0], np.int64), "axis0"),
        numpy_helper.from_array(np.array([8, 8, 8], np.int64), "inner"),
    ]
    nodes = []
    value = "x"

    def add(op, inputs, **attributes):
        name = f"{op.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(op, inputs, [name], name=f"/block/{name}", **attributes))
        return name

    while len(nodes) < node_count:
        block = value
        value = add("Conv", [value, "conv3"], pads=[1, 1, 1, 1])
        value = add("BatchNormalization", [value, "scale", "shift", "mean", "variance"])
        value = add("Relu", [value])
        value = add("Conv", [value, "conv1"])
        value = add("Add", [value, block])
        value = add("Sigmoid", [value])
        shape = add("Shape", [value])
        batch = add("Gather", [shape, "first"])
        batch = add("Unsqueeze", [batch, "axis0"])
        shape = add("Concat", [batch, "inner"], axis=0)
        value = add("Reshape", [value, shape])
        value = add("Tanh", [value])
    shape = ["batch", 8, 8, 8]
    graph = helper.make_graph(nodes, "growth", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info(value, TensorProto.FLOAT, shape)], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


if __name__ == "__main__":
    onnx.save(make_graph(int(sys.argv[1])), sys.argv[2])
