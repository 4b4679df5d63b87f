// SPDX-License-Identifier: Apache-2.0
#include "runtime/input_check.hpp"

#include <algorithm>
#include <string>

#include "base/error.hpp"

namespace strop {
namespace {

std::string got_text(const EnginePort& port, DType dtype, std::span<const std::int64_t> dims) {
  return "input " + port.name + " is given " + std::string(to_string(dtype)) +
         to_string(Shape(dims.begin(), dims.end()));
}

// A picture as cameras and image files give it: bytes, colours last.
bool is_picture(DType dtype, std::span<const std::int64_t> dims) {
  if (dtype != DType::u8 || dims.size() < 2 || dims.size() > 4) return false;
  return dims.size() == 2 || dims.back() == 1 || dims.back() == 3 || dims.back() == 4;
}

std::string conversion_hint(const EnginePort& port, DType dtype,
                            std::span<const std::int64_t> dims) {
  const bool takes_image = is_floating(port.dtype) && port.shape && port.shape->size() == 4;
  if (takes_image && is_picture(dtype, dims)) {
    return "a picture is not resized or normalised on the way: give " + port.type +
           ", scaled as in the model's training, with channels before height and width";
  }
  return "give " + port.type;
}

// byte_size without a Shape, which would allocate.
std::int64_t bytes_of(DType dtype, std::span<const std::int64_t> dims) {
  std::int64_t bits = bits_of(dtype);
  if (std::ranges::find(dims, 0) != dims.end()) return 0;
  for (const std::int64_t dim : dims) {
    const auto product = try_mul(bits, dim);
    if (!product) {
      throw Error(ErrorCode::bad_shape, "shape " + to_string(Shape(dims.begin(), dims.end())),
                  "it needs more than 2^60 bytes");
    }
    bits = *product;
  }
  return bits / 8 + (bits % 8 != 0 ? 1 : 0);
}

}  // namespace

std::size_t find_port(std::span<const EnginePort> ports, std::string_view name, const char* kind) {
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].name == name) return i;
  }
  std::string names;
  for (const EnginePort& port : ports.first(std::min<std::size_t>(ports.size(), 32))) {
    names += (names.empty() ? "" : ", ") + port.name;
  }
  throw Error(ErrorCode::unknown_name,
              "the engine has no " + std::string(kind) + " named \"" +
                  std::string(name.substr(0, 200)) + "\"",
              "its " + std::string(kind) + "s are: " + (names.empty() ? "(none)" : names),
              "use one of these names");
}

void check_input_shape(const EnginePort& port, DType dtype, std::span<const std::int64_t> dims) {
  if (port.dtype == DType::undefined) {
    throw Error(ErrorCode::input_type, got_text(port, dtype, dims), "it must be " + port.type,
                "this input is no tensor; bind a value of that type");
  }
  if (dtype != port.dtype) {
    throw Error(ErrorCode::input_type, got_text(port, dtype, dims), "the engine takes " + port.type,
                conversion_hint(port, dtype, dims));
  }
  const auto negative = std::ranges::find_if(dims, [](std::int64_t dim) { return dim < 0; });
  if (negative != dims.end()) {
    throw Error(ErrorCode::input_shape, got_text(port, dtype, dims), "a dimension is negative",
                "give the sizes of the data; what the engine leaves open is open here too");
  }
  if (!port.shape) return;
  if (dims.size() != port.shape->size()) {
    throw Error(ErrorCode::input_rank, got_text(port, dtype, dims),
                "rank " + std::to_string(dims.size()) + " instead of " +
                    std::to_string(port.shape->size()) + ": the engine takes " + port.type,
                dims.size() + 1 == port.shape->size()
                    ? "add the dimension that is missing; a single sample needs a batch of 1"
                    : "give " + port.type);
  }
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const Dim& wanted = (*port.shape)[i];
    if (!wanted.is_constant() || wanted.value() == dims[i]) continue;
    throw Error(ErrorCode::input_shape, got_text(port, dtype, dims),
                "dimension " + std::to_string(i) + " is " + std::to_string(dims[i]) +
                    ", the engine takes " + port.type,
                "resize or split the data so that dimension " + std::to_string(i) + " is " +
                    wanted.to_string());
  }
}

void check_input_memory(const EnginePort& port, DType dtype, std::span<const std::int64_t> dims,
                        const void* data, std::uint64_t bytes, bool must_be_aligned) {
  check_input_shape(port, dtype, dims);
  const std::int64_t wanted = bytes_of(dtype, dims);
  if (bytes != static_cast<std::uint64_t>(wanted)) {
    throw Error(ErrorCode::input_bytes, got_text(port, dtype, dims),
                std::to_string(bytes) + " bytes instead of " + std::to_string(wanted),
                "give contiguous memory of exactly the size of the tensor");
  }
  if (bytes == 0) return;
  if (data == nullptr) {
    throw Error(ErrorCode::bad_argument, got_text(port, dtype, dims), "the data pointer is null");
  }
  const auto element = static_cast<std::uintptr_t>(std::clamp(bits_of(dtype) / 8, 1, 8));
  if (must_be_aligned && reinterpret_cast<std::uintptr_t>(data) % element != 0) {
    throw Error(ErrorCode::bad_argument, got_text(port, dtype, dims),
                "its memory is not aligned to " + std::to_string(element) + " bytes",
                "align it, or let the context copy it");
  }
}

}  // namespace strop
