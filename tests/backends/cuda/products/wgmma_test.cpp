// SPDX-License-Identifier: Apache-2.0
// Tactics on Hopper's tensor cores without a GPU: what they take, how weights are packed, and that
// kernels compile for sm_90a without spilled registers.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <set>

#include "backends/cuda/codegen/implicit_gemm_sm90.hpp"
#include "backends/cuda/codegen/nvrtc.hpp"
#include "backends/cuda/products/joined_conv.hpp"
#include "builder/plan_execution.hpp"
#include "ir/evaluate.hpp"
#include "ir/text.hpp"
#include "ops/concat.hpp"
#include "ops/op_list.hpp"
#include "ops/unary.hpp"
#include "tactic/candidates.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_simt();
const Tactic& tactic_conv_wgmma();
const Tactic& tactic_conv_wgmma_f32();
const Tactic& tactic_conv_wgmma_s8();
const Tactic& tactic_matmul_wgmma();
const Tactic& tactic_matmul_wgmma_s8();
}  // namespace strop::cuda

namespace strop {
namespace {

using cuda::sm90::GemmConfig;
using cuda::sm90::GemmWindow;
using cuda::sm90::ImplicitGemm;

Graph graph_of(const std::string& text, const std::vector<std::pair<DType, Shape>>& constants) {
  return parse_graph(text, find_op, [&](std::size_t i) {
    Tensor out = Tensor::allocate(constants.at(i).first, constants.at(i).second);
    std::fill_n(out.mutable_data(), out.bytes(), std::byte{0});
    return out;
  });
}

// The graph's only node as a problem for a chip.
struct Question {
  Graph graph;
  DeviceProperties device;
  Problem problem;

