#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Strop beside ONNX Runtime and OpenVINO on the model set of bench/models.

run.py --strop FILE --models DIR --out NAME.json [--only MODEL...] [--engines strop,onnxruntime,openvino]
       [--threads 1,2] [--batch 1,8] [--rounds N] [--seconds S] [--loads N] [--precision fp32,bf16] [--peak fp32=268,int8=1050,bf16=538]
       [--build-options="..."] [--work DIR] [--cores 0,1]

Writes NAME.json, NAME.md (tables) and, with matplotlib, NAME.png (chart). Every engine has a process of its own that holds the
model; they take turns (A B C A B C ...) on the same cores, and who waits is stopped, so that no thread of it spins. See
bench/README.md. Ends with 1 when an FP32 result of Strop differs from ONNX Runtime's by more than the tolerance, or Strop fails.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import report

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "models"))
import catalogue  # pylint: disable=wrong-import-position

TOLERANCE = 1e-4
SAMPLES = {catalogue.FP32: 1, catalogue.STATIC: 4, catalogue.DYNAMIC: 4}  # inputs whose results are compared


class Worker:
    """A process of worker.py. `failure` says what went wrong; a failed worker answers nothing more."""

    def __init__(self, spec, log):
        self.spec, self.failure = spec, None
        self.process = subprocess.Popen([sys.executable, str(HERE / "worker.py"), json.dumps(spec)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=log, text=True)
        self.ready = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        value = json.loads(line) if line else {"error": f"the process ended with {self.process.wait()}"}
        if "error" in value:
            self.failure = value["error"]
        return value

    def ask(self, **command):
        if self.failure:
            return {}
        os.kill(self.process.pid, signal.SIGCONT)
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        value = self.answer()
        self.rest()
        return value

    def rest(self):
        if not self.failure:
            os.kill(self.process.pid, signal.SIGSTOP)

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)
            self.process.stdin.close()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Others:
    """Processor time that neither the measured process nor this one used while something was measured: other people's work."""

    def __init__(self):
        self.used = self.wall = 0.0

    @staticmethod
    def busy_seconds():
        values = [int(v) for v in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return (sum(values) - values[3] - values[4]) / os.sysconf("SC_CLK_TCK")

    def measure(self, worker, **command):
        start, busy, own = time.monotonic(), self.busy_seconds(), worker.processor_seconds()
        value = worker.ask(**command)
        if not worker.failure:
            wall = time.monotonic() - start
            self.used += max(0.0, self.busy_seconds() - busy - (worker.processor_seconds() - own))
            self.wall += wall * os.cpu_count()
        return value

    def share(self):
        return self.used / self.wall if self.wall else 0.0


def summary(rounds):
    """Of rounds of times in seconds. The spread is that of the rounds' medians."""
    medians = [statistics.median(times) * 1e3 for times in rounds]
    middle = statistics.median(medians)
    return {"median_ms": middle, "min_ms": min(min(times) for times in rounds) * 1e3,
            "spread": (max(medians) - min(medians)) / middle, "runs": sum(map(len, rounds)), "round_medians_ms": medians}


def as_rows(array, axis):
    """f64[rows, size of the axis]."""
    array = np.moveaxis(np.atleast_1d(array), axis, -1).astype(np.float64)
    return array.reshape(-1, array.shape[-1])


def compare(got, expected, fields):
    """How far outputs are from the expected ones, the worst of all. The relative error is norm-wise; for a detector, of each
    coordinate and score by itself, since coordinates in pixels would hide what happens to scores. Top-1 goes over the last axis,
    or the classes of a detector; a step is 1/255 of an output's range."""
    axis, first_class = fields or (-1, 0)
    error, equal, rows, near, count = 0.0, 0, 0, 0, 0
    for a, b in zip(got, expected):
        if a.shape != b.shape:
            return {"error": f"shape {list(a.shape)} instead of {list(b.shape)}"}
        if b.size == 0:
            continue
        a, b = as_rows(a, axis), as_rows(b, axis)
        over = 0 if fields else None
        norms = np.maximum(np.linalg.norm(b, axis=over), np.finfo(np.float32).tiny)
        error = max(error, float(np.max(np.linalg.norm(a - b, axis=over) / norms)))
        if b.shape[1] > 1:
            equal += int((a[:, first_class:].argmax(1) == b[:, first_class:].argmax(1)).sum())
            rows += len(b)
        near += int((np.abs(a - b) <= (b.max() - b.min()) / 255).sum())
        count += b.size
    if not np.isfinite(error):
        return {"error": "not finite"}
    return {"relative_error": error, "top1_equal": equal / rows if rows else None, "within_a_step": near / count if count else None}


def outputs_of(worker, samples):
    with tempfile.TemporaryDirectory() as folder:
        worker.ask(outputs=folder, seeds=samples)
        if worker.failure:
            return None
        results = []
        for seed in range(samples):
            with np.load(f"{folder}/{seed}.npz") as data:
                results += [data[f"arr_{i}"] for i in range(len(data.files))]
        return results


class Bench:
    def __init__(self, args, log):
        self.args, self.log = args, log
        self.library = args.strop.resolve().parents[1] / "lib/libstrop_runtime.so"
        self.others, self.versions, self.failures = Others(), {}, []

    # --- Building --------------------------------------------------------------------------------------------------

    def build(self, model, batch, threads, precision):
        """A build of its own for each number of threads and batch; returns the engine's path or the message, and seconds."""
        engine = self.args.work / f"{model.name}_b{batch}_t{threads}_{precision}.strop"
        shapes = [f"{n}={'x'.join(map(str, a.shape))}" for n, a in model.sample(batch, 0).items() if a.ndim]
        command = [self.args.strop, "build", self.model_file(model), "-o", engine, "--device", "cpu", "--threads", threads,
                   "--precision", precision, "--no-verify", *shlex.split(self.args.build_options)]
        if "--timing-cache" not in command and "--no-tuning" not in command:
            command += ["--timing-cache", self.args.work / "timings"]
        for shape in shapes:
            command += ["--shapes", shape]
        start = time.monotonic()
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, self.args.cores[:threads]))
        return engine if done.returncode == 0 else None, done.stderr.strip(), time.monotonic() - start

    def model_file(self, model):
        return self.args.models / f"{model.name}.onnx"

    def precisions(self, models):
        """Those that this Strop builds."""
        kept = []
        for precision in self.args.precision:
            if precision != "fp32":
                _, message, _ = self.build(models[0], 1, 1, precision)
                if "E402" in message:
                    print(f"skip  {precision}: this Strop does not build it")
                    continue
            kept.append(precision)
        return kept

    # --- Measuring -------------------------------------------------------------------------------------------------

    def spawn(self, engine, model, batch, threads, file):
        return Worker({"engine": engine, "file": str(file), "model": model.name, "batch": batch, "threads": threads,
                       "cores": self.args.cores[:threads], "library": str(self.library)}, self.log)

    def case(self, model, batch, threads, precisions):
        """All engines with one model, batch and number of threads: a row of the result."""
        row = {"model": model.name, "group": model.group, "batch": batch, "threads": threads, "engines": {}}
        files = {}
        for name in self.args.engines:
            if name != "strop":
                files[name] = self.model_file(model)
                continue
            for precision in precisions if model.group == catalogue.FP32 else ["fp32"]:
                key = "strop" if precision == "fp32" else f"strop_{precision}"
                file, message, seconds = self.build(model, batch, threads, precision)
                row["engines"][key] = {"build_s": seconds} if file else {"failure": message}
                if file:
                    files[key] = file
        if "strop_bf16" in files and "openvino" in files:
            files["openvino_bf16"] = files["openvino"]

        loads = {key: [] for key in files}
        workers = {}
        for _ in range(self.args.loads):
            for key, file in files.items():
                if key in workers:
                    workers.pop(key).close()
                worker = self.spawn(key, model, batch, threads, file)
                worker.rest()
                if not worker.failure:
                    loads[key].append(worker.ready)
                workers[key] = worker
        rounds = {key: [] for key in workers}
        try:
            self.check(row, model, workers)
            for _ in range(self.args.rounds):
                for key, worker in workers.items():
                    times = self.others.measure(worker, seconds=self.args.seconds).get("times")
                    if times:
                        rounds[key].append(times)
            for key, worker in workers.items():
                result = row["engines"].setdefault(key, {})
                if not worker.failure:
                    result.update(worker.ask(memory=True))
                if worker.failure:
                    result["failure"] = worker.failure
                    continue
                self.versions[key.partition("_")[0]] = worker.ready["version"]
                result.update(summary(rounds[key]))
                for field in ("load_s", "first_answer_s"):
                    result[field] = statistics.median(load[field] for load in loads[key])
        finally:
            for worker in workers.values():
                worker.close()
        self.note_failures(row)
        return row

    def check(self, row, model, workers):
        """Compares outputs with ONNX Runtime's. For INT8 the yardstick is how far ONNX Runtime is from itself without graph
        optimisations."""
        if "onnxruntime" not in workers or workers["onnxruntime"].failure:
            return
        samples = SAMPLES[model.group]
        expected = outputs_of(workers["onnxruntime"], samples)
        if expected is None:
            return
        for key, worker in workers.items():
            got = None if key == "onnxruntime" else outputs_of(worker, samples)
            if got is not None:
                row["engines"].setdefault(key, {})["agreement"] = compare(got, expected, model.fields)
        if model.group != catalogue.FP32:
            plain = self.spawn("onnxruntime_as_written", model, row["batch"], row["threads"], self.model_file(model))
            got = outputs_of(plain, samples)
            plain.close()
            if got is not None:
                row["onnxruntime_as_written"] = compare(got, expected, model.fields)

    def note_failures(self, row):
        for key, result in row["engines"].items():
            if not key.startswith("strop"):
                continue
            agreement = result.get("agreement", {})
            wrong = agreement.get("error")
            if key == "strop" and row["group"] == catalogue.FP32 and agreement.get("relative_error", 0) > TOLERANCE:
                wrong = f"differs from ONNX Runtime by {agreement['relative_error']:.1e}"
            wrong = result.get("failure") or wrong
            if wrong:
                self.failures.append(f"{row['model']}, batch {row['batch']}, {row['threads']} threads, {key}: {wrong}")

    def operations(self, model, batch):
        command = [sys.executable, HERE / "operations.py", self.model_file(model), model.name, batch]
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=self.log, text=True)
        return int(done.stdout) if done.returncode == 0 else None

    def run(self, models):
        rows = []
        precisions = self.precisions(models)
        for model in models:
            for batch in self.args.batch:
                if model.fixed_batch and batch != 1:
                    continue
                operations = self.operations(model, batch)
                for threads in self.args.threads:
                    rows.append(self.case(model, batch, threads, precisions) | {"operations": operations})
                    print(report.line(rows[-1]), flush=True)
        return rows


