// SPDX-License-Identifier: Apache-2.0
// With axis 1 of three: y[i, j, k] = x[i, indices[i, j, k], k]. y has the shape of the indices,
// which may be smaller than x on any axis, and larger on that one.
#include "ops/gather_elements.hpp"

#include "ops/indexing_support.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  check_indices_along_axis(context, context.attributes<GatherElementsAttributes>().axis);
  const SymShape* x = context.shape(0);
  if (const SymShape* indices = context.shape(1)) {
    context.set_output(0, context.dtype(0), *indices);
  } else if (x != nullptr) {
    context.set_output(0, context.dtype(0), context.fresh_shape(x->size()));
  } else {
    context.set_output(0, Type::tensor_of_unknown_rank(context.dtype(0)));
  }
  if (x != nullptr && x->size() == 1) pick_known_elements(context);
}

void reference(KernelContext& context) {
  const Tensor x = unpack_elements(context.input(0));
  Tensor& y = context.output(0);
  const std::int64_t axis =
      normalize_axis(context.attributes<GatherElementsAttributes>().axis, x.rank());
  const bool packed = x.dtype() != y.dtype();
  Tensor whole = packed ? Tensor::allocate(x.dtype(), y.shape()) : y;
  dispatch_element(x.dtype(), [&]<class T>() {
    const T* from = elements_of<T>(x);
    T* to = mutable_elements_of<T>(whole);
    for_each_index_along_axis(context, x.shape(), context.input(1), axis,
                              [&](std::int64_t i, std::int64_t at) { to[i] = from[at]; });
  });
  if (packed) pack_elements(whole, y);
}

}  // namespace

const OpDef& op_gather_elements() {
  static const OpDef def{
      .name = "gather_elements",
      .summary = "the elements of x that the indices name along one axis, each at its own place",
      .attributes = &attribute_schema<GatherElementsAttributes>(),
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'},
                 {.name = "indices", .types = kIndices}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.moves_only = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
