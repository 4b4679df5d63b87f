# SPDX-License-Identifier: Apache-2.0
"""What the report of a build (strop build --report) says about an engine's steps and about the candidates that were timed for them."""
import re

LIBRARIES = ("conv_cudnn", "matmul_cublaslt")
WITHOUT_LIBRARIES = "-cudnn,-cublaslt"
WORST = 5


def steps_by_backend(report):
    found = {}
    for node in report["nodes"]:
        found[node["backend"]] = found.get(node["backend"], 0) + 1
    return found


def timings(node):
    """{candidate: microseconds}"""
    return {timing["candidate"]: timing["microseconds"] for timing in node.get("timings") or ()}


def of_library(candidate):
    return candidate.startswith(LIBRARIES)


def is_product(node):
    """A convolution or a matrix product, by its tactic or by what else could have been it."""
    return any(name.startswith(("conv_", "matmul_")) for name in (node["tactic"], *timings(node)))


def fastest(times):
    name = min(times, key=times.get)
    return name, times[name]


def against_libraries(report):
    """Of convolutions and products, how many have a candidate of Strop's own that is as fast as the best of cuDNN's and cuBLASLt's
    ("own"), how many have none ("library"), and of how many no library's was timed ("alone"). "worst": where the own ones are furthest behind."""
    count, behind = {"own": 0, "library": 0, "alone": 0}, []
    for node in filter(is_product, report["nodes"]):
        times = timings(node)
        libraries = {name: time for name, time in times.items() if of_library(name)}
        own = {name: time for name, time in times.items() if name not in libraries}
        if not libraries:
            count["library" if of_library(node["tactic"]) else "alone"] += 1
        elif not own:
            count["library"] += 1
        else:
            (name, time), (library, library_time) = fastest(own), fastest(libraries)
            count["own" if time <= library_time else "library"] += 1
            if time > library_time:
                behind.append({"node": node["node"], "own": name, "own_us": time, "library": library, "library_us": library_time})
    behind.sort(key=lambda layer: layer["library_us"] / layer["own_us"])
    cut_off = [note for note in report.get("notes", ()) if re.match(r"tuning: the budget", note)]
    return count | {"worst": behind[:WORST]} | ({"notes": cut_off} if cut_off else {})


def without_libraries(options):
    """The same options of strop build, less the libraries; it takes --tactics once."""
    merged, left_out = [], [WITHOUT_LIBRARIES]
    rest = iter(options)
    for option in rest:
        if option.startswith("--tactics="):
            left_out.insert(0, option.partition("=")[2])
        elif option == "--tactics":
            left_out.insert(0, next(rest, ""))
        else:
            merged.append(option)
    return [*merged, "--tactics=" + ",".join(left_out)]
