# SPDX-License-Identifier: Apache-2.0
"""YOLO detectors as their own exporter writes them: normalisation folded, boxes decoded in the graph, batch left open."""
import numpy as np

from graph import Graph

ANCHORS = ((10, 13, 16, 30, 33, 23), (30, 61, 62, 45, 59, 119), (116, 90, 156, 198, 373, 326))
STRIDES = (8, 16, 32)
CLASSES = 80

# SiLU lets through more of large values than of small ones, so a gain that is right for a deviation of one makes values grow
# without end once they are larger. Of these units values settle at about 0.2; the last convolutions make up for it.
UNIT = 0.8
LAST = 3.0


class Yolo(Graph):
    """The modules that version 5 and 8 share."""

    def unit(self, x, scope, size, stride=1, padding=None, after="silu", shrink=UNIT):
        x = self.conv_bn(x, (f"{scope}.conv", f"{scope}.bn"), size, stride=stride, padding=padding, after=after, eps=1e-3,
                         shrink=shrink)
        return self.silu(x, f"{scope}.act")

    def bottleneck(self, x, scope, width, kernels, shortcut):
        y = self.unit(x, f"{scope}.cv1", (width, width, kernels[0]))
        y = self.unit(y, f"{scope}.cv2", (width, width, kernels[1]), shrink=0.5 if shortcut else UNIT)
        return self.op("Add", [x, y], scope) if shortcut else y

    def sppf(self, x, scope, width):
        half = width // 2
        parts = [self.unit(x, f"{scope}.cv1", (width, half, 1))]
        for _ in range(3):
            parts.append(self.op("MaxPool", [parts[-1]], f"{scope}.m", kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1],
                                 dilations=[1, 1], ceil_mode=0))
        return self.unit(self.op("Concat", parts, scope, axis=1), f"{scope}.cv2", (half * 4, width, 1), shrink=0.6)

    def upsample(self, x, scope):
        scales = self.constant(scope, np.array([1, 1, 2, 2], np.float32))
        return self.op("Resize", [x, "", scales], scope, mode="nearest", nearest_mode="floor",
                       coordinate_transformation_mode="asymmetric", cubic_coeff_a=-0.75)

    def concat(self, parts, scope):
        return self.op("Concat", parts, scope, axis=1)


def grid(size):
    """Coordinates (x, y) of the cells of a map, [size, size, 2]."""
    y, x = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    return np.stack((x, y), -1).astype(np.float32)


