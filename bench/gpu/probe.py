# SPDX-License-Identifier: Apache-2.0
"""A convolution probe as a peer: a program that measures ResNet-50's convolutions, each on its own, beside those of an engine.

    PROGRAM time 1|0 CSV BATCH      1: FP16, 0: INT8

prints a line per shape, the fastest of its kernels first, and a total without the stem:

    N256 f16 h56 256->64 k1 s1 r0 x2: 0.1709 ms ... best pp128x64; ...     56 x 56 pixels, kernel 1, stride 1, no residual, two layers
    N256 f16 TOTAL 52 convs 5.8551 ms ...
"""
import json
import os
import re
import statistics
import subprocess

import engine_report

MODEL = "resnet50"
TYPES = {"fp16": ("1", "f16"), "int8": ("0", "s8")}
TURNS = 3  # at most: one takes the probe some seconds
TURN_SECONDS = 300
PROFILE_SECONDS = 0.5
SHAPE = re.compile(r"N(\d+) (\w+) h(\d+) (\d+)->(\d+) k(\d+) s(\d+) r\d x(\d+): ([\d.]+) ms .*?best (\w+)")
TOTAL = re.compile(r"N(\d+) (\w+) TOTAL (\d+) convs ([\d.]+) ms")
CHAIN = re.compile(r"CHAIN N(\d+) (\w+) (.*?) ?pdl(\d): (\d+) ops median ([\d.]+) ms")
STEM_KERNEL = 7
ROUNDING = 0.001  # the total is of times that are printed with four digits


def parse(text, batch, precision):
    """{"total_ms", "convolutions", "shapes": {(pixels, inputs, filters, kernel, stride): {"count", "ms", "best"}}, "chains"} of the
    probe's output; "ms" is the sum over the layers of a shape. A residual is no part of a shape: which of two convolutions an addition
    joins is the builder's choice."""
    kind = TYPES[precision][1]
    shapes, chains, total = {}, [], None
    for line in text.splitlines():
        found = next(filter(None, (form.match(line) for form in (SHAPE, TOTAL, CHAIN))), None)
        if found is None or found.group(1, 2) != (str(batch), kind):
            continue
        if found.re is SHAPE:
            *shape, count = map(int, found.group(3, 4, 5, 6, 7, 8))
            if shape[3] == STEM_KERNEL:
                continue
            entry = shapes.setdefault(tuple(shape), {"count": 0, "ms": 0.0, "best": []})
            entry["count"] += count
            entry["ms"] += count * float(found[9])
            entry["best"].append(found[10])
        elif found.re is TOTAL:
            total = int(found[3]), float(found[4])
        else:
            chains.append({"of": found[3], "pdl": int(found[4]), "steps": int(found[5]), "median_ms": float(found[6])})
    if total is None:
        raise ValueError(f"the probe's output has no total for batch {batch}, {kind}")
    count, ms = sum(entry["count"] for entry in shapes.values()), sum(entry["ms"] for entry in shapes.values())
    if count != total[0] or abs(ms - total[1]) > ROUNDING * total[1]:
        raise ValueError(f"the probe's layers are {count} with {ms:.4f} ms, its total says {total[0]} with {total[1]:.4f} ms")
    return {"total_ms": total[1], "convolutions": total[0], "shapes": shapes, "chains": chains}


def median_of(turns):
    """One of several outputs: the median of each time."""
    first = turns[0]
    shapes = {shape: entry | {"ms": statistics.median(turn["shapes"][shape]["ms"] for turn in turns)} for shape, entry in first["shapes"].items()}
    return first | {"total_ms": statistics.median(turn["total_ms"] for turn in turns), "shapes": shapes}


def shapes_of(source, batch):
    """{node: shape, as parse() has them} of the convolutions in an ONNX file."""
    import onnx
    file = onnx.load(source)
    for value in file.graph.input:
        if value.type.tensor_type.shape.dim[0].dim_param:
            value.type.tensor_type.shape.dim[0].dim_value = batch
    graph = onnx.shape_inference.infer_shapes(file).graph
    sizes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in (*graph.value_info, *graph.input, *graph.output)}
    sizes |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    found = {}
    for node in graph.node:
        if node.op_type == "Conv":
            (_, inputs, pixels, _), (filters, _, kernel, _) = sizes[node.input[0]], sizes[node.input[1]]
            stride = next((attribute.ints[0] for attribute in node.attribute if attribute.name == "strides"), 1)
            found[node.name] = (pixels, inputs, filters, kernel, stride)
    return found


def text_of(shape):
    return "{0}x{0}, {1} to {2}, {3}x{3}".format(*shape[:4]) + (f", stride {shape[4]}" if shape[4] != 1 else "")


