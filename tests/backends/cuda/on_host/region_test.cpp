// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

const std::vector<SymbolValues> kBatches = {{{"N", 1}}, {{"N", 3}}, {{"N", 0}}};
const std::vector<SymbolValues> kThree = {{{"N", 3}}};

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

// The head of a quantised detector, whose filters are a multiple of 16.
TEST(CudaRegion, makes_floats_of_bytes_as_dequantize_linear_does) {
  check_cuda(
      R"(graph main(%q: u8[N,32,4,5], %const_s: f32[], %const_z: u8[]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%q, %const_s, %const_z) body graph body(%q: u8[N,32,4,5], %s: f32[], %z: u8[]) -> (%y) {
          const %b = i64[1]{0}
          const %e = i64[1]{21}
          const %a = i64[1]{1}
          const %r = i64[5]{0, 3, 7, 4, 5}
          const %v = i64[3]{0, 60, 7}
          %c = slice(%q, %b, %e, %a)
          %d = dequantize_linear(%c, %s, %z)
          %h = cast{to=f16}(%d)
          %f = reshape(%h, %r)
          %t = transpose{perm=[0, 1, 3, 4, 2]}(%f)
          %g = cast{to=f32}(%t)
          %y = reshape(%g, %v)
        }
      })",
      {"region_cuda@nhwc>plain"},
      {.sizes = kBatches,
       .constants = {Tensor::from<float>({}, {0.037f}), Tensor::from<std::uint8_t>({}, {131})},
       .tolerance = 0});
}

TEST(CudaRegion, makes_floats_of_bytes_with_a_scale_for_each_channel) {
  check_cuda(
      R"(graph main(%q: i8[2,8,3,16], %w: f32[2,8,3,16], %const_s: f32[8], %const_z: i8[8], %const_o: f32[1]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%q, %w, %const_s, %const_z, %const_o) body graph body(%q: i8[2,8,3,16], %w: f32[2,8,3,16], %s: f32[8], %z: i8[8], %o: f32[1]) -> (%y) {
          %a = dequantize_linear(%q, %s, %z)
          %b = dequantize_linear{axis=-1}(%q, %o)
          %y = concat{axis=1}(%a, %w, %b)
        }
      })",
      {"region_cuda", "region_cuda@nhwc"},
      {.constants = {Tensor::from<float>({8}, {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f}),
                     Tensor::from<std::int8_t>({8}, {0, 1, -2, 3, -128, 127, 6, 7}),
                     Tensor::from<float>({1}, {0.013f})},
       .tolerance = 0});
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

TEST(CudaRegion, reshapes_to_a_size_that_is_left_over) {
  check_cuda(
      R"(graph main(%x: f32[N,4,6,5]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%x) body graph body(%x: f32[N,4,6,5]) -> (%y) {
          const %r = i64[4]{-1, 2, 6, 5}
          const %f = i64[2]{-1, 10}
          %a = reshape(%x, %r)
          %c = concat{axis=3}(%a, %a)
          %n = unary{function="neg"}(%c)
          %y = reshape(%n, %f)
        }
      })",
      {"region_cuda"}, {.sizes = kBatches});
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

// A picture cut into patches, which become rows.
TEST(CudaRegion, reads_and_writes_pixels_of_patches_at_once) {
  check_cuda(
      R"(graph main(%x: f32[N,3,32,48]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%x) body graph body(%x: f32[N,3,32,48]) -> (%y) {
          const %r = i64[6]{0, 3, 2, 16, 3, 16}
          const %v = i64[3]{0, 6, 768}
          %c = cast{to=f16}(%x)
          %a = reshape(%c, %r)
          %t = transpose{perm=[0, 2, 4, 1, 3, 5]}(%a)
          %y = reshape(%t, %v)
        }
      })",
      {"region_cuda"},
      {.sizes = kThree, .tolerance = 0, .holds = {"read_neighbours<4>(x0", "Pack<half_t, 8> q"}});
}

