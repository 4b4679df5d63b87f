// SPDX-License-Identifier: Apache-2.0
// Each element of x becomes the value that stands at its key. Keys are sorted, not hashed: no
// choice of keys makes it slow.
#include "ops/lookup.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/dispatch.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

constexpr DTypeSet kTypes = kIntegers | DTypeSet{DType::f32, DType::f64, DType::string};

// Equal for what counts as one key.
template <class T>
std::uint64_t key_bits(T value, bool by_bits) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!by_bits && std::isnan(value)) value = std::numeric_limits<T>::quiet_NaN();
    if (!by_bits && value == 0) value = 0;
  }
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <class F>
void dispatch_key(DType dtype, F&& body) {
  if (dtype == DType::f32) return body.template operator()<float>();
  if (dtype == DType::f64) return body.template operator()<double>();
  dispatch_integer(dtype, body);
}

}  // namespace

class LookupIndex {
 public:
  LookupIndex(const Tensor& keys, bool by_bits) : by_bits_(by_bits) {
    if (keys.dtype() == DType::string) {
      texts_.reserve(static_cast<std::size_t>(keys.size()));
      for (const std::string& key : keys.values<std::string>()) {
        texts_.emplace_back(key, static_cast<std::int64_t>(texts_.size()));
      }
      keep_last(texts_);
      return;
    }
    dispatch_key(keys.dtype(), [&]<class T>() {
      numbers_.reserve(static_cast<std::size_t>(keys.size()));
      for (const T key : keys.values<T>()) {
        numbers_.emplace_back(key_bits(key, by_bits), static_cast<std::int64_t>(numbers_.size()));
      }
    });
    keep_last(numbers_);
  }

  // Place of the key, or -1.
  std::int64_t find(const std::string& key) const { return find_in(texts_, key); }
  template <class T>
  std::int64_t find(T key) const {
    return find_in(numbers_, key_bits(key, by_bits_));
  }

 private:
  template <class K>
  using Entries = std::vector<std::pair<K, std::int64_t>>;

  template <class K>
  static void keep_last(Entries<K>& entries) {
    std::ranges::sort(entries, [](const auto& a, const auto& b) {
      return a.first < b.first || (a.first == b.first && a.second > b.second);
    });
    const auto rest = std::ranges::unique(entries, {}, &std::pair<K, std::int64_t>::first);
    entries.erase(rest.begin(), rest.end());
  }
  template <class K>
  static std::int64_t find_in(const Entries<K>& entries, const K& key) {
    const auto at = std::ranges::lower_bound(entries, key, {}, &std::pair<K, std::int64_t>::first);
    return at != entries.end() && at->first == key ? at->second : -1;
  }

  bool by_bits_;
  Entries<std::string> texts_;
  Entries<std::uint64_t> numbers_;
};

namespace {

const LookupIndex& index_of(const LookupAttributes& attributes) {
  return attributes.index.get([&] { return LookupIndex(attributes.keys, attributes.by_bits); });
}

void infer(InferContext& context) {
  const auto& attributes = context.attributes<LookupAttributes>();
  const Tensor &keys = attributes.keys, &values = attributes.values;
  context.require(keys.rank() == 1 && keys.shape() == values.shape() &&
                      kTypes.contains(keys.dtype()) && kTypes.contains(values.dtype()),
                  ErrorCode::bad_attribute,
                  "keys and values must be vectors of one length, but are " + describe(keys) +
                      " and " + describe(values));
  context.require(
      !attributes.otherwise.defined() ||
          (attributes.otherwise.size() == 1 && attributes.otherwise.dtype() == values.dtype()),
      ErrorCode::bad_attribute,
      "the value for other keys must be one element like " + describe(values) + ", but is " +
          describe(attributes.otherwise));
  context.require(context.dtype(0) == keys.dtype(), ErrorCode::bad_type,
                  "the keys are " + describe(keys));
  Type type = context.input(0);
  type.dtype = values.dtype();
  context.set_output(0, std::move(type));
}

template <class T>
std::string key_text(const T& key) {
  if constexpr (std::is_same_v<T, std::string>) {
    return '"' + key.substr(0, 100) + '"';
  } else {
    return std::to_string(key);
  }
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<LookupAttributes>();
  const LookupIndex& index = index_of(attributes);
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  const auto run = [&]<class T>() {
    const auto keys = x.values<T>();
    parallel_for(x.size(), 256, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const T& key = keys[static_cast<std::size_t>(i)];
        const std::int64_t at = index.find(key);
        if (at >= 0) {
          copy_elements(attributes.values, at, y, i, 1);
        } else if (attributes.otherwise.defined()) {
          copy_elements(attributes.otherwise, 0, y, i, 1);
        } else {
          context.fail(key_text(key) + " is not one of the keys");
        }
      }
    });
  };
  if (x.dtype() == DType::string) return run.template operator()<std::string>();
  dispatch_key(x.dtype(), run);
}

}  // namespace

const OpDef& op_lookup() {
  static const OpDef def{
      .name = "lookup",
      .summary = "y[i] = values[k] where keys[k] = x[i]",
      .attributes = &attribute_schema<LookupAttributes>(),
      .inputs = {{.name = "x", .types = kTypes}},
      .outputs = {{.name = "y", .types = kTypes}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
