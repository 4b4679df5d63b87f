// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/implicit_gemm_sm90.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "backends/cuda/codegen/kernel_source.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "base/error.hpp"

namespace strop::cuda::sm90 {
namespace {

constexpr std::int64_t kSharedBytes = 227 * 1024;  // of a block
constexpr std::int64_t kBarrierBytes = 1024, kAlignment = 1024;
constexpr int kMaxStages = 12, kEnoughStages = 4;
constexpr int kScaleSlots = 4;  // tiles whose rows' scales lie in shared memory
constexpr int kMaxSplit = 8;    // the largest cluster that every device takes
constexpr std::size_t kMaxPieces = 4;

// The narrowest block of K. A thread reads f32 by runs of 16 bytes, four threads a row.
int least_block_bytes(const ImplicitGemm& gemm) { return gemm.element == DType::f32 ? 64 : 32; }

// How a configuration divides K and shared memory.
struct Geometry {
  int block_bytes = 128;  // of K, of a block
  int blocks_of_stage = 1;
  std::int64_t channel_blocks = 0, blocks = 0;  // of a tap; of K
  int stages = 0;                               // less than 2: the configuration does not fit
  int output_buffers = 1;
  bool box_store = false;
  int warp_slots = 0;  // of a warp, from which its results leave; 0: a group's leave together
  std::int64_t shared_bytes = 0;
};

// Columns of the result that lie together in shared memory: 128 bytes where the tile allows it.
int panel_columns(const ImplicitGemm& gemm, const GemmConfig& config) {
  const int bytes = config.tile_n * gemm.element_bytes() % 128 == 0 ? 128 : 64;
  return bytes / gemm.element_bytes();
}

std::int64_t round_up(std::int64_t value, std::int64_t to) { return (value + to - 1) / to * to; }

bool cuts_pieces(const ImplicitGemm& gemm, int block_bytes) {
  return std::ranges::any_of(gemm.pieces, [&](std::int64_t channels) {
    return channels * gemm.element_bytes() % block_bytes != 0;
  });
}

// Wide blocks feed the tensor cores better, unless they are filled with zeros. A block is of one
// tensor.
int block_bytes_for(const ImplicitGemm& gemm) {
  int best = least_block_bytes(gemm);
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [bytes, factor] : {std::pair{128, 1.0}, {64, 1.05}, {32, 1.25}}) {
    const double cost =
        factor * static_cast<double>(round_up(gemm.channels, bytes / gemm.element_bytes()));
    if (bytes >= least_block_bytes(gemm) && !cuts_pieces(gemm, bytes) && cost < least)
      best = bytes, least = cost;
  }
  return best;
}

std::uint32_t channel_count(const ImplicitGemm& gemm) {
  if (gemm.requantize) return gemm.requantize->corrected ? 3 : 2;
  const std::uint32_t count = operand_count(gemm.epilogue, EpilogueOperand::channel);
  return gemm.normalize ? std::max(count, 1u) : count;
}

std::uint32_t tensor_count(const ImplicitGemm& gemm) {
  if (gemm.requantize) return gemm.requantize->residual ? 1 : 0;
  return operand_count(gemm.epilogue, EpilogueOperand::tensor);
}

// Of a consumer warpgroup's part of a tile.
int rows_of_group(const GemmConfig& config) {
  return config.ping_pong ? config.tile_m : config.tile_m / std::max(config.groups, 1);
}

std::int64_t tiles_n(const ImplicitGemm& gemm, const GemmConfig& config) {
  return (gemm.columns + config.tile_n - 1) / config.tile_n;
}

Geometry geometry(const ImplicitGemm& gemm, const GemmConfig& config) {
  Geometry out;
  out.block_bytes = block_bytes_for(gemm);
  out.blocks_of_stage = 128 / out.block_bytes;
  const int block_elements = out.block_bytes / gemm.element_bytes();
  out.channel_blocks = (gemm.channels + block_elements - 1) / block_elements;
  out.blocks = out.channel_blocks * gemm.taps();
  const std::int64_t stage_a = static_cast<std::int64_t>(config.tile_m) * 128;
  const std::int64_t stage_b = static_cast<std::int64_t>(config.tile_n) * 128 * gemm.parts();
  const std::int64_t stage = stage_a + (config.resident ? 0 : stage_b);
  const std::int64_t weights =
      config.resident ? out.blocks * config.tile_n * out.block_bytes * gemm.parts() : 0;
  const std::int64_t scales =
      gemm.normalize && config.split == 1 ? std::int64_t{kScaleSlots} * config.tile_m * 4 : 0;
  const std::int64_t besides = kAlignment + kBarrierBytes + scales + weights;
  const auto stages_beside = [&](std::int64_t results) {
    return static_cast<int>(
        std::clamp<std::int64_t>((kSharedBytes - besides - results) / stage, 0, kMaxStages));
  };
  const std::int64_t group_rows = rows_of_group(config);
  const std::int64_t buffer = group_rows * config.tile_n * gemm.element_bytes() * config.groups;
  // A buffer of f32 takes the room of one or two stages.
  out.box_store = config.split == 1 && gemm.columns * gemm.element_bytes() % 16 == 0 &&
                  tensor_count(gemm) <= 1 && (gemm.parts() == 1 || stages_beside(buffer) >= 3);
  // Loads that hide the products' latency come before stores that overlap.
  // Where a buffer would leave too few, results go warp by warp through a little memory.
  std::int64_t results = 0;
  if (out.box_store && gemm.parts() == 1 && stages_beside(buffer) < kEnoughStages) {
    const std::int64_t steps = config.tile_n / panel_columns(gemm, config) * group_rows / 64;
    const std::int64_t slot =
        std::int64_t{64} * config.groups * panel_columns(gemm, config) * gemm.element_bytes();
    const auto leaves_enough = [&](int slots) {
      return steps % slots == 0 && stages_beside(slots * slot) >= kEnoughStages;
    };
    out.warp_slots = leaves_enough(3) ? 3 : leaves_enough(2) ? 2 : 1;
    results = out.warp_slots * slot;
  } else if (out.box_store) {
    out.output_buffers = tensor_count(gemm) > 0 && stages_beside(3 * buffer) >= kEnoughStages ? 3
                         : stages_beside(2 * buffer) >= kEnoughStages                         ? 2
                                                                                              : 1;
    results = out.output_buffers * buffer;
  }
  out.stages = stages_beside(results);
  if (config.split > 1) {
    // One tile a block, whose partial sums go where its stages were.
    const std::int64_t partial = static_cast<std::int64_t>(config.tile_m) * (config.tile_n + 4) * 4;
    const std::int64_t steps =
        (out.blocks / config.split + 1 + out.blocks_of_stage) / out.blocks_of_stage;
    const std::int64_t wanted = std::max({steps, (partial + stage - 1) / stage, std::int64_t{2}});
    out.stages = static_cast<int>(std::min<std::int64_t>(out.stages, wanted));
    if (out.stages * stage < partial) out.stages = 0;
  }
  out.shared_bytes = besides + results + out.stages * stage;
  return out;
}

// One wgmma: 64 rows, the tile's columns, 32 bytes of K. Of f32 A is in registers.
std::string multiply_source(DType element, int columns) {
  const int count = columns / 2;
  const bool bytes = element == DType::i8 || element == DType::u8, floats = element == DType::f32;
  std::string sums, operands;
  for (int i = 0; i < count; ++i) {
    sums += fmt::format("{}%{}", i == 0 ? "" : ", ", i);
    operands += fmt::format("{}\"+{}\"(d[{}])", i == 0 ? "" : ", ", bytes ? 'r' : 'f', i);
  }
  const std::string types =
      bytes    ? fmt::format("k32.s32.{}.s8", element == DType::u8 ? "u8" : "s8")
      : floats ? "k8.f32.tf32.tf32"
               : fmt::format("k16.f32.{0}.{0}", element == DType::bf16 ? "bf16" : "f16");
  const int b = count + (floats ? 4 : 1);
  return fmt::format(
      "__device__ __forceinline__ void multiply(SumType (&d)[{count}], {type} a{extent}, u64 b, "
      "bool add) {{\n"
      "  asm volatile(\"{{\\n.reg .pred add;\\nsetp.ne.b32 add, %{add}, 0;\\n\"\n"
      "    \"wgmma.mma_async.sync.aligned.m64n{columns}{types} {{{sums}}}, {a}, %{b}, "
      "add{options};\\n}}\"\n"
      "    : {operands} : {given}, \"l\"(b), \"r\"(static_cast<int>(add)));\n}}\n",
      fmt::arg("count", count), fmt::arg("type", floats ? "const int (&" : "u64"),
      fmt::arg("extent", floats ? ")[4]" : ""), fmt::arg("add", b + 1),
      fmt::arg("columns", columns), fmt::arg("types", types), fmt::arg("sums", sums),
      fmt::arg("a", floats ? fmt::format("{{%{}, %{}, %{}, %{}}}", count, count + 1, count + 2,
                                         count + 3)
                           : fmt::format("%{}", count)),
      fmt::arg("b", b),
      fmt::arg("options", bytes    ? ""
                          : floats ? ", 1, 1"
                                   : ", 1, 1, 0, 0"),
      fmt::arg("operands", operands),
      fmt::arg("given",
               floats ? "\"r\"(a[0]), \"r\"(a[1]), \"r\"(a[2]), \"r\"(a[3])" : "\"l\"(a)"));
}

// The parameters that A's tensors are, and the block of K that each begins with.
std::string pieces_source(const ImplicitGemm& gemm, const Geometry& sizes) {
  const std::size_t count = std::max<std::size_t>(gemm.pieces.size(), 1);
  std::string parameters, addresses, begins;
  std::int64_t block = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const char* comma = i == 0 ? "" : ", ";
    parameters += fmt::format("{}const __grid_constant__ TensorMap a{}", comma, i);
    addresses += fmt::format("{}&a{}", comma, i);
    if (i + 1 < count) begins += fmt::format("piece == {} ? {} : ", i, block);
    if (i + 1 < count) block += gemm.pieces[i] * gemm.element_bytes() / sizes.block_bytes;
  }
  return fmt::format(
      "constexpr int kPieces = {};\n#define STROP_PIECES {}\n#define STROP_PIECE_MAPS {}\n"
      "__device__ __forceinline__ int first_block_of(int piece) {{ return {}{}; }}\n",
      count, parameters, addresses, begins, block);
}

