#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Floating-point operators of com.microsoft, and some of the standard's, against ONNX Runtime, through the command line.

usage: compare_microsoft.py --strop PATH [--cases NAME,...] [--devices reference,cpu]

Each case is a model of one node on seeded inputs; sizes named by letters are open in the model. ONNX Runtime runs it without
optimization. The largest error of every output, relative to the largest value of ONNX Runtime's, is at most 2e-5 (FP16: 4e-3).
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

from compare_models import Tally, load_output, relative_error, run_strop

CASES = {}


class Input:
    """A tensor that is given when the model runs. Sizes are letters where they stay open: "B S -"."""

    def __init__(self, array, sizes=""):
        self.array = np.asarray(array)
        names = sizes.split() if sizes else ["-"] * self.array.ndim
        self.shape = [size if name == "-" else name for name, size in zip(names, self.array.shape)]


class Weight:
    """A tensor of the model."""

    def __init__(self, array):
        self.array = np.asarray(array)


def case(name, op, inputs, outputs=1, domain="com.microsoft", opset=17, **attributes):
    """`outputs`: how many, or which of them ("0,3"). Inputs that are None are absent."""
    assert name not in CASES, name
    wanted = range(outputs) if isinstance(outputs, int) else [int(i) for i in outputs.split(",")]
    CASES[name] = (op, inputs, list(wanted), domain, opset, attributes)


def model_of(op, inputs, wanted, domain, opset, attributes):
    names, graph_inputs, initializers, feeds = [], [], [], {}
    for index, value in enumerate(inputs):
        names.append("" if value is None else f"i{index}")
        if isinstance(value, Weight):
            initializers.append(onnx.numpy_helper.from_array(value.array, names[-1]))
        elif value is not None:
            kind = helper.np_dtype_to_tensor_dtype(value.array.dtype)
            graph_inputs.append(helper.make_tensor_value_info(names[-1], kind, value.shape))
            feeds[names[-1]] = value.array
    outputs = [f"o{i}" if i in wanted else "" for i in range(max(wanted) + 1)]
    node = helper.make_node(op, names, outputs, domain=domain, **attributes)
    # Only this output has a type that ONNX Runtime does not find.
    scores = [helper.make_tensor_value_info("o3", onnx.TensorProto.FLOAT, None)] if op == "MultiHeadAttention" else []
    results = [onnx.ValueInfoProto(name=o) for o in outputs if o and not (o == "o3" and scores)]
    results += scores if "o3" in outputs else []
    graph = helper.make_graph([node], op, graph_inputs, results, initializers)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, ir_version=10, opset_imports=opsets), feeds


rng = np.random.default_rng(11)


def normal(*shape, dtype=np.float32):
    return rng.normal(size=shape).astype(dtype)


def ids(high, *shape, dtype=np.int32):
    return rng.integers(0, high, shape).astype(dtype)


def activations():
    x = normal(2, 3, 16)
    case("gelu", "Gelu", [Input(x, "B S -")])
    case("quick_gelu", "QuickGelu", [Input(x, "B S -")])
    case("quick_gelu_alpha", "QuickGelu", [Input(x)], alpha=1.0)
    case("fast_gelu", "FastGelu", [Input(x, "B S -")])
    case("fast_gelu_bias", "FastGelu", [Input(x, "B S -"), Weight(normal(16))])
    case("bias_gelu", "BiasGelu", [Input(x, "B S -"), Weight(normal(16))])
    case("fast_gelu_fp16", "FastGelu", [Input(x.astype(np.float16), "B S -")])


