// SPDX-License-Identifier: Apache-2.0
#include "conformance/case.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/float_types.hpp"
#include "onnx/tensor_file.hpp"

namespace strop::conformance {
namespace {

namespace fs = std::filesystem;

// file_<i>.pb of a data set, as many as there are.
std::vector<Datum> read_values(const fs::path& folder, const std::string& file,
                               const std::vector<Type>& types) {
  std::vector<Datum> values;
  for (std::size_t i = 0;; ++i) {
    const fs::path path = folder / (file + "_" + std::to_string(i) + ".pb");
    if (!fs::exists(path)) return values;
    if (i >= types.size()) {
      throw Error(ErrorCode::bad_argument, path.string(), "the model has no such " + file);
    }
    values.push_back(onnx::read_tensor_file(path, types[i].kind));
  }
}

std::string differ(const std::string& where, const std::string& got, const std::string& expected) {
  return where + " is " + got + ", expected " + expected;
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

// Real and imaginary parts of a complex tensor, or the elements of any other, as numbers.
double element(const Tensor& tensor, std::int64_t i) {
  if (tensor.dtype() == DType::c64) return reinterpret_cast<const float*>(tensor.data())[i];
  if (tensor.dtype() == DType::c128) return reinterpret_cast<const double*>(tensor.data())[i];
  return load_as_double(tensor.dtype(), tensor.data(), i);
}

std::string tensor_difference(const Tensor& got, const Tensor& expected, const Tolerance& tolerance,
                              const std::string& where) {
  if (std::string types = difference_of_types(got, expected, where); !types.empty()) return types;
  const DType dtype = expected.dtype();
  if (dtype == DType::string) {
    const auto texts = got.values<std::string>();
    const auto wanted = expected.values<std::string>();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (texts[i] != wanted[i]) {
        return differ(where + "[" + std::to_string(i) + "]", '"' + texts[i] + '"',
                      '"' + wanted[i] + '"');
      }
    }
    return {};
  }
  const bool complex = dtype == DType::c64 || dtype == DType::c128;
  if (!complex && !is_floating(dtype) && !kFloat8s.contains(dtype) && dtype != DType::f4e2m1) {
    if (got.identical(expected)) return {};
    for (std::int64_t i = 0; i < expected.size(); ++i) {
      const double a = element(got, i), b = element(expected, i);
      if (a != b)
        return differ(where + "[" + std::to_string(i) + "]", number_text(a), number_text(b));
    }
    return where + " differs in its bits";
  }
  double worst = 0;
  std::int64_t at = -1;
  for (std::int64_t i = 0; i < expected.size() * (complex ? 2 : 1); ++i) {
    const double a = element(got, i), b = element(expected, i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    const double allowed = tolerance.absolute + tolerance.relative * std::abs(b);
    const double excess = std::isfinite(a) && std::isfinite(b)
                              ? std::abs(a - b) - allowed
                              : std::numeric_limits<double>::infinity();
    if (excess > worst) {
      worst = excess;
      at = i;
    }
  }
  if (at < 0) return {};
  return differ(where + "[" + std::to_string(at) + "] of " + describe(expected),
                number_text(element(got, at)), number_text(element(expected, at)));
}

const char* kind_name(const Datum& datum) {
  static constexpr const char* kNames[] = {"nothing", "a tensor", "a sequence", "an optional",
                                           "a map"};
  return kNames[datum.value.index()];
}

}  // namespace

std::vector<Case> find_cases(const fs::path& data) {
  std::vector<Case> cases;
  for (const char* group : {"node", "simple", "pytorch-converted", "pytorch-operator", "random"}) {
    if (!fs::is_directory(data / group)) continue;
    for (const auto& entry : fs::directory_iterator(data / group)) {
      if (fs::exists(entry.path() / "model.onnx"))
        cases.push_back({entry.path().filename().string(), group, entry.path()});
    }
  }
  std::ranges::sort(cases, {}, &Case::name);
  return cases;
}

std::vector<DataSet> read_data_sets(const Case& test, const std::vector<Type>& inputs,
                                    const std::vector<Type>& outputs) {
  std::vector<DataSet> sets;
  for (int i = 0;; ++i) {
    const std::string name = "test_data_set_" + std::to_string(i);
    const fs::path folder = test.folder / name;
    if (!fs::is_directory(folder)) return sets;
    sets.push_back(
        {name, read_values(folder, "input", inputs), read_values(folder, "output", outputs)});
  }
}

std::string difference_of_types(const Datum& got, const Datum& expected, const std::string& where) {
  if (got.value.index() != expected.value.index())
    return differ(where, kind_name(got), kind_name(expected));
  if (!expected.is_tensor()) return {};
  const Tensor &a = got.tensor(), &b = expected.tensor();
  if (a.dtype() != b.dtype() || a.shape() != b.shape())
    return differ(where, describe(a), describe(b));
  return {};
}

std::string difference(const Datum& got, const Datum& expected, const Tolerance& tolerance,
                       const std::string& where) {
  if (std::string kinds = difference_of_types(got, expected, where); !kinds.empty()) return kinds;
  if (expected.is_tensor())
    return tensor_difference(got.tensor(), expected.tensor(), tolerance, where);
  const auto elements = [&](const std::vector<Datum>& a,
                            const std::vector<Datum>& b) -> std::string {
    if (a.size() != b.size()) {
      return differ(where, std::to_string(a.size()) + " elements",
                    std::to_string(b.size()) + " elements");
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
      std::string found = difference(a[i], b[i], tolerance, where + "[" + std::to_string(i) + "]");
      if (!found.empty()) return found;
    }
    return {};
  };
  if (const auto* sequence = std::get_if<Sequence>(&expected.value))
    return elements(std::get<Sequence>(got.value), *sequence);
  if (const auto* map = std::get_if<Map>(&expected.value)) {
    const Map& other = std::get<Map>(got.value);
    if (std::string keys = tensor_difference(other.keys, map->keys, {}, where + " keys");
        !keys.empty())
      return keys;
    return elements(other.values, map->values);
  }
  const Optional& a = std::get<Optional>(got.value);
  const Optional& b = std::get<Optional>(expected.value);
  if ((a.value != nullptr) != (b.value != nullptr))
    return differ(where, a.value ? "full" : "empty", b.value ? "full" : "empty");
  return b.value ? difference(*a.value, *b.value, tolerance, where) : std::string();
}

}  // namespace strop::conformance
