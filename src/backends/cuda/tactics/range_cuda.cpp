// SPDX-License-Identifier: Apache-2.0
// range of integers from a constant in constant steps: one thread for each number. How many there
// are is the size of the output, so that the limit is not read.
#include <fmt/format.h>

#include "backends/cuda/codegen/kernel_writer.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "ops/range.hpp"

namespace strop::cuda {
const Tactic& tactic_range_cuda();
namespace {

constexpr std::size_t kStart = 0, kLimit = 1, kDelta = 2;

Acceptance accepts(const Problem& problem) {
  const DType dtype = problem.output_type(0).dtype;
  if (dtype != DType::i32 && dtype != DType::i64)
    return Acceptance::refuse("it is for i32 and i64");
  if (problem.constant(kStart) == nullptr || problem.constant(kDelta) == nullptr)
    return Acceptance::refuse("its start or its step is no constant");
  if (!problem.input_type(kLimit).shape)
    return Acceptance::refuse("the rank of limit is not known");
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const std::string type = element_type(problem.output_type(0).dtype);
  KernelWriter writer(problem, shapes, "range");
  const std::string y = writer.output(0, type);
  LaunchStep step;
  // Wraps around as the operator does.
  writer.finish_items(step,
                      fmt::format("  using Wide = unsigned long long;\n"
                                  "  {}[index] = static_cast<{}>(static_cast<Wide>({}) + "
                                  "static_cast<Wide>(index) * static_cast<Wide>({}));\n",
                                  y, type, literal(*problem.constant(kStart), 0),
                                  literal(*problem.constant(kDelta), 0)),
                      product(shapes.output(0)));
  step.replaced[kLimit] = {*problem.constant(kStart)};
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_range_cuda() {
  static const Tactic tactic{.name = "range_cuda",
                             .backend = "cuda",
                             .ops = {op_range},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
