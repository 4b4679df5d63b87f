// SPDX-License-Identifier: Apache-2.0
// Attention in tiles: every template compiles for old and new chips without spilled registers, and
// gives what the reference gives.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "backends/cuda/on_host/tactic_check.hpp"

namespace strop::testing {
namespace {

const std::string kSimple = "attention_flash/64x64_t1_g1_s2";
const std::string kSimt = "attention_flash/simt";

// Two heads of queries and one of keys, with `more` inputs (", %b: f16[T]") that the operator takes
// as `names` (", %b").
std::string heads(const std::string& type, int size, const std::string& attributes = "scale=0.3",
                  const std::string& more = {}, const std::string& names = {}) {
  const std::string d = std::to_string(size);
  return "graph main(%q: " + type + "[B,2,S," + d + "], %k: " + type + "[B,1,T," + d +
         "], %v: " + type + "[B,1,T," + d + "]" + more + ") -> (%y) { %y = attention{" +
         attributes + "}(%q, %k, %v" + names + ") }";
}

SymbolValues sizes(std::int64_t b, std::int64_t s, std::int64_t t) {
  return {{"B", b}, {"S", s}, {"T", t}};
}

void check(const std::string& graph, const std::string& only, const SymbolValues& at,
           std::vector<Tensor> constants = {}) {
  CudaCheck check;
  check.only = only;
  check.sizes = {at};
  check.constants = std::move(constants);
  check_cuda(graph, only.empty() ? std::vector<std::string>{} : std::vector<std::string>{only},
             check);
}

TEST(CudaFlashAttention, gives_the_same_in_tiles_of_every_size) {
  CudaCheck check;
  check.only = "attention_flash";
  check.sizes = {sizes(1, 70, 133)};
  check_cuda(heads("f16", 64), {kSimple, "attention_flash/128x64_t2_g1_s2"}, check);
  check.sizes = {sizes(1, 40, 140)};
  check_cuda(heads("bf16", 40, "scale=0.3, right=0", ", %b: bf16[B,1,1,T]", ", %b"),
             {kSimple, "attention_flash/16x128_t1_g4_s2"}, check);
}

TEST(CudaFlashAttention, compiles_for_warpgroups) {
  CudaCheck check;
  check.only = "attention_wgmma";
  check.on_host = false;
  check_cuda(
      "graph main(%q: f16[2,3,197,64], %k: f16[2,3,197,64], %v: f16[2,3,197,64]) -> (%y) {\n"
      "%y = attention{scale=0.125}(%q, %k, %v) }",
      {"attention_wgmma/heads2", "attention_wgmma/128x208_t1_g1_s1",
       "attention_wgmma/128x64_t1_g1_s2"},
      check);
  check_cuda(
      "graph main(%q: bf16[2,3,128,128], %k: bf16[2,1,128,128], %v: bf16[2,1,128,64], %b: "
      "bf16[2,1,1,128]) -> (%y) { %y = attention{scale=0.125}(%q, %k, %v, %b) }",
      {"attention_wgmma/64x128_t1_g1_s1"}, check);
  check_cuda(
      "graph main(%q: f16[2,3,128,64], %k: f16[2,3,128,64], %v: f16[2,3,128,64], %b: "
      "f16[2,1,1,128]) -> (%y) { %y = attention{scale=0.125}(%q, %k, %v, %b) }",
      {"attention_wgmma/heads3"}, check);
  check_cuda(
      "graph main(%q: f16[2,3,128,64], %k: f16[2,3,128,64], %v: f16[2,3,128,64]) -> (%y) {\n"
      "%y = attention{scale=0.125}(%q, %k, %v) }",
      {"attention_wgmma/heads3"}, check);
  check_cuda(heads("f16", 64, "right=0"), {"attention_wgmma/128x64_t1_g1_s2"}, check);
  for (const int keys : {1, 33, 256}) {
    const std::string operand = fmt::format(": f16[1,2,{},128]", keys);
    check_cuda("graph main(%q" + operand + ", %k" + operand + ", %v" + operand +
                   ") -> (%y) { %y = attention{scale=0.3}(%q, %k, %v) }",
               {fmt::format("attention_wgmma/64x{}_t1_g1_s1", (keys + 15) / 16 * 16)}, check);
  }
}

TEST(CudaFlashAttention, gives_the_same_by_warpgroups) {
  CudaCheck check;
  check.only = "attention_wgmma";
  check.sizes = {sizes(1, 70, 133)};
  check_cuda(heads("f16", 64), {"attention_wgmma/128x64_t1_g1_s2"}, check);
  check_cuda(heads("bf16", 128, "scale=0.3, right=0", ", %b: bf16[B,1,1,T]", ", %b"),
             {"attention_wgmma/64x64_t1_g1_s2"}, check);
}

// One block for all heads, so that buffers and slots are used again and again.
TEST(CudaFlashAttention, takes_heads_in_turn) {
  CudaCheck check;
  check.only = "attention_wgmma/heads";
  check.multiprocessors = 1;
  for (const auto& [queries, keys] : {std::pair(20, 30), std::pair(64, 16), std::pair(130, 37)}) {
    const std::string q = fmt::format("f16[2,4,{},64]", queries);
    const std::string k = fmt::format("f16[2,2,{},64]", keys);
    check_cuda("graph main(%q: " + q + ", %k: " + k + ", %v: " + k +
                   ") -> (%y) { %y = attention{scale=0.3}(%q, %k, %v) }",
               {"attention_wgmma/heads3", "attention_wgmma/heads2"}, check);
  }
  check_cuda(
      "graph main(%q: f16[1,6,70,128], %k: f16[1,6,20,128], %v: f16[1,6,20,64], %b: "
      "f16[1,1,70,20]) "
      "-> (%y) { %y = attention{scale=0.3}(%q, %k, %v, %b) }",
      {"attention_wgmma/heads3"}, check);
}

TEST(CudaFlashAttention, takes_heads_of_many_sizes) {
  check(heads("f16", 2), kSimple, sizes(1, 5, 70));
  check(heads("f16", 12), kSimple, sizes(1, 17, 3));
  check(heads("f16", 128), kSimple, sizes(1, 65, 66));
  check(heads("f16", 128), "attention_flash/16x64_t1_g4_s2", sizes(1, 20, 100));
  check(heads("f16", 200), "attention_flash/64x32_t1_g1_s2", sizes(1, 20, 70));
  check(
      "graph main(%q: f16[1,1,9,96], %k: f16[1,1,40,96], %v: f16[1,1,40,24]) -> (%y) {\n"
      "%y = attention(%q, %k, %v) }",
      "attention_flash/16x64_t1_g4_s2", {});
}

TEST(CudaFlashAttention, takes_nothing_as_it_comes) {
  check(heads("f16", 64), kSimple, sizes(1, 5, 0));
  check(heads("f16", 64), kSimple, sizes(1, 0, 5));
  check(heads("f16", 64, "scale=-0.3"), kSimple, sizes(1, 1, 1));
  check(heads("f32", 20), kSimt, sizes(1, 5, 0));
}

TEST(CudaFlashAttention, adds_biases_of_every_shape) {
  check(heads("f16", 32, "scale=0.2", ", %b: f16[2,S,T]", ", %b"), kSimple, sizes(1, 40, 90));
  check(heads("f16", 32, "scale=0.2", ", %b: f16[B,1,S,T]", ", %b"), kSimple, sizes(2, 33, 67));
  check(heads("f16", 32, "scale=0.2", ", %b: bool[B,1,1,T]", ", %b"), kSimple, sizes(2, 33, 67));
  check(heads("f16", 32, "scale=0.2", ", %b: bool[S,1]", ", %b"), kSimple, sizes(1, 33, 67));
  check(heads("f32", 32, "scale=0.2", ", %b: bool[B,2,S,T]", ", %b"), kSimt, sizes(2, 33, 67));
}

TEST(CudaFlashAttention, knows_windows_lengths_starts_and_sinks) {
  check(heads("f16", 32, "left=10, right=3"), kSimple, sizes(1, 150, 140));
  check(heads("f16", 32, "left=9000000000000000000, right=0, softcap=2"), kSimple,
        sizes(1, 70, 90));
  const std::vector<Tensor> given = {Tensor::from<std::int64_t>({3}, {100, 0, 37}),
                                     Tensor::from<std::int32_t>({3}, {40, -7, 0}),
                                     Tensor::from<float>({2}, {0.5f, -1})};
  const std::string more = ", %const_l: i64[3], %const_s: i32[3], %const_z: f32[2]";
  const std::string names = ", _, %const_l, %const_s, %const_z";
  check(heads("f16", 32, "scale=0.2, left=50, right=0", more, names), kSimple, sizes(3, 40, 100),
        given);
  check(heads("f16", 32, "scale=0.2, left=50, right=0", more, names),
        "attention_flash/16x128_t1_g4_s2", sizes(3, 40, 100), given);
  check(heads("f32", 32, "scale=0.2, left=50, right=0, softcap=3", more, names), kSimt,
        sizes(3, 40, 100), given);
}

TEST(CudaFlashAttention, computes_in_f32_what_tensor_cores_do_not_take) {
  check(heads("f32", 64, "scale=0.2", ", %b: f32[S,T]", ", %b"), kSimt, sizes(1, 70, 130));
  check(heads("f32", 150), kSimt, sizes(1, 20, 70));
  check(heads("f16", 7), kSimt, sizes(1, 9, 65));
  check(heads("bf16", 272), kSimt, sizes(1, 9, 20));
}

TEST(CudaFlashAttention, reads_and_writes_heads_where_they_lie) {
  const std::string slices =
      "const %n0 = i64[1]{0} const %n1 = i64[1]{96} const %n2 = i64[1]{192} const %n3 = "
      "i64[1]{288} const %axis = i64[1]{2} const %cut = i64[4]{0, 0, 3, 32}\n";
  std::string views;
  for (int i = 0; i < 3; ++i) {
    const std::string n = std::to_string(i);
    views += "%a" + n + " = slice(%x, %n" + n + ", %n" + std::to_string(i + 1) + ", %axis)\n%b" +
             n + " = reshape(%a" + n + ", %cut)\n%c" + n + " = transpose{perm=[0, 2, 1, 3]}(%b" +
             n + ")\n";
  }
  for (const std::string type : {"f16", "f32"}) {
    check("graph main(%x: " + type + "[B,S,288]) -> (%y) {\n%y = fused{kind=\"attention\"}(%x) " +
              "body graph body(%x: " + type + "[B,S,288]) -> (%y) {\n" + slices + views +
              "const %put = i64[3]{0, 0, 96}\n%o = attention{scale=0.3}(%c0, %c1, %c2)\n"
              "%p = transpose{perm=[0, 2, 1, 3]}(%o)\n%y = reshape(%p, %put) } }",
          type == "f16" ? kSimple : kSimt, {{"B", 2}, {"S", 35}});
  }
}

TEST(CudaFlashAttention, reads_and_writes_rows_that_come_first) {
  for (const std::string type : {"f16", "f32"}) {
    const std::string graph = "graph main(%x: " + type +
                              "[S,B,48]) -> (%y) {\n%y = fused{kind=\"attention\"}(%x) " +
                              "body graph body(%x: " + type + "[S,B,48]) -> (%y) {\n" + R"(
            const %start = i64[1]{16} const %end = i64[1]{48} const %axis = i64[1]{2}
            const %cut = i64[4]{0, 0, 2, 16} const %put = i64[3]{0, 0, 32}
            %a = slice(%x, %start, %end, %axis) %b = reshape(%a, %cut)
            %c = transpose{perm=[1, 2, 0, 3]}(%b) %o = attention{scale=0.3}(%c, %c, %c)
            %p = transpose{perm=[2, 0, 1, 3]}(%o) %y = reshape(%p, %put) } })";
    for (const std::string& tactic :
         {type == "f16" ? kSimple : kSimt, std::string("attention_cuda")})
      check(graph, tactic, {{"B", 3}, {"S", 35}});
  }
}

