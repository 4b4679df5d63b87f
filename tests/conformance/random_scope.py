# SPDX-License-Identifier: Apache-2.0
"""What a random model is drawn in: values with what they hold, and scopes that nodes are added to.

Every node is run by ONNX Runtime as soon as it is drawn, so the shape and contents of each value are known, and a node that
has no meaning, or whose result would not do as a test, is rejected. A result does when it is finite, of sane size, and well
conditioned. For the last, every value has a shadow: what comes out when each node errs by several units in the last place of
its type, relative to the largest element. A node is kept only where its shadow stays well within the tolerance that the result
is compared with later (base/tolerance.hpp), so that no rounding of an implementation can pass for a fault, nor hide one.

A float value whose `grid` is g is a whole multiple of 2^-g, small enough that no way to compute it rounds: it is exact. Only
from such values may integers, booleans and steps be made, because there rounding would change the answer altogether.
"""

import random

import ml_dtypes  # noqa: F401  (numpy learns bfloat16 and the like)
import numpy as np
import onnxruntime
from onnx import helper as h
from onnx import numpy_helper

MOST_ELEMENTS = 20_000
LARGEST = 4096.0
# Significant bits, the error of one node in a shadow, and how far a shadow may be off: a quarter of the tolerance.
BITS = {"float16": 11, "float32": 24, "float64": 53}
NOISE = {"float16": 6e-4, "float32": 1e-6, "float64": 1e-12}
FARTHEST = {"float16": 5e-3 / 3, "float32": 1e-4 / 4, "float64": 1e-10 / 4}

# Of these the shadow is as far off as that of the input.
MOVES = {"Concat", "Dropout", "Expand", "Flatten", "Gather", "Identity", "Pad", "Reshape", "Slice", "Split", "Squeeze", "Tile",
         "Transpose", "Unsqueeze", "Relu", "Max", "Min", "Abs", "Neg", "Clip", "MaxPool", "Where"}


class Rejected(Exception):
    """A node that is not to be part of the model."""


class Value:
    def __init__(self, name, array, shadow=None, grid=None, coarsest=None, constant=False):
        self.name = name
        self.array = array
        self.grid = 0 if array.dtype.kind in "iub" else grid
        self.shadow = array if shadow is None or self.exact else shadow
        self.coarsest = coarsest or str(array.dtype)  # float type with the fewest bits that it was made from
        self.constant = constant                      # made from constants alone
        self.realise = None                           # for a constant that no node of the model uses yet: where it will stand
        self.uses = 0

    @property
    def exact(self):
        return self.grid is not None

    @property
    def shape(self):
        return self.array.shape

    @property
    def rank(self):
        return self.array.ndim

    @property
    def dtype(self):
        return str(self.array.dtype)

    @property
    def kind(self):
        """f float, i integer, b bool"""
        return {"u": "i"}.get(self.array.dtype.kind, self.array.dtype.kind)

    @property
    def largest(self):
        return float(np.abs(self.array.astype(np.float64)).max()) if self.array.size else 0.0


def grid_of(*values):
    """Of a result that holds elements of these values, or their sums."""
    return None if any(v.grid is None for v in values) else max((v.grid for v in values), default=None)


def element_type(array):
    return h.np_dtype_to_tensor_dtype(array.dtype)


def session(model):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class Draft:
    """What all scopes of one model share."""

    def __init__(self, seed, number):
        self.random = random.Random(f"{seed}/{number}")
        self.numpy = np.random.default_rng([seed, number])
        self.opset = self.random.choice([9, 10, 11, 11, 12, 13, 13, 14, 15, 16, 17, 17, 18, 18, 19, 20, 21, 21, 22, 23])
        self.dtype = self.random.choices(["float32", "float16", "float64"], [85, 10, 5])[0]
        self.dynamic = self.random.random() < 0.35  # leading dimensions of inputs are open
        self.names = 0
        self.functions = {}
        self.made = {}      # operator: nodes
        self.rejected = {}  # operator: nodes

    def name(self, hint):
        self.names += 1
        return f"{hint.lower()}_{self.names}"

    def imports(self):
        out = [h.make_opsetid("", self.opset)]
        return out + ([h.make_opsetid("local", 1)] if self.functions else [])

    def model_of(self, graph):
        return h.make_model(graph, opset_imports=self.imports(), functions=list(self.functions.values()),
                            ir_version=8 if self.opset < 19 else 10, producer_name="random_models")


