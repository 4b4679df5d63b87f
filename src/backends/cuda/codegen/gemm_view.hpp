// SPDX-License-Identifier: Apache-2.0
// Problems of tactics, plain or fused with a chain of pointwise steps, as implicit GEMM.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "backends/cuda/codegen/implicit_gemm.hpp"
#include "tactic/anchor_view.hpp"

namespace strop::cuda {

// How the weights of a convolution, or the constant matrix of a product, are packed.
enum class WeightOrder : std::uint8_t {
  k_outer,  // [group][k][filters], rows padded to multiples of four elements
  k_inner,  // [group][filter][k], rows padded to multiples of eight elements
};

struct GemmView {
  GemmProblem problem;
  std::map<std::size_t, StepConstant> replaced;  // packed weights, operands of channels as f32
  std::vector<Tensor> constants;                 // of the step, after the node's inputs
};

// A convolution over one or two axes with constant weights, every tensor of type `element`. Nothing
// when the problem is another one (`refusal` as of view_as). Its operands lie as problem.layouts
// say; `pack`: with packed weights, which takes time.
std::optional<GemmView> view_as_conv(const Problem& problem, DType element, WeightOrder order,
                                     bool pack, std::string& refusal);
// One with as many groups as channels and filters, as depthwise_step wants it.
std::optional<GemmView> view_as_depthwise(const Problem& problem, DType element, bool pack,
                                          std::string& refusal);
// One of an image of at most four channels in one group, as stem_step wants it: the result channels
// last.
std::optional<GemmView> view_as_stem(const Problem& problem, DType element, bool pack,
                                     std::string& refusal);
// Why the stems' kernels do not take what is a convolution otherwise; empty: they do.
std::string stem_refusal(const Problem& problem, const GemmProblem& gemm);
// The filters [filter][channel][row][column] as those kernels want them.
Tensor pack_stem_filters(const Tensor& w, DType element, const GemmWindow& window);
// A product with both operands of rank 2 or more and at most three axes of batches that the
// matrices of both operands depend on.
std::optional<GemmView> view_as_product(const Problem& problem, DType element, WeightOrder order,
                                        bool pack, std::string& refusal);

// Input x, the output and operands of the epilogue as large as it channels last; or all plain.
std::vector<OperandLayouts> gemm_conv_layouts(const Problem& problem, bool with_plain);
// The same, and with x plain.
std::vector<OperandLayouts> stem_layouts(const Problem& problem);

}  // namespace strop::cuda
