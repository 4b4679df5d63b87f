// SPDX-License-Identifier: Apache-2.0
// GatherBlockQuantized of ONNX Runtime: slices of a table that is quantised in blocks. The
// quantised elements, scales and zero points are gathered, and then dequantised.
#include "onnx/convert/quantized_support.hpp"
#include "ops/concat.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/expand.hpp"
#include "ops/gather.hpp"
#include "ops/select.hpp"
#include "ops/unsqueeze.hpp"

namespace strop::onnx {
namespace {

using namespace quantized;
using B = BinaryFunction;

// An index out of range gives zeros.
struct Indices {
  ValueId safe;   // those out of range are 0
  ValueId valid;  // like the indices
};

Indices checked_indices(ConvertContext& c, ValueId indices, ValueId data, std::int64_t axis) {
  const ValueId wide = cast_to(c, indices, DType::i64), zero = scalar(c, DType::i64, 0);
  const ValueId size = size_along(c, data, axis);
  const ValueId valid =
      binary(c, B::logical_and, binary(c, B::greater_or_equal, wide, binary(c, B::sub, zero, size)),
             binary(c, B::less, wide, size));
  return {c.emit(op_select(), NoAttributes{}, {valid, wide, zero}), valid};
}

// x, or zeros where the slice at that place is none of the data. x has `after` axes behind those of
// the indices.
ValueId masked(ConvertContext& c, ValueId valid, ValueId x, std::int64_t after) {
  if (after > 0) {
    std::vector<std::int64_t> axes;
    for (std::int64_t i = 0; i < after; ++i) axes.push_back(c.rank(valid) + i);
    valid = c.emit(op_unsqueeze(), NoAttributes{}, {valid, c.emitter().integers(axes)});
  }
  return c.emit(op_select(), NoAttributes{}, {valid, x, scalar(c, c.type(x).dtype, 0)});
}

// Scales of small floats may have size 1 along any axis but that of the blocks.
ValueId expand_scales(ConvertContext& c, ValueId scales, ValueId data, std::int64_t quantize_axis) {
  const auto have = c.type(scales).shape, wanted = c.type(data).shape;
  bool fits = have && wanted && have->size() == wanted->size();
  std::vector<ValueId> sizes;
  for (std::int64_t i = 0; i < c.rank(data); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (i != quantize_axis) fits = fits && (*have)[at] == (*wanted)[at];
    sizes.push_back(size_along(c, i == quantize_axis ? scales : data, i));
  }
  if (fits) return scales;
  const ValueId shape = c.emit(op_concat(), ConcatAttributes{.axis = 0}, sizes);
  return c.emit(op_expand(), NoAttributes{}, {scales, shape});
}

void gather_block_quantized(ConvertContext& c) {
  ValueId data = c.input(0), scales = c.input(2), zero = c.optional_input(3);
  const DType dtype = c.type(data).dtype;
  const std::int64_t rank = c.rank(data), index_rank = c.rank(c.input(1));
  const std::int64_t axis = c.axis(c.int_attribute("gather_axis", 0), 0);
  const std::int64_t quantize_axis = c.axis(c.int_attribute("quantize_axis", 1), 0);
  const std::int64_t block = c.int_attribute("block_size", 128);
  const DType packed = packed_type(c);
  const bool small_float = is_floating(dtype);
  if (block != 0 || !small_float) require_block_size(c, block);
  if (small_float) {
    if (zero.exists()) c.fail(ErrorCode::bad_type, "small floats have no zero points");
    scales = expand_scales(c, scales, data, quantize_axis);
  } else if (dtype == DType::u8) {
    if (axis != 0 || quantize_axis != rank - 1 || rank < 2) {
      c.fail(ErrorCode::bad_attribute,
             "integers packed in u8 are gathered along the first axis and have their blocks along "
             "the last; gather_axis is " +
                 std::to_string(axis) + " and quantize_axis " + std::to_string(quantize_axis));
    }
    data = unpack(c, data, packed);
    if (zero.exists()) {
      zero = first_of(c, unpack(c, zero, packed), size_along(c, scales, rank - 1), rank - 1);
    } else {
      zero = middle_zero_point(c, packed, shape_of(c, scales));
    }
  }
  const DType to = c.type(scales).dtype;
  const auto real = [&](ValueId q, ValueId s, ValueId z, std::int64_t along) {
    if (block == 0) {
      const ValueId product =
          binary(c, B::mul, cast_to(c, q, DType::f32), cast_to(c, s, DType::f32));
      return cast_to(c, product, to);
    }
    return c.emit(op_dequantize_linear(),
                  DequantizeLinearAttributes{.to = to, .axis = along, .block_size = block},
                  {q, s, z});
  };
  const Indices indices = checked_indices(c, c.input(1), data, axis);
  const auto gather = [&](ValueId from) {
    return c.emit(op_gather(), GatherAttributes{.axis = axis}, {from, indices.safe});
  };
  const std::int64_t after = rank - 1 - axis;
  if (axis == quantize_axis) {
    const ValueId y = gather(real(data, scales, zero, axis));
    return c.set_output(0, masked(c, indices.valid, y, after));
  }
  // Zeros by scales of 0 are cheaper than zeros in the result.
  const ValueId s = masked(c, indices.valid, gather(scales), after);
  const ValueId z = zero.exists() ? gather(zero) : zero;
  const std::int64_t along = quantize_axis < axis ? quantize_axis : quantize_axis + index_rank - 1;
  c.set_output(0, real(gather(data), s, z, along));
}

}  // namespace

void register_gather_block_quantized(ConverterTable& table) {
  table.add(kMicrosoft, "GatherBlockQuantized", 1, gather_block_quantized);
}

}  // namespace strop::onnx
