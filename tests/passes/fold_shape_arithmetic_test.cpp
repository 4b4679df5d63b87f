// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

TEST(FoldShapeArithmetic, turns_a_chain_over_symbols_into_dims) {
  EXPECT_EQ(check_pass(fold_shape_arithmetic(),
                       R"(graph main(%x: f32[N,4,H]) -> (%y) {
                         const %zero = i64[1]{0}
                         const %four = i64[1]{4}
                         const %rest = i64[1]{-1}
                         %s = shape(%x)
                         %n = gather(%s, %zero)
                         %m = binary{function="mul"}(%n, %four)
                         %to = concat(%m, %rest)
                         %y = reshape(%x, %to)
                       })",
                       R"(graph main(%x: f32[N,4,H]) -> (%y) {
                         %to = dims{values=[4*N, -1]}()
                         %y = reshape(%x, %to)
                       })",
                       {.symbols = {{"N", 2}, {"H", 5}}}),
            1);
}

TEST(FoldShapeArithmetic, turns_what_is_all_numbers_into_constants) {
  check_pass(fold_shape_arithmetic(),
             R"(graph main(%x: f32[2,4,5]) -> (%y, %s) {
               const %zero = i64[]{0}
               const %axes = i64[1]{0}
               const %rest = i64[1]{-1}
               %s = shape(%x)
               %n = gather(%s, %zero)
               %n1 = unsqueeze(%n, %axes)
               %to = concat(%n1, %rest)
               %y = reshape(%x, %to)
             })",
             R"(graph main(%x: f32[2,4,5]) -> (%y, %s) {
               const %s = i64[3]{2, 4, 5}
               const %to = i64[2]{2, -1}
               %y = reshape(%x, %to)
             })");
}

TEST(FoldShapeArithmetic, gives_a_scalar_its_shape) {
  check_pass(fold_shape_arithmetic(),
             R"(graph main(%x: f32[N,4], %k: i64[]) -> (%y) {
               const %zero = i64[]{0}
               %s = shape(%x)
               %n = gather(%s, %zero)
               %y = binary(%k, %n)
             })",
             R"(graph main(%x: f32[N,4], %k: i64[]) -> (%y) {
               const %constant_7 = i64[0]{}
               %dims_6 = dims{values=[N]}()
               %n = reshape(%dims_6, %constant_7)
               %y = binary(%k, %n)
             })");
}

TEST(FoldShapeArithmetic, leaves_sizes_that_are_no_dimension_of_an_input) {
  // What stands in %to is data: the sizes of %y are known when it is.
  check_unchanged(fold_shape_arithmetic(), R"(graph main(%x: f32[1], %to: i64[2]) -> (%s) {
    %y = expand(%x, %to)
    %s = shape(%y)
  })");
}

TEST(FoldShapeArithmetic, keeps_the_type_of_the_integers) {
  check_pass(fold_shape_arithmetic(),
             R"(graph main(%x: f32[N,4], %k: i32[2]) -> (%y) {
               %s = shape(%x)
               %n = cast{to=i32}(%s)
               %t = binary{function="mul"}(%n, %n)
               %y = binary(%k, %t)
             })",
             R"(graph main(%x: f32[N,4], %k: i32[2]) -> (%y) {
               %dims_6 = dims{values=[N*N, 16]}()
               %t = cast{to=i32}(%dims_6)
               %y = binary(%k, %t)
             })");
}

TEST(FoldShapeArithmetic, leaves_symbols_that_only_stand_inside_expressions) {
  check_unchanged(fold_shape_arithmetic(), R"(graph main(%x: f32[2*N]) -> (%s) {
    %s = shape(%x)
  })");
}

}  // namespace
}  // namespace strop
