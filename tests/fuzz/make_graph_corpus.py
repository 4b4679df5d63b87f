#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of graph_fuzzer: the graphs that the tests of passes and of the text form are written in.

usage: tests/fuzz/make_graph_corpus.py FOLDER
"""
import hashlib
import pathlib
import re
import sys


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    tests = pathlib.Path(__file__).resolve().parents[1]
    found = set()
    for source in sorted([*tests.glob("passes/*.cpp"), *tests.glob("ir/*.cpp"), *tests.glob("lower/*.cpp")]):
        for text in re.findall(r'R"\w*\((\s*graph .*?)\)\w*"', source.read_text(), re.DOTALL):
            found.add(re.sub(r"\n\s+", "\n ", text.strip()))
    for text in sorted(found):
        for target in b"\0", b"\1":  # a precise one and another
            content = target + text.encode()
            (folder / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
    print(f"{len(found)} graphs")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
