// SPDX-License-Identifier: Apache-2.0
#include "base/tensor.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace strop {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

Tensor Tensor::allocate(DType dtype, Shape shape) {
  Tensor out;
  out.dtype_ = dtype;
  out.size_ = element_count(shape);
  out.shape_ = std::move(shape);
  if (dtype == DType::string) {
    try {
      auto strings =
          std::make_shared<std::vector<std::string>>(static_cast<std::size_t>(out.size_));
      out.data_ = reinterpret_cast<std::byte*>(strings->data());
      out.owner_ = std::move(strings);
    } catch (const std::exception&) {  // bad_alloc, or length_error where it could never be
      throw Error(ErrorCode::out_of_memory, "no memory for a tensor " + describe(out),
                  std::to_string(out.size_) + " strings were asked for");
    }
    return out;
  }
  out.bytes_ = byte_size(dtype, out.shape_);
  if (out.bytes_ == 0) return out;
  void* memory = ::operator new(static_cast<std::size_t>(out.bytes_), kAlignment, std::nothrow);
  if (memory == nullptr) {
    throw Error(ErrorCode::out_of_memory, "no memory for a tensor " + describe(out),
                std::to_string(out.bytes_) + " bytes were asked for");
  }
  out.data_ = static_cast<std::byte*>(memory);
  out.owner_ = std::shared_ptr<const void>(
      memory, [](const void* p) { ::operator delete(const_cast<void*>(p), kAlignment); });
  return out;
}

Tensor Tensor::zeros(DType dtype, Shape shape) {
  Tensor out = allocate(dtype, std::move(shape));
  if (out.bytes_ > 0) std::memset(out.data_, 0, static_cast<std::size_t>(out.bytes_));
  return out;
}

Tensor Tensor::wrap(DType dtype, Shape shape, void* data, std::shared_ptr<const void> owner) {
  Tensor out;
  out.dtype_ = dtype;
  out.size_ = element_count(shape);
  out.shape_ = std::move(shape);
  if (dtype != DType::string) out.bytes_ = byte_size(dtype, out.shape_);
  out.data_ = static_cast<std::byte*>(data);
  out.owner_ = std::move(owner);
  return out;
}

Tensor Tensor::from_strings(Shape shape, std::vector<std::string> values) {
  Tensor out = allocate(DType::string, std::move(shape));
  STROP_CHECK(out.size() == static_cast<std::int64_t>(values.size()),
              "as many strings as the shape has elements");
  std::move(values.begin(), values.end(), out.mutable_values<std::string>().begin());
  return out;
}

Tensor Tensor::reshaped(Shape shape) const {
  STROP_CHECK(element_count(shape) == size_, "a reshape keeps the number of elements");
  Tensor out = *this;
  out.shape_ = std::move(shape);
  return out;
}

Tensor Tensor::clone() const {
  if (!defined()) return {};
  Tensor out = allocate(dtype_, shape_);
  if (dtype_ == DType::string) {
    std::ranges::copy(values<std::string>(), out.mutable_values<std::string>().begin());
  } else if (bytes_ > 0) {
    std::memcpy(out.data_, data_, static_cast<std::size_t>(bytes_));
  }
  return out;
}

std::vector<std::int64_t> Tensor::to_i64() const {
  std::vector<std::int64_t> out;
  out.reserve(static_cast<std::size_t>(size_));
  const auto copy = [&]<class T>(T) {
    for (T value : values<T>()) out.push_back(static_cast<std::int64_t>(value));
  };
  switch (dtype_) {
    case DType::i8:
      copy(std::int8_t{});
      break;
    case DType::i16:
      copy(std::int16_t{});
      break;
    case DType::i32:
      copy(std::int32_t{});
      break;
    case DType::i64:
      copy(std::int64_t{});
      break;
    case DType::u8:
      copy(std::uint8_t{});
      break;
    case DType::u16:
      copy(std::uint16_t{});
      break;
    case DType::u32:
      copy(std::uint32_t{});
      break;
    case DType::u64:
      copy(std::uint64_t{});
      break;
    case DType::boolean:
      copy(bool{});
      break;
    default:
      throw Error(ErrorCode::bad_type, "tensor " + describe(*this) + " is read as integers",
                  "its element type is " + std::string(to_string(dtype_)));
  }
  return out;
}

bool Tensor::identical(const Tensor& other) const {
  if (dtype_ != other.dtype_ || shape_ != other.shape_) return false;
  if (dtype_ == DType::string)
    return std::ranges::equal(values<std::string>(), other.values<std::string>());
  if (bytes_ == 0) return true;
  // Of a last byte that is not full, the rest means nothing.
  const std::int64_t used_bits = bits_of(dtype_) < 8 ? size_ * bits_of(dtype_) % 8 : 0;
  const auto whole = static_cast<std::size_t>(used_bits == 0 ? bytes_ : bytes_ - 1);
  if (std::memcmp(data_, other.data_, whole) != 0) return false;
  return used_bits == 0 || ((data_[whole] ^ other.data_[whole]) << (8 - used_bits)) == std::byte{0};
}

std::string describe(const Tensor& tensor) {
  return std::string(to_string(tensor.dtype())) + to_string(tensor.shape());
}

const Tensor& Datum::tensor() const {
  const Tensor* tensor = std::get_if<Tensor>(&value);
  STROP_CHECK(tensor != nullptr, "the value is a tensor");
  return *tensor;
}

const Sequence& Datum::sequence() const {
  const Sequence* sequence = std::get_if<Sequence>(&value);
  STROP_CHECK(sequence != nullptr, "the value is a sequence");
  return *sequence;
}

}  // namespace strop
