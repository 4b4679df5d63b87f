// SPDX-License-Identifier: Apache-2.0
#include "cli/npz.hpp"

#if STROP_WITH_IMAGES
#include <zip.h>

#include <memory>

#include "cli/npy.hpp"
#endif

namespace strop::cli {

#if STROP_WITH_IMAGES

namespace {

// Deflate makes at most 1032 bytes of one: an entry that claims more is a lie, and is not made room
// for.
constexpr zip_uint64_t kMaxRatio = 1040;
constexpr zip_int64_t kMaxEntries = 10'000;

[[noreturn]] void fail(const std::string& source, std::string why) {
  throw Error(ErrorCode::bad_argument, "file " + source + " is not a readable .npz file",
              std::move(why), "write it with numpy.savez");
}

std::vector<std::byte> read_entry(zip_t* archive, zip_uint64_t index, std::size_t archive_bytes,
                                  const std::string& source) {
  zip_stat_t stat;
  zip_stat_init(&stat);
  if (zip_stat_index(archive, index, 0, &stat) != 0 || (stat.valid & ZIP_STAT_SIZE) == 0)
    fail(source, zip_strerror(archive));
  if (stat.size / kMaxRatio > archive_bytes) fail(source, "an entry claims an impossible size");
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(zip_fopen_index(archive, index, 0),
                                                               zip_fclose);
  if (!file) fail(source, zip_strerror(archive));
  std::vector<std::byte> content(static_cast<std::size_t>(stat.size));
  std::size_t filled = 0;
  while (filled < content.size()) {
    const zip_int64_t got = zip_fread(file.get(), content.data() + filled, content.size() - filled);
    if (got <= 0) fail(source, "an entry is damaged");
    filled += static_cast<std::size_t>(got);
  }
  // The checksum is looked at when the end has been read.
  std::byte more{};
  if (zip_fread(file.get(), &more, 1) != 0) fail(source, "an entry is damaged");
  return content;
}

}  // namespace

std::vector<std::pair<std::string, Tensor>> read_npz(std::span<const std::byte> bytes,
                                                     const std::string& source) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* memory = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  zip_t* opened = memory != nullptr ? zip_open_from_source(memory, ZIP_RDONLY, &error) : nullptr;
  if (opened == nullptr) {
    const std::string why = zip_error_strerror(&error);
    zip_source_free(memory);
    zip_error_fini(&error);
    fail(source, why);
  }
  zip_error_fini(&error);
  const std::unique_ptr<zip_t, void (*)(zip_t*)> archive(opened, zip_discard);
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  if (count > kMaxEntries) fail(source, "it has " + std::to_string(count) + " entries");
  std::vector<std::pair<std::string, Tensor>> arrays;
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    const char* entry = zip_get_name(archive.get(), index, 0);
    std::string name = entry != nullptr ? entry : "";
    if (!name.ends_with(".npy")) fail(source, "entry " + name + " is no .npy file");
    name.resize(name.size() - 4);
    arrays.emplace_back(name, read_npy(read_entry(archive.get(), index, bytes.size(), source),
                                       source + ":" + name));
  }
  return arrays;
}

#else

std::vector<std::pair<std::string, Tensor>> read_npz(std::span<const std::byte>,
                                                     const std::string& source) {
  throw Error(ErrorCode::missing_library, "file " + source + " cannot be read",
              "this Strop was built without libpng, libjpeg and libzip", "give .npy files");
}

#endif

}  // namespace strop::cli
