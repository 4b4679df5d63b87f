# SPDX-License-Identifier: Apache-2.0
"""INT8 versions of the generated models, made by ONNX Runtime's quantiser so that every engine gets the same file.

Static: Q/DQ, weights s8 per channel, activations u8, ranges from a few seeded inputs. Whatever the tool quantises by default is
quantised, with two exceptions that everybody makes: of an encoder only the matrix products, of a detector nothing that comes after
the last convolutions (coordinates of pixels do not fit into eight bits). Dynamic: the tool's defaults.
"""
import logging
import pathlib
import tempfile

import onnx
from onnxruntime import quantization

import classifiers

SAMPLES = 4


class Samples(quantization.CalibrationDataReader):
    def __init__(self, inputs):
        self.inputs = iter(inputs)

    def get_next(self):
        return next(self.inputs, None)


def without(text):
    """The quantiser repeats advice on the root logger for every model; warnings and errors stay."""
    return lambda record: text not in record.getMessage()


def quantize_static(model, source, target, **options):
    samples = Samples([model.sample(1, seed) for seed in range(100, 100 + SAMPLES)])
    quantization.quantize_static(source, target, samples, quant_format=quantization.QuantFormat.QDQ, per_channel=True,
                                 activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
                                 calibrate_method=quantization.CalibrationMethod.MinMax, **options)


def quantize(model, source, target):
    """Writes the quantised `model` to `target`; `source` is the file of the FP32 model."""
    logging.getLogger().addFilter(without("pre-processing before quantization"))
    if model.name == "resnet50_qdq":
        # From the form with normalisation folded: the quantiser leaves a BatchNormalization in FP32.
        with tempfile.TemporaryDirectory() as folder:
            folded = pathlib.Path(folder) / "folded.onnx"
            onnx.save(classifiers.resnet50(folded=True).model(), folded)
            quantize_static(model, folded, target)
    elif model.name == "yolov5s_qdq":
        decoding = [n.name for n in onnx.load(source).graph.node if n.name.startswith("/model.24/")]
        quantize_static(model, source, target, nodes_to_exclude=decoding)
    elif model.name == "bert_base_qdq":
        quantize_static(model, source, target, op_types_to_quantize=["MatMul", "Gemm"])
    elif model.name == "bert_base_dynamic":
        quantization.quantize_dynamic(source, target, weight_type=quantization.QuantType.QInt8)
    elif model.name == "yolov8n_dynamic":
        # ONNX Runtime has no ConvInteger with s8 weights on CPUs.
        quantization.quantize_dynamic(source, target, weight_type=quantization.QuantType.QUInt8)
    else:
        raise SystemExit(f"nobody has said how to quantise {model.name}")
