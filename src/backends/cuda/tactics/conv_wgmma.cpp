// SPDX-License-Identifier: Apache-2.0
// 1-D and 2-D convolutions with constant weights in f16 and bf16 on Hopper's tensor cores, channels
// innermost, with their bias and epilogue. Those of single pixels also take their input in pieces,
// as fuse_concat leaves it.
#include "backends/cuda/tactics/wgmma_support.hpp"
#include "base/error.hpp"
#include "ops/concat.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_wgmma();
namespace {

std::optional<WgmmaProblem> read(const Problem& problem, std::string& refusal) {
  auto view = view_as(problem, op_conv(), refusal);
  if (!view && refusal.empty()) view = view_as_joined(problem, op_conv(), 1, refusal);
  if (!view) return std::nullopt;
  if (refusal = wgmma_refusal(problem); !refusal.empty()) return std::nullopt;
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

WgmmaProblem accepted(const Problem& problem) {
  std::string refusal;
  auto out = read(problem, refusal);
  STROP_CHECK(out.has_value(), "a problem is lowered after it was accepted");
  return std::move(*out);
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  return read(problem, refusal) ? Acceptance::accept() : Acceptance::refuse(refusal);
}

std::vector<std::string> configs(const Problem& problem) {
  return wgmma_configs(problem, accepted(problem));
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return wgmma_conv_layouts(problem, accepted(problem));
}

KernelChoice lower(const Problem& problem, std::string_view config) {
  return wgmma_choice(problem, accepted(problem), config);
}

}  // namespace

const Tactic& tactic_conv_wgmma() {
  static const Tactic tactic{.name = "conv_wgmma",
                             .backend = "cuda",
                             .ops = {op_conv, op_concat},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .configs = configs,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
