# SPDX-License-Identifier: Apache-2.0
"""Measures time and memory of `strop build` over graphs of growing size (make_graph.py).

measure.py --strop FILE [--nodes 1000,3000,...] [--repeats N] [--json FILE] [--device D]

Every size is built `repeats` times with default passes, in turn with the others; the table has the median time and the largest
resident set, and both per node. Exits with 1 when 12,000 nodes take 20 s or more, or when the cost of a node at the largest size
is more than twice that at 10,000 nodes or thereabouts: growth that is not linear.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time


def build_once(strop, model, engine, device):
    """Seconds and kibibytes of one build, in a process of its own so that its peak is its own."""
    start = time.monotonic()
    process = subprocess.Popen([strop, "build", model, "-o", engine, "--device", device, "--no-verify"],
                               stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"measure: building {model} failed")
    return time.monotonic() - start, usage.ru_maxrss


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strop", required=True)
    parser.add_argument("--nodes", default="1000,3000,10000,30000,100000")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json")
    options = parser.parse_args()
    sizes = [int(n) for n in options.nodes.split(",")]
    results = {n: [] for n in sizes}
    with tempfile.TemporaryDirectory() as folder:
        for n in sizes:
            # In a process of its own: what this one held would count as the peak of every build it starts.
            subprocess.run([sys.executable, pathlib.Path(__file__).with_name("make_graph.py"), str(n), f"{folder}/{n}.onnx"], check=True)
        for _ in range(options.repeats):
            for n in sizes:
                results[n].append(build_once(options.strop, f"{folder}/{n}.onnx", f"{folder}/engine", options.device))
    rows = []
    for n in sizes:
        seconds = [s for s, _ in results[n]]
        rows.append({"nodes": n, "seconds": round(statistics.median(seconds), 3), "seconds_min": round(min(seconds), 3),
                     "seconds_max": round(max(seconds), 3), "peak_kib": max(kib for _, kib in results[n])})
        print(f"{n:>8} nodes  {rows[-1]['seconds']:>8.2f} s ({rows[-1]['seconds_min']:.2f} to {rows[-1]['seconds_max']:.2f})"
              f"  {rows[-1]['peak_kib'] / 1024:>8.1f} MiB  {rows[-1]['seconds'] / n * 1e6:>7.1f} us a node"
              f"  {rows[-1]['peak_kib'] / n:>6.2f} KiB a node")
    report = {"command": "bench/growth/measure.py " + " ".join(sys.argv[1:]).replace(options.strop, "strop"),
              "repeats": options.repeats, "processor": processor(), "cpus": os.cpu_count(), "system": platform.system(), "rows": rows}
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    return check(rows)


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def check(rows):
    failures = [f"{r['nodes']} nodes take {r['seconds']} s" for r in rows if r["nodes"] <= 12_000 and r["seconds"] >= 20]
    base = [r for r in rows if 8_000 <= r["nodes"] <= 15_000]
    if base and rows[-1]["nodes"] > base[0]["nodes"]:
        last = rows[-1]
        for key in ("seconds", "peak_kib"):
            before, after = base[0][key] / base[0]["nodes"], last[key] / last["nodes"]
            if after > 2 * before:
                failures.append(f"{key} of a node grows {after / before:.1f}-fold from {base[0]['nodes']} to {last['nodes']} nodes")
    for failure in failures:
        print("measure:", failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
