// SPDX-License-Identifier: Apache-2.0
// 2-D max pooling by own loops over NCHW, where oneDNN has no fast code for that layout.
#include "backends/cpu/parameters.hpp"
#include "ops/pool.hpp"
#include "tactic/tactic.hpp"

namespace strop::cpu {
const Tactic& tactic_pool_cpu();
namespace {

constexpr std::int64_t kMostTaps = std::int64_t{1} << 20;  // a larger window is the reference's

Acceptance accepts(const Problem& problem) {
  const auto& pool = problem.attributes<PoolAttributes>();
  const Type& x = problem.input_type(0);
  if (pool.function != PoolFunction::max) return Acceptance::refuse("it takes max pooling only");
  if (x.dtype != DType::f32) {
    return Acceptance::refuse("input x is " + std::string(to_string(x.dtype)) +
                              ", this tactic is for f32");
  }
  if (x.rank() != 4 || pool.kernel.size() != 2) return Acceptance::refuse("it takes 2-D pooling");
  if (problem.node->outputs.size() > 1) return Acceptance::refuse("it gives no indices");
  if (pool.auto_pad != AutoPad::explicit_pads) return Acceptance::refuse("it takes explicit pads");
  if (pool.kernel[0] * pool.kernel[1] > kMostTaps)
    return Acceptance::refuse("the window is too large");
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const auto& pool = problem.attributes<PoolAttributes>();
  const auto per_axis = [](std::vector<std::int64_t> values, std::size_t count,
                           std::int64_t otherwise) {
    values.resize(count, otherwise);
    return values;
  };
  Parameters parameters;
  parameters.set("kernel", pool.kernel);
  parameters.set("strides", per_axis(pool.strides, 2, 1));
  parameters.set("dilations", per_axis(pool.dilations, 2, 1));
  parameters.set("pads", per_axis(pool.pads, 4, 0));
  return {"max_pool", parameters.text()};
}

}  // namespace

const Tactic& tactic_pool_cpu() {
  static const Tactic tactic{.name = "pool_cpu",
                             .backend = "cpu",
                             .ops = {op_pool},
                             .accepts = accepts,
                             .configs = nullptr,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
