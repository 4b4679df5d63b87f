// SPDX-License-Identifier: Apache-2.0
// DepthToSpace and SpaceToDepth: a reshape that takes channels or spatial axes apart, a transpose,
// and a reshape that joins them again. All three only move elements, so every type is taken.
#include "onnx/convert/attribute_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/binary.hpp"
#include "ops/concat.hpp"
#include "ops/reshape.hpp"
#include "ops/shape.hpp"
#include "ops/transpose.hpp"

namespace strop::onnx {
namespace {

constexpr std::int64_t kLargestBlock = std::int64_t{1} << 30;

// size of x along `axis` * times / divided_by; without an axis the number `times`.
struct Size {
  int axis = -1;
  std::int64_t times = 1, divided_by = 1;
};
Size number(std::int64_t value) { return {-1, value, 1}; }

// The sizes as an i64 vector: a constant where x's shape is known, else computed from it.
ValueId sizes_of(ConvertContext& c, ValueId x, const std::vector<Size>& sizes) {
  const std::optional<SymShape> shape = c.type(x).shape;
  std::vector<std::int64_t> known;
  std::vector<ValueId> parts;
  for (const Size& size : sizes) {
    if (size.axis < 0) {
      known.push_back(size.times);
      parts.push_back(c.emitter().integers({size.times}));
      continue;
    }
    if (shape) {
      const Dim& dim = (*shape)[static_cast<std::size_t>(size.axis)];
      if (dim.is_constant()) {
        const Dim result = floordiv(dim * Dim(size.times), Dim(size.divided_by));
        known.push_back(result.value());
        parts.push_back(c.emitter().integers({result.value()}));
        continue;
      }
    }
    ValueId part =
        c.emit(op_shape(), ShapeAttributes{.start = size.axis, .end = size.axis + 1}, {x});
    const auto scale = [&](BinaryFunction function, std::int64_t by) {
      if (by == 1) return;
      part = c.emit(op_binary(), BinaryAttributes{function}, {part, c.emitter().integers({by})});
    };
    scale(BinaryFunction::mul, size.times);
    scale(BinaryFunction::div, size.divided_by);
    parts.push_back(part);
  }
  if (known.size() == sizes.size()) return c.emitter().integers(known);
  return c.emit(op_concat(), ConcatAttributes{.axis = 0}, parts);
}

std::int64_t block_size(ConvertContext& c) {
  const std::int64_t block = c.int_attribute("blocksize");
  if (block < 1 || block > kLargestBlock) {
    c.fail(ErrorCode::bad_attribute, "blocksize is " + std::to_string(block) +
                                         "; it must be from 1 to " + std::to_string(kLargestBlock));
  }
  return block;
}

// x has four axes, and `parts` divides it along `axis`, as far as is known.
void check_input(ConvertContext& c, int axis, std::int64_t parts) {
  const auto& shape = c.type(c.input(0)).shape;
  if (!shape) return;
  if (shape->size() != 4) {
    c.fail(ErrorCode::bad_shape,
           "the input must have 4 axes (batch, channels, height, width), "
           "but is " +
               c.type(c.input(0)).to_string());
  }
  const Dim& dim = (*shape)[static_cast<std::size_t>(axis)];
  if (dim.is_constant() && dim.value() % parts != 0) {
    c.fail(ErrorCode::bad_shape, "axis " + std::to_string(axis) + " has size " + dim.to_string() +
                                     ", which " + std::to_string(parts) + " does not divide");
  }
}

void rearrange(ConvertContext& c, const std::vector<Size>& apart, std::vector<std::int64_t> perm,
               const std::vector<Size>& joined) {
  const ValueId x = c.input(0);
  const ReshapeAttributes sizes{.allow_zero = true};  // a size of 0 is an empty tensor's
  const ValueId split = c.emit(op_reshape(), sizes, {x, sizes_of(c, x, apart)});
  const ValueId moved = c.emit(op_transpose(), TransposeAttributes{std::move(perm)}, {split});
  c.set_output(0, c.emit(op_reshape(), sizes, {moved, sizes_of(c, x, joined)}));
}

void depth_to_space(ConvertContext& c) {
  const std::int64_t b = block_size(c);
  check_input(c, 1, b * b);
  const std::string mode = c.opset() >= 11 ? c.string_attribute("mode", "DCR") : "DCR";
  if (mode != "DCR" && mode != "CRD") {
    c.fail(ErrorCode::bad_attribute, "mode is \"" + mode + "\"; it may be DCR or CRD");
  }
  const Size batch{0}, channels{1, 1, b * b}, height{2}, width{3};
  const std::vector<Size> joined = {batch, channels, {2, b}, {3, b}};
  if (mode == "DCR") {
    rearrange(c, {batch, number(b), number(b), channels, height, width}, {0, 3, 4, 1, 5, 2},
              joined);
  } else {
    rearrange(c, {batch, channels, number(b), number(b), height, width}, {0, 1, 4, 2, 5, 3},
              joined);
  }
}

void space_to_depth(ConvertContext& c) {
  const std::int64_t b = block_size(c);
  check_input(c, 2, b);
  check_input(c, 3, b);
  const Size batch{0}, channels{1}, height{2, 1, b}, width{3, 1, b};
  rearrange(c, {batch, channels, height, number(b), width, number(b)}, {0, 3, 5, 1, 2, 4},
            {batch, {1, b * b}, height, width});
}

}  // namespace

void register_depth_to_space(ConverterTable& table) {
  table.add("DepthToSpace", 1, depth_to_space);
  table.add("SpaceToDepth", 1, space_to_depth);
}

}  // namespace strop::onnx
