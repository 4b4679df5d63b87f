// SPDX-License-Identifier: Apache-2.0
// Tables of 256 bytes, in any layout.
#include "backends/cpu/parameters.hpp"
#include "ops/table_lookup.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cpu {
const Tactic& tactic_table_lookup_cpu();
namespace {

Acceptance accepts(const Problem& problem) {
  for (const std::size_t i : {0, 1}) {
    const DType dtype = problem.input_type(i).dtype;
    if (dtype != DType::i8 && dtype != DType::u8) return Acceptance::refuse("it takes bytes");
  }
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return any_layout(problem, 1);
}

KernelChoice lower(const Problem&, std::string_view) { return {"table_lookup", ""}; }

}  // namespace

const Tactic& tactic_table_lookup_cpu() {
  static const Tactic tactic{.name = "table_lookup_cpu",
                             .backend = "cpu",
                             .ops = {op_table_lookup},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
