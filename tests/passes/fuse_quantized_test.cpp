// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "passes/pass_check.hpp"
#include "passes/passes.hpp"
#include "passes/quantized_table.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;
using testing::parse_test_graph;

std::string text_after(std::string_view text) {
  Graph graph = parse_test_graph(text);
  run_passes(graph, std::vector{fuse_quantized()}, {});
  return testing::canonical_text(graph);
}

// Both graphs on the same bytes; every result at most one step apart.
void expect_within_one_step(std::string_view text) {
  const Graph before = parse_test_graph(text);
  Graph after = before.clone();
  const auto reports = run_passes(after, std::vector{fuse_quantized()}, {});
  EXPECT_GE(reports[0].rewrites, 1) << ::testing::PrintToString(reports[0].notes);
  EXPECT_EQ(testing::canonical_text(after).find("quantize_linear"), std::string::npos)
      << testing::canonical_text(after);
  std::mt19937 random(7);
  std::uniform_int_distribution<int> byte(0, 255);
  std::vector<Datum> inputs;
  for (const ValueId id : before.inputs()) {
    const Type& type = before.value(id).type;
    Tensor x = Tensor::allocate(type.dtype, evaluate(*type.shape, {{"N", 5}}));
    for (std::int64_t i = 0; i < x.size(); ++i)
      x.mutable_data()[i] = static_cast<std::byte>(byte(random));
    inputs.emplace_back(x);
  }
  const auto expected = evaluate_graph(before, inputs);
  const auto results = evaluate_graph(after, inputs);
  ASSERT_EQ(expected.size(), results.size());
  const Tensor &a = expected[0].tensor(), &b = results[0].tensor();
  ASSERT_EQ(describe(a), describe(b));
  int distinct = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const double x = load_as_double(a.dtype(), a.data(), i);
    EXPECT_LE(std::abs(x - load_as_double(b.dtype(), b.data(), i)), 1) << "element " << i;
    distinct += i > 0 && x != load_as_double(a.dtype(), a.data(), i - 1) ? 1 : 0;
  }
  EXPECT_GT(distinct, a.size() / 8) << "the example saturates: it shows nothing";
}

TEST(FuseQuantized, convolution_becomes_exact_sums_and_one_rounding) {
  EXPECT_EQ(text_after(R"(graph main(%q: u8[1,1,4]) -> (%y) {
              const %s = f32[]{0.5}
              const %z = u8[]{3}
              const %w = i8[2,1,1]{1, -2}
              const %ws = f32[2]{0.25, 0.125}
              const %b = f32[2]{1, 0}
              const %ys = f32[]{0.0625}
              const %yz = u8[]{10}
              %x = dequantize_linear(%q, %s, %z)
              %d = dequantize_linear{axis=0}(%w, %ws)
              %a = conv(%x, %d, %b)
              %y = quantize_linear{to=u8}(%a, %ys, %yz)
            })"),
            testing::canonical_text(parse_test_graph(R"(graph main(%q: u8[1,1,4]) -> (%y) {
              const %w = i8[2,1,1]{1, -2}
              const %constant_12 = u8[]{3}
              const %constant_14 = f32[2]{0.007843137718737125, 0.0039215688593685627}
              const %constant_15 = f32[2]{0.10196078568696976, 0.03921568766236305}
              %conv_integer_13 = conv_integer(%q, %w, %constant_12)
              %y = requantize{low=0, high=255, to=u8}(%conv_integer_13, %constant_14, %constant_15)
            })")));
}

TEST(FuseQuantized, convolution_with_activation_bias_and_residual) {
  expect_within_one_step(R"(graph main(%q: u8[1,2,5,5], %r: u8[1,3,5,5]) -> (%y) {
    const %s = f32[]{0.05}
    const %z = u8[]{128}
    const %w = i8[3,2,1,1]{100, -20, 3, 50, -70, 127}
    const %ws = f32[3]{0.01, 0.02, 0.015}
    const %wz = i8[3]{0, 0, 0}
    const %b = i32[3]{300, -150, 20}
    const %bs = f32[3]{0.0005, 0.001, 0.00075}
    const %rs = f32[]{0.04}
    const %rz = u8[]{120}
    const %ys = f32[]{0.08}
    const %yz = u8[]{100}
    %x = dequantize_linear(%q, %s, %z)
    %d = dequantize_linear{axis=0}(%w, %ws, %wz)
    %e = dequantize_linear{axis=0}(%b, %bs)
    %a = conv(%x, %d, %e)
    %f = dequantize_linear(%r, %rs, %rz)
    %t = binary(%f, %a)
    %u = unary(%t)
    %y = quantize_linear{to=u8}(%u, %ys, %yz)
  })");
}

