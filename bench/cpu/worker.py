# SPDX-License-Identifier: Apache-2.0
"""One engine with one model in a process of its own; run.py starts it and talks to it in lines of JSON.

worker.py '{"engine": ..., "file": ..., "model": ..., "batch": ..., "threads": ..., "cores": [...], "library": ...}'

The first line that comes back tells what loading took, or {"error": text}. Then a command a line, an answer a line:
    {"seconds": S}               runs for about that long, after runs that are not counted: {"times": [seconds of each run]}
    {"outputs": FOLDER, "seeds": N}   outputs of N inputs, written to FOLDER/<seed>.npz: {}
    {"memory": true}             {"peak_kib": largest resident set, "before_kib": the same before the model was loaded}
It ends with the end of its input.
"""
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))

WARM_UP_SECONDS, WARM_UP_RUNS, LEAST_RUNS = 0.05, 2, 3


class OnnxRuntime:
    """Inputs and outputs bound, so that Python's part of a run is a few microseconds."""

    def __init__(self, spec, optimise=True):
        import onnxruntime
        self.onnxruntime, self.spec, self.version = onnxruntime, spec, onnxruntime.__version__
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = spec["threads"]
        self.options.inter_op_num_threads = 1
        self.options.log_severity_level = 3
        if not optimise:
            self.options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL

    def load(self, inputs):
        self.session = self.onnxruntime.InferenceSession(self.spec["file"], self.options, providers=["CPUExecutionProvider"])
        self.names = [o.name for o in self.session.get_outputs()]
        self.bind(inputs)

    def bind(self, inputs):
        self.binding = self.session.io_binding()
        self.values = {n: self.onnxruntime.OrtValue.ortvalue_from_numpy(a) for n, a in inputs.items()}
        for name, value in self.values.items():
            self.binding.bind_ortvalue_input(name, value)
        for name in self.names:
            self.binding.bind_output(name, "cpu")

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        return dict(zip(self.names, self.binding.copy_outputs_to_cpu()))


class OpenVino:
    """The model is given its shapes before it is compiled, as OpenVINO's manual advises; FP32 is computed as FP32."""

    def __init__(self, spec):
        import openvino
        self.openvino, self.spec, self.version = openvino, spec, openvino.__version__
        self.core = openvino.Core()
        self.settings = {"INFERENCE_NUM_THREADS": spec["threads"], "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
                         "INFERENCE_PRECISION_HINT": "bf16" if spec["engine"] == "openvino_bf16" else "f32"}

    def load(self, inputs):
        model = self.core.read_model(self.spec["file"])
        model.reshape({name: list(array.shape) for name, array in inputs.items()})
        self.names = [next(iter(sorted(o.get_names()))) for o in model.outputs]
        self.request = self.core.compile_model(model, "CPU", self.settings).create_infer_request()
        self.bind(inputs)

    def bind(self, inputs):
        self.inputs = inputs
        for name, array in inputs.items():
            self.request.set_tensor(name, self.openvino.Tensor(array, shared_memory=True))

    def run(self):
        self.request.infer()

    def outputs(self):
        # By position: a value may have several names.
        return {i: self.request.get_output_tensor(i).data.copy() for i in range(len(self.names))}


class Strop:
    """The engine file that run.py built."""

    def __init__(self, spec):
        import strop_c
        self.spec = spec
        self.runtime = strop_c.Runtime(spec["library"])
        self.version = self.runtime.version()

    def load(self, inputs):
        self.context = self.runtime.load(self.spec["file"], self.spec["threads"])
        self.bind(inputs)

    def bind(self, inputs):
        for name, array in inputs.items():
            self.context.bind(name, array)

    def run(self):
        self.context.run()

    def outputs(self):
        return {name: self.context.output(name) for name in self.context.names}


def resident_kib(field):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    return 0


def timed(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def run_for(engine, seconds):
    end = time.perf_counter() + WARM_UP_SECONDS
    for _ in range(WARM_UP_RUNS):
        engine.run()
    while time.perf_counter() < end:
        engine.run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < LEAST_RUNS or time.perf_counter() < end:
        times.append(timed(engine.run))
    return times


def write_outputs(engine, model, spec, folder, seeds):
    import numpy as np
    for seed in range(seeds):
        engine.bind(model.sample(spec["batch"], seed))
        engine.run()
        np.savez(pathlib.Path(folder) / f"{seed}.npz", *[np.asarray(a) for a in engine.outputs().values()])
    engine.bind(model.sample(spec["batch"], 0))


def make_engine(spec):
    kind = spec["engine"]
    if kind.startswith("strop"):
        return Strop(spec)
    if kind.startswith("openvino"):
        return OpenVino(spec)
    return OnnxRuntime(spec, optimise=kind != "onnxruntime_as_written")


def main():
    # Libraries may print; what is said to run.py goes over a descriptor of its own.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(value):
        answers.write(json.dumps(value) + "\n")

    spec = json.loads(sys.argv[1])
    os.sched_setaffinity(0, spec["cores"])
    try:
        import catalogue
        [model] = catalogue.find([spec["model"]])
        inputs = model.sample(spec["batch"], 0)
        engine = make_engine(spec)
        before = resident_kib("VmRSS")
        start = time.perf_counter()
        engine.load(inputs)
        loaded = time.perf_counter() - start
        engine.run()
        answer({"version": engine.version, "load_s": loaded, "first_answer_s": time.perf_counter() - start})
        for line in sys.stdin:
            command = json.loads(line)
            if "seconds" in command:
                answer({"times": run_for(engine, command["seconds"])})
            elif "outputs" in command:
                write_outputs(engine, model, spec, command["outputs"], command["seeds"])
                answer({})
            else:
                answer({"peak_kib": resident_kib("VmHWM"), "before_kib": before})
    except Exception as error:  # pylint: disable=broad-except  # whatever an engine throws is its result
        answer({"error": f"{type(error).__name__}: {error}"[:600]})


if __name__ == "__main__":
    main()
