// SPDX-License-Identifier: Apache-2.0
// Convolutions and products with constant weights on Hopper's tensor cores: f16 or bf16 with sums
// in f32, f32 from operands that are split in two (gemm_products_f32.cuh), or bytes with exact sums
// that are requantised. A product may read several tensors side by side along K. Source, launch and
// packed weights of one configuration of kernels/implicit_gemm_sm90.cuh.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cuda/codegen/epilogue_source.hpp"
#include "backends/cuda/codegen/requantize_source.hpp"
#include "backends/cuda/launch_record.hpp"
#include "base/tensor.hpp"

namespace strop::cuda::sm90 {

// One of the ways to run it; as text "co128x64", "pp128x128w3R", "co64x64k8P".
struct GemmConfig {
  bool ping_pong = false;  // consumer warpgroups take tiles in turn; else they share one
  int tile_m = 128, tile_n = 128;
  int groups = 2;             // consumer warpgroups
  bool resident = false;      // R: the weights of a column of tiles stay in shared memory
  int split = 1;              // k: blocks (of a cluster) that share a tile's sum
  int multicast = 1;          // c: blocks (of a cluster) that share the weights they load
  bool programmatic = false;  // P: may start before the launch before it has ended

  bool operator==(const GemmConfig&) const = default;
};

std::string to_text(const GemmConfig& config);
std::optional<GemmConfig> parse_gemm_config(std::string_view text);

// What TMA's im2col mode makes of an NHWC tensor; one axis first: height, then width.
struct GemmWindow {
  Dim images, height, width, out_height, out_width;
  std::array<std::int64_t, 2> kernel{1, 1}, stride{1, 1}, dilation{1, 1};
  std::array<std::int64_t, 2> pad_begin{0, 0}, pad_end{0, 0};

  // Taps of one place of the window that can lie before the image along an axis, and behind it.
  std::int64_t most_before(std::size_t axis) const { return taps(pad_begin[axis], axis); }
  std::int64_t most_behind(std::size_t axis) const { return taps(pad_end[axis], axis); }

 private:
  std::int64_t taps(std::int64_t pads, std::size_t axis) const {
    return (pads + dilation[axis] - 1) / dilation[axis];
  }
};

// Results of a row that are summed together.
constexpr std::int64_t kSumsBlock = 64;

// Rows of A, of `size` elements, that are normalised by sums f32 [rows, size / kSumsBlock, 2]:
// those of their blocks and of squares.
struct GemmNormalize {
  double epsilon = 0;
  std::int64_t size = 0;
};

// C[rows, columns] = epilogue(A B), both row-major; sizes are expressions over the step's operands.
struct ImplicitGemm {
  DType element = DType::f16;  // of A: f16, bf16, f32, i8, u8; bytes with weights of i8
  Dim rows;
  std::int64_t columns = 0;
  std::int64_t channels = 0;           // of A's innermost axis: K of a product
  std::vector<std::int64_t> pieces;    // channels of each tensor of A; empty: it is one
  std::optional<GemmWindow> window;    // of a convolution
  std::vector<EpilogueStep> epilogue;  // of floats
  // Of halves, no convolution. Each column of the weights must sum to 0; channel operand 0 is added
  // to the products of normalised rows before the epilogue, which does not name it.
  std::optional<GemmNormalize> normalize;
  bool row_sums = false;  // of halves: also gives f32 [rows, columns / kSumsBlock, 2], its output 1
  // Of bytes. Channel operands are the multipliers, the offsets and, where `corrected`, int32
  // numbers added to the sums, their bits as floats; tensor operand 0 is the residual.
  std::optional<GemmRequantize> requantize;
  // Of bytes with a window: what lies around the image is not the byte 0. As further channel
  // operands come, for each kind of pixel but the first, int32 numbers that are added to its sums;
  // kinds are numbered by the window's taps above, below, left and right of the image (the last
  // fastest), up to the most that there can be of each.
  bool borders = false;

  int element_bytes() const { return requantize ? 1 : element == DType::f32 ? 4 : 2; }
  // Numbers that a weight is the sum of.
  int parts() const { return element == DType::f32 ? 2 : 1; }
  std::int64_t taps() const { return window ? window->kernel[0] * window->kernel[1] : 1; }
};

// Operands of the step by number.
struct GemmOperands {
  std::vector<std::uint32_t> a{0};  // one, or as many as pieces
  std::uint32_t weights = 1, channel = 2, image = 3;
  std::vector<std::uint32_t> tensors;  // of the epilogue; of bytes the residual
  std::optional<std::uint32_t> table;  // of bytes
  std::uint32_t row_sums = 0;          // of A's rows, where they are normalised
};

// Why the kernel cannot compute it, whatever the configuration; empty when it can.
std::string refusal(const ImplicitGemm& gemm);
// Whether this configuration can: it fits shared memory and the problem's sizes.
bool fits(const ImplicitGemm& gemm, const GemmConfig& config);
// Worth timing, best guess first. `rows` is a typical number of them.
std::vector<GemmConfig> candidate_configs(const ImplicitGemm& gemm, std::int64_t rows,
                                          std::int64_t multiprocessors);

// A translation unit for compute_90a whose entry is `implicit_gemm`.
std::string source(const ImplicitGemm& gemm, const GemmConfig& config);
LaunchRecord launch_record(const ImplicitGemm& gemm, const GemmConfig& config,
                           const GemmOperands& operands);

// Weights in the kernel's order: u8 or u16 [padded columns, taps, padded channels]; f32 with each
// block of channels twice, the high parts and the low ones. `weights` holds elements as wide as
// A's; that of column n, tap t and channel c is number n * strides[0] + t * strides[1] + c *
// strides[2].
Tensor pack_weights(const ImplicitGemm& gemm, const GemmConfig& config, const Tensor& weights,
                    const std::array<std::int64_t, 3>& strides);
// Values of the channel operands, each of `columns` elements or one: f32 [operands, padded
// columns].
Tensor pack_channels(const ImplicitGemm& gemm, const GemmConfig& config,
                     const std::vector<std::vector<float>>& operands);

}  // namespace strop::cuda::sm90
