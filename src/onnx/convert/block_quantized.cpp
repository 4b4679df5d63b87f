// SPDX-License-Identifier: Apache-2.0
// Weights quantised in blocks, of ONNX Runtime: MatMulNBits and GatherBlockQuantized. Both become
// dequantize_linear around a product or a gather, the form that the standard writes for such
// weights. MatMulNBits computes in the type of its input whatever its accuracy_level, which only
// allows less.
#include <utility>

#include "onnx/convert/quantized_support.hpp"
#include "ops/concat.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/expand.hpp"
#include "ops/fill.hpp"
#include "ops/gather.hpp"
#include "ops/matmul.hpp"
#include "ops/select.hpp"
#include "ops/shape.hpp"
#include "ops/slice.hpp"
#include "ops/unpack_bits.hpp"
#include "ops/unsqueeze.hpp"

namespace strop::onnx {
namespace {

using namespace quantized;
using B = BinaryFunction;

// The type of packed elements with so many bits.
DType packed_type(ConvertContext& c) {
  const std::int64_t bits = c.int_attribute("bits", 4);
  if (bits == 2) return DType::u2;
  if (bits == 4) return DType::u4;
  if (bits == 8) return DType::u8;
  c.fail(ErrorCode::bad_attribute, "bits is " + std::to_string(bits), "it may be 2, 4 or 8");
}

ValueId unpack(ConvertContext& c, ValueId bytes, DType to) {
  if (c.type(bytes).dtype != DType::u8) {
    c.fail(ErrorCode::bad_type, "packed integers come in bytes (u8), not in " +
                                    std::string(to_string(c.type(bytes).dtype)));
  }
  if (to == DType::u8) return bytes;
  return c.emit(op_unpack_bits(), UnpackBitsAttributes{.to = to}, {bytes});
}

// The first `size` (i64[1]) indices of an axis.
ValueId first_of(ConvertContext& c, ValueId x, ValueId size, std::int64_t axis) {
  return c.emit(op_slice(), NoAttributes{},
                {x, c.emitter().integers({0}), size, c.emitter().integers({axis})});
}

// The zero point of unsigned integers that stands for none: half of their range.
ValueId middle(ConvertContext& c, DType dtype, ValueId shape) {
  Tensor value = Tensor::zeros(dtype, {1});
  store_from_double(dtype, value.mutable_data(), 0, 1 << (bits_of(dtype) - 1));
  return c.emit(op_fill(), FillAttributes{.value = value}, {shape});
}

ValueId size_of_axis(ConvertContext& c, ValueId x, std::int64_t axis) {
  return c.emit(op_shape(), ShapeAttributes{.start = axis, .end = axis + 1}, {x});
}

struct NBits {
  DType dtype = DType::u4;
  std::int64_t n = 1, k = 1, block = 16, blocks = 1;
};

NBits nbits_attributes(ConvertContext& c) {
  NBits a;
  a.dtype = packed_type(c);
  a.n = c.int_attribute("N");
  a.k = c.int_attribute("K");
  a.block = c.int_attribute("block_size");
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  for (const auto& [name, value] : {std::pair{"N", a.n}, {"K", a.k}, {"block_size", a.block}}) {
    if (value < 1 || value > kMost) {
      c.fail(ErrorCode::bad_attribute, std::string(name) + " is " + std::to_string(value) +
                                           "; it must be from 1 to " + std::to_string(kMost));
    }
  }
  if (a.block < 16 || (a.block & (a.block - 1)) != 0) {
    c.fail(ErrorCode::bad_attribute, "block_size is " + std::to_string(a.block),
           "it must be a power of 2 and at least 16");
  }
  if (const auto layout = c.int_attribute("weight_prepacked", 0); layout != 0) {
    c.fail(ErrorCode::unsupported_operator,
           "its weights are in layout " + std::to_string(layout) + " of one GPU's kernels",
           "export with weight_prepacked=0");
  }
  c.ignore_attribute("accuracy_level");
  a.blocks = (a.k + a.block - 1) / a.block;
  return a;
}

// Real weights [N, K] of type `to`.
ValueId nbits_weights(ConvertContext& c, const NBits& a, DType to) {
  const std::int64_t padded = a.blocks * a.block;
  ValueId q = reshape_to(c, unpack(c, c.input(1), a.dtype), {a.n, padded});
  ValueId scales = reshape_to(c, c.input(2), {a.n, a.blocks});
  ValueId zero = c.optional_input(3);
  const bool real_zero = zero.exists() && kFloats.contains(c.type(zero).dtype);
  if (!zero.exists()) {
    zero = middle(c, a.dtype, c.emitter().integers({a.n, a.blocks}));
  } else if (real_zero) {
    zero = reshape_to(c, zero, {a.n, a.blocks});
  } else {
    const std::int64_t per_byte = 8 / bits_of(a.dtype);
    const std::int64_t stored = (a.blocks + per_byte - 1) / per_byte * per_byte;
    zero = reshape_to(c, unpack(c, zero, a.dtype), {a.n, stored});
    if (stored != a.blocks) zero = first_of(c, zero, c.emitter().integers({a.blocks}), 1);
  }
  // Column k belongs to block k / block_size, or to the block that g_idx names.
  const ValueId k = c.emitter().integers({a.k});
  const bool named = c.has_input(4);
  if (named) {
    const ValueId g = first_of(c, c.input(4), k, 0);
    const GatherAttributes along{.axis = 1};
    scales = c.emit(op_gather(), along, {scales, g});
    zero = c.emit(op_gather(), along, {zero, g});
  }
  if (named && a.k != padded) q = first_of(c, q, k, 1);
  ValueId w;
  if (real_zero) {
    q = cast_to(c, q, DType::f32);
    if (!named) {
      q = reshape_to(c, q, {a.n, a.blocks, a.block});
      scales = reshape_to(c, scales, {a.n, a.blocks, 1});
      zero = reshape_to(c, zero, {a.n, a.blocks, 1});
    }
    const ValueId difference = arithmetic(c, B::sub, q, cast_to(c, zero, DType::f32));
    w = arithmetic(c, B::mul, difference, cast_to(c, scales, DType::f32));
    w = cast_to(c, reshape_to(c, w, {a.n, named ? a.k : padded}), to);
  } else {
    const DequantizeLinearAttributes blocks{.to = to, .axis = 1, .block_size = named ? 1 : a.block};
    w = c.emit(op_dequantize_linear(), blocks, {q, scales, zero});
  }
  return named || a.k == padded ? w : first_of(c, w, k, 1);
}

void matmul_nbits(ConvertContext& c) {
  const NBits a = nbits_attributes(c);
  const ValueId x = c.input(0);
  const ValueId w = transpose_by(c, nbits_weights(c, a, c.type(x).dtype), {1, 0});
  ValueId y = c.emit(op_matmul(), NoAttributes{}, {x, w});
  if (c.has_input(5)) y = arithmetic(c, B::add, y, c.input(5));
  c.set_output(0, y);
}

// An index out of range gives zeros.
struct Indices {
  ValueId safe;   // those out of range are 0
  ValueId valid;  // like the indices
};

Indices checked_indices(ConvertContext& c, ValueId indices, ValueId data, std::int64_t axis) {
  const ValueId wide = cast_to(c, indices, DType::i64), zero = number(c, DType::i64, 0);
  const ValueId size = size_of_axis(c, data, axis);
  const ValueId valid =
      arithmetic(c, B::logical_and,
                 arithmetic(c, B::greater_or_equal, wide, arithmetic(c, B::sub, zero, size)),
                 arithmetic(c, B::less, wide, size));
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
  return c.emit(op_select(), NoAttributes{}, {valid, x, number(c, c.type(x).dtype, 0)});
}

// Scales of small floats may have size 1 along any axis but that of the blocks.
ValueId expand_scales(ConvertContext& c, ValueId scales, ValueId data, std::int64_t quantize_axis) {
  const auto have = c.type(scales).shape, wanted = c.type(data).shape;
  bool fits = have && wanted && have->size() == wanted->size();
  std::vector<ValueId> sizes;
  for (std::int64_t i = 0; i < c.rank(data); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (i != quantize_axis) fits = fits && (*have)[at] == (*wanted)[at];
    sizes.push_back(size_of_axis(c, i == quantize_axis ? scales : data, i));
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
  if ((block != 0 || !small_float) && (block < 16 || (block & (block - 1)) != 0)) {
    c.fail(ErrorCode::bad_attribute, "block_size is " + std::to_string(block),
           "it must be a power of 2 and at least 16");
  }
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
      zero = first_of(c, unpack(c, zero, packed), size_of_axis(c, scales, rank - 1), rank - 1);
    } else {
      zero = middle(c, packed, shape_of(c, scales));
    }
  }
  const DType to = c.type(scales).dtype;
  const auto real = [&](ValueId q, ValueId s, ValueId z, std::int64_t along) {
    if (block == 0) {
      const ValueId product =
          arithmetic(c, B::mul, cast_to(c, q, DType::f32), cast_to(c, s, DType::f32));
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

void register_block_quantized(ConverterTable& table) {
  table.add(kMicrosoft, "MatMulNBits", 1, matmul_nbits);
  table.add(kMicrosoft, "GatherBlockQuantized", 1, gather_block_quantized);
}

}  // namespace strop::onnx