// What gemm_rows.cuh is told; sizes are 1 where nothing is normalised.
std::string rows_source(const ImplicitGemm& gemm) {
  const GemmNormalize rows = gemm.normalize.value_or(GemmNormalize{.epsilon = 1, .size = 1});
  return fmt::format(
      "constexpr bool kNormalize = {}, kRowSums = {};\n"
      "constexpr int kSumsBlock = {}, kRowSize = {}, kRowBlocks = {};\n"
      "constexpr float kEpsilon = {};\n"
      "#define STROP_ROW_PARAMETERS {} {}\n#define STROP_ROW_SUMS {}\n"
      "#define STROP_RESULT_SUMS {}\n",
      gemm.normalize.has_value(), gemm.row_sums, kSumsBlock, rows.size,
      std::max<std::int64_t>(rows.size / kSumsBlock, 1),
      float_literal(static_cast<float>(rows.epsilon)),
      gemm.normalize ? "const float2* row_sums," : "", gemm.row_sums ? "float2* result_sums," : "",
      gemm.normalize ? "row_sums" : "nullptr", gemm.row_sums ? "result_sums" : "nullptr");
}

// What gemm_borders.cuh is told.
std::string borders_source(const ImplicitGemm& gemm) {
  const GemmWindow window = gemm.window.value_or(GemmWindow{});
  const auto reach = [&](std::size_t axis) {
    return (window.kernel[axis] - 1) * window.dilation[axis];
  };
  return fmt::format(
      "constexpr bool kBorders = {};\n"
      "constexpr int kMostBelow = {}, kMostLeft = {}, kMostRight = {}, kReachH = {}, kReachW = "
      "{};\n",
      gemm.borders, window.most_behind(0), window.most_before(1), window.most_behind(1), reach(0),
      reach(1));
}

