// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

// `node` makes %b from %a (f32[N,4]); the pass leaves `left` of it (empty: nothing, %a is read).
void expect_removed(const std::string& constants, const std::string& node) {
  const std::string start = "graph main(%x: f32[N,4]) -> (%y) {\n";
  const std::string a = "%a = unary(%x)\n";
  EXPECT_EQ(check_pass(eliminate_identity(),
                       start + constants + a + node + "\n%y = unary{function=\"neg\"}(%b)\n}",
                       start + a + "%y = unary{function=\"neg\"}(%a)\n}"),
            1)
      << node;
}
void expect_kept(const std::string& constants, const std::string& node) {
  const std::string text = "graph main(%x: f32[N,4]) -> (%y) {\n" + constants + "%a = unary(%x)\n" +
                           node + "\n%y = unary{function=\"neg\"}(%b)\n}";
  EXPECT_EQ(check_unchanged(eliminate_identity(), text), 0) << node;
}

TEST(EliminateIdentity, removes_nodes_that_change_nothing) {
  expect_removed("", "%b = identity(%a)");
  expect_removed("const %s = i64[2]{0, 4}", "%b = reshape(%a, %s)");
  expect_removed("const %s = i64[2]{1, 4}", "%b = expand(%a, %s)");
  expect_removed("", "%b = cast{to=f32}(%a)");
  expect_removed("", "%b = clip(%a)");
  expect_removed("", "%b = transpose{perm=[0, 1]}(%a)");
  expect_removed("const %p = i64[4]{0, 0, 0, 0}", "%b = pad(%a, %p)");
  expect_removed("const %r = i64[2]{1, 1}", "%b = tile(%a, %r)");
  expect_removed("", "%b = concat{axis=1}(%a)");
  expect_removed("const %s = i64[1]{0} const %e = i64[1]{100} const %axes = i64[1]{1}",
                 "%b = slice(%a, %s, %e, %axes)");
  expect_removed("const %s = f32[2]{1, 1}", "%b = resize(%a, _, %s)");
  expect_removed("const %one = f32[1]{1}", "%b = binary{function=\"mul\"}(%one, %a)");
  expect_removed("const %one = f32[]{1}", "%b = binary{function=\"div\"}(%a, %one)");
  expect_removed("const %zero = f32[4]{-0, -0, -0, -0}", "%b = binary(%a, %zero)");
  expect_removed("const %zero = f32[4]{0, 0, 0, 0}", "%b = binary{function=\"sub\"}(%a, %zero)");
}

TEST(EliminateIdentity, keeps_nodes_that_look_alike_but_change_something) {
  expect_kept("", "%b = transpose{perm=[1, 0]}(%a)");
  expect_kept("const %zero = f32[1]{0}", "%b = binary(%a, %zero)");  // -0 + 0 is 0
  expect_kept("const %one = f32[1]{1}", "%b = binary{function=\"div\"}(%one, %a)");
  expect_kept("const %one = f32[1,1,1]{1}", "%b = binary{function=\"mul\"}(%a, %one)");  // rank 3
  expect_kept("const %p = i64[4]{0, 1, 0, -1}", "%b = pad(%a, %p)");  // the same shape, shifted
  expect_kept(
      "const %s = i64[1]{-1} const %e = i64[1]{-100} const %axes = i64[1]{1} "
      "const %back = i64[1]{-1}",
      "%b = slice(%a, %s, %e, %axes, %back)");
  expect_kept("const %s = f32[2]{1, 1.2}", "%b = resize(%a, _, %s)");  // 4 * 1.2 is 4 again
}

TEST(EliminateIdentity, removes_additions_of_zero_to_integers) {
  check_pass(eliminate_identity(),
             R"(graph main(%x: i32[N]) -> (%y) {
               const %zero = i32[]{0}
               %a = binary{function="mul"}(%x, %x)
               %b = binary(%zero, %a)
               %y = binary{function="max"}(%b, %x)
             })",
             R"(graph main(%x: i32[N]) -> (%y) {
               %a = binary{function="mul"}(%x, %x)
               %y = binary{function="max"}(%a, %x)
             })");
}

TEST(EliminateIdentity, cancels_transposes_and_merges_them) {
  check_pass(eliminate_identity(),
             R"(graph main(%x: f32[2,3,4]) -> (%y, %z) {
               %a = transpose{perm=[2, 0, 1]}(%x)
               %b = transpose{perm=[1, 2, 0]}(%a)
               %y = unary(%b)
               %c = transpose(%a)
               %z = unary(%c)
             })",
             R"(graph main(%x: f32[2,3,4]) -> (%y, %z) {
               %y = unary(%x)
               %c = transpose{perm=[1, 0, 2]}(%x)
               %z = unary(%c)
             })");
}

TEST(EliminateIdentity, merges_reshapes_and_views_that_lead_back) {
  check_pass(eliminate_identity(),
             R"(graph main(%x: f32[N,3,4]) -> (%y, %z) {
               const %flat = i64[1]{-1}
               const %three = i64[3]{-1, 3, 4}
               const %two = i64[2]{-1, 6}
               const %axes = i64[1]{1}
               %a = reshape(%x, %two)
               %b = unsqueeze(%a, %axes)
               %c = reshape(%b, %flat)
               %y = unary(%c)
               %r = unary(%x)
               %d = unsqueeze(%r, %axes)
               %e = squeeze(%d, %axes)
               %z = unary{function="neg"}(%e)
             })",
             R"(graph main(%x: f32[N,3,4]) -> (%y, %z) {
               const %flat = i64[1]{-1}
               %c = reshape(%x, %flat)
               %y = unary(%c)
               %r = unary(%x)
               %z = unary{function="neg"}(%r)
             })");
}

TEST(EliminateIdentity, keeps_a_copy_from_an_input_to_an_output) {
  check_unchanged(eliminate_identity(), R"(graph main(%x: f32[N]) -> (%y) { %y = identity(%x) })");
  check_pass(eliminate_identity(),
             R"(graph main(%x: f32[N]) -> (%y "first", %z "second") {
               %a = unary(%x)
               %y = identity(%a)
               %z = identity(%a)
             })",
             R"(graph main(%x: f32[N]) -> (%a "first", %z "second") {
               %a = unary(%x)
               %z = identity(%a)
             })");
}

}  // namespace
}  // namespace strop
