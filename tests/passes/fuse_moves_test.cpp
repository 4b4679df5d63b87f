// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_check.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

const Target kDevice{.backend = "cuda"};

TEST(FuseMoves, joins_pieces_that_are_computed_apart) {
  check_pass(fuse_moves(),
             R"(graph main(%x: f32[2,6,5], %g: f32[2]) -> (%y) {
               const %s = i64[2]{2, 4}
               %t = transpose{perm=[0, 2, 1]}(%x)
               %a, %b = split{axis=2}(%t, %s)
               %c = binary{function="mul"}(%a, %g)
               %y = concat{axis=2}(%c, %b)
             })",
             R"(graph main(%x: f32[2,6,5], %g: f32[2]) -> (%y) {
               %y = fused{kind="moves", moves=true}(%x, %g) body graph body(%x: f32[2,6,5], %g: f32[2]) -> (%y) {
                 const %constant_3 = i64[2]{2, 4}
                 %t = transpose{perm=[0, 2, 1]}(%x)
                 %a, %b = split{axis=2}(%t, %constant_3)
                 %c = binary{function="mul"}(%a, %g)
                 %y = concat{axis=2}(%c, %b)
               }
             })",
             {.target = kDevice});
}

TEST(FuseMoves, takes_chains_apart) {
  check_pass(fuse_moves(),
             R"(graph main(%x: f32[4,6,2]) -> (%y) {
               %c = fused{kind="abs+neg"}(%x) body graph inner(%x: f32[4,6,2]) -> (%b) {
                 %a = unary{function="abs"}(%x)
                 %b = unary{function="neg"}(%a)
               }
               %y = transpose{perm=[1, 0, 2]}(%c)
             })",
             R"(graph main(%x: f32[4,6,2]) -> (%y) {
               %y = fused{kind="moves", moves=true}(%x) body graph body(%x: f32[4,6,2]) -> (%y) {
                 %a = unary{function="abs"}(%x)
                 %b = unary{function="neg"}(%a)
                 %y = transpose{perm=[1, 0, 2]}(%b)
               }
             })",
             {.target = kDevice});
}

TEST(FuseMoves, takes_reshapes_to_sizes_that_are_open) {
  check_pass(fuse_moves(),
             R"(graph main(%x: f32[N,M,6]) -> (%y) {
               %s = dims{values=[N, M, 2, 3]}()
               %r = reshape(%x, %s)
               %t = transpose{perm=[0, 1, 3, 2]}(%r)
               %u = dims{values=[N*M, 6]}()
               %v = reshape(%t, %u)
               %y = unary{function="neg"}(%v)
             })",
             R"(graph main(%x: f32[N,M,6]) -> (%y) {
               %y = fused{kind="moves", moves=true}(%x) body graph body(%x: f32[N,M,6]) -> (%y) {
                 const %constant_1 = i64[4]{0, 0, 2, 3}
                 %r = reshape(%x, %constant_1)
                 %t = transpose{perm=[0, 1, 3, 2]}(%r)
                 const %constant_4 = i64[2]{-1, 6}
                 %v = reshape(%t, %constant_4)
                 %y = unary{function="neg"}(%v)
               }
             })",
             {.target = kDevice});
}

TEST(FuseMoves, leaves_reshapes_to_sizes_that_only_running_tells) {
  check_unchanged(fuse_moves(),
                  R"(graph main(%x: f32[N,M,6]) -> (%y) {
                    %s = dims{values=[2*N, 3*M]}()
                    %r = reshape(%x, %s)
                    %y = transpose{perm=[1, 0]}(%r)
                  })",
                  {.target = kDevice});
}

TEST(FuseMoves, reads_bytes_that_become_floats) {
  check_pass(fuse_moves(),
             R"(graph main(%q: u8[2,6,5], %p: u8[2,6,5]) -> (%y) {
               const %s = f32[]{0.5}
               const %z = u8[]{3}
               const %c = f32[6]{1, 2, 3, 4, 5, 6}
               %x = dequantize_linear(%q, %s, %z)
               %w = dequantize_linear(%p, %c)
               %y = concat{axis=1}(%x, %w)
             })",
             R"(graph main(%q: u8[2,6,5], %p: u8[2,6,5]) -> (%y) {
               const %s = f32[]{0.5}
               const %z = u8[]{3}
               const %c = f32[6]{1, 2, 3, 4, 5, 6}
               %y = fused{kind="moves", moves=true}(%q, %s, %z, %p, %c) body graph body(%q: u8[2,6,5], %s: f32[], %z: u8[], %p: u8[2,6,5], %c: f32[6]) -> (%y) {
                 %x = dequantize_linear(%q, %s, %z)
                 %w = dequantize_linear(%p, %c)
                 %y = concat{axis=1}(%x, %w)
               }
             })",
             {.target = kDevice});
}

// Blocks have no kernels in regions; a scale that is no constant may be anything.
TEST(FuseMoves, leaves_other_quantisations) {
  for (const char* made :
       {"%x = dequantize_linear{axis=1, block_size=2}(%q, %b)", "%x = dequantize_linear(%q, %v)"}) {
    check_unchanged(fuse_moves(), std::string(R"(graph main(%q: i8[2,4,5], %v: f32[]) -> (%y) {
                      const %b = f32[2,2,5]{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
                      )") + made + " %y = transpose{perm=[0, 2, 1]}(%x) }",
                    {.target = kDevice});
  }
}

TEST(FuseMoves, leaves_what_others_read) {
  check_unchanged(fuse_moves(),
                  R"(graph main(%x: f32[2,6,5]) -> (%t, %y) {
                    %t = transpose{perm=[0, 2, 1]}(%x)
                    %y = unary{function="relu"}(%t)
                  })",
                  {.target = kDevice});
}

TEST(FuseMoves, leaves_a_move_alone) {
  check_unchanged(fuse_moves(),
                  R"(graph main(%x: f32[2,6,5]) -> (%y) {
                    const %s = i64[3]{2, 2, 15}
                    %r = reshape(%x, %s)
                    %y = transpose{perm=[0, 2, 1]}(%r)
                  })",
                  {.target = kDevice});
}

TEST(FuseMoves, leaves_integers_and_other_targets) {
  check_unchanged(fuse_moves(),
                  R"(graph main(%x: i64[2,6]) -> (%y) {
                    %t = transpose{perm=[1, 0]}(%x)
                    %y = unary{function="neg"}(%t)
                  })",
                  {.target = kDevice});
  check_unchanged(fuse_moves(),
                  R"(graph main(%x: f32[2,6]) -> (%y) {
                    %t = transpose{perm=[1, 0]}(%x)
                    %y = unary{function="neg"}(%t)
                  })");
}

}  // namespace
}  // namespace strop
