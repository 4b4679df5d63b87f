// SPDX-License-Identifier: Apache-2.0
// Products of operands rounded to bf16 and what stands between them, on every instruction set:
// fused nodes whose bodies say where something is rounded, against the reference.
#include <gtest/gtest.h>

#include <limits>

#include "backends/cpu/isa.hpp"
#include "backends/cpu/tactic_check.hpp"
#include "base/tolerance.hpp"
#include "builder/pipeline.hpp"
#include "builder/plan_execution.hpp"
#include "builder/self_check.hpp"
#include "ir/evaluate.hpp"
#include "ir/text.hpp"
#include "ir/text_scanner.hpp"
#include "lower/lower.hpp"
#include "ops/op_list.hpp"
#include "passes/pass_runner.hpp"

namespace strop::cpu {
std::span<const Tactic* const> cpu_tactics();
}

namespace strop {
namespace {

using testing::check_tactics;
using testing::refusals;

constexpr double kWide = 1e-5;    // of f32 results: sums in another order
constexpr double kNarrow = 4e-3;  // of bf16 results: a last bit, where such a sum is rounded

class CpuBf16 : public ::testing::TestWithParam<cpu::Isa> {
 protected:
  void SetUp() override {
    cpu::limit_isa(GetParam());
    if (cpu::isa() != GetParam()) GTEST_SKIP() << "this processor has no such instructions";
  }
  void TearDown() override { cpu::limit_isa(cpu::Isa::avx512_bf16); }

  struct Product {
    std::string op;     // with attributes: "conv{group=2}"
    std::string x, w;   // shapes
    std::string bias;   // shape; empty: none
    std::string steps;  // from %p on, which is the product, to %q
    std::string more;   // operands of the steps: ", %r: bf16[2,3]"
  };

  static std::string names_of(const std::string& operands) {
    std::string out;
    for (std::size_t at = operands.find('%'); at != std::string::npos; at = operands.find('%', at))
      out += ", " + operands.substr(at, operands.find(':', at) - at), ++at;
    return out;
  }

  static std::string graph(const Product& product, bool narrow_x, bool narrow_y) {
    const std::string x = std::string(narrow_x ? "bf16[" : "f32[") + product.x + "]";
    const std::string w = "bf16[" + product.w + "]";
    const bool has_bias = !product.bias.empty();
    const std::string bias = has_bias ? ", %const_b: f32[" + product.bias + "]" : "";
    std::string body = narrow_x ? "%xr = cast(%x) " : "%xn = cast{to=bf16}(%x) %xr = cast(%xn) ";
    body += "%wr = cast(%const_w) ";
    body += "%p = " + product.op + "(%xr, %wr" + (has_bias ? ", %const_b" : "") + ") ";
    body += product.steps.empty() ? "" : product.steps + " ";
    const std::string last = product.steps.empty() ? "%p" : "%q";
    if (narrow_y) body += "%y = cast{to=bf16}(" + last + ") ";
    const std::string operands = "%x: " + x + ", %const_w: " + w + bias + product.more;
    return "graph main(" + operands + ") -> (%y) { %y = fused{kind=\"bf16\"}(%x, %const_w" +
           (has_bias ? ", %const_b" : "") + names_of(product.more) + ") body graph body(" +
           operands + ") -> (" + (narrow_y ? "%y" : last) + ") { " + body + "} }";
  }

