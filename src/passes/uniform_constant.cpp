// SPDX-License-Identifier: Apache-2.0
#include "passes/uniform_constant.hpp"

#include <cmath>
#include <cstring>

namespace strop {
namespace {

bool is_number(DType type) { return kNumbers.contains(type); }

}  // namespace

std::optional<double> uniform_constant(const Value& value) {
  const Tensor& tensor = value.constant;
  if (!tensor.defined() || tensor.size() == 0 || !is_number(tensor.dtype())) return std::nullopt;
  const auto width = static_cast<std::size_t>(bits_of(tensor.dtype()) / 8);
  for (std::int64_t i = 1; i < tensor.size(); ++i) {
    const std::byte* element = tensor.data() + static_cast<std::size_t>(i) * width;
    if (std::memcmp(tensor.data(), element, width) != 0) return std::nullopt;
  }
  const double number = load_as_double(tensor.dtype(), tensor.data(), 0);
  if (is_integer(tensor.dtype()) && std::abs(number) > 0x1p53) return std::nullopt;
  return number;
}

std::optional<std::vector<double>> channel_constant(const Value& value, std::int64_t rank,
                                                    std::int64_t axis, std::int64_t size) {
  const Tensor& tensor = value.constant;
  if (!tensor.defined() || !is_number(tensor.dtype()) || tensor.rank() > rank) return std::nullopt;
  for (std::int64_t i = 0; i < tensor.rank(); ++i) {
    const bool is_channel = i + rank - tensor.rank() == axis;
    if (tensor.dim(i) != 1 && !(is_channel && tensor.dim(i) == size)) return std::nullopt;
  }
  std::vector<double> out(static_cast<std::size_t>(size));
  for (std::int64_t i = 0; i < size; ++i) {
    out[static_cast<std::size_t>(i)] =
        load_as_double(tensor.dtype(), tensor.data(), tensor.size() == 1 ? 0 : i);
  }
  return out;
}

}  // namespace strop
