// SPDX-License-Identifier: Apache-2.0
#include "onnx/converter_table.hpp"

namespace strop::onnx {
namespace {

// Both names of the standard's domain are the empty one.
std::string_view plain_domain(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view{} : domain;
}

}  // namespace

void ConverterTable::add(std::string_view domain, std::string_view op, int since_opset,
                         Converter converter) {
  STROP_CHECK(converter != nullptr, "a converter is a function");
  auto& versions = converters_[{std::string(plain_domain(domain)), std::string(op)}];
  STROP_CHECK(versions.emplace(since_opset, converter).second,
              "an operator is registered once for an opset: " + std::string(op));
}

Converter ConverterTable::find(std::string_view domain, std::string_view op, std::int64_t opset,
                               bool* known) const {
  const auto versions = converters_.find({std::string(plain_domain(domain)), std::string(op)});
  if (known != nullptr) *known = versions != converters_.end();
  if (versions == converters_.end()) return nullptr;
  Converter newest = nullptr;
  for (const auto& [since, converter] : versions->second) {
    if (since <= opset) newest = converter;
  }
  return newest;
}

std::vector<ConverterTable::Entry> ConverterTable::entries() const {
  std::vector<Entry> out;
  for (const auto& [key, versions] : converters_) {
    Entry& entry = out.emplace_back(Entry{key.first, key.second, {}});
    for (const auto& [since, converter] : versions) entry.since.push_back(since);
  }
  return out;
}

std::vector<ValueId> ConvertContext::all_inputs() {
  std::vector<ValueId> out;
  for (std::size_t i = 0; i < input_count(); ++i) out.push_back(optional_input(i));
  return out;
}

void ConvertContext::set_outputs(const std::vector<ValueId>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) set_output(i, values[i]);
}

const Tensor* ConvertContext::constant(ValueId id) {
  if (!id.exists()) return nullptr;
  const Value& value = emitter().value(id);
  return value.is_constant() ? &value.constant : nullptr;
}

std::optional<std::vector<std::int64_t>> ConvertContext::constant_integers(ValueId id) {
  if (!id.exists()) return std::nullopt;
  const Value& value = emitter().value(id);
  if (value.is_constant()) {
    const DType dtype = value.constant.dtype();
    const bool readable = dtype == DType::boolean || (is_integer(dtype) && bits_of(dtype) >= 8);
    // Parameters are small; a large tensor of bytes would grow eightfold.
    constexpr std::int64_t kMostIntegers = std::int64_t{1} << 20;
    if (!readable || value.constant.size() > kMostIntegers) return std::nullopt;
    return value.constant.to_i64();
  }
  if (!value.elements) return std::nullopt;
  std::vector<std::int64_t> out;
  for (const Dim& dim : *value.elements) {
    if (!dim.is_constant()) return std::nullopt;
    out.push_back(dim.value());
  }
  return out;
}

std::int64_t ConvertContext::rank(ValueId id) {
  const std::int64_t rank = type(id).rank();
  if (rank < 0) {
    fail(
        ErrorCode::bad_shape,
        "the rank of its input \"" + emitter().value(id).name + "\" is not known, and it is needed",
        "give the model's inputs a shape (sizes may stay open), or simplify the model");
  }
  return rank;
}

std::int64_t ConvertContext::axis(std::int64_t value, std::size_t input_index) {
  return normalize_axis(value, rank(input(input_index)));
}

ValueId ConvertContext::emit(const OpDef& op, Attributes attributes, std::vector<ValueId> inputs) {
  return emit_many(op, std::move(attributes), std::move(inputs), 1).front();
}

std::vector<ValueId> ConvertContext::emit_many(
    const OpDef& op, Attributes attributes, std::vector<ValueId> inputs, std::size_t output_count,
    std::vector<std::shared_ptr<const Graph>> subgraphs) {
  Emitter::Options options;
  options.name = node_name();
  if (emitted_ > 0) options.name += "." + std::to_string(emitted_);
  ++emitted_;
  options.origins = {node_name()};
  options.subgraphs = std::move(subgraphs);
  return emitter().emit(op, std::move(attributes), std::move(inputs), output_count,
                        std::move(options));
}

void ConvertContext::fail(ErrorCode code, std::string why, std::string hint) const {
  throw Error(code, op_type() + " cannot be imported", std::move(why), std::move(hint));
}

}  // namespace strop::onnx