TEST(FuseQuantized, relu_and_clip_narrow_the_range) {
  const std::string text = text_after(R"(graph main(%q: i8[1,1,4]) -> (%y) {
    const %s = f32[]{0.5}
    const %w = i8[1,1,1]{2}
    const %ws = f32[]{0.5}
    const %ys = f32[]{0.125}
    const %yz = i8[]{-28}
    const %low = f32[]{0}
    const %high = f32[]{6}
    %x = dequantize_linear(%q, %s)
    %d = dequantize_linear(%w, %ws)
    %a = conv(%x, %d)
    %c = clip(%a, %low, %high)
    %y = quantize_linear{to=i8}(%c, %ys, %yz)
  })");
  EXPECT_NE(text.find("low=-28"), std::string::npos) << text;
  EXPECT_NE(text.find("high=20"), std::string::npos) << text;
}

TEST(FuseQuantized, products_of_matrices_with_either_order_of_weights) {
  for (const bool gemm : {false, true}) {
    const std::string weights =
        gemm ? "const %w = i8[2,3]{1, -3, 5, 2, 4, 6}" : "const %w = i8[3,2]{1, 2, -3, 4, 5, 6}";
    const std::string node =
        gemm ? "%a = gemm{trans_b=true}(%x, %d, %b)" : "%m = matmul(%x, %d) %a = binary(%m, %b)";
    const std::string axis = gemm ? "0" : "1";
    expect_within_one_step(R"(graph main(%q: u8[N,3]) -> (%y) {
      const %s = f32[]{0.25}
      const %z = u8[]{128}
      )" + weights + R"(
      const %ws = f32[2]{0.05, 0.04}
      const %b = f32[2]{3, -4}
      const %ys = f32[]{0.3}
      const %yz = u8[]{100}
      %x = dequantize_linear(%q, %s, %z)
      %d = dequantize_linear{axis=)" +
                           axis + R"(}(%w, %ws)
      )" + node + R"(
      %y = quantize_linear{to=u8}(%a, %ys, %yz)
    })");
  }
}

TEST(FuseQuantized, sums_and_products_of_two_tensors) {
  for (const char* function : {"add", "sub", "mul"}) {
    SCOPED_TRACE(function);
    expect_within_one_step(std::string(R"(graph main(%q: u8[N,40], %r: i8[N,40]) -> (%y) {
      const %s = f32[]{0.031}
      const %z = u8[]{131}
      const %rs = f32[]{0.017}
      const %rz = i8[]{-5}
      const %ys = f32[]{0.043}
      const %yz = i8[]{7}
      %x = dequantize_linear(%q, %s, %z)
      %w = dequantize_linear(%r, %rs, %rz)
      %a = binary{function=")") +
                           function + R"("}(%x, %w)
      %y = quantize_linear{to=i8}(%a, %ys, %yz)
    })");
  }
}

TEST(FuseQuantized, mean_over_axes) {
  expect_within_one_step(R"(graph main(%q: u8[N,6,3,3]) -> (%y) {
    const %s = f32[]{0.031}
    const %z = u8[]{131}
    const %ys = f32[]{0.011}
    const %yz = u8[]{120}
    const %axes = i64[2]{2, 3}
    %x = dequantize_linear(%q, %s, %z)
    %a = reduce{function="mean"}(%x, %axes)
    %y = quantize_linear{to=u8}(%a, %ys, %yz)
  })");
}

TEST(FuseQuantized, mean_over_an_axis_that_is_given_twice) {
  expect_within_one_step(R"(graph main(%q: u8[N,6,4]) -> (%y) {
    const %s = f32[]{0.031}
    const %z = u8[]{131}
    const %ys = f32[]{0.011}
    const %yz = u8[]{120}
    const %axes = i64[2]{2, -1}
    %x = dequantize_linear(%q, %s, %z)
    %a = reduce{function="mean"}(%x, %axes)
    %y = quantize_linear{to=u8}(%a, %ys, %yz)
  })");
}

