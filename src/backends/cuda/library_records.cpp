// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/library_records.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace strop::cuda {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxRecordBytes = 4096;
constexpr std::uint64_t kMaxInput = 1 << 16;
constexpr std::uint64_t kMaxChoice = 1 << 10;
constexpr std::size_t kMaxAxes = 3;
constexpr std::uint64_t kMaxWindow = 1 << 30;

constexpr std::array<std::string_view, 10> kActivations = {
    "none", "relu", "clip", "leaky_relu", "elu", "sigmoid", "tanh", "silu", "gelu", "gelu_tanh"};

[[noreturn]] void invalid(const std::string& why) {
  throw Error(ErrorCode::engine_invalid, "the parameters of a library's step", why,
              "build the engine again");
}

void add(Json& out, const LibraryChain& chain) {
  if (chain.bias) out["bias"] = *chain.bias;
  if (chain.residual) out["residual"] = *chain.residual;
  if (chain.activation == LibraryActivation::none) return;
  out["activation"] = kActivations[static_cast<std::size_t>(chain.activation)];
  out["alpha"] = chain.alpha;
}

void add(Json& out, const LibraryChoice& choice) {
  out["choice"] = choice.number;
  out["version"] = choice.version;
}

std::uint64_t read_number(const Json& json, std::uint64_t most) {
  if (!json.is_number_unsigned()) invalid("a number is none");
  const auto value = json.get<std::uint64_t>();
  if (value > most) invalid("a number is too large");
  return value;
}

std::uint32_t read_input(const Json& json) {
  return static_cast<std::uint32_t>(read_number(json, kMaxInput));
}

bool read_bool(const Json& json) {
  if (!json.is_boolean()) invalid("a truth value is none");
  return json.get<bool>();
}

std::vector<std::int64_t> read_axes(const Json& json, std::uint64_t least) {
  if (!json.is_array() || json.empty() || json.size() > kMaxAxes)
    invalid("a list of numbers is none, or too long");
  std::vector<std::int64_t> out;
  for (const Json& number : json) {
    const std::uint64_t value = read_number(number, kMaxWindow);
    if (value < least) invalid("a stride or dilation is 0");
    out.push_back(static_cast<std::int64_t>(value));
  }
  return out;
}

LibraryChain read_chain(const Json& json) {
  LibraryChain out;
  if (json.contains("bias")) out.bias = read_input(json.at("bias"));
  if (json.contains("residual")) out.residual = read_input(json.at("residual"));
  if (!json.contains("activation")) return out;
  const auto name = json.at("activation").get<std::string>();
  const auto at = std::ranges::find(kActivations, name);
  if (at == kActivations.end()) invalid("there is no activation " + name);
  out.activation = static_cast<LibraryActivation>(at - kActivations.begin());
  if (!json.at("alpha").is_number()) invalid("a number is none");
  out.alpha = json.at("alpha").get<double>();
  if (!std::isfinite(out.alpha)) invalid("a number is not finite");
  return out;
}

LibraryChoice read_choice(const Json& json) {
  return {static_cast<std::uint32_t>(read_number(json.at("choice"), kMaxChoice)),
          read_number(json.at("version"), ~std::uint64_t{0})};
}

template <class Read>
auto parse(std::string_view text, Read read) {
  if (text.size() > kMaxRecordBytes) invalid("they are too long");
  try {
    const Json json = Json::parse(text);
    if (!json.is_object()) invalid("they are no object");
    return read(json);
  } catch (const Json::exception& error) {
    invalid(error.what());
  }
}

}  // namespace

std::string to_text(const LibraryProduct& product) {
  Json out;
  out["a"] = product.a;
  out["b"] = product.b;
  out["trans_a"] = product.trans_a;
  out["trans_b"] = product.trans_b;
  add(out, product.chain);
  add(out, product.choice);
  return out.dump();
}

std::string to_text(const LibraryConv& conv) {
  Json out;
  out["x"] = conv.x;
  out["w"] = conv.w;
  out["channels_last"] = conv.channels_last;
  out["strides"] = conv.strides;
  out["dilations"] = conv.dilations;
  out["begin"] = conv.pads_begin;
  out["end"] = conv.pads_end;
  add(out, conv.chain);
  add(out, conv.choice);
  return out.dump();
}

LibraryProduct parse_library_product(std::string_view text) {
  return parse(text, [](const Json& json) {
    LibraryProduct out;
    out.a = read_input(json.at("a"));
    out.b = read_input(json.at("b"));
    out.trans_a = read_bool(json.at("trans_a"));
    out.trans_b = read_bool(json.at("trans_b"));
    out.chain = read_chain(json);
    out.choice = read_choice(json);
    return out;
  });
}

LibraryConv parse_library_conv(std::string_view text) {
  return parse(text, [](const Json& json) {
    LibraryConv out;
    out.x = read_input(json.at("x"));
    out.w = read_input(json.at("w"));
    out.channels_last = read_bool(json.at("channels_last"));
    out.strides = read_axes(json.at("strides"), 1);
    out.dilations = read_axes(json.at("dilations"), 1);
    out.pads_begin = read_axes(json.at("begin"), 0);
    out.pads_end = read_axes(json.at("end"), 0);
    const std::size_t axes = out.strides.size();
    if (out.dilations.size() != axes || out.pads_begin.size() != axes ||
        out.pads_end.size() != axes)
      invalid("the axes of a convolution");
    out.chain = read_chain(json);
    out.choice = read_choice(json);
    return out;
  });
}

}  // namespace strop::cuda
