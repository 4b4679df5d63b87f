// SPDX-License-Identifier: Apache-2.0
// Tactics on implicit GEMM without a GPU: what they take, in which layouts, and that what they
// lower to compiles for old and new chips without spilling registers.
#include <gtest/gtest.h>

#include <algorithm>

#include "backends/cuda/codegen/byte_view.hpp"
#include "backends/cuda/codegen/gemm_view.hpp"
#include "backends/cuda/codegen/nvrtc.hpp"
#include "ir/text.hpp"
#include "ops/op_list.hpp"
#include "tactic/candidates.hpp"

namespace strop::cuda {
std::span<const Tactic* const> cuda_tactics();
}

namespace strop {
namespace {

Graph graph_of(const std::string& text, const std::vector<std::pair<DType, Shape>>& constants) {
  return parse_graph(text, find_op, [&](std::size_t i) {
    Tensor out = Tensor::allocate(constants.at(i).first, constants.at(i).second);
    std::fill_n(out.mutable_data(), out.bytes(), std::byte{0});
    return out;
  });
}

DeviceProperties chip(int compute_capability) {
  DeviceProperties out;
  out.compute_capability = compute_capability;
  out.multiprocessors = 108;
  out.shared_bytes = 160 << 10;
  return out;
}

struct Offered {
  std::vector<std::string> names;
  std::vector<KernelChoice> choices;
};

// Everything that tactics of `prefix` offer for the graph's node, lowered.
Offered lower_all(const Graph& graph, std::string_view tactic, int compute_capability,
                  std::size_t most = 100) {
  const DeviceProperties device = chip(compute_capability);
  Problem problem{&graph.node(graph.order().front()), &graph};
  problem.device = &device;
  Offered out;
  for (const Candidate& candidate : list_candidates(problem, cuda::cuda_tactics(), {}).candidates) {
    if (candidate.tactic->name != tactic || out.names.size() >= most) continue;
    problem.layouts = candidate.layouts;
    out.names.push_back(candidate.name());
    out.choices.push_back(candidate.tactic->lower(problem, candidate.config));
  }
  return out;
}

std::string refusal_of(const Graph& graph, std::string_view tactic) {
  const DeviceProperties device = chip(80);
  Problem problem{&graph.node(graph.order().front()), &graph};
  problem.device = &device;
  for (const Refusal& refusal : list_candidates(problem, cuda::cuda_tactics(), {}).refusals) {
    if (refusal.tactic == tactic) return refusal.reason;
  }
  return {};
}

bool has_nvrtc() { return !cuda::nvrtc_version().empty(); }

const char* const kConv =
    "graph main(%x: f32[N,6,H,W]) -> (%y) {\n"
    "const %w: f32[12,2,3,3] = @0\nconst %b: f32[12] = @1\n"
    "%y = conv{strides=[2, 1], pads=[1, 1, 1, 1], group=3}(%x, %w, %b) }";

TEST(conv_simt, is_offered_in_both_layouts_with_open_sizes) {
  if (!has_nvrtc()) GTEST_SKIP() << cuda::nvrtc_description();
  const Graph graph = graph_of(kConv, {{DType::f32, {12, 2, 3, 3}}, {DType::f32, {12}}});
  for (const int chip : {80, 90}) {
    const Offered offered = lower_all(graph, "conv_simt", chip, 4);
    ASSERT_FALSE(offered.names.empty());
    EXPECT_TRUE(std::ranges::any_of(
        offered.names, [](const std::string& name) { return name.ends_with("@nhwc"); }));
    for (const KernelChoice& choice : offered.choices) {
      EXPECT_EQ(choice.kernel, "launch");
      ASSERT_TRUE(choice.replaced.contains(1));
      // [group][k][filters of a group]
      EXPECT_EQ(choice.replaced.at(1).tensor.shape(), (Shape{3, 18, 4}));
      EXPECT_NO_THROW(cuda::parse_launch_record(choice.parameters));
    }
  }
}

TEST(conv_simt, packs_filters_by_taps_then_channels) {
  Graph graph = parse_graph(
      "graph main(%x: f32[1,2,4,4]) -> (%y) {\nconst %w: f32[3,2,1,2] = @0\n"
      "%y = conv(%x, %w) }",
      find_op, [](std::size_t) {
        return Tensor::from<float>({3, 2, 1, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
      });
  const Problem problem{&graph.node(graph.order().front()), &graph};
  std::string refusal;
  const auto view =
      cuda::view_as_conv(problem, DType::f32, cuda::WeightOrder::k_outer, true, refusal);
  ASSERT_TRUE(view.has_value()) << refusal;
  const auto values = view->replaced.at(1).tensor.values<float>();
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()),
            (std::vector<float>{0, 4, 8, 0, 2, 6, 10, 0, 1, 5, 9, 0, 3, 7, 11, 0}));
}

TEST(conv_simt, is_thought_slow_for_groups_of_few_filters) {
  const Graph graph = graph_of(kConv, {{DType::f32, {12, 2, 3, 3}}, {DType::f32, {12}}});
  const DeviceProperties device = chip(80);
  Problem problem{&graph.node(graph.order().front()), &graph};
  problem.device = &device;
  for (const Candidate& candidate : list_candidates(problem, cuda::cuda_tactics(), {}).candidates) {
    if (candidate.tactic->name != "conv_simt") continue;
    EXPECT_GT(candidate.tactic->slowdown(problem, candidate.config), 1);
  }
}

TEST(matmul_simt, takes_products_by_a_matrix_and_in_batches) {
  if (!has_nvrtc()) GTEST_SKIP() << cuda::nvrtc_description();
  const Graph by_matrix = graph_of(
      "graph main(%x: f32[B,S,40]) -> (%y) {\nconst %w: f32[40,50] = @0\n"
      "%y = matmul(%x, %w) }",
      {{DType::f32, {40, 50}}});
  const Graph batches = graph_of(
      "graph main(%a: f32[B,1,S,64], %b: f32[B,4,64,T]) -> (%y) { %y = matmul(%a, %b) }", {});
  const Graph gemm = graph_of(
      "graph main(%a: f32[30,7], %b: f32[9,30], %c: f32[9]) -> (%y) {\n"
      "%y = gemm{trans_a=true, trans_b=true}(%a, %b, %c) }",
      {});
  for (const int chip : {80, 90}) {
    for (const Graph* graph : {&by_matrix, &batches, &gemm})
      EXPECT_FALSE(lower_all(*graph, "matmul_simt", chip, 3).names.empty());
  }
}

TEST(matmul_simt, refuses_what_it_has_no_kernel_for) {
  const Graph f64 =
      graph_of("graph main(%a: f64[3,4], %b: f64[4,5]) -> (%y) { %y = matmul(%a, %b) }", {});
  EXPECT_NE(refusal_of(f64, "matmul_simt").find("f64"), std::string::npos);
  const Graph vector =
      graph_of("graph main(%a: f32[3,4], %b: f32[4]) -> (%y) { %y = matmul(%a, %b) }", {});
  EXPECT_EQ(refusal_of(vector, "matmul_simt"), "an operand is a vector");
}

TEST(conv_mma, takes_f16_channels_last_and_packs_rows_of_k) {
  if (!has_nvrtc()) GTEST_SKIP() << cuda::nvrtc_description();
  const Graph graph = graph_of(
      "graph main(%x: f16[N,3,H,W]) -> (%y) {\n"
      "const %w: f16[20,3,3,3] = @0\nconst %b: f32[20] = @1\n"
      "%y = conv{strides=[2, 2], pads=[1, 1, 1, 1]}(%x, %w, %b) }",
      {{DType::f16, {20, 3, 3, 3}}, {DType::f32, {20}}});
  for (const int chip : {80, 90}) {
    const Offered offered = lower_all(graph, "conv_mma", chip, 2);
    ASSERT_FALSE(offered.names.empty());
    for (const std::string& name : offered.names) EXPECT_TRUE(name.ends_with("@nhwc")) << name;
    const auto& replaced = offered.choices[0].replaced;
    EXPECT_EQ(replaced.at(1).tensor.shape(), (Shape{1, 20, 32}));  // 27 steps of k, padded
    EXPECT_FALSE(replaced.contains(2));  // the bias, which kernels read in f32
  }
}

TEST(conv_depthwise, packs_taps_of_all_channels_and_refuses_groups) {
  if (!has_nvrtc()) GTEST_SKIP() << cuda::nvrtc_description();
  const Graph graph = graph_of(
      "graph main(%x: f16[N,24,H,W]) -> (%y) {\n"
      "const %w: f16[24,1,5,3] = @0\nconst %b: f16[24] = @1\n"
      "%y = conv{strides=[1, 2], pads=[2, 1, 2, 1], group=24}(%x, %w, %b) }",
      {{DType::f16, {24, 1, 5, 3}}, {DType::f16, {24}}});
  for (const int chip : {80, 90}) {
    const Offered offered = lower_all(graph, "conv_depthwise", chip);
    ASSERT_EQ(offered.names.size(), 5U);
    EXPECT_EQ(offered.choices[0].replaced.at(1).tensor.shape(), (Shape{1, 15, 24}));
  }
  const Graph groups = graph_of(kConv, {{DType::f32, {12, 2, 3, 3}}, {DType::f32, {12}}});
  EXPECT_EQ(refusal_of(groups, "conv_depthwise"),
            "its groups are not of one channel and one filter");
}

// 5x5 filters of u8[batch,C,size,size], requantised and looked up in a table.
Graph byte_depthwise(const std::string& batch, std::int64_t channels, std::int64_t size,
                     const std::string& strides = "1, 1") {
  const std::string c = std::to_string(channels), s = std::to_string(size);
  const std::string constants =
      "%w: i8[" + c + ",1,5,5], %z: u8[], %m: f32[" + c + "], %o: f32[" + c + "], %t: u8[256]";
  const std::string x = "%x: u8[" + batch + "," + c + "," + s + "," + s + "]";
  std::string declared = "const " + constants + "\n";
  for (std::size_t at = declared.find(", %"), i = 0; at != std::string::npos;
       at = declared.find(", %", at), ++i)
    declared.replace(at, 2, " = @" + std::to_string(i) + "\nconst ");
  declared.insert(declared.size() - 1, " = @4");
  return graph_of("graph main(" + x + ") -> (%y) {\n" + declared +
                      "%y = fused{kind=\"k\"}(%x, %w, %z, %m, %o, %t) body graph body(" + x + ", " +
                      constants + ") -> (%y) { %a = conv_integer{pads=[2, 2, 2, 2], strides=[" +
                      strides + "], group=" + c +
                      "}(%x, %w, %z) %b = requantize{low=0, high=255, to=u8}(%a, %m, %o) %y = "
                      "table_lookup(%b, %t) } }",
                  {{DType::i8, {channels, 1, 5, 5}},
                   {DType::u8, {}},
                   {DType::f32, {channels}},
                   {DType::f32, {channels}},
                   {DType::u8, {256}}});
}

TEST(conv_depthwise_s8, packs_runs_of_four_taps_and_spills_no_registers) {
  if (!has_nvrtc()) GTEST_SKIP() << cuda::nvrtc_description();
  const Graph graph = byte_depthwise("N", 24, 7);
  Problem problem{&graph.node(graph.order().front()), &graph};
  std::string refusal;
  for (const char* name : {"4x7x4", "2x7x4", "7x7x4", "1x1x4"}) {
    const auto config = cuda::DepthwiseConfig::parse(name);
    const auto view = cuda::view_as_byte_depthwise(problem, config, refusal);
    ASSERT_TRUE(view.has_value()) << refusal;
    EXPECT_EQ(view->replaced.at(1).tensor.shape(), (Shape{10, 96}));
    for (const int chip : {80, 90}) {
      const auto step = cuda::depthwise_step(view->problem, *config, chip);
      const auto kernel = cuda::compile(step.sources.at(0), chip);
      EXPECT_EQ(kernel.spill_bytes, 0) << name;
      EXPECT_EQ(kernel.shared_bytes, 256) << name;
    }
  }
}

TEST(conv_depthwise_s8, gives_threads_less_where_there_are_few_results) {
  const auto names = [](const std::string& batch, const std::string& strides = "1, 1") {
    const Graph graph = byte_depthwise(batch, 96, 14, strides);
    const DeviceProperties device = chip(90);
    Problem problem{&graph.node(graph.order().front()), &graph};
    problem.device = &device;
    std::vector<std::string> out;
    for (const Candidate& c : list_candidates(problem, cuda::cuda_tactics(), {}).candidates) {
      if (c.tactic->name == "conv_depthwise_s8") out.emplace_back(c.config);
    }
    return out;
  };
  EXPECT_EQ(names("1"), (std::vector<std::string>{"1x1x4", "2x2x4", "2x4x4", "4x4x4", "7x7x4",
                                                  "2x7x4", "4x7x4", "2"}));
  EXPECT_EQ(names("64"), (std::vector<std::string>{"2x4x4", "2x2x4", "1x1x4", "4x4x4", "7x7x4",
                                                   "2x7x4", "4x7x4", "2"}));
  EXPECT_EQ(names("N").front(), "4x7x4");
  // What a thread would read between two results does not fit its registers.
  EXPECT_EQ(names("N", "65534, 10923"), (std::vector<std::string>{"2"}));
}

TEST(matmul_mma, takes_every_order_of_operands_and_bf16) {
  if (!has_nvrtc()) GTEST_SKIP() << cuda::nvrtc_description();
  const Graph batches = graph_of(
      "graph main(%a: f16[B,1,S,64], %b: f16[B,4,64,T]) -> (%y) { %y = matmul(%a, %b) }", {});
  const Graph gemm = graph_of(
      "graph main(%a: bf16[30,7], %b: bf16[9,30]) -> (%y) {\n"
      "%y = gemm{trans_a=true, trans_b=true}(%a, %b) }",
      {});
  for (const int chip : {80, 90}) {
    for (const Graph* graph : {&batches, &gemm})
      EXPECT_FALSE(lower_all(*graph, "matmul_mma", chip, 2).names.empty());
  }
}

TEST(matmul_gemv, takes_few_rows_by_a_constant_matrix) {
  if (!has_nvrtc()) GTEST_SKIP() << cuda::nvrtc_description();
  for (const std::string type : {"f16", "f32"}) {
    const DType dtype = type == "f16" ? DType::f16 : DType::f32;
    const auto graph = [&](const std::string& rows) {
      return graph_of("graph main(%x: " + type + "[" + rows + ",30]) -> (%y) {\nconst %w: " + type +
                          "[30,50] = @0\n%y = matmul(%x, %w) }",
                      {{dtype, {30, 50}}});
    };
    for (const int chip : {80, 90}) {
      const Offered offered = lower_all(graph("3"), "matmul_gemv", chip);
      ASSERT_EQ(offered.names.size(), 2U);
      EXPECT_EQ(offered.choices[0].replaced.at(1).tensor.shape(), (Shape{1, 50, 32}));
    }
    EXPECT_EQ(refusal_of(graph("9"), "matmul_gemv"), "it has not one to eight rows");
    EXPECT_EQ(refusal_of(graph("B"), "matmul_gemv"), "it has not one to eight rows");
  }
}

TEST(gemm_config, is_read_back_from_its_name) {
  cuda::GemmConfig config{64, 32, 16, 4, 4, 4, 8};
  EXPECT_EQ(config.name(), "64x32x16_4x4_s4_k8");
  EXPECT_EQ(cuda::GemmConfig::parse(config.name())->splits, 8);
  config.splits = 1;
  EXPECT_EQ(cuda::GemmConfig::parse(config.name())->name(), "64x32x16_4x4_s4");
  EXPECT_FALSE(cuda::GemmConfig::parse("64x32x16").has_value());
}

TEST(implicit_gemm, spills_no_registers) {
  if (!has_nvrtc()) GTEST_SKIP() << cuda::nvrtc_description();
  const Graph graph = graph_of(kConv, {{DType::f32, {12, 2, 3, 3}}, {DType::f32, {12}}});
  const DeviceProperties device = chip(80);
  Problem problem{&graph.node(graph.order().front()), &graph};
  problem.device = &device;
  std::string refusal;
  for (const Layout layout : {Layout::plain, Layout::channels_last}) {
    problem.layouts.outputs = {layout};
    problem.layouts.inputs = {layout};
    const auto view =
        cuda::view_as_conv(problem, DType::f32, cuda::WeightOrder::k_outer, false, refusal);
    ASSERT_TRUE(view.has_value()) << refusal;
    for (const int chip : {80, 90}) {
      for (const char* name : {"64x64x16_8x4_s3", "128x64x16_8x8_s3"}) {
        const auto step = cuda::simt_step(view->problem, *cuda::GemmConfig::parse(name), chip);
        EXPECT_EQ(cuda::compile(step.sources.at(0), chip).spill_bytes, 0) << name;
      }
    }
  }
}

}  // namespace
}  // namespace strop