TEST(FuseQuantized, relu_between_quantisations_is_a_table) {
  expect_within_one_step(R"(graph main(%q: i8[N,40]) -> (%y) {
    const %s = f32[]{0.03}
    const %z = i8[]{-20}
    const %ys = f32[]{0.02}
    const %yz = u8[]{10}
    %x = dequantize_linear(%q, %s, %z)
    %a = unary(%x)
    %y = quantize_linear{to=u8}(%a, %ys, %yz)
  })");
}

TEST(FuseQuantized, functions_become_tables) {
  for (const char* function : {"sigmoid", "tanh", "hard_swish", "gelu", "erf", "silu", "mish"}) {
    SCOPED_TRACE(function);
    expect_within_one_step(std::string(R"(graph main(%q: i8[N,40]) -> (%y) {
      const %s = f32[]{0.025}
      const %z = i8[]{-3}
      const %ys = f32[]{0.013}
      const %yz = u8[]{60}
      %x = dequantize_linear(%q, %s, %z)
      %a = unary{function=")") +
                           function + R"(", alpha=1, beta=0.5}(%x)
      %y = quantize_linear{to=u8}(%a, %ys, %yz)
    })");
  }
}

TEST(FuseQuantized, moves_and_maxima_are_those_of_bytes_to_the_bit) {
  check_pass(fuse_quantized(), R"(graph main(%q: u8[1,2,4]) -> (%y) {
      const %s = f32[]{0.031}
      const %z = u8[]{131}
      %x = dequantize_linear(%q, %s, %z)
      %a = transpose{perm=[0, 2, 1]}(%x)
      %y = quantize_linear{to=u8}(%a, %s, %z)
    })",
             R"(graph main(%q: u8[1,2,4]) -> (%y) {
      %y = transpose{perm=[0, 2, 1]}(%q)
    })");
  check_pass(fuse_quantized(), R"(graph main(%q: u8[1,2,4]) -> (%y) {
      const %s = f32[]{0.031}
      const %z = u8[]{131}
      %x = dequantize_linear(%q, %s, %z)
      %a = pool{kernel=[2]}(%x)
      %y = quantize_linear{to=u8}(%a, %s, %z)
    })",
             R"(graph main(%q: u8[1,2,4]) -> (%y) {
      %y = pool{kernel=[2]}(%q)
    })");
}

// What is resized, of scale 0.031 and zero point 131, with what follows.
std::string resized(const std::string& attributes, const std::string& result) {
  return R"(graph main(%q: u8[1,2,3,4]) -> (%y) {
      const %s = f32[]{0.031}
      const %z = u8[]{131}
      const %ys = f32[]{0.05}
      const %r = f32[8]{0, 0, 0, 0, 1, 1, 2, 2}
      const %f = f32[4]{1, 1, 2, 1.5}
      %x = dequantize_linear(%q, %s, %z)
      %a = resize{)" +
         attributes + "}(%x, " + (attributes.find("crop") == std::string::npos ? "_" : "%r") +
         ", %f) " + result + " }";
}

TEST(FuseQuantized, resize_to_the_nearest_element_is_that_of_bytes_to_the_bit) {
  const std::string same = "%y = quantize_linear{to=u8}(%a, %s, %z)";
  for (const char* coordinates : {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
                                  "align_corners", "asymmetric", "tf_half_pixel_for_nn"}) {
    const std::string attributes = "coordinates=\"" + std::string(coordinates) + "\"";
    check_pass(
        fuse_quantized(), resized(attributes, same),
        "graph main(%q: u8[1,2,3,4]) -> (%y) { const %f = f32[4]{1, 1, 2, 1.5} %y = resize{" +
            attributes + "}(%q, _, %f) }");
  }
  expect_within_one_step(resized("", "%y = quantize_linear{to=u8}(%a, %ys, %z)"));
}

TEST(FuseQuantized, leaves_a_resize_that_makes_elements_in_floats) {
  const std::string same = "%y = quantize_linear{to=u8}(%a, %s, %z)";
  check_unchanged(fuse_quantized(), resized("mode=\"linear\"", same));
  // Zeros outside of x.
  check_unchanged(fuse_quantized(), resized("coordinates=\"tf_crop_and_resize\"", same));
}

// The parts of a concat that have other scales go through tables.
TEST(FuseQuantized, concat_of_different_scales) {
  expect_within_one_step(R"(graph main(%q: u8[N,20], %r: i8[N,20]) -> (%y) {
    const %s = f32[]{0.031}
    const %z = u8[]{131}
    const %rs = f32[]{0.017}
    const %rz = i8[]{-5}
    %x = dequantize_linear(%q, %s, %z)
    %w = dequantize_linear(%r, %rs, %rz)
    %a = concat{axis=1}(%x, %w)
    %y = quantize_linear{to=u8}(%a, %s, %z)
  })");
}

