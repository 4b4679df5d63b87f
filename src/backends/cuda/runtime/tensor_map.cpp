// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/runtime/tensor_map.hpp"

#include "backends/cuda/runtime/step.hpp"
#include "base/error.hpp"

namespace strop::cuda {
namespace {

constexpr const char* kWhat = "a tensor map of a kernel";

CUtensorMapDataType type_of(const std::string& name) {
  if (name == "u8") return CU_TENSOR_MAP_DATA_TYPE_UINT8;
  if (name == "i32") return CU_TENSOR_MAP_DATA_TYPE_INT32;
  if (name == "f16") return CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
  if (name == "bf16") return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  require(name == "f32", kWhat, "its element type is none that TMA has");
  return CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
}

CUtensorMapSwizzle swizzle_of(std::uint32_t bytes) {
  switch (bytes) {
    case 0:
      return CU_TENSOR_MAP_SWIZZLE_NONE;
    case 32:
      return CU_TENSOR_MAP_SWIZZLE_32B;
    case 64:
      return CU_TENSOR_MAP_SWIZZLE_64B;
    default:
      require(bytes == 128, kWhat, "its swizzle is none that TMA has");
      return CU_TENSOR_MAP_SWIZZLE_128B;
  }
}

CUtensorMapL2promotion promotion_of(std::uint32_t bytes) {
  switch (bytes) {
    case 0:
      return CU_TENSOR_MAP_L2_PROMOTION_NONE;
    case 64:
      return CU_TENSOR_MAP_L2_PROMOTION_L2_64B;
    case 128:
      return CU_TENSOR_MAP_L2_PROMOTION_L2_128B;
    default:
      require(bytes == 256, kWhat, "its L2 promotion is none that TMA has");
      return CU_TENSOR_MAP_L2_PROMOTION_L2_256B;
  }
}

}  // namespace

void EncodedMap::prepare(const TensorMap& recipe, const SymbolValues& symbols) {
  recipe_ = &recipe;
  address_ = 0;
  sizes_.clear();
  strides_.clear();
  const auto number = [&](const Dim& dim) {
    const std::int64_t value = dim.evaluate(symbols);
    require(value > 0, kWhat, "a size or stride is not positive");
    return static_cast<cuuint64_t>(value);
  };
  for (const Dim& size : recipe.sizes) sizes_.push_back(number(size));
  for (const Dim& stride : recipe.strides) strides_.push_back(number(stride));
}

void EncodedMap::place(std::uintptr_t address) {
  if (address == address_) return;
  const TensorMap& recipe = *recipe_;
  const auto rank = static_cast<cuuint32_t>(sizes_.size());
  void* base = reinterpret_cast<void*>(address);
  const CUresult result =
      recipe.im2col ? driver().cuTensorMapEncodeIm2col(
                          &descriptor, type_of(recipe.type), rank, base, sizes_.data(),
                          strides_.data(), recipe.lower.data(), recipe.upper.data(),
                          recipe.channels, recipe.pixels, recipe.element_strides.data(),
                          CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle_of(recipe.swizzle),
                          promotion_of(recipe.l2_promotion), CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE)
                    : driver().cuTensorMapEncodeTiled(
                          &descriptor, type_of(recipe.type), rank, base, sizes_.data(),
                          strides_.data(), recipe.box.data(), recipe.element_strides.data(),
                          CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle_of(recipe.swizzle),
                          promotion_of(recipe.l2_promotion), CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  check(result, "making a tensor map");
  address_ = address;
}

}  // namespace strop::cuda
