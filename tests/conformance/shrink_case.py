#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a failing case of random_models.py smaller for as long as it fails.

usage: shrink_case.py CASE --conformance PROGRAM [--target graph|reference|cpu] [--match TEXT] [--out FOLDER]

Takes away outputs, and puts the value that ONNX Runtime computed in the place of nodes, as an input or as a constant. With
--match a smaller case counts only where TEXT is in the line about its failure. The result is FOLDER/random/shrunk (default:
build/shrunk), and is printed.
"""

import argparse
import copy
import pathlib
import shutil
import subprocess
import sys

import onnx
from onnx import helper as h
from onnx import numpy_helper, printer

from random_scope import element_type, session


def read_set(model, folder):
    defaults = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in defaults]
    read = lambda path: numpy_helper.to_array(onnx.load_tensor(path))
    return {value.name: read(folder / f"input_{i}.pb") for i, value in enumerate(inputs)}


def all_values(model, feeds):
    """Of the outermost graph, as ONNX Runtime computes them."""
    whole = copy.deepcopy(model)
    known = {o.name for o in whole.graph.output}
    names = [o for node in whole.graph.node for o in node.output if o]
    whole.graph.output.extend(h.make_empty_tensor_value_info(name) for name in names if name not in known)
    runner = session(whole)
    names = [o.name for o in runner.get_outputs()]
    return dict(feeds) | {name: value for name, value in zip(names, runner.run(names, feeds)) if hasattr(value, "dtype")}


def names_in(graph):
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from names_in(attribute.g)
                yield from (o.name for o in attribute.g.output)


def prune(model):
    """Without what no output needs."""
    graph = model.graph
    needed = {o.name for o in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(names_in(h.make_graph([node], "", [], [])))
    keep = lambda items: [item for item in items if item.name in needed]
    nodes, inputs, constants = kept[::-1], keep(graph.input), keep(graph.initializer)
    for field, items in (("node", nodes), ("input", inputs), ("initializer", constants)):
        graph.ClearField(field)
        getattr(graph, field).extend(items)
    return model


class Shrinker:
    def __init__(self, args, model, values):
        self.args, self.model, self.values = args, model, values

    def write(self, model, data):
        folder = data / "random/shrunk"
        if folder.exists():
            shutil.rmtree(folder)
        (folder / "test_data_set_0").mkdir(parents=True)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        defaults = {i.name for i in model.graph.initializer}
        for kind, items in (("input", [i for i in model.graph.input if i.name not in defaults]), ("output", model.graph.output)):
            for i, item in enumerate(items):
                tensor = numpy_helper.from_array(self.values[item.name], item.name)
                (folder / f"test_data_set_0/{kind}_{i}.pb").write_bytes(tensor.SerializeToString())

    def fails(self, model):
        self.write(model, self.args.out)
        done = subprocess.run([self.args.conformance, "--data", self.args.out, "--target", self.args.target], capture_output=True,
                              text=True, check=False)
        crashed = "conformance on" not in done.stdout
        return crashed or "FAILED" in done.stdout and self.args.match in done.stdout

    def attempt(self, change):
        model = copy.deepcopy(self.model)
        if change(model) is False:
            return False
        prune(model)
        if not self.fails(model):
            return False
        self.model = model
        return True

    def run(self):
        if not self.fails(self.model):
            return False
        for name in [o.name for o in self.model.graph.output]:
            def alone(model, name=name):
                outputs = [o for o in model.graph.output if o.name == name]
                model.graph.ClearField("output")
                model.graph.output.extend(outputs)
            if len(self.model.graph.output) > 1 and self.attempt(alone):
                break
        smaller = True
        while smaller:
            smaller = False
            for node in list(self.model.graph.node)[::-1]:
                smaller |= any([self.attempt(lambda m, n=node, c=c: self.cut(m, n, c)) for c in (False, True)])
            for i in range(len(self.model.graph.output) - 1, -1, -1):
                if len(self.model.graph.output) > 1:
                    smaller |= self.attempt(lambda m, i=i: m.graph.output.pop(i) and None)
        self.fails(self.model)
        return True

    def cut(self, model, node, constant):
        wanted = {o.name for o in model.graph.output}
        at = [i for i, n in enumerate(model.graph.node) if list(n.output) == list(node.output)]
        if not at or wanted & set(node.output) or any(o and o not in self.values for o in node.output):
            return False
        del model.graph.node[at[0]]
        for name in node.output:
            if name and constant:
                model.graph.initializer.append(numpy_helper.from_array(self.values[name], name))
            elif name:
                array = self.values[name]
                model.graph.input.append(h.make_tensor_value_info(name, element_type(array), array.shape))
        return True


def main():
    parser = argparse.ArgumentParser(usage=__doc__.splitlines()[2].removeprefix("usage: "))
    parser.add_argument("case", type=pathlib.Path)
    parser.add_argument("--conformance", required=True)
    parser.add_argument("--target", default="graph")
    parser.add_argument("--match", default="")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/shrunk"))
    args = parser.parse_args()
    model = onnx.load(args.case / "model.onnx")
    for folder in sorted(args.case.glob("test_data_set_*")):
        shrinker = Shrinker(args, prune(copy.deepcopy(model)), all_values(model, read_set(model, folder)))
        if shrinker.run():
            text = copy.deepcopy(shrinker.model)
            print(printer.to_text(text))
            return 0
    print("the case does not fail")
    return 1


if __name__ == "__main__":
    sys.exit(main())