def products():
    a, b = normal(2, 3, 4, 5), normal(2, 3, 5, 6)
    case("fused_matmul", "FusedMatMul", [Input(a, "B N M -"), Input(b, "B N - -")], alpha=0.5)
    case("fused_matmul_trans_a", "FusedMatMul", [Input(normal(2, 3, 5, 4)), Input(b)], transA=1)
    case("fused_matmul_trans_b", "FusedMatMul", [Input(a, "B N M -"), Weight(normal(6, 5))], transB=1, alpha=-2.0)
    case("fused_matmul_trans_both", "FusedMatMul", [Input(normal(5, 4)), Input(normal(6, 5))], transA=1, transB=1)
    case("fused_matmul_trans_batch_a", "FusedMatMul", [Input(normal(4, 2, 3, 5)), Input(b)], transBatchA=1)
    case("fused_matmul_trans_batch_a_and_a", "FusedMatMul", [Input(normal(5, 2, 3, 4)), Input(b)], transBatchA=1, transA=1)
    case("fused_matmul_trans_batch_b", "FusedMatMul", [Input(a), Input(normal(5, 2, 3, 6))], transBatchB=1)
    case("fused_matmul_vector", "FusedMatMul", [Input(normal(5)), Input(normal(5, 6))], transA=1)
    case("transpose_matmul", "TransposeMatMul", [Input(a, "B N M -"), Input(normal(2, 3, 6, 5), "B N - -")], transB=1)
    x, w, c = normal(4, 5), normal(6, 5), normal(6)
    for name, parameters in [("Relu", {}), ("LeakyRelu", {"alpha": 0.3}), ("Sigmoid", {}), ("Tanh", {}),
                             ("Elu", {"alpha": 0.7}), ("Celu", {"alpha": 0.7}), ("HardSigmoid", {"alpha": 0.3, "beta": 0.6}),
                             ("Selu", {"alpha": 1.5, "gamma": 0.9}), ("Softplus", {}), ("Softsign", {}),
                             ("ThresholdedRelu", {"alpha": 0.3})]:
        case(f"fused_gemm_{name}", "FusedGemm", [Input(x, "N -"), Weight(w), Weight(c)], transB=1, alpha=0.5, beta=2.0,
             activation=name, **{f"activation_{k}": v for k, v in parameters.items()})
    x, w, bias, z = normal(1, 4, 7, 7), normal(6, 2, 3, 3) * 0.3, normal(6), normal(1, 6, 7, 7)
    for name, parameters in [("Relu", []), ("LeakyRelu", [0.2]), ("Sigmoid", []), ("Tanh", []), ("Clip", [-0.5, 0.8]),
                             ("HardSigmoid", [0.3, 0.6]), ("HardSwish", [])]:
        more = {"activation_params": parameters} if parameters else {}
        case(f"fused_conv_{name}", "FusedConv", [Input(x), Weight(w), Weight(bias)], activation=name, group=2,
             pads=[1, 1, 1, 1], kernel_shape=[3, 3], **more)
    case("fused_conv_sum", "FusedConv", [Input(x), Weight(w), Weight(bias), Input(z)], activation="Relu", group=2,
         pads=[1, 1, 1, 1])
    case("fused_conv_strides", "FusedConv", [Input(x), Weight(normal(3, 4, 3, 3))], activation="Relu", strides=[2, 1],
         auto_pad="SAME_UPPER")


def normalizations():
    x, scale, bias = normal(2, 3, 16), normal(16), normal(16)
    case("layer_norm", "LayerNormalization", [Input(x, "B S -"), Weight(scale), Weight(bias)], 3, "", 16)
    case("layer_norm_axis", "LayerNormalization", [Input(x), Weight(normal(3, 16)), None], 1, "", 17, axis=1, epsilon=1e-3)
    case("simplified_layer_norm", "SimplifiedLayerNormalization", [Input(x, "B S -"), Weight(scale)], 2, "", 16, epsilon=1e-6)
    case("skip_layer_norm", "SkipLayerNormalization", [Input(x, "B S -"), Input(normal(2, 3, 16), "B S -"), Weight(scale),
                                                       Weight(bias), Weight(normal(16))], "0,3")
    case("skip_layer_norm_broadcast", "SkipLayerNormalization", [Input(x), Input(normal(1, 3, 16)), Weight(scale)], "0,3",
         epsilon=1e-3)
    case("skip_layer_norm_2d_skip", "SkipLayerNormalization", [Input(x), Input(normal(3, 16)), Weight(scale), Weight(bias)])
    case("skip_simplified_layer_norm", "SkipSimplifiedLayerNormalization",
         [Input(x, "B S -"), Input(normal(2, 3, 16), "B S -"), Weight(scale), Weight(bias)], "0,3")
    case("skip_simplified_layer_norm_2d", "SkipSimplifiedLayerNormalization",
         [Input(normal(5, 16), "T -"), Input(normal(5, 16), "T -"), Weight(scale)], epsilon=1e-5)
    words, positions, segments = Weight(normal(20, 16)), Weight(normal(8, 16)), Weight(normal(2, 16))
    token, kind = Input(ids(20, 2, 5), "B S"), Input(ids(2, 2, 5), "B S")
    mask = Input(np.int32([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]), "B S")
    case("embed_layer_norm", "EmbedLayerNormalization",
         [token, kind, words, positions, segments, Weight(scale), Weight(bias), mask], "0,1,2")
    case("embed_layer_norm_without_segments", "EmbedLayerNormalization",
         [token, None, words, positions, None, Weight(scale), Weight(bias), None, Input(ids(8, 2, 5), "B S")], "0,1",
         epsilon=1e-5)


