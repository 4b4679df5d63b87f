// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include <algorithm>
#include <random>

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;
using testing::PassCheck;

const PassCheck kRounded{.symbols = {{"B", 2}, {"S", 5}}, .tolerance = 1e-6};

std::string einsum(const std::string& types, const std::string& equation,
                   const std::string& operands) {
  return "graph main(" + types + ") -> (%y) {\n%y = einsum{equation=\"" + equation + "\"}(" +
         operands + ") }";
}

TEST(RewriteEinsum, moves_and_sums_of_one_operand) {
  check_pass(rewrite_einsum(), einsum("%x: f32[B,3,4]", "bij->jbi", "%x"),
             R"(graph main(%x: f32[B,3,4]) -> (%y) { %y = transpose{perm=[2, 0, 1]}(%x) })");
  check_pass(rewrite_einsum(), einsum("%x: f32[B,3,4]", "bij->jbi", "%x"),
             R"(graph main(%x: f32[B,3,4]) -> (%y) { %y = transpose{perm=[2, 0, 1]}(%x) })",
             {.symbols = {{"B", 0}}, .target = {.precise = true}});
  check_pass(rewrite_einsum(), einsum("%x: f32[B,3,4]", "bij->jb", "%x"),
             R"(graph main(%x: f32[B,3,4]) -> (%y) {
                  const %constant_2 = i64[1]{1}
                  %reduce_3 = reduce{keep_dims=false}(%x, %constant_2)
                  %y = transpose{perm=[1, 0]}(%reduce_3) })",
             kRounded);
}

TEST(RewriteEinsum, an_identity_is_its_operand) {
  check_pass(rewrite_einsum(), R"(graph main(%x: f32[B,3]) -> (%y, %e) {
                  %e = einsum{equation="..."}(%x) %y = unary(%e) })",
             R"(graph main(%x: f32[B,3]) -> (%y, %x "e") { %y = unary(%x) })");
}

TEST(RewriteEinsum, what_one_operand_sums_by_itself_goes_first) {
  check_pass(rewrite_einsum(), einsum("%a: f32[B,3], %b: f32[B]", "ij,i->i", "%a, %b"),
             R"(graph main(%a: f32[B,3], %b: f32[B]) -> (%y) {
                  const %constant_3 = i64[1]{1}
                  %reduce_4 = reduce{keep_dims=false}(%a, %constant_3)
                  %y = binary{function="mul"}(%reduce_4, %b) })",
             kRounded);
}

TEST(RewriteEinsum, attention_as_jax_writes_it) {
  check_pass(rewrite_einsum(),
             einsum("%q: f32[B,S,3,4], %k: f32[B,T,3,4]", "bqhd,bkhd->bhqk", "%q, %k"),
             R"(graph main(%q: f32[B,S,3,4], %k: f32[B,T,3,4]) -> (%y) {
                  %transpose_3 = transpose{perm=[0, 2, 1, 3]}(%q)
                  %transpose_4 = transpose{perm=[0, 2, 3, 1]}(%k)
                  %y = matmul(%transpose_3, %transpose_4) })",
             kRounded);
  check_pass(rewrite_einsum(),
             einsum("%p: f32[B,3,S,T], %v: f32[B,T,3,4]", "bhqk,bkhd->bqhd", "%p, %v"),
             R"(graph main(%p: f32[B,3,S,T], %v: f32[B,T,3,4]) -> (%y) {
                  %transpose_3 = transpose{perm=[0, 2, 1, 3]}(%v)
                  %matmul_4 = matmul(%p, %transpose_3)
                  %y = transpose{perm=[0, 2, 1, 3]}(%matmul_4) })",
             kRounded);
}

