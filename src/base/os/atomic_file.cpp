// SPDX-License-Identifier: Apache-2.0
#include "base/os/atomic_file.hpp"

namespace strop::os {

void write_file(const std::string& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file(const std::string& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

}  // namespace strop::os
