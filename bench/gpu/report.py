# SPDX-License-Identifier: Apache-2.0
"""The Markdown table of a result of run.py. report.py NAME.json writes NAME.md again."""
import json
import math
import pathlib
import sys

TITLES = {"strop": "Strop", "strop_own": "Strop without libraries", "eager": "eager", "graph": "graph", "graph_nhwc": "graph, channels last", "compile": "torch.compile"}
OWN = ("strop", "strop_own")
PEERS = tuple(name for name in TITLES if name not in OWN)


def median(row, name):
    return row["contenders"].get(name, {}).get("median_ms")


def ratio(row, name):
    own, other = median(row, "strop"), median(row, name)
    return other / own if own and other else None


def number(value, form="{:.3f}"):
    return "-" if value is None else form.format(value)


def error_text(result):
    value, field = result.get("error"), result.get("field_error")
    if isinstance(value, str):
        return value
    return number(value, "{:.1e}") + (f" (field {field:.1e})" if isinstance(field, float) else "")


def columns(rows):
    """The contenders of a table. Strop without libraries is measured where asked for, and stands there alone."""
    return [name for name in TITLES if name != "strop_own" or any(name in row["contenders"] for row in rows)]


def line(row, names=None):
    strop = row["contenders"].get("strop", {})
    cells = [row["model"], str(row["batch"]), row["precision"]]
    cells += [number(median(row, name)) + (" (failed)" if row["contenders"].get(name, {}).get("failure") else "") for name in names or columns([row])]
    own = median(row, "strop")
    cells += [number(row["batch"] / own * 1e3 if own else None, "{:,.0f}")]
    cells += [number(ratio(row, "eager"), "{:.2f}"), number(ratio(row, "graph"), "{:.2f}")]
    fastest = [r for r in (ratio(row, name) for name in PEERS) if r]
    cells += [number(min(fastest) if fastest else None, "{:.2f}"), error_text(strop), number(strop.get("spread"), "{:.1%}")]
    memory = strop.get("memory_bytes")
    cells += [number(strop.get("build_s"), "{:.1f}"), number(strop.get("build_with_timings_s"), "{:.1f}"), number(memory / 2**20 if memory else None, "{:.0f}")]
    return "| " + " | ".join(cells) + " |"


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def beside_libraries(rows):
    """Lines of Markdown: Strop's own candidates beside the libraries', and engines without libraries; none where nothing is known."""
    text, notes = [], []
    for row in rows:
        layers = row["contenders"].get("strop", {}).get("layers_against_libraries")
        without, own = median(row, "strop_own"), median(row, "strop")
        if layers is None and without is None:
            continue
        cells = [row["model"], str(row["batch"]), row["precision"], *(str(layers[key]) if layers else "-" for key in ("own", "library", "alone"))]
        worst = layers["worst"][0] if layers and layers["worst"] else None
        cells += [f"{worst['node']}: {worst['own']} {worst['own_us']:.1f} µs, {worst['library']} {worst['library_us']:.1f} µs" if worst else "-"]
        cells += [number(without), number(without / own if without and own else None, "{:.2f}")]
        text.append("| " + " | ".join(cells) + " |")
        notes += [f"- {row['model']}, batch {row['batch']}, {row['precision']}: {note}" for note in (layers or {}).get("notes", ())]
    if not text:
        return []
    return ["", "## Beside cuDNN and cuBLASLt", "",
            "Convolutions and matrix products of Strop's engine, by what the build timed: those with a kernel of Strop's own that is as fast as the libraries' fastest, those without one, "
            "and those for which no library's was timed. Then the own kernel that is furthest behind. Without libraries: the median of an engine built with "
            "`--tactics=-cudnn,-cublaslt`, and that over Strop's.", "",
            "| model | batch | precision | own as fast | library faster | no library | furthest behind | without libraries | over Strop's |", "|---" * 9 + "|",
            *text, *([""] + notes if notes else [])]


def span(values, form):
    return " to ".join(form.format(value) for value in values)