TEST(CudaRegion, joins_rows_and_adds_at_once) {
  check_cuda(
      R"(graph main(%t: f16[1,1,24], %x: f16[N,4,24], %p: f16[1,6,24], %e: f16[N,1,24]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%t, %x, %p, %e) body graph body(%t: f16[1,1,24], %x: f16[N,4,24], %p: f16[1,6,24], %e: f16[N,1,24]) -> (%y) {
          %u = binary{function="mul"}(%t, %e)
          %c = concat{axis=1}(%u, %x, %e)
          %y = binary{function="add"}(%c, %p)
        }
      })",
      {"region_cuda"}, {.sizes = kThree, .holds = {"read_neighbours<8>(x1", "Pack<half_t, 8> q"}});
}

// Cuts of the innermost axis at multiples of 8, of 4, and of nothing.
TEST(CudaRegion, groups_go_no_further_than_cuts_of_the_innermost_axis) {
  const auto check = [](int first, int second, const std::vector<std::string>& holds) {
    const std::string types = fmt::format("%a: f16[N,{}], %b: f16[N,{}]", first, second);
    check_cuda(fmt::format(R"(graph main({0}) -> (%y) {{
        %y = fused{{kind="moves", moves=true}}(%a, %b) body graph body({0}) -> (%y) {{
          %c = concat{{axis=1}}(%a, %b)
          %y = unary{{function="abs"}}(%c)
        }}
      }})",
                           types),
               {"region_cuda"}, {.sizes = kThree, .tolerance = 0, .holds = holds});
  };
  check(16, 24, {"read_neighbours<8>(x0", "read_neighbours<8>(x1", "Pack<half_t, 8> q"});
  check(4, 36, {"read_neighbours<4>(x0", "read_neighbours<4>(x1", "Pack<half_t, 4> q"});
  check(3, 37, {"y0[index] ="});
}

TEST(CudaRegion, begins_of_slices_decide_what_is_read_at_once) {
  const auto check = [](int begin, const std::string& read) {
    check_cuda(fmt::format(R"(graph main(%x: f16[N,64]) -> (%y) {{
        %y = fused{{kind="moves", moves=true}}(%x) body graph body(%x: f16[N,64]) -> (%y) {{
          const %s = i64[1]{{{}}}
          const %e = i64[1]{{{}}}
          const %a = i64[1]{{1}}
          %c = slice(%x, %s, %e, %a)
          %y = unary{{function="neg"}}(%c)
        }}
      }})",
                           begin, begin + 16),
               {"region_cuda"},
               {.sizes = kThree, .tolerance = 0, .holds = {read, "Pack<half_t, 8> q"}});
  };
  check(24, "read_neighbours<8>(x0");
  check(20, "read_neighbours<4>(x0");
  check(6, "read_neighbours<2>(x0");
  check(3, "read_apart(x0");
}

TEST(CudaRegion, a_group_takes_what_stands_still_once) {
  check_cuda(
      R"(graph main(%x: f16[N,1], %b: f16[N,16]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%x, %b) body graph body(%x: f16[N,1], %b: f16[N,16]) -> (%y) {
          const %w = i64[2]{1, 16}
          %n = unary{function="neg"}(%x)
          %o = expand(%n, %w)
          %y = binary{function="add"}(%o, %b)
        }
      })",
      {"region_cuda"}, {.sizes = kThree, .holds = {"wide(x0[", "read_neighbours<8>(x1"}});
}

// Small inputs may be read anyhow.
TEST(CudaRegion, a_group_reads_elements_that_are_apart) {
  check_cuda(
      R"(graph main(%x: f32[48,8,16], %w: f32[16,8], %r: f32[8,40]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%x, %w, %r) body graph body(%x: f32[48,8,16], %w: f32[16,8], %r: f32[8,40]) -> (%y) {
          const %s = i64[1]{38}
          const %e = i64[1]{6}
          const %a = i64[1]{1}
          const %b = i64[1]{-2}
          %t = transpose{perm=[1, 0]}(%w)
          %c = slice(%r, %s, %e, %a, %b)
          %m = binary{function="mul"}(%t, %c)
          %y = binary{function="sub"}(%x, %m)
        }
      })",
      {"region_cuda"}, {.holds = {"read_apart(x1", "read_apart(x2", "Pack<float, 4> q"}});
}

