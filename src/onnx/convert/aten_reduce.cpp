// SPDX-License-Identifier: Apache-2.0
// Reductions of PyTorch: over all elements, or along axes; norms, statistics, cumulative sums, and
// the largest elements.
#include <cmath>
#include <limits>

#include "onnx/convert/arithmetic_support.hpp"
#include "onnx/convert/aten_support.hpp"
#include "ops/arg_reduce.hpp"
#include "ops/cumulative.hpp"
#include "ops/top_k.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;
using R = ReduceFunction;
using U = UnaryFunction;

// Sums of integers and bools are i64; a dtype that is given goes before.
ValueId to_summed(ConvertContext& c, AtenCall& a, ValueId x, bool floats_only) {
  if (a.given("dtype")) return cast_to(c, x, aten_dtype(a, a.integer("dtype")));
  if (kFloats.contains(c.type(x).dtype)) return x;
  if (floats_only) a.malformed("it takes floating-point numbers");
  return cast_to(c, x, DType::i64);
}

// An empty list of axes means all of them.
template <R kFunction>
void sum_like(ConvertContext& c) {
  AtenCall a(c, {{"", "self dtype"},
                 {"dim_IntList", "self dim keepdim dtype"},
                 {"dim", "self dim keepdim dtype"},
                 {"dim_int", "self dim keepdim dtype"},
                 {"", "self dim keepdim"}});
  const ValueId x = to_summed(c, a, a.tensor("self"), kFunction == R::mean);
  const auto axes = a.integers("dim", {});
  c.set_output(0, reduced(c, kFunction, x, axes, a.boolean("keepdim", false)));
}

template <R kFunction>
void extreme_along(ConvertContext& c) {
  AtenCall a(c, {{"", "self dim keepdim"}});
  c.set_output(0, reduced(c, kFunction, a.tensor("self"), a.integers("dim", {}),
                          a.boolean("keepdim", false)));
}

// Of all elements, of two tensors, or along an axis, with the indices.
template <bool kLargest>
void extreme(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}, {"other", "self other"}, {"dim", "self dim keepdim"}});
  const ValueId x = a.tensor("self");
  constexpr R kReduce = kLargest ? R::max : R::min;
  if (a.given("other")) {
    const ValueId y = a.tensor("other");
    const DType dtype = promoted_type(c, x, y);
    return c.set_output(
        0, binary(c, kLargest ? B::max : B::min, cast_to(c, x, dtype), cast_to(c, y, dtype)));
  }
  if (!a.given("dim")) return c.set_output(0, reduced(c, kReduce, x, {}, false));
  const std::int64_t axis = a.axis("dim", x);
  const bool keep = a.boolean("keepdim", false);
  c.set_output(0, reduced(c, kReduce, x, {axis}, keep));
  if (c.has_output(1)) {
    c.set_output(
        1, c.emit(op_arg_reduce(),
                  ArgReduceAttributes{.largest = kLargest, .axis = axis, .keep_dims = keep}, {x}));
  }
}

template <bool kLargest>
void arg_extreme(ConvertContext& c) {
  AtenCall a(c, {{"", "self dim keepdim"}});
  ValueId x = a.tensor("self");
  ArgReduceAttributes attributes{.largest = kLargest, .keep_dims = a.boolean("keepdim", false)};
  if (a.given("dim")) {
    attributes.axis = a.axis("dim", x);
  } else {
    if (attributes.keep_dims) a.refuse("keepdim without an axis");
    x = reshaped(c, x, {-1});
  }
  c.set_output(0, c.emit(op_arg_reduce(), attributes, {x}));
}

template <R kFunction>
void truth(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}, {"dim", "self dim keepdim"}, {"dims", "self dim keepdim"}});
  const ValueId x = cast_to(c, a.tensor("self"), DType::boolean);
  c.set_output(0, reduced(c, kFunction, x, a.integers("dim", {}), a.boolean("keepdim", false)));
}

void logsumexp(ConvertContext& c) {
  AtenCall a(c, {{"", "self dim keepdim"}});
  const ValueId x = floating(c, a.tensor("self"));
  c.set_output(0, reduced(c, R::log_sum_exp, x, a.integers("dim"), a.boolean("keepdim", false)));
}

// Sum of |x|^p, and its root; p of infinity and of 0 are the extremes and the count.
ValueId norm_of(ConvertContext& c, ValueId x, double p, const std::vector<std::int64_t>& axes,
                bool keep) {
  const DType dtype = c.type(x).dtype, wide = wide_type(dtype);
  if (std::isnan(p)) return ValueId::none();
  if (p == 1 || p == 2) return reduced(c, p == 1 ? R::l1 : R::l2, x, axes, keep);
  const ValueId size = unary(c, {U::abs}, cast_to(c, x, wide));
  ValueId y;
  if (std::isinf(p)) {
    y = reduced(c, p > 0 ? R::max : R::min, size, axes, keep);
  } else if (p == 0) {
    const ValueId is_zero = binary(c, B::equal, size, scalar(c, wide, 0));
    y = reduced(c, R::sum, cast_to(c, unary(c, {U::logical_not}, is_zero), wide), axes, keep);
  } else {
    const ValueId powers = binary(c, B::pow, size, scalar(c, wide, p));
    y = binary(c, B::pow, reduced(c, R::sum, powers, axes, keep), scalar(c, wide, 1 / p));
  }
  return cast_to(c, y, dtype);
}

void set_norm(ConvertContext& c, AtenCall& a, double p) {
  ValueId x = a.tensor("self");
  if (a.given("dtype")) x = cast_to(c, x, aten_dtype(a, a.integer("dtype")));
  if (!kFloats.contains(c.type(x).dtype)) a.malformed("it takes floating-point numbers");
  const ValueId y = norm_of(c, x, p, a.integers("dim", {}), a.boolean("keepdim", false));
  if (!y.exists()) a.malformed("the order of the norm is no number");
  c.set_output(0, y);
}