class Scope:
    """The graph, or a graph nested in it. `parents` are the scopes that can be seen from here."""

    def __init__(self, draft, parents=()):
        self.draft = draft
        self.parents = list(parents)
        self.random = draft.random
        self.opset = draft.opset
        self.nodes = []
        self.initializers = []
        self.defaults = []  # initializers that are inputs as well
        self.values = []
        self.history = []   # (node, inputs, grid, bound): what may be drawn once more

    # --- choosing ---------------------------------------------------------------------------------

    def chance(self, probability):
        return self.random.random() < probability

    def choice(self, items):
        return self.random.choice(list(items))

    def below(self, n):
        return self.random.randrange(n)

    def visible(self):
        return [v for scope in (*self.parents, self) for v in scope.values]

    def pick(self, kind="f", rank=(0, 9), exact=False, where=None):
        """A value, rather a recent one; Rejected when there is none."""
        constants = self.chance(0.12)
        fitting = [v for v in self.visible()
                   if v.kind in kind and rank[0] <= v.rank <= rank[1] and (v.exact or not exact)
                   and (constants or not v.constant) and v.array.dtype != np.int8 and v.array.dtype != np.uint8
                   and (where is None or where(v))]
        if not fitting:
            raise Rejected("nothing to take")
        return self.choice(fitting[-4:] if self.chance(0.6) else fitting)

    def other(self, value, where=lambda v: True, constants=True):
        """Another value of the same element type."""
        return self.pick(kind=value.kind, where=lambda v: v.dtype == value.dtype and v is not value and where(v))

    # --- constants --------------------------------------------------------------------------------

    def constant(self, array, grid=None, style=None):
        """Becomes part of the scope with the first node that uses it."""
        array = np.asarray(array)
        value = Value(self.draft.name("c"), array, grid=grid, constant=True)
        value.realise = style or self.random.choices(["initializer", "node", "default"], [75, 18, 7])[0]
        if value.realise == "default" and self.parents:
            value.realise = "initializer"
        return value

    def integers(self, numbers, style=None):
        return self.constant(np.asarray(numbers, np.int64), style=style)

    def numbers(self, shape, dtype, scale=1.0, positive=False, grid=None):
        """A constant of random numbers, on a grid as often as not."""
        wanted = self.chance(0.5) if grid is None else grid
        array, grid = random_array(self.draft, shape, dtype, scale, positive, wanted)
        return self.constant(array, grid)

    # --- adding nodes -----------------------------------------------------------------------------

    def node(self, op, inputs, grid=None, outputs=1, bound=None, shapes_only=False, domain="", **attributes):
        """Adds a node; its output, or the list of its outputs. `bound` is on all partial results of an exact one."""
        inputs = list(inputs)
        while inputs and inputs[-1] is None:
            inputs.pop()
        names = [self.draft.name(op) for _ in range(outputs)]
        made = h.make_node(op, [v.name if v else "" for v in inputs], names, domain=domain,
                           name=f"{op}_{self.draft.names}" if self.chance(0.8) else "", **attributes)
        values = self.add([made], [v for v in inputs if v], names, grid, bound, shapes_only)
        self.history.append((op, inputs, grid, outputs, bound, shapes_only, domain, attributes))
        return values[0] if outputs == 1 else values

    def again(self):
        """One of the nodes drawn before, once more."""
        if not self.history:
            raise Rejected("no node yet")
        op, inputs, grid, outputs, bound, shapes_only, domain, attributes = self.choice(self.history)
        return self.node(op, inputs, grid, outputs, bound, shapes_only, domain, **attributes)

    def add(self, nodes, inputs, names, grid=None, bound=None, shapes_only=False):
        """Adds nodes that belong together and make the values `names` out of `inputs`, captured ones included."""
        op = nodes[-1].op_type
        try:
            values = self.evaluate(nodes, list({v.name: v for v in inputs}.values()), names, grid, bound, shapes_only)
        except Rejected:
            self.draft.rejected[op] = self.draft.rejected.get(op, 0) + 1
            raise
        for node in nodes:
            self.draft.made[node.op_type] = self.draft.made.get(node.op_type, 0) + 1
        for value in inputs:
            value.uses += 1
            if value.realise:
                self.realise(value)
        self.nodes.extend(nodes)
        self.values.extend(values)
        return values

    def realise(self, value):
        tensor = numpy_helper.from_array(value.array, value.name)
        if value.realise == "node":
            self.nodes.append(h.make_node("Constant", [], [value.name], value=tensor))
        else:
            self.initializers.append(tensor)
            if value.realise == "default":
                self.defaults.append(h.make_tensor_value_info(value.name, tensor.data_type, value.shape))
        value.realise = None
        if self.chance(0.25):
            self.values.append(value)

    def evaluate(self, nodes, inputs, names, grid, bound, shapes_only):
        fed = [v for v in inputs if not v.realise]
        graph = h.make_graph(
            nodes, "g", [h.make_tensor_value_info(v.name, element_type(v.array), v.shape) for v in fed],
            [h.make_empty_tensor_value_info(name) for name in names],
            initializer=[numpy_helper.from_array(v.array, v.name) for v in inputs if v.realise])
        try:
            runner = session(self.draft.model_of(graph))
            arrays = runner.run(names, {v.name: v.array for v in fed})
            shadows = arrays
            if any(v.shadow is not v.array for v in fed):
                shadows = runner.run(names, {v.name: v.shadow for v in fed})
        except Exception as error:  # ONNX Runtime has an exception of its own for every reason
            raise Rejected(str(error)) from error
        coarsest = min((v.coarsest for v in inputs if v.kind == "f"), key=lambda t: BITS[t], default=None)
        exact_inputs = shapes_only or all(v.exact for v in inputs)
        constant = all(v.constant for v in inputs) and bool(inputs)
        out = []
        for name, array, shadow in zip(names, arrays, shadows):
            if not isinstance(array, np.ndarray):
                raise Rejected("no tensor")
            out.append(self.checked(name, array, shadow, grid, bound, coarsest, exact_inputs, constant,
                                    all(node.op_type in MOVES for node in nodes)))
        return out

    def checked(self, name, array, shadow, grid, bound, coarsest, exact_inputs, constant, moves):
        if array.size > MOST_ELEMENTS or array.ndim > 7 or (array.size == 0 and not self.chance(0.05)):
            raise Rejected("size")
        if array.dtype.kind in "iub":
            if not exact_inputs:
                raise Rejected("integers from what is not exact")
            if array.size and np.abs(array.astype(np.float64)).max() > 2**31:
                raise Rejected("range")
            return Value(name, array, constant=constant)
        dtype = str(array.dtype)
        if dtype not in BITS:
            raise Rejected("element type")
        coarsest = min((t for t in (coarsest, dtype) if t), key=lambda t: BITS[t])
        largest = float(np.abs(array.astype(np.float64)).max()) if array.size else 0.0
        if not np.isfinite(largest) or largest > LARGEST:
            raise Rejected("range")
        if grid is not None:
            units = max(largest, bound or 0.0) * 2.0**grid
            if units >= 2.0 ** (BITS[dtype] - 1) or grid > 20:
                grid = None
            else:
                steps = array.astype(np.float64) * 2.0**grid
                assert (steps == np.round(steps)).all(), f"{name} is not on its grid"
                return Value(name, array, grid=grid, coarsest=coarsest, constant=constant)
        if array.size == 0:
            return Value(name, array, coarsest=coarsest, constant=constant)
        if largest < 1e-3:
            raise Rejected("too small")
        if moves:
            return Value(name, array, shadow, None, coarsest, constant)
        noise = self.draft.numpy.uniform(-1, 1, array.shape) * NOISE[dtype] * largest
        shadow = np.asarray(shadow.astype(np.float64) + noise).astype(array.dtype)
        off = np.abs(shadow.astype(np.float64) - array.astype(np.float64)).max() / largest
        if not off <= FARTHEST[coarsest]:
            raise Rejected("ill conditioned")
        return Value(name, array, shadow, None, coarsest, constant)


def random_array(draft, shape, dtype, scale=1.0, positive=False, on_grid=False):
    """Numbers in about [-2, 2] * scale and their grid."""
    shape = tuple(int(n) for n in shape)
    if on_grid:
        exponent = int(np.clip(np.round(np.log2(scale)), -6, 2)) if scale > 0 else 0
        array = draft.numpy.integers(1 if positive else -8, 9, shape) * 2.0 ** (exponent - 2)
        return array.astype(dtype), 2 - exponent
    array = draft.numpy.uniform(0.25 if positive else -2.0, 2.0, shape) * scale
    return array.astype(dtype), None
