// SPDX-License-Identifier: Apache-2.0
#include "tactic/anchor_view.hpp"

#include <algorithm>
#include <limits>

#include "base/float_types.hpp"
#include "ops/binary.hpp"
#include "ops/clip.hpp"
#include "ops/normalize_by_sums.hpp"
#include "ops/row_sums.hpp"
#include "ops/unary.hpp"
#include "tactic/fused_view.hpp"

namespace strop {
namespace {

std::optional<double> scalar(const Tensor* tensor) {
  if (tensor == nullptr || tensor->size() != 1) return std::nullopt;
  const DType type = tensor->dtype();
  if (type != DType::f32 && type != DType::f16 && type != DType::bf16) return std::nullopt;
  return load_as_double(type, tensor->data(), 0);
}

// One pointwise node after the value `running`; nothing (and why) when it cannot be a step.
std::optional<EpilogueStep> read_step(const FusedView& body, const Node& node, ValueId running,
                                      std::string& refusal) {
  EpilogueStep step;
  if (node.is(op_unary())) {
    const auto& attributes = node.as<UnaryAttributes>();
    step.kind = EpilogueStep::unary;
    step.function = enum_names(attributes.function)[static_cast<std::size_t>(attributes.function)];
    step.alpha = attributes.alpha;
    step.beta = attributes.beta;
    return step;
  }
  if (node.is(op_binary())) {
    const auto& attributes = node.as<BinaryAttributes>();
    step.kind = EpilogueStep::binary;
    step.function = enum_names(attributes.function)[static_cast<std::size_t>(attributes.function)];
    step.swapped = node.inputs[0] != running;
    if (node.inputs[0] == node.inputs[1]) {
      refusal = "a step uses the running value twice";
      return std::nullopt;
    }
    const std::int64_t index = body.input_index(node.inputs[step.swapped ? 0 : 1]);
    if (index < 0) {
      refusal = "a step's operand is computed inside the fused node";
      return std::nullopt;
    }
    step.input = static_cast<std::uint32_t>(index);
    return step;
  }
  if (node.is(op_clip()) && node.inputs[0] == running) {
    step.kind = EpilogueStep::clip;
    step.alpha = -std::numeric_limits<float>::infinity();
    step.beta = std::numeric_limits<float>::infinity();
    const auto bound = [&](std::size_t i, double& into) {
      if (!node.input(i).exists()) return true;
      const auto value = scalar(body.constant(node.input(i)));
      if (value) into = *value;
      return value.has_value();
    };
    if (!bound(1, step.alpha) || !bound(2, step.beta)) {
      refusal = "a clip's bounds are not constants";
      return std::nullopt;
    }
    return step;
  }
  refusal = "a step is the operator " + std::string(node.op->name);
  return std::nullopt;
}

}  // namespace

std::optional<Epilogue> read_steps(const FusedView& body, std::size_t first, std::size_t end,
                                   ValueId& running, std::string& refusal) {
  Epilogue out;
  for (std::size_t i = first; i < end; ++i) {
    const Node& node = *body.nodes()[i];
    if (std::ranges::find(node.inputs, running) == node.inputs.end()) {
      refusal = "its body is not a chain";
      return std::nullopt;
    }
    auto step = read_step(body, node, running, refusal);
    if (!step) return std::nullopt;
    out.push_back(std::move(*step));
    running = node.outputs[0];
  }
  return out;
}

bool read_epilogue(const FusedView& body, std::size_t first, ValueId running, Epilogue& epilogue,
                   std::string& refusal) {
  auto steps = read_steps(body, first, body.nodes().size(), running, refusal);
  if (!steps) return false;
  epilogue = std::move(*steps);
  if (!body.ends_in(running)) refusal = "its body has other outputs";
  return body.ends_in(running);
}

namespace {

// The nodes behind the anchor: a chain, and perhaps row_sums of what it makes.
bool read_end(const FusedView& body, std::size_t anchor, AnchorView& view, RowSums row_sums,
              std::string& refusal) {
  const std::size_t end = body.nodes().size() - 1;
  const ValueId sums = body.nodes()[anchor]->outputs[0];
  if (row_sums == RowSums::refused || end == anchor || !body.nodes()[end]->is(op_row_sums()))
    return read_epilogue(body, anchor + 1, sums, view.epilogue, refusal);
  ValueId running = sums;
  auto steps = read_steps(body, anchor + 1, end, running, refusal);
  if (!steps) return false;
  view.epilogue = std::move(*steps);
  view.sums_block = body.nodes()[end]->as<RowSumsAttributes>().block;
  const bool sound = body.nodes()[end]->inputs[0] == running &&
                     body.gives({running, body.nodes()[end]->outputs[0]});
  if (!sound) refusal = "its body sums other rows, or has other outputs";
  return sound;
}

// Whether what is before the anchor normalises its input 0.
bool read_normalized(const FusedView& body, AnchorView& view, std::string& refusal) {
  const Node& node = *body.nodes()[0];
  const auto index = [&](std::size_t i) {
    return node.input(i).exists() ? body.input_index(node.inputs[i]) : -1;
  };
  view.inputs[0] = index(0);
  view.normalized = NormalizedRows{.sums = index(1),
                                   .scale = index(2),
                                   .bias = index(3),
                                   .epsilon = node.as<NormalizeBySumsAttributes>().epsilon};
  const std::vector<ValueId>& read = view.anchor->inputs;
  bool sound = std::ranges::count(read, node.outputs[0]) == 1 && read[0] == node.outputs[0];
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    sound = sound && (!node.inputs[i].exists() || index(i) >= 0);
  if (!sound) refusal = "its rows are normalised in another way";
  return sound;
}

// The anchor is a node of the body; `first`, of its inputs, is the first that is the body's.
std::optional<AnchorView> view_from(const Problem& problem, const FusedView& body,
                                    std::size_t anchor, std::size_t first, std::string& refusal,
                                    RowSums row_sums = RowSums::refused) {
  AnchorView view;
  view.anchor = body.nodes()[anchor];
  const Type& sum = body.type(view.anchor->outputs[0]);
  const Type& output = problem.output_type(0);
  if (sum.shape != output.shape || (sum.dtype != output.dtype && !body.casts())) {
    refusal = "the epilogue changes the shape or the element type";
    return std::nullopt;
  }
  for (ValueId input : view.anchor->inputs)
    view.inputs.push_back(input.exists() ? body.input_index(input) : -1);
  for (std::size_t i = first; i < view.anchor->inputs.size(); ++i) {
    if (view.anchor->inputs[i].exists() && view.inputs[i] < 0) {
      refusal = "an operand is a constant inside the fused node";
      return std::nullopt;
    }
  }
  if (!read_end(body, anchor, view, row_sums, refusal)) return std::nullopt;
  return view;
}

}  // namespace

std::optional<AnchorView> view_as(const Problem& problem, const OpDef& anchor, std::string& refusal,
                                  Casts casts, RowSums row_sums) {
  const FusedView body(problem);
  const bool normalized = row_sums == RowSums::taken && begins_with_normalize(body);
  const std::size_t at = normalized ? 1 : 0;
  if (body.nodes().empty() || !body.nodes()[at]->is(anchor)) return std::nullopt;
  if (body.casts() && casts == Casts::refused) {
    refusal = "its operands are rounded";
    return std::nullopt;
  }
  auto view = view_from(problem, body, at, at, refusal, row_sums);
  if (view && normalized && !read_normalized(body, *view, refusal)) return std::nullopt;
  return view;
}

std::optional<AnchorView> view_as_joined(const Problem& problem, const OpDef& anchor,
                                         std::int64_t axis, std::string& refusal) {
  const FusedView body(problem);
  if (!begins_with_concat(body) || !body.nodes()[1]->is(anchor)) return std::nullopt;
  std::vector<std::int64_t> pieces;
  if (!view_pieces(body, *body.nodes()[1], axis, pieces)) {
    refusal = "its input is joined in another way";
    return std::nullopt;
  }
  auto view = view_from(problem, body, 1, 1, refusal);
  if (view) view->pieces = std::move(pieces);
  return view;
}

std::optional<AnchorView> view_as_chain(const Problem& problem, std::string& refusal) {
  const FusedView body(problem);
  if (body.nodes().empty() || body.casts()) return std::nullopt;
  const Node& first = *body.nodes()[0];
  if (!first.is(op_unary()) && !first.is(op_binary()) && !first.is(op_clip())) return std::nullopt;
  AnchorView view;
  view.anchor = &first;
  // The chain starts from the first operand that is as large as the output.
  std::size_t start = 0;
  if (first.is(op_binary()) && problem.node->inputs.size() > 1) {
    const std::int64_t left = body.input_index(first.inputs[0]);
    const std::int64_t right = body.input_index(first.inputs[1]);
    if (left >= 0 && right >= 0) {
      const Type& output = problem.output_type(0);
      const bool left_full =
          problem.input_type(static_cast<std::size_t>(left)).shape == output.shape;
      const bool right_full =
          problem.input_type(static_cast<std::size_t>(right)).shape == output.shape;
      if (!left_full && right_full) start = 1;
    }
  }
  view.inputs.push_back(body.input_index(first.inputs[start]));
  if (view.inputs[0] < 0) {
    refusal = "it starts from a constant inside the fused node";
    return std::nullopt;
  }
  if (!read_epilogue(body, 0, first.inputs[start], view.epilogue, refusal)) return std::nullopt;
  return view;
}

std::string operand_not_f32(const Problem& problem) {
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.has_input(i) && problem.input_type(i).dtype != DType::f32) {
      return "input " + std::to_string(i) + " is " +
             std::string(to_string(problem.input_type(i).dtype)) + ", this tactic is for f32";
    }
  }
  return {};
}

std::vector<OperandLayouts> channels_last_layouts(const Problem& problem, std::int64_t x,
                                                  const Epilogue& epilogue) {
  OperandLayouts out;
  out.outputs = {Layout::channels_last};
  out.inputs.assign(problem.node->inputs.size(), Layout::plain);
  out.inputs[static_cast<std::size_t>(x)] = Layout::channels_last;
  for (const EpilogueStep& step : epilogue) {
    if (step.kind == EpilogueStep::binary) out.inputs[step.input] = Layout::channels_last;
  }
  return {out};
}

}  // namespace strop
