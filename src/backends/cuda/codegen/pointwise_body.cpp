// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/pointwise_body.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "backends/cuda/codegen/pointwise_expression.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "ops/batch_norm.hpp"
#include "ops/chunk.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/fused.hpp"
#include "ops/quantize_linear.hpp"
#include "ops/requantize.hpp"
#include "ops/table_lookup.hpp"

namespace strop::cuda {
namespace {

class Reader {
 public:
  Reader(const Problem& problem, std::string& refusal)
      : problem_(problem),
        graph_(problem.is(op_fused()) ? body_of(*problem.node) : *problem.graph),
        refusal_(refusal) {}

  bool run() {
    const bool fused = problem_.is(op_fused());
    const auto outputs =
        fused ? graph_.outputs() : std::span<const ValueId>(problem_.node->outputs);
    if (fused) {
      for (const NodeId id : graph_.order()) {
        if (!node(graph_.node(id))) return false;
      }
    } else if (!node(*problem_.node)) {
      return false;
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const std::string value = operand(outputs[i]);
      if (value.empty()) return false;
      code += fmt::format("  const {} e{} = {};\n", compute_type(dtype(outputs[i])), i, value);
    }
    return true;
  }

  std::vector<std::size_t> inputs, tables;
  std::map<std::size_t, std::int64_t> axes;
  std::string code;

 private:
  DType dtype(ValueId id) const { return graph_.value(id).type.dtype; }

  // An expression of the value's compute type; empty, with a refusal, where there is none.
  std::string operand(ValueId id) {
    for (const auto& [known, name] : names_) {
      if (known == id) return name;
    }
    if (!has_element(dtype(id))) {
      refusal_ = "there are no kernels for " + std::string(to_string(dtype(id)));
      return {};
    }
    if (const Tensor* constant = constant_of(id); constant != nullptr && constant->size() == 1)
      return literal(*constant, 0);
    const auto all =
        problem_.is(op_fused()) ? graph_.inputs() : std::span<const ValueId>(problem_.node->inputs);
    const auto at = std::ranges::find(all, id);
    if (at == all.end()) {
      refusal_ = "an operand is a constant inside the fused node";
      return {};
    }
    const auto index = static_cast<std::size_t>(at - all.begin());
    if (axes.contains(index)) {
      refusal_ = "a parameter per channel is read as something else too";
      return {};
    }
    if (std::ranges::find(inputs, index) == inputs.end()) inputs.push_back(index);
    return fmt::format("u{}", index);
  }

  // A number, or one for each index of `axis` of the node's result; as operand().
  // `axis` may count from the end; it need not exist where the parameter is one number.
  std::string parameter(ValueId id, std::int64_t axis) {
    const std::size_t read_before = inputs.size();
    const std::string out = operand(id);
    const Type& type = graph_.value(id).type;
    if (out.empty() || out[0] != 'u' || !type.shape) return out;
    if (type.rank() == 0 || (type.rank() == 1 && (*type.shape)[0].is(1))) return out;
    if (type.rank() != 1) {
      refusal_ = "its parameters are for blocks";
      return {};
    }
    if (inputs.size() == read_before) {
      refusal_ = "a parameter per channel is read as something else too";
      return {};
    }
    if (axis < 0) {
      refusal_ = "its parameters have no axis";
      return {};
    }
    axes[inputs.back()] = axis;
    return out;
  }

  // The operators of quantisation, as INT8 arithmetic has them: rounded where the reference does.
  std::optional<std::string> quantized(const Node& node) {
    const DType result = dtype(node.outputs[0]);
    const std::string type = compute_type(result);
    const auto rank = graph_.value(node.outputs[0]).type.rank();
    if (rank < 0) return std::nullopt;
    const auto along = [&](std::int64_t axis) {
      return axis < -rank || axis >= rank ? -1 : normalize_axis(axis, rank);
    };
    const std::string x = operand(node.inputs[0]);
    if (x.empty()) return std::nullopt;
    if (node.is(op_quantize_linear())) {
      const auto& attributes = node.as<QuantizeLinearAttributes>();
      if (attributes.block_size != 0 || attributes.precision != DType::f32 || !is_integer(result) ||
          compute_kind(dtype(node.inputs[0])) != ComputeKind::f32) {
        refuse("it takes floats divided in f32, and makes integers");
        return std::nullopt;
      }
      const std::string scale = parameter(node.inputs[1], along(attributes.axis));
      const std::string zero =
          node.input(2).exists() ? parameter(node.inputs[2], along(attributes.axis)) : "0";
      if (scale.empty() || zero.empty()) return std::nullopt;
      return fmt::format("quantized<{}>({}, {}, static_cast<float>({}), {}, {})", type, x, scale,
                         zero, float_of(lowest_literal(result)), float_of(highest_literal(result)));
    }
    if (node.is(op_dequantize_linear())) {
      const auto axis = along(node.as<DequantizeLinearAttributes>().axis);
      std::vector<std::string> operands = {x, parameter(node.inputs[1], axis)};
      if (operands[1].empty()) return std::nullopt;
      if (node.input(2).exists()) {
        operands.push_back(parameter(node.inputs[2], axis));
        if (operands[2].empty()) return std::nullopt;
      }
      std::string out = pointwise_expression(
          node, graph_, operands, [this](ValueId id) { return constant_of(id); }, refusal_);
      if (out.empty()) return std::nullopt;
      return out;
    }
    if (node.is(op_table_lookup())) {
      const auto all = problem_.is(op_fused()) ? graph_.inputs()
                                               : std::span<const ValueId>(problem_.node->inputs);
      const auto at = std::ranges::find(all, node.inputs[1]);
      if (at == all.end()) {
        refuse("its table is computed inside the fused node");
        return std::nullopt;
      }
      tables.push_back(static_cast<std::size_t>(at - all.begin()));
      return fmt::format("static_cast<{}>(x{}[static_cast<unsigned char>({})])",
                         element_type(result), tables.back(), x);
    }
    const auto& attributes = node.as<RequantizeAttributes>();
    const std::string multiplier = parameter(node.inputs[1], along(attributes.axis));
    const std::string offset =
        multiplier.empty() ? "" : parameter(node.inputs[2], along(attributes.axis));
    if (offset.empty()) return std::nullopt;
    std::string t = fmt::format(
        "__fmaf_rn(static_cast<float>(static_cast<long long>({}) - {}ll), "
        "{}, {})",
        x, attributes.x_zero, multiplier, offset);
    if (node.input(3).exists()) {
      const std::string residual = operand(node.inputs[3]);
      if (residual.empty()) return std::nullopt;
      t = fmt::format("__fmaf_rn(static_cast<float>(static_cast<long long>({}) - {}ll), {}, {})",
                      residual, attributes.residual_zero,
                      literal(DType::f32, attributes.residual_multiplier), t);
    }
    return fmt::format("static_cast<{}>({}ll + requantized({}, {}))", type, attributes.low, t,
                       literal(DType::f32, static_cast<double>(attributes.high - attributes.low)));
  }

