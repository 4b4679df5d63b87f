// SPDX-License-Identifier: Apache-2.0
// Matrix products and convolutions as launches of the kernels implicit_gemm_simt.cuh and
// implicit_gemm_mma.cuh: C [m, n] = sum over k of A [m, k] B [k, n], then an epilogue. What m, n
// and k are of a convolution says gemm_problem.cuh.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cuda/codegen/epilogue_source.hpp"
#include "backends/cuda/codegen/launch_step.hpp"
#include "backends/cuda/codegen/requantize_source.hpp"

namespace strop::cuda {

enum class GemmKind : std::uint8_t { product, conv_channels_last, conv_plain };

// Where a kernel finds the operands that the epilogue's steps count.
struct GemmEpilogue {
  Epilogue steps;
  std::vector<Operand> channel;  // f32, one a column of a product or a channel of a convolution
  std::uint32_t singles = 0;     // bits of those that are one number
  std::vector<Operand> tensor;   // of the result's type, sizes and layout
};

struct GemmWindow {
  std::int64_t channels = 1;  // of x, in one group
  std::array<std::int64_t, 2> kernel{1, 1}, strides{1, 1}, dilations{1, 1}, pads{0, 0};  // begins
  std::array<Dim, 2> size{1, 1}, out_size{1, 1};  // height, width
};

// Of bytes, their products exact: what becomes of the sums, and what is subtracted from x.
struct GemmBytes {
  enum Result : std::uint8_t { sums, floats, bytes } result = sums;
  DType result_type = DType::i32;
  std::optional<GemmRequantize> requantize;  // of bytes; its factors are channel operands 0 and 1
  std::optional<Operand> residual, table;
  std::int64_t x_zero = 0;
  std::optional<Operand> zero;         // x_zero, where only running tells it
  std::optional<Operand> weight_sums;  // i32, one a channel; where there may be a zero point
  int repeats = 1;  // B holds weights in so many parts, one after the other along k

  bool has_zero() const { return x_zero != 0 || zero.has_value(); }
};

struct GemmProblem {
  GemmKind kind = GemmKind::product;
  DType element = DType::f32;  // of A, B and the result; i8 or u8 with `bytes`, B is of i8 then
  std::optional<GemmBytes> bytes;
  Dim m{1}, n{1}, k{1};
  Dim batches{1};  // groups of a convolution
  // Whether k is the innermost axis of the operand in memory, and how many elements one step of
  // its outer axis is.
  bool inner_a = true, inner_b = false;
  Dim lead_a{1}, lead_b{1};
  // Products in batches: up to three axes, sizes of the inner two, elements of a step along each.
  bool batched = false;
  std::array<Dim, 2> batch_sizes{1, 1};
  std::array<Dim, 3> batch_a{0, 0, 0}, batch_b{0, 0, 0};
  GemmWindow window;  // of convolutions
  GemmEpilogue epilogue;
  Operand a, b, y;
};

struct GemmConfig {
  int tile_m = 128, tile_n = 128, tile_k = 16;
  int part_m = 8, part_n = 8;  // of a thread (simt), of a warp (mma)
  int stages = 3;
  int splits = 1;  // of k, summed in their order

  // "128x128x16_8x8_s3", "..._k4" with splits.
  std::string name() const;
  static std::optional<GemmConfig> parse(std::string_view name);
};

// Threads of a block.
int simt_threads(const GemmConfig& config);
int mma_threads(const GemmConfig& config);

// Whole runs of that many elements lie in every row of the operand.
int vector_of(const Dim& row, int most);

// Worth timing for the problem, the best guess first. Open sizes are taken to be large.
std::vector<GemmConfig> simt_configs(const GemmProblem& problem, int multiprocessors);
std::vector<GemmConfig> mma_configs(const GemmProblem& problem, int multiprocessors);
std::vector<GemmConfig> byte_configs(const GemmProblem& problem, int multiprocessors);

// With as many blocks a multiprocessor as the registers of that chip allow without spilling.
LaunchStep simt_step(const GemmProblem& problem, const GemmConfig& config, int compute_capability);
// Of f16, bf16 or bytes; no conv_plain.
LaunchStep mma_step(const GemmProblem& problem, const GemmConfig& config, int compute_capability);

// How a depthwise convolution, channels last, is shared by threads: `strip` output pixels of `rows`
// rows and so many channels (at most) each. Without rows: one row, channels as 16 bytes, any
// window.
struct DepthwiseConfig {
  int strip = 4, rows = 0, channels = 0;

  std::string name() const;  // "4", "4x7x2"
  static std::optional<DepthwiseConfig> parse(std::string_view name);
};

// The best guess first. Open sizes are taken to be large.
std::vector<DepthwiseConfig> depthwise_configs(const GemmProblem& problem);
// The same, of bytes. With rows only where bytes are the results.
std::vector<DepthwiseConfig> byte_depthwise_configs(const GemmProblem& problem);
// n = channels, k = taps, B packed as [tap][channel], for rows of bytes as depthwise_bytes.cuh
// says. Without a configuration: `strip` pixels of one row, of bytes too.
LaunchStep depthwise_step(const GemmProblem& problem, int strip);
LaunchStep depthwise_step(const GemmProblem& problem, const DepthwiseConfig& config,
                          int compute_capability);

// How stem_mma.cuh and stem_bytes.cuh take the filters of a convolution with few channels apart.
struct StemFilters {
  std::int64_t taps = 2;               // of a word
  std::int64_t shift = 0, pairs = 1;   // places before the first tap, words of a row of taps
  std::int64_t rows = 1;               // of a window, with those of padding
  std::int64_t steps = 1;              // of k, eight words each
  std::int64_t tiles = 4, groups = 1;  // of eight filters in a group, groups

  // Nothing where the kernel has no room for them.
  static std::optional<StemFilters> of(const GemmWindow& window, DType element,
                                       std::int64_t filters);
};

// Rows of results of a warp, and warps.
struct StemConfig {
  int rows = 2, warps = 4;

  std::string name() const;  // "2x4"
  static std::optional<StemConfig> parse(std::string_view name);
};

// Those whose tiles fit, the best guess first.
std::vector<StemConfig> stem_configs(const GemmProblem& problem);
// x plain or (inner_a) channels last, the result channels last; one group, B packed as
// stem_mma.cuh says; of bytes, as stem_bytes.cuh says.
LaunchStep stem_step(const GemmProblem& problem, const StemConfig& config, int compute_capability);

// Product of one to eight rows (a constant) by a packed matrix, [n][k]; `per` warps, one or four, a
// column.
LaunchStep gemv_step(const GemmProblem& problem, int per);

}  // namespace strop::cuda
