# SPDX-License-Identifier: Apache-2.0
"""All wanted rows of one model in a process of its own, so that a fault of the device ends no other model; run.py starts it.

worker.py '{"model", "rows": [[batch, precision], ...], "contenders", "device", "strop", "models", "work", "rounds", "seconds", "sets",
"compile_mode", "build_options", "open_batch", "int8_rest", "probe", "deadline"}'

Writes a line of JSON per row to its standard output, nothing else.
"""
import copy
import gc
import json
import os
import pathlib
import sys
import time

import numpy as np
import torch

import clock
import contenders
import engine_report
import models
import probe
import report
import strop_side
from strop_side import strop_c

TOLERANCE = {"fp32": 1e-5, "fp16": 5e-3}


def distance(got, expected, by_field=False):
    """||a - b|| / ||b||, the worst of all outputs; with `by_field` of each element of the last axis on its own."""
    worst = 0.0
    for a, b in zip(got, expected, strict=True):
        if a.shape != b.shape:
            return f"shape {list(a.shape)} instead of {list(b.shape)}"
        a, b = (v.reshape(-1, v.shape[-1]).astype(np.float64) for v in (a, b))
        axis = 0 if by_field else None
        errors = np.linalg.norm(a - b, axis=axis) / np.maximum(np.linalg.norm(b, axis=axis), np.finfo(np.float32).tiny)
        if not np.isfinite(errors).all():
            return "not finite"
        worst = max(worst, float(np.max(errors)))
    return worst


