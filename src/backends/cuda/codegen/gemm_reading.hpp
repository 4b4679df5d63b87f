// SPDX-License-Identifier: Apache-2.0
// What views of problems as implicit GEMM (gemm_view.hpp, byte_view.hpp) are read with.
#pragma once

#include <string>

#include "backends/cuda/codegen/gemm_view.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {

constexpr std::int64_t kMostSize = std::int64_t{1} << 30;  // of anything a kernel counts in int

bool is_float(DType type);

// Size of a step's operand, logical axis `axis`, where it lies in `layout`; of its result.
Dim operand_dim(const Problem& problem, std::size_t input, std::size_t axis, Layout layout);
Dim result_dim(const Problem& problem, std::size_t axis);

// Attributes and sizes of a convolution's window; false, and why, when kernels have none such.
bool read_window(const Problem& problem, std::size_t x, Layout layout, const Tensor& w,
                 const ConvAttributes& conv, GemmWindow& window, std::string& refusal);

// Reads steps, and finds their operands among the inputs of the problem's node.
class EpilogueReader {
 public:
  EpilogueReader(const Problem& problem, std::size_t channel_axis, GemmView& view)
      : problem_(problem), channel_axis_(channel_axis), view_(view) {}

  // Number `input` of the node's inputs as an operand of a step; false, and why not.
  // A bias is a vector over the channels, wherever their axis is.
  bool operand(std::size_t input, bool bias, EpilogueOperand& into, std::string& refusal);
  // A bias, unless it is -1.
  bool add(std::int64_t bias, std::string& refusal);
  bool add(const strop::Epilogue& steps, std::string& refusal);

 private:
  // Whether the only axis of a size other than 1 is the channels'.
  bool is_one_a_channel(const Type& type, bool bias) const;

  const Problem& problem_;
  std::size_t channel_axis_;
  GemmView& view_;
};

}  // namespace strop::cuda