TEST(RewriteEinsum, projections_of_heads) {
  check_pass(rewrite_einsum(), einsum("%x: f32[B,S,6], %w: f32[6,3,4]", "bsd,dhk->bshk", "%x, %w"),
             R"(graph main(%x: f32[B,S,6], %w: f32[6,3,4]) -> (%y) {
                  const %constant_3 = i64[2]{6, 12}
                  %reshape_4 = reshape(%w, %constant_3)
                  %matmul_5 = matmul(%x, %reshape_4)
                  const %constant_6 = i64[4]{0, 0, 3, 4}
                  %y = reshape(%matmul_5, %constant_6) })",
             kRounded);
  // Back: two letters are summed. The constant comes first and is the second factor all the same.
  check_pass(rewrite_einsum(), R"(graph main(%x: f32[B,S,2,2]) -> (%y) {
                  const %w = f32[2,2,1]{1, 2, 3, 4}
                  %y = einsum{equation="hkd,...hk->...d"}(%w, %x) })",
             R"(graph main(%x: f32[B,S,2,2]) -> (%y) {
                  const %w = f32[2,2,1]{1, 2, 3, 4}
                  const %constant_3 = i64[3]{0, 0, 4}
                  %reshape_4 = reshape(%x, %constant_3)
                  const %constant_5 = i64[2]{4, 1}
                  %reshape_6 = reshape(%w, %constant_5)
                  %y = matmul(%reshape_4, %reshape_6) })",
             kRounded);
}

TEST(RewriteEinsum, a_bias_of_heads_goes_to_the_product_and_a_factor_behind_the_transpose) {
  check_pass(rewrite_einsum(), R"(graph main(%x: f32[B,S,2], %k: f32[B,T,3,1]) -> (%y) {
                  const %w = f32[2,3,1]{1, 2, 3, 4, 5, 6}
                  const %b = f32[3,1]{7, 8, 9}
                  const %s = f32[]{0.5}
                  %p = einsum{equation="bsd,dhk->bshk"}(%x, %w)
                  %q = binary(%p, %b)
                  %scaled = binary{function="mul"}(%q, %s)
                  %y = einsum{equation="bqhd,bkhd->bhqk"}(%scaled, %k) })",
             R"(graph main(%x: f32[B,S,2], %k: f32[B,T,3,1]) -> (%y) {
                  const %w = f32[2,3,1]{1, 2, 3, 4, 5, 6}
                  const %s = f32[]{0.5}
                  const %constant_9 = i64[2]{2, 3}
                  %reshape_10 = reshape(%w, %constant_9)
                  %matmul_11 = matmul(%x, %reshape_10)
                  const %constant_12 = f32[3]{7, 8, 9}
                  %binary_13 = binary(%matmul_11, %constant_12)
                  const %constant_14 = i64[4]{0, 0, 3, 1}
                  %q = reshape(%binary_13, %constant_14)
                  %transpose_16 = transpose{perm=[0, 2, 1, 3]}(%q)
                  %binary_17 = binary{function="mul"}(%transpose_16, %s)
                  %transpose_18 = transpose{perm=[0, 2, 3, 1]}(%k)
                  %y = matmul(%binary_17, %transpose_18) })",
             kRounded);
}

TEST(RewriteEinsum, rows_or_columns_that_are_not_there) {
  check_pass(rewrite_einsum(), einsum("%a: f32[B,4], %b: f32[B,4]", "bi,bi->b", "%a, %b"),
             R"(graph main(%a: f32[B,4], %b: f32[B,4]) -> (%y) {
                  const %constant_3 = i64[3]{0, 1, 4}
                  %reshape_4 = reshape(%a, %constant_3)
                  const %constant_5 = i64[3]{0, 4, 1}
                  %reshape_6 = reshape(%b, %constant_5)
                  %matmul_7 = matmul(%reshape_4, %reshape_6)
                  const %constant_8 = i64[1]{0}
                  %y = reshape(%matmul_7, %constant_8) })",
             kRounded);
  check_pass(rewrite_einsum(), einsum("%a: f32[4], %b: f32[3,4]", "i,ji", "%a, %b"),
             R"(graph main(%a: f32[4], %b: f32[3,4]) -> (%y) {
                  const %constant_3 = i64[2]{1, 4}
                  %reshape_4 = reshape(%a, %constant_3)
                  %transpose_5 = transpose{perm=[1, 0]}(%b)
                  %matmul_6 = matmul(%reshape_4, %transpose_5)
                  const %constant_7 = i64[1]{3}
                  %y = reshape(%matmul_6, %constant_7) })",
             kRounded);
}

