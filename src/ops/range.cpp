// SPDX-License-Identifier: Apache-2.0
// ceil((limit - start) / delta) elements, computed in the type itself; floats of 16 bits in float.
#include "ops/range.hpp"

#include <cmath>
#include <optional>
#include <type_traits>

#include "ir/evaluate.hpp"
#include "ops/dispatch.hpp"

namespace strop {
namespace {

// Nothing when the numbers make no range.
template <class T>
std::optional<std::int64_t> range_size(T start, T limit, T delta) {
  if constexpr (std::is_integral_v<T>) {
    // Unsigned differences do not overflow.
    using U = std::make_unsigned_t<T>;
    if (delta == 0) return std::nullopt;
    if (delta > 0 ? limit <= start : limit >= start) return 0;
    const U distance = delta > 0 ? static_cast<U>(static_cast<U>(limit) - static_cast<U>(start))
                                 : static_cast<U>(static_cast<U>(start) - static_cast<U>(limit));
    const U step = delta > 0 ? static_cast<U>(delta) : static_cast<U>(U{0} - static_cast<U>(delta));
    const std::uint64_t count = (static_cast<std::uint64_t>(distance) - 1) / step + 1;
    if (count > std::uint64_t{1} << 62) return std::nullopt;
    return static_cast<std::int64_t>(count);
  } else {
    const double count = std::ceil((static_cast<double>(limit) - static_cast<double>(start)) /
                                   static_cast<double>(delta));
    if (!(count < 4e18) || !std::isfinite(static_cast<double>(delta)) || delta == 0) {
      return std::nullopt;
    }
    return count > 0 ? static_cast<std::int64_t>(count) : 0;
  }
}

template <class F>
void with_type(DType dtype, F&& body) {
  dispatch_number(dtype, body);
}

void infer(InferContext& context) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (const SymShape* shape = context.shape(i)) {
      context.require_equal(product(*shape), Dim(1), "the size of start, limit or delta and 1");
    }
  }
  const DType dtype = context.dtype(0);
  const Tensor* known[3] = {context.constant(0), context.constant(1), context.constant(2)};
  if (known[0] != nullptr && known[1] != nullptr && known[2] != nullptr) {
    std::optional<std::int64_t> count;
    with_type(dtype, [&]<class T>() {
      using Compute = ComputeType<T>;
      const auto number = [&](int i) { return static_cast<Compute>(known[i]->values<T>()[0]); };
      count = range_size<Compute>(number(0), number(1), number(2));
      const bool indices = dtype == DType::i32 || dtype == DType::i64;
      if (!count || *count > kMaxTrackedElements || !indices) return;
      std::vector<Dim> elements;
      for (std::int64_t i = 0; i < *count; ++i) {
        // The elements fit, but the product on the way may not.
        elements.emplace_back(static_cast<std::int64_t>(static_cast<std::uint64_t>(number(0)) +
                                                        static_cast<std::uint64_t>(i) *
                                                            static_cast<std::uint64_t>(number(2))));
      }
      context.set_elements(0, std::move(elements));
    });
    context.require(count.has_value(), ErrorCode::bad_value,
                    "start, limit and delta do not make a range: delta is 0, or the range endless");
    return context.set_output(0, dtype, {Dim(*count)});
  }
  const auto start = context.elements(0), limit = context.elements(1), delta = context.elements(2);
  const bool counted = start && limit && delta && start->size() == 1 && limit->size() == 1 &&
                       delta->size() == 1 && delta->front().is_constant() &&
                       delta->front().value() > 0;
  if (!counted) return context.set_output(0, dtype, {context.fresh_dim()});
  const Dim distance = limit->front() - start->front();
  const bool positive = distance.to_string().find('-') == std::string::npos;
  const Dim count = ceildiv(distance, delta->front());
  context.set_output(0, dtype, {positive ? count : max(count, 0)});
}

void reference(KernelContext& context) {
  Tensor& y = context.output(0);
  with_type(y.dtype(), [&]<class T>() {
    using Compute = ComputeType<T>;
    const auto start = static_cast<Compute>(context.input(0).values<T>()[0]);
    const auto delta = static_cast<Compute>(context.input(2).values<T>()[0]);
    auto out = y.mutable_values<T>();
    for (std::size_t i = 0; i < out.size(); ++i) {
      if constexpr (std::is_integral_v<Compute>) {
        using U = std::make_unsigned_t<Compute>;
        out[i] = static_cast<T>(static_cast<U>(start) + static_cast<U>(i) * static_cast<U>(delta));
      } else {
        out[i] = static_cast<T>(start + static_cast<Compute>(i) * delta);
      }
    }
  });
}

}  // namespace

const OpDef& op_range() {
  static const OpDef def{
      .name = "range",
      .summary = "start, start + delta, ... up to and without limit",
      .inputs = {{.name = "start", .types = kNumbers, .same_as = 'T'},
                 {.name = "limit", .types = kNumbers, .same_as = 'T'},
                 {.name = "delta", .types = kNumbers, .same_as = 'T'}},
      .outputs = {{.name = "y", .types = kNumbers, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 0b111},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
