#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Models of ai.onnx.ml against ONNX Runtime, through the command line.

usage: compare_ml.py --strop PATH [--work DIR] [--models NAME,...] [--devices reference,cpu]

Small models with seeded numbers, as exporters of scikit-learn, XGBoost and LightGBM write them: trees, linear models, support
vector machines, encoders, maps. Labels, strings and keys must be equal; numbers within 1e-5, or the tolerance of the case.
Prints one line a check and "N passed, N failed, N skipped" at the end.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from compare_models import Tally

FLOAT, DOUBLE, INT32, INT64, STRING = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64,
                                       TensorProto.STRING)
ML = "ai.onnx.ml"
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
KINDS = {"float32": FLOAT, "float64": DOUBLE, "int32": INT32, "int64": INT64, "object": STRING}


def tensor(name, kind, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def map_info(name, key, value):
    return helper.make_value_info(name, helper.make_map_type_proto(key, helper.make_tensor_type_proto(value, [])))


def maps_info(name, key):
    maps = helper.make_map_type_proto(key, helper.make_tensor_type_proto(FLOAT, []))
    return helper.make_value_info(name, helper.make_sequence_type_proto(maps))


def model_of(nodes, inputs, outputs, ml=3, initializers=()):
    graph = helper.make_graph(nodes, "ml", inputs, outputs, list(initializers))
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(ML, ml)])


def one_node(op, array, outputs, ml=3, **attributes):
    """A node with one tensor input x whose batch is open."""
    names = [name for name, _ in outputs]
    node = helper.make_node(op, ["x"], names, domain=ML, **attributes)
    shape = ["N"] + list(array.shape[1:]) if array.ndim > 1 else [array.shape[0]] if array.ndim else []
    return model_of([node], [tensor("x", KINDS[array.dtype.name], shape)], [tensor(n, k) for n, k in outputs], ml)


class Case:
    def __init__(self, name, model, inputs, tolerance=1e-5):
        self.name, self.model, self.inputs, self.tolerance = name, model, inputs, tolerance


# --- trees ------------------------------------------------------------------------------------------------------------


def random_trees(rng, trees, depth, features, modes=("BRANCH_LEQ",), sparse=False):
    """Nodes of random trees, and the (tree, id) of their leaves."""
    out = {key: [] for key in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
                               "missing_value_tracks_true")}
    leaves = []

    def add(tree, level):
        place = len(out["treeids"]) - starts[tree]
        leaf = level == depth or (sparse and level > 0 and rng.random() < 0.3)
        out["treeids"].append(tree)
        out["nodeids"].append(place)
        out["featureids"].append(0 if leaf else int(rng.integers(features)))
        out["values"].append(0.0 if leaf else float(np.float32(rng.choice([rng.normal(), float(rng.integers(-2, 3))]))))
        out["modes"].append("LEAF" if leaf else str(rng.choice(modes)))
        out["missing_value_tracks_true"].append(0 if leaf else int(rng.integers(2)))
        index = len(out["truenodeids"])
        out["truenodeids"].append(0)
        out["falsenodeids"].append(0)
        if leaf:
            leaves.append((tree, place))
            return place
        out["truenodeids"][index] = add(tree, level + 1)
        out["falsenodeids"][index] = add(tree, level + 1)
        return place

    starts = {}
    for tree in range(trees):
        starts[tree] = len(out["treeids"])
        add(tree, 0)
    return {"nodes_" + key: value for key, value in out.items()}, leaves


def rows(rng, count, features, dtype=np.float32, nan=False):
    x = rng.normal(size=(count, features)) * 2
    x[rng.random(x.shape) < 0.3] = rng.integers(-2, 3)  # meets thresholds exactly
    x = x.astype(dtype)
    if nan:
        x[rng.random(x.shape) < 0.2] = np.nan
    return x


