// SPDX-License-Identifier: Apache-2.0
// The checks that are the same on every system: the name, then the range.
#include "base/os/open_beneath.hpp"

#include "base/os/external_name.hpp"
#include "base/os/file_handle.hpp"

namespace strop::os {

void throw_external(std::string_view relative, const std::string& folder, std::string why,
                    std::string hint) {
  throw Error(ErrorCode::external_data,
              "external data \"" + printable(relative) + "\" of a model in " +
                  printable(folder.empty() ? "." : folder),
              std::move(why), std::move(hint));
}

std::vector<std::string> split_external_name(std::string_view relative, const std::string& folder) {
  const std::string hint =
      "the name must be relative and lead to a file inside the folder of the model";
  const std::string_view name = relative;  // `relative` is eaten part by part below
  const auto refuse = [&](const char* why) { throw_external(name, folder, why, hint); };
  if (relative.empty()) refuse("the name is empty");
  if (relative.find('\0') != std::string_view::npos) refuse("the name contains a NUL byte");
#if defined(_WIN32)
  constexpr std::string_view kSeparators = "/\\";
  if (relative.find(':') != std::string_view::npos) refuse("the name contains a colon");
#else
  constexpr std::string_view kSeparators = "/";
#endif
  if (kSeparators.find(relative.front()) != std::string_view::npos) refuse("the name is absolute");
  if (kSeparators.find(relative.back()) != std::string_view::npos)
    refuse("the name is of a directory");
  std::vector<std::string> parts;
  while (!relative.empty()) {
    const std::size_t end = relative.find_first_of(kSeparators);
    const std::string_view part = relative.substr(0, end);
    if (part == "..") refuse("the name contains \"..\"");
    if (!part.empty() && part != ".") parts.emplace_back(part);
    if (end == std::string_view::npos) break;
    relative.remove_prefix(end + 1);
  }
  if (parts.empty()) refuse("the name is of a directory");
  return parts;
}

FileView ExternalDataFolder::read(std::string_view relative, std::int64_t offset,
                                  std::optional<std::int64_t> length) {
  auto it = opened_.find(std::string(relative));
  if (it == opened_.end()) it = opened_.emplace(relative, open(std::string(relative))).first;
  const FileView& file = it->second;
  const auto refuse = [&](const std::string& why) {
    throw_external(relative, folder_, why,
                   "the model and its data do not belong together, or one of them is damaged");
  };
  if (offset < 0 || (length && *length < 0)) refuse("offset or length is negative");
  if (offset > file.size() || (length && *length > file.size() - offset)) {
    refuse((length ? std::to_string(*length) + " bytes" : std::string("data")) + " at offset " +
           std::to_string(offset) + " lie past its end: it has " + std::to_string(file.size()) +
           " bytes");
  }
  return file.part(offset, length ? *length : file.size() - offset);
}

void ExternalDataFolder::check_unchanged() const {
  for (const auto& [name, file] : opened_) file.check_unchanged();
}

}  // namespace strop::os