std::string constants_source(const ImplicitGemm& gemm, const GemmConfig& config,
                             const Geometry& sizes) {
  std::string out =
      gemm.requantize
          ? "#define STROP_BYTES 1\nusing SumType = int;\nusing Storage = unsigned char;\n" +
                requantize_source(*gemm.requantize) + std::string(kernel_source("requantize"))
          : fmt::format("using Element = {};\nusing SumType = float;\nusing Storage = {};\n",
                        gemm.element == DType::f32    ? "Float"
                        : gemm.element == DType::bf16 ? "Bfloat"
                                                      : "Half",
                        gemm.element == DType::f32 ? "u32" : "u16");
  const auto number = [&](std::string_view name, std::int64_t value) {
    out += fmt::format("constexpr int {} = {};\n", name, value);
  };
  const auto flag = [&](std::string_view name, bool value) {
    out += fmt::format("constexpr bool {} = {};\n", name, value);
  };
  number("kElementBytes", gemm.element_bytes());
  number("kParts", gemm.parts());
  number("kTileM", config.tile_m);
  number("kTileN", config.tile_n);
  number("kGroups", config.groups);
  flag("kPingPong", config.ping_pong);
  flag("kResident", config.resident);
  number("kSplit", config.split);
  number("kMulticast", config.multicast);
  number("kBlockBytes", sizes.block_bytes);
  number("kBlocks", sizes.blocks_of_stage);
  flag("kIm2col", gemm.window.has_value());
  number("kOutputBuffers", sizes.output_buffers);
  flag("kBoxStore", sizes.box_store);
  flag("kWarpStore", sizes.warp_slots > 0);
  number("kWarpSlots", std::max(sizes.warp_slots, 1));
  number("kScaleSlots", kScaleSlots);
  number("kChannelOperands", channel_count(gemm));
  number("kTensorOperands", tensor_count(gemm));
  return out + rows_source(gemm) + borders_source(gemm) + pieces_source(gemm, sizes);
}

