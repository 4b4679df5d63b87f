#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes random ONNX models with what ONNX Runtime makes of them, in the layout of the standard's cases.

usage: random_models.py --count N --seed S --out DIR [--only K] [--largest NODES] [--statistics]

DIR/random/s<seed>_<k>/model.onnx with test_data_set_0 (and a second one of another batch size where the model allows it).
ONNX Runtime runs without any of its graph optimisations. random_scope.py says which models are good enough to be compared.
`--only K` makes one of the models again. `conformance --data DIR --target graph|reference|cpu` runs them.
"""

import argparse
import pathlib
import shutil
import sys

import numpy as np
import onnx
from onnx import helper as h
from onnx import numpy_helper

import random_layers   # noqa: F401  (fills the table)
import random_nested   # noqa: F401
import random_pointwise  # noqa: F401
import random_scope
import random_shapes   # noqa: F401
from random_scope import BITS, FARTHEST, NOISE, Draft, Rejected, Scope, Value, element_type, random_array
from random_table import draw


class Model(Scope):
    """The outermost graph: it alone has inputs."""

    def __init__(self, seed, number):
        super().__init__(Draft(seed, number))
        self.inputs = []   # (value, dimensions as the model declares them)
        self.outputs = []  # value infos

    def graph_input(self, array, grid=None, open_batch=False):
        value = Value(self.draft.name("x"), np.asarray(array), grid=grid)
        if not value.exact and value.array.size:  # what a node may lose in itself
            noise = self.draft.numpy.uniform(-1, 1, value.shape) * NOISE[value.dtype] * value.largest
            value.shadow = np.asarray(value.array + noise).astype(value.dtype)
        dims = list(value.shape)
        if open_batch and dims:
            dims[0] = "N"
        self.inputs.append((value, dims))
        self.values.append(value)
        return value

    def draw_inputs(self):
        batch = self.choice([1, 2, 2, 3])
        self.batch = batch
        for i in range(self.choice([1, 1, 2, 2, 3])):
            form = self.below(8)
            channels = self.choice([1, 2, 3, 4, 8, 16])
            if form < 4 or i == 0 and form < 6:
                shape = (batch, channels, *self.choice([(8, 8), (6, 5), (7, 7), (12, 4), (4, 4)]))
            elif form == 5:
                shape = (batch, channels, *self.choice([(12,), (16,), (4, 5, 3), (4, 4, 4)]))
            elif form == 6:
                shape = (batch, self.choice([4, 8, 12]), self.choice([8, 16]))
            else:
                shape = (batch, self.choice([4, 10, 16, 32]))
            array, grid = random_array(self.draft, shape, self.draft.dtype, on_grid=self.chance(0.6))
            self.graph_input(array, grid, self.draft.dynamic)
        if self.chance(0.2):
            self.graph_input(self.draft.numpy.integers(0, 6, self.choice([(), (1,), (batch, 4)])))

    def draw_nodes(self, count):
        tries = 0
        while len(self.nodes) < count and tries < 4 * count + 20:
            tries += 1
            try:
                if self.chance(0.04):
                    self.again()
                else:
                    draw(self)
            except Rejected:
                pass

    def choose_outputs(self):
        """What nobody reads, most of it at least, and some of what is read."""
        made = [v for v in self.values if v not in [i for i, _ in self.inputs] and not v.realise]
        names = {name for node in self.nodes for name in node.output}
        constants = {node.output[0] for node in self.nodes if node.op_type == "Constant"}
        made = [v for v in made if v.name in names and v.name not in constants]
        chosen = [v for v in made if v.uses == 0 and self.chance(0.92)][-12:]
        chosen += [v for v in made if v not in chosen and v.uses and self.chance(0.08)][:4]
        if not chosen and made:
            chosen = [made[-1]]
        self.random.shuffle(chosen)
        self.chosen = chosen
        form = 0 if self.draft.dynamic else self.below(3)
        for value in chosen:
            open_dims = [None] * value.rank
            shape = [open_dims, value.shape, [None if n == self.batch else n for n in value.shape]][form]
            self.outputs.append(h.make_tensor_value_info(value.name, element_type(value.array), shape))

    def proto(self):
        inputs = [h.make_tensor_value_info(v.name, element_type(v.array), dims) for v, dims in self.inputs]
        graph = h.make_graph(self.nodes, "random", inputs + self.defaults, self.outputs, initializer=self.initializers)
        return self.draft.model_of(graph)

    def feeds(self):
        return {v.name: v.array for v, _ in self.inputs}

    def other_batch(self, runner):
        """Inputs of another batch size and what comes out; Rejected where the model does not allow it."""
        batch = self.batch + 1
        feeds, noisy = {}, {}
        for value, dims in self.inputs:
            array, grid = value.array, value.grid
            if dims and dims[0] == "N":
                array, _ = random_array(self.draft, (batch, *value.shape[1:]), value.dtype, on_grid=value.exact)
            feeds[value.name] = noisy[value.name] = array
            if not value.exact:
                noise = self.draft.numpy.uniform(-4, 4, array.shape) * NOISE[value.dtype] * np.abs(array).max()
                noisy[value.name] = (array + noise).astype(array.dtype)
        try:
            arrays, shadows = runner.run(None, feeds), runner.run(None, noisy)
        except Exception as error:  # as in random_scope.py
            raise Rejected(str(error)) from error
        for value, array, shadow in zip(self.chosen, arrays, shadows):
            if array.dtype.kind in "iub":
                if not np.array_equal(array, shadow):
                    raise Rejected("integers from what is not exact")
            elif array.size:
                largest = np.abs(array.astype(np.float64)).max()
                off = np.abs(array.astype(np.float64) - shadow.astype(np.float64)).max()
                if not np.isfinite(largest) or largest > random_scope.LARGEST:
                    raise Rejected("range")
                if not value.exact and (largest < 1e-3 or off > FARTHEST[value.coarsest] * largest):
                    raise Rejected("ill conditioned")
        return feeds, arrays


def make(seed, number, most_nodes):
    model = Model(seed, number)
    model.draw_inputs()
    model.draw_nodes(5 + int((most_nodes - 5) * model.random.random() ** 2))
    model.choose_outputs()
    if not model.chosen:
        raise Rejected("nothing came of it")
    return model


def write_set(folder, model, feeds, arrays):
    folder.mkdir(parents=True)
    for i, (value, _) in enumerate(model.inputs):
        (folder / f"input_{i}.pb").write_bytes(numpy_helper.from_array(feeds[value.name], value.name).SerializeToString())
    for i, (value, array) in enumerate(zip(model.chosen, arrays)):
        (folder / f"output_{i}.pb").write_bytes(numpy_helper.from_array(array, value.name).SerializeToString())


def write(model, folder):
    """False where ONNX Runtime takes the nodes one by one, but not the whole."""
    proto = model.proto()
    try:
        onnx.checker.check_model(proto)
        runner = random_scope.session(proto)
        feeds = model.feeds()
        arrays = runner.run(None, feeds)
    except Exception as error:  # as in random_scope.py
        print(f"{folder.name}: left out: {str(error).splitlines()[0]}", file=sys.stderr)
        return False
    for value, array in zip(model.chosen, arrays):
        same = np.array_equal(array, value.array)
        if not same and (value.exact or array.shape != value.shape or
                         np.abs(array.astype(float) - value.array.astype(float)).max() > FARTHEST[value.coarsest] * value.largest):
            print(f"{folder.name}: left out: ONNX Runtime makes two things of {value.name}", file=sys.stderr)
            return False
    if folder.exists():
        shutil.rmtree(folder)
    write_set(folder / "test_data_set_0", model, feeds, arrays)
    if model.draft.dynamic:
        try:
            write_set(folder / "test_data_set_1", model, *model.other_batch(runner))
        except Rejected:
            pass
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    return True


def main():
    parser = argparse.ArgumentParser(usage=__doc__.splitlines()[2].removeprefix("usage: "))
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--only", type=int)
    parser.add_argument("--largest", type=int, default=60)
    parser.add_argument("--statistics", action="store_true")
    args = parser.parse_args()
    made, rejected = {}, {}
    written = 0
    for number in [args.only] if args.only is not None else range(args.count):
        try:
            model = make(args.seed, number, args.largest)
        except Rejected:
            continue
        written += write(model, args.out / "random" / f"s{args.seed}_{number}")
        for total, counts in ((made, model.draft.made), (rejected, model.draft.rejected)):
            for op, count in counts.items():
                total[op] = total.get(op, 0) + count
    if args.statistics:
        for op in sorted(made.keys() | rejected.keys()):
            print(f"{op:24} {made.get(op, 0):6} made {rejected.get(op, 0):6} rejected")
    print(f"{written} models, {sum(made.values())} nodes of {len(made)} operators")
    return 0 if written else 1


if __name__ == "__main__":
    sys.exit(main())
