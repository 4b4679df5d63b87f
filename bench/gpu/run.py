#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Strop beside PyTorch on one GPU: the same weights, the same inputs, in turns.

run.py --out NAME.json [--strop FILE] [--device cuda:0] [--only MODEL...] [--batch N,...] [--precision fp32,fp16,int8,tf32]
       [--contenders strop,strop_own,eager,graph,graph_nhwc] [--compile [MODE]] [--probe FILE] [--rounds N] [--seconds S] [--sets N]
       [--models DIR] [--work DIR] [--build-options="..."] [--open-batch] [--int8-rest fp16] [--minutes M] [--resume]

Writes NAME.json and NAME.md after every row. A row is a model, a batch and a precision. Ends with 1 when Strop failed or its outputs
are further from PyTorch's in FP32 than the tolerance (1e-5 in FP32, 5e-3 in FP16; INT8 is reported, not judged), with 3 when
--minutes were over before all rows were measured: --resume goes on. See bench/README.md.
"""
import argparse
import datetime
import importlib.metadata
import json
import pathlib
import platform
import shlex
import subprocess
import sys
import tempfile
import time

import report

HERE = pathlib.Path(__file__).resolve().parent
CONVOLUTIONAL_ONLY = ("int8",)
UNFINISHED = 3


def words(text):
    return text.split(",")


def numbers(text):
    return [int(v) for v in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--strop", type=pathlib.Path, help="the program; libstrop_runtime.so is in ../lib of it. Without it PyTorch alone is measured")
    parser.add_argument("--device", default="cuda:0", help="of strop build")
    parser.add_argument("--only", nargs="+", metavar="MODEL")
    parser.add_argument("--batch", type=numbers, help="default: those of each model")
    parser.add_argument("--precision", type=words, default=["fp32", "fp16", "int8"], help="fp32, fp16, int8 (convolutional models), tf32 (PyTorch alone)")
    parser.add_argument("--contenders", type=words, default=["strop", "eager", "graph", "graph_nhwc"])
    parser.add_argument("--probe", type=pathlib.Path, metavar="FILE", help="a convolution probe (probe.py), measured beside ResNet-50 in FP16 and INT8")
    parser.add_argument("--compile", nargs="?", const="max-autotune", metavar="MODE", help="torch.compile too; takes minutes a model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of measuring per contender and row, over all rounds")
    parser.add_argument("--sets", type=int, default=3, help="input sets in rotation")
    parser.add_argument("--models", type=pathlib.Path, help="exported files are kept here; default: a temporary folder")
    parser.add_argument("--work", type=pathlib.Path, help="engines are built here; default: a temporary folder")
    parser.add_argument("--build-options", type=shlex.split, default=[], help='further options of strop build: --build-options="--budget 20s"')
    parser.add_argument("--open-batch", action="store_true", help="build from the file with its batch open, not fixed")
    parser.add_argument("--int8-rest", choices=("fp32", "fp16"), default="fp32", help="what an INT8 model has in floats")
    parser.add_argument("--minutes", type=float, default=0, help="begin no row after so long")
    parser.add_argument("--resume", action="store_true", help="keep the rows that --out has")
    args = parser.parse_args()
    known = {"fp32", "fp16", "int8", "tf32"}
    if not set(args.precision) <= known:
        parser.error(f"--precision knows {', '.join(sorted(known))}")
    if not set(args.contenders) <= set(report.TITLES):
        parser.error(f"--contenders knows {', '.join(report.TITLES)}")
    if args.rounds < 1 or args.sets < 1:
        parser.error("--rounds and --sets are at least 1")
    if args.strop is None:
        args.contenders = [name for name in args.contenders if name not in report.OWN]
    if args.probe and not args.probe.is_file():
        parser.error(f"--probe: there is no file {args.probe}")
    if args.compile and "compile" not in args.contenders:
        args.contenders.append("compile")
    return args


def spec_of(args, model, rows, deadline):
    return {"model": model.name, "rows": rows, "contenders": args.contenders, "device": args.device, "strop": str(args.strop), "models": str(args.models),
            "work": str(args.work), "rounds": args.rounds, "seconds": args.seconds, "sets": args.sets, "compile_mode": args.compile,
            "build_options": args.build_options, "open_batch": args.open_batch, "int8_rest": args.int8_rest,
            "probe": str(args.probe.resolve()) if args.probe else None, "deadline": deadline}


def key(row):
    return row["model"], row["batch"], row["precision"]


def failed_row(model, batch, precision, contenders, why):
    return {"model": model.name, "batch": batch, "precision": precision, "tolerance": None, "device_state": {},
            "contenders": {name: {"failure": why} for name in contenders}}


def measure(args, model, rows, deadline, done):
    """Rows of one model; `done` is called with each. A process that dies takes the row with it that it was at."""
    while rows and not (deadline and time.time() > deadline):
        command = [sys.executable, str(HERE / "worker.py"), json.dumps(spec_of(args, model, rows, deadline))]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in worker.stdout:
            done(json.loads(line))
            rows = rows[1:]
        status = worker.wait()
        if status == 0:
            return
        if not rows:
            return
        batch, precision = rows[0]
        done(failed_row(model, batch, precision, args.contenders, f"the process that measured ended with {status}; its words are above"))
        rows = rows[1:]


def failure_of(result, tolerance):
    error, why = result.get("error"), result.get("failure")
    if not why and isinstance(error, str):
        why = f"outputs: {error}"
    if not why and tolerance and error is not None and error > tolerance:
        why = f"differs from PyTorch in FP32 by {error:.1e}, allowed {tolerance:.0e}"
    return why


def failures_of(rows):
    for row in rows:
        for name in report.OWN:
            why = failure_of(row["contenders"].get(name, {}), row["tolerance"])
            if why:
                who = "" if name == "strop" else f", {report.TITLES[name]}"
                yield f"{row['model']}, batch {row['batch']}, {row['precision']}{who}: {why}"


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions(args):
    import torch
    found = {name: version(name) for name in ("torch", "torchvision", "transformers", "triton", "onnx", "onnxruntime", "numpy")}
    found |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(), "python": platform.python_version()}
    if args.strop:
        found["strop"] = subprocess.run([args.strop, "--version"], capture_output=True, text=True).stdout.strip()
    return {name: value for name, value in found.items() if value}


def main():
    args = parse()
    try:
        import clock
        import models
        import torch
    except ImportError as error:
        sys.exit(f"run: {error}; this suite measures beside PyTorch (torch, torchvision, transformers, onnx)")
    if not torch.cuda.is_available() and args.device != "cpu":
        sys.exit("run: PyTorch finds no GPU; --device cpu tries the suite out on the processor")
    chosen = models.find(args.only)
    old = json.loads(args.out.read_text())["rows"] if args.resume and args.out.exists() else []
    rows = {key(row): row for row in old if not any(part.get("failure") for part in (*row["contenders"].values(), row.get("probe", {})))}
    shown = [a if not pathlib.Path(a).is_absolute() else pathlib.Path(a).name for a in sys.argv[1:]]
    described = {"command": "bench/gpu/run.py " + " ".join(map(shlex.quote, shown)), "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
                 "device": clock.device_name(), "versions": versions(args), "rounds": args.rounds, "seconds": args.seconds, "sets": args.sets,
                 "peers": {"layout": "as the module comes, and channels last in graph_nhwc", "cudnn.benchmark": True, "tf32": "in rows tf32 alone", "compile": args.compile}}

    own = any(name in args.contenders for name in report.OWN)
    wanted = [(model, batch, precision) for model in chosen for batch in args.batch or model.batches for precision in args.precision
              if precision not in CONVOLUTIONAL_ONLY or (model.convolutional and own)]
    order = [(model.name, batch, precision) for model, batch, precision in wanted]

    def save():
        sorted_rows = sorted(rows.values(), key=lambda row: order.index(key(row)) if key(row) in order else -1)
        report.write(described | {"failures": list(failures_of(sorted_rows)), "rows": sorted_rows}, args.out)

    def done(row):
        rows[key(row)] = row
        save()
        print(report.line(row), flush=True)

    save()
    deadline = time.time() + args.minutes * 60 if args.minutes else 0
    with tempfile.TemporaryDirectory(prefix="strop_gpu_") as folder:
        args.models, args.work = args.models or pathlib.Path(folder) / "models", args.work or pathlib.Path(folder) / "work"
        for model in chosen:
            missing = [[batch, precision] for m, batch, precision in wanted if m is model and (model.name, batch, precision) not in rows]
            measure(args, model, missing, deadline, done)
    for failure in failures_of(rows.values()):
        print("run:", failure, file=sys.stderr)
    if any(k not in rows for k in order):
        print("run: time is up; --resume measures the rest", file=sys.stderr)
        return UNFINISHED
    return 1 if any(True for _ in failures_of(rows.values())) else 0


if __name__ == "__main__":
    sys.exit(main())
