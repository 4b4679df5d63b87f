// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/walk.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tactic/layout_support.hpp"

namespace strop::cuda {

void Walk::collapse() {
  SymShape merged;
  std::vector<SymShape> strides(operands.size());
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    if (sizes[axis].is(1)) continue;
    bool follows = !merged.empty();
    for (std::size_t k = 0; follows && k < operands.size(); ++k)
      follows = strides[k].back() == operands[k].strides[axis] * sizes[axis];
    if (follows) {
      merged.back() = merged.back() * sizes[axis];
      for (std::size_t k = 0; k < operands.size(); ++k)
        strides[k].back() = operands[k].strides[axis];
    } else {
      merged.push_back(sizes[axis]);
      for (std::size_t k = 0; k < operands.size(); ++k)
        strides[k].push_back(operands[k].strides[axis]);
    }
  }
  sizes = std::move(merged);
  for (std::size_t k = 0; k < operands.size(); ++k) operands[k].strides = std::move(strides[k]);
}

bool Walk::is_one_run() const {
  if (sizes.size() != 1) return false;
  return std::ranges::all_of(operands, [](const WalkOperand& each) {
    return each.base.is(0) && (each.strides[0].is(1) || each.strides[0].is(0));
  });
}

int Walk::pack(int most) const {
  if (sizes.empty()) return 1;
  int pack = most;
  if (!is_one_run()) {
    while (pack > 1 && !is_multiple(sizes.back(), pack)) pack /= 2;
  }
  for (const WalkOperand& each : operands) {
    if (each.strides.back().is(0)) continue;
    if (!each.strides.back().is(1)) return 1;
    while (pack > 1 && !is_multiple(each.base, pack)) pack /= 2;
    for (std::size_t axis = 0; axis + 1 < sizes.size(); ++axis) {
      while (pack > 1 && !is_multiple(each.strides[axis], pack)) pack /= 2;
    }
  }
  return pack;
}

std::string Walk::offsets(KernelWriter& writer, const std::string& item, int pack,
                          const std::vector<std::string>& names) const {
  std::string out;
  std::vector<std::string> terms(operands.size());
  const auto add = [&](std::size_t k, const std::string& coordinate, const Dim& stride) {
    if (stride.is(0)) return;
    if (!terms[k].empty()) terms[k] += " + ";
    terms[k] += stride.is(1) ? coordinate : coordinate + " * " + writer.number(stride);
  };
  std::string rest = item;
  for (std::size_t axis = sizes.size(); axis-- > 0;) {
    const bool innermost = axis + 1 == sizes.size();
    const int scale = innermost ? pack : 1;
    std::string coordinate = rest;
    if (axis > 0) {
      const std::string size =
          writer.number(scale > 1 ? floordiv(sizes[axis], Dim(scale)) : sizes[axis]);
      out += fmt::format("  const I r{} = {} / {};\n", axis, rest, size);
      out += fmt::format("  const I c{0} = {1} - r{0} * {2};\n", axis, rest, size);
      coordinate = fmt::format("c{}", axis);
      rest = fmt::format("r{}", axis);
    }
    if (scale > 1) coordinate = fmt::format("({} * {})", coordinate, scale);
    for (std::size_t k = 0; k < operands.size(); ++k) add(k, coordinate, operands[k].strides[axis]);
  }
  for (std::size_t k = 0; k < operands.size(); ++k) {
    if (!operands[k].base.is(0) || terms[k].empty()) {
      if (!terms[k].empty()) terms[k] += " + ";
      terms[k] += writer.number(operands[k].base);
    }
    out += fmt::format("  const I {} = {};\n", names[k], terms[k]);
  }
  return out;
}

SymShape broadcast_strides(const SymShape& shape, const SymShape& strides, const SymShape& whole) {
  SymShape out(whole.size(), Dim(0));
  const std::size_t missing = whole.size() - shape.size();
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const Dim& size = shape[axis];
    if (size.is(1)) continue;
    const bool same = size.is_constant() || size == whole[axis + missing];
    // A size of 1 stands still.
    out[axis + missing] = same ? strides[axis] : strides[axis] * min(size - Dim(1), Dim(1));
  }
  return out;
}

std::string coordinates(KernelWriter& writer, const std::string& item, const SymShape& sizes,
                        std::size_t packed, int pack) {
  std::string out, rest = item;
  for (std::size_t axis = sizes.size(); axis-- > 0;) {
    const bool scaled = pack > 1 && axis == packed;
    const std::string scale = scaled ? fmt::format(" * {}", pack) : "";
    if (axis == 0) {
      out += fmt::format("  const I c0 = {}{};\n", rest, scale);
      break;
    }
    const std::string size = writer.number(scaled ? floordiv(sizes[axis], Dim(pack)) : sizes[axis]);
    out += fmt::format("  const I r{} = {} / {};\n", axis, rest, size);
    out += scaled
               ? fmt::format("  const I c{0} = ({1} - r{0} * {2}){3};\n", axis, rest, size, scale)
               : fmt::format("  const I c{0} = {1} - r{0} * {2};\n", axis, rest, size);
    rest = fmt::format("r{}", axis);
  }
  return out;
}

std::vector<std::size_t> memory_order(std::int64_t rank, Layout layout) {
  std::vector<std::size_t> out(static_cast<std::size_t>(rank));
  for (std::int64_t axis = 0; axis < rank; ++axis) {
    const std::int64_t place = rank < 3 ? axis : physical_axis(axis, rank, layout);
    out[static_cast<std::size_t>(place)] = static_cast<std::size_t>(axis);
  }
  return out;
}

}  // namespace strop::cuda