def masks(batch, queries, keys):
    """What the operators take for a mask of keys, with no query left without keys."""
    row = np.ones((batch, keys), np.int32)
    row[0, keys - 2:] = 0
    full = ids(2, batch, queries, keys)
    full[:, :, 0] = 1
    ends = np.arange(keys - batch + 1, keys + 1)
    return {"lengths": ends.astype(np.int32), "rows": row, "matrix": full,
            "start_end": np.concatenate([ends, np.arange(batch)]).astype(np.int32)}


def packed_attention():
    batch, length, heads, size, past = 2, 4, 2, 3, 3
    hidden = heads * size
    x, w, b = Input(normal(batch, length, 5), "B S -"), Weight(normal(5, 3 * hidden)), Weight(normal(3 * hidden))
    case("attention", "Attention", [x, w, b], num_heads=heads)
    case("attention_without_bias", "Attention", [x, w], num_heads=heads, scale=0.3)
    case("attention_causal", "Attention", [x, w, b], num_heads=heads, unidirectional=1)
    for name, mask in masks(batch, length, length).items():
        given = Input(x.array, "- S -") if name == "start_end" else x  # 2 B numbers are told from B ones
        case(f"attention_mask_{name}", "Attention", [given, w, b, Input(mask)], num_heads=heads)
        case(f"attention_mask_{name}_causal", "Attention", [given, w, b, Input(mask)], num_heads=heads, unidirectional=1)
    rows = masks(batch, length, length)["rows"]
    rows[1] = 0  # no key at all: the scores alone decide
    case("attention_all_masked", "Attention", [x, w, b, Input(rows, "B S")], num_heads=heads)
    case("attention_dummy_mask", "Attention", [x, w, b, Input(np.ones((batch, 1), np.int32))], num_heads=heads)
    case("attention_filter_value", "Attention", [x, w, b, Input(masks(batch, length, length)["rows"], "B S")],
         num_heads=heads, mask_filter_value=-1.5)
    case("attention_value_size", "Attention", [x, Weight(normal(5, 2 * hidden + 8)), Weight(normal(2 * hidden + 8))],
         num_heads=heads, qkv_hidden_sizes=[hidden, hidden, 8])
    bias = Input(normal(1, heads, length, length))
    case("attention_bias", "Attention", [x, w, b, Input(masks(batch, length, length)["rows"], "B S"), None, bias],
         num_heads=heads)
    state = Input(normal(2, batch, heads, past, size), "- B - P -")
    case("attention_past", "Attention", [x, w, b, None, state], 2, num_heads=heads, unidirectional=1)
    case("attention_past_mask", "Attention", [x, w, b, Input(masks(batch, length, length + past)["rows"], "B T"), state], 2,
         num_heads=heads, unidirectional=1)
    case("attention_present", "Attention", [x, w, b], 2, num_heads=heads)


