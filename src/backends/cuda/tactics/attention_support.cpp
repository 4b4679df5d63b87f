// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/tactics/attention_support.hpp"

#include "backends/cuda/codegen/launch_shapes.hpp"
#include "base/error.hpp"
#include "ops/attention.hpp"
#include "tactic/attention_view.hpp"

namespace strop::cuda {
namespace {

// [B, heads, L, size], or those heads within [B, L, columns] or [L, B, columns].
struct Heads {
  AttentionOperand operand;
  Dim batches, heads, rows, size;
};

Heads heads_of(Operand operand, const SymShape& shape, const std::optional<PackedHeads>& packed) {
  Heads out;
  out.operand.operand = std::move(operand);
  out.batches = shape[packed && packed->rows_first ? 1 : 0];
  if (packed) {
    out.rows = shape[packed->rows_first ? 0 : 1];
    out.heads = packed->heads;
    out.size = packed->size;
    out.operand.offset = packed->offset;
    const Dim outer = shape[1] * Dim(packed->columns);
    out.operand.batch = packed->rows_first ? Dim(packed->columns) : outer;
    out.operand.head = packed->stride;
    out.operand.row = packed->rows_first ? outer : Dim(packed->columns);
  } else {
    out.heads = shape[1];
    out.rows = shape[2];
    out.size = shape[3];
    out.operand.batch = shape[1] * shape[2] * shape[3];
    out.operand.head = shape[2] * shape[3];
    out.operand.row = shape[3];
  }
  return out;
}

std::optional<AttentionProblem::Extra> extra_of(const Problem& problem, const LaunchShapes& shapes,
                                                std::int64_t input) {
  if (input < 0) return std::nullopt;
  const auto i = static_cast<std::size_t>(input);
  return AttentionProblem::Extra{Operand::in(static_cast<std::uint32_t>(i)),
                                 problem.input_type(i).dtype, shapes.input(i)};
}

// Why the operands' types or ranks are not taken; empty when they are.
std::string refused_operand(const Problem& problem, const AttentionView& view) {
  const DType element = problem.output_type(0).dtype;
  if (element != DType::f32 && element != DType::f16 && element != DType::bf16)
    return "it takes f32, f16 and bf16, not " + std::string(to_string(element));
  if (problem.output_type(0).rank() != (view.merged ? 3 : 4))
    return "the rank of its result is not known";
  const std::int64_t operands[] = {view.inputs[0], view.inputs[1], view.inputs[2], view.bias,
                                   view.lengths,   view.start,     view.sink};
  for (std::size_t i = 0; i < std::size(operands); ++i) {
    if (operands[i] < 0) continue;
    const Type& type = problem.input_type(static_cast<std::size_t>(operands[i]));
    const std::string name(op_attention().inputs[i].name);
    if (!type.shape) return "the rank of " + name + " is not known";
    const std::int64_t rank = i > 3 ? 1 : i < 3 && view.heads[i] ? 3 : 4;
    if (i == 3 ? type.rank() > rank : type.rank() != rank)
      return name + " has " + std::to_string(type.rank()) + " dimensions";
    const bool same = i < 3 || (i == 3 && type.dtype != DType::boolean);
    if ((same && type.dtype != element) || type.dtype == DType::f64)
      return name + " is " + std::string(to_string(type.dtype));
  }
  return {};
}

}  // namespace

std::optional<AttentionProblem> read_attention(const Problem& problem, std::string& refusal) {
  const auto view = view_as_attention(problem, refusal);
  if (!view) return std::nullopt;
  if (view->node->outputs.size() > 1) refusal = "its scores are wanted";
  if (refusal.empty()) refusal = refused_operand(problem, *view);
  if (!refusal.empty()) return std::nullopt;
  const LaunchShapes shapes(problem);
  const auto heads = [&](std::size_t operand) {
    const auto i = static_cast<std::size_t>(view->inputs[operand]);
    return heads_of(Operand::in(static_cast<std::uint32_t>(i)), shapes.input(i),
                    view->heads[operand]);
  };
  const Heads q = heads(0), k = heads(1), v = heads(2);
  if (!q.size.is_constant() || !v.size.is_constant() || q.size.value() < 1 || v.size.value() < 1) {
    refusal = "the size of its heads is not known";
    return std::nullopt;
  }
  AttentionProblem out;
  out.element = problem.output_type(0).dtype;
  out.q = q.operand;
  out.k = k.operand;
  out.v = v.operand;
  out.batches = q.batches;
  out.heads = q.heads;
  out.kv_heads = k.heads;
  out.queries = q.rows;
  out.keys = k.rows;
  out.size = q.size.value();
  out.value_size = v.size.value();
  std::optional<PackedHeads> merged;
  if (view->merged) {
    const std::int64_t size = out.value_size;
    const std::int64_t count = problem.output_type(0).shape->back().value() / size;
    merged = PackedHeads{{}, count * size, 0, count, size, size, view->merged_rows_first};
  }
  out.y = heads_of(Operand::out(0), shapes.output(0), merged).operand;
  const auto& attributes = view->node->as<AttentionAttributes>();
  out.scale = attributes.scale;
  out.softcap = attributes.softcap;
  out.left = attributes.left;
  out.right = attributes.right;
  out.zero_nan = attributes.zero_nan;
  out.bias = extra_of(problem, shapes, view->bias);
  if (out.bias) out.bias->sizes.insert(out.bias->sizes.begin(), 4 - out.bias->sizes.size(), 1);
  out.lengths = extra_of(problem, shapes, view->lengths);
  out.start = extra_of(problem, shapes, view->start);
  out.sink = extra_of(problem, shapes, view->sink);
  return out;
}

AttentionProblem accepted_attention(const Problem& problem) {
  std::string refusal;
  auto out = read_attention(problem, refusal);
  STROP_CHECK(out.has_value(), "a problem is lowered after it was accepted");
  return std::move(*out);
}

std::int64_t shared_bytes_for_attention(const Problem& problem) {
  constexpr std::int64_t kOfEveryChip = 99 << 10;
  const std::int64_t known = problem.device != nullptr ? problem.device->shared_bytes : 0;
  return known > 0 ? known : kOfEveryChip;
}

}  // namespace strop::cuda
