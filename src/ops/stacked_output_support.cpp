// SPDX-License-Identifier: Apache-2.0
#include "ops/stacked_output_support.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "ops/move_elements_support.hpp"

namespace strop {

void StackedOutput::append(KernelContext& context, const Datum& slice) {
  if (!slice.is_tensor()) context.fail("a value to be stacked is no tensor");
  const Tensor elements = unpack_elements(slice.tensor());
  if (count_++ == 0) {
    dtype_ = slice.tensor().dtype();
    shape_ = elements.shape();
  } else if (slice.tensor().dtype() != dtype_ || elements.shape() != shape_) {
    context.fail("a value to be stacked is " + describe(slice.tensor()) + " in one iteration and " +
                 std::string(to_string(dtype_)) + to_string(shape_) + " in another");
  }
  if (dtype_ == DType::string) {
    for (const std::string& text : elements.values<std::string>()) {
      charge(context, static_cast<std::int64_t>(text.size() + sizeof(std::string)));
      strings_.push_back(text);
    }
    return;
  }
  charge(context, elements.bytes());
  try {
    bytes_.insert(bytes_.end(), elements.data(), elements.data() + elements.bytes());
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "no memory for what iterations give",
                std::to_string(charged_) + " bytes were asked for");
  }
}

void StackedOutput::deliver(KernelContext& context, std::size_t output, const Type& declared,
                            const SymbolValues& sizes, std::int64_t count) {
  if (!context.has_output(output)) return;
  if (count_ == 0) {
    dtype_ = declared.dtype;
    for (const Dim& dim : declared.shape.value_or(SymShape{})) {
      shape_.push_back(std::max<std::int64_t>(0, dim.try_evaluate(sizes).value_or(0)));
    }
  }
  Shape shape = shape_;
  shape.insert(shape.begin(), std::max(count_, count));
  Tensor& y = context.allocate(output, dtype_, shape);
  if (y.size() == 0) return;
  if (dtype_ == DType::string) {
    const auto to = y.mutable_values<std::string>();
    std::fill(std::ranges::move(strings_, to.begin()).out, to.end(), std::string());
  } else if (bits_of(dtype_) < 8) {
    bytes_.resize(static_cast<std::size_t>(y.size()));
    pack_elements(Tensor::wrap(DType::u8, shape, bytes_.data(), nullptr), y);
  } else {
    std::fill(std::ranges::copy(bytes_, y.mutable_data()).out, y.mutable_data() + y.bytes(),
              std::byte{0});
  }
}

void StackedOutput::charge(const KernelContext& context, std::int64_t bytes) {
  charged_ += bytes;
  const std::int64_t limit = context.limits().tensor_bytes;
  if (limit != 0 && charged_ > limit) {
    throw Error(ErrorCode::limit_exceeded, "what iterations give passes the limit of a tensor",
                "the limit for one tensor is " + std::to_string(limit) + " bytes",
                "raise RunLimits::tensor_bytes if the model is trusted");
  }
}

}  // namespace strop
