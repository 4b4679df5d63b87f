// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/flash_attention.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <span>

#include "backends/cuda/codegen/kernel_source.hpp"
#include "backends/cuda/codegen/launch_shapes.hpp"
#include "backends/cuda/codegen/nvrtc.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "base/error.hpp"

namespace strop::cuda {
namespace {

constexpr std::int64_t kLargestHead = 256;     // whose sums fit the registers of a warp
constexpr std::int64_t kMostKeysAtOnce = 256;  // whose scores fit the registers of a warpgroup
constexpr int kFewSpills = 16;                 // bytes, stored and loaded
constexpr int kFirstProgrammatic = 90;         // compute capability
constexpr std::int64_t kFarAway = 1 << 30;     // farther than any key is

int rounded_up(std::int64_t size, int unit) {
  return static_cast<int>((size + unit - 1) / unit * unit);
}

// Elements that lie beside each other wherever a row of the operand begins, up to `most`.
int vector_of(const AttentionOperand& operand, std::int64_t size, int most) {
  while (most > 1 &&
         !(operand.offset % most == 0 && size % most == 0 && is_multiple(operand.batch, most) &&
           is_multiple(operand.head, most) && is_multiple(operand.row, most))) {
    most /= 2;
  }
  return most;
}

std::string type_of(const std::optional<AttentionProblem::Extra>& extra) {
  if (!extra) return "f32";
  switch (extra->dtype) {
    case DType::boolean:
      return "unsigned char";
    case DType::i32:
      return "int";
    case DType::i64:
      return "long long";
    default:
      return std::string(to_string(extra->dtype));
  }
}

// "float(...)" that reads back as the same number.
std::string number(double value) { return fmt::format("float({:.17e})", value); }

// What flash_attention_problem.cuh wants to know before its text.
std::string constants_source(const AttentionProblem& p, int rows) {
  std::string out = fmt::format(
      "using Element = {};\nusing Bias = {};\nusing Length = {};\nusing Start = {};\n"
      "using Sink = {};\nenum BiasKind {{ no_bias, bias_of_numbers, bias_of_bools }};\n",
      to_string(p.element), p.bias ? type_of(p.bias) : std::string(to_string(p.element)),
      type_of(p.lengths), type_of(p.start), type_of(p.sink));
  out += fmt::format("constexpr BiasKind kBias = {};\n", !p.bias ? "no_bias"
                                                         : p.bias->dtype == DType::boolean
                                                             ? "bias_of_bools"
                                                             : "bias_of_numbers");
  out += fmt::format(
      "constexpr bool kBiasRows = {}, kHasLengths = {}, kHasStart = {}, kHasSink = {};\n",
      p.bias && !p.bias->sizes[2].is(1), p.lengths.has_value(), p.start.has_value(),
      p.sink.has_value());
  out += fmt::format("constexpr int kLeft = {}, kRight = {}, kTileRows = {};\n",
                     std::min(p.left, kFarAway), std::min(p.right, kFarAway), rows);
  out += fmt::format("constexpr float kScale = {}, kSoftcap = {};\n", number(p.scale),
                     number(p.softcap));
  out += fmt::format("constexpr bool kZeroNan = {};\n", p.zero_nan);
  out += fmt::format("constexpr int kSize = {}, kValueSize = {};\n", p.size, p.value_size);
  return out;
}

std::string source_of(const AttentionProblem& p, int rows, const std::string& more,
                      std::span<const std::string_view> kernels) {
  std::string out(kernel_source("elements"));
  out += constants_source(p, rows);
  out += more;
  out += kernel_source("flash_attention_problem");
  for (const std::string_view kernel : kernels) out += kernel_source(kernel);
  return out;
}

void add_arguments(const AttentionProblem& p, Launch& launch) {
  const std::int64_t bytes = bits_of(p.element) / 8;
  const auto pointer = [&](Operand operand, std::int64_t offset) {
    operand.offset = operand.offset + Dim(offset * bytes);
    launch.arguments.push_back(LaunchArgument::pointer(std::move(operand)));
  };
  for (const AttentionOperand* operand : {&p.q, &p.k, &p.v, &p.y})
    pointer(operand->operand, operand->offset);
  for (const auto* extra : {&p.bias, &p.lengths, &p.start, &p.sink})
    launch.arguments.push_back(LaunchArgument::pointer(*extra ? (*extra)->operand : p.q.operand));
  const auto int32 = [&](const Dim& dim) {
    launch.arguments.push_back(LaunchArgument::int32(dim));
  };
  int32(p.heads);
  int32(floordiv(p.heads, max(p.kv_heads, 1)));
  int32(p.queries);
  int32(p.keys);
  int32(p.lengths ? p.lengths->sizes[0] : 1);
  int32(p.start ? p.start->sizes[0] : 1);
  for (std::size_t i = 0; i < 4; ++i) int32(p.bias ? p.bias->sizes[i] : 1);
  for (const AttentionOperand* operand : {&p.q, &p.k, &p.v, &p.y}) {
    for (const Dim& stride : {operand->batch, operand->head, operand->row})
      launch.arguments.push_back(LaunchArgument::int64(stride));
  }
}

LaunchStep step_of(const AttentionProblem& p, std::string source, const Dim& blocks, int threads,
                   std::int64_t shared_bytes, int compute_capability) {
  LaunchStep out;
  out.sources.push_back(std::move(source));
  Launch launch;
  launch.entry = "attention";
  launch.grid[0] = blocks;
  launch.block[0] = static_cast<std::uint32_t>(threads);
  launch.shared_bytes = static_cast<std::uint32_t>(shared_bytes);
  launch.programmatic = compute_capability >= kFirstProgrammatic;
  add_arguments(p, launch);
  out.record.launches.push_back(std::move(launch));
  return out;
}

// `source(n)` with as many blocks n in a multiprocessor as go without spilled registers, up to a
// few.
std::string without_spills(const std::function<std::string(int)>& source, int most, int chip) {
  while (most > 1 && compile(source(most), chip).spill_bytes > kFewSpills) --most;
  return source(most);
}

Dim blocks_of(const AttentionProblem& p, int rows) {
  return ceildiv(p.queries, rows) * p.heads * p.batches;
}

// Sizes as the kernel on tensor cores rounds them, and what follows.
struct MmaSizes {
  int depth, width, threads, part, shared_bytes, min_blocks;