def tree_classifier(rng, x, classes, post, weights, base=None, strings=False, ml=3, double=False, labels=None, **options):
    nodes, leaves = random_trees(rng, 7, 4, x.shape[1], **options)
    ids, trees, places, values = [], [], [], []
    for tree, place in leaves:
        for class_id, value in weights(rng):
            trees.append(tree), places.append(place), ids.append(class_id), values.append(float(np.float32(value)))
    attributes = dict(nodes, class_treeids=trees, class_nodeids=places, class_ids=ids, post_transform=post)
    if double:
        attributes.pop("nodes_values")
        attributes["nodes_values_as_tensor"] = helper.make_tensor("v", DOUBLE, [len(nodes["nodes_values"])],
                                                                  nodes["nodes_values"])
        attributes["class_weights_as_tensor"] = helper.make_tensor("w", DOUBLE, [len(values)], values)
    else:
        attributes["class_weights"] = values
    if base is not None:
        attributes["base_values"] = base
    if strings:
        attributes["classlabels_strings"] = [f"klasse_{i}" for i in range(classes)]
    else:
        attributes["classlabels_int64s"] = labels or list(range(classes))
    return one_node("TreeEnsembleClassifier", x, [("label", STRING if strings else INT64), ("scores", FLOAT)], ml, **attributes)


def tree_regressor(rng, x, targets, post, aggregate, base=None, **options):
    nodes, leaves = random_trees(rng, 6, 4, x.shape[1], **options)
    picks = [(tree, place, target, float(np.float32(rng.normal())))
             for tree, place in leaves for target in range(targets) if target == 0 or rng.random() < 0.7]
    attributes = dict(nodes, target_treeids=[p[0] for p in picks], target_nodeids=[p[1] for p in picks],
                      target_ids=[p[2] for p in picks], target_weights=[p[3] for p in picks], n_targets=targets,
                      post_transform=post, aggregate_function=aggregate)
    if base is not None:
        attributes["base_values"] = base
    return one_node("TreeEnsembleRegressor", x, [("y", FLOAT)], 3, **attributes)


def tree_ensemble_5(rng, x, aggregate, post):
    """TreeEnsemble of opset 5: a chain of nodes with a leaf each, one of them a set."""
    modes = [0, 2, 4, 1, 3, 5]
    count = len(modes)
    weights = rng.normal(size=count + 1).astype(x.dtype)
    kind = KINDS[x.dtype.name]
    return one_node(
        "TreeEnsemble", x, [("y", kind)], 5, tree_roots=[0], n_targets=2, aggregate_function=aggregate, post_transform=post,
        nodes_featureids=[int(i) for i in rng.integers(x.shape[1], size=count)],
        nodes_modes=helper.make_tensor("m", TensorProto.UINT8, [count], modes),
        nodes_splits=helper.make_tensor("s", kind, [count], rng.integers(-1, 2, size=count).astype(x.dtype)),
        nodes_truenodeids=list(range(count)), nodes_trueleafs=[1] * count,
        nodes_falsenodeids=[i + 1 if i + 1 < count else count for i in range(count)],
        nodes_falseleafs=[0 if i + 1 < count else 1 for i in range(count)],
        nodes_missing_value_tracks_true=[int(i) for i in rng.integers(2, size=count)],
        leaf_targetids=[int(i) for i in rng.integers(2, size=count + 1)], leaf_weights=helper.make_tensor("w", kind, [count + 1], weights))


