// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/tactics/wgmma_float_support.hpp"

#include "backends/cuda/codegen/scalar_source.hpp"
#include "ops/conv.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"
#include "tactic/product_view.hpp"

namespace strop::cuda {
namespace {

template <WgmmaFloats floats>
std::string floats_refusal(const Problem& problem) {
  const DType element = problem.output_type(0).dtype;
  if (floats == WgmmaFloats::half && !is_half(element)) return "it is for f16 and bf16";
  if (floats == WgmmaFloats::single && element != DType::f32) return "it is for f32";
  if (floats == WgmmaFloats::single && problem.precise)
    return "it splits its operands, which a precise engine must not";
  return wgmma_device_refusal(problem);
}

// Adds bias (an input, or none: -1) and epilogue, whose channels are along that axis of the output.
bool finish(const Problem& problem, std::int64_t bias, const strop::Epilogue& epilogue,
            std::int64_t channel_axis, WgmmaProblem& into, std::string& refusal) {
  if (bias >= 0 && !add_bias(problem, static_cast<std::size_t>(bias), into, refusal)) return false;
  if (!add_steps(problem, epilogue, static_cast<std::size_t>(channel_axis), into, refusal))
    return false;
  refusal = sm90::refusal(into.gemm);
  return refusal.empty();
}

}  // namespace

template <WgmmaFloats floats>
std::optional<WgmmaProblem> read_wgmma_conv(const Problem& problem, std::string& refusal) {
  auto view = view_as(problem, op_conv(), refusal);
  if (!view && refusal.empty()) view = view_as_joined(problem, op_conv(), 1, refusal);
  if (!view) return std::nullopt;
  if (refusal = floats_refusal<floats>(problem); !refusal.empty()) return std::nullopt;
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
  if (!finish(problem, view->input(2), view->epilogue, 1, out, refusal)) return std::nullopt;
  return out;
}

template <WgmmaFloats floats>
std::optional<WgmmaProblem> read_wgmma_matmul(const Problem& problem, std::string& refusal) {
  const auto product =
      read_product_by_matrix(problem, refusal, Casts::refused,
                             floats == WgmmaFloats::half ? RowSums::taken : RowSums::refused);
  if (!product) return std::nullopt;
  if (refusal = floats_refusal<floats>(problem); !refusal.empty()) return std::nullopt;
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
  const AnchorView& view = product->view;
  if (view.sums_block != 0 && view.sums_block != sm90::kSumsBlock) {
    refusal = "it sums other blocks of a row";
    return std::nullopt;
  }
  out.gemm.row_sums = view.sums_block != 0;
  std::int64_t bias = product->bias;
  if (view.normalized) {
    if (!add_normalized(problem, *view.normalized, bias, out, refusal)) return std::nullopt;
    bias = -1;
  }
  if (!finish(problem, bias, view.epilogue, rank - 1, out, refusal)) return std::nullopt;
  return out;
}

template std::optional<WgmmaProblem> read_wgmma_conv<WgmmaFloats::half>(const Problem&,
                                                                        std::string&);
template std::optional<WgmmaProblem> read_wgmma_conv<WgmmaFloats::single>(const Problem&,
                                                                          std::string&);
template std::optional<WgmmaProblem> read_wgmma_matmul<WgmmaFloats::half>(const Problem&,
                                                                          std::string&);
template std::optional<WgmmaProblem> read_wgmma_matmul<WgmmaFloats::single>(const Problem&,
                                                                            std::string&);

bool is_split(const Problem& problem) {
  std::string refusal;
  const OpDef& op = problem.leading_op();
  return &op == &op_matmul() || &op == &op_gemm()
             ? read_wgmma_matmul<WgmmaFloats::single>(problem, refusal).has_value()
             : read_wgmma_conv<WgmmaFloats::single>(problem, refusal).has_value();
}

}  // namespace strop::cuda