  // Per channel, which is axis 1.
  std::optional<std::string> batch_norm(const Node& node) {
    const DType result = dtype(node.outputs[0]);
    const auto rank = graph_.value(node.outputs[0]).type.rank();
    const std::string x = operand(node.inputs[0]);
    if (x.empty() || rank < 0) return std::nullopt;
    const std::string type = compute_type(result);
    std::array<std::string, 4> parameters;  // scale, bias, mean, variance
    for (std::size_t i = 0; i < 4; ++i) {
      parameters[i] = parameter(node.inputs[i + 1], rank > 1 ? 1 : -1);
      if (parameters[i].empty()) return std::nullopt;
      parameters[i] = fmt::format("static_cast<{}>({})", type, parameters[i]);
    }
    return fmt::format("({} - {}) * ({} / sqrt({} + {})) + {}", x, parameters[2], parameters[0],
                       parameters[3], literal(result, node.as<BatchNormAttributes>().epsilon),
                       parameters[1]);
  }

  static std::string float_of(const std::string& integer) {
    return fmt::format("static_cast<float>({})", integer);
  }

  const Tensor* constant_of(ValueId id) const {
    if (graph_.value(id).is_constant()) return &graph_.value(id).constant;
    if (!problem_.is(op_fused())) return nullptr;
    const auto at = std::ranges::find(graph_.inputs(), id);
    return at == graph_.inputs().end()
               ? nullptr
               : problem_.constant(static_cast<std::size_t>(at - graph_.inputs().begin()));
  }

  bool refuse(std::string why) {
    refusal_ = std::move(why);
    return false;
  }

  void define(const Node& node, const std::string& expression) {
    const std::string name = fmt::format("v{}", names_.size());
    code += fmt::format("  const {} {} = {};\n", compute_type(dtype(node.outputs[0])), name,
                        expression);
    names_.emplace_back(node.outputs[0], name);
  }

  bool node(const Node& node) {
    const bool quantizes = node.is(op_quantize_linear()) || node.is(op_dequantize_linear()) ||
                           node.is(op_requantize()) || node.is(op_table_lookup());
    if (quantizes || node.is(op_batch_norm())) {
      const auto made = quantizes ? quantized(node) : batch_norm(node);
      if (!made) return false;
      define(node, *made);
      return true;
    }
    if (!is_expression(node))
      return names_.empty() ? false
                            : refuse("its body holds the operator " + std::string(node.op->name));
    std::vector<std::string> operands;
    for (const ValueId input : node.inputs) {
      operands.push_back(input.exists() ? operand(input) : "");
      if (input.exists() && operands.back().empty()) return false;
    }
    const std::string expression = pointwise_expression(
        node, graph_, operands, [this](ValueId id) { return constant_of(id); }, refusal_);
    if (expression.empty()) return false;
    define(node, expression);
    return true;
  }

  const Problem& problem_;
  const Graph& graph_;
  std::string& refusal_;
  std::vector<std::pair<ValueId, std::string>> names_;
};

}  // namespace

std::optional<PointwiseBody> PointwiseBody::read(const Problem& problem, std::string& refusal) {
  Reader reader(problem, refusal);
  if (!reader.run()) return std::nullopt;
  PointwiseBody out;
  out.inputs_ = std::move(reader.inputs);
  out.tables_ = std::move(reader.tables);
  out.axes_ = std::move(reader.axes);
  out.code_ = std::move(reader.code);
  return out;
}

}  // namespace strop::cuda
