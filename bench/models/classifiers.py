# SPDX-License-Identifier: Apache-2.0
"""Image classifiers, in the forms of torchvision: f32[batch,3,224,224] -> f32[batch,1000]."""
import numpy as np

from graph import Graph


def head(g, x, scope, width, after):
    x = g.op("GlobalAveragePool", [x], "avgpool")
    x = g.op("Flatten", [x], axis=1)
    g.output(g.gemm(x, scope, width, 1000, after=after), "logits", ["batch", 1000])


def resnet50(folded=False):
    """He et al., 2015 (arXiv:1512.03385), with the stride in the 3x3 convolution, as torchvision has it; 25,557,032 parameters.
    Batch normalisation stands in the graph unless folded."""
    g = Graph("resnet50", 13)

    def conv_bn(x, scope, number, size, **options):
        return g.conv_bn(x, (f"{scope}conv{number}", f"{scope}bn{number}"), size, folded=folded, **options)

    x = g.input("images", ["batch", 3, 224, 224])
    x = g.op("Relu", [conv_bn(x, "", 1, (3, 64, 7), stride=2)], "relu")
    x = g.op("MaxPool", [x], "maxpool", kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2], dilations=[1, 1], ceil_mode=0)
    inputs = 64
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
        for block in range(blocks):
            scope = f"layer{stage}.{block}."
            stride = 2 if block == 0 and stage > 1 else 1
            y = g.op("Relu", [conv_bn(x, scope, 1, (inputs, width, 1), after="relu")], f"{scope}relu")
            y = g.op("Relu", [conv_bn(y, scope, 2, (width, width, 3), stride=stride, after="relu")], f"{scope}relu")
            y = conv_bn(y, scope, 3, (width, width * 4, 1), after="relu", shrink=0.4)
            if block == 0:
                names = (f"{scope}downsample.0", f"{scope}downsample.1")
                x = g.conv_bn(x, names, (inputs, width * 4, 1), stride=stride, folded=folded, after="relu")
            x = g.op("Relu", [g.op("Add", [y, x], scope[:-1])], f"{scope}relu")
            inputs = width * 4
    head(g, x, "fc", 2048, "relu")
    return g


def mobilenetv2():
    """Sandler et al., 2018 (arXiv:1801.04381); 3,504,872 parameters."""
    g = Graph("mobilenetv2", 13)

    def relu6(x, scope):
        return g.op("Clip", [x, g.constant(scope, np.float32(0)), g.constant(scope, np.float32(6))], scope)

    def conv_bn(x, scope, index, size, **options):
        return g.conv_bn(x, (f"{scope}.{index}", f"{scope}.{index + 1}"), size, **options)

    x = g.input("images", ["batch", 3, 224, 224])
    x = relu6(conv_bn(x, "features.0", 0, (3, 32, 3), stride=2), "features.0.2")
    after, inputs, number = "relu6", 32, 1
    for expansion, width, repeats, first_stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                                    (6, 160, 3, 2), (6, 320, 1, 1)):
        for repeat in range(repeats):
            scope, stride, hidden = f"features.{number}.conv", first_stride if repeat == 0 else 1, inputs * expansion
            y, index = x, 0
            if expansion != 1:
                y = relu6(conv_bn(y, f"{scope}.0", 0, (inputs, hidden, 1), after=after), f"{scope}.0.2")
                index = 1
            y = relu6(conv_bn(y, f"{scope}.{index}", 0, (hidden, hidden, 3), stride=stride, groups=hidden, after="relu6"),
                      f"{scope}.{index}.2")
            residual = stride == 1 and inputs == width
            y = conv_bn(y, scope, index + 1, (hidden, width, 1), after="relu6", shrink=0.5 if residual else 1.0)
            x = g.op("Add", [x, y], f"features.{number}") if residual else y
            after, inputs, number = "linear", width, number + 1
    x = relu6(conv_bn(x, "features.18", 0, (320, 1280, 1)), "features.18.2")
    head(g, x, "classifier.1", 1280, "relu6")
    return g


def efficientnet_b0():
    """Tan and Le, 2019 (arXiv:1905.11946); 5,288,548 parameters."""
    g = Graph("efficientnet_b0", 17)

    def conv_bn(x, scope, size, **options):
        return g.conv_bn(x, (f"{scope}.0", f"{scope}.1"), size, **options)

    def squeeze_excite(x, scope, width, squeezed):
        y = g.op("GlobalAveragePool", [x], f"{scope}.avgpool")
        y = g.silu(g.conv(y, f"{scope}.fc1", (width, squeezed, 1), after="silu"), f"{scope}.activation")
        y = g.op("Sigmoid", [g.conv(y, f"{scope}.fc2", (squeezed, width, 1), after="silu")], f"{scope}.scale_activation")
        return g.op("Mul", [y, x], scope)

    x = g.input("images", ["batch", 3, 224, 224])
    x = g.silu(conv_bn(x, "features.0", (3, 32, 3), stride=2), "features.0.2")
    after, inputs = "silu", 32
    stages = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
              (6, 3, 1, 320, 1))
    for stage, (expansion, kernel, first_stride, width, repeats) in enumerate(stages, 1):
        for repeat in range(repeats):
            scope, stride, hidden = f"features.{stage}.{repeat}.block", first_stride if repeat == 0 else 1, inputs * expansion
            y, index = x, 0
            if expansion != 1:
                y = g.silu(conv_bn(y, f"{scope}.0", (inputs, hidden, 1), after=after), f"{scope}.0.2")
                index = 1
            y = g.silu(conv_bn(y, f"{scope}.{index}", (hidden, hidden, kernel), stride=stride, groups=hidden, after="silu"),
                       f"{scope}.{index}.2")
            y = squeeze_excite(y, f"{scope}.{index + 1}", hidden, max(1, inputs // 4))
            residual = stride == 1 and inputs == width
            # What is added to a residual sum is smaller, so that the sum stays of one size.
            y = conv_bn(y, f"{scope}.{index + 2}", (hidden, width, 1), after="silu", shrink=0.6 if residual else 1.2)
            x = g.op("Add", [y, x], f"features.{stage}.{repeat}") if residual else y
            after, inputs = "linear", width
    x = g.silu(conv_bn(x, "features.8", (320, 1280, 1)), "features.8.2")
    head(g, x, "classifier.1", 1280, "silu")
    return g