// Zeros that a pad adds are not those of the bytes.
TEST(FuseQuantized, leaves_floats_alone) {
  check_unchanged(fuse_quantized(), R"(graph main(%q: u8[1,2,4]) -> (%y) {
    const %s = f32[]{0.031}
    const %z = u8[]{131}
    const %p = i64[6]{0, 0, 1, 0, 0, 1}
    %x = dequantize_linear(%q, %s, %z)
    %a = pad(%x, %p)
    %y = quantize_linear{to=u8}(%a, %s, %z)
  })");
  check_unchanged(fuse_quantized(), R"(graph main(%q: u8[2,2]) -> (%y) {
    const %s = f32[]{0.031}
    const %z = u8[]{131}
    %x = dequantize_linear(%q, %s, %z)
    %a = trilu(%x)
    %y = quantize_linear{to=u8}(%a, %s, %z)
  })");
  // One number per row, not per column.
  Graph rows = parse_test_graph(R"(graph main(%q: u8[2,3]) -> (%y) {
    const %s = f32[]{0.25}
    const %w = i8[3,2]{1, 2, -3, 4, 5, 6}
    const %b = f32[2,1]{3, -4}
    %x = dequantize_linear(%q, %s)
    %d = dequantize_linear(%w, %s)
    %a = gemm(%x, %d, %b)
    %y = quantize_linear{to=u8}(%a, %s)
  })");
  run_passes(rows, std::vector{fuse_quantized()}, {});
  EXPECT_NE(testing::canonical_text(rows).find("gemm"), std::string::npos);
  // A result that somebody else reads in floats.
  check_unchanged(fuse_quantized(), R"(graph main(%q: u8[1,2,4]) -> (%y, %a) {
    const %s = f32[]{0.031}
    const %z = u8[]{131}
    %x = dequantize_linear(%q, %s, %z)
    %a = unary(%x)
    %y = quantize_linear{to=u8}(%a, %s, %z)
  })");
  // A scale that is no constant.
  check_unchanged(fuse_quantized(), R"(graph main(%q: u8[1,2,4], %s: f32[]) -> (%y) {
    const %z = u8[]{131}
    %x = dequantize_linear(%q, %s, %z)
    %a = unary(%x)
    %y = quantize_linear{to=u8}(%a, %s, %z)
  })");
}

TEST(FuseQuantized, refuses_sums_that_might_leave_int32) {
  Graph graph = parse_test_graph(R"(graph main(%q: u8[1,40000]) -> (%y) {
    const %s = f32[]{0.031}
    const %one = i8[]{127}
    const %wz = i8[]{-128}
    const %size = i64[2]{40000, 1}
    const %ys = f32[]{100}
    %w = expand(%one, %size)
    %x = dequantize_linear(%q, %s)
    %d = dequantize_linear(%w, %s, %wz)
    %a = matmul(%x, %d)
    %y = quantize_linear{to=u8}(%a, %ys)
  })");
  const auto reports =
      run_passes(graph, std::vector{fold_quantized_constants(), fuse_quantized()}, {});
  EXPECT_EQ(reports[1].rewrites, 0);
  ASSERT_FALSE(reports[1].notes.empty());
  EXPECT_NE(reports[1].notes[0].find("might leave int32"), std::string::npos);
}

// x times sigmoid(x), with a quantisation between.
constexpr const char* kSilu = R"(graph main(%q: u8[2,300], %r: u8[2,300]) -> (%y) {
  const %s = f32[]{0.05}
  const %z = u8[]{120}
  const %ss = f32[]{0.00390625}
  const %sz = u8[]{0}
  const %ys = f32[]{0.04}
  const %yz = u8[]{8}
  %x = dequantize_linear(%q, %s, %z)
  %a = unary{function="sigmoid"}(%x)
  %b = quantize_linear{to=u8}(%a, %ss, %sz)
  %c = dequantize_linear(%b, %ss, %sz)
  %d = binary{function="mul"}(%x, %c)
  %y = quantize_linear{to=u8}(%d, %ys, %yz)
})";

