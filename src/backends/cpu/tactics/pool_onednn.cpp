// SPDX-License-Identifier: Apache-2.0
// Max and average pooling as a oneDNN primitive.
#include "backends/cpu/onednn_library.hpp"
#include "backends/cpu/parameters.hpp"
#include "backends/cpu/tactics/window_support.hpp"
#include "ops/pool.hpp"
#include "ops/window.hpp"
#include "tactic/tactic.hpp"

namespace strop::cpu {
const Tactic& tactic_pool_onednn();
namespace {

// Where a window finds nothing, oneDNN's maximum is the lowest finite number. It divides by the
// number of elements found for a mean, and refuses shapes where it takes it that there may be none.
bool may_find_nothing(const PoolAttributes& pool, const Type& x) {
  if (pool.function == PoolFunction::average && pool.count_include_pad) return false;
  const std::size_t axes = pool.kernel.size();
  for (std::size_t i = 0; i < axes; ++i) {
    const std::int64_t dilation = at_or(pool.dilations, i, 1);
    const std::int64_t reach = (pool.kernel[i] - 1) * dilation + 1;
    if (at_or(pool.pads, i, 0) >= reach || at_or(pool.pads, i + axes, 0) >= reach) return true;
    const Dim& size = (*x.shape)[2 + i];
    const bool fits = size.is_constant() && dilation <= size.value();
    if (pool.kernel[i] > 1 && dilation > 1 && !fits) return true;
  }
  return false;
}

Acceptance accepts(const Problem& problem) {
  const auto& pool = problem.attributes<PoolAttributes>();
  if (problem.input_type(0).dtype != DType::f32) {
    return Acceptance::refuse("input x is " + std::string(to_string(problem.input_type(0).dtype)) +
                              ", this tactic is for f32");
  }
  const std::int64_t rank = problem.input_type(0).rank();
  if (rank < 3 || rank > 5) return Acceptance::refuse("it takes 1-D to 3-D pooling of known rank");
  double taps = 1;
  for (std::int64_t size : pool.kernel) taps *= static_cast<double>(size);
  if (taps > double{1 << 20}) return Acceptance::refuse("its window is larger than 2^20 elements");
  if (pool.function == PoolFunction::lp) return Acceptance::refuse("oneDNN has no Lp pooling");
  if (problem.node->outputs.size() > 1)
    return Acceptance::refuse("oneDNN gives no indices in ONNX's order");
  if (pool.function == PoolFunction::average && pool.count_include_pad && pool.ceil_mode) {
    return Acceptance::refuse("oneDNN would count elements beyond the padding");
  }
  if (may_find_nothing(pool, problem.input_type(0)))
    return Acceptance::refuse("oneDNN takes no windows that may lie in the padding");
  if (!onednn_available()) return Acceptance::refuse(onednn_description());
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const auto& pool = problem.attributes<PoolAttributes>();
  const std::size_t axes = pool.kernel.size();
  Parameters parameters;
  parameters.set("function", pool.function == PoolFunction::max ? "max"
                             : pool.count_include_pad           ? "average_include_pad"
                                                                : "average_exclude_pad");
  parameters.set("kernel", pool.kernel);
  set_window(pool, axes, parameters);
  parameters.set("auto_pad", enum_names(pool.auto_pad)[static_cast<std::size_t>(pool.auto_pad)]);
  return {"pool_onednn", parameters.text()};
}

}  // namespace

const Tactic& tactic_pool_onednn() {
  static const Tactic tactic{.name = "pool_onednn",
                             .backend = "cpu",
                             .opens_library = true,
                             .ops = {op_pool},
                             .accepts = accepts,
                             .configs = nullptr,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
