# SPDX-License-Identifier: Apache-2.0
"""Strop as a contender: an engine that `strop build` made, run on buffers of the device through the C interface, or, where the
library has no such calls, measured by `strop bench`."""
import ctypes
import json
import pathlib
import subprocess
import sys
import time

import numpy as np
import torch

import engine_report

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "cpu"))
import strop_c  # pylint: disable=wrong-import-position

NUMPY = {number: dtype for dtype, number in strop_c.DTYPES.items()}
NUMBER = {torch.from_numpy(np.zeros(0, dtype)).dtype: number for dtype, number in strop_c.DTYPES.items() if dtype.kind != "u" or dtype.itemsize == 1}
TORCH = {number: dtype for dtype, number in NUMBER.items()}


class Build:
    """`strop build` of one model for one precision and shape. `seconds`: without any cache, and again with the timing cache."""

    def __init__(self, strop, model, engine, device, precision, shapes, options=()):
        self.model, self.engine, self.report = model, engine, engine.with_suffix(".report.json")
        cache = engine.with_suffix(".timings")
        cache.unlink(missing_ok=True)
        command = [strop, "build", model, "-o", engine, "--device", device, "--precision", precision, "--timing-cache", cache,
                   "--no-verify", "--report", self.report, *options]
        for name, shape in shapes.items():
            command += ["--shapes", f"{name}=" + "x".join(map(str, shape))]
        self.command = list(map(str, command))
        self.seconds = [self.run() for _ in range(2)]

    def run(self):
        start = time.monotonic()
        done = subprocess.run(self.command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"strop build: {done.stderr.strip()[-1500:]}")
        return time.monotonic() - start

    def describe(self):
        report = json.loads(self.report.read_text())
        return {"build_s": self.seconds[0], "build_with_timings_s": self.seconds[1], "engine_bytes": self.engine.stat().st_size,
                "steps_by_backend": engine_report.steps_by_backend(report), "layers_against_libraries": engine_report.against_libraries(report)}


class DeviceContext(strop_c.Context):
    """The calls of the C interface that take memory and streams of a device. All that this suite knows of them is here."""
    CALLS = ("strop_context_bind_device", "strop_context_bind_output_device", "strop_context_run_async")

    @classmethod
    def available(cls, library):
        return all(hasattr(library, name) for name in cls.CALLS)

    def describe(self, tensor):
        dims = (ctypes.c_int64 * max(1, tensor.dim()))(*tensor.shape)
        return strop_c.Tensor(NUMBER[tensor.dtype], tensor.dim(), dims, tensor.data_ptr(), tensor.numel() * tensor.element_size())

    def bind_device(self, name, tensor):
        self.runtime.call("strop_context_bind_device", self.handle, name.encode(), ctypes.byref(self.describe(tensor)))

    def bind_output_device(self, name, tensor):
        self.runtime.call("strop_context_bind_output_device", self.handle, name.encode(), ctypes.c_void_p(tensor.data_ptr()),
                          ctypes.c_uint64(tensor.numel() * tensor.element_size()))

    def run_async(self, stream):
        self.runtime.call("strop_context_run_async", self.handle, ctypes.c_void_p(stream))


class Strop:
    """On PyTorch's current stream, like its contenders. `like`: tensors of the outputs' shapes, in the order of the outputs."""
    replays = True

    def __init__(self, runtime, engine, inputs, like):
        self.context = DeviceContext(runtime, engine, threads=0)
        self.inputs = {name: tensor.to(TORCH[number]).contiguous().clone() for (name, number), tensor in
                       zip(self.context.input_types(), inputs.values())}
        self.results = [torch.empty(tensor.shape, dtype=TORCH[number], device=tensor.device) for (_, number), tensor in
                        zip(self.context.output_types(), like)]
        for name, tensor in self.inputs.items():
            self.context.bind_device(name, tensor)
        for name, tensor in zip(self.context.names, self.results):
            self.context.bind_output_device(name, tensor)
        for _ in range(3):
            self.enqueue()
        torch.cuda.synchronize()

    def feed(self, inputs):
        for own, tensor in zip(self.inputs.values(), inputs.values()):
            own.copy_(tensor)

    def enqueue(self):
        self.context.run_async(torch.cuda.current_stream().cuda_stream)

    def outputs(self):
        return [tensor.float().cpu().numpy() for tensor in self.results]

    def memory_bytes(self):
        return None

    def timed_by(self):
        return "device events"


HOST_FREE = {"cuda", "runtime"}  # backends of steps that leave nothing to compute on the host


class StropProcess:
    """By the command line: times are those that `strop bench` reports for its own inputs, outputs those of `strop run`."""

    def __init__(self, strop, runtime, engine, inputs, folder, device, backends):
        # What runs on the host is not part of the time on the device, so that time alone would be a fraction of the run.
        self.whole_on_device = "cuda" in backends and set(backends) <= HOST_FREE
        self.strop, self.engine, self.folder, self.device = strop, engine, folder, device
        context = strop_c.Context(runtime, engine, threads=0)
        self.inputs, self.outputs_names = context.input_types(), context.names
        self.shapes = [f"{name}=" + "x".join(map(str, tensor.shape)) for name, tensor in inputs.items()]
        self.last = {}
        self.feed(inputs)

    def call(self, *arguments):
        done = subprocess.run([str(self.strop), *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"strop {arguments[0]}: {done.stderr.strip()[-1500:]}")

    def feed(self, inputs):
        self.fed = list(inputs.values())

    def enqueue(self):
        """All of it happens in outputs()."""

    def measure(self, seconds):
        file = self.folder / "bench.json"
        shapes = [part for shape in self.shapes for part in ("--shape", shape)]
        self.call("bench", self.engine, "--device", self.device, "--duration", seconds, "--json", file, *shapes)
        self.last = json.loads(file.read_text())
        latency = self.last["device_latency_ms" if self.on_device() else "latency_ms"]
        return {"median_ms": latency["median"], "min_ms": latency["min"], "p95_ms": latency["p95"], "runs": self.last["runs"]}

    def outputs(self):
        arguments = []
        for i, ((name, number), tensor) in enumerate(zip(self.inputs, self.fed)):
            np.save(self.folder / f"input{i}.npy", tensor.float().cpu().numpy().astype(NUMPY[number]) if tensor.is_floating_point()
                    else tensor.cpu().numpy())
            arguments += ["--input", f"{name}={self.folder / f'input{i}.npy'}"]
        self.call("run", self.engine, "--device", self.device, "--output", self.folder / "out", *arguments)
        return [np.load(self.folder / "out" / f"{name}.npy").astype(np.float32) for name in self.outputs_names]

    def memory_bytes(self):
        return self.last.get("peak_device_memory_bytes", self.last.get("peak_memory_bytes"))

    def on_device(self):
        return self.whole_on_device and "device_latency_ms" in self.last

    def timed_by(self):
        return "strop bench, steps on the device" if self.on_device() else "strop bench, host clock, copies included"


def open_engine(strop, runtime, engine, inputs, like, folder, device, backends):
    if torch.cuda.is_available() and DeviceContext.available(runtime.library):
        return Strop(runtime, engine, inputs, like)
    return StropProcess(strop, runtime, engine, inputs, folder, device, backends)
