// SPDX-License-Identifier: Apache-2.0
#include "cli/input_files.hpp"

#include <algorithm>
#include <filesystem>

#include "base/os/mapped_file.hpp"
#include "cli/npy.hpp"

namespace strop::cli {
namespace {

constexpr std::int64_t kMaxInputBytes = std::int64_t{1} << 36;

Tensor read_tensor(const std::string& path) {
  const std::string ending = std::filesystem::path(path).extension().string();
  const os::FileView file = os::read_file(path, os::FileAccess::copy, kMaxInputBytes);
  if (ending == ".npy") return read_npy(file.bytes(), path);
  throw Error(ErrorCode::bad_argument, "input file " + path,
              "its ending says no format that can be read", "give a .npy file");
}

}  // namespace

std::vector<NamedInput> read_inputs(const std::vector<std::string>& arguments,
                                    const Engine& engine) {
  std::vector<NamedInput> inputs;
  for (const std::string& argument : arguments) {
    // An input's name may hold '=' and so may a file's; a name that the engine has decides.
    std::string name;
    std::string path = argument;
    for (const EnginePort& port : engine.inputs()) {
      if (argument.starts_with(port.name + "=") && port.name.size() >= name.size()) {
        name = port.name;
        path = argument.substr(port.name.size() + 1);
      }
    }
    if (name.empty()) {
      const std::size_t equals = argument.find('=');
      if (equals != std::string::npos && !std::filesystem::exists(argument)) {
        name = argument.substr(0, equals);  // not an input of the engine: bind says which there are
        path = argument.substr(equals + 1);
      } else if (engine.inputs().size() == 1) {
        name = engine.inputs()[0].name;
      } else {
        throw Error(ErrorCode::bad_argument, "--input " + argument,
                    "the model has " + std::to_string(engine.inputs().size()) + " inputs",
                    "write NAME=FILE");
      }
    }
    inputs.push_back({name, read_tensor(path)});
  }
  return inputs;
}

bool is_plain(const EnginePort& port) {
  return port.dtype != DType::undefined && port.dtype != DType::string;
}

}  // namespace strop::cli