  static void check(const Product& product, const std::string& tactic,
                    const std::vector<SymbolValues>& sizes = {}) {
    for (const bool narrow_x : {false, true}) {
      for (const bool narrow_y : {false, true}) {
        check_tactics(graph(product, narrow_x, narrow_y), {tactic},
                      {.sizes = sizes, .tolerance = narrow_y ? kNarrow : kWide});
      }
    }
  }
  static void matmul(const Product& product, const std::vector<SymbolValues>& sizes = {}) {
    check(product, "matmul_cpu_bf16", sizes);
  }
  static void conv(const Product& product, const std::vector<SymbolValues>& sizes = {}) {
    check(product, "conv_cpu_bf16@nhwc", sizes);
  }
};

TEST_P(CpuBf16, matrix_products_at_sizes_that_cut_tiles_panels_slices_and_blocks) {
  matmul({"matmul", "M,70", "70,130", "", "", ""},
         {{{"M", 1}}, {{"M", 7}}, {{"M", 0}}, {{"M", 300}}});
  matmul({"matmul", "B,M,7001", "7001,33", "", "", ""},
         {{{"B", 2}, {"M", 5}}, {{"B", 1}, {"M", 20}}});
  matmul({"matmul", "3,1", "1,1", "", "", ""});
}

TEST_P(CpuBf16, matrix_products_with_bias_residuals_and_functions) {
  matmul({"gemm{trans_b=true}", "5,7", "90,7", "90", "", ""});
  for (const char* residual : {"bf16[2,5,90]", "f32[2,5,90]", "f32[5,1]", "f32[]"}) {
    for (const char* function : {"relu", "gelu"}) {
      matmul({"matmul", "2,5,300", "300,90", "",
              std::string("%s = binary(%const_v, %p) ") +
                  (*residual == 'b' ? "%rr = cast(%r) %t = binary(%s, %rr) "
                                    : "%t = binary(%s, %r) ") +
                  "%q = unary{function=\"" + function + "\"}(%t)",
              std::string(", %const_v: f32[90], %r: ") + residual});
    }
  }
  // Two residuals, and a clip.
  matmul({"matmul", "5,30", "30,20", "",
          "%rr = cast(%r) %s = binary(%p, %rr) %t = binary(%s, %u) %q = clip(%t, %const_l)",
          ", %r: bf16[5,20], %u: f32[5,20], %const_l: f32[]"});
}

TEST_P(CpuBf16, convolutions_of_taps_and_lines) {
  conv({"conv{pads=[1, 1, 1, 1]}", "N,20,H,9", "70,20,3,3", "70", "", ""},
       {{{"N", 1}, {"H", 7}}, {{"N", 2}, {"H", 12}}, {{"N", 0}, {"H", 7}}});
  conv({"conv{strides=[2, 2], pads=[3, 3, 3, 3]}", "1,3,23,24", "16,3,7,7", "16", "%q = unary(%p)",
        ""});
  conv({"conv", "1,33,5,6", "130,33,1,1", "", "", ""});
  conv({"conv{strides=[2], dilations=[2], pads=[2, 1]}", "2,5,31", "6,5,3", "6", "", ""});
  conv({"conv{group=3, pads=[0, 1, 1, 0], auto_pad=\"explicit_pads\"}", "1,21,6,7", "36,7,2,2",
        "36", "", ""});
  // Sums in slices: within a tap, and of whole taps.
  conv({"conv", "1,7001,2,3", "5,7001,1,1", "5", "%q = unary(%p)", ""});
  conv({"conv{pads=[1, 1, 1, 1]}", "1,999,4,5", "20,999,3,3", "20",
        "%q = unary{function=\"silu\"}(%p)", ""});
}

TEST_P(CpuBf16, depthwise_convolutions) {
  conv({"conv{group=75, pads=[1, 1, 1, 1]}", "2,75,6,9", "75,1,3,3", "75", "%q = unary(%p)", ""});
  conv({"conv{group=64, strides=[2, 2]}", "1,64,9,9", "64,1,5,5", "",
        "%q = unary{function=\"hard_swish\"}(%p)", ""});
}

TEST_P(CpuBf16, convolutions_with_residuals) {
  conv({"conv", "2,16,5,6", "40,16,1,1", "40", "%rr = cast(%r) %s = binary(%rr, %p) %q = unary(%s)",
        ", %r: bf16[2,40,5,6]"});
  conv({"conv", "2,16,5,6", "40,16,1,1", "40",
        "%s = binary(%r, %p) %q = unary{function=\"silu\"}(%s)", ", %r: f32[2,40,5,6]"});
  conv({"conv", "2,16,5,6", "40,16,1,1", "40", "%q = binary{function=\"mul\"}(%p, %r)",
        ", %r: f32[2,40,1,1]"});
}

// What lies beyond a run of an odd number of elements takes no part, whatever it is.
TEST_P(CpuBf16, odd_runs_read_nothing_beyond_them) {
  Tensor x = Tensor::allocate(DType::bf16, {1, 3, 1, 4});
  for (std::int64_t i = 0; i < x.size(); ++i)
    x.mutable_values<bfloat16>()[static_cast<std::size_t>(i)] = bfloat16(static_cast<float>(i));
  // Channels last: pixel 1's first channel follows pixel 0's last.
  x.mutable_values<bfloat16>()[1] = bfloat16(std::numeric_limits<float>::quiet_NaN());
  check_tactics(graph({"conv", "1,3,1,4", "2,3,1,1", "", "", ""}, true, false),
                {"conv_cpu_bf16@nhwc"}, {.inputs = {x}, .tolerance = kWide});
}

TEST_P(CpuBf16, casts_and_maxima) {
  for (const char* shape : {"3,5,7,9", "N,130", ""}) {
    for (const char* types : {"f32", "bf16"}) {
      const bool narrows = std::string(types) == "f32";
      check_tactics("graph main(%x: " + std::string(types) + "[" + shape +
                        "]) -> (%y) { %y = " + (narrows ? "cast{to=bf16}(%x) }" : "cast(%x) }"),
                    {"cast_cpu"}, {.sizes = {{{"N", 5}}, {{"N", 0}}}, .tolerance = 0});
    }
  }
  check_tactics(
      "graph main(%x: bf16[2,35,9,8]) -> (%y) "
      "{ %y = pool{kernel=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]}(%x) }",
      {"pool_cpu@nhwc"}, {.tolerance = 0});
}

TEST_P(CpuBf16, numbers_that_are_none_and_without_end) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> values = {inf,     -inf,     nan,         -nan,        0.0f,  -0.0f,
                                     3.4e38f, -3.4e38f, 1.00390625f, 1.01171875f, -2.5f, 1e30f};
  const Tensor wide = Tensor::from<float>({12}, values);
  check_tactics("graph main(%x: f32[12]) -> (%y) { %y = cast{to=bf16}(%x) }", {"cast_cpu"},
                {.inputs = {wide}, .tolerance = 0});
  Tensor narrow = Tensor::allocate(DType::bf16, {1, 1, 2, 12});
  for (std::size_t i = 0; i < 24; ++i)
    narrow.mutable_values<bfloat16>()[i] = bfloat16(values[(i * 7) % 12]);
  check_tactics(
      "graph main(%x: bf16[1,1,2,12]) -> (%y) { %y = pool{kernel=[2, 3], pads=[0, 1, 0, 1]}(%x) }",
      {"pool_cpu@nhwc"}, {.inputs = {narrow}, .tolerance = 0});
}

TEST_P(CpuBf16, refuses_bodies_that_round_elsewhere) {
  const auto reason = [](const std::string& body, const std::string& w = "bf16") {
    const std::string operands = "%x: f32[5,7], %const_w: " + w + "[7,9]";
    const std::string all =
        refusals("graph main(" + operands + ") -> (%y) { %y = fused{kind=\"\"}(%x, %const_w) " +
                 "body graph body(" + operands + ") -> (%y) { " + body + " } }");
    const std::size_t at = all.find("matmul_cpu_bf16: ");
    return at == std::string::npos ? all : all.substr(at + 17, all.find(';', at) - at - 17);
  };
  EXPECT_EQ(reason("%w = cast(%const_w) %y = matmul(%x, %w)"),
            "its operands are not rounded to bf16");
  EXPECT_EQ(reason("%a = cast{to=f16}(%x) %b = cast(%a) %w = cast(%const_w) %y = matmul(%b, %w)"),
            "its operands are not rounded to bf16");
  EXPECT_EQ(reason("%a = cast{to=bf16}(%x) %b = cast(%a) %y = matmul(%b, %const_w)", "f32"),
            "its operands are not rounded to bf16");
  EXPECT_EQ(reason("%a = cast{to=bf16}(%x) %b = cast(%a) %w = cast(%const_w) %p = matmul(%b, %w) "
                   "%q = cast{to=bf16}(%p) %r = cast(%q) %y = unary(%r)"),
            "its body is not a chain");
  EXPECT_EQ(reason("%a = cast{to=bf16}(%x) %b = cast(%a) %w = cast(%const_w) %p = matmul(%b, %w) "
                   "%q = cast{to=bf16}(%p) %y = cast(%q)"),
            "it rounds something within");
}

// A small network: stem, maxima, a block with a residual, a depthwise one, mean, and a classifier.
constexpr const char* kNetwork = R"(graph main(%x: f32[N,3,24,20]) -> (%y) {
  const %w0 = @0
  const %w1 = @1
  const %w2 = @2
  const %w3 = @3
  const %w4 = @4
  const %axes = i64[2]{2, 3}
  const %shape = i64[2]{0, -1}
  %a = conv{strides=[2, 2], pads=[1, 1, 1, 1]}(%x, %w0)
  %b = unary(%a)
  %c = pool{kernel=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]}(%b)
  %d = conv{pads=[1, 1, 1, 1]}(%c, %w1)
  %e = unary{function="silu"}(%d)
  %f = conv(%e, %w2)
  %g = binary(%f, %c)
  %h = unary(%g)
  %i = concat{axis=1}(%h, %c)
  %j = conv{group=32, pads=[1, 1, 1, 1]}(%i, %w3)
  %k = reduce{function="mean"}(%j, %axes)
  %l = reshape(%k, %shape)
  %y = matmul(%l, %w4)
})";

