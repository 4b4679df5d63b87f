// SPDX-License-Identifier: Apache-2.0
#include "base/shape.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "base/error.hpp"

namespace strop {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kBig = std::int64_t{1} << 40;

TEST(Shape, elements_are_counted_without_overflow) {
  EXPECT_EQ(element_count({}), 1);
  EXPECT_EQ(element_count({2, 3, 4}), 24);
  EXPECT_EQ(element_count({kMax}), kMax);
  EXPECT_EQ(element_count({kBig, kBig, 0}), 0);
  EXPECT_EQ(element_count({0, kBig, kBig}), 0);
  EXPECT_THROW(element_count({kBig, kBig}), Error);
  EXPECT_THROW(element_count({2, -1}), Error);
  EXPECT_THROW(element_count({0, -1}), Error);
}

TEST(Shape, bytes_are_counted_without_overflow) {
  EXPECT_EQ(byte_size(DType::f32, {3}), 12);
  EXPECT_EQ(byte_size(DType::i4, {3}), 2);
  EXPECT_EQ(byte_size(DType::i2, {5}), 2);
  EXPECT_EQ(byte_size(DType::u2, {4}), 1);
  EXPECT_EQ(byte_size(DType::f4e2m1, {0}), 0);
  EXPECT_EQ(byte_size(DType::c128, {2}), 32);
  EXPECT_EQ(byte_size(DType::i4, {kMax}), kMax / 2 + 1);
  EXPECT_THROW(byte_size(DType::f32, {kMax}), Error);
  EXPECT_THROW(byte_size(DType::string, {1}), Error);
  EXPECT_THROW(byte_size(DType::undefined, {1}), Error);
}

TEST(Shape, strides_of_empty_and_of_huge_shapes) {
  EXPECT_EQ(contiguous_strides({2, 3, 4}), (Shape{12, 4, 1}));
  EXPECT_EQ(contiguous_strides({}), Shape{});
  EXPECT_EQ(contiguous_strides({2, 0, 4}), (Shape{4, 4, 1}));
  EXPECT_EQ(contiguous_strides({0, kBig, kBig, 1}).size(), 4u);
  EXPECT_THROW(contiguous_strides({kBig, kBig, kBig}), Error);
}

TEST(Shape, checked_arithmetic_tells_of_overflow) {
  EXPECT_EQ(try_mul(3, 4), 12);
  EXPECT_EQ(try_mul(kMax, 2), std::nullopt);
  EXPECT_EQ(try_mul(std::numeric_limits<std::int64_t>::min(), -1), std::nullopt);
  EXPECT_EQ(try_add(kMax, 1), std::nullopt);
  EXPECT_EQ(try_add(kMax, -1), kMax - 1);
}

TEST(Shape, axes_count_from_either_end) {
  EXPECT_EQ(normalize_axis(1, 3), 1);
  EXPECT_EQ(normalize_axis(-1, 3), 2);
  EXPECT_EQ(normalize_axis(-3, 3), 0);
  for (const std::int64_t axis : {std::int64_t{3}, std::int64_t{-4}, kMax}) {
    EXPECT_THROW(normalize_axis(axis, 3), Error);
  }
  EXPECT_THROW(normalize_axis(0, 0), Error);
  EXPECT_EQ(to_string(Shape{1, 3, 224}), "[1,3,224]");
  EXPECT_EQ(to_string(Shape{}), "[]");
}

TEST(DType, table_is_consistent) {
  std::set<std::string_view> names;
  std::set<int> onnx;
  int index = 0;
  for (const DTypeInfo& info : all_dtypes()) {
    EXPECT_EQ(static_cast<int>(info.type), index++);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_TRUE(onnx.insert(info.onnx).second) << info.name;
    EXPECT_EQ(dtype_from_name(info.name), info.type);
    if (info.type != DType::undefined) {
      EXPECT_EQ(dtype_from_onnx(info.onnx), info.type);
      EXPECT_TRUE(kAny.contains(info.type)) << info.name;
    }
    EXPECT_EQ(kPlain.contains(info.type), info.bits > 0) << info.name;
    EXPECT_EQ(kSubByte.contains(info.type), info.bits > 0 && info.bits < 8) << info.name;
    EXPECT_TRUE(info.bits == 0 || info.bits >= 8 || 8 % info.bits == 0) << info.name;
  }
  EXPECT_EQ(index, kDTypeCount);
  EXPECT_EQ(dtype_from_onnx(0), std::nullopt);
  EXPECT_EQ(dtype_from_onnx(-1), std::nullopt);
  EXPECT_EQ(dtype_from_onnx(1000), std::nullopt);
  EXPECT_EQ(dtype_from_onnx(256 + 1), std::nullopt);
  EXPECT_EQ(dtype_from_name("f33"), std::nullopt);
  EXPECT_THROW(dtype_info(static_cast<DType>(200)), Error);
  EXPECT_TRUE(is_floating(DType::f8e8m0));
  EXPECT_TRUE(is_integer(DType::u2));
  EXPECT_FALSE(is_integer(DType::boolean));
}

}  // namespace
}  // namespace strop
