// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/strided_copy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "backends/cuda/codegen/scalar_source.hpp"

namespace strop::cuda {
namespace {

constexpr int kPackBytes = 16;
constexpr std::int64_t kSmallestSide = 16;  // of a tile that pays

bool pays(const Dim& size) { return !size.is_constant() || size.value() >= kSmallestSide; }

// The axis along which the input's neighbours lie, where it is not the output's.
std::optional<std::size_t> other_axis(const Walk& walk) {
  const SymShape& from = walk.operands[0].strides;
  if (walk.sizes.size() < 2 || from.back().is(1) || from.back().is(0)) return std::nullopt;
  if (!walk.operands[1].strides.back().is(1) || !pays(walk.sizes.back())) return std::nullopt;
  for (std::size_t axis = 0; axis + 1 < walk.sizes.size(); ++axis) {
    if (from[axis].is(1) && pays(walk.sizes[axis])) return axis;
  }
  return std::nullopt;
}

// `p`: the axis with input stride 1; the innermost one has output stride 1.
void add_tiled(LaunchStep& step, KernelWriter& writer, const Walk& walk, std::size_t p,
               const std::string& x, const std::string& y, const std::string& type, int side) {
  const std::size_t q = walk.sizes.size() - 1;
  const Dim tiles_p = ceildiv(walk.sizes[p], Dim(side)),
            tiles_q = ceildiv(walk.sizes[q], Dim(side));
  Walk rest;
  rest.operands.resize(2);
  for (std::size_t k = 0; k < 2; ++k) rest.operands[k].base = walk.operands[k].base;
  for (std::size_t axis = 0; axis < walk.sizes.size(); ++axis) {
    if (axis == p || axis == q) continue;
    rest.sizes.push_back(walk.sizes[axis]);
    for (std::size_t k = 0; k < 2; ++k)
      rest.operands[k].strides.push_back(walk.operands[k].strides[axis]);
  }
  std::string text = fmt::format(
      "  const I block = static_cast<I>(blockIdx.x);\n"
      "  const I tile_q = block % {0};\n"
      "  const I tile_p = block / {0} % {1};\n"
      "  const I outer = block / {0} / {1};\n",
      writer.number(tiles_q), writer.number(tiles_p));
  text += rest.offsets(writer, "outer", 1, {"from", "to"});
  text += fmt::format(
      "  __shared__ {type} tile[{side}][{side} + 1];\n"
      "  const int column = static_cast<int>(threadIdx.x) % {side};\n"
      "  const int first = static_cast<int>(threadIdx.x) / {side};\n"
      "  const I p0 = tile_p * {side}, q0 = tile_q * {side};\n"
      "#pragma unroll\n"
      "  for (int r = first; r < {side}; r += {rows}) {{\n"
      "    if (p0 + column < {size_p} && q0 + r < {size_q})\n"
      "      tile[r][column] = {x}[from + (q0 + r) * {stride_q} + p0 + column];\n"
      "  }}\n"
      "  __syncthreads();\n"
      "#pragma unroll\n"
      "  for (int r = first; r < {side}; r += {rows}) {{\n"
      "    if (p0 + r < {size_p} && q0 + column < {size_q})\n"
      "      {y}[to + (p0 + r) * {stride_p} + q0 + column] = tile[column][r];\n"
      "  }}\n",
      fmt::arg("type", type), fmt::arg("side", side), fmt::arg("rows", 256 / side),
      fmt::arg("x", x), fmt::arg("y", y), fmt::arg("size_p", writer.number(walk.sizes[p])),
      fmt::arg("size_q", writer.number(walk.sizes[q])),
      fmt::arg("stride_q", writer.number(walk.operands[0].strides[q])),
      fmt::arg("stride_p", writer.number(walk.operands[1].strides[p])));
  writer.finish(step, text, {tiles_p * tiles_q * rest.count(), Dim(1), Dim(1)}, 256);
}

}  // namespace

std::string not_moved(DType dtype) {
  return moved_type(dtype).empty() ? "its elements are not whole bytes" : std::string();
}

void add_copy(LaunchStep& step, const Problem& problem, const LaunchShapes& shapes,
              StridedCopy copy, DType dtype, const std::string& name) {
  Walk walk{std::move(copy.sizes), {std::move(copy.from), std::move(copy.to)}};
  walk.collapse();
  if (walk.count().is(0)) return;
  KernelWriter writer(problem, shapes, name);
  const std::string type = moved_type(dtype);
  const std::string x = writer.input(copy.input, type), y = writer.output(copy.output, type);
  const int bytes = bits_of(dtype) / 8;
  if (const auto axis = other_axis(walk))
    return add_tiled(step, writer, walk, *axis, x, y, type, bytes < 4 ? 64 : 32);
  const int pack = walk.pack(std::max(1, kPackBytes / bytes));
  const Dim count = walk.count();
  std::string text = walk.offsets(writer, "index", pack, {"from", "to"});
  if (pack > 1 && !is_multiple(count, pack)) {
    const bool still = walk.operands[0].strides.back().is(0);
    text += fmt::format(
        "  if (to + {0} > {1}) {{\n"
        "    for (I k = 0; to + k < {1}; ++k) {2}[to + k] = {3}[{4}];\n"
        "    return;\n"
        "  }}\n",
        pack, writer.number(count), y, x, still ? "from" : "from + k");
  }
  if (pack > 1 && walk.operands[0].strides.back().is(0)) {
    text += fmt::format(
        "  Pack<{0}, {1}> same;\n"
        "#pragma unroll\n"
        "  for (int k = 0; k < {1}; ++k) same.v[k] = {2}[from];\n"
        "  *reinterpret_cast<Pack<{0}, {1}>*>({3} + to) = same;\n",
        type, pack, x, y);
  } else {
    text += fmt::format(
        "  *reinterpret_cast<Pack<{0}, {1}>*>({3} + to) =\n"
        "      *reinterpret_cast<const Pack<{0}, {1}>*>({2} + from);\n",
        type, pack, x, y);
  }
  writer.finish_items(step, text, ceildiv(count, Dim(pack)));
}

void add_copy(LaunchStep& step, const Problem& problem, const LaunchShapes& shapes,
              const StridedCopy& copy, const std::vector<std::size_t>& order, DType dtype,
              const std::string& name) {
  StridedCopy sorted;
  sorted.input = copy.input;
  sorted.output = copy.output;
  sorted.from.base = copy.from.base;
  sorted.to.base = copy.to.base;
  for (const std::size_t axis : order) {
    sorted.sizes.push_back(copy.sizes[axis]);
    sorted.from.strides.push_back(copy.from.strides[axis]);
    sorted.to.strides.push_back(copy.to.strides[axis]);
  }
  add_copy(step, problem, shapes, std::move(sorted), dtype, name);
}

}  // namespace strop::cuda