def steps_of(nodes, convolutions, shapes):
    """{step: [shape, ...]} of the steps that hold convolutions which the probe measures."""
    found = {}
    for node in nodes:
        held = [convolutions[name] for name in node.get("made_from", ()) if convolutions.get(name) in shapes]
        if held:
            found[node["node"]] = held
    return found


def compare(measured, report, profile, convolutions, row_ms):
    """`measured` by parse(); `report` of the build; `profile`: {step: milliseconds} of what a run on the device consists of;
    `convolutions` by shapes_of(); `row_ms`: the median of the whole engine.

    own_ms: sum of what the tuner measured of the chosen kernels, as the probe measures its own: alone, in a graph, back to back (but the
    best of its samples, and on the same memory each time); None where one was not timed. own_bracket: in the network they take at most the sum of their steps' profile, which has a launch in each
    step, and at least what the profile of all other steps leaves of the row."""
    nodes = {node["node"]: node for node in report["nodes"]}
    steps = steps_of(report["nodes"], convolutions, measured["shapes"])
    held = sum(len(shapes) for shapes in steps.values())
    if held != measured["convolutions"]:
        raise ValueError(f"the engine has {held} of the probe's {measured['convolutions']} convolutions")
    layers = {shape: {"count": 0, "timed": [], "profile": [], "tactics": []} for shape in measured["shapes"]}
    for step, shapes in steps.items():
        each = [measured["shapes"][shape]["ms"] / measured["shapes"][shape]["count"] for shape in shapes]
        timed = engine_report.timings(nodes[step]).get(nodes[step]["tactic"])
        for shape, weight in zip(shapes, each):
            share, layer = weight / sum(each), layers[shape]  # of a step with several, as the probe's times are to each other
            layer["count"] += 1
            layer["timed"].append(None if timed is None else timed / 1e3 * share)
            layer["profile"].append(profile[step] * share)
            if nodes[step]["tactic"] not in layer["tactics"]:
                layer["tactics"].append(nodes[step]["tactic"])
    rows = [layer_row(shape, layer, measured["shapes"][shape]) for shape, layer in layers.items()]
    own = None if any(row["own_ms"] is None for row in rows) else sum(row["own_ms"] * row["count"] for row in rows)
    highest, total = sum(profile[step] for step in steps), measured["total_ms"]
    bracket = [row_ms - (sum(profile.values()) - highest), highest]
    return {"total_ms": total, "convolutions": held, "own_ms": own, "own_bracket": bracket, "ratio": own / total if own else None,
            "ratio_bracket": [ms / total for ms in bracket], "layers": rows, "chains": measured["chains"]}


def layer_row(shape, layer, probe):
    """Milliseconds of one layer, the mean over those of the shape."""
    if layer["count"] != probe["count"]:
        raise ValueError(f"the engine has {layer['count']} convolutions {text_of(shape)}, the probe {probe['count']}")
    each = probe["ms"] / probe["count"]
    own = None if None in layer["timed"] else statistics.mean(layer["timed"])
    return {"shape": text_of(shape), "count": layer["count"], "probe_ms": each, "own_ms": own, "own_profile_ms": statistics.mean(layer["profile"]),
            "ratio": own / each if own else None, "tactics": layer["tactics"], "probe_best": probe["best"]}


class Beside:
    """The probe and the profile of one engine, in turns."""

    def __init__(self, program, strop, built, device, batch, precision, shapes, folder):
        self.command = [program, "time", TYPES[precision][0], os.devnull, str(batch)]
        self.profile_file = folder / "profile.json"
        self.profile_command = [strop, "bench", built.engine, "--device", device, "--duration", str(PROFILE_SECONDS), "--profile", "--json", self.profile_file]
        for name, shape in shapes.items():
            self.profile_command += ["--shape", f"{name}=" + "x".join(map(str, shape))]
        self.batch, self.precision = batch, precision
        self.report, self.convolutions = json.loads(built.report.read_text()), shapes_of(built.model, batch)
        self.measured, self.profiles = [], []

    def call(self, command):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace", timeout=TURN_SECONDS)
        if done.returncode:
            raise RuntimeError(f"{os.path.basename(command[0])} {command[1]} ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-500:]}")
        return done.stdout

    def turn(self):
        self.measured.append(parse(self.call(self.command), self.batch, self.precision))
        self.call(self.profile_command)
        # Inputs and outputs of a row lie on the device: copies of them are no part of it.
        steps = [step for step in json.loads(self.profile_file.read_text())["steps"] if step["tactic"] != "copy"]
        self.profiles.append([(step["step"], step["ms"]) for step in steps])

    def result(self, row_ms):
        profile = {}
        for i, (step, _) in enumerate(self.profiles[0]):
            profile[step] = profile.get(step, 0) + statistics.median(one[i][1] for one in self.profiles)
        found = compare(median_of(self.measured), self.report, profile, self.convolutions, row_ms)
        return found | {"turns_ms": [turn["total_ms"] for turn in self.measured]}
