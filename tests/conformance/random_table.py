# SPDX-License-Identifier: Apache-2.0
"""The table of what may be drawn: functions of a scope that add one or more nodes, with weights."""

TABLE = []


def operator(weight, nested=True):
    """`nested`: may stand in the graph of an If or Loop."""
    def register(function):
        TABLE.append((function, weight, nested))
        return function
    return register


def draw(scope):
    entries = [(f, w) for f, w, nested in TABLE if nested or not scope.parents]
    function = scope.random.choices([f for f, _ in entries], [w for _, w in entries])[0]
    function(scope)
    return function.__name__