TEST(FuseByteTables, makes_one_table_of_a_function_of_one_tensor_to_the_bit) {
  Graph graph = parse_test_graph(kSilu);
  run_passes(graph, std::vector{fuse_quantized()}, {});
  const Graph before = graph.clone();
  EXPECT_GT(before.node_count(), 4u);
  run_passes(graph, std::vector{fuse_byte_tables()}, {});
  EXPECT_EQ(graph.node_count(), 1u) << testing::canonical_text(graph);
  Tensor all = Tensor::allocate(DType::u8, {2, 300});
  for (std::int64_t i = 0; i < all.size(); ++i) all.mutable_data()[i] = static_cast<std::byte>(i);
  const std::vector<Datum> inputs = {all, all};
  EXPECT_TRUE(evaluate_graph(before, inputs)[0].tensor().identical(
      evaluate_graph(graph, inputs)[0].tensor()));
}

TEST(FuseByteTables, a_constant_is_no_tensor_to_look_up) {
  Graph graph = parse_test_graph(R"(graph main(%q: u8[2,3]) -> (%y) {
    const %k = u8[2,3]{10, 20, 30, 40, 50, 60}
    const %s = f32[]{0.05}
    %x = dequantize_linear(%k, %s)
    %a = binary{function="mul"}(%x, %x)
    %y = quantize_linear{to=u8}(%a, %s)
  })");
  const auto expected = evaluate_graph(graph, std::vector<Datum>{Tensor::zeros(DType::u8, {2, 3})});
  run_passes(graph, std::vector{fuse_quantized(), fuse_byte_tables()}, {});
  const auto result = evaluate_graph(graph, std::vector<Datum>{Tensor::zeros(DType::u8, {2, 3})});
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(static_cast<int>(result[0].tensor().data()[i]),
                static_cast<int>(expected[0].tensor().data()[i]), 1);
  }
}

TEST(FuseByteTables, leaves_functions_of_two_tensors_and_broadcasts_alone) {
  std::string two = kSilu;
  two.replace(two.find("sigmoid\"}(%x)"), 13, "sigmoid\"}(%w)");
  two.replace(two.find("  %a = "), 0, "  %w = dequantize_linear(%r, %s, %z)\n");
  Graph graph = parse_test_graph(two);
  run_passes(graph, std::vector{fuse_quantized(), fuse_byte_tables()}, {});
  EXPECT_GT(graph.node_count(), 2u);
  // The second operand is one row of the first.
  check_unchanged(fuse_byte_tables(), R"(graph main(%x: u8[1,4]) -> (%y) {
    const %n = i64[2]{3, 4}
    const %m = f32[]{0.001}
    const %o = f32[]{0.5}
    %e = expand(%x, %n)
    %a = cast{to=i32}(%e)
    %b = cast{to=i32}(%x)
    %c = binary{function="mul"}(%a, %b)
    %y = requantize(%c, %m, %o)
  })");
}

TEST(QuantizedTable, of_a_function_that_is_no_number_holds_the_zero_point) {
  QuantizedValue from, to;
  from.dtype = to.dtype = DType::u8;
  from.scales = to.scales = {0.5F};
  from.zeros = {0};
  to.zeros = {7};
  const Tensor table =
      *make_table(from, {.function = UnaryFunction::leaky_relu, .alpha = std::nanf("")}, to);
  EXPECT_EQ(static_cast<int>(table.data()[0]), 7);
}

TEST(QuantizedTable, is_the_exact_function_rounded_once) {
  QuantizedValue from, to;
  from.dtype = DType::i8;
  from.scales = {0.0625F};
  from.zeros = {-10};
  to.dtype = DType::u8;
  to.scales = {1.0F / 256};
  to.zeros = {0};
  const Tensor table = *make_table(from, {.function = UnaryFunction::sigmoid}, to);
  for (int q = -128; q < 128; ++q) {
    const double y = 256 / (1 + std::exp(-0.0625 * (q + 10)));
    const auto bits = static_cast<std::uint8_t>(static_cast<std::int8_t>(q));
    EXPECT_EQ(static_cast<int>(table.data()[bits]), std::min(255.0, std::nearbyint(y))) << q;
  }
  // Halves go to even: x / 2.
  from.scales = {1};
  from.zeros = {0};
  to.dtype = DType::i8;
  to.scales = {2};
  const Tensor half = make_rescaling_table(from, to);
  EXPECT_EQ(static_cast<int>(half.data()[1]), 0);
  EXPECT_EQ(static_cast<int>(half.data()[3]), 2);
  EXPECT_EQ(static_cast<std::int8_t>(half.data()[0xFD]), -2);  // -3 / 2
}

}  // namespace
}  // namespace strop
