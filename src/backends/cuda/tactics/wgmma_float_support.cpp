// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/tactics/wgmma_float_support.hpp"

#include "backends/cuda/codegen/scalar_source.hpp"
#include "ops/conv.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"
#include "tactic/product_view.hpp"

namespace strop::cuda {
namespace {

std::string floats_refusal(const Problem& problem, WgmmaFloats floats) {
  const DType element = problem.output_type(0).dtype;
  if (floats == WgmmaFloats::half && !is_half(element)) return "it is for f16 and bf16";
  if (floats == WgmmaFloats::single && element != DType::f32) return "it is for f32";
  if (floats == WgmmaFloats::single && problem.precise)
    return "it splits its operands, which a precise engine must not";
  return wgmma_device_refusal(problem);
}

}  // namespace

std::optional<WgmmaProblem> read_wgmma_conv(const Problem& problem, WgmmaFloats floats,
                                            std::string& refusal) {
  auto view = view_as(problem, op_conv(), refusal);
  if (!view && refusal.empty()) view = view_as_joined(problem, op_conv(), 1, refusal);
  if (!view) return std::nullopt;
  if (refusal = floats_refusal(problem, floats); !refusal.empty()) return std::nullopt;
  const auto& conv = view->anchor->as<ConvAttributes>();
  const auto x = static_cast<std::size_t>(view->pieces.empty() ? view->input(0) : view->pieces[0]);
  const auto w = static_cast<std::size_t>(view->input(1));
  const Tensor* weights = problem.constant(w);
  const Type& output = problem.output_type(0);
  if (problem.input_type(x).rank() < 3 || problem.input_type(x).rank() > 4 || !output.shape) {
    refusal = "it takes 1-D and 2-D convolutions";
  } else if (weights == nullptr || weights->size() == 0) {
    refusal = "its weights are no constant, or empty";
  } else if (problem.input_type(x).dtype != output.dtype || weights->dtype() != output.dtype) {
    refusal = "its operands are of several types";
  } else if (conv.group != 1) {
    refusal = "it takes no groups";
  }
  if (!refusal.empty()) return std::nullopt;
  WgmmaProblem out;
  out.a = x;
  out.weights = w;
  out.gemm.element = output.dtype;
  out.gemm.columns = weights->dim(0);
  out.gemm.channels = weights->dim(1);
  const std::int64_t taps = weights->size() / (weights->dim(0) * weights->dim(1));
  out.weight_strides = {weights->dim(1) * taps, 1, taps};
  if (!read_window(problem, conv, *weights, out, refusal)) return std::nullopt;
  if (!add_pieces(problem, view->pieces, out, refusal)) return std::nullopt;
  if (view->input(2) >= 0 &&
      !add_bias(problem, static_cast<std::size_t>(view->input(2)), out, refusal))
    return std::nullopt;
  if (!add_steps(problem, view->epilogue, 1, out, refusal)) return std::nullopt;
  if (refusal = sm90::refusal(out.gemm); !refusal.empty()) return std::nullopt;
  return out;
}

std::optional<WgmmaProblem> read_wgmma_matmul(const Problem& problem, WgmmaFloats floats,
                                              std::string& refusal) {
  const auto product = read_product_by_matrix(problem, refusal);
  if (!product) return std::nullopt;
  if (refusal = floats_refusal(problem, floats); !refusal.empty()) return std::nullopt;
  const auto a = static_cast<std::size_t>(product->view.input(0));
  const auto b = static_cast<std::size_t>(product->view.input(1));
  const Tensor& weights = *problem.constant(b);
  const Type& output = problem.output_type(0);
  const std::int64_t rank = problem.input_type(a).rank();
  if (rank < 2 || !output.shape || output.rank() != rank) {
    refusal = "its first operand is no matrix, or of unknown rank";
  } else if (product->trans_a) {
    refusal = "its first operand is transposed";
  } else if (problem.input_type(a).dtype != output.dtype || weights.dtype() != output.dtype) {
    refusal = "its operands are of several types";
  }
  if (!refusal.empty()) return std::nullopt;
  WgmmaProblem out;
  out.a = a;
  out.weights = b;
  out.gemm.element = output.dtype;
  out.gemm.columns = weights.dim(product->trans_b ? 0 : 1);
  out.gemm.channels = weights.dim(product->trans_b ? 1 : 0);
  out.gemm.rows = 1;
  for (std::int64_t axis = 0; axis + 1 < rank; ++axis)
    out.gemm.rows = out.gemm.rows * size_of_input(problem, a, static_cast<std::size_t>(axis));
  out.weight_strides = product->trans_b ? std::array<std::int64_t, 3>{out.gemm.channels, 0, 1}
                                        : std::array<std::int64_t, 3>{1, 0, out.gemm.columns};
  if (product->bias >= 0 &&
      !add_bias(problem, static_cast<std::size_t>(product->bias), out, refusal))
    return std::nullopt;
  if (!add_steps(problem, product->view.epilogue, static_cast<std::size_t>(rank - 1), out, refusal))
    return std::nullopt;
  if (refusal = sm90::refusal(out.gemm); !refusal.empty()) return std::nullopt;
  return out;
}

bool is_split(const Problem& problem) {
  std::string refusal;
  const auto read = &problem.leading_op() == &op_matmul() || &problem.leading_op() == &op_gemm()
                        ? read_wgmma_matmul
                        : read_wgmma_conv;
  return read(problem, WgmmaFloats::single, refusal).has_value();
}

}  // namespace strop::cuda
