#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real models against ONNX Runtime, through the command line.

usage: compare_models.py --strop PATH --data DIR [--ocr DIR] [--work DIR] [--models NAME,...] [--devices reference,cpu]

For each model and device: `strop run` on fixed random inputs; the largest error of every output, relative to the largest value
of ONNX Runtime's, is at most 1e-4. Models that keep a state get several chunks of sound, each with the state that came out with the
one before, on either side its own. For cpu also: build, save, run the file in a new process with the same timing cache; the bytes
must be those of building and running in one process. Prints one line a check and "N passed, N failed, N skipped" at the end.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort

TOLERANCE = 1e-4

# Input shapes by model; dimensions that the model leaves open get these sizes. Weights of the light graphs are one repeated
# value, so they are refilled with seeded ones first.
MODELS = {
    "mnist": {"input.1": (1, 1, 28, 28)},
    "squeezenet1_1_imagenet": {"in0": (2, 3, 224, 224)},
    "nanodet_m": {"input.1": (1, 3, 416, 416)},
    "ultraface_rfb_320": {"input": (1, 3, 240, 320)},
    "oww_melspectrogram": {"input": (1, 16000)},
    "oww_embedding": {"input_1": (2, 76, 32, 1)},
    "ch_PP-OCRv4_det_infer": {"x": (1, 3, 160, 224)},
    "ch_PP-OCRv4_rec_infer": {"x": (1, 3, 48, 320)},
    "ch_ppocr_mobile_v2.0_cls_infer": {"x": (1, 3, 48, 192)},
    "light_bvlc_alexnet": {"data_0": (1, 3, 224, 224)},
    "light_densenet121": {"data_0": (1, 3, 224, 224)},
    "light_inception_v1": {"data_0": (1, 3, 224, 224)},
    "light_inception_v2": {"data_0": (1, 3, 224, 224)},
    "light_resnet50": {"gpu_0/data_0": (1, 3, 224, 224)},
    "light_shufflenet": {"gpu_0/data_0": (1, 3, 224, 224)},
    "light_squeezenet": {"data_0": (1, 3, 224, 224)},
    "light_vgg19": {"data_0": (1, 3, 224, 224)},
    "light_zfnet512": {"gpu_0/data_0": (1, 3, 224, 224)},
}

# Models that hear a stream: sampling rates, and how many samples they take at a time.
STREAMS = {
    "silero_vad": {16000: 576, 8000: 288},
    "silero_vad_op18_ifless": {16000: 576, 8000: 288},
}
CHUNKS = 6


def refill(path, target):
    """Gives a light graph seeded weights: each ConstantOfShape becomes a random initializer of that shape. A softmax at the end
    goes: with random weights it is a one and zeros, whatever was computed before it."""
    model = onnx.load(path)
    graph = model.graph
    values = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    rng = np.random.default_rng(7)
    users = {}
    for node in graph.node:
        for index, name in enumerate(node.input):
            users.setdefault(name, (node.op_type, index))
    kept, filled = [], []
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = [int(d) for d in values[node.input[0]]]
        name = node.output[0]
        use, index = users.get(name, ("", 0))
        if use == "BatchNormalization" and index in (1, 4):  # scale and variance stay positive
            array = rng.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:  # keeps the size of activations from layer to layer
            fan = int(np.prod(shape[1:])) if len(shape) > 2 else max(shape)
            array = rng.normal(0, np.sqrt(2.0 / fan), shape)
        else:
            array = rng.normal(0, 0.1, shape)
        filled.append(onnx.numpy_helper.from_array(array.astype(np.float32), name))
    last = kept[-1]
    if last.op_type == "Softmax":
        kept.pop()
        graph.output[0].name = last.input[0]
    del graph.node[:]
    graph.node.extend(kept)
    graph.initializer.extend(filled)
    onnx.save(model, target)


def find_model(name, data, ocr):
    for folder in (data / "models", data / "models" / "light", ocr):
        if folder is not None and (folder / f"{name}.onnx").exists():
            return folder / f"{name}.onnx"
    return None


def random_inputs(shapes):
    rng = np.random.default_rng(3)
    return {name: rng.uniform(-1, 1, shape).astype(np.float32) for name, shape in shapes.items()}


def run_strop(strop, model, inputs, work, options):
    work.mkdir(parents=True, exist_ok=True)
    command = [strop, "run", str(model), "--output", str(work / "out")]
    for index, (name, array) in enumerate(inputs.items()):
        path = work / f"input{index}.npy"
        np.save(path, array)
        command += ["--input", f"{name}={path}"]
    done = subprocess.run(command + options, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-2000:] or f"exit code {done.returncode}")
    return work / "out"


def load_output(folder, name):
    return np.load(folder / (name.replace("/", "_") + ".npy"))


