// SPDX-License-Identifier: Apache-2.0
// One row of the values of a map. Columns that no key asks for are 0, or "" where y holds strings;
// keys that are in no vocabulary have no column. Of equal keys the last counts.
#include "ops/map_to_tensor.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "ir/evaluate.hpp"
#include "ops/cast.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

constexpr DTypeSet kValues = kNumbers | DTypeSet{DType::string};

void infer(InferContext& context) {
  const auto& attributes = context.attributes<MapToTensorAttributes>();
  const Type& map = context.input(0);
  context.require(map.dtype == DType::i64 || map.dtype == DType::string, ErrorCode::bad_type,
                  "keys must be i64 or string");
  const Type& value = *map.element;
  // An empty map at run time has forgotten what its values would be.
  const bool known = !value.is_tensor() || value.dtype != DType::undefined;
  context.require(!known || (value.is_tensor() && kValues.contains(value.dtype)),
                  ErrorCode::bad_type, "values must be numbers or strings");
  context.require(kValues.contains(attributes.to), ErrorCode::bad_attribute,
                  "y cannot be " + std::string(to_string(attributes.to)));
  switch (attributes.order) {
    case MapOrder::sorted:
      context.require(map.dtype == DType::i64, ErrorCode::bad_type, "keys must be i64");
      return context.set_output(0, Type::tensor_of_unknown_rank(attributes.to));
    case MapOrder::indexed:
      context.require(map.dtype == DType::i64, ErrorCode::bad_type, "keys must be i64");
      context.require(attributes.length >= 1, ErrorCode::bad_attribute,
                      "length is " + std::to_string(attributes.length));
      return context.set_output(0, attributes.to, {Dim(1), Dim(attributes.length)});
    case MapOrder::vocabulary:
      break;
  }
  context.require(
      attributes.vocabulary.rank() == 1 && attributes.vocabulary.dtype() == map.dtype,
      ErrorCode::bad_attribute,
      "the vocabulary must be a vector like the keys, but is " + describe(attributes.vocabulary));
  context.set_output(0, attributes.to, {Dim(1), Dim(attributes.vocabulary.size())});
}

// The values in the order of the map, as a vector of the type of y.
Tensor packed_values(KernelContext& context, const Map& map, DType to) {
  if (map.values.empty()) return Tensor::allocate(to, {0});
  std::vector<Tensor> parts;
  for (const Datum& value : map.values) {
    if (!value.is_tensor() || value.tensor().size() != 1) {
      context.fail("a value of the map is no single element");
    }
    if (value.tensor().dtype() != map.values.front().tensor().dtype()) {
      context.fail("the values of the map differ in type");
    }
    parts.push_back(value.tensor().reshaped({1}));
  }
  Tensor whole = Tensor::allocate(parts.front().dtype(), {static_cast<std::int64_t>(parts.size())});
  concat_elements(parts, whole, 0);
  if (whole.dtype() == to) return whole;
  const Datum input(whole);
  const Datum* inputs[] = {&input};
  std::vector<Datum> outputs;
  evaluate_op(op_cast(), CastAttributes{.to = to}, inputs, {}, 1, outputs, context.limits());
  return outputs.front().tensor();
}

Tensor blank(Tensor tensor) {
  return tensor.dtype() == DType::string ? tensor : Tensor::zeros(tensor.dtype(), tensor.shape());
}

template <class K>
void by_vocabulary(const Map& map, const Tensor& vocabulary, const Tensor& values, Tensor& y) {
  std::map<K, std::int64_t> places;
  const auto keys = map.keys.values<K>();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    places.insert_or_assign(keys[i], static_cast<std::int64_t>(i));
  }
  const auto words = vocabulary.values<K>();
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto found = places.find(words[i]);
    if (found != places.end()) {
      copy_elements(values, found->second, y, static_cast<std::int64_t>(i), 1);
    }
  }
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<MapToTensorAttributes>();
  const Map& map = std::get<Map>(context.datum(0).value);
  if (map.keys.size() != static_cast<std::int64_t>(map.values.size())) {
    context.fail("the map has " + std::to_string(map.keys.size()) + " keys and " +
                 std::to_string(map.values.size()) + " values");
  }
  const Tensor values = packed_values(context, map, attributes.to);
  if (attributes.order == MapOrder::sorted) {
    const auto keys = map.keys.values<std::int64_t>();
    std::vector<std::size_t> order(keys.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return keys[i]; });
    Tensor& y = context.allocate(0, attributes.to, {1, values.size()});
    for (std::size_t i = 0; i < order.size(); ++i) {
      copy_elements(values, static_cast<std::int64_t>(order[i]), y, static_cast<std::int64_t>(i),
                    1);
    }
    return;
  }
  Tensor& y = context.output(0);
  const Tensor zeros = blank(Tensor::allocate(attributes.to, y.shape()));
  copy_whole(zeros, y);
  if (attributes.order == MapOrder::indexed) {
    const auto keys = map.keys.values<std::int64_t>();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i] < 0 || keys[i] >= attributes.length) {
        context.fail("key " + std::to_string(keys[i]) + " has no column",
                     "there are " + std::to_string(attributes.length) + " columns");
      }
      copy_elements(values, static_cast<std::int64_t>(i), y, keys[i], 1);
    }
  } else if (map.keys.dtype() == DType::string) {
    by_vocabulary<std::string>(map, attributes.vocabulary, values, y);
  } else {
    by_vocabulary<std::int64_t>(map, attributes.vocabulary, values, y);
  }
}

}  // namespace

const OpDef& op_map_to_tensor() {
  static const OpDef def{
      .name = "map_to_tensor",
      .summary = "the values of a map as one row",
      .attributes = &attribute_schema<MapToTensorAttributes>(),
      .inputs = {{.name = "map", .types = kAny, .kind = Operand::map}},
      .outputs = {{.name = "y", .types = kValues}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
