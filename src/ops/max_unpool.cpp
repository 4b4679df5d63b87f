// SPDX-License-Identifier: Apache-2.0
// The pooled maxima back at their places, zero elsewhere. Indices count the elements of a tensor of
// the natural shape, (size - 1) * stride + kernel - pads along each spatial axis; with `shape` that
// tensor is the corner at the lowest indices of a larger result of zeros. Of several maxima with
// one index the last remains.
#include "ops/max_unpool.hpp"

#include <cstring>

#include "ir/evaluate.hpp"
#include "ops/dispatch.hpp"

namespace strop {
namespace {

Dim natural_size(const MaxUnpoolAttributes& attributes, std::size_t axis, const Dim& size) {
  const std::size_t axes = attributes.kernel.size();
  return (size - Dim(1)) * Dim(at_or(attributes.strides, axis, 1)) +
         Dim(attributes.kernel[axis] - at_or(attributes.pads, axis, 0) -
             at_or(attributes.pads, axis + axes, 0));
}

void infer(InferContext& context) {
  const auto& attributes = context.attributes<MaxUnpoolAttributes>();
  const DType dtype = context.dtype(0);
  const std::size_t axes = attributes.kernel.size();
  context.require(axes >= 1 && axes <= 16, ErrorCode::bad_attribute,
                  "kernel has " + std::to_string(axes) + " values; it takes 1 to 16");
  const std::vector<std::int64_t> no_dilations;
  check_window(context, {attributes.strides, no_dilations, attributes.pads}, axes);
  for (const std::int64_t size : attributes.kernel) {
    context.require(size >= 1 && size <= kMaxWindow, ErrorCode::bad_attribute,
                    "a window of size " + std::to_string(size));
  }
  const std::size_t rank = axes + 2;
  context.require_rank(0, static_cast<std::int64_t>(rank));
  context.require_rank(1, static_cast<std::int64_t>(rank));
  SymShape natural = context.fresh_shape(rank);
  if (const SymShape* x = context.shape(0)) {
    natural = *x;
    if (const SymShape* indices = context.shape(1)) {
      for (std::size_t a = 0; a < rank; ++a) {
        natural[a] = context.require_equal(natural[a], (*indices)[a], "sizes of x and indices");
      }
    }
    for (std::size_t i = 0; i < axes; ++i) {
      natural[i + 2] = natural_size(attributes, i, natural[i + 2]);
      context.require(!natural[i + 2].is_constant() || natural[i + 2].value() >= 0,
                      ErrorCode::bad_shape,
                      "spatial axis " + std::to_string(i) + " of the result has size " +
                          natural[i + 2].to_string());
    }
  }
  if (!context.has_input(2)) return context.set_output(0, dtype, std::move(natural));
  context.require_rank(2, 1);
  if (const SymShape* length = context.shape(2)) {
    context.require_equal((*length)[0], Dim(static_cast<std::int64_t>(rank)),
                          "the rank of x and the number of sizes in shape");
  }
  const auto wanted = context.elements(2);
  if (!wanted) return context.set_output(0, dtype, context.fresh_shape(rank));
  context.require(wanted->size() == rank, ErrorCode::bad_shape,
                  "shape must be a size for each axis");
  for (std::size_t a = 0; a < rank; ++a) {
    const Dim &size = (*wanted)[a], &least = natural[a];
    const bool fits =
        !size.is_constant() ||
        (size.value() >= 0 &&
         (!least.is_constant() || (a < 2 ? size == least : size.value() >= least.value())));
    context.require(fits, ErrorCode::bad_shape,
                    "shape asks for size " + size.to_string() + " along axis " + std::to_string(a) +
                        ", where the unpooled tensor has " + least.to_string());
  }
  context.set_output(0, dtype, *wanted);
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<MaxUnpoolAttributes>();
  const Tensor& x = context.input(0);
  const auto indices = context.input(1).values<std::int64_t>();
  Tensor& y = context.output(0);
  if (y.size() > 0) std::memset(y.mutable_data(), 0, static_cast<std::size_t>(y.bytes()));
  if (x.size() == 0) return;
  Shape natural = x.shape();
  for (std::size_t i = 0; i < attributes.kernel.size(); ++i) {
    natural[i + 2] = natural_size(attributes, i, Dim(natural[i + 2])).value();
  }
  const std::int64_t count = element_count(natural);
  const Shape strides = contiguous_strides(y.shape());
  const bool same = natural == y.shape();
  dispatch_width(bits_of(x.dtype()), [&]<class T>() {
    const T* from = reinterpret_cast<const T*>(x.data());
    T* to = reinterpret_cast<T*>(y.mutable_data());
    for (std::size_t i = 0; i < indices.size(); ++i) {
      std::int64_t rest = indices[i];
      if (rest < 0 || rest >= count) {
        context.fail("index " + std::to_string(rest) + " is out of range",
                     "the unpooled tensor has " + std::to_string(count) +
                         " elements, its shape is " + to_string(natural));
      }
      std::int64_t at = same ? rest : 0;
      for (std::size_t a = natural.size(); !same && a-- > 0;) {
        at += rest % natural[a] * strides[a];
        rest /= natural[a];
      }
      to[at] = from[i];
    }
  });
}

}  // namespace

const OpDef& op_max_unpool() {
  static const OpDef def{
      .name = "max_unpool",
      .summary =
          "the elements of x at the places that the indices of a max pooling name, zeros "
          "elsewhere",
      .limits = "1 to 16 spatial axes",
      .attributes = &attribute_schema<MaxUnpoolAttributes>(),
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'},
                 {.name = "indices", .types = {DType::i64}},
                 {.name = "shape", .types = {DType::i64}, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.moves_only = true, .parameter_inputs = 1u << 2},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
