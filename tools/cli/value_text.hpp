// SPDX-License-Identifier: Apache-2.0
// Values of any kind as JSON: a tensor is an array in arrays (a scalar its element), a sequence an
// array, an empty optional null, a map an object whose numeric keys are written as text. NaN and
// infinities, which JSON does not have, are the strings "NaN", "Infinity" and "-Infinity".
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/tensor.hpp"
#include "ir/type.hpp"

namespace strop::cli {

using Json = nlohmann::ordered_json;

// Elements of all tensors in the value.
std::int64_t element_count_of(const Datum& value);

Json to_json(const Datum& value);

// Throws Error(bad_argument) naming `source` where the JSON is no such value.
Datum from_json(const Json& json, const Type& type, const std::string& source);

// "f32[1,3]", "sequence of 4", "map of 2", "empty optional".
std::string kind_text(const Datum& value);

// The beginning of a value on one line, for people: so many elements at most, and how many there
// are more. Long strings are cut.
std::string beginning_of(const Datum& value, int elements);

}  // namespace strop::cli
