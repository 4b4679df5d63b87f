// SPDX-License-Identifier: Apache-2.0
// RotaryEmbedding of the standard and of com.microsoft. The rows of cos and sin for the positions
// are gathered before it.
#include "ops/rotary_embedding.hpp"

#include "onnx/convert/attention_support.hpp"
#include "onnx/convert/emit_support.hpp"
#include "ops/gather.hpp"

namespace strop::onnx {
namespace {

ValueId rows(ConvertContext& c, ValueId table, ValueId positions) {
  return c.emit(op_gather(), GatherAttributes{.axis = 0}, {table, positions});
}

// x is [B, heads, L, size], or packed with so many heads; `rotated` elements of each vector turn
// (0: all of them).
void rotate(ConvertContext& c, ValueId x, ValueId cos, ValueId sin, std::int64_t heads,
            std::int64_t rotated) {
  RotaryEmbeddingAttributes attributes;
  attributes.interleaved = c.int_attribute("interleaved", 0) != 0;
  const bool packed = c.rank(x) == 3;
  if (packed) {
    x = with_heads(c, x, heads);
    attributes.sequence_axis = 1;
  }
  const std::int64_t wanted = rotated != 0 ? rotated : known_size(c, x, 3);
  const std::int64_t half = known_size(c, cos, 2);
  if (rotated < 0 || (wanted >= 0 && half >= 0 && (wanted % 2 != 0 || wanted / 2 != half))) {
    c.fail(ErrorCode::bad_shape, "the last axis of cos_cache has size " + std::to_string(half) +
                                     ", but must be half of the " + std::to_string(wanted) +
                                     " elements that are rotated");
  }
  const ValueId y = c.emit(op_rotary_embedding(), attributes, {x, cos, sin});
  c.set_output(0, packed ? without_heads(c, y) : y);
}

void rotary_embedding(ConvertContext& c) {
  const ValueId x = c.input(0);
  ValueId cos = c.input(1), sin = c.input(2);
  if (c.has_input(3)) {
    cos = rows(c, cos, c.input(3));
    sin = rows(c, sin, c.input(3));
  }
  std::int64_t heads = 0;
  if (c.rank(x) == 3) {
    heads = heads_attribute(c, "num_heads");
  } else {
    c.ignore_attribute("num_heads");  // the shape says it
  }
  rotate(c, x, cos, sin, heads, c.int_attribute("rotary_embedding_dim", 0));
}

// Positions come second, and may be one number: that of the first token of each sequence.
void microsoft_rotary_embedding(ConvertContext& c) {
  if (c.int_attribute("is_packed_batching", 0) != 0) {
    c.fail(ErrorCode::unsupported_operator, "is_packed_batching is not supported",
           "export the model with one sequence for each element of the batch");
  }
  c.ignore_attribute("scale");  // ONNX Runtime reads it and does nothing with it
  const ValueId x = c.input(0);
  const bool packed = c.rank(x) == 3;
  ValueId positions = c.input(1);
  if (c.rank(positions) == 1) {
    const ValueId steps = counted(c, size_along(c, x, packed ? 1 : 2));
    positions = unsqueezed(c, binary(c, BinaryFunction::add, steps, positions), {0});
  }
  const ValueId cos = rows(c, c.input(2), positions), sin = rows(c, c.input(3), positions);
  const std::int64_t rotated = c.int_attribute("rotary_embedding_dim", 0);
  std::int64_t heads = c.int_attribute("num_heads", 0);
  // Without it, vectors are turned as a whole, and the tables say how long they are.
  const std::int64_t hidden = known_size(c, x, 2), half = known_size(c, cos, 2);
  if (packed && heads == 0 && hidden > 0 && half > 0) heads = hidden / 2 / half;
  if (packed && heads < 1) {
    c.fail(ErrorCode::bad_attribute, "num_heads is missing, and no shape tells it",
           "export the model with num_heads");
  }
  rotate(c, x, cos, sin, heads, rotated);
}

}  // namespace

void register_rotary_embedding(ConverterTable& table) {
  table.add("RotaryEmbedding", 23, rotary_embedding);
  table.add("com.microsoft", "RotaryEmbedding", 1, microsoft_rotary_embedding);
}

}  // namespace strop::onnx
