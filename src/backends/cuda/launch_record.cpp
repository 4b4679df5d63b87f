// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/launch_record.hpp"

#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace strop::cuda {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxRecordBytes = 1 << 20;
constexpr std::size_t kMaxLaunches = 64;
constexpr std::size_t kMaxArguments = 256;
constexpr std::size_t kMaxExpressionBytes = 4096;

[[noreturn]] void invalid(const std::string& why) {
  throw Error(ErrorCode::engine_invalid, "a launch record", why, "build the engine again");
}

// Numbers as numbers, expressions as text.
Json json_of(const Dim& dim) {
  return dim.is_constant() ? Json(dim.value()) : Json(dim.to_string());
}

Json json_of(const std::vector<Dim>& dims) {
  Json out = Json::array();
  for (const Dim& dim : dims) out.push_back(json_of(dim));
  return out;
}

Json json_of(const Operand& operand) {
  static constexpr const char* kNames[] = {"in", "out", "work"};
  Json out;
  out[kNames[operand.kind]] = operand.index;
  if (!operand.offset.is(0)) out["at"] = json_of(operand.offset);
  return out;
}

Json json_of(const TensorMap& map) {
  Json out;
  out["of"] = json_of(map.operand);
  out["type"] = map.type;
  out["sizes"] = json_of(map.sizes);
  out["strides"] = json_of(map.strides);
  if (!map.element_strides.empty()) out["steps"] = map.element_strides;
  out["swizzle"] = map.swizzle;
  out["l2"] = map.l2_promotion;
  if (map.im2col) {
    out["lower"] = map.lower;
    out["upper"] = map.upper;
    out["channels"] = map.channels;
    out["pixels"] = map.pixels;
  } else {
    out["box"] = map.box;
  }
  return out;
}

Json json_of(const LaunchArgument& argument) {
  switch (argument.kind) {
    case LaunchArgument::memory:
      return json_of(argument.operand);
    case LaunchArgument::i32:
      return Json{{"i32", json_of(argument.value)}};
    case LaunchArgument::i64:
      return Json{{"i64", json_of(argument.value)}};
    case LaunchArgument::f32:
      return Json{{"f32", argument.number}};
    case LaunchArgument::tensor_map:
      return Json{{"map", json_of(argument.map)}};
  }
  return {};
}

Json json_of(const Launch& launch) {
  Json out;
  if (launch.entry.empty()) {
    out["zero"] = json_of(launch.fill);
    out["bytes"] = json_of(launch.fill_bytes);
    return out;
  }
  out["entry"] = launch.entry;
  out["image"] = launch.image;
  out["grid"] = json_of(std::vector<Dim>(launch.grid.begin(), launch.grid.end()));
  out["block"] = launch.block;
  if (launch.cluster != std::array<std::uint32_t, 3>{1, 1, 1}) out["cluster"] = launch.cluster;
  if (launch.shared_bytes != 0) out["shared"] = launch.shared_bytes;
  if (launch.programmatic) out["programmatic"] = true;
  out["arguments"] = Json::array();
  for (const LaunchArgument& argument : launch.arguments)
    out["arguments"].push_back(json_of(argument));
  return out;
}

std::uint32_t read_count(const Json& json) {
  if (!json.is_number_integer()) invalid("a count is no integer");
  const auto value = json.get<std::int64_t>();
  if (value < 0 || value > std::numeric_limits<std::int32_t>::max())
    invalid("a count is out of range");
  return static_cast<std::uint32_t>(value);
}

Dim read_dim(const Json& json) {
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (!json.is_string()) invalid("a size is neither a number nor an expression");
  const auto& text = json.get_ref<const std::string&>();
  if (text.size() > kMaxExpressionBytes) invalid("an expression is too long");
  try {
    return Dim::parse(text);
  } catch (const Error& error) {
    invalid(error.message());
  }
}

std::vector<Dim> read_dims(const Json& json, std::size_t most) {
  if (!json.is_array() || json.size() > most) invalid("a list of sizes is none, or too long");
  std::vector<Dim> out;
  for (const Json& dim : json) out.push_back(read_dim(dim));
  return out;
}

template <class T>
std::vector<T> read_numbers(const Json& json, std::size_t most) {
  if (!json.is_array() || json.size() > most) invalid("a list of numbers is none, or too long");
  std::vector<T> out;
  for (const Json& number : json) {
    if (!number.is_number_integer()) invalid("a list of numbers holds something else");
    const auto value = number.get<std::int64_t>();
    if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max())
      invalid("a number is out of range");
    out.push_back(static_cast<T>(value));
  }
  return out;
}

std::array<std::uint32_t, 3> read_triple(const Json& json) {
  const auto numbers = read_numbers<std::uint32_t>(json, 3);
  if (numbers.size() != 3) invalid("a block or cluster has three sizes");
  for (const std::uint32_t size : numbers) {
    if (size == 0 || size > 1024) invalid("a block or cluster of size " + std::to_string(size));
  }
  return {numbers[0], numbers[1], numbers[2]};
}

