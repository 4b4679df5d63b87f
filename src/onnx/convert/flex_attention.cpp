// SPDX-License-Identifier: Apache-2.0
// FlexAttention of ai.onnx.preview: attention whose scores and probabilities pass through graphs of
// the model. Those graphs take the place of nodes between the two products; without them it is
// plain attention.
#include "ir/inline.hpp"
#include "onnx/convert/attention_support.hpp"
#include "onnx/convert/emit_support.hpp"
#include "ops/attention.hpp"
#include "ops/matmul.hpp"
#include "ops/softmax.hpp"

namespace strop::onnx {
namespace {

// The type of scores and probabilities: FP32 for the 16-bit floats, unless the model names one.
DType precision_of(ConvertContext& c, DType dtype) {
  if (!c.has_attribute("softmax_precision")) return dtype == DType::f64 ? dtype : DType::f32;
  const std::int64_t number = c.int_attribute("softmax_precision");
  const auto precision = dtype_from_onnx(number);
  if (!precision || !kFloats.contains(*precision)) {
    c.fail(ErrorCode::bad_attribute,
           "softmax_precision is " + std::to_string(number) + ", which is no floating-point type");
  }
  return *precision;
}

// x [B, Hq, L, N] as [B, Hk, Hq / Hk * L, N]: the heads that share a key's are rows of one matrix.
ValueId grouped(ConvertContext& c, ValueId x, ValueId like) {
  const ValueId shape = concatenated(
      c, {size_along(c, x, 0), size_along(c, like, 1), integers(c, {-1}), size_along(c, x, 3)}, 0);
  return c.emit(op_reshape(), ReshapeAttributes{}, {x, shape});
}

// The product of x [B, Hq, L, N] and y [B, Hk, N, M], [B, Hq, L, M].
ValueId product_of_heads(ConvertContext& c, ValueId x, ValueId y) {
  const auto &a = c.type(x).shape, &b = c.type(y).shape;
  if (a && b && a->size() == 4 && b->size() == 4 && (*a)[1] == (*b)[1]) {
    return c.emit(op_matmul(), NoAttributes{}, {x, y});
  }
  const ValueId out = c.emit(op_matmul(), NoAttributes{}, {grouped(c, x, y), y});
  const ValueId shape = concatenated(
      c, {size_along(c, x, 0), size_along(c, x, 1), size_along(c, x, 2), size_along(c, y, 3)}, 0);
  return c.emit(op_reshape(), ReshapeAttributes{}, {out, shape});
}

struct Modifiers {
  std::shared_ptr<const Graph> score, probability;
  std::vector<ValueId> captures;
};

Modifiers import_modifiers(ConvertContext& c, const Type& scores) {
  const bool score = c.has_attribute("score_mod"), probability = c.has_attribute("prob_mod");
  if (score) c.import_subgraph("score_mod", {scores});
  if (probability) c.import_subgraph("prob_mod", {scores});
  Modifiers out;
  if (!score && !probability) return out;
  auto graphs = c.finish_subgraphs(out.captures);
  if (score) out.score = graphs.front();
  if (probability) out.probability = graphs.back();
  return out;
}

ValueId modified(ConvertContext& c, const Modifiers& modifiers, const Graph* graph, ValueId x) {
  if (graph == nullptr) return x;
  std::vector<ValueId> inputs = {x};
  inputs.insert(inputs.end(), modifiers.captures.begin(), modifiers.captures.end());
  if (graph->inputs().size() != inputs.size() || graph->outputs().size() != 1) {
    c.fail(ErrorCode::model_malformed, "score_mod and prob_mod take one input and give one output");
  }
  const ValueId y = emit_graph(c.emitter(), *graph, inputs).front();
  if (c.type(y).dtype != c.type(x).dtype) {
    c.fail(ErrorCode::bad_type,
           "a graph of it makes " + c.type(y).to_string() + " of " + c.type(x).to_string());
  }
  return y;
}

void flex_attention(ConvertContext& c) {
  ValueId q = c.input(0);
  const ValueId k = c.input(1), v = c.input(2);
  const DType dtype = c.type(q).dtype, precision = precision_of(c, dtype);
  double scale = 0;
  if (c.has_attribute("scale")) {
    scale = static_cast<double>(c.float_attribute("scale"));
  } else {
    const ScaledQueries queries = with_default_scale(c, q);
    q = queries.q;
    scale = queries.scale;
  }
  if (!c.has_attribute("score_mod") && !c.has_attribute("prob_mod")) {
    const DType wide = precision == DType::f64 ? precision : dtype;
    const ValueId y = c.emit(op_attention(), AttentionAttributes{.scale = scale},
                             {cast_to(c, q, wide), cast_to(c, k, wide), cast_to(c, v, wide)});
    return c.set_output(0, cast_to(c, y, dtype));
  }
  if (c.rank(q) != 4 || c.rank(k) != 4 || c.rank(v) != 4) {
    c.fail(ErrorCode::bad_shape, "Q, K and V must be [batch, heads, sequence, size]");
  }
  ValueId scores = product_of_heads(c, q, transposed(c, k, {0, 1, 3, 2}));
  scores = scaled(c, cast_to(c, scores, precision), scale);
  const Modifiers modifiers = import_modifiers(c, c.type(scores));
  scores = modified(c, modifiers, modifiers.score.get(), scores);
  const ValueId softmax = c.emit(op_softmax(), SoftmaxAttributes{.axis = 3}, {scores});
  const ValueId probabilities = modified(c, modifiers, modifiers.probability.get(), softmax);
  const ValueId y = product_of_heads(c, probabilities, cast_to(c, v, precision));
  c.set_output(0, cast_to(c, y, dtype));
}

}  // namespace

void register_flex_attention(ConverterTable& table) {
  table.add("ai.onnx.preview", "FlexAttention", 1, flex_attention);
}

}  // namespace strop::onnx
