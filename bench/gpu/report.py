# SPDX-License-Identifier: Apache-2.0
"""The Markdown table of a result of run.py. report.py NAME.json writes NAME.md again."""
import json
import math
import pathlib
import sys

TITLES = {"strop": "Strop", "eager": "eager", "graph": "graph", "graph_nhwc": "graph, channels last", "compile": "torch.compile"}
PEERS = tuple(name for name in TITLES if name != "strop")


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


def line(row):
    strop = row["contenders"].get("strop", {})
    cells = [row["model"], str(row["batch"]), row["precision"]]
    cells += [number(median(row, name)) + (" (failed)" if row["contenders"].get(name, {}).get("failure") else "") for name in TITLES]
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


def table(result):
    device = result["device"]
    versions = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    text = ["# Strop beside PyTorch", "",
            f"{device.get('name', 'no GPU')}, driver {device.get('driver_version', '-')}. {versions}. {result['date']}.", "",
            f"    {result['command']}", "",
            "Medians in milliseconds of runs on the device, inputs and outputs there: device events around each run, random inputs in rotation, contenders in turns. "
            "graph: eager captured in a CUDA graph. Ratios: the other's median over Strop's. Error: norm-wise, the worst output, against PyTorch in FP32 without TF32; field: of a detector's fields the worst on its own, which is not judged. Build: without "
            "and with the timing cache, seconds. Memory: MiB of the device.", "",
            "| model | batch | precision | " + " | ".join(TITLES.values()) +
            " | Strop /s | × eager | × graph | × fastest | error | spread | build | again | memory |",
            "|---|---|---" + "|---" * (len(TITLES) + 9) + "|"]
    text += [line(row) for row in result["rows"]]
    for precision in sorted({row["precision"] for row in result["rows"]}):
        rows = [row for row in result["rows"] if row["precision"] == precision]
        means = {name: geometric_mean([r for r in (ratio(row, name) for row in rows) if r]) for name in PEERS}
        parts = [f"{TITLES[name]} {value:.2f}" for name, value in means.items() if value]
        if parts:
            text += ["", f"{precision}, geometric mean of the ratios: " + ", ".join(parts) + "."]
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
