// SPDX-License-Identifier: Apache-2.0
// Convolution (with bias and epilogue) as a oneDNN primitive. Two ways: "blocked" lets oneDNN
// choose its activation layout and reorders at both ends of the step, "plain" stays in NCHW.
#include "backends/cpu/onednn_library.hpp"
#include "backends/cpu/parameters.hpp"
#include "backends/cpu/tactics/anchor_support.hpp"
#include "backends/cpu/tactics/window_support.hpp"
#include "ops/conv.hpp"

namespace strop::cpu {
const Tactic& tactic_conv_onednn();
namespace {

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto view = view_as(problem, op_conv(), refusal);
  if (!view) return Acceptance::refuse(refusal);
  if (std::string why = operand_not_f32(problem); !why.empty())
    return Acceptance::refuse(std::move(why));
  const std::int64_t rank = problem.input_type(static_cast<std::size_t>(view->input(0))).rank();
  if (rank < 3 || rank > 5)
    return Acceptance::refuse("it takes 1-D to 3-D convolutions of known rank");
  const auto& channels = (*problem.input_type(static_cast<std::size_t>(view->input(0))).shape)[1];
  if (channels.is(0)) return Acceptance::refuse("there are no channels to sum over");
  if (!onednn_takes(view->epilogue, refusal)) return Acceptance::refuse(refusal);
  if (!onednn_available()) return Acceptance::refuse(onednn_description());
  return Acceptance::accept();
}

std::vector<std::string> configs(const Problem&) { return {"blocked", "plain"}; }

// oneDNN has nothing but its reference kernel, a thousand times slower, for these in plain layout.
Acceptance accepts_config(const Problem& problem, std::string_view config) {
  if (config != "plain") return Acceptance::accept();
  std::string refusal;
  const auto view = view_as(problem, op_conv(), refusal);
  bool after_function = false;
  for (const EpilogueStep& step : view->epilogue) {
    if (step.kind == EpilogueStep::binary && after_function)
      return Acceptance::refuse("oneDNN sums behind a function in blocked layouts alone");
    after_function = after_function || step.kind != EpilogueStep::binary;
  }
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view config) {
  std::string refusal;
  const auto view = view_as(problem, op_conv(), refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  const auto& conv = view->anchor->as<ConvAttributes>();
  const auto rank =
      static_cast<std::size_t>(problem.input_type(static_cast<std::size_t>(view->input(0))).rank());
  Parameters parameters;
  parameters.set("inputs",
                 std::vector<std::int64_t>{view->input(0), view->input(1), view->input(2)});
  set_window(conv, rank - 2, parameters);
  parameters.set("auto_pad", enum_names(conv.auto_pad)[static_cast<std::size_t>(conv.auto_pad)]);
  parameters.set("group", conv.group);
  parameters.set("layout", config);
  parameters.set("epilogue", to_text(view->epilogue));
  return {"conv_onednn", parameters.text()};
}

}  // namespace

const Tactic& tactic_conv_onednn() {
  static const Tactic tactic{.name = "conv_onednn",
                             .backend = "cpu",
                             .opens_library = true,
                             .ops = {op_conv},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .configs = configs,
                             .accepts_config = accepts_config,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu
