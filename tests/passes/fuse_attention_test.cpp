// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

constexpr const char* kHead =
    "graph main(%q: f32[B,2,L,4], %k: f32[B,L,2,4], %v: f32[B,2,L,3], %b: f32[B,1,1,L]) -> ";

TEST(FuseAttention, takes_scale_bias_and_a_transpose_that_moved_the_heads_as_well) {
  check_pass(fuse_attention(), std::string(kHead) + R"((%y) {
               const %four = f32[]{4}
               %t = transpose{perm=[0, 2, 3, 1]}(%k)
               %s = matmul(%q, %t)
               %c = binary{function="div"}(%s, %four)
               %m = binary(%b, %c)
               %p = softmax{axis=3}(%m)
               %y = matmul(%p, %v)
             })",
             std::string(kHead) + R"((%y) {
               %transpose_11 = transpose{perm=[0, 2, 1, 3]}(%k)
               %y = attention{scale=0.25}(%q, %transpose_11, %v, %b)
             })",
             {.tolerance = 1e-6});
}

TEST(FuseAttention, takes_factors_before_the_product_and_keys_that_were_as_they_are) {
  const std::string head =
      "graph main(%q: f32[B,2,L,4], %k: f32[B,2,M,4], %v: f32[B,2,M,3]) -> (%y) ";
  check_pass(fuse_attention(), head + R"({
               const %half = f32[]{0.5}
               %h = binary{function="mul"}(%half, %q)
               %t = transpose{perm=[0, 1, 3, 2]}(%k)
               %g = binary{function="mul"}(%t, %half)
               %s = matmul(%h, %g)
               %p = softmax{axis=3}(%s)
               %y = matmul(%p, %v)
             })",
             head + "{ %y = attention{scale=0.25}(%q, %k, %v) }",
             {.symbols = {{"M", 5}}, .tolerance = 1e-6});
}

TEST(FuseAttention, transposes_keys_that_come_transposed) {
  const std::string head =
      "graph main(%q: f32[B,2,L,4], %k: f32[B,2,4,L], %v: f32[B,2,L,3]) -> (%y) ";
  check_pass(fuse_attention(),
             head + "{ %s = matmul(%q, %k) %p = softmax{axis=3}(%s) %y = matmul(%p, %v) }",
             head +
                 "{ %transpose_6 = transpose{perm=[0, 1, 3, 2]}(%k) "
                 "%y = attention(%q, %transpose_6, %v) }",
             {.tolerance = 1e-6});
}

// As an exporter writes attention that guards itself against rows of weights that are NaN.
std::string safe_attention(const std::string& outputs, const std::string& zero = "0",
                           const std::string& weights = "%p") {
  return "graph main(%q: f32[B,2,3,4], %k: f32[B,3,2,4], %v: f32[B,2,3,3], %m: bool[B,1,1,3]) -> "
         "(" +
         outputs + R"() {
               const %root = f32[]{0.5}
               const %all = bool[1,1,3,1]{1, 1, 1}
               const %none = f32[1]{0}
               const %hidden = f32[1]{-inf}
               const %zero = f32[1]{)" +
         zero + R"(}
               %a = binary{function="mul"}(%q, %root)
               %t = transpose{perm=[0, 2, 3, 1]}(%k)
               %b = binary{function="mul"}(%t, %root)
               %s = matmul(%a, %b)
               %c = binary{function="logical_and"}(%all, %m)
               %bias = select(%c, %none, %hidden)
               %z = binary(%s, %bias)
               %p = softmax{axis=3}(%z)
               %n = unary{function="is_nan"}(%p)
               %w = select(%n, %zero, )" +
         weights + ") %y = matmul(%w, %v) }";
}

TEST(FuseAttention, takes_guarded_weights_and_narrows_a_bias_of_two_numbers) {
  check_pass(
      fuse_attention(), safe_attention("%y"),
      R"(graph main(%q: f32[B,2,3,4], %k: f32[B,3,2,4], %v: f32[B,2,3,3], %m: bool[B,1,1,3]) -> (%y) {
               const %none = f32[1]{0}
               const %hidden = f32[1]{-inf}
               %transpose_20 = transpose{perm=[0, 2, 1, 3]}(%k)
               %select_21 = select(%m, %none, %hidden)
               %y = attention{scale=0.25, zero_nan=true}(%q, %transpose_20, %v, %select_21)
             })",
      {.tolerance = 1e-6});
  check_unchanged(fuse_attention(), safe_attention("%y", "1"));
  check_unchanged(fuse_attention(), safe_attention("%y, %p"));
  check_unchanged(fuse_attention(), safe_attention("%y, %n"));
  check_unchanged(fuse_attention(), safe_attention("%y", "0", "%z"));
}