def tree_cases():
    rng = np.random.default_rng(11)
    probabilities = lambda classes: lambda r: list(enumerate(r.dirichlet(np.ones(classes))))
    margins = lambda classes: lambda r: [(int(r.integers(classes)), r.normal())]
    x = rows(rng, 40, 5)
    yield Case("forest of three classes", tree_classifier(rng, x, 3, "NONE", probabilities(3)), {"x": x})
    yield Case("forest of string labels", tree_classifier(rng, x, 4, "NONE", probabilities(4), strings=True), {"x": x})
    yield Case("forest of opset 1", tree_classifier(rng, x, 3, "NONE", probabilities(3), ml=1, labels=[-5, 70, 9]), {"x": x})
    positive = lambda r: [(0, r.random() / 7)]
    signed = lambda r: [(0, r.normal())]
    second = lambda r: [(1, r.normal())]
    second_positive = lambda r: [(1, r.random() / 7)]
    for post in TRANSFORMS:
        every = dict(x=x, post=post)
        yield Case(f"boosted classes, {post}", tree_classifier(rng, classes=4, weights=margins(4), base=[0.1, 0.2, -0.3, 0], **every)
                   if post != "PROBIT" else tree_classifier(rng, classes=3, weights=lambda r: [(i, r.random() / 7) for i in range(3)], **every),
                   {"x": x}, 1e-3 if post == "PROBIT" else 1e-5)
        if post == "PROBIT":  # of two classes ONNX Runtime leaves a column unwritten
            continue
        yield Case(f"one score of two classes, {post}", tree_classifier(rng, classes=2, weights=signed, base=[0.2], **every), {"x": x})
        yield Case(f"one probability of two classes, {post}",
                   tree_classifier(rng, classes=2, weights=positive, strings=True, **every), {"x": x})
        yield Case(f"the second of two classes, {post}", tree_classifier(rng, classes=2, weights=second, **every), {"x": x})
        yield Case(f"probability of the second, {post}", tree_classifier(rng, classes=2, weights=second_positive, **every), {"x": x})
    yield Case("a single class", tree_classifier(rng, x, 1, "NONE", signed), {"x": x})
    modes = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
    missing = rows(rng, 60, 5, nan=True)
    yield Case("every comparison, and NaN",
               tree_classifier(rng, missing, 3, "SOFTMAX", probabilities(3), modes=modes, sparse=True), {"x": missing})
    wide = rows(rng, 40, 5, np.float64)
    yield Case("double input and double tensors", tree_classifier(rng, wide, 3, "NONE", probabilities(3), double=True), {"x": wide})
    yield Case("double input and float thresholds", tree_classifier(rng, wide, 3, "NONE", probabilities(3)), {"x": wide})
    for dtype in (np.int64, np.int32):
        whole = rng.integers(-3, 4, size=(30, 5)).astype(dtype)
        yield Case(f"{np.dtype(dtype).name} input", tree_classifier(rng, whole, 3, "LOGISTIC", margins(3), [0.1, 0, 0.2]), {"x": whole})
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        yield Case(f"regressor, {aggregate}", tree_regressor(rng, x, 1, "NONE", aggregate, [0.25]), {"x": x})
        yield Case(f"regressor of three targets, {aggregate}",
                   tree_regressor(rng, x, 3, "NONE", aggregate, [0.25, 0, -1], modes=modes, sparse=True), {"x": x})
    for post in TRANSFORMS[1:4]:
        yield Case(f"regressor of two targets, {post}", tree_regressor(rng, x, 2, post, "SUM"), {"x": x})
        yield Case(f"regressor of one target, {post}", tree_regressor(rng, x, 1, post, "SUM"), {"x": x})
    for post in (0, 3):  # ONNX Runtime takes 1 for LOGISTIC and 2 for SOFTMAX, the standard the other way round
        yield Case(f"TreeEnsemble, post_transform {post}", tree_ensemble_5(rng, missing, 1, post), {"x": missing})
    for aggregate in (0, 2, 3):
        yield Case(f"TreeEnsemble, aggregate {aggregate}", tree_ensemble_5(rng, wide, aggregate, 0), {"x": wide})


# --- linear models and support vector machines ------------------------------------------------------------------------


def svm_classifier(rng, x, classes, kernel, post="NONE", proba=False, strings=False):
    per_class = [int(n) for n in rng.integers(2, 5, size=classes)]
    vectors, pairs = sum(per_class), classes * (classes - 1) // 2
    attributes = dict(vectors_per_class=per_class, support_vectors=rng.normal(size=vectors * x.shape[1]).tolist(),
                      coefficients=rng.normal(size=vectors * (classes - 1)).tolist(), rho=rng.normal(size=pairs).tolist(),
                      kernel_type=kernel, kernel_params=[0.2, 0.5, 2.0], post_transform=post)
    if proba:
        attributes.update(prob_a=(-1 - rng.random(pairs)).tolist(), prob_b=(rng.random(pairs) / 10).tolist())
    if strings:
        attributes["classlabels_strings"] = [f"c{i}" for i in range(classes)]
    else:
        attributes["classlabels_ints"] = [3 * i for i in range(classes)]
    return one_node("SVMClassifier", x, [("label", STRING if strings else INT64), ("scores", FLOAT)], 1, **attributes)


