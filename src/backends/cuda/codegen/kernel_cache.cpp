// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/kernel_cache.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "base/os/atomic_file.hpp"

namespace strop::cuda {
namespace {

constexpr std::int64_t kMaxImageBytes = 64 << 20;

// Header of a file, before the machine code.
struct Record {
  std::array<char, 8> magic{'S', 'T', 'R', 'O', 'P', 'K', '0', '1'};
  std::uint64_t hash_high = 0, hash_low = 0;  // of the machine code
  std::int64_t bytes = 0;
  std::int32_t registers = 0, spill_bytes = 0, shared_bytes = 0, unused = 0;
};

std::string folder() {
  if (const char* given = std::getenv("STROP_KERNEL_CACHE"))
    return std::strcmp(given, "off") == 0 ? std::string() : std::string(given);
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return std::string(cache) + "/strop/kernels";
  const char* home = std::getenv("HOME");
  return home != nullptr && *home != '\0' ? std::string(home) + "/.cache/strop/kernels"
                                          : std::string();
}

}  // namespace

std::optional<CompiledKernel> load_cached_kernel(const Hash& key) {
  const std::string place = folder();
  if (place.empty()) return std::nullopt;
  std::ifstream file(place + "/" + key.hex(), std::ios::binary);
  Record record;
  const Record wanted;
  if (!file.read(reinterpret_cast<char*>(&record), sizeof(record)) ||
      record.magic != wanted.magic || record.bytes <= 0 || record.bytes > kMaxImageBytes)
    return std::nullopt;
  CompiledKernel out;
  out.image = Tensor::allocate(DType::u8, {record.bytes});
  if (!file.read(reinterpret_cast<char*>(out.image.mutable_data()), record.bytes))
    return std::nullopt;
  const Hash hash = hash_bytes(std::span(out.image.data(), static_cast<std::size_t>(record.bytes)));
  if (hash != Hash{record.hash_high, record.hash_low}) return std::nullopt;
  out.registers = record.registers;
  out.spill_bytes = record.spill_bytes;
  out.shared_bytes = record.shared_bytes;
  return out;
}

void store_cached_kernel(const Hash& key, const CompiledKernel& kernel) {
  const std::string place = folder();
  if (place.empty()) return;
  const auto image = std::span(kernel.image.data(), static_cast<std::size_t>(kernel.image.bytes()));
  const Hash hash = hash_bytes(image);
  Record record;
  record.hash_high = hash.high;
  record.hash_low = hash.low;
  record.bytes = kernel.image.bytes();
  record.registers = kernel.registers;
  record.spill_bytes = kernel.spill_bytes;
  record.shared_bytes = kernel.shared_bytes;
  std::error_code failed;
  std::filesystem::create_directories(place, failed);
  if (failed) return;
  try {
    os::AtomicFile file(place + "/" + key.hex());
    file.write(std::as_bytes(std::span(&record, 1)));
    file.write(image);
    file.commit();
  } catch (const Error&) {
    // The next build compiles it again.
  }
}

}  // namespace strop::cuda
