# SPDX-License-Identifier: Apache-2.0
"""Random nodes with nested graphs (If, Loop) and calls of functions that the model brings along."""

import numpy as np
from onnx import AttributeProto
from onnx import helper as h

from random_scope import Rejected, Scope, Value, element_type
from random_table import draw, operator


def described(value, shape=None):
    return h.make_tensor_value_info(value.name, element_type(value.array), shape)


def captured(scope):
    """Outer values that the nodes of a nested graph read."""
    known = {v.name: v for parent in scope.parents for v in parent.values}
    names = {name for node in scope.nodes for name in node.input}
    for node in scope.nodes:
        for attribute in node.attribute:
            names |= {name for inner in attribute.g.node for name in inner.input}
            names |= {output.name for output in attribute.g.output}
    return [known[name] for name in sorted(names) if name in known]


def nested(scope):
    return Scope(scope.draft, [*scope.parents, scope])


def outermost(scope):
    return scope.parents[0] if scope.parents else scope


def few_nodes(inner, count):
    for _ in range(count * 3):
        if len(inner.nodes) >= count:
            return
        try:
            draw(inner)
        except Rejected:
            pass


def condition(scope):
    """Known before the run, given to it, or computed."""
    form = scope.below(3)
    truth = np.asarray(scope.chance(0.5))
    if form == 0:
        return scope.constant(truth)
    if form == 1:
        return outermost(scope).graph_input(truth)
    x = scope.pick("fi", exact=True, where=lambda v: v.array.size)
    axes = list(range(x.rank))
    largest = x
    if x.rank:
        largest = scope.node("ReduceMax", [x], grid=x.grid, keepdims=0) if scope.opset < 18 or scope.chance(0.5) else scope.node(
            "ReduceMax", [x, scope.integers(axes)], grid=x.grid, keepdims=0)
    return scope.node("Greater", [largest, scope.constant(np.asarray(1, x.dtype), 0)])


@operator(2, nested=True)
def if_else(scope):
    if len(scope.parents) > 1:
        raise Rejected("deep enough")
    chosen = condition(scope)
    outputs = 1 + scope.below(2)
    kinds = [scope.draft.dtype if scope.chance(0.85) else "int64" for _ in range(outputs)]
    graphs, read, results, ranks = [], [chosen], [], None
    for branch in ("then", "else"):
        inner = nested(scope)
        few_nodes(inner, 1 + scope.below(3))
        made = []
        for i, kind in enumerate(kinds):
            # Sizes may differ between the branches. A rank that is not known is not for all converters.
            same = lambda v: v.dtype == kind and (ranks is None or v.rank == ranks[i])
            fitting = [v for v in inner.values if same(v) and v not in made and not v.realise
                       and v.name not in {i.name for i in inner.initializers}]
            if fitting:
                made.append(scope.choice(fitting))
            else:
                x = scope.pick("fi", where=same)
                made.append(inner.node("Identity", [x], grid=x.grid))
        results.append(made)
        ranks = [v.rank for v in made]
        read += captured(inner)
        name = scope.draft.name(branch)
        graphs.append(h.make_graph(inner.nodes, name, [], [described(v) for v in made], initializer=inner.initializers))
    names = [scope.draft.name("if") for _ in range(outputs)]
    node = h.make_node("If", [chosen.name], names, then_branch=graphs[0], else_branch=graphs[1], name=scope.draft.name("If"))
    exact = all(v.exact for made in results for v in made)
    grid = max((v.grid for made in results for v in made), default=0) if exact else None
    scope.add([node], read, names, grid)


