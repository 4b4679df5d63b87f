// SPDX-License-Identifier: Apache-2.0
// Row-major order of x; NaN counts, and -0 does not.
#include "ops/non_zero.hpp"

#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const SymShape* x = context.shape(0);
  const Dim count = context.fresh_dim();
  if (x == nullptr) return context.set_output(0, DType::i64, {context.fresh_dim(), count});
  context.set_output(0, DType::i64, {Dim(static_cast<std::int64_t>(x->size())), count});
}

std::vector<std::int64_t> places(const Tensor& x) {
  std::vector<std::int64_t> out;
  const auto collect = [&](auto is_set) {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      if (is_set(i)) out.push_back(i);
    }
  };
  if (x.dtype() == DType::string) {
    const auto values = x.values<std::string>();
    collect([&](std::int64_t i) { return !values[static_cast<std::size_t>(i)].empty(); });
  } else if (x.dtype() == DType::i64 || x.dtype() == DType::u64) {
    // Not through double, which would be right too, but slower.
    const auto* values = reinterpret_cast<const std::uint64_t*>(x.data());
    collect([&](std::int64_t i) { return values[i] != 0; });
  } else {
    collect([&](std::int64_t i) { return load_as_double(x.dtype(), x.data(), i) != 0; });
  }
  return out;
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const std::vector<std::int64_t> found = places(x);
  const auto count = static_cast<std::int64_t>(found.size());
  auto out = context.allocate(0, DType::i64, {x.rank(), count}).mutable_values<std::int64_t>();
  const Shape strides = contiguous_strides(x.shape());
  for (std::size_t axis = 0; axis < strides.size(); ++axis) {
    for (std::size_t i = 0; i < found.size(); ++i) {
      out[axis * found.size() + i] = found[i] / strides[axis] % x.shape()[axis];
    }
  }
}

}  // namespace

const OpDef& op_non_zero() {
  static const OpDef def{
      .name = "non_zero",
      .summary = "indices of the elements that are not zero, one column each",
      .inputs = {{.name = "x",
                  .types = kNumbers | kFloat8s | kSubByte | kBool | DTypeSet{DType::string}}},
      .outputs = {{.name = "indices", .types = {DType::i64}}},
      .subgraphs = {},
      .traits = {.data_dependent = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
