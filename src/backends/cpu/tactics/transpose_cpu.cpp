// SPDX-License-Identifier: Apache-2.0
// Any order of axes, for elements of whole bytes.
#include <algorithm>
#include <numeric>

#include "backends/cpu/parameters.hpp"
#include "ops/transpose.hpp"
#include "tactic/tactic.hpp"

namespace strop::cpu {
const Tactic& tactic_transpose_cpu();
namespace {

Acceptance accepts(const Problem& problem) {
  if (!problem.is(op_transpose())) return Acceptance::refuse({});
  const Type& x = problem.input_type(0);
  const auto bits = x.dtype == DType::string ? 0 : bits_of(x.dtype);
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64)
    return Acceptance::refuse("its elements are of another width than 1, 2, 4 or 8 bytes");
  if (x.rank() < 0) return Acceptance::refuse("the rank of its input is not known");
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  std::vector<std::int64_t> perm = problem.attributes<TransposeAttributes>().perm;
  if (perm.empty()) {
    perm.resize(static_cast<std::size_t>(problem.input_type(0).rank()));
    std::iota(perm.rbegin(), perm.rend(), 0);
  }
  Parameters parameters;
  parameters.set("perm", perm);
  return {"transpose", parameters.text()};
}

}  // namespace

const Tactic& tactic_transpose_cpu() {
  static const Tactic tactic{.name = "transpose_cpu",
                             .backend = "cpu",
                             .ops = {op_transpose},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
