// SPDX-License-Identifier: Apache-2.0
// The discrete Fourier transform along one axis. The last axis holds the real part, and the
// imaginary part if there is one. Along the axis x is cut off, or filled up with zeros, to the
// length of the transform. Sums are in double.
#include "ops/dft.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/fourier_support.hpp"

namespace strop {
namespace {

void require_scalar(InferContext& context, std::size_t i) {
  if (!context.has_input(i) || context.shape(i) == nullptr) return;
  context.require_equal(product(*context.shape(i)), Dim(1),
                        "the size of " + std::string(context.op().inputs[i].name) + " and 1");
}

// The axis of the transform; nothing when it is not known yet.
std::optional<std::int64_t> axis_of(const InferContext& context, std::int64_t rank) {
  std::int64_t axis = -2;
  if (context.has_input(2)) {
    const auto given = context.integers(2);
    if (!given || given->size() != 1) return std::nullopt;
    axis = given->front();
  }
  context.require(axis >= -rank && axis <= rank - 2 && axis != -1, ErrorCode::bad_attribute,
                  "axis " + std::to_string(axis) + " is none of the signal's, which has rank " +
                      std::to_string(rank) + " with the axis of real and imaginary parts");
  return axis < 0 ? axis + rank : axis;
}

void infer(InferContext& context) {
  const auto& attributes = context.attributes<DftAttributes>();
  const DType dtype = context.dtype(0);
  require_scalar(context, 1);
  require_scalar(context, 2);
  const SymShape* x = context.shape(0);
  if (x == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  const std::size_t rank = x->size();
  context.require(rank >= 2, ErrorCode::bad_shape, "x has no axis besides that of its parts");
  const Dim& parts = x->back();
  if (parts.is_constant()) {
    context.require(
        parts.is(1) || parts.is(2), ErrorCode::bad_shape,
        "the last axis holds real and imaginary parts; its size is " + parts.to_string());
    context.require(
        !attributes.onesided || parts.is(attributes.inverse ? 2 : 1), ErrorCode::bad_shape,
        attributes.inverse ? "the inverse transform to a real signal takes a complex spectrum"
                           : "a one-sided spectrum is that of a real signal, but x is complex");
  }
  SymShape y = *x;
  y.back() = Dim(attributes.inverse && attributes.onesided ? 1 : 2);
  const auto axis = axis_of(context, static_cast<std::int64_t>(rank));
  if (!axis) {
    for (std::size_t i = 0; i + 1 < rank; ++i) y[i] = context.fresh_dim();
    return context.set_output(0, dtype, std::move(y));
  }
  const auto at = static_cast<std::size_t>(*axis);
  std::optional<Dim> length;
  if (!context.has_input(1)) {
    length = attributes.inverse && attributes.onesided ? ((*x)[at] - 1) * 2 : (*x)[at];
  } else if (const auto given = context.elements(1); given && given->size() == 1) {
    length = given->front();
  }
  if (!length) {
    y[at] = context.fresh_dim();
    return context.set_output(0, dtype, std::move(y));
  }
  context.require(!length->is_constant() || length->value() >= 1, ErrorCode::bad_shape,
                  "the transform has length " + length->to_string());
  y[at] = attributes.onesided && !attributes.inverse ? floordiv(*length, 2) + 1 : *length;
  context.set_output(0, dtype, std::move(y));
}

// The bins that a real signal's spectrum does not need are those at the other end, conjugated. What
// must be real is taken for real.
void complete_spectrum(ComplexNumber* x, std::int64_t length) {
  x[0].im = 0;
  if (length % 2 == 0) x[length / 2].im = 0;
  for (std::int64_t k = length / 2 + 1; k < length; ++k) {
    x[k] = {x[length - k].re, -x[length - k].im};
  }
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<DftAttributes>();
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  std::int64_t axis = context.has_input(2) ? context.input(2).to_i64().front() : -2;
  if (axis < 0) axis += x.rank();
  const AxisSplit from(x.shape(), axis), to(y.shape(), axis);
  const bool to_real = attributes.inverse && attributes.onesided;
  std::int64_t length = to_real ? 2 * (from.size - 1) : from.size;
  if (context.has_input(1)) length = context.input(1).to_i64().front();
  if (y.size() == 0) return;
  const FourierPlan plan(length);
  const std::int64_t in_parts = x.shape().back(), out_parts = y.shape().back();
  const std::int64_t inner = from.inner / in_parts;  // rows side by side
  const std::int64_t taken = std::min(from.size, to_real ? length / 2 + 1 : length);
  dispatch_float(x.dtype(), [&]<class T>() {
    const T* in = x.values<T>().data();
    T* out = y.mutable_values<T>().data();
    parallel_for(from.outer * inner, 1 + 4096 / length, [&](std::int64_t begin, std::int64_t end) {
      std::vector<ComplexNumber> row(static_cast<std::size_t>(length)), scratch;
      for (std::int64_t r = begin; r < end; ++r) {
        context.check_deadline();
        const T* source = in + (r / inner * from.size * inner + r % inner) * in_parts;
        std::fill(row.begin(), row.end(), ComplexNumber{});
        for (std::int64_t i = 0; i < taken; ++i) {
          const T* number = source + i * inner * in_parts;
          row[static_cast<std::size_t>(i)] = {
              convert_number<double>(number[0]),
              in_parts == 2 ? convert_number<double>(number[1]) : 0.0};
        }
        if (to_real) complete_spectrum(row.data(), length);
        if (attributes.inverse) {
          plan.inverse(row.data(), scratch);
        } else {
          plan.forward(row.data(), scratch);
        }
        T* target = out + (r / inner * to.size * inner + r % inner) * out_parts;
        for (std::int64_t i = 0; i < to.size; ++i) {
          T* number = target + i * inner * out_parts;
          number[0] = convert_number<T>(row[static_cast<std::size_t>(i)].re);
          if (out_parts == 2) number[1] = convert_number<T>(row[static_cast<std::size_t>(i)].im);
        }
      }
    });
  });
}

}  // namespace

const OpDef& op_dft() {
  static const OpDef def{
      .name = "dft",
      .summary = "y[k] = sum over n of x[n] exp(-2 pi i k n / length), along one axis",
      .attributes = &attribute_schema<DftAttributes>(),
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'},
                 {.name = "length", .types = kIndices, .arity = Operand::optional},
                 {.name = "axis", .types = kIndices, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 0b110},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