  Question(const Question&) = delete;
  Question(Graph from, int compute_capability) : graph(std::move(from)) {
    device.backend = "cuda";
    device.compute_capability = compute_capability;
    device.multiprocessors = 132;
    problem.node = &graph.node(graph.order().front());
    problem.graph = &graph;
    problem.device = &device;
  }
};

Question plain_conv(int chip, const std::string& attributes = "pads=[1, 1, 1, 1]",
                    std::int64_t channels = 64) {
  const std::string c = std::to_string(channels);
  return Question(graph_of("graph main(%x: f16[N," + c + ",H,56]) -> (%y) {\nconst %w: f16[128," +
                               c + ",3,3] = @0\nconst %b: f32[128] = @1\n%y = conv{" + attributes +
                               "}(%x, %w, %b) }",
                           {{DType::f16, {128, channels, 3, 3}}, {DType::f32, {128}}}),
                  chip);
}

ImplicitGemm conv_3x3(std::int64_t channels, std::int64_t columns) {
  ImplicitGemm gemm;
  gemm.channels = channels;
  gemm.columns = columns;
  gemm.rows = Dim(200);
  GemmWindow window;
  window.images = 2;
  window.height = window.width = window.out_height = window.out_width = 10;
  window.kernel = {3, 3};
  window.pad_begin = window.pad_end = {1, 1};
  gemm.window = window;
  return gemm;
}

TEST(wgmma_config, is_read_as_it_was_written) {
  for (const char* text : {"co128x64", "pp128x128R", "pp64x128w3R", "co64x64k4P", "co128x256c2"}) {
    const auto config = cuda::sm90::parse_gemm_config(text);
    ASSERT_TRUE(config.has_value()) << text;
    EXPECT_EQ(to_text(*config), text);
  }
  for (const char* text : {"", "co", "co128", "co128x", "128x64", "co128x64z", "co128x64k"})
    EXPECT_FALSE(cuda::sm90::parse_gemm_config(text).has_value()) << text;
}

TEST(wgmma_config, candidates_fit_shared_memory) {
  for (const std::int64_t rows : {1, 49, 196, 12544, 802816}) {
    const ImplicitGemm gemm = conv_3x3(96, 200);
    const auto configs = cuda::sm90::candidate_configs(gemm, rows, 132);
    ASSERT_FALSE(configs.empty());
    for (const GemmConfig& config : configs) {
      EXPECT_TRUE(cuda::sm90::fits(gemm, config)) << to_text(config);
      const auto record = cuda::sm90::launch_record(gemm, config, {});
      EXPECT_LE(record.launches.at(0).shared_bytes, 227u * 1024) << to_text(config);
    }
  }
}

TEST(wgmma_config, the_first_is_best_for_the_sizes_that_are_made_for) {
  Question question(graph_of("graph main(%x: f16[N,256]) -> (%y) {\nconst %w: f16[256,256] = @0\n"
                             "%y = matmul(%x, %w) }",
                             {{DType::f16, {256, 256}}}),
                    90);
  const auto configs = cuda::tactic_matmul_wgmma().configs;
  const auto made_for = [&](std::int64_t rows) {
    const SymbolValues sample{{"N", rows}};
    question.problem.sample = &sample;
    std::vector<std::string> out = configs(question.problem);
    question.problem.sample = nullptr;
    return out;
  };
  EXPECT_EQ(made_for(16), configs(question.problem));
  EXPECT_NE(made_for(16), made_for(1 << 16));
  EXPECT_EQ(cuda::sm90::parse_gemm_config(made_for(1).at(0))->tile_m, 64);
  EXPECT_GT(cuda::sm90::parse_gemm_config(made_for(1 << 16).at(0))->tile_m, 64);
  const SymbolValues others{{"M", 1 << 16}};
  question.problem.sample = &others;
  EXPECT_EQ(configs(question.problem), made_for(16));
}

TEST(wgmma_weights, hold_every_element_once_in_rows_of_whole_blocks) {
  const ImplicitGemm gemm = conv_3x3(24, 40);
  Tensor weights = Tensor::allocate(DType::f16, {40, 24, 3, 3});
  auto* bits = reinterpret_cast<std::uint16_t*>(weights.mutable_data());
  for (std::int64_t i = 0; i < weights.size(); ++i) bits[i] = static_cast<std::uint16_t>(i + 1);
  const Tensor packed = cuda::sm90::pack_weights(gemm, *cuda::sm90::parse_gemm_config("co64x64"),
                                                 weights, {24 * 9, 1, 9});
  EXPECT_EQ(packed.dim(0), 64);
  EXPECT_EQ(packed.dim(1), 9);
  EXPECT_EQ(packed.dim(2) % 16, 0);
  const auto values = packed.values<std::uint16_t>();
  std::multiset<std::uint16_t> found(values.begin(), values.end());
  found.erase(0);
  ASSERT_EQ(found.size(), static_cast<std::size_t>(weights.size()));
  EXPECT_EQ(std::set<std::uint16_t>(found.begin(), found.end()).size(), found.size());
  // Columns 0, 1, 8, 9 ... are the run of channels of one thread.
  const auto channel_of = [&](std::int64_t column) {
    return (values[static_cast<std::size_t>(column * 9 * packed.dim(2))] - 1) / (24 * 9);
  };
  EXPECT_EQ(channel_of(0), 0);
  EXPECT_EQ(channel_of(1), 1);
  EXPECT_EQ(channel_of(8), 2);
  EXPECT_EQ(channel_of(2), 16);
  EXPECT_EQ(channel_of(32), 8);
}

Question f32_conv(std::int64_t channels, int chip) {
  const std::string c = std::to_string(channels);
  return Question(graph_of("graph main(%x: f32[N," + c + ",H,56]) -> (%y) {\nconst %w: f32[128," +
                               c + ",3,3] = @0\n%y = conv{pads=[1, 1, 1, 1]}(%x, %w) }",
                           {{DType::f32, {128, channels, 3, 3}}}),
                  chip);
}

TEST(conv_wgmma_f32, is_thought_faster_where_it_is_there_and_no_precise_engine_has_it) {
  const auto takes = [](const Question& question) {
    return cuda::tactic_conv_wgmma_f32().accepts(question.problem).yes;
  };
  const auto slowdown_without = [](const Question& question) {
    return cuda::tactic_conv_simt().slowdown(question.problem, "");
  };
  EXPECT_TRUE(takes(f32_conv(64, 90)));
  EXPECT_GT(slowdown_without(f32_conv(64, 90)), 1);
  Question precise = f32_conv(64, 90);
  precise.problem.precise = true;
  EXPECT_FALSE(takes(precise));
  EXPECT_EQ(slowdown_without(precise), 1);
  EXPECT_FALSE(takes(f32_conv(64, 80)));
  EXPECT_EQ(slowdown_without(f32_conv(64, 80)), 1);
  EXPECT_FALSE(takes(f32_conv(6, 90)));
  EXPECT_EQ(slowdown_without(f32_conv(6, 90)), 1);
  EXPECT_FALSE(takes(plain_conv(90)));
}

TEST(conv_wgmma, takes_half_types_on_its_chip_alone) {
  EXPECT_TRUE(cuda::tactic_conv_wgmma().accepts(plain_conv(90).problem).yes);
  EXPECT_FALSE(cuda::tactic_conv_wgmma().accepts(plain_conv(80).problem).yes);
  EXPECT_FALSE(cuda::tactic_conv_wgmma().accepts(plain_conv(100).problem).yes);
  const Question f32(graph_of("graph main(%x: f32[1,64,8,8]) -> (%y) {\n"
                              "const %w: f32[64,64,1,1] = @0\n%y = conv(%x, %w) }",
                              {{DType::f32, {64, 64, 1, 1}}}),
                     90);
  EXPECT_FALSE(cuda::tactic_conv_wgmma().accepts(f32.problem).yes);
}

TEST(conv_wgmma, says_why_it_refuses) {
  const auto reason = [](const Question& question) {
    return cuda::tactic_conv_wgmma().accepts(question.problem).reason;
  };
  EXPECT_EQ(reason(plain_conv(90, "pads=[1, 1, 1, 1]", 12)),
            "12 input channels are no multiple of 8");
  EXPECT_EQ(reason(plain_conv(90, "strides=[9, 9]")), "tensor copies step by 8 pixels at most");
  EXPECT_EQ(reason(plain_conv(90, "dilations=[100, 100], pads=[99, 99, 99, 99]")),
            "the window is wider than tensor copies reach");
  EXPECT_EQ(reason(plain_conv(90, "auto_pad=\"same_upper\"")),
            "its pads depend on a size that is open");
}

TEST(conv_wgmma, lowers_to_a_launch_that_compiles_without_spills) {
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  Question question = plain_conv(90);
  const Tactic& tactic = cuda::tactic_conv_wgmma();
  ASSERT_TRUE(tactic.accepts(question.problem).yes);
  const std::string config = tactic.configs(question.problem).at(0);
  question.problem.layouts = tactic.layouts(question.problem, config).at(0);
  EXPECT_EQ(question.problem.layouts.output(0), Layout::channels_last);
  const KernelChoice choice = tactic.lower(question.problem, config);
  const cuda::LaunchRecord record = cuda::parse_launch_record(choice.parameters);
  EXPECT_EQ(record.launches.at(0).entry, "implicit_gemm");
  ASSERT_TRUE(choice.replaced.contains(1));
  EXPECT_EQ(choice.added.size(), 2u);  // the bias, machine code
}

Question joined_conv(const testing::JoinedConv& conv) {
  return Question(graph_of(conv.text(),
                           {{DType::f16, {conv.columns, conv.channels(), conv.kernel, conv.kernel}},
                            {DType::f16, {conv.columns}}}),
                  90);
}

TEST(conv_wgmma, reads_the_pieces_of_a_concat) {
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  const Tactic& tactic = cuda::tactic_conv_wgmma();
  for (const std::vector<std::int64_t>& pieces :
       {std::vector<std::int64_t>{64, 128}, {32, 32}, {96, 32, 64}, {256, 256, 256, 256}}) {
    Question question = joined_conv({.pieces = pieces});
    EXPECT_EQ(&question.problem.leading_op(), &op_concat());
    ASSERT_TRUE(tactic.accepts(question.problem).yes) << tactic.accepts(question.problem).reason;
    const std::string config = tactic.configs(question.problem).at(0);
    question.problem.layouts = tactic.layouts(question.problem, config).at(0);
    const KernelChoice choice = tactic.lower(question.problem, config);
    const cuda::LaunchRecord record = cuda::parse_launch_record(choice.parameters);
    const auto& arguments = record.launches.at(0).arguments;
    EXPECT_EQ(arguments.size(), 25u + pieces.size());
    std::uint32_t box = 64;
    for (const std::int64_t channels : pieces) box = channels % 64 == 0 ? box : 32;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      EXPECT_EQ(question.problem.layouts.input(i), Layout::channels_last);
      const cuda::TensorMap& map = arguments[i].map;
      EXPECT_EQ(map.operand.index, i);
      EXPECT_TRUE(map.sizes.at(0).is(pieces[i]));
      EXPECT_TRUE(map.strides.at(0).is(pieces[i] * 2));
      EXPECT_EQ(map.box, (std::vector<std::uint32_t>{box, map.box.at(1)}));
      EXPECT_EQ(map.swizzle, box * 2);
    }
    EXPECT_EQ(arguments[pieces.size()].map.operand.index, pieces.size());  // the weights
  }
}

TEST(conv_wgmma, refuses_pieces_that_it_cannot_read) {
  const auto reason = [](const Question& question) {
    return cuda::tactic_conv_wgmma().accepts(question.problem).reason;
  };
  EXPECT_EQ(reason(joined_conv({.pieces = {64, 24}})),
            "the channels of a tensor beside others are no multiple of 16");
  EXPECT_EQ(reason(joined_conv({.pieces = {64, 64, 64, 64, 64}})),
            "it reads more than 4 tensors side by side");
  EXPECT_EQ(reason(joined_conv({.pieces = {64, 64}, .kernel = 3})),
            "only products read several tensors side by side");
}

TEST(conv_wgmma, tells_where_each_piece_begins) {
  ImplicitGemm gemm;
  gemm.channels = 192;
  gemm.columns = 64;
  gemm.rows = Dim(200);
  gemm.pieces = {96, 32, 64};
  const GemmConfig config = *cuda::sm90::parse_gemm_config("co64x64");
  EXPECT_NE(source(gemm, config)
                .find("first_block_of(int piece) { return piece == 0 ? 0 : piece == 1 ? 3 : 4; }"),
            std::string::npos);
  // Weights lie as for one tensor that blocks of the same width cut.
  Tensor weights = random_tensor(DType::f16, {64, 192, 1, 1}, 3);
  const Tensor packed = pack_weights(gemm, config, weights, {192, 1, 1});
  gemm.pieces = {};
  EXPECT_TRUE(packed.identical(pack_weights(gemm, config, weights, {192, 1, 1})));
}

// Two to four pieces, with a residual and without, in blocks of 64 bytes and of 128.
TEST(conv_wgmma, reads_pieces_without_spills) {
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  const Tactic& tactic = cuda::tactic_conv_wgmma();
  EXPECT_TRUE(tactic.accepts(joined_conv({.pieces = {96, 160}, .residual = true}).problem).yes);
  ImplicitGemm gemm;
  gemm.columns = 384;
  gemm.rows = Dim::symbol("i0d0");
  for (const std::vector<std::int64_t>& pieces :
       {std::vector<std::int64_t>{96, 160}, {64, 128, 64, 64}}) {
    gemm.pieces = pieces;
    gemm.channels = std::accumulate(pieces.begin(), pieces.end(), std::int64_t{0});
    gemm.epilogue = testing::joined_epilogue(pieces.size() == 2);
    for (const std::string& text : testing::forms_of_wgmma()) {
      const GemmConfig config = *cuda::sm90::parse_gemm_config(text);
      ASSERT_TRUE(fits(gemm, config)) << text;
      EXPECT_EQ(cuda::compile(source(gemm, config), 90).spill_bytes, 0) << text;
    }
  }
}

TEST(matmul_wgmma, normalises_and_sums_rows_without_spills) {
  ImplicitGemm gemm;
  gemm.channels = 768;
  gemm.columns = 768;
  gemm.rows = Dim(6304);
  cuda::EpilogueStep step;
  step.operand = {cuda::EpilogueOperand::tensor, 0, 0};
  step.kind = cuda::EpilogueStep::binary;
  ImplicitGemm summed = gemm, normalized = gemm;
  summed.epilogue = {step};
  summed.row_sums = true;
  normalized.normalize = cuda::sm90::GemmNormalize{.epsilon = 1e-6, .size = 768};
  step.kind = cuda::EpilogueStep::unary;
  step.unary_function = UnaryFunction::gelu;
  normalized.epilogue = {step};
  for (const ImplicitGemm& one : {summed, normalized}) {
    EXPECT_EQ(cuda::sm90::refusal(one), "");
    for (const char* text : {"co192x192w3P", "pp128x128", "co64x64k4"}) {
      const auto kernel = cuda::compile(source(one, *cuda::sm90::parse_gemm_config(text)), 90);
      EXPECT_EQ(kernel.spill_bytes, 0) << text;
    }
  }
  EXPECT_FALSE(cuda::sm90::fits(summed, *cuda::sm90::parse_gemm_config("co192x96w3")));
  EXPECT_TRUE(cuda::sm90::fits(normalized, *cuda::sm90::parse_gemm_config("co192x96w3")));
  summed.normalize = normalized.normalize;
  EXPECT_NE(cuda::sm90::refusal(summed), "");
  summed.normalize.reset();
  summed.columns = 760;
  EXPECT_NE(cuda::sm90::refusal(summed), "");
}

TEST(matmul_wgmma, compiles_without_spills_for_each_candidate_of_one_size) {
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  ImplicitGemm gemm;
  gemm.channels = 256;
  gemm.columns = 3072;
  gemm.rows = Dim::symbol("i0d0");
  for (const char* text :
       {"co128x128", "co256x128", "pp128x128", "pp192x128", "pp64x128w3R", "co64x64k4"}) {
    const auto kernel = cuda::compile(source(gemm, *cuda::sm90::parse_gemm_config(text)), 90);
    EXPECT_EQ(kernel.spill_bytes, 0) << text;
  }
}

TEST(matmul_wgmma, takes_products_by_a_matrix) {
  const Question question(
      graph_of("graph main(%x: bf16[B,S,40]) -> (%y) {\nconst %w: bf16[40,50] = @0\n"
               "%y = matmul(%x, %w) }",
               {{DType::bf16, {40, 50}}}),
      90);
  EXPECT_TRUE(cuda::tactic_matmul_wgmma().accepts(question.problem).yes);
  const Question batches(graph_of("graph main(%a: f16[B,S,64], %b: f16[B,64,T]) -> (%y) { "
                                  "%y = matmul(%a, %b) }",
                                  {}),
                         90);
  EXPECT_EQ(cuda::tactic_matmul_wgmma().accepts(batches.problem).reason,
            "its second operand is no constant matrix");
}

// Perhaps with a table after it.
Question requantised_conv(const std::string& attributes, std::int64_t zero, bool table = false,
                          int weight = 0) {
  const std::string operands =
      "%x: u8[N,32,H,W], %w: i8[64,32,3,3], %z: u8[], %m: f32[64], %o: f32[64]" +
      std::string(table ? ", %t: i8[256]" : "");
  const std::string text =
      "graph main(%x: u8[N,32,H,W]) -> (%y) {\nconst %w: i8[64,32,3,3] = @0\n"
      "const %z: u8[] = @1\nconst %m: f32[64] = @2\nconst %o: f32[64] = @3\n" +
      std::string(table ? "const %t: i8[256] = @4\n" : "") +
      "%y = fused{kind=\"conv_integer+requantize\"}(%x, %w, %z, %m, %o" +
      std::string(table ? ", %t" : "") + ") body graph body(" + operands +
      ") -> (%y) { %a = conv_integer{" + attributes + "}(%x, %w, %z) %" +
      std::string(table ? "b" : "y") + " = requantize{low=-100, high=120}(%a, %m, %o) " +
      std::string(table ? "%y = table_lookup(%b, %t) " : "") + "} }";
  const std::vector<std::pair<DType, Shape>> types = {{DType::i8, {64, 32, 3, 3}},
                                                      {DType::u8, {}},
                                                      {DType::f32, {64}},
                                                      {DType::f32, {64}},
                                                      {DType::i8, {256}}};
  return Question(parse_graph(text, find_op,
                              [&](std::size_t i) {
                                Tensor out = Tensor::allocate(types.at(i).first, types[i].second);
                                const auto byte = static_cast<std::byte>(i == 0 ? weight : 0);
                                std::fill_n(out.mutable_data(), out.bytes(), byte);
                                if (i == 1) out.mutable_data()[0] = static_cast<std::byte>(zero);
                                return out;
                              }),
                  90);
}

TEST(conv_wgmma_s8, takes_zero_points_unless_their_padding_is_wide) {
  const Tactic& tactic = cuda::tactic_conv_wgmma_s8();
  EXPECT_TRUE(tactic.accepts(requantised_conv("pads=[1, 1, 1, 1]", 0).problem).yes);
  EXPECT_TRUE(tactic.accepts(requantised_conv("", 7).problem).yes);
  EXPECT_TRUE(tactic.accepts(requantised_conv("pads=[1, 1, 1, 1]", 7).problem).yes);
  EXPECT_TRUE(tactic.accepts(requantised_conv("pads=[9, 9, 9, 9]", 0).problem).yes);
  EXPECT_EQ(tactic.accepts(requantised_conv("pads=[9, 9, 9, 9]", 7).problem).reason,
            "its padding is wide and not the byte 0");
}

TEST(conv_wgmma_s8, lowers_to_a_launch_that_compiles) {
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  Question question = requantised_conv("", 7);
  const Tactic& tactic = cuda::tactic_conv_wgmma_s8();
  ASSERT_TRUE(tactic.accepts(question.problem).yes);
  const std::string config = tactic.configs(question.problem).at(0);
  question.problem.layouts = tactic.layouts(question.problem, config).at(0);
  const KernelChoice choice = tactic.lower(question.problem, config);
  EXPECT_EQ(choice.added.at(0).tensor.dim(0), 3);  // multipliers, offsets, corrections
  EXPECT_NO_THROW(cuda::parse_launch_record(choice.parameters));
}

// Of the weights 1 each kind of pixel has as many outside as its taps have.
TEST(conv_wgmma_s8, corrects_sums_at_borders) {
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  Question question = requantised_conv("pads=[1, 1, 0, 1]", 7, false, 1);
  const Tactic& tactic = cuda::tactic_conv_wgmma_s8();
  ASSERT_TRUE(tactic.accepts(question.problem).yes);
  const std::string config = tactic.configs(question.problem).at(0);
  question.problem.layouts = tactic.layouts(question.problem, config).at(0);
  const KernelChoice choice = tactic.lower(question.problem, config);
  const Tensor& added = choice.added.at(0).tensor;
  ASSERT_EQ(added.dim(0), 3 + 7);
  const auto number = [&](std::int64_t operand) {
    return std::bit_cast<std::int32_t>(
        added.values<float>()[static_cast<std::size_t>(operand * added.dim(1))]);
  };
  EXPECT_EQ(number(2), -7 * 32 * 9);
  // Outside on the right, on the left, on both; above; above and on the right, left, both.
  const std::int32_t outside[] = {3, 3, 6, 3, 5, 5, 7};
  for (std::int64_t kind = 1; kind <= 7; ++kind)
    EXPECT_EQ(number(2 + kind), 7 * 32 * outside[kind - 1]) << kind;
}

TEST(conv_wgmma_s8, corrects_borders_without_spills) {
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  ImplicitGemm gemm;
  gemm.element = DType::u8;
  gemm.channels = 64;
  gemm.columns = 256;
  gemm.window.emplace();
  gemm.window->kernel = {3, 3};
  gemm.window->pad_begin = gemm.window->pad_end = {1, 1};
  gemm.rows = Dim::symbol("i0d0");
  gemm.requantize = cuda::GemmRequantize{.corrected = true, .table = true};
  gemm.borders = true;
  for (const char* text : {"co128x128", "pp128x64w3R", "pp128x128", "co64x64k2"}) {
    const auto kernel = cuda::compile(source(gemm, *cuda::sm90::parse_gemm_config(text)), 90);
    EXPECT_EQ(kernel.spill_bytes, 0) << text;
  }
  EXPECT_FALSE(cuda::sm90::fits(gemm, *cuda::sm90::parse_gemm_config("pp192x128")));
  gemm.requantize->residual = true;
  gemm.requantize->addition.emplace();
  for (const char* text : {"co128x128", "pp128x64R", "pp128x128", "co64x64k2"}) {
    const auto kernel = cuda::compile(source(gemm, *cuda::sm90::parse_gemm_config(text)), 90);
    EXPECT_EQ(kernel.spill_bytes, 0) << text;
  }
  EXPECT_FALSE(cuda::sm90::fits(gemm, *cuda::sm90::parse_gemm_config("pp128x64w3R")));
}

TEST(conv_wgmma_s8, reads_the_pieces_of_a_concat) {
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  const Tactic& tactic = cuda::tactic_conv_wgmma_s8();
  for (const std::vector<std::int64_t>& pieces :
       {std::vector<std::int64_t>{64, 64}, {192, 64, 128}, {128, 128}, {96, 32}}) {
    const std::int64_t channels = std::accumulate(pieces.begin(), pieces.end(), std::int64_t{0});
    Question question(
        graph_of(testing::joined_bytes_text(pieces), {{DType::i8, {64, channels, 1, 1}},
                                                      {DType::u8, {}},
                                                      {DType::f32, {64}},
                                                      {DType::f32, {64}}}),
        90);
    ASSERT_TRUE(tactic.accepts(question.problem).yes) << tactic.accepts(question.problem).reason;
    for (const std::string& config : tactic.configs(question.problem)) {
      question.problem.layouts = tactic.layouts(question.problem, config).at(0);
      const KernelChoice choice = tactic.lower(question.problem, config);
      const auto record = cuda::parse_launch_record(choice.parameters);
      EXPECT_EQ(record.launches.at(0).arguments.size(), 25u + pieces.size());
    }
  }
}

TEST(conv_wgmma_s8, takes_tables_without_spills) {
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  const Question question = requantised_conv("pads=[1, 1, 1, 1]", 0, true);
  ASSERT_TRUE(cuda::tactic_conv_wgmma_s8().accepts(question.problem).yes);
  ImplicitGemm gemm;
  gemm.element = DType::u8;
  gemm.channels = 64;
  gemm.columns = 256;
  gemm.rows = Dim::symbol("i0d0");
  gemm.requantize = cuda::GemmRequantize{.corrected = true, .table = true};
  for (const char* text : {"co128x128", "pp128x64w3R", "co64x64k2"}) {
    const auto kernel = cuda::compile(source(gemm, *cuda::sm90::parse_gemm_config(text)), 90);
    EXPECT_EQ(kernel.spill_bytes, 0) << text;
  }
}

TEST(conv_wgmma_s8, adds_other_bytes_without_spills) {
  if (cuda::nvrtc_version().empty()) GTEST_SKIP() << cuda::nvrtc_description();
  ImplicitGemm gemm;
  gemm.element = DType::u8;
  gemm.channels = 64;
  gemm.columns = 256;
  gemm.rows = Dim::symbol("i0d0");
  gemm.requantize = cuda::GemmRequantize{.residual = true, .addition = cuda::GemmAddition{}};
  for (const bool corrected : {false, true}) {
    gemm.requantize->corrected = corrected;
    gemm.requantize->addition->last = corrected;
    for (const char* text : {"co128x128", "co128x256", "pp128x64w3R", "pp64x128w3R", "pp128x128R",
                             "co192x128w3", "co64x64k2"}) {
      const auto kernel = cuda::compile(source(gemm, *cuda::sm90::parse_gemm_config(text)), 90);
      EXPECT_EQ(kernel.spill_bytes, 0) << text;
    }
  }
}

}  // namespace
}  // namespace strop