  MmaSizes(const AttentionProblem& p, const AttentionConfig& c)
      : depth(rounded_up(p.size, 16)),
        width(rounded_up(p.value_size, 16)),
        threads(32 * c.groups * c.rows / (16 * c.tiles)),
        part(c.keys / c.groups) {
    const int tile_q = 2 * c.rows * (std::max(depth, width) + 8);
    const int tiles = 2 * c.keys * (depth + 8 + width + 8) * c.stages;
    // What groups of warps give to the first of them lies where keys and values were.
    const int gathered = 4 * (c.groups - 1) * 2 * c.rows * (width / 2 + 4);
    shared_bytes = tile_q + std::max(tiles, gathered);
    const int held = c.tiles * depth <= 128 ? c.tiles * depth / 4 : 8;
    const int bias = !p.bias ? 0 : p.bias->sizes[2].is(1) ? part / 8 : c.tiles * part / 4;
    const int others = depth % 32 == 0 && threads % 128 == 0 ? 48 : 64;
    const int registers = c.tiles * (width + part) / 2 + held + bias + others;
    min_blocks = c.groups > 1 ? 1 : std::max(1, 65536 / (threads * rounded_up(registers, 8)));
  }
};

// All keys are there and every query sees them all.
bool has_plain_keys(const AttentionProblem& p) {
  return p.keys.is_constant() && !p.lengths && p.left < 0 && p.right < 0;
}

// The same for warpgroups; with one stage, one tile has all keys.
struct WgmmaSizes {
  int threads, shared_bytes, registers, min_blocks;

