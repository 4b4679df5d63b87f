#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SqueezeNet 1.1 and the quantised MobileNetV2 on photos, through the command line.

usage: classify_photos.py --strop PATH --data DIR [--device cpu]

SqueezeNet: at least 80 % of the photos have their class among the first five. MobileNetV2 Q/DQ with --precise: the same first class
as ONNX Runtime on every photo (ties count as equal), and within four output quantisation steps of its published expected output,
95 % of the values within one. ONNX Runtime runs without its optimisations, which is what the model says: on processors without
VNNI its integer convolutions saturate in 16 bits, and then its own two ways agree on fewer photos than Strop and the plain one.

In integers (docs/int8.md) other values than ONNX Runtime's are rounded the other way, and the differences grow from layer to layer: accuracy
may not suffer (one photo), no output is farther from either of ONNX Runtime's ways than twice what they are from each other, and where the first class is
another, ONNX Runtime's scores of both are as close as that.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from PIL import Image

from compare_models import Tally, load_output, run_strop

BATCH = 25


def preprocess(path, crop):
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.BILINEAR)
    left, top = (image.width - crop) // 2, (image.height - crop) // 2
    array = np.asarray(image.crop((left, top, left + crop, top + crop)), dtype=np.float32) / 255
    array = (array - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    return array.transpose(2, 0, 1)


def photos(data, crop):
    rows = [line.split("\t") for line in (data / "images" / "imagenet.tsv").read_text().splitlines()[1:]]
    images = np.stack([preprocess(data / "images" / "imagenet" / row[0], crop) for row in rows])
    return images.astype(np.float32), np.array([int(row[1]) for row in rows])


def run_batches(args, model, name, output, images, work, options=()):
    work.mkdir(parents=True)
    engine = work / "model.strop"
    parts = []
    build = subprocess.run([args.strop, "build", str(model), "-o", str(engine), "--device", args.device, "--no-verify",
                            "--no-tuning", *options], capture_output=True, text=True, timeout=600)
    if build.returncode != 0:
        raise RuntimeError(build.stderr.strip()[-2000:])
    for start in range(0, len(images), BATCH):
        out = run_strop(args.strop, engine, {name: images[start:start + BATCH]}, work / f"batch{start}", [])
        parts.append(load_output(out, output))
    return np.concatenate(parts)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strop", required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    models = args.data / "models"
    tally = Tally()
    if not (models / "squeezenet1_1_imagenet.onnx").exists():
        print("skip  the models are not there\n0 passed, 0 failed, 1 skipped")
        return 0
    with tempfile.TemporaryDirectory(prefix="strop_") as folder:
        work = pathlib.Path(folder)
        images, classes = photos(args.data, 224)
        logits = run_batches(args, models / "squeezenet1_1_imagenet.onnx", "in0", "logits", images, work / "s")
        top = np.argsort(-logits, axis=1)
        top5 = np.mean([c in row[:5] for c, row in zip(classes, top)])
        tally.check(top5 >= 0.8, f"SqueezeNet 1.1: top-1 {np.mean(top[:, 0] == classes):.1%}, top-5 {top5:.1%} of "
                                 f"{len(classes)} photos")

        model = models / "mobilenetv2_qdq_imagenet.onnx"
        images, classes = photos(args.data, 244)
        def run_ort(level):
            options = ort.SessionOptions()
            options.graph_optimization_level = level
            session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
            return np.concatenate([session.run(["scores"], {"image": images[i:i + BATCH]})[0]
                                   for i in range(0, len(images), BATCH)])
        plain = run_ort(ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
        optimised = run_ort(ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
        step = np.diff(np.unique(plain)).min()  # of the output's quantisation

        def accuracy(scores):
            return np.mean(scores.argmax(1) == classes)

        scores = run_batches(args, model, "image", "scores", images, work / "m", ["--precise"])
        def agreement(a, b):  # photos with the same first class, ties counting as equal
            return sum(x.max() == x[y.argmax()] or y.max() == y[x.argmax()] for x, y in zip(a, b))
        same = agreement(scores, plain)
        tally.check(same == len(images), f"MobileNetV2 Q/DQ, precise: first class as ONNX Runtime's on {same} of {len(images)} "
                                         f"photos; top-1 {accuracy(scores):.1%}")

        scores = run_batches(args, model, "image", "scores", images, work / "i")
        tally.check(accuracy(scores) >= accuracy(plain) - 1.01 / len(images),
                    f"MobileNetV2 Q/DQ, integers: top-1 {accuracy(scores):.1%}, ONNX Runtime {accuracy(plain):.1%}")
        own = np.abs(plain - optimised).max() / step
        for expected, way in ((plain, "plain"), (optimised, "optimised")):
            apart = np.abs(scores - expected).max() / step
            lost = max(expected[i].max() - expected[i][scores[i].argmax()] for i in range(len(images))) / step
            tally.check(apart <= 2 * own + 0.01 and lost <= own + 0.01,
                        f"MobileNetV2 Q/DQ, integers: at most {apart:.1f} steps from ONNX Runtime's {way} way, whose ways are "
                        f"{own:.1f} apart; the classes named are {lost:.1f} steps below its best, the same "
                        f"on {agreement(scores, expected)} photos (its own ways: {agreement(plain, optimised)})")

        test = models / "mobilenetv2_qdq_imagenet.test_data_set_0"
        def read(name):
            return onnx.numpy_helper.to_array(onnx.load_tensor(str(test / name)))
        published = read("output_0.pb")
        got = load_output(run_strop(args.strop, model, {"image": read("input_0.pb")}, work / "p",
                                    ["--device", args.device, "--no-tuning", "--precise"]), "scores")
        steps = np.abs(got - published) / step
        tally.check(steps.max() <= 4.01 and np.mean(steps <= 1.01) >= 0.95,
                    f"MobileNetV2 Q/DQ, precise: published output within {steps.max():.2f} steps, "
                    f"{np.mean(steps <= 1.01):.1%} within one")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
