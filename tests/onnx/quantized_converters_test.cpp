// SPDX-License-Identifier: Apache-2.0
// Quantised operators, of the standard and of ONNX Runtime: what the forms that differ between
// opsets and domains compute, what a composition leaves out, and what is refused.
#include "ir/evaluate.hpp"
#include "onnx/import_fixture.hpp"
#include "ops/matmul_integer.hpp"
#include "ops/quantize_linear.hpp"

namespace strop::onnx {
namespace {

using Doubles = std::vector<double>;

Tensor tensor(DType dtype, Shape shape, const Doubles& values) {
  Tensor out = Tensor::zeros(dtype, std::move(shape));
  for (std::size_t i = 0; i < values.size(); ++i) {
    store_from_double(dtype, out.mutable_data(), static_cast<std::int64_t>(i), values[i]);
  }
  return out;
}
Tensor f32(double value) { return tensor(DType::f32, {}, {value}); }
Tensor u8(double value) { return tensor(DType::u8, {}, {value}); }
Tensor i8(double value) { return tensor(DType::i8, {}, {value}); }

struct Operand {
  Tensor value;  // undefined: absent
  bool constant = false;
};

struct Call {
  std::string op;
  std::vector<Operand> inputs;
  DType output = DType::f32;
  std::vector<wire::Message> attributes = {};
  std::string domain = "com.microsoft";
  std::int64_t opset = 21;
};

std::int64_t number_of(DType dtype) { return dtype_info(dtype).onnx; }

std::string model_of(const Call& call) {
  wire::Node node{call.op, {}, {"y"}, call.attributes, "", call.domain, ""};
  wire::ModelParts parts;
  parts.opsets = {{"", call.opset}, {"com.microsoft", 1}};
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    const Tensor& value = call.inputs[i].value;
    const std::string name = value.defined() ? "i" + std::to_string(i) : "";
    node.inputs.push_back(name);
    if (!value.defined()) continue;
    if (call.inputs[i].constant) {
      parts.graph.initializers.push_back(wire::Message()
                                             .numbers(1, value.shape())
                                             .number(2, number_of(value.dtype()))
                                             .bytes(8, name)
                                             .bytes(9, {reinterpret_cast<const char*>(value.data()),
                                                        static_cast<std::size_t>(value.bytes())}));
    } else {
      const std::vector<wire::Size> shape(value.shape().begin(), value.shape().end());
      parts.graph.inputs.push_back(
          wire::value_info(name, wire::tensor_type(number_of(value.dtype()), shape)));
    }
  }
  parts.graph.outputs = {
      wire::value_info("y", wire::tensor_type_without_shape(number_of(call.output)))};
  parts.graph.nodes = {node};
  return wire::model(parts);
}

void expect_output(const Call& call, const Shape& shape, const Doubles& wanted) {
  SCOPED_TRACE(call.op);
  std::vector<Datum> inputs;
  for (const Operand& operand : call.inputs) {
    if (operand.value.defined() && !operand.constant) inputs.emplace_back(operand.value);
  }
  const Tensor y = evaluate_graph(import_bytes(model_of(call)), inputs).front().tensor();
  EXPECT_EQ(y.dtype(), call.output);
  ASSERT_EQ(y.shape(), shape);
  for (std::int64_t i = 0; i < y.size(); ++i) {
    EXPECT_EQ(load_as_double(y.dtype(), y.data(), i), wanted[static_cast<std::size_t>(i)]) << i;
  }
}

ErrorCode code_of(const Call& call) {
  SCOPED_TRACE(call.op);
  return problems_of(model_of(call)).front().code;
}

wire::Message flag(const char* name, std::int64_t value = 1) {
  return wire::int_attribute(name, value);
}

std::size_t nodes_of(const Graph& graph, const OpDef& op) {
  std::size_t count = 0;
  for (const NodeId id : graph.order()) count += graph.node(id).is(op) ? 1 : 0;
  return count;
}

const Tensor kX = tensor(DType::f32, {2, 2}, {1, 3, 5, 100});

TEST(QuantizedConverters, quantise_along_an_axis_from_opset_13) {
  const Tensor scales = tensor(DType::f32, {2}, {1, 2});
  const Tensor zeros = tensor(DType::u8, {2}, {0, 10});
  const auto call = [&](std::int64_t opset, std::vector<wire::Message> attributes) {
    return Call{
        "QuantizeLinear", {{kX}, {scales}, {zeros}}, DType::u8, std::move(attributes), "", opset};
  };
  expect_output(call(13, {}), {2, 2}, {1, 12, 5, 60});
  expect_output(call(13, {flag("axis", 0)}), {2, 2}, {1, 3, 12, 60});
  EXPECT_EQ(code_of(call(10, {flag("axis", 0)})), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of(call(13, {flag("saturate", 1)})), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of(call(19, {flag("block_size", 2)})), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of(call(21, {flag("precision", wire::kFloat)})), ErrorCode::bad_attribute);
  expect_output(call(23, {flag("precision", wire::kFloat16)}), {2, 2}, {1, 12, 5, 60});
  EXPECT_EQ(code_of(call(23, {flag("precision", wire::kDouble)})), ErrorCode::bad_type);
}

TEST(QuantizedConverters, name_the_type_of_the_result_from_opset_21) {
  const auto call = [](std::int64_t to, DType output, Tensor zero) {
    return Call{"QuantizeLinear",
                {{kX}, {f32(1)}, {std::move(zero)}},
                output,
                {flag("output_dtype", to)},
                "",
                25};
  };
  expect_output(call(wire::kInt4, DType::i4, {}), {2, 2}, {1, 3, 5, 7});
  expect_output(call(wire::kUint2, DType::u2, {}), {2, 2}, {1, 3, 3, 3});
  expect_output(call(wire::kFloat4e2m1, DType::f4e2m1, {}), {2, 2}, {1, 3, 4, 6});
  expect_output(call(0, DType::u8, {}), {2, 2}, {1, 3, 5, 100});
  EXPECT_EQ(code_of(call(wire::kUint8, DType::u8, i8(1))), ErrorCode::bad_type);
  EXPECT_EQ(code_of(call(wire::kFloat, DType::f32, {})), ErrorCode::bad_type);
  EXPECT_EQ(code_of(call(99, DType::f32, {})), ErrorCode::bad_attribute);
  const Tensor half = tensor(DType::f16, {}, {0.5});
  expect_output({"DequantizeLinear", {{u8(7)}, {half}}, DType::f16, {}, "", 19}, {}, {3.5});
  expect_output({"DequantizeLinear",
                 {{u8(7)}, {half}},
                 DType::f32,
                 {flag("output_dtype", wire::kFloat)},
                 "",
                 23},
                {}, {3.5});
}

TEST(QuantizedConverters, take_16_and_4_bits_in_the_domain_of_onnx_runtime) {
  expect_output(
      {"QuantizeLinear", {{kX}, {f32(0.5)}, {tensor(DType::u16, {}, {1000})}}, DType::u16}, {2, 2},
      {1002, 1006, 1010, 1200});
  expect_output({"DequantizeLinear",
                 {{tensor(DType::i4, {3}, {-8, 0, 7})}, {f32(2)}, {tensor(DType::i4, {}, {1})}}},
                {3}, {-18, -2, 12});
}

TEST(QuantizedConverters, products_have_scales_per_row_and_column) {
  const Tensor a = tensor(DType::u8, {2, 2}, {1, 2, 3, 4}),
               b = tensor(DType::i8, {2, 2}, {1, 0, 0, 1});
  const auto product = [&](Tensor a_scale, Tensor b_scale) {
    return Call{"QLinearMatMul",
                {{a},
                 {std::move(a_scale)},
                 {u8(0)},
                 {b},
                 {std::move(b_scale)},
                 {i8(0)},
                 {f32(1)},
                 {u8(10)}},
                DType::u8,
                {},
                "",
                21};
  };
  const auto list = [](double first, double second) {
    return tensor(DType::f32, {2}, {first, second});
  };
  expect_output(product(f32(2), f32(1)), {2, 2}, {12, 14, 16, 18});
  expect_output(product(list(1, 2), f32(1)), {2, 2}, {11, 12, 16, 18});
  expect_output(product(f32(1), list(1, 3)), {2, 2}, {11, 16, 13, 22});
  expect_output(product(list(1, 2), list(1, 3)), {2, 2}, {11, 16, 16, 34});
  expect_output(product(tensor(DType::f32, {2, 1}, {1, 2}), f32(1)), {2, 2}, {11, 12, 16, 18});
  const Tensor half = tensor(DType::f16, {}, {0.5});
  expect_output(
      {"QLinearMatMul",
       {{a}, {half}, {u8(0)}, {b}, {half}, {i8(0)}, {tensor(DType::f16, {}, {0.25})}, {u8(10)}},
       DType::u8,
       {},
       "",
       21},
      {2, 2}, {11, 12, 13, 14});
  Call vector = product(list(1, 2), f32(1));
  vector.inputs[3] = {tensor(DType::i8, {2}, {1, 1})};
  EXPECT_EQ(code_of(vector), ErrorCode::unsupported_operator);
  vector.inputs[1] = {f32(1)};
  vector.inputs[6] = {list(1, 1)};  // a scale per column of y
  EXPECT_EQ(code_of(vector), ErrorCode::bad_shape);
}

TEST(QuantizedConverters, multiply_small_floats) {
  const auto small = [](Shape shape, const Doubles& values) {
    return tensor(DType::f8e4m3fn, std::move(shape), values);
  };
  expect_output({"QLinearMatMul",
                 {{small({1, 2}, {1.5, 2})},
                  {f32(2)},
                  {small({}, {0})},
                  {small({2, 1}, {4, -1})},
                  {f32(1)},
                  {small({}, {0})},
                  {f32(0.5)},
                  {small({}, {0})}},
                 DType::f8e4m3fn,
                 {},
                 "",
                 21},
                {1, 1}, {16});
}

TEST(QuantizedConverters, round_sums_half_to_even) {
  const auto one = [](DType dtype, double value) { return tensor(dtype, {1, 1, 1}, {value}); };
  const auto convolution = [&](double x) {
    return Call{"QLinearConv",
                {{one(DType::u8, x)},
                 {f32(1)},
                 {u8(0)},
                 {one(DType::i8, 1)},
                 {f32(1)},
                 {i8(0)},
                 {f32(2)},
                 {i8(-3)},
                 {tensor(DType::i32, {1}, {1000})}},
                DType::i8,
                {},
                "",
                10};
  };
  Call call = convolution(0);
  call.inputs.pop_back();
  for (const auto& [x, y] : {std::pair{1, -3}, {3, -1}, {5, -1}, {7, 1}, {255, 125}}) {
    call.inputs[0] = {one(DType::u8, x)};
    expect_output(call, {1, 1, 1}, {static_cast<double>(y)});
  }
  expect_output(convolution(0), {1, 1, 1}, {127});  // 1000 / 2 - 3 saturates
}

TEST(QuantizedConverters, need_no_arithmetic_to_concatenate_what_has_one_scale) {
  const Tensor a = tensor(DType::u8, {2}, {1, 2}), b = tensor(DType::u8, {1}, {30});
  const auto joined = [&](double scale, bool constant) {
    return Call{"QLinearConcat",
                {{f32(0.5), constant},
                 {u8(3), constant},
                 {a},
                 {f32(0.5), constant},
                 {u8(3), constant},
                 {b},
                 {f32(scale), constant},
                 {u8(3), constant}},
                DType::u8,
                {flag("axis", 0)}};
  };
  expect_output(joined(0.5, true), {3}, {1, 2, 30});
  expect_output(joined(1, true), {3}, {1, 2, 57});
  expect_output(joined(0.5, false), {3}, {1, 2, 30});
  const auto count = [&](const Call& call) {
    return nodes_of(import_bytes(model_of(call)), op_quantize_linear());
  };
  EXPECT_EQ(count(joined(0.5, true)), 0u);
  EXPECT_EQ(count(joined(1, true)), 1u);
  EXPECT_EQ(count(joined(1, false)), 2u);
  Call incomplete = joined(1, true);
  incomplete.inputs.pop_back();
  EXPECT_EQ(code_of(incomplete), ErrorCode::model_malformed);
}

TEST(QuantizedConverters, gemm_gives_real_numbers_without_a_scale_of_the_result) {
  const Tensor a = tensor(DType::u8, {1, 2}, {3, 5}), b = tensor(DType::i8, {1, 2}, {2, -1});
  Call call{"QGemm",
            {{a}, {f32(0.5)}, {u8(1)}, {b}, {f32(2)}, {i8(0)}, {tensor(DType::i32, {1}, {100})}},
            DType::f32,
            {wire::float_attribute("alpha", 0.5), flag("transB")}};
  expect_output(call, {1, 1}, {50});  // (2*2 - 4*1 + 100) / 2
  EXPECT_EQ(nodes_of(import_bytes(model_of(call)), op_matmul_integer()), 1u);
  call.inputs.push_back({f32(10)});
  call.output = DType::u8;
  expect_output(call, {1, 1}, {5});
  call.inputs.push_back({i8(-3)});
  call.output = DType::i8;
  expect_output(call, {1, 1}, {2});
  call.inputs[7] = {};
  EXPECT_EQ(code_of(call), ErrorCode::model_malformed);
}

Call nbits(std::vector<Operand> inputs, std::vector<wire::Message> changes = {}) {
  Call call{"MatMulNBits", std::move(inputs)};
  for (const auto& [name, value] :
       {std::pair{"K", 16}, {"N", 1}, {"bits", 4}, {"block_size", 16}}) {
    call.attributes.push_back(flag(name, value));
  }
  if (!changes.empty()) call.attributes = std::move(changes);
  return call;
}

TEST(QuantizedConverters, weights_of_4_bits_are_centred_at_8_without_a_zero_point) {
  Doubles ones(16, 1);
  const Tensor x = tensor(DType::f32, {1, 16}, ones);
  const Tensor w = tensor(DType::u8, {1, 1, 8}, {0x98, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x68});
  const Tensor scale = tensor(DType::f32, {1, 1}, {0.5});
  expect_output(nbits({{x}, {w}, {scale}}), {1, 1}, {-0.5});
  expect_output(nbits({{x},
                       {w},
                       {tensor(DType::f32, {1}, {0.5})},
                       {tensor(DType::u8, {1}, {0x07})},
                       {},
                       {tensor(DType::f32, {1}, {100})}}),
                {1, 1}, {107.5});
  expect_output(nbits({{x}, {w}, {scale}, {tensor(DType::f32, {1, 1}, {7.5})}}), {1, 1}, {3.5});
  const Tensor half = tensor(DType::f16, {1, 16}, ones);
  Call call = nbits({{half}, {w}, {tensor(DType::f16, {1, 1}, {0.5})}});
  call.output = DType::f16;
  expect_output(call, {1, 1}, {-0.5});
}

TEST(QuantizedConverters, refuse_weights_that_are_not_what_the_attributes_say) {
  const Tensor x = tensor(DType::f32, {1, 16}, Doubles(16, 1));
  const Tensor w = Tensor::zeros(DType::u8, {1, 1, 8}), scale = Tensor::zeros(DType::f32, {1, 1});
  const auto refused = [&](Tensor b, Tensor s, std::vector<wire::Message> attributes = {}) {
    return code_of(nbits({{x}, {std::move(b)}, {std::move(s)}}, std::move(attributes)));
  };
  EXPECT_EQ(refused(Tensor::zeros(DType::u8, {1, 1, 4}), scale), ErrorCode::bad_shape);
  EXPECT_EQ(code_of(nbits({{x}, {Tensor::zeros(DType::u8, {0, 1, 8}), true}, {scale}})),
            ErrorCode::bad_shape);
  EXPECT_EQ(refused(Tensor::zeros(DType::i8, {1, 1, 8}), scale), ErrorCode::bad_type);
  EXPECT_EQ(refused(w, Tensor::zeros(DType::f32, {1, 2})), ErrorCode::bad_shape);
  const auto attributes = [](std::int64_t k, std::int64_t n, std::int64_t bits, std::int64_t block,
                             std::int64_t prepacked = 0) {
    return std::vector<wire::Message>{flag("K", k), flag("N", n), flag("bits", bits),
                                      flag("block_size", block),
                                      flag("weight_prepacked", prepacked)};
  };
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(refused(w, scale, attributes(16, 1, 3, 16)), ErrorCode::bad_attribute);
  EXPECT_EQ(refused(w, scale, attributes(16, 1, 4, 8)), ErrorCode::bad_attribute);
  EXPECT_EQ(refused(w, scale, attributes(16, 1, 4, 48)), ErrorCode::bad_attribute);
  EXPECT_EQ(refused(w, scale, attributes(0, 1, 4, 16)), ErrorCode::bad_attribute);
  EXPECT_EQ(refused(w, scale, attributes(16, huge, 4, 16)), ErrorCode::bad_attribute);
  EXPECT_EQ(refused(w, scale, attributes(std::int64_t{1} << 31, std::int64_t{1} << 31, 4, 16)),
            ErrorCode::bad_shape);
  EXPECT_EQ(refused(w, scale, attributes(16, 1, 4, 16, 2)), ErrorCode::unsupported_operator);
}

TEST(QuantizedConverters, gather_small_floats_by_scales_that_broadcast) {
  Doubles values;
  for (int i = 0; i < 6; ++i) values.push_back(i);
  const Tensor data = tensor(DType::f8e4m3fn, {3, 2}, values);
  const Tensor indices = tensor(DType::i64, {2}, {-1, 5});
  const auto gather = [&](Tensor scales, std::int64_t block) {
    return Call{"GatherBlockQuantized",
                {{data}, {indices}, {std::move(scales)}},
                DType::f32,
                {flag("block_size", block)}};
  };
  expect_output(gather(tensor(DType::f32, {3, 1}, {1, 2, 3}), 0), {2, 2}, {12, 15, 0, 0});
  expect_output(gather(tensor(DType::f32, {1, 1}, {2}), 0), {2, 2}, {8, 10, 0, 0});
  expect_output(gather(tensor(DType::f32, {1, 1}, {2}), 16), {2, 2}, {8, 10, 0, 0});
  Call call = gather(tensor(DType::f32, {1, 1}, {2}), 24);
  EXPECT_EQ(code_of(call), ErrorCode::bad_attribute);
  call = gather(tensor(DType::f32, {1, 1}, {2}), 16);
  call.inputs.push_back({tensor(DType::f8e4m3fn, {1, 1}, {1})});
  EXPECT_EQ(code_of(call), ErrorCode::bad_type);
}

TEST(QuantizedConverters, refuse_what_needs_other_kernels) {
  const Tensor x = Tensor::zeros(DType::u8, {1, 2, 4});
  const auto attention = [&](Shape w, std::vector<wire::Message> attributes) {
    const std::int64_t width = w.back();
    return Call{"QAttention",
                {{x},
                 {Tensor::zeros(DType::i8, std::move(w))},
                 {Tensor::zeros(DType::f32, {width})},
                 {f32(1)},
                 {f32(1)}},
                DType::f32,
                std::move(attributes)};
  };
  expect_output(attention({4, 12}, {flag("num_heads", 2)}), {1, 2, 4}, Doubles(8, 0));
  EXPECT_EQ(code_of(attention({4, 12}, {flag("num_heads", 3)})), ErrorCode::bad_shape);
  EXPECT_EQ(code_of(attention({4, 12}, {flag("num_heads", 0)})), ErrorCode::bad_shape);
  EXPECT_EQ(code_of(attention({4, 12}, {flag("num_heads", 2), flag("do_rotary")})),
            ErrorCode::unsupported_operator);
  EXPECT_EQ(code_of(attention({4, 12}, {})), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({"NhwcMaxPool",
                     {{Tensor::zeros(DType::u8, {2, 2})}},
                     DType::u8,
                     {wire::ints_attribute("kernel_shape", {1})}}),
            ErrorCode::bad_shape);
}

}  // namespace
}  // namespace strop::onnx
