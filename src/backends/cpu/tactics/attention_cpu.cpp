// SPDX-License-Identifier: Apache-2.0
// Attention, f32: the operator alone, or fused with the views that cut its heads out of columns and
// put them side by side again (packed_heads_support.hpp).
#include <algorithm>
#include <cmath>

#include "backends/cpu/parameters.hpp"
#include "ops/attention.hpp"
#include "ops/reshape.hpp"
#include "ops/slice.hpp"
#include "tactic/attention_view.hpp"

namespace strop::cpu {
const Tactic& tactic_attention_cpu();
namespace {

constexpr std::int64_t kMostValues = 256;  // floats of a head's value that the kernel takes

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto view = view_as_attention(problem, refusal);
  if (!view) return Acceptance::refuse(refusal);
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.has_input(i) && problem.input_type(i).dtype != DType::f32) {
      return Acceptance::refuse("input " + std::to_string(i) + " is " +
                                std::string(to_string(problem.input_type(i).dtype)) +
                                ", this tactic is for f32");
    }
  }
  const auto& attributes = view->node->as<AttentionAttributes>();
  if (view->node->outputs.size() > 1) return Acceptance::refuse("its scores are wanted");
  if (attributes.softcap != 0) return Acceptance::refuse("it has no softcap");
  if (attributes.left >= 0 || attributes.right >= 0)
    return Acceptance::refuse("it has no window of keys");
  if (view->node->inputs.size() > 4) return Acceptance::refuse("it has no lengths, start or sink");
  const Type& values = problem.input_type(static_cast<std::size_t>(view->inputs[2]));
  Dim size = view->heads[2] ? Dim(view->heads[2]->size) : Dim::symbol("unknown");
  if (!view->heads[2] && values.shape) size = values.shape->back();
  if (!size.is_constant() || size.value() < 1 || size.value() > kMostValues) {
    return Acceptance::refuse("its values have " + size.to_string() + " elements, not 1 to " +
                              std::to_string(kMostValues));
  }
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  std::string refusal;
  const auto view = view_as_attention(problem, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  Parameters parameters;
  static constexpr const char* kNames[] = {"q", "k", "v"};
  for (std::size_t i = 0; i < 3; ++i) {
    std::vector<std::int64_t> list = {view->inputs[i]};
    if (const auto& heads = view->heads[i])
      list.insert(list.end(),
                  {heads->offset, heads->stride, heads->heads, heads->size, heads->rows_first});
    parameters.set(kNames[i], list);
  }
  parameters.set("bias", view->bias);
  parameters.set("scale", view->node->as<AttentionAttributes>().scale);
  parameters.set("merged", std::int64_t{view->merged});
  parameters.set("merged_rows_first", std::int64_t{view->merged_rows_first});
  parameters.set("zero_nan", std::int64_t{view->node->as<AttentionAttributes>().zero_nan});
  return {"attention_f32", parameters.text()};
}

}  // namespace

const Tactic& tactic_attention_cpu() {
  static const Tactic tactic{.name = "attention_cpu",
                             .backend = "cpu",
                             .ops = {op_attention, op_reshape, op_slice},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
