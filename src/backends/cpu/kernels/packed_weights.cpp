// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/packed_weights.hpp"

#include <optional>

namespace strop::cpu {
namespace {

constexpr std::uintptr_t kAlignment = 64;

}  // namespace

Shape weights_shape(const KernelInit& init, const KernelInit::Operand& weights,
                    const char* kernel) {
  require(weights.constant != nullptr, kernel, "its weights are no constant");
  if (!is_packed(init)) return weights.constant_shape;
  Shape shape = init.parameters.integers("weights");
  std::optional<std::int64_t> count = 1;
  for (const std::int64_t size : shape) {
    require(size >= 1, kernel, "its weights are empty");
    if (count) count = try_mul(*count, size);
  }
  require(count && *count <= element_count(weights.constant_shape), kernel,
          "its packed weights are too few");
  return shape;
}

std::vector<std::int64_t> packed_numbers(const KernelInit& init, const KernelInit::Operand& weights,
                                         std::size_t count, const char* kernel) {
  std::vector<std::int64_t> numbers = init.parameters.integers("packed");
  require(!numbers.empty() && numbers[0] == kPackedFormat, kernel,
          "its weights are packed as another version of Strop does it");
  require(numbers.size() == 1 + count &&
              reinterpret_cast<std::uintptr_t>(weights.constant) % kAlignment == 0,
          kernel, "its packed weights do not fit");
  numbers.erase(numbers.begin());
  return numbers;
}

std::string packed_parameters(const std::vector<std::int64_t>& numbers, const Shape& weights) {
  std::vector<std::int64_t> packed{kPackedFormat};
  packed.insert(packed.end(), numbers.begin(), numbers.end());
  Parameters out;
  out.set("packed", packed);
  out.set("weights", weights);
  return out.text();
}

}  // namespace strop::cpu
