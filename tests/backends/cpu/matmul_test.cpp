// SPDX-License-Identifier: Apache-2.0
#include <functional>

#include "backends/cpu/isa.hpp"
#include "backends/cpu/onednn_library.hpp"
#include "backends/cpu/tactic_check.hpp"

namespace strop {
namespace {

using testing::check_tactics;
using testing::refusals;

class CpuMatmul : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cpu::onednn_available()) GTEST_SKIP() << cpu::onednn_description();
  }
  void check(const std::string& a, const std::string& b,
             const std::vector<SymbolValues>& sizes = {}) {
    check_tactics(
        "graph main(%a: f32[" + a + "], %b: f32[" + b + "]) -> (%y) { %y = matmul(%a, %b) }",
        {"matmul_onednn"}, {.sizes = sizes});
  }
  void gemm(const std::string& head, const std::string& attributes, const std::string& operands) {
    check_tactics(
        "graph main(" + head + ") -> (%y) { %y = gemm" + attributes + "(" + operands + ") }",
        {"matmul_onednn"});
  }
};

TEST_F(CpuMatmul, agrees_for_matrices_vectors_and_batches) {
  check("5,7", "7,3");
  check("7", "7,3");
  check("5,7", "7");
  check("7", "7");
  check("2,3,5,7", "7,4");
  check("2,1,5,7", "3,7,4");
  check("5,7", "2,3,7,4");
  check("7", "2,7,4");
  check("2,5,7", "7");
  check("1,1", "1,1");
}

TEST_F(CpuMatmul, agrees_at_sizes_that_change_and_on_empty_tensors) {
  check("N,M,16", "16,24", {{{"N", 2}, {"M", 5}}, {{"N", 0}, {"M", 5}}, {{"N", 1}, {"M", 33}}});
  check("M,K", "K,8", {{{"M", 3}, {"K", 4}}, {{"M", 3}, {"K", 0}}, {{"M", 2}, {"K", 9}}});
}

TEST_F(CpuMatmul, adds_bias_and_epilogue_to_an_empty_sum) {
  gemm("%a: f32[5,0], %const_b: f32[0,9], %c: f32[9]", "", "%a, %const_b, %c");
  gemm("%a: f32[0,5], %b: f32[9,0], %c: f32[5,9]", "{trans_a=true, trans_b=true}", "%a, %b, %c");
}

TEST_F(CpuMatmul, agrees_with_constant_weights_bias_and_transposes) {
  check_tactics(
      "graph main(%a: f32[M,64], %const_b: f32[64,48]) -> (%y) { %y = matmul(%a, %const_b) }",
      {"matmul_onednn"}, {.sizes = {{{"M", 1}}, {{"M", 20}}}});
  for (const char* a : {"0", "1"}) {
    for (const char* b : {"0", "1"}) {
      const std::string attributes = std::string("{trans_a=") + (*a == '1' ? "true" : "false") +
                                     ", trans_b=" + (*b == '1' ? "true" : "false") + "}";
      const std::string head = std::string("%a: f32[") + (*a == '1' ? "7,5" : "5,7") +
                               "], %const_b: f32[" + (*b == '1' ? "9,7" : "7,9") + "]";
      gemm(head, attributes, "%a, %const_b");
      for (const char* bias : {"9", "5,9", "1,9", "5,1", ""}) {
        gemm(head + ", %c: f32[" + bias + "]", attributes, "%a, %const_b, %c");
      }
      gemm(head + ", %const_c: f32[9]", attributes, "%a, %const_b, %const_c");
    }
  }
  gemm("%a: f32[5,7], %b: f32[7,9], %c: f32[1]", "", "%a, %b, %c");
}

TEST_F(CpuMatmul, gives_equal_bytes_on_any_thread_count_where_the_sum_is_long) {
  check("1,4096", "4096,10");
  check("4,2048", "2048,8");
  check_tactics(
      "graph main(%a: f32[1,1024], %const_b: f32[1024,1000]) -> (%y) "
      "{ %y = matmul(%a, %const_b) }",
      {"matmul_onednn"});
}

TEST_F(CpuMatmul, agrees_with_epilogues) {
  for (const char* shape : {"2,5,9", "9", "5,1", "2,1,1", ""}) {
    const std::string head = "%a: f32[2,5,7], %b: f32[7,9], %r: f32[" + std::string(shape) + "]";
    check_tactics("graph main(" + head +
                      ") -> (%y) { %y = fused{kind=\"matmul\"}(%a, %b, %r) body graph body(" +
                      head +
                      ") -> (%y) { %p = matmul(%a, %b) %q = binary(%p, %r) %y = unary(%q) } }",
                  {"matmul_onednn"});
  }
}

