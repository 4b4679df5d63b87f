// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;
using testing::PassCheck;

// A bf16 number has 8 bits: two of them differ by 2^-8, and sums of a few by little more.
const PassCheck kRounds{.tolerance = 0.02, .target = {.operands = DType::bf16}};

TEST(AssignPrecision, rounds_what_a_product_multiplies) {
  EXPECT_EQ(check_pass(assign_precision(),
                       R"(graph main(%x: f32[N,2]) -> (%y) {
                         const %w = f32[2,3]{1, -2, 1.00390625, 0.1, 5, 6}
                         %y = matmul(%x, %w)
                       })",
                       R"(graph main(%x: f32[N,2]) -> (%y) {
                         const %w = bf16[2,3]{0x803f00c0803fcd3da040c040}
                         %y = fused{kind="bf16 matmul"}(%x, %w)
                           body graph body(%x: f32[N,2], %w: bf16[2,3]) -> (%y) {
                             %x_bf16 = cast{to=bf16}(%x)
                             %x_bf16_f32 = cast(%x_bf16)
                             %w_f32 = cast(%w)
                             %y = matmul(%x_bf16_f32, %w_f32)
                           }
                       })",
                       kRounds),
            1);
}

TEST(AssignPrecision, keeps_bf16_between_products_and_moves) {
  EXPECT_EQ(check_pass(assign_precision(),
                       R"(graph main(%x: f32[1,2,4,4]) -> (%y) {
                         const %w = f32[2,2,1,1]{1, -2, 3, 4}
                         const %v = f32[2]{0.5, 1}
                         %a = conv(%x, %w, %v)
                         %b = pool{kernel=[2, 2]}(%a)
                         %c = conv(%b, %w)
                         %y = fused{kind="conv+add"}(%c, %w, %b)
                           body graph body(%c: f32[1,2,3,3], %w: f32[2,2,1,1], %b: f32[1,2,3,3]) -> (%y) {
                             %p = conv(%c, %w)
                             %y = binary(%p, %b)
                           }
                       })",
                       R"(graph main(%x: f32[1,2,4,4]) -> (%y) {
                         const %v = f32[2]{0.5, 1}
                         const %w = bf16[2,2,1,1]{0x803f00c040408040}
                         %a_bf16 = fused{kind="bf16 conv"}(%x, %w, %v)
                           body graph body(%x: f32[1,2,4,4], %w: bf16[2,2,1,1], %v: f32[2]) -> (%a_bf16) {
                             %x_bf16 = cast{to=bf16}(%x)
                             %x_bf16_f32 = cast(%x_bf16)
                             %w_f32 = cast(%w)
                             %a = conv(%x_bf16_f32, %w_f32, %v)
                             %a_bf16 = cast{to=bf16}(%a)
                           }
                         %b_bf16 = pool{kernel=[2, 2]}(%a_bf16)
                         %c_bf16 = fused{kind="bf16 conv"}(%b_bf16, %w)
                           body graph body(%b_bf16: bf16[1,2,3,3], %w: bf16[2,2,1,1]) -> (%c_bf16) {
                             %b_bf16_f32 = cast(%b_bf16)
                             %w_f32 = cast(%w)
                             %c = conv(%b_bf16_f32, %w_f32)
                             %c_bf16 = cast{to=bf16}(%c)
                           }
                         %y = fused{kind="bf16 conv+add"}(%c_bf16, %w, %b_bf16)
                           body graph body(%c_bf16: bf16[1,2,3,3], %w: bf16[2,2,1,1], %b_bf16: bf16[1,2,3,3]) -> (%y) {
                             %c_bf16_f32 = cast(%c_bf16)
                             %w_f32 = cast(%w)
                             %b_bf16_f32 = cast(%b_bf16)
                             %p = conv(%c_bf16_f32, %w_f32)
                             %y = binary(%p, %b_bf16_f32)
                           }
                       })",
                       kRounds),
            4);
}

// Somebody reads the first sum as it is, so it stays f32, and so does the concatenation.
TEST(AssignPrecision, leaves_f32_what_others_read) {
  EXPECT_EQ(check_pass(assign_precision(),
                       R"(graph main(%x: f32[3,2]) -> (%y, %z) {
                         const %w = f32[2,2]{1, -2, 3, 4}
                         %a = matmul(%x, %w)
                         %b = concat{axis=0}(%a, %x)
                         %y = matmul(%b, %w)
                         %z = unary{function="exp"}(%a)
                       })",
                       R"(graph main(%x: f32[3,2]) -> (%y, %z) {
                         const %w = bf16[2,2]{0x803f00c040408040}
                         %a = fused{kind="bf16 matmul"}(%x, %w)
                           body graph body(%x: f32[3,2], %w: bf16[2,2]) -> (%a) {
                             %x_bf16 = cast{to=bf16}(%x)
                             %x_bf16_f32 = cast(%x_bf16)
                             %w_f32 = cast(%w)
                             %a = matmul(%x_bf16_f32, %w_f32)
                           }
                         %b = concat{axis=0}(%a, %x)
                         %z = unary{function="exp"}(%a)
                         %y = fused{kind="bf16 matmul"}(%b, %w)
                           body graph body(%b: f32[6,2], %w: bf16[2,2]) -> (%y) {
                             %b_bf16 = cast{to=bf16}(%b)
                             %b_bf16_f32 = cast(%b_bf16)
                             %w_f32 = cast(%w)
                             %y = matmul(%b_bf16_f32, %w_f32)
                           }
                       })",
                       kRounds),
            2);
}

TEST(AssignPrecision, leaves_products_alone_that_have_no_constant_weights_or_are_scaled) {
  check_unchanged(assign_precision(),
                  R"(graph main(%x: f32[3,2], %w: f32[2,2]) -> (%a, %b, %c, %d, %e) {
                    const %k = f32[2,2]{1, -2, 3, 4}
                    const %big = f32[2,2]{1, -2, 3, 3.4e38}
                    %a = matmul(%x, %w)
                    %b = gemm{alpha=2}(%x, %k)
                    %c = gemm{trans_a=true}(%k, %w)
                    %d = matmul(%k, %w)
                    %e = matmul(%x, %big)
                  })",
                  kRounds);
  check_unchanged(assign_precision(),
                  R"(graph main(%x: f32[1,1,2,2,2]) -> (%y) {
                    const %w = f32[1,1,1,1,1]{3}
                    %y = conv(%x, %w)
                  })",
                  kRounds);
  check_unchanged(assign_precision(),
                  R"(graph main(%x: f32[1,1,2,2]) -> (%y) {
                    const %s = f32[4]{1, 1, 2, 2}
                    %y = resize(%x, _, %s)
                  })",
                  kRounds);
  check_unchanged(assign_precision(),
                  R"(graph main(%x: f16[3,2]) -> (%y) {
                    const %w = f16[2,2]{0x003c00c000420044}
                    %y = matmul(%x, %w)
                  })",
                  kRounds);
}

TEST(AssignPrecision, does_nothing_unless_asked) {
  check_unchanged(assign_precision(),
                  R"(graph main(%x: f32[3,2]) -> (%y) {
                    const %w = f32[2,2]{1, -2, 3, 4}
                    %y = matmul(%x, %w)
                  })");
}

}  // namespace
}  // namespace strop
