// SPDX-License-Identifier: Apache-2.0
// 2-D pooling by own loops: the maximum of f32 as it lies (oneDNN has no fast code for that), and
// maxima of f32, bf16 and bytes and means of f32 with channels innermost.
#include "backends/cpu/parameters.hpp"
#include "backends/cpu/tactics/window_support.hpp"
#include "ops/pool.hpp"
#include "tactic/tactic.hpp"

namespace strop::cpu {
const Tactic& tactic_pool_cpu();
namespace {

constexpr std::int64_t kMostTaps = std::int64_t{1} << 20;  // a larger window is the reference's

Acceptance accepts(const Problem& problem) {
  const auto& pool = problem.attributes<PoolAttributes>();
  const Type& x = problem.input_type(0);
  const bool short_elements =
      x.dtype == DType::i8 || x.dtype == DType::u8 || x.dtype == DType::bf16;
  if (pool.function == PoolFunction::max
          ? x.dtype != DType::f32 && !short_elements
          : pool.function != PoolFunction::average || x.dtype != DType::f32) {
    return Acceptance::refuse("it takes maxima of f32, bf16 and bytes, and means of f32");
  }
  if (x.rank() != 4 || pool.kernel.size() != 2) return Acceptance::refuse("it takes 2-D pooling");
  if (problem.node->outputs.size() > 1) return Acceptance::refuse("it gives no indices");
  if (pool.auto_pad != AutoPad::explicit_pads) return Acceptance::refuse("it takes explicit pads");
  if (pool.function == PoolFunction::average && pool.ceil_mode && pool.count_include_pad)
    return Acceptance::refuse("it counts no padding where sizes round up");
  if (pool.kernel[0] * pool.kernel[1] > kMostTaps)
    return Acceptance::refuse("the window is too large");
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  std::vector<OperandLayouts> out;
  if (problem.attributes<PoolAttributes>().function == PoolFunction::max &&
      problem.input_type(0).dtype == DType::f32) {
    out.emplace_back();
  }
  out.push_back({{Layout::channels_last}, {Layout::channels_last}});
  return out;
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const auto& pool = problem.attributes<PoolAttributes>();
  Parameters parameters;
  parameters.set("kernel", pool.kernel);
  set_window(pool, 2, parameters);
  if (problem.layouts.output(0) == Layout::plain) return {"max_pool", parameters.text()};
  parameters.set("function", pool.function == PoolFunction::max ? "max" : "average");
  parameters.set("count_include_pad", std::int64_t{pool.count_include_pad});
  return {"channel_pool", parameters.text()};
}

}  // namespace

const Tactic& tactic_pool_cpu() {
  static const Tactic tactic{.name = "pool_cpu",
                             .backend = "cpu",
                             .ops = {op_pool},
                             .accepts = accepts,
                             .configs = nullptr,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