TEST_F(CpuMatmul, refuses_what_it_does_not_compute) {
  EXPECT_EQ(
      refusals("graph main(%a: f32[5,7], %b: f32[7,9]) -> (%y) { %y = gemm{alpha=2}(%a, %b) }"),
      "matmul_cpu: it takes no alpha or beta other than 1; "
      "matmul_onednn: it takes no alpha or beta other than 1");
  EXPECT_EQ(refusals("graph main(%a: f16[5,7], %b: f16[7,9]) -> (%y) { %y = matmul(%a, %b) }"),
            "matmul_batch_cpu: it takes f32; "
            "matmul_cpu: its second operand is no constant matrix; "
            "matmul_onednn: input 0 is f16, this tactic is for f32");
}

// Each instruction set that this processor has.
void for_each_isa(const std::function<void()>& body) {
  for (const cpu::Isa isa : {cpu::Isa::generic, cpu::Isa::avx2, cpu::Isa::avx512}) {
    SCOPED_TRACE(static_cast<int>(isa));
    cpu::limit_isa(isa);
    body();
  }
  cpu::limit_isa(cpu::Isa::avx512_bf16);
}

TEST(CpuMatmulTiles, agrees_at_sizes_that_cut_tiles_panels_slices_and_blocks) {
  for_each_isa([] {
    const auto check = [](const std::string& a, const std::string& b,
                          const std::vector<SymbolValues>& sizes) {
      check_tactics("graph main(%a: f32[" + a + "], %const_b: f32[" + b +
                        "]) -> (%y) { %y = matmul(%a, %const_b) }",
                    {"matmul_cpu"}, {.sizes = sizes});
    };
    check("M,70", "70,130", {{{"M", 1}}, {{"M", 7}}, {{"M", 0}}, {{"M", 500}}});
    check("B,M,1100", "1100,33", {{{"B", 2}, {"M", 5}}, {{"B", 1}, {"M", 50}}});
    check("M,1", "1,1", {{{"M", 3}}});
  });
}

TEST(CpuMatmulTiles, agrees_with_transposed_weights_bias_and_epilogues) {
  for_each_isa([] {
    check_tactics(
        "graph main(%a: f32[5,7], %const_b: f32[9,7], %c: f32[9]) -> (%y) "
        "{ %y = gemm{trans_b=true}(%a, %const_b, %c) }",
        {"matmul_cpu"});
    for (const char* shape : {"2,5,90", "90", "5,1", "2,1,1", "1", ""}) {
      for (const char* function : {"relu", "gelu"}) {
        const std::string head =
            "%a: f32[2,5,300], %const_b: f32[300,90], %const_v: f32[90], "
            "%r: f32[" +
            std::string(shape) + "]";
        check_tactics(
            "graph main(" + head +
                ") -> (%y) { %y = fused{kind=\"matmul\"}(%a, %const_b, %const_v, %r) "
                "body graph body(%a: f32[2,5,300], %b: f32[300,90], %v: f32[90], %r: f32[" +
                shape +
                "]) -> (%y) { %p = matmul(%a, %b) %q = binary(%v, %p) %s = binary(%q, %r) "
                "%y = unary{function=\"" +
                function + "\"}(%s) } }",
            {"matmul_cpu"});
      }
    }
  });
}

TEST(CpuMatmulTiles, refuses_what_it_does_not_compute) {
  const auto reason = [](const std::string& head, const std::string& node) {
    const std::string all = refusals("graph main(" + head + ") -> (%y) { %y = " + node + " }");
    return all.substr(0, all.find(';'));
  };
  EXPECT_EQ(reason("%a: f32[7,5], %const_b: f32[7,9]", "gemm{trans_a=true}(%a, %const_b)"),
            "matmul_cpu: its first operand is transposed");
  EXPECT_EQ(reason("%a: f32[5,0], %const_b: f32[0,9]", "matmul(%a, %const_b)"),
            "matmul_cpu: its second operand is empty");
  EXPECT_EQ(reason("%a: f32[5], %const_b: f32[5,9]", "matmul(%a, %const_b)"),
            "matmul_cpu: a 1-D operand");
}

TEST(CpuMatmulTiles, multiplies_matrices_of_which_neither_is_constant) {
  for_each_isa([] {
    check_tactics("graph main(%a: f32[N,3,M,K], %b: f32[N,3,K,C]) -> (%y) { %y = matmul(%a, %b) }",
                  {"matmul_batch_cpu"},
                  {.sizes = {{{"N", 2}, {"M", 7}, {"K", 5}, {"C", 70}},
                             {{"N", 1}, {"M", 1}, {"K", 130}, {"C", 3}},
                             {{"N", 0}, {"M", 4}, {"K", 5}, {"C", 6}},
                             {{"N", 1}, {"M", 33}, {"K", 64}, {"C", 128}}}});
    check_tactics("graph main(%a: f32[9,4], %b: f32[4,5]) -> (%y) { %y = matmul(%a, %b) }",
                  {"matmul_batch_cpu"});
  });
  EXPECT_NE(refusals("graph main(%a: f32[2,9,4], %b: f32[1,4,5]) -> (%y) { %y = matmul(%a, %b) }")
                .find("matmul_batch_cpu: the leading axes of its operands differ"),
            std::string::npos);
}

}  // namespace
}  // namespace strop
