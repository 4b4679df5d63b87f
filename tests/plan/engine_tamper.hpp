// SPDX-License-Identifier: Apache-2.0
// An engine of about 64 KiB in memory, to be damaged and put right again.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <span>

#include "base/error.hpp"
#include "plan/engine_layout.hpp"
#include "plan/sample_plan.hpp"

namespace strop::testing {

// True if it is refused, as it must be; whatever the error, it is one of those for engine files.
inline bool refused(std::span<const std::byte> bytes) {
  try {
    load_engine(bytes, nullptr);
    return false;
  } catch (const Error& error) {
    const int code = static_cast<int>(error.code());
    EXPECT_TRUE(code >= 500 && code < 600) << error.message();
    return true;
  }
}

// The memory of a tensor is aligned, so that no load copies it.
inline Tensor engine_in_memory(std::int64_t weight_bytes) {
  const auto bytes = serialize_engine(sample_engine_of(weight_bytes));
  Tensor out = Tensor::allocate(DType::u8, {static_cast<std::int64_t>(bytes.size())});
  std::memcpy(out.mutable_data(), bytes.data(), bytes.size());
  return out;
}

inline std::span<std::byte> bytes_of(Tensor& tensor) {
  return {tensor.mutable_data(), static_cast<std::size_t>(tensor.bytes())};
}

class EngineTamper : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_GT(bytes_.size(), 60000u);
    ASSERT_LT(bytes_.size(), 70000u);
    ASSERT_FALSE(refused(bytes_));
    const engine_layout::Header header = engine_layout::read_header(bytes_);
    tables_end_ = static_cast<std::size_t>(header.table_offset + header.table_size);
  }
  bool refused_with_flip(std::size_t byte, unsigned bit) {
    bytes_[byte] ^= static_cast<std::byte>(1u << bit);
    const bool result = refused(bytes_);
    bytes_[byte] ^= static_cast<std::byte>(1u << bit);
    return result;
  }
  void expect_random_flips_refused(int count) {
    std::mt19937 random(6);
    for (int i = 0; i < count; ++i) {
      const std::size_t byte = tables_end_ + random() % (bytes_.size() - tables_end_);
      const unsigned bit = random() % 8;
      ASSERT_TRUE(refused_with_flip(byte, bit)) << "bit " << bit << " of byte " << byte;
    }
  }

  Tensor memory_ = engine_in_memory(60000);
  std::span<std::byte> bytes_ = bytes_of(memory_);
  std::size_t tables_end_ = 0;
};

}  // namespace strop::testing