TEST_P(CpuBf16, a_network_from_passes_to_results) {
  const std::vector<Shape> weights = {
      {16, 3, 3, 3}, {16, 16, 3, 3}, {16, 16, 1, 1}, {32, 1, 3, 3}, {32, 10}};
  const Graph model = parse_graph(kNetwork, find_op, [&](std::size_t i) {
    return random_tensor(DType::f32, weights.at(i), i + 1);
  });
  Graph graph = model.clone();
  run_passes(graph, default_passes(), Target{.backend = "cpu", .operands = DType::bf16}, {});
  LowerOptions options;
  options.tactics = cpu::cpu_tactics();
  options.sample = {{"N", 2}};
  LowerReport report;
  const Plan plan = lower(graph, options, report);
  for (const NodeReport& entry : report.nodes) {
    EXPECT_NE(entry.op, "cast") << entry.node;
    EXPECT_NE(entry.backend, "reference") << entry.node << " " << entry.op;
    if (entry.op == "fused") {
      EXPECT_NE(entry.tactic.find("_bf16"), std::string::npos) << entry.node << entry.tactic;
    }
  }
  BuildConfig config;
  config.verify = Verify::always;
  const SelfCheckReport verdict = check_engine(graph, plan, options, options.sample, config);
  EXPECT_TRUE(verdict.done);
  EXPECT_EQ(verdict.note, "");

  PlanExecution execution(plan, 2);
  const Tensor x = random_tensor(DType::f32, {2, 3, 24, 20}, 9);
  execution.bind(std::vector<Tensor>{x});
  execution.run();
  const Tensor got = execution.outputs().at(0);
  const Tensor exact = evaluate_graph(model, std::vector<Datum>{x}).at(0).tensor();
  EXPECT_LE(compare(got, exact, 1).largest_relative, 0.02);
  EXPECT_GT(compare(got, exact, 0).largest_relative, 1e-5) << "nothing was rounded";
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, CpuBf16,
                         ::testing::Values(cpu::Isa::generic, cpu::Isa::avx2, cpu::Isa::avx512,
                                           cpu::Isa::avx512_bf16),
                         [](const auto& info) {
                           return "isa" + std::to_string(static_cast<int>(info.param));
                         });

}  // namespace
}  // namespace strop