std::string type_of_map(const ImplicitGemm& gemm) {
  return gemm.requantize ? "u8" : std::string(to_string(gemm.element));
}

TensorMap map_of_a(const ImplicitGemm& gemm, const GemmConfig& config, const Geometry& sizes,
                   std::int64_t channels, std::uint32_t operand) {
  TensorMap map;
  map.operand = Operand::in(operand);
  map.type = type_of_map(gemm);
  map.swizzle = static_cast<std::uint32_t>(sizes.block_bytes);
  map.l2_promotion = 256;
  const auto box = static_cast<std::uint32_t>(sizes.block_bytes / gemm.element_bytes());
  const std::int64_t pixel = channels * gemm.element_bytes();
  if (!gemm.window) {
    map.sizes = {channels, gemm.rows};
    map.strides = {pixel};
    map.box = {box, static_cast<std::uint32_t>(config.tile_m)};
    map.element_strides = {1, 1};
    return map;
  }
  const GemmWindow& w = *gemm.window;
  map.sizes = {channels, w.width, w.height, w.images};
  map.strides = {pixel, w.width * Dim(pixel), w.height * w.width * Dim(pixel)};
  map.element_strides = {1, static_cast<std::uint32_t>(w.stride[1]),
                         static_cast<std::uint32_t>(w.stride[0]), 1};
  map.im2col = true;
  for (const std::size_t axis : {1, 0}) {
    map.lower.push_back(static_cast<std::int32_t>(-w.pad_begin[axis]));
    map.upper.push_back(
        static_cast<std::int32_t>(w.pad_end[axis] - (w.kernel[axis] - 1) * w.dilation[axis]));
  }
  map.channels = box;
  map.pixels = static_cast<std::uint32_t>(config.tile_m);
  return map;
}

TensorMap map_of_weights(const ImplicitGemm& gemm, const GemmConfig& config, const Geometry& sizes,
                         std::uint32_t operand) {
  TensorMap map;
  const int block_elements = sizes.block_bytes / gemm.element_bytes();
  map.operand = Operand::in(operand);
  map.type = type_of_map(gemm);
  const std::int64_t blocks = sizes.blocks * gemm.parts();
  map.sizes = {blocks * block_elements, round_up(gemm.columns, panel_columns(gemm, config))};
  map.strides = {blocks * sizes.block_bytes};
  map.box = {static_cast<std::uint32_t>(block_elements),
             static_cast<std::uint32_t>(config.tile_n / config.multicast)};
  map.element_strides = {1, 1};
  map.swizzle = static_cast<std::uint32_t>(sizes.block_bytes);
  map.l2_promotion = 256;
  return map;
}

// Of the output and what has its form.
TensorMap map_of_result(const ImplicitGemm& gemm, const GemmConfig& config, const Geometry& sizes,
                        Operand operand) {
  TensorMap map;
  map.operand = std::move(operand);
  map.type = type_of_map(gemm);
  map.sizes = {gemm.columns, gemm.rows};
  map.strides = {gemm.columns * gemm.element_bytes()};
  map.box = {static_cast<std::uint32_t>(panel_columns(gemm, config)),
             static_cast<std::uint32_t>(sizes.warp_slots > 0 ? 16 : rows_of_group(config))};
  map.element_strides = {1, 1};
  map.swizzle = static_cast<std::uint32_t>(panel_columns(gemm, config) * gemm.element_bytes());
  map.l2_promotion = 256;
  return map;
}

Dim grid_of(const ImplicitGemm& gemm, const GemmConfig& config, const Dim& tiles) {
  const std::int64_t columns = tiles_n(gemm, config);
  if (config.split > 1) return tiles * Dim(config.split);
  if (config.multicast > 1) {
    const Dim cluster(config.multicast);
    return min(floordiv(multiprocessors(), cluster), tiles) * cluster;
  }
  if (config.resident) return min(floordiv(multiprocessors(), columns) * Dim(columns), tiles);
  return min(multiprocessors(), tiles);
}

// Which channel stands at column `at` of a panel: a thread's accumulators become runs of 16 bytes.
std::int64_t channel_at(std::int64_t at, int columns, int element_bytes) {
  const int segment = 64 / element_bytes, run = 16 / element_bytes;
  const std::int64_t part = at / segment, step = at % segment / 8, thread = at % 8 / 2;
  return thread * (columns / 4) + part * run + step * 2 + at % 2;
}

// Which element of a block of f32 stands at place `at`: gemm_products_f32.cuh reads a block by runs
// of a quarter of it and calls them columns t and t + 4 of a step, two by two.
std::int64_t element_at(std::int64_t at, std::int64_t elements) {
  const std::int64_t step = at / 8, column = at % 8;
  return column % 4 * (elements / 4) + step * 2 + column / 4;
}