def machine(cores):
    info = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    field = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in info)}
    wanted = ("avx", "fma", "sse4", "amx", "f16c", "bf16")
    return {"processor": field.get("model name", platform.processor()), "cpus": os.cpu_count(), "cores": cores,
            "flags": sorted(f for f in field.get("flags", "").split() if any(w in f for w in wanted)),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "system": f"{platform.system()} {platform.release()}", "load_average_before": os.getloadavg()[0]}


def numbers(text):
    return [int(v) for v in text.split(",")]


def words(text):
    return text.split(",")


def peaks(text):
    return {kind: float(value) for kind, _, value in (part.partition("=") for part in text.split(","))}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--strop", type=pathlib.Path, required=True, help="the program; libstrop_runtime.so is in ../lib of it")
    parser.add_argument("--models", type=pathlib.Path, required=True, help="folder that bench/models/make.py wrote")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--only", nargs="+", metavar="MODEL")
    parser.add_argument("--engines", type=words, default=["strop", "onnxruntime", "openvino"])
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--batch", type=numbers, default=[1, 8])
    parser.add_argument("--precision", type=words, default=["fp32", "bf16"], help="of Strop's engines from FP32 models")
    parser.add_argument("--peak", type=peaks, default={}, help="of one core as measured, 10^9 operations a second, by precision")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one turn; at least three runs")
    parser.add_argument("--loads", type=int, default=3, help="how often loading is timed")
    parser.add_argument("--build-options", default="", help='further options of strop build: --build-options="--no-tuning"')
    parser.add_argument("--work", type=pathlib.Path, help="engines and timings are kept here; default: a temporary folder")
    parser.add_argument("--cores", type=numbers, default=sorted(os.sched_getaffinity(0)))
    args = parser.parse_args()
    if max(args.threads) > len(args.cores):
        parser.error(f"{max(args.threads)} threads on {len(args.cores)} cores")
    return args