def linear_cases():
    rng = np.random.default_rng(12)
    x = rng.normal(size=(30, 4)).astype(np.float32)
    for post in TRANSFORMS[:4]:
        model = one_node("LinearClassifier", x, [("label", INT64), ("scores", FLOAT)], 1, post_transform=post, multi_class=1,
                         coefficients=rng.normal(size=12).tolist(), intercepts=rng.normal(size=3).tolist(), classlabels_ints=[5, 6, 8])
        yield Case(f"LinearClassifier, {post}", model, {"x": x})
        yield Case(f"LinearRegressor of two targets, {post}",
                   one_node("LinearRegressor", x, [("y", FLOAT)], 1, targets=2, post_transform=post,
                            coefficients=rng.normal(size=8).tolist(), intercepts=[0.5, -1.0]), {"x": x})
    yield Case("LinearClassifier of one score",
               one_node("LinearClassifier", x, [("label", STRING), ("scores", FLOAT)], 1, coefficients=rng.normal(size=4).tolist(),
                        intercepts=[0.1], classlabels_strings=["no", "yes"]), {"x": x})
    yield Case("LinearClassifier of two scores, as of logistic regression",
               one_node("LinearClassifier", x, [("label", STRING), ("scores", FLOAT)], 1, coefficients=[-1.0, 2, 0.5, 0, 1, -2, -0.5, 0],
                        intercepts=[-0.1, 0.1], classlabels_strings=["no", "yes"], post_transform="LOGISTIC"), {"x": x})
    for dtype in (np.float64, np.int64, np.int32):
        whole = (x * 3).astype(dtype)
        yield Case(f"LinearClassifier of {np.dtype(dtype).name}",
                   one_node("LinearClassifier", whole, [("label", INT64), ("scores", FLOAT)], 1,
                            coefficients=rng.normal(size=12).tolist(), intercepts=rng.normal(size=3).tolist(),
                            classlabels_ints=[0, 1, 2]), {"x": whole})
    yield Case("LinearRegressor",
               one_node("LinearRegressor", x, [("y", FLOAT)], 1, coefficients=rng.normal(size=4).tolist(), intercepts=[2.0]), {"x": x})
    for kernel in ("LINEAR", "POLY", "RBF", "SIGMOID"):
        yield Case(f"SVMClassifier, {kernel}", svm_classifier(rng, x, 3, kernel), {"x": x}, 1e-4)
        yield Case(f"SVMClassifier of two classes, {kernel}", svm_classifier(rng, x, 2, kernel, strings=True), {"x": x}, 1e-4)
        yield Case(f"SVMClassifier with probabilities, {kernel}",
                   svm_classifier(rng, x, 4, kernel, proba=True, strings=True), {"x": x}, 1e-3)
        yield Case(f"SVMRegressor, {kernel}",
                   one_node("SVMRegressor", x, [("y", FLOAT)], 1, kernel_type=kernel, kernel_params=[0.2, 0.5, 3.0], n_supports=6,
                            support_vectors=rng.normal(size=24).tolist(), coefficients=rng.normal(size=6).tolist(), rho=[0.3]),
                   {"x": x}, 1e-4)
    yield Case("SVMClassifier of two classes with probabilities", svm_classifier(rng, x, 2, "RBF", proba=True), {"x": x}, 1e-3)
    yield Case("SVMClassifier, SOFTMAX", svm_classifier(rng, x, 3, "RBF", "SOFTMAX"), {"x": x}, 1e-4)
    yield Case("SVMClassifier without vectors",
               one_node("SVMClassifier", x, [("label", INT64), ("scores", FLOAT)], 1, coefficients=rng.normal(size=12).tolist(),
                        rho=[0.2], classlabels_ints=[4, 5, 6], kernel_params=[0.0, 0, 0]), {"x": x})
    yield Case("one-class SVM",
               one_node("SVMRegressor", x, [("y", FLOAT)], 1, kernel_type="RBF", kernel_params=[0.4, 0.0, 3.0], n_supports=3,
                        one_class=1, support_vectors=rng.normal(size=12).tolist(), coefficients=[1.0, 0.5, 0.7], rho=[-0.4]), {"x": x})
    yield Case("SVMRegressor without vectors",
               one_node("SVMRegressor", x, [("y", FLOAT)], 1, coefficients=rng.normal(size=4).tolist(), rho=[0.3],
                        kernel_params=[0.0, 0, 0]), {"x": x})


