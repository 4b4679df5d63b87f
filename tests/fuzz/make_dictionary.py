#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the words that fuzzers put into their inputs, as libFuzzer dictionaries.

usage: tests/fuzz/make_dictionary.py --strop PROGRAM FOLDER

FOLDER/onnx_reader.dict has the ONNX operators that PROGRAM imports, their attributes with the values that are names, and
domains; FOLDER/graph.dict the operators of the IR, their attributes and the names of enum values. Needs the `onnx` package.
"""
import argparse
import json
import pathlib
import re
import subprocess

import onnx

# Values of attributes that the schemas do not list.
NAMES = ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", "constant", "reflect", "edge", "wrap", "nearest", "linear", "cubic",
         "half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "tf_crop_and_resize", "round_prefer_floor", "floor",
         "ceil", "tanh", "none", "LEFT", "RIGHT", "value", "weights.bin", "location", "offset", "length", "ai.onnx",
         "ai.onnx.ml", "not_larger", "not_smaller", "stretch"]
# Messages as they begin in a file: a node in a graph, an attribute in a node, an int in an attribute, ...
BYTES = [r"\x0a\x00", r"\x12\x00", r"\x22\x00", r"\x2a\x00", r"\x3a\x00", r"\x42\x00", r"\x52\x00", r"\x72\x00", r"\x08\x01",
         r"\x08\x07", r"\x10\x01", r"\x10\x07", r"\x18\x00", r"\x18\x01", r"\x20\x01", r"\xa0\x01\x01", r"\xa0\x01\x02",
         r"\xa0\x01\x05", r"\xa0\x01\x07", r"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", r"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"]
GRAPH_WORDS = ["graph", "const", "then", "else", "body", "from", "->", "%x", "%y", "f32[", "f16[", "i64[", "bool[", "u8[", "i8[",
               "string[", "f64[", "seq(", "opt(", "map(", "[*]", "[N,", "floordiv(", "ceildiv(", "mod(", "min(", "max(",
               "broadcast(", "#0.0", "@0", "@1", "_", "inf", "nan", "true", "false", "9223372036854775807",
               "-9223372036854775808", "4294967296"]


def quoted(word):
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\x{ord(c):02x}" for c in word) + '"'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strop", required=True)
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    listed = json.loads(subprocess.run([args.strop, "operators", "--json"], check=True, capture_output=True).stdout)

    imported = {entry["operator"] for entry in listed["imported"]}
    words = set(NAMES) | imported
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.name in imported:
            words |= set(schema.attributes)
    args.folder.mkdir(parents=True, exist_ok=True)
    # Names in a file follow their length.
    lines = [f'"\\x{len(word):02x}{word}"' for word in sorted(words)] + [quoted(w) for w in sorted(words)]
    lines += [f'"{text}"' for text in BYTES]
    (args.folder / "onnx_reader.dict").write_text("\n".join(lines) + "\n")

    words = set(GRAPH_WORDS)
    for entry in listed["operators"]:
        words |= {entry["operator"] + "(", entry["operator"] + "{"}
        for attribute in entry["attributes"]:
            words.add(re.match(r"\w+", attribute)[0] + "=")
    ops = pathlib.Path(__file__).resolve().parents[2] / "src/ops"
    for source in ops.glob("*.?pp"):
        words |= set(re.findall(r'"([a-z][a-z0-9_]+)"', source.read_text()))
    (args.folder / "graph.dict").write_text("\n".join(quoted(w) for w in sorted(words)) + "\n")
    print(f"{len(lines)} and {len(words)} words")


if __name__ == "__main__":
    main()
