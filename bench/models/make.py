#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the model set of the benchmarks.

make.py --out DIR [--only NAME...] [--data DIR] [--ocr DIR] [--force] [--list]

Files that are there already are kept, unless --force. Generated files have the same bytes wherever the same versions of numpy and
onnx made them; those of the quantiser also need the same version of ONNX Runtime and a processor with the same instructions, since
it runs the model to find ranges. A model whose file is not on this machine is skipped with a message.
"""
import argparse
import os
import pathlib
import shutil
import sys
import time

import onnx

import catalogue

ROOT = pathlib.Path(__file__).resolve().parents[2]


def default_data():
    candidates = [ROOT / "../shared", ROOT / "shared", ROOT / "../../shared"]
    return next((c for c in candidates if (c / "models").is_dir()), candidates[0]).resolve()


def source_file(model, args):
    place, _, name = model.file.partition("/")
    return (args.ocr if place == "ocr" else args.data / place) / name


def write_generated(model, target):
    graph = model.build()
    if graph.parameters != model.parameters:
        sys.exit(f"make: {model.name} has {graph.parameters:,} parameters, published are {model.parameters:,}")
    onnx.save(graph.model(), target)


def make(model, target, args):
    """Writes the file whole or not at all; false if it cannot be made here."""
    new = target.with_suffix(".new.onnx")
    if model.build:
        write_generated(model, new)
    elif model.file:
        source = source_file(model, args)
        if not source.exists():
            print(f"skip  {model.name}: {source} is not there" + (" (script/fetch-ocr-models)" if "ocr/" in model.file else ""))
            return False
        shutil.copyfile(source, new)
    else:
        source = catalogue.find([model.source])[0]
        if not (target.parent / f"{source.name}.onnx").exists():
            make(source, target.parent / f"{source.name}.onnx", args)
        import quantize  # pylint: disable=import-outside-toplevel  # ONNX Runtime is needed for these alone
        quantize.quantize(model, target.parent / f"{source.name}.onnx", new)
    os.replace(new, target)
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--data", type=pathlib.Path, default=default_data(), help="folder of models/*.onnx; default: %(default)s")
    parser.add_argument("--ocr", type=pathlib.Path, default=ROOT / ".cache/rapidocr/rapidocr_onnxruntime/models")
    parser.add_argument("--force", action="store_true", help="write again what is there")
    parser.add_argument("--list", action="store_true", help="name the models and do nothing")
    args = parser.parse_args()
    models = catalogue.find(args.only)
    if args.list:
        for model in models:
            print(f"{model.name:20} {model.group:13} {model.file or model.source or model.build.__module__}")
        return
    if args.out is None:
        parser.error("--out is needed")
    args.out.mkdir(parents=True, exist_ok=True)
    for model in models:
        target = args.out / f"{model.name}.onnx"
        if target.exists() and not args.force:
            print(f"kept  {model.name}")
            continue
        start = time.monotonic()
        if make(model, target, args):
            print(f"wrote {model.name}: {target.stat().st_size / 1e6:.1f} MB in {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
