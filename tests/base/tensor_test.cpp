// SPDX-License-Identifier: Apache-2.0
#include "base/tensor.hpp"

#include <gtest/gtest.h>

#include <cstdint>

#include "support/sanitized.hpp"

namespace strop {
namespace {

ErrorCode allocation_code(DType dtype, Shape shape) {
  try {
    Tensor::allocate(dtype, std::move(shape));
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::ok;
}

TEST(Tensor, own_memory_is_aligned_and_shared_by_copies) {
  Tensor tensor = Tensor::zeros(DType::f32, {3, 5});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data()) % 64, 0u);
  EXPECT_EQ(tensor.size(), 15);
  EXPECT_EQ(tensor.bytes(), 60);
  EXPECT_EQ(describe(tensor), "f32[3,5]");
  const Tensor same = tensor;
  Tensor own = tensor.clone();
  tensor.mutable_values<float>()[7] = 2.5f;
  EXPECT_EQ(same.values<float>()[7], 2.5f);
  EXPECT_EQ(own.values<float>()[7], 0.0f);
  EXPECT_FALSE(own.identical(same));
  EXPECT_EQ(tensor.reshaped({15}).data(), tensor.data());
  EXPECT_THROW(tensor.reshaped({14}), Error);
}

TEST(Tensor, empty_and_undefined_tensors_are_harmless) {
  const Tensor undefined;
  EXPECT_FALSE(undefined.defined());
  EXPECT_FALSE(undefined.clone().defined());
  EXPECT_TRUE(undefined.identical(Tensor()));
  const Tensor empty = Tensor::zeros(DType::f16, {0, 7});
  EXPECT_EQ(empty.size(), 0);
  EXPECT_TRUE(empty.values<float16>().empty());
  EXPECT_TRUE(empty.clone().identical(empty));
  EXPECT_TRUE(Tensor::from_strings({0}, {}).clone().defined());
}

TEST(Tensor, elements_are_read_as_their_own_type_only) {
  Tensor tensor = Tensor::from<std::int32_t>({2}, {1, 2});
  EXPECT_EQ(tensor.values<std::int32_t>()[1], 2);
  EXPECT_THROW(tensor.values<float>(), Error);
  EXPECT_THROW(tensor.mutable_values<std::uint32_t>(), Error);
  EXPECT_THROW(Tensor::from<float>({3}, {1.0f}), Error);
  EXPECT_EQ(Tensor::scalar(true).values<bool>()[0], true);
  EXPECT_EQ(Tensor::from<bool>({2}, {true, false}).to_i64(), (std::vector<std::int64_t>{1, 0}));
}

TEST(Tensor, integers_are_widened) {
  EXPECT_EQ(Tensor::from<std::int8_t>({2}, {-1, 5}).to_i64(), (std::vector<std::int64_t>{-1, 5}));
  EXPECT_EQ(Tensor::from<std::uint16_t>({1}, {65535}).to_i64(), std::vector<std::int64_t>{65535});
  EXPECT_EQ(Tensor::scalar(std::int64_t{7}).to_i64(), std::vector<std::int64_t>{7});
  EXPECT_THROW(Tensor::scalar(1.0f).to_i64(), Error);
}

TEST(Tensor, strings_are_copied_by_clone) {
  const Tensor strings =
      Tensor::from_strings({2}, {"a", "a string too long for its own small buffer"});
  const Tensor own = strings.clone();
  EXPECT_TRUE(own.identical(strings));
  EXPECT_NE(own.data(), strings.data());
  EXPECT_FALSE(own.identical(Tensor::from_strings({2}, {"a", "b"})));
  EXPECT_EQ(own.bytes(), 0);
}

TEST(Tensor, wrapped_memory_is_kept_by_its_owner) {
  auto memory = std::make_shared<std::vector<float>>(4, 1.5f);
  const std::weak_ptr<std::vector<float>> watch = memory;
  {
    const Tensor tensor = Tensor::wrap(DType::f32, {4}, memory->data(), memory);
    memory.reset();
    EXPECT_FALSE(watch.expired());
    EXPECT_EQ(tensor.values<float>()[3], 1.5f);
  }
  EXPECT_TRUE(watch.expired());
}

TEST(Tensor, identity_ignores_what_lies_after_the_last_packed_element) {
  Tensor a = Tensor::zeros(DType::i4, {3});
  Tensor b = Tensor::zeros(DType::i4, {3});
  b.mutable_data()[1] = std::byte{0xf0};
  EXPECT_TRUE(a.identical(b));
  b.mutable_data()[1] = std::byte{0xf1};
  EXPECT_FALSE(a.identical(b));
  EXPECT_FALSE(a.identical(Tensor::zeros(DType::u4, {3})));
  EXPECT_FALSE(a.identical(Tensor::zeros(DType::i4, {3, 1})));
}

TEST(Tensor, sizes_that_cannot_be_are_errors) {
  constexpr std::int64_t kBig = std::int64_t{1} << 62;
  EXPECT_EQ(allocation_code(DType::f32, {kBig}), ErrorCode::bad_shape);
  EXPECT_EQ(allocation_code(DType::f32, {-1}), ErrorCode::bad_shape);
  if (!testing::kSanitized) {  // which ends the process instead
    EXPECT_EQ(allocation_code(DType::i8, {kBig}), ErrorCode::out_of_memory);
    EXPECT_EQ(allocation_code(DType::string, {std::int64_t{1} << 50}), ErrorCode::out_of_memory);
  }
  EXPECT_EQ(allocation_code(DType::string, {kBig}), ErrorCode::out_of_memory);
}

TEST(Datum, holds_one_kind_of_value) {
  EXPECT_FALSE(Datum().has_value());
  const Datum tensor = Tensor::scalar(1.0f);
  EXPECT_TRUE(tensor.is_tensor());
  EXPECT_EQ(tensor.tensor().size(), 1);
  EXPECT_THROW(tensor.sequence(), Error);
  const Datum sequence = Sequence{tensor, tensor};
  EXPECT_EQ(sequence.sequence().size(), 2u);
  EXPECT_THROW(sequence.tensor(), Error);
}

}  // namespace
}  // namespace strop
