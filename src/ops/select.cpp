// SPDX-License-Identifier: Apache-2.0
// y = condition ? a : b, element by element, under NumPy broadcasting.
#include "ops/select.hpp"

#include "ir/evaluate.hpp"
#include "ops/broadcast.hpp"
#include "ops/dispatch.hpp"

namespace strop {
namespace {

void propagate_elements(InferContext& context, const SymShape& y) {
  const auto condition = context.integers(0);
  const auto a = context.elements(1), b = context.elements(2);
  if (!condition || !a || !b || y.size() > 1) return;
  std::int64_t count = 1;
  if (y.size() == 1) {
    if (!y[0].is_constant() || y[0].value() > kMaxTrackedElements) return;
    count = y[0].value();
  }
  const auto at = [](const auto& list, std::int64_t i) {
    return list[list.size() == 1 ? 0 : static_cast<std::size_t>(i)];
  };
  std::vector<Dim> out;
  for (std::int64_t i = 0; i < count; ++i) {
    out.push_back(at(*condition, i) != 0 ? at(*a, i) : at(*b, i));
  }
  context.set_elements(0, std::move(out));
}

void infer(InferContext& context) {
  const SymShape* shapes[] = {context.shape(0), context.shape(1), context.shape(2)};
  if (!shapes[0] || !shapes[1] || !shapes[2]) {
    return context.set_output(0, Type::tensor_of_unknown_rank(context.dtype(1)));
  }
  SymShape y = context.broadcast(context.broadcast(*shapes[0], *shapes[1]), *shapes[2]);
  propagate_elements(context, y);
  context.set_output(0, context.dtype(1), std::move(y));
}

template <class T>
void choose(const BroadcastWalk<3>& walk, const bool* condition, const T* a, const T* b, T* y) {
  const std::int64_t step_c = walk.moves(0) ? 1 : 0;
  const std::int64_t step_a = walk.moves(1) ? 1 : 0, step_b = walk.moves(2) ? 1 : 0;
  walk.for_each_run(512, [&](std::int64_t to, const auto& from, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      y[to + i] =
          condition[from[0] + i * step_c] ? a[from[1] + i * step_a] : b[from[2] + i * step_b];
    }
  });
}

void reference(KernelContext& context) {
  const Tensor& condition = context.input(0);
  const Tensor& a = context.input(1);
  const Tensor& b = context.input(2);
  Tensor& y = context.output(0);
  const BroadcastWalk<3> walk(y.shape(), {&condition.shape(), &a.shape(), &b.shape()});
  const bool* choice = condition.values<bool>().data();
  if (a.dtype() == DType::string) {
    return choose(walk, choice, a.values<std::string>().data(), b.values<std::string>().data(),
                  y.mutable_values<std::string>().data());
  }
  dispatch_width(bits_of(a.dtype()), [&]<class T>() {
    choose(walk, choice, reinterpret_cast<const T*>(a.data()), reinterpret_cast<const T*>(b.data()),
           reinterpret_cast<T*>(y.mutable_data()));
  });
}

}  // namespace

const OpDef& op_select() {
  static constexpr DTypeSet kTypes =
      kNumbers | kFloat8s | kBool | DTypeSet{DType::string, DType::c64};
  static const OpDef def{
      .name = "select",
      .summary = "y = condition ? a : b, element by element, all three broadcast",
      .inputs = {{.name = "condition", .types = kBool},
                 {.name = "a", .types = kTypes, .same_as = 'T'},
                 {.name = "b", .types = kTypes, .same_as = 'T'}},
      .outputs = {{.name = "y", .types = kTypes, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.pointwise = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