# --- features, labels, maps -------------------------------------------------------------------------------------------


def feature_cases():
    rng = np.random.default_rng(13)
    x = np.round(rng.normal(size=(6, 3)) * 2).astype(np.float32)
    for norm in ("MAX", "L1", "L2"):
        for dtype in (np.float32, np.float64, np.int64):
            array = x.astype(dtype)
            yield Case(f"Normalizer, {norm} of {array.dtype}", one_node("Normalizer", array, [("y", FLOAT)], 1, norm=norm), {"x": array})
    for dtype in (np.float32, np.float64, np.int64, np.int32):
        array = x.astype(dtype)
        yield Case(f"Scaler of {array.dtype}",
                   one_node("Scaler", array, [("y", FLOAT)], 1, offset=[0.5, 1.0, -2.0], scale=[2.0, 0.1, 3.0]), {"x": array})
    missing = x.copy()
    missing[0, 1] = missing[3, 2] = np.nan
    yield Case("Imputer of NaN", one_node("Imputer", missing, [("y", FLOAT)], 1, imputed_value_floats=[1.5, 2.5, 3.5],
                                          replaced_value_float=float("nan")), {"x": missing})
    whole = x.astype(np.int64)
    yield Case("Imputer of integers", one_node("Imputer", whole, [("y", INT64)], 1, imputed_value_int64s=[77],
                                               replaced_value_int64=int(whole[0, 0])), {"x": whole})
    yield Case("Binarizer", one_node("Binarizer", x, [("y", FLOAT)], 1, threshold=1.0), {"x": x})
    pair = helper.make_node("FeatureVectorizer", ["x", "z"], ["y"], domain=ML, inputdimensions=[2, 4])
    yield Case("FeatureVectorizer", model_of([pair], [tensor("x", FLOAT, ["N", 3]), tensor("z", FLOAT, ["N", 3])], [tensor("y", FLOAT)], 1),
               {"x": x, "z": x + 1})
    pick = helper.make_node("ArrayFeatureExtractor", ["x", "i"], ["y"], domain=ML)
    indices = np.int64([[2, 0, 2]])
    for array in (x, x[0], np.array([["a", "b", "c"]], object)):
        shape = ["N", 3] if array.ndim == 2 else [3]
        kind = KINDS[array.dtype.name]
        yield Case(f"ArrayFeatureExtractor of {array.ndim} axes of {array.dtype}",
                   model_of([pick], [tensor("x", kind, shape), tensor("i", INT64, [1, 3])], [tensor("y", kind)], 1),
                   {"x": array, "i": indices})
    words = np.array([["red", "blue"], ["grün", "red"]], object)
    numbers = np.int64([[3, 1], [7, 3]])
    for array, extra in ((words, dict(cats_strings=["blue", "red", "grün"])), (numbers, dict(cats_int64s=[1, 3])),
                         (numbers.astype(np.float32) + 0.75, dict(cats_int64s=[1, 3]))):
        yield Case(f"OneHotEncoder of {array.dtype}", one_node("OneHotEncoder", array, [("y", FLOAT)], 1, **extra), {"x": array})
    yield Case("LabelEncoder 1, to numbers", one_node("LabelEncoder", words, [("y", INT64)], 1, classes_strings=["blue", "red"]),
               {"x": words})
    yield Case("LabelEncoder 1, to strings", one_node("LabelEncoder", numbers, [("y", STRING)], 1, classes_strings=["zero", "one"],
                                                      default_string="many"), {"x": numbers})
    yield Case("LabelEncoder 2", one_node("LabelEncoder", words, [("y", FLOAT)], 2, keys_strings=["red", "blue", "red"],
                                          values_floats=[0.5, 1.5, 2.5]), {"x": words})
    yield Case("LabelEncoder 2, default string", one_node("LabelEncoder", numbers, [("y", STRING)], 2, keys_int64s=[3],
                                                          values_strings=["drei"]), {"x": numbers})
    yield Case("LabelEncoder 4 of NaN", one_node("LabelEncoder", missing, [("y", INT64)], 4, keys_floats=[float("nan"), 2.0],
                                                 values_int64s=[-7, 2]), {"x": missing})
    yield Case("LabelEncoder 4, tensors",
               one_node("LabelEncoder", words, [("y", TensorProto.INT16)], 4,
                        keys_tensor=helper.make_tensor("k", STRING, [2], [b"red", b"blue"]),
                        values_tensor=helper.make_tensor("v", TensorProto.INT16, [2], [5, -6]),
                        default_tensor=helper.make_tensor("d", TensorProto.INT16, [1], [99])), {"x": words})
    yield Case("CategoryMapper", one_node("CategoryMapper", words, [("y", INT64)], 1, cats_strings=["red", "blue"], cats_int64s=[4, 9],
                                          default_int64=-3), {"x": words})
    scores = rng.random(size=(3, 2)).astype(np.float32)
    for keys, kind in ((dict(classlabels_strings=["ja", "nein"]), STRING), (dict(classlabels_int64s=[-1, 1]), INT64)):
        node = helper.make_node("ZipMap", ["x"], ["maps"], domain=ML, **keys)
        yield Case(f"ZipMap, {list(keys)[0]}", model_of([node], [tensor("x", FLOAT, ["N", 2])], [maps_info("maps", kind)], 1),
                   {"x": scores})
    for form, length in (("DENSE", 1), ("SPARSE", 8)):
        node = helper.make_node("CastMap", ["x"], ["y"], domain=ML, map_form=form, max_map=length)
        yield Case(f"CastMap, {form}", model_of([node], [map_info("x", INT64, FLOAT)], [tensor("y", FLOAT)], 1),
                   {"x": {5: 1.5, 2: -2.0, 0: 3.25}})
    node = helper.make_node("DictVectorizer", ["x"], ["y"], domain=ML, string_vocabulary=["a", "b", "c"])
    yield Case("DictVectorizer", model_of([node], [map_info("x", STRING, FLOAT)], [tensor("y", FLOAT)], 1), {"x": {"c": 1.5, "a": 2.0}})


