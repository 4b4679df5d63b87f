// SPDX-License-Identifier: Apache-2.0
// Every encoding of every element type, and weights that are not what their shape says.
#include "onnx/tensor_file.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support/model_writer.hpp"
#include "support/temporary_folder.hpp"

namespace strop::onnx {
namespace {

using namespace wire;  // NOLINT: the numbers of element types

Tensor decode(const Message& tensor) {
  const auto owner = std::make_shared<const std::string>(tensor.data);
  return read_tensor_bytes(as_bytes(*owner), owner).tensor();
}

Message header(const std::vector<std::int64_t>& dims, std::int64_t type) {
  return Message().numbers(1, dims).number(2, type).bytes(8, "w");
}

template <class T>
std::vector<T> values(const Tensor& tensor) {
  const auto span = tensor.values<T>();
  return {span.begin(), span.end()};
}

void expect_refused(const Message& tensor, ErrorCode code, const std::string& text) {
  try {
    decode(tensor);
    ADD_FAILURE() << "was read; expected: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error_code_text(error.code()), error_code_text(code)) << error.message();
    EXPECT_NE(error.message().find(text), std::string::npos) << error.message();
    EXPECT_NE(error.message().find("\"w\""), std::string::npos) << error.message();
  }
}

TEST(TensorDecoder, raw_data_of_every_plain_type_is_kept_to_the_byte) {
  for (const DTypeInfo& info : all_dtypes()) {
    if (info.type == DType::undefined || info.type == DType::string) continue;
    const std::int64_t bytes = byte_size(info.type, {5});
    std::string raw;
    for (std::int64_t i = 0; i < bytes; ++i) raw += static_cast<char>(i % 2);
    const Tensor tensor = decode(header({5}, info.onnx).bytes(9, raw));
    EXPECT_EQ(tensor.dtype(), info.type);
    EXPECT_EQ(tensor.shape(), Shape{5});
    EXPECT_EQ(std::memcmp(tensor.data(), raw.data(), raw.size()), 0) << info.name;
  }
}

TEST(TensorDecoder, numbers_of_typed_fields) {
  EXPECT_EQ(values<float>(decode(header({3}, kFloat).floats(4, {1, -2, 0.5f}))),
            (std::vector<float>{1, -2, 0.5f}));
  EXPECT_EQ(values<double>(decode(header({2}, kDouble).doubles(10, {1e300, -2}))),
            (std::vector<double>{1e300, -2}));
  EXPECT_EQ(values<std::int64_t>(decode(header({2}, kInt64).numbers(7, {-1, INT64_MAX}))),
            (std::vector<std::int64_t>{-1, INT64_MAX}));
  EXPECT_EQ(values<std::uint64_t>(decode(header({2}, kUint64).numbers(11, {-1, 7}))),
            (std::vector<std::uint64_t>{UINT64_MAX, 7}));
  EXPECT_EQ(values<std::uint32_t>(decode(header({2}, kUint32).numbers(11, {4294967295, 7}))),
            (std::vector<std::uint32_t>{UINT32_MAX, 7}));
  EXPECT_EQ(values<std::int32_t>(decode(header({2}, kInt32).numbers(5, {-5, 7}))),
            (std::vector<std::int32_t>{-5, 7}));
  EXPECT_EQ(values<std::int16_t>(decode(header({2}, kInt16).numbers(5, {-32768, 7}))),
            (std::vector<std::int16_t>{-32768, 7}));
  EXPECT_EQ(values<std::uint16_t>(decode(header({2}, kUint16).numbers(5, {65535, 7}))),
            (std::vector<std::uint16_t>{65535, 7}));
  EXPECT_EQ(values<std::int8_t>(decode(header({2}, kInt8).numbers(5, {-128, 7}))),
            (std::vector<std::int8_t>{-128, 7}));
  EXPECT_EQ(values<std::uint8_t>(decode(header({2}, kUint8).numbers(5, {255, 7}))),
            (std::vector<std::uint8_t>{255, 7}));
  EXPECT_EQ(values<bool>(decode(header({3}, kBool).numbers(5, {0, 1, 1}))),
            (std::vector<bool>{false, true, true}));
}

TEST(TensorDecoder, bits_of_narrow_floats_in_int32_data) {
  const Tensor half = decode(header({2}, kFloat16).numbers(5, {0x3c00, 0xc000}));
  EXPECT_EQ(static_cast<float>(half.values<float16>()[0]), 1.0f);
  EXPECT_EQ(static_cast<float>(half.values<float16>()[1]), -2.0f);
  const Tensor brain = decode(header({1}, kBfloat16).numbers(5, {0x3f80}));
  EXPECT_EQ(static_cast<float>(brain.values<bfloat16>()[0]), 1.0f);
  const Tensor small = decode(header({1}, kFloat8e4m3fn).numbers(5, {0x38}));
  EXPECT_EQ(load_as_double(DType::f8e4m3fn, small.data(), 0), 1.0);
}

TEST(TensorDecoder, sub_byte_types_are_packed_in_int32_data) {
  const Tensor four = decode(header({3}, kInt4).numbers(5, {0x21, 0x0f}));
  ASSERT_EQ(four.bytes(), 2);
  EXPECT_EQ(load_as_double(DType::i4, four.data(), 0), 1);
  EXPECT_EQ(load_as_double(DType::i4, four.data(), 1), 2);
  EXPECT_EQ(load_as_double(DType::i4, four.data(), 2), -1);
  const Tensor two = decode(header({5}, kUint2).numbers(5, {0xe4, 0x02}));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(load_as_double(DType::u2, two.data(), i), i);
  EXPECT_EQ(load_as_double(DType::u2, two.data(), 4), 2);
}

TEST(TensorDecoder, complex_numbers_are_pairs) {
  const Tensor tensor = decode(header({2}, kComplex64).floats(4, {1, 2, 3, 4}));
  EXPECT_EQ(tensor.dtype(), DType::c64);
  float third = 0;
  std::memcpy(&third, tensor.data() + 8, sizeof third);
  EXPECT_EQ(third, 3.0f);
  EXPECT_EQ(decode(header({1}, kComplex128).doubles(10, {1, 2})).bytes(), 16);
}

TEST(TensorDecoder, strings) {
  const Tensor tensor = decode(header({2}, kString).bytes(6, "one").bytes(6, ""));
  EXPECT_EQ(values<std::string>(tensor), (std::vector<std::string>{"one", ""}));
}

TEST(TensorDecoder, numbers_where_strings_belong_are_no_strings) {
  const Message tensor = header({2}, kString).bytes(6, "a").number(6, 7);
  expect_refused(tensor, ErrorCode::bad_weights, "the file has 1");
  EXPECT_EQ(values<std::string>(decode(header({1}, kString).bytes(6, "a").number(6, 7))),
            std::vector<std::string>{"a"});
}

TEST(TensorDecoder, numbers_one_field_each) {
  Message floats = header({2}, kFloat);
  floats.real(4, 1).real(4, 2);
  EXPECT_EQ(values<float>(decode(floats)), (std::vector<float>{1, 2}));
  Message integers = header({3}, kInt64);
  integers.number(7, 1).numbers(7, {2}).number(7, 3);
  EXPECT_EQ(values<std::int64_t>(decode(integers)), (std::vector<std::int64_t>{1, 2, 3}));
}

TEST(TensorDecoder, bytes_of_a_bool_other_than_one_are_true) {
  const Tensor tensor = decode(header({3}, kBool).bytes(9, std::string("\0\x02\xff", 3)));
  EXPECT_EQ(values<bool>(tensor), (std::vector<bool>{false, true, true}));
}

TEST(TensorDecoder, scalars_and_empty_tensors) {
  EXPECT_EQ(decode(header({}, kFloat).floats(4, {2})).rank(), 0);
  EXPECT_EQ(decode(header({0, 3}, kFloat)).size(), 0);
  EXPECT_EQ(decode(header({0}, kFloat).bytes(9, "")).size(), 0);
  EXPECT_EQ(decode(header({0}, kString)).size(), 0);
}

TEST(TensorDecoder, weights_shorter_or_longer_than_their_shape) {
  expect_refused(header({3}, kFloat).bytes(9, std::string(8, '\0')), ErrorCode::bad_weights,
                 "shorter");
  expect_refused(header({1}, kFloat).bytes(9, std::string(8, '\0')), ErrorCode::bad_weights,
                 "longer");
  expect_refused(header({3}, kFloat).floats(4, {1, 2}), ErrorCode::bad_weights, "shorter");
  expect_refused(header({1}, kInt64).numbers(7, {1, 2}), ErrorCode::bad_weights, "longer");
  expect_refused(header({3}, kFloat), ErrorCode::bad_weights, "shorter");
  expect_refused(header({1}, kString), ErrorCode::bad_weights, "shorter");
  expect_refused(header({3}, kInt4).numbers(5, {1}), ErrorCode::bad_weights, "shorter");
  // The numbers are in the field of another type.
  expect_refused(header({2}, kFloat).numbers(7, {1, 2}), ErrorCode::bad_weights, "shorter");
}

TEST(TensorDecoder, numbers_that_do_not_fit) {
  expect_refused(header({1}, kInt8).numbers(5, {300}), ErrorCode::bad_weights, "300");
  expect_refused(header({1}, kUint8).numbers(5, {-200}), ErrorCode::bad_weights, "-200");
  expect_refused(header({1}, kFloat16).numbers(5, {70000}), ErrorCode::bad_weights, "70000");
}

TEST(TensorDecoder, types_and_shapes_that_do_not_exist) {
  expect_refused(header({1}, 0), ErrorCode::bad_type, "0");
  expect_refused(header({1}, 77), ErrorCode::bad_type, "77");
  expect_refused(header({-1}, kFloat), ErrorCode::bad_shape, "[-1]");
  expect_refused(header(std::vector<std::int64_t>(65, 1), kFloat), ErrorCode::bad_shape, "65");
}

TEST(TensorDecoder, encodings_that_do_not_exist) {
  expect_refused(header({1}, kFloat).message(3, Message().number(1, 0)), ErrorCode::bad_weights,
                 "segment");
  expect_refused(header({1}, kString).bytes(9, "a"), ErrorCode::bad_weights, "strings");
  expect_refused(external_tensor("w", {1}, "file", 0, 4), ErrorCode::external_data, "in memory");
}

TEST(TensorDecoder, packed_floats_cut_short_are_refused) {
  Message tensor = header({1}, kFloat);
  tensor.bytes(4, "abcde");
  EXPECT_THROW(decode(tensor), Error);
  Message integers = header({1}, kInt64);
  integers.bytes(7, "\x80");
  EXPECT_THROW(decode(integers), Error);
}

TEST(TensorFile, reads_a_file_and_names_it_in_errors) {
  const strop::testing::TemporaryFolder folder;
  const std::string path = folder.file("x.pb", header({2}, kFloat).floats(4, {1, 2}).data);
  EXPECT_EQ(values<float>(read_tensor_file(path).tensor()), (std::vector<float>{1, 2}));
  try {
    read_tensor_file(folder.file("bad.pb", "nonsense"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("bad.pb"), std::string::npos);
  }
  EXPECT_THROW(read_tensor_file(folder.path("missing.pb")), Error);
}

TEST(TensorFile, sequences_optionals_and_maps) {
  const Message tensor = header({1}, kFloat).floats(4, {5});
  const Message sequence = Message().number(2, 1).message(3, tensor).message(3, tensor);
  const auto read = [](const Message& message, ValueKind kind) {
    const auto owner = std::make_shared<const std::string>(message.data);
    return read_tensor_bytes(as_bytes(*owner), owner, kind);
  };
  EXPECT_EQ(read(sequence, ValueKind::sequence).sequence().size(), 2u);
  EXPECT_EQ(read({}, ValueKind::sequence).sequence().size(), 0u);

  const Datum optional = read(Message().number(2, 3).message(5, sequence), ValueKind::optional);
  const auto& inside = std::get<Optional>(optional.value);
  ASSERT_NE(inside.value, nullptr);
  EXPECT_EQ(inside.value->sequence().size(), 2u);
  const Datum nothing = read(Message().number(2, 1), ValueKind::optional);
  EXPECT_EQ(std::get<Optional>(nothing.value).value, nullptr);

  const Datum map =
      read(Message().number(2, kInt64).numbers(3, {7, 8}).message(5, sequence), ValueKind::map);
  EXPECT_EQ(std::get<Map>(map.value).keys.values<std::int64_t>()[1], 8);
  EXPECT_EQ(std::get<Map>(map.value).values.size(), 2u);
  EXPECT_THROW(read(Message().numbers(3, {7}).message(5, sequence), ValueKind::map), Error);
}

TEST(TensorFile, nesting_is_bounded) {
  Message sequence;
  for (int i = 0; i < 100; ++i) sequence = Message().message(5, sequence);
  try {
    read_tensor_bytes(as_bytes(sequence.data), nullptr, ValueKind::sequence);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::limit_exceeded);
  }
}

TEST(TensorFile, test_data_of_a_real_model) {
  const std::string path =
      std::string(STROP_TEST_DATA) + "/models/mobilenetv2_qdq_imagenet.test_data_set_0/input_0.pb";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  EXPECT_EQ(describe(read_tensor_file(path).tensor()), "f32[1,3,244,244]");
}

}  // namespace
}  // namespace strop::onnx
