# SPDX-License-Identifier: Apache-2.0
"""Encoders: BERT and MiniLM as Hugging Face's models are exported at opset 14 (layer normalisation and GELU in pieces, sizes of
batch and sequence read in the graph), ViT as timm's is at opset 17."""
import numpy as np
import onnx
from onnx import TensorProto

from graph import Graph

VOCABULARY, POSITIONS = 30522, 512


def bert(name, width, heads, hidden, layers, vocabulary=VOCABULARY):
    """Devlin et al., 2018 (arXiv:1810.04805), uncased. Three i64[batch,sequence] -> f32[batch,sequence,width] and
    f32[batch,width]."""
    g = Graph(name, 14)
    depth = width // heads
    ids, mask, types = (g.input(n, ["batch", "sequence"], TensorProto.INT64)
                        for n in ("input_ids", "attention_mask", "token_type_ids"))

    def table(scope, rows):
        return g.parameter(f"{scope}.weight", g.normal(f"{scope}.weight", (rows, width), 0.5))

    scope = "embeddings"
    length = g.dimension(ids, 1, scope)
    limits = [g.constant(scope, np.array([0], np.int64)), length, g.constant(scope, np.array([1], np.int64)),
              g.constant(scope, np.array([1], np.int64))]
    positions = g.initializer("embeddings.position_ids", np.arange(POSITIONS, dtype=np.int64)[None])
    positions = g.op("Slice", [positions, *limits], scope)
    x = g.op("Gather", [table(f"{scope}.word_embeddings", vocabulary), ids], f"{scope}.word_embeddings")
    y = g.op("Gather", [table(f"{scope}.token_type_embeddings", 2), types], f"{scope}.token_type_embeddings")
    x = g.op("Add", [x, y], scope)
    y = g.op("Gather", [table(f"{scope}.position_embeddings", POSITIONS), positions], f"{scope}.position_embeddings")
    x = g.layer_norm(g.op("Add", [x, y], scope), f"{scope}.LayerNorm", width, 1e-12, decomposed=True)

    for axis in (1, 2):
        mask = g.op("Unsqueeze", [mask, g.constant("", np.array([axis], np.int64))])
    mask = g.op("Sub", [g.constant("", np.float32(1)), g.op("Cast", [mask], to=TensorProto.FLOAT)])
    mask = g.op("Mul", [mask, g.constant("", np.finfo(np.float32).min)])

    for i in range(layers):
        layer = f"encoder.layer.{i}"
        scope = f"{layer}.attention.self"

        def project(role, order, x=x, scope=scope):
            y = g.linear(x, f"{scope}.{role}", width, width)
            y = g.reshape(y, [g.dimension(y, 0, scope), g.dimension(y, 1, scope), heads, depth], scope)
            return g.op("Transpose", [y], scope, perm=order)

        query = project("query", [0, 2, 1, 3])
        key = project("key", [0, 2, 3, 1])
        value = project("value", [0, 2, 1, 3])
        scores = g.op("MatMul", [query, key], scope)
        scores = g.op("Div", [scores, g.constant(scope, np.float32(np.sqrt(depth)))], scope)
        weights = g.op("Softmax", [g.op("Add", [scores, mask], scope)], scope, axis=-1)
        y = g.op("Transpose", [g.op("MatMul", [weights, value], scope)], scope, perm=[0, 2, 1, 3])
        y = g.reshape(y, [g.dimension(y, 0, scope), g.dimension(y, 1, scope), width], scope)
        scope = f"{layer}.attention.output"
        y = g.op("Add", [g.linear(y, f"{scope}.dense", width, width), x], scope)
        x = g.layer_norm(y, f"{scope}.LayerNorm", width, 1e-12, decomposed=True)
        y = g.gelu(g.linear(x, f"{layer}.intermediate.dense", width, hidden), f"{layer}.intermediate.intermediate_act_fn")
        y = g.op("Add", [g.linear(y, f"{layer}.output.dense", hidden, width, after="gelu"), x], f"{layer}.output")
        x = g.layer_norm(y, f"{layer}.output.LayerNorm", width, 1e-12, decomposed=True)

    first = g.op("Gather", [x, g.constant("pooler", np.int64(0))], "pooler", axis=1)
    pooled = g.op("Tanh", [g.gemm(first, "pooler.dense", width, width)], "pooler.activation")
    g.output(x, "last_hidden_state", ["batch", "sequence", width])
    g.output(pooled, "pooler_output", ["batch", width])
    return g