TEST(CudaFlashAttention, gives_zeros_for_weights_that_are_no_numbers) {
  for (const char* type : {"f16", "f32"}) {
    const DType dtype = *type == 'f' && type[1] == '1' ? DType::f16 : DType::f32;
    std::vector<double> queries(5 * 8, 0.5);
    queries[9] = std::numeric_limits<double>::quiet_NaN();
    queries[16] = std::numeric_limits<double>::infinity();
    const auto tensor = [&](const Shape& shape, const std::vector<double>& values) {
      Tensor out = Tensor::allocate(dtype, shape);
      for (std::size_t i = 0; i < values.size(); ++i)
        store_from_double(dtype, out.mutable_data(), static_cast<std::int64_t>(i), values[i]);
      return out;
    };
    CudaCheck check;
    check.inputs = {tensor({1, 1, 5, 8}, queries),
                    tensor({1, 1, 70, 8}, std::vector<double>(70 * 8, 0.25)),
                    tensor({1, 1, 70, 8}, std::vector<double>(70 * 8, 3))};
    const std::string t = type;
    const std::string graph = "graph main(%q: " + t + "[1,1,5,8], %k: " + t +
                              "[1,1,70,8], %v: " + t +
                              "[1,1,70,8]) -> (%y) { %y = attention{zero_nan=true}(%q, %k, %v) }";
    check.only = "attention_cuda";
    check_cuda(graph, {"attention_cuda"}, check);
    check.only = dtype == DType::f16 ? "attention_flash/16x128_t1_g4_s2" : kSimt;
    check_cuda(graph, {check.only}, check);
  }
}

TEST(CudaFlashAttention, refuses_what_it_has_no_kernel_for) {
  CudaCheck check;
  check.only = "attention_flash";
  check_cuda(heads("f64", 64), {}, check);
  check_cuda(
      "graph main(%q: f16[1,2,3,8], %k: f16[1,2,3,8]) -> (%y, %s) {\n"
      "%y, %s = attention(%q, %k, %k) }",
      {}, check);
}

}  // namespace
}  // namespace strop::testing