TEST(FuseAttention, leaves_what_is_none_or_is_read_elsewhere) {
  const auto unchanged = [](const std::string& inputs, const std::string& outputs,
                            const std::string& nodes) {
    check_unchanged(fuse_attention(),
                    "graph main(" + inputs + ") -> (" + outputs + ") {" + nodes + "}");
  };
  const std::string usual = "%q: f32[B,2,L,4], %k: f32[B,2,4,L], %v: f32[B,2,L,3]";
  const std::string score = "%s = matmul(%q, %k) ", weigh = "%y = matmul(%p, %v)";
  unchanged(usual, "%p, %y", score + "%p = softmax{axis=3}(%s) " + weigh);
  unchanged(usual, "%s, %y", score + "%p = softmax{axis=3}(%s) " + weigh);
  unchanged(usual, "%y", score + "%p = softmax{axis=2}(%s) " + weigh);
  unchanged(usual, "%y", score + "%p = softmax{axis=3, log=true}(%s) " + weigh);
  // Heads that are broadcast, ranks other than 4, a factor after the bias, one that is no number.
  unchanged("%q: f32[B,2,L,4], %k: f32[B,1,4,L], %v: f32[B,2,L,3]", "%y",
            score + "%p = softmax{axis=3}(%s) " + weigh);
  unchanged("%q: f32[B,L,4], %k: f32[B,4,L], %v: f32[B,L,3]", "%y",
            score + "%p = softmax{axis=2}(%s) " + weigh);
  unchanged(usual + ", %b: f32[L]", "%y",
            "const %c = f32[]{2} " + score +
                "%a = binary(%s, %b) %m = binary{function=\"mul\"}(%a, %c) "
                "%p = softmax{axis=3}(%m) " +
                weigh);
  unchanged(usual + ", %c: f32[]", "%y",
            score + "%m = binary{function=\"mul\"}(%s, %c) %p = softmax{axis=3}(%m) " + weigh);
  check_unchanged(
      fuse_attention(),
      "graph main(" + usual + ") -> (%y) {" + score + "%p = softmax{axis=3}(%s) " + weigh + "}",
      {.target = {.precise = true}});
}

TEST(FuseAttentionProjections, joins_the_three_products_of_one_input) {
  const auto graph = [](const std::string& nodes, const std::string& q, const std::string& k,
                        const std::string& v) {
    std::string text =
        "graph main(%x: f32[B,L,2]) -> (%y) {\n"
        "const %s = i64[4]{0, 0, 1, 2}\nconst %u = i64[4]{0, 0, 1, 1}\n" +
        nodes;
    const auto head = [&](const std::string& name, const std::string& from, const char* shape) {
      text += "%" + name + "r = reshape(%" + from + ", %" + shape + ") %" + name +
              "t = transpose{perm=[0, 2, 1, 3]}(%" + name + "r)\n";
    };
    head("q", q, "s");
    head("k", k, "s");
    head("v", v, "u");
    return text + "%y = attention(%qt, %kt, %vt) }";
  };
  const std::string constants =
      "const %wq = f32[2,2]{1, 2, 3, 4}\nconst %wk = f32[2,2]{5, 6, 7, 8}\n"
      "const %wv = f32[2,1]{9, 10}\n";
  const std::string products = "%q = matmul(%x, %wq) %k = matmul(%x, %wk) %v = matmul(%x, %wv)\n";
  check_pass(fuse_attention_projections(), graph(constants + products, "q", "k", "v"),
             graph("const %constant_16 = f32[2,5]{1, 2, 5, 6, 9, 3, 4, 7, 8, 10}\n"
                   "const %constant_18 = i64[3]{2, 2, 1}\n%matmul_17 = matmul(%x, %constant_16) "
                   "%q, %k, %v = split{axis=2}(%matmul_17, %constant_18)\n",
                   "q", "k", "v"),
             {.tolerance = 1e-6});
  const std::string biases =
      "const %bq = f32[2]{1, 2}\nconst %bk = f32[2]{3, 4}\nconst %bv = f32[1]{5}\n";
  const std::string sums = "%qb = binary(%q, %bq) %kb = binary(%bk, %k) %vb = binary(%v, %bv)\n";
  check_pass(fuse_attention_projections(),
             graph(constants + biases + products + sums, "qb", "kb", "vb"),
             graph("const %constant_22 = f32[2,5]{1, 2, 5, 6, 9, 3, 4, 7, 8, 10}\n"
                   "const %constant_24 = f32[5]{1, 2, 3, 4, 5}\n"
                   "const %constant_26 = i64[3]{2, 2, 1}\n%matmul_23 = matmul(%x, %constant_22) "
                   "%binary_25 = binary(%matmul_23, %constant_24) "
                   "%qb, %kb, %vb = split{axis=2}(%binary_25, %constant_26)\n",
                   "qb", "kb", "vb"),
             {.tolerance = 1e-6});
  // A bias on two of three, and one product for all.
  check_unchanged(fuse_attention_projections(),
                  graph(constants + biases + products + "%qb = binary(%q, %bq)\n", "qb", "k", "v"));
}

