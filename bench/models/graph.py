# SPDX-License-Identifier: Apache-2.0
"""A graph under construction, with the layers that the architectures share, written as PyTorch's exporter writes them.

Nodes and values are named by the module they come from ("/layer1.0/conv1/Conv", "..._output_0"). A weight depends on the model's
name and its own alone, so that a change of one layer leaves the others as they were. `parameters` counts what the framework
calls parameters (weights, biases, scale and shift of a batch normalisation), to be compared with the published number.

Scale: weights are normal with variance gain / fan-in, where the gain makes up for what the activation before the layer took away,
so that values stay near a standard deviation of one however deep the network is (He et al., 2015, arXiv:1502.01852).
"""
import zlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper

# 1 / E[f(x)^2] of a standard normal x: what a layer after the activation f has to multiply by.
GAIN = {"linear": 1.0, "relu": 2.0, "relu6": 2.0, "silu": 2.8, "gelu": 2.35}


class Graph:
    def __init__(self, name, opset):
        self.name, self.opset = name, opset
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], [], []
        self.parameters = 0
        self.names = {}

    # --- Values ----------------------------------------------------------------------------------------------------

    def input(self, name, shape, dtype=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, value, name, shape, dtype=TensorProto.FLOAT):
        """Renames a value that was just computed: exporters give outputs the user's names."""
        for node in self.nodes:
            node.input[:] = [name if n == value else n for n in node.input]
            node.output[:] = [name if n == value else n for n in node.output]
        self.outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def random(self, name):
        return np.random.default_rng([zlib.crc32(self.name.encode()), zlib.crc32(name.encode())])

    def normal(self, name, shape, deviation, mean=0.0):
        return (self.random(name).standard_normal(shape, np.float32) * np.float32(deviation) + np.float32(mean)).astype(np.float32)

    def uniform(self, name, shape, low, high):
        return self.random(name).uniform(low, high, shape).astype(np.float32)

    def initializer(self, name, array):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def parameter(self, name, array):
        self.parameters += array.size
        return self.initializer(name, array)

    def constant(self, scope, array):
        """A node, as exporters write small constants."""
        return self.op("Constant", [], scope, value=numpy_helper.from_array(np.asarray(array)))

    def op(self, op, inputs, scope="", outputs=1, **attributes):
        prefix = f"/{scope}/{op}" if scope else f"/{op}"
        count = self.names.get(prefix, 0)
        self.names[prefix] = count + 1
        name = f"{prefix}_{count}" if count else prefix
        results = [f"{name}_output_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, results, name=name, **attributes))
        return results[0] if outputs == 1 else results

    def model(self):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8,
                                 producer_name="strop bench/models")

    # --- Layers ----------------------------------------------------------------------------------------------------

    def conv(self, x, scope, size, stride=1, padding=None, groups=1, after="linear", bias=True, shrink=1.0, fold=None):
        """size = (inputs, outputs, kernel). `fold`: (scale, shift) of the outputs, multiplied into the weights."""
        inputs, outputs, kernel = size
        padding = kernel // 2 if padding is None else padding
        fan = inputs // groups * kernel * kernel
        weight = self.normal(f"{scope}.weight", (outputs, inputs // groups, kernel, kernel), shrink * np.sqrt(GAIN[after] / fan))
        shift = self.normal(f"{scope}.bias", outputs, 0.1) if bias else None
        if fold is not None:
            weight, shift = (weight * fold[0].reshape(-1, 1, 1, 1)).astype(np.float32), fold[1].astype(np.float32)
        names = [x, self.parameter(f"{scope}.weight", weight)]
        if shift is not None:
            names.append(self.parameter(f"{scope}.bias", shift))
        return self.op("Conv", names, scope, dilations=[1, 1], group=groups, kernel_shape=[kernel, kernel], pads=[padding] * 4,
                       strides=[stride, stride])

    def conv_bn(self, x, scopes, size, folded=True, eps=1e-5, shrink=1.0, **options):
        """Convolution and batch normalisation, scopes = (convolution, normalisation); folded, as exporters do by default, the
        latter is part of the weights. Both forms compute the same."""
        conv, norm = scopes
        outputs = size[1]
        scale = self.uniform(f"{norm}.weight", outputs, 0.8, 1.2)
        shift = self.normal(f"{norm}.bias", outputs, 0.1)
        mean = self.normal(f"{norm}.running_mean", outputs, 0.1)
        variance = self.uniform(f"{norm}.running_var", outputs, 0.8, 1.25)
        if folded:
            factor = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + eps)
            self.parameters += outputs  # counted as trained: the shift is counted below, the scale here
            return self.conv(x, conv, size, bias=False, shrink=shrink, fold=(factor, shift - mean * factor), **options)
        x = self.conv(x, conv, size, bias=False, shrink=shrink, **options)
        names = [self.parameter(f"{norm}.weight", scale), self.parameter(f"{norm}.bias", shift),
                 self.initializer(f"{norm}.running_mean", mean), self.initializer(f"{norm}.running_var", variance)]
        return self.op("BatchNormalization", [x, *names], norm, epsilon=eps, momentum=0.9)

    def silu(self, x, scope):
        return self.op("Mul", [x, self.op("Sigmoid", [x], scope)], scope)

    def gemm(self, x, scope, inputs, outputs, after="linear"):
        weight = self.parameter(f"{scope}.weight", self.normal(f"{scope}.weight", (outputs, inputs), np.sqrt(GAIN[after] / inputs)))
        bias = self.parameter(f"{scope}.bias", self.normal(f"{scope}.bias", outputs, 0.1))
        return self.op("Gemm", [x, weight, bias], scope, alpha=1.0, beta=1.0, transB=1)

    def linear(self, x, scope, inputs, outputs, after="linear", shrink=1.0):
        """Of a tensor of rank 3: MatMul with the transposed weight, then the bias."""
        name = f"{scope}.weight"
        weight = self.parameter(name, self.normal(name, (inputs, outputs), shrink * np.sqrt(GAIN[after] / inputs)))
        product = self.op("MatMul", [x, weight], scope)
        bias = self.parameter(f"{scope}.bias", self.normal(f"{scope}.bias", outputs, 0.1))
        return self.op("Add", [bias, product], scope)

    def layer_norm(self, x, scope, width, eps, decomposed):
        scale = self.parameter(f"{scope}.weight", self.uniform(f"{scope}.weight", width, 0.8, 1.2))
        shift = self.parameter(f"{scope}.bias", self.normal(f"{scope}.bias", width, 0.1))
        if not decomposed:
            return self.op("LayerNormalization", [x, scale, shift], scope, axis=-1, epsilon=eps)
        mean = self.op("ReduceMean", [x], scope, axes=[-1])
        centred = self.op("Sub", [x, mean], scope)
        square = self.op("Pow", [centred, self.constant(scope, np.float32(2))], scope)
        variance = self.op("ReduceMean", [square], scope, axes=[-1])
        deviation = self.op("Sqrt", [self.op("Add", [variance, self.constant(scope, np.float32(eps))], scope)], scope)
        return self.op("Add", [self.op("Mul", [self.op("Div", [centred, deviation], scope), scale], scope), shift], scope)

    def gelu(self, x, scope):
        """x * 0.5 * (1 + erf(x / sqrt 2))."""
        inner = self.op("Erf", [self.op("Div", [x, self.constant(scope, np.float32(np.sqrt(2)))], scope)], scope)
        product = self.op("Mul", [x, self.op("Add", [inner, self.constant(scope, np.float32(1))], scope)], scope)
        return self.op("Mul", [product, self.constant(scope, np.float32(0.5))], scope)

    # --- Sizes computed by the graph -------------------------------------------------------------------------------

    def dimension(self, x, axis, scope):
        """A size as a vector of one: Shape, Gather, Unsqueeze."""
        size = self.op("Gather", [self.op("Shape", [x], scope), self.constant(scope, np.int64(axis))], scope, axis=0)
        return self.op("Unsqueeze", [size, self.constant(scope, np.array([0], np.int64))], scope)

    def reshape(self, x, dims, scope):
        """A number in `dims` is a size, a string the value that holds it."""
        if all(isinstance(d, int) for d in dims):
            return self.op("Reshape", [x, self.constant(scope, np.array(dims, np.int64))], scope)
        parts = [d if isinstance(d, str) else self.constant(scope, np.array([d], np.int64)) for d in dims]
        return self.op("Reshape", [x, self.op("Concat", parts, scope, axis=0)], scope)