// To the nearest number of 11 bits, of two as near away from 0; the largest numbers towards 0.
float round_to_tf32(float value) {
  if (!std::isfinite(value)) return value;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto nearest = std::bit_cast<float>((bits + 0x1000u) & 0xffffe000u);
  return std::isfinite(nearest) ? nearest : std::bit_cast<float>(bits & 0xffffe000u);
}

// Cycles that a configuration is thought to take: what is the same for all of them (each tensor
// once through memory) left out. Constants as measured on an H100: products at 2,048 halves a cycle
// and multiprocessor (of f32 three products of twice the bytes for one), loads from L2 at 40 bytes,
// launch and drain 2,000 cycles, an epilogue 400 and a cycle for 24 bytes of result or operand.
double estimated_cycles(const ImplicitGemm& gemm, const GemmConfig& config, std::int64_t rows,
                        std::int64_t multiprocessors) {
  const Geometry sizes = geometry(gemm, config);
  const double tile = static_cast<double>(config.tile_m) * config.tile_n;
  // Blocks of a cluster take rows of tiles together.
  const std::int64_t rows_of_cluster = std::int64_t{config.tile_m} * config.multicast;
  const std::int64_t tiles =
      (rows + rows_of_cluster - 1) / rows_of_cluster * config.multicast * tiles_n(gemm, config);
  const double waves =
      static_cast<double>((tiles * config.split + multiprocessors - 1) / multiprocessors);
  const double steps =
      std::ceil(static_cast<double>(sizes.blocks) / sizes.blocks_of_stage / config.split);
  const double loaded =
      128.0 * (config.tile_m + (config.resident ? 0
                                                : static_cast<double>(config.tile_n) *
                                                      gemm.parts() / config.multicast));
  // Narrow tiles wait for shared memory, wide ones for their own accumulators, turns for turns,
  // blocks of a cluster for each other.
  const double shape =
      (config.tile_n < 128 ? 1.3 : 1.0) * (tile > 128 * 192 && config.groups < 3 ? 1.5 : 1.0) *
      (config.ping_pong ? 1.2 : 1.0) * (config.ping_pong && config.tile_m == 64 ? 1.2 : 1.0) *
      (config.multicast > 1 ? 1.05 : 1.0);
  const double products = tile * 64 / 2048 * (gemm.element == DType::f32 ? 3 : 1) * shape + 20;
  const double starved =
      1 + 0.15 * std::max(0, (gemm.element == DType::f32 ? 3 : 4) - sizes.stages);
  const double main = steps * std::max(products, loaded / 40) * starved;
  constexpr double kRestart = 8000;  // of blocks that follow others, measured of f32
  const double epilogue =
      400 +
      tile * std::max(gemm.element_bytes(), 2) * (1 + tensor_count(gemm)) / 24 / config.split +
      (config.split > 1 ? 800 + 250 * config.split : 0) +
      (config.split > 1 && gemm.element == DType::f32 && waves > 1 ? kRestart : 0);
  const double of_tile =
      config.ping_pong ? std::max(main, epilogue / (config.groups - 1)) : main + epilogue;
  const double weights =
      config.resident
          ? static_cast<double>(sizes.blocks * config.tile_n * sizes.block_bytes * gemm.parts()) /
                32
          : 0;
  return 2000 + weights + waves * of_tile + (config.ping_pong ? epilogue : 0);
}

// Of a thread, beside addresses and operands of the epilogue; of f32 there are the sums of a stage
// too, and A.
int most_accumulators(const ImplicitGemm& gemm, const GemmConfig& config) {
  if (gemm.element == DType::f32) {
    if (config.groups == 3) return 48;
    return config.groups == 1 && config.tile_m > 64 ? 32 : 64;
  }
  if (config.groups == 3) return gemm.borders && tensor_count(gemm) > 0 ? 32 : 96;
  const bool is_short = tensor_count(gemm) == 0 && !gemm.row_sums && !gemm.borders;
  return config.ping_pong && is_short ? 192 : 128;
}

// Beyond that, what starting early gains is nothing beside the rest.
constexpr double kShortCycles = 120000;
constexpr std::size_t kMostCandidates = 20;

}  // namespace

std::string to_text(const GemmConfig& config) {
  std::string out =
      fmt::format("{}{}x{}", config.ping_pong ? "pp" : "co", config.tile_m, config.tile_n);
  if (config.groups != (config.ping_pong || config.tile_m > 64 ? 2 : 1))
    out += fmt::format("w{}", config.groups);
  if (config.split > 1) out += fmt::format("k{}", config.split);
  if (config.multicast > 1) out += fmt::format("c{}", config.multicast);
  if (config.resident) out += "R";
  if (config.programmatic) out += "P";
  return out;
}

