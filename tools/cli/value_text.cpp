// SPDX-License-Identifier: Apache-2.0
#include "cli/value_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace strop::cli {
namespace {

// The double with the shortest text that reads back as this element.
Json number_json(DType dtype, double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  if (dtype == DType::f64) return value;
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, static_cast<float>(value)).ptr;
  double shortest = value;
  std::from_chars(text, end, shortest);
  return shortest;
}

Json element_json(const Tensor& tensor, std::int64_t i) {
  const auto at = static_cast<std::size_t>(i);
  switch (tensor.dtype()) {
    case DType::string:
      return tensor.values<std::string>()[at];
    case DType::boolean:
      return tensor.values<bool>()[at];
    case DType::i64:
      return tensor.values<std::int64_t>()[at];
    case DType::u64:
      return tensor.values<std::uint64_t>()[at];
    case DType::c64: {
      const auto* parts = reinterpret_cast<const float*>(tensor.data()) + 2 * at;
      return Json::array({number_json(DType::f32, static_cast<double>(parts[0])),
                          number_json(DType::f32, static_cast<double>(parts[1]))});
    }
    case DType::c128: {
      const auto* parts = reinterpret_cast<const double*>(tensor.data()) + 2 * at;
      return Json::array({number_json(DType::f64, parts[0]), number_json(DType::f64, parts[1])});
    }
    default:
      break;
  }
  const double value = load_as_double(tensor.dtype(), tensor.data(), i);
  if (is_integer(tensor.dtype())) return static_cast<std::int64_t>(value);
  return number_json(tensor.dtype(), value);
}

Json tensor_json(const Tensor& tensor, std::size_t axis, std::int64_t& next) {
  if (axis == tensor.shape().size()) return element_json(tensor, next++);
  Json out = Json::array();
  for (std::int64_t i = 0; i < tensor.shape()[axis]; ++i) {
    out.push_back(tensor_json(tensor, axis + 1, next));
  }
  return out;
}

std::string key_text(const Map& map, std::size_t i) {
  if (map.keys.dtype() == DType::string) return map.keys.values<std::string>()[i];
  return std::to_string(map.keys.values<std::int64_t>()[i]);
}

[[noreturn]] void fail(const std::string& source, std::string why) {
  throw Error(ErrorCode::bad_argument, "the value in " + source, std::move(why),
              "docs/cli.md says how values are written as JSON");
}

