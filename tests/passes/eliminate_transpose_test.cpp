// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

TEST(EliminateTranspose, merges_through_products_sums_and_joined_axes) {
  const std::string head = "graph main(%x: f32[B,2,L,4], %w: f32[8,3]) -> (%y) {\n";
  check_pass(eliminate_transpose(), head + R"(
               const %c = f32[3]{1, 2, 3}
               const %join = i64[3]{0, 0, 8}
               %a = transpose{perm=[2, 0, 1, 3]}(%x)
               %r = reshape(%a, %join)
               %m = matmul(%r, %w)
               %s = binary(%c, %m)
               %u = unary{function="neg"}(%s)
               %y = transpose{perm=[1, 0, 2]}(%u)
             })",
             head + R"(
               const %c = f32[3]{1, 2, 3}
               const %constant_11 = i64[3]{0, 0, 8}
               %transpose_10 = transpose{perm=[0, 2, 1, 3]}(%x)
               %reshape_12 = reshape(%transpose_10, %constant_11)
               %matmul_13 = matmul(%reshape_12, %w)
               %binary_14 = binary(%c, %matmul_13)
               %y = unary{function="neg"}(%binary_14)
             })");
  check_pass(eliminate_transpose(),
             "graph main(%x: f32[B,L,4], %w: f32[4,3]) -> (%y) { %a = transpose{perm=[1, 0, 2]}(%x)"
             " %m = matmul(%a, %w) %y = transpose{perm=[1, 0, 2]}(%m) }",
             "graph main(%x: f32[B,L,4], %w: f32[4,3]) -> (%y) { %y = matmul(%x, %w) }");
}

TEST(EliminateTranspose, leaves_what_does_not_work_by_rows_or_is_read_elsewhere) {
  const auto unchanged = [](const std::string& between, const std::string& perm = "1, 0, 2",
                            const std::string& outputs = "%y") {
    check_unchanged(eliminate_transpose(),
                    "graph main(%x: f32[L,L,4], %w: f32[4,4], %b: f32[L,4,4], %e: f32[4]) -> (" +
                        outputs + ") {\nconst %two = f32[1,4]{1, 2, 3, 4}\n%a = transpose{perm=[" +
                        perm + "]}(%x)\n" + between + "\n%y = transpose{perm=[1, 0, 2]}(%m) }",
                    {.symbols = {{"L", 4}}});
  };
  unchanged("%m = matmul(%a, %b)");
  unchanged("%m = matmul(%w, %a)");
  unchanged("%m = binary(%a, %e)");
  unchanged("%m = binary(%a, %two)");
  unchanged("%m = softmax{axis=1}(%a)");
  unchanged("%m = matmul(%a, %w)", "1, 0, 2", "%y, %m");
  unchanged("%m = matmul(%a, %w)", "1, 0, 2", "%y, %a");
  // The last transpose moves the axis of rows.
  check_unchanged(eliminate_transpose(),
                  "graph main(%x: f32[B,L,4], %w: f32[4,3]) -> (%y) { %a = transpose{perm=[1, 0, "
                  "2]}(%x) %m = matmul(%a, %w) %y = transpose{perm=[1, 2, 0]}(%m) }");
}

// Heads of one product over rows that come first, as exporters write them.
std::string rows_first(const std::string& outputs, const std::string& product,
                       const std::string& source) {
  std::string out = "graph main(%x: f32[B,5,4], %w: f32[4,24]) -> (" + outputs + R"() {
      const %c = f32[24]{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3}
      const %zero = i64[1]{0} const %three = i64[1]{3}
      const %i0 = i64[]{0} const %i1 = i64[]{1} const %i2 = i64[]{-1}
      )" + product + R"(
      %thirds = dims{values=[5, B, 3, 8]}() %joined = dims{values=[5, 2*B, 4]}()
      %heads = dims{values=[B, 2, 5, 4]}()
      %r = reshape()" +
                    source + R"(, %thirds)
      %e = unsqueeze(%r, %zero) %t = transpose{perm=[3, 1, 2, 0, 4]}(%e) %z = squeeze(%t, %three)
      )";
  for (const std::string i : {"0", "1", "2"}) {
    out += "%g" + i + " = gather(%z, %i" + i + ") %j" + i + " = reshape(%g" + i + ", %joined) %p" +
           i + " = transpose{perm=[1, 0, 2]}(%j" + i + ") %h" + i + " = reshape(%p" + i +
           ", %heads)\n";
  }
  return out + "%y = attention(%h0, %h1, %h2) }";
}

TEST(EliminateTranspose, cuts_heads_out_of_rows_as_they_came) {
  const std::string product =
      "%a = transpose{perm=[1, 0, 2]}(%x) %m = matmul(%a, %w) %s = binary(%c, %m)";
  std::string expected = R"(graph main(%x: f32[B,5,4], %w: f32[4,24]) -> (%y) {
      const %c = f32[24]{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3}
      )";
  const auto head = [](int first, const std::string& name, int start) {
    const auto n = [&](int i) { return std::to_string(first + i); };
    return "const %constant_" + n(0) + " = i64[1]{" + std::to_string(start) + "} const %constant_" +
           n(1) + " = i64[1]{" + std::to_string(start + 8) + "} const %constant_" + n(2) +
           " = i64[1]{2} const %constant_" + n(4) + " = i64[4]{0, 0, 2, 4}\n%slice_" + n(3) +
           " = slice(%binary_32, %constant_" + n(0) + ", %constant_" + n(1) + ", %constant_" +
           n(2) + ") %reshape_" + n(5) + " = reshape(%slice_" + n(3) + ", %constant_" + n(4) +
           ") %" + name + " = transpose{perm=[0, 2, 1, 3]}(%reshape_" + n(5) + ")\n";
  };
  expected += "%matmul_31 = matmul(%x, %w) %binary_32 = binary(%c, %matmul_31)\n" +
              head(33, "h0", 0) + head(40, "h1", 8) + head(47, "h2", 16) +
              "%y = attention(%h0, %h1, %h2) }";
  check_pass(eliminate_transpose(), rows_first("%y", product, "%s"), expected);
  // Columns that somebody else reads, and rows that were never the other way round.
  check_unchanged(eliminate_transpose(), rows_first("%y, %s", product, "%s"));
  check_unchanged(eliminate_transpose(),
                  rows_first("%y",
                             "const %n = i64[3]{5, -1, 4} %a = reshape(%x, %n) %s = "
                             "matmul(%a, %w)",
                             "%s"));
}

}  // namespace
}  // namespace strop
