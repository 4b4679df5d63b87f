// SPDX-License-Identifier: Apache-2.0
// Index expressions: elements of several operands that a kernel visits together. Each axis has a
// size and, for each operand, a stride (0: the operand stands still, as in broadcasting).
#pragma once

#include <string>
#include <vector>

#include "backends/cuda/codegen/kernel_writer.hpp"

namespace strop::cuda {

struct WalkOperand {
  SymShape strides;  // elements, one per axis of the walk
  Dim base{0};       // element with all indices 0
};

struct Walk {
  SymShape sizes;  // outermost first
  std::vector<WalkOperand> operands;

  Dim count() const { return product(sizes); }
  // Merges neighbouring axes along which all operands go on alike, and drops those of size 1.
  void collapse();
  // How many neighbours along the innermost axis, at most `most`, lie side by side (or are one) in
  // all operands, at multiples of that many from their starts; a power of two. `whole`: the walk is
  // one run, which may end anywhere.
  int pack(int most) const;
  bool is_one_run() const;

  // Lines of code that define the element offset of operand k as `I <names[k]>` from the number
  // `item` of a pack of `pack` neighbours.
  std::string offsets(KernelWriter& writer, const std::string& item, int pack,
                      const std::vector<std::string>& names) const;
};

// Strides of an operand of `shape` and `strides` (its own) that is broadcast to `whole`. A size
// that may be 1 where the whole's is not is decided when sizes are known.
SymShape broadcast_strides(const SymShape& shape, const SymShape& strides, const SymShape& whole);

// Lines that define the coordinate `c<i>` of item `item` on each axis of a tensor, sizes outermost
// first, and what is left of the item's number before axis i, `r<i>`. An item may be `pack`
// neighbours on axis `packed`, whose size is a multiple of it: c<packed> is that of the first.
std::string coordinates(KernelWriter& writer, const std::string& item, const SymShape& sizes,
                        std::size_t packed = 0, int pack = 1);

// Axes of a tensor of that rank in the order of memory.
std::vector<std::size_t> memory_order(std::int64_t rank, Layout layout);

}  // namespace strop::cuda