def multi_head_attention():
    batch, queries, keys, heads, size, value_size, past = 2, 3, 5, 2, 4, 6, 2
    q = Input(normal(batch, queries, heads * size), "B S -")
    k = Input(normal(batch, keys, heads * size), "B L -")
    v = Input(normal(batch, keys, heads * value_size), "B L -")
    bias = Weight(normal(heads * (2 * size + value_size)))
    case("mha", "MultiHeadAttention", [q, k, v], num_heads=heads)
    case("mha_bias", "MultiHeadAttention", [q, k, v, bias], num_heads=heads, scale=0.7)
    for name, mask in masks(batch, queries, keys).items():
        if name != "start_end":
            case(f"mha_mask_{name}", "MultiHeadAttention", [q, k, v, None, Input(mask)], num_heads=heads)
    case("mha_attention_bias", "MultiHeadAttention",
         [q, k, v, bias, Input(masks(batch, queries, keys)["rows"], "B L"), Input(normal(batch, 1, queries, keys))],
         num_heads=heads)
    heads_first = [Input(normal(batch, heads, keys, size), "B - L -") for _ in range(2)]
    case("mha_cross", "MultiHeadAttention", [q] + heads_first, num_heads=heads)
    self_k = Input(normal(batch, queries, heads * size), "B S -")
    self_v = Input(normal(batch, queries, heads * size), "B S -")
    self_bias = Weight(normal(3 * heads * size))
    state = [Input(normal(batch, heads, past, size), "B - P -"), Input(normal(batch, heads, past, size), "B - P -")]
    case("mha_causal", "MultiHeadAttention", [q, self_k, self_v], num_heads=heads, unidirectional=1)
    case("mha_past", "MultiHeadAttention", [q, self_k, self_v, self_bias, None, None] + state, 3, num_heads=heads)
    case("mha_past_causal", "MultiHeadAttention", [q, self_k, self_v, None, None, None] + state, 3, num_heads=heads,
         unidirectional=1)
    case("mha_past_mask", "MultiHeadAttention",
         [q, self_k, self_v, None, Input(masks(batch, queries, queries + past)["rows"], "B T"), None] + state, 3,
         num_heads=heads)
    case("mha_scores", "MultiHeadAttention", [q, k, v, None, Input(masks(batch, queries, keys)["rows"], "B L")], "0,3",
         num_heads=heads)


def rotary():
    cos, sin = Weight(np.cos(normal(10, 4))), Weight(np.sin(normal(10, 4)))
    x, positions = normal(2, 3, 16), Input(ids(10, 2, 3, dtype=np.int64), "B S")
    for interleaved in (0, 1):
        case(f"rotary_{interleaved}", "RotaryEmbedding", [Input(x, "B S -"), positions, cos, sin], interleaved=interleaved)
    case("rotary_offset", "RotaryEmbedding", [Input(x, "B S -"), Input(np.int64([4])), cos, sin])
    case("rotary_4d", "RotaryEmbedding", [Input(normal(2, 5, 3, 8), "B - S -"), positions, cos, sin])
    case("rotary_partial", "RotaryEmbedding", [Input(normal(2, 3, 24), "B S -"), positions, cos, sin], num_heads=2,
         rotary_embedding_dim=8)
    case("rotary_scale", "RotaryEmbedding", [Input(x, "B S -"), positions, cos, sin], scale=3.0)