std::optional<GemmConfig> parse_gemm_config(std::string_view text) {
  GemmConfig out;
  const auto number = [&](int& into) {
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), into);
    if (status != std::errc()) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
  };
  out.ping_pong = text.starts_with("pp");
  if (!out.ping_pong && !text.starts_with("co")) return std::nullopt;
  text.remove_prefix(2);
  if (!number(out.tile_m) || !text.starts_with("x")) return std::nullopt;
  text.remove_prefix(1);
  if (!number(out.tile_n)) return std::nullopt;
  out.groups = out.ping_pong || out.tile_m > 64 ? 2 : 1;
  while (!text.empty()) {
    const char option = text[0];
    text.remove_prefix(1);
    if (option == 'R') {
      out.resident = true;
    } else if (option == 'P') {
      out.programmatic = true;
    } else if (!(option == 'w' && number(out.groups)) && !(option == 'k' && number(out.split)) &&
               !(option == 'c' && number(out.multicast))) {
      return std::nullopt;
    }
  }
  return out;
}

std::string refusal(const ImplicitGemm& gemm) {
  const bool bytes = gemm.element == DType::i8 || gemm.element == DType::u8;
  const bool floats = is_half(gemm.element) || gemm.element == DType::f32;
  if (bytes != gemm.requantize.has_value() || (!bytes && !floats))
    return "the kernel is for f16, bf16, f32, and bytes that are requantised";
  if (gemm.channels * gemm.element_bytes() % 16 != 0)
    return fmt::format("{} input channels are no multiple of {}", gemm.channels,
                       16 / gemm.element_bytes());
  if (tensor_count(gemm) > 2) return "the epilogue reads more than two tensors";
  if (gemm.pieces.size() > kMaxPieces)
    return fmt::format("it reads more than {} tensors side by side", kMaxPieces);
  if (cuts_pieces(gemm, least_block_bytes(gemm)))
    return fmt::format("the channels of a tensor beside others are no multiple of {}",
                       least_block_bytes(gemm) / gemm.element_bytes());
  if ((gemm.normalize || gemm.row_sums) && (!is_half(gemm.element) || gemm.window))
    return "rows are normalised and summed in products of f16 and bf16";
  if (gemm.normalize && gemm.row_sums) return "rows are normalised or summed, not both";
  if (gemm.row_sums && gemm.columns % kSumsBlock != 0)
    return fmt::format("it sums rows by {} columns, which cut {}", kSumsBlock, gemm.columns);
  if (gemm.normalize && (gemm.normalize->size % kSumsBlock != 0 || gemm.normalize->size <= 0))
    return fmt::format("sums of rows are of {} columns, which cut {}", kSumsBlock,
                       gemm.normalize->size);
  if (!gemm.window) return {};
  if (gemm.pieces.size() > 1) return "only products read several tensors side by side";
  const GemmWindow& w = *gemm.window;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t reach = (w.kernel[axis] - 1) * w.dilation[axis];
    if (w.stride[axis] > 8) return "tensor copies step by 8 pixels at most";
    if (reach > 127 || w.pad_begin[axis] > 127 || w.pad_end[axis] > 127)
      return "the window is wider than tensor copies reach";
  }
  return {};
}

bool fits(const ImplicitGemm& gemm, const GemmConfig& config) {
  const int group_m = rows_of_group(config);
  const bool sound = config.groups >= 1 && config.groups <= 3 && group_m > 0 && group_m % 64 == 0 &&
                     config.tile_m % 64 == 0 && config.tile_m <= 256 && config.tile_n > 0 &&
                     config.tile_n <= 256 && config.tile_n * gemm.element_bytes() % 64 == 0 &&
                     config.split >= 1 && config.split <= kMaxSplit && config.multicast >= 1 &&
                     config.multicast <= 2;
  if (!sound) return false;
  if (group_m / 64 * config.tile_n / 2 > most_accumulators(gemm, config)) return false;
  if (config.resident && (config.split > 1 || config.multicast > 1)) return false;
  if (gemm.row_sums && config.tile_n % kSumsBlock != 0) return false;
  if (config.split > 1 && (config.ping_pong || config.multicast > 1)) return false;
  const Geometry sizes = geometry(gemm, config);
  if (config.split > 1 && sizes.blocks < config.split) return false;
  // A block keeps the weights of one column of tiles; a grid is at least that wide.
  if (config.resident && tiles_n(gemm, config) > 16) return false;
  return sizes.stages >= 2;
}