def yolov5s(size=640):
    """Version 7.0 of YOLOv5, small; 7,235,389 parameters. f32[batch,3,640,640] -> f32[batch,25200,85]."""
    g = Yolo("yolov5s", 17)

    def c3(x, number, inputs, width, repeats, shortcut):
        scope, half = f"model.{number}", width // 2
        y = g.unit(x, f"{scope}.cv1", (inputs, half, 1))
        for i in range(repeats):
            y = g.bottleneck(y, f"{scope}.m.{i}", half, (1, 3), shortcut)
        joined = g.concat([y, g.unit(x, f"{scope}.cv2", (inputs, half, 1))], scope)
        return g.unit(joined, f"{scope}.cv3", (width, width, 1))

    x = g.input("images", ["batch", 3, size, size])
    x = g.unit(x, "model.0", (3, 32, 6), 2, 2, after="linear")
    x = c3(g.unit(x, "model.1", (32, 64, 3), 2), 2, 64, 64, 1, True)
    p3 = c3(g.unit(x, "model.3", (64, 128, 3), 2), 4, 128, 128, 2, True)
    p4 = c3(g.unit(p3, "model.5", (128, 256, 3), 2), 6, 256, 256, 3, True)
    x = c3(g.unit(p4, "model.7", (256, 512, 3), 2), 8, 512, 512, 1, True)
    n5 = g.unit(g.sppf(x, "model.9", 512), "model.10", (512, 256, 1))
    x = c3(g.concat([g.upsample(n5, "model.11"), p4], "model.12"), 13, 512, 256, 1, False)
    n4 = g.unit(x, "model.14", (256, 128, 1))
    d3 = c3(g.concat([g.upsample(n4, "model.15"), p3], "model.16"), 17, 256, 128, 1, False)
    d4 = c3(g.concat([g.unit(d3, "model.18", (128, 128, 3), 2), n4], "model.19"), 20, 256, 256, 1, False)
    d5 = c3(g.concat([g.unit(d4, "model.21", (256, 256, 3), 2), n5], "model.22"), 23, 512, 512, 1, False)

    scope, fields, boxes = "model.24", CLASSES + 5, []
    for level, (x, width) in enumerate(((d3, 128), (d4, 256), (d5, 512))):
        cells, stride = size // STRIDES[level], STRIDES[level]
        x = g.conv(x, f"{scope}.m.{level}", (width, 3 * fields, 1), after="silu", shrink=LAST)
        batch = g.dimension(x, 0, scope)
        x = g.reshape(x, [batch, 3, fields, cells, cells], scope)
        x = g.op("Sigmoid", [g.op("Transpose", [x], scope, perm=[0, 1, 3, 4, 2])], scope)
        xy, wh, scores = g.op("Split", [x, g.constant(scope, np.array([2, 2, CLASSES + 1], np.int64))], scope, outputs=3, axis=4)
        xy = g.op("Mul", [xy, g.constant(scope, np.float32(2))], scope)
        offset = np.broadcast_to(grid(cells) - np.float32(0.5), (1, 3, cells, cells, 2))
        xy = g.op("Add", [xy, g.constant(scope, offset)], scope)
        xy = g.op("Mul", [xy, g.constant(scope, np.float32(stride))], scope)
        wh = g.op("Mul", [wh, g.constant(scope, np.float32(2))], scope)
        wh = g.op("Pow", [wh, g.constant(scope, np.float32(2))], scope)
        anchors = np.array(ANCHORS[level], np.float32).reshape(1, 3, 1, 1, 2)
        wh = g.op("Mul", [wh, g.constant(scope, np.broadcast_to(anchors, (1, 3, cells, cells, 2)))], scope)
        x = g.op("Concat", [xy, wh, scores], scope, axis=4)
        boxes.append(g.reshape(x, [batch, 3 * cells * cells, fields], scope))
    total = sum(3 * (size // s) ** 2 for s in STRIDES)
    g.output(g.op("Concat", boxes, scope, axis=1), "output0", ["batch", total, fields])
    return g


def yolov8n(size=640):
    """Ultralytics' YOLOv8, nano; 3,157,200 parameters. f32[batch,3,640,640] -> f32[batch,84,8400]."""
    g = Yolo("yolov8n", 17)

    def c2f(x, number, inputs, width, repeats, shortcut):
        scope, half = f"model.{number}", width // 2
        x = g.unit(x, f"{scope}.cv1", (inputs, width, 1))
        parts = g.op("Split", [x, g.constant(scope, np.array([half, half], np.int64))], scope, outputs=2, axis=1)
        for i in range(repeats):
            parts.append(g.bottleneck(parts[-1], f"{scope}.m.{i}", half, (3, 3), shortcut))
        return g.unit(g.concat(parts, scope), f"{scope}.cv2", (half * (2 + repeats), width, 1))

    x = g.input("images", ["batch", 3, size, size])
    x = g.unit(g.unit(x, "model.0", (3, 16, 3), 2, after="linear"), "model.1", (16, 32, 3), 2)
    x = c2f(x, 2, 32, 32, 1, True)
    p3 = c2f(g.unit(x, "model.3", (32, 64, 3), 2), 4, 64, 64, 2, True)
    p4 = c2f(g.unit(p3, "model.5", (64, 128, 3), 2), 6, 128, 128, 2, True)
    x = c2f(g.unit(p4, "model.7", (128, 256, 3), 2), 8, 256, 256, 1, True)
    p5 = g.sppf(x, "model.9", 256)
    n4 = c2f(g.concat([g.upsample(p5, "model.10"), p4], "model.11"), 12, 384, 128, 1, False)
    d3 = c2f(g.concat([g.upsample(n4, "model.13"), p3], "model.14"), 15, 192, 64, 1, False)
    d4 = c2f(g.concat([g.unit(d3, "model.16", (64, 64, 3), 2), n4], "model.17"), 18, 192, 128, 1, False)
    d5 = c2f(g.concat([g.unit(d4, "model.19", (128, 128, 3), 2), p5], "model.20"), 21, 384, 256, 1, False)

    scope, bins, levels = "model.22", 16, []
    for level, (x, width) in enumerate(((d3, 64), (d4, 128), (d5, 256))):
        def branch(name, hidden, outputs, x=x, width=width, level=level):
            prefix = f"{scope}.{name}.{level}"
            y = g.unit(x, f"{prefix}.0", (width, hidden, 3))
            y = g.unit(y, f"{prefix}.1", (hidden, hidden, 3))
            return g.conv(y, f"{prefix}.2", (hidden, outputs, 1), after="silu", shrink=LAST)

        y = g.concat([branch("cv2", 64, 4 * bins), branch("cv3", 80, CLASSES)], scope)
        levels.append(g.reshape(y, [g.dimension(y, 0, scope), 4 * bins + CLASSES, (size // STRIDES[level]) ** 2], scope))
    total = sum((size // s) ** 2 for s in STRIDES)
    x = g.op("Concat", levels, scope, axis=2)
    boxes, scores = g.op("Split", [x, g.constant(scope, np.array([4 * bins, CLASSES], np.int64))], scope, outputs=2, axis=1)

    # A distance is the mean of a distribution over 16 bins: softmax, then a convolution with weights 0 to 15.
    batch = g.dimension(boxes, 0, f"{scope}.dfl")
    y = g.reshape(boxes, [batch, 4, bins, total], f"{scope}.dfl")
    y = g.op("Softmax", [g.op("Transpose", [y], f"{scope}.dfl", perm=[0, 2, 1, 3])], f"{scope}.dfl", axis=1)
    weight = g.parameter(f"{scope}.dfl.conv.weight", np.arange(bins, dtype=np.float32).reshape(1, bins, 1, 1))
    y = g.op("Conv", [y, weight], f"{scope}.dfl.conv", dilations=[1, 1], group=1, kernel_shape=[1, 1], pads=[0] * 4, strides=[1, 1])
    y = g.reshape(y, [batch, 4, total], f"{scope}.dfl")

    def half(first):
        bounds = [g.constant(scope, np.array([v], np.int64)) for v in (first, first + 2, 1)]
        return g.op("Slice", [y, *bounds], scope)

    centres = np.concatenate([(grid(size // s) + np.float32(0.5)).reshape(-1, 2) for s in STRIDES]).T[None]
    low = g.op("Sub", [g.constant(scope, centres), half(0)], scope)
    high = g.op("Add", [g.constant(scope, centres), half(2)], scope)
    middle = g.op("Div", [g.op("Add", [low, high], scope), g.constant(scope, np.float32(2))], scope)
    box = g.op("Concat", [middle, g.op("Sub", [high, low], scope)], scope, axis=1)
    strides = np.concatenate([np.full((size // s) ** 2, s, np.float32) for s in STRIDES])[None]
    box = g.op("Mul", [box, g.constant(scope, strides)], scope)
    result = g.op("Concat", [box, g.op("Sigmoid", [scores], scope)], scope, axis=1)
    g.output(result, "output0", ["batch", 4 + CLASSES, total])
    return g
