// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

TEST(FuseLayerNorm, takes_the_chain_with_scale_and_bias) {
  check_pass(fuse_layer_norm(),
             R"(graph main(%x: f32[N,4,8], %s: f32[8], %b: f32[8]) -> (%y) {
               const %axes = i64[1]{-1}
               const %two = f32[]{2}
               const %epsilon = f32[]{0.5}
               %m = reduce{function="mean"}(%x, %axes)
               %d = binary{function="sub"}(%x, %m)
               %q = binary{function="pow"}(%d, %two)
               %v = reduce{function="mean"}(%q, %axes)
               %e = binary(%v, %epsilon)
               %r = unary{function="sqrt"}(%e)
               %n = binary{function="div"}(%d, %r)
               %p = binary{function="mul"}(%n, %s)
               %y = binary(%p, %b)
             })",
             R"(graph main(%x: f32[N,4,8], %s: f32[8], %b: f32[8]) -> (%y) {
               %y = layer_norm{axis=2, epsilon=0.5}(%x, %s, %b)
             })",
             {.tolerance = 1e-6});
}

TEST(FuseLayerNorm, takes_a_difference_written_twice_a_reciprocal_and_two_axes) {
  check_pass(fuse_layer_norm(),
             R"(graph main(%x: f32[3,4,8], %b: f32[4,8]) -> (%y) {
               const %axes = i64[2]{2, 1}
               const %epsilon = f32[]{0.5}
               %m = reduce{function="mean"}(%x, %axes)
               %d = binary{function="sub"}(%x, %m)
               %c = binary{function="sub"}(%x, %m)
               %q = binary{function="mul"}(%c, %c)
               %v = reduce{function="mean"}(%q, %axes)
               %e = binary(%epsilon, %v)
               %r = unary{function="sqrt"}(%e)
               %i = unary{function="reciprocal"}(%r)
               %n = binary{function="mul"}(%i, %d)
               %y = binary(%b, %n)
             })",
             R"(graph main(%x: f32[3,4,8], %b: f32[4,8]) -> (%y) {
               %y = layer_norm{axis=1, epsilon=0.5}(%x, _, %b)
             })",
             {.tolerance = 1e-6});
}

TEST(FuseLayerNorm, takes_the_root_mean_square_in_its_forms) {
  for (const char* inverse : {"const %h = f32[]{-0.5} %i = binary{function=\"pow\"}(%e, %h)",
                              "const %one = f32[]{1} %r = unary{function=\"sqrt\"}(%e) "
                              "%i = binary{function=\"div\"}(%one, %r)"}) {
    check_pass(fuse_layer_norm(), std::string(R"(graph main(%x: f32[N,8], %s: f32[8]) -> (%y) {
               const %axes = i64[1]{1}
               const %epsilon = f32[]{0.5}
               %q = binary{function="mul"}(%x, %x)
               %v = reduce{function="mean"}(%q, %axes)
               %e = binary(%v, %epsilon)
               )") + inverse + R"(
               %n = binary{function="mul"}(%x, %i)
               %y = binary{function="mul"}(%s, %n)
             })",
               R"(graph main(%x: f32[N,8], %s: f32[8]) -> (%y) {
               %y = layer_norm{axis=1, epsilon=0.5, centred=false}(%x, %s)
             })",
               {.tolerance = 1e-6});
  }
}

// With what stands in the place of each "?".
std::string chain(const std::string& axes, const std::string& subtracted, const std::string& after,
                  const std::string& outputs = "%y") {
  return "graph main(%x: f32[2,4,8], %s: f32[2,1,8], %o: f32[2,4,8]) -> (" + outputs + ") {\n" +
         "const %axes = i64[1]{" + axes +
         "}\nconst %epsilon = f32[]{0.5}\n"
         "%m = reduce{function=\"mean\"}(" +
         subtracted +
         ", %axes)\n%d = binary{function=\"sub\"}(%x, %m)\n"
         "%q = binary{function=\"mul\"}(%d, %d)\n%v = reduce{function=\"mean\"}(%q, %axes)\n"
         "%e = binary(%v, %epsilon)\n%r = unary{function=\"sqrt\"}(%e)\n" +
         after + "}";
}

TEST(FuseLayerNorm, leaves_what_is_none) {
  const std::string divided = "%y = binary{function=\"div\"}(%d, %r)";
  check_unchanged(fuse_layer_norm(), chain("1", "%x", divided));
  check_unchanged(fuse_layer_norm(), chain("2", "%x", "%y = binary{function=\"div\"}(%x, %r)"));
  check_unchanged(fuse_layer_norm(), chain("2", "%x", "%y = binary{function=\"div\"}(%r, %d)"));
  check_unchanged(fuse_layer_norm(), chain("2", "%x", divided), {.target = {.precise = true}});
}

TEST(FuseLayerNorm, leaves_a_scale_outside_that_differs_by_row_or_follows_an_output) {
  const std::string scaled =
      "%n = binary{function=\"div\"}(%d, %r) %y = binary{function=\"mul\"}(%n, ";
  const std::string head = "graph main(%x: f32[2,4,8], %s: f32[2,1,8], %o: f32[2,4,8]) -> ";
  check_pass(fuse_layer_norm(), chain("2", "%x", scaled + "%s)"),
             head +
                 "(%y) { %n = layer_norm{axis=2, epsilon=0.5}(%x) "
                 "%y = binary{function=\"mul\"}(%n, %s) }",
             {.tolerance = 1e-6});
  check_pass(fuse_layer_norm(), chain("2", "%x", scaled + "%o)", "%n, %y"),
             head +
                 "(%n, %y) { %n = layer_norm{axis=2, epsilon=0.5}(%x) "
                 "%y = binary{function=\"mul\"}(%n, %o) }",
             {.tolerance = 1e-6});
}

}  // namespace
}  // namespace strop