@operator(2, nested=False)
def loop(scope):
    """A small loop: one carried value, a result of every turn at times."""
    if scope.opset < 11:
        raise Rejected("trip counts")
    x = scope.pick("f", rank=(0, 4), where=lambda v: 0 < v.array.size < 500)
    inner = nested(scope)
    turn = Value(scope.draft.name("turn"), np.asarray(0, np.int64))
    going = Value(scope.draft.name("going"), np.asarray(True))
    carried = Value(scope.draft.name("carried"), x.array, x.shadow, None, x.coarsest)
    body_inputs = [turn, going, carried]
    inner.values += body_inputs
    few_nodes(inner, scope.below(3))
    # The carried value keeps its shape, and stays small.
    changed = carried
    for _ in range(1 + scope.below(2)):
        op = scope.choice(["Tanh", "Sigmoid", "Add", "Sub", "Mul"])
        if op in ("Tanh", "Sigmoid"):
            changed = inner.node(op, [changed])
        elif scope.chance(0.3):
            number = inner.node("Cast", [turn], grid=0, to=element_type(x.array))
            changed = inner.node("Add", [changed, number])
        else:
            fitting = [v for v in inner.visible() if v.shape == changed.shape and v.dtype == changed.dtype]
            changed = inner.node(op, [changed, scope.choice(fitting)])
    if changed.shape != x.shape or changed.dtype != x.dtype or changed is carried:
        raise Rejected("shape")
    turned = inner.node("Identity", [changed])
    scans = [v for v in inner.values if v.kind in "fi" and v not in (*body_inputs, turned) and not v.realise
             and v.name not in {i.name for i in inner.initializers} and v.dtype not in ("int8", "uint8")]
    scanned = [scope.choice(scans)] if scans and scope.chance(0.5) else []
    if scope.chance(0.5):
        go = inner.node("Identity", [going])
    else:
        go = inner.node("Less", [turn, inner.integers(scope.below(4))])
    trips = scope.integers(1 + scope.below(4)) if scope.chance(0.7) else outermost(scope).graph_input(np.asarray(1 + scope.below(4), np.int64))
    body = h.make_graph(inner.nodes, scope.draft.name("body"),
                        [described(turn, []), described(going, []), described(carried, scope.choice([None, None if scope.draft.dynamic else x.shape]))],
                        [described(v) for v in (go, turned, *scanned)], initializer=inner.initializers)
    names = [scope.draft.name("loop") for _ in range(1 + len(scanned))]
    start = scope.constant(np.asarray(True)) if scope.chance(0.6) else None
    node = h.make_node("Loop", [trips.name, start.name if start else "", x.name], names, body=body)
    scope.add([node], [trips, x] + ([start] if start else []) + captured(inner), names)


def reference_attribute(node, name, kind, source):
    node.attribute.append(AttributeProto(name=name, type=kind, ref_attr_name=source))
    return node


def make_function(name, draft):
    imports = [h.make_opsetid("", draft.opset), h.make_opsetid("local", 1)]
    n = h.make_node
    if name == "LeakyResidual":
        leaky = reference_attribute(n("LeakyRelu", ["x"], ["r"]), "alpha", AttributeProto.FLOAT, "slope")
        return h.make_function("local", name, ["x"], ["y"], [leaky, n("Add", ["x", "r"], ["y"])], imports, ["slope"])
    if name == "Gated":
        return h.make_function("local", name, ["x", "g"], ["y", "s"],
                               [n("Sigmoid", ["g"], ["s"]), n("Mul", ["x", "s"], ["y"])], imports)
    body = [n("LeakyResidual", ["x"], ["r"], domain="local", slope=0.5), n("Gated", ["r", "x"], ["p", "q"], domain="local"),
            n("Sub", ["p", "q"], ["y"])]
    return h.make_function("local", name, ["x"], ["y"], body, imports)


@operator(2)
def function_call(scope):
    name = scope.choice(["LeakyResidual", "Gated", "Both"])
    for needed in (["LeakyResidual", "Gated", "Both"] if name == "Both" else [name]):
        if needed not in scope.draft.functions:
            scope.draft.functions[needed] = make_function(needed, scope.draft)
    x = scope.pick("f")
    if name == "Gated":
        g = scope.other(x, lambda v: v.shape == x.shape) if scope.chance(0.7) else x
        scope.node(name, [x, g], outputs=2, domain="local")
    elif name == "Both":
        scope.node(name, [x], domain="local")
    else:
        scope.node(name, [x], domain="local", slope=scope.choice([0.1, 0.25, 0.5]))
