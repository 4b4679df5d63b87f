// SPDX-License-Identifier: Apache-2.0
#include "base/os/mapped_file.hpp"

#include <new>

#include "base/os/file_handle.hpp"

namespace strop::os {

FileView FileView::part(std::int64_t offset, std::int64_t length) const {
  STROP_CHECK(offset >= 0 && length >= 0 && offset <= size() && length <= size() - offset,
              "a part lies within its file");
  return {bytes_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(length)),
          owner_, mapping_};
}

std::pair<std::byte*, std::shared_ptr<const void>> allocate_for_file(std::int64_t size,
                                                                     const std::string& path) {
  constexpr std::align_val_t kAlignment{64};
  void* memory = nullptr;
  if (static_cast<std::uint64_t>(size) <= std::numeric_limits<std::size_t>::max() / 2) {
    memory = ::operator new(static_cast<std::size_t>(size), kAlignment, std::nothrow);
  }
  if (memory == nullptr) {
    throw Error(ErrorCode::out_of_memory, "no memory to read " + printable(path),
                std::to_string(size) + " bytes were asked for");
  }
  return {static_cast<std::byte*>(memory), std::shared_ptr<const void>(memory, [](const void* p) {
            ::operator delete(const_cast<void*>(p), kAlignment);
          })};
}

void throw_file_limit(const std::string& path, std::int64_t size, std::int64_t max_bytes) {
  throw Error(
      ErrorCode::limit_exceeded, printable(path) + " is too large",
      "it has " + std::to_string(size) + " bytes, the limit is " + std::to_string(max_bytes));
}

void throw_file_shrank(const std::string& path, std::int64_t size, ErrorCode code) {
  throw Error(code, "cannot read " + printable(path),
              "it had " + std::to_string(size) +
                  " bytes when it was opened and got shorter while it was read",
              "let nothing write to the file while it is used");
}

std::string printable(std::string_view text) {
  std::string out(text.substr(0, 200));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  if (text.size() > 200) out += "...";
  return out;
}

}  // namespace strop::os
