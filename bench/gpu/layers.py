#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each step of an engine beside what the device can do.

layers.py --strop FILE --model NAME --out NAME.json [--device cuda:0] [--batch N] [--precision fp16] [--models DIR] [--repeats N]

Builds an engine of a model of models.py and measures its steps (`strop bench --profile`). Ceilings are measured in the same call, by
PyTorch: a large matrix product in this precision, a large copy. Writes NAME.json and NAME.md: for each step its time, operations
(those of the model) and bytes (weights and activations of the nodes it is made from, once each), their rates, and fractions of the
ceilings; the greater fraction says which one binds.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import torch

import clock
import models
import report
import strop_side

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "cpu"))
import operations  # pylint: disable=wrong-import-position

MATRIX, COPY_BYTES, REPEATS = 8192, 1 << 30, 20


def median_seconds(work):
    times = []
    for _ in range(REPEATS):
        before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        before.record()
        work()
        after.record()
        torch.cuda.synchronize()
        times.append(before.elapsed_time(after) / 1e3)
    return statistics.median(times)


def ceilings(precision):
    """Operations and bytes (read and written) a second."""
    a, b = (torch.randn(MATRIX, MATRIX, device="cuda", dtype=torch.float16 if precision == "fp16" else torch.float32) for _ in range(2))
    if precision == "int8":
        a, b = ((v * 40).clamp(-127, 127).to(torch.int8) for v in (a, b))
        product = median_seconds(lambda: torch._int_mm(a, b.t()))  # pylint: disable=protected-access
    else:
        product = median_seconds(lambda: torch.mm(a, b))
    source = torch.randint(255, (COPY_BYTES,), device="cuda", dtype=torch.uint8)
    target = torch.empty_like(source)
    return {"operations": 2 * MATRIX**3 / product, "bytes": 2 * COPY_BYTES / median_seconds(lambda: target.copy_(source))}


def of_step(step, made_from, nodes, ceiling, size):
    """`size`: bytes of an element in the engine over those in the model. Between the nodes of a step nothing goes through memory."""
    parts = [nodes[name] for name in made_from if name in nodes]
    row = {"step": step["step"], "op": step["op"], "tactic": step["tactic"], "backend": step["backend"], "ms": step["ms"]}
    row["operations"] = sum(part["operations"] for part in parts)
    row["bytes"] = int(size * (parts[0]["read"] + sum(part["constants"] for part in parts[1:]) + parts[-1]["written"])) if parts else 0
    for kind in ("operations", "bytes"):
        row[f"{kind}_per_s"] = row[kind] / (step["ms"] / 1e3) if step["ms"] else 0
        row[f"of_{kind}"] = row[f"{kind}_per_s"] / ceiling[kind]
    row["binds"] = max(("operations", "bytes"), key=lambda kind: row[f"of_{kind}"]) if row["operations"] or row["bytes"] else "-"
    return row


def table(result):
    ceiling = result["ceilings"]
    text = [f"# Steps of {result['model']}, batch {result['batch']}, {result['precision']}", "",
            f"{result['device'].get('name', 'no GPU')}, driver {result['device'].get('driver_version', '-')}, Strop {result['strop']}.", "",
            f"    {result['command']}", "",
            f"Ceilings measured in the same call: {ceiling['operations'] / 1e12:.0f} · 10^12 operations a second (matrix product), "
            f"{ceiling['bytes'] / 1e12:.2f} TB/s (copy). Sum of the steps {sum(s['ms'] for s in result['steps']):.4g} ms; each is measured on its own.", "",
            "| step | tactic | backend | ms | 10^12 op/s | of the ceiling | TB/s | of the ceiling | binds |", "|---|---|---|---|---|---|---|---|---|"]
    for s in result["steps"]:
        text.append(f"| {s['step']} | {s['tactic']} | {s['backend']} | {s['ms']:.4f} | {s['operations_per_s'] / 1e12:.1f} | {s['of_operations']:.0%} | "
                    f"{s['bytes_per_s'] / 1e12:.2f} | {s['of_bytes']:.0%} | {s['binds']} |")
    return "\n".join(text) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--strop", type=pathlib.Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp16")
    parser.add_argument("--models", type=pathlib.Path)
    parser.add_argument("--repeats", type=int, default=3, help="profiles, of which medians are taken")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("layers: PyTorch finds no GPU to measure the ceilings of")
    [model] = models.find([args.model])
    with tempfile.TemporaryDirectory(prefix="strop_layers_") as folder:
        work = pathlib.Path(folder)
        source = models.export(model, model.module(), args.models or work)
        if args.precision == "int8":
            source = models.quantise(model, source)
        source = models.with_batch(source, args.batch, work / "fixed.onnx")
        shapes = {name: array.shape for name, array in model.sample(args.batch, 0).items()}
        built = strop_side.Build(args.strop, source, work / "engine.strop", args.device, "fp16" if args.precision == "fp16" else "fp32", shapes)
        profiles = []
        for _ in range(args.repeats):
            subprocess.run([args.strop, "bench", built.engine, "--device", args.device, "--duration", "1", "--profile", "--json", work / "profile.json"], check=True, capture_output=True)
            profiles.append(json.loads((work / "profile.json").read_text()))
        made_from = {node["node"]: node.get("made_from", []) for node in json.loads(built.report.read_text())["nodes"]}
        nodes = operations.of_nodes(str(source), model.sample(args.batch, 0))
    ceiling = ceilings(args.precision)
    steps = []
    for i, step in enumerate(profiles[0]["steps"]):
        measured = step | {"ms": statistics.median(profile["steps"][i]["ms"] for profile in profiles)}
        steps.append(of_step(measured, made_from.get(step["step"], []), nodes, ceiling, 0.5 if args.precision == "fp16" else 1))
    result = {"command": "bench/gpu/layers.py " + " ".join(pathlib.Path(a).name if a.startswith("/") else a for a in sys.argv[1:]),
              "device": clock.device_name(), "strop": profiles[0]["strop"], "model": model.name, "batch": args.batch, "precision": args.precision,
              "ceilings": ceiling, "build": built.seconds, "steps": steps}
    report.save(result, args.out, table(result))


if __name__ == "__main__":
    main()