TEST(RewriteEinsum, other_types_and_batches_of_none) {
  for (const std::string type : {"i32", "i64", "f16"}) {
    const std::string types = "%a: " + type + "[B,3,4], %b: " + type + "[B,4,5]";
    for (const std::int64_t batch : {0, 2}) {
      check_pass(rewrite_einsum(), einsum(types, "...hi,...ij->...hj", "%a, %b"),
                 "graph main(" + types + ") -> (%y) { %y = matmul(%a, %b) }",
                 {.symbols = {{"B", batch}}});
    }
  }
  // Sizes that could not be told apart from each other where B is 0.
  check_unchanged(rewrite_einsum(), einsum("%a: f32[B,I], %b: f32[B,J]", "bi,bj->bij", "%a, %b"),
                  {.symbols = {{"B", 0}}});
}

TEST(RewriteEinsum, products_without_a_sum) {
  check_pass(rewrite_einsum(), einsum("%a: f32[B,3], %b: f32[4,B]", "bi,jb->bij", "%a, %b"),
             R"(graph main(%a: f32[B,3], %b: f32[4,B]) -> (%y) {
                  const %constant_3 = i64[3]{0, 3, 1}
                  %reshape_4 = reshape(%a, %constant_3)
                  %transpose_5 = transpose{perm=[1, 0]}(%b)
                  const %constant_6 = i64[3]{0, 1, 4}
                  %reshape_7 = reshape(%transpose_5, %constant_6)
                  %y = binary{function="mul"}(%reshape_4, %reshape_7) })");
}

// Equations of up to four letters an operand, with an ellipsis or without, sizes known and open.
TEST(RewriteEinsum, any_equation_gives_the_same) {
  std::mt19937 random(7);
  const auto any = [&](int count) {
    return static_cast<int>(random() % static_cast<unsigned>(count));
  };
  const std::string sizes[] = {"2", "3", "K", "1", "B"};  // of letters a, b, ...
  int rewritten = 0;
  for (int number = 0; number < 400; ++number) {
    std::string equation, types, names, all;
    const bool ellipsis = any(4) == 0;
    const int operands = 1 + (any(4) > 0 ? 1 : 0);
    for (int operand = 0; operand < operands; ++operand) {
      std::string letters = "abcde";
      std::shuffle(letters.begin(), letters.end(), random);
      letters.resize(static_cast<std::size_t>(1 + any(4)));
      std::string shape = ellipsis ? "B,2" : "";
      for (const char letter : letters) {
        shape += (shape.empty() ? "" : ",") + sizes[letter - 'a'];
        if (all.find(letter) == std::string::npos) all += letter;
      }
      const std::string name = "%x" + std::to_string(operand);
      equation += (operand == 0 ? "" : ",") + std::string(ellipsis ? "..." : "") + letters;
      types += (operand == 0 ? "" : ", ") + name + ": f32[" + shape + "]";
      names += (operand == 0 ? "" : ", ") + name;
    }
    std::shuffle(all.begin(), all.end(), random);
    all.resize(all.size() - static_cast<std::size_t>(any(static_cast<int>(all.size()) + 1)));
    equation += "->" + std::string(ellipsis ? "..." : "") + all;
    SCOPED_TRACE(equation + " of " + types);
    const Graph original = testing::parse_test_graph(einsum(types, equation, names));
    Graph graph = original.clone();
    const Pass pass = rewrite_einsum();
    rewritten += run_passes(graph, {&pass, 1}, {})[0].rewrites;
    verify(graph);
    for (const std::int64_t batch : {0, 2}) {
      testing::expect_same_results(original, graph,
                                   {.symbols = {{"B", batch}, {"K", 4}}, .tolerance = 1e-5});
    }
  }
  EXPECT_GT(rewritten, 200);
}

TEST(RewriteEinsum, leaves_what_has_no_product) {
  check_unchanged(rewrite_einsum(), einsum("%x: f32[4,4]", "ii->i", "%x"));
  check_unchanged(rewrite_einsum(), einsum("%a: f16[2,3], %b: f16[2]", "ij,i->i", "%a, %b"));
  check_unchanged(rewrite_einsum(), einsum("%a: f32[1,3], %b: f32[2,3]", "ij,ij->i", "%a, %b"));
  check_unchanged(rewrite_einsum(),
                  einsum("%a: f32[2,3], %b: f32[3,4], %c: f32[4,5]", "ij,jk,kl->il", "%a, %b, %c"));
  check_unchanged(rewrite_einsum(), einsum("%a: f32[2,3], %b: f32[3,4]", "ij,jk->ik", "%a, %b"),
                  {.target = {.precise = true}});
}

}  // namespace
}  // namespace strop
