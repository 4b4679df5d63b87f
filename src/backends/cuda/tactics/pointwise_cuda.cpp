// SPDX-License-Identifier: Apache-2.0
// Pointwise operators, quantisation among them, single or fused, with broadcasting, in one pass
// through memory. Inputs of
// lower rank than the output lie as they are, whatever the layout of the others.
#include <fmt/format.h>

#include <algorithm>

#include "backends/cuda/codegen/pointwise_body.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/walk.hpp"
#include "base/error.hpp"
#include "ops/batch_norm.hpp"
#include "ops/binary.hpp"
#include "ops/cast.hpp"
#include "ops/clip.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/quantize_linear.hpp"
#include "ops/requantize.hpp"
#include "ops/select.hpp"
#include "ops/table_lookup.hpp"
#include "ops/unary.hpp"

namespace strop::cuda {
const Tactic& tactic_pointwise_cuda();
namespace {

constexpr int kPackBytes = 16;  // of the widest element

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto body = PointwiseBody::read(problem, refusal);
  if (!body) return Acceptance::refuse(refusal);
  const auto rank = problem.output_type(0).rank();
  for (std::size_t i = 0; i < problem.node->outputs.size(); ++i) {
    if (rank < 0 || problem.output_type(i).shape != problem.output_type(0).shape)
      return Acceptance::refuse("its outputs have several shapes, or of unknown rank");
  }
  for (const std::size_t i : body->inputs()) {
    if (problem.input_type(i).rank() < 0 || problem.input_type(i).rank() > rank)
      return Acceptance::refuse("the rank of an input is not known");
  }
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  std::vector<OperandLayouts> out(1);
  const auto rank = problem.output_type(0).rank();
  if (rank < 3) return out;
  OperandLayouts last;
  last.outputs.assign(problem.node->outputs.size(), Layout::channels_last);
  bool any = false;
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    const bool whole = problem.has_input(i) && problem.input_type(i).rank() == rank;
    last.inputs.push_back(whole ? Layout::channels_last : Layout::plain);
    any = any || whole;
  }
  if (any) out.push_back(std::move(last));
  return out;
}

struct Plan {
  Walk walk;  // operands: the inputs that are read, then the output
  int pack = 1;
};

Plan plan_walk(const Problem& problem, const LaunchShapes& shapes, const PointwiseBody& body) {
  const SymShape& whole = shapes.output(0);
  std::vector<SymShape> strides;
  std::int64_t widest = bits_of(problem.output_type(0).dtype) / 8;
  for (std::size_t i = 1; i < problem.node->outputs.size(); ++i)
    widest = std::max<std::int64_t>(widest, bits_of(problem.output_type(i).dtype) / 8);
  for (const std::size_t i : body.inputs()) {
    if (const auto axis = body.axes().find(i); axis != body.axes().end()) {
      strides.emplace_back(whole.size(), Dim(0));
      strides.back()[static_cast<std::size_t>(axis->second)] = Dim(1);
      continue;
    }
    strides.push_back(broadcast_strides(shapes.input(i), shapes.input_strides(i), whole));
    if (problem.input_type(i).shape == problem.output_type(0).shape)
      widest = std::max<std::int64_t>(widest, bits_of(problem.input_type(i).dtype) / 8);
  }
  strides.push_back(shapes.output_strides(0));
  Plan out;
  out.walk.operands.resize(strides.size());
  for (const std::size_t axis :
       memory_order(static_cast<std::int64_t>(whole.size()), problem.layouts.output(0))) {
    out.walk.sizes.push_back(whole[axis]);
    for (std::size_t k = 0; k < strides.size(); ++k)
      out.walk.operands[k].strides.push_back(strides[k][axis]);
  }
  out.walk.collapse();
  out.pack = out.walk.pack(static_cast<int>(kPackBytes / widest));
  return out;
}

