// SPDX-License-Identifier: Apache-2.0
// Convolution with windows of 3 x 3 and stride 1 by Winograd's F(4 x 4, 3 x 3) ("f4") or
// F(2 x 2, 3 x 3) ("f2"), which rounds elsewhere than the sum does: not for precise engines.
#include <algorithm>

#include "backends/cpu/tactics/conv_support.hpp"
#include "ops/conv.hpp"

namespace strop::cpu {
const Tactic& tactic_conv_winograd();
namespace {

constexpr std::int64_t kLeastChannels = 16;  // below, transforms cost more than they save

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto view = view_as_conv_f32(problem, refusal);
  if (!view) return Acceptance::refuse(refusal);
  const auto& conv = view->anchor->as<ConvAttributes>();
  const Tensor* w = problem.constant(static_cast<std::size_t>(view->input(1)));
  const auto all_one = [](const std::vector<std::int64_t>& values) {
    return std::ranges::all_of(values, [](std::int64_t value) { return value == 1; });
  };
  if (w->rank() != 4 || w->dim(2) != 3 || w->dim(3) != 3 || !all_one(conv.strides) ||
      !all_one(conv.dilations) || conv.group != 1) {
    return Acceptance::refuse("its window is not 3 x 3 with stride 1");
  }
  if (w->dim(0) < kLeastChannels || w->dim(1) < kLeastChannels)
    return Acceptance::refuse("it has too few channels");
  if (problem.precise) return Acceptance::refuse("a precise engine sums as the convolution does");
  return Acceptance::accept();
}

std::vector<std::string> configs(const Problem&) { return {"f4", "f2"}; }

KernelChoice lower(const Problem& problem, std::string_view config) {
  Parameters parameters = conv_parameters(problem);
  parameters.set("m", config == "f4" ? std::int64_t{4} : std::int64_t{2});
  return {"conv_winograd_f32", parameters.text()};
}

}  // namespace

const Tactic& tactic_conv_winograd() {
  static const Tactic tactic{.name = "conv_winograd",
                             .backend = "cpu",
                             .ops = {op_conv},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .configs = configs,
                             .layouts = conv_layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