def group_query_attention():
    heads, kv_heads, size = 4, 2, 32

    def inputs(batch, tokens, past, lengths, total, packed=False, cos=0, positions=None, bias=None, sink=None):
        """`lengths`: of each sequence, with the new tokens; `past`: the capacity of the cache, None for no cache."""
        q = normal(batch, tokens, heads * size)
        k, v = (normal(batch, tokens, kv_heads * size) for _ in range(2))
        if packed:
            qkv = [Input(np.concatenate([q, k, v], 2), "B S -"), None, None]
        else:
            qkv = [Input(x, "B S -") for x in (q, k, v)]
        caches = [None, None] if past is None else [Input(normal(batch, kv_heads, past, size), "B - P -") for _ in range(2)]
        tables = [Weight(np.cos(normal(40, cos))), Weight(np.sin(normal(40, cos)))] if cos else [None, None]
        out = qkv + caches + [Input(np.int32(lengths) - 1, "B"), Input(np.int32([total]))] + tables
        out += [positions, bias, sink]
        while out[-1] is None:
            out.pop()
        return out

    def add(name, given, outputs=3, **attributes):
        case("gqa_" + name, "GroupQueryAttention", given, outputs, num_heads=heads, kv_num_heads=kv_heads, **attributes)

    add("prompt", inputs(2, 5, 0, [5, 5], 5))
    add("prompt_without_cache", inputs(1, 5, None, [5], 5))
    add("step", inputs(2, 1, 6, [7, 7], 7))
    add("step_of_different_lengths", inputs(2, 1, 6, [4, 7], 7))
    add("step_into_large_cache", inputs(1, 1, 12, [5], 5))
    add("many_tokens", inputs(1, 3, 6, [9], 9))
    add("packed", inputs(2, 4, 0, [4, 4], 4, packed=True), scale=0.2)
    add("rotary", inputs(2, 1, 6, [4, 7], 7, cos=16), do_rotary=1)
    add("rotary_prompt", inputs(2, 5, 0, [5, 5], 5, cos=16), do_rotary=1, rotary_interleaved=1)
    add("rotary_partial", inputs(1, 3, 6, [9], 9, cos=8), do_rotary=1)
    add("rotary_positions", inputs(2, 1, 6, [7, 7], 7, cos=16, positions=Input(np.int64([[6], [3]]), "B S")), do_rotary=1)
    add("rotary_positions_prompt", inputs(2, 3, 0, [3, 3], 3, cos=16, positions=Input(np.int64([[4, 9, 2], [7, 1, 3]]), "B S")),
        do_rotary=1)
    add("rotary_packed", inputs(1, 3, 6, [9], 9, packed=True, cos=16), do_rotary=1)
    add("window", inputs(1, 6, 0, [6], 6), local_window_size=3)
    add("window_of_one", inputs(1, 6, 0, [6], 6), local_window_size=1)
    add("window_step", inputs(2, 1, 9, [10, 10], 10), local_window_size=3)
    add("softcap", inputs(1, 4, 0, [4], 4), softcap=0.5)
    add("smooth_softmax", inputs(1, 4, 0, [4], 4), smooth_softmax=1)
    add("head_sink", inputs(1, 4, 0, [4], 4, sink=Weight(normal(heads))))
    add("bias", inputs(2, 3, 0, [3, 3], 3, bias=Input(normal(2, heads, 3, 3), "B - S T")))
    add("bias_step", inputs(1, 1, 6, [7], 7, bias=Input(normal(1, 1, 1, 7), "- - S T")))
    add("not_causal", inputs(1, 5, 0, [5], 5), causal=0)


def standard_attention():
    """What the standard's own tests do not show of its Attention."""
    q, k, v = Input(normal(2, 4, 3, 8), "B - S -"), Input(normal(2, 2, 6, 8), "B - T -"), Input(normal(2, 2, 6, 5), "B - T -")
    mask = ids(2, 3, 6).astype(bool)
    mask[1] = False

    def add(name, more, opset, **attributes):
        case("standard_" + name, "Attention", [q, k, v] + more, 1, "", opset, **attributes)

    def filled(*lengths):
        return [None, None, None, Input(np.int64(lengths), "B")]

    add("all_masked", [Input(mask, "S T")], 23)
    add("causal_cache", filled(4, 6), 24, is_causal=1)
    add("causal_cache_shorter_than_queries", filled(2, 6), 24, is_causal=1)
    add("window", [], 25, left_window_size=1, right_window_size=1)
    add("window_cache", filled(4, 6), 25, left_window_size=1, is_causal=1)


for group in (activations, products, normalizations, packed_attention, multi_head_attention, rotary, group_query_attention,
              standard_attention):
    group()


def run_case(args, name, tally):
    model, feeds = model_of(*CASES[name])
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        expected = dict(zip(names, session.run(names, feeds)))
    except Exception as error:  # ONNX Runtime has no common class for its errors
        tally.check(False, f"{name} in ONNX Runtime: {str(error)[:300]}")
        return
    with tempfile.TemporaryDirectory(prefix="strop_") as folder:
        work = pathlib.Path(folder)
        onnx.save(model, work / "model.onnx")
        for device in args.devices:
            try:
                out = run_strop(args.strop, work / "model.onnx", feeds, work / device, ["--device", device])
                for output in names:
                    error = relative_error(load_output(out, output), expected[output])
                    bound = 4e-3 if expected[output].dtype == np.float16 else 2e-5
                    tally.check(error <= bound, f"{name} on {device}: {error:.1e} at output {output}")
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                tally.check(False, f"{name} on {device}: {error}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strop", required=True)
    parser.add_argument("--cases")
    parser.add_argument("--devices", default="reference,cpu")
    args = parser.parse_args()
    args.devices = args.devices.split(",")
    tally = Tally()
    for name in args.cases.split(",") if args.cases else CASES:
        run_case(args, name, tally)
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