  WgmmaSizes(const AttentionProblem& p, const AttentionConfig& c) : threads(2 * c.rows) {
    constexpr int kAlignment = 1024;
    const int size = static_cast<int>(p.size), value_size = static_cast<int>(p.value_size);
    const int tile_q = rounded_up(2 * c.rows * (std::max(size, value_size) + 8), kAlignment);
    shared_bytes = kAlignment + tile_q + 2 * c.keys * (size + value_size) * c.stages;
    const int bias = !p.bias ? 0 : 16 + (p.bias->sizes[2].is(1) ? c.keys / 8 : c.keys / 4);
    // One tile's scores and its sums are not there at once, scores and weights may be.
    const int tile = c.stages == 1 ? std::max(c.keys / 2 + size / 4, c.keys / 4 + value_size / 2)
                                   : c.keys / 2 + size / 4 + value_size / 2;
    registers = tile + bias + 40;
    min_blocks = std::clamp(65536 / (threads * rounded_up(registers, 8)), 1, 4);
  }
};

// Sizes of flash_heads.cuh with so many teams.
struct HeadSizes {
  int keys, shared_bytes, registers, most_registers;

  HeadSizes(const AttentionProblem& p, int teams)
      : keys(rounded_up(p.keys.value(), 16)), most_registers(65536 / (128 * (teams + 1)) / 8 * 8) {
    constexpr int kAlignment = 1024, kBuffers = 2, kBarrierBytes = 256;
    const int size = static_cast<int>(p.size), value_size = static_cast<int>(p.value_size);
    shared_bytes = kAlignment + kBarrierBytes + kBuffers * 2 * keys * (size + value_size) +
                   2 * teams * 2 * 64 * std::max(size, value_size);
    const int bias = !p.bias ? 0 : p.bias->sizes[2].is(1) ? keys / 8 : keys / 4;
    registers = std::max(keys / 2, keys / 4 + value_size / 2) + bias + 40 + keys / 16;
  }
};

// Rows of one head as boxes of 64 columns and so many rows.
TensorMap map_of_heads(const AttentionProblem& p, const AttentionOperand& operand, const Dim& heads,
                       const Dim& rows, std::int64_t size, int box_rows) {
  const std::int64_t bytes = bits_of(p.element) / 8;
  TensorMap out;
  out.operand = operand.operand;
  out.operand.offset = out.operand.offset + Dim(operand.offset * bytes);
  out.type = to_string(p.element);
  out.sizes = {size, rows, heads, p.batches};
  out.strides = {operand.row * Dim(bytes), operand.head * Dim(bytes), operand.batch * Dim(bytes)};
  out.box = {64, static_cast<std::uint32_t>(box_rows), 1, 1};
  out.element_strides = {1, 1, 1, 1};
  out.swizzle = 128;
  out.l2_promotion = 256;
  return out;
}

struct Product {
  std::string_view name;
  int columns = 0;
  bool add = true;       // or set
  bool by_rows = false;  // b has rows of k
  bool shared_a = false;
};

// NAME(sums, a, b): a warpgroup's product of 64 rows of A, in registers or in shared memory.
std::string product_source(const Product& product, DType element) {
  const int count = product.columns / 2;
  std::string registers, sums, a_places, a_values;
  for (int i = 0; i < count; ++i) {
    registers += fmt::format("{}%{}", i == 0 ? "" : ", ", i);
    sums += fmt::format("{}\"{}f\"(sums[{}][{}])", i == 0 ? "" : ", ", product.add ? '+' : '=',
                        i / 4, i % 4);
  }
  if (product.shared_a) {
    a_places = fmt::format("%{}", count);
    a_values = "\"l\"(a)";
  } else {
    a_places = fmt::format("{{%{}, %{}, %{}, %{}}}", count, count + 1, count + 2, count + 3);
    a_values = "\"r\"(a[0]), \"r\"(a[1]), \"r\"(a[2]), \"r\"(a[3])";
  }
  const std::string_view type = element == DType::bf16 ? "bf16" : "f16";
  return fmt::format(
      "__device__ __forceinline__ void {}(float (&sums)[{}][4], {}, unsigned long long b) {{\n"
      "  asm volatile(\"{{\\n.reg .pred add;\\nsetp.ne.b32 add, {}, 0;\\n\"\n"
      "    \"wgmma.mma_async.sync.aligned.m64n{}k16.f32.{}.{} {{{}}}, {}, %{}, add, 1, 1, "
      "{}{};\\n}}\"\n"
      "    : {} : {}, \"l\"(b));\n}}\n",
      product.name, product.columns / 8,
      product.shared_a ? "unsigned long long a" : "const unsigned (&a)[4]", product.add ? 1 : 0,
      product.columns, type, type, registers, a_places, count + (product.shared_a ? 1 : 4),
      product.shared_a ? "0, " : "", product.by_rows ? 1 : 0, sums, a_values);
}

// What flash_products_wgmma.cuh wants to know.
std::string products_source(const AttentionProblem& p) {
  return product_source(
      {.name = "add_product_by_rows", .columns = static_cast<int>(p.value_size), .by_rows = true},
      p.element);
}

// What flash_tiles.cuh wants to know.
std::string tiles_source(const AttentionProblem& p, const AttentionConfig& c, int depth, int width,
                         int min_blocks, std::int64_t only_keys) {
  return fmt::format(
      "constexpr int kDepth = {}, kWidth = {}, kTiles = {}, kWarps = {}, kGroups = {}, "
      "kKeys = {}, kStages = {}, kMinBlocks = {}, kOnlyKeys = {};\n"
      "constexpr int kVectorQ = {}, kVectorK = {}, kVectorV = {}, kVectorY = {};\n",
      depth, width, c.tiles, c.rows / (16 * c.tiles), c.groups, c.keys, c.stages, min_blocks,
      only_keys, vector_of(p.q, p.size, 8), vector_of(p.k, p.size, 8),
      vector_of(p.v, p.value_size, 8), vector_of(p.y, p.value_size, 8));
}

}  // namespace

std::string AttentionConfig::name() const {
  return fmt::format("{}x{}_t{}_g{}_s{}", rows, keys, tiles, groups, stages);
}

std::optional<AttentionConfig> AttentionConfig::parse(std::string_view name) {
  AttentionConfig out;
  const int read = std::sscanf(std::string(name).c_str(), "%dx%d_t%d_g%d_s%d", &out.rows, &out.keys,
                               &out.tiles, &out.groups, &out.stages);
  if (read != 5 || out.name() != name) return std::nullopt;
  return out;
}

std::string not_for_tensor_cores(const AttentionProblem& p) {
  if (!is_half(p.element))
    return "tensor cores take f16 and bf16, not " + std::string(to_string(p.element));
  if (p.size > kLargestHead || p.value_size > kLargestHead)
    return "its heads are larger than " + std::to_string(kLargestHead);
  if (vector_of(p.q, p.size, 2) < 2 || vector_of(p.k, p.size, 2) < 2 ||
      vector_of(p.v, p.value_size, 2) < 2 || vector_of(p.y, p.value_size, 2) < 2)
    return "its rows begin at odd elements";
  return {};
}

std::vector<AttentionConfig> mma_attention_configs(const AttentionProblem& p,
                                                   std::int64_t shared_bytes) {
  using C = AttentionConfig;
  const std::int64_t widest = rounded_up(std::max(p.size, p.value_size), 16);
  std::vector<C> all;
  if (widest <= 80) {
    all = {C{64, 64},           C{128, 64},          C{112, 64},        C{64, 32, 1, 1, 3},
           C{32, 128, 1, 2, 2}, C{16, 128, 1, 4, 2}, C{32, 64, 1, 1, 2}};
    if (widest <= 64 && !p.bias && p.left < 0 && p.softcap == 0 && !p.lengths)
      all.insert(all.begin() + 2, {C{128, 64, 2}, C{64, 128}});
  } else if (widest <= 128) {
    all = {C{64, 64}, C{128, 64}, C{64, 32, 1, 1, 3}, C{32, 64, 1, 2, 2}, C{16, 64, 1, 4, 2}};
  } else {
    all = {C{64, 32}, C{128, 32}, C{16, 32}};
  }
  // Blocks for more queries than there are leave warps idle.
  std::int64_t rows = 128;
  if (p.queries.is_constant()) rows = std::max(16, rounded_up(p.queries.value(), 16));
  std::vector<C> out;
  for (const C& config : all) {
    if (config.rows < 2 * rows && MmaSizes(p, config).shared_bytes <= shared_bytes)
      out.push_back(config);
  }
  if (rows <= 16) std::ranges::stable_sort(out, {}, [](const C& config) { return config.rows; });
  return out;
}

LaunchStep mma_attention_step(const AttentionProblem& p, const AttentionConfig& c,
                              int compute_capability) {
  STROP_CHECK(not_for_tensor_cores(p).empty(), "a problem for tensor cores");
  const MmaSizes sizes(p, c);
  const auto source = [&](int min_blocks) {
    const std::string constants = tiles_source(p, c, sizes.depth, sizes.width, min_blocks, 0);
    const std::string_view kernels[] = {"tensor_core", "flash_tiles", "flash_products_mma",
                                        "flash_attention"};
    return source_of(p, c.rows, constants, kernels);
  };
  return step_of(p, without_spills(source, sizes.min_blocks, compute_capability),
                 blocks_of(p, c.rows), sizes.threads, sizes.shared_bytes, compute_capability);
}

std::string not_for_warpgroups(const AttentionProblem& p) {
  if (std::string why = not_for_tensor_cores(p); !why.empty()) return why;
  for (const std::int64_t size : {p.size, p.value_size}) {
    if (size != 64 && size != 128) return "its heads are not of 64 or 128";
  }
  if (vector_of(p.q, p.size, 8) < 8 || vector_of(p.k, p.size, 8) < 8 ||
      vector_of(p.v, p.value_size, 8) < 8)
    return "its rows do not begin at multiples of 16 bytes";
  return {};
}

std::vector<AttentionConfig> wgmma_attention_configs(const AttentionProblem& p,
                                                     std::int64_t shared_bytes) {
  std::vector<AttentionConfig> all;
  if (has_plain_keys(p) && p.keys.value() <= kMostKeysAtOnce) {
    const int keys = rounded_up(std::max<std::int64_t>(p.keys.value(), 1), 16);
    all = {{64, keys, 1, 1, 1}, {128, keys, 1, 1, 1}, {192, keys, 1, 1, 1}};
  }
  const AttentionConfig tiled[] = {{128, 64},  {64, 64},   {256, 64},
                                   {128, 112}, {128, 128}, {192, 128}};
  all.insert(all.end(), std::begin(tiled), std::end(tiled));
  std::int64_t rows = 256;  // as many as there may be
  if (p.queries.is_constant()) rows = rounded_up(std::max<std::int64_t>(p.queries.value(), 1), 64);
  std::vector<AttentionConfig> out;
  for (const AttentionConfig& config : all) {
    const bool new_one = std::ranges::none_of(out, [&](const AttentionConfig& other) {
      return other.rows == config.rows && other.keys == config.keys;
    });
    // 64 Ki registers of a multiprocessor are 168 for each thread of three warpgroups.
    const WgmmaSizes sizes(p, config);
    const bool fits = sizes.shared_bytes <= shared_bytes && sizes.registers <= 255 &&
                      sizes.registers * sizes.threads <= 65536;
    if (new_one && fits && config.rows < rows + 64) out.push_back(config);
  }
  return out;
}

LaunchStep wgmma_attention_step(const AttentionProblem& p, const AttentionConfig& c,
                                int compute_capability) {
  STROP_CHECK(not_for_warpgroups(p).empty(), "a problem for warpgroups");
  const WgmmaSizes sizes(p, c);
  const auto source = [&](int min_blocks) {
    const std::string constants =
        tiles_source(p, c, static_cast<int>(p.size), static_cast<int>(p.value_size), min_blocks,
                     c.stages == 1 ? p.keys.value() : 0) +
        products_source(p) +
        product_source({.name = "set_to_product", .columns = c.keys, .add = false}, p.element) +
        product_source({.name = "add_product", .columns = c.keys}, p.element);
    const std::string_view kernels[] = {"tensor_core",        "warpgroup_products",
                                        "flash_tiles",        "flash_products_wgmma",
                                        "flash_scores_wgmma", "flash_attention"};
    return source_of(p, c.rows, constants, kernels);
  };
  return step_of(p, without_spills(source, sizes.min_blocks, compute_capability),
                 blocks_of(p, c.rows), sizes.threads, sizes.shared_bytes, compute_capability);
}

std::vector<int> attention_teams(const AttentionProblem& p, std::int64_t shared_bytes) {
  std::vector<int> out;
  if (!has_plain_keys(p) || p.keys.value() < 1 || p.keys.value() > kMostKeysAtOnce) return out;
  for (const int teams : {3, 2}) {
    const HeadSizes sizes(p, teams);
    if (sizes.shared_bytes <= shared_bytes && sizes.registers <= sizes.most_registers)
      out.push_back(teams);
  }
  return out;
}

LaunchStep heads_attention_step(const AttentionProblem& p, int teams, int compute_capability) {
  STROP_CHECK(not_for_warpgroups(p).empty(), "a problem for warpgroups");
  const HeadSizes sizes(p, teams);
  const AttentionConfig config{64, sizes.keys, 1, 1, 1};
  const std::string constants =
      tiles_source(p, config, static_cast<int>(p.size), static_cast<int>(p.value_size), 1,
                   p.keys.value()) +
      fmt::format("constexpr int kTeams = {}, kSharedBytes = {};\n", teams, sizes.shared_bytes) +
      products_source(p) +
      product_source(
          {.name = "set_to_product_of", .columns = sizes.keys, .add = false, .shared_a = true},
          p.element) +
      product_source({.name = "add_product_of", .columns = sizes.keys, .shared_a = true},
                     p.element);
  const std::string_view kernels[] = {"tensor_core",          "warpgroup_products", "flash_tiles",
                                      "flash_products_wgmma", "hopper_primitives",  "flash_heads"};
  const Dim heads = p.batches * p.heads;
  LaunchStep out = step_of(p, source_of(p, config.rows, constants, kernels),
                           min(multiprocessors(), heads * min(p.queries, 1)), 128 * (teams + 1),
                           sizes.shared_bytes, compute_capability);
  auto& arguments = out.record.launches.back().arguments;
  const LaunchArgument maps[] = {
      LaunchArgument::tensor(map_of_heads(p, p.q, p.heads, p.queries, p.size, 64)),
      LaunchArgument::tensor(map_of_heads(p, p.k, p.kv_heads, p.keys, p.size, sizes.keys)),
      LaunchArgument::tensor(map_of_heads(p, p.v, p.kv_heads, p.keys, p.value_size, sizes.keys)),
      LaunchArgument::int32(p.batches)};
  arguments.insert(arguments.begin(), std::begin(maps), std::end(maps));
  return out;
}

LaunchStep simt_attention_step(const AttentionProblem& p, int compute_capability) {
  constexpr int kRows = 64, kKeys = 64, kThreads = 256;
  const int depth = std::min(rounded_up(p.size, 4), 64);
  const int columns = std::min(rounded_up(p.value_size, 64), 128);
  const int shared_bytes =
      4 * ((kRows + kKeys) * (depth + 4) + kRows * (kKeys + 4) + kKeys * columns);
  const auto source = [&](int min_blocks) {
    const std::string more = fmt::format(
        "constexpr int kDepth = {}, kColumns = {}, kKeys = {}, kMinBlocks = {};\n"
        "constexpr int kVectorQ = {}, kVectorK = {}, kVectorV = {}, kVectorY = {};\n",
        depth, columns, kKeys, min_blocks, vector_of(p.q, p.size, 4), vector_of(p.k, p.size, 4),
        vector_of(p.v, p.value_size, 4), vector_of(p.y, p.value_size, 4));
    const std::string_view kernels[] = {"flash_attention_simt"};
    return source_of(p, kRows, more, kernels);
  };
  const Dim blocks = blocks_of(p, kRows) * Dim((p.value_size + columns - 1) / columns);
  return step_of(p, without_spills(source, columns > 64 ? 1 : 2, compute_capability), blocks,
                 kThreads, shared_bytes, compute_capability);
}

}  // namespace strop::cuda
