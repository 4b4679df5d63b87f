// SPDX-License-Identifier: Apache-2.0
#include "onnx/tensor_decoder.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "onnx/problem_list.hpp"

namespace strop::onnx {
namespace {

static_assert(std::endian::native == std::endian::little,
              "ONNX stores numbers little-endian, and they are used as they lie");

std::string subject(const TensorProto& proto) { return "tensor " + in_quotes(proto.name); }

[[noreturn]] void fail(const TensorProto& proto, ErrorCode code, std::string why,
                       std::string hint = {}) {
  throw Error(code, subject(proto) + " cannot be read", std::move(why), std::move(hint));
}

[[noreturn]] void fail_count(const TensorProto& proto, DType dtype, const Shape& shape,
                             std::int64_t expected, std::int64_t got, const char* unit) {
  throw Error(ErrorCode::bad_weights,
              subject(proto) + (got < expected ? " is shorter" : " is longer") + " than its shape",
              std::string(to_string(dtype)) + to_string(shape) + " needs " +
                  std::to_string(expected) + " " + unit + ", the file has " + std::to_string(got),
              "export or download the model again");
}

std::size_t alignment_of(DType dtype) {
  const int bits = bits_of(dtype);
  if (dtype == DType::c64 || dtype == DType::c128) return static_cast<std::size_t>(bits / 16);
  return bits < 8 ? 1 : static_cast<std::size_t>(bits / 8);
}

// Bytes other than 0 and 1 are no bool in C++.
Tensor clean_bools(Tensor tensor) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(tensor.data());
  if (std::all_of(bytes, bytes + tensor.bytes(), [](std::uint8_t b) { return b <= 1; }))
    return tensor;
  Tensor out = Tensor::allocate(DType::boolean, tensor.shape());
  for (std::int64_t i = 0; i < tensor.bytes(); ++i)
    out.mutable_data()[i] = std::byte{bytes[i] != 0};
  return out;
}

Shape shape_of(const TensorProto& proto, const std::vector<std::int64_t>& dims) {
  for (const std::int64_t dim : dims) {
    if (dim < 0)
      fail(proto, ErrorCode::bad_shape, "its shape " + to_string(dims) + " has a negative size");
  }
  constexpr std::size_t kMaxRank = 64;
  if (dims.size() > kMaxRank)
    fail(proto, ErrorCode::bad_shape,
         "it has rank " + std::to_string(dims.size()) + "; at most 64 is read");
  return dims;
}

TensorField field_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::c64:
      return TensorField::float_data;
    case DType::f64:
    case DType::c128:
      return TensorField::double_data;
    case DType::i64:
      return TensorField::int64_data;
    case DType::u32:
    case DType::u64:
      return TensorField::uint64_data;
    case DType::string:
      return TensorField::string_data;
    default:
      return TensorField::int32_data;
  }
}

// Numbers as the file has them into elements of `bytes` bytes each; a number fits if it does so
// with or without a sign.
template <class Source>
void store_integers(const TensorProto& proto, const std::vector<Source>& from, int bytes,
                    std::byte* to) {
  for (const Source value : from) {
    if (bytes < static_cast<int>(sizeof(Source))) {
      const std::int64_t limit = std::int64_t{1} << (8 * bytes);
      const auto wide = static_cast<std::int64_t>(value);
      if (wide < -limit / 2 || wide >= limit) {
        fail(proto, ErrorCode::bad_weights,
             "the number " + std::to_string(wide) + " does not fit its element type");
      }
    }
    std::memcpy(to, &value, static_cast<std::size_t>(bytes));
    to += bytes;
  }
}

}  // namespace