TEST(CudaRegion, reads_elements_of_all_sizes_at_once) {
  check_cuda(
      R"(graph main(%i: i64[N,16], %b: bool[N,16], %h: f16[N,32], %z: u8[N,32]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%i, %b, %h, %z) body graph body(%i: i64[N,16], %b: bool[N,16], %h: f16[N,32], %z: u8[N,32]) -> (%y) {
          const %s = i64[2]{16, 16}
          %p, %q = split{axis=1}(%h, %s)
          %v, %w = split{axis=1}(%z, %s)
          %i16 = cast{to=f16}(%i)
          %w16 = cast{to=f16}(%w)
          %k = select(%b, %q, %i16)
          %c = concat{axis=1}(%k, %w16)
          %y = cast{to=f32}(%c)
        }
      })",
      {"region_cuda"},
      {.sizes = kThree,
       .holds = {"read_neighbours<2>(x0", "read_neighbours<4>(x1", "read_neighbours<4>(x2",
                 "read_neighbours<4>(x3", "Pack<float, 4> q"}});
}

// Rows of an odd number of elements: groups across them.
TEST(CudaRegion, groups_rows_where_they_cannot_be_cut) {
  check_cuda(
      R"(graph main(%x: f16[N,105,2,8], %z: f16[N,105,1,4], %grid: f16[1,3,2,8,2]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%x, %z, %grid) body graph body(%x: f16[N,105,2,8], %z: f16[N,105,1,4], %grid: f16[1,3,2,8,2]) -> (%y) {
          const %r = i64[5]{0, 3, 35, 2, 8}
          const %q = i64[5]{0, 3, 35, 1, 4}
          const %s = i64[3]{2, 2, 31}
          const %v = i64[3]{0, 48, 35}
          const %w = i64[3]{0, 12, 35}
          %a = reshape(%x, %r)
          %t = transpose{perm=[0, 1, 3, 4, 2]}(%a)
          %g = unary{function="sigmoid"}(%t)
          %xy, %wh, %c = split{axis=4}(%g, %s)
          %p = binary{function="add"}(%xy, %grid)
          %m = binary{function="mul"}(%wh, %wh)
          %b = concat{axis=4}(%p, %m, %c)
          %f = reshape(%b, %v)
          %a2 = reshape(%z, %q)
          %t2 = transpose{perm=[0, 1, 3, 4, 2]}(%a2)
          %f2 = reshape(%t2, %w)
          %y = concat{axis=1}(%f, %f2)
        }
      })",
      {"region_cuda@nhwc>plain"}, {.sizes = kThree, .holds = {"y0[to + k *", "k < 4"}});
}

TEST(CudaRegion, a_group_of_rows_goes_through_reshapes) {
  check_cuda(
      R"(graph main(%x: f32[N,8,3,33], %z: f32[N,3,33]) -> (%y) {
        %y = fused{kind="moves", moves=true}(%x, %z) body graph body(%x: f32[N,8,3,33], %z: f32[N,3,33]) -> (%y) {
          const %r = i64[3]{0, 24, 33}
          const %q = i64[4]{0, 8, 3, 33}
          const %s = i64[4]{0, 1, 3, 33}
          %a = reshape(%x, %r)
          %n = unary{function="neg"}(%a)
          %b = reshape(%n, %q)
          %c = reshape(%z, %s)
          %d = binary{function="add"}(%b, %c)
          %e = binary{function="mul"}(%d, %x)
          %y = transpose{perm=[0, 2, 1, 3]}(%e)
        }
      })",
      {"region_cuda"}, {.sizes = kThree, .holds = {"y0[to + k *", "k < 8"}});
}

}  // namespace
}  // namespace strop::testing
