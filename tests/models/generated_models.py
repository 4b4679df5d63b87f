#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The smallest models of bench/models against ONNX Runtime, so that the generator and what it makes stay right.

usage: generated_models.py --strop PATH

MiniLM of one layer and few words, ViT of one layer, MobileNetV2 whole: valid to the ONNX checker, with the published number of
parameters where the model is whole, the same bytes when made twice, and the same results from Strop within 1e-4.
"""

import argparse
import pathlib
import sys
import tempfile

import onnx
import onnxruntime as ort

from compare_models import TOLERANCE, Tally, load_output, relative_error, run_strop

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench/models"))
import catalogue  # pylint: disable=wrong-import-position
import transformers  # pylint: disable=wrong-import-position

WORDS = 100


def cases():
    [minilm] = catalogue.find(["minilm"])
    inputs = minilm.sample(2, 0)
    inputs["input_ids"] %= WORDS
    inputs["attention_mask"][1, 90:] = 0
    yield minilm, lambda: transformers.minilm(1, WORDS), inputs
    [vit] = catalogue.find(["vit_b16"])
    yield vit, lambda: transformers.vit_b16(1), vit.sample(2, 0)
    [mobilenet] = catalogue.find(["mobilenetv2"])
    yield mobilenet, mobilenet.build, mobilenet.sample(1, 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strop", required=True)
    args = parser.parse_args()
    tally = Tally()
    for model, build, inputs in cases():
        graph = build()
        if build is model.build:
            tally.check(graph.parameters == model.parameters, f"{model.name}: {graph.parameters:,} parameters")
        proto = graph.model()
        onnx.checker.check_model(proto, full_check=True)
        data = proto.SerializeToString()
        tally.check(data == build().model().SerializeToString(), f"{model.name}: made twice, the same bytes")
        session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            (work / "model.onnx").write_bytes(data)
            try:
                out = run_strop(args.strop, work / "model.onnx", inputs, work / "run", ["--device", "cpu", "--no-tuning", "--no-verify"])
            except RuntimeError as error:
                tally.check(False, f"{model.name}: {error}")
                continue
            for name, expected in zip(names, session.run(names, inputs)):
                error = relative_error(load_output(out, name), expected)
                tally.check(error <= TOLERANCE, f"{model.name}: {error:.1e} at output {name}")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
