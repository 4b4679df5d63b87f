# SPDX-License-Identifier: Apache-2.0
"""Tables and a chart of what run.py measured.

report.py NAME.json writes NAME.md and NAME.png again. A ratio is the other engine's median time over Strop's: above 1, Strop is
faster. A mean of ratios is the geometric one.
"""
import json
import math
import pathlib
import sys

# Above this share of the machine used by others the figures are no measurement.
QUIET = 0.03

TITLES = {"strop": "Strop", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "strop_bf16": "Strop BF16",
          "openvino_bf16": "OpenVINO BF16"}


def median(row, engine):
    return row["engines"].get(engine, {}).get("median_ms")


def ratio(row, other, own="strop"):
    a, b = median(row, other), median(row, own)
    return a / b if a and b else None


def mean(values):
    values = [v for v in values if v]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def number(value, form="{:.2f}"):
    return form.format(value) if value is not None else "-"


def line(row):
    """One row, for the terminal."""
    parts = [f"{row['model']:20} batch {row['batch']} threads {row['threads']}"]
    for engine in (e for e in TITLES if e in row["engines"]):
        result = row["engines"][engine]
        text = f"{result['median_ms']:.2f} ms" if "median_ms" in result else "failed: " + result.get("failure", "")[:200]
        parts.append(f"{TITLES[engine]} {text}")
    if ratio(row, "onnxruntime"):
        parts.append(f"ratio {ratio(row, 'onnxruntime'):.2f}")
    return "  ".join(parts)


def means(rows):
    """Geometric means by group, batch and threads."""
    result = []
    cases = sorted({(r["batch"], r["threads"]) for r in rows})
    for batch, threads in cases:
        here = [r for r in rows if (r["batch"], r["threads"]) == (batch, threads)]
        for group in dict.fromkeys(r["group"] for r in here):
            of_group = [r for r in here if r["group"] == group]
            against = [ratio(r, "onnxruntime") for r in of_group]
            known = [v for v in against if v]
            result.append({"group": group, "batch": batch, "threads": threads, "models": len(known),
                           "onnxruntime": mean(against), "openvino": mean(ratio(r, "openvino") for r in of_group),
                           "worst_onnxruntime": min(known, default=None)})
        bf16 = [ratio(r, "strop", "strop_bf16") for r in here]
        if any(bf16):
            result.append({"group": "BF16", "batch": batch, "threads": threads, "models": sum(1 for v in bf16 if v),
                           "own_fp32": mean(bf16),
                           "openvino": mean(ratio(r, "openvino_bf16", "strop_bf16") for r in here)})
    return result


def table(header, lines):
    rows = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(rows + ["| " + " | ".join(cells) + " |" for cells in lines]) + "\n"


def agreement(row):
    """The text of how Strop's results compare, and for INT8 how ONNX Runtime's own two ways of running the file do."""
    found = row["engines"].get("strop", {}).get("agreement")
    if not found:
        return "-"
    if "error" in found:
        return found["error"]
    text = f"{found['relative_error']:.1e}"
    if row["group"] != "FP32":
        if found["top1_equal"] is not None:
            text += f", top-1 {found['top1_equal']:.1%}"
        text += f", within a step {found['within_a_step']:.1%}"
        own = row.get("onnxruntime_as_written", {})
        if "relative_error" in own:
            text += f" (itself: {own['relative_error']:.1e})"
    return text


def introduction(result):
    host = result["machine"]
    text = ["# CPU benchmark\n"]
    if not result["quiet"]:
        text.append(f"**Not for publication: other work used {result['others_share']:.0%} of the machine while this was measured.**\n")
    versions = ", ".join(f"{TITLES.get(k, k)} {v}" for k, v in result["versions"].items())
    text.append(f"{host['processor']}, {host['cpus']} CPUs, {host['memory_gib']} GiB, {host['system']}. {versions}. {result['date']}.\n")
    text.append(f"    {result['command']}\n")
    text.append("Ratio: the other engine's median time over Strop's; above 1, Strop is faster. Engines took turns on the same cores, "
                f"{result['rounds']} rounds of {result['seconds']} s. Spread: largest less smallest of the rounds' medians, over "
                "their median.\n")
    return text


def means_table(result):
    header = ["group", "batch", "threads", "models", "ratio to ONNX Runtime", "worst", "ratio to OpenVINO", "ratio to own FP32"]
    lines = [[m["group"], str(m["batch"]), str(m["threads"]), str(m["models"]),
              *(number(m.get(key)) for key in ("onnxruntime", "worst_onnxruntime", "openvino", "own_fp32"))] for m in result["means"]]
    return ["## Geometric means\n", table(header, lines)]


def times_table(rows, engines):
    def cell(measured):
        if "median_ms" in measured:
            return f"{measured['median_ms']:.3g} ({measured['spread']:.0%})"
        return "failed" if "failure" in measured else "-"

    header = ["model", "group", "batch", "threads", *(TITLES[e] for e in engines), "ratio to ONNX Runtime", "ratio to OpenVINO",
              "difference from ONNX Runtime"]
    lines = [[r["model"], r["group"], str(r["batch"]), str(r["threads"]), *(cell(r["engines"].get(e, {})) for e in engines),
              number(ratio(r, "onnxruntime")), number(ratio(r, "openvino")), agreement(r)] for r in rows]
    return ["## Models\n\nMedian time in ms, spread in brackets.\n", table(header, lines)]


