# SPDX-License-Identifier: Apache-2.0
"""How long a run takes on the device, and what the device was doing meanwhile."""
import shutil
import statistics
import subprocess
import time

import torch

CHUNK_SECONDS, CHUNK_RUNS = 0.02, 50
HOLD_CYCLES = 4_000_000  # some 2 ms in which the host gets ahead, so that no run waits for being enqueued
WARM_UP_RUNS, LEAST_RUNS = 3, 5


def timed_chunk(contender, sets, first, count):
    """Milliseconds of `count` runs, each between two device events of its own. Copying the next input set lies outside of them."""
    events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(count)]
    if contender.replays:
        torch.cuda._sleep(HOLD_CYCLES)  # pylint: disable=protected-access
    for i, (before, after) in enumerate(events):
        contender.feed(sets[(first + i) % len(sets)])
        before.record()
        contender.enqueue()
        after.record()
    torch.cuda.synchronize()
    return [before.elapsed_time(after) for before, after in events]


def timed_on_host(contender, sets, first, count):
    """The same by the host's clock, where there is no device."""
    times = []
    for i in range(count):
        contender.feed(sets[(first + i) % len(sets)])
        start = time.perf_counter()
        contender.enqueue()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def described(times):
    times = sorted(times)
    return {"median_ms": statistics.median(times), "min_ms": times[0], "p95_ms": times[int(len(times) * 0.95)], "runs": len(times)}


def turn(contender, sets, seconds, least_runs=LEAST_RUNS):
    """Runs for about `seconds`, at least `least_runs` times, after runs that are not counted. A contender that lives in a process of
    its own measures itself."""
    if hasattr(contender, "measure"):
        return contender.measure(seconds)
    measure = timed_chunk if torch.cuda.is_available() else timed_on_host
    typical = statistics.median(measure(contender, sets, 0, WARM_UP_RUNS)) / 1e3
    count = max(1, min(CHUNK_RUNS, int(CHUNK_SECONDS / max(typical, 1e-6))))
    times, end = [], time.perf_counter() + seconds
    while len(times) < least_runs or time.perf_counter() < end:
        times += measure(contender, sets, len(times), count)
    return described(times)


def summary(rounds):
    """Over the rounds: the median of their medians, the smallest time, and how far the medians are apart as a share of their median."""
    medians = [r["median_ms"] for r in rounds]
    median = statistics.median(medians)
    return {"median_ms": median, "min_ms": min(r["min_ms"] for r in rounds), "p95_ms": statistics.median(r["p95_ms"] for r in rounds),
            "runs": sum(r["runs"] for r in rounds), "spread": (max(medians) - min(medians)) / median, "round_medians_ms": medians}


def device_state(index=0):
    """Clocks, power and temperature right now; {} without nvidia-smi."""
    fields = ("clocks.sm", "clocks.mem", "power.draw", "temperature.gpu")
    if shutil.which("nvidia-smi") is None:
        return {}
    done = subprocess.run(["nvidia-smi", f"--id={index}", "--format=csv,noheader,nounits", f"--query-gpu={','.join(fields)}"],
                          capture_output=True, text=True)
    values = done.stdout.strip().split(", ")
    if done.returncode or len(values) != len(fields):
        return {}
    return {name.replace(".", "_"): float(value) for name, value in zip(fields, values) if value.replace(".", "").isdigit()}


def device_name(index=0):
    """The device, its driver and limits, as nvidia-smi and PyTorch have them."""
    if not torch.cuda.is_available():
        return {}
    properties = torch.cuda.get_device_properties(index)
    found = {"name": properties.name, "capability": f"{properties.major}.{properties.minor}", "memory_gib": round(properties.total_memory / 2**30, 1),
             "multiprocessors": properties.multi_processor_count}
    if shutil.which("nvidia-smi"):
        fields = ("driver_version", "clocks.max.sm", "clocks.max.mem", "power.limit")
        done = subprocess.run(["nvidia-smi", f"--id={index}", "--format=csv,noheader,nounits", f"--query-gpu={','.join(fields)}"],
                              capture_output=True, text=True)
        if done.returncode == 0:
            found |= {name.replace(".", "_"): value for name, value in zip(fields, done.stdout.strip().split(", "))}
    return found
