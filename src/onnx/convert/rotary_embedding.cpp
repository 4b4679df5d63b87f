// SPDX-License-Identifier: Apache-2.0
// RotaryEmbedding. The rows of cos and sin for the positions are gathered before it.
#include "ops/rotary_embedding.hpp"

#include "onnx/convert/attention_support.hpp"
#include "onnx/convert/emit_support.hpp"
#include "ops/gather.hpp"

namespace strop::onnx {
namespace {

void rotary_embedding(ConvertContext& c) {
  RotaryEmbeddingAttributes attributes;
  attributes.interleaved = c.int_attribute("interleaved", 0) != 0;
  const std::int64_t rotated = c.int_attribute("rotary_embedding_dim", 0);
  ValueId x = c.input(0), cos = c.input(1), sin = c.input(2);
  const bool packed = c.rank(x) == 3;
  if (packed) {
    x = with_heads(c, x, heads_attribute(c, "num_heads"));
    attributes.sequence_axis = 1;
  } else {
    c.ignore_attribute("num_heads");  // the shape says it
  }
  if (c.has_input(3)) {
    const auto rows = [&](ValueId table) {
      return c.emit(op_gather(), GatherAttributes{.axis = 0}, {table, c.input(3)});
    };
    cos = rows(cos);
    sin = rows(sin);
  }
  const std::int64_t wanted = rotated != 0 ? rotated : known_size(c, x, 3);
  const std::int64_t half = known_size(c, cos, 2);
  if (rotated < 0 || (wanted >= 0 && half >= 0 && wanted != 2 * half)) {
    c.fail(ErrorCode::bad_shape, "the last axis of cos_cache has size " + std::to_string(half) +
                                     ", but must be half of the " + std::to_string(wanted) +
                                     " elements that are rotated");
  }
  const ValueId y = c.emit(op_rotary_embedding(), attributes, {x, cos, sin});
  c.set_output(0, packed ? without_heads(c, y) : y);
}

}  // namespace

void register_rotary_embedding(ConverterTable& table) {
  table.add("RotaryEmbedding", 23, rotary_embedding);
}

}  // namespace strop::onnx
