# SPDX-License-Identifier: Apache-2.0
"""What script/gpu-test does to `strop` on purpose: no device, no memory, a limit, a kill, two processes on one GPU. Each must end
in a sentence with a code, not in a signal, and leave nothing half-made behind."""
import contextlib
import ctypes
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

CODE = re.compile(r"STROP-E\d+")
SIDE, CHANNELS, LAYERS = 256, 64, 4
KILLED_AFTER = (0.3, 1.0, 2.5)  # seconds into a build
LEFT_FREE = 64 << 20  # bytes of the GPU that a hog leaves


def write_model(path):
    """Convolutions on x: f32[N, 3, 256, 256]; a batch of N takes N x 16 MiB a layer in FP32."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    rng, nodes, weights = np.random.default_rng(1), [], []
    for i in range(LAYERS):
        shape = (CHANNELS, 3 if i == 0 else CHANNELS, 3, 3)
        weights.append(numpy_helper.from_array((rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32), f"w{i}"))
        nodes.append(helper.make_node("Conv", ["x" if i == 0 else f"r{i - 1}", f"w{i}"], [f"c{i}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
    nodes.append(helper.make_node("GlobalAveragePool", [f"r{LAYERS - 1}"], ["y"]))
    graph = helper.make_graph(nodes, "faults", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", CHANNELS, 1, 1])], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write_input(path, batch):
    import numpy as np
    np.save(path, np.random.default_rng(2).standard_normal((batch, 3, SIDE, SIDE)).astype(np.float32))


def hog(device):
    """Takes the GPU's memory but for LEFT_FREE, says so, and keeps it until its standard input ends; a process of its own."""
    driver = ctypes.CDLL("libcuda.so.1")
    context, free, total, memory = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t(), ctypes.c_uint64()
    for status in (driver.cuInit(0), driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device), driver.cuCtxSetCurrent(context)):
        if status:
            sys.exit(f"the driver fails with {status}")
    step = 1 << 30
    while step >= 1 << 20:
        driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        if free.value < step + LEFT_FREE or driver.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(step)):
            step //= 2
    print("full", flush=True)
    sys.stdin.read()