# --- pipelines as scikit-learn exporters write them -------------------------------------------------------------------


def pipeline_cases():
    rng = np.random.default_rng(14)
    x = rows(rng, 8, 4)
    classifier = one_node("LinearClassifier", x, [("label", STRING), ("scores", FLOAT)], 1)  # for its declarations
    nodes = [
        helper.make_node("Imputer", ["x"], ["whole"], domain=ML, imputed_value_floats=[0.0, 0, 0, 0], replaced_value_float=float("nan")),
        helper.make_node("Scaler", ["whole"], ["scaled"], domain=ML, offset=[0.1, 0.2, 0.3, 0.4], scale=[1.0, 2, 3, 4]),
        helper.make_node("LinearClassifier", ["scaled"], ["label", "raw"], domain=ML, classlabels_strings=["setosa", "versicolor", "virginica"],
                         coefficients=rng.normal(size=12).tolist(), intercepts=rng.normal(size=3).tolist(), post_transform="LOGISTIC"),
        helper.make_node("Normalizer", ["raw"], ["probabilities"], domain=ML, norm="L1"),
        helper.make_node("ZipMap", ["probabilities"], ["output_probability"], domain=ML,
                         classlabels_strings=["setosa", "versicolor", "virginica"]),
        helper.make_node("Identity", ["label"], ["output_label"]),
    ]
    outputs = [tensor("output_label", STRING, ["N"]), maps_info("output_probability", STRING)]
    missing = x.copy()
    missing[2, 1] = np.nan
    yield Case("pipeline with string labels and maps", model_of(nodes, list(classifier.graph.input), outputs, 1), {"x": missing})

    trees = tree_classifier(rng, x, 3, "NONE", lambda r: list(enumerate(r.dirichlet(np.ones(3)))))
    trees.graph.node[0].output[0], trees.graph.node[0].output[1] = "output_label", "probabilities"
    zipped = helper.make_node("ZipMap", ["probabilities"], ["output_probability"], domain=ML, classlabels_int64s=[0, 1, 2])
    yield Case("forest with whole labels and maps",
               model_of([trees.graph.node[0], zipped], [tensor("x", FLOAT, ["N", 4])],
                        [tensor("output_label", INT64, ["N"]), maps_info("output_probability", INT64)]), {"x": x})