def probe_layers(row):
    yield from ("", f"Batch {row['batch']}, {row['precision']}, milliseconds of one layer:", "",
                "| convolution | layers | Strop | its step in a profile | probe | Strop over probe | Strop's kernels |", "|---" * 7 + "|")
    for layer in row["probe"]["layers"]:
        yield (f"| {layer['shape']} | {layer['count']} | {number(layer['own_ms'], '{:.4f}')} | {layer['own_profile_ms']:.4f} | {layer['probe_ms']:.4f} | "
               f"{number(layer['ratio'], '{:.2f}')} | {', '.join(layer['tactics'])} |")


def beside_probe(rows):
    """Lines of Markdown; none where no row has the probe."""
    probed = [row for row in rows if row.get("probe")]
    measured = [row for row in probed if "failure" not in row["probe"]]
    text = []
    for row in measured:
        p = row["probe"]
        text.append(f"| {row['batch']} | {row['precision']} | {p['total_ms']:.3f} | {number(p['own_ms'])} | {number(p['ratio'], '{:.2f}')} | "
                    f"{span(p['own_bracket'], '{:.3f}')} | {span(p['ratio_bracket'], '{:.2f}')} |")
    if text:
        text = ["| batch | precision | probe | Strop, alone | over the probe's | Strop, in the network | over the probe's |", "|---" * 7 + "|", *text]
    failed = [f"- Batch {row['batch']}, {row['precision']}: {row['probe']['failure']}" for row in probed if "failure" in row["probe"]]
    text += ["", *failed] if text and failed else failed
    if not probed:
        return []
    return ["", f"## ResNet-50's {measured[0]['probe']['convolutions'] if measured else ''} convolutions beside the probe".replace("  ", " "), "",
            "Milliseconds of all convolutions but the stem. Alone: the probe measures each on its own, in a graph, back to back, on memory larger than the cache, and gives medians; so does Strop's "
            "tuner, on the same memory each time, and gives the best; those of the chosen kernels are added. In the network they take at most the sum of their steps in a profile, each of "
            "which has a launch in it, and at least what the profile of all other steps leaves of the row's median. An addition is part of the convolution that each side gave it to.", "", *text, *(line for row in measured for line in probe_layers(row))]


def table(result):
    device = result["device"]
    names = columns(result["rows"])
    versions = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    text = ["# Strop beside PyTorch", "",
            f"{device.get('name', 'no GPU')}, driver {device.get('driver_version', '-')}. {versions}. {result['date']}.", "",
            f"    {result['command']}", "",
            "Medians in milliseconds of runs on the device, inputs and outputs there: device events around each run, random inputs in rotation, contenders in turns. "
            "graph: eager captured in a CUDA graph. Ratios: the other's median over Strop's. Error: norm-wise, the worst output, against PyTorch in FP32 without TF32; field: of a detector's fields the worst on its own, which is not judged. Build: without "
            "and with the timing cache, seconds. Memory: MiB of the device.", "",
            "| model | batch | precision | " + " | ".join(TITLES[name] for name in names) +
            " | Strop /s | × eager | × graph | × fastest | error | spread | build | again | memory |",
            "|---|---|---" + "|---" * (len(names) + 9) + "|"]
    text += [line(row, names) for row in result["rows"]]
    for precision in sorted({row["precision"] for row in result["rows"]}):
        rows = [row for row in result["rows"] if row["precision"] == precision]
        means = {name: geometric_mean([r for r in (ratio(row, name) for row in rows) if r]) for name in PEERS}
        parts = [f"{TITLES[name]} {value:.2f}" for name, value in means.items() if value]
        if parts:
            text += ["", f"{precision}, geometric mean of the ratios: " + ", ".join(parts) + "."]
    text += beside_libraries(result["rows"]) + beside_probe(result["rows"])
    if result["failures"]:
        text += ["", "Failures:", ""] + [f"- {failure}" for failure in result["failures"]]
    return "\n".join(text) + "\n"


def save(result, path, text):
    """The JSON file whole or not at all, and the text beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(result, indent=1) + "\n")
    new.replace(path)
    path.with_suffix(".md").write_text(text)


def write(result, path):
    save(result, path, table(result))


if __name__ == "__main__":
    write(json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(sys.argv[1]))
