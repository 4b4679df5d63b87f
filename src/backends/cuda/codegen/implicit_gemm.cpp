// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/implicit_gemm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <span>

#include "backends/cuda/codegen/kernel_source.hpp"
#include "backends/cuda/codegen/nvrtc.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "base/error.hpp"

namespace strop::cuda {
namespace {

std::int64_t constant_or_zero(const Dim& dim) { return dim.is_constant() ? dim.value() : 0; }

bool is_pointwise(const GemmWindow& w) {
  return w.kernel == std::array<std::int64_t, 2>{1, 1} &&
         w.strides == std::array<std::int64_t, 2>{1, 1} &&
         w.pads == std::array<std::int64_t, 2>{0, 0} && w.size[0] == w.out_size[0] &&
         w.size[1] == w.out_size[1];
}

std::string byte_constants(const GemmProblem& p) {
  const GemmBytes bytes = p.bytes.value_or(GemmBytes{});
  return fmt::format(
      "constexpr int kXZero = {}, kRepeats = {}, kResultNumber = {};\n"
      "constexpr bool kSignedX = {}, kZeroGiven = {}, kHasZero = {}, kFilled = {}, "
      "kCorrectedSums = {}, kResidual = {};\n",
      bytes.x_zero, bytes.repeats, static_cast<int>(bytes.result), p.element == DType::i8,
      bytes.zero.has_value(), bytes.has_zero(), bytes.has_zero() && !is_pointwise(p.window),
      bytes.weight_sums.has_value(), bytes.residual.has_value());
}

// What gemm_problem.cuh wants to know before its text.
std::string constants_source(const GemmProblem& p, const GemmConfig& config) {
  std::string out;
  const auto number = [&](std::string_view name, std::int64_t value) {
    out += fmt::format("constexpr int {} = {};\n", name, value);
  };
  const GemmWindow& w = p.window;
  number("kKindNumber", static_cast<std::int64_t>(p.kind));
  number("kM", constant_or_zero(p.m));
  number("kN", constant_or_zero(p.n));
  number("kK", constant_or_zero(p.k));
  number("kBatches", constant_or_zero(p.batches));
  number("kLeadA", constant_or_zero(p.lead_a));
  number("kLeadB", constant_or_zero(p.lead_b));
  number("kHeight", constant_or_zero(w.size[0]));
  number("kWidth", constant_or_zero(w.size[1]));
  number("kOutHeight", constant_or_zero(w.out_size[0]));
  number("kOutWidth", constant_or_zero(w.out_size[1]));
  number("kChannels", w.channels);
  number("kKernelH", w.kernel[0]);
  number("kKernelW", w.kernel[1]);
  number("kStrideH", w.strides[0]);
  number("kStrideW", w.strides[1]);
  number("kDilationH", w.dilations[0]);
  number("kDilationW", w.dilations[1]);
  number("kPadTop", w.pads[0]);
  number("kPadLeft", w.pads[1]);
  number("kTileM", config.tile_m);
  number("kTileN", config.tile_n);
  number("kTileK", config.tile_k);
  number("kStages", config.stages);
  number("kChannelOperands", static_cast<std::int64_t>(p.epilogue.channel.size()));
  number("kTensorOperands", static_cast<std::int64_t>(p.epilogue.tensor.size()));
  number("kSingleOperands", p.epilogue.singles);
  out += byte_constants(p);
  out += fmt::format("constexpr bool kInnerA = {}, kInnerB = {}, kBatched = {}, kSplit = {};\n",
                     p.inner_a, p.inner_b, p.batched, config.splits > 1);
  out += fmt::format("#define STROP_SPLIT {}\n", config.splits > 1 ? 1 : 0);
  return out;
}

// Further operands of kernels of bytes, in the order of the members of Operands.
struct ByteOperand {
  const char* type;
  const char* name;
  std::optional<Operand> operand;
};
std::vector<ByteOperand> byte_operands(const GemmProblem& p) {
  const GemmBytes bytes = p.bytes.value_or(GemmBytes{});
  return {{"int", "weight_sums", bytes.weight_sums},
          {"void", "zero", bytes.zero},
          {"unsigned char", "residual", bytes.residual},
          {"unsigned char", "table", bytes.table}};
}

// The kernel's parameters for the epilogue, and the object made of them.
std::string operands_source(const GemmProblem& p) {
  std::string parameters, channel, tensor, bytes;
  for (std::size_t i = 0; i < p.epilogue.channel.size(); ++i) {
    parameters += fmt::format(", const float* __restrict__ channel{}", i);
    channel += fmt::format("channel{}, ", i);
  }
  for (std::size_t i = 0; i < p.epilogue.tensor.size(); ++i) {
    parameters += fmt::format(", const Output* __restrict__ tensor{}", i);
    tensor += fmt::format("tensor{}, ", i);
  }
  for (const ByteOperand& operand : byte_operands(p)) {
    if (operand.operand)
      parameters += fmt::format(", const {}* __restrict__ {}", operand.type, operand.name);
    bytes += fmt::format(", {}", operand.operand ? operand.name : "nullptr");
  }
  return fmt::format(
      "#define EPILOGUE_PARAMETERS {}\n"
      "#define OPERANDS Operands{{{{{}nullptr}}, {{{}nullptr}}{}}}\n",
      parameters, channel, tensor, bytes);
}

std::string types_source(const GemmProblem& p) {
  if (!p.bytes) {
    return fmt::format("using Element = {0};\nusing Output = {0};\nusing Weight = {0};\n",
                       to_string(p.element)) +
           "using Sum = float;";
  }
  return fmt::format("using Element = {};\nusing Output = {};\n", to_string(p.element),
                     to_string(p.bytes->result_type)) +
         "using Weight = i8;\nusing Sum = int;";
}

std::string source_of(const GemmProblem& p, const GemmConfig& config, std::string_view more,
                      std::string_view kernel) {
  std::string out;
  const auto text = [&](std::string_view part) {
    out += part;
    out += '\n';
  };
  const bool of_floats = !p.bytes || p.bytes->result == GemmBytes::floats;
  text(kernel_source("elements"));
  if (of_floats) text(kernel_source("pointwise_functions"));
  if (p.bytes) text(kernel_source("byte_elements"));
  text(types_source(p));
  text(constants_source(p, config));
  text(more);
  text(operands_source(p));
  if (of_floats)
    text(epilogue_source(p.epilogue.steps, is_half(p.bytes ? p.bytes->result_type : p.element)));
  text(kernel_source("gemm_problem"));
  if (of_floats) text(kernel_source("float_results"));
  if (p.bytes) {
    text(requantize_source(p.bytes->requantize.value_or(GemmRequantize{})));
    text(kernel_source("requantize"));
    text(kernel_source("byte_results"));
  }
  text(kernel_source("gemm_results"));
  text(kernel_source("gemm_copies"));
  if (kernel.starts_with("stem")) {
    text(kernel_source("tensor_core"));
    text(kernel_source("stem_image"));
  }
  text(kernel_source(kernel));
  return out;
}

void add_problem_arguments(const GemmProblem& p, const GemmConfig& config, Launch& launch) {
  const auto int32 = [&](const Dim& dim) {
    launch.arguments.push_back(LaunchArgument::int32(dim));
  };
  const GemmWindow& w = p.window;
  for (const Dim& dim :
       {p.m, p.n, p.k, p.batches, Dim(config.splits), p.lead_a, p.lead_b, w.size[0], w.size[1],
        w.out_size[0], w.out_size[1], p.batch_sizes[0], p.batch_sizes[1]})
    int32(dim);
  for (const Dim& dim : p.batch_a) launch.arguments.push_back(LaunchArgument::int64(dim));
  for (const Dim& dim : p.batch_b) launch.arguments.push_back(LaunchArgument::int64(dim));
  for (const Operand& operand : p.epilogue.channel)
    launch.arguments.push_back(LaunchArgument::pointer(operand));
  for (const Operand& operand : p.epilogue.tensor)
    launch.arguments.push_back(LaunchArgument::pointer(operand));
  for (const ByteOperand& operand : byte_operands(p)) {
    if (operand.operand) launch.arguments.push_back(LaunchArgument::pointer(*operand.operand));
  }
}

LaunchStep step_of(const GemmProblem& p, const GemmConfig& config, std::string source, int threads,
                   int store, std::uint32_t shared_bytes) {
  LaunchStep out;
  out.sources.push_back(std::move(source));
  Launch gemm;
  gemm.entry = "implicit_gemm";
  gemm.grid[0] =
      ceildiv(p.m, config.tile_m) * ceildiv(p.n, config.tile_n) * p.batches * Dim(config.splits);
  gemm.block[0] = static_cast<std::uint32_t>(threads);
  gemm.shared_bytes = shared_bytes;
  for (const Operand& operand : {p.a, p.b, p.y, config.splits > 1 ? Operand::work(0) : p.y})
    gemm.arguments.push_back(LaunchArgument::pointer(operand));
  add_problem_arguments(p, config, gemm);
  out.record.launches.push_back(std::move(gemm));
  if (config.splits > 1) {
    const Dim sums = p.batches * p.m * p.n;
    out.record.workspace_bytes = sums * Dim(4 * config.splits);
    Launch sum;
    sum.entry = "sum_splits";
    sum.grid[0] = ceildiv(sums, Dim(256 * store));
    sum.block[0] = 256;
    sum.arguments = {LaunchArgument::pointer(Operand::work(0)), LaunchArgument::pointer(p.y)};
    add_problem_arguments(p, config, sum);
    out.record.launches.push_back(std::move(sum));
  }
  return out;
}

// The result's elements that lie beside each other in one row of C.
Dim row_of_result(const GemmProblem& p) {
  return p.kind == GemmKind::conv_plain ? p.window.out_size[0] * p.window.out_size[1] : p.n;
}

int vector_a(const GemmProblem& p, int most) {
  if (p.kind == GemmKind::conv_channels_last) return vector_of(Dim(p.window.channels), most);
  return vector_of(p.lead_a, most);
}

int vector_b(const GemmProblem& p, int most) {
  if (p.kind == GemmKind::conv_plain)
    return is_pointwise(p.window) ? vector_of(p.window.size[0] * p.window.size[1], most) : 1;
  return vector_of(p.lead_b, most);
}

}  // namespace

std::string GemmConfig::name() const {
  std::string out =
      fmt::format("{}x{}x{}_{}x{}_s{}", tile_m, tile_n, tile_k, part_m, part_n, stages);
  return splits > 1 ? out + fmt::format("_k{}", splits) : out;
}

std::optional<GemmConfig> GemmConfig::parse(std::string_view name) {
  GemmConfig out;
  const int read =
      std::sscanf(std::string(name).c_str(), "%dx%dx%d_%dx%d_s%d_k%d", &out.tile_m, &out.tile_n,
                  &out.tile_k, &out.part_m, &out.part_n, &out.stages, &out.splits);
  if (read < 6 || out.name() != name) return std::nullopt;
  return out;
}

int simt_threads(const GemmConfig& c) {
  return 32 * (c.tile_m / (4 * c.part_m)) * (c.tile_n / (8 * c.part_n));
}

int vector_of(const Dim& row, int most) {
  if (!row.is_constant()) return 1;
  while (most > 1 && row.value() % most != 0) most /= 2;
  return most;
}

int mma_threads(const GemmConfig& c) { return 32 * (c.tile_m / c.part_m) * (c.tile_n / c.part_n); }

namespace {

struct Sizes {
  std::int64_t m, n, k, batches;
  bool open;
};

Sizes sizes_of(const GemmProblem& p) {
  constexpr std::int64_t kOpen = 1 << 14;
  const auto size = [](const Dim& dim, std::int64_t open) {
    return dim.is_constant() ? dim.value() : open;
  };
  return {size(p.m, kOpen), size(p.n, kOpen), size(p.k, 1024), size(p.batches, 8),
          !p.m.is_constant() || !p.n.is_constant() || !p.batches.is_constant()};
}

std::int64_t tiles_of(const Sizes& size, const GemmConfig& config) {
  const auto count = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  return std::max<std::int64_t>(
      1, count(size.m, config.tile_m) * count(size.n, config.tile_n) * size.batches);
}

// Of `shapes`, the largest tiles first, those that are not mostly empty; then those with k split
// over as many blocks as the chip holds twice, `steps_each` steps of k or more each. Where the
// first of them does not fill the chip the split ones come first.
std::vector<GemmConfig> configs_of(const GemmProblem& p, std::span<const GemmConfig> shapes,
                                   int multiprocessors, std::int64_t steps_each) {
  const Sizes size = sizes_of(p);
  const std::int64_t sms = multiprocessors > 0 ? multiprocessors : 132;
  std::vector<GemmConfig> full, split;
  for (const GemmConfig& shape : shapes) {
    if ((size.m <= shape.tile_m / 2 || size.n <= shape.tile_n / 2) &&
        std::max(shape.tile_m, shape.tile_n) > 32)
      continue;
    full.push_back(shape);
    if (shape.tile_m > 64) continue;
    const std::int64_t most = std::min<std::int64_t>(size.k / shape.tile_k / steps_each, 16);
    // An open size may be small at run time.
    const std::int64_t wanted = size.open ? 4 : 2 * sms / tiles_of(size, shape);
    const std::int64_t splits = std::min(most, wanted);
    if (splits < 2) continue;
    split.push_back(shape);
    split.back().splits = static_cast<int>(splits);
  }
  if (full.empty()) full.push_back(shapes.back());
  const bool fills = size.open || tiles_of(size, full.front()) >= sms;
  if (!fills) {
    std::ranges::reverse(full);
    std::ranges::reverse(split);
  }
  full.insert(fills ? full.end() : full.begin(), split.begin(), split.end());
  return full;
}

}  // namespace

std::vector<GemmConfig> simt_configs(const GemmProblem& p, int multiprocessors) {
  static constexpr GemmConfig kShapes[] = {{64, 64, 16, 8, 4, 3, 1},
                                           {128, 64, 16, 8, 8, 3, 1},
                                           {64, 32, 16, 4, 4, 4, 1},
                                           {32, 32, 16, 4, 4, 4, 1}};
  return configs_of(p, kShapes, multiprocessors, 8);
}

std::vector<GemmConfig> mma_configs(const GemmProblem& p, int multiprocessors) {
  static constexpr GemmConfig kShapes[] = {{128, 64, 64, 32, 32, 3, 1},
                                           {128, 128, 64, 64, 32, 3, 1},
                                           {128, 128, 32, 64, 64, 4, 1},
                                           {64, 64, 64, 32, 32, 4, 1},
                                           {32, 32, 64, 16, 32, 4, 1}};
  return configs_of(p, kShapes, multiprocessors, 3);
}

std::vector<GemmConfig> byte_configs(const GemmProblem& p, int multiprocessors) {
  static constexpr GemmConfig kShapes[] = {{128, 64, 128, 32, 32, 3, 1},
                                           {128, 128, 64, 64, 32, 4, 1},
                                           {128, 32, 64, 32, 32, 4, 1},
                                           {64, 64, 64, 32, 32, 4, 1},
                                           {32, 32, 64, 16, 32, 4, 1}};
  return configs_of(p, kShapes, multiprocessors, 3);
}

namespace {

constexpr int kRegisters = 65536;  // of a multiprocessor

// `threads` and what the kernel's copies and stores move at once; as many blocks a multiprocessor
// as the registers allow without spilling: not tried where a thread's sums and operands alone,
// `registers`, do not fit.
std::string source_without_spills(const GemmProblem& p, const GemmConfig& config,
                                  std::string_view kernel, int threads, int most, int store,
                                  int blocks, int registers, int compute_capability) {
  std::string source;
  while (blocks > 1 && kRegisters / (threads * blocks) < registers) --blocks;
  for (; blocks > 0; --blocks) {
    const std::string more = fmt::format(
        "constexpr int kPartM = {}, kPartN = {}, kVectorA = {}, kVectorB = {}, kStore = {};\n"
        "constexpr int kThreads = {}, kMinBlocks = {};\n",
        config.part_m, config.part_n, vector_a(p, most), vector_b(p, most), store, threads, blocks);
    source = source_of(p, config, more, kernel);
    if (compile(source, compute_capability).spill_bytes == 0) break;
  }
  return source;
}

}  // namespace

LaunchStep simt_step(const GemmProblem& p, const GemmConfig& config, int compute_capability) {
  STROP_CHECK(p.element == DType::f32, "products in FP32 are of f32");
  const int threads = simt_threads(config);
  const int store = p.inner_b ? 1 : vector_of(row_of_result(p), 4) == 4 ? 4 : 1;
  const int floats_a = config.tile_m * (config.tile_k + (p.inner_a ? 4 : 0));
  const int floats_b = config.tile_n * (config.tile_k + (p.inner_b ? 4 : 0));
  std::string source = source_without_spills(
      p, config, "implicit_gemm_simt", threads, 4, store, std::max(1, 512 / threads),
      config.part_m * config.part_n + config.part_m + config.part_n, compute_capability);
  return step_of(p, config, std::move(source), threads, store,
                 static_cast<std::uint32_t>(4 * config.stages * (floats_a + floats_b)));
}

LaunchStep mma_step(const GemmProblem& p, const GemmConfig& config, int compute_capability) {
  STROP_CHECK(p.kind != GemmKind::conv_plain && (bits_of(p.element) == 16 || p.bytes),
              "tensor cores take f16, bf16 and bytes, channels last");
  const int size = bits_of(p.element) / 8;
  const int threads = mma_threads(config);
  const int store = vector_of(row_of_result(p), p.inner_b ? 8 : 2);
  // 16 x 8 sums are four registers of each thread of a warp; an A operand of 16 rows four, a B
  // operand of 8 columns two.
  const int registers = config.part_m * config.part_n / 32 + config.part_m / 4 + config.part_n / 4;
  std::string source =
      source_without_spills(p, config, "implicit_gemm_mma", threads, 16 / size, store,
                            std::max(1, 512 / threads), registers, compute_capability);
  return step_of(p, config, std::move(source), threads, store,
                 static_cast<std::uint32_t>(size * config.stages * config.tile_k *
                                            (config.tile_m + config.tile_n)));
}

std::string DepthwiseConfig::name() const {
  return rows == 0 ? std::to_string(strip) : fmt::format("{}x{}x{}", strip, rows, channels);
}

std::optional<DepthwiseConfig> DepthwiseConfig::parse(std::string_view name) {
  DepthwiseConfig out;
  std::sscanf(std::string(name).c_str(), "%dx%dx%d", &out.strip, &out.rows, &out.channels);
  if (out.name() != name) return std::nullopt;
  return out;
}

std::vector<DepthwiseConfig> depthwise_configs(const GemmProblem& p) {
  const GemmWindow& w = p.window;
  const std::int64_t taps = w.kernel[0] * w.kernel[1];
  std::vector<DepthwiseConfig> out;
  // Filters stay in registers; windows with gaps would keep rows that nobody reads.
  if (taps <= 49 && bits_of(p.element) == 16 && vector_of(p.n, 2) == 2 && w.dilations[0] == 1 &&
      w.dilations[1] == 1) {
    out.push_back({4, 7, 2});
    if (taps <= 9 && vector_of(p.n, 4) == 4) out.push_back({2, 7, 4});
    out.push_back({4, 4, 2});
  }
  const Sizes size = sizes_of(p);
  const bool few = !size.open && size.m * size.n < (std::int64_t{1} << 22);
  const DepthwiseConfig rest[] = {{4, 0, 0}, {2, 0, 0}, {1, 0, 0}};
  out.insert(few ? out.begin() : out.end(), std::begin(rest), std::end(rest));
  return out;
}

namespace {

// Registers that hold the filters of a thread of depthwise_bytes.cuh.
std::int64_t depthwise_byte_filters(const GemmWindow& w) {
  return 4 * w.kernel[0] * ((w.kernel[1] + 3) / 4);
}

// About what a thread of that kernel needs: sums of the rows of results that a row of x is part of,
// filters, rows of x, factors of channels, addresses.
std::int64_t depthwise_byte_registers(const GemmWindow& w, const DepthwiseConfig& c) {
  const std::int64_t rows = (w.kernel[0] + w.strides[0] - 1) / w.strides[0];
  const std::int64_t columns = (c.strip - 1) * w.strides[1] + w.kernel[1];
  return 4 * c.strip * std::min<std::int64_t>(rows, c.rows) + depthwise_byte_filters(w) +
         (w.strides[0] + 2) * columns + 24;
}

}  // namespace

std::vector<DepthwiseConfig> byte_depthwise_configs(const GemmProblem& p) {
  const GemmWindow& w = p.window;
  // Windows with gaps would keep pixels that nobody reads.
  if (p.bytes->result != GemmBytes::bytes || depthwise_byte_filters(w) > 64 ||
      vector_of(p.n, 4) < 4 || w.dilations[0] != 1 || w.dilations[1] != 1)
    return {{2, 0, 0}, {4, 0, 0}, {1, 0, 0}};
  const Sizes size = sizes_of(p);
  std::vector<DepthwiseConfig> out, small;
  for (const DepthwiseConfig c : {DepthwiseConfig{4, 7, 4},
                                  {2, 7, 4},
                                  {7, 7, 4},
                                  {4, 4, 4},
                                  {2, 4, 4},
                                  {2, 2, 4},
                                  {1, 1, 4}}) {
    if (depthwise_byte_registers(w, c) > 240) continue;
    // Two blocks a multiprocessor or more.
    const bool fills = size.open || size.m * size.n >= std::int64_t{4} * c.strip * c.rows << 15;
    (fills ? out : small).push_back(c);
  }
  out.insert(out.end(), small.rbegin(), small.rend());
  out.push_back({2, 0, 0});
  return out;
}

LaunchStep depthwise_step(const GemmProblem& p, int strip) {
  constexpr int kThreads = 128;
  const int store = vector_of(p.n, 128 / bits_of(p.element));
  const std::string more = fmt::format(
      "constexpr int kStore = {}, kStrip = {}, kThreads = {}, kVectorA = {}, kVectorB = {};\n",
      store, strip, kThreads, store, store);
  const GemmConfig config;
  LaunchStep out = step_of(p, config, source_of(p, config, more, "depthwise"), kThreads, store, 0);
  Launch& launch = out.record.launches[0];
  launch.entry = "depthwise";
  const Dim lines = floordiv(p.m, max(p.window.out_size[1], Dim(1)));
  launch.grid[0] =
      ceildiv(lines * ceildiv(p.window.out_size[1], strip) * floordiv(p.n, store), kThreads);
  return out;
}

LaunchStep depthwise_step(const GemmProblem& p, const DepthwiseConfig& c, int compute_capability) {
  if (c.rows == 0) return depthwise_step(p, c.strip);
  constexpr int kThreads = 128;
  const int store = vector_of(p.n, c.channels);
  const std::int64_t taps = p.window.kernel[0] * p.window.kernel[1];
  const std::int64_t ahead = p.bytes ? p.window.strides[0] : 1;
  int blocks = taps <= 9 ? 6 : taps <= 25 ? 4 : 3;
  if (p.bytes)
    blocks = static_cast<int>(std::clamp<std::int64_t>(
        kRegisters / kThreads / depthwise_byte_registers(p.window, c), 1, 8));
  const GemmConfig config;
  std::string source;
  for (; blocks > 0; --blocks) {
    const std::string more = fmt::format(
        "constexpr int kStore = {0}, kStrip = {1}, kRows = {2}, kAhead = {3}, kThreads = {4};\n"
        "constexpr int kMinBlocks = {5}, kVectorA = {0}, kVectorB = {0};\n",
        store, c.strip, c.rows, ahead, kThreads, blocks);
    source = source_of(p, config, more, p.bytes ? "depthwise_bytes" : "depthwise_rows");
    if (compile(source, compute_capability).spill_bytes == 0) break;
  }
  LaunchStep out = step_of(p, config, std::move(source), kThreads, store, 0);
  Launch& launch = out.record.launches[0];
  launch.entry = "depthwise";
  const std::array<Dim, 2>& size = p.window.out_size;
  const Dim images = floordiv(p.m, max(size[0] * size[1], Dim(1)));
  launch.grid[0] =
      ceildiv(images * ceildiv(size[0], c.rows) * ceildiv(size[1], c.strip) * floordiv(p.n, store),
              kThreads);
  return out;
}

namespace {

constexpr std::int64_t kMostStemSteps = 16;  // a warp's filters are eight registers a step
constexpr std::int64_t kMostStemShared = 48 << 10;
constexpr std::int64_t kStemFactors = 2 << 10;  // at most, of bytes, in static shared memory

std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

int stem_warp_rows(const StemFilters& filters, const StemConfig& config) {
  return std::max(1, config.warps / static_cast<int>(filters.groups));
}

// At least what the kernel's two tiles take.
std::int64_t stem_shared_bytes(const GemmProblem& p, const StemFilters& filters,
                               const StemConfig& config) {
  const GemmWindow& w = p.window;
  const std::int64_t height = config.rows * stem_warp_rows(filters, config);
  const std::int64_t rows = (height - 1) * w.strides[0] + (w.kernel[0] - 1) * w.dilations[0] + 1;
  if (!p.bytes) {
    const std::int64_t columns = 8 + 15 * w.strides[1] + 2 * filters.pairs + 1;
    return 2 * 2 * w.channels * rows * (round_up(columns, 8) + 8);
  }
  const std::int64_t columns = 16 + 15 * w.strides[1] + 4 * filters.pairs;
  const std::int64_t lines = w.channels * rows + (filters.rows - w.kernel[0]) * w.dilations[0];
  const std::int64_t copies = w.strides[1] % 4 == 0 ? 0 : w.strides[1] % 2 == 0 ? 1 : 3;
  return (2 + copies) * (round_up(lines * round_up(columns, 64), 128) + 64) + 64 + kStemFactors;
}

}  // namespace

std::optional<StemFilters> StemFilters::of(const GemmWindow& window, DType element,
                                           std::int64_t filters) {
  StemFilters out;
  out.taps = 32 / bits_of(element);
  const std::int64_t step = std::gcd(window.strides[1], out.taps);
  out.shift = (step - window.pads[1] % step) % step;
  const std::int64_t taps = window.kernel[1] + out.shift;
  while (out.taps * out.pairs < taps) out.pairs *= 2;
  const bool bytes = out.taps == 4;
  out.rows = bytes && out.pairs < 4 ? round_up(window.kernel[0], 4 / out.pairs) : window.kernel[0];
  out.steps = (window.channels * out.rows * out.pairs + 7) / 8;
  out.tiles = filters <= 16 ? 2 : 4;
  out.groups = (filters + 8 * out.tiles - 1) / (8 * out.tiles);
  if (out.pairs > (bytes ? 4 : 8) || out.steps > kMostStemSteps || out.groups > 4)
    return std::nullopt;
  return out;
}

std::string StemConfig::name() const { return fmt::format("{}x{}", rows, warps); }

std::optional<StemConfig> StemConfig::parse(std::string_view name) {
  StemConfig out;
  std::sscanf(std::string(name).c_str(), "%dx%d", &out.rows, &out.warps);
  if (out.name() != name) return std::nullopt;
  return out;
}

std::vector<StemConfig> stem_configs(const GemmProblem& p) {
  const auto filters = StemFilters::of(p.window, p.element, p.n.value());
  std::vector<StemConfig> out;
  if (!filters) return out;
  for (const StemConfig config : {StemConfig{2, 4}, {2, 8}, {4, 4}, {1, 4}}) {
    if (stem_shared_bytes(p, *filters, config) <= kMostStemShared) out.push_back(config);
  }
  return out;
}

LaunchStep stem_step(const GemmProblem& p, const StemConfig& c, int compute_capability) {
  const auto filters = StemFilters::of(p.window, p.element, p.n.value());
  STROP_CHECK(filters.has_value(), "filters that the kernel has room for");
  const int warp_rows = stem_warp_rows(*filters, c);
  const int threads = 32 * warp_rows * static_cast<int>(filters->groups);
  const int store = vector_of(p.n, 2 * static_cast<int>(filters->tiles));
  const GemmConfig config;
  std::string source;
  CompiledKernel kernel;
  for (int blocks = std::max(1, 512 / threads); blocks > 0; --blocks) {
    const std::string more = fmt::format(
        "constexpr int kRows = {}, kWarpsM = {}, kGroups = {}, kGroupTiles = {}, kStore = {};\n"
        "constexpr int kThreads = {}, kMinBlocks = {}, kVectorA = {}, kVectorB = 1;\n",
        c.rows, warp_rows, filters->groups, filters->tiles, store, threads, blocks,
        vector_of(p.window.size[1], 128 / bits_of(p.element)));
    source = source_of(p, config, more, p.bytes ? "stem_bytes" : "stem_mma");
    kernel = compile(source, compute_capability);
    if (kernel.spill_bytes == 0) break;
  }
  LaunchStep out = step_of(p, config, std::move(source), threads, store,
                           static_cast<std::uint32_t>(stem_shared_bytes(p, *filters, c)));
  Launch& launch = out.record.launches[0];
  launch.entry = "stem";
  const std::array<Dim, 2>& size = p.window.out_size;
  const Dim images = floordiv(p.m, max(size[0] * size[1], Dim(1)));
  const Dim tiles = images * ceildiv(size[0], c.rows * warp_rows) * ceildiv(size[1], 16);
  // As many blocks as the chip holds at once, each with its filters in registers. A compiler that
  // does not say how many it took may have taken all.
  const int registers = kernel.registers > 0 ? kernel.registers : 255;
  const std::int64_t resident =
      std::clamp<std::int64_t>(65536 / (threads * round_up(registers, 8)), 1, 16);
  launch.grid[0] = min(tiles, multiprocessors() * Dim(resident));
  return out;
}

LaunchStep gemv_step(const GemmProblem& p, int per) {
  constexpr int kThreads = 128;
  const std::string more = fmt::format(
      "constexpr int kStore = 1, kPer = {}, kThreads = {}, kVectorA = {}, kVectorB = 1;\n", per,
      kThreads, vector_of(p.k, 128 / bits_of(p.element)));
  const GemmConfig config;
  LaunchStep out = step_of(p, config, source_of(p, config, more, "gemv"), kThreads, 1, 0);
  out.record.launches[0].entry = "gemv";
  out.record.launches[0].grid[0] = ceildiv(p.n, kThreads / 32 / per);
  return out;
}

}  // namespace strop::cuda
