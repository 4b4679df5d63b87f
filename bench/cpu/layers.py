#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each step of an engine beside what the core can do.

layers.py --strop FILE --models DIR --model NAME --out NAME.json [--threads N] [--batch N] [--precision P] [--repeats N] [--work DIR]

Builds an engine, measures its steps (`strop bench --profile`), and the peaks of a core (peak.cpp, compiled on the spot). Writes
NAME.json and NAME.md: for each step its time, its arithmetic (as the model has it: Winograd goes beyond the peak), fractions of the peak,
and what binds it. See bench/README.md.
"""
import argparse
import json
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile

import run

HERE = pathlib.Path(__file__).resolve().parent
FRACTION = 0.6  # of a floor that a step must reach for the floor to be what binds it


def measure_peaks(folder, core):
    program = folder / "peak"
    subprocess.run(["c++", "-O2", "-std=c++20", str(HERE / "peak.cpp"), "-o", str(program)], check=True)
    measured = [json.loads(subprocess.run(["taskset", "-c", str(core), str(program)], check=True, capture_output=True).stdout) for _ in range(3)]
    return {key: max(m[key] for m in measured) for key in measured[0]}


def floors(step, nodes, peaks, precision, threads):
    """Seconds that the step cannot go below, by what it would be bound by. Weights are read once a run, and since all of them
    together exceed the caches, from memory; activations come from the last level."""
    parts = [nodes[name] for name in step["made_from"] if name in nodes]
    first = max(parts, key=lambda p: p["operations"], default=None)
    if first is None:
        return 0, {}
    operations = sum(p["operations"] for p in parts)
    moved = first["read"] - first["constants"] + first["written"]
    return operations, {"arithmetic": operations / peaks[precision] / threads, "weights": first["constants"] / peaks["read_memory"],
                        "activations": moved / peaks["read_l3"] / threads}


def binds(seconds, bounds):
    name, floor = max(bounds.items(), key=lambda item: item[1], default=("", 0))
    if not floor:
        return "-"
    reached = floor / seconds
    return f"{name} ({reached:.0%})" if reached >= FRACTION else f"neither ({name} {reached:.0%})"


def table(result):
    peaks, precision = result["peaks"], result["precision"]
    text = [f"# Steps of {result['model']}", "",
            f"{result['machine']['processor']}, {result['threads']} thread(s), batch {result['batch']}, {precision}. Strop {result['strop']}. {result['date']}.",
            "", f"    {result['command']}", "",
            f"Peak of one core as measured: {peaks[precision]:.4g} · 10^9 operations a second; reads {peaks['read_l2']:.3g} GB/s from the L2 "
            f"cache, {peaks['read_l3']:.3g} from the L3 cache, {peaks['read_memory']:.3g} from memory. Times are medians over {result['repeats']} "
            "profiles. Operations are those of the model: a step that needs fewer (Winograd) may exceed the peak. Binds: the largest of three "
            "floors (arithmetic at the peak, weights from memory, activations from the L3 cache) and how close the step comes to it.", "",
            f"Sum of the steps {result['total_ms']:.4g} ms; {result['operations'] / 1e9:.4g} · 10^9 operations, "
            f"{result['operations'] / result['total_ms'] / 1e6 / peaks[precision] / result['threads']:.0%} of the peak.", "",
            "| step | tactic | ms | 10^6 operations | 10^9 a second | of the peak | binds |", "|---|---|---|---|---|---|---|"]
    for step in result["steps"]:
        rate = step["operations"] / step["ms"] / 1e6
        numbers = f"{step['operations'] / 1e6:.4g} | {rate:.3g} | {rate / peaks[precision] / result['threads']:.0%}" if step["operations"] else "- | - | -"
        text.append(f"| {step['step']} | {step['tactic']} | {step['ms']:.3f} | {numbers} | {step['binds']} |")
    return "\n".join(text) + "\n"


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--strop", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--work", type=pathlib.Path, help="engine, report and timings are kept here; default: a temporary folder")
    return parser.parse_args()


def main():
    args = parse()
    with tempfile.TemporaryDirectory(prefix="strop_layers_") as folder:
        folder = args.work or pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        [model] = run.catalogue.find([args.model])
        source, engine, report = args.models / f"{args.model}.onnx", folder / f"{args.model}.strop", folder / "report.json"
        shapes = [part for name, array in model.sample(args.batch, 0).items() for part in ("--shapes", f"{name}=" + "x".join(map(str, array.shape)))]
        subprocess.run([args.strop, "build", source, "-o", engine, "--threads", str(args.threads), "--precision", args.precision,
                        "--timing-cache", folder / "timings", "--report", report, *shapes], check=True, capture_output=True)
        profiles = []
        for _ in range(args.repeats):
            subprocess.run([args.strop, "bench", engine, "--threads", str(args.threads), "--profile", "--json", folder / "profile.json"],
                           check=True, capture_output=True)
            profiles.append(json.loads((folder / "profile.json").read_text()))
        nodes = json.loads(subprocess.run([sys.executable, HERE / "operations.py", source, args.model, str(args.batch), "--nodes"],
                                          check=True, capture_output=True).stdout)
        made_from = {node["node"]: node.get("made_from", []) for node in json.loads(report.read_text())["nodes"]}
        peaks = measure_peaks(folder, min(run.os.sched_getaffinity(0)))
    steps = []
    for i, first in enumerate(profiles[0]["steps"]):
        ms = statistics.median(profile["steps"][i]["ms"] for profile in profiles)
        step = {"step": first["step"], "tactic": first["tactic"], "ms": ms, "made_from": made_from.get(first["step"], [])}
        step["operations"], bounds = floors(step, nodes, {k: v * 1e9 for k, v in peaks.items()}, args.precision, args.threads)
        steps.append(step | {"floors_ms": {k: v * 1e3 for k, v in bounds.items()}, "binds": binds(ms / 1e3, bounds)})
    shown = [a if not pathlib.Path(a).is_absolute() else pathlib.Path(a).name for a in sys.argv[1:]]
    result = {"command": "bench/cpu/layers.py " + " ".join(map(shlex.quote, shown)), "date": run.datetime.date.today().isoformat(),
              "machine": run.machine(sorted(run.os.sched_getaffinity(0))), "strop": profiles[0]["strop"], "model": args.model, "threads": args.threads,
              "batch": args.batch, "precision": args.precision, "repeats": args.repeats, "peaks": peaks,
              "total_ms": sum(s["ms"] for s in steps), "operations": sum(s["operations"] for s in steps), "steps": steps}
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    args.out.with_suffix(".md").write_text(table(result))


if __name__ == "__main__":
    main()