double number_from(const Json& json, const std::string& source) {
  if (json.is_number()) return json.get<double>();
  if (json == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (json == "Infinity") return std::numeric_limits<double>::infinity();
  if (json == "-Infinity") return -std::numeric_limits<double>::infinity();
  fail(source, std::string("a number is wanted, and it has a JSON ") + json.type_name());
}

void store(const Json& json, Tensor& tensor, std::int64_t i, const std::string& source) {
  const auto at = static_cast<std::size_t>(i);
  const DType dtype = tensor.dtype();
  if (dtype == DType::string) {
    if (!json.is_string()) fail(source, "a string is wanted");
    tensor.mutable_values<std::string>()[at] = json.get<std::string>();
  } else if (dtype == DType::boolean) {
    if (!json.is_boolean()) fail(source, "true or false is wanted");
    tensor.mutable_values<bool>()[at] = json.get<bool>();
  } else if (is_integer(dtype)) {
    if (!json.is_number_integer()) fail(source, "an integer is wanted");
    if (dtype == DType::i64) {
      tensor.mutable_values<std::int64_t>()[at] = json.get<std::int64_t>();
    } else if (dtype == DType::u64) {
      tensor.mutable_values<std::uint64_t>()[at] = json.get<std::uint64_t>();
    } else {
      store_from_double(dtype, tensor.mutable_data(), i, json.get<double>());
    }
  } else if (is_floating(dtype)) {
    store_from_double(dtype, tensor.mutable_data(), i, number_from(json, source));
  } else {
    fail(source, "elements of type " + std::string(to_string(dtype)) + " are not read from JSON");
  }
}

void flatten(const Json& json, const Shape& shape, std::size_t axis, Tensor& out,
             std::int64_t& next, const std::string& source) {
  if (axis == shape.size()) return store(json, out, next++, source);
  if (!json.is_array() || static_cast<std::int64_t>(json.size()) != shape[axis]) {
    fail(source, "its arrays differ in length, so they are no tensor");
  }
  for (const Json& element : json) flatten(element, shape, axis + 1, out, next, source);
}

Tensor tensor_from(const Json& json, DType dtype, const std::string& source) {
  Shape shape;
  for (const Json* at = &json; at->is_array(); at = &at->front()) {
    if (shape.size() >= 64) fail(source, "its arrays are nested too deeply");
    shape.push_back(static_cast<std::int64_t>(at->size()));
    if (at->empty()) break;
  }
  Tensor out = Tensor::allocate(dtype, shape);
  std::int64_t next = 0;
  flatten(json, shape, 0, out, next, source);
  return out;
}

Map map_from(const Json& json, const Type& type, const std::string& source) {
  if (!json.is_object()) fail(source, "an object is wanted for " + type.to_string());
  Map out;
  out.keys = Tensor::allocate(type.dtype, {static_cast<std::int64_t>(json.size())});
  std::size_t i = 0;
  for (const auto& [key, value] : json.items()) {
    if (type.dtype == DType::string) {
      out.keys.mutable_values<std::string>()[i] = key;
    } else {
      auto& number = out.keys.mutable_values<std::int64_t>()[i];
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
      if (error != std::errc() || end != key.data() + key.size()) {
        fail(source, "key \"" + key.substr(0, 40) + "\" is no integer");
      }
    }
    out.values.push_back(from_json(value, *type.element, source));
    ++i;
  }
  return out;
}

// Prints until `left` elements are used up.
class Beginning {
 public:
  explicit Beginning(int elements) : left_(elements) {}

  void print(const Datum& value) {
    if (const auto* tensor = std::get_if<Tensor>(&value.value)) {
      std::int64_t next = 0;
      print_tensor(*tensor, 0, next);
    } else if (const auto* sequence = std::get_if<Sequence>(&value.value)) {
      list('[', ']', sequence->size(), [&](std::size_t i) { print((*sequence)[i]); });
    } else if (const auto* map = std::get_if<Map>(&value.value)) {
      list('{', '}', map->values.size(), [&](std::size_t i) {
        text_ += map->keys.dtype() == DType::string ? quoted(key_text(*map, i)) : key_text(*map, i);
        text_ += ": ";
        print(map->values[i]);
      });
    } else {
      const auto& optional = std::get<Optional>(value.value);
      if (optional.value != nullptr) return print(*optional.value);
      text_ += "null";
    }
  }
  std::string take() { return std::move(text_); }

 private:
  void print_tensor(const Tensor& tensor, std::size_t axis, std::int64_t& next) {
    if (axis < tensor.shape().size()) {
      const auto size = static_cast<std::size_t>(tensor.shape()[axis]);
      return list('[', ']', size, [&](std::size_t) { print_tensor(tensor, axis + 1, next); });
    }
    --left_;
    const Json element = element_json(tensor, next++);
    text_ += element.is_string() ? quoted(element.get<std::string>()) : element.dump();
  }

  template <class Each>
  void list(char open, char close, std::size_t size, Each&& each) {
    text_ += open;
    for (std::size_t i = 0; i < size; ++i) {
      if (left_ <= 0) {
        text_ += (i > 0 ? ", ... " : "... ") + std::to_string(size - i) + " more";
        break;
      }
      if (i > 0) text_ += ", ";
      each(i);
    }
    text_ += close;
    --left_;  // empty ones are not free
  }

  static std::string quoted(const std::string& text) {
    constexpr std::size_t kLongest = 80;
    const Json shown = text.size() > kLongest ? text.substr(0, kLongest) + "..." : text;
    return shown.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  int left_;
  std::string text_;
};

}  // namespace

std::int64_t element_count_of(const Datum& value) {
  const auto sum = [](const std::vector<Datum>& values) {
    std::int64_t out = static_cast<std::int64_t>(values.size());
    for (const Datum& each : values) out += element_count_of(each);
    return out;
  };
  if (const auto* tensor = std::get_if<Tensor>(&value.value)) return tensor->size();
  if (const auto* sequence = std::get_if<Sequence>(&value.value)) return sum(*sequence);
  if (const auto* map = std::get_if<Map>(&value.value)) return sum(map->values);
  const auto& optional = std::get<Optional>(value.value);
  return optional.value != nullptr ? element_count_of(*optional.value) : 0;
}

Json to_json(const Datum& value) {
  if (const auto* tensor = std::get_if<Tensor>(&value.value)) {
    std::int64_t next = 0;
    return tensor_json(*tensor, 0, next);
  }
  if (const auto* sequence = std::get_if<Sequence>(&value.value)) {
    Json out = Json::array();
    for (const Datum& element : *sequence) out.push_back(to_json(element));
    return out;
  }
  if (const auto* map = std::get_if<Map>(&value.value)) {
    Json out = Json::object();
    for (std::size_t i = 0; i < map->values.size(); ++i) {
      out[key_text(*map, i)] = to_json(map->values[i]);
    }
    return out;
  }
  const auto& optional = std::get<Optional>(value.value);
  return optional.value != nullptr ? to_json(*optional.value) : Json(nullptr);
}

Datum from_json(const Json& json, const Type& type, const std::string& source) {
  switch (type.kind) {
    case ValueKind::tensor:
      return tensor_from(json, type.dtype, source);
    case ValueKind::map:
      if (type.dtype != DType::string && type.dtype != DType::i64) {
        fail(source, "maps with keys of type " + std::string(to_string(type.dtype)) +
                         " are not read from JSON");
      }
      return map_from(json, type, source);
    case ValueKind::optional: {
      Optional out;
      if (!json.is_null()) {
        out.value = std::make_shared<const Datum>(from_json(json, *type.element, source));
      }
      return out;
    }
    case ValueKind::sequence:
      break;
  }
  if (!json.is_array()) fail(source, "an array is wanted for " + type.to_string());
  Sequence out;
  for (const Json& element : json) out.push_back(from_json(element, *type.element, source));
  return out;
}

std::string kind_text(const Datum& value) {
  if (value.is_tensor()) return describe(value.tensor());
  if (const auto* sequence = std::get_if<Sequence>(&value.value)) {
    return "sequence of " + std::to_string(sequence->size());
  }
  if (const auto* map = std::get_if<Map>(&value.value)) {
    return "map of " + std::to_string(map->values.size());
  }
  const auto& optional = std::get<Optional>(value.value);
  return optional.value != nullptr ? "optional " + kind_text(*optional.value) : "empty optional";
}

std::string beginning_of(const Datum& value, int elements) {
  Beginning beginning(elements);
  beginning.print(value);
  return beginning.take();
}

}  // namespace strop::cli
