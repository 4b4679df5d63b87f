// SPDX-License-Identifier: Apache-2.0
// What the tactics on Hopper's tensor cores offer, run on a GPU and compared with the reference:
// sizes that fill no tile, layouts, operands of the epilogue, zero points.
#include <gtest/gtest.h>

#include <numeric>

#include "backends/cuda/codegen/implicit_gemm_sm90.hpp"
#include "backends/cuda/gpu.hpp"
#include "backends/cuda/products/gpu_check.hpp"
#include "backends/cuda/products/joined_conv.hpp"

namespace strop {
namespace {

using testing::gpu;

// Compares every candidate of tactics whose names hold `family` with the reference kernel.
void check_on_gpu(const std::string& text, const std::vector<Tensor>& constants,
                  const std::vector<SymbolValues>& sizes, std::string_view family = "wgmma") {
  testing::check_on_gpu(family, text, constants, sizes);
}

bool is_hopper() { return gpu()->device->compute_capability == 90; }

TEST(wgmma_on_gpu, convolutions_give_what_the_reference_gives) {
  STROP_SKIP_WITHOUT_GPU();
  if (!is_hopper()) GTEST_SKIP() << "it is no GPU of compute capability 9.0";
  for (const std::string type : {"f16", "bf16", "f32"}) {
    const DType dtype = dtype_from_name(type).value();
    check_on_gpu("graph main(%x: " + type + "[N,24,H,17], %r: " + type +
                     "[N,40,floordiv(H + 1, 2),9]) -> (%y) {\nconst %w: " + type +
                     "[40,24,3,3] = @0\nconst %b: " + type +
                     "[40] = @1\n%y = fused{kind=\"conv+add+relu\"}(%x, %w, %b, %r) body graph "
                     "body(%x: " +
                     type + "[N,24,H,17], %w: " + type + "[40,24,3,3], %b: " + type +
                     "[40], %r: " + type +
                     "[N,40,floordiv(H + 1, 2),9]) -> (%y) { %a = conv{strides=[2, 2], pads=[1, 1, "
                     "1, 1]}(%x, %w, %b) %s = binary{function=\"add\"}(%a, %r) %y = "
                     "unary{function=\"relu\"}(%s) } }",
                 {random_tensor(dtype, {40, 24, 3, 3}, 7), random_tensor(dtype, {40}, 8)},
                 {{{"N", 3}, {"H", 13}}, {{"N", 1}, {"H", 1}}});
  }
}

void check_pieces_on_gpu(const testing::JoinedConv& conv, const std::vector<SymbolValues>& sizes,
                         const std::vector<std::string>& configs = {}) {
  const DType dtype = dtype_from_name(conv.type).value();
  testing::check_on_gpu(dtype == DType::f32 ? "conv_wgmma_f32" : "conv_wgmma", conv.text(),
                        {random_tensor(dtype, {conv.columns, conv.channels(), 1, 1}, 7),
                         random_tensor(dtype, {conv.columns}, 8)},
                        sizes, configs);
}

TEST(wgmma_on_gpu, pieces_of_a_concat_give_what_the_reference_gives) {
  STROP_SKIP_WITHOUT_GPU();
  if (!is_hopper()) GTEST_SKIP() << "it is no GPU of compute capability 9.0";
  const std::vector<SymbolValues> sizes = {
      {{"N", 3}, {"H", 13}}, {{"N", 1}, {"H", 1}}, {{"N", 0}, {"H", 5}}};
  check_pieces_on_gpu({.pieces = {64, 64}}, sizes);
  check_pieces_on_gpu({.pieces = {32, 32}, .residual = true}, sizes);
  check_pieces_on_gpu({.pieces = {96, 32, 64}, .columns = 40, .residual = true}, sizes);
  check_pieces_on_gpu({.pieces = {128, 64, 192}, .columns = 75}, sizes);
  check_pieces_on_gpu({.type = "bf16", .pieces = {64, 32, 32, 128}, .residual = true}, sizes);
  check_pieces_on_gpu({.type = "f32", .pieces = {64, 16, 48}, .columns = 75}, sizes);
}

// With more tiles than there are multiprocessors, and with fewer.
TEST(wgmma_on_gpu, every_form_reads_the_pieces_of_a_concat) {
  STROP_SKIP_WITHOUT_GPU();
  if (!is_hopper()) GTEST_SKIP() << "it is no GPU of compute capability 9.0";
  const std::vector<SymbolValues> sizes = {{{"N", 24}, {"H", 21}}, {{"N", 2}, {"H", 7}}};
  for (const std::vector<std::int64_t>& pieces :
       {std::vector<std::int64_t>{96, 160}, {64, 128, 64}}) {
    const bool residual = pieces.size() == 2;
    check_pieces_on_gpu({.pieces = pieces, .columns = 384, .residual = residual}, sizes,
                        residual ? testing::forms_of_wgmma() : testing::forms_of_wgmma_alone());
    check_pieces_on_gpu({.type = "f32", .pieces = pieces, .columns = 384, .residual = residual},
                        sizes, testing::forms_of_wgmma_f32());
  }
}

TEST(wgmma_on_gpu, products_give_what_the_reference_gives) {
  STROP_SKIP_WITHOUT_GPU();
  if (!is_hopper()) GTEST_SKIP() << "it is no GPU of compute capability 9.0";
  for (const std::string type : {"f16", "f32"}) {
    check_on_gpu("graph main(%x: " + type + "[B,S,200]) -> (%y) {\nconst %w: " + type +
                     "[200,75] = @0\n%y = matmul(%x, %w) }",
                 {random_tensor(dtype_from_name(type).value(), {200, 75}, 7)},
                 {{{"B", 2}, {"S", 77}}, {{"B", 1}, {"S", 1}}, {{"B", 0}, {"S", 5}}});
  }
}

// Of a size for which tiles that blocks of a cluster share, and tiles of every width, are offered.
TEST(wgmma_on_gpu, tiles_of_many_rows_give_what_the_reference_gives) {
  STROP_SKIP_WITHOUT_GPU();
  if (!is_hopper()) GTEST_SKIP() << "it is no GPU of compute capability 9.0";
  for (const std::string type : {"f16", "f32"}) {
    check_on_gpu("graph main(%x: " + type + "[6300,192]) -> (%y) {\nconst %w: " + type +
                     "[192,288] = @0\n%y = matmul(%x, %w) }",
                 {random_tensor(dtype_from_name(type).value(), {192, 288}, 7)}, {{}});
  }
}

// Forms that do not share the products of a tile among blocks.
std::vector<std::string> forms_of_few_products() {
  std::vector<std::string> out = testing::forms_of_wgmma_alone();
  std::erase_if(out, [](const std::string& form) {
    return cuda::sm90::parse_gemm_config(form).value().split > 1;
  });
  return out;
}

// Groups whose turns are of one step each, with results that copies store and that threads do.
TEST(wgmma_on_gpu, many_tiles_of_few_products_give_what_the_reference_gives) {
  STROP_SKIP_WITHOUT_GPU();
  if (!is_hopper()) GTEST_SKIP() << "it is no GPU of compute capability 9.0";
  for (const std::int64_t columns : {256, 252}) {
    const std::string n = std::to_string(columns);
    testing::check_on_gpu("matmul_wgmma",
                          "graph main(%x: f16[40000,64]) -> (%y) {\nconst %w: f16[64," + n +
                              "] = @0\n%y = matmul(%x, %w) }",
                          {random_tensor(DType::f16, {64, columns}, 7)}, {{}},
                          {"pp192x128P", "pp128x192", "pp128x128P"});
  }
}

// Forms whose tiles are of whole blocks of row sums.
std::vector<std::string> forms_of_rows() {
  std::vector<std::string> out;
  for (const std::string& form : testing::forms_of_wgmma()) {
    if (cuda::sm90::parse_gemm_config(form).value().tile_n % cuda::sm90::kSumsBlock == 0)
      out.push_back(form);
  }
  return out;
}

TEST(wgmma_on_gpu, rows_of_results_are_summed_as_the_reference_does) {
  STROP_SKIP_WITHOUT_GPU();
  if (!is_hopper()) GTEST_SKIP() << "it is no GPU of compute capability 9.0";
  for (const std::string type : {"f16", "bf16"}) {
    const DType dtype = dtype_from_name(type).value();
    const std::string operands = "%x: " + type + "[N,77,200], %r: " + type + "[N,77,448]";
    const std::string weights = type + "[200,448]";
    const std::string text =
        "graph main(" + operands + ") -> (%y, %s) {\nconst %w: " + weights +
        " = @0\nconst %b: " + type +
        "[448] = @1\n%y, %s = fused{kind=\"matmul+add+add+row_sums\"}(%x, %w, %b, %r) body "
        "graph body(%x: " +
        type + "[N,77,200], %w: " + weights + ", %b: " + type + "[448], %r: " + type +
        "[N,77,448]) -> (%y, %s) { %p = matmul(%x, %w) %q = binary{function=\"add\"}(%p, "
        "%b) %y = binary{function=\"add\"}(%q, %r) %s = row_sums{block=64}(%y) } }";
    const std::vector<Tensor> constants = {random_tensor(dtype, {200, 448}, 7),
                                           random_tensor(dtype, {448}, 8)};
    const std::vector<SymbolValues> sizes = {{{"N", 1}}, {{"N", 3}}, {{"N", 160}}};
    testing::check_on_gpu("matmul_wgmma", text, constants, sizes);
    testing::check_on_gpu("matmul_wgmma", text, constants, sizes, forms_of_rows());
  }
}

// Makes input 1 the row_sums of input 0, of [N, 77, columns].
void sum_rows(std::vector<Tensor>& inputs) {
  const std::string x =
      std::string(to_string(inputs[0].dtype())) + "[N,77," + std::to_string(inputs[0].dim(2)) + "]";
  const Graph graph =
      parse_graph("graph main(%x: " + x + ") -> (%s) { %s = row_sums{block=64}(%x) }", find_op);
  const std::vector<Datum> data{inputs[0]};
  inputs[1] = evaluate_graph(graph, data).at(0).tensor();
}

// A product of rows of `size` elements that are normalised first.
void check_normalized(const std::string& t, std::int64_t size,
                      const std::vector<SymbolValues>& sizes,
                      const std::vector<std::string>& forms = {}) {
  const DType dtype = dtype_from_name(t).value();
  const std::string k = std::to_string(size);
  const std::string operands =
      "%x: " + t + "[N,77," + k + "], %s: f32[N,77," + std::to_string(size / 64) + ",2]";
  const std::string parameters = ", %g: " + t + "[" + k + "], %h: " + t + "[" + k + "], %w: " + t +
                                 "[" + k + ",200], %b: " + t + "[200]";
  const std::string text =
      "graph main(" + operands + ") -> (%y) {\nconst %g: " + t + "[" + k +
      "] = @0\nconst %h: " + t + "[" + k + "] = @1\nconst %w: " + t + "[" + k +
      ",200] = @2\nconst %b: " + t +
      "[200] = @3\n%y = fused{kind=\"normalize_by_sums+matmul+add+gelu\"}(%x, %s, %g, %h, %w, "
      "%b) body graph body(" +
      operands + parameters +
      ") -> (%y) { %n = normalize_by_sums{epsilon=0.05}(%x, %s, %g, %h) %p = matmul(%n, %w) %q = "
      "binary{function=\"add\"}(%p, %b) %y = unary{function=\"gelu\"}(%q) } }";
  testing::check_on_gpu("matmul_wgmma", text,
                        {random_tensor(dtype, {size}, 7), random_tensor(dtype, {size}, 8),
                         random_tensor(dtype, {size, 200}, 9), random_tensor(dtype, {200}, 10)},
                        sizes, forms, sum_rows);
}

// Rows of few blocks, and of many; an odd number of them too.
TEST(wgmma_on_gpu, rows_are_normalised_by_sums_as_the_reference_does) {
  STROP_SKIP_WITHOUT_GPU();
  if (!is_hopper()) GTEST_SKIP() << "it is no GPU of compute capability 9.0";
  const std::vector<SymbolValues> sizes = {{{"N", 1}}, {{"N", 3}}, {{"N", 160}}};
  for (const auto& [type, size] :
       {std::pair{"f16", 256}, {"f16", 768}, {"bf16", 768}, {"f16", 2112}})
    check_normalized(type, size, sizes);
  check_normalized("f16", 256, sizes, testing::forms_of_wgmma_alone());
}

// So many that blocks take more tiles than there are places for their rows' scales.
TEST(wgmma_on_gpu, rows_of_many_tiles_are_normalised_by_sums_as_the_reference_does) {
  STROP_SKIP_WITHOUT_GPU();
  if (!is_hopper()) GTEST_SKIP() << "it is no GPU of compute capability 9.0";
  check_normalized("f16", 128, {{{"N", 850}}}, {"pp192x128P", "co192x192w3"});
}

// A convolution of bytes: padded, with a residual in its sums or other bytes added to its own; or
// with a zero point and a table after it, perhaps with other bytes added to what was looked up.
void check_bytes_on_gpu(std::string_view family) {
  Tensor multiplier = Tensor::allocate(DType::f32, {48}), offset = multiplier;
  offset = Tensor::allocate(DType::f32, {48});
  for (std::size_t i = 0; i < 48; ++i) {
    multiplier.mutable_values<float>()[i] = 2e-6f * static_cast<float>(i + 3);
    offset.mutable_values<float>()[i] = 0.3f + 0.01f * static_cast<float>(i);
  }
  Tensor lookup = Tensor::allocate(DType::i8, {256});
  for (std::size_t i = 0; i < 256; ++i)
    lookup.mutable_data()[i] = static_cast<std::byte>(i * 37 + 11);
  for (const auto& [zero, adds] : {std::pair{0, false}, {0, true}, {119, false}, {119, true}}) {
    const std::string pads = zero == 0 ? "pads=[1, 1, 1, 1]" : "";
    const std::string size = zero == 0 ? "H,11" : "H-2,9";
    const bool table = zero != 0;
    const std::string operands =
        "%x: u8[N,32,H,11], %w: i8[48,32,3,3], %z: u8[], %m: f32[48], "
        "%o: f32[48], %r: i8[N,48," +
        size + "]" + (table ? ", %t: i8[256]" : "") + (adds ? ", %f: f32[]" : "");
    Tensor point = Tensor::allocate(DType::u8, {});
    point.mutable_data()[0] = static_cast<std::byte>(zero);
    check_on_gpu(
        "graph main(%x: u8[N,32,H,11], %r: i8[N,48," + size +
            "]) -> (%y) {\nconst %w: i8[48,32,3,3] = @0\nconst %z: u8[] = @1\nconst %m: f32[48] = "
            "@2\nconst %o: f32[48] = @3\n" +
            (table ? "const %t: i8[256] = @4\n" : "") + (adds ? "const %f = f32[]{0.0041}\n" : "") +
            "%y = fused{kind=\"conv_integer+requantize\"}(%x, %w, %z, %m, %o, %r" +
            (table ? ", %t" : "") + (adds ? ", %f" : "") + ") body graph body(" + operands +
            ") -> (%y) { %a = conv_integer{" + pads + "}(%x, %w, %z) %" +
            (table || adds ? "b" : "y") + " = requantize{low=-99, high=120" +
            (adds ? "}(%a, %m, %o) " + std::string(table ? "%c = table_lookup(%b, %t) " : "") +
                        "%y = requantize{x_zero=3, low=-127, residual_multiplier=0.0029, "
                        "residual_zero=5}(" +
                        (table ? "%c" : "%b") + ", %f, %f, %r) "
                  : ", residual_multiplier=0.001, residual_zero=5}(%a, %m, %o, %r) ") +
            (table && !adds ? "%y = table_lookup(%b, %t) " : "") + "} }",
        {random_tensor(DType::i8, {48, 32, 3, 3}, 7), point, multiplier, offset, lookup},
        {{{"N", 2}, {"H", 9}}, {{"N", 5}, {"H", 3}}}, family);
  }
}

TEST(wgmma_on_gpu, bytes_are_those_of_the_reference) {
  STROP_SKIP_WITHOUT_GPU();
  if (!is_hopper()) GTEST_SKIP() << "it is no GPU of compute capability 9.0";
  check_bytes_on_gpu("wgmma");
}

// Zero points under padding: strides, dilations, windows wider than the image, pads of one side.
TEST(wgmma_on_gpu, borders_of_bytes_are_those_of_the_reference) {
  STROP_SKIP_WITHOUT_GPU();
  if (!is_hopper()) GTEST_SKIP() << "it is no GPU of compute capability 9.0";
  struct Window {
    std::int64_t channels, filters, height, width;  // of the kernel
    std::string attributes;
  };
  const Window windows[] = {
      {32, 48, 3, 3, "pads=[1, 1, 1, 1]"},
      {128, 128, 3, 3, "strides=[2, 2], pads=[1, 1, 1, 1]"},
      {32, 36, 3, 5, "pads=[2, 4, 1, 0], dilations=[1, 2]"},
      {16, 64, 5, 5, "strides=[2, 1], pads=[4, 2, 4, 2], dilations=[2, 1]"},
      {64, 192, 1, 3, "strides=[1, 3], pads=[0, 1, 0, 2]"},
  };
  for (const auto& [channels, filters, height, width, attributes] : windows) {
    const std::string f = std::to_string(filters);
    const std::string weights = "i8[" + f + "," + std::to_string(channels) + "," +
                                std::to_string(height) + "," + std::to_string(width) + "]";
    const std::string x = "%x: u8[N," + std::to_string(channels) + ",H,7]";
    Tensor point = Tensor::allocate(DType::u8, {}),
           multiplier = Tensor::allocate(DType::f32, {filters});
    point.mutable_data()[0] = std::byte{131};
    for (std::size_t i = 0; i < static_cast<std::size_t>(filters); ++i)
      multiplier.mutable_values<float>()[i] = 1e-7f * static_cast<float>(i + 20);
    const std::string text =
        "graph main(" + x + ") -> (%y) {\nconst %w: " + weights +
        " = @0\nconst %z: u8[] = @1\nconst %m: f32[" + f + "] = @2\nconst %o = f32[]{0.5}\n" +
        "%y = fused{kind=\"conv_integer+requantize\"}(%x, %w, %z, %m, %o) body graph body(" + x +
        ", %w: " + weights + ", %z: u8[], %m: f32[" + f + "], %o: f32[]) -> (%y) { " +
        "%a = conv_integer{" + attributes + "}(%x, %w, %z) %y = requantize(%a, %m, %o) } }";
    const std::vector<Tensor> constants = {
        random_tensor(DType::i8, {filters, channels, height, width}, 7), point, multiplier};
    check_on_gpu(text, constants, {{{"N", 1}, {"H", 1}}, {{"N", 3}, {"H", 13}}}, "wgmma");
    testing::check_on_gpu("conv_wgmma_s8", text, constants, {{{"N", 40}, {"H", 28}}},
                          {"co128x64", "pp64x64w3", "pp128x64R", "co64x64k2"});
  }
}

TEST(wgmma_on_gpu, bytes_of_the_pieces_of_a_concat_are_those_of_the_reference) {
  STROP_SKIP_WITHOUT_GPU();
  if (!is_hopper()) GTEST_SKIP() << "it is no GPU of compute capability 9.0";
  Tensor multiplier = Tensor::allocate(DType::f32, {64});
  for (std::size_t i = 0; i < 64; ++i)
    multiplier.mutable_values<float>()[i] = 2e-5f * static_cast<float>(i + 3);
  for (const std::vector<std::int64_t>& pieces :
       {std::vector<std::int64_t>{64, 64}, {192, 64, 128}, {128, 128}, {96, 32}}) {
    Tensor point = Tensor::allocate(DType::u8, {});
    point.mutable_data()[0] = static_cast<std::byte>(pieces.size() == 3 ? 0 : 119);
    const std::int64_t channels = std::accumulate(pieces.begin(), pieces.end(), std::int64_t{0});
    const std::vector<Tensor> constants = {random_tensor(DType::i8, {64, channels, 1, 1}, 7), point,
                                           multiplier, random_tensor(DType::f32, {64}, 9)};
    const std::string text = testing::joined_bytes_text(pieces);
    check_on_gpu(text, constants, {{{"N", 3}, {"H", 13}}, {{"N", 1}, {"H", 1}}});
    std::vector<std::string> forms = forms_of_few_products();
    std::erase_if(forms, [](const std::string& form) {  // whose panels are no whole ones of bytes
      return cuda::sm90::parse_gemm_config(form).value().tile_n % 64 != 0;
    });
    testing::check_on_gpu("conv_wgmma_s8", text, constants, {{{"N", 24}, {"H", 21}}}, forms);
  }
}

TEST(mma_on_gpu, bytes_are_those_of_the_reference) {
  STROP_SKIP_WITHOUT_GPU();
  check_bytes_on_gpu("conv_mma_s8");
}

TEST(stem_on_gpu, bytes_are_those_of_the_reference) {
  STROP_SKIP_WITHOUT_GPU();
  Tensor point = Tensor::allocate(DType::u8, {}), factor = Tensor::allocate(DType::f32, {1});
  point.mutable_data()[0] = static_cast<std::byte>(114);
  factor.mutable_values<float>()[0] = 3e-6f;
  check_on_gpu(
      "graph main(%x: u8[N,3,70,144]) -> (%y) {\nconst %w: i8[64,3,7,7] = @0\nconst %z: u8[] = @1\n"
      "const %m: f32[1] = @2\nconst %o = f32[]{0.4}\n"
      "%y = fused{kind=\"conv_integer+requantize\"}(%x, %w, %z, %m, %o) body graph body(%x: "
      "u8[N,3,70,144], %w: i8[64,3,7,7], %z: u8[], %m: f32[1], %o: f32[]) -> (%y) { %a = "
      "conv_integer{strides=[2, 2], pads=[3, 3, 3, 3]}(%x, %w, %z) %y = requantize(%a, %m, %o) } }",
      {random_tensor(DType::i8, {64, 3, 7, 7}, 7), point, factor}, {{{"N", 2}}, {{"N", 9}}},
      "conv_stem_s8");
}

}  // namespace
}  // namespace strop
