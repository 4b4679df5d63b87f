// SPDX-License-Identifier: Apache-2.0
// What steps that run on NVIDIA's libraries are told: data that tactics write into the engine and
// the run side reads. Which of a library's algorithms runs is a number in the list of those that
// the library suggests for the shapes at hand; the number holds for the version of the library that
// it was found with, another version's first suggestion is taken instead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strop::cuda {

// What follows the sums, their bias and their residual.
enum class LibraryActivation : std::uint8_t {
  none,
  relu,
  clip,        // from 0 to alpha
  leaky_relu,  // alpha
  elu,         // alpha
  sigmoid,
  tanh,
  silu,  // alpha
  gelu,
  gelu_tanh,
};

// Inputs of the step by their number.
struct LibraryChain {
  std::optional<std::uint32_t> bias;      // one number a column or channel
  std::optional<std::uint32_t> residual;  // of the result's type, sizes and layout
  LibraryActivation activation = LibraryActivation::none;
  double alpha = 0;
};

struct LibraryChoice {
  std::uint32_t number = 0;
  std::uint64_t version = 0;  // 0: not known, whatever is there is taken for it
};

// Kernel "cublaslt_matmul".
struct LibraryProduct {
  std::uint32_t a = 0, b = 0;
  bool trans_a = false, trans_b = false;
  LibraryChain chain;
  LibraryChoice choice;
};

// Kernel "cudnn_conv": per spatial axis.
struct LibraryConv {
  std::uint32_t x = 0, w = 0;
  bool channels_last = false;  // x, the residual and y; the weights are [K, R, S, C] then
  std::vector<std::int64_t> strides, dilations, pads_begin, pads_end;
  LibraryChain chain;
  LibraryChoice choice;
};

std::string to_text(const LibraryProduct& product);
std::string to_text(const LibraryConv& conv);
// Bounded; throw Error(engine_invalid).
LibraryProduct parse_library_product(std::string_view text);
LibraryConv parse_library_conv(std::string_view text);

}  // namespace strop::cuda
