// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

const std::vector<SymbolValues> kBatches = {{{"N", 1}}, {{"N", 3}}, {{"N", 0}}};

// A head of a detector: channels of three anchors, of which some become places and sizes.
TEST(CudaRegion, decodes_boxes) {
  check_cuda(
      R"(graph main(%x: f16[N,21,4,5], %grid: f16[1,3,4,5,2]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%x, %grid) body graph body(%x: f16[N,21,4,5], %grid: f16[1,3,4,5,2]) -> (%y) {
          const %r = i64[5]{0, 3, 7, 4, 5}
          const %s = i64[3]{2, 2, 3}
          const %v = i64[3]{0, 60, 7}
          %a = reshape(%x, %r)
          %t = transpose{perm=[0, 1, 3, 4, 2]}(%a)
          %g = unary{function="sigmoid"}(%t)
          %xy, %wh, %c = split{axis=4}(%g, %s)
          %p = binary{function="add"}(%xy, %grid)
          %q = binary{function="mul"}(%wh, %wh)
          %b = concat{axis=4}(%p, %q, %c)
          %f = reshape(%b, %v)
          %y = unary{function="neg"}(%f)
        }
      })",
      {"region_cuda@nhwc>plain"}, {.sizes = kBatches});
}

TEST(CudaRegion, cuts_expands_and_broadcasts_in_any_layout) {
  check_cuda(
      R"(graph main(%x: f32[N,8,6,5], %b: f32[8,1,1], %z: f32[1,1,1,1]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%x, %b, %z) body graph body(%x: f32[N,8,6,5], %b: f32[8,1,1], %z: f32[1,1,1,1]) -> (%y) {
          const %s = i64[1]{4}
          const %e = i64[1]{-7}
          const %a = i64[1]{2}
          const %t = i64[1]{-2}
          const %w = i64[4]{1, 8, 2, 5}
          %c = slice(%x, %s, %e, %a, %t)
          %d = binary{function="mul"}(%c, %b)
          %o = expand(%z, %w)
          %y = concat{axis=2}(%d, %o)
        }
      })",
      {"region_cuda", "region_cuda@nhwc"}, {.sizes = {{{"N", 1}}}});
}

TEST(CudaRegion, reads_inputs_of_fewer_axes_as_they_lie) {
  check_cuda(
      R"(graph main(%x: f32[2,6,5]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%x) body graph body(%x: f32[2,6,5]) -> (%y) {
          const %r = i64[4]{2, 6, 1, 5}
          %a = unary{function="abs"}(%x)
          %b = reshape(%a, %r)
          %y = concat{axis=2}(%b, %b)
        }
      })",
      {"region_cuda"});
}

// The product of two sizes that are no symbols is no word of a launch.
TEST(CudaRegion, leaves_sizes_that_do_not_follow_from_its_operands) {
  check_cuda(
      R"(graph main(%x: f32[1,4,floordiv(H, 2),3], %z: f32[1,4,floordiv(H, 4),3]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%x, %z) body graph body(%x: f32[1,4,floordiv(H, 2),3], %z: f32[1,4,floordiv(H, 4),3]) -> (%y) {
          const %r = i64[3]{1, 4, -1}
          %a = reshape(%x, %r)
          %b = reshape(%z, %r)
          %y = concat{axis=2}(%a, %b)
        }
      })",
      {}, {.sizes = {{{"H", 8}}}});
}

TEST(CudaRegion, leaves_what_needs_tiles) {
  check_cuda(
      R"(graph main(%x: f32[40,60]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%x) body graph body(%x: f32[40,60]) -> (%y) {
          %t = transpose{perm=[1, 0]}(%x)
          %y = unary{function="abs"}(%t)
        }
      })",
      {});
}

}  // namespace
}  // namespace strop::testing
