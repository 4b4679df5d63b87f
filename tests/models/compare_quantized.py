#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Quantised operators and models against ONNX Runtime, through the command line.

usage: compare_quantized.py --strop PATH [--data DIR] [--devices reference,cpu] [--only TEXT]

Small seeded models of every quantised operator (quantized_cases.py): int32 sums and what moves elements must be equal, requantised
results may differ by one step, real ones by the tolerance of FP32. Then what ONNX Runtime's quantiser makes of a network of all kinds
of layers and of the models in DIR: the answers must be the same class, and a few steps apart at most. ONNX Runtime runs with its graph optimisations off, so that it
computes what the file says. Prints one line a check and "N passed, N failed, N skipped" at the end.
"""

import argparse
import logging
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime import quantization

import quantized_cases
from compare_models import Tally, load_output, run_strop

# Of the range of the result, for what comes out of a whole quantised model: a value that is one step off in an early layer moves
# all that follow.
MODEL_STEPS = 4


def run_onnxruntime(path, inputs):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def difference(got, expected):
    """Largest absolute difference, how many differ; infinite where type or shape do."""
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return float("inf"), f"{got.dtype}{list(got.shape)} instead of {expected.dtype}{list(expected.shape)}"
    if got.size == 0:
        return 0.0, "empty"
    a, b = got.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    apart = np.where(np.isnan(apart), np.inf, apart)
    return float(apart.max()), f"{np.count_nonzero(apart)} of {apart.size} differ, by {apart.max():.3g} at most"


def compare_case(args, case, folder, tally):
    path = folder / "model.onnx"
    onnx.save(case.model, path)
    try:
        expected = case.expected or run_onnxruntime(path, case.inputs)
    except Exception as error:  # pylint: disable=broad-except
        tally.check(False, f"{case.name}: ONNX Runtime: {str(error)[:300]}")
        return
    for device in args.devices:
        try:
            out = run_strop(args.strop, path, case.inputs, folder / device, ["--device", device])
        except RuntimeError as error:
            tally.check(False, f"{case.name} on {device}: {error}")
            continue
        worst, text, allowed = 0.0, "equal", 0.0
        for name, wanted in expected.items():
            apart, how = difference(load_output(out, name), wanted)
            limit = case.tolerance
            if limit < 1 and np.issubdtype(wanted.dtype, np.floating) and wanted.size:
                limit *= max(1.0, float(np.abs(wanted.astype(np.float64)).max()))
            if apart > worst or apart > limit:
                worst, text, allowed = apart, f"{name}: {how}", limit
        tally.check(worst <= allowed, f"{case.name} on {device}: {text}")


def compare_refusal(args, name, model, words, folder, tally):
    path = folder / "model.onnx"
    onnx.save(model, path)
    done = subprocess.run([args.strop, "build", str(path), "-o", str(folder / "engine.strop")], capture_output=True, text=True,
                          timeout=300)
    tally.check(done.returncode != 0 and words in done.stderr, f"{name} is refused: {words}")


class Samples(quantization.CalibrationDataReader):
    def __init__(self, name, samples):
        self.batches = iter([{name: x} for x in samples])

    def get_next(self):
        return next(self.batches, None)


def picture_like(rng, shape):
    """Smooth random planes: what a classifier trained on pictures can tell apart."""
    coarse = rng.uniform(-2, 2, (*shape[:2], max(1, shape[2] // 16), max(1, shape[3] // 16)))
    x = coarse.repeat(-(-shape[2] // coarse.shape[2]), 2).repeat(-(-shape[3] // coarse.shape[3]), 3)
    return np.ascontiguousarray(x[:, :, :shape[2], :shape[3]], np.float32)


def quantized_models(source, folder, name, samples):
    """What the quantiser makes of a model, by what it was asked for."""
    static = {"calibrate_method": quantization.CalibrationMethod.MinMax}
    kinds = {
        "QOperator u8": dict(quant_format=quantization.QuantFormat.QOperator, activation_type=quantization.QuantType.QUInt8,
                             weight_type=quantization.QuantType.QUInt8),
        "QOperator s8 per channel": dict(quant_format=quantization.QuantFormat.QOperator, per_channel=True, reduce_range=True,
                                         activation_type=quantization.QuantType.QUInt8,
                                         weight_type=quantization.QuantType.QInt8),
        "QDQ s8 per channel": dict(quant_format=quantization.QuantFormat.QDQ, per_channel=True,
                                   activation_type=quantization.QuantType.QInt8, weight_type=quantization.QuantType.QInt8),
        "QDQ u16": dict(quant_format=quantization.QuantFormat.QDQ, activation_type=quantization.QuantType.QUInt16,
                        weight_type=quantization.QuantType.QInt8),
    }
    for kind, options in kinds.items():
        path = folder / f"{kind.replace(' ', '_')}.onnx"
        quantization.quantize_static(source, path, Samples(name, samples), **static, **options)
        yield kind, path
    path = folder / "dynamic.onnx"
    quantization.quantize_dynamic(source, path, weight_type=quantization.QuantType.QUInt8)
    yield "dynamic", path


def compare_model(args, model_name, source, shape, folder, tally):
    name = onnx.load(source, load_external_data=False).graph.input[0].name
    rng = np.random.default_rng(11)
    samples = [picture_like(rng, shape) for _ in range(4)]
    for kind, path in quantized_models(source, folder, name, samples):
        for device in args.devices:
            worst, same, top = 0.0, True, True
            try:
                for x in samples[:2]:
                    expected = run_onnxruntime(path, {name: x})
                    out = run_strop(args.strop, path, {name: x}, folder / device, ["--device", device])
                    for output, wanted in expected.items():
                        got = load_output(out, output)
                        same = same and got.shape == wanted.shape and got.dtype == wanted.dtype
                        top = top and np.array_equal(got.argmax(-1), wanted.argmax(-1))
                        worst = max(worst, float(np.abs(got - wanted).max() / (wanted.max() - wanted.min())))
            except RuntimeError as error:
                tally.check(False, f"{model_name} {kind} on {device}: {error}")
                continue
            tally.check(same and top and worst <= MODEL_STEPS / 255,
                        f"{model_name} {kind} on {device}: {worst * 255:.2f} of 255 steps apart, "
                        f"{'the same' if top else 'another'} class")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strop", required=True)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--devices", default="reference,cpu")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    args.devices = args.devices.split(",")
    logging.disable(logging.WARNING)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="strop_") as folder:
        work = pathlib.Path(folder)
        for case in quantized_cases.cases():
            if args.only in case.name:
                compare_case(args, case, work, tally)
        for name, model, words in quantized_cases.refusals():
            if args.only in name:
                compare_refusal(args, name, model, words, work, tally)
        if args.only in "all layers":
            onnx.save(quantized_cases.all_layers(), work / "all_layers.onnx")
            compare_model(args, "all layers", work / "all_layers.onnx", (2, 3, 32, 32), work, tally)
        for name, shape in {"mnist": (1, 1, 28, 28), "squeezenet1_1_imagenet": (1, 3, 224, 224)}.items():
            if args.only not in name:
                continue
            if args.data is None or not (args.data / "models" / f"{name}.onnx").exists():
                print(f"skip  {name}: its file is not there")
                tally.skipped += 1
                continue
            compare_model(args, name, args.data / "models" / f"{name}.onnx", shape, work, tally)
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
