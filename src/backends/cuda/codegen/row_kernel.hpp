// SPDX-License-Identifier: Apache-2.0
// Kernels in which a group of threads (a warp, or a block where rows are long) goes several times
// over one row of neighbouring elements. Rows that are short enough stay in registers.
#pragma once

#include "backends/cuda/codegen/kernel_writer.hpp"

namespace strop::cuda {

class RowKernel {
 public:
  // Rows of `size` elements of input 0, one after the other, of type `dtype`; so does output 0.
  RowKernel(KernelWriter& writer, DType dtype, const Dim& size, const Dim& rows);

  int group() const { return group_; }
  int pack() const { return pack_; }
  const std::string& type() const { return compute_; }
  // Statements for each element `value` (of the compute type) with index `i + k` in the row.
  void each(const std::string& statements);
  // The same, after `before` for each pack of elements i to i + pack; `result` becomes the output's
  // element.
  void store(const std::string& result, const std::string& before = {});
  // Statements of every thread. `row` is the row's number, `lane` the thread's in its group.
  void line(const std::string& text) { text_ += "  " + text + "\n"; }
  // `name = the group's reduction of name` by Add, Largest, ...
  void reduce(const std::string& name, const std::string& operation);
  void finish(LaunchStep& step);

 private:
  KernelWriter& writer_;
  std::string element_, compute_, size_, text_;
  Dim rows_;
  int group_ = 32, pack_ = 1, cached_ = 0;  // packs in registers of each thread; 0: none
};

}  // namespace strop::cuda