std::vector<GemmConfig> candidate_configs(const ImplicitGemm& gemm, std::int64_t rows,
                                          std::int64_t multiprocessors) {
  static constexpr std::string_view kTiles[] = {
      "co64x32",     "co64x64",       "co64x96",     "co64x128",     "co128x32",    "co128x64",
      "co128x64R",   "co128x96",      "co128x128",   "co128x128R",   "co128x128c2", "co128x192",
      "co128x192c2", "co128x256",     "co128x256c2", "co256x64",     "co256x64R",   "co256x128",
      "co256x128R",  "co256x128c2",   "pp64x64",     "pp64x64w3",    "pp64x64w3R",  "pp64x128",
      "pp64x128R",   "pp64x128w3",    "pp64x128w3R", "pp64x256",     "pp128x64",    "pp128x64R",
      "pp128x64w3R", "pp128x128",     "pp128x128R",  "pp128x128c2",  "pp192x128",   "pp192x128c2",
      "pp128x192",   "co192x64w3",    "co192x96w3",  "co192x96w3c2", "co192x128w3", "co192x128w3c2",
      "co192x192w3", "co192x192w3c2", "co64x32k2",   "co64x32k3",    "co64x32k4",   "co64x32k6",
      "co64x64k2",   "co64x64k4",     "co64x64k6",   "co64x64k8",    "co64x96k2",   "co64x96k4",
      "co64x128k2",  "co64x128k4",    "co128x128k2", "co128x128k4"};
  const std::int64_t widest = std::max<std::int64_t>(64, round_up(gemm.columns, 64));
  std::vector<std::pair<double, GemmConfig>> found;
  for (const std::string_view text : kTiles) {
    GemmConfig config = parse_gemm_config(text).value();
    if (config.tile_n > widest || !fits(gemm, config)) continue;
    const double cycles = estimated_cycles(gemm, config, rows, multiprocessors);
    config.programmatic = cycles < kShortCycles;
    found.emplace_back(cycles, config);
  }
  std::ranges::stable_sort(found, {}, [](const auto& entry) { return entry.first; });
  if (found.size() > kMostCandidates) found.resize(kMostCandidates);
  std::vector<GemmConfig> out;
  for (auto& [cycles, config] : found) out.push_back(config);
  return out;
}

std::string source(const ImplicitGemm& gemm, const GemmConfig& config) {
  const Geometry sizes = geometry(gemm, config);
  STROP_CHECK(sizes.stages >= 2, "the configuration fits");
  std::string out;
  out += kernel_source("warpgroup_products");
  out += kernel_source("hopper_primitives");
  out += kernel_source("gemm_words");
  out += kernel_source("pointwise_functions");
  out += constants_source(gemm, config, sizes);
  out += multiply_source(gemm.element, config.tile_n);
  if (!gemm.requantize) out += epilogue_source(gemm.epilogue, is_half(gemm.element));
  out += kernel_source("gemm_ring");
  out += kernel_source("gemm_rows");
  out += kernel_source(gemm.element == DType::f32 ? "gemm_products_f32" : "gemm_products");
  out += kernel_source("gemm_stores");
  out += kernel_source("gemm_borders");
  out += kernel_source("implicit_gemm_sm90");
  return out;
}

LaunchRecord launch_record(const ImplicitGemm& gemm, const GemmConfig& config,
                           const GemmOperands& operands) {
  const Geometry sizes = geometry(gemm, config);
  const std::int64_t columns = tiles_n(gemm, config);
  const Dim tiles =
      ceildiv(gemm.rows, Dim(static_cast<std::int64_t>(config.tile_m) * config.multicast)) *
      Dim(columns);
  const GemmWindow window = gemm.window.value_or(GemmWindow{});
  using Argument = LaunchArgument;
  Launch launch;
  launch.entry = "implicit_gemm";
  launch.image = operands.image;
  launch.grid = {grid_of(gemm, config, tiles), 1, 1};
  launch.block = {static_cast<std::uint32_t>((config.groups + 1) * 128), 1, 1};
  launch.cluster = {static_cast<std::uint32_t>(config.split * config.multicast), 1, 1};
  launch.shared_bytes = static_cast<std::uint32_t>(sizes.shared_bytes);
  launch.programmatic = config.programmatic;
  // Without box stores the maps of the result are not read; any that can be made will do.
  const TensorMap weights = map_of_weights(gemm, config, sizes, operands.weights);
  const auto result = [&](Operand operand) {
    return Argument::tensor(sizes.box_store ? map_of_result(gemm, config, sizes, std::move(operand))
                                            : weights);
  };
  const auto tensor = [&](std::size_t i) {
    return i < operands.tensors.size() ? Operand::in(operands.tensors[i]) : Operand::out(0);
  };
  // Of bytes there is one tensor at most; a table takes the place of the second.
  const Operand second = operands.table ? Operand::in(*operands.table) : tensor(1);
  const bool has_channels = channel_count(gemm) > 0;
  STROP_CHECK(operands.a.size() == std::max<std::size_t>(gemm.pieces.size(), 1),
              "each tensor of A is an operand");
  for (std::size_t i = 0; i < operands.a.size(); ++i) {
    const std::int64_t channels = gemm.pieces.empty() ? gemm.channels : gemm.pieces[i];
    launch.arguments.push_back(
        Argument::tensor(map_of_a(gemm, config, sizes, channels, operands.a[i])));
  }
  const Argument others[] = {
      Argument::tensor(weights),
      result(Operand::out(0)),
      result(tensor(0)),
      Argument::pointer(Operand::out(0)),
      Argument::pointer(tensor(0)),
      Argument::pointer(second),
      Argument::pointer(Operand::in(has_channels ? operands.channel : operands.weights)),
  };
  launch.arguments.insert(launch.arguments.end(), std::begin(others), std::end(others));
  if (gemm.normalize) launch.arguments.push_back(Argument::pointer(Operand::in(operands.row_sums)));
  if (gemm.row_sums) launch.arguments.push_back(Argument::pointer(Operand::out(1)));
  for (const Dim& value :
       {gemm.rows, Dim(gemm.columns), Dim(columns), tiles, Dim(sizes.blocks), Dim(sizes.stages),
        window.out_width, window.out_height * window.out_width, Dim(window.stride[1]),
        Dim(window.stride[0]), Dim(window.pad_begin[1]), Dim(window.pad_begin[0]),
        Dim(window.dilation[1]), Dim(window.dilation[0]), Dim(window.kernel[1]),
        Dim(sizes.channel_blocks), window.height, window.width})
    launch.arguments.push_back(Argument::int32(value));
  LaunchRecord record;
  record.launches.push_back(std::move(launch));
  return record;
}

