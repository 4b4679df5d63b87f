// SPDX-License-Identifier: Apache-2.0
// What the tactics over codegen/implicit_gemm_sm90.hpp have in common: a problem as an implicit
// GEMM by constant weights, and the step that it becomes.
#pragma once

#include "backends/cuda/codegen/implicit_gemm_sm90.hpp"
#include "base/error.hpp"
#include "ops/conv.hpp"
#include "tactic/anchor_view.hpp"
#include "tactic/quantized_view.hpp"

namespace strop::cuda {

struct WgmmaProblem {
  sm90::ImplicitGemm gemm;
  std::size_t a = 0, weights = 0;                // inputs of the node
  std::vector<std::uint32_t> pieces;             // the inputs beside each other in A; empty: a
  std::array<std::int64_t, 3> weight_strides{};  // as of sm90::pack_weights
  std::vector<std::vector<float>> channels;      // values of the epilogue's channel operands
  std::optional<std::uint32_t> table;            // input of the node, of bytes
  std::vector<std::uint32_t> tensors;            // inputs of the node, as the epilogue counts them
  std::optional<Tensor> centred;  // i8: the weights less their zero point, instead of the constant
  // Inputs that normalise A's rows, where gemm.normalize; channel operand 0 is a bias then.
  std::optional<NormalizedRows> normalized;
};

// Why not this device; empty: it will do.
std::string wgmma_device_refusal(const Problem& problem);

// The same size, or the symbol that a launch record has for it: logical axes.
Dim size_of_input(const Problem& problem, std::size_t input, std::size_t axis);
Dim size_of_output(const Problem& problem, std::size_t axis);

// Adds a vector, one number a channel, which must be a constant; false, and why, if it is none.
bool add_bias(const Problem& problem, std::size_t input, WgmmaProblem& into, std::string& refusal);
// Adds the steps; `channel_axis` is the axis of the output that columns are. False, and why, when
// an operand has another form than the kernel reads.
bool add_steps(const Problem& problem, const strop::Epilogue& steps, std::size_t channel_axis,
               WgmmaProblem& into, std::string& refusal);

// Exact sums and what makes bytes of them; `columns` and `gemm.window` are known, `weight_strides`
// too. False, and why, when the kernel has no such.
bool add_requantize(const Problem& problem, const QuantizedView& view, WgmmaProblem& into,
                    std::string& refusal);

// Fills in the rows, and the window unless each output reads its own pixel alone, of a 1-D or 2-D
// convolution; `w` is [filters, channels, kernel...]. False, and why, when a pad is not known.
bool read_window(const Problem& problem, const ConvAttributes& conv, const Tensor& w,
                 WgmmaProblem& into, std::string& refusal);
// Makes A of several inputs of the node, whose channels are beside each other; false, and why, when
// the kernel has no such.
bool add_pieces(const Problem& problem, const std::vector<std::int64_t>& inputs, WgmmaProblem& into,
                std::string& refusal);
// Makes A's rows normalised ones, before there is any channel operand; adds the bias, or none (-1).
// False, and why, when the kernel has no such.
bool add_normalized(const Problem& problem, const NormalizedRows& rows, std::int64_t bias,
                    WgmmaProblem& into, std::string& refusal);

// The layouts of a convolution: channels innermost.
std::vector<OperandLayouts> wgmma_conv_layouts(const Problem& problem, const WgmmaProblem& wgmma);

std::vector<std::string> wgmma_configs(const Problem& problem, const WgmmaProblem& wgmma);
KernelChoice wgmma_choice(const Problem& problem, const WgmmaProblem& wgmma,
                          std::string_view config);

// A tactic over such problems. `read` says what a node is to the kernel, or nothing, and why:
// std::optional<WgmmaProblem>(const Problem&, std::string& refusal).
template <auto read>
struct WgmmaTactic {
  static WgmmaProblem accepted(const Problem& problem) {
    std::string refusal;
    auto out = read(problem, refusal);
    STROP_CHECK(out.has_value(), "a problem is lowered after it was accepted");
    return std::move(*out);
  }
  static Acceptance accepts(const Problem& problem) {
    std::string refusal;
    return read(problem, refusal) ? Acceptance::accept() : Acceptance::refuse(refusal);
  }
  static std::vector<std::string> configs(const Problem& problem) {
    return wgmma_configs(problem, accepted(problem));
  }
  static std::vector<OperandLayouts> conv_layouts(const Problem& problem, std::string_view) {
    return wgmma_conv_layouts(problem, accepted(problem));
  }
  static KernelChoice lower(const Problem& problem, std::string_view config) {
    return wgmma_choice(problem, accepted(problem), config);
  }

  static Tactic of_products(std::string_view name, std::vector<const OpDef& (*)()> ops) {
    return {.name = name,
            .backend = "cuda",
            .ops = std::move(ops),
            .reads_bodies = true,
            .accepts = accepts,
            .configs = configs,
            .lower = lower};
  }
  static Tactic of_convolutions(std::string_view name, std::vector<const OpDef& (*)()> ops) {
    Tactic out = of_products(name, std::move(ops));
    out.layouts = conv_layouts;
    return out;
  }
};

}  // namespace strop::cuda