def arithmetic_table(rows, engines, peaks):
    """Rates, and fractions of the peak that the command line named for the precision."""
    def cell(row, engine):
        if not row.get("operations") or not median(row, engine):
            return "-"
        rate = row["operations"] / median(row, engine) / 1e6
        precision = "bf16" if engine.endswith("bf16") else "fp32" if row["group"] == "FP32" else "int8"
        peak = peaks.get(precision)
        return f"{rate:.3g}" + (f" ({rate / peak / row['threads']:.0%})" if peak else "")

    header = ["model", "batch", "threads", "10^9 operations", *(TITLES[e] for e in engines)]
    lines = [[r["model"], str(r["batch"]), str(r["threads"]), number(r["operations"] / 1e9, "{:.3g}") if r.get("operations") else "-",
              *(cell(r, e) for e in engines)] for r in rows]
    text = "## Arithmetic\n\n10^9 operations a second: those of convolutions and matrix products, as the file has them."
    if peaks:
        of = ", ".join(f"{k} {v:g}" for k, v in peaks.items())
        text += f" In brackets, of the cores' peak; of one core that is {of}."
    return [text + "\n", table(header, lines)]


def loading_table(rows, engines):
    def cell(found):
        return f"{found['first_answer_s'] * 1e3:.0f} ({found['load_s'] * 1e3:.0f})" if "first_answer_s" in found else "-"

    def memory(found):
        return f"{(found['peak_kib'] - found['before_kib']) / 1024:.0f}" if "peak_kib" in found else "-"

    lines = []
    for row in rows:
        found = {e: row["engines"].get(e, {}) for e in engines}
        first = [found.get(e, {}).get("first_answer_s") for e in ("strop", "onnxruntime")]
        lines.append([row["model"], str(row["batch"]), str(row["threads"]), *(cell(found[e]) for e in engines),
                      number(first[0] / first[1] if all(first) else None), " / ".join(memory(found[e]) for e in engines),
                      number(found.get("strop", {}).get("build_s"), "{:.1f}")])
    header = ["model", "batch", "threads", *(TITLES[e] for e in engines), "Strop / ONNX Runtime", "memory", "strop build, s"]
    return ["## Loading\n\nFrom opening the file to the first answer, ms; in brackets, until the model is loaded. Strop loads an "
            "engine that was built before, the others the ONNX file. Memory: the largest resident set less that before loading, "
            "MiB, in the order of the columns.\n", table(header, lines)]


def markdown(result):
    rows = result["rows"]
    engines = [e for e in TITLES if any(e in r["engines"] for r in rows)]
    text = [*introduction(result), *means_table(result), *times_table(rows, engines),
            *arithmetic_table(rows, engines, result["peak_of_a_core"]), *loading_table(rows, engines)]
    if result["failures"]:
        text += ["## Failures\n", *("- " + " ".join(f.split())[:400] for f in result["failures"]), ""]
    return "\n".join(text)


def chart(result, path):
    """Ratios to ONNX Runtime: a panel per batch and number of threads, a bar per model. False without matplotlib."""
    try:
        import matplotlib
        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return False
    rows = [r for r in result["rows"] if ratio(r, "onnxruntime")]
    cases = sorted({(r["batch"], r["threads"]) for r in rows})
    if not cases:
        return False
    names = list(dict.fromkeys(r["model"] for r in rows))
    colours = {"FP32": "#2f6db3", "INT8 static": "#c8641b", "INT8 dynamic": "#4f8f4a"}
    size = (2 + 4 * len(cases), 1.6 + 0.32 * len(names))
    figure, panels = pyplot.subplots(1, len(cases), figsize=size, sharey=True, squeeze=False)
    for panel, (batch, threads) in zip(panels[0], cases):
        here = {r["model"]: r for r in rows if (r["batch"], r["threads"]) == (batch, threads)}
        for position, name in enumerate(names):
            if name in here:
                value = ratio(here[name], "onnxruntime")
                panel.barh(position, value, color=colours[here[name]["group"]])
                panel.text(value, position, f" {value:.2f}", va="center", fontsize=8)
                if (other := median(here[name], "openvino")):
                    panel.plot(median(here[name], "onnxruntime") / other, position, "k|", markersize=11, markeredgewidth=1.6)
        panel.axvline(1, color="black", linewidth=0.8)
        panel.set_title(f"batch {batch}, {threads} thread{'s' if threads > 1 else ''}", fontsize=10)
        panel.set_yticks(range(len(names)), names, fontsize=8)
        panel.margins(x=0.15)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0][0].invert_yaxis()
    handles = [pyplot.Rectangle((0, 0), 1, 1, color=c) for g, c in colours.items() if any(r["group"] == g for r in rows)]
    labels = [f"Strop, {g}" for g in colours if any(r["group"] == g for r in rows)]
    if any(median(r, "openvino") for r in rows):
        handles.append(pyplot.Line2D([], [], color="black", marker="|", linestyle="", markersize=11, markeredgewidth=1.6))
        labels.append("OpenVINO")
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), fontsize=8, frameon=False)
    title = "Speed relative to ONNX Runtime (above 1: faster)"
    if not result["quiet"]:
        title += "; not for publication: the machine was busy"
    figure.suptitle(title, fontsize=11)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=130)
    return True


def write(result, path):
    result["quiet"] = result["others_share"] <= QUIET
    result["means"] = means(result["rows"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(result))
    written = [path.name, path.with_suffix(".md").name]
    if chart(result, path.with_suffix(".png")):
        written.append(path.with_suffix(".png").name)
    else:
        print("report: no chart (matplotlib is not installed, or nothing to show)")
    print(f"wrote {', '.join(written)} in {path.parent}")


if __name__ == "__main__":
    write(json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(sys.argv[1]))