void norm(ConvertContext& c) {
  AtenCall a(c, {{"Scalar", "self p"},
                 {"ScalarOpt_dim", "self p dim keepdim"},
                 {"ScalarOpt_dtype", "self p dtype"},
                 {"ScalarOpt_dim_dtype", "self p dim keepdim dtype"}});
  set_norm(c, a, a.number("p", 2));
}

void frobenius_norm(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}, {"dim", "self dim keepdim"}});
  set_norm(c, a, 2);
}

void vector_norm(ConvertContext& c) {
  AtenCall a(c, {{"", "self ord dim keepdim dtype"}});
  set_norm(c, a, a.number("ord", 2));
}

// The mean of the squared distance from the mean; by n - correction in the place of n.
template <bool kRoot, bool kMean>
void spread(ConvertContext& c) {
  AtenCall a(c, {{"", "self unbiased"},
                 {"dim", "self dim unbiased keepdim"},
                 {"correction", "self dim correction keepdim"}});
  const ValueId given = a.tensor("self");
  const DType dtype = c.type(given).dtype, wide = wide_type(dtype);
  if (!kFloats.contains(dtype)) a.malformed("it takes floating-point numbers");
  const double correction = a.given("correction")         ? a.number("correction")
                            : a.boolean("unbiased", true) ? 1
                                                          : 0;
  const bool keep = a.boolean("keepdim", false);
  const auto axes = a.axes("dim", given);
  const ValueId x = cast_to(c, given, wide);
  const ValueId distance = binary(c, B::sub, x, reduced(c, R::mean, x, axes, true));
  ValueId count = scalar(c, wide, 1);
  for (const std::int64_t axis : axes)
    count = binary(c, B::mul, count, reshaped(c, cast_to(c, size_along(c, x, axis), wide), {}));
  const ValueId by =
      binary(c, B::max, binary(c, B::sub, count, scalar(c, wide, correction)), scalar(c, wide, 0));
  const ValueId variance = binary(c, B::div, reduced(c, R::sum_square, distance, axes, keep), by);
  c.set_output(0, cast_to(c, kRoot ? unary(c, {U::sqrt}, variance) : variance, dtype));
  if (kMean) c.set_output(1, reduced(c, R::mean, given, axes, keep));
}

template <CumulativeFunction kFunction>
void cumulative(ConvertContext& c) {
  AtenCall a(c, {{"", "self dim dtype"}, {"", "self dim"}});
  const ValueId x = to_summed(c, a, a.tensor("self"), false);
  if (c.type(x).rank() == 0) return c.set_output(0, x);
  const ValueId axis = integers(c, {a.axis("dim", x)});
  c.set_output(0, c.emit(op_cumulative(), CumulativeAttributes{.function = kFunction}, {x, axis}));
}

void topk(ConvertContext& c) {
  AtenCall a(c, {{"", "self k dim largest sorted"}});
  const ValueId x = a.tensor("self");
  TopKAttributes attributes{.axis = a.axis("dim", x, -1)};
  attributes.largest = a.boolean("largest", true);
  attributes.sorted = a.boolean("sorted", true);
  c.set_outputs(c.emit_many(op_top_k(), attributes, {x, a.sizes("k")}, 2));
}

// Equal elements keep their order, as top_k orders them.
ValueId sorted_indices(ConvertContext& c, AtenCall& a, ValueId* values) {
  const ValueId x = a.tensor("self");
  TopKAttributes attributes{.axis = a.axis("dim", x, -1)};
  attributes.largest = a.boolean("descending", false);
  const auto out = c.emit_many(op_top_k(), attributes, {x, size_along(c, x, attributes.axis)}, 2);
  *values = out[0];
  return out[1];
}

void sort(ConvertContext& c) {
  AtenCall a(c, {{"", "self dim descending"}, {"stable", "self stable dim descending"}});
  ValueId values;
  c.set_output(1, sorted_indices(c, a, &values));
  c.set_output(0, values);
}

void argsort(ConvertContext& c) {
  AtenCall a(c, {{"", "self dim descending"}, {"stable", "self stable dim descending"}});
  ValueId values;
  c.set_output(0, sorted_indices(c, a, &values));
}

}  // namespace

void register_aten_reduce(ConverterTable& table) {
  static constexpr std::pair<const char*, Converter> kOperators[] = {
      {"sum", sum_like<R::sum>},
      {"mean", sum_like<R::mean>},
      {"prod", sum_like<R::prod>},
      {"amax", extreme_along<R::max>},
      {"amin", extreme_along<R::min>},
      {"max", extreme<true>},
      {"min", extreme<false>},
      {"argmax", arg_extreme<true>},
      {"argmin", arg_extreme<false>},
      {"all", truth<R::min>},
      {"any", truth<R::max>},
      {"logsumexp", logsumexp},
      {"norm", norm},
      {"frobenius_norm", frobenius_norm},
      {"linalg_vector_norm", vector_norm},
      {"var", spread<false, false>},
      {"std", spread<true, false>},
      {"var_mean", spread<false, true>},
      {"std_mean", spread<true, true>},
      {"cumsum", cumulative<CumulativeFunction::sum>},
      {"cumprod", cumulative<CumulativeFunction::prod>},
      {"topk", topk},
      {"sort", sort},
      {"argsort", argsort},
  };
  for (const auto& [name, converter] : kOperators) table.add(kAtenDomain, name, 1, converter);
}

}  // namespace strop::onnx