Tensor TensorDecoder::decode_bytes(const TensorProto& proto, DType dtype, Shape shape,
                                   std::string_view bytes,
                                   const std::shared_ptr<const void>& owner) {
  const std::int64_t expected = byte_size(dtype, shape);
  if (static_cast<std::int64_t>(bytes.size()) != expected) {
    fail_count(proto, dtype, shape, expected, static_cast<std::int64_t>(bytes.size()), "bytes");
  }
  if (expected == 0) return Tensor::allocate(dtype, std::move(shape));
  Tensor out;
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignment_of(dtype) == 0) {
    // A tensor that others may hold is not written to, so the bytes stay as they are.
    out = Tensor::wrap(dtype, std::move(shape), const_cast<char*>(bytes.data()), owner);
  } else {
    budget_.charge_bytes(expected);
    out = Tensor::allocate(dtype, std::move(shape));
    std::memcpy(out.mutable_data(), bytes.data(), bytes.size());
  }
  return dtype == DType::boolean ? clean_bools(std::move(out)) : out;
}

Tensor TensorDecoder::decode_fields(const TensorProto& proto, DType dtype, Shape shape) {
  const TensorField field = field_of(dtype);
  const std::int64_t size = element_count(shape);
  // Numbers in the field: complex ones are pairs, sub-byte ones are packed into bytes.
  std::int64_t expected = size;
  if (dtype == DType::c64 || dtype == DType::c128) {
    const auto pairs = try_mul(size, 2);
    if (!pairs) fail(proto, ErrorCode::bad_shape, "its shape is too large");
    expected = *pairs;
  } else if (dtype != DType::string && bits_of(dtype) < 8) {
    expected = byte_size(dtype, shape);
  }
  const std::int64_t count = count_elements(proto, field);
  if (count != expected) {
    fail_count(proto, dtype, shape, expected, count, "numbers");
  }
  // A mapped file can change between counting and reading.
  const auto require_unchanged = [&](std::size_t got) {
    if (static_cast<std::int64_t>(got) != count)
      fail(proto, ErrorCode::bad_weights, "its data changed while it was read");
  };
  if (dtype == DType::string) {
    budget_.charge_elements(size, sizeof(std::string) + sizeof(std::string_view));
    std::vector<std::string_view> views;
    views.reserve(static_cast<std::size_t>(size));
    read_elements(proto, field, views);
    require_unchanged(views.size());
    std::vector<std::string> strings;
    strings.reserve(views.size());
    for (const std::string_view text : views) {
      budget_.charge_bytes(static_cast<std::int64_t>(text.size()));
      strings.emplace_back(text);
    }
    return Tensor::from_strings(std::move(shape), std::move(strings));
  }
  if (field == TensorField::float_data || field == TensorField::double_data) {
    if (const auto bytes = contiguous_elements(proto, field)) {
      return decode_bytes(proto, dtype, std::move(shape), *bytes, owner_);
    }
  }
  const auto read = [&]<class T>(std::vector<T> numbers) {
    numbers.reserve(static_cast<std::size_t>(count));
    read_elements(proto, field, numbers);
    require_unchanged(numbers.size());
    return numbers;
  };
  budget_.charge_elements(count, 2 * sizeof(std::uint64_t));  // the numbers and the tensor
  Tensor out = Tensor::allocate(dtype, std::move(shape));
  const int bytes = std::max(bits_of(dtype), 8) / 8;
  switch (field) {
    case TensorField::float_data: {
      const auto numbers = read(std::vector<float>());
      if (!numbers.empty())
        std::memcpy(out.mutable_data(), numbers.data(), numbers.size() * sizeof(float));
      return out;
    }
    case TensorField::double_data: {
      const auto numbers = read(std::vector<double>());
      if (!numbers.empty())
        std::memcpy(out.mutable_data(), numbers.data(), numbers.size() * sizeof(double));
      return out;
    }
    case TensorField::int64_data:
      store_integers(proto, read(std::vector<std::int64_t>()), bytes, out.mutable_data());
      return out;
    case TensorField::uint64_data:
      store_integers(proto, read(std::vector<std::uint64_t>()), bytes, out.mutable_data());
      return out;
    default:
      store_integers(proto, read(std::vector<std::int32_t>()), bytes, out.mutable_data());
      return dtype == DType::boolean ? clean_bools(std::move(out)) : out;
  }
}

