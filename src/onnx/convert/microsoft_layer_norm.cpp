// SPDX-License-Identifier: Apache-2.0
// Layer normalisations of com.microsoft: of a sum of residuals, and of a sum of embeddings.
#include "onnx/convert/emit_support.hpp"
#include "onnx/convert/layer_norm_support.hpp"
#include "ops/gather.hpp"
#include "ops/reduce.hpp"
#include "ops/slice.hpp"

namespace strop::onnx {
namespace {

LayerNormAttributes attributes_of(ConvertContext& c, bool centred) {
  LayerNormAttributes attributes{.centred = centred};
  attributes.axis = c.axis(-1, 0);
  attributes.epsilon = static_cast<double>(c.float_attribute("epsilon", 1e-12f));
  return attributes;
}

// Outputs: y, mean, inverse deviation, and the sum that was normalised.
template <bool kCentred>
void skip_layer_norm(ConvertContext& c) {
  const LayerNormAttributes attributes = attributes_of(c, kCentred);
  ValueId sum = binary(c, BinaryFunction::add, c.input(0), c.input(1));
  const std::size_t bias = kCentred ? 4 : 3;
  if (c.has_input(bias)) sum = binary(c, BinaryFunction::add, sum, c.input(bias));
  const bool statistics = c.has_output(1) || c.has_output(2);
  const auto out = emit_layer_norm(
      c, sum, c.input(2), kCentred ? c.optional_input(3) : ValueId::none(), attributes, statistics);
  c.set_output(0, out.y);
  if (c.has_output(1)) c.set_output(1, out.mean);
  if (c.has_output(2)) c.set_output(2, out.inverse_deviation);
  if (c.has_output(3)) c.set_output(3, sum);
}

// How many words each sentence has: its elements of the mask that are 1; 0 without a mask.
ValueId mask_index(ConvertContext& c, ValueId ids) {
  const ValueId mask = c.has_input(7) ? c.input(7) : scaled(c, ids, 0);
  const ValueId one = scalar(c, c.type(mask).dtype, 1);
  const ValueId is_one = cast_to(c, binary(c, BinaryFunction::equal, mask, one), DType::i32);
  return c.emit(op_reduce(), ReduceAttributes{.function = ReduceFunction::sum, .keep_dims = false},
                {is_one, integers(c, {1})});
}

void embed_layer_norm(ConvertContext& c) {
  c.ignore_attribute("mask_index_type");
  LayerNormAttributes attributes;
  attributes.axis = 2;
  attributes.epsilon = static_cast<double>(c.float_attribute("epsilon", 1e-12f));
  const ValueId ids = c.input(0);
  const auto rows = [&](ValueId table, ValueId indices) {
    return c.emit(op_gather(), GatherAttributes{.axis = 0}, {table, indices});
  };
  const ValueId words = rows(c.input(2), ids);
  const ValueId positions =
      c.has_input(8)
          ? rows(c.input(3), c.input(8))
          : c.emit(op_slice(), NoAttributes{},
                   {c.input(3), integers(c, {0}), size_along(c, ids, 1), integers(c, {0})});
  ValueId sum = binary(c, BinaryFunction::add, words, positions);
  if (c.has_input(1) != c.has_input(4)) {
    c.fail(ErrorCode::model_malformed, "segment_ids and segment_embedding must come together");
  }
  if (c.has_input(1)) sum = binary(c, BinaryFunction::add, sum, rows(c.input(4), c.input(1)));
  c.set_output(0, emit_layer_norm(c, sum, c.input(5), c.input(6), attributes).y);
  if (c.has_output(1)) c.set_output(1, mask_index(c, ids));
  if (c.has_output(2)) c.set_output(2, sum);
}

}  // namespace

void register_microsoft_layer_norm(ConverterTable& table) {
  table.add("com.microsoft", "SkipLayerNormalization", 1, skip_layer_norm<true>);
  table.add("com.microsoft", "SkipSimplifiedLayerNormalization", 1, skip_layer_norm<false>);
  table.add("com.microsoft", "EmbedLayerNormalization", 1, embed_layer_norm);
}

}  // namespace strop::onnx
