// SPDX-License-Identifier: Apache-2.0
// y[a..., i..., b...] = x[a..., indices[i...], b...]: the axis is replaced by the axes of the
// indices. A negative index counts from the end.
#include "ops/gather.hpp"

#include "ir/evaluate.hpp"
#include "ops/dispatch.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void gather_elements_known(InferContext& context) {
  const auto from = context.elements(0);
  const auto indices = context.integers(1);
  if (!from || !indices || static_cast<std::int64_t>(indices->size()) > kMaxTrackedElements) return;
  const auto size = static_cast<std::int64_t>(from->size());
  std::vector<Dim> out;
  for (const std::int64_t index : *indices) {
    if (index < -size || index >= size) return;  // refused when it runs
    out.push_back((*from)[static_cast<std::size_t>(index < 0 ? index + size : index)]);
  }
  context.set_elements(0, std::move(out));
}

void infer(InferContext& context) {
  const SymShape* x = context.shape(0);
  const SymShape* indices = context.shape(1);
  if (x == nullptr || indices == nullptr) {
    return context.set_output(0, Type::tensor_of_unknown_rank(context.dtype(0)));
  }
  const std::int64_t axis = normalize_axis(context.attributes<GatherAttributes>().axis,
                                           static_cast<std::int64_t>(x->size()));
  SymShape shape(x->begin(), x->begin() + axis);
  shape.insert(shape.end(), indices->begin(), indices->end());
  shape.insert(shape.end(), x->begin() + axis + 1, x->end());
  context.set_output(0, context.dtype(0), std::move(shape));
  if (x->size() == 1 && indices->size() <= 1) gather_elements_known(context);
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const std::int64_t axis = normalize_axis(context.attributes<GatherAttributes>().axis, x.rank());
  const AxisSplit split(x.shape(), axis);
  AxisMap chosen{.size = context.input(1).size()};
  chosen.table = context.input(1).to_i64();
  for (std::int64_t& entry : chosen.table) {
    if (entry < -split.size || entry >= split.size) {
      context.fail("index " + std::to_string(entry) + " is out of range",
                   "axis " + std::to_string(axis) + " has size " + std::to_string(split.size));
    }
    entry = (entry < 0 ? entry + split.size : entry) * split.inner;
  }
  move_elements(x, context.output(0),
                {{.size = split.outer, .step = split.size * split.inner},
                 std::move(chosen),
                 {.size = split.inner, .step = 1}});
}

}  // namespace

const OpDef& op_gather() {
  static const OpDef def{
      .name = "gather",
      .summary = "the slices of x along one axis that the indices name",
      .attributes = &attribute_schema<GatherAttributes>(),
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