def main():
    args = parse()
    models = catalogue.find(args.only)
    for model in [m for m in models if not (args.models / f"{m.name}.onnx").exists()]:
        print(f"skip  {model.name}: not in {args.models} (bench/models/make.py)")
        models.remove(model)
    if not models:
        sys.exit("run: no model to measure")
    for engine in list(args.engines):
        if engine != "strop" and subprocess.run([sys.executable, "-c", f"import {engine}"], capture_output=True).returncode != 0:
            print(f"skip  {engine}: not installed (bench/requirements.txt)")
            args.engines.remove(engine)
    described = machine(args.cores)
    with tempfile.TemporaryDirectory(prefix="strop_bench_") as folder, open(f"{folder}/log", "w") as log:
        args.work = args.work or pathlib.Path(folder)
        args.work.mkdir(parents=True, exist_ok=True)
        bench = Bench(args, log)
        rows = bench.run(models)
    shown = [a if not pathlib.Path(a).is_absolute() else pathlib.Path(a).name for a in sys.argv[1:]]
    result = {"command": "bench/cpu/run.py " + " ".join(map(shlex.quote, shown)),
              "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"), "machine": described,
              "versions": bench.versions | {"python": platform.python_version(), "numpy": np.__version__},
              "others_share": round(bench.others.share(), 4), "rounds": args.rounds, "seconds": args.seconds,
              "peak_of_a_core": args.peak,
              "failures": bench.failures, "rows": rows}
    report.write(result, args.out)
    for failure in bench.failures:
        print("run:", failure, file=sys.stderr)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