Tensor TensorDecoder::decode(const TensorProto& proto) {
  const auto dtype = dtype_from_onnx(proto.data_type);
  if (!dtype) {
    fail(proto, ErrorCode::bad_type,
         "element type number " + std::to_string(proto.data_type) + " is not one of ONNX's");
  }
  if (proto.has_segment)
    fail(proto, ErrorCode::bad_weights, "it is one segment of a larger tensor",
         "write the tensor in one piece");
  Shape shape = shape_of(proto, proto.dims);
  if (proto.external) {
    if (*dtype == DType::string)
      fail(proto, ErrorCode::bad_weights, "strings cannot be external data");
    const std::int64_t bytes = byte_size(*dtype, shape);
    const os::FileView file = external_.read(proto, bytes);
    budget_.grow(bytes);
    const auto* data = reinterpret_cast<const char*>(file.bytes().data());
    return decode_bytes(proto, *dtype, std::move(shape), {data, file.bytes().size()}, file.owner());
  }
  if (proto.raw_data) {
    if (*dtype == DType::string) fail(proto, ErrorCode::bad_weights, "strings cannot be raw data");
    return decode_bytes(proto, *dtype, std::move(shape), *proto.raw_data, owner_);
  }
  return decode_fields(proto, *dtype, std::move(shape));
}

Tensor TensorDecoder::decode(const SparseTensorProto& proto) {
  const TensorProto& name = proto.values;
  const Shape shape = shape_of(name, proto.dims);
  const std::int64_t size = element_count(shape);
  const Tensor values = decode(proto.values);
  Tensor indices = decode(proto.indices);
  if (values.dtype() == DType::string || bits_of(values.dtype()) < 8)
    fail(name, ErrorCode::bad_type, "a sparse tensor of " + std::string(to_string(values.dtype())));
  if (indices.dtype() != DType::i64)
    fail(name, ErrorCode::bad_type,
         "indices of a sparse tensor are " + std::string(to_string(indices.dtype())) +
             "; they must be i64");
  const std::int64_t count = values.size();
  const auto rank = static_cast<std::int64_t>(shape.size());
  const bool linear = indices.rank() == 1;
  if (values.rank() != 1 || (!linear && (indices.rank() != 2 || indices.dim(1) != rank)) ||
      indices.dim(0) != count) {
    fail(name, ErrorCode::bad_shape,
         "values of a sparse tensor are [n], indices [n] or [n,rank]; here they are " +
             describe(values) + " and " + describe(indices) + " for rank " + std::to_string(rank));
  }
  budget_.charge_bytes(byte_size(values.dtype(), shape));
  Tensor out = Tensor::zeros(values.dtype(), shape);
  const auto numbers = indices.values<std::int64_t>();
  const std::int64_t bytes = bits_of(values.dtype()) / 8;
  std::int64_t before = -1;
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t at = 0;
    bool inside = true;
    if (linear) {
      at = numbers[static_cast<std::size_t>(i)];
      inside = at >= 0 && at < size;
    } else {
      for (std::int64_t axis = 0; axis < rank && inside; ++axis) {
        const std::int64_t index = numbers[static_cast<std::size_t>(i * rank + axis)];
        const std::int64_t limit = shape[static_cast<std::size_t>(axis)];
        inside = index >= 0 && index < limit && size > 0;
        at = at * limit + index;
      }
    }
    if (!inside || at <= before) {
      fail(name, ErrorCode::bad_weights,
           "indices of a sparse tensor must lie in its shape " + to_string(shape) +
               " and ascend; number " + std::to_string(i) + " does not");
    }
    before = at;
    std::memcpy(out.mutable_data() + at * bytes, values.data() + i * bytes,
                static_cast<std::size_t>(bytes));
  }
  return out;
}

}  // namespace strop::onnx