@contextlib.contextmanager
def full_device(number):
    with subprocess.Popen([sys.executable, __file__, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout.readline().strip() != "full":
                raise RuntimeError("no process could take the memory of the GPU")
            yield
        finally:
            process.stdin.close()


def verdict(done, allowed_codes=()):
    """An error must be a sentence with a code; success is right only where no code is wanted."""
    if done.returncode < 0:
        return {"ok": False, "why": f"ended by {signal.Signals(-done.returncode).name}: {done.stderr.strip()[-800:]}"}
    found = CODE.search(done.stderr)
    ok = done.returncode == 0 if not allowed_codes else done.returncode == 1 and found is not None and found.group() in allowed_codes
    return {"ok": ok, "said": done.stderr.strip()[:400]} | ({} if ok else {"why": f"exit code {done.returncode}: {done.stderr.strip()[-800:]}"})


class Faults:
    def __init__(self, place, device):
        self.place, self.device = place, device
        self.number = int(device.partition(":")[2] or 0)
        self.folder = tempfile.TemporaryDirectory(prefix="strop_gpu_")  # pylint: disable=consider-using-with  # closed in main
        self.path = pathlib.Path(self.folder.name)
        write_model(self.path / "model.onnx")
        write_input(self.path / "x.npy", 2)

    def strop(self, *words, **environment):
        command = [self.place.bin / "strop", *words]
        return subprocess.run(list(map(str, command)), env=self.place.environment | environment, capture_output=True, text=True, errors="replace", timeout=300)

    def engine(self):
        path = self.path / "model.strop"
        if not path.exists():
            self.strop("build", self.path / "model.onnx", "-o", path, "--device", self.device, "--no-tuning", "--no-verify")
        return path

    def run(self, output, *words, **environment):
        return self.strop("run", self.engine(), "--device", self.device, "--input", self.path / "x.npy", "--output", self.path / output, *words, **environment)

    def pieces(self):
        return {"no device: a build": lambda: verdict(self.strop("build", self.path / "model.onnx", "-o", self.path / "none.strop", "--device", self.device,
                                                                 CUDA_VISIBLE_DEVICES=""), ("STROP-E602",)),
                "no device: an engine": lambda: verdict(self.run("none", CUDA_VISIBLE_DEVICES=""), ("STROP-E602",)),
                "no device: doctor": lambda: verdict(self.strop("doctor", CUDA_VISIBLE_DEVICES="")),
                "a limit of memory": lambda: verdict(self.run("limited", "--memory", "1MiB"), ("STROP-E204",)),
                "processes side by side": self.side_by_side,
                "a full device: a run": self.run_on_full_device,
                "a full device: a build": self.build_on_full_device,
                "a killed build": self.killed_build}

    def side_by_side(self):
        alone = self.run("alone")
        if alone.returncode:
            return verdict(alone)
        command = [self.place.bin / "strop", "run", self.engine(), "--device", self.device, "--input", self.path / "x.npy", "--output"]
        processes = [subprocess.Popen(list(map(str, [*command, self.path / f"side{i}"])), env=self.place.environment, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, text=True) for i in range(4)]  # pylint: disable=consider-using-with
        for process in processes:
            said = process.communicate(timeout=120)[1]
            if process.returncode:
                return {"ok": False, "why": f"exit code {process.returncode}: {said[-500:]}"}
        wanted = (self.path / "alone/y.npy").read_bytes()
        same = all((self.path / f"side{i}/y.npy").read_bytes() == wanted for i in range(4))
        return {"ok": same} | ({} if same else {"why": "the results differ from those of one process alone"})

    def run_on_full_device(self):
        write_input(self.path / "large.npy", 64)
        with full_device(self.number):
            done = self.strop("run", self.engine(), "--device", self.device, "--input", self.path / "large.npy")
        # A device without room for a context fails before memory is asked for.
        return verdict(done, ("STROP-E603", "STROP-E203"))

    def build_on_full_device(self):
        process = subprocess.Popen(list(map(str, [self.place.bin / "strop", "build", self.path / "model.onnx", "-o", self.path / "full.strop", "--device", self.device,
                                                  "--shapes", f"x=64x3x{SIDE}x{SIDE}", "--no-verify", "--budget", "20s"])),
                                   env=self.place.environment | {"STROP_KERNEL_CACHE": "off"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(1)  # into the tuning, so that memory goes away in the middle of it
        with full_device(self.number):
            said = process.communicate(timeout=200)[1]
        done = subprocess.CompletedProcess([], process.returncode, "", said)
        made = (self.path / "full.strop").exists()
        # Candidates without room are left out, so a build may well succeed.
        return verdict(done) if process.returncode == 0 and made else verdict(done, ("STROP-E603", "STROP-E203")) | ({"ok": False, "why": "a failed build left an engine"} if made else {})

    def killed_build(self):
        folder = self.path / "killed"
        folder.mkdir()
        command = list(map(str, [self.place.bin / "strop", "build", self.path / "model.onnx", "-o", folder / "e.strop", "--device", self.device, "--timing-cache",
                                 folder / "timings", "--no-verify", "--budget", "30s"]))
        for seconds in KILLED_AFTER:
            with subprocess.Popen(command, env=self.place.environment | {"STROP_KERNEL_CACHE": str(folder / "kernels")}, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as process:
                time.sleep(seconds)  # the moment of the kill, not a wait for something
                process.kill()
            if (folder / "e.strop").exists() and self.strop("inspect", folder / "e.strop").returncode:
                return {"ok": False, "why": f"a build that was killed after {seconds} s left an engine that cannot be read"}
        again = subprocess.run(command, env=self.place.environment | {"STROP_KERNEL_CACHE": str(folder / "kernels")}, capture_output=True, text=True, timeout=300)
        return verdict(again)


if __name__ == "__main__":
    hog(int(sys.argv[1]))
