// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/module_image.hpp"

#include <algorithm>
#include <cstring>

namespace strop::cuda {
namespace {

// At the end: how many bytes the PTX and its NUL take, and what tells that there are such.
struct Trailer {
  std::uint64_t bytes = 0;
  char mark[8] = {'s', 't', 'r', 'o', 'p', 'p', 't', 'x'};
};

}  // namespace

Tensor join_image(std::span<const std::byte> machine_code, std::string_view ptx) {
  const std::size_t more = ptx.empty() ? 0 : ptx.size() + 1 + sizeof(Trailer);
  Tensor out = Tensor::allocate(DType::u8, {static_cast<std::int64_t>(machine_code.size() + more)});
  std::byte* to = std::ranges::copy(machine_code, out.mutable_data()).out;
  if (ptx.empty()) return out;
  to = std::ranges::copy(std::as_bytes(std::span(ptx)), to).out;
  *to++ = std::byte{0};
  const Trailer trailer{ptx.size() + 1};
  std::memcpy(to, &trailer, sizeof(trailer));
  return out;
}

ImageParts split_image(std::span<const std::byte> image) {
  Trailer trailer;
  if (image.size() < sizeof(trailer)) return {image, {}};
  const std::span<const std::byte> before = image.first(image.size() - sizeof(trailer));
  std::memcpy(&trailer, before.data() + before.size(), sizeof(trailer));
  if (!std::ranges::equal(trailer.mark, Trailer{}.mark) || trailer.bytes == 0 ||
      trailer.bytes > before.size() || before.back() != std::byte{0})
    return {image, {}};
  const std::span<const std::byte> text = before.last(trailer.bytes);
  return {before.first(before.size() - trailer.bytes),
          {reinterpret_cast<const char*>(text.data()), text.size() - 1}};
}

}  // namespace strop::cuda