TEST(FuseAttentionLayout, takes_heads_out_of_columns_and_puts_them_back) {
  const std::string head = "graph main(%x: f32[B,L,24]) -> (%y) ";
  check_pass(fuse_attention_layout(), head + R"({
               const %cut = i64[5]{0, 0, 3, 2, 4}
               const %one = i64[1]{0}
               const %merged = i64[3]{0, 0, 8}
               %r = reshape(%x, %cut)
               %t = transpose{perm=[2, 0, 3, 1, 4]}(%r)
               %a, %b, %c = split(%t)
               %q = squeeze(%a, %one)
               %k = squeeze(%b, %one)
               %v = squeeze(%c, %one)
               %o = attention{scale=0.5}(%q, %k, %v)
               %u = transpose{perm=[0, 2, 1, 3]}(%o)
               %y = reshape(%u, %merged)
             })",
             head + R"({
               %y = fused{kind="attention"}(%x) body graph body(%x: f32[B,L,24]) -> (%reshape_25 "y") {
                 const %constant_1 = i64[1]{0} const %constant_2 = i64[1]{8}
                 const %constant_3 = i64[1]{2} const %constant_5 = i64[4]{0, 0, 2, 4}
                 const %constant_8 = i64[1]{8} const %constant_9 = i64[1]{16}
                 const %constant_10 = i64[1]{2} const %constant_12 = i64[4]{0, 0, 2, 4}
                 const %constant_15 = i64[1]{16} const %constant_16 = i64[1]{24}
                 const %constant_17 = i64[1]{2} const %constant_19 = i64[4]{0, 0, 2, 4}
                 const %constant_24 = i64[3]{0, 0, 8}
                 %slice_4 = slice(%x, %constant_1, %constant_2, %constant_3)
                 %reshape_6 = reshape(%slice_4, %constant_5)
                 %transpose_7 = transpose{perm=[0, 2, 1, 3]}(%reshape_6)
                 %slice_11 = slice(%x, %constant_8, %constant_9, %constant_10)
                 %reshape_13 = reshape(%slice_11, %constant_12)
                 %transpose_14 = transpose{perm=[0, 2, 1, 3]}(%reshape_13)
                 %slice_18 = slice(%x, %constant_15, %constant_16, %constant_17)
                 %reshape_20 = reshape(%slice_18, %constant_19)
                 %transpose_21 = transpose{perm=[0, 2, 1, 3]}(%reshape_20)
                 %attention_22 = attention{scale=0.5}(%transpose_7, %transpose_14, %transpose_21)
                 %transpose_23 = transpose{perm=[0, 2, 1, 3]}(%attention_22)
                 %reshape_25 = reshape(%transpose_23, %constant_24)
               }
             })");
}

TEST(FuseAttentionLayout, takes_heads_out_of_rows_that_come_first) {
  const std::string head = "graph main(%x: f32[L,B,8]) -> (%y) ";
  const std::string views = R"(
               %r = reshape(%x, %cut)
               %t = transpose{perm=[1, 2, 0, 3]}(%r)
               %o = attention(%t, %t, %t)
               %u = transpose{perm=[2, 0, 1, 3]}(%o)
               %y = reshape(%u, %merged) })";
  check_pass(fuse_attention_layout(),
             head + "{ const %cut = i64[4]{0, 0, 2, 4} const %merged = i64[3]{0, 0, 8}" + views,
             head + R"({
               %y = fused{kind="attention"}(%x) body graph body(%x: f32[L,B,8]) -> (%reshape_13 "y") {
                 const %constant_1 = i64[4]{0, 0, 2, 4} const %constant_4 = i64[4]{0, 0, 2, 4}
                 const %constant_7 = i64[4]{0, 0, 2, 4} const %constant_12 = i64[3]{0, 0, 8}
                 %reshape_2 = reshape(%x, %constant_1)
                 %transpose_3 = transpose{perm=[1, 2, 0, 3]}(%reshape_2)
                 %reshape_5 = reshape(%x, %constant_4)
                 %transpose_6 = transpose{perm=[1, 2, 0, 3]}(%reshape_5)
                 %reshape_8 = reshape(%x, %constant_7)
                 %transpose_9 = transpose{perm=[1, 2, 0, 3]}(%reshape_8)
                 %attention_10 = attention(%transpose_3, %transpose_6, %transpose_9)
                 %transpose_11 = transpose{perm=[2, 0, 1, 3]}(%attention_10)
                 %reshape_13 = reshape(%transpose_11, %constant_12)
               }
             })");
}

TEST(FuseAttentionLayout, leaves_heads_that_lie_as_they_are_or_cannot_be_seen_as_columns) {
  check_unchanged(fuse_attention_layout(),
                  "graph main(%q: f32[B,2,L,4], %k: f32[B,2,L,4], %v: f32[B,2,L,4]) -> (%y) { "
                  "%y = attention(%q, %k, %v) }");
  // Rows and columns exchanged, and heads that a symbol counts.
  check_unchanged(fuse_attention_layout(),
                  "graph main(%x: f32[B,4,L,2]) -> (%y) { "
                  "%t = transpose{perm=[0, 3, 2, 1]}(%x) %y = attention(%t, %t, %t) }");
  check_unchanged(fuse_attention_layout(),
                  "graph main(%x: f32[B,L,H,4]) -> (%y) { "
                  "%t = transpose{perm=[0, 2, 1, 3]}(%x) %y = attention(%t, %t, %t) }");
}

}  // namespace
}  // namespace strop
