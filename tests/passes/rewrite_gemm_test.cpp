// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include <algorithm>

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

// Rows of [B, 2, 1, 3].
std::string rows(const std::string& gemm, const std::string& type = "f32",
                 const std::string& outputs = "%y") {
  const auto constant = [&](const char* name, const char* shape, const std::string& values) {
    const auto count = static_cast<std::size_t>(std::ranges::count(values, ',')) + 1;
    return "const %" + std::string(name) + " = " + type + shape + "{" +
           (type == "f16" ? "0x" + std::string(4 * count, '0') : values) + "}\n";
  };
  return "graph main(%x: " + type + "[B,2,1,3], %u: " + type + "[2]) -> (" + outputs + ") {\n" +
         constant("w", "[2,3]", "1, 2, 3, 4, 5, 6") + constant("v", "[3,2]", "1, 4, 2, 5, 3, 6") +
         constant("c", "[2]", "7, 8") + constant("m", "[1,2]", "7, 8") +
         "const %flat = i64[2]{-1, 3}\n%rows = reshape(%x, %flat)\n%g = " + gemm +
         "\n%shape = dims{values=[B, 2, 2]}()\n%y = reshape(%g, %shape) }";
}

TEST(RewriteGemm, puts_the_axes_of_the_rows_into_the_product) {
  const std::string head = "graph main(%x: f32[B,2,1,3], %u: f32[2]) -> (%y) {\n";
  check_pass(rewrite_gemm(), rows("gemm{trans_b=true}(%rows, %w, %c)"), head + R"(
               const %c = f32[2]{7, 8}
               const %constant_11 = i64[3]{0, 0, 3}
               const %constant_13 = f32[3,2]{1, 4, 2, 5, 3, 6}
               %reshape_12 = reshape(%x, %constant_11)
               %matmul_14 = matmul(%reshape_12, %constant_13)
               %y = binary(%matmul_14, %c)
             })");
  check_pass(rewrite_gemm(), rows("gemm(%rows, %v)"), head + R"(
               const %v = f32[3,2]{1, 4, 2, 5, 3, 6}
               const %constant_11 = i64[3]{0, 0, 3}
               %reshape_12 = reshape(%x, %constant_11)
               %y = matmul(%reshape_12, %v)
             })");
}

TEST(RewriteGemm, leaves_other_rows_factors_and_biases) {
  check_unchanged(rewrite_gemm(), rows("gemm{alpha=2, trans_b=true}(%rows, %w, %c)"));
  check_unchanged(rewrite_gemm(), rows("gemm{beta=2, trans_b=true}(%rows, %w, %c)"));
  check_unchanged(rewrite_gemm(), rows("gemm{trans_b=true}(%rows, %w, %m)"));
  check_unchanged(rewrite_gemm(), rows("gemm{trans_b=true}(%rows, %w, %u)"));
  check_unchanged(rewrite_gemm(), rows("gemm{trans_b=true}(%rows, %w, %c)", "f32", "%y, %g"));
  // Rounded twice in 16 bits.
  check_unchanged(rewrite_gemm(), rows("gemm{trans_b=true}(%rows, %w, %c)", "f16"),
                  {.target = {.precise = true}});
  // Rows that are not those of x.
  check_unchanged(rewrite_gemm(), R"(graph main(%x: f32[2,2,3]) -> (%y) {
      const %w = f32[3,2]{1, 2, 3, 4, 5, 6}
      const %flat = i64[2]{4, 3} const %to = i64[3]{4, 1, 2}
      %rows = reshape(%x, %flat) %g = gemm(%rows, %w) %y = reshape(%g, %to) })");
}

}  // namespace
}  // namespace strop
