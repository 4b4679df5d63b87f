// SPDX-License-Identifier: Apache-2.0
#include "cli/input_files.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "base/os/mapped_file.hpp"
#include "cli/images.hpp"
#include "cli/npy.hpp"
#include "cli/npz.hpp"
#include "cli/value_text.hpp"
#include "onnx/tensor_file.hpp"

namespace strop::cli {
namespace {

constexpr std::int64_t kMaxInputBytes = std::int64_t{1} << 36;

std::string ending_of(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  std::ranges::transform(ending, ending.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending;
}

// The input that a file is for; null when the engine has none of that name, which bind reports.
const EnginePort* port_of(const Engine& engine, const std::string& name) {
  const auto ports = engine.inputs();
  const auto at = std::ranges::find(ports, name, &EnginePort::name);
  return at != ports.end() ? &*at : nullptr;
}

Datum read_json(const os::FileView& file, const EnginePort* port, const std::string& path) {
  if (port == nullptr) return Tensor();
  const auto* text = reinterpret_cast<const char*>(file.bytes().data());
  const Json json = Json::parse(text, text + file.bytes().size(), nullptr, false);
  if (json.is_discarded()) {
    throw Error(ErrorCode::bad_argument, "file " + path + " is no JSON");
  }
  return from_json(json, Type::parse(port->type), "file " + path);
}

Datum read_value(const std::string& path, const EnginePort* port) {
  const std::string ending = ending_of(path);
  const os::FileView file = os::read_file(path, os::FileAccess::copy, kMaxInputBytes);
  if (ending == ".npy") return read_npy(file.bytes(), path);
  if (ending == ".png") return read_png(file.bytes(), path);
  if (ending == ".jpg" || ending == ".jpeg") return read_jpeg(file.bytes(), path);
  if (ending == ".json") return read_json(file, port, path);
  if (ending == ".pb") {
    const ValueKind kind = port != nullptr ? Type::parse(port->type).kind : ValueKind::tensor;
    return onnx::read_tensor_bytes(file.bytes(), file.owner(), kind);
  }
  throw Error(ErrorCode::bad_argument, "input file " + path,
              "its ending says no format that can be read",
              "give a .npy, .npz, .png, .jpg, .json or .pb file");
}

// An archive for one input: the entry of its name, or the only one.
Tensor read_archived(const std::string& name, const std::string& path) {
  const os::FileView file = os::read_file(path, os::FileAccess::copy, kMaxInputBytes);
  std::vector<std::pair<std::string, Tensor>> arrays = read_npz(file.bytes(), path);
  for (auto& [entry, tensor] : arrays) {
    if (entry == name || arrays.size() == 1) return tensor;
  }
  throw Error(ErrorCode::unknown_name, "input " + name + " from " + path,
              "the archive has " + std::to_string(arrays.size()) + " arrays, none of that name");
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
      } else if (ending_of(path) == ".npz" && engine.inputs().size() != 1) {
        // Every array is the input of its name.
        const os::FileView file = os::read_file(path, os::FileAccess::copy, kMaxInputBytes);
        for (auto& [entry, tensor] : read_npz(file.bytes(), path))
          inputs.push_back({entry, tensor});
        continue;
      } else if (engine.inputs().size() == 1) {
        name = engine.inputs()[0].name;
      } else {
        throw Error(ErrorCode::bad_argument, "--input " + argument,
                    "the model has " + std::to_string(engine.inputs().size()) + " inputs",
                    "write NAME=FILE");
      }
    }
    inputs.push_back({name, ending_of(path) == ".npz" ? Datum(read_archived(name, path))
                                                      : read_value(path, port_of(engine, name))});
  }
  return inputs;
}

bool is_plain(const EnginePort& port) {
  return port.dtype != DType::undefined && port.dtype != DType::string;
}

}  // namespace strop::cli
