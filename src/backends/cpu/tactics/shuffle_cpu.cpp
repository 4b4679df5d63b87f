// SPDX-License-Identifier: Apache-2.0
// A channel shuffle, as fuse_channel_shuffle spells it in a body, in any layout.
#include "backends/cpu/parameters.hpp"
#include "ops/reshape.hpp"
#include "tactic/layout_support.hpp"
#include "tactic/shuffle_view.hpp"

namespace strop::cpu {
const Tactic& tactic_shuffle_cpu();
namespace {

Acceptance accepts(const Problem& problem) {
  if (shuffle_groups(problem) < 1) return Acceptance::refuse("");
  const DType dtype = problem.input_type(0).dtype;
  if (dtype == DType::string || bits_of(dtype) < 8)
    return Acceptance::refuse("its elements are not whole bytes");
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return any_layout(problem, 1);
}

KernelChoice lower(const Problem& problem, std::string_view) {
  Parameters parameters;
  parameters.set("axis", physical_axis(1, problem.input_type(0).rank(), problem.layouts.output(0)));
  parameters.set("groups", shuffle_groups(problem));
  return {"shuffle", parameters.text()};
}

}  // namespace

const Tactic& tactic_shuffle_cpu() {
  static const Tactic tactic{.name = "shuffle_cpu",
                             .backend = "cpu",
                             .ops = {op_reshape},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