def bert_base(layers=12):
    """109,482,240 parameters."""
    return bert("bert_base", 768, 12, 3072, layers)


def minilm(layers=6, vocabulary=VOCABULARY):
    """MiniLM-L6-H384 (Wang et al., 2020, arXiv:2002.10957), the body of all-MiniLM-L6-v2; 22,713,216 parameters."""
    return bert("minilm", 384, 12, 1536, layers, vocabulary)


def expand_batch(g, x, batch):
    """x.expand(batch, -1, -1) as exporters write it: -1 stands for one, which Expand leaves as it was."""
    wanted = g.op("Concat", [batch, *(g.constant("", np.array([-1], np.int64)) for _ in range(2))], axis=0)
    one = onnx.numpy_helper.from_array(np.array([1], np.int64))
    ones = g.op("ConstantOfShape", [g.constant("", np.array([3], np.int64))], value=one)
    kept = g.op("Equal", [wanted, g.op("Mul", [ones, g.constant("", np.int64(-1))])])
    return g.op("Expand", [x, g.op("Where", [kept, ones, wanted])])


def vit_b16(layers=12):
    """Dosovitskiy et al., 2020 (arXiv:2010.11929), base, patches of 16; 86,567,656 parameters. f32[batch,3,224,224] ->
    f32[batch,1000]."""
    g = Graph("vit_b16", 17)
    width, heads, tokens = 768, 12, 197
    x = g.input("images", ["batch", 3, 224, 224])
    x = g.conv(x, "patch_embed.proj", (3, width, 16), stride=16, padding=0)
    x = g.reshape(x, [g.dimension(x, 0, "patch_embed"), width, 196], "patch_embed")
    x = g.op("Transpose", [x], "patch_embed", perm=[0, 2, 1])
    first = g.parameter("cls_token", g.normal("cls_token", (1, 1, width), 1.0))
    x = g.op("Concat", [expand_batch(g, first, g.dimension(x, 0, "")), x], axis=1)
    x = g.op("Add", [x, g.parameter("pos_embed", g.normal("pos_embed", (1, tokens, width), 0.5))])
    for i in range(layers):
        block = f"blocks.{i}"
        scope = f"{block}.attn"
        y = g.layer_norm(x, f"{block}.norm1", width, 1e-6, decomposed=False)
        y = g.linear(y, f"{scope}.qkv", width, 3 * width)
        batch = g.dimension(y, 0, scope)
        y = g.op("Transpose", [g.reshape(y, [batch, tokens, 3, heads, 64], scope)], scope, perm=[2, 0, 3, 1, 4])
        parts = g.op("Split", [y, g.constant(scope, np.array([1, 1, 1], np.int64))], scope, outputs=3, axis=0)
        query, key, value = (g.op("Squeeze", [p, g.constant(scope, np.array([0], np.int64))], scope) for p in parts)
        query = g.op("Mul", [query, g.constant(scope, np.float32(0.125))], scope)
        weights = g.op("MatMul", [query, g.op("Transpose", [key], scope, perm=[0, 1, 3, 2])], scope)
        y = g.op("MatMul", [g.op("Softmax", [weights], scope, axis=-1), value], scope)
        y = g.reshape(g.op("Transpose", [y], scope, perm=[0, 2, 1, 3]), [batch, tokens, width], scope)
        x = g.op("Add", [x, g.linear(y, f"{scope}.proj", width, width)], block)
        y = g.layer_norm(x, f"{block}.norm2", width, 1e-6, decomposed=False)
        y = g.gelu(g.linear(y, f"{block}.mlp.fc1", width, 4 * width), f"{block}.mlp.act")
        x = g.op("Add", [x, g.linear(y, f"{block}.mlp.fc2", 4 * width, width, after="gelu", shrink=0.5)], block)
    x = g.layer_norm(x, "norm", width, 1e-6, decomposed=False)
    x = g.op("Gather", [x, g.constant("", np.int64(0))], axis=1)
    g.output(g.gemm(x, "head", width, 1000), "logits", ["batch", 1000])
    return g
