// SPDX-License-Identifier: Apache-2.0
// x cropped or padded around its centre to given sizes. Of an odd difference the smaller half is
// before the result (crop) or before x (padding). Padding is zero, an empty string, or false.
#include "ops/center_crop_pad.hpp"

#include <algorithm>

#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

std::vector<std::size_t> axes_of(const CenterCropPadAttributes& attributes, std::size_t rank) {
  std::vector<std::size_t> out;
  for (const std::int64_t axis : attributes.axes) {
    out.push_back(static_cast<std::size_t>(normalize_axis(axis, static_cast<std::int64_t>(rank))));
    if (std::ranges::count(out, out.back()) > 1) {
      throw Error(ErrorCode::bad_attribute, "operator center_crop_pad",
                  "axis " + std::to_string(axis) + " is given twice");
    }
  }
  for (std::size_t a = 0; a < rank && attributes.axes.empty(); ++a) out.push_back(a);
  return out;
}

void infer(InferContext& context) {
  const DType dtype = context.dtype(0);
  context.require_rank(1, 1);
  const SymShape* x = context.shape(0);
  if (x == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  const auto axes = axes_of(context.attributes<CenterCropPadAttributes>(), x->size());
  if (const SymShape* count = context.shape(1)) {
    context.require_equal((*count)[0], Dim(static_cast<std::int64_t>(axes.size())),
                          "the number of sizes and of axes");
  }
  SymShape shape = *x;
  auto sizes = context.elements(1);
  if (!sizes) {  // more than are tracked
    if (const auto all = context.integers(1)) sizes.emplace(all->begin(), all->end());
  }
  context.require(!sizes || sizes->size() == axes.size(), ErrorCode::bad_shape,
                  "sizes must be a number for each axis");
  for (std::size_t i = 0; i < axes.size(); ++i) {
    shape[axes[i]] = sizes ? (*sizes)[i] : context.fresh_dim();
    context.require(!shape[axes[i]].is_constant() || shape[axes[i]].value() >= 0,
                    ErrorCode::bad_value,
                    "size " + shape[axes[i]].to_string() + " of axis " + std::to_string(axes[i]) +
                        " is negative");
  }
  context.set_output(0, dtype, std::move(shape));
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  const Tensor fill = Tensor::zeros(x.dtype(), {1});
  if (x.size() == 0) {  // nothing but padding
    return move_elements(fill, y, {{.size = y.size()}});
  }
  std::vector<AxisMap> axes = identity_axes(x.shape());
  for (std::size_t a = 0; a < axes.size(); ++a) {
    const std::int64_t before = x.shape()[a], after = y.shape()[a];
    axes[a].size = after;
    if (after <= before) {
      axes[a].start = (before - after) / 2 * axes[a].step;
      continue;
    }
    const std::int64_t margin = (after - before) / 2;
    axes[a].table = offset_table(after);
    std::ranges::fill(axes[a].table, AxisMap::kFill);
    for (std::int64_t i = 0; i < before; ++i) {
      axes[a].table[static_cast<std::size_t>(margin + i)] = i * axes[a].step;
    }
  }
  move_elements(x, y, std::move(axes), &fill);
}

}  // namespace

const OpDef& op_center_crop_pad() {
  static const OpDef def{
      .name = "center_crop_pad",
      .summary = "x cropped or padded with zeros around its centre to the given sizes",
      .attributes = &attribute_schema<CenterCropPadAttributes>(),
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'},
                 {.name = "sizes", .types = kIndices}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.moves_only = true, .parameter_inputs = 1u << 1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
