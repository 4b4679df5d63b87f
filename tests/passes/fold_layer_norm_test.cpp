// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_check.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;
using testing::PassCheck;

const Target kHopper{.backend = "cuda", .compute_capability = 90};

// So many numbers as text: 1, 2 and -1 in turns.
std::string numbers(int count) {
  std::string out = "0x";
  for (int i = 0; i < count; ++i) out += i % 3 == 0 ? "003c" : i % 3 == 1 ? "0040" : "00bc";
  return out;
}

const std::string kBefore = "body(%x: f16[N,64,8], %w: f16[8,64], %r: f16[N,64,64]) -> (%a";
const std::string kSum = ") { %p = matmul(%x, %w) %a = binary{function=\"add\"}(%p, %r) ";

// %a is a product with something added; `behind` reads it.
std::string graph_of(
    const std::string& behind, const std::string& outputs = "%y",
    const std::string& a = "%a = fused{kind=\"matmul+add\"}(%x, %w, %r) body graph " + kBefore +
                           kSum + "}\n",
    const std::string& scale = numbers(64)) {
  return "graph main(%x: f16[N,64,8], %r: f16[N,64,64], %v: f16[64,2]) -> (" + outputs +
         ") {\nconst %w = f16[8,64]{" + numbers(512) + "}\nconst %u = f16[64,2]{" + numbers(128) +
         "}\nconst %g = f16[64]{" + scale + "}\n" + a + behind + " }";
}

TEST(FoldLayerNorm, lets_the_products_around_it_sum_and_scale_rows) {
  const std::string relu = "%z = unary{function=\"relu\"}(%a)\n";
  check_pass(
      fold_layer_norm(),
      graph_of("%n = layer_norm{axis=2}(%a, %g)\n" + relu + "%y = matmul(%n, %u)", "%y, %z"),
      graph_of(relu + "%y = fused{kind=\"normalize_by_sums+matmul\"}(%a, %a_sums, %g, %u) "
                      "body graph body(%a: f16[N,64,64], %a_sums: f32[N,64,1,2], %g: f16[64], %u: "
                      "f16[64,2]) -> (%y) { %n = normalize_by_sums(%a, %a_sums, %g) %y = "
                      "matmul(%n, %u) }",
               "%y, %z",
               "%a, %a_sums = fused{kind=\"matmul+add+row_sums\"}(%x, %w, %r) body graph " +
                   kBefore + ", %a_sums" + kSum + "%a_sums = row_sums(%a) }\n"),
      {.tolerance = 1e-3, .target = kHopper});
}

TEST(FoldLayerNorm, leaves_rows_that_others_read) {
  const PassCheck check{.target = kHopper};
  check_unchanged(fold_layer_norm(),
                  graph_of("%n = layer_norm{axis=2}(%a, %g)\n%y = matmul(%n, %u)", "%y, %n"),
                  check);
  check_unchanged(fold_layer_norm(),
                  graph_of("%n = layer_norm{axis=2}(%a, %g)\n%y = matmul(%n, %v)"), check);
}

TEST(FoldLayerNorm, leaves_rows_that_no_product_makes) {
  check_unchanged(fold_layer_norm(),
                  graph_of("%n = layer_norm{axis=2}(%r, %g)\n%y = matmul(%n, %u)", "%y, %a"),
                  {.target = kHopper});
}

TEST(FoldLayerNorm, leaves_other_normalisations) {
  const PassCheck check{.target = kHopper};
  check_unchanged(fold_layer_norm(),
                  graph_of("%n = layer_norm{axis=2, centred=false}(%a, %g)\n%y = matmul(%n, %u)"),
                  check);
  check_unchanged(fold_layer_norm(),
                  graph_of("%n, %m = layer_norm{axis=2}(%a, %g)\n%y = matmul(%n, %u)", "%y, %m"),
                  check);
}

TEST(FoldLayerNorm, leaves_scales_with_which_weights_would_be_infinite) {
  std::string scale = "0x";
  for (int i = 0; i < 64; ++i) scale += "ff7b";
  const std::string sum =
      "%a = fused{kind=\"matmul+add\"}(%x, %w, %r) body graph " + kBefore + kSum + "}\n";
  check_unchanged(
      fold_layer_norm(),
      graph_of("%n = layer_norm{axis=2}(%a, %g)\n%y = matmul(%n, %u)", "%y", sum, scale),
      {.target = kHopper});
}

TEST(FoldLayerNorm, is_for_chips_with_such_a_kernel) {
  const std::string text = graph_of("%n = layer_norm{axis=2}(%a, %g)\n%y = matmul(%n, %u)");
  for (const Target& target :
       {Target{.backend = "cuda", .compute_capability = 80}, Target{.backend = "cpu"},
        Target{.backend = "cuda", .compute_capability = 90, .precise = true}})
    check_unchanged(fold_layer_norm(), text, {.target = target});
}

}  // namespace
}  // namespace strop