Operand read_operand(const Json& json) {
  Operand out;
  if (json.contains("in")) {
    out = Operand::in(read_count(json.at("in")));
  } else if (json.contains("out")) {
    out = Operand::out(read_count(json.at("out")));
  } else if (json.contains("work")) {
    out = Operand::work(0);
  } else {
    invalid("an operand is none of in, out, work");
  }
  if (json.contains("at")) out.offset = read_dim(json.at("at"));
  return out;
}

TensorMap read_map(const Json& json) {
  TensorMap out;
  out.operand = read_operand(json.at("of"));
  out.type = json.at("type").get<std::string>();
  out.sizes = read_dims(json.at("sizes"), 5);
  out.strides = read_dims(json.at("strides"), 4);
  if (out.sizes.empty() || out.strides.size() + 1 != out.sizes.size())
    invalid("a tensor map of " + std::to_string(out.sizes.size()) + " sizes and " +
            std::to_string(out.strides.size()) + " strides");
  if (json.contains("steps"))
    out.element_strides = read_numbers<std::uint32_t>(json.at("steps"), 5);
  if (out.element_strides.empty()) out.element_strides.assign(out.sizes.size(), 1);
  if (out.element_strides.size() != out.sizes.size()) invalid("steps of a tensor map");
  out.swizzle = read_count(json.at("swizzle"));
  out.l2_promotion = read_count(json.at("l2"));
  out.im2col = json.contains("pixels");
  if (out.im2col) {
    out.lower = read_numbers<std::int32_t>(json.at("lower"), 3);
    out.upper = read_numbers<std::int32_t>(json.at("upper"), 3);
    out.channels = read_count(json.at("channels"));
    out.pixels = read_count(json.at("pixels"));
    if (out.sizes.size() < 3 || out.lower.size() != out.sizes.size() - 2 ||
        out.upper.size() != out.lower.size())
      invalid("the corners of a tensor map");
  } else {
    out.box = read_numbers<std::uint32_t>(json.at("box"), 5);
    if (out.box.size() != out.sizes.size()) invalid("the box of a tensor map");
  }
  return out;
}

LaunchArgument read_argument(const Json& json) {
  if (!json.is_object()) invalid("an argument is no object");
  if (json.contains("i32")) return LaunchArgument::int32(read_dim(json.at("i32")));
  if (json.contains("i64")) return LaunchArgument::int64(read_dim(json.at("i64")));
  if (json.contains("f32")) return LaunchArgument::float32(json.at("f32").get<float>());
  if (json.contains("map")) return LaunchArgument::tensor(read_map(json.at("map")));
  return LaunchArgument::pointer(read_operand(json));
}

Launch read_launch(const Json& json) {
  Launch out;
  if (json.contains("zero")) {
    out.fill = read_operand(json.at("zero"));
    out.fill_bytes = read_dim(json.at("bytes"));
    return out;
  }
  out.entry = json.at("entry").get<std::string>();
  if (out.entry.empty()) invalid("a launch without an entry");
  out.image = read_count(json.at("image"));
  const std::vector<Dim> grid = read_dims(json.at("grid"), 3);
  if (grid.size() != 3) invalid("a grid has three sizes");
  for (std::size_t i = 0; i < 3; ++i) out.grid[i] = grid[i];
  out.block = read_triple(json.at("block"));
  if (json.contains("cluster")) out.cluster = read_triple(json.at("cluster"));
  if (json.contains("shared")) out.shared_bytes = read_count(json.at("shared"));
  if (json.contains("programmatic")) out.programmatic = json.at("programmatic").get<bool>();
  const Json& arguments = json.at("arguments");
  if (!arguments.is_array() || arguments.size() > kMaxArguments) invalid("too many arguments");
  for (const Json& argument : arguments) out.arguments.push_back(read_argument(argument));
  return out;
}

}  // namespace

Dim input_dim(std::size_t input, std::size_t axis) {
  return Dim::symbol("i" + std::to_string(input) + "d" + std::to_string(axis));
}

Dim output_dim(std::size_t output, std::size_t axis) {
  return Dim::symbol("o" + std::to_string(output) + "d" + std::to_string(axis));
}

Dim multiprocessors() { return Dim::symbol("sms"); }

std::string to_text(const LaunchRecord& record) {
  Json out;
  out["workspace"] = json_of(record.workspace_bytes);
  out["launches"] = Json::array();
  for (const Launch& launch : record.launches) out["launches"].push_back(json_of(launch));
  return out.dump();
}

LaunchRecord parse_launch_record(std::string_view text) {
  if (text.size() > kMaxRecordBytes) invalid("it is too long");
  try {
    const Json json = Json::parse(text);
    LaunchRecord out;
    out.workspace_bytes = read_dim(json.at("workspace"));
    const Json& launches = json.at("launches");
    if (!launches.is_array() || launches.size() > kMaxLaunches) invalid("too many launches");
    for (const Json& launch : launches) out.launches.push_back(read_launch(launch));
    return out;
  } catch (const Json::exception& error) {
    invalid(error.what());
  }
}

}  // namespace strop::cuda