class Bench:
    def __init__(self, spec):
        self.spec, self.device = spec, "cuda" if torch.cuda.is_available() else "cpu"
        self.model = models.find([spec["model"]])[0]
        self.runtime = None
        self.built = {}  # of the row, by contender
        if any(name in spec["contenders"] for name in report.OWN):
            library = pathlib.Path(spec["strop"]).resolve().parents[1] / "lib/libstrop_runtime.so"
            self.runtime = strop_c.Runtime(library)
        module = self.model.module()
        self.file = models.export(self.model, module, pathlib.Path(spec["models"]))
        self.modules = {"fp32": module.to(self.device)}

    def module(self, precision):
        key = "fp16" if precision == "fp16" else "fp32"
        if key not in self.modules:
            self.modules[key] = copy.deepcopy(self.modules["fp32"]).half()
        return self.modules[key]

    def tf32(self, allowed):
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed

    def reference(self, inputs):
        self.tf32(False)
        with torch.inference_mode():
            return contenders.tuple_of(self.modules["fp32"](*inputs.values()))

    # --- Contenders ------------------------------------------------------------------------------------------------

    def wanted(self, precision):
        names = [name for name in self.spec["contenders"] if precision != "int8" or name in report.OWN]
        skipped = set() if self.model.convolutional else {"graph_nhwc"}
        if precision == "tf32":
            skipped.update(report.OWN)
        if self.device == "cpu":
            skipped |= {"graph", "graph_nhwc"}
        return [name for name in names if name not in skipped]

    def make(self, name, batch, precision, inputs, like, result):
        if name in report.OWN:
            return self.make_strop(name, batch, precision, inputs, like, result)
        if self.device == "cpu":
            return contenders.make(name, self.module(precision), inputs, self.spec["compile_mode"])
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        contender = contenders.make(name, self.module(precision), inputs, self.spec["compile_mode"])
        torch.cuda.synchronize()
        result["memory_bytes"] = torch.cuda.max_memory_allocated() - before
        return contender

    def make_strop(self, name, batch, precision, inputs, like, result):
        work = pathlib.Path(self.spec["work"])
        source = models.quantise(self.model, self.file) if precision == "int8" else self.file
        shapes = {value: tensor.shape for value, tensor in inputs.items()}
        if not self.spec["open_batch"]:
            source = models.with_batch(source, batch, work / f"{self.model.name}.onnx")
        options = self.spec["build_options"] if name == "strop" else engine_report.without_libraries(self.spec["build_options"])
        # An INT8 model says itself what is in INT8.
        engine = work / f"{self.model.name}{name.removeprefix('strop')}.strop"
        built = strop_side.Build(self.spec["strop"], source, engine, self.spec["device"], self.spec["int8_rest"] if precision == "int8" else precision, shapes, options)
        self.built[name] = built
        result.update(built.describe())
        free = torch.cuda.mem_get_info()[0] if self.device == "cuda" else 0
        contender = strop_side.open_engine(self.spec["strop"], self.runtime, built.engine, inputs, like, work,
                                           self.spec["device"], result["steps_by_backend"])
        if self.device == "cuda" and isinstance(contender, strop_side.Strop):
            result["memory_bytes"] = free - torch.cuda.mem_get_info()[0]
        return contender

    def probe_beside(self, batch, precision, inputs):
        """None where there is nothing to put the probe beside."""
        if not self.spec["probe"] or self.model.name != probe.MODEL or precision not in probe.TYPES or "strop" not in self.built:
            return None
        shapes = {name: tensor.shape for name, tensor in inputs.items()}
        return probe.Beside(self.spec["probe"], self.spec["strop"], self.built["strop"], self.spec["device"], batch, precision, shapes,
                            pathlib.Path(self.spec["work"]))

    # --- Rows ------------------------------------------------------------------------------------------------------

    def row(self, batch, precision):
        dtype = torch.float16 if precision == "fp16" else torch.float32
        exact = [self.model.inputs(batch, seed, self.device) for seed in range(self.spec["sets"])]
        expected = self.reference(exact[0])
        sets = [{n: t.to(dtype) if t.is_floating_point() else t for n, t in inputs.items()} for inputs in exact]
        results, running, rounds, probed = {}, {}, {}, {}
        self.built.clear()
        self.tf32(precision == "tf32")
        for name in self.wanted(precision):
            results[name] = {}
            try:
                fed = exact if name in report.OWN else sets
                running[name] = (self.make(name, batch, precision, fed[0], expected, results[name]), fed)
                rounds[name] = []
            except Exception as error:  # pylint: disable=broad-except  # whatever a contender throws is its result
                results[name]["failure"] = f"{type(error).__name__}: {error}"[:1500]
        beside = self.guarded(probed, lambda: self.probe_beside(batch, precision, exact[0]))
        states = []
        for turn in range(self.spec["rounds"]):
            for name, (contender, fed) in running.items():
                if "failure" not in results[name]:
                    self.guarded(results[name], lambda c=contender, f=fed, n=name: rounds[n].append(clock.turn(c, f, self.spec["seconds"] / self.spec["rounds"])))
                states.append(clock.device_state())
            if beside and turn < probe.TURNS and "failure" not in probed:
                self.guarded(probed, beside.turn)
        reference = [tensor.float().cpu().numpy() for tensor in expected]
        for name, (contender, fed) in running.items():
            if "failure" not in results[name]:
                self.guarded(results[name], lambda c=contender, f=fed, n=name: self.finish(c, f, reference, rounds[n], results[n]))
        if beside and "failure" not in probed and "median_ms" in results["strop"]:
            probed.update(self.guarded(probed, lambda: beside.result(results["strop"]["median_ms"])) or {})
        row = {"model": self.model.name, "batch": batch, "precision": precision, "contenders": results, "tolerance": TOLERANCE.get(precision),
               "device_state": {key: [min(v), max(v)] for key in (states[0] if states else {}) if (v := [s[key] for s in states if key in s])}}
        return row | ({"probe": probed} if probed else {})

    def guarded(self, result, action):
        try:
            return action()
        except Exception as error:  # pylint: disable=broad-except
            result["failure"] = f"{type(error).__name__}: {error}"[:1500]
            return None

    def finish(self, contender, fed, reference, rounds, result):
        contender.feed(fed[0])
        contender.enqueue()
        if self.device == "cuda":
            torch.cuda.synchronize()
        got = contender.outputs()
        result["error"] = distance(got, reference)
        if self.model.fields:
            result["field_error"] = distance(got, reference, by_field=True)
        result.update(clock.summary(rounds))
        if hasattr(contender, "timed_by"):
            result["timed_by"] = contender.timed_by()
            if contender.memory_bytes() is not None:
                result["memory_bytes"] = contender.memory_bytes()


def main():
    # Libraries may print; what is said to run.py goes over a descriptor of its own.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    spec = json.loads(sys.argv[1])
    torch.backends.cudnn.benchmark = True
    pathlib.Path(spec["work"]).mkdir(parents=True, exist_ok=True)
    bench = Bench(spec)
    for batch, precision in spec["rows"]:
        if spec["deadline"] and time.time() > spec["deadline"]:
            return
        answers.write(json.dumps(bench.row(batch, precision)) + "\n")
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # an error that sticks ends this process here; run.py starts another for what is left
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