Tensor pack_weights(const ImplicitGemm& gemm, const GemmConfig& config, const Tensor& weights,
                    const std::array<std::int64_t, 3>& strides) {
  const Geometry sizes = geometry(gemm, config);
  const int panel = panel_columns(gemm, config);
  const std::int64_t padded_columns = round_up(gemm.columns, panel);
  const std::int64_t elements = sizes.block_bytes / gemm.element_bytes();
  const DType type = gemm.requantize              ? DType::u8
                     : gemm.element == DType::f32 ? DType::f32
                                                  : DType::u16;
  Tensor out = Tensor::allocate(
      type, {padded_columns, gemm.taps(), sizes.channel_blocks * elements * gemm.parts()});
  std::fill_n(out.mutable_data(), out.bytes(), std::byte{0});
  // `put` makes the parts of one block of channels, `count` of which there are.
  const auto pack = [&]<class T>(T, const auto& put) {
    auto* to = reinterpret_cast<T*>(out.mutable_data());
    for (std::int64_t column = 0; column < padded_columns; ++column) {
      const std::int64_t n =
          column / panel * panel + channel_at(column % panel, panel, gemm.element_bytes());
      for (std::int64_t tap = 0; tap < gemm.taps(); ++tap) {
        const T* from =
            reinterpret_cast<const T*>(weights.data()) + n * strides[0] + tap * strides[1];
        for (std::int64_t c = 0; c < sizes.channel_blocks * elements; c += elements) {
          if (n < gemm.columns)
            put(to, from + c * strides[2], std::min(elements, gemm.channels - c));
          to += elements * gemm.parts();
        }
      }
    }
  };
  const auto copy = [&](auto* to, const auto* from, std::int64_t count) {
    for (std::int64_t c = 0; c < count; ++c) to[c] = from[c * strides[2]];
  };
  const auto split = [&](float* to, const float* from, std::int64_t count) {
    for (std::int64_t at = 0; at < elements; ++at) {
      const std::int64_t c = element_at(at, elements);
      if (c >= count) continue;
      const float value = from[c * strides[2]];
      to[at] = round_to_tf32(value);
      to[at + elements] = round_to_tf32(value - to[at]);
    }
  };
  if (type == DType::u8) {
    pack(std::uint8_t{}, copy);
  } else if (type == DType::u16) {
    pack(std::uint16_t{}, copy);
  } else {
    pack(float{}, split);
  }
  return out;
}

Tensor pack_channels(const ImplicitGemm& gemm, const GemmConfig& config,
                     const std::vector<std::vector<float>>& operands) {
  const std::int64_t padded = tiles_n(gemm, config) * config.tile_n;
  const auto count = static_cast<std::int64_t>(operands.size());
  Tensor out = Tensor::allocate(DType::f32, {count, padded});
  auto* to = reinterpret_cast<float*>(out.mutable_data());
  std::fill_n(to, out.size(), 0.f);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::vector<float>& values = operands[static_cast<std::size_t>(i)];
    for (std::int64_t n = 0; n < gemm.columns; ++n)
      to[i * padded + n] = values[values.size() == 1 ? 0 : static_cast<std::size_t>(n)];
  }
  return out;
}

}  // namespace strop::cuda::sm90
