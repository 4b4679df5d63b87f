// SPDX-License-Identifier: Apache-2.0
// Exact 1-D and 2-D convolutions of bytes on Hopper's tensor cores, requantised, channels
// innermost. Those of single pixels also take their input in pieces, as fuse_concat leaves it.
#include "backends/cuda/tactics/wgmma_support.hpp"
#include "ops/concat.hpp"
#include "ops/conv_integer.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_wgmma_s8();
namespace {

std::optional<WgmmaProblem> read(const Problem& problem, std::string& refusal) {
  const auto view = view_as_quantized(problem, op_conv_integer(), 1, refusal, Pieces::viewed);
  if (!view) return std::nullopt;
  if (refusal = wgmma_device_refusal(problem); !refusal.empty()) return std::nullopt;
  const auto& conv = view->anchor->as<ConvAttributes>();
  WgmmaProblem out;
  out.a = static_cast<std::size_t>(view->pieces.empty() ? view->x : view->pieces[0]);
  out.weights = static_cast<std::size_t>(view->w);
  const Tensor& weights = *problem.constant(out.weights);
  if (problem.input_type(out.a).rank() < 3 || problem.input_type(out.a).rank() > 4 ||
      !problem.output_type(0).shape) {
    refusal = "it takes 1-D and 2-D convolutions";
  } else if (conv.group != 1) {
    refusal = "it takes no groups";
  }
  if (!refusal.empty()) return std::nullopt;
  out.gemm.columns = weights.dim(0);
  out.gemm.channels = weights.dim(1);
  const std::int64_t taps = weights.size() / (weights.dim(0) * weights.dim(1));
  out.weight_strides = {weights.dim(1) * taps, 1, taps};
  if (!read_window(problem, conv, weights, out, refusal)) return std::nullopt;
  if (!add_pieces(problem, view->pieces, out, refusal)) return std::nullopt;
  if (!add_requantize(problem, *view, out, refusal)) return std::nullopt;
  if (refusal = sm90::refusal(out.gemm); !refusal.empty()) return std::nullopt;
  return out;
}

}  // namespace

const Tactic& tactic_conv_wgmma_s8() {
  static const Tactic tactic =
      WgmmaTactic<read>::of_convolutions("conv_wgmma_s8", {op_conv_integer, op_concat});
  return tactic;
}

}  // namespace strop::cuda