# --- running and comparing --------------------------------------------------------------------------------------------


def input_file(folder, index, value):
    """A value as a file that the command line reads."""
    if isinstance(value, dict) or value.dtype == object:
        path = folder / f"input{index}.json"
        path.write_text(json.dumps(value if isinstance(value, dict) else value.tolist()))
    else:
        path = folder / f"input{index}.npy"
        np.save(path, value)
    return path


def run_strop(strop, model, inputs, work, options):
    work.mkdir(parents=True, exist_ok=True)
    command = [strop, "run", str(model), "--output", str(work / "out")]
    for index, (name, value) in enumerate(inputs.items()):
        command += ["--input", f"{name}={input_file(work, index, value)}"]
    done = subprocess.run(command + options, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-2000:] or f"exit code {done.returncode}")
    return work / "out", done.stdout


def difference(got, expected, tolerance):
    """Nothing, or what differs. `got` is an array, or what a JSON file holds."""
    if isinstance(expected, list):  # of maps
        if not isinstance(got, list) or len(got) != len(expected):
            return "the number of maps"
        wanted = [{str(key): value for key, value in each.items()} for each in expected]
        for a, b in zip(got, wanted):
            if list(a) != list(b):
                return f"keys {list(a)} instead of {list(b)}"
            if not np.allclose(list(a.values()), list(b.values()), rtol=tolerance, atol=tolerance):
                return f"{a} instead of {b}"
        return None
    if expected.dtype == object:
        return None if got == expected.tolist() else f"{got} instead of {expected.tolist()}"
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return f"{got.dtype}{got.shape} instead of {expected.dtype}{expected.shape}"
    if got.dtype.kind in "iu":
        return None if np.array_equal(got, expected) else f"{got.ravel()[:8]} instead of {expected.ravel()[:8]}"
    if np.allclose(got, expected, rtol=tolerance, atol=tolerance, equal_nan=True):
        return None
    with np.errstate(invalid="ignore"):
        at = np.nanargmax(np.abs(got.astype(np.float64) - expected))
    return f"element {at} is {got.ravel()[at]} instead of {expected.ravel()[at]}"


def load(folder, name, expected):
    if isinstance(expected, list) or expected.dtype == object:
        return json.loads((folder / f"{name}.json").read_text())
    return np.load(folder / f"{name}.npy")


def compare(args, case, tally):
    session = ort.InferenceSession(case.model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    expected = dict(zip(names, session.run(names, case.inputs)))
    with tempfile.TemporaryDirectory(prefix="strop_", dir=args.work) as folder:
        work = pathlib.Path(folder)
        onnx.save(case.model, work / "model.onnx")
        for device in args.devices:
            try:
                out, text = run_strop(args.strop, work / "model.onnx", case.inputs, work / device, ["--device", device])
                found = {n: difference(load(out, n, expected[n]), expected[n], case.tolerance) for n in names}
                wrong = [f"{n}: {why}" for n, why in found.items() if why]
                if isinstance(expected[names[-1]], list) and '{"' not in text and "{0: " not in text and "{-1: " not in text:
                    wrong.append("the maps are not printed")
                tally.check(not wrong, f"{case.name} on {device}" + "".join(f"; {each}" for each in wrong))
            except (RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as error:
                tally.check(False, f"{case.name} on {device}: {error}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strop", required=True)
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--models", help="parts of names, separated by commas")
    parser.add_argument("--devices", default="reference,cpu")
    args = parser.parse_args()
    args.devices = args.devices.split(",")
    ort.set_default_logger_severity(4)
    wanted = args.models.split(",") if args.models else [""]
    tally = Tally()
    for cases in (tree_cases, linear_cases, feature_cases, pipeline_cases):
        for case in cases():
            if any(part in case.name for part in wanted):
                compare(args, case, tally)
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
