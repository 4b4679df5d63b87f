// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/tactics/conv_support.hpp"

#include "backends/cpu/pointwise_functions.hpp"
#include "backends/cpu/tactics/window_support.hpp"
#include "ops/conv.hpp"

namespace strop::cpu {
namespace {

AnchorView accepted_view(const Problem& problem) {
  std::string refusal;
  auto view = view_as(problem, op_conv(), refusal, Casts::looked_through);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  return std::move(*view);
}

}  // namespace

std::optional<AnchorView> view_as_conv_f32(const Problem& problem, std::string& refusal) {
  const auto refuse = [&](std::string why) {
    refusal = std::move(why);
    return std::nullopt;
  };
  auto view = view_as(problem, op_conv(), refusal);
  if (!view) return std::nullopt;
  if (std::string why = operand_not_f32(problem); !why.empty()) return refuse(std::move(why));
  if (!takes_conv(problem, *view, refusal)) return std::nullopt;
  return view;
}

bool takes_conv(const Problem& problem, const AnchorView& view, std::string& refusal) {
  const std::int64_t rank = problem.input_type(static_cast<std::size_t>(view.input(0))).rank();
  const Tensor* w = problem.constant(static_cast<std::size_t>(view.input(1)));
  if (rank < 3 || rank > 4) {
    refusal = "it takes 1-D and 2-D convolutions";
  } else if (w == nullptr) {
    refusal = "its weights are not constant";
  } else if (w->size() == 0) {
    refusal = "there is nothing to sum over";
  } else {
    return runs_take(problem, view.epilogue, refusal);
  }
  return false;
}

std::vector<OperandLayouts> conv_layouts(const Problem& problem, std::string_view) {
  const AnchorView view = accepted_view(problem);
  return channels_last_layouts(problem, view.input(0), view.epilogue);
}

Parameters conv_parameters(const Problem& problem) {
  return conv_parameters(problem, accepted_view(problem));
}

Parameters conv_parameters(const Problem& problem, const AnchorView& view) {
  const auto& conv = view.anchor->as<ConvAttributes>();
  const auto rank =
      static_cast<std::size_t>(problem.input_type(static_cast<std::size_t>(view.input(0))).rank());
  Parameters parameters;
  parameters.set("inputs", std::vector<std::int64_t>{view.input(0), view.input(1), view.input(2)});
  set_window(conv, rank - 2, parameters);
  parameters.set("auto_pad", enum_names(conv.auto_pad)[static_cast<std::size_t>(conv.auto_pad)]);
  parameters.set("group", conv.group);
  parameters.set("epilogue", to_text(view.epilogue));
  return parameters;
}

}  // namespace strop::cpu
