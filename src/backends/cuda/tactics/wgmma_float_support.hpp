// SPDX-License-Identifier: Apache-2.0
// Convolutions and products of floats by constant weights as problems of wgmma_support.hpp.
#pragma once

#include "backends/cuda/tactics/wgmma_support.hpp"
#include "base/error.hpp"

namespace strop::cuda {

// f16 and bf16; or f32, which the kernel splits in two.
enum class WgmmaFloats : std::uint8_t { half, single };

// Nothing, and why, where the kernel has no such.
std::optional<WgmmaProblem> read_wgmma_conv(const Problem& problem, WgmmaFloats floats,
                                            std::string& refusal);
std::optional<WgmmaProblem> read_wgmma_matmul(const Problem& problem, WgmmaFloats floats,
                                              std::string& refusal);

// Whether Hopper's tensor cores take the product or convolution of f32 in two parts.
bool is_split(const Problem& problem);

// What a tactic over one of these is made of.
template <auto read, WgmmaFloats floats>
struct WgmmaTactic {
  static WgmmaProblem accepted(const Problem& problem) {
    std::string refusal;
    auto out = read(problem, floats, refusal);
    STROP_CHECK(out.has_value(), "a problem is lowered after it was accepted");
    return std::move(*out);
  }
  static Acceptance accepts(const Problem& problem) {
    std::string refusal;
    return read(problem, floats, refusal) ? Acceptance::accept() : Acceptance::refuse(refusal);
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
};

}  // namespace strop::cuda