// One element of each operand, by an index within the pack.
std::string element_code(const Problem& problem, const PointwiseBody& body,
                         const std::vector<std::string>& from, const std::string& to) {
  std::string out;
  for (std::size_t k = 0; k < body.inputs().size(); ++k) {
    const std::size_t i = body.inputs()[k];
    out += fmt::format("    const {} u{} = wide({});\n", compute_type(problem.input_type(i).dtype),
                       i, from[k]);
  }
  out += body.code();
  for (std::size_t i = 0; i < problem.node->outputs.size(); ++i) {
    out += fmt::format("    {} = narrow<{}>(e{});\n", fmt::format(fmt::runtime(to), i),
                       element_type(problem.output_type(i).dtype), i);
  }
  return out;
}

KernelChoice lower(const Problem& problem, std::string_view) {
  std::string refusal;
  const auto body = PointwiseBody::read(problem, refusal);
  STROP_CHECK(body.has_value(), "a problem is lowered after it was accepted");
  const LaunchShapes shapes(problem);
  const auto [walk, pack] = plan_walk(problem, shapes, *body);
  KernelWriter writer(problem, shapes, "pointwise");
  writer.use("pointwise_functions");
  writer.use("wide_functions");
  std::vector<std::string> names, from, types;
  for (const std::size_t i : body->inputs()) {
    names.push_back(fmt::format("at{}", i));
    types.push_back(element_type(problem.input_type(i).dtype));
    writer.input(i, types.back());
  }
  names.push_back("to");
  for (const std::size_t i : body->tables()) writer.input(i, "unsigned char");
  for (std::size_t i = 0; i < problem.node->outputs.size(); ++i)
    writer.output(i, element_type(problem.output_type(i).dtype));

  const Dim count = walk.count();
  const bool ends_anywhere = pack > 1 && !is_multiple(count, pack);
  std::string text = walk.offsets(writer, "index", pack, names);
  // A pack at once.
  std::string packed;
  for (std::size_t k = 0; k < body->inputs().size(); ++k) {
    const std::size_t i = body->inputs()[k];
    const bool still = walk.sizes.empty() || walk.operands[k].strides.back().is(0);
    if (still || pack == 1) {
      packed += fmt::format("  const {} p{} = x{}[at{}];\n", types[k], i, i, i);
      from.push_back(fmt::format("p{}", i));
    } else {
      packed += fmt::format(
          "  const Pack<{0}, {1}> p{2} = *reinterpret_cast<const Pack<{0}, {1}>*>(x{2} + at{2});\n",
          types[k], pack, i);
      from.push_back(fmt::format("p{}.v[k]", i));
    }
  }
  for (std::size_t i = 0; i < problem.node->outputs.size(); ++i) {
    packed +=
        fmt::format("  Pack<{}, {}> q{};\n", element_type(problem.output_type(i).dtype), pack, i);
  }
  packed += fmt::format("#pragma unroll\n  for (int k = 0; k < {}; ++k) {{\n{}  }}\n", pack,
                        element_code(problem, *body, from, "q{}.v[k]"));
  for (std::size_t i = 0; i < problem.node->outputs.size(); ++i) {
    packed += fmt::format("  *reinterpret_cast<Pack<{0}, {1}>*>(y{2} + to) = q{2};\n",
                          element_type(problem.output_type(i).dtype), pack, i);
  }
  if (ends_anywhere) {
    for (std::size_t k = 0; k < body->inputs().size(); ++k) {
      const std::size_t i = body->inputs()[k];
      const bool still = walk.operands[k].strides.back().is(0);
      from[k] = still ? fmt::format("x{0}[at{0}]", i) : fmt::format("x{0}[at{0} + k]", i);
    }
    text += fmt::format(
        "  if (to + {0} > {1}) {{\n  for (I k = 0; to + k < {1}; ++k) {{\n{2}  }}\n  return;\n  "
        "}}\n",
        pack, writer.number(count), element_code(problem, *body, from, "y{}[to + k]"));
  }
  text += packed;
  LaunchStep step;
  writer.finish_items(step, text, ceildiv(count, Dim(pack)));
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_pointwise_cuda() {
  static const Tactic tactic{
      .name = "pointwise_cuda",
      .backend = "cuda",
      .ops = {op_unary, op_binary, op_clip, op_select, op_cast, op_quantize_linear,
              op_dequantize_linear, op_requantize, op_table_lookup, op_batch_norm},
      .reads_bodies = true,
      .accepts = accepts,
      .layouts = layouts,
      .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