def relative_error(got, expected):
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return float("inf")
    if got.size == 0:
        return 0.0
    difference = np.abs(got.astype(np.float64) - expected.astype(np.float64)).max()
    scale = np.abs(expected.astype(np.float64)).max()
    return float(difference / scale) if scale > 0 else float(difference)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, ok, text):
        print(("ok    " if ok else "FAIL  ") + text, flush=True)
        if ok:
            self.passed += 1
        else:
            self.failed += 1


def quiet_session():
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return options


def compare_model(args, name, path, tally):
    with tempfile.TemporaryDirectory(prefix="strop_", dir=args.work) as folder:
        work = pathlib.Path(folder)
        if name.startswith("light_"):
            refill(path, work / "model.onnx")
            path = work / "model.onnx"
        inputs = random_inputs(MODELS[name])
        session = ort.InferenceSession(str(path), quiet_session(), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        expected = dict(zip(names, session.run(names, inputs)))
        del session
        for device in args.devices:
            cache = work / "timing.json"
            try:
                out = run_strop(args.strop, path, inputs, work / device, ["--device", device, "--timing-cache", str(cache)])
                errors = {n: relative_error(load_output(out, n), expected[n]) for n in names}
                worst = max(errors, key=errors.get)
                tally.check(errors[worst] <= TOLERANCE, f"{name} on {device}: {errors[worst]:.2e} at output {worst}")
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                tally.check(False, f"{name} on {device}: {error}")
                continue
            if device != "cpu":
                continue
            engine = work / "model.strop"
            build = [args.strop, "build", str(path), "-o", str(engine), "--device", device, "--timing-cache", str(cache),
                     "--no-verify"]
            done = subprocess.run(build, capture_output=True, text=True, timeout=600)
            if done.returncode != 0:
                tally.check(False, f"{name} built: {done.stderr.strip()[-2000:]}")
                continue
            try:
                again = run_strop(args.strop, engine, inputs, work / "loaded", [])
                same = all(np.array_equal(load_output(out, n).view(np.uint8), load_output(again, n).view(np.uint8))
                           for n in names)
                tally.check(same, f"{name}: the saved engine gives the same bytes in a new process")
            except (RuntimeError, OSError) as error:
                tally.check(False, f"{name}: the saved engine: {error}")


def sound(rate, samples):
    """Tones that come and go over noise, [batch of 2, samples]."""
    rng = np.random.default_rng(5)
    time = np.arange(samples) / rate
    voice = sum(np.sin(2 * np.pi * f * time) / k for k, f in enumerate((180, 360, 720, 1450), 1))
    loud = np.clip(np.sin(2 * np.pi * 3 * time), 0, None)
    quiet = rng.normal(0, 0.01, (2, samples))
    return (quiet + np.stack([0.4 * loud * voice, 0.05 * voice])).astype(np.float32)


def compare_stream(args, name, path, tally):
    session = ort.InferenceSession(str(path), quiet_session(), providers=["CPUExecutionProvider"])
    with tempfile.TemporaryDirectory(prefix="strop_", dir=args.work) as folder:
        work = pathlib.Path(folder)
        for device in args.devices:
            engine = work / f"{device}.strop"
            build = subprocess.run([args.strop, "build", str(path), "-o", str(engine), "--device", device, "--no-tuning"],
                                   capture_output=True, text=True, timeout=600)
            if build.returncode != 0:
                tally.check(False, f"{name} on {device}: {build.stderr.strip()[-2000:]}")
                continue
            for rate, size in STREAMS[name].items():
                samples = sound(rate, CHUNKS * size)
                states = [np.zeros((2, 2, 128), np.float32)] * 2
                worst, heard = 0.0, []
                try:
                    for chunk in range(CHUNKS):
                        part = {"input": samples[:, chunk * size:(chunk + 1) * size], "sr": np.array(rate, np.int64)}
                        expected = session.run(["output", "stateN"], {**part, "state": states[0]})
                        out = run_strop(args.strop, engine, {**part, "state": states[1]}, work / f"{device}_{rate}_{chunk}", [])
                        got = [load_output(out, n) for n in ("output", "stateN")]
                        worst = max(worst, *(relative_error(g, e) for g, e in zip(got, expected)))
                        heard.append(float(expected[0].max()))
                        states = [expected[1], got[1]]
                    tally.check(worst <= TOLERANCE, f"{name} on {device}, {CHUNKS} chunks at {rate} Hz: {worst:.2e}, "
                                                    f"speech up to {max(heard):.2f}")
                except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                    tally.check(False, f"{name} on {device} at {rate} Hz: {error}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strop", required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--ocr", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--models")
    parser.add_argument("--devices", default="reference,cpu")
    args = parser.parse_args()
    args.devices = args.devices.split(",")
    names = args.models.split(",") if args.models else list(MODELS) + list(STREAMS)
    tally = Tally()
    for name in names:
        path = find_model(name, args.data, args.ocr)
        if path is None:
            print(f"skip  {name}: its file is not there")
            tally.skipped += 1
            continue
        (compare_stream if name in STREAMS else compare_model)(args, name, path, tally)
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
