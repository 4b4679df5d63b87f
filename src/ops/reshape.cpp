// SPDX-License-Identifier: Apache-2.0
// The same elements under another shape. In `shape`, one -1 takes what is left over, and 0 copies
// the input's dimension.
#include "ops/reshape.hpp"

#include <algorithm>
#include <cstring>

#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<ReshapeAttributes>();
  const SymShape* x = context.shape(0);
  const DType dtype = context.dtype(0);
  if (attributes.flatten_axis) {
    if (x == nullptr) return context.set_output(0, dtype, context.fresh_shape(2));
    const auto rank = static_cast<std::int64_t>(x->size());
    const std::int64_t axis =
        *attributes.flatten_axis == rank ? rank : normalize_axis(*attributes.flatten_axis, rank);
    const auto middle = x->begin() + axis;
    context.set_output(0, dtype, {product({x->begin(), middle}), product({middle, x->end()})});
    return;
  }
  context.require(context.has_input(1), ErrorCode::model_malformed, "reshape needs a shape");
  context.require_rank(1, 1);
  const auto wanted = context.elements(1);
  if (!wanted) {
    const SymShape* target = context.shape(1);
    if (target != nullptr && target->size() == 1 && (*target)[0].is_constant()) {
      const std::int64_t rank = (*target)[0].value();
      context.require(rank <= kMaxTrackedElements, ErrorCode::bad_shape, "the rank is too large");
      context.set_output(0, dtype, context.fresh_shape(static_cast<std::size_t>(rank)));
    } else {
      context.set_output(0, Type::tensor_of_unknown_rank(dtype));
    }
    return;
  }
  SymShape out;
  std::optional<std::size_t> rest;
  for (std::size_t i = 0; i < wanted->size(); ++i) {
    const Dim& dim = (*wanted)[i];
    if (dim.is(-1)) {
      context.require(!rest, ErrorCode::bad_shape,
                      "shape " + to_string(*wanted) + " has more than one -1");
      rest = i;
      out.emplace_back(1);
    } else if (dim.is(0) && !attributes.allow_zero) {
      if (x == nullptr) {
        out.push_back(context.fresh_dim());
        continue;
      }
      context.require(i < x->size(), ErrorCode::bad_shape,
                      "shape " + to_string(*wanted) + " copies dimension " + std::to_string(i) +
                          " of an input of rank " + std::to_string(x->size()));
      out.push_back((*x)[i]);
    } else {
      context.require(!dim.is_constant() || dim.value() >= 0, ErrorCode::bad_shape,
                      "shape " + to_string(*wanted) + " has a negative dimension");
      out.push_back(dim);
    }
  }
  if (x == nullptr) {
    if (rest) out[*rest] = context.fresh_dim();
    return context.set_output(0, dtype, std::move(out));
  }
  const Dim total = product(*x);
  if (rest) {
    const Dim others = product(out);
    if (others.is(0)) {
      context.fail(ErrorCode::bad_shape,
                   "shape " + to_string(*wanted) + " leaves the size at -1 open",
                   "an empty tensor needs explicit sizes");
    }
    if (total.is_constant() && others.is_constant() && total.value() % others.value() != 0) {
      context.fail(ErrorCode::bad_shape, "an input of " + total.to_string() +
                                             " elements does not fit shape " + to_string(*wanted));
    }
    out[*rest] = floordiv(total, others);
    if (!total.is_constant() || !others.is_constant()) {
      context.require_equal(total, out[*rest] * others, "element counts before and after");
    }
  } else {
    context.require_equal(total, product(out), "element counts before and after");
  }
  context.set_output(0, dtype, std::move(out));
  if (const auto elements = context.elements(0)) context.set_elements(0, *elements);
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (x.dtype() == DType::string) {
    std::ranges::copy(x.values<std::string>(), y.mutable_values<std::string>().begin());
  } else if (x.bytes() > 0 && y.data() != x.data()) {
    std::memcpy(y.mutable_data(), x.data(), static_cast<std::size_t>(x.bytes()));
  }
}

}  // namespace

const OpDef& op_reshape() {
  static const OpDef def{
      .name = "reshape",
      .summary = "the same elements under another shape",
      .attributes = &attribute_schema<ReshapeAttributes>(),
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'},
                 {.name = "shape", .types = {DType::i64}, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.view = true, .moves_only = true, .parameter_inputs = 1u << 1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
